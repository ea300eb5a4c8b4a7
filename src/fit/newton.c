/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/newton.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "dense/dense.h"

weir_status w_newton_step(weir_ctx *ctx, const w_newton *newton, double *matrix, double *eigen, double *step, bool *definite)
{
    const int active = newton->active, *index = newton->index;
    for (int a = 0; a < active; a++) {
        for (int b = 0; b < active; b++) {
            matrix[a + b * active] = newton->hessian[index[a] * newton->count + index[b]];
        }
    }
    weir_status status = w_eigen_symmetric(ctx, active, matrix, eigen, true);
    if (status < 0) {
        return status;
    }
    double largest = 0.0;
    bool positive = true;
    for (int e = 0; e < active; e++) {
        largest = fmax(largest, fabs(eigen[e]));
        positive = positive && eigen[e] > 0.0;
    }
    memset(step, 0, (size_t)newton->count * sizeof *step);
    for (int e = 0; e < active; e++) {
        double along = 0.0;
        for (int a = 0; a < active; a++) {
            along += matrix[a + e * active] * newton->gradient[index[a]];
        }
        along /= fmax(fabs(eigen[e]), fmax(largest * 1.5e-8, DBL_MIN));
        if (eigen[e] < 0.0 && along != 0.0) {
            along = copysign(fmax(fabs(along), newton->curved), along);
        }
        for (int a = 0; a < active; a++) {
            step[index[a]] -= matrix[a + e * active] * along;
        }
    }
    if (definite) {
        *definite = positive;
    }
    return WEIR_OK;
}
