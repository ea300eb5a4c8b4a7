/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a model on a terminal: how it was fitted, and the table of basis dimensions. */
#include "report/report.h"

#include <inttypes.h>
#include <math.h>

#include "report/outline.h"
#include "report/table.h"

static void put_residuals(w_writer *w, const w_diagnostics *d)
{
    char number[W_NUMBER_BYTES];
    int64_t outside = 0;
    for (int64_t i = 0; i < d->quantiles; i++) {
        outside += d->quantile_residual[i] < d->quantile_lower[i] || d->quantile_residual[i] > d->quantile_upper[i];
    }
    if (d->quantiles > 0) {
        double share = 100.0 * (double)outside / (double)d->quantiles;
        w_putf(w, "Deviance residuals: %s", w_text_fixed(number, share, 0));
        w_putf(w, " %% of %" PRId64 " quantiles outside the band of residuals simulated from the model\n", d->quantiles);
    }
}

weir_status w_report_check(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    const weir_summary *summary = &model->summary;
    const w_diagnostics *d = model->diagnostics;
    w_writer w;
    w_report_table table;
    w_writer_init(&w, ctx, write, user);
    w_putf(&w, "Family: %s, link %s\nFormula: %s\n\nMethod: %s\n", summary->family, summary->link, summary->formula,
           summary->criterion_name);
    w_put_certificate(&w, summary);
    w_putf(&w, "Rank: %" PRId64 "/%" PRId64 "\n", summary->rank, summary->columns);
    if (d) {
        put_residuals(&w, d);
    }
    if (d && d->check_count > 0) {
        weir_status status = w_table_checks(ctx, d->check_count, d->check, &table);
        if (status < 0) {
            return status;
        }
        w_put(&w, "\nBasis dimension check: a low p-value with k-index below 1 and edf close to k' asks for a larger k\n");
        w_put_table(&w, &table);
        w_report_table_free(&table);
    }
    return w_writer_finish(&w);
}
