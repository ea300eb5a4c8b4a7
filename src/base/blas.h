/* SPDX-License-Identifier: Apache-2.0 */
/* The Fortran BLAS and LAPACK entries the library uses, for float64 (d…) and float32 (s…). Column-major, 32-bit
 * integers (LP64); every argument by address. Sizes come in as int64_t: narrow them with w_narrow and refuse -1.
 *
 * The library calls BLAS one-threaded, so that results do not depend on the thread settings of the process: pool
 * workers are set once, the calling thread between w_blas_serial_enter and w_blas_serial_leave (nesting is fine;
 * w_pool_run does it for its tasks). W_BLAS_SERIAL; at the head of a block does it until the end of the block. */
#ifndef W_BASE_BLAS_H
#define W_BASE_BLAS_H

#include <stdint.h>

typedef int32_t w_blas_int;

/* `value` as a BLAS integer; -1 when it does not fit or is negative. */
static inline w_blas_int w_narrow(int64_t value)
{
    return value < 0 || value > INT32_MAX ? -1 : (w_blas_int)value;
}

typedef struct w_blas_threads { int threads; /* to put back; 0 = nothing to do */ } w_blas_threads;

void w_blas_serial_enter(w_blas_threads *before);
void w_blas_serial_leave(w_blas_threads *before);
#define W_BLAS_SERIAL \
    __attribute__((cleanup(w_blas_serial_leave))) w_blas_threads w_blas_before; \
    w_blas_serial_enter(&w_blas_before)

/* What the BLAS says of itself ("OpenBLAS 0.3.21 … SkylakeX MAX_THREADS=64"); "" when it says nothing. Static text. */
const char *w_blas_config(void);
/* Name of the kernel set chosen for this processor; "" when unknown. */
const char *w_blas_core(void);
/* "sequential", "pthreads", "OpenMP" or "unknown". */
const char *w_blas_threading(void);

#define W_BLAS_DECLARE(T, p) \
    T p##dot_(const w_blas_int *n, const T *x, const w_blas_int *incx, const T *y, const w_blas_int *incy); \
    T p##nrm2_(const w_blas_int *n, const T *x, const w_blas_int *incx); \
    void p##axpy_(const w_blas_int *n, const T *a, const T *x, const w_blas_int *incx, T *y, const w_blas_int *incy); \
    void p##scal_(const w_blas_int *n, const T *a, T *x, const w_blas_int *incx); \
    void p##ger_(const w_blas_int *m, const w_blas_int *n, const T *alpha, const T *x, const w_blas_int *incx, \
                 const T *y, const w_blas_int *incy, T *a, const w_blas_int *lda); \
    void p##gemv_(const char *trans, const w_blas_int *m, const w_blas_int *n, const T *alpha, const T *a, \
                  const w_blas_int *lda, const T *x, const w_blas_int *incx, const T *beta, T *y, \
                  const w_blas_int *incy); \
    void p##symv_(const char *uplo, const w_blas_int *n, const T *alpha, const T *a, const w_blas_int *lda, const T *x, \
                  const w_blas_int *incx, const T *beta, T *y, const w_blas_int *incy); \
    void p##syr_(const char *uplo, const w_blas_int *n, const T *alpha, const T *x, const w_blas_int *incx, T *a, \
                 const w_blas_int *lda); \
    void p##trsv_(const char *uplo, const char *trans, const char *diag, const w_blas_int *n, const T *a, \
                  const w_blas_int *lda, T *x, const w_blas_int *incx); \
    void p##trmv_(const char *uplo, const char *trans, const char *diag, const w_blas_int *n, const T *a, \
                  const w_blas_int *lda, T *x, const w_blas_int *incx); \
    void p##gemm_(const char *transa, const char *transb, const w_blas_int *m, const w_blas_int *n, \
                  const w_blas_int *k, const T *alpha, const T *a, const w_blas_int *lda, const T *b, \
                  const w_blas_int *ldb, const T *beta, T *c, const w_blas_int *ldc); \
    void p##symm_(const char *side, const char *uplo, const w_blas_int *m, const w_blas_int *n, const T *alpha, \
                  const T *a, const w_blas_int *lda, const T *b, const w_blas_int *ldb, const T *beta, T *c, \
                  const w_blas_int *ldc); \
    void p##syrk_(const char *uplo, const char *trans, const w_blas_int *n, const w_blas_int *k, const T *alpha, \
                  const T *a, const w_blas_int *lda, const T *beta, T *c, const w_blas_int *ldc); \
    void p##syr2k_(const char *uplo, const char *trans, const w_blas_int *n, const w_blas_int *k, const T *alpha, \
                   const T *a, const w_blas_int *lda, const T *b, const w_blas_int *ldb, const T *beta, T *c, \
                   const w_blas_int *ldc); \
    void p##trsm_(const char *side, const char *uplo, const char *transa, const char *diag, const w_blas_int *m, \
                  const w_blas_int *n, const T *alpha, const T *a, const w_blas_int *lda, T *b, \
                  const w_blas_int *ldb); \
    void p##trmm_(const char *side, const char *uplo, const char *transa, const char *diag, const w_blas_int *m, \
                  const w_blas_int *n, const T *alpha, const T *a, const w_blas_int *lda, T *b, \
                  const w_blas_int *ldb); \
    void p##potrf_(const char *uplo, const w_blas_int *n, T *a, const w_blas_int *lda, w_blas_int *info); \
    void p##potri_(const char *uplo, const w_blas_int *n, T *a, const w_blas_int *lda, w_blas_int *info); \
    void p##potrs_(const char *uplo, const w_blas_int *n, const w_blas_int *nrhs, const T *a, const w_blas_int *lda, \
                   T *b, const w_blas_int *ldb, w_blas_int *info); \
    void p##pstrf_(const char *uplo, const w_blas_int *n, T *a, const w_blas_int *lda, w_blas_int *piv, \
                   w_blas_int *rank, const T *tol, T *work, w_blas_int *info); \
    void p##pocon_(const char *uplo, const w_blas_int *n, const T *a, const w_blas_int *lda, const T *anorm, T *rcond, \
                   T *work, w_blas_int *iwork, w_blas_int *info); \
    void p##trtri_(const char *uplo, const char *diag, const w_blas_int *n, T *a, const w_blas_int *lda, \
                   w_blas_int *info); \
    void p##lauum_(const char *uplo, const w_blas_int *n, T *a, const w_blas_int *lda, w_blas_int *info); \
    void p##trtrs_(const char *uplo, const char *trans, const char *diag, const w_blas_int *n, const w_blas_int *nrhs, \
                   const T *a, const w_blas_int *lda, T *b, const w_blas_int *ldb, w_blas_int *info); \
    void p##trcon_(const char *norm, const char *uplo, const char *diag, const w_blas_int *n, const T *a, \
                   const w_blas_int *lda, T *rcond, T *work, w_blas_int *iwork, w_blas_int *info); \
    void p##gecon_(const char *norm, const w_blas_int *n, const T *a, const w_blas_int *lda, const T *anorm, T *rcond, T *work, \
                   w_blas_int *iwork, w_blas_int *info); \
    void p##geqrf_(const w_blas_int *m, const w_blas_int *n, T *a, const w_blas_int *lda, T *tau, T *work, \
                   const w_blas_int *lwork, w_blas_int *info); \
    void p##geqp3_(const w_blas_int *m, const w_blas_int *n, T *a, const w_blas_int *lda, w_blas_int *jpvt, T *tau, \
                   T *work, const w_blas_int *lwork, w_blas_int *info); \
    void p##ormqr_(const char *side, const char *trans, const w_blas_int *m, const w_blas_int *n, const w_blas_int *k, \
                   const T *a, const w_blas_int *lda, const T *tau, T *c, const w_blas_int *ldc, T *work, \
                   const w_blas_int *lwork, w_blas_int *info); \
    void p##orgqr_(const w_blas_int *m, const w_blas_int *n, const w_blas_int *k, T *a, const w_blas_int *lda, \
                   const T *tau, T *work, const w_blas_int *lwork, w_blas_int *info); \
    void p##syevd_(const char *jobz, const char *uplo, const w_blas_int *n, T *a, const w_blas_int *lda, T *w, T *work, \
                   const w_blas_int *lwork, w_blas_int *iwork, const w_blas_int *liwork, w_blas_int *info); \
    void p##syevr_(const char *jobz, const char *range, const char *uplo, const w_blas_int *n, T *a, \
                   const w_blas_int *lda, const T *vl, const T *vu, const w_blas_int *il, const w_blas_int *iu, \
                   const T *abstol, w_blas_int *m, T *w, T *z, const w_blas_int *ldz, w_blas_int *isuppz, T *work, \
                   const w_blas_int *lwork, w_blas_int *iwork, const w_blas_int *liwork, w_blas_int *info); \
    void p##sygvd_(const w_blas_int *itype, const char *jobz, const char *uplo, const w_blas_int *n, T *a, \
                   const w_blas_int *lda, T *b, const w_blas_int *ldb, T *w, T *work, const w_blas_int *lwork, \
                   w_blas_int *iwork, const w_blas_int *liwork, w_blas_int *info); \
    void p##gesdd_(const char *jobz, const w_blas_int *m, const w_blas_int *n, T *a, const w_blas_int *lda, T *s, T *u, \
                   const w_blas_int *ldu, T *vt, const w_blas_int *ldvt, T *work, const w_blas_int *lwork, \
                   w_blas_int *iwork, w_blas_int *info); \
    void p##gesvd_(const char *jobu, const char *jobvt, const w_blas_int *m, const w_blas_int *n, T *a, \
                   const w_blas_int *lda, T *s, T *u, const w_blas_int *ldu, T *vt, const w_blas_int *ldvt, T *work, \
                   const w_blas_int *lwork, w_blas_int *info); \
    T p##lansy_(const char *norm, const char *uplo, const w_blas_int *n, const T *a, const w_blas_int *lda, T *work); \
    void p##lacpy_(const char *uplo, const w_blas_int *m, const w_blas_int *n, const T *a, const w_blas_int *lda, T *b, \
                   const w_blas_int *ldb); \
    void p##getrf_(const w_blas_int *m, const w_blas_int *n, T *a, const w_blas_int *lda, w_blas_int *ipiv, \
                   w_blas_int *info); \
    void p##getrs_(const char *trans, const w_blas_int *n, const w_blas_int *nrhs, const T *a, const w_blas_int *lda, \
                   const w_blas_int *ipiv, T *b, const w_blas_int *ldb, w_blas_int *info); \
    void p##gbtrf_(const w_blas_int *m, const w_blas_int *n, const w_blas_int *kl, const w_blas_int *ku, T *ab, \
                   const w_blas_int *ldab, w_blas_int *ipiv, w_blas_int *info); \
    void p##gbtrs_(const char *trans, const w_blas_int *n, const w_blas_int *kl, const w_blas_int *ku, \
                   const w_blas_int *nrhs, const T *ab, const w_blas_int *ldab, const w_blas_int *ipiv, T *b, \
                   const w_blas_int *ldb, w_blas_int *info); \
    void p##pbtrf_(const char *uplo, const w_blas_int *n, const w_blas_int *kd, T *ab, const w_blas_int *ldab, \
                   w_blas_int *info); \
    void p##pbtrs_(const char *uplo, const w_blas_int *n, const w_blas_int *kd, const w_blas_int *nrhs, const T *ab, \
                   const w_blas_int *ldab, T *b, const w_blas_int *ldb, w_blas_int *info); \
    void p##pttrf_(const w_blas_int *n, T *d, T *e, w_blas_int *info); \
    void p##pttrs_(const w_blas_int *n, const w_blas_int *nrhs, const T *d, const T *e, T *b, const w_blas_int *ldb, \
                   w_blas_int *info)

W_BLAS_DECLARE(double, d);
W_BLAS_DECLARE(float, s);

#endif
