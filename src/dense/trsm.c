/* SPDX-License-Identifier: Apache-2.0 */
/* Triangular systems with many right-hand sides: in every case  sum_{k <= i} T_ik x_k = b_i  for T = op(A) or op(A)', with the
 * equations counted from the end where T is upper. Right-looking over blocks of W_PANEL_TILE equations:
 *     X_b = T_bb^-1 B_b on packed strips (w_panel_solve);   B_c -= T_cb X_b for the blocks c that follow.
 * A task takes a group of right-hand sides through all of them. */
#include "dense/level3.h"

#include "base/size.h"

#define GROUP 48 /* right-hand sides of a task, when there are few */

typedef struct solving {
    const w_panel *k;
    bool reverse, unit;
    int64_t n, count, group;
    w_operand t;            /* T_ik */
    char *b;
    int64_t equation, each; /* strides of B: to the next equation, to the next right-hand side; one of them is 1 */
} solving;

/* Rows i …, columns c … of T; counted back from there when `reverse`. */
static w_operand block_at(const solving *s, int64_t i, int64_t c, bool back_rows, bool back_columns)
{
    return (w_operand){ w_panel_at(s->k, s->t.data, i * s->t.row + c * s->t.depth), back_rows ? -s->t.row : s->t.row,
                        back_columns ? -s->t.depth : s->t.depth };
}

/* B_c -= T_cb X_b: the lanes are what is contiguous in B. */
static void update_block(const solving *s, int64_t c, int64_t height, int64_t depth, int64_t first, int64_t rows,
                         const void *t_tile, const void *x_tile)
{
    void *to = w_panel_at(s->k, s->b, c * s->equation + first * s->each);
    if (s->equation == 1) {
        w_panel_update(s->k, height, rows, depth, t_tile, x_tile, -1.0, to, s->each, W_PANEL_LOW, W_PANEL_HIGH);
    } else {
        w_panel_update(s->k, rows, height, depth, x_tile, t_tile, -1.0, to, s->equation, W_PANEL_LOW, W_PANEL_HIGH);
    }
}

static weir_status group_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const solving *s = arg;
    const w_panel *k = s->k;
    _Alignas(64) char t_tile[W_PANEL_TILE_BYTES], x_tile[W_PANEL_TILE_BYTES], corners[W_PANEL_CORNER_BYTES];
    const int64_t first = task * s->group, rows = w_min64(s->group, s->count - first);
    for (int64_t done = 0; done < s->n; done += W_PANEL_TILE) {
        const int64_t depth = w_min64(W_PANEL_TILE, s->n - done);
        const int64_t at = s->reverse ? s->n - 1 - done : done; /* the block's first equation, in its order */
        const int64_t step = s->reverse ? -s->equation : s->equation;
        char *x = w_panel_at(k, s->b, at * s->equation + first * s->each);
        w_panel_pack_triangle(k, depth, block_at(s, at, at, s->reverse, s->reverse), s->unit, t_tile, corners);
        w_panel_pack(k, rows, depth, (w_operand){ x, s->each, step }, NULL, x_tile);
        w_panel_solve(k, rows, depth, t_tile, corners, x_tile);
        w_panel_unpack(k, rows, depth, x_tile, x, s->each, step);
        const int64_t from = s->reverse ? 0 : done + depth, end = s->reverse ? s->n - done - depth : s->n;
        for (int64_t c = from; c < end; c += W_PANEL_TILE) {
            const int64_t height = w_min64(W_PANEL_TILE, end - c);
            w_panel_pack(k, height, depth, block_at(s, c, at, false, s->reverse), NULL, t_tile);
            update_block(s, c, height, depth, first, rows, t_tile, x_tile);
        }
    }
    return WEIR_OK;
}

weir_status w_trsm_strided(weir_ctx *ctx, const w_panel *k, w_triangular how, int64_t n, w_operand a, int64_t count, void *b,
                           int64_t row, int64_t column)
{
    const bool turned = how.trans != how.right;
    solving s = { .k = k, .reverse = how.upper != turned, .unit = how.unit, .n = n, .count = count,
                  .group = count > 4 * W_PANEL_TILE ? W_PANEL_TILE : GROUP,
                  .t = { a.data, turned ? a.depth : a.row, turned ? a.row : a.depth }, .b = b,
                  .equation = how.right ? column : row, .each = how.right ? row : column };
    const int64_t tasks = n > 0 ? (count + s.group - 1) / s.group : 0;
    if (ctx) {
        return w_pool_run(ctx, tasks, group_task, &s);
    }
    for (int64_t task = 0; task < tasks; task++) {
        group_task(&s, task, 0);
    }
    return WEIR_OK;
}

weir_status w_trsm(weir_ctx *ctx, const w_panel *k, w_triangular how, int64_t n, const void *a, int64_t lda, int64_t count,
                   void *b, int64_t ldb)
{
    return w_trsm_strided(ctx, k, how, n, (w_operand){ a, 1, lda }, count, b, 1, ldb);
}
