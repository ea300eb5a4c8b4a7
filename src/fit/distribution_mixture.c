/* SPDX-License-Identifier: Apache-2.0 */
/* P(sum_j w_j X_j > q), X_j ~ chi2(n_j) independent, by inversion of the moment generating function
 *     exp K(s),   K(s) = -1/2 sum_j n_j log(1 - 2 w_j s),
 * Davies' (1980) integral on a contour shifted to the saddle point instead of the imaginary axis:
 *     P = 1/(2 pi i) int_C exp(K(s) - s q) ds / s,   C crossing the real axis at c, 0 < c < 1/(2 max w)   (c < 0: P - 1),
 * with K'(c) = q. The factor exp(K(c) - c q) carries the size of the tail, so tiny probabilities keep their relative
 * accuracy, where sums of characteristic-function values leave absolute errors. The contour is the hyperbola
 *     s(t) = c + a (i sinh t + kappa (cosh t - 1)),   a = K''(c)^-1/2,
 * opening to the right around the cuts, on which the integrand falls off exponentially or faster in t; the trapezoidal
 * rule then converges geometrically and is refined until two step sizes agree. Liu, Tang & Zhang (2009) is the fallback.
 * References: Davies (1980) JRSSC 29:323; Rice (1980) SISSC 1:438; Weideman & Trefethen (2007) Math. Comp. 76:1341. */
#include <complex.h>
#include <float.h>
#include <math.h>

#include "fit/distribution.h"

typedef struct mixture {
    int count;
    const double *weight, *df;
    double sign; /* of the weights, after a possible reflection */
    double q;
} mixture;

static double slope(const mixture *m, double s, double *bend)
{
    double first = 0.0, second = 0.0;
    for (int j = 0; j < m->count; j++) {
        const double w = m->sign * m->weight[j], r = w / (1.0 - 2.0 * w * s);
        first += m->df[j] * r;
        second += 2.0 * m->df[j] * r * r;
    }
    *bend = second;
    return first;
}

/* K'(c) = q inside (low, high), either end possibly infinite; then moved off the pole at 0. */
static double crossing(const mixture *m, double low, double high)
{
    double bend, mean = slope(m, 0.0, &bend);
    const double width = 1.0 / sqrt(bend);
    const bool right = m->q >= mean;
    double inner = 0.0, outer = right ? high : low, c = right ? fmin(width, 0.5 * high) : fmax(-width, 0.5 * low);
    for (int step = 0; step < 200; step++) {
        const double difference = slope(m, c, &bend) - m->q;
        if ((difference < 0.0) == right) {
            inner = c;
        } else {
            outer = c;
        }
        double next = c - difference / bend;
        const bool inside = right ? next > inner && next < outer : next < inner && next > outer;
        if (!inside) {
            next = isinf(outer) ? 2.0 * c : 0.5 * (inner + outer);
        }
        if (fabs(next - c) <= 1e-6 * fabs(c)) {
            c = next;
            break;
        }
        c = next;
    }
    const double least = 0.5 * width; /* distance from the pole */
    if (right) {
        return fmax(c, fmin(least, 0.5 * high));
    }
    return fmin(c, fmax(-least, 0.5 * low));
}

static double complex log_mgf(const mixture *m, double complex s)
{
    double complex sum = 0.0;
    for (int j = 0; j < m->count; j++) {
        const double w = m->sign * m->weight[j], re = 1.0 - 2.0 * w * creal(s), im = -2.0 * w * cimag(s);
        sum -= 0.5 * m->df[j] * (0.5 * log(re * re + im * im) + I * atan2(im, re));
    }
    return sum;
}

/* Im of the integrand times ds/dt, without the factor exp(K(c) - c q) = exp(base). */
static double integrand(const mixture *m, double c, double scale, double base, double t, double *size)
{
    const double kappa = 0.4, sh = sinh(t), ch = cosh(t);
    const double complex s = c + scale * (I * sh + kappa * (ch - 1.0)), ds = scale * (I * ch + kappa * sh);
    const double complex value = cexp(log_mgf(m, s) - s * m->q - base) / s * ds;
    *size = cabs(value);
    return cimag(value);
}

static double trapezoid(const mixture *m, double c, double scale, double base, double h, double first)
{
    double sum = 0.0, largest = 0.0;
    int small = 0;
    for (int k = 0; k < 100000; k++) {
        const double t = (first + k) * h;
        double size;
        const double value = integrand(m, c, scale, base, t, &size);
        sum += t == 0.0 ? 0.5 * value : value;
        largest = fmax(largest, size);
        small = size < 1e-16 * largest ? small + 1 : 0;
        if (small > 3 || t > 60.0) {
            break;
        }
    }
    return sum;
}

/* For q >= 0: P(sum > q) = *upper ? I : 1 - I with the returned I, free of cancellation; NAN when the rule does not settle. */
static double invert(const mixture *m, double low, double high, bool *upper)
{
    const double c = crossing(m, low, high);
    double bend;
    slope(m, c, &bend);
    const double scale = 1.0 / sqrt(bend), base = creal(log_mgf(m, c)) - c * m->q;
    double h = 0.25, sum = trapezoid(m, c, scale, base, h, 0.0), before = sum * h;
    for (int level = 0; level < 9; level++) {
        sum += trapezoid(m, c, scale, base, h, 0.5);
        h *= 0.5;
        const double now = sum * h;
        if (fabs(now - before) <= 1e-11 * fabs(now)) {
            const double integral = exp(base) * now / 3.14159265358979323846;
            *upper = c > 0.0;
            return c > 0.0 ? integral : -integral;
        }
        before = now;
    }
    return NAN;
}

static double clamp(double p) { return p < 0.0 ? 0.0 : (p > 1.0 ? 1.0 : p); }

double w_chi_square_mixture_tail(weir_ctx *ctx, int count, const double *weight, const double *df, double q)
{
    (void)ctx;
    double largest = 0.0, smallest = 0.0;
    if (isnan(q)) {
        return NAN;
    }
    for (int j = 0; j < count; j++) {
        if (!isfinite(weight[j]) || !(df[j] >= 0.0)) {
            return NAN;
        }
        largest = fmax(largest, weight[j]);
        smallest = fmin(smallest, weight[j]);
    }
    if ((smallest == 0.0 && q <= 0.0) || (largest == 0.0 && q >= 0.0) || isinf(q)) {
        return (smallest == 0.0 && largest > 0.0 && q <= 0.0) || q == -INFINITY || (largest == 0.0 && q < 0.0) ? 1.0 : 0.0;
    }
    const bool reflect = q < 0.0; /* P(S > q) = 1 - P(-S > -q) */
    mixture m = { .count = count, .weight = weight, .df = df, .sign = reflect ? -1.0 : 1.0, .q = fabs(q) };
    const double up = reflect ? -smallest : largest, down = reflect ? largest : -smallest;
    bool upper = true;
    const double tail = invert(&m, down > 0.0 ? -0.5 / down : -INFINITY, up > 0.0 ? 0.5 / up : INFINITY, &upper);
    if (isnan(tail)) {
        return smallest < 0.0 ? NAN : w_chi_square_mixture_liu(count, weight, df, q);
    }
    return clamp(reflect == upper ? 1.0 - tail : tail);
}

/* P(noncentral chi2(df, delta) > x) as a Poisson mixture of central tails, summed outwards from its mode. */
static double noncentral_tail(double x, double df, double delta)
{
    if (!(delta > 0.0)) {
        return w_chi_square_tail(x, df);
    }
    const double mean = 0.5 * delta;
    const double mode = floor(mean);
    int sign;
    double sum = 0.0;
    for (int direction = 1; direction >= -1; direction -= 2) {
        for (double k = direction > 0 ? mode : mode - 1.0; k >= 0.0; k += direction) {
            const double share = exp(k * log(mean) - mean - lgamma_r(k + 1.0, &sign));
            sum += share * w_chi_square_tail(x, df + 2.0 * k);
            if (share < 1e-17) {
                break;
            }
        }
    }
    return sum;
}

double w_chi_square_moment_tail(const double *c, double q)
{
    const double s1 = c[2] / pow(c[1], 1.5), s2 = c[3] / (c[1] * c[1]);
    double a = 1.0 / s1, delta = 0.0, df = 1.0 / (s1 * s1);
    if (s1 * s1 > s2) {
        a = 1.0 / (s1 - sqrt(s1 * s1 - s2));
        delta = s1 * a * a * a - a * a;
        df = a * a - 2.0 * delta;
    }
    const double standard = (q - c[0]) / sqrt(2.0 * c[1]);
    return clamp(noncentral_tail(standard * sqrt(2.0) * a + df + delta, df, delta));
}

double w_chi_square_mixture_liu(int count, const double *weight, const double *df, double q)
{
    double c[4] = { 0.0, 0.0, 0.0, 0.0 };
    for (int j = 0; j < count; j++) {
        double power = df[j];
        for (int r = 0; r < 4; r++) {
            power *= weight[j];
            c[r] += power;
        }
    }
    return w_chi_square_moment_tail(c, q);
}
