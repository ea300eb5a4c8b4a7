/* SPDX-License-Identifier: Apache-2.0 */
/* Shape constraints through the public functions: beside mgcv's pcls at given lambda; curves looked at on fine
 * grids inside the data and beyond, for families and kinds; inactive constraints change nothing; levels of a
 * factor, random effects, sums of parts, model files, threads; what is refused; failing allocations. */
#include "support/mgcv.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "support/folder.h"

#define FOLDER WEIR_SOURCE_DIR "/tests/reference/shape/"
#define ROWS 1200
#define GRID 10001

typedef struct sample {
    double x[ROWS], z[ROWS], y[ROWS], bowl[ROWS], line[ROWS], count[ROWS], hit[ROWS], time[ROWS], share[ROWS];
    int32_t f[ROWS], g[ROWS];
    weir_column column[11];
} sample;

static const char *const f_levels[] = { "a", "b", "c" };

static double poisson(w_rng *rng, double mean)
{
    double bound = exp(-mean), product = 1;
    int count = -1;
    do {
        count++;
        product *= w_rng_uniform(rng);
    } while (product > bound);
    return count;
}

/* x in [0, 6]: a step up near 2.5 in most responses, waves around it by the noise. */
static sample *make_sample(void)
{
    sample *d = calloc(1, sizeof *d);
    assert_non_null(d);
    w_rng rng;
    w_rng_seed(&rng, 41);
    for (int i = 0; i < ROWS; i++) {
        d->x[i] = 6 * w_rng_uniform(&rng);
        d->z[i] = w_rng_uniform(&rng);
        d->f[i] = (int32_t)w_rng_below(&rng, 3);
        d->g[i] = (int32_t)w_rng_below(&rng, 60);
        double rise = 2 / (1 + exp(-3 * (d->x[i] - 2.5))), wave = 0.4 * sin(6 * d->z[i]);
        d->y[i] = rise + wave + 0.3 * sin(7.0 * d->g[i]) + 0.5 * w_rng_normal(&rng);
        d->bowl[i] = 0.2 * pow(d->x[i] - 2, 2) + 0.5 * w_rng_normal(&rng);
        d->line[i] = d->x[i] + sqrt(d->x[i]) + 0.2 * w_rng_normal(&rng);
        d->count[i] = poisson(&rng, exp(0.3 + 0.6 * rise + wave));
        d->hit[i] = w_rng_uniform(&rng) < 1 / (1 + exp(2 - 2 * rise - wave));
        d->time[i] = exp(1 - 0.5 * rise - 0.6 * log(w_rng_uniform(&rng) + 0.01) * 0.5);
        d->share[i] = 1 / (1 + exp(1 - rise - 0.4 * w_rng_normal(&rng)));
    }
    const double *values[] = { d->x, d->z, d->y, d->bowl, d->line, d->count, d->hit, d->time, d->share };
    const char *names[] = { "x", "z", "y", "bowl", "line", "count", "hit", "time", "share" };
    for (int c = 0; c < 9; c++)
        d->column[c] = (weir_column){ names[c], WEIR_F64, values[c], 0, 0, NULL };
    d->column[9] = (weir_column){ "f", WEIR_I32, d->f, 0, 3, f_levels };
    d->column[10] = (weir_column){ "g", WEIR_I32, d->g, 0, 60, NULL };
    return d;
}

static weir_status try_fit(weir_ctx *ctx, const sample *d, const char *formula, const weir_fit_options *options,
                           weir_model **model)
{
    weir_table *table = NULL;
    weir_status status = weir_table_from_columns(ctx, ROWS, 11, d->column, &table);
    if (status >= 0)
        status = weir_fit(ctx, table, formula, options, model);
    weir_table_close(table);
    return status;
}

static weir_model *fit(weir_ctx *ctx, const sample *d, const char *formula, const char *family)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.family = family;
    weir_model *model = NULL;
    weir_status status = try_fit(ctx, d, formula, &options, &model);
    if (status != WEIR_OK)
        fail_msg("%s, %s: status %d: %s", formula, family, status, weir_ctx_message(ctx));
    return model;
}

/* ---- beside pcls ---- */

/* pcls projects by orthogonal factors: its own rounding, 1e-11 of the largest linear predictor. Generalised fits stop
 * when a step changes the deviance by less than 1e-8 of itself, second order in the linear predictor. */
static void test_beside_pcls(void **state)
{
    json_error_t error;
    json_t *cases = json_load_file(FOLDER "cases.json", 0, &error);
    assert_true(json_is_array(cases));
    failures = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        weir_ctx *ctx = test_ctx(state, 2, 0);
        const json_t *c = json_array_get(cases, i), *eta = list_of(c, "eta");
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.family = text_of(c, "family");
        options.weights = text_of(c, "weights");
        fitted_case f;
        fit_case_with(ctx, FOLDER, c, &options, list_of(c, "sp"), &f);
        double largest = 0;
        for (size_t r = 0; r < json_array_size(eta); r++)
            largest = fmax(largest, fabs(item(eta, r)));
        assert_int_equal(f.rows, (int64_t)json_array_size(eta));
        const bool linear = strcmp(options.family, "gaussian") == 0;
        for (size_t r = 0; r < json_array_size(eta); r++)
            expect_near(text_of(c, "name"), "linear predictor", f.fit[r], item(eta, r), (linear ? 1e-11 : 1e-7) * largest);
        expect_near(text_of(c, "name"), "S.scale", f.summary.term[0].sp_scale[0] / number_of(c, "sp_scale"), 1, 1e-10);
        char active[64];
        snprintf(active, sizeof active, "s(x) %d of %d;", (int)number_of(c, "active"),
                 (int)f.summary.term[0].columns - (!strcmp(f.summary.term[0].basis, "cx") || !strcmp(f.summary.term[0].basis, "cv")));
        assert_true(f.summary.note_count > 0);
        if (!strstr(f.summary.note[f.summary.note_count - 1], active))
            fail_msg("%s: want %s, the note is: %s", text_of(c, "name"), active, f.summary.note[f.summary.note_count - 1]);
        drop_case(&f);
        weir_ctx_destroy(ctx);
    }
    json_decref(cases);
    assert_int_equal(failures, 0);
}

/* ---- the promise ---- */

typedef struct curve {
    double value[GRID], se[GRID];
} curve;

static int keep(void *user, int64_t first, int64_t rows, const double *values)
{
    curve *c = user;
    memcpy(c->value + first, values, (size_t)rows * sizeof *values);
    memcpy(c->se + first, values + rows, (size_t)rows * sizeof *values);
    return 0;
}

/* The linear predictor over three times the range of x, other columns fixed. */
static void trace(weir_ctx *ctx, const weir_model *model, int level, curve *out)
{
    static double x[GRID], zero[GRID];
    static int32_t f[GRID], g[GRID];
    for (int i = 0; i < GRID; i++) {
        x[i] = -6 + 18.0 * i / (GRID - 1);
        f[i] = level;
    }
    weir_column column[] = { { "x", WEIR_F64, x, 0, 0, NULL }, { "z", WEIR_F64, zero, 0, 0, NULL },
                             { "f", WEIR_I32, f, 0, 3, f_levels }, { "g", WEIR_I32, g, 0, 60, NULL } };
    weir_table *table = NULL;
    assert_int_equal(weir_table_from_columns(ctx, GRID, 4, column, &table), WEIR_OK);
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    options.se = 1;
    if (weir_predict(ctx, model, table, &options, keep, out) < 0)
        fail_msg("%s", weir_ctx_message(ctx));
    weir_table_close(table);
}

/* Rounding of a sum of p products: 1e-13 of the largest value. */
static void check_curve(const char *name, const char *kind, const curve *c)
{
    static const struct { const char *name; int slope, bend; } shapes[] = {
        { "mpi", 1, 0 }, { "mpd", -1, 0 }, { "cx", 0, 1 }, { "cv", 0, -1 },
        { "micx", 1, 1 }, { "micv", 1, -1 }, { "mdcx", -1, 1 }, { "mdcv", -1, -1 } };
    double size = 0;
    int s = 0;
    while (strcmp(shapes[s].name, kind) != 0)
        s++;
    for (int i = 0; i < GRID; i++) {
        assert_true(isfinite(c->value[i]) && c->se[i] >= 0);
        size = fmax(size, fabs(c->value[i]));
    }
    for (int i = 1; i < GRID; i++) {
        double rise = c->value[i] - c->value[i - 1], bend = i > 1 ? rise - (c->value[i - 1] - c->value[i - 2]) : 0;
        if (shapes[s].slope * rise < -1e-13 * size)
            fail_msg("%s: moves by %g at point %d", name, rise, i);
        if (shapes[s].bend * bend < -4e-13 * size)
            fail_msg("%s: bends by %g at point %d", name, bend, i);
    }
}

static void test_promise(void **state)
{
    static const struct { const char *response, *family; } responses[] = {
        { "y", "gaussian" }, { "bowl", "gaussian" }, { "count", "poisson" }, { "hit", "binomial" }, { "time", "gamma:log" },
        { "time", "inverse-gaussian:log" }, { "count", "nb" }, { "time", "tweedie:1.5" }, { "share", "beta" }, { "y", "scat" },
        { "time", "gaussian:log" }, { "hit", "binomial:probit" } };
    static const char *const kinds[] = { "mpi", "mpd", "cx", "cv", "micx", "micv", "mdcx", "mdcv" };
    sample *d = make_sample();
    static curve c;
    for (size_t r = 0; r < sizeof responses / sizeof *responses; r++) {
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            if (r > 4 && (r + k) % 4 != 0)
                continue;
            weir_ctx *ctx = test_ctx(state, 2, 0);
            char formula[128], name[192];
            snprintf(formula, sizeof formula, "%s ~ s(x, bs=\"%s\", k=12) + s(z, bs=\"cr\", k=5)", responses[r].response,
                     kinds[k]);
            snprintf(name, sizeof name, "%s, %s", formula, responses[r].family);
            weir_model *model = fit(ctx, d, formula, responses[r].family);
            trace(ctx, model, 0, &c);
            check_curve(name, kinds[k], &c);
            weir_model_free(model);
            weir_ctx_destroy(ctx);
        }
    }
    free(d);
}

/* ---- constraints that do nothing ---- */

static void test_inactive_is_ps(void **state)
{
    sample *d = make_sample();
    weir_ctx *ctx = test_ctx(state, 1, 0);
    static curve one, other;
    static const char *const methods[] = { "gaussian", "gaussian:log" };
    for (int m = 0; m < 4; m++) {
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.family = methods[m / 3];
        options.laplace = -1;
        options.criterion = m == 1 ? WEIR_GCV : m == 2 ? WEIR_UBRE : WEIR_REML;
        options.scale = m == 2 ? 0.04 : 0;
        weir_model *shaped = NULL, *plain = NULL;
        /* pure growth: no constraint is active */
        assert_int_equal(try_fit(ctx, d, "line ~ s(x, bs=\"mpi\", k=8) + s(z, bs=\"cr\")", &options, &shaped), WEIR_OK);
        assert_int_equal(try_fit(ctx, d, "line ~ s(x, bs=\"ps\", k=8) + s(z, bs=\"cr\")", &options, &plain), WEIR_OK);
        weir_summary a, b;
        assert_int_equal(weir_model_summary(shaped, &a), WEIR_OK);
        assert_int_equal(weir_model_summary(plain, &b), WEIR_OK);
        if (!strstr(a.note[a.note_count - 1], "s(x) 0 of 7"))
            fail_msg("not inactive: %s", a.note[a.note_count - 1]);
        trace(ctx, shaped, 0, &one);
        trace(ctx, plain, 0, &other);
        for (int i = 0; i < GRID; i++) {
            assert_true(fabs(one.value[i] - other.value[i]) <= 1e-7 * (1 + fabs(other.value[i])));
            assert_true(fabs(one.se[i] - other.se[i]) <= 1e-6 * other.se[i]);
        }
        assert_true(fabs(a.criterion - b.criterion) <= 1e-8 * fabs(b.criterion));
        assert_true(fabs(a.term[0].edf - b.term[0].edf) <= 1e-5);
        assert_true(fabs(log(a.term[0].sp[0] / b.term[0].sp[0])) <= 1e-4);
        assert_true(fabs(a.term[0].p_value - b.term[0].p_value) <= 1e-8);
        assert_int_equal(a.rank, a.columns);
        weir_model_free(shaped);
        weir_model_free(plain);
    }
    /* at given lambda nothing is searched: rounding alone */
    double sp[2] = { 0.3, 2 };
    weir_fit_options given = WEIR_FIT_OPTIONS_INIT;
    given.sp = sp;
    given.sp_count = 2;
    weir_model *shaped = NULL, *plain = NULL;
    assert_int_equal(try_fit(ctx, d, "line ~ s(x, bs=\"micv\", k=6) + s(z, bs=\"cr\")", &given, &shaped), WEIR_OK);
    assert_int_equal(try_fit(ctx, d, "line ~ s(x, bs=\"ps\", k=6) + s(z, bs=\"cr\")", &given, &plain), WEIR_OK);
    weir_summary a, b;
    assert_int_equal(weir_model_summary(shaped, &a), WEIR_OK);
    assert_int_equal(weir_model_summary(plain, &b), WEIR_OK);
    trace(ctx, shaped, 0, &one);
    trace(ctx, plain, 0, &other);
    if (strstr(a.note[a.note_count - 1], "s(x) 0 of 5")) {
        for (int i = 0; i < GRID; i++)
            assert_true(fabs(one.value[i] - other.value[i]) <= 1e-8);
        assert_true(fabs(a.edf_total - b.edf_total) <= 1e-8);
    }
    weir_model_free(shaped);
    weir_model_free(plain);
    weir_ctx_destroy(ctx);
    free(d);
}

/* ---- in company ---- */

static void test_levels_and_random_effects(void **state)
{
    static const struct { const char *formula, *family, *kind; } models[] = {
        { "y ~ f + s(x, by=f, bs=\"mpi\", k=15) + s(g, bs=\"re\")", "gaussian", "mpi" },
        { "count ~ f + s(x, by=f, bs=\"cv\") + s(z)", "poisson", "cv" },
        { "y ~ s(x, bs=\"micv\") + s(z, bs=\"cx\") + s(g, bs=\"re\") + te(line, bowl)", "gaussian", "micv" },
        { "hit ~ s(x, bs=\"mpi\", fx=TRUE, k=7) + s(g, bs=\"re\")", "binomial", "mpi" },
        { "y ~ s(log(x + 1), bs=\"mpi\", m=c(1, 1)) + offset(x)", "gaussian", NULL } };
    sample *d = make_sample();
    static curve c;
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        weir_ctx *ctx = test_ctx(state, 2, 0);
        weir_model *model = fit(ctx, d, models[m].formula, models[m].family);
        weir_summary s;
        assert_int_equal(weir_model_summary(model, &s), WEIR_OK);
        assert_int_equal(s.rank, s.columns);
        assert_non_null(strstr(s.note[s.note_count - 1], "shape constraints active: "));
        for (int level = 0; level < (strstr(models[m].formula, "by=f") ? 3 : 1) && models[m].kind && m != 2; level++) {
            trace(ctx, model, level, &c);
            check_curve(models[m].formula, models[m].kind, &c);
        }
        weir_model_free(model);
        weir_ctx_destroy(ctx);
    }
    free(d);
}

/* Correlated residuals change the cross-products, not the cone. */
static void test_ar1(void **state)
{
    sample *d = make_sample();
    weir_ctx *ctx = test_ctx(state, 2, 0);
    static curve c;
    for (int estimate = 0; estimate < 2; estimate++) {
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.ar1 = estimate ? 0 : 0.4;
        options.ar1_estimate = estimate;
        weir_model *model = NULL;
        if (try_fit(ctx, d, "y ~ s(x, bs=\"mpi\", k=20) + s(z)", &options, &model) != WEIR_OK)
            fail_msg("%s", weir_ctx_message(ctx));
        trace(ctx, model, 0, &c);
        check_curve("AR(1)", "mpi", &c);
        weir_model_free(model);
    }
    weir_ctx_destroy(ctx);
    free(d);
}

static void same_bits(const curve *a, const curve *b)
{
    assert_memory_equal(a->value, b->value, sizeof a->value);
    assert_memory_equal(a->se, b->se, sizeof a->se);
}

static void test_threads_and_files(void **state)
{
    sample *d = make_sample();
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/m.weir", folder);
    static curve first, now;
    for (int family = 0; family < 2; family++) {
        const char *formula = family ? "count ~ f + s(x, by=f, bs=\"mpi\") + s(z)" : "y ~ s(x, bs=\"mpi\", k=20) + s(z)";
        for (int threads = 1; threads <= 4; threads++) {
            weir_ctx *ctx = test_ctx(state, threads, 0);
            weir_model *model = fit(ctx, d, formula, family ? "poisson" : "gaussian"), *loaded = NULL;
            trace(ctx, model, 1, threads == 1 ? &first : &now);
            if (threads > 1)
                same_bits(&first, &now);
            assert_int_equal(weir_model_save(ctx, model, path), WEIR_OK);
            if (weir_model_load(ctx, path, &loaded) != WEIR_OK)
                fail_msg("%s", weir_ctx_message(ctx));
            trace(ctx, loaded, 1, &now);
            same_bits(&first, &now);
            weir_summary a, b;
            assert_int_equal(weir_model_summary(model, &a), WEIR_OK);
            assert_int_equal(weir_model_summary(loaded, &b), WEIR_OK);
            assert_int_equal(a.note_count, b.note_count);
            assert_string_equal(a.note[a.note_count - 1], b.note[b.note_count - 1]);
            assert_string_equal(b.term[0].basis, "mpi");
            weir_model_free(loaded);
            weir_model_free(model);
            weir_ctx_destroy(ctx);
        }
    }
    test_folder_remove(folder);
    free(d);
}

/* Parts of the rows, saved, loaded and merged, give the fit of the whole. */
static void test_sums_of_parts(void **state)
{
    sample *d = make_sample();
    weir_ctx *ctx = test_ctx(state, 2, 0);
    static curve whole_curve, merged_curve;
    const char *formula = "y ~ s(x, bs=\"mpi\", k=14) + s(z)";
    weir_table *table = NULL;
    weir_sums *sums = NULL;
    weir_model *whole = fit(ctx, d, formula, "gaussian"), *merged = NULL;
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/a.acc", folder);
    assert_int_equal(weir_table_from_columns(ctx, ROWS, 11, d->column, &table), WEIR_OK);
    assert_int_equal(weir_sums_accumulate(ctx, table, formula, NULL, NULL, 0, &sums), WEIR_OK);
    assert_int_equal(weir_sums_save(ctx, sums, path), WEIR_OK);
    weir_sums_free(sums);
    assert_int_equal(weir_sums_load(ctx, path, &sums), WEIR_OK);
    assert_int_equal(weir_sums_fit(ctx, sums, NULL, &merged), WEIR_OK);
    trace(ctx, whole, 0, &whole_curve);
    trace(ctx, merged, 0, &merged_curve);
    same_bits(&whole_curve, &merged_curve);
    check_curve(formula, "mpi", &merged_curve);
    weir_sums_free(sums);
    weir_table_close(table);
    weir_model_free(whole);
    weir_model_free(merged);
    test_folder_remove(folder);
    weir_ctx_destroy(ctx);
    free(d);
}

/* ---- what cannot keep the promise ---- */

static void test_refusals(void **state)
{
    static const struct { const char *formula, *message; int select, laplace; } refused[] = {
        { "y ~ s(x, bs=\"mpi\", by=z)", "turns the shape of bs=\"mpi\" over", 0, 0 },
        { "y ~ s(x) + s(x, bs=\"mpi\")", "only when it is the only one", 0, 0 },
        { "y ~ x + s(x, bs=\"mpi\")", "only when it is the only one", 0, 0 },
        { "y ~ f:x + s(x, bs=\"cx\")", "only when it is the only one", 0, 0 },
        { "y ~ log(x + 1) + s(x, bs=\"cx\")", "only when it is the only one", 0, 0 },
        { "y ~ poly(x, 2) + s(x, bs=\"cx\")", "only when it is the only one", 0, 0 },
        { "y ~ s(x, bs=\"mpi\") + te(x, z)", "only when it is the only one", 0, 0 },
        { "y ~ s(x, bs=\"mpi\") + ti(x, z)", "only when it is the only one", 0, 0 },
        { "y ~ s(x, bs=\"mpi\") + s(x, f, bs=\"fs\")", "only when it is the only one", 0, 0 },
        { "y ~ s(x, bs=\"mpi\") + s(f, x, bs=\"re\")", "only when it is the only one", 0, 0 },
        { "y ~ s(x, bs=\"mpi\") + s(z, by=x)", "only when it is the only one", 0, 0 },
        { "y ~ s(x, bs=\"mpi\") + s(log(x + 1), bs=\"mpi\")", "only when it is the only one", 0, 0 },
        { "y ~ s(x, bs=\"mpi\", by=factor(x))", "only when it is the only one", 0, 0 },
        { "y ~ te(x, z, bs=c(\"mpi\", \"cr\"))", "keeps no shape", 0, 0 },
        { "y ~ ti(x, z, bs=\"cx\")", "keeps no shape", 0, 0 },
        { "y ~ s(x, z, bs=\"mpi\")", "smooths one covariate", 0, 0 },
        { "y ~ s(x, f, bs=\"fs\", xt=\"mpi\")", "xt= takes the basis of one curve", 0, 0 },
        { "y ~ s(x, bs=\"mpi\", id=1) + s(z, bs=\"mpi\", id=1)", "id= does not go with bs=\"mpi\"", 0, 0 },
        { "y ~ s(x, bs=\"mpi\", k=2)", "needs at least", 0, 0 },
        { "y ~ s(x, bs=\"mpi\", m=c(5, 2))", "degree", 0, 0 },
        { "y ~ s(x, bs=\"mpi\")", "without the penalty of --select", 1, 0 },
        { "count ~ s(x, bs=\"mpi\")", "does not go with shape constraints", 0, 1 } };
    sample *d = make_sample();
    for (size_t r = 0; r < sizeof refused / sizeof *refused; r++) {
        weir_ctx *ctx = test_ctx(state, 1, 0);
        weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
        options.select = refused[r].select;
        options.laplace = refused[r].laplace;
        options.family = refused[r].laplace ? "poisson" : "gaussian";
        weir_model *model = NULL;
        weir_status status = try_fit(ctx, d, refused[r].formula, &options, &model);
        if (status >= 0 || !strstr(weir_ctx_message(ctx), refused[r].message))
            fail_msg("%s: status %d: %s", refused[r].formula, status, weir_ctx_message(ctx));
        assert_null(model);
        weir_ctx_destroy(ctx);
    }
    free(d);
}

/* ---- memory ---- */

typedef struct attempt {
    const sample *data;
    const char *formula, *family;
} attempt;

static weir_status fit_once(weir_ctx *ctx, void *arg)
{
    const attempt *a = arg;
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.family = a->family;
    weir_model *model = NULL;
    weir_status status = try_fit(ctx, a->data, a->formula, &options, &model);
    weir_model_free(model);
    return status;
}

static void test_allocations_fail(void **state)
{
    sample *d = make_sample();
    weir_ctx *ctx = test_ctx(state, 1, 0);
    attempt linear = { d, "y ~ s(x, bs=\"mpi\", k=8) + z", "gaussian" };
    attempt counts = { d, "count ~ s(x, bs=\"micv\", k=6)", "poisson" };
    assert_true(fit_once(ctx, &linear) >= 0); /* what a context finds out once stays with it */
    assert_true(test_some_allocations_fail(ctx, fit_once, &linear, 1, 2) > 50);
    assert_true(test_some_allocations_fail(ctx, fit_once, &counts, 1, 5) > 50);
    weir_ctx_destroy(ctx);
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside_pcls),
        cmocka_unit_test(test_promise),
        cmocka_unit_test(test_inactive_is_ps),
        cmocka_unit_test(test_levels_and_random_effects),
        cmocka_unit_test(test_ar1),
        cmocka_unit_test(test_threads_and_files),
        cmocka_unit_test(test_sums_of_parts),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
