/* SPDX-License-Identifier: Apache-2.0 */
/* Z = most^(-1/p) sum_j w_j (A / most + t_j I)^-1 B by one Cholesky factor a pole. Poles are added in ascending order. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/chol.h"
#include "dense/level3.h"
#include "root/root.h"

static weir_status prepare(weir_ctx *ctx, w_root_state *s, w_scratch *kept, w_scratch *room)
{
    (void)kept;
    if (s->wish.p == 1) {
        return w_fail(ctx, WEIR_E_ARG, "route poles serves p >= 2; p is 1");
    }
    weir_status status = w_root_least(ctx, s, &s->least, room);
    if (status < 0 || !room->base) {
        return status;
    }
    s->most = w_root_most(s) * (1 + 4 * DBL_EPSILON * (double)s->wish.n);
    status = w_root_poles_build(ctx, s->wish.p, s->least / s->most, fmax(0.4 * s->wish.tolerance, 1e-13), &s->poles);
    s->predicted = s->poles.error;
    s->steps = s->poles.count;
    s->products = 1.0 / 3;
    return status;
}

static weir_status apply(weir_ctx *ctx, const w_root_state *s, int64_t count, double *c, w_root_report *report, w_scratch *room)
{
    const int64_t n = s->wish.n, taken = room->used, values = w_mul64(n, count);
    double *factor = w_scratch_take(room, w_mul64(w_mul64(n, n), 8)), *x = w_scratch_take(room, w_mul64(values, 8));
    double *sum = w_scratch_take(room, w_mul64(values, 8));
    const w_panel *k = w_panel_best(8);
    weir_status status = WEIR_OK;
    if (!room->base || count == 0) {
        return status;
    }
    memset(sum, 0, (size_t)values * sizeof *sum);
    for (int j = 0; status >= 0 && j < s->poles.count; j++) {
        int64_t failed = 0;
        for (int64_t q = 0; q < n; q++) {
            for (int64_t i = q; i < n; i++) {
                factor[i + q * n] = s->a[i + q * n] / s->most;
            }
            factor[q * (n + 1)] += s->poles.t[j];
        }
        status = w_chol_factor_panels(ctx, k, false, n, factor, n, &failed);
        if (status >= 0 && failed) {
            status = w_fail(ctx, WEIR_E_NUMERIC, "the matrix is not positive definite");
        }
        memcpy(x, c, (size_t)values * sizeof *x);
        status = status < 0 ? status : w_trsm(ctx, k, (w_triangular){ .upper = false }, n, factor, n, count, x, n);
        status = status < 0 ? status : w_trsm(ctx, k, (w_triangular){ .trans = true }, n, factor, n, count, x, n);
        for (int64_t i = 0; status >= 0 && i < values; i++) {
            sum[i] += s->poles.weight[j] * x[i];
        }
    }
    const double scale = pow(s->most, -1.0 / s->wish.p);
    for (int64_t i = 0; status >= 0 && i < values; i++) {
        c[i] = scale * sum[i];
    }
    report->products = s->poles.count * (1.0 / 6 + (double)count / (double)n);
    w_root_give_back(room, taken);
    return status;
}

const w_root_method w_root_shifted = { WEIR_ROOT_POLES, prepare, apply };
