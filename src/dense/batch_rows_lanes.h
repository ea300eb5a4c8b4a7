/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of dense/batch_chol.h that take rows, over the lanes of one instruction set: cross-products, and rows put side by side. */
#ifndef W_DENSE_BATCH_ROWS_LANES_H
#define W_DENSE_BATCH_ROWS_LANES_H

#include "dense/batch_chol.h"
#include "dense/lanes.h"

#if defined __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

#define EACH_PART(l) for (int l = 0; l < W_BATCH; l += LANES)
#define AT(array, e, l) ((array) + (int64_t)(e) * W_BATCH + (l))

/* I x J entries from row i and column j, j >= i + I - 1, in registers over all steps; `fresh`: acc is not read. */
#define TILE(NAME, I, J)                                                                                                        \
    LANES_INLINE void NAME(bool fresh, int64_t steps, int64_t p, const double *x, double *acc, int64_t i, int64_t j, int l)     \
    {                                                                                                                           \
        vec sum[I][J];                                                                                                          \
        for (int a = 0; a < I; a++)                                                                                             \
            for (int b = 0; b < J; b++)                                                                                         \
                sum[a][b] = fresh ? lanes_set(0.0) : lanes_load(AT(acc, w_packed(j + b) + i + a, l));                           \
        for (int64_t t = 0; t < steps; t++) {                                                                                   \
            const double *row = x + t * p * W_BATCH;                                                                            \
            vec left[I], right[J];                                                                                              \
            for (int a = 0; a < I; a++)                                                                                         \
                left[a] = lanes_load(AT(row, i + a, l));                                                                        \
            for (int b = 0; b < J; b++)                                                                                         \
                right[b] = lanes_load(AT(row, j + b, l));                                                                       \
            for (int a = 0; a < I; a++)                                                                                         \
                for (int b = 0; b < J; b++)                                                                                     \
                    sum[a][b] = lanes_fma(left[a], right[b], sum[a][b]);                                                        \
        }                                                                                                                       \
        for (int a = 0; a < I; a++)                                                                                             \
            for (int b = 0; b < J; b++)                                                                                         \
                lanes_store(AT(acc, w_packed(j + b) + i + a, l), sum[a][b]);                                                    \
    }
TILE(tile_4_4, 4, 4)
TILE(tile_4_1, 4, 1)
TILE(tile_1_1, 1, 1)
#undef TILE

/* Entries (a, b), i <= a <= b < i + 4. */
LANES_INLINE void corner_4(bool fresh, int64_t steps, int64_t p, const double *x, double *acc, int64_t i, int l)
{
    vec sum[4][4];
    for (int b = 0; b < 4; b++)
        for (int a = 0; a <= b; a++)
            sum[a][b] = fresh ? lanes_set(0.0) : lanes_load(AT(acc, w_packed(i + b) + i + a, l));
    for (int64_t t = 0; t < steps; t++) {
        const double *row = x + t * p * W_BATCH;
        vec value[4];
        for (int a = 0; a < 4; a++)
            value[a] = lanes_load(AT(row, i + a, l));
        for (int b = 0; b < 4; b++)
            for (int a = 0; a <= b; a++)
                sum[a][b] = lanes_fma(value[a], value[b], sum[a][b]);
    }
    for (int b = 0; b < 4; b++)
        for (int a = 0; a <= b; a++)
            lanes_store(AT(acc, w_packed(i + b) + i + a, l), sum[a][b]);
}

LANES_INLINE void gram_all(bool fresh, int64_t steps, int64_t p, const double *x, double *acc)
{
    EACH_PART(l) {
        for (int64_t i = 0; i < p; i += 4) {
            int64_t j = i;
            if (i + 4 > p) { /* the last corner */
                for (; j < p; j++) {
                    for (int64_t a = i; a <= j; a++) {
                        tile_1_1(fresh, steps, p, x, acc, a, j, l);
                    }
                }
                continue;
            }
            corner_4(fresh, steps, p, x, acc, i, l);
            for (j = i + 4; j + 4 <= p; j += 4) {
                tile_4_4(fresh, steps, p, x, acc, i, j, l);
            }
            for (; j < p; j++) {
                tile_4_1(fresh, steps, p, x, acc, i, j, l);
            }
        }
    }
}

static void gram(int64_t steps, int64_t p, const double *x, double *acc)
{
    gram_all(false, steps, p, x, acc);
}

static void gram_fresh(int64_t steps, int64_t p, const double *x, double *acc)
{
    gram_all(true, steps, p, x, acc);
}

/* BLOCK rows of acc from row i, V vectors of them from column j, in registers over all rows. */
#define BLOCK (LANES > 4 ? LANES : 4)
#define STRIP(NAME, V)                                                                                                          \
    LANES_INLINE void NAME(int64_t rows, const double *const *x, const double *const *y, int64_t stride, double *acc, int64_t i, \
                           int64_t j)                                                                                           \
    {                                                                                                                           \
        vec sum[BLOCK][V];                                                                                                      \
        UNROLL for (int a = 0; a < BLOCK; a++)                                                                                  \
            UNROLL for (int b = 0; b < V; b++)                                                                                  \
                sum[a][b] = lanes_load(acc + (i + a) * stride + j + b * LANES);                                                 \
        for (int64_t r = 0; r < rows; r++) {                                                                                    \
            const double *row = x[r], *other = y[r];                                                                            \
            vec right[V];                                                                                                       \
            UNROLL for (int b = 0; b < V; b++)                                                                                  \
                right[b] = lanes_load(other + j + b * LANES);                                                                   \
            UNROLL for (int a = 0; a < BLOCK; a++) {                                                                            \
                vec left = lanes_set(row[i + a]);                                                                               \
                UNROLL for (int b = 0; b < V; b++)                                                                              \
                    sum[a][b] = lanes_fma(left, right[b], sum[a][b]);                                                           \
            }                                                                                                                   \
        }                                                                                                                       \
        UNROLL for (int a = 0; a < BLOCK; a++)                                                                                  \
            UNROLL for (int b = 0; b < V; b++)                                                                                  \
                lanes_store(acc + (i + a) * stride + j + b * LANES, sum[a][b]);                                                 \
    }
STRIP(strip_3, 3)
STRIP(strip_2, 2)
STRIP(strip_1, 1)
#undef STRIP

/* Rows that stay in the near cache while all strips of acc pass over them. */
#define NEAR_VALUES 2048

static void gram_one(int64_t rows, const double *const *x, const double *const *y, int64_t p, int64_t stride, double *acc)
{
    const int64_t near = NEAR_VALUES / stride > 16 ? NEAR_VALUES / stride : 16;
    for (int64_t first = 0; first < rows; first += near, x += near, y += near) {
        const int64_t count = rows - first < near ? rows - first : near;
        for (int64_t i = 0; i < p; i += BLOCK) {
            int64_t j = i;
            for (; j + 3 * LANES <= stride; j += 3 * LANES) {
                strip_3(count, x, y, stride, acc, i, j);
            }
            if (j + 2 * LANES <= stride) {
                strip_2(count, x, y, stride, acc, i, j);
            } else if (j + LANES <= stride) {
                strip_1(count, x, y, stride, acc, i, j);
            }
        }
    }
}

#if defined W_LANES_AVX512
/* out[i*stride + l] = x[l][c + i], i and l in 0 ... 7. */
LANES_INLINE void transpose_8(const double *const *x, int64_t c, int64_t stride, double *out)
{
    __m512d r[8], s[8];
    for (int l = 0; l < 8; l++) {
        r[l] = _mm512_loadu_pd(x[l] + c);
    }
    for (int l = 0; l < 8; l += 2) {
        s[l] = _mm512_unpacklo_pd(r[l], r[l + 1]);
        s[l + 1] = _mm512_unpackhi_pd(r[l], r[l + 1]);
    }
    for (int h = 0; h < 2; h++) {
        __m512d a = _mm512_shuffle_f64x2(s[h], s[h + 2], 0x88), b = _mm512_shuffle_f64x2(s[h + 4], s[h + 6], 0x88);
        __m512d d = _mm512_shuffle_f64x2(s[h], s[h + 2], 0xdd), e = _mm512_shuffle_f64x2(s[h + 4], s[h + 6], 0xdd);
        _mm512_storeu_pd(out + (0 + h) * stride, _mm512_shuffle_f64x2(a, b, 0x88));
        _mm512_storeu_pd(out + (4 + h) * stride, _mm512_shuffle_f64x2(a, b, 0xdd));
        _mm512_storeu_pd(out + (2 + h) * stride, _mm512_shuffle_f64x2(d, e, 0x88));
        _mm512_storeu_pd(out + (6 + h) * stride, _mm512_shuffle_f64x2(d, e, 0xdd));
    }
}
#endif

static void interleave(int64_t p, const double *const *x, double *out)
{
    int64_t c = 0;
#if defined W_LANES_AVX512
    for (; c + 8 <= p; c += 8) {
        transpose_8(x, c, W_BATCH, out + c * W_BATCH);
    }
#endif
    for (; c < p; c++) {
        for (int l = 0; l < W_BATCH; l++) {
            out[c * W_BATCH + l] = x[l][c];
        }
    }
}

static void deal(int64_t values, const double *x, int count, double *const *out)
{
    for (int64_t e = 0; e < values; e += W_BATCH) {
#if defined W_LANES_AVX512
        const double *row[W_BATCH];
        double square[W_BATCH * W_BATCH];
        for (int l = 0; l < W_BATCH; l++) {
            row[l] = x + (e + l) * W_BATCH;
        }
        transpose_8(row, 0, W_BATCH, square);
        for (int l = 0; l < count; l++) {
            lanes_store(out[l] + e, lanes_load(square + l * W_BATCH));
        }
#else
        for (int l = 0; l < count; l++) {
            for (int i = 0; i < W_BATCH; i++) {
                out[l][e + i] = x[(e + i) * W_BATCH + l];
            }
        }
#endif
    }
}

static void add(int64_t n, const double *a, const double *b, double *out)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        lanes_store(out + i, lanes_load(a + i) + lanes_load(b + i));
    }
    for (; i < n; i++) {
        out[i] = a[i] + b[i];
    }
}

static void add_three(int64_t n, const double *a, const double *b, const double *c, double *out)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        lanes_store(out + i, lanes_load(a + i) + (lanes_load(b + i) + lanes_load(c + i)));
    }
    for (; i < n; i++) {
        out[i] = a[i] + (b[i] + c[i]);
    }
}

static void rows_times(int64_t rows, int64_t p, const double *x, int64_t stride, const double *beta, double *out)
{
    for (int64_t i = 0; i < rows; i++) {
        double sum[W_BATCH];
        EACH_PART(l) {
            vec part = lanes_set(0.0);
            for (int64_t c = l; c < p; c += W_BATCH) {
                part = lanes_fma(lanes_load(x + i * stride + c), lanes_load(beta + c), part);
            }
            lanes_store(sum + l, part);
        }
        out[i] = ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
    }
}

static void lay_columns(int64_t rows, int64_t columns, const double *const *x, int64_t stride, double *out)
{
    int64_t done = 0;
#if defined W_LANES_AVX512
    done = rows / 8 * 8;
    for (int64_t c = 0; c < columns; c += 8) {
        for (int64_t i = 0; i < done; i += 8) {
            transpose_8(x + c, i, stride, out + i * stride + c);
        }
    }
#endif
    for (int64_t c = 0; c < columns; c++) {
        for (int64_t i = done; i < rows; i++) {
            out[i * stride + c] = x[c][i];
        }
    }
}

static void lay_spline(int64_t rows, const int32_t *cell, const double *v, int width, const double *map, int64_t k, int64_t stride,
                       double *out)
{
    for (int64_t i = 0; i < rows; i++, v += width, out += stride) {
        const double *m = map + cell[i] * width * k;
        int64_t j = 0;
        for (; j + LANES <= k; j += LANES) {
            vec sum = lanes_set(v[0]) * lanes_load(m + j);
            for (int r = 1; r < width; r++) {
                sum = lanes_fma(lanes_set(v[r]), lanes_load(m + r * k + j), sum);
            }
            lanes_store(out + j, sum);
        }
#if defined W_LANES_AVX512
        if (j < k) {
            const mask rest = (mask)((1u << (k - j)) - 1);
            vec sum = lanes_set(v[0]) * _mm512_maskz_loadu_pd(rest, m + j);
            for (int r = 1; r < width; r++) {
                sum = lanes_fma(lanes_set(v[r]), _mm512_maskz_loadu_pd(rest, m + r * k + j), sum);
            }
            _mm512_mask_storeu_pd(out + j, rest, sum);
        }
#else
        for (; j < k; j++) {
            double sum = v[0] * m[j];
            for (int r = 1; r < width; r++) {
                sum = fma(v[r], m[r * k + j], sum);
            }
            out[j] = sum;
        }
#endif
    }
}

/* Rows of eight values: what has no cell stays in registers. */
LANES_INLINE void scatter_8(int64_t rows, const int32_t *cell, const double *v, const int rest, double *table, double *dense)
{
    EACH_PART(c) {
        vec sum[4];
        for (int q = 0; q < rest; q++) {
            sum[q] = lanes_load(dense + q * W_BATCH + c);
        }
        for (int64_t i = 0; i < rows; i++) {
            const double *row = v + i * W_BATCH;
            double *at = table + (int64_t)cell[i] * 4 * W_BATCH + c;
            const vec right = lanes_load(row + c);
            for (int r = 0; r < 4; r++) {
                lanes_store(at + r * W_BATCH, lanes_fma(lanes_set(row[r]), right, lanes_load(at + r * W_BATCH)));
            }
            for (int q = 0; q < rest; q++) {
                sum[q] = lanes_fma(lanes_set(row[4 + q]), right, sum[q]);
            }
        }
        for (int q = 0; q < rest; q++) {
            lanes_store(dense + q * W_BATCH + c, sum[q]);
        }
    }
}

static void scatter(int64_t rows, const int32_t *cell, const double *v, int64_t parts, int64_t rest, double *table, double *dense)
{
    const int64_t width = parts * W_BATCH;
    switch (parts == 1 ? rest : 0) {
    case 1: scatter_8(rows, cell, v, 1, table, dense); return;
    case 2: scatter_8(rows, cell, v, 2, table, dense); return;
    case 3: scatter_8(rows, cell, v, 3, table, dense); return;
    case 4: scatter_8(rows, cell, v, 4, table, dense); return;
    default: break;
    }
    for (int64_t i = 0; i < rows; i++, v += width) {
        double *at = table + cell[i] * 4 * width;
        for (int64_t c = 0; c < width; c += LANES) {
            const vec right = lanes_load(v + c);
            for (int r = 0; r < 4; r++) {
                lanes_store(at + r * width + c, lanes_fma(lanes_set(v[r]), right, lanes_load(at + r * width + c)));
            }
            for (int64_t q = 0; q < rest; q++) {
                lanes_store(dense + q * width + c, lanes_fma(lanes_set(v[4 + q]), right, lanes_load(dense + q * width + c)));
            }
        }
    }
}

static void spread(int64_t cells, const double *table, int64_t width, const double *map, int64_t stride, double *out)
{
    for (int64_t c = 0; c < cells; c++, map += 4 * stride) {
        for (int r = 0; r < 4; r++, table += width, out += stride) {
            const vec v[4] = { lanes_set(table[0]), lanes_set(table[1]), lanes_set(table[2]), lanes_set(table[3]) };
            for (int64_t j = 0; j < stride; j += LANES) {
                vec sum = v[0] * lanes_load(map + j);
                for (int s = 1; s < 4; s++) {
                    sum = lanes_fma(v[s], lanes_load(map + s * stride + j), sum);
                }
                lanes_store(out + j, sum);
            }
        }
    }
}

#endif
