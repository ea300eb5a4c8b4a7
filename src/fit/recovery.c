/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/recovery.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/size.h"
#include "fit/iterative.h"
#include "plan/bytes.h"

#define TEXT_BYTES ((int64_t)256 << 10) /* a text that was just opened holds more of its head than one that was read */

static const char *resumed_text(w_recover_point point)
{
    return point == W_RECOVER_RESUME ? "at the first tile not added" : point == W_RECOVER_PASS ? "with the pass" : "with the stage";
}

/* Forgets the refusal, but not that somebody asked to stop. */
static void clear_message(weir_ctx *ctx)
{
    const int cancelled = atomic_load(&ctx->cancelled);
    w_message_clear(ctx);
    atomic_store(&ctx->cancelled, cancelled);
}

static void note(w_fit_recovery *r, w_recovery_step step, w_recover_point point, const w_recovery_state *next)
{
    char from[40], to[40];
    w_recovery_text(step, &r->state, from, sizeof from);
    w_recovery_text(step, next, to, sizeof to);
    w_log_line(r->ctx, WEIR_LOG_WARNING, "memory ran out (%s): from %s to %s, going on %s", r->ctx->message, from, to,
               resumed_text(point));
    if (r->count < WEIR_PLAN_RECOVERIES) {
        weir_recovery *record = &r->step[r->count];
        record->step = w_recovery_name(step);
        record->resumed = resumed_text(point);
        memcpy(record->from, from, sizeof from);
        memcpy(record->to, to, sizeof to);
        snprintf(record->reason, sizeof record->reason, "%.199s", r->ctx->message);
    }
    r->count++;
}

/* The same rows in the same order: codes, levels and count are those of the first time. */
static weir_status scan_again(w_fit_recovery *r)
{
    weir_ctx *ctx = r->ctx;
    if (r->state.window_bytes > 0) {
        r->scan.window_bytes = r->state.window_bytes;
    }
    r->scan.threads_hint = w_pool_workers(ctx);
    if (r->state.spilled) {
        r->scan.keep_bytes = 0;
        r->scan.spool = strcmp(ctx->scratch, "none") == 0 ? W_SPOOL_NEEDED : W_SPOOL_CACHE;
    }
    weir_status status = w_source_scan(r->table, &r->scan, NULL, NULL);
    if (status >= 0 && w_source_row_count(r->table) != r->rows) {
        status = w_fail(ctx, WEIR_E_DATA, "%s changed while it was read: %lld rows, then %lld", w_source_label(r->table),
                        (long long)r->rows, (long long)w_source_row_count(r->table));
    }
    return status;
}

/* Steps that need the rows again are taken with the pass, where the table is scanned; a stage that scans does so itself. */
static bool recover(weir_ctx *ctx, w_recover_point point, weir_status status, void *arg)
{
    w_fit_recovery *r = arg;
    if ((!r->planned && status == WEIR_E_BUDGET) || (r->once && point == W_RECOVER_FIT)) {
        return false;
    }
    for (;;) {
        w_recovery_state next;
        const w_recovery_step step = w_recovery_next(&r->state, point, status, &next);
        if (step == W_RECOVERY_GIVE_UP) {
            return false;
        }
        note(r, step, point, &next);
        r->state = next;
        clear_message(ctx);
        w_pool_limit(ctx, r->state.threads);
        ctx->lean = r->state.packed;
        if (!w_recovery_rescans(step) || r->rows < 0) {
            return true;
        }
        weir_status scanned = scan_again(r);
        if (scanned >= 0) {
            return true;
        }
        if (scanned != WEIR_E_MEMORY && scanned != WEIR_E_BUDGET) {
            return false;
        }
        status = scanned;
    }
}

void w_recovery_begin(w_fit_recovery *r, weir_ctx *ctx, weir_table *table)
{
    w_source_traits traits = { .once = 1 };
    memset(r, 0, sizeof *r);
    r->ctx = ctx;
    r->table = table;
    r->rows = -1;
    if (table) {
        w_source_traits_of(table, &traits);
    }
    r->state = (w_recovery_state){ .threads = w_pool_workers(ctx), .groups = 1, .devices = 1, .again = 1,
                                   .rescan = !traits.once && !traits.in_place };
    ctx->recover = recover;
    ctx->recover_arg = r;
}

void w_recovery_rows_begin(w_fit_recovery *r, weir_ctx *ctx, weir_table *table)
{
    w_source_traits traits;
    w_source_traits_of(table, &traits);
    w_recovery_begin(r, ctx, NULL);
    r->once = traits.once;
    r->planned = true;
}

void w_recovery_adapt(w_fit_recovery *r, const w_design *design, weir_plan *plan)
{
    w_recovery_state *state = &r->state;
    if (state->spilled && plan->keep_bytes > 0) {
        plan->bytes_read = w_max64(0, plan->bytes_read - plan->keep_bytes);
        plan->bytes = w_max64(0, plan->bytes - plan->keep_bytes);
        plan->keep_bytes = 0;
        plan->reading = strcmp(r->ctx->scratch, "none") == 0 ? "read again each pass" : "cached in scratch";
    }
    if (state->window_bytes > 0 && plan->window_bytes > state->window_bytes) {
        plan->window_bytes = state->window_bytes;
    }
    state->window_bytes = plan->window_bytes;
    state->threads = w_pool_workers(r->ctx);
    state->iterative = strcmp(plan->route, W_ROUTE_MATRIX_FREE) == 0;
    state->tile_bytes = plan->tile_bytes;
    if (design) {
        state->window_least = w_mul64(w_max64(1, w_plan_row_bytes(design)), W_TILE_ROWS);
    }
    if (r->table && w_source_scanned(r->table)) {
        state->kept = w_source_chosen_route(r->table) == W_ROUTE_KEPT;
        r->rows = w_source_row_count(r->table);
    } else {
        state->kept = plan->keep_bytes > 0;
        r->rows = -1;
    }
    r->scan = (w_scan_options){ .keep_bytes = plan->keep_bytes, .window_bytes = plan->window_bytes };
    r->scan.spool = plan->scratch_bytes > 0 || state->spilled ? W_SPOOL_CACHE : W_SPOOL_NEEDED;
    r->planned = true;
}

weir_status w_recovery_replan(w_fit_recovery *r, const w_design *design, const weir_fit_options *options, weir_plan *plan)
{
    w_recovery_state *state = &r->state;
    if (state->iterative && strcmp(plan->route, W_ROUTE_MATRIX_FREE) != 0) {
        weir_fit_options forced = *options;
        weir_plan other;
        forced.route = WEIR_FIT_MATRIX_FREE;
        weir_status status = w_planning_exact(r->ctx, r->table, design, &forced, &other);
        if (status < 0) {
            return status;
        }
        *plan = other;
        w_recovery_adapt(r, design, plan);
        state->tile_bytes = plan->tile_bytes;
    }
    plan->tile_bytes = w_min64(plan->tile_bytes, state->tile_bytes);
    return WEIR_OK;
}

int32_t w_recovery_list(const w_fit_recovery *r, weir_recovery *out)
{
    memcpy(out, r->step, sizeof r->step);
    return r->count < WEIR_PLAN_RECOVERIES ? r->count : WEIR_PLAN_RECOVERIES;
}

void w_recovery_end(w_fit_recovery *r, weir_plan *plan)
{
    weir_ctx *ctx = r->ctx;
    ctx->recover = NULL;
    ctx->recover_arg = NULL;
    ctx->lean = false;
    w_pool_limit(ctx, INT_MAX);
    if (plan) {
        plan->recovery_count = w_recovery_list(r, plan->recovery);
        if (r->count > 0) {
            plan->threads = r->state.threads;
        }
    }
}

weir_status w_recovery_refuse(w_fit_recovery *r, weir_status status, int64_t bytes)
{
    weir_ctx *ctx = r->ctx;
    char refused[240], need[W_FORMAT_BYTES], tried[W_MESSAGE_BYTES / 2] = "";
    snprintf(refused, sizeof refused, "%.239s", ctx->message);
    for (int i = 0, used = 0; i < r->count && i < WEIR_PLAN_RECOVERIES && used < (int)sizeof tried - 48; i++) {
        used += snprintf(tried + used, sizeof tried - (size_t)used, "%s%s", i ? ", " : "; tried: ", r->step[i].to);
    }
    clear_message(ctx);
    if (bytes <= 0) {
        return w_fail(ctx, status, "%s%s", refused, tried);
    }
    bytes = w_add64(bytes, bytes / 32 + TEXT_BYTES);
    char *named = strstr(refused, " would do"); /* by a plan with more in flight */
    while (named && named > refused && strncmp(named, ": ", 2) != 0) {
        named--;
    }
    if (named) {
        *named = '\0';
    }
    return w_fail(ctx, status, "%s%s: %s would do", refused, tried, w_format_bytes_up(need, bytes));
}

weir_status w_recovery_least(w_fit_recovery *r, const char *formula, const weir_fit_options *options, int64_t *bytes)
{
    weir_ctx *ctx = r->ctx;
    char message[W_MESSAGE_BYTES];
    const weir_status before = ctx->message_status;
    memcpy(message, ctx->message, sizeof message);
    clear_message(ctx);
    if (r->table) {
        w_source_reset(r->table);
    }
    const weir_status status = w_planning_least(ctx, r->table, formula, options, bytes);
    clear_message(ctx);
    w_fail(ctx, before, "%s", message);
    return status;
}

weir_status w_recovery_give_up(w_fit_recovery *r, const char *formula, const weir_fit_options *options, weir_status status)
{
    int64_t bytes = 0;
    if (!r->planned || (status != WEIR_E_MEMORY && status != WEIR_E_BUDGET)) {
        return status;
    }
    if (w_recovery_least(r, formula, options, &bytes) < 0) {
        bytes = 0;
    }
    return w_recovery_refuse(r, status, bytes);
}
