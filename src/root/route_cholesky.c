/* SPDX-License-Identifier: Apache-2.0 */
/* p = 1: A = R'R in float64 and one step of refinement, or, for a single use, a float32 factor with float64 refinement
 * (dense/refine.h). The residual is that of the answer; with B = A Z + r,  || Z - Z* || <= || A^-1 || || r ||. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/dense.h"
#include "dense/level3.h"
#include "dense/refine.h"
#include "root/root.h"

static bool single_use(const w_root_state *s) { return s->wish.reuse <= 1 && s->wish.n >= W_REFINEMENT_MIN_P; }

static weir_status prepare(weir_ctx *ctx, w_root_state *s, w_scratch *kept, w_scratch *room)
{
    const int64_t n = s->wish.n, taken = room->used;
    if (s->wish.p != 1) {
        return w_fail(ctx, WEIR_E_ARG, "route cholesky serves p = 1; p is %d", s->wish.p);
    }
    double *factor = single_use(s) ? NULL : w_scratch_take(kept, w_mul64(w_mul64(n, n), 8));
    double *work = w_scratch_take(room, w_mul64(n, 24));
    int32_t *integers = w_scratch_take(room, w_mul64(n, 4));
    weir_status status = WEIR_OK;
    s->factor = factor;
    if (kept->base && factor) {
        int64_t failed = 0;
        memcpy(factor, s->a, (size_t)(n * n) * sizeof *factor);
        status = w_chol_factor(ctx, n, factor, &failed);
        if (status >= 0 && failed) {
            status = w_fail(ctx, WEIR_E_NUMERIC, "the matrix is not positive definite: pivot %lld of its Cholesky factor is not "
                            "positive; a ridge would make it so", (long long)failed);
        }
        if (status >= 0) {
            s->most = s->norm_inf;
            s->least = s->norm_inf / w_chol_condition(n, factor, s->norm_inf, work, integers);
        }
        s->products = 1.0 / 6;
    }
    w_root_give_back(room, taken);
    return status;
}

/* r := b - A z; returns || r ||_F / (|| A ||_F || z ||_F + || b ||_F). */
static double residual(weir_ctx *ctx, const w_root_state *s, int64_t count, const double *b, const double *z, double *r,
                       weir_status *status)
{
    const int64_t n = s->wish.n;
    double above = 0, size_b = 0, size_z = 0;
    memcpy(r, b, (size_t)(n * count) * sizeof *r);
    *status = w_symm(ctx, w_panel_best(8), n, count, -1, s->a, n, (w_operand){ z, n, 1 }, r, n);
    for (int64_t i = 0; i < n * count; i++) {
        above += r[i] * r[i];
        size_b += b[i] * b[i];
        size_z += z[i] * z[i];
    }
    const double below = s->norm_frobenius * sqrt(size_z) + sqrt(size_b);
    return below > 0 ? sqrt(above) / below : 0;
}

/* Condition number in the 1-norm of a matrix that is too ill-conditioned for float32 to tell. */
static weir_status wide_condition(weir_ctx *ctx, const w_root_state *s, double *factor, double *work, int32_t *integers,
                                  double *condition)
{
    int64_t failed = 0;
    memcpy(factor, s->a, (size_t)(s->wish.n * s->wish.n) * sizeof *factor);
    const weir_status status = w_chol_factor(ctx, s->wish.n, factor, &failed);
    if (status >= 0) {
        *condition = failed ? INFINITY : w_chol_condition(s->wish.n, factor, s->norm_inf, work, integers);
    }
    return status;
}

static weir_status apply(weir_ctx *ctx, const w_root_state *s, int64_t count, double *c, w_root_report *report, w_scratch *room)
{
    const int64_t n = s->wish.n, taken = room->used, values = w_mul64(n, count);
    double *b = w_scratch_take(room, w_mul64(values, 8)), *r = w_scratch_take(room, w_mul64(values, 8));
    double *factor = w_scratch_take(room, w_mul64(w_mul64(n, n), 8)), *work = w_scratch_take(room, w_mul64(n, 24));
    int32_t *integers = w_scratch_take(room, w_mul64(n, 4));
    if (!room->base) {
        return WEIR_OK;
    }
    memcpy(b, c, (size_t)values * sizeof *b);
    weir_status status = WEIR_OK;
    double condition = s->factor ? s->most / s->least : 0;
    if (s->factor) {
        status = w_chol_solve_many(ctx, n, s->factor, c, count);
        if (status >= 0) {
            report->residual = residual(ctx, s, count, b, c, r, &status);
        }
        status = status < 0 ? status : w_chol_solve_many(ctx, n, s->factor, r, count);
        for (int64_t i = 0; status >= 0 && i < values; i++) {
            c[i] += r[i];
        }
    } else {
        w_refinement refined = { 0 };
        status = w_refine_solve(ctx, n, s->a, count, b, c, true, &refined);
        condition = refined.condition;
        if (status >= 0 && !(condition > 0 && isfinite(condition))) {
            status = wide_condition(ctx, s, factor, work, integers, &condition);
        }
    }
    if (status >= 0) {
        report->residual = residual(ctx, s, count, b, c, r, &status);
        report->predicted = 4 * report->residual * condition;
        report->condition = condition;
    }
    report->products = (double)count / (double)n;
    w_root_give_back(room, taken);
    return status < 0 ? status : WEIR_OK;
}

const w_root_method w_root_cholesky = { WEIR_ROOT_CHOLESKY, prepare, apply };
