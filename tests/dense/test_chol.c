/* SPDX-License-Identifier: Apache-2.0 */
/* Cholesky, pivoted Cholesky, inverses and eigenvalues against what defines them, with bounds c n eps ||A||. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "dense/dense.h"

/* X'X/m of a random m x n matrix. */
static double *random_gram(int64_t n, int64_t m, uint64_t seed)
{
    double *x = malloc((size_t)(n * m) * sizeof *x), *a = calloc((size_t)(n * n), sizeof *a);
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int64_t i = 0; i < n * m; i++) {
        x[i] = w_rng_normal(&rng);
    }
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r <= c; r++) {
            a[r + c * n] = a[c + r * n] = w_dot(m, x + r * m, x + c * m) / (double)m;
        }
    }
    free(x);
    return a;
}

static double largest(int64_t count, const double *a)
{
    double value = 0.0;
    for (int64_t i = 0; i < count; i++) {
        value = fmax(value, fabs(a[i]));
    }
    return value;
}

/* Largest entry of A - R'R. */
static double factor_error(int64_t n, const double *a, const double *r)
{
    double error = 0.0;
    for (int64_t c = 0; c < n; c++) {
        for (int64_t row = 0; row <= c; row++) {
            error = fmax(error, fabs(a[row + c * n] - w_dot(row + 1, r + row * n, r + c * n)));
        }
    }
    return error;
}

static void check_size(weir_ctx *ctx, int64_t n)
{
    double *a = random_gram(n, 2 * n + 3, 17), *r = malloc((size_t)(n * n) * sizeof *r);
    double *inverse = malloc((size_t)(n * n) * sizeof *inverse), *work = malloc((size_t)(n * n) * sizeof *work);
    int64_t failed = -1;
    memcpy(r, a, (size_t)(n * n) * sizeof *r);
    assert_int_equal(w_chol_factor(ctx, n, r, &failed), WEIR_OK);
    assert_int_equal(failed, 0);
    const double bound = 8.0 * (double)n * DBL_EPSILON * largest(n * n, a);
    assert_true(factor_error(n, a, r) <= bound);

    assert_int_equal(w_chol_inverse(ctx, n, r, inverse, work), WEIR_OK);
    double error = 0.0;
    for (int64_t c = 0; c < n; c++) {
        for (int64_t row = 0; row < n; row++) {
            assert_true(inverse[row + c * n] == inverse[c + row * n]);
            error = fmax(error, fabs(w_dot(n, a + row * n, inverse + c * n) - (row == c ? 1.0 : 0.0)));
        }
    }
    const double condition = w_chol_condition(n, r, largest(n * n, a) * (double)n, work, (int32_t *)(work + 3 * n));
    assert_true(error <= 8.0 * (double)n * DBL_EPSILON * fmax(condition, 1.0));

    double *b = malloc((size_t)n * sizeof *b);
    memcpy(b, a, (size_t)n * sizeof *b); /* first column: the solution is e_1 */
    w_chol_solve(n, r, b, 1);
    assert_true(fabs(b[0] - 1.0) <= 8.0 * (double)n * DBL_EPSILON * fmax(condition, 1.0));
    free(b);
    free(work);
    free(inverse);
    free(r);
    free(a);
}

static void test_factor_and_inverse(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const int64_t size[] = { 4, 37, 160, W_CHOL_TILED, W_CHOL_TILED + 1, 4 * W_CHOL_TILE + 7 };
    for (size_t i = 0; i < sizeof size / sizeof size[0]; i++) {
        check_size(ctx, size[i]);
    }
    weir_ctx_destroy(ctx);
}

static void test_failed_pivot_is_named(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t size[] = { 50, 700 };
    for (int i = 0; i < 2; i++) {
        const int64_t n = size[i], bad = n - 10;
        double *a = random_gram(n, 3 * n, 5);
        int64_t failed = 0;
        a[bad * (n + 1)] = -1.0;
        assert_int_equal(w_chol_factor(ctx, n, a, &failed), WEIR_OK);
        assert_int_equal(failed, bad + 1);
        free(a);
    }
    weir_ctx_destroy(ctx);
}

static void test_bits_do_not_depend_on_threads(void **state)
{
    const int64_t n = 3 * W_CHOL_TILE + 41;
    double *first = NULL, *inverse_first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(state, threads, 0);
        double *a = random_gram(n, 2 * n, 23), *inverse = malloc((size_t)(n * n) * sizeof *inverse);
        double *work = malloc((size_t)(n * n) * sizeof *work);
        int64_t failed;
        assert_int_equal(w_chol_factor(ctx, n, a, &failed), WEIR_OK);
        assert_int_equal(w_chol_inverse(ctx, n, a, inverse, work), WEIR_OK);
        if (first == NULL) {
            first = a;
            inverse_first = inverse;
        } else {
            assert_memory_equal(a, first, (size_t)(n * n) * sizeof *a);
            assert_memory_equal(inverse, inverse_first, (size_t)(n * n) * sizeof *a);
            free(a);
            free(inverse);
        }
        free(work);
        weir_ctx_destroy(ctx);
    }
    free(first);
    free(inverse_first);
}

/* A = B'B with B of `rank` rows: the rank is found and P'AP = R'R holds. */
static void check_pivoted(int64_t n, int64_t rank)
{
    double *a = random_gram(n, rank, 91), *r = malloc((size_t)(n * n) * sizeof *r);
    double *work = malloc(2 * (size_t)n * sizeof *work), error = 0.0;
    int64_t *pivot = malloc((size_t)n * sizeof *pivot);
    memcpy(r, a, (size_t)(n * n) * sizeof *r);
    const double scale = largest(n * n, a);
    assert_int_equal(w_chol_pivot(n, r, pivot, 64.0 * (double)n * DBL_EPSILON * scale, work), rank);
    for (int64_t c = 0; c < n; c++) {
        for (int64_t row = 0; row <= c; row++) {
            const double product = w_dot(row + 1, r + row * n, r + c * n);
            error = fmax(error, fabs(a[pivot[row] + pivot[c] * n] - product));
        }
        assert_true(c == 0 || r[c * (n + 1)] <= r[(c - 1) * (n + 1)] * (1.0 + 1e-12));
    }
    assert_true(error <= 128.0 * (double)n * DBL_EPSILON * scale);
    free(pivot);
    free(work);
    free(r);
    free(a);
}

static void test_pivoted_rank(void **state)
{
    (void)state;
    check_pivoted(10, 10);
    check_pivoted(30, 7);
    check_pivoted(130, 100);
    check_pivoted(200, 48);
}

static void test_small_blocks(void **state)
{
    (void)state;
    for (int64_t k = 1; k <= 12; k++) {
        double *a = random_gram(k, 3 * k, 7), r[144], inverse[144], log_det = 0.0;
        assert_int_equal(w_small_chol(k, a, 1e-14, r, &log_det), k);
        assert_true(factor_error(k, a, r) <= 8.0 * (double)k * DBL_EPSILON * largest(k * k, a));
        assert_true(fabs(log_det - w_chol_log_det(k, r)) <= 1e-13 * (1.0 + fabs(log_det)));
        w_small_inverse(k, r, inverse);
        for (int64_t c = 0; c < k; c++) {
            for (int64_t row = 0; row < k; row++) {
                assert_true(fabs(w_dot(k, a + row * k, inverse + c * k) - (row == c)) < 1e-11);
            }
        }
        free(a);
    }
    /* The third column is the sum of the first two: dropped. */
    const double dependent[9] = { 2, 0, 2, 0, 3, 3, 2, 3, 5 };
    double r[9], inverse[9], log_det = 0.0;
    assert_int_equal(w_small_chol(3, dependent, 1e-14, r, &log_det), 2);
    w_small_inverse(3, r, inverse);
    assert_true(inverse[8] == 0.0 && inverse[2] == 0.0 && fabs(inverse[0] - 0.5) < 1e-15);
    assert_true(fabs(log_det - log(6.0)) < 1e-15);
}

static void test_eigenvalues(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n = 60;
    double *a = random_gram(n, 40, 3), *u = malloc((size_t)(n * n) * sizeof *u), value[60], error = 0.0;
    memcpy(u, a, (size_t)(n * n) * sizeof *u);
    assert_int_equal(w_eigen_symmetric(ctx, n, u, value, true), WEIR_OK);
    for (int64_t e = 0; e < n; e++) {
        assert_true(e == 0 || value[e] >= value[e - 1]);
        for (int64_t r = 0; r < n; r++) {
            error = fmax(error, fabs(w_dot(n, a + r * n, u + e * n) - value[e] * u[r + e * n]));
        }
    }
    assert_true(error <= 32.0 * (double)n * DBL_EPSILON * value[n - 1]);
    u[0] = NAN;
    assert_int_equal(w_eigen_symmetric(ctx, n, u, value, true), WEIR_E_NUMERIC);
    free(u);
    free(a);
    weir_ctx_destroy(ctx);
}

static weir_status eigen_fallible(weir_ctx *ctx, void *arg)
{
    double a[4] = { 2, 1, 1, 3 }, value[2];
    (void)arg;
    return w_eigen_symmetric(ctx, 2, a, value, true);
}

static void test_allocations(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    assert_int_equal(test_each_allocation_fails(ctx, eigen_fallible, NULL), 2);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_factor_and_inverse), cmocka_unit_test(test_failed_pivot_is_named),
        cmocka_unit_test(test_bits_do_not_depend_on_threads), cmocka_unit_test(test_pivoted_rank),
        cmocka_unit_test(test_small_blocks), cmocka_unit_test(test_eigenvalues), cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
