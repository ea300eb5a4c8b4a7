/* SPDX-License-Identifier: Apache-2.0 */
/* An effect of two covariates: filled contours of the estimate and of its standard error, each with its colour bar. Where no
 * row is near (farther than a tenth of both ranges), the picture is hatched: there the surface is extrapolation. Of a
 * smooth of three covariates three slices are shown, at the quarter points of the third one's range. */
#include <math.h>
#include <stdio.h>

#include "report/colour.h"
#include "report/contour.h"
#include "report/effect.h"
#include "report/figure.h"

#define FAR 0.1
#define BAR_WIDTH 12.0
#define BANDS 10
#define SLICES 3

/* Of the values that share a colour bar. */
typedef struct value_range {
    double lower, upper;
} value_range;

typedef struct surface {
    w_writer *w;
    const weir_model *model;
    const w_term *term;
    const w_effect *effect;
    const double *distance; /* to the nearest row, per node; NULL without a sample */
} surface;

static double colour_position(w_colour_map map, double value, double lower, double upper)
{
    return map == W_MAP_DIVERGING ? value / fmax(fmax(fabs(lower), fabs(upper)), 1e-300) : (value - lower) / (upper - lower);
}

static void put_fill(w_writer *w, w_colour_map map, double value, double lower, double upper)
{
    char colour[8];
    w_putf(w, " fill=\"%s\"", w_colour(colour, map, colour_position(map, value, lower, upper)));
}

/* Bands between the levels; the first reaches down to the minimum and the last up to the maximum. */
static void put_bar(const w_plot *plot, const w_ticks *levels, w_colour_map map, double lower, double upper)
{
    w_writer *w = plot->w;
    double left = plot->right + 10, height = plot->bottom - plot->top;
    char text[W_NUMBER_BYTES];
    for (int i = -1; i < levels->count; i++) {
        double from = i < 0 ? lower : levels->at[i], to = i + 1 < levels->count ? levels->at[i + 1] : upper;
        if (to <= from) {
            continue;
        }
        double y0 = plot->bottom - height * (from - lower) / (upper - lower);
        double y1 = plot->bottom - height * (to - lower) / (upper - lower);
        w_put(w, "<path");
        put_fill(w, map, 0.5 * (from + to), lower, upper);
        w_put(w, " d=\"M");
        w_put_coordinate(w, left);
        w_put(w, " ");
        w_put_coordinate(w, y0);
        w_putf(w, "h%dV", (int)BAR_WIDTH);
        w_put_coordinate(w, y1);
        w_putf(w, "h-%dZ\"/>\n", (int)BAR_WIDTH);
    }
    w_svg_rect(w, "frame", left, plot->top, BAR_WIDTH, height);
    double step = levels->count > 1 ? levels->at[1] - levels->at[0] : 1.0;
    for (int i = 0; i < levels->count; i++) {
        if (levels->count > 9 && fmod(rint(levels->at[i] / step), 2.0) != 0) {
            continue; /* every second one, zero among them */
        }
        double y = plot->bottom - height * (levels->at[i] - lower) / (upper - lower);
        w_svg_line(w, "axis", left + BAR_WIDTH, y, left + BAR_WIDTH + 4, y);
        w_svg_text(w, "tick", left + BAR_WIDTH + 7, y + 4, "start", w_tick_text(text, levels, levels->at[i]));
    }
}

static weir_status put_regions(const w_plot *plot, const w_grid *grid, const w_ticks *levels, w_colour_map map,
                               double lower, double upper)
{
    w_writer *w = plot->w;
    weir_status status = WEIR_OK;
    for (int i = -1; status >= 0 && i < levels->count; i++) {
        double from = i < 0 ? lower : levels->at[i], to = i + 1 < levels->count ? levels->at[i + 1] : upper;
        if (to <= from) {
            continue;
        }
        w_putf(w, "<path class=\"%s\" fill-rule=\"evenodd\"", i < 0 ? "lowest" : "contour");
        put_fill(w, map, 0.5 * (from + to), lower, upper);
        w_put(w, " d=\"");
        status = w_contour_region(plot, grid, from);
        w_put(w, "\"/>\n");
    }
    return status;
}

static void put_points(const surface *s, const w_plot *plot)
{
    int64_t n0, n1;
    const double *x = w_figure_rug(s->model, s->term, 0, &n0), *y = w_figure_rug(s->model, s->term, 1, &n1);
    if (x && y) {
        w_plot_points(plot, "spot", n0 < 400 ? n0 : 400, x, y);
    }
}

static void range_widen(value_range *range, int64_t count, const double *z)
{
    for (int64_t i = 0; i < count; i++) {
        range->lower = fmin(range->lower, z[i]);
        range->upper = fmax(range->upper, z[i]);
    }
}

static void put_panel(const surface *s, const double *z, value_range range, w_colour_map map, const char *title)
{
    w_plot plot;
    double lower = range.lower, upper = range.upper;
    char text[W_NUMBER_BYTES];
    int widest = 1;
    if (!(upper - lower > 1e-12 * fmax(fabs(lower), fabs(upper)))) {
        w_range_pad(&lower, &upper, 0.5);
    }
    w_ticks levels = w_ticks_nice(lower, upper, BANDS);
    for (int i = 0; i < levels.count; i++) {
        int width = w_text_width(w_tick_text(text, &levels, levels.at[i]));
        widest = width > widest ? width : widest;
    }
    w_plot_init(&plot, s->w);
    plot.right_margin = 34 + BAR_WIDTH + 6.7 * widest;
    plot.x_lower = s->effect->x[0][0];
    plot.x_upper = s->effect->x[0][W_EFFECT_SIDE - 1];
    plot.y_lower = s->effect->x[1][0];
    plot.y_upper = s->effect->x[1][W_EFFECT_SIDE - 1];
    plot.x_label = s->term->variable[0];
    plot.y_label = s->term->variable[1];
    plot.summary = title;
    w_put(s->w, "<div>");
    w_put(s->w, "<p class=\"panel\">");
    w_put_escaped(s->w, title);
    w_put(s->w, "</p>\n");
    w_plot_open(&plot);
    w_grid grid = { W_EFFECT_SIDE, W_EFFECT_SIDE, s->effect->x[0], s->effect->x[1], z };
    weir_status status = put_regions(&plot, &grid, &levels, map, lower, upper);
    if (status >= 0 && s->distance) {
        grid.z = s->distance;
        w_put(s->w, "<path class=\"absent\" fill-rule=\"evenodd\" d=\"");
        status = w_contour_region(&plot, &grid, FAR);
        w_put(s->w, "\"/>\n");
        put_points(s, &plot);
    }
    if (status < 0) {
        w_writer_fail(s->w, status);
    }
    put_bar(&plot, &levels, map, lower, upper);
    w_plot_close(&plot);
    w_put(s->w, "</div>\n");
}

/* Distance of each node to the nearest sampled row, in units of the two ranges; NULL without a sample or memory. */
static double *nearest_rows(const surface *s)
{
    int64_t n0, n1;
    const double *x = w_figure_rug(s->model, s->term, 0, &n0), *y = w_figure_rug(s->model, s->term, 1, &n1);
    const double *gx = s->effect->x[0], *gy = s->effect->x[1];
    double wide = gx[W_EFFECT_SIDE - 1] - gx[0], high = gy[W_EFFECT_SIDE - 1] - gy[0];
    if (!x || !y || n0 == 0) {
        return NULL;
    }
    double *distance = w_alloc_array(s->w->ctx, "report", (size_t)s->effect->count, sizeof *distance);
    if (!distance) {
        w_writer_fail(s->w, w_alloc_status(s->w->ctx));
        return NULL;
    }
    for (int64_t n = 0; n < s->effect->count; n++) {
        double least = INFINITY;
        for (int64_t i = 0; i < n0; i++) {
            double dx = (gx[n % W_EFFECT_SIDE] - x[i]) / wide, dy = (gy[n / W_EFFECT_SIDE] - y[i]) / high;
            least = fmin(least, dx * dx + dy * dy);
        }
        distance[n] = sqrt(least);
    }
    return distance;
}

static void put_pair(w_writer *w, const weir_model *model, const w_term *term, const w_effect *effect, value_range fit,
                     value_range se, const char *suffix)
{
    char label[W_LABEL_BYTES], title[W_LABEL_BYTES + 96];
    surface s = { w, model, term, effect, NULL };
    double *distance = term->variable_count == 2 ? nearest_rows(&s) : NULL;
    s.distance = distance;
    snprintf(title, sizeof title, "%s%.80s", w_figure_label(label, term->label, w_figure_edf(model, term)), suffix);
    w_put(w, "<div class=\"pair\">\n");
    put_panel(&s, effect->fit, fit, W_MAP_DIVERGING, title);
    put_panel(&s, effect->se, se, W_MAP_SEQUENTIAL, "standard error");
    w_put(w, "</div>\n");
    w_free(w->ctx, distance);
}

/* `count` slices at the values `third`, all on one colour scale. */
static void put_slices(w_writer *w, const weir_model *model, const w_term *term, int count, const double *third)
{
    w_effect effect[SLICES];
    value_range fit = { INFINITY, -INFINITY }, se = { INFINITY, -INFINITY };
    int made = 0;
    weir_status status = WEIR_OK;
    for (; made < count && status >= 0; made += status >= 0) {
        status = w_effect_surface(model, term, third[made], &effect[made]);
        if (status >= 0) {
            range_widen(&fit, effect[made].count, effect[made].fit);
            range_widen(&se, effect[made].count, effect[made].se);
        }
    }
    for (int i = 0; i < made && status >= 0; i++) {
        char suffix[96] = "", number[W_NUMBER_BYTES];
        if (term->variable_count > 2) {
            snprintf(suffix, sizeof suffix, " at %.50s = %s", term->variable[2], w_text_general(number, third[i], 4));
        }
        put_pair(w, model, term, &effect[i], fit, se, suffix);
    }
    for (int i = 0; i < made; i++) {
        w_effect_free(&effect[i]);
    }
    if (status < 0) {
        w_writer_fail(w, status);
    }
}

void w_figure_surface(w_writer *w, const weir_model *model, const w_term *term)
{
    char caption[2 * W_LABEL_BYTES], number[W_NUMBER_BYTES];
    double lower, upper, third[SLICES] = { 0 };
    int64_t rug;
    w_figure_open(w, true);
    if (term->variable_count == 2) {
        put_slices(w, model, term, 1, third);
    } else if (w_effect_range(model->design, term, 2, &lower, &upper)) {
        for (int i = 0; i < SLICES; i++) {
            third[i] = lower + 0.25 * (i + 1) * (upper - lower);
        }
        put_slices(w, model, term, SLICES, third);
    }
    bool sampled = term->variable_count == 2 && w_figure_rug(model, term, 0, &rug);
    snprintf(caption, sizeof caption, "%.120s, basis %.60s, %s effective degrees of freedom%s%.60s%s", term->label,
             term->basis, w_text_fixed(number, w_figure_edf(model, term), 2),
             term->by && term->level < 0 ? ", multiplies " : "", term->by && term->level < 0 ? term->by : "",
             sampled ? ". Dots: a sample of the rows. Hatched: farther than a tenth of the range from every row of it." : "");
    w_figure_close(w, caption);
}
