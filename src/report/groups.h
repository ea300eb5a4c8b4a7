/* SPDX-License-Identifier: Apache-2.0 */
/* Fits by groups as text and JSON. */
#ifndef W_REPORT_GROUPS_H
#define W_REPORT_GROUPS_H

#include "base/ctx.h"
#include "weir/groups.h"

weir_status w_report_groups_text(weir_ctx *ctx, const weir_groups *groups, weir_write_fn write, void *user);
weir_status w_report_groups_json(weir_ctx *ctx, const weir_groups *groups, weir_write_fn write, void *user);

#endif
