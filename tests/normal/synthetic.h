/* SPDX-License-Identifier: Apache-2.0 */
/* Designs made by hand, rows of them in local form, and the same rows as a dense matrix. */
#ifndef WEIR_TESTS_NORMAL_SYNTHETIC_H
#define WEIR_TESTS_NORMAL_SYNTHETIC_H

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "model/design.h"
#include "support/test.h"

/* One block to make. margins > 0: a smooth with `cells` and `k` per margin and 4 values per margin. */
typedef struct synthetic_block {
    int margins;
    int64_t cells, k;
    int64_t levels;   /* 0 = no factor */
    int code;
    bool numeric;     /* a factor times a number */
    bool reference;   /* the first level has no columns */
    bool transform;   /* drop one column by a dense map */
} synthetic_block;

typedef enum synthetic_weights { UNIT_WEIGHTS, MIXED_WEIGHTS } synthetic_weights;

typedef struct synthetic {
    weir_ctx *ctx;
    w_design design;
    w_arena arena;
    int64_t rows;
    double *weight;
    w_tile_block *block; /* all rows */
    bool unit;
} synthetic;

static inline void *synthetic_take(synthetic *s, int64_t count, size_t size)
{
    void *block = w_arena_calloc(&s->arena, (size_t)count, size);
    assert_non_null(block);
    return block;
}

static inline double *synthetic_numbers(synthetic *s, w_rng *rng, int64_t count)
{
    double *value = synthetic_take(s, count, sizeof *value);
    for (int64_t i = 0; i < count; i++) {
        value[i] = 2 * w_rng_uniform(rng) - 1;
    }
    return value;
}

static inline w_smooth *synthetic_smooth(synthetic *s, w_rng *rng, const synthetic_block *want)
{
    w_smooth *smooth = synthetic_take(s, 1, sizeof *smooth);
    smooth->margin_count = want->margins;
    smooth->raw_columns = 1;
    for (int m = 0; m < want->margins; m++) {
        w_margin *margin = &smooth->margin[m];
        margin->width = 4;
        margin->cells = want->cells + m;
        margin->k = want->k + m;
        margin->map = synthetic_numbers(s, rng, margin->cells * 4 * margin->k);
        smooth->raw_columns *= margin->k;
    }
    smooth->columns = smooth->raw_columns - (want->transform ? 1 : 0);
    smooth->transform = want->transform ? synthetic_numbers(s, rng, smooth->raw_columns * smooth->columns) : NULL;
    return smooth;
}

static inline void synthetic_fill_block(synthetic *s, w_rng *rng, int b)
{
    const w_block *block = &s->design.block[b];
    w_tile_block *local = &s->block[b];
    local->value = synthetic_numbers(s, rng, s->rows * block->width);
    if (block->kind == W_BLOCK_DENSE) {
        for (int64_t i = 0; i < s->rows && s->design.intercept_column >= 0; i++) {
            local->value[i * block->width] = 1;
        }
        return;
    }
    local->cell = synthetic_take(s, s->rows, sizeof *local->cell);
    int twin = -1;
    for (int a = 1; a < b; a++) {
        twin = block->code >= 0 && s->design.block[a].code == block->code ? a : twin;
    }
    for (int64_t i = 0; i < s->rows; i++) {
        int64_t level = twin < 0 ? w_rng_below(rng, block->levels)
                                 : s->block[twin].cell[i] / s->design.block[twin].cells;
        local->cell[i] = (int32_t)(level * block->cells + w_rng_below(rng, block->cells));
    }
}

/* `dense` numeric columns (the first is the intercept if `intercept`), then the blocks. */
static inline void synthetic_make(synthetic *s, weir_ctx *ctx, uint64_t seed, int64_t rows, int dense, bool intercept,
                                  const synthetic_block *want, int count, synthetic_weights weights)
{
    w_rng rng;
    w_rng_seed(&rng, seed);
    memset(s, 0, sizeof *s);
    s->ctx = ctx;
    s->rows = rows;
    w_arena_init(&s->arena, ctx, "test");
    w_design *d = &s->design;
    d->ctx = ctx;
    d->formula = "y ~ synthetic";
    d->block_count = count + 1;
    d->block = synthetic_take(s, count + 1, sizeof *d->block);
    d->intercept_column = intercept ? 0 : -1;
    int64_t *column = synthetic_take(s, dense + 1, sizeof *column);
    for (int j = 0; j <= dense; j++) {
        column[j] = j < dense ? j : -1;
    }
    d->block[0] = (w_block){ .kind = W_BLOCK_DENSE, .width = dense + 1, .levels = 1, .cells = 1, .code = -1,
                             .dense_column = column };
    d->p = d->parametric_columns = dense;
    for (int b = 0; b < count; b++) {
        w_block *block = &d->block[b + 1];
        block->kind = want[b].margins > 0 ? W_BLOCK_SMOOTH : W_BLOCK_FACTOR;
        block->levels = want[b].levels > 0 ? want[b].levels : 1;
        block->code = want[b].levels > 0 ? want[b].code : -1;
        block->cells = block->width = 1;
        block->level_columns = 1;
        if (want[b].margins > 0) {
            w_smooth *smooth = synthetic_smooth(s, &rng, &want[b]);
            block->smooth = smooth;
            block->level_columns = smooth->columns;
            for (int m = 0; m < smooth->margin_count; m++) {
                block->cells *= smooth->margin[m].cells;
                block->width *= 4;
            }
        }
        int64_t *first = synthetic_take(s, block->levels, sizeof *first);
        for (int64_t l = 0; l < block->levels; l++) {
            bool none = want[b].reference && l == 0;
            first[l] = none ? -1 : d->p;
            d->p += none ? 0 : block->level_columns;
        }
        block->level_first = first;
    }
    s->block = synthetic_take(s, count + 1, sizeof *s->block);
    for (int b = 0; b <= count; b++) {
        synthetic_fill_block(s, &rng, b);
        if (b > 0 && d->block[b].kind == W_BLOCK_FACTOR && !want[b - 1].numeric) {
            s->block[b].value = NULL;
        }
    }
    s->unit = weights == UNIT_WEIGHTS;
    s->weight = synthetic_take(s, rows, sizeof *s->weight);
    for (int64_t i = 0; i < rows; i++) {
        s->weight[i] = s->unit ? 1 : w_rng_below(&rng, 5) == 0 ? 0 : 0.25 + w_rng_uniform(&rng);
    }
}

static inline void synthetic_free(synthetic *s)
{
    w_arena_free(&s->arena);
}

/* A view of rows first … first+rows-1; `block` has block_count entries. */
static inline w_tile synthetic_tile(const synthetic *s, int64_t first, int64_t rows, w_tile_block *block)
{
    w_tile tile = { .first_row = first, .rows = rows, .weight = s->weight + first, .unit_weight = s->unit, .block = block };
    for (int b = 0; b < s->design.block_count; b++) {
        block[b].cell = s->block[b].cell ? s->block[b].cell + first : NULL;
        block[b].value = s->block[b].value ? s->block[b].value + first * s->design.block[b].width : NULL;
    }
    return tile;
}

/* Row i in columns of X, then z, then 1; and the same with every product replaced by absolute values, which is what rounding
 * errors are proportional to. Both p + 2. */
static inline void synthetic_row(const synthetic *s, int64_t i, long double *x, long double *bound)
{
    const w_design *d = &s->design;
    for (int64_t c = 0; c < d->p + 2; c++) {
        x[c] = bound[c] = 0;
    }
    for (int b = 0; b < d->block_count; b++) {
        const w_block *block = &d->block[b];
        const double *v = s->block[b].value ? s->block[b].value + i * block->width : NULL;
        if (block->kind == W_BLOCK_DENSE) {
            for (int j = 0; j < block->width; j++) {
                int64_t c = block->dense_column[j] < 0 ? d->p : block->dense_column[j];
                x[c] = v[j];
                bound[c] = fabsl(x[c]);
            }
            continue;
        }
        int64_t cell = s->block[b].cell[i], first = block->level_first[cell / block->cells];
        if (first < 0) {
            continue;
        }
        if (block->kind == W_BLOCK_FACTOR) {
            x[first] = v ? v[0] : 1;
            bound[first] = fabsl(x[first]);
            continue;
        }
        const w_smooth *smooth = block->smooth;
        for (int64_t j = 0; j < smooth->raw_columns; j++) {
            long double raw = 0, raw_bound = 0;
            for (int r = 0; r < block->width; r++) {
                long double m = 1;
                int64_t column = j, value = r, place = cell % block->cells;
                for (int q = smooth->margin_count - 1; q >= 0; q--) {
                    const w_margin *margin = &smooth->margin[q];
                    m *= margin->map[(place % margin->cells * 4 + value % 4) * margin->k + column % margin->k];
                    column /= margin->k;
                    value /= 4;
                    place /= margin->cells;
                }
                raw += v[r] * m;
                raw_bound += fabsl(v[r] * m);
            }
            for (int64_t c = 0; c < smooth->columns; c++) {
                long double t = smooth->transform ? smooth->transform[j * smooth->columns + c] : j == c;
                x[first + c] += raw * t;
                bound[first + c] += raw_bound * fabsl(t);
            }
        }
    }
    x[d->p + 1] = bound[d->p + 1] = 1;
}

/* Dense (p+2)^2 sums of w x x' and of |w| |x| |x'| over rows [0, rows). */
static inline void synthetic_sums(const synthetic *s, int64_t rows, long double *sum, long double *bound)
{
    int64_t q = s->design.p + 2;
    long double *x = w_alloc(s->ctx, "test", (size_t)q * sizeof *x), *a = w_alloc(s->ctx, "test", (size_t)q * sizeof *a);
    memset(sum, 0, (size_t)(q * q) * sizeof *sum);
    memset(bound, 0, (size_t)(q * q) * sizeof *bound);
    for (int64_t i = 0; i < rows; i++) {
        synthetic_row(s, i, x, a);
        for (int64_t r = 0; r < q; r++) {
            for (int64_t c = 0; c < q && (x[r] != 0 || a[r] != 0); c++) {
                sum[r * q + c] += s->weight[i] * x[r] * x[c];
                bound[r * q + c] += s->weight[i] * a[r] * a[c];
            }
        }
    }
    w_free(s->ctx, x);
    w_free(s->ctx, a);
}

#endif
