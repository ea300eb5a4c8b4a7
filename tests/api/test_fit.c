/* SPDX-License-Identifier: Apache-2.0 */
/* Whole fits through the public functions: bits that do not depend on threads, splits or files; budgets that hold;
 * every allocation failing; parts merged. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "support/folder.h"
#include "weir/weir.h"

#define ROWS 30011
#define FORMULA "y ~ x2 + f + s(x0, bs = \"cr\") + s(x1, bs = \"ps\", k = 12) + s(g, bs = \"re\")"

typedef struct data {
    double y[ROWS], x0[ROWS], x1[ROWS], x2[ROWS];
    int32_t f[ROWS], g[ROWS];
    weir_column column[6];
} data;

static const char *const f_levels[] = { "a", "b", "c" };

static data *make_data(void)
{
    data *d = calloc(1, sizeof *d);
    assert_non_null(d);
    w_rng rng;
    w_rng_seed(&rng, 20);
    for (int i = 0; i < ROWS; i++) {
        d->x0[i] = w_rng_uniform(&rng);
        d->x1[i] = 10.0 * w_rng_uniform(&rng) - 3.0;
        d->x2[i] = w_rng_normal(&rng);
        d->f[i] = (int32_t)w_rng_below(&rng, 3);
        d->g[i] = (int32_t)w_rng_below(&rng, 40);
        d->y[i] = 100.0 + sin(6.0 * d->x0[i]) + 0.1 * d->x1[i] * d->x1[i] + 0.5 * d->x2[i] + d->f[i] +
                  0.2 * sin(7.0 * d->g[i]) + 0.3 * w_rng_normal(&rng);
    }
    d->column[0] = (weir_column){ "y", WEIR_F64, d->y, 0, 0, NULL };
    d->column[1] = (weir_column){ "x0", WEIR_F64, d->x0, 0, 0, NULL };
    d->column[2] = (weir_column){ "x1", WEIR_F64, d->x1, 0, 0, NULL };
    d->column[3] = (weir_column){ "x2", WEIR_F64, d->x2, 0, 0, NULL };
    d->column[4] = (weir_column){ "f", WEIR_I32, d->f, 0, 3, f_levels };
    d->column[5] = (weir_column){ "g", WEIR_I32, d->g, 0, 40, NULL };
    return d;
}

static void write_csv(const data *d, const char *path, int first, int last)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("y,x0,x1,x2,f,g\n", file);
    for (int i = first; i < last; i++) {
        fprintf(file, "%.17g,%.17g,%.17g,%.17g,%s,g%02d\n", d->y[i], d->x0[i], d->x1[i], d->x2[i], f_levels[d->f[i]], d->g[i]);
    }
    assert_int_equal(fclose(file), 0);
}

static weir_model *fit_table(weir_ctx *ctx, weir_table *table, const char *formula)
{
    weir_model *model = NULL;
    weir_status status = weir_fit(ctx, table, formula, NULL, &model);
    if (status != WEIR_OK) {
        fail_msg("fit: status %d: %s", status, weir_ctx_message(ctx));
    }
    return model;
}

static weir_model *fit_memory(weir_ctx *ctx, const data *d, const char *formula)
{
    weir_table *table = NULL;
    assert_int_equal(weir_table_from_columns(ctx, ROWS, 6, d->column, &table), WEIR_OK);
    weir_model *model = fit_table(ctx, table, formula);
    weir_table_close(table);
    return model;
}

static void assert_same_model(const weir_model *a, const weir_model *b)
{
    const double *beta_a, *beta_b;
    int64_t p = weir_model_coefficients(a, &beta_a, NULL);
    assert_int_equal(p, weir_model_coefficients(b, &beta_b, NULL));
    assert_memory_equal(beta_a, beta_b, (size_t)p * sizeof(double));
    weir_summary sa, sb;
    weir_model_summary(a, &sa);
    weir_model_summary(b, &sb);
    assert_memory_equal(&sa.criterion, &sb.criterion, sizeof(double));
    assert_memory_equal(&sa.scale, &sb.scale, sizeof(double));
    assert_memory_equal(&sa.edf_total, &sb.edf_total, sizeof(double));
}

static void test_recovers_the_truth(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    data *d = make_data();
    weir_model *model = fit_memory(ctx, d, FORMULA);
    weir_summary summary;
    assert_int_equal(weir_model_summary(model, &summary), WEIR_OK);
    assert_int_equal(summary.n, ROWS);
    /* residual sd 0.3: the scale's relative standard error is sqrt(2/n) = 0.8 %; allow five of them */
    assert_true(fabs(summary.scale / 0.09 - 1.0) < 0.041);
    /* slope 0.5 of a standard normal covariate: standard error 0.3/sqrt(n) */
    int found = 0;
    for (int i = 0; i < summary.coefficient_count; i++) {
        if (strcmp(summary.coefficient[i].label, "x2") == 0) {
            assert_true(fabs(summary.coefficient[i].estimate - 0.5) < 5.0 * 0.3 / sqrt(ROWS));
            found = 1;
        }
    }
    assert_int_equal(found, 1);
    assert_int_equal(summary.term_count, 3);
    assert_true(summary.backward_error < 1e-12);
    weir_model_free(model);
    free(d);
    weir_ctx_destroy(ctx);
}

static void test_bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    data *d = make_data();
    weir_ctx *ctx1 = test_ctx(NULL, 1, 0);
    weir_model *one = fit_memory(ctx1, d, FORMULA);
    for (int threads = 2; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(NULL, threads, 0);
        weir_model *other = fit_memory(ctx, d, FORMULA);
        assert_same_model(one, other);
        weir_model_free(other);
        weir_ctx_destroy(ctx);
    }
    weir_model_free(one);
    weir_ctx_destroy(ctx1);
    free(d);
}

static void test_bits_do_not_depend_on_files_or_budget(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_BYTES], path[8][TEST_FOLDER_BYTES + 32];
    assert_int_equal(test_folder_make(folder), 0);
    data *d = make_data();
    const char *whole[1], *parts[7];
    snprintf(path[7], sizeof path[7], "%s/all.csv", folder);
    write_csv(d, path[7], 0, ROWS);
    whole[0] = path[7];
    for (int i = 0; i < 7; i++) {
        snprintf(path[i], sizeof path[i], "%s/part%d.csv", folder, i);
        write_csv(d, path[i], i * ROWS / 7, (i + 1) * ROWS / 7);
        parts[i] = path[i];
    }
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    weir_table *table = NULL;
    weir_model *one, *seven, *tight;
    weir_plan plan;
    assert_int_equal(weir_table_open(ctx, 1, whole, NULL, &table), WEIR_OK);
    assert_int_equal(weir_plan_fit(ctx, table, FORMULA, NULL, &plan), WEIR_OK);
    weir_ctx *small = test_ctx(NULL, 2, plan.bytes - plan.bytes_read + 3 * plan.keep_bytes / 4);
    one = fit_table(ctx, table, FORMULA);
    weir_table_close(table);
    assert_int_equal(weir_table_open(ctx, 7, parts, NULL, &table), WEIR_OK);
    seven = fit_table(ctx, table, FORMULA);
    weir_table_close(table);
    assert_int_equal(weir_table_open(small, 1, whole, NULL, &table), WEIR_OK);
    tight = fit_table(small, table, FORMULA);
    weir_table_close(table);
    assert_same_model(one, seven);
    assert_same_model(one, tight);
    weir_summary roomy, narrow;
    weir_model_summary(one, &roomy);
    weir_model_summary(tight, &narrow);
    assert_string_equal(roomy.plan->reading, "kept in memory");
    assert_string_equal(narrow.plan->reading, "cached in scratch");
    weir_model_free(tight);
    weir_ctx_options none = WEIR_CTX_OPTIONS_INIT;
    none.threads = 2;
    none.memory_budget = plan.bytes - plan.bytes_read + 3 * plan.keep_bytes / 4;
    none.scratch = "none";
    weir_ctx_destroy(small);
    assert_int_equal(weir_ctx_create(&none, &small), WEIR_OK);
    assert_int_equal(weir_table_open(small, 1, whole, NULL, &table), WEIR_OK);
    tight = fit_table(small, table, FORMULA);
    weir_table_close(table);
    assert_same_model(one, tight);
    weir_model_summary(tight, &narrow);
    assert_string_equal(narrow.plan->reading, "read again each pass");
    weir_model_free(one);
    weir_model_free(seven);
    weir_model_free(tight);
    weir_ctx_destroy(ctx);
    weir_ctx_destroy(small);
    test_folder_remove(folder);
    free(d);
}

static weir_table *rows_of(weir_ctx *ctx, const data *d, int first, int last)
{
    weir_column column[6];
    memcpy(column, d->column, sizeof column);
    for (int c = 0; c < 6; c++) {
        size_t width = column[c].dtype == WEIR_F64 ? sizeof(double) : sizeof(int32_t);
        column[c].data = (const char *)column[c].data + (size_t)first * width;
    }
    weir_table *table = NULL;
    assert_int_equal(weir_table_from_columns(ctx, last - first, 6, column, &table), WEIR_OK);
    return table;
}

static void test_parts_saved_merged_and_fitted(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 32];
    assert_int_equal(test_folder_make(folder), 0);
    data *d = make_data();
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    weir_table *table = rows_of(ctx, d, 0, ROWS);
    weir_sums *whole = NULL, *total = NULL;
    assert_int_equal(weir_sums_accumulate(ctx, table, FORMULA, NULL, NULL, 0, &whole), WEIR_OK);
    weir_table_close(table);
    weir_model *expected = NULL;
    assert_int_equal(weir_sums_fit(ctx, whole, NULL, &expected), WEIR_OK);
    /* seven parts at arbitrary rows, accumulated out of order, each through a file */
    static const int order[7] = { 3, 0, 6, 1, 5, 2, 4 };
    for (int i = 0; i < 7; i++) {
        int first = order[i] * ROWS / 7, last = (order[i] + 1) * ROWS / 7;
        table = rows_of(ctx, d, first, last);
        weir_sums *part = NULL, *loaded = NULL;
        assert_int_equal(weir_sums_accumulate(ctx, table, NULL, NULL, whole, first, &part), WEIR_OK);
        weir_table_close(table);
        snprintf(path, sizeof path, "%s/part%d.acc", folder, i);
        assert_int_equal(weir_sums_save(ctx, part, path), WEIR_OK);
        weir_sums_free(part);
        assert_int_equal(weir_sums_load(ctx, path, &loaded), WEIR_OK);
        if (!total) {
            total = loaded;
        } else {
            weir_status status = weir_sums_merge(ctx, total, loaded);
            if (status != WEIR_OK) {
                fail_msg("merge: %s", weir_ctx_message(ctx));
            }
            weir_sums_free(loaded);
        }
    }
    assert_int_equal(weir_sums_next_row(total), ROWS);
    weir_model *merged = NULL;
    assert_int_equal(weir_sums_fit(ctx, total, NULL, &merged), WEIR_OK);
    assert_same_model(expected, merged);
    /* the same rows twice are refused */
    assert_int_equal(weir_sums_merge(ctx, total, whole), WEIR_E_DATA);
    weir_model_free(expected);
    weir_model_free(merged);
    weir_sums_free(whole);
    weir_sums_free(total);
    weir_ctx_destroy(ctx);
    test_folder_remove(folder);
    free(d);
}

static void test_peak_stays_under_plan_and_budget(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 32];
    assert_int_equal(test_folder_make(folder), 0);
    data *d = make_data();
    snprintf(path, sizeof path, "%s/all.csv", folder);
    write_csv(d, path, 0, ROWS);
    const char *paths[1] = { path };
    int done = 0;
    for (int64_t mebibytes = 16; mebibytes <= 1024; mebibytes *= 2) {
        weir_ctx *ctx = test_ctx(NULL, 2, mebibytes << 20);
        weir_table *table = NULL;
        weir_model *model = NULL;
        assert_int_equal(weir_table_open(ctx, 1, paths, NULL, &table), WEIR_OK);
        weir_status status = weir_fit(ctx, table, FORMULA, NULL, &model);
        if (status == WEIR_OK) {
            weir_summary summary;
            weir_model_summary(model, &summary);
            if (summary.actual_bytes > summary.plan->bytes) {
                fail_msg("%d MiB: peak %lld above the plan's %lld", (int)mebibytes, (long long)summary.actual_bytes,
                         (long long)summary.plan->bytes);
            }
            assert_true(summary.plan->bytes <= mebibytes << 20);
            done++;
        } else {
            assert_int_equal(status, WEIR_E_BUDGET);
            assert_non_null(strstr(weir_ctx_message(ctx), "would do"));
            assert_int_equal(done, 0);
        }
        weir_model_free(model);
        weir_table_close(table);
        weir_ctx_destroy(ctx);
    }
    assert_true(done >= 5);
    test_folder_remove(folder);
    free(d);
}

static int take_rows(void *user, int64_t first_row, int64_t rows, const double *values)
{
    (void)first_row;
    double *sum = user;
    for (int64_t i = 0; i < rows; i++) {
        *sum += values[i];
    }
    return 0;
}

static weir_status fit_and_predict(weir_ctx *ctx, void *arg)
{
    const data *d = arg;
    weir_table *table = NULL;
    weir_model *model = NULL;
    weir_status status = weir_table_from_columns(ctx, 700, 6, d->column, &table);
    if (status >= 0) {
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.diagnostics = 1;
        status = weir_fit(ctx, table, FORMULA, &options, &model);
    }
    if (status >= 0) {
        weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
        options.se = 1;
        double sum = 0;
        status = weir_predict(ctx, model, table, &options, take_rows, &sum);
    }
    weir_model_free(model);
    weir_table_close(table);
    return status;
}

static void test_every_allocation_failing(void **state)
{
    (void)state;
    data *d = make_data();
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    assert_true(fit_and_predict(ctx, d) >= 0);
    assert_true(test_each_allocation_fails(ctx, fit_and_predict, d) > 50);
    weir_ctx_destroy(ctx);
    free(d);
}

static int keep_rows(void *user, int64_t first_row, int64_t rows, const double *values)
{
    double *kept = user;
    for (int64_t i = 0; i < rows; i++) {
        kept[2 * (first_row + i)] = values[i];
        kept[2 * (first_row + i) + 1] = values[rows + i];
    }
    return 0;
}

/* Predictions with standard errors against x'beta and x'Vx of dense rows, through a saved and reloaded model. */
static void test_predictions_survive_a_file(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 32];
    assert_int_equal(test_folder_make(folder), 0);
    data *d = make_data();
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    weir_model *model = fit_memory(ctx, d, FORMULA), *loaded = NULL;
    snprintf(path, sizeof path, "%s/model.weir", folder);
    assert_int_equal(weir_model_save(ctx, model, path), WEIR_OK);
    assert_int_equal(weir_model_load(ctx, path, &loaded), WEIR_OK);
    double *first = malloc(2 * ROWS * sizeof(double)), *second = malloc(2 * ROWS * sizeof(double));
    assert_true(first && second);
    weir_table *table = rows_of(ctx, d, 0, ROWS);
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    options.se = 1;
    assert_int_equal(weir_predict(ctx, model, table, &options, keep_rows, first), WEIR_OK);
    assert_int_equal(weir_predict(ctx, loaded, table, &options, keep_rows, second), WEIR_OK);
    assert_memory_equal(first, second, 2 * ROWS * sizeof(double));
    double square = 0;
    for (int i = 0; i < ROWS; i++) {
        square += (d->y[i] - first[2 * i]) * (d->y[i] - first[2 * i]);
        assert_true(first[2 * i + 1] > 0 && first[2 * i + 1] < 0.3);
    }
    weir_summary summary;
    weir_model_summary(model, &summary);
    assert_true(fabs(square / summary.deviance - 1.0) < 1e-9);
    weir_table_close(table);
    weir_model_free(model);
    weir_model_free(loaded);
    free(first);
    free(second);
    weir_ctx_destroy(ctx);
    test_folder_remove(folder);
    free(d);
}

/* A program compiled before `laplace` was added passes a shorter structure. */
static void test_options_of_the_first_version(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    data *d = make_data();
    weir_table *table = NULL;
    weir_model *model = NULL;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    assert_int_equal(weir_table_from_columns(ctx, ROWS, 6, d->column, &table), WEIR_OK);
    options.laplace = 7;
    assert_int_equal(weir_fit(ctx, table, "y ~ x2", &options, &model), WEIR_E_ARG);
    assert_non_null(strstr(weir_ctx_message(ctx), "laplace is 7"));
    options.version = 1; /* what lies behind its end is not looked at */
    assert_int_equal(weir_fit(ctx, table, "y ~ x2", &options, &model), WEIR_OK);
    weir_model_free(model);
    options.version = WEIR_FIT_OPTIONS_VERSION + 1;
    assert_int_equal(weir_fit(ctx, table, "y ~ x2", &options, &model), WEIR_E_VERSION);
    weir_table_close(table);
    free(d);
    weir_ctx_destroy(ctx);
}

/* Many levels: the random effect is eliminated first, wherever it stands in the formula. */
static void test_standard_errors_do_not_depend_on_term_order(void **state)
{
    (void)state;
    static const char *const formula[] = { "y ~ s(g, bs = \"re\") + s(x0, bs = \"cr\") + x2 + f",
                                           "y ~ f + x2 + s(x0, bs = \"cr\") + s(g, bs = \"re\")",
                                           "y ~ s(x0, bs = \"cr\") + x2 + s(g, bs = \"re\") + f" };
    data *d = make_data();
    for (int i = 0; i < ROWS; i++) {
        d->g[i] = (int32_t)((i * 7919LL) % 200);
    }
    d->column[5].level_count = 200;
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    weir_table *table = rows_of(ctx, d, 0, ROWS);
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    options.se = 1;
    double *values[3];
    for (int k = 0; k < 3; k++) {
        weir_model *model = fit_memory(ctx, d, formula[k]);
        weir_summary summary;
        weir_model_summary(model, &summary);
        assert_string_equal(summary.plan->route, "normal-equations/arrow");
        values[k] = malloc(2 * ROWS * sizeof(double));
        assert_non_null(values[k]);
        assert_int_equal(weir_predict(ctx, model, table, &options, keep_rows, values[k]), WEIR_OK);
        weir_model_free(model);
    }
    for (int i = 0; i < 2 * ROWS; i++) {
        assert_true(fabs(values[1][i] - values[0][i]) < 1e-7 * fabs(values[0][i]));
        assert_true(fabs(values[2][i] - values[0][i]) < 1e-7 * fabs(values[0][i]));
    }
    for (int k = 0; k < 3; k++) {
        free(values[k]);
    }
    weir_table_close(table);
    weir_ctx_destroy(ctx);
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recovers_the_truth),
        cmocka_unit_test(test_options_of_the_first_version),
        cmocka_unit_test(test_bits_do_not_depend_on_threads),
        cmocka_unit_test(test_bits_do_not_depend_on_files_or_budget),
        cmocka_unit_test(test_parts_saved_merged_and_fitted),
        cmocka_unit_test(test_peak_stays_under_plan_and_budget),
        cmocka_unit_test(test_every_allocation_failing),
        cmocka_unit_test(test_predictions_survive_a_file),
        cmocka_unit_test(test_standard_errors_do_not_depend_on_term_order),
    };
    return cmocka_run_group_tests_name("fit", tests, NULL, NULL);
}
