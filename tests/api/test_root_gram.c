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

/* G = Q diag(s) H', H and Q products of reflectors: (G'G + rho I)^(-1/p) B = H diag((s^2 + rho)^(-1/p)) H'B, in long double. */
static void reflect(int64_t n, int64_t k, uint64_t seed, long double *x)
{
    for (int round = 0; round < 3; round++) {
        long double v[64], square = 0;
        for (int64_t i = 0; i < n; i++) {
            v[i] = spd_normal(&seed);
            square += v[i] * v[i];
        }
        for (int64_t j = 0; j < k; j++) {
            long double sum = 0;
            for (int64_t i = 0; i < n; i++) {
                sum += v[i] * x[i + j * n];
            }
            for (int64_t i = 0; i < n; i++) {
                x[i + j * n] -= 2 * sum / square * v[i];
            }
        }
    }
}

/* x := x reversed reflections, that is the inverse of reflect. */
static void reflect_back(int64_t n, int64_t k, uint64_t seed, long double *x)
{
    long double full[64 * 64] = { 0 }, held[64 * 8];
    for (int64_t i = 0; i < n; i++) {
        full[i * (n + 1)] = 1;
    }
    reflect(n, n, seed, full);
    for (int64_t i = 0; i < n * k; i++) {
        held[i] = x[i];
        x[i] = 0;
    }
    for (int64_t j = 0; j < k; j++) {
        for (int64_t i = 0; i < n; i++) {
            for (int64_t q = 0; q < n; q++) {
                x[i + j * n] += full[q + i * n] * held[q + j * n];
            }
        }
    }
}

enum { STEEP_ROWS = 40, STEEP_COLS = 16, STEEP_K = 3 };

/* What fits in float64 of G, and the exact answers for the G before rounding, which moves them by u kappa(G). */
static void make_steep(double decades, double ridge, int p, double *g, double *b, double *c, double *want, double *dual)
{
    const int64_t m = STEEP_ROWS, n = STEEP_COLS, k = STEEP_K;
    static long double core[STEEP_ROWS * STEEP_COLS], turned[STEEP_COLS * STEEP_ROWS], s[STEEP_COLS];
    uint64_t seed = 77;
    random_values(&seed, n * k, b);
    random_values(&seed, m * k, c);
    for (int64_t i = 0; i < m * n; i++) {
        core[i] = 0;
    }
    for (int64_t j = 0; j < n; j++) {
        s[j] = powl(10, (long double)(-decades * (double)j / (double)(n - 1)));
        core[j * (m + 1)] = s[j];
    }
    reflect(m, n, 5, core);
    for (int64_t e = 0; e < m * n; e++) {
        turned[e / m + (e % m) * n] = core[e];
    }
    reflect(n, m, 6, turned); /* H (Q S)' */
    for (int64_t e = 0; e < m * n; e++) {
        g[e] = (double)turned[e / m + (e % m) * n];
    }
    long double x[STEEP_COLS * STEEP_K], y[STEEP_ROWS * STEEP_K], z[STEEP_COLS * STEEP_K];
    for (int64_t i = 0; i < n * k; i++) {
        x[i] = b[i];
    }
    for (int64_t i = 0; i < m * k; i++) {
        y[i] = c[i];
    }
    reflect_back(n, k, 6, x);
    reflect_back(m, k, 5, y);
    for (int64_t i = 0; i < n * k; i++) {
        const long double h = powl(s[i % n] * s[i % n] + ridge, -1.0L / p);
        x[i] *= h;
        z[i] = s[i % n] * h * y[i % n + i / n * m];
    }
    reflect(n, k, 6, x);
    reflect(n, k, 6, z);
    for (int64_t i = 0; i < n * k; i++) {
        want[i] = (double)x[i];
        dual[i] = (double)z[i];
    }
}

/* kappa(G) = 1e7: G'G has 1e14, of which float64 keeps two digits; the singular values of G keep nine. */
static void test_qr_route(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const int64_t m = STEEP_ROWS, n = STEEP_COLS, k = STEEP_K;
    double g[STEEP_ROWS * STEEP_COLS], b[STEEP_COLS * STEEP_K], c[STEEP_ROWS * STEEP_K], want[STEEP_COLS * STEEP_K];
    double dual[STEEP_COLS * STEEP_K], z[STEEP_COLS * STEEP_K];
    const weir_matrix gv = columns_of(g, m, n), bv = columns_of(b, n, k), cv = columns_of(c, m, k), zv = columns_of(z, n, k);
    for (int p = 1; p <= 4; p++) {
        for (int shifted = 0; shifted < 2; shifted++) {
            weir_precond_config pre = WEIR_PRECOND_CONFIG_INIT;
            weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
            weir_root_stats stats = { 0 };
            pre.ridge = shifted ? 1e-13 : 0;
            o.p = p;
            o.precond = &pre;
            o.tolerance = 1e-7;
            make_steep(7, pre.ridge, p, g, b, c, want, dual);
            assert_int_equal(weir_solve_gram_spd(ctx, &gv, &bv, &zv, &o, NULL, &stats), WEIR_OK);
            assert_int_equal(stats.route, WEIR_ROOT_QR);
            assert_true(!stats.precision_limited && stats.bound <= 1e-7);
            assert_true(distance(n * k, z, want) <= stats.bound);
            o.route = WEIR_ROOT_EIGEN; /* as it was without */
            assert_int_not_equal(weir_solve_gram_spd(ctx, &gv, &bv, &zv, &o, NULL, &stats), WEIR_OK);
            o.route = WEIR_ROOT_QR;
            assert_int_equal(weir_solve_gram_spd(ctx, &gv, &bv, &zv, &o, NULL, &stats), WEIR_OK);
            assert_true(stats.route == WEIR_ROOT_QR && distance(n * k, z, want) <= stats.bound);
            const weir_status status = weir_solve_gram_dual(ctx, &gv, &cv, &zv, &o, NULL, &stats);
            assert_true(status >= 0 && stats.route == WEIR_ROOT_QR && distance(n * k, z, dual) <= stats.bound);
        }
    }
    weir_ctx_destroy(ctx);
}

/* Asked for where squaring would do: the answers of the other routes, both shapes and both functions; singular and not finite G. */
static void test_qr_asked(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    static const int64_t shapes[][2] = { { 30, 12 }, { 12, 30 }, { 9, 9 }, { 1, 5 }, { 5, 1 } };
    for (int i = 0; i < 10; i++) {
        const int64_t rows = shapes[i % 5][0], cols = shapes[i % 5][1], k = 2;
        uint64_t seed = 3;
        double g[360], b[60], z[60], want[60], c[60];
        weir_precond_config pre = WEIR_PRECOND_CONFIG_INIT;
        weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
        weir_root_stats stats, other;
        random_values(&seed, rows * cols, g);
        random_values(&seed, cols * k, b);
        random_values(&seed, rows * k, c);
        const weir_matrix gv = columns_of(g, rows, cols), bv = columns_of(b, cols, k), zv = columns_of(z, cols, k);
        const weir_matrix wv = columns_of(want, cols, k), cv = columns_of(c, rows, k);
        pre.ridge_rel = 0.2;
        o.precond = &pre;
        o.p = 1 + i % 3;
        if (i < 5) {
            assert_int_equal(weir_solve_gram_spd(ctx, &gv, &bv, &wv, &o, NULL, &other), WEIR_OK);
            o.route = WEIR_ROOT_QR;
            assert_int_equal(weir_solve_gram_spd(ctx, &gv, &bv, &zv, &o, NULL, &stats), WEIR_OK);
        } else {
            assert_int_equal(weir_solve_gram_dual(ctx, &gv, &cv, &wv, &o, NULL, &other), WEIR_OK);
            o.route = WEIR_ROOT_QR;
            assert_int_equal(weir_solve_gram_dual(ctx, &gv, &cv, &zv, &o, NULL, &stats), WEIR_OK);
        }
        assert_true(other.route != WEIR_ROOT_QR && stats.route == WEIR_ROOT_QR && stats.ridge == other.ridge);
        assert_true(distance(cols * k, z, want) <= stats.bound + other.bound && stats.bound < 1e-12);
    }
    double g[12] = { 1, 2, 3, 4, 2, 4, 6, 8, 1, 0, 0, 1 }, b[3] = { 1, 1, 1 }, z[3] = { 7, 7, 7 };
    const weir_matrix gv = columns_of(g, 4, 3), bv = columns_of(b, 3, 1), zv = columns_of(z, 3, 1);
    weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
    for (int turn = 0; turn < 4; turn++) {
        o.route = turn % 2 ? WEIR_ROOT_QR : WEIR_ROOT_AUTO;
        g[0] = turn < 2 ? 1 : (double)NAN;
        assert_int_equal(weir_solve_gram_spd(ctx, &gv, &bv, &zv, &o, NULL, NULL), WEIR_E_NUMERIC);
        assert_true(z[0] == 7 && z[2] == 7);
    }
    weir_ctx_destroy(ctx);
}

static weir_status fallible(weir_ctx *ctx, void *arg)
{
    (void)arg;
    double g[6] = { 1, 2, 3, 1, 0, 1 }, b[2] = { 1, 1 }, z[2];
    const weir_matrix gv = columns_of(g, 3, 2), bv = columns_of(b, 2, 1), zv = columns_of(z, 2, 1);
    weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
    o.route = WEIR_ROOT_QR;
    return weir_solve_gram_spd(ctx, &gv, &bv, &zv, &o, NULL, NULL);
}

static void test_qr_allocations(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    assert_int_equal(test_each_allocation_fails(ctx, fallible, NULL), 2);
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
        cmocka_unit_test(test_qr_route),
        cmocka_unit_test(test_qr_asked),
        cmocka_unit_test(test_qr_allocations),
        cmocka_unit_test(test_general),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
