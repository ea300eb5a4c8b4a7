/* SPDX-License-Identifier: Apache-2.0 */
/* The lanes of a group in registers of one instruction set: `vec` holds LANES elements of type `real`, a group is GROUP / LANES of
 * them. The file that includes this defines W_LANES_FLOAT (1: float, 0: double) and W_LANES_AVX512, W_LANES_AVX2, W_LANES_NEON or
 * neither. + - * / act on vec as on real; every operation is the IEEE one, so that all instruction sets return the same bits.
 * v_fma: a b + c, v_fnma: c - a b. v_max returns its second argument when either is NaN. */
#ifndef W_DENSE_BATCH_LANES_H
#define W_DENSE_BATCH_LANES_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined W_LANES_AVX512 || defined W_LANES_AVX2
#include <immintrin.h>
#elif defined W_LANES_NEON
#include <arm_neon.h>
#endif

#define LANES_INLINE static inline __attribute__((always_inline, unused))

#if W_LANES_FLOAT
typedef float real;
typedef uint32_t whole;
#define REAL_EPS FLT_EPSILON
#define REAL_SIGN 0x80000000u
#define REAL_EXPONENT 0x7f800000u
#define REAL_TWO_BIAS 0x7f000000u /* exponent field of 2^127, twice the bias */
#define REAL_LEAST 0x1p-126f      /* smallest power of two whose inverse is as good */
#define REAL_MOST 0x1p126f
#define SQUARE_LEAST 0x1p-80f     /* sums of squares from here … */
#define SQUARE_MOST 0x1p120f      /* … to there are as exact as any */
#else
typedef double real;
typedef uint64_t whole;
#define REAL_EPS DBL_EPSILON
#define REAL_SIGN 0x8000000000000000u
#define REAL_EXPONENT 0x7ff0000000000000u
#define REAL_TWO_BIAS 0x7fe0000000000000u
#define REAL_LEAST 0x1p-1022
#define REAL_MOST 0x1p1022
#define SQUARE_LEAST 0x1p-900
#define SQUARE_MOST 0x1p1000
#endif

#define GROUP (64 / (int)sizeof(real))
#define AT(array, e) ((array) + (ptrdiff_t)((size_t)(e) * GROUP))
#define EACH_PART(l) for (int l = 0; l < GROUP; l += LANES)

#if defined W_LANES_AVX512
#define LANES GROUP
#if W_LANES_FLOAT
typedef __m512 vec;
typedef __mmask16 mask;
#define ALL_LANES 0xffff
LANES_INLINE vec v_set(real x) { return _mm512_set1_ps(x); }
LANES_INLINE vec v_load(const real *p) { return _mm512_loadu_ps(p); }
LANES_INLINE void v_store(real *p, vec x) { _mm512_storeu_ps(p, x); }
LANES_INLINE vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
LANES_INLINE vec v_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_ps(a, b, c); }
LANES_INLINE vec v_max(vec a, vec b) { return _mm512_max_ps(a, b); }
LANES_INLINE vec v_sqrt(vec a) { return _mm512_sqrt_ps(a); }
LANES_INLINE mask v_lt(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
LANES_INLINE mask v_le(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
LANES_INLINE mask v_eq(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
LANES_INLINE vec v_select(mask m, vec yes, vec no) { return _mm512_mask_blend_ps(m, no, yes); }
#else
typedef __m512d vec;
typedef __mmask8 mask;
#define ALL_LANES 0xff
LANES_INLINE vec v_set(real x) { return _mm512_set1_pd(x); }
LANES_INLINE vec v_load(const real *p) { return _mm512_loadu_pd(p); }
LANES_INLINE void v_store(real *p, vec x) { _mm512_storeu_pd(p, x); }
LANES_INLINE vec v_fma(vec a, vec b, vec c) { return _mm512_fmadd_pd(a, b, c); }
LANES_INLINE vec v_fnma(vec a, vec b, vec c) { return _mm512_fnmadd_pd(a, b, c); }
LANES_INLINE vec v_max(vec a, vec b) { return _mm512_max_pd(a, b); }
LANES_INLINE vec v_sqrt(vec a) { return _mm512_sqrt_pd(a); }
LANES_INLINE mask v_lt(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
LANES_INLINE mask v_le(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
LANES_INLINE mask v_eq(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
LANES_INLINE vec v_select(mask m, vec yes, vec no) { return _mm512_mask_blend_pd(m, no, yes); }
#endif
LANES_INLINE mask m_and(mask a, mask b) { return (mask)(a & b); }
LANES_INLINE mask m_not(mask a) { return (mask)(~a & ALL_LANES); }
LANES_INLINE int m_any(mask a) { return a != 0; }
#define VECTOR_BYTES 64
#else /* vectors of the compiler */
#if defined W_LANES_AVX2
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define LANES (VECTOR_BYTES / (int)sizeof(real))
typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
#endif
typedef whole bits __attribute__((vector_size(VECTOR_BYTES)));

LANES_INLINE bits v_bits(vec x) { return (bits)x; }
LANES_INLINE vec v_of_bits(bits x) { return (vec)x; }

#if !defined W_LANES_AVX512
typedef bits mask;
LANES_INLINE vec v_load(const real *p)
{
    vec x = { 0 };
    memcpy(&x, p, sizeof x);
    return x;
}
LANES_INLINE void v_store(real *p, vec x) { memcpy(p, &x, sizeof x); }
LANES_INLINE vec v_set(real x)
{
    vec y = { 0 };
    for (int i = 0; i < LANES; i++) {
        y[i] = x;
    }
    return y;
}
LANES_INLINE mask v_lt(vec a, vec b) { return (mask)(a < b); }
LANES_INLINE mask v_le(vec a, vec b) { return (mask)(a <= b); }
LANES_INLINE mask v_eq(vec a, vec b) { return (mask)(a == b); }
LANES_INLINE mask m_and(mask a, mask b) { return a & b; }
LANES_INLINE mask m_not(mask a) { return ~a; }
#if defined W_LANES_AVX2 && W_LANES_FLOAT
LANES_INLINE vec v_select(mask m, vec yes, vec no) { return _mm256_blendv_ps(no, yes, (vec)m); }
LANES_INLINE vec v_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
LANES_INLINE vec v_fnma(vec a, vec b, vec c) { return _mm256_fnmadd_ps(a, b, c); }
LANES_INLINE vec v_max(vec a, vec b) { return _mm256_max_ps(a, b); }
LANES_INLINE vec v_sqrt(vec a) { return _mm256_sqrt_ps(a); }
LANES_INLINE int m_any(mask m) { return _mm256_movemask_ps((vec)m) != 0; }
#elif defined W_LANES_AVX2
LANES_INLINE vec v_select(mask m, vec yes, vec no) { return _mm256_blendv_pd(no, yes, (vec)m); }
LANES_INLINE vec v_fma(vec a, vec b, vec c) { return _mm256_fmadd_pd(a, b, c); }
LANES_INLINE vec v_fnma(vec a, vec b, vec c) { return _mm256_fnmadd_pd(a, b, c); }
LANES_INLINE vec v_max(vec a, vec b) { return _mm256_max_pd(a, b); }
LANES_INLINE vec v_sqrt(vec a) { return _mm256_sqrt_pd(a); }
LANES_INLINE int m_any(mask m) { return _mm256_movemask_pd((vec)m) != 0; }
#else
LANES_INLINE vec v_select(mask m, vec yes, vec no) { return (vec)((m & (bits)yes) | (~m & (bits)no)); }
LANES_INLINE vec v_max(vec a, vec b) { return v_select(v_lt(b, a), a, b); }
LANES_INLINE int m_any(mask m)
{
    whole any = 0;
    for (int i = 0; i < LANES; i++) {
        any |= m[i];
    }
    return any != 0;
}
#if defined W_LANES_NEON && W_LANES_FLOAT
LANES_INLINE vec v_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
LANES_INLINE vec v_fnma(vec a, vec b, vec c) { return vfmsq_f32(c, a, b); }
LANES_INLINE vec v_sqrt(vec a) { return vsqrtq_f32(a); }
#elif defined W_LANES_NEON
LANES_INLINE vec v_fma(vec a, vec b, vec c) { return vfmaq_f64(c, a, b); }
LANES_INLINE vec v_fnma(vec a, vec b, vec c) { return vfmsq_f64(c, a, b); }
LANES_INLINE vec v_sqrt(vec a) { return vsqrtq_f64(a); }
#else
LANES_INLINE vec v_fma(vec a, vec b, vec c)
{
    vec y = { 0 };
    for (int i = 0; i < LANES; i++) {
#if W_LANES_FLOAT
        y[i] = fmaf(a[i], b[i], c[i]);
#else
        y[i] = fma(a[i], b[i], c[i]);
#endif
    }
    return y;
}
LANES_INLINE vec v_fnma(vec a, vec b, vec c) { return v_fma(-a, b, c); }
LANES_INLINE vec v_sqrt(vec a)
{
    vec y = { 0 };
    for (int i = 0; i < LANES; i++) {
#if W_LANES_FLOAT
        y[i] = sqrtf(a[i]);
#else
        y[i] = sqrt(a[i]);
#endif
    }
    return y;
}
#endif
#endif
#endif

LANES_INLINE bits b_set(whole x)
{
    bits y = { 0 };
    for (int i = 0; i < VECTOR_BYTES / (int)sizeof(real); i++) {
        y[i] = x;
    }
    return y;
}
LANES_INLINE vec v_abs(vec x) { return v_of_bits(v_bits(x) & b_set((whole)~REAL_SIGN)); }
LANES_INLINE vec v_negate(vec x) { return v_of_bits(v_bits(x) ^ b_set(REAL_SIGN)); }
/* |x| with the sign of y. */
LANES_INLINE vec v_signed(vec x, vec y)
{
    const bits sign = b_set(REAL_SIGN);
    return v_of_bits((v_bits(x) & ~sign) | (v_bits(y) & sign));
}
/* 2^-e for 2^e <= x < 2^(e + 1), e cut off at those of REAL_LEAST and REAL_MOST; x >= 0. */
LANES_INLINE vec v_inverse_power(vec x)
{
    vec low = v_set(REAL_LEAST), high = v_set(REAL_MOST);
    vec held = v_select(v_lt(x, low), low, v_select(v_lt(x, high), x, high)); /* NaN: high */
    return v_of_bits(b_set(REAL_TWO_BIAS) - (v_bits(held) & b_set(REAL_EXPONENT)));
}
/* Inverse of a power of two within those bounds, exact. */
LANES_INLINE vec v_inverse_exact(vec power) { return v_of_bits(b_set(REAL_TWO_BIAS) - v_bits(power)); }

#endif
