/* SPDX-License-Identifier: Apache-2.0 */
/* A container of named arrays with a JSON description: the file format of models and partial sums.
 *
 * Layout (that of safetensors): 8 bytes little-endian header length N, N bytes of JSON, then raw little-endian arrays. The JSON maps
 * each array's name to {"dtype": "F64"|"I64"|"I32"|"U8", "shape": [...], "data_offsets": [begin, end]} and holds under
 * "__metadata__" one key "weir" whose value is a string of JSON: the description. Readers check lengths against the
 * file size before any allocation, refuse gaps, overlaps, duplicate keys, unknown dtypes, trailing bytes and
 * non-finite values, cap the header at 64 MiB and JSON nesting at 64. */
#ifndef W_BASE_ARCHIVE_H
#define W_BASE_ARCHIVE_H

#include <jansson.h>
#include "base/ctx.h"

typedef struct w_archive w_archive;

weir_status w_archive_create(weir_ctx *ctx, const char *kind, int version, w_archive **out); /* kind: "model", "sums" */
/* The description object (borrowed): put anything JSON into it. */
json_t *w_archive_json(const w_archive *archive);
/* Arrays are copied in. cols 0 = one-dimensional. */
weir_status w_archive_put_f64(w_archive *archive, const char *name, int64_t rows, int64_t cols, const double *data);
weir_status w_archive_put_i64(w_archive *archive, const char *name, int64_t count, const int64_t *data);
/* Pointers into the archive, valid while it lives; NULL with rows = cols = 0 when absent. */
const double *w_archive_f64(const w_archive *archive, const char *name, int64_t *rows, int64_t *cols);
const int64_t *w_archive_i64(const w_archive *archive, const char *name, int64_t *count);
/* Writes to `path` atomically (temporary file in the same folder, fsync, rename); "-" is refused. WEIR_E_IO names the
 * path and the cause; nothing is left behind. */
weir_status w_archive_write(w_archive *archive, const char *path);
/* WEIR_E_IO if it cannot be opened, WEIR_E_MODEL naming what is wrong if it is not a sound archive of that kind with
 * version <= max_version. */
weir_status w_archive_read(weir_ctx *ctx, const char *path, const char *kind, int max_version, w_archive **out);
/* The same from memory (fuzzing, C API). */
weir_status w_archive_parse(weir_ctx *ctx, const void *bytes, size_t size, const char *kind, int max_version, w_archive **out);
int w_archive_version(const w_archive *archive);
void w_archive_free(w_archive *archive);

#endif
