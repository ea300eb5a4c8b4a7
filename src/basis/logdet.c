/* SPDX-License-Identifier: Apache-2.0 */
/* log|sum_j lambda_j S_j|_+, the log of the product of the positive eigenvalues, in closed form.
 *
 * Orthogonal ranges:  sum_j (rank_j rho_j + log|S_j|_+).
 * Tensor products: with eigenvalues a_i[r] of the scaled marginal penalties the sum of the penalties has
 * eigenvalues
 *     s_r = sum_i lambda_i a_i[r_i]   over index tuples r;   log|S|_+ = sum_{r: s_r > 0} L_r,  L_r = log s_r.
 * With p_ir = lambda_i a_i[r_i] / s_r:
 *     d/drho_i = sum_r p_ir,   d2/drho_i drho_j = sum_r (delta_ij p_ir - p_ir p_jr).
 *
 * Centring restricts S to the complement of a vector c, S' = Z'SZ. If S has a null vector that is not
 * orthogonal to c (the constant function), the positive spectrum keeps its size and log|S'|_+ differs from
 * log|S|_+ by a number free of lambda. If S has full rank, |Z'SZ| = |S| c'S^{-1}c / c'c: with g the vector c in
 * the joint eigenbasis and w_r = g_r^2 add
 *     C = log sum_r w_r / s_r,   q_r = w_r / s_r / sum,   m_i = sum_r q_r p_ir:
 *     dC/drho_i = -m_i,   d2C/drho_i drho_j = sum_r q_r (2 p_ir p_jr - delta_ij p_ir) - m_i m_j.
 * Harmonic form (curves per level that sum to zero): with q_j proportional to 1 / lambda_j and sum 1, value
 * P (sum_j rho_j + log sum_j 1 / lambda_j), gradient P (1 - q_j), Hessian P (delta_ij q_j - q_i q_j).
 * Contrasts: P log|C'DC| with D = diag(lambda), C = C_1 x C_2 for the levels of two factors. With D^(1/2)C = QR and H = QQ' the
 * gradient is P H_jj, the Hessian P (delta_ij H_jj - H_ij^2). Rows are taken by descending lambda and columns with pivoting, which
 * keeps the small rows' digits.
 * The number free of lambda is the difference at rho = 0 between the log-determinant from the eigenvalues of
 * the p x p matrix and the formula. Everything is computed from logarithms: no lambda can make a term over- or
 * underflow. Work: about 3 logarithms and 3 exponentials per coefficient. */
#include <math.h>
#include <string.h>
#include "base/blas.h"
#include "base/size.h"
#include "basis/parts.h"

/* L_r and p_ir of a tuple; false if all its eigenvalues are zero. */
static bool tuple_terms(const w_smooth *s, int64_t tuple, const double *rho, double *log_sum, double *share)
{
    double term[W_MAX_MARGINS], largest = -INFINITY, sum = 0;
    for (int i = s->margin_count - 1; i >= 0; i--) {
        double a = s->eigen[i][tuple % s->eigen_count[i]];
        tuple /= s->eigen_count[i];
        term[i] = a > 0 ? rho[i] + log(a) : -INFINITY;
        largest = fmax(largest, term[i]);
    }
    if (largest == -INFINITY)
        return false;
    for (int i = 0; i < s->margin_count; i++) {
        share[i] = exp(term[i] - largest);
        sum += share[i];
    }
    for (int i = 0; i < s->margin_count; i++)
        share[i] /= sum;
    *log_sum = largest + log(sum);
    return true;
}

/* Sum over tuples into value, gradient (count), hessian (count x count). */
static void add_tuples(const w_smooth *s, const double *rho, double *value, double *gradient, double *hessian)
{
    int margins = s->margin_count, stride = s->penalty_count;
    double share[W_MAX_MARGINS], log_sum;
    for (int64_t r = 0; r < s->raw_columns; r++) {
        if (!tuple_terms(s, r, rho, &log_sum, share))
            continue;
        *value += log_sum;
        for (int i = 0; i < margins; i++) {
            if (gradient)
                gradient[i] += share[i];
            for (int j = 0; hessian && j < margins; j++)
                hessian[i * stride + j] += (i == j ? share[i] : 0) - share[i] * share[j];
        }
    }
}

/* C and its derivatives. */
static void add_constraint(const w_smooth *s, const double *rho, double *value, double *gradient, double *hessian)
{
    int margins = s->margin_count, stride = s->penalty_count;
    double share[W_MAX_MARGINS], log_sum, largest = -INFINITY, total = 0;
    double mean[W_MAX_MARGINS] = {0}, second[W_MAX_MARGINS * W_MAX_MARGINS] = {0};
    for (int64_t r = 0; r < s->raw_columns; r++) {
        if (s->constraint_weight[r] > 0 && tuple_terms(s, r, rho, &log_sum, share))
            largest = fmax(largest, log(s->constraint_weight[r]) - log_sum);
    }
    for (int64_t r = 0; r < s->raw_columns; r++) {
        if (!(s->constraint_weight[r] > 0) || !tuple_terms(s, r, rho, &log_sum, share))
            continue;
        double q = exp(log(s->constraint_weight[r]) - log_sum - largest);
        total += q;
        for (int i = 0; i < margins; i++) {
            mean[i] += q * share[i];
            for (int j = 0; j < margins; j++)
                second[i * margins + j] += q * (2 * share[i] * share[j] - (i == j ? share[i] : 0));
        }
    }
    *value += largest + log(total);
    for (int i = 0; i < margins; i++) {
        if (gradient)
            gradient[i] -= mean[i] / total;
        for (int j = 0; hessian && j < margins; j++)
            hessian[i * stride + j] += second[i * margins + j] / total - mean[i] / total * (mean[j] / total);
    }
}

static void add_harmonic(const w_smooth *s, const double *rho, double *value, double *gradient, double *hessian)
{
    int count = s->form_penalties, stride = s->penalty_count, least = 0;
    double q[W_MAX_PENALTIES], total = 0, power = s->form_power;
    for (int j = 0; j < count; j++)
        least = rho[j] < rho[least] ? j : least;
    for (int j = 0; j < count; j++) { /* the least lambda is taken out of the sum: it may be 0 */
        q[j] = j == least ? 1 : exp(rho[least] - rho[j]);
        total += q[j];
        *value += j == least ? 0 : power * rho[j];
    }
    *value += power * log(total);
    for (int i = 0; i < count; i++) {
        if (gradient)
            gradient[i] += power * (1 - q[i] / total);
        for (int j = 0; hessian && j < count; j++)
            hessian[i * stride + j] += power * ((i == j ? q[i] / total : 0) - q[i] / total * (q[j] / total));
    }
}

/* order: the combinations of levels by descending lambda. */
static void sort_levels(int count, const double *rho, int *order)
{
    for (int i = 0; i < count; i++) {
        int j = i;
        for (; j > 0 && rho[order[j - 1]] < rho[i]; j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
}

static void add_contrasts(const w_smooth *s, const double *rho, double *value, double *gradient, double *hessian)
{
    enum { MOST = W_MAX_PENALTIES };
    const w_margin *first = &s->margin[0], *second = &s->margin[1];
    int count = s->form_penalties, stride = s->penalty_count, columns = (int)(first->k * second->k), order[MOST] = {0};
    double a[MOST * MOST], tau[MOST], work[8 * MOST], power = s->form_power;
    w_blas_int pivot[MOST] = {0}, m = count, n = columns, room = 8 * MOST, info;
    W_BLAS_SERIAL;
    sort_levels(count, rho, order);
    double top = rho[order[0]];
    for (int i = 0; i < count; i++) {
        const double *one = first->map + order[i] / second->cells * first->k;
        const double *two = second->map + order[i] % second->cells * second->k;
        for (int j = 0; j < columns; j++)
            a[i + j * count] = exp(0.5 * (rho[order[i]] - top)) * one[j / second->k] * two[j % second->k];
    }
    dgeqp3_(&m, &n, a, &m, pivot, tau, work, &room, &info);
    *value += power * columns * top;
    for (int j = 0; j < columns; j++)
        *value += 2 * power * log(fabs(a[j + j * count]));
    dorgqr_(&m, &n, &n, a, &m, tau, work, &room, &info);
    for (int i = 0; i < count && gradient; i++) {
        for (int j = 0; j <= i; j++) {
            double h = 0;
            for (int c = 0; c < columns; c++)
                h += a[i + c * count] * a[j + c * count];
            if (i == j)
                gradient[order[i]] += power * h;
            double second_derivative = power * (i == j ? h - h * h : -h * h);
            if (hessian)
                hessian[order[i] * stride + order[j]] = hessian[order[j] * stride + order[i]] = second_derivative;
        }
    }
}

void w_smooth_logdet(const w_smooth *smooth, const double *rho, double *value, double *gradient, double *hessian)
{
    int count = smooth->penalty_count, first = 0;
    *value = smooth->logdet_constant;
    if (gradient)
        memset(gradient, 0, (size_t)count * sizeof *gradient);
    if (hessian)
        memset(hessian, 0, (size_t)(count * count) * sizeof *hessian);
    if (smooth->logdet_form == W_LOGDET_NONE)
        return;
    if (smooth->logdet_form == W_LOGDET_KRONECKER) {
        add_tuples(smooth, rho, value, gradient, hessian);
        if (smooth->constraint_weight)
            add_constraint(smooth, rho, value, gradient, hessian);
        first = smooth->margin_count;
    } else if (smooth->logdet_form == W_LOGDET_HARMONIC) {
        add_harmonic(smooth, rho, value, gradient, hessian);
        first = smooth->form_penalties;
    } else if (smooth->logdet_form == W_LOGDET_CONTRASTS) {
        add_contrasts(smooth, rho, value, gradient, hessian);
        first = smooth->form_penalties;
    }
    for (int j = first; j < count; j++) {
        *value += (double)smooth->penalty[j].rank * rho[j] + smooth->penalty[j].log_det;
        if (gradient)
            gradient[j] = (double)smooth->penalty[j].rank;
    }
}

/* g = (V_1 x V_2 x …)'c, V_i the eigenvectors of the margins' penalties: one margin at a time. */
static weir_status fill_weights(w_arena *work, const w_smooth *s, const double *c, double *weight)
{
    int64_t raw = s->raw_columns, inner = raw;
    double *other = w_arena_alloc(work, (size_t)raw, sizeof *other);
    if (!other)
        return w_alloc_status(work->ctx);
    memcpy(weight, c, (size_t)raw * sizeof *weight);
    for (int m = 0; m < s->margin_count; m++) {
        int64_t k = s->margin[m].k;
        inner /= k;
        double *vectors = w_arena_alloc(work, w_mul_size((size_t)k, (size_t)k), sizeof *vectors);
        double *value = w_arena_alloc(work, (size_t)k, sizeof *value);
        if (!vectors || !value)
            return w_alloc_status(work->ctx);
        memcpy(vectors, s->margin[m].penalty, (size_t)(k * k) * sizeof *vectors);
        weir_status status = w_small_eigen(work, k, vectors, value);
        if (status)
            return status;
        for (int64_t r = 0; r < raw; r++) {
            int64_t index = r / inner % k, base = r - index * inner;
            other[r] = 0;
            for (int64_t j = 0; j < k; j++)
                other[r] += vectors[index * k + j] * weight[base + j * inner];
        }
        memcpy(weight, other, (size_t)raw * sizeof *weight);
    }
    for (int64_t r = 0; r < raw; r++)
        weight[r] *= weight[r];
    return WEIR_OK;
}

/* The log-determinant at rho = 0 from eigenvalues. */
static weir_status logdet_by_eigenvalues(w_arena *work, const w_smooth *s, double *out)
{
    int64_t k = s->columns;
    double *sum = w_arena_calloc(work, w_mul_size((size_t)k, (size_t)k), sizeof *sum);
    double *value = w_arena_alloc(work, (size_t)k, sizeof *value);
    if (!sum || !value)
        return w_alloc_status(work->ctx);
    for (int p = 0; p < s->penalty_count; p++) {
        for (int64_t i = 0; i < k * k; i++)
            sum[i] += s->penalty[p].matrix[i];
    }
    weir_status status = w_small_eigenvalues(work, k, sum, value);
    *out = 0;
    for (int64_t i = s->null_dimension; !status && i < k; i++)
        *out += log(value[i]);
    return status;
}

weir_status w_smooth_logdet_setup(w_arena *arena, w_arena *work, w_smooth *smooth, double *const *eigenvalue,
                                  const double *constraint)
{
    bool full_rank = false; /* one margin of full rank makes the sum so */
    for (int m = 0; m < smooth->margin_count; m++) {
        int64_t k = smooth->margin[m].k;
        smooth->eigen_count[m] = k;
        smooth->eigen[m] = w_arena_alloc(arena, (size_t)k, sizeof(double));
        if (!smooth->eigen[m])
            return w_alloc_status(arena->ctx);
        for (int64_t i = 0; i < k; i++)
            smooth->eigen[m][i] = eigenvalue[m][i] / smooth->penalty[m].scale;
        full_rank = full_rank || smooth->margin[m].rank == k;
    }
    if (constraint && full_rank) {
        smooth->constraint_weight = w_arena_alloc(arena, (size_t)smooth->raw_columns, sizeof(double));
        weir_status status = smooth->constraint_weight
                                 ? fill_weights(work, smooth, constraint, smooth->constraint_weight)
                                 : w_alloc_status(arena->ctx);
        if (status)
            return status;
    }
    double rho[W_MAX_MARGINS] = {0}, exact, formula;
    weir_status status = logdet_by_eigenvalues(work, smooth, &exact);
    if (status)
        return status;
    smooth->logdet_constant = 0;
    w_smooth_logdet(smooth, rho, &formula, NULL, NULL);
    smooth->logdet_constant = exact - formula;
    return WEIR_OK;
}
