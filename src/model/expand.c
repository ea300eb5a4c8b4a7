/* SPDX-License-Identifier: Apache-2.0 */
/* The algebra of parametric terms: sets of atoms under + - : * / ^. Smooths, offsets and the numbers 0 and 1 may only be
 * added (or, the numbers, subtracted) at the top. */
#include "model/expand.h"

#include <string.h>

typedef struct joint { /* one term */
    int count;
    int *atom; /* ascending by order of appearance */
    const w_node *node;
} joint;

typedef struct set {
    int count;
    joint *term;
} set;

typedef struct expansion {
    w_terms *terms;
    const char *const *dot;
    int dot_count, parametric_atoms;
} expansion;

static weir_status expand(expansion *e, const w_node *node, bool top, set *out);

static weir_status no_memory(const expansion *e) { return w_alloc_status(e->terms->formula->ctx); }

static bool same(const joint *a, const joint *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->atom, b->atom, (size_t)a->count * sizeof(int)) == 0);
}

static weir_status set_add(expansion *e, set *s, joint term)
{
    for (int i = 0; i < s->count; i++) {
        if (same(&s->term[i], &term)) {
            return WEIR_OK;
        }
    }
    if (s->count == W_TERMS_LIMIT) {
        return w_formula_fail(e->terms->formula, term.node, "the formula expands to more than %d terms",
                              W_TERMS_LIMIT);
    }
    joint *grown = w_terms_grow(e->terms->arena, s->term, s->count, sizeof *grown);
    if (!grown) {
        return no_memory(e);
    }
    s->term = grown;
    grown[s->count++] = term;
    return WEIR_OK;
}

static weir_status set_union(expansion *e, set *s, const set *more)
{
    weir_status status = WEIR_OK;
    for (int i = 0; i < more->count && status == WEIR_OK; i++) {
        status = set_add(e, s, more->term[i]);
    }
    return status;
}

static void set_remove(set *s, const set *less)
{
    int kept = 0;
    for (int i = 0; i < s->count; i++) {
        bool remove = false;
        for (int j = 0; j < less->count; j++) {
            remove |= same(&s->term[i], &less->term[j]);
        }
        if (!remove) {
            s->term[kept++] = s->term[i];
        }
    }
    s->count = kept;
}

static weir_status join(expansion *e, const joint *a, const joint *b, const w_node *node, joint *out)
{
    const w_formula_atom *atom = e->terms->atom;
    int *both = w_arena_alloc(e->terms->arena, (size_t)(a->count + b->count) + 1, sizeof *both);
    if (!both) {
        return no_memory(e);
    }
    int i = 0, j = 0, count = 0;
    while (i < a->count || j < b->count) {
        int left = i < a->count ? atom[a->atom[i]].order : INT32_MAX;
        int right = j < b->count ? atom[b->atom[j]].order : INT32_MAX;
        both[count++] = left <= right ? a->atom[i] : b->atom[j];
        i += left <= right;
        j += right <= left;
    }
    *out = (joint){count, both, node};
    return WEIR_OK;
}

/* Adds a:b for every a of `left` and b of `right`. */
static weir_status set_join(expansion *e, set *s, const set *left, const set *right, const w_node *node)
{
    for (int i = 0; i < left->count; i++) {
        for (int j = 0; j < right->count; j++) {
            joint both;
            weir_status status = join(e, &left->term[i], &right->term[j], node, &both);
            if (status == WEIR_OK) {
                status = set_add(e, s, both);
            }
            if (status != WEIR_OK) {
                return status;
            }
        }
    }
    return WEIR_OK;
}

static weir_status add_atom(expansion *e, const w_node *node, set *out)
{
    int atom;
    weir_status status = w_terms_atom(e->terms, node, false, &atom);
    if (status != WEIR_OK) {
        return status;
    }
    if (e->terms->atom[atom].order < 0) {
        e->terms->atom[atom].order = e->parametric_atoms++;
    }
    int *one = w_arena_alloc(e->terms->arena, 1, sizeof *one);
    if (!one) {
        return no_memory(e);
    }
    *one = atom;
    return set_add(e, out, (joint){1, one, node});
}

static weir_status add_dot(expansion *e, const w_node *node, set *out)
{
    e->terms->has_dot = true;
    e->terms->dot = node;
    weir_status status = WEIR_OK;
    for (int i = 0; i < e->dot_count && status == WEIR_OK; i++) {
        w_node *name = w_arena_alloc(e->terms->arena, 1, sizeof *name);
        if (!name) {
            return no_memory(e);
        }
        *name = *node;
        name->text = e->dot[i];
        name->quoted = true;
        status = add_atom(e, name, out);
    }
    return status;
}

static weir_status add_offset(expansion *e, const w_node *call)
{
    w_terms *t = e->terms;
    if (call->count != 1 || call->item->name) {
        return w_formula_fail(t->formula, call, "offset() takes one expression");
    }
    w_offset_call *grown = w_terms_grow(t->arena, t->offset, t->offset_count, sizeof *grown);
    if (!grown) {
        return no_memory(e);
    }
    t->offset = grown;
    grown[t->offset_count] = (w_offset_call){w_node_label(t->arena, call), call->item->node};
    if (!grown[t->offset_count].label) {
        return no_memory(e);
    }
    t->offset_count++;
    return w_terms_expression(t, call->item->node, (w_column_use){.offset = true});
}

static bool is_smooth(const w_node *node)
{
    return w_node_is_call(node, "s") || w_node_is_call(node, "te") || w_node_is_call(node, "ti") || w_node_is_call(node, "t2");
}

static weir_status expand_call(expansion *e, const w_node *node, bool top, set *out)
{
    const w_formula *f = e->terms->formula;
    if (is_smooth(node)) {
        return top ? w_terms_smooth(e->terms, node)
                   : w_formula_fail(
                         f, node,
                         "%s() can only be added; for a smooth per level or times a variable use by=", node->text);
    }
    if (w_node_is_call(node, "offset")) {
        return top ? add_offset(e, node) : w_formula_fail(f, node, "offset() can only be added");
    }
    static const char *const unsupported[] = {"bs", "ns", "lo", "C", "ordered", "scale", NULL};
    for (int i = 0; unsupported[i]; i++) {
        if (strcmp(node->text, unsupported[i]) == 0) {
            return w_formula_fail(
                f, node,
                "%s() is not among weir's terms; there are s() te() ti() t2() offset() poly() factor() "
                "I() and functions of numbers",
                node->text);
        }
    }
    return add_atom(e, node, out);
}

static weir_status set_intercept(expansion *e, const w_node *node, bool top, bool subtract)
{
    double value;
    if (!top || !w_node_constant(node, &value) || (value != 0 && value != 1)) {
        return w_formula_fail(e->terms->formula, node, "a number among the terms can only be  + 0,  - 1  or  + 1");
    }
    e->terms->intercept = (value != 0) != subtract;
    return WEIR_OK;
}

static weir_status subtract(expansion *e, const w_node *node, bool top, set *out)
{
    const w_node *inner = w_node_strip(node);
    if (inner->kind == W_NODE_NUMBER) {
        return set_intercept(e, inner, top, true);
    }
    if (is_smooth(inner) || w_node_is_call(inner, "offset")) {
        return w_formula_fail(e->terms->formula, node, "%s() cannot be subtracted", inner->text);
    }
    set less = {0};
    weir_status status = expand(e, inner, false, &less);
    set_remove(out, &less);
    return status;
}

static weir_status expand_sum(expansion *e, const w_node *node, bool top, set *out)
{
    weir_status status = WEIR_OK;
    for (const w_item *item = node->item; item && status == WEIR_OK; item = item->next) {
        status = item->op == '-' ? subtract(e, item->node, top, out) : expand(e, item->node, top, out);
    }
    return status;
}

/* a / b: a and, nested in all atoms of a, b. */
static weir_status nest(expansion *e, set *left, const set *right, const w_node *node)
{
    joint all = {0, NULL, node};
    for (int i = 0; i < left->count; i++) {
        weir_status status = join(e, &all, &left->term[i], node, &all);
        if (status != WEIR_OK) {
            return status;
        }
    }
    set one = {1, &all};
    return set_join(e, left, &one, right, node);
}

static weir_status expand_chain(expansion *e, const w_node *node, set *out)
{
    set left = {0};
    weir_status status = expand(e, node->item->node, false, &left);
    for (const w_item *item = node->item->next; item && status == WEIR_OK; item = item->next) {
        set right = {0}, result = {0};
        status = expand(e, item->node, false, &right);
        if (status != WEIR_OK) {
            break;
        }
        if (item->op == '/') {
            status = nest(e, &left, &right, node);
            continue;
        }
        if (item->op == '*') {
            status = set_union(e, &result, &left);
            status = status == WEIR_OK ? set_union(e, &result, &right) : status;
        }
        status = status == WEIR_OK ? set_join(e, &result, &left, &right, node) : status;
        left = result;
    }
    return status == WEIR_OK ? set_union(e, out, &left) : status;
}

static weir_status expand_power(expansion *e, const w_node *node, set *out)
{
    double degree;
    const w_node *exponent = node->item->next->node;
    if (!w_node_constant(exponent, &degree) || !(degree >= 1 && degree <= 16) || degree != (int)degree) {
        return w_formula_fail(e->terms->formula, exponent,
                              "among terms the exponent must be a whole number from 1 to 16; for a "
                              "power of a variable write I(x^2)");
    }
    set base = {0}, all = {0};
    weir_status status = expand(e, node->item->node, false, &base);
    status = status == WEIR_OK ? set_union(e, &all, &base) : status;
    for (int i = 1; i < (int)degree && status == WEIR_OK; i++) {
        set before = all;
        all = (set){0};
        status = set_union(e, &all, &before);
        status = status == WEIR_OK ? set_join(e, &all, &before, &base, node) : status;
    }
    return status == WEIR_OK ? set_union(e, out, &all) : status;
}

static weir_status expand(expansion *e, const w_node *node, bool top, set *out)
{
    switch (node->kind) {
    case W_NODE_PAREN: return expand(e, node->item->node, top, out);
    case W_NODE_NUMBER: return set_intercept(e, node, top, false);
    case W_NODE_STRING:
        return w_formula_fail(e->terms->formula, node,
                              "a text cannot be a term; put names that are no words in backquotes");
    case W_NODE_NAME:
        return !node->quoted && strcmp(node->text, ".") == 0 ? add_dot(e, node, out) : add_atom(e, node, out);
    case W_NODE_CALL: return expand_call(e, node, top, out);
    case W_NODE_UNARY:
        return node->op == '-' ? subtract(e, node->item->node, top, out) : expand(e, node->item->node, top, out);
    case W_NODE_SUM: return expand_sum(e, node, top, out);
    case W_NODE_POWER: return expand_power(e, node, out);
    case W_NODE_PRODUCT:
    case W_NODE_COLON: break;
    }
    return expand_chain(e, node, out);
}

weir_status w_expand_right(w_terms *terms, const char *const *dot, int dot_count)
{
    expansion e = {terms, dot, dot_count, 0};
    set all = {0};
    weir_status status = expand(&e, terms->formula->right, true, &all);
    if (status != WEIR_OK) {
        return status;
    }
    terms->parametric = w_arena_calloc(terms->arena, (size_t)all.count + 1, sizeof *terms->parametric);
    if (!terms->parametric) {
        return no_memory(&e);
    }
    int highest = 0;
    for (int i = 0; i < all.count; i++) {
        highest = all.term[i].count > highest ? all.term[i].count : highest;
    }
    for (int degree = 1; degree <= highest; degree++) {
        for (int i = 0; i < all.count; i++) {
            if (all.term[i].count == degree) {
                terms->parametric[terms->parametric_count++] =
                    (w_parametric){degree, all.term[i].atom, all.term[i].node};
            }
        }
    }
    return WEIR_OK;
}
