/* SPDX-License-Identifier: Apache-2.0 */
/* Residuals e = y - (X beta + offset), one streamed pass. The histogram has fixed bins over +-5 residual standard deviations
 * (from the fit, so that one pass is enough); the sample is drawn by row number before the pass. */
#include "fit/diagnose.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/size.h"
#include "fit/rows.h"
#include "normal/normal.h"

#define SAMPLE_ROWS 2000
#define BINS 60
#define RUG_ROWS 400

enum { COLUMN_FITTED, COLUMN_RESIDUAL, COLUMN_RESPONSE, COLUMNS };

typedef struct diagnosis {
    weir_model *model;
    w_diagnostics *result;
    w_product *product;
    int64_t *wanted; /* row numbers, ascending */
    int64_t wanted_count, next;
    double count;
} diagnosis;

static weir_status evaluate(void *arg, int worker, const w_tile *tile, double *out)
{
    (void)worker;
    const diagnosis *d = arg;
    double *fitted = out + COLUMN_FITTED * tile->rows;
    double *residual = out + COLUMN_RESIDUAL * tile->rows;
    double *response = out + COLUMN_RESPONSE * tile->rows;
    w_product_tile(d->product, tile, fitted);
    for (int64_t i = 0; i < tile->rows; i++) {
        fitted[i] += tile->offset[i];
        response[i] = tile->response[i];
        residual[i] = tile->weight[i] > 0 ? sqrt(tile->weight[i]) * (response[i] - fitted[i]) : NAN;
    }
    return WEIR_OK;
}

static weir_status collect(void *arg, int64_t first_row, int64_t rows, const double *values)
{
    diagnosis *d = arg;
    w_diagnostics *result = d->result;
    const double *residual = values + COLUMN_RESIDUAL * rows;
    for (int64_t i = 0; i < rows; i++) {
        double e = residual[i];
        if (isnan(e)) {
            continue;
        }
        d->count += 1.0;
        result->residual_mean += e;
        result->residual_square += e * e;
        double position = (e - result->bin_lower) / result->bin_width;
        int64_t bin = position < 0 ? 0 : position >= BINS ? BINS - 1 : (int64_t)position;
        result->bin_count[bin]++;
    }
    while (d->next < d->wanted_count && d->wanted[d->next] < first_row + rows) {
        int64_t i = d->wanted[d->next++] - first_row;
        if (!isnan(residual[i])) {
            result->fitted[result->sample] = values[COLUMN_FITTED * rows + i];
            result->residual[result->sample] = residual[i];
            result->response[result->sample] = values[COLUMN_RESPONSE * rows + i];
            result->sample++;
        }
    }
    return WEIR_OK;
}

static weir_status prepare(weir_ctx *ctx, diagnosis *d)
{
    weir_model *model = d->model;
    w_arena *arena = &model->arena;
    int64_t rows = model->design->rows;
    d->wanted_count = w_min64(rows, SAMPLE_ROWS);
    w_diagnostics *result = w_arena_calloc(arena, 1, sizeof *result);
    d->wanted = w_alloc_array(ctx, "sampled rows", (size_t)d->wanted_count, sizeof *d->wanted);
    if (!result || !d->wanted) {
        return w_alloc_status(ctx);
    }
    result->fitted = w_arena_alloc(arena, (size_t)d->wanted_count, sizeof(double));
    result->residual = w_arena_alloc(arena, (size_t)d->wanted_count, sizeof(double));
    result->response = w_arena_alloc(arena, (size_t)d->wanted_count, sizeof(double));
    result->bin_count = w_arena_calloc(arena, BINS, sizeof *result->bin_count);
    result->rug = w_arena_calloc(arena, (size_t)model->design->column_count, sizeof *result->rug);
    if (!result->fitted || !result->residual || !result->response || !result->bin_count || !result->rug) {
        return w_alloc_status(ctx);
    }
    double spread = sqrt(model->scale);
    result->bins = BINS;
    result->bin_lower = -5.0 * spread;
    result->bin_width = spread > 0 ? 10.0 * spread / BINS : 1.0;
    w_rng rng;
    w_rng_seed(&rng, ctx->seed);
    w_rng_sample(&rng, rows, d->wanted_count, d->wanted);
    d->result = result;
    return w_product_create(ctx, model->design, model->beta, &d->product);
}

/* Covariate values for rugs: every (rows / RUG_ROWS)-th row, read in a light pass over the windows. */
static weir_status collect_rugs(weir_model *model, weir_table *table)
{
    w_design *design = model->design;
    w_diagnostics *result = model->diagnostics;
    int64_t step = w_max64(1, design->rows / RUG_ROWS);
    int64_t capacity = design->rows / step + 1;
    for (int c = 0; c < design->column_count; c++) {
        if (design->column_kind[c] == W_NUMERIC) {
            result->rug[c] = w_arena_alloc(&model->arena, (size_t)capacity, sizeof(double));
            if (!result->rug[c]) {
                return w_alloc_status(model->ctx);
            }
        }
    }
    weir_status status = w_source_rewind(table);
    w_window window;
    while (status >= 0 && (status = w_source_next(table, &window)) >= 0 && window.rows > 0) {
        int64_t first = (window.first_row + step - 1) / step * step;
        for (int64_t row = first; row < window.first_row + window.rows; row += step) {
            for (int c = 0; c < design->column_count; c++) {
                if (result->rug[c]) {
                    double buffer;
                    result->rug[c][result->rug_count] = *w_window_numeric(&window, c, row - window.first_row, 1, &buffer);
                }
            }
            result->rug_count++;
        }
    }
    return status;
}

weir_status w_diagnose(weir_ctx *ctx, weir_model *model, weir_table *table, weir_missing missing)
{
    diagnosis d = { .model = model };
    weir_status status = prepare(ctx, &d);
    if (status >= 0) {
        w_tile_request request = { .missing = missing };
        w_rows_pass pass = { .design = model->design, .table = table, .request = &request, .name = "diagnostics",
                             .columns = COLUMNS, .tile = evaluate, .deliver = collect, .arg = &d };
        status = w_rows_each(ctx, &pass);
    }
    if (status >= 0) {
        d.result->residual_mean /= d.count > 0 ? d.count : 1.0;
        model->diagnostics = d.result;
        status = collect_rugs(model, table);
    }
    w_product_free(d.product);
    w_free(ctx, d.wanted);
    return status;
}
