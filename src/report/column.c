/* SPDX-License-Identifier: Apache-2.0 */
/* For a value x rounded to d significant digits let e be its decimal exponent and s <= d the digits left after trailing zeros
 * are dropped. Fixed notation needs max(0, s - e - 1) decimals and max(1, e + 1) places before the point; scientific
 * needs s - 1 decimals. A column takes the maximum of each, and fixed notation if it is not wider. */
#include "report/column.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void digits_needed(double value, int digits, int *exponent, int *significant)
{
    char text[W_NUMBER_BYTES];
    if (value == 0) {
        *exponent = 0;
        *significant = 1;
        return;
    }
    w_text_scientific(text, fabs(value), digits - 1);
    char *e = strchr(text, 'e');
    *exponent = atoi(e + 1);
    int s = digits;
    for (char *c = e - 1; s > 1 && *c == '0'; c--) {
        s--;
    }
    *significant = s;
}

static bool is_tiny(double p)
{
    return p < DBL_EPSILON;
}

static bool is_small(double p)
{
    return p > 0 && floor(log10(p)) < -4;
}

static bool is_plain_p(double p)
{
    return !is_tiny(p) && !is_small(p);
}

static bool is_small_p(double p)
{
    return !is_tiny(p) && is_small(p);
}

static bool is_any(double value)
{
    (void)value;
    return true;
}

static w_column_format common_where(int64_t count, const double *values, int64_t stride, int digits, bool (*wanted)(double))
{
    int left = 1, right = 0, mantissa = 0, exponent_width = 2, negative = 0;
    for (int64_t i = 0; i < count; i++) {
        double x = values[i * stride];
        int exponent, significant;
        if (!isfinite(x) || !wanted(x)) {
            continue;
        }
        digits_needed(x, digits, &exponent, &significant);
        negative |= x < 0;
        left = exponent + 1 > left ? exponent + 1 : left;
        right = significant - exponent - 1 > right ? significant - exponent - 1 : right;
        mantissa = significant - 1 > mantissa ? significant - 1 : mantissa;
        exponent_width = abs(exponent) >= 100 ? 3 : exponent_width;
    }
    int fixed = negative + left + right + (right > 0);
    int scientific = negative + 1 + mantissa + (mantissa > 0) + 2 + exponent_width;
    bool fits = fixed <= scientific;
    return (w_column_format){ !fits, fits ? right : mantissa };
}

w_column_format w_column_common(int64_t count, const double *values, int64_t stride, int digits)
{
    return common_where(count, values, stride, digits, is_any);
}

const char *w_column_text(char out[W_NUMBER_BYTES], w_column_format format, double value, int digits)
{
    if (format.scientific) {
        return w_text_scientific(out, value, format.decimals);
    }
    w_text_fixed(out, value, format.decimals);
    if (value != 0 && isfinite(value) && strpbrk(out, "123456789") == NULL) {
        w_text_general(out, value, digits > 1 ? digits - 1 : 1);
    }
    return out;
}

double w_round_decimals(double value, int decimals)
{
    double scale = pow(10.0, decimals);
    double scaled = value * scale;
    return isfinite(scaled) && fabs(scaled) < 1e15 ? nearbyint(scaled) / scale : value;
}

w_p_format w_p_common(int64_t count, const double *p, int64_t stride)
{
    return (w_p_format){ common_where(count, p, stride, 3, is_plain_p), common_where(count, p, stride, 3, is_small_p) };
}

const char *w_p_text(char out[W_NUMBER_BYTES], w_p_format format, double p)
{
    if (isnan(p)) {
        return strcpy(out, "NA");
    }
    if (is_tiny(p)) {
        return strcpy(out, "<2e-16");
    }
    w_column_format group = is_small(p) ? format.small : format.plain;
    return group.scientific ? w_text_scientific(out, p, group.decimals) : w_text_fixed(out, p, group.decimals);
}

const char *w_p_stars(double p)
{
    return isnan(p) ? "" : p <= 0.001 ? "***" : p <= 0.01 ? "**" : p <= 0.05 ? "*" : p <= 0.1 ? "." : "";
}
