/* SPDX-License-Identifier: Apache-2.0 */
/* Gram matrices, general matrices, batches and schedules through the public functions. */
#include "support/spd.h"

#include <float.h>
#include <stdbool.h>

#include "weir/root.h"

static weir_matrix columns_of(void *data, int64_t rows, int64_t cols)
{
    return (weir_matrix){ data, WEIR_F64, rows, cols, 1, rows > 0 ? rows : 1 };
}

static void random_values(uint64_t *seed, int64_t count, double *out)
{
    for (int64_t i = 0; i < count; i++) {
        out[i] = spd_normal(seed);
    }
}

static double distance(int64_t count, const double *x, const double *y)
{
    double off = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        off += (x[i] - y[i]) * (x[i] - y[i]);
        size += y[i] * y[i];
    }
    return size > 0 ? sqrt(off / size) : sqrt(off);
}

/* G'G (or GG') + ridge I, formed in long double. */
static double *gram_of(int64_t rows, int64_t cols, const double *g, bool by_rows, double ridge)
{
    const int64_t side = by_rows ? rows : cols, depth = by_rows ? cols : rows;
    double *a = malloc((size_t)(side * side + 1) * sizeof *a);
    for (int64_t j = 0; j < side; j++) {
        for (int64_t i = 0; i < side; i++) {
            long double sum = i == j ? ridge : 0;
            for (int64_t q = 0; q < depth; q++) {
                sum += (long double)(by_rows ? g[i + q * rows] * g[j + q * rows] : g[q + i * rows] * g[q + j * rows]);
            }
            a[i + j * side] = (double)sum;
        }
    }
    return a;
}

static void test_gram(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    static const int64_t shapes[][2] = { { 60, 20 }, { 20, 60 }, { 33, 33 }, { 1, 9 }, { 9, 1 } };
    for (size_t i = 0; i < 5; i++) {
        for (int p = 1; p <= 5; p += 2) {
            const int64_t rows = shapes[i][0], cols = shapes[i][1], k = 3;
            uint64_t seed = 5 + i;
            double *g = malloc((size_t)(rows * cols) * sizeof *g), b[180], c[180], z[180], want[180], right[180];
            random_values(&seed, rows * cols, g);
            random_values(&seed, cols * k, b);
            random_values(&seed, rows * k, c);
            weir_precond_config pre = WEIR_PRECOND_CONFIG_INIT;
            pre.ridge = 0.3;
            weir_root_options o = WEIR_ROOT_OPTIONS_INIT, plain = WEIR_ROOT_OPTIONS_INIT;
            o.p = plain.p = p;
            o.precond = &pre;
            plain.route = WEIR_ROOT_EIGEN;
            weir_root_stats stats;
            const weir_matrix gv = columns_of(g, rows, cols), bv = columns_of(b, cols, k), zv = columns_of(z, cols, k);
            const weir_matrix cv = columns_of(c, rows, k), wv = columns_of(want, cols, k), rv = columns_of(right, cols, k);
            double *a = gram_of(rows, cols, g, false, 0.3);
            const weir_matrix av = columns_of(a, cols, cols);
            assert_int_equal(weir_solve_spd(ctx, &av, &bv, &wv, &plain, NULL, NULL), WEIR_OK);
            assert_int_equal(weir_solve_gram_spd(ctx, &gv, &bv, &zv, &o, NULL, &stats), WEIR_OK);
            assert_true(distance(cols * k, z, want) <= stats.bound + 1e-12 && stats.ridge == 0.3);
            for (int64_t j = 0; j < k; j++) {
                for (int64_t q = 0; q < cols; q++) {
                    long double sum = 0;
                    for (int64_t r = 0; r < rows; r++) {
                        sum += g[r + q * rows] * c[r + j * rows];
                    }
                    right[q + j * cols] = (double)sum;
                }
            }
            assert_int_equal(weir_solve_spd(ctx, &av, &rv, &wv, &plain, NULL, NULL), WEIR_OK);
            assert_int_equal(weir_solve_gram_dual(ctx, &gv, &cv, &zv, &o, NULL, &stats), WEIR_OK);
            assert_true(distance(cols * k, z, want) <= 1e-8);
            pre.ridge = 0;
            memset(z, 7, sizeof z);
            const weir_status singular = weir_solve_gram_spd(ctx, &gv, &bv, &zv, &o, NULL, NULL);
            assert_true(rows < cols ? singular == WEIR_E_NUMERIC : singular >= 0);
            free(a);
            free(g);
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_general(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    for (int64_t n = 1; n <= 70; n += 23) {
        uint64_t seed = 5;
        double *a = malloc((size_t)(n * n) * sizeof *a), b[140], z[140], x[140];
        random_values(&seed, n * n, a);
        random_values(&seed, 2 * n, x);
        for (int64_t j = 0; j < 2; j++) {
            for (int64_t i = 0; i < n; i++) {
                long double sum = 0;
                for (int64_t q = 0; q < n; q++) {
                    sum += (long double)(a[i + q * n] + (i == q ? 0.5 : 0)) * x[q + j * n];
                }
                b[i + j * n] = (double)sum;
            }
        }
        weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
        weir_precond_config pre = WEIR_PRECOND_CONFIG_INIT;
        pre.ridge = 0.5;
        pre.mode = WEIR_PRECOND_ROW_NORM;
        o.p = 1;
        o.precond = &pre;
        weir_root_stats stats;
        const weir_matrix av = columns_of(a, n, n), bv = columns_of(b, n, 2), zv = columns_of(z, n, 2);
        assert_true(weir_solve_nonspd(ctx, &av, &bv, &zv, &o, NULL, &stats) >= 0);
        assert_true(distance(2 * n, z, x) <= stats.bound && stats.bound <= 1e-8);
        o.p = 2;
        pre.mode = WEIR_PRECOND_NONE;
        assert_int_equal(weir_solve_nonspd(ctx, &av, &bv, &zv, &o, NULL, NULL), WEIR_E_ARG);
        o.p = 1;
        pre.ridge = 0;
        memset(a, 0, (size_t)(n * n) * sizeof *a);
        memcpy(x, z, sizeof x);
        assert_int_equal(weir_solve_nonspd(ctx, &av, &bv, &zv, &o, NULL, NULL), WEIR_E_NUMERIC);
        assert_memory_equal(x, z, sizeof(double) * 2 * (size_t)n);
        a[0] = NAN;
        assert_int_equal(weir_solve_nonspd(ctx, &av, &bv, &zv, &o, NULL, NULL), WEIR_E_NUMERIC);
        free(a);
    }
    weir_ctx_destroy(ctx);
}

/* Each matrix of a batch as alone, bit by bit; one that fails keeps what its Z held and leaves its neighbours alone. */
static void test_batches(void **state)
{
    const int64_t n = 30, count = 9;
    double *a = malloc((size_t)(count * 1000) * sizeof *a), b[9 * 60], z[9 * 60], alone[60];
    uint64_t seed = 3;
    for (int64_t i = 0; i < count; i++) {
        spd *m = spd_logarithmic(n, 100, 3 + (uint64_t)i);
        memcpy(a + i * 1000, m->a, (size_t)(n * n) * sizeof *a);
        spd_free(m);
    }
    random_values(&seed, 9 * 60, b);
    a[4000 + 5 * 31] = -1;
    a[6000] = NAN;
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(state, threads, 0);
        weir_status each[9];
        weir_root_stats stats[9];
        for (int i = 0; i < 9 * 60; i++) {
            z[i] = 77;
        }
        const weir_matrix av = columns_of(a, n, n), bv = columns_of(b, n, 2), zv = columns_of(z, n, 2);
        weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
        o.p = 4;
        assert_int_equal(weir_solve_spd_batched(ctx, count, &av, 1000, &bv, 60, &zv, 60, &o, each, stats), WEIR_E_NUMERIC);
        for (int64_t i = 0; i < count; i++) {
            const weir_matrix ai = columns_of(a + i * 1000, n, n), bi = columns_of(b + i * 60, n, 2), zi = columns_of(alone, n, 2);
            if (i == 4 || i == 6) {
                assert_int_equal(each[i], WEIR_E_NUMERIC);
                assert_true(z[i * 60] == 77 && z[i * 60 + 59] == 77);
            } else {
                assert_int_equal(each[i], WEIR_OK);
                assert_int_equal(weir_solve_spd(ctx, &ai, &bi, &zi, &o, NULL, NULL), WEIR_OK);
                assert_memory_equal(alone, z + i * 60, sizeof alone);
                assert_true(stats[i].bound <= 1e-8);
            }
        }
        double *x = malloc((size_t)(count * n * n) * sizeof *x);
        const weir_matrix xv = columns_of(x, n, n);
        assert_int_equal(weir_materialize_batched(ctx, 4, &av, 1000, &xv, n * n, &o, NULL, NULL), WEIR_OK);
        assert_int_equal(weir_materialize_batched(ctx, 0, &av, 1000, &xv, n * n, &o, NULL, NULL), WEIR_OK);
        free(x);
        weir_ctx_destroy(ctx);
    }
    free(a);
}

static void test_schedules(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    weir_schedule s;
    assert_int_equal(weir_build_schedule(ctx, 2, NULL, &s), WEIR_OK);
    assert_true(s.steps == 3 && s.error <= 1e-6 && s.description[0] != '\0');
    weir_schedule_config c = WEIR_SCHEDULE_CONFIG_INIT;
    c.coeff_mode = WEIR_COEFF_PRECOMPUTED;
    assert_int_equal(weir_build_schedule(ctx, 2, &c, &s), WEIR_OK);
    assert_true(s.steps == 4 && fabs(s.a[0] - 3.9021) < 1e-12 && s.error < 2e-4);
    assert_int_equal(weir_build_schedule(ctx, 4, &c, &s), WEIR_E_ARG);
    c.coeff_mode = 17;
    assert_int_equal(weir_build_schedule(ctx, 2, &c, &s), WEIR_E_ARG);
    /* A schedule that a caller brings: right for its spectrum, made good beyond it. */
    spd *m = spd_logarithmic(40, 15, 5), *wide = spd_logarithmic(40, 300, 5);
    double b[40], z[40], want[40];
    uint64_t seed = 3;
    random_values(&seed, 40, b);
    c = (weir_schedule_config)WEIR_SCHEDULE_CONFIG_INIT;
    assert_int_equal(weir_build_schedule(ctx, 3, &c, &s), WEIR_OK);
    weir_root_options o = WEIR_ROOT_OPTIONS_INIT, plain = WEIR_ROOT_OPTIONS_INIT;
    o.p = plain.p = 3;
    plain.route = WEIR_ROOT_EIGEN;
    o.schedule = &s;
    o.tolerance = 1e-6;
    const weir_matrix bv = columns_of(b, 40, 1), zv = columns_of(z, 40, 1), wv = columns_of(want, 40, 1);
    for (int turn = 0; turn < 2; turn++) {
        const weir_matrix a = columns_of(turn ? wide->a : m->a, 40, 40);
        weir_root_stats stats;
        assert_true(weir_solve_spd(ctx, &a, &bv, &zv, &o, NULL, &stats) >= 0);
        assert_true(weir_solve_spd(ctx, &a, &bv, &wv, &plain, NULL, NULL) >= 0);
        assert_true(stats.route == WEIR_ROOT_COUPLED && distance(40, z, want) <= stats.bound + 1e-12);
    }
    spd_free(wide);
    spd_free(m);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gram),
        cmocka_unit_test(test_general),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
