/* SPDX-License-Identifier: Apache-2.0 */
/** Tables: where rows come from. A table is opened once and may be read several times; rows stream through it in
 *  windows, so its size is not bounded by memory. */
#ifndef WEIR_TABLE_H
#define WEIR_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include "weir/context.h"
#include "weir/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_table weir_table;

typedef enum weir_missing { WEIR_MISSING_FAIL = 0, WEIR_MISSING_DROP = 1 } weir_missing;

typedef struct weir_table_options {
    int32_t version;      /**< WEIR_TABLE_OPTIONS_VERSION */
    char delimiter;       /**< CSV: 0 = comma, or what the header suggests among , ; tab | */
    char decimal;         /**< CSV: 0 = '.' */
    const char *columns;  /**< names "a,b,c" for a table without any (2-D NPY, headerless CSV); NULL = c0, c1, …; a
                               table that names its columns refuses them (WEIR_E_ARG) */
    int32_t headerless;   /**< CSV: non-zero = the first record holds data */
    const char *missing_words; /**< CSV: comma-separated; NULL = "NA" and the empty field (NaN is always missing) */
    const char *factors;  /**< names "a,b" of columns that are categories even if they look like numbers */
} weir_table_options;

#define WEIR_TABLE_OPTIONS_VERSION 1
#define WEIR_TABLE_OPTIONS_INIT { WEIR_TABLE_OPTIONS_VERSION, 0, 0, 0, 0, 0, 0 }

/** Opens one file or several of the same columns, read one after another as one table of concatenated rows.
 *  The kind is told by the name: .npy; "-" (standard input, CSV); everything else is CSV, gzip-compressed if its first
 *  bytes say so. Only the header is read. Errors: WEIR_E_IO, WEIR_E_DATA (no header, duplicate names, lying NPY header). */
WEIR_API weir_status weir_table_open(weir_ctx *ctx, int32_t count, const char *const *paths,
                                     const weir_table_options *options, weir_table **out);

/** One column in the caller's memory. Borrowed: it must outlive the table. Never copied when it is WEIR_F64. */
typedef struct weir_column {
    const char *name;
    weir_dtype dtype;
    const void *data;           /**< element i at data + i*stride */
    int64_t stride;             /**< bytes; 0 = contiguous */
    int64_t level_count;        /**< > 0: a factor; data holds codes 0 … level_count-1, -1 = missing */
    const char *const *levels;  /**< level_count names, or NULL for "0", "1", … */
} weir_column;

/** A table over columns in memory. */
WEIR_API weir_status weir_table_from_columns(weir_ctx *ctx, int64_t rows, int32_t count, const weir_column *columns,
                                             weir_table **out);

/** Pull callback: set *rows (0 = end) and fill count column descriptors with the next batch; the memory must stay valid
 *  until the next call. Return 0, or non-zero to fail the running call with WEIR_E_DATA. */
typedef int (*weir_pull_fn)(void *user, int64_t *rows, weir_column *columns);
/** Starts again at the first row; NULL if that is impossible (rows are then spooled to the scratch folder when the
 *  computation needs them twice). */
typedef int (*weir_rewind_fn)(void *user);
/** A table over batches handed in by the caller; `schema` names the columns, their dtypes and levels (data ignored). */
WEIR_API weir_status weir_table_from_callback(weir_ctx *ctx, int32_t count, const weir_column *schema, weir_pull_fn pull,
                                              weir_rewind_fn rewind, void *user, weir_table **out);

/** Number of columns, and the name of column `index` (NULL if out of range; valid while the table lives). */
WEIR_API int32_t weir_table_column_count(const weir_table *table);
WEIR_API const char *weir_table_column_name(const weir_table *table, int32_t index);
WEIR_API void weir_table_close(weir_table *table);

#ifdef __cplusplus
}
#endif
#endif
