/* SPDX-License-Identifier: Apache-2.0 */
/* The test that a fully penalised term m (random effect, shrinkage smooth) is zero.
 *
 * Other random effects r stay random under the null, so that z has covariance phi (W^-1 + sum_r Z_r Z_r'/lambda_r):
 *     K = A + sum_r A_:r A_r:/lambda_r + S   (S: penalties of m and of the terms that are not random),
 *     M = K_mm - K_mo K_oo^-1 K_om           (o: parametric columns and the other terms that are not random),
 *     C = (PAP)_mm + sum_r P_mr lambda_r P_rm,
 * statistic beta_m' M beta_m / phi, null distribution sum_j e_j chi2(1) with e the eigenvalues of M^1/2 C M^1/2, over chi2/df
 * when the scale is estimated. The reference degrees of freedom are the number of e above eps^0.8 of the largest.
 *
 * A term of more than W_EIGEN_LIMIT columns that is the whole arrow block (k = 1) is too large for eigenvalues; M and C are
 * then a diagonal plus a matrix of rank p0 and their product's first four power sums are exact at O(L p0^2):
 *     MC = Delta + E F',   W_a = F' Delta^a E:   tr = sum Delta + tr W_0,   tr^2 = sum Delta^2 + 2 tr W_1 + tr W_0^2,
 *     tr^3 = sum Delta^3 + 3 tr W_2 + 3 tr W_1W_0 + tr W_0^3,
 *     tr^4 = sum Delta^4 + 4 tr W_3 + 4 tr W_2W_0 + 2 tr W_1^2 + 4 tr W_1W_0^2 + tr W_0^4.
 * Reference: Wood (2013), Biometrika 100:1005. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"
#include "fit/inference.h"
#include "fit/inference_arrow.h"

double w_gram_entry(const w_gram *gram, int64_t row, int64_t column)
{
    const int64_t rows = gram->arrow_levels * gram->arrow_k, k = gram->arrow_k, n = gram->core;
    const int64_t r = row - gram->arrow_first, c = column - gram->arrow_first;
    const bool row_arrow = rows > 0 && r >= 0 && r < rows, column_arrow = rows > 0 && c >= 0 && c < rows;
    const int64_t i = rows == 0 || r < 0 ? row : row - rows, j = rows == 0 || c < 0 ? column : column - rows;
    if (!row_arrow && !column_arrow) {
        return gram->matrix[i * n + j];
    }
    if (!row_arrow) {
        return gram->arrow_border[c * n + i];
    }
    if (!column_arrow) {
        return gram->arrow_border[r * n + j];
    }
    return r / k == c / k ? gram->arrow_diag[(r / k) * k * k + (r % k) * k + c % k] : 0.0;
}

bool w_term_is_random(const w_design *design, const w_term *term)
{
    if (term->kind != W_TERM_RANDOM) {
        return false;
    }
    for (int j = 0; j < term->penalty_count; j++) {
        if (design->penalty[term->penalty_first + j].matrix != NULL) {
            return false;
        }
    }
    return term->penalty_count > 0;
}

/* lambda of an identity penalty: the sum over the term's penalties. */
double w_term_precision(const weir_model *model, const w_term *term)
{
    double lambda = 0.0;
    for (int j = 0; j < term->penalty_count; j++) {
        lambda += exp(model->rho[model->design->penalty[term->penalty_first + j].sp]);
    }
    return lambda;
}

/* Adds lambda_j S_j of a term to K, where the term's columns start at place `at` of the q x q matrix. */
static void add_penalties(const weir_model *model, const w_term *term, int64_t at, int64_t q, double *matrix)
{
    for (int j = 0; j < term->penalty_count; j++) {
        const w_design_penalty *penalty = &model->design->penalty[term->penalty_first + j];
        const double lambda = exp(model->rho[penalty->sp]);
        for (int64_t repeat = 0; repeat < penalty->repeat; repeat++) {
            const int64_t first = at + penalty->first - term->first + repeat * penalty->k;
            for (int64_t c = 0; c < penalty->k; c++) {
                for (int64_t r = 0; r < penalty->k; r++) {
                    const double s = penalty->matrix ? penalty->matrix[r + c * penalty->k] : (r == c ? 1.0 : 0.0);
                    matrix[first + r + (first + c) * q] += lambda * s;
                }
            }
        }
    }
}

/* K += A_:r A_r: / lambda for the random term r. */
static weir_status add_random(const weir_model *model, const w_gram *gram, const w_term *random, const int64_t *column,
                              int64_t q, double *matrix)
{
    const int64_t count = random->columns;
    const double weight = 1.0 / w_term_precision(model, random), one = 1.0;
    double *cross = w_alloc_array(model->ctx, "term test", w_mul_size((size_t)q, (size_t)count), sizeof *cross);
    if (cross == NULL) {
        return w_alloc_status(model->ctx);
    }
    for (int64_t c = 0; c < count; c++) {
        for (int64_t r = 0; r < q; r++) {
            cross[r + c * q] = w_gram_entry(gram, column[r], random->first + c);
        }
    }
    const w_blas_int n = (w_blas_int)q, k = (w_blas_int)count;
    dsyrk_("U", "N", &n, &k, &weight, cross, &n, &one, matrix, &n);
    w_free(model->ctx, cross);
    return WEIR_OK;
}

/* Columns of o then of m; places of the terms' first columns in them (-1: random or eliminated). */
static int64_t gather_columns(const weir_model *model, const w_term *tested, int64_t *column, int64_t *place)
{
    const w_design *design = model->design;
    int64_t q = 0;
    for (int64_t c = 0; c < design->parametric_columns; c++) {
        column[q++] = c;
    }
    for (int t = 0; t < design->term_count; t++) {
        const w_term *term = &design->term[t];
        place[t] = -1;
        if (term == tested || term->kind == W_TERM_PARAMETRIC || w_term_is_random(design, term)) {
            continue;
        }
        place[t] = q;
        for (int64_t c = 0; c < term->columns; c++) {
            column[q++] = term->first + c;
        }
    }
    for (int64_t c = 0; c < tested->columns; c++) {
        column[q++] = tested->first + c;
    }
    return q;
}

/* M from K: the Schur complement on the last k of q columns. Both triangles of out. */
static weir_status schur(weir_ctx *ctx, int64_t q, int64_t k, double *matrix, double *out)
{
    const int64_t o = q - k;
    const size_t size = (size_t)o;
    double *scale = w_alloc_array(ctx, "term test", w_mul_size(size, size + (size_t)k + 1) + 1, sizeof *scale);
    if (scale == NULL) {
        return w_alloc_status(ctx);
    }
    double *inner = scale + o, *cross = inner + o * o, log_det = 0.0;
    for (int64_t i = 0; i < o; i++) {
        scale[i] = matrix[i * (q + 1)] > 0.0 ? 1.0 / sqrt(matrix[i * (q + 1)]) : 0.0;
    }
    for (int64_t c = 0; c < o; c++) {
        for (int64_t r = 0; r <= c; r++) {
            inner[r + c * o] = matrix[r + c * q] * scale[r] * scale[c];
        }
    }
    w_small_chol(o, inner, 32.0 * (double)q * DBL_EPSILON, inner, &log_det);
    for (int64_t c = 0; c < k; c++) { /* R'^-1 K_om */
        double *x = cross + c * o;
        for (int64_t r = 0; r < o; r++) {
            const double pivot = inner[r * (o + 1)];
            const double sum = matrix[r + (o + c) * q] * scale[r] - w_dot(r, inner + r * o, x);
            x[r] = pivot > 0.0 ? sum / pivot : 0.0;
        }
    }
    for (int64_t c = 0; c < k; c++) {
        for (int64_t r = 0; r <= c; r++) {
            out[r + c * k] = out[c + r * k] = matrix[o + r + (o + c) * q] - w_dot(o, cross + r * o, cross + c * o);
        }
    }
    w_free(ctx, scale);
    return WEIR_OK;
}

static weir_status weight_matrix(const weir_model *model, const w_gram *gram, const w_term *tested, double *out)
{
    const w_design *design = model->design;
    weir_ctx *ctx = model->ctx;
    int64_t *column = w_alloc_array(ctx, "term test", (size_t)(design->p + design->term_count) + 1, sizeof *column);
    if (column == NULL) {
        return w_alloc_status(ctx);
    }
    int64_t *place = column + design->p;
    const int64_t q = gather_columns(model, tested, column, place);
    double *matrix = w_alloc_array(ctx, "term test", w_mul_size((size_t)q, (size_t)q), sizeof *matrix);
    weir_status status = matrix == NULL ? w_alloc_status(ctx) : WEIR_OK;
    for (int64_t c = 0; c < q && status >= 0; c++) {
        for (int64_t r = 0; r < q; r++) {
            matrix[r + c * q] = w_gram_entry(gram, column[r], column[c]);
        }
    }
    for (int t = 0; t < design->term_count && status >= 0; t++) {
        const w_term *term = &design->term[t];
        if (term == tested) {
            add_penalties(model, term, q - tested->columns, q, matrix);
        } else if (w_term_is_random(design, term)) {
            status = add_random(model, gram, term, column, q, matrix);
        } else if (place[t] >= 0) {
            add_penalties(model, term, place[t], q, matrix);
        }
    }
    if (status >= 0) {
        status = schur(ctx, q, tested->columns, matrix, out);
    }
    w_free(ctx, matrix);
    w_free(ctx, column);
    return status;
}

/* C of the tested term, k x k. */
static weir_status null_covariance(const weir_model *model, w_system *system, const w_term *tested, double *out)
{
    const w_design *design = model->design;
    const int64_t k = tested->columns;
    weir_status status = w_system_frequentist_block(system, tested->first, k, out);
    for (int t = 0; t < design->term_count && status >= 0; t++) {
        const w_term *random = &design->term[t];
        if (random == tested || !w_term_is_random(design, random)) {
            continue;
        }
        const int64_t count = random->columns;
        double *cross = w_alloc_array(model->ctx, "term test", w_mul_size((size_t)k, (size_t)count), sizeof *cross);
        if (cross == NULL) {
            return w_alloc_status(model->ctx);
        }
        status = w_covariance_block(model->covariance, tested->first, k, random->first, count, cross);
        const double lambda = w_term_precision(model, random);
        for (int64_t r = 0; r < k && status >= 0; r++) {
            for (int64_t c = 0; c < k; c++) {
                out[r * k + c] += lambda * w_dot(count, cross + r * count, cross + c * count);
            }
        }
        w_free(model->ctx, cross);
    }
    return status;
}

/* Eigenvalues of M^1/2 C M^1/2, descending, through M = R'R; work: 2 k^2. */
static weir_status null_weights(weir_ctx *ctx, int64_t k, double *weight, double *covariance, double *work, double *value)
{
    double log_det = 0.0, *root = work, *product = work + k * k;
    w_small_chol(k, weight, 32.0 * (double)k * DBL_EPSILON, root, &log_det);
    for (int64_t r = 0; r < k; r++) {
        for (int64_t c = 0; c < k; c++) {
            double sum = 0.0;
            for (int64_t m = r; m < k; m++) {
                sum += root[r + m * k] * covariance[m * k + c];
            }
            product[r * k + c] = sum;
        }
    }
    for (int64_t c = 0; c < k; c++) {
        for (int64_t r = 0; r <= c; r++) {
            double sum = 0.0;
            for (int64_t m = c; m < k; m++) {
                sum += product[r * k + m] * root[c + m * k];
            }
            covariance[r + c * k] = sum;
        }
    }
    return w_eigen_symmetric(ctx, k, covariance, value, false);
}

static double quadratic_form(int64_t k, const double *matrix, const double *beta)
{
    double sum = 0.0;
    for (int64_t c = 0; c < k; c++) {
        sum += beta[c] * w_dot(k, matrix + c * k, beta);
    }
    return sum;
}

static weir_status test_by_eigenvalues(const weir_model *model, w_system *system, const w_gram *gram, const w_term *term,
                                       double residual_df, w_term_test *out)
{
    const int64_t k = term->columns;
    const size_t square = w_mul_size((size_t)k, (size_t)k);
    double *work = w_alloc_array(model->ctx, "term test", w_mul_size(4, square) + 4 * (size_t)k + 8, sizeof *work);
    if (work == NULL) {
        return w_alloc_status(model->ctx);
    }
    double *weight = work, *covariance = work + square, *value = work + 4 * square, *scratch = value + k;
    weir_status status = weight_matrix(model, gram, term, weight);
    status = status < 0 ? status : null_covariance(model, system, term, covariance);
    if (status >= 0) {
        const double statistic = quadratic_form(k, weight, model->beta + term->first) / model->scale;
        status = null_weights(model->ctx, k, weight, covariance, work + 2 * square, value);
        int64_t rank = 0, first = k;
        for (int64_t i = k - 1; i >= 0 && status >= 0; i--) {
            rank += value[i] > value[k - 1] * pow(DBL_EPSILON, 0.8);
            first = value[i] > 0.0 ? i : first;
        }
        out->ref_df = (double)w_max64(rank, 1);
        out->statistic = residual_df > 0.0 ? statistic / out->ref_df : statistic;
        out->p_value = w_ratio_tail(model->ctx, k - first, value + first, statistic, residual_df, scratch);
    }
    w_free(model->ctx, work);
    return status;
}

weir_status w_test_random(const weir_model *model, w_system *system, const w_gram *gram, const w_term *term,
                          double residual_df, w_term_test *out)
{
    W_BLAS_SERIAL;
    const bool whole_arrow = gram->arrow_k == 1 && term->first == gram->arrow_first && term->columns == gram->arrow_levels;
    *out = (w_term_test){ .statistic = NAN, .ref_df = (double)term->columns, .p_value = NAN };
    if (whole_arrow && term->columns > W_EIGEN_LIMIT && w_term_is_random(model->design, term)) {
        return w_test_arrow(model, gram, term, residual_df, out);
    }
    return test_by_eigenvalues(model, system, gram, term, residual_df, out);
}
