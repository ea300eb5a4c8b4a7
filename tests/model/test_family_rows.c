/* SPDX-License-Identifier: Apache-2.0 */
/* The row kernels: working weights and responses against differences of the deviance for every family and link, fused loops
 * against the general ones, the same bits from every instruction set, edges. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "model/family.h"

enum { N = 1003 };

typedef struct data {
    double eta[N], y[N], prior[N], offset[N];
} data;

typedef struct result {
    double mu[N], w[N], z[N], dev[N], dw[N];
    w_glm_total total;
} result;

static weir_ctx *ctx;
static data in;
static result out, other;

static const char *const texts[] = {
    "gaussian", "gaussian:log", "gaussian:inverse", "gaussian:sqrt", "binomial", "binomial:probit", "binomial:cloglog",
    "binomial:cauchit", "binomial:log", "poisson", "poisson:identity", "poisson:sqrt", "gamma", "gamma:log", "gamma:identity",
    "inverse-gaussian", "inverse-gaussian:log", "inverse-gaussian:inverse", "nb:2.5", "nb:0.3:sqrt", "nb:7:identity", "tweedie:1.5",
    "tweedie:1.05", "tweedie:1.9", "tweedie:1.4:power(0.5)", "tweedie:1.6:identity", "quasi", "quasi(variance=mu,link=log)",
    "quasi(variance=mu^2,link=log)", "quasi(variance=mu^3,link=log)", "quasi(variance=mu(1-mu),link=logit)",
    "quasipoisson", "quasibinomial", "scat:5:1.3", "scat:4:0.7:log", "beta:7", "beta:3:probit", "gamma:power(0.3)",
};
#define TEXTS (sizeof texts / sizeof *texts)

static w_glm parse(const char *text)
{
    w_glm glm;
    if (w_family_parse(ctx, text, &glm) != WEIR_OK) {
        fail_msg("'%s' does not parse: %s", text, weir_ctx_message(ctx));
    }
    return glm;
}

/* Means and responses in the range of the family, eta in that of the link. */
static void fill(const w_glm *glm, uint64_t seed)
{
    w_rng rng;
    w_rng_seed(&rng, seed);
    bool unit = glm->link->mu_high == 1.0 || glm->family->mu_high == 1.0 || glm->variance == W_VARIANCE_BINOMIAL;
    bool positive = glm->link->mu_low == 0.0 || glm->family->mu_low == 0.0 || glm->link->kind == W_LINK_INVERSE;
    for (int i = 0; i < N; i++) {
        double mu = unit ? 0.05 + 0.9 * w_rng_uniform(&rng) : positive ? exp(3 * w_rng_uniform(&rng) - 1) : w_rng_normal(&rng);
        in.eta[i] = glm->link->link(glm->power, mu);
        in.prior[i] = i % 17 == 5 ? 0.0 : 0.5 + floor(4 * w_rng_uniform(&rng));
        in.offset[i] = w_rng_normal(&rng);
        double y = unit ? w_rng_uniform(&rng) : positive ? mu * exp(w_rng_normal(&rng)) : mu + w_rng_normal(&rng);
        if (glm->family->discrete && !unit) {
            y = floor(y);
        }
        if (unit && glm->family->kind != W_FAMILY_BETA && i % 3 != 0) {
            y = i % 3 == 1;
        }
        in.y[i] = glm->family->kind == W_FAMILY_TWEEDIE && i % 4 == 0 ? 0.0 : y;
    }
}

static void run(w_isa isa, const w_glm *glm, int64_t rows, bool newton, bool plain, result *to)
{
    w_glm_rows r = { .rows = rows, .eta = in.eta, .y = in.y, .prior = plain ? NULL : in.prior, .offset = plain ? NULL : in.offset,
                     .newton = newton, .mu = to->mu, .w = to->w, .z = to->z, .dev = to->dev, .dw = to->dw };
    w_family_rows_isa(isa, glm, &r, &to->total);
}

static double deviance(const w_glm *glm, double eta, double y)
{
    double mu, w, z, dev;
    w_glm_total total;
    w_glm_rows r = { .rows = 1, .eta = &eta, .y = &y, .mu = &mu, .w = &w, .z = &z, .dev = &dev };
    w_family_rows(glm, &r, &total);
    return dev;
}

/* w (z - eta) = -D'/2, w = D''/2, dw = D'''/2 by differences in eta, Richardson's of first order; z and dw exact in w. */
static void test_derivatives(void **state)
{
    (void)state;
    for (size_t t = 0; t < TEXTS; t++) {
        w_glm glm = parse(texts[t]);
        fill(&glm, 50 + t);
        static result side[4];
        static double eta[N];
        memcpy(eta, in.eta, sizeof eta);
        double h = 1e-4;
        run(w_isa_best(), &glm, N, false, true, &other);
        run(w_isa_best(), &glm, N, true, true, &out);
        const double step[4] = { -h, h, -h / 2, h / 2 };
        for (int k = 0; k < 4; k++) {
            for (int i = 0; i < N; i++) {
                in.eta[i] = eta[i] * (1 + step[k]) + (fabs(eta[i]) < 0.01 ? step[k] : 0);
            }
            run(w_isa_best(), &glm, N, true, true, &side[k]);
        }
        assert_int_equal(out.total.invalid, 0);
        for (int i = 0; i < N; i++) {
            double wide = 2 * h * (fabs(eta[i]) < 0.01 ? 1 + eta[i] : eta[i]), slope = out.w[i] * (out.z[i] - eta[i]);
            double d[3];
            for (int q = 0; q < 3; q++) {
                double a[4];
                for (int k = 0; k < 4; k++) {
                    double at = eta[i] * (1 + step[k]) + (fabs(eta[i]) < 0.01 ? step[k] : 0);
                    a[k] = q == 0 ? side[k].dev[i] : q == 1 ? side[k].w[i] * (side[k].z[i] - at) : side[k].w[i];
                }
                d[q] = (4 * (a[3] - a[2]) / (wide / 2) - (a[1] - a[0]) / wide) / 3;
            }
            double size = (fabs(out.dev[i]) + 1) / fabs(wide) * 1e-14;
            double s1 = fabs(slope) + out.w[i] * fabs(eta[i]);
            bool flat = fabs(out.w[i]) <= 1.001e-8 * other.w[i]; /* D linear in eta: w is the least allowed */
            if (!(fabs(d[0] + 2 * slope) <= 1e-6 * fabs(slope) + 1e-7 * s1 + 10 * size) ||
                !(flat || fabs(d[1] + out.w[i]) <= 1e-6 * fabs(out.w[i]) + 1e-7 * s1 + 10 * size) ||
                !(flat || fabs(d[2] - out.dw[i]) <= 1e-6 * fabs(out.dw[i]) + 1e-7 * fabs(out.w[i]) + 10 * size)) {
                fail_msg("%s row %d (eta %g, y %g): D' %g and %g, D''/2 %g and %g, D'''/2 %g and %g", texts[t], i, eta[i],
                         in.y[i], d[0], -2 * slope, -d[1], out.w[i], d[2], out.dw[i]);
            }
        }
    }
}

/* Fisher weights: the same score, positive weights, the derivative of the weight by differences, and for canonical links
 * those of Newton. */
static void test_fisher(void **state)
{
    (void)state;
    for (size_t t = 0; t < TEXTS; t++) {
        w_glm glm = parse(texts[t]);
        fill(&glm, 80 + t);
        run(w_isa_best(), &glm, N, true, false, &other);
        run(w_isa_best(), &glm, N, false, false, &out);
        w_link_kind link = glm.link->kind;
        w_family_kind kind = glm.family->kind;
        bool canonical = (kind == W_FAMILY_GAUSSIAN && link == W_LINK_IDENTITY) ||
                         (kind == W_FAMILY_BINOMIAL && link == W_LINK_LOGIT) ||
                         (kind == W_FAMILY_POISSON && link == W_LINK_LOG) || (kind == W_FAMILY_GAMMA && link == W_LINK_INVERSE);
        for (int i = 0; i < N; i++) {
            double base = in.eta[i] - in.offset[i], score = other.w[i] * (other.z[i] - base);
            assert_true(in.prior[i] > 0 ? out.w[i] > 0 : out.w[i] == 0 && out.dev[i] == 0 && out.dw[i] == 0 && out.z[i] == base);
            if (fabs(out.w[i] * (out.z[i] - base) - score) > 1e-10 * (fabs(score) + out.w[i] * (1 + fabs(base)))) {
                fail_msg("%s row %d: scores %g and %g", texts[t], i, out.w[i] * (out.z[i] - base), score);
            }
            if (canonical) {
                assert_true(fabs(out.w[i] - other.w[i]) <= 1e-12 * out.w[i] && fabs(out.dw[i] - other.dw[i]) <= 1e-11 * out.w[i]);
            }
        }
        double eta[N], h = 1e-5;
        memcpy(eta, in.eta, sizeof eta);
        memcpy(other.dw, out.dw, sizeof out.dw);
        for (int i = 0; i < N; i++) {
            in.eta[i] = eta[i] * (1 + h);
        }
        run(w_isa_best(), &glm, N, false, false, &out);
        memcpy(other.w, out.w, sizeof out.w);
        for (int i = 0; i < N; i++) {
            in.eta[i] = eta[i] * (1 - h);
        }
        run(w_isa_best(), &glm, N, false, false, &out);
        for (int i = 0; i < N; i++) {
            double wide = 2 * h * eta[i];
            double slope = (other.w[i] - out.w[i]) / wide;
            double bound = 1e-5 * (fabs(other.dw[i]) + out.w[i]) + 1e-13 * out.w[i] / fabs(wide);
            if (fabs(eta[i]) > 1e-3 && !(fabs(slope - other.dw[i]) <= bound)) {
                fail_msg("%s row %d: dw %g, by difference %g", texts[t], i, other.dw[i], slope);
            }
        }
    }
}

/* A fused family through the general loops: quasi with the same variance, or a power link that is not folded into log. */
static void test_fused_against_general(void **state)
{
    (void)state;
    const char *const fused[] = { "gaussian", "poisson", "binomial", "gamma:log" };
    const char *const general[] = { "quasi", "quasi(variance=mu,link=log)", "quasi(variance=mu(1-mu),link=logit)",
                                    "quasi(variance=mu^2,link=log)" };
    for (int t = 0; t < 4; t++) {
        for (int newton = 0; newton < 2; newton++) {
            w_glm a = parse(fused[t]), b = parse(general[t]);
            fill(&a, 90 + (uint64_t)t);
            run(w_isa_best(), &a, N, newton, false, &out);
            run(w_isa_best(), &b, N, newton, false, &other);
            for (int i = 0; i < N; i++) {
                double w = out.w[i];
                assert_true(fabs(out.mu[i] - other.mu[i]) <= 4 * DBL_EPSILON * fabs(out.mu[i]));
                assert_true(fabs(w - other.w[i]) <= 1e-13 * w && fabs(out.z[i] - other.z[i]) <= 1e-12 * (1 + fabs(out.z[i])));
                assert_true(fabs(out.dw[i] - other.dw[i]) <= 1e-12 * (w + fabs(out.dw[i])));
                assert_true(fabs(out.dev[i] - other.dev[i]) <= 1e-12 * out.dev[i] + 4e-15 * in.prior[i]);
            }
            assert_true(fabs(out.total.deviance - other.total.deviance) <= 1e-12 * out.total.deviance);
        }
    }
    /* nb and tweedie: their own deviance arrays. */
    const char *const own[] = { "nb:2.5", "nb:1000", "tweedie:1.05", "tweedie:1.5", "tweedie:1.95" };
    for (int t = 0; t < 5; t++) {
        w_glm glm = parse(own[t]);
        fill(&glm, 120 + (uint64_t)t);
        run(w_isa_best(), &glm, N, true, true, &out);
        for (int i = 0; i < N; i++) {
            double d;
            glm.family->deviance(w_elementary_find(w_isa_best()), &glm, 1, &in.y[i], &out.mu[i], &d);
            assert_true(fabs(d - out.dev[i]) <= 1e-11 * d + 1e-13);
        }
    }
}

static void test_same_bits(void **state)
{
    (void)state;
    static const int64_t lengths[] = { 1, 7, 8, 9, 255, 256, 257, 1003 };
    for (size_t t = 0; t < TEXTS; t++) {
        w_glm glm = parse(texts[t]);
        fill(&glm, 10 + t);
        in.eta[3] = 1e5;
        in.eta[4] = -1e5;
        in.eta[6] = NAN;
        for (size_t l = 0; l < 8; l++) {
            for (int mode = 0; mode < 4; mode++) {
                memset(&out, 0, sizeof out);
                run(W_ISA_PORTABLE, &glm, lengths[l], mode & 1, mode & 2, &out);
                for (int isa = 1; isa < W_ISA_COUNT; isa++) {
                    if (!w_elementary_find((w_isa)isa)) {
                        continue;
                    }
                    memset(&other, 0, sizeof other);
                    run((w_isa)isa, &glm, lengths[l], mode & 1, mode & 2, &other);
                    out.mu[6] = other.mu[6] = 0; /* NaN apart from its payload */
                    for (int i = 0; i < N; i++) {
                        other.mu[i] = isnan(other.mu[i]) && isnan(out.mu[i]) ? out.mu[i] : other.mu[i];
                    }
                    if (memcmp(&out, &other, sizeof out) != 0) {
                        fail_msg("%s: %s differs from portable at %lld rows", texts[t], w_elementary_find((w_isa)isa)->name,
                                 (long long)lengths[l]);
                    }
                }
            }
        }
    }
}

/* The sum has one order, whatever arrays are asked for. */
static void test_sum_and_options(void **state)
{
    (void)state;
    w_glm glm = parse("poisson");
    fill(&glm, 5);
    run(w_isa_best(), &glm, N, true, false, &out);
    double z[N], w[N], mu[N];
    memcpy(z, in.y, sizeof z);
    memcpy(w, in.prior, sizeof w);
    w_glm_total total;
    w_glm_rows r = { .rows = N, .eta = in.eta, .y = z, .prior = w, .offset = in.offset, .mu = mu, .w = w, .z = z };
    w_family_rows(&glm, &r, &total); /* in place */
    assert_memory_equal(z, out.z, sizeof z);
    assert_memory_equal(w, out.w, sizeof w);
    assert_true(total.deviance == out.total.deviance);
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += out.dev[i];
    }
    assert_true(fabs(sum - total.deviance) <= 1e-14 * sum);
}

/* Rows that do not count may hold anything; invalid ones are counted and taken out. */
static void test_edges(void **state)
{
    (void)state;
    for (size_t t = 0; t < TEXTS; t++) {
        w_glm glm = parse(texts[t]);
        fill(&glm, 20 + t);
        in.y[5] = NAN;
        in.y[22] = -7;
        in.y[39] = INFINITY; /* weights 0 */
        run(w_isa_best(), &glm, N, true, false, &out);
        assert_int_equal(out.total.invalid, 0);
        assert_int_equal(out.total.first_invalid, -1);
        in.eta[10] = NAN;
        in.eta[700] = NAN;
        in.prior[10] = in.prior[700] = 1;
        run(w_isa_best(), &glm, N, true, false, &out);
        assert_int_equal(out.total.invalid, 2);
        assert_int_equal(out.total.first_invalid, 10);
        assert_true(isfinite(out.total.deviance) && out.w[10] == 0 && out.dev[10] == 0 && isfinite(out.z[10]));
    }
    /* Far out: finite, positive weights and the right score. */
    const char *const far[] = { "poisson", "binomial", "gamma:log", "nb:2.5", "tweedie:1.5", "binomial:probit", "binomial:cloglog",
                                "binomial:cauchit" };
    for (int t = 0; t < 8; t++) {
        w_glm glm = parse(far[t]);
        for (int newton = 0; newton < 2; newton++) {
            for (int i = 0; i < 8; i++) {
                in.eta[i] = (double[]){ -300, -100, -37, -20, 20, 37, 100, 300 }[i];
                in.y[i] = t == 0 || t == 3 ? 3 : 1;
            }
            run(w_isa_best(), &glm, 8, newton, true, &out);
            assert_int_equal(out.total.invalid, 0);
            for (int i = 0; i < 8; i++) {
                if (!((out.w[i] > 0 || (newton && isfinite(out.w[i]))) && isfinite(out.dev[i]) && out.dev[i] >= 0)) {
                    fail_msg("%s at eta %g: w %g, deviance %g", far[t], in.eta[i], out.w[i], out.dev[i]);
                }
            }
        }
    }
    w_glm logit = parse("binomial");
    /* log(1 + e^-eta) keeps its digits, and so does the score. */
    assert_true(fabs(deviance(&logit, 50, 1) / (2 * exp(-50)) - 1) < 1e-14);
    assert_true(deviance(&logit, 100, 0) == 200.0);
    in.eta[0] = 45;
    in.y[0] = 1;
    run(w_isa_best(), &logit, 1, true, true, &out);
    assert_true(fabs(out.w[0] * (out.z[0] - 45) - exp(-45)) < 1e-13 * exp(-45));
    assert_true(out.mu[0] < 1.0);
    /* y = n and y = 0 at the fitted mean's limit, y = mu exactly. */
    w_glm poisson = parse("poisson");
    assert_true(deviance(&poisson, 0.0, 1.0) == 0.0);
    assert_true(deviance(&poisson, -50.0, 0.0) == 2 * exp(-50.0));
    /* Means outside the range of the family. */
    w_glm identity = parse("poisson:identity"), logbin = parse("binomial:log");
    in.eta[0] = -0.5;
    in.y[0] = 2;
    run(w_isa_best(), &identity, 1, true, true, &out);
    assert_int_equal(out.total.invalid, 1);
    in.eta[0] = 0.1;
    in.y[0] = 1;
    run(w_isa_best(), &logbin, 1, true, true, &out);
    assert_int_equal(out.total.invalid, 1);
}

static void test_start(void **state)
{
    (void)state;
    for (size_t t = 0; t < TEXTS; t++) {
        w_glm glm = parse(texts[t]);
        fill(&glm, 30 + t);
        if (glm.family->y_low == 0.0 && !glm.family->open) {
            in.y[0] = 0.0;
            in.prior[0] = 1.0;
        }
        if (glm.family->y_high == 1.0 && !glm.family->open) {
            in.y[1] = 1.0;
            in.prior[1] = 1.0;
        }
        w_family_start(&glm, N, in.y, in.prior, in.eta);
        run(w_isa_best(), &glm, N, false, false, &out);
        if (out.total.invalid != 0) {
            fail_msg("%s: start of row %lld is not valid (y %g, eta %g)", texts[t], (long long)out.total.first_invalid,
                     in.y[out.total.first_invalid], in.eta[out.total.first_invalid]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_derivatives), cmocka_unit_test(test_fisher), cmocka_unit_test(test_fused_against_general),
        cmocka_unit_test(test_same_bits), cmocka_unit_test(test_sum_and_options), cmocka_unit_test(test_edges),
        cmocka_unit_test(test_start),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
