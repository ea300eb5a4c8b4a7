/* SPDX-License-Identifier: Apache-2.0 */
/* LU factorization with partial pivoting, float64 and float32.
 *
 *     P A = L U    A: m x n,  L: m x min(m, n) unit lower,  U: min(m, n) x n upper;  |l_ij| <= 1
 *
 * Element (i, j) at a[i row + j column], one of the strides 1: both storage orders in place, with the same bits. L and U replace
 * A. pivot[i] (0-based, min(m, n) of them): row exchanged with row i in step i, the first of the largest |a_ki|, k >= i.
 * A column without a pivot (exact zeros) is passed over, *zero is the 1-based number of the first one, else 0; NaN is taken for a
 * pivot only where there is nothing but zeros beside it, so that it reaches the factors.
 *
 *     |PA - LU| <= c n eps |L||U|  componentwise
 *
 * Work is cut by shape alone: bits do not depend on threads, addresses or storage order. ctx NULL: on the calling thread. */
#ifndef W_DENSE_LU_H
#define W_DENSE_LU_H

#include "base/ctx.h"
#include "dense/panel.h"

/* Bytes of `work` (64-byte aligned), at most m rounded up to a strip times min(m, n, W_PANEL_TILE) elements. */
int64_t w_lu_work_bytes(const w_panel *k, int64_t m, int64_t n);
weir_status w_lu_factor(weir_ctx *ctx, const w_panel *k, int64_t m, int64_t n, void *a, int64_t row, int64_t column,
                        int64_t *pivot, void *work, int64_t *zero);

/* Exchanges row i with row pivot[i] of columns [0, count) for i = 0 … steps - 1, or, `back`, for i = steps - 1 … 0. */
weir_status w_lu_exchange(weir_ctx *ctx, const w_panel *k, int64_t steps, const int64_t *pivot, bool back, int64_t count, void *a,
                          int64_t row, int64_t column);

/* ---- inside ------------------------------------------------------------------------------------------------------- */

/* Column j of a slice in `strips` strips of `step` elements: x_{j-1} *= scale when j > 0, then x_j -= sum_{p < j} x_p u[p]; x_p
 * are neighbouring columns of a strip. The largest |x_j| is returned, NaN aside. */
typedef struct w_lu_kernels {
    double (*column)(int64_t strips, void *x, int64_t step, int j, double scale, const void *u);
    void (*scale)(int64_t strips, void *x, int64_t step, double scale);
    /* Row, counted from the first strip's, of the first |x| = value; -1: none. */
    int64_t (*find)(int64_t strips, const void *x, int64_t step, double value);
    /* u := L^-1 u for the unit lower triangle of the first n rows of packed strips; row r of u at u[r * strip], slice wide. */
    void (*top)(int64_t n, const void *panel, int64_t step, void *u);
} w_lu_kernels;

const w_lu_kernels *w_lu_kernels_of(const w_panel *k);

/* A packed panel (w_panel_pack) of rows >= columns in place; exchange: rows of the panel, one per column. Returns the 1-based
 * number of the first column without a pivot, or 0. */
int64_t w_lu_panel(weir_ctx *ctx, const w_panel *k, int64_t rows, int64_t columns, void *panel, int64_t *exchange);

extern const w_lu_kernels w_lu_portable[2]; /* float64, float32 */
#if defined __x86_64__
extern const w_lu_kernels w_lu_avx2[2], w_lu_avx512[2];
#endif

#endif
