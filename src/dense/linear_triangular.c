/* SPDX-License-Identifier: Apache-2.0 */
/* Triangular systems and Cholesky on views. op(A) X = B for B by rows is X' op(A)' = B' for B' by columns: either order of
 * storage is served where it lies (w_trsm_strided). Kernels multiply with reciprocals of the diagonal; a diagonal whose
 * reciprocals are not normal numbers, and few right-hand sides, go through substitution with divisions. */
#include "dense/linear.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/blas.h"
#include "dense/chol.h"

#define FEW 4 /* right-hand sides that leave most lanes of a strip empty */

static double element(const weir_matrix *a, int64_t i, int64_t j)
{
    const void *at = w_matrix_at(a, i, j);
    return a->dtype == WEIR_F32 ? (double)*(const float *)at : *(const double *)at;
}

int64_t w_dense_zero(const weir_matrix *a)
{
    for (int64_t i = 0; i < a->rows; i++) {
        if (element(a, i, i) == 0.0) {
            return i + 1;
        }
    }
    return 0;
}

/* Reciprocals of the diagonal are normal numbers, or what IEEE says of zero, infinity and NaN. */
static bool has_reciprocals(const weir_matrix *a)
{
    const double least = a->dtype == WEIR_F32 ? FLT_MIN : DBL_MIN;
    for (int64_t i = 0; i < a->rows; i++) {
        const double size = fabs(element(a, i, i));
        if (size != 0.0 && isfinite(size) && (size < least || size > 1.0 / least)) {
            return false;
        }
    }
    return true;
}

/* One right-hand side after the other; the matrix is column-major, or read as its transpose. */
static void substitute(w_triangular how, const weir_matrix *a, const weir_matrix *b)
{
    W_BLAS_SERIAL;
    const bool rows = a->row_stride != 1, upper = how.upper != rows, trans = (how.trans != how.right) != rows;
    const int64_t ld = rows ? a->row_stride : a->col_stride, count = how.right ? b->rows : b->cols;
    const w_blas_int n = (w_blas_int)a->rows, lda = (w_blas_int)w_max64(ld, w_max64(a->rows, 1));
    const w_blas_int step = (w_blas_int)(how.right ? b->col_stride : b->row_stride);
    for (int64_t j = 0; j < count; j++) {
        /* BLAS counts a negative stride from the other end. */
        const int64_t origin = step < 0 ? a->rows - 1 : 0;
        void *x = how.right ? w_matrix_at(b, j, origin) : w_matrix_at(b, origin, j);
        if (a->dtype == WEIR_F32) {
            strsv_(upper ? "U" : "L", trans ? "T" : "N", how.unit ? "U" : "N", &n, a->data, &lda, x, &step);
        } else {
            dtrsv_(upper ? "U" : "L", trans ? "T" : "N", how.unit ? "U" : "N", &n, a->data, &lda, x, &step);
        }
    }
}

/* BLAS takes leading dimensions of at least n and strides that fit its integers. */
static bool fits_blas(const weir_matrix *a, const weir_matrix *b)
{
    const int64_t ld = a->row_stride != 1 ? a->row_stride : a->col_stride;
    return w_narrow(a->rows) >= 0 && w_narrow(ld) >= 0 && (ld >= a->rows || a->rows <= 1) && b->row_stride != 0 &&
           b->col_stride != 0 && llabs(b->row_stride) <= INT32_MAX && llabs(b->col_stride) <= INT32_MAX;
}

weir_status w_dense_trsm(weir_ctx *ctx, w_triangular how, const weir_matrix *a, const weir_matrix *b, w_scratch *s)
{
    const w_placed t = w_place(s, a), x = w_place(s, b);
    if (!s->base) {
        return WEIR_OK;
    }
    if (t.copied) {
        w_matrix_copy(a, &t.m);
    }
    const int64_t n = a->rows, count = how.right ? b->rows : b->cols;
    const bool plain = fits_blas(&t.m, b);
    if (n == 0 || count == 0) {
        return WEIR_OK;
    }
    if (plain && (count < FEW || (!how.unit && !has_reciprocals(a)))) {
        substitute(how, &t.m, b);
        return WEIR_OK;
    }
    if (x.copied) {
        w_matrix_copy(b, &x.m);
    }
    weir_status status = w_trsm_strided(ctx, w_matrix_kernels(a), how, n, (w_operand){ t.m.data, t.m.row_stride, t.m.col_stride },
                                        count, x.m.data, x.m.row_stride, x.m.col_stride);
    w_place_back(&x, b);
    return status;
}

/* ---- Cholesky ------------------------------------------------------------------------------------------------------ */

/* The upper triangle of a column-major matrix is the lower one of the same numbers by rows. */
static bool seen_upper(bool upper, const weir_matrix *a) { return upper != (a->row_stride != 1); }
static int64_t leading(const weir_matrix *a) { return a->row_stride != 1 ? a->row_stride : a->col_stride; }

weir_status w_dense_potrf(weir_ctx *ctx, bool upper, const weir_matrix *a, int64_t *failed, w_scratch *s)
{
    const w_placed t = w_place_filled(s, a);
    if (!s->base) {
        return WEIR_OK;
    }
    weir_status status = w_chol_factor_panels(ctx, w_matrix_kernels(a), seen_upper(upper, &t.m), a->rows, t.m.data,
                                              leading(&t.m), failed);
    w_place_back(&t, a);
    return status;
}

weir_status w_dense_potrs(weir_ctx *ctx, bool upper, const weir_matrix *a, const weir_matrix *b, w_scratch *s)
{
    const w_placed t = w_place(s, a), x = w_place(s, b);
    if (!s->base) {
        w_dense_trsm(ctx, (w_triangular){ .upper = upper, .trans = upper }, &t.m, &x.m, s);
        return WEIR_OK;
    }
    if (t.copied) {
        w_matrix_copy(a, &t.m);
    }
    if (x.copied) {
        w_matrix_copy(b, &x.m);
    }
    w_triangular how = { .upper = upper, .trans = upper };
    weir_status status = w_dense_trsm(ctx, how, &t.m, &x.m, s);
    how.trans = !upper;
    status = status < 0 ? status : w_dense_trsm(ctx, how, &t.m, &x.m, s);
    w_place_back(&x, b);
    return status;
}
