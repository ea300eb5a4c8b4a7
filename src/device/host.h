/* SPDX-License-Identifier: Apache-2.0 */
/* The numerical entries of the host's table; contracts in include/weir/sys/device.h. Dimensions that do not fit BLAS
 * integers are WEIR_DECLINED. */
#ifndef W_DEVICE_HOST_H
#define W_DEVICE_HOST_H

#include <stddef.h>
#include "weir/sys/device.h"

weir_status w_host_gemm(void *state, weir_device_dtype dtype, char trans_a, char trans_b, int64_t m, int64_t n, int64_t k,
                        double alpha, const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *c,
                        int64_t ldc);
weir_status w_host_syrk(void *state, weir_device_dtype dtype, char uplo, char trans, int64_t n, int64_t k, double alpha,
                        const void *a, int64_t lda, double beta, void *c, int64_t ldc);
weir_status w_host_trsm(void *state, weir_device_dtype dtype, char side, char uplo, char trans, char diag, int64_t m,
                        int64_t n, double alpha, const void *a, int64_t lda, void *b, int64_t ldb);
weir_status w_host_potrf(void *state, weir_device_dtype dtype, char uplo, int64_t n, void *a, int64_t lda, int64_t *info);
weir_status w_host_geqrf(void *state, weir_device_dtype dtype, int64_t m, int64_t n, void *a, int64_t lda, void *tau);
weir_status w_host_syevd(void *state, weir_device_dtype dtype, int vectors, char uplo, int64_t n, void *a, int64_t lda,
                         void *w);
weir_status w_host_gemm_batched(void *state, weir_device_dtype dtype, char trans_a, char trans_b, int64_t m, int64_t n,
                                int64_t k, double alpha, const void *a, int64_t lda, int64_t stride_a, const void *b,
                                int64_t ldb, int64_t stride_b, double beta, void *c, int64_t ldc, int64_t stride_c,
                                int64_t batch);
weir_status w_host_trsm_batched(void *state, weir_device_dtype dtype, char side, char uplo, char trans, char diag,
                                int64_t m, int64_t n, double alpha, const void *a, int64_t lda, int64_t stride_a, void *b,
                                int64_t ldb, int64_t stride_b, int64_t batch);
weir_status w_host_potrf_batched(void *state, weir_device_dtype dtype, char uplo, int64_t n, void *a, int64_t lda,
                                 int64_t stride, int64_t batch, int64_t *info);
weir_status w_host_geqrf_batched(void *state, weir_device_dtype dtype, int64_t m, int64_t n, void *a, int64_t lda,
                                 int64_t stride, void *tau, int64_t batch);

/* LAPACK workspace from the state's lender; NULL when refused. */
void *w_host_workspace(void *state, size_t bytes);
void w_host_workspace_free(void *state, void *block);

#endif
