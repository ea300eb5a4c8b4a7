/* SPDX-License-Identifier: Apache-2.0 */
/* Deviance residuals, one streamed pass. The histogram has fixed bins over +-5 residual standard deviations (from the fit, so
 * that one pass is enough); the sample is drawn by row number before the pass. A light second one takes covariates. */
#include "fit/diagnose.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/size.h"
#include "fit/ar1.h"
#include "fit/check.h"
#include "fit/envelope.h"
#include "fit/planning.h"
#include "fit/response.h"
#include "fit/recovery.h"
#include "fit/rows.h"
#include "normal/normal.h"

#define SAMPLE_ROWS 2000
#define BINS 60
#define RUG_ROWS 400
#define TAG "residuals"

enum { COLUMN_PREDICTOR, COLUMN_FITTED, COLUMN_RESIDUAL, COLUMN_RESPONSE, COLUMN_PRIOR, COLUMN_SERIES, COLUMNS };

typedef struct diagnosis {
    weir_model *model;
    w_diagnostics *result;
    w_product *product;
    int64_t *wanted;   /* row numbers, ascending; those of the sample stay at the front */
    double *prior;     /* of the sample */
    double **column;   /* per design column: values or level numbers of the sample, NULL = not wanted */
    int64_t rows, wanted_count, next;
    double count;
    w_ar1_filter filter;
    double residual[W_TILE_ROWS];
} diagnosis;

static weir_status evaluate(void *arg, int worker, const w_tile *tile, double *out)
{
    (void)worker;
    const diagnosis *d = arg;
    const w_glm *glm = &d->model->glm;
    double *predictor = out + COLUMN_PREDICTOR * tile->rows;
    double *fitted = out + COLUMN_FITTED * tile->rows;
    w_product_tile(d->product, tile, predictor);
    for (int64_t i = 0; i < tile->rows; i++) {
        predictor[i] += tile->offset[i];
    }
    w_response_mean(glm, tile->rows, predictor, fitted, NULL);
    w_response_residuals(glm, tile->rows, tile->response, fitted, tile->weight, out + COLUMN_RESIDUAL * tile->rows);
    memcpy(out + COLUMN_RESPONSE * tile->rows, tile->response, (size_t)tile->rows * sizeof *out);
    memcpy(out + COLUMN_PRIOR * tile->rows, tile->weight, (size_t)tile->rows * sizeof *out);
    for (int64_t i = 0; i < tile->rows; i++) {
        out[COLUMN_SERIES * tile->rows + i] = tile->series ? tile->series[i] : 0;
    }
    return WEIR_OK;
}

static weir_status collect(void *arg, int64_t first_row, int64_t rows, const double *values)
{
    diagnosis *d = arg;
    w_diagnostics *result = d->result;
    double *residual = d->residual;
    memcpy(residual, values + COLUMN_RESIDUAL * rows, (size_t)rows * sizeof *residual);
    w_ar1_filter_rows(&d->filter, rows, residual, values + COLUMN_SERIES * rows);
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
        int64_t i = d->wanted[d->next++] - first_row, at = result->sample;
        double predictor = values[COLUMN_PREDICTOR * rows + i], fitted = values[COLUMN_FITTED * rows + i];
        if (isfinite(residual[i]) && isfinite(fitted) && isfinite(predictor)) {
            result->predictor[at] = predictor;
            result->fitted[at] = fitted;
            result->residual[at] = residual[i];
            result->response[at] = values[COLUMN_RESPONSE * rows + i];
            d->prior[at] = values[COLUMN_PRIOR * rows + i];
            d->wanted[at] = first_row + i;
            result->sample++;
        }
    }
    return WEIR_OK;
}

/* Histogram bins wide enough for residuals of this scale, and the rows of the sample. */
static void set_up(diagnosis *d)
{
    const weir_summary *summary = &d->model->summary;
    double unit = summary->deviance / summary->residual_df; /* phi, but for families that know theirs and miss it */
    double spread = sqrt(unit > 0 && isfinite(unit) && !w_response_linear(&d->model->glm) ? unit : d->model->scale);
    d->result->bins = BINS;
    d->result->bin_lower = -5.0 * spread;
    d->result->bin_width = spread > 0 ? 10.0 * spread / BINS : 1.0;
    w_rng rng;
    w_rng_seed(&rng, d->model->ctx->seed);
    w_rng_sample(&rng, d->rows, d->wanted_count, d->wanted);
}

static weir_status prepare(weir_ctx *ctx, diagnosis *d)
{
    weir_model *model = d->model;
    w_arena *arena = &model->arena;
    size_t columns = (size_t)model->design->column_count;
    d->wanted_count = w_min64(d->rows, SAMPLE_ROWS);
    size_t sample = (size_t)d->wanted_count;
    w_diagnostics *result = w_arena_calloc(arena, 1, sizeof *result);
    d->wanted = w_alloc_array(ctx, TAG, sample, sizeof *d->wanted);
    d->prior = w_alloc_array(ctx, TAG, sample, sizeof *d->prior);
    d->column = w_calloc(ctx, TAG, columns, sizeof *d->column);
    if (!result || !d->wanted || !d->prior || !d->column) {
        return w_alloc_status(ctx);
    }
    result->predictor = w_arena_alloc(arena, 4 * sample, sizeof(double));
    result->bin_count = w_arena_calloc(arena, BINS, sizeof *result->bin_count);
    result->rug = w_arena_calloc(arena, columns, sizeof *result->rug);
    if (!result->predictor || !result->bin_count || !result->rug) {
        return w_alloc_status(ctx);
    }
    result->fitted = result->predictor + sample;
    result->residual = result->fitted + sample;
    result->response = result->residual + sample;
    d->result = result;
    set_up(d);
    return w_product_create(ctx, model->design, model->beta, &d->product);
}

static bool is_column(const w_design *design, const char *label)
{
    for (int c = 0; c < design->column_count; c++) {
        if (strcmp(design->column[c], label) == 0) {
            return true;
        }
    }
    return false;
}

/* Design columns that a smooth varies over or is multiplied by; numbers, where one of its variables is an expression of some. */
static bool is_covariate(const w_design *design, int column)
{
    for (int t = 0; t < design->term_count; t++) {
        const w_term *term = &design->term[t];
        for (int v = 0; term->smooth && v <= term->variable_count; v++) {
            const char *label = v < term->variable_count ? term->variable[v] : term->by;
            if (label && (strcmp(label, design->column[column]) == 0 ||
                          (design->column_kind[column] == W_NUMERIC && !is_column(design, label)))) {
                return true;
            }
        }
    }
    return false;
}

static weir_status prepare_covariates(weir_ctx *ctx, diagnosis *d, const w_tile_request *request, int64_t step)
{
    const w_design *design = d->model->design;
    int64_t capacity = d->rows / step + 1;
    for (int c = 0; c < design->column_count; c++) {
        bool numeric = design->column_kind[c] == W_NUMERIC, read = !request->selected || request->selected[c] >= 0;
        if (numeric && read) {
            d->result->rug[c] = w_arena_alloc(&d->model->arena, (size_t)capacity, sizeof(double));
        }
        if (read && is_covariate(design, c)) {
            d->column[c] = w_alloc_array(ctx, TAG, (size_t)d->wanted_count, sizeof(double));
        }
        if ((numeric && read && !d->result->rug[c]) || (read && is_covariate(design, c) && !d->column[c])) {
            return w_alloc_status(ctx);
        }
    }
    return WEIR_OK;
}

/* Value of a design column in a row of the window; of a factor the number of its level in the design, -1 = none. */
static double value_at(const w_design *design, const w_tile_request *request, const w_window *window, int c, int64_t row)
{
    int place = request->selected ? request->selected[c] : c;
    if (design->column_kind[c] == W_NUMERIC) {
        double buffer;
        return *w_window_numeric(window, place, row, 1, &buffer);
    }
    int32_t buffer, code = *w_window_codes(window, place, row, 1, &buffer);
    return code >= 0 && request->recode && request->recode[c] ? request->recode[c][code] : code;
}

static void take_covariates(diagnosis *d, const w_tile_request *request, const w_window *window, int64_t step)
{
    const w_design *design = d->model->design;
    w_diagnostics *result = d->result;
    int64_t end = window->first_row + window->rows;
    for (int64_t row = (window->first_row + step - 1) / step * step; row < end; row += step) {
        for (int c = 0; c < design->column_count; c++) {
            if (result->rug[c]) {
                result->rug[c][result->rug_count] = value_at(design, request, window, c, row - window->first_row);
            }
        }
        result->rug_count++;
    }
    for (; d->next < result->sample && d->wanted[d->next] < end; d->next++) {
        for (int c = 0; c < design->column_count; c++) {
            if (d->column[c]) {
                d->column[c][d->next] = value_at(design, request, window, c, d->wanted[d->next] - window->first_row);
            }
        }
    }
}

/* Covariates of every (rows / RUG_ROWS)-th row for rugs and of the sample for the basis check, in a light pass. */
static weir_status collect_covariates(weir_ctx *ctx, diagnosis *d, weir_table *table, const w_tile_request *request)
{
    int64_t step = w_max64(1, d->rows / RUG_ROWS);
    weir_status status = prepare_covariates(ctx, d, request, step);
    w_window window;
    d->next = 0;
    if (status >= 0) {
        status = w_source_rewind(table);
    }
    while (status >= 0 && (status = w_source_next(table, &window)) >= 0 && window.rows > 0) {
        take_covariates(d, request, &window, step);
        w_progress_rows(ctx, "diagnostics", window.first_row + window.rows, d->rows);
        status = w_check_cancel(ctx);
        if (status < 0) {
            break;
        }
    }
    return status;
}

static weir_status diagnose(weir_ctx *ctx, weir_model *model, weir_table *table, const w_tile_request *request)
{
    diagnosis d = { .model = model, .rows = w_source_row_count(table), .filter = w_ar1_filter_of(model) };
    weir_status status = prepare(ctx, &d);
    if (status >= 0) {
        w_rows_pass pass = { .design = model->design, .table = table, .request = request, .name = "diagnostics",
                             .columns = COLUMNS, .tile = evaluate, .deliver = collect, .arg = &d };
        status = w_rows_each(ctx, &pass);
    }
    if (status >= 0) {
        d.result->residual_mean /= d.count > 0 ? d.count : 1.0;
        w_ar1_filter_finish(&d.filter, model);
        status = w_envelope_fill(ctx, model, d.prior, d.result);
    }
    if (status >= 0) {
        status = collect_covariates(ctx, &d, table, request);
    }
    if (status >= 0) {
        status = w_check_smooths(ctx, model, (const double *const *)d.column, d.result);
    }
    if (status >= 0) {
        model->diagnostics = d.result;
    }
    for (int c = 0; d.column && c < model->design->column_count; c++) {
        w_free(ctx, d.column[c]);
    }
    w_free(ctx, d.column);
    w_free(ctx, d.prior);
    w_free(ctx, d.wanted);
    w_product_free(d.product);
    return status;
}

weir_status w_diagnose(weir_ctx *ctx, weir_model *model, weir_table *table, weir_missing missing)
{
    w_tile_request request = { .missing = missing };
    return diagnose(ctx, model, table, &request);
}

static weir_status diagnose_table(weir_ctx *ctx, weir_model *model, weir_table *table, weir_missing missing)
{
    w_binding *binding = NULL;
    weir_status status = w_design_bind(model->design, table, false, false, &binding);
    if (status >= 0) {
        w_scan_options scan;
        status = w_planning_rows(ctx, table, model->design, "check", 2, w_diagnose_bytes(model->design, w_pool_workers(ctx)), &scan);
        if (status >= 0) {
            status = w_source_scan(table, &scan, NULL, NULL);
        }
    }
    if (status >= 0) {
        status = w_binding_ready(binding);
    }
    if (status >= 0) {
        w_tile_request request = *w_binding_request(binding);
        request.missing = missing;
        status = diagnose(ctx, model, table, &request);
    }
    w_binding_free(binding);
    return status;
}

weir_status w_diagnose_table(weir_ctx *ctx, weir_model *model, weir_table *table, weir_missing missing)
{
    w_fit_recovery recovery;
    weir_status status;
    w_recovery_rows_begin(&recovery, ctx, table);
    do {
        status = diagnose_table(ctx, model, table, missing);
    } while (status < 0 && w_recover(ctx, W_RECOVER_FIT, status));
    w_recovery_end(&recovery, NULL);
    return status;
}

int64_t w_diagnose_bytes(const w_design *design, int workers)
{
    const int64_t number = (int64_t)sizeof(double);
    int64_t kept = 4 * SAMPLE_ROWS + 4 * W_ENVELOPE_POINTS + BINS;
    int64_t meanwhile = 2 * SAMPLE_ROWS + w_envelope_doubles(SAMPLE_ROWS) + w_check_doubles(SAMPLE_ROWS);
    int64_t columns = w_mul64(design->column_count, SAMPLE_ROWS + 2 * RUG_ROWS + 2);
    int64_t terms = w_mul64(design->term_count, (int64_t)sizeof(weir_smooth_check));
    int64_t arena = 65536; /* the block begun for the arrays that stay */
    int64_t samples = w_add64(w_mul64(w_add64(kept + meanwhile, columns), number), w_add64(terms, arena));
    return w_add64(w_add64(w_rows_bytes(design, COLUMNS, workers), w_product_bytes(design, workers)), samples);
}
