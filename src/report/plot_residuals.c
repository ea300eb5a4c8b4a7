/* SPDX-License-Identifier: Apache-2.0 */
/* Four pictures of the residuals from the fit's summaries: a sample of rows and a histogram of all. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/figure.h"

#define QUANTILE_POINTS 400
#define MEAN_BINS 20

static void range_of(int64_t count, const double *values, double *lower, double *upper)
{
    *lower = INFINITY;
    *upper = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        *lower = fmin(*lower, values[i]);
        *upper = fmax(*upper, values[i]);
    }
}

static bool is_gaussian(const weir_model *model)
{
    return !model->glm.family || model->glm.family->kind == W_FAMILY_GAUSSIAN;
}

/* Frame and diagonal of a quantile plot that holds y and, if there are any, the band. */
static void open_quantiles(w_plot *plot, w_writer *w, int64_t points, const double *x, const double *y, const double *lower,
                           const double *upper)
{
    w_plot_init(plot, w);
    plot->x_lower = x[0];
    plot->x_upper = x[points - 1];
    plot->y_lower = fmin(fmin(y[0], x[0]), lower ? lower[0] : x[0]);
    plot->y_upper = fmax(fmax(y[points - 1], x[points - 1]), upper ? upper[points - 1] : x[points - 1]);
    w_range_pad(&plot->x_lower, &plot->x_upper, 0.04);
    w_range_pad(&plot->y_lower, &plot->y_upper, 0.06);
}

static void close_quantiles(w_plot *plot, int64_t points, const double *x, const double *y)
{
    const double from = fmax(plot->x_lower, plot->y_lower), to = fmin(plot->x_upper, plot->y_upper);
    const double ends[2] = { from, to };
    w_plot_line(plot, "guide", 2, ends, ends);
    w_plot_points(plot, "point", points, x, y);
    w_plot_close(plot);
}

/* Against what the model leads to expect, by simulation. */
static void put_simulated(w_writer *w, const w_diagnostics *d)
{
    w_plot plot;
    open_quantiles(&plot, w, d->quantiles, d->quantile_reference, d->quantile_residual, d->quantile_lower, d->quantile_upper);
    plot.x_label = "residual expected under the model";
    plot.y_label = "deviance residual";
    plot.summary = "Quantiles of the deviance residuals against those of residuals simulated from the model";
    w_figure_open(w, false);
    w_plot_open(&plot);
    w_plot_band(&plot, "band", d->quantiles, d->quantile_reference, d->quantile_lower, d->quantile_upper);
    close_quantiles(&plot, d->quantiles, d->quantile_reference, d->quantile_residual);
    w_figure_close(w, "Sorted deviance residuals against the medians of 50 data sets simulated from the model; the band holds "
                      "about 90 % of these. On the line, the family fits.");
}

/* Of models from files of old, which are Gaussian. */
static void put_normal(w_writer *w, const weir_model *model)
{
    const w_diagnostics *d = model->diagnostics;
    double x[QUANTILE_POINTS], y[QUANTILE_POINTS];
    double *sorted = w_alloc_array(w->ctx, "report", (size_t)d->sample, sizeof *sorted);
    if (!sorted) {
        w_writer_fail(w, w_alloc_status(w->ctx));
        return;
    }
    memcpy(sorted, d->residual, (size_t)d->sample * sizeof *sorted);
    w_sort_doubles(d->sample, sorted);
    int64_t points = d->sample < QUANTILE_POINTS ? d->sample : QUANTILE_POINTS;
    double unit = model->scale > 0 ? sqrt(model->scale) : 1.0;
    for (int64_t i = 0; i < points; i++) {
        int64_t rank = points == d->sample ? i : i * (d->sample - 1) / (points - 1);
        x[i] = w_normal_quantile(((double)rank + 0.5) / (double)d->sample);
        y[i] = sorted[rank] / unit;
    }
    w_free(w->ctx, sorted);
    w_plot plot;
    open_quantiles(&plot, w, points, x, y, NULL, NULL);
    plot.x_label = "normal quantile";
    plot.y_label = "standardised residual";
    plot.summary = "Quantiles of the residuals against those of the normal distribution";
    w_figure_open(w, false);
    w_plot_open(&plot);
    close_quantiles(&plot, points, x, y);
    w_figure_close(w, "Residuals divided by the square root of the scale, against normal quantiles; "
                      "on the line they are normal.");
}

/* Mean of y in bins of x of equal width that hold at least five points. */
static int64_t binned_mean(int64_t count, const double *x, const double *y, double *mid, double *mean)
{
    double lower, upper, sum[MEAN_BINS] = { 0 };
    int64_t hits[MEAN_BINS] = { 0 }, used = 0;
    range_of(count, x, &lower, &upper);
    if (!(upper > lower)) {
        return 0;
    }
    for (int64_t i = 0; i < count; i++) {
        int bin = (int)fmin(MEAN_BINS - 1, MEAN_BINS * (x[i] - lower) / (upper - lower));
        sum[bin] += y[i];
        hits[bin]++;
    }
    for (int b = 0; b < MEAN_BINS; b++) {
        if (hits[b] >= 5) {
            mid[used] = lower + (b + 0.5) * (upper - lower) / MEAN_BINS;
            mean[used++] = sum[b] / (double)hits[b];
        }
    }
    return used;
}

/* Residuals over the linear predictor, or the response over fitted means. */
static void put_scatter(w_writer *w, const weir_model *model, bool residuals)
{
    const w_diagnostics *d = model->diagnostics;
    const bool gaussian = is_gaussian(model);
    const double *x = residuals && d->predictor ? d->predictor : d->fitted, *y = residuals ? d->residual : d->response;
    w_plot plot;
    double mid[MEAN_BINS], mean[MEAN_BINS];
    const char *caption = !residuals ? "Response over fitted values; the line is equality."
                          : gaussian ? "Residuals over the linear predictor; the line joins their means in bins."
                          : model->glm.family->discrete
                              ? "Deviance residuals over the linear predictor; the line joins their means in bins. Rows of "
                                "equal response lie on curves."
                              : "Deviance residuals over the linear predictor; the line joins their means in bins.";
    w_plot_init(&plot, w);
    range_of(d->sample, x, &plot.x_lower, &plot.x_upper);
    range_of(d->sample, y, &plot.y_lower, &plot.y_upper);
    w_range_pad(&plot.x_lower, &plot.x_upper, 0.04);
    w_range_pad(&plot.y_lower, &plot.y_upper, 0.06);
    plot.x_label = residuals ? "linear predictor" : "fitted value";
    plot.y_label = !residuals ? "response" : gaussian ? "residual" : "deviance residual";
    plot.summary = caption;
    w_figure_open(w, false);
    w_plot_open(&plot);
    w_plot_points(&plot, d->sample > 600 ? "point small" : "point", d->sample, x, y);
    if (residuals) {
        w_plot_line(&plot, "guide", binned_mean(d->sample, x, y, mid, mean), mid, mean);
    } else {
        const double ends[2] = { fmax(plot.x_lower, plot.y_lower), fmin(plot.x_upper, plot.y_upper) };
        w_plot_line(&plot, "guide", 2, ends, ends);
    }
    w_plot_close(&plot);
    w_figure_close(w, caption);
}

static void put_histogram(w_writer *w, const weir_model *model)
{
    const w_diagnostics *d = model->diagnostics;
    int64_t first = 0, last = d->bins - 1, most = 1;
    double total = 0.0;
    while (first < last && d->bin_count[first] == 0) {
        first++;
    }
    while (last > first && d->bin_count[last] == 0) {
        last--;
    }
    for (int64_t i = first; i <= last; i++) {
        most = d->bin_count[i] > most ? d->bin_count[i] : most;
        total += (double)d->bin_count[i];
    }
    w_plot plot;
    w_plot_init(&plot, w);
    plot.x_lower = d->bin_lower + (double)first * d->bin_width;
    plot.x_upper = d->bin_lower + (double)(last + 1) * d->bin_width;
    double from = plot.x_lower, to = plot.x_upper, x[121], y[121], unit = sqrt(model->scale);
    double peak = total * d->bin_width / (unit * 2.506628274631);
    for (int i = 0; i <= 120; i++) {
        x[i] = from + (to - from) * i / 120;
        y[i] = peak * exp(-0.5 * x[i] * x[i] / model->scale);
    }
    const bool gaussian = is_gaussian(model);
    plot.y_upper = 1.06 * fmax((double)most, gaussian ? peak : 0.0);
    w_range_pad(&plot.x_lower, &plot.x_upper, 0.02);
    plot.x_label = gaussian ? "residual" : "deviance residual";
    plot.y_label = "rows";
    plot.summary = "Histogram of the residuals of all rows";
    w_figure_open(w, false);
    w_plot_open(&plot);
    for (int64_t i = first; i <= last; i++) {
        double left = w_plot_x(&plot, d->bin_lower + (double)i * d->bin_width);
        double right = w_plot_x(&plot, d->bin_lower + (double)(i + 1) * d->bin_width);
        double top = w_plot_y(&plot, (double)d->bin_count[i]);
        w_svg_rect(w, "bar", left, top, right - left, plot.bottom - top);
    }
    if (gaussian) {
        w_plot_line(&plot, "guide", 121, x, y);
    }
    w_plot_close(&plot);
    bool beyond = d->bin_count[0] > 0 || d->bin_count[d->bins - 1] > 0;
    char caption[200];
    snprintf(caption, sizeof caption, "%s%s",
             gaussian ? "Residuals of all rows; the line is the normal density of the estimated scale."
                      : "Deviance residuals of all rows.",
             beyond ? " The outermost bins hold everything beyond them." : "");
    w_figure_close(w, caption);
}

void w_figures_residuals(w_writer *w, const weir_model *model)
{
    const w_diagnostics *d = model->diagnostics;
    if (d->sample < 3 || d->bins < 1 || !(d->bin_width > 0) || !(model->scale > 0)) {
        return;
    }
    if (d->quantiles > 2) {
        put_simulated(w, d);
    } else {
        put_normal(w, model);
    }
    put_scatter(w, model, true);
    put_histogram(w, model);
    put_scatter(w, model, false);
}
