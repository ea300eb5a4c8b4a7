/* SPDX-License-Identifier: Apache-2.0 */
/* (A + rho I)^(-1/p) in two stages: a matrix is prepared, and what it has become is applied to right-hand sides. One table of
 * functions per route; each takes what is kept from one scratch and what it needs for the moment from another, and does nothing
 * but take where these have no base (dense/strided.h): bytes are counted by the code that uses them. */
#ifndef W_ROOT_ROOT_H
#define W_ROOT_ROOT_H

#include "base/ctx.h"
#include "dense/strided.h"
#include "root/band.h"
#include "root/poles.h"
#include "root/room.h"
#include "root/schedule.h"
#include "weir/root.h"

/* What is wanted, checked and with the defaults filled in. */
typedef struct w_root_wish {
    int p, route;          /* weir_root_route */
    int64_t n, count;      /* right-hand sides of the call that prepares; n: the root itself */
    int size;              /* bytes of an element that was given: 8 or 4 */
    double tolerance, ridge;
    double least, most;    /* bounds that the caller vouches for; 0: none */
    int64_t reuse;
    const w_root_schedule *schedule; /* NULL: made for the spectrum */
} w_root_wish;

typedef struct w_root_state {
    w_root_wish wish;
    int route;             /* taken */
    double *a;             /* n x n, A + rho I, both triangles; what the route has made of it later */
    double norm_inf, norm_frobenius, trace; /* of A + rho I */
    double least, most;    /* of its spectrum; 0: not known */
    double predicted;      /* || X A^(1/p) - I ||_2, rounding apart */
    double unit;           /* roundoff of the route's arithmetic */
    double products;
    int steps, retries;
    /* of the routes */
    double *value, *vectors;  /* eigen */
    w_root_band band;
    w_root_poles poles;
    void *factor;             /* cholesky: R; coupled: X, in elements of factor_size bytes */
    int factor_size;
    double *coefficient;      /* chebyshev: steps + 1 */
    char reason[160];
} w_root_state;

/* What applying has found out. */
typedef struct w_root_report {
    double predicted; /* replaces the state's where it is above 0 */
    double residual;  /* NaN: none */
    double condition; /* of A, where the state has no bounds of its spectrum; 0: none */
    double products;
} w_root_report;

typedef struct w_root_method {
    int route;
    weir_status (*prepare)(weir_ctx *ctx, w_root_state *state, w_scratch *kept, w_scratch *room);
    /* c (n x count, column-major, contiguous): B on entry, Z on return; undefined after an error. */
    weir_status (*apply)(weir_ctx *ctx, const w_root_state *state, int64_t count, double *c, w_root_report *report,
                         w_scratch *room);
} w_root_method;

extern const w_root_method w_root_cholesky, w_root_eigen, w_root_banded, w_root_shifted, w_root_iterated, w_root_chebyshev;

/* ---- spd.c ----------------------------------------------------------------------------------------------------------- */

/* Copies A (view, lower triangle; the upper one compared unless `trusted`), adds rho, checks, chooses the route and prepares it.
 * Without bases: counts. */
weir_status w_root_prepare(weir_ctx *ctx, const w_root_wish *wish, const weir_matrix *a, bool trusted, w_root_state *out,
                           w_scratch *kept, w_scratch *room);
/* c as in the table; fills what weir_root_stats says of an answer. WEIR_NOT_CONVERGED where its bound is above the tolerance. */
weir_status w_root_apply(weir_ctx *ctx, const w_root_state *state, int64_t count, double *c, weir_root_stats *stats,
                         w_scratch *room);

/* ---- bounds.c -------------------------------------------------------------------------------------------------------- */

/* most: the least of the norms, an upper bound for certain, or the caller's. */
double w_root_most(const w_root_state *state);
/* A lower bound of the spectrum of state->a, certain: a condition estimate proposes, a Cholesky factor of A - sigma I proves.
 * WEIR_E_NUMERIC when A has none. */
weir_status w_root_least(weir_ctx *ctx, const w_root_state *state, double *least, w_scratch *room);
/* Predicted seconds of preparing and of one application of k right-hand sides. */
double w_root_seconds(int route, const w_root_wish *wish, int64_t k);

#endif
