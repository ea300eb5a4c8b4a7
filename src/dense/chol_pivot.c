/* SPDX-License-Identifier: Apache-2.0 */
/* Cholesky with diagonal pivoting, blocked: P'AP = R'R.
 *
 * Within a block of W_PIVOT_BLOCK rows the remaining diagonal is kept as  d_j = a_jj - sum_i r_ij^2  over the block's rows,
 * the pivot is its largest entry (the lowest column among equals), and row i of R needs only the block's earlier rows:
 *     r_ij = (a_ij - sum_{m in block, m < i} r_mi r_mj) / r_ii.
 * After the block the trailing matrix is updated by a rank-b SYRK. Stops when the largest d_j <= tolerance: the rank.
 * Reference: Hammarling, Higham & Lucas (2007), LAPACK-style pivoted Cholesky. */
#include "dense/dense.h"

#include <math.h>

#include "base/blas.h"
#include "base/size.h"

#define W_PIVOT_BLOCK 48

static void swap_doubles(double *a, double *b)
{
    const double t = *a;
    *a = *b;
    *b = t;
}

/* Exchanges rows and columns i < q of the upper triangle. */
static void swap_symmetric(int64_t n, double *a, int64_t i, int64_t q)
{
    swap_doubles(&a[i + i * n], &a[q + q * n]);
    for (int64_t r = 0; r < i; r++) {
        swap_doubles(&a[r + i * n], &a[r + q * n]);
    }
    for (int64_t m = i + 1; m < q; m++) {
        swap_doubles(&a[i + m * n], &a[m + q * n]);
    }
    for (int64_t c = q + 1; c < n; c++) {
        swap_doubles(&a[i + c * n], &a[q + c * n]);
    }
}

static void pivot_row(int64_t n, double *a, int64_t block, int64_t i, double pivot)
{
    const double root = sqrt(pivot);
    a[i + i * n] = root;
    for (int64_t j = i + 1; j < n; j++) {
        double sum = a[i + j * n];
        for (int64_t m = block; m < i; m++) {
            sum -= a[m + i * n] * a[m + j * n];
        }
        a[i + j * n] = sum / root;
    }
}

static void clear_rest(int64_t n, double *a, int64_t rank)
{
    for (int64_t c = rank; c < n; c++) {
        for (int64_t r = rank; r <= c; r++) {
            a[r + c * n] = 0.0;
        }
    }
}

int64_t w_chol_pivot(int64_t n, double *a, int64_t *pivot, double tolerance, double *work)
{
    W_BLAS_SERIAL;
    double *square = work; /* sum of the squares of the block's rows, per column */
    for (int64_t i = 0; i < n; i++) {
        pivot[i] = i;
    }
    for (int64_t block = 0; block < n; block += W_PIVOT_BLOCK) {
        const int64_t end = w_min64(n, block + W_PIVOT_BLOCK);
        for (int64_t j = block; j < n; j++) {
            square[j] = 0.0;
        }
        for (int64_t i = block; i < end; i++) {
            int64_t best = i;
            double largest = -INFINITY;
            for (int64_t j = i; j < n; j++) {
                if (i > block) {
                    square[j] += a[i - 1 + j * n] * a[i - 1 + j * n];
                }
                const double rest = a[j + j * n] - square[j];
                if (rest > largest) {
                    largest = rest;
                    best = j;
                }
            }
            if (!(largest > tolerance)) {
                clear_rest(n, a, i);
                return i;
            }
            if (best != i) {
                swap_symmetric(n, a, i, best);
                swap_doubles(&square[i], &square[best]);
                const int64_t column = pivot[i];
                pivot[i] = pivot[best];
                pivot[best] = column;
            }
            pivot_row(n, a, block, i, largest);
        }
        if (end < n) {
            const double minus = -1.0, one = 1.0;
            w_blas_int rest = (w_blas_int)(n - end), depth = (w_blas_int)(end - block), ld = (w_blas_int)n;
            dsyrk_("U", "T", &rest, &depth, &minus, a + block + end * n, &ld, &one, a + end + end * n, &ld);
        }
    }
    return n;
}
