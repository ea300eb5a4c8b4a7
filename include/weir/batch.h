/* SPDX-License-Identifier: Apache-2.0 */
/** Many small matrices of one shape at a time, float64 or float32: QR, Cholesky, LU, triangular systems, solves, least squares,
 *  symmetric eigenvalues, singular values, products, norms.
 *
 *  Sixteen float32 or eight float64 matrices, a group, go through every instruction side by side, one per lane of a register
 *  (two or four registers where the processor has shorter ones). A batch may lie in memory matrix after matrix, of any strides;
 *  then each group is interleaved on its way into the cache and back. Or it lies interleaved, and stays so from call to call.
 *
 *  Bits. The result of a matrix depends on its values, its shape and the function alone: not on its place in the batch, on what
 *  stands beside it, the size of the batch, strides, threads or the processor's instruction set (AVX-512, AVX2, NEON, plain C).
 *  A matrix with NaN or infinity leaves its neighbours' bits alone; its own result is not finite where it depends on them.
 *  Matrices with more than WEIR_BATCH_SMALL rows and columns are served as well, but no longer at this rate.
 *
 *  info (count numbers, or NULL) is 0 for a matrix without remark; else what the function says. A function returns the worst that
 *  befell a matrix; the results of all others are written and good.
 *
 *  An output may be the same batch as an input (the same data, strides and count) where a function says so; else nothing may
 *  overlap. Workspace, conventions and the other statuses are those of weir/linalg.h: weir_X_batched_bytes reads shapes and
 *  types alone; with `work` given nothing is allocated. One call at a time per context, whose threads share the groups.
 *
 *  Source: docs/numerics/batched.md. */
#ifndef WEIR_BATCH_H
#define WEIR_BATCH_H

#include <stdint.h>
#include "weir/linalg.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_BATCH_SMALL 64

/** matrix: the first one. Matrix b begins b * stride elements behind it; an input may have stride 0, one matrix for all.
 *  Interleaved: with V = weir_batch_lanes(dtype), element (i, j) of matrix b is
 *      data[(b / V) * stride + (i row_stride + j col_stride) * V + b % V],
 *  stride counting the elements from group to group. The last group is whole: what its lanes behind the last matrix hold is read
 *  and written, but means nothing. */
typedef struct weir_batch {
    weir_matrix matrix;
    int64_t count, stride;
    int32_t interleaved;
} weir_batch;

/** 16 for WEIR_F32, 8 for WEIR_F64, on every processor; 0 for other types. */
WEIR_API int64_t weir_batch_lanes(weir_dtype dtype);
/** A contiguous batch of row-major matrices (an array count x rows x cols). */
WEIR_API weir_batch weir_batch_rows(void *data, weir_dtype dtype, int64_t count, int64_t rows, int64_t cols);
/** An interleaved batch, column-major in its groups, and the bytes of its data. Its columns are an odd number of elements apart,
 *  which keeps them from meeting in the same place of the caches; such batches are worked on where they lie. */
WEIR_API weir_batch weir_batch_interleaved(void *data, weir_dtype dtype, int64_t count, int64_t rows, int64_t cols);
WEIR_API int64_t weir_batch_interleaved_bytes(weir_dtype dtype, int64_t count, int64_t rows, int64_t cols);

/** to := from, element by element, from any layout to any: interleaves, takes apart, transposes. */
WEIR_API weir_status weir_copy_batched(weir_ctx *ctx, const weir_batch *from, const weir_batch *to);

/** A = QR, as weir_qr: Householder, Q and R explicit. a is only read; q may be a (WEIR_QR_REDUCED, m >= n), or NULL for WEIR_QR_R.
 *  Norms are safe from overflow and underflow column by column: A times a power of two gives R times it, bit by bit. */
WEIR_API weir_status weir_qr_batched(weir_ctx *ctx, weir_qr_mode mode, const weir_batch *a, const weir_batch *q, const weir_batch *r,
                                     void *work, int64_t work_bytes);
WEIR_API int64_t weir_qr_batched_bytes(const weir_ctx *ctx, weir_qr_mode mode, const weir_batch *a, const weir_batch *q,
                                       const weir_batch *r);
/** The same in LAPACK's compact form, in place; tau: count x min(m, n). */
WEIR_API weir_status weir_geqrf_batched(weir_ctx *ctx, const weir_batch *a, void *tau, void *work, int64_t work_bytes);
WEIR_API int64_t weir_geqrf_batched_bytes(const weir_ctx *ctx, const weir_batch *a);
/** c := Q c or Q'c from that form: a m x n, c m x r. */
WEIR_API weir_status weir_ormqr_batched(weir_ctx *ctx, weir_trans trans, const weir_batch *a, const void *tau, const weir_batch *c,
                                        void *work, int64_t work_bytes);
WEIR_API int64_t weir_ormqr_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *c);
/** Least squares by QR: x (n x r) minimises ||A x - b||, m >= n; a and b (m x r) are only read.
 *  WEIR_RANK_DEFICIENT, info = j: R_jj is zero; x is not finite then. */
WEIR_API weir_status weir_qr_solve_batched(weir_ctx *ctx, const weir_batch *a, const weir_batch *b, const weir_batch *x,
                                           int64_t *info, void *work, int64_t work_bytes);
WEIR_API int64_t weir_qr_solve_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *b, const weir_batch *x);

/** A = LL' (WEIR_LOWER) or R'R (WEIR_UPPER); only that triangle of a is read. l may be a: then only that triangle is written;
 *  else the other one is zeroed. WEIR_E_NUMERIC, info = k: pivot k is not positive and finite; the factor is NaN from there on. */
WEIR_API weir_status weir_chol_batched(weir_ctx *ctx, weir_uplo uplo, const weir_batch *a, const weir_batch *l, int64_t *info,
                                       void *work, int64_t work_bytes);
WEIR_API int64_t weir_chol_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *l);
/** x := A^-1 b from that factor; x may be b. */
WEIR_API weir_status weir_chol_solve_batched(weir_ctx *ctx, weir_uplo uplo, const weir_batch *l, const weir_batch *b,
                                             const weir_batch *x, void *work, int64_t work_bytes);
WEIR_API int64_t weir_chol_solve_batched_bytes(const weir_ctx *ctx, const weir_batch *l, const weir_batch *b, const weir_batch *x);

/** PA = LU with partial pivoting, m x n, in the form of weir_getrf; lu may be a. pivot: count x min(m, n), 0-based exchanges.
 *  WEIR_RANK_DEFICIENT, info = k: u_kk is the first that is zero or not finite; the factorization is complete nonetheless. */
WEIR_API weir_status weir_lu_batched(weir_ctx *ctx, const weir_batch *a, const weir_batch *lu, int64_t *pivot, int64_t *info,
                                     void *work, int64_t work_bytes);
WEIR_API int64_t weir_lu_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *lu);
/** x := op(A)^-1 b from those factors; x may be b. WEIR_E_NUMERIC, info = k: u_kk is zero; x is not finite then. */
WEIR_API weir_status weir_lu_solve_batched(weir_ctx *ctx, weir_trans trans, const weir_batch *lu, const int64_t *pivot,
                                           const weir_batch *b, const weir_batch *x, int64_t *info, void *work, int64_t work_bytes);
WEIR_API int64_t weir_lu_solve_batched_bytes(const weir_ctx *ctx, const weir_batch *lu, const weir_batch *b, const weir_batch *x);
/** x := A^-1 b by LU with partial pivoting; a is only read, x may be b. WEIR_E_NUMERIC, info = k: pivot k is zero or not finite; x
 *  is not finite then. ||b - A x|| <= c n u ||A|| ||x|| with the customary growth of pivots. */
WEIR_API weir_status weir_solve_batched(weir_ctx *ctx, const weir_batch *a, const weir_batch *b, const weir_batch *x, int64_t *info,
                                        void *work, int64_t work_bytes);
WEIR_API int64_t weir_solve_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *b, const weir_batch *x);

/** x := op(T)^-1 b (left) or b op(T)^-1 (right), as weir_trsm; only the triangle `uplo` of t is read, without its diagonal when
 *  WEIR_UNIT; x may be b. WEIR_E_NUMERIC, info = i: t_ii is the first zero; x is not finite then. */
WEIR_API weir_status weir_trsm_batched(weir_ctx *ctx, weir_side side, weir_uplo uplo, weir_trans trans, weir_diag diag,
                                       const weir_batch *t, const weir_batch *b, const weir_batch *x, int64_t *info, void *work,
                                       int64_t work_bytes);
WEIR_API int64_t weir_trsm_batched_bytes(const weir_ctx *ctx, weir_side side, const weir_batch *t, const weir_batch *b,
                                         const weir_batch *x);

/** Eigenvalues (count x n, ascending) and, unless vectors is NULL, eigenvectors as columns, of symmetric matrices of which the
 *  triangle `uplo` is read; vectors may be a. Jacobi's method: |error of a value| <= c n u ||A||.
 *  WEIR_E_NUMERIC, info = 1: an element is not finite, the results are NaN; WEIR_NOT_CONVERGED, info = 2. */
WEIR_API weir_status weir_eigh_batched(weir_ctx *ctx, weir_uplo uplo, const weir_batch *a, void *values, const weir_batch *vectors,
                                       int64_t *info, void *work, int64_t work_bytes);
WEIR_API int64_t weir_eigh_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *vectors);

/** a = u diag(values) v', m x n of any shape, k = min(m, n): singular values (count x k, descending) and, unless they are NULL,
 *  u (m x k) and v (n x k) with orthonormal columns, where values are zero too; a is only read. QR and one-sided Jacobi:
 *  |error of a value| <= c max(m, n) u ||a||. Up to WEIR_BATCH_SMALL in the smaller and 512 in the
 *  larger side the values are the same bits with vectors and without; larger ones go one by one through weir_svd.
 *  WEIR_E_NUMERIC, info = 1: an element is not finite, the results are NaN; WEIR_NOT_CONVERGED, info = 2. */
WEIR_API weir_status weir_svd_batched(weir_ctx *ctx, const weir_batch *a, const weir_batch *u, void *values, const weir_batch *v,
                                      int64_t *info, void *work, int64_t work_bytes);
WEIR_API int64_t weir_svd_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *u, const weir_batch *v);

/** c := op(a) op(b), sums in order. With a = b and WEIR_TRANS first: the Gram matrices A'A. */
WEIR_API weir_status weir_multiply_batched(weir_ctx *ctx, weir_trans trans_a, weir_trans trans_b, const weir_batch *a,
                                           const weir_batch *b, const weir_batch *c, void *work, int64_t work_bytes);
WEIR_API int64_t weir_multiply_batched_bytes(const weir_ctx *ctx, weir_trans trans_a, weir_trans trans_b, const weir_batch *a,
                                             const weir_batch *b, const weir_batch *c);

/** Norms: of the columns (columns: count x n) and of the matrix, Frobenius (frobenius: count); either may be NULL. They overflow or
 *  underflow only where the exact ones do. */
WEIR_API weir_status weir_norms_batched(weir_ctx *ctx, const weir_batch *a, void *columns, void *frobenius, void *work,
                                        int64_t work_bytes);
WEIR_API int64_t weir_norms_batched_bytes(const weir_ctx *ctx, const weir_batch *a);

#ifdef __cplusplus
}
#endif
#endif
