/* SPDX-License-Identifier: Apache-2.0 */
/* LU of views, and A X = B by it: with PA = LU, X = U^-1 L^-1 P B. On request the solution is judged by its normwise backward
 * error  max_j ||b_j - A x_j||_1 / (||A||_1 ||x_j||_1 + ||b_j||_1)  and an estimate of ||A||_1 ||A^-1||_1 (Higham & Tisseur). */
#include "dense/linear.h"

#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "dense/lu.h"

weir_status w_dense_getrf(weir_ctx *ctx, const weir_matrix *a, int64_t *pivot, int64_t *zero, w_scratch *s)
{
    const w_panel *k = w_matrix_kernels(a);
    const w_placed t = w_place_filled(s, a);
    void *work = w_scratch_take(s, w_lu_work_bytes(k, a->rows, a->cols));
    if (!s->base) {
        return WEIR_OK;
    }
    weir_status status = w_lu_factor(ctx, k, a->rows, a->cols, t.m.data, t.m.row_stride, t.m.col_stride, pivot, work, zero);
    w_place_back(&t, a);
    return status;
}

weir_status w_dense_getrs(weir_ctx *ctx, bool trans, const weir_matrix *a, const int64_t *pivot, const weir_matrix *b, w_scratch *s)
{
    const w_panel *k = w_matrix_kernels(a);
    const w_placed t = w_place_filled(s, a), x = w_place_filled(s, b);
    const w_triangular lower = { .unit = true, .trans = trans }, upper = { .upper = true, .trans = trans };
    if (!s->base) {
        w_dense_trsm(ctx, lower, &t.m, &x.m, s);
        return WEIR_OK;
    }
    weir_status status = WEIR_OK;
    if (!trans) {
        status = w_lu_exchange(ctx, k, a->rows, pivot, false, b->cols, x.m.data, x.m.row_stride, x.m.col_stride);
    }
    status = status < 0 ? status : w_dense_trsm(ctx, trans ? upper : lower, &t.m, &x.m, s);
    status = status < 0 ? status : w_dense_trsm(ctx, trans ? lower : upper, &t.m, &x.m, s);
    if (trans && status >= 0) {
        status = w_lu_exchange(ctx, k, a->rows, pivot, true, b->cols, x.m.data, x.m.row_stride, x.m.col_stride);
    }
    w_place_back(&x, b);
    return status;
}

static double column_norm(const weir_matrix *a, int64_t j)
{
    double sum = 0.0;
    for (int64_t i = 0; i < a->rows; i++) {
        const void *at = w_matrix_at(a, i, j);
        sum += fabs(a->dtype == WEIR_F32 ? (double)*(const float *)at : *(const double *)at);
    }
    return sum;
}

static double matrix_norm(const weir_matrix *a)
{
    double most = 0.0;
    for (int64_t j = 0; j < a->cols; j++) {
        const double norm = column_norm(a, j);
        most = norm > most || isnan(norm) ? norm : most;
    }
    return most;
}

/* lu: column-major; work: 4 n elements and n integers. */
static double condition(const weir_matrix *lu, double norm, void *work, w_blas_int *iwork)
{
    const w_blas_int n = (w_blas_int)lu->rows, ld = (w_blas_int)lu->col_stride;
    w_blas_int info = 0;
    W_BLAS_SERIAL;
    if (lu->dtype == WEIR_F32) {
        const float size = (float)norm;
        float inverse = 0.0f;
        sgecon_("1", &n, lu->data, &ld, &size, &inverse, work, iwork, &info);
        return 1.0 / (double)inverse;
    }
    double inverse = 0.0;
    dgecon_("1", &n, lu->data, &ld, &norm, &inverse, work, iwork, &info);
    return 1.0 / inverse;
}

/* residual := B; on return B - A X. */
static weir_status backward_error(weir_ctx *ctx, const weir_matrix *a, double norm, const weir_matrix *x, const weir_matrix *residual,
                                  const double *b_norm, double *out)
{
    const w_panel *k = w_matrix_kernels(a);
    weir_status status = w_gemm(ctx, k, a->rows, x->cols, a->cols, -1.0, (w_operand){ a->data, a->row_stride, a->col_stride },
                                (w_operand){ x->data, x->col_stride, x->row_stride }, residual->data, residual->col_stride);
    *out = 0.0;
    for (int64_t j = 0; status >= 0 && j < x->cols; j++) {
        const double r = column_norm(residual, j), scale = norm * column_norm(x, j) + b_norm[j];
        const double error = r == 0.0 ? 0.0 : r / scale;
        *out = error > *out || isnan(error) ? error : *out;
    }
    return status;
}

typedef struct judging {
    weir_matrix residual;
    double *b_norm;
    void *work;
    w_blas_int *iwork;
} judging;

static weir_status judge(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *lu, const weir_matrix *x, const judging *j,
                         weir_solve_report *report)
{
    const double norm = matrix_norm(a);
    report->condition = isfinite(norm) && w_narrow(a->rows) >= 0 ? condition(lu, norm, j->work, j->iwork) : NAN;
    return backward_error(ctx, a, norm, x, &j->residual, j->b_norm, &report->backward_error);
}

weir_status w_dense_solve(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, int64_t *zero, weir_solve_report *report,
                           w_scratch *s)
{
    const int64_t n = a->rows, size = w_matrix_size(a);
    const bool counting = !s->base;
    weir_matrix lu = w_matrix_columns(w_scratch_take(s, w_mul64(w_mul64(n, n), size)), a->dtype, n, n);
    int64_t *pivot = w_scratch_take(s, w_mul64(n, sizeof *pivot));
    judging j = { w_matrix_columns(w_scratch_take(s, w_mul64(w_mul64(n, b->cols), size)), a->dtype, n, b->cols),
                  w_scratch_take(s, w_mul64(b->cols, sizeof(double))), w_scratch_take(s, w_mul64(4 * size, n)),
                  w_scratch_take(s, w_mul64(sizeof(w_blas_int), n)) };
    const w_scratch before = *s;
    if (!counting) {
        w_matrix_copy(a, &lu);
    }
    weir_status status = w_dense_getrf(ctx, &lu, pivot, zero, s);
    w_scratch again = before; /* the room of the factorization is free again */
    if (counting) {
        w_dense_getrs(ctx, false, &lu, pivot, b, &again);
        s->used = w_max64(s->used, again.used);
        return WEIR_OK;
    }
    if (status < 0 || *zero) {
        return status;
    }
    for (int64_t c = 0; report && c < b->cols; c++) {
        j.b_norm[c] = column_norm(b, c);
    }
    if (report) {
        w_matrix_copy(b, &j.residual);
    }
    status = w_dense_getrs(ctx, false, &lu, pivot, b, &again);
    return status < 0 || !report ? status : judge(ctx, a, &lu, b, &j, report);
}
