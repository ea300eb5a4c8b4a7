/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an archive. Nothing in the file is believed before it is checked, and every length is checked against the
 * size of the file before memory is asked for:
 *   1. 8 <= size, header length N <= min(64 MiB, size - 8);
 *   2. the header's JSON nests at most 64 deep, has no duplicate keys, and its tree (estimated by counting what
 *      makes nodes) fits the budget;
 *   3. the arrays, in the order listed, cover the rest of the file without gap, overlap or remainder;
 *   4. shape times size of the type is the length given, float64 values are finite;
 *   5. the description parses under the same rules and is of the wanted kind and a version this library knows. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/archive_parts.h"
#include "base/size.h"

#define TAG "archive"
#define RESERVED "__metadata__"

/* Bytes to read from: a file, or memory when fd < 0. */
typedef struct input {
    weir_ctx *ctx;
    const char *label;      /* path for messages */
    const char *kind;
    int fd;
    const char *bytes;
    int64_t size;
} input;

static weir_status refuse(const input *in, const char *what)
{
    return w_fail(in->ctx, WEIR_E_MODEL, "%s: not a sound weir %s file: %s", in->label, in->kind, what);
}

static weir_status read_at(const input *in, int64_t offset, int64_t count, void *out)
{
    if (in->fd < 0) {
        memcpy(out, in->bytes + offset, (size_t)count);
        return WEIR_OK;
    }
    int64_t done = 0;
    while (done < count) {
        ssize_t got = pread(in->fd, (char *)out + done, (size_t)(count - done), (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return w_fail(in->ctx, WEIR_E_IO, "cannot read %s: %s", in->label, strerror(errno));
        }
        if (got == 0) {
            return refuse(in, "it became shorter while it was read");
        }
        done += got;
    }
    return WEIR_OK;
}

/* Walks over JSON text without building anything: depth of nesting, and an upper estimate of the bytes jansson's tree
 * will take (an object 384 with its first hash table and growth, an array 192, every other value and key 96, text twice). */
static bool json_survey(const char *text, int64_t length, int64_t *bytes)
{
    int depth = 0;
    bool quoted = false;
    int64_t sum = 256;
    for (int64_t i = 0; i < length; i++) {
        char c = text[i];
        if (quoted) {
            sum += 2;
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                quoted = false;
            }
            continue;
        }
        switch (c) {
        case '"':
            quoted = true;
            sum += 96;
            break;
        case '{':
        case '[':
            sum += c == '{' ? 384 : 192;
            if (++depth > W_ARCHIVE_DEPTH_LIMIT) {
                return false;
            }
            break;
        case '}':
        case ']':
            depth--;
            break;
        case ',':
        case ':':
            sum += 96;
            break;
        default:
            break;
        }
    }
    *bytes = sum;
    return true;
}

/* Parses text into a tree whose estimated bytes are charged to the ledger. */
static weir_status json_parse(const input *in, const char *text, int64_t length, const char *what, json_t **out,
                              int64_t *charged)
{
    int64_t bytes;
    if (!json_survey(text, length, &bytes)) {
        return w_fail(in->ctx, WEIR_E_MODEL, "%s: not a sound weir %s file: its %s nests deeper than %d", in->label,
                      in->kind, what, W_ARCHIVE_DEPTH_LIMIT);
    }
    weir_status status = w_ledger_charge(in->ctx, TAG, bytes);
    if (status != WEIR_OK) {
        return status;
    }
    json_error_t error;
    json_t *tree = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (tree && json_is_object(tree)) {
        *out = tree;
        *charged = bytes;
        return WEIR_OK;
    }
    w_ledger_charge(in->ctx, TAG, -bytes);
    if (!tree && json_error_code(&error) == json_error_out_of_memory) {
        return w_fail(in->ctx, WEIR_E_MEMORY, "the system refused memory to read %s", in->label);
    }
    status = w_fail(in->ctx, WEIR_E_MODEL, "%s: not a sound weir %s file: its %s is not a JSON object%s%s", in->label,
                    in->kind, what, tree ? "" : ": ", tree ? "" : error.text);
    json_decref(tree);
    return status;
}

static bool whole_number(const json_t *value, int64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return false;
    }
    *out = json_integer_value(value);
    return true;
}

static weir_status entry_refuse(const input *in, const char *name, const char *what)
{
    return w_fail(in->ctx, WEIR_E_MODEL, "%s: not a sound weir %s file: array \"%.80s\" %s", in->label, in->kind, name,
                  what);
}

static weir_status entry_read(const input *in, const char *name, const json_t *value, int64_t available, int64_t *end,
                              w_archive_entry *entry)
{
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    const json_t *shape = json_object_get(value, "shape"), *offsets = json_object_get(value, "data_offsets");
    if (!dtype || json_object_size(value) != 3 || json_array_size(offsets) != 2 || json_array_size(shape) < 1 ||
        json_array_size(shape) > 2) {
        return entry_refuse(in, name, "lacks dtype, shape or data_offsets, or has more than that");
    }
    int kind = 0;
    while (kind < W_ARCHIVE_DTYPES && strcmp(dtype, w_archive_dtype_name[kind]) != 0) {
        kind++;
    }
    if (kind == W_ARCHIVE_DTYPES) {
        return entry_refuse(in, name, "has an unknown dtype");
    }
    int64_t rows = 0, cols = 0, first = 0, last = 0;
    bool flat = json_array_size(shape) == 1;
    if (!whole_number(json_array_get(shape, 0), &rows) || (!flat && !whole_number(json_array_get(shape, 1), &cols)) ||
        !whole_number(json_array_get(offsets, 0), &first) || !whole_number(json_array_get(offsets, 1), &last)) {
        return entry_refuse(in, name, "has a size that is not a whole number");
    }
    int64_t bytes = w_mul64(w_mul64(rows, flat ? 1 : cols), w_archive_dtype_bytes[kind]);
    if (first != *end || last < first || last > available) {
        return entry_refuse(in, name, "leaves a gap, overlaps another or ends past the end of the file");
    }
    if (bytes != last - first || (!flat && cols == 0)) {
        return entry_refuse(in, name, "is not as long as its shape says");
    }
    if (first % w_archive_dtype_bytes[kind] != 0) {
        return entry_refuse(in, name, "does not lie on a multiple of its type's size");
    }
    *end = last;
    entry->dtype = (w_archive_dtype)kind;
    entry->rows = rows;
    entry->cols = cols;
    entry->bytes = bytes;
    return WEIR_OK;
}

static weir_status entries_read(const input *in, w_archive *archive, json_t *header, int64_t available)
{
    int64_t end = 0;
    const char *name;
    json_t *value;
    json_object_foreach(header, name, value) {
        if (strcmp(name, RESERVED) == 0) {
            continue;
        }
        w_archive_entry *entry = w_archive_entry_add(archive, name);
        if (!entry) {
            return w_alloc_status(in->ctx);
        }
        weir_status status = entry_read(in, name, value, available, &end, entry);
        if (status != WEIR_OK) {
            return status;
        }
    }
    return end == available ? WEIR_OK : refuse(in, "bytes are left over behind the last array");
}

static weir_status data_read(const input *in, w_archive *archive, int64_t start, int64_t bytes)
{
    archive->data = w_alloc(in->ctx, TAG, (size_t)bytes);
    if (!archive->data) {
        return w_alloc_status(in->ctx);
    }
    weir_status status = read_at(in, start, bytes, archive->data);
    int64_t offset = 0;
    for (int64_t i = 0; status == WEIR_OK && i < archive->count; i++) {
        w_archive_entry *entry = &archive->entry[i];
        entry->data = archive->data + offset;
        offset += entry->bytes;
        if (entry->dtype == W_ARCHIVE_F64) {
            const double *values = entry->data;
            for (int64_t j = 0; j < entry->bytes / 8; j++) {
                if (!isfinite(values[j])) {
                    return entry_refuse(in, entry->name, "holds a value that is not finite");
                }
            }
        }
    }
    return status;
}

static weir_status description_read(const input *in, w_archive *archive, const json_t *header, int max_version)
{
    const json_t *text = json_object_get(json_object_get(header, RESERVED), "weir");
    if (!json_is_string(text)) {
        return refuse(in, "it has no weir description");
    }
    weir_status status = json_parse(in, json_string_value(text), (int64_t)json_string_length(text), "description",
                                    &archive->json, &archive->charged);
    if (status != WEIR_OK) {
        return status;
    }
    const char *kind = json_string_value(json_object_get(archive->json, "kind"));
    int64_t version = 0;
    if (!kind || !whole_number(json_object_get(archive->json, "version"), &version) || version < 1) {
        return refuse(in, "its description names no kind or version");
    }
    if (strcmp(kind, in->kind) != 0) {
        return w_fail(in->ctx, WEIR_E_MODEL, "%s: a %.40s file was given where a %s file is wanted", in->label, kind,
                      in->kind);
    }
    if (version > max_version) {
        return w_fail(in->ctx, WEIR_E_MODEL,
                      "%s: its format %" PRId64 " is newer than the %d this library reads; use a newer weir", in->label,
                      version, max_version);
    }
    archive->version = (int)version;
    return WEIR_OK;
}

static weir_status header_read(const input *in, int64_t *length, char **out)
{
    unsigned char head[8];
    if (in->size < 8) {
        return refuse(in, "it is shorter than 8 bytes");
    }
    weir_status status = read_at(in, 0, 8, head);
    if (status != WEIR_OK) {
        return status;
    }
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) {
        n = n << 8 | head[i];
    }
    if (n > (uint64_t)W_ARCHIVE_HEADER_LIMIT || n > (uint64_t)(in->size - 8) || n < 2) {
        return refuse(in, "the length of its header does not fit the file; it may be cut off");
    }
    char *header = w_alloc(in->ctx, TAG, (size_t)n);
    if (!header) {
        return w_alloc_status(in->ctx);
    }
    status = read_at(in, 8, (int64_t)n, header);
    if (status == WEIR_OK && header[0] != '{') {
        status = refuse(in, "its header is not a JSON object");
    }
    if (status != WEIR_OK) {
        w_free(in->ctx, header);
        return status;
    }
    *length = (int64_t)n;
    *out = header;
    return WEIR_OK;
}

static weir_status archive_from(const input *in, int max_version, w_archive **out)
{
    weir_ctx *ctx = in->ctx;
    char *text = NULL;
    int64_t length = 0, charged = 0;
    json_t *header = NULL;
    w_archive *archive = NULL;
    weir_status status = header_read(in, &length, &text);
    if (status == WEIR_OK) {
        status = json_parse(in, text, length, "header", &header, &charged);
    }
    w_free(ctx, text);
    if (status == WEIR_OK) {
        status = w_archive_new(ctx, &archive);
    }
    if (status == WEIR_OK) {
        status = entries_read(in, archive, header, in->size - 8 - length);
    }
    if (status == WEIR_OK) {
        status = description_read(in, archive, header, max_version);
    }
    if (status == WEIR_OK) {
        status = data_read(in, archive, 8 + length, in->size - 8 - length);
    }
    json_decref(header);
    if (charged > 0) {
        w_ledger_charge(ctx, TAG, -charged);
    }
    if (status != WEIR_OK) {
        w_archive_free(archive);
        return status;
    }
    *out = archive;
    return WEIR_OK;
}

weir_status w_archive_parse(weir_ctx *ctx, const void *bytes, size_t size, const char *kind, int max_version,
                            w_archive **out)
{
    input in = { ctx, "data in memory", kind, -1, bytes, size > INT64_MAX ? INT64_MAX : (int64_t)size };
    return archive_from(&in, max_version, out);
}

weir_status w_archive_read(weir_ctx *ctx, const char *path, const char *kind, int max_version, w_archive **out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return w_fail(ctx, WEIR_E_IO, "cannot open %s file %s: %s", kind, path, strerror(errno));
    }
    struct stat info;
    weir_status status;
    if (fstat(fd, &info) != 0) {
        status = w_fail(ctx, WEIR_E_IO, "cannot read %s: %s", path, strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        status = w_fail(ctx, WEIR_E_IO, "cannot read %s: it is not a regular file", path);
    } else {
        input in = { ctx, path, kind, fd, NULL, (int64_t)info.st_size };
        status = archive_from(&in, max_version, out);
    }
    close(fd);
    return status;
}
