/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix of one working model under the gradient of another. */
#include <string.h>

#include "normal/normal.h"

static double dot(int64_t n, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

void w_gram_times(const w_gram *gram, const double *x, double *out)
{
    const int64_t core = gram->core, k = gram->arrow_k, rows = gram->arrow_levels * k;
    memset(out, 0, (size_t)gram->p * sizeof *out);
    for (int64_t i = 0; i < core; i++) {
        double sum = 0;
        for (int64_t j = 0; j < core; j++) {
            sum += gram->matrix[i * core + j] * x[gram->core_column[j]];
        }
        out[gram->core_column[i]] = sum;
    }
    for (int64_t r = 0; r < rows; r++) {
        const double *border = gram->arrow_border + r * core, own = x[gram->arrow_first + r];
        double sum = dot(k, gram->arrow_diag + r * k, x + gram->arrow_first + r / k * k);
        for (int64_t j = 0; j < core; j++) {
            sum += border[j] * x[gram->core_column[j]];
            out[gram->core_column[j]] += border[j] * own;
        }
        out[gram->arrow_first + r] = sum;
    }
}

static void scale(double factor, int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] *= factor;
    }
}

void w_gram_scale(w_gram *gram, double factor)
{
    const int64_t rows = gram->arrow_levels * gram->arrow_k;
    scale(factor, gram->core * gram->core, gram->matrix);
    scale(factor, rows * gram->arrow_k, gram->arrow_diag);
    scale(factor, rows * gram->core, gram->arrow_border);
}

void w_gram_relinearise(w_gram *gram, const w_gram *linear, const double *beta, double *work)
{
    const int64_t rows = gram->arrow_levels * gram->arrow_k;
    w_gram_times(gram, beta, work);
    gram->zz = linear->zz + dot(gram->p, beta, work);
    for (int64_t i = 0; i < gram->core; i++) {
        const int64_t c = gram->core_column[i];
        gram->zz += 2 * beta[c] * linear->rhs[i];
        gram->rhs[i] = work[c] + linear->rhs[i];
    }
    for (int64_t r = 0; r < rows; r++) {
        const int64_t c = gram->arrow_first + r;
        gram->zz += 2 * beta[c] * linear->arrow_rhs[r];
        gram->arrow_rhs[r] = work[c] + linear->arrow_rhs[r];
    }
    gram->weight_sum = linear->weight_sum;
    gram->weight_z_sum = linear->weight_z_sum + dot(gram->p, beta, linear->column_sum);
    gram->log_weight_sum = linear->log_weight_sum;
    gram->n = linear->n;
    memcpy(gram->column_sum, linear->column_sum, (size_t)gram->p * sizeof *gram->column_sum);
    memcpy(gram->extra, linear->extra, (size_t)gram->extra_count * sizeof *gram->extra);
}
