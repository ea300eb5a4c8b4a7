/* SPDX-License-Identifier: Apache-2.0 */
#include "root/band.h"

#include <string.h>

#include "base/size.h"
#include "dense/level3.h"
#include "dense/qr.h"

int64_t w_root_band_width(int64_t n, int64_t count)
{
    /* A wide band makes the reduction's products deeper, a narrow one the poles cheaper: measured. */
    return count > n / 4 || n < 400 ? 24 : 48;
}

/* Pieces of the reduction: W, V, W side by side, T, S and V'X, and what the QR of a panel and its T want. */
typedef struct pieces {
    double *sides, *t, *s, *product;
    void *work;
} pieces;

static pieces take_pieces(int64_t n, int64_t width, w_scratch *s)
{
    const int64_t rows = n > width ? n - width : 1;
    const weir_matrix panel = { NULL, WEIR_F64, rows, width, 1, n };
    pieces p;
    p.sides = w_scratch_take(s, w_mul64(rows, 3 * width * 8));
    p.t = w_scratch_take(s, width * width * 8);
    p.s = w_scratch_take(s, width * width * 8);
    p.product = w_scratch_take(s, width * width * 8);
    p.work = w_scratch_take(s, w_max64(w_geqr2_bytes(&panel), w_qr_block_bytes(8, rows, w_min64(rows, width))));
    return p;
}

/* V of a panel (rows x r, unit lower trapezoidal) made explicit. */
static void copy_reflectors(int64_t rows, int64_t r, const double *panel, int64_t ld, double *v)
{
    for (int64_t j = 0; j < r; j++) {
        memset(v + j * rows, 0, (size_t)j * sizeof *v);
        v[j + j * rows] = 1;
        memcpy(v + j * rows + j + 1, panel + j * ld + j + 1, (size_t)(rows - j - 1) * sizeof *v);
    }
}

/* Column-major C (rows x columns) = A B, B: depth x columns. */
static weir_status multiply(weir_ctx *ctx, int64_t rows, int64_t columns, int64_t depth, double alpha, w_operand a,
                            const double *b, double *c)
{
    return w_gemm(ctx, w_panel_best(8), rows, columns, depth, alpha, a, (w_operand){ b, depth, 1 }, c, rows);
}

/* One block column: QR of the panel at (j + width, j), then both sides of the trailing matrix. */
static weir_status reduce_block(weir_ctx *ctx, int64_t n, int64_t width, int64_t j, double *a, double *tau, const pieces *p)
{
    const int64_t rows = n - j - width, r = w_min64(rows, width);
    double *below = a + (j + width) + j * n, *trailing = a + (j + width) * (n + 1);
    const weir_matrix panel = { below, WEIR_F64, rows, width, 1, n }, v_view = { below, WEIR_F64, rows, r, 1, n };
    const weir_matrix t_view = { p->t, WEIR_F64, r, r, 1, r };
    memset(p->t, 0, (size_t)(r * r) * sizeof *p->t);
    w_geqr2(&panel, tau, p->work);
    w_qr_block block;
    w_qr_block_place(&block, w_qr_best(WEIR_F64), rows, r, p->work);
    w_qr_block_pack(&block, &v_view, tau, NULL);
    w_qr_block_triangle(&block, &t_view);
    double *w = p->sides, *v = w + rows * r, *x = v + rows * r;
    copy_reflectors(rows, r, below, n, v);
    memset(w, 0, (size_t)(rows * r) * sizeof *w);
    memset(x, 0, (size_t)(rows * r) * sizeof *x);
    memset(p->s, 0, (size_t)(r * r) * sizeof *p->s);
    memset(p->product, 0, (size_t)(r * r) * sizeof *p->product);
    const w_operand v_rows = { v, 1, rows }, v_columns = { v, rows, 1 };
    weir_status status = w_symm(ctx, w_panel_best(8), rows, r, 1, trailing, n, v_columns, w, rows);
    if (status >= 0) {
        status = multiply(ctx, rows, r, r, 1, (w_operand){ w, 1, rows }, p->t, x);
    }
    if (status >= 0) {
        status = w_gemm(ctx, w_panel_best(8), r, r, rows, 1, v_columns, (w_operand){ x, rows, 1 }, p->product, r);
    }
    if (status >= 0) {
        status = multiply(ctx, r, r, r, 1, (w_operand){ p->t, r, 1 }, p->product, p->s);
    }
    if (status >= 0) {
        status = multiply(ctx, rows, r, r, -0.5, v_rows, p->s, x);
    }
    if (status < 0) {
        return status;
    }
    memcpy(w, x, (size_t)(rows * r) * sizeof *w);
    return w_gemm_lower(ctx, w_panel_best(8), rows, 2 * r, -1, v_rows, (w_operand){ w, 1, rows }, trailing, n);
}

static void extract(const w_root_band *b)
{
    const int64_t n = b->n, w = b->width;
    const double *a = b->reflectors;
    for (int64_t i = 0; i < b->blocks; i++) {
        double *d = b->diagonal + i * w * w, *e = b->below + i * w * w;
        for (int64_t c = 0; c < w; c++) {
            const int64_t column = i * w + c;
            for (int64_t r = c; r < w; r++) {
                d[r + c * w] = d[c + r * w] = i * w + r < n ? a[i * w + r + column * n] : r == c;
            }
            for (int64_t r = 0; i + 1 < b->blocks && r < w; r++) {
                const int64_t row = (i + 1) * w + r;
                e[r + c * w] = row < n && r <= c ? a[row + column * n] : 0;
            }
        }
    }
}

weir_status w_root_band_reduce(weir_ctx *ctx, int64_t n, int64_t width, double *a, w_root_band *out, w_scratch *s)
{
    w_root_band band = { .n = n, .width = width, .blocks = (n + width - 1) / width, .reflectors = a };
    band.tau = w_scratch_take(s, w_mul64(n + width, 8));
    band.diagonal = w_scratch_take(s, w_mul64(band.blocks, width * width * 8));
    band.below = w_scratch_take(s, w_mul64(band.blocks, width * width * 8));
    const int64_t kept = s->used;
    const pieces p = take_pieces(n, width, s);
    if (!s->base) {
        return WEIR_OK;
    }
    weir_status status = WEIR_OK;
    for (int64_t j = 0; status >= 0 && j + width < n; j += width) {
        status = w_check_cancel(ctx);
        if (status >= 0) {
            status = reduce_block(ctx, n, width, j, a, band.tau + j, &p);
        }
    }
    w_root_give_back(s, kept);
    if (status >= 0) {
        extract(&band);
        *out = band;
    }
    return status;
}

weir_status w_root_band_turn(weir_ctx *ctx, const w_root_band *band, bool transposed, const weir_matrix *c, w_scratch *s)
{
    const int64_t n = band->n, width = band->width, steps = n > width ? (n - 1) / width : 0, kept = s->used;
    void *work = w_scratch_take(s, w_qr_block_bytes(8, w_max64(1, n - width), width));
    weir_status status = WEIR_OK;
    for (int64_t step = 0; s->base && status >= 0 && step < steps; step++) {
        const int64_t j = (transposed ? step : steps - 1 - step) * width, rows = n - j - width, r = w_min64(rows, width);
        const weir_matrix v = { band->reflectors + (j + width) + j * n, WEIR_F64, rows, r, 1, n };
        const weir_matrix part = w_view(c, j + width, 0, rows, c->cols);
        w_qr_block block;
        w_qr_block_place(&block, w_qr_best(WEIR_F64), rows, r, work);
        w_qr_block_pack(&block, &v, band->tau + j, NULL);
        status = w_qr_block_apply(ctx, &block, transposed, &part);
    }
    w_root_give_back(s, kept);
    return status;
}
