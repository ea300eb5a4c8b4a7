/* SPDX-License-Identifier: Apache-2.0 */
/* Dense symmetric kernels. Matrices are column-major float64; n x n ones are contiguous (leading dimension n).
 *
 * Work is cut into tiles by n alone and shared out over the pool; every element is summed in a fixed order: the bits do not
 * depend on the number of threads. Kernels and tiles: panel.h, chol.h, level3.h; up to 520 KiB of stack per thread, no
 * allocation where none is named. What small matrices leave to LAPACK runs on one thread. */
#ifndef W_DENSE_DENSE_H
#define W_DENSE_DENSE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/ctx.h"

#define W_CHOL_TILE 144
#define W_CHOL_TILED 32 /* columns beyond which the tiles take over */

/* ---- Cholesky: A = R'R, R upper ---------------------------------------------------------------------------------- */

/* Factors the upper triangle of `a` in place; the strict lower triangle is neither read nor written. *failed: 0, or the
 * 1-based number of the first pivot that is not positive (the contents are then undefined); NaN is not. */
weir_status w_chol_factor(weir_ctx *ctx, int64_t n, double *a, int64_t *failed);

/* Factors A + delta diag(T): delta = 0 first and, only after a failed pivot, n eps, 10 n eps, 100 n eps, … until there is a
 * factor. T_i = scale[i] (n, positive: the diagonal a system is scaled by), or tr|A|/n for all i when scale is NULL. */
#define W_JITTER_TRIES 12
typedef struct w_jitter {
    double delta;   /* in use; 0 when A itself has a factor */
    int tries;      /* deltas tried beyond 0 */
    int64_t failed; /* 0, or the first bad pivot with the largest delta: no factor, contents undefined */
} w_jitter;
weir_status w_chol_factor_jitter(weir_ctx *ctx, int64_t n, double *a, const double *scale, w_jitter *out);
int64_t w_chol_jitter_bytes(int64_t n); /* a copy of the upper triangle, while it runs */

/* Solves A X = B in place for `count` right-hand sides (n x count), on the calling thread. */
void w_chol_solve(int64_t n, const double *factor, double *b, int64_t count);
/* The same over the pool. */
weir_status w_chol_solve_many(weir_ctx *ctx, int64_t n, const double *factor, double *b, int64_t count);
/* A^-1, both triangles, from the factor; WEIR_E_NUMERIC for a zero on its diagonal. `out` may not overlap `factor`; `work` is
 * not used and may be NULL. */
weir_status w_chol_inverse(weir_ctx *ctx, int64_t n, const double *factor, double *out, double *work);
/* log det A = 2 sum log R_ii. */
double w_chol_log_det(int64_t n, const double *factor);
/* Estimate of the 1-norm condition number of A from its factor and its 1-norm; infinity when singular to working
 * precision. work: 3n doubles; iwork: n int32. */
double w_chol_condition(int64_t n, const double *factor, double norm, double *work, int32_t *iwork);

/* Diagonally pivoted, blocked: P'AP = R'R with R_11 >= R_22 >= …; stops when the largest remaining pivot is <= tolerance.
 * pivot (n): pivot[i] = column of A in place i. Returns the rank. The rows of R beyond the rank are zeroed.
 * Upper triangle in place; work: 2n doubles. */
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
