/* SPDX-License-Identifier: Apache-2.0 */
/* Fits of small tables: the bytes choose rows, family, formula, options and values (edges among them). No fit may crash, none may
 * be called good with a number in it that is none, and what was fitted predicts and saves. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "weir/weir.h"

#define ROWS 48
enum { X, Z, O, W, Y, S, G, COLUMNS };

static const char *const families[] = {
    "gaussian", "gaussian:log", "gaussian:inverse", "binomial", "binomial:probit", "binomial:cloglog", "binomial:cauchit",
    "binomial:log", "poisson", "poisson:identity", "poisson:sqrt", "gamma", "gamma:log", "gamma:identity", "inverse-gaussian",
    "inverse-gaussian:log", "nb", "nb:2", "nb:sqrt", "tweedie", "tweedie:1.3", "quasipoisson", "quasibinomial",
    "quasi(variance=mu,link=log)", "scat", "scat(nu=4,sigma=1)", "beta", "beta:cloglog", "gaussian:power(0.5)",
};
static const char *const formulas[] = {
    "y ~ x", "y ~ 1", "y ~ x - 1", "y ~ g", "y ~ x + z + g + offset(o)", "y ~ s(x, k=5)", "y ~ s(x, bs=\"cr\", k=4) + g",
    "y ~ s(x, k=4, by=g) + g", "y ~ s(g, bs=\"re\") + x", "y ~ te(x, z, k=3) + offset(o)", "y ~ s(x, bs=\"ps\", k=6) + z",
    "y ~ s(x, bs=\"mpi\", k=6) + s(z, bs=\"cx\", k=5)", "y ~ g + s(x, bs=\"mdcv\", k=5, by=g)",
    "y ~ x + I(2*x)", "cbind(s, abs(y)) ~ x", "y ~ g * x", "y ~ s(x, bs=\"cc\", k=5) + s(z, bs=\"cr\", k=5)", "y ~ offset(o)",
};
/* Values a generator of harmless numbers would never make. */
static const double edges[] = { 0, 1, -1, 0.5, 2, 1e-8, 1e8, 1e-300, 1e300, -1e30, 3.5, 1 - 1e-16, 1e-17, 700, 1e15, 40 };

typedef struct bytes {
    const uint8_t *at;
    size_t left;
} bytes;

static unsigned take(bytes *b)
{
    if (b->left == 0) {
        return 0;
    }
    b->left--;
    return *b->at++;
}

static void fill(bytes *b, int rows, double column[][ROWS], int32_t *g)
{
    unsigned mode = take(b), state = take(b) * 2654435761u + 12345u;
    for (int j = 0; j < G; j++) {
        for (int i = 0; i < rows; i++) {
            state = state * 1664525u + 1013904223u;
            double u = (state >> 8) / 16777216.0;
            column[j][i] = j == O ? u - 0.5 : j == W || j == S ? floor(4 * u) : u;
        }
    }
    for (int i = 0; i < rows; i++) {
        double x = column[X][i], u = column[Y][i];
        g[i] = (int32_t)(7 * column[Z][i]) % 4;
        column[Y][i] = mode % 6 == 0   ? floor(6 * x * u)
                       : mode % 6 == 1 ? u < x
                       : mode % 6 == 2 ? exp(2 * x) * (0.01 + u)
                       : mode % 6 == 3 ? x > 0.5
                       : mode % 6 == 4 ? g[i] == 1 ? 0 : floor(4 * u)
                                       : u;
    }
    for (int changes = (int)(mode / 16); changes > 0 && b->left > 0; changes--) {
        unsigned where = take(b), what = take(b);
        column[what / 16 % G][where % (unsigned)rows] = edges[what % 16];
    }
}

static int count_row(void *user, int64_t first, int64_t rows, const double *values)
{
    (void)first;
    (void)values;
    *(int64_t *)user += rows;
    return 0;
}

#define need(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "fuzz_fit: not so: %s\n", #condition); \
            abort(); \
        } \
    } while (0)

/* An exact fit has an infinite likelihood; its notes say so. */
static void check_model(weir_ctx *ctx, weir_status status, const weir_model *model, weir_table *table, int rows)
{
    weir_summary s;
    const double *beta;
    const char *const *labels;
    need(weir_model_summary(model, &s) == WEIR_OK && s.status == status);
    int64_t p = weir_model_coefficients(model, &beta, &labels);
    bool exact = s.note_count > 0 && strstr(s.note[s.note_count - 1], "reproduces every response");
    for (int64_t i = 0; i < p; i++) {
        need(status == WEIR_NOT_CONVERGED || isfinite(beta[i]));
    }
    if (status != WEIR_NOT_CONVERGED && !exact) {
        need(isfinite(s.deviance) && isfinite(s.edf_total) && isfinite(s.criterion));
        need(isfinite(s.scale) || s.residual_df <= 1e-6);
    }
    need(status != WEIR_NOT_CONVERGED || s.note_count > 0);
    weir_predict_options how = WEIR_PREDICT_OPTIONS_INIT;
    how.type = WEIR_PREDICT_RESPONSE;
    how.se = 1;
    how.interval = 0.9;
    how.missing = WEIR_MISSING_DROP;
    int64_t seen = 0;
    weir_status predicted = weir_predict(ctx, model, table, &how, count_row, &seen);
    need(predicted < 0 || seen == rows);
}

/* Sanitized fits that will not end are not what is looked for. */
static int stop_late(void *user) { return ++*(int *)user > 400; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static double column[G][ROWS];
    static int32_t g[ROWS];
    bytes b = { data, size };
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    weir_ctx *ctx = NULL;
    weir_table *table = NULL;
    weir_model *model = NULL;
    int asked = 0;
    options.threads = 1;
    options.cancel = stop_late;
    options.user = &asked;
    options.memory_budget = (int64_t)256 << 20;
    if (size < 8 || weir_ctx_create(&options, &ctx) != WEIR_OK) {
        return 0;
    }
    int rows = 1 + (int)(take(&b) % ROWS);
    weir_fit_options how = WEIR_FIT_OPTIONS_INIT;
    how.family = families[take(&b) % (sizeof families / sizeof *families)];
    const char *formula = formulas[take(&b) % (sizeof formulas / sizeof *formulas)];
    unsigned choice = take(&b);
    how.weights = choice % 4 == 1 ? "w" : NULL;
    how.laplace = choice / 4 % 3 == 0 ? 0 : choice / 4 % 3 == 1 ? 1 : -1;
    how.criterion = choice / 16 % 4 == 1 ? WEIR_ML : choice / 16 % 4 == 2 ? WEIR_GCV : WEIR_REML;
    how.missing = choice / 64 % 2 ? WEIR_MISSING_DROP : WEIR_MISSING_FAIL;
    how.select = choice >= 224;
    fill(&b, rows, column, g);
    static const char *const name[COLUMNS] = { "x", "z", "o", "w", "y", "s", "g" };
    weir_column columns[COLUMNS];
    for (int j = 0; j < G; j++) {
        columns[j] = (weir_column){ name[j], WEIR_F64, column[j], 0, 0, NULL };
    }
    columns[G] = (weir_column){ name[G], WEIR_I32, g, 0, 4, NULL };
    need(weir_table_from_columns(ctx, rows, COLUMNS, columns, &table) == WEIR_OK);
    weir_status status = weir_fit(ctx, table, formula, &how, &model);
    need(status != WEIR_E_INTERNAL);
    if (status < 0) {
        need(model == NULL && weir_ctx_message(ctx)[0] != 0);
    } else {
        check_model(ctx, status, model, table, rows);
    }
    weir_model_free(model);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
    return 0;
}
