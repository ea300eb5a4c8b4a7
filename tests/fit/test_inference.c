/* SPDX-License-Identifier: Apache-2.0 */
/* Summary tables against mgcv's at its own smoothing parameters (tests/reference/fit, made by make_fits.R there). */
#include "fit/reference.h"

#include "base/ctx.h"
#include "base/rng.h"
#include "fit/inference_arrow.h"
#include "solve/problem.h"

typedef struct run {
    const char *file, *key;
    weir_criterion criterion;
    double scale;
    int64_t arrow_first, arrow_levels;
} run;

static const run runs[] = {
    { "gamsim_cr.txt", "reml", WEIR_REML, 0, 0, 0 },      { "gamsim_cr.txt", "gcv", WEIR_GCV, 0, 0, 0 },
    { "gamsim_cr.txt", "ubre", WEIR_UBRE, 4, 0, 0 },      { "gamsim_te.txt", "reml", WEIR_REML, 0, 0, 0 },
    { "gamsim_select.txt", "reml", WEIR_REML, 0, 0, 0 },  { "gamsim_weights.txt", "reml", WEIR_REML, 0, 0, 0 },
    { "machines.txt", "reml", WEIR_REML, 0, 0, 0 },       { "machines.txt", "reml", WEIR_REML, 0, 9, 18 },
    { "machines.txt", "reml", WEIR_REML, 0, 3, 6 },       { "rail.txt", "reml", WEIR_REML, 0, 1, 6 },
};

typedef struct fitted {
    weir_ctx *ctx;
    reference ref;
    const run *how;
    w_system *system;
    weir_model model;
    double rho[24], hessian[625];
} fitted;

static const double *of(const fitted *fit, const char *what)
{
    char key[64];
    snprintf(key, sizeof key, "%s.%s", fit->how->key, what);
    return reference_get(&fit->ref, key, NULL);
}

/* The fit at mgcv's smoothing parameters, up to the call under test. */
static weir_status solve(weir_ctx *ctx, fitted *fit)
{
    w_smoothing_options options = { .criterion = fit->how->criterion, .gamma = 1.0, .scale = fit->how->scale };
    w_smoothing_result result = { .rho = fit->rho, .hessian = fit->hessian };
    weir_model *model = &fit->model;
    memset(model, 0, sizeof *model);
    model->ctx = ctx;
    model->design = &fit->ref.design;
    w_arena_init(&model->arena, ctx, "model");
    weir_status status = w_system_create(ctx, &fit->ref.gram, &fit->ref.design, &fit->system);
    status = status < 0 ? status : w_smoothing_select(ctx, fit->system, &fit->ref.design, &fit->ref.gram, &options, &result);
    status = status < 0 ? status : w_system_covariance(fit->system, &model->covariance);
    if (status >= 0) {
        model->beta = (double *)(uintptr_t)w_system_beta(fit->system);
        model->rho = fit->rho;
        model->scale = result.scale;
        model->summary.scale_estimated = fit->how->scale > 0.0 ? 0 : 1;
    }
    return status;
}

static void release(fitted *fit)
{
    w_covariance_free(fit->model.covariance);
    w_arena_free(&fit->model.arena);
    w_system_free(fit->system);
    fit->system = NULL;
    fit->model.covariance = NULL;
}

static void open_run(fitted *fit, const run *how)
{
    memset(fit, 0, sizeof *fit);
    fit->ctx = test_ctx(NULL, 1, 0);
    fit->how = how;
    reference_read(&fit->ref, how->file);
    fit->ref.gram.ctx = fit->ctx;
    if (how->arrow_levels > 0) {
        reference_make_arrow(&fit->ref, fit->ctx, how->arrow_first, how->arrow_levels, 1);
    }
    const double *sp = of(fit, "sp");
    memcpy(fit->ref.sp_fixed, sp, (size_t)fit->ref.design.sp_count * sizeof *sp);
}

static void close_run(fitted *fit)
{
    reference_free(&fit->ref);
    weir_ctx_destroy(fit->ctx);
}

/* Two significant digits, or both below what mgcv resolves. */
static void assert_p_value(double actual, double expected)
{
    if (expected < 1e-5) { /* mgcv's integration stops at 2e-5 absolute */
        assert_true(actual < 1e-5);
    } else {
        assert_near(actual, expected, 5e-3 * expected + 2e-6);
    }
}

static void check_terms(const fitted *fit)
{
    const weir_summary *summary = &fit->model.summary;
    const double *table = of(fit, "stable"), *edf = of(fit, "edf"), *edf1 = of(fit, "edf1");
    assert_int_equal(summary->term_count, fit->ref.design.term_count);
    for (int t = 0; t < summary->term_count; t++) {
        const weir_term_summary *row = &summary->term[t];
        const w_term *term = &fit->ref.term[t];
        double sum = 0.0, sum1 = 0.0, mine1 = 0.0;
        assert_near(row->edf, table[4 * t], 1e-7);
        assert_near(row->ref_df, table[4 * t + 1], 1e-6);
        /* The sign of an eigenvector is mgcv's by chance: the two statistics differ by half a percent at most here. */
        const double tolerance = term->null_dimension == 0 ? 1e-6 : 5e-3;
        assert_near(row->statistic, table[4 * t + 2], tolerance * table[4 * t + 2]);
        assert_p_value(row->p_value, table[4 * t + 3]);
        for (int64_t c = term->first; c < term->first + term->columns; c++) {
            sum += edf[c];
            sum1 += edf1[c];
            mine1 += fit->model.edf1[c];
            assert_near(fit->model.edf[c], edf[c], 1e-7);
        }
        assert_near(row->edf, sum, 1e-8 * (1.0 + sum) * 10.0);
        assert_near(mine1, sum1, 1e-6);
        assert_int_equal(row->sp_count, term->penalty_count);
        assert_true(isnan(row->std_dev) == (term->kind != W_TERM_RANDOM));
    }
}

static void check_parametric(const fitted *fit)
{
    const weir_summary *summary = &fit->model.summary;
    const double *table = of(fit, "ptable"), *se = of(fit, "se"), *ve = of(fit, "ve");
    assert_int_equal(summary->coefficient_count, fit->ref.design.parametric_columns);
    for (int j = 0; j < summary->coefficient_count; j++) {
        const weir_coefficient *row = &summary->coefficient[j];
        assert_near(row->estimate, table[4 * j], 1e-8 * (1.0 + fabs(table[4 * j])));
        assert_near(row->std_error, table[4 * j + 1], 1e-7 * table[4 * j + 1]);
        assert_near(row->statistic, table[4 * j + 2], 1e-7 * fabs(table[4 * j + 2]));
        assert_near(row->p_value, table[4 * j + 3], 1e-4 * table[4 * j + 3] + 1e-300);
    }
    for (int64_t c = 0; c < fit->ref.design.p; c++) {
        double variance = 0.0, sampling = 0.0;
        assert_int_equal(w_covariance_block(fit->model.covariance, c, 1, c, 1, &variance), WEIR_OK);
        assert_int_equal(w_system_frequentist_block(fit->system, c, 1, &sampling), WEIR_OK);
        assert_near(sqrt(variance * fit->model.scale), se[c], 1e-7 * se[c]);
        assert_near(sqrt(fmax(sampling, 0.0) * fit->model.scale), ve[c], 1e-6 * se[c]);
    }
}

static void check_fit(const fitted *fit)
{
    const weir_summary *summary = &fit->model.summary;
    const double *row = of(fit, "summary");
    const bool weighted = fit->ref.gram.log_weight_sum != 0.0;
    assert_near(summary->r_squared_adjusted, row[0], weighted ? 5e-4 : 1e-9);
    assert_near(summary->deviance_explained, row[1], 1e-9);
    assert_near(summary->deviance, row[2], 1e-8 * row[2]);
    assert_near(summary->null_deviance, row[3], 1e-10 * row[3]);
    assert_near(summary->residual_df, row[4], 1e-7);
    assert_near(summary->scale, row[5], 1e-8 * row[5]);
    assert_near((double)summary->rank, row[6], 0.0);
    if (fit->how->scale == 0.0) {
        const double *likelihood = of(fit, "likelihood");
        assert_near(summary->log_likelihood, likelihood[0], 1e-8 * fabs(likelihood[0]));
        assert_near(summary->aic, -2.0 * likelihood[0] + 2.0 * (summary->edf_total + 1.0), 1e-6);
        /* The degrees of freedom corrected for estimated smoothing parameters: logLik's in mgcv. */
        weir_model corrected = fit->model;
        double df = 0.0;
        for (int j = 0; j < fit->ref.design.sp_count; j++) {
            ((reference *)(uintptr_t)&fit->ref)->sp_fixed[j] = NAN;
        }
        corrected.hessian = (double *)(uintptr_t)fit->hessian;
        if (fit->how->criterion == WEIR_REML && fit->how->arrow_levels == 0) {
            assert_int_equal(w_degrees_of_freedom(&corrected, &fit->ref.gram, &df), WEIR_OK);
            assert_near(df + 1.0, likelihood[2], 1e-4);
        }
    }
}

static void test_against_mgcv(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        fitted fit;
        open_run(&fit, &runs[i]);
        assert_int_equal(solve(fit.ctx, &fit), WEIR_OK);
        assert_int_equal(w_inference_fill(fit.ctx, &fit.model, fit.system, &fit.ref.gram), WEIR_OK);
        check_terms(&fit);
        check_parametric(&fit);
        check_fit(&fit);
        release(&fit);
        close_run(&fit);
    }
}

/* Variance components of Pinheiro & Bates' Machines and Rail. */
static void test_standard_deviations(void **state)
{
    (void)state;
    fitted fit;
    open_run(&fit, &runs[7]);
    assert_int_equal(solve(fit.ctx, &fit), WEIR_OK);
    assert_int_equal(w_inference_fill(fit.ctx, &fit.model, fit.system, &fit.ref.gram), WEIR_OK);
    assert_near(fit.model.summary.term[0].std_dev, 4.78106, 5e-5);
    assert_near(fit.model.summary.term[1].std_dev, 3.72952, 5e-5);
    assert_near(sqrt(fit.model.scale), 0.961577, 5e-6);
    release(&fit);
    close_run(&fit);
}

/* Moments of the null distribution through p0 x p0 matrices against eigenvalues of the same term. */
static void test_many_levels(void **state)
{
    (void)state;
    const size_t which[] = { 7, 8, 9 };
    for (size_t i = 0; i < 3; i++) {
        fitted fit;
        w_term_test moments, exact;
        open_run(&fit, &runs[which[i]]);
        assert_int_equal(solve(fit.ctx, &fit), WEIR_OK);
        assert_int_equal(w_inference_fill(fit.ctx, &fit.model, fit.system, &fit.ref.gram), WEIR_OK);
        const w_term *term = &fit.ref.term[which[i] == 7 ? 1 : 0];
        const double df = fit.model.summary.residual_df;
        assert_int_equal(w_test_random(&fit.model, fit.system, &fit.ref.gram, term, df, &exact), WEIR_OK);
        assert_int_equal(w_test_arrow(&fit.model, &fit.ref.gram, term, df, &moments), WEIR_OK);
        assert_near(moments.ref_df, exact.ref_df, 0.0);
        assert_near(moments.statistic, exact.statistic, 1e-9 * exact.statistic);
        assert_near(moments.p_value, exact.p_value, 1e-6 * exact.p_value + 1e-12); /* equal eigenvalues: exact */
        release(&fit);
        close_run(&fit);
    }
}

static weir_status fallible(weir_ctx *ctx, void *arg)
{
    fitted *fit = arg;
    weir_status status = solve(ctx, fit);
    fit->model.hessian = fit->hessian;
    status = status < 0 ? status : w_inference_fill(ctx, &fit->model, fit->system, &fit->ref.gram);
    release(fit);
    return status;
}

/* Unbalanced levels beside smooths and a second random effect: M, C and their moments against dense matrices. */
static void test_unbalanced_levels(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    problem problem;
    problem_make(ctx, &problem, 60, 1, true, false);
    const int first[4] = { 0, 1, 3, 5 }, count[4] = { 1, 2, 2, 1 };
    for (int t = 0; t < 4; t++) {
        problem.term[t].penalty_first = first[t];
        problem.term[t].penalty_count = count[t];
    }
    problem.penalty[0].matrix = NULL; /* the first smooth becomes a random effect of the core */
    problem.penalty[0].rank = 6;
    problem.term[0].kind = W_TERM_RANDOM;
    problem.term[0].null_dimension = 0;
    double rho[6] = { 1.0, 1.0, -1.0, 2.0, 0.3, 1.5 };
    w_system *system = NULL;
    weir_model model = { .ctx = ctx, .design = &problem.design, .rho = rho, .scale = 1.1 };
    assert_int_equal(w_system_create(ctx, &problem.gram, &problem.design, &system), WEIR_OK);
    assert_int_equal(w_system_factor(system, rho), WEIR_OK);
    assert_int_equal(w_system_covariance(system, &model.covariance), WEIR_OK);
    double *beta = calloc((size_t)problem.p, sizeof *beta);
    model.beta = beta;
    for (double scale = 0.5; scale < 3.0; scale += 0.5) {
        w_term_test moments, exact;
        for (int64_t i = 0; i < problem.p; i++) {
            beta[i] = scale * w_system_beta(system)[i];
        }
        assert_int_equal(w_test_random(&model, system, &problem.gram, &problem.term[3], 320.0, &exact), WEIR_OK);
        assert_int_equal(w_test_arrow(&model, &problem.gram, &problem.term[3], 320.0, &moments), WEIR_OK);
        assert_near(moments.ref_df, exact.ref_df, 0.0);
        assert_near(moments.statistic, exact.statistic, 1e-9 * exact.statistic);
        if (exact.p_value > 1e-3) { /* 60 levels, a few of which dominate: the hardest case for three moments */
            assert_near(moments.p_value, exact.p_value, 0.25 * exact.p_value);
        } else {
            assert_true(moments.p_value < 1e-3);
        }
    }
    free(beta);
    w_covariance_free(model.covariance);
    w_system_free(system);
    problem_free(&problem);
    weir_ctx_destroy(ctx);
}

/* What the tables take stays below what the plan counts. */
static void test_bytes(void **state)
{
    (void)state;
    const size_t which[] = { 0, 3, 4, 6 };
    for (size_t i = 0; i < 4; i++) {
        fitted fit;
        open_run(&fit, &runs[which[i]]);
        assert_int_equal(solve(fit.ctx, &fit), WEIR_OK);
        fit.model.hessian = fit.hessian;
        weir_memory_info before, after;
        w_ledger_reset_peak(fit.ctx);
        weir_ctx_memory(fit.ctx, &before);
        assert_int_equal(w_inference_fill(fit.ctx, &fit.model, fit.system, &fit.ref.gram), WEIR_OK);
        weir_ctx_memory(fit.ctx, &after);
        assert_true(after.peak - before.in_use <= w_inference_bytes(&fit.ref.design, -1));
        release(&fit);
        close_run(&fit);
    }
}

static void test_allocations(void **state)
{
    (void)state;
    const size_t which[] = { 0, 4, 7, 8 };
    for (size_t i = 0; i < 4; i++) {
        fitted fit;
        open_run(&fit, &runs[which[i]]);
        assert_true(test_each_allocation_fails(fit.ctx, fallible, &fit) > 20);
        close_run(&fit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_mgcv), cmocka_unit_test(test_standard_deviations), cmocka_unit_test(test_many_levels), cmocka_unit_test(test_unbalanced_levels), cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
