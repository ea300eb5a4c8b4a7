/* SPDX-License-Identifier: Apache-2.0 */
/* The fit as one HTML file that needs nothing else: style sheet and pictures are inside, there is no script. It is also
 * well-formed XML. The same model gives the same bytes. */
#include "report/report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/format.h"
#include "report/figure.h"
#include "report/html_style.h"
#include "report/outline.h"
#include "report/table.h"
#include "weir/version.h"

#define PICTURE_LIMIT 100 /* terms: a smooth per level of a large factor would fill a page nobody reads */

static void put_head(w_writer *w, const weir_summary *s)
{
    w_put(w, "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
             "<meta name=\"generator\" content=\"weir " WEIR_VERSION_STRING "\"/>\n<title>");
    w_put_escaped(w, s->formula);
    w_put(w, "</title>\n<style>\n");
    w_put(w, w_html_style);
    w_put(w, "</style>\n</head>\n<body>\n<svg class=\"defs\" xmlns=\"http://www.w3.org/2000/svg\" aria-hidden=\"true\"><defs>"
             "<pattern id=\"absent\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
             "patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" fill=\"#ffffff\" fill-opacity=\".55\"/>"
             "<line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\" stroke=\"#59626d\" stroke-width=\"1.1\"/></pattern>"
             "</defs></svg>\n<main>\n");
}

static void put_key(w_writer *w, const char *name, const char *value)
{
    w_put(w, "<div><dt>");
    w_put_escaped(w, name);
    w_put(w, "</dt><dd>");
    w_put_escaped(w, value);
    w_put(w, "</dd></div>\n");
}

static void put_title(w_writer *w, const weir_summary *s)
{
    char number[W_NUMBER_BYTES], percent[W_NUMBER_BYTES];
    w_put(w, "<h1>Additive model of ");
    const char *tilde = strchr(s->formula, '~');
    char response[160];
    size_t length = tilde ? (size_t)(tilde - s->formula) : 0;
    while (length > 0 && s->formula[length - 1] == ' ') {
        length--;
    }
    if (length > 0 && length < sizeof response) {
        memcpy(response, s->formula, length);
        response[length] = '\0';
        w_put_escaped(w, response);
    } else {
        w_put(w, "the response");
    }
    w_put(w, "</h1>\n<p><code>");
    w_put_escaped(w, s->formula);
    w_put(w, "</code></p>\n<p class=\"soft\">Family ");
    w_put_escaped(w, s->family);
    w_put(w, ", link ");
    w_put_escaped(w, s->link);
    w_put(w, ", smoothing parameters by ");
    w_put_escaped(w, s->criterion_name);
    w_put(w, ".</p>\n");
    if (s->status != WEIR_OK) {
        w_put(w, "<p class=\"warning\">");
        w_put_escaped(w, s->status == WEIR_NOT_CONVERGED
                             ? "The fit did not converge: what stands here is its last state. Read with care; a note at the end says more."
                             : "Some columns depend on others: their coefficients were set to 0.");
        w_put(w, "</p>\n");
    }
    w_put(w, "<dl class=\"key\">\n");
    w_text_fixed(percent, 100 * s->deviance_explained, 1);
    strcat(percent, " %");
    put_key(w, "Deviance explained", percent);
    put_key(w, "R\xc2\xb2 adjusted", w_text_fixed(number, s->r_squared_adjusted, 4));
    put_key(w, "Effective d.f.", w_text_fixed(number, s->edf_total, 2));
    put_key(w, "Scale estimate", w_text_general(number, s->scale, 5));
    put_key(w, s->criterion_name, w_text_general(number, s->criterion, 7));
    put_key(w, "Rows", w_text_count(number, s->n));
    w_put(w, "</dl>\n");
}

static void put_table(w_writer *w, const w_report_table *table)
{
    w_put(w, "<div class=\"scroll\"><table>\n<thead><tr><th></th>");
    for (int c = 0; c < W_TABLE_COLUMNS; c++) {
        w_put(w, "<th>");
        w_put_escaped(w, table->heading[c]);
        w_put(w, "</th>");
    }
    w_put(w, "<th></th></tr></thead>\n<tbody>\n");
    for (int64_t i = 0; i < table->count; i++) {
        w_put(w, "<tr><td>");
        w_put_escaped(w, table->row[i].label);
        w_put(w, "</td>");
        for (int c = 0; c < W_TABLE_COLUMNS; c++) {
            w_put(w, "<td>");
            w_put_escaped(w, table->row[i].cell[c]);
            w_put(w, "</td>");
        }
        w_putf(w, "<td class=\"stars\">%s</td></tr>\n", table->row[i].stars);
    }
    w_put(w, "</tbody>\n</table></div>\n");
}

static void put_legend(w_writer *w)
{
    w_put(w, "<p class=\"soft\">*** p \xe2\x89\xa4 0.001, ** p \xe2\x89\xa4 0.01, * p \xe2\x89\xa4 0.05, . p \xe2\x89\xa4 "
             "0.1</p>\n");
}

static void put_tables(w_writer *w, const weir_summary *s)
{
    w_report_table table;
    bool stars = false;
    for (int which = 0; which < 2; which++) {
        if ((which == 0 ? s->coefficient_count : s->term_count) == 0) {
            continue;
        }
        weir_status status = which == 0 ? w_table_coefficients(w->ctx, s, &table) : w_table_terms(w->ctx, s, &table);
        if (status < 0) {
            w_writer_fail(w, status);
            return;
        }
        w_put(w, which == 0 ? "<h2>Parametric coefficients</h2>\n" : "<h2>Smooth terms and random effects</h2>\n");
        put_table(w, &table);
        stars |= table.any_stars;
        w_report_table_free(&table);
    }
    if (stars) {
        put_legend(w);
    }
}

/* ---- pictures ----------------------------------------------------------------------------------------------------- */

static bool is_variable(const weir_model *model, const w_term *term, w_column_kind kind)
{
    const w_design *design = model->design;
    if (term->kind != W_TERM_PARAMETRIC || term->variable_count != 1 || strcmp(term->label, term->variable[0]) != 0) {
        return false;
    }
    for (int c = 0; c < design->column_count; c++) {
        if (strcmp(design->column[c], term->variable[0]) == 0) {
            return design->column_kind[c] == kind;
        }
    }
    return false;
}

/* An interaction of factors alone. */
static bool is_of_factors(const weir_model *model, const w_term *term)
{
    const w_design *design = model->design;
    bool all = term->kind == W_TERM_PARAMETRIC && term->variable_count > 1;
    for (int v = 0; all && v < term->variable_count; v++) {
        int c = w_effect_column(design, term, v);
        all = c >= 0 && design->column_kind[c] == W_FACTOR;
    }
    return all;
}

static void put_effect(w_writer *w, const weir_model *model, int number)
{
    const w_term *term = &model->design->term[number];
    bool levels = w_figure_has_levels(term);
    if (term->columns < 1 || (term->smooth && term->smooth->columns != term->columns && !levels)) {
        return;
    }
    if (levels) {
        w_figure_curves(w, model, term);
    } else if (term->kind == W_TERM_RANDOM) {
        w_figure_random(w, model, term);
    } else if (term->smooth && term->variable_count == 1) {
        w_figure_curve(w, model, term);
    } else if (term->smooth && term->variable_count >= 2) {
        w_figure_surface(w, model, term);
    } else if (is_variable(model, term, W_FACTOR) || is_of_factors(model, term)) {
        w_figure_factor(w, model, term);
    } else if (term->columns == 1 && is_variable(model, term, W_NUMERIC)) {
        w_figure_line(w, model, term);
    } else if (term->kind == W_TERM_PARAMETRIC) {
        w_figure_function(w, model, number);
    }
}

static void put_effects(w_writer *w, const weir_model *model)
{
    const w_design *design = model->design;
    w_put(w, "<h2>Partial effects</h2>\n<p class=\"soft\">Each picture shows what one term adds to the linear predictor, with a "
             "band of \xc2\xb1""2 standard errors (about 95 %); a paler one around a curve holds all of it at once with 95 %. "
             "Every picture has its own vertical scale. Marks along the lower edge show where data lie.</p>\n<div class=\"figures\">\n");
    int drawn = 0;
    for (int pass = 0; pass < 2; pass++) { /* smooths first, parametric terms behind them */
        for (int i = 0; i < design->term_count && w->status == WEIR_OK; i++) {
            if ((design->term[i].kind == W_TERM_PARAMETRIC) == (pass == 1) && drawn++ < PICTURE_LIMIT) {
                put_effect(w, model, i);
            }
        }
    }
    w_put(w, "</div>\n");
    if (drawn > PICTURE_LIMIT) {
        w_putf(w, "<p class=\"soft\">%d further terms are not drawn; the tables hold them.</p>\n", drawn - PICTURE_LIMIT);
    }
}

static void put_checks(w_writer *w, const w_diagnostics *d)
{
    w_report_table table;
    if (d->check_count == 0) {
        return;
    }
    weir_status status = w_table_checks(w->ctx, d->check_count, d->check, &table);
    if (status < 0) {
        w_writer_fail(w, status);
        return;
    }
    w_put(w, "<h2>Basis dimensions</h2>\n<p class=\"soft\">k-index: variance of the residuals from differences of neighbours by "
             "the covariates, over their variance. Near 1, neighbours have nothing in common. A low p-value with k-index below 1 "
             "and edf close to k' asks for a larger k.</p>\n");
    put_table(w, &table);
    w_report_table_free(&table);
}

static void put_residuals(w_writer *w, const weir_model *model)
{
    if (!model->diagnostics) {
        return;
    }
    char number[W_NUMBER_BYTES];
    w_put(w, "<h2>Residuals</h2>\n");
    if (model->diagnostics->sample < model->summary.n) {
        w_putf(w, "<p class=\"soft\">Points are a sample of %s rows drawn with a fixed seed.</p>\n",
               w_text_count(number, model->diagnostics->sample));
    }
    w_put(w, "<div class=\"figures\">\n");
    w_figures_residuals(w, model);
    w_put(w, "</div>\n");
    put_checks(w, model->diagnostics);
}

/* ---- how it was made ------------------------------------------------------------------------------------------------ */

static void put_plan(w_writer *w, const weir_summary *s)
{
    w_plan_line line[W_PLAN_LINES];
    char bytes[W_FORMAT_BYTES];
    w_plan_compare(s, line);
    w_put(w, "<h2>Plan and what happened</h2>\n<p>");
    w_put_escaped(w, s->plan->route ? s->plan->route : "unknown");
    w_put(w, " on ");
    w_put_escaped(w, s->plan->device ? s->plan->device : "unknown");
    w_put(w, " in ");
    w_put_escaped(w, s->plan->precision ? s->plan->precision : "unknown");
    w_putf(w, ", %d thread%s, %d pass%s over the rows (", s->plan->threads, s->plan->threads == 1 ? "" : "s",
           s->plan->passes, s->plan->passes == 1 ? "" : "es");
    w_put_escaped(w, s->plan->reading ? s->plan->reading : "unknown");
    w_putf(w, "), tiles of %" PRId64 " rows, memory budget %s.</p>\n", s->plan->tile_rows, w_format_bytes(bytes, s->budget));
    w_put(w, "<div class=\"scroll\"><table>\n<thead><tr><th></th><th>predicted</th><th>actual</th></tr></thead>\n<tbody>\n");
    for (int i = 0; i < W_PLAN_LINES; i++) {
        w_putf(w, "<tr><td>%s</td><td>%s</td><td>%s</td></tr>\n", line[i].label, line[i].predicted, line[i].actual);
    }
    w_put(w, "</tbody>\n</table></div>\n");
    if (s->plan->reason_count > 0) {
        w_put(w, "<p>Why:</p>\n<ul>\n");
        for (int i = 0; i < s->plan->reason_count && i < WEIR_PLAN_REASONS; i++) {
            w_put(w, "<li>");
            w_put_escaped(w, s->plan->reason[i]);
            w_put(w, "</li>\n");
        }
        w_put(w, "</ul>\n");
    }
    for (int i = 0; i < s->plan->recovery_count && i < WEIR_PLAN_RECOVERIES; i++) {
        const weir_recovery *r = &s->plan->recovery[i];
        w_put(w, i == 0 ? "<p>Memory ran out:</p>\n<ul>\n<li>" : "<li>");
        w_putf(w, "%s: %s \xe2\x86\x92 %s, going on %s (", r->step, r->from, r->to, r->resumed);
        w_put_escaped(w, r->reason);
        w_put(w, ")</li>\n");
    }
    w_put(w, s->plan->recovery_count > 0 ? "</ul>\n" : "");
}

static void put_fact(w_writer *w, const char *name, const char *value)
{
    w_put(w, "<tr><td>");
    w_put_escaped(w, name);
    w_put(w, "</td><td class=\"words\">");
    w_put_escaped(w, value);
    w_put(w, "</td></tr>\n");
}

static void put_making(w_writer *w, const weir_summary *s)
{
    char number[W_NUMBER_BYTES];
    w_put(w, "<h2>How this was made</h2>\n<div class=\"scroll\"><table>\n<tbody>\n");
    put_fact(w, "Program", "weir " WEIR_VERSION_STRING);
    put_fact(w, "Formula", s->formula);
    put_fact(w, "Rows used", w_text_count(number, s->n));
    put_fact(w, "Rows read", w_text_count(number, s->rows));
    put_fact(w, "Dropped for missing values", w_text_count(number, s->rows_missing));
    put_fact(w, "Of weight 0", w_text_count(number, s->rows_zero_weight));
    put_fact(w, "Columns of the design matrix", w_text_count(number, s->columns));
    put_fact(w, "Rank", w_text_count(number, s->rank));
    put_fact(w, "Solution", w_status_words(s));
    put_fact(w, "Iterations", w_text_count(number, s->iterations));
    put_fact(w, "Largest gradient of the criterion", w_text_general(number, s->gradient, 3));
    put_fact(w, "Condition of the scaled system", w_text_general(number, s->condition, 3));
    put_fact(w, "Backward error", w_text_general(number, s->backward_error, 3));
    put_fact(w, "Deviance", w_text_general(number, s->deviance, 8));
    put_fact(w, "Null deviance", w_text_general(number, s->null_deviance, 8));
    put_fact(w, "Log likelihood", w_text_general(number, s->log_likelihood, 8));
    put_fact(w, "AIC", w_text_general(number, s->aic, 8));
    if (s->ar1) {
        put_fact(w, "AR(1) correlation of neighbouring residuals", w_text_general(number, s->ar1->rho, 4));
        put_fact(w, "Lag-1 correlation of the residuals", w_text_general(number, s->ar1->correlation, 3));
        put_fact(w, "Lag-1 correlation of the standardised residuals", w_text_general(number, s->ar1->standardised_correlation, 3));
    }
    for (int i = 0; i < s->note_count; i++) {
        put_fact(w, "Note", s->note[i]);
    }
    w_put(w, "</tbody>\n</table></div>\n");
}

weir_status w_report_html(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    const weir_summary *s = &model->summary;
    w_writer w;
    w_writer_init(&w, ctx, write, user);
    put_head(&w, s);
    put_title(&w, s);
    put_effects(&w, model);
    put_tables(&w, s);
    put_residuals(&w, model);
    put_plan(&w, s);
    put_making(&w, s);
    w_put(&w, "</main>\n</body>\n</html>\n");
    return w_writer_finish(&w);
}
