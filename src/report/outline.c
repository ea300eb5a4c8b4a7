/* SPDX-License-Identifier: Apache-2.0 */
#include "report/outline.h"

#include <inttypes.h>
#include <string.h>

#include "base/format.h"

void w_put_rows_line(w_writer *w, const weir_summary *summary)
{
    if (summary->rows_missing == 0 && summary->rows_zero_weight == 0) {
        return;
    }
    w_putf(w, "Rows: %" PRId64 " read", summary->rows);
    if (summary->rows_missing > 0) {
        w_putf(w, ", %" PRId64 " dropped for missing values", summary->rows_missing);
    }
    if (summary->rows_zero_weight > 0) {
        w_putf(w, ", %" PRId64 " of weight 0", summary->rows_zero_weight);
    }
    w_put(w, "\n");
}

const char *w_status_words(const weir_summary *summary)
{
    switch (summary->status) {
    case WEIR_NOT_CONVERGED:
        return "NOT CONVERGED";
    case WEIR_RANK_DEFICIENT:
        return "rank deficient (dependent columns have coefficient 0)";
    default:
        return "converged";
    }
}

void w_put_certificate(w_writer *w, const weir_summary *summary)
{
    char number[W_NUMBER_BYTES];
    w_putf(w, "Certificate: %s after %d iteration%s", w_status_words(summary), summary->iterations,
           summary->iterations == 1 ? "" : "s");
    w_putf(w, "\n             gradient %s", w_text_general(number, summary->gradient, 2));
    w_putf(w, ", condition %s", w_text_general(number, summary->condition, 2));
    w_putf(w, ", backward error %s\n", w_text_general(number, summary->backward_error, 2));
}

static const char *or_unknown(const char *text)
{
    return text ? text : "unknown";
}

void w_put_plan_route(w_writer *w, const weir_plan *plan)
{
    w_putf(w, "%s on %s in %s, %d thread%s, %d pass%s", or_unknown(plan->route), or_unknown(plan->device),
           or_unknown(plan->precision), plan->threads, plan->threads == 1 ? "" : "s", plan->passes,
           plan->passes == 1 ? "" : "es");
    if (plan->coefficients) {
        w_putf(w, ", coefficients by %s", plan->coefficients);
    }
}

void w_plan_compare(const weir_summary *s, w_plan_line line[W_PLAN_LINES])
{
    const weir_plan *plan = s->plan;
    char bytes[W_FORMAT_BYTES];
    line[0].label = "memory";
    strcpy(line[0].predicted, w_format_bytes(bytes, plan->bytes));
    strcpy(line[0].actual, w_format_bytes(bytes, s->actual_bytes));
    line[1].label = "reading";
    w_text_seconds(line[1].predicted, plan->seconds_read);
    w_text_seconds(line[1].actual, s->seconds_read);
    line[2].label = "set-up and normal equations";
    w_text_seconds(line[2].predicted, plan->seconds_accumulate);
    w_text_seconds(line[2].actual, s->seconds_design + s->seconds_normal);
    line[3].label = "smoothing";
    w_text_seconds(line[3].predicted, plan->seconds_smooth);
    w_text_seconds(line[3].actual, s->seconds_smoothing);
    line[4].label = "total";
    w_text_seconds(line[4].predicted, plan->seconds);
    w_text_seconds(line[4].actual, s->seconds_total);
}

void w_put_recoveries(w_writer *w, int count, const weir_recovery *recovery)
{
    for (int i = 0; i < count && i < WEIR_PLAN_RECOVERIES; i++) {
        const weir_recovery *r = &recovery[i];
        w_putf(w, "%s  - %s: %s -> %s, going on %s (%s)\n", i == 0 ? "Memory ran out:\n" : "", r->step, r->from, r->to, r->resumed,
               r->reason);
    }
}

void w_put_plan_block(w_writer *w, const weir_summary *summary)
{
    const weir_plan *plan = summary->plan;
    w_plan_line line[W_PLAN_LINES];
    char bytes[W_FORMAT_BYTES];
    w_put(w, "Plan: ");
    w_put_plan_route(w, plan);
    w_putf(w, "\n      rows %s, tiles of %" PRId64 ", budget %s\n", or_unknown(plan->reading), plan->tile_rows,
           w_format_bytes(bytes, summary->budget));
    w_plan_compare(summary, line);
    w_put(w, "                               predicted      actual\n");
    for (int i = 0; i < W_PLAN_LINES; i++) {
        w_put(w, "  ");
        w_put_padded(w, line[i].label, -27);
        w_put_padded(w, line[i].predicted, 11);
        w_put(w, " ");
        w_put_padded(w, line[i].actual, 11);
        w_put(w, "\n");
    }
    w_put_recoveries(w, plan->recovery_count, plan->recovery);
}
