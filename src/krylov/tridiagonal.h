/* SPDX-License-Identifier: Apache-2.0 */
/* The symmetric tridiagonal matrix T that k steps of conjugate gradients leave behind, the Lanczos matrix of
 * F^-1 A F'^-1 (M = F F') started at F^-1 r_0:
 *     T_ii = 1 / alpha_i + beta_{i-1} / alpha_{i-1},   T_{i,i+1} = sqrt(beta_i) / alpha_i.
 * Coefficients come as pairs (alpha_i, beta_i), as w_cg_solve writes them. */
#ifndef W_KRYLOV_TRIDIAGONAL_H
#define W_KRYLOV_TRIDIAGONAL_H

#include <stdbool.h>
#include <stdint.h>

/* diagonal: k; above: k (the last entry is 0). */
void w_cg_tridiagonal(int64_t k, const double *pair, double *diagonal, double *above);

/* Smallest and largest eigenvalue of T: the Ritz values, inside the spectrum of M^-1 A up to rounding, their ratio a lower
 * bound of its condition number. By bisection to a relative width of 2^-40; k = 0 gives 0, 0. */
void w_cg_ritz(int64_t k, const double *pair, double *lowest, double *highest);

/* Gauss quadrature: eigenvalues of T in `diagonal` (overwritten, in no order) and in weight[] the squares of the first
 * components of its unit eigenvectors: e_1'f(T) e_1 = sum weight_i f(diagonal_i). `above` (k) is destroyed. false when the
 * iteration does not converge. Golub & Welsch (1969), implicit QL with Wilkinson shifts. */
bool w_tridiagonal_gauss(int64_t k, double *diagonal, double *above, double *weight);

#endif
