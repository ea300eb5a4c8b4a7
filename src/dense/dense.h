/* SPDX-License-Identifier: Apache-2.0 */
/* Dense symmetric kernels. Matrices are column-major float64; n x n ones are contiguous (leading dimension n).
 *
 * Everything runs one-threaded BLAS calls in a fixed order; above W_CHOL_TILED columns the work is cut into square tiles
 * of W_CHOL_TILE and the tiles of one step are shared out over the pool. Tile and cut depend on n alone, so the bits do not
 * depend on the number of threads. */
#ifndef W_DENSE_DENSE_H
#define W_DENSE_DENSE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/ctx.h"

#define W_CHOL_TILE 160
#define W_CHOL_TILED 480

/* ---- Cholesky: A = R'R, R upper ---------------------------------------------------------------------------------- */

/* Factors the upper triangle of `a` in place; the strict lower triangle is neither read nor written. *failed: 0, or the
 * 1-based number of the first pivot that is not positive (the contents are then undefined). */
weir_status w_chol_factor(weir_ctx *ctx, int64_t n, double *a, int64_t *failed);
/* Solves A X = B in place for `count` right-hand sides (n x count). */
void w_chol_solve(int64_t n, const double *factor, double *b, int64_t count);
/* A^-1, both triangles, from the factor. `work`: n x n (used when tiled; may be NULL for n <= W_CHOL_TILED). `out` may not
 * overlap `factor`. */
weir_status w_chol_inverse(weir_ctx *ctx, int64_t n, const double *factor, double *out, double *work);
/* log det A = 2 sum log R_ii. */
double w_chol_log_det(int64_t n, const double *factor);
/* Estimate of the 1-norm condition number of A from its factor and its 1-norm; infinity when singular to working
 * precision. work: 3n doubles; iwork: n int32. */
double w_chol_condition(int64_t n, const double *factor, double norm, double *work, int32_t *iwork);

/* Diagonally pivoted, blocked: P'AP = R'R with R_11 >= R_22 >= …; stops when the largest remaining pivot is <= tolerance.
 * pivot (n): pivot[i] = column of A in place i. Returns the rank. The rows of R beyond the rank are zeroed. Upper triangle in place;
 * work: 2n doubles. */
int64_t w_chol_pivot(int64_t n, double *a, int64_t *pivot, double tolerance, double *work);

/* ---- small matrices, k x k, no BLAS call ------------------------------------------------------------------------- */

/* Upper factor of the symmetric k x k `a` (upper triangle read) into `r` (lower triangle zeroed). A pivot at or below
 * tolerance * a_ii drops its column: row and column of r are zero but for r_ii = 0. Returns the number of kept columns;
 * *log_det adds up over them. `r` may be `a`. */
int64_t w_small_chol(int64_t k, const double *a, double tolerance, double *r, double *log_det);
/* Inverse (zero in dropped rows and columns) from that factor, both triangles. `out` may not overlap `r`. */
void w_small_inverse(int64_t k, const double *r, double *out);

/* ---- symmetric eigenproblem -------------------------------------------------------------------------------------- */

/* a (n x n, upper triangle read) is replaced by the eigenvectors (columns) when `vectors`; values ascending. Workspace is
 * taken from the ledger. WEIR_E_NUMERIC when it does not converge or the matrix is not finite. */
weir_status w_eigen_symmetric(weir_ctx *ctx, int64_t n, double *a, double *value, bool vectors);
int64_t w_eigen_bytes(int64_t n);

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

/* Copies the upper triangle to the lower. */
void w_mirror_upper(int64_t n, double *a);
/* Dot product of two vectors in a fixed order (four partial sums). */
double w_dot(int64_t n, const double *x, const double *y);

#endif
