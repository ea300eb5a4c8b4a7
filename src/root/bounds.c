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
    if (!(sigma > 0)) { /* || A^-1 ||_2 <= || A^-1 ||_1, which the estimate may miss by a factor of three */
        memcpy(factor, state->a, (size_t)(n * n) * sizeof *factor);
        status = w_chol_factor(ctx, n, factor, &failed);
        const double condition = status < 0 || failed ? INFINITY : w_chol_condition(n, factor, state->norm_inf, work, integers);
        sigma = isfinite(condition) && condition > 0 ? state->norm_inf / condition / 3 : 0;
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

/* Seconds on one core at the rates of a present one; their ratios alone choose. */
double w_root_seconds(int route, const w_root_wish *wish, int64_t k)
{
    const double n = (double)wish->n, columns = (double)k, cube = n * n * n, product = 1 / 45e9;
    const double turning = 4 * n * n * columns * product, poles = 17;
    switch (route) {
    case WEIR_ROOT_EIGEN:
        return cube * 22 * product + 40e-6 + turning;
    case WEIR_ROOT_BAND:
        return (cube * 4 / 3 + n * n * 400) * product + turning + poles * n * (40 + 6 * columns) * 32 * product * 1.5 + 2e-3;
    case WEIR_ROOT_COUPLED:
        return cube * (wish->p == 1 ? 20 : 28) * product * (wish->size == 4 ? 0.55 : 1) + 20e-6;
    case WEIR_ROOT_POLES:
        return poles * (cube / 3 + 2 * n * n * columns) * product;
    case WEIR_ROOT_CHOLESKY:
        return (cube / 3 + 4 * n * n * columns) * product;
    default:
        return INFINITY;
    }
}
