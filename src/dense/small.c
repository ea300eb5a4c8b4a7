/* SPDX-License-Identifier: Apache-2.0 */
/* Cholesky of the k x k blocks of an arrow matrix, k small: plain loops, no BLAS call overhead. A column whose pivot falls
 * to tolerance * a_ii depends on the earlier ones and is dropped. */
#include "dense/dense.h"

#include <math.h>

int64_t w_small_chol(int64_t k, const double *a, double tolerance, double *r, double *log_det)
{
    int64_t kept = 0;
    for (int64_t j = 0; j < k; j++) {
        const double diagonal = a[j + j * k];
        double rest = diagonal;
        for (int64_t i = 0; i < j; i++) {
            double sum = a[i + j * k];
            for (int64_t m = 0; m < i; m++) {
                sum -= r[m + i * k] * r[m + j * k];
            }
            r[i + j * k] = r[i + i * k] > 0.0 ? sum / r[i + i * k] : 0.0;
            rest -= r[i + j * k] * r[i + j * k];
        }
        for (int64_t i = j + 1; i < k; i++) {
            r[i + j * k] = 0.0;
        }
        if (rest > tolerance * diagonal && rest > 0.0) {
            r[j + j * k] = sqrt(rest);
            *log_det += log(rest);
            kept++;
        } else {
            for (int64_t i = 0; i <= j; i++) {
                r[i + j * k] = 0.0;
            }
        }
    }
    return kept;
}

void w_small_inverse(int64_t k, const double *r, double *out)
{
    for (int64_t c = 0; c < k; c++) {
        double *x = out + c * k;
        for (int64_t i = 0; i < k; i++) {
            double sum = i == c ? 1.0 : 0.0;
            for (int64_t m = 0; m < i; m++) {
                sum -= r[m + i * k] * x[m];
            }
            x[i] = r[i + i * k] > 0.0 ? sum / r[i + i * k] : 0.0;
        }
        for (int64_t i = k - 1; i >= 0; i--) {
            double sum = x[i];
            for (int64_t m = i + 1; m < k; m++) {
                sum -= r[i + m * k] * x[m];
            }
            x[i] = r[i + i * k] > 0.0 ? sum / r[i + i * k] : 0.0;
        }
    }
}
