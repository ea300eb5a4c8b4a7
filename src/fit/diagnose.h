/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_FIT_DIAGNOSE_H
#define W_FIT_DIAGNOSE_H

#include "fit/model.h"

/* One more pass over the training table: residual sums of all rows, a fixed-seed sample of (fitted, residual, response) with
 * simulated quantiles beside it, a histogram of the residuals, covariate values for rugs, and the basis check. Fills
 * model->diagnostics on success only. */
weir_status w_diagnose(weir_ctx *ctx, weir_model *model, weir_table *table, weir_missing missing);
/* The same of any table with the columns of the model. */
weir_status w_diagnose_table(weir_ctx *ctx, weir_model *model, weir_table *table, weir_missing missing);
/* Of either beside the table's windows, with what stays in the model. Reads shapes only. */
int64_t w_diagnose_bytes(const w_design *design, int workers);

#endif
