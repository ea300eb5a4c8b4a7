/* SPDX-License-Identifier: Apache-2.0 */
/* What all margins share: storage, the two outer cells, the look-up table of intervals, linear maps of the
 * coefficients.
 *
 * Outer cells. The last interval on each side has Bernstein coefficients c_0 … c_3 of t in [0,1] over width h;
 * its value and slope at the end are c_0 and 3(c_1 - c_0)/h (left) or c_3 and 3(c_3 - c_2)/h (right). These two
 * rows are the map of the values (1, u). */
#include <math.h>
#include <string.h>
#include "base/size.h"
#include "basis/margin_eval.h"
#include "basis/parts.h"

#define LOOKUP_LEAST 64
#define LOOKUP_MOST 4096 /* or 16 per interval, if that is more */

weir_status w_margin_allocate(w_arena *arena, w_margin *margin)
{
    margin->width = 4;
    margin->cells = margin->break_count + 1;
    size_t map = w_mul_size(w_mul_size((size_t)margin->cells, 4), (size_t)margin->k);
    margin->map = w_arena_calloc(arena, map, sizeof *margin->map);
    margin->break_point = w_arena_calloc(arena, (size_t)margin->break_count, sizeof *margin->break_point);
    return margin->map && margin->break_point ? WEIR_OK : w_alloc_status(arena->ctx);
}

static void fill_outer_cells(w_margin *margin)
{
    int64_t k = margin->k, n = margin->break_count - 1;
    const double *first = margin->map, *last = margin->map + (n - 1) * 4 * k;
    double *below = margin->map + n * 4 * k, *above = below + 4 * k;
    double left = 3 * margin->inverse_width[0], right = 3 * margin->inverse_width[n - 1];
    for (int64_t j = 0; j < k; j++) {
        below[j] = first[j];
        below[k + j] = left * (first[k + j] - first[j]);
        above[j] = last[3 * k + j];
        above[k + j] = right * (last[3 * k + j] - last[2 * k + j]);
    }
}

static int64_t bucket_of(const w_margin *margin, double x, int64_t count, double scale)
{
    int64_t bucket = (int64_t)((x - margin->break_point[0]) * scale);
    return bucket < count - 1 ? bucket : count - 1;
}

static int64_t most_breaks_per_bucket(const w_margin *margin, int64_t count, double scale)
{
    int64_t most = 0, run = 0, last = -1;
    for (int64_t i = 1; i < margin->break_count - 1; i++) {
        int64_t bucket = bucket_of(margin, margin->break_point[i], count, scale);
        run = bucket == last ? run + 1 : 1;
        last = bucket;
        most = run > most ? run : most;
    }
    return most;
}

static weir_status build_lookup(w_arena *arena, w_margin *margin)
{
    int64_t n = margin->break_count - 1, count = LOOKUP_LEAST, most = w_max64(LOOKUP_MOST, 16 * n);
    double range = margin->break_point[n] - margin->break_point[0];
    while (count < most && (count < 4 * n || most_breaks_per_bucket(margin, count, (double)count / range) > 1))
        count *= 2;
    margin->lookup_count = count;
    margin->lookup_scale = (double)count / range;
    margin->lookup_steps = most_breaks_per_bucket(margin, count, margin->lookup_scale);
    margin->lookup = w_arena_alloc(arena, (size_t)count + 1, sizeof *margin->lookup);
    if (!margin->lookup)
        return w_alloc_status(arena->ctx);
    int64_t interval = 0;
    for (int64_t bucket = 0; bucket <= count; bucket++) {
        while (interval + 1 < n
               && bucket_of(margin, margin->break_point[interval + 1], count, margin->lookup_scale) < bucket)
            interval++;
        margin->lookup[bucket] = (int32_t)interval;
    }
    return WEIR_OK;
}

weir_status w_margin_finish(w_arena *arena, w_margin *margin)
{
    int64_t n = margin->break_count - 1;
    margin->inverse_width = w_arena_alloc(arena, (size_t)n, sizeof *margin->inverse_width);
    if (!margin->inverse_width)
        return w_alloc_status(arena->ctx);
    for (int64_t i = 0; i < n; i++)
        margin->inverse_width[i] = 1 / (margin->break_point[i + 1] - margin->break_point[i]);
    if (!margin->cyclic)
        fill_outer_cells(margin);
    return build_lookup(arena, margin);
}

weir_status w_margin_transform(w_arena *arena, w_arena *work, w_margin *margin, int64_t columns, const double *r)
{
    size_t rows = w_mul_size((size_t)margin->cells, (size_t)margin->width);
    double *map = w_arena_alloc(arena, w_mul_size(rows, (size_t)columns), sizeof *map);
    double *penalty = w_arena_alloc(arena, w_mul_size((size_t)columns, (size_t)columns), sizeof *penalty);
    if (!map || !penalty)
        return w_alloc_status(arena->ctx);
    weir_status status = w_small_multiply(arena->ctx, margin->cells * margin->width, margin->k, columns, margin->map, r, map);
    if (!status)
        status = w_small_congruence(work, margin->k, columns, r, margin->penalty, penalty);
    if (status)
        return status;
    margin->map = map;
    margin->identity = false;
    margin->penalty = penalty;
    margin->k = columns;
    margin->rank = w_min64(margin->rank, columns);
    return WEIR_OK;
}

weir_status w_margin_restore(w_arena *arena, w_basis_kind kind, bool cyclic, int64_t k, int64_t break_count,
                             const double *break_point, const double *map, w_margin *out)
{
    if (k < 1 || break_count < 2 || break_count > INT32_MAX - 2)
        return w_fail(arena->ctx, WEIR_E_MODEL, "a smooth has %lld coefficients and %lld break points",
                      (long long)k, (long long)break_count);
    w_margin margin = {.kind = kind, .k = k, .cyclic = cyclic, .break_count = break_count};
    weir_status status = w_margin_allocate(arena, &margin);
    if (status)
        return status;
    for (int64_t i = 0; i < break_count; i++) {
        if (!isfinite(break_point[i]) || (i > 0 && !(break_point[i] > break_point[i - 1])))
            return w_fail(arena->ctx, WEIR_E_MODEL, "the break points of a smooth are not ascending");
    }
    memcpy(margin.break_point, break_point, (size_t)break_count * sizeof *break_point);
    double range = break_point[break_count - 1] - break_point[0];
    if (!isfinite(range) || !isfinite((double)LOOKUP_MOST / range))
        return w_fail(arena->ctx, WEIR_E_MODEL, "the break points of a smooth span an impossible range");
    memcpy(margin.map, map, (size_t)(margin.cells * 4 * k) * sizeof *map);
    margin.inverse_width = w_arena_alloc(arena, (size_t)(break_count - 1), sizeof *margin.inverse_width);
    if (!margin.inverse_width)
        return w_alloc_status(arena->ctx);
    for (int64_t i = 0; i + 1 < break_count; i++)
        margin.inverse_width[i] = 1 / (break_point[i + 1] - break_point[i]);
    status = build_lookup(arena, &margin);
    if (!status)
        *out = margin;
    return status;
}
