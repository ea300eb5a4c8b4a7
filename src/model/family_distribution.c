/* SPDX-License-Identifier: Apache-2.0 */
/* Distribution functions, quantiles and random deviates of the families. With s = phi/omega:
 *   gaussian  Phi((y-mu)/sqrt s)         gamma  shape 1/s, scale mu s      poisson  Q(y+1, mu)
 *   binomial  k of n = omega trials      nb     I_{theta/(theta+mu)}(theta, y+1)
 *   inverse-gaussian  Phi(sqrt(l/y)(y/mu-1)) + e^{2l/mu} Phi(-sqrt(l/y)(y/mu+1)), l = 1/s
 *   tweedie   sum over N ~ Poisson(mu^(2-p)/(s(2-p))) of gamma sums: shape N (2-p)/(p-1), scale s (p-1) mu^(p-1);
 *             by its saddlepoint from MANY_JUMPS on
 *   scat      mu + sigma t_nu            beta   shapes mu theta, (1-mu) theta
 *   quasi     matched by mean and variance: normal; gamma where mu > 0; beta inside (0, 1)
 *   quasipoisson, quasibinomial: phi Poisson(mu/phi), and proportions of omega/phi trials.
 * Quantiles bracket the distribution function and bisect. Random numbers: gamma by Marsaglia & Tsang (2000), Poisson and binomial
 * by order statistics down to small means (Ahrens & Dieter 1974), inverse Gaussian by Michael, Schucany & Haas (1976). */
#include "model/family_parts.h"

#include <float.h>
#include <math.h>

#define MANY_JUMPS 1000.0

typedef struct shape {
    double a, b;
} shape;

static shape beta_shapes(const w_glm *glm, double mu, double variance)
{
    double t = glm->family->kind == W_FAMILY_BETA ? glm->param[0] : fmax(1e-8, mu * (1.0 - mu) / variance - 1.0);
    return (shape){ mu * t, (1.0 - mu) * t };
}

static double quasi_variance(const w_glm *glm, double mu, double s)
{
    double v, v1, v2;
    glm->family->variance(glm, 1, &mu, &v, &v1, &v2);
    return s * v;
}

static double student_cdf(double t, double nu)
{
    double tail = 0.5 * w_incomplete_beta(0.5 * nu, 0.5, nu / (nu + t * t), false);
    return t < 0.0 ? tail : 1.0 - tail;
}

static double inverse_gaussian_cdf(double y, double mu, double s)
{
    double l = 1.0 / s, root = sqrt(l / y), second = -root * (y / mu + 1.0), log_second;
    w_log_normal(1, &second, &log_second);
    return w_normal1(root * (y / mu - 1.0)) + exp(2.0 * l / mu + log_second);
}

static double binomial_cdf(double k, double trials, double mu)
{
    return k < 0.0 ? 0.0 : k >= trials ? 1.0 : w_incomplete_beta(k + 1.0, trials - k, mu, true);
}

/* e^x - 1 - x */
static double expm1_minus(double x)
{
    if (fabs(x) > 0.5) {
        return expm1(x) - x;
    }
    double term = 0.5 * x * x, sum = term;
    for (int n = 3; fabs(term) > 0.1 * DBL_EPSILON * sum; n++) {
        term *= x / n;
        sum += term;
    }
    return sum;
}

/* Lugannani and Rice's formula with K(t) = lambda ((1 - c t)^-a - 1): the saddlepoint has log(1 - c t) = d = log(mu/y)/(a + 1), and
 * t y - K(t) = lambda (a f(-(a+1) d) - (a+1) f(-a d)), f(x) = e^x - 1 - x. Its error falls like lambda^-3/2. */
static double tweedie_saddlepoint(double y, double mu, double lambda, double a)
{
    const double d = log1p((mu - y) / y) / (a + 1.0);
    const double exponent = lambda * (a * expm1_minus(-(a + 1.0) * d) - (a + 1.0) * expm1_minus(-a * d));
    const double w = copysign(sqrt(fmax(2.0 * exponent, 0.0)), -d);
    const double u = -expm1(d) * sqrt(lambda * a * (a + 1.0)) * exp(-(0.5 * a + 1.0) * d);
    const double skewness = (a + 2.0) / sqrt(lambda * a * (a + 1.0));
    const double rest = fabs(w) < 5e-3 ? skewness / 6.0 : 1.0 / w - 1.0 / u;
    return fmin(1.0, fmax(0.0, w_normal1(w) + exp(-0.5 * w * w) / sqrt(2.0 * M_PI) * rest));
}

/* Terms around the mean number of jumps until both sides are negligible; there are 17 lambda^1/2 of them. */
static double tweedie_cdf(double y, double mu, double s, double p)
{
    double lambda = pow(mu, 2.0 - p) / (s * (2.0 - p)), a = (2.0 - p) / (p - 1.0);
    if (lambda > MANY_JUMPS) {
        return y > 0.0 ? tweedie_saddlepoint(y, mu, lambda, a) : 0.0;
    }
    double scaled = y / (s * (p - 1.0) * pow(mu, p - 1.0));
    double middle = floor(lambda), weight = exp(middle * log(lambda) - lambda - w_lgamma1(middle + 1.0));
    double total = 0.0, down = weight;
    for (double n = middle; n >= 0.0; n -= 1.0) {
        total += down * (n > 0.0 ? w_incomplete_gamma(n * a, scaled, false) : 1.0);
        down *= n / lambda;
        if (down < 1e-17) {
            break;
        }
    }
    double up = weight * lambda / (middle + 1.0);
    for (double n = middle + 1.0; up >= 1e-17; n += 1.0) {
        total += up * w_incomplete_gamma(n * a, scaled, false);
        up *= lambda / (n + 1.0);
    }
    return fmin(1.0, total);
}

double w_family_cdf(const w_glm *glm, double y, double mu, double omega, double phi)
{
    double s = phi / omega;
    const w_family *range = w_family_range(glm);
    w_family_kind kind = glm->family->kind;
    if (kind == W_FAMILY_QUASI) {
        double variance = quasi_variance(glm, mu, s);
        if (range->mu_high == 1.0) {
            shape q = beta_shapes(glm, mu, variance);
            return w_incomplete_beta(q.a, q.b, y, false);
        }
        return range->mu_low == 0.0 ? w_incomplete_gamma(mu * mu / variance, y * mu / variance, false)
                                    : w_normal1((y - mu) / sqrt(variance));
    }
    if (y < range->y_low || (range->open && y <= range->y_low)) {
        return 0.0;
    }
    switch (kind) {
    case W_FAMILY_GAUSSIAN:
        return w_normal1((y - mu) / sqrt(s));
    case W_FAMILY_BINOMIAL:
        return binomial_cdf(floor(y * omega * (1.0 + 4.0 * DBL_EPSILON)), omega, mu);
    case W_FAMILY_QUASIBINOMIAL:
        return binomial_cdf(floor(y / s * (1.0 + 4.0 * DBL_EPSILON)), 1.0 / s, mu);
    case W_FAMILY_POISSON:
        return w_incomplete_gamma(floor(y) + 1.0, mu, true);
    case W_FAMILY_QUASIPOISSON:
        return w_incomplete_gamma(floor(y / s * (1.0 + 4.0 * DBL_EPSILON)) + 1.0, mu / s, true);
    case W_FAMILY_NB:
        return w_incomplete_beta(glm->param[0], floor(y) + 1.0, glm->param[0] / (glm->param[0] + mu), false);
    case W_FAMILY_GAMMA:
        return w_incomplete_gamma(1.0 / s, y / (mu * s), false);
    case W_FAMILY_INVERSE_GAUSSIAN:
        return inverse_gaussian_cdf(y, mu, s);
    case W_FAMILY_TWEEDIE:
        return tweedie_cdf(y, mu, s, glm->param[0]);
    case W_FAMILY_SCAT:
        return student_cdf((y - mu) / glm->param[1], glm->param[0]);
    default: {
        shape q = beta_shapes(glm, mu, 0.0);
        return w_incomplete_beta(q.a, q.b, y, false);
    }
    }
}

/* Step of a lattice of values; 0 = continuous. */
static double lattice(const w_glm *glm, double omega, double phi)
{
    switch (glm->family->kind) {
    case W_FAMILY_POISSON:
    case W_FAMILY_NB:
        return 1.0;
    case W_FAMILY_QUASIPOISSON:
    case W_FAMILY_QUASIBINOMIAL:
        return phi / omega;
    case W_FAMILY_BINOMIAL:
        return 1.0 / omega;
    default:
        return 0.0;
    }
}

static double lattice_quantile(const w_glm *glm, double probability, double mu, double omega, double phi, double step)
{
    double low = -1.0, high = floor(mu / step) + 1.0, limit = w_family_range(glm)->y_high;
    double most = limit < 2.0 ? limit / step : 1e18;
    while (high < most && w_family_cdf(glm, high * step, mu, omega, phi) < probability) {
        low = high;
        high *= 2.0;
    }
    high = fmin(high, ceil(most));
    while (high - low > 1.0) {
        double middle = floor(0.5 * (low + high));
        if (middle <= low || middle >= high) { /* numbers of the lattice that binary64 does not tell apart */
            break;
        }
        *(w_family_cdf(glm, middle * step, mu, omega, phi) < probability ? &low : &high) = middle;
    }
    return fmin(high * step, limit);
}

double w_family_quantile(const w_glm *glm, double probability, double mu, double omega, double phi)
{
    const w_family *range = w_family_range(glm);
    if (!(probability >= 0.0 && probability <= 1.0) || !isfinite(mu)) {
        return NAN;
    }
    if (glm->family->kind == W_FAMILY_GAUSSIAN) {
        return mu + sqrt(phi / omega) * w_normal_quantile(probability);
    }
    if (probability == 0.0 || probability == 1.0) {
        double end = probability == 0.0 ? range->y_low : range->y_high;
        return fabs(end) == DBL_MAX ? copysign(INFINITY, end) : end;
    }
    double step = lattice(glm, omega, phi);
    if (step > 0.0) {
        return lattice_quantile(glm, probability, mu, omega, phi, step);
    }
    double near = fmax(1.0, 4.0 * DBL_EPSILON * fabs(mu)); /* mu - near is another number than mu */
    double low = range->y_low == 0.0 ? 0.0 : mu - near;
    double high = range->y_high == 1.0 ? 1.0 : range->y_low == 0.0 ? 2.0 * mu : mu + near;
    if (low == 0.0 && w_family_cdf(glm, 0.0, mu, omega, phi) >= probability) {
        return 0.0;
    }
    if (range->y_low < 0.0) {
        while (w_family_cdf(glm, low, mu, omega, phi) > probability && low > -1e300) {
            low = mu - 2.0 * (mu - low);
        }
    }
    while (range->y_high > 1.0 && w_family_cdf(glm, high, mu, omega, phi) < probability && high < 1e300) {
        high = mu + 2.0 * (high - mu);
    }
    for (int i = 0; i < 400 && high - low > 1e-13 * (fabs(low) + fabs(high)) && high - low > DBL_MIN; i++) {
        /* Geometric where the lower end is still 0 or the ends are far apart: small quantiles keep their digits. */
        double middle = low > 0.0 && high > 4.0 * low ? sqrt(low) * sqrt(high) : low == 0.0 ? high / 16.0 : 0.5 * (low + high);
        *(w_family_cdf(glm, middle, mu, omega, phi) < probability ? &low : &high) = middle;
    }
    return 0.5 * (low + high);
}

static double random_gamma(w_rng *rng, double a)
{
    if (a < 1.0) {
        double u = 1.0 - w_rng_uniform(rng);
        return random_gamma(rng, a + 1.0) * exp(log(u) / a);
    }
    double d = a - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = w_rng_normal(rng), v = 1.0 + c * x, u = 1.0 - w_rng_uniform(rng);
        if (v > 0.0 && log(u) < 0.5 * x * x + d - d * v * v * v + 3.0 * d * log(v)) {
            return d * v * v * v;
        }
    }
}

static double random_beta(w_rng *rng, double a, double b)
{
    double x = random_gamma(rng, a), y = random_gamma(rng, b);
    return x + y > 0.0 ? x / (x + y) : a > b ? 1.0 : 0.0;
}

/* The a-th smallest of n uniforms is beta: it tells how many of the a below or of the n - a above count. */
static double random_binomial(w_rng *rng, double n, double p)
{
    double k = 0.0;
    while (n > 40.0) {
        double a = 1.0 + floor(0.5 * n), x = random_beta(rng, a, n + 1.0 - a);
        if (x >= p) {
            n = a - 1.0;
            p /= x;
        } else {
            k += a;
            n -= a;
            p = (p - x) / (1.0 - x);
        }
    }
    for (double i = 0.0; i < n; i += 1.0) {
        k += w_rng_uniform(rng) < p;
    }
    return k;
}

static double random_poisson(w_rng *rng, double mu)
{
    double k = 0.0;
    while (mu > 16.0) {
        double m = floor(0.875 * mu), x = random_gamma(rng, m);
        if (x > mu) {
            return k + random_binomial(rng, m - 1.0, mu / x);
        }
        k += m;
        mu -= x;
    }
    double limit = exp(-mu), product = 1.0 - w_rng_uniform(rng);
    for (; product > limit; k += 1.0) {
        product *= 1.0 - w_rng_uniform(rng);
    }
    return k;
}

static double random_inverse_gaussian(w_rng *rng, double mu, double s)
{
    double x = w_rng_normal(rng), t = 0.5 * mu * s * x * x; /* the smaller root mu (1 + t - sqrt(t (2 + t))), inverted */
    double root = mu / (1.0 + t + sqrt(t * (2.0 + t)));
    return w_rng_uniform(rng) * (mu + root) <= mu ? root : mu * mu / root;
}

double w_family_random(const w_glm *glm, w_rng *rng, double mu, double omega, double phi)
{
    double s = phi / omega, t = glm->param[0];
    const w_family *range = w_family_range(glm);
    switch (glm->family->kind) {
    case W_FAMILY_GAUSSIAN:
        return mu + sqrt(s) * w_rng_normal(rng);
    case W_FAMILY_BINOMIAL:
        return random_binomial(rng, nearbyint(omega), mu) / nearbyint(omega);
    case W_FAMILY_QUASIBINOMIAL:
        return random_binomial(rng, fmax(1.0, nearbyint(1.0 / s)), mu) / fmax(1.0, nearbyint(1.0 / s));
    case W_FAMILY_POISSON:
        return random_poisson(rng, mu);
    case W_FAMILY_QUASIPOISSON:
        return s * random_poisson(rng, mu / s);
    case W_FAMILY_NB:
        return random_poisson(rng, random_gamma(rng, t) * mu / t);
    case W_FAMILY_GAMMA:
        return random_gamma(rng, 1.0 / s) * mu * s;
    case W_FAMILY_INVERSE_GAUSSIAN:
        return random_inverse_gaussian(rng, mu, s);
    case W_FAMILY_TWEEDIE: {
        double jumps = random_poisson(rng, pow(mu, 2.0 - t) / (s * (2.0 - t)));
        return jumps > 0.0 ? random_gamma(rng, jumps * (2.0 - t) / (t - 1.0)) * s * (t - 1.0) * pow(mu, t - 1.0) : 0.0;
    }
    case W_FAMILY_SCAT:
        return mu + glm->param[1] * w_rng_normal(rng) * sqrt(0.5 * t / random_gamma(rng, 0.5 * t));
    case W_FAMILY_QUASI: {
        double variance = quasi_variance(glm, mu, s);
        if (range->mu_high == 1.0) {
            shape q = beta_shapes(glm, mu, variance);
            return random_beta(rng, q.a, q.b);
        }
        return range->mu_low == 0.0 ? random_gamma(rng, mu * mu / variance) * variance / mu
                                    : mu + sqrt(variance) * w_rng_normal(rng);
    }
    default: {
        shape q = beta_shapes(glm, mu, 0.0);
        return random_beta(rng, q.a, q.b);
    }
    }
}
