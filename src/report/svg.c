/* SPDX-License-Identifier: Apache-2.0 */
#include "report/svg.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CHARACTER_WIDTH 6.7 /* of tick labels: 11 units high, digits of a wide sans serif */
#define RUG_PLACES 400

/* Multiples of the step {1, 2, 5} 10^e that is nearest to range / wanted in ratio (Heckbert, Graphics Gems, 1990). */
w_ticks w_ticks_nice(double lower, double upper, int wanted)
{
    w_ticks ticks = { 0 };
    double range = upper - lower;
    if (!(range > 0) || !isfinite(range) || wanted < 1) {
        return ticks;
    }
    double rough = range / wanted, power = pow(10.0, floor(log10(rough))), share = rough / power;
    double step = share < 1.4142 ? power : share < 3.1623 ? 2 * power : share < 7.0711 ? 5 * power : 10 * power;
    double first = ceil(lower / step - 1e-9);
    for (int i = 0; i < W_TICK_LIMIT; i++) {
        double value = (first + i) * step;
        if (value > upper + 1e-9 * range) {
            break;
        }
        ticks.at[ticks.count++] = fabs(value) < 1e-9 * step ? 0.0 : value;
    }
    double largest = fmax(fabs(lower), fabs(upper));
    int decimals = (int)-floor(log10(step) + 1e-9);
    ticks.scientific = largest >= 1e6 || largest < 1e-3;
    if (ticks.scientific) {
        decimals = (int)floor(log10(largest) + 1e-9) - (int)floor(log10(step) + 1e-9);
    }
    ticks.decimals = decimals < 0 ? 0 : decimals;
    return ticks;
}

const char *w_tick_text(char out[W_NUMBER_BYTES], const w_ticks *ticks, double value)
{
    char plain[W_NUMBER_BYTES];
    if (ticks->scientific && value != 0) {
        w_text_scientific(plain, value, ticks->decimals > 4 ? 4 : ticks->decimals);
    } else {
        w_text_fixed(plain, value, ticks->scientific ? 0 : ticks->decimals);
    }
    char *to = out;
    for (const char *from = plain; *from && to < out + W_NUMBER_BYTES - 4; from++) {
        if (*from == '-') {
            memcpy(to, "\xe2\x88\x92", 3);
            to += 3;
        } else if (*from != '+') {
            *to++ = *from;
        }
    }
    *to = '\0';
    return out;
}

void w_range_pad(double *lower, double *upper, double share)
{
    if (!isfinite(*lower) || !isfinite(*upper) || *lower > *upper) {
        *lower = -0.5;
        *upper = 0.5;
        return;
    }
    double width = *upper - *lower, size = fmax(fabs(*lower), fabs(*upper));
    if (width <= 64 * DBL_EPSILON * size || width == 0) {
        width = size > 0 ? size : 1;
        share = 0.5;
    }
    *lower -= share * width;
    *upper += share * width;
}

void w_plot_init(w_plot *plot, w_writer *w)
{
    *plot = (w_plot){ .w = w, .width = W_PLOT_WIDTH, .height = W_PLOT_HEIGHT, .x_ticks = true, .y_ticks = true,
                      .x_lower = 0, .x_upper = 1, .y_lower = 0, .y_upper = 1, .right_margin = 14 };
}

double w_plot_x(const w_plot *plot, double x)
{
    return plot->left + (x - plot->x_lower) / (plot->x_upper - plot->x_lower) * (plot->right - plot->left);
}

double w_plot_y(const w_plot *plot, double y)
{
    return plot->bottom - (y - plot->y_lower) / (plot->y_upper - plot->y_lower) * (plot->bottom - plot->top);
}

static bool x_labels_collide(const w_plot *plot)
{
    char text[W_NUMBER_BYTES];
    double end = -INFINITY;
    for (int i = 0; i < plot->x_tick.count; i++) {
        int width = w_text_width(w_tick_text(text, &plot->x_tick, plot->x_tick.at[i]));
        double middle = w_plot_x(plot, plot->x_tick.at[i]), half = 0.5 * CHARACTER_WIDTH * width;
        if (middle - half < end + 10) {
            return true;
        }
        end = middle + half;
    }
    return false;
}

/* Room for ticks and label of the vertical axis: known once the labels are. */
static void plot_layout(w_plot *plot)
{
    char text[W_NUMBER_BYTES];
    int widest = 0;
    plot->y_tick = w_ticks_nice(plot->y_lower, plot->y_upper, 5);
    plot->x_tick = w_ticks_nice(plot->x_lower, plot->x_upper, 6);
    for (int i = 0; plot->y_ticks && i < plot->y_tick.count; i++) {
        int width = w_text_width(w_tick_text(text, &plot->y_tick, plot->y_tick.at[i]));
        widest = width > widest ? width : widest;
    }
    plot->left += plot->y_ticks ? 12 + CHARACTER_WIDTH * widest : 8;
    plot->left += plot->y_label ? 22 : 4;
    plot->right = plot->width - plot->right_margin;
    plot->top = 12;
    plot->bottom = plot->height - (plot->x_ticks ? 24 : 8) - (plot->x_label ? 20 : 0);
    for (int wanted = 6; wanted > 1 && x_labels_collide(plot); wanted--) {
        plot->x_tick = w_ticks_nice(plot->x_lower, plot->x_upper, wanted - 1);
    }
}

void w_plot_open(w_plot *plot)
{
    w_writer *w = plot->w;
    plot_layout(plot);
    w_put(w, "<svg viewBox=\"0 0 ");
    w_put_coordinate(w, plot->width);
    w_put(w, " ");
    w_put_coordinate(w, plot->height);
    w_put(w, "\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\">");
    if (plot->summary) {
        w_put(w, "<title>");
        w_put_escaped(w, plot->summary);
        w_put(w, "</title>");
    }
    w_put(w, "\n");
    w_svg_rect(w, "ground", plot->left, plot->top, plot->right - plot->left, plot->bottom - plot->top);
    for (int i = 0; plot->y_ticks && i < plot->y_tick.count; i++) {
        double y = w_plot_y(plot, plot->y_tick.at[i]);
        w_svg_line(w, plot->y_tick.at[i] == 0 ? "zero" : "grid", plot->left, y, plot->right, y);
    }
}

static void put_ticks(const w_plot *plot)
{
    w_writer *w = plot->w;
    char text[W_NUMBER_BYTES];
    for (int i = 0; plot->x_ticks && i < plot->x_tick.count; i++) {
        double x = w_plot_x(plot, plot->x_tick.at[i]);
        w_svg_line(w, "axis", x, plot->bottom, x, plot->bottom + 5);
        w_svg_text(w, "tick", x, plot->bottom + 18, "middle", w_tick_text(text, &plot->x_tick, plot->x_tick.at[i]));
    }
    for (int i = 0; plot->y_ticks && i < plot->y_tick.count; i++) {
        double y = w_plot_y(plot, plot->y_tick.at[i]);
        w_svg_line(w, "axis", plot->left - 5, y, plot->left, y);
        w_svg_text(w, "tick", plot->left - 8, y + 4, "end", w_tick_text(text, &plot->y_tick, plot->y_tick.at[i]));
    }
}

/* A label cut to what `room` holds, at a character's edge. */
static const char *fitted(char out[128], const char *text, double room)
{
    int allowed = (int)(room / 7.2);
    if (w_text_width(text) <= allowed && strlen(text) < 120) {
        return text;
    }
    size_t used = 0;
    for (int i = 0; i < allowed - 1 && text[used]; i++) {
        int length = w_utf8_length(text + used);
        length = length > 0 ? length : 1;
        if (used + (size_t)length > 120) {
            break;
        }
        used += (size_t)length;
    }
    memcpy(out, text, used);
    strcpy(out + used, "\xe2\x80\xa6");
    return out;
}

void w_plot_close(w_plot *plot)
{
    w_writer *w = plot->w;
    char cut[128];
    w_svg_rect(w, "frame", plot->left, plot->top, plot->right - plot->left, plot->bottom - plot->top);
    put_ticks(plot);
    if (plot->x_label) {
        w_svg_text(w, "label", 0.5 * (plot->left + plot->right), plot->height - 6, "middle",
                   fitted(cut, plot->x_label, plot->right - plot->left));
    }
    if (plot->y_label) {
        w_put(w, "<text class=\"label\" text-anchor=\"middle\" transform=\"translate(15 ");
        w_put_coordinate(w, 0.5 * (plot->top + plot->bottom));
        w_put(w, ") rotate(-90)\">");
        w_put_escaped(w, fitted(cut, plot->y_label, plot->bottom - plot->top));
        w_put(w, "</text>\n");
    }
    w_put(w, "</svg>\n");
}

/* ---- marks ------------------------------------------------------------------------------------------------------- */

void w_put_coordinate(w_writer *w, double value)
{
    char text[W_NUMBER_BYTES];
    double bounded = fmin(fmax(value, -1e4), 1e4);
    w_text_fixed(text, bounded, 2);
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '0') {
        length--;
    }
    length -= length > 0 && text[length - 1] == '.';
    w_put_bytes(w, text, length > 0 ? length : 1);
}

static void attribute(w_writer *w, const char *name, double value)
{
    w_putf(w, " %s=\"", name);
    w_put_coordinate(w, value);
    w_put(w, "\"");
}

void w_svg_line(w_writer *w, const char *class_name, double x1, double y1, double x2, double y2)
{
    w_putf(w, "<line class=\"%s\"", class_name);
    attribute(w, "x1", x1);
    attribute(w, "y1", y1);
    attribute(w, "x2", x2);
    attribute(w, "y2", y2);
    w_put(w, "/>\n");
}

void w_svg_rect(w_writer *w, const char *class_name, double x, double y, double width, double height)
{
    w_putf(w, "<rect class=\"%s\"", class_name);
    attribute(w, "x", x);
    attribute(w, "y", y);
    attribute(w, "width", fmax(0, width));
    attribute(w, "height", fmax(0, height));
    w_put(w, "/>\n");
}

void w_svg_text(w_writer *w, const char *class_name, double x, double y, const char *anchor, const char *text)
{
    w_putf(w, "<text class=\"%s\"", class_name);
    attribute(w, "x", x);
    attribute(w, "y", y);
    w_putf(w, " text-anchor=\"%s\">", anchor);
    w_put_escaped(w, text);
    w_put(w, "</text>\n");
}

static void put_point(const w_plot *plot, char command, double x, double y)
{
    w_put_bytes(plot->w, &command, 1);
    w_put_coordinate(plot->w, w_plot_x(plot, x));
    w_put(plot->w, " ");
    w_put_coordinate(plot->w, w_plot_y(plot, y));
}

void w_plot_line(const w_plot *plot, const char *class_name, int64_t count, const double *x, const double *y)
{
    bool pen_down = false;
    w_putf(plot->w, "<path class=\"%s\" d=\"", class_name);
    for (int64_t i = 0; i < count; i++) {
        bool here = isfinite(x[i]) && isfinite(y[i]);
        if (here) {
            put_point(plot, pen_down ? 'L' : 'M', x[i], y[i]);
        }
        pen_down = here;
    }
    w_put(plot->w, "\"/>\n");
}

void w_plot_band(const w_plot *plot, const char *class_name, int64_t count, const double *x, const double *lower,
                 const double *upper)
{
    w_putf(plot->w, "<path class=\"%s\" d=\"", class_name);
    for (int64_t i = 0; i < count; i++) {
        put_point(plot, i == 0 ? 'M' : 'L', x[i], upper[i]);
    }
    for (int64_t i = count - 1; i >= 0; i--) {
        put_point(plot, 'L', x[i], lower[i]);
    }
    w_put(plot->w, count > 0 ? "Z\"/>\n" : "\"/>\n");
}

void w_plot_points(const w_plot *plot, const char *class_name, int64_t count, const double *x, const double *y)
{
    w_putf(plot->w, "<path class=\"%s\" d=\"", class_name);
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(x[i]) && isfinite(y[i])) {
            put_point(plot, 'M', x[i], y[i]);
            w_put(plot->w, "h0");
        }
    }
    w_put(plot->w, "\"/>\n");
}

void w_plot_rug(const w_plot *plot, int64_t count, const double *x)
{
    bool place[RUG_PLACES] = { false };
    double range = plot->x_upper - plot->x_lower;
    w_put(plot->w, "<path class=\"rug\" d=\"");
    for (int64_t i = 0; i < count; i++) {
        double share = (x[i] - plot->x_lower) / range;
        int slot = share >= 0 && share <= 1 ? (int)(share * (RUG_PLACES - 1)) : -1;
        if (slot < 0 || place[slot]) {
            continue;
        }
        place[slot] = true;
        w_put(plot->w, "M");
        w_put_coordinate(plot->w, w_plot_x(plot, x[i]));
        w_put(plot->w, " ");
        w_put_coordinate(plot->w, plot->bottom);
        w_put(plot->w, "v-6");
    }
    w_put(plot->w, "\"/>\n");
}
