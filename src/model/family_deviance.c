/* SPDX-License-Identifier: Apache-2.0 */
/* Unit deviances, d/2 with r = y/mu, e = (y - mu)/mu and kappa(e) = (1+e) log(1+e) - e (0 at e = -1 is 1):
 *   gaussian (y-mu)^2/2      poisson mu kappa(e)        gamma e - log(1+e)       inverse-gaussian (y-mu)^2/(2 y mu^2)
 *   binomial mu kappa((y-mu)/mu) + (1-mu) kappa((mu-y)/(1-mu))
 *   nb       mu kappa(e) - (mu+theta) kappa((y-mu)/(mu+theta))
 *   tweedie  mu^(2-p) ((r^(2-p) - 1) - (2-p) e)/((2-p)(1-p))
 *   scat     (nu+1)/2 log(1 + (y-mu)^2/(nu sigma^2))
 *   beta     -log f = -lG(t) + lG(mu t) + lG((1-mu) t) - (mu t - 1) log y - ((1-mu) t - 1) log(1-y)
 * The forms in e keep their relative accuracy where y is near mu, which y log(y/mu) - (y - mu) does not. */
#include "model/family_parts.h"

#include <math.h>

double w_kappa(double e)
{
    if (e <= -1.0) {
        return 1.0;
    }
    if (e > 1.0) { /* nothing cancels; log1p(e) - e would lose the logarithm in e */
        return (1.0 + e) * log1p(e) - e;
    }
    double minus = w_log1p_minus(e);
    return minus + e * (minus + e);
}

void w_deviance_gaussian(W_DEVIANCE_ARGUMENTS)
{
    (void)f;
    (void)glm;
    for (int64_t i = 0; i < n; i++) {
        d[i] = (y[i] - mu[i]) * (y[i] - mu[i]);
    }
}

/* d = scale * fn((y-mu)/mu), then times mu if `by_mean`. */
static void relative(w_array_fn fn, double scale, bool by_mean, int64_t n, const double *y, const double *mu, double *d)
{
    for (int64_t i = 0; i < n; i++) {
        d[i] = (y[i] - mu[i]) / mu[i];
    }
    fn(n, d, d);
    for (int64_t i = 0; i < n; i++) {
        d[i] *= by_mean ? scale * mu[i] : scale;
    }
}

void w_deviance_binomial(W_DEVIANCE_ARGUMENTS)
{
    double other[W_FAMILY_CHUNK];
    relative(f->kappa, 2.0, true, n, y, mu, d);
    for (int64_t i = 0; i < n; i++) {
        other[i] = (mu[i] - y[i]) / (1.0 - mu[i]);
    }
    other[0] = n > 0 ? other[0] : 0.0;
    f->kappa(n, other, other);
    (void)glm;
    for (int64_t i = 0; i < n; i++) {
        d[i] += 2.0 * (1.0 - mu[i]) * other[i];
    }
}

void w_deviance_poisson(W_DEVIANCE_ARGUMENTS)
{
    (void)glm;
    relative(f->kappa, 2.0, true, n, y, mu, d);
}

void w_deviance_gamma(W_DEVIANCE_ARGUMENTS)
{
    (void)glm;
    relative(f->log1p_minus, -2.0, false, n, y, mu, d);
}

void w_deviance_inverse_gaussian(W_DEVIANCE_ARGUMENTS)
{
    (void)f;
    (void)glm;
    for (int64_t i = 0; i < n; i++) {
        double e = (y[i] - mu[i]) / mu[i];
        d[i] = e * e / y[i];
    }
}

void w_deviance_nb(W_DEVIANCE_ARGUMENTS)
{
    double theta = glm->param[0], second[W_FAMILY_CHUNK] = { 0.0 };
    relative(f->kappa, 2.0, true, n, y, mu, d);
    for (int64_t i = 0; i < n; i++) {
        second[i] = (y[i] - mu[i]) / (mu[i] + theta);
    }
    f->kappa(n, second, second);
    for (int64_t i = 0; i < n; i++) {
        d[i] = fmax(0.0, d[i] - 2.0 * (mu[i] + theta) * second[i]);
    }
}

void w_deviance_tweedie(W_DEVIANCE_ARGUMENTS)
{
    double q = 2.0 - glm->param[0], scale = 2.0 / (q * (q - 1.0)), power[W_FAMILY_CHUNK];
    for (int64_t i = 0; i < n; i++) {
        power[i] = mu[i];
        d[i] = (y[i] - mu[i]) / mu[i];
    }
    power[0] = n > 0 ? power[0] : 1.0;
    f->log(n, power, power);
    f->log1p(n, d, d);
    for (int64_t i = 0; i < n; i++) {
        power[i] *= q;
        d[i] *= q;
    }
    f->exp(n, power, power);
    f->expm1(n, d, d);
    for (int64_t i = 0; i < n; i++) {
        d[i] = fmax(0.0, power[i] * (d[i] - q * ((y[i] - mu[i]) / mu[i])) * scale);
    }
}

void w_deviance_quasi(W_DEVIANCE_ARGUMENTS)
{
    switch (glm->variance) {
    case W_VARIANCE_MU:
        w_deviance_poisson(f, glm, n, y, mu, d);
        break;
    case W_VARIANCE_MU2:
        w_deviance_gamma(f, glm, n, y, mu, d);
        break;
    case W_VARIANCE_MU3:
        w_deviance_inverse_gaussian(f, glm, n, y, mu, d);
        break;
    case W_VARIANCE_BINOMIAL:
        w_deviance_binomial(f, glm, n, y, mu, d);
        break;
    default:
        w_deviance_gaussian(f, glm, n, y, mu, d);
    }
}

void w_deviance_scat(W_DEVIANCE_ARGUMENTS)
{
    double nu = glm->param[0], inverse = 1.0 / (nu * glm->param[1] * glm->param[1]);
    for (int64_t i = 0; i < n; i++) {
        double residual = y[i] - mu[i];
        d[i] = residual * residual * inverse;
    }
    f->log1p(n, d, d);
    for (int64_t i = 0; i < n; i++) {
        d[i] *= nu + 1.0;
    }
}

/* With s = nu sigma^2 and residual r: d1 = -2(nu+1) r/(s+r^2) and its derivatives; E d2 = 2(nu+1)/(sigma^2 (nu+3)). */
void w_derivatives_scat(W_DERIVATIVE_ARGUMENTS)
{
    (void)f;
    double nu = glm->param[0], s = nu * glm->param[1] * glm->param[1], scale = 2.0 * (nu + 1.0);
    for (int64_t i = 0; i < n; i++) {
        double r = y[i] - mu[i], square = r * r, inverse = 1.0 / (s + square);
        out->d1[i] = -scale * r * inverse;
        out->d2[i] = scale * (s - square) * inverse * inverse;
        out->d3[i] = 2.0 * scale * r * (3.0 * s - square) * inverse * inverse * inverse;
        out->e2[i] = scale * nu / (s * (nu + 3.0));
        out->e3[i] = 0.0;
    }
}

/* fn of a = mu t and of b = (1-mu) t. */
static void gamma_pair(w_array_fn fn, double t, int64_t n, const double *mu, double *a, double *b)
{
    a[0] = b[0] = 1.0;
    for (int64_t i = 0; i < n; i++) {
        a[i] = mu[i] * t;
        b[i] = (1.0 - mu[i]) * t;
    }
    fn(n, a, a);
    fn(n, b, b);
}

/* log y and log(1-y). */
static void log_pair(const w_elementary *f, int64_t n, const double *y, double *log_y, double *log_other)
{
    log_other[0] = 0.0;
    for (int64_t i = 0; i < n; i++) {
        log_other[i] = -y[i];
    }
    f->log(n, y, log_y);
    f->log1p(n, log_other, log_other);
}

void w_deviance_beta(W_DEVIANCE_ARGUMENTS)
{
    double t = glm->param[0], constant, a[W_FAMILY_CHUNK], b[W_FAMILY_CHUNK], log_y[W_FAMILY_CHUNK], log_other[W_FAMILY_CHUNK];
    f->lgamma(1, &t, &constant);
    gamma_pair(f->lgamma, t, n, mu, a, b);
    log_pair(f, n, y, log_y, log_other);
    for (int64_t i = 0; i < n; i++) {
        d[i] = 2.0 * (a[i] + b[i] - constant - (mu[i] * t - 1.0) * log_y[i] - ((1.0 - mu[i]) * t - 1.0) * log_other[i]);
    }
}

/* d1 = 2t (psi(a) - psi(b) - logit y), d2 = 2t^2 (psi'(a) + psi'(b)) = E d2, d3 = 2t^3 (psi''(a) - psi''(b)) */
void w_derivatives_beta(W_DERIVATIVE_ARGUMENTS)
{
    double t = glm->param[0], a[W_FAMILY_CHUNK], b[W_FAMILY_CHUNK], log_y[W_FAMILY_CHUNK], log_other[W_FAMILY_CHUNK];
    log_pair(f, n, y, log_y, log_other);
    gamma_pair(f->digamma, t, n, mu, a, b);
    for (int64_t i = 0; i < n; i++) {
        out->d1[i] = 2.0 * t * (a[i] - b[i] - (log_y[i] - log_other[i]));
    }
    gamma_pair(f->trigamma, t, n, mu, a, b);
    for (int64_t i = 0; i < n; i++) {
        out->d2[i] = out->e2[i] = 2.0 * t * t * (a[i] + b[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        out->d3[i] = out->e3[i] = 2.0 * t * t * t * (w_tetragamma1(mu[i] * t) - w_tetragamma1((1.0 - mu[i]) * t));
    }
}

/* psi''(x) = psi''(x+1) - 2/x^3;  -1/x^2 - 1/x^3 - 1/(2x^4) + 1/(6x^6) - ... far out. */
double w_tetragamma1(double x)
{
    static const double c[] = { 0.5, -1.0 / 6, 1.0 / 6, -0.3, 5.0 / 6, -691.0 / 210, 17.5 };
    double sum = 0.0;
    for (; x < 10.0; x += 1.0) {
        sum -= 2.0 / (x * x * x);
    }
    double square = 1.0 / (x * x), series = 0.0;
    for (int i = 6; i >= 0; i--) {
        series = series * square + c[i];
    }
    return sum - square * (1.0 + 1.0 / x + square * series);
}
