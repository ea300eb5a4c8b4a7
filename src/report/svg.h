/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing one plot as inline SVG: a frame with data coordinates, ticks at round numbers, labels and marks. Lengths are
 * in the units of the viewBox (W_PLOT_WIDTH x W_PLOT_HEIGHT). Colours come from the page's style sheet through classes, so
 * that one drawing serves light, dark and paper. */
#ifndef W_REPORT_SVG_H
#define W_REPORT_SVG_H

#include "report/writer.h"

#define W_PLOT_WIDTH 480.0
#define W_PLOT_HEIGHT 330.0
#define W_TICK_LIMIT 16

typedef struct w_ticks {
    int count, decimals;
    bool scientific;
    double at[W_TICK_LIMIT];
} w_ticks;

/* Ticks at multiples of 1, 2 or 5 times a power of ten within [lower, upper], about `wanted` of them. */
w_ticks w_ticks_nice(double lower, double upper, int wanted);
/* The label of a tick, with a true minus sign. */
const char *w_tick_text(char out[W_NUMBER_BYTES], const w_ticks *ticks, double value);

typedef struct w_plot {
    w_writer *w;
    double width, height;                  /* of the viewBox */
    double left, right, top, bottom;       /* edges of the frame */
    double x_lower, x_upper, y_lower, y_upper; /* data at the edges */
    const char *x_label, *y_label;         /* NULL = none */
    const char *summary;                   /* what a screen reader says */
    bool x_ticks, y_ticks;
    w_ticks x_tick, y_tick;
    double right_margin;                   /* room kept free at the right, e.g. for a colour bar */
} w_plot;

/* Sensible defaults; set ranges and labels, then open. */
void w_plot_init(w_plot *plot, w_writer *w);
/* Widens [lower, upper] by `share` of its length on both sides; an empty or infinite range becomes one of length 1. */
void w_range_pad(double *lower, double *upper, double share);
/* Chooses ticks and margins, writes <svg> and the grid. */
void w_plot_open(w_plot *plot);
/* Writes frame, ticks and labels over what was drawn, and </svg>. */
void w_plot_close(w_plot *plot);

double w_plot_x(const w_plot *plot, double x);
double w_plot_y(const w_plot *plot, double y);

/* A coordinate with one or two decimals. */
void w_put_coordinate(w_writer *w, double value);
void w_svg_line(w_writer *w, const char *class_name, double x1, double y1, double x2, double y2);
void w_svg_rect(w_writer *w, const char *class_name, double x, double y, double width, double height);
/* anchor: "start", "middle", "end". Escapes. */
void w_svg_text(w_writer *w, const char *class_name, double x, double y, const char *anchor, const char *text);
/* A line through data points; breaks where a value is not finite. */
void w_plot_line(const w_plot *plot, const char *class_name, int64_t count, const double *x, const double *y);
/* The area between two curves. */
void w_plot_band(const w_plot *plot, const char *class_name, int64_t count, const double *x, const double *lower,
                 const double *upper);
/* Round points as one path (its stroke width in the style sheet is their diameter). */
void w_plot_points(const w_plot *plot, const char *class_name, int64_t count, const double *x, const double *y);
/* Ticks of data values inside the lower edge; at most 400 distinct places are drawn. */
void w_plot_rug(const w_plot *plot, int64_t count, const double *x);

#endif
