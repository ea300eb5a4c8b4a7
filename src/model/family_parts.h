/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a family share; nobody else includes it. Signatures are those of the table in family.h. */
#ifndef W_MODEL_FAMILY_PARTS_H
#define W_MODEL_FAMILY_PARTS_H

#include "model/family.h"

#define W_DEVIANCE_ARGUMENTS \
    const w_elementary *f, const w_glm *glm, int64_t n, const double *y, const double *mu, double *d
#define W_DERIVATIVE_ARGUMENTS \
    const w_elementary *f, const w_glm *glm, int64_t n, const double *y, const double *mu, w_deviance *out
#define W_SATURATED_ARGUMENTS const w_glm *glm, double y, double omega, double phi, w_saturated *out
#define W_THETA_ARGUMENTS const w_glm *glm, double y, double mu, w_deviance_theta *out

void w_deviance_gaussian(W_DEVIANCE_ARGUMENTS);
void w_deviance_binomial(W_DEVIANCE_ARGUMENTS);
void w_deviance_poisson(W_DEVIANCE_ARGUMENTS);
void w_deviance_gamma(W_DEVIANCE_ARGUMENTS);
void w_deviance_inverse_gaussian(W_DEVIANCE_ARGUMENTS);
void w_deviance_nb(W_DEVIANCE_ARGUMENTS);
void w_deviance_tweedie(W_DEVIANCE_ARGUMENTS);
void w_deviance_quasi(W_DEVIANCE_ARGUMENTS);
void w_deviance_scat(W_DEVIANCE_ARGUMENTS);
void w_deviance_beta(W_DEVIANCE_ARGUMENTS);
void w_derivatives_scat(W_DERIVATIVE_ARGUMENTS);
void w_derivatives_beta(W_DERIVATIVE_ARGUMENTS);

void w_saturated_gaussian(W_SATURATED_ARGUMENTS);
void w_saturated_binomial(W_SATURATED_ARGUMENTS);
void w_saturated_poisson(W_SATURATED_ARGUMENTS);
void w_saturated_gamma(W_SATURATED_ARGUMENTS);
void w_saturated_inverse_gaussian(W_SATURATED_ARGUMENTS);
void w_saturated_nb(W_SATURATED_ARGUMENTS);
void w_saturated_tweedie(W_SATURATED_ARGUMENTS);
void w_saturated_quasi(W_SATURATED_ARGUMENTS);
void w_saturated_scat(W_SATURATED_ARGUMENTS);
void w_saturated_beta(W_SATURATED_ARGUMENTS);

void w_theta_nb(W_THETA_ARGUMENTS);
void w_theta_tweedie(W_THETA_ARGUMENTS);
void w_theta_scat(W_THETA_ARGUMENTS);
void w_theta_beta(W_THETA_ARGUMENTS);

/* The family whose ranges of y and mu hold: under quasi that of the variance function. */
const w_family *w_family_range(const w_glm *glm);

/* psi''(x), x > 0. */
double w_tetragamma1(double x);
/* (1+e) log(1+e) - e, e >= -1. */
double w_kappa(double e);

/* Lower regularised incomplete gamma P(a, x) and incomplete beta I_x(a, b); `upper` wants 1 - it. Relative error about 1e-13. */
double w_incomplete_gamma(double a, double x, bool upper);
double w_incomplete_beta(double a, double b, double x, bool upper);

#endif
