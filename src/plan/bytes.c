/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/bytes.h"

#include "base/arena.h"
#include "base/size.h"
#include "basis/features.h"
#include "plan/plan.h"

#define DOUBLE ((int64_t)sizeof(double))
#define OBJECT_BYTES (64 * 1024) /* strings, tables, programs: generous for any formula below 64 KiB */

static void add_doubles(w_arena_need *need, int64_t rows, int64_t columns)
{
    w_arena_need_add(need, 1, w_mul64(w_mul64(rows, columns), DOUBLE));
}

static void add_margin(w_arena_need *need, const w_margin *margin)
{
    if (margin->kind != W_BASIS_TREE) {
        add_doubles(need, w_mul64(margin->cells, margin->width), margin->k);
        add_doubles(need, margin->k, margin->k);
    }
    if (margin->features) {
        add_doubles(need, w_add64(margin->features->parameter_count, 2 * margin->features->leaf_count), 1);
        add_doubles(need, margin->width, 1);
        add_doubles(need, 64, 1);
        return;
    }
    if (margin->covariates > 1) {
        int64_t terms = w_add64(margin->knot_count, w_plate_polynomials(margin->covariates, margin->order));
        add_doubles(need, terms, margin->k);
        add_doubles(need, margin->knot_count, margin->covariates);
        add_doubles(need, margin->knot_count, margin->k); /* rows at the knots */
        add_doubles(need, w_max64(32, margin->knot_count), 2);
        return;
    }
    add_doubles(need, margin->cells, 16); /* look-up table of intervals */
    for (int i = 0; i < 3; i++) { /* breaks, their distances, knots */
        add_doubles(need, margin->cells + 1, 1);
    }
}

static void add_smooth(w_arena_need *need, const w_smooth *smooth)
{
    if (w_smooth_is_trees(smooth)) {
        add_margin(need, &smooth->margin[0]);
        return;
    }
    add_doubles(need, smooth->raw_columns, smooth->columns);
    for (int i = 0; i < smooth->margin_count; i++) {
        add_margin(need, &smooth->margin[i]);
    }
    for (int i = 0; i < w_max64(1, smooth->penalty_count); i++) {
        add_doubles(need, smooth->columns, smooth->columns);
    }
}

int64_t w_plan_design_bytes(const w_design *design)
{
    w_arena_need need = { 0 };
    w_arena_need_add(&need, 1, w_mul64(design->p, 128));
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        w_arena_need_add(&need, 1, w_mul64(block->levels, 96));
        if (block->kind == W_BLOCK_SMOOTH) {
            add_smooth(&need, block->smooth);
        }
    }
    for (int t = 0; t < design->term_count; t++) {
        if (w_smooth_is_trees(design->term[t].smooth)) {
            add_smooth(&need, design->term[t].smooth);
        }
    }
    return w_add64(OBJECT_BYTES, w_arena_need_bytes(&need));
}

int64_t w_plan_row_bytes(const w_design *design)
{
    return w_mul64(design->column_count, DOUBLE);
}
