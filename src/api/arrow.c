/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of block-arrow systems. */
#include "weir/arrow.h"

#include <math.h>

#include "solve/block_arrow.h"

static bool valid_system(const weir_arrow_system *a)
{
    return a && a->blocks >= 0 && a->d >= 1 && a->border >= 0 && (a->diagonal || a->blocks == 0) &&
           (a->coupling || a->blocks == 0 || a->border == 0) && (a->corner || a->border == 0);
}

static bool valid_options(const weir_arrow_options *o)
{
    return o->mode >= WEIR_ARROW_AUTO && o->mode <= WEIR_ARROW_PCG && o->preconditioner >= 0 && o->max_iterations >= 0 &&
           o->ridge_blocks >= 0.0 && isfinite(o->ridge_blocks) && o->ridge_border >= 0.0 && isfinite(o->ridge_border) &&
           o->tolerance >= 0.0 && o->tolerance < 1.0;
}

weir_status weir_arrow_solve(weir_ctx *ctx, const weir_arrow_system *system, const weir_arrow_options *given, int64_t count,
                             double *rows, double *border, weir_arrow_result *result)
{
    const weir_arrow_options options = given ? *given : (weir_arrow_options)WEIR_ARROW_OPTIONS_INIT;
    weir_arrow_result found;
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if ((system && system->version != WEIR_ARROW_VERSION) || options.version != WEIR_ARROW_VERSION) {
        return w_fail(ctx, WEIR_E_VERSION, "this library knows arrow systems and options of version %d", WEIR_ARROW_VERSION);
    }
    if (!valid_system(system) || count < 0 || (!rows && count > 0 && system->blocks > 0) ||
        (!border && count > 0 && system->border > 0)) {
        return w_fail(ctx, WEIR_E_ARG, "an arrow system needs d >= 1, sizes >= 0 and every array that is not empty");
    }
    if (!valid_options(&options)) {
        return w_fail(ctx, WEIR_E_ARG, "arrow options: mode 0 … 2, ridges >= 0, tolerance below 1, nothing negative");
    }
    const weir_status status = w_block_arrow_solve(ctx, system, &options, count, rows, border, &found);
    if (status >= 0 && result) {
        *result = found;
    }
    return status;
}

int64_t weir_arrow_bytes(const weir_arrow_system *system, const weir_arrow_options *given, int64_t count)
{
    const weir_arrow_options options = given ? *given : (weir_arrow_options)WEIR_ARROW_OPTIONS_INIT;
    if (!system || system->version != WEIR_ARROW_VERSION || options.version != WEIR_ARROW_VERSION || system->blocks < 0 ||
        system->d < 1 || system->border < 0 || count < 0 || !valid_options(&options)) {
        return -1;
    }
    return w_block_arrow_bytes(system, &options, count);
}
