/* SPDX-License-Identifier: Apache-2.0 */
#include "model/shape_check.h"

#include <string.h>

static bool mentions(const w_node *node, const char *column)
{
    if (node->kind == W_NODE_NAME) {
        return strcmp(node->text, column) == 0;
    }
    for (const w_item *item = node->item; item; item = item->next) {
        if (mentions(item->node, column)) {
            return true;
        }
    }
    return false;
}

/* A column that both expressions read, or NULL. */
static const char *common_column(const w_node *a, const w_node *b)
{
    if (a->kind == W_NODE_NAME) {
        return mentions(b, a->text) ? a->text : NULL;
    }
    for (const w_item *item = a->item; item; item = item->next) {
        const char *column = common_column(item->node, b);
        if (column) {
            return column;
        }
    }
    return NULL;
}

static weir_status refuse(const w_terms *terms, const w_smooth_call *call, const char *column, const w_node *other)
{
    return w_formula_fail(terms->formula, other,
                          "%.60s has a shape that holds for the sum of all terms with '%.60s' only when it is the only one: "
                          "drop this term, or the shape bs=\"%s\"",
                          call->label, column, w_basis_name(call->margin[0].basis));
}

/* Does the atom share a column with the covariate of the shaped call? */
static weir_status check_atom(const w_terms *terms, const w_smooth_call *call, int atom, const w_node *place)
{
    const w_node *covariate = terms->atom[call->covariate[0]].node;
    const char *column = common_column(covariate, terms->atom[atom].node);
    return column ? refuse(terms, call, column, place) : WEIR_OK;
}

static weir_status check_smooth(const w_terms *terms, const w_smooth_call *call, const w_smooth_call *other)
{
    weir_status status = WEIR_OK;
    const int covariates = other->covariate_count;
    for (int c = 0; c < covariates && other != call && status == WEIR_OK; c++) {
        status = check_atom(terms, call, other->covariate[c], other->node);
    }
    return status == WEIR_OK && other->by >= 0 ? check_atom(terms, call, other->by, other->node) : status;
}

static weir_status check_call(const w_terms *terms, const w_smooth_call *call)
{
    weir_status status = WEIR_OK;
    for (int t = 0; t < terms->parametric_count; t++) {
        const w_parametric *term = &terms->parametric[t];
        for (int a = 0; a < term->count && status == WEIR_OK; a++) {
            status = check_atom(terms, call, term->atom[a], term->node);
        }
    }
    for (int i = 0; i < terms->smooth_count && status == WEIR_OK; i++) {
        status = check_smooth(terms, call, &terms->smooth[i]);
    }
    return status;
}

weir_status w_shape_check(const w_terms *terms)
{
    for (int i = 0; i < terms->smooth_count; i++) {
        const w_smooth_call *call = &terms->smooth[i];
        if (!call->random && call->margin_count == 1 && w_basis_shaped(call->margin[0].basis)) {
            weir_status status = check_call(terms, call);
            if (status != WEIR_OK) {
                return status;
            }
        }
    }
    return WEIR_OK;
}
