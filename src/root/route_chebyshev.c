/* SPDX-License-Identifier: Apache-2.0 */
/* x^(-1/p) on [least, most] as a Chebyshev series, by Clenshaw's recurrence on the right-hand sides: d products with A. What is cut
 * off bounds the error: x^(-1/p) is at least most^(-1/p) on the interval. Degree ~ sqrt(kappa) / 2 log(2 / tolerance): for
 * well-conditioned matrices. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/level3.h"
#include "root/root.h"

#define MOST_DEGREE 1000
#define NODES (2 * MOST_DEGREE)

/* Coefficients of (x / most)^(-1/p), x = the interval's points at cos((j + 1/2) pi / NODES); returns the degree that keeps the tail
 * below the tolerance, or -1. */
static int series(const w_root_state *s, double *coefficient, double *values, double *tail)
{
    const double pi = acos(-1.0), low = s->least / s->most, tolerance = fmax(0.4 * s->wish.tolerance, 1e-14);
    for (int j = 0; j < NODES; j++) {
        values[j] = pow(0.5 * (1 + low) + 0.5 * (1 - low) * cos((j + 0.5) * pi / NODES), -1.0 / s->wish.p);
    }
    double total = 0;
    for (int d = 0; d <= MOST_DEGREE; d++) {
        double sum = 0, once = cos(d * 0.5 * pi / NODES), c = once, before = once, twice = 2 * cos(d * pi / NODES);
        for (int j = 0; j < NODES; j++) { /* cos(d (j + 1/2) pi / NODES), by its recurrence */
            sum += values[j] * c;
            const double next = twice * c - before;
            before = c;
            c = next;
        }
        coefficient[d] = (d == 0 ? 1.0 : 2.0) / NODES * sum;
    }
    for (int d = MOST_DEGREE; d > 0; d--) {
        total += fabs(coefficient[d]);
        if (2 * total > tolerance) {
            *tail = 2 * (total - fabs(coefficient[d]));
            return d == MOST_DEGREE ? -1 : d;
        }
    }
    *tail = 2 * total;
    return 0;
}

static weir_status prepare(weir_ctx *ctx, w_root_state *s, w_scratch *kept, w_scratch *room)
{
    const int64_t taken = room->used;
    s->coefficient = w_scratch_take(kept, (MOST_DEGREE + 1) * 8);
    weir_status status = w_root_least(ctx, s, &s->least, room);
    double *values = w_scratch_take(room, NODES * 8);
    if (status < 0 || !room->base) {
        return status;
    }
    s->most = w_root_most(s) * (1 + 4 * DBL_EPSILON * (double)s->wish.n);
    s->steps = series(s, s->coefficient, values, &s->predicted);
    w_root_give_back(room, taken);
    if (s->steps < 0) {
        return w_fail(ctx, WEIR_E_NUMERIC, "a polynomial of degree %d does not reach %g for condition number %.3g; take another route",
                      MOST_DEGREE, s->wish.tolerance, s->most / s->least);
    }
    s->products = 1.0 / 3;
    return WEIR_OK;
}

/* b_d = c_d B + 2 M b_{d+1} - b_{d+2} with M = (2 A - (most + least) I) / (most - least);  p(A) B = b_0 - M b_1. */
static weir_status apply(weir_ctx *ctx, const w_root_state *s, int64_t count, double *c, w_root_report *report, w_scratch *room)
{
    const int64_t n = s->wish.n, taken = room->used, values = w_mul64(n, count);
    double *now = w_scratch_take(room, w_mul64(values, 8)), *next = w_scratch_take(room, w_mul64(values, 8));
    double *after = w_scratch_take(room, w_mul64(values, 8));
    if (!room->base) {
        return WEIR_OK;
    }
    const double width = fmax(s->most - s->least, s->most * DBL_EPSILON), middle = s->most + s->least;
    weir_status status = WEIR_OK;
    memset(next, 0, (size_t)values * sizeof *next);
    memset(after, 0, (size_t)values * sizeof *after);
    for (int d = s->steps; status >= 0 && d >= 0; d--) {
        const double twice = d > 0 ? 2 : 1;
        for (int64_t i = 0; i < values; i++) {
            now[i] = s->coefficient[d] * c[i] - after[i] - twice * middle / width * next[i];
        }
        status = w_symm(ctx, w_panel_best(8), n, count, 2 * twice / width, s->a, n, (w_operand){ next, n, 1 }, now, n);
        double *free_one = after;
        after = next;
        next = now;
        now = free_one;
        status = status < 0 ? status : w_check_cancel(ctx);
    }
    const double scale = pow(s->most, -1.0 / s->wish.p);
    for (int64_t i = 0; i < values; i++) {
        c[i] = scale * next[i];
    }
    report->products = s->steps * (double)count / (double)n;
    w_root_give_back(room, taken);
    return status;
}

const w_root_method w_root_chebyshev = { WEIR_ROOT_CHEBYSHEV, prepare, apply };
