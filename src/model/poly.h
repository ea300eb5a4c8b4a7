/* SPDX-License-Identifier: Apache-2.0 */
/* Orthonormal polynomials over a set of points, by the three-term recurrence (Forsythe 1957; Kennedy & Gentle 1980):
 *     p_0 = 1,  p_1 = x - alpha_0,  p_{j+1} = (x - alpha_j) p_j - (norm_j / norm_{j-1}) p_{j-1}
 * with norm_j = sum p_j(x_i)^2 and alpha_j = sum x_i p_j(x_i)^2 / norm_j; column j is p_j / sqrt(norm_j), j = 1 … degree.
 * R's poly() has the same columns: leading coefficients are positive in both. */
#ifndef W_MODEL_POLY_H
#define W_MODEL_POLY_H

#include "base/ctx.h"

/* alpha: degree values, norm: degree + 1. WEIR_E_DATA (naming `label`) with fewer than degree + 1 distinct points. */
weir_status w_poly_fit(weir_ctx *ctx, const char *label, const double *x, int64_t rows, int degree, double *alpha,
                       double *norm);
/* Column j (0-based) of the rows at out + j*stride. */
void w_poly_eval(int degree, const double *alpha, const double *norm, const double *x, int64_t rows,
                 int64_t stride, double *out);

#endif
