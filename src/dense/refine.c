/* SPDX-License-Identifier: Apache-2.0 */
/* Mixed-precision solves: see refine.h. The scale is a power of two, so that D A D and D b are exact before they are rounded to
 * float32, and each right-hand side is scaled to one by another, so that none overflows.
 * Reference: Higham, Accuracy and Stability of Numerical Algorithms, 12.1; Carson & Higham (2018). */
#include "dense/refine.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/chol.h"
#include "dense/dense.h"
#include "dense/level3.h"

#define U32 0x1p-24
#define FEW 8

typedef struct refining {
    weir_ctx *ctx;
    int64_t n, count;
    const double *a, *b;
    double *x, *r, *norm; /* norm: of every residual before the last step */
    double frobenius, gamma;
    w_refine32 single;
    double *factor64;
    w_refinement report;
} refining;

static double gamma_of(int64_t n)
{
    const double k = (double)(n + 1) * (DBL_EPSILON / 2.0);
    return k / (1.0 - k);
}

static int64_t square_bytes(int64_t n, int64_t size) { return w_mul64(w_mul64(n, n), size); }

int64_t w_refine_bytes(int64_t n, int64_t count)
{
    const int64_t panel = w_mul64(n, count);
    int64_t bytes = w_alloc_bytes(square_bytes(n, sizeof(double))); /* the float32 factor is gone before it */
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(panel, sizeof(double))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(panel, sizeof(float))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(w_add64(n, w_mul64(2, count)), sizeof(double))));
    return w_add64(bytes, w_add64(w_alloc_bytes(w_mul64(n, 3 * sizeof(float))), w_alloc_bytes(w_mul64(n, sizeof(int32_t)))));
}

static double norm2(int64_t n, const double *x)
{
    const w_blas_int size = (w_blas_int)n, one = 1;
    return dnrm2_(&size, x, &one);
}

/* ||A||_F from the upper triangle. */
static double frobenius_norm(int64_t n, const double *a)
{
    double sum = 0.0;
    for (int64_t c = 0; c < n; c++) {
        const double above = norm2(c, a + c * n), on = a[c * (n + 1)];
        sum = hypot(sum, hypot(sqrt(2.0) * above, on));
    }
    return sum;
}

/* r = B - A X */
static void residuals(refining *q)
{
    const w_blas_int n = (w_blas_int)q->n, count = (w_blas_int)q->count, one = 1;
    const double minus = -1.0, unit = 1.0;
    memcpy(q->r, q->b, (size_t)(q->n * q->count) * sizeof *q->r);
    if (q->count == 1) {
        dsymv_("U", &n, &minus, q->a, &n, q->x, &one, &unit, q->r, &one);
    } else {
        dsymm_("L", "U", &n, &count, &minus, q->a, &n, q->x, &n, &unit, q->r, &n);
    }
}

/* The right-hand side whose residual is worst beside its bound goes to the report; true when all are within. */
static bool within_bounds(refining *q)
{
    double worst = -1.0;
    bool all = true;
    for (int64_t j = 0; j < q->count; j++) {
        const double residual = norm2(q->n, q->r + j * q->n);
        const double bound = q->gamma * (q->frobenius * norm2(q->n, q->x + j * q->n) + norm2(q->n, q->b + j * q->n));
        const double ratio = residual == 0.0 ? 0.0 : residual / bound;
        all = all && residual <= bound;
        if (!(ratio <= worst)) {
            worst = ratio;
            q->report.residual = residual;
            q->report.bound = bound;
        }
    }
    return all;
}

/* Whether another step is worth while: the first always, a later one when every residual that is still too large has
 * shrunk to half of what it was. */
static bool go_on(refining *q)
{
    bool large = false, shrinks = true;
    for (int64_t j = 0; j < q->count; j++) {
        const double residual = norm2(q->n, q->r + j * q->n);
        if (!(residual <= W_REFINEMENT_TOL * norm2(q->n, q->b + j * q->n))) {
            large = true;
            shrinks = shrinks && residual <= 0.5 * q->norm[j];
        }
        q->norm[j] = residual;
    }
    return large && shrinks;
}

/* ---- float32 ------------------------------------------------------------------------------------------------------ */

/* S in float32 and its 1-norm; false when a diagonal entry is not positive and finite. */
static bool scaled_copy(const w_refine32 *q, const double *a, float *norm)
{
    const int64_t n = q->n;
    for (int64_t i = 0; i < n; i++) {
        const double diagonal = a[i * (n + 1)];
        if (!(diagonal > 0.0 && diagonal < INFINITY)) {
            return false;
        }
        q->scale[i] = ldexp(1.0, -(int)lrint(0.5 * log2(diagonal)));
        q->work[i] = 0.0f;
    }
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r <= c; r++) {
            const float value = (float)(a[r + c * n] * q->scale[r] * q->scale[c]);
            q->factor[r + c * n] = value;
            q->work[c] += fabsf(value);
            q->work[r] += r < c ? fabsf(value) : 0.0f;
        }
    }
    *norm = 0.0f;
    for (int64_t i = 0; i < n; i++) {
        *norm = fmaxf(*norm, q->work[i]);
    }
    return true;
}

weir_status w_refine32_factor(weir_ctx *ctx, const w_refine32 *q, const double *a, double *condition, bool *promising)
{
    W_BLAS_SERIAL;
    int64_t failed = 0;
    float norm, reciprocal = 0.0f;
    *promising = false;
    *condition = INFINITY;
    if (!scaled_copy(q, a, &norm)) {
        return WEIR_OK;
    }
    weir_status status = w_chol_factor_panels(ctx, w_panel_best(sizeof(float)), true, q->n, q->factor, q->n, &failed);
    if (status < 0 || failed) {
        return status;
    }
    w_blas_int size = (w_blas_int)q->n, info = 0;
    spocon_("U", &size, q->factor, &size, &norm, &reciprocal, q->work, q->iwork, &info);
    if (info == 0 && reciprocal > 0.0f) {
        const double rate = U32 / (double)reciprocal;
        *condition = 1.0 / (double)reciprocal;
        *promising = rate <= 1.0 / 16.0 && pow(rate / 4.0, W_REFINEMENT_MAX_STEPS + 1) <= gamma_of(q->n);
    }
    return WEIR_OK;
}

static weir_status triangles32(weir_ctx *ctx, const w_refine32 *q)
{
    const w_blas_int n = (w_blas_int)q->n, count = (w_blas_int)q->count;
    const float unit = 1.0f;
    if (q->count < FEW) {
        strsm_("L", "U", "T", "N", &n, &count, &unit, q->factor, &n, q->y, &n);
        strsm_("L", "U", "N", "N", &n, &count, &unit, q->factor, &n, q->y, &n);
        return WEIR_OK;
    }
    const w_panel *k = w_panel_best(sizeof(float));
    w_triangular how = { .upper = true, .trans = true };
    weir_status status = w_trsm(ctx, k, how, q->n, q->factor, q->n, q->count, q->y, q->n);
    how.trans = false;
    return status < 0 ? status : w_trsm(ctx, k, how, q->n, q->factor, q->n, q->count, q->y, q->n);
}

weir_status w_refine32_correct(weir_ctx *ctx, const w_refine32 *q, const double *r, double *x)
{
    W_BLAS_SERIAL;
    const int64_t n = q->n;
    for (int64_t j = 0; j < q->count; j++) {
        double largest = 0.0;
        for (int64_t i = 0; i < n; i++) {
            largest = fmax(largest, fabs(r[i + j * n] * q->scale[i]));
        }
        q->power[j] = largest > 0.0 && largest < INFINITY ? ldexp(1.0, ilogb(largest)) : 1.0;
        for (int64_t i = 0; i < n; i++) {
            q->y[i + j * n] = (float)(r[i + j * n] * q->scale[i] / q->power[j]);
        }
    }
    weir_status status = triangles32(ctx, q);
    for (int64_t j = 0; j < q->count; j++) {
        for (int64_t i = 0; i < n; i++) {
            x[i + j * n] += (double)q->y[i + j * n] * q->power[j] * q->scale[i];
        }
    }
    return status;
}

static weir_status solve_mixed(refining *q)
{
    bool promising;
    weir_status status = w_refine32_factor(q->ctx, &q->single, q->a, &q->report.condition, &promising);
    if (status < 0 || !promising) {
        return status;
    }
    q->report.attempted = true;
    memset(q->x, 0, (size_t)(q->n * q->count) * sizeof *q->x);
    memcpy(q->r, q->b, (size_t)(q->n * q->count) * sizeof *q->r);
    for (int64_t j = 0; j < q->count; j++) {
        q->norm[j] = INFINITY;
    }
    status = w_refine32_correct(q->ctx, &q->single, q->r, q->x);
    residuals(q);
    while (status >= 0 && q->report.steps < W_REFINEMENT_MAX_STEPS && go_on(q)) {
        q->report.steps++;
        status = w_refine32_correct(q->ctx, &q->single, q->r, q->x);
        residuals(q);
    }
    q->report.mixed = within_bounds(q);
    return status;
}

/* ---- float64 ------------------------------------------------------------------------------------------------------ */

static weir_status solve64(refining *q)
{
    int64_t failed = 0;
    memcpy(q->factor64, q->a, (size_t)(q->n * q->n) * sizeof *q->a);
    weir_status status = w_chol_factor(q->ctx, q->n, q->factor64, &failed);
    if (status >= 0 && failed) {
        return w_fail(q->ctx, WEIR_E_NUMERIC, "the matrix is not positive definite (pivot %lld)", (long long)failed);
    }
    memcpy(q->x, q->b, (size_t)(q->n * q->count) * sizeof *q->x);
    status = status < 0 ? status : w_chol_solve_many(q->ctx, q->n, q->factor64, q->x, q->count);
    if (status >= 0) {
        residuals(q);
        within_bounds(q);
    }
    return status;
}

static weir_status take(refining *q, bool mixed)
{
    w_refine32 *single = &q->single;
    const size_t n = (size_t)q->n, panel = n * (size_t)q->count;
    *single = (w_refine32){ .n = q->n, .count = q->count };
    q->r = w_alloc_array(q->ctx, "refinement", panel, sizeof *q->r);
    single->scale = w_alloc_array(q->ctx, "refinement", n + 2 * (size_t)q->count, sizeof *single->scale);
    if (mixed) {
        single->y = w_alloc_array(q->ctx, "refinement", panel, sizeof *single->y);
        single->work = w_alloc_array(q->ctx, "refinement", n, 3 * sizeof *single->work);
        single->iwork = w_alloc_array(q->ctx, "refinement", n, sizeof *single->iwork);
        single->factor = w_alloc_array(q->ctx, "float32 factor", n, n * sizeof *single->factor);
    }
    if (!q->r || !single->scale || (mixed && (!single->y || !single->work || !single->iwork || !single->factor))) {
        return w_alloc_status(q->ctx);
    }
    q->norm = single->scale + n;
    single->power = q->norm + q->count;
    return WEIR_OK;
}

static weir_status run(refining *q, bool mixed)
{
    weir_status status = take(q, mixed);
    if (status >= 0 && mixed) {
        status = solve_mixed(q);
    }
    w_free(q->ctx, q->single.factor);
    q->single.factor = NULL;
    if (status < 0 || q->report.mixed) {
        return status;
    }
    q->factor64 = w_alloc_array(q->ctx, "factor", (size_t)q->n, (size_t)q->n * sizeof *q->factor64);
    return q->factor64 ? solve64(q) : w_alloc_status(q->ctx);
}

weir_status w_refine_solve(weir_ctx *ctx, int64_t n, const double *a, int64_t count, const double *b, double *x, bool mixed,
                           w_refinement *out)
{
    W_BLAS_SERIAL;
    refining q = { .ctx = ctx, .n = n, .count = count, .a = a, .b = b, .x = x };
    if (w_narrow(n) < 0 || w_narrow(count) < 0) {
        return w_fail(ctx, WEIR_E_ARG, "a system of %lld columns and %lld right-hand sides is too large to solve", (long long)n,
                      (long long)count);
    }
    if (n > 0 && count > 0) {
        q.frobenius = frobenius_norm(n, a);
        q.gamma = gamma_of(n);
        if (!isfinite(q.frobenius) || !isfinite(norm2(n * count, b))) {
            return w_fail(ctx, WEIR_E_NUMERIC, "the system has an entry that is not finite");
        }
        weir_status status = run(&q, mixed && n >= W_REFINEMENT_MIN_P);
        w_free(ctx, q.factor64);
        w_free(ctx, q.single.iwork);
        w_free(ctx, q.single.work);
        w_free(ctx, q.single.y);
        w_free(ctx, q.single.scale);
        w_free(ctx, q.r);
        if (status < 0) {
            return status;
        }
    }
    *out = q.report;
    return q.report.mixed ? WEIR_REFINED : WEIR_OK;
}
