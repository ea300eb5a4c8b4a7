/* SPDX-License-Identifier: Apache-2.0 */
/* An effect of one numeric covariate: curve, band of two standard errors, behind it the paler one that holds everywhere at
 * once, rug. */
#include <math.h>
#include <stdio.h>

#include "report/effect.h"
#include "report/figure.h"

void w_figure_draw(w_writer *w, const w_effect *effect, const char *x_label, const char *y_label, const char *caption,
                   int64_t rug_count, const double *rug)
{
    int64_t n = effect->count;
    double *lower = w_alloc_array(w->ctx, "report", (size_t)n, 4 * sizeof(double));
    if (!lower) {
        w_writer_fail(w, w_alloc_status(w->ctx));
        return;
    }
    double *upper = lower + n, *outer_lower = upper + n, *outer_upper = outer_lower + n;
    const double reach = fmax(W_BAND_SE, effect->critical);
    w_plot plot;
    w_plot_init(&plot, w);
    plot.y_lower = INFINITY;
    plot.y_upper = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        lower[i] = effect->fit[i] - W_BAND_SE * effect->se[i];
        upper[i] = effect->fit[i] + W_BAND_SE * effect->se[i];
        outer_lower[i] = effect->fit[i] - reach * effect->se[i];
        outer_upper[i] = effect->fit[i] + reach * effect->se[i];
        plot.y_lower = fmin(plot.y_lower, outer_lower[i]);
        plot.y_upper = fmax(plot.y_upper, outer_upper[i]);
    }
    plot.x_lower = effect->x[0][0];
    plot.x_upper = effect->x[0][n - 1];
    w_range_pad(&plot.x_lower, &plot.x_upper, 0.02);
    w_range_pad(&plot.y_lower, &plot.y_upper, 0.06);
    plot.x_label = x_label;
    plot.y_label = y_label;
    plot.summary = caption;
    w_figure_open(w, false);
    w_plot_open(&plot);
    if (effect->critical > 0) {
        w_plot_band(&plot, "everywhere", n, effect->x[0], outer_lower, outer_upper);
    }
    w_plot_band(&plot, "band", n, effect->x[0], lower, upper);
    w_plot_line(&plot, "edge", n, effect->x[0], lower);
    w_plot_line(&plot, "edge", n, effect->x[0], upper);
    w_plot_line(&plot, "curve", n, effect->x[0], effect->fit);
    if (rug) {
        w_plot_rug(&plot, rug_count, rug);
    }
    w_plot_close(&plot);
    w_figure_close(w, caption);
    w_free(w->ctx, lower);
}

void w_figure_curve(w_writer *w, const weir_model *model, const w_term *term)
{
    char label[W_LABEL_BYTES], caption[W_LABEL_BYTES], edf_text[W_NUMBER_BYTES];
    w_effect effect;
    int64_t rug_count;
    weir_status status = w_effect_curve(model, term, &effect);
    if (status < 0) {
        w_writer_fail(w, status);
        return;
    }
    double edf = w_figure_edf(model, term);
    snprintf(caption, sizeof caption, "%.120s, basis %.20s, %s effective degrees of freedom%s%.60s", term->label, term->basis,
             w_text_fixed(edf_text, edf, 2), term->by && term->level < 0 ? ", multiplies " : "",
             term->by && term->level < 0 ? term->by : "");
    const double *rug = w_figure_rug(model, term, 0, &rug_count);
    w_figure_draw(w, &effect, term->variable[0], w_figure_label(label, term->label, edf), caption, rug_count, rug);
    w_effect_free(&effect);
}

/* beta (x - x0) with x0 the median: a linear term, drawn where the data are. */
void w_figure_line(w_writer *w, const weir_model *model, const w_term *term)
{
    double lower, upper;
    int64_t rug_count;
    int column = w_effect_column(model->design, term, 0);
    w_effect slope, effect = { .ctx = w->ctx, .count = 3 };
    if (column < 0 || !w_effect_range(model->design, term, 0, &lower, &upper)) {
        return;
    }
    weir_status status = w_effect_coefficients(model, term, &slope);
    if (status < 0) {
        w_writer_fail(w, status);
        return;
    }
    char caption[W_LABEL_BYTES], number[W_NUMBER_BYTES], label[W_LABEL_BYTES];
    double centre = model->design->column_typical[column];
    double x[3] = { lower, fmin(fmax(centre, lower), upper), upper }, fit[3], se[3];
    for (int i = 0; i < 3; i++) {
        fit[i] = slope.fit[0] * (x[i] - x[1]);
        se[i] = slope.se[0] * fabs(x[i] - x[1]);
    }
    effect.fit = fit;
    effect.se = se;
    effect.x[0] = x;
    snprintf(caption, sizeof caption, "%.120s, linear, relative to its median %s", term->label,
             w_text_general(number, x[1], 5));
    snprintf(label, sizeof label, "%.120s (linear)", term->label);
    const double *rug = w_figure_rug(model, term, 0, &rug_count);
    w_figure_draw(w, &effect, term->variable[0], label, caption, rug_count, rug);
    w_effect_free(&slope);
}
