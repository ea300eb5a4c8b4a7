/* SPDX-License-Identifier: Apache-2.0 */
/* The summary on a terminal, in the shape statisticians know from R's mgcv, followed by what mgcv does not say: the
 * certificate of the solution and the plan beside what happened. */
#include "report/report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/format.h"
#include "report/column.h"
#include "report/outline.h"
#include "report/table.h"
#include "report/writer.h"

static const char legend[] = "---\nSignif. codes:  0 '***' 0.001 '**' 0.01 '*' 0.05 '.' 0.1 ' ' 1\n";

void w_put_table(w_writer *w, const w_report_table *table)
{
    int label_width = 0, width[W_TABLE_COLUMNS];
    for (int c = 0; c < W_TABLE_COLUMNS; c++) {
        width[c] = w_text_width(table->heading[c]);
    }
    for (int64_t i = 0; i < table->count; i++) {
        int label = w_text_width(table->row[i].label);
        label_width = label > label_width ? label : label_width;
        for (int c = 0; c < W_TABLE_COLUMNS; c++) {
            int cell = w_text_width(table->row[i].cell[c]);
            width[c] = cell > width[c] ? cell : width[c];
        }
    }
    w_put_spaces(w, label_width);
    for (int c = 0; c < W_TABLE_COLUMNS; c++) {
        w_put(w, " ");
        w_put_padded(w, table->heading[c], width[c]);
    }
    w_put(w, "\n");
    for (int64_t i = 0; i < table->count; i++) {
        const w_table_row *row = &table->row[i];
        w_put_padded(w, row->label, -label_width);
        for (int c = 0; c < W_TABLE_COLUMNS; c++) {
            w_put(w, " ");
            w_put_padded(w, row->cell[c], width[c]);
        }
        w_putf(w, "%s%s\n", row->stars[0] ? " " : "", row->stars);
    }
    if (table->any_stars) {
        w_put(w, legend);
    }
}

static void put_tables(w_writer *w, const weir_summary *summary)
{
    w_report_table table;
    if (summary->coefficient_count > 0) {
        weir_status status = w_table_coefficients(w->ctx, summary, &table);
        if (status != WEIR_OK) {
            w_writer_fail(w, status);
            return;
        }
        w_put(w, "\nParametric coefficients:\n");
        w_put_table(w, &table);
        w_report_table_free(&table);
    }
    if (summary->term_count > 0) {
        weir_status status = w_table_terms(w->ctx, summary, &table);
        if (status != WEIR_OK) {
            w_writer_fail(w, status);
            return;
        }
        w_put(w, "\nApproximate significance of smooth terms:\n");
        w_put_table(w, &table);
        w_report_table_free(&table);
    }
}

static void put_random(w_writer *w, const weir_summary *summary)
{
    int width = 0;
    for (int i = 0; i < summary->term_count; i++) {
        const weir_term_summary *term = &summary->term[i];
        int own = isfinite(term->std_dev) ? w_text_width(term->label) : 0;
        width = own > width ? own : width;
    }
    if (width == 0) {
        return;
    }
    char number[W_NUMBER_BYTES];
    w_put(w, "\nRandom effects:\n");
    w_put_spaces(w, width);
    w_put(w, "   levels  Std. Dev.\n");
    for (int i = 0; i < summary->term_count; i++) {
        const weir_term_summary *term = &summary->term[i];
        if (isfinite(term->std_dev)) {
            w_put_padded(w, term->label, -width);
            w_putf(w, " %8" PRId64 "  ", term->columns);
            w_put_padded(w, w_text_general(number, term->std_dev, 4), 9);
            w_put(w, "\n");
        }
    }
}

static void put_scores(w_writer *w, const weir_summary *s)
{
    char number[W_NUMBER_BYTES];
    if (s->rank < s->columns) {
        w_putf(w, "Rank: %" PRId64 "/%" PRId64 "\n", s->rank, s->columns);
    }
    w_put(w, "R-sq.(adj) = ");
    w_put_padded(w, w_text_general(number, s->r_squared_adjusted, 3), 6);
    w_putf(w, "   Deviance explained = %s%%\n", w_text_general(number, 100 * s->deviance_explained, 3));
    bool likelihood = strcmp(s->criterion_name, "REML") == 0 || strcmp(s->criterion_name, "ML") == 0;
    w_putf(w, "%s%s = %s", likelihood ? "-" : "", s->criterion_name, w_text_general(number, s->criterion, 5));
    w_putf(w, "  Scale est. = ");
    w_put_padded(w, w_text_general(number, s->scale, 5), -8);
    w_putf(w, "  n = %" PRId64 "\n", s->n);
    if (s->ar1) {
        w_putf(w, "AR(1) residuals: rho = %s%s", w_text_general(number, s->ar1->rho, 4), s->ar1->estimated ? " (estimated)" : "");
        w_putf(w, "  series = %" PRId64, s->ar1->series);
        w_putf(w, "  lag-1 correlation = %s", w_text_general(number, s->ar1->correlation, 3));
        w_putf(w, ", standardised %s\n", w_text_general(number, s->ar1->standardised_correlation, 3));
    }
}

static void put_parameters(w_writer *w, const weir_summary *s)
{
    char number[W_NUMBER_BYTES];
    for (int i = 0; i < s->family_parameter_count; i++) {
        const weir_family_parameter *p = &s->family_parameter[i];
        w_putf(w, "%s%s = %s (%s)%s", i == 0 ? "Family parameters: " : ", ", p->name, w_text_general(number, p->value, 5),
               p->estimated ? "estimated" : "given", i + 1 == s->family_parameter_count ? "\n" : "");
    }
}

weir_status w_report_text(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    const weir_summary *summary = &model->summary;
    w_writer w;
    w_writer_init(&w, ctx, write, user);
    w_putf(&w, "Family: %s\nLink function: %s\n", summary->family, summary->link);
    put_parameters(&w, summary);
    w_putf(&w, "\nFormula:\n%s\n", summary->formula);
    put_tables(&w, summary);
    put_random(&w, summary);
    w_put(&w, "\n");
    put_scores(&w, summary);
    w_put_rows_line(&w, summary);
    for (int i = 0; i < summary->note_count; i++) {
        w_putf(&w, "%sNote: %s\n", i == 0 ? "\n" : "", summary->note[i]);
    }
    w_put(&w, "\n");
    w_put_certificate(&w, summary);
    w_put_plan_block(&w, summary);
    return w_writer_finish(&w);
}
