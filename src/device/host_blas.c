/* SPDX-License-Identifier: Apache-2.0 */
/* BLAS and LAPACK behind the device entries. float32 and float64 differ in the letter of the routine alone. */
#include "device/host.h"

#include <stdbool.h>

#include "base/blas.h"

static bool narrow(const int64_t *from, w_blas_int *to, int count)
{
    for (int i = 0; i < count; i++) {
        to[i] = w_narrow(from[i]);
        if (to[i] < 0) {
            return false;
        }
    }
    return true;
}

static size_t width(weir_device_dtype dtype)
{
    return dtype == WEIR_DEVICE_F32 ? sizeof(float) : sizeof(double);
}

weir_status w_host_gemm(void *state, weir_device_dtype dtype, char trans_a, char trans_b, int64_t m, int64_t n, int64_t k,
                        double alpha, const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *c,
                        int64_t ldc)
{
    (void)state;
    W_BLAS_SERIAL;
    w_blas_int d[6];
    if (!narrow((const int64_t[]){ m, n, k, lda, ldb, ldc }, d, 6)) {
        return WEIR_DECLINED;
    }
    float alpha32 = (float)alpha, beta32 = (float)beta;
    if (dtype == WEIR_DEVICE_F32) {
        sgemm_(&trans_a, &trans_b, &d[0], &d[1], &d[2], &alpha32, a, &d[3], b, &d[4], &beta32, c, &d[5]);
    } else {
        dgemm_(&trans_a, &trans_b, &d[0], &d[1], &d[2], &alpha, a, &d[3], b, &d[4], &beta, c, &d[5]);
    }
    return WEIR_OK;
}

weir_status w_host_syrk(void *state, weir_device_dtype dtype, char uplo, char trans, int64_t n, int64_t k, double alpha,
                        const void *a, int64_t lda, double beta, void *c, int64_t ldc)
{
    (void)state;
    W_BLAS_SERIAL;
    w_blas_int d[4];
    if (!narrow((const int64_t[]){ n, k, lda, ldc }, d, 4)) {
        return WEIR_DECLINED;
    }
    float alpha32 = (float)alpha, beta32 = (float)beta;
    if (dtype == WEIR_DEVICE_F32) {
        ssyrk_(&uplo, &trans, &d[0], &d[1], &alpha32, a, &d[2], &beta32, c, &d[3]);
    } else {
        dsyrk_(&uplo, &trans, &d[0], &d[1], &alpha, a, &d[2], &beta, c, &d[3]);
    }
    return WEIR_OK;
}

weir_status w_host_trsm(void *state, weir_device_dtype dtype, char side, char uplo, char trans, char diag, int64_t m,
                        int64_t n, double alpha, const void *a, int64_t lda, void *b, int64_t ldb)
{
    (void)state;
    W_BLAS_SERIAL;
    w_blas_int d[4];
    if (!narrow((const int64_t[]){ m, n, lda, ldb }, d, 4)) {
        return WEIR_DECLINED;
    }
    float alpha32 = (float)alpha;
    if (dtype == WEIR_DEVICE_F32) {
        strsm_(&side, &uplo, &trans, &diag, &d[0], &d[1], &alpha32, a, &d[2], b, &d[3]);
    } else {
        dtrsm_(&side, &uplo, &trans, &diag, &d[0], &d[1], &alpha, a, &d[2], b, &d[3]);
    }
    return WEIR_OK;
}

weir_status w_host_potrf(void *state, weir_device_dtype dtype, char uplo, int64_t n, void *a, int64_t lda, int64_t *info)
{
    (void)state;
    W_BLAS_SERIAL;
    w_blas_int d[2], bad = 0;
    if (!narrow((const int64_t[]){ n, lda }, d, 2)) {
        return WEIR_DECLINED;
    }
    if (dtype == WEIR_DEVICE_F32) {
        spotrf_(&uplo, &d[0], a, &d[1], &bad);
    } else {
        dpotrf_(&uplo, &d[0], a, &d[1], &bad);
    }
    *info = bad > 0 ? bad : 0;
    return bad < 0 ? WEIR_E_ARG : WEIR_OK;
}

weir_status w_host_geqrf(void *state, weir_device_dtype dtype, int64_t m, int64_t n, void *a, int64_t lda, void *tau)
{
    W_BLAS_SERIAL;
    w_blas_int d[3], info = 0, query = -1;
    if (!narrow((const int64_t[]){ m, n, lda }, d, 3)) {
        return WEIR_DECLINED;
    }
    double best = 0;
    float best32 = 0;
    if (dtype == WEIR_DEVICE_F32) {
        sgeqrf_(&d[0], &d[1], a, &d[2], tau, &best32, &query, &info);
        best = best32;
    } else {
        dgeqrf_(&d[0], &d[1], a, &d[2], tau, &best, &query, &info);
    }
    w_blas_int length = best > 1 ? w_narrow((int64_t)best) : 1;
    void *work = length < 0 ? NULL : w_host_workspace(state, (size_t)length * width(dtype));
    if (!work) {
        return WEIR_E_MEMORY;
    }
    if (dtype == WEIR_DEVICE_F32) {
        sgeqrf_(&d[0], &d[1], a, &d[2], tau, work, &length, &info);
    } else {
        dgeqrf_(&d[0], &d[1], a, &d[2], tau, work, &length, &info);
    }
    w_host_workspace_free(state, work);
    return info == 0 ? WEIR_OK : WEIR_E_ARG;
}

weir_status w_host_syevd(void *state, weir_device_dtype dtype, int vectors, char uplo, int64_t n, void *a, int64_t lda,
                         void *w)
{
    W_BLAS_SERIAL;
    w_blas_int d[2], info = 0, query = -1, integers = 1;
    char job = vectors ? 'V' : 'N';
    if (!narrow((const int64_t[]){ n, lda }, d, 2)) {
        return WEIR_DECLINED;
    }
    double best = 1;
    float best32 = 1;
    if (dtype == WEIR_DEVICE_F32) {
        ssyevd_(&job, &uplo, &d[0], a, &d[1], w, &best32, &query, &integers, &query, &info);
        best = best32;
    } else {
        dsyevd_(&job, &uplo, &d[0], a, &d[1], w, &best, &query, &integers, &query, &info);
    }
    w_blas_int length = w_narrow((int64_t)best);
    if (info != 0 || length < 0) {
        return info != 0 ? WEIR_E_ARG : WEIR_DECLINED;
    }
    void *work = w_host_workspace(state, (size_t)length * width(dtype));
    w_blas_int *iwork = w_host_workspace(state, (size_t)integers * sizeof *iwork);
    if (work && iwork) {
        if (dtype == WEIR_DEVICE_F32) {
            ssyevd_(&job, &uplo, &d[0], a, &d[1], w, work, &length, iwork, &integers, &info);
        } else {
            dsyevd_(&job, &uplo, &d[0], a, &d[1], w, work, &length, iwork, &integers, &info);
        }
    }
    weir_status status = !work || !iwork ? WEIR_E_MEMORY : info > 0 ? WEIR_E_NUMERIC : info < 0 ? WEIR_E_ARG : WEIR_OK;
    w_host_workspace_free(state, iwork);
    w_host_workspace_free(state, work);
    return status;
}

/* ---- batches: one after the other -------------------------------------------------------------------------------- */

static const void *nth(weir_device_dtype dtype, const void *base, int64_t index, int64_t stride)
{
    return (const char *)base + (size_t)index * (size_t)stride * width(dtype);
}

static void *nth_out(weir_device_dtype dtype, void *base, int64_t index, int64_t stride)
{
    return (char *)base + (size_t)index * (size_t)stride * width(dtype);
}

weir_status w_host_gemm_batched(void *state, weir_device_dtype dtype, char trans_a, char trans_b, int64_t m, int64_t n,
                                int64_t k, double alpha, const void *a, int64_t lda, int64_t stride_a, const void *b,
                                int64_t ldb, int64_t stride_b, double beta, void *c, int64_t ldc, int64_t stride_c,
                                int64_t batch)
{
    weir_status status = WEIR_OK;
    for (int64_t i = 0; i < batch && status == WEIR_OK; i++) {
        status = w_host_gemm(state, dtype, trans_a, trans_b, m, n, k, alpha, nth(dtype, a, i, stride_a), lda,
                             nth(dtype, b, i, stride_b), ldb, beta, nth_out(dtype, c, i, stride_c), ldc);
    }
    return status;
}

weir_status w_host_trsm_batched(void *state, weir_device_dtype dtype, char side, char uplo, char trans, char diag,
                                int64_t m, int64_t n, double alpha, const void *a, int64_t lda, int64_t stride_a, void *b,
                                int64_t ldb, int64_t stride_b, int64_t batch)
{
    weir_status status = WEIR_OK;
    for (int64_t i = 0; i < batch && status == WEIR_OK; i++) {
        status = w_host_trsm(state, dtype, side, uplo, trans, diag, m, n, alpha, nth(dtype, a, i, stride_a), lda,
                             nth_out(dtype, b, i, stride_b), ldb);
    }
    return status;
}

weir_status w_host_potrf_batched(void *state, weir_device_dtype dtype, char uplo, int64_t n, void *a, int64_t lda,
                                 int64_t stride, int64_t batch, int64_t *info)
{
    weir_status status = WEIR_OK;
    for (int64_t i = 0; i < batch && status == WEIR_OK; i++) {
        status = w_host_potrf(state, dtype, uplo, n, nth_out(dtype, a, i, stride), lda, &info[i]);
    }
    return status;
}

weir_status w_host_geqrf_batched(void *state, weir_device_dtype dtype, int64_t m, int64_t n, void *a, int64_t lda,
                                 int64_t stride, void *tau, int64_t batch)
{
    weir_status status = WEIR_OK;
    int64_t reflectors = m < n ? m : n;
    for (int64_t i = 0; i < batch && status == WEIR_OK; i++) {
        status = w_host_geqrf(state, dtype, m, n, nth_out(dtype, a, i, stride), lda, nth_out(dtype, tau, i, reflectors));
    }
    return status;
}
