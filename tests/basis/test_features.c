/* SPDX-License-Identifier: Apache-2.0 */
/* Margins of features: value and slope are continuous where the data end, in each kind of extrapolation; rows do not depend on
 * their neighbours; a seed fixes what is drawn; centred columns have mean 0 and lose no direction; memory that fails. The
 * values themselves are compared in tests/api/test_tam.c. */
#include <float.h>
#include <stdlib.h>
#include <string.h>
#include "base/ctx.h"
#include "basis/build.h"
#include "basis/features.h"

#define ROWS 400
#define MOST 256

typedef struct sample {
    double x[2][ROWS], code[ROWS];
    w_smooth_data data, codes;
} sample;

static sample *sample_make(void)
{
    sample *s = calloc(1, sizeof *s);
    assert_non_null(s);
    build_uniform(11, ROWS, 3, 7, s->x[0]);
    build_uniform(12, ROWS, -40, 60, s->x[1]);
    for (int i = 0; i < ROWS; i++)
        s->code[i] = (i * 7) % 9 + 2;
    const double *x[] = {s->x[0], s->x[1]}, *code[] = {s->code};
    s->data = build_data(2, ROWS, x);
    s->codes = build_data(1, ROWS, code);
    return s;
}

static w_smooth_spec spec_of(w_basis_kind kind, int covariates, w_extension extension)
{
    w_smooth_spec spec = build_spec(W_SMOOTH_S, 1, kind, 0);
    w_margin_spec *margin = &spec.margin[0];
    static const struct {
        w_feature_option option;
        double value;
    } small[] = {{W_OPTION_N_NEURONS, 20}, {W_OPTION_N_CENTERS, 12}, {W_OPTION_N_SCALES, 2}, {W_OPTION_N_LOCATIONS, 7},
                 {W_OPTION_MAX_DEPTH, 3},  {W_OPTION_N_TREES, 6}};
    margin->covariates = covariates > 1 ? covariates : 0;
    margin->options.extension = extension;
    margin->m_count = kind == W_BASIS_FOURIER;
    margin->m[0] = 4;
    for (int64_t i = 0; i < LENGTH(small); i++) {
        margin->options.given |= 1u << small[i].option;
        margin->options.value[small[i].option] = small[i].value;
    }
    return spec;
}

static void build(w_arena *arena, const w_smooth_spec *spec, const w_smooth_data *data, w_smooth *out)
{
    if (w_smooth_build(arena, spec, data, out))
        fail_msg("%s", weir_ctx_message(arena->ctx));
}

/* Differences on both sides of the upper end and the lower end, along the first covariate: 2h |f''| apart at most. */
static void check_ends(weir_ctx *ctx, const sample *s, const w_smooth *smooth, w_extension extension)
{
    const double h = 1e-6 * (s->data.upper[0] - s->data.lower[0]), bend = 400; /* of the largest harmonic or bell, in u */
    static double row[5][MOST];
    for (int end = 0; end < 2; end++) {
        double edge = end ? s->data.upper[0] : s->data.lower[0], x[5], z[5];
        for (int i = 0; i < 5; i++) {
            x[i] = edge + (i - 2) * h;
            z[i] = 10;
        }
        const double *at[] = {x, z};
        double *out = malloc(sizeof(double) * 5 * (size_t)smooth->columns);
        assert_non_null(out);
        assert_int_equal(w_smooth_rows(ctx, smooth, 5, at, out), WEIR_OK);
        for (int i = 0; i < 5; i++)
            memcpy(row[i], out + i * smooth->columns, (size_t)smooth->columns * sizeof *out);
        free(out);
        for (int64_t j = 0; j < smooth->columns; j++) {
            double left = (row[2][j] - row[0][j]) / (2 * h), right = (row[4][j] - row[2][j]) / (2 * h);
            double inner = end ? left : right, outer = end ? right : left, range = s->data.upper[0] - s->data.lower[0];
            double tolerance = 4 * h * bend * 4 / (range * range) + 64 * DBL_EPSILON / h;
            assert_near(outer, extension == W_EXTEND_CONSTANT ? 0 : inner, tolerance);
        }
    }
}

static void test_slopes_are_continuous(void **state)
{
    (void)state;
    static const w_basis_kind kinds[] = {W_BASIS_LINEAR, W_BASIS_FOURIER, W_BASIS_CHEB, W_BASIS_WAVELET, W_BASIS_RBF,
                                         W_BASIS_RFF};
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    sample *s = sample_make();
    for (int64_t k = 0; k < LENGTH(kinds); k++) {
        for (int extension = W_EXTEND_CONTINUE; extension <= W_EXTEND_SATURATION; extension++) {
            for (int d = 1; d <= (kinds[k] == W_BASIS_RBF || kinds[k] == W_BASIS_RFF ? 2 : 1); d++) {
                w_arena arena;
                w_arena_init(&arena, ctx, "test");
                w_smooth_spec spec = spec_of(kinds[k], d, (w_extension)extension);
                w_smooth smooth;
                build(&arena, &spec, &s->data, &smooth);
                assert_true(smooth.columns <= MOST);
                check_ends(ctx, s, &smooth, (w_extension)extension);
                w_arena_free(&arena);
            }
        }
    }
    free(s);
    weir_ctx_destroy(ctx);
}

static void test_columns(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    sample *s = sample_make();
    for (int kind = W_BASIS_LINEAR; kind <= W_BASIS_TREE; kind++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth_spec spec = spec_of((w_basis_kind)kind, 1, W_EXTEND_DEFAULT);
        const w_smooth_data *data = w_basis_coded((w_basis_kind)kind) ? &s->codes : &s->data;
        w_smooth smooth, again;
        build(&arena, &spec, data, &smooth);
        build(&arena, &spec, data, &again);
        int64_t k = smooth.columns;
        assert_int_equal(k, smooth.raw_columns - (w_basis_holds_constant((w_basis_kind)kind) ? 1 : 0));
        double *out = calloc(2 * ROWS * (size_t)k, sizeof *out), *one = calloc((size_t)k, sizeof *one);
        assert_true(out && one);
        assert_int_equal(w_smooth_rows(ctx, &smooth, ROWS, data->x, out), WEIR_OK);
        assert_int_equal(w_smooth_rows(ctx, &again, ROWS, data->x, out + ROWS * k), WEIR_OK);
        assert_memory_equal(out, out + ROWS * k, (size_t)(ROWS * k) * sizeof *out);
        for (int64_t j = 0; j < k && kind != W_BASIS_TREE; j++) {
            double sum = 0, size = 0;
            for (int64_t i = 0; i < ROWS; i++) {
                sum += out[i * k + j];
                size += fabs(out[i * k + j]);
            }
            assert_near(sum, 0, 64 * ROWS * DBL_EPSILON * (1 + size));
        }
        for (int64_t i = 0; i < ROWS; i += 37) {
            const double *x[] = {data->x[0] + i};
            assert_int_equal(w_smooth_rows(ctx, &smooth, 1, x, one), WEIR_OK);
            for (int64_t j = 0; j < k; j++)
                assert_near(one[j], out[i * k + j], smooth.transform ? 64 * DBL_EPSILON : 0);
        }
        free(out);
        free(one);
        w_arena_free(&arena);
    }
    free(s);
    weir_ctx_destroy(ctx);
}

/* Another seed draws other numbers. */
static void test_seeds(void **state)
{
    (void)state;
    static const w_basis_kind kinds[] = {W_BASIS_RBF, W_BASIS_RFF, W_BASIS_LINTREE, W_BASIS_TREE};
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    sample *s = sample_make();
    for (int64_t k = 0; k < LENGTH(kinds); k++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth_spec spec = spec_of(kinds[k], 2, W_EXTEND_DEFAULT);
        w_smooth smooth[2];
        for (int i = 0; i < 2; i++) {
            spec.margin[0].options.given |= 1u << W_OPTION_SEED;
            spec.margin[0].options.value[W_OPTION_SEED] = 42 + i;
            build(&arena, &spec, &s->data, &smooth[i]);
        }
        const w_features *a = smooth[0].margin[0].features, *b = smooth[1].margin[0].features;
        assert_int_equal(a->parameter_count, b->parameter_count);
        assert_memory_not_equal(a->parameter, b->parameter, (size_t)a->parameter_count * sizeof(double));
        w_arena_free(&arena);
    }
    free(s);
    weir_ctx_destroy(ctx);
}

static weir_status fallible(weir_ctx *ctx, void *arg)
{
    sample *s = arg;
    weir_status status = WEIR_OK;
    for (int kind = W_BASIS_LINEAR; kind <= W_BASIS_TREE && !status; kind++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth_spec spec = spec_of((w_basis_kind)kind, 1, W_EXTEND_DEFAULT);
        w_smooth smooth;
        status = w_smooth_build(&arena, &spec, w_basis_coded((w_basis_kind)kind) ? &s->codes : &s->data, &smooth);
        w_arena_free(&arena);
    }
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    sample *s = sample_make();
    assert_true(test_each_allocation_fails(ctx, fallible, s) > 20);
    free(s);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slopes_are_continuous), cmocka_unit_test(test_columns),
                                       cmocka_unit_test(test_seeds), cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests_name("features", tests, NULL, NULL);
}
