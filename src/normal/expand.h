/* SPDX-License-Identifier: Apache-2.0 */
/* From cells to coefficients, margin by margin. */
#ifndef W_NORMAL_EXPAND_H
#define W_NORMAL_EXPAND_H

#include "model/design.h"
#include "normal/kernel.h"

/* A range of cells of each margin: all of them, or a single one. */
typedef struct w_cell_range {
    int64_t first[W_MAX_MARGINS], count[W_MAX_MARGINS];
} w_cell_range;

w_cell_range w_cells_all(const w_smooth *smooth);
w_cell_range w_cells_one(const w_smooth *smooth, int64_t cell);

/* out[q][j][t] = sum_{c, r} in[c][q][r][t] M_c[r][j]   over the cells of the range, M_c the Kronecker product of the
 * margins' maps:  in is cells x q x width x t, out q x raw_columns x t, overwritten. Blocks of `in` that are all zero are
 * skipped. scratch: w_contract_doubles. */
void w_contract(const w_kernels *kernels, const w_smooth *smooth, const w_cell_range *range, int64_t q, int64_t t,
                const double *in, double *out, double *scratch);
int64_t w_contract_doubles(const w_smooth *smooth, bool all_cells, int64_t q, int64_t t);

/* The other way: gamma[c][r] = sum_j M_c[r][j] raw[j] for all cells (cells x width). scratch: w_spread_doubles. */
void w_spread(const w_kernels *kernels, const w_smooth *smooth, const double *raw, double *gamma, double *scratch);
int64_t w_spread_doubles(const w_smooth *smooth);

/* One row: value (products of the margins' values, last margin fastest) at a cell -> raw_columns coefficients. scratch:
 * w_expand_doubles. */
void w_expand_row(const w_kernels *kernels, const w_smooth *smooth, int64_t cell, const double *value, double *out,
                  double *scratch);
int64_t w_expand_doubles(const w_smooth *smooth);

#endif
