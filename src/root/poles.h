/* SPDX-License-Identifier: Apache-2.0 */
/* The best sum of poles for a root:
 *
 *     x^(-s) ~ r(x) = sum_j w_j / (x + t_j),   j = 1 … N,   all t_j > 0 and w_j > 0,     s = 1/p, 0 < s < 1,
 *
 * minimising E = max |x^s r(x) - 1| over [low, 1]. x^(-s) is a Stieltjes function, so its best approximation of this type has
 * its poles on the negative axis and positive weights: the sum has no cancellation, and every A + t_j I is positive definite and
 * better conditioned than A. For A with eigenvalues in [low, 1]
 *
 *     || A^(1/p) sum_j w_j (A + t_j I)^-1 - I ||_2 <= E.
 *
 * s = 1/2 is Zolotarev's problem, in closed form by elliptic functions, with E ~ 4 exp(-2 pi^2 N / ln(16 / low)). Other s follow by
 * continuation in s: Newton's method on log t, log w and E over the 2N + 1 points where the error alternates. Long double, no
 * allocation. References: Zolotarev 1877; van den Eshof, Frommer, Lippert, Schilling and van der Vorst, Comput. Phys. Comm. 146,
 * 2002; Hale, Higham and Trefethen, SIAM J. Numer. Anal. 46, 2008. */
#ifndef W_ROOT_POLES_H
#define W_ROOT_POLES_H

#include "base/ctx.h"

#define W_ROOT_MOST_POLES 48

typedef struct w_root_poles {
    int p, count;
    double low;                       /* of the interval */
    double t[W_ROOT_MOST_POLES];      /* ascending */
    double weight[W_ROOT_MOST_POLES];
    double error;                     /* E, measured on the rounded poles and weights */
} w_root_poles;

/* The fewest poles with E <= tolerance, p = 2 … 8. E cannot fall below some 1e-14. WEIR_E_ARG for arguments out of range,
 * WEIR_E_NUMERIC when W_ROOT_MOST_POLES do not do. Milliseconds. */
weir_status w_root_poles_build(weir_ctx *ctx, int p, double low, double tolerance, w_root_poles *out);
/* For a given number of poles; false when the continuation fails. */
bool w_root_poles_of_count(int p, double low, int count, w_root_poles *out);
/* E of any poles and weights, on [low, 1]. */
double w_root_poles_error(const w_root_poles *poles, double low);

#endif
