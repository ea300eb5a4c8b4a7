/* SPDX-License-Identifier: Apache-2.0 */
#include "model/smooth_features.h"

#include <math.h>
#include <string.h>

#include "basis/features.h"

static void add_name(const char *name, const char **out, int *count)
{
    if (*count + 1 < W_ARGUMENT_LIMIT) {
        out[(*count)++] = name;
    }
}

void w_feature_arguments(const w_basis_kind *kind, int count, bool tensor, bool ti, const char *out[W_ARGUMENT_LIMIT])
{
    static const char *const always[] = {"bs", "by", "extrapolate", "fx", "id", "sp"};
    uint32_t kinds = 0;
    int names = 0, rules;
    bool sized = tensor, ordered = tensor;
    for (int i = 0; i < count; i++) {
        bool featured = w_basis_featured(kind[i]);
        kinds |= featured ? W_FEATURE_BIT(kind[i]) : 0;
        sized |= kind[i] == W_BASIS_FOURIER || kind[i] == W_BASIS_CHEB || kind[i] == W_BASIS_RBF || kind[i] == W_BASIS_RFF ||
                 kind[i] == W_BASIS_NOMINAL || kind[i] == W_BASIS_ORDINAL;
        ordered |= kind[i] == W_BASIS_FOURIER || kind[i] == W_BASIS_CATFOURIER;
    }
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        if (kinds != W_FEATURE_BIT(W_BASIS_TREE) || strcmp(always[i], "by") != 0) {
            add_name(always[i], out, &names);
        }
    }
    if (sized) {
        add_name("k", out, &names);
    }
    if (ordered) {
        add_name("m", out, &names);
    }
    if (ti) {
        add_name("mc", out, &names);
    } else {
        add_name("centre", out, &names);
    }
    if (!tensor) {
        add_name("ap", out, &names);
    }
    const w_feature_rule *rule = w_feature_rules(&rules);
    for (int i = 0; i < rules; i++) {
        if (rule[i].kinds & kinds) {
            add_name(rule[i].name, out, &names);
        }
    }
    out[names] = NULL;
}

int w_feature_bases(const w_node *bs, w_basis_kind out[W_MAX_MARGINS])
{
    int count = 0;
    bool featured = false;
    if (bs && bs->kind == W_NODE_STRING) {
        count = w_basis_parse(bs->text, &out[0]);
        return count && w_basis_featured(out[0]) ? 1 : 0;
    }
    if (!bs || !w_node_is_call(bs, "c")) {
        return 0;
    }
    for (const w_item *item = bs->item; item && count < W_MAX_MARGINS; item = item->next) {
        const w_node *node = w_node_strip(item->node);
        if (node->kind == W_NODE_STRING && w_basis_parse(node->text, &out[count])) {
            featured |= w_basis_featured(out[count++]);
        }
    }
    return featured ? count : 0;
}

static weir_status read_extension(w_terms *terms, const w_node *node, w_margin_spec *margin)
{
    if (node->kind != W_NODE_STRING || !w_extension_parse(node->text, &margin->options.extension)) {
        return w_formula_fail(terms->formula, node,
                              "extrapolate= takes \"continue\", \"constant\", \"linear\" or \"saturation\"");
    }
    return WEIR_OK;
}

/* slope="z": the place of the covariate. */
static bool covariate_place(const w_smooth_call *call, const w_node *node, double *out)
{
    int place = 0;
    for (const w_item *item = call->node->item; item && node->kind == W_NODE_STRING; item = item->next) {
        const w_node *covariate = w_node_strip(item->node);
        place += !item->name;
        if (!item->name && covariate->kind == W_NODE_NAME && strcmp(covariate->text, node->text) == 0) {
            *out = place;
            return true;
        }
    }
    return false;
}

static int word_place(const w_feature_rule *rule, const w_node *node)
{
    bool text = node->kind == W_NODE_STRING || (node->kind == W_NODE_NAME && !node->quoted);
    for (int i = 0; rule->words && text && rule->words[i]; i++) {
        if (strcmp(rule->words[i], node->text) == 0) {
            return i;
        }
    }
    return -1;
}

static weir_status refuse_value(w_terms *terms, const w_node *node, const w_feature_rule *rule)
{
    if (rule->words) {
        return rule->words[2] ? w_formula_fail(terms->formula, node, "%s= takes \"%s\", \"%s\" or \"%s\"", rule->name,
                                               rule->words[0], rule->words[1], rule->words[2])
                              : w_formula_fail(terms->formula, node, "%s= takes %s or %s", rule->name, rule->words[0],
                                               rule->words[1]);
    }
    return w_formula_fail(terms->formula, node, "%s= takes a %s from %g to %g", rule->name,
                          rule->whole ? "whole number" : "number", rule->least, rule->most);
}

static weir_status read_option(w_terms *terms, const w_smooth_call *call, const w_node *node, const w_feature_rule *rule,
                               w_margin_spec *margin)
{
    double value;
    int word = word_place(rule, node);
    if (word >= 0) {
        value = word;
    } else if (rule->words) {
        return refuse_value(terms, node, rule);
    } else if (!(rule->option == W_OPTION_SLOPE && covariate_place(call, node, &value)) &&
               (!w_node_constant(node, &value) || !(value >= rule->least && value <= rule->most) ||
                (rule->whole && value != floor(value)))) {
        return refuse_value(terms, node, rule);
    }
    margin->options.given |= UINT32_C(1) << rule->option;
    margin->options.value[rule->option] = value;
    return WEIR_OK;
}

static bool belongs(const w_feature_rule *rule, const w_margin_spec *margin)
{
    return w_basis_featured(margin->basis) && (!rule || rule->kinds & W_FEATURE_BIT(margin->basis));
}

weir_status w_feature_argument(w_terms *terms, w_smooth_call *call, const char *name, const w_node *value)
{
    const w_feature_rule *rule = strcmp(name, "extrapolate") == 0 ? NULL : w_feature_rule_find(name);
    const w_item *item = w_node_is_call(value, "c") ? value->item : NULL;
    bool each = item != NULL;
    int given = 0;
    for (const w_item *one = item; one; one = one->next) {
        given++;
    }
    if (each && given != call->margin_count) {
        return w_formula_fail(terms->formula, value, "%s= must have one value%s", name,
                              call->margin_count > 1 ? ", or one per covariate (NA where it does not belong)" : "");
    }
    weir_status status = WEIR_OK;
    for (int m = 0; m < call->margin_count && status == WEIR_OK; m++) {
        const w_node *node = each ? w_node_strip(item->node) : value;
        bool skip = each && node->kind == W_NODE_NAME && strcmp(node->text, "NA") == 0;
        item = each ? item->next : NULL;
        if (skip || !belongs(rule, &call->margin[m])) {
            continue;
        }
        status = rule ? read_option(terms, call, node, rule, &call->margin[m]) : read_extension(terms, node, &call->margin[m]);
    }
    return status;
}
