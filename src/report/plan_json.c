/* SPDX-License-Identifier: Apache-2.0 */
#include "report/json.h"

#include <inttypes.h>

#include "report/report.h"
#include "weir/version.h"

static void member(w_json *j, const char *key)
{
    w_put(j->w, j->first ? "" : ",");
    if (j->depth > 0) {
        w_put(j->w, "\n");
        w_put_spaces(j->w, 2 * j->depth);
    }
    if (key) {
        w_put_json_string(j->w, key);
        w_put(j->w, ": ");
    }
    j->first = false;
}

void w_json_open(w_json *j, const char *key, char bracket)
{
    member(j, key);
    w_put_bytes(j->w, &bracket, 1);
    j->depth++;
    j->first = true;
}

void w_json_close(w_json *j, char bracket)
{
    j->depth--;
    if (!j->first) {
        w_put(j->w, "\n");
        w_put_spaces(j->w, 2 * j->depth);
    }
    w_put_bytes(j->w, &bracket, 1);
    j->first = false;
}

void w_json_text(w_json *j, const char *key, const char *value)
{
    member(j, key);
    if (value) {
        w_put_json_string(j->w, value);
    } else {
        w_put(j->w, "null");
    }
}

void w_json_number(w_json *j, const char *key, double value)
{
    member(j, key);
    w_put_json_number(j->w, value);
}

void w_json_integer(w_json *j, const char *key, int64_t value)
{
    member(j, key);
    w_putf(j->w, "%" PRId64, value);
}

void w_json_bool(w_json *j, const char *key, bool value)
{
    member(j, key);
    w_put(j->w, value ? "true" : "false");
}

void w_json_numbers(w_json *j, const char *key, int64_t count, const double *values)
{
    member(j, key);
    w_put(j->w, "[");
    for (int64_t i = 0; i < count; i++) {
        w_put(j->w, i > 0 ? ", " : "");
        w_put_json_number(j->w, values[i]);
    }
    w_put(j->w, "]");
}

static void put_routes(w_json *j, const weir_plan *plan)
{
    w_json_open(j, "routes", '[');
    for (int i = 0; i < plan->route_count && i < WEIR_PLAN_ROUTES; i++) {
        const weir_plan_route *r = &plan->routes[i];
        w_json_open(j, NULL, '{');
        w_json_text(j, "route", r->route);
        w_json_bool(j, "taken", r->taken);
        w_json_bool(j, "admissible", r->admissible);
        w_json_integer(j, "bytes", r->bytes);
        w_json_number(j, "seconds", r->seconds);
        w_json_text(j, "reason", r->reason);
        w_json_close(j, '}');
    }
    w_json_close(j, ']');
}

void w_json_recoveries(w_json *j, int count, const weir_recovery *recovery)
{
    if (count == 0) {
        return;
    }
    w_json_open(j, "recoveries", '[');
    for (int i = 0; i < count && i < WEIR_PLAN_RECOVERIES; i++) {
        const weir_recovery *r = &recovery[i];
        w_json_open(j, NULL, '{');
        w_json_text(j, "step", r->step);
        w_json_text(j, "from", r->from);
        w_json_text(j, "to", r->to);
        w_json_text(j, "resumed", r->resumed);
        w_json_text(j, "reason", r->reason);
        w_json_close(j, '}');
    }
    w_json_close(j, ']');
}

void w_json_plan(w_json *j, const weir_plan *plan, bool routes)
{
    w_json_text(j, "route", plan->route);
    if (routes && plan->coefficients) {
        w_json_text(j, "coefficients", plan->coefficients);
    }
    w_json_text(j, "device", plan->device);
    w_json_text(j, "precision", plan->precision);
    w_json_text(j, "reading", plan->reading);
    w_json_text(j, "knots", plan->knots);
    w_json_integer(j, "rows", plan->rows);
    w_json_bool(j, "rows_exact", plan->rows_exact);
    w_json_integer(j, "columns", plan->columns);
    w_json_integer(j, "smoothing_parameters", plan->smoothing_parameters);
    w_json_integer(j, "threads", plan->threads);
    w_json_integer(j, "passes", plan->passes);
    w_json_integer(j, "tile_rows", plan->tile_rows);
    w_json_integer(j, "shard_tiles", plan->shard_tiles);
    w_json_integer(j, "window_bytes", plan->window_bytes);
    w_json_integer(j, "keep_bytes", plan->keep_bytes);
    w_json_integer(j, "budget", plan->budget);
    w_json_integer(j, "bytes", plan->bytes);
    w_json_open(j, "bytes_parts", '{');
    w_json_integer(j, "read", plan->bytes_read);
    w_json_integer(j, "sums", plan->bytes_sums);
    w_json_integer(j, "system", plan->bytes_system);
    w_json_integer(j, "result", plan->bytes_result);
    w_json_close(j, '}');
    w_json_number(j, "seconds", plan->seconds);
    w_json_open(j, "seconds_parts", '{');
    w_json_number(j, "read", plan->seconds_read);
    w_json_number(j, "normal", plan->seconds_accumulate);
    w_json_number(j, "smoothing", plan->seconds_smooth);
    w_json_close(j, '}');
    w_json_open(j, "reasons", '[');
    for (int i = 0; i < plan->reason_count && i < WEIR_PLAN_REASONS; i++) {
        w_json_text(j, NULL, plan->reason[i]);
    }
    w_json_close(j, ']');
    w_json_recoveries(j, plan->recovery_count, plan->recovery);
    if (routes && plan->route_count > 0) {
        put_routes(j, plan);
    }
}

weir_status w_report_plan_json(weir_ctx *ctx, const weir_plan *plan, weir_write_fn write, void *user)
{
    w_writer w;
    w_writer_init(&w, ctx, write, user);
    w_json j = { &w, 0, true };
    w_json_open(&j, NULL, '{');
    w_json_text(&j, "schema", "weir.plan/1");
    w_json_text(&j, "costs", plan->calibrated ? "calibrated" : "built in");
    w_json_text(&j, "version", WEIR_VERSION_STRING);
    w_json_plan(&j, plan, true);
    w_json_close(&j, '}');
    w_put(&w, "\n");
    return w_writer_finish(&w);
}
