/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of panel.h for one element type: included twice by panel_tables.h. */
#include "dense/panel_lanes.h"

#define PANEL_STRIP (PANEL_LANES * PANEL_VECTORS)
enum { PANEL(strip) = PANEL_STRIP, PANEL(count) = PANEL_LANES };

/* out[k * out_stride + r] = in[r * in_stride + k] for a square block of PANEL_BLOCK. */
#if defined W_LANES_AVX512 && !PANEL_FLOAT
PANEL_INLINE void PANEL(turn_block)(const real *in, int64_t in_stride, real *out, int64_t out_stride)
{
    __m512d r[8], t[8];
    for (int i = 0; i < 8; i++) {
        r[i] = vload(in + i * in_stride);
    }
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm512_unpacklo_pd(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_pd(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm512_shuffle_f64x2(t[i], t[i + 2], 0x88);
        r[i + 1] = _mm512_shuffle_f64x2(t[i + 1], t[i + 3], 0x88);
        r[i + 2] = _mm512_shuffle_f64x2(t[i], t[i + 2], 0xdd);
        r[i + 3] = _mm512_shuffle_f64x2(t[i + 1], t[i + 3], 0xdd);
    }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_f64x2(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_f64x2(r[i], r[i + 4], 0xdd);
    }
    for (int i = 0; i < 8; i++) {
        vstore(out + i * out_stride, t[i]);
    }
}
#elif (defined W_LANES_AVX512 || defined W_LANES_AVX2) && PANEL_FLOAT
PANEL_INLINE void PANEL(turn_block)(const real *in, int64_t in_stride, real *out, int64_t out_stride)
{
    __m256 r[8], t[8];
    for (int i = 0; i < 8; i++) {
        r[i] = _mm256_loadu_ps(in + i * in_stride);
    }
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(out + i * out_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(out + (i + 4) * out_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}
#elif defined W_LANES_AVX2
PANEL_INLINE void PANEL(turn_block)(const real *in, int64_t in_stride, real *out, int64_t out_stride)
{
    __m256d r[4], t[4];
    for (int i = 0; i < 4; i++) {
        r[i] = vload(in + i * in_stride);
    }
    for (int i = 0; i < 4; i += 2) {
        t[i] = _mm256_unpacklo_pd(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_pd(r[i], r[i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        vstore(out + i * out_stride, _mm256_permute2f128_pd(t[i], t[i + 2], 0x20));
        vstore(out + (i + 2) * out_stride, _mm256_permute2f128_pd(t[i], t[i + 2], 0x31));
    }
}
#else
PANEL_INLINE void PANEL(turn_block)(const real *in, int64_t in_stride, real *out, int64_t out_stride)
{
    for (int i = 0; i < PANEL_BLOCK; i++) {
        for (int j = 0; j < PANEL_BLOCK; j++) {
            out[i * out_stride + j] = in[j * in_stride + i];
        }
    }
}
#endif

/* out[k * out_stride + r] = in[r * in_stride + k]; r < rows, k < depth. */
static void PANEL(turn)(int64_t rows, int64_t depth, const real *in, int64_t in_stride, real *out, int64_t out_stride)
{
    int64_t k = 0;
    for (; k + PANEL_BLOCK <= depth; k += PANEL_BLOCK) {
        int64_t r = 0;
        for (; r + PANEL_BLOCK <= rows; r += PANEL_BLOCK) {
            PANEL(turn_block)(in + r * in_stride + k, in_stride, out + k * out_stride + r, out_stride);
        }
        for (; r < rows; r++) {
            for (int i = 0; i < PANEL_BLOCK; i++) {
                out[(k + i) * out_stride + r] = in[r * in_stride + k + i];
            }
        }
    }
    for (; k < depth; k++) {
        for (int64_t r = 0; r < rows; r++) {
            out[k * out_stride + r] = in[r * in_stride + k];
        }
    }
}

/* Contiguous rows, `whole` vectors and `part` elements: as they are into s, weighted into t; either may be NULL. */
PANEL_INLINE void PANEL(pack_rows)(int64_t depth, const int whole, const int part, const real *from, int64_t stride,
                                   const real *weight, real *s, real *t)
{
    for (int64_t k = 0; k < depth; k++, from += stride) {
        const PANEL_VECTOR factor = vset(t ? weight[k] : 1);
        PANEL_UNROLL
        for (int v = 0; v < PANEL_VECTORS; v++) {
            PANEL_VECTOR x = vset(0);
            if (v < whole) {
                x = vload(from + v * PANEL_LANES);
            } else if (v == whole && part > 0) {
                x = vpart(from + v * PANEL_LANES, part);
            }
            if (s) {
                vstore(s + k * PANEL_STRIP + v * PANEL_LANES, x);
            }
            if (t) {
                x = x * factor;
                vstore(t + k * PANEL_STRIP + v * PANEL_LANES, x);
            }
        }
    }
}

static void PANEL(pack_both)(int64_t depth, int64_t rows, const void *source, int64_t stride, const void *weight, void *s,
                             void *weighted)
{
    if (rows == PANEL_STRIP) {
        PANEL(pack_rows)(depth, PANEL_VECTORS, 0, source, stride, weight, s, weighted);
    } else {
        PANEL(pack_rows)(depth, (int)rows / PANEL_LANES, (int)rows % PANEL_LANES, source, stride, weight, s, weighted);
    }
}

static void PANEL(pack)(int64_t depth, int64_t rows, const void *source, int64_t depth_stride, int64_t row_stride,
                        const void *weight, void *strip)
{
    const real *from = source, *w = weight;
    real *s = strip;
    if (row_stride == 1) {
        PANEL(pack_both)(depth, rows, from, depth_stride, w, w ? NULL : s, w ? s : NULL);
        return;
    }
    if (depth_stride == 1 && !w) {
        PANEL(turn)(rows, depth, from, row_stride, s, PANEL_STRIP);
        for (int64_t k = 0; k < depth && rows < PANEL_STRIP; k++) {
            memset(s + k * PANEL_STRIP + rows, 0, (size_t)(PANEL_STRIP - rows) * sizeof *s);
        }
        return;
    }
    for (int64_t k = 0; k < depth; k++) {
        const real factor = w ? w[k] : (real)1;
        for (int64_t r = 0; r < rows; r++) {
            s[k * PANEL_STRIP + r] = factor * from[k * depth_stride + r * row_stride];
        }
        for (int64_t r = rows; r < PANEL_STRIP; r++) {
            s[k * PANEL_STRIP + r] = 0;
        }
    }
}

static void PANEL(unpack)(int64_t depth, int64_t rows, const void *strip, void *out, int64_t depth_stride, int64_t row_stride)
{
    const real *s = strip;
    real *to = out;
    if (depth_stride == 1) {
        PANEL(turn)(depth, rows, s, PANEL_STRIP, to, row_stride);
        return;
    }
    for (int64_t k = 0; k < depth; k++) {
        for (int64_t r = 0; r < rows; r++) {
            to[k * depth_stride + r * row_stride] = s[k * PANEL_STRIP + r];
        }
    }
}

/* sum[q][v] = sum_k a_k b_kq over the first `vectors` vectors of a strip. */
PANEL_INLINE void PANEL(product)(int64_t depth, const real *a, const real *b, int64_t b_stride, const int vectors,
                                 PANEL_VECTOR sum[PANEL_SLICE][PANEL_VECTORS])
{
    PANEL_UNROLL
    for (int q = 0; q < PANEL_SLICE; q++) {
        PANEL_UNROLL
        for (int v = 0; v < vectors; v++) {
            sum[q][v] = vset(0);
        }
    }
    PANEL_TWICE
    for (int64_t k = 0; k < depth; k++, a += PANEL_STRIP, b += b_stride) {
        PANEL_VECTOR x[PANEL_VECTORS];
        __builtin_prefetch(b + 8 * b_stride, 0, 3);
        PANEL_UNROLL
        for (int v = 0; v < vectors; v++) {
            x[v] = vload(a + v * PANEL_LANES);
        }
        PANEL_UNROLL
        for (int q = 0; q < PANEL_SLICE; q++) {
            const PANEL_VECTOR y = vset(b[q]);
            PANEL_UNROLL
            for (int v = 0; v < vectors; v++) {
                sum[q][v] = vfma(x[v], y, sum[q][v]);
            }
        }
    }
}

PANEL_INLINE void PANEL(update_vectors)(int64_t depth, const real *a, const real *b, int64_t b_stride, real alpha, real *c,
                                        int64_t ld, const int vectors)
{
    PANEL_VECTOR sum[PANEL_SLICE][PANEL_VECTORS];
    for (int q = 0; q < PANEL_SLICE; q++) {
        for (int v = 0; v < vectors; v++) {
            __builtin_prefetch(c + q * ld + v * PANEL_LANES, 1, 3);
        }
    }
    PANEL(product)(depth, a, b, b_stride, vectors, sum);
    const PANEL_VECTOR scale = vset(alpha);
    PANEL_UNROLL
    for (int q = 0; q < PANEL_SLICE; q++) {
        PANEL_UNROLL
        for (int v = 0; v < vectors; v++) {
            real *at = c + q * ld + v * PANEL_LANES;
            PANEL_VECTOR x = vfma(sum[q][v], scale, vload(at));
            vstore(at, x);
        }
    }
}

static void PANEL(update)(int64_t depth, const void *left, const void *right, double alpha, void *out, int64_t ld,
                          int64_t rows, int64_t columns, int64_t low, int64_t high)
{
    const real *a = left, *b = right;
    real *c = out;
    const int64_t used = high + columns - 1 < rows ? high + columns - 1 : rows;
    const int vectors = (int)((used + PANEL_LANES - 1) / PANEL_LANES);
    real buffer[PANEL_SLICE * PANEL_STRIP];
    const bool whole = columns == PANEL_SLICE && used == vectors * PANEL_LANES && high >= used &&
                       low + columns <= 1;
    if (!whole) {
        memset(buffer, 0, sizeof buffer);
        c = buffer;
    }
    const int64_t step = whole ? ld : PANEL_STRIP;
    if (vectors == 1) {
        PANEL(update_vectors)(depth, a, b, PANEL_STRIP, (real)alpha, c, step, 1);
    } else if (vectors == 2) {
        PANEL(update_vectors)(depth, a, b, PANEL_STRIP, (real)alpha, c, step, 2);
    } else {
        PANEL(update_vectors)(depth, a, b, PANEL_STRIP, (real)alpha, c, step, PANEL_VECTORS);
    }
    if (!whole) {
        real *to = out;
        for (int64_t q = 0; q < columns; q++) {
            const int64_t end = high + q < rows ? high + q : rows;
            for (int64_t r = low + q > 0 ? low + q : 0; r < end; r++) {
                to[q * ld + r] += buffer[q * PANEL_STRIP + r];
            }
        }
    }
}

static void PANEL(update_loose)(int64_t depth, const void *a, const void *b, int64_t b_stride, void *c, int64_t ld, int64_t rows)
{
    if (rows <= PANEL_LANES) {
        PANEL(update_vectors)(depth, a, b, b_stride, 1, c, ld, 1);
    } else if (rows <= 2 * PANEL_LANES) {
        PANEL(update_vectors)(depth, a, b, b_stride, 1, c, ld, 2);
    } else {
        PANEL(update_vectors)(depth, a, b, b_stride, 1, c, ld, PANEL_VECTORS);
    }
}

static void PANEL(solve)(int64_t depth, const void *left, const void *right, const void *corners, void *out)
{
    const real *corner = corners;
    real *x = out;
    PANEL_VECTOR sum[PANEL_SLICE][PANEL_VECTORS];
    PANEL(product)(depth, left, right, PANEL_STRIP, PANEL_VECTORS, sum);
    PANEL_UNROLL
    for (int q = 0; q < PANEL_SLICE; q++) {
        PANEL_UNROLL
        for (int v = 0; v < PANEL_VECTORS; v++) {
            sum[q][v] = vload(x + q * PANEL_STRIP + v * PANEL_LANES) - sum[q][v];
        }
    }
    PANEL_UNROLL
    for (int q = 0; q < PANEL_SLICE; q++) {
        const PANEL_VECTOR d = vset(corner[q * PANEL_SLICE + q]);
        PANEL_UNROLL
        for (int v = 0; v < PANEL_VECTORS; v++) {
            sum[q][v] = sum[q][v] * d;
            vstore(x + q * PANEL_STRIP + v * PANEL_LANES, sum[q][v]);
        }
        PANEL_UNROLL
        for (int p = q + 1; p < PANEL_SLICE; p++) {
            const PANEL_VECTOR t = vset(corner[q * PANEL_SLICE + p]);
            PANEL_UNROLL
            for (int v = 0; v < PANEL_VECTORS; v++) {
                sum[p][v] = vfnma(sum[q][v], t, sum[p][v]);
            }
        }
    }
}

static int64_t PANEL(corner)(int64_t count, void *symmetric, void *corners)
{
    real *x = symmetric, *corner = corners, l[PANEL_SLICE][PANEL_SLICE];
    for (int q = 0; q < PANEL_SLICE; q++) {
        for (int r = 0; r < PANEL_SLICE; r++) {
            l[q][r] = r >= q && r < count ? x[q * PANEL_STRIP + r] : (real)(r == q);
        }
    }
    for (int q = 0; q < PANEL_SLICE; q++) {
        const real square = l[q][q];
        if (!(square > 0 && square < (real)INFINITY)) {
            return q + 1;
        }
        const real root = PANEL_SQRT(square), inverse = 1 / root;
        real *row = corner + q * PANEL_SLICE;
        for (int r = 0; r < PANEL_SLICE; r++) {
            row[r] = l[q][r] = r < q ? 0 : l[q][r] * inverse;
        }
        for (int p = q + 1; p < PANEL_SLICE; p++) {
            for (int r = 0; r < PANEL_SLICE; r++) {
                l[p][r] -= row[p] * row[r];
            }
        }
        l[q][q] = root;
        row[q] = inverse;
    }
    for (int q = 0; q < PANEL_SLICE; q++) {
        for (int r = q; r < PANEL_SLICE; r++) {
            if (r < count) {
                x[q * PANEL_STRIP + r] = l[q][r];
            }
        }
    }
    return 0;
}
