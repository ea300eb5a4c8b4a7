/* SPDX-License-Identifier: Apache-2.0 */
/* A x = c for symmetric positive definite A, with a certificate.
 *
 * With s_i = 2^-round(log2(a_ii) / 2), C = diag(s) A diag(s) has diagonal entries between 1/2 and 2 and no rounding. C = R'R
 * replaces the upper triangle while the lower one and a copy of the diagonal keep C itself, so that r = c - C x is formed with the
 * exact matrix. A failed pivot, or a condition estimate of W_SINGULAR: C + delta I, delta = n W_JITTER, tenfold up to
 * W_JITTER_LIMIT. Refinement x += R^-1 R'^-1 r until
 *     ||r|| <= gamma_{n+1} (||C||_F ||x|| + ||c||),   gamma_k = k u / (1 - k u),
 * or W_REFINEMENT_MAX_STEPS steps (more with jitter, which they take out again as far as it can be), or no step halves ||r||. The
 * mixed form has the float32 factor and the corrections of dense/refine.h and refines in the same way; when its condition estimate does
 * not promise that the steps suffice, or they do not reach the band, the float64 factor is made. Reference: Higham, Accuracy and Stability (2002), chapters 10 and 12. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"
#include "dense/refine.h"
#include "solve/route.h"

#define W_JITTER 1e-15
#define W_JITTER_LIMIT 1e-4
#define W_JITTER_STEPS 20
#define W_SINGULAR (0.1 / DBL_EPSILON) /* from this condition on a factor without a failed pivot owes that to rounding */

typedef struct spd {
    weir_ctx *ctx;
    w_factor_place *place;
    int64_t n, m;
    double *a, *c;          /* C; c scaled, then x */
    double *scale, *diagonal, *work;
    double *rhs, *r, *e;    /* n x m */
    int32_t *iwork;
    w_refine32 single;      /* mixed: C's factor and what solving with it takes */
    double frobenius, norm;
    w_spd_report *report;
} spd;

int64_t w_spd_doubles(int64_t n, int64_t m)
{
    return w_add64(w_mul64(n, 6), w_add64(w_mul64(3, w_mul64(n, m)), w_add64(w_mul64(2, m), 2)));
}

/* Floats and integers take half a double. */
int64_t w_spd_mixed_doubles(int64_t n, int64_t m)
{
    const int64_t halves = w_add64(w_mul64(n, n), w_add64(w_mul64(n, m), w_mul64(n, 4)));
    return w_add64(halves / 2 + 1, w_add64(n, m));
}

static w_refine32 take_single(int64_t n, int64_t m, double *work)
{
    w_refine32 single = { .n = n, .count = m, .scale = work, .power = work + n, .factor = (float *)(void *)(work + n + m) };
    single.y = single.factor + n * n;
    single.work = single.y + n * m;
    single.iwork = (int32_t *)(void *)(single.work + 3 * n);
    return single;
}

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
    weir_status status = w_factor_place_run(q->ctx, q->place, q->n, q->a, &failed);
    if (status >= 0 && failed == 0) {
        q->report->condition = w_chol_condition(q->n, q->a, q->norm, q->work, q->iwork);
        failed = q->report->condition < W_SINGULAR ? 0 : q->n;
    }
    q->report->failed = failed;
    double jitter = (double)q->n * W_JITTER;
    while (status >= 0 && failed != 0 && allowed && jitter <= W_JITTER_LIMIT) {
        restore(q, jitter);
        status = w_factor_place_run(q->ctx, q->place, q->n, q->a, &failed);
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

/* x = C^-1 r by the factor at hand; x and r apart. */
static weir_status correct(spd *q, const double *r, double *x)
{
    const size_t bytes = (size_t)(q->n * q->m) * sizeof *x;
    if (q->single.factor) {
        memset(x, 0, bytes);
        return w_refine32_correct(q->ctx, &q->single, r, x);
    }
    memcpy(x, r, bytes);
    w_chol_solve(q->n, q->a, x, q->m);
    return WEIR_OK;
}

/* Solves and refines; *reached: every residual is inside its band. */
static weir_status refine(spd *q, int most, bool *reached)
{
    const int64_t values = q->n * q->m;
    weir_status status = correct(q, q->rhs, q->c);
    double worst = measure(q);
    for (int step = 0; status >= 0 && step < most && worst > 1.0; step++) {
        status = correct(q, q->r, q->e);
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
    *reached = worst <= 1.0;
    return status;
}

static weir_status solve_mixed(spd *q)
{
    bool promising = false;
    weir_status status = w_refine32_factor(q->ctx, &q->single, q->a, &q->report->condition, &promising);
    return status < 0 || !promising ? status : refine(q, W_REFINEMENT_MAX_STEPS, &q->report->solved);
}

weir_status w_spd_solve(weir_ctx *ctx, w_factor_place *place, int64_t n, int64_t m, double *a, double *c, double *work, bool jitter,
                        bool mixed, w_spd_report *report)
{
    spd q = { .ctx = ctx, .place = place, .n = n, .m = m, .a = a, .c = c, .report = report };
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
    weir_status status = WEIR_OK;
    if (mixed) {
        q.single = take_single(n, m, work + w_spd_doubles(n, m));
        status = solve_mixed(&q);
        q.single.factor = NULL;
    }
    if (status >= 0 && !report->solved) {
        bool reached;
        report->refinements = 0;
        status = factor(&q, jitter);
        if (status >= 0 && report->solved) {
            report->condition = report->failed ? INFINITY : report->condition;
            status = refine(&q, report->jitter > 0.0 ? W_JITTER_STEPS : W_REFINEMENT_MAX_STEPS, &reached);
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
