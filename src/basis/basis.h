/* SPDX-License-Identifier: Apache-2.0 */
/* Smooth terms as the rooms below see them.
 *
 * Local form. Every basis is stored piecewise: a covariate value x falls into one *cell* c (an interval between
 * break points) and yields `width` numbers v (the Bernstein polynomials of x's position in the interval for
 * cubics). The row of the design matrix is then  v' M_c  with a fixed width x k map M_c per cell. Cross-products can
 * therefore be accumulated per pair of cells as small width x width blocks and mapped to coefficients once at the end:
 *     X_a'WX_b = sum_{c,d} M_c' ( sum_{rows in (c,d)} w v_a v_b' ) M_d            (exact, whatever k is)
 *
 * A *factor* margin (kind W_BASIS_SZ) has a cell per level, the value 1 and a row of contrasts as map.
 * A *joint* margin takes several covariates together (thin plate splines of two or three): one cell, its k columns as
 * values, M = identity. Its values are [eta(|x - x_1|) … eta(|x - x_n|), polynomials] times an (n + null) x k matrix of weights.
 *
 * A tensor product of d covariates has d margins; its raw coefficients are the row-Kronecker product of the margins' (first
 * margin slowest), K = prod k_i; a dense K x k `transform` then absorbs re-parameterisation, centring and dropped
 * columns: X = X_raw T, S = T' S_raw T.
 *
 * Definitions (knots, penalties, scaling, constraints) are those of Wood, Generalized Additive Models (2017), ch. 5,
 * with mgcv's defaults, so that fits agree with it. */
#ifndef W_BASIS_BASIS_H
#define W_BASIS_BASIS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"

#define W_MAX_MARGINS 3 /* covariates of a smooth, too */
#define W_MAX_PENALTIES 64

typedef enum w_basis_kind {
    W_BASIS_CR, W_BASIS_CS, W_BASIS_CC, W_BASIS_PS, W_BASIS_CP, W_BASIS_TP, W_BASIS_TS, W_BASIS_RE,
    W_BASIS_FS, /* a curve per level of a factor: formulas only, its margin has a kind of its own */
    W_BASIS_SZ, /* deviations per level that sum to zero: the kind of the factor's margin, w_margin_contrast */
    W_BASIS_MPI, W_BASIS_MPD, W_BASIS_CX, W_BASIS_CV, W_BASIS_MICX, W_BASIS_MICV, W_BASIS_MDCX, W_BASIS_MDCV, /* ps under
        * a shape constraint: basis/margin_shape.c */
    W_BASIS_LINEAR, W_BASIS_FOURIER, W_BASIS_CHEB, W_BASIS_WAVELET, W_BASIS_RBF, W_BASIS_RFF, /* margins of features: */
    W_BASIS_NOMINAL, W_BASIS_ORDINAL, W_BASIS_CATFOURIER, W_BASIS_LINTREE, W_BASIS_TREE       /* basis/features.h */
} w_basis_kind;

/* "cr" -> kind; false if unknown. w_basis_name is the inverse. */
bool w_basis_parse(const char *name, w_basis_kind *out);
const char *w_basis_name(w_basis_kind kind);
bool w_basis_shaped(w_basis_kind kind); /* has a shape constraint */
bool w_basis_featured(w_basis_kind kind); /* basis/features.h */
bool w_basis_holds_constant(w_basis_kind kind);
bool w_basis_coded(w_basis_kind kind);    /* its covariate is the number of a category */

/* What a formula may say of a margin of features, by name; see w_feature_rule. */
typedef enum w_extension {
    W_EXTEND_DEFAULT, W_EXTEND_CONTINUE, W_EXTEND_CONSTANT, W_EXTEND_LINEAR, W_EXTEND_SATURATION
} w_extension;
typedef enum w_feature_option {
    W_OPTION_S, W_OPTION_SCALED, W_OPTION_CYCLIC, W_OPTION_DEG, W_OPTION_N_SCALES, W_OPTION_N_LOCATIONS, W_OPTION_N_CENTERS,
    W_OPTION_GAMMA, W_OPTION_NU, W_OPTION_N_NEURONS, W_OPTION_N_HIDDEN, W_OPTION_ACT, W_OPTION_SEED, W_OPTION_N_CAT,
    W_OPTION_P_ORDER, W_OPTION_N_TREES, W_OPTION_MAX_DEPTH, W_OPTION_MAX_LEAVES, W_OPTION_SPLIT, W_OPTION_SP_ALPHA,
    W_OPTION_SLOPE, W_OPTION_COUNT
} w_feature_option;
typedef struct w_feature_options {
    w_extension extension;
    uint32_t given;                 /* bit 1 << option */
    double value[W_OPTION_COUNT];
} w_feature_options;

typedef struct w_margin_spec {
    w_basis_kind basis;
    int covariates;         /* 0, 1; 2 or 3: tp and ts of several covariates together */
    int64_t k;              /* 0 = default; reduced to the number of distinct values with a note if larger */
    int m_count, m[2];      /* ps, cp: m[0]+1 = polynomial degree, m[1] = difference order; tp: m[0] = derivative order */
    int64_t knot_count;     /* user's knots (all, or for cyclic and ps the two ends); 0 = from the data */
    const double *knot;
    w_feature_options options; /* margins of features */
} w_margin_spec;

/* k when the formula gives none: 10, or 5 in a tensor product; the null space plus 27 or 100 for two or three covariates. */
/* Directions the penalty of one covariate's basis leaves free. */
int64_t w_basis_null(const w_margin_spec *spec);
int64_t w_basis_default_k(const w_margin_spec *spec, bool tensor_margin);
/* Joint thin plates: derivative order (the smallest m with 2m > d + 1 unless given) and polynomials below it. */
int w_plate_order(const w_margin_spec *spec);
int64_t w_plate_polynomials(int covariates, int order);

typedef struct w_margin {
    w_basis_kind kind;
    int64_t k;              /* coefficients of this margin in raw form */
    int width;              /* values per row: 4; of a joint margin k */
    int covariates;         /* 0, 1; of a joint margin 2 or 3 */
    int64_t cells;          /* break_count - 1 intervals, then one for x below and one for x above the breaks */
    double *map;            /* cells x width x k, row-major: M_c[r][j] = map[(c*width + r)*k + j] */
    int64_t break_count;
    double *break_point;    /* ascending */
    bool cyclic;            /* x is wrapped into [break_0, break_last); the outer cells are then never used */
    double *penalty;        /* k x k symmetric */
    int64_t rank;           /* of the penalty */
    int64_t knot_count;     /* the knots as mgcv would report them */
    double *knot;           /* of a joint margin covariates x knot_count */
    int order;              /* joint: derivatives penalised */
    double centre[W_MAX_MARGINS]; /* joint: what polynomials are relative to */
    double *weight;         /* joint: (knot_count + polynomials) x k */
    double *knot_value;     /* joint, when every point of the data is a knot: knot_count x k, the rows at the knots; else NULL */
    int32_t *knot_slot;     /* knot_slots, a power of two: open addresses of knots by their hash, -1 = free */
    int64_t knot_slots;
    double *inverse_width;  /* break_count - 1: 1 / (break_{i+1} - break_i) */
    double lookup_scale;    /* look-up table of intervals: bucket = (x - break_0) * lookup_scale */
    int64_t lookup_count;
    int64_t lookup_steps;   /* most breaks in one bucket: how often an interval found by table may have to advance */
    int32_t *lookup;        /* lookup_count + 1 */
    const struct w_features *features; /* NULL, or how rows are evaluated: basis/features.h */
    bool identity;          /* of features: one cell and M = I */
} w_margin;

/* Cells and values of `rows` covariate values. cell[i] in 0 … cells-1, value[i*width + r]. x must be finite.
 * A NaN would be mapped to cell 0 with zero values. Any thread; no allocation. */
void w_margin_eval(const w_margin *margin, const double *x, int64_t rows, int32_t *cell, double *value);
/* The same of a joint margin: value is rows x k; a row with a NaN gets zeros. A row's bits do not depend on the others.
 * scratch: w_joint_doubles. */
void w_joint_eval(const w_margin *margin, const double *const *x, int64_t rows, double *value, double *scratch);
int64_t w_joint_doubles(const w_margin *margin);
/* A margin of any kind but a factor: x has its covariates; cell rows, value rows x width. scratch: w_margin_doubles. */
void w_margin_rows(const w_margin *margin, const double *const *x, int64_t rows, int32_t *cell, double *value, double *scratch);
int64_t w_margin_doubles(const w_margin *margin);
/* Rebuilds a margin from its stored parts (a model file): breaks and map are copied into the arena. */
weir_status w_margin_restore(w_arena *arena, w_basis_kind kind, bool cyclic, int64_t k, int64_t break_count,
                             const double *break_point, const double *map, w_margin *out);
/* A factor as a margin: its levels are the cells, width 1, k = levels - 1, map = sum-to-zero contrasts (the identity above a
 * row of -1). Values are 1; there is no w_margin_eval. */
weir_status w_margin_contrast(w_arena *arena, int64_t levels, w_margin *out);
/* The same of a joint margin: knots, centre and weights are copied. */
weir_status w_joint_restore(w_arena *arena, w_basis_kind kind, int covariates, int order, int64_t k, int64_t knot_count,
                            const double *knot, const double *centre, const double *weight, w_margin *out);

typedef enum w_smooth_type {
    W_SMOOTH_S, W_SMOOTH_TE, W_SMOOTH_TI,
    W_SMOOTH_T2, /* tensor product of separated margins: one penalty for each product but that of the null spaces */
    W_SMOOTH_SZ  /* a curve (the last margin) per combination of levels of one or two factors (the margins before) */
} w_smooth_type;

typedef struct w_smooth_spec {
    const char *label;      /* for messages: "s(x0)" */
    w_smooth_type type;
    int margin_count;
    w_margin_spec margin[W_MAX_MARGINS];
    bool centre;            /* absorb the sum-to-zero constraint over the set-up rows (s, te; ti centres its margins) */
    bool select;            /* extra penalty on the null space */
    bool fixed;             /* fx=TRUE: no penalty */
    bool natural;           /* natural parameterisation, everything penalised, not centred; one margin (fs) */
    bool shared;            /* sz: one smoothing parameter for all levels, not one for each */
    int64_t levels[W_MAX_MARGINS]; /* sz: of the factors */
} w_smooth_spec;

typedef struct w_penalty {
    double *matrix;         /* k x k symmetric, after transform and scaling */
    int64_t rank;
    double scale;           /* S.scale: matrix = (raw penalty) / scale; sp on mgcv's unscaled penalty = sp / scale */
    double log_det;         /* log of the product of the positive eigenvalues (for absolute REML) */
} w_penalty;

typedef enum w_logdet_form {
    W_LOGDET_SEPARATE,      /* ranges of the penalties are orthogonal: sum_j rank_j rho_j + const */
    W_LOGDET_KRONECKER,     /* sum over index tuples of log(sum_i lambda_i a_i[r_i]) + const */
    W_LOGDET_NONE,          /* unpenalised */
    W_LOGDET_HARMONIC,      /* power (sum_j rho_j + log sum_j 1 / lambda_j) + const */
    W_LOGDET_CONTRASTS      /* power log|C'diag(lambda)C| + const, C the Kronecker product of two factors' contrasts */
} w_logdet_form;

typedef struct w_smooth {
    const char *label;
    w_smooth_type type;
    int margin_count;
    w_margin margin[W_MAX_MARGINS];
    int64_t raw_columns;    /* K */
    int64_t columns;        /* k */
    double *transform;      /* K x k row-major; NULL = identity */
    int penalty_count;
    w_penalty penalty[W_MAX_PENALTIES];
    int64_t null_dimension; /* of the sum of the penalties, within the k columns */
    w_logdet_form logdet_form;
    int64_t eigen_count[W_MAX_MARGINS];
    double *eigen[W_MAX_MARGINS]; /* Kronecker form: eigenvalues of the scaled marginal penalties, >= 0 */
    double *constraint_weight; /* K, Kronecker form of a centred smooth whose joint penalty has no null space, else
                                * NULL: squares of the constraint in the joint eigenbasis;
                                * log|Z'SZ| = log|S| + log sum_r w_r / s_r + const */
    int form_penalties;     /* harmonic, contrasts: the penalties that the formula covers, the first ones */
    double form_power;
    double logdet_constant; /* such that w_smooth_logdet equals log|sum_j lambda_j S_j|_+ exactly */
    double *column_mean;    /* k: means of the columns over the set-up rows (0 after centring) */
    const char *note;       /* NULL, or a remark such as "k reduced from 10 to 7: only 7 distinct values" */
} w_smooth;

/* A smooth of trees (basis/features_tree.c): their number and leaves, per leaf of tree number `tree` what its column holds and
 * which one it is (-1 none; NULL in a skeleton: one each), and the leaves at rows of the covariates. */
bool w_smooth_is_trees(const w_smooth *smooth);
int64_t w_trees_count(const w_smooth *smooth, int64_t *leaves);
const double *w_trees_weight(const w_smooth *smooth, int64_t tree);
const int32_t *w_trees_column(const w_smooth *smooth, int64_t tree);
void w_trees_leaves(const w_smooth *smooth, int64_t tree, const double *const *x, int64_t rows, int32_t *leaf);
/* A tree all of whose splits are of one covariate cuts its line into intervals: returns how many, 0 for other trees and in a
 * skeleton. `threshold` (count - 1 of them, ascending, distinct; room for leaves - 1) and `leaf` of each interval unless NULL. */
int64_t w_trees_intervals(const w_smooth *smooth, int64_t tree, int *covariate, double *threshold, int32_t *leaf);

/* Set-up rows: joint values of the covariates, finite, in the caller's memory. `lower`/`upper` are the true range of each
 * covariate over all data (the rows may be a sample that misses the extremes). */
typedef struct w_smooth_data {
    int64_t rows;
    const double *x[W_MAX_MARGINS];
    double lower[W_MAX_MARGINS], upper[W_MAX_MARGINS];
} w_smooth_data;

/* Builds a smooth; all arrays live in `arena`. Errors: WEIR_E_DATA (constant covariate, too few distinct values),
 * WEIR_E_FORMULA (k too small, wrong m or knots), with the label in the message. */
weir_status w_smooth_build(w_arena *arena, const w_smooth_spec *spec, const w_smooth_data *data, w_smooth *out);
/* Upper bound of what w_smooth_build takes, for plans. */
int64_t w_smooth_bytes(const w_smooth_spec *spec, int64_t rows);

/* log|S_lambda|_+ of one smooth at rho = log(lambda) (penalty_count values), its gradient and Hessian with respect to
 * rho; gradient and hessian may be NULL. */
void w_smooth_logdet(const w_smooth *smooth, const double *rho, double *value, double *gradient, double *hessian);

/* Shape constraints hold where the columns from w_smooth_signed on have non-negative coefficients (none: `columns`). On the face
 * where the columns marked in `fixed` (columns entries, NULL = none) have coefficient 0, the only penalty has this rank and log of
 * the product of its positive eigenvalues, comparable between faces: see margin_shape.c. */
int64_t w_smooth_signed(const w_smooth *smooth);
weir_status w_smooth_face(weir_ctx *ctx, const w_smooth *smooth, const uint8_t *fixed, int64_t *rank, double *log_det);

/* Dense design rows, slow and obvious: out is rows x smooth->columns row-major. The reference for tests; also used where
 * p is tiny. */
weir_status w_smooth_rows(weir_ctx *ctx, const w_smooth *smooth, int64_t rows, const double *const *x, double *out);

#endif
