/* SPDX-License-Identifier: Apache-2.0 */
/* Inverse roots through the public functions: every route against roots known in long double, bounds that hold, bad input. */
#include "support/spd.h"

#include <float.h>
#include <stdbool.h>

#include "weir/root.h"

static void random_values(uint64_t *seed, int64_t count, double *out)
{
    for (int64_t i = 0; i < count; i++) {
        out[i] = spd_normal(seed);
    }
}

/* || z - A^(-1/p) b ||_F / || A^(-1/p) b ||_F for column-major z and b, n x k. */
static double error_of(const spd *m, int p, int64_t k, const double *b, const double *z)
{
    long double off = 0, size = 0, *exact = malloc((size_t)(m->n + 1) * sizeof *exact);
    for (int64_t j = 0; j < k; j++) {
        spd_power(m, -1.0L / p, b + j * m->n, exact);
        for (int64_t i = 0; i < m->n; i++) {
            off += (z[i + j * m->n] - exact[i]) * (z[i + j * m->n] - exact[i]);
            size += exact[i] * exact[i];
        }
    }
    free(exact);
    return size > 0 ? (double)sqrtl(off / size) : 0;
}

static weir_matrix columns_of(void *data, weir_dtype dtype, int64_t rows, int64_t cols)
{
    return (weir_matrix){ data, dtype, rows, cols, 1, rows > 0 ? rows : 1 };
}

static bool serves(int route, int p)
{
    return route != WEIR_ROOT_LU && route != WEIR_ROOT_LANCZOS && route != WEIR_ROOT_QR && (route == WEIR_ROOT_CHOLESKY) <= (p == 1) &&
           !(p == 1 && (route == WEIR_ROOT_BAND || route == WEIR_ROOT_POLES));
}

static void test_every_route(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    static const int64_t sizes[] = { 1, 2, 7, 33, 64, 120 };
    for (int i = 0; i < 6; i++) {
        for (int route = 0; route < WEIR_ROOT_ROUTES; route++) {
            for (int p = 1; p <= 8; p += 1 + i % 2) {
                const int64_t n = sizes[i], k = 1 + (route + p) % 5;
                const double condition = route == WEIR_ROOT_CHEBYSHEV ? 200 : 1e6;
                if (!serves(route, p)) {
                    continue;
                }
                spd *m = spd_logarithmic(n, condition, 3 + (uint64_t)p);
                uint64_t seed = 17;
                double *b = malloc((size_t)(n * k) * sizeof *b), *z = malloc((size_t)(n * k) * sizeof *z);
                random_values(&seed, n * k, b);
                weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
                o.p = p;
                o.route = route;
                const weir_matrix a = columns_of(m->a, WEIR_F64, n, n), bv = columns_of(b, WEIR_F64, n, k);
                const weir_matrix zv = columns_of(z, WEIR_F64, n, k);
                weir_root_stats stats;
                const weir_status status = weir_solve_spd(ctx, &a, &bv, &zv, &o, NULL, &stats);
                const double error = error_of(m, p, k, b, z);
                assert_true(status == WEIR_OK || status == WEIR_NOT_CONVERGED);
                assert_true(error <= stats.bound);
                assert_true(error <= 1e-8 + 10 * sqrt((double)n) * DBL_EPSILON / 2 * condition / p + 10 * DBL_EPSILON);
                assert_true((status == WEIR_OK) == (stats.bound <= 1e-8));
                assert_true(route == WEIR_ROOT_AUTO || stats.route == route);
                free(z);
                free(b);
                spd_free(m);
            }
        }
    }
    weir_ctx_destroy(ctx);
}

/* The reported bound covers the true error: random spectra, sizes, orders, scales, right-hand sides that favour either end. */
static void bounds_hold(void **state, weir_dtype dtype)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    uint64_t seed = 99;
    const double unit = dtype == WEIR_F32 ? FLT_EPSILON / 2 : DBL_EPSILON / 2;
    for (int c = 0; c < 1000; c++) {
        const int64_t n = 1 + (int64_t)(spd_uniform(&seed) * 40), k = 1 + (int64_t)(spd_uniform(&seed) * 3);
        const int p = 1 + (int)(spd_uniform(&seed) * 8);
        const double condition = pow(0.05 / unit, spd_uniform(&seed)), scale = pow(10, 20 * spd_uniform(&seed) - 10);
        static const int routes[] = { WEIR_ROOT_AUTO, WEIR_ROOT_EIGEN, WEIR_ROOT_BAND, WEIR_ROOT_COUPLED, WEIR_ROOT_POLES };
        long double value[64];
        for (int64_t i = 0; i < n; i++) {
            value[i] = scale * powl(condition, -(long double)(c % 3 ? spd_uniform(&seed) : i % 2));
        }
        spd *m = spd_make(n, value, seed);
        double b[200], z[200];
        float a32[41 * 41], b32[200], z32[200];
        random_values(&seed, n * k, b);
        for (int64_t i = 0; i < n * n; i++) {
            a32[i] = (float)m->a[i];
        }
        for (int64_t i = 0; i < n * k; i++) {
            b[i] = b32[i] = (float)b[i];
        }
        weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
        o.p = p;
        o.route = routes[c % 5];
        if (!serves(o.route, p)) {
            o.route = WEIR_ROOT_AUTO;
        }
        const bool narrow = dtype == WEIR_F32;
        const weir_matrix av = columns_of(narrow ? (void *)a32 : m->a, dtype, n, n);
        const weir_matrix bv = columns_of(narrow ? (void *)b32 : b, dtype, n, k), zv = columns_of(narrow ? (void *)z32 : z, dtype, n, k);
        weir_root_stats stats;
        const weir_status status = weir_solve_spd(ctx, &av, &bv, &zv, &o, NULL, &stats);
        if (status >= 0) {
            for (int64_t i = 0; narrow && i < n * k; i++) {
                z[i] = (double)z32[i];
            }
            /* rounding the entries of A to float moves the root itself by u kappa / p, which no bound for the given A contains */
            double of_input = narrow ? 2 * sqrt((double)n) * unit * condition / p * pow(condition, 1.0 / p) : 0;
            of_input += 2 * sqrt((double)n) * DBL_EPSILON / 2 * condition / p * pow(condition, 1.0 / p);
            assert_true(error_of(m, p, k, b, z) <= stats.bound + of_input);
            assert_true(stats.precision_limited || status == WEIR_OK || stats.bound > o.tolerance);
        } else {
            assert_int_equal(status, WEIR_E_NUMERIC);
            assert_true(condition * unit * (double)n > 0.01);
        }
        spd_free(m);
    }
    weir_ctx_destroy(ctx);
}

/* Where float32 has no factor any more: the bound of p = 1 needs a condition number all the same. */
static void test_bounds_of_ill_conditioned_inverses(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    for (int i = 0; i < 12; i++) {
        const int64_t n = 64 + 20 * i, k = 1 + i % 3;
        spd *m = spd_logarithmic(n, pow(10, 6 + 0.5 * i), 40 + (uint64_t)i);
        uint64_t seed = 5;
        double *b = malloc((size_t)(n * k) * sizeof *b), *z = malloc((size_t)(n * k) * sizeof *z);
        random_values(&seed, n * k, b);
        weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
        o.p = 1;
        const weir_matrix a = columns_of(m->a, WEIR_F64, n, n), bv = columns_of(b, WEIR_F64, n, k), zv = columns_of(z, WEIR_F64, n, k);
        weir_root_stats stats;
        const weir_status status = weir_solve_spd(ctx, &a, &bv, &zv, &o, NULL, &stats);
        const double error = error_of(m, 1, k, b, z);
        assert_true(status == WEIR_OK || status == WEIR_NOT_CONVERGED);
        assert_true(error <= stats.bound);
        assert_true(status != WEIR_OK || error <= 1e-8);
        assert_true(stats.precision_limited || i < 10);
        free(z);
        free(b);
        spd_free(m);
    }
    weir_ctx_destroy(ctx);
}

static void test_bounds_hold_in_double(void **state) { bounds_hold(state, WEIR_F64); }
static void test_bounds_hold_in_float(void **state) { bounds_hold(state, WEIR_F32); }

/* Two roots of order two are the inverse; c A has the root c^(-1/p) X; the materialised root applies as well. */
static void test_identities(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const int64_t n = 90;
    spd *m = spd_logarithmic(n, 1e4, 5);
    double *x = malloc((size_t)(n * n) * sizeof *x), b[90], z[90], once[90], twice[90], scaled[90];
    uint64_t seed = 1;
    random_values(&seed, n, b);
    const weir_matrix a = columns_of(m->a, WEIR_F64, n, n), bv = columns_of(b, WEIR_F64, n, 1), zv = columns_of(z, WEIR_F64, n, 1);
    const weir_matrix ov = columns_of(once, WEIR_F64, n, 1), tv = columns_of(twice, WEIR_F64, n, 1);
    const weir_matrix sv = columns_of(scaled, WEIR_F64, n, 1), xv = columns_of(x, WEIR_F64, n, n);
    weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
    o.tolerance = 1e-9;
    assert_true(weir_solve_spd(ctx, &a, &bv, &ov, &o, NULL, NULL) >= 0);
    assert_true(weir_solve_spd(ctx, &a, &ov, &tv, &o, NULL, NULL) >= 0);
    o.p = 1;
    assert_true(weir_solve_spd(ctx, &a, &bv, &zv, &o, NULL, NULL) >= 0);
    o.p = 2;
    assert_true(weir_materialize(ctx, &a, &xv, &o, NULL, NULL) >= 0);
    for (int64_t i = 0; i < n * n; i++) {
        m->a[i] *= 0x1p-40;
    }
    assert_true(weir_solve_spd(ctx, &a, &bv, &sv, &o, NULL, NULL) >= 0);
    double size = 0, off = 0, apart = 0, product = 0;
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < n; j++) {
            sum += x[i + j * n] * b[j];
            assert_true(x[i + j * n] == x[j + i * n]);
        }
        size += z[i] * z[i];
        off += (z[i] - twice[i]) * (z[i] - twice[i]);
        apart += (scaled[i] * 0x1p-20 - once[i]) * (scaled[i] * 0x1p-20 - once[i]);
        product += (sum - once[i]) * (sum - once[i]);
    }
    assert_true(sqrt(off / size) <= 1e-7 && sqrt(apart / size) <= 1e-9 && sqrt(product / size) <= 1e-8);
    free(x);
    spd_free(m);
    weir_ctx_destroy(ctx);
}

/* What was in a workspace leaves no trace in the bits; a generation is used again; threads and strides do not matter. */
static void test_workspaces(void **state)
{
    const int64_t n = 110, k = 30;
    spd *m = spd_logarithmic(n, 1e5, 5), *other = spd_logarithmic(140, 1e3, 8);
    double *b = malloc((size_t)(n * k) * sizeof *b), *first = malloc((size_t)(n * k) * sizeof *first);
    double *again = malloc((size_t)(140 * 140) * sizeof *again), *rows = malloc((size_t)(n * n) * sizeof *rows);
    uint64_t seed = 2;
    random_values(&seed, n * k, b);
    for (int route = WEIR_ROOT_AUTO; route < WEIR_ROOT_ROUTES; route++) {
        if (!serves(route, 3) || route == WEIR_ROOT_CHEBYSHEV) {
            continue;
        }
        for (int threads = 1; threads <= 3; threads++) {
            weir_ctx *ctx = test_ctx(state, threads, 0);
            weir_root_workspace *w;
            assert_int_equal(weir_root_workspace_create(ctx, &w), WEIR_OK);
            weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
            o.p = 3;
            o.route = route;
            const weir_matrix a = columns_of(m->a, WEIR_F64, n, n), bv = columns_of(b, WEIR_F64, n, k);
            const weir_matrix fv = columns_of(first, WEIR_F64, n, k), av = columns_of(again, WEIR_F64, n, k);
            const weir_matrix wide = columns_of(other->a, WEIR_F64, 140, 140), wv = columns_of(again, WEIR_F64, 140, 140);
            weir_root_stats stats;
            assert_true(weir_solve_spd(ctx, &a, &bv, threads == 1 ? &fv : &av, &o, NULL, NULL) >= 0);
            assert_true(threads == 1 || memcmp(first, again, (size_t)(n * k) * sizeof *first) == 0);
            assert_true(weir_materialize(ctx, &wide, &wv, &o, w, NULL) >= 0);
            o.generation = 41;
            assert_true(weir_solve_spd(ctx, &a, &bv, &av, &o, w, &stats) >= 0);
            assert_true(!stats.reused);
            memset(again, 0, (size_t)(n * k) * sizeof *again);
            assert_true(weir_solve_spd(ctx, &a, &bv, &av, &o, w, &stats) >= 0);
            assert_true(stats.reused && memcmp(first, again, (size_t)(n * k) * sizeof *first) == 0);
            o.generation = 42;
            assert_true(weir_solve_spd(ctx, &a, &bv, &av, &o, w, &stats) >= 0);
            assert_true(!stats.reused);
            weir_root_workspace_destroy(w);
            weir_ctx_destroy(ctx);
        }
    }
    free(rows);
    free(again);
    free(first);
    free(b);
    spd_free(other);
    spd_free(m);
}

typedef struct solve_args {
    weir_matrix a, b, z;
    weir_root_options o;
} solve_args;

static weir_status solve_again(weir_ctx *ctx, void *arg)
{
    solve_args *s = arg;
    return weir_solve_spd(ctx, &s->a, &s->b, &s->z, &s->o, NULL, NULL);
}

static void test_allocations_and_bytes(void **state)
{
    const int64_t n = 70, k = 3;
    spd *m = spd_logarithmic(n, 20, 5);
    double b[210], z[210];
    uint64_t seed = 2;
    random_values(&seed, n * k, b);
    for (int route = WEIR_ROOT_AUTO; route < WEIR_ROOT_ROUTES; route++) {
        for (int p = 1; p <= 2; p++) {
            if (!serves(route, p)) {
                continue;
            }
            weir_ctx *ctx = test_ctx(state, 2, 0);
            solve_args s = { columns_of(m->a, WEIR_F64, n, n), columns_of(b, WEIR_F64, n, k), columns_of(z, WEIR_F64, n, k),
                             WEIR_ROOT_OPTIONS_INIT };
            s.o.p = p;
            s.o.route = route;
            assert_true(test_each_allocation_fails(ctx, solve_again, &s) >= 3);
            const int64_t bytes = weir_root_bytes(ctx, n, k, WEIR_F64, &s.o);
            weir_ctx_destroy(ctx);
            weir_ctx *small = test_ctx(state, 2, bytes + (64 << 10)); /* the context itself */
            assert_true(solve_again(small, &s) >= 0);
            weir_ctx_destroy(small);
        }
    }
    spd_free(m);
}

static void test_bad_input(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n = 12;
    spd *m = spd_logarithmic(n, 100, 5);
    double b[24], z[24], keep[24], broken[144];
    uint64_t seed = 2;
    random_values(&seed, 24, b);
    random_values(&seed, 24, keep);
    for (int route = WEIR_ROOT_AUTO; route < WEIR_ROOT_ROUTES; route++) {
        for (int p = 1; p <= 4; p++) {
            if (!serves(route, p)) {
                continue;
            }
            for (int fault = 0; fault < 5; fault++) {
                memcpy(broken, m->a, sizeof broken);
                memcpy(z, keep, sizeof z);
                if (fault == 0) {
                    broken[5 * 13] = -1; /* indefinite */
                } else if (fault == 1) {
                    broken[5 + 3 * 12] = broken[3 + 5 * 12] = NAN;
                } else if (fault == 2) {
                    broken[5 + 3 * 12] += 0.01; /* not symmetric */
                } else if (fault == 3) {
                    memset(broken, 0, sizeof broken); /* singular */
                } else {
                    for (int64_t i = 0; i < 144; i++) {
                        broken[i] = 1; /* of rank one */
                    }
                }
                weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
                o.p = p;
                o.route = route;
                const weir_matrix a = columns_of(broken, WEIR_F64, n, n), bv = columns_of(b, WEIR_F64, n, 2);
                const weir_matrix zv = columns_of(z, WEIR_F64, n, 2);
                assert_int_equal(weir_solve_spd(ctx, &a, &bv, &zv, &o, NULL, NULL), fault == 2 ? WEIR_E_DATA : WEIR_E_NUMERIC);
                assert_memory_equal(z, keep, sizeof z);
                assert_true(weir_ctx_message(ctx)[0] != '\0');
            }
        }
    }
    weir_root_options o = WEIR_ROOT_OPTIONS_INIT;
    const weir_matrix a = columns_of(m->a, WEIR_F64, n, n), bv = columns_of(b, WEIR_F64, n, 2), zv = columns_of(z, WEIR_F64, n, 2);
    const weir_matrix thin = columns_of(z, WEIR_F64, n, 1);
    o.p = 9;
    assert_int_equal(weir_solve_spd(ctx, &a, &bv, &zv, &o, NULL, NULL), WEIR_E_ARG);
    o.p = 2;
    assert_int_equal(weir_solve_spd(ctx, &a, &bv, &thin, &o, NULL, NULL), WEIR_E_ARG);
    o.tolerance = -1;
    assert_int_equal(weir_solve_spd(ctx, &a, &bv, &zv, &o, NULL, NULL), WEIR_E_ARG);
    o.tolerance = 0;
    weir_precond_config pre = WEIR_PRECOND_CONFIG_INIT;
    o.precond = &pre;
    pre.mode = WEIR_PRECOND_JACOBI;
    assert_int_equal(weir_solve_spd(ctx, &a, &bv, &zv, &o, NULL, NULL), WEIR_E_ARG);
    pre.mode = WEIR_PRECOND_NONE;
    pre.ridge = -1;
    assert_int_equal(weir_solve_spd(ctx, &a, &bv, &zv, &o, NULL, NULL), WEIR_E_ARG);
    spd_free(m);
    weir_ctx_destroy(ctx);
}

static void test_empty_matrices(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double nothing[1] = { 3 };
    const weir_matrix none = columns_of(nothing, WEIR_F64, 0, 0), flat = columns_of(nothing, WEIR_F64, 0, 4);
    assert_int_equal(weir_solve_spd(ctx, &none, &flat, &flat, NULL, NULL, NULL), WEIR_OK);
    spd *m = spd_logarithmic(5, 10, 1);
    const weir_matrix a = columns_of(m->a, WEIR_F64, 5, 5), empty = columns_of(nothing, WEIR_F64, 5, 0);
    assert_int_equal(weir_solve_spd(ctx, &a, &empty, &empty, NULL, NULL, NULL), WEIR_OK);
    spd_free(m);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route),
        cmocka_unit_test(test_bounds_of_ill_conditioned_inverses),
        cmocka_unit_test(test_bounds_hold_in_double),
        cmocka_unit_test(test_bounds_hold_in_float),
        cmocka_unit_test(test_identities),
        cmocka_unit_test(test_workspaces),
        cmocka_unit_test(test_allocations_and_bytes),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_empty_matrices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
