/* SPDX-License-Identifier: Apache-2.0 */
/* Singular values of a view by LAPACK's divide and conquer (gesdd, which factors tall and wide matrices by QR or LQ first), on a
 * column-major copy. gesdd gives V'; the copy back turns it. */
#include "dense/linear.h"

#include <math.h>

#include "base/blas.h"

#define BLOCK 64 /* columns of LAPACK's panels */

/* At least what gesdd asks for with 'N' and 'S', 4 k^2 + 7 k and 3 k + max(m, n), and the panels of its QR. */
static int64_t work_count(int64_t k, int64_t longer)
{
    return w_add64(w_mul64(w_add64(w_mul64(4, k), 10), k), w_mul64(BLOCK + 1, w_add64(longer, k)));
}

weir_status w_dense_svd(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *u, void *values, const weir_matrix *v, int64_t *failed,
                        w_scratch *s)
{
    const int64_t m = a->rows, n = a->cols, k = w_min64(m, n), size = w_matrix_size(a), count = work_count(k, w_max64(m, n));
    const bool vectors = u || v;
    const weir_matrix copy = w_matrix_columns(w_scratch_take(s, w_mul64(w_mul64(m, n), size)), a->dtype, m, n);
    const weir_matrix left = w_matrix_columns(w_scratch_take(s, vectors ? w_mul64(w_mul64(m, k), size) : 0), a->dtype, m, k);
    const weir_matrix right = w_matrix_columns(w_scratch_take(s, vectors ? w_mul64(w_mul64(k, n), size) : 0), a->dtype, k, n);
    void *work = w_scratch_take(s, w_mul64(count, size));
    w_blas_int *iwork = w_scratch_take(s, w_mul64(w_mul64(8, k), sizeof *iwork));
    *failed = 0;
    if (!s->base || k == 0) {
        return WEIR_OK;
    }
    w_blas_int rows = w_narrow(m), cols = w_narrow(n), least = w_narrow(k), lwork = w_narrow(count), info = 0;
    if (rows < 0 || cols < 0 || lwork < 0) {
        return w_fail(ctx, WEIR_E_ARG, "singular values of %lld x %lld are too large", (long long)m, (long long)n);
    }
    if (!isfinite(w_matrix_largest(a))) {
        return w_fail(ctx, WEIR_E_NUMERIC, "a matrix whose singular values are asked for has a non-finite entry");
    }
    w_matrix_copy(a, &copy);
    const char *const job = vectors ? "S" : "N";
    W_BLAS_SERIAL;
    if (a->dtype == WEIR_F32) {
        sgesdd_(job, &rows, &cols, copy.data, &rows, values, left.data, &rows, right.data, &least, work, &lwork, iwork, &info);
    } else {
        dgesdd_(job, &rows, &cols, copy.data, &rows, values, left.data, &rows, right.data, &least, work, &lwork, iwork, &info);
    }
    if (u) {
        w_matrix_copy(&left, u);
    }
    if (v) {
        const weir_matrix turned = w_matrix_turned(&right);
        w_matrix_copy(&turned, v);
    }
    *failed = info;
    return WEIR_OK;
}
