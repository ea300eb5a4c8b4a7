/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of smooth terms and random effects. Arrays from the ledger, freed before return. */
#ifndef W_FIT_INFERENCE_H
#define W_FIT_INFERENCE_H

#include "fit/model.h"

typedef struct w_term_test {
    double statistic, ref_df, p_value;
} w_term_test;

/* Columns first … first+count-1 of beta are zero: Wood (2013a). reference_df: sum of edf1; residual_df <= 0: known scale. */
weir_status w_test_smooth(const weir_model *model, const w_gram *gram, const w_term *term, double reference_df,
                          double residual_df, w_term_test *out);
/* The same for terms without unpenalised directions, as a test of zero variance: Wood (2013b). */
weir_status w_test_random(const weir_model *model, w_system *system, const w_gram *gram, const w_term *term,
                          double residual_df, w_term_test *out);
/* P(sum_j weight_j X_j > statistic), X_j ~ chi2(1); with residual_df > 0 the statistic is divided by an independent
 * chi2(residual_df)/residual_df. */
double w_ratio_tail(weir_ctx *ctx, int64_t count, const double *weight, double statistic, double residual_df,
                    double *scratch); /* 2 (count + 1) */

/* sp and S.scale of the term's penalties into its line; standard deviation of a random effect. rho and scale stand. */
weir_status w_inference_smoothing(weir_ctx *ctx, weir_model *model, const w_term *term, weir_term_summary *row);

/* Degrees of freedom of the AIC without the scale: sum edf, corrected for estimated smoothing parameters when
 * model->hessian is there, the system is dense and of full rank, and p is moderate (inference_aic.c). */
weir_status w_degrees_of_freedom(const weir_model *model, const w_gram *gram, double *out);

/* Entry (row, column) of A = X'WX in X's columns. */
double w_gram_entry(const w_gram *gram, int64_t row, int64_t column);

#endif
