/* SPDX-License-Identifier: Apache-2.0 */
/* What weir_least_squares does when memory runs out while a route works: the rules of plan/recovery.h with what there is to give up here,
 *     fewer groups in flight, conjugate gradients (where the route was the library's choice), the same once more.
 * Answers of groups stay: a route writes a group's coefficients when they are complete, and goes on with those that are wanted. */
#include "solve/route.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

static const weir_route_candidate *find(const weir_linear_result *result, int32_t route)
{
    for (int i = 0; i < result->candidate_count; i++) {
        if (result->candidate[i].route == route) {
            return &result->candidate[i];
        }
    }
    return NULL;
}

void w_route_recovery_begin(w_route_recovery *r, w_linear *q, const w_route *route, weir_linear_result *result)
{
    const weir_route_candidate *cg = find(result, WEIR_ROUTE_CG);
    *r = (w_route_recovery){ .q = q, .route = route, .result = result };
    r->state = (w_recovery_state){ .groups = q->shape.in_flight, .threads = 1, .packed = true, .devices = 1, .again = 1 };
    r->state.iterative_ready = q->o->route == WEIR_ROUTE_AUTO && route->id != WEIR_ROUTE_CG && cg && cg->admissible;
}

bool w_route_recovery_step(w_route_recovery *r, weir_status status)
{
    w_linear *q = r->q;
    char text[40];
    const w_recovery_step step = w_recovery_next(&r->state, W_RECOVER_FIT, status, &r->state);
    if (step == W_RECOVERY_GIVE_UP || (step == W_RECOVERY_AGAIN && r->last == W_RECOVERY_AGAIN)) {
        return false;
    }
    r->last = step;
    q->shape.in_flight = w_max64(1, r->state.groups);
    if (step == W_RECOVERY_ITERATIVE) {
        const weir_route_candidate *cg = find(r->result, WEIR_ROUTE_CG);
        r->route = w_route_find(WEIR_ROUTE_CG);
        q->shape.in_flight = cg->groups_in_flight;
        r->result->bytes_predicted = w_max64(r->result->bytes_predicted, cg->bytes);
    }
    w_recovery_text(step, &r->state, text, sizeof text);
    w_log_line(q->ctx, WEIR_LOG_WARNING, "memory ran out (%s): going on with %s", q->ctx->message, text);
    const size_t used = strlen(r->tried);
    snprintf(r->tried + used, sizeof r->tried - used, "%s%s", used ? ", " : "", text);
    w_message_clear(q->ctx);
    r->result->recoveries++;
    return true;
}

weir_status w_route_recovery_refuse(const w_route_recovery *r, weir_status status, int64_t least)
{
    weir_ctx *ctx = r->q->ctx;
    char refused[300];
    if (status != WEIR_E_MEMORY && status != WEIR_E_BUDGET) {
        return status;
    }
    snprintf(refused, sizeof refused, "%.299s", ctx->message);
    w_message_clear(ctx);
    if (least == INT64_MAX) {
        return w_fail(ctx, status, "%s%s%s", refused, r->tried[0] ? "; tried: " : "", r->tried);
    }
    return w_fail(ctx, status, "%s%s%s: a budget of %lld bytes would do", refused, r->tried[0] ? "; tried: " : "", r->tried,
                  (long long)least);
}
