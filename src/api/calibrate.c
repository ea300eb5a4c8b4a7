/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels that add rows live below device/, so their figures are taken here, from whole fits: the plan's seconds are
 * proportional to the constant that is measured, so  constant *= actual / predicted  makes the plan right for this
 * machine. */
#include "api/calibrate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "device/device.h"
#include "weir/gam.h"

#define ROWS 65536
#define COVARIATES 8
#define REPEATS 5
#define CSV_COLUMNS 3
#define CSV_ROW_BYTES 32

static void insert_sorted(double *list, int *count, double value)
{
    int at = (*count)++;
    while (at > 0 && list[at - 1] > value) {
        list[at] = list[at - 1];
        at--;
    }
    list[at] = value;
}

/* Median over fits of actual/predicted, of accumulating or of reading; NaN when a fit fails. */
static double median_ratio(weir_ctx *ctx, weir_table *table, const char *formula, bool reading)
{
    double ratio[REPEATS];
    int count = 0;
    for (int run = 0; run <= REPEATS; run++) {
        weir_model *model = NULL;
        weir_summary summary;
        if (weir_fit(ctx, table, formula, NULL, &model) < 0) {
            return NAN;
        }
        bool sound = weir_model_summary(model, &summary) == WEIR_OK && summary.plan;
        double actual = reading ? summary.seconds_read : summary.seconds_normal;
        double predicted = sound ? reading ? summary.plan->seconds_read : summary.plan->seconds_accumulate : 0.0;
        weir_model_free(model);
        if (!sound || !(predicted > 0) || !(actual > 0)) {
            return NAN;
        }
        if (run > 0) { /* the first one warms up */
            insert_sorted(ratio, &count, actual / predicted);
        }
    }
    return ratio[REPEATS / 2];
}

static double pair_ratio(weir_ctx *ctx)
{
    static const char *const name[COVARIATES + 1] = { "y", "a", "b", "c", "d", "e", "f", "g", "h" };
    double *data = w_alloc_array(ctx, "calibration", (COVARIATES + 1) * ROWS, sizeof *data);
    if (!data) {
        return NAN;
    }
    w_rng rng;
    w_rng_seed(&rng, 1);
    weir_column column[COVARIATES + 1];
    memset(column, 0, sizeof column);
    for (int j = 0; j <= COVARIATES; j++) {
        for (int64_t i = 0; i < ROWS; i++) {
            data[j * ROWS + i] = w_rng_uniform(&rng);
        }
        column[j].name = name[j];
        column[j].dtype = WEIR_F64;
        column[j].data = data + j * ROWS;
    }
    weir_table *table = NULL;
    double ratio = NAN;
    if (weir_table_from_columns(ctx, ROWS, COVARIATES + 1, column, &table) >= 0) {
        ratio = median_ratio(ctx, table, "y ~ s(a, bs='cr') + s(b, bs='cr') + s(c, bs='cr') + s(d, bs='cr') + "
                             "s(e, bs='cr') + s(f, bs='cr') + s(g, bs='cr') + s(h, bs='cr')", false);
        weir_table_close(table);
    }
    w_free(ctx, data);
    return ratio;
}

/* A header and ROWS lines of three numbers with six digits, 27 bytes each. */
static size_t csv_fill(char *text)
{
    w_rng rng;
    w_rng_seed(&rng, 2);
    memcpy(text, "y,a,b\n", 6);
    char *at = text + 6;
    for (int64_t i = 0; i < ROWS; i++) {
        for (int j = 0; j < CSV_COLUMNS; j++) {
            int64_t digits = w_rng_below(&rng, 1000000);
            *at++ = '0';
            *at++ = '.';
            for (int place = 5; place >= 0; place--) {
                at[place] = (char)('0' + digits % 10);
                digits /= 10;
            }
            at += 6;
            *at++ = j + 1 < CSV_COLUMNS ? ',' : '\n';
        }
    }
    return (size_t)(at - text);
}

static double csv_ratio(weir_ctx *ctx)
{
    char path[512];
    if (snprintf(path, sizeof path, "%s/weir-calibrate-XXXXXX.csv", ctx->scratch) >= (int)sizeof path) {
        return NAN;
    }
    char *text = w_alloc(ctx, "calibration", ROWS * CSV_ROW_BYTES);
    int file = text ? mkstemps(path, 4) : -1;
    double ratio = NAN;
    if (file >= 0) {
        size_t bytes = csv_fill(text);
        bool written = write(file, text, bytes) == (ssize_t)bytes;
        written = close(file) == 0 && written;
        const char *paths[] = { path };
        weir_table *table = NULL;
        if (written && weir_table_open(ctx, 1, paths, NULL, &table) >= 0) {
            ratio = median_ratio(ctx, table, "y ~ a + b", true);
            weir_table_close(table);
        }
        unlink(path);
    }
    w_free(ctx, text);
    return ratio;
}

void w_calibrate_fits(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    w_device_set *set = NULL;
    (void)probe;
    if (w_devices_get(ctx, &set) == WEIR_OK) {
        set->cost = *cost;
        double pair = pair_ratio(ctx), csv = csv_ratio(ctx);
        w_cost_set_measured(cost, "rows.pair", cost->row.pair * pair);
        w_cost_set_measured(cost, "rows.pair_far", cost->row.pair_far * pair);
        w_cost_set_measured(cost, "rows.csv", cost->row.csv / csv);
    }
}

void w_calibrate(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    int64_t free_bytes = w_ledger_free_bytes(ctx);
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 1;
    options.device = "cpu";
    options.scratch = ctx->scratch;
    options.memory_budget = free_bytes < INT64_MAX / 2 ? free_bytes : (int64_t)1 << 30;
    weir_ctx *own = NULL;
    if (weir_ctx_create(&options, &own) == WEIR_OK) {
        w_calibrate_routes(own, probe, cost);
        w_calibrate_fits(own, probe, cost);
        weir_ctx_destroy(own);
    }
}
