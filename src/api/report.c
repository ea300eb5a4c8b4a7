/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of reports. */
#include "report/report.h"

typedef weir_status (*model_report_fn)(weir_ctx *, const weir_model *, weir_write_fn, void *);
typedef weir_status (*plan_report_fn)(weir_ctx *, const weir_plan *, weir_write_fn, void *);

static weir_status report_model(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user,
                                model_report_fn report)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    return model && write ? report(ctx, model, write, user)
                          : w_fail(ctx, WEIR_E_ARG, "a report needs a model and a writer");
}

static weir_status report_plan(weir_ctx *ctx, const weir_plan *plan, weir_write_fn write, void *user, plan_report_fn report)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    return plan && write ? report(ctx, plan, write, user)
                         : w_fail(ctx, WEIR_E_ARG, "a report needs a plan and a writer");
}

weir_status weir_report_text(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    return report_model(ctx, model, write, user, w_report_text);
}

weir_status weir_report_json(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    return report_model(ctx, model, write, user, w_report_json);
}

weir_status weir_report_html(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    return report_model(ctx, model, write, user, w_report_html);
}

weir_status weir_report_check(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    return report_model(ctx, model, write, user, w_report_check);
}

weir_status weir_report_explain(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    return report_model(ctx, model, write, user, w_report_explain);
}

weir_status weir_report_explain_json(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    return report_model(ctx, model, write, user, w_report_explain_json);
}

weir_status weir_report_plan_text(weir_ctx *ctx, const weir_plan *plan, weir_write_fn write, void *user)
{
    return report_plan(ctx, plan, write, user, w_report_plan_text);
}

weir_status weir_report_plan_json(weir_ctx *ctx, const weir_plan *plan, weir_write_fn write, void *user)
{
    return report_plan(ctx, plan, write, user, w_report_plan_json);
}
