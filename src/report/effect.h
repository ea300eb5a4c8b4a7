/* SPDX-License-Identifier: Apache-2.0 */
/* Partial effects on a grid:  f = X_t beta_t,  se = sqrt(phi diag(X_t P_tt X_t')),  with X_t the columns of one term. */
#ifndef W_REPORT_EFFECT_H
#define W_REPORT_EFFECT_H

#include "fit/model.h"

#define W_EFFECT_POINTS 160
#define W_EFFECT_SIDE 40
#define W_EFFECT_LEVEL 0.95

typedef struct w_effect {
    weir_ctx *ctx;
    int64_t count;
    double *fit, *se;  /* count each */
    double critical;   /* standard errors on either side of a curve that hold it everywhere at once at W_EFFECT_LEVEL; 0 = unknown */
    double *x[W_MAX_MARGINS]; /* grid axes; of length count for a curve, W_EFFECT_SIDE for a surface */
} w_effect;

/* Range of covariate `v` of a term: that of its table column, else that of the margin's breaks. False: unknown. */
bool w_effect_range(const w_design *design, const w_term *term, int v, double *lower, double *upper);
/* Position of covariate `v` among the design's columns, -1 for an expression. */
int w_effect_column(const w_design *design, const w_term *term, int v);

/* A smooth of one covariate on W_EFFECT_POINTS equidistant values. */
weir_status w_effect_curve(const weir_model *model, const w_term *term, w_effect *out);
/* A smooth of two or three covariates on a W_EFFECT_SIDE square over the first two, fit[j*side + i] at (x_0[i], x_1[j]);
 * the third, if any, is held at `third`. */
weir_status w_effect_surface(const weir_model *model, const w_term *term, double third, w_effect *out);
/* Each coefficient of a term with its standard error. */
weir_status w_effect_coefficients(const weir_model *model, const w_term *term, w_effect *out);
void w_effect_free(w_effect *effect);

#endif
