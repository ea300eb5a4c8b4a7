/* SPDX-License-Identifier: Apache-2.0 */
/* The reflectors of geqrf from the Q of TSQR. For Q (m x n) with orthonormal columns there are a unit lower trapezoidal V,
 * an upper triangular U and signs S with
 *     Q - [S; 0] = V U,   S_ii = -sign of what is left of Q_ii when the columns before have been eliminated,
 * so that |U_ii| >= 1 and no pivoting is needed; the first columns of H = I - V T V' with T = -U S V_1^-T are Q S, hence
 *     A = Q R = H (S R),   tau_i = T_ii = -U_ii S_ii = 1 + |q_ii|.
 * S is the choice of beta = -sign(alpha) ||x||: V, tau and S R are those of Householder's method but for rounding. The error stays
 * that of TSQR: all quotients are by numbers of at least one.
 * Source: Ballard, Demmel, Grigori, Jacquelin, Knight & Nguyen (2015). */
#include "dense/qr.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

#define B W_REFLECTOR_BLOCK
#define TASK_ROWS 960 /* a multiple of every strip */
#define COLUMNS_MAX 512
#define BYTES_MIN (8 << 20) /* what is smaller is factored from cache */

static int64_t aligned(int64_t bytes) { return w_round_up64(bytes, 64); }

bool w_tsqr_wins(const weir_matrix *a)
{
    return a->cols > 0 && a->cols <= COLUMNS_MAX && a->rows / 16 >= a->cols &&
           w_mul64(w_mul64(a->rows, a->cols), w_qr_size(a)) >= BYTES_MIN;
}

int64_t w_tsqr_geqrf_bytes(const weir_ctx *ctx, const weir_matrix *a)
{
    const int size = w_qr_size(a);
    const int64_t square = aligned(w_qr_buffer_bytes(size, a->cols, a->cols));
    return w_add64(w_add64(aligned(w_tsqr_bytes(ctx, a, true)), 2 * square),
                   w_add64(w_qr_rows_bytes(size, a->cols), aligned(w_mul64(a->cols, size))));
}

static void *at(int size, void *base, int64_t row, int64_t column, int64_t ld)
{
    return (char *)base + (row + column * ld) * size;
}

/* Eight columns of Q - S = V U from (j, j) down, in place: U on and above the diagonal, V below; signs. */
static void eliminate(int size, int64_t n, void *q, int64_t ld, int64_t j, void *sign)
{
    for (int64_t c = j; c < w_min64(n, j + B); c++) {
        const double alpha = w_qr_get(size, q, c + c * ld), s = copysign(1.0, -alpha), pivot = alpha - s;
        w_qr_put(size, sign, c, s);
        w_qr_put(size, q, c + c * ld, pivot);
        for (int64_t i = c + 1; i < n; i++) {
            w_qr_put(size, q, i + c * ld, w_qr_get(size, q, i + c * ld) / pivot);
        }
        for (int64_t p = c + 1; p < w_min64(n, j + B); p++) {
            const double u = w_qr_get(size, q, c + p * ld);
            for (int64_t i = c + 1; i < n; i++) {
                w_qr_put(size, q, i + p * ld, w_qr_get(size, q, i + p * ld) - u * w_qr_get(size, q, i + c * ld));
            }
        }
    }
}

/* The columns behind them: U_12 = L_11^-1 Q_12, Q_22 -= V_21 U_12. */
static void carry(const w_reflector *k, int64_t n, void *q, int64_t ld, int64_t j)
{
    double u[B]; /* of either type */
    for (int64_t p = j + B; p < n; p++) {
        for (int64_t c = 0; c < B; c++) {
            double x = w_qr_get(k->size, q, j + c + p * ld);
            for (int64_t i = 0; i < c; i++) {
                x -= w_qr_get(k->size, q, j + c + (j + i) * ld) * w_qr_get(k->size, u, i);
            }
            w_qr_put(k->size, u, c, x);
            w_qr_put(k->size, q, j + c + p * ld, x);
        }
        k->subtract(n - j - B, at(k->size, q, j + B, j, ld), ld, 1, at(k->size, q, j + B, p, ld), ld, u);
    }
}

typedef struct forming {
    const weir_matrix *a;
    const w_qr_rows *rows;
} forming;

static weir_status form_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const forming *f = arg;
    const int64_t first = f->a->cols + task * TASK_ROWS;
    const weir_matrix part = w_view(f->a, first, 0, w_min64(TASK_ROWS, f->a->rows - first), f->a->cols);
    w_qr_rows_solve(f->rows, &part, &part);
    return WEIR_OK;
}

weir_status w_tsqr_geqrf(weir_ctx *ctx, const weir_matrix *a, void *tau, void *work)
{
    const w_qr_kernels k = w_qr_best(a->dtype);
    const int size = w_qr_size(a);
    const int64_t n = a->cols, ld = w_qr_lead(n), square = aligned(w_qr_buffer_bytes(size, n, n));
    char *r = (char *)work + aligned(w_tsqr_bytes(ctx, a, true)), *q = r + square, *sign = q + square;
    const weir_matrix triangle = {r, a->dtype, n, n, 1, ld}, top = w_view(a, 0, 0, n, n);
    weir_status status = w_tsqr(ctx, a, a, &triangle, work);
    if (status < 0) {
        return status;
    }
    w_qr_load(&top, q, ld);
    for (int64_t j = 0; j < n; j += B) {
        eliminate(size, n, q, ld, j, sign);
        carry(k.reflector, n, q, ld, j);
    }
    w_qr_rows rows;
    w_qr_rows_pack(&rows, k.panel, n, q, ld, sign + aligned(n * size));
    forming f = {a, &rows};
    status = w_pool_run(ctx, (a->rows - n + TASK_ROWS - 1) / TASK_ROWS, form_task, &f);
    if (status < 0) {
        return status;
    }
    for (int64_t j = 0; j < n; j++) {
        w_qr_put(size, tau, j, -w_qr_get(size, q, j + j * ld) * w_qr_get(size, sign, j));
        for (int64_t i = 0; i <= j; i++) {
            w_qr_put(size, q, i + j * ld, w_qr_get(size, sign, i) * w_qr_get(size, r, i + j * ld));
        }
    }
    w_qr_store(q, ld, &top);
    return WEIR_OK;
}
