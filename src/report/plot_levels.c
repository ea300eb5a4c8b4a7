/* SPDX-License-Identifier: Apache-2.0 */
/* Effects of levels: dots with intervals of two standard errors, one line per level; many levels of a random effect as a
 * plot of their predictions against normal quantiles. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/effect.h"
#include "report/figure.h"

#define LIST_LIMIT 40
#define QUANTILE_POINTS 500
#define LINE_HEIGHT 17.0
#define NAME_CHARACTERS 26

typedef struct level {
    const char *name;
    double fit, se;
} level;

static const char *name_cut(char out[4 * NAME_CHARACTERS + 8], const char *name)
{
    size_t used = 0;
    int count = 0;
    while (name[used] && count < NAME_CHARACTERS) {
        int length = w_utf8_length(name + used);
        used += (size_t)(length > 0 ? length : 1);
        count++;
    }
    memcpy(out, name, used);
    strcpy(out + used, name[used] ? "\xe2\x80\xa6" : "");
    return out;
}

static void draw_list(w_writer *w, int64_t count, const level *list, const char *x_label, const char *caption)
{
    char name[4 * NAME_CHARACTERS + 8];
    w_plot plot;
    int widest = 1;
    w_plot_init(&plot, w);
    plot.x_lower = plot.x_upper = 0.0;
    for (int64_t i = 0; i < count; i++) {
        int width = w_text_width(name_cut(name, list[i].name));
        widest = width > widest ? width : widest;
        plot.x_lower = fmin(plot.x_lower, list[i].fit - W_BAND_SE * list[i].se);
        plot.x_upper = fmax(plot.x_upper, list[i].fit + W_BAND_SE * list[i].se);
    }
    w_range_pad(&plot.x_lower, &plot.x_upper, 0.06);
    plot.y_lower = -0.7;
    plot.y_upper = (double)count - 0.3;
    plot.y_ticks = false;
    plot.left = 7.0 * widest;
    plot.height = fmax(120.0, 66.0 + LINE_HEIGHT * (double)count);
    plot.x_label = x_label;
    plot.summary = caption;
    w_figure_open(w, false);
    w_plot_open(&plot);
    for (int i = 0; i < plot.x_tick.count; i++) {
        double x = w_plot_x(&plot, plot.x_tick.at[i]);
        w_svg_line(w, plot.x_tick.at[i] == 0 ? "zero" : "grid", x, plot.top, x, plot.bottom);
    }
    for (int64_t i = 0; i < count; i++) {
        double y = (double)(count - 1 - i), at = w_plot_y(&plot, y);
        double reach = W_BAND_SE * list[i].se;
        w_svg_line(w, "interval", w_plot_x(&plot, list[i].fit - reach), at, w_plot_x(&plot, list[i].fit + reach), at);
        w_plot_points(&plot, "dot", 1, &list[i].fit, &y);
        w_svg_text(w, "tick", plot.left - 7, at + 4, "end", name_cut(name, list[i].name));
    }
    w_plot_close(&plot);
    w_figure_close(w, caption);
}

/* Level names of a term's columns: those of the table column where the term is of one factor, else the columns' labels. */
static const char *column_name(const w_design *design, const w_term *term, int64_t i, int64_t skipped)
{
    int c = term->variable_count == 1 ? w_effect_column(design, term, 0) : -1;
    if (c >= 0 && design->column_kind[c] == W_FACTOR && design->level_count[c] == term->columns + skipped) {
        return design->level[c][i + skipped];
    }
    return design->column_label[term->first + i];
}

void w_figure_factor(w_writer *w, const weir_model *model, const w_term *term)
{
    const w_design *design = model->design;
    int c = w_effect_column(design, term, 0);
    bool alone = term->variable_count == 1;
    int64_t skipped = alone && c >= 0 && design->level_count[c] == term->columns + 1 ? 1 : 0;
    int64_t count = term->columns + skipped;
    w_effect effect;
    if (count > 3 * LIST_LIMIT) {
        return; /* the table has them */
    }
    level *list = w_calloc(w->ctx, "report", (size_t)count, sizeof *list);
    weir_status status = list ? w_effect_coefficients(model, term, &effect) : w_alloc_status(w->ctx);
    if (status >= 0) {
        char caption[2 * W_LABEL_BYTES];
        if (skipped) {
            list[0].name = design->level[c][0];
        }
        for (int64_t i = 0; i < term->columns; i++) {
            list[i + skipped] = (level){ column_name(design, term, i, skipped), effect.fit[i], effect.se[i] };
        }
        snprintf(caption, sizeof caption, "%.100s, %s%.100s", term->label,
                 skipped ? "differences from level " : alone ? "level effects" : "coefficients",
                 skipped ? list[0].name : "");
        draw_list(w, count, list, term->label, caption);
        w_effect_free(&effect);
    } else {
        w_writer_fail(w, status);
    }
    w_free(w->ctx, list);
}

/* Shell sort by fit: a few dozen entries. */
static void sort_levels(int64_t count, level *list)
{
    for (int64_t gap = count / 2; gap > 0; gap /= 2) {
        for (int64_t i = gap; i < count; i++) {
            level moving = list[i];
            int64_t j = i;
            for (; j >= gap && list[j - gap].fit > moving.fit; j -= gap) {
                list[j] = list[j - gap];
            }
            list[j] = moving;
        }
    }
}

static void draw_quantiles(w_writer *w, int64_t count, double *fit, const char *y_label, const char *caption)
{
    double x[QUANTILE_POINTS], y[QUANTILE_POINTS];
    int64_t points = count < QUANTILE_POINTS ? count : QUANTILE_POINTS;
    double sum = 0.0, square = 0.0;
    w_sort_doubles(count, fit);
    for (int64_t i = 0; i < count; i++) {
        sum += fit[i];
    }
    double mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++) {
        square += (fit[i] - mean) * (fit[i] - mean);
    }
    double sd = sqrt(square / (double)(count - 1));
    for (int64_t i = 0; i < points; i++) {
        int64_t rank = points == count ? i : i * (count - 1) / (points - 1);
        x[i] = w_normal_quantile(((double)rank + 0.5) / (double)count);
        y[i] = fit[rank];
    }
    w_plot plot;
    w_plot_init(&plot, w);
    plot.x_lower = x[0];
    plot.x_upper = x[points - 1];
    plot.y_lower = fmin(y[0], mean + sd * x[0]);
    plot.y_upper = fmax(y[points - 1], mean + sd * x[points - 1]);
    w_range_pad(&plot.x_lower, &plot.x_upper, 0.04);
    w_range_pad(&plot.y_lower, &plot.y_upper, 0.06);
    plot.x_label = "normal quantile";
    plot.y_label = y_label;
    plot.summary = caption;
    w_figure_open(w, false);
    w_plot_open(&plot);
    const double ends[2] = { x[0], x[points - 1] }, line[2] = { mean + sd * x[0], mean + sd * x[points - 1] };
    w_plot_line(&plot, "guide", 2, ends, line);
    w_plot_points(&plot, "point", points, x, y);
    w_plot_close(&plot);
    w_figure_close(w, caption);
}

void w_figure_random(w_writer *w, const weir_model *model, const w_term *term)
{
    char label[W_LABEL_BYTES], caption[2 * W_LABEL_BYTES], number[W_NUMBER_BYTES];
    int64_t count = term->columns;
    bool listed = count <= LIST_LIMIT;
    if (count < 2) {
        return;
    }
    w_figure_label(label, term->label, w_figure_edf(model, term));
    snprintf(caption, sizeof caption, "%.120s, random effect of %lld levels, %s effective degrees of freedom", term->label,
             (long long)count, w_text_fixed(number, w_figure_edf(model, term), 2));
    if (!listed) {
        double *fit = w_alloc_array(w->ctx, "report", (size_t)count, sizeof *fit);
        if (!fit) {
            w_writer_fail(w, w_alloc_status(w->ctx));
            return;
        }
        memcpy(fit, model->beta + term->first, (size_t)count * sizeof *fit);
        draw_quantiles(w, count, fit, label, caption);
        w_free(w->ctx, fit);
        return;
    }
    level list[LIST_LIMIT];
    w_effect effect;
    weir_status status = w_effect_coefficients(model, term, &effect);
    if (status < 0) {
        w_writer_fail(w, status);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        list[i] = (level){ column_name(model->design, term, i, 0), effect.fit[i], effect.se[i] };
    }
    w_effect_free(&effect);
    sort_levels(count, list);
    for (int64_t i = 0; i < count / 2; i++) { /* largest first */
        level swap = list[i];
        list[i] = list[count - 1 - i];
        list[count - 1 - i] = swap;
    }
    draw_list(w, count, list, label, caption);
}
