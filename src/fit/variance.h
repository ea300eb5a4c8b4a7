/* SPDX-License-Identifier: Apache-2.0 */
/* Variances of linear predictors, v_i = phi * x_i' P x_i, tile by tile.
 *
 * With an arrow block (row in level l with values u, core row x0):
 *     x'Px = (x0 - G_l'u)' P_00 (x0 - G_l'u) + u' H_l^-1 u,
 * which needs P_00, one row group of G and one small block only. */
#ifndef W_FIT_VARIANCE_H
#define W_FIT_VARIANCE_H

#include "fit/model.h"

typedef struct w_variance w_variance;

/* Of whole predictions (per_term false) or of each term's contribution (rows x term_count). */
weir_status w_variance_create(weir_ctx *ctx, const weir_model *model, bool per_term, w_variance **out);
void w_variance_free(w_variance *variance);
/* Upper bound of what w_variance_create takes: a function of the model, as is the way the variances are computed. */
int64_t w_variance_bytes(const weir_model *model, bool per_term, int workers);
/* out: rows, or with per_term column t at out + t*rows. Thread-safe for different workers. */
weir_status w_variance_tile(const w_variance *variance, int worker, const w_tile *tile, double *out);

#endif
