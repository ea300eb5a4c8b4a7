/* SPDX-License-Identifier: Apache-2.0 */
/* Bands that hold everywhere at once: the c with
 *     P( |fhat_t(x) - f_t(x)| <= c se_t(x) for every x ) >= level
 * under the posterior of a term's coefficients, N(beta_t, phi P_tt), or Student's t with the residual degrees of freedom where
 * the scale was estimated. Sources: Hotelling (1939), Naiman (1986), Sun & Loader (1994); Scheffe (1953); Sidak (1967). */
#ifndef W_FIT_BAND_H
#define W_FIT_BAND_H

#include "fit/model.h"

/* 0 < level < 1. A smooth of one covariate: over its range, by the tube formula. Random effects: over their levels, by
 * Sidak's inequality. Other terms: over all values of their covariates, by Scheffe's; exact for one column. The least of those
 * that apply; NaN without a covariance. On the ledger meanwhile: w_band_doubles(columns) for a smooth of one covariate. Errors: memory. */
weir_status w_band_critical(weir_ctx *ctx, const weir_model *model, const w_term *term, double level, double *out);
static inline int64_t w_band_doubles(int64_t k)
{
    return 260 * k + k * k + 128;
}

#endif
