/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of a fit, one by one, on synthetic rows in memory. Of numbers that are NaN nothing is learnt. */
#ifndef W_API_CALIBRATE_STAGE_H
#define W_API_CALIBRATE_STAGE_H

#include "device/probe.h"
#include "fit/working.h"
#include "weir/gam.h"

/* Columns y0 … y4 (any number, a count, a positive number, a share, 0 or 1), a … h in (0, 1), and a response s that is
 * smooth in them; w_stage_rows of the first `rows`. */
typedef struct w_stage_data { double *block; int64_t rows; } w_stage_data;
bool w_stage_data_make(weir_ctx *ctx, int64_t rows, w_stage_data *out); /* false: no memory */
weir_table *w_stage_table(weir_ctx *ctx, const w_stage_data *data, int64_t rows); /* NULL: no memory */

w_design *w_stage_design(weir_ctx *ctx, weir_table *table, const char *formula); /* NULL: it failed */

/* Seconds of the scan and set-up; of one pass, a linear model's with working = NULL; of all that follows the pass of a linear
 * model, with the steps of the search. */
double w_stage_setup(weir_ctx *ctx, const w_probe *probe, weir_table *table, const char *formula);
double w_stage_pass(const w_probe *probe, const w_design *design, weir_table *table, const w_working *working);
double w_stage_smoothing(weir_ctx *ctx, const w_probe *probe, weir_table *table, const char *formula, const weir_fit_options *options,
                         int *iterations);

#endif
