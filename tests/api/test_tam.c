/* SPDX-License-Identifier: Apache-2.0 */
/* Bases of features beside the direct computation of tests/reference/tam/make.py: every basis at every kind of extrapolation with
 * a given smoothing parameter; the air passengers of docs/tam.md with their ridge; and what the interface promises of any
 * smooth: model files, pictures, bits over threads, plans, memory that fails, refusals. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/folder.h"
#include "weir/weir.h"

#define FOLDER WEIR_SOURCE_DIR "/tests/reference/tam/"
#define MOST_CASES 64
#define MOST_POINTS 400
#define MOST_BYTES (1 << 22)

typedef struct rows {
    int64_t count;
    double fit[MOST_POINTS];
} rows;

static weir_table *open_table(weir_ctx *ctx, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, FOLDER "%s", name);
    const char *paths[] = { path };
    weir_table *table = NULL;
    if (weir_table_open(ctx, 1, paths, NULL, &table) < 0)
        fail_msg("%s", weir_ctx_message(ctx));
    return table;
}

static weir_model *fit(weir_ctx *ctx, const char *data, const char *formula, const weir_fit_options *options)
{
    weir_table *table = open_table(ctx, data);
    weir_model *model = NULL;
    if (weir_fit(ctx, table, formula, options, &model) < 0)
        fail_msg("%s: %s", formula, weir_ctx_message(ctx));
    weir_table_close(table);
    return model;
}

static int take(void *user, int64_t first, int64_t count, const double *value)
{
    rows *out = user;
    assert_true(first + count <= MOST_POINTS);
    memcpy(out->fit + first, value, (size_t)count * sizeof *value);
    out->count = first + count;
    return 0;
}

static void predict(weir_ctx *ctx, const weir_model *model, const char *data, rows *out)
{
    weir_table *table = open_table(ctx, data);
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    if (weir_predict(ctx, model, table, &options, take, out) < 0)
        fail_msg("%s", weir_ctx_message(ctx));
    weir_table_close(table);
}

typedef struct cases {
    int count;
    char formula[MOST_CASES][256];
    double ridge[MOST_CASES];
    double want[MOST_CASES][MOST_POINTS];
    int points;
} cases;

static cases *read_cases(void)
{
    cases *c = calloc(1, sizeof *c);
    FILE *file = fopen(FOLDER "cases.txt", "r");
    assert_non_null(c);
    assert_non_null(file);
    while (fscanf(file, "%lf %255[^\n]", &c->ridge[c->count], c->formula[c->count]) == 2)
        c->count++;
    fclose(file);
    file = fopen(FOLDER "fit.csv", "r");
    assert_non_null(file);
    while (fgetc(file) != '\n') {
    }
    for (double value; fscanf(file, "%lf%*c", &value) == 1; c->points++) {
        c->want[0][c->points] = value;
        for (int i = 1; i < c->count; i++)
            assert_int_equal(fscanf(file, "%lf%*c", &c->want[i][c->points]), 1);
    }
    fclose(file);
    assert_true(c->count > 40 && c->points > 30);
    return c;
}

/* Both sides solve the same least squares; the worst conditioned one (Chebyshev polynomials of degree 9 continued to u = 1.6)
 * keeps ten digits. */
static void compare(const cases *c, int i, const rows *got, const char *what)
{
    assert_int_equal(got->count, c->points);
    for (int r = 0; r < c->points; r++) {
        double want = c->want[i][r];
        if (!(fabs(got->fit[r] - want) <= 1e-10 * (1 + fabs(want))))
            fail_msg("%s %s, point %d: %.17g, expected %.17g", c->formula[i], what, r + 1, got->fit[r], want);
    }
}

static void test_definition(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/m.weir", folder);
    cases *c = read_cases();
    rows *first = calloc(1, sizeof *first), *second = calloc(1, sizeof *second);
    assert_true(first && second);
    for (int i = 0; i < c->count; i++) {
        weir_ctx *ctx = test_ctx(NULL, 1 + i % 2, 0);
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.ridge = c->ridge[i];
        weir_model *model = fit(ctx, "data.csv", c->formula[i], &options), *again = NULL;
        predict(ctx, model, "points.csv", first);
        compare(c, i, first, "fitted");
        weir_summary s;
        weir_model_summary(model, &s);
        if (s.actual_bytes > s.plan->bytes)
            fail_msg("%s: peak %lld above the plan's %lld", c->formula[i], (long long)s.actual_bytes, (long long)s.plan->bytes);
        assert_int_equal(weir_model_save(ctx, model, path), WEIR_OK);
        if (weir_model_load(ctx, path, &again) < 0)
            fail_msg("%s: %s", c->formula[i], weir_ctx_message(ctx));
        predict(ctx, again, "points.csv", second);
        assert_memory_equal(first->fit, second->fit, (size_t)first->count * sizeof *first->fit);
        weir_model_free(again);
        weir_model_free(model);
        weir_ctx_destroy(ctx);
    }
    free(first);
    free(second);
    free(c);
    test_folder_remove(folder);
}

/* Chosen smoothing parameters, products of bases, all methods: the same bits on one thread and on three, and the deviance under
 * that of the constant. */
static void test_chosen(void **state)
{
    (void)state;
    static const struct {
        const char *formula;
        weir_criterion criterion;
        double gamma, least;
    } each[] = {
        { "y ~ s(x, bs=\"fourier\") + s(z, bs=\"cheb\") + s(m, bs=\"ordinal\")", WEIR_GCV, 1.4, 0.9 },
        { "y ~ s(x, bs=\"wavelet\") + s(z, bs=\"rbf\", k=15) + s(m, bs=\"catfourier\")", WEIR_GCV, 1.4, 0.93 },
        { "y ~ te(x, z, bs=c(\"fourier\", \"cr\"), m=c(4, NA), k=5) + s(m, bs=\"nominal\")", WEIR_REML, 0, 0.93 },
        { "y ~ te(x, m, bs=c(\"cheb\", \"ordinal\"), deg=8) + s(z, bs=\"lintree\")", WEIR_REML, 0, 0.85 },
        { "y ~ ti(x, bs=\"fourier\") + ti(z, bs=\"rff\", n_neurons=20) + ti(x, z, bs=c(\"cheb\", \"wavelet\"), n_scales=2, n_locations=4)",
          WEIR_REML, 0, 0.7 },
        { "y ~ te(x, z, m, bs=c(\"cheb\", \"ps\", \"catfourier\"), k=4, deg=4)", WEIR_ML, 0, 0.5 },
        { "y ~ s(x, z, bs=\"tree\", n_trees=20) + s(m, bs=\"tree\", n_trees=5)", WEIR_GCV, 1.4, 0.8 },
        { "y ~ s(x, bs=\"fourier\", by=z) + s(z, bs=\"rff\", k=30, by=factor(m))", WEIR_REML, 0, 0.5 },
    };
    rows *got = calloc(2, sizeof *got);
    assert_non_null(got);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        for (int run = 0; run < 2; run++) {
            weir_ctx *ctx = test_ctx(NULL, 1 + 2 * run, 0);
            weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
            options.criterion = each[i].criterion;
            options.gamma = each[i].gamma;
            weir_model *model = fit(ctx, "data.csv", each[i].formula, &options);
            weir_summary s;
            weir_model_summary(model, &s);
            if (!(s.deviance <= (1 - each[i].least) * s.null_deviance))
                fail_msg("%s explains %.3f", each[i].formula, 1 - s.deviance / s.null_deviance);
            if (s.actual_bytes > s.plan->bytes)
                fail_msg("%s: peak %lld above the plan's %lld", each[i].formula, (long long)s.actual_bytes, (long long)s.plan->bytes);
            predict(ctx, model, "points.csv", &got[run]);
            weir_model_free(model);
            weir_ctx_destroy(ctx);
        }
        assert_memory_equal(got[0].fit, got[1].fit, (size_t)got[0].count * sizeof *got[0].fit);
    }
    free(got);
}

/* 14 coefficients and the mean absolute percentage error of 24 later months, with what TAM adds spelt out: 1e-6 per row on every
 * coefficient, and 1e-9 per row on that of the column of ones, which is no unpenalised intercept here. */
static void test_air_passengers(void **state)
{
    (void)state;
    static const double want[] = { 4.838146,  1.321831, -1.170010, 0.917552,  -0.554833, 0.238220,  -0.053957,
                                   0.054376, -0.077351, 0.089765,  -0.061963, 0.035584,  -0.008527, 0.222320 };
    enum { TRAIN = 108, ROWS = 132 };
    static double passengers[ROWS], y[ROWS], month[ROWS], lag[ROWS], one[ROWS];
    FILE *file = fopen(FOLDER "airpassengers.csv", "r");
    assert_non_null(file);
    while (fgetc(file) != '\n') {
    }
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(fscanf(file, "%lf,%lf,%lf,%lf", &passengers[i], &y[i], &month[i], &lag[i]), 4), one[i] = 1;
    fclose(file);
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    weir_column array[] = { { .name = "log_passengers", .dtype = WEIR_F64, .data = y }, { .name = "time_of_year", .dtype = WEIR_F64, .data = month },
                           { .name = "lag", .dtype = WEIR_F64, .data = lag }, { .name = "one", .dtype = WEIR_F64, .data = one } };
    weir_table *table = NULL;
    weir_model *model = NULL;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.ridge = 1e-6 * TRAIN;
    assert_int_equal(weir_table_from_columns(ctx, TRAIN, 4, array, &table), WEIR_OK);
    if (weir_fit(ctx, table, "log_passengers ~ 0 + s(one, bs=\"re\", sp=1.08e-7) + "
                             "s(time_of_year, bs=\"catfourier\", n_cat=12, ap=-8, centre=FALSE) + "
                             "s(lag, bs=\"linear\", ap=-30, centre=FALSE)", &options, &model) < 0)
        fail_msg("%s", weir_ctx_message(ctx));
    weir_table_close(table);
    const double *beta;
    assert_int_equal(weir_model_coefficients(model, &beta, NULL), 14);
    for (int j = 0; j < 14; j++) {
        if (!(fabs(beta[j] - want[j]) <= 1e-6))
            fail_msg("coefficient %d is %.9f, expected %.6f", j + 1, beta[j], want[j]);
    }
    rows *got = calloc(1, sizeof *got);
    assert_non_null(got);
    weir_predict_options how = WEIR_PREDICT_OPTIONS_INIT;
    for (int c = 0; c < 4; c++)
        array[c].data = (const double *)array[c].data + TRAIN;
    assert_int_equal(weir_table_from_columns(ctx, ROWS - TRAIN, 4, array, &table), WEIR_OK);
    assert_int_equal(weir_predict(ctx, model, table, &how, take, got), WEIR_OK);
    double error = 0;
    for (int i = 0; i < ROWS - TRAIN; i++)
        error += 100 * fabs(exp(got->fit[i]) - passengers[TRAIN + i]) / passengers[TRAIN + i] / (ROWS - TRAIN);
    if (!(fabs(error - 3.8269) <= 5e-5))
        fail_msg("mean absolute percentage error %.6f", error);
    free(got);
    weir_table_close(table);
    weir_model_free(model);
    weir_ctx_destroy(ctx);
}

typedef struct page {
    size_t length;
    char *text;
} page;

static int append(void *user, const char *bytes, size_t count)
{
    page *p = user;
    assert_true(p->length + count < MOST_BYTES);
    memcpy(p->text + p->length, bytes, count);
    p->length += count;
    p->text[p->length] = 0;
    return 0;
}

static void test_pictures(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.diagnostics = 1;
    weir_model *model = fit(ctx, "data.csv", "y ~ s(x, bs=\"fourier\") + s(m, bs=\"nominal\") + s(exp(z), bs=\"tree\", n_trees=6) + "
                                             "s(x, z, bs=\"rbf\", n_centers=10)", &options);
    page p = { .text = malloc(MOST_BYTES) };
    assert_non_null(p.text);
    if (weir_report_html(ctx, model, append, &p) < 0)
        fail_msg("%s", weir_ctx_message(ctx));
    int pictures = 0;
    for (const char *at = p.text; (at = strstr(at, "<svg")); at++)
        pictures++;
    assert_true(pictures >= 5);
    free(p.text);
    weir_model_free(model);
    weir_ctx_destroy(ctx);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *formula, *says;
        weir_status status;
    } each[] = {
        { "y ~ s(x, bs=\"fourer\")", "did you mean 'fourier'?", WEIR_E_FORMULA },
        { "y ~ s(x, bs=\"fourier\", n_knots=4)", "unknown argument 'n_knots' of s(); there are bs", WEIR_E_FORMULA },
        { "y ~ s(x, bs=\"rbf\", gama=4)", "did you mean 'gamma'?", WEIR_E_FORMULA },
        { "y ~ s(x, bs=\"rff\", act=\"sin\")", "act= takes", WEIR_E_FORMULA },
        { "y ~ s(x, bs=\"cheb\", extrapolate=\"line\")", "extrapolate= takes", WEIR_E_FORMULA },
        { "y ~ s(x, bs=\"cheb\", deg=0)", "deg= takes a whole number from 1", WEIR_E_FORMULA },
        { "y ~ s(x, bs=\"fourier\", m=0)", "m= takes whole numbers from 1", WEIR_E_FORMULA },
        { "y ~ s(x, z, bs=\"fourier\")", "smooths one covariate", WEIR_E_FORMULA },
        { "y ~ te(x, z, bs=c(\"tree\", \"cr\"))", "cannot be a margin of te()", WEIR_E_FORMULA },
        { "y ~ t2(x, z, bs=c(\"cheb\", \"cr\"))", "cannot be a margin of t2()", WEIR_E_FORMULA },
        { "y ~ s(x, bs=\"tree\", by=z)", "unknown argument 'by'", WEIR_E_FORMULA },
        { "y ~ s(x, bs=\"cr\", extrapolate=\"linear\")", "unknown argument 'extrapolate'", WEIR_E_FORMULA },
        { "y ~ s(x, bs=\"rbf\", nu=1)", "0.5, 1.5 or 2.5", WEIR_E_FORMULA },
        { "y ~ s(x, bs=\"nominal\")", "whole ones", WEIR_E_DATA },
        { "y ~ s(m, bs=\"nominal\", n_cat=5)", "n_cat = 5", WEIR_E_DATA },
        { "y ~ s(x, bs=\"cheb\", ap=-3, sp=1)", "no sp=", WEIR_E_FORMULA },
        { "y ~ s(x, bs=\"cheb\", centre=3)", "TRUE or FALSE", WEIR_E_FORMULA },
        { "y ~ s(x, bs=\"lintree\", slope=3)", "slope = 3", WEIR_E_FORMULA },
    };
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        weir_table *table = open_table(ctx, "data.csv");
        weir_model *model = NULL;
        weir_status status = weir_fit(ctx, table, each[i].formula, &options, &model);
        if (status != each[i].status || !strstr(weir_ctx_message(ctx), each[i].says))
            fail_msg("%s: status %d, '%s' does not say '%s'", each[i].formula, (int)status, weir_ctx_message(ctx), each[i].says);
        assert_null(model);
        weir_table_close(table);
    }
    weir_table *table = open_table(ctx, "data.csv");
    weir_model *model = NULL;
    options.ridge = -1;
    assert_int_equal(weir_fit(ctx, table, "y ~ x", &options, &model), WEIR_E_ARG);
    options.ridge = 1;
    options.family = "poisson";
    assert_int_equal(weir_fit(ctx, table, "m ~ x", &options, &model), WEIR_E_ARG);
    assert_non_null(strstr(weir_ctx_message(ctx), "ridge"));
    options.family = NULL;
    options.ar1 = 0.5;
    assert_int_equal(weir_fit(ctx, table, "y ~ x", &options, &model), WEIR_E_ARG);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
}

/* A penalised line by hand: slope and intercept of (X'X + R I) b = X'y. */
static void test_ridge(void **state)
{
    (void)state;
    enum { N = 40 };
    static double x[N], y[N];
    const double ridge = 3.5;
    double a = N + ridge, b = 0, c = ridge, u = 0, v = 0;
    for (int i = 0; i < N; i++) {
        x[i] = 0.1 * i + 2;
        y[i] = 30 + 2 * x[i] + sin(3.0 * i);
        b += x[i];
        c += x[i] * x[i];
        u += y[i];
        v += x[i] * y[i];
    }
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    const weir_column array[] = { { .name = "x", .dtype = WEIR_F64, .data = x }, { .name = "y", .dtype = WEIR_F64, .data = y } };
    weir_table *table = NULL;
    weir_model *model = NULL;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.ridge = ridge;
    assert_int_equal(weir_table_from_columns(ctx, N, 2, array, &table), WEIR_OK);
    assert_int_equal(weir_fit(ctx, table, "y ~ x", &options, &model), WEIR_OK);
    const double *beta, det = a * c - b * b;
    assert_int_equal(weir_model_coefficients(model, &beta, NULL), 2);
    assert_true(fabs(beta[0] - (c * u - b * v) / det) <= 1e-11 * fabs(beta[0]));
    assert_true(fabs(beta[1] - (a * v - b * u) / det) <= 1e-11 * fabs(beta[1]));
    weir_model_free(model);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
}

static weir_status fallible(weir_ctx *ctx, void *arg)
{
    weir_model *model = NULL;
    const char *paths[] = { FOLDER "data.csv" };
    weir_table *table = NULL;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_status status = weir_table_open(ctx, 1, paths, NULL, &table);
    if (status >= 0)
        status = weir_fit(ctx, table, arg, &options, &model);
    weir_table_close(table);
    weir_model_free(model);
    return status;
}

static void test_allocations_failing(void **state)
{
    (void)state;
    static const char *const formula[] = {
        "y ~ s(x, bs=\"rbf\", k=5, ap=-3) + s(z, bs=\"rff\", k=6, ap=-3) + s(m, bs=\"ordinal\", ap=-3)",
        "y ~ te(x, z, bs=c(\"fourier\", \"lintree\"), m=c(2, NA), max_depth=1) + s(x, bs=\"tree\", n_trees=3, max_depth=2, sp_alpha=1, "
        "split_strategy=\"quantile\")",
    };
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    for (size_t i = 0; i < sizeof formula / sizeof *formula; i++) {
        assert_true(fallible(ctx, (void *)formula[i]) >= 0);
        assert_true(test_some_allocations_fail(ctx, fallible, (void *)formula[i], 1 + (int64_t)i, 7) > 50);
    }
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition),          cmocka_unit_test(test_chosen),   cmocka_unit_test(test_air_passengers),
        cmocka_unit_test(test_pictures),            cmocka_unit_test(test_refusals), cmocka_unit_test(test_ridge),
        cmocka_unit_test(test_allocations_failing),
    };
    return cmocka_run_group_tests_name("tam", tests, NULL, NULL);
}
