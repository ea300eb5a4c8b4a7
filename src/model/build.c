/* SPDX-License-Identifier: Apache-2.0 */
#include "model/build.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

weir_status w_builder_init(w_builder *b, weir_ctx *ctx, const char *formula)
{
    *b = (w_builder){.ctx = ctx};
    w_design *design = w_calloc(ctx, "design", 1, sizeof *design);
    if (!design) {
        return w_alloc_status(ctx);
    }
    b->design = design;
    b->arena = &design->arena;
    design->ctx = ctx;
    design->intercept_column = -1;
    design->weight_column = -1;
    design->start_column = -1;
    design->start_code = -1;
    w_arena_init(&design->arena, ctx, "design");
    b->program = design->program = w_arena_calloc(b->arena, 1, sizeof *b->program);
    design->formula = w_arena_strdup(b->arena, formula);
    return design->program && design->formula ? WEIR_OK : w_alloc_status(ctx);
}

int w_builder_find_column(const w_builder *b, const char *name)
{
    for (int c = 0; c < b->design->column_count; c++) {
        if (strcmp(b->design->column[c], name) == 0) {
            return c;
        }
    }
    return -1;
}

static int find_column(const void *arg, const char *name) { return w_builder_find_column(arg, name); }

/* ---- columns ---- */

static weir_status allocate_columns(w_builder *b, size_t n)
{
    w_design *d = b->design;
    struct w_design_program *g = b->program;
    d->column = w_arena_calloc(b->arena, n, sizeof *d->column);
    d->column_want = w_arena_calloc(b->arena, n, sizeof *d->column_want);
    d->column_kind = w_arena_calloc(b->arena, n, sizeof *d->column_kind);
    d->level_count = w_arena_calloc(b->arena, n, sizeof *d->level_count);
    d->level = w_arena_calloc(b->arena, n, sizeof *d->level);
    d->column_lower = w_arena_calloc(b->arena, n, sizeof *d->column_lower);
    d->column_upper = w_arena_calloc(b->arena, n, sizeof *d->column_upper);
    d->column_typical = w_arena_calloc(b->arena, n, sizeof *d->column_typical);
    g->needed = w_arena_calloc(b->arena, n, sizeof *g->needed);
    g->training = w_arena_calloc(b->arena, n, sizeof *g->training);
    g->training_levels = w_arena_calloc(b->arena, n, sizeof *g->training_levels);
    return d->column && d->column_want && d->column_kind && d->level_count && d->level && d->column_lower &&
                   d->column_upper && d->column_typical && g->needed && g->training && g->training_levels
               ? WEIR_OK
               : w_alloc_status(b->ctx);
}

static weir_status copy_names(w_builder *b, const char *const *dot, int dot_count, const char *weights, const char *start)
{
    struct w_design_program *g = b->program;
    const char **copy = w_arena_calloc(b->arena, (size_t)dot_count + 1, sizeof *copy);
    g->weights = weights ? w_arena_strdup(b->arena, weights) : NULL;
    g->start = start ? w_arena_strdup(b->arena, start) : NULL;
    if (!copy || (weights && !g->weights) || (start && !g->start)) {
        return w_alloc_status(b->ctx);
    }
    for (int i = 0; i < dot_count; i++) {
        copy[i] = w_arena_strdup(b->arena, dot[i]);
        if (!copy[i]) {
            return w_alloc_status(b->ctx);
        }
    }
    g->dot = copy;
    g->dot_count = dot_count;
    return WEIR_OK;
}

static w_column_want want_of(const w_column_use *use)
{
    return use->numeric ? W_WANT_NUMERIC : use->bare ? W_WANT_EITHER : W_WANT_FACTOR;
}

weir_status w_builder_columns(w_builder *b, const w_formula *formula, const char *const *dot, int dot_count,
                              const char *weights, const char *start)
{
    w_design *d = b->design;
    weir_status status = copy_names(b, dot, dot_count, weights, start);
    if (status == WEIR_OK) {
        status = w_terms_build(formula, b->arena, b->program->dot, dot_count, &b->terms);
    }
    if (status == WEIR_OK) {
        status = allocate_columns(b, (size_t)b->terms.column_count + 3);
    }
    if (status != WEIR_OK) {
        return status;
    }
    for (int i = 0; i < b->terms.column_count; i++) {
        const w_column_use *use = &b->terms.column[i];
        d->column[i] = w_arena_strdup(b->arena, use->name);
        if (!d->column[i]) {
            return w_alloc_status(b->ctx);
        }
        d->column_want[i] = want_of(use);
        b->program->needed[i] = use->predictor || use->offset;
        d->column_count++;
    }
    if (weights) {
        int c = w_builder_find_column(b, weights);
        if (c < 0) {
            c = d->column_count++;
            d->column[c] = b->program->weights;
        }
        d->column_want[c] = W_WANT_NUMERIC;
        d->weight_column = c;
    }
    if (start) {
        int c = w_builder_find_column(b, start);
        if (c >= 0 && d->grouped) {
            return w_fail(b->ctx, WEIR_E_ARG, "column '%s' tells the groups apart and has another part in the model: within a "
                          "group it is constant, leave it out of one of them", start);
        }
        if (c < 0) {
            c = d->column_count++;
            d->column[c] = b->program->start;
            d->column_want[c] = d->grouped ? W_WANT_FACTOR : W_WANT_EITHER;
        }
        b->program->needed[c] = b->program->needed[c] || d->grouped;
        d->start_column = c;
    }
    d->response_label = w_arena_strdup(b->arena, b->terms.response_label);
    return d->response_label ? WEIR_OK : w_alloc_status(b->ctx);
}

weir_status w_builder_expressions(w_builder *b)
{
    struct w_design_program *g = b->program;
    weir_status status = w_expr_compile(b->arena, b->terms.response, find_column, b, &g->response);
    if (status == WEIR_OK && b->terms.trials) {
        status = w_expr_compile(b->arena, b->terms.trials, find_column, b, &g->trials);
    }
    if (status != WEIR_OK) {
        return status;
    }
    g->depth = w_expr_depth(g->response); /* that of the trials is no larger: they are part of it */
    b->design->trials = g->trials != NULL;
    g->offset = w_arena_calloc(b->arena, (size_t)b->terms.offset_count + 1, sizeof *g->offset);
    if (!g->offset) {
        return w_alloc_status(b->ctx);
    }
    for (int i = 0; i < b->terms.offset_count && status == WEIR_OK; i++) {
        status = w_expr_compile(b->arena, b->terms.offset[i].expression, find_column, b, &g->offset[i]);
        if (status == WEIR_OK) {
            g->depth = w_expr_depth(g->offset[i]) > g->depth ? w_expr_depth(g->offset[i]) : g->depth;
        }
    }
    b->design->offset_count = b->terms.offset_count;
    return status;
}

/* ---- atoms ---- */

static weir_status number_levels(w_builder *b, w_atom *atom, const double *number, int64_t count)
{
    double *copy = w_arena_alloc(b->arena, (size_t)count + 1, sizeof *copy);
    const char **level = w_arena_calloc(b->arena, (size_t)count + 1, sizeof *level);
    if (!copy || !level) {
        return w_alloc_status(b->ctx);
    }
    for (int64_t i = 0; i < count; i++) {
        copy[i] = number ? number[i] : (double)i;
        char *text = w_arena_printf(b->arena, "%.15g", copy[i]);
        if (!text) {
            return w_alloc_status(b->ctx);
        }
        for (char *c = text; *c; c++) {
            *c = *c == ',' ? '.' : *c;
        }
        level[i] = text;
    }
    atom->number = copy;
    atom->level = level;
    atom->level_count = count;
    return WEIR_OK;
}

static weir_status resolve_atom(w_builder *b, const w_formula_atom *from, w_atom *atom,
                                const double *const *number, const int64_t *number_count)
{
    const w_design *d = b->design;
    atom->label = from->label;
    atom->column = from->column ? w_builder_find_column(b, from->column) : -1;
    int c = atom->column;
    if (c >= 0 && d->column_kind[c] == W_FACTOR) {
        atom->category = true;
        atom->level_count = d->level_count[c];
        atom->level = d->level[c];
        return WEIR_OK;
    }
    if (from->form == W_ATOM_FACTOR_CALL) {
        atom->category = true;
        return number_levels(b, atom, number ? number[c] : NULL, number_count ? number_count[c] : 0);
    }
    atom->degree = from->form == W_ATOM_POLY ? from->degree : 0;
    weir_status status =
        w_expr_compile(b->arena, from->argument ? from->argument : from->node, find_column, b, &atom->expr);
    if (status == WEIR_OK) {
        atom->column = atom->degree ? -1 : w_expr_column(atom->expr);
        b->program->depth =
            w_expr_depth(atom->expr) > b->program->depth ? w_expr_depth(atom->expr) : b->program->depth;
    }
    return status;
}

/* Covariates of bs="sz": categories in their order, then the number. */
static weir_status sort_levels(w_builder *b, w_smooth_call *call)
{
    int *sorted = w_arena_alloc(b->arena, (size_t)call->covariate_count, sizeof *sorted), count = 0;
    if (!sorted) {
        return w_alloc_status(b->ctx);
    }
    for (int category = 1; category >= 0; category--) {
        for (int i = 0; i < call->covariate_count; i++) {
            if (b->program->atom[call->covariate[i]].category == category) {
                sorted[count++] = call->covariate[i];
            }
        }
    }
    bool fits = !b->program->atom[sorted[count - 1]].category && b->program->atom[sorted[count - 2]].category;
    call->covariate = sorted;
    return fits ? WEIR_OK
                : w_formula_fail(b->terms.formula, call->node, "%s: bs=\"sz\" goes with one number, the others must be categories: "
                                                               "text, or factor(…) of a column of numbers", call->label);
}

weir_status w_builder_atoms(w_builder *b, const double *const *number, const int64_t *number_count)
{
    struct w_design_program *g = b->program;
    g->atom = w_arena_calloc(b->arena, (size_t)b->terms.atom_count + 1, sizeof *g->atom);
    if (!g->atom) {
        return w_alloc_status(b->ctx);
    }
    weir_status status = WEIR_OK;
    for (int i = 0; i < b->terms.atom_count && status == WEIR_OK; i++) {
        status = resolve_atom(b, &b->terms.atom[i], &g->atom[i], number, number_count);
    }
    g->atom_count = b->terms.atom_count;
    for (int i = 0; i < b->terms.smooth_count && status == WEIR_OK; i++) {
        if (b->terms.smooth[i].type == W_SMOOTH_SZ) {
            status = sort_levels(b, &b->terms.smooth[i]);
        }
    }
    return status;
}

/* ---- pieces ---- */

weir_status w_builder_take(w_builder *b, int64_t count, const char *label, int64_t *first)
{
    w_design *d = b->design;
    if (count > W_COLUMNS_LIMIT - d->p) {
        return w_fail(b->ctx, WEIR_E_FORMULA, "%s makes %lld columns; a model has at most %lld", label,
                      (long long)count, (long long)W_COLUMNS_LIMIT);
    }
    *first = d->p;
    d->p += count;
    if (b->skeleton) {
        return WEIR_OK;
    }
    if (d->p > b->label_capacity) {
        int64_t capacity = w_max64(d->p, 2 * b->label_capacity);
        const char **bigger = w_arena_calloc(b->arena, (size_t)capacity, sizeof *bigger);
        if (!bigger) {
            return w_alloc_status(b->ctx);
        }
        if (*first) {
            memcpy(bigger, d->column_label, (size_t)*first * sizeof *bigger);
        }
        d->column_label = bigger;
        b->label_capacity = capacity;
    }
    return WEIR_OK;
}

weir_status w_builder_block(w_builder *b, w_block block, w_block_program program, int *number)
{
    w_design *d = b->design;
    w_block *blocks = w_terms_grow(b->arena, d->block, d->block_count, sizeof *blocks);
    w_block_program *programs = w_terms_grow(b->arena, b->program->block, d->block_count, sizeof *programs);
    if (!blocks || !programs) {
        return w_alloc_status(b->ctx);
    }
    d->block = blocks;
    b->program->block = programs;
    blocks[d->block_count] = block;
    programs[d->block_count] = program;
    *number = d->block_count++;
    return WEIR_OK;
}

weir_status w_builder_code(w_builder *b, int atom_count, const int *atoms, int *code)
{
    struct w_design_program *g = b->program;
    for (int i = 0; i < g->code_count; i++) {
        if (g->code[i].count == atom_count && !g->code[i].trees &&
            memcmp(g->code[i].atom, atoms, (size_t)atom_count * sizeof *atoms) == 0) {
            *code = i;
            return WEIR_OK;
        }
    }
    w_joint_code *grown = w_terms_grow(b->arena, g->code, g->code_count, sizeof *grown);
    int *copy = w_arena_alloc(b->arena, (size_t)atom_count, sizeof *copy);
    if (!grown || !copy) {
        return w_alloc_status(b->ctx);
    }
    memcpy(copy, atoms, (size_t)atom_count * sizeof *copy);
    int64_t levels = 1;
    for (int i = 0; i < atom_count; i++) {
        levels = w_mul64(levels, g->atom[atoms[i]].level_count);
    }
    if (levels > W_COLUMNS_LIMIT) {
        return w_fail(b->ctx, WEIR_E_FORMULA, "the levels of %s%s combine to more than %lld",
                      g->atom[atoms[0]].label, atom_count > 1 ? " and others" : "", (long long)W_COLUMNS_LIMIT);
    }
    g->code = grown;
    grown[g->code_count] = (w_joint_code){.count = atom_count, .atom = copy, .levels = levels};
    *code = g->code_count++;
    return WEIR_OK;
}

weir_status w_builder_factor_block(w_builder *b, int atom_count, const int *atoms, w_multiple multiple,
                                   int64_t **level_first, int *number)
{
    int code;
    weir_status status = w_builder_code(b, atom_count, atoms, &code);
    if (status != WEIR_OK) {
        return status;
    }
    int64_t levels = b->program->code[code].levels;
    int64_t *first = w_arena_alloc(b->arena, (size_t)levels + 1, sizeof *first);
    if (!first) {
        return w_alloc_status(b->ctx);
    }
    for (int64_t l = 0; l < levels; l++) {
        first[l] = -1;
    }
    *level_first = first;
    return w_builder_block(b,
                           (w_block){.kind = W_BLOCK_FACTOR,
                                     .width = 1,
                                     .levels = levels,
                                     .cells = 1,
                                     .code = code,
                                     .level_columns = 1,
                                     .level_first = first},
                           (w_block_program){.multiple = multiple}, number);
}

weir_status w_builder_dense(w_builder *b, w_multiple multiple, int64_t column)
{
    w_multiple *dense = w_terms_grow(b->arena, b->dense, b->dense_count, sizeof *dense);
    int64_t *columns = w_terms_grow(b->arena, b->dense_column, b->dense_count, sizeof *columns);
    if (!dense || !columns) {
        return w_alloc_status(b->ctx);
    }
    b->dense = dense;
    b->dense_column = columns;
    dense[b->dense_count] = multiple;
    columns[b->dense_count] = column;
    b->dense_count++;
    return WEIR_OK;
}

weir_status w_builder_term(w_builder *b, w_term term)
{
    w_term *grown = w_terms_grow(b->arena, b->design->term, b->design->term_count, sizeof *grown);
    if (!grown) {
        return w_alloc_status(b->ctx);
    }
    b->design->term = grown;
    grown[b->design->term_count++] = term;
    return WEIR_OK;
}

/* The code of the factor whose changes begin series, where a block has it. */
static void find_start_code(w_design *d)
{
    const struct w_design_program *g = d->program;
    bool factor = d->ar1 && d->start_column >= 0 && d->column_kind[d->start_column] == W_FACTOR && d->level[d->start_column];
    for (int k = 0; factor && !w_design_series_logical(d) && k < g->code_count; k++) {
        const w_atom *atom = &g->atom[g->code[k].atom[0]];
        if (g->code[k].count == 1 && atom->column == d->start_column && !atom->number) {
            d->start_code = k;
        }
    }
}

weir_status w_builder_finish(w_builder *b)
{
    w_design *d = b->design;
    int64_t *column = w_arena_alloc(b->arena, (size_t)b->dense_count + 1, sizeof *column);
    if (!column) {
        return w_alloc_status(b->ctx);
    }
    if (b->dense_count) {
        memcpy(column, b->dense_column, (size_t)b->dense_count * sizeof *column);
    }
    column[b->dense_count] = -1;
    d->block[0].width = b->dense_count + 1;
    d->block[0].dense_column = column;
    b->program->block[0].dense = b->dense;
    find_start_code(d);
    return WEIR_OK;
}
