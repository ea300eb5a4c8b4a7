/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: ordered values, quantiles, small dense algebra, and one builder per
 * family of margins. Matrices are row-major. Everything is taken from arenas: `arena` keeps, `work` is freed
 * after the set-up. */
#ifndef W_BASIS_PARTS_H
#define W_BASIS_PARTS_H

#include "basis/basis.h"

/* The distinct values of one covariate, ascending, with the true ends of its range among them. */
typedef struct w_distinct {
    int64_t count;
    double *value;
    double mean; /* over the set-up rows */
} w_distinct;

weir_status w_distinct_build(w_arena *work, const char *label, int64_t rows, const double *x, double lower,
                             double upper, w_distinct *out);
/* Quantiles at the `count` equispaced probabilities 0 … 1 of the ascending values, by linear interpolation of
 * order statistics. */
void w_distinct_quantiles(const w_distinct *distinct, int64_t count, double *out);

/* What a margin builder is given: `k` is resolved, knots are sorted and finite. */
typedef struct w_margin_input {
    w_arena *arena, *work;
    const char *label;
    const w_margin_spec *spec;
    int64_t k;
    const double *knot; /* spec->knot, ascending */
    const w_distinct *distinct;
    int64_t rows;
    const double *x;
} w_margin_input;

/* Smallest k of a kind, and a margin of any kind. `note` receives NULL or a remark. */
int64_t w_basis_least_k(const w_margin_spec *spec);
weir_status w_margin_build(w_arena *arena, w_arena *work, const char *label, const w_margin_spec *spec,
                           bool tensor, int64_t rows, const double *x, double lower, double upper, w_margin *out,
                           const char **note);
weir_status w_margin_cubic(const w_margin_input *in, w_margin *out);     /* cr, cs, cc */
weir_status w_margin_bspline(const w_margin_input *in, w_margin *out);   /* ps, cp, shapes */
/* B and T of a centred smooth of a shaped margin, k x (k - 1), T in `arena`, B in `work`: see margin_shape.c. column_sum: of the raw
 * design over `rows`. */
weir_status w_margin_shape(w_arena *arena, w_arena *work, const w_margin *margin, const double *column_sum, int64_t rows,
                           double **uncentred, double **centred);
weir_status w_margin_thinplate(const w_margin_input *in, w_margin *out); /* tp, ts */

/* Allocates break points and maps (zeroed) of a margin with k and break_count set. */
weir_status w_margin_allocate(w_arena *arena, w_margin *margin);
/* With breaks and the maps of the interior cells in place: the two outer cells, the look-up table, the
 * reciprocals. */
weir_status w_margin_finish(w_arena *arena, w_margin *margin);
/* M_c <- M_c R, S <- R'SR, k <- columns, for a k x columns matrix R. */
weir_status w_margin_transform(w_arena *arena, w_arena *work, w_margin *margin, int64_t columns, const double *r);

/* Sums over the set-up rows of one smooth in raw columns: column_sum (raw_columns) and the largest row sum of
 * |X|. */
weir_status w_smooth_sums(w_arena *work, const w_smooth *smooth, const w_smooth_data *data, double *column_sum,
                          double *largest_row);
/* Transform and penalties of a smooth of one margin in its natural parameterisation (smooth_natural.c). */
weir_status w_smooth_natural(w_arena *arena, w_arena *work, w_smooth *smooth, const w_smooth_data *data);
/* Margins, transform and penalties of a t2 (smooth_separated.c) and of an sz (smooth_levels.c), with the log-determinant. */
weir_status w_smooth_separated(w_arena *arena, w_arena *work, const w_smooth_spec *spec, const w_smooth_data *data,
                               w_smooth *smooth);
weir_status w_smooth_levels(w_arena *arena, w_arena *work, const w_smooth_spec *spec, const w_smooth_data *data, w_smooth *smooth);
/* Function values at k equispaced points as coefficients of a margin; left alone where that is badly
 * conditioned. */
weir_status w_margin_to_values(w_arena *arena, w_arena *work, const char *label, w_margin *margin, double lower,
                               double upper);

/* Small dense algebra. Eigen: `a` (n x n symmetric) is overwritten by the eigenvectors, one per ROW; values
 * ascend. */
weir_status w_small_eigen(w_arena *work, int64_t n, double *a, double *value);
weir_status w_small_eigenvalues(w_arena *work, int64_t n, double *a, double *value); /* `a` is destroyed */
/* out (q x q) = T'ST, exactly symmetric; T is n x q. */
weir_status w_small_congruence(w_arena *work, int64_t n, int64_t q, const double *t, const double *s, double *out);
/* out (m x q) = A (m x n) B (n x q). */
weir_status w_small_multiply(weir_ctx *ctx, int64_t m, int64_t n, int64_t q, const double *a, const double *b,
                             double *out);
/* z (n x (n-1)): orthonormal columns orthogonal to c, from the reflection that maps c to the first or the last
 * axis. */
void w_small_null_basis(int64_t n, const double *c, bool last, double *z);
/* Largest column sum of |A|. */
double w_small_norm1(int64_t n, const double *a);

/* Kronecker form of a finished tensor smooth: spectra of the scaled marginal penalties, constraint weights,
 * constant. `eigenvalue` are those of margin[m].penalty; constraint (raw_columns) is NULL when none was
 * absorbed. */
weir_status w_smooth_logdet_setup(w_arena *arena, w_arena *work, w_smooth *smooth, double *const *eigenvalue,
                                  const double *constraint);

#endif
