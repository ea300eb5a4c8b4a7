/* SPDX-License-Identifier: Apache-2.0 */
/* Trees that cut the line of one covariate, taken together. With T trees, tree t having intervals (t, j) and coefficients beta, the
 * cells u of the common refinement of all their intervals carry
 *     gamma_u = sum over t of v_tj beta_tj,   (t, j) the interval of t that holds u,
 * so that a row reads one value instead of T, and the cross-products of all T trees with each other follow from one weight N_u
 * per cell:
 *     A = G'NG,   G_(u, tj) = v_tj if u lies in interval (t, j).
 *
 * A has no fill. Eliminated in the order of their right ends, the intervals that are left and meet (t, j) all hold the last cell of
 * (t, j): one of each other tree, a clique (interval graphs are chordal). So A + S = LL' is found in one sweep over the cells with
 * a front of T x T numbers, and column (t, j) of L has T entries:
 *     F += N_u v v'                       at every cell
 *     l = F e_t / sqrt(F_tt + s_tj),   F -= l l',   row and column t of F cleared     where an interval of t ends.
 * Cells T^2 multiply-adds for the factor, 2 T per interval and vector for a solve. Source: Rose, Tarjan & Lueker (1976) for elimination
 * orders without fill. */
#ifndef W_NORMAL_OPERATOR_REFINE_H
#define W_NORMAL_OPERATOR_REFINE_H

#include "model/design.h"

#define W_REFINED_TREES 128 /* most of one refinement; more make a second one */

typedef struct w_refined_tree {
    int block;                 /* of the design */
    int64_t intervals;
    const int32_t *start;      /* intervals + 1: first cell of each, at last the number of cells */
    const int64_t *coordinate; /* intervals; -1 = no column */
    const double *value;       /* intervals: v; 0 without a column */
    const int32_t *leaf_start; /* leaves: first cell of the leaf's interval */
} w_refined_tree;

typedef struct w_refined {
    int64_t cells, steps;      /* steps: intervals of all trees */
    int trees;
    w_refined_tree *tree;
    int32_t *order;            /* steps: the tree whose next interval ends, by right end */
    double *mass;              /* cells: N */
} w_refined;

/* Blocks first … of the design that belong together with block `first`: at most W_REFINED_TREES in `member` (ascending), 1 when
 * it stands alone; 0 when `first` itself is a later member of such a set. Cells: at most *cells. Reads thresholds, and in a skeleton
 * finds every block alone. */
int w_refined_members(const w_design *design, int first, int *member, int64_t *cells);

/* Holds columns of X until w_refined_place. *out is NULL where the leaves' columns do not match their intervals. */
weir_status w_refined_create(weir_ctx *ctx, const w_design *design, int count, const int *member, w_refined **out);
/* Coordinates in the place of columns. */
void w_refined_place(const int64_t *position, w_refined *refined);
void w_refined_free(weir_ctx *ctx, w_refined *refined);
int64_t w_refined_bytes(const w_design *design, int count, const int *member, int64_t cells);

/* The cell of rows whose leaves are given: cell_i = max over t of the first cell of the interval of leaf[t][i]. */
void w_refined_cells(const w_refined *refined, const w_tile *tile, int32_t *out);

/* gamma (cells x room) of vectors k … k + m - 1 of x (coordinates x count), m <= room in 1, 2, 4, 8; and back: y = G'g. */
void w_refined_expand(const w_refined *refined, const double *x, int64_t count, int64_t k, int m, int room, double *gamma);
void w_refined_contract(const w_refined *refined, const double *g, int room, double *y, int64_t count, int64_t k, int m);
/* diagonal of A, at its coordinates. */
void w_refined_diagonal(const w_refined *refined, double *diagonal);

/* L, steps x trees: row s holds column number s of L by trees, its pivot at order[s]. penalty: diagonal of S by coordinate. A pivot
 * below W_REFINED_FLOOR times its diagonal entry is raised to that. Returns how many were. front: trees x trees + trees. */
#define W_REFINED_FLOOR 1e-12
int64_t w_refined_factor(const w_refined *refined, const double *penalty, double *factor, double *front);
double w_refined_log_det(const w_refined *refined, const double *factor); /* of LL' */
/* In place, for `count` interleaved vectors by coordinate: z := (LL')^-1 z, or z := L z. */
void w_refined_solve(const w_refined *refined, const double *factor, double *z, int64_t count);
void w_refined_root(const w_refined *refined, const double *factor, double *z, int64_t count);

#endif
