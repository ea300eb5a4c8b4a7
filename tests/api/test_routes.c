/* SPDX-License-Identifier: Apache-2.0 */
/* Every route of a fit, reached by name: they agree, or one line says why a route does not serve. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "support/named_budget.h"
#include "weir/weir.h"

#define ROWS 6000
#define COLUMNS 6
#define GROUPS 40
#define MOST 256

typedef struct data {
    double column[COLUMNS][ROWS]; /* y, x, z, near, apart, n */
    int32_t group[ROWS];
    char text[GROUPS][8];
    const char *level[GROUPS];
} data;

/* near = x + 2^-20 apart, all of them exact. */
static data *make_data(void)
{
    data *d = calloc(1, sizeof *d);
    assert_non_null(d);
    w_rng rng;
    w_rng_seed(&rng, 5);
    for (int g = 0; g < GROUPS; g++) {
        snprintf(d->text[g], sizeof d->text[g], "g%d", g);
        d->level[g] = d->text[g];
    }
    for (int i = 0; i < ROWS; i++) {
        d->group[i] = (int32_t)w_rng_below(&rng, GROUPS);
        d->column[1][i] = floor(1024 * w_rng_uniform(&rng)) / 1024;
        d->column[2][i] = w_rng_uniform(&rng);
        d->column[4][i] = floor(1024 * w_rng_uniform(&rng)) / 1024;
        d->column[3][i] = d->column[1][i] + ldexp(d->column[4][i], -20);
        d->column[0][i] = sin(6 * d->column[2][i]) + 2 * d->column[1][i] + 0.05 * d->group[i] + 0.2 * w_rng_normal(&rng);
        d->column[5][i] = (double)w_rng_below(&rng, 4);
    }
    return d;
}

typedef struct job {
    const data *d;
    const char *formula, *family;
    int64_t rows;
    weir_fit_route route;
    double ridge;
    const double *sp;
    int32_t sp_count;
    double beta[MOST], criterion;
    int64_t columns;
    weir_plan plan;
    char note[300];
} job;

static weir_status fit(weir_ctx *ctx, void *arg)
{
    static const char *const names[COLUMNS] = { "y", "x", "z", "near", "apart", "n" };
    job *j = arg;
    weir_column column[COLUMNS + 1];
    for (int c = 0; c < COLUMNS; c++) {
        column[c] = (weir_column){ names[c], WEIR_F64, j->d->column[c], 0, 0, NULL };
    }
    column[COLUMNS] = (weir_column){ "g", WEIR_I32, j->d->group, 0, GROUPS, j->d->level };
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.family = j->family;
    options.route = j->route;
    options.ridge = j->ridge;
    options.sp = j->sp;
    options.sp_count = j->sp_count;
    weir_table *table = NULL;
    weir_model *model = NULL;
    weir_status status = weir_table_from_columns(ctx, j->rows ? j->rows : ROWS, COLUMNS + 1, column, &table);
    status = status < 0 ? status : weir_fit(ctx, table, j->formula, &options, &model);
    if (status >= 0) {
        weir_summary summary;
        const double *beta;
        j->columns = weir_model_coefficients(model, &beta, NULL);
        assert_in_range(j->columns, 1, MOST);
        memcpy(j->beta, beta, (size_t)j->columns * sizeof *beta);
        weir_model_summary(model, &summary);
        j->plan = *summary.plan;
        j->criterion = summary.criterion;
        snprintf(j->note, sizeof j->note, "%s", summary.note_count ? summary.note[summary.note_count - 1] : "");
    }
    weir_model_free(model);
    weir_table_close(table);
    return status;
}

/* Largest difference over the largest coefficient. */
static double apart(const job *a, const job *b)
{
    double most = 0, size = 0;
    assert_int_equal(a->columns, b->columns);
    for (int64_t c = 0; c < a->columns; c++) {
        most = fmax(most, fabs(a->beta[c] - b->beta[c]));
        size = fmax(size, fabs(b->beta[c]));
    }
    return most / size;
}

static const char wide[] = "y ~ s(x, bs = 'cr', k = 30) + s(z, bs = 'cr', k = 30) + g";

static void test_every_route_agrees(void **state)
{
    (void)state;
    data *d = make_data();
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    static const double given[2] = { 0.3, 2.0 };
    static const struct { weir_fit_route route; const char *name; } routes[] = {
        { WEIR_FIT_CHOLESKY, NULL }, { WEIR_FIT_DENSE, NULL }, { WEIR_FIT_QR, "qr" }, { WEIR_FIT_MIXED, "mixed" },
        { WEIR_FIT_SPARSE, "sparse" }, { WEIR_FIT_MATRIX_FREE, NULL } };
    for (int fixed = 0; fixed < 2; fixed++) {
        job truth = { .d = d, .formula = wide, .sp = fixed ? given : NULL, .sp_count = fixed ? 2 : 0 };
        assert_int_equal(fit(ctx, &truth), WEIR_OK);
        for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
            job j = truth;
            j.route = routes[i].route;
            const weir_status status = fit(ctx, &j);
            if (status == WEIR_E_ARG && j.route == WEIR_FIT_SPARSE) { /* no libcholmod */
                assert_non_null(strstr(weir_ctx_message(ctx), "route sparse"));
                continue;
            }
            if (status < 0) {
                fail_msg("%d: %s", (int)j.route, weir_ctx_message(ctx));
            }
            if (j.route == WEIR_FIT_MATRIX_FREE) {
                assert_string_equal(j.plan.route, "matrix-free/cg");
                assert_true(apart(&j, &truth) <= (fixed ? 1e-8 : 0.05)); /* smoothing parameters are estimates there */
                continue;
            }
            /* condition times a few u; where the search leaves a smooth a straight line, lambda and with it the condition is 1e10 */
            assert_true(apart(&j, &truth) <= (fixed ? 1e-10 : 1e-5));
            if (routes[i].name) {
                assert_string_equal(j.plan.coefficients, routes[i].name);
                assert_non_null(strstr(j.note, routes[i].name));
            } else {
                assert_null(j.plan.coefficients);
                assert_string_equal(j.plan.route, "normal-equations/cholesky");
            }
        }
    }
    weir_ctx_destroy(ctx);
    free(d);
}

static void test_arrow_and_dual(void **state)
{
    (void)state;
    data *d = make_data();
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    job whole = { .d = d, .formula = "y ~ x + s(z, k = 20) + s(g, bs = 're')", .route = WEIR_FIT_CHOLESKY }, arrow = whole;
    arrow.route = WEIR_FIT_ARROW;
    assert_int_equal(fit(ctx, &whole), WEIR_OK);
    assert_int_equal(fit(ctx, &arrow), WEIR_OK);
    assert_string_equal(whole.plan.route, "normal-equations/cholesky");
    assert_string_equal(arrow.plan.route, "normal-equations/arrow"); /* 40 levels: by itself it would not pay */
    assert_true(apart(&arrow, &whole) <= 1e-6); /* the search ends within its tolerance */
    assert_true(fabs(arrow.criterion - whole.criterion) <= 1e-8 * fabs(whole.criterion));
    static const double given[2] = { 0.3, 2.0 };
    job primal = { .d = d, .formula = wide, .rows = 80, .ridge = 0.5, .sp = given, .sp_count = 2 }, dual = primal;
    dual.route = WEIR_FIT_DUAL;
    assert_int_equal(fit(ctx, &primal), WEIR_OK);
    assert_int_equal(fit(ctx, &dual), WEIR_OK);
    assert_string_equal(dual.plan.coefficients, "dual");
    assert_true(apart(&dual, &primal) <= 1e-9);
    weir_ctx_destroy(ctx);
    free(d);
}

static void test_refusals_say_why(void **state)
{
    (void)state;
    data *d = make_data();
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    static const struct { const char *formula, *family; weir_fit_route route; const char *says; } refused[] = {
        { "y ~ s(x)", NULL, WEIR_FIT_MIXED, "fewer than 64 columns" },
        { "y ~ s(x)", NULL, WEIR_FIT_DUAL, "rows than columns" },
        { "y ~ s(x)", NULL, WEIR_FIT_ARROW, "random effect" },
        { "n ~ s(x)", "poisson", WEIR_FIT_QR, "normal errors" },
        { "n ~ s(x)", "poisson", WEIR_FIT_SPARSE, "normal errors" },
        { "y ~ s(x, bs = 'mpi')", NULL, WEIR_FIT_QR, "shape constraints" },
        { "y ~ s(x)", NULL, (weir_fit_route)WEIR_FIT_ROUTES, "none of" },
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        job j = { .d = d, .formula = refused[i].formula, .family = refused[i].family, .route = refused[i].route };
        const weir_status status = fit(ctx, &j);
        if (status != WEIR_E_ARG || !strstr(weir_ctx_message(ctx), refused[i].says)) {
            fail_msg("%s, route %d: %s, %s", j.formula, (int)j.route, weir_status_name(status), weir_ctx_message(ctx));
        }
    }
    weir_ctx_destroy(ctx);
    free(d);
}

/* near and x are apart by 2^-20: the condition of the normal equations passes 1e12, that of X does not. With `apart` in place of `near`
 * both are harmless: beta_near = 2^20 beta_apart, beta_x + beta_near is the same. */
static void test_ill_conditioned_fits_go_to_qr(void **state)
{
    (void)state;
    data *d = make_data();
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    static const double none[1] = { 1.0 };
    job good = { .d = d, .formula = "y ~ x + apart + s(z, bs = 'cr', k = 8)", .sp = none, .sp_count = 1 };
    job bad = { .d = d, .formula = "y ~ x + near + s(z, bs = 'cr', k = 8)", .sp = none, .sp_count = 1 };
    assert_int_equal(fit(ctx, &good), WEIR_OK);
    assert_true(fit(ctx, &bad) >= 0);
    assert_non_null(bad.plan.coefficients);
    assert_string_equal(bad.plan.coefficients, "qr");
    assert_null(good.plan.coefficients);
    assert_true(atomic_load(&ctx->ledger.peak) <= bad.plan.bytes);
    const double near = ldexp(good.beta[2], 20), error = fabs(bad.beta[2] - near) / fabs(near);
    job gram = bad;
    gram.route = WEIR_FIT_CHOLESKY;
    assert_true(fit(ctx, &gram) >= 0);
    assert_true(error <= 1e-8); /* condition of X about 1e7, n u more for the sums */
    assert_true(error < 0.1 * fabs(gram.beta[2] - near) / fabs(near));
    weir_ctx_destroy(ctx);
    free(d);
}

static void test_memory(void **state)
{
    (void)state;
    data *d = make_data();
    int done = 0, refused = 0;
    static const weir_fit_route route[] = { WEIR_FIT_QR, WEIR_FIT_MIXED, WEIR_FIT_SPARSE };
    for (int i = 0; i < 3; i++) {
        job truth = { .d = d, .formula = wide, .route = route[i] };
        weir_ctx *ctx = test_ctx(NULL, 2, 0);
        const weir_status first = fit(ctx, &truth);
        weir_ctx_destroy(ctx);
        for (int64_t budget = (int64_t)2 << 20; first >= 0 && budget <= (int64_t)128 << 20; budget += budget / 3) {
            job j = truth;
            ctx = test_ctx(NULL, 2, budget);
            const weir_status status = fit(ctx, &j);
            assert_true(atomic_load(&ctx->ledger.peak) <= budget);
            done += status >= 0;
            if (status >= 0) {
                assert_true(atomic_load(&ctx->ledger.peak) <= j.plan.bytes);
                assert_memory_equal(j.beta, truth.beta, (size_t)truth.columns * sizeof(double));
            } else {
                const int64_t enough = test_named_budget(weir_ctx_message(ctx));
                assert_int_equal(status, WEIR_E_BUDGET);
                assert_true(enough > budget);
                weir_ctx *again = test_ctx(NULL, 2, enough);
                if (fit(again, &j) < 0) {
                    fail_msg("route %d: %lld bytes were said to do: %s", (int)j.route, (long long)enough, weir_ctx_message(again));
                }
                weir_ctx_destroy(again);
                refused++;
            }
            weir_ctx_destroy(ctx);
        }
    }
    assert_true(done > 0 && refused > 0);
    job j = { .d = d, .formula = "y ~ x + s(z, bs = 'cr', k = 6)", .rows = 500, .route = WEIR_FIT_QR };
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    assert_int_equal(fit(ctx, &j), WEIR_OK);
    assert_true(test_some_allocations_fail(ctx, fit, &j, 1, 3) > 20);
    weir_ctx_destroy(ctx);
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route_agrees), cmocka_unit_test(test_arrow_and_dual), cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_ill_conditioned_fits_go_to_qr), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
