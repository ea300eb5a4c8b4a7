/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-products of many groups of rows, each group on its own: for group g
 *     C_g = sum over its rows of w [x; z] [x; z]'      (p + 1 columns: X'WX, X'Wz and z'Wz)
 * W_BATCH consecutive groups share a block in the layout of dense/batch_chol.h. Rows of a group may lie anywhere; every entry is
 * one chain of fused multiply-adds in row order, so the bits depend on neither threads nor windows nor on the other groups. */
#ifndef W_NORMAL_GROUP_H
#define W_NORMAL_GROUP_H

#include "dense/batch_chol.h"
#include "normal/group_rows.h"
#include "normal/normal.h"

/* Of one group's rows with positive weight. */
typedef struct w_group_stats {
    int64_t n;
    double weight, weight_z, log_weight; /* sums of w, w z, log w */
    double least, most;                  /* z */
    double value[W_ROW_VALUES];          /* sums of what w_row_values.value holds */
} w_group_stats;

static inline int64_t w_group_blocks(int64_t groups) { return (groups + W_BATCH - 1) / W_BATCH; }
static inline int64_t w_group_block_doubles(int64_t p) { return w_packed(p + 1) * W_BATCH; }

typedef struct w_group_pass {
    const w_design *design;     /* with a column of groups: w_design.grouped */
    const w_dense_rows *rows;
    const w_tile_request *request;
    weir_table *table;          /* scanned */
    int64_t first_block, block_count; /* rows of other groups are passed over */
    double *sums;               /* block_count blocks; added to */
    w_group_stats *stats;       /* W_BATCH * block_count */
    const uint8_t *skip;        /* W_BATCH * block_count: groups whose rows are passed over, or NULL */
    w_working_rows_fn working;  /* NULL: linear model; any thread */
    void *working_arg;
} w_group_pass;

/* One pass over the table. The caller clears sums and stats (w_group_clear). */
weir_status w_group_accumulate(weir_ctx *ctx, const w_group_pass *pass);
void w_group_clear(const w_group_pass *pass);
/* One group's sums and statistics alone; its number less the first of the pass. */
void w_group_clear_one(const w_group_pass *pass, int64_t group);
/* Beside sums and statistics; the least of it: more is taken where memory is free. */
int64_t w_group_pass_bytes(const w_design *design, int workers);
/* X'WX and so on of one lane of a block, for solve/. Free with w_gram_free. */
weir_status w_group_gram(weir_ctx *ctx, int64_t p, const double *block, int lane, const w_group_stats *stats, w_gram **out);

#endif
