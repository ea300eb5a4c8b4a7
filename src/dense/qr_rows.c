/* SPDX-License-Identifier: Apache-2.0 */
/* X U = A for many rows: column block b after block,  X_b = (A_b - sum_{c < b} X_c U_cb) U_bb^-1,  a strip of rows at a time, in
 * packed form from beginning to end. The row-wise bound |A - X U| <= c n u |X| |U| of substitution holds. */
#include "dense/qr.h"

#include <string.h>

#include "base/size.h"

#define T W_PANEL_TILE
#define ROWS 48

static int64_t aligned(int64_t bytes) { return w_round_up64(bytes, 64); }
static int64_t blocks_of(int64_t n) { return (n + T - 1) / T; }
static int64_t width_of(const w_qr_rows *s, int64_t b) { return w_min64(T, s->n - b * T); }

int64_t w_qr_rows_bytes(int size, int64_t n)
{
    const int64_t b = blocks_of(n);
    return w_add64(w_mul64(b, aligned(T * T * size) + aligned(T * 8 * size)),
                   w_mul64(b * (b - 1) / 2, aligned(T * T * size)));
}

static void *triangle_at(const w_qr_rows *s, int64_t b)
{
    return (char *)s->triangles + b * aligned(T * T * s->k->size);
}
static void *corners_at(const w_qr_rows *s, int64_t b)
{
    return (char *)s->corners + b * aligned(T * 8 * s->k->size);
}
static void *above_at(const w_qr_rows *s, int64_t c, int64_t b)
{
    return (char *)s->above + (b * (b - 1) / 2 + c) * aligned(T * T * s->k->size);
}

void w_qr_rows_pack(w_qr_rows *s, const w_panel *k, int64_t n, const void *u, int64_t ld, void *work)
{
    const int64_t blocks = blocks_of(n);
    *s = (w_qr_rows){.k = k, .n = n, .triangles = work};
    s->corners = (char *)work + blocks * aligned(T * T * k->size);
    s->above = (char *)s->corners + blocks * aligned(T * 8 * k->size);
    for (int64_t b = 0; b < blocks; b++) {
        const void *own = w_panel_at(k, u, b * T + b * T * ld);
        w_panel_pack_triangle(k, width_of(s, b), (w_operand){own, ld, 1}, false, triangle_at(s, b),
                              corners_at(s, b));
        for (int64_t c = 0; c < b; c++) {
            w_panel_pack(k, width_of(s, b), T, (w_operand){w_panel_at(k, u, c * T + b * T * ld), ld, 1}, NULL,
                         above_at(s, c, b));
        }
    }
}

static void strip(const w_qr_rows *s, const weir_matrix *from, const weir_matrix *to, char *x)
{
    const w_panel *k = s->k;
    const int64_t rows = from->rows, each = w_round_up64(rows, k->strip) * T * k->size;
    _Alignas(64) char sum[ROWS * T * 8];
    for (int64_t b = 0; b < blocks_of(s->n); b++) {
        const int64_t wide = width_of(s, b);
        char *own = x + b * each;
        w_operand a = {w_panel_at(k, from->data, b * T * from->col_stride), from->row_stride, from->col_stride};
        if (b > 0) {
            memset(sum, 0, (size_t)(rows * wide * k->size));
            for (int64_t c = 0; c < b; c++) {
                w_panel_update(k, rows, wide, T, x + c * each, above_at(s, c, b), -1.0, sum, rows, W_PANEL_LOW,
                               W_PANEL_HIGH);
            }
            for (int64_t j = 0; j < wide; j++) {
                for (int64_t i = 0; i < rows; i++) {
                    w_qr_put(k->size, sum, i + j * rows,
                             w_qr_get(k->size, sum, i + j * rows) +
                                 w_qr_get(k->size, a.data, i * a.row + j * a.depth));
                }
            }
            a = (w_operand){sum, 1, rows};
        }
        w_panel_pack(k, rows, wide, a, NULL, own);
        w_panel_solve(k, rows, wide, triangle_at(s, b), corners_at(s, b), own);
        w_panel_unpack(k, rows, wide, own, w_panel_at(k, to->data, b * T * to->col_stride), to->row_stride,
                       to->col_stride);
    }
}

static void solve_narrow(const w_qr_rows *s, const weir_matrix *from, const weir_matrix *to)
{
    _Alignas(64) char x[ROWS * T * 8];
    strip(s, from, to, x);
}

static void solve_wide(const w_qr_rows *s, const weir_matrix *from, const weir_matrix *to)
{
    _Alignas(64) char x[ROWS * W_QR_ROWS_MAX * 8 / 2];
    strip(s, from, to, x);
}

void w_qr_rows_solve(const w_qr_rows *s, const weir_matrix *from, const weir_matrix *to)
{
    /* Half the rows where all the blocks of a strip would be too much for the stack. */
    const int64_t rows = s->n <= T ? ROWS : s->n * s->k->size <= W_QR_ROWS_MAX * 4 ? ROWS : ROWS / 2;
    for (int64_t r = 0; r < from->rows; r += rows) {
        const int64_t height = w_min64(rows, from->rows - r);
        const weir_matrix in = w_view(from, r, 0, height, s->n), out = w_view(to, r, 0, height, s->n);
        if (s->n <= T) {
            solve_narrow(s, &in, &out);
        } else {
            solve_wide(s, &in, &out);
        }
    }
}
