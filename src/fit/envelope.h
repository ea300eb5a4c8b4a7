/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles of residuals beside those of residuals simulated from the fitted model (Augustin, Sauleau & Wood 2012):
 * W_ENVELOPE_DRAWS responses are drawn for every sampled row at its mean, weight and the scale; their sorted residuals give at
 * each rank a median, the reference, and a band that holds about nine of ten. Whatever the family, points on the diagonal
 * inside the band are what the model leads to expect. */
#ifndef W_FIT_ENVELOPE_H
#define W_FIT_ENVELOPE_H

#include "fit/model.h"

#define W_ENVELOPE_DRAWS 50
#define W_ENVELOPE_POINTS 400

/* prior: of the sampled rows. Fills the quantile arrays of `result` from its sample; they lie in the model's arena.
 * On the ledger meanwhile: w_envelope_doubles(sample). */
weir_status w_envelope_fill(weir_ctx *ctx, weir_model *model, const double *prior, w_diagnostics *result);
static inline int64_t w_envelope_doubles(int64_t sample)
{
    int64_t points = sample < W_ENVELOPE_POINTS ? sample : W_ENVELOPE_POINTS;
    return 2 * sample + points * W_ENVELOPE_DRAWS;
}

#endif
