/* SPDX-License-Identifier: Apache-2.0 */
/* Linear models whose residuals are an AR(1) process within each series of rows: cov(e_i, e_j) = phi rho^|i-j| / sqrt(w_i w_j), i and
 * j counted among the rows with positive weight (docs/numerics/ar1.md). The sums serve every rho (normal/ar1.h), so an unknown
 * one is found by the criterion after the same single pass. */
#ifndef W_FIT_AR1_H
#define W_FIT_AR1_H

#include "fit/model.h"

static inline bool w_ar1_wanted(const weir_fit_options *options)
{
    return options->ar1 != 0 || options->ar1_estimate != 0;
}
/* rho, start column, criterion and family against each other. */
weir_status w_ar1_check(weir_ctx *ctx, const weir_fit_options *options, const w_glm *glm);
/* Sums of a design with ar1 -> model; like w_finish_model. */
weir_status w_ar1_model(weir_ctx *ctx, w_design *design, w_sums *sums, const weir_plan *plan, const weir_fit_options *options,
                        weir_model **out);

/* Residuals sqrt(w_i) e_i in row order -> standardised ones, (r_i - rho r_(i-1)) / sqrt(1 - rho^2) within a series and r_i where it
 * begins, which are independent with variance phi; and their correlation with the one before. */
typedef struct w_ar1_filter {
    bool active, logical, grouped; /* grouped: series are told apart */
    double rho, before, standard;
    bool any, marked;
    double series;
    double square, product;        /* sums of s_i^2 and s_i s_(i-1) */
} w_ar1_filter;

w_ar1_filter w_ar1_filter_of(const weir_model *model);
/* residual: rows values, NaN where a row does not count; rewritten. series: tile->series as numbers, NULL unless grouped. */
void w_ar1_filter_rows(w_ar1_filter *filter, int64_t rows, double *residual, const double *series);
/* Writes what the filter has seen into the model's summary. */
void w_ar1_filter_finish(const w_ar1_filter *filter, weir_model *model);
/* The same over the training table, where no other pass does it. */
weir_status w_ar1_measure(weir_ctx *ctx, weir_model *model, weir_table *table, weir_missing missing);

#endif
