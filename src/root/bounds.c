/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/chol.h"
#include "dense/dense.h"
#include "root/root.h"

#define TRIES 24

double w_root_most(const w_root_state *state)
{
    /* The trace is one for positive definite matrices alone; others are found out by what follows. */
    const double certain = fmin(state->norm_inf, fmin(state->norm_frobenius, state->trace > 0 ? state->trace : INFINITY));
    return state->wish.most > 0 ? fmin(state->wish.most, certain) : certain;
}

/* Lower triangle of A - sigma I. */
static void shifted(int64_t n, const double *a, double sigma, double *to)
{
    for (int64_t j = 0; j < n; j++) {
        memcpy(to + j * (n + 1), a + j * (n + 1), (size_t)(n - j) * sizeof *a);
        to[j * (n + 1)] -= sigma;
    }
}

weir_status w_root_least(weir_ctx *ctx, const w_root_state *state, double *least, w_scratch *room)
{
    const int64_t n = state->wish.n, kept = room->used;
    double *factor = w_scratch_take(room, w_mul64(w_mul64(n, n), 8)), *work = w_scratch_take(room, w_mul64(n, 24));
    int32_t *integers = w_scratch_take(room, w_mul64(n, 4));
    if (!room->base) {
        return WEIR_OK;
    }
    int64_t failed = 0;
    double sigma = state->wish.least;
    weir_status status = WEIR_OK;
    if (!(sigma > 0)) { /* 1 / || A^-1 ||_1 <= the least eigenvalue; the estimate of that norm, from below, is mostly exact */
        memcpy(factor, state->a, (size_t)(n * n) * sizeof *factor);
        status = w_chol_factor(ctx, n, factor, &failed);
        const double condition = status < 0 || failed ? INFINITY : w_chol_condition(n, factor, state->norm_inf, work, integers);
        sigma = isfinite(condition) && condition > 0 ? state->norm_inf / condition : 0;
    }
    bool proven = false;
    for (int i = 0; status >= 0 && !failed && sigma > 0 && !proven && i < TRIES; i++) {
        int64_t pivot = 0;
        shifted(n, state->a, sigma, factor);
        status = w_chol_factor_panels(ctx, w_panel_best(8), false, n, factor, n, &pivot);
        proven = pivot == 0;
        sigma *= proven ? 1 : 0.25;
    }
    w_root_give_back(room, kept);
    if (status >= 0 && !proven) {
        status = w_fail(ctx, WEIR_E_NUMERIC, "the matrix is not positive definite to working precision%s; a ridge would make it so",
                        failed ? "" : " (its least eigenvalue is below rounding)");
    }
    if (status >= 0) {
        *least = sigma;
    }
    return status;
}

/* Poles that the tolerance takes (poles.h); where the caller gives no bounds, for a condition number of 1e6. */
static double pole_count(const w_root_wish *wish)
{
    const double kappa = wish->least > 0 && wish->most > wish->least ? wish->most / wish->least : 1e6;
    return ceil(fmax(4, log(4 / fmax(0.4 * wish->tolerance, 1e-13)) * log(16 * kappa) / 19.74));
}

/* Products of the coupled iteration, those of one triangle as halves, for the same condition number: a step brings the least
 * eigenvalue seven times nearer to 1, and one or two end it. */
static double coupled_products(const w_root_wish *wish)
{
    const double kappa = wish->least > 0 && wish->most > wish->least ? wish->most / wish->least : 1e6;
    const double steps = (wish->tolerance < 1e-6 ? 1 : 0.5) + log(5 * kappa) / log(7.0);
    return steps * (wish->p == 1 ? 1.5 : wish->p == 2 ? 2 : 2.5) - 1;
}

/* Seconds: what one core took, at n = 64 to 1024 and k = 1 to n, as flops at a rate and what is fixed; whatever runs on the pool
 * counts two thirds, for two cores. The same whatever the threads are, so that they do not choose the route. */
double w_root_seconds(int route, const w_root_wish *wish, int64_t k)
{
    const double n = (double)wish->n, columns = (double)k, square = n * n, cube = n * square, flop = 1 / 51e9, pool = 2.0 / 3;
    const double poles = pole_count(wish), turning = 4 * square * columns * flop, width = (double)w_root_band_width(wish->n, k);
    const double building = (wish->p == 2 ? 50e-6 : 140e-6) * poles, strips = 8 * ceil(columns / 8);
    switch (route) {
    case WEIR_ROOT_EIGEN: /* LAPACK's, on one core */
        return cube * 1.25e-10 + square * 30e-9 + 20e-6 + pool * turning;
    case WEIR_ROOT_BAND: /* reduction; factors of the poles; columns through them */
        return building + 1.2e-6 * n + pool * (cube * 3.8e-11 + square * 3e-9 + turning +
                                               poles * n * width * (width * 5e-10 + strips * 1e-10));
    case WEIR_ROOT_COUPLED: /* bounds of the spectrum, and products of one triangle */
        return square * 15e-9 + 150e-6 + pool * (coupled_products(wish) * cube + square * columns) * 2 * flop;
    case WEIR_ROOT_POLES:
        return building + square * 15e-9 +
               pool * (poles + 2) * (cube * 5.5e-12 + square * 1.3e-9 + 2 * square * strips * flop);
    case WEIR_ROOT_CHOLESKY:
        return (cube / 3 + 4 * square * columns) * flop;
    default:
        return INFINITY;
    }
}
