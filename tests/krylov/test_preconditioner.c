/* SPDX-License-Identifier: Apache-2.0 */
/* Preconditioners against their dense matrices, and the iterations they save. */
#include "krylov/matrix.h"

#include <float.h>

#include "krylov/cg.h"
#include "krylov/tridiagonal.h"

/* Columns of the inverse of M (n x n) by applying it to the identity, as one slice of n columns. */
static void dense_of(const w_preconditioner *m, w_operator_fn fn, int64_t group, int64_t n, double *out)
{
    int64_t *system = malloc((size_t)n * sizeof *system);
    double *identity = calloc((size_t)(n * n), sizeof *identity);
    for (int64_t i = 0; i < n; i++) {
        identity[i * (n + 1)] = 1.0;
        system[i] = group * n + i;
    }
    const w_slice slice = { .group = group, .n = n, .count = n };
    const w_vectors block = { .slices = 1, .columns = n, .values = n * n, .slice = &slice, .system = system };
    assert_int_equal(fn(m->user, &block, identity, out), WEIR_OK);
    free(identity);
    free(system);
}

/* M^-1 F F' = I, log det M = log det (F F'), and one column alone gives what it gives among many. */
static void check_consistent(weir_ctx *ctx, const w_preconditioner *m, int64_t group, int64_t n, double tolerance)
{
    const size_t values = (size_t)(n * n);
    double *inverse = malloc(values * sizeof *inverse), *f = malloc(values * sizeof *f), *ff = malloc(values * sizeof *ff);
    double error = 0.0;
    dense_of(m, m->apply, group, n, inverse); /* row-major; M^-1 is symmetric */
    dense_of(m, m->root, group, n, f);        /* row-major: row i of F at i * n */
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            ff[i + j * n] = w_dot(n, f + i * n, f + j * n);
        }
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            error = fmax(error, fabs(w_dot(n, inverse + i * n, ff + j * n) - (i == j)));
        }
    }
    assert_true(error <= tolerance);
    int64_t failed;
    assert_int_equal(w_chol_factor(ctx, n, ff, &failed), WEIR_OK);
    assert_int_equal(failed, 0);
    assert_true(fabs(w_chol_log_det(n, ff) - m->log_det(m->user, group)) <= tolerance * (double)n);

    double *r = random_vector(n, 9), *z = malloc((size_t)n * sizeof *z);
    const int64_t system = group;
    const w_slice slice = { .group = group, .n = n, .count = 1 };
    const w_vectors block = { .slices = 1, .columns = 1, .values = n, .slice = &slice, .system = &system };
    assert_int_equal(m->apply(m->user, &block, r, z), WEIR_OK);
    for (int64_t i = 0; i < n; i++) {
        assert_true(fabs(z[i] - w_dot(n, inverse + i * n, r)) <= fmax(1e-12, tolerance) * norm(n, z));
    }
    free(z);
    free(r);
    free(ff);
    free(f);
    free(inverse);
}

static void test_jacobi(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n[2] = { 20, 3 };
    double d[23];
    for (int i = 0; i < 23; i++) {
        d[i] = pow(10.0, i % 9 - 4);
    }
    w_preconditioner m;
    const int64_t before = atomic_load(&ctx->ledger.in_use);
    assert_int_equal(w_preconditioner_jacobi(ctx, 2, n, d, &m), WEIR_OK);
    assert_int_equal(atomic_load(&ctx->ledger.in_use) - before, w_preconditioner_jacobi_bytes(2, 23));
    check_consistent(ctx, &m, 0, 20, 1e-13);
    check_consistent(ctx, &m, 1, 3, 1e-13);
    w_preconditioner_free(ctx, &m);

    /* a diagonal matrix is solved in one step; zeros stand for ones */
    matrix a = { .ctx = ctx, .groups = 2, .n = { 20, 3 } };
    for (int g = 0; g < 2; g++) {
        a.a[g] = calloc((size_t)(n[g] * n[g]), sizeof(double));
        for (int64_t i = 0; i < n[g]; i++) {
            a.a[g][i * (n[g] + 1)] = d[20 * g + i];
        }
    }
    const w_operator op = matrix_operator(&a);
    double *b = random_vector(23, 1), x[23];
    w_cg_result result[2];
    const w_cg_options options = { .right_hand_sides = 1, .tolerance = 1e-13 };
    assert_int_equal(w_preconditioner_jacobi(ctx, 2, n, d, &m), WEIR_OK);
    assert_int_equal(w_cg_solve(ctx, &op, &m, &options, b, x, result), WEIR_OK);
    assert_true(result[0].iterations == 1 && result[1].iterations == 1);
    w_preconditioner_free(ctx, &m);
    d[4] = -1.0;
    assert_int_equal(w_preconditioner_jacobi(ctx, 2, n, d, &m), WEIR_E_NUMERIC);
    d[4] = NAN;
    assert_int_equal(w_preconditioner_jacobi(ctx, 2, n, d, &m), WEIR_E_NUMERIC);
    free(b);
    matrix_free(&a);
    weir_ctx_destroy(ctx);
}

/* Copies the diagonal block of `size` columns that begins at `first`. */
static double *block_of(int64_t n, const double *a, int64_t first, int64_t size)
{
    double *block = malloc((size_t)(size * size) * sizeof *block);
    for (int64_t c = 0; c < size; c++) {
        memcpy(block + c * size, a + first + (first + c) * n, (size_t)size * sizeof *block);
    }
    return block;
}

/* An additive model's matrix: three terms of 12 badly scaled columns and a factor, weakly coupled. */
static double *additive_matrix(int64_t n, uint64_t seed)
{
    const int64_t rows = 400;
    double *x = malloc((size_t)(n * rows) * sizeof *x), *a = malloc((size_t)(n * n) * sizeof *a);
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t term = 0; term < 3; term++) {
            const double u = w_rng_uniform(&rng);
            for (int64_t c = 0; c < 12; c++) { /* smooth bumps side by side: strongly dependent */
                const double t = (u - (double)c / 11.0) * 4.0;
                x[i + (term * 12 + c) * rows] = exp(-t * t) * pow(10.0, (double)term - 1.0);
            }
        }
        const int64_t level = w_rng_below(&rng, n - 36);
        for (int64_t c = 36; c < n; c++) {
            x[i + c * rows] = c - 36 == level;
        }
    }
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r <= c; r++) {
            a[r + c * n] = w_dot(rows, x + r * rows, x + c * rows);
        }
        a[c * (n + 1)] += 1e-2 * (c < 36 ? pow(100.0, (double)(c / 12) - 1.0) : 1.0); /* a term's scale squared */
    }
    w_mirror_upper(n, a);
    free(x);
    return a;
}

/* long: set-up, comparison and clean-up of one model */
static void test_blocks(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const int64_t n = 46;
    matrix a = { .ctx = ctx, .groups = 2, .n = { n, n }, .a = { additive_matrix(n, 1), additive_matrix(n, 2) } };
    w_term_block block[8];
    double *diagonal[2];
    for (int g = 0; g < 2; g++) {
        for (int e = 0; e < 3; e++) {
            block[4 * g + e] = (w_term_block){ .group = g, .size = 12, .matrix = block_of(n, a.a[g], 12 * e, 12) };
        }
        diagonal[g] = malloc((size_t)(n - 36) * sizeof(double));
        for (int64_t i = 36; i < n; i++) {
            diagonal[g][i - 36] = a.a[g][i * (n + 1)];
        }
        block[4 * g + 3] = (w_term_block){ .group = g, .size = n - 36, .diagonal = diagonal[g] };
    }
    w_preconditioner m, jacobi;
    w_block_report report;
    w_ledger_reset_peak(ctx);
    const int64_t before = atomic_load(&ctx->ledger.in_use);
    assert_int_equal(w_preconditioner_blocks(ctx, 2, a.n, 8, block, &report, &m), WEIR_OK);
    assert_true(atomic_load(&ctx->ledger.peak) - before <= w_preconditioner_blocks_bytes(2, 8, block));
    assert_int_equal(report.raised, 0);
    assert_int_equal(report.first_raised, -1);
    const double condition = 12.0 * 400.0 / 1e-2; /* trace of a term over its ridge */
    check_consistent(ctx, &m, 0, n, (double)n * DBL_EPSILON * condition);
    check_consistent(ctx, &m, 1, n, (double)n * DBL_EPSILON * condition);

    double *d = malloc(2 * (size_t)n * sizeof *d);
    for (int64_t i = 0; i < 2 * n; i++) {
        d[i] = a.a[i / n][(i % n) * (n + 1)];
    }
    assert_int_equal(w_preconditioner_jacobi(ctx, 2, a.n, d, &jacobi), WEIR_OK);
    const w_operator op = matrix_operator(&a);
    double *b = random_vector(4 * n, 3), *x = malloc(4 * (size_t)n * sizeof *x), *exact = dense_solution(&a, 2, b);
    double pairs[4][2 * 200];
    w_cg_result with[4], plain[4], scaled[4];
    w_cg_options options = { .right_hand_sides = 2, .tolerance = 1e-10, .coefficient = pairs[0], .coefficient_rows = 200 };
    assert_int_equal(w_cg_solve(ctx, &op, &m, &options, b, x, with), WEIR_OK);
    for (int s = 0; s < 4; s++) {
        double low, high;
        w_cg_ritz(with[s].coefficients, pairs[s], &low, &high);
        /* ||r||^2 in M^-1 >= low ||e||_A^2 and ||b||^2 <= high ||x||_A^2; the Ritz value low lies above its limit */
        double energy = 0.0, e[46];
        for (int64_t i = 0; i < n; i++) {
            e[i] = x[s * n + i] - exact[s * n + i];
        }
        for (int64_t i = 0; i < n; i++) {
            energy += e[i] * w_dot(n, a.a[s / 2] + i * n, e);
        }
        const double square = w_dot(n, b + s * n, exact + s * n);
        assert_true(energy <= 4e-20 * high / low * square);
        assert_true(low > 0.0 && high < 4.0 + 1e-8); /* four blocks: no eigenvalue of M^-1 A exceeds their number */
    }
    options.coefficient = NULL; /* the others may meet the limits of rounding before the tolerance */
    assert_true(w_cg_solve(ctx, &op, &jacobi, &options, b, x, scaled) >= 0);
    assert_true(w_cg_solve(ctx, &op, NULL, &options, b, x, plain) >= 0);
    for (int s = 0; s < 4; s++) {
        assert_true(2 * with[s].iterations <= scaled[s].iterations && 2 * with[s].iterations <= plain[s].iterations);
    }
    w_preconditioner_free(ctx, &jacobi);
    w_preconditioner_free(ctx, &m);
    free(exact);
    free(x);
    free(b);
    free(d);
    for (int e = 0; e < 8; e++) {
        free((double *)block[e].matrix);
    }
    free(diagonal[0]);
    free(diagonal[1]);
    matrix_free(&a);
    weir_ctx_destroy(ctx);
}

static void test_singular_and_bad_blocks(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n = 5;
    double ones[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, pair[4] = { 2.0, 0.5, 0.5, 1.0 };
    const w_term_block good[2] = { { .size = 2, .matrix = pair }, { .size = 3, .matrix = ones } };
    w_block_report report;
    w_preconditioner m;
    assert_int_equal(w_preconditioner_blocks(ctx, 1, &n, 2, good, &report, &m), WEIR_OK);
    assert_int_equal(report.raised, 1);
    assert_int_equal(report.first_raised, 1);
    assert_true(report.jitter > 0.0 && report.jitter <= 1e-10);
    w_preconditioner_free(ctx, &m);

    double bad[9] = { 1, 2, 0, 2, 1, 0, 0, 0, 1 };
    w_term_block wrong[2] = { good[0], { .size = 3, .matrix = bad } };
    assert_int_equal(w_preconditioner_blocks(ctx, 1, &n, 2, wrong, NULL, &m), WEIR_E_NUMERIC);
    assert_non_null(strstr(weir_ctx_message(ctx), "block 1"));
    bad[3] = NAN;
    w_message_clear(ctx);
    assert_int_equal(w_preconditioner_blocks(ctx, 1, &n, 2, wrong, NULL, &m), WEIR_E_NUMERIC);
    bad[3] = 0.0;
    bad[4] = -1.0;
    assert_int_equal(w_preconditioner_blocks(ctx, 1, &n, 2, wrong, NULL, &m), WEIR_E_NUMERIC);
    assert_int_equal(w_preconditioner_blocks(ctx, 1, &n, 1, good, NULL, &m), WEIR_E_ARG);
    wrong[1].group = 1;
    assert_int_equal(w_preconditioner_blocks(ctx, 1, &n, 2, wrong, NULL, &m), WEIR_E_ARG);
    wrong[1].group = 0;
    assert_int_equal(w_preconditioner_blocks(ctx, 0, &n, 2, wrong, NULL, &m), WEIR_E_ARG);
    wrong[1] = (w_term_block){ .size = 3 };
    assert_int_equal(w_preconditioner_blocks(ctx, 1, &n, 2, wrong, NULL, &m), WEIR_E_ARG);
    weir_ctx_destroy(ctx);
}

/* Eigenvalues that fall by 0.8 from 1000: rank 40 leaves those below lambda_40; the condition number is known. */
/* long: one spectrum, used for every statement about it */
static void test_nystrom(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const int64_t n = 180, rank = 40;
    double value[180];
    const double mu = 1e-2;
    for (int64_t i = 0; i < n; i++) {
        value[i] = 1000.0 * pow(0.8, (double)i);
    }
    matrix a = { .ctx = ctx, .groups = 2, .n = { n, 3 } };
    a.a[0] = matrix_with_spectrum(n, value, 1);
    a.a[1] = matrix_geometric(3, 5.0, 2);
    const w_operator op = matrix_operator(&a);
    const w_nystrom_options options = { .rank = rank, .mu = mu, .seed = 42, .columns = n };
    w_nystrom_report report;
    w_preconditioner m;
    w_ledger_reset_peak(ctx);
    const int64_t before = atomic_load(&ctx->ledger.in_use);
    assert_int_equal(w_preconditioner_nystrom(ctx, &op, &options, &report, &m), WEIR_OK);
    assert_true(atomic_load(&ctx->ledger.peak) - before <= w_preconditioner_nystrom_bytes(2, a.n, &options));
    assert_int_equal(a.calls, 1);
    assert_int_equal(report.rank, 3);
    assert_true(report.shift < 1e-8);
    check_consistent(ctx, &m, 0, n, 1e-9);
    check_consistent(ctx, &m, 1, 3, 1e-12);

    for (int64_t i = 0; i < n; i++) { /* the system is A + mu I */
        a.a[0][i * (n + 1)] += mu;
    }
    for (int64_t i = 0; i < 3; i++) {
        a.a[1][i * 4] += mu;
    }
    double *b = random_vector(n + 3, 4), *x = malloc((size_t)(n + 3) * sizeof *x);
    w_cg_result with[2], plain[2];
    const w_cg_options cg = { .right_hand_sides = 1, .tolerance = 1e-10 };
    assert_int_equal(w_cg_solve(ctx, &op, &m, &cg, b, x, with), WEIR_OK);
    assert_int_equal(w_cg_solve(ctx, &op, NULL, &cg, b, x, plain), WEIR_OK);
    assert_true(with[1].iterations <= 2); /* the whole small group is in the sketch */
    /* Condition number at most (||A - A_nys|| + lambda_l + mu) / mu (Frangella, Tropp & Udell, proposition 5.3); the error of a
     * rank-l sketch of this spectrum stays under the sum of the eigenvalues beyond l/2. */
    double tail = 0.0;
    for (int64_t i = rank / 2; i < n; i++) {
        tail += value[i];
    }
    assert_true(report.smallest <= value[rank - 1] * (1.0 + 1e-6)); /* the approximation lies below A */
    assert_true(report.largest <= 1000.0 * (1.0 + 1e-12) && report.largest >= 1000.0 - tail);
    const double bound = (tail + value[rank - 1] + mu) / mu, q = (sqrt(bound) - 1.0) / (sqrt(bound) + 1.0);
    assert_true((double)with[0].iterations <= ceil(log(2.0 * sqrt(bound) / 0.9e-10) / -log(q)));
    assert_true(4 * with[0].iterations <= 3 * plain[0].iterations);
    w_preconditioner_free(ctx, &m);

    a.a[0][0] = -1e4; /* indefinite */
    assert_int_equal(w_preconditioner_nystrom(ctx, &op, &options, &report, &m), WEIR_E_NUMERIC);
    w_message_clear(ctx);
    a.calls = 0;
    a.nan_at = 1;
    assert_int_equal(w_preconditioner_nystrom(ctx, &op, &options, &report, &m), WEIR_E_NUMERIC);
    a.calls = 0;
    a.fail_at = 1;
    w_message_clear(ctx);
    assert_int_equal(w_preconditioner_nystrom(ctx, &op, &options, &report, &m), WEIR_E_IO);
    const w_nystrom_options none = { .rank = 0, .columns = 1 };
    assert_int_equal(w_preconditioner_nystrom(ctx, &op, &none, &report, &m), WEIR_E_ARG);
    free(x);
    free(b);
    matrix_free(&a);
    weir_ctx_destroy(ctx);
}

/* A matrix of zeros and a group without rows leave M = I; a block wider than promised is refused. */
static void test_nystrom_corners(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    matrix a = { .ctx = ctx, .groups = 2, .n = { 6, 0 }, .a = { calloc(36, sizeof(double)), calloc(1, sizeof(double)) } };
    const w_operator op = matrix_operator(&a);
    const w_nystrom_options options = { .rank = 3, .mu = 1.0, .columns = 6 }, narrow = { .rank = 3, .mu = 1.0, .columns = 1 };
    w_nystrom_report report;
    w_preconditioner m;
    assert_int_equal(w_preconditioner_nystrom(ctx, &op, &options, &report, &m), WEIR_OK);
    assert_true(report.rank == 0 && report.largest == 0.0 && report.smallest == 0.0);
    check_consistent(ctx, &m, 0, 6, 1e-15);
    w_preconditioner_free(ctx, &m);
    for (int i = 0; i < 6; i++) {
        a.a[0][i * 7] = 1.0;
    }
    assert_int_equal(w_preconditioner_nystrom(ctx, &op, &narrow, NULL, &m), WEIR_OK);
    double x[12] = { 1.0 }, y[12];
    const int64_t system[2] = { 0, 1 };
    const w_slice slice = { .n = 6, .count = 2 };
    const w_vectors block = { .slices = 1, .columns = 2, .values = 12, .slice = &slice, .system = system };
    assert_int_equal(m.apply(m.user, &block, x, y), WEIR_E_ARG);
    w_preconditioner_free(ctx, &m);
    matrix_free(&a);
    weir_ctx_destroy(ctx);
}

/* A diagonal matrix of many rows, whose application takes several tasks. */
static weir_status decay(void *user, const w_vectors *block, const double *x, double *y)
{
    (void)user;
    for (int64_t s = 0; s < block->slices; s++) {
        const w_slice *slice = &block->slice[s];
        for (int64_t i = 0; i < slice->n; i++) {
            for (int64_t k = 0; k < slice->count; k++) {
                const int64_t at = slice->first + i * slice->count + k;
                y[at] = x[at] * (1.0 + (i < 30 ? 1e6 / (double)(i + 1) : 0.0));
            }
        }
    }
    return WEIR_OK;
}

static void test_nystrom_bits(void **state)
{
    const int64_t n = 10007;
    double *b = random_vector(2 * n, 6), *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(state, threads, 0);
        const w_operator op = { .apply = decay, .groups = 1, .n = &n };
        const w_nystrom_options options = { .rank = 50, .seed = 1, .columns = 2 };
        const w_cg_options cg = { .right_hand_sides = 2 };
        w_cg_result result[2];
        w_preconditioner m;
        double *x = malloc(2 * (size_t)n * sizeof *x);
        assert_int_equal(w_preconditioner_nystrom(ctx, &op, &options, NULL, &m), WEIR_OK);
        assert_int_equal(w_cg_solve(ctx, &op, &m, &cg, b, x, result), WEIR_OK);
        assert_true(result[0].iterations <= 10);
        if (first == NULL) {
            first = x;
        } else {
            assert_memory_equal(x, first, 2 * (size_t)n * sizeof *x);
            free(x);
        }
        w_preconditioner_free(ctx, &m);
        weir_ctx_destroy(ctx);
    }
    free(first);
    free(b);
}

static weir_status make_all(weir_ctx *ctx, void *arg)
{
    matrix *a = arg;
    a->ctx = ctx;
    const w_operator op = matrix_operator(a);
    const double diagonal[4] = { 1, 2, 3, 4 };
    const w_term_block block[2] = { { .size = 2, .diagonal = diagonal }, { .size = 2, .matrix = (double[]){ 2, 1, 1, 2 } } };
    const w_nystrom_options options = { .rank = 2, .columns = 1 };
    w_preconditioner jacobi = { 0 }, blocks = { 0 }, nystrom = { 0 };
    weir_status status = w_preconditioner_jacobi(ctx, 1, a->n, diagonal, &jacobi);
    status = status < 0 ? status : w_preconditioner_blocks(ctx, 1, a->n, 2, block, NULL, &blocks);
    status = status < 0 ? status : w_preconditioner_nystrom(ctx, &op, &options, NULL, &nystrom);
    w_preconditioner_free(ctx, &nystrom);
    w_preconditioner_free(ctx, &blocks);
    w_preconditioner_free(ctx, &jacobi);
    return status;
}

static void test_allocations(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    matrix a = { .ctx = ctx, .groups = 1, .n = { 4 }, .a = { matrix_geometric(4, 10.0, 1) } };
    assert_true(test_each_allocation_fails(ctx, make_all, &a) >= 20);
    matrix_free(&a);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jacobi), cmocka_unit_test(test_blocks), cmocka_unit_test(test_singular_and_bad_blocks),
        cmocka_unit_test(test_nystrom), cmocka_unit_test(test_nystrom_corners),
        cmocka_unit_test(test_nystrom_bits), cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
