/* SPDX-License-Identifier: Apache-2.0 */
/* The coefficients of a linear model once more, by a route of least squares: at the smoothing parameters that were given or found,
 *     (X'WX + S_lambda) beta = X'W z
 * is solved from the rows themselves (solve/route.h), which then lie in memory as a dense matrix. Degrees of freedom, tests and covariance stay
 * those of the normal equations. */
#ifndef W_FIT_DIRECT_H
#define W_FIT_DIRECT_H

#include "fit/model.h"
#include "weir/linear.h"

/* The route of least squares behind a route of a fit; WEIR_ROUTE_AUTO when there is none (a weir_route of weir/linear.h). */
int32_t w_direct_route(weir_fit_route route);
/* NULL, or why it cannot serve (a line's middle). */
const char *w_direct_unfit(const w_design *design, bool linear);
/* NULL, or why the route does not serve; bytes beside the model (rows and the route's own) and seconds beside those of the normal
 * equations. Reads shapes only. */
const char *w_direct_weigh(weir_ctx *ctx, const w_design *design, int64_t rows, double ridge, int32_t route, int64_t *bytes, double *seconds);
/* Replaces beta, what the tables show of it, condition and backward error, and notes it. The model is left as it was on failure. */
weir_status w_direct_solve(weir_ctx *ctx, weir_model *model, weir_table *table, const w_tile_request *request, double ridge, int32_t route);
/* When no route was asked for: QR where the normal equations are too ill-conditioned and the rows fit in memory; a note where they do
 * not. */
weir_status w_direct_if_needed(weir_ctx *ctx, weir_model *model, weir_table *table, const w_tile_request *request, double ridge);

#endif
