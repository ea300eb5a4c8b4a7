/* SPDX-License-Identifier: Apache-2.0 */
/* The file is unlinked as soon as it is made: it vanishes with the table, however the process ends. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/format.h"
#include "base/size.h"
#include "table/table.h"

#define TAG "spool"

struct w_spool {
    weir_ctx *ctx;
    int descriptor;
    int64_t size;
};

weir_status w_spool_create(weir_ctx *ctx, w_spool **out)
{
    static const char name[] = "/weir-rows-XXXXXX";
    const char *folder = ctx->scratch ? ctx->scratch : "/tmp";
    w_spool *spool = w_calloc(ctx, TAG, 1, sizeof *spool);
    char *path = w_alloc(ctx, TAG, strlen(folder) + sizeof name);
    if (!spool || !path) {
        w_free(ctx, spool);
        w_free(ctx, path);
        return w_alloc_status(ctx);
    }
    strcpy(path, folder);
    strcat(path, name);
    spool->ctx = ctx;
    spool->descriptor = mkostemp(path, O_CLOEXEC); /* O_EXCL, mode 0600 */
    weir_status status = WEIR_OK;
    if (spool->descriptor < 0) {
        status = w_fail(ctx, WEIR_E_IO, "cannot make a temporary file in the scratch folder %s: %s", folder,
                        strerror(errno));
        w_free(ctx, spool);
    } else {
        unlink(path);
        *out = spool;
    }
    w_free(ctx, path);
    return status;
}

void w_spool_free(w_spool *spool)
{
    if (spool) {
        close(spool->descriptor);
        w_free(spool->ctx, spool);
    }
}

static weir_status write_failed(const w_spool *spool, int64_t bytes, int cause)
{
    weir_ctx *ctx = spool->ctx;
    const char *folder = ctx->scratch ? ctx->scratch : "/tmp";
    char needed[W_FORMAT_BYTES];
    w_format_bytes(needed, w_add64(spool->size, bytes));
    return w_fail(ctx, WEIR_E_IO,
                  "cannot spool rows to the scratch folder %s: %s; at least %s are needed there: free space or "
                  "name another folder",
                  folder, strerror(cause), needed);
}

weir_status w_spool_append(w_spool *spool, const void *data, int64_t bytes, int64_t *offset)
{
    *offset = spool->size;
    for (int64_t done = 0; done < bytes;) {
        ssize_t count = pwrite(spool->descriptor, (const char *)data + done, (size_t)(bytes - done),
                               (off_t)(spool->size + done));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return write_failed(spool, bytes, count < 0 ? errno : ENOSPC);
        }
        done += count;
    }
    spool->size += bytes;
    return WEIR_OK;
}

weir_status w_spool_read(w_spool *spool, int64_t offset, void *data, int64_t bytes)
{
    for (int64_t done = 0; done < bytes;) {
        ssize_t count =
            pread(spool->descriptor, (char *)data + done, (size_t)(bytes - done), (off_t)(offset + done));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return w_fail(spool->ctx, WEIR_E_IO, "cannot read spooled rows back: %s",
                          count < 0 ? strerror(errno) : "the file is cut short");
        }
        done += count;
    }
    return WEIR_OK;
}
