/* SPDX-License-Identifier: Apache-2.0 */
/* Quadratic forms of rows of X: q_i = x_i' V x_i for a symmetric V. Two routes:
 *   tables   one per pair of blocks,  Q_ab[c][d] = M_c T_a V_ab T_b' M_d'  (width_a x width_b, doubled for a != b),  and
 *            q = sum over a <= b of  v_a' Q_ab v_b:  a row costs what it costs in the cross-products (16 multiply-adds per pair
 *            of splines) instead of the 2 p^2 flops of x'(Vx);
 *   panels   64 rows of X at a time, written out, Y = X V by one matrix product, q_i = x_i' y_i.
 * The tables of bases with many cells (thin plates break at every distinct value) outgrow any memory. They are the route as long
 * as they hold at most 512 bytes per flop that they save; at least 4 MiB are allowed and at most 64. Which route it is follows
 * from the shapes of the model alone, never from memory, threads or rows, because the two differ in the last bits. Use: variances
 * of predictions, leverages. */
#ifndef W_NORMAL_QUADRATIC_H
#define W_NORMAL_QUADRATIC_H

#include "model/design.h"

typedef struct w_quadratic w_quadratic;

typedef struct w_quadratic_form {
    const double *v;         /* order x order, symmetric, row-major; outlives the object */
    int64_t order;
    const int64_t *position; /* per column of X its place in v, -1 = counts as zero; NULL = the column itself */
    int64_t first, last;     /* columns of X that count besides; last = 0: all */
    int share;               /* forms made together, which divide what tables are allowed; 0 = 1 */
} w_quadratic_form;

weir_status w_quadratic_create(weir_ctx *ctx, const w_design *design, const w_quadratic_form *form, w_quadratic **out);
void w_quadratic_free(w_quadratic *quadratic);
/* Upper bound of what w_quadratic_create takes with so many workers. Reads shapes only, form->v not at all; with position = NULL
 * and last = 0 it also serves a skeleton design (model/estimate.h). */
int64_t w_quadratic_bytes(const w_design *design, const w_quadratic_form *form, int workers);
bool w_quadratic_tabulated(const w_design *design, const w_quadratic_form *form);
/* out: tile->rows values. Thread-safe for as many callers as the pool has workers; no allocation. */
void w_quadratic_tile(const w_quadratic *quadratic, const w_tile *tile, double *out);

#endif
