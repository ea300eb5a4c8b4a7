/* SPDX-License-Identifier: Apache-2.0 */
/* From the linear predictor to the response: means, standard errors, limits. All functions are pure and thread-safe. */
#ifndef W_FIT_RESPONSE_H
#define W_FIT_RESPONSE_H

#include "model/family.h"

/* Gaussian with identity link: predictor and response are one scale. */
bool w_response_linear(const w_glm *glm);
/* mu = g^-1(eta), NaN where the link does not take eta; slope (NULL = not wanted) = |dmu/deta|. mu may be eta. */
void w_response_mean(const w_glm *glm, int64_t n, const double *eta, double *mu, double *slope);
/* lower, upper: limits of eta on entry, of mu on return. Limits outside what the link takes become the end of the range of mu
 * they run to, so that the interval still covers. */
void w_response_limits(const w_glm *glm, int64_t n, double *lower, double *upper);
/* Quantiles of a new observation of weight 1 at mu and phi; NaN where mu is no mean of the family. */
void w_response_quantiles(const w_glm *glm, int64_t n, const double *mu, double phi, double probability, double *out);
/* Deviance residuals sign(y - mu) sqrt(omega d(y, mu)); NaN where omega = 0. prior NULL = all 1. */
void w_response_residuals(const w_glm *glm, int64_t n, const double *y, const double *mu, const double *prior, double *out);

#endif
