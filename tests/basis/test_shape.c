/* SPDX-License-Identifier: Apache-2.0 */
/* Smooths under shape constraints: any coefficients in the orthant give a curve of the shape, looked at on a fine
 * grid inside the knots and far beyond; the columns span what those of ps do; the criterion's determinants are
 * those of ps. */
#include <string.h>
#include "build.h"

#define ROWS 300
#define GRID 4001
#define MOST 60

typedef struct shape_case {
    const char *name;
    int slope, bend; /* signs, 0 = free */
} shape_case;

static const shape_case cases[] = {
    {"mpi", 1, 0},  {"mpd", -1, 0},  {"cx", 0, 1},    {"cv", 0, -1},
    {"micx", 1, 1}, {"micv", 1, -1}, {"mdcx", -1, 1}, {"mdcv", -1, -1},
};

static double columns_at[GRID * MOST], curve[GRID];

/* Values at GRID points over three times the range of x. */
static void evaluate(weir_ctx *ctx, const w_smooth *s, double low, double high, const double *beta, double *step)
{
    static double x[GRID];
    const double *xs[] = {x};
    *step = 3 * (high - low) / (GRID - 1);
    for (int i = 0; i < GRID; i++)
        x[i] = low - (high - low) + *step * i;
    assert_int_equal(w_smooth_rows(ctx, s, GRID, xs, columns_at), WEIR_OK);
    for (int i = 0; i < GRID; i++) {
        curve[i] = 0;
        for (int64_t j = 0; j < s->columns; j++)
            curve[i] += columns_at[i * s->columns + j] * beta[j];
    }
}

static void check_curve(const shape_case *c, double size)
{
    for (int i = 1; i < GRID; i++) {
        double rise = curve[i] - curve[i - 1];
        if (c->slope * rise < -1e-13 * size)
            fail_msg("%s: changes by %g at point %d", c->name, rise, i);
        double bend = i > 1 ? rise - (curve[i - 1] - curve[i - 2]) : 0;
        if (c->bend * bend < -4e-13 * size)
            fail_msg("%s: bends by %g at point %d", c->name, bend, i);
    }
}

/* Random coefficients of the orthant, many of them 0, and each direction on its own. */
static void check_cone(weir_ctx *ctx, const shape_case *c, const w_smooth *s, double low, double high, w_rng *rng)
{
    double beta[MOST], step;
    for (int64_t draw = -s->columns; draw < 8; draw++) {
        for (int64_t j = 0; j < s->columns; j++) {
            double u = w_rng_uniform(rng);
            beta[j] = draw < 0 ? -draw == j + 1 : u < 0.5 ? 0 : exp(4 * (u - 0.7));
            if (j < w_smooth_signed(s) && w_rng_uniform(rng) < 0.5)
                beta[j] = -beta[j];
        }
        evaluate(ctx, s, low, high, beta, &step);
        double size = 0;
        for (int i = 0; i < GRID; i++)
            size = fmax(size, fabs(curve[i]));
        check_curve(c, size);
        /* every coefficient shows: a slope in the differences, a bend in those of the second order */
        if (draw < 0) {
            double worst = 0;
            for (int i = 2; i < GRID; i++) {
                double rise = curve[i] - curve[i - 1], bend = rise - (curve[i - 1] - curve[i - 2]);
                worst = fmax(worst, c->bend && draw < -1 ? fabs(bend) : fabs(rise));
            }
            if (!(worst > 1e-9 * size))
                fail_msg("%s: coefficient %d changes nothing", c->name, (int)-draw);
        }
    }
}

static void test_orthant_is_the_shape(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    static double x[ROWS];
    w_rng rng;
    w_rng_seed(&rng, 7);
    build_uniform(3, ROWS, -2, 5, x);
    const double *xs = x;
    w_smooth_data data = build_data(1, ROWS, &xs);
    static const double knots[] = {-9, -5, -3, -2.5, 0, 0.2, 1, 4, 5.5, 8, 9, 12}; /* uneven: k = 8, cubic */
    for (int64_t c = 0; c < LENGTH(cases); c++) {
        for (int option = 0; option < 6; option++) {
            w_arena arena;
            w_arena_init(&arena, ctx, "test");
            w_smooth s;
            w_smooth_spec spec = build_spec(W_SMOOTH_S, 1, W_BASIS_PS, option == 1 ? 30 : option == 2 ? 4 : 10);
            assert_true(w_basis_parse(cases[c].name, &spec.margin[0].basis));
            assert_true(w_basis_shaped(spec.margin[0].basis));
            assert_string_equal(w_basis_name(spec.margin[0].basis), cases[c].name);
            if (option == 3 || option == 4) { /* linear, quadratic */
                spec.margin[0].m_count = 2;
                spec.margin[0].m[0] = option - 3;
                spec.margin[0].m[1] = option - 2;
            }
            if (option == 5) {
                spec.margin[0].k = 8;
                spec.margin[0].knot_count = LENGTH(knots);
                spec.margin[0].knot = knots;
            }
            weir_status status = w_smooth_build(&arena, &spec, &data, &s);
            if (status)
                fail_msg("%s %d: %s", cases[c].name, option, weir_ctx_message(ctx));
            assert_int_equal(s.columns, s.raw_columns - 1);
            assert_int_equal(w_smooth_signed(&s), cases[c].slope == 0);
            check_cone(ctx, &cases[c], &s, data.lower[0], data.upper[0], &rng);
            w_arena_free(&arena);
        }
    }
    weir_ctx_destroy(ctx);
}

/* Determinant of a small symmetric positive definite matrix by Cholesky's method. */
static double log_det(int64_t n, double *a)
{
    double sum = 0;
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < j; i++) {
            for (int64_t k = 0; k < i; k++)
                a[i * n + j] -= a[k * n + i] * a[k * n + j];
            a[i * n + j] /= a[i * n + i];
        }
        for (int64_t k = 0; k < j; k++)
            a[j * n + j] -= a[k * n + j] * a[k * n + j];
        assert_true(a[j * n + j] > 0);
        a[j * n + j] = sqrt(a[j * n + j]);
        sum += 2 * log(a[j * n + j]);
    }
    return sum;
}

/* log|X'X + S| - log|S|_+ over the columns that are not fixed. */
static double criterion_part(weir_ctx *ctx, const w_smooth *s, int64_t rows, const double *x, const uint8_t *fixed,
                             double penalty)
{
    static double row[ROWS * MOST], h[MOST * MOST];
    int64_t free_column[MOST], f = 0;
    const double *xs[] = {x};
    assert_int_equal(w_smooth_rows(ctx, s, rows, xs, row), WEIR_OK);
    for (int64_t j = 0; j < s->columns; j++)
        if (!fixed || !fixed[j])
            free_column[f++] = j;
    for (int64_t a = 0; a < f; a++)
        for (int64_t b = 0; b < f; b++) {
            h[a * f + b] = s->penalty[0].matrix[free_column[a] * s->columns + free_column[b]];
            for (int64_t i = 0; i < rows; i++)
                h[a * f + b] += row[i * s->columns + free_column[a]] * row[i * s->columns + free_column[b]];
        }
    return log_det(f, h) - penalty;
}

static void test_determinants_are_those_of_ps(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    static double x[ROWS];
    build_uniform(4, ROWS, 0, 1, x);
    for (int64_t c = 0; c < LENGTH(cases); c++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth plain, shaped;
        w_basis_kind kind;
        assert_true(w_basis_parse(cases[c].name, &kind));
        build_single(&arena, W_BASIS_PS, 12, ROWS, x, true, &plain);
        build_single(&arena, kind, 12, ROWS, x, true, &shaped);
        assert_int_equal(shaped.penalty[0].rank, plain.penalty[0].rank);
        assert_int_equal(shaped.null_dimension, plain.null_dimension);
        assert_near(shaped.penalty[0].scale, plain.penalty[0].scale, 1e-15 * plain.penalty[0].scale);
        assert_near(criterion_part(ctx, &shaped, ROWS, x, NULL, shaped.penalty[0].log_det),
                    criterion_part(ctx, &plain, ROWS, x, NULL, plain.penalty[0].log_det), 1e-8);
        w_arena_free(&arena);
    }
    weir_ctx_destroy(ctx);
}

/* On a face the same number comes from any basis of the same subspace: the columns of mpi and of mpd with the same
 * ones fixed, and of micx and mdcv. The rank is what is left of the difference penalty. */
static void test_faces(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    static double x[ROWS];
    build_uniform(5, ROWS, 0, 1, x);
    static const w_basis_kind pair[][2] = {{W_BASIS_MPI, W_BASIS_MPD}, {W_BASIS_CX, W_BASIS_CV}, {W_BASIS_MICX, W_BASIS_MDCV}};
    for (int64_t c = 0; c < LENGTH(pair); c++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth one, other;
        build_single(&arena, pair[c][0], 10, ROWS, x, true, &one);
        build_single(&arena, pair[c][1], 10, ROWS, x, true, &other);
        for (int mask = 0; mask < 512; mask += 37) {
            uint8_t fixed[9];
            int64_t rank[2], held = 0;
            double value[2];
            for (int j = 0; j < 9; j++)
                held += fixed[j] = j >= w_smooth_signed(&one) && (mask >> j & 1);
            assert_int_equal(w_smooth_face(ctx, &one, fixed, &rank[0], &value[0]), WEIR_OK);
            assert_int_equal(w_smooth_face(ctx, &other, fixed, &rank[1], &value[1]), WEIR_OK);
            assert_int_equal(rank[0], rank[1]);
            assert_near(value[0], value[1], 1e-9 * (1 + fabs(value[0])));
            /* second differences: bends one by one in the curved kinds, differences of slopes in the others */
            int64_t slope_held = c > 0 && fixed[0];
            int64_t expected = c > 0 ? 8 - (held - slope_held) : held > 0 ? 9 - held : 8;
            assert_int_equal(rank[0], expected);
            if (held < 9)
                assert_near(criterion_part(ctx, &one, ROWS, x, fixed, value[0]),
                            criterion_part(ctx, &other, ROWS, x, fixed, value[1]), 1e-8);
        }
        uint8_t all[9];
        memset(all, 1, sizeof all);
        int64_t rank;
        double value;
        assert_int_equal(w_smooth_face(ctx, &one, all, &rank, &value), WEIR_OK);
        assert_int_equal(rank, 0);
        assert_near(value, 0, 0);
        w_arena_free(&arena);
    }
    weir_ctx_destroy(ctx);
}

static void test_refusals(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    static double x[ROWS];
    build_uniform(6, ROWS, 0, 1, x);
    const double *xs[] = {x, x};
    w_smooth_data data = build_data(2, ROWS, xs);
    for (int option = 0; option < 4; option++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth s;
        w_smooth_spec spec = build_spec(option == 0 ? W_SMOOTH_TE : W_SMOOTH_S, option == 0 ? 2 : 1, W_BASIS_MPI, 8);
        spec.centre = option != 1;
        spec.select = option == 2;
        spec.natural = option == 3;
        assert_int_equal(w_smooth_build(&arena, &spec, &data, &s), WEIR_E_FORMULA);
        assert_non_null(strstr(weir_ctx_message(ctx), "bs=\"mpi\" goes with s() of one covariate"));
        w_arena_free(&arena);
    }
    weir_ctx_destroy(ctx);
}

static weir_status build_one(weir_ctx *ctx, void *arg)
{
    const double *xs[] = {arg};
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth s;
    w_smooth_spec spec = build_spec(W_SMOOTH_S, 1, W_BASIS_MICV, 9);
    w_smooth_data data = build_data(1, ROWS, xs);
    weir_status status = w_smooth_build(&arena, &spec, &data, &s);
    int64_t rank;
    double value;
    uint8_t fixed[8] = {0, 1};
    if (status >= 0)
        status = w_smooth_face(ctx, &s, fixed, &rank, &value);
    w_arena_free(&arena);
    return status;
}

static void test_allocations_fail(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    static double x[ROWS];
    build_uniform(8, ROWS, 0, 1, x);
    assert_true(test_each_allocation_fails(ctx, build_one, x) > 0);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orthant_is_the_shape),
        cmocka_unit_test(test_determinants_are_those_of_ps),
        cmocka_unit_test(test_faces),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
