/* SPDX-License-Identifier: Apache-2.0 */
/* Working models of every family: their sums are the first and second derivatives of the deviance, and the iteration ends
 * at a minimum of the penalised deviance wherever it starts.
 *
 * Derivatives along a direction d by (8 (F(h) - F(-h)) - (F(2h) - F(-2h)))/(12 h): of order h^4, with rounding eps F/h. For
 * h = 2e-3 and deviances near n both stay below 1e-6 of the derivative. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "fit/generalised.h"
#include "fit/laplace.h"
#include "fit/pirls.h"
#include "solve/system.h"
#include "support/designs.h"
#include "table/table.h"

#define ROWS 5000
#define FORMULA "y ~ f + s(x, bs=\"cr\", k=8) + s(z, bs=\"ps\", k=7) + offset(v)"

static const char *const families[] = {
    "gaussian:log", "binomial", "binomial:probit", "binomial:cloglog", "binomial:cauchit", "poisson", "poisson:sqrt",
    "poisson:identity", "gamma:log", "gamma:inverse", "inverse-gaussian:log", "inverse-gaussian", "nb:2.5", "nb:2.5:sqrt",
    "tweedie:1.4", "quasipoisson", "beta:8", "scat(nu=5,sigma=0.4)",
};
enum { FAMILIES = (int)(sizeof families / sizeof *families) };

typedef struct setting {
    weir_ctx *ctx;
    test_data *data;
    weir_table *table;
    w_pirls pirls;
    w_rng rng;
} setting;

static const weir_fit_options options = WEIR_FIT_OPTIONS_INIT;

/* Responses drawn from the family at means that follow the covariates; half the rows with a weight other than 1. */
static setting *make_rows(const char *family, int64_t rows, int threads)
{
    setting *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->ctx = test_ctx(NULL, threads, 0);
    s->data = test_data_make(rows, 41);
    w_rng_seed(&s->rng, 42);
    assert_int_equal(w_family_parse(s->ctx, family, &s->pirls.glm), WEIR_OK);
    const w_family *kind = s->pirls.glm.family;
    bool share = kind->kind == W_FAMILY_BINOMIAL || kind->kind == W_FAMILY_BETA;
    for (int64_t i = 0; i < rows; i++) {
        double level = 0.5 + 0.4 * sin(5 * s->data->x[i]) * (1 - s->data->z[i]); /* 0.1 … 0.9 */
        s->data->v[i] = 0.02 * s->data->w[i];                                    /* an offset that leaves all links room */
        s->data->weight[i] = kind->kind == W_FAMILY_BINOMIAL ? 1 + (double)(i % 3) : i % 2 ? 1 : s->data->weight[i];
        s->data->y[i] = w_family_random(&s->pirls.glm, &s->rng, share ? level : 0.5 + 2 * level, s->data->weight[i], 0.2);
        if (kind->open && s->data->y[i] <= kind->y_low)
            s->data->y[i] = kind->y_low + 1e-6;
    }
    s->table = test_data_table(s->ctx, s->data);
    w_design_options how = {.weights = "weight"};
    w_design *design = test_design(s->ctx, FORMULA, s->table, &how);
    design->response_shift = 0;
    s->pirls.ctx = s->ctx;
    s->pirls.design = design;
    s->pirls.table = s->table;
    s->pirls.options = &options;
    s->pirls.arrow_block = -1;
    s->pirls.phi = 1;
    s->pirls.beta = w_calloc(s->ctx, "test", (size_t)design->p, sizeof(double));
    s->pirls.rho = w_calloc(s->ctx, "test", (size_t)design->sp_count + 1, sizeof(double));
    assert_non_null(s->pirls.beta);
    assert_non_null(s->pirls.rho);
    return s;
}

static setting *make(const char *family)
{
    return make_rows(family, ROWS, 2);
}

static void drop(setting *s)
{
    w_design *design = (w_design *)(uintptr_t)s->pirls.design;
    w_pirls_free(&s->pirls);
    w_design_free(design);
    w_table_free(s->table);
    test_data_free(s->data);
    weir_ctx_destroy(s->ctx);
    free(s);
}

/* From the family's start to convergence at lambda = 1. */
static void settle(setting *s)
{
    w_gram *gram = NULL;
    double *trial = calloc((size_t)s->pirls.design->p, sizeof *trial);
    double rho[8] = {0};
    assert_int_equal(w_pirls_pass(&s->pirls, NULL, false, false, &gram), WEIR_OK);
    w_pirls_take(&s->pirls, gram);
    assert_true(s->pirls.design->sp_count <= 8);
    weir_status status = w_pirls_iterate(&s->pirls, rho, false, trial);
    if (status != WEIR_OK)
        fail_msg("%s: %s", s->pirls.glm.family->name, weir_status_name(status));
    free(trial);
}

/* Deviance at beta + t direction; gradient[p] and the curvature direction'A direction where asked for. */
static double deviance_at(setting *s, const double *direction, double t, double *gradient, double *curvature)
{
    const int64_t p = s->pirls.design->p;
    double *beta = calloc((size_t)p, sizeof *beta);
    w_gram *gram = NULL;
    for (int64_t i = 0; i < p; i++)
        beta[i] = s->pirls.beta[i] + t * direction[i];
    assert_int_equal(w_pirls_pass(&s->pirls, beta, true, false, &gram), WEIR_OK);
    assert_true(gram->extra[W_SUM_INVALID] == 0);
    double deviance = gram->extra[W_SUM_DEVIANCE];
    double square = 0;
    for (int64_t i = 0; i < p; i++) {
        double a_beta = 0, a_direction = 0;
        for (int64_t j = 0; j < p; j++) {
            a_beta += gram->matrix[i * p + j] * beta[j];
            a_direction += gram->matrix[i * p + j] * direction[j];
        }
        if (gradient)
            gradient[i] = -2 * (gram->rhs[i] - a_beta);
        square += direction[i] * a_direction;
    }
    if (curvature)
        *curvature = 2 * square;
    w_gram_free(gram);
    free(beta);
    return deviance;
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void test_sums_are_derivatives(void **state)
{
    setting *s = make(*state);
    settle(s);
    const int64_t p = s->pirls.design->p;
    double *direction = calloc((size_t)p, sizeof *direction), *gradient = calloc((size_t)p, sizeof *gradient);
    for (int64_t i = 0; i < p; i++) { /* away from the minimum, where gradients are of a size */
        s->pirls.beta[i] *= 1 + 0.05 * (w_rng_uniform(&s->rng) - 0.5);
        direction[i] = 0.1 * (w_rng_uniform(&s->rng) - 0.5);
    }
    const double h = 2e-3 / 0.1;
    double first = 0, second = 0, curvature = 0;
    static const double step[4] = {1, -1, 2, -2}, factor[4] = {8, -8, -1, 1};
    for (int i = 0; i < 4; i++) {
        first += factor[i] * deviance_at(s, direction, step[i] * h, gradient, NULL);
        second += factor[i] * dot(gradient, direction, p);
    }
    first /= 12 * h;
    second /= 12 * h;
    deviance_at(s, direction, 0, gradient, &curvature);
    double slope = dot(gradient, direction, p), size = fabs(slope) + fabs(curvature);
    if (!(fabs(first - slope) <= 1e-6 * size))
        fail_msg("%s: slope %.12g, by differences %.12g", (const char *)*state, slope, first);
    if (!(fabs(second - curvature) <= 1e-6 * size))
        fail_msg("%s: curvature %.12g, by differences %.12g", (const char *)*state, curvature, second);
    assert_true(size > 1e-3);
    free(direction);
    free(gradient);
    drop(s);
}

static double penalised(setting *s, const double *beta)
{
    w_gram *gram = NULL;
    double rho[8] = {0};
    assert_int_equal(w_pirls_pass(&s->pirls, beta, true, false, &gram), WEIR_OK);
    double value = gram->extra[W_SUM_INVALID] > 0 ? INFINITY
                                                  : gram->extra[W_SUM_DEVIANCE] + w_pirls_penalty(s->pirls.design, beta, rho);
    w_gram_free(gram);
    return value;
}

/* No way leads down from where the iteration stopped, and from another start it comes to the same value. The bound is the
 * one of the stop: 1e-8 of the penalised deviance. */
static void test_ends_at_a_minimum(void **state)
{
    setting *s = make(*state);
    settle(s);
    const int64_t p = s->pirls.design->p;
    double *beta = calloc((size_t)p, sizeof *beta), rho[8] = {0};
    double least = penalised(s, s->pirls.beta), bound = 1e-8 * (0.1 + fabs(least));
    for (int trial = 0; trial < 12; trial++) {
        double size = 0.3 * pow(0.3, trial % 6);
        for (int64_t i = 0; i < p; i++)
            beta[i] = s->pirls.beta[i] + size * (w_rng_uniform(&s->rng) - 0.5);
        double there = penalised(s, beta);
        if (!(there >= least - bound))
            fail_msg("%s: %.15g at the end, %.15g beside it", (const char *)*state, least, there);
    }
    double worse = 0;
    for (int tries = 0; tries < 20 && !(worse > least + 100 * bound && isfinite(worse)); tries++) {
        for (int64_t i = 0; i < p; i++)
            beta[i] = s->pirls.beta[i] * (1 + 0.1 * (w_rng_uniform(&s->rng) - 0.5));
        worse = penalised(s, beta);
    }
    assert_true(worse > least + 100 * bound && isfinite(worse));
    memcpy(s->pirls.beta, beta, (size_t)p * sizeof *beta);
    assert_int_equal(w_pirls_refresh(&s->pirls, true, false), WEIR_OK);
    assert_int_equal(w_pirls_settle(&s->pirls, rho), WEIR_OK);
    double again = s->pirls.deviance + s->pirls.penalty;
    assert_true(again < worse);
    if (!(fabs(again - least) <= 2 * bound))
        fail_msg("%s: %.15g from one start, %.15g from another", (const char *)*state, least, again);
    free(beta);
    drop(s);
}

#define MOST_PARAMETERS (8 + 1 + W_FAMILY_PARAMS)

/* V and gradient at `point`, and a copy of beta there. */
static double criterion_at(setting *s, const double *point, double *gradient, double *beta)
{
    double value = NAN;
    weir_status status = w_laplace_evaluate(&s->pirls, point, &value, gradient);
    if (status != WEIR_OK || !isfinite(value))
        fail_msg("%s: %s", s->pirls.glm.family->name, weir_status_name(status));
    memcpy(beta, s->pirls.beta, (size_t)s->pirls.design->p * sizeof *beta);
    return value;
}

/* (A + S) slope + V_j beta, relative to its parts; A at the last point looked at. */
static double implicit_error(const setting *s, const double *point, int j, const double *beta, const double *slope)
{
    const w_design *design = s->pirls.design;
    const int64_t p = design->p;
    double *sum = calloc((size_t)p, sizeof *sum), *size = calloc((size_t)p, sizeof *size), worst = 0, largest = 0;
    for (int64_t r = 0; r < p; r++)
        for (int64_t c = 0; c < p; c++)
            sum[r] += s->pirls.gram->matrix[r * p + c] * slope[c], size[r] += fabs(s->pirls.gram->matrix[r * p + c] * slope[c]);
    for (int t = 0; t < design->penalty_count; t++) {
        const w_design_penalty *penalty = &design->penalty[t];
        for (int64_t r = 0; r < penalty->k; r++)
            for (int64_t c = 0; c < penalty->k; c++) {
                double entry = exp(point[penalty->sp]) * penalty->matrix[r * penalty->k + c];
                sum[penalty->first + r] += entry * (slope[penalty->first + c] + (penalty->sp == j ? beta[penalty->first + c] : 0));
            }
    }
    for (int64_t r = 0; r < p; r++) {
        worst = fmax(worst, fabs(sum[r]));
        largest = fmax(largest, size[r]);
    }
    free(sum);
    free(size);
    return worst / largest;
}

/* Slopes of the Laplace criterion in log lambda, log phi and the family's parameters, and those of beta in log lambda, by the same
 * differences; parameters of the family count as estimated. */
static void test_laplace_derivatives(void **state)
{
    setting *s = make(*state);
    settle(s);
    const w_family *family = s->pirls.glm.family;
    const int m = s->pirls.design->sp_count, count = m + 1 + W_FAMILY_PARAMS;
    const int64_t p = s->pirls.design->p;
    double point[MOST_PARAMETERS] = {0}, gradient[MOST_PARAMETERS], there[MOST_PARAMETERS], size = 0;
    double *beta = calloc(6 * (size_t)p, sizeof *beta), *slope = beta + p, *moved = slope + p;
    static const double step[4] = {1, -1, 2, -2}, factor[4] = {8, -8, -1, 1};
    for (int a = 0; a < family->param_count; a++) {
        s->pirls.glm.estimate[a] = true;
        point[m + 1 + a] = w_pirls_parameter(&s->pirls.glm, a);
    }
    for (int j = 0; j < m; j++)
        point[j] = 1.5 + j;
    point[m] = family->scale_known ? 0 : log(0.3);
    s->pirls.phi = exp(point[m]);
    criterion_at(s, point, gradient, beta);
    for (int j = 0; j < count; j++)
        size = fmax(size, fabs(gradient[j]));
    for (int j = 0; j < count; j++) {
        if (j > m + family->param_count || (j == m && family->scale_known))
            continue;
        const double h = j > m ? 4e-3 : 2e-2; /* a density bends more in its parameters than V in logarithms */
        double at = point[j], difference = 0;
        memset(slope, 0, (size_t)p * sizeof *slope);
        for (int i = 0; i < 4; i++) {
            point[j] = at + step[i] * h;
            difference += factor[i] * criterion_at(s, point, there, moved);
            for (int64_t r = 0; r < p; r++)
                slope[r] += factor[i] * moved[r] / (12 * h);
        }
        point[j] = at;
        difference /= 12 * h;
        if (!(fabs(difference - gradient[j]) <= 1e-6 * size))
            fail_msg("%s: slope %d of V is %.12g, by differences %.12g", (const char *)*state, j, gradient[j], difference);
        criterion_at(s, point, there, beta);
        if (j < m)
            assert_true(implicit_error(s, point, j, beta, slope) <= 1e-6);
    }
    free(beta);
    drop(s);
}

/* Enough rows for a start on a sample, gradient passes and a last step without a pass: what a complete step would still change
 * is within the bound of the stop, the sums are complete and of a near beta, and threads do not matter. */
static void test_many_rows(void **state)
{
    const weir_fit_options working = {.version = WEIR_FIT_OPTIONS_VERSION, .laplace = -1};
    setting *s[2];
    for (int i = 0; i < 2; i++) {
        s[i] = make_rows(*state, 70000, 1 + 2 * i);
        w_pirls *pirls = &s[i]->pirls;
        w_free(s[i]->ctx, pirls->beta);
        w_free(s[i]->ctx, pirls->rho);
        pirls->beta = pirls->rho = NULL;
        pirls->options = &working;
        assert_int_equal(w_generalised_run(pirls), WEIR_OK);
        assert_false(pirls->frozen);
        assert_true(pirls->complete);
    }
    w_pirls *pirls = &s[0]->pirls;
    const size_t p = (size_t)pirls->design->p;
    assert_memory_equal(pirls->beta, s[1]->pirls.beta, p * sizeof(double));
    assert_memory_equal(pirls->gram->matrix, s[1]->pirls.gram->matrix, p * p * sizeof(double));
    double *trial = calloc(p, sizeof *trial), *work = calloc(2 * p, sizeof *work), stated = pirls->deviance;
    assert_int_equal(w_pirls_refresh(pirls, false, false), WEIR_OK);
    assert_true(fabs(pirls->deviance - stated) <= 1e-9 * stated);
    w_system *system = NULL;
    assert_int_equal(w_system_create(s[0]->ctx, pirls->gram, pirls->design, &system), WEIR_OK);
    assert_int_equal(w_system_factor(system, pirls->rho), WEIR_OK);
    memcpy(trial, w_system_beta(system), p * sizeof *trial);
    double left = w_pirls_decrement(pirls, trial, pirls->rho, work);
    if (!(left <= 1e-9 * stated))
        fail_msg("%s: a step would still lower %.10g by %.3g", (const char *)*state, stated, left);
    w_system_free(system);
    free(trial);
    free(work);
    drop(s[0]);
    drop(s[1]);
}

static const char *const many[] = {"binomial", "poisson", "gamma:log", "binomial:cloglog", "poisson:sqrt"};
enum { MANY = (int)(sizeof many / sizeof *many) };

int main(void)
{
    static char names[3 * FAMILIES][64];
    struct CMUnitTest tests[3 * FAMILIES + MANY];
    for (int i = 0; i < FAMILIES; i++) {
        snprintf(names[3 * i], sizeof names[0], "%s: derivatives", families[i]);
        snprintf(names[3 * i + 1], sizeof names[0], "%s: minimum", families[i]);
        tests[3 * i] = (struct CMUnitTest){names[3 * i], test_sums_are_derivatives, NULL, NULL, (void *)(uintptr_t)families[i]};
        tests[3 * i + 1] = (struct CMUnitTest){names[3 * i + 1], test_ends_at_a_minimum, NULL, NULL, (void *)(uintptr_t)families[i]};
        snprintf(names[3 * i + 2], sizeof names[0], "%s: exact criterion", families[i]);
        tests[3 * i + 2] = (struct CMUnitTest){names[3 * i + 2], test_laplace_derivatives, NULL, NULL, (void *)(uintptr_t)families[i]};
    }
    for (int i = 0; i < MANY; i++)
        tests[3 * FAMILIES + i] = (struct CMUnitTest){many[i], test_many_rows, NULL, NULL, (void *)(uintptr_t)many[i]};
    return cmocka_run_group_tests_name("working models", tests, NULL, NULL);
}
