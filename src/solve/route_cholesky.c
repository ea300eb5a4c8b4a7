/* SPDX-License-Identifier: Apache-2.0 */
/* Routes cholesky and mixed: the Gram of a group and its factor. */
#include <string.h>

#include "base/size.h"
#include "solve/route.h"

static int64_t width(const w_route_shape *s) { return s->p; }

/* Gram, right-hand sides, and the larger of what sums and factor need. */
static int64_t group_doubles(const w_route_shape *s, bool mixed)
{
    const int64_t factor = w_add64(w_spd_doubles(s->p, s->m), mixed ? w_spd_mixed_doubles(s->p, s->m) : 0);
    return w_add64(w_mul64(s->p, w_add64(s->p, s->m)), w_max64(w_gram_doubles(s), factor));
}

static weir_status solve_group(w_linear *q, double *work, int64_t group, bool mixed)
{
    const int32_t route = mixed ? WEIR_ROUTE_MIXED : WEIR_ROUTE_CHOLESKY;
    double *a = work, *c = a + q->p * q->p, *rest = c + q->p * q->m;
    w_spd_report report;
    weir_status status = w_gram_form(q, group, rest, a, c);
    if (status >= 0) {
        status = w_spd_solve(q->ctx, q->place, q->p, q->m, a, c, rest, !q->o->no_jitter && !q->may_reroute, mixed, &report);
    }
    if (status >= 0 && w_spd_settle(q, group, route, &report) && q->outcome[group * q->m].status >= 0) {
        memcpy(q->b + group * q->m * q->p, c, (size_t)(q->m * q->p) * sizeof *c);
    }
    return status;
}

static weir_status float64_group(w_linear *q, double *work, int64_t group) { return solve_group(q, work, group, false); }
static weir_status mixed_group(w_linear *q, double *work, int64_t group) { return solve_group(q, work, group, true); }

static weir_status solve(w_linear *q) { return w_route_groups(q, group_doubles(&q->shape, false), float64_group); }
static weir_status solve_mixed(w_linear *q) { return w_route_groups(q, group_doubles(&q->shape, true), mixed_group); }
static int64_t bytes(const w_route_shape *s) { return w_route_groups_bytes(s, group_doubles(s, false)); }
static int64_t bytes_mixed(const w_route_shape *s) { return w_route_groups_bytes(s, group_doubles(s, true)); }

static double seconds(const w_route_shape *s, const w_cost *cost)
{
    return w_gram_seconds(s, cost) + (double)s->groups * w_spd_seconds(s->p, s->m, cost);
}

/* A float32 factor that serves; refinement takes a few solutions of each system. */
static double seconds_mixed(const w_route_shape *s, const w_cost *cost)
{
    const double p = (double)s->p, further = 3.0 * (double)(s->m - 1) * p * p * cost->route.spd_column;
    return w_gram_seconds(s, cost) + (double)s->groups * (w_curve_at(&cost->route.mixed, p, 3.0) + further);
}

static const char *unfit(const w_route_shape *s, const w_route_limits *limits)
{
    (void)limits;
    return s->kind == WEIR_MATRIX_OPERATOR ? "the rows of X are not at hand" : s->p > INT32_MAX ? "too wide for LAPACK" : NULL;
}

static const char *unfit_mixed(const w_route_shape *s, const w_route_limits *limits)
{
    const char *reason = unfit(s, limits);
    return reason ? reason
         : !limits->mixed ? "mixed precision is off"
         : s->p < W_POLICY_REFINEMENT_MIN_P ? "fewer than 64 columns" : NULL;
}

const w_route w_route_cholesky = { WEIR_ROUTE_CHOLESKY, true, width, unfit, bytes, seconds, solve };
const w_route w_route_mixed = { WEIR_ROUTE_MIXED, true, width, unfit_mixed, bytes_mixed, seconds_mixed, solve_mixed };
