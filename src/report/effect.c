/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of X_t come from w_smooth_rows in batches, so that a surface needs (BATCH + k) k doubles and not side^2 k. */
#include "report/effect.h"

#include <math.h>
#include <string.h>

#include "basis/features.h"
#include "fit/band.h"

#define BATCH 128

int w_effect_column(const w_design *design, const w_term *term, int v)
{
    for (int c = 0; c < design->column_count; c++) {
        if (strcmp(design->column[c], term->variable[v]) == 0) {
            return c;
        }
    }
    return -1;
}

bool w_effect_range(const w_design *design, const w_term *term, int v, double *lower, double *upper)
{
    int column = w_effect_column(design, term, v);
    if (column >= 0) {
        *lower = design->column_lower[column];
        *upper = design->column_upper[column];
    } else if (term->smooth && term->smooth->margin_count == 1 && term->smooth->margin[0].features) {
        *lower = term->smooth->margin[0].features->lower[v];
        *upper = term->smooth->margin[0].features->upper[v];
    } else if (term->smooth && v < term->smooth->margin_count && term->smooth->margin[v].break_count > 1) {
        const w_margin *margin = &term->smooth->margin[v];
        *lower = margin->break_point[0];
        *upper = margin->break_point[margin->break_count - 1];
    } else if (term->smooth && v < term->smooth->margin[0].covariates && term->smooth->margin[0].knot_count > 0) {
        const w_margin *margin = &term->smooth->margin[0];
        const double *knot = margin->knot + v * margin->knot_count;
        *lower = *upper = knot[0];
        for (int64_t i = 1; i < margin->knot_count; i++) {
            *lower = fmin(*lower, knot[i]);
            *upper = fmax(*upper, knot[i]);
        }
    } else {
        return false;
    }
    return isfinite(*lower) && isfinite(*upper) && *lower < *upper;
}

static weir_status effect_new(weir_ctx *ctx, int64_t count, w_effect *out)
{
    memset(out, 0, sizeof *out);
    out->ctx = ctx;
    out->count = count;
    out->fit = w_calloc(ctx, "report", (size_t)count, sizeof(double));
    out->se = out->fit ? w_calloc(ctx, "report", (size_t)count, sizeof(double)) : NULL;
    return out->se ? WEIR_OK : w_alloc_status(ctx);
}

void w_effect_free(w_effect *effect)
{
    for (int v = 0; v < W_MAX_MARGINS; v++) {
        w_free(effect->ctx, effect->x[v]);
    }
    w_free(effect->ctx, effect->fit);
    w_free(effect->ctx, effect->se);
    memset(effect, 0, sizeof *effect);
}

static weir_status axis(w_effect *effect, int v, int64_t count, double lower, double upper)
{
    double *x = w_alloc_array(effect->ctx, "report", (size_t)count, sizeof *x);
    if (!x) {
        return w_alloc_status(effect->ctx);
    }
    for (int64_t i = 0; i < count; i++) {
        x[i] = lower + (upper - lower) * (double)i / (double)(count - 1);
    }
    x[count - 1] = upper;
    effect->x[v] = x;
    return WEIR_OK;
}

/* sqrt(x' P x), rounding that makes the square negative counts as 0. */
static double length_in(const double *p, const double *x, int64_t k)
{
    double sum = 0.0;
    for (int64_t i = 0; i < k; i++) {
        double row = 0.0;
        for (int64_t j = 0; j < k; j++) {
            row += p[i * k + j] * x[j];
        }
        sum += x[i] * row;
    }
    return sum > 0 ? sqrt(sum) : 0.0;
}

typedef struct grid {
    const weir_model *model;
    const w_term *term;
    int64_t side;      /* 0: a curve */
    double third;
    double *point[W_MAX_MARGINS]; /* BATCH covariate values each */
    double *rows;      /* BATCH x k */
    double *p;         /* k x k */
} grid;

static void grid_points(const grid *g, const w_effect *effect, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t n = first + i;
        g->point[0][i] = effect->x[0][g->side > 0 ? n % g->side : n];
        if (g->side > 0) {
            g->point[1][i] = effect->x[1][n / g->side];
            g->point[2][i] = g->third;
        }
    }
}

static weir_status grid_fill(const grid *g, w_effect *effect)
{
    const w_term *term = g->term;
    int64_t k = term->columns;
    double root = sqrt(g->model->scale);
    const double *beta = g->model->beta + term->first;
    for (int64_t first = 0; first < effect->count; first += BATCH) {
        int64_t count = effect->count - first < BATCH ? effect->count - first : BATCH;
        const double *x[W_MAX_MARGINS] = { g->point[0], g->point[1], g->point[2] };
        grid_points(g, effect, first, count);
        weir_status status = w_smooth_rows(effect->ctx, term->smooth, count, x, g->rows);
        if (status < 0) {
            return status;
        }
        for (int64_t i = 0; i < count; i++) {
            const double *row = g->rows + i * k;
            double sum = 0.0;
            for (int64_t j = 0; j < k; j++) {
                sum += row[j] * beta[j];
            }
            effect->fit[first + i] = sum;
            effect->se[first + i] = root * length_in(g->p, row, k);
        }
    }
    return WEIR_OK;
}

static weir_status grid_run(grid *g, w_effect *effect)
{
    weir_ctx *ctx = effect->ctx;
    size_t k = (size_t)g->term->columns;
    double *block = w_alloc_array(ctx, "report", BATCH * (k + W_MAX_MARGINS), sizeof(double));
    g->p = block ? w_alloc_array(ctx, "report", k, k * sizeof(double)) : NULL;
    if (!g->p) {
        w_free(ctx, block);
        return w_alloc_status(ctx);
    }
    for (int v = 0; v < W_MAX_MARGINS; v++) {
        g->point[v] = block + v * BATCH;
    }
    g->rows = block + W_MAX_MARGINS * BATCH;
    const bool known = w_covariance_known(g->model->covariance); /* else the band is the line */
    memset(g->p, 0, k * k * sizeof(double));
    weir_status status = known ? w_covariance_block(g->model->covariance, g->term->first, g->term->columns, g->term->first,
                                                    g->term->columns, g->p) : WEIR_OK;
    if (status >= 0) {
        status = grid_fill(g, effect);
    }
    w_free(ctx, block);
    w_free(ctx, g->p);
    return status;
}

weir_status w_effect_curve(const weir_model *model, const w_term *term, w_effect *out)
{
    double lower = 0, upper = 1;
    w_effect_range(model->design, term, 0, &lower, &upper);
    weir_status status = effect_new(model->ctx, W_EFFECT_POINTS, out);
    if (status >= 0) {
        status = axis(out, 0, W_EFFECT_POINTS, lower, upper);
    }
    if (status >= 0) {
        grid g = { .model = model, .term = term };
        status = grid_run(&g, out);
    }
    if (status >= 0 && w_covariance_known(model->covariance)) {
        status = w_band_critical(model->ctx, model, term, W_EFFECT_LEVEL, &out->critical);
    }
    if (status < 0) {
        w_effect_free(out);
    }
    return status;
}

weir_status w_effect_surface(const weir_model *model, const w_term *term, double third, w_effect *out)
{
    weir_status status = effect_new(model->ctx, W_EFFECT_SIDE * W_EFFECT_SIDE, out);
    for (int v = 0; status >= 0 && v < 2; v++) {
        double lower = 0, upper = 1;
        w_effect_range(model->design, term, v, &lower, &upper);
        status = axis(out, v, W_EFFECT_SIDE, lower, upper);
    }
    if (status >= 0) {
        grid g = { .model = model, .term = term, .side = W_EFFECT_SIDE, .third = third };
        status = grid_run(&g, out);
    }
    if (status < 0) {
        w_effect_free(out);
    }
    return status;
}

weir_status w_effect_coefficients(const weir_model *model, const w_term *term, w_effect *out)
{
    weir_status status = effect_new(model->ctx, term->columns, out);
    for (int64_t i = 0; status >= 0 && i < term->columns; i++) {
        double variance = 0.0;
        if (w_covariance_known(model->covariance)) {
            status = w_covariance_block(model->covariance, term->first + i, 1, term->first + i, 1, &variance);
        }
        out->fit[i] = model->beta[term->first + i];
        out->se[i] = variance > 0 ? sqrt(model->scale * variance) : 0.0;
    }
    if (status < 0) {
        w_effect_free(out);
    }
    return status;
}
