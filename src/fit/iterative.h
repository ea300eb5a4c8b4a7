/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix-free route: X'WX is never formed (normal/operator.h), coefficients come from preconditioned
 * conjugate gradients, smoothing parameters from Fellner-Schall steps with stochastic traces (docs/numerics/iterative.md).
 *
 *     lambda_j <- lambda_j phi (tr(S^- V_j) - tr(P V_j)) / beta'V_j beta,   V_j = lambda_j S_j, P = H^-1, phi = rss / (n - edf)
 *
 * whose fixed points are the stationary points of REML. Traces, log-determinant and effective degrees of freedom are estimates from
 * fixed probes, with their standard errors; the search ends when the gradient of REML is below a twentieth of its own error.
 * A generalised model takes Fisher steps with such solves inside, lambda moving along, and the working model's criterion.
 * There is no covariance: standard errors are those of the parametric coefficients, one solve each. */
#ifndef W_FIT_ITERATIVE_H
#define W_FIT_ITERATIVE_H

#include "fit/model.h"
#include "normal/operator.h"

#define W_ROUTE_MATRIX_FREE "matrix-free/cg"

/* NULL, or why this route cannot serve these options (a line's middle). */
const char *w_iterative_unfit(const w_design *design, const weir_fit_options *options, bool linear);
/* Everything but the kept tiles, with so many vectors per sweep. Reads shapes only. */
int64_t w_iterative_bytes(const w_design *design, const weir_fit_options *options, int vectors, int workers);
/* Solves of a fit: one and the probes per step of the search. */
int64_t w_iterative_solves(const w_design *design);
/* Vectors of a sweep: the most whose bytes are within `bytes`; at least 1. */
int w_iterative_vectors(const w_design *design, const weir_fit_options *options, int workers, int64_t bytes);
/* The whole fit after compiling; glm: NULL for a linear model with normal errors. Takes over `design` on success only. */
weir_status w_iterative_model(weir_ctx *ctx, w_design *design, weir_table *table, const w_tile_request *request,
                              const weir_plan *plan, const weir_fit_options *options, const w_glm *glm, weir_model **out);

#endif
