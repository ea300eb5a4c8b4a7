/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of a table of numbers as R prints them: all entries of a column share one format, with as many decimals as the
 * entry that needs most to show `digits` significant digits, and fixed notation unless scientific is shorter. */
#ifndef W_REPORT_COLUMN_H
#define W_REPORT_COLUMN_H

#include "report/writer.h"

typedef struct w_column_format {
    bool scientific;
    int decimals;
} w_column_format;

/* The common format of the finite ones of `count` values `stride` doubles apart. */
w_column_format w_column_common(int64_t count, const double *values, int64_t stride, int digits);
/* A value in that format; one that would show as zero without being zero is written with its own digits. */
const char *w_column_text(char out[W_NUMBER_BYTES], w_column_format format, double value, int digits);

/* `value` rounded to that many decimals. */
double w_round_decimals(double value, int decimals);

/* P-values: "<2e-16" below the machine's precision, three digits, small ones in scientific notation. */
typedef struct w_p_format {
    w_column_format plain, small;
} w_p_format;
w_p_format w_p_common(int64_t count, const double *p, int64_t stride);
const char *w_p_text(char out[W_NUMBER_BYTES], w_p_format format, double p);
/* "***" up to 0.001, "**" 0.01, "*" 0.05, "." 0.1, else " ". */
const char *w_p_stars(double p);

#endif
