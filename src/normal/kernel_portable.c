/* SPDX-License-Identifier: Apache-2.0 */
/* Plain C for any shape: 2 width_a width_b flops and 16 width_a width_b bytes of table traffic per row. */
#include "normal/kernel.h"

static void scatter_any(const w_rows *in, double *table)
{
    int64_t area = (int64_t)in->width_a * in->width_b;
    for (int64_t i = 0; i < in->rows; i++) {
        double *restrict t = table + (in->cell_a[i] * in->stride + in->cell_b[i]) * area;
        const double *av = in->a + i * in->width_a, *bv = in->b + i * in->width_b;
        for (int r = 0; r < in->width_a; r++, t += in->width_b) {
            double scale = av[r];
            for (int s = 0; s < in->width_b; s++) {
                t[s] += scale * bv[s];
            }
        }
    }
}

static void scatter_44(const w_rows *in, double *table)
{
    for (int64_t i = 0; i < in->rows; i++) {
        double *restrict t = table + (in->cell_a[i] * in->stride + in->cell_b[i]) * 16;
        const double *av = in->a + i * 4, *bv = in->b + i * 4;
        for (int r = 0; r < 4; r++) {
            for (int s = 0; s < 4; s++) {
                t[4 * r + s] += av[r] * bv[s];
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
    scatter_any(x, table_x);
    scatter_44(y, table_y);
}

static w_scatter_fn scatter(int width_a, int width_b, bool runs)
{
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

static void scale(int64_t rows, const double *weight, const double *v, int width, double *out)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int r = 0; r < width; r++) {
            out[i * width + r] = weight[i] * v[i * width + r];
        }
    }
}

static void form_44(int64_t rows, const int32_t *cell, const double *a, const double *b, const double *table, double *lane)
{
    for (int64_t i = 0; i < rows; i++, a += 4, b += 4, lane += 8) {
        const double *t = table + (int64_t)cell[i] * 16;
        for (int e = 0; e < 16; e++) {
            lane[e & 7] += a[e >> 2] * b[e & 3] * t[e];
        }
    }
}

static void dot_4(int64_t rows, const int32_t *cell, const double *v, const double *g, double *lane)
{
    for (int64_t i = 0; i < rows; i++) {
        const double *one = g + (int64_t)cell[i] * 4;
        for (int r = 0; r < 4; r++) {
            lane[4 * i + r] += v[4 * i + r] * one[r];
        }
    }
}

const w_kernels w_kernels_portable = { "portable", scatter, four, spline, gemm, mix, scale, form_44, dot_4 };
