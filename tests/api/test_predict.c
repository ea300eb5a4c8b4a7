/* SPDX-License-Identifier: Apache-2.0 */
/* Predictions of generalised models: what each column is, offsets, and the same numbers from a saved model. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "model/family.h"
#include "support/folder.h"
#include "weir/weir.h"

#define ROWS 600
#define COLUMNS 6

typedef struct data {
    double y[ROWS], x[ROWS], h[ROWS];
    weir_column column[3];
} data;

typedef struct sheet {
    int32_t columns;
    double value[COLUMNS][ROWS];
} sheet;

static data *make_data(weir_ctx *ctx, const char *family)
{
    data *d = calloc(1, sizeof *d);
    w_glm glm;
    w_rng rng;
    assert_non_null(d);
    assert_int_equal(w_family_parse(ctx, family, &glm), WEIR_OK);
    w_rng_seed(&rng, 3);
    for (int i = 0; i < ROWS; i++) {
        d->x[i] = w_rng_uniform(&rng);
        d->h[i] = 0.4 * w_rng_uniform(&rng);
        double eta = 0.8 + 0.6 * sin(6.0 * d->x[i]) + d->h[i], mu, m1, m2, m3;
        glm.link->inverse(w_elementary_find(w_isa_best()), glm.power, 1, &eta, &mu, &m1, &m2, &m3);
        d->y[i] = w_family_random(&glm, &rng, mu, 1.0, glm.family->scale_known ? 1.0 : 0.3);
    }
    d->column[0] = (weir_column){ "y", WEIR_F64, d->y, 0, 0, NULL };
    d->column[1] = (weir_column){ "x", WEIR_F64, d->x, 0, 0, NULL };
    d->column[2] = (weir_column){ "h", WEIR_F64, d->h, 0, 0, NULL };
    return d;
}

static weir_table *table_of(weir_ctx *ctx, const data *d)
{
    weir_table *table = NULL;
    assert_int_equal(weir_table_from_columns(ctx, ROWS, 3, d->column, &table), WEIR_OK);
    return table;
}

static int take(void *user, int64_t first, int64_t rows, const double *values)
{
    sheet *s = user;
    for (int32_t c = 0; c < s->columns; c++) {
        memcpy(s->value[c] + first, values + c * rows, (size_t)rows * sizeof(double));
    }
    return 0;
}

static sheet *predict(weir_ctx *ctx, const weir_model *model, const data *d, weir_predict_type type, double level)
{
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    sheet *s = calloc(1, sizeof *s);
    const char *const *names;
    options.type = type;
    options.se = 1;
    options.interval = level;
    assert_non_null(s);
    assert_int_equal(weir_predict_columns(model, &options, &s->columns, &names), WEIR_OK);
    assert_in_range(s->columns, 2, COLUMNS);
    weir_table *table = table_of(ctx, d);
    if (weir_predict(ctx, model, table, &options, take, s) != WEIR_OK) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    weir_table_close(table);
    return s;
}

static weir_model *fit(weir_ctx *ctx, const data *d, const char *family, const char *formula)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_model *model = NULL;
    weir_table *table = table_of(ctx, d);
    options.family = family;
    options.laplace = -1;
    if (weir_fit(ctx, table, formula, &options, &model) != WEIR_OK) {
        fail_msg("%s: %s", family, weir_ctx_message(ctx));
    }
    weir_table_close(table);
    return model;
}

static void check_columns(const w_glm *glm, double scale, const sheet *link, const sheet *response, double level)
{
    const w_elementary *f = w_elementary_find(w_isa_best());
    bool falls = glm->link->kind == W_LINK_INVERSE;
    for (int i = 0; i < ROWS; i++) {
        double eta[3] = { link->value[0][i], link->value[2][i], link->value[3][i] }, mu[3], m1[3], m2[3], m3[3];
        glm->link->inverse(f, glm->power, 3, eta, mu, m1, m2, m3);
        assert_true(response->value[0][i] == mu[0]);
        assert_true(response->value[1][i] == fabs(m1[0]) * link->value[1][i]);
        assert_true(response->value[2][i] == mu[falls ? 2 : 1]);
        assert_true(response->value[3][i] == mu[falls ? 1 : 2]);
        double tail = 0.5 - 0.5 * level;
        assert_true(response->value[4][i] == w_family_quantile(glm, tail, mu[0], 1.0, scale));
        assert_true(response->value[5][i] == w_family_quantile(glm, 1.0 - tail, mu[0], 1.0, scale));
        assert_true(response->value[4][i] <= response->value[5][i]);
    }
}

static void test_columns_of_families(void **state)
{
    (void)state;
    static const char *const name[] = { "poisson", "binomial", "gamma:log", "gamma", "nb(theta=2.5)", "tweedie(p=1.6)",
                                        "gaussian:log", "beta(theta=8)" };
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    for (size_t k = 0; k < sizeof name / sizeof *name; k++) {
        data *d = make_data(ctx, name[k]);
        weir_model *model = fit(ctx, d, name[k], "y ~ s(x)");
        w_glm glm;
        weir_summary summary;
        assert_int_equal(w_family_parse(ctx, name[k], &glm), WEIR_OK);
        assert_int_equal(weir_model_summary(model, &summary), WEIR_OK);
        sheet *link = predict(ctx, model, d, WEIR_PREDICT_LINK, 0.9);
        sheet *response = predict(ctx, model, d, WEIR_PREDICT_RESPONSE, 0.9);
        assert_int_equal(link->columns, 4); /* no limits of observations on this scale */
        assert_int_equal(response->columns, 6);
        check_columns(&glm, summary.scale, link, response, 0.9);
        int inside = 0;
        for (int i = 0; i < ROWS; i++) {
            inside += d->y[i] >= response->value[4][i] && d->y[i] <= response->value[5][i];
        }
        /* at least 90 % of the observations, but for five binomial standard errors of 1.23 % */
        assert_true(inside > (0.9 - 5 * 0.0123) * ROWS);
        free(link);
        free(response);
        weir_model_free(model);
        free(d);
    }
    weir_ctx_destroy(ctx);
}

/* Gaussian with identity link: one scale, and the variance of the mean is in the limits of observations. */
static void test_gaussian_is_one_scale(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    data *d = make_data(ctx, "gaussian");
    weir_model *model = fit(ctx, d, "gaussian", "y ~ s(x)");
    sheet *link = predict(ctx, model, d, WEIR_PREDICT_LINK, 0.95);
    sheet *response = predict(ctx, model, d, WEIR_PREDICT_RESPONSE, 0.95);
    assert_int_equal(link->columns, 6);
    assert_memory_equal(link, response, sizeof *link);
    free(link);
    free(response);
    weir_model_free(model);
    free(d);
    weir_ctx_destroy(ctx);
}

/* An offset known to be part of the truth moves eta by itself, mu by the inverse link. */
static void test_offset(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    data *d = make_data(ctx, "poisson");
    weir_model *model = fit(ctx, d, "poisson", "y ~ s(x) + offset(h)");
    w_glm glm;
    assert_int_equal(w_family_parse(ctx, "poisson", &glm), WEIR_OK);
    sheet *with = predict(ctx, model, d, WEIR_PREDICT_RESPONSE, 0.5);
    sheet *eta = predict(ctx, model, d, WEIR_PREDICT_LINK, 0.5);
    double *h = malloc(sizeof d->h);
    assert_non_null(h);
    memcpy(h, d->h, sizeof d->h);
    memset(d->h, 0, sizeof d->h);
    sheet *without = predict(ctx, model, d, WEIR_PREDICT_RESPONSE, 0.5);
    for (int i = 0; i < ROWS; i++) {
        /* one rounding of eta (at most 4) and of each exp: 8 eps */
        assert_true(fabs(with->value[0][i] - without->value[0][i] * exp(h[i])) <= 8 * 2.3e-16 * with->value[0][i]);
        assert_true(fabs(with->value[0][i] - exp(eta->value[0][i])) <= 8 * 2.3e-16 * with->value[0][i]);
        for (int j = 0; j < 2; j++) { /* limits of the mean move with it, those of an observation are quantiles at the moved mean */
            double limit = without->value[2 + j][i] * exp(h[i]);
            assert_true(fabs(with->value[2 + j][i] - limit) <= 8 * 2.3e-16 * limit);
            assert_true(with->value[4 + j][i] == w_family_quantile(&glm, 0.25 + 0.5 * j, with->value[0][i], 1.0, 1.0));
        }
    }
    free(h);
    free(with);
    free(eta);
    free(without);
    weir_model_free(model);
    free(d);
    weir_ctx_destroy(ctx);
}

/* A model that comes back from its file has the same family, with what was estimated of it, and predicts the same bits. */
static void test_round_trip(void **state)
{
    (void)state;
    static const char *const name[] = { "nb", "binomial:cloglog", "tweedie", "quasi(variance=mu^2,link=log)" };
    static const char *const truth[] = { "nb(theta=2.5)", "binomial:cloglog", "tweedie(p=1.6)", "gamma:log" };
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 32];
    assert_int_equal(test_folder_make(folder), 0);
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    snprintf(path, sizeof path, "%s/m.weir", folder);
    for (int k = 0; k < 4; k++) {
        data *d = make_data(ctx, truth[k]);
        weir_model *model = fit(ctx, d, name[k], "y ~ s(x)"), *again = NULL;
        assert_int_equal(weir_model_save(ctx, model, path), WEIR_OK);
        if (weir_model_load(ctx, path, &again) != WEIR_OK) {
            fail_msg("%s: %s", name[k], weir_ctx_message(ctx));
        }
        weir_summary a, b;
        weir_model_summary(model, &a);
        weir_model_summary(again, &b);
        assert_string_equal(a.family, b.family);
        assert_string_equal(a.link, b.link);
        sheet *one = predict(ctx, model, d, WEIR_PREDICT_RESPONSE, 0.9);
        sheet *two = predict(ctx, again, d, WEIR_PREDICT_RESPONSE, 0.9);
        assert_memory_equal(one, two, sizeof *one);
        free(one);
        free(two);
        weir_model_free(model);
        weir_model_free(again);
        free(d);
    }
    weir_ctx_destroy(ctx);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_of_families),
        cmocka_unit_test(test_gaussian_is_one_scale),
        cmocka_unit_test(test_offset),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
