/* SPDX-License-Identifier: Apache-2.0 */
/* The two tables of a summary as finished text cells, for the terminal and for HTML alike. */
#ifndef W_REPORT_TABLE_H
#define W_REPORT_TABLE_H

#include "report/writer.h"
#include "weir/gam.h"

#define W_TABLE_COLUMNS 4

typedef struct w_table_row {
    const char *label;                            /* borrowed */
    char cell[W_TABLE_COLUMNS][W_NUMBER_BYTES];
    const char *stars;                            /* static; "" without a p-value */
} w_table_row;

typedef struct w_report_table {
    weir_ctx *ctx;
    const char *heading[W_TABLE_COLUMNS];
    int64_t count;
    w_table_row *row;
    bool any_stars;                               /* a legend is due */
} w_report_table;

/* Estimate, Std. Error, t (or z) value, Pr(>|t|). */
weir_status w_table_coefficients(weir_ctx *ctx, const weir_summary *summary, w_report_table *out);
/* edf, Ref.df, F (or Chi.sq), p-value. */
weir_status w_table_terms(weir_ctx *ctx, const weir_summary *summary, w_report_table *out);
/* k', edf, k-index, p-value of the basis check. */
weir_status w_table_checks(weir_ctx *ctx, int64_t count, const weir_smooth_check *check, w_report_table *out);
/* As lines of text, with a legend when there are stars. */
void w_put_table(w_writer *w, const w_report_table *table);
void w_report_table_free(w_report_table *table);

#endif
