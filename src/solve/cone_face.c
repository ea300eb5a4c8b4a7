/* SPDX-License-Identifier: Apache-2.0 */
/* From the sums to the small problem in the constrained coefficients.
 *
 * H = A + S_lambda in the columns of X, levels of an arrow block eliminated (H_0 - sum_l B_l'H_l^-1 B_l). With the
 * free columns u first and the constrained c last, scaled to unit diagonal, H = R'R and R'd = X'Wz:
 *     min over the free ones = 1/2 |R_cc c - d_c|^2 + const,     so  G = R_cc'R_cc,  g = R_cc'd_c.
 * The orthant does not allow the rotation that keeps a large lambda apart (solve/pieces.c), so the active set is
 * found here and the coefficients themselves by the system on its face. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/ctx.h"
#include "base/ledger.h"
#include "base/size.h"
#include "dense/dense.h"
#include "solve/cone.h"

#define TAG "shape constraints"
#define ARROW_ROWS 256 /* of eliminated levels in one product */

typedef struct reduction {
    weir_ctx *ctx;
    const w_gram *gram;
    const w_design *design;
    const double *rho;
    int64_t n;               /* p0 */
    double *matrix, *other;  /* p0 x p0 */
    double *rhs, *scale;     /* p0 */
    int64_t *order;          /* p0: core position of each place */
} reduction;

static int64_t arrow_rows(const w_gram *gram) { return gram->arrow_levels * gram->arrow_k; }

/* Core position of a column, -1 in the arrow. */
static int64_t core_of(const w_gram *gram, int64_t column)
{
    const int64_t rows = arrow_rows(gram), offset = column - gram->arrow_first;
    return rows == 0 || offset < 0 ? column : offset < rows ? -1 : column - rows;
}

static void add_core_penalties(reduction *r)
{
    const int64_t n = r->n;
    for (int j = 0; j < r->design->penalty_count; j++) {
        const w_design_penalty *penalty = &r->design->penalty[j];
        const double lambda = exp(r->rho[penalty->sp]);
        for (int64_t repeat = 0; repeat < penalty->repeat; repeat++) {
            const int64_t first = core_of(r->gram, penalty->first + repeat * penalty->k);
            for (int64_t a = 0; a < penalty->k && first >= 0; a++) {
                double *row = r->matrix + (first + a) * n + first;
                for (int64_t b = 0; b < penalty->k; b++) {
                    row[b] += lambda * (penalty->matrix ? penalty->matrix[a * penalty->k + b] : a == b ? 1.0 : 0.0);
                }
            }
        }
    }
}

/* H_l into out (k x k). */
static void level_matrix(const reduction *r, int64_t level, double *out)
{
    const int64_t k = r->gram->arrow_k, first = r->gram->arrow_first + level * k;
    memcpy(out, r->gram->arrow_diag + level * k * k, (size_t)(k * k) * sizeof *out);
    for (int j = 0; j < r->design->penalty_count; j++) {
        const w_design_penalty *penalty = &r->design->penalty[j];
        if (penalty->first > first || first + k > penalty->first + penalty->k * penalty->repeat) {
            continue;
        }
        const double lambda = exp(r->rho[penalty->sp]);
        for (int64_t a = 0; a < k; a++) { /* one repetition per level, or several of one column */
            for (int64_t b = 0; b < k && penalty->matrix && penalty->k == k; b++) {
                out[a * k + b] += lambda * penalty->matrix[a * k + b];
            }
            if (!penalty->matrix || penalty->k != k) {
                out[a * (k + 1)] += lambda * (penalty->matrix ? penalty->matrix[(a % penalty->k) * (penalty->k + 1)] : 1.0);
            }
        }
    }
}

/* W = R_l'^-1 [B_l | f_l] of one level: k rows of n into rows, k numbers into right. */
static void level_rows(const reduction *r, int64_t level, const double *root, double *rows, double *right)
{
    const int64_t k = r->gram->arrow_k, n = r->n;
    for (int64_t a = 0; a < k; a++) {
        const double pivot = root[a * (k + 1)];
        double *row = rows + a * n;
        memcpy(row, r->gram->arrow_border + (level * k + a) * n, (size_t)n * sizeof *row);
        right[a] = r->gram->arrow_rhs[level * k + a];
        for (int64_t b = 0; b < a; b++) {
            for (int64_t i = 0; i < n; i++) {
                row[i] -= root[b + a * k] * rows[b * n + i];
            }
            right[a] -= root[b + a * k] * right[b];
        }
        for (int64_t i = 0; i < n; i++) {
            row[i] = pivot > 0.0 ? row[i] / pivot : 0.0;
        }
        right[a] = pivot > 0.0 ? right[a] / pivot : 0.0;
    }
}

static weir_status eliminate_arrow(reduction *r)
{
    const int64_t k = r->gram->arrow_k, n = r->n, levels = r->gram->arrow_levels;
    if (levels == 0 || n == 0) {
        return WEIR_OK;
    }
    const int64_t group = w_max64(1, ARROW_ROWS / k), most = group * k;
    double *block = w_alloc_array(r->ctx, TAG, w_mul_size((size_t)most, (size_t)n + 1) + 2 * (size_t)(k * k), sizeof *block);
    if (block == NULL) {
        return w_alloc_status(r->ctx);
    }
    double *right = block + most * n, *level_h = right + most, *root = level_h + k * k;
    const double minus = -1.0, one = 1.0;
    const w_blas_int size = (w_blas_int)n, inc = 1;
    for (int64_t first = 0; first < levels; first += group) {
        const int64_t last = w_min64(first + group, levels);
        for (int64_t l = first; l < last; l++) {
            double log_det;
            level_matrix(r, l, level_h);
            w_small_chol(k, level_h, 32.0 * (double)k * DBL_EPSILON, root, &log_det);
            level_rows(r, l, root, block + (l - first) * k * n, right + (l - first) * k);
        }
        const w_blas_int rows = (w_blas_int)((last - first) * k);
        dsyrk_("U", "N", &size, &rows, &minus, block, &size, &one, r->matrix, &size);
        dgemv_("N", &size, &rows, &minus, block, &size, right, &inc, &one, r->rhs, &inc);
    }
    w_mirror_upper(n, r->matrix);
    w_free(r->ctx, block);
    return WEIR_OK;
}

/* Free columns first, constrained ones last; `other` = the scaled matrix in that order, rhs likewise. */
static void arrange(reduction *r, int64_t count, const int64_t *column, const double *diagonal)
{
    const int64_t n = r->n;
    int64_t place = 0, next = 0;
    for (int64_t i = 0; i < n; i++) {
        if (next < count && core_of(r->gram, column[next]) == i) {
            r->order[n - count + next++] = i;
        } else {
            r->order[place++] = i;
        }
    }
    for (int64_t c = 0; c < n; c++) {
        const double d = diagonal[r->order[c]];
        r->scale[c] = d > 0.0 ? 1.0 / sqrt(d) : 1.0;
    }
    for (int64_t c = 0; c < n; c++) {
        for (int64_t i = 0; i <= c; i++) {
            r->other[i + c * n] = r->matrix[r->order[i] + r->order[c] * n] * r->scale[i] * r->scale[c];
        }
    }
}

/* `other` <- R, also where H is singular: dependent columns are zero. */
static weir_status factor(reduction *r)
{
    const int64_t n = r->n;
    int64_t failed = 0;
    double log_det;
    memcpy(r->matrix, r->other, (size_t)(n * n) * sizeof *r->matrix);
    weir_status status = w_chol_factor(r->ctx, n, r->other, &failed);
    if (status >= 0 && failed != 0) {
        w_small_chol(n, r->matrix, 32.0 * (double)n * DBL_EPSILON, r->other, &log_det);
    }
    return status;
}

/* d = R'^-1 f in place of order: into `rhs_ordered`. */
static void forward(const reduction *r, double *d)
{
    const int64_t n = r->n;
    for (int64_t c = 0; c < n; c++) {
        const double pivot = r->other[c * (n + 1)], f = r->rhs[r->order[c]] * r->scale[c];
        d[c] = pivot > 0.0 ? (f - w_dot(c, r->other + c * n, d)) / pivot : 0.0;
    }
}

/* G and g of the last `m` places, in scaled coordinates. */
static void small_problem(const reduction *r, int64_t m, const double *d, double *g_matrix, double *g)
{
    const int64_t n = r->n, first = n - m;
    for (int64_t c = 0; c < m; c++) {
        const double *x = r->other + first + (first + c) * n;
        for (int64_t i = 0; i <= c; i++) {
            g_matrix[i + c * m] = g_matrix[c + i * m] = w_dot(i + 1, r->other + first + (first + i) * n, x);
        }
        g[c] = w_dot(c + 1, x, d + first);
    }
}

static weir_status solve(reduction *r, int64_t m, const int64_t *column, double *c, uint8_t *fixed, w_cone_report *report)
{
    const int64_t n = r->n, first = n - m;
    double *d = r->rhs + n, *g = d + n, *value = g + m, *g_matrix = r->matrix; /* free after factor() */
    weir_status status = factor(r);
    if (status < 0) {
        return status;
    }
    forward(r, d);
    small_problem(r, m, d, g_matrix, g);
    for (int64_t i = 0; i < m; i++) {
        value[i] = fmax(c[i], 0.0) / r->scale[first + i];
    }
    status = w_cone_solve(r->ctx, m, g_matrix, g, value, report);
    memset(fixed, 0, (size_t)r->gram->p);
    for (int64_t i = 0; i < m && status >= 0; i++) {
        c[i] = value[i] * r->scale[first + i];
        fixed[column[i]] = !(c[i] > 0.0);
    }
    return status;
}

weir_status w_cone_face(weir_ctx *ctx, const w_gram *gram, const w_design *design, const double *rho, int64_t count,
                        const int64_t *column, double *c, uint8_t *fixed, w_cone_report *report)
{
    W_BLAS_SERIAL;
    const size_t n = (size_t)gram->core, m = (size_t)count, square = w_mul_size(n, n);
    double *block = w_alloc_array(ctx, TAG, w_mul_size(2, square) + 5 * n + 2 * m + 1, sizeof *block);
    if (block == NULL) {
        return w_alloc_status(ctx);
    }
    reduction r = { .ctx = ctx, .gram = gram, .design = design, .rho = rho, .n = gram->core, .matrix = block,
                    .other = block + square, .scale = block + 2 * square };
    r.order = (int64_t *)(r.scale + n);
    double *diagonal = r.scale + 2 * n;
    r.rhs = diagonal + n; /* then n for d, 2 m for the small problem */
    memcpy(r.matrix, gram->matrix, square * sizeof *block);
    memcpy(r.rhs, gram->rhs, n * sizeof *block);
    add_core_penalties(&r);
    for (size_t i = 0; i < n; i++) { /* before elimination: what is left of a column is seen relative to what it was */
        diagonal[i] = r.matrix[i * (n + 1)];
    }
    weir_status status = eliminate_arrow(&r);
    if (status >= 0) {
        arrange(&r, count, column, diagonal);
        status = solve(&r, count, column, c, fixed, report);
    }
    w_free(ctx, block);
    return status;
}

int64_t w_cone_face_bytes(const w_design *design, int arrow_block)
{
    const int64_t count = w_face_signed(design, NULL);
    int64_t rows = 0, k = 1;
    if (count == 0) {
        return 0;
    }
    if (arrow_block >= 0) {
        k = design->block[arrow_block].level_columns;
        rows = w_mul64(design->block[arrow_block].levels, k);
    }
    const int64_t n = w_max64(design->p - rows, 0);
    int64_t doubles = w_add64(w_mul64(w_mul64(2, n), n), 5 * n + 2 * count);
    doubles = w_add64(doubles, rows > 0 ? w_add64(w_mul64(w_max64(ARROW_ROWS, k), n + 1), w_mul64(2 * k, k)) : 0);
    return w_add64(w_mul64(doubles, sizeof(double)), w_cone_bytes(count));
}

weir_status w_cone_violation(weir_ctx *ctx, const w_gram *gram, const w_design *design, const double *rho, int64_t count,
                             const int64_t *column, const double *beta, double *out)
{
    double *fit = w_alloc_array(ctx, TAG, 2 * (size_t)gram->p + 1, sizeof *fit), largest = 0.0;
    if (fit == NULL) {
        return w_alloc_status(ctx);
    }
    double *diagonal = fit + gram->p; /* of S_lambda */
    memset(diagonal, 0, (size_t)gram->p * sizeof *diagonal);
    w_gram_times(gram, beta, fit);
    for (int j = 0; j < design->penalty_count; j++) {
        const w_design_penalty *penalty = &design->penalty[j];
        const double lambda = exp(rho[penalty->sp]);
        for (int64_t r = 0; r < penalty->repeat; r++) {
            const int64_t first = penalty->first + r * penalty->k;
            for (int64_t a = 0; a < penalty->k; a++) {
                fit[first + a] += lambda * (penalty->matrix ? w_dot(penalty->k, penalty->matrix + a * penalty->k, beta + first)
                                                            : beta[first + a]);
                diagonal[first + a] += lambda * (penalty->matrix ? penalty->matrix[a * (penalty->k + 1)] : 1.0);
            }
        }
    }
    for (int64_t i = 0; i < count; i++) {
        const int64_t core = core_of(gram, column[i]);
        const double residual = gram->rhs[core] - fit[column[i]];
        const double size = sqrt((gram->matrix[core * (gram->core + 1)] + diagonal[column[i]]) * gram->zz);
        const double wrong = beta[column[i]] > 0.0 ? fabs(residual) : fmax(residual, 0.0);
        largest = size > 0.0 ? fmax(largest, wrong / size) : largest;
    }
    w_free(ctx, fit);
    *out = largest;
    return WEIR_OK;
}
