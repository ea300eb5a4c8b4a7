/* SPDX-License-Identifier: Apache-2.0 */
/* C(rho) from its three parts; see ar1.h. log |Omega| = sum log w_i - links log(1 - rho^2). */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "normal/ar1.h"

weir_status w_gram_create(weir_ctx *ctx, const w_gram *like, w_gram **out)
{
    const size_t p = (size_t)like->p;
    w_gram *gram = w_calloc(ctx, "gram", 1, sizeof *gram);
    if (!gram) {
        return w_alloc_status(ctx);
    }
    gram->ctx = ctx;
    gram->p = gram->core = like->p;
    gram->core_column = w_alloc_array(ctx, "gram", p, sizeof *gram->core_column);
    gram->matrix = w_calloc(ctx, "gram", w_mul_size(p, p), sizeof(double));
    gram->rhs = w_calloc(ctx, "gram", p, sizeof(double));
    gram->column_sum = w_calloc(ctx, "gram", p, sizeof(double));
    gram->extra = w_calloc(ctx, "gram", 1, sizeof(double));
    if (!gram->core_column || !gram->matrix || !gram->rhs || !gram->column_sum || !gram->extra) {
        w_gram_free(gram);
        return w_alloc_status(ctx);
    }
    for (int64_t c = 0; c < like->p; c++) {
        gram->core_column[c] = c;
    }
    *out = gram;
    return WEIR_OK;
}

/* Nothing is rounded where rho = 0. */
static double mixed(double rho, double rows, double ends, double lag)
{
    return (rows + rho * (rho * (rows - ends) - lag)) / ((1 - rho) * (1 + rho));
}

void w_gram_whiten(const w_gram *rows, const w_gram *ends, const w_gram *lag, double rho, w_gram *out)
{
    const int64_t p = rows->p;
    for (int64_t i = 0; i < p * p; i++) {
        out->matrix[i] = mixed(rho, rows->matrix[i], ends->matrix[i], lag->matrix[i]);
    }
    for (int64_t i = 0; i < p; i++) {
        out->rhs[i] = mixed(rho, rows->rhs[i], ends->rhs[i], lag->rhs[i]);
    }
    out->zz = mixed(rho, rows->zz, ends->zz, lag->zz);
    memcpy(out->column_sum, rows->column_sum, (size_t)p * sizeof *out->column_sum);
    out->weight_sum = rows->weight_sum;
    out->weight_z_sum = rows->weight_z_sum;
    out->n = rows->n;
    out->log_weight_sum = rows->log_weight_sum - (double)lag->n * log1p(-rho * rho);
}
