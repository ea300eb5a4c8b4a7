/* SPDX-License-Identifier: Apache-2.0 */
/* Is a basis large enough? With residuals r of a sample of rows and, for one smooth, neighbours by its covariates,
 *     v = mean of (r_i - r_j)^2 / 2 over neighbouring i, j
 * estimates their variance as any pairs would, unless neighbours resemble each other. k-index = v / var(r); the p-value is the
 * share of seeded permutations of r with a v as small. One covariate: neighbours in its order, ties in random order; more:
 * the three nearest of each row, margins of a tensor product scaled to unit standard deviation. Rows that the by variable takes
 * out do not count; neighbours along curves per level lie in one level. Random effects have no neighbours and are not looked at. Source: Wood (2017), section 5.9. */
#ifndef W_FIT_CHECK_H
#define W_FIT_CHECK_H

#include "fit/model.h"

#define W_CHECK_PERMUTATIONS 400

/* column[c]: values (or level numbers) of design column c at the result's sampled rows, NULL when they were not read. Fills
 * check and check_count of `result`, in the model's arena. On the ledger meanwhile: w_check_doubles(sample). */
weir_status w_check_smooths(weir_ctx *ctx, weir_model *model, const double *const *column, w_diagnostics *result);
static inline int64_t w_check_doubles(int64_t sample)
{
    return 11 * sample + 8192; /* row, residual, three neighbours, key and place, four variables; an expression's stack */
}

#endif
