/* SPDX-License-Identifier: Apache-2.0 */
/* The file has no name from the first byte on (O_TMPFILE, or unlinked at once where the file system has none). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/format.h"
#include "base/size.h"
#include "table/table.h"

#define TAG "spool"
#define MARGIN_BYTES ((int64_t)64 << 20) /* of the scratch folder, left to others, and 1/MARGIN_SHARE of what is free */
#define MARGIN_SHARE 16
#define TMPFS 0x01021994 /* f_type: the folder lies in memory */
#define RAMFS 0x858458f6

struct w_spool {
    weir_ctx *ctx;
    int descriptor;
    int64_t size;
};

static const char *folder_of(const weir_ctx *ctx) { return ctx->scratch ? ctx->scratch : "/tmp"; }

static bool forbidden(const weir_ctx *ctx) { return strcmp(folder_of(ctx), "none") == 0; }

/* Of one file; INT64_MAX = no limit. Writing beyond it would raise a signal. */
static int64_t file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > INT64_MAX) {
        return INT64_MAX;
    }
    return (int64_t)limit.rlim_cur;
}

static bool in_memory(const char *folder)
{
    struct statfs about;
    return statfs(folder, &about) == 0 && ((int64_t)about.f_type == TMPFS || (int64_t)about.f_type == RAMFS);
}

int64_t w_source_scratch_room(const weir_ctx *ctx, char *text, size_t size, const char **why)
{
    const char *folder = folder_of(ctx);
    struct statvfs about;
    *why = text;
    if (forbidden(ctx)) {
        snprintf(text, size, "no scratch folder is allowed");
        return 0;
    }
    if (access(folder, W_OK | X_OK) != 0 || statvfs(folder, &about) != 0) {
        snprintf(text, size, "scratch folder %.80s cannot be used (%.40s)", folder, strerror(errno));
        return 0;
    }
    if (!ctx->scratch_named && in_memory(folder)) {
        snprintf(text, size, "scratch folder %.80s lies in memory; name one on a disk", folder);
        return 0;
    }
    int64_t block = about.f_frsize > 0 ? (int64_t)about.f_frsize : (int64_t)about.f_bsize;
    int64_t free_bytes = w_mul64((int64_t)about.f_bavail, block);
    int64_t room = w_min64(free_bytes - free_bytes / MARGIN_SHARE - MARGIN_BYTES, file_limit());
    if (room <= 0) {
        snprintf(text, size, "scratch folder %.80s is full", folder);
        return 0;
    }
    *why = NULL;
    return room;
}

static int open_named(const char *folder)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/weir-rows-XXXXXX", folder) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int descriptor = mkostemp(path, O_CLOEXEC); /* O_EXCL, mode 0600 */
    if (descriptor >= 0) {
        unlink(path);
    }
    return descriptor;
}

weir_status w_spool_create(weir_ctx *ctx, w_spool **out)
{
    const char *folder = folder_of(ctx);
    if (forbidden(ctx)) {
        return w_fail(ctx, WEIR_E_BUDGET, "decoded rows do not fit in memory, and without a scratch folder they cannot be read "
                                          "again: name one (--scratch DIR), or give more memory");
    }
    w_spool *spool = w_calloc(ctx, TAG, 1, sizeof *spool);
    if (!spool) {
        return w_alloc_status(ctx);
    }
    spool->ctx = ctx;
    spool->descriptor = open(folder, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (spool->descriptor < 0) {
        spool->descriptor = open_named(folder);
    }
    if (spool->descriptor < 0) {
        int cause = errno;
        w_free(ctx, spool);
        return w_fail(ctx, WEIR_E_IO, "cannot make a temporary file in the scratch folder %s: %s", folder, strerror(cause));
    }
    *out = spool;
    return WEIR_OK;
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
    char needed[W_FORMAT_BYTES];
    w_format_bytes(needed, w_add64(spool->size, bytes));
    return w_fail(ctx, WEIR_E_IO,
                  "cannot spool rows to the scratch folder %s: %s; at least %s are needed there: free space or "
                  "name another folder",
                  folder_of(ctx), strerror(cause), needed);
}

weir_status w_spool_append(w_spool *spool, const void *data, int64_t bytes, int64_t *offset)
{
    *offset = spool->size;
    if (w_add64(spool->size, bytes) > file_limit()) {
        return write_failed(spool, bytes, EFBIG);
    }
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

weir_status w_spool_read(const w_spool *spool, int64_t offset, void *data, int64_t bytes)
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
