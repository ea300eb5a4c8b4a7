/* SPDX-License-Identifier: Apache-2.0 */
#include "tam.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "synth.h"
#include "weir/weir.h"

enum { ROWS = 20000, COVARIATES = 6, SPLINES = 3, REPETITIONS_MAX = 201, PATH_BYTES = 512 };

/* Second differences and 1 + k^2 at 1e-5 per row, the ridge of 1e-6 per row beside them. */
static const char *const formula =
    "y ~ s(x0, bs='ps', k=24) + s(x1, bs='ps', k=24) + s(x2, bs='ps', k=24) + s(x3, bs='fourier', m=10, cyclic=TRUE)"
    " + s(x4, bs='fourier', m=10, cyclic=TRUE) + s(x5, bs='fourier', m=10, cyclic=TRUE)";

typedef struct tam_data {
    double *x[COVARIATES], *y;
    int threads, repetitions;
} tam_data;

static int data_make(tam_data *data)
{
    uint64_t state = 21;
    data->y = calloc(ROWS, sizeof *data->y);
    int good = data->y != NULL;
    for (int j = 0; j < COVARIATES; j++) {
        data->x[j] = malloc(ROWS * sizeof *data->x[j]);
        good = good && data->x[j];
    }
    for (int64_t i = 0; good && i < ROWS; i++) {
        for (int j = 0; j < COVARIATES; j++) {
            data->x[j][i] = synth_uniform(&state);
            data->y[i] += sin((j + 3) * data->x[j][i]);
        }
        data->y[i] += 0.3 * (synth_uniform(&state) - 0.5);
    }
    return good;
}

static void data_free(tam_data *data)
{
    for (int j = 0; j < COVARIATES; j++)
        free(data->x[j]);
    free(data->y);
}

static int data_write(const tam_data *data, const char *folder)
{
    int good = 1;
    for (int j = 0; j <= COVARIATES && good; j++) {
        char path[PATH_BYTES];
        if (j < COVARIATES)
            snprintf(path, sizeof path, "%s/x%d.f64", folder, j);
        else
            snprintf(path, sizeof path, "%s/y.f64", folder);
        FILE *file = fopen(path, "wb");
        good = file && fwrite(j < COVARIATES ? data->x[j] : data->y, sizeof(double), ROWS, file) == ROWS;
        good = (!file || fclose(file) == 0) && good;
    }
    return good;
}

static int fit_once(weir_ctx *ctx, const tam_data *data, weir_table *table, double *seconds, json_t *result)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_model *model = NULL;
    weir_summary summary;
    double sp[COVARIATES];
    for (int j = 0; j < COVARIATES; j++)
        sp[j] = 1e-5 * ROWS;
    options.sp = sp;
    options.sp_count = COVARIATES;
    options.ridge = 1e-6 * ROWS;
    (void)data;
    const double begin = bench_seconds();
    int status = weir_fit(ctx, table, formula, &options, &model);
    *seconds = bench_seconds() - begin;
    if (status < 0)
        return status;
    weir_model_summary(model, &summary);
    json_object_set_new(result, "columns", json_integer(summary.columns));
    json_object_set_new(result, "ledger", json_integer(summary.actual_bytes));
    json_object_set_new(result, "mean_square", json_real(summary.deviance / ROWS));
    weir_model_free(model);
    return status;
}

static json_t *run_weir(void *arg)
{
    const tam_data *data = arg;
    static const char *const label[] = {"x0", "x1", "x2", "x3", "x4", "x5", "y"};
    double seconds[REPETITIONS_MAX];
    weir_column column[COVARIATES + 1] = {{0}};
    weir_ctx_options context = WEIR_CTX_OPTIONS_INIT;
    weir_ctx *ctx = NULL;
    weir_table *table = NULL;
    json_t *result = json_object();
    context.threads = data->threads;
    for (int j = 0; j <= COVARIATES; j++) {
        column[j].name = label[j];
        column[j].dtype = WEIR_F64;
        column[j].data = j < COVARIATES ? data->x[j] : data->y;
    }
    int status = weir_ctx_create(&context, &ctx);
    if (status >= 0)
        status = weir_table_from_columns(ctx, ROWS, COVARIATES + 1, column, &table);
    const int64_t before = bench_peak_rss();
    double ignored;
    if (status >= 0)
        status = fit_once(ctx, data, table, &ignored, result);
    for (int r = 0; r < data->repetitions && status >= 0; r++)
        status = fit_once(ctx, data, table, &seconds[r], result);
    if (status < 0)
        fprintf(stderr, "weir-bench tam: %s\n", ctx ? weir_ctx_message(ctx) : "no context");
    json_object_set_new(result, "seconds", json_real(status < 0 ? NAN : bench_median(seconds, data->repetitions)));
    json_object_set_new(result, "bytes", json_integer(bench_peak_rss() - before));
    weir_table_close(table);
    weir_ctx_destroy(ctx);
    if (status >= 0)
        return result;
    json_decref(result);
    return NULL;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void print_row(const char *name, const json_t *result, double peer)
{
    printf("| %s | %.0f | %.5f | %.2f |", name, number(result, "columns"), number(result, "seconds"), number(result, "bytes") / 1048576.0);
    if (json_object_get(result, "ledger"))
        printf(" %.2f |", number(result, "ledger") / 1048576.0);
    else
        printf(" |");
    printf(" %.8g |", number(result, "mean_square"));
    if (peer > 0)
        printf(" %.1f |\n", peer / number(result, "seconds"));
    else
        printf(" |\n");
}

int tam_run(const tam_options *options)
{
    char temporary[] = "/tmp/weir-bench-XXXXXX", threads[16], repetitions[16];
    const char *folder = options->folder;
    tam_data data = {.threads = options->threads, .repetitions = options->repetitions > 0 ? options->repetitions : 51};
    data.repetitions = data.repetitions < REPETITIONS_MAX ? data.repetitions : REPETITIONS_MAX;
    json_t *peer = NULL, *own = NULL;
    if (data_make(&data)) {
        own = bench_isolated(run_weir, &data);
        if (options->peer && (folder || (folder = mkdtemp(temporary))) && data_write(&data, folder)) {
            snprintf(threads, sizeof threads, "%d", options->threads > 0 ? options->threads : bench_processors());
            snprintf(repetitions, sizeof repetitions, "%d", data.repetitions < 7 ? data.repetitions : 7);
            const char *const arguments[] = {"python3", options->peer, folder, threads, repetitions, NULL};
            peer = bench_peer(arguments);
        }
    }
    if (own) {
        puts("| program | columns | fit s | process MiB above the data | ledger MiB | mean square | ratio |\n|---|---|---|---|---|---|---|");
        print_row("weir", own, peer ? number(peer, "seconds") : 0);
        if (peer)
            print_row("NumPy", peer, 0);
    }
    if (options->peer && !options->folder && folder) {
        const char *const arguments[] = {"rm", "-rf", "--", folder, NULL};
        json_decref(bench_peer(arguments));
    }
    const int failed = !own || (options->peer && !peer);
    json_decref(own);
    json_decref(peer);
    data_free(&data);
    return failed;
}
