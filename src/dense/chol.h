/* SPDX-License-Identifier: Apache-2.0 */
/* Cholesky factorization on packed panels, float64 and float32.
 *
 *     A = R'R (upper: the upper triangle is read and replaced by R)   or   A = L L' (lower)
 *
 * n x n, column-major with leading dimension ld >= max(n, 1); the other triangle is neither changed nor does it matter what it
 * holds. Nothing is allocated: tiles are packed on the stack (at most W_CHOL_STACK bytes of any thread). The bits depend on
 * the values, n and the processor's instruction set, not on threads, ld or addresses; those of upper and lower agree. */
#ifndef W_DENSE_CHOL_H
#define W_DENSE_CHOL_H

#include "base/ctx.h"
#include "dense/panel.h"

#define W_CHOL_STACK (3 * W_PANEL_TILE_BYTES + (16 << 10))

/* size: 8 or 4 bytes per element. *failed as w_chol_factor of dense.h: NaN or infinity count as pivots that are not positive. */
weir_status w_chol_factor_panels(weir_ctx *ctx, const w_panel *k, bool upper, int64_t n, void *a, int64_t ld,
                                 int64_t *failed);

#endif
