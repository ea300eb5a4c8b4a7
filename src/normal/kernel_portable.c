/* SPDX-License-Identifier: Apache-2.0 */
/* Plain C for any shape: 2 width_a width_b flops and 16 width_a width_b bytes of table traffic per row. */
#include "normal/kernel.h"

static void scatter_any(int64_t rows, const int32_t *cell, const double *a, int width_a, const double *b, int width_b,
                        double *table)
{
    int64_t area = (int64_t)width_a * width_b;
    for (int64_t i = 0; i < rows; i++) {
        double *restrict t = table + cell[i] * area;
        const double *av = a + i * width_a, *bv = b + i * width_b;
        for (int r = 0; r < width_a; r++) {
            double scale = av[r];
            for (int s = 0; s < width_b; s++) {
                t[s] += scale * bv[s];
            }
            t += width_b;
        }
    }
}

static void scatter_44(int64_t rows, const int32_t *cell, const double *a, int width_a, const double *b, int width_b,
                       double *table)
{
    (void)width_a;
    (void)width_b;
    for (int64_t i = 0; i < rows; i++) {
        double *restrict t = table + (int64_t)cell[i] * 16;
        const double *av = a + i * 4, *bv = b + i * 4;
        for (int r = 0; r < 4; r++) {
            for (int s = 0; s < 4; s++) {
                t[4 * r + s] += av[r] * bv[s];
            }
        }
    }
}

static w_scatter_fn scatter(int width_a, int width_b, int64_t bytes, bool runs)
{
    (void)bytes;
    (void)runs;
    return width_a == 4 && width_b == 4 ? scatter_44 : scatter_any;
}

static void gemm(int64_t m, int64_t n, int64_t l, const double *a, int64_t a_row, int64_t a_col, const double *b,
                 int64_t b_row, double *c, int64_t c_row)
{
    for (int64_t q = 0; q < l; q++) {
        for (int64_t i = 0; i < m; i++) {
            double scale = a[i * a_row + q * a_col];
            double *restrict t = c + i * c_row;
            const double *bv = b + q * b_row;
            for (int64_t j = 0; j < n; j++) {
                t[j] += scale * bv[j];
            }
        }
    }
}

static void mix(int64_t rows, const int32_t *cell, const double *v, int width, const double *map, int64_t k, double *out)
{
    for (int64_t i = 0; i < rows; i++) {
        const double *m = map + cell[i] * width * k;
        double *restrict o = out + i * k;
        for (int64_t j = 0; j < k; j++) {
            o[j] = v[i * width] * m[j];
        }
        for (int r = 1; r < width; r++) {
            for (int64_t j = 0; j < k; j++) {
                o[j] += v[i * width + r] * m[r * k + j];
            }
        }
    }
}

const w_kernels w_kernels_portable = { "portable", scatter, gemm, mix };
