/* SPDX-License-Identifier: Apache-2.0 */
/* 200 random pairs of a problem (a model by any of its routes, or one for each group) and a budget: the ledger's peak is never above the budget, and the process grows by no more than
 * the budget and what lies outside the ledger (thread stacks, buffers of BLAS, the heap's slack: 24 MiB). */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/limits.h"
#include "base/rng.h"
#include "support/folder.h"
#include "weir/weir.h"

#define PAIRS 200
#define ROWS 30000
#define COLUMNS 6
#define LEVELS 40
#define OUTSIDE_BYTES ((int64_t)24 << 20)

static const char *const names[COLUMNS] = { "y", "a", "b", "c", "g", "n" };

typedef struct data {
    char folder[TEST_FOLDER_BYTES], csv[TEST_FOLDER_BYTES + 16];
    double column[COLUMNS][ROWS];
    int32_t group[ROWS]; /* column g as codes */
    char text[LEVELS][4];
    const char *level[LEVELS];
} data;

static data *make_data(void)
{
    data *d = calloc(1, sizeof *d);
    assert_non_null(d);
    assert_int_equal(test_folder_make(d->folder), 0);
    snprintf(d->csv, sizeof d->csv, "%s/rows.csv", d->folder);
    FILE *file = fopen(d->csv, "w");
    assert_non_null(file);
    fputs("y,a,b,c,g,n\n", file);
    w_rng rng;
    w_rng_seed(&rng, 3);
    for (int g = 0; g < LEVELS; g++) {
        snprintf(d->text[g], sizeof d->text[g], "%d", g);
        d->level[g] = d->text[g];
    }
    for (int i = 0; i < ROWS; i++) {
        for (int c = 1; c < 4; c++) {
            d->column[c][i] = floor(1e5 * w_rng_uniform(&rng)) / 1e5;
        }
        double mean = sin(6 * d->column[1][i]) + d->column[2][i];
        d->column[0][i] = floor(1e4 * (mean + 0.3 * w_rng_normal(&rng))) / 1e4;
        d->column[4][i] = (double)w_rng_below(&rng, LEVELS);
        d->group[i] = (int32_t)d->column[4][i];
        d->column[5][i] = (double)w_rng_below(&rng, 2 + (int)(2 * exp(mean)));
        for (int c = 0; c < COLUMNS; c++) {
            fprintf(file, "%.8g%c", d->column[c][i], c + 1 < COLUMNS ? ',' : '\n');
        }
    }
    assert_int_equal(fclose(file), 0);
    return d;
}

typedef struct problem {
    char formula[400];
    const char *family;
    int threads, diagnostics, csv;
    int by_group, each;
    weir_fit_route route;
    int64_t rows, budget;
} problem;

/* Two to four terms, k from 4 to 24. */
static problem draw(w_rng *rng)
{
    static const char *const basis[] = { "cr", "tp", "ps", "cc" };
    problem p = { .threads = 1 + (int)w_rng_below(rng, 4), .diagnostics = w_rng_below(rng, 4) == 0, .csv = w_rng_below(rng, 3) == 0 };
    bool poisson = w_rng_below(rng, 5) == 0;
    p.family = poisson ? "poisson" : NULL;
    p.rows = poisson ? 500 + w_rng_below(rng, 2500) : 500 + w_rng_below(rng, ROWS - 500);
    p.csv = p.csv && !poisson;
    int used = snprintf(p.formula, sizeof p.formula, "%s ~ c", poisson ? "n" : "y");
    for (int t = 0, terms = 1 + (int)w_rng_below(rng, 2); t < terms; t++) {
        used += snprintf(p.formula + used, sizeof p.formula - (size_t)used, " + s(%s, bs = '%s', k = %d)", names[1 + t],
                         basis[w_rng_below(rng, 4)], 5 + (int)w_rng_below(rng, 20));
    }
    if (w_rng_below(rng, 3) == 0) {
        used += snprintf(p.formula + used, sizeof p.formula - (size_t)used, " + s(g, bs = 're')");
    }
    if (w_rng_below(rng, 8) == 0 && !poisson) {
        snprintf(p.formula + used, sizeof p.formula - (size_t)used, " + te(a, c, k = %d)", 4 + (int)w_rng_below(rng, 3));
    }
    if (!poisson && w_rng_below(rng, 5) == 0) {
        p.by_group = 1;
        p.each = (int)w_rng_below(rng, 2);
        p.rows = 4 * (p.rows + ROWS) / 8;
        p.diagnostics = 0;
        char *more = strstr(p.formula, " + s(g"); /* constant within a group; te(a, c) would make groups rank deficient */
        more = more ? more : strstr(p.formula, " + te(");
        if (more) {
            *more = '\0';
        }
    } else if (!poisson && w_rng_below(rng, 3) == 0) {
        static const weir_fit_route route[] = { WEIR_FIT_CHOLESKY, WEIR_FIT_QR, WEIR_FIT_MATRIX_FREE, WEIR_FIT_SPARSE };
        p.route = route[w_rng_below(rng, 4)];
        if (p.route == WEIR_FIT_MATRIX_FREE) { /* a te(a, c) beside c and s(a) is not of full rank */
            p.route = strstr(p.formula, "te(") ? WEIR_FIT_QR : p.route;
            p.rows = 500 + p.rows / 16;
        }
    }
    p.budget = (int64_t)exp(log(1e6) + w_rng_uniform(rng) * log(500.0)); /* 1 … 500 MB */
    return p;
}

/* Fits under the budget of p; the peak and the status. */
static weir_status fit(const data *d, const problem *p, int64_t *peak, char *message, size_t bytes)
{
    weir_ctx_options how = WEIR_CTX_OPTIONS_INIT;
    how.threads = p->threads;
    how.memory_budget = p->budget;
    how.device = "cpu";
    weir_ctx *ctx = NULL;
    weir_table *table = NULL;
    weir_model *model = NULL;
    weir_groups *groups = NULL;
    weir_status status = weir_ctx_create(&how, &ctx);
    if (status < 0) {
        *peak = 0;
        return status;
    }
    weir_table_options options = WEIR_TABLE_OPTIONS_INIT;
    options.factors = "g";
    if (p->csv) {
        const char *path[1] = { d->csv };
        status = weir_table_open(ctx, 1, path, &options, &table);
    } else {
        weir_column column[COLUMNS];
        for (int c = 0; c < COLUMNS; c++) {
            column[c] = (weir_column){ names[c], WEIR_F64, d->column[c], 0, 0, NULL };
        }
        if (p->by_group) {
            column[4] = (weir_column){ "g", WEIR_I32, d->group, 0, LEVELS, d->level };
        }
        status = weir_table_from_columns(ctx, p->rows, COLUMNS, column, &table);
    }
    if (status >= 0) {
        weir_fit_options fit_options = WEIR_FIT_OPTIONS_INIT;
        fit_options.family = p->family;
        fit_options.diagnostics = p->diagnostics;
        fit_options.route = p->route;
        weir_groups_options how_groups = WEIR_GROUPS_OPTIONS_INIT;
        how_groups.column = "g";
        how_groups.each = p->each;
        status = p->by_group ? weir_fit_groups(ctx, table, p->formula, &fit_options, &how_groups, &groups)
                             : weir_fit(ctx, table, p->formula, &fit_options, &model);
    }
    snprintf(message, bytes, "%s", weir_ctx_message(ctx));
    *peak = atomic_load(&ctx->ledger.peak);
    assert_int_equal(atomic_load(&ctx->ledger.faults), 0);
    weir_model_free(model);
    weir_groups_free(groups);
    weir_table_close(table);
    assert_true(status >= 0 || strlen(message) > 0);
    weir_ctx_destroy(ctx);
    return status;
}

/* The highest resident set is measured from now on, where the kernel lets a process say so. */
static void reset_resident_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file) {
        fputs("5", file);
        fclose(file);
    }
}

static void test_peak_is_within_every_budget(void **state)
{
    (void)state;
    data *d = make_data();
    w_rng rng;
    w_rng_seed(&rng, 20260);
    int done = 0, refused = 0;
    int64_t grown = 0, peaks = 0;
    for (int i = 0; i < PAIRS; i++) {
        problem p = draw(&rng);
        char message[512];
        int64_t peak, highest, before = w_memory_resident(&highest);
        reset_resident_peak();
        w_memory_resident(&highest);
        const bool measured = highest >= 0 && highest - before < (int64_t)1 << 20;
        weir_status status = fit(d, &p, &peak, message, sizeof message);
        int64_t now = w_memory_resident(&highest);
        now = measured ? highest : now;
        peaks += measured;
        if (status == WEIR_E_ARG && p.route == WEIR_FIT_SPARSE && strstr(message, "libcholmod")) { /* is not here */
            p.route = WEIR_FIT_QR;
            status = fit(d, &p, &peak, message, sizeof message);
        }
        if (status < 0 && status != WEIR_E_BUDGET) {
            fail_msg("%s, %lld bytes: %s, %s", p.formula, (long long)p.budget, weir_status_name(status), message);
        }
        if (peak > p.budget) {
            fail_msg("%s: peak %lld of a budget of %lld", p.formula, (long long)peak, (long long)p.budget);
        }
        if (before >= 0 && now - before > p.budget + OUTSIDE_BYTES) {
            fail_msg("%s: the process grew by %lld bytes at a budget of %lld", p.formula, (long long)(now - before), (long long)p.budget);
        }
        grown = now - before > grown ? now - before : grown;
        done += status >= 0;
        refused += status < 0;
    }
    print_message("%d fits, %d refused; the process grew by at most %lld bytes in one (highest resident set seen in %lld)\n", done,
                  refused, (long long)grown, (long long)peaks);
    assert_int_equal(done + refused, PAIRS);
    assert_true(done >= PAIRS / 2);
    assert_true(refused >= 10);
    test_folder_remove(d->folder);
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_peak_is_within_every_budget) };
    return cmocka_run_group_tests_name("budget pairs", tests, NULL, NULL);
}
