/* SPDX-License-Identifier: Apache-2.0 */
/* C += alpha A B': a task takes T rows of C and a run of columns, which stay in its cache while the depth passes by in steps
 * of T = W_PANEL_TILE; the rows of A are packed once per run and step. */
#include "dense/level3.h"

#include "base/size.h"

#define RUN (4 * W_PANEL_TILE)

typedef struct product {
    const w_panel *k;
    int64_t rows, columns, depth, runs;
    double alpha;
    w_operand a, b;
    void *c;
    int64_t ld;
} product;

static w_operand moved(const w_panel *k, w_operand from, int64_t row, int64_t depth)
{
    from.data = w_panel_at(k, from.data, row * from.row + depth * from.depth);
    return from;
}

static weir_status product_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const product *m = arg;
    _Alignas(64) char a_tile[W_PANEL_TILE_BYTES], b_tile[W_PANEL_TILE_BYTES];
    const int64_t r = task / m->runs * W_PANEL_TILE, high = w_min64(W_PANEL_TILE, m->rows - r);
    const int64_t first = task % m->runs * RUN, end = w_min64(m->columns, first + RUN);
    for (int64_t s = 0; s < m->depth; s += W_PANEL_TILE) {
        const int64_t depth = w_min64(W_PANEL_TILE, m->depth - s);
        w_panel_pack(m->k, high, depth, moved(m->k, m->a, r, s), NULL, a_tile);
        for (int64_t q = first; q < end; q += W_PANEL_TILE) {
            const int64_t wide = w_min64(W_PANEL_TILE, end - q);
            w_panel_pack(m->k, wide, depth, moved(m->k, m->b, q, s), NULL, b_tile);
            w_panel_update(m->k, high, wide, depth, a_tile, b_tile, m->alpha, w_panel_at(m->k, m->c, r + q * m->ld), m->ld,
                           W_PANEL_LOW, W_PANEL_HIGH);
        }
    }
    return WEIR_OK;
}

weir_status w_gemm(weir_ctx *ctx, const w_panel *k, int64_t rows, int64_t columns, int64_t depth, double alpha, w_operand a,
                   w_operand b, void *c, int64_t ld)
{
    product m = { k, rows, columns, depth, (columns + RUN - 1) / RUN, alpha, a, b, c, ld };
    const int64_t tasks = (rows + W_PANEL_TILE - 1) / W_PANEL_TILE * m.runs;
    if (ctx) {
        return w_pool_run(ctx, tasks, product_task, &m);
    }
    for (int64_t task = 0; task < tasks; task++) {
        product_task(&m, task, 0);
    }
    return WEIR_OK;
}
