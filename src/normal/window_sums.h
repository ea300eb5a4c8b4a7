/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-products of sliding windows: window i holds rows i*step … i*step + length - 1 of the table,
 *     C_i = sum over its rows of w [x; z] [x; z]'      (p + 1 columns: X'WX, X'Wz and z'Wz).
 *
 * Rows are cut into blocks whose edges are the multiples of `step` and those plus length mod step (and every W_WINDOW_BLOCK_ROWS rows
 * from such an edge on), so that every window is a run of whole blocks. A block is summed once. Steps S_k are sums of blocks,
 * and with q = length / step, c = i / q
 *     C_i = (S_i + (… + (S_{cq+q-2} + S_{cq+q-1}))) + (((S_{cq+q} + S_{cq+q+1}) + … + S_{i+q-1}) + a_{i+q})
 * where a_k is the first length mod step rows of step k: the sums behind the bracket grow with the steps, those before it are made
 * once for all i of a run of q steps (two stacks; van Herk 1992, Gil & Werman 1993, for minima). Nothing is ever subtracted: an entry
 * is a sum of the products of its own rows alone, through at most
 *     d = min(step, W_WINDOW_BLOCK_ROWS) + step / W_WINDOW_BLOCK_ROWS + q + 5
 * roundings, hence |error| <= d u / (1 - d u) * sum |w x x'| as of a fresh sum (of `length` roundings), however many windows came
 * before. Bits depend on length and step alone: not on threads, windows of the reader, memory. */
#ifndef W_NORMAL_WINDOW_SUMS_H
#define W_NORMAL_WINDOW_SUMS_H

#include "normal/group.h"

#define W_WINDOW_BLOCK_ROWS 256

/* Where windows lie. */
typedef struct w_window_shape {
    int64_t length, step;      /* length >= step >= 1 */
} w_window_shape;

/* Windows that n rows hold. */
int64_t w_window_count(const w_window_shape *shape, int64_t rows);
/* The last window that ends before row `row`, -1 = none; what predicts the row. */
int64_t w_window_before(const w_window_shape *shape, int64_t row);

/* A run of rows that is summed as one. */
typedef struct w_window_block {
    int64_t row, rows;
    int64_t step;              /* number of its step */
    bool tail;                 /* of the rows behind length mod step */
    bool starts_step, ends_step;
    int64_t window;            /* that ends with its last row; -1 = none */
} w_window_block;

/* The block that begins at row `row`, an edge. */
w_window_block w_window_block_at(const w_window_shape *shape, int64_t row);

/* The sums between blocks. */
typedef struct w_rolling {
    weir_ctx *ctx;
    w_window_shape shape;
    int64_t entries;           /* of a sum */
    int64_t steps;             /* q */
    const w_batch_kernels *kernels;
    double *slot;              /* q x entries: S_k of this run up to the step at hand, then sums to the end of the run before */
    double *prefix, *piece;    /* entries each: of this run's whole steps; of the step at hand */
    w_group_stats *slot_stats, prefix_stats, piece_stats;
} w_rolling;

weir_status w_rolling_create(weir_ctx *ctx, const w_window_shape *shape, int64_t entries, w_rolling **out);
void w_rolling_free(w_rolling *rolling);
int64_t w_rolling_bytes(const w_window_shape *shape, int64_t entries);
/* Takes consecutive blocks, entries first … last-1 of them (of blocks `entries` apart); the windows that end in them go to `window`,
 * one after another. Different ranges of entries may be advanced by different threads. */
void w_rolling_advance(w_rolling *rolling, const w_window_block *block, int64_t count, const double *sums, int64_t first,
                       int64_t last, double *window);
void w_rolling_advance_stats(w_rolling *rolling, const w_window_block *block, int64_t count, const w_group_stats *stats,
                             w_group_stats *window);

#endif
