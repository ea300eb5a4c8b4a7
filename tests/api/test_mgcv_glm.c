/* SPDX-License-Identifier: Apache-2.0 */
/* Generalised models beside R's mgcv: cases.json of tests/reference/glm and, for the other families and links, of
 * tests/reference/links, each made by the make.R beside it.
 *
 * Smoothing and family parameters given: plain PIRLS. Fitted values 1e-9 relative to the largest, edf 1e-8, variances 1e-7,
 * deviance 1e-9, all on the scale of the linear predictor; the Laplace criterion 1e-9, and its difference between two points.
 * Chosen by the Laplace criterion, beside gam(method = "REML"): the criterion not worse by more than 1e-7 of its size, edf
 * 1e-3 (1e-2 where a term has shrunk to its null space and lambda runs to infinity), fitted values 1e-4 standard
 * deviations, standard errors 1e-3, log lambda 0.02 for terms well inside.
 * Chosen by the working criterion, beside bam(method = "fREML"): the same but for the criterion, whose constant is another.
 * ML, GCV and UBRE of the working model beside gam with these methods, taken in turns with the working response.
 * P-values and likelihoods at given smoothing parameters and at those of the Laplace criterion. */
#include "support/mgcv.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const folders[] = {WEIR_SOURCE_DIR "/tests/reference/glm/", WEIR_SOURCE_DIR "/tests/reference/links/"};

typedef enum kind { GIVEN, WORKING, ML, GCV, LAPLACE, GIVEN_LAPLACE } kind;

static const char *const kinds[] = {"given", "working", "ml", "gcv", "laplace"};

typedef struct one_test {
    const json_t *c;
    kind kind;
    char name[96];
} one_test;

static bool is_scale_known(const char *family)
{
    return !strncmp(family, "poisson", 7) || !strncmp(family, "binomial", 8) || !strncmp(family, "nb", 2);
}

static void fit_case(weir_ctx *ctx, const json_t *c, kind kind, const json_t *sp, fitted_case *f)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.family = text_of(c, kind == LAPLACE ? "family" : "family_given");
    options.weights = text_of(c, "weights");
    options.laplace = kind >= LAPLACE ? 1 : -1;
    if (kind == ML)
        options.criterion = WEIR_ML;
    if (kind == GCV)
        options.criterion = is_scale_known(options.family) ? WEIR_UBRE : WEIR_GCV;
    fit_case_with(ctx, text_of(c, "folder"), c, &options, sp, f);
}

/* Fitted values and standard errors are compared free of the scale: that is compared apart. */
static void compare_given(const char *name, const json_t *c, const fitted_case *f, const json_t *want)
{
    const json_t *rows = list_of(want, "rows"), *fit = list_of(want, "fit"), *se = list_of(want, "se");
    double largest = 0, largest_se = 0, scale = number_of(want, "scale");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        largest = fmax(largest, fabs(item(fit, i)));
        largest_se = fmax(largest_se, item(se, i));
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        int64_t row = (int64_t)item(rows, i) - 1;
        expect_near(name, "fitted value", f->fit[row], item(fit, i), 1e-9 * largest);
        expect_near(name, "variance", pow(f->se[row] / largest_se, 2) * scale / f->summary.scale,
                    pow(item(se, i) / largest_se, 2), 1e-7);
    }
    for (int32_t t = 0; t < f->summary.term_count; t++)
        expect_near(name, f->summary.term[t].label, f->summary.term[t].edf, item(list_of(want, "edf"), (size_t)t), 1e-8);
    expect_near(name, "scale", f->summary.scale / scale, 1, 1e-8);
    double deviance = number_of(want, "deviance"), null_deviance = number_of(want, "null_deviance");
    expect_near(name, "deviance", f->summary.deviance / deviance, 1, 1e-9);
    /* mgcv's is that of the mean response for beta, and of a mean searched for to a few digits for scat; here it is the least. */
    bool beta = !strncmp(text_of(c, "family"), "beta", 4), scat = !strncmp(text_of(c, "family"), "scat", 4);
    if (!beta)
        expect_near(name, "null deviance", f->summary.null_deviance / null_deviance, 1, scat ? 1e-7 : 1e-9);
    if (beta || scat)
        assert_true(f->summary.null_deviance <= null_deviance * (1 + 1e-9));
}

static void compare_chosen(const char *name, const fitted_case *f, const json_t *want)
{
    const weir_summary *s = &f->summary;
    const json_t *rows = list_of(want, "rows"), *sp = list_of(want, "sp");
    double sd = number_of(want, "sd_fit"), spread = sqrt(number_of(want, "scale") / s->scale);
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
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        int64_t row = (int64_t)item(rows, i) - 1;
        expect_near(name, "fitted value", f->fit[row], item(list_of(want, "fit"), i), 1e-4 * sd);
        expect_near(name, "standard error", f->se[row] * spread / item(list_of(want, "se"), i), 1, 1e-3);
    }
    for (int32_t j = 0; j < s->coefficient_count; j++) {
        double se = item(list_of(want, "std_error"), (size_t)j);
        assert_string_equal(s->coefficient[j].label, json_string_value(json_array_get(list_of(want, "parametric"), (size_t)j)));
        expect_near(name, s->coefficient[j].label, s->coefficient[j].estimate, item(list_of(want, "estimate"), (size_t)j),
                    1e-3 * se);
        expect_near(name, "its standard error", s->coefficient[j].std_error * spread / se, 1, 1e-3);
    }
}

/* Tests of terms and coefficients. Reference degrees of freedom as edf. mgcv integrates Davies' formula to an absolute error of
 * some 1e-6 (one of its p-values here is -3e-6), so that small p-values have no digits to compare: 5e-6, but for nb-sqrt, where mgcv's
 * is 6e-6 below the integral to 1e-10 and ours is not. Beyond it `relative`: of a p-value, d log p = (c + 1/c) dc at least,
 * dc = c * 1e-7 at given lambda, a thousandth at chosen. */
static void compare_tests(const char *name, const fitted_case *f, const json_t *want, double relative, double df)
{
    const weir_summary *s = &f->summary;
    const double absolute = strncmp(name, "nb-sqrt,", 8) == 0 ? 1e-5 : 5e-6;
    for (int32_t t = 0; t < s->term_count; t++) {
        double p = item(list_of(want, "p_value"), (size_t)t);
        expect_near(name, "reference df", s->term[t].ref_df, item(list_of(want, "ref_df"), (size_t)t), df);
        expect_near(name, "p-value of a term", s->term[t].p_value, p, absolute + relative * p);
    }
    for (int32_t j = 0; j < s->coefficient_count; j++) {
        double p = item(list_of(want, "parametric_p"), (size_t)j);
        expect_near(name, "p-value of a coefficient", s->coefficient[j].p_value, p, 1e-9 + relative * p);
    }
}

/* mgcv has R's family$aic: phi = D/n in the Gaussian density, D/phi = n in the exponent of the inverse Gaussian one, and weights
 * of gamma observations as counts of them, where here and in its own criterion phi is that of the criterion and weights divide it. `degrees`: of the
 * correction for the choice of lambda, which here leaves out how weights depend on lambda. */
static void compare_likelihood(const char *name, const json_t *c, const fitted_case *f, const json_t *want, double degrees)
{
    const weir_summary *s = &f->summary;
    const char *family = text_of(c, "family");
    double likelihood = number_of(want, "log_likelihood"), df = 0.5 * number_of(want, "aic") + likelihood;
    double n = (double)s->n, ratio = number_of(want, "deviance") / (n * number_of(want, "reml_scale"));
    if (!strncmp(family, "quasi", 5)) {
        assert_true(isnan(s->aic) && isnan(s->log_likelihood));
        return;
    }
    if (text_of(c, "weights") && s->scale_estimated)
        return;
    if (!strncmp(family, "inverse-gaussian", 16))
        likelihood += 0.5 * n * (1 - ratio);
    if (!strncmp(family, "gaussian", 8))
        likelihood += 0.5 * n * (1 + log(ratio) - ratio);
    expect_near(name, "log likelihood", s->log_likelihood, likelihood, (degrees > 0 ? 1e-4 : 1e-8) * fmax(1.0, fabs(likelihood)));
    expect_near(name, "degrees of freedom of the AIC", 0.5 * s->aic + s->log_likelihood, df, degrees > 0 ? 0.025 * df : 1e-7);
}

static void compare_criterion(const char *name, double got, double want)
{
    if (!(got <= want + 1e-7 * fabs(want)))
        expect_near(name, "criterion", got, want, 1e-7 * fabs(want));
}

/* The numbers in the family's name, in mgcv's order: four digits. */
static void compare_parameters(const char *name, const char *family, const json_t *want)
{
    const char *at = strchr(family, '(');
    for (size_t i = 0; i < json_array_size(want); i++) {
        while (at && *at && !(*at >= '0' && *at <= '9'))
            at++;
        char *end = NULL;
        double value = at && *at ? strtod(at, &end) : NAN;
        at = end;
        expect_near(name, "parameter of the family", value / item(want, i), 1, 2e-3);
    }
}

/* V at given parameters is the criterion of gam: absolutely, and in differences. */
static void test_criterion(const char *name, weir_ctx *ctx, const json_t *c)
{
    const json_t *near = json_object_get(c, "near"), *away = json_object_get(c, "away");
    double value[2], want[2] = {number_of(near, "criterion"), number_of(away, "criterion")};
    for (int i = 0; i < 2; i++) {
        fitted_case f;
        fit_case(ctx, c, GIVEN_LAPLACE, list_of(i ? away : near, "sp"), &f);
        value[i] = f.summary.criterion;
        compare_likelihood(name, c, &f, i ? away : near, 0);
        expect_near(name, "criterion", value[i], want[i], 1e-9 * fabs(want[i]));
        drop_case(&f);
    }
    expect_near(name, "criterion difference", value[1] - value[0], want[1] - want[0], 1e-9 * fabs(want[0]));
}

static void test_given(const char *name, weir_ctx *ctx, const json_t *c)
{
    test_criterion(name, ctx, c);
    static const char *const places[] = {"near", "away"};
    for (int i = 0; i < 2; i++) {
        const json_t *want = json_object_get(c, places[i]);
        fitted_case f;
        fit_case(ctx, c, GIVEN, list_of(want, "sp"), &f);
        compare_shape(name, &f, want);
        compare_given(name, c, &f, want);
        compare_tests(name, &f, want, 1e-4, 1e-7);
        drop_case(&f);
    }
}

static void test_chosen(const char *name, weir_ctx *ctx, const json_t *c, kind kind)
{
    const json_t *want = json_object_get(c, kinds[kind]);
    fitted_case f;
    fit_case(ctx, c, kind, NULL, &f);
    if (kind == GCV && f.summary.criterion < number_of(want, "criterion") - 1e-4) { /* another minimum, a lower one */
        assert_string_equal(name, "poisson-by, gcv");
        drop_case(&f);
        return;
    }
    if (kind == GCV)
        expect_near(name, "criterion", f.summary.criterion, number_of(want, "criterion"), 1e-5 * number_of(want, "scale"));
    compare_chosen(name, &f, want);
    expect_near(name, "deviance", f.summary.deviance / number_of(want, "deviance"), 1, 1e-4);
    if (kind == LAPLACE) {
        compare_parameters(name, f.summary.family, list_of(want, "theta"));
        compare_criterion(name, f.summary.criterion, number_of(want, "criterion"));
        compare_tests(name, &f, want, 0.01, 2e-2);
        compare_likelihood(name, c, &f, want, 1);
        expect_near(name, "scale", f.summary.scale / number_of(want, "scale"), 1, 1e-3);
    }
    drop_case(&f);
}

static void test_one(void **state)
{
    const one_test *test = *state;
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    failures = 0;
    if (test->kind == GIVEN)
        test_given(test->name, ctx, test->c);
    else
        test_chosen(test->name, ctx, test->c, test->kind);
    assert_int_equal(failures, 0);
    weir_ctx_destroy(ctx);
}

/* The cases of a folder, each told where it lies, put behind those in `all`. */
static bool read_folder(const char *folder, json_t *all)
{
    char path[1024];
    json_error_t error;
    snprintf(path, sizeof path, "%scases.json", folder);
    json_t *root = json_load_file(path, 0, &error);
    if (!root) {
        fprintf(stderr, "%s: %s\n", path, error.text);
        return false;
    }
    json_t *cases = json_object_get(root, "cases"), *c;
    size_t i, before = json_array_size(all);
    json_array_foreach(cases, i, c) {
        if (json_object_set_new(c, "folder", json_string(folder)))
            break;
    }
    bool whole = i == json_array_size(cases) && !json_array_extend(all, cases);
    json_decref(root);
    return whole && json_array_size(all) >= before + 30;
}

int main(void)
{
    json_t *cases = json_array();
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (!cases || !read_folder(folders[i], cases))
            return 1;
    size_t count = json_array_size(cases), used = 0;
    one_test *list = calloc(5 * count, sizeof *list);
    struct CMUnitTest *tests = calloc(5 * count, sizeof *tests);
    if (!tests || !list)
        return 1;
    for (size_t i = 0; i < count; i++) {
        json_t *c = json_array_get(cases, i);
        for (int k = 0; k < 5; k++) {
            if (k != GIVEN && !json_object_get(c, kinds[k]))
                continue;
            one_test *test = &list[used];
            *test = (one_test){.c = c, .kind = (kind)k};
            snprintf(test->name, sizeof test->name, "%s, %s", text_of(c, "name"), kinds[k]);
            tests[used++] = (struct CMUnitTest){test->name, test_one, NULL, NULL, test};
        }
    }
    int failed = _cmocka_run_group_tests("mgcv, generalised models", tests, used, NULL, NULL);
    free(tests);
    free(list);
    json_decref(cases);
    return failed;
}
