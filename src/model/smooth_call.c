/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of s(), te(), ti() and t2(). */
#include <math.h>
#include <string.h>

#include "basis/features.h"
#include "model/smooth_features.h"

static const char *const basis_names[] = {"cr", "cs", "cc", "ps", "cp", "tp", "ts", "re", "fs", "sz",
                                         "mpi", "mpd", "cx", "cv", "micx", "micv", "mdcx", "mdcv", "linear", "fourier",
                                         "cheb", "wavelet", "rbf", "rff", "nominal", "ordinal", "catfourier", "lintree",
                                         "tree", NULL};
static const char *const s_arguments[] = {"bs", "by", "fx", "id", "k", "m", "sp", NULL};
static const char *const fs_arguments[] = {"bs", "k", "m", "sp", "xt", NULL};
static const char *const sz_arguments[] = {"bs", "id", "k", "m", "sp", "xt", NULL};
static const char *const t2_arguments[] = {"bs", "by", "full", "id", "k", "m", "sp", NULL};
static const char *const te_arguments[] = {"bs", "by", "fx", "id", "k", "m", "sp", NULL};
static const char *const ti_arguments[] = {"bs", "by", "fx", "id", "k", "m", "mc", "sp", NULL};
/* mgcv knows these; here they would change the fit silently if they were passed over. */
static const char *const foreign_arguments[] = {"xt", "pc", "d", "np", "full", "ord", NULL};

typedef struct reading {
    w_terms *terms;
    w_smooth_call *call;
    const w_node *node;
    const w_item *argument[W_ARGUMENT_LIMIT]; /* by position in the list of names */
    const char *const *names;
    const char *own[W_ARGUMENT_LIMIT]; /* names of a call with bases of features */
} reading;

static bool listed(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name) != 0) {
        names++;
    }
    return *names != NULL;
}

static weir_status unknown_argument(const reading *r, const w_item *item)
{
    const w_formula *f = r->terms->formula;
    if (r->names == fs_arguments || r->names == sz_arguments) {
        bool fs = r->names == fs_arguments;
        return w_formula_fail_at(f, item->start, item->end, "argument '%.40s' does not go with bs=\"%s\"; there are bs %sk m sp xt",
                                 item->name, fs ? "fs" : "sz", fs ? "" : "id ");
    }
    if (listed(item->name, foreign_arguments)) {
        return w_formula_fail_at(f, item->start, item->end, "argument '%s' of %s() is not supported", item->name,
                                 r->node->text);
    }
    const char *near = w_nearest_name(item->name, r->names);
    if (!near && r->names == r->own) {
        const char *all = "";
        for (int i = 0; r->names[i] && all; i++) {
            all = w_arena_printf(r->terms->arena, "%s %s", all, r->names[i]);
        }
        return all ? w_formula_fail_at(f, item->start, item->end, "unknown argument '%.40s' of %s(); there are%s", item->name,
                                       r->node->text, all)
                   : w_alloc_status(f->ctx);
    }
    return near ? w_formula_fail_at(f, item->start, item->end,
                                    "unknown argument '%.40s' of %s(); did you mean '%s'?", item->name,
                                    r->node->text, near)
                : w_formula_fail_at(f, item->start, item->end,
                                    "unknown argument '%.40s' of %s(); there are bs by %s id k m sp%s", item->name,
                                    r->node->text, r->call->type == W_SMOOTH_T2 ? "full" : "fx",
                                    r->call->type == W_SMOOTH_TI ? " mc" : "");
}

static weir_status sort_arguments(reading *r)
{
    for (const w_item *item = r->node->item; item; item = item->next) {
        if (!item->name) {
            r->call->covariate_count++;
            continue;
        }
        int i = 0;
        while (r->names[i] && strcmp(r->names[i], item->name) != 0) {
            i++;
        }
        if (!r->names[i]) {
            return unknown_argument(r, item);
        }
        if (r->argument[i]) {
            return w_formula_fail_at(r->terms->formula, item->start, item->end, "argument '%s' is given twice",
                                     item->name);
        }
        r->argument[i] = item;
    }
    return WEIR_OK;
}

static const w_node *value_of(const reading *r, const char *name)
{
    for (int i = 0; r->names[i]; i++) {
        if (strcmp(r->names[i], name) == 0) {
            return r->argument[i] ? w_node_strip(r->argument[i]->node) : NULL;
        }
    }
    return NULL;
}

static bool is_missing_word(const w_node *node)
{
    return node->kind == W_NODE_NAME && !node->quoted &&
           (strcmp(node->text, "NA") == 0 || strcmp(node->text, "NULL") == 0);
}

/* -1 not a truth value */
static int truth(const w_node *node)
{
    if (node->kind != W_NODE_NAME || node->quoted) {
        return -1;
    }
    return strcmp(node->text, "TRUE") == 0 || strcmp(node->text, "T") == 0    ? 1
           : strcmp(node->text, "FALSE") == 0 || strcmp(node->text, "F") == 0 ? 0
                                                                              : -1;
}

/* The elements of c(…) or the value itself; -1 with the status set when there are more than `limit`. */
static int elements(const w_node *node, int limit, const w_node **out)
{
    if (!w_node_is_call(node, "c") && !w_node_is_call(node, "list")) {
        out[0] = node;
        return 1;
    }
    int count = 0;
    for (const w_item *item = node->item; item; item = item->next) {
        if (count == limit) {
            return -1;
        }
        out[count++] = w_node_strip(item->node);
    }
    return count;
}

static weir_status read_basis(const reading *r, const w_node *node, w_basis_kind *out)
{
    const w_formula *f = r->terms->formula;
    if (node->kind != W_NODE_STRING) {
        return w_formula_fail(f, node, "bs= takes the name of a basis in quotes, as in bs=\"cr\"");
    }
    if (!w_basis_parse(node->text, out)) {
        const char *near = w_nearest_name(node->text, basis_names);
        return near ? w_formula_fail(f, node, "unknown basis '%.40s'; did you mean '%s'?", node->text, near)
                    : w_formula_fail(f, node, "unknown basis '%.40s'; there are cr cs cc ps cp tp ts re fs sz "
                                           "mpi mpd cx cv micx micv mdcx mdcv linear fourier cheb wavelet rbf rff "
                                           "nominal ordinal catfourier lintree tree",
                                     node->text);
    }
    return WEIR_OK;
}

/* One value for every margin, or one for each. */
static weir_status spread(const reading *r, const w_node *node, const char *name, int margins, const w_node **out)
{
    int count = elements(node, W_MAX_MARGINS, out);
    if (count != 1 && count != margins) {
        return w_formula_fail(r->terms->formula, node, "%s= must have one value%s", name,
                              margins > 1 ? ", or one per covariate" : "");
    }
    for (int i = 1; i < margins && count == 1; i++) {
        out[i] = out[0];
    }
    return WEIR_OK;
}

/* The margin that is a spline of one number: of bs="sz" the last. */
static w_margin_spec *curve_of(w_smooth_call *call)
{
    return &call->margin[call->type == W_SMOOTH_SZ ? call->margin_count - 1 : 0];
}

/* xt="cr" or xt=list(bs="cr"): what the curves of bs="fs" and bs="sz" are made of. */
static weir_status read_inner_basis(reading *r)
{
    const w_node *node = value_of(r, "xt");
    w_basis_kind *kind = &curve_of(r->call)->basis;
    *kind = W_BASIS_TP;
    if (node && w_node_is_call(node, "list") && node->item && !node->item->next &&
        (!node->item->name || strcmp(node->item->name, "bs") == 0)) {
        node = w_node_strip(node->item->node);
    }
    weir_status status = node ? read_basis(r, node, kind) : WEIR_OK;
    bool other = *kind == W_BASIS_RE || *kind == W_BASIS_FS || *kind == W_BASIS_SZ || w_basis_shaped(*kind) ||
                 w_basis_featured(*kind);
    if (status == WEIR_OK && other) {
        status = w_formula_fail(r->terms->formula, node, "xt= takes the basis of one curve: cr cs cc ps cp tp ts");
    }
    return status;
}

static weir_status read_bases(reading *r)
{
    w_smooth_call *call = r->call;
    for (int i = 0; call->type == W_SMOOTH_SZ && i + 1 < call->margin_count; i++) {
        call->margin[i].basis = W_BASIS_SZ;
    }
    if (call->per_level || call->type == W_SMOOTH_SZ) {
        return read_inner_basis(r);
    }
    const w_node *node = value_of(r, "bs"), *each[W_MAX_MARGINS];
    if (!node) {
        for (int i = 0; i < call->margin_count; i++) {
            call->margin[i].basis = call->type == W_SMOOTH_S ? W_BASIS_TP : W_BASIS_CR;
        }
        return WEIR_OK;
    }
    weir_status status = spread(r, node, "bs", call->margin_count, each);
    for (int i = 0; i < call->margin_count && status == WEIR_OK; i++) {
        status = read_basis(r, each[i], &call->margin[i].basis);
        if (status == WEIR_OK && (call->margin[i].basis == W_BASIS_FS || call->margin[i].basis == W_BASIS_SZ)) {
            status = w_formula_fail(r->terms->formula, each[i], "bs=\"%s\" goes with s(%s), x a number, g a category",
                                    w_basis_name(call->margin[i].basis), call->margin[i].basis == W_BASIS_FS ? "x, g" : "g, x");
        }
        if (status == WEIR_OK && call->type != W_SMOOTH_S && w_basis_shaped(call->margin[i].basis)) {
            status = w_formula_fail(r->terms->formula, each[i],
                                    "bs=\"%s\" goes with s() of one covariate: a margin of %s() keeps no shape",
                                    w_basis_name(call->margin[i].basis), r->node->text);
        }
        bool featured = w_basis_featured(call->margin[i].basis);
        if (status == WEIR_OK && call->type != W_SMOOTH_S && (featured && (call->type == W_SMOOTH_T2 ||
                                                                           call->margin[i].basis == W_BASIS_TREE))) {
            status = w_formula_fail(r->terms->formula, each[i], "bs=\"%s\" cannot be a margin of %s()",
                                    w_basis_name(call->margin[i].basis), r->node->text);
        }
        if (status == WEIR_OK && call->margin[i].basis == W_BASIS_RE) {
            status =
                w_formula_fail(r->terms->formula, each[i],
                               "a random effect cannot be a margin of %s(); use s(…, bs=\"re\")", r->node->text);
        }
    }
    return status;
}

static weir_status read_sizes(reading *r)
{
    w_smooth_call *call = r->call;
    const w_node *node = value_of(r, "k"), *each[W_MAX_MARGINS];
    if (!node || is_missing_word(node)) {
        return WEIR_OK;
    }
    int margins = call->type == W_SMOOTH_SZ ? 1 : call->margin_count;
    weir_status status = spread(r, node, "k", margins, each);
    for (int i = 0; i < margins && status == WEIR_OK; i++) {
        double k;
        if (is_missing_word(each[i]) || (w_node_constant(each[i], &k) && k == -1)) {
            continue;
        }
        if (!w_node_constant(each[i], &k) || !(k >= 1 && k <= 100000) || k != floor(k)) {
            return w_formula_fail(r->terms->formula, each[i],
                                  "k= must be a whole number from 1 to 100000, or -1 for the default");
        }
        (curve_of(call) + i)->k = (int64_t)k;
    }
    return status;
}

static weir_status read_order(const reading *r, const w_node *node, w_margin_spec *margin)
{
    const w_node *each[2];
    int count = elements(node, 2, each);
    if (count < 1) {
        return w_formula_fail(r->terms->formula, node, "m= takes one or two whole numbers");
    }
    if (count == 1 && is_missing_word(each[0])) {
        return WEIR_OK;
    }
    for (int i = 0; i < count; i++) {
        double m;
        bool harmonics = margin->basis == W_BASIS_FOURIER || margin->basis == W_BASIS_CATFOURIER;
        int least = harmonics ? 1 : -1, most = harmonics ? 5000 : 20;
        if (!w_node_constant(each[i], &m) || !(m >= least && m <= most) || m != floor(m)) {
            return w_formula_fail(r->terms->formula, each[i], "m= takes whole numbers from %d to %d", least, most);
        }
        margin->m[i] = (int)m;
    }
    margin->m_count = count;
    return WEIR_OK;
}

static weir_status read_orders(reading *r)
{
    w_smooth_call *call = r->call;
    const w_node *node = value_of(r, "m"), *each[W_MAX_MARGINS];
    if (!node || is_missing_word(node)) {
        return WEIR_OK;
    }
    if (call->type == W_SMOOTH_S || call->type == W_SMOOTH_SZ) {
        return read_order(r, node, curve_of(call));
    }
    weir_status status = spread(r, node, "m", call->margin_count, each);
    for (int i = 0; i < call->margin_count && status == WEIR_OK; i++) {
        status = read_order(r, each[i], &call->margin[i]);
    }
    return status;
}

static weir_status read_smoothing(reading *r)
{
    const w_node *node = value_of(r, "sp"), *each[16];
    if (!node || is_missing_word(node)) {
        return WEIR_OK;
    }
    int count = elements(node, 16, each);
    if (count < 1) {
        return w_formula_fail(r->terms->formula, node, "sp= takes one number per penalty");
    }
    double *sp = w_arena_alloc(r->terms->arena, (size_t)count, sizeof *sp);
    if (!sp) {
        return w_alloc_status(r->terms->formula->ctx);
    }
    for (int i = 0; i < count; i++) {
        if (!w_node_constant(each[i], &sp[i]) || !isfinite(sp[i])) {
            return w_formula_fail(r->terms->formula, each[i],
                                  "sp= takes numbers: smoothing parameters, negative = estimate");
        }
        sp[i] = sp[i] < 0 ? NAN : sp[i];
    }
    r->call->sp = sp;
    r->call->sp_count = count;
    r->call->sp_node = node;
    return WEIR_OK;
}

static weir_status read_fixed(reading *r)
{
    const w_node *node = value_of(r, "fx"), *each[W_MAX_MARGINS];
    if (!node) {
        return WEIR_OK;
    }
    int margins = r->call->margin_count ? r->call->margin_count : 1;
    weir_status status = spread(r, node, "fx", margins, each);
    for (int i = 0; i < margins && status == WEIR_OK; i++) {
        if (truth(each[i]) < 0 || truth(each[i]) != truth(each[0])) {
            return w_formula_fail(r->terms->formula, each[i],
                                  "fx= must be TRUE or FALSE, the same for all margins");
        }
        r->call->fixed = truth(each[i]) == 1;
    }
    return status;
}

/* t2(…, full = FALSE): null spaces enter the products as a whole. */
static weir_status read_full(reading *r)
{
    const w_node *node = value_of(r, "full");
    return !node || truth(node) == 0
               ? WEIR_OK
               : w_formula_fail(r->terms->formula, node,
                                "full= other than FALSE is not supported: a null space enters the products as a whole");
}

static weir_status read_id(reading *r)
{
    const w_node *node = value_of(r, "id");
    if (!node || is_missing_word(node)) {
        return WEIR_OK;
    }
    if (node->kind != W_NODE_STRING && node->kind != W_NODE_NUMBER) {
        return w_formula_fail(r->terms->formula, node, "id= takes a number or a text in quotes");
    }
    if (w_basis_shaped(r->call->margin[0].basis)) {
        return w_formula_fail(r->terms->formula, node, "id= does not go with bs=\"%s\": every shape has a basis of its own",
                              w_basis_name(r->call->margin[0].basis));
    }
    r->call->id = node->kind == W_NODE_STRING ? node->text : w_node_label(r->terms->arena, node);
    return r->call->id ? WEIR_OK : w_alloc_status(r->terms->formula->ctx);
}

/* ti() centres all its margins; mc= may say so, and nothing else. */
static weir_status read_centring(reading *r)
{
    const w_node *node = value_of(r, "mc"), *each[W_MAX_MARGINS];
    if (!node) {
        return WEIR_OK;
    }
    weir_status status = spread(r, node, "mc", r->call->margin_count, each);
    for (int i = 0; i < r->call->margin_count && status == WEIR_OK; i++) {
        double value;
        bool on = truth(each[i]) == 1 || (w_node_constant(each[i], &value) && value == 1);
        if (!on) {
            return w_formula_fail(r->terms->formula, each[i],
                                  "mc= other than TRUE is not supported: every margin of ti() is centred");
        }
    }
    return status;
}

static weir_status read_by(reading *r)
{
    const w_node *node = value_of(r, "by");
    r->call->by = r->call->per_level ? r->call->covariate[1] : -1;
    if (!node || is_missing_word(node)) {
        return WEIR_OK;
    }
    weir_status status = w_terms_atom(r->terms, node, false, &r->call->by);
    if (status == WEIR_OK && r->terms->atom[r->call->by].form == W_ATOM_POLY) {
        return w_formula_fail(r->terms->formula, node, "by= takes one variable");
    }
    r->call->by_node = node;
    return status;
}

static weir_status read_covariates(reading *r)
{
    w_smooth_call *call = r->call;
    const w_formula *f = r->terms->formula;
    int *covariate = w_arena_alloc(r->terms->arena, (size_t)call->covariate_count, sizeof *covariate);
    if (!covariate) {
        return w_alloc_status(f->ctx);
    }
    int count = 0;
    for (const w_item *item = r->node->item; item; item = item->next) {
        if (item->name) {
            continue;
        }
        const w_node *node = w_node_strip(item->node);
        if (node->kind == W_NODE_NAME && !node->quoted && strcmp(node->text, ".") == 0) {
            return w_formula_fail(f, node, "'.' cannot be a covariate: name the column");
        }
        bool category = call->random || call->type == W_SMOOTH_SZ || (call->per_level && count == 1);
        weir_status status = w_terms_atom(r->terms, node, !category, &covariate[count]);
        if (status != WEIR_OK) {
            return status;
        }
        if (category && r->terms->atom[covariate[count]].form == W_ATOM_POLY) {
            return w_formula_fail(f, node, "poly() cannot stand where a category may");
        }
        for (int i = 0; i < count; i++) {
            if (covariate[i] == covariate[count]) {
                return w_formula_fail(f, node, "the covariate %.60s stands twice",
                                      r->terms->atom[covariate[i]].label);
            }
        }
        count++;
    }
    call->covariate = covariate;
    return WEIR_OK;
}

static weir_status make_label(reading *r)
{
    w_smooth_call *call = r->call;
    w_arena *arena = r->terms->arena;
    const char *label = w_arena_printf(arena, "%s(", r->node->text);
    for (int i = 0; i < call->covariate_count && label; i++) {
        label = w_arena_printf(arena, "%s%s%s", label, i ? "," : "", r->terms->atom[call->covariate[i]].label);
    }
    call->label = label ? w_arena_printf(arena, "%s)", label) : NULL;
    if (call->per_level) {
        call->covariate_count = 1;
    }
    return call->label ? WEIR_OK : w_alloc_status(arena->ctx);
}

/* How many margins, and whether this is a random effect at all. */
static weir_status read_shape(reading *r)
{
    w_smooth_call *call = r->call;
    const w_formula *f = r->terms->formula;
    const w_node *bs = value_of(r, "bs");
    if (call->covariate_count == 0) {
        return w_formula_fail(f, r->node, "%s() needs a covariate", r->node->text);
    }
    w_basis_kind basis = W_BASIS_TP;
    if (call->type == W_SMOOTH_S && bs) {
        weir_status status = read_basis(r, bs, &basis);
        if (status != WEIR_OK) {
            return status;
        }
    }
    call->random = call->type == W_SMOOTH_S && basis == W_BASIS_RE;
    if (call->random) {
        return call->covariate_count <= 16
                   ? WEIR_OK
                   : w_formula_fail(f, r->node, "a random effect has at most 16 variables");
    }
    if (basis == W_BASIS_SZ) {
        call->type = W_SMOOTH_SZ;
        call->margin_count = call->covariate_count;
        return call->covariate_count == 2 || call->covariate_count == 3
                   ? WEIR_OK
                   : w_formula_fail(f, r->node, "bs=\"sz\" goes with s(g, x) or s(g, h, x), x a number, g and h categories");
    }
    call->per_level = basis == W_BASIS_FS;
    if (call->per_level) {
        call->margin_count = 1;
        return call->covariate_count == 2
                   ? WEIR_OK
                   : w_formula_fail(f, r->node, "bs=\"fs\" goes with s(x, g), x a number, g a category");
    }
    if (call->covariate_count > W_MAX_MARGINS) {
        return w_formula_fail(f, r->node, "%s() takes at most %d covariates", r->node->text, W_MAX_MARGINS);
    }
    call->margin_count = call->covariate_count;
    if (call->type == W_SMOOTH_S && call->covariate_count > 1) {
        bool several = basis == W_BASIS_RBF || basis == W_BASIS_RFF || basis == W_BASIS_TREE || basis == W_BASIS_LINTREE;
        if (!several && basis != W_BASIS_TP && basis != W_BASIS_TS) {
            return w_formula_fail(f, r->node, "s() with bs=\"%s\" smooths one covariate; for several write te(…), or "
                                              "s(…) with bs=\"tp\" if they have the same units",
                                  w_basis_name(basis));
        }
        call->margin_count = 1;
        call->margin[0].covariates = call->covariate_count;
    }
    return WEIR_OK;
}

static weir_status read_margins(reading *r)
{
    if (r->call->random) {
        r->call->k_unused = value_of(r, "k") || value_of(r, "m");
        return WEIR_OK;
    }
    weir_status (*const step[])(reading *) = {read_bases, read_sizes, read_orders};
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < sizeof step / sizeof *step && status == WEIR_OK; i++) {
        status = step[i](r);
    }
    return status;
}

/* What belongs to bases of features; ap= and centre= with them. */
static weir_status read_features(reading *r)
{
    w_smooth_call *call = r->call;
    weir_status status = WEIR_OK;
    call->ap = NAN;
    for (int i = 0; r->names == r->own && r->names[i] && status == WEIR_OK; i++) {
        const w_node *node = r->argument[i] ? w_node_strip(r->argument[i]->node) : NULL;
        if (!node) {
            continue;
        }
        if (strcmp(r->names[i], "centre") == 0) {
            call->uncentred = truth(node) == 0;
            status = truth(node) < 0 ? w_formula_fail(r->terms->formula, node, "centre= must be TRUE or FALSE") : WEIR_OK;
        } else if (strcmp(r->names[i], "ap") == 0) {
            call->ap_node = node;
            bool good = w_node_constant(node, &call->ap) && call->ap >= -300 && call->ap <= 300 && !value_of(r, "sp");
            status = good ? WEIR_OK
                          : w_formula_fail(r->terms->formula, node,
                                           "ap= takes a number, log10 of a fixed smoothing parameter per row, and no sp= beside it");
        } else if (strcmp(r->names[i], "extrapolate") == 0 || w_feature_rule_find(r->names[i])) {
            status = w_feature_argument(r->terms, call, r->names[i], node);
        }
    }
    return status;
}

/* The arguments that go with the basis of an s(). */
static const char *const *s_arguments_of(const w_node *node)
{
    for (const w_item *item = node->item; item; item = item->next) {
        if (item->name && strcmp(item->name, "bs") == 0) {
            const w_node *value = w_node_strip(item->node);
            bool text = value->kind == W_NODE_STRING;
            return text && strcmp(value->text, "fs") == 0   ? fs_arguments
                   : text && strcmp(value->text, "sz") == 0 ? sz_arguments
                                                            : s_arguments;
        }
    }
    return s_arguments;
}

weir_status w_terms_smooth(w_terms *terms, const w_node *node)
{
    w_smooth_call call = {.node = node, .by = -1};
    call.type = strcmp(node->text, "s") == 0    ? W_SMOOTH_S
                : strcmp(node->text, "te") == 0 ? W_SMOOTH_TE
                : strcmp(node->text, "t2") == 0 ? W_SMOOTH_T2
                                                : W_SMOOTH_TI;
    reading r = {.terms = terms, .call = &call, .node = node};
    r.names = call.type == W_SMOOTH_TE   ? te_arguments
              : call.type == W_SMOOTH_TI ? ti_arguments
              : call.type == W_SMOOTH_T2 ? t2_arguments
                                         : s_arguments_of(node);
    w_basis_kind kind[W_MAX_MARGINS];
    int bases = 0;
    for (const w_item *item = node->item; item && call.type != W_SMOOTH_T2; item = item->next) {
        bases = item->name && strcmp(item->name, "bs") == 0 ? w_feature_bases(w_node_strip(item->node), kind) : bases;
    }
    if (bases) {
        w_feature_arguments(kind, bases, call.type != W_SMOOTH_S, call.type == W_SMOOTH_TI, r.own);
        r.names = r.own;
    }
    weir_status (*const step[])(reading *) = {sort_arguments, read_shape,    read_margins, read_features, read_smoothing,
                                              read_fixed,     read_centring, read_full,    read_id,
                                              read_covariates, read_by,      make_label};
    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        weir_status status = step[i](&r);
        if (status != WEIR_OK) {
            return status;
        }
    }
    if (terms->smooth_count == W_TERMS_LIMIT) {
        return w_formula_fail(terms->formula, node, "more than %d smooths", W_TERMS_LIMIT);
    }
    w_smooth_call *grown = w_terms_grow(terms->arena, terms->smooth, terms->smooth_count, sizeof *grown);
    if (!grown) {
        return w_alloc_status(terms->formula->ctx);
    }
    terms->smooth = grown;
    grown[terms->smooth_count++] = call;
    return WEIR_OK;
}
