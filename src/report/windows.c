/* SPDX-License-Identifier: Apache-2.0 */
/* What all windows together say; single windows are delivered while they are fitted. */
#include "report/windows.h"

#include <math.h>

#include "base/format.h"
#include "fit/window.h"
#include "report/json.h"
#include "report/writer.h"

static void put_states(w_writer *w, const weir_windows_summary *s)
{
    for (int i = 0, first = 1; i < WEIR_GROUP_STATES; i++) {
        if (s->state_count[i] > 0) {
            w_putf(w, "%s%lld %s", first ? "" : ", ", (long long)s->state_count[i], w_group_state_name((weir_group_state)i));
            first = 0;
        }
    }
}

static double rmse(const weir_windows_summary *s) { return s->test_rows > 0 ? sqrt(s->test_square / (double)s->test_rows) : NAN; }
static double mae(const weir_windows_summary *s) { return s->test_rows > 0 ? s->test_absolute / (double)s->test_rows : NAN; }

static void put_spread(w_writer *w, const char *name, double least, double mean, double most)
{
    char text[W_NUMBER_BYTES];
    w_put_padded(w, name, -8);
    w_putf(w, " least %s", isfinite(least) ? w_text_general(text, least, 5) : "NA");
    w_putf(w, ", mean %s", isfinite(mean) ? w_text_general(text, mean, 5) : "NA");
    w_putf(w, ", most %s\n", isfinite(most) ? w_text_general(text, most, 5) : "NA");
}

weir_status w_report_windows_text(weir_ctx *ctx, const weir_windows *windows, weir_write_fn write, void *user)
{
    w_writer w;
    weir_windows_summary s;
    char text[W_NUMBER_BYTES], bytes[W_FORMAT_BYTES];
    w_windows_summarise(windows, &s);
    w_writer_init(&w, ctx, write, user);
    w_putf(&w, "Formula: %s\nWindows: %lld of %lld rows in steps of %lld (", s.formula, (long long)s.windows, (long long)s.length,
           (long long)s.step);
    put_states(&w, &s);
    w_putf(&w, ")\nRows:    %lld, %lld missing\nColumns: %lld in each window\n", (long long)s.rows, (long long)s.rows_missing,
           (long long)s.columns);
    const char *whose = !s.estimated ? "given" : s.each ? "of each window" : "of the first window";
    w_putf(&w, "Smoothing parameters: %s\n", s.sp_count == 0 ? "none" : whose);
    for (int j = 0; s.sp && j < s.sp_count; j++) {
        w_putf(&w, "  %s  %s\n", s.sp_label[j], w_text_general(text, s.sp[j], 6));
    }
    w_put(&w, "\n");
    put_spread(&w, "edf", s.edf_least, s.edf_mean, s.edf_most);
    put_spread(&w, "sigma", s.sigma_least, s.sigma_mean, s.sigma_most);
    w_putf(&w, "\nRows behind their window: %lld", (long long)s.test_rows);
    w_putf(&w, ", root mean square error %s", s.test_rows > 0 ? w_text_general(text, rmse(&s), 6) : "NA");
    w_putf(&w, ", mean absolute error %s\n", s.test_rows > 0 ? w_text_general(text, mae(&s), 6) : "NA");
    w_putf(&w, "1 pass, %lld windows at a time, %s at most", (long long)s.batch, w_format_bytes(bytes, s.actual_bytes));
    w_putf(&w, ", %s\n", w_text_seconds(text, s.seconds_total));
    return w_writer_finish(&w);
}

static void put_spread_json(w_json *j, const char *key, double least, double mean, double most)
{
    w_json_open(j, key, '{');
    w_json_number(j, "least", least);
    w_json_number(j, "mean", mean);
    w_json_number(j, "most", most);
    w_json_close(j, '}');
}

static void put_time(w_json *j, const weir_windows_summary *s)
{
    w_json_open(j, "time", '{');
    w_json_number(j, "rows", s->seconds_read);
    w_json_number(j, "sums", s->seconds_sums);
    w_json_number(j, "solve", s->seconds_solve);
    w_json_number(j, "total", s->seconds_total);
    w_json_close(j, '}');
}

weir_status w_report_windows_json(weir_ctx *ctx, const weir_windows *windows, weir_write_fn write, void *user)
{
    w_writer w;
    weir_windows_summary s;
    w_json j = { .w = &w, .first = true };
    w_windows_summarise(windows, &s);
    w_writer_init(&w, ctx, write, user);
    w_json_open(&j, NULL, '{');
    w_json_text(&j, "schema", "weir windows 1");
    w_json_text(&j, "formula", s.formula);
    w_json_text(&j, "method", s.criterion_name);
    w_json_integer(&j, "length", s.length);
    w_json_integer(&j, "step", s.step);
    w_json_integer(&j, "windows", s.windows);
    w_json_integer(&j, "columns", s.columns);
    w_json_integer(&j, "rows", s.rows);
    w_json_integer(&j, "rows_missing", s.rows_missing);
    w_json_bool(&j, "own_smoothing_parameters", s.each != 0);
    w_json_numbers(&j, "sp", s.sp ? s.sp_count : 0, s.sp);
    put_spread_json(&j, "edf", s.edf_least, s.edf_mean, s.edf_most);
    put_spread_json(&j, "sigma", s.sigma_least, s.sigma_mean, s.sigma_most);
    w_json_integer(&j, "test_rows", s.test_rows);
    w_json_number(&j, "test_rmse", rmse(&s));
    w_json_number(&j, "test_mae", mae(&s));
    w_json_integer(&j, "blocks", s.blocks);
    w_json_integer(&j, "windows_in_flight", s.batch);
    w_json_text(&j, "status", s.status == WEIR_OK ? "ok" : "not converged");
    w_json_integer(&j, "actual_bytes", s.actual_bytes);
    w_json_number(&j, "seconds", s.seconds_total);
    put_time(&j, &s);
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
    w_json_close(&j, '}');
    w_put(&w, "\n");
    return w_writer_finish(&w);
}
