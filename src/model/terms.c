/* SPDX-License-Identifier: Apache-2.0 */
/* Atoms, columns and offsets of a formula; the sets of parametric terms are in expand.c, smooths in smooth_call.c. */
#include "model/shape_check.h"

#include <string.h>

#include "model/expand.h"
#include "model/expr.h"

void *w_terms_grow(w_arena *arena, void *array, int count, size_t size)
{
    if (count > 0 && (count & (count - 1)) != 0) {
        return array;
    }
    char *bigger = w_arena_calloc(arena, count ? 2 * (size_t)count : 1, size);
    if (bigger && count) {
        memcpy(bigger, array, (size_t)count * size);
    }
    return bigger;
}

static weir_status column_register(w_terms *terms, const w_node *at, const char *name, w_column_use role)
{
    int i = 0;
    while (i < terms->column_count && strcmp(terms->column[i].name, name) != 0) {
        i++;
    }
    if (i == terms->column_count) {
        w_column_use *grown = w_terms_grow(terms->arena, terms->column, i, sizeof *grown);
        if (!grown) {
            return w_alloc_status(terms->formula->ctx);
        }
        terms->column = grown;
        grown[i] = (w_column_use){.name = name, .node = at};
        terms->column_count++;
    }
    w_column_use *use = &terms->column[i];
    use->numeric |= role.numeric;
    use->bare |= role.bare;
    use->category |= role.category;
    use->response |= role.response;
    use->offset |= role.offset;
    use->predictor |= role.predictor;
    use->smooth |= role.smooth;
    return WEIR_OK;
}

static weir_status call_refuse(w_terms *terms, const w_node *call)
{
    static const char *const terms_only[] = {"s", "te", "ti", "t2", "offset", "poly", "factor", "as.factor", "cbind", NULL};
    for (int i = 0; terms_only[i]; i++) {
        if (strcmp(call->text, terms_only[i]) == 0) {
            return w_formula_fail(terms->formula, call, "%s() cannot stand inside an expression", call->text);
        }
    }
    const char *near = w_nearest_name(call->text, w_expr_functions());
    return near ? w_formula_fail(terms->formula, call, "unknown function '%.40s'; did you mean '%s'?", call->text,
                                 near)
                : w_formula_fail(terms->formula, call,
                                 "unknown function '%.40s'; there are log exp sqrt abs log10 log2 log1p "
                                 "expm1 sin cos tan, I(), poly(), factor(), offset(), s(), te(), ti()",
                                 call->text);
}

static weir_status expression_call(w_terms *terms, const w_node *node, w_column_use role)
{
    if (!w_expr_is_function(node->text)) {
        return call_refuse(terms, node);
    }
    if (node->count != 1 || node->item->name) {
        return w_formula_fail(terms->formula, node, "%s() takes one expression", node->text);
    }
    return w_terms_expression(terms, node->item->node, role);
}

weir_status w_terms_expression(w_terms *terms, const w_node *node, w_column_use role)
{
    const w_formula *f = terms->formula;
    role.numeric = true;
    switch (node->kind) {
    case W_NODE_NUMBER: return WEIR_OK;
    case W_NODE_STRING: return w_formula_fail(f, node, "a text cannot stand in an expression");
    case W_NODE_NAME:
        if (!node->quoted && strcmp(node->text, ".") == 0) {
            return w_formula_fail(f, node, "'.' cannot stand inside an expression");
        }
        return column_register(terms, node, node->text, role);
    case W_NODE_CALL: return expression_call(terms, node, role);
    case W_NODE_COLON: return w_formula_fail(f, node, "':' has no meaning inside an expression");
    default: break;
    }
    weir_status status = WEIR_OK;
    for (const w_item *item = node->item; item && status == WEIR_OK; item = item->next) {
        status = w_terms_expression(terms, item->node, role);
    }
    return status;
}

static weir_status poly_read(w_terms *terms, w_formula_atom *atom)
{
    const w_node *call = atom->node;
    const w_formula *f = terms->formula;
    const w_item *first = call->item, *second = first ? first->next : NULL;
    if (!first || call->count > 2 || first->name ||
        (second && second->name && strcmp(second->name, "degree") != 0)) {
        return w_formula_fail(f, call, "poly() takes an expression and a degree: poly(x, 2)");
    }
    double degree = 1;
    if (second &&
        (!w_node_constant(second->node, &degree) || !(degree >= 1 && degree <= 64) || degree != (int)degree)) {
        return w_formula_fail(f, second->node, "the degree of poly() must be a whole number from 1 to 64");
    }
    atom->form = W_ATOM_POLY;
    atom->argument = first->node;
    atom->degree = (int)degree;
    return WEIR_OK;
}

static weir_status factor_read(w_terms *terms, w_formula_atom *atom)
{
    const w_node *call = atom->node;
    const w_node *inner = call->count == 1 && !call->item->name ? w_node_strip(call->item->node) : NULL;
    if (!inner || inner->kind != W_NODE_NAME) {
        return w_formula_fail(terms->formula, call, "%s() takes the name of one column", call->text);
    }
    atom->form = W_ATOM_FACTOR_CALL;
    atom->column = inner->text;
    return WEIR_OK;
}

static weir_status atom_read(w_terms *terms, w_formula_atom *atom)
{
    const w_node *node = atom->node;
    if (node->kind == W_NODE_NAME) {
        atom->form = W_ATOM_NAME;
        atom->column = node->text;
        return WEIR_OK;
    }
    if (w_node_is_call(node, "poly")) {
        return poly_read(terms, atom);
    }
    if (w_node_is_call(node, "factor") || w_node_is_call(node, "as.factor")) {
        return factor_read(terms, atom);
    }
    atom->form = W_ATOM_EXPRESSION;
    return WEIR_OK;
}

static weir_status atom_columns(w_terms *terms, const w_formula_atom *atom, bool spline)
{
    w_column_use role = {.predictor = true, .smooth = spline};
    switch (atom->form) {
    case W_ATOM_NAME:
        role.numeric = spline;
        role.bare = !spline;
        return column_register(terms, atom->node, atom->column, role);
    case W_ATOM_FACTOR_CALL: role.category = true; return column_register(terms, atom->node, atom->column, role);
    case W_ATOM_POLY: return w_terms_expression(terms, atom->argument, role);
    case W_ATOM_EXPRESSION: break;
    }
    return w_terms_expression(terms, atom->node, role);
}

weir_status w_terms_atom(w_terms *terms, const w_node *node, bool spline, int *out)
{
    const w_formula *f = terms->formula;
    node = w_node_strip(node);
    w_formula_atom atom = {.node = node, .order = -1, .label = w_node_label(terms->arena, node)};
    if (!atom.label) {
        return w_alloc_status(f->ctx);
    }
    weir_status status = atom_read(terms, &atom);
    if (status == WEIR_OK && spline && (atom.form == W_ATOM_FACTOR_CALL || atom.form == W_ATOM_POLY)) {
        status = w_formula_fail(f, node, "%s() cannot be smoothed", node->text);
    }
    if (status == WEIR_OK) {
        status = atom_columns(terms, &atom, spline);
    }
    if (status != WEIR_OK) {
        return status;
    }
    for (int i = 0; i < terms->atom_count; i++) {
        if (strcmp(terms->atom[i].label, atom.label) == 0) {
            *out = i;
            return WEIR_OK;
        }
    }
    if (terms->atom_count == W_TERMS_LIMIT) {
        return w_formula_fail(f, node, "more than %d variables", W_TERMS_LIMIT);
    }
    w_formula_atom *grown = w_terms_grow(terms->arena, terms->atom, terms->atom_count, sizeof *grown);
    if (!grown) {
        return w_alloc_status(f->ctx);
    }
    terms->atom = grown;
    grown[terms->atom_count] = atom;
    *out = terms->atom_count++;
    return WEIR_OK;
}

/* The expression  a op b. */
static w_node *node_binary(w_terms *terms, const w_node *at, w_node_kind kind, w_node *a, char op, w_node *b)
{
    w_node *node = w_arena_calloc(terms->arena, 1, sizeof *node);
    w_item *item = w_arena_calloc(terms->arena, 2, sizeof *item);
    if (!node || !item) {
        return NULL;
    }
    item[0] = (w_item){.next = &item[1], .node = a};
    item[1] = (w_item){.node = b, .op = op};
    *node = (w_node){.kind = kind, .start = at->start, .end = at->end, .item = item, .count = 2};
    return node;
}

/* cbind(successes, failures): the share of successes, of so many trials. */
static weir_status counts_read(w_terms *terms, const w_node *call)
{
    const w_item *first = call->item, *second = first ? first->next : NULL;
    if (call->count != 2 || first->name || second->name) {
        return w_formula_fail(terms->formula, call, "cbind() takes two counts: cbind(successes, failures)");
    }
    w_node *trials = node_binary(terms, call, W_NODE_SUM, first->node, '+', second->node);
    w_node *share = trials ? node_binary(terms, call, W_NODE_PRODUCT, first->node, W_SYMBOL_SHARE, trials) : NULL;
    if (!share) {
        return w_alloc_status(terms->formula->ctx);
    }
    terms->response = share;
    terms->trials = trials;
    return WEIR_OK;
}

static weir_status response_read(w_terms *terms)
{
    const w_node *node = terms->formula->response;
    terms->response = node;
    terms->response_label = w_node_label(terms->arena, node);
    if (!terms->response_label) {
        return w_alloc_status(terms->formula->ctx);
    }
    weir_status status = w_node_is_call(w_node_strip(node), "cbind") ? counts_read(terms, w_node_strip(node)) : WEIR_OK;
    if (status == WEIR_OK) {
        status = w_terms_expression(terms, terms->response, (w_column_use){.response = true});
    }
    if (status == WEIR_OK && terms->column_count == 0) {
        status = w_formula_fail(terms->formula, node, "the response names no column");
    }
    return status;
}

weir_status w_terms_build(const w_formula *formula, w_arena *arena, const char *const *dot, int dot_count,
                          w_terms *out)
{
    *out = (w_terms){.formula = formula, .arena = arena, .intercept = true};
    weir_status status = response_read(out);
    if (status == WEIR_OK) {
        status = w_expand_right(out, dot, dot_count);
    }
    for (int i = 0; i < out->column_count && status == WEIR_OK; i++) {
        const w_column_use *use = &out->column[i];
        if (use->response && use->predictor && (use->bare || use->smooth)) {
            status =
                w_formula_fail(formula, use->node, "column '%.60s' is the response and a term at once", use->name);
        }
    }
    return status == WEIR_OK ? w_shape_check(out) : status;
}

weir_status w_terms_check(const w_formula *formula)
{
    w_arena arena;
    w_arena_init(&arena, formula->ctx, "formula");
    w_terms terms;
    weir_status status = w_terms_build(formula, &arena, NULL, 0, &terms);
    w_arena_free(&arena);
    return status;
}
