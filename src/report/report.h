/* SPDX-License-Identifier: Apache-2.0 */
/* What the entry points call. Every report is written from a weir_summary and, for the pictures, from the design, the
 * coefficients and their covariance; nothing needs the training rows. Errors: WEIR_E_IO when the writer refuses, memory. */
#ifndef W_REPORT_REPORT_H
#define W_REPORT_REPORT_H

#include "fit/model.h"
#include "weir/report.h"

weir_status w_report_text(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
weir_status w_report_json(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
weir_status w_report_html(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
weir_status w_report_check(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
weir_status w_report_explain_json(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
weir_status w_report_explain(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
weir_status w_report_plan_text(weir_ctx *ctx, const weir_plan *plan, weir_write_fn write, void *user);
weir_status w_report_plan_json(weir_ctx *ctx, const weir_plan *plan, weir_write_fn write, void *user);

#endif
