/* SPDX-License-Identifier: Apache-2.0 */
/* How a design evaluates a tile: the private half of w_design.
 *
 *   atoms     variables: a number per row (an expression; poly() gives several) or a category (a code per row)
 *   codes     joint codes of several categories, the first running fastest; shared by all blocks that need them
 *   products  numeric columns: products of atoms' values; the empty product is 1 */
#ifndef W_MODEL_PROGRAM_H
#define W_MODEL_PROGRAM_H

#include "model/design.h"
#include "model/expr.h"
#include "model/terms.h"

typedef struct w_atom {
    const char *label;
    bool category;
    const w_expr *expr;         /* numbers; poly(): its argument */
    int column;                 /* of the design: a plain number or a category; -1 = an expression */
    int degree;                 /* poly(): values per row; else 0 */
    const double *alpha, *norm; /* poly(): degree, degree + 1 (see poly.h) */
    int64_t level_count;
    const char *const *level;
    const double *number; /* category of a numeric column: its levels ascending */
} w_atom;

typedef struct w_factor { /* of a product: component `part` of atom */
    int atom, part;
} w_factor;

typedef struct w_multiple { /* a product of values */
    int count;
    const w_factor *factor;
} w_multiple;

typedef struct w_joint_code {
    int count;
    const int *atom;
    int64_t levels;
    const w_smooth *trees; /* not NULL: the leaf of tree number `tree` at the atoms, which are numbers */
    int64_t tree;
} w_joint_code;

typedef struct w_block_program {
    const w_multiple *dense; /* DENSE: width - 1 */
    w_multiple multiple;     /* FACTOR, SMOOTH: times this; empty = 1 */
    int covariate[W_MAX_MARGINS];
    int level_code[W_MAX_MARGINS]; /* of a margin that is a factor */
    const double *level_value;     /* FACTOR: times this, one per level; NULL = 1 */
} w_block_program;

struct w_design_program {
    int atom_count;
    w_atom *atom;
    const w_expr *response;
    const w_expr *trials; /* of cbind(a, b): a + b, which weights are multiplied by; else NULL */
    const w_expr **offset;
    int code_count;
    w_joint_code *code;
    w_block_program *block;
    int depth;        /* of the deepest expression's stack */
    bool *needed;     /* per design column: read for predictions too */
    bool all_present; /* the scan of the training table met no missing value */
    /* Per design column: level of the training table -> level here, -1 where no row counts; NULL = same. */
    const int32_t **training;
    int64_t *training_levels;
    const char *const *dot; /* what "." stood for */
    int dot_count;
    const char *weights;        /* as given; NULL */
    const char *start;          /* the same of the column of the series */
    int smooth_count;           /* calls of s(), te(), ti() in formula order */
    w_smooth *const *smooth;    /* NULL for random effects */
    const double *random_scale; /* S.scale of random effects */
};

#endif
