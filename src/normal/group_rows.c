/* SPDX-License-Identifier: Apache-2.0 */
/* A row of a smooth is v'(M_cell T); the products M_cell T of all cells are made once. */
#include "normal/group_rows.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/batch_chol.h"
#include "normal/expand.h"

#define TAG "dense rows"
#define STRIP 256 /* rows expanded at a time */

struct w_dense_rows {
    weir_ctx *ctx;
    const w_design *design;
    const w_kernels *kernels;
    int64_t stride;
    double **map; /* per block: cells x width x columns of a smooth, else NULL */
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
    *rows = (w_dense_rows){ .ctx = ctx, .design = design, .kernels = w_kernels_choose(), .stride = w_dense_rows_stride(design) };
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

static void put_dense(const w_block *block, const w_tile_block *local, int64_t start, int64_t count, int64_t stride, double *out)
{
    for (int64_t i = 0; i < count; i++) {
        const double *v = local->value + (start + i) * block->width;
        for (int j = 0; j + 1 < block->width; j++) {
            if (block->dense_column[j] >= 0) {
                out[i * stride + block->dense_column[j]] = v[j];
            }
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
    int32_t *cell = (int32_t *)(void *)(scratch + STRIP * k);
    for (int64_t i = 0; i < count; i++) {
        cell[i] = (int32_t)(local->cell[start + i] % block->cells);
    }
    rows->kernels->mix(count, cell, local->value + start * block->width, block->width, map, k, scratch);
    for (int64_t i = 0; i < count; i++) {
        const int64_t first = block->level_first[local->cell[start + i] / block->cells];
        if (first >= 0) {
            memcpy(out + i * rows->stride + first, scratch + i * k, (size_t)k * sizeof *out);
        }
    }
}

static void put_weights(const w_dense_rows *rows, const w_tile *tile, int64_t start, int64_t count, double *out)
{
    const int64_t p = rows->design->p, width = rows->design->block[0].width;
    for (int64_t i = 0; i < count; i++) {
        double *row = out + i * rows->stride;
        const double weight = tile->weight[start + i];
        row[p] = weight > 0 ? tile->block[0].value[(start + i + 1) * width - 1] : 0.0;
        if (weight != 1) {
            const double root = sqrt(weight);
            for (int64_t j = 0; j <= p; j++) {
                row[j] *= root;
            }
        }
    }
}

void w_dense_rows_tile(const w_dense_rows *rows, const w_tile *tile, bool weighted, double *scratch, double *out)
{
    const w_design *design = rows->design;
    memset(out, 0, (size_t)(tile->rows * rows->stride) * sizeof *out);
    for (int64_t start = 0; start < tile->rows; start += STRIP) {
        const int64_t count = w_min64(STRIP, tile->rows - start);
        double *to = out + start * rows->stride;
        for (int b = 0; b < design->block_count; b++) {
            const w_block *block = &design->block[b];
            const w_tile_block *local = &tile->block[b];
            if (block->kind == W_BLOCK_DENSE) {
                put_dense(block, local, start, count, rows->stride, to);
            } else if (block->kind == W_BLOCK_FACTOR) {
                put_factor(block, local, start, count, rows->stride, to);
            } else {
                put_smooth(rows, block, rows->map[b], local, start, count, scratch, to);
            }
        }
        if (weighted) {
            put_weights(rows, tile, start, count, to);
        }
    }
}
