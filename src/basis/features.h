/* SPDX-License-Identifier: Apache-2.0 */
/* Margins of features: fixed functions phi(u) of one to three covariates, each scaled to u in [-1, 1] over the data. What a
 * basis draws or places (centres, weights, thresholds) is drawn once at set-up from its own seeded generator, kept in
 * `parameter` and stored with the model.
 *
 *   basis       phi_j(u)                                                     penalty (before scaling)   cells, width
 *   linear      scaled u                                                     1                          1, 1
 *   fourier     cos(k w u), then sin(k w u), k = 1 … m; w = pi cyclic, else pi/2   1 + k^(2s)           1, 2m
 *   cheb        T_1(u) … T_deg(u)                                            1 + n^(2s)                 1, deg
 *   wavelet     (1 - z^2) exp(-z^2/2) / sqrt(a_i), z = (u - b_j)/a_i,        4^i                        1, scales x locations
 *               a_i = 0.4/2^i, b_j equispaced over [-1, 1], scale-major
 *   rbf         exp(-gamma r^2), or with nu: a = sqrt(2 nu gamma) r,         1                          1, n_centers
 *               (1 + a [nu >= 3/2] + a^2/3 [nu = 5/2]) exp(-a); r = |u - centre_j|
 *   rff         z <- act(z W + b) for every layer, last one / sqrt(n)        1                          1, n_neurons
 *   nominal     category's indicator                                         1                          n_cat, 1
 *   ordinal     category's indicator                                         D'D, p_order-th differences  n_cat, 1
 *   catfourier  cos(k pi u/2), sin(k pi u/2), u of the code over all codes   2                          n_cat, 1
 *   lintree     [leaf of a tree](u), [leaf](u) pi u_slope                    1, 2                       leaves, 2
 *   tree        B trees: leaf indicators                                     (mean C/(C_leaf + 1))^sp_alpha   see features_tree.c
 *
 * A basis whose span holds the constant (nominal, ordinal, catfourier, lintree) loses a column to the sum-to-zero constraint as any
 * spline does. The others hold no constant, or hold it only nearly: their columns lose their means instead, and none is lost.
 * Products of several margins with one of these among them are left as they are.
 *
 * Beyond the data (u outside the cube, b its nearest point, d = |u - b|, n = (u - b)/d):
 *   continue phi(u);  constant phi(b);  linear phi(b) + d s;  saturation phi(b) + s (1 - exp(-2d))/2;
 * s = (grad phi)(b)'n is analytic. A code outside its categories counts as the nearest one. */
#ifndef W_BASIS_FEATURES_H
#define W_BASIS_FEATURES_H

#include "basis/parts.h"

typedef struct w_features {
    w_extension extension;
    int covariates;
    int64_t width;          /* of phi */
    double *mean;           /* per column, or NULL: the columns are phi_j - mean_j, in the form of one more value, 1 */
    int form;               /* rff: activation; rbf: 0 Gauss, 1 … 3 Matérn 1/2, 3/2, 5/2; trees: 1 = one histogram each */
    int64_t count[3];       /* wavelet: scales, locations; rff: layers, neurons; trees: trees, splits, leaves;
                             * lintree: and which covariate has the slope in `form` >> 1 */
    double lower[W_MAX_MARGINS], upper[W_MAX_MARGINS];
    int64_t parameter_count;
    double *parameter;      /* linear: scaled; fourier: w; wavelet: a, b; rbf: gamma, centres (covariates x n);
                             * rff: W_1 (covariates x n), b_1, W_2 (n x n), b_2 …; categories: first code;
                             * trees: per tree and split its covariate and its threshold */
    int64_t leaf_count;     /* tree: trees x leaves; else 0 */
    double *leaf_weight;    /* what the leaf's column holds; 0 = no column, for a leaf without set-up rows */
    int32_t *leaf_column;   /* -1 = none */
} w_features;

/* Options by name. kinds: bits 1 << kind - W_BASIS_LINEAR. words: what a text may be, value = position; NULL = a number. */
typedef struct w_feature_rule {
    const char *name;
    w_feature_option option;
    uint32_t kinds;
    bool whole;
    double least, most, preset;
    const char *const *words;
} w_feature_rule;

#define W_FEATURE_BIT(kind) (1u << ((kind) - W_BASIS_LINEAR))
const w_feature_rule *w_feature_rules(int *count);
const w_feature_rule *w_feature_rule_find(const char *name);
const char *w_extension_name(w_extension extension);
bool w_extension_parse(const char *name, w_extension *out);
/* The value of an option, or what it is when not given. */
double w_feature_value(const w_margin_spec *spec, w_feature_option option);
bool w_feature_given(const w_margin_spec *spec, w_feature_option option);

/* Coefficients that the formula asks for (n_cat = 0: `categories`), rank of the penalty, and parts for skeletons. */
int64_t w_feature_k(const w_margin_spec *spec, int64_t categories);
int64_t w_feature_width(const w_margin_spec *spec, int64_t k);
int64_t w_feature_cells(const w_margin_spec *spec, int64_t k);
int64_t w_feature_rank(const w_margin_spec *spec, int64_t k);
int64_t w_feature_parameters(const w_margin_spec *spec, int64_t k);
int64_t w_feature_bytes(const w_margin_spec *spec, int64_t k, int64_t rows);

/* Builds the margin of covariates first … of the data. */
weir_status w_margin_features(w_arena *arena, w_arena *work, const char *label, const w_margin_spec *spec,
                              const w_smooth_data *data, int first, w_margin *out, const char **note);
/* Columns less their means (k values, copied): how a basis is centred in whose span no constant lies. */
weir_status w_features_centre(w_arena *arena, w_margin *margin, const double *mean);
/* Rebuilds one from its stored parts; arrays are taken over. map: cells x width x k, NULL = identity. */
weir_status w_features_restore(w_arena *arena, w_basis_kind kind, const w_features *features, int64_t k, double *map,
                               w_margin *out);

void w_features_eval(const w_margin *margin, const double *const *x, int64_t rows, int32_t *cell, double *value, double *scratch);
int64_t w_features_doubles(const w_margin *margin);

/* features_row.c: phi at a point of the scaled covariates and, if `slope`, its derivative in direction n. scratch: doubles. */
void w_feature_row(const w_margin *margin, const double *u, const double *n, double *phi, double *slope, double *scratch);

/* features_tree.c */
weir_status w_features_plant(w_arena *arena, w_arena *work, const w_margin_spec *spec, const w_smooth_data *data, int first,
                             w_features *out);
int64_t w_features_leaf(const w_features *features, int64_t tree, const double *u);
/* leaf_column from leaf_weight; returns how many columns there are. */
int64_t w_features_number_leaves(w_features *features);
/* Leaves of tree number `tree` at rows of the covariates as they are. */
void w_features_leaves(const w_features *features, int64_t tree, const double *const *x, int64_t rows, int32_t *leaf);
/* A smooth of trees as a whole: no dense penalty, columns B x leaves, not centred. */
weir_status w_smooth_trees(w_arena *arena, w_arena *work, const w_smooth_spec *spec, const w_smooth_data *data, w_smooth *smooth);

static inline double w_feature_scaled(const w_features *f, int c, double x)
{
    return 2 * ((x - f->lower[c]) / (f->upper[c] - f->lower[c])) - 1;
}

#endif
