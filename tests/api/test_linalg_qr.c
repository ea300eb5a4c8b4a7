/* SPDX-License-Identifier: Apache-2.0 */
/* Reflectors of weir/linalg.h: geqr2, geqrf, orgqr, larft, larfb, ormqr. Shapes, layouts, kinds, scales, special values. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/orthogonal.h"
#include "weir/linalg.h"

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- geqr2, geqrf, orgqr ------------------------------------------------------------------------------------------- */

static void check_tau(weir_dtype dtype, const void *tau, int64_t k)
{
    for (int64_t i = 0; i < k; i++) {
        const double t = test_vector_at(dtype, tau, i);
        assert_true(t == 0.0 || (t >= 1.0 - 2.0 * test_epsilon(dtype) && t <= 2.0 + 2.0 * test_epsilon(dtype)));
    }
}

static void check_factor(weir_ctx *ctx, weir_dtype dtype, int64_t m, int64_t n, int layout, int kind, bool blocked)
{
    const int64_t k = lesser(m, n);
    matrix a = test_matrix(dtype, m, n, layout), f = test_matrix(dtype, m, n, layout),
           q = test_matrix(dtype, m, k, layout);
    void *tau = malloc((size_t)(k + 1) * 8);
    test_generate(kind, &a.view, (uint64_t)(1000 * m + n));
    test_copy(&a.view, &f.view);
    assert_int_equal(blocked ? weir_geqrf(ctx, &f.view, tau, NULL, 0) : weir_geqr2(ctx, &f.view, tau, NULL, 0),
                     WEIR_OK);
    check_tau(dtype, tau, k);
    const weir_matrix v = {f.view.data, dtype, m, k, f.view.row_stride, f.view.col_stride};
    test_copy(&v, &q.view);
    assert_int_equal(weir_orgqr(ctx, &q.view, k, tau, NULL, 0), WEIR_OK);
    const weir_matrix r = {f.view.data, dtype, k, n, f.view.row_stride, f.view.col_stride};
    test_expect(test_backward_error(&a.view, &q.view, &r), "backward error", &a.view);
    test_expect(test_orthogonality(&q.view), "orthogonality", &a.view);
    assert_true(test_gaps_are_whole(&f));
    assert_true(test_gaps_are_whole(&q));
    free(tau);
    free(a.block);
    free(f.block);
    free(q.block);
}

static void test_every_small_shape(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    for (int64_t n = 0; n <= 70; n++) {
        const int64_t rows[] = {n, n + 3, 2 * n + 1, n > 2 ? n - 2 : 1};
        for (int i = 0; i < 4; i++) {
            check_factor(ctx, n % 2 ? WEIR_F32 : WEIR_F64, rows[i], n, (int)(n + i) % LAYOUTS, NORMAL, i % 2 == 0);
            check_factor(ctx, n % 2 ? WEIR_F64 : WEIR_F32, rows[i], n, (int)(n + 2 * i + 1) % LAYOUTS, NORMAL,
                         i % 2 == 1);
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_around_blocks(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    static const int64_t shapes[][2] = {{159, 160}, {170, 163}, {71, 290}, {72, 289}, {73, 340},
                                        {145, 300}, {300, 289}, {217, 293}, {290, 292}};
    for (int i = 0; i < 9; i++) {
        for (int layout = 0; layout < LAYOUTS; layout++) {
            check_factor(ctx, layout % 2 ? WEIR_F32 : WEIR_F64, shapes[i][0], shapes[i][1], layout, NORMAL, true);
        }
        check_factor(ctx, WEIR_F32, shapes[i][0], shapes[i][1], COLUMNS, NORMAL, true);
    }
    weir_ctx_destroy(ctx);
}

static void test_kinds(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    for (int kind = 0; kind < KINDS; kind++) {
        for (int f32 = 0; f32 < 2; f32++) {
            const weir_dtype dtype = f32 ? WEIR_F32 : WEIR_F64;
            check_factor(ctx, dtype, 40, 25, kind % LAYOUTS, kind, true);
            check_factor(ctx, dtype, 25, 40, kind % LAYOUTS, kind, false);
            check_factor(ctx, dtype, 150, 290, kind % LAYOUTS, kind, true);
        }
    }
    weir_ctx_destroy(ctx);
}

/* The signs are LAPACK's: r_11 = -sign(a_11) ||a_1||. */
static void test_convention(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    double a[] = {3.0, 4.0, 0.0, -1.0, 1.0, 1.0}, tau[2];
    const weir_matrix view = {a, WEIR_F64, 3, 2, 1, 3};
    assert_int_equal(weir_geqrf(ctx, &view, tau, NULL, 0), WEIR_OK);
    assert_true(fabs(a[0] + 5.0) < 1e-15 && fabs(a[1] - 0.5) < 1e-15 && a[2] == 0.0 && fabs(tau[0] - 1.6) < 1e-15);
    double one[] = {-2.0};
    const weir_matrix single = {one, WEIR_F64, 1, 1, 1, 1};
    assert_int_equal(weir_geqrf(ctx, &single, tau, NULL, 0), WEIR_OK);
    assert_true(one[0] == -2.0 && tau[0] == 0.0);
    weir_ctx_destroy(ctx);
}

/* ---- scales and special values ------------------------------------------------------------------------------------- */

static void check_scaled(weir_ctx *ctx, weir_dtype dtype, int64_t m, int64_t n, int power, bool exact)
{
    matrix a = test_matrix(dtype, m, n, COLUMNS), b = test_matrix(dtype, m, n, COLUMNS);
    double tau[512], scaled[512];
    test_generate(NORMAL, &a.view, 5);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < m; i++) {
            test_put(&b.view, i, j, ldexp(test_get(&a.view, i, j), power));
        }
    }
    assert_int_equal(weir_geqrf(ctx, &a.view, tau, NULL, 0), WEIR_OK);
    assert_int_equal(weir_geqrf(ctx, &b.view, scaled, NULL, 0), WEIR_OK);
    const double bound = 64.0 * (double)m * test_epsilon(dtype);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < m; i++) {
            const double x = test_get(&a.view, i, j),
                         y = i <= j ? ldexp(test_get(&b.view, i, j), -power) : test_get(&b.view, i, j);
            assert_true(exact ? x == y : fabs(x - y) <= bound * 32.0);
        }
    }
    for (int64_t i = 0; i < lesser(m, n); i++) {
        const double x = test_vector_at(dtype, tau, i), y = test_vector_at(dtype, scaled, i);
        assert_true(exact ? x == y : fabs(x - y) <= bound);
    }
    free(a.block);
    free(b.block);
}

static void test_scales(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    static const int wide[] = {-1000, -950, -500, 300, 500, 1000, 1010}, narrow[] = {-100, -60, 30, 60, 110, 118};
    for (int i = 0; i < 7; i++) {
        check_scaled(ctx, WEIR_F64, 37, 30, wide[i], true);
        check_scaled(ctx, WEIR_F64, 160, 290, wide[i], wide[i] > -1000);
    }
    for (int i = 0; i < 6; i++) {
        check_scaled(ctx, WEIR_F32, 37, 30, narrow[i], true);
        check_scaled(ctx, WEIR_F32, 160, 290, narrow[i], narrow[i] > -100);
    }
    weir_ctx_destroy(ctx);
}

/* Columns of denormals, of the largest numbers, and both within one column; what is left of a column may underflow. */
static void test_extremes(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    double tau[8];
    for (int f32 = 0; f32 < 2; f32++) {
        const weir_dtype dtype = f32 ? WEIR_F32 : WEIR_F64;
        const double least = f32 ? 0x1p-149 : 0x1p-1074, most = f32 ? 0x1p120 : 0x1p1015;
        matrix a = test_matrix(dtype, 20, 4, COLUMNS), q = test_matrix(dtype, 20, 4, COLUMNS);
        test_generate(NORMAL, &a.view, 9);
        for (int64_t i = 0; i < 20; i++) {
            test_put(&a.view, i, 0, (double)(i % 5) * least);
            test_put(&a.view, i, 1, test_get(&a.view, i, 1) * most);
            test_put(&a.view, i, 2, i % 2 ? most : least);
            test_put(&a.view, i, 3, i == 3 ? 1.0 : i == 7 ? (f32 ? 1e-30 : 1e-250) : 0.0);
        }
        assert_int_equal(weir_geqrf(ctx, &a.view, tau, NULL, 0), WEIR_OK);
        test_copy(&a.view, &q.view);
        assert_int_equal(weir_orgqr(ctx, &q.view, 4, tau, NULL, 0), WEIR_OK);
        test_expect(test_orthogonality(&q.view), "orthogonality with extreme columns", &a.view);
        /* sum over i of (i % 5)^2 = 4 (1 + 4 + 9 + 16) */
        assert_true(fabs(test_get(&a.view, 0, 0)) == nearbyint(sqrt(120.0)) * least);
        assert_true(isfinite(test_get(&a.view, 1, 1)) && isfinite(test_get(&a.view, 2, 2)));
        free(a.block);
        free(q.block);
    }
    weir_ctx_destroy(ctx);
}

/* A value that is not finite shows in R, wherever it stands, in its column and those after it alone. */
static void test_not_finite(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    static const int64_t shapes[][2] = {{12, 7}, {7, 12}, {150, 290}, {3000, 9}};
    for (int s = 0; s < 4; s++) {
        const int64_t m = shapes[s][0], n = shapes[s][1];
        for (int where = 0; where < 6; where++) {
            const int64_t i = where / 3 ? m - 1 : m / 2 * (where % 2), j = where % 3 * (n - 1) / 2;
            for (int kind = 0; kind < 3; kind++) {
                matrix a = test_matrix(WEIR_F64, m, n, (where + s) % LAYOUTS),
                       r = test_matrix(WEIR_F64, lesser(m, n), n, COLUMNS);
                int32_t path = WEIR_QR_AUTO;
                double tau[200];
                test_generate(NORMAL, &a.view, 3);
                test_put(&a.view, i, j,
                         kind == 0   ? (double)NAN
                         : kind == 1 ? (double)INFINITY
                                     : -(double)INFINITY);
                assert_int_equal(weir_qr(ctx, WEIR_QR_R, &a.view, NULL, &r.view, &path, NULL, 0), WEIR_OK);
                assert_int_equal(weir_geqrf(ctx, &a.view, tau, NULL, 0), WEIR_OK);
                bool here = false, there = false, before = true;
                for (int64_t c = 0; c < n; c++) {
                    for (int64_t k = 0; k <= lesser(c, lesser(m, n) - 1); k++) {
                        const double x = test_get(&a.view, k, c), y = test_get(&r.view, k, c);
                        here = here || (c == j && !isfinite(x));
                        there = there || (c == j && !isfinite(y));
                        before = before && (c >= j || (isfinite(x) && isfinite(y)));
                    }
                }
                assert_true(here && there && before);
                free(a.block);
                free(r.block);
            }
        }
    }
    weir_ctx_destroy(ctx);
}

/* ---- larft, larfb, ormqr ------------------------------------------------------------------------------------------- */

/* Q (m x m) by its definition, from reflectors below a NaN-filled triangle. */
static void multiply_out(const weir_matrix *v, const void *tau, const weir_matrix *q)
{
    const int64_t m = v->rows;
    for (int64_t j = 0; j < m; j++) {
        for (int64_t i = 0; i < m; i++) {
            test_put(q, i, j, i == j);
        }
    }
    for (int64_t k = v->cols - 1; k >= 0; k--) {
        for (int64_t j = 0; j < m; j++) {
            double sum = test_get(q, k, j);
            for (int64_t i = k + 1; i < m; i++) {
                sum += test_get(v, i, k) * test_get(q, i, j);
            }
            sum *= test_vector_at(v->dtype, tau, k);
            test_put(q, k, j, test_get(q, k, j) - sum);
            for (int64_t i = k + 1; i < m; i++) {
                test_put(q, i, j, test_get(q, i, j) - sum * test_get(v, i, k));
            }
        }
    }
}

/* op(Q) C or C op(Q) against the definition. */
static void check_product(const weir_matrix *q, bool right, bool trans, const weir_matrix *before,
                          const weir_matrix *after)
{
    const int64_t m = q->rows;
    for (int64_t j = 0; j < before->cols; j++) {
        for (int64_t i = 0; i < before->rows; i++) {
            double sum = 0.0;
            for (int64_t k = 0; k < m; k++) {
                const int64_t r = right ? k : i, c = right ? j : k;
                sum += (trans ? test_get(q, c, r) : test_get(q, r, c)) *
                       (right ? test_get(before, i, k) : test_get(before, k, j));
            }
            assert_true(fabs(sum - test_get(after, i, j)) <= 16.0 * (double)m * test_epsilon(after->dtype));
        }
    }
}

static void check_apply(weir_ctx *ctx, weir_dtype dtype, int64_t m, int64_t k, int64_t others, int layout)
{
    matrix v = test_matrix(dtype, m, k, layout), t = test_matrix(dtype, k, k, (layout + 1) % LAYOUTS),
           q = test_matrix(WEIR_F64, m, m, COLUMNS);
    void *tau = malloc((size_t)(k + 1) * 8);
    test_generate(NORMAL, &v.view, (uint64_t)(m + k));
    assert_int_equal(weir_geqr2(ctx, &v.view, tau, NULL, 0), WEIR_OK);
    for (int64_t j = 0; j < k; j++) {
        for (int64_t i = 0; i <= j; i++) {
            test_put(&v.view, i, j, (double)NAN);
        }
    }
    test_fill(&t, POISON);
    assert_int_equal(weir_larft(ctx, &v.view, tau, &t.view, NULL, 0), WEIR_OK);
    for (int64_t j = 0; j < k; j++) {
        assert_true(test_get(&t.view, j, j) == test_vector_at(dtype, tau, j));
        for (int64_t i = j + 1; i < k; i++) {
            assert_true(test_get(&t.view, i, j) == POISON);
        }
    }
    multiply_out(&v.view, tau, &q.view);
    for (int how = 0; how < 8; how++) {
        const bool right = how & 1, trans = how & 2;
        matrix c = test_matrix(dtype, right ? others : m, right ? m : others, (layout + how) % LAYOUTS);
        matrix before = test_matrix(dtype, c.view.rows, c.view.cols, COLUMNS);
        test_generate(NORMAL, &c.view, (uint64_t)how);
        test_copy(&c.view, &before.view);
        if (how & 4) {
            assert_int_equal(weir_larfb(ctx, right ? WEIR_RIGHT : WEIR_LEFT, trans ? WEIR_TRANS : WEIR_NO_TRANS,
                                        &v.view, &t.view, &c.view, NULL, 0),
                             WEIR_OK);
        } else {
            assert_int_equal(weir_ormqr(ctx, right ? WEIR_RIGHT : WEIR_LEFT, trans ? WEIR_TRANS : WEIR_NO_TRANS,
                                        &v.view, tau, &c.view, NULL, 0),
                             WEIR_OK);
        }
        check_product(&q.view, right, trans, &before.view, &c.view);
        assert_true(test_gaps_are_whole(&c));
        free(c.block);
        free(before.block);
    }
    assert_true(test_gaps_are_whole(&t));
    free(v.block);
    free(t.block);
    free(q.block);
    free(tau);
}

static void test_apply(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    static const int64_t shapes[][3] = {{1, 1, 1},     {5, 3, 4},      {20, 20, 7},   {33, 8, 50}, {60, 25, 1},
                                        {100, 97, 49}, {160, 145, 10}, {230, 200, 5}, {9, 0, 3},   {9, 4, 0}};
    for (int i = 0; i < 10; i++) {
        check_apply(ctx, WEIR_F64, shapes[i][0], shapes[i][1], shapes[i][2], i % LAYOUTS);
        check_apply(ctx, WEIR_F32, shapes[i][0], shapes[i][1], shapes[i][2], (i + 1) % LAYOUTS);
    }
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_small_shape),
        cmocka_unit_test(test_around_blocks),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_convention),
        cmocka_unit_test(test_scales),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_apply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
