/* SPDX-License-Identifier: Apache-2.0 */
#include "support/orthogonal.h"

#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

#define THRESHOLD 4.0 /* LAPACK's is 30 */

int test_size_of(weir_dtype dtype) { return dtype == WEIR_F32 ? 4 : 8; }
double test_epsilon(weir_dtype dtype) { return dtype == WEIR_F32 ? (double)FLT_EPSILON : DBL_EPSILON; }

double test_get(const weir_matrix *a, int64_t i, int64_t j)
{
    const int64_t at = i * a->row_stride + j * a->col_stride;
    return a->dtype == WEIR_F32 ? (double)((const float *)a->data)[at] : ((const double *)a->data)[at];
}

void test_put(const weir_matrix *a, int64_t i, int64_t j, double value)
{
    const int64_t at = i * a->row_stride + j * a->col_stride;
    if (a->dtype == WEIR_F32) {
        ((float *)a->data)[at] = (float)value;
    } else {
        ((double *)a->data)[at] = value;
    }
}

double test_vector_at(weir_dtype dtype, const void *x, int64_t i)
{
    return dtype == WEIR_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

/* Between the elements of GAPS lies a value that must stay. */
matrix test_matrix(weir_dtype dtype, int64_t rows, int64_t cols, int layout)
{
    matrix m = {.elements = 3 * (rows + 1) * (cols + 1) + 7};
    m.block = malloc((size_t)(m.elements * 8));
    m.view = (weir_matrix){m.block, dtype, rows, cols, 1, rows > 0 ? rows : 1};
    if (layout == ROWS) {
        m.view.row_stride = cols + 2;
        m.view.col_stride = 1;
    } else if (layout == GAPS) {
        m.view.row_stride = 3;
        m.view.col_stride = 3 * rows + 1;
    } else if (layout == BACKWARD) {
        m.view.row_stride = -1;
        m.view.col_stride = rows + 1;
        m.view.data = m.block + (rows > 0 ? rows - 1 : 0) * test_size_of(dtype);
    }
    weir_matrix all = {m.block, dtype, m.elements, 1, 1, 1};
    for (int64_t i = 0; i < m.elements; i++) {
        test_put(&all, i, 0, POISON);
    }
    return m;
}

void test_fill(const matrix *m, double value)
{
    for (int64_t j = 0; j < m->view.cols; j++) {
        for (int64_t i = 0; i < m->view.rows; i++) {
            test_put(&m->view, i, j, value);
        }
    }
}

bool test_gaps_are_whole(const matrix *m)
{
    char *seen = calloc((size_t)m->elements, 1);
    const weir_matrix *a = &m->view, all = {m->block, a->dtype, m->elements, 1, 1, 1};
    const int64_t origin = ((char *)a->data - m->block) / test_size_of(a->dtype);
    bool whole = true;
    for (int64_t j = 0; j < a->cols; j++) {
        for (int64_t i = 0; i < a->rows; i++) {
            seen[origin + i * a->row_stride + j * a->col_stride] = 1;
        }
    }
    for (int64_t i = 0; i < m->elements; i++) {
        whole = whole && (seen[i] || test_get(&all, i, 0) == POISON);
    }
    free(seen);
    return whole;
}

void test_copy(const weir_matrix *from, const weir_matrix *to)
{
    for (int64_t j = 0; j < from->cols; j++) {
        for (int64_t i = 0; i < from->rows; i++) {
            test_put(to, i, j, test_get(from, i, j));
        }
    }
}

/* ---- measures ------------------------------------------------------------------------------------------------------ */

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t lesser(int64_t a, int64_t b) { return a < b ? a : b; }

/* Largest of ||a_j - (QR)_j||_1 / (max(m, n) eps ||a_j||_1) over the columns; not a number where one is not. */
double test_backward_error(const weir_matrix *a, const weir_matrix *q, const weir_matrix *r)
{
    double worst = 0.0;
    for (int64_t j = 0; j < a->cols; j++) {
        long double error = 0.0L, size = 0.0L;
        for (int64_t i = 0; i < a->rows; i++) {
            long double sum = test_get(a, i, j);
            size += fabsl(sum);
            for (int64_t k = 0; k <= lesser(j, r->rows - 1); k++) {
                sum -= (long double)test_get(q, i, k) * test_get(r, k, j);
            }
            error += fabsl(sum);
        }
        const double ratio =
            error == 0.0L ? 0.0
                          : (double)(error / size) / ((double)larger(a->rows, a->cols) * test_epsilon(a->dtype));
        worst = !(ratio <= worst) ? ratio : worst;
    }
    return worst;
}

double test_orthogonality(const weir_matrix *q)
{
    double worst = 0.0;
    for (int64_t j = 0; j < q->cols; j++) {
        long double sum = 0.0L;
        for (int64_t k = 0; k < q->cols; k++) {
            long double dot = k == j ? -1.0L : 0.0L;
            for (int64_t i = 0; i < q->rows; i++) {
                dot += (long double)test_get(q, i, j) * test_get(q, i, k);
            }
            sum += fabsl(dot);
        }
        const double ratio = (double)sum / ((double)q->rows * test_epsilon(q->dtype));
        worst = !(ratio <= worst) ? ratio : worst;
    }
    return worst;
}

void test_expect(double ratio, const char *what, const weir_matrix *a)
{
    if (!(ratio <= THRESHOLD)) {
        fail_msg("%s of %lld x %lld in %s: %g", what, (long long)a->rows, (long long)a->cols,
                 a->dtype == WEIR_F32 ? "float32" : "float64", ratio);
    }
}

/* ---- matrices ------------------------------------------------------------------------------------------------------ */

static double element(int kind, int64_t i, int64_t j, int64_t m, int64_t n, w_rng *rng)
{
    const double x = w_rng_normal(rng);
    switch (kind) {
    case GRADED_ROWS: return x * pow(10.0, -12.0 * (double)i / (double)larger(m, 1));
    case GRADED_COLUMNS: return x * pow(10.0, (j % 2 ? -25.0 : 5.0) * (double)j / (double)larger(n, 1));
    case DEFICIENT: return 2 * j < n ? x : 0.0;
    case KAHAN: return i > j ? 0.0 : pow(0.9, (double)i) * (i == j ? 1.0 : -0.43588989435406735);
    case HILBERT: return 1.0 / (double)(i + j + 1);
    case VANDERMONDE: return pow((double)(i + 1) / (double)m, (double)j);
    case COLLINEAR: return (double)(i % 7) - 3.0 + 1e-4 * x;
    case ZERO: return 0.0;
    case ZERO_COLUMNS: return j == 0 || j == n / 2 || j == n - 1 ? 0.0 : x;
    case IDENTITY: return i == j ? 1.0 : 0.0;
    case TRIANGULAR: return i <= j ? x : 0.0;
    case SINGLE: return i == m / 2 && j == n / 2 ? x : 0.0;
    default: return x;
    }
}

void test_generate(int kind, const weir_matrix *a, uint64_t seed)
{
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int64_t j = 0; j < a->cols; j++) {
        for (int64_t i = 0; i < a->rows; i++) {
            test_put(a, i, j, element(kind, i, j, a->rows, a->cols, &rng));
        }
    }
    for (int64_t j = 1; kind == REPEATED && j < a->cols; j += 2) {
        for (int64_t i = 0; i < a->rows; i++) {
            test_put(a, i, j, test_get(a, i, j - 1));
        }
    }
}
