/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <inttypes.h>

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

static void put_seconds_line(w_writer *w, const char *label, double seconds)
{
    char text[W_NUMBER_BYTES];
    w_put(w, "    ");
    w_put_padded(w, label, -20);
    w_put_padded(w, w_text_seconds(text, seconds), 12);
    w_put(w, "\n");
}

weir_status w_report_plan_text(weir_ctx *ctx, const weir_plan *plan, weir_write_fn write, void *user)
{
    w_writer w;
    char text[W_NUMBER_BYTES], budget[W_FORMAT_BYTES];
    w_writer_init(&w, ctx, write, user);
    w_put(&w, "Plan: ");
    w_put_plan_route(&w, plan);
    w_put(&w, "\n  rows     ");
    if (plan->rows < 0) {
        w_put(&w, "unknown");
    } else {
        w_putf(&w, "%s%s", plan->rows_exact ? "" : "about ", w_text_count(text, plan->rows));
    }
    if (plan->reading) {
        w_putf(&w, ", %s", plan->reading);
    }
    w_putf(&w, "\n  columns  %" PRId64 ", %d smoothing parameter%s", plan->columns, plan->smoothing_parameters,
           plan->smoothing_parameters == 1 ? "" : "s");
    if (plan->knots) {
        w_putf(&w, ", knots %s", plan->knots);
    }
    w_putf(&w, "\n  tiles    %" PRId64 " rows, %" PRId64 " to a shard\n", plan->tile_rows, plan->shard_tiles);
    w_putf(&w, "  memory   %s", w_format_bytes(budget, plan->bytes));
    w_putf(&w, " of a budget of %s\n", w_format_bytes(budget, plan->budget));
    put_bytes_line(&w, "reading", plan->bytes_read);
    put_bytes_line(&w, "sums", plan->bytes_sums);
    put_bytes_line(&w, "system", plan->bytes_system);
    put_bytes_line(&w, "result", plan->bytes_result);
    w_putf(&w, "  time     %s\n", w_text_seconds(text, plan->seconds));
    put_seconds_line(&w, "reading", plan->seconds_read);
    put_seconds_line(&w, "normal equations", plan->seconds_accumulate);
    put_seconds_line(&w, "smoothing", plan->seconds_smooth);
    for (int i = 0; i < plan->reason_count && i < WEIR_PLAN_REASONS; i++) {
        w_putf(&w, "%s  - %s\n", i == 0 ? "Why:\n" : "", plan->reason[i]);
    }
    for (int i = 0; i < plan->route_count && i < WEIR_PLAN_ROUTES; i++) {
        const weir_plan_route *r = &plan->routes[i];
        w_put(&w, i == 0 ? "Routes:\n  " : "  ");
        w_put_padded(&w, r->route, -27);
        w_put_padded(&w, r->bytes > 0 ? w_format_bytes(budget, r->bytes) : "-", 12);
        w_put_padded(&w, r->bytes > 0 ? w_text_seconds(text, r->seconds) : "-", 12);
        w_putf(&w, "  %s\n", r->reason);
    }
    return w_writer_finish(&w);
}
