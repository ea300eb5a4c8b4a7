/* SPDX-License-Identifier: Apache-2.0 */
/* Fits by groups: against fits of each group from dense rows, bits over threads, windows and budgets, states, files. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fit/criterion.h"
#include "group_sample.h"

static const char *at_formula;
static void compare(weir_ctx *ctx, const weir_groups *groups, const sums *all, int64_t g, const weir_fit_options *options)
{
    const w_design *design = groups->design;
    w_gram *gram = gram_of(ctx, design, all, g + (g >= EMPTY));
    w_system *system = NULL;
    weir_group group;
    w_groups_get(groups, g, &group);
    assert_int_equal(group.n, gram->n);
    assert_int_equal(w_system_create(ctx, gram, design, &system), WEIR_OK);
    double rho[8], criterion = NAN;
    if (groups->each) {
        const w_smoothing_options search = { .criterion = options->criterion, .gamma = 1, .log_likelihood_constant = -0.5 * gram->log_weight_sum };
        w_criterion at;
        memcpy(rho, groups->rho + g * groups->sp_count, (size_t)groups->sp_count * sizeof *rho);
        assert_int_equal(w_criterion_create(ctx, system, design, gram, &search, &at), WEIR_OK);
        assert_true(w_criterion_evaluate(&at, rho, true) >= 0);
        criterion = at.value;
        for (int j = 0; group.state == WEIR_GROUP_FITTED && j < groups->sp_count; j++) {
            assert_true(fabs(at.gradient[j]) <= 1e-4 * fmax(at.unit, 1e-3));
        }
        w_criterion_free(&at);
    } else {
        memcpy(rho, groups->rho, (size_t)groups->sp_count * sizeof *rho);
        assert_true(w_system_factor(system, rho) >= 0);
    }
    const double *beta = w_system_beta(system);
    double norm = 0, *edf = malloc((size_t)design->p * 2 * sizeof *edf), total = 0;
    for (int64_t j = 0; j < design->p; j++) {
        norm = fmax(norm, fabs(beta[j]));
    }
    /* Of columns that are equal any may be dropped. */
    const bool unique = group.state != WEIR_GROUP_RANK_DEFICIENT;
    assert_int_equal(unique, w_system_rank(system) == design->p);
    for (int64_t j = 0; unique && j < design->p; j++) {
        const double own = beta[j] + (j == design->intercept_column ? design->response_shift : 0);
        if (!(fabs(group.beta[j] - own) <= 1e-10 * norm)) {
            fail_msg("%s each %d criterion %d group %d state %d: coefficient %d %.17g is not %.17g, condition %g", at_formula, groups->each, (int)options->criterion, (int)g, (int)group.state, (int)j, group.beta[j], own, w_system_condition(system));
        }
    }
    assert_int_equal(w_system_leverage(system, edf, edf + design->p), WEIR_OK);
    for (int64_t j = 0; j < design->p; j++) {
        total += edf[j];
    }
    assert_near(group.edf, total, total);
    assert_near(group.deviance, w_system_rss(system), w_system_rss(system) + 1e-6 * gram->zz);
    if (groups->each && unique) { /* |H| of the kept columns is that of a choice of columns */
        assert_near(group.criterion, criterion, 10 * fabs(criterion) + 100);
    }
    assert_near(group.scale, w_system_rss(system) / ((double)gram->n - total), group.scale * 10);
    w_covariance *covariance = NULL;
    assert_int_equal(w_system_covariance(system, &covariance), WEIR_OK);
    for (int64_t j = 0; unique && j < design->p; j++) {
        double variance;
        assert_int_equal(w_covariance_block(covariance, j, 1, j, 1, &variance), WEIR_OK);
        assert_near(group.std_error[j], sqrt(variance * group.scale), 10 * group.std_error[j]);
    }
    w_covariance_free(covariance);
    w_system_free(system);
    w_gram_free(gram);
    free(edf);
}

static const char *const formulas[] = { "y ~ s(x, k=7) + z", "y ~ s(x, k=6) + s(z, k=5, bs='ps') + f", "y ~ te(x, z, k=c(4,4))",
                                        "y ~ s(x, by=f, k=5) + f", "y ~ z*f", "y ~ s(x, k=6) + s(f, bs='re')" };

static void test_against_single(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    sample *s = make_sample();
    for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++) {
        for (int how = 0; how < 3; how++) {
            weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
            options.weights = "w";
            options.criterion = how == 2 ? WEIR_GCV : WEIR_REML;
            at_formula = formulas[i];
            weir_groups *groups = fit(ctx, s, formulas[i], &options, how == 1);
            sums *all = sum_groups(ctx, groups, s);
            for (int64_t g = 0; g < groups->groups; g++) {
                weir_group group;
                w_groups_get(groups, g, &group);
                int32_t number = 0;
                for (; strcmp(level[number], group.name) != 0; number++) {
                }
                assert_int_not_equal(number, EMPTY);
                assert_int_equal(group.state == WEIR_GROUP_CONSTANT, number == CONSTANT);
                assert_int_equal(group.state == WEIR_GROUP_FEW_ROWS, number == TINY);
                if (number == CONSTANT) {
                    assert_true(group.beta[groups->design->intercept_column] == 2.5 && group.deviance == 0);
                } else if (number != TINY && group.state != WEIR_GROUP_NOT_CONVERGED) {
                    assert_int_equal(number, g + (g >= EMPTY)); /* the level that is left out comes late */
                    compare(ctx, groups, all, g, &options);
                }
                if (number == ONE_LEVEL && (i == 1 || i == 3 || i == 4)) {
                    assert_int_equal(group.state, WEIR_GROUP_RANK_DEFICIENT);
                }
            }
            sums_free(all);
            w_groups_free(groups);
        }
    }
    free(s);
    weir_ctx_destroy(ctx);
}

/* Shared smoothing parameters: the criteria's slopes cancel. */
static void test_shared_optimum(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    sample *s = make_sample();
    for (int how = 0; how < 2; how++) {
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.criterion = how ? WEIR_GCV : WEIR_REML;
        options.weights = "w";
        weir_groups *groups = fit(ctx, s, "y ~ s(x, k=8) + s(z, k=6)", &options, false);
        double slope[2] = { 0, 0 }, size[2] = { 0, 0 }, value = 0;
        sums *all = sum_groups(ctx, groups, s);
        for (int64_t g = 0; g < groups->groups; g++) {
            if (groups->state[g] != WEIR_GROUP_FITTED) {
                continue;
            }
            w_gram *gram = gram_of(ctx, groups->design, all, g + (g >= EMPTY));
            w_system *system = NULL;
            w_criterion criterion;
            const w_smoothing_options search = { .criterion = options.criterion, .gamma = 1, .log_likelihood_constant = -0.5 * gram->log_weight_sum };
            assert_int_equal(w_system_create(ctx, gram, groups->design, &system), WEIR_OK);
            assert_int_equal(w_criterion_create(ctx, system, groups->design, gram, &search, &criterion), WEIR_OK);
            assert_int_equal(w_criterion_evaluate(&criterion, groups->rho, true), WEIR_OK);
            assert_near(groups->value[g], criterion.value, fabs(criterion.value) + 100);
            value += criterion.value;
            for (int j = 0; j < 2; j++) {
                slope[j] += criterion.gradient[j];
                size[j] += fabs(criterion.gradient[j]);
            }
            w_criterion_free(&criterion);
            w_system_free(system);
            w_gram_free(gram);
        }
        assert_true(size[0] > 1e-3 * fabs(value) / 1e3 && isfinite(value));
        for (int j = 0; j < 2; j++) {
            assert_true(fabs(slope[j]) <= 1e-6 * size[j] + 1e-9 * fabs(value));
        }
        assert_near(groups->criterion_sum, value, 10 * fabs(value));
        assert_int_equal(groups->status, WEIR_OK);
        sums_free(all);
        w_groups_free(groups);
    }
    free(s);
    weir_ctx_destroy(ctx);
}

static void test_bits(void **state)
{
    sample *s = make_sample();
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    static const char formula[] = "y ~ s(x, k=12) + s(z, k=9)";
    for (int each = 0; each < 2; each++) {
        weir_ctx *one = test_ctx(state, 1, 0);
        weir_groups *first = fit(one, s, formula, &options, each);
        for (int threads = 2; threads <= 5; threads += 3) {
            weir_ctx *ctx = test_ctx(state, threads, 0);
            weir_groups *other = fit(ctx, s, formula, &options, each);
            assert_same(first, other);
            w_groups_free(other);
            weir_ctx_destroy(ctx);
        }
        /* Less memory: more passes, sums in the scratch folder, or a status; never other bits. */
        int passes = 0;
        for (int64_t budget = 3 << 20; budget < (64 << 20); budget += budget / 5) {
            weir_ctx *ctx = test_ctx(state, 2, budget);
            weir_table *table = open_table(ctx, s);
            weir_groups *other = NULL;
            weir_status status = w_fit_groups(ctx, table, formula, &options, each ? &by_id_each : &by_id, &other);
            if (status < 0) {
                assert_int_equal(status, WEIR_E_BUDGET);
                assert_non_null(strstr(weir_ctx_message(ctx), "would do"));
            } else {
                assert_same(first, other);
                assert_true(other->actual_bytes <= budget);
                passes = other->passes > passes ? other->passes : passes;
                w_groups_free(other);
            }
            w_table_free(table);
            weir_ctx_destroy(ctx);
        }
        assert_true(passes >= 1);
        w_groups_free(first);
        weir_ctx_destroy(one);
    }
    free(s);
}

#define MANY 6000

/* Sums of all groups take more than the budget leaves: several passes, with sums in the scratch folder for a shared search. */
static void test_passes(void **state)
{
    sample *s = make_sample();
    const double given[] = { 0.5, 2.0 };
    for (int i = 0; i < ROWS; i++) {
        s->g[i] = (int32_t)((i * 7919LL) % (i % 2 ? MANY : 300)); /* most groups have few rows */
        s->y[i] = sin(5 * s->x[i]) + 0.3 * s->z[i];
    }
    const weir_column column[] = {
        { .name = "x", .dtype = WEIR_F64, .data = s->x }, { .name = "z", .dtype = WEIR_F64, .data = s->z },
        { .name = "y", .dtype = WEIR_F64, .data = s->y },
        { .name = "id", .dtype = WEIR_I32, .data = s->g, .level_count = MANY },
    };
    for (int fixed = 0; fixed < 2; fixed++) {
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.sp = fixed ? given : NULL;
        options.sp_count = fixed ? 2 : 0;
        options.max_iterations = 2; /* the last step will do */
        weir_groups *first = NULL;
        int most = 0;
        for (int64_t budget = 256 << 20, step = 0; step < 6; step++, budget = step == 1 ? 29 << 20 : budget - (1 << 20)) {
            weir_ctx *ctx = test_ctx(state, 2, budget);
            weir_table *table = NULL;
            weir_groups *groups = NULL;
            assert_int_equal(w_table_from_columns(ctx, ROWS, 4, column, &table), WEIR_OK);
            weir_status status = w_fit_groups(ctx, table, "y ~ s(x, k=20) + s(z, k=15)", &options, &by_id, &groups);
            if (status < 0 && (status != WEIR_E_BUDGET || step == 0)) {
                fail_msg("%d: %s", (int)status, weir_ctx_message(ctx));
            }
            if (status >= 0) {
                most = groups->passes > most ? groups->passes : most;
                assert_true(groups->actual_bytes <= budget);
                if (first) {
                    assert_same(first, groups);
                }
            }
            w_table_free(table);
            if (step == 0) { /* its context has to live as long */
                first = groups;
                continue;
            }
            w_groups_free(groups);
            weir_ctx_destroy(ctx);
        }
        assert_true(most > 1);
        weir_ctx *ctx = first->ctx;
        w_groups_free(first);
        weir_ctx_destroy(ctx);
    }
    free(s);
}

static weir_status whole_fit(weir_ctx *ctx, void *arg)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_groups *groups = NULL, *again = NULL;
    w_archive *archive = NULL;
    weir_table *table = NULL;
    const sample *s = arg;
    const weir_column column[] = {
        { .name = "x", .dtype = WEIR_F64, .data = s->x }, { .name = "y", .dtype = WEIR_F64, .data = s->y },
        { .name = "id", .dtype = WEIR_I32, .data = s->g, .level_count = GROUPS, .levels = level },
    };
    weir_status status = w_table_from_columns(ctx, 3000, 3, column, &table);
    if (status >= 0) {
        status = w_fit_groups(ctx, table, "y ~ s(x, k=5)", &options, &by_id, &groups);
    }
    if (status >= 0) {
        status = w_archive_create(ctx, "groups", 1, &archive);
    }
    if (status >= 0) {
        status = w_groups_save(groups, archive);
    }
    if (status >= 0) {
        status = w_groups_load(ctx, archive, &again);
    }
    if (status >= 0) {
        assert_same(groups, again);
    }
    w_groups_free(again);
    w_groups_free(groups);
    w_archive_free(archive);
    w_table_free(table);
    return status;
}

static void test_memory(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    sample *s = make_sample();
    assert_int_equal(whole_fit(ctx, s), WEIR_OK); /* what the context makes on first use */
    assert_true(test_each_allocation_fails(ctx, whole_fit, s) > 50);
    free(s);
    weir_ctx_destroy(ctx);
}

static void refuse(weir_ctx *ctx, const sample *s, const char *formula, const weir_fit_options *options, const char *column,
                   weir_status status, const char *part)
{
    const weir_groups_options how = { WEIR_GROUPS_OPTIONS_VERSION, column, 0, 0 };
    weir_table *table = open_table(ctx, s);
    weir_groups *groups = NULL;
    w_message_clear(ctx);
    assert_int_equal(w_fit_groups(ctx, table, formula, options, &how, &groups), status);
    assert_null(groups);
    if (!strstr(weir_ctx_message(ctx), part)) {
        fail_msg("'%s' lacks '%s'", weir_ctx_message(ctx), part);
    }
    w_table_free(table);
}

static void test_refused(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    sample *s = make_sample();
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    refuse(ctx, s, "y ~ x", &options, "nothing", WEIR_E_DATA, "no column 'nothing'");
    refuse(ctx, s, "y ~ x + f", &options, "f", WEIR_E_ARG, "another part in the model");
    refuse(ctx, s, "y ~ s(x, bs='mpi', k=6)", &options, "id", WEIR_E_ARG, "shape");
    options.family = "nb";
    refuse(ctx, s, "y ~ x", &options, "id", WEIR_E_ARG, "does not estimate theta");
    options.family = "poisson";
    refuse(ctx, s, "I(y - 2000) ~ x", &options, "id", WEIR_E_DATA, "response");
    refuse(ctx, s, "cbind(w, x) ~ z", &options, "id", WEIR_E_ARG, "binomial");
    options.family = NULL;
    options.ar1 = 0.5;
    refuse(ctx, s, "y ~ x", &options, "id", WEIR_E_ARG, "AR(1)");
    options.ar1 = 0;
    options.criterion = WEIR_ML;
    refuse(ctx, s, "y ~ s(x, k=5)", &options, "id", WEIR_E_ARG, "REML or GCV");
    free(s);
    weir_ctx_destroy(ctx);
}

#define MOST_COLUMNS 12
#define SOME_ROWS 800

typedef struct sink {
    int64_t rows;
    int columns;
    double value[MOST_COLUMNS][ROWS];
} sink;

static int take(void *user, int64_t first_row, int64_t rows, const double *values)
{
    sink *to = user;
    for (int c = 0; c < to->columns; c++) {
        memcpy(to->value[c] + first_row, values + c * rows, (size_t)rows * sizeof *values);
    }
    to->rows += rows;
    return 0;
}

static sink *predict(weir_ctx *ctx, const weir_groups *groups, const sample *s, weir_predict_type type, int se, double interval, int columns)
{
    weir_predict_options how = WEIR_PREDICT_OPTIONS_INIT;
    const int64_t rows = type == WEIR_PREDICT_RESPONSE ? SOME_ROWS : ROWS; /* quantiles take long */
    weir_table *table = open_rows(ctx, s, rows);
    sink *out = calloc(1, sizeof *out);
    int32_t count;
    const char *const *names;
    how.type = type;
    how.se = se;
    how.interval = interval;
    how.unseen_missing = 1;
    w_groups_predict_columns(groups, &how, &count, &names);
    assert_int_equal(count, columns);
    assert_true(count <= MOST_COLUMNS);
    out->columns = count;
    if (w_groups_predict(ctx, groups, table, &how, take, out) < 0) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    assert_int_equal(out->rows, rows);
    w_table_free(table);
    return out;
}

static void test_predict(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    sample *s = make_sample();
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.weights = "w";
    weir_groups *groups = fit(ctx, s, "y ~ s(x, k=20) + s(z, k=8) + f", &options, false);
    weir_predict_options how = WEIR_PREDICT_OPTIONS_INIT;
    sink *out = predict(ctx, groups, s, WEIR_PREDICT_LINK, 0, 0, 1);
    double square = 0;
    for (int i = 0; i < ROWS; i++) { /* deviance = sum of w (y - fit)^2 */
        const double fit = out->value[0][i];
        assert_int_equal(isnan(fit), s->g[i] == TINY || s->g[i] == EMPTY);
        if (!isnan(fit)) {
            square += s->w[i] * (s->y[i] - fit) * (s->y[i] - fit);
        }
    }
    weir_groups_summary summary;
    w_groups_summarise(groups, &summary);
    assert_near(summary.deviance, square, square * 10);
    weir_table *table = open_table(ctx, s);
    assert_int_equal(w_groups_predict(ctx, groups, table, &how, take, out), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), level[EMPTY]));
    how.simultaneous = 1;
    w_message_clear(ctx);
    assert_int_equal(w_groups_predict(ctx, groups, table, &how, take, out), WEIR_E_ARG);
    double *kept = groups->covariance;
    groups->covariance = NULL;
    how.simultaneous = 0;
    how.se = 1;
    w_message_clear(ctx);
    assert_int_equal(w_groups_predict(ctx, groups, table, &how, take, out), WEIR_E_ARG);
    assert_non_null(strstr(weir_ctx_message(ctx), "covariances"));
    groups->covariance = kept;
    w_table_free(table);
    w_groups_free(groups);
    free(out);
    free(s);
    weir_ctx_destroy(ctx);
}

/* Standard errors from dense rows and each group's covariance; limits by each group's degrees of freedom; terms add up. */
static void test_errors(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    sample *s = make_sample();
    for (int generalised = 0; generalised < 2; generalised++) {
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.family = generalised ? "gamma:log" : NULL;
        weir_groups *groups = fit(ctx, s, "y ~ s(x, k=6) + f + s(z, k=5, bs='ps')", &options, false);
        const w_design *design = groups->design;
        const int terms = design->term_count;
        const int64_t p = design->p;
        sink *link = predict(ctx, groups, s, WEIR_PREDICT_LINK, 1, 0.9, generalised ? 4 : 6);
        sink *mean = predict(ctx, groups, s, WEIR_PREDICT_RESPONSE, 1, 0.9, 6);
        sink *part = predict(ctx, groups, s, WEIR_PREDICT_TERMS, 1, 0.9, 4 * terms);
        weir_table *table = open_table(ctx, s);
        w_binding *binding = NULL;
        w_tile *tile = NULL;
        w_window window;
        w_scan_options scan = { .window_bytes = 1 << 20 };
        double x[64];
        assert_int_equal(w_design_bind(design, table, true, true, &binding), WEIR_OK);
        assert_int_equal(w_source_scan(table, &scan, NULL, NULL), WEIR_OK);
        assert_int_equal(w_binding_ready(binding), WEIR_OK);
        assert_int_equal(w_tile_create(ctx, design, &tile), WEIR_OK);
        assert_int_equal(w_source_rewind(table), WEIR_OK);
        assert_int_equal(w_source_next(table, &window), WEIR_OK);
        assert_int_equal(w_tile_eval(design, &window, 0, W_TILE_ROWS, w_binding_request(binding), tile), WEIR_OK);
        int seen = 0;
        for (int64_t i = 0; i < SOME_ROWS; i += 9) {
            const int64_t g = tile->series[i];
            if (s->g[i] == TINY || tile->missing[i] || s->g[i] == CONSTANT || groups->state[g] != WEIR_GROUP_FITTED) {
                continue;
            }
            double variance = 0, sum = groups->beta[g * p + design->intercept_column];
            w_tile_dense_row(design, tile, i, x);
            for (int64_t a = 0; a < p; a++) {
                for (int64_t b = 0; b < p; b++) {
                    variance += x[a] * x[b] * groups->covariance[g * w_packed(p) + (a < b ? w_packed(b) + a : w_packed(a) + b)];
                }
            }
            const double fit = link->value[0][i], se = sqrt(variance * groups->scale[g]), df = (double)groups->n[g] - groups->edf[g];
            const double reach = w_t_quantile(0.95, df);
            assert_near(link->value[1][i], se, 10 * se);
            assert_near(link->value[2][i], fit - reach * se, 10 * fabs(fit));
            assert_near(link->value[3][i], fit + reach * se, 10 * fabs(fit));
            if (generalised) {
                assert_near(mean->value[0][i], exp(fit), 10 * exp(fit));
                assert_near(mean->value[1][i], exp(fit) * se, 10 * exp(fit));
                assert_near(mean->value[3][i], exp(fit + reach * se), 10 * exp(fit));
                assert_true(mean->value[4][i] < mean->value[2][i] && mean->value[5][i] > mean->value[3][i]);
            } else {
                assert_near(link->value[5][i], fit + reach * sqrt(se * se + groups->scale[g]), 10 * fabs(fit));
                assert_true(mean->value[5][i] == link->value[5][i]);
            }
            for (int t = 0; t < terms; t++) {
                sum += part->value[t][i];
                assert_near(part->value[3 * terms + t][i] - part->value[t][i], reach * part->value[terms + t][i], 10 * fabs(fit));
            }
            assert_near(sum, fit, 10 * fabs(fit));
            seen++;
        }
        assert_true(seen > 50);
        w_tile_free(ctx, tile);
        w_binding_free(binding);
        w_table_free(table);
        free(link), free(mean), free(part);
        w_groups_free(groups);
    }
    free(s);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_single), cmocka_unit_test(test_shared_optimum), cmocka_unit_test(test_bits), cmocka_unit_test(test_passes),
        cmocka_unit_test(test_memory), cmocka_unit_test(test_refused), cmocka_unit_test(test_predict),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
