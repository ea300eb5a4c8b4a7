/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of X, weights and responses, packed for BLAS. */
#include <math.h>
#include <string.h>

#include "solve/route.h"

static double value_at(const weir_linear_matrix *x, int64_t place)
{
    return x->float32 ? (double)((const float *)x->values)[place] : ((const double *)x->values)[place];
}

static double factor_of(const w_linear *q, int64_t row, bool root)
{
    return root && q->s->weights ? sqrt(q->s->weights[row]) : 1.0;
}

/* One row into out[j * step], j = 0 … columns - 1. */
static void spread(const w_linear *q, int64_t row, int64_t first, int64_t columns, double factor, double *out, int64_t step)
{
    const weir_linear_matrix *x = &q->s->x;
    if (x->kind == WEIR_MATRIX_CSR) {
        for (int64_t j = 0; j < columns; j++) {
            out[j * step] = 0.0;
        }
        for (int64_t e = x->row_first[row]; e < x->row_first[row + 1]; e++) {
            const int64_t j = x->column[e] - first;
            if (j >= 0 && j < columns) {
                out[j * step] += factor * value_at(x, e);
            }
        }
        return;
    }
    const int64_t start = row * x->row_stride + first * x->column_stride, across = x->column_stride;
    if (x->float32) {
        const float *from = (const float *)x->values + start;
        for (int64_t j = 0; j < columns; j++) {
            out[j * step] = factor * (double)from[j * across];
        }
    } else {
        const double *from = (const double *)x->values + start;
        for (int64_t j = 0; j < columns; j++) {
            out[j * step] = factor * from[j * across];
        }
    }
}

const double *w_rows_tile(const w_linear *q, int64_t first, int64_t count, bool root, double *buffer, int64_t *lead)
{
    const weir_linear_matrix *x = &q->s->x;
    if (q->shape.rows_contiguous && !(root && q->s->weights)) {
        *lead = x->row_stride;
        return (const double *)x->values + first * x->row_stride;
    }
    *lead = q->p;
    for (int64_t i = 0; i < count; i++) {
        spread(q, first + i, 0, q->p, factor_of(q, first + i, root), buffer + i * q->p, 1);
    }
    return buffer;
}

void w_rows_response(const w_linear *q, int64_t first, int64_t count, bool root, double *out, int64_t lead)
{
    for (int64_t k = 0; k < q->m; k++) {
        const double *y = q->s->y + k * q->n + first;
        for (int64_t i = 0; i < count; i++) {
            const double w = q->s->weights ? q->s->weights[first + i] : 1.0;
            out[k * lead + i] = y[i] * (root ? sqrt(w) : w);
        }
    }
}

void w_rows_columns(const w_linear *q, int64_t row, int64_t count, int64_t first, int64_t columns, double *out, int64_t lead)
{
    for (int64_t i = 0; i < count; i++) {
        spread(q, row + i, first, columns, factor_of(q, row + i, true), out + i, lead);
    }
}

/* Column of the row's first value that is not finite; -1: none. */
static int64_t bad_column(const w_linear *q, int64_t row)
{
    const weir_linear_matrix *x = &q->s->x;
    if (x->kind == WEIR_MATRIX_CSR) {
        for (int64_t e = x->row_first[row]; e < x->row_first[row + 1]; e++) {
            if (!isfinite(value_at(x, e))) {
                return x->column[e];
            }
        }
        return -1;
    }
    for (int64_t j = 0; j < q->p && x->kind == WEIR_MATRIX_DENSE; j++) {
        if (!isfinite(value_at(x, row * x->row_stride + j * x->column_stride))) {
            return j;
        }
    }
    return -1;
}

bool w_rows_refuse_bad(const w_linear *q, int64_t group, int32_t route)
{
    for (int64_t i = w_linear_first(q, group); i < w_linear_first(q, group + 1); i++) {
        const int64_t column = bad_column(q, i);
        if (column >= 0) {
            w_linear_refuse(q, group, route, WEIR_E_DATA, "X is not finite in row %lld, column %lld", (long long)i,
                            (long long)column);
            return true;
        }
        for (int64_t k = 0; k < q->m; k++) {
            if (!isfinite(q->s->y[k * q->n + i])) {
                w_linear_refuse(q, group, route, WEIR_E_DATA, "Y is not finite in row %lld, column %lld", (long long)i,
                                (long long)k);
                return true;
            }
        }
    }
    return false;
}
