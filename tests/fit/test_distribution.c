/* SPDX-License-Identifier: Apache-2.0 */
/* Tails and quantiles against R (tests/reference/fit/distribution.txt) and mixtures against closed forms. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>

#include "fit/distribution.h"

#define assert_relative(actual, expected, tolerance)                                                                   \
    do {                                                                                                               \
        const double relative_a = (actual), relative_e = (expected);                                                   \
        if (!(fabs(relative_a - relative_e) <= (tolerance) * fabs(relative_e))) {                                      \
            fail_msg("line %d: %s = %.17g, expected %.17g (%.2g relative)", __LINE__, #actual, relative_a, relative_e,    \
                     relative_a / relative_e - 1.0);                                                                   \
        }                                                                                                              \
    } while (0)

static void test_against_r(void **state)
{
    (void)state;
    FILE *stream = fopen(WEIR_SOURCE_DIR "/tests/reference/fit/distribution.txt", "r");
    int kind, rows = 0;
    double a, b, c, value;
    assert_non_null(stream);
    while (fscanf(stream, "%d %lf %lf %lf %lf", &kind, &a, &b, &c, &value) == 5) {
        const double mine = kind == 0   ? w_chi_square_tail(a, b)
                            : kind == 1 ? w_f_tail(a, b, c)
                            : kind == 2 ? w_t_two_sided(a, b)
                            : kind == 3 ? w_normal_quantile(a)
                                        : w_t_quantile(a, b);
        if (!(fabs(mine - value) <= 1e-11 * fabs(value) + 1e-300)) {
            fail_msg("kind %d at (%.17g, %.17g, %.17g): %.17g, R has %.17g", kind, a, b, c, mine, value);
        }
        rows++;
    }
    fclose(stream);
    assert_int_equal(rows, 191);
}

static void test_edges(void **state)
{
    (void)state;
    assert_true(w_chi_square_tail(-1.0, 3.0) == 1.0 && w_chi_square_tail(INFINITY, 3.0) == 0.0);
    assert_true(w_f_tail(0.0, 3.0, 4.0) == 1.0 && w_f_tail(INFINITY, 3.0, 4.0) == 0.0);
    assert_true(w_t_two_sided(0.0, 4.0) == 1.0 && w_t_two_sided(INFINITY, 4.0) == 0.0);
    assert_true(isinf(w_normal_quantile(0.0)) && isinf(w_t_quantile(1.0, 3.0)) && isnan(w_normal_quantile(1.5)));
    assert_true(isnan(w_chi_square_tail(NAN, 1.0)) && isnan(w_f_tail(1.0, -1.0, 2.0)) && isnan(w_t_two_sided(NAN, 2.0)));
    assert_relative(w_f_tail(2.0, 3.0, INFINITY), w_chi_square_tail(6.0, 3.0), 1e-14);
    assert_relative(w_t_two_sided(1.3, INFINITY), 2.0 * w_normal_cdf(-1.3), 1e-14);
}

/* Equal weights: a chi-squared; a negative weight: an F; two and two degrees: exponentials. */
static void test_mixture_closed_forms(void **state)
{
    (void)state;
    for (int count = 1; count <= 9; count += 2) {
        double weight[9], df[9], ratio[10], freedom[10];
        for (int j = 0; j < count; j++) {
            weight[j] = 0.7;
            df[j] = ratio[j] = freedom[j] = 1.0;
        }
        for (double q = 0.01; q < 500.0; q *= 2.7) {
            assert_relative(w_chi_square_mixture_tail(NULL, count, weight, df, q), w_chi_square_tail(q / 0.7, count), 1e-10);
            for (double m = 1.0; m < 1e7; m *= 30.0) {
                ratio[count] = -q / m;
                freedom[count] = m;
                assert_relative(w_chi_square_mixture_tail(NULL, count + 1, ratio, freedom, 0.0),
                                w_f_tail(q / count, count, m), 1e-9);
            }
        }
    }
    const double weight[2] = { 2.0, -3.0 }, df[2] = { 2.0, 2.0 }; /* 4 E - 6 E' */
    for (double q = 0.1; q < 300.0; q *= 3.0) {
        assert_relative(w_chi_square_mixture_tail(NULL, 2, weight, df, q), 0.4 * exp(-q / 4.0), 1e-10);
        assert_relative(w_chi_square_mixture_tail(NULL, 2, weight, df, -q), 1.0 - 0.6 * exp(-q / 6.0), 1e-10);
    }
    const double lower[2] = { 0.1, -4.0 }; /* 0.2 E - 8 E': a tail above a negative bound far above the mean is small */
    assert_relative(w_chi_square_mixture_tail(NULL, 2, lower, df, -1e-12), 0.2 / 8.2, 1e-9);
    const double many[1] = { 400.0 };
    assert_relative(w_chi_square_mixture_tail(NULL, 1, (const double[1]){ -1.0 }, many, -100.0),
                    w_gamma_ratio(200.0, 50.0, false), 1e-10);
    const double pair[2] = { 5.0, 1.0 }; /* 10 E + 2 E': (5 e^-q/10 - e^-q/2) / 4 */
    for (double q = 0.01; q < 1000.0; q *= 3.0) {
        assert_relative(w_chi_square_mixture_tail(NULL, 2, pair, df, q), (5.0 * exp(-q / 10.0) - exp(-q / 2.0)) / 4.0, 1e-10);
    }
}

static void test_mixture_edges(void **state)
{
    (void)state;
    const double weight[2] = { 1.0, 2.0 }, minus[2] = { -1.0, -2.0 }, df[2] = { 1.0, 1.0 };
    assert_true(w_chi_square_mixture_tail(NULL, 2, weight, df, 0.0) == 1.0);
    assert_true(w_chi_square_mixture_tail(NULL, 2, weight, df, -3.0) == 1.0);
    assert_true(w_chi_square_mixture_tail(NULL, 2, weight, df, INFINITY) == 0.0);
    assert_true(w_chi_square_mixture_tail(NULL, 2, minus, df, 0.0) == 0.0);
    assert_relative(w_chi_square_mixture_tail(NULL, 2, minus, df, -4.0), 1.0 - w_chi_square_mixture_tail(NULL, 2, weight, df, 4.0),
                    1e-12);
    assert_true(isnan(w_chi_square_mixture_tail(NULL, 2, weight, df, NAN)));
    const double broken[2] = { NAN, 1.0 };
    assert_true(isnan(w_chi_square_mixture_tail(NULL, 2, broken, df, 1.0)));
}

/* Liu's approximation keeps the first moments: close but for small q, exact for one weight. */
static void test_liu(void **state)
{
    (void)state;
    const double weight[4] = { 6.0, 3.0, 1.0, 0.3 }, df[4] = { 1.0, 1.0, 2.0, 1.0 }, same[3] = { 2.0, 2.0, 2.0 };
    for (double q = 9.0; q < 60.0; q += 7.0) { /* near 0 the matched variable is cut off */
        assert_true(fabs(w_chi_square_mixture_liu(4, weight, df, q) - w_chi_square_mixture_tail(NULL, 4, weight, df, q)) < 2e-2);
        assert_relative(w_chi_square_mixture_liu(3, same, df, q), w_chi_square_tail(q / 2.0, 4.0), 1e-9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_r), cmocka_unit_test(test_edges), cmocka_unit_test(test_mixture_closed_forms),
        cmocka_unit_test(test_mixture_edges), cmocka_unit_test(test_liu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
