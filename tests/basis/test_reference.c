/* SPDX-License-Identifier: Apache-2.0 */
/* Smooth terms against reference values of R's mgcv (tests/reference/basis): scales, ranks, knots, constrained
 * design rows and penalties where the columns are unique, fits at fixed smoothing parameters where they are
 * not. */
#include <math.h>
#include <stdlib.h>
#include "basis/cases.h"
#include "basis/fit.h"
#include "base/arena.h"

static double largest_of(int64_t count, const double *a)
{
    double largest = 0;
    for (int64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(a[i]));
    return largest;
}

static void expect_close(const char *name, const char *what, int64_t count, const double *got, const double *want,
                         double tolerance)
{
    double size = largest_of(count, want);
    for (int64_t i = 0; i < count; i++) {
        if (!(fabs(got[i] - want[i]) <= tolerance * size))
            fail_msg("%s: %s[%lld] is %.17g, expected %.17g (relative error %.2g)", name, what, (long long)i,
                     got[i], want[i], fabs(got[i] - want[i]) / size);
    }
}

static void check_shape(const reference *r, const w_smooth *s)
{
    assert_int_equal(s->columns, r->columns);
    assert_int_equal(s->null_dimension, r->spec.select ? 0 : r->null);
    assert_int_equal(s->penalty_count, r->sp_count);
    for (int p = 0; p < r->penalties; p++) {
        if (fabs(s->penalty[p].scale / r->scale[p] - 1) > 1e-9)
            fail_msg("%s: scale %d is %.17g, expected %.17g", r->name, p, s->penalty[p].scale, r->scale[p]);
        /* The reference states ranks before the constraint. */
        int64_t rank = r->rank[p] < r->columns ? r->rank[p] : r->columns;
        assert_int_equal(s->penalty[p].rank, rank);
    }
    if (r->knots > 0) {
        assert_int_equal(s->margin[0].knot_count, r->knots);
        expect_close(r->name, "knot", r->knots, s->margin[0].knot, r->xp, 1e-14);
    }
}

static void check_case(weir_ctx *ctx, const case_data *data, const reference *r)
{
    w_arena arena;
    w_arena_init(&arena, ctx, "test");
    w_smooth_data rows = case_smooth_data(data, r);
    w_smooth s;
    weir_status status = w_smooth_build(&arena, &r->spec, &rows, &s);
    if (status)
        fail_msg("%s: %s", r->name, weir_ctx_message(ctx));
    check_shape(r, &s);
    int64_t k = s.columns;
    double *x = malloc(sizeof *x * (size_t)(CASE_ROWS * k)), at[CASE_POINTS * CASE_COLUMNS],
           beta[CASE_COLUMNS + 1];
    const double *point[W_MAX_MARGINS] = {0};
    for (int m = 0; m < r->spec.margin_count; m++)
        point[m] = data->point[r->column[m]];
    assert_int_equal(w_smooth_rows(ctx, &s, CASE_ROWS, rows.x, x), WEIR_OK);
    assert_int_equal(w_smooth_rows(ctx, &s, r->points, point, at), WEIR_OK);
    /* The reference's thin plate eigenvectors are converged to eps^0.7 = 1.1e-11 of the largest eigenvalue. */
    double tolerance = 1e-11;
    for (int m = 0; m < r->spec.margin_count; m++) {
        if (r->spec.margin[m].basis == W_BASIS_TP || r->spec.margin[m].basis == W_BASIS_TS)
            tolerance = 1e-9;
    }
    if (r->exact)
        expect_close(r->name, "X", r->points * k, at, r->x, tolerance);
    for (int p = 0; p < r->matrices; p++)
        expect_close(r->name, "S", k * k, s.penalty[p].matrix, r->s[p], tolerance);
    double reml = fit_smooth(&s, r->sp, CASE_ROWS, x, data->y, beta);
    expect_close(r->name, "REML", 1, &reml, &r->reml, 1e-9);
    double fitted[CASE_ROWS], predicted[CASE_POINTS];
    for (int i = 0; i < CASE_ROWS; i++)
        fitted[i] = fit_value(k, x + i * k, beta);
    for (int i = 0; i < r->points; i++)
        predicted[i] = fit_value(k, at + i * k, beta);
    expect_close(r->name, "fitted", CASE_ROWS, fitted, r->fitted, 1e-9);
    expect_close(r->name, "predicted", r->points, predicted, r->predicted, 1e-9);
    free(x);
    w_arena_free(&arena);
}

static void test_all_cases(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    case_data *data = malloc(sizeof *data);
    reference *r = malloc(sizeof *r);
    case_read_data(data);
    FILE *file = case_open("cases.txt");
    int count = 0;
    while (case_next(file, r)) {
        check_case(ctx, data, r);
        count++;
    }
    assert_int_equal(count, 37);
    fclose(file);
    free(data);
    free(r);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
