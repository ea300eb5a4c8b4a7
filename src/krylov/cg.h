/* SPDX-License-Identifier: Apache-2.0 */
/* Preconditioned conjugate gradients for many systems A_g x = b at once: independent recurrences side by side, so that
 * one pass of the operator serves all; a finished system leaves the block.
 *
 * Stop. A system is finished when both hold, each unless its tolerance is 0:
 *   (1) sqrt(r'M^-1 r) <= tolerance * sqrt(b'M^-1 b)        (for a cold start the start's own norm);
 *   (2) sum of alpha_i r_i'M^-1 r_i over the last W_CG_WINDOW steps <= energy_tolerance^2 * scale.
 * The sum in (2) is how much ||x - x*||_A^2 fell in those steps, a lower bound of the error before them that is sharp once
 * CG converges. For A = X'WX + S it bounds the change of prediction: ||X dx||_W^2 <= dx'A dx. scale: energy_scale[s], or
 * ||x*||_A^2 as far as it is known, -phi(x) = 2 b'x - x'Ax.
 *
 * Certificate. What leaves the block has r by recurrence; then b - A x is formed for all that left, (1) is tested again with
 * it, and what misses goes on from there: the reported residuals are true. A system whose true norm is not halved by
 * such a round has reached what rounding allows: W_CG_STAGNATED. Costs one pass per round, usually one in all.
 *
 * References: Hestenes & Stiefel (1952); Strakos & Tichy (2002) for the sum of (2); Greenbaum (1997) for the gap. */
#ifndef W_KRYLOV_CG_H
#define W_KRYLOV_CG_H

#include <stdbool.h>
#include "krylov/preconditioner.h"

#define W_CG_WINDOW 4
#define W_CG_TOLERANCE 1e-10
#define W_CG_ITERATIONS 1000

typedef enum w_cg_state {
    W_CG_CONVERGED = 0,
    W_CG_LIMIT,          /* iteration limit reached; x is the last iterate */
    W_CG_STAGNATED,      /* at the accuracy rounding allows, above the tolerance; x is the last iterate */
    W_CG_INDEFINITE,     /* p'Ap <= 0: A is not positive definite */
    W_CG_PRECONDITIONER, /* r'M^-1 r < 0, or 0 with r not 0: M is not positive definite */
    W_CG_NOT_FINITE,     /* b, the operator's or the preconditioner's output is not finite */
    W_CG_STOPPED         /* a callback failed or the caller cancelled before this system was finished */
} w_cg_state;

typedef struct w_cg_result {
    w_cg_state state;
    int64_t iterations;
    int64_t rounds;        /* times the true residual was formed */
    int64_t coefficients;  /* pairs written to options->coefficient */
    double residual;       /* ||b - A x|| / ||b||, true */
    double preconditioned; /* the same in the norm of (1), true */
    double energy_change;  /* left side of (2) over scale, square root; 0 before W_CG_WINDOW steps */
} w_cg_result;

typedef struct w_cg_options {
    int64_t right_hand_sides;   /* per group, at least 1 */
    bool warm;                  /* x holds a start; else it starts from 0 */
    double tolerance;           /* of (1); negative: not asked, 0: W_CG_TOLERANCE */
    double energy_tolerance;    /* of (2); 0: not asked */
    const double *energy_scale; /* per system, or NULL */
    int64_t max_iterations;     /* 0: W_CG_ITERATIONS */
    double *history;            /* systems x history_rows: left side of (1) over the right without tolerance, entry 0 the start;
                                 * entries beyond the last iteration are not written. NULL: not asked */
    int64_t history_rows;
    double *coefficient;        /* systems x 2 coefficient_rows: (alpha_i, beta_i) pairs of the first round; or NULL */
    int64_t coefficient_rows;
} w_cg_options;

/* b, x: system s = g m + j at offset m * (sum of n before g) + j * n_g, n_g values each. result: one per system,
 * always filled. WEIR_OK; WEIR_NOT_CONVERGED when a system ended at LIMIT or STAGNATED; WEIR_E_NUMERIC when one failed
 * (its x is untouched, those of finished systems are good); the status of a failed callback; WEIR_E_CANCELLED; WEIR_E_ARG;
 * memory. After a failed callback x of a STOPPED system holds its start or an iterate. */
weir_status w_cg_solve(weir_ctx *ctx, const w_operator *a, const w_preconditioner *m, const w_cg_options *options,
                       const double *b, double *x, w_cg_result *result);
/* What w_cg_solve takes: 4 blocks and the layout. */
int64_t w_cg_bytes(int64_t groups, const int64_t *n, int64_t right_hand_sides);

/* Fixed English name of a state. */
const char *w_cg_state_name(w_cg_state state);

#endif
