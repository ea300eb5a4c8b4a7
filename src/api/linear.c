/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of penalised least squares. */
#include "weir/linear.h"

#include <math.h>

#include "device/device.h"
#include "krylov/cg.h"
#include "solve/route.h"
#include "sparse/cholmod.h"

#define W_SPARSE_COLUMNS 128 /* from here on libcholmod is looked for */

static const char *matrix_fault(const weir_linear_matrix *x)
{
    if (x->rows < 0 || x->columns < 1 || x->columns > INT32_MAX) {
        return "X needs 0 or more rows and 1 … 2^31 - 1 columns";
    }
    if (x->kind == WEIR_MATRIX_DENSE) {
        return x->values || x->rows == 0 ? NULL : "X has no values";
    }
    if (x->kind == WEIR_MATRIX_CSR) {
        return x->row_first && ((x->values && x->column) || x->row_first[x->rows] == x->row_first[0])
                   ? NULL : "CSR rows need row_first, column and values";
    }
    return x->kind != WEIR_MATRIX_OPERATOR ? "there is no such kind of matrix" : x->product ? NULL : "an operator needs product()";
}

static const char *penalty_fault(const weir_linear_system *s)
{
    int64_t next = 0;
    if (!(s->ridge >= 0.0) || !isfinite(s->ridge) || s->penalties < 0 || (s->penalties > 0 && !s->penalty)) {
        return "the ridge must be 0 or more, and the penalty blocks be there";
    }
    for (int64_t i = 0; s->diagonal && i < s->x.columns; i++) {
        if (!(s->diagonal[i] >= 0.0) || !isfinite(s->diagonal[i])) {
            return "an entry of the diagonal penalty is negative or not finite";
        }
    }
    for (int64_t b = 0; b < s->penalties; b++) {
        const weir_linear_penalty *e = &s->penalty[b];
        if (e->first < next || e->size < 0 || e->size > s->x.columns - e->first || (e->size > 0 && !e->matrix)) {
            return "penalty blocks must ascend, be disjoint and lie within the columns";
        }
        for (int64_t c = 0; c < e->size; c++) {
            for (int64_t r = 0; r <= c; r++) {
                if (!isfinite(e->matrix[r + c * e->size])) {
                    return "a penalty block is not finite";
                }
            }
        }
        next = e->first + e->size;
    }
    return NULL;
}

static const char *system_fault(const weir_linear_system *s)
{
    const char *fault = matrix_fault(&s->x);
    if (fault) {
        return fault;
    }
    if (s->groups < 0 || (s->groups > 1 && !s->group_first)) {
        return "several groups need group_first";
    }
    for (int64_t g = 0; s->group_first && g <= s->groups; g++) {
        const int64_t low = g > 0 ? s->group_first[g - 1] : 0;
        if (s->groups < 1 || s->group_first[g] < low || (g == 0 && s->group_first[0] != 0) ||
            (g == s->groups && s->group_first[g] != s->x.rows)) {
            return "group_first must ascend from 0 to the number of rows";
        }
    }
    if (s->right_hand_sides < 1 || s->right_hand_sides > INT32_MAX || (!s->y && s->x.rows > 0)) {
        return "there must be a right-hand side";
    }
    return penalty_fault(s);
}

static bool valid_options(const weir_linear_options *o)
{
    return o->route >= 0 && o->route < WEIR_ROUTES && o->mixed >= -1 && o->mixed <= 1 && o->preconditioner >= 0 &&
           o->preconditioner <= WEIR_PRECONDITIONER_NYSTROM && o->block >= 0 && o->rank >= 0 && o->tolerance >= 0.0 &&
           o->tolerance < 1.0 && o->max_iterations >= 0 && o->dense_max_p >= 0 && o->dense_seconds >= 0.0 &&
           o->condition_limit >= 0.0;
}

static weir_linear_options with_defaults(const weir_linear_options *given)
{
    weir_linear_options o = given ? *given : (weir_linear_options)WEIR_LINEAR_OPTIONS_INIT;
    o.tolerance = o.tolerance > 0.0 ? o.tolerance : W_CG_TOLERANCE;
    o.max_iterations = o.max_iterations > 0 ? o.max_iterations : W_CG_ITERATIONS;
    o.dense_max_p = o.dense_max_p > 0 ? o.dense_max_p : W_DENSE_MAX_P;
    o.dense_seconds = o.dense_seconds > 0.0 ? o.dense_seconds : W_DENSE_SECONDS;
    o.condition_limit = o.condition_limit > 0.0 ? o.condition_limit : W_CONDITION_LIMIT;
    return o;
}

static weir_status weights_fault(weir_ctx *ctx, const weir_linear_system *s)
{
    for (int64_t i = 0; s->weights && i < s->x.rows; i++) {
        if (!(s->weights[i] >= 0.0) || !isfinite(s->weights[i])) {
            return w_fail(ctx, WEIR_E_DATA, "weight %lld is negative or not finite", (long long)i);
        }
    }
    return WEIR_OK;
}

/* Limits and costs of this context. */
static weir_status limits_of(weir_ctx *ctx, const weir_linear_system *s, const weir_linear_options *o, w_route_limits *limits,
                             w_cost *cost)
{
    w_device_set *set = NULL;
    const weir_status status = w_devices_peek(ctx, &set);
    if (status < 0 && !set) {
        return status;
    }
    *cost = set->cost;
    const weir_policy policy = set->device[0].policy;
    *limits = (w_route_limits){ .free_bytes = w_ledger_free_bytes(ctx), .dense_max_p = o->dense_max_p,
                                .dense_seconds = o->dense_seconds,
                                .mixed = o->mixed >= 0 && (o->mixed > 0 || o->route == WEIR_ROUTE_MIXED ||
                                                           w_policy_refine(&policy, W_POLICY_REFINEMENT_MIN_P)) };
    if (s->x.kind == WEIR_MATRIX_CSR && (o->route == WEIR_ROUTE_SPARSE || s->x.columns >= W_SPARSE_COLUMNS)) {
        limits->sparse_library = w_cholmod_available(&limits->sparse_reason);
    } else {
        limits->sparse_reason = "fewer columns than pay for looking for libcholmod";
    }
    return WEIR_OK;
}

static weir_status enter(weir_ctx *ctx, const weir_linear_system *s, const weir_linear_options *given, double *coefficients,
                         weir_linear_outcome *outcome, weir_linear_result *result, bool plan_only)
{
    w_message_clear(ctx);
    if ((s && s->version != WEIR_LINEAR_VERSION) || (given && given->version != WEIR_LINEAR_VERSION)) {
        return w_fail(ctx, WEIR_E_VERSION, "this library knows linear systems and options of version %d", WEIR_LINEAR_VERSION);
    }
    const char *fault = !s ? "no system" : system_fault(s);
    if (fault || (given && !valid_options(given)) || (!coefficients && !plan_only)) {
        return w_fail(ctx, WEIR_E_ARG, "least squares: %s", fault ? fault : coefficients || plan_only
                      ? "an option is out of range" : "no room for the coefficients");
    }
    const weir_linear_options options = with_defaults(given);
    w_route_limits limits;
    w_cost cost;
    weir_status status = plan_only ? WEIR_OK : weights_fault(ctx, s);
    status = status < 0 ? status : limits_of(ctx, s, &options, &limits, &cost);
    if (status < 0) {
        return status;
    }
    w_linear q = { .ctx = ctx, .s = s, .o = &options, .n = s->x.rows, .p = s->x.columns, .m = s->right_hand_sides,
                   .groups = s->groups > 1 ? s->groups : 1, .b = coefficients, .outcome = outcome };
    return w_linear_solve(&q, &limits, &cost, plan_only, result);
}

weir_status weir_least_squares(weir_ctx *ctx, const weir_linear_system *system, const weir_linear_options *options,
                               double *coefficients, weir_linear_outcome *outcome, weir_linear_result *result)
{
    weir_linear_result found = { 0 };
    if (!ctx) {
        return WEIR_E_ARG;
    }
    const weir_status status = enter(ctx, system, options, coefficients, outcome, &found, false);
    if (result && (status >= 0 || found.systems > 0)) {
        *result = found;
    }
    return status;
}

weir_status weir_linear_plan(weir_ctx *ctx, const weir_linear_system *system, const weir_linear_options *options,
                             weir_linear_result *result)
{
    weir_linear_result found = { 0 };
    if (!ctx || !result) {
        return WEIR_E_ARG;
    }
    const weir_status status = enter(ctx, system, options, NULL, NULL, &found, true);
    if (status >= 0 || found.candidate_count > 0) {
        *result = found;
    }
    return status;
}
