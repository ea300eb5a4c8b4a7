/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over a table, tile by tile in parallel, results handed over in row order: prediction and residuals. */
#ifndef W_FIT_ROWS_H
#define W_FIT_ROWS_H

#include "model/design.h"

/* Fills `columns` values per row, column j at out + j*tile->rows. `worker` numbers the thread. */
typedef weir_status (*w_rows_tile_fn)(void *arg, int worker, const w_tile *tile, double *out);
/* Called from the calling thread, tiles in row order. */
typedef weir_status (*w_rows_deliver_fn)(void *arg, int64_t first_row, int64_t rows, const double *values);

typedef struct w_rows_pass {
    const w_design *design;
    weir_table *table;              /* scanned */
    const w_tile_request *request;
    const char *name;               /* for progress */
    int64_t columns;                /* values per row */
    w_rows_tile_fn tile;
    w_rows_deliver_fn deliver;
    void *arg;
} w_rows_pass;

weir_status w_rows_each(weir_ctx *ctx, const w_rows_pass *pass);
/* Windows for such a pass: a few tiles per thread. */
int64_t w_rows_window_bytes(const w_design *design, int workers);
/* Beside the table's windows. */
int64_t w_rows_bytes(const w_design *design, int64_t columns, int workers);

#endif
