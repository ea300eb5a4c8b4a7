/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of the distribution functions that tests and tables share; the functions themselves are declared in fit/model.h. */
#ifndef W_FIT_DISTRIBUTION_H
#define W_FIT_DISTRIBUTION_H

#include "fit/model.h"

/* Regularised incomplete gamma functions P(a, x) (upper: Q); a > 0. */
double w_gamma_ratio(double a, double x, bool upper);
/* Standard normal distribution function. */
double w_normal_cdf(double x);
/* Approximation of the mixture's tail by a non-central chi-squared variable that matches its first moments: Liu, Tang & Zhang
 * (2009). Weights of one sign. */
double w_chi_square_mixture_liu(int count, const double *weight, const double *df, double q);
/* The same from the power sums c[r-1] = sum_j df_j weight_j^r, r = 1 … 4. */
double w_chi_square_moment_tail(const double *c, double q);

#endif
