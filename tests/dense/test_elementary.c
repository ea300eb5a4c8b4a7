/* SPDX-License-Identifier: Apache-2.0 */
/* Elementary functions: error in units of the last place against the C library's long double, ends of the ranges, the same bits
 * from every instruction set, special functions against reference values and identities. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/rng.h"
#include "dense/elementary.h"

#define CHUNK 4096

typedef long double (*exact_fn)(long double x);

static long double exact_logistic(long double x) { return 1.0L / (1.0L + expl(-x)); }
static long double exact_softplus(long double x) { return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x)); }
static long double exact_normal(long double x) { return 0.5L * erfcl(-x * 0.70710678118654752440084436210485L); }
static long double exact_log_normal(long double x) { return x > 0 ? log1pl(-exact_normal(-x)) : logl(exact_normal(x)); }

/* log(1+e) - e and kappa = (1+e) log(1+e) - e by their series near 0, with terms -(-e)^k/k and (-e)^k/(k(k-1)). */
static long double exact_log1p_minus(long double e)
{
    if (fabsl(e) > 0.05L) {
        return log1pl(e) - e;
    }
    long double sum = 0.0L;
    for (int k = 16; k >= 2; k--) {
        sum = sum * e + (k % 2 ? 1.0L : -1.0L) / k;
    }
    return sum * e * e;
}

static long double exact_kappa(long double e)
{
    if (fabsl(e) > 0.05L) {
        return e == -1.0L ? 1.0L : (1.0L + e) * log1pl(e) - e;
    }
    long double sum = 0.0L;
    for (int k = 16; k >= 2; k--) {
        sum = sum * e + (k % 2 ? -1.0L : 1.0L) / (k * (k - 1));
    }
    return sum * e * e;
}

typedef struct function {
    const char *name;
    size_t offset;
    exact_fn exact;
    double low, high; /* points: uniform here, and ± 2^u over the whole range of exponents */
    double ulps;
} function;

#define F(f) offsetof(w_elementary, f)
static const function functions[] = {
    { "exp", F(exp), expl, -746.0, 710.0, 1.0 },
    { "expm1", F(expm1), expm1l, -40.0, 710.0, 2.0 },
    { "log", F(log), logl, 0.0, 4.0, 1.0 },
    { "log1p", F(log1p), log1pl, -1.0, 3.0, 1.5 },
    { "log1p_minus", F(log1p_minus), exact_log1p_minus, -1.0, 3.0, 16.0 },
    { "kappa", F(kappa), exact_kappa, -1.0, 3.0, 16.0 },
    { "logistic", F(logistic), exact_logistic, -745.0, 60.0, 3.0 },
    { "softplus", F(softplus), exact_softplus, -745.0, 60.0, 2.5 },
    { "normal", F(normal), exact_normal, -38.0, 9.0, 8.0 },
    { "log_normal", F(log_normal), exact_log_normal, -38.0, 9.0, 8.0 },
};
#define FUNCTIONS (sizeof functions / sizeof *functions)

static w_array_fn function_of(const w_elementary *table, size_t offset)
{
    w_array_fn fn;
    memcpy(&fn, (const char *)table + offset, sizeof fn);
    return fn;
}

/* A third of the points over all exponents, a third near 0 and 1, a third uniform in the range of interest. */
static double draw(w_rng *rng, const function *f)
{
    double u = w_rng_uniform(rng), sign = w_rng_uniform(rng) < 0.5 ? -1.0 : 1.0;
    switch (w_rng_below(rng, 3)) {
    case 0:
        return sign * ldexp(0.5 + 0.5 * u, (int)w_rng_below(rng, 2098) - 1073);
    case 1:
        return w_rng_below(rng, 2) ? sign * u : 1.0 + sign * ldexp(u, -(int)w_rng_below(rng, 52));
    default:
        return f->low + (f->high - f->low) * u;
    }
}

static double ulps(double got, long double exact)
{
    if (isnan(exact)) {
        return isnan(got) ? 0.0 : INFINITY;
    }
    double nearest = (double)exact;
    if (isinf(nearest) || isinf(got)) {
        /* Either side of the overflow threshold. */
        return nearest == got || (fabsl(exact) > 0.999999L * DBL_MAX && fabs(got) > 0.999999 * DBL_MAX) ? 0.0 : INFINITY;
    }
    int exponent;
    frexp(nearest, &exponent);
    int last = exponent - 53 < -1074 ? -1074 : exponent - 53;
    return (double)(fabsl(got - exact) / ldexpl(1.0L, last));
}

static void test_accuracy(void **state)
{
    (void)state;
    static double x[CHUNK], out[CHUNK];
    const w_elementary *table = w_elementary_find(w_isa_best());
    for (size_t k = 0; k < FUNCTIONS; k++) {
        const function *f = &functions[k];
        w_array_fn fn = function_of(table, f->offset);
        double worst = 0.0, at = 0.0;
        w_rng rng;
        w_rng_seed(&rng, 100 + k);
        int64_t chunks = k < 4 ? 610 : 40; /* 1e7 points of the first four */
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            for (int i = 0; i < CHUNK; i++) {
                x[i] = draw(&rng, f);
            }
            fn(CHUNK, x, out);
            for (int i = 0; i < CHUNK; i++) {
                double error = f->exact == exact_log_normal && x[i] < -106.0 ? 0.0 : ulps(out[i], f->exact(x[i]));
                if (!(error <= worst)) {
                    worst = error;
                    at = x[i];
                }
            }
        }
        print_message("%s: %.3f ulp at %a\n", f->name, worst, at);
        assert_true(worst <= f->ulps);
    }
}

static void expect(const w_elementary *t, size_t offset, double x, double value)
{
    double out;
    function_of(t, offset)(1, &x, &out);
    if (isnan(value) ? !isnan(out) : out != value || signbit(out) != signbit(value)) {
        fail_msg("%s: function %zu of %a is %a, not %a", t->name, offset / sizeof(w_array_fn), x, out, value);
    }
}

static void test_ends(void **state)
{
    (void)state;
    for (int isa = 0; isa < W_ISA_COUNT; isa++) {
        const w_elementary *t = w_elementary_find((w_isa)isa);
        if (!t) {
            continue;
        }
        for (size_t k = 0; k < FUNCTIONS; k++) {
            expect(t, functions[k].offset, NAN, NAN);
        }
        expect(t, F(exp), 0.0, 1.0);
        expect(t, F(exp), -0.0, 1.0);
        expect(t, F(exp), INFINITY, INFINITY);
        expect(t, F(exp), -INFINITY, 0.0);
        expect(t, F(exp), 709.782712893384, 0x1.fffffffffff2ap+1023);
        expect(t, F(exp), 709.7827128933841, INFINITY);
        expect(t, F(exp), -745.1332191019411, 0x1p-1074);
        expect(t, F(exp), -745.1332191019412, 0.0);
        expect(t, F(expm1), 0.0, 0.0);
        expect(t, F(expm1), -0.0, -0.0);
        expect(t, F(expm1), 0x1p-1074, 0x1p-1074);
        expect(t, F(expm1), INFINITY, INFINITY);
        expect(t, F(expm1), -INFINITY, -1.0);
        expect(t, F(log), 0.0, -INFINITY);
        expect(t, F(log), -0.0, -INFINITY);
        expect(t, F(log), 1.0, 0.0);
        expect(t, F(log), -1.0, NAN);
        expect(t, F(log), INFINITY, INFINITY);
        expect(t, F(log), -INFINITY, NAN);
        expect(t, F(log), 0x1p-1074, -0x1.74385446d71c3p+9);
        expect(t, F(log1p), 0.0, 0.0);
        expect(t, F(log1p), -0.0, -0.0);
        expect(t, F(log1p), -1.0, -INFINITY);
        expect(t, F(log1p), -1.5, NAN);
        expect(t, F(log1p), INFINITY, INFINITY);
        expect(t, F(log1p), 0x1p-1074, 0x1p-1074);
        expect(t, F(logistic), INFINITY, 1.0);
        expect(t, F(logistic), -INFINITY, 0.0);
        expect(t, F(softplus), INFINITY, INFINITY);
        expect(t, F(softplus), -INFINITY, 0.0);
        expect(t, F(normal), 0.0, 0.5);
        expect(t, F(normal), INFINITY, 1.0);
        expect(t, F(normal), -INFINITY, 0.0);
        expect(t, F(log_normal), -INFINITY, -INFINITY);
        expect(t, F(log_normal), INFINITY, -0.0);
        expect(t, F(lgamma), 0.0, INFINITY);
        expect(t, F(lgamma), INFINITY, INFINITY);
        expect(t, F(lgamma), -0.5, NAN);
        expect(t, F(digamma), 0.0, -INFINITY);
        expect(t, F(digamma), -2.0, NAN);
        expect(t, F(trigamma), 0.0, INFINITY);
        expect(t, F(trigamma), -2.0, NAN);
    }
}

/* Lengths and starts are such that every value is in a full vector once and in a tail once. */
static void test_same_bits(void **state)
{
    (void)state;
    enum { N = 20011, FUNCTIONS_ALL = 13 };
    static double x[N], best[N], other[N];
    w_rng rng;
    w_rng_seed(&rng, 7);
    const w_elementary *first = w_elementary_find(W_ISA_PORTABLE);
    for (size_t k = 0; k < FUNCTIONS_ALL; k++) {
        size_t offset = F(exp) + k * sizeof(w_array_fn);
        for (int i = 0; i < N; i++) {
            x[i] = i % 100 == 0 ? (double[]){ 0.0, -0.0, INFINITY, -INFINITY, NAN, DBL_MIN, 0x1p-1074, 1.0 }[i / 100 % 8]
                                : draw(&rng, &functions[k % FUNCTIONS]);
        }
        function_of(first, offset)(N, x, best);
        for (int isa = 1; isa < W_ISA_COUNT; isa++) {
            const w_elementary *t = w_elementary_find((w_isa)isa);
            for (int start = 0; t && start < 11; start += 5) {
                function_of(t, offset)(N - start, x + start, other);
                for (int i = 0; i < N - start; i++) {
                    if (memcmp(&other[i], &best[i + start], 8) != 0 && !(isnan(other[i]) && isnan(best[i + start]))) {
                        fail_msg("%s: function %zu of %a is %a, portable %a", t->name, k, x[i + start], other[i],
                                 best[i + start]);
                    }
                }
            }
        }
    }
}

/* Every number of harmonics around the buffer's, angles near and far, tails; bits of a row alone and of the portable table. */
static void test_harmonics(void **state)
{
    (void)state;
    enum { N = 1003, MOST = 17, STRIDE = 2 * MOST + 1 };
    static double angle[N], best[N * STRIDE], other[N * STRIDE];
    static const int count[] = { 1, 3, 7, 8, 9, 10, 16, 17 };
    w_rng rng;
    w_rng_seed(&rng, 11);
    for (int i = 0; i < N; i++) {
        const double scale = i % 4 == 0 ? 3.2 : i % 4 == 1 ? 1e3 : i % 4 == 2 ? 0x1p20 : 1e9;
        angle[i] = i < 40 ? (i - 20) * 0.78539816339744830962 : scale * (2.0 * w_rng_uniform(&rng) - 1.0);
    }
    for (size_t k = 0; k < sizeof count / sizeof *count; k++) {
        const int m = count[k];
        w_elementary_portable.harmonics(N, angle, m, best, STRIDE);
        for (int i = 0; i < N; i++) {
            const double *row = best + i * STRIDE;
            for (int j = 0; j < m; j++) {
                const long double x = (long double)angle[i] * (j + 1), bound = 2 * (j + 2) * DBL_EPSILON;
                assert_true(fabsl(row[j] - cosl(x)) <= bound);
                assert_true(fabsl(row[m + j] - sinl(x)) <= bound);
            }
            w_harmonics(1, angle + i, m, other, STRIDE);
            assert_memory_equal(other, row, 2 * (size_t)m * sizeof(double));
        }
        for (int isa = 1; isa < W_ISA_COUNT; isa++) {
            const w_elementary *t = w_elementary_find((w_isa)isa);
            for (int start = 0; t && start < 11; start += 5) {
                t->harmonics(N - start, angle + start, m, other, STRIDE);
                for (int i = 0; i < N - start; i++) {
                    assert_memory_equal(other + i * STRIDE, best + (i + start) * STRIDE, 2 * (size_t)m * sizeof(double));
                }
            }
        }
    }
    w_harmonics(1, (double[]){ INFINITY }, 2, other, STRIDE);
    assert_true(isnan(other[0]) && isnan(other[3]));
}

static FILE *reference(const char *name)
{
    char path[500];
    snprintf(path, sizeof path, "%s/tests/reference/family/%s", WEIR_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgetc(file) != '\n') {
    }
    return file;
}

static void test_gamma(void **state)
{
    (void)state;
    FILE *file = reference("gamma.txt");
    double x, value[4];
    int rows = 0;
    while (fscanf(file, "%lf %lf %lf %lf %lf", &x, &value[0], &value[1], &value[2], &value[3]) == 5) {
        assert_true(fabs(w_lgamma1(x) - value[0]) <= 40 * DBL_EPSILON * (1 + fabs(value[0])));
        assert_true(fabs(w_digamma1(x) - value[1]) <= 8 * DBL_EPSILON * (1 + fabs(value[1])));
        assert_true(fabs(w_trigamma1(x) - value[2]) <= 16 * DBL_EPSILON * value[2]);
        /* The remainder of Stirling's formula and its derivatives, from their definition. */
        double rest[3];
        w_stirling_rest(x, rest);
        double direct = (double)(lgammal(x) - ((x - 0.5L) * logl(x) - x + 0.91893853320467274178032973640562L));
        if (x < 1000.0) {
            assert_true(fabs(rest[0] - direct) <= 1e-14 * (1 + fabs(direct)));
            assert_true(fabs(rest[1] - (value[1] - log(x) + 0.5 / x)) <= 1e-14 * (1 + 1 / x));
            assert_true(fabs(rest[2] - (value[2] - 1 / x - 0.5 / (x * x))) <= 1e-14 * (1 + 1 / (x * x)));
        }
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, 11);
    w_rng rng;
    w_rng_seed(&rng, 3);
    for (int i = 0; i < 20000; i++) {
        double u = exp(40.0 * (w_rng_uniform(&rng) - 0.3));
        long double exact = lgammal(u);
        assert_true(fabs(w_lgamma1(u) - (double)exact) <= 40 * DBL_EPSILON * (1 + fabs((double)exact)));
        /* psi(x+1) = psi(x) + 1/x across the seam at 10 */
        assert_true(fabs(w_digamma1(u + 1) - w_digamma1(u) - 1 / u) <= 8 * DBL_EPSILON * (2 + log1p(u) + 1 / u));
    }
}

static void test_quantile(void **state)
{
    (void)state;
    FILE *file = reference("normal.txt");
    double p, q;
    int rows = 0;
    while (fscanf(file, "%lf %lf", &p, &q) == 2) {
        assert_true(fabs(w_normal_quantile(p) - q) <= 1e-14 * (1 + fabs(q)));
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, 8);
    for (double x = -37.0; x < 5.0; x += 0.37) {
        double back = w_normal_quantile(w_normal1(x));
        /* A relative error eps of p moves x by eps Phi/phi; above 0, of 1 - p by more. */
        double density = exp(-0.5 * x * x) / sqrt(2 * M_PI);
        double bound = 8 * DBL_EPSILON * fmax(1.0, x > 0 ? 1 / density : 1.0) + 2e-14 * (1 + fabs(x));
        assert_true(fabs(back - x) <= bound);
    }
    assert_true(isnan(w_normal_quantile(-0.1)) && isnan(w_normal_quantile(1.1)) && isnan(w_normal_quantile(NAN)));
    assert_true(w_normal_quantile(0.0) == -INFINITY && w_normal_quantile(1.0) == INFINITY && w_normal_quantile(0.5) == 0.0);
}

static void test_log1p_minus(void **state)
{
    (void)state;
    w_rng rng;
    w_rng_seed(&rng, 11);
    for (int i = 0; i < 100000; i++) {
        double e = i % 2 ? ldexp(w_rng_uniform(&rng), -(int)w_rng_below(&rng, 40)) : -0.999 * w_rng_uniform(&rng);
        long double exact = 0.0L;
        if (fabs(e) < 0.01) {
            for (int k = 24; k >= 2; k--) {
                exact = (long double)e * (exact + (k % 2 ? 1.0L : -1.0L) / k);
            }
            exact *= e;
        } else {
            exact = log1pl(e) - (long double)e;
        }
        assert_true(fabsl(w_log1p_minus(e) - exact) <= 6 * DBL_EPSILON * fabsl(exact));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accuracy), cmocka_unit_test(test_ends), cmocka_unit_test(test_same_bits), cmocka_unit_test(test_harmonics),
        cmocka_unit_test(test_gamma), cmocka_unit_test(test_quantile), cmocka_unit_test(test_log1p_minus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
