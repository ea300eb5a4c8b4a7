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
void w_report_table_free(w_report_table *table);

#endif
