/* SPDX-License-Identifier: Apache-2.0 */
/* Q and R as matrices, by one of the paths of weir/linalg.h, and least squares of full rank.
 *
 * Tall: at least TALL times as many rows as columns. R alone comes from TSQR, which reads A once and spends 2 m n^2 flops; with Q
 * both TSQR and Cholesky's way spend 4 m n^2, the latter in products alone. What Cholesky's way declines goes to TSQR. */
#include "dense/qr.h"

#include <string.h>

#include "base/size.h"
#include "dense/level3.h"
#include "dense/strided.h"

#define TALL 4
#define TSQR_COLUMNS 1024

static int64_t aligned(int64_t bytes) { return w_round_up64(bytes, 64); }
static int64_t order(const weir_matrix *a) { return w_min64(a->rows, a->cols); }

static bool same_place(const weir_matrix *a, const weir_matrix *q) { return q && q->data == a->data; }

static int32_t choose(weir_qr_mode mode, int32_t path, const weir_matrix *a, const weir_matrix *q)
{
    if (mode == WEIR_QR_COMPLETE || a->rows < a->cols || a->cols == 0) {
        return WEIR_QR_HOUSEHOLDER;
    }
    if (path == WEIR_QR_AUTO && (a->rows / TALL < a->cols || a->cols > TSQR_COLUMNS)) {
        return WEIR_QR_HOUSEHOLDER;
    }
    if (path == WEIR_QR_AUTO) {
        path = mode == WEIR_QR_R ? WEIR_QR_TSQR : WEIR_QR_CHOLESKY2;
    }
    const bool cholesky = path == WEIR_QR_CHOLESKY2 || path == WEIR_QR_CHOLESKY3;
    return cholesky && (same_place(a, q) || !w_cholqr_fits(a)) ? WEIR_QR_TSQR : path;
}

/* ---- Householder --------------------------------------------------------------------------------------------------- */

/* A is copied to where Q will be, or into the workspace where there is no such place. */
static bool within_q(const weir_matrix *a, const weir_matrix *q) { return q && a->rows >= a->cols; }

static weir_matrix copy_place(const weir_matrix *a, const weir_matrix *q, void *work)
{
    if (within_q(a, q)) {
        return w_view(q, 0, 0, a->rows, a->cols);
    }
    return (weir_matrix){work, a->dtype, a->rows, a->cols, 1, w_max64(a->rows, 1)};
}

static int64_t copy_bytes(const weir_matrix *a, const weir_matrix *q)
{
    return within_q(a, q) ? 0 : aligned(w_mul64(w_mul64(a->rows, a->cols), w_qr_size(a)));
}

static int64_t householder_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *q)
{
    const weir_matrix f = copy_place(a, q, NULL);
    int64_t work = w_geqrf_bytes(ctx, &f);
    if (q) {
        work = w_max64(work, w_orgqr_bytes(q, order(a)));
    }
    return w_add64(w_add64(copy_bytes(a, q), aligned(w_mul64(order(a), w_qr_size(a)))), work);
}

/* R (as many rows as r has) from a factorization. */
static void take_upper(const weir_matrix *f, const weir_matrix *r)
{
    const int size = w_qr_size(r);
    for (int64_t j = 0; j < r->cols; j++) {
        for (int64_t i = 0; i < r->rows; i++) {
            w_qr_put(size, r->data, i * r->row_stride + j * r->col_stride,
                     i <= j ? w_qr_get(size, f->data, i * f->row_stride + j * f->col_stride) : 0.0);
        }
    }
}

static weir_status householder(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *q, const weir_matrix *r,
                               char *work)
{
    const int64_t k = order(a);
    const weir_matrix f = copy_place(a, q, work);
    char *tau = work + copy_bytes(a, q), *rest = tau + aligned(k * w_qr_size(a));
    if (f.data != a->data) {
        w_matrix_copy(a, &f);
    }
    weir_status status = w_geqrf(ctx, &f, tau, rest);
    if (status < 0) {
        return status;
    }
    take_upper(&f, r);
    if (!q) {
        return WEIR_OK;
    }
    if (!within_q(a, q)) {
        const weir_matrix from = w_view(&f, 0, 0, a->rows, k), to = w_view(q, 0, 0, a->rows, k);
        w_matrix_copy(&from, &to);
    }
    return w_orgqr(ctx, q, k, tau, rest);
}

/* ---- paths --------------------------------------------------------------------------------------------------------- */

int64_t w_qr_bytes(const weir_ctx *ctx, weir_qr_mode mode, int32_t path, const weir_matrix *a,
                   const weir_matrix *q)
{
    switch (choose(mode, path, a, q)) {
    case WEIR_QR_HOUSEHOLDER: return householder_bytes(ctx, a, q);
    case WEIR_QR_TSQR: return w_tsqr_bytes(ctx, a, q != NULL);
    default: return w_max64(w_cholqr_bytes(ctx, a, q != NULL), w_tsqr_bytes(ctx, a, q != NULL));
    }
}

weir_status w_qr(weir_ctx *ctx, weir_qr_mode mode, const weir_matrix *a, const weir_matrix *q,
                 const weir_matrix *r, int32_t *path, void *work)
{
    weir_status status = WEIR_DECLINED;
    *path = choose(mode, *path, a, q);
    if (*path == WEIR_QR_HOUSEHOLDER) {
        return householder(ctx, a, q, r, work);
    }
    if (*path != WEIR_QR_TSQR) {
        status = w_cholqr(ctx, a, q, r, path, work);
    }
    if (status == WEIR_DECLINED) {
        *path = WEIR_QR_TSQR;
        status = w_tsqr(ctx, a, q, r, work);
    }
    return status;
}

/* ---- least squares ------------------------------------------------------------------------------------------------- */

static int64_t triangle_bytes(const weir_matrix *a)
{
    return aligned(w_mul64(w_mul64(a->cols, a->cols), w_qr_size(a)));
}

int64_t w_qr_solve_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b)
{
    const int size = w_qr_size(a);
    const int64_t solving = w_add64(triangle_bytes(a), aligned(w_mul64(w_mul64(a->cols, b->cols), size)));
    const int64_t factoring = w_max64(w_geqrf_bytes(ctx, a), w_ormqr_bytes(a));
    return w_add64(aligned(w_mul64(a->cols, size)), w_max64(factoring, solving));
}

weir_status w_qr_solve(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *x,
                       int64_t *info, void *work)
{
    const int size = w_qr_size(a);
    const int64_t n = a->cols;
    char *tau = work, *rest = tau + aligned(n * size);
    *info = 0;
    weir_status status = w_geqrf(ctx, a, tau, rest);
    status = status < 0 ? status : w_ormqr(ctx, true, a, tau, b, rest);
    for (int64_t j = 0; j < n && status >= 0; j++) {
        if (w_qr_get(size, a->data, j * (a->row_stride + a->col_stride)) == 0.0) {
            *info = j + 1;
            return WEIR_RANK_DEFICIENT;
        }
    }
    if (status < 0 || n == 0) {
        return status;
    }
    const weir_matrix r = {rest, a->dtype, n, n, 1, n}, top = w_view(b, 0, 0, n, b->cols);
    const weir_matrix y = {rest + triangle_bytes(a), a->dtype, n, b->cols, 1, n};
    take_upper(a, &r);
    w_matrix_copy(&top, &y);
    status = w_trsm(ctx, w_panel_best(size), (w_triangular){.upper = true}, n, r.data, n, b->cols, y.data, n);
    if (status >= 0) {
        w_matrix_copy(&y, x);
    }
    return status;
}
