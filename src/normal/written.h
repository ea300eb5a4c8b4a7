/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of X written out W_WRITTEN_ROWS at a time, for models whose tables per cell would be too large. Panels are always full
 * (rows of zeros at the end), so that what a BLAS makes of a row depends on its place in the tile alone. Of a smooth the raw
 * coefficients are expanded margin by margin; its transform is one matrix product a panel. */
#ifndef W_NORMAL_WRITTEN_H
#define W_NORMAL_WRITTEN_H

#include "model/design.h"
#include "normal/kernel.h"

#define W_WRITTEN_ROWS 64

/* Doubles of scratch beside the panel, whatever the blocks. Shapes only. */
int64_t w_written_doubles(const w_design *design);
/* panel: W_WRITTEN_ROWS x order, overwritten: columns first … last-1 of X of rows start … start+rows-1 of the tile, column c at
 * place[c] (NULL: c), left out where that is negative. used (block_count): blocks with columns that have a place; the DENSE block
 * always counts. rows <= W_WRITTEN_ROWS. scratch: w_written_doubles. Thread-safe. */
void w_written_panel(const w_design *design, const w_kernels *kernels, const w_tile *tile, int64_t start, int64_t rows,
                     const bool *used, int64_t first, int64_t last, const int64_t *place, int64_t order, double *panel,
                     double *scratch);
/* Entries of the columns of one FACTOR or SMOOTH block within a row's level: W_WRITTEN_ROWS x level_columns, in the scratch. */
const double *w_written_block(const w_design *design, const w_kernels *kernels, int block, const w_tile *tile, int64_t start,
                              int64_t rows, double *scratch);

#endif
