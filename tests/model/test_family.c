/* SPDX-License-Identifier: Apache-2.0 */
/* Links and families against tables made by R (tests/reference/family/family.R), derivatives against differences. */
#include "support/test.h"

#include "model/family_parts.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "model/family.h"

static weir_ctx *ctx;

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

static w_glm parse(const char *text)
{
    w_glm glm;
    if (w_family_parse(ctx, text, &glm) != WEIR_OK) {
        fail_msg("'%s' does not parse: %s", text, weir_ctx_message(ctx));
    }
    return glm;
}

/* |got - wanted| <= relative |wanted| + absolute */
#define CLOSE(got, wanted, relative, absolute, what, row) \
    do { \
        double got_ = (got), wanted_ = (wanted); \
        if (!(fabs(got_ - wanted_) <= (relative) * fabs(wanted_) + (absolute))) { \
            fail_msg("%s %s, row %d: %.17g instead of %.17g", what, #got, row, got_, wanted_); \
        } \
    } while (0)

static void test_links(void **state)
{
    (void)state;
    FILE *file = reference("links.txt");
    const w_elementary *f = w_elementary_find(w_isa_best());
    char name[20];
    double eta, mu, m1, g2, g3;
    int rows = 0;
    while (fscanf(file, "%19s %lf %lf %lf %lf %lf", name, &eta, &mu, &m1, &g2, &g3) == 6) {
        const w_link *link = w_link_find(name);
        assert_non_null(link);
        double at, d1, d2, d3;
        link->inverse(f, 1.0, 1, &eta, &at, &d1, &d2, &d3);
        CLOSE(at, mu, 1e-13, 0.0, name, rows);
        CLOSE(d1, m1, 1e-13, 0.0, name, rows);
        CLOSE(-d2 / (d1 * d1 * d1), g2, 1e-12, 1e-13, name, rows);
        /* R's third derivatives cancel for cauchit. */
        CLOSE((3 * d2 * d2 - d1 * d3) / pow(d1, 5), g3, 1e-10, 1e-12, name, rows);
        CLOSE(link->link(1.0, mu), eta, 1e-13, 1e-13 * fabs(1 / m1), name, rows);
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, 51);
}

/* Derivatives of arrays by Richardson's extrapolation of central differences, error O(h^4). */
static void test_link_derivatives(void **state)
{
    (void)state;
    const w_elementary *f = w_elementary_find(w_isa_best());
    for (int kind = 0; kind < W_LINK_COUNT; kind++) {
        const w_link *link = w_link_of((w_link_kind)kind);
        for (double eta = link->mu_low == 0 || kind == W_LINK_INVERSE ? 0.3 : -3.1; eta < 3; eta += 0.37) {
            double h = 1e-3 * fmax(0.3, fabs(eta)), x[5] = { eta, eta - h, eta + h, eta - h / 2, eta + h / 2 };
            double m[4][5];
            link->inverse(f, 1.7, 5, x, m[0], m[1], m[2], m[3]);
            for (int k = 0; k < 3; k++) {
                double wide = (m[k][2] - m[k][1]) / (2 * h), narrow = (m[k][4] - m[k][3]) / h;
                double scale = fabs(m[k][0]) + fabs(m[k + 1][0]);
                CLOSE((4 * narrow - wide) / 3, m[k + 1][0], 1e-8, 1e-9 * scale, link->name, k);
            }
        }
    }
}

static void test_link_extremes(void **state)
{
    (void)state;
    const w_elementary *f = w_elementary_find(w_isa_best());
    const double eta[] = { -1e308, -800, -40, 40, 800, 1e308 };
    for (int kind = W_LINK_LOG; kind <= W_LINK_CAUCHIT; kind++) {
        const w_link *link = w_link_of((w_link_kind)kind);
        double mu[6], m1[6], m2[6], m3[6];
        link->inverse(f, 1.0, 6, eta, mu, m1, m2, m3);
        for (int i = 0; i < 6; i++) {
            assert_true(w_link_valid_mu(link, mu[i]) && m1[i] > 0 && isfinite(m1[i]) && isfinite(m2[i]) && isfinite(m3[i]));
            assert_true(isfinite(link->link(1.0, mu[i])));
        }
    }
    double bad[] = { -1.0, 0.0, NAN }, mu[3], m1[3], m2[3], m3[3];
    for (int kind = W_LINK_INVERSE_SQUARE; kind <= W_LINK_POWER; kind++) {
        w_link_of((w_link_kind)kind)->inverse(f, 0.5, 3, bad, mu, m1, m2, m3);
        for (int i = 0; i < 3; i++) {
            assert_true(isnan(mu[i]) && !w_link_valid_eta(w_link_of((w_link_kind)kind), bad[i]));
        }
    }
}

static void test_deviance(void **state)
{
    (void)state;
    FILE *file = reference("deviance.txt");
    const w_elementary *f = w_elementary_find(w_isa_best());
    char text[40];
    double y, mu, omega, v, v1, d;
    int rows = 0;
    while (fscanf(file, "%39s %lf %lf %lf %lf %lf %lf", text, &y, &mu, &omega, &v, &v1, &d) == 7) {
        w_glm glm = parse(text);
        double got, at[3];
        glm.family->deviance(f, &glm, 1, &y, &mu, &got);
        glm.family->variance(&glm, 1, &mu, &at[0], &at[1], &at[2]);
        /* R's forms lose |y| eps to cancellation; tweedie with p near 1 or 2 divides that by (2-p)(p-1). */
        CLOSE(omega * got, d, 1e-12, 2e-14 * omega * (1 + fabs(y)), text, rows);
        CLOSE(at[0], v, 1e-13, 0, text, rows);
        CLOSE(at[1], v1, 1e-13, 1e-14, text, rows);
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, 60);
}

static void test_saturated(void **state)
{
    (void)state;
    FILE *file = reference("saturated.txt");
    char text[40];
    double y, omega, phi, l, l1, l2;
    int rows = 0;
    while (fscanf(file, "%39s %lf %lf %lf %lf %lf %lf", text, &y, &omega, &phi, &l, &l1, &l2) == 7) {
        w_glm glm = parse(text);
        w_saturated s = { 0 };
        w_family_saturated(&glm, 1, &y, &omega, phi, &s);
        /* Sums of terms of size k = omega/phi cancel in R's gamma. */
        double size = 1e-13 * (1 + omega / phi * fabs(log(omega / phi)));
        CLOSE(s.value, l, 1e-12, size, text, rows);
        CLOSE(s.grad[2], phi * l1, 1e-12, size, text, rows);
        CLOSE(s.hess[2][2], phi * (l1 + phi * l2), 1e-12, 10 * size, text, rows);
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, 54);
}

static w_saturated tweedie(double p, double phi, double y)
{
    w_glm glm = parse("tweedie");
    w_saturated s = { 0 };
    glm.param[0] = p;
    w_family_saturated(&glm, 1, &y, NULL, phi, &s);
    return s;
}

static void test_tweedie(void **state)
{
    (void)state;
    FILE *file = reference("tweedie.txt");
    double p, phi, y, r[6];
    int rows = 0;
    while (fscanf(file, "%lf %lf %lf %lf %lf %lf %lf %lf %lf", &p, &phi, &y, &r[0], &r[1], &r[2], &r[3], &r[4], &r[5]) == 9) {
        w_saturated s = tweedie(p, phi, y);
        double N = pow(y, 2 - p) / phi, loss = (1 + N) / ((2 - p) * (p - 1)); /* what R's forms lose to cancellation */
        CLOSE(s.value, r[0], 1e-9, 1e-12 * loss, "tweedie", rows);
        CLOSE(s.grad[2], phi * r[1], 1e-8, 1e-11 * loss, "tweedie", rows);
        CLOSE(s.hess[2][2], phi * (r[1] + phi * r[2]), 1e-7, 1e-10 * loss * (1 + N), "tweedie", rows);
        CLOSE(s.grad[0], r[3], 1e-8, 1e-11 * loss / (p - 1), "tweedie", rows);
        double second = 1e-9 * loss * (1 + N) / ((p - 1) * (p - 1));
        CLOSE(s.hess[0][0], r[4], 1e-6, second, "tweedie", rows);
        CLOSE(s.hess[0][2], phi * r[5], 1e-6, second, "tweedie", rows);
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, 75);
    /* Tiny phi: the saddlepoint density becomes exact. Both sides of the seam between sum and expansion agree. */
    for (phi = 1e-14; phi < 1e-3; phi *= 30) {
        for (y = 0.01; y < 100; y *= 7) {
            for (p = 1.02; p < 2; p += 0.16) {
                double N = pow(y, 2 - p) / phi;
                if (N > 1e4) {
                    CLOSE(tweedie(p, phi, y).value, -0.5 * log(2 * M_PI * phi * pow(y, p)) + p * (p - 3) / (24 * N), 1e-14,
                          1e-14 + 1 / (N * N), "tweedie tiny", 0);
                }
            }
        }
    }
    for (p = 1.05; p < 1.96; p += 0.1) {
        w_saturated below = tweedie(p, 1.0 / 149.999, 1.0), above = tweedie(p, 1.0 / 150.001, 1.0);
        double step = log(149.999 / 150.001); /* of log phi */
        CLOSE(above.value - below.value, below.grad[2] * step, 1e-7, 1e-12, "seam", 0);
        CLOSE(above.grad[2] - below.grad[2], below.hess[2][2] * step, 1e-3, 2e-12, "seam", 0);
        CLOSE(above.grad[0] - below.grad[0], below.hess[0][2] * step, 1e-4, 2e-12 / (p - 1), "seam", 0);
        CLOSE(below.hess[0][0], above.hess[0][0], 1e-4, 1e-10 / ((p - 1) * (p - 1)), "seam", 0);
    }
}

/* Derivatives in psi = (theta, log phi) of l_s by central differences of values and of gradients. */
static void check_saturated(const char *text, double y, double omega, double phi)
{
    w_glm glm = parse(text);
    bool log_scale = glm.family->kind != W_FAMILY_TWEEDIE;
    w_saturated at = { 0 };
    glm.family->saturated(&glm, y, omega, phi, &at);
    for (int k = 0; k < 3; k++) {
        if (k < 2 && k >= glm.family->param_count) {
            continue;
        }
        double h = 1e-4;
        w_saturated side[2];
        for (int j = 0; j < 2; j++) {
            w_glm moved = glm;
            double step = j ? h : -h, scale = phi;
            if (k == 2) {
                scale = phi * exp(step);
            } else {
                moved.param[k] = log_scale ? moved.param[k] * exp(step) : moved.param[k] + step;
            }
            glm.family->saturated(&moved, y, omega, scale, &side[j]);
        }
        double size = 1e-7 * (1 + fabs(at.value) + fabs(at.grad[k]) + 1e-2 * fabs(at.hess[k][k]));
        CLOSE((side[1].value - side[0].value) / (2 * h), at.grad[k], 1e-6, size, text, k);
        for (int j = 0; j < 3; j++) {
            double bound = 1e-7 * (1 + fabs(at.grad[j]) + fabs(at.hess[k][j]) + fabs(at.hess[k][k]));
            CLOSE((side[1].grad[j] - side[0].grad[j]) / (2 * h), at.hess[k][j], 1e-5, bound, text, 10 * k + j);
        }
    }
}

static void test_saturated_derivatives(void **state)
{
    (void)state;
    const char *const text[] = { "gaussian", "gamma", "inverse-gaussian", "nb:0.4", "nb:2.5", "nb:3000", "tweedie:1.2",
                                 "tweedie:1.5", "tweedie:1.85", "quasi", "scat:4:1.3" };
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        for (double y = 0.25; y < 30; y *= 3) {
            double whole = strncmp(text[i], "nb", 2) == 0 ? floor(y) : y;
            check_saturated(text[i], whole, 1.0, 0.7);
            check_saturated(text[i], whole, 2.5, 0.02);
        }
    }
}

static void test_extended(void **state)
{
    (void)state;
    FILE *file = reference("extended.txt");
    const w_elementary *f = w_elementary_find(w_isa_best());
    char text[40];
    int count, rows = 0;
    double y, mu, omega, d[5];
    while (fscanf(file, "%39s %d %lf %lf %lf %lf %lf %lf %lf %lf", text, &count, &y, &mu, &omega, &d[0], &d[1], &d[2], &d[3],
                  &d[4]) == 10) {
        w_glm glm = parse(text);
        w_deviance_theta theta;
        double unit, wanted[6], second[3];
        for (int i = 0; i < 3 * count; i++) {
            assert_int_equal(fscanf(file, "%lf", &wanted[i]), 1);
        }
        for (int i = 0; i < count * (count + 1) / 2; i++) {
            assert_int_equal(fscanf(file, "%lf", &second[i]), 1);
        }
        glm.family->deviance(f, &glm, 1, &y, &mu, &unit);
        CLOSE(omega * unit, d[0], 1e-12, 1e-12 * omega, text, rows);
        if (glm.family->derivatives) {
            w_deviance own;
            glm.family->derivatives(f, &glm, 1, &y, &mu, &own);
            CLOSE(omega * own.d1[0], d[1], 1e-12, 1e-12, text, rows);
            CLOSE(omega * own.d2[0], d[2], 1e-12, 1e-12, text, rows);
            CLOSE(omega * own.d3[0], d[3], 1e-11, 1e-11, text, rows);
            /* R's expected second derivative of scat is without the weight. */
            CLOSE((glm.family->kind == W_FAMILY_SCAT ? 1.0 : omega) * own.e2[0], d[4], 1e-12, 1e-12, text, rows);
        }
        /* R's first parameter of scat is log(nu - 3): dlog(nu - 3)/dlog nu = nu/(nu - 3). */
        bool scat = glm.family->kind == W_FAMILY_SCAT;
        double ratio = scat ? glm.param[0] / (glm.param[0] - 3) : 1.0;
        glm.family->theta(&glm, y, mu, &theta);
        for (int k = 0; k < count; k++) {
            double factor = k == 0 ? ratio : 1.0;
            CLOSE(omega * theta.grad[k], factor * wanted[3 * k], 1e-11, 1e-11, text, rows);
            CLOSE(omega * theta.d1[k], factor * wanted[3 * k + 1], 1e-11, 1e-11, text, rows);
            CLOSE(omega * theta.d2[k], factor * wanted[3 * k + 2], 1e-11, 1e-11, text, rows);
        }
        if (!scat) {
            CLOSE(omega * theta.hess[0][0], second[0], 1e-10, 1e-11, text, rows);
        } else {
            /* d2/dlog nu2 = ratio^2 D'' + D' dratio/dlog nu, dratio/dlog nu = -3 nu/(nu-3)^2 */
            double bend = -3 * glm.param[0] / ((glm.param[0] - 3) * (glm.param[0] - 3));
            CLOSE(omega * theta.hess[0][0], ratio * ratio * second[0] + bend * wanted[0], 1e-11, 1e-11, text, rows);
            CLOSE(omega * theta.hess[1][1], second[1], 1e-11, 1e-11, text, rows);
            CLOSE(omega * theta.hess[0][1], ratio * second[2], 1e-11, 1e-11, text, rows);
        }
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, 20);
    const double counts[5] = { 0, 1, 3, 12, 150 }, weight[5] = { 1, 2, 0.5, 3, 10 };
    double l, l1, l2;
    file = reference("extended_saturated.txt");
    for (rows = 0; fscanf(file, "%39s %lf %lf %lf", text, &l, &l1, &l2) == 4; rows++) {
        w_glm glm = parse(text);
        w_saturated s = { 0 };
        w_family_saturated(&glm, 5, counts, weight, 1.0, &s);
        bool scat = glm.family->kind == W_FAMILY_SCAT;
        CLOSE(s.value, l, 1e-12, 1e-12, text, rows);
        CLOSE(s.grad[0], scat ? l1 * glm.param[0] / (glm.param[0] - 3) : l1, 1e-11, 1e-10, text, rows);
        CLOSE(scat ? s.grad[1] : s.hess[0][0], l2, 1e-10, 1e-8, text, rows);
    }
    fclose(file);
    assert_int_equal(rows, 4);
}

static void test_theta_differences(void **state)
{
    (void)state;
    const w_elementary *f = w_elementary_find(w_isa_best());
    const char *const text[] = { "nb:2.5", "tweedie:1.3", "tweedie:1.7", "scat:4:1.3", "beta:7" };
    for (size_t t = 0; t < 5; t++) {
        w_glm glm = parse(text[t]);
        bool beta = glm.family->kind == W_FAMILY_BETA;
        for (int i = 0; i < 12; i++) {
            double y = beta ? 0.05 + 0.07 * i : i, mu = beta ? 0.9 - 0.06 * i : 0.3 + 0.8 * i, h = 1e-4;
            w_deviance_theta at, side[2];
            glm.family->theta(&glm, y, mu, &at);
            for (int k = 0; k < glm.family->param_count; k++) {
                double d[2], d1[2], d2[2];
                for (int j = 0; j < 2; j++) {
                    w_glm moved = glm;
                    double step = j ? h : -h, v[3];
                    moved.param[k] = glm.family->kind == W_FAMILY_TWEEDIE ? glm.param[k] + step : glm.param[k] * exp(step);
                    glm.family->deviance(f, &moved, 1, &y, &mu, &d[j]);
                    glm.family->theta(&moved, y, mu, &side[j]);
                    w_deviance own;
                    if (glm.family->derivatives) {
                        glm.family->derivatives(f, &moved, 1, &y, &mu, &own);
                        d1[j] = own.d1[0];
                        d2[j] = own.d2[0];
                    } else {
                        glm.family->variance(&moved, 1, &mu, &v[0], &v[1], &v[2]);
                        d1[j] = -2 * (y - mu) / v[0];
                        d2[j] = 2 / v[0] + 2 * (y - mu) * v[1] / (v[0] * v[0]);
                    }
                }
                CLOSE((d[1] - d[0]) / (2 * h), at.grad[k], 1e-6, 1e-7, text[t], i);
                CLOSE((d1[1] - d1[0]) / (2 * h), at.d1[k], 1e-6, 1e-6, text[t], i);
                CLOSE((d2[1] - d2[0]) / (2 * h), at.d2[k], 1e-6, 1e-6, text[t], i);
                for (int j = 0; j < glm.family->param_count; j++) {
                    CLOSE((side[1].grad[j] - side[0].grad[j]) / (2 * h), at.hess[k][j], 1e-6, 1e-6, text[t], i);
                }
            }
        }
    }
}

static void test_beta_saturated(void **state)
{
    (void)state;
    w_glm glm = parse("beta:7");
    for (double y = 0.001; y < 1; y += 0.09) {
        double best = w_family_beta_saturated(&glm, y);
        for (double mu = 0.001; mu < 1; mu += 0.001) {
            assert_true(w_family_log_density(&glm, y, mu, 1.0, 1.0) <= best + 1e-12);
        }
    }
    /* Symmetric at y = 1/2: mu = 1/2. */
    CLOSE(w_family_beta_saturated(&glm, 0.5), lgamma(7) - 2 * lgamma(3.5) + 5 * log(0.5), 1e-13, 0, "beta", 0);
}

static void test_pearson(void **state)
{
    (void)state;
    w_glm glm = parse("gamma:log");
    const double y[3] = { 1, 5, NAN }, mu[3] = { 2, 4, 1 }, prior[3] = { 1, 4, 0 };
    double pearson = 1, slope = 0;
    w_family_pearson(&glm, 3, y, mu, prior, &pearson, &slope);
    CLOSE(pearson, 1 + 0.25 + 4.0 / 16, 1e-15, 0, "gamma", 0);
    CLOSE(slope, 2 * 2 * -1 / 4.0 + 2 * 2 * 4 * 1 / 16.0, 1e-15, 1e-15, "gamma", 0);
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

/* (1 + e) log(1 + e) - e over the whole range of e: a sum of log(1 + e) - e and e loses the logarithm where e is large. */
static void test_kappa(void **state)
{
    (void)state;
    for (double e = 1e-12; e < 1e300; e *= 7) {
        for (int side = -1; side <= 1; side += 2) {
            const double rounded = side > 0 ? e : -e / (1 + e);
            const long double x = rounded;
            const long double exact = fabsl(x) > 1e-3L ? (1 + x) * log1pl(x) - x
                                                       : x * x * (0.5L - x * (1 / 6.0L - x * (1 / 12.0L - x * (1 / 20.0L - x / 30.0L))));
            if (rounded > -1) {
                assert_true(fabsl(w_kappa(rounded) - exact) <= 8 * DBL_EPSILON * (1 + fabsl(log1pl(x))) * exact);
            }
        }
    }
    assert_true(w_kappa(0) == 0 && w_kappa(-1) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kappa),
        cmocka_unit_test(test_links), cmocka_unit_test(test_link_derivatives), cmocka_unit_test(test_link_extremes),
        cmocka_unit_test(test_deviance), cmocka_unit_test(test_saturated), cmocka_unit_test(test_tweedie),
        cmocka_unit_test(test_saturated_derivatives), cmocka_unit_test(test_extended), cmocka_unit_test(test_theta_differences),
        cmocka_unit_test(test_beta_saturated), cmocka_unit_test(test_pearson),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
