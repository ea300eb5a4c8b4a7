/* SPDX-License-Identifier: Apache-2.0 */
/* Generalised models through the public functions: what weights and offsets mean, bits that do not depend on threads or on
 * how rows arrive, the exact criterion at its minimum, every sort of failure. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "weir/weir.h"

#define ROWS 20011
#define FEW 1200
#define FORMULA "y ~ f + s(x, bs=\"cr\") + s(z, bs=\"ps\", k=8)"

enum { X, Z, OFFSET, WEIGHT, COUNT, SHARE, SIZE, HALF, F, COLUMNS };
static const char *const names[COLUMNS] = {"x", "z", "o", "w", "count", "share", "size", "half", "f"};

/* Covariates on a grid of 200 values, so that leaving rows out leaves the knots where they are. `half` is 1 where x > 1/2. */
typedef struct data {
    int64_t rows;
    double *number[F];
    int32_t *f;
} data;

static data *make_data(int64_t rows)
{
    data *d = calloc(1, sizeof *d);
    w_rng rng;
    w_rng_seed(&rng, 77);
    d->rows = rows;
    for (int j = 0; j < F; j++)
        d->number[j] = calloc((size_t)rows, sizeof(double));
    d->f = calloc((size_t)rows, sizeof *d->f);
    for (int64_t i = 0; i < rows; i++) {
        double x = (double)(i % 200) / 199, z = (double)w_rng_below(&rng, 200) / 199, sum;
        z = i < 200 ? (double)i / 199 : z;
        d->number[X][i] = x;
        d->number[Z][i] = z;
        d->f[i] = (int32_t)w_rng_below(&rng, 3);
        d->number[OFFSET][i] = w_rng_uniform(&rng);
        d->number[WEIGHT][i] = i < 200 ? 1 : (double)w_rng_below(&rng, 3);
        sum = sin(6 * x) + (z - 0.5) * (z - 0.5) + 0.2 * d->f[i];
        double mean = exp(0.5 + sum), u = w_rng_uniform(&rng), term = exp(-mean), total = term;
        while (u > total && d->number[COUNT][i] < 100) { /* poisson by inversion */
            d->number[COUNT][i]++;
            term *= mean / d->number[COUNT][i];
            total += term;
        }
        d->number[SHARE][i] = w_rng_uniform(&rng) < 1 / (1 + exp(0.3 - sum));
        d->number[SIZE][i] = -mean * log(w_rng_uniform(&rng));
        d->number[HALF][i] = x > 0.5;
    }
    return d;
}

static void drop_data(data *d)
{
    for (int j = 0; j < F; j++)
        free(d->number[j]);
    free(d->f);
    free(d);
}

/* The rows that `times` (NULL = once each) says, as often as it says. */
static data *repeat(const data *d, const double *times)
{
    int64_t rows = 0, at = 0;
    for (int64_t i = 0; i < d->rows; i++)
        rows += (int64_t)times[i];
    data *out = calloc(1, sizeof *out);
    out->rows = rows;
    for (int j = 0; j < F; j++)
        out->number[j] = calloc((size_t)rows, sizeof(double));
    out->f = calloc((size_t)rows, sizeof *out->f);
    for (int64_t i = 0; i < d->rows; i++)
        for (int k = 0; k < (int)times[i]; k++, at++) {
            for (int j = 0; j < F; j++)
                out->number[j][at] = d->number[j][i];
            out->f[at] = d->f[i];
        }
    return out;
}

/* Columns from row `first` on; the response is called y. */
static void fill_columns(const data *d, int response, int64_t first, weir_column *column)
{
    static const char *const levels[] = {"a", "b", "c"};
    for (int j = 0; j < F; j++)
        column[j] = (weir_column){names[j], WEIR_F64, d->number[j] + first, 0, 0, NULL};
    column[F] = (weir_column){"f", WEIR_I32, d->f + first, 0, 3, levels};
    column[response].name = "y";
}

typedef struct request {
    const char *family, *formula, *weights;
    int response, laplace;
    const double *sp;
    int sp_count;
} request;

static weir_status try_fit(weir_ctx *ctx, const data *d, const request *what, weir_model **model)
{
    weir_column column[COLUMNS];
    weir_table *table = NULL;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.family = what->family;
    options.weights = what->weights;
    options.laplace = what->laplace;
    options.sp = what->sp;
    options.sp_count = what->sp_count;
    fill_columns(d, what->response, 0, column);
    weir_status status = weir_table_from_columns(ctx, d->rows, COLUMNS, column, &table);
    if (status >= 0)
        status = weir_fit(ctx, table, what->formula ? what->formula : FORMULA, &options, model);
    weir_table_close(table);
    return status;
}

static weir_model *fit(weir_ctx *ctx, const data *d, const request *what, weir_summary *summary)
{
    weir_model *model = NULL;
    weir_status status = try_fit(ctx, d, what, &model);
    if (status != WEIR_OK)
        fail_msg("%s: %s: %s", what->family, weir_status_name(status), weir_ctx_message(ctx));
    assert_int_equal(weir_model_summary(model, summary), WEIR_OK);
    return model;
}

static const double given[] = {30, 2};
static const request each[] = {
    {"poisson", NULL, NULL, COUNT, 1, NULL, 0},
    {"binomial:cloglog", NULL, NULL, SHARE, 1, NULL, 0},
    {"gamma:log", NULL, NULL, SIZE, 1, NULL, 0},
    {"nb:3", NULL, NULL, COUNT, -1, NULL, 0},
};
enum { EACH = (int)(sizeof each / sizeof *each) };

static int keep_fit(void *user, int64_t first, int64_t rows, const double *values)
{
    memcpy((double *)user + first, values, (size_t)rows * sizeof *values);
    return 0;
}

/* The linear predictor for the first 200 rows, which hold every value of the grid. */
static void predict_grid(weir_ctx *ctx, const weir_model *model, const data *d, double *out)
{
    weir_column column[COLUMNS];
    weir_table *table = NULL;
    fill_columns(d, COUNT, 0, column);
    assert_int_equal(weir_table_from_columns(ctx, 200, COLUMNS, column, &table), WEIR_OK);
    assert_int_equal(weir_predict(ctx, model, table, NULL, keep_fit, out), WEIR_OK);
    weir_table_close(table);
}

/* A weight of 2 is a row twice, one of 0 a row left out: the same function at given smoothing parameters. (Coefficients differ,
 * for smooths are centred over rows.) Twice the bound of the stop, 1e-8 of the penalised deviance, is left for the fit. */
static void test_weights_are_repetitions(void **state)
{
    (void)state;
    data *d = make_data(FEW), *twice = repeat(d, d->number[WEIGHT]);
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    for (int i = 0; i < 2; i++) { /* families whose scale is known: the others' depends on n */
        request what = each[i];
        weir_summary a, b;
        double fit_a[200], fit_b[200];
        what.sp = given;
        what.sp_count = 2;
        weir_model *repeated = fit(ctx, twice, &what, &b);
        what.weights = "w";
        weir_model *weighted = fit(ctx, d, &what, &a);
        assert_true(a.rows_zero_weight > 200);
        assert_int_equal(a.n + a.rows_zero_weight, FEW);
        predict_grid(ctx, weighted, d, fit_a);
        predict_grid(ctx, repeated, d, fit_b);
        for (int j = 0; j < 200; j++)
            if (!(fabs(fit_a[j] - fit_b[j]) <= 1e-7))
                fail_msg("%s: row %d is %.12g and %.12g", what.family, j, fit_a[j], fit_b[j]);
        assert_true(fabs(a.deviance / b.deviance - 1) < 1e-8);
        assert_true(fabs(a.null_deviance / b.null_deviance - 1) < 1e-11);
        assert_true(fabs(a.edf_total - b.edf_total) < 1e-6);
        assert_true(fabs(a.log_likelihood / b.log_likelihood - 1) < 1e-8);
        weir_model_free(weighted);
        weir_model_free(repeated);
    }
    weir_ctx_destroy(ctx);
    drop_data(twice);
    drop_data(d);
}

/* A constant in the offset moves the intercept alone. */
static void test_offsets_shift_the_intercept(void **state)
{
    (void)state;
    data *d = make_data(FEW);
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    for (int i = 0; i < EACH; i++) {
        request what = each[i];
        weir_summary a, b;
        const double *beta_a, *beta_b;
        what.sp = given;
        what.sp_count = 2;
        what.formula = FORMULA " + offset(o)";
        weir_model *plain = fit(ctx, d, &what, &a);
        what.formula = FORMULA " + offset(o - 0.75)";
        weir_model *moved = fit(ctx, d, &what, &b);
        int64_t p = weir_model_coefficients(plain, &beta_a, NULL);
        weir_model_coefficients(moved, &beta_b, NULL);
        for (int64_t j = 0; j < p; j++)
            if (!(fabs(beta_a[j] + (j == 0 ? 0.75 : 0) - beta_b[j]) <= 1e-7))
                fail_msg("%s: coefficient %d is %.12g and %.12g", what.family, (int)j, beta_a[j], beta_b[j]);
        assert_true(fabs(a.deviance / b.deviance - 1) < 1e-8);
        assert_true(fabs(a.edf_total - b.edf_total) < 1e-6);
        weir_model_free(plain);
        weir_model_free(moved);
    }
    weir_ctx_destroy(ctx);
    drop_data(d);
}

static void assert_same_model(const weir_model *a, const weir_model *b)
{
    const double *beta_a, *beta_b;
    int64_t p = weir_model_coefficients(a, &beta_a, NULL);
    assert_int_equal(p, weir_model_coefficients(b, &beta_b, NULL));
    assert_memory_equal(beta_a, beta_b, (size_t)p * sizeof(double));
    weir_summary sa, sb;
    weir_model_summary(a, &sa);
    weir_model_summary(b, &sb);
    assert_memory_equal(&sa.criterion, &sb.criterion, sizeof(double));
    assert_memory_equal(&sa.scale, &sb.scale, sizeof(double));
    assert_memory_equal(&sa.deviance, &sb.deviance, sizeof(double));
    assert_memory_equal(&sa.edf_total, &sb.edf_total, sizeof(double));
    assert_int_equal(sa.iterations, sb.iterations);
}

/* Hands out batches whose sizes follow no tile. */
typedef struct batches {
    const data *d;
    int response;
    int64_t at;
} batches;

static int pull(void *user, int64_t *rows, weir_column *columns)
{
    batches *b = user;
    int64_t wanted = 997 + b->at % 613;
    *rows = b->d->rows - b->at < wanted ? b->d->rows - b->at : wanted;
    fill_columns(b->d, b->response, b->at, columns);
    b->at += *rows;
    return 0;
}

static int rewind_batches(void *user)
{
    ((batches *)user)->at = 0;
    return 0;
}

static void test_bits_depend_on_nothing(void **state)
{
    (void)state;
    data *d = make_data(ROWS);
    weir_ctx *alone = test_ctx(NULL, 1, 0);
    for (int i = 0; i < EACH; i++) {
        weir_summary summary;
        weir_model *one = fit(alone, d, &each[i], &summary), *other;
        for (int threads = 2; threads <= 3; threads++) {
            weir_ctx *ctx = test_ctx(NULL, threads, threads == 3 ? (int64_t)12 << 20 : 0);
            other = fit(ctx, d, &each[i], &summary);
            assert_same_model(one, other);
            weir_model_free(other);
            weir_ctx_destroy(ctx);
        }
        weir_ctx *ctx = test_ctx(NULL, 2, 0);
        weir_table *table = NULL;
        weir_column schema[COLUMNS];
        batches source = {d, each[i].response, 0};
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.family = each[i].family;
        options.laplace = each[i].laplace;
        fill_columns(d, each[i].response, 0, schema);
        assert_int_equal(weir_table_from_callback(ctx, COLUMNS, schema, pull, rewind_batches, &source, &table), WEIR_OK);
        if (weir_fit(ctx, table, FORMULA, &options, &other) != WEIR_OK)
            fail_msg("%s", weir_ctx_message(ctx));
        assert_same_model(one, other);
        weir_model_free(other);
        weir_model_free(one);
        weir_table_close(table);
        weir_ctx_destroy(ctx);
    }
    weir_ctx_destroy(alone);
    drop_data(d);
}

/* The criterion at given smoothing parameters is the function that was minimised: beside the chosen ones it is larger, and
 * its slope by central differences is no more than the curvature over the step the search may have left. FLAT: of a
 * parameter that runs to infinity the search leaves a slope of that size. */
#define FLAT 1e-5
static void test_chosen_parameters_are_a_minimum(void **state)
{
    (void)state;
    data *d = make_data(FEW);
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    for (int i = 0; i < 3; i++) {
        request what = each[i];
        weir_summary summary, there;
        weir_model *model = fit(ctx, d, &what, &summary);
        double best = summary.criterion, sp[2] = {summary.term[0].sp[0], summary.term[1].sp[0]};
        weir_model_free(model);
        what.sp = sp;
        what.sp_count = 2;
        for (int j = 0; j < 2; j++) {
            const double h = 0.25, middle = sp[j];
            double value[2];
            for (int side = 0; side < 2; side++) {
                sp[j] = middle * exp(side ? h : -h);
                model = fit(ctx, d, &what, &there);
                value[side] = there.criterion;
                weir_model_free(model);
            }
            sp[j] = middle;
            double curvature = (value[0] + value[1] - 2 * best) / (h * h), slope = (value[1] - value[0]) / (2 * h);
            if (!(value[0] >= best - FLAT * h && value[1] >= best - FLAT * h))
                fail_msg("%s: %.12g at the end, %.12g and %.12g beside it", what.family, best, value[0], value[1]);
            /* third derivative over six times h^2, of the size of the curvature, and a hundredth of the step itself */
            if (!(fabs(slope) <= curvature * (h * h / 3 + 0.01) + FLAT))
                fail_msg("%s: slope %.6g with curvature %.6g", what.family, slope, curvature);
        }
        sp[0] *= 1.5;
        model = fit(ctx, d, &what, &there);
        assert_true(there.criterion > best);
        weir_model_free(model);
    }
    weir_ctx_destroy(ctx);
    drop_data(d);
}

static weir_status fit_few(weir_ctx *ctx, void *arg)
{
    data few = *(data *)arg;
    few.rows = 240;
    weir_model *model = NULL;
    weir_status status = try_fit(ctx, &few, &each[1], &model);
    weir_model_free(model);
    return status;
}

static void test_allocations_failing(void **state)
{
    (void)state;
    data *d = make_data(FEW);
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    assert_true(fit_few(ctx, d) >= 0);
    assert_true(test_some_allocations_fail(ctx, fit_few, d, 1, 7) > 100);
    weir_ctx_destroy(ctx);
    drop_data(d);
}

typedef struct patience {
    int64_t asked, limit;
} patience;

static int out_of_patience(void *user)
{
    patience *p = user;
    return ++p->asked > p->limit;
}

static void test_cancelling_inside_a_pass(void **state)
{
    (void)state;
    data *d = make_data(ROWS);
    patience patience = {0, INT64_MAX};
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 1; /* so that the same questions come in every run */
    options.memory_budget = (int64_t)1 << 30;
    options.cancel = out_of_patience;
    options.user = &patience;
    weir_ctx *ctx = NULL;
    weir_model *model = NULL;
    weir_memory_info before, after;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    assert_int_equal(try_fit(ctx, d, &each[0], &model), WEIR_OK);
    weir_model_free(model);
    int64_t all = patience.asked;
    assert_true(all > 20);
    weir_ctx_memory(ctx, &before);
    for (int part = 0; part < 8; part++) {
        patience = (struct patience){0, all * part / 8};
        model = NULL;
        assert_int_equal(try_fit(ctx, d, &each[0], &model), WEIR_E_CANCELLED);
        assert_null(model);
        weir_ctx_memory(ctx, &after);
        assert_int_equal(after.in_use, before.in_use);
    }
    weir_ctx_destroy(ctx);
    drop_data(d);
}

/* Responses that a line separates: no maximum of the likelihood, and the status says so. */
static void test_separation_is_reported(void **state)
{
    (void)state;
    data *d = make_data(FEW);
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    for (int laplace = -1; laplace <= 1; laplace += 2) {
        request what = {"binomial", "y ~ x + s(z, bs=\"cr\")", NULL, HALF, laplace, NULL, 0};
        weir_model *model = NULL;
        weir_summary summary;
        weir_status status = try_fit(ctx, d, &what, &model);
        if (status != WEIR_NOT_CONVERGED)
            fail_msg("%s: %s", weir_status_name(status), weir_ctx_message(ctx));
        assert_non_null(strstr(weir_ctx_message(ctx), "separation"));
        assert_int_equal(weir_model_summary(model, &summary), WEIR_OK);
        assert_int_equal(summary.status, WEIR_NOT_CONVERGED);
        assert_true(summary.deviance < 1e-3);
        weir_model_free(model);
    }
    weir_ctx_destroy(ctx);
    drop_data(d);
}

/* Responses outside the family's range: the row is named, counting from 1. */
static void test_impossible_responses(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        double value;
    } bad[] = {{"poisson", -1}, {"binomial", 1.5}, {"gamma:log", 0}, {"beta", 1}, {"inverse-gaussian", -2}, {"nb", -0.5}};
    data *d = make_data(FEW);
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        request what = {bad[i].family, NULL, NULL, HALF, 0, NULL, 0};
        weir_model *model = NULL;
        for (int64_t row = 0; row < FEW; row++)
            d->number[HALF][row] = bad[i].family[0] == 'b' ? 0.25 + 0.5 * d->number[X][row] : 1 + d->number[X][row];
        d->number[HALF][776] = bad[i].value;
        assert_int_equal(try_fit(ctx, d, &what, &model), WEIR_E_DATA);
        if (!strstr(weir_ctx_message(ctx), "777"))
            fail_msg("%s: %s", bad[i].family, weir_ctx_message(ctx));
    }
    weir_ctx_destroy(ctx);
    drop_data(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_are_repetitions),
        cmocka_unit_test(test_offsets_shift_the_intercept),
        cmocka_unit_test(test_bits_depend_on_nothing),
        cmocka_unit_test(test_chosen_parameters_are_a_minimum),
        cmocka_unit_test(test_allocations_failing),
        cmocka_unit_test(test_cancelling_inside_a_pass),
        cmocka_unit_test(test_separation_is_reported),
        cmocka_unit_test(test_impossible_responses),
    };
    return cmocka_run_group_tests_name("generalised models", tests, NULL, NULL);
}
