/* SPDX-License-Identifier: Apache-2.0 */
/* A x = c for symmetric positive definite A, with a certificate.
 *
 * With s_i = 2^-round(log2(a_ii) / 2), C = diag(s) A diag(s) has diagonal entries between 1/2 and 2 and no rounding. C = R'R
 * replaces the upper triangle while the lower one and a copy of the diagonal keep C itself, so that r = c - C x is formed with the
 * exact matrix. A failed pivot, or a condition estimate of W_SINGULAR: C + delta I, delta = n W_JITTER, tenfold up to
 * W_JITTER_LIMIT. Refinement x += R^-1 R'^-1 r until
 *     ||r|| <= gamma_{n+1} (||C||_F ||x|| + ||c||),   gamma_k = k u / (1 - k u),
 * or W_STEPS steps (more with jitter, which they take out again as far as it can be), or no step halves ||r||. The mixed form
 * factors C in float32 and refines in the same way, if its condition estimate is below W_MIXED_CONDITION; when it fails or does not
 * reach the band, the float64 factor is made. Reference: Higham, Accuracy and Stability (2002), chapters 10 and 12. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"
#include "solve/route.h"

#define W_JITTER 1e-15
#define W_JITTER_LIMIT 1e-4
#define W_STEPS 3
#define W_JITTER_STEPS 20
#define W_MIXED_CONDITION 2e4
#define W_SINGULAR (0.1 / DBL_EPSILON) /* from this condition on a factor without a failed pivot owes that to rounding */

typedef struct spd {
    weir_ctx *ctx;
    int64_t n, m;
    double *a, *c;          /* C; c scaled, then x */
    double *scale, *diagonal, *work;
    double *rhs, *r, *e;    /* n x m */
    int32_t *iwork;
    float *single, *column; /* mixed: C's factor, one right-hand side */
    double frobenius, norm;
    w_spd_report *report;
} spd;

int64_t w_spd_doubles(int64_t n, int64_t m)
{
    return w_add64(w_mul64(n, 6), w_add64(w_mul64(3, w_mul64(n, m)), w_add64(w_mul64(2, m), 2)));
}

int64_t w_spd_mixed_doubles(int64_t n) { return w_add64(w_mul64(n, n), n) / 2 + 1; }

static bool prepare(spd *q)
{
    const int64_t n = q->n;
    double square = 0.0;
    for (int64_t i = 0; i < n; i++) {
        const double d = q->a[i * (n + 1)];
        if (!isfinite(d)) {
            return false;
        }
        int exponent = 0;
        frexp(d > 0.0 ? d : 1.0, &exponent);
        q->scale[i] = ldexp(1.0, -(exponent >> 1));
        q->work[i] = 0.0;
    }
    for (int64_t c = 0; c < n; c++) {
        double *column = q->a + c * n, sum = 0.0;
        for (int64_t r = 0; r < c; r++) {
            column[r] *= q->scale[r] * q->scale[c];
            square += 2.0 * column[r] * column[r];
            sum += fabs(column[r]);
            q->work[r] += fabs(column[r]);
        }
        column[c] *= q->scale[c] * q->scale[c];
        q->diagonal[c] = column[c];
        square += column[c] * column[c];
        q->work[c] += sum + fabs(column[c]);
    }
    q->frobenius = sqrt(square);
    q->norm = 0.0;
    for (int64_t i = 0; i < n; i++) {
        q->norm = fmax(q->norm, q->work[i]);
    }
    for (int64_t k = 0; k < q->m; k++) {
        for (int64_t i = 0; i < n; i++) {
            q->c[k * n + i] *= q->scale[i];
            if (!isfinite(q->c[k * n + i])) {
                return false;
            }
        }
    }
    w_mirror_upper(n, q->a);
    memcpy(q->rhs, q->c, (size_t)(n * q->m) * sizeof *q->rhs);
    return isfinite(q->frobenius);
}

static void restore(spd *q, double jitter)
{
    for (int64_t c = 0; c < q->n; c++) {
        for (int64_t r = 0; r < c; r++) {
            q->a[r + c * q->n] = q->a[c + r * q->n];
        }
        q->a[c * (q->n + 1)] = q->diagonal[c] + jitter;
    }
}

static weir_status factor(spd *q, bool allowed)
{
    int64_t failed = 0;
    weir_status status = w_chol_factor(q->ctx, q->n, q->a, &failed);
    if (status >= 0 && failed == 0) {
        q->report->condition = w_chol_condition(q->n, q->a, q->norm, q->work, q->iwork);
        failed = q->report->condition < W_SINGULAR ? 0 : q->n;
    }
    q->report->failed = failed;
    double jitter = (double)q->n * W_JITTER;
    while (status >= 0 && failed != 0 && allowed && jitter <= W_JITTER_LIMIT) {
        restore(q, jitter);
        status = w_chol_factor(q->ctx, q->n, q->a, &failed);
        q->report->jitter = jitter;
        jitter *= 10.0;
    }
    q->report->solved = status >= 0 && failed == 0;
    return status;
}

/* r = rhs - C x; residuals and backward errors. The largest ratio of a residual to its band. */
static double measure(spd *q)
{
    W_BLAS_SERIAL;
    const int64_t n = q->n;
    const w_blas_int size = (w_blas_int)n, m = (w_blas_int)q->m, inc = 1;
    const double minus = -1.0, one = 1.0, k = (double)(n + 1) * (DBL_EPSILON / 2.0), gamma = k / (1.0 - k);
    double worst = 0.0;
    memcpy(q->r, q->rhs, (size_t)(n * q->m) * sizeof *q->r);
    if (q->m == 1) {
        dsymv_("L", &size, &minus, q->a, &size, q->c, &inc, &one, q->r, &inc);
    } else {
        dsymm_("L", "L", &size, &m, &minus, q->a, &size, q->c, &size, &one, q->r, &size);
    }
    for (int64_t j = 0; j < q->m; j++) {
        double *r = q->r + j * n;
        const double *x = q->c + j * n;
        for (int64_t i = 0; i < n; i++) {
            r[i] -= (q->diagonal[i] - q->a[i * (n + 1)]) * x[i];
        }
        const double rr = sqrt(w_dot(n, r, r)), xx = sqrt(w_dot(n, x, x)), bb = sqrt(w_dot(n, q->rhs + j * n, q->rhs + j * n));
        const double size_of = q->frobenius * xx + bb;
        q->report->residual[j] = rr == 0.0 ? 0.0 : rr / bb;
        q->report->backward[j] = rr == 0.0 ? 0.0 : rr / size_of;
        worst = fmax(worst, isfinite(rr) && isfinite(xx) ? rr == 0.0 ? 0.0 : rr / (gamma * size_of) : INFINITY);
    }
    return worst;
}

static void correct(spd *q, double *x)
{
    if (!q->single) {
        w_chol_solve(q->n, q->a, x, q->m);
        return;
    }
    W_BLAS_SERIAL;
    const w_blas_int n = (w_blas_int)q->n, one = 1;
    for (int64_t k = 0; k < q->m; k++) {
        w_blas_int info = 0;
        double largest = 0.0;
        for (int64_t i = 0; i < q->n; i++) {
            largest = fmax(largest, fabs(x[k * q->n + i]));
        }
        const double unit = largest > 0.0 && isfinite(largest) ? largest : 1.0;
        for (int64_t i = 0; i < q->n; i++) {
            q->column[i] = (float)(x[k * q->n + i] / unit);
        }
        spotrs_("U", &n, &one, q->single, &n, q->column, &n, &info);
        for (int64_t i = 0; i < q->n; i++) {
            x[k * q->n + i] = unit * (double)q->column[i];
        }
    }
}

/* Solves and refines; true when every residual is inside its band. */
static bool refine(spd *q, int most)
{
    const int64_t values = q->n * q->m;
    memcpy(q->c, q->rhs, (size_t)values * sizeof *q->c);
    correct(q, q->c);
    double worst = measure(q);
    for (int step = 0; step < most && worst > 1.0; step++) {
        memcpy(q->e, q->r, (size_t)values * sizeof *q->e);
        correct(q, q->e);
        for (int64_t i = 0; i < values; i++) {
            q->c[i] += q->e[i];
        }
        const double before = worst;
        worst = measure(q);
        if (!(worst < before)) {
            for (int64_t i = 0; i < values; i++) {
                q->c[i] -= q->e[i];
            }
            worst = measure(q);
            break;
        }
        q->report->refinements++;
        if (worst > 0.5 * before) {
            break;
        }
    }
    return worst <= 1.0;
}

/* true: solved. */
static bool solve_mixed(spd *q)
{
    const w_blas_int n = (w_blas_int)q->n;
    {
        W_BLAS_SERIAL;
        w_blas_int info = 0;
        for (int64_t c = 0; c < q->n; c++) {
            for (int64_t r = 0; r <= c; r++) {
                q->single[r + c * q->n] = (float)q->a[r + c * q->n];
            }
        }
        spotrf_("U", &n, q->single, &n, &info);
        if (info != 0) {
            return false;
        }
        float inverse = 0.0f, norm = (float)q->norm;
        spocon_("U", &n, q->single, &n, &norm, &inverse, (float *)(void *)q->work, q->iwork, &info);
        q->report->condition = inverse > 0.0f ? 1.0 / (double)inverse : INFINITY;
    }
    return q->report->condition <= W_MIXED_CONDITION && refine(q, W_STEPS);
}

weir_status w_spd_solve(weir_ctx *ctx, int64_t n, int64_t m, double *a, double *c, double *work, bool jitter, bool mixed,
                        w_spd_report *report)
{
    spd q = { .ctx = ctx, .n = n, .m = m, .a = a, .c = c, .report = report };
    *report = (w_spd_report){ .failed = -1, .condition = NAN, .residual = work, .backward = work + m };
    q.scale = work + 2 * m;
    q.diagonal = q.scale + n;
    q.work = q.diagonal + n;
    q.rhs = q.work + 3 * n;
    q.r = q.rhs + n * m;
    q.e = q.r + n * m;
    q.iwork = (int32_t *)(void *)(q.e + n * m);
    if (!prepare(&q)) {
        return WEIR_OK;
    }
    report->failed = 0;
    if (mixed) {
        q.single = (float *)(void *)(work + w_spd_doubles(n, m));
        q.column = q.single + n * n;
        report->solved = solve_mixed(&q);
        q.single = NULL;
    }
    weir_status status = WEIR_OK;
    if (!report->solved) {
        report->refinements = 0;
        status = factor(&q, jitter);
        if (status >= 0 && report->solved) {
            report->condition = report->failed ? INFINITY : report->condition;
            refine(&q, report->jitter > 0.0 ? W_JITTER_STEPS : W_STEPS);
        }
    }
    for (int64_t k = 0; k < m; k++) {
        for (int64_t i = 0; i < n; i++) {
            c[k * n + i] *= q.scale[i];
        }
    }
    return status;
}

double w_spd_seconds(int64_t n, int64_t m, const w_cost *cost)
{
    const double size = (double)n, further = (double)(m - 1) * size * size * cost->route.spd_column;
    return w_curve_at(&cost->route.spd, size, 3.0) + further;
}

bool w_spd_settle(w_linear *q, int64_t group, int32_t route, const w_spd_report *report)
{
    if (report->failed < 0) {
        if (!w_rows_refuse_bad(q, group, route)) {
            w_linear_refuse(q, group, route, WEIR_E_NUMERIC, "X'WX + S or X'WY is beyond the range of float64");
        }
        return true;
    }
    const bool doubtful = !report->solved || report->failed > 0 || report->condition > q->o->condition_limit;
    if (q->may_reroute && doubtful) {
        return false;
    }
    if (!report->solved) {
        w_linear_refuse(q, group, route, WEIR_E_NUMERIC, "%s is not positive definite: pivot %lld%s",
                        route == WEIR_ROUTE_DUAL ? "the dual system" : "X'WX + S", (long long)report->failed,
                        q->o->no_jitter ? "" : ", and jitter up to 1e-4 of its diagonal did not help");
        return true;
    }
    for (int64_t j = 0; j < q->m; j++) {
        q->outcome[group * q->m + j] = (weir_linear_outcome){
            .status = report->jitter > 0.0 ? WEIR_RANK_DEFICIENT : WEIR_OK, .route = route, .rank = q->p,
            .refinements = report->refinements, .jitter = report->jitter, .residual = report->residual[j],
            .backward_error = report->backward[j], .condition = report->condition };
    }
    q->wanted[group] = 0;
    return true;
}
