/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_BASIS_TOP_EIGEN_H
#define W_BASIS_TOP_EIGEN_H

#include "base/arena.h"

/* y = A v for a symmetric n x n matrix. */
typedef void (*w_apply_fn)(const void *matrix, int64_t n, const double *v, double *y);

/* The k eigenpairs of largest |eigenvalue| of a symmetric matrix, k <= n, ordered by descending eigenvalue: u is k x n, one
 * eigenvector per row. Residuals are about eps |A|. Deterministic. */
weir_status w_top_eigen(w_arena *work, int64_t n, int64_t k, w_apply_fn apply, const void *matrix, double *u,
                        double *eigenvalue);

/* The same of E_ij = |x_i - x_j|^3/12 for ascending x_1 … x_n in [0, 1], which is never formed. */
weir_status w_top_eigen_cubic_kernel(w_arena *work, int64_t n, const double *x, int64_t k, double *u,
                                     double *eigenvalue);

#endif
