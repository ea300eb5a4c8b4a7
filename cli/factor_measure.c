/* SPDX-License-Identifier: Apache-2.0 */
/* Sums in double: rows of products are gathered in a buffer, four inner steps at a time. */
#include "factor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double get(const weir_matrix *a, int64_t i, int64_t j)
{
    const int64_t at = i * a->row_stride + j * a->col_stride;
    return a->dtype == WEIR_F32 ? (double)((const float *)a->data)[at] : ((const double *)a->data)[at];
}

/* A row-major copy in double; NULL when there is no memory. */
static double *rows_of(const weir_matrix *a, bool turned)
{
    const int64_t rows = turned ? a->cols : a->rows, cols = turned ? a->rows : a->cols;
    double *out = calloc((size_t)(rows * cols + 1), sizeof *out);
    for (int64_t i = 0; out && i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            out[i * cols + j] = turned ? get(a, j, i) : get(a, i, j);
    return out;
}

/* row (n) -= sum_k left[k] right[k n …]. */
static void take_row(int64_t depth, int64_t n, const double *left, const double *right, double *row)
{
    int64_t k = 0;
    for (; k + 4 <= depth; k += 4) {
        const double *r = right + k * n, a = left[k], b = left[k + 1], c = left[k + 2], d = left[k + 3];
        for (int64_t j = 0; j < n; j++)
            row[j] -= (a * r[j] + b * r[n + j]) + (c * r[2 * n + j] + d * r[3 * n + j]);
    }
    for (; k < depth; k++)
        for (int64_t j = 0; j < n; j++)
            row[j] -= left[k] * right[k * n + j];
}

static double norm_of(int64_t n, const double *x, double norm)
{
    double largest = 0, sum = 0;
    for (int64_t j = 0; j < n; j++)
        largest = fabs(x[j]) > largest || isnan(x[j]) ? fabs(x[j]) : largest;
    if (!(largest > 0) || !isfinite(largest))
        return largest > 0 || isnan(largest) ? largest : norm;
    for (int64_t j = 0; j < n; j++)
        sum += x[j] / largest * (x[j] / largest);
    return hypot(norm, largest * sqrt(sum));
}

/* ||target - left right||_F; target rows x n, left rows x depth, right depth x n, all by rows. */
static double distance(int64_t rows, int64_t n, int64_t depth, const double *target, const double *left, const double *right, double *row)
{
    double norm = 0;
    for (int64_t i = 0; i < rows; i++) {
        memcpy(row, target + i * n, (size_t)n * sizeof *row);
        take_row(depth, n, left + i * depth, right, row);
        norm = norm_of(n, row, norm);
    }
    return norm;
}

/* ||I - Q'Q||_F. */
static double loss_of_orthogonality(const weir_matrix *q)
{
    const int64_t k = q->cols;
    double *rows = rows_of(q, false), *gram = calloc((size_t)(k * k + 1), sizeof *gram), norm = 0;
    for (int64_t i = 0; rows && gram && i < k; i++)
        gram[i * (k + 1)] = 1;
    for (int64_t h = 0; rows && gram && h < q->rows; h++)
        for (int64_t i = 0; i < k; i++)
            take_row(1, k, rows + h * k + i, rows + h * k, gram + i * k);
    for (int64_t i = 0; rows && gram && i < k; i++)
        norm = norm_of(k, gram + i * k, norm);
    norm = rows && gram ? norm : NAN;
    free(rows);
    free(gram);
    return norm;
}

static void fill_lower(int64_t n, double *a)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++)
            a[i * n + j] = a[j * n + i];
}

static void exchange_rows(int64_t m, int64_t n, const int64_t *order, const double *from, double *to)
{
    for (int64_t i = 0; i < m; i++)
        memcpy(to + i * n, from + order[i] * n, (size_t)n * sizeof *to);
}

/* ||A - left right||_F / ||A||_F: Q R, L L', P A by L U, V diag(values) V'. */
static double residual_of(const factoring *f, int64_t b)
{
    const weir_matrix a = factor_view(&f->a, b), first = factor_view(&f->first, b);
    const int64_t m = f->m, n = f->n, k = f->kind == FACTOR_QR || f->kind == FACTOR_LU ? f->k : n;
    double *target = rows_of(&a, false), *left = rows_of(&first, false), *right = NULL, *row = calloc((size_t)(n + 1), sizeof *row);
    double norm = 0, result = NAN;
    if (f->kind == FACTOR_CHOL || f->kind == FACTOR_EIGH) {
        right = rows_of(&first, true);
        if (target)
            fill_lower(n, target);
    } else {
        const weir_matrix second = factor_view(&f->second, b);
        right = rows_of(&second, false);
    }
    if (f->kind == FACTOR_LU && target) {
        double *sorted = calloc((size_t)(m * n + 1), sizeof *sorted);
        if (sorted)
            exchange_rows(m, n, (const int64_t *)f->permutation.data + b * m, target, sorted);
        free(target);
        target = sorted;
    }
    for (int64_t i = 0; left && f->kind == FACTOR_EIGH && i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            const int64_t at = b * n + j;
            left[i * n + j] *= f->second.type == NPY_F32 ? (double)((const float *)f->second.data)[at] : ((const double *)f->second.data)[at];
        }
    if (target && left && right && row) {
        for (int64_t i = 0; i < m; i++)
            norm = norm_of(n, target + i * n, norm);
        result = distance(m, n, k, target, left, right, row);
        result = result > 0 ? result / norm : result;
    }
    free(row);
    free(right);
    free(left);
    free(target);
    return result;
}

static double worse(double a, double b) { return isnan(a) || a > b ? a : b; }

void factor_measure(factoring *f)
{
    f->residual = 0;
    f->orthogonality = f->kind == FACTOR_QR || f->kind == FACTOR_EIGH ? 0 : NAN;
    for (int64_t b = 0; b < f->count; b++) {
        f->residual = worse(residual_of(f, b), f->residual);
        if (!isnan(f->orthogonality)) {
            const weir_matrix q = factor_view(&f->first, b);
            f->orthogonality = worse(loss_of_orthogonality(&q), f->orthogonality);
        }
    }
}
