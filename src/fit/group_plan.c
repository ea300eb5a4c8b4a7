/* SPDX-License-Identifier: Apache-2.0 */
/* What a fit by groups would do, from the head of the table: groups, how many of them at a time, passes, bytes. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/size.h"
#include "fit/group.h"
#include "fit/planning.h"

static void give_reason(weir_plan *plan, const char *text)
{
    if (plan->reason_count < WEIR_PLAN_REASONS) {
        snprintf(plan->reason[plan->reason_count++], sizeof plan->reason[0], "%s", text);
    }
}

static void tell(const w_design *design, int64_t groups, int64_t share, bool linear, weir_plan *plan)
{
    char text[sizeof plan->reason[0]], bytes[W_FORMAT_BYTES];
    const int64_t flight = w_min64(groups, share * W_BATCH);
    snprintf(text, sizeof text, "about %lld groups by the head of the table, %lld at a time with %s of sums: eight are factored side by side",
             (long long)groups, (long long)flight, w_format_bytes(bytes, w_mul64(share, w_group_block_doubles(design->p) * 8)));
    give_reason(plan, text);
    snprintf(text, sizeof text, "each group more than those takes %s", w_format_bytes(bytes, plan->bytes_result / w_max64(1, groups) +
             w_group_block_doubles(design->p)));
    give_reason(plan, text);
    snprintf(text, sizeof text, linear ? "passes after the scan, each over the rows of the groups in flight: %d"
                                       : "a generalised model: a pass for each step of the group that takes most, %d at least",
             (int)plan->passes - 1);
    give_reason(plan, text);
}

/* As many blocks at a time as the fit would take: 90 % of what is free beside the pass and the solver. */
static void plan_skeleton(weir_ctx *ctx, const w_design *design, const weir_groups_options *how, const w_glm *glm, weir_plan *plan)
{
    const int64_t p = design->p, groups = w_max64(1, design->level_count[design->start_column]), blocks = w_group_blocks(groups);
    const bool linear = glm->family->kind == W_FAMILY_GAUSSIAN && glm->link->kind == W_LINK_IDENTITY;
    int64_t block = w_add64(w_mul64(w_group_block_doubles(p), 8), W_BATCH * (int64_t)sizeof(w_group_stats));
    block = w_add64(block, linear ? 0 : w_group_glm_block_bytes(p));
    int64_t beside = w_add64(w_group_pass_bytes(design, plan->threads), w_group_task_bytes(p, design->sp_count, plan->threads));
    beside = w_add64(beside, w_groups_bytes(groups, p, design->sp_count, how->each != 0));
    const int64_t room = w_ledger_free_bytes(ctx), covariance = w_group_covariance_bytes(groups, p, room, how);
    beside = w_add64(w_add64(beside, covariance), w_dense_rows_bytes(design));
    const int64_t left = room == INT64_MAX ? room : w_max64(0, room - beside - plan->bytes_read) / 10 * 9;
    const int64_t share = w_max64(1, w_min64(blocks, left / block));
    plan->route = "groups/batched-cholesky";
    plan->passes = linear ? (int32_t)w_min64(INT_MAX, 1 + (blocks + share - 1) / share) : 6;
    plan->bytes_sums = w_mul64(share, block);
    plan->bytes_result = w_add64(covariance, w_groups_bytes(groups, p, design->sp_count, how->each != 0));
    plan->bytes_system = w_group_task_bytes(p, design->sp_count, plan->threads);
    plan->bytes = w_add64(w_add64(plan->bytes_read, plan->bytes_sums), w_add64(beside, w_plan_design_bytes(design)));
    if (plan->budget > 0) {
        plan->bytes = w_min64(plan->bytes, plan->budget);
    }
    plan->reason_count = 0;
    plan->route_count = 0;
    tell(design, groups, share, linear, plan);
}

weir_status w_plan_groups(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                          const weir_groups_options *how, weir_plan *out)
{
    weir_fit_options sketch = *options;
    w_formula *parsed = NULL;
    w_design *skeleton = NULL;
    w_glm glm;
    weir_plan plan;
    weir_status status = w_group_check_options(ctx, options, how, &glm);
    sketch.ar1_start = how->column;
    sketch.family = NULL; /* the groups' own route is planned below */
    if (status >= 0 && w_source_find(table, how->column) < 0) {
        status = w_fail(ctx, WEIR_E_DATA, "%s has no column '%s' for the groups", w_source_label(table), how->column);
    }
    if (status >= 0) {
        status = w_formula_parse(ctx, formula, &parsed);
    }
    if (status >= 0) {
        status = w_planning_estimate(ctx, table, parsed, &sketch, &plan);
    }
    if (status >= 0) {
        w_design_options choice;
        w_planning_design_options(&sketch, NULL, &choice);
        choice.grouped = true;
        status = w_design_estimate(ctx, parsed, table, &choice, &skeleton);
    }
    if (status >= 0 && skeleton->start_column >= 0) {
        plan_skeleton(ctx, skeleton, how, &glm, &plan);
    }
    if (status >= 0) {
        *out = plan;
    }
    w_design_free(skeleton);
    w_formula_free(parsed);
    w_pool_limit(ctx, INT_MAX);
    return status;
}
