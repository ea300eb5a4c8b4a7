/* SPDX-License-Identifier: Apache-2.0 */
/* From a view to a prepared state, and from that to an answer with its bound.
 *
 * With E = || X' A^(1/p) - I ||_2 of the route's approximation X' and a method that is backward stable in roundoff u,
 *
 *     || Z - Z* ||_F <= E || Z* ||_F + c u (kappa / p + 4) || A^(-1/p) ||_2 || B ||_F,    c = 1 + sqrt(n) / 4:
 *
 * a relative perturbation u of A moves A^(-1/p) by at most kappa / p times that, and || A^(-1/p) ||_2 <= least^(-1/p). The constant
 * is what rounding errors of n terms leave in practice with a margin; docs/numerics/roots.md has its test. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "root/root.h"

static const w_root_method *const methods[WEIR_ROOT_ROUTES] = {
    [WEIR_ROOT_CHOLESKY] = &w_root_cholesky, [WEIR_ROOT_EIGEN] = &w_root_eigen, [WEIR_ROOT_BAND] = &w_root_banded,
    [WEIR_ROOT_POLES] = &w_root_shifted, [WEIR_ROOT_COUPLED] = &w_root_iterated, [WEIR_ROOT_CHEBYSHEV] = &w_root_chebyshev,
};

const char *weir_root_route_name(int32_t route)
{
    static const char *const names[WEIR_ROOT_ROUTES] = { "auto", "cholesky", "lu", "eigen", "band", "poles", "coupled", "chebyshev",
                                                         "lanczos", "qr" };
    return route >= 0 && route < WEIR_ROOT_ROUTES ? names[route] : NULL;
}

static double element(const weir_matrix *a, int64_t i, int64_t j)
{
    const void *at = w_matrix_at(a, i, j);
    return a->dtype == WEIR_F32 ? (double)*(const float *)at : *(const double *)at;
}

/* a := A + rho I from the view, its norms; *apart: || A - A' ||_F. */
static void load(const weir_matrix *view, bool trusted, double ridge, w_root_state *s, double *apart)
{
    const int64_t n = s->wish.n;
    double off = 0, frobenius = 0;
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = j; i < n; i++) {
            const double below = element(view, i, j), above = trusted || i == j ? below : element(view, j, i);
            s->a[i + j * n] = s->a[j + i * n] = below + (i == j ? ridge : 0);
            off += 2 * (below - above) * (below - above);
        }
    }
    s->norm_inf = s->trace = 0;
    for (int64_t j = 0; j < n; j++) {
        double row = 0, square = 0;
        for (int64_t i = 0; i < n; i++) {
            row += fabs(s->a[i + j * n]);
            square += s->a[i + j * n] * s->a[i + j * n];
        }
        s->norm_inf = row > s->norm_inf || row != row ? row : s->norm_inf;
        s->trace += s->a[j * (n + 1)];
        frobenius += square;
    }
    s->norm_frobenius = sqrt(frobenius);
    *apart = sqrt(off);
}

static weir_status check_loaded(weir_ctx *ctx, const w_root_state *s, double apart)
{
    if (!isfinite(s->norm_inf)) {
        return w_fail(ctx, WEIR_E_NUMERIC, "the matrix holds a value that is not finite");
    }
    const double unit = s->wish.size == 4 ? FLT_EPSILON : DBL_EPSILON;
    if (!(apart <= (double)s->wish.n * unit * s->norm_frobenius)) {
        return w_fail(ctx, WEIR_E_DATA, "the matrix is not symmetric: ||A - A'|| is %.1e of ||A||; give its symmetric part, or trust "
                      "its lower triangle", apart / s->norm_frobenius);
    }
    if (s->wish.n > 0 && !(s->trace > 0)) {
        return w_fail(ctx, WEIR_E_NUMERIC, "the matrix is not positive definite: its trace is %g", s->trace);
    }
    return WEIR_OK;
}

/* The route with the fewest predicted seconds over the calls that share the matrix. */
static int choose(const w_root_wish *wish, char *reason, size_t bytes)
{
    static const int candidates[] = { WEIR_ROOT_EIGEN, WEIR_ROOT_BAND, WEIR_ROOT_COUPLED, WEIR_ROOT_POLES };
    if (wish->p == 1) {
        snprintf(reason, bytes, "p = 1: a Cholesky factor");
        return WEIR_ROOT_CHOLESKY;
    }
    int best = WEIR_ROOT_EIGEN, second = WEIR_ROOT_BAND;
    double least = INFINITY, next = INFINITY;
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        const double seconds = w_root_seconds(candidates[i], wish, wish->count);
        if (seconds < least) {
            second = best;
            next = least;
            best = candidates[i];
            least = seconds;
        } else if (seconds < next) {
            second = candidates[i];
            next = seconds;
        }
    }
    snprintf(reason, bytes, "%s %.3g s against %s %.3g s", weir_root_route_name(best), least, weir_root_route_name(second), next);
    return best;
}

weir_status w_root_prepare(weir_ctx *ctx, const w_root_wish *wish, const weir_matrix *a, bool trusted, w_root_state *out,
                           w_scratch *kept, w_scratch *room)
{
    w_root_state s = { .wish = *wish, .unit = DBL_EPSILON / 2 };
    s.a = w_scratch_take(kept, w_mul64(w_mul64(wish->n, wish->n), 8));
    s.route = wish->route;
    if (s.route == WEIR_ROOT_AUTO) {
        s.route = choose(wish, s.reason, sizeof s.reason);
    } else {
        snprintf(s.reason, sizeof s.reason, "asked for");
    }
    const w_root_method *method = methods[s.route];
    weir_status status = WEIR_OK;
    if (!method) {
        return w_fail(ctx, WEIR_E_ARG, "route %s does not serve a symmetric matrix that is given", weir_root_route_name(s.route));
    }
    if (kept->base) {
        double apart;
        load(a, trusted, wish->ridge, &s, &apart);
        status = check_loaded(ctx, &s, apart);
    }
    if (status >= 0 && (wish->n > 0 || !kept->base)) {
        status = method->prepare(ctx, &s, kept, room);
    }
    *out = s;
    return status;
}

static double norm(int64_t count, const double *x)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += x[i] * x[i];
    }
    return sqrt(sum);
}

weir_status w_root_apply(weir_ctx *ctx, const w_root_state *state, int64_t count, double *c, weir_root_stats *stats,
                         w_scratch *room)
{
    const int64_t n = state->wish.n, p = state->wish.p;
    const double before = room->base ? norm(n * count, c) : 0;
    w_root_report report = { .residual = NAN };
    weir_status status = (n > 0 && count > 0) || !room->base ? methods[state->route]->apply(ctx, state, count, c, &report, room) : WEIR_OK;
    if (status < 0 || !room->base) {
        return status;
    }
    const double after = norm(n * count, c), kappa = state->least > 0 ? state->most / state->least : 1;
    if (!isfinite(after) && isfinite(before)) {
        return w_fail(ctx, WEIR_E_NUMERIC, "the root is not finite: the matrix is singular to working precision");
    }
    const double rounding = (1 + sqrt((double)n) / 4) * state->unit * (kappa / (double)p + 4);
    const double amplified = after > 0 && state->least > 0 ? fmax(1, before / after * pow(state->least, -1.0 / (double)p)) : 1;
    *stats = (weir_root_stats){ .route = state->route, .steps = state->steps, .retries = state->retries,
                                .lambda_min = state->least, .lambda_max = state->most, .ridge = state->wish.ridge,
                                .products = state->products + report.products, .residual = report.residual };
    stats->predicted = report.predicted > 0 ? report.predicted : state->predicted;
    const double output = state->wish.size == 4 ? FLT_EPSILON / 2 : DBL_EPSILON / 2;
    stats->bound = stats->predicted / fmax(0.5, 1 - stats->predicted) + rounding * amplified + 2 * output;
    stats->precision_limited = state->unit * fmax(kappa, report.condition) / (double)p > state->wish.tolerance;
    memcpy(stats->reason, state->reason, sizeof stats->reason);
    return stats->bound <= state->wish.tolerance ? WEIR_OK : WEIR_NOT_CONVERGED;
}
