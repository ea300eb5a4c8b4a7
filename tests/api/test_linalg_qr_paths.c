/* SPDX-License-Identifier: Apache-2.0 */
/* weir_qr by all of its paths and weir_qr_solve; threads, workspaces and arguments of all functions beside them. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/orthogonal.h"
#include "weir/linalg.h"

static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- qr ------------------------------------------------------------------------------------------------------------ */

static int32_t check_qr(weir_ctx *ctx, weir_dtype dtype, weir_qr_mode mode, int32_t path, int64_t m, int64_t n,
                        int layout, int kind, bool in_place)
{
    const int64_t k = lesser(m, n), wide = mode == WEIR_QR_COMPLETE ? m : k;
    matrix a = test_matrix(dtype, m, n, layout), keep = test_matrix(dtype, m, n, COLUMNS),
           q = test_matrix(dtype, m, wide, layout);
    matrix r = test_matrix(dtype, wide, n, (layout + 1) % LAYOUTS), alone = test_matrix(dtype, k, n, layout);
    test_generate(kind, &a.view, (uint64_t)(m - n));
    test_copy(&a.view, &keep.view);
    int32_t first = path, taken = path;
    assert_int_equal(weir_qr(ctx, WEIR_QR_R, &a.view, NULL, &alone.view, &first, NULL, 0), WEIR_OK);
    const weir_matrix *to = in_place ? &a.view : &q.view;
    assert_int_equal(weir_qr(ctx, mode, &a.view, to, &r.view, &taken, NULL, 0), WEIR_OK);
    test_expect(test_backward_error(&keep.view, to, &r.view), "backward error of qr", &a.view);
    test_expect(test_orthogonality(to), "orthogonality of qr", &a.view);
    assert_true(test_gaps_are_whole(&q) && test_gaps_are_whole(&r) && test_gaps_are_whole(&alone) &&
                test_gaps_are_whole(&a));
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < wide; i++) {
            assert_true(i <= j || test_get(&r.view, i, j) == 0.0);
            assert_true(in_place || first != taken || i >= k ||
                        test_get(&alone.view, i, j) == test_get(&r.view, i, j));
        }
        for (int64_t i = 0; !in_place && i < m; i++) {
            assert_true(test_get(&a.view, i, j) == test_get(&keep.view, i, j));
        }
    }
    free(a.block);
    free(keep.block);
    free(q.block);
    free(r.block);
    free(alone.block);
    return taken;
}

static void test_modes(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    static const int64_t shapes[][2] = {{0, 0},   {0, 3},   {3, 0},   {1, 1},     {1, 5},    {5, 1},
                                        {30, 17}, {17, 30}, {65, 64}, {170, 163}, {80, 290}};
    for (int i = 0; i < 11; i++) {
        for (int f32 = 0; f32 < 2; f32++) {
            const weir_dtype dtype = f32 ? WEIR_F32 : WEIR_F64;
            const int64_t m = shapes[i][0], n = shapes[i][1];
            check_qr(ctx, dtype, WEIR_QR_REDUCED, WEIR_QR_AUTO, m, n, i % LAYOUTS, NORMAL, false);
            check_qr(ctx, dtype, WEIR_QR_COMPLETE, WEIR_QR_AUTO, m, n, (i + 1) % LAYOUTS, NORMAL, false);
            if (m >= n && m > 0 && n > 0) {
                check_qr(ctx, dtype, WEIR_QR_REDUCED, WEIR_QR_HOUSEHOLDER, m, n, i % LAYOUTS, NORMAL, true);
            }
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_tall(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    static const int64_t shapes[][2] = {{700, 1}, {2049, 8}, {2600, 7}, {5000, 13}, {9000, 24}, {1300, 149}};
    for (int i = 0; i < 6; i++) {
        const int64_t m = shapes[i][0], n = shapes[i][1];
        for (int f32 = 0; f32 < 2; f32++) {
            const weir_dtype dtype = f32 ? WEIR_F32 : WEIR_F64;
            const int layout = (i + f32) % LAYOUTS;
            for (int32_t path = WEIR_QR_HOUSEHOLDER; path <= WEIR_QR_TSQR; path++) {
                const int32_t taken = check_qr(ctx, dtype, WEIR_QR_REDUCED, path, m, n, layout, NORMAL, false);
                assert_int_equal(taken, path == WEIR_QR_CHOLESKY3 ? WEIR_QR_CHOLESKY2 : path);
            }
            assert_int_equal(check_qr(ctx, dtype, WEIR_QR_REDUCED, WEIR_QR_CHOLESKY2, m, n, layout, NORMAL, true),
                             WEIR_QR_TSQR);
        }
    }
    for (int kind = 0; kind < KINDS; kind++) {
        check_qr(ctx, WEIR_F64, WEIR_QR_REDUCED, WEIR_QR_TSQR, 2500, 20, kind % LAYOUTS, kind, false);
        check_qr(ctx, WEIR_F64, WEIR_QR_REDUCED, WEIR_QR_AUTO, 2500, 20, kind % LAYOUTS, kind, false);
        check_qr(ctx, WEIR_F32, WEIR_QR_REDUCED, WEIR_QR_AUTO, 2500, 20, kind % LAYOUTS, kind, true);
    }
    weir_ctx_destroy(ctx);
}

/* X diag(10^-s) Y: the ladder of Cholesky's paths takes its second and third rung and leaves it in time. */
static void test_ladder(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    const int64_t m = 1500, n = 12;
    bool met[5] = {false};
    for (int s = 0; s <= 18; s++) {
        matrix x = test_matrix(WEIR_F64, m, n, COLUMNS), y = test_matrix(WEIR_F64, n, n, COLUMNS),
               a = test_matrix(WEIR_F64, m, n, ROWS);
        matrix q = test_matrix(WEIR_F64, m, n, COLUMNS), r = test_matrix(WEIR_F64, n, n, COLUMNS);
        test_generate(NORMAL, &x.view, 1);
        test_generate(NORMAL, &y.view, 2);
        int32_t path = WEIR_QR_TSQR;
        assert_int_equal(weir_qr(ctx, WEIR_QR_REDUCED, &x.view, &x.view, &r.view, &path, NULL, 0), WEIR_OK);
        assert_int_equal(weir_qr(ctx, WEIR_QR_REDUCED, &y.view, &y.view, &r.view, NULL, NULL, 0), WEIR_OK);
        for (int64_t j = 0; j < n; j++) {
            for (int64_t i = 0; i < m; i++) {
                double sum = 0.0;
                for (int64_t k = 0; k < n; k++) {
                    sum += test_get(&x.view, i, k) * pow(10.0, -(double)s * (double)k / (double)(n - 1)) *
                           test_get(&y.view, j, k);
                }
                test_put(&a.view, i, j, sum);
            }
        }
        path = WEIR_QR_CHOLESKY2;
        assert_int_equal(weir_qr(ctx, WEIR_QR_REDUCED, &a.view, &q.view, &r.view, &path, NULL, 0), WEIR_OK);
        test_expect(test_backward_error(&a.view, &q.view, &r.view), "backward error on the ladder", &a.view);
        test_expect(test_orthogonality(&q.view), "orthogonality on the ladder", &a.view);
        met[path] = true;
        assert_true(s > 5 || path == WEIR_QR_CHOLESKY2);
        free(x.block);
        free(y.block);
        free(a.block);
        free(q.block);
        free(r.block);
    }
    assert_true(met[WEIR_QR_CHOLESKY2] && met[WEIR_QR_CHOLESKY3]);
    weir_ctx_destroy(ctx);
}

/* geqrf of 8 MiB and more goes by the tree: its form is geqrf's, beside the panel's. */
static void test_reconstruction(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    const int64_t m = 70000, n = 17;
    matrix a = test_matrix(WEIR_F64, m, n, ROWS), b = test_matrix(WEIR_F64, m, n, COLUMNS);
    double tau[32], other[32];
    test_generate(NORMAL, &a.view, 4);
    test_copy(&a.view, &b.view);
    assert_int_equal(weir_geqrf(ctx, &a.view, tau, NULL, 0), WEIR_OK);
    assert_int_equal(weir_geqr2(ctx, &b.view, other, NULL, 0), WEIR_OK);
    for (int64_t j = 0; j < n; j++) {
        assert_true(fabs(tau[j] - other[j]) < 1e-12);
        for (int64_t i = 0; i < m; i++) {
            assert_true(fabs(test_get(&a.view, i, j) - test_get(&b.view, i, j)) < 1e-10);
        }
    }
    free(a.block);
    free(b.block);
    weir_ctx_destroy(ctx);
}

/* ---- qr_solve ------------------------------------------------------------------------------------------------------ */

static void check_solve(weir_ctx *ctx, weir_dtype dtype, int64_t m, int64_t n, int64_t count, int layout)
{
    matrix a = test_matrix(dtype, m, n, layout), f = test_matrix(dtype, m, n, layout),
           b = test_matrix(dtype, m, count, (layout + 1) % LAYOUTS);
    matrix keep = test_matrix(dtype, m, count, COLUMNS), x = test_matrix(dtype, n, count, layout);
    test_generate(NORMAL, &a.view, 6);
    test_generate(NORMAL, &b.view, 7);
    test_copy(&a.view, &f.view);
    test_copy(&b.view, &keep.view);
    int64_t info = -1;
    assert_int_equal(weir_qr_solve(ctx, &f.view, &b.view, &x.view, &info, NULL, 0), WEIR_OK);
    assert_int_equal(info, 0);
    for (int64_t c = 0; c < count; c++) {
        double gradient = 0.0, residual = 0.0, size = 0.0, below = 0.0;
        double *rest = malloc((size_t)(m + 1) * sizeof *rest);
        for (int64_t i = 0; i < m; i++) {
            long double sum = test_get(&keep.view, i, c);
            for (int64_t j = 0; j < n; j++) {
                sum -= (long double)test_get(&a.view, i, j) * test_get(&x.view, j, c);
            }
            rest[i] = (double)sum;
            residual += rest[i] * rest[i];
            size += test_get(&keep.view, i, c) * test_get(&keep.view, i, c);
            below += i >= n ? test_get(&b.view, i, c) * test_get(&b.view, i, c) : 0.0;
        }
        for (int64_t j = 0; j < n; j++) {
            double sum = 0.0;
            for (int64_t i = 0; i < m; i++) {
                sum += test_get(&a.view, i, j) * rest[i];
            }
            gradient = fmax(gradient, fabs(sum));
        }
        /* ||A'r|| <= c m eps ||A|| (||A|| ||x|| + ||b||), these about sqrt(m n) and the norms of normal numbers; square systems
         * of such numbers have conditions up to some n^2. */
        assert_true(gradient <= 300.0 * (double)(m * (n + 1)) * test_epsilon(dtype) * (sqrt(size) + 1.0));
        assert_true(fabs(sqrt(residual) - sqrt(below)) <=
                    300.0 * (double)(m * (n + 1)) * test_epsilon(dtype) * (sqrt(size) + 1.0));
        free(rest);
    }
    free(a.block);
    free(f.block);
    free(b.block);
    free(keep.block);
    free(x.block);
}

static void test_solve(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    static const int64_t shapes[][3] = {{1, 1, 1},     {9, 4, 3},     {40, 40, 2},
                                        {200, 30, 50}, {230, 180, 3}, {5, 0, 2}};
    for (int i = 0; i < 6; i++) {
        check_solve(ctx, WEIR_F64, shapes[i][0], shapes[i][1], shapes[i][2], i % LAYOUTS);
        check_solve(ctx, WEIR_F32, shapes[i][0], shapes[i][1], shapes[i][2], (i + 1) % LAYOUTS);
    }
    double a[] = {1.0, 2.0, 3.0, 0.0, 0.0, 0.0}, b[] = {1.0, 1.0, 1.0}, x[] = {7.0, 7.0};
    const weir_matrix av = {a, WEIR_F64, 3, 2, 1, 3}, bv = {b, WEIR_F64, 3, 1, 1, 3},
                      xv = {x, WEIR_F64, 2, 1, 1, 2};
    int64_t info = 0;
    assert_int_equal(weir_qr_solve(ctx, &av, &bv, &xv, &info, NULL, 0), WEIR_RANK_DEFICIENT);
    assert_int_equal(info, 2);
    assert_true(x[0] == 7.0 && x[1] == 7.0);
    weir_ctx_destroy(ctx);
}

/* ---- threads, workspaces, arguments -------------------------------------------------------------------------------- */

static void run_all(weir_ctx *ctx, weir_dtype dtype, int64_t n, matrix *out)
{
    void *tau = malloc((size_t)n * 8);
    int32_t path = WEIR_QR_AUTO;
    matrix r = test_matrix(dtype, n, n, COLUMNS);
    test_generate(NORMAL, &out[0].view, 8);
    test_copy(&out[0].view, &out[1].view);
    assert_int_equal(weir_qr(ctx, WEIR_QR_REDUCED, &out[0].view, &out[2].view, &r.view, &path, NULL, 0), WEIR_OK);
    path = WEIR_QR_TSQR;
    assert_int_equal(weir_qr(ctx, WEIR_QR_REDUCED, &out[0].view, &out[3].view, &r.view, &path, NULL, 0), WEIR_OK);
    assert_int_equal(weir_geqrf(ctx, &out[0].view, tau, NULL, 0), WEIR_OK);
    assert_int_equal(weir_ormqr(ctx, WEIR_LEFT, WEIR_TRANS, &out[0].view, tau, &out[1].view, NULL, 0), WEIR_OK);
    free(r.block);
    free(tau);
}

static void test_threads(void **state)
{
    static const int64_t shapes[][2] = {{400, 370}, {9000, 30}, {66000, 17}};
    for (int i = 0; i < 6; i++) {
        const weir_dtype dtype = i % 2 ? WEIR_F32 : WEIR_F64;
        const int64_t m = shapes[i / 2][0], n = shapes[i / 2][1];
        matrix one[4], many[4];
        for (int k = 0; k < 4; k++) {
            one[k] = test_matrix(dtype, m, n, i % LAYOUTS);
            many[k] = test_matrix(dtype, m, n, i % LAYOUTS);
        }
        weir_ctx *ctx = test_ctx(*state, 1, 0);
        run_all(ctx, dtype, n, one);
        weir_ctx_destroy(ctx);
        ctx = test_ctx(*state, 5, 0);
        run_all(ctx, dtype, n, many);
        weir_ctx_destroy(ctx);
        for (int k = 0; k < 4; k++) {
            assert_memory_equal(one[k].block, many[k].block, (size_t)(one[k].elements * test_size_of(dtype)));
            free(one[k].block);
            free(many[k].block);
        }
    }
}

typedef struct calls {
    weir_dtype dtype;
    int64_t m, n;
    int which;
} calls;

/* One of the functions with a workspace of its own size between guards, or without. */
static weir_status call(weir_ctx *ctx, const calls *c, bool given)
{
    matrix a = test_matrix(c->dtype, c->m, c->n, COLUMNS), q = test_matrix(c->dtype, c->m, c->n, ROWS),
           r = test_matrix(c->dtype, c->n, c->n, COLUMNS);
    matrix b = test_matrix(c->dtype, c->m, 3, ROWS), x = test_matrix(c->dtype, c->n, 3, COLUMNS);
    void *tau = calloc((size_t)c->n, 8);
    const int32_t paths[] = {WEIR_QR_HOUSEHOLDER, WEIR_QR_CHOLESKY2, WEIR_QR_TSQR};
    int32_t path = c->which < 3 ? paths[c->which] : WEIR_QR_AUTO;
    test_generate(NORMAL, &a.view, 2);
    test_generate(NORMAL, &b.view, 3);
    const int64_t sizes[] = {weir_qr_bytes(ctx, WEIR_QR_REDUCED, path, &a.view, &q.view),
                             weir_geqr2_bytes(ctx, &a.view),
                             weir_geqrf_bytes(ctx, &a.view),
                             weir_orgqr_bytes(ctx, &a.view, c->n),
                             weir_ormqr_bytes(ctx, WEIR_LEFT, &a.view, &b.view),
                             weir_larft_bytes(ctx, &a.view, &r.view),
                             weir_larfb_bytes(ctx, WEIR_LEFT, &a.view, &r.view, &b.view),
                             weir_qr_solve_bytes(ctx, &a.view, &b.view, &x.view)};
    const int64_t bytes = sizes[c->which < 3 ? 0 : c->which - 2];
    char *work = given ? malloc((size_t)bytes + 1) : NULL;
    char *at = given ? work + 1 : NULL; /* of no alignment */
    weir_status status = WEIR_OK;
    switch (c->which) {
    case 3: status = weir_geqr2(ctx, &a.view, tau, at, bytes); break;
    case 4: status = weir_geqrf(ctx, &a.view, tau, at, bytes); break;
    case 5: status = weir_orgqr(ctx, &a.view, c->n, tau, at, bytes); break;
    case 6: status = weir_ormqr(ctx, WEIR_LEFT, WEIR_TRANS, &a.view, tau, &b.view, at, bytes); break;
    case 7: status = weir_larft(ctx, &a.view, tau, &r.view, at, bytes); break;
    case 8: status = weir_larfb(ctx, WEIR_LEFT, WEIR_TRANS, &a.view, &r.view, &b.view, at, bytes); break;
    case 9: status = weir_qr_solve(ctx, &a.view, &b.view, &x.view, NULL, at, bytes); break;
    default: status = weir_qr(ctx, WEIR_QR_REDUCED, &a.view, &q.view, &r.view, &path, at, bytes); break;
    }
    free(work);
    free(tau);
    free(a.block);
    free(q.block);
    free(r.block);
    free(b.block);
    free(x.block);
    return status;
}

static weir_status fallible(weir_ctx *ctx, void *arg) { return call(ctx, arg, false); }

static void test_workspaces(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    static const int64_t shapes[][2] = {{30, 20}, {220, 200}, {2500, 40}};
    for (int i = 0; i < 60; i++) {
        calls c = {i / 30 ? WEIR_F32 : WEIR_F64, shapes[i % 3][0], shapes[i % 3][1], i % 30 / 3};
        weir_memory_info before, after;
        weir_ctx_memory(ctx, &before);
        assert_int_equal(call(ctx, &c, true), WEIR_OK);
        weir_ctx_memory(ctx, &after);
        assert_int_equal(before.allocations, after.allocations);
        assert_true(test_each_allocation_fails(ctx, fallible, &c) >= 1);
    }
    calls blocks = {WEIR_F64, 100, 300, 4};
    assert_int_equal(call(ctx, &blocks, true), WEIR_OK);
    assert_true(test_each_allocation_fails(ctx, fallible, &blocks) == 1);
    weir_ctx_destroy(ctx);
}

static void test_arguments(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    double a[12] = {0}, tau[3], work[1];
    const weir_matrix good = {a, WEIR_F64, 4, 3, 1, 4}, wide = {a, WEIR_F64, 3, 4, 1, 3};
    weir_matrix bad = good;
    int32_t path = 9;
    assert_int_equal(weir_geqrf(NULL, &good, tau, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_geqrf(ctx, NULL, tau, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_geqrf(ctx, &good, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_geqrf(ctx, &good, tau, work, 8), WEIR_E_ARG);
    assert_true(strstr(weir_ctx_message(ctx), "weir_geqrf"));
    bad.rows = -1;
    assert_int_equal(weir_geqr2(ctx, &bad, tau, NULL, 0), WEIR_E_ARG);
    bad = good;
    bad.dtype = WEIR_I32;
    assert_int_equal(weir_geqrf(ctx, &bad, tau, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_geqrf_bytes(ctx, &bad), -1);
    bad = good;
    bad.col_stride = 2;
    assert_int_equal(weir_geqrf(ctx, &bad, tau, NULL, 0), WEIR_E_ARG);
    bad = good;
    bad.dtype = WEIR_F32;
    assert_int_equal(weir_ormqr(ctx, WEIR_LEFT, WEIR_TRANS, &good, tau, &bad, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_orgqr(ctx, &wide, 3, tau, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_orgqr(ctx, &good, 4, tau, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_larft(ctx, &wide, tau, &good, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_ormqr(ctx, WEIR_RIGHT, WEIR_TRANS, &good, tau, &good, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_qr(ctx, WEIR_QR_R, &good, NULL, &good, NULL, NULL, 0), WEIR_E_ARG);
    assert_int_equal(weir_qr(ctx, WEIR_QR_R, &good, NULL, &good, &path, NULL, 0), WEIR_E_ARG);
    assert_int_equal(path, 9);
    assert_int_equal(weir_qr_solve(ctx, &wide, &wide, &good, NULL, NULL, 0), WEIR_E_ARG);
    const weir_matrix vast = {a, WEIR_F64, INT64_MAX / 64, 3, 1, INT64_MAX / 64};
    assert_true(weir_geqrf_bytes(ctx, &vast) == -1 || weir_geqrf_bytes(ctx, &vast) > (int64_t)1 << 50);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),          cmocka_unit_test(test_tall),      cmocka_unit_test(test_ladder),
        cmocka_unit_test(test_reconstruction), cmocka_unit_test(test_solve),     cmocka_unit_test(test_threads),
        cmocka_unit_test(test_workspaces),     cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
