/* SPDX-License-Identifier: Apache-2.0 */
/* Families and links with prior weights and offsets, and with parameters at the ends of their range, beside gam(method = "REML") of R's
 * mgcv: tests/reference/edges/cases.json, made by make.R beside it. The exact criterion is not worse by more than 1e-7 of its size; at a
 * minimum that both have found to 1e-6 in V fitted values differ by (2e-6)^1/2 standard errors, 2e-3, at most; standard errors, edf and deviance
 * to 2e-3. They are compared through predictions of the link, of the response and of a term, so that weights and offsets must
 * have had their effect in each. */
#include "support/mgcv.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER WEIR_SOURCE_DIR "/tests/reference/edges/"
#define ROWS 80
#define COLUMNS 12
#define CLOSE 2e-3

typedef struct predicted {
    double value[COLUMNS][ROWS];
    int32_t columns;
    const char *const *name;
    int64_t rows;
} predicted;

static int keep(void *user, int64_t first, int64_t rows, const double *values)
{
    predicted *p = user;
    for (int32_t j = 0; j < p->columns; j++)
        memcpy(p->value[j] + first, values + j * rows, (size_t)rows * sizeof *values);
    p->rows = first + rows;
    return 0;
}

static void predict(weir_ctx *ctx, const fitted_case *f, weir_predict_type type, predicted *p)
{
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    options.type = type;
    options.se = 1;
    options.interval = type == WEIR_PREDICT_TERMS ? 0.0 : 0.95;
    assert_int_equal(weir_predict_columns(f->model, &options, &p->columns, &p->name), WEIR_OK);
    assert_in_range(p->columns, 2, COLUMNS);
    assert_int_equal(weir_predict(ctx, f->model, f->table, &options, keep, p), WEIR_OK);
    assert_int_equal(p->rows, f->rows);
}

static const double *column(const predicted *p, const char *name)
{
    for (int32_t j = 0; j < p->columns; j++)
        if (!strcmp(p->name[j], name))
            return p->value[j];
    fail_msg("no column %s", name);
    return NULL;
}

/* fit and se of the case's rows, in units of the standard error. */
static void compare(const char *name, const char *what, const json_t *c, const double *fit, const double *se, const char *want_fit,
                    const char *want_se, double spread)
{
    for (size_t i = 0; i < 3; i++) {
        int row = (int)item(list_of(c, "rows"), i) - 1;
        double unit = item(list_of(c, want_se), i);
        expect_near(name, what, fit[row] / unit, item(list_of(c, want_fit), i) / unit, CLOSE);
        expect_near(name, "standard error", spread * se[row] / unit, 1, CLOSE);
    }
}

/* The limits of the response are those of the link, and about as far from it as the standard error says. */
static void compare_limits(const char *name, const predicted *link, const predicted *response)
{
    for (int64_t row = 0; row < link->rows; row++) {
        double eta = column(link, "fit")[row], se = column(link, "se")[row], low = column(link, "confidence_lower")[row];
        double high = column(link, "confidence_upper")[row], mu = column(response, "fit")[row];
        expect_near(name, "symmetry", (high + low - 2 * eta) / se, 0, 1e-9);
        /* normal … 72 degrees of freedom and fewer, 17 of the twenty rows */
        assert_in_range((int)(1000 * (high - eta) / se), 1959, link->rows == ROWS ? 2010 : 2110);
        bool up = column(response, "confidence_upper")[row] > mu && column(response, "confidence_lower")[row] < mu;
        assert_true(up);
    }
}

static void test_case(const char *name, weir_ctx *ctx, const json_t *c)
{
    static predicted link, response, terms;
    fitted_case f;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.family = text_of(c, "family");
    options.weights = text_of(c, "weights");
    options.laplace = 1;
    fit_case_with(ctx, FOLDER, c, &options, NULL, &f);
    const weir_summary *s = &f.summary;
    const double criterion = number_of(c, "criterion"), spread = sqrt(number_of(c, "scale") / s->scale);
    if (!(s->criterion <= criterion + 1e-7 * (1 + fabs(criterion))))
        expect_near(name, "criterion", s->criterion, criterion, 1e-7 * (1 + fabs(criterion)));
    expect_near(name, "deviance", s->deviance / number_of(c, "deviance"), 1, CLOSE);
    expect_near(name, "edf", s->edf_total / number_of(c, "edf"), 1, CLOSE);
    expect_near(name, "scale", s->scale / number_of(c, "scale"), 1, CLOSE);
    predict(ctx, &f, WEIR_PREDICT_LINK, &link);
    predict(ctx, &f, WEIR_PREDICT_RESPONSE, &response);
    predict(ctx, &f, WEIR_PREDICT_TERMS, &terms);
    compare(name, "link", c, column(&link, "fit"), column(&link, "se"), "fit", "se", spread);
    compare(name, "response", c, column(&response, "fit"), column(&response, "se"), "response", "response_se", spread);
    compare(name, "term", c, column(&terms, "s(x)"), column(&terms, "se.s(x)"), "term", "term_se", spread);
    compare_limits(name, &link, &response);
    drop_case(&f);
}

static void test_cases(void **state)
{
    (void)state;
    json_error_t error;
    json_t *root = json_load_file(FOLDER "cases.json", 0, &error);
    assert_non_null(root);
    const json_t *cases = json_object_get(root, "cases");
    assert_int_equal(json_array_size(cases), 19);
    failures = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        weir_ctx *ctx = test_ctx(NULL, 1, 0);
        const json_t *c = json_array_get(cases, i);
        test_case(text_of(c, "name"), ctx, c);
        weir_ctx_destroy(ctx);
    }
    assert_int_equal(failures, 0);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
