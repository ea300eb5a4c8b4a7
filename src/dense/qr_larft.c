/* SPDX-License-Identifier: Apache-2.0 */
/* T of any number of reflectors, WIDTH of them at a time: with V = [V_1 V_2] and H_1 H_2 = I - V T V',
 *     T = [T_1  -T_1 (V_1'V_2) T_2;  0  T_2].
 * Rows above the first of V_2 are zero in V_2, so that V_1 is met below its triangle only. */
#include "dense/qr.h"

#include <string.h>

#include "base/size.h"
#include "dense/level3.h"

#define WIDTH 96

static int64_t aligned(int64_t bytes) { return w_round_up64(bytes, 64); }

int64_t w_larft_bytes(const weir_matrix *v)
{
    const int size = w_qr_size(v);
    const int64_t k = v->cols, wide = w_min64(WIDTH, k);
    int64_t total = aligned(w_qr_block_bytes(size, v->rows, wide));
    total = w_add64(total, aligned(w_mul64(w_mul64(k, k), size)));
    return w_add64(total, 2 * aligned(w_mul64(w_mul64(k, wide), size)));
}

typedef struct joining {
    const w_panel *k;
    const weir_matrix *v;
    int64_t size, first, wide; /* columns of V_2 */
    char *t, *products, *scaled;
} joining;

/* V_1'V_2, then -T_1 (V_1'V_2) T_2 into its place. */
static weir_status join(weir_ctx *ctx, const joining *j, const w_qr_block *b)
{
    const w_panel *k = j->k;
    const weir_matrix *v = j->v;
    const int64_t first = j->first, top = w_min64(b->rows, W_PANEL_TILE), n = v->cols;
    memset(j->products, 0, (size_t)(first * j->wide * k->size));
    memset(j->scaled, 0, (size_t)(first * j->wide * k->size));
    weir_status status =
        w_gemm(ctx, k, first, j->wide, top, 1.0,
               (w_operand){w_panel_at(k, v->data, first * v->row_stride), v->col_stride, v->row_stride},
               (w_operand){b->corner, top, 1}, j->products, first);
    if (status >= 0 && b->rows > top) {
        const int64_t below = first + top;
        const void *rest = w_panel_at(k, v->data, below * v->row_stride + first * v->col_stride);
        status = w_gemm(ctx, k, first, j->wide, v->rows - below, 1.0,
                        (w_operand){w_panel_at(k, v->data, below * v->row_stride), v->col_stride, v->row_stride},
                        (w_operand){rest, v->col_stride, v->row_stride}, j->products, first);
    }
    const void *own = w_panel_at(k, j->t, first + first * n);
    status = status < 0 ? status
                        : w_gemm(ctx, k, first, j->wide, j->wide, 1.0, (w_operand){j->products, 1, first},
                                 (w_operand){own, n, 1}, j->scaled, first);
    return status < 0 ? status
                      : w_gemm(ctx, k, first, j->wide, first, -1.0, (w_operand){j->t, 1, n},
                               (w_operand){j->scaled, first, 1}, w_panel_at(k, j->t, first * n), n);
}

weir_status w_larft(weir_ctx *ctx, const weir_matrix *v, const void *tau, const weir_matrix *t, void *work)
{
    const w_qr_kernels k = w_qr_best(v->dtype);
    const int size = w_qr_size(v);
    const int64_t n = v->cols, wide = w_min64(WIDTH, n);
    joining j = {.k = k.panel, .v = v};
    j.t = (char *)work + aligned(w_qr_block_bytes(size, v->rows, wide));
    j.products = j.t + aligned(n * n * size);
    j.scaled = j.products + aligned(n * wide * size);
    memset(j.t, 0, (size_t)(n * n * size));
    for (j.first = 0; j.first < n; j.first += WIDTH) {
        j.wide = w_min64(WIDTH, n - j.first);
        const weir_matrix part = w_view(v, j.first, j.first, v->rows - j.first, j.wide);
        const weir_matrix own = {j.t + (j.first + j.first * n) * size, v->dtype, j.wide, j.wide, 1, n};
        w_qr_block block;
        w_qr_block_place(&block, k, part.rows, j.wide, work);
        w_qr_block_pack(&block, &part, (const char *)tau + j.first * size, NULL);
        w_qr_block_triangle(&block, &own);
        const weir_status status = j.first > 0 ? join(ctx, &j, &block) : WEIR_OK;
        if (status < 0) {
            return status;
        }
    }
    for (int64_t c = 0; c < n; c++) {
        for (int64_t i = 0; i <= c; i++) {
            w_qr_put(size, t->data, i * t->row_stride + c * t->col_stride, w_qr_get(size, j.t, i + c * n));
        }
    }
    return WEIR_OK;
}
