/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an archive: a new file beside the target, filled, flushed to the disk and renamed over the target, so that at
 * every moment the path names either the old file or the complete new one. A target that is a device or a pipe
 * (/dev/null) is written in place: renaming would replace the device. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/archive_parts.h"
#include "base/size.h"

#define TAG "archive"

/* Text that grows in the ledger; after a failure `failed` stays set and further text is dropped. */
typedef struct text {
    weir_ctx *ctx;
    char *bytes;
    size_t length, capacity;
    bool failed;
} text;

static void text_add(text *t, const char *bytes, size_t count)
{
    if (t->failed) {
        return;
    }
    if (t->capacity - t->length < count) {
        size_t capacity = 2 * t->capacity + count + 256;
        char *grown = w_realloc(t->ctx, TAG, t->bytes, capacity);
        if (!grown) {
            t->failed = true;
            return;
        }
        t->bytes = grown;
        t->capacity = capacity;
    }
    memcpy(t->bytes + t->length, bytes, count);
    t->length += count;
}

static void text_put(text *t, const char *literal)
{
    text_add(t, literal, strlen(literal));
}

static void text_quote(text *t, const char *bytes, size_t count)
{
    text_put(t, "\"");
    size_t start = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        text_add(t, bytes + start, i - start);
        char escape[8];
        snprintf(escape, sizeof escape, c < 0x20 ? "\\u%04x" : "\\%c", c);
        text_put(t, escape);
        start = i + 1;
    }
    text_add(t, bytes + start, count - start);
    text_put(t, "\"");
}

static void text_entry(text *t, const w_archive_entry *entry, int64_t offset)
{
    char line[192];
    text_put(t, ",");
    text_quote(t, entry->name, strlen(entry->name));
    int used = snprintf(line, sizeof line, ":{\"dtype\":\"%s\",\"shape\":[%" PRId64, w_archive_dtype_name[entry->dtype],
                        entry->rows);
    if (entry->cols > 0) {
        used += snprintf(line + used, sizeof line - (size_t)used, ",%" PRId64, entry->cols);
    }
    snprintf(line + used, sizeof line - (size_t)used, "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}", offset,
             offset + entry->bytes);
    text_put(t, line);
}

/* The description as text in a ledger block. */
static weir_status description_dump(const w_archive *archive, char **out, size_t *length)
{
    weir_ctx *ctx = archive->ctx;
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(17);
    size_t size = json_dumpb(archive->json, NULL, 0, flags);
    if (size == 0) {
        return w_fail(ctx, WEIR_E_DATA, "a name, level or label is not valid UTF-8 and cannot be saved; convert the data");
    }
    char *dump = w_alloc(ctx, TAG, size);
    if (!dump) {
        return w_alloc_status(ctx);
    }
    if (json_dumpb(archive->json, dump, size, flags) != size) {
        w_free(ctx, dump);
        return w_fail(ctx, WEIR_E_MEMORY, "the system refused memory to write a description");
    }
    *out = dump;
    *length = size;
    return WEIR_OK;
}

/* 8 bytes of length and the header, padded with spaces so that the arrays start on a multiple of 8. */
static weir_status header_make(const w_archive *archive, text *t)
{
    char *dump = NULL;
    size_t length = 0;
    weir_status status = description_dump(archive, &dump, &length);
    if (status != WEIR_OK) {
        return status;
    }
    text_add(t, "\0\0\0\0\0\0\0\0", 8);
    text_put(t, "{\"__metadata__\":{\"weir\":");
    text_quote(t, dump, length);
    text_put(t, "}");
    w_free(archive->ctx, dump);
    int64_t offset = 0;
    for (int64_t i = 0; i < archive->count; i++) {
        text_entry(t, &archive->entry[i], offset);
        offset += archive->entry[i].bytes;
    }
    text_put(t, "}");
    text_add(t, "       ", (8 - t->length % 8) % 8);
    if (t->failed) {
        return w_alloc_status(archive->ctx);
    }
    if (t->length - 8 > (size_t)W_ARCHIVE_HEADER_LIMIT) {
        return w_fail(archive->ctx, WEIR_E_DATA, "the description needs more than 64 MiB (too many levels or terms)");
    }
    for (int i = 0; i < 8; i++) {
        t->bytes[i] = (char)((t->length - 8) >> (8 * i) & 0xff);
    }
    return WEIR_OK;
}

/* 0, or -1 with errno. */
static int write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t done = write(fd, bytes, count);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            errno = done == 0 ? ENOSPC : errno;
            return -1;
        }
        bytes += done;
        count -= (size_t)done;
    }
    return 0;
}

static int fill(const w_archive *archive, const text *header, int fd)
{
    if (write_all(fd, header->bytes, header->length) != 0) {
        return -1;
    }
    for (int64_t i = 0; i < archive->count; i++) {
        if (write_all(fd, archive->entry[i].data, (size_t)archive->entry[i].bytes) != 0) {
            return -1;
        }
    }
    return 0;
}

static weir_status fail_io(weir_ctx *ctx, const char *path, int cause)
{
    return w_fail(ctx, WEIR_E_IO, "cannot write %s: %s", path, strerror(cause));
}

static weir_status write_in_place(const w_archive *archive, const text *header, const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail_io(archive->ctx, path, errno);
    }
    int cause = fill(archive, header, fd) != 0 ? errno : 0;
    if (close(fd) != 0 && cause == 0) {
        cause = errno;
    }
    return cause == 0 ? WEIR_OK : fail_io(archive->ctx, path, cause);
}

/* Opens a file of a new name in the folder of `path`: ".NAME.PID.k.part". `name` holds strlen(path) + 48 bytes. */
static int open_beside(const char *path, char *name, size_t size)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;
    for (int k = 0; k < 100; k++) {
        snprintf(name, size, "%.*s.%s.%ld.%d.part", folder, path, path + folder, (long)getpid(), k);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) {
            return fd;
        }
    }
    return -1;
}

/* The new name must survive a crash too; a file system that cannot flush a folder is no reason to fail. */
static void folder_flush(char *name)
{
    char *slash = strrchr(name, '/');
    if (slash) {
        slash[slash == name] = '\0';
    }
    int fd = open(slash ? name : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

static weir_status write_renamed(const w_archive *archive, const text *header, const char *path)
{
    weir_ctx *ctx = archive->ctx;
    size_t size = strlen(path) + 48;
    char *name = w_alloc(ctx, TAG, size);
    if (!name) {
        return w_alloc_status(ctx);
    }
    int fd = open_beside(path, name, size);
    if (fd < 0) {
        weir_status status = fail_io(ctx, path, errno);
        w_free(ctx, name);
        return status;
    }
    int cause = fill(archive, header, fd) != 0 || fsync(fd) != 0 ? errno : 0;
    if (close(fd) != 0 && cause == 0) {
        cause = errno;
    }
    if (cause == 0 && rename(name, path) != 0) {
        cause = errno;
    }
    if (cause != 0) {
        unlink(name);
    } else {
        folder_flush(name);
    }
    w_free(ctx, name);
    return cause == 0 ? WEIR_OK : fail_io(ctx, path, cause);
}

static weir_status write_to(const w_archive *archive, const text *header, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return write_renamed(archive, header, path);
    }
    if (S_ISDIR(info.st_mode)) {
        return fail_io(archive->ctx, path, EISDIR);
    }
    if (!S_ISREG(info.st_mode)) {
        return write_in_place(archive, header, path);
    }
    char *real = realpath(path, NULL); /* a link stays a link */
    weir_status status = real ? write_renamed(archive, header, real) : fail_io(archive->ctx, path, errno);
    free(real);
    return status;
}

weir_status w_archive_write(w_archive *archive, const char *path)
{
    if (strcmp(path, "-") == 0 || path[0] == '\0') {
        return w_fail(archive->ctx, WEIR_E_ARG, "a file of this kind cannot go to standard output: give a file name");
    }
    text header = { .ctx = archive->ctx };
    weir_status status = header_make(archive, &header);
    if (status == WEIR_OK) {
        status = write_to(archive, &header, path);
    }
    w_free(archive->ctx, header.bytes);
    return status;
}
