/* SPDX-License-Identifier: Apache-2.0 */
/* Pair-major order: a chunk of rows is brought to the forms its pairs need, then each pair runs over the whole chunk, so
 * that its table stays in the first-level cache (a pair of k = 10 splines: 15 KiB) while values stream from the second. */
#include "normal/add.h"

#include <string.h>

#include "base/size.h"
#include "normal/expand.h"

/* Mean number of rows in a cell before it changes that makes keeping its block in registers worth a branch. */
#define RUN_ROWS 8

typedef struct form_view {
    const double *plain, *weighted;
    const int32_t *cell;   /* NULL: always 0 */
    int64_t changes;       /* rows in another cell than the one before */
    double *plain_buffer, *weighted_buffer;
    int32_t *cell_buffer;
} form_view;

struct w_adder {
    const w_pairs *plan;
    const w_kernels *kernels;
    int64_t rows;
    double *ones, *stage;
    int32_t *index, *zeros;
    form_view view[];      /* 2*block_count */
};

/* A DENSE form with a constant of its own is a copy, an expanded one is computed. */
static bool has_plain(const w_form *form)
{
    return form->used && (form->expanded || form->width != form->source_width);
}

static bool has_cells(const w_form *form)
{
    return form->used && form->expanded && form->levels > 1;
}

static int64_t stage_doubles(const w_pairs *plan)
{
    int64_t most = 0;
    for (int b = 0; b < plan->block_count; b++) {
        const w_smooth *smooth = plan->form[plan->block_count + b].used ? plan->design->block[b].smooth : NULL;
        most = w_max64(most, smooth ? w_expand_doubles(smooth) : 0);
    }
    return most;
}

int64_t w_adder_bytes(const w_pairs *plan)
{
    int64_t rows = plan->chunk_rows;
    int64_t total = w_alloc_bytes((int64_t)sizeof(w_adder) + 2 * plan->block_count * (int64_t)sizeof(form_view)) +
                    w_alloc_bytes(rows * 8) + 2 * w_alloc_bytes(rows * 4) + w_alloc_bytes(stage_doubles(plan) * 8);
    for (int f = 0; f < 2 * plan->block_count; f++) {
        const w_form *form = &plan->form[f];
        total += has_plain(form) ? w_alloc_bytes(rows * form->width * 8) : 0;
        total += form->weighted ? w_alloc_bytes(rows * form->width * 8) : 0;
        total += has_cells(form) ? w_alloc_bytes(rows * 4) : 0;
    }
    return total;
}

static bool buffers_make(weir_ctx *ctx, w_adder *adder)
{
    const w_pairs *plan = adder->plan;
    size_t rows = (size_t)plan->chunk_rows;
    adder->ones = w_alloc_array(ctx, "gram scratch", rows, sizeof(double));
    adder->index = w_alloc_array(ctx, "gram scratch", rows, sizeof(int32_t));
    adder->stage = w_alloc_array(ctx, "gram scratch", (size_t)stage_doubles(plan), sizeof(double));
    adder->zeros = w_calloc(ctx, "gram scratch", rows, sizeof(int32_t));
    bool ok = adder->ones && adder->index && adder->stage && adder->zeros;
    for (int f = 0; ok && f < 2 * plan->block_count; f++) {
        const w_form *form = &plan->form[f];
        form_view *view = &adder->view[f];
        size_t count = rows * (size_t)form->width;
        ok = (!has_plain(form) || (view->plain_buffer = w_alloc_array(ctx, "gram scratch", count, 8))) &&
             (!form->weighted || (view->weighted_buffer = w_alloc_array(ctx, "gram scratch", count, 8))) &&
             (!has_cells(form) || (view->cell_buffer = w_alloc_array(ctx, "gram scratch", rows, 4)));
    }
    return ok;
}

weir_status w_adder_create(weir_ctx *ctx, const w_pairs *plan, w_adder **out)
{
    w_adder *adder = w_calloc(ctx, "gram scratch", 1,
                              sizeof *adder + 2 * (size_t)plan->block_count * sizeof(form_view));
    if (!adder) {
        return w_alloc_status(ctx);
    }
    adder->plan = plan;
    adder->kernels = w_kernels_choose();
    if (!buffers_make(ctx, adder)) {
        w_adder_free(ctx, adder);
        return w_alloc_status(ctx);
    }
    for (int64_t i = 0; i < plan->chunk_rows; i++) {
        adder->ones[i] = 1;
    }
    *out = adder;
    return WEIR_OK;
}

void w_adder_free(weir_ctx *ctx, w_adder *adder)
{
    if (!adder) {
        return;
    }
    for (int f = 0; f < 2 * adder->plan->block_count; f++) {
        w_free(ctx, adder->view[f].plain_buffer);
        w_free(ctx, adder->view[f].weighted_buffer);
        w_free(ctx, adder->view[f].cell_buffer);
    }
    w_free(ctx, adder->ones);
    w_free(ctx, adder->index);
    w_free(ctx, adder->zeros);
    w_free(ctx, adder->stage);
    w_free(ctx, adder);
}

void w_adder_use(w_adder *adder, const w_kernels *kernels)
{
    adder->kernels = kernels;
}

int32_t *w_adder_index(w_adder *adder)
{
    return adder->index;
}

/* ---- forms ---------------------------------------------------------------------------------------------------- */

static void levels_of(const int32_t *restrict cell, int64_t cells, int64_t rows, int32_t *restrict level)
{
    int32_t divisor = (int32_t)cells;
    for (int64_t i = 0; i < rows; i++) {
        level[i] = cell[i] / divisor;
    }
}

static void expand(w_adder *adder, const w_form *form, form_view *view, const int32_t *cell, const double *value,
                   int64_t rows)
{
    const w_smooth *smooth = adder->plan->design->block[form->block].smooth;
    int64_t block_cells = adder->plan->form[form->block].cells;
    const int32_t *local = cell;
    if (form->levels > 1) {
        levels_of(cell, block_cells, rows, view->cell_buffer);
        for (int64_t i = 0; i < rows; i++) {
            adder->index[i] = cell[i] - view->cell_buffer[i] * (int32_t)block_cells;
        }
        local = adder->index;
    }
    if (smooth->margin_count == 1) {
        adder->kernels->mix(rows, local, value, form->source_width, smooth->margin[0].map, form->width,
                            view->plain_buffer);
    } else {
        for (int64_t i = 0; i < rows; i++) {
            w_expand_row(adder->kernels, smooth, local[i], value + i * form->source_width, view->plain_buffer + i * form->width,
                         adder->stage);
        }
    }
    view->plain = view->plain_buffer;
    view->cell = form->levels > 1 ? view->cell_buffer : NULL;
}

static void append_one(const w_form *form, const double *value, int64_t rows, double *out)
{
    for (int64_t i = 0; i < rows; i++) {
        memcpy(out + i * form->width, value + i * form->source_width, (size_t)form->source_width * sizeof *out);
        out[i * form->width + form->source_width] = 1;
    }
}

static int64_t changes(const int32_t *cell, int64_t rows)
{
    int64_t count = 0;
    for (int64_t i = 1; i < rows; i++) {
        count += cell[i] != cell[i - 1];
    }
    return count;
}

void w_adder_fill(w_adder *adder, const w_tile *tile, int64_t start, int64_t rows)
{
    const w_pairs *plan = adder->plan;
    adder->rows = rows;
    for (int f = 0; f < 2 * plan->block_count; f++) {
        const w_form *form = &plan->form[f];
        form_view *view = &adder->view[f];
        if (!form->used) {
            continue;
        }
        const w_tile_block *block = &tile->block[form->block];
        const double *value = block->value ? block->value + start * form->source_width : adder->ones;
        const int32_t *cell = block->cell ? block->cell + start : NULL;
        if (form->expanded) {
            expand(adder, form, view, cell, value, rows);
        } else {
            view->plain = value;
            view->cell = form->levels * form->cells > 1 ? cell : NULL;
            if (form->width != form->source_width) {
                append_one(form, value, rows, view->plain_buffer);
                view->plain = view->plain_buffer;
            }
        }
        view->changes = view->cell ? changes(view->cell, rows) : 0;
        view->weighted = view->plain;
        if (form->weighted && !tile->unit_weight) {
            if (block->value) {
                adder->kernels->scale(rows, tile->weight + start, view->plain, form->width, view->weighted_buffer);
                view->weighted = view->weighted_buffer;
            } else {
                view->weighted = tile->weight + start;
            }
        }
    }
}

/* ---- pairs ---------------------------------------------------------------------------------------------------- */

/* Both sides of every pair; one adder for rows with themselves. */
typedef struct sides {
    const w_adder *left, *right;
} sides;

/* Sets cells and stride of the joint cell. Within a shared level, a = level*cells_a + cell_a and b = level*cells_b + cell_b
 * make  a*cells_b + cell_b. */
static void join_cells(const sides *s, const w_pair *pair, int32_t *index, w_rows *rows)
{
    const w_form *form_b = &s->left->plan->form[pair->b];
    const int32_t *a = s->left->view[pair->a].cell, *b = s->right->view[pair->b].cell;
    rows->cell_a = a ? a : b;
    rows->cell_b = s->left->zeros;
    rows->stride = 1;
    if (pair->index == W_INDEX_SAME || !a || !b) {
        return;
    }
    if (pair->index == W_INDEX_CROSS) {
        rows->cell_b = b;
        rows->stride = form_b->levels * form_b->cells;
    } else if (form_b->cells > 1) {
        int32_t cells = (int32_t)form_b->cells;
        for (int64_t i = 0; i < s->left->rows; i++) {
            index[i] = b[i] % cells;
        }
        rows->cell_b = index;
        rows->stride = cells;
    }
}

/* Columns of b sixteen at a time, so that a panel with itself stops at the diagonal. */
static void add_panel(const w_adder *adder, const w_pair *pair, const double *a, const double *b, double *table)
{
    int64_t wa = pair->width_a, wb = pair->width_b;
    for (int64_t s = 0, step = pair->upper ? 16 : wb; s < wb; s += step) {
        int64_t m = pair->upper ? w_min64(s + step, wa) : wa;
        adder->kernels->gemm(m, w_min64(step, wb - s), adder->rows, a, 1, wa, b + s, wb, table + s, wb);
    }
}

static w_rows rows_of(const sides *s, const w_pair *pair, int32_t *index, bool *runs)
{
    const form_view *a = &s->left->view[pair->a], *b = &s->right->view[pair->b];
    w_rows rows = { .rows = s->left->rows, .a = a->weighted, .b = b->plain, .width_a = pair->width_a,
                    .width_b = pair->width_b };
    join_cells(s, pair, index, &rows);
    *runs = a->changes + b->changes < rows.rows / RUN_ROWS;
    return rows;
}

static void add_pair(const sides *s, const w_pair *pair, int32_t *index, double *acc)
{
    double *table = acc + pair->offset;
    if (pair->index == W_INDEX_ONE) {
        add_panel(s->left, pair, s->left->view[pair->a].weighted, s->right->view[pair->b].plain, table);
        return;
    }
    bool runs;
    w_rows rows = rows_of(s, pair, index, &runs);
    s->left->kernels->scatter(rows.width_a, rows.width_b, runs)(&rows, table);
}

void w_adder_cross(const w_adder *left, const w_adder *right, int g, int32_t *index, double *acc)
{
    const sides s = { left, right };
    const w_group *group = &left->plan->group[g];
    const w_pair *x = &left->plan->pair[group->first];
    if (group->second >= 0) {
        const w_pair *y = &left->plan->pair[group->second];
        bool runs_x, runs_y;
        w_rows rows_x = rows_of(&s, x, index, &runs_x), rows_y = rows_of(&s, y, index, &runs_y);
        if (!runs_x && !runs_y) {
            (x->width_a == 2 ? left->kernels->spline : left->kernels->four)(&rows_x, acc + x->offset, &rows_y,
                                                                            acc + y->offset);
            return;
        }
        add_pair(&s, y, index, acc);
    }
    add_pair(&s, x, index, acc);
}

void w_adder_group(const w_adder *adder, int g, int32_t *index, double *acc)
{
    w_adder_cross(adder, adder, g, index, acc);
}

/* Mantissas in [0.5, 1) are multiplied, exponents added: one logarithm per shard, and no rounding worth mentioning. */
void w_adder_weights(const w_pairs *plan, const double *prior, int64_t rows, double *acc)
{
    if (!prior) {
        acc[plan->count_offset] += (double)rows;
        return;
    }
    double mantissa = acc[plan->mantissa_offset];
    int64_t exponent = 0, count = 0;
    for (int64_t i = 0; i < rows; i++) {
        uint64_t bits;
        double weight = prior[i];
        if (!(weight > 0)) {
            continue;
        }
        count++;
        if (weight < 0x1p-1022) {
            weight *= 0x1p54;
            exponent -= 54;
        }
        memcpy(&bits, &weight, sizeof bits);
        exponent += (int64_t)(bits >> 52) - 1022;
        bits = (bits & 0xfffffffffffffu) | (uint64_t)1022 << 52;
        memcpy(&weight, &bits, sizeof bits);
        mantissa *= weight;
        if (mantissa < 0.5) {
            mantissa *= 2;
            exponent--;
        }
    }
    acc[plan->mantissa_offset] = mantissa;
    acc[plan->mantissa_offset + 1] += (double)exponent;
    acc[plan->count_offset] += (double)count;
}

void w_adder_tile(w_adder *adder, const w_tile *tile, double *acc)
{
    const w_pairs *plan = adder->plan;
    for (int64_t start = 0; start < tile->rows; start += plan->chunk_rows) {
        w_adder_fill(adder, tile, start, w_min64(plan->chunk_rows, tile->rows - start));
        for (int g = 0; g < plan->group_count; g++) {
            w_adder_group(adder, g, adder->index, acc);
        }
    }
}
