/* SPDX-License-Identifier: Apache-2.0 */
/* The coupled iteration (coupled.h) in float64, or in float32 where A is and u kappa / p leaves the tolerance room. X is made when
 * preparing, and multiplied with the right-hand sides. A guard that fails widens the bound of the spectrum, by 4 each time. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/level3.h"
#include "root/coupled.h"
#include "root/root.h"

#define RETRIES 3

/* A / most in the arithmetic of the iteration, lower triangle. */
static void scaled(const w_root_state *s, int size, double most, void *to)
{
    const int64_t n = s->wish.n;
    for (int64_t i = 0; i < n * n; i++) {
        if (size == 8) {
            ((double *)to)[i] = s->a[i] / most;
        } else {
            ((float *)to)[i] = (float)(s->a[i] / most);
        }
    }
}

/* x * scale, both triangles. */
static void finish(int64_t n, int size, double scale, void *x)
{
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = j; i < n; i++) {
            if (size == 8) {
                double *v = x;
                v[j + i * n] = v[i + j * n] *= scale;
            } else {
                float *v = x;
                v[j + i * n] = v[i + j * n] = (float)((double)v[i + j * n] * scale);
            }
        }
    }
}

static weir_status iterate(weir_ctx *ctx, w_root_state *s, int size, void *y, w_scratch *room)
{
    const int64_t n = s->wish.n;
    w_root_schedule made;
    w_root_outcome outcome = { .guard = 1 };
    double low = s->least / s->most * (1 - 4 * DBL_EPSILON * (double)n);
    const bool trusted = !s->wish.schedule;
    weir_status status = WEIR_OK;
    for (int attempt = 0; status >= 0 && outcome.guard && attempt <= RETRIES; attempt++, low /= 4) {
        const double rounding = size == 4 ? 4 * FLT_EPSILON : 0;
        const w_root_goal goal = { s->wish.p, low, fmax(0.4 * s->wish.tolerance, 4 * rounding), rounding, 1, false, W_ROOT_QUADRATIC };
        status = trusted ? w_root_schedule_build(ctx, &goal, &made) : WEIR_OK;
        const w_root_coupled how = { trusted ? &made : s->wish.schedule, 0.4 * s->wish.tolerance, trusted && attempt == 0 };
        if (status >= 0) {
            scaled(s, size, s->most, y);
            status = w_root_coupled_run(ctx, &how, size, n, y, s->factor, 0, NULL, n, &outcome, room);
        }
        s->retries = attempt;
    }
    if (status >= 0 && outcome.guard) {
        status = w_fail(ctx, WEIR_E_NUMERIC, "the coupled iteration left its bounds in step %d: the matrix is not positive definite, or "
                        "too ill-conditioned for its arithmetic", outcome.guard);
    }
    s->predicted = outcome.error;
    s->steps = outcome.steps;
    s->products += outcome.products;
    if (status >= 0) {
        finish(n, size, pow(s->most, -1.0 / s->wish.p), s->factor);
    }
    return status;
}

static weir_status prepare(weir_ctx *ctx, w_root_state *s, w_scratch *kept, w_scratch *room)
{
    const int64_t n = s->wish.n, taken = room->used;
    s->factor = w_scratch_take(kept, w_mul64(w_mul64(n, n), 8));
    weir_status status = w_root_least(ctx, s, &s->least, room);
    void *y = w_scratch_take(room, w_mul64(w_mul64(n, n), 8));
    if (!room->base) { /* the schedule's length is all that the room does not depend on */
        const w_root_schedule any = { .p = s->wish.p, .count = 1 };
        const w_root_coupled how = { &any, 1, true };
        return w_root_coupled_run(ctx, &how, 8, n, y, s, 0, NULL, n, NULL, room);
    }
    int size = 8;
    if (status >= 0) {
        s->most = w_root_most(s) * (1 + 4 * DBL_EPSILON * (double)n);
        s->products = 1.0 / 3;
        const bool narrow = s->wish.size == 4 && 0.5 * FLT_EPSILON * s->most / s->least / s->wish.p < 0.05 * s->wish.tolerance;
        size = narrow ? 4 : 8;
        s->unit = narrow ? FLT_EPSILON / 2 : DBL_EPSILON / 2;
        status = iterate(ctx, s, size, y, room);
    }
    s->factor_size = size;
    w_root_give_back(room, taken);
    return status;
}

static weir_status apply(weir_ctx *ctx, const w_root_state *s, int64_t count, double *c, w_root_report *report, w_scratch *room)
{
    const int64_t n = s->wish.n, taken = room->used, values = w_mul64(n, count);
    void *out = w_scratch_take(room, w_mul64(values, 8));
    float *narrow = w_scratch_take(room, w_mul64(values, 4));
    if (!room->base) {
        return WEIR_OK;
    }
    const int size = s->factor_size;
    memset(out, 0, (size_t)(values * size));
    for (int64_t i = 0; size == 4 && i < values; i++) {
        narrow[i] = (float)c[i];
    }
    const void *b = size == 4 ? (const void *)narrow : c;
    weir_status status = w_symm(ctx, w_panel_best(size), n, count, 1, s->factor, n, (w_operand){ b, n, 1 }, out, n);
    for (int64_t i = 0; i < values; i++) {
        c[i] = size == 4 ? (double)((const float *)out)[i] : ((const double *)out)[i];
    }
    report->products = (double)count / (double)n;
    w_root_give_back(room, taken);
    return status;
}

const w_root_method w_root_iterated = { WEIR_ROOT_COUPLED, prepare, apply };
