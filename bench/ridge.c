/* SPDX-License-Identifier: Apache-2.0 */
#include "ridge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "synth.h"
#include "weir/weir.h"

enum { FACTORS = 8, ROWS = 600000, REPETITIONS_MAX = 64 };
static const int levels[FACTORS] = {6, 12, 11, 22, 8, 2, 11, 50};
static const double alpha = 1e-4;

typedef struct ridge_data {
    double *x, *count, *size; /* the number; a poisson and a gamma response */
    int32_t *factor[FACTORS];
} ridge_data;

typedef struct ridge_fit {
    double seconds, objective;
    int iterations;
} ridge_fit;

static void data_free(ridge_data *data)
{
    for (int j = 0; j < FACTORS; j++)
        free(data->factor[j]);
    free(data->x);
    free(data->count);
    free(data->size);
}

/* log mean = -1 + 0.4 sin(3 x) + sum of level effects N(0, 0.25^2); gamma of shape 2. */
static int data_make(ridge_data *data)
{
    double effect[FACTORS][64];
    uint64_t state = 600;
    memset(data, 0, sizeof *data);
    data->x = malloc(ROWS * sizeof *data->x);
    data->count = malloc(ROWS * sizeof *data->count);
    data->size = malloc(ROWS * sizeof *data->size);
    int failed = !data->x || !data->count || !data->size;
    for (int j = 0; j < FACTORS; j++) {
        data->factor[j] = malloc(ROWS * sizeof *data->factor[j]);
        failed |= !data->factor[j];
        for (int l = 0; l < levels[j]; l++)
            effect[j][l] = 0.25 * synth_normal(&state);
    }
    for (int i = 0; i < ROWS && !failed; i++) {
        data->x[i] = synth_uniform(&state);
        double eta = -1 + 0.4 * sin(3 * data->x[i]);
        for (int j = 0; j < FACTORS; j++) {
            double u = synth_uniform(&state); /* low levels more frequent */
            data->factor[j][i] = i < levels[j] ? i : (int32_t)(u * u * levels[j]);
            eta += effect[j][data->factor[j][i]];
        }
        data->count[i] = synth_poisson(&state, exp(eta));
        data->size[i] = -0.5 * exp(eta) * log(synth_uniform(&state) * synth_uniform(&state));
    }
    return failed ? -1 : 0;
}

static int write_columns(const ridge_data *data, const char *folder)
{
    char name[16];
    int failed = synth_write_column(folder, "x.f64", data->x, sizeof(double), ROWS) ||
                 synth_write_column(folder, "poisson.f64", data->count, sizeof(double), ROWS) ||
                 synth_write_column(folder, "gamma.f64", data->size, sizeof(double), ROWS);
    for (int j = 0; j < FACTORS && !failed; j++) {
        snprintf(name, sizeof name, "f%d.i32", j);
        failed = synth_write_column(folder, name, data->factor[j], sizeof(int32_t), ROWS);
    }
    return failed;
}

/* One complete fit; lambda n alpha for the raw penalties, so scale[] (S.scale of each term) is asked for. */
static int fit_once(const ridge_data *data, const char *family, int threads, double *scale, ridge_fit *out)
{
    char names[FACTORS][4];
    weir_column column[FACTORS + 2];
    double sp[FACTORS + 1];
    column[0] = (weir_column){"y", WEIR_F64, family[0] == 'p' ? data->count : data->size, 0, 0, NULL};
    column[1] = (weir_column){"x", WEIR_F64, data->x, 0, 0, NULL};
    for (int j = 0; j < FACTORS; j++) {
        snprintf(names[j], sizeof names[j], "f%d", j);
        column[j + 2] = (weir_column){names[j], WEIR_I32, data->factor[j], 0, levels[j], NULL};
    }
    for (int j = 0; j <= FACTORS; j++)
        sp[j] = ROWS * alpha * scale[j];
    weir_ctx_options context = WEIR_CTX_OPTIONS_INIT;
    context.threads = threads;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.family = family;
    options.laplace = -1;
    options.sp = sp;
    options.sp_count = FACTORS + 1;
    weir_ctx *ctx = NULL;
    weir_table *table = NULL;
    weir_model *model = NULL;
    weir_summary summary;
    double start = bench_seconds();
    weir_status status = weir_ctx_create(&context, &ctx);
    if (status >= 0)
        status = weir_table_from_columns(ctx, ROWS, FACTORS + 2, column, &table);
    if (status >= 0)
        status = weir_fit(ctx, table, "y ~ s(x, bs=\"re\") + s(f0, bs=\"re\") + s(f1, bs=\"re\") + s(f2, bs=\"re\") + "
                          "s(f3, bs=\"re\") + s(f4, bs=\"re\") + s(f5, bs=\"re\") + s(f6, bs=\"re\") + s(f7, bs=\"re\")",
                          &options, &model);
    out->seconds = bench_seconds() - start;
    if (status < 0)
        fprintf(stderr, "weir-bench: ridge: %s\n", ctx ? weir_ctx_message(ctx) : weir_status_name(status));
    if (status >= 0 && weir_model_summary(model, &summary) >= 0) {
        const double *beta;
        double square = 0;
        int64_t p = weir_model_coefficients(model, &beta, NULL);
        for (int64_t i = 1; i < p; i++)
            square += beta[i] * beta[i];
        out->objective = summary.deviance / (2.0 * ROWS) + 0.5 * alpha * square;
        out->iterations = summary.iterations;
        for (int j = 0; j <= FACTORS; j++)
            scale[j] = summary.term[j].sp_scale[0];
    }
    weir_model_free(model);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
    return status < 0 ? -1 : 0;
}

static json_t *run_family(const ridge_data *data, const char *family, const ridge_options *options, const char *folder)
{
    double scale[FACTORS + 1], seconds[REPETITIONS_MAX];
    ridge_fit fit = {0};
    int count = options->repetitions > 0 ? options->repetitions : 5;
    int threads = options->threads ? options->threads : bench_processors();
    count = count > REPETITIONS_MAX ? REPETITIONS_MAX : count;
    for (int j = 0; j <= FACTORS; j++)
        scale[j] = 1;
    for (int i = -1; i < count; i++) { /* the first tells the scales and warms up */
        if (fit_once(data, family, threads, scale, &fit))
            return NULL;
        if (i >= 0)
            seconds[i] = fit.seconds;
    }
    json_t *result = json_pack("{s:s, s:i, s:i, s:f, s:i, s:f}", "family", family, "n", ROWS, "threads", threads, "seconds",
                               bench_median(seconds, count), "iterations", fit.iterations, "objective", fit.objective);
    if (options->peer) {
        char thread_text[16], repeat[16], alpha_text[32];
        const char *name = family[0] == 'p' ? "poisson" : "gamma";
        snprintf(thread_text, sizeof thread_text, "%d", threads);
        snprintf(repeat, sizeof repeat, "%d", count);
        snprintf(alpha_text, sizeof alpha_text, "%.17g", alpha);
        const char *const arguments[] = {"python3", options->peer, folder, name, alpha_text, thread_text, repeat, NULL};
        json_t *peer = bench_peer(arguments);
        if (peer)
            json_object_set_new(result, "peer", peer);
        else
            fprintf(stderr, "weir-bench: ridge: the peer failed; is glum installed (pip install glum)?\n");
    }
    return result;
}

static void print_result(const json_t *result)
{
    const json_t *peer = json_object_get(result, "peer");
    double own = json_number_value(json_object_get(result, "seconds"));
    printf("| %s | %.4g | %d | %.12g |", json_string_value(json_object_get(result, "family")), own,
           (int)json_integer_value(json_object_get(result, "iterations")), json_number_value(json_object_get(result, "objective")));
    if (!peer) {
        puts(" | | | | |");
        return;
    }
    double seconds = json_number_value(json_object_get(peer, "seconds"));
    printf(" %.4g | %.4g | %g | %.1f | %+.1e |\n", seconds, json_number_value(json_object_get(peer, "with_matrix")),
           json_number_value(json_object_get(peer, "iterations")), seconds / own,
           json_number_value(json_object_get(result, "objective")) - json_number_value(json_object_get(peer, "objective")));
}

int ridge_run(const ridge_options *options)
{
    static const char *const families[] = {"poisson", "gamma:log"};
    char temporary[] = "/tmp/weir-bench-XXXXXX";
    const char *folder = options->folder ? options->folder : mkdtemp(temporary);
    ridge_data data;
    json_t *results = json_array();
    int failed = !folder || data_make(&data) || write_columns(&data, folder);
    puts("| family | weir s | iterations | objective | glum s | with building its matrix | iterations | ratio | weir's objective - glum's |\n"
         "|---|---|---|---|---|---|---|---|---|");
    for (int i = 0; i < 2 && !failed; i++) {
        json_t *result = run_family(&data, families[i], options, folder);
        failed = !result;
        if (result) {
            print_result(result);
            json_array_append_new(results, result);
        }
    }
    if (options->json && json_dump_file(results, options->json, JSON_INDENT(1) | JSON_PRESERVE_ORDER))
        failed = 1;
    if (folder && !options->folder) {
        const char *const arguments[] = {"rm", "-rf", "--", folder, NULL};
        json_decref(bench_peer(arguments));
    }
    data_free(&data);
    json_decref(results);
    return failed;
}
