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
/* out: tile->rows x stride. `weighted`: each row times the root of its weight, z last; otherwise 0 in the place of z. */
void w_dense_rows_tile(const w_dense_rows *rows, const w_tile *tile, bool weighted, double *scratch, double *out);

#endif
