/* SPDX-License-Identifier: Apache-2.0 */
/* One <figure> each, written into the page. Failures are recorded in the writer. */
#ifndef W_REPORT_FIGURE_H
#define W_REPORT_FIGURE_H

#include "base/sort.h"
#include "report/effect.h"
#include "report/svg.h"

#define W_LABEL_BYTES 256

/* Half width of bands and intervals in standard errors. */
#define W_BAND_SE 2.0

/* "s(x0)" and 2.5 -> "s(x0, 2.50)"; the level of a by factor stays behind the bracket. */
const char *w_figure_label(char out[W_LABEL_BYTES], const char *label, double edf);
/* Sum of the effective degrees of freedom of a term's columns. */
double w_figure_edf(const weir_model *model, const w_term *term);
/* Sampled values of covariate v of a term for rugs, or NULL. */
const double *w_figure_rug(const weir_model *model, const w_term *term, int v, int64_t *count);
void w_figure_open(w_writer *w, bool wide);
void w_figure_close(w_writer *w, const char *caption);

/* One figure of a curve: effect->x[0], fit and band. rug may be NULL. */
void w_figure_draw(w_writer *w, const w_effect *effect, const char *x_label, const char *y_label, const char *caption,
                   int64_t rug_count, const double *rug);
void w_figure_curve(w_writer *w, const weir_model *model, const w_term *term);
void w_figure_line(w_writer *w, const weir_model *model, const w_term *term);
/* A parametric function of one numeric column, such as log(x) or poly(x,2); nothing for other terms. */
void w_figure_function(w_writer *w, const weir_model *model, int term);
void w_figure_surface(w_writer *w, const weir_model *model, const w_term *term);
/* Lines of a term with a curve per level (fs, sz), and whether a term is one. */
bool w_figure_has_levels(const w_term *term);
void w_figure_curves(w_writer *w, const weir_model *model, const w_term *term);
void w_figure_factor(w_writer *w, const weir_model *model, const w_term *term);
void w_figure_random(w_writer *w, const weir_model *model, const w_term *term);
/* Quantiles, residuals over fitted values, histogram, response over fitted values. */
void w_figures_residuals(w_writer *w, const weir_model *model);

#endif
