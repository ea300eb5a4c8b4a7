/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512. A 4 x 4 block is two vectors: [a0 a0 a0 a0 a1 a1 a1 a1] * [b b] and the same for a2, a3. Per row and pair that is
 * 32 flops, 64 bytes of values, 4 of cells and 2 x 128 bytes of table (load and store); the stores bound it: one vector
 * per cycle. */
#include "normal/kernel.h"

#if defined __x86_64__
#include <immintrin.h>

static inline __m512d pair_of(__m256d a, int high)
{
    __m512d wide = _mm512_castpd256_pd512(a);
    return high ? _mm512_permutexvar_pd(_mm512_setr_epi64(2, 2, 2, 2, 3, 3, 3, 3), wide)
                : _mm512_permutexvar_pd(_mm512_setr_epi64(0, 0, 0, 0, 1, 1, 1, 1), wide);
}

static void scatter_44(int64_t rows, const int32_t *cell, const double *a, int width_a, const double *b, int width_b,
                       double *table)
{
    (void)width_a;
    (void)width_b;
    for (int64_t i = 0; i < rows; i++) {
        double *t = table + (int64_t)cell[i] * 16;
        __m256d va = _mm256_loadu_pd(a + 4 * i);
        __m512d vb = _mm512_broadcast_f64x4(_mm256_loadu_pd(b + 4 * i));
        _mm512_storeu_pd(t, _mm512_fmadd_pd(pair_of(va, 0), vb, _mm512_loadu_pd(t)));
        _mm512_storeu_pd(t + 8, _mm512_fmadd_pd(pair_of(va, 1), vb, _mm512_loadu_pd(t + 8)));
    }
}

/* Any width_a times 4: two values of a per vector. */
static void scatter_w4(int64_t rows, const int32_t *cell, const double *a, int width_a, const double *b, int width_b,
                       double *table)
{
    (void)width_b;
    int64_t area = (int64_t)width_a * 4;
    for (int64_t i = 0; i < rows; i++, a += width_a, b += 4) {
        double *t = table + cell[i] * area;
        __m256d narrow = _mm256_loadu_pd(b);
        __m512d vb = _mm512_broadcast_f64x4(narrow);
        int r = 0;
        for (; r + 2 <= width_a; r += 2, t += 8) {
            __m512d va = pair_of(_mm256_castpd128_pd256(_mm_loadu_pd(a + r)), 0);
            _mm512_storeu_pd(t, _mm512_fmadd_pd(va, vb, _mm512_loadu_pd(t)));
        }
        if (r < width_a) {
            _mm256_storeu_pd(t, _mm256_fmadd_pd(_mm256_set1_pd(a[r]), narrow, _mm256_loadu_pd(t)));
        }
    }
}

static void scatter_11(int64_t rows, const int32_t *cell, const double *a, int width_a, const double *b, int width_b,
                       double *table)
{
    (void)width_a;
    (void)width_b;
    for (int64_t i = 0; i < rows; i++) {
        table[cell[i]] = __builtin_fma(a[i], b[i], table[cell[i]]);
    }
}

static void scatter_any(int64_t rows, const int32_t *cell, const double *a, int width_a, const double *b, int width_b,
                        double *table)
{
    int64_t area = (int64_t)width_a * width_b;
    int whole = width_b & ~7;
    __mmask8 tail = (__mmask8)((1 << (width_b & 7)) - 1);
    for (int64_t i = 0; i < rows; i++, a += width_a, b += width_b) {
        double *t = table + cell[i] * area;
        for (int r = 0; r < width_a; r++, t += width_b) {
            __m512d va = _mm512_set1_pd(a[r]);
            for (int s = 0; s < whole; s += 8) {
                _mm512_storeu_pd(t + s, _mm512_fmadd_pd(va, _mm512_loadu_pd(b + s), _mm512_loadu_pd(t + s)));
            }
            if (tail) {
                __m512d old = _mm512_maskz_loadu_pd(tail, t + whole);
                _mm512_mask_storeu_pd(t + whole, tail,
                                      _mm512_fmadd_pd(va, _mm512_maskz_loadu_pd(tail, b + whole), old));
            }
        }
    }
}

static w_scatter_fn scatter(int width_a, int width_b, int64_t bytes, bool runs)
{
    (void)bytes;
    (void)runs;
    if (width_b == 4) {
        return width_a == 4 ? scatter_44 : scatter_w4;
    }
    return width_a == 1 && width_b == 1 ? scatter_11 : scatter_any;
}

/* One tile of up to 8 x 16 of c in registers; 16 multiply-adds per two loads of b and eight broadcasts of a. */
#define TILE(rows)                                                                                                    \
    static void tile_##rows(__mmask8 m0, __mmask8 m1, int64_t l, const double *a, int64_t a_row, int64_t a_col,        \
                            const double *b, int64_t b_row, double *c, int64_t c_row)                                 \
    {                                                                                                                 \
        __m512d s0[rows], s1[rows];                                                                                   \
        for (int i = 0; i < rows; i++) {                                                                              \
            s0[i] = _mm512_maskz_loadu_pd(m0, c + i * c_row);                                                         \
            s1[i] = _mm512_maskz_loadu_pd(m1, c + i * c_row + 8);                                                     \
        }                                                                                                             \
        for (int64_t q = 0; q < l; q++, a += a_col, b += b_row) {                                                      \
            __m512d b0 = _mm512_maskz_loadu_pd(m0, b), b1 = _mm512_maskz_loadu_pd(m1, b + 8);                         \
            for (int i = 0; i < rows; i++) {                                                                          \
                __m512d va = _mm512_set1_pd(a[i * a_row]);                                                            \
                s0[i] = _mm512_fmadd_pd(va, b0, s0[i]);                                                               \
                s1[i] = _mm512_fmadd_pd(va, b1, s1[i]);                                                               \
            }                                                                                                         \
        }                                                                                                             \
        for (int i = 0; i < rows; i++) {                                                                              \
            _mm512_mask_storeu_pd(c + i * c_row, m0, s0[i]);                                                          \
            _mm512_mask_storeu_pd(c + i * c_row + 8, m1, s1[i]);                                                      \
        }                                                                                                             \
    }
TILE(8)
TILE(4)
TILE(2)
TILE(1)

static inline __mmask8 low_mask(int64_t count)
{
    return count >= 8 ? 0xff : count <= 0 ? 0 : (__mmask8)((1 << count) - 1);
}

#define DEPTH 256

static void gemm(int64_t m, int64_t n, int64_t l, const double *a, int64_t a_row, int64_t a_col, const double *b,
                 int64_t b_row, double *c, int64_t c_row)
{
    for (int64_t q = 0; q < l; q += DEPTH, a += DEPTH * a_col, b += DEPTH * b_row) {
        int64_t depth = l - q < DEPTH ? l - q : DEPTH;
        for (int64_t j = 0; j < n; j += 16) {
            __mmask8 m0 = low_mask(n - j), m1 = low_mask(n - j - 8);
            int64_t i = 0;
            for (; i + 8 <= m; i += 8) {
                tile_8(m0, m1, depth, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j, c_row);
            }
            if (i + 4 <= m) {
                tile_4(m0, m1, depth, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j, c_row);
                i += 4;
            }
            if (i + 2 <= m) {
                tile_2(m0, m1, depth, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j, c_row);
                i += 2;
            }
            if (i < m) {
                tile_1(m0, m1, depth, a + i * a_row, a_row, a_col, b + j, b_row, c + i * c_row + j, c_row);
            }
        }
    }
}

static void mix(int64_t rows, const int32_t *cell, const double *v, int width, const double *map, int64_t k, double *out)
{
    for (int64_t i = 0; i < rows; i++, v += width, out += k) {
        const double *m = map + cell[i] * width * k;
        for (int64_t j = 0; j < k; j += 8) {
            __mmask8 mask = low_mask(k - j);
            __m512d sum = _mm512_mul_pd(_mm512_set1_pd(v[0]), _mm512_maskz_loadu_pd(mask, m + j));
            for (int r = 1; r < width; r++) {
                sum = _mm512_fmadd_pd(_mm512_set1_pd(v[r]), _mm512_maskz_loadu_pd(mask, m + r * k + j), sum);
            }
            _mm512_mask_storeu_pd(out + j, mask, sum);
        }
    }
}

const w_kernels w_kernels_avx512 = { "avx512", scatter, gemm, mix };
#else
typedef int w_kernel_avx512_unused;
#endif
