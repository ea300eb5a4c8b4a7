/* SPDX-License-Identifier: Apache-2.0 */
/* Fits by sliding windows as text and JSON. */
#ifndef W_REPORT_WINDOWS_H
#define W_REPORT_WINDOWS_H

#include "base/ctx.h"
#include "weir/windows.h"

weir_status w_report_windows_text(weir_ctx *ctx, const weir_windows *windows, weir_write_fn write, void *user);
weir_status w_report_windows_json(weir_ctx *ctx, const weir_windows *windows, weir_write_fn write, void *user);

#endif
