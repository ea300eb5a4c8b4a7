/* SPDX-License-Identifier: Apache-2.0 */
#include "report/table.h"

#include <math.h>
#include <string.h>

#include "report/column.h"

#define DIGITS 4

static weir_status table_new(weir_ctx *ctx, int64_t count, const char *const heading[W_TABLE_COLUMNS], w_report_table *out)
{
    memset(out, 0, sizeof *out);
    out->ctx = ctx;
    memcpy(out->heading, heading, sizeof out->heading);
    out->row = w_calloc(ctx, "report", (size_t)count, sizeof *out->row);
    if (!out->row) {
        return w_alloc_status(ctx);
    }
    out->count = count;
    return WEIR_OK;
}

void w_report_table_free(w_report_table *table)
{
    w_free(table->ctx, table->row);
    table->row = NULL;
    table->count = 0;
}

/* Decimals to which a group of values is rounded before it is formatted: DIGITS significant ones of the smallest. */
static int group_decimals(int64_t count, const double *values, int64_t stride, int columns)
{
    double smallest = INFINITY;
    for (int64_t i = 0; i < count; i++) {
        for (int c = 0; c < columns; c++) {
            double x = fabs(values[i * stride + c]);
            smallest = x > 0 && x < smallest ? x : smallest;
        }
    }
    int decimals = isfinite(smallest) ? DIGITS - (int)floor(log10(smallest)) - 1 : 1;
    return decimals < 1 ? 1 : decimals;
}

/* Formats column `c` of the table from values (rows x 4), together with the `joint - 1` columns to its right. */
static void fill(w_report_table *table, double *values, int c, int joint, int round_to)
{
    for (int64_t i = 0; i < table->count; i++) {
        for (int k = c; k < c + joint; k++) {
            double *x = &values[i * W_TABLE_COLUMNS + k];
            double rounded = round_to >= 0 ? w_round_decimals(*x, round_to) : *x;
            *x = rounded == 0 ? *x : rounded;
        }
    }
    w_column_format format = { false, 0 };
    for (int k = c; k < c + joint; k++) {
        w_column_format one = w_column_common(table->count, values + k, W_TABLE_COLUMNS, DIGITS);
        format.scientific |= one.scientific;
        format.decimals = one.decimals > format.decimals ? one.decimals : format.decimals;
    }
    if (format.scientific) {
        format.decimals = format.decimals < DIGITS - 1 ? format.decimals : DIGITS - 1;
    }
    for (int64_t i = 0; i < table->count; i++) {
        for (int k = c; k < c + joint; k++) {
            w_column_text(table->row[i].cell[k], format, values[i * W_TABLE_COLUMNS + k], DIGITS);
        }
    }
}

static void fill_p(w_report_table *table, const double *values)
{
    w_p_format format = w_p_common(table->count, values + 3, W_TABLE_COLUMNS);
    for (int64_t i = 0; i < table->count; i++) {
        double p = values[i * W_TABLE_COLUMNS + 3];
        w_p_text(table->row[i].cell[3], format, p);
        table->row[i].stars = w_p_stars(p);
        table->any_stars |= table->row[i].stars[0] != '\0';
    }
}

weir_status w_table_coefficients(weir_ctx *ctx, const weir_summary *summary, w_report_table *out)
{
    static const char *const t[] = { "Estimate", "Std. Error", "t value", "Pr(>|t|)" };
    static const char *const z[] = { "Estimate", "Std. Error", "z value", "Pr(>|z|)" };
    int64_t count = summary->coefficient_count;
    double *values = w_alloc_array(ctx, "report", (size_t)count, W_TABLE_COLUMNS * sizeof(double));
    if (!values) {
        return w_alloc_status(ctx);
    }
    weir_status status = table_new(ctx, count, summary->scale_estimated ? t : z, out);
    if (status == WEIR_OK) {
        for (int64_t i = 0; i < count; i++) {
            const weir_coefficient *c = &summary->coefficient[i];
            const double row[W_TABLE_COLUMNS] = { c->estimate, c->std_error, c->statistic, c->p_value };
            memcpy(values + i * W_TABLE_COLUMNS, row, sizeof row);
            out->row[i].label = c->label;
        }
        fill(out, values, 0, 2, group_decimals(count, values, W_TABLE_COLUMNS, 2));
        fill(out, values, 2, 1, 3);
        fill_p(out, values);
    }
    w_free(ctx, values);
    return status;
}

weir_status w_table_terms(weir_ctx *ctx, const weir_summary *summary, w_report_table *out)
{
    static const char *const f[] = { "edf", "Ref.df", "F", "p-value" };
    static const char *const chi[] = { "edf", "Ref.df", "Chi.sq", "p-value" };
    int64_t count = summary->term_count;
    double *values = w_alloc_array(ctx, "report", (size_t)count, W_TABLE_COLUMNS * sizeof(double));
    if (!values) {
        return w_alloc_status(ctx);
    }
    weir_status status = table_new(ctx, count, summary->scale_estimated ? f : chi, out);
    if (status == WEIR_OK) {
        for (int64_t i = 0; i < count; i++) {
            const weir_term_summary *term = &summary->term[i];
            const double row[W_TABLE_COLUMNS] = { term->edf, term->ref_df, term->statistic, term->p_value };
            memcpy(values + i * W_TABLE_COLUMNS, row, sizeof row);
            out->row[i].label = term->label;
        }
        fill(out, values, 0, 1, group_decimals(count, values, W_TABLE_COLUMNS, 1));
        fill(out, values, 1, 1, -1);
        fill(out, values, 2, 1, 3);
        fill_p(out, values);
    }
    w_free(ctx, values);
    return status;
}

weir_status w_table_checks(weir_ctx *ctx, int64_t count, const weir_smooth_check *check, w_report_table *out)
{
    static const char *const heading[] = { "k'", "edf", "k-index", "p-value" };
    double *values = w_alloc_array(ctx, "report", (size_t)count, W_TABLE_COLUMNS * sizeof(double));
    if (!values) {
        return w_alloc_status(ctx);
    }
    weir_status status = table_new(ctx, count, heading, out);
    if (status == WEIR_OK) {
        for (int64_t i = 0; i < count; i++) {
            const double row[W_TABLE_COLUMNS] = { (double)check[i].k, check[i].edf, check[i].k_index, check[i].p_value };
            memcpy(values + i * W_TABLE_COLUMNS, row, sizeof row);
            out->row[i].label = check[i].label;
        }
        fill(out, values, 0, 1, 0);
        fill(out, values, 1, 1, 2);
        fill(out, values, 2, 1, 2);
        fill_p(out, values);
    }
    w_free(ctx, values);
    return status;
}
