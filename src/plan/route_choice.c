/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/route_choice.h"

#include <math.h>
#include <stdio.h>

#include "plan/route_memory.h"

const char *weir_route_name(int32_t route)
{
    static const char *const name[WEIR_ROUTES] = { "auto", "cholesky", "mixed", "qr", "sparse", "cg", "dual" };
    return route >= 0 && route < WEIR_ROUTES ? name[route] : NULL;
}

static const w_memory_shares shares = W_MEMORY_SHARES;

static int64_t budget_for(const w_route_offer *offer)
{
    if (!offer->dense || offer->bytes == INT64_MAX) {
        return offer->bytes;
    }
    const double budget = ceil((double)offer->bytes / shares.dense.host) + 2.0;
    return budget < 9e18 ? (int64_t)budget : INT64_MAX;
}

/* Width and seconds; false with the reason. */
static bool narrow_enough(const w_route_offer *offer, const w_route_limits *limits, weir_route_candidate *c)
{
    if (!offer->dense || offer->width <= limits->dense_max_p || offer->serial <= limits->dense_seconds) {
        return true;
    }
    snprintf(c->reason, sizeof c->reason, "%lld columns are more than dense_max_p %lld, and %.3g s more than %.3g s would lift it",
             (long long)offer->width, (long long)limits->dense_max_p, offer->serial, limits->dense_seconds);
    return false;
}

static bool fits(const w_route_offer *offer, const w_route_limits *limits, weir_route_candidate *c)
{
    if (limits->free_bytes == INT64_MAX && offer->bytes < INT64_MAX) {
        return true;
    }
    if (offer->bytes < INT64_MAX && budget_for(offer) <= limits->free_bytes) {
        return true;
    }
    snprintf(c->reason, sizeof c->reason, "takes %.4g MiB%s of %.4g MiB free", (double)offer->bytes / 1048576.0,
             offer->dense ? ", a dense system at most 90 %" : "", (double)limits->free_bytes / 1048576.0);
    return false;
}

static void describe(int count, int best, int32_t asked, weir_route_candidate *candidate)
{
    for (int i = 0; i < count; i++) {
        weir_route_candidate *c = &candidate[i];
        if (i == best) {
            c->taken = 1;
            snprintf(c->reason, sizeof c->reason, "%s", asked != WEIR_ROUTE_AUTO ? "asked for" : "fewest predicted seconds");
        } else if (c->admissible && best >= 0 && asked != WEIR_ROUTE_AUTO) {
            snprintf(c->reason, sizeof c->reason, "%s was asked for", weir_route_name(asked));
        } else if (c->admissible && best >= 0) {
            snprintf(c->reason, sizeof c->reason, "%.3g s against %.3g s of %s (one thread)", c->serial_seconds,
                     candidate[best].serial_seconds, weir_route_name(candidate[best].route));
        }
    }
}

int w_route_choose(int count, const w_route_offer *offer, const w_route_limits *limits, int32_t asked,
                   weir_route_candidate *candidate, int64_t *needed)
{
    int best = -1;
    *needed = INT64_MAX;
    for (int i = 0; i < count; i++) {
        const w_route_offer *o = &offer[i];
        weir_route_candidate *c = &candidate[i];
        *c = (weir_route_candidate){ .route = o->route, .bytes = o->bytes, .seconds = o->seconds, .serial_seconds = o->serial,
                                     .groups_in_flight = o->in_flight };
        const bool meant = asked == WEIR_ROUTE_AUTO || asked == o->route;
        if (o->unfit) {
            c->bytes = INT64_MAX;
            c->seconds = c->serial_seconds = NAN;
            snprintf(c->reason, sizeof c->reason, "%s", o->unfit);
        } else if (asked == o->route || narrow_enough(o, limits, c)) {
            c->admissible = fits(o, limits, c);
            if (meant && budget_for(o) < *needed) {
                *needed = budget_for(o);
            }
        }
        if (c->admissible && meant && (best < 0 || c->serial_seconds < candidate[best].serial_seconds)) {
            best = i;
        }
    }
    describe(count, best, asked, candidate);
    return best;
}
