/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of X written out: where each group of rows has sums of its own, tables per pair of cells would be as many as groups. A
 * row of p + 1 values, X and z, is padded with zeros to `stride`, a multiple of W_BATCH. */
#ifndef W_NORMAL_GROUP_ROWS_H
#define W_NORMAL_GROUP_ROWS_H

#include "model/design.h"

typedef struct w_dense_rows w_dense_rows;

/* Maps from cells to coefficients of every smooth; read-only afterwards, shared by threads. */
weir_status w_dense_rows_create(weir_ctx *ctx, const w_design *design, w_dense_rows **out);
void w_dense_rows_free(w_dense_rows *rows);
int64_t w_dense_rows_bytes(const w_design *design);
int64_t w_dense_rows_stride(const w_design *design);
/* Doubles of the scratch that one thread needs. */
int64_t w_dense_rows_scratch(const w_design *design);

/* Working weights and responses of rows start … start + count - 1 of the tile, whose rows of X stand at x (count x stride, 0 in the
 * place of z). `weight` and `z` hold the prior weight and y - offset - shift, to be overwritten; `value`: W_ROW_VALUES numbers per row
 * to be summed (w_group_stats.value). */
#define W_ROW_VALUES 2
typedef weir_status (*w_working_rows_fn)(void *arg, const w_tile *tile, int64_t start, int64_t count, const double *x, double *weight,
                                         double *z, double *value);
typedef struct w_row_values {
    double *weight, *z;          /* tile->rows each */
    double *value;               /* NULL without `working` */
    w_working_rows_fn working;   /* NULL: linear model */
    void *arg;
} w_row_values;

/* out: tile->rows x stride; the tile was asked for by columns. With `values`, which are filled, each row is multiplied by the root
 * of its weight and has z last; without there is 0 in the place of z. Rows that do not count may hold anything. */
weir_status w_dense_rows_tile(const w_dense_rows *rows, const w_tile *tile, const w_row_values *values, double *scratch, double *out);
/* The same of rows first … first + count - 1 of the tile; out: count x stride. */
weir_status w_dense_rows_part(const w_dense_rows *rows, const w_tile *tile, int64_t first, int64_t count, const w_row_values *values,
                              double *scratch, double *out);

#endif
