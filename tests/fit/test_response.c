/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the mean under each link, also where the linear predictor leaves what the link takes; quantiles and limits beside
 * R's functions (tests/reference/glm/quantiles.R). */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fit/response.h"

static weir_ctx *ctx;

static w_glm family(const char *text)
{
    w_glm glm;
    if (w_family_parse(ctx, text, &glm) != WEIR_OK) {
        fail_msg("%s: %s", text, weir_ctx_message(ctx));
    }
    return glm;
}

static void limits(const char *text, double lower, double upper, double want_lower, double want_upper)
{
    w_glm glm = family(text);
    double a[1] = { lower }, b[1] = { upper };
    w_response_limits(&glm, 1, a, b);
    /* one exp or division and one rounding of eta: a few eps */
    if (!(a[0] == want_lower || fabs(a[0] - want_lower) <= 8e-16 * fabs(want_lower)) ||
        !(b[0] == want_upper || fabs(b[0] - want_upper) <= 8e-16 * fabs(want_upper))) {
        fail_msg("%s at (%g, %g): (%.17g, %.17g), wanted (%.17g, %.17g)", text, lower, upper, a[0], b[0], want_lower, want_upper);
    }
}

static void test_limits(void **state)
{
    (void)state;
    limits("poisson", -1.0, 2.0, exp(-1.0), exp(2.0));
    limits("binomial", -1.0, 2.0, 1.0 / (1.0 + exp(1.0)), 1.0 / (1.0 + exp(-2.0)));
    limits("gamma", 0.25, 0.5, 2.0, 4.0);                 /* falling: swapped */
    limits("gamma", -0.1, 0.5, 2.0, INFINITY);
    limits("inverse-gaussian", 0.25, 4.0, 0.5, 2.0);
    limits("inverse-gaussian", -0.25, 4.0, 0.5, INFINITY);
    limits("poisson:sqrt", -0.5, 2.0, 0.0, 4.0);
    limits("poisson:identity", -0.5, 2.0, 0.0, 2.0);
    limits("binomial:identity", -0.5, 1.5, 0.0, 1.0);
    limits("binomial:log", -1.0, 0.5, exp(-1.0), 1.0);
    limits("gaussian", -0.5, 2.0, -0.5, 2.0);
}

static void test_missing_stays_missing(void **state)
{
    (void)state;
    static const char *const name[] = { "poisson", "gamma", "inverse-gaussian", "poisson:sqrt", "binomial:identity" };
    for (int i = 0; i < 5; i++) {
        w_glm glm = family(name[i]);
        double a = NAN, b = NAN, mu = NAN, slope, quantile;
        w_response_limits(&glm, 1, &a, &b);
        w_response_mean(&glm, 1, &mu, &mu, &slope);
        w_response_quantiles(&glm, 1, &mu, 1.0, 0.5, &quantile);
        assert_true(isnan(a) && isnan(b) && isnan(mu) && isnan(slope) && isnan(quantile));
    }
    w_glm poisson = family("poisson:identity");
    double mu = -0.5, quantile;
    w_response_quantiles(&poisson, 1, &mu, 1.0, 0.5, &quantile);
    assert_true(isnan(quantile));
}

/* The slope is the derivative of the mean: central differences of step h leave h^2 m'''/6 and eps/h. */
static void test_slope(void **state)
{
    (void)state;
    static const char *const name[] = { "poisson", "binomial", "binomial:probit", "binomial:cloglog", "binomial:cauchit", "gamma",
                                        "inverse-gaussian", "poisson:sqrt", "gaussian:power(0.5)" };
    const double h = 1e-5;
    for (int i = 0; i < 9; i++) {
        w_glm glm = family(name[i]);
        for (double eta = 0.3; eta < 2.0; eta += 0.4) {
            double low = eta - h, high = eta + h, mu, slope;
            w_response_mean(&glm, 1, &low, &low, NULL);
            w_response_mean(&glm, 1, &high, &high, NULL);
            w_response_mean(&glm, 1, &eta, &mu, &slope);
            assert_true(fabs(fabs(high - low) / (2.0 * h) - slope) < 1e-6 * (1.0 + slope));
        }
    }
}

/* Chunks do not show: a long run gives what single rows give. */
static void test_length(void **state)
{
    (void)state;
    enum { N = 1000 };
    double eta[N], mu[N], slope[N];
    w_glm glm = family("nb(theta=2)");
    for (int i = 0; i < N; i++) {
        eta[i] = -3.0 + 0.007 * i;
    }
    w_response_mean(&glm, N, eta, mu, slope);
    for (int i = 0; i < N; i++) {
        double m, s;
        w_response_mean(&glm, 1, &eta[i], &m, &s);
        assert_true(m == mu[i] && s == slope[i]);
    }
}

/* Counts exactly, shares of trials but for the rounding of a quotient. Others 1e-9: the distribution function, good to 1e-13,
 * over a density that falls to a thousandth of a probability at the ends; the middle of Student's distribution comes from
 * 1 - x^2 and keeps half the digits, quantiles of shares are found to 1e-17. Limits: a few eps of each function. */
static bool agrees(const char *text, double got, double want)
{
    double off = fabs(got - want), share = !strncmp(text, "beta", 4) ? 1e-17 : 0.0, middle = !strncmp(text, "scat", 4) ? 3e-8 : 0.0;
    if (!strncmp(text, "poisson", 7) || !strncmp(text, "nb", 2) || !strncmp(text, "binomial", 8)) {
        return off <= (!strncmp(text, "binomial", 8) ? 2.3e-16 : 0.0) * fabs(want);
    }
    return off <= 1e-9 * fabs(want) + share + middle;
}

static void test_beside_r(void **state)
{
    (void)state;
    char line[256], text[64];
    double p, mu, omega, phi, want, low, high, want_low, want_high;
    int quantiles = 0, pairs = 0;
    FILE *file = fopen(WEIR_SOURCE_DIR "/tests/reference/glm/quantiles.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "quantile %63s %lf %lf %lf %lf %lf", text, &p, &mu, &omega, &phi, &want) == 6) {
            w_glm glm = family(text);
            double got = w_family_quantile(&glm, p, mu, omega, phi), one;
            if (!agrees(text, got, want)) {
                fail_msg("%s: quantile %.17g, wanted %.17g", line, got, want);
            }
            if (omega == 1.0) {
                w_response_quantiles(&glm, 1, &mu, phi, p, &one);
                assert_true(one == got);
            }
            quantiles++;
        } else if (sscanf(line, "limits %63s %lf %lf %lf %lf", text, &low, &high, &want_low, &want_high) == 5) {
            w_glm glm = family(text);
            w_response_limits(&glm, 1, &low, &high);
            if (!(fabs(low - want_low) <= 4e-15 * fabs(want_low) && fabs(high - want_high) <= 4e-15 * fabs(want_high))) {
                fail_msg("%s: limits (%.17g, %.17g)", line, low, high);
            }
            pairs++;
        }
    }
    fclose(file);
    assert_int_equal(quantiles, 637);
    assert_int_equal(pairs, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside_r),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_missing_stays_missing),
        cmocka_unit_test(test_slope),
        cmocka_unit_test(test_length),
    };
    ctx = test_ctx(NULL, 1, 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    weir_ctx_destroy(ctx);
    return failed;
}
