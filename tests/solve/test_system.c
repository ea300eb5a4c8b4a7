/* SPDX-License-Identifier: Apache-2.0 */
/* The penalised system against plain long double elimination on the full matrix, and the arrow form against the dense one. */
#include "problem.h"

#include <float.h>

static const double rho_plain[PROBLEM_SP] = { 0.5, 1.0, -1.0, 2.0, 0.3, 1.2, -0.7 };

/* ---- a slow reference ------------------------------------------------------------------------------------------- */

typedef struct slow {
    int64_t p;
    long double *h, *inverse, *v[PROBLEM_SP];
    long double log_det;
    double *beta, rss;
} slow;

static void slow_penalties(const problem *problem, const double *rho, slow *out)
{
    const int64_t p = problem->p;
    for (int j = 0; j < problem->design.penalty_count; j++) {
        const w_design_penalty *penalty = &problem->penalty[j];
        out->v[j] = calloc((size_t)(p * p), sizeof(long double));
        for (int64_t repeat = 0; repeat < penalty->repeat; repeat++) {
            const int64_t first = penalty->first + repeat * penalty->k;
            for (int64_t c = 0; c < penalty->k; c++) {
                for (int64_t r = 0; r < penalty->k; r++) {
                    const double s = penalty->matrix ? penalty->matrix[r + c * penalty->k] : (r == c ? 1.0 : 0.0);
                    out->v[j][first + r + (first + c) * p] += expl((long double)rho[j]) * s;
                }
            }
        }
        for (int64_t i = 0; i < p * p; i++) {
            out->h[i] += out->v[j][i];
        }
    }
}

/* Gauss-Jordan without pivoting: H is positive definite. */
static void slow_invert(slow *out)
{
    const int64_t p = out->p;
    long double *a = malloc((size_t)(p * p) * sizeof *a);
    memcpy(a, out->h, (size_t)(p * p) * sizeof *a);
    for (int64_t i = 0; i < p; i++) {
        out->inverse[i * (p + 1)] = 1.0L;
    }
    for (int64_t i = 0; i < p; i++) {
        const long double pivot = a[i * (p + 1)];
        out->log_det += logl(pivot);
        for (int64_t c = 0; c < p; c++) {
            a[i + c * p] /= pivot;
            out->inverse[i + c * p] /= pivot;
        }
        for (int64_t r = 0; r < p; r++) {
            const long double factor = r == i ? 0.0L : a[r + i * p];
            for (int64_t c = 0; c < p && factor != 0.0L; c++) {
                a[r + c * p] -= factor * a[i + c * p];
                out->inverse[r + c * p] -= factor * out->inverse[i + c * p];
            }
        }
    }
    free(a);
}

static void slow_solve(const problem *problem, const double *rho, slow *out)
{
    const int64_t p = problem->p, n = PROBLEM_ROWS;
    memset(out, 0, sizeof *out);
    out->p = p;
    out->h = calloc((size_t)(p * p), sizeof(long double));
    out->inverse = calloc((size_t)(p * p), sizeof(long double));
    out->beta = calloc((size_t)p, sizeof(double));
    for (int64_t i = 0; i < p * p; i++) {
        out->h[i] = problem->matrix[i];
    }
    slow_penalties(problem, rho, out);
    slow_invert(out);
    for (int64_t r = 0; r < p; r++) {
        long double sum = 0.0L;
        for (int64_t c = 0; c < p; c++) {
            sum += out->inverse[r + c * p] * problem->rhs[c];
        }
        out->beta[r] = (double)sum;
    }
    for (int64_t i = 0; i < n; i++) {
        double fit = 0.0;
        for (int64_t c = 0; c < p; c++) {
            fit += problem->x[i + c * n] * out->beta[c];
        }
        out->rss += (problem->z[i] - fit) * (problem->z[i] - fit);
    }
}

static void slow_free(slow *out)
{
    for (int j = 0; j < PROBLEM_SP; j++) {
        free(out->v[j]);
    }
    free(out->h);
    free(out->inverse);
    free(out->beta);
}

static long double *slow_product(int64_t p, const long double *a, const long double *b)
{
    long double *out = calloc((size_t)(p * p), sizeof *out);
    for (int64_t c = 0; c < p; c++) {
        for (int64_t m = 0; m < p; m++) {
            for (int64_t r = 0; r < p && b[m + c * p] != 0.0L; r++) {
                out[r + c * p] += a[r + m * p] * b[m + c * p];
            }
        }
    }
    return out;
}

static double slow_trace(int64_t p, const long double *a, const long double *b)
{
    long double sum = 0.0L;
    for (int64_t c = 0; c < p; c++) {
        for (int64_t r = 0; r < p; r++) {
            sum += a[r + c * p] * b[c + r * p];
        }
    }
    return (double)sum;
}

#define assert_close(actual, expected, relative)                                                                       \
    do {                                                                                                               \
        const double close_a = (actual), close_e = (expected), close_r = (relative);                                   \
        if (!(fabs(close_a - close_e) <= close_r * (1.0 + fabs(close_e)))) {                                           \
            fail_msg("line %d: %s = %.17g, expected %.17g (%.3g)", __LINE__, #actual, close_a, close_e, close_a - close_e); \
        }                                                                                                              \
    } while (0)

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void check_derivatives(w_system *system, const problem *problem, const slow *slow)
{
    const int m = problem->design.sp_count;
    const int64_t p = problem->p;
    double trace[PROBLEM_SP], cross[PROBLEM_SP * PROBLEM_SP], curvature[PROBLEM_SP * PROBLEM_SP], pull[PROBLEM_SP];
    long double *pv[PROBLEM_SP];
    assert_int_equal(w_system_derivatives(system, trace, cross, curvature), WEIR_OK);
    w_system_penalty(system, pull);
    for (int i = 0; i < m; i++) {
        pv[i] = slow_product(p, slow->inverse, slow->v[i]);
    }
    for (int i = 0; i < m; i++) {
        long double exact = 0.0L, quadratic = 0.0L;
        for (int64_t c = 0; c < p; c++) {
            exact += pv[i][c * (p + 1)];
            for (int64_t r = 0; r < p; r++) {
                quadratic += slow->beta[r] * slow->v[i][r + c * p] * slow->beta[c];
            }
        }
        assert_close(trace[i], (double)exact, 1e-12);
        assert_close(pull[i], (double)quadratic, 1e-11);
        for (int j = 0; j < m; j++) {
            long double form = 0.0L;
            assert_close(cross[i * m + j], slow_trace(p, pv[i], pv[j]), 1e-12);
            for (int64_t r = 0; r < p; r++) { /* beta'V_i (P V_j beta) */
                long double left = 0.0L, right = 0.0L;
                for (int64_t c = 0; c < p; c++) {
                    left += slow->v[i][r + c * p] * slow->beta[c];
                    right += pv[j][r + c * p] * slow->beta[c];
                }
                form += left * right;
            }
            assert_close(curvature[i * m + j], (double)form, 1e-11);
        }
    }
    for (int i = 0; i < m; i++) {
        free(pv[i]);
    }
}

static void check_leverage(w_system *system, const problem *problem, const slow *slow)
{
    const int64_t p = problem->p;
    double *edf = malloc(2 * (size_t)p * sizeof *edf), *square = edf + p;
    long double *a = malloc((size_t)(p * p) * sizeof *a);
    for (int64_t i = 0; i < p * p; i++) {
        a[i] = problem->matrix[i];
    }
    long double *f = slow_product(p, slow->inverse, a), *ff = slow_product(p, f, f), *fp = slow_product(p, f, slow->inverse);
    assert_int_equal(w_system_leverage(system, edf, square), WEIR_OK);
    for (int64_t i = 0; i < p; i++) {
        assert_close(edf[i], (double)f[i * (p + 1)], 1e-12);
        assert_close(square[i], (double)ff[i * (p + 1)], 1e-12);
    }
    const int64_t block[][2] = { { 0, 8 }, { 8, 12 }, { PROBLEM_CORE, 2 * problem->k }, { PROBLEM_CORE + problem->k, problem->k } };
    for (int b = 0; b < 4; b++) {
        const int64_t first = block[b][0], count = block[b][1];
        double out[256];
        assert_int_equal(w_system_frequentist_block(system, first, count, out), WEIR_OK);
        for (int64_t r = 0; r < count; r++) {
            for (int64_t c = 0; c < count; c++) {
                assert_close(out[r * count + c], (double)fp[first + r + (first + c) * p], 1e-12);
            }
        }
    }
    free(fp);
    free(ff);
    free(f);
    free(a);
    free(edf);
}

static void check_covariance(w_system *system, const problem *problem, const slow *slow)
{
    const int64_t p = problem->p;
    double *out = malloc((size_t)(p * p) * sizeof *out);
    w_covariance *covariance = NULL;
    assert_int_equal(w_system_covariance(system, &covariance), WEIR_OK);
    assert_int_equal(w_covariance_block(covariance, 0, p, 0, p, out), WEIR_OK);
    for (int64_t r = 0; r < p; r++) {
        for (int64_t c = 0; c < p; c++) {
            assert_close(out[r * p + c], (double)slow->inverse[r + c * p], 1e-12);
        }
    }
    assert_int_equal(w_covariance_block(covariance, 0, p + 1, 0, 1, out), WEIR_E_ARG);
    w_covariance_free(covariance);
    assert_int_equal(w_gram_block(&problem->gram, 0, p, out), WEIR_OK);
    for (int64_t i = 0; i < p * p; i++) {
        assert_true(out[i] == problem->matrix[i]);
    }
    free(out);
}

static void check_problem(int64_t levels, int64_t k, bool arrow, bool two_levels, int threads)
{
    weir_ctx *ctx = test_ctx(NULL, threads, 0);
    problem problem;
    slow slow;
    w_system *system = NULL;
    problem_make(ctx, &problem, levels, k, arrow, two_levels);
    slow_solve(&problem, rho_plain, &slow);
    assert_int_equal(w_system_create(ctx, &problem.gram, &problem.design, &system), WEIR_OK);
    assert_int_equal(w_system_factor(system, rho_plain), WEIR_OK);
    assert_int_equal(w_system_rank(system), problem.p);
    assert_int_equal(w_system_null_dimension(system), 2 + 2 + 0 + 1);
    assert_close(w_system_log_det(system), (double)slow.log_det, 1e-13);
    assert_close(w_system_rss(system), slow.rss, 1e-12);
    assert_true(w_system_backward_error(system) <= (double)(problem.p + 8) * DBL_EPSILON);
    assert_true(w_system_condition(system) >= 1.0 && w_system_condition(system) < 1e6);
    for (int64_t i = 0; i < problem.p; i++) {
        assert_close(w_system_beta(system)[i], slow.beta[i], 1e-12);
    }
    check_derivatives(system, &problem, &slow);
    check_leverage(system, &problem, &slow);
    check_covariance(system, &problem, &slow);
    w_system_free(system);
    slow_free(&slow);
    problem_free(&problem);
    weir_ctx_destroy(ctx);
}

static void test_dense(void **state)
{
    (void)state;
    check_problem(8, 1, false, true, 1);
    check_problem(6, 3, false, true, 1);
}

static void test_arrow(void **state)
{
    (void)state;
    check_problem(12, 1, true, false, 1);
    check_problem(12, 1, true, true, 2);
    check_problem(7, 3, true, true, 1);
    check_problem(2, 4, true, true, 1);
}

/* log|H_r| and its traces: the penalised coordinates by brute force, from H + M N N' with M -> large is avoided; instead
 * log|H_r| = log|H| + log|N'PN| with N the null directions of the total penalty. */
static void test_range(void **state)
{
    (void)state;
    for (int arrow = 0; arrow < 2; arrow++) {
        weir_ctx *ctx = test_ctx(NULL, 1, 0);
        problem problem;
        slow slow;
        w_system *system = NULL;
        problem_make(ctx, &problem, 10, 1, arrow, true);
        slow_solve(&problem, rho_plain, &slow);
        assert_int_equal(w_system_create(ctx, &problem.gram, &problem.design, &system), WEIR_OK);
        assert_int_equal(w_system_factor(system, rho_plain), WEIR_OK);
        double basis[PROBLEM_CORE * 5] = { 0 }, total[36], u[36], value[6], schur[25], log_det = 0.0, root[25];
        basis[0] = basis[1 + PROBLEM_CORE] = 1.0;
        for (int b = 0; b < 2; b++) { /* null spaces of the first and the third term */
            const int count = b == 0 ? 2 : 1, place = b == 0 ? 2 : 4, first = b == 0 ? 2 : 14;
            for (int i = 0; i < 36; i++) {
                total[i] = b == 0 ? problem.single[i] : problem.left[i] + problem.right[i];
            }
            memcpy(u, total, sizeof u);
            assert_int_equal(w_eigen_symmetric(ctx, 6, u, value, true), WEIR_OK);
            for (int e = 0; e < count; e++) {
                memcpy(basis + (place + e) * PROBLEM_CORE + first, u + 6 * e, 6 * sizeof(double));
            }
        }
        for (int r = 0; r < 5; r++) {
            for (int c = 0; c < 5; c++) {
                long double sum = 0.0L;
                for (int a = 0; a < PROBLEM_CORE; a++) {
                    for (int b = 0; b < PROBLEM_CORE; b++) {
                        sum += (long double)basis[a + r * PROBLEM_CORE] * slow.inverse[a + b * problem.p] *
                               basis[b + c * PROBLEM_CORE];
                    }
                }
                schur[r + 5 * c] = (double)sum;
            }
        }
        assert_int_equal(w_small_chol(5, schur, 0.0, root, &log_det), 5);
        double range = 0.0, trace[PROBLEM_SP], cross[PROBLEM_SP * PROBLEM_SP];
        assert_int_equal(w_system_range_derivatives(system, &range, trace, cross), WEIR_OK);
        assert_close(range, (double)slow.log_det + log_det, 1e-12);
        for (int j = 0; j < PROBLEM_SP; j++) { /* d log|H_r| / d rho_j and its derivative by central differences */
            double rho[PROBLEM_SP], ahead, behind, up[PROBLEM_SP], down[PROBLEM_SP];
            const double step = 1e-5;
            memcpy(rho, rho_plain, sizeof rho);
            rho[j] += step;
            assert_int_equal(w_system_factor(system, rho), WEIR_OK);
            assert_int_equal(w_system_range_derivatives(system, &ahead, up, NULL), WEIR_OK);
            rho[j] -= 2.0 * step;
            assert_int_equal(w_system_factor(system, rho), WEIR_OK);
            assert_int_equal(w_system_range_derivatives(system, &behind, down, NULL), WEIR_OK);
            assert_close(trace[j], (ahead - behind) / (2.0 * step), 1e-8);
            for (int i = 0; i < PROBLEM_SP; i++) {
                const double exact = (i == j ? trace[i] : 0.0) - cross[i * PROBLEM_SP + j];
                assert_close(exact, (up[i] - down[i]) / (2.0 * step), 1e-8);
            }
        }
        w_system_free(system);
        slow_free(&slow);
        problem_free(&problem);
        weir_ctx_destroy(ctx);
    }
}

/* Gradient and Hessian of the residual sum of squares, and tr F's second derivatives, by central differences. */
static void test_rss_and_effect(void **state)
{
    (void)state;
    for (int arrow = 0; arrow < 2; arrow++) {
        weir_ctx *ctx = test_ctx(NULL, 1, 0);
        problem problem;
        w_system *system = NULL;
        const int m = PROBLEM_SP;
        double gradient[PROBLEM_SP], hessian[PROBLEM_SP * PROBLEM_SP], effect[PROBLEM_SP * PROBLEM_SP];
        double trace[PROBLEM_SP], cross[PROBLEM_SP * PROBLEM_SP];
        problem_make(ctx, &problem, 10, arrow ? 2 : 1, arrow, true);
        assert_int_equal(w_system_create(ctx, &problem.gram, &problem.design, &system), WEIR_OK);
        assert_int_equal(w_system_factor(system, rho_plain), WEIR_OK);
        assert_int_equal(w_system_derivatives(system, trace, cross, NULL), WEIR_OK);
        assert_int_equal(w_system_rss_derivatives(system, gradient, hessian), WEIR_OK);
        assert_int_equal(w_system_effect_cross(system, effect), arrow ? WEIR_DECLINED : WEIR_OK);
        for (int j = 0; j < m; j++) {
            double rho[PROBLEM_SP], up[PROBLEM_SP], down[PROBLEM_SP], slope_up[PROBLEM_SP], slope_down[PROBLEM_SP];
            const double step = 1e-5;
            double rss[2];
            for (int side = 0; side < 2; side++) {
                double t[PROBLEM_SP], c[PROBLEM_SP * PROBLEM_SP];
                memcpy(rho, rho_plain, sizeof rho);
                rho[j] += side == 0 ? step : -step;
                assert_int_equal(w_system_factor(system, rho), WEIR_OK);
                rss[side] = w_system_rss(system);
                assert_int_equal(w_system_rss_derivatives(system, side == 0 ? up : down, NULL), WEIR_OK);
                assert_int_equal(w_system_derivatives(system, t, c, NULL), WEIR_OK);
                for (int i = 0; i < m; i++) {
                    double *slope = side == 0 ? slope_up : slope_down;
                    slope[i] = -t[i];
                    for (int k = 0; k < m; k++) {
                        slope[i] += c[i * m + k];
                    }
                }
            }
            assert_close(gradient[j], (rss[0] - rss[1]) / (2.0 * step), 1e-7);
            double slope = -trace[j];
            for (int i = 0; i < m; i++) {
                slope += cross[j * m + i];
                assert_close(hessian[i * m + j], (up[i] - down[i]) / (2.0 * step), 1e-8);
            }
            for (int i = 0; i < m && !arrow; i++) {
                const double exact = (i == j ? slope : 0.0) + effect[i * m + j] + effect[j * m + i];
                assert_close(exact, (slope_up[i] - slope_down[i]) / (2.0 * step), 1e-8);
            }
        }
        w_system_free(system);
        problem_free(&problem);
        weir_ctx_destroy(ctx);
    }
}

/* lambda from 1e-12 to 1e12: edf runs between the number of columns and the null dimension, nothing breaks. */
static void test_extreme_lambda(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    problem problem;
    w_system *system = NULL;
    problem_make(ctx, &problem, 10, 1, true, false);
    assert_int_equal(w_system_create(ctx, &problem.gram, &problem.design, &system), WEIR_OK);
    double *edf = malloc(2 * (size_t)problem.p * sizeof *edf);
    for (int side = 0; side < 2; side++) {
        double rho[PROBLEM_SP], total = 0.0;
        for (int j = 0; j < PROBLEM_SP; j++) {
            rho[j] = side == 0 ? 28.0 : -28.0;
        }
        rho[5] = side == 0 ? 28.0 : -14.0; /* without any penalty the levels and the intercept are collinear */
        assert_int_equal(w_system_factor(system, rho), WEIR_OK);
        assert_true(w_system_backward_error(system) < 1e-13);
        assert_int_equal(w_system_leverage(system, edf, edf + problem.p), WEIR_OK);
        for (int64_t i = 0; i < problem.p; i++) {
            total += edf[i];
        }
        assert_close(total, side == 0 ? 5.0 : (double)problem.p - 1.0, 1e-5);
    }
    double huge[PROBLEM_SP] = { 800, 0, 0, 0, 0, 0, 0 };
    assert_int_equal(w_system_factor(system, huge), WEIR_E_NUMERIC);
    assert_int_equal(w_system_factor(system, rho_plain), WEIR_OK);
    free(edf);
    w_system_free(system);
    problem_free(&problem);
    weir_ctx_destroy(ctx);
}

/* Column 1 made a copy of the intercept: rank p - 1, its coefficient 0, the rest solves the smaller problem. */
static void test_rank_deficient(void **state)
{
    (void)state;
    for (int arrow = 0; arrow < 2; arrow++) {
        weir_ctx *ctx = test_ctx(NULL, 1, 0);
        problem problem;
        w_system *system = NULL;
        problem_make(ctx, &problem, 10, 1, false, false);
        const int64_t p = problem.p;
        memcpy(problem.x + PROBLEM_ROWS, problem.x, PROBLEM_ROWS * sizeof(double));
        for (int64_t c = 0; c < p; c++) {
            for (int64_t r = 0; r < p; r++) {
                const int64_t a = r == 1 ? 0 : r, b = c == 1 ? 0 : c;
                problem.matrix[r + c * p] = w_dot(PROBLEM_ROWS, problem.x + a * PROBLEM_ROWS, problem.x + b * PROBLEM_ROWS);
            }
        }
        problem.rhs[1] = problem.rhs[0];
        if (arrow) {
            problem_arrow(&problem);
        }
        assert_int_equal(w_system_create(ctx, &problem.gram, &problem.design, &system), WEIR_OK);
        assert_int_equal(w_system_factor(system, rho_plain), WEIR_RANK_DEFICIENT);
        assert_non_null(strstr(weir_ctx_message(ctx), "rank"));
        assert_int_equal(w_system_rank(system), p - 1);
        assert_int_equal(w_system_null_dimension(system), 4);
        const double *beta = w_system_beta(system);
        assert_true(beta[0] == 0.0 || beta[1] == 0.0);
        double *edf = malloc(2 * (size_t)p * sizeof *edf), residual = 0.0;
        for (int64_t i = 0; i < PROBLEM_ROWS; i++) {
            double fit = 0.0;
            for (int64_t c = 0; c < p; c++) {
                fit += problem.x[i + c * PROBLEM_ROWS] * beta[c];
            }
            residual += (problem.z[i] - fit) * (problem.z[i] - fit);
        }
        assert_close(w_system_rss(system), residual, 1e-11);
        assert_true(w_system_backward_error(system) < 1e-13);
        assert_int_equal(w_system_leverage(system, edf, edf + p), WEIR_OK);
        assert_close(edf[0] + edf[1], 1.0, 1e-10);
        free(edf);
        w_system_free(system);
        problem_free(&problem);
        weir_ctx_destroy(ctx);
    }
}

/* Many levels: several chunks, any number of threads, the same bits. */
static void test_threads(void **state)
{
    (void)state;
    double beta[3][PROBLEM_CORE], trace[3][PROBLEM_SP], cross[3][PROBLEM_SP * PROBLEM_SP];
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(NULL, threads, 0);
        problem problem;
        w_system *system = NULL;
        problem_make(ctx, &problem, 1600, 1, false, false);
        problem_arrow(&problem);
        assert_int_equal(w_system_create(ctx, &problem.gram, &problem.design, &system), WEIR_OK);
        assert_int_equal(w_system_factor(system, rho_plain), WEIR_OK);
        memcpy(beta[threads - 1], w_system_beta(system), sizeof beta[0]);
        assert_int_equal(w_system_derivatives(system, trace[threads - 1], cross[threads - 1], NULL), WEIR_OK);
        w_system_free(system);
        problem_free(&problem);
        weir_ctx_destroy(ctx);
    }
    for (int t = 1; t < 3; t++) {
        assert_memory_equal(beta[0], beta[t], sizeof beta[0]);
        assert_memory_equal(trace[0], trace[t], 6 * sizeof(double));
        assert_memory_equal(cross[0], cross[t], 36 * sizeof(double));
    }
}

static weir_status whole_run(weir_ctx *ctx, void *arg)
{
    problem *problem = arg;
    w_system *system = NULL;
    w_covariance *covariance = NULL;
    double trace[PROBLEM_SP], cross[PROBLEM_SP * PROBLEM_SP], log_det, block[36], edf[200];
    weir_status status = w_system_create(ctx, &problem->gram, &problem->design, &system);
    status = status < 0 ? status : w_system_factor(system, rho_plain);
    status = status < 0 ? status : w_system_derivatives(system, trace, cross, NULL);
    status = status < 0 ? status : w_system_range_derivatives(system, &log_det, trace, cross);
    status = status < 0 ? status : w_system_rss_derivatives(system, trace, cross);
    status = status < 0 ? status : w_system_effect_cross(system, cross);
    status = status < 0 ? status : w_system_leverage(system, edf, edf + 100);
    status = status < 0 ? status : w_system_frequentist_block(system, 2, 6, block);
    status = status < 0 ? status : w_system_covariance(system, &covariance);
    status = status < 0 ? status : w_covariance_block(covariance, 0, 6, 0, 6, block);
    w_covariance_free(covariance);
    w_system_free(system);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    for (int arrow = 0; arrow < 2; arrow++) {
        weir_ctx *ctx = test_ctx(NULL, 1, 0);
        problem problem;
        problem_make(ctx, &problem, 10, 1, arrow, true);
        assert_true(test_each_allocation_fails(ctx, whole_run, &problem) > 10);
        weir_memory_info memory;
        w_ledger_reset_peak(ctx);
        assert_true(whole_run(ctx, &problem) >= 0);
        weir_ctx_memory(ctx, &memory);
        w_block block = { .kind = W_BLOCK_FACTOR, .levels = 10, .level_columns = 1, .level_first = (int64_t[]){ PROBLEM_CORE } };
        problem.design.block = &block;
        problem.design.block_count = 1;
        assert_true(memory.peak - memory.in_use <= w_system_bytes(&problem.design, arrow ? 0 : -1));
        problem_free(&problem);
        weir_ctx_destroy(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense), cmocka_unit_test(test_arrow), cmocka_unit_test(test_range),
        cmocka_unit_test(test_rss_and_effect), cmocka_unit_test(test_extreme_lambda), cmocka_unit_test(test_rank_deficient),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
