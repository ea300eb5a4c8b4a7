/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/windows.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "synth.h"
#include "weir/weir.h"

enum { WINDOWS = 1440, LENGTH = 1000, STEP = 24, COLUMNS = 60, REPETITIONS_MAX = 64, THREADS_MAX = 64 };
enum { ROWS = LENGTH + WINDOWS * STEP };

void dsyrk_(const char *, const char *, const int *, const int *, const double *, const double *, const int *, const double *,
            double *, const int *);
void dgemv_(const char *, const int *, const int *, const double *, const double *, const int *, const double *, const int *,
            const double *, double *, const int *);
double ddot_(const int *, const double *, const int *, const double *, const int *);
void dpotrf_(const char *, const int *, double *, const int *, int *);
void dpotrs_(const char *, const int *, const int *, const double *, const int *, double *, const int *, int *);
void openblas_set_num_threads(int);

typedef struct answers {
    double *beta;    /* WINDOWS x COLUMNS */
    double *square;  /* WINDOWS: residual sums of squares */
    double *fit;     /* ROWS: predictions of the rows behind the first window */
} answers;

typedef struct bench_data {
    double *column;  /* COLUMNS - 1 times ROWS: the table */
    double *x;       /* ROWS x COLUMNS, row-major, a 1 first: the peer's */
    double *y;
    answers peer, own;
} bench_data;

static int answers_make(answers *a)
{
    a->beta = calloc(WINDOWS * COLUMNS, sizeof *a->beta);
    a->square = calloc(WINDOWS, sizeof *a->square);
    a->fit = calloc(ROWS, sizeof *a->fit);
    return !a->beta || !a->square || !a->fit;
}

static int data_make(bench_data *d)
{
    uint64_t state = 8;
    d->column = malloc((size_t)ROWS * (COLUMNS - 1) * sizeof *d->column);
    d->x = malloc((size_t)ROWS * COLUMNS * sizeof *d->x);
    d->y = malloc(ROWS * sizeof *d->y);
    if (!d->column || !d->x || !d->y || answers_make(&d->peer) || answers_make(&d->own))
        return -1;
    for (int64_t i = 0; i < ROWS; i++) {
        double *row = d->x + i * COLUMNS;
        row[0] = 1;
        for (int j = 1; j < COLUMNS; j++)
            d->column[(j - 1) * (int64_t)ROWS + i] = row[j] = synth_uniform(&state) - 0.5;
        d->y[i] = sin(6 * row[1] + 1e-4 * (double)i) + row[2] + 0.5 * row[3] * row[4] + 0.3 * (synth_uniform(&state) - 0.5);
    }
    return 0;
}

static void data_free(bench_data *d)
{
    free(d->column);
    free(d->x);
    free(d->y);
    free(d->peer.beta);
    free(d->peer.square);
    free(d->peer.fit);
    free(d->own.beta);
    free(d->own.square);
    free(d->own.fit);
}

/* ---- peer -------------------------------------------------------------------------------------------------------- */

typedef struct peer_part {
    bench_data *data;
    int first, last, failed;
} peer_part;

static void *peer_windows(void *arg)
{
    peer_part *part = arg;
    static const double one = 1, zero = 0;
    const int n = LENGTH, p = COLUMNS, single = 1, step = STEP;
    double gram[COLUMNS * COLUMNS], right[COLUMNS];
    openblas_set_num_threads(1); /* of this thread where BLAS is built on OpenMP */
    for (int i = part->first; i < part->last; i++) {
        const double *x = part->data->x + (int64_t)i * STEP * COLUMNS, *y = part->data->y + (int64_t)i * STEP; /* column-major p x n */
        double *beta = part->data->peer.beta + (int64_t)i * COLUMNS;
        int info;
        dsyrk_("U", "N", &p, &n, &one, x, &p, &zero, gram, &p);
        dgemv_("N", &p, &n, &one, x, &p, y, &single, &zero, right, &single);
        memcpy(beta, right, sizeof right);
        dpotrf_("U", &p, gram, &p, &info);
        part->failed |= info != 0;
        dpotrs_("U", &p, &single, gram, &p, beta, &p, &info);
        part->data->peer.square[i] = ddot_(&n, y, &single, y, &single) - ddot_(&p, right, &single, beta, &single);
        dgemv_("T", &p, &step, &one, x + (int64_t)LENGTH * COLUMNS, &p, beta, &single, &zero,
               part->data->peer.fit + LENGTH + (int64_t)i * STEP, &single);
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
        part[t] = (peer_part){data, WINDOWS * t / threads, WINDOWS * (t + 1) / threads, 0};
        if (t + 1 < threads && pthread_create(&thread[t], NULL, peer_windows, &part[t]))
            return NAN;
    }
    peer_windows(&part[threads - 1]);
    for (int t = 0; t < threads; t++) {
        if (t + 1 < threads)
            pthread_join(thread[t], NULL);
        failed |= part[t].failed;
    }
    return failed ? NAN : bench_seconds() - begin;
}

/* ---- weir -------------------------------------------------------------------------------------------------------- */

typedef struct weir_run {
    double seconds, inner; /* all; rows of X, sums, fits and predictions alone */
    double difference;     /* largest from the peer's, relative */
    double bytes;
} weir_run;

static int take_rows(void *user, int64_t first_row, int64_t rows, const int64_t *window, const double *fit, const double *response)
{
    answers *to = user;
    (void)window, (void)response;
    memcpy(to->fit + first_row, fit, (size_t)rows * sizeof *fit);
    return 0;
}

static int take_window(void *user, const weir_window *window)
{
    answers *to = user;
    if (window->index < WINDOWS) {
        memcpy(to->beta + window->index * COLUMNS, window->beta, (size_t)window->columns * sizeof *window->beta);
        to->square[window->index] = window->rss;
    }
    return 0;
}

static double largest_difference(const bench_data *data)
{
    double largest = 0;
    for (int64_t i = 0; i < (int64_t)WINDOWS * COLUMNS; i++)
        largest = fmax(largest, fabs(data->own.beta[i] - data->peer.beta[i]) / (1 + fabs(data->peer.beta[i])));
    for (int64_t i = 0; i < WINDOWS; i++)
        largest = fmax(largest, fabs(data->own.square[i] - data->peer.square[i]) / data->peer.square[i]);
    for (int64_t i = LENGTH; i < ROWS; i++)
        largest = fmax(largest, fabs(data->own.fit[i] - data->peer.fit[i]) / (1 + fabs(data->peer.fit[i])));
    return largest;
}

static const double sp[3] = {0.5, 0.1, 2.0};

typedef struct model {
    int columns;
    weir_column column[COLUMNS];
    char name[COLUMNS][8], formula[512];
    weir_fit_options fit;
} model;

/* Of the table's rows from `row` on. */
static void model_make(const bench_data *data, int spline, int64_t row, model *m)
{
    const int used_columns = spline ? 5 : COLUMNS - 1;
    *m = (model){.columns = used_columns + 1, .fit = WEIR_FIT_OPTIONS_INIT};
    int used = snprintf(m->formula, sizeof m->formula, "%s", spline ? "y ~ s(x1, k=20) + s(x2, k=20) + s(x3, k=20) + x4 + x5" : "y ~ ");
    m->column[0] = (weir_column){.name = "y", .dtype = WEIR_F64, .data = data->y + row};
    for (int j = 1; j <= used_columns; j++) {
        snprintf(m->name[j], sizeof m->name[j], "x%d", j);
        if (!spline)
            used += snprintf(m->formula + used, sizeof m->formula - (size_t)used, "%sx%d", j > 1 ? " + " : "", j);
        m->column[j] = (weir_column){.name = m->name[j], .dtype = WEIR_F64, .data = data->column + (j - 1) * (int64_t)ROWS + row};
    }
    m->fit.sp = sp;
    m->fit.sp_count = spline ? 3 : 0;
}

/* A fit of its own for each window, by one thread. */
static double singles_seconds(const bench_data *data, int spline)
{
    weir_ctx_options machine = WEIR_CTX_OPTIONS_INIT;
    weir_ctx *ctx = NULL;
    machine.threads = 1;
    const double begin = bench_processor_seconds();
    weir_status status = weir_ctx_create(&machine, &ctx);
    for (int64_t i = 0; status >= 0 && i < WINDOWS; i++) {
        model m;
        weir_table *table = NULL;
        weir_model *one = NULL;
        model_make(data, spline, i * STEP, &m);
        status = weir_table_from_columns(ctx, LENGTH, m.columns, m.column, &table);
        if (status >= 0)
            status = weir_fit(ctx, table, m.formula, &m.fit, &one);
        weir_model_free(one);
        weir_table_close(table);
    }
    const double seconds = bench_processor_seconds() - begin;
    weir_ctx_destroy(ctx);
    return status >= 0 ? seconds : NAN;
}

static int fit_once(bench_data *data, int spline, int threads, weir_run *out)
{
    weir_ctx_options machine = WEIR_CTX_OPTIONS_INIT;
    weir_windows_options how = WEIR_WINDOWS_OPTIONS_INIT;
    model m;
    weir_ctx *ctx = NULL;
    weir_table *table = NULL;
    weir_windows *windows = NULL;
    model_make(data, spline, 0, &m);
    machine.threads = threads;
    how.length = LENGTH;
    how.step = STEP;
    const double begin = bench_seconds();
    weir_status status = weir_ctx_create(&machine, &ctx);
    if (status >= 0)
        status = weir_table_from_columns(ctx, ROWS, m.columns, m.column, &table);
    if (status >= 0)
        status = weir_fit_windows(ctx, table, m.formula, &m.fit, &how, take_rows, take_window, &data->own, &windows);
    out->seconds = bench_seconds() - begin;
    if (status >= 0) {
        weir_windows_summary summary;
        weir_windows_summarise(windows, &summary);
        out->inner = summary.seconds_read + summary.seconds_sums + summary.seconds_solve;
        out->bytes = (double)summary.actual_bytes;
        if (summary.columns != COLUMNS || summary.state_count[WEIR_GROUP_FITTED] != summary.windows)
            status = WEIR_E_INTERNAL;
        out->difference = spline ? 0 : largest_difference(data);
    }
    if (status < 0)
        fprintf(stderr, "weir-bench: windows: %s\n", ctx ? weir_ctx_message(ctx) : "no context");
    weir_windows_free(windows);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
    return status < 0;
}

static int run_case(bench_data *data, int spline, int threads, int repetitions, double singles, json_t *results)
{
    double peer[REPETITIONS_MAX], whole[REPETITIONS_MAX], inner[REPETITIONS_MAX], ratio[REPETITIONS_MAX];
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
            ratio[r] = peer[r] / whole[r];
        }
    }
    const double p = bench_median(peer, repetitions), w = bench_median(whole, repetitions), i = bench_median(inner, repetitions);
    const double q = bench_median(ratio, repetitions);
    const char *name = spline ? "spline" : "columns";
    printf("| %s | %d | %.4f | %.4f | %.4f | %.1f | %.1f | ", name, threads, p, w, i, q, p / i);
    if (threads == 1)
        printf("%.2f | %.0f | ", singles, singles / w);
    else
        printf("– | – | ");
    printf("%.1f | ", run.bytes / 1048576);
    if (spline)
        printf("– |\n");
    else
        printf("%.1e |\n", run.difference);
    fflush(stdout);
    json_array_append_new(results, json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "case", name, "threads", threads, "peer_seconds", p,
                                             "weir_seconds", w, "weir_inner_seconds", i, "ratio", q, "singles_seconds", singles, "weir_bytes", run.bytes,
                                             "difference", run.difference));
    return !spline && !(run.difference <= 1e-9);
}

int windows_run(const windows_options *options)
{
    bench_data data = {0};
    const int most = options->threads > 0 ? options->threads : bench_processors();
    const int repetitions = options->repetitions <= 0 ? 11 : options->repetitions < REPETITIONS_MAX ? options->repetitions : REPETITIONS_MAX;
    int failed = data_make(&data);
    json_t *results = json_array();
    if (failed)
        fprintf(stderr, "weir-bench: windows: not enough memory\n");
    openblas_set_num_threads(1);
    printf("| case | threads | refit each s | weir s | rows, sums and fits s | ratio | ratio of rows, sums and fits | weir_fit for each s | its ratio | MiB | largest difference |\n"
           "|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (int spline = 0; spline < 2 && !failed; spline++) {
        const double singles = singles_seconds(&data, spline);
        failed = !isfinite(singles);
        for (int threads = 1; threads <= most && threads <= THREADS_MAX && !failed; threads = threads < most && 2 * threads > most ? most : 2 * threads)
            failed = run_case(&data, spline, threads, repetitions, singles, results);
    }
    if (!failed && options->json)
        failed = json_dump_file(results, options->json, JSON_INDENT(2)) != 0;
    json_decref(results);
    data_free(&data);
    return failed != 0;
}
