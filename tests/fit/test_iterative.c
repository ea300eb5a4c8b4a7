/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix-free route beside the dense one. */
#include "fit/iterative.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "fit/gam.h"
#include "fit/predict.h"
#include "support/designs.h"
#include "support/folder.h"
#include "table/table.h"

#define ROWS 9000
#define SEARCH_ROWS 4500 /* where lambda is sought: two tiles, the last one short */

static weir_model *fit(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *base, weir_fit_route route,
                       weir_status want)
{
    weir_fit_options options = *base;
    weir_model *model = NULL;
    options.route = route;
    weir_status status = w_fit_table(ctx, table, formula, &options, &model);
    if (status != want) {
        fail_msg("%s: status %d: %s", formula, (int)status, weir_ctx_message(ctx));
    }
    return model;
}

static const char *const formulas[] = {
    "y ~ v + s(x,bs='cr',k=12) + s(z,bs='ps',k=14)",
    "y ~ f + s(x,by=f,k=8) + s(g,bs='re')",
    "y ~ te(x,z,k=4) + s(w,bs='cr',k=6) + s(g,bs='re') + s(f,bs='re')",
    "y ~ s(x,g,bs='fs',k=4) + z",
};

/* Same lambda, hence the same equations: what is left is the tolerance of 1e-10 in the preconditioned norm. */
static void fixed_lambda_agrees_with_the_dense_route(void **state)
{
    (void)state;
    test_data *data = test_data_make(ROWS, 3);
    for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++) {
        weir_ctx *ctx = test_ctx(NULL, 2, 0);
        weir_table *table = test_data_table(ctx, data);
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.weights = "weight";
        weir_model *free_model = fit(ctx, table, formulas[i], &options, WEIR_FIT_DENSE, WEIR_OK);
        const int m = free_model->design->sp_count;
        double sp[32];
        for (int j = 0; j < m; j++) {
            sp[j] = exp(0.5 - 0.7 * j);
        }
        options.sp = sp;
        options.sp_count = m;
        weir_model *dense = fit(ctx, table, formulas[i], &options, WEIR_FIT_DENSE, WEIR_OK);
        weir_model *iterative = fit(ctx, table, formulas[i], &options, WEIR_FIT_MATRIX_FREE, WEIR_OK);
        assert_string_equal(iterative->plan.route, W_ROUTE_MATRIX_FREE);
        double scale = 0, off = 0;
        for (int64_t c = 0; c < dense->design->p; c++) {
            scale = fmax(scale, fabs(dense->beta[c]));
            off = fmax(off, fabs(dense->beta[c] - iterative->beta[c]));
        }
        if (!(off <= 1e-8 * scale)) {
            fail_msg("%s: coefficients differ by %g of %g", formulas[i], off, scale);
        }
        const weir_summary *a = &dense->summary, *b = &iterative->summary;
        assert_true(fabs(a->deviance - b->deviance) <= 1e-9 * a->deviance);
        assert_true(fabs(a->null_deviance - b->null_deviance) <= 1e-9 * a->null_deviance);
        assert_true(fabs(a->edf_total - b->edf_total) <= 0.02 * a->edf_total);
        assert_true(fabs(a->criterion - b->criterion) <= 1e-3 * fabs(a->criterion));
        assert_int_equal(a->term_count, b->term_count);
        for (int t = 0; t < a->term_count; t++) {
            assert_string_equal(a->term[t].label, b->term[t].label);
            assert_true(fabs(a->term[t].edf - b->term[t].edf) <= 0.15 * a->term[t].edf + 0.3);
        }
        for (int c = 0; c < a->coefficient_count; c++) {
            assert_true(fabs(a->coefficient[c].std_error - b->coefficient[c].std_error) <= 0.05 * a->coefficient[c].std_error);
        }
        w_model_free(iterative);
        w_model_free(dense);
        w_model_free(free_model);
        w_table_free(table);
        weir_ctx_destroy(ctx);
    }
    test_data_free(data);
}

static double stated_error(const weir_model *model)
{
    const char *at = NULL;
    for (int n = 0; n < model->summary.note_count; n++) {
        const char *found = strstr(model->summary.note[n], "parameters about ");
        at = found ? found + strlen("parameters about ") : at;
    }
    assert_non_null(at);
    return atof(at);
}

/* log lambda by REML within four of its stated standard errors, which the note gives. */
static void smoothing_parameters_are_those_of_reml(void **state)
{
    (void)state;
    test_data *data = test_data_make(SEARCH_ROWS, 11);
    for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++) {
        weir_ctx *ctx = test_ctx(NULL, 2, 0);
        weir_table *table = test_data_table(ctx, data);
        const weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        weir_model *dense = fit(ctx, table, formulas[i], &options, WEIR_FIT_DENSE, WEIR_OK);
        weir_model *iterative = fit(ctx, table, formulas[i], &options, WEIR_FIT_MATRIX_FREE, WEIR_OK);
        const double error = stated_error(iterative);
        for (int j = 0; j < dense->design->sp_count; j++) {
            const double away = fabs(dense->rho[j] - iterative->rho[j]);
            const bool flat = dense->rho[j] > 9.0 && iterative->rho[j] > 9.0;
            if (!flat && !(away <= 4 * error + 1e-3)) {
                fail_msg("%s: log lambda %d is %g, not %g; stated error %g", formulas[i], j, iterative->rho[j], dense->rho[j], error);
            }
        }
        assert_true(fabs(dense->summary.scale - iterative->summary.scale) <= 2e-3 * dense->summary.scale);
        w_model_free(iterative);
        w_model_free(dense);
        w_table_free(table);
        weir_ctx_destroy(ctx);
    }
    test_data_free(data);
}

/* Responses in the range of each family. */
static const struct {
    const char *family, *formula;
} generalised[] = {
    { "poisson", "exp(0.1*abs(y)) ~ v + s(x,bs='cr',k=10) + s(g,bs='re')" },
    { "binomial", "abs(sin(9*y)) ~ s(x,k=8) + s(z,bs='ps',k=9)" },
    { "gamma:log", "0.1 + abs(y) ~ s(x,k=8) + s(g,bs='re') + offset(0.1*z)" },
    { "gaussian:log", "2 + abs(y) ~ s(x,bs='cr',k=7)" },
    { "nb(2)", "abs(y) ~ s(x,k=8) + s(f,bs='re')" },
};
#define GENERALISED (sizeof generalised / sizeof *generalised)

/* At given lambda both routes end at the minimum of the penalised deviance. */
static void generalised_models_agree_with_the_dense_route(void **state)
{
    (void)state;
    test_data *data = test_data_make(ROWS, 3);
    const double sp[] = { 0.7, 3.0 };
    for (size_t i = 0; i < GENERALISED; i++) {
        weir_ctx *ctx = test_ctx(NULL, 2, 0);
        weir_table *table = test_data_table(ctx, data);
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.family = generalised[i].family;
        options.weights = i == 2 ? "weight" : NULL;
        options.laplace = -1;
        options.sp = sp;
        options.sp_count = i == 3 ? 1 : 2;
        weir_model *dense = fit(ctx, table, generalised[i].formula, &options, WEIR_FIT_DENSE, WEIR_OK);
        weir_model *iterative = fit(ctx, table, generalised[i].formula, &options, WEIR_FIT_MATRIX_FREE, WEIR_OK);
        assert_string_equal(iterative->plan.route, W_ROUTE_MATRIX_FREE);
        double scale = 0, off = 0;
        for (int64_t c = 0; c < dense->design->p; c++) {
            scale = fmax(scale, fabs(dense->beta[c]));
            off = fmax(off, fabs(dense->beta[c] - iterative->beta[c]));
        }
        if (!(off <= 1e-8 * scale)) {
            fail_msg("%s: coefficients differ by %g of %g", generalised[i].family, off, scale);
        }
        const weir_summary *a = &dense->summary, *b = &iterative->summary;
        assert_true(fabs(a->deviance - b->deviance) <= 1e-9 * a->deviance);
        assert_true(fabs(a->null_deviance - b->null_deviance) <= 1e-9 * a->null_deviance);
        assert_true(fabs(a->scale - b->scale) <= 1e-3 * a->scale);
        assert_true(fabs(a->edf_total - b->edf_total) <= 0.02 * a->edf_total);
        assert_true(fabs(a->log_likelihood - b->log_likelihood) <= 1e-3 * fabs(a->log_likelihood));
        w_model_free(iterative);
        w_model_free(dense);
        w_table_free(table);
        weir_ctx_destroy(ctx);
    }
    test_data_free(data);
}

/* lambda beside that of the working criterion. */
static void generalised_smoothing_parameters(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
    test_data *data = test_data_make(SEARCH_ROWS, 3);
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/rows.csv", folder);
    test_data_csv(data, path);
    for (size_t i = 0; i < 3; i += 2) {
        weir_ctx *ctx = test_ctx(NULL, 2, 0);
        const char *const paths[] = { path };
        const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
        weir_table *table = NULL;
        assert_int_equal(w_table_open_files(ctx, 1, paths, &usual, &table), WEIR_OK);
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.family = generalised[i].family;
        options.laplace = -1;
        weir_model *dense = fit(ctx, table, generalised[i].formula, &options, WEIR_FIT_DENSE, WEIR_OK);
        weir_model *iterative = fit(ctx, table, generalised[i].formula, &options, WEIR_FIT_MATRIX_FREE, WEIR_OK);
        const double error = stated_error(iterative);
        for (int j = 0; j < dense->design->sp_count; j++) {
            const double away = fabs(dense->rho[j] - iterative->rho[j]);
            if (!(away <= 4 * error + 1e-2) && !(dense->rho[j] > 9.0 && iterative->rho[j] > 9.0)) {
                fail_msg("%s: log lambda %d is %g, not %g; stated error %g", generalised[i].family, j, iterative->rho[j],
                         dense->rho[j], error);
            }
        }
        assert_true(iterative->summary.actual_bytes <= iterative->plan.bytes);
        w_model_free(iterative);
        w_model_free(dense);
        w_table_free(table);
        weir_ctx_destroy(ctx);
    }
    test_folder_remove(folder);
    test_data_free(data);
}

/* GCV with and without gamma, UBRE, REML with gamma; of a generalised model too. */
static void other_criteria(void **state)
{
    (void)state;
    static const struct {
        weir_criterion criterion;
        double gamma, scale;
        const char *family, *response;
    } way[] = { { WEIR_GCV, 0, 0, NULL, "y" }, { WEIR_GCV, 1.4, 0, NULL, "y" }, { WEIR_REML, 1.4, 0, NULL, "y" },
                { WEIR_UBRE, 0, 1.5, NULL, "y" }, { WEIR_GCV, 1.4, 0, "gamma:log", "0.1 + abs(y)" } };
    test_data *data = test_data_make(SEARCH_ROWS, 11);
    for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
        char formula[128];
        weir_ctx *ctx = test_ctx(NULL, 2, 0);
        weir_table *table = test_data_table(ctx, data);
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.criterion = way[i].criterion;
        options.gamma = way[i].gamma;
        options.scale = way[i].scale;
        options.family = way[i].family;
        options.laplace = way[i].family ? -1 : 0;
        snprintf(formula, sizeof formula, "%s ~ s(x,bs='cr',k=12) + s(g,bs='re')", way[i].response);
        weir_model *dense = fit(ctx, table, formula, &options, WEIR_FIT_DENSE, WEIR_OK);
        weir_model *iterative = fit(ctx, table, formula, &options, WEIR_FIT_MATRIX_FREE, WEIR_OK);
        const weir_iterative_summary *said = iterative->summary.iterative;
        assert_non_null(said);
        assert_true(said->log_sp_error > 0 && said->log_sp_error < 1);
        for (int j = 0; j < dense->design->sp_count; j++) {
            const double away = fabs(dense->rho[j] - iterative->rho[j]);
            if (!(away <= 4 * said->log_sp_error + 1e-3)) {
                fail_msg("criterion %d: log lambda %d is %g, not %g; stated error %g", (int)i, j, iterative->rho[j], dense->rho[j],
                         said->log_sp_error);
            }
        }
        assert_string_equal(dense->summary.criterion_name, iterative->summary.criterion_name);
        assert_true(fabs(dense->summary.criterion - iterative->summary.criterion) <= 2e-3 * fabs(dense->summary.criterion));
        assert_true(fabs(dense->summary.scale - iterative->summary.scale) <= 2e-3 * dense->summary.scale);
        w_model_free(iterative);
        w_model_free(dense);
        w_table_free(table);
        weir_ctx_destroy(ctx);
    }
    test_data_free(data);
}

/* The same coefficients by each; what the search did is told, and the plan knows the bytes of each. */
static void preconditioners_by_option(void **state)
{
    (void)state;
    static const char *const name[] = { "blocks and coarse space", "none", "diagonal", "blocks", "Nystrom" };
    test_data *data = test_data_make(3000, 5);
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    weir_table *table = test_data_table(ctx, data);
    const double sp[] = { 1.0, 2.0 };
    weir_model *model[5];
    for (int k = 0; k < 5; k++) {
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.sp = sp;
        options.sp_count = 2;
        options.preconditioner = (weir_preconditioner)k;
        model[k] = fit(ctx, table, "y ~ s(x,bs='cr',k=8) + s(g,bs='re')", &options, WEIR_FIT_MATRIX_FREE, WEIR_OK);
        const weir_iterative_summary *said = model[k]->summary.iterative;
        assert_string_equal(said->preconditioner, name[k]);
        assert_string_equal(said->state, "converged");
        assert_true(said->history_count == said->iterations + 1 && said->history[0] == 1.0);
        assert_true(said->history[said->iterations] <= 1e-10 && said->change <= 1e-10);
        assert_true(said->iterations <= model[k]->design->p + 3 && said->products >= said->probes);
        assert_true(model[k]->summary.actual_bytes <= model[k]->plan.bytes);
        for (int64_t c = 0; c < model[0]->design->p; c++) {
            assert_true(fabs(model[k]->beta[c] - model[0]->beta[c]) <= 1e-8);
        }
    }
    for (int k = 0; k < 5; k++) {
        w_model_free(model[k]);
    }
    w_table_free(table);
    weir_ctx_destroy(ctx);
    test_data_free(data);
}

/* Factors with many levels: p = 20 000 columns, 3.2 GB as a dense matrix. */
typedef struct crossed {
    int64_t rows;
    int32_t *a, *b;
    double *y;
} crossed;

static crossed crossed_make(int64_t rows, int64_t levels)
{
    crossed c = { rows, calloc((size_t)rows, 4), calloc((size_t)rows, 4), calloc((size_t)rows, 8) };
    w_rng rng;
    w_rng_seed(&rng, 17);
    for (int64_t i = 0; i < rows; i++) {
        c.a[i] = (int32_t)w_rng_below(&rng, (uint64_t)levels);
        c.b[i] = (int32_t)w_rng_below(&rng, (uint64_t)levels);
        c.y[i] = sin(0.1 * c.a[i]) + cos(0.07 * c.b[i]) + w_rng_normal(&rng);
    }
    return c;
}

static weir_table *crossed_table(weir_ctx *ctx, const crossed *c, int64_t levels, char (*name)[12], const char **level)
{
    for (int64_t l = 0; l < levels; l++) {
        snprintf(name[l], sizeof name[l], "%05d", (int)l);
        level[l] = name[l];
    }
    const weir_column column[] = {
        { .name = "a", .dtype = WEIR_I32, .data = c->a, .level_count = levels, .levels = level },
        { .name = "b", .dtype = WEIR_I32, .data = c->b, .level_count = levels, .levels = level },
        { .name = "y", .dtype = WEIR_F64, .data = c->y },
    };
    weir_table *table = NULL;
    assert_int_equal(w_table_from_columns(ctx, c->rows, 3, column, &table), WEIR_OK);
    return table;
}

static void many_levels_fit_in_a_small_budget(void **state)
{
    (void)state;
    enum { LEVELS = 10000 };
    crossed c = crossed_make(60000, LEVELS);
    char(*name)[12] = calloc(LEVELS, sizeof *name);
    const char **level = calloc(LEVELS, sizeof *level);
    const int64_t budget = (int64_t)64 << 20;
    weir_ctx *ctx = test_ctx(NULL, 2, budget);
    weir_table *table = crossed_table(ctx, &c, LEVELS, name, level);
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    const double sp[] = { 5.0, 5.0 };
    options.sp = sp;
    options.sp_count = 2;
    weir_model *model = fit(ctx, table, "y ~ s(a,bs='re') + s(b,bs='re')", &options, WEIR_FIT_AUTO, WEIR_OK);
    assert_string_equal(model->plan.route, W_ROUTE_MATRIX_FREE);
    assert_true(model->design->p > 19900); /* a few levels have no row */
    assert_true(model->summary.actual_bytes <= model->plan.bytes);
    assert_true(model->plan.bytes <= budget);
    w_model_free(model);
    w_table_free(table);
    weir_ctx_destroy(ctx);
    free(level);
    free(name);
    free(c.a);
    free(c.b);
    free(c.y);
}

static void bits_do_not_depend_on_threads_or_windows(void **state)
{
    (void)state;
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
    test_data *data = test_data_make(ROWS, 5);
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/rows.csv", folder);
    test_data_csv(data, path);
    double *reference = NULL;
    for (int way = 0; way < 6; way++) { /* the last three: a generalised model */
        if (way == 3) {
            free(reference);
            reference = NULL;
        }
        weir_ctx *ctx = test_ctx(NULL, way % 3 == 1 ? 3 : 1, 0);
        const char *const paths[] = { path };
        const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.family = way < 3 ? NULL : "poisson";
        weir_table *table = NULL;
        if (way % 3 == 2) {
            assert_int_equal(w_table_open_files(ctx, 1, paths, &usual, &table), WEIR_OK);
        } else {
            table = test_data_table(ctx, data);
        }
        const char *formula = way < 3 ? "y ~ s(x,k=8) + s(g,bs='re')" : "abs(y) ~ s(x,k=8) + s(g,bs='re')";
        weir_model *model = fit(ctx, table, formula, &options, WEIR_FIT_MATRIX_FREE, WEIR_OK);
        const size_t bytes = (size_t)model->design->p * sizeof(double);
        if (!reference) {
            reference = malloc(bytes);
            memcpy(reference, model->beta, bytes);
        }
        assert_memory_equal(reference, model->beta, bytes);
        w_model_free(model);
        w_table_free(table);
        weir_ctx_destroy(ctx);
    }
    free(reference);
    test_folder_remove(folder);
    test_data_free(data);
}

static int count_rows(void *user, int64_t first, int64_t rows, const double *values)
{
    (void)first;
    (void)values;
    *(int64_t *)user += rows;
    return 0;
}

static void what_needs_a_covariance_is_refused(void **state)
{
    (void)state;
    test_data *data = test_data_make(ROWS, 5);
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    weir_table *table = test_data_table(ctx, data);
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_model *model = fit(ctx, table, formulas[0], &options, WEIR_FIT_MATRIX_FREE, WEIR_OK), *loaded = NULL;
    weir_predict_options predict = WEIR_PREDICT_OPTIONS_INIT;
    int64_t rows = 0;
    double block;
    w_archive *archive = NULL;
    assert_int_equal(w_archive_create(ctx, "model", 1, &archive), WEIR_OK);
    assert_int_equal(w_model_save(model, archive), WEIR_OK);
    assert_int_equal(w_model_load(ctx, archive, &loaded), WEIR_OK);
    assert_string_equal(loaded->plan.route, W_ROUTE_MATRIX_FREE);
    assert_int_equal(w_predict(ctx, loaded, table, &predict, count_rows, &rows), WEIR_OK);
    assert_int_equal(rows, ROWS);
    predict.se = 1;
    assert_int_equal(w_predict(ctx, loaded, table, &predict, count_rows, &rows), WEIR_E_ARG);
    assert_non_null(strstr(weir_ctx_message(ctx), "matrix-free"));
    assert_int_equal(w_covariance_block(loaded->covariance, 0, 1, 0, 1, &block), WEIR_E_ARG);
    w_archive_free(archive);
    w_model_free(loaded);
    w_model_free(model);
    weir_model *none = NULL;
    options.route = WEIR_FIT_MATRIX_FREE;
    options.criterion = WEIR_ML;
    assert_int_equal(w_fit_table(ctx, table, formulas[0], &options, &none), WEIR_E_ARG);
    options.criterion = WEIR_REML;
    options.family = "nb"; /* whose theta would have to be estimated */
    assert_int_equal(w_fit_table(ctx, table, formulas[0], &options, &none), WEIR_E_ARG);
    options.family = "poisson";
    options.laplace = 1;
    assert_int_equal(w_fit_table(ctx, table, formulas[0], &options, &none), WEIR_E_ARG);
    w_table_free(table);
    weir_ctx_destroy(ctx);
    test_data_free(data);
}

static int count_down(void *user) { return --*(int *)user <= 0; }

static void a_search_that_is_cut_short_says_so(void **state)
{
    (void)state;
    test_data *data = test_data_make(ROWS, 5);
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    weir_table *table = test_data_table(ctx, data);
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.max_iterations = 1;
    weir_model *model = fit(ctx, table, formulas[0], &options, WEIR_FIT_MATRIX_FREE, WEIR_NOT_CONVERGED);
    assert_int_equal(model->summary.status, WEIR_NOT_CONVERGED);
    assert_non_null(strstr(weir_ctx_message(ctx), "did not converge"));
    w_model_free(model);
    w_table_free(table);
    weir_ctx_destroy(ctx);
    for (int after = 1; after < 60; after += 9) {
        int left = after;
        weir_ctx_options limits = WEIR_CTX_OPTIONS_INIT;
        limits.cancel = count_down;
        limits.user = &left;
        weir_ctx *other = NULL;
        assert_int_equal(weir_ctx_create(&limits, &other), WEIR_OK);
        table = test_data_table(other, data);
        model = NULL;
        options.route = WEIR_FIT_MATRIX_FREE;
        assert_int_equal(w_fit_table(other, table, formulas[0], &options, &model), WEIR_E_CANCELLED);
        assert_null(model);
        w_table_free(table);
        weir_ctx_destroy(other);
    }
    test_data_free(data);
}

static weir_status whole_fit(weir_ctx *ctx, void *arg)
{
    weir_table *table = arg;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    const double sp[] = { 1.0, 2.0 };
    weir_model *model = NULL;
    options.route = WEIR_FIT_MATRIX_FREE;
    options.sp = sp;
    options.sp_count = 2;
    weir_status status = w_fit_table(ctx, table, "y ~ f + s(x,k=5) + s(g,bs='re')", &options, &model);
    w_model_free(model);
    return status;
}

static weir_status generalised_fit(weir_ctx *ctx, void *arg)
{
    weir_table *table = arg;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    const double sp[] = { 1.0, 2.0 };
    weir_model *model = NULL;
    options.route = WEIR_FIT_MATRIX_FREE;
    options.family = "poisson";
    options.criterion = WEIR_GCV;
    options.sp = sp;
    options.sp_count = 2;
    weir_status status = w_fit_table(ctx, table, "abs(y) ~ s(x,k=5) + s(g,bs='re')", &options, &model);
    w_model_free(model);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    test_data *data = test_data_make(300, 5);
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    weir_table *table = test_data_table(ctx, data);
    assert_true(whole_fit(ctx, table) >= 0); /* the context finds its devices once */
    assert_true(test_some_allocations_fail(ctx, whole_fit, table, 1, 2) > 60);
    assert_true(generalised_fit(ctx, table) >= 0);
    assert_true(test_some_allocations_fail(ctx, generalised_fit, table, 3, 6) > 60);
    w_table_free(table);
    weir_ctx_destroy(ctx);
    test_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_lambda_agrees_with_the_dense_route),
        cmocka_unit_test(smoothing_parameters_are_those_of_reml),
        cmocka_unit_test(generalised_models_agree_with_the_dense_route),
        cmocka_unit_test(generalised_smoothing_parameters),
        cmocka_unit_test(other_criteria),
        cmocka_unit_test(preconditioners_by_option),
        cmocka_unit_test(many_levels_fit_in_a_small_budget),
        cmocka_unit_test(bits_do_not_depend_on_threads_or_windows),
        cmocka_unit_test(what_needs_a_covariance_is_refused),
        cmocka_unit_test(a_search_that_is_cut_short_says_so),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
