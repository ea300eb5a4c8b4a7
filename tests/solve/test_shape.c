/* SPDX-License-Identifier: Apache-2.0 */
/* Non-negative least squares: beside the best of all active sets where they can be tried one by one, by its
 * optimality conditions elsewhere; dependent, duplicate and empty coordinates; starts; failing allocations. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "solve/cone.h"
#include "support/test.h"

#define MOST 80

typedef struct problem {
    int64_t m;
    double matrix[MOST * MOST], rhs[MOST], c[MOST];
} problem;

/* G = B'B from n rows, g = B'z; spread: units of the coordinates differ by up to that many decades; twins: the
 * second half of the columns repeats the first. */
static void make(problem *p, w_rng *rng, int64_t m, int64_t n, double spread, int twins)
{
    static double b[2 * MOST * MOST], z[2 * MOST];
    p->m = m;
    for (int64_t j = 0; j < m; j++) {
        double unit = pow(10, spread * (w_rng_uniform(rng) - 0.5));
        for (int64_t i = 0; i < n; i++)
            b[i * m + j] = twins && j >= m / 2 ? b[i * m + j - m / 2] : unit * (w_rng_normal(rng) + 0.5);
    }
    for (int64_t i = 0; i < n; i++)
        z[i] = w_rng_normal(rng) + 0.2;
    for (int64_t i = 0; i < m; i++) {
        p->rhs[i] = 0;
        for (int64_t r = 0; r < n; r++)
            p->rhs[i] += b[r * m + i] * z[r];
        for (int64_t j = 0; j < m; j++) {
            p->matrix[i + j * m] = 0;
            for (int64_t r = 0; r < n; r++)
                p->matrix[i + j * m] += b[r * m + i] * b[r * m + j];
        }
    }
}

static double objective(const problem *p, const double *c)
{
    double sum = 0;
    for (int64_t i = 0; i < p->m; i++) {
        sum -= p->rhs[i] * c[i];
        for (int64_t j = 0; j < p->m; j++)
            sum += 0.5 * c[i] * p->matrix[i + j * p->m] * c[j];
    }
    return sum;
}

/* Largest violation: (g - Gc)_i+ at 0, |(g - Gc)_i| above, over |g_i| + sum |G_ik c_k|. */
static double violation(const problem *p)
{
    double worst = 0;
    for (int64_t i = 0; i < p->m; i++) {
        double gradient = p->rhs[i], size = fabs(gradient);
        for (int64_t j = 0; j < p->m; j++) {
            gradient -= p->matrix[i + j * p->m] * p->c[j];
            size += fabs(p->matrix[i + j * p->m] * p->c[j]);
        }
        assert_true(p->c[i] >= 0);
        double wrong = p->c[i] > 0 ? fabs(gradient) : fmax(gradient, 0);
        worst = fmax(worst, size > 0 ? wrong / size : 0);
    }
    return worst;
}

/* Gaussian elimination without pivoting on the coordinates of `mask`; 0 elsewhere. */
static void solve_on(const problem *p, unsigned mask, double *c)
{
    double a[8][9];
    int64_t index[8], n = 0;
    for (int64_t i = 0; i < p->m; i++) {
        c[i] = 0;
        if (mask >> i & 1)
            index[n++] = i;
    }
    for (int64_t r = 0; r < n; r++) {
        for (int64_t k = 0; k < n; k++)
            a[r][k] = p->matrix[index[r] + index[k] * p->m];
        a[r][n] = p->rhs[index[r]];
    }
    for (int64_t k = 0; k < n; k++)
        for (int64_t r = k + 1; r < n; r++) {
            double factor = a[r][k] / a[k][k];
            for (int64_t q = k; q <= n; q++)
                a[r][q] -= factor * a[k][q];
        }
    for (int64_t r = n - 1; r >= 0; r--) {
        for (int64_t q = r + 1; q < n; q++)
            a[r][n] -= a[r][q] * c[index[q]];
        c[index[r]] = a[r][n] / a[r][r];
    }
}

static void test_beside_every_active_set(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_rng rng;
    w_rng_seed(&rng, 11);
    problem p;
    for (int trial = 0; trial < 300; trial++) {
        make(&p, &rng, 1 + trial % 8, 12, 0, 0);
        memset(p.c, 0, sizeof p.c);
        w_cone_report report;
        assert_int_equal(w_cone_solve(ctx, p.m, p.matrix, p.rhs, p.c, &report), WEIR_OK);
        double best = INFINITY, chosen[8] = {0};
        for (unsigned mask = 0; mask < 1u << p.m; mask++) {
            double c[8];
            int feasible = 1;
            solve_on(&p, mask, c);
            for (int64_t i = 0; i < p.m; i++)
                feasible &= c[i] >= 0;
            if (feasible && objective(&p, c) < best) {
                best = objective(&p, c);
                memcpy(chosen, c, sizeof c);
            }
        }
        for (int64_t i = 0; i < p.m; i++) {
            if (!(fabs(p.c[i] - chosen[i]) <= 1e-10 * (1 + fabs(chosen[i]))))
                fail_msg("trial %d, coordinate %d: %.17g, the best of all active sets has %.17g", trial, (int)i, p.c[i],
                         chosen[i]);
            assert_int_equal(p.c[i] > 0, chosen[i] > 0);
        }
        assert_true(report.violation <= 1e-12);
    }
    weir_ctx_destroy(ctx);
}

/* 1000 random problems of all sizes, some of them singular, from arbitrary starts. The gradient is a sum of m + 1
 * products: its rounding error, and that of the solve behind it, stay below 100 (m + 4) eps times the condition of
 * moderate problems. */
static void test_optimality(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_rng rng;
    w_rng_seed(&rng, 12);
    problem p;
    for (int trial = 0; trial < 1000; trial++) {
        int64_t m = 1 + (int64_t)(w_rng_uniform(&rng) * (MOST - 1));
        int64_t n = trial % 3 == 0 ? w_rng_uniform(&rng) * (double)m + 1 : 2 * m; /* fewer rows than coordinates: singular */
        make(&p, &rng, m, n, trial % 2 ? 12 : 0, trial % 7 == 0);
        for (int64_t i = 0; i < m; i++)
            p.c[i] = trial % 5 == 0 && w_rng_uniform(&rng) < 0.5 ? w_rng_uniform(&rng) : 0;
        w_cone_report report;
        assert_int_equal(w_cone_solve(ctx, m, p.matrix, p.rhs, p.c, &report), WEIR_OK);
        double worst = violation(&p);
        if (!(worst <= 1e-9))
            fail_msg("trial %d: m = %d, %d rows: violation %g", trial, (int)m, (int)n, worst);
        assert_true(fabs(worst - report.violation) <= 1e-9);
    }
    weir_ctx_destroy(ctx);
}

static void test_start_does_not_matter(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_rng rng;
    w_rng_seed(&rng, 13);
    problem p;
    make(&p, &rng, 40, 60, 3, 0);
    w_cone_report cold, warm;
    memset(p.c, 0, sizeof p.c);
    assert_int_equal(w_cone_solve(ctx, p.m, p.matrix, p.rhs, p.c, &cold), WEIR_OK);
    double want[MOST];
    memcpy(want, p.c, sizeof want);
    assert_int_equal(w_cone_solve(ctx, p.m, p.matrix, p.rhs, p.c, &warm), WEIR_OK);
    assert_int_equal(warm.steps, 0);
    for (int trial = 0; trial < 20; trial++) {
        for (int64_t i = 0; i < p.m; i++)
            p.c[i] = w_rng_uniform(&rng) < 0.5 ? 0 : w_rng_uniform(&rng) * 10;
        assert_int_equal(w_cone_solve(ctx, p.m, p.matrix, p.rhs, p.c, &warm), WEIR_OK);
        for (int64_t i = 0; i < p.m; i++) {
            assert_int_equal(p.c[i] > 0, want[i] > 0);
            assert_true(fabs(p.c[i] - want[i]) <= 1e-10 * (1 + fabs(want[i])));
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_corners(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_cone_report report;
    double one = 4, right = 2, c = 0;
    assert_int_equal(w_cone_solve(ctx, 0, NULL, NULL, NULL, &report), WEIR_OK);
    assert_int_equal(w_cone_solve(ctx, 1, &one, &right, &c, &report), WEIR_OK);
    assert_true(c == 0.5);
    right = -2;
    assert_int_equal(w_cone_solve(ctx, 1, &one, &right, &c, &report), WEIR_OK);
    assert_true(c == 0);
    /* a coordinate that nothing depends on, and everything at 0 */
    double empty[4] = {4, 0, 0, 0}, g[2] = {6, 0}, x[2] = {0, 1};
    assert_int_equal(w_cone_solve(ctx, 2, empty, g, x, &report), WEIR_OK);
    assert_true(x[0] == 1.5 && x[1] == 0);
    double zero[4] = {0}, none[2] = {0}, y[2] = {1, 1};
    assert_int_equal(w_cone_solve(ctx, 2, zero, none, y, &report), WEIR_OK);
    assert_true(y[0] == 0 && y[1] == 0);
    /* on the edge: the unconstrained solution has an exact zero */
    double identity[4] = {1, 0, 0, 1}, edge[2] = {0, 1}, e[2] = {0, 0};
    assert_int_equal(w_cone_solve(ctx, 2, identity, edge, e, &report), WEIR_OK);
    assert_true(e[0] == 0 && e[1] == 1 && report.violation == 0);
    weir_ctx_destroy(ctx);
}

static weir_status solve_copy(weir_ctx *ctx, void *arg)
{
    problem p = *(const problem *)arg;
    w_cone_report report;
    return w_cone_solve(ctx, p.m, p.matrix, p.rhs, p.c, &report);
}

static void test_allocations_fail(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_rng rng;
    w_rng_seed(&rng, 14);
    static problem p;
    make(&p, &rng, 20, 30, 0, 0);
    assert_true(test_each_allocation_fails(ctx, solve_copy, &p) > 0);
    weir_memory_info memory;
    weir_ctx_memory(ctx, &memory);
    assert_true(memory.peak - memory.in_use <= w_cone_bytes(p.m) + 256);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside_every_active_set),
        cmocka_unit_test(test_optimality),
        cmocka_unit_test(test_start_does_not_matter),
        cmocka_unit_test(test_corners),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
