/* SPDX-License-Identifier: Apache-2.0 */
/* A row of a smooth is v'(M_cell T); the products M_cell T of all cells are made once. */
#include "normal/group_rows.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/batch_chol.h"
#include "normal/expand.h"

#define TAG "dense rows"
#define STRIP 64 /* rows written at a time, to stay in the near cache */

struct w_dense_rows {
    weir_ctx *ctx;
    const w_design *design;
    const w_kernels *kernels;
    const w_batch_kernels *lay;
    int64_t stride;
    double **map; /* per block: cells x width x columns of a smooth, else NULL */
    double zero[STRIP];
};

int64_t w_dense_rows_stride(const w_design *design)
{
    return w_round_up64(w_add64(design->p, 1), W_BATCH);
}

static int64_t map_doubles(const w_block *block)
{
    return block->kind == W_BLOCK_SMOOTH ? w_mul64(w_mul64(block->cells, block->width), block->level_columns) : 0;
}

int64_t w_dense_rows_bytes(const w_design *design)
{
    int64_t total = 1024 + w_alloc_bytes(design->block_count * 8), scratch = 1;
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        if (block->kind == W_BLOCK_SMOOTH) {
            total = w_add64(total, w_alloc_bytes(w_mul64(map_doubles(block), 8)));
            int64_t spread = w_add64(w_spread_doubles(block->smooth), block->smooth->raw_columns);
            scratch = w_max64(scratch, w_add64(spread, w_mul64(block->cells, block->width)));
        }
    }
    return w_add64(total, w_alloc_bytes(w_mul64(scratch, 8)));
}

/* Column j of every M_cell T, for all j. */
static weir_status fill_map(weir_ctx *ctx, const w_kernels *kernels, const w_block *block, double *map)
{
    const w_smooth *smooth = block->smooth;
    const int64_t k = block->level_columns, values = block->cells * block->width, spread = w_spread_doubles(smooth);
    double *scratch = w_alloc_array(ctx, TAG, (size_t)(spread + smooth->raw_columns + values), sizeof *scratch);
    if (!scratch) {
        return w_alloc_status(ctx);
    }
    double *raw = scratch + spread, *gamma = raw + smooth->raw_columns;
    for (int64_t j = 0; j < k; j++) {
        for (int64_t i = 0; i < smooth->raw_columns; i++) {
            raw[i] = smooth->transform ? smooth->transform[i * k + j] : i == j;
        }
        w_spread(kernels, smooth, raw, gamma, scratch);
        for (int64_t i = 0; i < values; i++) {
            map[i * k + j] = gamma[i];
        }
    }
    w_free(ctx, scratch);
    return WEIR_OK;
}

weir_status w_dense_rows_create(weir_ctx *ctx, const w_design *design, w_dense_rows **out)
{
    w_dense_rows *rows = w_calloc(ctx, TAG, 1, sizeof *rows);
    if (!rows) {
        return w_alloc_status(ctx);
    }
    *rows = (w_dense_rows){ .ctx = ctx, .design = design, .kernels = w_kernels_choose(), .lay = w_batch_choose(),
                            .stride = w_dense_rows_stride(design) };
    rows->map = w_calloc(ctx, TAG, (size_t)design->block_count, sizeof *rows->map);
    weir_status status = rows->map ? WEIR_OK : w_alloc_status(ctx);
    for (int b = 0; status == WEIR_OK && b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        if (block->kind == W_BLOCK_SMOOTH) {
            rows->map[b] = w_alloc_array(ctx, TAG, (size_t)map_doubles(block), sizeof(double));
            status = rows->map[b] ? fill_map(ctx, rows->kernels, block, rows->map[b]) : w_alloc_status(ctx);
        }
    }
    if (status != WEIR_OK) {
        w_dense_rows_free(rows);
        return status;
    }
    *out = rows;
    return WEIR_OK;
}

void w_dense_rows_free(w_dense_rows *rows)
{
    if (!rows) {
        return;
    }
    for (int b = 0; rows->map && b < rows->design->block_count; b++) {
        w_free(rows->ctx, rows->map[b]);
    }
    w_free(rows->ctx, rows->map);
    w_free(rows->ctx, rows);
}

int64_t w_dense_rows_scratch(const w_design *design)
{
    int64_t widest = 1;
    for (int b = 0; b < design->block_count; b++) {
        widest = w_max64(widest, design->block[b].level_columns);
    }
    return w_add64(w_mul64(STRIP, widest), STRIP);
}

/* Columns 0, 1, … that are numbers go by blocks of W_BATCH, z with them where X has no others; the rest of the last block is 0. */
static void put_columns(const w_dense_rows *rows, const w_tile *tile, int64_t start, int64_t count, double *out)
{
    const w_block *block = &rows->design->block[0];
    int64_t leading = 0;
    while (leading + 1 < block->width && block->dense_column[leading] == leading) {
        leading++;
    }
    for (int64_t c = 0; c < leading; c += W_BATCH) {
        const double *column[W_BATCH];
        for (int64_t l = 0; l < W_BATCH; l++) {
            column[l] = c + l < leading ? tile->column[c + l] + start : rows->zero;
            for (int64_t i = 0; c + l < leading && i < STRIP; i += 8) { /* the next strip of many streams */
                __builtin_prefetch(column[l] + STRIP + i);
            }
        }
        rows->lay->lay_columns(count, W_BATCH, column, rows->stride, out + c);
    }
    const int64_t done = leading > 0 ? w_round_up64(leading, W_BATCH) : 0;
    for (int64_t i = 0; done < rows->stride && i < count; i++) {
        memset(out + i * rows->stride + done, 0, (size_t)(rows->stride - done) * sizeof *out);
    }
    for (int64_t j = leading; j + 1 < block->width; j++) {
        for (int64_t i = 0; block->dense_column[j] >= 0 && i < count; i++) {
            out[i * rows->stride + block->dense_column[j]] = tile->column[j][start + i];
        }
    }
}

static void put_factor(const w_block *block, const w_tile_block *local, int64_t start, int64_t count, int64_t stride, double *out)
{
    for (int64_t i = 0; i < count; i++) {
        const int64_t column = block->level_first[local->cell[start + i]];
        if (column >= 0) {
            out[i * stride + column] = local->value ? local->value[start + i] : 1.0;
        }
    }
}

static void put_smooth(const w_dense_rows *rows, const w_block *block, const double *map, const w_tile_block *local, int64_t start,
                       int64_t count, double *scratch, double *out)
{
    const int64_t k = block->level_columns;
    const double *value = local->value + start * block->width;
    if (block->levels == 1) {
        if (block->level_first[0] >= 0) {
            rows->lay->lay_spline(count, local->cell + start, value, block->width, map, k, rows->stride, out + block->level_first[0]);
        }
        return;
    }
    int32_t *cell = (int32_t *)(void *)(scratch + STRIP * k);
    for (int64_t i = 0; i < count; i++) {
        cell[i] = (int32_t)(local->cell[start + i] % block->cells);
    }
    rows->lay->lay_spline(count, cell, value, block->width, map, k, k, scratch);
    for (int64_t i = 0; i < count; i++) {
        const int64_t first = block->level_first[local->cell[start + i] / block->cells];
        if (first >= 0) {
            memcpy(out + i * rows->stride + first, scratch + i * k, (size_t)k * sizeof *out);
        }
    }
}

static weir_status put_values(const w_dense_rows *rows, const w_tile *tile, const w_row_values *values, int64_t start, int64_t count,
                              double *out)
{
    const int64_t p = rows->design->p, stride = rows->stride;
    double *weight = values->weight + start, *z = values->z + start;
    memcpy(weight, tile->weight + start, (size_t)count * sizeof *weight);
    memcpy(z, tile->column[rows->design->block[0].width - 1] + start, (size_t)count * sizeof *z);
    if (values->working) {
        weir_status status = values->working(values->arg, tile, start, count, out, weight, z, values->value + start * W_ROW_VALUES);
        if (status < 0) {
            return status;
        }
    }
    for (int64_t i = 0; i < count; i++) {
        out[i * stride + p] = z[i];
    }
    for (int64_t i = 0; (values->working || !tile->unit_weight) && i < count; i++) {
        const double root = weight[i] > 0 ? sqrt(weight[i]) : 0.0;
        for (int64_t j = 0; weight[i] != 1 && j <= p; j++) {
            out[i * stride + j] *= root;
        }
    }
    return WEIR_OK;
}

weir_status w_dense_rows_tile(const w_dense_rows *rows, const w_tile *tile, const w_row_values *values, double *scratch, double *out)
{
    return w_dense_rows_part(rows, tile, 0, tile->rows, values, scratch, out);
}

weir_status w_dense_rows_part(const w_dense_rows *rows, const w_tile *tile, int64_t first, int64_t count_all, const w_row_values *values,
                              double *scratch, double *out)
{
    const w_design *design = rows->design;
    weir_status status = WEIR_OK;
    for (int64_t start = first; status >= 0 && start < first + count_all; start += STRIP) {
        const int64_t count = w_min64(STRIP, first + count_all - start);
        double *to = out + (start - first) * rows->stride;
        put_columns(rows, tile, start, count, to);
        for (int b = 1; b < design->block_count; b++) {
            if (design->block[b].kind == W_BLOCK_FACTOR) {
                put_factor(&design->block[b], &tile->block[b], start, count, rows->stride, to);
            } else {
                put_smooth(rows, &design->block[b], rows->map[b], &tile->block[b], start, count, scratch, to);
            }
        }
        if (values) {
            status = put_values(rows, tile, values, start, count, to);
        }
    }
    return status;
}
