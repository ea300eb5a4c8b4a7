/* SPDX-License-Identifier: Apache-2.0 */
/* Syntax tree -> terms: what the formula asks for, before anything is known of the columns.
 *
 * An *atom* is what R calls a variable of a formula: x, log(x), I(x^2), poly(x, 2), factor(g). A parametric term is a set of
 * atoms; a:b joins sets, a*b = a + b + a:b, a/b = a + a:b, (a + b)^k all joins of up to k. Equal sets are one term. Terms
 * are ordered by the number of their atoms, then by appearance (as R's terms()). */
#ifndef W_MODEL_TERMS_H
#define W_MODEL_TERMS_H

#include "model/tree.h"
#include "table/source.h"

#define W_TERMS_LIMIT 4096

typedef enum w_atom_form { W_ATOM_NAME, W_ATOM_FACTOR_CALL, W_ATOM_EXPRESSION, W_ATOM_POLY } w_atom_form;

typedef struct w_formula_atom {
    const char *label;
    const w_node *node;
    w_atom_form form;
    const char *column;     /* NAME and FACTOR_CALL: the table's column */
    const w_node *argument; /* POLY: the expression */
    int degree;             /* POLY */
    int order;              /* of appearance among the parametric atoms, -1 = only in smooths */
} w_formula_atom;

typedef struct w_parametric {
    int count;
    const int *atom; /* by order of appearance */
    const w_node *node;
} w_parametric;

/* A call of s(), te(), ti() or t2() with its arguments read. */
typedef struct w_smooth_call {
    const w_node *node;
    const char *label; /* "s(x0)", "te(a,b)"; without the by variable */
    w_smooth_type type;
    bool random; /* bs="re" */
    int covariate_count;
    const int *covariate; /* atoms */
    int by;               /* atom, -1 = none */
    const w_node *by_node;
    int margin_count;                    /* 0 for random effects */
    w_margin_spec margin[W_MAX_MARGINS]; /* without knots */
    bool fixed;
    int sp_count;
    const double *sp;
    const w_node *sp_node;
    const char *id;
    /* bs="sz" (W_SMOOTH_SZ): the covariates are categories and one number; w_builder_atoms puts the number last, where its margin is. */
    bool per_level; /* bs="fs": a curve per level of `by`, which stands among the covariates in the formula */
    bool k_unused; /* k= given to a random effect */
    bool uncentred; /* centre=FALSE */
    double ap;      /* ap=: log10 of the smoothing parameter per row of the penalty as it stands; NaN = not given */
    const w_node *ap_node;
} w_smooth_call;

/* Nothing is centred: asked for, or trees, all of whose coefficients are penalised alike. */
static inline bool w_call_uncentred(const w_smooth_call *call)
{
    w_basis_kind basis = call->margin[0].basis;
    return call->uncentred || (call->type == W_SMOOTH_S && basis == W_BASIS_TREE);
}

typedef struct w_offset_call {
    const char *label;
    const w_node *expression;
} w_offset_call;

/* A column of the table with how it is used. */
typedef struct w_column_use {
    const char *name;
    const w_node *node;               /* where it stands first */
    bool numeric;                     /* in an expression or under a spline */
    bool bare;                        /* as a variable of its own: number or category, as the table says */
    bool category;                    /* in factor() */
    bool response, offset, predictor; /* predictor: anything but the response and the offsets */
    bool smooth;                      /* covariate of a smooth */
} w_column_use;

typedef struct w_terms {
    const w_formula *formula;
    w_arena *arena;
    bool intercept;
    bool has_dot;
    const w_node *dot;
    int atom_count;
    w_formula_atom *atom;
    int parametric_count;
    w_parametric *parametric;
    int smooth_count;
    w_smooth_call *smooth;
    int offset_count;
    w_offset_call *offset;
    int column_count;
    w_column_use *column;
    const char *response_label;
    const w_node *response; /* the expression; of cbind(a, b): a / (a + b) */
    const w_node *trials;   /* of cbind(a, b): a + b; else NULL */
} w_terms;

/* `dot`: the columns that "." stands for (dot_count of them). Everything lives in `arena`. */
weir_status w_terms_build(const w_formula *formula, w_arena *arena, const char *const *dot, int dot_count,
                          w_terms *out);
/* Everything that can be said against the formula without a table. */
weir_status w_terms_check(const w_formula *formula);

/* Used by the files of this folder that read parts of a formula. */
/* The atom of a variable; registers it and its columns. `spline`: it must be a number. */
weir_status w_terms_atom(w_terms *terms, const w_node *node, bool spline, int *out);
/* Checks an arithmetic expression and registers its columns as numeric. */
weir_status w_terms_expression(w_terms *terms, const w_node *node, w_column_use role);
weir_status w_terms_smooth(w_terms *terms, const w_node *node);
/* Room for one more element behind `count` of them: doubles the array in the arena at powers of two. NULL: no memory. */
void *w_terms_grow(w_arena *arena, void *array, int count, size_t size);

#endif
