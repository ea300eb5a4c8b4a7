/* SPDX-License-Identifier: Apache-2.0 */
#include "model/poly.h"

#include <float.h>
#include <math.h>

#include "base/size.h"

#define RUN 512

/* Sums are taken over runs of rows and the runs' sums then added: the error grows with rows/RUN + RUN, not rows. */
typedef struct moments {
    double norm, first;
} moments;

/* p_j of a run of rows into `now`, with `before` as p_{j-1}. */
static void advance(int j, const double *alpha, const double *norm, const double *x, int64_t rows, double *before,
                    double *now)
{
    if (j == 0) {
        for (int64_t i = 0; i < rows; i++) {
            before[i] = 0;
            now[i] = 1;
        }
        return;
    }
    double ratio = j > 1 ? norm[j - 1] / norm[j - 2] : 0;
    for (int64_t i = 0; i < rows; i++) {
        double next = (x[i] - alpha[j - 1]) * now[i] - ratio * before[i];
        before[i] = now[i];
        now[i] = next;
    }
}

static moments moments_of_degree(int j, const double *alpha, const double *norm, const double *x, int64_t rows)
{
    moments sum = {0, 0};
    double before[RUN], now[RUN];
    for (int64_t start = 0; start < rows; start += RUN) {
        int64_t run = w_min64(RUN, rows - start);
        for (int d = 0; d <= j; d++) {
            advance(d, alpha, norm, x + start, run, before, now);
        }
        moments part = {0, 0};
        for (int64_t i = 0; i < run; i++) {
            part.norm += now[i] * now[i];
            part.first += x[start + i] * now[i] * now[i];
        }
        sum.norm += part.norm;
        sum.first += part.first;
    }
    return sum;
}

weir_status w_poly_fit(weir_ctx *ctx, const char *label, const double *x, int64_t rows, int degree, double *alpha,
                       double *norm)
{
    double largest = 0;
    for (int64_t i = 0; i < rows; i++) {
        largest = fmax(largest, fabs(x[i]));
    }
    double rounding = 64 * DBL_EPSILON * largest;
    for (int j = 0; j <= degree; j++) {
        moments m = moments_of_degree(j, alpha, norm, x, rows);
        double least = j ? norm[j - 1] * rounding * rounding : 0;
        if (!isfinite(m.norm) || !(m.norm > least)) {
            return w_fail(ctx, WEIR_E_DATA, "%s: degree %d needs more than %d distinct values", label, degree,
                          degree);
        }
        norm[j] = m.norm;
        if (j < degree) {
            alpha[j] = m.first / m.norm;
        }
    }
    return WEIR_OK;
}

void w_poly_eval(int degree, const double *alpha, const double *norm, const double *x, int64_t rows,
                 int64_t stride, double *out)
{
    double before[RUN], now[RUN];
    for (int64_t start = 0; start < rows; start += RUN) {
        int64_t run = w_min64(RUN, rows - start);
        advance(0, alpha, norm, x + start, run, before, now);
        for (int j = 1; j <= degree; j++) {
            advance(j, alpha, norm, x + start, run, before, now);
            double root = sqrt(norm[j]);
            double *column = out + (j - 1) * stride + start;
            for (int64_t i = 0; i < run; i++) {
                column[i] = now[i] / root;
            }
        }
    }
}
