/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_PLAN_RATES_H
#define W_PLAN_RATES_H

#include "plan/plan.h"

/* Rates of the device a plan is made for, from its cost model (measured if it was calibrated, else built-in). */
void w_plan_rates(weir_ctx *ctx, w_rates *out);
/* The device that executes a fit: the host, for no step of a fit has a form for another device. *reason: why, when another one was
 * asked for (borrowed from `text`), else NULL. WEIR_E_DEVICE when another device is required, or cannot be had; WEIR_E_ARG for
 * a script that does not parse. */
weir_status w_plan_device(weir_ctx *ctx, const char **device, char *text, size_t bytes, const char **reason);

#endif
