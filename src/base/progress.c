/* SPDX-License-Identifier: Apache-2.0 */
/* Seconds left = what this pass still takes at its own pace + (passes to come) x (seconds of a pass: the last whole one, or
 * this one at its pace while there is none). */
#include "base/ctx.h"

#include <math.h>

#include "base/clock.h"

void w_progress_begin(weir_ctx *ctx, int passes)
{
    w_progress_state *state = &ctx->progress_state;
    state->now = (weir_progress){ .phase = "accumulate", .passes = passes, .total = -1, .criterion = NAN, .seconds_left = NAN };
    state->begun = w_clock_seconds();
    state->told = -INFINITY;
    state->pass_begun = state->begun;
    state->pass_seconds = NAN;
    atomic_store(&state->stop, 0);
}

void w_progress_end(weir_ctx *ctx)
{
    atomic_store(&ctx->progress_state.stop, 0);
}

static void keep_pass_expected(weir_progress *now)
{
    if (now->passes > 0 && now->passes < now->pass) {
        now->passes = now->pass;
    }
}

void w_progress_expect(weir_ctx *ctx, int passes)
{
    ctx->progress_state.now.passes = passes;
    keep_pass_expected(&ctx->progress_state.now);
}

void w_progress_phase(weir_ctx *ctx, const char *phase)
{
    ctx->progress_state.now.phase = phase;
}

void w_progress_pass(weir_ctx *ctx)
{
    w_progress_state *state = &ctx->progress_state;
    double clock = w_clock_seconds();
    if (state->now.pass > 0 && state->now.done > 0) {
        state->pass_seconds = clock - state->pass_begun;
    }
    state->pass_begun = clock;
    state->now.pass++;
    state->now.done = 0;
    state->now.total = -1;
    keep_pass_expected(&state->now);
}

static double seconds_left(const w_progress_state *state, double clock)
{
    const weir_progress *now = &state->now;
    double later = now->passes > 0 ? now->passes - now->pass : NAN;
    double share = now->total > 0 ? (double)now->done / (double)now->total : NAN;
    if (share >= 1.0) { /* between two passes */
        return later > 0 ? later * state->pass_seconds : later;
    }
    double whole = (clock - state->pass_begun) / share;
    if (!isfinite(whole)) {
        return NAN;
    }
    double each = isnan(state->pass_seconds) ? whole : state->pass_seconds;
    return (1.0 - share) * whole + (later > 0 ? later * each : later);
}

static void tell(weir_ctx *ctx)
{
    w_progress_state *state = &ctx->progress_state;
    if (!ctx->progress || w_pool_current_worker(ctx) != 0) {
        return;
    }
    double clock = w_clock_seconds();
    if (clock - state->told < state->interval) {
        return;
    }
    state->told = clock;
    state->now.seconds = clock - state->begun;
    state->now.seconds_left = seconds_left(state, clock);
    if (ctx->progress(ctx->user, &state->now)) {
        atomic_store(&state->stop, 1);
    }
}

void w_progress_rows(weir_ctx *ctx, const char *phase, int64_t done, int64_t total)
{
    weir_progress *now = &ctx->progress_state.now;
    if (phase) {
        now->phase = phase;
    }
    now->done = done;
    now->total = total;
    tell(ctx);
}

void w_progress_criterion(weir_ctx *ctx, double value)
{
    weir_progress *now = &ctx->progress_state.now;
    const char *phase = now->phase;
    now->criterion = isfinite(value) ? value : now->criterion;
    now->phase = "smoothing";
    tell(ctx);
    now->phase = phase;
}
