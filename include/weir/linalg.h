/* SPDX-License-Identifier: Apache-2.0 */
/** Dense factorizations of one matrix, float64 or float32, of any strides.
 *
 *  A matrix is a view: element (i, j) lies at data[i row_stride + j col_stride]. Row-major, column-major and parts of larger
 *  arrays are factored where they lie, without a transposed copy; nothing between the elements is read or written. The elements
 *  of a view must not overlap, and an output must not overlap another argument but where a function says so. Vectors (tau,
 *  values, pivots) are contiguous. dtype is the same for all arguments of a call.
 *
 *  Conventions are LAPACK's: reflectors H = I - tau v v' with v_i = 1 where the diagonal is, tau 0 or in [1, 2],
 *  beta = -sign(alpha) ||x||; Q = H_1 H_2 ... H_k, k = min(rows, cols). NaN and infinities pass through as in LAPACK: the
 *  result of a matrix that holds one is not finite where it depends on it, and is no error. Columns are scaled by powers of two
 *  where their norms could overflow or underflow, so that a result overflows only where the exact one does.
 *
 *  Workspace. Each function weir_X has an int64_t weir_X_bytes with the same views, of which it reads shapes, strides and dtype
 *  alone (data may be NULL): the bytes that X uses with this context, more than any machine has where sizes overflow, -1 for
 *  arguments that X would refuse. `work` NULL: they
 *  are taken from the context's memory and given back. Else `work` (of any alignment) holds `work_bytes` >= weir_X_bytes, and
 *  nothing is allocated. Up to 520 KiB of stack per thread are used beside it.
 *
 *  info (may be NULL) is 0, or the 1-based number of the row, column or pivot that the function names. It is written whenever the
 *  status is not an error of arguments or memory.
 *
 *  Status. WEIR_OK; WEIR_E_ARG: shapes, strides, dtype, NULL or too little workspace; WEIR_E_MEMORY, WEIR_E_BUDGET: no workspace;
 *  nothing is written then. Others where they are named. One call at a time per context, whose threads are used; the bits of a
 *  result depend on values, shape, layout and processor, not on the number of threads.
 *
 *  Sources: Golub & Van Loan, Matrix Computations, 5; Higham, Accuracy and Stability of Numerical Algorithms, 19;
 *  docs/numerics/factor.md. */
#ifndef WEIR_LINALG_H
#define WEIR_LINALG_H

#include <stdint.h>
#include "weir/context.h"
#include "weir/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Strides count elements and may have any sign. Data must be aligned to their own size. rows, cols >= 0. */
typedef struct weir_matrix {
    void *data;
    weir_dtype dtype; /**< WEIR_F64 or WEIR_F32 */
    int64_t rows, cols;
    int64_t row_stride, col_stride; /**< row-major: cols, 1; column-major: 1, rows */
} weir_matrix;

typedef enum weir_side { WEIR_LEFT = 0, WEIR_RIGHT = 1 } weir_side;
typedef enum weir_trans { WEIR_NO_TRANS = 0, WEIR_TRANS = 1 } weir_trans;
typedef enum weir_uplo { WEIR_UPPER = 0, WEIR_LOWER = 1 } weir_uplo;
typedef enum weir_diag { WEIR_NON_UNIT = 0, WEIR_UNIT = 1 } weir_diag;

/* ---- Orthogonal factorization -------------------------------------------------------------------------------------- */

/** A = QR in place, m x n: R on and above the diagonal, the vectors v_i below it; tau: k = min(m, n) values.
 *  geqr2 goes column by column, geqrf by blocks at the rate of matrix products; tall matrices by a tree of row blocks whose
 *  reflectors are then put into this form. 2 n^2 (m - n / 3) flops for m >= n.
 *  ||A - QR|| <= c m n u ||A||, column by column. */
WEIR_API weir_status weir_geqr2(weir_ctx *ctx, const weir_matrix *a, void *tau, void *work, int64_t work_bytes);
WEIR_API int64_t weir_geqr2_bytes(const weir_ctx *ctx, const weir_matrix *a);
WEIR_API weir_status weir_geqrf(weir_ctx *ctx, const weir_matrix *a, void *tau, void *work, int64_t work_bytes);
WEIR_API int64_t weir_geqrf_bytes(const weir_ctx *ctx, const weir_matrix *a);

/** T (k x k, upper triangular, what lies below the diagonal is not written) with H_1 ... H_k = I - V T V', forward and columnwise:
 *  V is m x k, m >= k, unit lower trapezoidal; its diagonal and what lies above are not read. */
WEIR_API weir_status weir_larft(weir_ctx *ctx, const weir_matrix *v, const void *tau, const weir_matrix *t, void *work,
                                int64_t work_bytes);
WEIR_API int64_t weir_larft_bytes(const weir_ctx *ctx, const weir_matrix *v, const weir_matrix *t);

/** C := H C, H'C (left: C m x n), C H or C H' (right: C n x m) for the block reflector H = I - V T V' of weir_larft. */
WEIR_API weir_status weir_larfb(weir_ctx *ctx, weir_side side, weir_trans trans, const weir_matrix *v, const weir_matrix *t,
                                const weir_matrix *c, void *work, int64_t work_bytes);
WEIR_API int64_t weir_larfb_bytes(const weir_ctx *ctx, weir_side side, const weir_matrix *v, const weir_matrix *t,
                                  const weir_matrix *c);

/** The first n columns of Q = H_1 ... H_k in place: A is m x n, m >= n >= k, its first k columns as weir_geqrf left them. */
WEIR_API weir_status weir_orgqr(weir_ctx *ctx, const weir_matrix *a, int64_t k, const void *tau, void *work, int64_t work_bytes);
WEIR_API int64_t weir_orgqr_bytes(const weir_ctx *ctx, const weir_matrix *a, int64_t k);

/** C := Q C, Q'C (left) or C Q, C Q' (right) for Q = H_1 ... H_k: A has the k reflectors in its k = cols columns. */
WEIR_API weir_status weir_ormqr(weir_ctx *ctx, weir_side side, weir_trans trans, const weir_matrix *a, const void *tau,
                                const weir_matrix *c, void *work, int64_t work_bytes);
WEIR_API int64_t weir_ormqr_bytes(const weir_ctx *ctx, weir_side side, const weir_matrix *a, const weir_matrix *c);

typedef enum weir_qr_mode {
    WEIR_QR_REDUCED = 0,  /**< Q m x k, R k x n */
    WEIR_QR_COMPLETE = 1, /**< Q m x m, R m x n */
    WEIR_QR_R = 2         /**< R k x n alone */
} weir_qr_mode;

/** How weir_qr came to its result. Signs of rows of R differ between the paths: Cholesky's R has a positive diagonal. */
typedef enum weir_qr_path {
    WEIR_QR_AUTO = 0,        /**< tall: TSQR for R alone and where Q overwrites A, else CHOLESKY2; else HOUSEHOLDER */
    WEIR_QR_HOUSEHOLDER = 1, /**< weir_geqrf and weir_orgqr */
    WEIR_QR_CHOLESKY2 = 2,   /**< twice R = chol(A'A), A := A R^-1: condition below about u^-1/2 */
    WEIR_QR_CHOLESKY3 = 3,   /**< a shifted one before: condition below about 1 / u */
    WEIR_QR_TSQR = 4         /**< a tree of Householder factorizations of blocks of rows: any matrix */
} weir_qr_path;

/** A = QR with explicit factors; A is only read. q is not used (may be NULL) for WEIR_QR_R; with WEIR_QR_REDUCED and m >= n it
 *  may be A itself: the same data and strides. R is written whole, zeros below the diagonal.
 *  *path (NULL: WEIR_QR_AUTO): on entry the path wished for, on return the one taken. TSQR serves m >= n, Cholesky's paths m >= 2 n,
 *  n <= 1152 and a Q that is not A, and neither WEIR_QR_COMPLETE: HOUSEHOLDER or TSQR is taken instead. Of Cholesky's, the third
 *  pass is added when the second does not suffice, and a failed check (a pivot, ||Q'Q - I|| before the last pass, a value that is
 *  not finite) ends in TSQR: whatever the path, the factors are as good as Householder's. Bounds: docs/numerics/factor.md.
 *  Workspace: that of `path` and of those it may end in. */
WEIR_API weir_status weir_qr(weir_ctx *ctx, weir_qr_mode mode, const weir_matrix *a, const weir_matrix *q, const weir_matrix *r,
                             int32_t *path, void *work, int64_t work_bytes);
WEIR_API int64_t weir_qr_bytes(const weir_ctx *ctx, weir_qr_mode mode, int32_t path, const weir_matrix *a, const weir_matrix *q);

/** X (n x nrhs) with min ||A X - B|| by A = QR, m >= n; A and B (m x nrhs) are overwritten: by the factorization of
 *  weir_geqrf and by Q'B, whose rows from n on have the norms of the residuals. X may be the first n rows of B.
 *  WEIR_RANK_DEFICIENT with info = j when R_jj is zero: X is not written then. */
WEIR_API weir_status weir_qr_solve(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *x, int64_t *info,
                                   void *work, int64_t work_bytes);
WEIR_API int64_t weir_qr_solve_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *x);

/* ---- Triangular systems, LU, Cholesky, least squares, eigenvalues, singular values -------------------------------------------------- */

/** B := op(A)^-1 B (left) or B op(A)^-1 (right), op(A) = A or A'. A is n x n, of which only the triangle `uplo` is read, without
 *  its diagonal when WEIR_UNIT. Row by row |b - op(A) x| <= c n u |op(A)| |x|.
 *  WEIR_E_NUMERIC with info = i when a_ii is zero (not for WEIR_UNIT): B is untouched. */
WEIR_API weir_status weir_trsm(weir_ctx *ctx, weir_side side, weir_uplo uplo, weir_trans trans, weir_diag diag, const weir_matrix *a,
                               const weir_matrix *b, int64_t *info, void *work, int64_t work_bytes);
WEIR_API int64_t weir_trsm_bytes(const weir_ctx *ctx, weir_side side, const weir_matrix *a, const weir_matrix *b);

/** A = R'R (WEIR_UPPER) or L L' (WEIR_LOWER) in place; the other triangle is neither read nor written. n^3 / 3 flops.
 *  |A - R'R| <= c n u |R'||R| componentwise.
 *  WEIR_E_NUMERIC with info = k when pivot k is not positive and finite: the triangle holds no factor then. */
WEIR_API weir_status weir_potrf(weir_ctx *ctx, weir_uplo uplo, const weir_matrix *a, int64_t *info, void *work, int64_t work_bytes);
WEIR_API int64_t weir_potrf_bytes(const weir_ctx *ctx, const weir_matrix *a);
/** B := A^-1 B from the factor of weir_potrf. */
WEIR_API weir_status weir_potrs(weir_ctx *ctx, weir_uplo uplo, const weir_matrix *a, const weir_matrix *b, void *work,
                                int64_t work_bytes);
WEIR_API int64_t weir_potrs_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b);

/** P A = L U in place, m x n: U on and above the diagonal, L below it with |l_ij| <= 1. pivot (min(m, n), 0-based): row i was
 *  exchanged with row pivot[i] in step i. |PA - LU| <= c n u |L||U| componentwise.
 *  WEIR_RANK_DEFICIENT with info = k when u_kk is the first that is exactly zero: the factorization is complete, but no system can
 *  be solved by it. */
WEIR_API weir_status weir_getrf(weir_ctx *ctx, const weir_matrix *a, int64_t *pivot, int64_t *info, void *work, int64_t work_bytes);
WEIR_API int64_t weir_getrf_bytes(const weir_ctx *ctx, const weir_matrix *a);
/** B := op(A)^-1 B from the factors of weir_getrf. WEIR_E_NUMERIC with info = k when u_kk is zero: B is untouched. */
WEIR_API weir_status weir_getrs(weir_ctx *ctx, weir_trans trans, const weir_matrix *a, const int64_t *pivot, const weir_matrix *b,
                                int64_t *info, void *work, int64_t work_bytes);
WEIR_API int64_t weir_getrs_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b);

typedef struct weir_solve_report {
    double backward_error; /**< largest ||b - A x|| / (||A|| ||x|| + ||b||) of a right-hand side, 1-norms */
    double condition;      /**< estimate of ||A|| ||A^-1||, 1-norms; infinity when singular to working precision */
} weir_solve_report;

/** B := A^-1 B by LU with partial pivoting; A (n x n) is only read. report may be NULL and costs n^2 (nrhs + 10) flops.
 *  WEIR_E_NUMERIC with info = k when pivot k is exactly zero: B is untouched. */
WEIR_API weir_status weir_solve(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, weir_solve_report *report, int64_t *info,
                                void *work, int64_t work_bytes);
WEIR_API int64_t weir_solve_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b);

/** A P = Q R with column pivoting, in place, m x n: R, v_i and tau as weir_geqrf leaves them; pivot (n): column j of A P is column
 *  pivot[j] of A, 0-based. |r_11| >= |r_22| >= … up to rounding; remaining norms are lowered step by step and taken anew where
 *  cancellation leaves them fewer than half of their digits. Columns are moved to the workspace unless they follow each other. */
WEIR_API weir_status weir_geqp3(weir_ctx *ctx, const weir_matrix *a, int64_t *pivot, void *tau, void *work, int64_t work_bytes);
WEIR_API int64_t weir_geqp3_bytes(const weir_ctx *ctx, const weir_matrix *a);

typedef struct weir_lstsq_report {
    int64_t rank;     /**< of A as seen with the tolerance; 0 when A is not finite */
    double tolerance; /**< in use */
    double condition; /**< full rank: estimate in the 1-norm; else |r_11 / r_rr| of the pivoted factor; NaN: none */
    double residual;  /**< largest ||b - A x||_2 of a right-hand side */
} weir_lstsq_report;

/** X (n x nrhs) of least norm among those with min ||A X - B||, A m x n of any shape and rank, B m x nrhs; both only read.
 *  The rank is the number of |r_jj| > tolerance |r_11| of QR with column pivoting; tolerance 0: max(m, n) eps. Pivoting is left
 *  out where a condition estimate shows that it would find full rank. report may be NULL. A that is not finite gives X of NaN.
 *  WEIR_RANK_DEFICIENT when the rank is below min(m, n): X is the solution all the same. */
WEIR_API weir_status weir_lstsq(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *x, double tolerance,
                                weir_lstsq_report *report, void *work, int64_t work_bytes);
WEIR_API int64_t weir_lstsq_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *x);

/** Symmetric A (n x n, the triangle `uplo` is read): eigenvalues ascending in values (n) and, when `vectors` is not 0,
 *  eigenvectors as the columns of A; else the triangle is destroyed. Divide and conquer.
 *  WEIR_E_NUMERIC with info > 0 when it does not converge; with info 0 when an element is not finite, A is untouched then. */
WEIR_API weir_status weir_syevd(weir_ctx *ctx, int32_t vectors, weir_uplo uplo, const weir_matrix *a, void *values, int64_t *info,
                                void *work, int64_t work_bytes);
WEIR_API int64_t weir_syevd_bytes(const weir_ctx *ctx, int32_t vectors, const weir_matrix *a);

/** A = U diag(values) V', m x n of any shape, k = min(m, n): singular values descending in values (k), U m x k and V n x k with
 *  orthonormal columns; A is only read, u or v or both may be NULL. Divide and conquer on a copy; tall and wide matrices go through
 *  QR or LQ first. |error of a value| <= c max(m, n) u ||A||.
 *  WEIR_E_NUMERIC with info > 0 when it does not converge; with info 0 when an element is not finite, nothing is written then. */
WEIR_API weir_status weir_svd(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *u, void *values, const weir_matrix *v,
                              int64_t *info, void *work, int64_t work_bytes);
WEIR_API int64_t weir_svd_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *u, const weir_matrix *v);

#ifdef __cplusplus
}
#endif
#endif
