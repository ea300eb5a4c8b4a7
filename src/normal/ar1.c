/* SPDX-License-Identifier: Apache-2.0 */
/* A tile's rows beside the rows before them: `shifted` is the tile one row down, its first row the last one that counts before
 * the tile. The row before is looked for in the window, from the tile backwards, so that tiles are independent of each other. */
#include "normal/ar1.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

#define TAG "gram scratch"
#define FIRST_LOOK 8   /* rows evaluated at first to find the one before a tile; eight times as many each time none counts */
#define ENDS_ROWS 256

struct w_lag {
    const w_pairs *plan;
    const w_design *design;
    bool logical;
    w_adder *now, *before;
    w_tile *search;
    w_tile shifted, ends;
    w_lag_row last;       /* before the tile */
    double *link;         /* sqrt(w_i w_(i-1)), 0 where a series begins */
    uint8_t *start;
    int32_t *kept;
    int64_t links;
    bool unit_link;
};

/* ---- one row ------------------------------------------------------------------------------------------------------ */

static int64_t row_values(const w_design *design)
{
    int64_t values = 0;
    for (int b = 0; b < design->block_count; b++) {
        values += design->block[b].width;
    }
    return values;
}

weir_status w_lag_row_create(weir_ctx *ctx, const w_design *design, w_lag_row *out)
{
    w_lag_row row = { .value = w_calloc(ctx, TAG, (size_t)row_values(design), sizeof *row.value),
                      .cell = w_calloc(ctx, TAG, (size_t)design->block_count, sizeof *row.cell) };
    if (!row.value || !row.cell) {
        w_lag_row_free(ctx, &row);
        return w_alloc_status(ctx);
    }
    *out = row;
    return WEIR_OK;
}

void w_lag_row_free(weir_ctx *ctx, w_lag_row *row)
{
    w_free(ctx, row->value);
    w_free(ctx, row->cell);
    *row = (w_lag_row){ 0 };
}

static void row_copy(const w_design *design, const w_lag_row *from, w_lag_row *to)
{
    memcpy(to->value, from->value, (size_t)row_values(design) * sizeof *to->value);
    memcpy(to->cell, from->cell, (size_t)design->block_count * sizeof *to->cell);
    to->exists = from->exists;
    to->marked = from->marked;
    to->weight = from->weight;
    to->series = from->series;
}

static void row_take(const w_design *design, const w_tile *tile, int64_t i, w_lag_row *row)
{
    double *value = row->value;
    for (int b = 0; b < design->block_count; b++) {
        const w_tile_block *block = &tile->block[b];
        const int width = design->block[b].width;
        for (int r = 0; r < width; r++) {
            value[r] = block->value ? block->value[i * width + r] : 1;
        }
        row->cell[b] = block->cell ? block->cell[i] : 0;
        value += width;
    }
    row->exists = true;
    row->weight = tile->weight[i];
    row->series = tile->series ? tile->series[i] : 0;
}

static void row_put(const w_design *design, const w_lag_row *row, w_tile *tile, int64_t i)
{
    const double *value = row->value;
    for (int b = 0; b < design->block_count; b++) {
        w_tile_block *block = &tile->block[b];
        const int width = design->block[b].width;
        if (block->value) {
            memcpy(block->value + i * width, value, (size_t)width * sizeof *value);
        }
        if (block->cell) {
            block->cell[i] = row->cell[b];
        }
        value += width;
    }
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

/* Blocks without values of their own (a factor's ones) have none here either. */
static weir_status blocks_make(weir_ctx *ctx, const w_design *design, const w_tile *like, int64_t rows, w_tile *out)
{
    out->block = w_calloc(ctx, TAG, (size_t)design->block_count, sizeof *out->block);
    bool ok = out->block != NULL;
    for (int b = 0; ok && b < design->block_count; b++) {
        const size_t count = (size_t)(rows * design->block[b].width);
        w_tile_block *block = &out->block[b];
        block->value = like->block[b].value ? w_alloc_array(ctx, TAG, count, sizeof(double)) : NULL;
        block->cell = like->block[b].cell ? w_alloc_array(ctx, TAG, (size_t)rows, sizeof(int32_t)) : NULL;
        ok = (block->value || !like->block[b].value) && (block->cell || !like->block[b].cell);
    }
    return ok ? WEIR_OK : w_alloc_status(ctx);
}

static void blocks_free(weir_ctx *ctx, const w_design *design, w_tile *tile)
{
    for (int b = 0; tile->block && b < design->block_count; b++) {
        w_free(ctx, tile->block[b].value);
        w_free(ctx, tile->block[b].cell);
    }
    w_free(ctx, tile->block);
}

static weir_status lag_make(weir_ctx *ctx, w_lag *lag)
{
    const w_design *design = lag->design;
    const int64_t rows = lag->plan->chunk_rows;
    weir_status status = w_adder_create(ctx, lag->plan->lag, &lag->now);
    status = status < 0 ? status : w_adder_create(ctx, lag->plan->lag, &lag->before);
    status = status < 0 ? status : w_tile_create(ctx, design, &lag->search);
    status = status < 0 ? status : blocks_make(ctx, design, lag->search, rows, &lag->shifted);
    status = status < 0 ? status : blocks_make(ctx, design, lag->search, ENDS_ROWS, &lag->ends);
    status = status < 0 ? status : w_lag_row_create(ctx, design, &lag->last);
    if (status < 0) {
        return status;
    }
    lag->link = w_alloc_array(ctx, TAG, (size_t)rows, sizeof *lag->link);
    lag->start = w_alloc_array(ctx, TAG, (size_t)rows, sizeof *lag->start);
    lag->kept = w_alloc_array(ctx, TAG, (size_t)rows, sizeof *lag->kept);
    lag->shifted.weight = lag->link;
    lag->ends.weight = w_alloc_array(ctx, TAG, ENDS_ROWS, sizeof *lag->ends.weight);
    return lag->link && lag->start && lag->kept && lag->ends.weight ? WEIR_OK : w_alloc_status(ctx);
}

weir_status w_lag_create(weir_ctx *ctx, const w_pairs *plan, w_lag **out)
{
    w_lag *lag = w_calloc(ctx, TAG, 1, sizeof *lag);
    if (!lag) {
        return w_alloc_status(ctx);
    }
    lag->plan = plan;
    lag->design = plan->design;
    lag->logical = w_design_series_logical(plan->design);
    weir_status status = lag_make(ctx, lag);
    if (status < 0) {
        w_lag_free(ctx, lag);
        return status;
    }
    *out = lag;
    return WEIR_OK;
}

void w_lag_free(weir_ctx *ctx, w_lag *lag)
{
    if (lag) {
        w_adder_free(ctx, lag->now);
        w_adder_free(ctx, lag->before);
        w_tile_free(ctx, lag->search);
        blocks_free(ctx, lag->design, &lag->shifted);
        blocks_free(ctx, lag->design, &lag->ends);
        w_lag_row_free(ctx, &lag->last);
        w_free(ctx, lag->link);
        w_free(ctx, lag->start);
        w_free(ctx, lag->kept);
        w_free(ctx, lag->ends.weight);
        w_free(ctx, lag);
    }
}

int64_t w_lag_bytes(const w_pairs *plan)
{
    const w_design *design = plan->design;
    int64_t total = w_add64(2 * w_adder_bytes(plan->lag), w_tile_bytes(design));
    for (int b = 0; b < design->block_count; b++) {
        int64_t row = 8 * (int64_t)design->block[b].width + 4;
        total = w_add64(total, w_mul64(plan->chunk_rows + ENDS_ROWS + 1, row) + 4 * w_alloc_bytes(0));
    }
    int64_t scalars = plan->chunk_rows * (8 + 4 + 1) + ENDS_ROWS * 8 + design->block_count * 3 * (int64_t)sizeof(w_tile_block);
    return w_add64(total, scalars + (int64_t)sizeof(w_lag) + 16 * w_alloc_bytes(0));
}

int32_t *w_lag_index(w_lag *lag)
{
    return w_adder_index(lag->now);
}

/* ---- the row before ------------------------------------------------------------------------------------------------ */

weir_status w_lag_find(w_lag *lag, const w_window *window, int64_t row, const w_tile_request *request, const w_lag_row *carried,
                       w_lag_row *out)
{
    w_tile *tile = lag->search;
    bool marked = false;
    for (int64_t end = row, look = FIRST_LOOK, count; end > 0; end -= count, look *= 8) {
        count = w_min64(w_min64(look, W_TILE_ROWS), end);
        weir_status status = w_tile_eval(lag->design, window, end - count, count, request, tile);
        if (status < 0) {
            return status;
        }
        for (int64_t i = count - 1; i >= 0; i--) {
            if (tile->weight[i] > 0) {
                row_take(lag->design, tile, i, out);
                out->marked = marked;
                return WEIR_OK;
            }
            marked = marked || (lag->logical && tile->series[i] == 1);
        }
    }
    if (out != carried) {
        row_copy(lag->design, carried, out);
    }
    out->marked = out->marked || marked;
    return WEIR_OK;
}

/* Moves the kept rows of the tile together. */
static void compact(w_lag *lag, int64_t count, w_tile *tile)
{
    for (int b = 0; b < lag->design->block_count; b++) {
        w_tile_block *block = &tile->block[b];
        const size_t width = (size_t)lag->design->block[b].width;
        for (int64_t j = 0; block->value && j < count; j++) {
            memmove(block->value + (size_t)j * width, block->value + (size_t)lag->kept[j] * width, width * sizeof *block->value);
        }
        for (int64_t j = 0; block->cell && j < count; j++) {
            block->cell[j] = block->cell[lag->kept[j]];
        }
    }
    for (int64_t j = 0; j < count; j++) {
        tile->weight[j] = tile->weight[lag->kept[j]];
    }
    tile->rows = count;
}

/* Which rows count, and which of them begin a series. */
static int64_t choose(w_lag *lag, const w_tile *tile)
{
    bool marked = lag->last.marked, any = lag->last.exists;
    int32_t series = lag->last.series;
    int64_t count = 0;
    for (int64_t i = 0; i < tile->rows; i++) {
        const int32_t own = tile->series ? tile->series[i] : 0;
        marked = marked || (lag->logical && own == 1);
        if (!(tile->weight[i] > 0)) {
            continue;
        }
        lag->start[count] = !any || (lag->logical ? marked : own != series);
        lag->kept[count++] = (int32_t)i;
        any = true;
        marked = false;
        series = own;
    }
    return count;
}

static void shift(w_lag *lag, const w_tile *tile)
{
    const w_design *design = lag->design;
    w_tile *shifted = &lag->shifted;
    shifted->rows = tile->rows;
    for (int b = 0; b < design->block_count; b++) {
        const size_t width = (size_t)design->block[b].width, rows = (size_t)tile->rows - 1;
        if (shifted->block[b].value) {
            memcpy(shifted->block[b].value + width, tile->block[b].value, rows * width * sizeof(double));
        }
        if (shifted->block[b].cell) {
            memcpy(shifted->block[b].cell + 1, tile->block[b].cell, rows * sizeof(int32_t));
        }
    }
    if (!lag->last.exists) {
        row_take(design, tile, 0, &lag->last); /* in a valid cell, with link 0 */
        lag->last.exists = false;
    }
    row_put(design, &lag->last, shifted, 0);
}

weir_status w_lag_prepare(w_lag *lag, const w_window *window, int64_t start, const w_tile_request *request,
                          const w_lag_row *carried, w_tile *tile)
{
    if (tile->counted == 0) {
        tile->rows = lag->links = 0;
        return WEIR_OK;
    }
    weir_status status = w_lag_find(lag, window, start, request, carried, &lag->last);
    if (status < 0) {
        return status;
    }
    const int64_t count = choose(lag, tile);
    if (count < tile->rows) {
        compact(lag, count, tile);
    }
    shift(lag, tile);
    lag->links = 0;
    lag->unit_link = true;
    for (int64_t i = 0; i < count; i++) {
        const double before = i > 0 ? tile->weight[i - 1] : lag->last.weight;
        lag->link[i] = lag->start[i] ? 0 : sqrt(tile->weight[i]) * sqrt(before);
        lag->links += !lag->start[i];
        lag->unit_link = lag->unit_link && lag->link[i] == 1;
    }
    return WEIR_OK;
}

/* ---- adding --------------------------------------------------------------------------------------------------------- */

void w_lag_fill(w_lag *lag, const w_tile *tile)
{
    w_tile now = *tile;
    now.weight = lag->link;
    now.unit_weight = lag->shifted.unit_weight = lag->unit_link;
    lag->shifted.rows = tile->rows;
    w_adder_fill(lag->now, &now, 0, tile->rows);
    w_adder_fill(lag->before, &lag->shifted, 0, tile->rows);
}

void w_lag_group(const w_lag *lag, int g, int32_t *index, double *acc)
{
    w_adder_cross(lag->now, lag->before, g, index, acc + lag->plan->lag_offset);
    w_adder_cross(lag->before, lag->now, g, index, acc + lag->plan->lead_offset);
}

static void ends_flush(w_lag *lag, w_adder *adder, double *acc)
{
    if (lag->ends.rows > 0) {
        w_adder_tile(adder, &lag->ends, acc + lag->plan->ends_offset);
        lag->ends.rows = 0;
    }
}

static void ends_push(w_lag *lag, w_adder *adder, const w_tile *tile, int64_t i, double weight, double *acc)
{
    w_tile *ends = &lag->ends;
    if (ends->rows == ENDS_ROWS) {
        ends_flush(lag, adder, acc);
    }
    for (int b = 0; b < lag->design->block_count; b++) {
        const size_t width = (size_t)lag->design->block[b].width;
        if (ends->block[b].value) {
            memcpy(ends->block[b].value + (size_t)ends->rows * width, tile->block[b].value + (size_t)i * width,
                   width * sizeof(double));
        }
        if (ends->block[b].cell) {
            ends->block[b].cell[ends->rows] = tile->block[b].cell[i];
        }
    }
    ends->weight[ends->rows++] = weight;
}

void w_lag_ends(w_lag *lag, w_adder *adder, const w_tile *tile, double *acc)
{
    acc[lag->plan->links_offset] += (double)lag->links;
    if (lag->links == tile->rows) {
        return;
    }
    for (int64_t i = 0; i < tile->rows; i++) {
        if (!lag->start[i]) {
            continue;
        }
        if (i > 0 || lag->last.exists) {
            ends_push(lag, adder, &lag->shifted, i, i > 0 ? tile->weight[i - 1] : lag->last.weight, acc);
        }
        ends_push(lag, adder, tile, i, tile->weight[i], acc);
    }
    ends_flush(lag, adder, acc);
}

void w_lag_dense(w_lag *lag, const w_lag_row *row, double *x)
{
    const w_design *design = lag->design;
    const w_block *dense = &design->block[0];
    memset(x, 0, ((size_t)design->p + 2) * sizeof *x);
    if (row->exists) {
        lag->search->rows = 1;
        row_put(design, row, lag->search, 0);
        w_tile_dense_row(design, lag->search, 0, x);
        x[design->p] = row->value[dense->width - 1];
        x[design->p + 1] = row->weight;
    }
}
