/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <inttypes.h>
#include <math.h>

#include "base/format.h"
#include "report/outline.h"
#include "report/writer.h"

static void put_bytes_line(w_writer *w, const char *label, int64_t bytes)
{
    char text[W_FORMAT_BYTES];
    w_put(w, "    ");
    w_put_padded(w, label, -20);
    w_put_padded(w, w_format_bytes(text, bytes), 12);
    w_put(w, "\n");
}

/* `actual` NaN: not known yet. */
static void put_seconds_line(w_writer *w, const char *label, double seconds, double actual)
{
    char text[W_NUMBER_BYTES];
    w_put(w, "    ");
    w_put_padded(w, label, -20);
    w_put_padded(w, w_text_seconds(text, seconds), 12);
    if (!isnan(actual)) {
        w_put_padded(w, w_text_seconds(text, actual), 12);
    }
    w_put(w, "\n");
}

static void put_shape(w_writer *w, const weir_plan *plan)
{
    char text[W_NUMBER_BYTES], bytes[W_FORMAT_BYTES];
    w_put(w, "\n  rows     ");
    if (plan->rows < 0) {
        w_put(w, "unknown");
    } else {
        w_putf(w, "%s%s", plan->rows_exact ? "" : "about ", w_text_count(text, plan->rows));
    }
    if (plan->reading) {
        w_putf(w, ", %s", plan->reading);
    }
    if (plan->window_bytes > 0) {
        w_putf(w, ", windows of %s", w_format_bytes(bytes, plan->window_bytes));
    }
    w_putf(w, "\n  columns  %" PRId64 ", %d smoothing parameter%s", plan->columns, plan->smoothing_parameters,
           plan->smoothing_parameters == 1 ? "" : "s");
    if (plan->knots) {
        w_putf(w, ", knots %s", plan->knots);
    }
    w_putf(w, "\n  tiles    %" PRId64 " rows, %" PRId64 " to a shard\n", plan->tile_rows, plan->shard_tiles);
}

/* `s` NULL: nothing has happened yet. */
static void put_costs(w_writer *w, const weir_plan *plan, const weir_summary *s)
{
    char text[W_NUMBER_BYTES], bytes[W_FORMAT_BYTES];
    w_putf(w, "  memory   %s", w_format_bytes(bytes, plan->bytes));
    w_putf(w, " of a budget of %s", w_format_bytes(bytes, plan->budget));
    w_putf(w, s ? "; %s were taken at most\n" : "\n", s ? w_format_bytes(bytes, s->actual_bytes) : "");
    put_bytes_line(w, "reading", plan->bytes_read);
    put_bytes_line(w, "sums", plan->bytes_sums);
    put_bytes_line(w, "system", plan->bytes_system);
    put_bytes_line(w, "result", plan->bytes_result);
    w_putf(w, "  time     %s by %s costs", w_text_seconds(text, plan->seconds), plan->calibrated ? "calibrated" : "built-in");
    w_putf(w, s ? "; %s it took\n" : "\n", s ? w_text_seconds(text, s->seconds_total) : "");
    put_seconds_line(w, "reading", plan->seconds_read, s ? s->seconds_read : NAN);
    put_seconds_line(w, "set-up", plan->seconds_setup, s ? s->seconds_design : NAN);
    put_seconds_line(w, "normal equations", plan->seconds_accumulate, s ? s->seconds_normal : NAN);
    put_seconds_line(w, "smoothing", plan->seconds_smooth, s ? s->seconds_smoothing : NAN);
}

static void put_routes(w_writer *w, const weir_plan *plan)
{
    char text[W_NUMBER_BYTES], bytes[W_FORMAT_BYTES];
    for (int i = 0; i < plan->route_count && i < WEIR_PLAN_ROUTES; i++) {
        const weir_plan_route *r = &plan->routes[i];
        w_put(w, i == 0 ? "Routes:\n  " : "  ");
        w_put_padded(w, r->route, -27);
        w_put_padded(w, r->bytes > 0 ? w_format_bytes(bytes, r->bytes) : "-", 12);
        w_put_padded(w, r->bytes > 0 ? w_text_seconds(text, r->seconds) : "-", 12);
        w_putf(w, "  %s\n", r->reason);
    }
}

static weir_status put_plan(weir_ctx *ctx, const weir_plan *plan, const weir_summary *summary, weir_write_fn write, void *user)
{
    w_writer w;
    w_writer_init(&w, ctx, write, user);
    w_put(&w, "Plan: ");
    w_put_plan_route(&w, plan);
    put_shape(&w, plan);
    put_costs(&w, plan, summary);
    for (int i = 0; i < plan->reason_count && i < WEIR_PLAN_REASONS; i++) {
        w_putf(&w, "%s  - %s\n", i == 0 ? "Why:\n" : "", plan->reason[i]);
    }
    put_routes(&w, plan);
    w_put_recoveries(&w, plan->recovery_count, plan->recovery);
    return w_writer_finish(&w);
}

weir_status w_report_plan_text(weir_ctx *ctx, const weir_plan *plan, weir_write_fn write, void *user)
{
    return put_plan(ctx, plan, NULL, write, user);
}

weir_status w_report_explain(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    return put_plan(ctx, model->summary.plan, &model->summary, write, user);
}
