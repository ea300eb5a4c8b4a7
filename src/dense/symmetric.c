/* SPDX-License-Identifier: Apache-2.0 */
/* Products with symmetric matrices of which one triangle is stored, or one wanted: as gemm.c, in tiles of T = W_PANEL_TILE, where
 * a tile above the diagonal is read as the transposed one below it and a diagonal tile is mirrored on the stack.
 * A task computes one tile (w_gemm_lower, w_symm_lower) or one row of tiles (w_symm) of C, depth ascending. */
#include "dense/level3.h"

#include <string.h>

#include "base/size.h"

#define T W_PANEL_TILE

typedef struct product {
    const w_panel *k;
    int64_t n, columns, depth;
    double alpha;
    w_operand a, b;         /* the lower triangle alone is read where symmetric */
    bool a_symmetric, b_symmetric;
    void *c;
    int64_t ld;
} product;

/* to (rows x rows, contiguous) := the symmetric matrix whose lower triangle is `from`. */
static void mirror_f32(int64_t rows, const float *from, int64_t row, int64_t depth, float *to)
{
    for (int64_t j = 0; j < rows; j++) {
        for (int64_t i = j; i < rows; i++) {
            to[i + j * rows] = to[j + i * rows] = from[i * row + j * depth];
        }
    }
}

static void mirror_f64(int64_t rows, const double *from, int64_t row, int64_t depth, double *to)
{
    for (int64_t j = 0; j < rows; j++) {
        for (int64_t i = j; i < rows; i++) {
            to[i + j * rows] = to[j + i * rows] = from[i * row + j * depth];
        }
    }
}

/* Rows [r, r + rows) x depths [s, s + depth) of an operand, packed. */
static void pack_tile(const product *m, const w_operand *from, bool symmetric, int64_t r, int64_t rows, int64_t s, int64_t depth,
                      void *tile)
{
    const w_panel *k = m->k;
    w_operand part = *from;
    if (symmetric && s > r) {
        part = (w_operand){ w_panel_at(k, from->data, s * from->row + r * from->depth), from->depth, from->row };
    } else {
        part.data = w_panel_at(k, from->data, r * from->row + s * from->depth);
    }
    if (!symmetric || s != r) {
        w_panel_pack(k, rows, depth, part, NULL, tile);
        return;
    }
    _Alignas(64) char square[W_PANEL_TILE_BYTES];
    if (k->size == 8) {
        mirror_f64(rows, part.data, part.row, part.depth, (double *)(void *)square);
    } else {
        mirror_f32(rows, part.data, part.row, part.depth, (float *)(void *)square);
    }
    w_panel_pack(k, rows, depth, (w_operand){ square, 1, rows }, NULL, tile);
}

/* Tile (row, column) of C, row >= column: all its depth. */
static weir_status lower_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const product *m = arg;
    _Alignas(64) char a_tile[W_PANEL_TILE_BYTES], b_tile[W_PANEL_TILE_BYTES];
    int64_t column = 0, tiles = (m->n + T - 1) / T;
    while (task >= tiles - column) {
        task -= tiles - column;
        column++;
    }
    const int64_t r = (column + task) * T, q = column * T, high = w_min64(T, m->n - r), wide = w_min64(T, m->n - q);
    for (int64_t s = 0; s < m->depth; s += T) {
        const int64_t depth = w_min64(T, m->depth - s);
        pack_tile(m, &m->a, m->a_symmetric, r, high, s, depth, a_tile);
        pack_tile(m, &m->b, m->b_symmetric, q, wide, s, depth, b_tile);
        w_panel_update(m->k, high, wide, depth, a_tile, b_tile, m->alpha, w_panel_at(m->k, m->c, r + q * m->ld), m->ld,
                       r == q ? 0 : W_PANEL_LOW, W_PANEL_HIGH);
    }
    return WEIR_OK;
}

static weir_status row_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const product *m = arg;
    _Alignas(64) char a_tile[W_PANEL_TILE_BYTES], b_tile[W_PANEL_TILE_BYTES];
    const int64_t r = task * T, high = w_min64(T, m->n - r);
    for (int64_t s = 0; s < m->depth; s += T) {
        const int64_t depth = w_min64(T, m->depth - s);
        pack_tile(m, &m->a, true, r, high, s, depth, a_tile);
        for (int64_t q = 0; q < m->columns; q += T) {
            const int64_t wide = w_min64(T, m->columns - q);
            pack_tile(m, &m->b, false, q, wide, s, depth, b_tile);
            w_panel_update(m->k, high, wide, depth, a_tile, b_tile, m->alpha, w_panel_at(m->k, m->c, r + q * m->ld), m->ld,
                           W_PANEL_LOW, W_PANEL_HIGH);
        }
    }
    return WEIR_OK;
}

static weir_status run(weir_ctx *ctx, int64_t tasks, w_task_fn task, product *m)
{
    if (ctx) {
        return w_pool_run(ctx, tasks, task, m);
    }
    for (int64_t t = 0; t < tasks; t++) {
        task(m, t, 0);
    }
    return WEIR_OK;
}

static int64_t lower_tiles(int64_t n)
{
    const int64_t tiles = (n + T - 1) / T;
    return tiles * (tiles + 1) / 2;
}

weir_status w_gemm_lower(weir_ctx *ctx, const w_panel *k, int64_t n, int64_t depth, double alpha, w_operand a, w_operand b,
                         void *c, int64_t ld)
{
    product m = { .k = k, .n = n, .depth = depth, .alpha = alpha, .a = a, .b = b, .c = c, .ld = ld };
    return run(ctx, lower_tiles(n), lower_task, &m);
}

weir_status w_symm_lower(weir_ctx *ctx, const w_panel *k, int64_t n, double alpha, const void *a, int64_t lda, const void *b,
                         int64_t ldb, void *c, int64_t ldc)
{
    product m = { .k = k, .n = n, .depth = n, .alpha = alpha, .a = { a, 1, lda }, .b = { b, 1, ldb }, .a_symmetric = true,
                  .b_symmetric = true, .c = c, .ld = ldc };
    return run(ctx, lower_tiles(n), lower_task, &m);
}

weir_status w_symm(weir_ctx *ctx, const w_panel *k, int64_t n, int64_t columns, double alpha, const void *a, int64_t lda,
                   w_operand b, void *c, int64_t ld)
{
    product m = { .k = k, .n = n, .columns = columns, .depth = n, .alpha = alpha, .a = { a, 1, lda }, .b = b, .c = c, .ld = ld };
    return run(ctx, (n + T - 1) / T, row_task, &m);
}
