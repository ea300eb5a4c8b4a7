/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "fit/ar1.h"
#include "fit/response.h"
#include "fit/rows.h"
#include "normal/normal.h"

enum { COLUMN_RESIDUAL, COLUMN_SERIES, COLUMNS };

w_ar1_filter w_ar1_filter_of(const weir_model *model)
{
    w_ar1_filter filter = { 0 };
    if (model->ar1) {
        filter.active = true;
        filter.rho = model->ar1->rho;
        filter.grouped = model->design->start_column >= 0;
        filter.logical = w_design_series_logical(model->design);
    }
    return filter;
}

void w_ar1_filter_rows(w_ar1_filter *f, int64_t rows, double *residual, const double *series)
{
    const double scale = 1 / sqrt((1 - f->rho) * (1 + f->rho));
    for (int64_t i = 0; f->active && i < rows; i++) {
        const double own = f->grouped ? series[i] : 0, r = residual[i];
        f->marked = f->marked || (f->logical && own == 1);
        if (isnan(r)) {
            continue;
        }
        const bool start = !f->any || (f->grouped && (f->logical ? f->marked : own != f->series));
        const double standard = start ? r : (r - f->rho * f->before) * scale;
        f->square += standard * standard;
        f->product += start ? 0 : standard * f->standard;
        f->any = true;
        f->marked = false;
        f->series = own;
        f->before = r;
        f->standard = standard;
        residual[i] = standard;
    }
}

void w_ar1_filter_finish(const w_ar1_filter *filter, weir_model *model)
{
    if (filter->active) {
        model->ar1->standardised_correlation = filter->square > 0 ? filter->product / filter->square : NAN;
    }
}

typedef struct measuring {
    const weir_model *model;
    w_product *product;
    w_ar1_filter filter;
    double residual[W_TILE_ROWS];
} measuring;

static weir_status evaluate(void *arg, int worker, const w_tile *tile, double *out)
{
    (void)worker;
    const measuring *m = arg;
    double *residual = out + COLUMN_RESIDUAL * tile->rows, *series = out + COLUMN_SERIES * tile->rows;
    w_product_tile(m->product, tile, series);
    for (int64_t i = 0; i < tile->rows; i++) {
        series[i] += tile->offset[i];
    }
    w_response_residuals(&m->model->glm, tile->rows, tile->response, series, tile->weight, residual);
    for (int64_t i = 0; i < tile->rows; i++) {
        series[i] = tile->series ? tile->series[i] : 0;
    }
    return WEIR_OK;
}

static weir_status collect(void *arg, int64_t first_row, int64_t rows, const double *values)
{
    (void)first_row;
    measuring *m = arg;
    memcpy(m->residual, values + COLUMN_RESIDUAL * rows, (size_t)rows * sizeof *m->residual);
    w_ar1_filter_rows(&m->filter, rows, m->residual, values + COLUMN_SERIES * rows);
    return WEIR_OK;
}

weir_status w_ar1_measure(weir_ctx *ctx, weir_model *model, weir_table *table, weir_missing missing)
{
    measuring m = { .model = model, .filter = w_ar1_filter_of(model) };
    w_tile_request request = { .missing = missing };
    weir_status status = w_product_create(ctx, model->design, model->beta, &m.product);
    if (status >= 0) {
        w_rows_pass pass = { .design = model->design, .table = table, .request = &request, .name = "residuals",
                             .columns = COLUMNS, .tile = evaluate, .deliver = collect, .arg = &m };
        status = w_rows_each(ctx, &pass);
    }
    if (status >= 0) {
        w_ar1_filter_finish(&m.filter, model);
    }
    w_product_free(m.product);
    return status;
}
