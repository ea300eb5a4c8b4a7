/* SPDX-License-Identifier: Apache-2.0 */
/* Block-arrow systems against dense Cholesky of the same matrix, over random shapes and conditions. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "dense/dense.h"
#include "solve/block_arrow.h"

typedef struct problem {
    weir_arrow_system a;
    int64_t size, count;
    double *diagonal, *coupling, *corner;
    double *dense;         /* size x size */
    double *rows, *border; /* right-hand sides */
    double *b;             /* the same, size x count */
} problem;

/* H = sum_i J_i'J_i + C_0'C_0 + ridge I, J_i random (d + 2) x (d + p): an arrow, positive definite. */
static problem make(int64_t n, int64_t d, int64_t p, int64_t count, double ridge, uint64_t seed)
{
    problem q = { .size = n * d + p, .count = count };
    w_rng rng;
    w_rng_seed(&rng, seed);
    q.diagonal = calloc((size_t)(n * d * d + 1), sizeof(double));
    q.coupling = calloc((size_t)(n * d * p + 1), sizeof(double));
    q.corner = calloc((size_t)(p * p + 1), sizeof(double));
    double *j = malloc((size_t)(d + p) * sizeof *j);
    for (int64_t i = 0; i <= n; i++) {
        for (int64_t row = 0; row < (i < n ? d + 2 : p + 2); row++) {
            for (int64_t c = 0; c < d + p; c++) {
                j[c] = c < d && i == n ? 0.0 : w_rng_normal(&rng) * (c < d ? 1.0 : 0.5);
            }
            for (int64_t c = 0; c < d && i < n; c++) {
                for (int64_t r = 0; r < d; r++) {
                    q.diagonal[i * d * d + r + c * d] += j[r] * j[c];
                }
                for (int64_t r = 0; r < p; r++) {
                    q.coupling[(i * d + c) * p + r] += j[c] * j[d + r];
                }
            }
            for (int64_t c = 0; c < p; c++) {
                for (int64_t r = 0; r < p; r++) {
                    q.corner[r + c * p] += j[d + r] * j[d + c] * (i < n ? 1.0 : 1e-3);
                }
            }
        }
        for (int64_t c = 0; c < d && i < n; c++) {
            q.diagonal[i * d * d + c * (d + 1)] += ridge;
        }
    }
    for (int64_t c = 0; c < p; c++) {
        q.corner[c * (p + 1)] += ridge;
    }
    free(j);
    q.a = (weir_arrow_system){ .version = WEIR_ARROW_VERSION, .blocks = n, .d = d, .border = p, .diagonal = q.diagonal,
                               .coupling = q.coupling, .corner = q.corner };
    q.rows = malloc((size_t)(n * d * count + 1) * sizeof(double));
    q.border = malloc((size_t)(p * count + 1) * sizeof(double));
    q.b = malloc((size_t)(q.size * count + 1) * sizeof(double));
    for (int64_t k = 0; k < count; k++) {
        for (int64_t i = 0; i < q.size; i++) {
            const double value = w_rng_normal(&rng);
            q.b[k * q.size + i] = value;
            *(i < n * d ? &q.rows[k * n * d + i] : &q.border[k * p + i - n * d]) = value;
        }
    }
    return q;
}

/* Both triangles of H. */
static void densify(problem *q)
{
    const int64_t n = q->a.blocks, d = q->a.d, p = q->a.border, size = q->size;
    double *h = q->dense = calloc((size_t)(size * size + 1), sizeof *h);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t c = 0; c < d; c++) {
            for (int64_t r = 0; r <= c; r++) {
                h[i * d + r + (i * d + c) * size] = q->diagonal[i * d * d + r + c * d];
            }
            for (int64_t j = 0; j < p; j++) {
                h[i * d + c + (n * d + j) * size] = q->coupling[(i * d + c) * p + j];
            }
        }
    }
    for (int64_t c = 0; c < p; c++) {
        for (int64_t r = 0; r <= c; r++) {
            h[n * d + r + (n * d + c) * size] = q->corner[r + c * p];
        }
    }
    w_mirror_upper(size, h);
}

static void discard(problem *q)
{
    free(q->diagonal);
    free(q->coupling);
    free(q->corner);
    free(q->dense);
    free(q->rows);
    free(q->border);
    free(q->b);
}

static double entry_of(const problem *q, int64_t i, int64_t k)
{
    const int64_t rows = q->a.blocks * q->a.d;
    return i < rows ? q->rows[k * rows + i] : q->border[k * q->a.border + i - rows];
}

static double row_sum(const problem *q)
{
    double norm = 0.0;
    for (int64_t c = 0; c < q->size; c++) {
        double sum = 0.0;
        for (int64_t r = 0; r < q->size; r++) {
            sum += fabs(q->dense[r + c * q->size]);
        }
        norm = fmax(norm, sum);
    }
    return norm;
}

/* Normwise backward error of the solution in rows and border, from the dense matrix. */
static double backward_error(const problem *q)
{
    const double norm = row_sum(q);
    double worst = 0.0;
    for (int64_t k = 0; k < q->count; k++) {
        double residual = 0.0, x = 0.0, b = 0.0;
        for (int64_t i = 0; i < q->size; i++) {
            double sum = q->b[k * q->size + i];
            for (int64_t j = 0; j < q->size; j++) {
                sum -= q->dense[j + i * q->size] * entry_of(q, j, k);
            }
            residual = fmax(residual, fabs(sum));
            x = fmax(x, fabs(entry_of(q, i, k)));
            b = fmax(b, fabs(q->b[k * q->size + i]));
        }
        worst = fmax(worst, residual > 0.0 ? residual / (norm * x + b) : 0.0);
    }
    return worst;
}

/* Difference from the dense solution beside `tolerance` times the condition number; log-determinant likewise. */
static void compare(weir_ctx *ctx, const problem *q, const weir_arrow_result *result, double tolerance)
{
    const int64_t n = q->size;
    double *r = malloc((size_t)(n * n + 1) * sizeof *r), *x = malloc((size_t)(n * q->count + 1) * sizeof *x);
    double *work = malloc(3 * (size_t)(n + 1) * sizeof *work);
    int32_t *iwork = malloc((size_t)(n + 1) * sizeof *iwork);
    int64_t failed;
    memcpy(r, q->dense, (size_t)(n * n) * sizeof *r);
    memcpy(x, q->b, (size_t)(n * q->count) * sizeof *x);
    assert_int_equal(w_chol_factor(ctx, n, r, &failed), WEIR_OK);
    assert_int_equal(failed, 0);
    w_chol_solve(n, r, x, q->count);
    const double condition = w_chol_condition(n, r, row_sum(q), work, iwork) * 3.0; /* an estimate from below */
    for (int64_t k = 0; k < q->count; k++) {
        double largest = 0.0, difference = 0.0;
        for (int64_t i = 0; i < n; i++) {
            largest = fmax(largest, fabs(x[k * n + i]));
            difference = fmax(difference, fabs(x[k * n + i] - entry_of(q, i, k)));
        }
        assert_true(difference <= tolerance * condition * largest);
    }
    if (result->mode == WEIR_ARROW_DIRECT) {
        assert_true(fabs(result->log_det - w_chol_log_det(n, r)) <= 8.0 * (double)n * (double)n * DBL_EPSILON * condition);
    } else {
        assert_true(isnan(result->log_det));
    }
    free(iwork);
    free(work);
    free(x);
    free(r);
}

static void test_random_cases(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    w_rng rng;
    w_rng_seed(&rng, 20);
    int by_pcg = 0, converged = 0;
    for (int c = 0; c < 1000; c++) {
        const int64_t n = w_rng_below(&rng, 14), d = 1 + w_rng_below(&rng, 5), p = w_rng_below(&rng, 13);
        const int64_t count = 1 + w_rng_below(&rng, 3);
        const bool pcg = c % 3 == 2;
        const double ridge = pow(10.0, (pcg ? -3.0 : -9.0) * w_rng_uniform(&rng));
        problem q = make(n, d, p, count, ridge, 1000 + (uint64_t)c);
        densify(&q);
        const weir_arrow_options options = { .version = 1, .mode = pcg ? WEIR_ARROW_PCG : WEIR_ARROW_DIRECT,
                                             .preconditioner = (int32_t)w_rng_below(&rng, 6), .tolerance = 1e-11 };
        weir_arrow_result result;
        w_ledger_reset_peak(ctx);
        const int64_t before = atomic_load(&ctx->ledger.in_use);
        const weir_status status = w_block_arrow_solve(ctx, &q.a, &options, count, q.rows, q.border, &result);
        assert_true(status >= 0 && (pcg || status == WEIR_OK));
        assert_true(atomic_load(&ctx->ledger.peak) - before <= w_block_arrow_bytes(&q.a, &options, count));
        const double rounding = 16.0 * (double)(q.size + 1) * DBL_EPSILON;
        if (!pcg) {
            assert_true(backward_error(&q) <= rounding);
        }
        assert_true(fabs(backward_error(&q) - result.backward_error) <= rounding);
        assert_int_equal(result.damped_blocks, 0);
        by_pcg += pcg;
        converged += pcg && status == WEIR_OK;
        if (status == WEIR_OK) {
            /* PCG: ||e||_S <= tolerance kappa(M^-1 S)^1/2 ||x||_S, and kappa(S) <= kappa(H): interlacing */
            compare(ctx, &q, &result, rounding + (pcg ? 1e-11 * sqrt((double)(p + 1)) : 0.0));
        }
        discard(&q);
    }
    assert_true(by_pcg == 333 && converged >= 330);
    weir_ctx_destroy(ctx);
}

/* Large enough for several tasks, slabs, chunks and tiles; the bits are those of one thread. */
static void check_bits(int64_t n, int64_t d, int64_t p, int32_t mode, int64_t count)
{
    problem q = make(n, d, p, count, 1.0, 5);
    const int64_t rows = n * d * count, columns = p * count;
    double *first = NULL, *t = malloc((size_t)rows * sizeof *t), *x = malloc((size_t)columns * sizeof *x);
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(NULL, threads, 0);
        const weir_arrow_options options = { .version = 1, .mode = mode, .tolerance = 1e-12 };
        weir_arrow_result result;
        memcpy(t, q.rows, (size_t)rows * sizeof *t);
        memcpy(x, q.border, (size_t)columns * sizeof *x);
        assert_int_equal(w_block_arrow_solve(ctx, &q.a, &options, count, t, x, &result), WEIR_OK);
        assert_true(result.backward_error <= (mode == WEIR_ARROW_PCG ? 1e-11 : 1e-14));
        assert_int_equal(result.mode, mode);
        if (first == NULL) {
            first = malloc((size_t)(rows + columns) * sizeof *first);
            memcpy(first, t, (size_t)rows * sizeof *t);
            memcpy(first + rows, x, (size_t)columns * sizeof *x);
        }
        assert_memory_equal(first, t, (size_t)rows * sizeof *t);
        assert_memory_equal(first + rows, x, (size_t)columns * sizeof *x);
        weir_ctx_destroy(ctx);
    }
    free(first);
    free(t);
    free(x);
    discard(&q);
}

static void test_bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    check_bits(3000, 3, 40, WEIR_ARROW_DIRECT, 2);
    check_bits(700, 4, 350, WEIR_ARROW_DIRECT, 1);
    check_bits(3000, 3, 40, WEIR_ARROW_PCG, 2);
    check_bits(3000, 3, 70, WEIR_ARROW_PCG, 1);
}

/* Both routes agree, and AUTO takes the direct one for a narrow border and the other where the budget is too small. */
static void test_routes_agree(void **state)
{
    problem q = make(400, 2, 300, 1, 1.0, 8);
    weir_arrow_options options = { .version = 1, .tolerance = 1e-12 };
    double *x[3], *t[3];
    for (int mode = 0; mode < 3; mode++) {
        weir_ctx *ctx = test_ctx(state, 2, mode == 0 ? (int64_t)5 << 18 : 0);
        weir_arrow_result result;
        t[mode] = malloc(800 * sizeof(double));
        x[mode] = malloc(300 * sizeof(double));
        memcpy(t[mode], q.rows, 800 * sizeof(double));
        memcpy(x[mode], q.border, 300 * sizeof(double));
        options.mode = mode;
        if (mode == 0) {
            assert_true(w_block_arrow_bytes(&q.a, &options, 1) > w_ledger_free_bytes(ctx));
        }
        assert_int_equal(w_block_arrow_solve(ctx, &q.a, &options, 1, t[mode], x[mode], &result), WEIR_OK);
        assert_int_equal(result.mode, mode == 0 ? WEIR_ARROW_PCG : mode);
        weir_ctx_destroy(ctx);
    }
    for (int i = 0; i < 800; i++) {
        assert_true(fabs(t[1][i] - t[2][i]) <= 1e-8 && t[0][i] == t[2][i]);
    }
    weir_ctx *ctx = test_ctx(state, 1, 0);
    weir_arrow_result result;
    options.mode = WEIR_ARROW_AUTO;
    assert_int_equal(w_block_arrow_solve(ctx, &q.a, &options, 1, q.rows, q.border, &result), WEIR_OK);
    assert_int_equal(result.mode, WEIR_ARROW_DIRECT);
    weir_ctx_destroy(ctx);
    for (int mode = 0; mode < 3; mode++) {
        free(t[mode]);
        free(x[mode]);
    }
    discard(&q);
}

static void test_ridges(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    problem q = make(5, 3, 4, 2, 0.1, 3);
    const weir_arrow_options options = { .version = 1, .ridge_blocks = 0.7, .ridge_border = 0.3 };
    weir_arrow_result result;
    assert_int_equal(w_block_arrow_solve(ctx, &q.a, &options, 2, q.rows, q.border, &result), WEIR_OK);
    densify(&q);
    for (int64_t i = 0; i < q.size; i++) {
        q.dense[i * (q.size + 1)] += i < 15 ? 0.7 : 0.3;
    }
    compare(ctx, &q, &result, 16.0 * (double)q.size * DBL_EPSILON);
    discard(&q);
    weir_ctx_destroy(ctx);
}

/* Block 3 is indefinite and S is: an error without damping, and with it the solution of the damped system. */
static void test_damping(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    for (int mode = WEIR_ARROW_DIRECT; mode <= WEIR_ARROW_PCG; mode++) {
        problem q = make(6, 2, 5, 1, 0.5, 4);
        weir_arrow_options options = { .version = 1, .mode = mode, .tolerance = 1e-12 };
        weir_arrow_result result = { .mode = -7 };
        double before[12];
        memcpy(before, q.rows, sizeof before);
        q.diagonal[3 * 4] = -2.0;
        w_message_clear(ctx);
        assert_int_equal(w_block_arrow_solve(ctx, &q.a, &options, 1, q.rows, q.border, &result), WEIR_E_NUMERIC);
        assert_non_null(strstr(weir_ctx_message(ctx), "block 3"));
        assert_memory_equal(before, q.rows, sizeof before);
        assert_int_equal(result.mode, -7);

        q.corner[0] = -10.0;
        options.damping = 1;
        assert_int_equal(w_block_arrow_solve(ctx, &q.a, &options, 1, q.rows, q.border, &result), WEIR_OK);
        assert_int_equal(result.damped_blocks, 1);
        assert_true(result.damping_border > 0.0);
        const double edge = fmax(fabs(-2.0 - fabs(q.diagonal[14])), fabs(q.diagonal[14]) - q.diagonal[15]);
        assert_true(result.damping_blocks >= edge && result.damping_blocks <= edge * (1.0 + 1e-6));
        densify(&q);
        for (int64_t i = 0; i < q.size; i++) {
            q.dense[i * (q.size + 1)] += i == 6 || i == 7 ? result.damping_blocks : i >= 12 ? result.damping_border : 0.0;
        }
        assert_true(fabs(backward_error(&q) - result.backward_error) <= 1e-14);
        assert_true(result.backward_error <= (mode == WEIR_ARROW_DIRECT ? 1e-15 : 1e-10));
        discard(&q);
    }
    /* a block of zeros without coupling is damped as well */
    problem q = make(3, 1, 2, 1, 0.5, 4);
    const weir_arrow_options options = { .version = 1, .damping = 1 };
    weir_arrow_result result;
    q.diagonal[1] = q.coupling[2] = q.coupling[3] = 0.0;
    assert_int_equal(w_block_arrow_solve(ctx, &q.a, &options, 1, q.rows, q.border, &result), WEIR_OK);
    assert_true(result.damped_blocks == 1 && result.damping_blocks == 1.0 && result.damping_border == 0.0);
    discard(&q);
    weir_ctx_destroy(ctx);
}

static void test_bad_numbers(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    for (int mode = WEIR_ARROW_DIRECT; mode <= WEIR_ARROW_PCG; mode++) {
        for (int where = 0; where < 6; where++) {
            problem q = make(300, 2, 5, 1, 0.5, 4);
            const weir_arrow_options options = { .version = 1, .mode = mode, .damping = where % 2 };
            weir_arrow_result result;
            double *const place[] = { &q.diagonal[4 * 77], &q.coupling[1001], &q.corner[5], &q.rows[30], &q.border[2] };
            if (where < 5) {
                *place[where] = where == 1 ? INFINITY : NAN;
            } else { /* S indefinite, no damping asked */
                q.corner[12] = -1e3;
            }
            w_message_clear(ctx);
            const weir_arrow_options plain = { .version = 1, .mode = mode };
            assert_int_equal(w_block_arrow_solve(ctx, &q.a, where < 5 ? &options : &plain, 1, q.rows, q.border, &result),
                             WEIR_E_NUMERIC);
            assert_string_not_equal(weir_ctx_message(ctx), "");
            discard(&q);
        }
    }
    problem alone = make(3, 2, 4, 0, 0.5, 4); /* no right-hand side shows what the matrix is like */
    const weir_arrow_options direct = { .version = 1, .mode = WEIR_ARROW_DIRECT };
    weir_arrow_result unused;
    alone.corner[4] = NAN;
    assert_int_equal(w_block_arrow_solve(ctx, &alone.a, &direct, 0, NULL, NULL, &unused), WEIR_E_NUMERIC);
    discard(&alone);
    problem q = make(50, 2, 60, 1, 1e-6, 4);
    const weir_arrow_options hasty = { .version = 1, .mode = WEIR_ARROW_PCG, .max_iterations = 3, .preconditioner = 1 };
    weir_arrow_result result;
    assert_int_equal(w_block_arrow_solve(ctx, &q.a, &hasty, 1, q.rows, q.border, &result), WEIR_NOT_CONVERGED);
    assert_int_equal(result.iterations, 3);
    assert_true(result.backward_error > 0.0);
    discard(&q);
    weir_ctx_destroy(ctx);
}

static weir_status solve_fallible(weir_ctx *ctx, void *arg)
{
    problem q = make(4, 2, 3, 1, 0.5, 4);
    const weir_arrow_options options = { .version = 1, .mode = *(int *)arg, .damping = 1 };
    weir_arrow_result result;
    const weir_status status = w_block_arrow_solve(ctx, &q.a, &options, 1, q.rows, q.border, &result);
    discard(&q);
    return status;
}

static void test_allocations(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int mode = WEIR_ARROW_DIRECT; mode <= WEIR_ARROW_PCG; mode++) {
        assert_true(test_each_allocation_fails(ctx, solve_fallible, &mode) >= 9);
    }
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_cases), cmocka_unit_test(test_bits_do_not_depend_on_threads),
        cmocka_unit_test(test_routes_agree), cmocka_unit_test(test_ridges), cmocka_unit_test(test_damping),
        cmocka_unit_test(test_bad_numbers), cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
