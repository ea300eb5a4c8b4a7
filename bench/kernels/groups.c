/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/groups.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dense/batch_chol.h"
#include "harness.h"
#include "synth.h"
#include "weir/weir.h"

enum { GROUP_ROWS = 500, COLUMNS = 20, REPETITIONS_MAX = 32, THREADS_MAX = 64 };

void dsyrk_(const char *, const char *, const int *, const int *, const double *, const double *, const int *, const double *,
            double *, const int *);
void dgemv_(const char *, const int *, const int *, const double *, const double *, const int *, const double *, const int *,
            const double *, double *, const int *);
void dposv_(const char *, const int *, const int *, double *, const int *, double *, const int *, int *);
void openblas_set_num_threads(int);

typedef struct bench_data {
    int64_t groups, rows;
    double *x;       /* rows x COLUMNS, row-major, a 1 first: the peer's, and with strides the table's columns */
    double *covariate, *y;
    int32_t *id;
    double *beta;    /* groups x COLUMNS: the peer's */
} bench_data;

static int data_make(bench_data *d, int64_t groups)
{
    uint64_t state = 4;
    d->groups = groups;
    d->rows = groups * GROUP_ROWS;
    d->x = malloc((size_t)d->rows * COLUMNS * sizeof *d->x);
    d->covariate = malloc((size_t)d->rows * sizeof *d->covariate);
    d->y = malloc((size_t)d->rows * sizeof *d->y);
    d->id = malloc((size_t)d->rows * sizeof *d->id);
    d->beta = malloc((size_t)groups * COLUMNS * sizeof *d->beta);
    if (!d->x || !d->covariate || !d->y || !d->id || !d->beta)
        return -1;
    for (int64_t i = 0; i < d->rows; i++) {
        double *row = d->x + i * COLUMNS;
        row[0] = 1;
        for (int j = 1; j < COLUMNS; j++)
            row[j] = synth_uniform(&state) - 0.5;
        d->id[i] = (int32_t)(i / GROUP_ROWS);
        d->covariate[i] = row[1] + 0.5;
        d->y[i] = sin(6 * d->covariate[i]) + row[2] + 1e-4 * d->id[i] + 0.5 * row[3] * row[4];
    }
    return 0;
}

static void data_free(bench_data *d)
{
    free(d->x);
    free(d->covariate);
    free(d->y);
    free(d->id);
    free(d->beta);
}

/* ---- peer -------------------------------------------------------------------------------------------------------- */

typedef struct peer_part {
    bench_data *data;
    int64_t first, last;
    int failed;
} peer_part;

static void *peer_groups(void *arg)
{
    peer_part *part = arg;
    static const double one = 1, zero = 0;
    const int n = GROUP_ROWS, p = COLUMNS, single = 1;
    double gram[COLUMNS * COLUMNS];
    openblas_set_num_threads(1); /* of this thread where BLAS is built on OpenMP */
    for (int64_t g = part->first; g < part->last; g++) {
        const double *x = part->data->x + g * GROUP_ROWS * COLUMNS; /* column-major p x n */
        double *beta = part->data->beta + g * COLUMNS;
        int info;
        dsyrk_("U", "N", &p, &n, &one, x, &p, &zero, gram, &p);
        dgemv_("N", &p, &n, &one, x, &p, part->data->y + g * GROUP_ROWS, &single, &zero, beta, &single);
        dposv_("U", &p, &single, gram, &p, beta, &p, &info);
        part->failed |= info != 0;
    }
    return NULL;
}

static double peer_seconds(bench_data *data, int threads)
{
    peer_part part[THREADS_MAX];
    pthread_t thread[THREADS_MAX];
    const double begin = bench_seconds();
    int failed = 0;
    for (int t = 0; t < threads; t++) {
        part[t] = (peer_part){data, data->groups * t / threads, data->groups * (t + 1) / threads, 0};
        if (t + 1 < threads && pthread_create(&thread[t], NULL, peer_groups, &part[t]))
            return NAN;
    }
    peer_groups(&part[threads - 1]);
    for (int t = 0; t < threads; t++) {
        if (t + 1 < threads)
            pthread_join(thread[t], NULL);
        failed |= part[t].failed;
    }
    return failed ? NAN : bench_seconds() - begin;
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

/* The same from the same rows by weir's kernels alone, eight groups at a time. */
static double kernel_seconds(const bench_data *data, double *difference)
{
    enum { WIDTH = COLUMNS + 1, STEPS = 20 };
    static double steps[STEPS * WIDTH * W_BATCH], sums[WIDTH * (WIDTH + 1) / 2 * W_BATCH], factor[COLUMNS * (COLUMNS + 1) / 2 * W_BATCH];
    static const double none[COLUMNS * (COLUMNS + 1) / 2];
    double scale[COLUMNS * W_BATCH], beta[COLUMNS * W_BATCH], pivot[W_BATCH];
    const w_batch_kernels *k = w_batch_choose();
    const double begin = bench_processor_seconds();
    for (int64_t g = 0; g + W_BATCH <= data->groups; g += W_BATCH) {
        memset(sums, 0, sizeof sums);
        for (int64_t row = 0; row < GROUP_ROWS; row += STEPS) {
            for (int64_t t = 0; t < STEPS; t++) {
                const double *x[W_BATCH];
                for (int l = 0; l < W_BATCH; l++) {
                    const int64_t i = (g + l) * GROUP_ROWS + row + t;
                    x[l] = data->x + i * COLUMNS;
                    steps[(t * WIDTH + COLUMNS) * W_BATCH + l] = data->y[i];
                }
                k->interleave(COLUMNS, x, steps + t * WIDTH * W_BATCH);
            }
            k->gram(STEPS, WIDTH, steps, sums);
        }
        k->factor(COLUMNS, sums, none, factor, scale, pivot);
        k->solve(COLUMNS, factor, scale, sums + COLUMNS * (COLUMNS + 1) / 2 * W_BATCH, beta);
        for (int l = 0; l < W_BATCH; l++)
            for (int j = 0; j < COLUMNS; j++) {
                const double due = data->beta[(g + l) * COLUMNS + j];
                *difference = fmax(*difference, fabs(beta[j * W_BATCH + l] - due) / (1 + fabs(due)));
            }
    }
    return bench_processor_seconds() - begin;
}

/* Processor seconds of one thread each, in turn. */
static int run_kernels(bench_data *data, int repetitions, json_t *results)
{
    double peer[REPETITIONS_MAX], own[REPETITIONS_MAX], difference = 0;
    for (int r = -1; r < repetitions; r++) {
        const double begin = bench_processor_seconds();
        if (!isfinite(peer_seconds(data, 1)))
            return 1;
        const double seconds = bench_processor_seconds() - begin, kernels = kernel_seconds(data, &difference);
        if (r >= 0) {
            peer[r] = seconds;
            own[r] = kernels;
        }
    }
    const double p = bench_median(peer, repetitions), w = bench_median(own, repetitions);
    printf("| kernels | 1 | %.3f | %.3f | %.3f | %.1f | %.1f | – | %.1e |\n", p, w, w, p / w, p / w, difference);
    fflush(stdout);
    json_array_append_new(results, json_pack("{s:s, s:i, s:f, s:f, s:f}", "case", "kernels", "threads", 1, "peer_seconds", p,
                                             "weir_seconds", w, "difference", difference));
    return !(difference <= 1e-9);
}

/* ---- weir -------------------------------------------------------------------------------------------------------- */

typedef struct weir_run {
    double seconds, inner; /* all; sums and solutions alone */
    double difference;     /* largest of the coefficients from the peer's, relative */
    double bytes;
} weir_run;

static int fit_once(const bench_data *data, int spline, int threads, weir_run *out)
{
    weir_ctx_options machine = WEIR_CTX_OPTIONS_INIT;
    weir_fit_options fit = WEIR_FIT_OPTIONS_INIT;
    weir_groups_options how = WEIR_GROUPS_OPTIONS_INIT;
    weir_column column[COLUMNS + 2] = {{0}};
    char name[COLUMNS][8], formula[256];
    static const double sp = 0.01;
    weir_ctx *ctx = NULL;
    weir_table *table = NULL;
    weir_groups *groups = NULL;
    int count = 0;
    column[count++] = (weir_column){.name = "y", .dtype = WEIR_F64, .data = data->y};
    column[count++] = (weir_column){.name = "id", .dtype = WEIR_I32, .data = data->id, .level_count = data->groups};
    if (spline)
        column[count++] = (weir_column){.name = "x", .dtype = WEIR_F64, .data = data->covariate};
    for (int j = 1, used = snprintf(formula, sizeof formula, "%s", spline ? "y ~ s(x, k=20, bs='cr')" : "y ~ "); !spline && j < COLUMNS; j++) {
        snprintf(name[j], sizeof name[j], "x%d", j);
        used += snprintf(formula + used, sizeof formula - (size_t)used, "%sx%d", j > 1 ? " + " : "", j);
        column[count++] = (weir_column){.name = name[j], .dtype = WEIR_F64, .data = data->x + j, .stride = COLUMNS * 8};
    }
    machine.threads = threads;
    fit.sp = &sp;
    fit.sp_count = spline;
    how.column = "id";
    const double begin = bench_seconds();
    weir_status status = weir_ctx_create(&machine, &ctx);
    if (status >= 0)
        status = weir_table_from_columns(ctx, data->rows, count, column, &table);
    if (status >= 0)
        status = weir_fit_groups(ctx, table, formula, &fit, &how, &groups);
    out->seconds = bench_seconds() - begin;
    if (status >= 0) {
        weir_groups_summary summary;
        weir_groups_summarise(groups, &summary);
        out->inner = summary.seconds_accumulate + summary.seconds_solve;
        out->bytes = (double)summary.actual_bytes;
        for (int64_t g = 0; g < summary.groups && !spline; g++) {
            weir_group one;
            char text[24];
            weir_groups_get(groups, g, &one);
            snprintf(text, sizeof text, "%lld", (long long)g);
            if (g % 997 == 0 && strcmp(one.name, text)) /* levels in the order of codes */
                status = WEIR_E_INTERNAL;
            for (int j = 0; j < COLUMNS; j++) {
                const double is = one.beta[j], due = data->beta[g * COLUMNS + j];
                out->difference = fmax(out->difference, fabs(is - due) / (1 + fabs(due)));
            }
        }
    }
    if (status < 0)
        fprintf(stderr, "weir-bench: groups: %s\n", ctx ? weir_ctx_message(ctx) : "no context");
    weir_groups_free(groups);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
    return status < 0;
}

static int run_case(bench_data *data, int spline, int threads, int repetitions, json_t *results)
{
    double peer[REPETITIONS_MAX], whole[REPETITIONS_MAX], inner[REPETITIONS_MAX];
    weir_run run = {0};
    for (int r = -1; r < repetitions; r++) { /* once to warm up; weir and peer in turn */
        const double begin = bench_processor_seconds(), clock = peer_seconds(data, threads), half = bench_processor_seconds();
        if (!isfinite(clock) || fit_once(data, spline, threads, &run))
            return 1;
        const double own = bench_processor_seconds() - half;
        if (r >= 0) { /* of one thread what the processor says; of several the clock */
            peer[r] = threads == 1 ? half - begin : clock;
            whole[r] = threads == 1 ? own : run.seconds;
            inner[r] = threads == 1 ? own * run.inner / run.seconds : run.inner;
        }
    }
    const double p = bench_median(peer, repetitions), w = bench_median(whole, repetitions), i = bench_median(inner, repetitions);
    const char *name = spline ? "spline" : "columns";
    printf("| %s | %d | %.3f | %.3f | %.3f | %.1f | %.1f | %.1f | ", name, threads, p, w, i, p / w, p / i, run.bytes / 1048576);
    if (spline)
        printf("– |\n");
    else
        printf("%.1e |\n", run.difference);
    fflush(stdout);
    json_array_append_new(results, json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f}", "case", name, "threads", threads, "peer_seconds", p,
                                             "weir_seconds", w, "weir_inner_seconds", i, "weir_bytes", run.bytes, "difference",
                                             run.difference));
    return !spline && !(run.difference <= 1e-9);
}

int groups_run(const groups_options *options)
{
    bench_data data = {0};
    const int most = options->threads > 0 ? options->threads : bench_processors();
    const int repetitions = options->repetitions <= 0 ? 5 : options->repetitions < REPETITIONS_MAX ? options->repetitions : REPETITIONS_MAX;
    int failed = data_make(&data, options->groups > 0 ? options->groups : 10000);
    json_t *results = json_array();
    if (failed)
        fprintf(stderr, "weir-bench: groups: not enough memory\n");
    openblas_set_num_threads(1);
    printf("| case | threads | LAPACK loop s | weir s | sums and solutions s | ratio | ratio of sums and solutions | MiB | largest difference |\n"
           "|---|---|---|---|---|---|---|---|---|\n");
    if (!failed)
        failed = run_kernels(&data, repetitions, results);
    for (int spline = 0; spline < 2 && !failed; spline++)
        for (int threads = 1; threads <= most && threads <= THREADS_MAX && !failed; threads = threads < most && 2 * threads > most ? most : 2 * threads)
            failed = run_case(&data, spline, threads, repetitions, results);
    if (!failed && options->json)
        failed = json_dump_file(results, options->json, JSON_INDENT(2)) != 0;
    json_decref(results);
    data_free(&data);
    return failed != 0;
}
