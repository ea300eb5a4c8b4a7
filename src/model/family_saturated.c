/* SPDX-License-Identifier: Apache-2.0 */
/* Saturated log-likelihoods of one row, by Stirling's remainder d(x) wherever large terms would cancel (tweedie has its
 * own file):
 *   gaussian          -log(2 pi phi/omega)/2
 *   binomial          log C(omega, omega y) + omega (y log y + (1-y) log(1-y))
 *   poisson           omega (y log y - y - log y!) = -omega (log(2 pi y)/2 + d(y))
 *   gamma             k = omega/phi:  k log k - k - log G(k) - log y = log(k/2 pi)/2 - d(k) - log y
 *   inverse-gaussian  -log(2 pi phi y^3/omega)/2
 *   nb                omega ( -log(1 + y/t)/2 + d(y+t) - d(t) - log(2 pi y)/2 - d(y) ),  the last two terms for y > 0
 *   quasi             -log(phi/omega)/2
 *   scat              omega ( log G((nu+1)/2) - log G(nu/2) - log(pi nu)/2 - log sigma )
 * and the derivatives of unit deviances in the working parameters. */
#include "model/family_parts.h"

#include <math.h>
#include <string.h>

#define PLACE_BITS 6
#define PLACES (1 << PLACE_BITS)

#define LOG_2PI 1.83787706640934548356

void w_saturated_gaussian(W_SATURATED_ARGUMENTS)
{
    (void)glm;
    (void)y;
    *out = (w_saturated){ .value = -0.5 * (LOG_2PI + log(phi / omega)), .grad = { 0.0, 0.0, -0.5 } };
}

/* log x! - (x log x - x) = log(2 pi x)/2 + d(x), 0 at x = 0. */
static double factorial_rest(double x)
{
    double rest[3];
    if (!(x > 0.0)) {
        return 0.0;
    }
    w_stirling_rest(x, rest);
    return 0.5 * (LOG_2PI + log(x)) + rest[0];
}

/* The powers of x in log C(omega, k) cancel against the rest and leave the remainders. */
void w_saturated_binomial(W_SATURATED_ARGUMENTS)
{
    (void)glm;
    (void)phi;
    double k = omega * y;
    bool inside = y > 0.0 && y < 1.0;
    *out = (w_saturated){ .value = inside ? factorial_rest(omega) - factorial_rest(k) - factorial_rest(omega - k) : 0.0 };
}

void w_saturated_poisson(W_SATURATED_ARGUMENTS)
{
    (void)glm;
    (void)phi;
    *out = (w_saturated){ .value = -omega * factorial_rest(y) };
}

/* In k = omega/phi the derivative is 1/(2k) - d'(k); dk/dlog phi = -k. */
void w_saturated_gamma(W_SATURATED_ARGUMENTS)
{
    (void)glm;
    double k = omega / phi, rest[3];
    w_stirling_rest(k, rest);
    *out = (w_saturated){ .value = 0.5 * (log(k) - LOG_2PI) - rest[0] - log(y) };
    out->grad[2] = -0.5 + k * rest[1];
    out->hess[2][2] = -k * (rest[1] + k * rest[2]);
}

void w_saturated_inverse_gaussian(W_SATURATED_ARGUMENTS)
{
    (void)glm;
    *out = (w_saturated){ .value = -0.5 * (LOG_2PI + log(phi / omega) + 3.0 * log(y)), .grad = { 0.0, 0.0, -0.5 } };
}

void w_saturated_nb(W_SATURATED_ARGUMENTS)
{
    (void)phi;
    double t = glm->param[0], at_t[3], at_sum[3];
    w_stirling_rest(t, at_t);
    w_stirling_rest(y + t, at_sum);
    double first = 0.5 * y / (t * (y + t)) + at_sum[1] - at_t[1];
    double second = 0.5 * (1.0 / ((y + t) * (y + t)) - 1.0 / (t * t)) + at_sum[2] - at_t[2];
    *out = (w_saturated){ .value = omega * (-0.5 * log1p(y / t) + at_sum[0] - at_t[0] - factorial_rest(y)) };
    out->grad[0] = omega * t * first;
    out->hess[0][0] = omega * t * (first + t * second);
}

void w_saturated_quasi(W_SATURATED_ARGUMENTS)
{
    (void)glm;
    (void)y;
    *out = (w_saturated){ .value = -0.5 * log(phi / omega), .grad = { 0.0, 0.0, -0.5 } };
}

void w_saturated_scat(W_SATURATED_ARGUMENTS)
{
    (void)y;
    (void)phi;
    double nu = glm->param[0], a = 0.5 * (nu + 1.0), b = 0.5 * nu;
    double slope = b * (w_digamma1(a) - w_digamma1(b));
    *out = (w_saturated){ .value = omega * (w_lgamma1(a) - w_lgamma1(b) - 0.5 * log(M_PI * nu) - log(glm->param[1])) };
    out->grad[0] = omega * (slope - 0.5);
    out->grad[1] = -omega;
    out->hess[0][0] = omega * (slope + b * b * (w_trigamma1(a) - w_trigamma1(b)));
}

void w_saturated_beta(W_SATURATED_ARGUMENTS)
{
    (void)glm;
    (void)y;
    (void)omega;
    (void)phi;
    *out = (w_saturated){ 0 };
}

/* d/2 in theta: -(log(1+e2) - e2) with e2 = (y-mu)/(mu+theta); then -(y-mu)^2/((y+theta)(mu+theta)^2). */
void w_theta_nb(W_THETA_ARGUMENTS)
{
    double t = glm->param[0], sum = mu + t, residual = y - mu, square = 1.0 / (sum * sum);
    double first = -2.0 * w_log1p_minus(residual / sum), second = -2.0 * residual * residual * square / (y + t);
    *out = (w_deviance_theta){ .grad = { t * first }, .d1 = { -2.0 * residual * square * t } };
    out->hess[0][0] = t * (first + t * second);
    out->d2[0] = (2.0 + 4.0 * residual / sum) * square * t;
}

/* d/2 = y^(2-p)/((1-p)(2-p)) - y mu^(1-p)/(1-p) + mu^(2-p)/(2-p), term by term. */
void w_theta_tweedie(W_THETA_ARGUMENTS)
{
    double p = glm->param[0], q1 = 1.0 - p, q2 = 2.0 - p, log_mu = log(mu), power = exp(-p * log_mu);
    double u = -y * mu * power / q1, w = mu * mu * power / q2;
    double su = 1.0 / q1 - log_mu, sw = 1.0 / q2 - log_mu;
    double first = u * su + w * sw, second = u * (su * su + 1.0 / (q1 * q1)) + w * (sw * sw + 1.0 / (q2 * q2));
    if (y > 0.0) {
        double log_y = log(y), t = exp(q2 * log_y) / (q1 * q2), st = 1.0 / q1 + 1.0 / q2 - log_y;
        first += t * st;
        second += t * (st * st + 1.0 / (q1 * q1) + 1.0 / (q2 * q2));
    }
    double residual = y - mu;
    *out = (w_deviance_theta){ .grad = { 2.0 * first }, .d1 = { 2.0 * residual * power * log_mu } };
    out->hess[0][0] = 2.0 * second;
    out->d2[0] = -log_mu * 2.0 * power * (1.0 + p * residual / mu) + 2.0 * residual * power / mu;
}

/* With s = nu sigma^2, g = r^2/s: parameters log nu and log sigma; ds = s and 2s. */
void w_theta_scat(W_THETA_ARGUMENTS)
{
    double nu = glm->param[0], s = nu * glm->param[1] * glm->param[1], r = y - mu, square = r * r, g = square / s;
    double h = g / (1.0 + g), bend = g / ((1.0 + g) * (1.0 + g)), inverse = 1.0 / (s + square), log_term = nu * log1p(g);
    double d1 = -2.0 * (nu + 1.0) * r * inverse, d2 = 2.0 * (nu + 1.0) * (s - square) * inverse * inverse;
    /* s d(d1)/ds and s d(d2)/ds */
    double d1s = 2.0 * (nu + 1.0) * r * s * inverse * inverse;
    double d2s = 2.0 * (nu + 1.0) * (3.0 * square - s) * s * inverse * inverse * inverse;
    *out = (w_deviance_theta){ .grad = { log_term - (nu + 1.0) * h, -2.0 * (nu + 1.0) * h } };
    out->hess[0][0] = log_term - 2.0 * nu * h + (nu + 1.0) * bend;
    out->hess[1][1] = 4.0 * (nu + 1.0) * bend;
    out->hess[0][1] = out->hess[1][0] = -2.0 * nu * h + 2.0 * (nu + 1.0) * bend;
    out->d1[0] = nu / (nu + 1.0) * d1 + d1s;
    out->d2[0] = nu / (nu + 1.0) * d2 + d2s;
    out->d1[1] = 2.0 * d1s;
    out->d2[1] = 2.0 * d2s;
}

void w_theta_beta(W_THETA_ARGUMENTS)
{
    double t = glm->param[0], nu = 1.0 - mu, a = mu * t, b = nu * t, log_y = log(y), log_other = log1p(-y);
    double psi_a = w_digamma1(a), psi_b = w_digamma1(b), tri_a = w_trigamma1(a), tri_b = w_trigamma1(b);
    double first = 2.0 * (mu * (psi_a - log_y) + nu * (psi_b - log_other) - w_digamma1(t));
    double second = 2.0 * (mu * mu * tri_a + nu * nu * tri_b - w_trigamma1(t));
    *out = (w_deviance_theta){ .grad = { t * first } };
    out->hess[0][0] = t * (first + t * second);
    out->d1[0] = 2.0 * t * ((psi_a - psi_b - (log_y - log_other)) + t * (mu * tri_a - nu * tri_b));
    out->d2[0] = 2.0 * t * t * (2.0 * (tri_a + tri_b) + t * (mu * w_tetragamma1(a) + nu * w_tetragamma1(b)));
}

static bool counts(const double *prior, int64_t i)
{
    return !prior || prior[i] > 0.0;
}

/* Rows with the same response and prior weight. */
typedef struct equal_rows {
    double y, omega, count;
    w_saturated one;
} equal_rows;

static void add_rows(const equal_rows *rows, w_saturated *sum)
{
    sum->value += rows->count * rows->one.value;
    for (int a = 0; a < 3; a++) {
        sum->grad[a] += rows->count * rows->one.grad[a];
        for (int b = 0; b < 3; b++) {
            sum->hess[a][b] += rows->count * rows->one.hess[a][b];
        }
    }
}

/* Counts and proportions repeat: the last row of each of PLACES groups of responses is remembered. */
void w_family_saturated(const w_glm *glm, int64_t rows, const double *y, const double *prior, double phi, w_saturated *sum)
{
    equal_rows place[PLACES];
    for (int p = 0; p < PLACES; p++) {
        place[p].count = 0.0;
    }
    for (int64_t i = 0; i < rows; i++) {
        if (!counts(prior, i)) {
            continue;
        }
        uint64_t bits;
        memcpy(&bits, &y[i], sizeof bits);
        equal_rows *own = &place[bits * UINT64_C(0x9e3779b97f4a7c15) >> (64 - PLACE_BITS)];
        const double omega = prior ? prior[i] : 1.0;
        if (own->count > 0.0 && own->y == y[i] && own->omega == omega) {
            own->count += 1.0;
            continue;
        }
        if (own->count > 0.0) {
            add_rows(own, sum);
        }
        own->y = y[i];
        own->omega = omega;
        own->count = 1.0;
        glm->family->saturated(glm, y[i], omega, phi, &own->one);
    }
    for (int p = 0; p < PLACES; p++) {
        if (place[p].count > 0.0) {
            add_rows(&place[p], sum);
        }
    }
}

void w_family_theta(const w_glm *glm, int64_t rows, const double *y, const double *mu, const double *prior, double *grad,
                    double hess[W_FAMILY_PARAMS][W_FAMILY_PARAMS], double *d1, double *d2)
{
    int count = glm->family->param_count;
    for (int64_t i = 0; count > 0 && i < rows; i++) {
        w_deviance_theta one = { 0 };
        double omega = prior ? prior[i] : 1.0;
        if (counts(prior, i)) {
            glm->family->theta(glm, y[i], mu[i], &one);
        }
        for (int a = 0; a < count; a++) {
            grad[a] += omega * one.grad[a];
            for (int b = 0; b < count; b++) {
                hess[a][b] += omega * one.hess[a][b];
            }
            if (d1) {
                d1[i * count + a] = omega * one.d1[a];
            }
            if (d2) {
                d2[i * count + a] = omega * one.d2[a];
            }
        }
    }
}

double w_family_log_density(const w_glm *glm, double y, double mu, double omega, double phi)
{
    const w_family *family = glm->family;
    w_saturated saturated;
    double d;
    if (family->quasi) {
        bool base = family->kind != W_FAMILY_QUASI && phi == 1.0;
        if (!base) {
            return NAN;
        }
        (family->kind == W_FAMILY_QUASIPOISSON ? w_saturated_poisson : w_saturated_binomial)(glm, y, omega, 1.0, &saturated);
    } else {
        family->saturated(glm, y, omega, phi, &saturated);
    }
    family->deviance(w_elementary_find(w_isa_best()), glm, 1, &y, &mu, &d);
    return saturated.value - omega * d / (2.0 * phi);
}

/* The maximum over mu solves psi(mu t) - psi((1-mu) t) = logit y: Newton in logit mu, from mu = y. The left side is convex
 * then concave in logit mu with slope below that of its ends, so steps are held to 2. */
double w_family_beta_saturated(const w_glm *glm, double y)
{
    double t = glm->param[0], target = log(y) - log1p(-y), eta = target, mu = y, d;
    for (int step = 0; step < 100; step++) {
        mu = eta < 0.0 ? exp(eta) / (1.0 + exp(eta)) : 1.0 / (1.0 + exp(-eta));
        double nu = eta < 0.0 ? 1.0 / (1.0 + exp(eta)) : exp(-eta) / (1.0 + exp(-eta));
        double value = w_digamma1(mu * t) - w_digamma1(nu * t) - target;
        double slope = t * mu * nu * (w_trigamma1(mu * t) + w_trigamma1(nu * t));
        double move = fmax(-2.0, fmin(2.0, -value / slope));
        eta += move;
        if (fabs(move) < 1e-13 * (1.0 + fabs(eta))) {
            break;
        }
    }
    w_deviance_beta(w_elementary_find(w_isa_best()), glm, 1, &y, &mu, &d);
    return -0.5 * d;
}
