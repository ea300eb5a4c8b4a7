/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_PLAN_RATES_H
#define W_PLAN_RATES_H

#include "plan/plan.h"

/* Rates of the device a plan is made for, from its cost model (measured if it was calibrated, else built-in). */
void w_plan_rates(weir_ctx *ctx, w_rates *out);

#endif
