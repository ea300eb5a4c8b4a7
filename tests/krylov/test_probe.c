/* SPDX-License-Identifier: Apache-2.0 */
/* Lanczos matrices against eigenvalues, and log-determinants and traces against dense ones within their stated errors. */
#include "krylov/matrix.h"

#include <float.h>

#include "krylov/cg.h"
#include "krylov/probe.h"
#include "krylov/tridiagonal.h"

static void test_gauss_rule(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t size[] = { 1, 2, 3, 17, 60 };
    for (int t = 0; t < 5; t++) {
        const int64_t k = size[t];
        double d[60], e[60], weight[60], dense[3600] = { 0 }, value[60];
        w_rng rng;
        w_rng_seed(&rng, 5 + (uint64_t)t);
        for (int64_t i = 0; i < k; i++) {
            d[i] = dense[i * (k + 1)] = 3.0 + w_rng_normal(&rng);
            e[i] = i + 1 < k ? (t == 3 && i == 8 ? 0.0 : w_rng_normal(&rng)) : 0.0;
            if (i + 1 < k) {
                dense[i + (i + 1) * k] = e[i];
            }
        }
        assert_true(w_tridiagonal_gauss(k, d, e, weight));
        assert_int_equal(w_eigen_symmetric(ctx, k, dense, value, true), WEIR_OK);
        double total = 0.0;
        for (int64_t i = 0; i < k; i++) { /* each dense eigenpair is among the rule's nodes, with its weight */
            double nearest = INFINITY, sum = 0.0;
            for (int64_t j = 0; j < k; j++) {
                nearest = fmin(nearest, fabs(d[j] - value[i]));
                sum += fabs(d[j] - value[i]) < 1e-9 ? weight[j] : 0.0;
            }
            assert_true(nearest <= 64.0 * (double)k * DBL_EPSILON * 10.0);
            assert_true(fabs(sum - dense[i * k] * dense[i * k]) <= 1e-10);
            total += weight[i];
        }
        assert_true(fabs(total - 1.0) <= 64.0 * (double)k * DBL_EPSILON);
    }
    double bad[2] = { NAN, 1.0 }, above[2] = { 1.0, 0.0 }, weight[2];
    assert_false(w_tridiagonal_gauss(2, bad, above, weight));
    weir_ctx_destroy(ctx);
}

/* The Ritz values of a solve reach the ends of the spectrum from inside. */
static void test_ritz_values(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const double condition[] = { 10.0, 1e4, 1e7 };
    for (int c = 0; c < 3; c++) {
        matrix m = { .ctx = ctx, .groups = 1, .n = { 60 }, .a = { matrix_geometric(60, condition[c], 3) } };
        const w_operator a = matrix_operator(&m);
        double *b = random_vector(60, 5), x[60], pair[2 * 500], low, high;
        const w_cg_options options = { .right_hand_sides = 1, .coefficient = pair, .coefficient_rows = 500, .tolerance = 1e-8 };
        w_cg_result result;
        assert_true(w_cg_solve(ctx, &a, NULL, &options, b, x, &result) >= 0);
        w_cg_ritz(result.coefficients, pair, &low, &high);
        const double rounding = 60.0 * DBL_EPSILON * condition[c];
        assert_true(low >= 1.0 - 1e-9 - rounding && high <= condition[c] * (1.0 + 1e-9));
        assert_true(low <= 1.1 && high >= 0.99 * condition[c]);
        w_cg_ritz(0, pair, &low, &high);
        assert_true(low == 0.0 && high == 0.0);
        free(b);
        matrix_free(&m);
    }
    weir_ctx_destroy(ctx);
}

/* y = S x with S = diag(0, 1, 2, …) / n */
static weir_status ramp(void *user, const w_vectors *block, const double *x, double *y)
{
    (void)user;
    for (int64_t s = 0; s < block->slices; s++) {
        const w_slice *slice = &block->slice[s];
        for (int64_t i = 0; i < slice->n * slice->count; i++) {
            y[slice->first + i] = (double)(i / slice->count) / (double)slice->n * x[slice->first + i];
        }
    }
    return WEIR_OK;
}

typedef struct truth {
    double log_det[2], trace[2];
} truth;

static truth dense_truth(weir_ctx *ctx, const matrix *m)
{
    truth t = { { 0 }, { 0 } };
    for (int64_t g = 0; g < m->groups; g++) {
        const int64_t n = m->n[g];
        double *r = malloc((size_t)(n * n) * sizeof *r), *inverse = malloc((size_t)(n * n) * sizeof *r);
        int64_t failed;
        memcpy(r, m->a[g], (size_t)(n * n) * sizeof *r);
        assert_int_equal(w_chol_factor(ctx, n, r, &failed), WEIR_OK);
        assert_int_equal(w_chol_inverse(ctx, n, r, inverse, NULL), WEIR_OK);
        t.log_det[g] = w_chol_log_det(n, r);
        for (int64_t i = 0; i < n; i++) {
            t.trace[g] += (double)i / (double)n * inverse[i * (n + 1)];
        }
        free(inverse);
        free(r);
    }
    return t;
}

static void test_estimates(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    matrix m = { .ctx = ctx, .groups = 2, .n = { 100, 60 } };
    m.a[0] = matrix_geometric(100, 300.0, 7);
    m.a[1] = matrix_geometric(60, 20.0, 8);
    const truth exact = dense_truth(ctx, &m);
    const w_operator a = matrix_operator(&m), s = { .apply = ramp, .groups = 2, .n = m.n };
    double diagonal[160];
    for (int64_t i = 0; i < 160; i++) {
        diagonal[i] = i < 100 ? m.a[0][i * 101] : m.a[1][(i - 100) * 61];
    }
    w_preconditioner jacobi, nystrom;
    const w_nystrom_options low_rank = { .rank = 50, .seed = 3, .columns = 32 };
    assert_int_equal(w_preconditioner_jacobi(ctx, 2, m.n, diagonal, &jacobi), WEIR_OK);
    assert_int_equal(w_preconditioner_nystrom(ctx, &a, &low_rank, NULL, &nystrom), WEIR_OK);
    const w_preconditioner *const with[3] = { NULL, &jacobi, &nystrom };
    double error[3];
    for (int c = 0; c < 3; c++) {
        const w_probe_options options = { .probes = 40, .seed = 17, .at_once = 32 };
        w_estimate log_det[2], trace[2];
        w_probe_result result;
        w_ledger_reset_peak(ctx);
        const int64_t before = atomic_load(&ctx->ledger.in_use);
        assert_int_equal(w_probe_estimate(ctx, &a, with[c], &options, log_det, 1, &s, trace, &result), WEIR_OK);
        assert_true(atomic_load(&ctx->ledger.peak) - before <= w_probe_bytes(2, m.n, 1, &options));
        for (int g = 0; g < 2; g++) { /* within four standard errors, which are themselves small */
            assert_true(fabs(log_det[g].value - exact.log_det[g]) <= 4.0 * log_det[g].error + 1e-6 * exact.log_det[g]);
            assert_true(fabs(trace[g].value - exact.trace[g]) <= 4.0 * trace[g].error + 1e-6 * exact.trace[g]);
            assert_true(log_det[g].error > 0.0 && log_det[g].error <= 0.05 * exact.log_det[g]);
            assert_true(trace[g].error <= 0.2 * exact.trace[g]);
        }
        error[c] = log_det[0].error;
        assert_int_equal(result.unfinished, 0);
        assert_true(result.iterations > 0 && result.iterations < 300);
    }
    assert_true(1.5 * error[2] < error[0]); /* half of the spectrum is in the sketch */
    w_preconditioner_free(ctx, &nystrom);
    w_preconditioner_free(ctx, &jacobi);
    matrix_free(&m);
    weir_ctx_destroy(ctx);
}

/* With M = A nothing is left to chance. */
static void test_exact_preconditioner(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    matrix m = { .ctx = ctx, .groups = 1, .n = { 50 }, .a = { matrix_geometric(50, 1e3, 7) } };
    const truth exact = dense_truth(ctx, &m);
    const w_operator a = matrix_operator(&m);
    const w_term_block block = { .size = 50, .matrix = m.a[0] };
    w_preconditioner p;
    assert_int_equal(w_preconditioner_blocks(ctx, 1, m.n, 1, &block, NULL, &p), WEIR_OK);
    const w_probe_options options = { .probes = 2 };
    w_estimate log_det;
    assert_int_equal(w_probe_estimate(ctx, &a, &p, &options, &log_det, 0, NULL, NULL, NULL), WEIR_OK);
    const double rounding = 50.0 * 50.0 * DBL_EPSILON * 1e3;
    assert_true(log_det.error <= rounding && fabs(log_det.value - exact.log_det[0]) <= rounding);
    p.root = NULL;
    assert_int_equal(w_probe_estimate(ctx, &a, &p, &options, &log_det, 0, NULL, NULL, NULL), WEIR_E_ARG);
    w_preconditioner_free(ctx, &p);
    matrix_free(&m);
    weir_ctx_destroy(ctx);
}

static void test_same_probes_and_bits(void **state)
{
    w_estimate expected = { 0, 0 };
    matrix m = { .groups = 1, .n = { 70 }, .a = { matrix_geometric(70, 50.0, 7) } };
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(state, threads, 0);
        m.ctx = ctx;
        const w_operator a = matrix_operator(&m);
        for (int64_t at_once = 3; at_once <= 10; at_once += 7) { /* the split into blocks changes nothing either */
            const w_probe_options options = { .probes = 10, .seed = 4, .at_once = at_once };
            w_estimate found;
            assert_int_equal(w_probe_estimate(ctx, &a, NULL, &options, &found, 0, NULL, NULL, NULL), WEIR_OK);
            if (expected.error == 0.0) {
                expected = found;
            }
            assert_true(found.value == expected.value && found.error == expected.error);
        }
        weir_ctx_destroy(ctx);
    }
    matrix_free(&m);
}

static weir_status estimate_fallible(weir_ctx *ctx, void *arg)
{
    matrix *m = arg;
    m->ctx = ctx;
    const w_operator a = matrix_operator(m), s = { .apply = ramp, .groups = 1, .n = m->n };
    const w_probe_options options = { .probes = 4, .at_once = 2 };
    w_estimate log_det, trace;
    return w_probe_estimate(ctx, &a, NULL, &options, &log_det, 1, &s, &trace, NULL);
}

static void test_failures(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double value[20];
    for (int i = 0; i < 20; i++) {
        value[i] = i == 3 ? -1.0 : 1.0 + i;
    }
    matrix m = { .ctx = ctx, .groups = 1, .n = { 20 }, .a = { matrix_geometric(20, 9.0, 7) } };
    matrix bad = { .ctx = ctx, .groups = 1, .n = { 20 }, .a = { matrix_with_spectrum(20, value, 7) } };
    assert_true(test_each_allocation_fails(ctx, estimate_fallible, &m) >= 20);
    assert_int_equal(estimate_fallible(ctx, &bad), WEIR_E_NUMERIC);
    w_message_clear(ctx);
    m.calls = 0;
    m.fail_at = 3;
    assert_int_equal(estimate_fallible(ctx, &m), WEIR_E_IO);
    m.fail_at = 0;
    const w_operator a = matrix_operator(&m);
    const w_probe_options few = { .probes = 2 };
    w_estimate both[2];
    matrix failing = m; /* as the S of a trace */
    failing.calls = 0;
    failing.fail_at = 1;
    const w_operator s = matrix_operator(&failing);
    w_message_clear(ctx);
    assert_int_equal(w_probe_estimate(ctx, &a, NULL, &few, &both[0], 1, &s, &both[1], NULL), WEIR_E_IO);
    w_message_clear(ctx);
    const w_probe_options hasty = { .probes = 3, .max_iterations = 2 };
    w_estimate log_det;
    w_probe_result result;
    assert_int_equal(w_probe_estimate(ctx, &a, NULL, &hasty, &log_det, 0, NULL, NULL, &result), WEIR_NOT_CONVERGED);
    assert_int_equal(result.unfinished, 3);
    matrix_free(&m);
    matrix_free(&bad);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gauss_rule), cmocka_unit_test(test_ritz_values), cmocka_unit_test(test_estimates),
        cmocka_unit_test(test_exact_preconditioner), cmocka_unit_test(test_same_probes_and_bits),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
