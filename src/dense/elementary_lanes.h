/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of elementary.h on vectors of lanes.h, for kernels that keep values in registers. Polynomials: Chebyshev
 * interpolants from tools/elementary_coefficients.py.
 *
 * exp     x = k log 2 + r, |r| <= log(2)/2, k log 2 in two parts; e^r - 1 = r + r^2 q(r), q of degree 10;
 *         e^x = 2^k (1 + (e^r - 1)).  expm1 keeps the rounding error of r:  e^x - 1 = 2^k (e^r - 1) + (2^k - 1).
 * log     x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt 2);  s = f/(2 + f), log(1 + f) = 2s + s R(s^2)
 *                = f - (f^2/2 - s (f^2/2 + R)),  whose bracket is -(log(1+f) - f) without cancellation.
 * log1p   log of u = 1 + x and the part of x that u has lost, c/u; f = x itself when k = 0.
 * normal  a = |x|/sqrt 2, t = (a-4)/(a+4): (1 + 2a) e^{a^2} erfc(a) = g(t) of degree 24, and e^{-x^2/2} with the rounding
 *         error of x^2;  Phi(-|x|) = e^{-x^2/2} g / (2 (1 + 2a)).
 * sincos  x = k pi/2 + r, |r| <= pi/4, pi/2 in two parts: x - k head is exact, the parts left out are below k 2e-33;
 *         sin r = r + r^3 p(r^2), cos r = 1 - r^2/2 + r^4 q(r^2), p and q of degree 5, exchanged and negated by k mod 4.
 * lgamma  Stirling's series at y >= 10, where y = x or x + 10 with Gamma(x) = Gamma(x+10) / (x (x+1) ... (x+9)). */
#ifndef W_DENSE_ELEMENTARY_LANES_H
#define W_DENSE_ELEMENTARY_LANES_H

#include "dense/lanes.h"

#define LANES_LOG2E 0x1.71547652b82fep+0
#define LANES_LN2_HEAD 0x1.62e42fef00000p-1
#define LANES_LN2_TAIL 0x1.473de6af278edp-34
#define LANES_HALF_LOG_2PI 0x1.d67f1c864beb5p-1

/* c[0] + c[1] x + ... + c[count-1] x^(count-1): even and odd powers apart, for two chains of half the length. */
LANES_INLINE vec lanes_polynomial(vec x, const double *c, int count)
{
    vec square = x * x;
    int even = (count - 1) & ~1, odd = (count - 2) | 1;
    vec e = lanes_set(c[even]), o = lanes_set(c[odd]);
    for (int i = even - 2; i >= 0; i -= 2) {
        e = lanes_fma(e, square, lanes_set(c[i]));
    }
    for (int i = odd - 2; i >= 1; i -= 2) {
        o = lanes_fma(o, square, lanes_set(c[i]));
    }
    return lanes_fma(o, x, e);
}

/* (e^r - 1 - r) / r^2 */
LANES_INLINE vec lanes_exp_tail(vec r)
{
    static const double c[] = {
        0x1.0000000000000p-1, 0x1.5555555555557p-3, 0x1.5555555555556p-5, 0x1.11111111100dcp-7,
        0x1.6c16c16c162d4p-10, 0x1.a01a01abe7fe1p-13, 0x1.a01a01a6d889cp-16, 0x1.71de0231960ebp-19,
        0x1.27e4db646b17ep-22, 0x1.af4de97ca4194p-26, 0x1.1f730349868cep-29
    };
    return lanes_polynomial(r, c, 11);
}

LANES_INLINE vec lanes_exp(vec x)
{
    x = lanes_max(lanes_set(-746.0), lanes_min(lanes_set(710.0), x));
    vec k = lanes_fma(x, lanes_set(LANES_LOG2E), lanes_set(LANES_ROUND)) - lanes_set(LANES_ROUND);
    vec r = lanes_fma(k, lanes_set(-LANES_LN2_TAIL), lanes_fma(k, lanes_set(-LANES_LN2_HEAD), x));
    return lanes_scale(lanes_set(1.0) + lanes_fma(r * r, lanes_exp_tail(r), r), k);
}

#define LANES_HALF_PI_HEAD 0x1.921fb54442d18p+0
#define LANES_HALF_PI_TAIL 0x1.1a62633145c07p-54

/* |x| <= LANES_ANGLE_LIMIT. */
#define LANES_ANGLE_LIMIT 0x1p20

LANES_INLINE void lanes_sincos(vec x, vec *sine, vec *cosine)
{
    static const double p[] = {
        -0x1.5555555555555p-3, 0x1.1111111110bb2p-7, -0x1.a01a019e83816p-13, 0x1.71de379654304p-19,
        -0x1.ae600aca92c64p-26, 0x1.5e0b05bff20f2p-33
    };
    static const double q[] = {
        0x1.5555555555555p-5, -0x1.6c16c16c16967p-10, 0x1.a01a019f4e9b4p-16, -0x1.27e4fa17bf139p-22,
        0x1.1eeb68cd22f56p-29, -0x1.907d8f29fe831p-37
    };
    const vec round = lanes_set(LANES_ROUND);
    vec k = lanes_fma(x, lanes_set(0x1.45f306dc9c883p-1), round) - round;
    vec r = lanes_fma(k, lanes_set(-LANES_HALF_PI_TAIL), lanes_fma(k, lanes_set(-LANES_HALF_PI_HEAD), x)), z = r * r;
    vec s = lanes_fma(z * r, lanes_polynomial(z, p, 6), r);
    vec c = lanes_fma(z * z, lanes_polynomial(z, q, 6), lanes_fma(z, lanes_set(-0.5), lanes_set(1.0)));
    vec turns = (lanes_fma(k, lanes_set(0.25), lanes_set(-0.375)) + round) - round; /* floor(k/4) */
    vec quarter = lanes_fma(turns, lanes_set(-4.0), k);
    mask swap = lanes_eq(lanes_abs(quarter - lanes_set(2.0)), lanes_set(1.0));
    vec from_sine = lanes_select(swap, c, s), from_cosine = lanes_select(swap, s, c);
    *sine = lanes_select(lanes_lt(lanes_set(1.5), quarter), lanes_negate(from_sine), from_sine);
    *cosine = lanes_select(lanes_eq(lanes_abs(quarter - lanes_set(1.5)), lanes_set(0.5)), lanes_negate(from_cosine), from_cosine);
}

LANES_INLINE vec lanes_expm1(vec x)
{
    vec y = lanes_max(lanes_set(-50.0), lanes_min(lanes_set(710.0), x));
    vec k = lanes_fma(y, lanes_set(LANES_LOG2E), lanes_set(LANES_ROUND)) - lanes_set(LANES_ROUND);
    vec head = lanes_fma(k, lanes_set(-LANES_LN2_HEAD), y), tail = k * lanes_set(LANES_LN2_TAIL);
    vec r = head - tail, lost = (head - r) - tail;
    vec p = r + lanes_fma(r * r, lanes_exp_tail(r), lanes_fma(lost, r, lost));
    /* Halved, so that 2^k does not overflow before the result does. */
    vec half = lanes_scale(lanes_set(1.0), k - lanes_set(1.0));
    vec result = lanes_fma(half, p, half - lanes_set(0.5)) * lanes_set(2.0);
    return lanes_select(lanes_lt(lanes_abs(x), lanes_set(0x1p-54)), x, result);
}

/* x = 2^k (1 + f) for positive finite x. */
LANES_INLINE vec lanes_log_split(vec x, vec *k)
{
    mask tiny = lanes_lt(x, lanes_set(0x1p-1022));
    x = lanes_select(tiny, x * lanes_set(0x1p54), x);
    /* Bits from sqrt(1/2) on, with 1024 added to the exponent to keep it positive. */
    ivec bits = lanes_bits(x);
    ivec above = lanes_iadd(lanes_isub(bits, lanes_iset(0x3fe6a09e667f3bcdu)), lanes_iset((uint64_t)1024 << 52));
    vec exponent = lanes_from_bits(lanes_ior(lanes_srl52(above), lanes_iset(0x4330000000000000u)));
    *k = exponent - lanes_select(tiny, lanes_set(0x1p52 + 1024.0 + 54.0), lanes_set(0x1p52 + 1024.0));
    ivec shift = lanes_isub(lanes_iand(above, lanes_iset((uint64_t)0xfff << 52)), lanes_iset((uint64_t)1024 << 52));
    return lanes_from_bits(lanes_isub(bits, shift)) - lanes_set(1.0);
}

/* half = f^2/2; returns s (f^2/2 + R): log(1+f) = f - (half - returned). */
LANES_INLINE vec lanes_log_rest(vec f, vec *half)
{
    static const double c[] = {
        0x1.5555555555558p-1, 0x1.99999999952d7p-2, 0x1.2492492df281ap-2, 0x1.c71c62e3f11e6p-3,
        0x1.7462b51cb66b1p-3, 0x1.39fe51a7c18f9p-3, 0x1.2b5900de53b32p-3
    };
    vec s = f / (lanes_set(2.0) + f);
    vec z = s * s;
    *half = f * f * lanes_set(0.5);
    return s * lanes_fma(z, lanes_polynomial(z, c, 7), *half);
}

/* For positive finite x only. */
LANES_INLINE vec lanes_log_positive(vec x)
{
    vec k, half, f = lanes_log_split(x, &k);
    vec rest = lanes_fma(k, lanes_set(LANES_LN2_TAIL), lanes_log_rest(f, &half));
    return lanes_fma(k, lanes_set(LANES_LN2_HEAD), f - (half - rest));
}

/* The values at 0, below, at infinity and at NaN. */
LANES_INLINE vec lanes_log_ends(vec x, vec result)
{
    result = lanes_select(lanes_lt(x, lanes_set(INFINITY)), result, x);
    result = lanes_select(lanes_eq(x, lanes_set(0.0)), lanes_set(-INFINITY), result);
    return lanes_select(lanes_lt(x, lanes_set(0.0)), lanes_set(NAN), result);
}

LANES_INLINE vec lanes_log(vec x)
{
    return lanes_log_ends(x, lanes_log_positive(x));
}

/* log(r) and *minus = log(r) - (r - 1) for positive finite r whose difference from 1 is e to more digits. */
LANES_INLINE vec lanes_log_minus(vec r, vec e, vec *minus)
{
    vec k, half, f = lanes_log_split(r, &k);
    mask near_one = lanes_eq(k, lanes_set(0.0));
    f = lanes_select(near_one, e, f);
    vec rest = lanes_fma(k, lanes_set(LANES_LN2_TAIL), lanes_log_rest(f, &half));
    vec value = lanes_fma(k, lanes_set(LANES_LN2_HEAD), f - (half - rest));
    *minus = lanes_select(near_one, rest - half, value - e);
    return value;
}

/* log(1+e) - e and (1+e) log(1+e) - e for e >= -1, without cancellation near 0. */
LANES_INLINE vec lanes_log1p_minus(vec e)
{
    vec minus, r = lanes_set(1.0) + e;
    (void)lanes_log_minus(r, e, &minus);
    minus = lanes_select(lanes_lt(e, lanes_set(INFINITY)), minus, lanes_negate(e));
    minus = lanes_select(lanes_lt(r, lanes_set(0.0)), lanes_set(NAN), minus);
    return lanes_select(lanes_eq(r, lanes_set(0.0)), lanes_set(-INFINITY), minus);
}

LANES_INLINE vec lanes_kappa(vec e)
{
    vec minus, r = lanes_set(1.0) + e, value = lanes_log_minus(r, e, &minus);
    vec result = lanes_select(lanes_lt(e, lanes_set(INFINITY)), lanes_fma(e, value, minus), e);
    result = lanes_select(lanes_lt(r, lanes_set(0.0)), lanes_set(NAN), result);
    return lanes_select(lanes_eq(r, lanes_set(0.0)), lanes_set(1.0), result);
}

LANES_INLINE vec lanes_log1p(vec x)
{
    vec u = lanes_set(1.0) + x, k, half;
    vec f = lanes_log_split(u, &k);
    vec lost = lanes_select(lanes_lt(x, lanes_set(1.0)), x - (u - lanes_set(1.0)), lanes_set(1.0) - (u - x)) / u;
    mask near_zero = lanes_eq(k, lanes_set(0.0));
    f = lanes_select(near_zero, x, f);
    lost = lanes_select(near_zero, lanes_set(0.0), lost);
    vec rest = lanes_log_rest(f, &half) + lanes_fma(k, lanes_set(LANES_LN2_TAIL), lost);
    vec result = lanes_fma(k, lanes_set(LANES_LN2_HEAD), f - (half - rest));
    result = lanes_select(lanes_eq(x, lanes_set(0.0)), x, result);
    result = lanes_select(lanes_lt(u, lanes_set(INFINITY)), result, x);
    result = lanes_select(lanes_eq(x, lanes_set(-1.0)), lanes_set(-INFINITY), result);
    return lanes_select(lanes_lt(x, lanes_set(-1.0)), lanes_set(NAN), result);
}

LANES_INLINE vec lanes_logistic(vec x)
{
    vec t = lanes_exp(lanes_negate(lanes_abs(x)));
    return lanes_select(lanes_lt(x, lanes_set(0.0)), t, lanes_set(1.0)) / (lanes_set(1.0) + t);
}

LANES_INLINE vec lanes_softplus(vec x)
{
    return lanes_max(lanes_set(0.0), x) + lanes_log1p(lanes_exp(lanes_negate(lanes_abs(x))));
}

/* g / (2 (1 + 2a)) for a = |x|/sqrt 2; *square and *lost: x^2 = square + lost. */
LANES_INLINE vec lanes_normal_ratio(vec x, vec *square, vec *lost)
{
    static const double c[] = {
        0x1.3ba5916e9fd7fp+0, -0x1.1df1ad154a286p-3, 0x1.f7f5df66fd797p-7, 0x1.16ecefcfa4d10p-4, -0x1.9ddb23c3e8f13p-4,
        0x1.7fee004e1eefep-4, -0x1.0fb06dfe4c6c0p-4, 0x1.3079edf5181dfp-5, -0x1.09623884747dbp-6, 0x1.49c672e19945dp-8,
        -0x1.8d4a9a64653ccp-11, -0x1.a1df5e81f513ep-13, 0x1.3be0432bfaed8p-13, -0x1.995375154ff40p-16,
        -0x1.7884d2489058dp-17, 0x1.7ef644c7c9bb7p-18, 0x1.393f4d3a22d70p-22, -0x1.b8ce4935606aep-21,
        0x1.4dcd6b570d670p-24, 0x1.c8a21229f8c69p-24, -0x1.64110ad19dc13p-26, -0x1.a7f4a1508f75ep-27,
        0x1.bc41ddff1ff37p-29, 0x1.ff24721095771p-31, -0x1.2feb0fe9744b6p-32
    };
    vec a = lanes_abs(x) * lanes_set(M_SQRT1_2);
    vec g = lanes_polynomial((a - lanes_set(4.0)) / (a + lanes_set(4.0)), c, 25);
    *square = x * x;
    *lost = lanes_fma(x, x, lanes_negate(*square));
    return g / (lanes_set(2.0) + lanes_set(4.0) * a);
}

/* Phi(-|x|) */
LANES_INLINE vec lanes_normal_tail(vec x)
{
    vec square, lost;
    x = lanes_max(lanes_set(-40.0), lanes_min(lanes_set(40.0), x));
    vec ratio = lanes_normal_ratio(x, &square, &lost);
    vec density = lanes_exp(square * lanes_set(-0.5));
    return ratio * lanes_fma(density, lost * lanes_set(-0.5), density);
}

LANES_INLINE vec lanes_normal(vec x)
{
    vec tail = lanes_normal_tail(x);
    return lanes_select(lanes_lt(x, lanes_set(0.0)), tail, lanes_set(1.0) - tail);
}

LANES_INLINE vec lanes_log_normal(vec x)
{
    vec square, lost, y = lanes_max(lanes_set(-1e150), lanes_min(lanes_set(40.0), x));
    vec ratio = lanes_normal_ratio(y, &square, &lost);
    vec below = lanes_fma(square, lanes_set(-0.5), lanes_log_positive(ratio) - lost * lanes_set(0.5));
    vec result = lanes_select(lanes_lt(x, lanes_set(0.0)), below, lanes_log1p(lanes_negate(lanes_normal_tail(y))));
    return lanes_select(lanes_lt(x, lanes_set(-1e150)), lanes_set(-INFINITY), result);
}

/* x + 10 below 10. */
LANES_INLINE vec lanes_gamma_shift(vec x, mask *small)
{
    *small = lanes_lt(x, lanes_set(10.0));
    return lanes_select(*small, x + lanes_set(10.0), x);
}

LANES_INLINE vec lanes_gamma_ends(vec x, vec at_zero, vec result)
{
    result = lanes_select(lanes_eq(x, lanes_set(0.0)), at_zero, result);
    return lanes_select(lanes_lt(x, lanes_set(0.0)), lanes_set(NAN), result);
}

LANES_INLINE vec lanes_lgamma(vec x)
{
    static const double c[] = { 1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188, -691.0 / 360360, 1.0 / 156 };
    mask small;
    vec y = lanes_gamma_shift(x, &small), inverse = lanes_set(1.0) / y, product = x;
    vec series = inverse * lanes_polynomial(inverse * inverse, c, 7);
    for (int i = 1; i < 10; i++) {
        product = product * (x + lanes_set(i));
    }
    vec result = lanes_fma(y - lanes_set(0.5), lanes_log(y) - lanes_set(1.0), series + lanes_set(LANES_HALF_LOG_2PI - 0.5));
    result = lanes_select(small, result - lanes_log(lanes_select(small, product, lanes_set(1.0))), result);
    return lanes_gamma_ends(x, lanes_set(INFINITY), result);
}

LANES_INLINE vec lanes_digamma(vec x)
{
    static const double c[] = { 1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132, -691.0 / 32760, 1.0 / 12 };
    mask small;
    vec y = lanes_gamma_shift(x, &small), inverse = lanes_set(1.0) / y, square = inverse * inverse;
    vec series = lanes_fma(inverse, lanes_set(0.5), square * lanes_polynomial(square, c, 7));
    /* sum 1/(x+i) beyond the first term = P'/P for P = (x+1) ... (x+9) */
    vec product = x + lanes_set(1.0), slope = lanes_set(1.0);
    for (int i = 2; i < 10; i++) {
        slope = lanes_fma(slope, x + lanes_set(i), product);
        product = product * (x + lanes_set(i));
    }
    vec result = lanes_log(y) - series;
    result = lanes_select(small, (result - slope / product) - lanes_set(1.0) / x, result);
    return lanes_gamma_ends(x, lanes_set(-INFINITY), result);
}

LANES_INLINE vec lanes_trigamma(vec x)
{
    static const double c[] = { 1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730, 7.0 / 6 };
    mask small;
    vec y = lanes_gamma_shift(x, &small), inverse = lanes_set(1.0) / y, square = inverse * inverse;
    vec result = inverse + lanes_fma(square, lanes_set(0.5), inverse * square * lanes_polynomial(square, c, 7));
    vec sum = lanes_set(0.0);
    for (int i = 9; i >= 0; i--) {
        vec term = lanes_set(1.0) / (x + lanes_set(i));
        sum = lanes_fma(term, term, sum);
    }
    result = lanes_select(small, result + sum, result);
    return lanes_gamma_ends(x, lanes_set(INFINITY), result);
}

#endif
