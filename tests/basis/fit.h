/* SPDX-License-Identifier: Apache-2.0 */
/* A penalised least-squares fit of one smooth and an intercept by QR of the augmented matrix: the plainest
 * there is. */
#ifndef WEIR_TESTS_BASIS_FIT_H
#define WEIR_TESTS_BASIS_FIT_H

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/blas.h"
#include "basis/basis.h"
#include "support/test.h"

/* Rows of square roots of sp S (column-major into a with leading dimension lda, columns 1 …): eigenvectors
 * times roots. */
static inline void fit_root(int64_t k, const double *s, double sp, double *a, int64_t lda)
{
    w_blas_int n = (w_blas_int)k, info, length = (w_blas_int)(1 + 6 * k + 2 * k * k),
               integers = (w_blas_int)(3 + 5 * k);
    double *v = malloc(sizeof(double) * (size_t)(k * k + k + length)), *w = v + k * k, *space = w + k;
    w_blas_int *integer = malloc(sizeof(w_blas_int) * (size_t)integers);
    memcpy(v, s, sizeof(double) * (size_t)(k * k));
    dsyevd_("V", "L", &n, v, &n, w, space, &length, integer, &integers, &info);
    assert_int_equal(info, 0);
    for (int64_t r = 0; r < k; r++) {
        for (int64_t j = 0; j < k; j++)
            a[r + (j + 1) * lda] = w[r] > 0 ? sqrt(sp * w[r]) * v[r * k + j] : 0;
    }
    free(v);
    free(integer);
}

/* beta: 1 + columns coefficients. x: rows x columns row-major. Returns the restricted likelihood criterion
 *     V = ((n - M)(1 + log(2 pi q/(n - M))) + log|H| - log|S|_+)/2,
 * q the penalised residual sum of squares, M unpenalised coefficients, H = X'X + S, the scale q/(n - M) profiled. */
static inline double fit_smooth(const w_smooth *smooth, const double *sp, int64_t rows, const double *x,
                              const double *y, double *beta)
{
    int64_t k = smooth->columns, total = rows + k * smooth->penalty_count, p = k + 1;
    double *a = calloc((size_t)(total * p), sizeof *a), *f = calloc((size_t)total, sizeof *f);
    double *tau = malloc(sizeof *tau * (size_t)p);
    w_blas_int m = (w_blas_int)total, n = (w_blas_int)p, one = 1, info, length = (w_blas_int)(64 * p);
    double *space = malloc(sizeof *space * (size_t)length);
    for (int64_t i = 0; i < rows; i++) {
        a[i] = 1;
        f[i] = y[i];
        for (int64_t j = 0; j < k; j++)
            a[i + (j + 1) * total] = x[i * k + j];
    }
    for (int q = 0; q < smooth->penalty_count; q++)
        fit_root(k, smooth->penalty[q].matrix, sp[q], a + rows + q * k, total);
    dgeqrf_(&m, &n, a, &m, tau, space, &length, &info);
    dormqr_("L", "T", &m, &one, &n, a, &m, tau, f, &m, space, &length, &info);
    dtrtrs_("U", "N", "N", &n, &one, a, &m, f, &m, &info);
    assert_int_equal(info, 0);
    memcpy(beta, f, sizeof *beta * (size_t)p);
    double q = 0, log_h = 0, log_s, rho[W_MAX_PENALTIES], free_rows = (double)(rows - 1 - smooth->null_dimension);
    for (int64_t i = p; i < total; i++)
        q += f[i] * f[i];
    for (int64_t j = 0; j < p; j++)
        log_h += 2 * log(fabs(a[j + j * total]));
    for (int j = 0; j < smooth->penalty_count; j++)
        rho[j] = log(sp[j]);
    w_smooth_logdet(smooth, rho, &log_s, NULL, NULL);
    free(a);
    free(f);
    free(tau);
    free(space);
    return (free_rows * (1 + log(8 * atan(1) * q / free_rows)) + log_h - log_s) / 2;
}

static inline double fit_value(int64_t k, const double *row, const double *beta)
{
    double sum = beta[0];
    for (int64_t j = 0; j < k; j++)
        sum += row[j] * beta[j + 1];
    return sum;
}

#endif
