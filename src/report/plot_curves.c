/* SPDX-License-Identifier: Apache-2.0 */
/* Curves of one number for each level of a factor, or each combination of two (fs, sz): one line per level, its name at the
 * right in the line's colour. Of many levels LEVEL_LIMIT are drawn, evenly spaced in their order. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/colour.h"
#include "report/effect.h"
#include "report/figure.h"

#define LEVEL_LIMIT 30
#define LINE_HEIGHT 12.0
#define NAME_CHARACTERS 18
#define NAME_BYTES (4 * NAME_CHARACTERS + 8)

typedef struct curves {
    const weir_model *model;
    const w_term *term;
    int number;        /* place of the number among the term's variables */
    int factors;
    int64_t count[2];  /* levels of the factors */
    int64_t levels, drawn;
    double x[W_EFFECT_POINTS];
    double *fit;       /* drawn x W_EFFECT_POINTS */
} curves;

bool w_figure_has_levels(const w_term *term)
{
    return term->smooth && (term->smooth->type == W_SMOOTH_SZ || strcmp(term->basis, "fs") == 0);
}

static void find_levels(curves *c)
{
    const w_smooth *smooth = c->term->smooth;
    bool sz = smooth->type == W_SMOOTH_SZ;
    c->factors = sz ? smooth->margin_count - 1 : 1;
    c->number = sz ? c->factors : 0;
    c->count[0] = sz ? smooth->margin[0].cells : c->term->columns / smooth->columns;
    c->count[1] = c->factors > 1 ? smooth->margin[1].cells : 1;
    c->levels = c->count[0] * c->count[1];
    c->drawn = c->levels < LEVEL_LIMIT ? c->levels : LEVEL_LIMIT;
}

static int64_t level_at(const curves *c, int64_t i)
{
    return c->drawn == c->levels ? i : i * (c->levels - 1) / (c->drawn - 1);
}

/* The name of level l of factor f; its number where the factor is no column. */
static void put_name(char *out, size_t size, const curves *c, int f, int64_t l)
{
    int column = w_effect_column(c->model->design, c->term, c->number == 0 ? 1 : f);
    const w_design *design = c->model->design;
    if (column >= 0 && design->column_kind[column] == W_FACTOR && l < design->level_count[column]) {
        snprintf(out, size, "%s", design->level[column][l]);
    } else {
        snprintf(out, size, "%lld", (long long)l + 1);
    }
}

/* "b", or "b, v" of two factors; cut to NAME_CHARACTERS. */
static void name_level(char out[NAME_BYTES], const curves *c, int64_t level)
{
    char whole[2 * W_LABEL_BYTES + 4], part[W_LABEL_BYTES];
    put_name(whole, W_LABEL_BYTES, c, 0, level / c->count[1]);
    if (c->factors > 1) {
        put_name(part, sizeof part, c, 1, level % c->count[1]);
        strcat(strcat(whole, ", "), part);
    }
    size_t used = 0;
    for (int count = 0; whole[used] && count < NAME_CHARACTERS; count++) {
        int length = w_utf8_length(whole + used);
        used += (size_t)(length > 0 ? length : 1);
    }
    memcpy(out, whole, used);
    strcpy(out + used, whole[used] ? "\xe2\x80\xa6" : "");
}

/* f_l(x) of one level. */
static weir_status fill_level(const curves *c, int64_t level, double *rows, double *out)
{
    const w_smooth *smooth = c->term->smooth;
    double code[2][W_EFFECT_POINTS];
    const double *x[W_MAX_MARGINS] = { c->x };
    const double *beta = c->model->beta + c->term->first;
    if (c->number == 0) {
        beta += level * smooth->columns;
    }
    for (int f = 0; f < c->number; f++) {
        for (int i = 0; i < W_EFFECT_POINTS; i++) {
            code[f][i] = (double)(f == 0 ? level / c->count[1] : level % c->count[1]);
        }
        x[f] = code[f];
    }
    x[c->number] = c->x;
    weir_status status = w_smooth_rows(c->model->ctx, smooth, W_EFFECT_POINTS, x, rows);
    for (int64_t i = 0; i < W_EFFECT_POINTS && status >= 0; i++) {
        out[i] = 0;
        for (int64_t j = 0; j < smooth->columns; j++) {
            out[i] += rows[i * smooth->columns + j] * beta[j];
        }
    }
    return status;
}

static weir_status fill(curves *c, double *rows)
{
    double lower = 0, upper = 1;
    w_effect_range(c->model->design, c->term, c->number, &lower, &upper);
    for (int i = 0; i < W_EFFECT_POINTS; i++) {
        c->x[i] = i + 1 < W_EFFECT_POINTS ? lower + (upper - lower) * i / (W_EFFECT_POINTS - 1) : upper;
    }
    weir_status status = WEIR_OK;
    for (int64_t i = 0; i < c->drawn && status >= 0; i++) {
        status = fill_level(c, level_at(c, i), rows, c->fit + i * W_EFFECT_POINTS);
    }
    return status;
}

static void draw(w_writer *w, const curves *c, const char *label, const char *caption)
{
    char name[NAME_BYTES], colour[8];
    int widest = 1;
    int64_t rug_count;
    w_plot plot;
    w_plot_init(&plot, w);
    plot.y_lower = INFINITY;
    plot.y_upper = -INFINITY;
    for (int64_t i = 0; i < c->drawn * W_EFFECT_POINTS; i++) {
        plot.y_lower = fmin(plot.y_lower, c->fit[i]);
        plot.y_upper = fmax(plot.y_upper, c->fit[i]);
    }
    for (int64_t i = 0; i < c->drawn; i++) {
        name_level(name, c, level_at(c, i));
        int width = w_text_width(name);
        widest = width > widest ? width : widest;
    }
    plot.x_lower = c->x[0];
    plot.x_upper = c->x[W_EFFECT_POINTS - 1];
    w_range_pad(&plot.x_lower, &plot.x_upper, 0.02);
    w_range_pad(&plot.y_lower, &plot.y_upper, 0.06);
    plot.height = fmax(plot.height, 70.0 + LINE_HEIGHT * (double)c->drawn);
    plot.right_margin = 28.0 + 7.0 * widest;
    plot.x_label = c->term->variable[c->number];
    plot.y_label = label;
    plot.summary = caption;
    w_figure_open(w, false);
    w_plot_open(&plot);
    for (int64_t i = 0; i < c->drawn; i++) {
        double y = plot.top + LINE_HEIGHT * ((double)i + 0.5);
        w_putf(w, "<g style=\"--accent:%s\">\n", w_colour(colour, W_MAP_LEVELS, (double)i / (double)c->drawn));
        w_plot_line(&plot, "curve thin", W_EFFECT_POINTS, c->x, c->fit + i * W_EFFECT_POINTS);
        w_svg_line(w, "curve", plot.right + 6, y, plot.right + 20, y);
        w_put(w, "</g>\n");
        name_level(name, c, level_at(c, i));
        w_svg_text(w, "tick", plot.right + 24, y + 4, "start", name);
    }
    const double *rug = w_figure_rug(c->model, c->term, c->number, &rug_count);
    if (rug) {
        w_plot_rug(&plot, rug_count, rug);
    }
    w_plot_close(&plot);
    w_figure_close(w, caption);
}

void w_figure_curves(w_writer *w, const weir_model *model, const w_term *term)
{
    char label[W_LABEL_BYTES], caption[2 * W_LABEL_BYTES], number[W_NUMBER_BYTES], some[64] = "";
    curves c = { .model = model, .term = term };
    find_levels(&c);
    size_t points = (size_t)W_EFFECT_POINTS;
    double *block = w_alloc_array(w->ctx, "report", points * ((size_t)c.drawn + (size_t)term->smooth->columns), sizeof *block);
    if (!block) {
        w_writer_fail(w, w_alloc_status(w->ctx));
        return;
    }
    c.fit = block;
    weir_status status = fill(&c, block + points * (size_t)c.drawn);
    if (status >= 0) {
        double edf = w_figure_edf(model, term);
        if (c.drawn < c.levels) {
            snprintf(some, sizeof some, ", %lld of them drawn", (long long)c.drawn);
        }
        snprintf(caption, sizeof caption, "%.120s, %s of %lld levels%s, %s effective degrees of freedom", term->label,
                 term->smooth->type == W_SMOOTH_SZ ? "deviations that sum to zero" : "a curve for each", (long long)c.levels, some,
                 w_text_fixed(number, edf, 2));
        draw(w, &c, w_figure_label(label, term->label, edf), caption);
    } else {
        w_writer_fail(w, status);
    }
    w_free(w->ctx, block);
}
