/* SPDX-License-Identifier: Apache-2.0 */
/* The run of a fit by sliding windows: scan and compile as for one model (bases and penalties come from the covariates of the whole
 * table), then one pass (fit/window_run.c). */
#include "fit/window.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/size.h"
#include "fit/gam.h"
#include "fit/planning.h"
#include "fit/shape.h"
#include "plan/rates.h"
#include "table/table.h"

#define TAG "windows"

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static weir_status check_shape(weir_ctx *ctx, const weir_windows_options *how)
{
    if (how->length < 1 || how->step < 1) {
        return w_fail(ctx, WEIR_E_ARG, "a window of %lld rows in steps of %lld is none: both are at least 1", (long long)how->length,
                      (long long)how->step);
    }
    if (how->step > how->length) {
        return w_fail(ctx, WEIR_E_ARG, "steps of %lld rows leave rows out between windows of %lld: a step is at most the window",
                      (long long)how->step, (long long)how->length);
    }
    return WEIR_OK;
}

static weir_status check_options(weir_ctx *ctx, const weir_fit_options *options, const weir_windows_options *how)
{
    w_glm glm;
    weir_status status = w_family_parse(ctx, options->family ? options->family : "gaussian", &glm);
    if (status < 0) {
        return status;
    }
    if (glm.family->kind != W_FAMILY_GAUSSIAN || glm.link->kind != W_LINK_IDENTITY) {
        return w_fail(ctx, WEIR_E_ARG, "windows are fitted by linear models: family gaussian with link identity, not %s",
                      glm.family->name);
    }
    if (options->ar1 != 0 || options->ar1_estimate || options->ar1_start) {
        return w_fail(ctx, WEIR_E_ARG, "windows cannot have AR(1) residuals: leave --ar1 out");
    }
    if (options->ridge != 0) {
        return w_fail(ctx, WEIR_E_ARG, "ridge does not go with windows: leave it out");
    }
    if (options->diagnostics) {
        return w_fail(ctx, WEIR_E_ARG, "windows keep no residuals for an HTML report: write predictions and JSON");
    }
    if (options->route == WEIR_FIT_MATRIX_FREE) {
        return w_fail(ctx, WEIR_E_ARG, "windows are fitted by factoring their normal equations: leave the route to the library");
    }
    if (options->gamma < 0 || options->scale < 0 || !isfinite(options->gamma) || !isfinite(options->scale)) {
        return w_fail(ctx, WEIR_E_ARG, "gamma and scale must be positive numbers");
    }
    if (options->criterion == WEIR_UBRE && !(options->scale > 0)) {
        return w_fail(ctx, WEIR_E_ARG, "UBRE needs a known scale: give it, or use REML or GCV");
    }
    return check_shape(ctx, how);
}

static weir_status check_design(weir_ctx *ctx, const w_design *design, const weir_windows_options *how)
{
    if (design->trials) {
        return w_fail(ctx, WEIR_E_ARG, "the response %s counts successes and failures: windows are fitted by linear models",
                      design->response_label);
    }
    for (int t = 0; t < design->term_count; t++) {
        const w_smooth *smooth = design->term[t].smooth;
        for (int m = 0; smooth && m < smooth->margin_count; m++) {
            if (w_basis_shaped(smooth->margin[m].kind)) {
                return w_fail(ctx, WEIR_E_ARG, "%s has a shape constraint, which windows do not hold: use an unconstrained basis",
                              design->term[t].label);
            }
        }
    }
    return design->rows >= how->length ? WEIR_OK
                                       : w_fail(ctx, WEIR_E_DATA, "a window of %lld rows is longer than the table of %lld",
                                                (long long)how->length, (long long)design->rows);
}

/* What a plan of the same model under one fit is asked with. */
static weir_fit_options sketch_of(const weir_fit_options *options)
{
    weir_fit_options sketch = *options;
    sketch.route = WEIR_FIT_DENSE;
    return sketch;
}

static weir_status refuse_budget(weir_ctx *ctx, const w_design *design, const weir_windows_options *how, int64_t need)
{
    char have[W_FORMAT_BYTES], would[W_FORMAT_BYTES];
    return w_fail(ctx, WEIR_E_BUDGET, "memory budget of %s is too small for windows of %lld steps and p = %lld columns: %s would do",
                  w_format_bytes(have, ctx->ledger.budget), (long long)(how->length / how->step), (long long)design->p,
                  w_format_bytes_up(would, need));
}

/* What reading and the design take, then windows one thread at a time. */
static int64_t least_bytes(const weir_ctx *ctx, const w_design *design, const weir_windows_options *how, const weir_plan *plan)
{
    const w_window_shape shape = { how->length, how->step };
    const int64_t reading = w_add64(plan->bytes_read, w_plan_design_bytes(design));
    const int64_t windows = w_add64(w_add64(reading, reading / 4), w_window_least_room(design, &shape, 1));
    return w_add64(ctx->ledger.in_use, w_max64(plan->bytes, windows));
}

/* The plan of one fit is too large already, before a row is read: says what would do for windows. */
static weir_status name_budget(weir_ctx *ctx, weir_table *table, const w_formula *formula, const weir_fit_options *sketch,
                               const weir_windows_options *how, const weir_plan *plan)
{
    const int64_t budget = ctx->ledger.budget;
    w_design_options choice;
    w_design *skeleton = NULL;
    w_planning_design_options(sketch, NULL, &choice);
    w_message_clear(ctx);
    ctx->ledger.budget = 0; /* lifted for the sketch alone */
    weir_status status = w_design_estimate(ctx, formula, table, &choice, &skeleton);
    ctx->ledger.budget = budget;
    if (status >= 0) {
        status = refuse_budget(ctx, skeleton, how, least_bytes(ctx, skeleton, how, plan));
    }
    w_design_free(skeleton);
    return status;
}

static weir_status compile(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                           const weir_windows_options *how, w_design **out)
{
    w_formula *parsed = NULL;
    weir_plan plan;
    const weir_fit_options sketch = sketch_of(options);
    weir_status status = w_formula_parse(ctx, formula, &parsed);
    if (status >= 0) {
        status = w_planning_estimate(ctx, table, parsed, &sketch, &plan);
        status = status == WEIR_E_BUDGET ? name_budget(ctx, table, parsed, &sketch, how, &plan) : status;
    }
    if (status >= 0) {
        w_design_options choice;
        w_planning_design_options(&sketch, &plan, &choice);
        choice.undrawn = true;
        choice.keep_bytes /= 4; /* the rest is for sums */
        w_progress_expect(ctx, 2);
        status = w_design_compile(ctx, parsed, table, &choice, out);
    }
    w_formula_free(parsed);
    return status >= 0 ? check_design(ctx, *out, how) : status;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

void w_windows_free(weir_windows *windows)
{
    if (windows) {
        w_design_free(windows->design);
        w_free(windows->ctx, windows->sp);
        w_free(windows->ctx, windows);
    }
}

static weir_status create(weir_ctx *ctx, w_design *design, const weir_fit_options *options, const weir_windows_options *how,
                          weir_windows **out)
{
    weir_windows *windows = w_calloc(ctx, TAG, 1, sizeof *windows);
    if (!windows) {
        return w_alloc_status(ctx);
    }
    *windows = (weir_windows){ .ctx = ctx, .shape = { how->length, how->step }, .rows = design->rows, .each = how->each != 0,
                               .criterion = (int32_t)options->criterion, .edf_least = NAN, .edf_most = NAN, .sigma_least = NAN,
                               .sigma_most = NAN };
    windows->windows = w_window_count(&windows->shape, design->rows);
    for (int j = 0; j < design->sp_count; j++) {
        windows->estimated |= isnan(design->sp_fixed[j]);
    }
    windows->sp = w_calloc(ctx, TAG, (size_t)design->sp_count + 1, sizeof *windows->sp);
    if (!windows->sp) {
        w_windows_free(windows);
        return w_alloc_status(ctx);
    }
    windows->design = design;
    *out = windows;
    return WEIR_OK;
}

static weir_status choose_batch(weir_ctx *ctx, const weir_windows *windows, int64_t *batch)
{
    const w_design *design = windows->design;
    const int64_t room = w_ledger_free_bytes(ctx);
    *batch = w_window_batch(design, &windows->shape, w_pool_workers(ctx), room);
    for (int workers = w_pool_workers(ctx); *batch < W_BATCH && workers > 1;) {
        workers /= 2;
        w_pool_limit(ctx, workers);
        *batch = w_window_batch(design, &windows->shape, workers, room);
    }
    if (*batch >= W_BATCH) {
        return WEIR_OK;
    }
    const weir_windows_options how = { .length = windows->shape.length, .step = windows->shape.step };
    return refuse_budget(ctx, design, &how, w_add64(ctx->ledger.in_use, w_window_least_room(design, &windows->shape, 1)));
}

static weir_status run(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                       const weir_windows_options *how, const w_window_sink *sink, weir_windows **out)
{
    w_design *design = NULL;
    weir_windows *windows = NULL;
    w_window_pass pass = { .table = table, .options = options, .how = how, .sink = *sink };
    weir_status status = check_options(ctx, options, how);
    if (status >= 0) {
        status = compile(ctx, table, formula, options, how, &design);
    }
    if (status >= 0) {
        status = create(ctx, design, options, how, &windows);
    }
    if (status < 0) {
        w_design_free(design);
        return status;
    }
    status = choose_batch(ctx, windows, &pass.batch);
    if (status >= 0) {
        status = w_window_run(ctx, &pass, windows);
    }
    if (status < 0) {
        w_windows_free(windows);
        return status;
    }
    *out = windows;
    return status;
}

weir_status w_fit_windows(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                          const weir_windows_options *how, const w_window_sink *sink, weir_windows **out)
{
    const double start = w_clock_seconds();
    weir_windows *windows = NULL;
    weir_memory_info memory;
    w_ledger_reset_peak(ctx);
    weir_status status = run(ctx, table, formula, options, how, sink, &windows);
    w_pool_limit(ctx, INT_MAX);
    if (status < 0) {
        return status;
    }
    w_message_clear(ctx); /* remarks of single windows are in their states */
    weir_ctx_memory(ctx, &memory);
    windows->actual_bytes = memory.peak;
    windows->budget = memory.budget;
    windows->seconds_total = w_clock_seconds() - start;
    *out = windows;
    return windows->status == WEIR_NOT_CONVERGED
               ? w_remark(ctx, WEIR_NOT_CONVERGED, "smoothing parameters did not converge: the result is the last step of the search")
               : WEIR_OK;
}

void w_windows_summarise(const weir_windows *windows, weir_windows_summary *out)
{
    static const char *const criterion[] = { "REML", "ML", "GCV", "UBRE" };
    const w_design *design = windows->design;
    const double fitted = (double)windows->fitted;
    *out = (weir_windows_summary){
        .formula = design->formula, .criterion_name = criterion[windows->criterion], .length = windows->shape.length,
        .step = windows->shape.step, .windows = windows->windows, .columns = design->p, .rows = windows->rows,
        .rows_missing = design->rows_missing, .label = design->column_label, .sp_count = (int32_t)design->sp_count,
        .each = windows->each, .estimated = windows->estimated, .sp_label = design->sp_label,
        .sp = windows->each && windows->estimated ? NULL : windows->sp, .test_rows = windows->test_rows,
        .test_square = windows->test_square, .test_absolute = windows->test_absolute, .edf_least = windows->edf_least,
        .edf_mean = windows->edf_sum / fitted, .edf_most = windows->edf_most, .sigma_least = windows->sigma_least,
        .sigma_mean = windows->sigma_sum / fitted, .sigma_most = windows->sigma_most, .blocks = windows->blocks,
        .batch = windows->batch, .status = windows->status, .actual_bytes = windows->actual_bytes, .budget = windows->budget,
        .seconds_read = windows->seconds_read, .seconds_sums = windows->seconds_sums, .seconds_solve = windows->seconds_solve,
        .seconds_total = windows->seconds_total,
    };
    for (int i = 0; i < WEIR_GROUP_STATES; i++) {
        out->state_count[i] = windows->state_count[i];
    }
}

/* ---- plan -------------------------------------------------------------------------------------------------------- */

static void give_reason(weir_plan *plan, const char *text)
{
    if (plan->reason_count < WEIR_PLAN_REASONS) {
        snprintf(plan->reason[plan->reason_count++], sizeof plan->reason[0], "%s", text);
    }
}

static void tell_windows(const w_design *design, const w_window_shape *shape, int64_t batch, weir_plan *plan)
{
    char text[sizeof plan->reason[0]], number[32], bytes[W_FORMAT_BYTES];
    const int64_t steps = shape->length / shape->step, windows = w_window_count(shape, w_max64(plan->rows, 0));
    snprintf(number, sizeof number, plan->rows < 0 ? "windows" : "%s%lld windows", plan->rows_exact ? "" : "about ", (long long)windows);
    snprintf(text, sizeof text, "%s of %lld rows in steps of %lld: every row is summed once, sums of %lld steps are held (%s)", number,
             (long long)shape->length, (long long)shape->step, (long long)steps,
             w_format_bytes(bytes, w_rolling_bytes(shape, w_window_entries(design->p))));
    give_reason(plan, text);
    snprintf(text, sizeof text, "%lld windows at a time, eight factored side by side: their sums fit in 60 %% of free memory",
             (long long)batch);
    give_reason(plan, text);
}

/* Seconds of the windows' systems: a factor and an inverse each. */
static double seconds_solve(weir_ctx *ctx, const w_design *design, const w_window_shape *shape, const weir_plan *plan)
{
    w_rates rates;
    const double p = (double)design->p, windows = (double)w_window_count(shape, w_max64(plan->rows, 0));
    w_plan_rates(ctx, &rates);
    const double threads = 1 + (plan->threads - 1) * rates.thread_efficiency;
    return windows * (p * p * p + 12 * p * p) / rates.dense_flops_per_second / threads;
}

static weir_status plan_skeleton(weir_ctx *ctx, const w_design *design, const w_window_shape *shape, weir_plan *plan)
{
    const int64_t room = w_ledger_free_bytes(ctx), before = plan->bytes - plan->bytes_system;
    const int64_t left = room == INT64_MAX ? room : w_max64(0, room - w_plan_design_bytes(design));
    const int64_t batch = w_window_batch(design, shape, plan->threads, left);
    if (batch < W_BATCH) {
        const weir_windows_options how = { .length = shape->length, .step = shape->step };
        return refuse_budget(ctx, design, &how, least_bytes(ctx, design, &how, plan));
    }
    plan->route = "windows/batched-cholesky";
    plan->passes = 1;
    plan->bytes_sums = w_window_bytes(design, shape, plan->threads, batch);
    plan->bytes = w_add64(w_max64(0, before), plan->bytes_sums);
    plan->bytes_system = 0;
    if (plan->budget > 0) {
        plan->bytes = w_min64(plan->bytes, plan->budget);
    }
    plan->seconds -= plan->seconds_smooth;
    plan->seconds_smooth = plan->rows < 0 ? 0.0 : seconds_solve(ctx, design, shape, plan);
    plan->seconds += plan->seconds_smooth;
    plan->reason_count = 0;
    plan->route_count = 0;
    tell_windows(design, shape, batch, plan);
    return WEIR_OK;
}

weir_status w_plan_windows(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                           const weir_windows_options *how, weir_plan *out)
{
    const weir_fit_options sketch = sketch_of(options);
    w_formula *parsed = NULL;
    w_design *skeleton = NULL;
    weir_plan plan;
    weir_status status = check_options(ctx, options, how);
    if (status >= 0) {
        status = w_formula_parse(ctx, formula, &parsed);
    }
    if (status >= 0) {
        status = w_planning_estimate(ctx, table, parsed, &sketch, &plan);
    }
    if (status >= 0) {
        w_design_options choice;
        w_planning_design_options(&sketch, NULL, &choice);
        status = w_design_estimate(ctx, parsed, table, &choice, &skeleton);
    }
    if (status >= 0) {
        status = plan_skeleton(ctx, skeleton, &(w_window_shape){ how->length, how->step }, &plan);
    }
    if (status >= 0) {
        *out = plan;
    }
    w_design_free(skeleton);
    w_formula_free(parsed);
    w_pool_limit(ctx, INT_MAX);
    return status;
}
