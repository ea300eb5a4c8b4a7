/* SPDX-License-Identifier: Apache-2.0 */
/* Sums for rows whose neighbours are correlated (docs/numerics/ar1.md). With u_i = sqrt(w_i) (x_i, z_i) over the rows with
 * positive weight, in series of consecutive ones,
 *
 *     A = sum u_i u_i',   B = sum of u_i u_i' over the first and last rows of the series (twice where they are one),
 *     L = sum of u_i u_(i-1)' + u_(i-1) u_i' over all rows but the first of each series,
 *
 * the whitened rows, u_i where a series begins and (u_i - rho u_(i-1)) / sqrt(1 - rho^2) elsewhere, have the cross-products
 *
 *     C(rho) = [ (1 + rho^2) A - rho^2 B - rho L ] / (1 - rho^2)
 *
 * whatever rho: one pass serves every value of it. A is added as ever. L's two parts go to a table each, for a chain of additions
 * in row order does not depend on where the rows are cut; two rows may lie in any two cells, so its tables are those of w_pairs.lag.
 * A row that begins a series puts itself and the row before it into B; the last row of all is kept aside and joins B in the end.
 *
 * A factor whose changes begin series has one level in both rows of each pair (w_design.start_code): its blocks meet level by level,
 * and its random effect may be kept apart as an arrow block.
 *
 * Rows of weight 0 are no rows here: the row before is the last one that counts. A mark of a beginning in such a row holds for
 * the next row that counts. */
#ifndef W_NORMAL_AR1_H
#define W_NORMAL_AR1_H

#include "normal/add.h"
#include "normal/normal.h"

/* One evaluated row. */
typedef struct w_lag_row {
    bool exists, marked; /* marked: a row of weight 0 after it says that a series begins */
    double weight;
    int32_t series;
    double *value;       /* of all blocks, one after the other */
    int32_t *cell;       /* block_count */
} w_lag_row;

weir_status w_lag_row_create(weir_ctx *ctx, const w_design *design, w_lag_row *out);
void w_lag_row_free(weir_ctx *ctx, w_lag_row *row);

/* What one worker needs beside tile and adder. */
typedef struct w_lag w_lag;
weir_status w_lag_create(weir_ctx *ctx, const w_pairs *plan, w_lag **out);
void w_lag_free(weir_ctx *ctx, w_lag *lag);
int64_t w_lag_bytes(const w_pairs *plan);

/* The last row that counts before row `row` of the window, else `carried` (of the windows before). Reads back from there. */
weir_status w_lag_find(w_lag *lag, const w_window *window, int64_t row, const w_tile_request *request, const w_lag_row *carried,
                       w_lag_row *out);
/* For the tile of a window's rows start …: drops its rows of weight 0 and pairs each row with the one before. */
weir_status w_lag_prepare(w_lag *lag, const w_window *window, int64_t start, const w_tile_request *request,
                          const w_lag_row *carried, w_tile *tile);
/* After w_lag_prepare, rows <= plan->chunk_rows: brings the rows to the forms that w_lag_group adds. */
void w_lag_fill(w_lag *lag, const w_tile *tile);
/* L: group g of plan->lag. Different groups may be added by different threads. index as for w_adder_group. */
void w_lag_group(const w_lag *lag, int g, int32_t *index, double *acc);
/* B and the number of rows that follow one of their series. Uses the adder of the plan anew. */
void w_lag_ends(w_lag *lag, w_adder *adder, const w_tile *tile, double *acc);
int32_t *w_lag_index(w_lag *lag);
/* x: p + 2 values: the row's columns of X, z and its weight (0: no row). */
void w_lag_dense(w_lag *lag, const w_lag_row *row, double *x);

#endif
