/* SPDX-License-Identifier: Apache-2.0 */
/* Residuals and basis checks of generalised models: deviance residuals make up the deviance, the simulated band tells a right
 * family from a wrong one, a basis that is too small is found, and all of it is the same from a file. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "fit/model.h"
#include "support/folder.h"
#include "support/mgcv.h"
#include "support/sink.h"
#include "weir/weir.h"

#define ROWS 3000
#define FOLDER WEIR_SOURCE_DIR "/tests/reference/glm/"

typedef struct data {
    double y[ROWS], x[ROWS], z[ROWS];
    int32_t g[ROWS];
    weir_column column[4];
} data;

/* Means exp(1 + sin(waves x)) whatever the family; 0.1 + 0.4 (1 + sin) for the unit interval. */
static data *make_data(weir_ctx *ctx, const char *family, double waves)
{
    data *d = calloc(1, sizeof *d);
    w_glm glm;
    w_rng rng;
    assert_non_null(d);
    assert_int_equal(w_family_parse(ctx, family, &glm), WEIR_OK);
    w_rng_seed(&rng, 5);
    for (int i = 0; i < ROWS; i++) {
        d->x[i] = w_rng_uniform(&rng);
        d->z[i] = w_rng_uniform(&rng);
        d->g[i] = (int32_t)w_rng_below(&rng, 2);
        double wave = sin(waves * d->x[i]), mu = glm.family->mu_high == 1.0 ? 0.1 + 0.4 * (1.0 + wave) : exp(1.0 + wave);
        d->y[i] = w_family_random(&glm, &rng, mu, 1.0, glm.family->scale_known ? 1.0 : 0.2);
    }
    d->column[0] = (weir_column){ "y", WEIR_F64, d->y, 0, 0, NULL };
    d->column[1] = (weir_column){ "x", WEIR_F64, d->x, 0, 0, NULL };
    d->column[2] = (weir_column){ "z", WEIR_F64, d->z, 0, 0, NULL };
    d->column[3] = (weir_column){ "g", WEIR_I32, d->g, 0, 2, NULL };
    return d;
}

static weir_table *table_of(weir_ctx *ctx, const data *d)
{
    weir_table *table = NULL;
    assert_int_equal(weir_table_from_columns(ctx, ROWS, 4, d->column, &table), WEIR_OK);
    return table;
}

static weir_model *fit(weir_ctx *ctx, const data *d, const char *family, const char *formula)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_model *model = NULL;
    weir_table *table = table_of(ctx, d);
    options.family = family;
    options.laplace = -1;
    options.diagnostics = 1;
    if (weir_fit(ctx, table, formula, &options, &model) != WEIR_OK) {
        fail_msg("%s: %s", family, weir_ctx_message(ctx));
    }
    if (model->summary.actual_bytes > model->plan.bytes) { /* the plan knows what residuals take */
        fail_msg("%s: %lld bytes, planned %lld", formula, (long long)model->summary.actual_bytes, (long long)model->plan.bytes);
    }
    weir_table_close(table);
    return model;
}

static double share_outside(const weir_model *model)
{
    const w_diagnostics *d = model->diagnostics;
    int64_t outside = 0;
    for (int64_t i = 0; i < d->quantiles; i++) {
        outside += d->quantile_residual[i] < d->quantile_lower[i] || d->quantile_residual[i] > d->quantile_upper[i];
    }
    assert_int_equal(d->quantiles, 400);
    return (double)outside / (double)d->quantiles;
}

/* sum of squared deviance residuals = deviance: n eps of it, in another order of summation. */
static void test_residuals_make_the_deviance(void **state)
{
    (void)state;
    static const char *const name[] = { "poisson", "binomial", "gamma:log", "nb(theta=3)", "tweedie(p=1.5)",
                                        "inverse-gaussian:log", "gaussian:log", "quasipoisson" };
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    for (size_t k = 0; k < sizeof name / sizeof *name; k++) {
        data *d = make_data(ctx, name[k], 6.0);
        weir_model *model = fit(ctx, d, name[k], "y ~ s(x)");
        double deviance = model->summary.deviance, square = model->diagnostics->residual_square;
        if (!(fabs(square - deviance) <= ROWS * 2.3e-16 * deviance)) {
            fail_msg("%s: %.17g and %.17g", name[k], square, deviance);
        }
        weir_model_free(model);
        free(d);
    }
    weir_ctx_destroy(ctx);
}

static void test_band_knows_the_family(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    static const struct { const char *truth, *fitted; bool right; } kase[] = {
        { "poisson", "poisson", true }, { "nb(theta=1)", "poisson", false }, { "nb(theta=1)", "nb(theta=1)", true },
        { "gamma:log", "gamma:log", true }, { "inverse-gaussian:log", "gaussian:log", false }, { "binomial", "binomial", true },
    };
    for (size_t k = 0; k < sizeof kase / sizeof *kase; k++) {
        data *d = make_data(ctx, kase[k].truth, 6.0);
        weir_model *model = fit(ctx, d, kase[k].fitted, "y ~ s(x)");
        double share = share_outside(model);
        /* Neighbouring quantiles move together: far from a tenth exactly, but a wrong family is outside nearly everywhere. */
        if (kase[k].right ? share > 0.45 : share < 0.6) {
            fail_msg("%s fitted as %s: %g outside", kase[k].truth, kase[k].fitted, share);
        }
        weir_model_free(model);
        free(d);
    }
    weir_ctx_destroy(ctx);
}

/* An expression orders as its values do, and multiplies as a column of them would: the same numbers to the bit. */
static void test_expressions_are_variables(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    data *d = make_data(ctx, "poisson", 6.0);
    weir_model *by = fit(ctx, d, "poisson", "y ~ s(x) + s(z, by=g)"), *plain = fit(ctx, d, "poisson", "y ~ s(x, k=10)"),
               *shifted = fit(ctx, d, "poisson", "y ~ s(2 * x + 1, k=10)");
    const weir_smooth_check *a = plain->diagnostics->check, *b = shifted->diagnostics->check;
    assert_true(fabs(a->k_index - b->k_index) < 1e-6 && fabs(a->p_value - b->p_value) < 0.01); /* fits agree to rounding */
    const weir_smooth_check *level = &by->diagnostics->check[1];
    assert_string_equal(level[0].label, "s(z):g0");
    assert_true(level[0].k_index != level[1].k_index); /* rows of one level each */
    weir_model_free(by);
    weir_model_free(plain);
    weir_model_free(shifted);
    free(d);
    weir_ctx_destroy(ctx);
}

/* Beside mgcv's k.check (tests/reference/glm/kcheck.R), which divides by the mean over 5000 permutations where here the variance
 * stands: its standard error is below sqrt(3/n/5000) = 0.25 % at n = 100, and a sample variance is n/(n-1) of theirs. Ties fall in
 * random order on both sides: five standard deviations of a difference. */
static void test_indices_of_mgcv(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    json_error_t error;
    json_t *root = json_load_file(FOLDER "cases.json", 0, &error), *cases = root ? json_object_get(root, "cases") : NULL;
    FILE *file = fopen(FOLDER "kcheck.txt", "r");
    char line[256], name[64], label[64];
    int k, compared = 0;
    double edf, index, sd;
    assert_non_null(cases);
    assert_non_null(file);
    failures = 0;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%63s %63s %d %lf %lf %lf", name, label, &k, &edf, &index, &sd) != 6) {
            continue;
        }
        for (size_t i = 0; i < json_array_size(cases); i++) {
            const json_t *c = json_array_get(cases, i);
            const weir_smooth_check *check;
            weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
            int64_t count;
            fitted_case f;
            if (strcmp(text_of(c, "name"), name) != 0) {
                continue;
            }
            options.family = text_of(c, "family");
            options.weights = text_of(c, "weights");
            fit_case_with(ctx, FOLDER, c, &options, NULL, &f);
            assert_int_equal(weir_check(ctx, f.model, f.table, WEIR_MISSING_FAIL, &count, &check), WEIR_OK);
            for (int64_t j = 0; j < count; j++) {
                if (strcmp(check[j].label, label) == 0) {
                    assert_int_equal(check[j].k, k);
                    expect_near(name, "edf", check[j].edf, edf, 1e-3);
                    expect_near(name, label, check[j].k_index, index, 0.01 + 5 * sqrt(2.0) * sd);
                    compared++;
                }
            }
            drop_case(&f);
        }
    }
    fclose(file);
    json_decref(root);
    weir_ctx_destroy(ctx);
    assert_int_equal(failures, 0);
    assert_int_equal(compared, 11);
}

static void test_small_basis_is_found(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    data *d = make_data(ctx, "poisson", 25.0);
    weir_model *small = fit(ctx, d, "poisson", "y ~ s(x, k=5) + s(z)");
    static const char *const large[] = { "y ~ s(x, k=40) + s(z, by=g)", "y ~ te(x, z, k=12)", "y ~ s(log(x + 1), k=40)",
                                         "y ~ s(x, k=40) + s(z, by=sqrt(x))", "y ~ s(x, k=40) + s(g, bs=\"re\")",
                                         "y ~ s(x, g, bs=\"fs\", k=25)" };
    static const int64_t counts[] = { 3, 1, 1, 2, 1, 1 }; /* of levels nothing is said */
    const weir_smooth_check *s = small->diagnostics->check;
    assert_int_equal(small->diagnostics->check_count, 2);
    assert_string_equal(s[0].label, "s(x)");
    assert_int_equal(s[0].k, 4);
    assert_true(s[0].k_index < 0.8 && s[0].p_value < 0.01);
    assert_true(s[1].p_value > 0.01); /* a seeded draw */
    for (int k = 0; k < 6; k++) {
        weir_model *model = fit(ctx, d, "poisson", large[k]);
        assert_int_equal(model->diagnostics->check_count, counts[k]);
        for (int i = 0; i < model->diagnostics->check_count; i++) {
            const weir_smooth_check *c = &model->diagnostics->check[i];
            if (!(c->k_index > 0.9 && c->k_index < 1.1 && c->p_value > 0.01 && c->p_value <= 1.0)) {
                fail_msg("%s: %s has k-index %g, p-value %g", large[k], c->label, c->k_index, c->p_value);
            }
        }
        weir_model_free(model);
    }
    weir_model_free(small);
    free(d);
    weir_ctx_destroy(ctx);
}

/* A file keeps what the fit knew of its residuals; a check of the same rows finds the same, whatever the threads. */
static void test_file_and_threads(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 32];
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/m.weir", folder);
    weir_ctx *ctx = test_ctx(NULL, 2, 0), *one = test_ctx(NULL, 1, 0);
    data *d = make_data(ctx, "nb(theta=2)", 6.0);
    weir_model *model = fit(ctx, d, "nb(theta=2)", "y ~ s(x) + s(z, by=g)"), *again = NULL;
    sink a = { 0 }, b = { 0 }, c = { 0 };
    assert_int_equal(weir_model_save(ctx, model, path), WEIR_OK);
    assert_int_equal(weir_model_load(one, path, &again), WEIR_OK);
    assert_int_equal(weir_report_html(ctx, model, sink_write, &a), WEIR_OK);
    assert_int_equal(weir_report_html(one, again, sink_write, &b), WEIR_OK);
    assert_int_equal(a.length, b.length);
    assert_memory_equal(a.text, b.text, a.length);
    weir_table *table = table_of(one, d);
    const weir_smooth_check *check = NULL;
    int64_t count = 0;
    assert_int_equal(weir_check(one, again, table, WEIR_MISSING_FAIL, &count, &check), WEIR_OK);
    assert_int_equal(count, model->diagnostics->check_count);
    assert_true(check == again->diagnostics->check);
    assert_int_equal(weir_report_html(one, again, sink_write, &c), WEIR_OK);
    assert_int_equal(a.length, c.length);
    assert_memory_equal(a.text, c.text, a.length);
    assert_non_null(strstr(a.text, "<h2>Basis dimensions"));
    assert_non_null(strstr(a.text, "simulated from the model"));
    sink_free(&a);
    sink_free(&b);
    sink_free(&c);
    weir_table_close(table);
    weir_model_free(model);
    weir_model_free(again);
    free(d);
    weir_ctx_destroy(ctx);
    weir_ctx_destroy(one);
    test_folder_remove(folder);
}

typedef struct attempt {
    const data *d;
} attempt;

static weir_status check_again(weir_ctx *ctx, void *arg)
{
    attempt *a = arg;
    weir_table *table = NULL;
    weir_model *model = NULL;
    const weir_smooth_check *check;
    int64_t count;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_status status = weir_table_from_columns(ctx, ROWS, 4, a->d->column, &table);
    if (status >= 0) {
        status = weir_fit(ctx, table, "y ~ s(x, k=5)", &options, &model);
    }
    if (status >= 0) {
        status = weir_check(ctx, model, table, WEIR_MISSING_FAIL, &count, &check);
    }
    weir_model_free(model);
    weir_table_close(table);
    return status;
}

static void test_allocations_fail(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    data *d = make_data(ctx, "gaussian", 6.0);
    attempt a = { d };
    assert_int_equal(check_again(ctx, &a), WEIR_OK); /* what the context makes once is made */
    assert_true(test_each_allocation_fails(ctx, check_again, &a) > 20);
    free(d);
    weir_ctx_destroy(ctx);
}

static void test_table_must_fit(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    data *d = make_data(ctx, "poisson", 6.0);
    weir_model *model = fit(ctx, d, "poisson", "y ~ s(x)");
    const w_diagnostics *before = model->diagnostics;
    const weir_smooth_check *check = NULL;
    weir_table *table = NULL;
    int64_t count;
    assert_int_equal(weir_table_from_columns(ctx, ROWS, 1, d->column + 1, &table), WEIR_OK);
    assert_int_equal(weir_check(ctx, model, table, WEIR_MISSING_FAIL, &count, &check), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "no column 'y'"));
    assert_true(model->diagnostics == before && check == NULL);
    assert_int_equal(weir_check(ctx, model, NULL, WEIR_MISSING_FAIL, &count, &check), WEIR_E_ARG);
    weir_table_close(table);
    weir_model_free(model);
    free(d);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_residuals_make_the_deviance),
        cmocka_unit_test(test_band_knows_the_family),
        cmocka_unit_test(test_small_basis_is_found),
        cmocka_unit_test(test_expressions_are_variables),
        cmocka_unit_test(test_indices_of_mgcv),
        cmocka_unit_test(test_file_and_threads),
        cmocka_unit_test(test_allocations_fail),
        cmocka_unit_test(test_table_must_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
