/* SPDX-License-Identifier: Apache-2.0 */
/* The last part of every fit: normal equations -> smoothing parameters -> coefficients, covariance, tests -> model. */
#ifndef W_FIT_FINISH_H
#define W_FIT_FINISH_H

#include "fit/model.h"
#include "fit/pirls.h"

/* Takes over `design` on success only. pirls: NULL for a linear model, whose smoothing parameters are chosen here; else its
 * gram is `gram` and its parameters stand. WEIR_OK, or the remark of an unconverged or rank deficient fit. */
weir_status w_finish_model(weir_ctx *ctx, w_design *design, const w_gram *gram, const weir_plan *plan,
                           const weir_fit_options *options, const w_pirls *pirls, weir_model **out);

#endif
