/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/bytes.h"

#include "base/size.h"
#include "plan/plan.h"

#define DOUBLE ((int64_t)sizeof(double))
#define OBJECT_BYTES (64 * 1024) /* strings, tables, programs: generous for any formula below 64 KiB */

static int64_t margin_bytes(const w_margin *margin)
{
    int64_t map = w_mul64(w_mul64(margin->cells, margin->width), w_mul64(margin->k, DOUBLE));
    int64_t penalty = w_mul64(w_mul64(margin->k, margin->k), DOUBLE);
    int64_t lookup = w_mul64(margin->cells, 16 * DOUBLE);
    if (margin->covariates > 1) {
        int64_t terms = w_add64(margin->knot_count, w_plate_polynomials(margin->covariates, margin->order));
        lookup = w_mul64(terms, w_mul64(margin->k + margin->covariates, DOUBLE));
    }
    return w_add64(w_add64(map, penalty), lookup);
}

static int64_t smooth_bytes(const w_smooth *smooth)
{
    int64_t total = w_mul64(w_mul64(smooth->raw_columns, smooth->columns), DOUBLE);
    for (int i = 0; i < smooth->margin_count; i++) {
        total = w_add64(total, margin_bytes(&smooth->margin[i]));
    }
    int64_t penalty = w_mul64(w_mul64(smooth->columns, smooth->columns), DOUBLE);
    return w_add64(total, w_mul64(penalty, w_max64(1, smooth->penalty_count)));
}

int64_t w_plan_design_bytes(const w_design *design)
{
    int64_t total = w_add64(OBJECT_BYTES, w_mul64(design->p, 128));
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        total = w_add64(total, w_mul64(block->levels, 96));
        if (block->kind == W_BLOCK_SMOOTH) {
            total = w_add64(total, smooth_bytes(block->smooth));
        }
    }
    /* an arena grows geometrically: at most as much again lies unused at its end */
    return w_mul64(total, 2);
}

/* Sorted distinct values, scaling and constraint for one smooth: a few vectors of set-up rows, a few matrices of its raw size. */
static int64_t build_bytes(const w_smooth *smooth, int64_t rows)
{
    int64_t raw = w_mul64(w_mul64(smooth->raw_columns, smooth->raw_columns), 6 * DOUBLE);
    int64_t total = w_add64(w_mul64(rows, 4 * DOUBLE), raw);
    if (smooth->margin[0].covariates > 1) {
        const w_margin *margin = &smooth->margin[0];
        const w_margin_spec spec = {.basis = margin->kind, .covariates = margin->covariates, .k = margin->k,
                                    .m_count = 1, .m = {margin->order}};
        const w_smooth_spec whole = {.type = W_SMOOTH_S, .margin_count = 1, .margin = {spec}};
        return w_add64(total, w_smooth_bytes(&whole, rows));
    }
    for (int i = 0; i < smooth->margin_count; i++) {
        total = w_add64(total, w_mul64(4, margin_bytes(&smooth->margin[i])));
    }
    return total;
}

int64_t w_plan_row_bytes(const w_design *design)
{
    return w_mul64(design->column_count, DOUBLE);
}

int64_t w_plan_setup_bytes(const w_design *design, int64_t rows, bool exact_knots)
{
    int64_t setup_rows = rows < 0 ? W_SETUP_ROWS : rows;
    if (!exact_knots) {
        setup_rows = w_min64(setup_rows, W_SETUP_ROWS);
    }
    int64_t kept = w_mul64(w_mul64(setup_rows, design->column_count + 2), DOUBLE);
    int64_t largest = 0;
    for (int b = 0; b < design->block_count; b++) {
        if (design->block[b].kind == W_BLOCK_SMOOTH) {
            largest = w_max64(largest, build_bytes(design->block[b].smooth, setup_rows));
        }
    }
    return w_add64(w_mul64(kept, 2), largest);
}
