/* SPDX-License-Identifier: Apache-2.0 */
/* Text: what was fitted, the first groups, and how edf, scale and deviance explained are distributed. JSON: every group. */
#include "report/groups.h"

#include <math.h>
#include <stdlib.h>

#include "base/format.h"
#include "fit/group.h"
#include "report/json.h"
#include "report/outline.h"
#include "report/writer.h"

#define TAG "group report"
#define SHOWN 10

static double explained(const weir_group *group)
{
    return group->null_deviance > 0 ? 1.0 - group->deviance / group->null_deviance : NAN;
}

static double explained_of(const weir_group *group) { return 100.0 * explained(group); }
static double edf_of(const weir_group *group) { return group->edf; }
static double sigma_of(const weir_group *group) { return sqrt(group->scale); }
static double rows_of(const weir_group *group) { return (double)group->n; }

static const struct {
    const char *name;
    double (*value)(const weir_group *);
} quantity[] = { { "rows", rows_of }, { "edf", edf_of }, { "sigma", sigma_of }, { "explained %", explained_of } };

static void put_cell(w_writer *w, double value)
{
    char text[W_NUMBER_BYTES];
    w_put(w, " ");
    w_put_padded(w, isfinite(value) ? w_text_general(text, value, 5) : "NA", 11);
}

static void put_first(w_writer *w, const weir_groups *groups, const weir_groups_summary *s)
{
    int width = 5;
    const int64_t count = s->groups < SHOWN ? s->groups : SHOWN;
    weir_group group;
    for (int64_t g = 0; g < count; g++) {
        w_groups_get(groups, g, &group);
        width = w_text_width(group.name) > width ? w_text_width(group.name) : width;
    }
    w_put(w, "\n");
    w_put_padded(w, "group", -width);
    for (int i = 0; i < 4; i++) {
        w_put(w, " ");
        w_put_padded(w, quantity[i].name, 11);
    }
    w_put(w, "  state\n");
    for (int64_t g = 0; g < count; g++) {
        w_groups_get(groups, g, &group);
        w_put_padded(w, group.name, -width);
        for (int i = 0; i < 4; i++) {
            put_cell(w, quantity[i].value(&group));
        }
        w_putf(w, "  %s\n", w_group_state_name(group.state));
    }
    if (count < s->groups) {
        w_putf(w, "… and %lld more\n", (long long)(s->groups - count));
    }
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void put_distribution(w_writer *w, const weir_groups *groups, const weir_groups_summary *s)
{
    static const char *const name[] = { "min", "25 %", "median", "75 %", "max" };
    double *value = w_alloc_array(w->ctx, TAG, (size_t)s->groups, sizeof *value);
    if (!value) {
        w_writer_fail(w, w_alloc_status(w->ctx));
        return;
    }
    w_put(w, "\nOver all groups:\n");
    w_put_padded(w, "", -11);
    for (int q = 0; q < 5; q++) {
        w_put(w, " ");
        w_put_padded(w, name[q], 11);
    }
    w_put(w, "\n");
    for (int i = 0; i < 4; i++) {
        int64_t count = 0;
        for (int64_t g = 0; g < s->groups; g++) {
            weir_group group;
            w_groups_get(groups, g, &group);
            value[count] = quantity[i].value(&group);
            count += isfinite(value[count]);
        }
        qsort(value, (size_t)count, sizeof *value, ascending);
        w_put_padded(w, quantity[i].name, -11);
        for (int q = 0; q < 5; q++) {
            put_cell(w, count > 0 ? value[(count - 1) * q / 4] : NAN);
        }
        w_put(w, "\n");
    }
    w_free(w->ctx, value);
}

static void put_states(w_writer *w, const weir_groups_summary *s)
{
    for (int i = 0, first = 1; i < WEIR_GROUP_STATES; i++) {
        if (s->state_count[i] > 0) {
            w_putf(w, "%s%lld %s", first ? "" : ", ", (long long)s->state_count[i], w_group_state_name((weir_group_state)i));
            first = 0;
        }
    }
}

weir_status w_report_groups_text(weir_ctx *ctx, const weir_groups *groups, weir_write_fn write, void *user)
{
    w_writer w;
    weir_groups_summary s;
    char text[W_NUMBER_BYTES], bytes[W_FORMAT_BYTES];
    w_groups_summarise(groups, &s);
    w_writer_init(&w, ctx, write, user);
    w_putf(&w, "Formula: %s\nGroups:  %lld of column %s (", s.formula, (long long)s.groups, s.column);
    put_states(&w, &s);
    w_putf(&w, ")\nRows:    %lld, %lld missing, %lld count\nColumns: %lld in each group\n", (long long)s.rows, (long long)s.rows_missing,
           (long long)s.n, (long long)s.columns);
    w_putf(&w, "Family:  %s, link %s\n", s.family, s.link);
    w_putf(&w, "Smoothing parameters: %s\n", s.sp_count == 0 ? "none" : !s.estimated ? "given" : s.each ? "of each group" : "shared");
    for (int j = 0; s.sp && j < s.sp_count; j++) {
        w_putf(&w, "  %s  %s\n", groups->design->sp_label[j], w_text_general(text, s.sp[j], 6));
    }
    put_first(&w, groups, &s);
    put_distribution(&w, groups, &s);
    w_putf(&w, "\n%s (sum) %s", s.criterion_name, w_text_general(text, s.criterion, 8));
    w_putf(&w, "  edf (sum) %s", w_text_general(text, s.edf, 6));
    w_putf(&w, "  explained %s %%\n", s.null_deviance > 0 ? w_text_general(text, 100 * (1 - s.deviance / s.null_deviance), 4) : "NA");
    w_putf(&w, "%d pass%s, %lld groups at a time, %s at most", (int)s.passes, s.passes == 1 ? "" : "es", (long long)s.in_flight,
           w_format_bytes(bytes, s.actual_bytes));
    w_putf(&w, ", %s\n", w_text_seconds(text, s.seconds_total));
    w_put_recoveries(&w, s.recovery_count, s.recovery);
    return w_writer_finish(&w);
}

static void put_group(w_json *j, const weir_groups_summary *s, const weir_group *group)
{
    w_json_open(j, NULL, '{');
    w_json_text(j, "name", group->name);
    w_json_text(j, "state", w_group_state_name(group->state));
    w_json_integer(j, "n", group->n);
    w_json_number(j, "edf", group->edf);
    w_json_number(j, "scale", group->scale);
    w_json_number(j, "sigma", sqrt(group->scale));
    w_json_number(j, "deviance", group->deviance);
    w_json_number(j, "null_deviance", group->null_deviance);
    w_json_number(j, "criterion", group->criterion);
    if (s->each) {
        w_json_numbers(j, "log_lambda", s->sp_count, group->log_lambda);
    }
    w_json_numbers(j, "coefficients", s->columns, group->beta);
    w_json_numbers(j, "std_error", s->columns, group->std_error);
    w_json_close(j, '}');
}

weir_status w_report_groups_json(weir_ctx *ctx, const weir_groups *groups, weir_write_fn write, void *user)
{
    w_writer w;
    weir_groups_summary s;
    w_json j = { .w = &w, .first = true };
    w_groups_summarise(groups, &s);
    w_writer_init(&w, ctx, write, user);
    w_json_open(&j, NULL, '{');
    w_json_text(&j, "schema", "weir groups 1");
    w_json_text(&j, "formula", s.formula);
    w_json_text(&j, "column", s.column);
    w_json_text(&j, "family", s.family);
    w_json_text(&j, "link", s.link);
    w_json_text(&j, "method", s.criterion_name);
    w_json_integer(&j, "groups", s.groups);
    w_json_integer(&j, "columns", s.columns);
    w_json_integer(&j, "rows", s.rows);
    w_json_integer(&j, "rows_missing", s.rows_missing);
    w_json_integer(&j, "n", s.n);
    w_json_bool(&j, "own_smoothing_parameters", s.each != 0);
    w_json_numbers(&j, "sp", s.sp ? s.sp_count : 0, s.sp);
    w_json_number(&j, "criterion", s.criterion);
    w_json_number(&j, "edf", s.edf);
    w_json_number(&j, "deviance", s.deviance);
    w_json_number(&j, "null_deviance", s.null_deviance);
    w_json_integer(&j, "iterations", s.iterations);
    w_json_integer(&j, "passes", s.passes);
    w_json_integer(&j, "groups_in_flight", s.in_flight);
    w_json_text(&j, "status", s.status == WEIR_OK ? "ok" : "not converged");
    w_json_integer(&j, "actual_bytes", s.actual_bytes);
    w_json_number(&j, "seconds", s.seconds_total);
    w_json_recoveries(&j, s.recovery_count, s.recovery);
    w_json_open(&j, "states", '{');
    for (int i = 0; i < WEIR_GROUP_STATES; i++) {
        w_json_integer(&j, w_group_state_name((weir_group_state)i), s.state_count[i]);
    }
    w_json_close(&j, '}');
    w_json_open(&j, "labels", '[');
    for (int64_t c = 0; c < s.columns; c++) {
        w_json_text(&j, NULL, s.label[c]);
    }
    w_json_close(&j, ']');
    w_json_open(&j, "group", '[');
    for (int64_t g = 0; g < s.groups; g++) {
        weir_group group;
        w_groups_get(groups, g, &group);
        put_group(&j, &s, &group);
    }
    w_json_close(&j, ']');
    w_json_close(&j, '}');
    w_put(&w, "\n");
    return w_writer_finish(&w);
}
