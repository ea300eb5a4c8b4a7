/* SPDX-License-Identifier: Apache-2.0 */
/* Positive definite systems by a float32 factor and float64 residuals, where that is certain to be as good as a float64 factor.
 *
 * With D = diag(2^-e_i), 2^e_i next to sqrt(a_ii), S = D A D is factored in float32 at twice the rate of float64, x is solved
 * for with it and corrected by  x += D S^-1 D r,  r = b - A x in float64, up to W_REFINEMENT_MAX_STEPS times.
 *
 *   attempted  n >= W_REFINEMENT_MIN_P, the float32 factor exists, and by its condition estimate k the steps suffice:
 *              k u32 <= 1/16  and  (k u32 / 4)^(steps + 1) <= gamma_(n+1)            (u32 = 2^-24, gamma_k = k u / (1 - k u))
 *   accepted   ||r|| <= gamma_(n+1) (||A||_F ||x|| + ||b||)  for every right-hand side: what rounding alone leaves of a
 *              residual; steps go on beyond it while ||r|| > W_REFINEMENT_TOL ||b|| and shrinks
 *   else       the float64 factor of w_chol_factor
 * Bits do not depend on threads. */
#ifndef W_DENSE_REFINE_H
#define W_DENSE_REFINE_H

#include <stdbool.h>

#include "base/ctx.h"

#define W_REFINEMENT_MIN_P 64
#define W_REFINEMENT_MAX_STEPS 3
#define W_REFINEMENT_TOL 1e-12

typedef struct w_refinement {
    bool attempted, mixed; /* mixed: the float32 factor's solution is the one returned */
    int steps;             /* corrections made, also when they were in vain */
    double condition;      /* 1-norm estimate for S from the float32 factor; 0: none was made, infinity: it has no factor */
    double residual, bound; /* ||r|| and its bound, of the right-hand side where their ratio is largest */
} w_refinement;

/* The float32 half, in the caller's workspace, for who keeps A and its residuals in a form of his own. */
typedef struct w_refine32 {
    int64_t n, count;
    float *factor, *y, *work; /* n^2, n count, 3 n */
    int32_t *iwork;           /* n */
    double *scale, *power;    /* n, count */
} w_refine32;
/* S = D A D and its factor; *promising: it exists, and the steps suffice by its condition estimate. */
weir_status w_refine32_factor(weir_ctx *ctx, const w_refine32 *q, const double *a, double *condition, bool *promising);
/* X += D S^-1 D R, every column of D R scaled to one. */
weir_status w_refine32_correct(weir_ctx *ctx, const w_refine32 *q, const double *r, double *x);

/* A X = B: a n x n column-major, upper triangle read; b and x n x count, apart. mixed false: float64 at once.
 * WEIR_REFINED when the mixed route is the one taken, WEIR_OK after float64, WEIR_E_NUMERIC when A is not positive definite
 * or something is not finite. Takes w_refine_bytes(n, count) from the ledger. */
weir_status w_refine_solve(weir_ctx *ctx, int64_t n, const double *a, int64_t count, const double *b, double *x, bool mixed,
                           w_refinement *out);
int64_t w_refine_bytes(int64_t n, int64_t count);

#endif
