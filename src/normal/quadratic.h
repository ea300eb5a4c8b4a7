/* SPDX-License-Identifier: Apache-2.0 */
/* Quadratic forms of rows of X: q_i = x_i' V x_i for a symmetric V, through one table per pair of blocks,
 *     Q_ab[c][d] = M_c T_a V_ab T_b' M_d'   (width_a x width_b, doubled for a != b),     q = sum over a <= b of  v_a' Q_ab v_b.
 * A row costs what it costs in the cross-products (16 multiply-adds per pair of splines) instead of the 2 p^2 flops of
 * x'(Vx). Use: variances of predictions, leverages. */
#ifndef W_NORMAL_QUADRATIC_H
#define W_NORMAL_QUADRATIC_H

#include "model/design.h"

typedef struct w_quadratic w_quadratic;

/* v: order x order, symmetric, row-major. position: per column of X its place in v, -1 = counts as zero; NULL = the
 * column itself. WEIR_DECLINED (no message, *out untouched) when the tables would need more than max_bytes. */
weir_status w_quadratic_create(weir_ctx *ctx, const w_design *design, const double *v, int64_t order,
                               const int64_t *position, int64_t max_bytes, w_quadratic **out);
void w_quadratic_free(w_quadratic *quadratic);
/* Bytes held by the tables; w_quadratic_create takes some more while it works. */
int64_t w_quadratic_bytes(const w_design *design);
/* out: tile->rows values. Thread-safe; no allocation. */
void w_quadratic_tile(const w_quadratic *quadratic, const w_tile *tile, double *out);

#endif
