/* SPDX-License-Identifier: Apache-2.0 */
/* Agreement with R's mgcv on public data: tests/reference/mgcv/cases.json, made by make.R beside it.
 *
 * Fixed smoothing parameters are plain linear algebra and must agree to rounding: fitted values 1e-9 relative to the
 * largest, edf 1e-8, variances 1e-7, differences of the criterion between two fixed vectors 1e-9.
 * Chosen ones depend on where two optimisers stop: the criterion must not be worse than mgcv's by more than 1e-7 of
 * its size, edf must agree to 1e-3 (1e-2 where a term has shrunk to its null space and lambda runs to infinity), fitted
 * values to 1e-4 standard deviations, standard errors to 1e-3, log lambda to 0.02 for terms well inside, standard
 * deviations of random effects to 1e-4, p-values to two digits (2e-5 for small ones). */
#include "support/mgcv.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER WEIR_SOURCE_DIR "/tests/reference/mgcv/"

static weir_criterion criterion_of(const char *method)
{
    static const char *const names[] = {"REML", "ML", "GCV", "UBRE"};
    for (int i = 0; i < 4; i++)
        if (!strcmp(method, names[i]))
            return (weir_criterion)i;
    fail_msg("unknown method %s", method);
    return WEIR_REML;
}

static void fit_case(weir_ctx *ctx, const json_t *c, const json_t *sp, fitted_case *f)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.criterion = criterion_of(text_of(c, "method"));
    options.knots = text_of(c, "knots");
    options.weights = text_of(c, "weights");
    options.gamma = number_of(c, "gamma");
    options.scale = number_of(c, "known_scale");
    options.select = json_is_true(json_object_get(c, "select"));
    fit_case_with(ctx, FOLDER, c, &options, sp, f);
}

static void compare_fixed(const char *name, const fitted_case *f, const json_t *want)
{
    const json_t *rows = list_of(want, "rows"), *fit = list_of(want, "fit"), *se = list_of(want, "se");
    double largest = 0, largest_se = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        largest = fmax(largest, fabs(item(fit, i)));
        largest_se = fmax(largest_se, item(se, i));
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        int64_t row = (int64_t)item(rows, i) - 1;
        expect_near(name, "fitted value", f->fit[row], item(fit, i), 1e-9 * largest);
        expect_near(name, "variance", pow(f->se[row] / largest_se, 2), pow(item(se, i) / largest_se, 2), 1e-7);
    }
    for (int32_t t = 0; t < f->summary.term_count; t++)
        expect_near(name, f->summary.term[t].label, f->summary.term[t].edf, item(list_of(want, "edf"), (size_t)t), 1e-8);
    double scale = number_of(want, "scale");
    expect_near(name, "scale", f->summary.scale, scale, 1e-9 * scale);
    expect_near(name, "deviance", f->summary.deviance, number_of(want, "deviance"), 1e-9 * number_of(want, "deviance"));
}

/* Two digits of a p-value; of a small one no more than mgcv knows itself: it sums mixtures of chi squared by Davies' method
 * to an absolute tolerance of 2e-5. */
static void compare_p(const char *name, const char *label, double got, double want)
{
    expect_near(name, label, got, want, want > 4e-4 ? 0.05 * want : 2e-5);
}

static void compare_chosen(const char *name, const fitted_case *f, const json_t *want)
{
    const weir_summary *s = &f->summary;
    const json_t *rows = list_of(want, "rows"), *sp = list_of(want, "sp");
    double criterion = number_of(want, "criterion"), sd = number_of(want, "sd_fit");
    if (!(s->criterion <= criterion + 1e-7 * fabs(criterion)))
        expect_near(name, "criterion", s->criterion, criterion, 1e-7 * fabs(criterion));
    size_t penalty = 0;
    for (int32_t t = 0; t < s->term_count; t++) {
        const weir_term_summary *term = &s->term[t];
        double edf = item(list_of(want, "edf"), (size_t)t), null_dim = item(list_of(want, "null_dim"), (size_t)t);
        bool shrunk = edf - null_dim < 0.01;
        bool inside = edf - null_dim > 0.1 && (double)term->columns - edf > 0.1 && term->sp_count == 1;
        expect_near(name, term->label, term->edf, edf, shrunk ? 1e-2 : 1e-3);
        for (int32_t j = 0; j < term->sp_count; j++, penalty++)
            if (inside)
                expect_near(name, "log lambda", log(term->sp[j]), log(item(sp, penalty)), 0.02);
        compare_p(name, term->label, term->p_value, item(list_of(want, "p_value"), (size_t)t));
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        int64_t row = (int64_t)item(rows, i) - 1;
        expect_near(name, "fitted value", f->fit[row], item(list_of(want, "fit"), i), 1e-4 * sd);
        expect_near(name, "standard error", f->se[row] / item(list_of(want, "se"), i), 1, 1e-3);
    }
    for (int32_t j = 0; j < s->coefficient_count; j++) {
        double se = item(list_of(want, "std_error"), (size_t)j);
        assert_string_equal(s->coefficient[j].label, json_string_value(json_array_get(list_of(want, "parametric"), (size_t)j)));
        expect_near(name, s->coefficient[j].label, s->coefficient[j].estimate, item(list_of(want, "estimate"), (size_t)j),
                    1e-3 * se);
        expect_near(name, "its standard error", s->coefficient[j].std_error / se, 1, 1e-3);
        compare_p(name, "its p-value", s->coefficient[j].p_value, item(list_of(want, "parametric_p"), (size_t)j));
    }
    expect_near(name, "scale", s->scale / number_of(want, "scale"), 1, 1e-4);
    expect_near(name, "deviance explained", s->deviance_explained, number_of(want, "deviance_explained"), 1e-4);
    expect_near(name, "adjusted R squared", s->r_squared_adjusted, number_of(want, "r_squared_adjusted"), 1e-4);
}

/* Standard deviations: one per random effect, then the residual one. */
static void compare_deviations(const char *name, const fitted_case *f, const json_t *want)
{
    int32_t t = 0;
    for (; t < f->summary.term_count; t++)
        expect_near(name, "standard deviation", f->summary.term[t].std_dev / item(want, (size_t)t), 1, 1e-4);
    if (json_array_size(want) > (size_t)t)
        expect_near(name, "residual deviation", sqrt(f->summary.scale) / item(want, (size_t)t), 1, 1e-4);
}

static void run_case(const json_t *c)
{
    const char *name = text_of(c, "name");
    fitted_case chosen, near, away;
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    const json_t *at_near = json_object_get(c, "near"), *at_away = json_object_get(c, "away");
    fit_case(ctx, c, NULL, &chosen);
    assert_int_equal(chosen.rows, (int64_t)number_of(json_object_get(c, "chosen"), "n"));
    compare_shape(name, &chosen, json_object_get(c, "chosen"));
    compare_chosen(name, &chosen, json_object_get(c, "chosen"));
    if (json_is_array(json_object_get(c, "std_dev")))
        compare_deviations(name, &chosen, json_object_get(c, "std_dev"));
    fit_case(ctx, c, list_of(at_near, "sp"), &near);
    compare_fixed(name, &near, at_near);
    fit_case(ctx, c, list_of(at_away, "sp"), &away);
    compare_fixed(name, &away, at_away);
    double difference = number_of(at_away, "criterion") - number_of(at_near, "criterion");
    expect_near(name, "criterion difference", away.summary.criterion - near.summary.criterion, difference,
                1e-9 * fmax(fabs(difference), fabs(number_of(at_near, "criterion"))));
    drop_case(&chosen);
    drop_case(&near);
    drop_case(&away);
    weir_ctx_destroy(ctx);
}

static void test_one_case(void **state)
{
    failures = 0;
    run_case(*state);
    assert_int_equal(failures, 0);
}

int main(void)
{
    json_error_t error;
    json_t *root = json_load_file(FOLDER "cases.json", 0, &error);
    if (!root) {
        fprintf(stderr, FOLDER "cases.json: %s\n", error.text);
        return 1;
    }
    json_t *cases = json_object_get(root, "cases");
    size_t count = json_array_size(cases);
    struct CMUnitTest *tests = calloc(count, sizeof *tests);
    if (!tests || count < 20)
        return 1;
    for (size_t i = 0; i < count; i++) {
        json_t *c = json_array_get(cases, i);
        tests[i] = (struct CMUnitTest){text_of(c, "name"), test_one_case, NULL, NULL, c};
    }
    int failed = _cmocka_run_group_tests("mgcv", tests, count, NULL, NULL);
    free(tests);
    json_decref(root);
    return failed;
}
