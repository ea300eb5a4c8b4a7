/* SPDX-License-Identifier: Apache-2.0 */
/* A = Q T Q', T banded (band.h): bounds of the spectrum by Cholesky factors of T - sigma I, then a sum of poles. */
#include <float.h>
#include <math.h>

#include "root/root.h"

#define FLOOR 1e-15 /* of the largest eigenvalue: below it nothing is left of a least one */

static weir_status prepare(weir_ctx *ctx, w_root_state *s, w_scratch *kept, w_scratch *room)
{
    const int64_t n = s->wish.n, width = w_root_band_width(n, s->wish.count);
    if (s->wish.p == 1) {
        return w_fail(ctx, WEIR_E_ARG, "route band serves p >= 2; p is 1");
    }
    weir_status status = w_root_band_reduce(ctx, n, width, s->a, &s->band, kept);
    if (!kept->base) {
        s->band = (w_root_band){ .n = n, .width = width, .blocks = (n + width - 1) / width };
        return w_root_band_extent(ctx, &s->band, FLOOR, &s->least, &s->most, room);
    }
    s->most = w_root_most(s) * (1 + 4 * DBL_EPSILON * (double)n);
    if (status >= 0) {
        status = w_root_band_extent(ctx, &s->band, FLOOR, &s->least, &s->most, room);
    }
    if (status >= 0 && !(s->least > (double)n * s->unit * s->most)) {
        status = w_fail(ctx, WEIR_E_NUMERIC, "the matrix is not positive definite to working precision: its least eigenvalue is "
                        "%s of the largest; a ridge would make it so", s->least > 0 ? "within rounding" : "below 1e-15");
    }
    if (status >= 0) {
        const double allowed = fmax(0.4 * s->wish.tolerance, 1e-13);
        status = w_root_poles_build(ctx, s->wish.p, s->least / s->most, allowed, &s->poles);
    }
    s->predicted = s->poles.error;
    s->steps = s->poles.count;
    s->products = 2.0 / 3;
    return status;
}

static weir_status apply(weir_ctx *ctx, const w_root_state *s, int64_t count, double *c, w_root_report *report, w_scratch *room)
{
    const int64_t n = s->wish.n;
    const weir_matrix view = { c, WEIR_F64, n, count, 1, n };
    weir_status status = w_root_band_turn(ctx, &s->band, true, &view, room);
    if (status >= 0) {
        status = w_root_band_apply(ctx, &s->band, &s->poles, s->most, pow(s->most, -1.0 / s->wish.p), count, c, n, room);
    }
    if (status >= 0) {
        status = w_root_band_turn(ctx, &s->band, false, &view, room);
    }
    report->products = 2 * (double)count / (double)n;
    return status;
}

const w_root_method w_root_banded = { WEIR_ROOT_BAND, prepare, apply };
