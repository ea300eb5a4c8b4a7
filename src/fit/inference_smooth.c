/* SPDX-License-Identifier: Apache-2.0 */
/* The p-value of a smooth term f = X_j beta_j with an unpenalised part.
 *
 * R'R = X_j'WX_j, V = phi R P_jj R' = U Lambda U', u = U'R beta_j. With r = min(edf1, k) = k' + nu, 0 <= nu < 1, the statistic
 * is that of a rank r pseudo-inverse whose last component is fractional:
 *     T = sum_{i<k'} u_i^2/l_i + q' D B D q,   q = (u_k', u_k'+1),  D = diag(l^-1/2),  B = [1 b; b nu],  b^2 = nu (1 - nu)/2,
 * for both signs of one entry of q (eigenvectors have no sign). Null distribution: sum of k'-1 chi2(1) and two more with
 * weights  v = ( (nu+1) +- sqrt((nu+1)(1-nu)) ) / 2;  its ratio to chi2(m)/m when the scale is estimated. The p-value is the mean
 * over the two signs, the statistic shown the mean T (over r when it is an F).
 * Reference: Wood (2013), Biometrika 100:221. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/dense.h"
#include "fit/inference.h"

double w_ratio_tail(weir_ctx *ctx, int64_t count, const double *weight, double statistic, double residual_df, double *scratch)
{
    double *weights = scratch, *df = scratch + count + 1;
    int64_t used = 0;
    for (int64_t i = 0; i < count; i++) { /* equal ones that stand together share their degrees of freedom */
        if (used > 0 && weights[used - 1] == weight[i]) {
            df[used - 1] += 1.0;
            continue;
        }
        weights[used] = weight[i];
        df[used++] = 1.0;
    }
    if (!(residual_df > 0.0)) {
        return w_chi_square_mixture_tail(ctx, (int)used, weights, df, statistic);
    }
    const double m = fmax(1.0, round(residual_df));
    if (!(statistic > 0.0)) {
        return 1.0;
    }
    weights[used] = -statistic / m;
    df[used] = m;
    return w_chi_square_mixture_tail(ctx, (int)used + 1, weights, df, 0.0);
}

typedef struct spectrum {
    int64_t k;
    double *value;  /* descending */
    double *image;  /* u */
} spectrum;

/* Eigenvalues of R V R' and u = U'R beta. work: 4 k^2 + 2k. */
static weir_status decompose(const weir_model *model, const w_gram *gram, const w_term *term, double *work, spectrum *out)
{
    const int64_t k = term->columns, square = k * k;
    double *block = work, *root = work + square, *covariance = work + 2 * square, *product = work + 3 * square;
    double *value = work + 4 * square, *image = value + k, log_det = 0.0;
    weir_status status = w_gram_block(gram, term->first, k, block);
    status = status < 0 ? status : w_covariance_block(model->covariance, term->first, k, term->first, k, covariance);
    if (status < 0) {
        return status;
    }
    w_small_chol(k, block, 32.0 * (double)k * DBL_EPSILON, root, &log_det);
    for (int64_t c = 0; c < k; c++) { /* product = R V (row r of R: columns r …) */
        for (int64_t r = 0; r < k; r++) {
            double sum = 0.0;
            for (int64_t m = r; m < k; m++) {
                sum += root[r + m * k] * covariance[m * k + c];
            }
            product[r * k + c] = sum * model->scale;
        }
    }
    for (int64_t c = 0; c < k; c++) { /* block = (R V) R' */
        for (int64_t r = 0; r <= c; r++) {
            double sum = 0.0;
            for (int64_t m = c; m < k; m++) {
                sum += product[r * k + m] * root[c + m * k];
            }
            block[r + c * k] = sum;
        }
    }
    status = w_eigen_symmetric(model->ctx, k, block, value, true);
    if (status < 0) {
        return status;
    }
    double *mapped = product;
    for (int64_t r = 0; r < k; r++) {
        mapped[r] = 0.0;
        for (int64_t m = r; m < k; m++) {
            mapped[r] += root[r + m * k] * model->beta[term->first + m];
        }
    }
    for (int64_t e = 0; e < k; e++) {
        image[e] = w_dot(k, block + (k - 1 - e) * k, mapped);
    }
    for (int64_t e = 0; e < k / 2; e++) {
        const double swap = value[e];
        value[e] = value[k - 1 - e];
        value[k - 1 - e] = swap;
    }
    *out = (spectrum){ .k = k, .value = value, .image = image };
    return WEIR_OK;
}

static double squares(const spectrum *s, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) {
        sum += s->image[i] * s->image[i] / s->value[i];
    }
    return sum;
}

/* Whole rank: an ordinary chi-squared or F. */
static void whole_rank(const spectrum *s, int64_t rank, double residual_df, w_term_test *out)
{
    const double statistic = squares(s, rank), r = (double)rank;
    out->p_value = residual_df > 0.0 ? w_f_tail(statistic / r, r, residual_df) : w_chi_square_tail(statistic, r);
    out->statistic = residual_df > 0.0 ? statistic / r : statistic;
    out->ref_df = r;
}

static void fractional_rank(weir_ctx *ctx, const spectrum *s, double rank, double residual_df, double *scratch, w_term_test *out)
{
    const int64_t whole = (int64_t)floor(rank), last = whole;
    const double nu = rank - floor(rank), b = sqrt(0.5 * nu * (1.0 - nu)), base = squares(s, whole - 1);
    const double x = s->image[whole - 1] / sqrt(s->value[whole - 1]), y = s->image[last] / sqrt(s->value[last]);
    double *weight = scratch, p = 0.0, total = 0.0;
    for (int64_t i = 0; i < whole - 1; i++) {
        weight[i] = 1.0;
    }
    weight[whole - 1] = 0.5 * (nu + 1.0 + sqrt((nu + 1.0) * (1.0 - nu)));
    weight[whole] = nu + 1.0 - weight[whole - 1];
    for (int sign = -1; sign <= 1; sign += 2) {
        const double statistic = fmax(base + x * x + 2.0 * sign * b * x * y + nu * y * y, 0.0);
        p += 0.5 * w_ratio_tail(ctx, whole + 1, weight, statistic, residual_df, scratch + s->k + 1);
        total += 0.5 * statistic;
    }
    out->p_value = p;
    out->statistic = residual_df > 0.0 ? total / rank : total;
    out->ref_df = rank;
}

weir_status w_test_smooth(const weir_model *model, const w_gram *gram, const w_term *term, double reference_df,
                          double residual_df, w_term_test *out)
{
    const size_t k = (size_t)term->columns;
    double *work = w_alloc_array(model->ctx, "term test", w_mul_size(4, w_mul_size(k, k)) + 5 * k + 8, sizeof *work);
    if (work == NULL) {
        return w_alloc_status(model->ctx);
    }
    spectrum s;
    weir_status status = decompose(model, gram, term, work, &s);
    if (status >= 0) {
        int64_t positive = 0;
        const double least = s.value[0] * pow(DBL_EPSILON, 0.9);
        while (positive < s.k && s.value[positive] > 0.0 && s.value[positive] > least) {
            positive++;
        }
        const double rank = fmin(fmax(reference_df, 0.0), (double)s.k); /* rounding of a degenerate fit may leave anything */
        const bool fractional = rank != floor(rank) && ceil(rank) <= (double)positive && rank > 1.0;
        *out = (w_term_test){ .statistic = NAN, .p_value = NAN, .ref_df = rank };
        if (fractional) {
            fractional_rank(model->ctx, &s, rank, residual_df, work, out);
        } else if (positive > 0) { /* below rank 1 the first component is whole */
            whole_rank(&s, w_min64(positive, w_max64((int64_t)floor(rank), 1)), residual_df, out);
        }
    }
    w_free(model->ctx, work);
    return status;
}
