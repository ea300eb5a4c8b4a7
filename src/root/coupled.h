/* SPDX-License-Identifier: Apache-2.0 */
/* The coupled iteration (schedule.h) on symmetric matrices of which the lower triangle alone is stored and computed: X, Y and q(Y) are
 * polynomials in A, commute, and so do their products; half the flops of a product of n x n matrices are saved everywhere and
 * symmetry is never lost.
 *
 *     Y_0 = A, eigenvalues in [low, 1];   each step:  Q = a I + b Y + c Y^2,  X <- X Q  or  Z <- Q Z,  Y <- Q^p Y,
 *
 * with Q^p Y as H (Y H), H = Q^(p/2), or H (Q Y) H, H = Q^((p-1)/2); the first X is Q itself and the last step leaves Y alone.
 *
 * Guards, after each Y: finite, 0 < y_ii and |y_ij| no larger than the interval allows, || Y - I ||_F <= sqrt(n) max |y - 1|.
 * The first to fail says that a bound of the spectrum was wrong or the precision too small: the iteration stops there, before it
 * diverges. Without trust in the bounds, || Y - I ||_F itself bounds every eigenvalue: the iteration goes on until it proves the
 * tolerance, whatever the schedule promised.
 *
 * The iteration does not correct itself: rounding of the early steps stays, amplified by up to 1 / low. float64 or float32. */
#ifndef W_ROOT_COUPLED_H
#define W_ROOT_COUPLED_H

#include "base/ctx.h"
#include "dense/strided.h"
#include "root/room.h"
#include "root/schedule.h"

typedef struct w_root_coupled {
    const w_root_schedule *schedule;
    double tolerance; /* what untrusted bounds have to prove */
    bool trusted;     /* the eigenvalues do lie in [low, 1] */
} w_root_coupled;

typedef struct w_root_outcome {
    int steps;          /* taken */
    double products;    /* n x n x n, those of one triangle counted as halves */
    double eta;         /* || Y - I ||_F before the last step */
    double error;       /* bound of || X A^(1/p) - I ||_2, rounding apart */
    int guard;          /* 0, or the step whose guard failed: X and Z hold nothing of use */
} w_root_outcome;

/* y: A (n x n, column-major, lower triangle), destroyed. x: the lower triangle of A^(-1/p); or NULL, and z (n x count, column-major,
 * ldz) := A^(-1/p) z. size: 4 or 8 bytes an element. Room from `s`. */
weir_status w_root_coupled_run(weir_ctx *ctx, const w_root_coupled *how, int size, int64_t n, void *y, void *x, int64_t count,
                               void *z, int64_t ldz, w_root_outcome *out, w_scratch *s);

#endif
