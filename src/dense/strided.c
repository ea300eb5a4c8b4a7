/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/strided.h"

#include <math.h>
#include <string.h>

#define BLOCK 32 /* a block of both storage orders stays in the first cache */

#define COPY_BLOCK(type)                                                                                             \
    for (int64_t j = c; j < c_end; j++) {                                                                            \
        for (int64_t i = r; i < r_end; i++) {                                                                        \
            ((type *)to->data)[i * to->row_stride + j * to->col_stride] =                                            \
                ((const type *)from->data)[i * from->row_stride + j * from->col_stride];                             \
        }                                                                                                            \
    }

void w_matrix_copy(const weir_matrix *from, const weir_matrix *to)
{
    for (int64_t c = 0; c < from->cols; c += BLOCK) {
        const int64_t c_end = w_min64(from->cols, c + BLOCK);
        for (int64_t r = 0; r < from->rows; r += BLOCK) {
            const int64_t r_end = w_min64(from->rows, r + BLOCK);
            if (from->dtype == WEIR_F32) {
                COPY_BLOCK(float)
            } else {
                COPY_BLOCK(double)
            }
        }
    }
}

/* The neighbours in memory first. */
static weir_matrix inner_columns(const weir_matrix *a)
{
    const int64_t row = a->row_stride < 0 ? -a->row_stride : a->row_stride, col = a->col_stride < 0 ? -a->col_stride : a->col_stride;
    return row <= col ? *a : w_matrix_turned(a);
}

double w_matrix_largest(const weir_matrix *a)
{
    const weir_matrix v = inner_columns(a);
    double most = 0.0;
    bool missing = false;
    for (int64_t j = 0; j < v.cols; j++) {
        const double *wide = (const double *)v.data + j * v.col_stride;
        const float *single = (const float *)v.data + j * v.col_stride;
        for (int64_t i = 0; i < v.rows; i++) {
            const double x = fabs(v.dtype == WEIR_F32 ? (double)single[i * v.row_stride] : wide[i * v.row_stride]);
            most = x > most ? x : most;
            missing |= isnan(x);
        }
    }
    return missing ? NAN : most;
}

void w_matrix_scale(const weir_matrix *a, int power)
{
    const weir_matrix v = inner_columns(a);
    for (int64_t j = 0; power != 0 && j < v.cols; j++) {
        for (int64_t i = 0; i < v.rows; i++) {
            void *at = w_matrix_at(&v, i, j);
            if (v.dtype == WEIR_F32) {
                *(float *)at = ldexpf(*(float *)at, power);
            } else {
                *(double *)at = ldexp(*(double *)at, power);
            }
        }
    }
}

w_placed w_place(w_scratch *s, const weir_matrix *a)
{
    w_placed placed = { *a, false };
    if (a->rows <= 1) {
        placed.m.row_stride = 1;
    } else if (a->cols <= 1 && a->row_stride != 1) {
        placed.m.col_stride = 1;
    } else if (a->row_stride != 1 && a->col_stride != 1) {
        const int64_t bytes = w_mul64(w_mul64(a->rows, a->cols), w_matrix_size(a));
        placed.m = w_matrix_columns(w_scratch_take(s, bytes), a->dtype, a->rows, a->cols);
        placed.copied = true;
    }
    return placed;
}

w_placed w_place_filled(w_scratch *s, const weir_matrix *a)
{
    const w_placed placed = w_place(s, a);
    if (s->base && placed.copied) {
        w_matrix_copy(a, &placed.m);
    }
    return placed;
}

void w_place_back(const w_placed *placed, const weir_matrix *a)
{
    if (placed->copied) {
        w_matrix_copy(&placed->m, a);
    }
}
