/* SPDX-License-Identifier: Apache-2.0 */
/* Cells and values: against textbook evaluation, at knots and ends, outside, wrapped, in all instruction sets. */
#include <stdlib.h>
#include <string.h>
#include "basis/build.h"
#include "basis/margin_eval.h"

#define N 600

typedef void (*eval_fn)(const w_margin *, const double *, int64_t, int32_t *, double *);

/* Row of a margin from its cells and maps. */
static void local_row(const w_margin *margin, double x, double *out)
{
    int32_t cell;
    double v[4];
    w_margin_eval(margin, &x, 1, &cell, v);
    for (int64_t j = 0; j < margin->k; j++) {
        out[j] = 0;
        for (int r = 0; r < 4; r++)
            out[j] += v[r] * margin->map[(cell * 4 + r) * margin->k + j];
    }
}

/* Natural cubic spline through (knot_i, delta_ij) at x: second derivatives by Gaussian elimination on the full
 * system. */
static double natural_spline(int64_t k, const double *knot, int64_t j, double x)
{
    double a[20][21] = {{0}}, h[20], d[20];
    for (int64_t i = 0; i + 1 < k; i++)
        h[i] = knot[i + 1] - knot[i];
    a[0][0] = a[k - 1][k - 1] = 1;
    for (int64_t i = 1; i + 1 < k; i++) {
        a[i][i - 1] = h[i - 1] / 6;
        a[i][i] = (h[i - 1] + h[i]) / 3;
        a[i][i + 1] = h[i] / 6;
        a[i][k] = ((i + 1 == j) - (i == j)) / h[i] - ((i == j) - (i - 1 == j)) / h[i - 1];
    }
    for (int64_t p = 0; p < k; p++) {
        for (int64_t i = p + 1; i < k; i++) {
            double f = a[i][p] / a[p][p];
            for (int64_t c = p; c <= k; c++)
                a[i][c] -= f * a[p][c];
        }
    }
    for (int64_t i = k - 1; i >= 0; i--) {
        d[i] = a[i][k];
        for (int64_t c = i + 1; c < k; c++)
            d[i] -= a[i][c] * d[c];
        d[i] /= a[i][i];
    }
    if (x < knot[0])
        return (j == 0) + (x - knot[0]) * (((j == 1) - (j == 0)) / h[0] - h[0] * d[1] / 6);
    if (x > knot[k - 1])
        return (j == k - 1)
               + (x - knot[k - 1]) * (((j == k - 1) - (j == k - 2)) / h[k - 2] + h[k - 2] * d[k - 2] / 6);
    int64_t i = 0;
    while (i < k - 2 && x > knot[i + 1])
        i++;
    double left = (knot[i + 1] - x) / h[i], right = (x - knot[i]) / h[i];
    return left * (i == j) + right * (i + 1 == j)
           + ((left * left * left - left) * d[i] + (right * right * right - right) * d[i + 1]) * h[i] * h[i] / 6;
}

static void test_cr_is_the_natural_interpolant(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double x[N];
    build_uniform(1, N, -2, 5, x);
    for (int64_t k = 3; k <= 20; k++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth s;
        build_single(&arena, W_BASIS_CR, k, N, x, false, &s);
        const w_margin *margin = &s.margin[0];
        double row[20];
        for (int i = -20; i <= 120; i++) {
            double at = -2 + 7 * (i / 100.0);
            local_row(margin, at, row);
            for (int64_t j = 0; j < k; j++)
                assert_near(row[j], natural_spline(k, margin->knot, j, at), 1e-11 * (1 + (i < 0 || i > 100) * 20));
        }
        w_arena_free(&arena);
    }
    weir_ctx_destroy(ctx);
}

/* B-spline j of a degree over the knots t, right-continuous, by the Cox-de Boor recursion. */
static double cox_de_boor(int degree, const double *t, int64_t j, double x)
{
    if (degree == 0)
        return x >= t[j] && x < t[j + 1];
    double a = t[j + degree] - t[j], b = t[j + degree + 1] - t[j + 1];
    return (x - t[j]) / a * cox_de_boor(degree - 1, t, j, x)
           + (t[j + degree + 1] - x) / b * cox_de_boor(degree - 1, t, j + 1, x);
}

static void test_ps_is_cox_de_boor(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double x[N];
    build_uniform(2, N, 10, 11, x);
    for (int degree = 1; degree <= 3; degree++) {
        for (int64_t k = degree + 3; k <= 25; k += 4) {
            w_arena arena;
            w_arena_init(&arena, ctx, "test");
            w_smooth s;
            w_smooth_spec spec = build_spec(W_SMOOTH_S, 1, W_BASIS_PS, k);
            spec.centre = false;
            spec.margin[0].m_count = 1;
            spec.margin[0].m[0] = degree - 1;
            const double *column = x;
            w_smooth_data data = build_data(1, N, &column);
            assert_int_equal(w_smooth_build(&arena, &spec, &data, &s), WEIR_OK);
            const w_margin *margin = &s.margin[0];
            assert_int_equal(margin->knot_count, k + degree + 1);
            double row[32];
            for (int i = 0; i < N; i++) {
                local_row(margin, x[i], row);
                for (int64_t j = 0; j < k; j++)
                    assert_near(row[j], cox_de_boor(degree, margin->knot, j, x[i]), 1e-13);
            }
            w_arena_free(&arena);
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_cyclic_wraps(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double x[N];
    build_uniform(3, N, 0, 1, x);
    const w_basis_kind kinds[] = {W_BASIS_CC, W_BASIS_CP};
    for (int q = 0; q < 2; q++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth s;
        w_smooth_spec spec = build_spec(W_SMOOTH_S, 1, kinds[q], 7);
        const double ends[] = {0, 1}, *column = x;
        spec.margin[0].knot = ends;
        spec.margin[0].knot_count = 2;
        w_smooth_data data = build_data(1, N, &column);
        assert_int_equal(w_smooth_build(&arena, &spec, &data, &s), WEIR_OK);
        const w_margin *margin = &s.margin[0];
        double here[8], there[8];
        for (int i = 0; i < N; i++) {
            local_row(margin, x[i], here);
            for (int turn = -3; turn <= 3; turn++) {
                local_row(margin, x[i] + turn, there);
                for (int64_t j = 0; j < margin->k; j++)
                    assert_near(here[j], there[j], 1e-12);
            }
        }
        /* Value, slope and curvature agree across the seam. */
        const double *map = margin->map, *last = map + (margin->break_count - 2) * 4 * margin->k;
        double h0 = margin->break_point[1] - margin->break_point[0];
        double h1 = margin->break_point[margin->break_count - 1] - margin->break_point[margin->break_count - 2];
        for (int64_t j = 0, k = margin->k; j < k; j++) {
            assert_near(map[j], last[3 * k + j], 1e-13);
            assert_near((map[k + j] - map[j]) / h0, (last[3 * k + j] - last[2 * k + j]) / h1, 1e-11);
            assert_near((map[2 * k + j] - 2 * map[k + j] + map[j]) / h0 / h0,
                        (last[3 * k + j] - 2 * last[2 * k + j] + last[k + j]) / h1 / h1, 1e-9);
        }
        w_arena_free(&arena);
    }
    weir_ctx_destroy(ctx);
}

/* The first derivative and the value are continuous at every break and at both ends of every basis. */
static void test_smooth_at_breaks(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double x[N], left[16], right[16];
    build_uniform(4, N, 0, 1, x);
    for (int64_t q = 0; q < LENGTH(build_kinds); q++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth s;
        build_single(&arena, build_kinds[q], 9, N, x, false, &s);
        const w_margin *margin = &s.margin[0];
        double size = 0;
        for (int64_t i = 0; i < margin->cells * 4 * margin->k; i++)
            size = fmax(size, fabs(margin->map[i]));
        for (int64_t b = 0; b < margin->break_count; b++) {
            double at = margin->break_point[b];
            if (margin->cyclic && (b == 0 || b == margin->break_count - 1))
                continue;
            local_row(margin, nextafter(at, -INFINITY), left);
            local_row(margin, nextafter(at, INFINITY), right);
            for (int64_t j = 0; j < margin->k; j++)
                assert_near(left[j], right[j], 1e-12 * size);
        }
        w_arena_free(&arena);
    }
    weir_ctx_destroy(ctx);
}

static void check_instruction_sets(const w_margin *margin, int64_t rows, const double *x)
{
    const eval_fn forms[] = {w_margin_eval_avx2, w_margin_eval_avx512, w_margin_eval};
    const int levels[] = {1, 2, 0};
    int32_t *cell = malloc(sizeof *cell * (size_t)rows), *other_cell = malloc(sizeof *cell * (size_t)rows);
    double *value = malloc(sizeof *value * (size_t)rows * 4), *other = malloc(sizeof *value * (size_t)rows * 4);
    w_margin_eval_plain(margin, x, rows, cell, value);
    for (int64_t i = 0; i < rows; i++) {
        int64_t c = cell[i], n = margin->break_count - 1;
        assert_true(c >= 0 && c < margin->cells);
        if (c < n && x[i] >= margin->break_point[0] && x[i] <= margin->break_point[n]) {
            assert_true(x[i] >= margin->break_point[c]);
            assert_true(x[i] < margin->break_point[c + 1] || (c == n - 1 && x[i] == margin->break_point[n]));
        }
    }
    for (int f = 0; f < 3; f++) {
        if (levels[f] > w_margin_eval_level() || (levels[f] > 0 && margin->lookup_steps > W_EVAL_STEP_LIMIT))
            continue;
        memset(other, 7, sizeof *other * (size_t)rows * 4);
        forms[f](margin, x, rows, other_cell, other);
        assert_memory_equal(cell, other_cell, sizeof *cell * (size_t)rows);
        assert_memory_equal(value, other, sizeof *value * (size_t)rows * 4);
    }
    free(cell);
    free(other_cell);
    free(value);
    free(other);
}

static void test_instruction_sets_agree(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    enum { ROWS = 3001 };
    double x[N], *at = malloc(sizeof *at * ROWS);
    int bisected = 0;
    const int64_t sizes[] = {4, 5, 9, 10, 16, 17, 18, 19, 40, 100, 300};
    for (int shape = 0; shape < 3; shape++) {
        build_uniform(5 + (uint64_t)shape, N, 0, 1, x);
        for (int i = 0; shape == 1 && i < N; i++)
            x[i] = x[i] * x[i] * x[i] * x[i] * x[i]; /* knots crowd near 0 */
        for (int i = 0; shape == 2 && i < N; i++)
            x[i] = exp(-40 * x[i]); /* so much that intervals are found by bisection */
        for (int64_t q = 0; q < LENGTH(build_kinds); q++) {
            for (int64_t z = 0; z < LENGTH(sizes); z++) {
                if (shape == 2 && (build_kinds[q] != W_BASIS_CR && build_kinds[q] != W_BASIS_CC))
                    continue;
                w_arena arena;
                w_arena_init(&arena, ctx, "test");
                w_smooth s;
                build_single(&arena, build_kinds[q], sizes[z], N, x, false, &s);
                const w_margin *margin = &s.margin[0];
                build_uniform(6, ROWS, -0.5, 1.5, at);
                for (int64_t i = 0; i < N; i++)
                    at[i] = x[i];
                for (int64_t i = 0; i < margin->break_count && i < N; i++)
                    at[N + i] = margin->break_point[i];
                at[2000] = NAN;
                at[2001] = -1e300;
                at[2002] = 1e300;
                check_instruction_sets(margin, ROWS, at);
                bisected += margin->lookup_steps > W_EVAL_STEP_LIMIT;
                w_arena_free(&arena);
            }
        }
    }
    assert_true(bisected > 0);
    free(at);
    weir_ctx_destroy(ctx);
}

static void test_ends_outside_and_nan(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double x[N];
    build_uniform(8, N, -1, 1, x);
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth s;
    build_single(&arena, W_BASIS_CR, 6, N, x, false, &s);
    const w_margin *m = &s.margin[0];
    double low = m->break_point[0], high = m->break_point[5];
    const double at[] = {low,      high, nextafter(low, -9), nextafter(high, 9), low - 3,
                         high + 2, NAN,  m->break_point[3]};
    const int32_t want[] = {0, 4, 5, 6, 5, 6, 0, 3};
    int32_t cell[8];
    double v[32];
    w_margin_eval(m, at, 8, cell, v);
    for (int i = 0; i < 8; i++)
        assert_int_equal(cell[i], want[i]);
    assert_near(v[0], 1, 0);
    assert_near(v[4 + 3], 1, 4e-16);
    assert_near(v[4 * 4 + 1], -3, 1e-15);
    assert_near(v[5 * 4 + 1], 2, 1e-15);
    for (int r = 0; r < 4; r++)
        assert_near(v[6 * 4 + r], 0, 0);
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

static void test_restore(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double x[N], here[12], there[12];
    build_uniform(9, N, -1, 1, x);
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    for (int64_t q = 0; q < LENGTH(build_kinds); q++) {
        w_smooth s;
        build_single(&arena, build_kinds[q], 8, N, x, false, &s);
        const w_margin *m = &s.margin[0];
        w_margin copy;
        assert_int_equal(
            w_margin_restore(&arena, m->kind, m->cyclic, m->k, m->break_count, m->break_point, m->map, &copy),
            WEIR_OK);
        for (double at = -1.5; at < 1.5; at += 0.01) {
            local_row(m, at, here);
            local_row(&copy, at, there);
            assert_memory_equal(here, there, sizeof *here * (size_t)m->k);
        }
    }
    const double descending[] = {1, 0}, infinite[] = {0, INFINITY}, map[64] = {0};
    w_margin copy;
    assert_int_equal(w_margin_restore(&arena, W_BASIS_CR, false, 3, 2, descending, map, &copy), WEIR_E_MODEL);
    assert_int_equal(w_margin_restore(&arena, W_BASIS_CR, false, 3, 2, infinite, map, &copy), WEIR_E_MODEL);
    assert_int_equal(w_margin_restore(&arena, W_BASIS_CR, false, 3, 1, descending, map, &copy), WEIR_E_MODEL);
    assert_int_equal(w_margin_restore(&arena, W_BASIS_CR, false, 0, 2, descending, map, &copy), WEIR_E_MODEL);
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cr_is_the_natural_interpolant),
        cmocka_unit_test(test_ps_is_cox_de_boor),
        cmocka_unit_test(test_cyclic_wraps),
        cmocka_unit_test(test_smooth_at_breaks),
        cmocka_unit_test(test_instruction_sets_agree),
        cmocka_unit_test(test_ends_outside_and_nan),
        cmocka_unit_test(test_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
