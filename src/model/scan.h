/* SPDX-License-Identifier: Apache-2.0 */
/* The one pass over the training table before anything is compiled: ranges, missing and non-finite values, levels in use, and
 * the set-up rows that will choose knots and constraints.
 *
 * Set-up rows. All rows that count while the table has at most W_SETUP_ROWS rows (or with exact_knots); else those of
 * W_SETUP_TILES whole tiles: the ones whose numbers have the smallest keys under a hash with the context's seed. So the
 * choice depends on the seed and the number of rows alone, whether or not that number is known beforehand. */
#ifndef W_MODEL_SCAN_H
#define W_MODEL_SCAN_H

#include "model/program.h"

#define W_SETUP_ROWS 100000
#define W_SETUP_TILES 16

typedef struct w_scan_request {
    int column_count;
    const char *const *column;
    int weight_column; /* -1 = none */
    weir_missing missing;
    bool exact_knots;
    int watch_count; /* expressions whose range is wanted */
    const w_expr *const *watch;
    const char *const *watch_label;
    const bool *distinct; /* per column: numbers whose distinct values are wanted; NULL = none */
    int64_t keep_bytes, window_bytes;
    w_spool_use spool;
} w_scan_request;

typedef struct w_scan_result {
    weir_ctx *ctx;
    w_arena arena; /* owns the small arrays */
    int64_t rows, rows_missing, rows_zero_weight;
    double *lower, *upper; /* per column, over rows that count; factors: undefined */
    double *watch_lower, *watch_upper;
    w_column_kind *kind;
    int64_t *used_count; /* per factor column: flags of its final levels */
    uint8_t **used;
    int64_t *distinct_count; /* per column wanted */
    double **distinct;       /* ascending */
    bool exact;
    int64_t setup_rows, first_tile_rows; /* rows of the first set-up tile among them */
    const double **setup; /* per column: setup_rows values; codes of the table's levels as numbers */
    bool borrowed;        /* they are the table's own memory */
} w_scan_result;

/* Fills *out (zeroed first); w_scan_free in any case. */
weir_status w_scan_table(weir_ctx *ctx, weir_table *table, const w_scan_request *request, w_scan_result *out);
void w_scan_free(w_scan_result *result);

#endif
