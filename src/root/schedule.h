/* SPDX-License-Identifier: Apache-2.0 */
/* Polynomial steps of the coupled iteration for A^(-1/p), A symmetric positive definite with eigenvalues in [l, 1]:
 *
 *     Y_0 = A,  X_0 = I,      X <- X q(Y),  Y <- q(Y)^p Y,      q(y) = a + b y + c y^2,
 *
 * which keeps Y = X^p A. In x = y^(1/p), which starts in [l^(1/p), 1], a step is x <- x q(x^p), and the best q for an interval
 * [lo, hi] is a linear minimax problem: minimise E = max |1 - x q(x^p)| over the span of x, x^(p+1), x^(2p+1), a Chebyshev
 * system. The next interval is [1 - E, 1 + E]. Taking the best q in every step is also best over all compositions of that
 * many steps: replacing x by a multiple of itself maps the family onto itself (Amsel et al., Polar Express, 2025).
 *
 * After the last step  || X A^(1/p) - I ||_2 <= E  in exact arithmetic.
 *
 * Degree 1 has a closed form. Degree 2 is solved by Remez exchange on four points in long double; the interior extrema are the
 * roots of (2p+1) c y^2 + (p+1) b y + a. Intervals narrower than W_ROOT_TAYLOR take the expansion of y^(-1/p) at 1, where the
 * exchange would lose all its digits. Pure functions; no allocation. */
#ifndef W_ROOT_SCHEDULE_H
#define W_ROOT_SCHEDULE_H

#include <stdbool.h>

#include "base/ctx.h"

#define W_ROOT_MOST_P 8
#define W_ROOT_MOST_STEPS 48
#define W_ROOT_TAYLOR 5e-6 /* half width of an interval around 1 */

typedef struct w_root_step {
    double a, b, c; /* q; c = 0: an affine step, which saves the product Y^2 */
    double lo, hi;  /* of x before the step */
    double error;   /* E after it */
} w_root_step;

typedef enum w_root_family {
    W_ROOT_QUADRATIC = 0, /* minimax, degree 2 */
    W_ROOT_AFFINE = 1,    /* minimax, degree 1 */
    W_ROOT_NEWTON = 2     /* q = ((p + 1) - y) / p: coupled Newton, for comparison; A must be scaled so that x_0 <= 1 */
} w_root_family;

typedef struct w_root_schedule {
    int p, count;
    w_root_step step[W_ROOT_MOST_STEPS];
    double error; /* E of the last step; 1 - lo of an empty schedule */
} w_root_schedule;

typedef struct w_root_goal {
    int p;             /* 1 … 8 */
    double low;        /* eigenvalues lie in [low, 1], 0 < low <= 1 */
    double tolerance;  /* in (0, 1]: steps end where E <= tolerance */
    double rounding;   /* every interval is wider by this, for the rounding of the products before it (c n u; 0: exact); steps end
                        * where E reaches it too, so that E may stay above the tolerance */
    double safety;     /* 1 … 2: intervals after the first are wider by this factor at both ends: E then stays above some (safety - 1)^3 */
    bool sharp_end;    /* … but the last one, where that alone reaches the tolerance */
    w_root_family family;
} w_root_goal;

/* WEIR_E_ARG for a goal out of range, WEIR_E_NUMERIC when W_ROOT_MOST_STEPS do not do. */
weir_status w_root_schedule_build(weir_ctx *ctx, const w_root_goal *goal, w_root_schedule *out);

/* The best q of degree 2 or 1 on x in [lo, hi]; returns E. 0 < lo < hi. */
double w_root_minimax_quadratic(int p, double lo, double hi, w_root_step *out);
double w_root_minimax_affine(int p, double lo, double hi, w_root_step *out);
/* y^(-1/p) to second order at 1: brings every x in (0, 1] closer to 1 from below, if slowly; for spectra of unknown lower end. */
w_root_step w_root_expansion(int p);
/* max |1 - x q(x^p)| over [lo, hi], from the ends and the extrema between them. */
double w_root_step_error(int p, const w_root_step *step, double lo, double hi);
/* Products n x n x n of one step that updates Y (X counted when `apply`). */
int w_root_step_products(int p, const w_root_step *step, bool apply);

#endif
