/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of lu.h for one element type: included twice by lu_tables.h. */
#include "dense/panel_lanes.h"

#undef vmaxabs
#if defined W_LANES_AVX512 && PANEL_FLOAT
#define vmaxabs(x, m) _mm512_max_ps(_mm512_abs_ps(x), m)
#elif defined W_LANES_AVX512
#define vmaxabs(x, m) _mm512_max_pd(_mm512_abs_pd(x), m)
#elif defined W_LANES_AVX2 && PANEL_FLOAT
#define vmaxabs(x, m) _mm256_max_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), x), m)
#elif defined W_LANES_AVX2
#define vmaxabs(x, m) _mm256_max_pd(_mm256_andnot_pd(_mm256_set1_pd(-0.0), x), m)
#else
static inline PANEL_VECTOR PANEL(largest)(PANEL_VECTOR x, PANEL_VECTOR m)
{
    for (int i = 0; i < PANEL_LANES; i++) {
        const real size = x[i] < 0 ? -x[i] : x[i];
        m[i] = size > m[i] ? size : m[i];
    }
    return m;
}
#define vmaxabs(x, m) PANEL(largest)(x, m)
#endif

enum { PANEL(lu_strip) = PANEL_LANES * PANEL_VECTORS };

PANEL_INLINE double PANEL(lu_step)(int64_t strips, real *x, int64_t step, const int j, real scale, const real *u)
{
    enum { STRIP = PANEL(lu_strip) };
    const PANEL_VECTOR factor = vset(scale);
    PANEL_VECTOR most = vset(0);
    for (int64_t s = 0; s < strips; s++, x += step) {
        PANEL_UNROLL
        for (int v = 0; v < PANEL_VECTORS; v++) {
            real *at = x + v * PANEL_LANES;
            PANEL_VECTOR y = vload(at + j * STRIP);
            PANEL_UNROLL
            for (int p = 0; p < j; p++) {
                PANEL_VECTOR l = vload(at + p * STRIP);
                if (p == j - 1) {
                    l = l * factor;
                    vstore(at + p * STRIP, l);
                }
                y = vfnma(l, vset(u[p]), y);
            }
            vstore(at + j * STRIP, y);
            most = vmaxabs(y, most);
        }
    }
    real lane[PANEL_LANES], largest = 0;
    vstore(lane, most);
    for (int i = 0; i < PANEL_LANES; i++) {
        largest = lane[i] > largest ? lane[i] : largest;
    }
    return largest;
}

static double PANEL(lu_column)(int64_t strips, void *x, int64_t step, int j, double scale, const void *u)
{
    switch (j) {
    case 0: return PANEL(lu_step)(strips, x, step, 0, (real)scale, u);
    case 1: return PANEL(lu_step)(strips, x, step, 1, (real)scale, u);
    case 2: return PANEL(lu_step)(strips, x, step, 2, (real)scale, u);
    case 3: return PANEL(lu_step)(strips, x, step, 3, (real)scale, u);
#if PANEL_SLICE > 4
    case 4: return PANEL(lu_step)(strips, x, step, 4, (real)scale, u);
    case 5: return PANEL(lu_step)(strips, x, step, 5, (real)scale, u);
    case 6: return PANEL(lu_step)(strips, x, step, 6, (real)scale, u);
#endif
    default: return PANEL(lu_step)(strips, x, step, PANEL_SLICE - 1, (real)scale, u);
    }
}

static void PANEL(lu_scale)(int64_t strips, void *columns, int64_t step, double scale)
{
    real *x = columns;
    const PANEL_VECTOR factor = vset((real)scale);
    for (int64_t s = 0; s < strips; s++, x += step) {
        for (int v = 0; v < PANEL_VECTORS; v++) {
            PANEL_VECTOR y = vload(x + v * PANEL_LANES) * factor;
            vstore(x + v * PANEL_LANES, y);
        }
    }
}

static int64_t PANEL(lu_find)(int64_t strips, const void *columns, int64_t step, double value)
{
    enum { STRIP = PANEL(lu_strip) };
    const real *x = columns, plus = (real)value, minus = -plus;
    for (int64_t s = 0; s < strips; s++, x += step) {
        int hit = 0;
        for (int r = 0; r < STRIP; r++) {
            hit |= (x[r] == plus) | (x[r] == minus);
        }
        for (int r = 0; hit && r < STRIP; r++) {
            if (x[r] == plus || x[r] == minus) {
                return s * STRIP + r;
            }
        }
    }
    return -1;
}

/* Four sums side by side, so that they need not wait for one another. */
static void PANEL(lu_top)(int64_t n, const void *panel, int64_t step, void *out)
{
    enum { STRIP = PANEL(lu_strip) };
    typedef real row __attribute__((vector_size(PANEL_SLICE * sizeof(real))));
    real *u = out;
    for (int64_t r = 1; r < n; r++) {
        const real *l = (const real *)panel + r / STRIP * step + r % STRIP;
        row sum[4], x;
        memset(sum, 0, sizeof sum);
        int64_t p = 0;
        for (; p + 4 <= r; p += 4) {
            for (int i = 0; i < 4; i++) {
                memcpy(&x, u + (p + i) * STRIP, sizeof x);
                sum[i] += l[(p + i) * STRIP] * x;
            }
        }
        for (; p < r; p++) {
            memcpy(&x, u + p * STRIP, sizeof x);
            sum[0] += l[p * STRIP] * x;
        }
        memcpy(&x, u + r * STRIP, sizeof x);
        x -= (sum[0] + sum[1]) + (sum[2] + sum[3]);
        memcpy(u + r * STRIP, &x, sizeof x);
    }
}
