/* SPDX-License-Identifier: Apache-2.0 */
#include "normal/window_sums.h"

#include <string.h>

#include "base/size.h"

#define TAG "window sums"

int64_t w_window_count(const w_window_shape *shape, int64_t rows)
{
    return rows < shape->length ? 0 : (rows - shape->length) / shape->step + 1;
}

int64_t w_window_before(const w_window_shape *shape, int64_t row)
{
    return row < shape->length ? -1 : (row - shape->length) / shape->step;
}

w_window_block w_window_block_at(const w_window_shape *shape, int64_t row)
{
    const int64_t part = shape->length % shape->step, steps = shape->length / shape->step;
    w_window_block block = { .row = row, .step = row / shape->step, .window = -1 };
    const int64_t within = row - block.step * shape->step;
    block.tail = within >= part;
    const int64_t end = block.tail ? shape->step : part;
    block.rows = w_min64(end - within, W_WINDOW_BLOCK_ROWS);
    block.starts_step = within == 0;
    block.ends_step = within + block.rows == shape->step;
    if (!block.tail && within + block.rows == part) {
        block.window = w_max64(block.step - steps, -1);
    } else if (part == 0 && block.ends_step) {
        block.window = w_max64(block.step + 1 - steps, -1);
    }
    return block;
}

int64_t w_rolling_bytes(const w_window_shape *shape, int64_t entries)
{
    const int64_t steps = shape->length / shape->step;
    int64_t total = w_add64(w_alloc_bytes((int64_t)sizeof(w_rolling)), w_mul64(2, w_alloc_bytes(w_mul64(entries, 8))));
    total = w_add64(total, w_alloc_bytes(w_mul64(w_mul64(steps, entries), 8)));
    return w_add64(total, w_alloc_bytes(w_mul64(steps, (int64_t)sizeof(w_group_stats))));
}

weir_status w_rolling_create(weir_ctx *ctx, const w_window_shape *shape, int64_t entries, w_rolling **out)
{
    w_rolling *r = w_calloc(ctx, TAG, 1, sizeof *r);
    if (!r) {
        return w_alloc_status(ctx);
    }
    *r = (w_rolling){ .ctx = ctx, .shape = *shape, .entries = entries, .steps = shape->length / shape->step,
                        .kernels = w_batch_choose() };
    r->slot = w_alloc_array(ctx, TAG, w_mul_size((size_t)r->steps, (size_t)entries), sizeof *r->slot);
    r->prefix = w_calloc(ctx, TAG, (size_t)entries, sizeof *r->prefix);
    r->piece = w_calloc(ctx, TAG, (size_t)entries, sizeof *r->piece);
    r->slot_stats = w_calloc(ctx, TAG, (size_t)r->steps, sizeof *r->slot_stats);
    if (!r->slot || !r->prefix || !r->piece || !r->slot_stats) {
        w_rolling_free(r);
        return w_alloc_status(ctx);
    }
    *out = r;
    return WEIR_OK;
}

void w_rolling_free(w_rolling *r)
{
    if (r) {
        w_free(r->ctx, r->slot);
        w_free(r->ctx, r->prefix);
        w_free(r->ctx, r->piece);
        w_free(r->ctx, r->slot_stats);
        w_free(r->ctx, r);
    }
}

/* The step at hand is whole, with sums s + rest, or s where there is no rest: it joins its run, which is turned into sums to its end
 * when it is whole too. */
static void end_step(w_rolling *r, int64_t step, int64_t first, int64_t count, const double *s, const double *rest)
{
    const int64_t place = step % r->steps;
    double *slot = r->slot + first, *prefix = r->prefix + first, *own = slot + place * r->entries;
    if (rest) {
        r->kernels->add(count, s, rest, own);
    } else {
        memcpy(own, s, (size_t)count * sizeof *own);
    }
    if (place == 0) {
        memcpy(prefix, own, (size_t)count * sizeof *prefix);
    } else {
        r->kernels->add(count, prefix, own, prefix);
    }
    for (int64_t k = place - 1; place == r->steps - 1 && k >= 0; k--) {
        r->kernels->add(count, slot + k * r->entries, slot + (k + 1) * r->entries, slot + k * r->entries);
    }
}

/* s: of the first rows of the step behind the window, if it has any. */
static void put_window(const w_rolling *r, int64_t window, int64_t first, int64_t count, const double *s, double *out)
{
    const int64_t place = window % r->steps;
    const double *slot = r->slot + place * r->entries + first, *prefix = r->prefix + first;
    const bool part = r->shape.length % r->shape.step > 0;
    if (place > 0 && part) {
        r->kernels->add_three(count, slot, prefix, s, out);
    } else if (place > 0 || part) {
        r->kernels->add(count, slot, part ? s : prefix, out);
    } else {
        memcpy(out, slot, (size_t)count * sizeof *out);
    }
}

void w_rolling_advance(w_rolling *r, const w_window_block *block, int64_t count, const double *sums, int64_t first, int64_t last,
                       double *window)
{
    const int64_t wide = last - first;
    const bool part = r->shape.length % r->shape.step > 0;
    double *piece = r->piece + first;
    const double *s = piece; /* of the step's blocks so far */
    for (int64_t b = 0; b < count; b++) {
        const double *from = sums + b * r->entries + first, *rest = NULL;
        if (block[b].starts_step) {
            s = from;
        } else if (block[b].ends_step && block[b].window < 0) {
            rest = from;
        } else {
            r->kernels->add(wide, s, from, piece);
            s = piece;
        }
        if (block[b].ends_step && !part) {
            end_step(r, block[b].step, first, wide, s, rest);
        }
        if (block[b].window >= 0) {
            put_window(r, block[b].window, first, wide, s, window + first);
            window += r->entries;
        }
        if (block[b].ends_step && part) {
            end_step(r, block[b].step, first, wide, s, rest);
        }
    }
    if (count > 0 && !block[count - 1].ends_step && s != piece) { /* the next blocks go on with it */
        memcpy(piece, s, (size_t)wide * sizeof *piece);
    }
}

/* ---- statistics -------------------------------------------------------------------------------------------------- */

static void join(w_group_stats *to, const w_group_stats *from)
{
    if (from->n > 0) {
        to->least = to->n == 0 || from->least < to->least ? from->least : to->least;
        to->most = to->n == 0 || from->most > to->most ? from->most : to->most;
    }
    to->n += from->n;
    to->weight += from->weight;
    to->weight_z += from->weight_z;
    to->log_weight += from->log_weight;
}

static void end_step_stats(w_rolling *r, int64_t step)
{
    const int64_t place = step % r->steps;
    r->slot_stats[place] = r->piece_stats;
    if (place == 0) {
        r->prefix_stats = (w_group_stats){ 0 };
    }
    join(&r->prefix_stats, &r->piece_stats);
    for (int64_t k = place - 1; place == r->steps - 1 && k >= 0; k--) {
        join(&r->slot_stats[k], &r->slot_stats[k + 1]);
    }
}

static w_group_stats window_stats(const w_rolling *r, int64_t window)
{
    const int64_t place = window % r->steps;
    w_group_stats sum = r->slot_stats[place];
    if (place > 0) {
        join(&sum, &r->prefix_stats);
    }
    if (r->shape.length % r->shape.step > 0) {
        join(&sum, &r->piece_stats);
    }
    return sum;
}

void w_rolling_advance_stats(w_rolling *r, const w_window_block *block, int64_t count, const w_group_stats *stats,
                             w_group_stats *window)
{
    const bool part = r->shape.length % r->shape.step > 0;
    for (int64_t b = 0; b < count; b++) {
        if (block[b].starts_step) {
            r->piece_stats = (w_group_stats){ 0 };
        }
        join(&r->piece_stats, &stats[b]);
        if (block[b].ends_step && !part) {
            end_step_stats(r, block[b].step);
        }
        if (block[b].window >= 0) {
            *window++ = window_stats(r, block[b].window);
        }
        if (block[b].ends_step && part) {
            end_step_stats(r, block[b].step);
        }
    }
}
