/* SPDX-License-Identifier: Apache-2.0 */
/* Incomplete gamma and beta functions by series and continued fractions (modified Lentz), the prefactors through Stirling's
 * remainder so that they keep their digits for large arguments:
 *   x^a e^-x / G(a+1) = exp(-a kappa((x-a)/a) - d(a)) / sqrt(2 pi a)          kappa(e) = e - log(1+e), here as w_log1p_minus
 *   x^a y^b / B(a, b) = sqrt(a b/(2 pi (a+b))) exp(-d(a) - d(b) + d(a+b) - D),  y = 1-x,
 *   D = a log(a/((a+b) x)) + b log(b/((a+b) y)).
 * For a, b > 1e5 or so the fractions need O(sqrt) steps. */
#include "model/family_parts.h"

#include <float.h>
#include <math.h>

#define STEPS 1000000
#define TINY 1e-300

/* x^a e^-x / G(a+1) */
static double gamma_factor(double a, double x)
{
    double rest[3];
    if (a < 1e-6 || x == 0.0) {
        return exp(a * log(x) - x - w_lgamma1(a + 1.0));
    }
    w_stirling_rest(a, rest);
    double e = (x - a) / a;
    return exp(a * w_log1p_minus(e) - rest[0]) / sqrt(2.0 * M_PI * a);
}

/* sum x^n a! / (a+n)! */
static double gamma_series(double a, double x)
{
    double term = 1.0, sum = 1.0;
    for (int n = 1; n < STEPS && term > sum * DBL_EPSILON * 0.1; n++) {
        term *= x / (a + n);
        sum += term;
    }
    return sum;
}

/* Q(a, x) G(a) / (x^a e^-x) */
static double gamma_fraction(double a, double x)
{
    double b = x + 1.0 - a, c = 1.0 / TINY, d = 1.0 / b, h = d;
    for (int n = 1; n < STEPS; n++) {
        double an = -n * (n - a);
        b += 2.0;
        d = an * d + b;
        d = 1.0 / (fabs(d) < TINY ? TINY : d);
        c = b + an / c;
        c = fabs(c) < TINY ? TINY : c;
        h *= d * c;
        if (fabs(d * c - 1.0) < DBL_EPSILON) {
            break;
        }
    }
    return h;
}

double w_incomplete_gamma(double a, double x, bool upper)
{
    if (!(x > 0.0) || a <= 0.0 || isinf(x)) {
        bool all = x > 0.0;
        return isnan(x) || isnan(a) ? NAN : all == upper ? 0.0 : 1.0;
    }
    double factor = gamma_factor(a, x);
    if (x < a + 1.0) {
        double lower = fmin(1.0, factor * gamma_series(a, x));
        return upper ? 1.0 - lower : lower;
    }
    double tail = fmin(1.0, factor * a * gamma_fraction(a, x));
    return upper ? tail : 1.0 - tail;
}

/* x^a y^b / B(a, b) */
static double beta_factor(double a, double b, double x, double y)
{
    double at_a[3], at_b[3], at_sum[3], sum = a + b;
    w_stirling_rest(a, at_a);
    w_stirling_rest(b, at_b);
    w_stirling_rest(sum, at_sum);
    /* a log(a/(sum x)) = -a log(1 + ea), ea = (sum x - a)/a; a ea + b eb = 0 */
    double gap = x <= y ? sum * x - a : b - sum * y;
    double D = -a * w_log1p_minus(gap / a) - b * w_log1p_minus(-gap / b);
    return sqrt(a * b / (2.0 * M_PI * sum)) * exp(at_sum[0] - at_a[0] - at_b[0] - D);
}

static double beta_fraction(double a, double b, double x)
{
    double c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0);
    d = 1.0 / (fabs(d) < TINY ? TINY : d);
    double h = d;
    for (int m = 1; m < STEPS; m++) {
        double even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for (int half = 0; half < 2; half++) {
            double an = half ? odd : even;
            d = 1.0 + an * d;
            d = 1.0 / (fabs(d) < TINY ? TINY : d);
            c = 1.0 + an / c;
            c = fabs(c) < TINY ? TINY : c;
            h *= d * c;
        }
        if (fabs(d * c - 1.0) < DBL_EPSILON) {
            break;
        }
    }
    return h;
}

double w_incomplete_beta(double a, double b, double x, bool upper)
{
    if (isnan(x) || !(a > 0.0) || !(b > 0.0)) {
        return NAN;
    }
    if (x <= 0.0 || x >= 1.0) {
        return (x >= 1.0) == upper ? 0.0 : 1.0;
    }
    double y = 1.0 - x, factor = beta_factor(a, b, x, y);
    bool left = x < (a + 1.0) / (a + b + 2.0);
    double part = fmin(1.0, left ? factor * beta_fraction(a, b, x) / a : factor * beta_fraction(b, a, y) / b);
    return left == upper ? 1.0 - part : part;
}
