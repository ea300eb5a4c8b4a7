/* SPDX-License-Identifier: Apache-2.0 */
/* Tails and quantiles of the chi-squared, F, t and normal distributions.
 *
 * Incomplete gamma: P(a,x) = D sum_{k>=0} x^k / ((a+1)…(a+k)) below x = a + 1, the continued fraction
 *     Q(a,x) = D (a/x) / (1 + (1-a)/(x + 1/(1 + (2-a)/(x + …)))) above, with D = x^a e^-x / Gamma(a+1).
 * Incomplete beta:  I_x(a,b) = x^a y^b / B(a,b) / (b_0 + a_1/(b_1 + a_2/(b_2 + …))),  y = 1 - x,  e = a + 2m - 1,
 *     a_m = (a+m-1)(a+b+m-1) m (b-m) x^2 / e^2,   b_m = m + m (b-m) x / e + (a+m)(a y - b x + 1 + m (1+y)) / (e+2)
 * for x < (a+1)/(a+b+2), else 1 - I_y(b,a); y enters on its own, so that nothing cancels as x -> 1. Modified Lentz method.
 * The leading factors are written as densities in saddle-point form (Loader 2000), so that large a and b lose nothing:
 *     x^a e^-x / Gamma(a+1) = exp(-e(a) - d(a, x)) / sqrt(2 pi a),
 *     e(a) = log Gamma(a+1) - (a + 1/2) log a + a - log sqrt(2 pi),   d(a, x) = a log(a/x) + x - a.
 * Quantiles: Halley and Newton iterations on the tails. Reference: Abramowitz & Stegun, chapter 26. */
#include "fit/distribution.h"

#include <float.h>
#include <math.h>

#define TINY 1e-300
#define LOG_ROOT_TWO_PI 0.918938533204672741780
#define TWO_PI 6.283185307179586476925

/* e(a): the error of Stirling's formula. */
static double stirling_error(double a)
{
    if (a < 16.0) {
        int sign;
        return lgamma_r(a + 1.0, &sign) - (a + 0.5) * log(a) + a - LOG_ROOT_TWO_PI;
    }
    const double s = 1.0 / (a * a);
    return (1.0 / 12.0 - s * (1.0 / 360.0 - s * (1.0 / 1260.0 - s * (1.0 / 1680.0 - s / 1188.0)))) / a;
}

/* d(a, x) = a log(a/x) + x - a; near x = a by the series in v = (a-x)/(a+x). */
static double deviance(double a, double x)
{
    if (fabs(a - x) < 0.1 * (a + x)) {
        const double v = (a - x) / (a + x);
        double sum = (a - x) * v, term = 2.0 * a * v;
        for (int j = 1; j < 1000; j++) {
            term *= v * v;
            const double next = sum + term / (2 * j + 1);
            if (next == sum) {
                break;
            }
            sum = next;
        }
        return sum;
    }
    return a * log(a / x) + x - a;
}

static double gamma_factor(double a, double x)
{
    return exp(-stirling_error(a) - deviance(a, x)) / sqrt(TWO_PI * a);
}

double w_gamma_ratio(double a, double x, bool upper)
{
    if (!(x > 0.0)) {
        return upper ? 1.0 : 0.0;
    }
    if (isinf(x)) {
        return upper ? 0.0 : 1.0;
    }
    const double factor = gamma_factor(a, x);
    if (x < a + 1.0) {
        double term = 1.0, sum = 1.0;
        for (int k = 1; k < 1000000 && term > sum * DBL_EPSILON * 0.25; k++) {
            term *= x / (a + k);
            sum += term;
        }
        const double lower = factor * sum;
        return upper ? 1.0 - lower : lower;
    }
    double b = x + 1.0 - a, c = 1.0 / TINY, d = 1.0 / b, fraction = d;
    for (int k = 1; k < 1000000; k++) {
        const double numerator = -k * (k - a);
        b += 2.0;
        d = numerator * d + b;
        d = fabs(d) < TINY ? TINY : d;
        c = b + numerator / c;
        c = fabs(c) < TINY ? TINY : c;
        d = 1.0 / d;
        const double change = d * c;
        fraction *= change;
        if (fabs(change - 1.0) < 2.0 * DBL_EPSILON) {
            break;
        }
    }
    const double tail = factor * a * fraction;
    return upper ? tail : 1.0 - tail;
}

/* x^a (1-x)^b / (a B(a,b)) = b/(a+b) * binomial density at a of a+b trials. y = 1 - x. */
static double beta_factor(double a, double b, double x, double y)
{
    const double n = a + b;
    const double log_density = stirling_error(n) - stirling_error(a) - stirling_error(b) - deviance(a, n * x) -
                               deviance(b, n * y);
    return exp(log_density) * sqrt(n / (TWO_PI * a * b)) * b / n;
}

static double beta_fraction(double a, double b, double x, double y)
{
    double fraction = a * (a * y - b * x + 1.0) / (a + 1.0), c, d = 0.0;
    fraction = fabs(fraction) < TINY ? TINY : fraction;
    c = fraction;
    for (int m = 1; m < 1000000; m++) {
        const double e = a + 2.0 * m - 1.0;
        const double numerator = (a + m - 1.0) * (a + b + m - 1.0) * m * (b - m) * x * x / (e * e);
        const double term = m + m * (b - m) * x / e + (a + m) * (a * y - b * x + 1.0 + m * (1.0 + y)) / (e + 2.0);
        d = term + numerator * d;
        d = 1.0 / (fabs(d) < TINY ? TINY : d);
        c = term + numerator / c;
        c = fabs(c) < TINY ? TINY : c;
        const double change = c * d;
        fraction *= change;
        if (fabs(change - 1.0) < 2.0 * DBL_EPSILON) {
            break;
        }
    }
    return fraction;
}

/* I_x(a,b) with y = 1 - x given apart, so that neither end loses digits. */
static double beta_ratio(double a, double b, double x, double y)
{
    if (!(x > 0.0)) {
        return 0.0;
    }
    if (!(y > 0.0)) {
        return 1.0;
    }
    if (x < (a + 1.0) / (a + b + 2.0)) {
        return a * beta_factor(a, b, x, y) / beta_fraction(a, b, x, y);
    }
    return 1.0 - b * beta_factor(b, a, y, x) / beta_fraction(b, a, y, x);
}

double w_chi_square_tail(double x, double df)
{
    return isnan(x) || !(df > 0.0) ? NAN : w_gamma_ratio(0.5 * df, 0.5 * x, true);
}

double w_f_tail(double x, double df1, double df2)
{
    if (isnan(x) || !(df1 > 0.0) || !(df2 > 0.0)) {
        return NAN;
    }
    if (isinf(df2)) {
        return w_chi_square_tail(x * df1, df1);
    }
    if (!(x > 0.0)) {
        return 1.0;
    }
    const double whole = df2 + df1 * x;
    return isinf(whole) ? 0.0 : beta_ratio(0.5 * df2, 0.5 * df1, df2 / whole, df1 * x / whole);
}

double w_t_two_sided(double t, double df)
{
    if (isnan(t) || !(df > 0.0)) {
        return NAN;
    }
    if (isinf(df)) {
        return erfc(fabs(t) / sqrt(2.0));
    }
    const double whole = df + t * t;
    return isinf(whole) ? 0.0 : beta_ratio(0.5 * df, 0.5, df / whole, t * t / whole);
}

double w_normal_cdf(double x) { return 0.5 * erfc(-x / sqrt(2.0)); }

/* Newton on the logarithm of the two-sided tail, kept inside a bracket. */
double w_t_quantile(double probability, double df)
{
    if (isinf(df)) {
        return w_normal_quantile(probability);
    }
    if (!(probability > 0.0) || !(probability < 1.0) || !(df > 0.0)) {
        return probability == 0.0 ? -INFINITY : (probability == 1.0 ? INFINITY : NAN);
    }
    const double two_sided = 2.0 * fmin(probability, 1.0 - probability);
    if (two_sided == 1.0) {
        return 0.0;
    }
    double low = 0.0, high = 1.0;
    while (w_t_two_sided(high, df) > two_sided && high < 1e300) {
        low = high;
        high *= 2.0;
    }
    double x = 0.5 * (low + high);
    int sign;
    const double constant = lgamma_r(0.5 * (df + 1.0), &sign) - lgamma_r(0.5 * df, &sign) -
                            0.5 * log(df * 3.14159265358979323846);
    for (int step = 0; step < 200; step++) {
        const double tail = w_t_two_sided(x, df);
        if (tail > two_sided) {
            low = x;
        } else {
            high = x;
        }
        const double density = 2.0 * exp(constant - 0.5 * (df + 1.0) * log1p(x * x / df));
        double next = x + tail * log(tail / two_sided) / density;
        if (!(next > low && next < high)) {
            next = 0.5 * (low + high);
        }
        const double moved = fabs(next - x);
        x = next;
        if (moved <= 2.0 * DBL_EPSILON * x) {
            break;
        }
    }
    return probability < 0.5 ? -x : x;
}
