/* SPDX-License-Identifier: Apache-2.0 */
/* AR(1) residuals beside R's mgcv (tests/reference/ar1, made by make.R there): with given smoothing parameters to rounding, with
 * chosen ones as far as two optimisers agree, tolerances as in test_mgcv.c. mgcv's criterion differs by a constant of the
 * penalties and weights, so differences are compared. And what the interface promises: bits, files, memory, refusals. */
#include "support/mgcv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "support/folder.h"

#define FOLDER WEIR_SOURCE_DIR "/tests/reference/ar1/"
#define FORMULA "y ~ z + s(x, bs = \"cr\", k = 8) + s(time, bs = \"cr\", k = 9)"

/* ---- mgcv ------------------------------------------------------------------------------------------------------- */

static weir_criterion criterion_of(const char *method)
{
    return !strcmp(method, "ML") ? WEIR_ML : !strcmp(method, "GCV") ? WEIR_GCV : WEIR_REML;
}

static void fit_case(weir_ctx *ctx, const json_t *c, bool fixed, fitted_case *f)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.criterion = criterion_of(text_of(c, "method"));
    options.weights = text_of(c, "weights");
    options.missing = WEIR_MISSING_DROP;
    options.ar1 = number_of(c, "rho");
    options.ar1_start = text_of(c, "start");
    fit_case_with(ctx, FOLDER, c, &options, fixed ? list_of(c, "sp") : NULL, f);
}

static void compare_rows(const json_t *c, const fitted_case *f, double tolerance, double se_tolerance)
{
    const json_t *rows = list_of(c, "rows"), *fit = list_of(c, "fit"), *se = list_of(c, "se");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        int64_t row = (int64_t)item(rows, i) - 1;
        expect_near(text_of(c, "name"), "fitted value", f->fit[row], item(fit, i), tolerance);
        expect_near(text_of(c, "name"), "standard error", f->se[row] / item(se, i), 1, se_tolerance);
    }
}

static void compare(const json_t *c, const fitted_case *f, bool fixed)
{
    const char *name = text_of(c, "name");
    const weir_summary *s = &f->summary;
    const double tight = fixed ? 1e-9 : 1e-4;
    assert_int_equal(s->n, (int64_t)number_of(c, "n"));
    assert_int_equal(s->ar1->series, text_of(c, "start") ? 6 : 1);
    compare_rows(c, f, tight * (fixed ? 4 : number_of(c, "sd_fit")), fixed ? 1e-8 : 1e-3);
    expect_near(name, "scale", s->scale / number_of(c, "scale"), 1, tight);
    expect_near(name, "deviance", s->deviance / number_of(c, "deviance"), 1, tight);
    expect_near(name, "null deviance", s->null_deviance / number_of(c, "null_deviance"), 1, 1e-9);
    expect_near(name, "standardised correlation", s->ar1->standardised_correlation, number_of(c, "standardised"), tight);
    if (!text_of(c, "weights")) /* mgcv's centre of weighted residuals is another one */
        expect_near(name, "adjusted R squared", s->r_squared_adjusted, number_of(c, "r_squared_adjusted"), tight);
    for (int32_t t = 0; t < s->term_count; t++) {
        const double p = item(list_of(c, "p_value"), (size_t)t);
        expect_near(name, s->term[t].label, s->term[t].edf, item(list_of(c, "edf"), (size_t)t), fixed ? 1e-8 : 1e-3);
        expect_near(name, "p-value", s->term[t].p_value, p, p > 4e-4 ? 0.05 * p : 2e-5);
    }
    for (int32_t j = 0; j < s->coefficient_count; j++) {
        expect_near(name, s->coefficient[j].label, s->coefficient[j].estimate, item(list_of(c, "estimate"), (size_t)j),
                    tight * (fixed ? 4 : number_of(c, "sd_fit")));
        expect_near(name, "standard error", s->coefficient[j].std_error / item(list_of(c, "std_error"), (size_t)j), 1,
                    fixed ? 1e-8 : 1e-3);
    }
    if (fixed)
        expect_near(name, "AIC", s->aic, number_of(c, "aic"), 1e-8 * fabs(number_of(c, "aic")));
}

static void run_case(const json_t *c)
{
    const bool fixed = json_is_true(json_object_get(c, "fixed")), ml = !strcmp(text_of(c, "method"), "ML");
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    fitted_case f, theirs;
    fit_case(ctx, c, fixed, &f);
    if (!ml) /* mgcv stops its search of ML a little early: only the criterion can be compared */
        compare(c, &f, fixed);
    if (!fixed) {
        fit_case(ctx, c, true, &theirs);
        assert_true(f.summary.criterion <= theirs.summary.criterion + 1e-7 * fabs(theirs.summary.criterion));
        drop_case(&theirs);
    }
    drop_case(&f);
    weir_ctx_destroy(ctx);
}

static json_t *load_cases(void)
{
    json_error_t error;
    json_t *cases = json_load_file(FOLDER "cases.json", 0, &error);
    if (!cases || json_array_size(cases) < 14)
        fail_msg(FOLDER "cases.json: %s", error.text);
    return cases;
}

static void test_cases(void **state)
{
    (void)state;
    json_t *cases = load_cases();
    failures = 0;
    for (size_t i = 0; i < json_array_size(cases); i++)
        run_case(json_array_get(cases, i));
    assert_int_equal(failures, 0);
    json_decref(cases);
}

static const json_t *case_named(const json_t *cases, const char *name)
{
    for (size_t i = 0; i < json_array_size(cases); i++)
        if (!strcmp(text_of(json_array_get(cases, i), "name"), name))
            return json_array_get(cases, i);
    fail_msg("no case %s", name);
    return NULL;
}

/* The criterion counts log |Omega|: its differences between correlations, and between smoothing parameters, are mgcv's. */
static void test_differences_of_the_criterion(void **state)
{
    (void)state;
    static const char *const pair[][2] = { { "series by subject", "strong" }, { "weights", "negative" } };
    json_t *cases = load_cases();
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    failures = 0;
    for (int i = 0; i < 2; i++) {
        const json_t *a = case_named(cases, pair[i][0]), *b = case_named(cases, pair[i][1]);
        fitted_case f, g;
        fit_case(ctx, a, true, &f);
        fit_case(ctx, b, true, &g);
        double want = number_of(b, "criterion") - number_of(a, "criterion");
        expect_near(pair[i][1], "criterion difference", g.summary.criterion - f.summary.criterion, want, 1e-9 * number_of(a, "criterion"));
        drop_case(&f);
        drop_case(&g);
    }
    assert_int_equal(failures, 0);
    weir_ctx_destroy(ctx);
    json_decref(cases);
}

/* ---- the interface ------------------------------------------------------------------------------------------------- */

static weir_fit_options usual(void)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.weights = "w";
    options.ar1 = 0.6;
    options.ar1_start = "subject";
    return options;
}

static weir_table *open_series(weir_ctx *ctx)
{
    const char *paths[] = { FOLDER "series.csv" };
    weir_table *table = NULL;
    assert_int_equal(weir_table_open(ctx, 1, paths, NULL, &table), WEIR_OK);
    return table;
}

static weir_status try_fit(weir_ctx *ctx, const char *formula, const weir_fit_options *options, weir_model **out)
{
    weir_table *table = open_series(ctx);
    *out = NULL;
    weir_status status = weir_fit(ctx, table, formula, options, out);
    weir_table_close(table);
    return status;
}

static weir_model *fit(weir_ctx *ctx, const weir_fit_options *options)
{
    weir_model *model;
    if (try_fit(ctx, FORMULA, options, &model) < 0)
        fail_msg("%s", weir_ctx_message(ctx));
    return model;
}

static double criterion_at(weir_ctx *ctx, double rho)
{
    weir_fit_options options = usual();
    weir_summary s;
    options.ar1 = rho;
    weir_model *model = fit(ctx, &options);
    weir_model_summary(model, &s);
    weir_model_free(model);
    return s.criterion;
}

static void test_estimated(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    weir_fit_options options = usual();
    weir_summary s;
    options.ar1 = 0;
    options.ar1_estimate = 1;
    weir_model *model = fit(ctx, &options);
    weir_model_summary(model, &s);
    const double rho = s.ar1->rho;
    assert_true(s.ar1->estimated && rho > 0.5 && rho < 0.9);
    assert_true(fabs(criterion_at(ctx, rho) - s.criterion) < 1e-8 * s.criterion);
    for (int k = 1; k < 4; k++) { /* a minimum, and flat there */
        const double step = 0.002 * pow(8, k);
        if (rho + step < 0.99)
            assert_true(criterion_at(ctx, rho + step) > s.criterion);
        assert_true(criterion_at(ctx, rho - step) > s.criterion);
    }
    assert_true(fabs(criterion_at(ctx, rho + 1e-4) - criterion_at(ctx, rho - 1e-4)) < 1e-4);
    weir_model_free(model);
    weir_ctx_destroy(ctx);
}

static void assert_same_model(const weir_model *a, const weir_model *b)
{
    const double *x, *y;
    weir_summary s, t;
    int64_t p = weir_model_coefficients(a, &x, NULL);
    assert_int_equal(p, weir_model_coefficients(b, &y, NULL));
    assert_memory_equal(x, y, (size_t)p * sizeof *x);
    weir_model_summary(a, &s);
    weir_model_summary(b, &t);
    assert_true(s.criterion == t.criterion && s.scale == t.scale && s.deviance == t.deviance);
    assert_memory_equal(&s.ar1->standardised_correlation, &t.ar1->standardised_correlation, sizeof(double));
}

static void test_bits_and_diagnostics(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    weir_fit_options options = usual();
    weir_model *model = fit(ctx, &options);
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *other = test_ctx(NULL, threads, (int64_t)40 << 20);
        options.diagnostics = threads > 1; /* the residual correlation comes from another pass then */
        weir_model *again = fit(other, &options);
        assert_same_model(model, again);
        weir_model_free(again);
        weir_ctx_destroy(other);
    }
    weir_model_free(model);
    weir_ctx_destroy(ctx);
}

static void test_file_and_check(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/m.weir", folder);
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    weir_fit_options options = usual();
    weir_model *model = fit(ctx, &options), *back = NULL;
    assert_int_equal(weir_model_save(ctx, model, path), WEIR_OK);
    assert_int_equal(weir_model_load(ctx, path, &back), WEIR_OK);
    assert_same_model(model, back);
    const weir_smooth_check *checks;
    int64_t count;
    weir_table *table = open_series(ctx);
    assert_int_equal(weir_check(ctx, back, table, WEIR_MISSING_FAIL, &count, &checks), WEIR_OK);
    weir_table_close(table);
    assert_same_model(model, back);
    assert_int_equal(count, 2);
    assert_true(checks[1].k_index > 0.9 && checks[1].p_value > 0.05);
    weir_model_free(model);
    weir_model_free(back);
    weir_ctx_destroy(ctx);
    test_folder_remove(folder);
}

static void test_no_correlation_is_the_plain_fit(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    weir_fit_options options = usual(), plain = usual();
    options.ar1 = 1e-300; /* through the sums of neighbours */
    plain.ar1 = 0;
    plain.ar1_start = NULL;
    weir_model *a = fit(ctx, &options), *b = fit(ctx, &plain);
    const double *x, *y;
    int64_t p = weir_model_coefficients(a, &x, NULL);
    weir_model_coefficients(b, &y, NULL);
    for (int64_t i = 0; i < p; i++)
        assert_true(fabs(x[i] - y[i]) <= 1e-12 * (1 + fabs(y[i])));
    weir_summary s, t;
    weir_model_summary(a, &s);
    weir_model_summary(b, &t);
    assert_null(t.ar1);
    assert_true(fabs(s.criterion - t.criterion) < 1e-11 * t.criterion && fabs(s.r_squared_adjusted - t.r_squared_adjusted) < 1e-12);
    assert_true(fabs(s.deviance - t.deviance) < 1e-11 * t.deviance && fabs(s.null_deviance - t.null_deviance) < 1e-11 * t.null_deviance);
    weir_model_free(a);
    weir_model_free(b);
    weir_ctx_destroy(ctx);
}

/* A random effect of the factor whose changes begin series is eliminated; with the same beginnings as marks the system is dense. */
static void test_eliminated_or_not(void **state)
{
    (void)state;
    enum { GROUPS = 90, EACH = 12, N = GROUPS * EACH };
    double *y = malloc(N * sizeof *y), *x = malloc(N * sizeof *x), *mark = malloc(N * sizeof *mark);
    int32_t *g = malloc(N * sizeof *g);
    w_rng rng;
    w_rng_seed(&rng, 3);
    double effect = 0, residual = 0;
    for (int i = 0; i < N; i++) {
        mark[i] = i % EACH == 0;
        effect = mark[i] == 1 ? w_rng_normal(&rng) : effect;
        residual = mark[i] == 1 ? w_rng_normal(&rng) : 0.5 * residual + sqrt(0.75) * w_rng_normal(&rng);
        g[i] = i / EACH;
        x[i] = w_rng_uniform(&rng);
        y[i] = sin(6 * x[i]) + effect + 0.5 * residual;
    }
    weir_column column[] = { { "y", WEIR_F64, y, 0, 0, NULL }, { "x", WEIR_F64, x, 0, 0, NULL },
                             { "mark", WEIR_F64, mark, 0, 0, NULL }, { "g", WEIR_I32, g, 0, GROUPS, NULL } };
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    weir_model *model[2];
    weir_summary s[2];
    const double *beta[2];
    for (int i = 0; i < 2; i++) {
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        weir_table *table = NULL;
        options.ar1 = 0.5;
        options.ar1_start = i == 0 ? "g" : "mark";
        assert_int_equal(weir_table_from_columns(ctx, N, 4, column, &table), WEIR_OK);
        if (weir_fit(ctx, table, "y ~ s(x, bs = \"cr\", k = 8) + s(g, bs = \"re\")", &options, &model[i]) < 0)
            fail_msg("%s", weir_ctx_message(ctx));
        weir_model_summary(model[i], &s[i]);
        weir_model_coefficients(model[i], &beta[i], NULL);
        weir_table_close(table);
    }
    assert_true(s[0].plan->bytes_system < s[1].plan->bytes_system);
    assert_true(fabs(s[0].criterion - s[1].criterion) <= 1e-9 * fabs(s[1].criterion));
    assert_true(fabs(s[0].deviance - s[1].deviance) <= 1e-8 * s[1].deviance);
    assert_true(fabs(s[0].ar1->correlation - s[1].ar1->correlation) <= 1e-8);
    for (int64_t j = 0; j < s[0].columns; j++)
        assert_true(fabs(beta[0][j] - beta[1][j]) <= 1e-6);
    assert_int_equal(s[0].ar1->series, GROUPS);
    weir_model_free(model[0]);
    weir_model_free(model[1]);
    weir_ctx_destroy(ctx);
    free(y);
    free(x);
    free(mark);
    free(g);
}

typedef struct refusal {
    double rho;
    int estimate;
    const char *start, *family;
    weir_criterion criterion;
    weir_status status;
    const char *says;
} refusal;

static void test_refusals(void **state)
{
    (void)state;
    static const refusal each[] = {
        { 1, 0, NULL, NULL, WEIR_REML, WEIR_E_ARG, "between -1 and 1" },
        { -1.5, 0, NULL, NULL, WEIR_REML, WEIR_E_ARG, "between -1 and 1" },
        { NAN, 0, NULL, NULL, WEIR_REML, WEIR_E_ARG, "between -1 and 1" },
        { 0.5, 1, NULL, NULL, WEIR_REML, WEIR_E_ARG, "either given or estimated" },
        { 0, 1, NULL, NULL, WEIR_GCV, WEIR_E_ARG, "REML or ML" },
        { 0.5, 0, NULL, "poisson", WEIR_REML, WEIR_E_ARG, "gaussian" },
        { 0.5, 0, NULL, "gaussian:log", WEIR_REML, WEIR_E_ARG, "identity" },
        { 0, 0, "subject", NULL, WEIR_REML, WEIR_E_ARG, "'subject'" },
        { 0.5, 0, "z", NULL, WEIR_REML, WEIR_E_DATA, "'z' is " },
        { 0.5, 0, "nowhere", NULL, WEIR_REML, WEIR_E_DATA, "starts of the series" },
    };
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        weir_model *model;
        options.ar1 = each[i].rho;
        options.ar1_estimate = each[i].estimate;
        options.ar1_start = each[i].start;
        options.family = each[i].family;
        options.criterion = each[i].criterion;
        assert_int_equal(try_fit(ctx, "y ~ s(x)", &options, &model), each[i].status);
        if (!strstr(weir_ctx_message(ctx), each[i].says))
            fail_msg("'%s' does not say '%s'", weir_ctx_message(ctx), each[i].says);
    }
    weir_fit_options options = usual();
    weir_table *table = open_series(ctx);
    weir_sums *sums = NULL;
    assert_int_equal(weir_sums_accumulate(ctx, table, FORMULA, &options, NULL, 0, &sums), WEIR_E_ARG);
    assert_non_null(strstr(weir_ctx_message(ctx), "one pass"));
    weir_table_close(table);
    weir_ctx_destroy(ctx);
}

static void test_options_of_the_second_version(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    weir_fit_options options = usual();
    weir_summary s;
    options.version = 2; /* ends before ar1 */
    weir_model *model = fit(ctx, &options);
    weir_model_summary(model, &s);
    assert_null(s.ar1);
    weir_model_free(model);
    weir_ctx_destroy(ctx);
}

static void test_peak_stays_under_the_plan(void **state)
{
    (void)state;
    static const char *const formula[] = { FORMULA, "y ~ s(x) + te(time, z, k = 4) + s(subject, bs = \"re\")" };
    for (int i = 0; i < 4; i++) {
        weir_ctx *ctx = test_ctx(NULL, 1 + i % 2, 0);
        weir_fit_options options = usual();
        weir_model *model;
        weir_summary s;
        options.ar1 = i < 2 ? 0.6 : 0;
        options.ar1_estimate = i >= 2;
        if (try_fit(ctx, formula[i / 2], &options, &model) < 0)
            fail_msg("%s", weir_ctx_message(ctx));
        weir_model_summary(model, &s);
        if (s.actual_bytes > s.plan->bytes)
            fail_msg("peak %lld above the plan's %lld", (long long)s.actual_bytes, (long long)s.plan->bytes);
        weir_model_free(model);
        weir_ctx_destroy(ctx);
    }
}

static weir_status fallible(weir_ctx *ctx, void *arg)
{
    weir_model *model = NULL;
    const char *paths[] = { FOLDER "series.csv" };
    weir_table *table = NULL;
    weir_status status = weir_table_open(ctx, 1, paths, NULL, &table);
    if (status >= 0)
        status = weir_fit(ctx, table, "y ~ s(x, k = 5) + time", arg, &model);
    weir_table_close(table);
    weir_model_free(model);
    return status;
}

static void test_allocations_failing(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    weir_fit_options options = usual();
    options.ar1 = 0;
    options.ar1_estimate = 1;
    assert_true(fallible(ctx, &options) >= 0);
    assert_true(test_some_allocations_fail(ctx, fallible, &options, 1, 7) > 50);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_differences_of_the_criterion),
        cmocka_unit_test(test_estimated),
        cmocka_unit_test(test_bits_and_diagnostics),
        cmocka_unit_test(test_file_and_check),
        cmocka_unit_test(test_no_correlation_is_the_plain_fit),
        cmocka_unit_test(test_eliminated_or_not),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_options_of_the_second_version),
        cmocka_unit_test(test_peak_stays_under_the_plan),
        cmocka_unit_test(test_allocations_failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
