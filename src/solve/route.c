/* SPDX-License-Identifier: Apache-2.0 */
/* The table of routes, the choice among them, and what follows it: groups whose Gram turns out to be too ill-conditioned, or not
 * positive definite, go on to QR where that fits, and come back for a solution with jitter where it does not. */
#include "solve/route.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"

static const w_route *const table[] = { &w_route_cholesky, &w_route_mixed, &w_route_qr, &w_route_sparse, &w_route_cg,
                                        &w_route_dual };
enum { ROUTES = (int)(sizeof table / sizeof table[0]) };

const w_route *w_route_at(int index) { return index >= 0 && index < ROUTES ? table[index] : NULL; }

const w_route *w_route_find(int32_t id)
{
    for (int i = 0; i < ROUTES; i++) {
        if (table[i]->id == id) {
            return table[i];
        }
    }
    return NULL;
}

/* What every route begins with. */
static double call_seconds(const w_route_shape *s, const w_route_limits *limits, const w_cost *cost)
{
    const double look = cost->route.look + cost->route.look_entry * (double)s->entries;
    return cost->route.call + (s->kind == WEIR_MATRIX_CSR && limits->sparse_library ? look : 0.0);
}

/* With as many groups in flight as there are threads to take them and memory to hold them. */
static w_route_offer make_offer(const w_route *route, w_route_shape *shape, const w_route_limits *limits, const w_cost *cost)
{
    w_route_offer offer = { .route = route->id, .dense = route->dense, .width = route->width(shape), .in_flight = 1,
                            .unfit = route->unfit(shape, limits), .serial = NAN, .seconds = NAN };
    if (offer.unfit) {
        return offer;
    }
    const double share = route->dense ? 0.9 : 1.0;
    shape->in_flight = shape->groups >= shape->threads ? shape->threads : 1;
    offer.bytes = route->bytes(shape);
    while (shape->in_flight > 1 && (double)offer.bytes > share * (double)limits->free_bytes) {
        shape->in_flight--;
        offer.bytes = route->bytes(shape);
    }
    offer.in_flight = shape->in_flight;
    offer.serial = route->seconds(shape, cost) + call_seconds(shape, limits, cost);
    offer.seconds = w_cost_threaded(cost, offer.serial, shape->threads);
    return offer;
}

/* The smallest budget with which a route would be taken, beside what is in use; INT64_MAX: no memory helps. */
static int64_t least_budget(w_linear *q, const w_route_limits *limits, const w_cost *cost, int64_t frame)
{
    const int in_flight = q->shape.in_flight;
    w_route_limits none = *limits;
    w_route_offer offer[ROUTES];
    weir_route_candidate candidate[ROUTES];
    int64_t needed;
    none.free_bytes = 0;
    for (int i = 0; i < ROUTES; i++) {
        offer[i] = make_offer(table[i], &q->shape, &none, cost);
    }
    q->shape.in_flight = in_flight;
    w_route_choose(ROUTES, offer, &none, q->o->route, candidate, &needed);
    return needed == INT64_MAX ? needed : w_add64(w_add64(needed, frame), q->ctx->ledger.in_use);
}

static weir_status choose(w_linear *q, const w_route_limits *limits, const w_cost *cost, int64_t frame,
                          weir_linear_result *result)
{
    w_route_offer offer[ROUTES];
    for (int i = 0; i < ROUTES; i++) {
        offer[i] = make_offer(table[i], &q->shape, limits, cost);
    }
    int64_t needed;
    const int best = w_route_choose(ROUTES, offer, limits, q->o->route, result->candidate, &needed);
    result->candidate_count = ROUTES;
    if (best >= 0) {
        result->route = table[best]->id;
        result->bytes_predicted = offer[best].bytes;
        result->seconds_predicted = offer[best].seconds;
        q->shape.in_flight = offer[best].in_flight;
        return WEIR_OK;
    }
    if (needed < INT64_MAX) {
        return w_fail(q->ctx, WEIR_E_BUDGET, "no route fits in the %lld bytes that are free: the smallest that would needs %lld",
                      (long long)w_ledger_free_bytes(q->ctx), (long long)w_add64(needed, frame));
    }
    if (q->o->route != WEIR_ROUTE_AUTO) {
        for (int i = 0; i < ROUTES; i++) {
            if (table[i]->id == q->o->route) {
                return w_fail(q->ctx, WEIR_E_ARG, "route %s does not serve this system: %s", weir_route_name(q->o->route),
                              result->candidate[i].reason);
            }
        }
    }
    return w_fail(q->ctx, WEIR_E_ARG, "no route serves this system: %s", result->candidate[0].reason);
}

static int64_t wanted(const w_linear *q)
{
    int64_t count = 0;
    for (int64_t g = 0; g < q->groups; g++) {
        count += q->wanted[g] != 0;
    }
    return count;
}

static const weir_route_candidate *candidate_of(const weir_linear_result *result, int32_t route)
{
    for (int i = 0; i < result->candidate_count; i++) {
        if (result->candidate[i].route == route) {
            return &result->candidate[i];
        }
    }
    return NULL;
}

/* What a sparse factor with too much fill is left to: the next quickest route. */
static weir_status after_sparse(w_linear *q, weir_linear_result *result)
{
    const weir_route_candidate *next = NULL;
    for (int i = 0; i < result->candidate_count; i++) {
        const weir_route_candidate *c = &result->candidate[i];
        if (c->admissible && c->route != WEIR_ROUTE_SPARSE && (!next || c->serial_seconds < next->serial_seconds)) {
            next = c;
        }
    }
    if (!next) {
        return WEIR_OK;
    }
    result->rerouted = wanted(q);
    result->bytes_predicted = w_max64(result->bytes_predicted, next->bytes);
    q->shape.in_flight = next->groups_in_flight;
    return w_route_find(next->route)->solve(q);
}

/* The groups that a Gram route has left: QR, or the same route with jitter. */
static weir_status follow_up(w_linear *q, const w_route *route, weir_linear_result *result)
{
    const weir_route_candidate *qr = candidate_of(result, WEIR_ROUTE_QR);
    q->may_reroute = false;
    if (qr && qr->admissible) {
        result->rerouted = w_max64(result->rerouted, wanted(q));
        result->bytes_predicted = w_max64(result->bytes_predicted, qr->bytes);
        q->shape.in_flight = qr->groups_in_flight;
        return w_route_qr.solve(q);
    }
    return route->solve(q);
}

static weir_status summarise(w_linear *q, weir_linear_result *result)
{
    weir_status worst = WEIR_OK;
    double jitter = 0.0, residual = 0.0, backward = 0.0, condition = NAN;
    for (int64_t s = 0; s < result->systems; s++) {
        const weir_linear_outcome *o = &q->outcome[s];
        if (o->status < 0) {
            result->failed++;
            worst = worst < 0 ? worst : o->status;
            continue;
        }
        result->rank_deficient += o->status == WEIR_RANK_DEFICIENT;
        result->unconverged += o->status == WEIR_NOT_CONVERGED;
        result->iterations = w_max64(result->iterations, o->iterations);
        jitter = fmax(jitter, o->jitter);
        residual = fmax(residual, o->residual);
        backward = fmax(backward, o->backward_error);
        condition = isnan(condition) ? o->condition : fmax(condition, o->condition);
    }
    result->jitter = jitter;
    result->residual = residual;
    result->backward_error = backward;
    result->condition = condition;
    if (worst < 0) {
        return worst;
    }
    return result->unconverged ? WEIR_NOT_CONVERGED : result->rank_deficient ? WEIR_RANK_DEFICIENT : WEIR_OK;
}

/* That of the last system with an answer. */
static int32_t last_route(const w_linear *q)
{
    return q->outcome ? q->outcome[q->groups * q->m - 1].route : WEIR_ROUTE_QR;
}

static void explain(const w_linear *q, weir_linear_result *result)
{
    int used = snprintf(result->explanation, sizeof result->explanation, "%s: %lld system%s of %lld columns in %.3g s (predicted "
                        "%.3g s), %.4g MiB (predicted %.4g MiB)", weir_route_name(result->route), (long long)result->systems,
                        result->systems == 1 ? "" : "s", (long long)q->p, result->seconds, result->seconds_predicted,
                        (double)result->bytes / 1048576.0, (double)result->bytes_predicted / 1048576.0);
    char *end = result->explanation + used;
    size_t room = sizeof result->explanation - (size_t)used;
    if (result->rerouted && room > 0) {
        used = snprintf(end, room, "; %lld group%s of much fill or ill condition went on to %s", (long long)result->rerouted,
                        result->rerouted == 1 ? "" : "s", weir_route_name(last_route(q)));
    } else if (result->jitter > 0.0) {
        used = snprintf(end, room, "; a pivot failed and jitter up to %.3g was added to the scaled diagonal", result->jitter);
    } else if (result->iterations > 0) {
        used = snprintf(end, room, "; %lld iterations at most", (long long)result->iterations);
    }
}

static weir_status run(w_linear *q, const w_route *route, weir_linear_result *result)
{
    q->may_reroute = q->o->route == WEIR_ROUTE_AUTO && q->shape.kind != WEIR_MATRIX_OPERATOR;
    weir_status status = route->solve(q);
    if (status >= 0 && wanted(q) > 0 && route->id == WEIR_ROUTE_SPARSE && q->may_reroute) {
        status = after_sparse(q, result);
    }
    if (status >= 0 && wanted(q) > 0) {
        status = follow_up(q, route, result);
    }
    return status;
}

/* One large system may be factored by a device. */
static weir_status choose_place(w_linear *q, int32_t route, w_factor_place *place)
{
    const bool dense = route == WEIR_ROUTE_CHOLESKY || route == WEIR_ROUTE_DUAL;
    if (!dense || q->shape.in_flight > 1) {
        return WEIR_OK;
    }
    q->place = place;
    return w_factor_place_choose(q->ctx, route == WEIR_ROUTE_DUAL ? q->shape.largest : q->p, place);
}

static void explain_place(const w_factor_place *place, weir_linear_result *result)
{
    char *end = result->explanation + strlen(result->explanation);
    const size_t room = sizeof result->explanation - (size_t)(end - result->explanation);
    if (place->refused[0]) {
        snprintf(end, room, "; %s: the cpu factored", place->refused);
    } else if (place->used) {
        snprintf(end, room, "; factored on %s", place->device->name);
    }
}

static weir_status solve_chosen(w_linear *q, int64_t before, double begun, int64_t least, weir_linear_result *result)
{
    w_factor_place place = { 0 };
    w_route_recovery recovery;
    weir_ctx *ctx = q->ctx;
    const int64_t systems = result->systems;
    weir_linear_outcome *own = NULL;
    q->wanted = w_alloc_array(ctx, "route", (size_t)q->groups, 1);
    if (q->outcome == NULL) {
        own = q->outcome = w_alloc_array(ctx, "route", (size_t)systems, sizeof *own);
    }
    weir_status status = q->wanted && q->outcome ? WEIR_OK : w_alloc_status(ctx);
    if (status >= 0) {
        memset(q->wanted, 1, (size_t)q->groups);
        w_route_recovery_begin(&recovery, q, w_route_find(result->route), result);
        status = choose_place(q, result->route, &place);
    }
    if (status >= 0) {
        do {
            status = run(q, recovery.route, result);
        } while (status < 0 && w_route_recovery_step(&recovery, status));
        status = w_route_recovery_refuse(&recovery, status, least);
        status = status < 0 ? status : summarise(q, result);
        result->bytes = q->ctx->ledger.peak - before;
        result->seconds = w_clock_seconds() - begun;
        explain(q, result);
        explain_place(&place, result);
    }
    w_free(ctx, q->wanted);
    w_free(ctx, own);
    return status;
}

weir_status w_linear_solve(w_linear *q, const w_route_limits *limits, const w_cost *cost, bool plan_only,
                           weir_linear_result *result)
{
    const double begun = w_clock_seconds();
    weir_status status = w_linear_shape(q->ctx, q->s, q->o, &q->shape);
    if (status < 0) {
        return status;
    }
    if (limits->sparse_library) {
        w_linear_estimate_gram(q->ctx, q->s, &q->shape);
    }
    result->systems = w_mul64(q->groups, q->m);
    const int64_t frame = w_add64(w_alloc_bytes(q->groups),
                                  w_alloc_bytes(w_mul64(result->systems, (int64_t)sizeof(weir_linear_outcome))));
    w_route_limits left = *limits;
    left.free_bytes = limits->free_bytes == INT64_MAX ? INT64_MAX : w_max64(0, limits->free_bytes - frame);
    status = choose(q, &left, cost, frame, result);
    result->bytes_predicted = w_add64(result->bytes_predicted, frame);
    if (status < 0 || plan_only) {
        return status;
    }
    const int64_t before = q->ctx->ledger.in_use, least = least_budget(q, &left, cost, frame);
    w_ledger_reset_peak(q->ctx);
    return solve_chosen(q, before, begun, least, result);
}
