/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-products of blocks of consecutive rows (window_sums.h), W_BATCH blocks side by side. Each entry is one chain of fused
 * multiply-adds in row order: which blocks stand beside each other changes no bit. */
#ifndef W_NORMAL_WINDOW_BLOCKS_H
#define W_NORMAL_WINDOW_BLOCKS_H

#include "normal/window_sums.h"

/* Rows written out without their weights: value j of row r at x[(r - first_row) * stride + j], z at j = p. */
typedef struct w_window_rows {
    int64_t first_row, stride, p;
    const double *x, *weight;  /* weight: 1 per row */
} w_window_rows;

/* Doubles of one sum: the packed triangle of p + 1 columns, rounded up. */
int64_t w_window_entries(int64_t p);
/* Doubles of room that a thread needs. */
int64_t w_window_block_room(int64_t p);
/* Sums of blocks block[lane[0]], …, block[lane[count - 1]], count <= W_BATCH, to sums + lane * entries and stats[lane]. Thread-safe
 * for different blocks and rooms. */
void w_window_sum_blocks(const w_batch_kernels *kernels, const w_window_rows *rows, const w_window_block *block, const int32_t *lane,
                         int count, double *room, double *sums, w_group_stats *stats);

#endif
