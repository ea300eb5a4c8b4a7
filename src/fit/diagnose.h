/* SPDX-License-Identifier: Apache-2.0 */
#ifndef W_FIT_DIAGNOSE_H
#define W_FIT_DIAGNOSE_H

#include "fit/model.h"

/* One more pass over the training table: residual sums of all rows, a fixed-seed sample of (fitted, residual, response), a
 * histogram of the residuals, and covariate values for rugs. Fills model->diagnostics. */
weir_status w_diagnose(weir_ctx *ctx, weir_model *model, weir_table *table, weir_missing missing);

#endif
