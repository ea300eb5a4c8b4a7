/* SPDX-License-Identifier: Apache-2.0 */
/* options->ridge: R |beta|^2 over all coefficients, that of the intercept included. It enters as p rows of weight R, one per
 * column, response 0: X'WX + R I, X'Wz as it is. n stays; residual sum of squares and effective degrees of freedom count it as
 * data. A response that was shifted by s turns the intercept's row into one of response -s. */
#ifndef W_FIT_RIDGE_H
#define W_FIT_RIDGE_H

#include "model/family.h"
#include "model/design.h"
#include "normal/normal.h"
#include "weir/gam.h"

/* WEIR_E_ARG for a ridge that is negative or goes with other than a linear model of independent rows. */
weir_status w_ridge_check(weir_ctx *ctx, const weir_fit_options *options, bool linear);
void w_ridge_add(const w_design *design, double ridge, w_gram *gram);

#endif
