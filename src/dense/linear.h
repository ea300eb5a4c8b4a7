/* SPDX-License-Identifier: Apache-2.0 */
/* Triangular systems, Cholesky, LU and general solves on views of any strides; what weir/linalg.h promises, without the checks of
 * arguments. Each takes its room from `s` (strided.h) and returns WEIR_OK at once where s has no base. */
#ifndef W_DENSE_LINEAR_H
#define W_DENSE_LINEAR_H

#include "base/ctx.h"
#include "dense/level3.h"
#include "dense/strided.h"

weir_status w_dense_trsm(weir_ctx *ctx, w_triangular how, const weir_matrix *a, const weir_matrix *b, w_scratch *s);
/* 1-based number of the first zero on the diagonal, or 0. */
int64_t w_dense_zero(const weir_matrix *a);

/* *failed as w_chol_factor_panels. */
weir_status w_dense_potrf(weir_ctx *ctx, bool upper, const weir_matrix *a, int64_t *failed, w_scratch *s);
weir_status w_dense_potrs(weir_ctx *ctx, bool upper, const weir_matrix *a, const weir_matrix *b, w_scratch *s);

/* pivot and *zero as w_lu_factor. */
weir_status w_dense_getrf(weir_ctx *ctx, const weir_matrix *a, int64_t *pivot, int64_t *zero, w_scratch *s);
weir_status w_dense_getrs(weir_ctx *ctx, bool trans, const weir_matrix *a, const int64_t *pivot, const weir_matrix *b, w_scratch *s);

/* A X = B, A only read, B := X. *zero: the first zero pivot, B is untouched then. report may be NULL. */
weir_status w_dense_solve(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, int64_t *zero, weir_solve_report *report,
                           w_scratch *s);

/* Eigenvalues ascending in `values`; A := eigenvectors. *failed: dsyevd's info. */
weir_status w_dense_syevd(weir_ctx *ctx, bool vectors, bool upper, const weir_matrix *a, void *values, int64_t *failed,
                           w_scratch *s);

/* A = U diag(values) V', values descending, U m x k, V n x k, k = min(m, n); u and v may be NULL; A only read. *failed: dgesdd's
 * info. WEIR_E_NUMERIC when A is not finite: nothing is written then. */
weir_status w_dense_svd(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *u, void *values, const weir_matrix *v, int64_t *failed,
                        w_scratch *s);

#endif
