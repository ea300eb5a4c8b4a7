/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2 with FMA. A 4 x 4 block is four vectors  a_r * b;  per row and pair 32 flops and 2 x 128 bytes of table. */
#include "normal/kernel.h"

#if defined __x86_64__
#include <immintrin.h>

static inline __m256i low_mask(int64_t count)
{
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}

/* `in` is passed by value: vector stores may alias anything, so fields behind a pointer would be read again in every row. */
static inline int64_t block_of(w_rows in, int64_t i)
{
    return in.cell_a[i] * in.stride + in.cell_b[i];
}

static inline void add_row_of_4(__m256d a, __m256d b, double *t)
{
    _mm256_storeu_pd(t, _mm256_fmadd_pd(a, b, _mm256_loadu_pd(t)));
}

static void scatter_44(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    for (int64_t i = 0; i < in.rows; i++) {
        double *t = table + block_of(in, i) * 16;
        const double *a = in.a + 4 * i;
        __m256d vb = _mm256_loadu_pd(in.b + 4 * i);
        add_row_of_4(_mm256_broadcast_sd(a), vb, t);
        add_row_of_4(_mm256_broadcast_sd(a + 1), vb, t + 4);
        add_row_of_4(_mm256_broadcast_sd(a + 2), vb, t + 8);
        add_row_of_4(_mm256_broadcast_sd(a + 3), vb, t + 12);
    }
}

/* The block stays in registers while rows hit it. */
static void runs_44(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    __m256d sum[4];
    double *t = table;
    int64_t open = -1;
    for (int64_t i = 0; i < in.rows; i++) {
        int64_t block = block_of(in, i);
        if (block != open) {
            for (int r = 0; r < 4 && open >= 0; r++) {
                _mm256_storeu_pd(t + 4 * r, sum[r]);
            }
            t = table + block * 16;
            for (int r = 0; r < 4; r++) {
                sum[r] = _mm256_loadu_pd(t + 4 * r);
            }
            open = block;
        }
        __m256d vb = _mm256_loadu_pd(in.b + 4 * i);
        for (int r = 0; r < 4; r++) {
            sum[r] = _mm256_fmadd_pd(_mm256_broadcast_sd(in.a + 4 * i + r), vb, sum[r]);
        }
    }
    for (int r = 0; r < 4 && open >= 0; r++) {
        _mm256_storeu_pd(t + 4 * r, sum[r]);
    }
}

static void scatter_w4(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    int64_t area = (int64_t)in.width_a * 4;
    const double *a = in.a;
    for (int64_t i = 0; i < in.rows; i++, a += in.width_a) {
        double *t = table + block_of(in, i) * area;
        __m256d vb = _mm256_loadu_pd(in.b + 4 * i);
        for (int r = 0; r < in.width_a; r++) {
            add_row_of_4(_mm256_broadcast_sd(a + r), vb, t + 4 * r);
        }
    }
}

static void scatter_11(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    for (int64_t i = 0; i < in.rows; i++) {
        double *t = table + block_of(in, i);
        *t = __builtin_fma(in.a[i], in.b[i], *t);
    }
}

static void scatter_any(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    int width_a = in.width_a, width_b = in.width_b, whole = width_b & ~3;
    int64_t area = (int64_t)width_a * width_b;
    const double *a = in.a, *b = in.b;
    for (int64_t i = 0; i < in.rows; i++, a += width_a, b += width_b) {
        double *t = table + block_of(in, i) * area;
        for (int r = 0; r < width_a; r++, t += width_b) {
            __m256d va = _mm256_broadcast_sd(a + r);
            for (int s = 0; s < whole; s += 4) {
                add_row_of_4(va, _mm256_loadu_pd(b + s), t + s);
            }
            for (int s = whole; s < width_b; s++) {
                t[s] = __builtin_fma(a[r], b[s], t[s]);
            }
        }
    }
}

static void four(const w_rows *x, double *table_x, const w_rows *y, double *table_y)
{
    scatter_44(x, table_x);
    scatter_44(y, table_y);
}

static void spline(const w_rows *x, double *table_x, const w_rows *y, double *table_y)
{
    scatter_w4(x, table_x);
    scatter_44(y, table_y);
}

static w_scatter_fn scatter(int width_a, int width_b, bool runs)
{
    if (width_b == 4) {
        return width_a != 4 ? scatter_w4 : runs ? runs_44 : scatter_44;
    }
    return width_a == 1 && width_b == 1 ? scatter_11 : scatter_any;
}

#define TILE(rows)                                                                                                    \
    static void tile_##rows(__m256i m0, __m256i m1, int64_t l, const double *a, int64_t a_row, int64_t a_col,          \
                            const double *b, int64_t b_row, double *c, int64_t c_row)                                 \
    {                                                                                                                 \
        __m256d s0[rows], s1[rows];                                                                                   \
        for (int i = 0; i < rows; i++) {                                                                              \
            s0[i] = _mm256_maskload_pd(c + i * c_row, m0);                                                            \
            s1[i] = _mm256_maskload_pd(c + i * c_row + 4, m1);                                                        \
        }                                                                                                             \
        for (int64_t q = 0; q < l; q++, a += a_col, b += b_row) {                                                      \
            __m256d b0 = _mm256_maskload_pd(b, m0), b1 = _mm256_maskload_pd(b + 4, m1);                               \
            for (int i = 0; i < rows; i++) {                                                                          \
                __m256d va = _mm256_broadcast_sd(a + i * a_row);                                                      \
                s0[i] = _mm256_fmadd_pd(va, b0, s0[i]);                                                               \
                s1[i] = _mm256_fmadd_pd(va, b1, s1[i]);                                                               \
            }                                                                                                         \
        }                                                                                                             \
        for (int i = 0; i < rows; i++) {                                                                              \
            _mm256_maskstore_pd(c + i * c_row, m0, s0[i]);                                                            \
            _mm256_maskstore_pd(c + i * c_row + 4, m1, s1[i]);                                                        \
        }                                                                                                             \
    }
TILE(4)
TILE(1)

/* Rows of l per turn: the packed columns of b (16 or 8 KiB) and a strip of a stay in the first-level cache. */
#define DEPTH 128
#define COLUMNS 8
/* Rows of c that make copying the columns of b worth while: they are then read at full speed whatever their stride. */
#define PACK_ROWS 16

static const double *pack(int64_t depth, int64_t columns, const double *b, int64_t b_row, double *to)
{
    for (int64_t q = 0; q < depth; q++, b += b_row) {
        for (int64_t j = 0; j < COLUMNS; j++) {
            to[q * COLUMNS + j] = j < columns ? b[j] : 0;
        }
    }
    return to;
}

static void gemm(int64_t m, int64_t n, int64_t l, const double *a, int64_t a_row, int64_t a_col, const double *b,
                 int64_t b_row, double *c, int64_t c_row)
{
    double copy[DEPTH * COLUMNS] __attribute__((aligned(64)));
    for (int64_t q = 0; q < l; q += DEPTH, a += DEPTH * a_col, b += DEPTH * b_row) {
        int64_t depth = l - q < DEPTH ? l - q : DEPTH;
        for (int64_t j = 0; j < n; j += 8) {
            __m256i m0 = low_mask(n - j), m1 = low_mask(n - j - 4);
            bool packed = m >= PACK_ROWS;
            const double *bj = packed ? pack(depth, n - j, b + j, b_row, copy) : b + j;
            int64_t i = 0, bj_row = packed ? COLUMNS : b_row;
            for (; i + 4 <= m; i += 4) {
                tile_4(m0, m1, depth, a + i * a_row, a_row, a_col, bj, bj_row, c + i * c_row + j, c_row);
            }
            for (; i < m; i++) {
                tile_1(m0, m1, depth, a + i * a_row, a_row, a_col, bj, bj_row, c + i * c_row + j, c_row);
            }
        }
    }
}

static void mix(int64_t rows, const int32_t *cell, const double *v, int width, const double *map, int64_t k, double *out)
{
    for (int64_t i = 0; i < rows; i++, v += width, out += k) {
        const double *m = map + cell[i] * width * k;
        for (int64_t j = 0; j < k; j += 4) {
            __m256i mask = low_mask(k - j);
            __m256d sum = _mm256_mul_pd(_mm256_broadcast_sd(v), _mm256_maskload_pd(m + j, mask));
            for (int r = 1; r < width; r++) {
                sum = _mm256_fmadd_pd(_mm256_broadcast_sd(v + r), _mm256_maskload_pd(m + r * k + j, mask), sum);
            }
            _mm256_maskstore_pd(out + j, mask, sum);
        }
    }
}

static void scale(int64_t rows, const double *weight, const double *v, int width, double *out)
{
    for (int64_t i = 0; i < rows; i++, v += width, out += width) {
        __m256d w = _mm256_broadcast_sd(weight + i);
        int r = 0;
        for (; r + 4 <= width; r += 4) {
            _mm256_storeu_pd(out + r, _mm256_mul_pd(w, _mm256_loadu_pd(v + r)));
        }
        for (; r < width; r++) {
            out[r] = weight[i] * v[r];
        }
    }
}

static void form_44(int64_t rows, const int32_t *cell, const double *a, const double *b, const double *table, double *lane)
{
    for (int64_t i = 0; i < rows; i++, a += 4, lane += 8) {
        const double *t = table + (int64_t)cell[i] * 16;
        __m256d vb = _mm256_loadu_pd(b + 4 * i), low = _mm256_loadu_pd(lane), high = _mm256_loadu_pd(lane + 4);
        low = _mm256_fmadd_pd(_mm256_mul_pd(_mm256_broadcast_sd(a), vb), _mm256_loadu_pd(t), low);
        high = _mm256_fmadd_pd(_mm256_mul_pd(_mm256_broadcast_sd(a + 1), vb), _mm256_loadu_pd(t + 4), high);
        low = _mm256_fmadd_pd(_mm256_mul_pd(_mm256_broadcast_sd(a + 2), vb), _mm256_loadu_pd(t + 8), low);
        high = _mm256_fmadd_pd(_mm256_mul_pd(_mm256_broadcast_sd(a + 3), vb), _mm256_loadu_pd(t + 12), high);
        _mm256_storeu_pd(lane, low);
        _mm256_storeu_pd(lane + 4, high);
    }
}

static void dot_4(int64_t rows, const int32_t *cell, const double *v, const double *g, double *lane)
{
    for (int64_t i = 0; i < rows; i++) {
        __m256d one = _mm256_loadu_pd(g + (int64_t)cell[i] * 4);
        _mm256_storeu_pd(lane + 4 * i, _mm256_fmadd_pd(_mm256_loadu_pd(v + 4 * i), one, _mm256_loadu_pd(lane + 4 * i)));
    }
}

const w_kernels w_kernels_avx2 = { "avx2", scatter, four, spline, gemm, mix, scale, form_44, dot_4 };
#else
typedef int w_kernel_avx2_unused;
#endif
