/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "model/design.h"
#include "model/program.h"

static const w_atom *find_atom(const w_design *design, const char *label)
{
    for (int a = 0; a < design->program->atom_count; a++) {
        const w_atom *atom = &design->program->atom[a];
        if (strcmp(atom->label, label) == 0 && !atom->degree) {
            return atom;
        }
    }
    return NULL;
}

static void number_levels(const w_atom *atom, int64_t rows, double *value)
{
    for (int64_t i = 0; i < rows; i++) {
        int64_t level = 0;
        while (level < atom->level_count && atom->number[level] != value[i]) {
            level++;
        }
        value[i] = level < atom->level_count ? (double)level : -1.0;
    }
}

static weir_status evaluate(const w_design *design, const w_expr *expr, const double *const *column, int64_t rows, double *out)
{
    for (int c = 0; c < design->column_count; c++) {
        if (design->column_kind[c] == W_NUMERIC && design->program->needed[c] && !column[c]) {
            return WEIR_DECLINED;
        }
    }
    double *stack = w_alloc_array(design->ctx, "expression", (size_t)w_expr_depth(expr), W_EXPR_RUN * sizeof *stack);
    if (!stack) {
        return w_alloc_status(design->ctx);
    }
    w_expr_eval(expr, column, rows, stack, out);
    w_free(design->ctx, stack);
    return WEIR_OK;
}

weir_status w_design_variable(const w_design *design, const char *label, const double *const *column, int64_t rows, double *out)
{
    const w_atom *atom = find_atom(design, label);
    if (!atom || (atom->column >= 0 && !column[atom->column])) {
        return WEIR_DECLINED;
    }
    if (atom->column >= 0) {
        memcpy(out, column[atom->column], (size_t)rows * sizeof *out);
    } else {
        weir_status status = evaluate(design, atom->expr, column, rows, out);
        if (status != WEIR_OK) {
            return status;
        }
    }
    if (atom->category && atom->number) {
        number_levels(atom, rows, out);
    }
    return WEIR_OK;
}

bool w_design_tree(const w_design *d, int block, const w_smooth **trees, int64_t *tree, const double **leaf_value)
{
    const w_block *b = &d->block[block];
    if (b->kind != W_BLOCK_FACTOR || b->code < 0 || !d->program->code[b->code].trees ||
        d->program->block[block].multiple.count > 0) {
        return false;
    }
    *trees = d->program->code[b->code].trees;
    *tree = d->program->code[b->code].tree;
    *leaf_value = d->program->block[block].level_value;
    return true;
}

bool w_design_plain_factor(const w_design *d, int block)
{
    const w_block_program *program = &d->program->block[block];
    return d->block[block].kind == W_BLOCK_FACTOR && program->multiple.count == 0 && !program->level_value;
}
