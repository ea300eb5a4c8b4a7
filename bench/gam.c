/* SPDX-License-Identifier: Apache-2.0 */
#include "gam.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness.h"
#include "synth.h"
#include "weir/weir.h"

enum { STREAM_FROM = 5000000, PENALTIES_MAX = 64, REPETITIONS_MAX = 64 };

typedef struct fit_run {
    weir_ctx *ctx;
    weir_table *table;
    weir_model *model;
    weir_summary summary;
    double wall, processor;
} fit_run;

const char *bench_family_name(const bench_case *what)
{
    static const char *const names[] = {"gaussian", "poisson", "binomial"};
    return names[what->family];
}

const char *bench_gam_path(const bench_case *what, const char *folder, char *path)
{
    if (what->source == SOURCE_MEMORY)
        return NULL;
    snprintf(path, 4096, "%s/%s%lldx%dx%lld.%s", folder, bench_family_name(what), (long long)what->rows, what->smooths, (long long)what->levels,
             what->source == SOURCE_CSV ? "csv" : "npy");
    return path;
}

int bench_gam_prepare(const bench_case *what, const char *folder, bool peer)
{
    char path[4096];
    struct stat about;
    synth data;
    const char *file = bench_gam_path(what, folder, path);
    bool made = !file || stat(file, &about) == 0;
    bool raw = peer && what->source == SOURCE_MEMORY;
    if (made && !raw)
        return 0;
    if (what->source == SOURCE_NPY && what->rows >= STREAM_FROM && !raw)
        return synth_stream_npy(what->family, what->rows, what->smooths, file);
    if (synth_make(what->family, what->rows, what->smooths, what->levels, &data))
        return -1;
    int failed = 0;
    if (!made)
        failed = what->source == SOURCE_CSV ? synth_write_csv(&data, file) : synth_write_npy(&data, file);
    if (raw && !failed)
        failed = synth_write_raw(&data, folder);
    synth_free(&data);
    return failed;
}

static void write_formula(const bench_case *what, char *formula, size_t size)
{
    int at = snprintf(formula, size, "y ~ ");
    for (int j = 0; j < what->smooths; j++)
        at += snprintf(formula + at, size - (size_t)at, "%ss(x%d, bs=\"cr\", k=%d)", j ? " + " : "", j, what->k);
    if (what->levels)
        snprintf(formula + at, size - (size_t)at, " + s(g, bs=\"re\")");
}

static weir_status open_table(const bench_run *run, const synth *data, weir_ctx *ctx, weir_table **out)
{
    char path[4096], names[64][8];
    weir_column columns[64];
    const char *file = bench_gam_path(run->what, run->folder, path);
    if (file)
        return weir_table_open(ctx, 1, &file, NULL, out);
    int32_t count = 0;
    columns[count++] = (weir_column){"y", WEIR_F64, data->y, 0, 0, NULL};
    for (int j = 0; j < data->smooths; j++) {
        snprintf(names[j], sizeof names[j], "x%d", j);
        columns[count++] = (weir_column){names[j], WEIR_F64, data->x[j], 0, 0, NULL};
    }
    if (data->levels)
        columns[count++] = (weir_column){"g", WEIR_I32, data->group, 0, data->levels, NULL};
    return weir_table_from_columns(ctx, data->rows, count, columns, out);
}

static void fit_drop(fit_run *fit)
{
    weir_model_free(fit->model);
    weir_table_close(fit->table);
    weir_ctx_destroy(fit->ctx);
    memset(fit, 0, sizeof *fit);
}

/* One complete fit, context and table included in the time. */
static int fit_once(const bench_run *run, const synth *data, const weir_fit_options *options, fit_run *fit)
{
    char formula[8192];
    weir_ctx_options context = WEIR_CTX_OPTIONS_INIT;
    context.threads = run->what->threads;
    context.memory_budget = run->what->memory;
    memset(fit, 0, sizeof *fit);
    write_formula(run->what, formula, sizeof formula);
    double start = bench_seconds(), processor = bench_processor_seconds();
    weir_status status = weir_ctx_create(&context, &fit->ctx);
    if (status >= 0)
        status = open_table(run, data, fit->ctx, &fit->table);
    if (status >= 0)
        status = weir_fit(fit->ctx, fit->table, formula, options, &fit->model);
    fit->wall = bench_seconds() - start;
    fit->processor = bench_processor_seconds() - processor;
    if (status >= 0)
        status = weir_model_summary(fit->model, &fit->summary);
    if (status < 0) {
        fprintf(stderr, "weir-bench: %s: %s: %s\n", run->what->name, weir_status_name(status),
                fit->ctx ? weir_ctx_message(fit->ctx) : "");
        fit_drop(fit);
        return -1;
    }
    return 0;
}

static weir_fit_options fit_options(const bench_case *what)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.family = bench_family_name(what);
    options.laplace = what->laplace;
    return options;
}

/* The criterion at smoothing parameters sp, with beta at its end: that of a working model follows the response it was made at. */
static void put_criterion(const bench_run *run, const synth *data, const double *sp, int32_t count, const char *name, json_t *result)
{
    weir_fit_options options = fit_options(run->what);
    options.sp = sp;
    options.sp_count = count;
    fit_run fit;
    if (fit_once(run, data, &options, &fit))
        return;
    json_object_set_new(result, name, json_real(fit.summary.criterion));
    fit_drop(&fit);
}

/* At weir's own and at the peer's, given for unscaled penalties: both programs judged by one function. */
static void evaluate_at(const bench_run *run, const synth *data, const weir_summary *summary, json_t *result)
{
    double sp[PENALTIES_MAX], own[PENALTIES_MAX];
    int32_t count = 0;
    size_t given = json_array_size(run->lambda);
    for (int32_t t = 0; t < summary->term_count; t++)
        for (int32_t j = 0; j < summary->term[t].sp_count && count < PENALTIES_MAX && (size_t)count < given; j++, count++) {
            sp[count] = json_number_value(json_array_get(run->lambda, (size_t)count)) * summary->term[t].sp_scale[j];
            own[count] = summary->term[t].sp[j];
        }
    if ((size_t)count != given || count == 0)
        return;
    put_criterion(run, data, own, count, "criterion_at_own", result);
    put_criterion(run, data, sp, count, "criterion_at_peer", result);
}

typedef struct stages {
    double wall[REPETITIONS_MAX], processor[REPETITIONS_MAX], read[REPETITIONS_MAX], design[REPETITIONS_MAX], normal[REPETITIONS_MAX],
        smoothing[REPETITIONS_MAX], total[REPETITIONS_MAX];
} stages;

static void keep_stages(stages *all, int i, const fit_run *fit)
{
    all->wall[i] = fit->wall;
    all->processor[i] = fit->processor;
    all->read[i] = fit->summary.seconds_read;
    all->design[i] = fit->summary.seconds_design;
    all->normal[i] = fit->summary.seconds_normal;
    all->smoothing[i] = fit->summary.seconds_smoothing;
    all->total[i] = fit->summary.seconds_total;
}

static json_t *describe(const bench_case *what, stages *all, int count, const weir_summary *s)
{
    static const char *const sources[] = {"memory", "npy", "csv"};
    return json_pack("{s:s, s:s, s:I, s:i, s:i, s:I, s:s, s:i, s:i, s:{s:f, s:f, s:f, s:f, s:f, s:f, s:f}, s:I, s:I, s:I, s:f, s:f, "
                     "s:f, s:i, s:s}",
                     "case", what->name, "family", bench_family_name(what), "n", (json_int_t)s->n, "smooths",
                     what->smooths, "k", what->k, "levels", (json_int_t)what->levels, "source", sources[what->source], "threads",
                     what->threads ? what->threads : bench_processors(), "repetitions", count, "seconds", "wall",
                     bench_median(all->wall, count), "processor", bench_median(all->processor, count), "read", bench_median(all->read, count), "design",
                     bench_median(all->design, count), "normal", bench_median(all->normal, count), "smoothing",
                     bench_median(all->smoothing, count), "total", bench_median(all->total, count), "columns",
                     (json_int_t)s->columns, "ledger_peak_bytes", (json_int_t)s->actual_bytes, "budget_bytes",
                     (json_int_t)s->budget, "criterion", s->criterion, "edf", s->edf_total, "scale", s->scale, "iterations",
                     s->iterations, "version", weir_version());
}

json_t *bench_gam_body(void *arg)
{
    const bench_run *run = arg;
    synth data = {0};
    stages all;
    fit_run fit = {0};
    weir_fit_options options = fit_options(run->what);
    int count = run->what->repetitions > REPETITIONS_MAX ? REPETITIONS_MAX : run->what->repetitions;
    if (run->what->source == SOURCE_MEMORY && synth_make(run->what->family, run->what->rows, run->what->smooths,
                                                     run->what->levels, &data))
        return NULL;
    for (int i = count > 1 ? -1 : 0; i < count; i++) { /* the first of several warms up */
        fit_drop(&fit);
        if (fit_once(run, &data, &options, &fit)) {
            synth_free(&data);
            return NULL;
        }
        if (i >= 0)
            keep_stages(&all, i, &fit);
    }
    json_t *result = describe(run->what, &all, count, &fit.summary);
    json_object_set_new(result, "rss_peak_bytes", json_integer(bench_peak_rss()));
    if (run->lambda)
        evaluate_at(run, &data, &fit.summary, result);
    fit_drop(&fit);
    synth_free(&data);
    return result;
}
