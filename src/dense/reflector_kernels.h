/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of reflector.h for one element type: included twice by reflector_tables.h. */
#include "dense/panel_lanes.h"

#if defined W_LANES_AVX512
#define REFLECTOR_SUMS 2 /* chains of additions per column of a step */
#define REFLECTOR_PART 8 /* columns of V that are taken at once */
#else
#define REFLECTOR_SUMS 1
#define REFLECTOR_PART 4
#endif
#if PANEL_FLOAT
#define PANEL_BITS int32_t
#define PANEL_BITS_ABS INT32_MAX
#else
#define PANEL_BITS int64_t
#define PANEL_BITS_ABS INT64_MAX
#endif
#define REFLECTOR_GROUP 3 /* columns of C that are taken at once */

PANEL_INLINE real PANEL(total)(PANEL_VECTOR x)
{
#if defined W_LANES_AVX512 && PANEL_FLOAT
    return _mm512_reduce_add_ps(x);
#elif defined W_LANES_AVX512
    return _mm512_reduce_add_pd(x);
#else
    real part[PANEL_LANES];
    vstore(part, x);
    for (int half = PANEL_LANES / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            part[i] += part[i + half];
        }
    }
    return part[0];
#endif
}

/* The totals of REFLECTOR_PART vectors, side by side. */
#if defined W_LANES_AVX512 && !PANEL_FLOAT
PANEL_INLINE void PANEL(totals)(PANEL_VECTOR sum[REFLECTOR_PART][REFLECTOR_GROUP], const int q, real *out)
{
    __m512d pair[4], four[2];
    PANEL_UNROLL
    for (int p = 0; p < 4; p++) {
        pair[p] = _mm512_add_pd(_mm512_unpacklo_pd(sum[2 * p][q], sum[2 * p + 1][q]),
                                _mm512_unpackhi_pd(sum[2 * p][q], sum[2 * p + 1][q]));
    }
    PANEL_UNROLL
    for (int p = 0; p < 2; p++) {
        four[p] = _mm512_add_pd(_mm512_shuffle_f64x2(pair[2 * p], pair[2 * p + 1], 0x88),
                                _mm512_shuffle_f64x2(pair[2 * p], pair[2 * p + 1], 0xdd));
    }
    _mm512_storeu_pd(out, _mm512_add_pd(_mm512_shuffle_f64x2(four[0], four[1], 0x88),
                                        _mm512_shuffle_f64x2(four[0], four[1], 0xdd)));
}
#elif defined W_LANES_AVX512
PANEL_INLINE void PANEL(totals)(PANEL_VECTOR sum[REFLECTOR_PART][REFLECTOR_GROUP], const int q, real *out)
{
    __m256 half[8], four[2];
    PANEL_UNROLL
    for (int p = 0; p < 8; p++) {
        half[p] = _mm256_add_ps(_mm512_castps512_ps256(sum[p][q]), _mm512_extractf32x8_ps(sum[p][q], 1));
    }
    PANEL_UNROLL
    for (int p = 0; p < 2; p++) {
        four[p] = _mm256_hadd_ps(_mm256_hadd_ps(half[4 * p], half[4 * p + 1]), _mm256_hadd_ps(half[4 * p + 2], half[4 * p + 3]));
    }
    _mm256_storeu_ps(out, _mm256_add_ps(_mm256_permute2f128_ps(four[0], four[1], 0x20),
                                        _mm256_permute2f128_ps(four[0], four[1], 0x31)));
}
#else
PANEL_INLINE void PANEL(totals)(PANEL_VECTOR sum[REFLECTOR_PART][REFLECTOR_GROUP], const int q, real *out)
{
    PANEL_UNROLL
    for (int p = 0; p < REFLECTOR_PART; p++) {
        out[p] = PANEL(total)(sum[p][q]);
    }
}
#endif

/* One vector of rows of a step: `width` columns from the first. */
PANEL_INLINE void PANEL(step_rows)(const int width, const bool moved, real *v, PANEL_VECTOR scale, const PANEL_VECTOR *factor,
                                   real *a, int64_t ld, PANEL_VECTOR *sum)
{
    PANEL_VECTOR x = vset(0), lead = vset(0);
    if (moved) {
        x = vload(v) * scale;
        vstore(v, x);
    }
    PANEL_UNROLL
    for (int k = 0; k < width; k++) {
        PANEL_VECTOR y = vload(a + k * ld);
        if (moved) {
            y = vfnma(x, factor[k], y);
            vstore(a + k * ld, y);
        }
        if (k == 0) {
            lead = y;
        }
        sum[k] = vfma(lead, y, sum[k]);
    }
}

PANEL_INLINE void PANEL(step_width)(int64_t rows, const int width, const bool moved, real *v, const real *f, real *a, int64_t ld,
                                    real *dots)
{
    PANEL_VECTOR sum[REFLECTOR_SUMS][W_REFLECTOR_BLOCK], factor[W_REFLECTOR_BLOCK], scale = vset(moved ? f[0] : 1);
    PANEL_UNROLL
    for (int k = 0; k < width; k++) {
        factor[k] = vset(moved ? f[k + 1] : 0);
        PANEL_UNROLL
        for (int s = 0; s < REFLECTOR_SUMS; s++) {
            sum[s][k] = vset(0);
        }
    }
    int64_t i = 0;
    for (; i + REFLECTOR_SUMS * PANEL_LANES <= rows; i += REFLECTOR_SUMS * PANEL_LANES) {
        PANEL_UNROLL
        for (int s = 0; s < REFLECTOR_SUMS; s++) {
            PANEL(step_rows)(width, moved, v + i + s * PANEL_LANES, scale, factor, a + i + s * PANEL_LANES, ld, sum[s]);
        }
    }
    for (; i < rows; i += PANEL_LANES) {
        PANEL(step_rows)(width, moved, v + i, scale, factor, a + i, ld, sum[0]);
    }
    PANEL_UNROLL
    for (int k = 0; k < width; k++) {
        PANEL_UNROLL
        for (int s = 1; s < REFLECTOR_SUMS; s++) {
            sum[0][k] = sum[0][k] + sum[s][k];
        }
        dots[k] = PANEL(total)(sum[0][k]);
    }
}

static void PANEL(first)(int64_t rows, int width, const void *columns, int64_t ld, void *dots)
{
    real *a = (real *)columns; /* only read: `moved` is false */
    if (width == W_REFLECTOR_BLOCK) {
        PANEL(step_width)(rows, W_REFLECTOR_BLOCK, false, a, NULL, a, ld, dots);
        return;
    }
    for (int k = 0; k < width; k++) {
        real pair[2];
        PANEL(step_width)(rows, 2, false, a, NULL, a, k * ld, pair);
        ((real *)dots)[k] = pair[1];
    }
}

static void PANEL(step)(int64_t rows, int width, void *v, const void *f, void *a, int64_t ld, void *dots)
{
    switch (width) {
    case 0: PANEL(step_width)(rows, 0, true, v, f, a, ld, dots); break;
    case 1: PANEL(step_width)(rows, 1, true, v, f, a, ld, dots); break;
    case 2: PANEL(step_width)(rows, 2, true, v, f, a, ld, dots); break;
    case 3: PANEL(step_width)(rows, 3, true, v, f, a, ld, dots); break;
    case 4: PANEL(step_width)(rows, 4, true, v, f, a, ld, dots); break;
    case 5: PANEL(step_width)(rows, 5, true, v, f, a, ld, dots); break;
    case 6: PANEL(step_width)(rows, 6, true, v, f, a, ld, dots); break;
    default: PANEL(step_width)(rows, 7, true, v, f, a, ld, dots); break;
    }
}

PANEL_INLINE void PANEL(products_of)(int64_t rows, const real *v, int64_t ldv, const int columns, const real *c, int64_t ldc,
                                     real *w)
{
    PANEL_VECTOR sum[REFLECTOR_PART][REFLECTOR_GROUP];
    PANEL_UNROLL
    for (int p = 0; p < REFLECTOR_PART; p++) {
        PANEL_UNROLL
        for (int q = 0; q < columns; q++) {
            sum[p][q] = vset(0);
        }
    }
    for (int64_t i = 0; i < rows; i += PANEL_LANES) {
        PANEL_VECTOR y[REFLECTOR_GROUP];
        PANEL_UNROLL
        for (int q = 0; q < columns; q++) {
            y[q] = vload(c + i + q * ldc);
        }
        PANEL_UNROLL
        for (int p = 0; p < REFLECTOR_PART; p++) {
            const PANEL_VECTOR x = vload(v + i + p * ldv);
            PANEL_UNROLL
            for (int q = 0; q < columns; q++) {
                sum[p][q] = vfma(x, y[q], sum[p][q]);
            }
        }
    }
    PANEL_UNROLL
    for (int q = 0; q < columns; q++) {
        PANEL(totals)(sum, q, w + q * W_REFLECTOR_BLOCK);
    }
}

static void PANEL(products)(int64_t rows, const void *vv, int64_t ldv, int64_t columns, const void *cc, int64_t ldc, void *ww)
{
    for (int part = 0; part < W_REFLECTOR_BLOCK; part += REFLECTOR_PART) {
        const real *v = (const real *)vv + part * ldv, *c = cc;
        real *w = (real *)ww + part;
        int64_t q = 0;
        for (; q + REFLECTOR_GROUP <= columns; q += REFLECTOR_GROUP) {
            PANEL(products_of)(rows, v, ldv, REFLECTOR_GROUP, c + q * ldc, ldc, w + q * W_REFLECTOR_BLOCK);
        }
        if (columns - q == 2) {
            PANEL(products_of)(rows, v, ldv, 2, c + q * ldc, ldc, w + q * W_REFLECTOR_BLOCK);
        } else if (columns - q == 1) {
            PANEL(products_of)(rows, v, ldv, 1, c + q * ldc, ldc, w + q * W_REFLECTOR_BLOCK);
        }
    }
}

PANEL_INLINE void PANEL(subtract_of)(int64_t rows, const real *v, int64_t ldv, const int columns, real *c, int64_t ldc,
                                     const real *w)
{
    PANEL_VECTOR factor[REFLECTOR_PART][REFLECTOR_GROUP];
    PANEL_UNROLL
    for (int p = 0; p < REFLECTOR_PART; p++) {
        PANEL_UNROLL
        for (int q = 0; q < columns; q++) {
            factor[p][q] = vset(w[q * W_REFLECTOR_BLOCK + p]);
        }
    }
    for (int64_t i = 0; i < rows; i += PANEL_LANES) {
        PANEL_VECTOR y[REFLECTOR_GROUP];
        PANEL_UNROLL
        for (int q = 0; q < columns; q++) {
            y[q] = vload(c + i + q * ldc);
        }
        PANEL_UNROLL
        for (int p = 0; p < REFLECTOR_PART; p++) {
            const PANEL_VECTOR x = vload(v + i + p * ldv);
            PANEL_UNROLL
            for (int q = 0; q < columns; q++) {
                y[q] = vfnma(x, factor[p][q], y[q]);
            }
        }
        PANEL_UNROLL
        for (int q = 0; q < columns; q++) {
            vstore(c + i + q * ldc, y[q]);
        }
    }
}

static void PANEL(subtract)(int64_t rows, const void *vv, int64_t ldv, int64_t columns, void *cc, int64_t ldc, const void *ww)
{
    for (int part = 0; part < W_REFLECTOR_BLOCK; part += REFLECTOR_PART) {
        const real *v = (const real *)vv + part * ldv, *w = (const real *)ww + part;
        real *c = cc;
        int64_t q = 0;
        for (; q + REFLECTOR_GROUP <= columns; q += REFLECTOR_GROUP) {
            PANEL(subtract_of)(rows, v, ldv, REFLECTOR_GROUP, c + q * ldc, ldc, w + q * W_REFLECTOR_BLOCK);
        }
        if (columns - q == 2) {
            PANEL(subtract_of)(rows, v, ldv, 2, c + q * ldc, ldc, w + q * W_REFLECTOR_BLOCK);
        } else if (columns - q == 1) {
            PANEL(subtract_of)(rows, v, ldv, 1, c + q * ldc, ldc, w + q * W_REFLECTOR_BLOCK);
        }
    }
}

/* Eight rows: sum_j m_j x_j over the columns of an 8 x 8 matrix. */
typedef real PANEL(eight) __attribute__((vector_size(W_REFLECTOR_BLOCK * sizeof(real))));

PANEL_INLINE void PANEL(multiply)(const PANEL(eight) *m, const real *x, PANEL(eight) *out)
{
    PANEL(eight) sum[2];
    sum[0] = m[0] * x[0];
    sum[1] = m[1] * x[1];
    PANEL_UNROLL
    for (int j = 2; j < W_REFLECTOR_BLOCK; j += 2) {
        sum[0] += m[j] * x[j];
        sum[1] += m[j + 1] * x[j + 1];
    }
    *out = sum[0] + sum[1];
}

static void PANEL(head)(int trans, const void *triangle, const void *vhead, int64_t columns, void *chead, int64_t ldh, void *ww)
{
    const real *t = triangle, *vh = vhead;
    PANEL(eight) turned[W_REFLECTOR_BLOCK], op[W_REFLECTOR_BLOCK], plain[W_REFLECTOR_BLOCK];
    for (int j = 0; j < W_REFLECTOR_BLOCK; j++) {
        for (int i = 0; i < W_REFLECTOR_BLOCK; i++) {
            turned[j][i] = vh ? vh[j + i * W_REFLECTOR_BLOCK] : (real)(i == j);
            plain[j][i] = vh ? vh[i + j * W_REFLECTOR_BLOCK] : (real)(i == j);
            op[j][i] = trans ? t[j + i * W_REFLECTOR_BLOCK] : t[i + j * W_REFLECTOR_BLOCK];
        }
    }
    for (int64_t q = 0; q < columns; q++) {
        real *w = (real *)ww + q * W_REFLECTOR_BLOCK, *c = (real *)chead + q * ldh;
        PANEL(eight) x, y;
        if (vh) {
            PANEL(multiply)(turned, c, &y);
        } else {
            memcpy(&y, c, sizeof y);
        }
        memcpy(&x, w, sizeof x);
        x += y;
        memcpy(w, &x, sizeof x);
        PANEL(multiply)(op, w, &x);
        memcpy(w, &x, sizeof x);
        if (vh) {
            PANEL(multiply)(plain, w, &x);
        }
        memcpy(&y, c, sizeof y);
        y -= x;
        memcpy(c, &y, sizeof y);
    }
}

/* Absolute values as integers: NaN and infinity are larger than numbers. */
static double PANEL(largest)(int64_t rows, const void *column)
{
    PANEL_BITS most = 0;
    real value;
    for (int64_t i = 0; i < rows; i++) {
        PANEL_BITS bits;
        memcpy(&bits, (const real *)column + i, sizeof bits);
        bits &= PANEL_BITS_ABS;
        most = bits > most ? bits : most;
    }
    memcpy(&value, &most, sizeof value);
    return (double)value;
}
