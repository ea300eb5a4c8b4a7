/* SPDX-License-Identifier: Apache-2.0 */
/* Thin plate margins: the eigenpairs of the kernel against a dense solver, the local form against the kernel's
 * definition. */
#include <stdlib.h>
#include <string.h>
#include "basis/build.h"
#include "basis/fit.h"
#include "basis/top_eigen.h"
#include "base/blas.h"

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void points(uint64_t seed, int shape, int64_t n, double *x)
{
    build_uniform(seed, n, 0, 1, x);
    for (int64_t i = 0; i < n; i++)
        x[i] = shape == 0 ? x[i] : shape == 1 ? (double)i / (double)(n - 1) : x[i] * x[i] * x[i];
    qsort(x, (size_t)n, sizeof *x, ascending);
}

static double kernel(double r)
{
    return fabs(r * r * r) / 12;
}

/* Largest |E u - theta u| over the pairs, and departure of U from orthonormality. */
static void check_pairs(int64_t n, const double *x, int64_t k, const double *u, const double *theta, double size)
{
    for (int64_t j = 0; j < k; j++) {
        assert_true(j == 0 || theta[j] <= theta[j - 1]);
        double residual = 0;
        for (int64_t i = 0; i < n; i++) {
            double sum = -theta[j] * u[j * n + i];
            for (int64_t r = 0; r < n; r++)
                sum += kernel(x[i] - x[r]) * u[j * n + r];
            residual += sum * sum;
        }
        assert_true(sqrt(residual) <= 1e-14 * size);
        for (int64_t q = 0; q <= j; q++) {
            double dot = 0;
            for (int64_t i = 0; i < n; i++)
                dot += u[j * n + i] * u[q * n + i];
            assert_near(dot, q == j, 1e-13);
        }
    }
}

static void test_eigenpairs(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t sizes[] = {3, 4, 10, 37, 150, 400}, wanted[] = {3, 10, 40};
    for (int shape = 0; shape < 3; shape++) {
        for (int64_t q = 0; q < LENGTH(sizes); q++) {
            int64_t n = sizes[q];
            double *x = malloc(sizeof *x * (size_t)n), *e = malloc(sizeof *e * (size_t)(n * n)),
                   *w = malloc(sizeof *w * (size_t)n);
            points(30 + (uint64_t)q, shape, n, x);
            for (int64_t i = 0; i < n * n; i++)
                e[i] = kernel(x[i / n] - x[i % n]);
            w_blas_int order = (w_blas_int)n, info, length = (w_blas_int)(1 + 2 * n), one = 1;
            double *space = malloc(sizeof *space * (size_t)length);
            w_blas_int integer;
            dsyevd_("N", "L", &order, e, &order, w, space, &length, &integer, &one, &info);
            assert_int_equal(info, 0);
            double size = fmax(fabs(w[0]), fabs(w[n - 1]));
            for (int64_t z = 0; z < LENGTH(wanted); z++) {
                int64_t k = wanted[z];
                if (k > n)
                    continue;
                w_arena arena;
                w_arena_init(&arena, ctx, "test");
                double *u = malloc(sizeof *u * (size_t)(n * k)), *theta = malloc(sizeof *theta * (size_t)k);
                assert_int_equal(w_top_eigen_cubic_kernel(&arena, n, x, k, u, theta), WEIR_OK);
                check_pairs(n, x, k, u, theta, size);
                int64_t low = 0, high = n - 1;
                for (int64_t i = 0; i < k; i++) {
                    if (fabs(w[high]) >= fabs(w[low]))
                        high--;
                    else
                        low++;
                }
                for (int64_t i = 0; i < n - 1 - high; i++)
                    assert_near(theta[i], w[n - 1 - i], 1e-14 * size * 4);
                for (int64_t i = 0; i < low; i++)
                    assert_near(theta[k - 1 - i], w[i], 1e-14 * size * 4);
                free(u);
                free(theta);
                w_arena_free(&arena);
            }
            free(x);
            free(e);
            free(w);
            free(space);
        }
    }
    weir_ctx_destroy(ctx);
}

/* With k equal to the number of points the basis spans all natural cubic splines with these knots: it
 * interpolates, and a fit penalised by sp S is the same as with cr at the same knots and the same bending
 * energy. */
static void test_full_rank_is_the_natural_spline(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    enum { K = 12 };
    double x[K], y[K], fine[50], plate_rows[50 * K], spline_rows[50 * K], rows[K * K];
    points(40, 0, K, x);
    for (int i = 0; i < K; i++)
        y[i] = sin(5 * x[i]);
    for (int i = 0; i < 50; i++)
        fine[i] = -0.2 + i * 1.4 / 49;
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth plate, spline;
    build_single(&arena, W_BASIS_TP, K, K, x, true, &plate);
    build_single(&arena, W_BASIS_CR, K, K, x, true, &spline);
    const double *at = fine, *data = x;
    assert_int_equal(w_smooth_rows(ctx, &plate, 50, &at, plate_rows), WEIR_OK);
    assert_int_equal(w_smooth_rows(ctx, &spline, 50, &at, spline_rows), WEIR_OK);
    /* The kernel solution's energy integral f''^2 is d'D d up to sign: sp times scale is comparable between the
     * two. */
    const double energy = 1e-6;
    double plate_beta[K + 1], spline_beta[K + 1], sp = energy * plate.penalty[0].scale;
    assert_int_equal(w_smooth_rows(ctx, &plate, K, &data, rows), WEIR_OK);
    fit_smooth(&plate, &sp, K, rows, y, plate_beta);
    sp = energy * spline.penalty[0].scale;
    assert_int_equal(w_smooth_rows(ctx, &spline, K, &data, rows), WEIR_OK);
    fit_smooth(&spline, &sp, K, rows, y, spline_beta);
    for (int i = 0; i < 50; i++)
        assert_near(fit_value(K - 1, plate_rows + i * (K - 1), plate_beta),
                    fit_value(K - 1, spline_rows + i * (K - 1), spline_beta), 1e-9);
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

/* More distinct values than 2000: a sample of knots; still centred, fast to evaluate, and close to the fit with
 * few points. */
static void test_many_points(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    enum { ROWS = 6000 };
    double *x = malloc(sizeof *x * ROWS), *y = malloc(sizeof *y * ROWS), *rows = malloc(sizeof *rows * ROWS * 9),
           beta[11];
    build_uniform(50, ROWS, 0, 1, x);
    for (int i = 0; i < ROWS; i++)
        y[i] = sin(6 * x[i]);
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth s;
    build_single(&arena, W_BASIS_TP, 10, ROWS, x, true, &s);
    assert_int_equal(s.margin[0].break_count, 2000);
    const double *column = x, sp = 1e-4;
    assert_int_equal(w_smooth_rows(ctx, &s, ROWS, &column, rows), WEIR_OK);
    fit_smooth(&s, &sp, ROWS, rows, y, beta);
    double largest = 0;
    for (int i = 0; i < ROWS; i++)
        largest = fmax(largest, fabs(fit_value(9, rows + i * 9, beta) - y[i]));
    assert_true(largest < 0.013); /* 0.011 is what ten functions leave of this curve */
    free(x);
    free(y);
    free(rows);
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eigenpairs),
        cmocka_unit_test(test_full_rank_is_the_natural_spline),
        cmocka_unit_test(test_many_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
