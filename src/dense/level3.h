/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products and triangular solves on packed panels (panel.h), float64 and float32 by the kernels handed in.
 *
 * Column-major, leading dimensions at least the number of rows. Tiles are packed on the stack of the thread that multiplies
 * them (at most W_LEVEL3_STACK bytes); nothing is allocated but where a function says so. Work is cut by shape alone and every
 * element is summed in ascending depth: bits depend on values, shape and instruction set, not on threads or addresses.
 * ctx NULL: everything on the calling thread, outside the pool. NaN and infinity go through as IEEE has them. */
#ifndef W_DENSE_LEVEL3_H
#define W_DENSE_LEVEL3_H

#include "base/ctx.h"
#include "dense/panel.h"

#define W_LEVEL3_STACK (2 * W_PANEL_TILE_BYTES + W_PANEL_CORNER_BYTES + (16 << 10))

/* C += alpha A B' (rows x columns): A rows x depth, B columns x depth, of any strides; C may not overlap them. */
weir_status w_gemm(weir_ctx *ctx, const w_panel *k, int64_t rows, int64_t columns, int64_t depth, double alpha, w_operand a,
                   w_operand b, void *c, int64_t ld);

/* symmetric.c. The lower triangle of C += alpha A B', n x n, of which the upper triangle is not touched: what a product that
 * is known to be symmetric needs, at half the flops. A, B: n x depth. */
weir_status w_gemm_lower(weir_ctx *ctx, const w_panel *k, int64_t n, int64_t depth, double alpha, w_operand a, w_operand b,
                         void *c, int64_t ld);
/* C += alpha A B' (n x columns) for a symmetric A of which the lower triangle is read; B: columns x n. */
weir_status w_symm(weir_ctx *ctx, const w_panel *k, int64_t n, int64_t columns, double alpha, const void *a, int64_t lda,
                   w_operand b, void *c, int64_t ld);
/* The lower triangle of C += alpha A B for symmetric A and B that commute, of which the lower triangles are read. */
weir_status w_symm_lower(weir_ctx *ctx, const w_panel *k, int64_t n, double alpha, const void *a, int64_t lda, const void *b,
                         int64_t ldb, void *c, int64_t ldc);

typedef struct w_triangular {
    bool right; /* X op(A) = B instead of op(A) X = B */
    bool upper; /* the triangle of A that is read; the other may hold anything */
    bool trans; /* op(A) = A' */
    bool unit;  /* ones on the diagonal, which is not read */
} w_triangular;

/* B := X. A is n x n; B is n x count (left) or count x n (right). A zero on the diagonal gives infinities and NaN.
 * Every right-hand side is solved on its own: row-wise |b - op(A) x| <= c n eps |op(A)| |x|, whatever stands beside it. */
weir_status w_trsm(weir_ctx *ctx, const w_panel *k, w_triangular how, int64_t n, const void *a, int64_t lda, int64_t count,
                   void *b, int64_t ldb);
/* The same for element (i, j) of A at row i, depth j of an operand, and B's at b[i row + j column], one of these strides 1. */
weir_status w_trsm_strided(weir_ctx *ctx, const w_panel *k, w_triangular how, int64_t n, w_operand a, int64_t count, void *b,
                           int64_t row, int64_t column);

/* Weighted cross-products of n rows: x row-major n x p with row stride ldx, weights w (n; NULL: ones; of any sign), z (n; may
 * be NULL, then so may v):
 *     c += X' diag(w) X   upper triangle, p x p, the lower one untouched        v += X' diag(w) z   (p)
 * Up to 320 columns, rows are summed in tiles of W_SYRK_ROWS, tile t into sum number t mod their number (at most 32, by n and
 * p), and these are added in order. Takes w_syrk_bytes(k, n, p) from the ledger. float64 (k->size 8) with float64 sums, or
 * float32 with float32 ones. */
#define W_SYRK_ROWS 4096
weir_status w_syrk_weighted(weir_ctx *ctx, const w_panel *k, int64_t n, int64_t p, const void *x, int64_t ldx, const void *w,
                            const void *z, void *c, int64_t ldc, void *v);
int64_t w_syrk_bytes(const w_panel *k, int64_t n, int64_t p);

#endif
