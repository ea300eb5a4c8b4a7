/* SPDX-License-Identifier: Apache-2.0 */
/* Smooths and random effects -> blocks, columns, terms, penalties, smoothing parameters. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "basis/features.h"
#include "model/build.h"

typedef struct placing {
    w_builder *b;
    const w_smooth_call *call;
    const w_atom *by; /* NULL = none */
    w_smooth *smooth; /* NULL for random effects */
    int64_t repeats;  /* levels of a category in by=, else 1 */
    int64_t columns;  /* per repeat */
    int64_t first;
    int block;
    const char *basis;
    const char *const *variable;
} placing;

static weir_status no_memory(const placing *p) { return w_alloc_status(p->b->ctx); }

/* "s(x)", "s(x):z", "s(x):fB" */
static const char *label_of(const placing *p, int64_t level)
{
    return !p->by || p->call->per_level
               ? p->call->label
               : w_arena_printf(p->b->arena, "%s:%s%s", p->call->label, p->by->label,
                                   p->by->category ? p->by->level[level] : "");
}

static weir_status name_columns(const placing *p, const char *label, int64_t level)
{
    const char **name = p->b->design->column_label;
    for (int64_t j = 0; j < p->columns && !p->b->skeleton; j++) {
        int64_t c = p->first + level * p->columns + j;
        name[c] = w_arena_printf(p->b->arena, "%s.%lld", label, (long long)j + 1);
        if (!name[c]) {
            return no_memory(p);
        }
    }
    return WEIR_OK;
}

static weir_status name_parts(placing *p)
{
    const w_smooth_call *call = p->call;
    w_arena *arena = p->b->arena;
    const char **variable = w_arena_alloc(arena, (size_t)call->covariate_count + 1, sizeof *variable);
    if (!variable) {
        return no_memory(p);
    }
    for (int i = 0; i < call->covariate_count; i++) {
        variable[i] = p->b->program->atom[call->covariate[i]].label;
    }
    p->variable = variable;
    if (call->per_level) {
        variable[call->covariate_count] = p->by->label;
    }
    p->basis = call->random ? "re" : call->per_level ? "fs" : w_basis_name(call->margin[0].basis);
    if (!call->random && call->type != W_SMOOTH_S && call->type != W_SMOOTH_SZ) {
        p->basis = w_arena_printf(arena, "%s(", call->type == W_SMOOTH_TE   ? "te"
                                                : call->type == W_SMOOTH_T2 ? "t2"
                                                                            : "ti");
        for (int i = 0; i < call->margin_count && p->basis; i++) {
            p->basis =
                w_arena_printf(arena, "%s%s%s", p->basis, i ? "," : "", w_basis_name(call->margin[i].basis));
        }
        p->basis = p->basis ? w_arena_printf(arena, "%s)", p->basis) : NULL;
    }
    return p->basis ? WEIR_OK : no_memory(p);
}

/* ---- smoothing parameters ---- */

/* ap=: 10^ap per row on the penalty before its scaling; of trees, on columns times 1/sqrt(B). */
static double penalty_per_row(const placing *p, double scale)
{
    const w_design *d = p->b->design;
    int64_t leaves, trees = w_smooth_is_trees(p->smooth) ? w_trees_count(p->smooth, &leaves) : 1;
    return pow(10, p->call->ap) * (double)(d->rows - d->rows_missing - d->rows_zero_weight) * scale * (double)trees;
}

static weir_status new_parameters(placing *p, const char *label, int count, int *first)
{
    w_builder *b = p->b;
    w_design *d = b->design;
    *first = d->sp_count;
    for (int j = 0; j < count; j++) {
        double *fixed = w_terms_grow(b->arena, d->sp_fixed, d->sp_count, sizeof *fixed);
        const char **labels = w_terms_grow(b->arena, d->sp_label, d->sp_count, sizeof *labels);
        const char **ids = w_terms_grow(b->arena, b->sp_id, d->sp_count, sizeof *ids);
        if (!fixed || !labels || !ids) {
            return no_memory(p);
        }
        d->sp_fixed = fixed;
        d->sp_label = labels;
        b->sp_id = ids;
        bool per_row = p->smooth && p->call->ap_node && !p->b->skeleton;
        fixed[d->sp_count] = p->call->sp ? p->call->sp[j] : per_row ? penalty_per_row(p, p->smooth->penalty[j].scale) : NAN;
        ids[d->sp_count] = p->call->id;
        labels[d->sp_count] = count == 1 ? label : w_arena_printf(b->arena, "%s%d", label, j + 1);
        if (!labels[d->sp_count]) {
            return no_memory(p);
        }
        d->sp_count++;
    }
    return WEIR_OK;
}

/* Terms of one id= share their parameters. */
static weir_status parameters_of(placing *p, const char *label, int count, int *first)
{
    const w_builder *b = p->b;
    if (p->call->sp && p->call->sp_count != count && !b->skeleton) {
        return w_formula_fail(b->terms.formula, p->call->sp_node, "%s has %d smoothing parameter%s; sp= gives %d",
                              label, count, count == 1 ? "" : "s", p->call->sp_count);
    }
    for (int i = 0; p->call->id && i < b->design->sp_count; i++) {
        if (b->sp_id[i] && strcmp(b->sp_id[i], p->call->id) == 0) {
            int same = 0;
            while (i + same < b->design->sp_count && b->sp_id[i + same] &&
                   strcmp(b->sp_id[i + same], p->call->id) == 0) {
                same++;
            }
            if (same != count) {
                return w_formula_fail(b->terms.formula, p->call->node,
                                      "terms of one id= must have the same number of penalties "
                                      "(%d and %d)",
                                      same, count);
            }
            *first = i;
            return WEIR_OK;
        }
    }
    return new_parameters(p, label, count, first);
}

static weir_status add_penalty(placing *p, w_design_penalty penalty)
{
    w_design *d = p->b->design;
    w_design_penalty *grown = w_terms_grow(p->b->arena, d->penalty, d->penalty_count, sizeof *grown);
    if (!grown) {
        return no_memory(p);
    }
    d->penalty = grown;
    grown[d->penalty_count++] = penalty;
    return WEIR_OK;
}

static weir_status add_logdet(placing *p, int first, int count)
{
    w_design *d = p->b->design;
    w_design_logdet *grown = w_terms_grow(p->b->arena, d->logdet, d->logdet_count, sizeof *grown);
    if (!grown) {
        return no_memory(p);
    }
    d->logdet = grown;
    grown[d->logdet_count++] = (w_design_logdet){first, count, w_smooth_is_trees(p->smooth) ? NULL : p->smooth};
    return WEIR_OK;
}

/* Penalties, parameters and the term of repeat `level`. */
static weir_status place_term(placing *p, int64_t level, const w_design_penalty *penalty, int count,
                              int64_t null_dimension)
{
    w_design *d = p->b->design;
    w_term term = {.kind = p->call->random ? W_TERM_RANDOM : W_TERM_SMOOTH,
                   .first = p->first + level * p->columns,
                   .columns = p->columns,
                   .block = p->block,
                   .level = p->by && p->by->category && !p->call->per_level ? level : -1,
                   .penalty_first = d->penalty_count,
                   .penalty_count = count,
                   .null_dimension = null_dimension,
                   .smooth = p->smooth,
                   .variable_count = p->call->covariate_count + p->call->per_level,
                   .variable = p->variable,
                   .by = p->by && !p->call->per_level ? p->by->label : NULL,
                   .basis = p->basis};
    term.label = label_of(p, level);
    if (!term.label) {
        return no_memory(p);
    }
    weir_status status = name_columns(p, term.label, level);
    int sp = 0;
    if (status == WEIR_OK && count) {
        status = parameters_of(p, term.label, count, &sp);
    }
    for (int j = 0; j < count && status == WEIR_OK; j++) {
        w_design_penalty one = penalty[j];
        one.first = term.first;
        one.sp = sp + j;
        one.term = d->term_count;
        status = add_penalty(p, one);
    }
    if (status == WEIR_OK && count) {
        status = add_logdet(p, term.penalty_first, count);
    }
    return status == WEIR_OK ? w_builder_term(p->b, term) : status;
}

/* ---- smooths ---- */

/* A factor as margin m: its levels are those of the category. */
static weir_status place_factor(placing *p, int m, int *code)
{
    const w_atom *atom = &p->b->program->atom[p->call->covariate[m]];
    if (atom->level_count != p->smooth->margin[m].cells) {
        return w_fail(p->b->ctx, WEIR_E_MODEL, "%s: %s has %lld levels, its contrasts %lld", p->call->label, atom->label,
                      (long long)atom->level_count, (long long)p->smooth->margin[m].cells);
    }
    return w_builder_code(p->b, 1, &p->call->covariate[m], code);
}

static weir_status place_smooth(placing *p)
{
    w_builder *b = p->b;
    w_block block = {.kind = W_BLOCK_SMOOTH,
                     .width = 1,
                     .levels = p->repeats,
                     .cells = 1,
                     .code = -1,
                     .smooth = p->smooth,
                     .level_columns = p->columns};
    w_block_program program = {.multiple = {0, NULL}};
    for (int m = 0; m < p->smooth->margin_count; m++) {
        block.width *= p->smooth->margin[m].width;
        block.cells = w_mul64(block.cells, p->smooth->margin[m].cells);
    }
    for (int c = 0; c < p->call->covariate_count; c++) {
        program.covariate[c] = p->call->covariate[c];
    }
    if (block.cells > INT32_MAX / p->repeats) {
        bool plates = false; /* which break at every distinct value, whatever k is */
        for (int m = 0; m < p->smooth->margin_count; m++) {
            plates = plates || p->smooth->margin[m].kind == W_BASIS_TP || p->smooth->margin[m].kind == W_BASIS_TS;
        }
        return w_fail(b->ctx, WEIR_E_FORMULA, "%s has more than 2^31 cells times levels: %s", p->call->label,
                      plates ? "tp and ts margins have one per distinct value; take bs=\"cr\"" : "reduce k");
    }
    weir_status status = WEIR_OK;
    for (int m = 0; m < p->smooth->margin_count && p->call->type == W_SMOOTH_SZ && status == WEIR_OK; m++) {
        if (p->smooth->margin[m].kind == W_BASIS_SZ) {
            status = place_factor(p, m, &program.level_code[m]);
        }
    }
    if (status != WEIR_OK) {
        return status;
    }
    if (p->by && p->by->category) {
        status = w_builder_code(b, 1, &p->call->by, &block.code);
    } else if (p->by) {
        w_factor *factor = w_arena_alloc(b->arena, 1, sizeof *factor);
        if (!factor) {
            return no_memory(p);
        }
        *factor = (w_factor){p->call->by, 0};
        program.multiple = (w_multiple){1, factor};
    }
    int64_t *level_first = w_arena_alloc(b->arena, (size_t)p->repeats + 1, sizeof *level_first);
    if (!level_first) {
        return no_memory(p);
    }
    for (int64_t l = 0; l < p->repeats; l++) {
        level_first[l] = p->first + l * p->columns;
    }
    block.level_first = level_first;
    return status == WEIR_OK ? w_builder_block(b, block, program, &p->block) : status;
}

/* A tree is a factor whose level is the leaf: B blocks, one term, one smoothing parameter. */
static weir_status place_trees(placing *p)
{
    w_builder *b = p->b;
    int64_t leaves, trees = w_trees_count(p->smooth, &leaves);
    if (trees > W_TERMS_LIMIT) {
        return w_fail(b->ctx, WEIR_E_FORMULA, "%s: more than %d trees", p->call->label, W_TERMS_LIMIT);
    }
    bool weighted = w_feature_value(&p->call->margin[0], W_OPTION_SP_ALPHA) > 0;
    weir_status status = WEIR_OK;
    for (int64_t t = 0; t < trees && status == WEIR_OK; t++) {
        int64_t *first = w_arena_alloc(b->arena, (size_t)leaves + 1, sizeof *first);
        int *atom = w_arena_alloc(b->arena, (size_t)p->call->covariate_count, sizeof *atom);
        w_joint_code *grown = w_terms_grow(b->arena, b->program->code, b->program->code_count, sizeof *grown);
        if (!first || !atom || !grown) {
            return no_memory(p);
        }
        const int32_t *column = w_trees_column(p->smooth, t);
        for (int64_t l = 0; l < leaves; l++) {
            first[l] = !column ? p->first + t * leaves + l : column[l] >= 0 ? p->first + column[l] : -1;
        }
        memcpy(atom, p->call->covariate, (size_t)p->call->covariate_count * sizeof *atom);
        b->program->code = grown;
        grown[b->program->code_count] = (w_joint_code){p->call->covariate_count, atom, leaves, p->smooth, t};
        w_block block = {.kind = W_BLOCK_FACTOR,
                         .width = 1,
                         .levels = leaves,
                         .cells = 1,
                         .code = b->program->code_count++,
                         .level_columns = 1,
                         .level_first = first};
        w_block_program program = {.multiple = {0, NULL}, .level_value = weighted ? w_trees_weight(p->smooth, t) : NULL};
        status = w_builder_block(b, block, program, &p->block);
    }
    p->block = -1;
    return status;
}

static weir_status tree_term(placing *p)
{
    w_design_penalty penalty = {.k = 1, .repeat = p->columns, .rank = 1, .scale = 1};
    return place_term(p, 0, &penalty, p->smooth->penalty_count, p->smooth->null_dimension);
}

static weir_status smooth_terms(placing *p)
{
    w_design_penalty penalty[W_MAX_PENALTIES];
    for (int j = 0; j < p->smooth->penalty_count; j++) {
        const w_penalty *from = &p->smooth->penalty[j];
        penalty[j] = (w_design_penalty){.k = p->columns,
                                        .repeat = p->call->per_level ? p->repeats : 1,
                                        .matrix = from->matrix,
                                        .rank = from->rank,
                                        .scale = from->scale,
                                        .log_det = from->log_det};
    }
    if (p->call->per_level) { /* one term of all levels */
        p->columns *= p->repeats;
        return place_term(p, 0, penalty, p->smooth->penalty_count, p->smooth->null_dimension);
    }
    weir_status status = WEIR_OK;
    for (int64_t l = 0; l < p->repeats && status == WEIR_OK; l++) {
        status = place_term(p, l, penalty, p->smooth->penalty_count, p->smooth->null_dimension);
    }
    return status;
}

/* ---- random effects ---- */

/* Categories of the covariates (and of by=, slowest, so that a level's columns lie together) and the product of numbers. */
static weir_status split_random(placing *p, int *category, int *count, w_multiple *multiple)
{
    w_factor *factor = w_arena_alloc(p->b->arena, (size_t)p->call->covariate_count + 1, sizeof *factor);
    if (!factor) {
        return no_memory(p);
    }
    *multiple = (w_multiple){0, factor};
    *count = 0;
    p->columns = 1;
    for (int i = 0; i < p->call->covariate_count; i++) {
        int a = p->call->covariate[i];
        const w_atom *atom = &p->b->program->atom[a];
        if (atom->category) {
            category[(*count)++] = a;
            p->columns = w_mul64(p->columns, atom->level_count);
        } else {
            factor[multiple->count++] = (w_factor){a, 0};
        }
    }
    if (p->by && p->by->category) {
        category[(*count)++] = p->call->by;
    } else if (p->by) {
        factor[multiple->count++] = (w_factor){p->call->by, 0};
    }
    return WEIR_OK;
}

static weir_status place_random(placing *p, double scale)
{
    w_builder *b = p->b;
    int category[17], count = 0;
    w_multiple multiple;
    weir_status status = split_random(p, category, &count, &multiple);
    if (status == WEIR_OK) {
        status = w_builder_take(b, w_mul64(p->columns, p->repeats), p->call->label, &p->first);
    }
    if (status != WEIR_OK) {
        return status;
    }
    if (count == 0) {
        p->block = 0;
        status = w_builder_dense(b, multiple, p->first);
    } else {
        int64_t *level_first;
        status = w_builder_factor_block(b, count, category, multiple, &level_first, &p->block);
        for (int64_t l = 0; status == WEIR_OK && l < p->columns * p->repeats; l++) {
            level_first[l] = p->first + l;
        }
    }
    double *matrix = status == WEIR_OK && scale != 1 ? w_arena_alloc(b->arena, 1, sizeof *matrix) : NULL;
    if (status == WEIR_OK && scale != 1 && !matrix) {
        return no_memory(p);
    }
    if (matrix) {
        *matrix = 1 / scale;
    }
    w_design_penalty penalty = {.k = 1,
                                .repeat = p->columns,
                                .matrix = matrix,
                                .rank = 1,
                                .scale = scale,
                                .log_det = matrix ? -log(scale) : 0};
    for (int64_t l = 0; l < p->repeats && status == WEIR_OK; l++) {
        status = place_term(p, l, &penalty, p->call->fixed ? 0 : 1, p->call->fixed ? p->columns : 0);
    }
    return status;
}

/* ---- all of them ---- */

static weir_status place_call(w_builder *b, const w_smooth_call *call, w_smooth *smooth, double scale)
{
    placing p = {.b = b, .call = call, .smooth = smooth, .repeats = 1};
    if (call->by >= 0) {
        p.by = &b->program->atom[call->by];
        p.repeats = p.by->category ? p.by->level_count : 1;
        if (call->per_level && !p.by->category) {
            return w_formula_fail(b->terms.formula, call->node, "%s: %s holds numbers; bs=\"fs\" needs a category, as "
                                                                "in s(x, factor(g), bs=\"fs\")",
                                  call->label, p.by->label);
        }
    }
    weir_status status = name_parts(&p);
    if (status != WEIR_OK || call->random) {
        return status == WEIR_OK ? place_random(&p, scale) : status;
    }
    p.columns = smooth->columns;
    status = w_builder_take(b, w_mul64(p.columns, p.repeats), call->label, &p.first);
    if (status == WEIR_OK && w_smooth_is_trees(smooth)) {
        status = place_trees(&p);
        return status == WEIR_OK ? tree_term(&p) : status;
    }
    if (status == WEIR_OK) {
        status = place_smooth(&p);
    }
    return status == WEIR_OK ? smooth_terms(&p) : status;
}

weir_status w_builder_smooths(w_builder *b, w_smooth *const *smooth, const double *random_scale)
{
    weir_status status = WEIR_OK;
    b->program->smooth_count = b->terms.smooth_count;
    b->program->smooth = smooth;
    b->program->random_scale = random_scale;
    for (int i = 0; i < b->terms.smooth_count && status == WEIR_OK; i++) {
        status = place_call(b, &b->terms.smooth[i], smooth[i], random_scale[i]);
    }
    return status;
}
