/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: plan >= peak over models, sources, threads and criteria; every budget does or names one that does. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/format.h"
#include "base/rng.h"
#include "support/folder.h"
#include "weir/weir.h"

#define COLUMNS 8
#define ROWS 24001

static const char *const names[COLUMNS] = { "y", "x0", "x1", "x2", "f", "g", "h", "c" };

/* Row-major. f: 3 levels, g: 30, h: 700; c: counts. */
static double *make_rows(int rows)
{
    double *value = malloc((size_t)rows * COLUMNS * sizeof *value);
    assert_non_null(value);
    w_rng rng;
    w_rng_seed(&rng, 77);
    for (int i = 0; i < rows; i++) {
        double *row = value + (size_t)i * COLUMNS;
        row[1] = floor(1e6 * w_rng_uniform(&rng)) / 1e6;
        row[2] = floor(1e6 * w_rng_uniform(&rng)) / 1e6;
        row[3] = floor(1e4 * w_rng_normal(&rng)) / 1e4;
        row[4] = (double)w_rng_below(&rng, 3);
        row[5] = (double)w_rng_below(&rng, 30);
        row[6] = (double)w_rng_below(&rng, 700);
        double mean = sin(6.0 * row[1]) + row[2] * row[2] + 0.3 * row[3] + 0.2 * row[4] + 0.1 * sin(9.0 * row[6]);
        row[0] = floor(1e5 * (mean + 0.3 * w_rng_normal(&rng))) / 1e5;
        row[7] = (double)w_rng_below(&rng, 3 + (int)(4.0 * exp(0.2 * mean)));
    }
    return value;
}

static void write_csv(const double *value, int rows, const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int c = 0; c < COLUMNS; c++) {
        fprintf(file, "%s%s", c ? "," : "", names[c]);
    }
    for (int64_t i = 0; i < (int64_t)rows * COLUMNS; i++) {
        fprintf(file, "%s%.7g", i % COLUMNS ? "," : "\n", value[i]);
    }
    fputc('\n', file);
    assert_int_equal(fclose(file), 0);
}

static void write_npy(const double *value, int rows, const char *path)
{
    char head[129];
    int length = snprintf(head, sizeof head, "%c" "NUMPY%c%c%c%c{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d), }",
                          0x93, 1, 0, 118, 0, rows, COLUMNS);
    memset(head + length, ' ', sizeof head - (size_t)length);
    head[127] = '\n';
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite(head, 1, 128, file);
    fwrite(value, sizeof *value, (size_t)rows * COLUMNS, file);
    assert_int_equal(fclose(file), 0);
}

typedef enum source { MEMORY, CSV, NPY } source;

typedef struct place {
    double *value;
    int rows;
    char folder[TEST_FOLDER_BYTES], csv[TEST_FOLDER_BYTES + 16], npy[TEST_FOLDER_BYTES + 16];
} place;

static place *make_place(int rows)
{
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_int_equal(test_folder_make(p->folder), 0);
    snprintf(p->csv, sizeof p->csv, "%s/rows.csv", p->folder);
    snprintf(p->npy, sizeof p->npy, "%s/rows.npy", p->folder);
    p->rows = rows;
    p->value = make_rows(rows);
    write_csv(p->value, rows, p->csv);
    write_npy(p->value, rows, p->npy);
    return p;
}

static void drop_place(place *p)
{
    test_folder_remove(p->folder);
    free(p->value);
    free(p);
}

static weir_table *open_table(weir_ctx *ctx, const place *p, source from)
{
    weir_table *table = NULL;
    weir_status status;
    if (from == MEMORY) {
        weir_column column[COLUMNS];
        for (int c = 0; c < COLUMNS; c++) {
            column[c] = (weir_column){ names[c], WEIR_F64, p->value + c, COLUMNS * sizeof(double), 0, NULL };
        }
        status = weir_table_from_columns(ctx, p->rows, COLUMNS, column, &table);
    } else {
        const char *path[1] = { from == CSV ? p->csv : p->npy };
        weir_table_options options = WEIR_TABLE_OPTIONS_INIT;
        options.columns = from == NPY ? "y,x0,x1,x2,f,g,h,c" : NULL;
        options.factors = "f,g,h";
        status = weir_table_open(ctx, 1, path, &options, &table);
    }
    if (status != WEIR_OK) {
        fail_msg("table: %s", weir_ctx_message(ctx));
    }
    return table;
}

typedef struct model_case {
    const char *formula, *family;
    weir_criterion criterion;
    int diagnostics;
} model_case;

static const model_case cases[] = {
    { "y ~ x0 + x1", NULL, WEIR_REML, 0 },
    { "y ~ s(x0, bs = 'cr') + s(x1, bs = 'cr') + s(x2, bs = 'cr')", NULL, WEIR_REML, 0 },
    { "y ~ s(x0, bs = 'cr') + s(x1, bs = 'cr') + s(x2, bs = 'cr')", NULL, WEIR_REML, 1 },
    { "y ~ s(x0) + s(x1)", NULL, WEIR_REML, 1 },
    { "y ~ s(x0, k = 40) + s(x1, k = 40)", NULL, WEIR_ML, 0 },
    { "y ~ s(x0, bs = 'cr', k = 90) + s(x1, bs = 'ps', k = 90) + s(x2, bs = 'cr', k = 60)", NULL, WEIR_REML, 0 },
    { "y ~ te(x0, x1) + s(x2, bs = 'cc')", NULL, WEIR_GCV, 0 },
    { "y ~ te(x0, x1, k = 9) + ti(x0, x2)", NULL, WEIR_REML, 1 },
    { "y ~ as.factor(f) + s(x0, by = as.factor(f), bs = 'cr')", NULL, WEIR_REML, 0 },
    { "y ~ s(x0, by = x1, bs = 'cr') + s(x2, bs = 'ts')", NULL, WEIR_GCV, 0 },
    { "y ~ s(x0, bs = 'cr') + s(as.factor(g), bs = 're')", NULL, WEIR_REML, 1 },
    { "y ~ s(x0, bs = 'cr') + s(x1, bs = 'cr', k = 20) + s(as.factor(h), bs = 're')", NULL, WEIR_REML, 0 },
    { "c ~ s(x0, bs = 'cr') + s(x1, bs = 'cr')", "poisson", WEIR_REML, 1 },
    { "c ~ s(x0) + s(as.factor(g), bs = 're')", "quasipoisson", WEIR_REML, 0 },
};
#define CASES ((int)(sizeof cases / sizeof cases[0]))

static weir_fit_options options_of(const model_case *m)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.family = m->family;
    options.criterion = m->criterion;
    options.diagnostics = m->diagnostics;
    return options;
}

static void report_tags(weir_ctx *ctx)
{
    for (int i = 0; getenv("WEIR_TEST_TAGS") && i < ctx->ledger.tag_count; i++) {
        print_message("      %-24s %9lld\n", ctx->ledger.tag[i].tag, (long long)ctx->ledger.tag[i].peak);
    }
}

/* The plan before a row is read and the one after compiling both stay above the peak, and not by much. */
static void check_case(const place *p, const model_case *m, source from, int threads)
{
    static const char *const source_name[] = { "memory", "csv", "npy" };
    weir_ctx *ctx = test_ctx(NULL, threads, (int64_t)512 << 20);
    weir_fit_options options = options_of(m);
    weir_table *table = open_table(ctx, p, from);
    weir_plan before;
    weir_model *model = NULL;
    weir_status status = weir_plan_fit(ctx, table, m->formula, &options, &before);
    weir_table_close(table);
    table = open_table(ctx, p, from);
    status = status < 0 ? status : weir_fit(ctx, table, m->formula, &options, &model);
    if (status < 0) {
        fail_msg("%s: %s", m->formula, weir_ctx_message(ctx));
    }
    weir_summary summary;
    weir_model_summary(model, &summary);
    double peak = (double)summary.actual_bytes, after = (double)summary.plan->bytes;
    if (getenv("WEIR_TEST_TAGS")) {
        print_message("%4.2f %4.2f  peak %7.2f MiB  read %6.2f sums %6.2f system %6.2f result %6.2f  %s %d %s%s\n",
                      (double)before.bytes / peak, after / peak, peak / 1048576, (double)before.bytes_read / 1048576,
                      (double)before.bytes_sums / 1048576, (double)before.bytes_system / 1048576,
                      (double)before.bytes_result / 1048576, source_name[from], threads, m->formula,
                      m->diagnostics ? " +diagnostics" : "");
    }
    report_tags(ctx);
    if (before.bytes < summary.actual_bytes || summary.plan->bytes < summary.actual_bytes) {
        fail_msg("%s, %s, %d threads: peak %lld, planned %lld before and %lld after compiling", m->formula, source_name[from],
                 threads, (long long)summary.actual_bytes, (long long)before.bytes, (long long)summary.plan->bytes);
    }
    weir_model_free(model);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
}

static void test_plan_is_above_peak_for_every_model(void **state)
{
    (void)state;
    place *p = make_place(ROWS);
    for (int i = 0; i < CASES; i++) {
        for (source from = MEMORY; from <= NPY; from++) {
            check_case(p, &cases[i], from, 1 + (i + (int)from) % 3);
        }
    }
    drop_place(p);
}

/* ---- budgets ---------------------------------------------------------------------------------------------------- */

#define SWEEP_ROWS 300000
#define SWEEP_FORMULA "y ~ x2 + s(x0, bs = 'cr') + s(x1, bs = 'ps', k = 12) + s(as.factor(g), bs = 're')"

typedef struct outcome {
    weir_status status;
    char message[512];
    weir_model *model;
    weir_ctx *ctx;
    weir_table *table;
} outcome;

/* Opens and fits under the budget; every step may refuse. */
static outcome fit_under(const place *p, source from, int64_t budget)
{
    outcome o = { 0 };
    weir_ctx_options how = WEIR_CTX_OPTIONS_INIT;
    how.threads = 2;
    how.memory_budget = budget;
    how.device = "cpu";
    o.status = weir_ctx_create(&how, &o.ctx);
    if (o.status < 0) {
        return o;
    }
    const char *path[1] = { from == CSV ? p->csv : p->npy };
    weir_table_options options = WEIR_TABLE_OPTIONS_INIT;
    options.columns = from == NPY ? "y,x0,x1,x2,f,g,h,c" : NULL;
    options.factors = "f,g,h";
    o.status = weir_table_open(o.ctx, 1, path, &options, &o.table);
    if (o.status >= 0) {
        o.status = weir_fit(o.ctx, o.table, SWEEP_FORMULA, NULL, &o.model);
    }
    snprintf(o.message, sizeof o.message, "%s", o.status < 0 ? weir_ctx_message(o.ctx) : "");
    return o;
}

static void drop_outcome(outcome *o)
{
    weir_model_free(o->model);
    weir_table_close(o->table);
    weir_ctx_destroy(o->ctx);
}

/* The number before "would do". */
static int64_t named_budget(const char *message)
{
    const char *end = strstr(message, " would do");
    if (!end) {
        fail_msg("no budget is named: '%s'", message);
    }
    const char *start = end;
    for (int blanks = 0; start > message && blanks < 2; start--) {
        blanks += start[-1] == ' ';
    }
    char number[64];
    start += *start == ' ' || start > message;
    snprintf(number, sizeof number, "%.*s", (int)(end - start), start);
    int64_t bytes = 0;
    if (w_parse_bytes(number, &bytes) != 0) {
        fail_msg("'%s' is not a size in '%s'", number, message);
    }
    return bytes;
}

static void test_every_budget_from_16_mebibytes_does(void **state)
{
    (void)state;
    place *p = make_place(SWEEP_ROWS);
    outcome first = fit_under(p, NPY, (int64_t)1 << 30);
    assert_int_equal(first.status, WEIR_OK);
    const double *expected, *beta;
    int64_t columns = weir_model_coefficients(first.model, &expected, NULL);
    for (source from = CSV; from <= NPY; from++) {
        for (int64_t mebibytes = 16; mebibytes <= 1024; mebibytes *= 2) {
            outcome o = fit_under(p, from, mebibytes << 20);
            if (o.status != WEIR_OK) {
                fail_msg("%d MiB: %s", (int)mebibytes, o.message);
            }
            assert_int_equal(weir_model_coefficients(o.model, &beta, NULL), columns);
            assert_memory_equal(beta, expected, (size_t)columns * sizeof *beta);
            weir_summary summary;
            weir_model_summary(o.model, &summary);
            if (summary.actual_bytes > summary.plan->bytes || summary.plan->bytes > mebibytes << 20) {
                fail_msg("%d MiB: peak %lld, plan %lld", (int)mebibytes, (long long)summary.actual_bytes,
                         (long long)summary.plan->bytes);
            }
            drop_outcome(&o);
        }
    }
    drop_outcome(&first);
    drop_place(p);
}

static void test_a_budget_too_small_names_one_that_does(void **state)
{
    (void)state;
    place *p = make_place(SWEEP_ROWS);
    int named = 0;
    for (source from = CSV; from <= NPY; from++) {
        for (int64_t budget = 64 << 10; budget <= 8 << 20; budget *= 2) {
            outcome o = fit_under(p, from, budget);
            if (o.status == WEIR_OK) {
                drop_outcome(&o);
                continue;
            }
            if (o.status != WEIR_E_BUDGET) {
                fail_msg("%lld bytes: status %d, %s", (long long)budget, o.status, o.message);
            }
            if (!o.table) { /* refused before there is a model to plan for */
                assert_non_null(strstr(o.message, " more beside "));
                drop_outcome(&o);
                continue;
            }
            named++;
            int64_t enough = named_budget(o.message);
            assert_true(enough > budget);
            drop_outcome(&o);
            outcome again = fit_under(p, from, enough);
            if (again.status != WEIR_OK) {
                fail_msg("%lld bytes were said to do: %s", (long long)enough, again.message);
            }
            drop_outcome(&again);
        }
    }
    assert_true(named >= 8);
    drop_place(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_is_above_peak_for_every_model),
        cmocka_unit_test(test_every_budget_from_16_mebibytes_does),
        cmocka_unit_test(test_a_budget_too_small_names_one_that_does),
    };
    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
