/* SPDX-License-Identifier: Apache-2.0 */
/* What must be said about the end of a generalised fit.
 *
 * Separation. Where a direction of the linear predictor tells all zeros (or ones) apart, the likelihood grows without end along
 * it: the deviance stands still while the next Newton step still moves eta, by 1 under log and logit links, and the weights of
 * the rows it moves vanish. Rows of both kinds are counted: |x'd| > 0.01 for the next step d, weight below 1e-4 of the one at
 * the mean of the response. A penalised direction, or a mean that is small but determined, shows no such step. */
#ifndef W_FIT_VERDICT_H
#define W_FIT_VERDICT_H

#include "fit/pirls.h"

/* A fit whose deviance is this share of the null model's, or less, reproduces the responses but for rounding. */
#define W_EXACT_FIT 1e-24
#define W_EXACT_REMARK "the model reproduces every response but for rounding: scale, standard errors, tests and smoothing " \
                       "parameters say nothing"

/* Rows that run away at pirls->beta; 0 = none. Solves once and, where a step is in sight, makes a pass; leaves the iteration as
 * it was. *told (W_MESSAGE_BYTES) says which term or level it is. */
weir_status w_verdict_separation(w_pirls *pirls, int64_t *rows, char *told);
/* Remarks of the fit and its final status with one line in the context: separation, no convergence, or `status`. */
weir_status w_verdict(w_pirls *pirls, weir_status status);

#endif
