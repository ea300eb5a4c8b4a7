/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a joint margin: PANEL rows at a time are written out as [eta(|x - x_1|) … eta(|x - x_n|), monomials] and
 * multiplied by the weights in one matrix product, about 2 n k flops and n logarithms per row. Panels are always full
 * (zero rows at the end), so that a row's bits do not depend on how many rows are asked for. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "base/blas.h"
#include "base/size.h"
#include "basis/joint.h"
#include "dense/elementary.h"

#define PANEL 64

static int64_t terms_of(const w_margin *margin)
{
    return margin->knot_count + w_plate_polynomials(margin->covariates, margin->order);
}

/* c of eta, see margin_plate.c. */
static double kernel_constant(int d, int m)
{
    double c = (m + 1 + d / 2) % 2 ? -1 : 1, spread = pow(2, 2 * m) * tgamma(m) * pow(3.14159265358979323846, 0.5 * d);
    return d % 2 ? tgamma(0.5 * d - m) / spread : 2 * c / (spread * tgamma(m - d / 2 + 1));
}

/* sum over the covariates of (x_c - knot_c)^2 */
static void squared_distances(const w_margin *margin, const double *x, double *restrict out)
{
    int64_t n = margin->knot_count;
    for (int c = 0; c < margin->covariates; c++) {
        const double *restrict knot = margin->knot + c * n;
        double at = x[c];
        for (int64_t i = 0; i < n; i++) {
            double difference = at - knot[i], square = difference * difference;
            out[i] = c ? out[i] + square : square;
        }
    }
}

void w_joint_kernel(const w_margin *margin, const double *x, double *out, double *logs)
{
    int64_t n = margin->knot_count;
    int d = margin->covariates, m = margin->order, power = m - (d + 1) / 2;
    double c = kernel_constant(d, m);
    squared_distances(margin, x, out);
    if (d % 2 == 0) {
        for (int64_t i = 0; i < n; i++)
            logs[i] = out[i] > DBL_MIN ? out[i] : DBL_MIN; /* eta(0) = 0 */
        w_log_array(n, logs, logs);
        c *= 0.5;
    } else {
        for (int64_t i = 0; i < n; i++)
            logs[i] = sqrt(out[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        double square = out[i], value = c * logs[i];
        for (int q = 0; q < power; q++)
            value *= square;
        out[i] = value;
    }
}

void w_joint_monomials(const w_margin *margin, const double *x, double *out)
{
    int d = margin->covariates, m = margin->order;
    double u[W_MAX_MARGINS] = {0};
    for (int c = 0; c < d; c++)
        u[c] = x[c] - margin->centre[c];
    double last = 1;
    for (int c = 0; c < (d > 2 ? m : 1); c++, last *= u[2]) {
        double middle = last;
        for (int b = 0; b + c < m; b++, middle *= u[1]) {
            double first = middle;
            for (int a = 0; a + b + c < m; a++, first *= u[0])
                *out++ = first;
        }
    }
}

weir_status w_joint_finish(w_arena *arena, w_margin *margin)
{
    int64_t k = margin->k;
    margin->cells = 1;
    margin->width = (int)k;
    margin->map = w_arena_calloc(arena, w_mul_size((size_t)k, (size_t)k), sizeof *margin->map);
    for (int64_t j = 0; margin->map && j < k; j++)
        margin->map[j * k + j] = 1;
    return margin->map ? WEIR_OK : w_alloc_status(arena->ctx);
}

int64_t w_joint_doubles(const w_margin *margin)
{
    return PANEL * (terms_of(margin) + margin->k) + margin->knot_count;
}

/* One row of the panel: zeros when a covariate is NaN. */
static void fill_row(const w_margin *margin, const double *x, double *out, double *logs)
{
    for (int c = 0; c < margin->covariates; c++) {
        if (isnan(x[c])) {
            memset(out, 0, (size_t)terms_of(margin) * sizeof *out);
            return;
        }
    }
    w_joint_kernel(margin, x, out, logs);
    w_joint_monomials(margin, x, out + margin->knot_count);
}

void w_joint_eval(const w_margin *margin, const double *const *x, int64_t rows, double *value, double *scratch)
{
    const double one = 1, zero = 0;
    int64_t terms = terms_of(margin), k = margin->k;
    double *panel = scratch, *product = panel + PANEL * terms, *logs = product + PANEL * k;
    w_blas_int columns = w_narrow(k), inner = w_narrow(terms), height = PANEL;
    W_BLAS_SERIAL;
    for (int64_t start = 0; start < rows; start += PANEL) {
        int64_t count = w_min64(PANEL, rows - start);
        for (int64_t i = 0; i < count; i++) {
            double point[W_MAX_MARGINS];
            for (int c = 0; c < margin->covariates; c++)
                point[c] = x[c][start + i];
            fill_row(margin, point, panel + i * terms, logs);
        }
        memset(panel + count * terms, 0, (size_t)((PANEL - count) * terms) * sizeof *panel);
        dgemm_("N", "N", &columns, &height, &inner, &one, margin->weight, &columns, panel, &inner, &zero, product,
               &columns);
        memcpy(value + start * k, product, (size_t)(count * k) * sizeof *product);
    }
}

static bool all_finite(int64_t n, const double *x)
{
    bool finite = true;
    for (int64_t i = 0; i < n; i++)
        finite = finite && isfinite(x[i]);
    return finite;
}

weir_status w_joint_restore(w_arena *arena, w_basis_kind kind, int covariates, int order, int64_t k, int64_t knot_count,
                            const double *knot, const double *centre, const double *weight, w_margin *out)
{
    w_margin margin = {.kind = kind, .covariates = covariates, .order = order, .k = k, .knot_count = knot_count};
    int64_t terms = terms_of(&margin);
    size_t knots = w_mul_size((size_t)knot_count, (size_t)covariates), weights = w_mul_size((size_t)terms, (size_t)k);
    margin.knot = w_arena_alloc(arena, knots, sizeof *knot);
    margin.weight = w_arena_alloc(arena, weights, sizeof *weight);
    if (!margin.knot || !margin.weight)
        return w_alloc_status(arena->ctx);
    if (!all_finite((int64_t)knots, knot) || !all_finite(covariates, centre) || !all_finite((int64_t)weights, weight))
        return w_fail(arena->ctx, WEIR_E_MODEL, "a smooth of several covariates has a number that is not finite");
    memcpy(margin.knot, knot, knots * sizeof *knot);
    memcpy(margin.weight, weight, weights * sizeof *weight);
    memcpy(margin.centre, centre, (size_t)covariates * sizeof *centre);
    weir_status status = w_joint_finish(arena, &margin);
    if (!status)
        *out = margin;
    return status;
}
