/* SPDX-License-Identifier: Apache-2.0 */
/* Newton's step where the Hessian may be indefinite. */
#ifndef W_FIT_NEWTON_H
#define W_FIT_NEWTON_H

#include <stdbool.h>

#include "base/ctx.h"

typedef struct w_newton {
    int count;              /* parameters in all */
    int active;             /* those that move, */
    const int *index;       /* ascending */
    const double *gradient; /* count */
    const double *hessian;  /* count x count */
    double curved;          /* least length along an eigenvector of negative curvature; 0 = none */
} w_newton;

/* step (count; 0 where nothing moves) = -U |Lambda|^-1 U'g from the eigenvalues over the active parameters, |Lambda| floored at
 * eps^1/2 of its largest. matrix: active^2 values of workspace, eigen: active. *definite (may be NULL): all eigenvalues are
 * positive. WEIR_E_NUMERIC when there are none. */
weir_status w_newton_step(weir_ctx *ctx, const w_newton *newton, double *matrix, double *eigen, double *step, bool *definite);

#endif
