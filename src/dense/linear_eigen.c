/* SPDX-License-Identifier: Apache-2.0 */
/* Symmetric eigenproblem of a view by LAPACK's divide and conquer: a matrix by rows is the transpose by columns, its triangles
 * exchanged; the vectors come as columns of the column-major matrix and are turned in place. */
#include "dense/linear.h"

#include <math.h>

#include "base/blas.h"

static int64_t work_count(int64_t n, bool vectors)
{
    return vectors ? w_add64(w_add64(1, w_mul64(38, n)), w_mul64(2, w_mul64(n, n))) : w_add64(1, w_mul64(38, n));
}

#define TURN(type)                                                                      \
    for (int64_t j = 0; j < n; j++) {                                                   \
        for (int64_t i = 0; i < j; i++) {                                               \
            type *x = (type *)a->data + i + j * ld, *y = (type *)a->data + j + i * ld;  \
            const type keep = *x;                                                       \
            *x = *y;                                                                    \
            *y = keep;                                                                  \
        }                                                                               \
    }

static void turn(const weir_matrix *a, int64_t ld)
{
    const int64_t n = a->rows;
    if (a->dtype == WEIR_F32) {
        TURN(float)
    } else {
        TURN(double)
    }
}

static bool finite_triangle(bool upper, const weir_matrix *a)
{
    for (int64_t j = 0; j < a->cols; j++) {
        for (int64_t i = upper ? 0 : j; i < (upper ? j + 1 : a->rows); i++) {
            const void *at = w_matrix_at(a, i, j);
            if (!isfinite(a->dtype == WEIR_F32 ? (double)*(const float *)at : *(const double *)at)) {
                return false;
            }
        }
    }
    return true;
}

/* LAPACK needs a leading dimension of at least n that fits its integers. */
static bool serves(const weir_matrix *a)
{
    const int64_t ld = a->row_stride == 1 ? a->col_stride : a->row_stride;
    return (a->row_stride == 1 || a->col_stride == 1) && w_narrow(ld) >= 0 && ld >= w_max64(a->rows, 1);
}

weir_status w_dense_syevd(weir_ctx *ctx, bool vectors, bool upper, const weir_matrix *a, void *values, int64_t *failed,
                           w_scratch *s)
{
    const int64_t n = a->rows, size = w_matrix_size(a), count = work_count(n, vectors), icount = 3 + 5 * n;
    const bool in_place = serves(a);
    weir_matrix m = *a;
    if (!in_place) {
        m = w_matrix_columns(w_scratch_take(s, w_mul64(w_mul64(n, n), size)), a->dtype, n, n);
    }
    void *work = w_scratch_take(s, w_mul64(count, size));
    w_blas_int *iwork = w_scratch_take(s, w_mul64(icount, sizeof *iwork));
    if (!s->base || n == 0) {
        *failed = 0;
        return WEIR_OK;
    }
    *failed = 0;
    const bool rows = m.row_stride != 1;
    const int64_t ld = rows ? m.row_stride : m.col_stride;
    w_blas_int order = w_narrow(n), lda = w_narrow(ld), lwork = w_narrow(count), liwork = w_narrow(icount), info = 0;
    if (order < 0 || lda < 0 || lwork < 0 || liwork < 0) {
        return w_fail(ctx, WEIR_E_ARG, "an eigenproblem of %lld columns is too large", (long long)n);
    }
    if (!finite_triangle(upper, a)) {
        return w_fail(ctx, WEIR_E_NUMERIC, "a matrix handed to the eigensolver has a non-finite entry");
    }
    if (!in_place) {
        w_matrix_copy(a, &m);
    }
    W_BLAS_SERIAL;
    if (a->dtype == WEIR_F32) {
        ssyevd_(vectors ? "V" : "N", upper != rows ? "U" : "L", &order, m.data, &lda, values, work, &lwork, iwork, &liwork, &info);
    } else {
        dsyevd_(vectors ? "V" : "N", upper != rows ? "U" : "L", &order, m.data, &lda, values, work, &lwork, iwork, &liwork, &info);
    }
    if (rows && vectors) {
        turn(&m, ld);
    }
    if (!in_place && vectors) {
        w_matrix_copy(&m, a);
    }
    *failed = info;
    return WEIR_OK;
}
