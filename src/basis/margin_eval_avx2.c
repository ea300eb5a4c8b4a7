/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithm of margin_eval.c, four rows at a time. Table entries are loaded one by one: faster than gather
 * instructions where AVX2 is all there is. */
#include "basis/margin_eval.h"
#if defined __x86_64__
#include <immintrin.h>

static inline __m256d wrap(__m256d x, __m256d inside, __m256d low, __m256d high)
{
    __m256d period = _mm256_sub_pd(high, low);
    __m256d turns = _mm256_floor_pd(_mm256_div_pd(_mm256_sub_pd(x, low), period));
    __m256d y = _mm256_sub_pd(x, _mm256_mul_pd(period, turns));
    y = _mm256_blendv_pd(y, low, _mm256_cmp_pd(y, low, _CMP_LT_OQ));
    y = _mm256_blendv_pd(y, high, _mm256_cmp_pd(y, high, _CMP_GT_OQ));
    return _mm256_blendv_pd(y, x, inside);
}

static inline __m256d within(__m256d x, __m256d low, __m256d high)
{
    return _mm256_and_pd(_mm256_cmp_pd(x, low, _CMP_GE_OQ), _mm256_cmp_pd(x, high, _CMP_LE_OQ));
}

/* The 64-bit lanes of a mask as 32-bit lanes. */
static inline __m128i narrow_mask(__m256d mask)
{
    __m256i picked =
        _mm256_permutevar8x32_epi32(_mm256_castpd_si256(mask), _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
    return _mm256_castsi256_si128(picked);
}

static inline __m256d read_doubles(const double *table, __m128i index)
{
    uint64_t low = (uint64_t)_mm_cvtsi128_si64(index), high = (uint64_t)_mm_extract_epi64(index, 1);
    __m128d a = _mm_loadh_pd(_mm_load_sd(table + (uint32_t)low), table + (low >> 32));
    __m128d b = _mm_loadh_pd(_mm_load_sd(table + (uint32_t)high), table + (high >> 32));
    return _mm256_set_m128d(b, a);
}

static inline __m128i read_integers(const int32_t *table, __m128i index)
{
    uint64_t low = (uint64_t)_mm_cvtsi128_si64(index), high = (uint64_t)_mm_extract_epi64(index, 1);
    __m128i r = _mm_cvtsi32_si128(table[(uint32_t)low]);
    r = _mm_insert_epi32(r, table[low >> 32], 1);
    r = _mm_insert_epi32(r, table[(uint32_t)high], 2);
    return _mm_insert_epi32(r, table[high >> 32], 3);
}

static inline void store_rows(double *out, __m256d v0, __m256d v1, __m256d v2, __m256d v3)
{
    __m256d a = _mm256_unpacklo_pd(v0, v1), b = _mm256_unpacklo_pd(v2, v3);
    __m256d c = _mm256_unpackhi_pd(v0, v1), d = _mm256_unpackhi_pd(v2, v3);
    _mm256_storeu_pd(out, _mm256_permute2f128_pd(a, b, 0x20));
    _mm256_storeu_pd(out + 4, _mm256_permute2f128_pd(c, d, 0x20));
    _mm256_storeu_pd(out + 8, _mm256_permute2f128_pd(a, b, 0x31));
    _mm256_storeu_pd(out + 12, _mm256_permute2f128_pd(c, d, 0x31));
}

void w_margin_eval_avx2(const w_margin *margin, const double *x, int64_t rows, int32_t *cell, double *value)
{
    int64_t n = margin->break_count - 1, i = 0;
    const double *b = margin->break_point, *inverse = margin->inverse_width;
    const int32_t *lookup = margin->lookup;
    const int64_t steps = margin->lookup_steps;
    const __m256d low = _mm256_set1_pd(b[0]), high = _mm256_set1_pd(b[n]),
                  scale = _mm256_set1_pd(margin->lookup_scale);
    const __m256d one = _mm256_set1_pd(1), three = _mm256_set1_pd(3);
    const __m128i last = _mm_set1_epi32((int32_t)(n - 1)),
                  last_bucket = _mm_set1_epi32((int32_t)(margin->lookup_count - 1));
    for (; i + 4 <= rows; i += 4) {
        __m256d u = _mm256_loadu_pd(x + i), inside = within(u, low, high);
        if (margin->cyclic && _mm256_movemask_pd(inside) != 15) {
            u = wrap(u, inside, low, high);
            inside = within(u, low, high);
        }
        __m256d position = _mm256_and_pd(inside, _mm256_mul_pd(_mm256_sub_pd(u, low), scale));
        __m128i bucket = _mm_min_epi32(_mm256_cvttpd_epi32(position), last_bucket);
        __m128i c = read_integers(lookup, bucket);
        for (int64_t step = 0; step < steps; step++) {
            __m256d beyond = _mm256_cmp_pd(u, read_doubles(b + 1, c), _CMP_GE_OQ);
            c = _mm_min_epi32(_mm_sub_epi32(c, narrow_mask(beyond)), last);
        }
        __m256d t = _mm256_mul_pd(_mm256_sub_pd(u, read_doubles(b, c)), read_doubles(inverse, c));
        __m256d s = _mm256_sub_pd(one, t), tt = _mm256_mul_pd(t, t), ss = _mm256_mul_pd(s, s);
        __m256d v0 = _mm256_mul_pd(ss, s), v1 = _mm256_mul_pd(_mm256_mul_pd(three, t), ss);
        __m256d v2 = _mm256_mul_pd(_mm256_mul_pd(three, s), tt), v3 = _mm256_mul_pd(tt, t);
        if (_mm256_movemask_pd(inside) != 15) {
            __m256d below = _mm256_cmp_pd(u, low, _CMP_LT_OQ), above = _mm256_cmp_pd(u, high, _CMP_GT_OQ);
            v0 = _mm256_blendv_pd(_mm256_and_pd(inside, v0), one, _mm256_or_pd(below, above));
            v1 = _mm256_blendv_pd(_mm256_and_pd(inside, v1), _mm256_sub_pd(u, low), below);
            v1 = _mm256_blendv_pd(v1, _mm256_sub_pd(u, high), above);
            v2 = _mm256_and_pd(inside, v2);
            v3 = _mm256_and_pd(inside, v3);
            c = _mm_and_si128(c, narrow_mask(inside));
            c = _mm_blendv_epi8(c, _mm_set1_epi32((int32_t)n), narrow_mask(below));
            c = _mm_blendv_epi8(c, _mm_set1_epi32((int32_t)(n + 1)), narrow_mask(above));
        }
        _mm_storeu_si128((__m128i *)(void *)(cell + i), c);
        store_rows(value + 4 * i, v0, v1, v2, v3);
    }
    w_margin_eval_plain(margin, x + i, rows - i, cell + i, value + 4 * i);
}
#else
typedef int w_margin_eval_avx2_absent;
#endif
