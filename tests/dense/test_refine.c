/* SPDX-License-Identifier: Apache-2.0 */
/* Mixed-precision solves and jitter: which route, within which bound, and what happens when there is no answer. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "dense/dense.h"
#include "dense/refine.h"

/* H diag(d) H with the reflector H = I - 2 u u' and d from 1 down to 1/condition; symmetric. */
static double *matrix(int64_t n, double condition, double scale, uint64_t seed)
{
    double *a = malloc((size_t)(n * n + 1) * sizeof *a), *u = malloc((size_t)(2 * n + 1) * sizeof *u), *d = u + n, norm = 0.0;
    double middle = 0.0;
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int64_t i = 0; i < n; i++) {
        u[i] = w_rng_normal(&rng);
        norm += u[i] * u[i];
        d[i] = pow(condition, n > 1 ? -(double)i / (double)(n - 1) : 0.0);
    }
    for (int64_t i = 0; i < n; i++) {
        u[i] /= sqrt(norm);
        middle += d[i] * u[i] * u[i];
    }
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r <= c; r++) {
            const double value = (r == c ? d[r] : 0.0) - 2.0 * u[r] * u[c] * (d[r] + d[c]) + 4.0 * middle * u[r] * u[c];
            a[r + c * n] = a[c + r * n] = scale * value;
        }
    }
    free(u);
    return a;
}

static double *numbers(int64_t count, uint64_t seed)
{
    double *b = malloc((size_t)(count + 1) * sizeof *b);
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int64_t i = 0; i < count; i++) {
        b[i] = w_rng_normal(&rng);
    }
    return b;
}

/* Residuals in long double lie in the band (and its own rounding, as large again). */
static void check_residuals(int64_t n, const double *a, int64_t count, const double *b, const double *x)
{
    double frobenius = 0.0;
    for (int64_t i = 0; i < n * n; i++) {
        frobenius += a[i] * a[i];
    }
    for (int64_t j = 0; j < count; j++) {
        double residual = 0.0, x_norm = 0.0, b_norm = 0.0;
        for (int64_t r = 0; r < n; r++) {
            long double sum = b[r + j * n];
            for (int64_t c = 0; c < n; c++) {
                sum -= (long double)a[r + c * n] * x[c + j * n];
            }
            residual += (double)(sum * sum);
            x_norm += x[r + j * n] * x[r + j * n];
            b_norm += b[r + j * n] * b[r + j * n];
        }
        const double gamma = (double)(n + 1) * DBL_EPSILON / 2.0;
        assert_true(sqrt(residual) <= 2.0 * gamma * (sqrt(frobenius * x_norm) + sqrt(b_norm)));
    }
}

static void check_route(weir_ctx *ctx, int64_t n, double condition, double scale, int64_t count, bool mixed)
{
    double *a = matrix(n, condition, scale, 31), *b = numbers(n * count, 7), *x = malloc((size_t)(n * count + 1) * sizeof *x);
    w_refinement report;
    const weir_status status = w_refine_solve(ctx, n, a, count, b, x, true, &report);
    assert_int_equal(status, mixed ? WEIR_REFINED : WEIR_OK);
    assert_true(report.mixed == mixed);
    assert_true(report.steps <= W_REFINEMENT_MAX_STEPS && report.residual <= report.bound);
    assert_true(!mixed || (report.condition >= 0.1 && report.condition <= 10.0 * (double)n * condition));
    check_residuals(n, a, count, b, x);
    assert_int_equal(w_refine_solve(ctx, n, a, count, b, x, false, &report), WEIR_OK);
    assert_true(!report.attempted && !report.mixed && report.steps == 0);
    check_residuals(n, a, count, b, x);
    free(x);
    free(b);
    free(a);
}

static void test_routes(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const int64_t size[] = { 64, 65, 150, 301 };
    for (int s = 0; s < 4; s++) {
        for (int64_t count = 1; count <= 9; count += 4) {
            check_route(ctx, size[s], 10.0, 1.0, count, true);
            check_route(ctx, size[s], 10.0, 0x1p400, count, true);
            check_route(ctx, size[s], 10.0, 0x1p-400, count, true);
            check_route(ctx, size[s], 1e9, 1.0, count, false);
        }
    }
    check_route(ctx, 63, 10.0, 1.0, 1, false); /* too small to be worth it */
    check_route(ctx, 1, 1.0, 4.0, 2, false);
    check_route(ctx, 0, 1.0, 1.0, 1, false);
    weir_ctx_destroy(ctx);
}

/* Columns of very different size: the scale takes them out before float32 sees them. */
static void test_graded(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n = 120;
    double *a = matrix(n, 5.0, 1.0, 3), *b = numbers(n, 4), x[120];
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r < n; r++) {
            a[r + c * n] = ldexp(a[r + c * n], (int)(40 * (r % 7) + 40 * (c % 7)) - 240);
        }
    }
    w_refinement report;
    assert_int_equal(w_refine_solve(ctx, n, a, 1, b, x, true, &report), WEIR_REFINED);
    assert_true(report.residual <= report.bound && report.condition < 1e4);
    free(b);
    free(a);
    weir_ctx_destroy(ctx);
}

static void test_bits_do_not_depend_on_threads(void **state)
{
    const int64_t n = 333, count = 20;
    double *a = matrix(n, 20.0, 1.0, 31), *b = numbers(n * count, 7), *first = malloc((size_t)(n * count) * sizeof *first);
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(state, threads, 0);
        double *x = malloc((size_t)(n * count) * sizeof *x);
        w_refinement report;
        assert_int_equal(w_refine_solve(ctx, n, a, count, b, x, true, &report), WEIR_REFINED);
        if (threads == 1) {
            memcpy(first, x, (size_t)(n * count) * sizeof *x);
        }
        assert_memory_equal(x, first, (size_t)(n * count) * sizeof *x);
        free(x);
        weir_ctx_destroy(ctx);
    }
    free(first);
    free(b);
    free(a);
}

static void test_no_answer(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n = 80;
    double *a = matrix(n, 10.0, 1.0, 1), *b = numbers(n, 2), x[80];
    w_refinement report;
    const double diagonal = a[30 * (n + 1)];
    for (int bad = 0; bad < 3; bad++) {
        a[30 * (n + 1)] = bad == 0 ? -1.0 : bad == 1 ? NAN : INFINITY;
        assert_int_equal(w_refine_solve(ctx, n, a, 1, b, x, true, &report), WEIR_E_NUMERIC);
    }
    a[30 * (n + 1)] = diagonal;
    b[3] = NAN;
    assert_int_equal(w_refine_solve(ctx, n, a, 1, b, x, true, &report), WEIR_E_NUMERIC);
    memset(b, 0, (size_t)n * sizeof *b);
    assert_int_equal(w_refine_solve(ctx, n, a, 1, b, x, true, &report), WEIR_REFINED);
    for (int64_t i = 0; i < n; i++) {
        assert_true(x[i] == 0.0);
    }
    free(b);
    free(a);
    weir_ctx_destroy(ctx);
}

/* Rank n - 3: a failed pivot, then the smallest jitter that helps; A itself needs none. */
static void check_jitter(weir_ctx *ctx, int64_t n, bool scaled)
{
    double *a = matrix(n, 10.0, 4.0, 9), *r = malloc((size_t)(n * n) * sizeof *r), *scale = malloc((size_t)n * sizeof *scale);
    double trace = 0.0;
    w_jitter jitter;
    memcpy(r, a, (size_t)(n * n) * sizeof *r);
    assert_int_equal(w_chol_factor_jitter(ctx, n, r, NULL, &jitter), WEIR_OK);
    assert_true(jitter.failed == 0 && jitter.tries == 0 && jitter.delta == 0.0);
    for (int64_t i = 0; i < n; i++) { /* pushed just below zero: only jitter makes it definite */
        scale[i] = 1.0 + (double)(i % 3);
        for (int64_t j = 0; j < n; j++) {
            a[i + j * n] = a[j + i * n] = (i + j) % 2 == 0 ? 1.0 : 0.5;
        }
        a[i * (n + 1)] -= 1e-11;
        trace += a[i * (n + 1)] / (double)n;
    }
    memcpy(r, a, (size_t)(n * n) * sizeof *r);
    assert_int_equal(w_chol_factor_jitter(ctx, n, r, scaled ? scale : NULL, &jitter), WEIR_OK);
    assert_true(jitter.failed == 0 && jitter.tries > 0 && jitter.delta > 0.0);
    assert_true(jitter.delta <= 1e-10 * (double)n);
    for (int64_t c = 0; c < n; c++) {
        for (int64_t row = 0; row <= c; row++) {
            const double added = row == c ? jitter.delta * (scaled ? scale[c] : trace) : 0.0;
            const double error = a[row + c * n] + added - w_dot(row + 1, r + row * n, r + c * n);
            assert_true(fabs(error) <= 8.0 * (double)n * DBL_EPSILON * (1.0 + added));
        }
    }
    free(scale);
    free(r);
    free(a);
}

static void test_jitter(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    check_jitter(ctx, 12, false);
    check_jitter(ctx, 200, false);
    check_jitter(ctx, 200, true);
    double hopeless[4] = { -1.0, 0.0, 0.0, 1.0 }, invalid[4] = { NAN, 0.0, 0.0, 1.0 };
    w_jitter jitter;
    assert_int_equal(w_chol_factor_jitter(ctx, 2, hopeless, NULL, &jitter), WEIR_OK);
    assert_true(jitter.failed == 0 || jitter.tries == W_JITTER_TRIES);
    assert_int_equal(w_chol_factor_jitter(ctx, 2, invalid, NULL, &jitter), WEIR_OK);
    assert_true(jitter.failed == 1 && jitter.tries == 0);
    weir_ctx_destroy(ctx);
}

typedef struct system {
    int64_t n;
    double *a, *b, *x;
} system_of;

static weir_status refine_fallible(weir_ctx *ctx, void *arg)
{
    const system_of *s = arg;
    w_refinement report;
    const weir_status status = w_refine_solve(ctx, s->n, s->a, 2, s->b, s->x, true, &report);
    return status > 0 ? WEIR_OK : status;
}

static weir_status jitter_fallible(weir_ctx *ctx, void *arg)
{
    const system_of *s = arg;
    w_jitter jitter;
    memcpy(s->x, s->a, (size_t)(s->n * s->n) * sizeof *s->x);
    return w_chol_factor_jitter(ctx, s->n, s->x, NULL, &jitter);
}

/* Every allocation may fail, and no more is taken than was said. */
static void test_memory(void **state)
{
    const int64_t n = 100;
    for (int bad = 0; bad < 2; bad++) {
        system_of s = { n, matrix(n, bad ? 1e9 : 10.0, 1.0, 2), numbers(2 * n, 3), malloc((size_t)(n * n) * sizeof(double)) };
        weir_ctx *ctx = test_ctx(state, 2, 0);
        assert_int_equal(test_each_allocation_fails(ctx, refine_fallible, &s), bad ? 7 : 6);
        w_ledger_reset_peak(ctx);
        const int64_t before = ctx->ledger.in_use;
        assert_int_equal(refine_fallible(ctx, &s), WEIR_OK);
        assert_true(ctx->ledger.peak - before <= w_refine_bytes(n, 2));
        assert_int_equal(test_each_allocation_fails(ctx, jitter_fallible, &s), 1);
        weir_ctx_destroy(ctx);
        free(s.x);
        free(s.b);
        free(s.a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes), cmocka_unit_test(test_graded), cmocka_unit_test(test_bits_do_not_depend_on_threads),
        cmocka_unit_test(test_no_answer), cmocka_unit_test(test_jitter), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
