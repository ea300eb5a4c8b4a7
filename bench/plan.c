/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "synth.h"
#include "weir/weir.h"

enum { COVARIATES = 8, RESPONSES = 9, LEVELS = 2000, COLUMNS = COVARIATES + RESPONSES + 2, CASES = 128, RUNS = 9 };

typedef struct plan_case {
    const char *formula, *family; /* family NULL: gaussian */
    int64_t rows;                 /* 0: the bicycle table */
    int laplace;
    double ar1;
    weir_criterion criterion;
} plan_case;

/* Formulas of the synthetic table; %s in front stands for nothing: the response is named in them. */
static const plan_case synthetic[] = {
    { "y ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr') + s(x3, bs='cr')", NULL, 400, 0, 0, WEIR_REML },
    { "y ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr') + s(x3, bs='cr')", NULL, 20000, 0, 0, WEIR_REML },
    { "y ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr') + s(x3, bs='cr')", NULL, 400000, 0, 0, WEIR_REML },
    { "y ~ s(x0, bs='cr', k=30) + s(x1, bs='cr', k=30) + s(x2, bs='cr', k=30) + s(x3, bs='cr', k=30)", NULL, 20000, 0, 0, WEIR_REML },
    { "y ~ s(x0, bs='ps', k=20) + s(x1, bs='ps', k=20) + s(x2, bs='ps', k=20)", NULL, 100000, 0, 0, WEIR_REML },
    { "y ~ s(x0, bs='cr', k=60) + s(x1, bs='cr', k=60) + s(x2, bs='cr', k=60) + s(x3, bs='cr', k=60)", NULL, 50000, 0, 0, WEIR_REML },
    { "y ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr') + s(x3, bs='cr') + s(x4, bs='cr') + s(x5, bs='cr') + s(x6, bs='cr') + s(x7, bs='cr')", NULL, 100000, 0, 0, WEIR_REML },
    { "y ~ s(x0) + s(x1) + s(x2) + s(x3)", NULL, 1000, 0, 0, WEIR_REML },
    { "y ~ s(x0) + s(x1) + s(x2) + s(x3)", NULL, 50000, 0, 0, WEIR_REML },
    { "y ~ s(x0, x1, k=40)", NULL, 5000, 0, 0, WEIR_REML },
    { "y ~ s(x0, x1, k=40) + s(x2)", NULL, 50000, 0, 0, WEIR_REML },
    { "y ~ te(x0, x1, k=c(6,6)) + s(x2, bs='cr')", NULL, 50000, 0, 0, WEIR_REML },
    { "y ~ te(x0, x1, x2, k=c(5,5,5))", NULL, 20000, 0, 0, WEIR_REML },
    { "y ~ x0 + x1 + x2", NULL, 100000, 0, 0, WEIR_REML },
    { "y ~ s(x0, bs='cr') + s(g, bs='re')", NULL, 100000, 0, 0, WEIR_REML },
    { "y ~ f + s(x0, by=f, bs='cr', k=15) + s(x1, bs='cr')", NULL, 50000, 0, 0, WEIR_REML },
    { "y ~ s(x0, bs='cr', k=20) + s(x1, bs='cr', k=20)", NULL, 50000, 0, 0.5, WEIR_REML },
    { "y ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr')", NULL, 20000, 0, 0, WEIR_GCV },
    { "y ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr')", NULL, 20000, 0, 0, WEIR_ML },
    { "yp ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr') + s(x3, bs='cr')", "poisson", 1000, 0, 0, WEIR_REML },
    { "yp ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr') + s(x3, bs='cr')", "poisson", 20000, 0, 0, WEIR_REML },
    { "yp ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr') + s(x3, bs='cr')", "poisson", 200000, -1, 0, WEIR_REML },
    { "yp ~ s(x0, bs='cr', k=30) + s(x1, bs='cr', k=30) + s(x2, bs='cr', k=30)", "poisson", 50000, -1, 0, WEIR_REML },
    { "yp ~ s(x0, bs='cr', k=30) + s(x1, bs='cr', k=30) + s(x2, bs='cr', k=30)", "poisson", 20000, 0, 0, WEIR_REML },
    { "yp ~ s(x0) + s(x1)", "poisson", 20000, 0, 0, WEIR_REML },
    { "yp ~ s(x0, x1, k=30)", "poisson", 10000, 0, 0, WEIR_REML },
    { "yp ~ te(x0, x1, k=c(5,5))", "poisson", 20000, 0, 0, WEIR_REML },
    { "yp ~ s(x0, bs='cr') + s(g, bs='re')", "poisson", 100000, -1, 0, WEIR_REML },
    { "yb ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr') + s(x3, bs='cr')", "binomial", 20000, 0, 0, WEIR_REML },
    { "yb ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr') + s(x3, bs='cr')", "binomial", 200000, -1, 0, WEIR_REML },
    { "yb ~ f + s(x0, by=f, bs='cr') + s(x1, bs='cr')", "binomial", 50000, 0, 0, WEIR_REML },
    { "yg ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr')", "gamma:log", 20000, 0, 0, WEIR_REML },
    { "yg ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr')", "gamma:log", 200000, -1, 0, WEIR_REML },
    { "yg ~ s(x0, bs='cr') + s(x1, bs='cr')", "inverse.gaussian:log", 20000, 0, 0, WEIR_REML },
    { "yn ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr')", "nb", 5000, 0, 0, WEIR_REML },
    { "yn ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr')", "nb", 50000, 0, 0, WEIR_REML },
    { "yn ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr')", "nb", 100000, -1, 0, WEIR_REML },
    { "yt ~ s(x0, bs='cr') + s(x1, bs='cr')", "tweedie", 10000, 0, 0, WEIR_REML },
    { "y ~ s(x0, bs='cr') + s(x1, bs='cr') + s(x2, bs='cr')", "scat", 20000, 0, 0, WEIR_REML },
    { "ye ~ s(x0, bs='cr') + s(x1, bs='cr')", "beta", 20000, 0, 0, WEIR_REML },
    { "yp ~ s(x0, bs='cr') + s(x1, bs='cr')", "quasipoisson", 50000, 0, 0, WEIR_REML },
};

static const plan_case bicycle[] = {
    { "count ~ s(hour, bs='cr', k=24) + s(temp) + s(humidity) + s(windspeed)", NULL, 0, 0, 0, WEIR_REML },
    { "count ~ s(hour, bs='cc', k=12) + s(temp, bs='cr') + s(humidity, bs='cr')", "poisson", 0, 0, 0, WEIR_REML },
    { "count ~ s(hour, bs='cc', k=12) + s(temp, bs='cr') + s(humidity, bs='cr')", "poisson", 0, -1, 0, WEIR_REML },
    { "count ~ s(hour, bs='cr', k=20) + s(temp) + s(humidity)", "nb", 0, 0, 0, WEIR_REML },
    { "count ~ s(hour, bs='cc', k=12) + s(temp, bs='cr') + s(humidity, bs='cr') + s(windspeed, bs='cr')", "nb", 0, -1, 0, WEIR_REML },
    { "count ~ te(hour, temp, k=c(8,5)) + s(humidity, bs='cr')", "poisson", 0, 0, 0, WEIR_REML },
    { "count ~ s(hour, temp, k=30)", NULL, 0, 0, 0, WEIR_REML },
    { "count ~ s(hour, bs='cr', k=20) + s(instant, bs='cr', k=30)", NULL, 0, 0, 0.6, WEIR_REML },
};

typedef struct plan_table {
    int64_t rows;
    double *value;      /* COVARIATES + RESPONSES columns */
    int32_t *group, *factor;
} plan_table;

static const char *const response_name[RESPONSES] = { "y", "yp", "yb", "yg", "yn", "yt", "ye", "u", "v" };

static double gamma_variate(uint64_t *state, double shape)
{
    if (shape < 1.0)
        return gamma_variate(state, shape + 1.0) * pow(synth_uniform(state), 1.0 / shape);
    const double d = shape - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        const double z = synth_normal(state), v = pow(1.0 + c * z, 3.0);
        if (v > 0.0 && log(synth_uniform(state)) < 0.5 * z * z + d - d * v + d * log(v))
            return d * v;
    }
}

static void fill_row(plan_table *t, int64_t i, uint64_t *state)
{
    double *x[COVARIATES], *y[RESPONSES];
    for (int j = 0; j < COVARIATES; j++) {
        x[j] = t->value + j * t->rows;
        x[j][i] = synth_uniform(state);
    }
    for (int j = 0; j < RESPONSES; j++)
        y[j] = t->value + (COVARIATES + j) * t->rows;
    t->group[i] = (int32_t)(synth_uniform(state) * LEVELS);
    t->factor[i] = (int32_t)(synth_uniform(state) * 4.0);
    const double effect = 0.4 * sin(1.0 + 2.7 * t->group[i]);
    const double s = sin(6.0 * x[0][i]) + exp(2.0 * x[1][i]) / 5.0 + 8.0 * pow(x[2][i], 3.0) * pow(1.0 - x[2][i], 2.0) + effect;
    const double mean = exp(0.3 + 0.5 * s), jump = gamma_variate(state, 3.0) / 3.0;
    const int64_t count = (int64_t)synth_poisson(state, mean);
    y[0][i] = s + synth_normal(state) * (1.0 + 0.3 * fabs(synth_normal(state)));
    y[1][i] = (double)count;
    y[2][i] = synth_uniform(state) < 1.0 / (1.0 + exp(-s)) ? 1.0 : 0.0;
    y[3][i] = mean * fmax(jump, 1e-3);
    y[4][i] = synth_poisson(state, mean * jump);
    y[5][i] = 0.0;
    for (int64_t k = 0; k < count; k++)
        y[5][i] += gamma_variate(state, 1.5);
    const double up = gamma_variate(state, 4.0 * exp(0.3 * s)), down = gamma_variate(state, 4.0);
    y[6][i] = fmin(fmax(up / (up + down), 1e-4), 1.0 - 1e-4);
    y[7][i] = y[8][i] = 0.0;
}

static void table_free(plan_table *t)
{
    free(t->value);
    free(t->group);
    free(t->factor);
}

static int table_make(int64_t rows, plan_table *t)
{
    uint64_t state = 7;
    *t = (plan_table){ .rows = rows };
    t->value = malloc((size_t)((COVARIATES + RESPONSES) * rows) * sizeof *t->value);
    t->group = malloc((size_t)rows * sizeof *t->group);
    t->factor = malloc((size_t)rows * sizeof *t->factor);
    if (!t->value || !t->group || !t->factor) {
        table_free(t);
        return -1;
    }
    for (int64_t i = 0; i < rows; i++)
        fill_row(t, i, &state);
    return 0;
}

static weir_status table_open(weir_ctx *ctx, const plan_case *c, const plan_table *t, const char *data, weir_table **out)
{
    static const char *const covariate[COVARIATES] = { "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7" };
    weir_column column[COLUMNS];
    int count = 0;
    if (c->rows == 0)
        return weir_table_open(ctx, 1, &data, NULL, out);
    for (int j = 0; j < COVARIATES + RESPONSES; j++, count++)
        column[count] = (weir_column){ j < COVARIATES ? covariate[j] : response_name[j - COVARIATES], WEIR_F64,
                                       t->value + j * t->rows, 0, 0, NULL };
    column[count++] = (weir_column){ "g", WEIR_I32, t->group, 0, LEVELS, NULL };
    column[count++] = (weir_column){ "f", WEIR_I32, t->factor, 0, 4, NULL };
    return weir_table_from_columns(ctx, c->rows < t->rows ? c->rows : t->rows, count, column, out);
}

typedef struct plan_run_result {
    weir_plan plan;
    double seconds, read, design, normal, smoothing;
    int columns, status;
} plan_run_result;

static weir_fit_options fit_options(const plan_case *c)
{
    weir_fit_options o = WEIR_FIT_OPTIONS_INIT;
    o.family = c->family;
    o.criterion = c->criterion;
    o.laplace = c->laplace;
    o.ar1 = c->ar1;
    return o;
}

/* One fit with a context and table of its own. */
static weir_status run_once(const plan_case *c, const plan_table *t, const plan_options *options, double (*clock)(void),
                            plan_run_result *out)
{
    weir_ctx_options settings = WEIR_CTX_OPTIONS_INIT;
    weir_fit_options fit = fit_options(c);
    weir_ctx *ctx = NULL;
    weir_table *table = NULL;
    weir_model *model = NULL;
    weir_summary summary;
    settings.threads = options->threads;
    weir_status status = weir_ctx_create(&settings, &ctx);
    status = status < 0 ? status : table_open(ctx, c, t, options->data, &table);
    status = status < 0 ? status : weir_plan_fit(ctx, table, c->formula, &fit, &out->plan);
    const double begun = clock();
    status = status < 0 ? status : weir_fit(ctx, table, c->formula, &fit, &model);
    out->seconds = clock() - begun;
    if (status >= 0 && weir_model_summary(model, &summary) >= 0) {
        out->read = summary.seconds_read;
        out->design = summary.seconds_design;
        out->normal = summary.seconds_normal;
        out->smoothing = summary.seconds_smoothing;
        out->columns = (int)summary.columns;
    }
    out->status = status;
    if (status < 0)
        fprintf(stderr, "weir-bench: %s: %s\n", c->formula, ctx ? weir_ctx_message(ctx) : "no context");
    weir_model_free(model);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
    return status;
}

/* The shortest of several. */
static int run_case(const plan_case *c, const plan_table *t, const plan_options *options, plan_run_result *out)
{
    double (*clock)(void) = options->processor ? bench_processor_seconds : bench_seconds, spent = 0.0;
    const int runs = options->repetitions > 0 ? options->repetitions : RUNS;
    for (int i = 0; i < runs && (i < 2 || spent < 2.0); i++) {
        plan_run_result one = { 0 };
        if (run_once(c, t, options, clock, &one) < 0)
            return -1;
        spent += one.seconds;
        if (i == 0 || one.seconds < out->seconds)
            *out = one;
    }
    return 0;
}

static void print_case(const plan_case *c, const plan_run_result *r, int64_t rows)
{
    printf("| %s | %s | %lld | %d | %.3g | %.3g | %.2f | %.2g/%.2g | %.2g/%.2g | %.2g/%.2g | %.2g/%.2g |\n", c->formula,
           c->family ? c->family : "gaussian", (long long)rows, r->columns, 1e3 * r->plan.seconds, 1e3 * r->seconds,
           r->plan.seconds / r->seconds, 1e3 * r->plan.seconds_setup, 1e3 * r->design, 1e3 * r->plan.seconds_read, 1e3 * r->read,
           1e3 * r->plan.seconds_accumulate, 1e3 * r->normal, 1e3 * r->plan.seconds_smooth, 1e3 * r->smoothing);
    fflush(stdout);
}

static json_t *case_json(const plan_case *c, const plan_run_result *r)
{
    return json_pack("{s:s, s:s, s:I, s:i, s:f, s:f, s:{s:f, s:f, s:f, s:f}, s:{s:f, s:f, s:f, s:f}}", "formula", c->formula, "family",
                     c->family ? c->family : "gaussian", "rows", (json_int_t)c->rows, "columns", r->columns, "predicted",
                     r->plan.seconds, "seconds", r->seconds, "predicted_parts", "setup", r->plan.seconds_setup, "read",
                     r->plan.seconds_read, "normal", r->plan.seconds_accumulate, "smoothing", r->plan.seconds_smooth, "parts", "setup",
                     r->design, "read", r->read, "normal", r->normal, "smoothing", r->smoothing);
}

typedef struct plan_tally {
    double ratio[CASES];
    int count, failed;
    json_t *results;
} plan_tally;

static void run_list(const plan_case *list, int count, const plan_table *t, const plan_options *options, plan_tally *tally)
{
    for (int i = 0; i < count; i++) {
        const plan_case *c = &list[i];
        plan_run_result r = { 0 };
        if ((options->largest > 0 && c->rows > options->largest) ||
            (options->only && strncmp(c->family ? c->family : "gaussian", options->only, strlen(options->only)) != 0))
            continue;
        if (run_case(c, t, options, &r)) {
            tally->failed++;
            continue;
        }
        print_case(c, &r, c->rows > 0 ? c->rows : r.plan.rows);
        json_array_append_new(tally->results, case_json(c, &r));
        tally->ratio[tally->count++] = r.plan.seconds / r.seconds;
    }
}

int plan_run(const plan_options *options)
{
    static plan_tally tally;
    plan_table table;
    int64_t rows = 0;
    const int synthetic_count = (int)(sizeof synthetic / sizeof *synthetic), bicycle_count = (int)(sizeof bicycle / sizeof *bicycle);
    for (int i = 0; i < synthetic_count; i++)
        if (synthetic[i].rows > rows && (options->largest == 0 || synthetic[i].rows <= options->largest))
            rows = synthetic[i].rows;
    if (rows == 0 || table_make(rows, &table))
        return 1;
    tally.results = json_array();
    puts("Milliseconds, predicted and taken; the parts as predicted/taken.\n\n"
         "| model | family | n | p | predicted | taken | ratio | set-up | reading | rows | smoothing |\n|---|---|---|---|---|---|---|---|---|---|---|");
    run_list(synthetic, synthetic_count, &table, options, &tally);
    if (options->data)
        run_list(bicycle, bicycle_count, &table, options, &tally);
    int within = 0, twice = 0;
    for (int i = 0; i < tally.count; i++) {
        within += tally.ratio[i] <= 1.5 && tally.ratio[i] >= 1.0 / 1.5;
        twice += tally.ratio[i] <= 3.0 && tally.ratio[i] >= 1.0 / 3.0;
    }
    const double share = 100.0 / (tally.count > 0 ? tally.count : 1);
    printf("\n%d fits: predicted / taken: median %.2f; within 1.5 x: %.0f %%; within 3 x: %.0f %%\n", tally.count,
           tally.count > 0 ? bench_median(tally.ratio, tally.count) : NAN, share * within, share * twice);
    json_t *root = json_pack("{s:s, s:i, s:f, s:o}", "schema", "weir.bench.plan/1", "fits", tally.count, "within", share * within,
                             "results", tally.results);
    const int failed = tally.failed > 0 || (options->json && json_dump_file(root, options->json, JSON_INDENT(1)));
    json_decref(root);
    table_free(&table);
    return failed ? 1 : 0;
}
