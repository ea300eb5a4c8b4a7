/* SPDX-License-Identifier: Apache-2.0 */
/* Names of families, checks of responses, distribution functions, quantiles and random numbers. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "model/family.h"

static weir_ctx *ctx;

static void test_parse(void **state)
{
    (void)state;
    static const struct { const char *text; w_family_kind family; w_link_kind link; double param; bool estimate; } good[] = {
        { "gaussian", W_FAMILY_GAUSSIAN, W_LINK_IDENTITY, 0, false },
        { "Gamma", W_FAMILY_GAMMA, W_LINK_INVERSE, 0, false },
        { "gamma:log", W_FAMILY_GAMMA, W_LINK_LOG, 0, false },
        { "gamma(log)", W_FAMILY_GAMMA, W_LINK_LOG, 0, false },
        { "gamma( link = log )", W_FAMILY_GAMMA, W_LINK_LOG, 0, false },
        { "binomial:cloglog", W_FAMILY_BINOMIAL, W_LINK_CLOGLOG, 0, false },
        { "nb", W_FAMILY_NB, W_LINK_LOG, 1, true },
        { "nb:2.5", W_FAMILY_NB, W_LINK_LOG, 2.5, false },
        { "nb:2.5:sqrt", W_FAMILY_NB, W_LINK_SQRT, 2.5, false },
        { "nb(theta=2.5,link=log)", W_FAMILY_NB, W_LINK_LOG, 2.5, false },
        { "negbin(link=identity,theta=4)", W_FAMILY_NB, W_LINK_IDENTITY, 4, false },
        { "tweedie:1.5", W_FAMILY_TWEEDIE, W_LINK_LOG, 1.5, false },
        { "tw", W_FAMILY_TWEEDIE, W_LINK_LOG, 1.5, true },
        { "quasipoisson", W_FAMILY_QUASIPOISSON, W_LINK_LOG, 0, false },
        { "inverse.gaussian", W_FAMILY_INVERSE_GAUSSIAN, W_LINK_INVERSE_SQUARE, 0, false },
        { "inverse-gaussian:1/mu^2", W_FAMILY_INVERSE_GAUSSIAN, W_LINK_INVERSE_SQUARE, 0, false },
        { "gaussian:power(0.5)", W_FAMILY_GAUSSIAN, W_LINK_POWER, 0, false },
        { "gaussian:power(0)", W_FAMILY_GAUSSIAN, W_LINK_LOG, 0, false },
        { "scat:5:1.3", W_FAMILY_SCAT, W_LINK_IDENTITY, 5, false },
        { "scat(sigma=2)", W_FAMILY_SCAT, W_LINK_IDENTITY, 5, true },
        { "quasi(variance=mu^2,link=log)", W_FAMILY_QUASI, W_LINK_LOG, 0, false },
        { "quasi(link=logit,variance=mu(1-mu))", W_FAMILY_QUASI, W_LINK_LOGIT, 0, false },
        { "betar", W_FAMILY_BETA, W_LINK_LOGIT, 5, true },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        w_glm glm, again;
        if (w_family_parse(ctx, good[i].text, &glm) != WEIR_OK) {
            fail_msg("%s: %s", good[i].text, weir_ctx_message(ctx));
        }
        assert_int_equal(glm.family->kind, good[i].family);
        assert_int_equal(glm.link->kind, good[i].link);
        assert_true(glm.param[0] == good[i].param && glm.estimate[0] == good[i].estimate);
        /* The text of a family parses into the same. */
        char text[W_FAMILY_TEXT];
        w_family_text(&glm, text, sizeof text);
        assert_int_equal(w_family_parse(ctx, text, &again), WEIR_OK);
        assert_true(again.family == glm.family && again.link == glm.link && again.variance == glm.variance);
        assert_true(again.param[0] == glm.param[0] && again.param[1] == glm.param[1] && again.estimate[0] == glm.estimate[0]);
        assert_true(glm.link->kind != W_LINK_POWER || again.power == glm.power);
    }
}

static void test_parse_errors(void **state)
{
    (void)state;
    static const struct { const char *text, *says; } bad[] = {
        { "poison", "did you mean 'poisson'" }, { "weibull", "there are gaussian, binomial" }, { "", "unknown name" },
        { "gamma:lgo", "did you mean 'log'" }, { "gamma:", "nothing after ':'" }, { "gamma:logit", "does not serve gamma" },
        { "binomial:sqrt", "there are logit" }, { "nb:-1", "theta = -1 must be above 0" }, { "tweedie:2.5", "below 2" },
        { "tweedie:1.2:1.3", "takes 1 parameter" }, { "nb(teta=2)", "did you mean 'theta'" }, { "nb(theta=two)", "not a number" },
        { "nb(theta=2", "brackets" }, { "nb(,)", "empty argument" }, { "gamma:log:inverse", "two links" },
        { "poisson:2", "takes 0 parameters" }, { "quasi(variance=mu^4)", "unknown variance" },
        { "gamma(variance=mu)", "only quasi" }, { "gaussian:power(-1)", "must not be negative" }, { "gaussian:power", "power(NUMBER)" },
        { "scat:2", "above 2" }, { "nb:nan", "unknown link" }, { "quasi(variance=mu(1-mu),link=inverse)", "does not serve quasi" },
        { "gaussian((((((", "brackets" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        w_glm glm = { .power = 77 };
        w_message_clear(ctx); /* the first message is kept otherwise */
        assert_int_equal(w_family_parse(ctx, bad[i].text, &glm), WEIR_E_ARG);
        assert_true(glm.power == 77);
        if (!strstr(weir_ctx_message(ctx), bad[i].says)) {
            fail_msg("%s: '%s' lacks '%s'", bad[i].text, weir_ctx_message(ctx), bad[i].says);
        }
    }
}

static void test_long_text(void **state)
{
    (void)state;
    char text[500];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    w_glm glm;
    w_message_clear(ctx);
    assert_int_equal(w_family_parse(ctx, text, &glm), WEIR_E_ARG);
    assert_non_null(strstr(weir_ctx_message(ctx), "too long"));
}

static w_glm parse(const char *text)
{
    w_glm glm;
    if (w_family_parse(ctx, text, &glm) != WEIR_OK) {
        fail_msg("'%s' does not parse: %s", text, weir_ctx_message(ctx));
    }
    return glm;
}

static void test_check(void **state)
{
    (void)state;
    static const struct { const char *family; double y; bool ok; int fractional; } cases[] = {
        { "gaussian", -1e300, true, 0 }, { "gaussian", NAN, false, 0 }, { "gaussian", INFINITY, false, 0 },
        { "binomial", 0, true, 0 }, { "binomial", 1, true, 0 }, { "binomial", 0.5, true, 0 }, { "binomial", 0.3, true, 1 },
        { "binomial", 1.0000001, false, 0 }, { "binomial", -1e-9, false, 0 }, { "binomial", NAN, false, 0 },
        { "poisson", 0, true, 0 }, { "poisson", 2.5, true, 1 }, { "poisson", -1, false, 0 }, { "quasipoisson", 2.5, true, 0 },
        { "gamma", 0, false, 0 }, { "gamma", 1e-300, true, 0 }, { "inverse-gaussian", -1, false, 0 }, { "nb", 3, true, 0 },
        { "tweedie", 0, true, 0 }, { "tweedie", -0.1, false, 0 }, { "beta", 0, false, 0 }, { "beta", 1, false, 0 },
        { "beta", 0.999, true, 0 }, { "scat", -5, true, 0 }, { "quasi(variance=mu^2)", 0, false, 0 },
        { "quasi(variance=mu)", 0, true, 0 }, { "quasibinomial", 0.123, true, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        w_glm glm = parse(cases[i].family);
        double y[3] = { 0.5, NAN, cases[i].y }, prior[3] = { 2, 0, 2 };
        y[0] = glm.family->kind == W_FAMILY_POISSON || glm.family->kind == W_FAMILY_NB ? 1.0 : 0.5;
        int64_t fractional = 0;
        w_message_clear(ctx);
        weir_status status = w_family_check(ctx, &glm, "y", 3, y, prior, 1000, &fractional);
        if (status != (cases[i].ok ? WEIR_OK : WEIR_E_DATA)) {
            fail_msg("%s %g: status %d", cases[i].family, cases[i].y, status);
        }
        if (cases[i].ok) {
            assert_int_equal(fractional, cases[i].fractional);
        } else {
            assert_non_null(strstr(weir_ctx_message(ctx), "row 1002"));
            assert_non_null(strstr(weir_ctx_message(ctx), " takes "));
        }
    }
    w_glm glm = parse("poisson");
    const double y[2] = { 1, 1 }, negative[2] = { 1, -1 }, infinite[2] = { INFINITY, 1 };
    int64_t none = 0;
    assert_int_equal(w_family_check(ctx, &glm, "y", 2, y, negative, 0, &none), WEIR_E_DATA);
    assert_int_equal(w_family_check(ctx, &glm, "y", 2, y, infinite, 0, &none), WEIR_E_DATA);
    assert_int_equal(w_family_check(ctx, &glm, "y", 2, y, NULL, 0, &none), WEIR_OK);
}

static void test_cdf(void **state)
{
    (void)state;
    FILE *file = fopen(WEIR_SOURCE_DIR "/tests/reference/family/cdf.txt", "r");
    assert_non_null(file);
    while (fgetc(file) != '\n') {
    }
    char text[40];
    double y, mu, omega, phi, p;
    int rows = 0;
    while (fscanf(file, "%39s %lf %lf %lf %lf %lf", text, &y, &mu, &omega, &phi, &p) == 6) {
        w_glm glm = parse(text);
        double got = w_family_cdf(&glm, y, mu, omega, phi);
        if (!(fabs(got - p) <= 1e-12 * p + 1e-15)) {
            fail_msg("%s y %g: %.17g instead of %.17g", text, y, got, p);
        }
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, 30);
}

static const char *const every[] = { "gaussian", "binomial", "poisson", "gamma", "inverse-gaussian", "nb:2.5", "tweedie:1.5",
                                     "tweedie:1.1", "quasi", "quasi(variance=mu^2,link=log)", "quasi(variance=mu(1-mu),link=logit)",
                                     "quasipoisson", "quasibinomial", "scat:5:1.3", "beta:7" };
#define EVERY (sizeof every / sizeof *every)

static void setting(const w_glm *glm, double *mu, double *omega, double *phi)
{
    bool unit = glm->family->mu_high == 1.0 || glm->variance == W_VARIANCE_BINOMIAL;
    *mu = unit ? 0.3 : 4.2;
    *omega = glm->family->kind == W_FAMILY_BINOMIAL ? 40.0 : 2.0;
    *phi = glm->family->scale_known ? 1.0 : unit ? 0.1 : 0.6;
    if (glm->family->scale_known && glm->family->kind != W_FAMILY_BINOMIAL) {
        *omega = 1.0;
    }
}

static void test_quantiles(void **state)
{
    (void)state;
    for (size_t i = 0; i < EVERY; i++) {
        w_glm glm = parse(every[i]);
        double mu, omega, phi, before = -INFINITY;
        setting(&glm, &mu, &omega, &phi);
        for (double p = 1e-6; p < 1; p = p < 0.01 ? p * 10 : p + 0.07) {
            double q = w_family_quantile(&glm, p, mu, omega, phi), nudge = 1e-9 * (fabs(q) + 1e-3);
            bool reached = w_family_cdf(&glm, q + nudge, mu, omega, phi) >= p - 1e-12;
            bool least = q == 0.0 || w_family_cdf(&glm, q - nudge, mu, omega, phi) < p + 1e-12;
            if (!(reached && least && q >= before)) {
                fail_msg("%s: quantile %g at %g, P %.12g below and %.12g above", every[i], q, p,
                         w_family_cdf(&glm, q - nudge, mu, omega, phi), w_family_cdf(&glm, q + nudge, mu, omega, phi));
            }
            before = q;
        }
        assert_true(isnan(w_family_quantile(&glm, -0.1, mu, omega, phi)) && isnan(w_family_quantile(&glm, NAN, mu, omega, phi)));
    }
    w_glm poisson = parse("poisson");
    assert_true(w_family_quantile(&poisson, 0.975, 1e5, 1, 1) == 100620.0); /* 1e5 + 1.96 sqrt(1e5) + (1.96^2 - 1)/6, in whole */
    assert_true(w_family_quantile(&poisson, 0.5, 1e-9, 1, 1) == 0.0);
    w_glm tweedie = parse("tweedie:1.5");
    assert_true(w_family_quantile(&tweedie, 0.01, 0.5, 1, 1) == 0.0);
}

/* Mean, variance and distribution function at three points: within 5 standard errors. */
static void test_random(void **state)
{
    (void)state;
    enum { DRAWS = 40000 };
    for (size_t i = 0; i < EVERY; i++) {
        w_glm glm = parse(every[i]);
        double mu, omega, phi, v, v1, v2, sum = 0, square = 0, fourth = 0, below[3] = { 0 }, at[3];
        setting(&glm, &mu, &omega, &phi);
        glm.family->variance(&glm, 1, &mu, &v, &v1, &v2);
        v *= phi / omega;
        for (int k = 0; k < 3; k++) {
            at[k] = w_family_quantile(&glm, 0.2 + 0.3 * k, mu, omega, phi);
        }
        w_rng rng;
        w_rng_seed(&rng, 40 + i);
        for (int j = 0; j < DRAWS; j++) {
            double y = w_family_random(&glm, &rng, mu, omega, phi);
            sum += y - mu;
            square += (y - mu) * (y - mu);
            fourth += pow(y - mu, 4);
            for (int k = 0; k < 3; k++) {
                below[k] += y <= at[k] * (1 + 1e-12);
            }
        }
        sum /= DRAWS;
        square /= DRAWS;
        fourth /= DRAWS;
        if (!(fabs(sum) <= 5 * sqrt(v / DRAWS)) || !(fabs(square - v) <= 5 * sqrt((fourth - v * v) / DRAWS))) {
            fail_msg("%s: mean off by %g (se %g), variance %g instead of %g", every[i], sum, sqrt(v / DRAWS), square, v);
        }
        for (int k = 0; k < 3; k++) {
            double p = w_family_cdf(&glm, at[k], mu, omega, phi);
            if (!(fabs(below[k] / DRAWS - p) <= 5 * sqrt(p * (1 - p) / DRAWS) + 1e-9)) {
                fail_msg("%s: %g of the draws below %g, not %g", every[i], below[k] / DRAWS, at[k], p);
            }
        }
    }
    /* Large means take the recursive route. */
    w_rng rng;
    w_rng_seed(&rng, 9);
    w_glm poisson = parse("poisson"), binomial = parse("binomial");
    double sum = 0, events = 0;
    for (int j = 0; j < 5000; j++) {
        sum += w_family_random(&poisson, &rng, 1e6, 1, 1) - 1e6;
        events += w_family_random(&binomial, &rng, 0.123, 1e5, 1) - 0.123;
    }
    assert_true(fabs(sum / 5000) < 5 * 1000 / sqrt(5000));
    assert_true(fabs(events / 5000) < 5 * sqrt(0.123 * 0.877 / 1e5 / 5000));
}

/* Densities sum or integrate to the distribution function. */
static void test_density(void **state)
{
    (void)state;
    for (size_t i = 0; i < EVERY; i++) {
        w_glm glm = parse(every[i]);
        if (glm.family->quasi) {
            continue;
        }
        double mu, omega, phi;
        setting(&glm, &mu, &omega, &phi);
        if (glm.family->discrete) {
            double step = glm.family->kind == W_FAMILY_BINOMIAL ? 1 / omega : 1.0, sum = 0;
            for (int k = 0; k <= 15; k++) {
                sum += exp(w_family_log_density(&glm, k * step, mu, omega, phi));
                assert_true(fabs(sum - w_family_cdf(&glm, k * step, mu, omega, phi)) <= 1e-12);
            }
            continue;
        }
        /* Simpson's rule between two quantiles, error far below 1e-9 at 2000 points of smooth densities. */
        double low = w_family_quantile(&glm, 0.3, mu, omega, phi), high = w_family_quantile(&glm, 0.9, mu, omega, phi), sum = 0;
        for (int k = 0; k <= 2000; k++) {
            double f = exp(w_family_log_density(&glm, low + (high - low) * k / 2000, mu, omega, phi));
            sum += f * (k == 0 || k == 2000 ? 1 : k % 2 ? 4 : 2);
        }
        sum *= (high - low) / 6000;
        double wanted = w_family_cdf(&glm, high, mu, omega, phi) - w_family_cdf(&glm, low, mu, omega, phi);
        if (!(fabs(sum - wanted) <= 1e-9)) {
            fail_msg("%s: the density integrates to %.12g, not %.12g", every[i], sum, wanted);
        }
    }
}

static int setup(void **state)
{
    ctx = test_ctx(state, 1, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_ctx_destroy(ctx);
    return 0;
}

/* On both sides of where the sum over jumps gives way to the saddlepoint: at equal distances from the mean, in standard deviations,
 * the distribution functions differ by what the skewness changes, 1e-4 of 0.07 (t^2 - 1) phi(t), and by the saddlepoint's error,
 * 3e-5. */
static void test_tweedie_many_jumps(void **state)
{
    (void)state;
    static const double powers[] = { 1.05, 1.3, 1.5, 1.9, 1.95 };
    for (int i = 0; i < 5; i++) {
        w_glm glm;
        char text[32];
        snprintf(text, sizeof text, "tweedie:%g", powers[i]);
        assert_int_equal(w_family_parse(ctx, text, &glm), WEIR_OK);
        const double p = powers[i], mu = 3.0;
        double last = 0.0;
        for (double t = -4.0; t <= 4.01; t += 0.25) {
            double value[2];
            for (int side = 0; side < 2; side++) {
                double phi = pow(mu, 2.0 - p) / ((side ? 1000.1 : 999.9) * (2.0 - p));
                value[side] = w_family_cdf(&glm, mu + t * sqrt(phi * pow(mu, p)), mu, 1.0, phi);
            }
            if (!(fabs(value[1] - value[0]) < 5e-5 && value[1] > last)) {
                fail_msg("p %g t %g: %.10g and %.10g after %.10g", p, t, value[0], value[1], last);
            }
            last = value[1];
        }
        const double q = w_family_quantile(&glm, 0.975, mu, 1.0, 1e-12);
        assert_true(fabs((q - mu) / sqrt(1e-12 * pow(mu, p)) - 1.959963985) < 1e-4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse), cmocka_unit_test(test_parse_errors), cmocka_unit_test(test_long_text), cmocka_unit_test(test_check),
        cmocka_unit_test(test_cdf), cmocka_unit_test(test_quantiles), cmocka_unit_test(test_random),
        cmocka_unit_test(test_density), cmocka_unit_test(test_tweedie_many_jumps),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
