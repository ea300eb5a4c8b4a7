/* SPDX-License-Identifier: Apache-2.0 */
/* Bands that hold everywhere at once: the number of standard errors beside simulation from mgcv's posterior
 * (tests/reference/glm/band.R), closed forms where there are some, and the columns a prediction makes of it. */
#include "support/mgcv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "fit/band.h"
#include "fit/distribution.h"
#include "weir/weir.h"

#define FOLDER WEIR_SOURCE_DIR "/tests/reference/glm/"
#define ROWS 300
#define TERMS 4

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static const json_t *find_case(const json_t *cases, const char *name)
{
    for (size_t i = 0; i < json_array_size(cases); i++) {
        if (strcmp(text_of(json_array_get(cases, i), "name"), name) == 0) {
            return json_array_get(cases, i);
        }
    }
    fail_msg("no case %s", name);
    return NULL;
}

/* Not below what simulation asks for, and no more than 12 % above: tubes around a curve that comes back near itself, as that of
 * a nearly straight line does, are counted twice. The formula by itself, from mgcv's matrices: acos of products near 1 loses
 * half the digits of an angle, sqrt(2 eps) for each of 2048, relative to lengths above 2: 2e-5 of c at the most. */
static void test_simulated_maxima(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    json_error_t error;
    json_t *root = json_load_file(FOLDER "cases.json", 0, &error), *bands = json_load_file(FOLDER "band.json", 0, &error);
    const char *name = NULL;
    fitted_case f = { 0 };
    assert_non_null(root);
    assert_non_null(bands);
    failures = 0;
    assert_true(json_array_size(bands) >= 45);
    for (size_t i = 0; i < json_array_size(bands); i++) {
        const json_t *band = json_array_get(bands, i);
        if (!name || strcmp(name, text_of(band, "case")) != 0) {
            if (name) {
                drop_case(&f);
            }
            name = text_of(band, "case");
            const json_t *c = find_case(list_of(root, "cases"), name);
            weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
            options.family = text_of(c, "family_given");
            options.weights = text_of(c, "weights");
            options.laplace = 1;
            fit_case_with(ctx, FOLDER, c, &options, list_of(json_object_get(c, "near"), "sp"), &f);
        }
        double critical = NAN;
        assert_int_equal(weir_term_critical(ctx, f.model, text_of(band, "term"), number_of(band, "level"), &critical), WEIR_OK);
        expect_near(name, text_of(band, "term"), critical, number_of(band, "tube"), 2e-5 * critical);
        if (!(critical >= number_of(band, "lower") && critical <= 1.12 * number_of(band, "upper"))) {
            expect_near(name, "beside simulated maxima", critical, number_of(band, "lower"), 0);
        }
    }
    drop_case(&f);
    json_decref(root);
    json_decref(bands);
    weir_ctx_destroy(ctx);
    assert_int_equal(failures, 0);
}

typedef struct data {
    double y[ROWS], x[ROWS], z[ROWS];
    int32_t f[ROWS], g[ROWS];
    weir_column column[5];
} data;

static data *make_data(void)
{
    data *d = calloc(1, sizeof *d);
    w_rng rng;
    assert_non_null(d);
    w_rng_seed(&rng, 8);
    for (int i = 0; i < ROWS; i++) {
        d->x[i] = w_rng_uniform(&rng);
        d->z[i] = w_rng_uniform(&rng);
        d->f[i] = (int32_t)w_rng_below(&rng, 4);
        d->g[i] = (int32_t)w_rng_below(&rng, 9);
        d->y[i] = sin(7 * d->z[i]) + 0.2 * d->g[i] + 0.5 * w_rng_normal(&rng);
    }
    d->column[0] = (weir_column){ "y", WEIR_F64, d->y, 0, 0, NULL };
    d->column[1] = (weir_column){ "x", WEIR_F64, d->x, 0, 0, NULL };
    d->column[2] = (weir_column){ "z", WEIR_F64, d->z, 0, 0, NULL };
    d->column[3] = (weir_column){ "f", WEIR_I32, d->f, 0, 4, NULL };
    d->column[4] = (weir_column){ "g", WEIR_I32, d->g, 0, 9, NULL };
    return d;
}

static weir_model *fit(weir_ctx *ctx, const data *d, double scale)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_model *model = NULL;
    weir_table *table = NULL;
    options.scale = scale;
    assert_int_equal(weir_table_from_columns(ctx, ROWS, 5, d->column, &table), WEIR_OK);
    if (weir_fit(ctx, table, "y ~ x + f + s(z) + s(g, bs=\"re\")", &options, &model) != WEIR_OK) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    weir_table_close(table);
    return model;
}

/* One column: the quantile. Three: chi-squared or F. Nine levels: (1 - P(|t| > c))^9. The smooth: between one and all.
 * Tails are good to 1e-12, and dc = d(tail) / (density near c, above 1e-3 here). */
static void test_closed_forms(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    data *d = make_data();
    for (int known = 0; known < 2; known++) {
        weir_model *model = fit(ctx, d, known ? 0.25 : 0.0);
        weir_summary s;
        double x, f, z, g, least;
        assert_int_equal(weir_model_summary(model, &s), WEIR_OK);
        for (double level = 0.5; level < 0.9999; level = 0.5 * (1.0 + level)) {
            double alpha = 1.0 - level, df = s.residual_df;
            assert_int_equal(weir_term_critical(ctx, model, "x", level, &x), WEIR_OK);
            assert_int_equal(weir_term_critical(ctx, model, "f", level, &f), WEIR_OK);
            assert_int_equal(weir_term_critical(ctx, model, "s(z)", level, &z), WEIR_OK);
            assert_int_equal(weir_term_critical(ctx, model, "s(g)", level, &g), WEIR_OK);
            least = known ? w_normal_quantile(1 - 0.5 * alpha) : w_t_quantile(1 - 0.5 * alpha, df);
            assert_near(x, least, 1e-9);
            assert_near(known ? w_chi_square_tail(f * f, 3) : w_f_tail(f * f / 3, 3, df), alpha, 1e-11);
            double outside = known ? 2 * w_normal_cdf(-g) : w_t_two_sided(g, df);
            assert_near(pow(1 - outside, 9), level, 1e-10);
            assert_true(z > least);
            assert_true((known ? w_chi_square_tail(z * z, 9) : w_f_tail(z * z / 9, 9, df)) >= alpha * (1 - 1e-10));
        }
        weir_model_free(model);
    }
    free(d);
    weir_ctx_destroy(ctx);
}

typedef struct sheet {
    int32_t columns;
    double value[4 * TERMS][ROWS];
} sheet;

static int take(void *user, int64_t first, int64_t rows, const double *values)
{
    sheet *s = user;
    for (int32_t c = 0; c < s->columns; c++) {
        memcpy(s->value[c] + first, values + c * rows, (size_t)rows * sizeof(double));
    }
    return 0;
}

static sheet *predict(weir_ctx *ctx, const weir_model *model, const data *d, int se, int simultaneous,
                      const char *const **names)
{
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    sheet *s = calloc(1, sizeof *s);
    weir_table *table = NULL;
    options.type = WEIR_PREDICT_TERMS;
    options.se = se;
    options.interval = 0.9;
    options.simultaneous = simultaneous;
    assert_non_null(s);
    assert_int_equal(weir_predict_columns(model, &options, &s->columns, names), WEIR_OK);
    assert_int_equal(s->columns, (se ? 4 : 3) * TERMS);
    assert_int_equal(weir_table_from_columns(ctx, ROWS, 5, d->column, &table), WEIR_OK);
    if (weir_predict(ctx, model, table, &options, take, s) != WEIR_OK) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    weir_table_close(table);
    return s;
}

/* Columns are f, se, f - c se, f + c se to the bit, with or without the standard errors among them, for any threads. */
static void test_columns(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 2, 0), *one = test_ctx(NULL, 1, 0);
    data *d = make_data();
    weir_model *model = fit(ctx, d, 0);
    weir_summary summary;
    assert_int_equal(weir_model_summary(model, &summary), WEIR_OK);
    for (int simultaneous = 0; simultaneous < 2; simultaneous++) {
        const char *const *names, *const *fewer;
        sheet *s = predict(ctx, model, d, 1, simultaneous, &names), *without = predict(one, model, d, 0, simultaneous, &fewer);
        for (int t = 0; t < TERMS; t++) {
            double c = w_t_quantile(0.95, summary.residual_df);
            char lower[64], upper[64];
            snprintf(lower, sizeof lower, "lower.%s", names[t]);
            snprintf(upper, sizeof upper, "upper.%s", names[t]);
            assert_string_equal(names[2 * TERMS + t], lower);
            assert_string_equal(names[3 * TERMS + t], upper);
            assert_string_equal(fewer[t], names[t]);
            assert_string_equal(fewer[TERMS + t], lower);
            assert_string_equal(fewer[2 * TERMS + t], upper);
            if (simultaneous) {
                assert_int_equal(weir_term_critical(ctx, model, names[t], 0.9, &c), WEIR_OK);
            }
            for (int i = 0; i < ROWS; i++) {
                double reach = c * s->value[TERMS + t][i];
                assert_true(s->value[2 * TERMS + t][i] == s->value[t][i] - reach);
                assert_true(s->value[3 * TERMS + t][i] == s->value[t][i] + reach);
            }
        }
        assert_memory_equal(s->value[0], without->value[0], TERMS * sizeof s->value[0]);
        assert_memory_equal(s->value[2 * TERMS], without->value[TERMS], 2 * TERMS * sizeof s->value[0]);
        free(s);
        free(without);
    }
    weir_model_free(model);
    free(d);
    weir_ctx_destroy(ctx);
    weir_ctx_destroy(one);
}

static void test_bad_questions(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    data *d = make_data();
    weir_model *model = fit(ctx, d, 0);
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    const char *const *names;
    int32_t count;
    double c = -1;
    assert_int_equal(weir_term_critical(ctx, model, "s(w)", 0.95, &c), WEIR_E_ARG);
    assert_non_null(strstr(weir_ctx_message(ctx), "no term 's(w)'"));
    assert_int_equal(weir_term_critical(ctx, model, "s(z)", 1.0, &c), WEIR_E_ARG);
    assert_int_equal(weir_term_critical(ctx, model, "s(z)", 0.0, &c), WEIR_E_ARG);
    assert_int_equal(weir_term_critical(NULL, model, "s(z)", 0.9, &c), WEIR_E_ARG);
    assert_true(c == -1);
    options.simultaneous = 1;
    options.interval = 0.9;
    assert_int_equal(weir_predict_columns(model, &options, &count, &names), WEIR_E_ARG); /* not of whole predictions */
    options.type = WEIR_PREDICT_TERMS;
    assert_int_equal(weir_predict_columns(model, &options, &count, &names), WEIR_OK);
    options.interval = 0;
    assert_int_equal(weir_predict_columns(model, &options, &count, &names), WEIR_E_ARG);
    options.version = 1; /* which ends before `simultaneous` */
    assert_int_equal(weir_predict_columns(model, &options, &count, &names), WEIR_OK);
    assert_int_equal(count, TERMS);
    options.version = 3;
    assert_int_equal(weir_predict_columns(model, &options, &count, &names), WEIR_E_VERSION);
    weir_model_free(model);
    free(d);
    weir_ctx_destroy(ctx);
}

typedef struct attempt {
    const weir_model *model;
    const data *d;
} attempt;

static weir_status predict_bands(weir_ctx *ctx, void *arg)
{
    const attempt *a = arg;
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    weir_table *table = NULL;
    sheet *s = calloc(1, sizeof *s);
    const char *const *names;
    options.type = WEIR_PREDICT_TERMS;
    options.interval = 0.9;
    options.simultaneous = 1;
    assert_non_null(s);
    assert_int_equal(weir_predict_columns(a->model, &options, &s->columns, &names), WEIR_OK);
    weir_status status = weir_table_from_columns(ctx, ROWS, 5, a->d->column, &table);
    if (status >= 0) {
        status = weir_predict(ctx, a->model, table, &options, take, s);
    }
    weir_table_close(table);
    free(s);
    return status;
}

static void test_allocations_fail(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    data *d = make_data();
    attempt a = { fit(ctx, d, 0), d };
    assert_int_equal(predict_bands(ctx, &a), WEIR_OK);
    assert_true(test_each_allocation_fails(ctx, predict_bands, &a) > 10);
    weir_model_free((weir_model *)a.model);
    free(d);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simulated_maxima),
        cmocka_unit_test(test_closed_forms),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_bad_questions),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
