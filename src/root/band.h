/* SPDX-License-Identifier: Apache-2.0 */
/* A = Q B Q' with B of bandwidth w and Q orthogonal, and the sums of poles that are cheap on B:
 *
 *     A^(-1/p) C = Q ( sum_j weight_j (B + t_j I)^-1 ) Q' C.
 *
 * The reduction costs 4/3 n^3 flops, all but O(n^2 w) of them in products of matrices, where one to tridiagonal form spends half
 * of them at the speed of memory; each pole then costs O(n w^2) and each right-hand side 6 n w flops a pole. For each block
 * column j of w columns: QR of what lies below the band, P = (I - V T V') R, and with X = A V T, S = T'V'X, W = X - V S / 2
 *
 *     A <- (I - V T V')' A (I - V T V') = A - V W' - W V'      on the trailing rows and columns, lower triangle alone.
 *
 * float64. Bits do not depend on the number of threads. Reference: Bischof, Lang and Sun, ACM TOMS 26, 2000 (successive band
 * reduction); LAPACK's dsytrd_sy2sb. */
#ifndef W_ROOT_BAND_H
#define W_ROOT_BAND_H

#include "base/ctx.h"
#include "dense/strided.h"
#include "root/poles.h"
#include "root/room.h"

typedef struct w_root_band {
    int64_t n, width, blocks; /* blocks of `width`, the last one filled up with rows of the identity */
    double *reflectors;       /* n x n: V below the band, as LAPACK has it */
    double *tau;              /* n */
    double *diagonal;         /* blocks of width x width, symmetric, both triangles */
    double *below;            /* blocks - 1 of width x width: block (i + 1, i), upper triangular but for the last */
} w_root_band;

/* Width for n rows and `count` right-hand sides. */
int64_t w_root_band_width(int64_t n, int64_t count);
/* Reduces `a` (n x n, column-major, lower triangle read) in place; the band and everything else lives in pieces of `s`. */
weir_status w_root_band_reduce(weir_ctx *ctx, int64_t n, int64_t width, double *a, w_root_band *out, w_scratch *s);
/* C := Q'C (transposed) or Q C; C is n x count. */
weir_status w_root_band_turn(weir_ctx *ctx, const w_root_band *band, bool transposed, const weir_matrix *c, w_scratch *s);

/* Bounds of the spectrum by Cholesky factors of B - sigma I and sigma I - B on grids of sigma: *least within a factor of 2 below the
 * least eigenvalue, 0 when there is none above most * floor; *most, an upper bound on entry, within a tenth above the largest. */
weir_status w_root_band_extent(weir_ctx *ctx, const w_root_band *band, double floor, double *least, double *most, w_scratch *s);

/* C := scale sum_j weight_j (B / most + t_j I)^-1 C, i.e. (B / most)^(-1/p) C within poles->error. WEIR_E_NUMERIC
 * when B / most + t_j I has no factor. C: count columns of n, column-major. */
weir_status w_root_band_apply(weir_ctx *ctx, const w_root_band *band, const w_root_poles *poles, double most, double scale,
                              int64_t count, double *c, int64_t ldc, w_scratch *s);

#endif
