/* SPDX-License-Identifier: Apache-2.0 */
/* Conjugate gradients against dense solutions and the bounds that the spectrum gives; every way of failing. */
#include "krylov/matrix.h"

#include <float.h>

#include "krylov/cg.h"

/* Steps after which || r_k || <= tolerance || r_0 || by the Chebyshev bound 2 sqrt(kappa) q^k. */
static int64_t chebyshev_steps(double condition, double tolerance)
{
    const double q = (sqrt(condition) - 1.0) / (sqrt(condition) + 1.0);
    return (int64_t)ceil(log(2.0 * sqrt(condition) / tolerance) / -log(q));
}

static void test_known_spectra(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const double condition[] = { 2.0, 50.0, 1e3, 1e5 };
    for (int c = 0; c < 4; c++) {
        const int64_t n = 120;
        matrix m = { .ctx = ctx, .groups = 1, .n = { n }, .a = { matrix_geometric(n, condition[c], 3) } };
        const w_operator a = matrix_operator(&m);
        double *b = random_vector(n, 5), *x = malloc((size_t)n * sizeof *x), *exact = dense_solution(&m, 1, b);
        const w_cg_options options = { .right_hand_sides = 1, .tolerance = 1e-9 };
        w_cg_result result;
        assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, &result), WEIR_OK);
        assert_int_equal(result.state, W_CG_CONVERGED);
        assert_true(result.iterations <= chebyshev_steps(condition[c], 0.9e-9));
        assert_true(result.preconditioned <= 1e-9 && result.rounds >= 1);
        /* the reported residual is the true one */
        double *r = malloc((size_t)n * sizeof *r);
        for (int64_t i = 0; i < n; i++) {
            r[i] = b[i] - w_dot(n, m.a[0] + i * n, x);
        }
        const double rounding = 4.0 * (double)n * DBL_EPSILON * condition[c] * norm(n, x) / norm(n, b);
        assert_true(fabs(norm(n, r) / norm(n, b) - result.residual) <= rounding);
        assert_true(distance(n, x, exact) <=
                    condition[c] * (1e-9 + 8.0 * (double)n * DBL_EPSILON * condition[c]) * norm(n, exact));
        free(r);
        free(exact);
        free(x);
        free(b);
        matrix_free(&m);
    }
    weir_ctx_destroy(ctx);
}

static void test_few_distinct_eigenvalues(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double value[90];
    for (int i = 0; i < 90; i++) {
        value[i] = (double[]){ 1.0, 3.0, 7.0, 20.0 }[i % 4];
    }
    matrix m = { .ctx = ctx, .groups = 1, .n = { 90 }, .a = { matrix_with_spectrum(90, value, 8) } };
    const w_operator a = matrix_operator(&m);
    double *b = random_vector(90, 6), x[90];
    const w_cg_options options = { .right_hand_sides = 1, .tolerance = 1e-11 };
    w_cg_result result;
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, &result), WEIR_OK);
    assert_int_equal(result.iterations, 4);
    free(b);
    matrix_free(&m);
    weir_ctx_destroy(ctx);
}

/* Three ragged groups, three right-hand sides each: answers as dense, finished systems cost nothing more. */
static void test_groups_and_dropping(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const int64_t n[3] = { 17, 1, 60 };
    matrix m = { .ctx = ctx, .groups = 3 };
    for (int g = 0; g < 3; g++) {
        m.n[g] = n[g];
        m.a[g] = matrix_geometric(n[g], g == 2 ? 1e4 : 5.0, 11 + (uint64_t)g);
    }
    const w_operator a = matrix_operator(&m);
    const int64_t total = 3 * (17 + 1 + 60);
    double *b = random_vector(total, 2), *x = malloc((size_t)total * sizeof *x);
    memset(b + 17, 0, 17 * sizeof *b); /* a right-hand side of zeros */
    double *exact = dense_solution(&m, 3, b);
    const w_cg_options options = { .right_hand_sides = 3, .tolerance = 1e-12 };
    w_cg_result result[9];
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, result), WEIR_OK);
    int64_t steps = 0, longest = 0, offset = 0;
    for (int s = 0; s < 9; s++) {
        const int64_t rows = n[s / 3];
        assert_int_equal(result[s].state, W_CG_CONVERGED);
        assert_true(distance(rows, x + offset, exact + offset) <= 1e-8 * (1e-300 + norm(rows, exact + offset)));
        offset += rows;
        steps += result[s].iterations;
        longest = result[s].iterations > longest ? result[s].iterations : longest;
    }
    assert_int_equal(result[1].iterations, 0);
    assert_int_equal(result[3].iterations, 1);
    /* columns multiplied: the steps, and one per true residual */
    int64_t residuals = 0;
    for (int s = 0; s < 9; s++) {
        residuals += result[s].rounds;
    }
    assert_int_equal(m.columns, steps + residuals);
    assert_true(m.calls <= longest + 4);
    assert_true(steps < 9 * longest);

    /* alone, a system goes through the same numbers */
    matrix one = { .ctx = ctx, .groups = 1, .n = { 60 }, .a = { m.a[2] } };
    const w_operator single = matrix_operator(&one);
    const w_cg_options alone = { .right_hand_sides = 1, .tolerance = 1e-12 };
    double y[60];
    w_cg_result other;
    assert_int_equal(w_cg_solve(ctx, &single, NULL, &alone, b + 3 * 18 + 60, y, &other), WEIR_OK);
    assert_memory_equal(y, x + 3 * 18 + 60, sizeof y);
    assert_int_equal(other.iterations, result[7].iterations);
    free(exact);
    free(x);
    free(b);
    matrix_free(&m);
    weir_ctx_destroy(ctx);
}

static void test_warm_start(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n = 80;
    matrix m = { .ctx = ctx, .groups = 1, .n = { n }, .a = { matrix_geometric(n, 1e3, 3) } };
    const w_operator a = matrix_operator(&m);
    double *b = random_vector(n, 5), x[80], start[80], *exact = dense_solution(&m, 1, b);
    w_cg_options options = { .right_hand_sides = 1, .tolerance = 1e-10, .warm = true };
    w_cg_result result, cold;
    memcpy(x, exact, sizeof x);
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, &result), WEIR_OK);
    assert_int_equal(result.iterations, 0);
    assert_memory_equal(x, exact, sizeof x);

    for (int64_t i = 0; i < n; i++) {
        start[i] = exact[i] * (1.0 + 1e-6 * (double)(i % 3));
    }
    memcpy(x, start, sizeof x);
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, &result), WEIR_OK);
    options.warm = false;
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, &cold), WEIR_OK);
    assert_true(result.iterations > 0 && result.iterations < cold.iterations);
    assert_true(result.preconditioned <= 1e-10);

    options = (w_cg_options){ .right_hand_sides = 1, .tolerance = 1.0 }; /* 0 will do */
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, &result), WEIR_OK);
    assert_true(norm(n, x) == 0.0 && result.iterations == 0 && result.preconditioned == 1.0);

    /* a right-hand side of zeros whatever the start */
    x[3] = 1.0;
    memset(b, 0, (size_t)n * sizeof *b);
    options.warm = true;
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, &result), WEIR_OK);
    assert_true(norm(n, x) == 0.0 && result.iterations == 0);
    free(exact);
    free(b);
    matrix_free(&m);
    weir_ctx_destroy(ctx);
}

/* Criterion (2) alone: the error in the energy norm is what was asked for. */
static void test_energy_criterion(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n = 150;
    matrix m = { .ctx = ctx, .groups = 1, .n = { n }, .a = { matrix_geometric(n, 1e4, 3) } };
    const w_operator a = matrix_operator(&m);
    double *b = random_vector(n, 15), x[150], e[150], *exact = dense_solution(&m, 1, b);
    for (int warm = 0; warm < 2; warm++) {
        const w_cg_options options = { .right_hand_sides = 1, .tolerance = -1.0, .energy_tolerance = 1e-7, .warm = warm };
        w_cg_result result;
        for (int64_t i = 0; i < n; i++) {
            x[i] = 0.5 * exact[i] + 0.01;
        }
        assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, &result), WEIR_OK);
        double energy = 0.0;
        for (int64_t i = 0; i < n; i++) {
            e[i] = x[i] - exact[i];
        }
        for (int64_t i = 0; i < n; i++) {
            energy += e[i] * w_dot(n, m.a[0] + i * n, e);
        }
        assert_true(result.energy_change <= 1e-7 && result.energy_change > 0.0);
        assert_true(sqrt(energy) <= 10.0 * 1e-7 * sqrt(w_dot(n, b, exact)));
        assert_true(result.preconditioned > 1e-10); /* stopped by (2), before (1) would have */
    }
    /* both: the stricter rules; a scale by hand */
    const double scale = 1e-8 * w_dot(n, b, exact);
    const w_cg_options both = { .right_hand_sides = 1, .tolerance = 1e-3, .energy_tolerance = 1e-5, .energy_scale = &scale };
    const w_cg_options loose = { .right_hand_sides = 1, .tolerance = 1e-3 };
    w_cg_result strict, quick;
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &both, b, x, &strict), WEIR_OK);
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &loose, b, x, &quick), WEIR_OK);
    assert_true(strict.iterations > quick.iterations);
    free(exact);
    free(b);
    matrix_free(&m);
    weir_ctx_destroy(ctx);
}

/* Too small a tolerance ends in a status, not in a false claim; the limit likewise, and history and x are the last iterate's. */
static void test_not_converged(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n = 100;
    matrix m = { .ctx = ctx, .groups = 1, .n = { n }, .a = { matrix_geometric(n, 1e6, 3) } };
    const w_operator a = matrix_operator(&m);
    double *b = random_vector(n, 5), x[100], history[8], *exact = dense_solution(&m, 1, b);
    w_cg_options options = { .right_hand_sides = 1, .tolerance = 1e-18, .max_iterations = 100000 };
    w_cg_result result;
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, &result), WEIR_NOT_CONVERGED);
    assert_int_equal(result.state, W_CG_STAGNATED);
    assert_true(result.rounds >= 2 && result.residual > 1e-18 && result.residual < 1e-9);
    assert_true(distance(n, x, exact) <= 1e6 * 1e-9 * norm(n, exact));
    assert_string_not_equal(weir_ctx_message(ctx), "");

    options = (w_cg_options){ .right_hand_sides = 1, .max_iterations = 5, .history = history, .history_rows = 8 };
    for (int i = 0; i < 8; i++) {
        history[i] = -1.0;
    }
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, &result), WEIR_NOT_CONVERGED);
    assert_int_equal(result.state, W_CG_LIMIT);
    assert_int_equal(result.iterations, 5);
    assert_true(history[0] == 1.0 && history[5] > 0.0 && history[6] == -1.0);
    assert_true(fabs(history[5] - result.preconditioned) <= 1e-9 * history[5]);
    free(exact);
    free(b);
    matrix_free(&m);
    weir_ctx_destroy(ctx);
}

static weir_status negate(void *user, const w_vectors *block, const double *r, double *z)
{
    (void)user;
    for (int64_t i = 0; i < block->values; i++) {
        z[i] = -r[i];
    }
    return WEIR_OK;
}

/* diag(1, …, 1, -1): the residual's norm turns negative only when the last entry dominates. */
static weir_status mostly_positive(void *user, const w_vectors *block, const double *r, double *z)
{
    (void)user;
    memcpy(z, r, (size_t)block->values * sizeof *z);
    for (int64_t s = 0; s < block->slices; s++) {
        const w_slice *slice = &block->slice[s];
        for (int64_t k = 0; k < slice->count; k++) {
            z[slice->first + (slice->n - 1) * slice->count + k] *= -1e6;
        }
    }
    return WEIR_OK;
}

static weir_status not_a_number(void *user, const w_vectors *block, const double *r, double *z)
{
    negate(user, block, r, z);
    z[0] = NAN;
    return WEIR_OK;
}

static void test_failures_of_one_system(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double value[30];
    for (int i = 0; i < 30; i++) {
        value[i] = i == 7 ? -2.0 : 1.0 + i;
    }
    matrix m = { .ctx = ctx, .groups = 3, .n = { 30, 30, 30 } };
    m.a[0] = matrix_geometric(30, 100.0, 1);
    m.a[1] = matrix_with_spectrum(30, value, 2);
    m.a[2] = matrix_geometric(30, 10.0, 3);
    const w_operator a = matrix_operator(&m);
    double *b = random_vector(90, 4), x[90];
    w_cg_result result[3];
    w_cg_options options = { .right_hand_sides = 1 };
    for (int i = 0; i < 90; i++) {
        x[i] = 7.0;
    }
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, result), WEIR_E_NUMERIC);
    assert_int_equal(result[1].state, W_CG_INDEFINITE);
    assert_true(x[30] == 7.0 && x[59] == 7.0); /* untouched */
    assert_int_equal(result[0].state, W_CG_CONVERGED);
    assert_int_equal(result[2].state, W_CG_CONVERGED);
    assert_non_null(strstr(weir_ctx_message(ctx), "system 1"));

    b[65] = NAN;
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, result), WEIR_E_NUMERIC);
    assert_int_equal(result[2].state, W_CG_NOT_FINITE);
    assert_int_equal(result[0].state, W_CG_CONVERGED);
    free(b);
    matrix_free(&m);
    weir_ctx_destroy(ctx);
}

static void test_failing_callbacks(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    matrix m = { .ctx = ctx, .groups = 1, .n = { 40 }, .a = { matrix_geometric(40, 1e3, 1) } };
    const w_operator a = matrix_operator(&m);
    double *b = random_vector(80, 4), x[80] = { 0 };
    w_cg_result result[2];
    const w_cg_options options = { .right_hand_sides = 2 };

    const w_preconditioner negative = { .apply = negate }, partly = { .apply = mostly_positive }, nan = { .apply = not_a_number };
    assert_int_equal(w_cg_solve(ctx, &a, &negative, &options, b, x, result), WEIR_E_NUMERIC);
    assert_int_equal(result[0].state, W_CG_PRECONDITIONER);
    w_message_clear(ctx);
    assert_int_equal(w_cg_solve(ctx, &a, &partly, &options, b, x, result), WEIR_E_NUMERIC);
    assert_int_equal(result[1].state, W_CG_PRECONDITIONER);
    w_message_clear(ctx);
    assert_int_equal(w_cg_solve(ctx, &a, &nan, &options, b, x, result), WEIR_E_NUMERIC);
    assert_int_equal(result[0].state, W_CG_NOT_FINITE);

    b[39] = b[79] = 0.0; /* seen only once the iteration has filled the last entry */
    w_message_clear(ctx);
    assert_int_equal(w_cg_solve(ctx, &a, &partly, &options, b, x, result), WEIR_E_NUMERIC);
    assert_true(result[0].state == W_CG_PRECONDITIONER && result[0].iterations >= 1);

    for (int64_t at = 1; at <= 12; at += 11) {
        w_message_clear(ctx);
        m.calls = 0;
        m.fail_at = at;
        assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, result), WEIR_E_IO);
        assert_int_equal(result[0].state, W_CG_STOPPED);
        assert_string_equal(weir_ctx_message(ctx), "the test's product fails");
    }
    m.fail_at = 0;
    w_message_clear(ctx);
    m.calls = 0;
    m.nan_at = 9;
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, result), WEIR_E_NUMERIC);
    assert_int_equal(result[0].state, W_CG_NOT_FINITE);
    assert_int_equal(result[1].state, W_CG_CONVERGED);
    m.nan_at = 0;

    w_message_clear(ctx);
    const w_cg_options none = { .right_hand_sides = 0 }, endless = { .right_hand_sides = 1, .tolerance = -1.0 };
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &none, b, x, result), WEIR_E_ARG);
    assert_int_equal(w_cg_solve(ctx, &a, NULL, &endless, b, x, result), WEIR_E_ARG);
    free(b);
    matrix_free(&m);
    weir_ctx_destroy(ctx);
}

/* (2 + shift) on the diagonal, -1 beside it. */
static weir_status stencil(void *user, const w_vectors *block, const double *x, double *y)
{
    const double shift = *(const double *)user;
    for (int64_t s = 0; s < block->slices; s++) {
        const w_slice *slice = &block->slice[s];
        for (int64_t i = 0; i < slice->n; i++) {
            for (int64_t k = 0; k < slice->count; k++) {
                const int64_t at = slice->first + i * slice->count + k;
                y[at] = (2.0 + shift) * x[at] - (i > 0 ? x[at - slice->count] : 0.0) -
                        (i + 1 < slice->n ? x[at + slice->count] : 0.0);
            }
        }
    }
    return WEIR_OK;
}

static void test_bits_do_not_depend_on_threads(void **state)
{
    const int64_t n[2] = { 30011, 9973 }, total = 3 * (30011 + 9973);
    double shift = 0.05, *b = random_vector(total, 77), *first = NULL;
    w_cg_result expected[6];
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(state, threads, 0);
        const w_operator a = { .apply = stencil, .user = &shift, .groups = 2, .n = n };
        const w_cg_options options = { .right_hand_sides = 3 };
        w_cg_result result[6];
        double *x = malloc((size_t)total * sizeof *x);
        assert_int_equal(w_cg_solve(ctx, &a, NULL, &options, b, x, result), WEIR_OK);
        assert_true(result[0].iterations <= chebyshev_steps((4.0 + shift) / shift, 0.9e-10));
        if (first == NULL) {
            first = x;
            memcpy(expected, result, sizeof expected);
        } else {
            assert_memory_equal(x, first, (size_t)total * sizeof *x);
            for (int s = 0; s < 6; s++) {
                assert_true(result[s].residual == expected[s].residual);
                assert_int_equal(result[s].iterations, expected[s].iterations);
            }
            free(x);
        }
        weir_ctx_destroy(ctx);
    }
    free(first);
    free(b);
}

static weir_status solve_fallible(weir_ctx *ctx, void *arg)
{
    matrix *m = arg;
    m->ctx = ctx;
    const w_operator a = matrix_operator(m);
    const w_cg_options options = { .right_hand_sides = 2 };
    double b[40], x[40];
    w_cg_result result[2];
    for (int i = 0; i < 40; i++) {
        b[i] = i % 7 - 3.0;
    }
    return w_cg_solve(ctx, &a, NULL, &options, b, x, result);
}

static void test_allocations_and_bytes(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    matrix m = { .ctx = ctx, .groups = 1, .n = { 20 }, .a = { matrix_geometric(20, 10.0, 1) } };
    assert_true(test_each_allocation_fails(ctx, solve_fallible, &m) >= 10);
    w_ledger_reset_peak(ctx);
    const int64_t before = atomic_load(&ctx->ledger.in_use);
    assert_int_equal(solve_fallible(ctx, &m), WEIR_OK);
    assert_int_equal(atomic_load(&ctx->ledger.peak) - before, w_cg_bytes(1, m.n, 2));
    matrix_free(&m);
    weir_ctx_destroy(ctx);
}

static int say_stop(void *user)
{
    (void)user;
    return 1;
}

static void test_cancel(void **state)
{
    (void)state;
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 1;
    options.memory_budget = 1 << 24;
    options.cancel = say_stop;
    weir_ctx *ctx = NULL;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    matrix m = { .ctx = ctx, .groups = 1, .n = { 20 }, .a = { matrix_geometric(20, 10.0, 1) } };
    assert_int_equal(solve_fallible(ctx, &m), WEIR_E_CANCELLED);
    matrix_free(&m);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_spectra), cmocka_unit_test(test_few_distinct_eigenvalues),
        cmocka_unit_test(test_groups_and_dropping), cmocka_unit_test(test_warm_start),
        cmocka_unit_test(test_energy_criterion), cmocka_unit_test(test_not_converged),
        cmocka_unit_test(test_failures_of_one_system), cmocka_unit_test(test_failing_callbacks),
        cmocka_unit_test(test_bits_do_not_depend_on_threads), cmocka_unit_test(test_allocations_and_bytes),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
