/* SPDX-License-Identifier: Apache-2.0 */
/* Moments of the null distribution of a random effect with many levels, from p0 x p0 matrices alone.
 *
 * Level l has a_l = (X'WX)_ll, h_l = 1/(a_l + lambda), Delta_l = a_l h_l; B is the border (L x p0), G = hB. With N = [I; A_ro/lambda_r]
 * (rows of the core, columns o) and S_n the penalties of the core's terms that are not random:
 *     M = (a + lambda) + B Y B',                 Y = diag_r(1/lambda_r) - N K_oo^-1 N',
 *     C = h Delta + [hB h^2B] Z [hB h^2B]',      Z = [ P - lambda P G'G P - P S_n P, -lambda P; -lambda P, 0 ],  P = P_00,
 *     MC = Delta + E F',  E = [B hB],  F' = [ Y B' h Delta + Y [T_10 T_20] Z U' + (Z U')_top ; (Z U')_bottom ],  U = [hB h^2B],
 * so that W_a = F' Delta^a E needs only  T_ea = B' h^e Delta^a B  (e <= 3, a <= 4): one pass over the levels each.
 * The tail is that of a shifted, scaled chi-squared variable with the same first three moments. */
#include "fit/inference_arrow.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"

#define POWERS 5

typedef struct arrow_test {
    const weir_model *model;
    const w_gram *gram;
    int64_t levels, n;       /* L, p0 */
    double lambda;
    double *scaled;          /* L x p0 workspace */
    double *t[4][POWERS];    /* T_ea, p0 x p0 */
    double *y, *z;           /* p0 x p0; 2 p0 x 2 p0 */
    double *w[4];            /* W_a: 2 p0 x 2 p0 */
    double *work;            /* 4 x (2 p0)^2 */
    double power[4];         /* tr (MC)^r, r = 1 … 4 */
} arrow_test;

static double level_weight(const arrow_test *test, int64_t l) { return test->gram->arrow_diag[l]; }

/* C = alpha op(A) op(B) + beta C for column-major matrices with the given leading dimensions. */
static void multiply(const char *ta, const char *tb, int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t lda,
                     const double *b, int64_t ldb, double beta, double *c, int64_t ldc)
{
    const w_blas_int bm = (w_blas_int)m, bn = (w_blas_int)n, bk = (w_blas_int)k;
    const w_blas_int la = (w_blas_int)lda, lb = (w_blas_int)ldb, lc = (w_blas_int)ldc;
    if (m > 0 && n > 0) {
        dgemm_(ta, tb, &bm, &bn, &bk, &alpha, a, &la, b, &lb, &beta, c, &lc);
    }
}

static void weighted_gram(arrow_test *test, int e, int a)
{
    const int64_t n = test->n;
    for (int64_t l = 0; l < test->levels; l++) {
        const double weight = level_weight(test, l), h = 1.0 / (weight + test->lambda);
        const double factor = sqrt(pow(h, e) * pow(weight * h, a));
        for (int64_t j = 0; j < n; j++) {
            test->scaled[l * n + j] = factor * test->gram->arrow_border[l * n + j];
        }
    }
    const double one = 1.0, zero = 0.0;
    const w_blas_int size = (w_blas_int)n, rows = (w_blas_int)test->levels;
    if (n > 0) {
        dsyrk_("U", "N", &size, &rows, &one, test->scaled, &size, &zero, test->t[e][a], &size);
        w_mirror_upper(n, test->t[e][a]);
    }
}

/* Core place of a column of X. */
static int64_t core_place(const arrow_test *test, int64_t column)
{
    return column < test->gram->arrow_first ? column : column - test->levels;
}

/* S_n on the core, added to out; marks the columns of random terms with 1/lambda. */
static void core_penalties(const arrow_test *test, const w_term *tested, double *out, double *random)
{
    const w_design *design = test->model->design;
    const int64_t n = test->n;
    memset(random, 0, (size_t)n * sizeof *random);
    for (int t = 0; t < design->term_count; t++) {
        const w_term *term = &design->term[t];
        if (term == tested) {
            continue;
        }
        for (int64_t c = 0; c < term->columns && w_term_is_random(design, term); c++) {
            random[core_place(test, term->first + c)] = 1.0 / w_term_precision(test->model, term);
        }
        for (int j = 0; j < term->penalty_count && !w_term_is_random(design, term); j++) {
            const w_design_penalty *penalty = &design->penalty[term->penalty_first + j];
            const double lambda = exp(test->model->rho[penalty->sp]);
            for (int64_t e = 0; e < penalty->repeat * penalty->k * penalty->k; e++) {
                const int64_t c = e % penalty->k, r = e / penalty->k % penalty->k, repeat = e / (penalty->k * penalty->k);
                const int64_t first = core_place(test, penalty->first) + repeat * penalty->k;
                const double s = penalty->matrix ? penalty->matrix[r * penalty->k + c] : (r == c ? 1.0 : 0.0);
                out[first + r + (first + c) * n] += lambda * s;
            }
        }
    }
}

/* Y. inner: K_oo in the whole core (identity in the random rows), factored; map: N' (core x core, columns of o). */
static void make_y(arrow_test *test, const double *penalty, const double *random)
{
    const int64_t n = test->n, square = n * n;
    double *inner = test->work, *map = inner + square, *scale = map + square, log_det = 0.0;
    memcpy(inner, test->gram->matrix, (size_t)square * sizeof *inner);
    for (int64_t e = 0; e < square; e++) {
        inner[e] += penalty[e];
    }
    memset(map, 0, (size_t)square * sizeof *map); /* map[i + j n] = N_ij */
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < n && random[j] == 0.0; i++) {
            map[i + j * n] = random[i] > 0.0 ? random[i] * test->gram->matrix[i + j * n] : (i == j ? 1.0 : 0.0);
        }
    }
    for (int64_t r = 0; r < n; r++) {
        for (int64_t j = 0; j < n && random[r] > 0.0; j++) {
            for (int64_t i = 0; i < n; i++) {
                inner[i + j * n] += random[r] * test->gram->matrix[i + r * n] * test->gram->matrix[r + j * n];
            }
        }
    }
    for (int64_t i = 0; i < n; i++) {
        scale[i] = random[i] == 0.0 && inner[i * (n + 1)] > 0.0 ? 1.0 / sqrt(inner[i * (n + 1)]) : 0.0;
    }
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < n; i++) {
            inner[i + j * n] *= scale[i] * scale[j];
            map[i + j * n] *= scale[j];
        }
    }
    w_small_chol(n, inner, 32.0 * (double)n * DBL_EPSILON, inner, &log_det);
    for (int64_t i = 0; i < n; i++) { /* rows of N D R^-1, in place */
        for (int64_t j = 0; j < n; j++) {
            double sum = map[i + j * n];
            for (int64_t m = 0; m < j; m++) {
                sum -= inner[m + j * n] * map[i + m * n];
            }
            map[i + j * n] = inner[j * (n + 1)] > 0.0 ? sum / inner[j * (n + 1)] : 0.0;
        }
    }
    multiply("N", "T", n, n, n, -1.0, map, n, map, n, 0.0, test->y, n);
    for (int64_t i = 0; i < n; i++) {
        test->y[i * (n + 1)] += random[i];
    }
}

/* Z, symmetric 2 p0 x 2 p0. */
static void make_z(arrow_test *test, const double *penalty)
{
    const int64_t n = test->n, twice = 2 * n;
    const double *p = test->model->covariance->core_matrix;
    double *sum = test->work, *half = sum + n * n;
    for (int64_t e = 0; e < n * n; e++) { /* lambda G'G + S_n */
        sum[e] = test->lambda * test->t[2][0][e] + penalty[e];
    }
    multiply("N", "N", n, n, n, 1.0, sum, n, p, n, 0.0, half, n);
    multiply("N", "N", n, n, n, 1.0, p, n, half, n, 0.0, sum, n);
    memset(test->z, 0, (size_t)(twice * twice) * sizeof *test->z);
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r < n; r++) {
            test->z[r + c * twice] = p[r + c * n] - sum[r + c * n];
            test->z[n + r + c * twice] = test->z[r + (n + c) * twice] = -test->lambda * p[r + c * n];
        }
    }
}

/* W_a = F' Delta^a E = [ Y [T_1,a+1 T_2,a+1] + (Y [T_10 T_20] + [I 0]) Z V ; [0 I] Z V ],  V = U' Delta^a E. */
static void make_w(arrow_test *test, int a)
{
    const int64_t n = test->n, twice = 2 * n;
    double *v = test->work, *zv = v + twice * twice, *out = test->w[a];
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r < n; r++) {
            v[r + c * twice] = test->t[1][a][r + c * n];
            v[r + (n + c) * twice] = v[n + r + c * twice] = test->t[2][a][r + c * n];
            v[n + r + (n + c) * twice] = test->t[3][a][r + c * n];
        }
    }
    multiply("N", "N", twice, twice, twice, 1.0, test->z, twice, v, twice, 0.0, zv, twice);
    memcpy(out, zv, (size_t)(twice * twice) * sizeof *out);
    double *inner = v; /* p0 x 2 p0: T_1,a+1 T_2,a+1 + [T_10 T_20] Z V */
    for (int64_t c = 0; c < n; c++) {
        memcpy(inner + c * n, test->t[1][a + 1] + c * n, (size_t)n * sizeof *inner);
        memcpy(inner + (n + c) * n, test->t[2][a + 1] + c * n, (size_t)n * sizeof *inner);
    }
    multiply("N", "N", n, twice, n, 1.0, test->t[1][0], n, zv, twice, 1.0, inner, n);
    multiply("N", "N", n, twice, n, 1.0, test->t[2][0], n, zv + n, twice, 1.0, inner, n);
    multiply("N", "N", n, twice, n, 1.0, test->y, n, inner, n, 1.0, out, twice);
}

static double trace_of(int64_t n, const double *a)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += a[i * (n + 1)];
    }
    return sum;
}

static double trace_product(int64_t n, const double *a, const double *b)
{
    double sum = 0.0;
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r < n; r++) {
            sum += a[r + c * n] * b[c + r * n];
        }
    }
    return sum;
}

static void power_sums(arrow_test *test)
{
    const int64_t twice = 2 * test->n;
    double *square = test->work, **w = test->w;
    double sum[4] = { 0.0, 0.0, 0.0, 0.0 };
    for (int64_t l = 0; l < test->levels; l++) {
        const double delta = level_weight(test, l) / (level_weight(test, l) + test->lambda);
        double power = 1.0;
        for (int r = 0; r < 4; r++) {
            power *= delta;
            sum[r] += power;
        }
    }
    multiply("N", "N", twice, twice, twice, 1.0, w[0], twice, w[0], twice, 0.0, square, twice);
    test->power[0] = sum[0] + trace_of(twice, w[0]);
    test->power[1] = sum[1] + 2.0 * trace_of(twice, w[1]) + trace_of(twice, square);
    test->power[2] = sum[2] + 3.0 * trace_of(twice, w[2]) + 3.0 * trace_product(twice, w[1], w[0]) +
                     trace_product(twice, square, w[0]);
    test->power[3] = sum[3] + 4.0 * trace_of(twice, w[3]) + 4.0 * trace_product(twice, w[2], w[0]) +
                     2.0 * trace_product(twice, w[1], w[1]) + 4.0 * trace_product(twice, w[1], square) +
                     trace_product(twice, square, square);
}

/* beta'M beta / phi. */
static double statistic_of(const arrow_test *test, const w_term *term)
{
    const int64_t n = test->n;
    const double *beta = test->model->beta + term->first;
    double sum = 0.0, *image = test->work;
    memset(image, 0, (size_t)n * sizeof *image);
    for (int64_t l = 0; l < test->levels; l++) {
        sum += (level_weight(test, l) + test->lambda) * beta[l] * beta[l];
        for (int64_t j = 0; j < n; j++) {
            image[j] += beta[l] * test->gram->arrow_border[l * n + j];
        }
    }
    for (int64_t j = 0; j < n; j++) {
        sum += image[j] * w_dot(n, test->y + j * n, image);
    }
    return sum / test->model->scale;
}

/* Levels with data less the parametric directions that lie in their span. */
static double reference_df(const arrow_test *test)
{
    const int64_t u = test->model->design->parametric_columns, n = test->n;
    double *rest = test->work, *work = rest + u * u;
    int64_t counted = 0;
    for (int64_t c = 0; c < u; c++) {
        memcpy(rest + c * u, test->gram->matrix + c * n, (size_t)u * sizeof *rest);
    }
    for (int64_t l = 0; l < test->levels; l++) {
        const double weight = level_weight(test, l), *b = test->gram->arrow_border + l * n;
        counted += weight > 0.0;
        for (int64_t c = 0; c < u && weight > 0.0; c++) {
            for (int64_t r = 0; r <= c; r++) {
                rest[r + c * u] -= b[r] * b[c] / weight;
            }
        }
    }
    for (int64_t c = 0; c < u; c++) {
        for (int64_t r = 0; r <= c; r++) {
            rest[r + c * u] /= sqrt(test->gram->matrix[r * (n + 1)] * test->gram->matrix[c * (n + 1)]);
        }
    }
    double log_det = 0.0;
    for (int64_t c = 0; c < u; c++) { /* relative to the column itself: 1 before elimination */
        work[c] = rest[c * (u + 1)];
    }
    int64_t inside = 0;
    double *root = work + u;
    w_small_chol(u, rest, 1e-9, root, &log_det);
    for (int64_t c = 0; c < u; c++) {
        inside += !(work[c] > 1e-9) || !(root[c * (u + 1)] * root[c * (u + 1)] > 1e-9);
    }
    return (double)w_max64(counted - inside, 1);
}

static double tail_from_moments(const arrow_test *test, double statistic, double residual_df)
{
    const double *c = test->power;
    const double df = c[1] * c[1] * c[1] / (c[2] * c[2]), step = c[2] / c[1], shift = c[0] - step * df;
    const double m = fmax(1.0, round(residual_df));
    const double weight[2] = { step, -statistic / m }, freedom[2] = { df, m };
    if (!(residual_df > 0.0)) {
        return w_chi_square_tail((statistic - shift) / step, df);
    }
    return w_chi_square_mixture_tail(test->model->ctx, 2, weight, freedom, -shift);
}

weir_status w_test_arrow(const weir_model *model, const w_gram *gram, const w_term *term, double residual_df, w_term_test *out)
{
    const int64_t n = gram->core, square = n * n;
    const size_t doubles = w_mul_size((size_t)square, 15 + 2 + 4 + 16 + 16 + 1) + (size_t)(8 * n) +
                           w_mul_size((size_t)gram->arrow_levels, (size_t)n) + 1;
    arrow_test test = { .model = model, .gram = gram, .levels = gram->arrow_levels, .n = n,
                        .lambda = w_term_precision(model, term) };
    double *block = w_alloc_array(model->ctx, "term test", doubles, sizeof *block);
    if (block == NULL) {
        return w_alloc_status(model->ctx);
    }
    double *at = block;
    for (int e = 1; e < 4; e++) {
        for (int a = 0; a < POWERS; a++, at += square) {
            test.t[e][a] = at;
        }
    }
    test.y = at;
    double *penalty = at + square;
    test.z = at + 2 * square;
    for (int a = 0; a < 4; a++) {
        test.w[a] = at + (6 + 4 * a) * square;
    }
    test.work = at + 22 * square;
    double *random = test.work + 16 * square + 4 * n;
    test.scaled = random + n;
    for (int e = 1; e < 4; e++) {
        for (int a = 0; a < POWERS; a++) {
            weighted_gram(&test, e, a);
        }
    }
    memset(penalty, 0, (size_t)square * sizeof *penalty);
    core_penalties(&test, term, penalty, random);
    make_y(&test, penalty, random);
    make_z(&test, penalty);
    for (int a = 0; a < 4; a++) {
        make_w(&test, a);
    }
    power_sums(&test);
    const double statistic = statistic_of(&test, term);
    out->p_value = tail_from_moments(&test, statistic, residual_df);
    out->ref_df = reference_df(&test);
    out->statistic = residual_df > 0.0 ? statistic / out->ref_df : statistic;
    w_free(model->ctx, block);
    return WEIR_OK;
}
