/* SPDX-License-Identifier: Apache-2.0 */
/* Prices of linear fits: each stage is run by itself. Prices that occur together are separated by differences between more rows and
 * fewer, more splines and fewer, a search and given smoothing parameters; those of bases and pairs share what their sum is off by. */
#include "api/calibrate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/calibrate_stage.h"
#include "base/rng.h"
#include "base/size.h"
#include "device/device.h"

#define ROWS 65536
#define FEW 512
#define THIN 2500 /* rows from which a thin plate spline has all its 2000 knots */
#define KNOTS 2000.0
#define REPEATS 5
#define CSV_COLUMNS 3
#define CSV_ROW_BYTES 32

/* Seconds of set-up and of the linear pass at so many rows. */
typedef struct stages { double setup, pass, tables; } stages;

static stages measure_stages(weir_ctx *ctx, const w_probe *probe, const w_stage_data *d, int64_t rows, const char *formula)
{
    stages found = { NAN, NAN, NAN };
    weir_table *table = w_stage_table(ctx, d, rows);
    found.setup = w_stage_setup(ctx, probe, table, formula);
    w_design *design = table ? w_stage_design(ctx, table, formula) : NULL;
    found.pass = w_stage_pass(probe, design, table, NULL);
    found.tables = design ? (double)w_sums_rest_bytes(design) : NAN;
    w_design_free(design);
    weir_table_close(table);
    return found;
}

/* Rows, splines and their pairs. */
static void measure_rows(weir_ctx *ctx, const w_probe *probe, const w_stage_data *d, w_cost *cost)
{
    enum { SPLINES = 8 };
    static const char one[] = "s ~ a", eight[] = "s ~ s(a, bs='cr') + s(b, bs='cr') + s(c, bs='cr') + s(d, bs='cr') + s(e, bs='cr') + "
                                                 "s(f, bs='cr') + s(g, bs='cr') + s(h, bs='cr')";
    const double more = (double)(d->rows - w_min64(d->rows, FEW));
    const stages line = measure_stages(ctx, probe, d, d->rows, one), small = measure_stages(ctx, probe, d, FEW, one);
    const stages splines = measure_stages(ctx, probe, d, d->rows, eight), tiny = measure_stages(ctx, probe, d, FEW, eight);
    w_cost_set_measured(cost, "fit.start", small.setup);
    w_cost_set_measured(cost, "fit.scan", (line.setup - small.setup) / (2.0 * more));
    w_cost_set_measured(cost, "fit.margin_start", (tiny.setup - small.setup) / SPLINES);
    w_cost_set_measured(cost, "fit.margin", ((splines.setup - tiny.setup) / more - 9.0 * cost->fit.scan) / SPLINES);
    w_cost_set_measured(cost, "rows.row", (line.pass - small.pass) / more);
    const double pairs = 0.5 * SPLINES * (SPLINES + 1) + 0.8 * SPLINES + 0.7; /* and those with the dense block */
    const double expected = SPLINES * cost->row.basis + pairs * cost->row.pair;
    const double ratio = ((splines.pass - tiny.pass) / more - cost->row.row) / expected;
    w_cost_set_measured(cost, "rows.basis", cost->row.basis * ratio);
    w_cost_set_measured(cost, "rows.pair", cost->row.pair * ratio);
    w_cost_set_measured(cost, "rows.pair_far", cost->row.pair_far * ratio);
}

/* Wide tables that few rows fill; too many values of thin plate splines for the near caches. */
static void measure_tables(weir_ctx *ctx, const w_probe *probe, const w_stage_data *d, w_cost *cost)
{
    static const char wide[] = "s ~ s(a, bs='cr', k=60) + s(b, bs='cr', k=60) + s(c, bs='cr', k=60) + s(d, bs='cr', k=60)";
    static const char thin[] = "s ~ s(a) + s(b) + s(c) + s(d)";
    const stages few = measure_stages(ctx, probe, d, FEW, wide);
    const double row = cost->row.row + 4.0 * cost->row.basis + 15.0 * cost->row.pair;
    w_cost_set_measured(cost, "fit.table", (few.pass - FEW * row) / few.tables);
    if (d->rows >= ROWS) {
        const double more = (double)d->rows - THIN, other = 11.0 * cost->row.pair;
        const stages all = measure_stages(ctx, probe, d, d->rows, thin), start = measure_stages(ctx, probe, d, THIN, thin);
        w_cost_set_measured(cost, "fit.thin_pass", ((all.pass - start.pass) / more - row - other) / 4.0);
        w_cost_set_measured(cost, "fit.thin_row", ((all.setup - start.setup) / more - 5.0 * cost->fit.scan) / 4.0 - cost->fit.margin);
        const double rows = THIN * (5.0 * cost->fit.scan + 4.0 * (cost->fit.margin + cost->fit.thin_row));
        w_cost_set_measured(cost, "fit.thin_knot", (start.setup - rows) / (4.0 * KNOTS * 10.0));
    }
}

/* A thin plate of two covariates and a tensor product of three. */
static void measure_joint(weir_ctx *ctx, const w_probe *probe, const w_stage_data *d, w_cost *cost)
{
    static const char three[] = "s ~ s(a, bs='cr', k=5) + s(b, bs='cr', k=5) + s(c, bs='cr', k=5)", te[] = "s ~ te(a, b, c, k=c(5,5,5))";
    const double raw = 125.0, more = (double)(d->rows - w_min64(d->rows, 4 * FEW));
    const stages tensor = measure_stages(ctx, probe, d, d->rows, te), few = measure_stages(ctx, probe, d, 4 * FEW, te);
    const stages splines = measure_stages(ctx, probe, d, d->rows, three), small = measure_stages(ctx, probe, d, 4 * FEW, three);
    const double beside = splines.setup - small.setup;
    w_cost_set_measured(cost, "fit.tensor_row", (tensor.setup - few.setup - beside) / (more * raw));
    if (d->rows >= ROWS) {
        const double rows = 2.0 * THIN;
        const stages plate = measure_stages(ctx, probe, d, 2 * THIN, "s ~ s(a, b, k=30)");
        w_cost_set_measured(cost, "fit.plate", plate.pass / (rows * KNOTS));
        w_cost_set_measured(cost, "fit.plate_setup", (plate.setup - 2.0 * rows * KNOTS * cost->fit.plate) / (KNOTS * KNOTS));
    }
}

/* Seconds of an evaluation of the criterion and of what follows the last one: the search with all lambda free, and the same model at
 * given ones. */
static void search_parts(weir_ctx *ctx, const w_probe *probe, weir_table *table, const char *formula, int penalties, double *evaluate,
                         double *finish)
{
    static const double given[] = { 1.0, 1.0, 1.0 };
    weir_fit_options free_ones = WEIR_FIT_OPTIONS_INIT, fixed = WEIR_FIT_OPTIONS_INIT;
    int iterations = 0, none;
    fixed.sp = given;
    fixed.sp_count = penalties;
    const double search = w_stage_smoothing(ctx, probe, table, formula, &free_ones, &iterations);
    const double still = w_stage_smoothing(ctx, probe, table, formula, &fixed, &none);
    *evaluate = iterations > 0 ? (search - still) / iterations : NAN;
    *finish = still - *evaluate;
}

static void measure_smoothing(weir_ctx *ctx, const w_probe *probe, const w_stage_data *d, w_cost *cost)
{
    static const struct { const char *formula; int columns, penalties; } model[W_CURVE_SIZES] = {
        { "s ~ s(a, bs='cr', k=4)", 4, 1 },
        { "s ~ s(a, bs='cr', k=6) + s(b, bs='cr', k=6) + s(c, bs='cr', k=6)", 16, 3 },
        { "s ~ s(a, bs='cr', k=22) + s(b, bs='cr', k=22) + s(c, bs='cr', k=22)", 64, 3 },
        { "s ~ s(a, bs='cr', k=86) + s(b, bs='cr', k=86) + s(c, bs='cr', k=86)", 256, 3 },
        { "s ~ s(a, bs='cr', k=342) + s(b, bs='cr', k=342) + s(c, bs='cr', k=342)", 1024, 3 },
    };
    double evaluate[W_CURVE_SIZES], finish[W_CURVE_SIZES], tensor, rest;
    int count = 0;
    weir_table *table = w_stage_table(ctx, d, 8 * FEW);
    for (; count < W_CURVE_SIZES && model[count].columns <= probe->largest; count++) {
        search_parts(ctx, probe, table, model[count].formula, model[count].penalties, &evaluate[count], &finish[count]);
    }
    w_calibrate_curve(cost, "fit.evaluate", evaluate, count);
    w_calibrate_curve(cost, "fit.finish", finish, count);
    search_parts(ctx, probe, table, "s ~ te(a, b, c, k=c(5,5,5))", 3, &tensor, &rest);
    w_cost_set_measured(cost, "fit.tensor", (tensor - w_curve_at(&cost->fit.evaluate, 125.0, 3.0)) / pow(125.0, 3.0));
    weir_table_close(table);
}

/* A header and ROWS lines of three numbers with three digits, 18 bytes each. */
static size_t csv_fill(char *text)
{
    w_rng rng;
    w_rng_seed(&rng, 2);
    memcpy(text, "y,a,b\n", 6);
    char *at = text + 6;
    for (int64_t i = 0; i < ROWS; i++) {
        for (int j = 0; j < CSV_COLUMNS; j++) {
            int64_t digits = w_rng_below(&rng, 1000);
            *at++ = '0';
            *at++ = '.';
            for (int place = 2; place >= 0; place--) {
                at[place] = (char)('0' + digits % 10);
                digits /= 10;
            }
            at += 3;
            *at++ = j + 1 < CSV_COLUMNS ? ',' : '\n';
        }
    }
    return (size_t)(at - text);
}

/* Seconds of reading; the shortest of several, for what others do to the clock can only add. */
static double read_seconds(weir_ctx *ctx, weir_table *table, double *predicted)
{
    double least = NAN;
    for (int run = 0; run <= REPEATS; run++) {
        weir_model *model = NULL;
        weir_summary summary;
        if (weir_fit(ctx, table, "y ~ a + b", NULL, &model) < 0 || weir_model_summary(model, &summary) < 0 || !summary.plan) {
            weir_model_free(model);
            return NAN;
        }
        least = fmin(least, summary.seconds_read); /* fmin passes over NaN */
        *predicted = summary.plan->seconds_read;
        weir_model_free(model);
    }
    return least;
}

static void measure_csv(weir_ctx *ctx, w_cost *cost)
{
    char path[512];
    if (snprintf(path, sizeof path, "%s/weir-calibrate-XXXXXX.csv", ctx->scratch) >= (int)sizeof path) {
        return;
    }
    char *text = w_alloc(ctx, "calibration", ROWS * CSV_ROW_BYTES);
    int file = text ? mkstemps(path, 4) : -1;
    if (file >= 0) {
        size_t bytes = csv_fill(text);
        bool written = write(file, text, bytes) == (ssize_t)bytes;
        written = close(file) == 0 && written;
        const char *paths[] = { path };
        weir_table *table = NULL;
        if (written && weir_table_open(ctx, 1, paths, NULL, &table) >= 0) {
            double predicted = NAN;
            const double seconds = read_seconds(ctx, table, &predicted);
            w_cost_set_measured(cost, "rows.csv", cost->row.csv * predicted / seconds);
        }
        weir_table_close(table);
        unlink(path);
    }
    w_message_clear(ctx);
    w_free(ctx, text);
}

void w_calibrate_fits(weir_ctx *ctx, const w_probe *probe, w_cost *cost)
{
    w_device_set *set = NULL;
    w_stage_data d;
    if (w_devices_get(ctx, &set) != WEIR_OK) {
        return;
    }
    set->cost = *cost; /* what measure_csv's prediction is made with */
    measure_csv(ctx, cost);
    if (w_stage_data_make(ctx, 64 * probe->largest, &d)) {
        measure_rows(ctx, probe, &d, cost);
        measure_tables(ctx, probe, &d, cost);
        measure_joint(ctx, probe, &d, cost);
        measure_smoothing(ctx, probe, &d, cost);
        w_free(ctx, d.block);
    }
    w_message_clear(ctx);
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
        w_calibrate_passes(own, probe, cost);
        weir_ctx_destroy(own);
    }
}
