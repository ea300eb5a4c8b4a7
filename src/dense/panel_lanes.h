/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of one element type: included by panel_kernels.h with PANEL_FLOAT 0 or 1, and W_LANES_AVX512, W_LANES_AVX2 or neither.
 * vpart: the first `count` elements, fewer than lanes, and zeros after them. */
#undef PANEL_VECTOR
#undef PANEL_LANES
#undef PANEL_VECTORS
#undef PANEL_SLICE
#undef PANEL_BLOCK
#undef real
#undef vload
#undef vstore
#undef vset
#undef vpart
#undef vfma
#undef vfnma

#if PANEL_FLOAT
#define real float
#define PANEL(name) name##_f32
#else
#define real double
#define PANEL(name) name##_f64
#endif

#if defined W_LANES_AVX512 && PANEL_FLOAT
#define PANEL_VECTOR __m512
#define PANEL_LANES 16
#define PANEL_BLOCK 8
#define vload(p) _mm512_loadu_ps(p)
#define vstore(p, x) _mm512_storeu_ps(p, x)
#define vset(x) _mm512_set1_ps(x)
#define vpart(p, count) _mm512_maskz_loadu_ps((__mmask16)((1u << (count)) - 1u), p)
#define vfma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define vfnma(a, b, c) _mm512_fnmadd_ps(a, b, c)
#elif defined W_LANES_AVX512
#define PANEL_VECTOR __m512d
#define PANEL_LANES 8
#define PANEL_BLOCK 8
#define vload(p) _mm512_loadu_pd(p)
#define vstore(p, x) _mm512_storeu_pd(p, x)
#define vset(x) _mm512_set1_pd(x)
#define vpart(p, count) _mm512_maskz_loadu_pd((__mmask8)((1u << (count)) - 1u), p)
#define vfma(a, b, c) _mm512_fmadd_pd(a, b, c)
#define vfnma(a, b, c) _mm512_fnmadd_pd(a, b, c)
#elif defined W_LANES_AVX2 && PANEL_FLOAT
#define PANEL_VECTOR __m256
#define PANEL_LANES 8
#define PANEL_BLOCK 8
#define vload(p) _mm256_loadu_ps(p)
#define vstore(p, x) _mm256_storeu_ps(p, x)
#define vset(x) _mm256_set1_ps(x)
#define vpart(p, count) \
    _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)))
#define vfma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define vfnma(a, b, c) _mm256_fnmadd_ps(a, b, c)
#elif defined W_LANES_AVX2
#define PANEL_VECTOR __m256d
#define PANEL_LANES 4
#define PANEL_BLOCK 4
#define vload(p) _mm256_loadu_pd(p)
#define vstore(p, x) _mm256_storeu_pd(p, x)
#define vset(x) _mm256_set1_pd(x)
#define vpart(p, count) \
    _mm256_maskload_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3)))
#define vfma(a, b, c) _mm256_fmadd_pd(a, b, c)
#define vfnma(a, b, c) _mm256_fnmadd_pd(a, b, c)
#else
#define PANEL_LANES (16 / (int)sizeof(real))
#define PANEL_BLOCK 4
typedef real PANEL(lanes) __attribute__((vector_size(16)));
#define PANEL_VECTOR PANEL(lanes)
static inline PANEL_VECTOR PANEL(lanes_load)(const real *p)
{
    PANEL_VECTOR x;
    memcpy(&x, p, sizeof x);
    return x;
}
static inline PANEL_VECTOR PANEL(lanes_set)(real value)
{
    PANEL_VECTOR x;
    for (int i = 0; i < PANEL_LANES; i++) {
        x[i] = value;
    }
    return x;
}
static inline PANEL_VECTOR PANEL(lanes_part)(const real *p, int count)
{
    PANEL_VECTOR x = PANEL(lanes_set)(0);
    for (int i = 0; i < PANEL_LANES; i++) {
        x[i] = i < count ? p[i] : 0;
    }
    return x;
}
#define vpart(p, count) PANEL(lanes_part)(p, count)
#define vload(p) PANEL(lanes_load)(p)
#define vstore(p, x) memcpy(p, &(x), 16)
#define vset(x) PANEL(lanes_set)(x)
#define vfma(a, b, c) ((c) + (a) * (b))
#define vfnma(a, b, c) ((c) - (a) * (b))
#endif

#if defined W_LANES_AVX512
#define PANEL_SLICE 8
#define PANEL_VECTORS 3
#elif defined W_LANES_AVX2
#define PANEL_SLICE 4
#define PANEL_VECTORS 3
#else
#define PANEL_SLICE 4
#define PANEL_VECTORS 2
#endif
