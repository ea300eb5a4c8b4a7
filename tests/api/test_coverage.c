/* SPDX-License-Identifier: Apache-2.0 */
/* Coverage of 95 % intervals by simulation: how often the truth lies within eta +- q s, averaged over the rows (Nychka 1988,
 * Marra & Wood 2012), and how often the whole curve lies within its simultaneous band.
 *
 * Truth on the scale of the linear predictor: a + f1(x1) + f2(x2), f1 a wave, f2 a bump, of sizes that leave about 6 and 4
 * effective degrees of freedom; rows drawn anew each time. The share of rows covered differs from fit to fit; a mean over the
 * fits must meet its range within four of its standard errors: [0.93, 0.97] for the linear predictor. Terms leave out the
 * uncertainty of their mean, bias at a bump is paid by fewer rows, and where a fit takes a bump for a line the band misses it as a
 * whole: single terms must meet [0.90, 0.98], whole curves 0.85 at least.
 *
 * WEIR_COVERAGE_FITS sets the number of fits of each family; docs/numerics/inference.md has the figures of 1000. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/family.h"
#include "weir/weir.h"

#define ROWS 500
#define FITS 40
#define COLUMNS 12
#define LEVEL 0.95

typedef struct kase {
    const char *family;
    double constant, size, scale;
} kase;

static const kase kases[] = {
    { "gaussian", 0.0, 1.0, 0.6 }, { "poisson", 0.9, 0.5, 1.0 }, { "binomial", 0.0, 2.0, 1.0 }, { "gamma:log", 0.5, 0.6, 0.5 },
};

typedef struct data {
    double y[ROWS], x1[ROWS], x2[ROWS], truth[2][ROWS], eta[ROWS];
} data;

typedef struct sheet {
    int32_t columns;
    double value[COLUMNS][ROWS];
} sheet;

static double wave(double x) { return sin(6.0 * x); }
static double bump(double x) { return 1.6 * exp(-20.0 * (x - 0.6) * (x - 0.6)); }

static void draw(const w_glm *glm, const kase *k, w_rng *rng, data *d)
{
    double mean[2] = { 0, 0 };
    for (int i = 0; i < ROWS; i++) {
        double mu, m1, m2, m3;
        d->x1[i] = w_rng_uniform(rng);
        d->x2[i] = w_rng_uniform(rng);
        d->truth[0][i] = k->size * wave(d->x1[i]);
        d->truth[1][i] = k->size * bump(d->x2[i]);
        d->eta[i] = k->constant + d->truth[0][i] + d->truth[1][i];
        mean[0] += d->truth[0][i] / ROWS;
        mean[1] += d->truth[1][i] / ROWS;
        glm->link->inverse(w_elementary_find(w_isa_best()), glm->power, 1, &d->eta[i], &mu, &m1, &m2, &m3);
        d->y[i] = w_family_random(glm, rng, mu, 1.0, k->scale);
    }
    for (int i = 0; i < ROWS; i++) { /* smooths are centred over the rows */
        d->truth[0][i] -= mean[0];
        d->truth[1][i] -= mean[1];
    }
}

static int take(void *user, int64_t first, int64_t rows, const double *values)
{
    sheet *s = user;
    for (int32_t c = 0; c < s->columns; c++) {
        memcpy(s->value[c] + first, values + c * rows, (size_t)rows * sizeof(double));
    }
    return 0;
}

static void predict(weir_ctx *ctx, const weir_model *model, weir_table *table, weir_predict_options options, sheet *s)
{
    const char *const *names;
    options.interval = LEVEL;
    assert_int_equal(weir_predict_columns(model, &options, &s->columns, &names), WEIR_OK);
    assert_in_range(s->columns, 3, COLUMNS);
    if (weir_predict(ctx, model, table, &options, take, s) != WEIR_OK) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
}

static double share_inside(const double *truth, const double *lower, const double *upper)
{
    int inside = 0;
    for (int i = 0; i < ROWS; i++) {
        inside += truth[i] >= lower[i] && truth[i] <= upper[i];
    }
    return (double)inside / ROWS;
}

enum { WHOLE, FIRST, SECOND, FIRST_BAND, SECOND_BAND, SHARES };

static const double range[SHARES][2] = { { 0.93, 0.97 }, { 0.9, 0.98 }, { 0.9, 0.98 }, { 0.85, 1.1 }, { 0.85, 1.1 } };

static void one_fit(weir_ctx *ctx, const char *family, const data *d, double share[SHARES])
{
    const weir_column column[] = { { "y", WEIR_F64, d->y, 0, 0, NULL }, { "x1", WEIR_F64, d->x1, 0, 0, NULL },
                                   { "x2", WEIR_F64, d->x2, 0, 0, NULL } };
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_predict_options link = WEIR_PREDICT_OPTIONS_INIT, terms = WEIR_PREDICT_OPTIONS_INIT;
    weir_table *table = NULL;
    weir_model *model = NULL;
    static sheet s;
    options.family = family;
    assert_int_equal(weir_table_from_columns(ctx, ROWS, 3, column, &table), WEIR_OK);
    if (weir_fit(ctx, table, "y ~ s(x1) + s(x2)", &options, &model) != WEIR_OK) {
        fail_msg("%s: %s", family, weir_ctx_message(ctx));
    }
    predict(ctx, model, table, link, &s);
    share[WHOLE] = share_inside(d->eta, s.value[1], s.value[2]);
    terms.type = WEIR_PREDICT_TERMS;
    for (int simultaneous = 0; simultaneous < 2; simultaneous++) {
        terms.simultaneous = simultaneous;
        predict(ctx, model, table, terms, &s);
        for (int t = 0; t < 2; t++) {
            double inside = share_inside(d->truth[t], s.value[2 + t], s.value[4 + t]);
            share[2 * simultaneous + FIRST + t] = simultaneous ? (double)(inside == 1.0) : inside;
        }
    }
    weir_model_free(model);
    weir_table_close(table);
}

static void test_coverage(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    const char *asked = getenv("WEIR_COVERAGE_FITS");
    int fits = asked ? atoi(asked) : FITS, outside = 0;
    assert_true(fits > 1);
    print_message("share of rows within pointwise limits of eta, s(x1), s(x2); of fits with s(x1), s(x2) within the band\n");
    for (size_t k = 0; k < sizeof kases / sizeof *kases; k++) {
        double mean[SHARES] = { 0 }, square[SHARES] = { 0 };
        data *d = calloc(1, sizeof *d);
        w_glm glm;
        w_rng rng;
        assert_non_null(d);
        assert_int_equal(w_family_parse(ctx, kases[k].family, &glm), WEIR_OK);
        w_rng_seed(&rng, 100 + k);
        for (int fit = 0; fit < fits; fit++) {
            double share[SHARES];
            draw(&glm, &kases[k], &rng, d);
            one_fit(ctx, kases[k].family, d, share);
            for (int j = 0; j < SHARES; j++) {
                mean[j] += share[j] / fits;
                square[j] += share[j] * share[j] / fits;
            }
        }
        print_message("%-10s", kases[k].family);
        for (int j = 0; j < SHARES; j++) {
            double error = sqrt(fmax(0.0, square[j] - mean[j] * mean[j]) / fits);
            print_message("  %.4f (%.4f)", mean[j], error);
            outside += mean[j] + 4 * error < range[j][0] || mean[j] - 4 * error > range[j][1];
        }
        print_message("\n");
        free(d);
    }
    weir_ctx_destroy(ctx);
    assert_int_equal(outside, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_coverage) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
