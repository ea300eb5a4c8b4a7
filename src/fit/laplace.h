/* SPDX-License-Identifier: Apache-2.0 */
/* The exact Laplace-approximate REML criterion of a generalised model,
 *     V = (D + beta'S beta)/(2 phi) - l_s(phi, theta) + 1/2 log|H| - 1/2 log|S|_+ - M_p/2 log(2 pi phi),
 * H = X'WX + S with Newton weights at the penalised maximum beta(rho, theta). Derivatives:
 *   dV/drho_j    = 1/2 [ b_j/phi + tr(P V_j) - d_j log|S|_+ ] - 1/2 v_j'u,     u = P X'(w' .* h),
 *   dV/dlog phi  = -(D + beta'S beta)/(2 phi) - dl_s/dlog phi - M_p/2,
 *   dV/dtheta_a  = d/dtheta_a [D/(2 phi) - l_s] + 1/2 sum_i h_i dw_i/dtheta_a - 1/2 u'X' r_a,
 * w' = dw/deta, h_i = x_i'P x_i, v_j = V_j beta, r_a = 1/2 omega d^2 d/(deta dtheta_a). One pass gives h and X'(w' .* h), one more
 * per theta the rest. The Hessian is the working model's, with the direct second derivatives in log phi and theta: Newton's
 * method with it converges linearly, fast where w' is small. Source: Wood (2011) JRSSB 73:3; Wood, Pya & Saefken (2016). */
#ifndef W_FIT_LAPLACE_H
#define W_FIT_LAPLACE_H

#include "fit/pirls.h"

/* Goes on from a converged working model. WEIR_DECLINED (pirls unchanged) when the model has an arrow block. */
weir_status w_laplace_run(w_pirls *pirls);
/* V at `point` = (log lambda, log phi, theta as w_pirls_parameter has it), sp_count + 1 + W_FAMILY_PARAMS numbers, and its gradient,
 * of the same length, 0 for parameters that are fixed; beta to convergence from where pirls stands, which is left there.
 * V = +infinity where beta does not exist. WEIR_DECLINED as above. */
weir_status w_laplace_evaluate(w_pirls *pirls, const double *point, double *value, double *gradient);

#endif
