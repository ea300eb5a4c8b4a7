/* SPDX-License-Identifier: Apache-2.0 */
/* One vector type for three instruction sets: a kernel written with these operations compiles to AVX-512 (8 lanes), AVX2 with
 * FMA (4) or plain C (1), and every lane goes through the same IEEE operations in the same order, so all three return the
 * same bits. The file that includes this defines W_LANES_AVX512, W_LANES_AVX2 or neither; + - * / act on vec as on double.
 *
 * lanes_min and lanes_max return the second argument when either is NaN. lanes_scale(y, k) is y 2^k for integral k,
 * |k| <= 2000 and 2^-1 < |y| < 2^2 (or y NaN, then NaN), rounded once. Integers are 64-bit, shifts are logical. */
#ifndef W_DENSE_LANES_H
#define W_DENSE_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES_INLINE static inline __attribute__((always_inline, unused))

#if defined W_LANES_AVX512
#include <immintrin.h>
#define LANES 8
typedef __m512d vec;
typedef __m512i ivec;
typedef __mmask8 mask;

LANES_INLINE vec lanes_set(double x) { return _mm512_set1_pd(x); }
LANES_INLINE vec lanes_load(const double *p) { return _mm512_loadu_pd(p); }
LANES_INLINE void lanes_store(double *p, vec x) { _mm512_storeu_pd(p, x); }
LANES_INLINE vec lanes_fma(vec a, vec b, vec c) { return _mm512_fmadd_pd(a, b, c); }
LANES_INLINE vec lanes_min(vec a, vec b) { return _mm512_min_pd(a, b); }
LANES_INLINE vec lanes_max(vec a, vec b) { return _mm512_max_pd(a, b); }
LANES_INLINE vec lanes_sqrt(vec a) { return _mm512_sqrt_pd(a); }
LANES_INLINE mask lanes_lt(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
LANES_INLINE mask lanes_le(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
LANES_INLINE mask lanes_eq(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
LANES_INLINE mask lanes_and(mask a, mask b) { return (mask)(a & b); }
LANES_INLINE int lanes_any(mask m) { return m != 0; }
LANES_INLINE int lanes_all(mask m) { return m == 0xff; }
LANES_INLINE vec lanes_select(mask m, vec yes, vec no) { return _mm512_mask_blend_pd(m, no, yes); }
LANES_INLINE ivec lanes_bits(vec x) { return _mm512_castpd_si512(x); }
LANES_INLINE vec lanes_from_bits(ivec i) { return _mm512_castsi512_pd(i); }
LANES_INLINE ivec lanes_iset(uint64_t i) { return _mm512_set1_epi64((int64_t)i); }
LANES_INLINE ivec lanes_iadd(ivec a, ivec b) { return _mm512_add_epi64(a, b); }
LANES_INLINE ivec lanes_isub(ivec a, ivec b) { return _mm512_sub_epi64(a, b); }
LANES_INLINE ivec lanes_iand(ivec a, ivec b) { return _mm512_and_si512(a, b); }
LANES_INLINE ivec lanes_ior(ivec a, ivec b) { return _mm512_or_si512(a, b); }
LANES_INLINE ivec lanes_srl52(ivec a) { return _mm512_srli_epi64(a, 52); }
LANES_INLINE ivec lanes_sll52(ivec a) { return _mm512_slli_epi64(a, 52); }
LANES_INLINE vec lanes_scale(vec y, vec k) { return _mm512_scalef_pd(y, k); }

#elif defined W_LANES_AVX2
#include <immintrin.h>
#define LANES 4
typedef __m256d vec;
typedef __m256i ivec;
typedef __m256d mask;

LANES_INLINE vec lanes_set(double x) { return _mm256_set1_pd(x); }
LANES_INLINE vec lanes_load(const double *p) { return _mm256_loadu_pd(p); }
LANES_INLINE void lanes_store(double *p, vec x) { _mm256_storeu_pd(p, x); }
LANES_INLINE vec lanes_fma(vec a, vec b, vec c) { return _mm256_fmadd_pd(a, b, c); }
LANES_INLINE vec lanes_min(vec a, vec b) { return _mm256_min_pd(a, b); }
LANES_INLINE vec lanes_max(vec a, vec b) { return _mm256_max_pd(a, b); }
LANES_INLINE vec lanes_sqrt(vec a) { return _mm256_sqrt_pd(a); }
LANES_INLINE mask lanes_lt(vec a, vec b) { return _mm256_cmp_pd(a, b, _CMP_LT_OQ); }
LANES_INLINE mask lanes_le(vec a, vec b) { return _mm256_cmp_pd(a, b, _CMP_LE_OQ); }
LANES_INLINE mask lanes_eq(vec a, vec b) { return _mm256_cmp_pd(a, b, _CMP_EQ_OQ); }
LANES_INLINE mask lanes_and(mask a, mask b) { return _mm256_and_pd(a, b); }
LANES_INLINE int lanes_any(mask m) { return _mm256_movemask_pd(m) != 0; }
LANES_INLINE int lanes_all(mask m) { return _mm256_movemask_pd(m) == 0xf; }
LANES_INLINE vec lanes_select(mask m, vec yes, vec no) { return _mm256_blendv_pd(no, yes, m); }
LANES_INLINE ivec lanes_bits(vec x) { return _mm256_castpd_si256(x); }
LANES_INLINE vec lanes_from_bits(ivec i) { return _mm256_castsi256_pd(i); }
LANES_INLINE ivec lanes_iset(uint64_t i) { return _mm256_set1_epi64x((int64_t)i); }
LANES_INLINE ivec lanes_iadd(ivec a, ivec b) { return _mm256_add_epi64(a, b); }
LANES_INLINE ivec lanes_isub(ivec a, ivec b) { return _mm256_sub_epi64(a, b); }
LANES_INLINE ivec lanes_iand(ivec a, ivec b) { return _mm256_and_si256(a, b); }
LANES_INLINE ivec lanes_ior(ivec a, ivec b) { return _mm256_or_si256(a, b); }
LANES_INLINE ivec lanes_srl52(ivec a) { return _mm256_srli_epi64(a, 52); }
LANES_INLINE ivec lanes_sll52(ivec a) { return _mm256_slli_epi64(a, 52); }

#else
#define LANES 1
typedef double vec;
typedef uint64_t ivec;
typedef int mask;

LANES_INLINE vec lanes_set(double x) { return x; }
LANES_INLINE vec lanes_load(const double *p) { return *p; }
LANES_INLINE void lanes_store(double *p, vec x) { *p = x; }
LANES_INLINE vec lanes_fma(vec a, vec b, vec c) { return fma(a, b, c); }
LANES_INLINE vec lanes_min(vec a, vec b) { return a < b ? a : b; }
LANES_INLINE vec lanes_max(vec a, vec b) { return a > b ? a : b; }
LANES_INLINE vec lanes_sqrt(vec a) { return sqrt(a); }
LANES_INLINE mask lanes_lt(vec a, vec b) { return a < b; }
LANES_INLINE mask lanes_le(vec a, vec b) { return a <= b; }
LANES_INLINE mask lanes_eq(vec a, vec b) { return a == b; }
LANES_INLINE mask lanes_and(mask a, mask b) { return a & b; }
LANES_INLINE int lanes_any(mask m) { return m; }
LANES_INLINE int lanes_all(mask m) { return m; }
LANES_INLINE vec lanes_select(mask m, vec yes, vec no) { return m ? yes : no; }
LANES_INLINE ivec lanes_bits(vec x) { ivec i; memcpy(&i, &x, sizeof i); return i; }
LANES_INLINE vec lanes_from_bits(ivec i) { vec x; memcpy(&x, &i, sizeof x); return x; }
LANES_INLINE ivec lanes_iset(uint64_t i) { return i; }
LANES_INLINE ivec lanes_iadd(ivec a, ivec b) { return a + b; }
LANES_INLINE ivec lanes_isub(ivec a, ivec b) { return a - b; }
LANES_INLINE ivec lanes_iand(ivec a, ivec b) { return a & b; }
LANES_INLINE ivec lanes_ior(ivec a, ivec b) { return a | b; }
LANES_INLINE ivec lanes_srl52(ivec a) { return a >> 52; }
LANES_INLINE ivec lanes_sll52(ivec a) { return a << 52; }
#endif

LANES_INLINE vec lanes_abs(vec x)
{
    return lanes_from_bits(lanes_iand(lanes_bits(x), lanes_iset(0x7fffffffffffffffu)));
}

LANES_INLINE vec lanes_negate(vec x)
{
    return lanes_set(-0.0) - x;
}

/* Adding 1.5 2^52 rounds to an integer and leaves it in the low bits. */
#define LANES_ROUND 0x1.8p52

#if !defined W_LANES_AVX512
/* 2^k for -1022 <= k <= 1023. */
LANES_INLINE vec lanes_power2(vec k)
{
    return lanes_from_bits(lanes_sll52(lanes_iadd(lanes_bits(k + lanes_set(LANES_ROUND)), lanes_iset(1023))));
}

/* In two steps, the first of which is exact. */
LANES_INLINE vec lanes_scale(vec y, vec k)
{
    vec half = (k * lanes_set(0.5) + lanes_set(LANES_ROUND)) - lanes_set(LANES_ROUND);
    return y * lanes_power2(half) * lanes_power2(k - half);
}
#endif

#endif
