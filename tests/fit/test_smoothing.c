/* SPDX-License-Identifier: Apache-2.0 */
/* Smoothing selection against mgcv (tests/reference/fit, made by make_fits.R there) and derivatives against differences. */
#include "fit/reference.h"

#include <float.h>

#include "base/ctx.h"
#include "fit/criterion.h"

typedef struct run {
    const char *file, *key;
    weir_criterion criterion;
    double scale, gamma;
    int64_t arrow_first, arrow_levels;
} run;

static const run runs[] = {
    { "gamsim_cr.txt", "reml", WEIR_REML, 0, 1, 0, 0 },       { "gamsim_cr.txt", "ml", WEIR_ML, 0, 1, 0, 0 },
    { "gamsim_cr.txt", "gcv", WEIR_GCV, 0, 1, 0, 0 },         { "gamsim_cr.txt", "ubre", WEIR_UBRE, 4, 1, 0, 0 },
    { "gamsim_cr.txt", "reml_scale", WEIR_REML, 4, 1, 0, 0 }, { "gamsim_cr.txt", "gamma", WEIR_REML, 0, 1.4, 0, 0 },
    { "gamsim_cr.txt", "gcv_gamma", WEIR_GCV, 0, 1.4, 0, 0 }, { "gamsim_te.txt", "reml", WEIR_REML, 0, 1, 0, 0 },
    { "gamsim_te.txt", "ml", WEIR_ML, 0, 1, 0, 0 },           { "gamsim_te.txt", "gcv", WEIR_GCV, 0, 1, 0, 0 },
    { "gamsim_select.txt", "reml", WEIR_REML, 0, 1, 0, 0 },   { "gamsim_weights.txt", "reml", WEIR_REML, 0, 1, 0, 0 },
    { "machines.txt", "reml", WEIR_REML, 0, 1, 0, 0 },        { "machines.txt", "reml", WEIR_REML, 0, 1, 9, 18 },
    { "machines.txt", "reml", WEIR_REML, 0, 1, 3, 6 },        { "machines.txt", "ml", WEIR_ML, 0, 1, 9, 18 },
    { "machines.txt", "gcv", WEIR_GCV, 0, 1, 0, 0 },          { "machines.txt", "gcv", WEIR_GCV, 0, 1, 9, 18 },
    { "rail.txt", "reml", WEIR_REML, 0, 1, 1, 6 },
};

#define RUNS (sizeof runs / sizeof runs[0])

static const double *of(const reference *ref, const run *how, const char *what, int *count)
{
    char key[64];
    snprintf(key, sizeof key, "%s.%s", how->key, what);
    return reference_get(ref, key, count);
}

typedef struct fitted {
    weir_ctx *ctx;
    reference ref;
    w_system *system;
    double rho[24], hessian[625];
    w_smoothing_options options;
    w_smoothing_result result;
} fitted;

static void open_run(fitted *fit, const run *how)
{
    memset(fit, 0, sizeof *fit);
    fit->ctx = test_ctx(NULL, 1, 0);
    reference_read(&fit->ref, how->file);
    fit->ref.gram.ctx = fit->ctx;
    if (how->arrow_levels > 0) {
        reference_make_arrow(&fit->ref, fit->ctx, how->arrow_first, how->arrow_levels, 1);
    }
    assert_int_equal(w_system_create(fit->ctx, &fit->ref.gram, &fit->ref.design, &fit->system), WEIR_OK);
    fit->options = (w_smoothing_options){ .criterion = how->criterion, .gamma = how->gamma, .scale = how->scale,
                                          .log_likelihood_constant = -0.5 * fit->ref.gram.log_weight_sum };
    fit->result = (w_smoothing_result){ .rho = fit->rho, .hessian = fit->hessian };
}

static void close_run(fitted *fit)
{
    w_system_free(fit->system);
    reference_free(&fit->ref);
    weir_ctx_destroy(fit->ctx);
}

static weir_status select_now(fitted *fit)
{
    return w_smoothing_select(fit->ctx, fit->system, &fit->ref.design, &fit->ref.gram, &fit->options, &fit->result);
}

/* mgcv's smoothing parameters given: score 1e-9, coefficients, edf, scale. */
static void test_fixed_sp(void **state)
{
    (void)state;
    for (size_t i = 0; i < RUNS; i++) {
        fitted fit;
        int count = 0;
        open_run(&fit, &runs[i]);
        const double *sp = of(&fit.ref, &runs[i], "sp", NULL);
        bool extreme = false;
        for (int j = 0; j < fit.ref.design.sp_count; j++) {
            fit.ref.sp_fixed[j] = sp[j];
            extreme = extreme || sp[j] > 1e7;
        }
        assert_int_equal(select_now(&fit), WEIR_OK);
        assert_int_equal(fit.result.iterations, 0);
        const double score = of(&fit.ref, &runs[i], "score", NULL)[0];
        assert_near(fit.result.criterion, score, 1e-8 * fabs(score)); /* mgcv's scale has not fully converged */
        const double *beta = of(&fit.ref, &runs[i], "beta", &count);
        double size = 0.0, edf = 0.0;
        for (int c = 0; c < count; c++) {
            size = fmax(size, fabs(beta[c]));
        }
        const double *exact = of(&fit.ref, &runs[i], "edf", NULL);
        for (int c = 0; c < count; c++) {
            assert_near(w_system_beta(fit.system)[c], beta[c], (extreme ? 1e-7 : 1e-9) * size);
            edf += exact[c];
        }
        assert_near(fit.result.edf, edf, 1e-7);
        assert_near(fit.result.scale, of(&fit.ref, &runs[i], "scale", NULL)[0], 1e-9 * fit.result.scale);
        close_run(&fit);
    }
}

/* Differences of the score between two vectors of smoothing parameters: mgcv's fixed fit and its optimum. */
static void test_score_difference(void **state)
{
    (void)state;
    fitted fit;
    open_run(&fit, &runs[0]);
    const double fixed[4] = { 0.5, 3, 0.01, 100 };
    memcpy(fit.ref.sp_fixed, fixed, sizeof fixed);
    assert_int_equal(select_now(&fit), WEIR_OK);
    assert_near(fit.result.criterion, reference_get(&fit.ref, "fixed.score", NULL)[0], 1e-9 * 913);
    assert_near(fit.result.edf, 32.243072, 1e-6);
    assert_near(fit.result.scale, reference_get(&fit.ref, "fixed.scale", NULL)[0], 1e-9 * 4);
    close_run(&fit);
}

/* Estimated: our score is not above mgcv's, terms inside agree in log sp, edf and scale. */
static void test_against_mgcv(void **state)
{
    (void)state;
    for (size_t i = 0; i < RUNS; i++) {
        fitted fit;
        int count = 0;
        double edf = 0.0;
        open_run(&fit, &runs[i]);
        assert_int_equal(select_now(&fit), WEIR_OK);
        assert_int_equal(fit.result.status, WEIR_OK);
        assert_true(fit.result.iterations > 0 && fit.result.iterations < 25);
        const double score = of(&fit.ref, &runs[i], "score", NULL)[0];
        assert_true(fit.result.criterion <= score + 1e-7 * fabs(score));
        assert_near(fit.result.criterion, score, 1e-6 * fabs(score));
        const double *sp = of(&fit.ref, &runs[i], "sp", NULL), *exact = of(&fit.ref, &runs[i], "edf", &count);
        for (int j = 0; j < fit.ref.design.sp_count; j++) {
            if (sp[j] < 1e6) {
                assert_near(fit.rho[j], log(sp[j]), 0.002);
            } else {
                assert_true(fit.rho[j] > 13.0);
            }
        }
        for (int c = 0; c < count; c++) {
            edf += exact[c];
        }
        assert_near(fit.result.edf, edf, 0.002);
        assert_near(fit.result.scale, of(&fit.ref, &runs[i], "scale", NULL)[0], 1e-5 * fit.result.scale);
        close_run(&fit);
    }
}

/* Gradient and Hessian of every criterion at a point off the optimum, by central differences. */
static void test_derivatives(void **state)
{
    (void)state;
    for (size_t i = 0; i < RUNS; i++) {
        fitted fit;
        w_criterion criterion;
        open_run(&fit, &runs[i]);
        const int m = fit.ref.design.sp_count;
        double rho[24], gradient[24], hessian[576], slope_size = 0.0, bend_size = 0.0;
        assert_int_equal(w_criterion_create(fit.ctx, fit.system, &fit.ref.design, &fit.ref.gram, &fit.options, &criterion),
                         WEIR_OK);
        for (int j = 0; j < m; j++) {
            rho[j] = 0.5 + 0.7 * j - (runs[i].file[0] == 'm' || runs[i].file[0] == 'r' ? 3.0 : 0.0);
        }
        assert_int_equal(w_criterion_evaluate(&criterion, rho, true), WEIR_OK);
        memcpy(gradient, criterion.gradient, (size_t)m * sizeof *gradient);
        memcpy(hessian, criterion.hessian, (size_t)(m * m) * sizeof *hessian);
        for (int j = 0; j < m; j++) {
            slope_size = fmax(slope_size, fabs(gradient[j]));
            bend_size = fmax(bend_size, fabs(hessian[j * (m + 1)]));
        }
        for (int j = 0; j < m; j++) {
            const double step = 1e-4, at = rho[j];
            double ahead[24], value = 0.0;
            rho[j] = at + step;
            assert_int_equal(w_criterion_evaluate(&criterion, rho, true), WEIR_OK);
            memcpy(ahead, criterion.gradient, (size_t)m * sizeof *ahead);
            value = criterion.value;
            rho[j] = at - step;
            assert_int_equal(w_criterion_evaluate(&criterion, rho, true), WEIR_OK);
            assert_near(gradient[j], (value - criterion.value) / (2.0 * step), 1e-6 * slope_size);
            for (int k = 0; k < m; k++) {
                assert_near(hessian[k * m + j], (ahead[k] - criterion.gradient[k]) / (2.0 * step), 1e-6 * bend_size);
            }
            rho[j] = at;
        }
        w_criterion_free(&criterion);
        close_run(&fit);
    }
}

/* The joint Hessian in (rho, log phi): its Schur complement is the Hessian with phi eliminated, and positive definite. */
static void test_joint_hessian(void **state)
{
    (void)state;
    fitted fit;
    open_run(&fit, &runs[7]);
    assert_int_equal(select_now(&fit), WEIR_OK);
    const int m = fit.ref.design.sp_count, w = m + 1;
    const double corner = fit.hessian[w * w - 1];
    assert_near(corner, 0.5 * ((double)fit.ref.gram.n - (double)w_system_null_dimension(fit.system)), 1e-9 * corner);
    for (int i = 0; i < m; i++) {
        assert_true(fit.hessian[i * (w + 1)] - fit.hessian[i * w + m] * fit.hessian[i * w + m] / corner > 0.0);
        for (int j = 0; j < w; j++) {
            assert_near(fit.hessian[i * w + j], fit.hessian[j * w + i], 1e-9);
        }
    }
    close_run(&fit);
}

/* One parameter fixed, the other estimated; a start of the caller's; an iteration limit. */
static void test_options(void **state)
{
    (void)state;
    fitted fit;
    open_run(&fit, &runs[12]);
    const double sp = of(&fit.ref, &runs[12], "sp", NULL)[1], score = of(&fit.ref, &runs[12], "score", NULL)[0];
    fit.ref.sp_fixed[0] = of(&fit.ref, &runs[12], "sp", NULL)[0];
    assert_int_equal(select_now(&fit), WEIR_OK);
    assert_near(fit.rho[1], log(sp), 1e-4);
    assert_near(fit.result.criterion, score, 1e-8 * score);
    const double start[2] = { 5.0, -7.0 };
    fit.ref.sp_fixed[0] = NAN;
    fit.options.start = start;
    assert_int_equal(select_now(&fit), WEIR_OK);
    assert_near(fit.result.criterion, score, 1e-8 * score);
    fit.options.max_iterations = 1;
    assert_int_equal(select_now(&fit), WEIR_NOT_CONVERGED);
    assert_int_equal(fit.result.status, WEIR_NOT_CONVERGED);
    assert_non_null(strstr(weir_ctx_message(fit.ctx), "smoothing"));
    close_run(&fit);
}

/* Fewer rows than unpenalised coefficients: an error, unless the scale is known. A constant response of zero fits exactly. */
static void test_degenerate(void **state)
{
    (void)state;
    fitted fit;
    open_run(&fit, &runs[0]);
    fit.ref.gram.n = 4;
    assert_int_equal(select_now(&fit), WEIR_E_DATA);
    fit.ref.gram.n = 400;
    fit.ref.gram.zz = 0.0;
    memset(fit.ref.gram.rhs, 0, (size_t)fit.ref.gram.p * sizeof(double));
    w_system_free(fit.system);
    assert_int_equal(w_system_create(fit.ctx, &fit.ref.gram, &fit.ref.design, &fit.system), WEIR_OK);
    assert_true(select_now(&fit) >= 0);
    for (int64_t i = 0; i < fit.ref.gram.p; i++) {
        assert_true(w_system_beta(fit.system)[i] == 0.0);
    }
    close_run(&fit);
}

/* sp = 0 leaves a term unpenalised: the limit of small lambda once log|S| and the null dimension count it so. */
static void test_zero_lambda(void **state)
{
    (void)state;
    fitted fit;
    open_run(&fit, &runs[0]);
    const double zero[4] = { 0.0, 3, 0.01, 100 };
    double edf[2];
    memcpy(fit.ref.sp_fixed, zero, sizeof zero);
    for (int ml = 0; ml < 2; ml++) {
        fit.options.criterion = ml ? WEIR_ML : WEIR_REML;
        assert_int_equal(select_now(&fit), WEIR_OK);
        assert_int_equal(w_system_null_dimension(fit.system), 1 + 9 + 3);
        assert_true(isfinite(fit.result.criterion));
        edf[ml] = fit.result.edf;
    }
    fit.ref.sp_fixed[0] = 1e-12;
    assert_int_equal(select_now(&fit), WEIR_OK);
    assert_int_equal(w_system_null_dimension(fit.system), 1 + 4);
    assert_near(fit.result.edf, edf[0], 1e-8);
    assert_near(fit.result.edf, edf[1], 1e-8);
    close_run(&fit);
}

static weir_status fallible(weir_ctx *ctx, void *arg)
{
    fitted *fit = arg;
    w_system *system = NULL;
    weir_status status = w_system_create(ctx, &fit->ref.gram, &fit->ref.design, &system);
    if (status >= 0) {
        status = w_smoothing_select(ctx, system, &fit->ref.design, &fit->ref.gram, &fit->options, &fit->result);
    }
    w_system_free(system);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    const size_t which[] = { 1, 9, 17 };
    for (size_t i = 0; i < 3; i++) {
        fitted fit;
        open_run(&fit, &runs[which[i]]);
        assert_true(test_each_allocation_fails(fit.ctx, fallible, &fit) > 10);
        close_run(&fit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_sp), cmocka_unit_test(test_score_difference), cmocka_unit_test(test_against_mgcv),
        cmocka_unit_test(test_derivatives), cmocka_unit_test(test_joint_hessian), cmocka_unit_test(test_options),
        cmocka_unit_test(test_degenerate), cmocka_unit_test(test_zero_lambda), cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
