/* SPDX-License-Identifier: Apache-2.0 */
/* Dense algebra on matrices of a few to a few hundred rows, for the set-up of a smooth.
 *
 * Null basis. With v = c + sign(c_a)|c| e_a for an axis a, the reflection H = I - 2vv'/v'v maps c to
 * -sign(c_a)|c| e_a, so that the other columns of H are orthonormal and orthogonal to c. For a = 1 this is the
 * Q of a QR factorization of c. */
#include <math.h>
#include "base/blas.h"
#include "base/size.h"
#include "basis/parts.h"

static weir_status eigen_workspace(w_arena *work, const char *job, w_blas_int n, double *a, double *value)
{
    double size;
    w_blas_int integer_size, query = -1, info;
    dsyevd_(job, "L", &n, a, &n, value, &size, &query, &integer_size, &query, &info);
    if (info)
        return w_fail(work->ctx, WEIR_E_INTERNAL, "eigenvalues: workspace query failed (%d)", (int)info);
    w_blas_int length = (w_blas_int)size;
    double *space = w_arena_alloc(work, (size_t)length, sizeof *space);
    w_blas_int *integers = w_arena_alloc(work, (size_t)integer_size, sizeof *integers);
    if (!space || !integers)
        return w_alloc_status(work->ctx);
    dsyevd_(job, "L", &n, a, &n, value, space, &length, integers, &integer_size, &info);
    if (info)
        return w_fail(work->ctx, WEIR_E_NUMERIC, "eigenvalues of a %d x %d penalty did not converge", (int)n,
                      (int)n);
    return WEIR_OK;
}

static weir_status solve_eigen(w_arena *work, const char *job, int64_t n, double *a, double *value)
{
    w_blas_int order = w_narrow(n);
    if (order < 0)
        return w_fail(work->ctx, WEIR_E_ARG, "a penalty of order %lld is too large", (long long)n);
    if (order == 0)
        return WEIR_OK;
    W_BLAS_SERIAL;
    return eigen_workspace(work, job, order, a, value);
}

weir_status w_small_eigen(w_arena *work, int64_t n, double *a, double *value)
{
    return solve_eigen(work, "V", n, a, value);
}

weir_status w_small_eigenvalues(w_arena *work, int64_t n, double *a, double *value)
{
    return solve_eigen(work, "N", n, a, value);
}

weir_status w_small_multiply(weir_ctx *ctx, int64_t m, int64_t n, int64_t q, const double *a, const double *b,
                             double *out)
{
    const double one = 1, zero = 0;
    w_blas_int rows = w_narrow(m), inner = w_narrow(n), cols = w_narrow(q);
    if (rows < 0 || inner < 0 || cols < 0)
        return w_fail(ctx, WEIR_E_ARG, "a basis of %lld rows is too large", (long long)(m > q ? m : q));
    if (rows == 0 || cols == 0)
        return WEIR_OK;
    if (inner == 0) {
        for (int64_t i = 0; i < m * q; i++)
            out[i] = 0;
        return WEIR_OK;
    }
    W_BLAS_SERIAL;
    dgemm_("N", "N", &cols, &rows, &inner, &one, b, &cols, a, &inner, &zero, out, &cols);
    return WEIR_OK;
}

weir_status w_small_congruence(w_arena *work, int64_t n, int64_t q, const double *t, const double *s, double *out)
{
    const double one = 1, zero = 0;
    double *product = w_arena_alloc(work, w_mul_size((size_t)n, (size_t)q), sizeof *product);
    if (!product)
        return w_alloc_status(work->ctx);
    weir_status status = w_small_multiply(work->ctx, n, n, q, s, t, product);
    if (status)
        return status;
    w_blas_int rows = w_narrow(n), cols = w_narrow(q);
    if (rows > 0 && cols > 0) {
        W_BLAS_SERIAL;
        dgemm_("N", "T", &cols, &cols, &rows, &one, product, &cols, t, &cols, &zero, out, &cols);
    }
    for (int64_t i = 0; i < q; i++) {
        for (int64_t j = 0; j < i; j++)
            out[i * q + j] = out[j * q + i] = 0.5 * (out[i * q + j] + out[j * q + i]);
    }
    return WEIR_OK;
}

void w_small_null_basis(int64_t n, const double *c, bool last, double *z)
{
    double largest = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(c[i]));
    double unit = largest > 0 ? 1 / largest : 0;
    for (int64_t i = 0; i < n; i++)
        squares += (c[i] * unit) * (c[i] * unit);
    int64_t axis = last ? n - 1 : 0;
    double norm = sqrt(squares), first = c[axis] * unit;
    double head = first + (first < 0 ? -norm : norm);
    double factor = norm > 0 ? 1 / (norm * fabs(head)) : 0; /* 2 / v'v */
    for (int64_t i = 0; i < n; i++) {
        double v = i == axis ? head : c[i] * unit;
        for (int64_t j = 0; j < n - 1; j++) {
            int64_t column = last ? j : j + 1;
            z[i * (n - 1) + j] = (i == column ? 1.0 : 0.0) - factor * v * (c[column] * unit);
        }
    }
}

double w_small_norm1(int64_t n, const double *a)
{
    double norm = 0;
    for (int64_t j = 0; j < n; j++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += fabs(a[i * n + j]);
        norm = fmax(norm, sum);
    }
    return norm;
}
