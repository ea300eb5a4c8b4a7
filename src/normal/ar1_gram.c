/* SPDX-License-Identifier: Apache-2.0 */
/* C(rho) from its three parts; see ar1.h. log |Omega| = sum log w_i - links log(1 - rho^2). */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "normal/ar1.h"

weir_status w_gram_create(weir_ctx *ctx, const w_gram *like, w_gram **out)
{
    const size_t p = (size_t)like->p, core = (size_t)like->core, rows = (size_t)(like->arrow_levels * like->arrow_k);
    w_gram *gram = w_calloc(ctx, "gram", 1, sizeof *gram);
    if (!gram) {
        return w_alloc_status(ctx);
    }
    gram->ctx = ctx;
    gram->p = like->p;
    gram->core = like->core;
    gram->core_column = w_alloc_array(ctx, "gram", core, sizeof *gram->core_column);
    gram->matrix = w_calloc(ctx, "gram", w_mul_size(core, core), sizeof(double));
    gram->rhs = w_calloc(ctx, "gram", core, sizeof(double));
    gram->column_sum = w_calloc(ctx, "gram", p, sizeof(double));
    gram->extra = w_calloc(ctx, "gram", 1, sizeof(double));
    bool ok = gram->core_column && gram->matrix && gram->rhs && gram->column_sum && gram->extra;
    if (ok && rows > 0) {
        gram->arrow_levels = like->arrow_levels;
        gram->arrow_k = like->arrow_k;
        gram->arrow_first = like->arrow_first;
        gram->arrow_diag = w_calloc(ctx, "gram", w_mul_size(rows, (size_t)like->arrow_k), sizeof(double));
        gram->arrow_border = w_calloc(ctx, "gram", w_mul_size(rows, core), sizeof(double));
        gram->arrow_rhs = w_calloc(ctx, "gram", rows, sizeof(double));
        ok = gram->arrow_diag && gram->arrow_border && gram->arrow_rhs;
    }
    if (!ok) {
        w_gram_free(gram);
        return w_alloc_status(ctx);
    }
    memcpy(gram->core_column, like->core_column, core * sizeof *gram->core_column);
    *out = gram;
    return WEIR_OK;
}

/* Nothing is rounded where rho = 0. */
static double mixed(double rho, double rows, double ends, double lag)
{
    return (rows + rho * (rho * (rows - ends) - lag)) / ((1 - rho) * (1 + rho));
}

static void mix(double rho, int64_t count, const double *rows, const double *ends, const double *lag, double *out)
{
    for (int64_t i = 0; i < count; i++) {
        out[i] = mixed(rho, rows[i], ends[i], lag[i]);
    }
}

void w_gram_whiten(const w_gram *rows, const w_gram *ends, const w_gram *lag, double rho, w_gram *out)
{
    const int64_t core = rows->core, arrow = rows->arrow_levels * rows->arrow_k;
    mix(rho, core * core, rows->matrix, ends->matrix, lag->matrix, out->matrix);
    mix(rho, core, rows->rhs, ends->rhs, lag->rhs, out->rhs);
    mix(rho, arrow * rows->arrow_k, rows->arrow_diag, ends->arrow_diag, lag->arrow_diag, out->arrow_diag);
    mix(rho, arrow * core, rows->arrow_border, ends->arrow_border, lag->arrow_border, out->arrow_border);
    mix(rho, arrow, rows->arrow_rhs, ends->arrow_rhs, lag->arrow_rhs, out->arrow_rhs);
    out->zz = mixed(rho, rows->zz, ends->zz, lag->zz);
    memcpy(out->column_sum, rows->column_sum, (size_t)rows->p * sizeof *out->column_sum);
    out->weight_sum = rows->weight_sum;
    out->weight_z_sum = rows->weight_z_sum;
    out->n = rows->n;
    out->log_weight_sum = rows->log_weight_sum - (double)lag->n * log1p(-rho * rho);
}
