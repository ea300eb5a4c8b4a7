/* SPDX-License-Identifier: Apache-2.0 */
/* Orthogonal factorizations on views of any strides (weir/linalg.h), float64 and float32.
 *
 *   reflector.c      eight reflectors at a time, in a buffer
 *   qr_panel.c       a panel in a buffer; copies between views and buffers; scaling of columns
 *   qr_block.c       block reflectors at the rate of matrix products: T, packing, application
 *   qr.c             geqrf, orgqr, ormqr, larfb
 *   qr_larft.c       T of any number of reflectors
 *   qr_explicit.c    Q and R as matrices, least squares of full rank
 *   qr_rows.c        rows times the inverse of a triangle
 *   tsqr.c           trees of row blocks, with Q; tsqr_form.c: in the form of geqrf
 *   cholqr.c         Cholesky's way to Q and R, guarded
 *
 * A buffer is column-major with leading dimension w_qr_lead(rows) and columns padded to multiples of 8; rows beyond the last and
 * columns beyond the last are zero. Work is cut by shape alone, sums have a fixed order: bits do not depend on threads.
 * Workspaces are given by the caller, 64-byte aligned, of the size that the function's _bytes says. */
#ifndef W_DENSE_QR_H
#define W_DENSE_QR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "dense/panel.h"
#include "dense/reflector.h"
#include "weir/linalg.h"

typedef struct w_qr_kernels {
    const w_panel *panel;
    const w_reflector *reflector;
} w_qr_kernels;

w_qr_kernels w_qr_best(weir_dtype dtype);
static inline int w_qr_size(const weir_matrix *a) { return a->dtype == WEIR_F32 ? 4 : 8; }

/* Part of a view. */
static inline weir_matrix w_view(const weir_matrix *a, int64_t row, int64_t col, int64_t rows, int64_t cols)
{
    weir_matrix part = *a;
    part.data = a->data ? (char *)a->data + (row * a->row_stride + col * a->col_stride) * w_qr_size(a) : NULL;
    part.rows = rows;
    part.cols = cols;
    return part;
}

static inline weir_matrix w_view_turned(const weir_matrix *a)
{
    weir_matrix turned = *a;
    turned.rows = a->cols;
    turned.cols = a->rows;
    turned.row_stride = a->col_stride;
    turned.col_stride = a->row_stride;
    return turned;
}

/* ---- reflector.c --------------------------------------------------------------------------------------------------- */

/* H_8 ... H_1 [head; a] = [R; 0]: head 8 x 8 and `rows` rows below it, 8 columns. R lies on and above the head's diagonal then,
 * V below it and in a. tau: 8; t, vh: dense 8 x 8, T and the head of V. */
void w_reflector_factor(const w_reflector *k, int64_t rows, void *head, int64_t ldh, void *a, int64_t ld, void *tau, void *t,
                        void *vh);
/* [ch; c] := (I - V op(T) V') [ch; c] for `columns` columns; vh NULL: the identity. */
void w_reflector_apply(const w_reflector *k, bool trans, const void *t, const void *vh, int64_t rows, const void *v, int64_t ldv,
                       int64_t columns, void *ch, int64_t ldh, void *c, int64_t ldc);

/* ---- qr_panel.c ---------------------------------------------------------------------------------------------------- */

int64_t w_qr_lead(int64_t rows);
/* Bytes of a buffer. */
int64_t w_qr_buffer_bytes(int size, int64_t rows, int64_t columns);
/* View to buffer, padding zeroed up to columns rounded to 8, and back. */
void w_qr_load(const weir_matrix *from, void *buffer, int64_t ld);
void w_qr_store(const void *buffer, int64_t ld, const weir_matrix *to);
/* The rows i <= j + below of a buffer's columns j to the view; zeros below when `zeros`. */
void w_qr_store_upper(const void *buffer, int64_t ld, const weir_matrix *to, bool zeros);

/* Asks for the part [from, to) / of of a view, by whole columns or rows, whichever are contiguous, in the second cache. */
void w_qr_ask(const weir_matrix *next, int64_t from, int64_t to, int64_t of);

/* QR of a buffer of rows x columns (as padded): R, V, tau (columns rounded to 8), T of every block of eight in t8 and heads in
 * vh8 (64 elements each). */
void w_qr_panel_factor(const w_reflector *k, int64_t rows, int64_t columns, void *a, int64_t ld, void *tau, void *t8, void *vh8);

/* Powers of two that bring the largest element of every column of a buffer near one: power[j], 0 where it is of moderate size,
 * zero or not finite. Returns whether any is not 0. */
bool w_qr_powers(const w_reflector *k, int64_t rows, int64_t columns, const void *buffer, int64_t ld, int32_t *power);
bool w_qr_moderate(int size, double largest); /* zero is */
/* Column j times 2^(sign power[j]); only on and above the diagonal where `upper`. */
void w_qr_scale(int size, int64_t rows, int64_t columns, void *buffer, int64_t ld, const int32_t *power, int sign, bool upper);

double w_qr_get(int size, const void *a, int64_t i);
void w_qr_put(int size, void *a, int64_t i, double value);

/* ---- qr_block.c ---------------------------------------------------------------------------------------------------- */

#define W_QR_WIDTH_MAX W_PANEL_TILE

/* I - V T V', V rows x columns <= W_QR_WIDTH_MAX, packed. */
typedef struct w_qr_block {
    w_qr_kernels k;
    int64_t rows, columns;
    void *lanes, *depth, *t, *turned; /* V by rows, V by columns, T and T' */
    void *corner;                     /* the first rows of V as they are, explicit */
    void *gram;                       /* V'V and T, float64, columns padded to eights */
} w_qr_block;

int64_t w_qr_block_bytes(int size, int64_t rows, int64_t columns);
void w_qr_block_place(w_qr_block *b, w_qr_kernels k, int64_t rows, int64_t columns, void *work);
/* Takes V from below the diagonal of a view (rows x columns), T from tau and V'V, or from a view (columns x columns, upper). */
void w_qr_block_pack(w_qr_block *b, const weir_matrix *v, const void *tau, const weir_matrix *t);
/* T as pack has made it, to a view. */
void w_qr_block_triangle(const w_qr_block *b, const weir_matrix *t);
/* Columns [first, first + count) of c := (I - V op(T) V') c, on the calling thread, up to 320 KiB of stack. */
void w_qr_block_apply_part(const w_qr_block *b, bool trans, const weir_matrix *c, int64_t first, int64_t count);
/* All of them over the pool. */
weir_status w_qr_block_apply(weir_ctx *ctx, const w_qr_block *b, bool trans, const weir_matrix *c);

/* ---- qr.c ---------------------------------------------------------------------------------------------------------- */

int64_t w_geqr2_bytes(const weir_matrix *a);
void w_geqr2(const weir_matrix *a, void *tau, void *work);
int64_t w_geqrf_bytes(const weir_ctx *ctx, const weir_matrix *a);
weir_status w_geqrf(weir_ctx *ctx, const weir_matrix *a, void *tau, void *work);
int64_t w_orgqr_bytes(const weir_matrix *a, int64_t k);
weir_status w_orgqr(weir_ctx *ctx, const weir_matrix *a, int64_t k, const void *tau, void *work);
int64_t w_ormqr_bytes(const weir_matrix *a);
/* Left: c.rows = a.rows. Turn the view of c, and `trans`, for the right side. */
weir_status w_ormqr(weir_ctx *ctx, bool trans, const weir_matrix *a, const void *tau, const weir_matrix *c, void *work);
int64_t w_larft_bytes(const weir_matrix *v);
weir_status w_larft(weir_ctx *ctx, const weir_matrix *v, const void *tau, const weir_matrix *t, void *work);
int64_t w_larfb_bytes(const weir_matrix *v);
weir_status w_larfb(weir_ctx *ctx, bool trans, const weir_matrix *v, const weir_matrix *t, const weir_matrix *c, void *work);

/* ---- qr_explicit.c ------------------------------------------------------------------------------------------------- */

/* weir_qr; q NULL for R alone. *path: wished for, taken. */
int64_t w_qr_bytes(const weir_ctx *ctx, weir_qr_mode mode, int32_t path, const weir_matrix *a, const weir_matrix *q);
weir_status w_qr(weir_ctx *ctx, weir_qr_mode mode, const weir_matrix *a, const weir_matrix *q, const weir_matrix *r, int32_t *path,
                 void *work);
int64_t w_qr_solve_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b);
weir_status w_qr_solve(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *x, int64_t *info, void *work);

/* ---- qr_rows.c ----------------------------------------------------------------------------------------------------- */

/* Rows times the inverse of an upper triangle U (n x n, column-major buffer), packed. */
#define W_QR_ROWS_MAX 1152
typedef struct w_qr_rows {
    const w_panel *k;
    int64_t n;
    void *triangles, *corners, *above; /* by blocks of W_PANEL_TILE columns; above: U_cb, c < b */
} w_qr_rows;
int64_t w_qr_rows_bytes(int size, int64_t n);
void w_qr_rows_pack(w_qr_rows *s, const w_panel *k, int64_t n, const void *u, int64_t ld, void *work);
/* to := from U^-1 for all rows of the view, on the calling thread; n <= W_QR_ROWS_MAX. `to` may be `from`. Up to 520 KiB of stack. */
void w_qr_rows_solve(const w_qr_rows *s, const weir_matrix *from, const weir_matrix *to);

/* ---- tsqr.c, tsqr_form.c, cholqr.c --------------------------------------------------------------------------------- */

/* rows >= cols. R (cols x cols, zeros below) and, where q is not NULL, Q (rows x cols; may be a itself). */
int64_t w_tsqr_bytes(const weir_ctx *ctx, const weir_matrix *a, bool q);
weir_status w_tsqr(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *q, const weir_matrix *r, void *work);
/* geqrf's form, by TSQR and reconstruction; whether it is worth it. */
bool w_tsqr_wins(const weir_matrix *a);
int64_t w_tsqr_geqrf_bytes(const weir_ctx *ctx, const weir_matrix *a);
weir_status w_tsqr_geqrf(weir_ctx *ctx, const weir_matrix *a, void *tau, void *work);

/* WEIR_DECLINED when a check fails: q and r hold nothing of use then. `q` may not be `a`. *path: 2 or 3. */
bool w_cholqr_fits(const weir_matrix *a);
int64_t w_cholqr_bytes(const weir_ctx *ctx, const weir_matrix *a, bool q);
weir_status w_cholqr(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *q, const weir_matrix *r, int32_t *path, void *work);

#endif
