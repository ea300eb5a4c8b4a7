/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the bases of features, by name, and the sizes that follow from them. */
#include <math.h>
#include <string.h>
#include "base/size.h"
#include "basis/features.h"

#define BIT W_FEATURE_BIT
#define PI 3.14159265358979323846
#define TREES (BIT(W_BASIS_TREE) | BIT(W_BASIS_LINTREE))
#define CODES (BIT(W_BASIS_NOMINAL) | BIT(W_BASIS_ORDINAL) | BIT(W_BASIS_CATFOURIER))

static const char *const truth_words[] = {"FALSE", "TRUE", NULL};
static const char *const act_words[] = {"cos", "relu", "tanh", NULL};
static const char *const split_words[] = {"uniform", "quantile", NULL};

static const w_feature_rule rules[] = {
    {"s", W_OPTION_S, BIT(W_BASIS_FOURIER) | BIT(W_BASIS_CHEB), false, 0, 8, NAN, NULL},
    {"scaled", W_OPTION_SCALED, BIT(W_BASIS_LINEAR), false, 1e-6, 1e6, PI, NULL},
    {"cyclic", W_OPTION_CYCLIC, BIT(W_BASIS_FOURIER), true, 0, 1, 0, truth_words},
    {"deg", W_OPTION_DEG, BIT(W_BASIS_CHEB), true, 1, 1000, 5, NULL},
    {"n_scales", W_OPTION_N_SCALES, BIT(W_BASIS_WAVELET), true, 1, 20, 5, NULL},
    {"n_locations", W_OPTION_N_LOCATIONS, BIT(W_BASIS_WAVELET), true, 2, 4096, 20, NULL},
    {"n_centers", W_OPTION_N_CENTERS, BIT(W_BASIS_RBF), true, 2, 10000, 50, NULL},
    {"gamma", W_OPTION_GAMMA, BIT(W_BASIS_RBF), false, 1e-6, 1e12, NAN, NULL},
    {"nu", W_OPTION_NU, BIT(W_BASIS_RBF), false, 0.5, 2.5, NAN, NULL},
    {"n_neurons", W_OPTION_N_NEURONS, BIT(W_BASIS_RFF), true, 2, 10000, 500, NULL},
    {"n_hidden_layers", W_OPTION_N_HIDDEN, BIT(W_BASIS_RFF), true, 1, 4, 1, NULL},
    {"act", W_OPTION_ACT, BIT(W_BASIS_RFF), true, 0, 2, 0, act_words},
    {"seed", W_OPTION_SEED, TREES | BIT(W_BASIS_RFF) | BIT(W_BASIS_RBF), true, 0, 9007199254740992.0, 42, NULL},
    {"n_cat", W_OPTION_N_CAT, CODES, true, 2, 100000, 0, NULL},
    {"p_order", W_OPTION_P_ORDER, BIT(W_BASIS_ORDINAL), true, 1, 8, 1, NULL},
    {"n_trees", W_OPTION_N_TREES, BIT(W_BASIS_TREE), true, 1, 4096, 50, NULL},
    {"max_depth", W_OPTION_MAX_DEPTH, TREES, true, 1, 20, 5, NULL},
    {"max_leaves", W_OPTION_MAX_LEAVES, TREES, true, 2, 1048576, 0, NULL},
    {"split_strategy", W_OPTION_SPLIT, TREES, true, 0, 1, 0, split_words},
    {"sp_alpha", W_OPTION_SP_ALPHA, BIT(W_BASIS_TREE), false, 0, 8, 0, NULL},
    {"slope", W_OPTION_SLOPE, BIT(W_BASIS_LINTREE), true, 1, W_MAX_MARGINS, 1, NULL},
};

const w_feature_rule *w_feature_rules(int *count)
{
    *count = (int)(sizeof rules / sizeof *rules);
    return rules;
}

const w_feature_rule *w_feature_rule_find(const char *name)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(name, rules[i].name) == 0)
            return &rules[i];
    }
    return NULL;
}

static const char *const extension_names[] = {"", "continue", "constant", "linear", "saturation"};

const char *w_extension_name(w_extension extension) { return extension_names[extension]; }

bool w_extension_parse(const char *name, w_extension *out)
{
    for (int i = W_EXTEND_CONTINUE; i <= W_EXTEND_SATURATION; i++) {
        if (strcmp(name, extension_names[i]) == 0) {
            *out = (w_extension)i;
            return true;
        }
    }
    return false;
}

bool w_basis_featured(w_basis_kind kind) { return kind >= W_BASIS_LINEAR && kind <= W_BASIS_TREE; }

bool w_basis_holds_constant(w_basis_kind kind)
{
    return !w_basis_featured(kind) || w_basis_coded(kind) || kind == W_BASIS_LINTREE;
}

bool w_basis_coded(w_basis_kind kind)
{
    return kind == W_BASIS_NOMINAL || kind == W_BASIS_ORDINAL || kind == W_BASIS_CATFOURIER;
}

bool w_feature_given(const w_margin_spec *spec, w_feature_option option) { return spec->options.given >> option & 1; }

double w_feature_value(const w_margin_spec *spec, w_feature_option option)
{
    if (w_feature_given(spec, option))
        return spec->options.value[option];
    if (option == W_OPTION_S)
        return spec->basis == W_BASIS_FOURIER ? 1 : 0;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (rules[i].option == option)
            return rules[i].preset;
    }
    return NAN;
}

static int64_t whole(const w_margin_spec *spec, w_feature_option option) { return (int64_t)w_feature_value(spec, option); }

static int64_t leaves_of(const w_margin_spec *spec)
{
    int64_t most = whole(spec, W_OPTION_MAX_LEAVES);
    return most > 0 ? most : (int64_t)1 << whole(spec, W_OPTION_MAX_DEPTH);
}

/* k= stands for the count that the basis has a name for. */
static int64_t named(const w_margin_spec *spec, w_feature_option option)
{
    return spec->k > 0 && !w_feature_given(spec, option) ? spec->k : whole(spec, option);
}

int64_t w_feature_k(const w_margin_spec *spec, int64_t categories)
{
    switch (spec->basis) {
    case W_BASIS_FOURIER: return 2 * (spec->m_count > 0 ? spec->m[0] : spec->k > 0 ? (spec->k + 1) / 2 : 10);
    case W_BASIS_CHEB: return named(spec, W_OPTION_DEG);
    case W_BASIS_WAVELET: return w_mul64(whole(spec, W_OPTION_N_SCALES), whole(spec, W_OPTION_N_LOCATIONS));
    case W_BASIS_RBF: return named(spec, W_OPTION_N_CENTERS);
    case W_BASIS_RFF: return named(spec, W_OPTION_N_NEURONS);
    case W_BASIS_NOMINAL:
    case W_BASIS_ORDINAL: {
        int64_t given = named(spec, W_OPTION_N_CAT);
        return given > 0 ? given : categories;
    }
    case W_BASIS_CATFOURIER: {
        int64_t given = whole(spec, W_OPTION_N_CAT);
        return 2 * (spec->m_count > 0 ? spec->m[0] : ((given > 0 ? given : categories) + 1) / 2);
    }
    case W_BASIS_LINTREE: return 2 * leaves_of(spec);
    case W_BASIS_TREE: return w_mul64(whole(spec, W_OPTION_N_TREES), leaves_of(spec));
    default: return 1;
    }
}

int64_t w_feature_width(const w_margin_spec *spec, int64_t k)
{
    if (w_basis_coded(spec->basis))
        return 1;
    return spec->basis == W_BASIS_LINTREE ? 2 : k;
}

int64_t w_feature_cells(const w_margin_spec *spec, int64_t k)
{
    if (spec->basis == W_BASIS_CATFOURIER)
        return w_max64(whole(spec, W_OPTION_N_CAT), k);
    return w_basis_coded(spec->basis) ? k : spec->basis == W_BASIS_LINTREE ? k / 2 : 1;
}

int64_t w_feature_rank(const w_margin_spec *spec, int64_t k)
{
    return spec->basis == W_BASIS_ORDINAL ? w_max64(k - whole(spec, W_OPTION_P_ORDER), 0) : k;
}

int64_t w_feature_parameters(const w_margin_spec *spec, int64_t k)
{
    int64_t d = spec->covariates > 1 ? spec->covariates : 1;
    switch (spec->basis) {
    case W_BASIS_WAVELET: return whole(spec, W_OPTION_N_SCALES) + whole(spec, W_OPTION_N_LOCATIONS);
    case W_BASIS_RBF: return 1 + w_mul64(d, k);
    case W_BASIS_RFF: return w_add64(w_mul64(d + 1, k), w_mul64(whole(spec, W_OPTION_N_HIDDEN) - 1, w_mul64(k, k + 1)));
    case W_BASIS_LINTREE:
    case W_BASIS_TREE: {
        int64_t trees = spec->basis == W_BASIS_TREE ? whole(spec, W_OPTION_N_TREES) : 1;
        int64_t splits = whole(spec, W_OPTION_MAX_LEAVES) > 0 ? leaves_of(spec) - 1 : whole(spec, W_OPTION_MAX_DEPTH);
        return w_mul64(trees, 2 * splits);
    }
    default: return 1;
    }
}

/* Beside what every smooth takes: parameters, map, penalty and its copies; distances of a sample of points (rbf); sorted
 * values (quantile splits); counts of leaves. */
int64_t w_feature_bytes(const w_margin_spec *spec, int64_t k, int64_t rows)
{
    int64_t parameters = w_mul64(w_feature_parameters(spec, k), 16), matrices = 0;
    if (spec->basis != W_BASIS_TREE)
        matrices = w_add64(w_mul64(w_mul64(k, k), 8 * 30),
                           w_mul64(w_mul64(w_feature_cells(spec, k), w_feature_width(spec, k)), 48 * k));
    int64_t panel = spec->basis == W_BASIS_TREE ? 0 : w_mul64(256 * 8, w_add64(w_mul64(k, 4), 16));
    int64_t sample = w_mul64(w_add64(rows, 512 * 513 / 2 + 64), 8);
    return w_add64(w_add64(parameters, matrices), w_add64(panel, w_add64(sample, w_mul64(k, 64))));
}
