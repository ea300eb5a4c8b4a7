/* SPDX-License-Identifier: Apache-2.0 */
/* Whole smooths: invariants, notes and refusals, extreme covariates, memory. */
#include <stdlib.h>
#include <string.h>
#include "basis/build.h"
#include "basis/fit.h"
#include "base/ctx.h"

#define N 500

static double columns[3][N];

static void fill_columns(void)
{
    build_uniform(11, N, 0, 1, columns[0]);
    build_uniform(12, N, -3, 4, columns[1]);
    build_uniform(13, N, 100, 101, columns[2]);
}

static weir_status build(w_arena *arena, const w_smooth_spec *spec, w_smooth *out)
{
    const double *x[3] = {columns[0], columns[1], columns[2]};
    w_smooth_data data = build_data(spec->margin_count, N, x);
    return w_smooth_build(arena, spec, &data, out);
}

static void check_penalties(const w_smooth *s)
{
    int64_t k = s->columns;
    for (int p = 0; p < s->penalty_count; p++) {
        const double *m = s->penalty[p].matrix;
        double trace = 0, least = 0;
        for (int64_t i = 0; i < k; i++) {
            trace += m[i * k + i];
            for (int64_t j = 0; j < k; j++)
                assert_true(m[i * k + j] == m[j * k + i]);
        }
        /* Semidefinite: v'Sv >= -c eps trace for many v. */
        double v[256];
        for (int t = 0; t < 20; t++) {
            build_uniform((uint64_t)t, k, -1, 1, v);
            double form = 0;
            for (int64_t i = 0; i < k; i++) {
                for (int64_t j = 0; j < k; j++)
                    form += v[i] * m[i * k + j] * v[j];
            }
            least = fmin(least, form);
        }
        assert_true(trace > 0 && least >= -1e-13 * trace * (double)k);
        assert_true(s->penalty[p].rank > 0 && s->penalty[p].rank <= k);
    }
}

static void check_smooth(weir_ctx *ctx, const w_smooth_spec *spec)
{
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth s;
    if (build(&arena, spec, &s) != WEIR_OK)
        fail_msg("%s", weir_ctx_message(ctx));
    const double *x[3] = {columns[0], columns[1], columns[2]};
    int64_t k = s.columns;
    double *rows = malloc(sizeof *rows * (size_t)(N * k));
    assert_int_equal(w_smooth_rows(ctx, &s, N, x, rows), WEIR_OK);
    bool centred = spec->centre && spec->type != W_SMOOTH_TI;
    for (int64_t j = 0; j < k; j++) {
        double sum = 0, size = 0;
        for (int64_t i = 0; i < N; i++) {
            sum += rows[i * k + j];
            size = fmax(size, fabs(rows[i * k + j]));
        }
        assert_near(sum / N, s.column_mean[j], 1e-13 * size * (double)s.raw_columns);
        if (centred)
            assert_true(s.column_mean[j] == 0);
    }
    assert_int_equal(s.raw_columns - s.columns, centred);
    check_penalties(&s);
    if (spec->select && !spec->fixed)
        assert_int_equal(s.null_dimension, 0);
    free(rows);
    w_arena_free(&arena);
}

static void test_invariants(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int64_t q = 0; q < LENGTH(build_kinds); q++) {
        for (int option = 0; option < 8; option++) {
            for (int margins = 1; margins <= 3; margins++) {
                for (int type = margins == 1 ? 0 : 1; type <= 2; type++) {
                    w_smooth_spec spec =
                        build_spec((w_smooth_type)type, margins, build_kinds[q], margins == 1 ? 9 : 4);
                    spec.centre = option & 1;
                    spec.select = option & 2;
                    spec.fixed = option & 4;
                    check_smooth(ctx, &spec);
                }
            }
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_fixed_and_select(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth s;
    w_smooth_spec spec = build_spec(W_SMOOTH_S, 1, W_BASIS_CR, 8);
    spec.fixed = true;
    assert_int_equal(build(&arena, &spec, &s), WEIR_OK);
    assert_int_equal(s.penalty_count, 0);
    assert_int_equal(s.null_dimension, 7);
    assert_int_equal(s.logdet_form, W_LOGDET_NONE);
    spec.fixed = false;
    spec.select = true;
    assert_int_equal(build(&arena, &spec, &s), WEIR_OK);
    assert_int_equal(s.penalty_count, 2);
    assert_int_equal(s.penalty[1].rank, 1);
    /* The extra penalty is a projector that the first penalty does not see. */
    for (int64_t i = 0; i < 7; i++) {
        for (int64_t j = 0; j < 7; j++) {
            double product = 0, square = 0;
            for (int64_t r = 0; r < 7; r++) {
                product += s.penalty[0].matrix[i * 7 + r] * s.penalty[1].matrix[r * 7 + j];
                square += s.penalty[1].matrix[i * 7 + r] * s.penalty[1].matrix[r * 7 + j];
            }
            assert_near(product, 0, 1e-13);
            assert_near(square, s.penalty[1].matrix[i * 7 + j], 1e-14);
        }
    }
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

static void test_notes(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double x[N], z[N];
    for (int i = 0; i < N; i++) {
        x[i] = i % 6;
        z[i] = i % 7;
    }
    for (int64_t q = 0; q < LENGTH(build_kinds); q++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth s;
        build_single(&arena, build_kinds[q], 10, N, x, true, &s);
        assert_string_equal(s.note, "k reduced from 10 to 6: only 6 distinct values");
        assert_int_equal(s.margin[0].k, build_kinds[q] == W_BASIS_CC ? 5 : 6);
        build_single(&arena, build_kinds[q], 6, N, x, true, &s);
        assert_null(s.note);
        w_arena_free(&arena);
    }
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth s;
    w_smooth_spec spec = build_spec(W_SMOOTH_TE, 2, W_BASIS_CR, 8);
    const double *both[] = {x, z};
    w_smooth_data data = build_data(2, N, both);
    assert_int_equal(w_smooth_build(&arena, &spec, &data, &s), WEIR_OK);
    assert_string_equal(s.note, "covariate 1: k reduced from 8 to 6: only 6 distinct values; "
                                "covariate 2: k reduced from 8 to 7: only 7 distinct values");
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

static void expect_refusal(weir_ctx *ctx, const w_smooth_spec *spec, int64_t n, const double *x,
                           weir_status status, const char *message)
{
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth s = {.columns = -7};
    w_smooth_data data = build_data(1, n, &x);
    w_message_clear(ctx);
    weir_status got = w_smooth_build(&arena, spec, &data, &s);
    if (got != status || !strstr(weir_ctx_message(ctx), message))
        fail_msg("status %d, message \"%s\"; expected %d, \"%s\"", got, weir_ctx_message(ctx), status, message);
    assert_int_equal(s.columns, -7);
    w_arena_free(&arena);
}

static void test_refusals(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const double constant[] = {2.5, 2.5, 2.5}, two[] = {1, 2, 1}, hole[] = {1, NAN, 3, 4, 5},
                 tiny[] = {0, 1e-310, 2e-310, 3e-310};
    const double huge[] = {-1e300, 0, 1e300, 1e299}, *x = columns[0], far[] = {1e16, 1e16 + 2, 1e16 + 4, 1e16 + 6};
    w_smooth_spec spec = build_spec(W_SMOOTH_S, 1, W_BASIS_CR, 10);
    expect_refusal(ctx, &spec, 3, constant, WEIR_E_DATA, "s(x): the covariate is constant (2.5)");
    expect_refusal(ctx, &spec, 3, two, WEIR_E_DATA,
                   "s(x): the covariate has only 2 distinct values; \"cr\" needs at least 3");
    expect_refusal(ctx, &spec, 5, hole, WEIR_E_DATA, "not finite in set-up row 2");
    expect_refusal(ctx, &spec, 4, tiny, WEIR_E_DATA, "rescale");
    expect_refusal(ctx, &spec, 4, huge, WEIR_E_DATA, "rescale");
    for (int64_t q = 0; q < LENGTH(build_kinds); q++) {
        spec.margin[0].basis = build_kinds[q];
        spec.margin[0].k = 2;
        expect_refusal(ctx, &spec, N, x, WEIR_E_FORMULA, "k = 2 is too small");
        spec.margin[0].k = 4;
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth s;
        const double *column = far;
        w_smooth_data data = build_data(1, 4, &column);
        weir_status status = w_smooth_build(&arena, &spec, &data, &s);
        assert_true(status == WEIR_OK || status == WEIR_E_DATA);
        w_arena_free(&arena);
    }
    spec.margin[0] = (w_margin_spec){.basis = W_BASIS_RE};
    expect_refusal(ctx, &spec, N, x, WEIR_E_FORMULA, "bs=\"re\"");
    spec.margin[0] = (w_margin_spec){.basis = W_BASIS_TP, .m_count = 1, .m = {3}};
    expect_refusal(ctx, &spec, N, x, WEIR_E_FORMULA, "tp supports m = 2");
    spec.margin[0] = (w_margin_spec){.basis = W_BASIS_PS, .m_count = 2, .m = {4, 2}};
    expect_refusal(ctx, &spec, N, x, WEIR_E_FORMULA, "degree");
    spec.margin[0] = (w_margin_spec){.basis = W_BASIS_PS, .k = 8, .m_count = 2, .m = {2, 8}};
    expect_refusal(ctx, &spec, N, x, WEIR_E_FORMULA, "too small");
    const double knots[] = {0.5, 0.2, NAN}, same[] = {0, 0.4, 0.4, 1}, inner[] = {0.2, 0.8};
    spec.margin[0] = (w_margin_spec){.basis = W_BASIS_CR, .k = 3, .knot_count = 3, .knot = knots};
    expect_refusal(ctx, &spec, N, x, WEIR_E_FORMULA, "knot 3 is not a finite number");
    spec.margin[0] = (w_margin_spec){.basis = W_BASIS_CR, .k = 4, .knot_count = 4, .knot = same};
    expect_refusal(ctx, &spec, N, x, WEIR_E_FORMULA, "two knots coincide");
    spec.margin[0].k = 6;
    expect_refusal(ctx, &spec, N, x, WEIR_E_FORMULA, "4 knots given for k = 6");
    for (int q = 2; q <= 4; q++) {
        spec.margin[0] = (w_margin_spec){.basis = build_kinds[q], .k = 8, .knot_count = 2, .knot = inner};
        expect_refusal(ctx, &spec, N, x, WEIR_E_FORMULA, "enclose the data");
    }
    spec.margin[0] = (w_margin_spec){.basis = W_BASIS_TP, .k = 8, .knot_count = 2, .knot = inner};
    expect_refusal(ctx, &spec, N, x, WEIR_E_FORMULA, "2 knots given for k = 8");
    weir_ctx_destroy(ctx);
}

/* The same shape at x + 1e8 and at x 2^20: the fit of a smooth function is the same up to the rounding of x. */
static void test_shifted_and_scaled(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double y[N], beta[16];
    for (int i = 0; i < N; i++)
        y[i] = sin(6 * columns[0][i]);
    for (int64_t q = 0; q < LENGTH(build_kinds); q++) {
        double fitted[3][N];
        for (int form = 0; form < 3; form++) {
            double x[N], *rows = malloc(sizeof *rows * N * 16);
            for (int i = 0; i < N; i++)
                x[i] = form == 1 ? 1e8 + columns[0][i] : form == 2 ? ldexp(columns[0][i], 20) : columns[0][i];
            w_arena arena;
            w_arena_init(&arena, ctx, "test");
            w_smooth s;
            build_single(&arena, build_kinds[q], 10, N, x, true, &s);
            const double *column = x;
            assert_int_equal(w_smooth_rows(ctx, &s, N, &column, rows), WEIR_OK);
            const double sp[2] = {0.1, 0.1};
            fit_smooth(&s, sp, N, rows, y, beta);
            for (int i = 0; i < N; i++)
                fitted[form][i] = fit_value(s.columns, rows + i * s.columns, beta);
            w_arena_free(&arena);
            free(rows);
        }
        for (int i = 0; i < N; i++) {
            assert_near(fitted[1][i], fitted[0][i], 1e-6); /* x is rounded to 1.5e-8 */
            assert_near(fitted[2][i], fitted[0][i], 1e-11);
        }
    }
    weir_ctx_destroy(ctx);
}

static weir_status build_everything(weir_ctx *ctx, void *arg)
{
    const w_smooth_spec *spec = arg;
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth s;
    const double *x[3] = {columns[0], columns[1], columns[2]};
    double rows[4 * 256];
    weir_status status = build(&arena, spec, &s);
    if (!status)
        status = w_smooth_rows(ctx, &s, 4, x, rows);
    w_arena_free(&arena);
    return status;
}

static void test_every_allocation_may_fail(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int64_t q = 0; q < LENGTH(build_kinds); q++) {
        for (int type = 0; type < 3; type++) {
            w_smooth_spec spec = build_spec((w_smooth_type)type, type ? 2 : 1, build_kinds[q], type ? 5 : 40);
            spec.select = true;
            assert_true(test_each_allocation_fails(ctx, build_everything, &spec) > 3);
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_bytes_are_an_upper_bound(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t sizes[] = {4, 10, 30, 100};
    for (int64_t q = 0; q < LENGTH(build_kinds); q++) {
        for (int margins = 1; margins <= 3; margins++) {
            for (int64_t z = 0; z < (margins == 1 ? 4 : margins == 2 ? 2 : 1); z++) {
                for (int type = margins == 1 ? 0 : 1; type < 3; type++) {
                    w_smooth_spec spec = build_spec((w_smooth_type)type, margins, build_kinds[q], sizes[z]);
                    spec.select = true;
                    weir_memory_info before, after;
                    w_ledger_reset_peak(ctx);
                    weir_ctx_memory(ctx, &before);
                    assert_int_equal(build_everything(ctx, &spec), WEIR_OK);
                    weir_ctx_memory(ctx, &after);
                    int64_t bytes = w_smooth_bytes(&spec, N);
                    if (after.peak - before.in_use > bytes)
                        fail_msg("%s, %d margins, k=%lld: %lld bytes were taken, %lld promised",
                                 w_basis_name(build_kinds[q]), margins, (long long)sizes[z],
                                 (long long)(after.peak - before.in_use), (long long)bytes);
                }
            }
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_same_bits_again(void **state)
{
    weir_ctx *one = test_ctx(state, 1, 0), *three = test_ctx(state, 3, 0);
    for (int64_t q = 0; q < LENGTH(build_kinds); q++) {
        w_arena a, b;
        w_arena_init(&a, one, "test");
        w_arena_init(&b, three, "test");
        w_smooth s, t;
        build_single(&a, build_kinds[q], 20, N, columns[0], true, &s);
        build_single(&b, build_kinds[q], 20, N, columns[0], true, &t);
        size_t square = sizeof(double) * (size_t)(s.columns * s.columns);
        assert_memory_equal(s.penalty[0].matrix, t.penalty[0].matrix, square);
        assert_memory_equal(s.transform, t.transform, sizeof(double) * (size_t)(s.raw_columns * s.columns));
        assert_memory_equal(s.margin[0].map, t.margin[0].map,
                            sizeof(double) * (size_t)(s.margin[0].cells * 4 * s.margin[0].k));
        w_arena_free(&a);
        w_arena_free(&b);
    }
    weir_ctx_destroy(one);
    weir_ctx_destroy(three);
}

/* A sample that misses the extremes still gets end knots at the true range. */
static void test_true_range(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int64_t q = 0; q < LENGTH(build_kinds); q++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth s;
        w_smooth_spec spec = build_spec(W_SMOOTH_S, 1, build_kinds[q], 8);
        w_smooth_data data = {.rows = N, .x = {columns[0]}, .lower = {-1}, .upper = {3}};
        assert_int_equal(w_smooth_build(&arena, &spec, &data, &s), WEIR_OK);
        const w_margin *m = &s.margin[0];
        double margin = build_kinds[q] == W_BASIS_PS ? 0.004 : 0;
        assert_near(m->break_point[0], -1 - margin, 1e-14);
        assert_near(m->break_point[m->break_count - 1], 3 + margin, 1e-14);
        w_arena_free(&arena);
    }
    weir_ctx_destroy(ctx);
}

static void test_names(void **state)
{
    (void)state;
    w_basis_kind kind;
    const char *names[] = {"cr", "cs", "cc", "ps", "cp", "tp", "ts", "re"};
    for (int i = 0; i < 8; i++) {
        assert_true(w_basis_parse(names[i], &kind));
        assert_string_equal(w_basis_name(kind), names[i]);
    }
    assert_false(w_basis_parse("gp", &kind));
    assert_false(w_basis_parse("", &kind));
    assert_int_equal(w_basis_default_k(&(w_margin_spec){.basis = W_BASIS_CR}, false), 10);
    assert_int_equal(w_basis_default_k(&(w_margin_spec){.basis = W_BASIS_TP}, true), 5);
}

int main(void)
{
    fill_columns();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_invariants),
        cmocka_unit_test(test_fixed_and_select),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_shifted_and_scaled),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_bytes_are_an_upper_bound),
        cmocka_unit_test(test_same_bits_again),
        cmocka_unit_test(test_true_range),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
