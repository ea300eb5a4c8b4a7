/* SPDX-License-Identifier: Apache-2.0 */
#include "table/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/size.h"

#define TAG "file reader"
#define PACKED_BYTES 65536
#define MOST_AT_ONCE ((int64_t)1 << 30)
#define INFLATE_BYTES 49152 /* zlib's documented need for windowBits 15, rounded up */

struct w_bytes {
    weir_ctx *ctx;
    const char *path;
    int descriptor;
    bool owned, regular, compressed, packed_end;
    bool between_members;
    int64_t size, taken, position;
    unsigned char head[2]; /* of a pipe: read to tell what it is */
    int head_count, head_used;
    z_stream stream;
    unsigned char *packed;
};

static weir_status io_failure(const w_bytes *bytes, const char *what)
{
    return w_fail(bytes->ctx, WEIR_E_IO, "%s: cannot %s: %s", bytes->path, what, strerror(errno));
}

static voidpf inflate_alloc(voidpf ctx, uInt items, uInt size) { return w_alloc_array(ctx, TAG, items, size); }

static void inflate_free(voidpf ctx, voidpf block) { w_free(ctx, block); }

/* Raw bytes of the file; *got = 0 at the end. */
static weir_status read_raw(w_bytes *bytes, void *to, int64_t want, int64_t *got)
{
    char *p = to;
    int64_t done = 0;
    while (done < want && bytes->head_used < bytes->head_count) {
        p[done++] = (char)bytes->head[bytes->head_used++];
    }
    while (done < want) {
        ssize_t count = read(bytes->descriptor, p + done, (size_t)w_min64(want - done, MOST_AT_ONCE));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return io_failure(bytes, "read");
        }
        if (count == 0) {
            break;
        }
        done += count;
        bytes->taken += count;
    }
    *got = done;
    return WEIR_OK;
}

static weir_status begin_inflate(w_bytes *bytes)
{
    bytes->packed = w_alloc(bytes->ctx, TAG, PACKED_BYTES);
    if (!bytes->packed) {
        return w_alloc_status(bytes->ctx);
    }
    bytes->stream = (z_stream){ .zalloc = inflate_alloc, .zfree = inflate_free, .opaque = bytes->ctx };
    if (inflateInit2(&bytes->stream, 15 + 16) != Z_OK) {
        bytes->stream.state = Z_NULL;
        return w_alloc_status(bytes->ctx);
    }
    bytes->compressed = true;
    bytes->between_members = true;
    return WEIR_OK;
}

static weir_status look_at_head(w_bytes *bytes)
{
    struct stat info;
    if (fstat(bytes->descriptor, &info) != 0) {
        return io_failure(bytes, "open");
    }
    if (S_ISDIR(info.st_mode)) {
        return w_fail(bytes->ctx, WEIR_E_IO, "%s is a folder, not a file", bytes->path);
    }
    bytes->regular = bytes->owned && S_ISREG(info.st_mode);
    bytes->size = bytes->regular ? (int64_t)info.st_size : -1;
    if (bytes->regular) {
        posix_fadvise(bytes->descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    int64_t got = 0;
    weir_status status = read_raw(bytes, bytes->head, sizeof bytes->head, &got);
    bytes->head_count = (int)got;
    if (status >= 0 && got == 2 && bytes->head[0] == 0x1f && bytes->head[1] == 0x8b) {
        return begin_inflate(bytes);
    }
    return status;
}

weir_status w_bytes_open(weir_ctx *ctx, const char *path, w_bytes **out)
{
    w_bytes *bytes = w_calloc(ctx, TAG, 1, sizeof *bytes);
    if (!bytes) {
        return w_alloc_status(ctx);
    }
    bool standard = strcmp(path, "-") == 0;
    bytes->ctx = ctx;
    bytes->path = standard ? "standard input" : path;
    bytes->owned = !standard;
    bytes->descriptor = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    weir_status status = bytes->descriptor < 0 ? io_failure(bytes, "open") : look_at_head(bytes);
    if (status < 0) {
        w_bytes_close(bytes);
        return status;
    }
    *out = bytes;
    return WEIR_OK;
}

void w_bytes_close(w_bytes *bytes)
{
    if (!bytes) {
        return;
    }
    if (bytes->stream.state) {
        inflateEnd(&bytes->stream);
    }
    if (bytes->owned && bytes->descriptor >= 0) {
        close(bytes->descriptor);
    }
    w_free(bytes->ctx, bytes->packed);
    w_free(bytes->ctx, bytes);
}

static weir_status damaged(const w_bytes *bytes, const char *what)
{
    return w_fail(bytes->ctx, WEIR_E_DATA, "%s: the gzip data %s", bytes->path, what);
}

/* A member has ended; padding of zero bytes after it is allowed, another member too. */
static weir_status next_member(w_bytes *bytes)
{
    z_stream *z = &bytes->stream;
    while (z->avail_in > 0 && *z->next_in == 0) {
        z->next_in++;
        z->avail_in--;
    }
    if (z->avail_in > 0) {
        if (*z->next_in != 0x1f) {
            return damaged(bytes, "is followed by something else");
        }
        if (inflateReset(z) != Z_OK) {
            return damaged(bytes, "is damaged");
        }
        bytes->between_members = false;
    }
    return WEIR_OK;
}

static weir_status read_packed(w_bytes *bytes, char *to, int64_t want, int64_t *got)
{
    z_stream *z = &bytes->stream;
    int64_t done = 0;
    weir_status status = WEIR_OK;
    while (status >= 0 && done < want) {
        if (z->avail_in == 0 && !bytes->packed_end) {
            int64_t count = 0;
            status = read_raw(bytes, bytes->packed, PACKED_BYTES, &count);
            if (status < 0) {
                break;
            }
            bytes->packed_end = count < PACKED_BYTES;
            z->next_in = bytes->packed;
            z->avail_in = (uInt)count;
        }
        if (bytes->between_members) {
            status = next_member(bytes);
            if (bytes->between_members && z->avail_in == 0 && bytes->packed_end) {
                break;
            }
            continue;
        }
        int64_t room = w_min64(want - done, MOST_AT_ONCE);
        z->next_out = (Bytef *)to + done;
        z->avail_out = (uInt)room;
        int code = inflate(z, Z_NO_FLUSH);
        done += room - (int64_t)z->avail_out;
        if (code == Z_STREAM_END) {
            bytes->between_members = true;
        } else if (code == Z_MEM_ERROR) {
            status = w_alloc_status(bytes->ctx);
        } else if (code == Z_BUF_ERROR || code == Z_OK) {
            if (z->avail_in == 0 && bytes->packed_end && z->avail_out > 0) {
                status = damaged(bytes, "ends too early: the file is cut short");
            }
        } else {
            status = damaged(bytes, "is damaged");
        }
    }
    *got = done;
    return status;
}

weir_status w_bytes_read(w_bytes *bytes, char *to, int64_t want, int64_t *got)
{
    weir_status status = bytes->compressed ? read_packed(bytes, to, want, got) : read_raw(bytes, to, want, got);
    if (status >= 0) {
        bytes->position += *got;
    }
    return status;
}

weir_status w_bytes_read_at(const w_bytes *bytes, int64_t offset, char *to, int64_t want, int64_t *got)
{
    int64_t done = 0;
    while (done < want) {
        ssize_t count = pread(bytes->descriptor, to + done, (size_t)w_min64(want - done, MOST_AT_ONCE),
                              (off_t)(offset + done));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return io_failure(bytes, "read");
        }
        if (count == 0) {
            break;
        }
        done += count;
    }
    *got = done;
    return WEIR_OK;
}

int64_t w_bytes_position(const w_bytes *bytes) { return bytes->position; }

void w_bytes_skip(w_bytes *bytes, int64_t count)
{
    bytes->position += count;
    bytes->taken = bytes->position;
}

bool w_bytes_is_plain(const w_bytes *bytes) { return bytes->regular && !bytes->compressed; }
bool w_bytes_is_regular(const w_bytes *bytes) { return bytes->regular; }
int64_t w_bytes_file_size(const w_bytes *bytes) { return bytes->size; }
int64_t w_bytes_taken(const w_bytes *bytes) { return bytes->taken - (int64_t)bytes->stream.avail_in; }

int64_t w_bytes_cost(bool compressed)
{
    int64_t bytes = w_alloc_bytes((int64_t)sizeof(w_bytes));
    return compressed ? bytes + w_alloc_bytes(PACKED_BYTES) + w_alloc_bytes(INFLATE_BYTES) : bytes;
}
