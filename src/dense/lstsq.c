/* SPDX-License-Identifier: Apache-2.0 */
/* Least squares of any shape and rank. With k = min(m, n):
 *     m >= n:  A = Q R,   c = Q'B,  T = R:    min ||T Y - C||, X = Y
 *     m <  n:  A' = Q R,  C = B,    T = R':   min ||T Y - C||, X = Q Y        (||X|| = ||Y||)
 * The k x k problem is solved by substitution where a condition estimate of R leaves no doubt about its rank. Else
 *     T P = U [S11 S12; 0 S22],   the rank r being where |s_jj| > tolerance |s_11| ends,
 *     [S11 S12] = W' Z'  (QR of its transpose),   Y = P Z W'^-1 (U'C)_1..r:  of least norm (complete orthogonal decomposition).
 * Few columns of B are factored behind those of A, [A B] = Q [R C; 0 *], for which Q need not be applied; only of finite ones, since NaN
 * in one would reach its neighbours.
 * Pivots of R are those of A, whose columns it has the norms and angles of: the rank is the one geqp3 of A finds, for k^3 instead
 * of m n^2 operations with pivoting. The matrices are brought to a moderate size by powers of two.
 * Reference: Golub & Van Loan, Matrix Computations, 5.4, 5.5; Higham (1987) for condition estimates. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "dense/linear.h"
#include "dense/qr.h"
#include "dense/qr_pivot.h"

#define DOUBT 3.0 /* an estimate of the condition may be this much too low */

typedef struct problem {
    weir_ctx *ctx;
    w_scratch *s;
    int64_t m, n, k;
    bool wide, joined;         /* B follows A in `tall` */
    weir_matrix tall, own, r;  /* A or A', with B or without; R (k x k, upper) */
    weir_matrix right, c;      /* B, then Q'B; its first k rows */
    weir_matrix square;        /* T, then its pivoted QR */
    weir_matrix turned;        /* [S11 S12]' */
    weir_matrix y;             /* max(m, n) x count */
    void *tau, *square_tau, *turned_tau, *work;
    int64_t *pivot;
    w_blas_int *iwork;
    double tolerance;
} problem;

static weir_matrix room_for(problem *p, weir_dtype dtype, int64_t rows, int64_t cols)
{
    const int64_t size = dtype == WEIR_F32 ? 4 : 8;
    return w_matrix_columns(w_scratch_take(p->s, w_mul64(w_mul64(rows, cols), size)), dtype, rows, cols);
}

/* Everything but what w_qr_pivot takes for itself. */
static void take_rooms(problem *p, const weir_matrix *a, const weir_matrix *b)
{
    const int64_t size = w_matrix_size(a), k = p->k, beside = p->joined ? b->cols : 0;
    p->tall = room_for(p, a->dtype, w_max64(p->m, p->n), k + beside);
    p->own = w_matrix_part(&p->tall, 0, 0, p->tall.rows, k);
    p->r = w_matrix_part(&p->tall, 0, 0, k, k);
    p->right = p->joined ? w_matrix_part(&p->tall, 0, k, p->m, b->cols) : room_for(p, a->dtype, p->m, b->cols);
    p->c = w_matrix_part(&p->right, 0, 0, k, b->cols);
    p->square = room_for(p, a->dtype, k, k);
    p->turned = room_for(p, a->dtype, k, k);
    p->y = room_for(p, a->dtype, p->n, b->cols);
    p->tau = w_scratch_take(p->s, w_mul64(k + beside, size));
    p->square_tau = w_scratch_take(p->s, w_mul64(k, size));
    p->turned_tau = w_scratch_take(p->s, w_mul64(k, size));
    p->pivot = w_scratch_take(p->s, w_mul64(k, sizeof *p->pivot));
    p->iwork = w_scratch_take(p->s, w_mul64(k, sizeof *p->iwork));
    int64_t work = w_max64(w_geqrf_bytes(p->ctx, &p->tall), w_max64(w_geqrf_bytes(p->ctx, &p->own), w_ormqr_bytes(&p->own)));
    work = w_max64(work, w_max64(w_geqrf_bytes(p->ctx, &p->turned), w_ormqr_bytes(&p->turned)));
    p->work = w_scratch_take(p->s, w_max64(work, w_mul64(4 * size, k)));
}

/* 1-norm condition of R. */
static double condition(const problem *p)
{
    const w_blas_int n = (w_blas_int)p->k, ld = (w_blas_int)p->tall.col_stride;
    w_blas_int info = 0;
    W_BLAS_SERIAL;
    if (p->r.dtype == WEIR_F32) {
        float inverse = 0.0f;
        strcon_("1", "U", "N", &n, p->r.data, &ld, &inverse, p->work, p->iwork, &info);
        return 1.0 / (double)inverse;
    }
    double inverse = 0.0;
    dtrcon_("1", "U", "N", &n, p->r.data, &ld, &inverse, p->work, p->iwork, &info);
    return 1.0 / inverse;
}

static double get(const weir_matrix *a, int64_t i, int64_t j)
{
    const void *at = w_matrix_at(a, i, j);
    return a->dtype == WEIR_F32 ? (double)*(const float *)at : *(const double *)at;
}

static void set(const weir_matrix *a, int64_t i, int64_t j, double value)
{
    void *at = w_matrix_at(a, i, j);
    if (a->dtype == WEIR_F32) {
        *(float *)at = (float)value;
    } else {
        *(double *)at = value;
    }
}

static void fill(const weir_matrix *a, double value)
{
    for (int64_t j = 0; j < a->cols; j++) {
        for (int64_t i = 0; i < a->rows; i++) {
            set(a, i, j, value);
        }
    }
}

/* square := T. */
static void copy_triangle(const problem *p)
{
    for (int64_t j = 0; j < p->k; j++) {
        for (int64_t i = 0; i < p->k; i++) {
            set(&p->square, p->wide ? j : i, p->wide ? i : j, i <= j ? get(&p->r, i, j) : 0.0);
        }
    }
}

static int64_t rank_of(const problem *p)
{
    const double first = p->k > 0 ? fabs(get(&p->square, 0, 0)) : 0.0;
    int64_t rank = 0;
    while (rank < p->k && first > 0.0 && fabs(get(&p->square, rank, rank)) > p->tolerance * first) {
        rank++;
    }
    return rank;
}

/* Largest 2-norm of a column's rows from `first` on, of both matrices together. */
static double rest_norm(const weir_matrix *a, int64_t first)
{
    double most = 0.0;
    for (int64_t j = 0; j < a->cols; j++) {
        double norm = 0.0;
        for (int64_t i = first; i < a->rows; i++) {
            norm = hypot(norm, get(a, i, j));
        }
        most = norm > most || isnan(norm) ? norm : most;
    }
    return most;
}

/* The rows of W'^-1 (U'C) to Y by Z and P. */
static weir_status least_norm(problem *p, int64_t rank)
{
    weir_matrix leading = w_matrix_part(&p->square, 0, 0, rank, rank), y = w_matrix_part(&p->y, 0, 0, p->k, p->c.cols);
    weir_matrix solved = w_matrix_part(&p->c, 0, 0, rank, p->c.cols);
    weir_status status;
    if (rank == p->k) {
        status = w_dense_trsm(p->ctx, (w_triangular){ .upper = true }, &leading, &solved, p->s);
    } else {
        weir_matrix turned = w_matrix_part(&p->turned, 0, 0, p->k, rank);
        for (int64_t j = 0; j < rank; j++) {
            for (int64_t i = 0; i < p->k; i++) {
                set(&turned, i, j, i >= j ? get(&p->square, j, i) : 0.0);
            }
        }
        status = w_geqrf(p->ctx, &turned, p->turned_tau, p->work);
        const weir_matrix w = w_matrix_part(&turned, 0, 0, rank, rank), rest = w_matrix_part(&p->c, rank, 0, p->k - rank, p->c.cols);
        status = status < 0 ? status : w_dense_trsm(p->ctx, (w_triangular){ .upper = true, .trans = true }, &w, &solved, p->s);
        fill(&rest, 0.0);
        status = status < 0 || rank == 0 ? status : w_ormqr(p->ctx, false, &turned, p->turned_tau, &p->c, p->work);
    }
    for (int64_t i = 0; i < p->k; i++) {
        for (int64_t j = 0; j < y.cols; j++) {
            set(&y, p->pivot[i], j, get(&p->c, i, j));
        }
    }
    return status;
}

static weir_status solve_pivoted(problem *p, weir_lstsq_report *report)
{
    copy_triangle(p);
    weir_status status = w_qr_pivot(p->ctx, &p->square, p->pivot, p->square_tau, p->s);
    status = status < 0 ? status : w_ormqr(p->ctx, true, &p->square, p->square_tau, &p->c, p->work);
    if (status < 0) {
        return status;
    }
    const int64_t rank = rank_of(p);
    report->rank = rank;
    report->condition = rank > 0 ? fabs(get(&p->square, 0, 0) / get(&p->square, rank - 1, rank - 1)) : NAN;
    report->residual = rest_norm(&p->right, rank);
    return least_norm(p, rank);
}

/* T of full rank without doubt. */
static weir_status solve_triangle(problem *p, weir_lstsq_report *report)
{
    const weir_matrix y = w_matrix_part(&p->y, 0, 0, p->k, p->c.cols);
    report->rank = p->k;
    report->residual = rest_norm(&p->right, p->k);
    weir_status status = w_dense_trsm(p->ctx, (w_triangular){ .upper = true, .trans = p->wide }, &p->r, &p->c, p->s);
    w_matrix_copy(&p->c, &y);
    return status;
}

/* The power of two that brings `largest` near one, if it is so large or small that squares could overflow or vanish. */
static int power_for(weir_dtype dtype, double largest)
{
    const int wide = dtype == WEIR_F32 ? 40 : 400;
    int exponent = 0;
    frexp(largest, &exponent);
    return largest > 0.0 && (exponent > wide || exponent < -wide) ? -exponent : 0;
}

/* The reflectors of B's own columns stand below what is left of them. */
static void clear_reflectors(const problem *p)
{
    for (int64_t j = 0; j < p->right.cols; j++) {
        const weir_matrix below = w_matrix_part(&p->right, p->k + j + 1, j, p->m - p->k - j - 1, 1);
        fill(&below, 0.0);
    }
}

static weir_status solve_scaled(problem *p, weir_lstsq_report *report)
{
    weir_status status = w_geqrf(p->ctx, p->joined ? &p->tall : &p->own, p->tau, p->work);
    if (status >= 0 && p->joined) {
        clear_reflectors(p);
    } else if (status >= 0 && !p->wide) {
        status = w_ormqr(p->ctx, true, &p->own, p->tau, &p->right, p->work);
    }
    if (status < 0) {
        return status;
    }
    report->condition = condition(p);
    const bool sure = DOUBT * (double)p->k * report->condition * p->tolerance < 1.0;
    fill(&p->y, 0.0);
    status = sure ? solve_triangle(p, report) : solve_pivoted(p, report);
    return status < 0 || !p->wide ? status : w_ormqr(p->ctx, false, &p->own, p->tau, &p->y, p->work);
}

weir_status w_lstsq(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *x, double tolerance,
                    weir_lstsq_report *report, w_scratch *s)
{
    const double eps = a->dtype == WEIR_F32 ? FLT_EPSILON : DBL_EPSILON;
    problem p = { .ctx = ctx, .s = s, .m = a->rows, .n = a->cols, .k = w_min64(a->rows, a->cols), .wide = a->rows < a->cols };
    p.tolerance = tolerance > 0.0 ? tolerance : (double)w_max64(w_max64(p.m, p.n), 1) * eps;
    p.joined = !p.wide && b->cols <= p.n / 4 + 8 && b->cols <= p.m - p.n;
    take_rooms(&p, a, b);
    if (!s->base) {
        w_qr_pivot(ctx, &p.square, p.pivot, p.square_tau, s);
        return WEIR_OK;
    }
    if (w_narrow(w_max64(p.m, p.n)) < 0) {
        return w_fail(ctx, WEIR_E_ARG, "a problem of %lld x %lld is too large", (long long)p.m, (long long)p.n);
    }
    *report = (weir_lstsq_report){ .tolerance = p.tolerance, .condition = NAN };
    const double a_most = w_matrix_largest(a), b_most = w_matrix_largest(b);
    if (p.k == 0 || a_most == 0.0 || !isfinite(a_most)) {
        fill(x, isfinite(a_most) ? 0.0 : NAN);
        report->residual = isfinite(a_most) ? rest_norm(b, 0) : NAN;
        return WEIR_OK;
    }
    const weir_matrix seen = p.wide ? w_matrix_turned(a) : *a;
    const int a_power = power_for(a->dtype, a_most), b_power = isfinite(b_most) ? power_for(a->dtype, b_most) : 0;
    p.joined = p.joined && isfinite(b_most);
    w_matrix_copy(&seen, &p.own);
    w_matrix_copy(b, &p.right);
    w_matrix_scale(&p.own, a_power);
    w_matrix_scale(&p.right, b_power);
    weir_status status = solve_scaled(&p, report);
    if (status >= 0) {
        w_matrix_scale(&p.y, a_power - b_power);
        w_matrix_copy(&p.y, x);
        report->residual = ldexp(report->residual, -b_power);
    }
    return status;
}
