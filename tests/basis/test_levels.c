/* SPDX-License-Identifier: Apache-2.0 */
/* Separated tensor products (t2) and curves per level that sum to zero (sz): their definition, penalties without overlap, the
 * log-determinant against eigenvalues and finite differences, bounds, memory that fails. */
#include <stdlib.h>
#include <string.h>
#include "base/blas.h"
#include "base/ctx.h"
#include "basis/build.h"

#define ROWS 240

static double columns[3][ROWS]; /* two of numbers, one of a level's number */

static w_smooth_data make_data(int margins)
{
    const double *x[W_MAX_MARGINS] = {columns[0], columns[1], columns[2]};
    for (int c = 0; c < 3; c++)
        build_uniform((uint64_t)c + 5, ROWS, -c, 3 * c + 2, columns[c]);
    return build_data(margins, ROWS, x);
}

static w_smooth_spec levels_spec(int factors, int64_t first, int64_t second, w_basis_kind basis, int64_t k, bool shared)
{
    w_smooth_spec spec = build_spec(W_SMOOTH_SZ, factors + 1, W_BASIS_SZ, 0);
    spec.centre = false;
    spec.shared = shared;
    spec.levels[0] = first;
    spec.levels[1] = second;
    spec.margin[factors] = (w_margin_spec){.basis = basis, .k = k};
    return spec;
}

static void build(w_arena *arena, const w_smooth_spec *spec, w_smooth *out)
{
    w_smooth_data data = make_data(spec->margin_count);
    if (w_smooth_build(arena, spec, &data, out) != WEIR_OK)
        fail_msg("%s", weir_ctx_message(arena->ctx));
}

/* ---- log-determinant ---- */

static double by_eigenvalues(const w_smooth *s, const double *rho)
{
    w_blas_int n = (w_blas_int)s->columns, info, length = 3 * n + 64, integers = 1;
    double *sum = calloc((size_t)(n * n), sizeof *sum), *w = malloc(sizeof *w * (size_t)n), value = 0;
    double *space = malloc(sizeof *space * (size_t)length);
    w_blas_int integer[8];
    for (int p = 0; p < s->penalty_count; p++) {
        for (int64_t i = 0; i < s->columns * s->columns; i++)
            sum[i] += exp(rho[p]) * s->penalty[p].matrix[i];
    }
    dsyevd_("N", "L", &n, sum, &n, w, space, &length, integer, &integers, &info);
    assert_int_equal(info, 0);
    for (int64_t i = s->null_dimension; i < s->columns; i++)
        value += log(w[i]);
    if (s->null_dimension)
        assert_true(fabs(w[s->null_dimension - 1]) < 1e-9 * w[n - 1]);
    free(sum);
    free(w);
    free(space);
    return value;
}

static void check_logdet(const w_smooth *s, uint64_t seed)
{
    const double h = 1e-5;
    int q = s->penalty_count;
    double rho[W_MAX_PENALTIES], g[W_MAX_PENALTIES], up, down, gu[W_MAX_PENALTIES], gd[W_MAX_PENALTIES], value;
    double *hessian = malloc(sizeof *hessian * (size_t)(q * q));
    build_uniform(seed, q, -4, 4, rho);
    w_smooth_logdet(s, rho, &value, g, hessian);
    double exact = by_eigenvalues(s, rho), size = (double)s->columns;
    assert_near(value, exact, 1e-9 * (1 + fabs(exact)));
    for (int j = 0; j < q; j++) {
        double middle = rho[j];
        rho[j] = middle + h;
        w_smooth_logdet(s, rho, &up, gu, NULL);
        rho[j] = middle - h;
        w_smooth_logdet(s, rho, &down, gd, NULL);
        rho[j] = middle;
        assert_near((up - down) / (2 * h), g[j], 1e-7 * size);
        for (int i = 0; i < q; i++) {
            assert_near((gu[i] - gd[i]) / (2 * h), hessian[i * q + j], 1e-8 * size);
            assert_near(hessian[i * q + j], hessian[j * q + i], 1e-14 * size);
        }
    }
    free(hessian);
}

static void test_logdet(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int64_t b = 0; b < LENGTH(build_kinds); b++) {
        for (int option = 0; option < 12; option++) {
            w_arena arena;
            w_arena_init(&arena, ctx, "test");
            bool t2 = option >= 8;
            w_smooth_spec spec = t2 ? build_spec(W_SMOOTH_T2, option < 11 ? 2 : 3, build_kinds[b], option < 11 ? 6 : 4)
                                    : levels_spec(1 + option / 4, 3, 4, build_kinds[b], 7, option % 2);
            spec.select = option % 4 >= 2;
            spec.margin[1].basis = t2 && option % 2 ? W_BASIS_TP : spec.margin[1].basis;
            w_smooth s;
            build(&arena, &spec, &s);
            for (uint64_t seed = 1; seed < 4; seed++)
                check_logdet(&s, seed);
            w_arena_free(&arena);
        }
    }
    weir_ctx_destroy(ctx);
}

/* Two factors, smoothing parameters 26 decades apart: against the factorization's exact rational value
 * |C'DC| for 2 x 2 levels, C = (1, -1, -1, 1)': the sum of the four. */
static void test_extremes(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_spec spec = levels_spec(2, 2, 2, W_BASIS_CR, 6, false);
    const double rho[4] = {-30, 30, -2, 30}, one[3] = {-40, 25, -40};
    double value, at_zero, zero[4] = {0}, g[4], rank;
    w_smooth s;
    build(&arena, &spec, &s);
    rank = (double)s.penalty[0].rank;
    w_smooth_logdet(&s, rho, &value, g, NULL);
    w_smooth_logdet(&s, zero, &at_zero, NULL, NULL);
    double total = exp(-30) + 2 * exp(30) + exp(-2);
    assert_near(value - at_zero, rank * (log(total) - log(4)), 1e-12 * fabs(value));
    for (int j = 0; j < 4; j++)
        assert_near(g[j], rank * exp(rho[j]) / total, 1e-12 * rank * exp(rho[j]) / total);
    spec = levels_spec(1, 3, 0, W_BASIS_CR, 6, false);
    build(&arena, &spec, &s);
    w_smooth_logdet(&s, one, &value, g, NULL);
    w_smooth_logdet(&s, zero, &at_zero, NULL, NULL);
    assert_near(value - at_zero, rank * (-80 + 25 + log(2 * exp(40) + exp(-25)) - log(3)), 1e-12 * fabs(value));
    const double none[3] = {-INFINITY, 1, 2}; /* lambda = 0 */
    w_smooth_logdet(&s, none, &value, g, NULL);
    assert_near(value - at_zero, rank * (3 - log(3)), 1e-12 * fabs(value));
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

/* ---- definitions ---- */

/* Level l's row is c_l' x b(x) with b the basis of s(x) uncentred; over the levels the rows sum to zero. */
static void test_levels(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_spec spec = levels_spec(1, 4, 0, W_BASIS_TP, 8, false);
    w_smooth s, single;
    build(&arena, &spec, &s);
    build_single(&arena, W_BASIS_TP, 8, ROWS, columns[1], false, &single);
    assert_int_equal(s.columns, 24);
    assert_int_equal(s.penalty_count, 4);
    assert_int_equal(s.null_dimension, 6);
    double level[4] = {0, 1, 2, 3}, at[4] = {1.25, 1.25, 1.25, 1.25}, rows[4 * 24], b[8];
    const double *x[2] = {level, at}, *one[1] = {at};
    assert_int_equal(w_smooth_rows(ctx, &s, 4, x, rows), WEIR_OK);
    assert_int_equal(w_smooth_rows(ctx, &single, 1, one, b), WEIR_OK);
    for (int64_t j = 0; j < 24; j++) {
        double sum = 0;
        for (int64_t l = 0; l < 4; l++) {
            double contrast = l == 3 ? -1 : l == j / 8;
            assert_near(rows[l * 24 + j], contrast * b[j % 8], 1e-15);
            sum += rows[l * 24 + j];
        }
        assert_near(sum, 0, 1e-15);
    }
    for (int p = 0; p < 4; p++) {
        assert_near(s.penalty[p].scale, single.penalty[0].scale, 1e-13 * single.penalty[0].scale);
        for (int64_t i = 0; i < 24 * 24; i++) {
            double ci = p == 3 ? -1 : i / 24 / 8 == p, cj = p == 3 ? -1 : i % 24 / 8 == p;
            assert_near(s.penalty[p].matrix[i], ci * cj * single.penalty[0].matrix[i / 24 % 8 * 8 + i % 24 % 8],
                        1e-12 * single.penalty[0].matrix[0]);
        }
    }
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

/* Penalised columns have a penalty of their own, all of one size; the term sums to zero over the rows. */
static void check_product(weir_ctx *ctx, int margins, w_basis_kind basis, int64_t k)
{
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_spec spec = build_spec(W_SMOOTH_T2, margins, basis, k);
    w_smooth_data data = make_data(margins);
    w_smooth s;
    build(&arena, &spec, &s);
    int64_t owners = 0, null = 1, total = 0, n = s.columns;
    for (int m = 0; m < margins; m++)
        null *= s.margin[m].k - s.margin[m].rank;
    assert_int_equal(n, s.raw_columns - (null > 0));
    for (int64_t j = 0; j < n; j++) {
        int here = 0;
        for (int p = 0; p < s.penalty_count; p++) {
            for (int64_t i = 0; i < n; i++)
                assert_near(s.penalty[p].matrix[i * n + j], i == j && s.penalty[p].matrix[j * n + j] > 0 ? 1 / s.penalty[p].scale : 0,
                            1e-12 / s.penalty[p].scale);
            here += s.penalty[p].matrix[j * n + j] > 0;
        }
        assert_true(here <= 1);
        owners += here;
    }
    for (int p = 0; p < s.penalty_count; p++)
        total += s.penalty[p].rank;
    assert_int_equal(total, owners);
    assert_int_equal(s.null_dimension, n - total);
    double *x = malloc(sizeof *x * (size_t)(ROWS * n));
    assert_int_equal(w_smooth_rows(ctx, &s, ROWS, data.x, x), WEIR_OK);
    for (int64_t j = 0; null > 0 && j < n; j++) {
        double sum = 0, size = 0;
        for (int64_t i = 0; i < ROWS; i++) {
            sum += x[i * n + j];
            size = fmax(size, fabs(x[i * n + j]));
        }
        assert_near(sum, 0, 1e-10 * ROWS * size);
    }
    free(x);
    w_arena_free(&arena);
}

/* Mean square 1 on the range and in the null space, whose first column is the constant. */
static void check_margin(weir_ctx *ctx, w_basis_kind basis)
{
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_spec spec = build_spec(W_SMOOTH_T2, 2, basis, 7);
    w_smooth s;
    build(&arena, &spec, &s);
    for (int m = 0; m < 2; m++) {
        w_smooth single = {.margin_count = 1, .margin = {s.margin[m]}, .raw_columns = s.margin[m].k, .columns = s.margin[m].k};
        int64_t k = s.margin[m].k, rank = s.margin[m].rank;
        double *x = malloc(sizeof *x * (size_t)(ROWS * k)), mean = 0;
        const double *at[1] = {columns[m]};
        assert_int_equal(w_smooth_rows(ctx, &single, ROWS, at, x), WEIR_OK);
        for (int64_t a = 0; a < k; a++) {
            for (int64_t b = 0; b <= a; b++) {
                double dot = 0;
                for (int64_t i = 0; i < ROWS; i++)
                    dot += x[i * k + a] * x[i * k + b] / ROWS;
                if (b >= rank)
                    assert_near(dot, a == b, 1e-9);
                else if (a == b)
                    mean += dot / (double)rank;
            }
            for (int64_t b = 0; b < k; b++)
                assert_near(s.margin[m].penalty[a * k + b] / s.margin[m].penalty[0], a == b && a < rank, 1e-8);
        }
        assert_near(mean, 1, 1e-9);
        for (int64_t i = 0; k > rank && i < ROWS; i++)
            assert_near(fabs(x[i * k + rank]), 1, 1e-8);
        free(x);
    }
    w_arena_free(&arena);
}

static void test_products(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int64_t b = 0; b < LENGTH(build_kinds); b++) {
        check_product(ctx, 2, build_kinds[b], 6);
        check_product(ctx, 3, build_kinds[b], 4);
        check_margin(ctx, build_kinds[b]);
    }
    weir_ctx_destroy(ctx);
}

static void test_faults(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_data data = make_data(2);
    w_smooth s;
    w_smooth_spec one = levels_spec(1, 1, 0, W_BASIS_CR, 6, false), many = levels_spec(1, 64, 0, W_BASIS_CR, 6, false);
    assert_int_equal(w_smooth_build(&arena, &one, &data, &s), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "deviations need two"));
    w_message_clear(ctx);
    assert_int_equal(w_smooth_build(&arena, &many, &data, &s), WEIR_E_FORMULA);
    assert_non_null(strstr(weir_ctx_message(ctx), "give it an id="));
    many.shared = true;
    assert_int_equal(w_smooth_build(&arena, &many, &data, &s), WEIR_OK);
    assert_int_equal(s.penalty_count, 1);
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

static weir_status build_one(weir_ctx *ctx, void *arg)
{
    const w_smooth_spec *spec = arg;
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_data data = make_data(spec->margin_count);
    w_smooth s;
    weir_status status = w_smooth_build(&arena, spec, &data, &s);
    w_arena_free(&arena);
    return status;
}

static void test_memory(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int q = 0; q < 5; q++) {
        w_smooth_spec spec = q < 3 ? levels_spec(1 + q % 2, 3 + 4 * q, 3, q ? W_BASIS_TP : W_BASIS_CR, 6 + 4 * q, q == 1)
                                   : build_spec(W_SMOOTH_T2, q - 1, W_BASIS_CR, q == 3 ? 9 : 4);
        weir_memory_info before, after;
        assert_true(test_each_allocation_fails(ctx, build_one, &spec) > 3);
        w_ledger_reset_peak(ctx);
        weir_ctx_memory(ctx, &before);
        assert_int_equal(build_one(ctx, &spec), WEIR_OK);
        weir_ctx_memory(ctx, &after);
        assert_true(after.peak - before.in_use <= w_smooth_bytes(&spec, ROWS));
    }
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logdet), cmocka_unit_test(test_extremes), cmocka_unit_test(test_levels),
        cmocka_unit_test(test_products), cmocka_unit_test(test_faults), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("levels", tests, NULL, NULL);
}
