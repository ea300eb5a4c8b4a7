/* SPDX-License-Identifier: Apache-2.0 */
/* Choice of the instruction set, and the functions that work on single values. */
#include "dense/elementary.h"

#include <math.h>
#include <stddef.h>

const w_elementary *w_elementary_find(w_isa isa)
{
#if defined __x86_64__
    if (isa == W_ISA_AVX512) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") ? &w_elementary_avx512 : NULL;
    }
    if (isa == W_ISA_AVX2) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &w_elementary_avx2 : NULL;
    }
#endif
    return isa == W_ISA_PORTABLE ? &w_elementary_portable : NULL;
}

w_isa w_isa_best(void)
{
    w_isa isa = W_ISA_AVX512;
    while (isa != W_ISA_PORTABLE && !w_elementary_find(isa)) {
        isa = (w_isa)(isa - 1);
    }
    return isa;
}

#define BEST_ARRAY(f) \
    void w_##f(int64_t n, const double *x, double *out) { w_elementary_find(w_isa_best())->f(n, x, out); }

bool w_range(int64_t n, const double *x, double *lower, double *upper)
{
    return w_elementary_find(w_isa_best())->range(n, x, lower, upper);
}

void w_harmonics(int64_t n, const double *angle, int64_t m, double *out, int64_t stride)
{
    w_elementary_find(w_isa_best())->harmonics(n, angle, m, out, stride);
}

BEST_ARRAY(exp)
BEST_ARRAY(expm1)
void w_log_array(int64_t n, const double *x, double *out) { w_elementary_find(w_isa_best())->log(n, x, out); }
BEST_ARRAY(log1p)
BEST_ARRAY(logistic)
BEST_ARRAY(softplus)
BEST_ARRAY(normal)
BEST_ARRAY(log_normal)
BEST_ARRAY(lgamma)
BEST_ARRAY(digamma)
BEST_ARRAY(trigamma)

#define BEST_SINGLE(f) \
    double w_##f##1(double x) { w_##f(1, &x, &x); return x; }

BEST_SINGLE(lgamma)
BEST_SINGLE(digamma)
BEST_SINGLE(trigamma)
BEST_SINGLE(normal)

/* x with Phi(x) = p <= 1/2 from a rational start good to 4.5e-4 (Hastings 1955, sheet 67), then Halley's step on
 * Phi(x) - p:  u = (Phi - p)/phi,  x <- x - u/(1 + x u/2), cubic. Far below, log Phi is what is nearly linear: there u =
 * (log Phi - log p) Phi/phi and Newton. */
static double lower_quantile(double p)
{
    double log_p = log(p), t = sqrt(-2.0 * log_p);
    double x = -(t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
    for (int step = 0; step < 4; step++) {
        double log_tail;
        w_log_normal(1, &x, &log_tail);
        double log_density = -0.5 * x * x - 0.91893853320467274178;
        double excess = x < -1.0 ? (log_tail - log_p) * exp(log_tail - log_density) : (exp(log_tail) - p) * exp(-log_density);
        /* Second derivatives over first: -x for Phi, -(x + phi/Phi) for log Phi. */
        double bend = x < -1.0 ? -(x + exp(log_density - log_tail)) : -x;
        x -= excess / (1.0 - 0.5 * excess * bend);
    }
    return x;
}

double w_normal_quantile(double p)
{
    if (!(p >= 0.0 && p <= 1.0)) {
        return NAN;
    }
    if (p == 0.0 || p == 1.0) {
        return p == 0.0 ? -INFINITY : INFINITY;
    }
    return p == 0.5 ? 0.0 : p < 0.5 ? lower_quantile(p) : -lower_quantile(1.0 - p);
}

/* Near 0: with s = e/(2+e), log(1+e) - e = -s e + 2 (s^3/3 + s^5/5 + ...). */
double w_log1p_minus(double e)
{
    static const double c[] = { 2.0 / 3, 2.0 / 5, 2.0 / 7, 2.0 / 9, 2.0 / 11, 2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21 };
    if (e > -0.29 && e < 0.41) {
        double s = e / (2.0 + e), z = s * s, sum = c[9];
        for (int i = 8; i >= 0; i--) {
            sum = sum * z + c[i];
        }
        return s * (z * sum - e);
    }
    return log1p(e) - e;
}

/* Below 10 from x + n, n whole: Gamma(x) = Gamma(x+n)/(x (x+1) ... (x+n-1)), so
 *   d(x)   = d(x+n)   + (x+n-1/2) log(x+n) - (x-1/2) log x - n - log(x (x+1) ... (x+n-1))
 *   d'(x)  = d'(x+n)  + log((x+n)/x) + 1/(2x) - 1/(2(x+n)) - sum 1/(x+i)
 *   d''(x) = d''(x+n) - 1/x - 1/(2x^2) + 1/(x+n) + 1/(2(x+n)^2) + sum 1/(x+i)^2 */
void w_stirling_rest(double x, double out[3])
{
    double rest = 0.0, slope = 0.0, bend = 0.0;
    if (x < 10.0) {
        double product = 1.0, first = 0.0, second = 0.0, y = x, n = 0.0;
        for (; y < 10.0; y += 1.0, n += 1.0) {
            double inverse = 1.0 / y;
            product *= y;
            first += inverse;
            second += inverse * inverse;
        }
        double log_ratio = log(y / x), inverse_x = 1.0 / x, inverse_y = 1.0 / y;
        rest = (x - 0.5) * log_ratio + n * log(y) - n - log(product);
        slope = log_ratio + 0.5 * (inverse_x - inverse_y) - first;
        bend = second - inverse_x * (1.0 + 0.5 * inverse_x) + inverse_y * (1.0 + 0.5 * inverse_y);
        x = y;
    }
    static const double c[3][7] = {
        { 1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188, -691.0 / 360360, 1.0 / 156 },
        { -1.0 / 12, 1.0 / 120, -1.0 / 252, 1.0 / 240, -1.0 / 132, 691.0 / 32760, -1.0 / 12 },
        { 1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730, 7.0 / 6 },
    };
    double inverse = 1.0 / x, square = inverse * inverse, value = c[0][6], first = c[1][6], second = c[2][6];
    for (int i = 5; i >= 0; i--) {
        value = value * square + c[0][i];
        first = first * square + c[1][i];
        second = second * square + c[2][i];
    }
    out[0] = rest + inverse * value;
    out[1] = slope + square * first;
    out[2] = bend + square * inverse * second;
}
