/* SPDX-License-Identifier: Apache-2.0 */
/* Eigenvalues and vectors of a symmetric matrix: divide and conquer (dsyevd), with the workspace from the ledger. */
#include "dense/dense.h"

#include <math.h>

#include "base/blas.h"
#include "base/size.h"

static int64_t work_count(int64_t n) { return w_add64(1 + 6 * n, w_mul64(2, w_mul64(n, n))) + 32 * n; }
static int64_t iwork_count(int64_t n) { return 3 + 5 * n; }

int64_t w_eigen_bytes(int64_t n)
{
    return w_add64(w_alloc_bytes(w_mul64(work_count(n), sizeof(double))),
                   w_alloc_bytes(w_mul64(iwork_count(n), sizeof(w_blas_int))));
}

weir_status w_eigen_symmetric(weir_ctx *ctx, int64_t n, double *a, double *value, bool vectors)
{
    if (n == 0) {
        return WEIR_OK;
    }
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r <= c; r++) {
            if (!isfinite(a[r + c * n])) {
                return w_fail(ctx, WEIR_E_NUMERIC, "a matrix handed to the eigensolver has a non-finite entry");
            }
        }
    }
    w_blas_int size = w_narrow(n), lwork = w_narrow(work_count(n)), liwork = w_narrow(iwork_count(n)), info = 0;
    if (size < 0 || lwork < 0 || liwork < 0) {
        return w_fail(ctx, WEIR_E_ARG, "an eigenproblem of %lld columns is too large", (long long)n);
    }
    double *work = w_alloc_array(ctx, "eigen work", (size_t)lwork, sizeof *work);
    w_blas_int *iwork = w_alloc_array(ctx, "eigen work", (size_t)liwork, sizeof *iwork);
    weir_status status = WEIR_OK;
    if (work == NULL || iwork == NULL) {
        status = w_alloc_status(ctx);
    } else {
        W_BLAS_SERIAL;
        dsyevd_(vectors ? "V" : "N", "U", &size, a, &size, value, work, &lwork, iwork, &liwork, &info);
        if (info != 0) {
            status = w_fail(ctx, WEIR_E_NUMERIC, "the symmetric eigensolver did not converge (n = %lld)", (long long)n);
        }
    }
    w_free(ctx, iwork);
    w_free(ctx, work);
    return status;
}
