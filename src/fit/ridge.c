/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/ridge.h"

#include <math.h>

weir_status w_ridge_check(weir_ctx *ctx, const weir_fit_options *options, bool linear)
{
    const double ridge = options->ridge;
    if (!(ridge >= 0) || !isfinite(ridge)) {
        return w_fail(ctx, WEIR_E_ARG, "ridge is %g; it must be 0 or a positive number", ridge);
    }
    if (ridge > 0 && !linear) {
        return w_fail(ctx, WEIR_E_ARG, "ridge goes with family gaussian and link identity alone; leave it out");
    }
    if (ridge > 0 && (options->ar1 != 0 || options->ar1_estimate)) {
        return w_fail(ctx, WEIR_E_ARG, "ridge does not go with AR(1) residuals; leave one of them out");
    }
    return WEIR_OK;
}

void w_ridge_add(const w_design *design, double ridge, w_gram *gram)
{
    const int64_t core = gram->core, k = gram->arrow_k;
    for (int64_t i = 0; i < core && ridge > 0; i++) {
        gram->matrix[i * core + i] += ridge;
        if (gram->core_column[i] == design->intercept_column) {
            gram->rhs[i] -= ridge * design->response_shift;
            gram->zz += ridge * design->response_shift * design->response_shift;
        }
    }
    for (int64_t r = 0; r < gram->arrow_levels * k && ridge > 0; r++) {
        gram->arrow_diag[r * k + r % k] += ridge;
    }
}
