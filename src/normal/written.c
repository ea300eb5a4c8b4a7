/* SPDX-License-Identifier: Apache-2.0 */
#include "normal/written.h"

#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "normal/expand.h"

#define ROWS W_WRITTEN_ROWS

/* Raw coefficients, columns, stage of one row. */
static int64_t block_doubles(const w_block *block)
{
    if (block->kind != W_BLOCK_SMOOTH) {
        return ROWS;
    }
    const w_smooth *smooth = block->smooth;
    return w_add64(w_mul64(ROWS, w_add64(smooth->raw_columns, smooth->columns)), w_expand_doubles(smooth));
}

int64_t w_written_doubles(const w_design *design)
{
    int64_t most = 0;
    for (int b = 0; b < design->block_count; b++) {
        most = w_max64(most, block_doubles(&design->block[b]));
    }
    return most;
}

static const double *smooth_block(const w_kernels *kernels, const w_block *block, const w_tile_block *local, int64_t start,
                                  int64_t rows, double *scratch)
{
    const w_smooth *smooth = block->smooth;
    const int64_t raw_count = smooth->raw_columns, k = smooth->columns;
    double *raw = scratch, *columns = raw + ROWS * raw_count, *stage = columns + ROWS * k;
    memset(raw + rows * raw_count, 0, (size_t)((ROWS - rows) * raw_count) * sizeof *raw);
    for (int64_t i = 0; i < rows; i++) {
        w_expand_row(kernels, smooth, local->cell[start + i] % block->cells, local->value + (start + i) * block->width,
                     raw + i * raw_count, stage);
    }
    if (!smooth->transform) {
        return raw;
    }
    const double one = 1.0, zero = 0.0;
    w_blas_int size = w_narrow(k), inner = w_narrow(raw_count), panel = ROWS;
    dgemm_("N", "N", &size, &panel, &inner, &one, smooth->transform, &size, raw, &inner, &zero, columns, &size);
    return columns;
}

const double *w_written_block(const w_design *design, const w_kernels *kernels, int index, const w_tile *tile, int64_t start,
                              int64_t rows, double *scratch)
{
    const w_block *block = &design->block[index];
    const w_tile_block *local = &tile->block[index];
    if (block->kind == W_BLOCK_SMOOTH) {
        return smooth_block(kernels, block, local, start, rows, scratch);
    }
    for (int64_t i = 0; i < ROWS; i++) {
        scratch[i] = i >= rows ? 0.0 : local->value ? local->value[start + i] : 1.0;
    }
    return scratch;
}

static void put_dense(const w_block *block, const w_tile_block *local, int64_t start, int64_t rows, int64_t first, int64_t last,
                      const int64_t *place, int64_t order, double *panel)
{
    for (int r = 0; r < block->width; r++) {
        const int64_t column = block->dense_column[r];
        const int64_t at = column < first || column >= last ? -1 : place ? place[column] : column;
        for (int64_t i = 0; i < rows && at >= 0; i++) {
            panel[i * order + at] = local->value[(start + i) * block->width + r];
        }
    }
}

/* Levels have their columns in ascending order, if they have any. */
static bool meets(const w_block *block, int64_t first, int64_t last)
{
    int64_t low = 0, high = block->levels - 1;
    while (low < high && block->level_first[low] < 0) {
        low++;
    }
    while (high > low && block->level_first[high] < 0) {
        high--;
    }
    return block->level_first[low] >= 0 && block->level_first[low] < last && block->level_first[high] >= first;
}

void w_written_panel(const w_design *design, const w_kernels *kernels, const w_tile *tile, int64_t start, int64_t rows,
                     const bool *used, int64_t first, int64_t last, const int64_t *place, int64_t order, double *panel,
                     double *scratch)
{
    memset(panel, 0, (size_t)(ROWS * order) * sizeof *panel);
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        if (block->kind == W_BLOCK_DENSE) {
            put_dense(block, &tile->block[b], start, rows, first, last, place, order, panel);
            continue;
        }
        if (!used[b] || !meets(block, first, last)) {
            continue;
        }
        const double *x = w_written_block(design, kernels, b, tile, start, rows, scratch);
        const int32_t *cell = tile->block[b].cell;
        const int64_t k = block->level_columns;
        for (int64_t i = 0; i < rows; i++) {
            const int64_t column = block->level_first[(cell ? cell[start + i] : 0) / block->cells];
            for (int64_t j = 0; column >= first && column < last && j < k; j++) {
                const int64_t at = place ? place[column + j] : column + j;
                if (at >= 0) {
                    panel[i * order + at] = x[i * k + j];
                }
            }
        }
    }
}
