/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_BASIS_TOP_EIGEN_H
#define W_BASIS_TOP_EIGEN_H

#include "base/arena.h"

/* The k eigenpairs of largest |eigenvalue| of E_ij = |x_i - x_j|^3/12 for ascending x_1 … x_n in [0, 1], k <=
 * n, ordered by descending eigenvalue: u is k x n, one eigenvector per row. Residuals are about eps |E|.
 * Deterministic. */
weir_status w_top_eigen_cubic_kernel(w_arena *work, int64_t n, const double *x, int64_t k, double *u,
                                     double *eigenvalue);

#endif
