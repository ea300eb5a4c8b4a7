/* SPDX-License-Identifier: Apache-2.0 */
/* Gathers what the planner asks (table, design, budget, rates) and calls it. */
#ifndef W_FIT_PLANNING_H
#define W_FIT_PLANNING_H

#include "model/estimate.h"
#include "plan/plan.h"
#include "weir/gam.h"

/* Before a row is read: shape from the formula and the head of the file. Fails with WEIR_E_BUDGET when the budget cannot
 * do, naming what would. */
/* Where the threads that share jobs need too much, half as many do, down to one (w_pool_limit: the caller lifts it again). */
weir_status w_planning_estimate(weir_ctx *ctx, weir_table *table, const w_formula *formula, const weir_fit_options *options,
                                weir_plan *out);
/* With the compiled design; `table` NULL when the sums are already there. */
weir_status w_planning_exact(weir_ctx *ctx, weir_table *table, const w_design *design, const weir_fit_options *options,
                             weir_plan *out);
/* May a fit that this plan does not do for be left to the matrix-free route? It serves the model, no other route was asked for, and the
 * dense system is not so small that its exact answers are worth more than an answer. */
bool w_planning_may_iterate(const w_design *design, const weir_fit_options *options, bool linear, const weir_plan *plan);
/* The least budget with which such a fit is planned, beside what is in use: one thread, the smallest windows, nothing kept. Leaves the
 * limit of threads at one. */
weir_status w_planning_least(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options, int64_t *bytes);
/* How to scan a table for predictions or residuals (`what` for the message: "predict", "check"), whose columns are selected and
 * which is read `later` times after the scan. `beside`: bytes of the passes beside reading. WEIR_E_BUDGET before a row is read
 * when even the smallest windows do not fit, naming what would do. */
weir_status w_planning_rows(weir_ctx *ctx, weir_table *table, const w_design *design, const char *what, int later, int64_t beside,
                            w_scan_options *scan);
void w_planning_design_options(const weir_fit_options *options, const weir_plan *plan, w_design_options *out);

#endif
