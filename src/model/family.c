/* SPDX-License-Identifier: Apache-2.0 */
/* The table of families: variance functions, start means and ranges; derivatives and likelihoods are in the files beside. */
#include "model/family_parts.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

#define VARIANCE_ARGUMENTS const w_glm *glm, int64_t n, const double *mu, double *v, double *v1, double *v2

static void variance_constant(VARIANCE_ARGUMENTS)
{
    (void)glm;
    (void)mu;
    for (int64_t i = 0; i < n; i++) {
        v[i] = 1.0;
        v1[i] = v2[i] = 0.0;
    }
}

static void variance_mu(VARIANCE_ARGUMENTS)
{
    (void)glm;
    for (int64_t i = 0; i < n; i++) {
        v[i] = mu[i];
        v1[i] = 1.0;
        v2[i] = 0.0;
    }
}

static void variance_mu2(VARIANCE_ARGUMENTS)
{
    (void)glm;
    for (int64_t i = 0; i < n; i++) {
        v[i] = mu[i] * mu[i];
        v1[i] = 2.0 * mu[i];
        v2[i] = 2.0;
    }
}

static void variance_mu3(VARIANCE_ARGUMENTS)
{
    (void)glm;
    for (int64_t i = 0; i < n; i++) {
        v[i] = mu[i] * mu[i] * mu[i];
        v1[i] = 3.0 * mu[i] * mu[i];
        v2[i] = 6.0 * mu[i];
    }
}

static void variance_binomial(VARIANCE_ARGUMENTS)
{
    (void)glm;
    for (int64_t i = 0; i < n; i++) {
        v[i] = mu[i] * (1.0 - mu[i]);
        v1[i] = 1.0 - 2.0 * mu[i];
        v2[i] = -2.0;
    }
}

static void variance_nb(VARIANCE_ARGUMENTS)
{
    double inverse = 1.0 / glm->param[0];
    for (int64_t i = 0; i < n; i++) {
        v[i] = mu[i] + mu[i] * mu[i] * inverse;
        v1[i] = 1.0 + 2.0 * mu[i] * inverse;
        v2[i] = 2.0 * inverse;
    }
}

static void variance_tweedie(VARIANCE_ARGUMENTS)
{
    double p = glm->param[0];
    for (int64_t i = 0; i < n; i++) {
        v[i] = pow(mu[i], p);
        v1[i] = p * v[i] / mu[i];
        v2[i] = (p - 1.0) * v1[i] / mu[i];
    }
}

static void variance_beta(VARIANCE_ARGUMENTS)
{
    double inverse = 1.0 / (1.0 + glm->param[0]);
    for (int64_t i = 0; i < n; i++) {
        v[i] = mu[i] * (1.0 - mu[i]) * inverse;
        v1[i] = (1.0 - 2.0 * mu[i]) * inverse;
        v2[i] = -2.0 * inverse;
    }
}

/* The variance of a t variable, finite for nu > 2. */
static void variance_scat(VARIANCE_ARGUMENTS)
{
    double nu = glm->param[0], sigma = glm->param[1];
    (void)mu;
    for (int64_t i = 0; i < n; i++) {
        v[i] = sigma * sigma * nu / (nu - 2.0);
        v1[i] = v2[i] = 0.0;
    }
}

static void variance_quasi(VARIANCE_ARGUMENTS)
{
    switch (glm->variance) {
    case W_VARIANCE_MU:
        variance_mu(glm, n, mu, v, v1, v2);
        break;
    case W_VARIANCE_MU2:
        variance_mu2(glm, n, mu, v, v1, v2);
        break;
    case W_VARIANCE_MU3:
        variance_mu3(glm, n, mu, v, v1, v2);
        break;
    case W_VARIANCE_BINOMIAL:
        variance_binomial(glm, n, mu, v, v1, v2);
        break;
    default:
        variance_constant(glm, n, mu, v, v1, v2);
    }
}

#define START_ARGUMENTS const w_glm *glm, double y, double omega

static double start_y(START_ARGUMENTS) { (void)glm; (void)omega; return y; }
static double start_binomial(START_ARGUMENTS) { (void)glm; return (omega * y + 0.5) / (omega + 1.0); }
static double start_poisson(START_ARGUMENTS) { (void)glm; (void)omega; return y + 0.1; }
static double start_nb(START_ARGUMENTS) { (void)glm; (void)omega; return y > 0.0 ? y : 1.0 / 6.0; }
static double start_tweedie(START_ARGUMENTS) { (void)glm; (void)omega; return y > 0.0 ? y : 0.1; }
static double start_beta(START_ARGUMENTS) { (void)glm; (void)omega; return fmax(0.01, fmin(0.99, y)); }

static double start_quasi(START_ARGUMENTS)
{
    switch (glm->variance) {
    case W_VARIANCE_MU:
        return start_poisson(glm, y, omega);
    case W_VARIANCE_BINOMIAL:
        return start_binomial(glm, y, omega);
    default:
        return y;
    }
}

static const w_family families[W_FAMILY_COUNT] = {
    { .kind = W_FAMILY_GAUSSIAN, .name = "gaussian", .default_link = W_LINK_IDENTITY, .y_low = -DBL_MAX, .y_high = DBL_MAX,
      .range = "finite numbers", .mu_low = -INFINITY, .mu_high = INFINITY, .variance = variance_constant,
      .deviance = w_deviance_gaussian, .saturated = w_saturated_gaussian, .start = start_y },
    { .kind = W_FAMILY_BINOMIAL, .name = "binomial", .default_link = W_LINK_LOGIT, .scale_known = true, .discrete = true,
      .y_low = 0.0, .y_high = 1.0, .range = "0 to 1 (proportions of the trials given as weights)", .mu_low = 0.0,
      .mu_high = 1.0, .variance = variance_binomial, .deviance = w_deviance_binomial, .saturated = w_saturated_binomial,
      .start = start_binomial },
    { .kind = W_FAMILY_POISSON, .name = "poisson", .default_link = W_LINK_LOG, .scale_known = true, .discrete = true,
      .y_low = 0.0, .y_high = DBL_MAX, .range = "0 and more", .mu_low = 0.0, .mu_high = INFINITY, .variance = variance_mu,
      .deviance = w_deviance_poisson, .saturated = w_saturated_poisson, .start = start_poisson },
    { .kind = W_FAMILY_GAMMA, .name = "gamma", .default_link = W_LINK_INVERSE, .y_low = 0.0, .y_high = DBL_MAX, .open = true,
      .range = "numbers above 0", .mu_low = 0.0, .mu_high = INFINITY, .variance = variance_mu2, .deviance = w_deviance_gamma,
      .saturated = w_saturated_gamma, .start = start_y },
    { .kind = W_FAMILY_INVERSE_GAUSSIAN, .name = "inverse-gaussian", .default_link = W_LINK_INVERSE_SQUARE, .y_low = 0.0,
      .y_high = DBL_MAX, .open = true, .range = "numbers above 0", .mu_low = 0.0, .mu_high = INFINITY, .variance = variance_mu3,
      .deviance = w_deviance_inverse_gaussian, .saturated = w_saturated_inverse_gaussian, .start = start_y },
    { .kind = W_FAMILY_NB, .name = "nb", .default_link = W_LINK_LOG, .scale_known = true, .discrete = true, .y_low = 0.0,
      .y_high = DBL_MAX, .range = "0 and more", .param_count = 1, .param_name = { "theta" }, .param_start = { 1.0 },
      .param_low = { 0.0 }, .param_high = { INFINITY }, .mu_low = 0.0, .mu_high = INFINITY, .variance = variance_nb,
      .deviance = w_deviance_nb, .saturated = w_saturated_nb, .theta = w_theta_nb, .start = start_nb },
    { .kind = W_FAMILY_TWEEDIE, .name = "tweedie", .default_link = W_LINK_LOG, .y_low = 0.0, .y_high = DBL_MAX,
      .range = "0 and more", .param_count = 1, .param_name = { "p" }, .param_start = { 1.5 }, .param_low = { 1.0 },
      .param_high = { 2.0 }, .mu_low = 0.0, .mu_high = INFINITY, .variance = variance_tweedie, .deviance = w_deviance_tweedie,
      .saturated = w_saturated_tweedie, .theta = w_theta_tweedie, .start = start_tweedie },
    { .kind = W_FAMILY_QUASI, .name = "quasi", .default_link = W_LINK_IDENTITY, .quasi = true, .y_low = -DBL_MAX,
      .y_high = DBL_MAX, .range = "finite numbers", .mu_low = -INFINITY, .mu_high = INFINITY, .variance = variance_quasi,
      .deviance = w_deviance_quasi, .saturated = w_saturated_quasi, .start = start_quasi },
    { .kind = W_FAMILY_QUASIPOISSON, .name = "quasipoisson", .default_link = W_LINK_LOG, .quasi = true, .y_low = 0.0,
      .y_high = DBL_MAX, .range = "0 and more", .mu_low = 0.0, .mu_high = INFINITY, .variance = variance_mu,
      .deviance = w_deviance_poisson, .saturated = w_saturated_quasi, .start = start_poisson },
    { .kind = W_FAMILY_QUASIBINOMIAL, .name = "quasibinomial", .default_link = W_LINK_LOGIT, .quasi = true, .y_low = 0.0,
      .y_high = 1.0, .range = "0 to 1", .mu_low = 0.0, .mu_high = 1.0, .variance = variance_binomial,
      .deviance = w_deviance_binomial, .saturated = w_saturated_quasi, .start = start_binomial },
    { .kind = W_FAMILY_SCAT, .name = "scat", .default_link = W_LINK_IDENTITY, .scale_known = true, .y_low = -DBL_MAX,
      .y_high = DBL_MAX, .range = "finite numbers", .param_count = 2, .param_name = { "nu", "sigma" },
      .param_start = { 5.0, 1.0 }, .param_low = { 2.0, 0.0 }, .param_high = { INFINITY, INFINITY }, .mu_low = -INFINITY,
      .mu_high = INFINITY, .variance = variance_scat, .deviance = w_deviance_scat, .derivatives = w_derivatives_scat, .saturated = w_saturated_scat,
      .theta = w_theta_scat, .start = start_y },
    { .kind = W_FAMILY_BETA, .name = "beta", .default_link = W_LINK_LOGIT, .scale_known = true, .y_low = 0.0, .y_high = 1.0,
      .open = true, .range = "numbers above 0 and below 1", .param_count = 1, .param_name = { "theta" }, .param_start = { 5.0 },
      .param_low = { 0.0 }, .param_high = { INFINITY }, .mu_low = 0.0, .mu_high = 1.0, .variance = variance_beta,
      .deviance = w_deviance_beta, .derivatives = w_derivatives_beta, .saturated = w_saturated_beta, .theta = w_theta_beta,
      .start = start_beta },
};

const w_family *w_family_of(w_family_kind kind)
{
    return &families[kind];
}

const w_family *w_family_range(const w_glm *glm)
{
    if (glm->family->kind != W_FAMILY_QUASI) {
        return glm->family;
    }
    switch (glm->variance) {
    case W_VARIANCE_MU:
        return &families[W_FAMILY_POISSON];
    case W_VARIANCE_MU2:
        return &families[W_FAMILY_GAMMA];
    case W_VARIANCE_MU3:
        return &families[W_FAMILY_INVERSE_GAUSSIAN];
    case W_VARIANCE_BINOMIAL:
        return &families[W_FAMILY_QUASIBINOMIAL];
    default:
        return &families[W_FAMILY_GAUSSIAN];
    }
}

static bool in_range(const w_family *family, double y)
{
    return family->open ? y > family->y_low && y < family->y_high : y >= family->y_low && y <= family->y_high;
}

weir_status w_family_check(weir_ctx *ctx, const w_glm *glm, const char *response, int64_t rows, const double *y,
                           const double *prior, int64_t first_row, int64_t *fractional)
{
    const w_family *range = w_family_range(glm);
    bool trials = glm->family->kind == W_FAMILY_BINOMIAL;
    int64_t found = 0;
    for (int64_t i = 0; i < rows; i++) {
        double omega = prior ? prior[i] : 1.0;
        if (!(omega >= 0.0 && omega <= DBL_MAX)) {
            return w_fail(ctx, WEIR_E_DATA, "weight %g in row %lld: weights are finite and not negative", omega,
                          (long long)(first_row + i));
        }
        if (omega == 0.0) {
            continue;
        }
        if (!in_range(range, y[i])) {
            return w_fail(ctx, WEIR_E_DATA, "%s is %g in row %lld: family %s takes %s", response, y[i],
                          (long long)(first_row + i), glm->family->name, range->range);
        }
        double count = trials ? omega * y[i] : y[i];
        found += glm->family->discrete && fabs(count - nearbyint(count)) > 1e-6 * fmax(1.0, count);
    }
    *fractional += found;
    return WEIR_OK;
}

void w_family_start(const w_glm *glm, int64_t rows, const double *y, const double *prior, double *eta)
{
    const w_family *range = w_family_range(glm);
    double low = fmax(glm->link->mu_low, range->mu_low), high = fmin(glm->link->mu_high, range->mu_high);
    for (int64_t i = 0; i < rows; i++) {
        double omega = prior ? prior[i] : 1.0, mu = omega > 0.0 ? glm->family->start(glm, y[i], omega) : NAN;
        if (low == 0.0 && mu <= 0.0) {
            mu = 0.1;
        } else if (glm->link->kind == W_LINK_INVERSE && mu == 0.0) {
            mu = 0.1;
        }
        if (high == 1.0) {
            mu = fmax(0.005, fmin(0.995, mu));
        }
        eta[i] = omega > 0.0 ? glm->link->link(glm->power, mu) : 0.0;
    }
}

void w_family_pearson(const w_glm *glm, int64_t rows, const double *y, const double *mu, const double *prior, double *pearson,
                      double *slope)
{
    double v[W_FAMILY_CHUNK], v1[W_FAMILY_CHUNK], v2[W_FAMILY_CHUNK];
    for (int64_t start = 0; start < rows; start += W_FAMILY_CHUNK) {
        int64_t n = rows - start < W_FAMILY_CHUNK ? rows - start : W_FAMILY_CHUNK;
        glm->family->variance(glm, n, mu + start, v, v1, v2);
        for (int64_t i = 0; i < n; i++) {
            double omega = prior ? prior[start + i] : 1.0, residual = y[start + i] - mu[start + i];
            if (omega > 0.0) {
                *pearson += omega * residual * residual / v[i];
                *slope += sqrt(omega) * v1[i] * residual / v[i];
            }
        }
    }
}
