/* SPDX-License-Identifier: Apache-2.0 */
/* How the cross-products of a design are laid out: one table per pair of blocks, its form chosen from the model alone.
 *
 * A *form* of a block is what a row contributes to a product: a cell number and `width` values.
 *   local      the block's own cells and values (a spline: interval and 4 values)
 *   expanded   the block's raw coefficients as `width` dense columns, one cell per level of its factor
 * The table of a pair (a, b) is  R[joint cell][r][s] = sum over the rows in that cell of  w a_r b_s,  where the weight is
 * folded into the values of side a. The joint cell is
 *   W_INDEX_ONE    always 0: both sides are dense columns, the table is a plain weighted product of two panels
 *   W_INDEX_SAME   the cell of the block (a pair of a block with itself)
 *   W_INDEX_LEVEL  (level*cells_a + cell_a)*cells_b + cell_b within the level both blocks share (equal `code`)
 *   W_INDEX_CROSS  cell_a * (all cells of b) + cell_b
 * Every entry is one chain of fused multiply-adds in row order, whatever the kernel, so that a table may be advanced by
 * any number of rows at a time without changing a bit. */
#ifndef W_NORMAL_PAIRS_H
#define W_NORMAL_PAIRS_H

#include "model/design.h"

/* Rows handled at a time; the scratch of w_adder has this many rows at most. */
#define W_CHUNK_ROWS 4096

typedef struct w_form {
    int block;
    bool expanded;
    int width;             /* values per row */
    int source_width;      /* of the block itself; a DENSE form may carry one constant more */
    int64_t levels, cells; /* cells per level: 1 when expanded */
    bool used, weighted;   /* some pair needs it; some pair has it as side a */
} w_form;

typedef enum w_index { W_INDEX_ONE, W_INDEX_SAME, W_INDEX_LEVEL, W_INDEX_CROSS } w_index;

typedef struct w_pair {
    int a, b;              /* forms; the weight is folded into a */
    w_index index;
    bool upper;            /* only entries s >= r are defined (a panel with itself) */
    int64_t cells;         /* joint cells */
    int width_a, width_b;
    int64_t offset, size;  /* in the accumulator, doubles */
    double seconds;        /* predicted per row */
} w_pair;

/* One or two pairs added together: `second` (-1 = none) shares operands with `first` and both tables are small. */
typedef struct w_group {
    int first, second;
} w_group;

typedef struct w_pairs {
    const w_design *design;
    w_arena arena;
    int block_count;
    bool linear;           /* X'Wz and X'W1 only */
    bool lagged;           /* the two blocks of a pair are of different rows: no cell is shared */
    w_form *form;          /* 2*block_count: local forms, then expanded ones */
    int pair_count;
    w_pair *pair;          /* block_count*(block_count + 1)/2, or block_count of them */
    int group_count;
    w_group *group;
    int one;               /* position of a constant 1 among the values of the DENSE form */
    int response;          /* position of the working response */
    int64_t table_count;   /* doubles in all tables */
    int extra_count;
    /* Accumulator: tables, extra, count, sum of logs; these are additive. Two more hold the running product of the
     * weights as mantissa and binary exponent while a shard is open. */
    int64_t extra_offset, count_offset, log_offset, additive_count, mantissa_offset, total_count;
    int64_t chunk_rows;    /* rows materialised at a time */
    int64_t shard_tiles, shard_rows;
    double row_seconds, near_pairs, far_pairs;
    /* Of a design whose neighbouring rows are correlated (ar1.h), else NULL and 0: the plan of products of a row with the one
     * before it, in which blocks may lie in any two cells; its tables stand in the accumulator twice, after those of the
     * products of the rows where series begin and end. */
    struct w_pairs *lag;
    int64_t ends_offset, lag_offset, lead_offset, links_offset;
} w_pairs;

/* WEIR_E_BUDGET when a table would have more than 2^31 cells whatever its form. `linear`: only the pairs of the DENSE block. */
weir_status w_pairs_create(weir_ctx *ctx, const w_design *design, int extra_count, bool linear, w_pairs **out);
void w_pairs_free(w_pairs *plan);

/* Accumulators: fresh = all zero but for the mantissa; close folds the running product into the sum of logs. */
void w_accumulator_clear(const w_pairs *plan, double *acc);
void w_accumulator_close(const w_pairs *plan, double *acc);
/* left += right, entry by entry; both closed. */
void w_accumulator_add(const w_pairs *plan, double *left, const double *right);

#endif
