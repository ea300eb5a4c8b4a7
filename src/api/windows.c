/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of fits by sliding windows. */
#include "weir/windows.h"

#include "fit/window.h"
#include "report/windows.h"

static const weir_fit_options defaults = WEIR_FIT_OPTIONS_INIT;

static weir_status check(weir_ctx *ctx, const weir_table *table, const char *formula, const weir_fit_options *options,
                         const weir_windows_options *how, const void *out)
{
    if (!table || !formula || !how || !out) {
        return w_fail(ctx, WEIR_E_ARG, "windows need a table, a formula, length and step, and out");
    }
    if (how->version != WEIR_WINDOWS_OPTIONS_VERSION) {
        return w_fail(ctx, WEIR_E_VERSION, "options of windows have version %d, this library knows %d: use WEIR_WINDOWS_OPTIONS_INIT",
                      (int)how->version, WEIR_WINDOWS_OPTIONS_VERSION);
    }
    if (options->version != WEIR_FIT_OPTIONS_VERSION) {
        return w_fail(ctx, WEIR_E_VERSION, "fit options have version %d, a fit by windows takes %d: use WEIR_FIT_OPTIONS_INIT",
                      (int)options->version, WEIR_FIT_OPTIONS_VERSION);
    }
    if ((int)options->criterion < 0 || options->criterion > WEIR_UBRE) {
        return w_fail(ctx, WEIR_E_ARG, "criterion %d is none of REML, ML, GCV, UBRE", (int)options->criterion);
    }
    if (options->sp_count < 0 || (options->sp_count > 0 && !options->sp)) {
        return w_fail(ctx, WEIR_E_ARG, "sp_count is %d but sp is NULL", (int)options->sp_count);
    }
    return WEIR_OK;
}

weir_status weir_fit_windows(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                             const weir_windows_options *how, weir_window_rows_fn rows, weir_window_fn window, void *user,
                             weir_windows **out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    const weir_fit_options *fit = options ? options : &defaults;
    const w_window_sink sink = { rows, window, user };
    w_message_clear(ctx);
    weir_status status = check(ctx, table, formula, fit, how, out);
    if (status >= 0) {
        w_progress_begin(ctx, 0);
        status = w_fit_windows(ctx, table, formula, fit, how, &sink, out);
        w_progress_end(ctx);
    }
    return status;
}

weir_status weir_plan_windows(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                              const weir_windows_options *how, weir_plan *out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    const weir_fit_options *fit = options ? options : &defaults;
    w_message_clear(ctx);
    weir_status status = check(ctx, table, formula, fit, how, out);
    return status < 0 ? status : w_plan_windows(ctx, table, formula, fit, how, out);
}

void weir_windows_free(weir_windows *windows)
{
    w_windows_free(windows);
}

weir_status weir_windows_summarise(const weir_windows *windows, weir_windows_summary *out)
{
    if (!windows || !out) {
        return WEIR_E_ARG;
    }
    w_windows_summarise(windows, out);
    return WEIR_OK;
}

static weir_status report(weir_ctx *ctx, const weir_windows *windows, weir_write_fn write, void *user,
                          weir_status (*how)(weir_ctx *, const weir_windows *, weir_write_fn, void *))
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    return windows && write ? how(ctx, windows, write, user) : w_fail(ctx, WEIR_E_ARG, "a report needs windows and a writer");
}

weir_status weir_windows_report_text(weir_ctx *ctx, const weir_windows *windows, weir_write_fn write, void *user)
{
    return report(ctx, windows, write, user, w_report_windows_text);
}

weir_status weir_windows_report_json(weir_ctx *ctx, const weir_windows *windows, weir_write_fn write, void *user)
{
    return report(ctx, windows, write, user, w_report_windows_json);
}
