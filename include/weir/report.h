/* SPDX-License-Identifier: Apache-2.0 */
/** Results as text, JSON and one self-contained HTML file. All text goes to the caller's writer. */
#ifndef WEIR_REPORT_H
#define WEIR_REPORT_H

#include <stddef.h>
#include "weir/gam.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Takes `size` bytes; a non-zero return stops with WEIR_E_IO. */
typedef int (*weir_write_fn)(void *user, const char *bytes, size_t size);

/** The summary in the shape statisticians know from mgcv. */
WEIR_API weir_status weir_report_text(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
/** The fit as JSON; keys in docs/json.md, versioned by "schema". */
WEIR_API weir_status weir_report_json(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
/** One HTML file with every partial effect, tensor surfaces, residual plots and the plan beside what happened. */
WEIR_API weir_status weir_report_html(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
/** What weir_check found, or a fit with diagnostics: convergence, residuals, basis dimensions. */
WEIR_API weir_status weir_report_check(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
/** The plan of a fit beside what happened, as text: bytes and seconds predicted and actual, the steps taken after memory ran out and, of a
 *  fit of this session, every route with the reason why it was not taken. */
WEIR_API weir_status weir_report_explain(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
/** weir_report_json with these routes in its plan. */
WEIR_API weir_status weir_report_explain_json(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user);
/** A plan as text and as JSON. */
WEIR_API weir_status weir_report_plan_text(weir_ctx *ctx, const weir_plan *plan, weir_write_fn write, void *user);
WEIR_API weir_status weir_report_plan_json(weir_ctx *ctx, const weir_plan *plan, weir_write_fn write, void *user);

#ifdef __cplusplus
}
#endif
#endif
