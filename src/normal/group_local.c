/* SPDX-License-Identifier: Apache-2.0 */
/* The expansion is a product of two tables with a row per cell and local value: M, and R_c [M_c 0; 0 I]. */
#include "normal/group_local.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "normal/expand.h"

#define TAG "group sums"
#define MOST_NUMBERS 12
#define LEAST_COLUMNS 8 /* of the spline: below it the products of whole rows are as few */

struct w_local_form {
    weir_ctx *ctx;
    const w_design *design;
    const w_batch_kernels *kernels;
    int block;
    int64_t cells, k, rest, width, stride; /* rest: numeric columns and z; stride of expanded rows: [spline, rest, 0] */
    double *map;            /* cells x 4 x stride, 0 from the k-th column on */
    const double **left;    /* rows of map */
    int64_t *column;        /* k + rest: columns of X, z is column p */
};

/* The spline's block, or -1. */
static int find_block(const w_design *design)
{
    const w_block *spline = design->block_count == 2 ? &design->block[1] : NULL;
    const bool fits = spline && spline->kind == W_BLOCK_SMOOTH && spline->width == 4 && spline->levels == 1 &&
                      spline->level_first[0] >= 0 && spline->level_columns >= LEAST_COLUMNS &&
                      design->block[0].width <= MOST_NUMBERS && spline->cells <= 8 * spline->level_columns;
    for (int j = 0; fits && j + 1 < design->block[0].width; j++) {
        if (design->block[0].dense_column[j] < 0) {
            return -1;
        }
    }
    return fits ? 1 : -1;
}

static int64_t row_stride(const w_design *design, int block)
{
    return w_round_up64(design->block[block].level_columns + design->block[0].width, W_BATCH);
}

int64_t w_local_form_width(const w_design *design)
{
    return find_block(design) < 0 ? 0 : w_round_up64(4 + design->block[0].width, W_BATCH);
}

int64_t w_local_form_bytes(const w_design *design)
{
    const int block = find_block(design);
    if (block < 0) {
        return 0;
    }
    const w_block *b = &design->block[block];
    const int64_t spread = w_add64(w_spread_doubles(b->smooth), w_add64(b->smooth->raw_columns, 4 * b->cells));
    const int64_t rows = 4 * b->cells, map = w_mul64(w_mul64(rows, row_stride(design, block)), 8);
    return w_add64(1024 + w_add64(w_alloc_bytes(map), w_alloc_bytes(8 * rows)),
                   w_add64(w_alloc_bytes(8 * (b->level_columns + MOST_NUMBERS)), w_alloc_bytes(w_mul64(spread, 8))));
}

int64_t w_local_form_scratch(const w_design *design)
{
    const int block = find_block(design);
    if (block < 0) {
        return 0;
    }
    const int64_t rows = 4 * design->block[block].cells, stride = row_stride(design, block), width = w_local_form_width(design);
    /* tables, expanded rows and pointers to them, G */
    return w_mul64(rows + MOST_NUMBERS, width) + w_mul64(rows, stride + 1) + w_mul64(stride, stride);
}

static weir_status fill(w_local_form *form)
{
    const w_block *block = &form->design->block[form->block];
    const w_smooth *smooth = block->smooth;
    const int64_t spread = w_spread_doubles(smooth), values = 4 * form->cells;
    double *scratch = w_alloc_array(form->ctx, TAG, (size_t)(spread + smooth->raw_columns + values), sizeof *scratch);
    if (!scratch) {
        return w_alloc_status(form->ctx);
    }
    double *raw = scratch + spread, *gamma = raw + smooth->raw_columns;
    for (int64_t j = 0; j < form->k; j++) {
        for (int64_t i = 0; i < smooth->raw_columns; i++) {
            raw[i] = smooth->transform ? smooth->transform[i * form->k + j] : i == j;
        }
        w_spread(w_kernels_choose(), smooth, raw, gamma, scratch);
        for (int64_t i = 0; i < values; i++) {
            form->map[i * form->stride + j] = gamma[i];
        }
        form->column[j] = block->level_first[0] + j;
    }
    w_free(form->ctx, scratch);
    for (int64_t i = 0; i < values; i++) {
        form->left[i] = form->map + i * form->stride;
    }
    for (int64_t q = 0; q < form->rest; q++) {
        const bool response = q + 1 == form->rest;
        form->column[form->k + q] = response ? form->design->p : form->design->block[0].dense_column[q];
    }
    return WEIR_OK;
}

weir_status w_local_form_create(weir_ctx *ctx, const w_design *design, w_local_form **out)
{
    const int block = find_block(design);
    if (block < 0) {
        *out = NULL;
        return WEIR_OK;
    }
    w_local_form *form = w_calloc(ctx, TAG, 1, sizeof *form);
    if (!form) {
        return w_alloc_status(ctx);
    }
    *form = (w_local_form){ .ctx = ctx, .design = design, .kernels = w_batch_choose(), .block = block,
                            .cells = design->block[block].cells, .k = design->block[block].level_columns,
                            .rest = design->block[0].width, .width = w_local_form_width(design), .stride = row_stride(design, block) };
    form->map = w_calloc(ctx, TAG, (size_t)(4 * form->cells * form->stride), sizeof *form->map);
    form->left = w_alloc_array(ctx, TAG, (size_t)(4 * form->cells), sizeof *form->left);
    form->column = w_alloc_array(ctx, TAG, (size_t)(form->k + form->rest), sizeof *form->column);
    weir_status status = form->map && form->left && form->column ? fill(form) : w_alloc_status(ctx);
    if (status < 0) {
        w_local_form_free(form);
        return status;
    }
    *out = form;
    return WEIR_OK;
}

void w_local_form_free(w_local_form *form)
{
    if (form) {
        w_free(form->ctx, form->map);
        w_free(form->ctx, form->left);
        w_free(form->ctx, form->column);
        w_free(form->ctx, form);
    }
}

int64_t w_local_form_rows(const w_local_form *form)
{
    return 4 * form->cells;
}

void w_local_form_rows_of(const w_local_form *form, const w_tile *tile, int64_t start, int64_t count, int32_t *cell, double *out)
{
    const w_tile_block *local = &tile->block[form->block];
    const int64_t width = form->width;
    static const double none = 0;
    memcpy(cell, local->cell + start, (size_t)count * sizeof *cell);
    const double *v = local->value + start * 4;
    for (int64_t q = 0; q < width - 4; q += 4) {
        const double *column[4];
        int64_t step[4];
        for (int64_t r = 0; r < 4; r++) {
            step[r] = q + r < form->rest;
            column[r] = step[r] ? tile->column[q + r] + start : &none;
        }
        for (int64_t i = 0; i < count; i++) {
            double *row = out + i * width + q;
            if (q == 0) {
                memcpy(row, v + 4 * i, 4 * sizeof *row);
            }
            for (int64_t r = 0; r < 4; r++) {
                row[4 + r] = column[r][i * step[r]];
            }
        }
    }
    for (int64_t i = 0; !tile->unit_weight && i < count; i++) {
        const double root = sqrt(tile->weight[start + i]);
        for (int64_t r = 0; r < width; r++) {
            out[i * width + r] *= root;
        }
    }
}

void w_local_form_add(const w_local_form *form, int64_t rows, const int32_t *cell, const double *v, double *scratch, int lane,
                      double *sums)
{
    const int64_t values = 4 * form->cells, width = form->width, stride = form->stride, k = form->k;
    double *table = scratch, *dense = table + values * width, *expanded = dense + form->rest * width;
    double *gram = expanded + values * stride;
    const double **right = (const double **)(void *)(gram + stride * stride);
    memset(table, 0, (size_t)((values + form->rest) * width) * sizeof *table);
    memset(gram, 0, (size_t)(stride * stride) * sizeof *gram);
    form->kernels->scatter(rows, cell, v, width / W_BATCH, form->rest, table, dense);
    form->kernels->spread(form->cells, table, width, form->map, stride, expanded);
    for (int64_t i = 0; i < values; i++) {
        memcpy(expanded + i * stride + k, table + i * width + 4, (size_t)form->rest * sizeof *expanded);
        right[i] = expanded + i * stride;
    }
    form->kernels->gram_one(values, form->left, right, k, stride, gram);
    for (int64_t q = 0; q < form->rest; q++) {
        memcpy(gram + (k + q) * stride + k + q, dense + q * width + 4 + q, (size_t)(form->rest - q) * sizeof *gram);
    }
    for (int64_t i = 0; i < k + form->rest; i++) {
        const int64_t a = form->column[i];
        for (int64_t j = i; j < k + form->rest; j++) {
            const int64_t b = form->column[j], low = a < b ? a : b, high = a < b ? b : a;
            sums[(w_packed(high) + low) * W_BATCH + lane] += gram[i * stride + j];
        }
    }
}
