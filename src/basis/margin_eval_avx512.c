/* SPDX-License-Identifier: Apache-2.0 */
/* The algorithm of margin_eval.c, eight rows at a time. Up to 16 breaks are held in two registers and looked up
 * by a permutation; more are gathered. */
#include "basis/margin_eval.h"
#if defined __x86_64__
#include <immintrin.h>

typedef struct table {
    const double *memory;
    __m512d low, high; /* entries 0 … 7 and 8 … 15 */
} table;

static table make_table(const double *memory, int64_t count)
{
    table t = {.memory = memory};
    if (count <= 16) {
        t.low = _mm512_maskz_loadu_pd((__mmask8)(count >= 8 ? 255 : (1 << count) - 1), memory);
        t.high = _mm512_maskz_loadu_pd((__mmask8)(count > 8 ? (1 << (count - 8)) - 1 : 0),
                                       count > 8 ? memory + 8 : memory);
    }
    return t;
}

static inline __attribute__((always_inline)) __m512d read_table(const table *t, __m256i index, int small)
{
    if (small)
        return _mm512_permutex2var_pd(t->low, _mm512_cvtepi32_epi64(index), t->high);
    return _mm512_i32gather_pd(index, t->memory, 8);
}

static inline __m512d wrap(__m512d x, __mmask8 inside, __m512d low, __m512d high)
{
    __m512d period = _mm512_sub_pd(high, low);
    __m512d turns = _mm512_roundscale_pd(_mm512_div_pd(_mm512_sub_pd(x, low), period),
                                         _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512d y = _mm512_sub_pd(x, _mm512_mul_pd(period, turns));
    y = _mm512_mask_mov_pd(y, _mm512_cmp_pd_mask(y, low, _CMP_LT_OQ), low);
    y = _mm512_mask_mov_pd(y, _mm512_cmp_pd_mask(y, high, _CMP_GT_OQ), high);
    return _mm512_mask_mov_pd(y, inside, x);
}

static inline __mmask8 within(__m512d x, __m512d low, __m512d high)
{
    return _mm512_cmp_pd_mask(x, low, _CMP_GE_OQ) & _mm512_cmp_pd_mask(x, high, _CMP_LE_OQ);
}

/* Rows of four from four columns of eight. */
static inline void store_rows(double *out, __m512d v0, __m512d v1, __m512d v2, __m512d v3)
{
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                  second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    __m512d a = _mm512_unpacklo_pd(v0, v1), b = _mm512_unpacklo_pd(v2, v3);
    __m512d c = _mm512_unpackhi_pd(v0, v1), d = _mm512_unpackhi_pd(v2, v3);
    __m512d even = _mm512_permutex2var_pd(a, first, b), odd = _mm512_permutex2var_pd(c, first, d);
    _mm512_storeu_pd(out, _mm512_shuffle_f64x2(even, odd, 0x44));
    _mm512_storeu_pd(out + 8, _mm512_shuffle_f64x2(even, odd, 0xEE));
    even = _mm512_permutex2var_pd(a, second, b);
    odd = _mm512_permutex2var_pd(c, second, d);
    _mm512_storeu_pd(out + 16, _mm512_shuffle_f64x2(even, odd, 0x44));
    _mm512_storeu_pd(out + 24, _mm512_shuffle_f64x2(even, odd, 0xEE));
}

static inline __attribute__((always_inline)) int64_t
eval_blocks(const w_margin *margin, const double *x, int64_t rows, int32_t *cell, double *value, int small)
{
    int64_t n = margin->break_count - 1, i = 0;
    const __m512d low = _mm512_set1_pd(margin->break_point[0]), high = _mm512_set1_pd(margin->break_point[n]);
    const __m512d scale = _mm512_set1_pd(margin->lookup_scale), one = _mm512_set1_pd(1), three = _mm512_set1_pd(3);
    const __m256i last = _mm256_set1_epi32((int32_t)(n - 1)),
                  last_bucket = _mm256_set1_epi32((int32_t)(margin->lookup_count - 1));
    const __m256i unit = _mm256_set1_epi32(1);
    const table left = make_table(margin->break_point, n), right = make_table(margin->break_point + 1, n);
    const table inverse = make_table(margin->inverse_width, n);
    const int64_t steps = margin->lookup_steps;
    for (; i + 8 <= rows; i += 8) {
        __m512d u = _mm512_loadu_pd(x + i);
        __mmask8 inside = within(u, low, high);
        if (margin->cyclic && inside != 255) {
            u = wrap(u, inside, low, high);
            inside = within(u, low, high);
        }
        __m512d position = _mm512_maskz_mul_pd(inside, _mm512_sub_pd(u, low), scale);
        __m256i bucket = _mm256_min_epi32(_mm512_cvttpd_epi32(position), last_bucket);
        __m256i c = _mm256_i32gather_epi32(margin->lookup, bucket, 4);
        for (int64_t step = 0; step < steps; step++) {
            __mmask8 beyond = _mm512_cmp_pd_mask(u, read_table(&right, c, small), _CMP_GE_OQ);
            c = _mm256_min_epi32(_mm256_mask_add_epi32(c, beyond, c, unit), last);
        }
        __m512d t = _mm512_mul_pd(_mm512_sub_pd(u, read_table(&left, c, small)), read_table(&inverse, c, small));
        __m512d s = _mm512_sub_pd(one, t), tt = _mm512_mul_pd(t, t), ss = _mm512_mul_pd(s, s);
        __m512d v0 = _mm512_mul_pd(ss, s), v1 = _mm512_mul_pd(_mm512_mul_pd(three, t), ss);
        __m512d v2 = _mm512_mul_pd(_mm512_mul_pd(three, s), tt), v3 = _mm512_mul_pd(tt, t);
        if (inside != 255) {
            __mmask8 below = _mm512_cmp_pd_mask(u, low, _CMP_LT_OQ),
                     above = _mm512_cmp_pd_mask(u, high, _CMP_GT_OQ);
            v0 = _mm512_mask_mov_pd(_mm512_maskz_mov_pd(inside, v0), below | above, one);
            v1 = _mm512_mask_sub_pd(_mm512_maskz_mov_pd(inside, v1), below, u, low);
            v1 = _mm512_mask_sub_pd(v1, above, u, high);
            v2 = _mm512_maskz_mov_pd(inside, v2);
            v3 = _mm512_maskz_mov_pd(inside, v3);
            c = _mm256_maskz_mov_epi32(inside, c);
            c = _mm256_mask_mov_epi32(c, below, _mm256_set1_epi32((int32_t)n));
            c = _mm256_mask_mov_epi32(c, above, _mm256_set1_epi32((int32_t)(n + 1)));
        }
        _mm256_storeu_si256((__m256i *)(void *)(cell + i), c);
        store_rows(value + 4 * i, v0, v1, v2, v3);
    }
    return i;
}

void w_margin_eval_avx512(const w_margin *margin, const double *x, int64_t rows, int32_t *cell, double *value)
{
    int64_t done = margin->break_count <= 17 ? eval_blocks(margin, x, rows, cell, value, 1)
                                             : eval_blocks(margin, x, rows, cell, value, 0);
    w_margin_eval_plain(margin, x + done, rows - done, cell + done, value + 4 * done);
}
#else
typedef int w_margin_eval_avx512_absent;
#endif
