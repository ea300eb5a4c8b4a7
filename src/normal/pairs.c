/* SPDX-License-Identifier: Apache-2.0 */
/* Cost law of one pair, nanoseconds per row:
 *     panel (W_INDEX_ONE)   0.03 wa wb
 *     cells                 0.6 + 0.4 z + t(bytes) z + 0.5 MiB(bytes),    z = ceil(wa wb / 8) cache lines touched per row
 *     t(bytes) = 0 up to 32 KiB (first-level cache), 0.15 up to 1 MiB (second level), 1 above
 *     an expanded side      0.01 (multiply-adds of the expansion) + 12 (small matrix products of a tensor) in addition
 * The last term of a cell table stands for the zeroing, merging and memory that a large table costs per shard. The
 * constants are rounded measurements; what matters is that they are the same everywhere, since the choice of forms and of
 * the shard size decides the order of additions and therefore the last bits.
 *
 * Shard size: adding a tile costs W_TILE_ROWS * (cost per row), merging a node about 2 ns per double (3 beyond 1 MiB);
 * the shard is the smallest power of two of tiles for which merging is at most a tenth of adding. */
#include "normal/pairs.h"

#include <math.h>

#include "base/size.h"

#define NANO 1e-9
#define NEAR_BYTES 1048576 /* of a second-level cache: tables beyond it are far */
#define SHARD_TILES_MAX 4096
#define CHUNK_ROWS_MIN 512
#define CHUNK_BYTES ((int64_t)2 << 20)
/* Two tables that fit into the first-level cache together, with room for the streams of values. */
#define GROUP_BYTES 36864

static double panel_cost(const w_form *a, const w_form *b, bool same)
{
    return 0.5 + 0.03 * a->width * b->width * (same ? 0.6 : 1);
}

static double expansion_cost(const w_pairs *plan, const w_form *form)
{
    if (!form->expanded) {
        return 0;
    }
    const w_smooth *smooth = plan->design->block[form->block].smooth;
    double touched = 0, products = 0, left = form->source_width, right = 1;
    for (int m = smooth->margin_count - 1; m >= 0; m--) {
        left /= smooth->margin[m].width;
        products += smooth->margin_count > 1 ? left : 0;
        touched += left * right * (double)smooth->margin[m].k * smooth->margin[m].width;
        right *= (double)smooth->margin[m].k;
    }
    return 0.01 * touched + 12 * products;
}

static double cell_cost(int64_t cells, int64_t area)
{
    double lines = ceil((double)area / 8), bytes = 8.0 * (double)cells * (double)area;
    double latency = bytes <= 32768 ? 0 : bytes <= NEAR_BYTES ? 0.15 : 1;
    return 0.6 + (0.4 + latency) * lines + 0.5 * bytes / 1048576;
}

/* A side of 4 belongs on b (two values of a per vector, no masks), but for 4 x 16; otherwise the wider side. */
static bool better_b(int width, int other)
{
    if (width == 4 || other == 4) {
        return (width == 4) != (other == 4) && ((width == 4) != (width == 16 || other == 16));
    }
    return width > other;
}

static w_index pair_index(const w_pairs *plan, const w_form *a, const w_form *b)
{
    const w_block *block_a = &plan->design->block[a->block], *block_b = &plan->design->block[b->block];
    if (a->levels * a->cells == 1 && b->levels * b->cells == 1) {
        return W_INDEX_ONE;
    }
    if (plan->lagged) { /* two rows of a series are in one level of its own factor */
        bool own = block_a->code >= 0 && block_a->code == plan->design->start_code;
        return own && block_b->code == block_a->code ? W_INDEX_LEVEL : W_INDEX_CROSS;
    }
    if (a->block == b->block && a->expanded == b->expanded) {
        return W_INDEX_SAME;
    }
    return block_a->code >= 0 && block_a->code == block_b->code ? W_INDEX_LEVEL : W_INDEX_CROSS;
}

/* The pair with these two forms; cells = 0 when it cannot be indexed. */
static w_pair pair_make(const w_pairs *plan, int i, int j)
{
    bool swap = better_b(plan->form[i].width, plan->form[j].width);
    const w_form *a = &plan->form[swap ? j : i], *b = &plan->form[swap ? i : j];
    w_pair pair = { .a = swap ? j : i, .b = swap ? i : j, .width_a = a->width, .width_b = b->width };
    pair.index = pair_index(plan, a, b);
    int64_t all_a = w_mul64(a->levels, a->cells), all_b = w_mul64(b->levels, b->cells);
    pair.upper = pair.index == W_INDEX_ONE && i == j;
    switch (pair.index) {
    case W_INDEX_ONE: pair.cells = 1; break;
    case W_INDEX_SAME: pair.cells = all_a; break;
    case W_INDEX_LEVEL: pair.cells = w_mul64(all_a, b->cells); break;
    default: pair.cells = w_mul64(all_a, all_b); break;
    }
    if (pair.cells > INT32_MAX) {
        pair.cells = 0;
        return pair;
    }
    int64_t area = (int64_t)a->width * b->width;
    pair.size = w_mul64(pair.cells, area);
    double cost = pair.index == W_INDEX_ONE ? panel_cost(a, b, i == j) : cell_cost(pair.cells, area);
    pair.seconds = NANO * (cost + expansion_cost(plan, a) + (i == j ? 0 : expansion_cost(plan, b)));
    return pair;
}

static weir_status pair_choose(weir_ctx *ctx, w_pairs *plan, int i, int j, w_pair *best)
{
    best->cells = 0;
    for (int expand = 0; expand < 4; expand++) {
        int form_i = i + (expand & 1 ? plan->block_count : 0), form_j = j + (expand & 2 ? plan->block_count : 0);
        if (plan->form[form_i].width == 0 || plan->form[form_j].width == 0 ||
            (i == j && (expand == 1 || expand == 2))) {
            continue;
        }
        w_pair pair = pair_make(plan, form_i, form_j);
        if (pair.cells > 0 && (best->cells == 0 || pair.seconds < best->seconds)) {
            *best = pair;
        }
    }
    if (best->cells == 0) {
        return w_fail(ctx, WEIR_E_BUDGET, "the cross-products of two terms with %lld and %lld levels need more than 2^31 "
                      "cells: use fewer levels", (long long)plan->form[i].levels, (long long)plan->form[j].levels);
    }
    plan->form[best->a].used = plan->form[best->b].used = true;
    plan->form[best->a].weighted = true;
    return WEIR_OK;
}

static void forms_make(w_pairs *plan)
{
    const w_design *design = plan->design;
    for (int b = 0; b < plan->block_count; b++) {
        const w_block *block = &design->block[b];
        plan->form[b] = (w_form){ .block = b, .width = block->width, .source_width = block->width,
                                  .levels = block->levels, .cells = block->cells };
        if (block->kind == W_BLOCK_SMOOTH) {
            w_form *wide = &plan->form[plan->block_count + b];
            *wide = plan->form[b];
            wide->expanded = true;
            wide->width = block->smooth->raw_columns > INT32_MAX / 64 ? 0 : (int)block->smooth->raw_columns;
            wide->cells = 1;
        } else if (block->kind == W_BLOCK_DENSE) {
            plan->response = block->width - 1;
            plan->one = block->width;
            for (int j = 0; j < block->width; j++) {
                if (design->intercept_column >= 0 && block->dense_column[j] == design->intercept_column) {
                    plan->one = j;
                }
            }
            plan->form[b].width += plan->one == block->width;
        }
    }
}

/* Operands shared by the two pairs: the spline of a pair with itself is side b of its pair with the DENSE block; two splines
 * may meet the same third one on side a. */
static bool may_share(const w_pair *x, const w_pair *y)
{
    if ((x->size + y->size) * 8 > GROUP_BYTES || x->width_b != 4 || y->width_b != 4 || y->width_a != 4) {
        return false;
    }
    if (x->width_a == 2) {
        return x->index == W_INDEX_CROSS && y->index == W_INDEX_SAME && x->b == y->a;
    }
    return x->width_a == 4 && x->index == W_INDEX_CROSS && y->index == W_INDEX_CROSS && x->a == y->a;
}

static void groups_make(w_pairs *plan)
{
    for (int q = 0; q < plan->pair_count; q++) {
        bool taken = false;
        for (int g = 0; g < plan->group_count && !taken; g++) {
            taken = plan->group[g].second == q;
        }
        if (taken) {
            continue;
        }
        w_group group = { q, -1 };
        for (int r = q + 1; r < plan->pair_count && group.second < 0; r++) {
            bool free = may_share(&plan->pair[q], &plan->pair[r]);
            for (int g = 0; g < plan->group_count && free; g++) {
                free = plan->group[g].second != r;
            }
            group.second = free ? r : -1;
        }
        plan->group[plan->group_count++] = group;
    }
}

static void chunk_and_shard(w_pairs *plan)
{
    int64_t row_doubles = 4;
    for (int f = 0; f < 2 * plan->block_count; f++) {
        const w_form *form = &plan->form[f];
        row_doubles += form->used ? form->width + (form->weighted ? form->width : 0) + 1 : 0;
    }
    plan->chunk_rows = W_CHUNK_ROWS;
    while (plan->chunk_rows > CHUNK_ROWS_MIN && plan->chunk_rows * row_doubles * 8 > CHUNK_BYTES) {
        plan->chunk_rows /= 2;
    }
    double merge = (plan->additive_count * 8 > 1 << 20 ? 3 : 2) * NANO * (double)plan->additive_count;
    plan->shard_tiles = 1;
    while (plan->shard_tiles < SHARD_TILES_MAX &&
           10 * merge > (double)plan->shard_tiles * W_TILE_ROWS * plan->row_seconds) {
        plan->shard_tiles *= 2;
    }
    plan->shard_rows = plan->shard_tiles * W_TILE_ROWS;
}

static weir_status layout(weir_ctx *ctx, w_pairs *plan)
{
    int64_t offset = 0;
    for (int i = 0, q = 0; i < plan->block_count; i++) {
        for (int j = i; j < plan->block_count; j++) {
            if (plan->linear && plan->design->block[i].kind != W_BLOCK_DENSE && plan->design->block[j].kind != W_BLOCK_DENSE) {
                continue;
            }
            w_pair *pair = &plan->pair[q++];
            weir_status status = pair_choose(ctx, plan, i, j, pair);
            if (status != WEIR_OK) {
                return status;
            }
            pair->offset = offset;
            offset = w_add64(offset, w_round_up64(pair->size, 8));
            plan->row_seconds += pair->seconds;
            bool far = pair->index != W_INDEX_ONE && 8 * pair->size > NEAR_BYTES;
            *(far ? &plan->far_pairs : &plan->near_pairs) += pair->seconds / (NANO * cell_cost(far ? NEAR_BYTES / 64 : 1, 16));
        }
    }
    plan->table_count = offset;
    groups_make(plan);
    return WEIR_OK;
}

/* What an accumulator holds; see pairs.h. */
static weir_status arrange(weir_ctx *ctx, w_pairs *plan)
{
    w_pairs *lag = plan->lag;
    int64_t offset = plan->table_count;
    if (lag) {
        plan->ends_offset = offset;
        plan->lag_offset = w_add64(plan->ends_offset, plan->table_count);
        plan->lead_offset = w_add64(plan->lag_offset, lag->table_count);
        plan->links_offset = w_add64(plan->lead_offset, lag->table_count);
        offset = w_add64(plan->links_offset, 1);
        plan->row_seconds += 2 * lag->row_seconds;
        plan->near_pairs += 2 * lag->near_pairs;
        plan->far_pairs += 2 * lag->far_pairs;
    }
    if (offset > INT64_MAX / 64) {
        return w_fail(ctx, WEIR_E_BUDGET, "the cross-products of this model do not fit into any memory");
    }
    plan->extra_offset = offset;
    plan->count_offset = plan->extra_offset + plan->extra_count;
    plan->log_offset = plan->count_offset + 1;
    plan->additive_count = plan->log_offset + 1;
    plan->mantissa_offset = plan->additive_count;
    plan->total_count = plan->additive_count + 2;
    chunk_and_shard(plan);
    if (lag) { /* one run of rows serves both */
        chunk_and_shard(lag);
        plan->chunk_rows = lag->chunk_rows = w_min64(plan->chunk_rows, lag->chunk_rows);
    }
    return WEIR_OK;
}

static weir_status pairs_make(weir_ctx *ctx, const w_design *design, int extra_count, bool linear, bool lagged, w_pairs **out)
{
    w_arena arena;
    w_arena_init(&arena, ctx, "pair plan");
    w_pairs *plan = w_arena_calloc(&arena, 1, sizeof *plan);
    size_t blocks = (size_t)design->block_count;
    if (plan) {
        plan->design = design;
        plan->extra_count = extra_count;
        plan->block_count = design->block_count;
        plan->linear = linear;
        plan->lagged = lagged;
        plan->pair_count = linear ? design->block_count : design->block_count * (design->block_count + 1) / 2;
        plan->form = w_arena_calloc(&arena, 2 * blocks, sizeof *plan->form);
        plan->pair = w_arena_calloc(&arena, (size_t)plan->pair_count, sizeof *plan->pair);
        plan->group = w_arena_calloc(&arena, (size_t)plan->pair_count, sizeof *plan->group);
    }
    if (!plan || !plan->form || !plan->pair || !plan->group) {
        w_arena_free(&arena);
        return w_alloc_status(ctx);
    }
    forms_make(plan);
    weir_status status = layout(ctx, plan);
    if (status != WEIR_OK) {
        w_arena_free(&arena);
        return status;
    }
    plan->arena = arena;
    *out = plan;
    return WEIR_OK;
}

weir_status w_pairs_create(weir_ctx *ctx, const w_design *design, int extra_count, bool linear, w_pairs **out)
{
    w_pairs *plan = NULL;
    weir_status status = pairs_make(ctx, design, extra_count, linear, false, &plan);
    if (status == WEIR_OK && design->ar1) {
        status = pairs_make(ctx, design, 0, linear, true, &plan->lag);
    }
    if (status == WEIR_OK) {
        status = arrange(ctx, plan);
    }
    if (status != WEIR_OK) {
        w_pairs_free(plan);
        return status;
    }
    *out = plan;
    return WEIR_OK;
}

void w_pairs_free(w_pairs *plan)
{
    if (plan) {
        w_pairs_free(plan->lag);
        w_arena arena = plan->arena;
        w_arena_free(&arena);
    }
}

void w_accumulator_clear(const w_pairs *plan, double *acc)
{
    for (int64_t i = 0; i < plan->total_count; i++) {
        acc[i] = 0;
    }
    acc[plan->mantissa_offset] = 1;
}

void w_accumulator_close(const w_pairs *plan, double *acc)
{
    double *running = acc + plan->mantissa_offset;
    acc[plan->log_offset] += log(running[0]) + running[1] * 0x1.62e42fefa39efp-1;
    running[0] = 1;
    running[1] = 0;
}

void w_accumulator_add(const w_pairs *plan, double *left, const double *right)
{
    for (int64_t i = 0; i < plan->additive_count; i++) {
        left[i] += right[i];
    }
}
