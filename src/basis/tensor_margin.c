/* SPDX-License-Identifier: Apache-2.0 */
/* Coefficients of a tensor margin as function values.
 *
 * With X the margin's k x k design matrix at k equispaced points of the data's range, X = U diag(d) V', the new
 * coefficients are X b and R = V diag(1/d) U' maps them back: M_c <- M_c R, S <- R'SR. Left alone if d_k / d_1
 * < eps^0.66. The sizes of the marginal penalties become comparable that way (Wood 2006, Biometrics 62). */
#include <float.h>
#include <math.h>
#include "base/blas.h"
#include "base/size.h"
#include "basis/parts.h"

static weir_status rows_at_points(w_arena *work, const w_margin *margin, double lower, double upper, double *x)
{
    int64_t k = margin->k;
    double *point = w_arena_alloc(work, (size_t)k, sizeof *point),
           *value = w_arena_alloc(work, (size_t)k, 4 * sizeof *value);
    int32_t *cell = w_arena_alloc(work, (size_t)k, sizeof *cell);
    if (!point || !value || !cell)
        return w_alloc_status(work->ctx);
    for (int64_t i = 0; i < k; i++)
        point[i] = i == k - 1 ? upper : k > 1 ? lower + (double)i * ((upper - lower) / (double)(k - 1)) : lower;
    w_margin_eval(margin, point, k, cell, value);
    for (int64_t i = 0; i < k; i++) {
        const double *map = margin->map + cell[i] * 4 * k, *v = value + 4 * i;
        for (int64_t j = 0; j < k; j++)
            x[i * k + j] = v[0] * map[j] + v[1] * map[k + j] + v[2] * map[2 * k + j] + v[3] * map[3 * k + j];
    }
    return WEIR_OK;
}

weir_status w_margin_to_values(w_arena *arena, w_arena *work, const char *label, w_margin *margin, double lower,
                               double upper)
{
    int64_t k = margin->k;
    size_t square = w_mul_size((size_t)k, (size_t)k);
    w_blas_int order = w_narrow(k), length = w_narrow(k * (4 * k + 10) + 64), info;
    double *x = w_arena_alloc(work, square, sizeof *x), *u = w_arena_alloc(work, square, sizeof *u);
    double *v = w_arena_alloc(work, square, sizeof *v), *r = w_arena_alloc(work, square, sizeof *r);
    double *d = w_arena_alloc(work, (size_t)k, sizeof *d);
    double *space = w_arena_alloc(work, (size_t)(length > 0 ? length : 0), sizeof *space);
    w_blas_int *integers = w_arena_alloc(work, (size_t)k, 8 * sizeof *integers);
    if (!x || !u || !v || !r || !d || !space || !integers)
        return w_alloc_status(work->ctx);
    weir_status status = rows_at_points(work, margin, lower, upper, x);
    if (status)
        return status;
    W_BLAS_SERIAL;
    /* Row-major X is X' to LAPACK: X' = u diag(d) v, so that U = v' and V = u, column-major. */
    dgesdd_("A", &order, &order, x, &order, d, u, &order, v, &order, space, &length, integers, &info);
    if (info)
        return w_fail(work->ctx, WEIR_E_NUMERIC, "%s: a tensor margin could not be re-parameterised", label);
    if (d[k - 1] < pow(DBL_EPSILON, 0.66) * d[0])
        return WEIR_OK;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < k; j++) {
            double sum = 0;
            for (int64_t q = 0; q < k; q++)
                sum += u[q * k + i] * v[j * k + q] / d[q];
            r[i * k + j] = sum;
        }
    }
    return w_margin_transform(arena, work, margin, k, r);
}
