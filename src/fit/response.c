/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of mu are the link's inverse of limits of eta: the link is monotone, so the probability carries over. A link that
 * falls (inverse, 1/mu^2) swaps them. Beyond the link's range,
 *     inverse, 1/mu^2 (positive means)   eta <= 0   the mean has grown without bound
 *     sqrt, power                        eta <= 0   the mean has reached 0
 * and a limit outside the family's means (identity and log links) is moved to their end. */
#include "fit/response.h"

#include <math.h>

#define CHUNK W_FAMILY_CHUNK

bool w_response_linear(const w_glm *glm)
{
    return glm->family->kind == W_FAMILY_GAUSSIAN && glm->link->kind == W_LINK_IDENTITY;
}

void w_response_mean(const w_glm *glm, int64_t n, const double *eta, double *mu, double *slope)
{
    const w_elementary *f = w_elementary_find(w_isa_best());
    double m0[CHUNK], m1[CHUNK], m2[CHUNK], m3[CHUNK];
    for (int64_t start = 0; start < n; start += CHUNK) {
        int64_t count = n - start < CHUNK ? n - start : CHUNK;
        glm->link->inverse(f, glm->power, count, eta + start, m0, m1, m2, m3);
        for (int64_t i = 0; i < count; i++) {
            bool missing = isnan(eta[start + i]); /* links hold mu inside its range whatever eta is */
            mu[start + i] = missing ? NAN : m0[i];
            if (slope) {
                slope[start + i] = missing ? NAN : fabs(m1[i]);
            }
        }
    }
}

/* Positive means whose link has a pole at 0. */
static bool has_pole(const w_glm *glm)
{
    return glm->link->kind == W_LINK_INVERSE_SQUARE || (glm->link->kind == W_LINK_INVERSE && glm->family->mu_low == 0.0);
}

static double limit(const w_glm *glm, double eta, double mu)
{
    if (isnan(eta)) {
        return NAN;
    }
    if (eta <= 0.0 && has_pole(glm)) {
        return INFINITY;
    }
    if (eta <= 0.0 && (glm->link->kind == W_LINK_SQRT || glm->link->kind == W_LINK_POWER)) {
        return 0.0;
    }
    return fmax(glm->family->mu_low, fmin(glm->family->mu_high, mu));
}

void w_response_limits(const w_glm *glm, int64_t n, double *lower, double *upper)
{
    double low[CHUNK], high[CHUNK];
    for (int64_t start = 0; start < n; start += CHUNK) {
        int64_t count = n - start < CHUNK ? n - start : CHUNK;
        w_response_mean(glm, count, lower + start, low, NULL);
        w_response_mean(glm, count, upper + start, high, NULL);
        for (int64_t i = 0; i < count; i++) {
            double a = limit(glm, lower[start + i], low[i]), b = limit(glm, upper[start + i], high[i]);
            lower[start + i] = isnan(a) || isnan(b) ? NAN : fmin(a, b);
            upper[start + i] = isnan(a) || isnan(b) ? NAN : fmax(a, b);
        }
    }
}

void w_response_quantiles(const w_glm *glm, int64_t n, const double *mu, double phi, double probability, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        bool mean = mu[i] > glm->family->mu_low && mu[i] < glm->family->mu_high;
        out[i] = mean ? w_family_quantile(glm, probability, mu[i], 1.0, phi) : NAN;
    }
}

void w_response_residuals(const w_glm *glm, int64_t n, const double *y, const double *mu, const double *prior, double *out)
{
    const w_elementary *f = w_elementary_find(w_isa_best());
    double d[CHUNK];
    for (int64_t start = 0; start < n; start += CHUNK) {
        int64_t count = n - start < CHUNK ? n - start : CHUNK;
        glm->family->deviance(f, glm, count, y + start, mu + start, d);
        for (int64_t i = start; i < start + count; i++) {
            double omega = prior ? prior[i] : 1.0, unit = d[i - start];
            if (glm->family->kind == W_FAMILY_BETA && omega > 0.0) {
                unit += 2.0 * w_family_beta_saturated(glm, y[i]);
            }
            out[i] = omega > 0.0 ? copysign(sqrt(fmax(0.0, omega * unit)), y[i] - mu[i]) : NAN;
        }
    }
}
