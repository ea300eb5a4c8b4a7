/* SPDX-License-Identifier: Apache-2.0 */
/* Natural parameterisation: mean squares and orthogonality over the data, the penalties against S, the constant function,
 * the same span, bounds, memory that fails. */
#include <stdlib.h>
#include <string.h>
#include "base/ctx.h"
#include "basis/build.h"

#define ROWS 500

static double x_values[ROWS];

static w_smooth_spec natural_spec(w_basis_kind basis, int64_t k)
{
    w_smooth_spec spec = build_spec(W_SMOOTH_S, 1, basis, k);
    spec.natural = true;
    return spec;
}

static w_smooth_data natural_data(void)
{
    const double *x[1] = {x_values};
    build_uniform(3, ROWS, -2, 5, x_values);
    return build_data(1, ROWS, x);
}

/* T'ST is S.scale times the first penalty; each penalty is largest^2 on its coefficients. */
static void check_penalties(const w_smooth *s, int64_t rank, double largest)
{
    int64_t k = s->columns;
    for (int64_t a = 0; a < k; a++) {
        for (int64_t b = 0; b < k; b++) {
            double sum = 0;
            for (int64_t i = 0; i < k; i++)
                for (int64_t j = 0; j < k; j++)
                    sum += s->transform[i * k + a] * s->margin[0].penalty[i * k + j] * s->transform[j * k + b];
            double scale = s->penalty[0].scale * largest * largest;
            assert_near(sum, a == b && a < rank ? scale : 0, 1e-7 * scale);
        }
    }
    for (int p = 0; p < s->penalty_count; p++) {
        double log_det = 0;
        assert_int_equal(s->penalty[p].rank, p ? 1 : rank);
        for (int64_t i = 0; i < k * k; i++) {
            bool on = i % (k + 1) == 0 && (p ? i / k == rank + p - 1 : i / k < rank);
            assert_near(s->penalty[p].matrix[i], on ? largest * largest : 0, 1e-9 * largest * largest);
            log_det += on ? log(s->penalty[p].matrix[i]) : 0;
        }
        assert_near(s->penalty[p].log_det, log_det, 1e-12 * (1 + fabs(log_det)));
        if (p)
            assert_near(s->penalty[p].scale * largest * largest, 1, 1e-12);
    }
}

static void check_basis(weir_ctx *ctx, w_basis_kind basis, int64_t wanted)
{
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_spec spec = natural_spec(basis, wanted);
    w_smooth_data data = natural_data();
    w_smooth s;
    assert_int_equal(w_smooth_build(&arena, &spec, &data, &s), WEIR_OK);
    int64_t k = s.columns, rank = s.margin[0].rank, null = k - rank;
    assert_int_equal(null, w_basis_null(&spec.margin[0]));
    assert_int_equal(s.penalty_count, 1 + null);
    assert_int_equal(s.null_dimension, 0);
    double *x = malloc(sizeof *x * (size_t)(ROWS * k)), mean = 0, largest = 0;
    assert_int_equal(w_smooth_rows(ctx, &s, ROWS, data.x, x), WEIR_OK);
    for (int64_t a = 0; a < k; a++) {
        double column = 0;
        for (int64_t b = 0; b <= a; b++) {
            double dot = 0;
            for (int64_t i = 0; i < ROWS; i++)
                dot += x[i * k + a] * x[i * k + b] / ROWS;
            if (a == b && a >= rank)
                assert_near(dot, 1, 1e-9);
            else if (a == b)
                mean += dot / (double)rank;
            else
                assert_near(dot, 0, 1e-8);
        }
        for (int64_t i = 0; i < ROWS; i++)
            column += x[i * k + a] / ROWS;
        assert_near(s.column_mean[a], column, 1e-12 * ROWS);
    }
    assert_near(mean, 1, 1e-9);
    for (int64_t i = 0; i < ROWS; i++) {
        double sum = 0;
        for (int64_t j = 0; j < k; j++)
            sum += fabs(x[i * k + j]);
        largest = fmax(largest, sum);
        if (null == 2 || basis == W_BASIS_CC)
            assert_near(fabs(x[i * k + rank]), 1, 1e-8); /* the constant */
    }
    check_penalties(&s, rank, largest);
    free(x);
    w_arena_free(&arena);
}

static void test_definition(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const w_basis_kind kinds[] = {W_BASIS_CR, W_BASIS_CS, W_BASIS_CC, W_BASIS_PS, W_BASIS_CP, W_BASIS_TP, W_BASIS_TS};
    for (int64_t q = 0; q < LENGTH(kinds); q++) {
        check_basis(ctx, kinds[q], 8);
        check_basis(ctx, kinds[q], 15);
    }
    weir_ctx_destroy(ctx);
}

static weir_status build_natural(weir_ctx *ctx, void *arg)
{
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_data data = natural_data();
    w_smooth s;
    weir_status status = w_smooth_build(&arena, arg, &data, &s);
    w_arena_free(&arena);
    return status;
}

static void test_memory(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int64_t k = 5; k <= 80; k += 25) {
        w_smooth_spec spec = natural_spec(k == 30 ? W_BASIS_TP : W_BASIS_CR, k);
        weir_memory_info before, after;
        assert_true(test_each_allocation_fails(ctx, build_natural, &spec) > 3);
        w_ledger_reset_peak(ctx);
        weir_ctx_memory(ctx, &before);
        assert_int_equal(build_natural(ctx, &spec), WEIR_OK);
        weir_ctx_memory(ctx, &after);
        assert_true(after.peak - before.in_use <= w_smooth_bytes(&spec, ROWS));
    }
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_definition), cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests_name("natural", tests, NULL, NULL);
}
