/* SPDX-License-Identifier: Apache-2.0 */
/* A Gaussian additive model takes one pass over the rows once knots are known; everything after it is p x p:
 *
 *   scan      ranges, levels, set-up rows                     model/   (one pass)
 *   compile   knots, bases, penalties, constraints            basis/
 *   sums      X'WX, X'Wz                                      normal/  (one pass)
 *   smooth    Newton on log lambda, factor, beta              fit/smoothing
 *   infer     edf, covariance, tests                          fit/inference
 *
 * The response is z = y - offset - shift; an explicit intercept takes the shift back. */
#include "fit/gam.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/size.h"
#include "fit/ar1.h"
#include "fit/diagnose.h"
#include "fit/direct.h"
#include "fit/finish.h"
#include "fit/generalised.h"
#include "fit/iterative.h"
#include "fit/ridge.h"
#include "fit/planning.h"
#include "fit/recovery.h"

typedef struct fit_times {
    double start, read, design, normal, smoothing;
} fit_times;

weir_status w_design_copy(weir_ctx *ctx, const w_design *design, w_design **out)
{
    w_archive *archive = NULL;
    weir_status status = w_archive_create(ctx, "sums", 1, &archive);
    if (status >= 0) {
        status = w_design_save(design, archive);
    }
    if (status >= 0) {
        status = w_design_load(ctx, archive, out);
    }
    w_archive_free(archive);
    return status;
}

/* Sums -> model. Takes over `design` on success only. */
static weir_status fit_from_sums(weir_ctx *ctx, w_design *design, w_sums *sums, const weir_plan *plan,
                                 const weir_fit_options *options, fit_times *times, weir_model **out)
{
    w_gram *gram = NULL;
    double begin = w_clock_seconds();
    if (design->ar1) {
        weir_status status = w_ar1_model(ctx, design, sums, plan, options, out);
        times->smoothing = w_clock_seconds() - begin;
        return status;
    }
    weir_status status = w_sums_gram(sums, w_plan_arrow_block(design), &gram);
    if (status >= 0) {
        w_ridge_add(design, options->ridge, gram);
    }
    times->normal += w_clock_seconds() - begin;
    begin = w_clock_seconds();
    if (status >= 0) {
        status = w_finish_model(ctx, design, gram, plan, options, NULL, out);
    }
    times->smoothing = w_clock_seconds() - begin;
    w_gram_free(gram);
    return status;
}

static void finish_summary(weir_ctx *ctx, weir_model *model, const fit_times *times)
{
    weir_summary *summary = &model->summary;
    weir_memory_info memory;
    weir_ctx_memory(ctx, &memory);
    summary->actual_bytes = memory.peak;
    summary->budget = memory.budget;
    summary->seconds_read = times->read;
    summary->seconds_design = times->design;
    summary->seconds_normal = times->normal;
    summary->seconds_smoothing = times->smoothing;
    summary->seconds_total = w_clock_seconds() - times->start;
}

/* The pass over the rows; its reading time is kept apart. */
static weir_status accumulate(weir_ctx *ctx, w_design *design, weir_table *table, const w_pass_options *options,
                              fit_times *times, w_sums **out)
{
    double begin = w_clock_seconds(), read = w_source_seconds(table);
    w_sums *sums = NULL;
    weir_status status;
    do {
        w_sums_free(sums);
        sums = NULL;
        w_progress_phase(ctx, "accumulate");
        status = w_sums_create(ctx, design, 0, &sums);
        if (status >= 0) {
            status = w_sums_accumulate(sums, table, options);
        }
    } while (status < 0 && w_recover(ctx, W_RECOVER_PASS, status));
    read = w_source_seconds(table) - read;
    times->read += read;
    times->normal += w_clock_seconds() - begin - read;
    if (status < 0) {
        w_sums_free(sums);
        return status;
    }
    *out = sums;
    return status;
}

/* cbind() counts trials. */
static weir_status check_trials(weir_ctx *ctx, const w_design *design, const weir_fit_options *options)
{
    w_glm glm;
    weir_status status = w_family_parse(ctx, options->family ? options->family : "gaussian", &glm);
    if (status < 0 || !design->trials || glm.family->kind == W_FAMILY_BINOMIAL || glm.family->kind == W_FAMILY_QUASIBINOMIAL) {
        return status;
    }
    return w_fail(ctx, WEIR_E_ARG, "the response %s counts successes and failures: its family is binomial or quasibinomial, "
                  "not %s", design->response_label, glm.family->name);
}

/* Formula and table -> compiled design and its final plan. */
static weir_status compile(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                           w_fit_recovery *recovery, fit_times *times, w_design **design, weir_plan *plan)
{
    double begin = w_clock_seconds(), read = w_source_seconds(table);
    w_formula *parsed = NULL;
    weir_status status = w_formula_parse(ctx, formula, &parsed);
    if (status >= 0) {
        status = w_planning_estimate(ctx, table, parsed, options, plan);
    }
    if (status >= 0) {
        w_design_options how;
        w_progress_expect(ctx, plan->passes);
        w_recovery_adapt(recovery, NULL, plan);
        w_planning_design_options(options, plan, &how);
        how.spool = recovery->scan.spool;
        status = w_design_compile(ctx, parsed, table, &how, design);
    }
    w_formula_free(parsed);
    read = w_source_seconds(table) - read;
    times->read += read;
    times->design = w_clock_seconds() - begin - read;
    if (status < 0) {
        return status;
    }
    status = check_trials(ctx, *design, options);
    if (status >= 0) {
        status = w_planning_exact(ctx, table, *design, options, plan);
    }
    if (status < 0) {
        w_design_free(*design);
        *design = NULL;
        return status;
    }
    w_recovery_adapt(recovery, *design, plan);
    return status;
}

/* A stream has passed once rows were read of it. */
static weir_status compile_surely(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                                  w_fit_recovery *recovery, fit_times *times, w_design **design, weir_plan *plan)
{
    w_source_traits traits;
    w_source_traits_of(table, &traits);
    const double design_seconds = times->design;
    weir_status status;
    do {
        status = compile(ctx, table, formula, options, recovery, times, design, plan);
        times->design += design_seconds;
    } while (status < 0 && !(traits.once && recovery->planned) && w_recover(ctx, W_RECOVER_FIT, status));
    return status;
}

static bool is_linear(const w_glm *glm)
{
    return glm->family->kind == W_FAMILY_GAUSSIAN && glm->link->kind == W_LINK_IDENTITY;
}

static weir_status check_options(weir_ctx *ctx, const weir_fit_options *options, w_glm *glm)
{
    weir_status status = w_family_parse(ctx, options->family ? options->family : "gaussian", glm);
    if (status < 0) {
        return status;
    }
    if (options->criterion == WEIR_UBRE && !(options->scale > 0) && !glm->family->scale_known) {
        return w_fail(ctx, WEIR_E_ARG, "UBRE needs a known scale: give it, or use REML or GCV");
    }
    if (options->gamma < 0 || options->scale < 0 || !isfinite(options->gamma) || !isfinite(options->scale)) {
        return w_fail(ctx, WEIR_E_ARG, "gamma and scale must be positive numbers");
    }
    status = w_ridge_check(ctx, options, glm->family->kind == W_FAMILY_GAUSSIAN && glm->link->kind == W_LINK_IDENTITY);
    return status < 0 ? status : w_ar1_check(ctx, options, glm); /* after the check of ridge */
}

static weir_status check_linear(weir_ctx *ctx, const weir_fit_options *options)
{
    w_glm glm;
    weir_status status = check_options(ctx, options, &glm);
    if (status >= 0 && !is_linear(&glm)) {
        return w_fail(ctx, WEIR_E_ARG, "sums of parts serve linear models alone: family %s needs the rows in every pass",
                      glm.family->name);
    }
    if (status >= 0 && w_ar1_wanted(options)) {
        return w_fail(ctx, WEIR_E_ARG, "AR(1) residuals need all rows in one pass: fit the whole table instead of parts");
    }
    return status;
}

weir_status w_fit_plan(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options, weir_plan *out)
{
    w_formula *parsed = NULL;
    w_glm glm;
    weir_status status = check_options(ctx, options, &glm);
    if (status >= 0) {
        status = w_formula_parse(ctx, formula, &parsed);
    }
    if (status >= 0) {
        status = w_planning_estimate(ctx, table, parsed, options, out);
    }
    w_pool_limit(ctx, INT_MAX);
    w_formula_free(parsed);
    return status;
}

/* The coefficients by another route, from the rows: asked for, or because the normal equations are too ill-conditioned. Without the memory
 * for what was not asked for, the answer is that of the normal equations. */
static weir_status solve_directly(weir_ctx *ctx, weir_model *model, weir_table *table, const w_tile_request *request,
                                  const weir_fit_options *options, fit_times *times)
{
    const double begin = w_clock_seconds();
    const int32_t route = w_direct_route(options->route);
    weir_status status = WEIR_OK;
    if (route != WEIR_ROUTE_AUTO) {
        status = w_direct_solve(ctx, model, table, request, options->ridge, route);
    } else if (options->route == WEIR_FIT_AUTO) {
        char message[W_MESSAGE_BYTES];
        const weir_status before = ctx->message_status;
        memcpy(message, ctx->message, sizeof message);
        status = w_direct_if_needed(ctx, model, table, request, options->ridge);
        if (status == WEIR_E_MEMORY || status == WEIR_E_BUDGET) {
            w_message_clear(ctx);
            w_remark(ctx, before, "%s", message);
            status = WEIR_OK;
        }
    }
    times->smoothing += w_clock_seconds() - begin;
    return status;
}

/* One pass and the rest is p x p. */
static weir_status fit_linear(weir_ctx *ctx, w_design *design, weir_table *table, const weir_plan *plan,
                              const weir_fit_options *options, fit_times *times, weir_model **out)
{
    w_sums *sums = NULL;
    w_tile_request request = { .missing = options->missing };
    w_pass_options pass = { .request = &request };
    if (options->ridge > 0 && strcmp(plan->route, W_ROUTE_MATRIX_FREE) == 0) {
        return w_fail(ctx, WEIR_E_ARG, "ridge does not go with the route %s: it is added to cross-products", plan->route);
    }
    if (strcmp(plan->route, W_ROUTE_MATRIX_FREE) == 0) {
        const double begin = w_clock_seconds();
        weir_status solved = w_iterative_model(ctx, design, table, &request, plan, options, NULL, out);
        times->smoothing += w_clock_seconds() - begin;
        return solved;
    }
    weir_status status = accumulate(ctx, design, table, &pass, times, &sums);
    weir_model *model = NULL;
    if (status >= 0) {
        status = fit_from_sums(ctx, design, sums, plan, options, times, &model);
    }
    w_sums_free(sums);
    if (status >= 0) {
        const weir_status solved = solve_directly(ctx, model, table, &request, options, times);
        if (solved < 0) {
            model->design = NULL; /* the caller's */
            w_model_free(model);
            return solved;
        }
        *out = model;
    }
    return status;
}

/* Several passes; the response is not shifted, for the linear predictor's zero matters. */
static weir_status fit_generalised(weir_ctx *ctx, w_design *design, weir_table *table, const weir_plan *plan,
                                   const weir_fit_options *options, const w_glm *glm, fit_times *times, weir_model **out)
{
    double begin = w_clock_seconds(), read = w_source_seconds(table);
    if (strcmp(plan->route, W_ROUTE_MATRIX_FREE) == 0) {
        const w_tile_request request = { .missing = options->missing, .training = true };
        design->response_shift = 0.0;
        weir_status solved = w_iterative_model(ctx, design, table, &request, plan, options, glm, out);
        times->smoothing += w_clock_seconds() - begin;
        return solved;
    }
    w_pirls pirls = { .ctx = ctx, .design = design, .table = table, .options = options, .glm = *glm,
                      .arrow_block = w_plan_arrow_block(design) };
    design->response_shift = 0.0;
    weir_status status = w_generalised_run(&pirls);
    read = w_source_seconds(table) - read;
    times->read += read;
    times->normal += w_clock_seconds() - begin - read;
    begin = w_clock_seconds();
    if (status >= 0) {
        status = w_finish_model(ctx, design, pirls.gram, plan, options, &pirls, out);
    }
    times->smoothing = w_clock_seconds() - begin;
    w_pirls_free(&pirls);
    return status;
}

/* The stage behind the design, begun again from the same rows where memory ran out. */
static weir_status fit_design(weir_ctx *ctx, w_design *design, weir_table *table, w_fit_recovery *recovery, weir_plan *plan,
                              const weir_fit_options *options, const w_glm *glm, fit_times *times, weir_model **out)
{
    weir_status status;
    recovery->state.iterative_ready = w_planning_may_iterate(design, options, is_linear(glm), plan);
    do {
        status = w_recovery_replan(recovery, design, options, plan);
        if (status >= 0) {
            status = is_linear(glm) ? fit_linear(ctx, design, table, plan, options, times, out)
                                    : fit_generalised(ctx, design, table, plan, options, glm, times, out);
        }
    } while (status < 0 && w_recover(ctx, W_RECOVER_FIT, status));
    return status;
}

/* Residuals of the finished model. */
static weir_status measure_residuals(weir_ctx *ctx, weir_model *model, weir_table *table, const weir_fit_options *options)
{
    weir_status status;
    do {
        status = options->diagnostics ? w_diagnose(ctx, model, table, options->missing)
                 : model->ar1         ? w_ar1_measure(ctx, model, table, options->missing)
                                      : WEIR_OK;
    } while (status < 0 && w_recover(ctx, W_RECOVER_FIT, status));
    return status;
}

weir_status w_fit_table(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                        weir_model **out)
{
    fit_times times = { .start = w_clock_seconds() };
    w_design *design = NULL;
    weir_model *model = NULL;
    weir_plan plan;
    w_glm glm;
    w_fit_recovery recovery;
    w_ledger_reset_peak(ctx);
    w_recovery_begin(&recovery, ctx, table);
    weir_status status = check_options(ctx, options, &glm);
    if (status >= 0) {
        status = compile_surely(ctx, table, formula, options, &recovery, &times, &design, &plan);
    }
    if (status >= 0) {
        status = fit_design(ctx, design, table, &recovery, &plan, options, &glm, &times, &model);
    }
    weir_status remark = status;
    if (status >= 0) {
        design = NULL;
        status = measure_residuals(ctx, model, table, options);
    }
    w_design_free(design);
    if (status < 0) {
        w_model_free(model);
        status = w_recovery_give_up(&recovery, formula, options, status);
        w_recovery_end(&recovery, NULL);
        return status;
    }
    w_recovery_end(&recovery, &model->plan);
    finish_summary(ctx, model, &times);
    *out = model;
    return remark;
}

/* ---- parts of the data -------------------------------------------------------------------------------------------- */

static weir_status accumulate_like(weir_ctx *ctx, weir_table *table, const weir_fit_options *options, int64_t first_row,
                                   w_design *design, fit_times *times, w_sums **out)
{
    w_binding *binding = NULL;
    weir_status status = w_design_bind(design, table, false, false, &binding);
    if (status >= 0) {
        weir_plan plan;
        status = w_planning_exact(ctx, table, design, options, &plan);
        if (status >= 0) {
            w_scan_options scan = { .keep_bytes = plan.keep_bytes, .window_bytes = plan.window_bytes,
                                    .threads_hint = w_pool_workers(ctx) };
            scan.spool = plan.scratch_bytes > 0 ? W_SPOOL_CACHE : W_SPOOL_NEEDED;
            status = w_source_scan(table, &scan, NULL, NULL);
        }
    }
    if (status >= 0) {
        status = w_binding_ready(binding);
    }
    if (status >= 0) {
        w_tile_request request = *w_binding_request(binding);
        request.missing = options->missing;
        w_pass_options pass = { .first_row = first_row, .request = &request };
        status = accumulate(ctx, design, table, &pass, times, out);
        design->rows = w_source_row_count(table);
        design->rows_missing = design->rows_zero_weight = 0;
    }
    w_binding_free(binding);
    return status;
}

/* Equal but for blanks. */
static bool same_text(const char *a, const char *b)
{
    for (;;) {
        a += strspn(a, " \t\n");
        b += strspn(b, " \t\n");
        if (*a != *b) {
            return false;
        }
        if (*a == 0) {
            return true;
        }
        a++;
        b++;
    }
}

/* A part made like another one has its formula and weights. */
static weir_status check_like(weir_ctx *ctx, const char *formula, const weir_fit_options *options, const w_design *design)
{
    const char *weights = design->weight_column >= 0 ? design->column[design->weight_column] : NULL;
    if (formula && !same_text(formula, design->formula)) {
        return w_fail(ctx, WEIR_E_ARG, "the sums hold another formula: give '%s'", design->formula);
    }
    if ((weights != NULL) != (options->weights != NULL) || (weights && strcmp(weights, options->weights) != 0)) {
        return weights ? w_fail(ctx, WEIR_E_ARG, "the sums were made with weights: give the column '%s'", weights)
                       : w_fail(ctx, WEIR_E_ARG, "the sums were made without weights: leave '%s' out", options->weights);
    }
    return WEIR_OK;
}

weir_status w_fit_accumulate(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                             const weir_sums *like, int64_t first_row, weir_sums **out)
{
    fit_times times = { .start = w_clock_seconds() };
    weir_plan plan;
    weir_sums *part = w_calloc(ctx, "sums", 1, sizeof *part);
    if (!part) {
        return w_alloc_status(ctx);
    }
    part->ctx = ctx;
    w_fit_recovery recovery;
    w_recovery_begin(&recovery, ctx, like ? NULL : table);
    weir_status status = check_linear(ctx, options);
    if (status >= 0 && like) {
        status = check_like(ctx, formula, options, like->design);
    }
    if (status >= 0 && like) {
        status = w_design_copy(ctx, like->design, &part->design);
        if (status >= 0) {
            status = accumulate_like(ctx, table, options, first_row, part->design, &times, &part->sums);
        }
    } else if (status >= 0) {
        status = compile_surely(ctx, table, formula, options, &recovery, &times, &part->design, &plan);
        if (status >= 0) {
            w_tile_request request = { .missing = options->missing };
            w_pass_options pass = { .first_row = first_row, .request = &request };
            status = accumulate(ctx, part->design, table, &pass, &times, &part->sums);
        }
    }
    w_recovery_end(&recovery, NULL);
    if (status < 0) {
        w_fit_sums_free(part);
        return status;
    }
    *out = part;
    return status;
}

weir_status w_fit_sums(weir_ctx *ctx, weir_sums *sums, const weir_fit_options *options, weir_model **out)
{
    fit_times times = { .start = w_clock_seconds() };
    w_design *design = NULL;
    weir_plan plan;
    w_ledger_reset_peak(ctx);
    weir_status status = check_linear(ctx, options);
    if (status >= 0 && w_direct_route(options->route) != WEIR_ROUTE_AUTO) {
        status = w_fail(ctx, WEIR_E_ARG, "the route %s needs the rows, which sums do not hold", weir_route_name(w_direct_route(options->route)));
    }
    if (status >= 0) {
        w_design_options how;
        w_planning_design_options(options, NULL, &how);
        sums->design->arrow = how.arrow;
        status = w_planning_exact(ctx, NULL, sums->design, options, &plan);
    }
    if (status >= 0) {
        status = w_design_copy(ctx, sums->design, &design);
    }
    if (status >= 0) {
        design->arrow = sums->design->arrow;
        status = fit_from_sums(ctx, design, sums->sums, &plan, options, &times, out);
    }
    w_pool_limit(ctx, INT_MAX);
    if (status < 0) {
        w_design_free(design);
        return status;
    }
    finish_summary(ctx, *out, &times);
    return status;
}

void w_fit_sums_free(weir_sums *sums)
{
    if (!sums) {
        return;
    }
    w_sums_free(sums->sums);
    w_design_free(sums->design);
    w_free(sums->ctx, sums);
}
