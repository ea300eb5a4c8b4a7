/* SPDX-License-Identifier: Apache-2.0 */
/* Parametric columns, as R's model.matrix makes them with treatment contrasts.
 *
 * A category v in a term T is coded by contrasts (no column for its first level) if T without v is empty or part of a term
 * before T; else every level has a column. In a model without intercept the first category of the first term that has one
 * gets all its levels. Columns of a term: all combinations of its atoms' columns, the first atom running fastest. */
#include <string.h>

#include "base/size.h"
#include "model/build.h"

/* Columns of one atom within one term. */
typedef struct digit {
    int atom;
    int64_t count;
    bool full; /* category: all levels */
} digit;

static bool contains(const w_parametric *term, int atom)
{
    for (int i = 0; i < term->count; i++) {
        if (term->atom[i] == atom) {
            return true;
        }
    }
    return false;
}

static bool is_full(const w_terms *terms, int t, int atom)
{
    const w_parametric *term = &terms->parametric[t];
    if (term->count == 1) {
        return false;
    }
    for (int before = 0; before < t; before++) {
        bool inside = true;
        for (int i = 0; i < term->count && inside; i++) {
            inside = term->atom[i] == atom || contains(&terms->parametric[before], term->atom[i]);
        }
        if (inside) {
            return false;
        }
    }
    return true;
}

/* The number of the first term with a category and that category; *term = -1 when there is none. */
static void first_category(const w_builder *b, int *term, int *atom)
{
    *term = *atom = -1;
    for (int t = 0; t < b->terms.parametric_count; t++) {
        for (int i = 0; i < b->terms.parametric[t].count; i++) {
            if (b->program->atom[b->terms.parametric[t].atom[i]].category) {
                *term = t;
                *atom = b->terms.parametric[t].atom[i];
                return;
            }
        }
    }
}

static weir_status read_digits(w_builder *b, int t, digit *out)
{
    const w_parametric *term = &b->terms.parametric[t];
    int first_term, first_atom;
    first_category(b, &first_term, &first_atom);
    for (int i = 0; i < term->count; i++) {
        const w_atom *atom = &b->program->atom[term->atom[i]];
        out[i] = (digit){term->atom[i], atom->degree ? atom->degree : 1, false};
        if (!atom->category) {
            continue;
        }
        bool promoted = !b->terms.intercept && t == first_term && term->atom[i] == first_atom;
        out[i].full = promoted || is_full(&b->terms, t, term->atom[i]);
        out[i].count = atom->level_count - !out[i].full;
        if (out[i].count < 1 && !b->skeleton) {
            return w_fail(b->ctx, WEIR_E_DATA,
                          "'%s' has a single level ('%s') in the rows that count: leave it out of the formula",
                          atom->label, atom->level_count ? atom->level[0] : "");
        }
    }
    return WEIR_OK;
}

/* "x:fB" of column `index` of the term. */
static const char *column_name(w_builder *b, const w_parametric *term, const digit *digits, int64_t index)
{
    const char *name = "";
    for (int i = 0; i < term->count && name; i++) {
        const w_atom *atom = &b->program->atom[digits[i].atom];
        int64_t k = index % digits[i].count;
        index /= digits[i].count;
        const char *joint = i ? ":" : "";
        if (atom->category) {
            name =
                w_arena_printf(b->arena, "%s%s%s%s", name, joint, atom->label, atom->level[k + !digits[i].full]);
        } else if (atom->degree > 1) {
            name = w_arena_printf(b->arena, "%s%s%s%lld", name, joint, atom->label, (long long)k + 1);
        } else {
            name = w_arena_printf(b->arena, "%s%s%s", name, joint, atom->label);
        }
    }
    return name;
}

/* The product of the term's numbers in column `index`. */
static weir_status multiple_of(w_builder *b, const w_parametric *term, const digit *digits, int64_t index,
                               w_multiple *out)
{
    w_factor *factor = w_arena_alloc(b->arena, (size_t)term->count, sizeof *factor);
    if (!factor) {
        return w_alloc_status(b->ctx);
    }
    *out = (w_multiple){0, factor};
    for (int i = 0; i < term->count; i++) {
        if (!b->program->atom[digits[i].atom].category) {
            factor[out->count++] = (w_factor){digits[i].atom, (int)(index % digits[i].count)};
        }
        index /= digits[i].count;
    }
    return WEIR_OK;
}

/* Joint level (first category fastest) and number of the combination of poly() columns of column `index`. */
static void place_of(const w_builder *b, const w_parametric *term, const digit *digits, int64_t index,
                     int64_t *level, int64_t *combination)
{
    int64_t level_stride = 1, combination_stride = 1;
    *level = *combination = 0;
    for (int i = 0; i < term->count; i++) {
        const w_atom *atom = &b->program->atom[digits[i].atom];
        int64_t k = index % digits[i].count;
        index /= digits[i].count;
        if (atom->category) {
            *level += level_stride * (k + !digits[i].full);
            level_stride *= atom->level_count;
        } else {
            *combination += combination_stride * k;
            combination_stride *= digits[i].count;
        }
    }
}

static weir_status category_columns(w_builder *b, const w_parametric *term, const digit *digits, int64_t first,
                                    int64_t columns, int *block)
{
    int category_count = 0;
    int64_t combinations = 1;
    int *category = w_arena_alloc(b->arena, (size_t)term->count, sizeof *category);
    if (!category) {
        return w_alloc_status(b->ctx);
    }
    for (int i = 0; i < term->count; i++) {
        if (b->program->atom[digits[i].atom].category) {
            category[category_count++] = digits[i].atom;
        } else {
            combinations *= digits[i].count;
        }
    }
    int64_t **level_first = w_arena_calloc(b->arena, (size_t)combinations, sizeof *level_first);
    if (!level_first) {
        return w_alloc_status(b->ctx);
    }
    int number = -1;
    for (int64_t j = 0; j < columns; j++) {
        int64_t level, combination;
        place_of(b, term, digits, j, &level, &combination);
        if (!level_first[combination]) {
            w_multiple multiple;
            weir_status status = multiple_of(b, term, digits, j, &multiple);
            if (status == WEIR_OK) {
                status = w_builder_factor_block(b, category_count, category, multiple, &level_first[combination],
                                                &number);
            }
            if (status != WEIR_OK) {
                return status;
            }
        }
        level_first[combination][level] = first + j;
    }
    *block = combinations == 1 ? number : -1;
    return WEIR_OK;
}

static weir_status term_label(w_builder *b, const w_parametric *term, const char **out)
{
    const char *label = "";
    for (int i = 0; i < term->count && label; i++) {
        label = w_arena_printf(b->arena, "%s%s%s", label, i ? ":" : "", b->program->atom[term->atom[i]].label);
    }
    *out = label;
    return label ? WEIR_OK : w_alloc_status(b->ctx);
}

static weir_status term_variables(w_builder *b, const w_parametric *term, const char *const **out)
{
    const char **variable = w_arena_alloc(b->arena, (size_t)term->count, sizeof *variable);
    if (!variable) {
        return w_alloc_status(b->ctx);
    }
    for (int i = 0; i < term->count; i++) {
        variable[i] = b->program->atom[term->atom[i]].label;
    }
    *out = variable;
    return WEIR_OK;
}

static weir_status term_columns(w_builder *b, int t)
{
    const w_parametric *term = &b->terms.parametric[t];
    w_term out = {.kind = W_TERM_PARAMETRIC, .level = -1, .basis = "", .variable_count = term->count};
    digit *digits = w_arena_alloc(b->arena, (size_t)term->count, sizeof *digits);
    weir_status status = digits ? read_digits(b, t, digits) : w_alloc_status(b->ctx);
    if (status == WEIR_OK) {
        status = term_label(b, term, &out.label);
    }
    if (status == WEIR_OK) {
        status = term_variables(b, term, &out.variable);
    }
    if (status != WEIR_OK) {
        return status;
    }
    bool category = false;
    out.columns = 1;
    for (int i = 0; i < term->count; i++) {
        category |= b->program->atom[digits[i].atom].category;
        out.columns = w_mul64(out.columns, digits[i].count);
    }
    status = w_builder_take(b, out.columns, out.label, &out.first);
    for (int64_t j = 0; j < out.columns && status == WEIR_OK && !b->skeleton; j++) {
        b->design->column_label[out.first + j] = column_name(b, term, digits, j);
        status = b->design->column_label[out.first + j] ? WEIR_OK : w_alloc_status(b->ctx);
    }
    if (status == WEIR_OK && category) {
        status = category_columns(b, term, digits, out.first, out.columns, &out.block);
    }
    for (int64_t j = 0; j < out.columns && status == WEIR_OK && !category; j++) {
        w_multiple multiple;
        status = multiple_of(b, term, digits, j, &multiple);
        if (status == WEIR_OK) {
            status = w_builder_dense(b, multiple, out.first + j);
        }
    }
    out.null_dimension = out.columns;
    return status == WEIR_OK ? w_builder_term(b, out) : status;
}

/* Ones are in the span of the columns when a term of categories alone has all its levels. */
static bool spans_ones(const w_builder *b)
{
    int term, atom;
    first_category(b, &term, &atom);
    if (b->terms.intercept || term < 0) {
        return b->terms.intercept;
    }
    for (int t = 0; t < b->terms.parametric_count; t++) {
        const w_parametric *p = &b->terms.parametric[t];
        bool full = true;
        for (int i = 0; i < p->count && full; i++) {
            bool promoted = t == term && p->atom[i] == atom;
            full = b->program->atom[p->atom[i]].category && (promoted || is_full(&b->terms, t, p->atom[i]));
        }
        if (full) {
            return true;
        }
    }
    return false;
}

weir_status w_builder_parametric(w_builder *b)
{
    w_design *d = b->design;
    int number;
    weir_status status = w_builder_block(
        b, (w_block){.kind = W_BLOCK_DENSE, .levels = 1, .cells = 1, .code = -1, .level_columns = 1},
        (w_block_program){0}, &number);
    if (status == WEIR_OK && b->terms.intercept) {
        status = w_builder_take(b, 1, "(Intercept)", &d->intercept_column);
        if (status == WEIR_OK) {
            status = w_builder_dense(b, (w_multiple){0, NULL}, d->intercept_column);
        }
        if (status == WEIR_OK && !b->skeleton) {
            d->column_label[d->intercept_column] = "(Intercept)";
        }
    }
    for (int t = 0; t < b->terms.parametric_count && status == WEIR_OK; t++) {
        status = term_columns(b, t);
    }
    d->has_intercept = spans_ones(b);
    d->parametric_columns = d->p;
    return status;
}
