/* SPDX-License-Identifier: Apache-2.0 */
/* Thin plate smooths of several covariates: columns and penalty from the definition, rows one by one, what is refused,
 * storage, memory that fails. */
#include <float.h>
#include <stdlib.h>
#include <string.h>
#include "base/ctx.h"
#include "base/ledger.h"
#include "basis/build.h"

#define MOST 3000

typedef struct sample {
    int64_t rows;
    double x[3][MOST];
    w_smooth_data data;
} sample;

static sample *sample_make(int64_t rows, int covariates)
{
    sample *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->rows = rows;
    const double *x[3] = {s->x[0], s->x[1], s->x[2]};
    for (int c = 0; c < covariates; c++)
        build_uniform(40 + (uint64_t)c, rows, c ? -1 : 160, c ? 3 : 190, s->x[c]);
    s->data = build_data(covariates, rows, x);
    return s;
}

static w_smooth_spec plate_spec(int covariates, w_basis_kind basis, int64_t k, int order)
{
    w_smooth_spec spec = build_spec(W_SMOOTH_S, 1, basis, k);
    spec.margin[0].covariates = covariates;
    spec.margin[0].m_count = order > 0;
    spec.margin[0].m[0] = order;
    return spec;
}

static double kernel(int d, int m, double r)
{
    static const double pi = 3.14159265358979323846;
    if (r == 0)
        return 0;
    if (d == 2)
        return (m % 2 ? -1 : 1) / (pow(2, 2 * m - 1) * pi * tgamma(m) * tgamma(m)) * pow(r, 2 * m - 2) * log(r);
    return tgamma(1.5 - m) / (pow(2, 2 * m) * pow(pi, 1.5) * tgamma(m)) * pow(r, 2 * m - 3);
}

static double distance(int d, const double *a, const double *b)
{
    double sum = 0;
    for (int c = 0; c < d; c++)
        sum += (a[c] - b[c]) * (a[c] - b[c]);
    return sqrt(sum);
}

/* Monomials of degree below m, the first covariate's running fastest. */
static int64_t monomials(int d, int m, const double *u, double *out)
{
    int64_t count = 0;
    for (int c = 0; c < (d == 3 ? m : 1); c++)
        for (int b = 0; b + c < m; b++)
            for (int a = 0; a + b + c < m; a++)
                out[count++] = pow(u[0], a) * pow(u[1], b) * (d == 3 ? pow(u[2], c) : 1);
    return count;
}

static void knot_of(const w_margin *margin, int64_t i, double *out)
{
    for (int c = 0; c < margin->covariates; c++)
        out[c] = margin->knot[c * margin->knot_count + i];
}

/* Rows: sum of weights times kernel and monomials, with a mean square of 1. */
static void check_rows(weir_ctx *ctx, const sample *s, const w_smooth *smooth)
{
    const w_margin *margin = &smooth->margin[0];
    int d = margin->covariates, m = margin->order;
    int64_t n = margin->knot_count, k = smooth->columns, null = smooth->null_dimension;
    double *row = malloc(sizeof *row * (size_t)(s->rows * k)), *b = malloc(sizeof *b * (size_t)(n + null));
    double *square = calloc((size_t)k, sizeof *square);
    assert_int_equal(w_smooth_rows(ctx, smooth, s->rows, s->data.x, row), WEIR_OK);
    for (int64_t i = 0; i < s->rows; i++) {
        double x[3] = {s->x[0][i], s->x[1][i], s->x[2][i]}, u[3], knot[3];
        for (int c = 0; c < d; c++)
            u[c] = x[c] - margin->centre[c];
        for (int64_t q = 0; q < n; q++) {
            knot_of(margin, q, knot);
            b[q] = kernel(d, m, distance(d, x, knot));
        }
        assert_int_equal(monomials(d, m, u, b + n), null);
        for (int64_t j = 0; j < k; j++) {
            double sum = 0, size = 0;
            for (int64_t q = 0; q < n + null; q++) {
                sum += b[q] * margin->weight[q * k + j];
                size += fabs(b[q] * margin->weight[q * k + j]);
            }
            assert_near(row[i * k + j], sum, 400 * DBL_EPSILON * size);
            square[j] += row[i * k + j] * row[i * k + j];
        }
    }
    for (int64_t j = 0; j < k; j++)
        assert_near(square[j] / (double)s->rows, 1, 1e-12);
    free(row);
    free(b);
    free(square);
}

/* The kernel's weights are orthogonal to the monomials at the knots. */
static void check_weights(const w_smooth *smooth)
{
    const w_margin *margin = &smooth->margin[0];
    int64_t k = smooth->columns, null = smooth->null_dimension;
    for (int64_t j = 0; j < k; j++) {
        double sum[64] = {0}, size[64] = {0}, knot[3], t[64];
        for (int64_t i = 0; i < margin->knot_count; i++) {
            knot_of(margin, i, knot);
            for (int c = 0; c < margin->covariates; c++)
                knot[c] -= margin->centre[c];
            monomials(margin->covariates, margin->order, knot, t);
            for (int64_t q = 0; q < null; q++) {
                sum[q] += t[q] * margin->weight[i * k + j];
                size[q] += fabs(t[q] * margin->weight[i * k + j]);
            }
        }
        for (int64_t q = 0; q < null; q++)
            assert_near(sum[q], 0, 1e-11 * size[q]);
    }
}

/* S = W'EW */
static void check_penalty(const w_smooth *smooth)
{
    const w_margin *margin = &smooth->margin[0];
    int d = margin->covariates;
    int64_t n = margin->knot_count, k = smooth->columns;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double sum = 0, size = 0, a[3], c[3];
            for (int64_t p = 0; p < n * n; p++) {
                knot_of(margin, p / n, a);
                knot_of(margin, p % n, c);
                double weights = margin->weight[p / n * k + i] * margin->weight[p % n * k + j];
                double term = weights * kernel(d, margin->order, distance(d, a, c));
                sum += term;
                size += fabs(term);
            }
            assert_near(margin->penalty[i * k + j], sum, 1e-12 * size);
        }
    }
}

static void check_definition(weir_ctx *ctx, int d, int order, int64_t k)
{
    sample *s = sample_make(120, d);
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_spec spec = plate_spec(d, W_BASIS_TP, k, order);
    w_smooth smooth;
    spec.centre = false;
    assert_int_equal(w_smooth_build(&arena, &spec, &s->data, &smooth), WEIR_OK);
    assert_int_equal(smooth.margin[0].knot_count, 120);
    assert_int_equal(smooth.columns, k);
    assert_int_equal(smooth.null_dimension, w_plate_polynomials(d, smooth.margin[0].order));
    check_rows(ctx, s, &smooth);
    check_weights(&smooth);
    check_penalty(&smooth);
    free(s);
    w_arena_free(&arena);
}

static void test_definition(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    check_definition(ctx, 2, 0, 12);
    check_definition(ctx, 2, 3, 14);
    check_definition(ctx, 3, 0, 16);
    check_definition(ctx, 3, 2, 9);
    weir_ctx_destroy(ctx);
}

/* Alone, among others or after a NaN: the same bits. */
static void test_rows(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    sample *s = sample_make(300, 2);
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_spec spec = plate_spec(2, W_BASIS_TP, 30, 0);
    w_smooth smooth;
    assert_int_equal(w_smooth_build(&arena, &spec, &s->data, &smooth), WEIR_OK);
    const w_margin *margin = &smooth.margin[0];
    double *scratch = malloc(sizeof *scratch * (size_t)w_joint_doubles(margin)), *all = malloc(300 * 30 * sizeof *all),
           one[30 * 70];
    w_joint_eval(margin, s->data.x, 300, all, scratch);
    for (int64_t i = 0; i < 230; i += 7) {
        const double *x[2] = {s->x[0] + i, s->x[1] + i};
        int64_t rows = 1 + i % 70;
        w_joint_eval(margin, x, rows, one, scratch);
        assert_memory_equal(one, all + i * 30, (size_t)rows * 30 * sizeof *one);
    }
    /* Rows found in the table of the knots' are those that evaluating gives, also among points that are no knots. */
    w_margin plain = *margin;
    double *evaluated = malloc(300 * 30 * sizeof *evaluated), *mixed = malloc(300 * 30 * sizeof *mixed);
    assert_non_null(margin->knot_value);
    plain.knot_value = NULL;
    w_joint_eval(&plain, s->data.x, 300, evaluated, scratch);
    assert_memory_equal(evaluated, all, 300 * 30 * sizeof *all);
    for (int64_t i = 1; i < 300; i += 3)
        s->x[0][i] += 1e-3;
    w_joint_eval(margin, s->data.x, 300, mixed, scratch);
    w_joint_eval(&plain, s->data.x, 300, evaluated, scratch);
    assert_memory_equal(evaluated, mixed, 300 * 30 * sizeof *mixed);
    assert_true(memcmp(mixed + 30, all + 30, 30 * sizeof *mixed) != 0);
    free(evaluated);
    free(mixed);

    s->x[1][5] = NAN;
    const double *x[2] = {s->x[0] + 5, s->x[1] + 5};
    w_joint_eval(margin, x, 2, one, scratch);
    for (int j = 0; j < 30; j++)
        assert_true(one[j] == 0);
    assert_memory_equal(one + 30, all + 6 * 30, 30 * sizeof *one);

    w_margin copy;
    double bad = INFINITY;
    assert_int_equal(w_joint_restore(&arena, margin->kind, 2, margin->order, margin->k, margin->knot_count, margin->knot,
                                     margin->centre, margin->weight, &copy),
                     WEIR_OK);
    w_joint_eval(&copy, x, 2, one, scratch);
    assert_memory_equal(one + 30, all + 6 * 30, 30 * sizeof *one);
    margin->weight[31] = bad;
    assert_int_equal(w_joint_restore(&arena, margin->kind, 2, margin->order, margin->k, margin->knot_count, margin->knot,
                                     margin->centre, margin->weight, &copy),
                     WEIR_E_MODEL);
    free(scratch);
    free(all);
    free(s);
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

/* More points than knots: 2000 of them, each once; the same again. Repeated points count once. */
static void test_points(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    sample *s = sample_make(MOST, 2);
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_spec spec = plate_spec(2, W_BASIS_TS, 12, 0);
    w_smooth first, second, few;
    assert_int_equal(w_smooth_build(&arena, &spec, &s->data, &first), WEIR_OK);
    assert_int_equal(w_smooth_build(&arena, &spec, &s->data, &second), WEIR_OK);
    assert_int_equal(first.margin[0].knot_count, 2000);
    assert_int_equal(first.null_dimension, 0);
    assert_null(first.margin[0].knot_value);
    assert_memory_equal(first.margin[0].weight, second.margin[0].weight, 2003 * 12 * sizeof(double));
    int64_t at = 0;
    for (int64_t i = 0; i < MOST && at < 2000; i++)
        at += s->x[0][i] == first.margin[0].knot[at] && s->x[1][i] == first.margin[0].knot[2000 + at];
    assert_int_equal(at, 2000); /* in the order of the rows */
    for (int64_t i = 0; i < MOST; i++) {
        s->x[0][i] = (double)(i % 4) + 1;
        s->x[1][i] = i % 8 < 4 ? 0.0 : i % 16 < 8 ? 1 : i % 32 < 16 ? -0.0 : 2;
    }
    s->data = build_data(2, MOST, (const double *const[]){s->x[0], s->x[1]});
    spec.margin[0].basis = W_BASIS_TP;
    spec.margin[0].k = 0;
    assert_int_equal(w_smooth_build(&arena, &spec, &s->data, &few), WEIR_OK);
    assert_int_equal(few.margin[0].knot_count, 12);
    assert_int_equal(few.columns, 11);
    assert_non_null(strstr(few.note, "k reduced from 30 to 12: only 12 distinct combinations"));
    free(s);
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

static void test_refusals(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    static double one[5] = {1, 1, 1, 1, 1}, two[5] = {1, 2, 1, 2, 1}, three[5] = {1, 1, 2, 2, 2}, wide[5] = {0, 1e30, 2, 3, 4};
    const double knot[3] = {1, 2, 3};
    const struct {
        const double *x, *z;
        int64_t k, knots;
        int m;
        w_basis_kind basis;
        weir_status status;
        const char *part;
    } cases[] = {
        {two, three, 3, 0, 0, W_BASIS_TP, WEIR_E_FORMULA, "unpenalised polynomials alone are 3"},
        {two, three, 30000, 0, 0, W_BASIS_TP, WEIR_E_FORMULA, "too large"},
        {two, three, 0, 0, 1, W_BASIS_TP, WEIR_E_FORMULA, "m = 1 is not possible for 2 covariates"},
        {two, three, 0, 0, 7, W_BASIS_TP, WEIR_E_FORMULA, "m = 7"},
        {two, three, 0, 3, 0, W_BASIS_TP, WEIR_E_FORMULA, "knots cannot be given"},
        {two, three, 0, 0, 0, W_BASIS_CR, WEIR_E_FORMULA, "smooth several covariates together"},
        {two, one, 0, 0, 0, W_BASIS_TP, WEIR_E_DATA, "covariate 2 is constant"},
        {wide, two, 0, 0, 0, W_BASIS_TP, WEIR_E_DATA, "covariate 1 spans a range"},
        {two, two, 0, 0, 0, W_BASIS_TP, WEIR_E_DATA, "only 2 distinct combinations"},
    };
    for (int64_t i = 0; i < LENGTH(cases); i++) {
        w_arena arena;
        w_arena_init(&arena, ctx, "test");
        w_smooth_spec spec = plate_spec(2, cases[i].basis, cases[i].k, cases[i].m);
        spec.margin[0].knot_count = cases[i].knots;
        spec.margin[0].knot = knot;
        const double *x[2] = {cases[i].x, cases[i].z};
        w_smooth_data data = build_data(2, 5, x);
        w_smooth smooth;
        w_message_clear(ctx);
        if (w_smooth_build(&arena, &spec, &data, &smooth) != cases[i].status ||
            !strstr(weir_ctx_message(ctx), cases[i].part))
            fail_msg("'%s' instead of '…%s…'", weir_ctx_message(ctx), cases[i].part);
        w_arena_free(&arena);
    }
    weir_ctx_destroy(ctx);
}

static weir_status build_plate(weir_ctx *ctx, void *arg)
{
    const sample *s = arg;
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_spec spec = plate_spec(2, W_BASIS_TS, 10, 0);
    spec.select = true;
    w_smooth smooth;
    weir_status status = w_smooth_build(&arena, &spec, &s->data, &smooth);
    w_arena_free(&arena);
    return status;
}

static void test_memory(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    sample *s = sample_make(50, 2);
    assert_true(test_each_allocation_fails(ctx, build_plate, s) > 3);
    free(s);
    const int64_t sizes[] = {40, 400, MOST}, k[] = {5, 30, 37};
    for (int64_t i = 0; i < LENGTH(sizes); i++) {
        for (int64_t j = 0; j < LENGTH(k); j++) {
            s = sample_make(sizes[i], 2);
            w_arena arena;
            w_arena_init(&arena, ctx, "test");
            w_smooth_spec spec = plate_spec(2, W_BASIS_TP, k[j], 0);
            w_smooth smooth;
            w_ledger_reset_peak(ctx);
            assert_int_equal(w_smooth_build(&arena, &spec, &s->data, &smooth), WEIR_OK);
            int64_t peak = atomic_load(&ctx->ledger.peak), bound = w_smooth_bytes(&spec, sizes[i]);
            if (peak > bound)
                fail_msg("%lld rows, k = %lld: %lld bytes, at most %lld expected", (long long)sizes[i], (long long)k[j],
                         (long long)peak, (long long)bound);
            w_arena_free(&arena);
            free(s);
        }
    }
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_definition), cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_points), cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests_name("plate", tests, NULL, NULL);
}
