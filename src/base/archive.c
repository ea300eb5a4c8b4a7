/* SPDX-License-Identifier: Apache-2.0 */
/* The archive in memory: a description and a list of named arrays. Names are looked up one after another: a file has
 * tens of arrays, and each is asked for once. */
#include "base/archive.h"

#include <math.h>
#include <string.h>

#include "base/archive_parts.h"
#include "base/size.h"

#define TAG "archive"

const char *const w_archive_dtype_name[W_ARCHIVE_DTYPES] = { "F64", "I64", "I32", "U8" };
const int w_archive_dtype_bytes[W_ARCHIVE_DTYPES] = { 8, 8, 4, 1 };

weir_status w_archive_new(weir_ctx *ctx, w_archive **out)
{
    w_archive *archive = w_calloc(ctx, TAG, 1, sizeof *archive);
    if (!archive) {
        return w_alloc_status(ctx);
    }
    archive->ctx = ctx;
    *out = archive;
    return WEIR_OK;
}

weir_status w_archive_create(weir_ctx *ctx, const char *kind, int version, w_archive **out)
{
    w_archive *archive = NULL;
    weir_status status = w_archive_new(ctx, &archive);
    if (status != WEIR_OK) {
        return status;
    }
    archive->version = version;
    archive->json = json_object();
    if (!archive->json || json_object_set_new(archive->json, "kind", json_string(kind)) != 0 ||
        json_object_set_new(archive->json, "version", json_integer(version)) != 0) {
        w_archive_free(archive);
        return w_fail(ctx, WEIR_E_MEMORY, "the system refused memory for the description of a %s file", kind);
    }
    *out = archive;
    return WEIR_OK;
}

void w_archive_free(w_archive *archive)
{
    if (!archive) {
        return;
    }
    weir_ctx *ctx = archive->ctx;
    json_decref(archive->json);
    for (int64_t i = 0; i < archive->count; i++) {
        w_free(ctx, archive->entry[i].name);
        if (!archive->data) {
            w_free(ctx, archive->entry[i].data);
        }
    }
    w_free(ctx, archive->entry);
    w_free(ctx, archive->data);
    if (archive->charged > 0) {
        w_ledger_charge(ctx, TAG, -archive->charged);
    }
    w_free(ctx, archive);
}

json_t *w_archive_json(const w_archive *archive)
{
    return archive->json;
}

int w_archive_version(const w_archive *archive)
{
    return archive->version;
}

static const w_archive_entry *find(const w_archive *archive, const char *name)
{
    for (int64_t i = 0; i < archive->count; i++) {
        if (strcmp(archive->entry[i].name, name) == 0) {
            return &archive->entry[i];
        }
    }
    return NULL;
}

w_archive_entry *w_archive_entry_add(w_archive *archive, const char *name)
{
    weir_ctx *ctx = archive->ctx;
    if (archive->count == archive->capacity) {
        int64_t capacity = w_max64(16, w_mul64(archive->capacity, 2));
        w_archive_entry *grown = w_realloc(ctx, TAG, archive->entry, w_mul_size((size_t)capacity, sizeof *grown));
        if (!grown) {
            return NULL;
        }
        archive->entry = grown;
        archive->capacity = capacity;
    }
    char *copy = w_strdup(ctx, TAG, name);
    if (!copy) {
        return NULL;
    }
    w_archive_entry *entry = &archive->entry[archive->count++];
    *entry = (w_archive_entry){ .name = copy };
    return entry;
}

static weir_status put(w_archive *archive, const char *name, w_archive_dtype dtype, int64_t rows, int64_t cols,
                       const void *data)
{
    weir_ctx *ctx = archive->ctx;
    if (rows < 0 || cols < 0 || find(archive, name)) {
        return w_fail(ctx, WEIR_E_INTERNAL, "array \"%s\" is put twice or has a negative size", name);
    }
    int64_t bytes = w_mul64(w_mul64(rows, cols > 0 ? cols : 1), w_archive_dtype_bytes[dtype]);
    void *copy = w_alloc(ctx, TAG, (size_t)bytes);
    if (!copy) {
        return w_alloc_status(ctx);
    }
    if (bytes > 0) {
        memcpy(copy, data, (size_t)bytes);
    }
    w_archive_entry *entry = w_archive_entry_add(archive, name);
    if (!entry) {
        w_free(ctx, copy);
        return w_alloc_status(ctx);
    }
    entry->dtype = dtype;
    entry->rows = rows;
    entry->cols = cols;
    entry->bytes = bytes;
    entry->data = copy;
    return WEIR_OK;
}

weir_status w_archive_put_f64(w_archive *archive, const char *name, int64_t rows, int64_t cols, const double *data)
{
    int64_t count = rows < 0 || cols < 0 ? 0 : w_mul64(rows, cols > 0 ? cols : 1);
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(data[i])) {
            return w_fail(archive->ctx, WEIR_E_NUMERIC, "value %lld of \"%s\" is not finite and cannot be saved",
                          (long long)i + 1, name);
        }
    }
    return put(archive, name, W_ARCHIVE_F64, rows, cols, data);
}

weir_status w_archive_put_i64(w_archive *archive, const char *name, int64_t count, const int64_t *data)
{
    return put(archive, name, W_ARCHIVE_I64, count, 0, data);
}

const double *w_archive_f64(const w_archive *archive, const char *name, int64_t *rows, int64_t *cols)
{
    const w_archive_entry *entry = find(archive, name);
    bool found = entry && entry->dtype == W_ARCHIVE_F64;
    *rows = found ? entry->rows : 0;
    *cols = found ? entry->cols : 0;
    return found ? entry->data : NULL;
}

const int64_t *w_archive_i64(const w_archive *archive, const char *name, int64_t *count)
{
    const w_archive_entry *entry = find(archive, name);
    bool found = entry && entry->dtype == W_ARCHIVE_I64 && entry->cols == 0;
    *count = found ? entry->rows : 0;
    return found ? entry->data : NULL;
}
