/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/planning.h"

#include <string.h>

#include "base/format.h"
#include "base/size.h"
#include "fit/model.h"
#include "fit/rows.h"
#include "plan/bytes.h"
#include "plan/rates.h"
#include "solve/system.h"

#define DIAGNOSTIC_COLUMNS 3 /* fitted, residual, response */

/* The system with its covariance, what inference takes beside it, and the search. */
static int64_t system_bytes(const w_design *design, int arrow_block)
{
    int64_t search = w_mul64(w_mul64(design->sp_count + 2, design->sp_count + 2), 16 * (int64_t)sizeof(double));
    return w_add64(w_system_bytes(design, arrow_block), w_add64(w_inference_bytes(design, arrow_block), search));
}

static weir_status report_budget(weir_ctx *ctx, const weir_plan *plan)
{
    char need[W_FORMAT_BYTES], have[W_FORMAT_BYTES];
    return w_fail(ctx, WEIR_E_BUDGET, "memory budget of %s is too small for p = %lld columns: %s would do",
                  w_format_bytes(have, plan->budget), (long long)plan->columns, w_format_bytes(need, plan->bytes));
}

/* What reading costs at windows of one tile, two, four, … */
static void list_windows(weir_ctx *ctx, weir_table *table, const w_design *design, w_plan_input *input)
{
    int64_t window = w_mul64(w_max64(1, w_plan_row_bytes(design)), W_TILE_ROWS);
    input->choice_count = 1;
    if (!table) {
        input->choice[0] = (w_window_choice){ 0, 0 };
        return;
    }
    w_scan_options scan = { .threads_hint = w_pool_workers(ctx) };
    if (input->in_place) {
        input->choice[0] = (w_window_choice){ 0, w_source_bytes(table, &scan) };
        return;
    }
    for (input->choice_count = 0; input->choice_count < W_WINDOW_CHOICES; input->choice_count++) {
        scan.window_bytes = window;
        input->choice[input->choice_count] = (w_window_choice){ window, w_source_bytes(table, &scan) };
        window = w_mul64(window, 2);
    }
}

static weir_status plan_design(weir_ctx *ctx, weir_table *table, const w_design *design, bool estimated,
                               const weir_fit_options *options, weir_plan *out)
{
    w_plan_input input = { .design = design, .device = "cpu", .threads = w_pool_workers(ctx) };
    input.arrow_block = w_plan_arrow_block(design);
    input.system_bytes = system_bytes(design, input.arrow_block);
    input.budget = ctx->ledger.budget;
    input.budget_free = w_ledger_free_bytes(ctx);
    if (!estimated) { /* what the design holds is on the ledger already */
        input.budget_free = w_add64(input.budget_free, w_min64(ctx->ledger.in_use, w_plan_design_bytes(design)));
    }
    input.diagnostics = options->diagnostics != 0;
    input.exact_knots = options->exact_knots != 0;
    input.file_bytes = -1;
    if (table) {
        w_source_traits traits;
        w_source_traits_of(table, &traits);
        input.rows = w_source_row_count(table);
        input.rows_exact = input.rows >= 0;
        if (!input.rows_exact) {
            input.rows = w_source_row_estimate(table);
        }
        input.in_place = traits.in_place;
        input.text = traits.text;
        input.once = traits.once;
        input.file_bytes = traits.file_bytes;
    } else {
        input.rows = design->rows;
        input.rows_exact = true;
        input.in_place = true;
    }
    list_windows(ctx, table, design, &input);
    w_plan_rates(ctx, &input.rates);
    weir_status status = w_plan_fit(&input, out);
    if (input.diagnostics) {
        int64_t rows = w_rows_bytes(design, DIAGNOSTIC_COLUMNS, input.threads);
        out->bytes_sums = w_max64(out->bytes_sums, rows);
    }
    return status == WEIR_E_BUDGET ? report_budget(ctx, out) : status;
}

void w_planning_design_options(const weir_fit_options *options, const weir_plan *plan, w_design_options *out)
{
    memset(out, 0, sizeof *out);
    out->missing = options->missing;
    out->weights = options->weights;
    out->exact_knots = options->exact_knots != 0;
    out->select = options->select != 0;
    out->gamma = options->gamma;
    out->knots = options->knots;
    out->sp = options->sp;
    out->sp_given = options->sp_count;
    if (plan) {
        out->keep_bytes = plan->keep_bytes;
        out->window_bytes = plan->window_bytes;
    }
}

weir_status w_planning_estimate(weir_ctx *ctx, weir_table *table, const w_formula *formula, const weir_fit_options *options,
                                weir_plan *out)
{
    w_design *skeleton = NULL;
    w_design_options how;
    w_planning_design_options(options, NULL, &how);
    weir_status status = w_design_estimate(ctx, formula, table, &how, &skeleton);
    if (status < 0) {
        return status;
    }
    status = plan_design(ctx, table, skeleton, true, options, out);
    w_design_free(skeleton);
    return status;
}

weir_status w_planning_exact(weir_ctx *ctx, weir_table *table, const w_design *design, const weir_fit_options *options,
                             weir_plan *out)
{
    return plan_design(ctx, table, design, false, options, out);
}
