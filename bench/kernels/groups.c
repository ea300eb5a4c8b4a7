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
void dptsv_(const int *, const int *, double *, double *, double *, const int *, int *);
double ddot_(const int *, const double *, const int *, const double *, const int *);
void dgels_(const char *, const int *, const int *, const int *, double *, const int *, double *, const int *, double *, const int *, int *);
void dposv_(const char *, const int *, const int *, double *, const int *, double *, const int *, int *);
void openblas_set_num_threads(int);

typedef struct bench_data {
    int64_t groups, rows;
    double *column;  /* COLUMNS - 1 times rows: the table */
    double *x;       /* rows x COLUMNS, row-major, a 1 first: for the peer whose design is there already */
    double *y;
    int32_t *id;
    double *beta;    /* groups x COLUMNS: the peer's */
    double *square;  /* groups: the peer's residual sums of squares */
    double curve[COLUMNS * COLUMNS]; /* natural cubic splines: second derivatives from values at the knots */
} bench_data;

/* Knots 0, h, …, 1. Second derivatives at them are 0 at both ends and solve B g = D f between: B has 2h/3 on the diagonal and h/6
 * beside it, D takes second differences over h. */
static int curve_make(double *curve)
{
    enum { INNER = COLUMNS - 2 };
    const double h = 1.0 / (COLUMNS - 1);
    double diagonal[INNER], beside[INNER], right[COLUMNS * INNER] = {0};
    const int inner = INNER, count = COLUMNS;
    int info;
    for (int i = 0; i < INNER; i++) {
        diagonal[i] = 2 * h / 3;
        beside[i] = h / 6;
        right[i * INNER + i] = right[(i + 2) * INNER + i] = 1 / h;
        right[(i + 1) * INNER + i] = -2 / h;
    }
    dptsv_(&inner, &count, diagonal, beside, right, &inner, &info);
    memset(curve, 0, COLUMNS * COLUMNS * sizeof *curve);
    for (int i = 0; i < INNER; i++)
        for (int j = 0; j < COLUMNS; j++)
            curve[(i + 1) * COLUMNS + j] = right[j * INNER + i];
    return info;
}

static int data_make(bench_data *d, int64_t groups)
{
    uint64_t state = 4;
    d->groups = groups;
    d->rows = groups * GROUP_ROWS;
    d->column = malloc((size_t)d->rows * (COLUMNS - 1) * sizeof *d->column);
    d->x = malloc((size_t)d->rows * COLUMNS * sizeof *d->x);
    d->y = malloc((size_t)d->rows * sizeof *d->y);
    d->id = malloc((size_t)d->rows * sizeof *d->id);
    d->beta = malloc((size_t)groups * COLUMNS * sizeof *d->beta);
    d->square = malloc((size_t)groups * sizeof *d->square);
    if (!d->column || !d->x || !d->y || !d->id || !d->beta || !d->square || curve_make(d->curve))
        return -1;
    for (int64_t i = 0; i < d->rows; i++) {
        double *row = d->x + i * COLUMNS;
        row[0] = 1;
        for (int j = 1; j < COLUMNS; j++)
            d->column[(j - 1) * d->rows + i] = row[j] = synth_uniform(&state);
        d->id[i] = (int32_t)(i / GROUP_ROWS);
        d->y[i] = sin(6 * row[1]) + row[2] + 1e-4 * d->id[i] + 0.5 * row[3] * row[4];
    }
    return 0;
}

static void data_free(bench_data *d)
{
    free(d->column);
    free(d->x);
    free(d->y);
    free(d->id);
    free(d->beta);
    free(d->square);
}

/* ---- peer -------------------------------------------------------------------------------------------------------- */

/* Where the peer's rows of X come from: they are in memory, or are made of the table, group by group, in the near cache. The last two
 * are solved by dgels, without normal equations. */
typedef enum peer_design { FORMED, FROM_COLUMNS, FROM_SPLINE, COLUMNS_QR, SPLINE_QR } peer_design;

typedef struct peer_part {
    bench_data *data;
    peer_design design;
    int64_t first, last;
    int failed;
} peer_part;

#if defined __x86_64__ && defined __GNUC__ && !defined __clang__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static void spline_rows(const bench_data *d, int64_t first, double *x)
{
    const double h = 1.0 / (COLUMNS - 1);
    for (int64_t i = 0; i < GROUP_ROWS; i++, x += COLUMNS) {
        const double at = d->column[first + i];
        const int j = at < 1 ? (int)(at * (COLUMNS - 1)) : COLUMNS - 2;
        const double right = at - j * h, left = h - right;
        const double a = (left * left * left / h - h * left) / 6, b = (right * right * right / h - h * right) / 6;
        const double *curve = d->curve + j * COLUMNS;
        for (int c = 0; c < COLUMNS; c++)
            x[c] = a * curve[c] + b * curve[COLUMNS + c];
        x[j] += left / h;
        x[j + 1] += right / h;
    }
}

static void copy_columns(const bench_data *d, int64_t first, double *x)
{
    for (int i = 0; i < GROUP_ROWS; i++)
        x[i] = 1;
    for (int j = 1; j < COLUMNS; j++)
        memcpy(x + j * GROUP_ROWS, d->column + (j - 1) * d->rows + first, GROUP_ROWS * sizeof *x);
}

static int solve_qr(const bench_data *data, peer_design design, int64_t first, double *x, double *beta, double *square)
{
    enum { WORK = COLUMNS + 64 * GROUP_ROWS };
    const int n = GROUP_ROWS, p = COLUMNS, single = 1, room = WORK, rest = GROUP_ROWS - COLUMNS;
    double y[GROUP_ROWS], work[WORK];
    int info;
    memcpy(y, data->y + first, sizeof y);
    if (design == COLUMNS_QR) {
        copy_columns(data, first, x);
        dgels_("N", &n, &p, &single, x, &n, y, &n, work, &room, &info);
    } else { /* the transpose of what is stored by rows */
        spline_rows(data, first, x);
        dgels_("T", &p, &n, &single, x, &p, y, &n, work, &room, &info);
    }
    memcpy(beta, y, COLUMNS * sizeof *beta);
    *square = ddot_(&rest, y + COLUMNS, &single, y + COLUMNS, &single);
    return info != 0;
}

static void *peer_groups(void *arg)
{
    peer_part *part = arg;
    const bench_data *data = part->data;
    static const double one = 1, zero = 0;
    const int n = GROUP_ROWS, p = COLUMNS, single = 1;
    double gram[COLUMNS * COLUMNS], x[GROUP_ROWS * COLUMNS], right[COLUMNS];
    openblas_set_num_threads(1); /* of this thread where BLAS is built on OpenMP */
    for (int64_t g = part->first; g < part->last; g++) {
        const int64_t first = g * GROUP_ROWS;
        const double *y = data->y + first, *rows = part->design == FORMED ? data->x + first * COLUMNS : x; /* p x n by columns */
        double *beta = data->beta + g * COLUMNS;
        int info;
        if (part->design >= COLUMNS_QR) {
            part->failed |= solve_qr(data, part->design, first, x, beta, &data->square[g]);
            continue;
        }
        if (part->design == FROM_COLUMNS) { /* n x p */
            copy_columns(data, first, x);
            dsyrk_("U", "T", &p, &n, &one, x, &n, &zero, gram, &p);
            dgemv_("T", &n, &p, &one, x, &n, y, &single, &zero, beta, &single);
        } else {
            if (part->design == FROM_SPLINE)
                spline_rows(data, first, x);
            dsyrk_("U", "N", &p, &n, &one, rows, &p, &zero, gram, &p);
            dgemv_("N", &p, &n, &one, rows, &p, y, &single, &zero, beta, &single);
        }
        memcpy(right, beta, sizeof right);
        dposv_("U", &p, &single, gram, &p, beta, &p, &info);
        data->square[g] = ddot_(&n, y, &single, y, &single) - ddot_(&p, right, &single, beta, &single);
        part->failed |= info != 0;
    }
    return NULL;
}

static double peer_seconds(bench_data *data, peer_design design, int threads)
{
    peer_part part[THREADS_MAX];
    pthread_t thread[THREADS_MAX];
    const double begin = bench_seconds();
    int failed = 0;
    for (int t = 0; t < threads; t++) {
        part[t] = (peer_part){data, design, data->groups * t / threads, data->groups * (t + 1) / threads, 0};
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
        if (!isfinite(peer_seconds(data, FORMED, 1)))
            return 1;
        const double seconds = bench_processor_seconds() - begin, kernels = kernel_seconds(data, &difference);
        if (r >= 0) {
            peer[r] = seconds;
            own[r] = kernels;
        }
    }
    const double p = bench_median(peer, repetitions), w = bench_median(own, repetitions);
    printf("| kernels | 1 | – | %.3f | – | %.3f | %.3f | – | %.1f | – | %.1f | – | %.1e |\n", p, w, w, p / w, p / w, difference);
    fflush(stdout);
    json_array_append_new(results, json_pack("{s:s, s:i, s:f, s:f, s:f}", "case", "kernels", "threads", 1, "peer_seconds", p,
                                             "weir_seconds", w, "difference", difference));
    return !(difference <= 1e-9);
}

/* ---- weir -------------------------------------------------------------------------------------------------------- */

typedef struct weir_run {
    double seconds, inner; /* all; sums and solutions alone */
    double difference;     /* largest of the residual sums of squares from the peer's, relative; of coefficients where they are the same */
    double bytes;
} weir_run;

static int compare(const bench_data *data, const weir_groups *groups, int spline, double *difference)
{
    weir_groups_summary summary;
    weir_groups_summarise(groups, &summary);
    for (int64_t g = 0; g < summary.groups; g++) {
        weir_group one;
        char text[24];
        weir_groups_get(groups, g, &one);
        snprintf(text, sizeof text, "%lld", (long long)g);
        if (g % 997 == 0 && strcmp(one.name, text)) /* levels in the order of codes */
            return 1;
        *difference = fmax(*difference, fabs(one.deviance - data->square[g]) / data->square[g]);
        for (int j = 0; !spline && j < COLUMNS; j++) {
            const double is = one.beta[j], due = data->beta[g * COLUMNS + j];
            *difference = fmax(*difference, fabs(is - due) / (1 + fabs(due)));
        }
    }
    return 0;
}

static int fit_once(const bench_data *data, int spline, int threads, weir_run *out)
{
    weir_ctx_options machine = WEIR_CTX_OPTIONS_INIT;
    weir_fit_options fit = WEIR_FIT_OPTIONS_INIT;
    weir_groups_options how = WEIR_GROUPS_OPTIONS_INIT;
    weir_column column[COLUMNS + 2] = {{0}};
    char name[COLUMNS][8], formula[256], knots[512];
    static const double sp = 0;
    weir_ctx *ctx = NULL;
    weir_table *table = NULL;
    weir_groups *groups = NULL;
    int count = 0, used = snprintf(formula, sizeof formula, "%s", spline ? "y ~ s(x1, k=20, bs='cr')" : "y ~ ");
    column[count++] = (weir_column){.name = "y", .dtype = WEIR_F64, .data = data->y};
    column[count++] = (weir_column){.name = "id", .dtype = WEIR_I32, .data = data->id, .level_count = data->groups};
    for (int j = 1; j < (spline ? 2 : COLUMNS); j++) {
        snprintf(name[j], sizeof name[j], "x%d", j);
        if (!spline)
            used += snprintf(formula + used, sizeof formula - (size_t)used, "%sx%d", j > 1 ? " + " : "", j);
        column[count++] = (weir_column){.name = name[j], .dtype = WEIR_F64, .data = data->column + (j - 1) * data->rows};
    }
    for (int j = 0, at = snprintf(knots, sizeof knots, "x1="); j < COLUMNS; j++)
        at += snprintf(knots + at, sizeof knots - (size_t)at, "%s%.17g", j ? "," : "", j / (COLUMNS - 1.0));
    machine.threads = threads;
    fit.sp = &sp;
    fit.sp_count = spline;
    fit.knots = spline ? knots : NULL;
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
        status = compare(data, groups, spline, &out->difference) ? WEIR_E_INTERNAL : WEIR_OK;
    }
    if (status < 0)
        fprintf(stderr, "weir-bench: groups: %s\n", ctx ? weir_ctx_message(ctx) : "no context");
    weir_groups_free(groups);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
    return status < 0;
}

/* Seconds of the peer: of one thread what the processor says, of several the clock. */
static double peer_once(bench_data *data, peer_design design, int threads)
{
    const double begin = bench_processor_seconds(), clock = peer_seconds(data, design, threads);
    return threads > 1 ? clock : isfinite(clock) ? bench_processor_seconds() - begin : NAN;
}

static int run_case(bench_data *data, int spline, int threads, int repetitions, json_t *results)
{
    double formed[REPETITIONS_MAX], forming[REPETITIONS_MAX], qr[REPETITIONS_MAX], whole[REPETITIONS_MAX], inner[REPETITIONS_MAX];
    weir_run run = {0};
    for (int r = -1; r < repetitions; r++) { /* once to warm up; weir and peers in turn */
        const double exact = peer_once(data, spline ? SPLINE_QR : COLUMNS_QR, threads), lean = peer_once(data, FORMED, threads), full = peer_once(data, spline ? FROM_SPLINE : FROM_COLUMNS, threads);
        const double begin = bench_processor_seconds();
        if (!isfinite(exact) || !isfinite(lean) || !isfinite(full) || fit_once(data, spline, threads, &run))
            return 1;
        const double own = bench_processor_seconds() - begin;
        if (r >= 0) {
            formed[r] = lean;
            forming[r] = full;
            qr[r] = exact;
            whole[r] = threads == 1 ? own : run.seconds;
            inner[r] = threads == 1 ? own * run.inner / run.seconds : run.inner;
        }
    }
    const double p = bench_median(formed, repetitions), f = bench_median(forming, repetitions), w = bench_median(whole, repetitions);
    const double i = bench_median(inner, repetitions), q = bench_median(qr, repetitions);
    const char *name = spline ? "spline" : "columns";
    printf("| %s | %d | %.3f | %.3f | %.3f | %.3f | %.3f | %.1f | %.1f | %.1f | %.1f | %.1f | %.1e |\n", name, threads, q, p, f, w, i, q / w,
           p / w, f / w, f / i, run.bytes / 1048576, run.difference);
    fflush(stdout);
    json_array_append_new(results, json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "case", name, "threads", threads,
                                             "peer_qr_seconds", q, "peer_formed_seconds", p, "peer_seconds", f, "weir_seconds", w, "weir_inner_seconds", i,
                                             "weir_bytes", run.bytes, "difference", run.difference));
    return !(run.difference <= 1e-7);
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
    printf("| case | threads | dgels loop s | dsyrk + dposv loop, X in memory s | dsyrk + dposv loop s | weir s | sums and solutions s | weir "
           "beside dgels | beside X in memory | beside dsyrk + dposv | sums and solutions beside it | MiB | largest difference |\n"
           "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
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
