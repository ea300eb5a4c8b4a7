/* SPDX-License-Identifier: Apache-2.0 */
/* Loading, predicting and checking under every budget: they do, or name one that does. */
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

#define ROWS 20001

typedef struct place {
    char folder[TEST_FOLDER_BYTES], csv[TEST_FOLDER_BYTES + 16], model[TEST_FOLDER_BYTES + 16];
} place;

static place *make_place(void)
{
    place *p = calloc(1, sizeof *p);
    w_rng rng;
    w_rng_seed(&rng, 5);
    assert_int_equal(test_folder_make(p->folder), 0);
    snprintf(p->csv, sizeof p->csv, "%s/rows.csv", p->folder);
    snprintf(p->model, sizeof p->model, "%s/m.weir", p->folder);
    FILE *file = fopen(p->csv, "w");
    assert_non_null(file);
    fputs("y,x,z,g,h\n", file);
    for (int i = 0; i < ROWS; i++) {
        double x = w_rng_uniform(&rng), z = w_rng_uniform(&rng);
        int g = (int)w_rng_below(&rng, 5), h = (int)w_rng_below(&rng, 400);
        fprintf(file, "%.6f,%.6f,%.6f,level%d,h%d\n", sin(6 * x) + z * z + 0.1 * g + 0.2 * w_rng_normal(&rng), x, z, g, h);
    }
    assert_int_equal(fclose(file), 0);
    return p;
}

static void fit_and_save(const place *p, const char *formula)
{
    weir_ctx *ctx = test_ctx(NULL, 2, (int64_t)512 << 20);
    const char *path = p->csv;
    weir_table *table = NULL;
    weir_model *model = NULL;
    assert_int_equal(weir_table_open(ctx, 1, &path, NULL, &table), WEIR_OK);
    if (weir_fit(ctx, table, formula, NULL, &model) < 0) {
        fail_msg("%s: %s", formula, weir_ctx_message(ctx));
    }
    assert_int_equal(weir_model_save(ctx, model, p->model), WEIR_OK);
    weir_model_free(model);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
}

static int drop(void *user, int64_t first, int64_t rows, const double *values)
{
    (void)first, (void)values;
    *(int64_t *)user += rows;
    return 0;
}

typedef enum act { PREDICT, PREDICT_SE, TERMS_SE, CHECK, ACTS } act;

static int say(void *user, const char *text, size_t size)
{
    (void)text;
    *(size_t *)user += size;
    return 0;
}

static weir_status rows_under(weir_ctx *ctx, weir_model *model, weir_table *table, act what)
{
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    const weir_smooth_check *checks;
    int64_t count, rows = 0;
    if (what == CHECK) {
        size_t written = 0;
        weir_status status = weir_check(ctx, model, table, WEIR_MISSING_FAIL, &count, &checks);
        return status < 0 ? status : weir_report_check(ctx, model, say, &written);
    }
    options.se = what != PREDICT;
    options.type = what == TERMS_SE ? WEIR_PREDICT_TERMS : WEIR_PREDICT_LINK;
    options.interval = what == TERMS_SE ? 0.95 : 0.0;
    options.simultaneous = what == TERMS_SE;
    weir_status status = weir_predict(ctx, model, table, &options, drop, &rows);
    assert_true(status < 0 || rows == ROWS);
    return status;
}

/* `stage`: 0 before the model was loaded, 1 before the table was open, 2 in the work itself. */
static weir_status run(const place *p, act what, int threads, int64_t budget, int *stage, char message[1024])
{
    weir_ctx *ctx = test_ctx(NULL, threads, budget);
    const char *path = p->csv;
    weir_model *model = NULL;
    weir_table *table = NULL;
    *stage = 0;
    weir_status status = weir_model_load(ctx, p->model, &model);
    if (status >= 0) {
        *stage = 1;
        status = weir_table_open(ctx, 1, &path, NULL, &table);
    }
    if (status >= 0) {
        *stage = 2;
        status = rows_under(ctx, model, table, what);
    }
    snprintf(message, 1024, "%s", weir_ctx_message(ctx));
    assert_true(atomic_load(&ctx->ledger.peak) <= budget);
    weir_table_close(table);
    weir_model_free(model);
    weir_ctx_destroy(ctx);
    return status;
}

static int64_t named_budget(const char *message)
{
    const char *end = strstr(message, " would do"), *start = end;
    if (!end) {
        fail_msg("no budget is named: '%s'", message);
    }
    for (int blanks = 0; start > message && blanks < 2; start--) {
        blanks += start[-1] == ' ';
    }
    char number[64];
    snprintf(number, sizeof number, "%.*s", (int)(end - start - 1), start + 1);
    int64_t bytes = 0;
    if (w_parse_bytes(number, &bytes) != 0) {
        fail_msg("'%s' is not a size in '%s'", number, message);
    }
    return bytes;
}

/* Budgets grow by a third until two in a row do. */
static void test_a_budget_too_small_names_one_that_does(void **state)
{
    (void)state;
    static const char *const formula[] = { "y ~ s(x)", "y ~ s(x, bs = 'cr', k = 20) + te(x, z) + g",
                                           "y ~ s(x, z, k = 40) + s(h, bs = 're')", "y ~ s(x, by = g) + z" };
    place *p = make_place();
    int named[3] = { 0 };
    char message[1024];
    for (size_t f = 0; f < sizeof formula / sizeof *formula; f++) {
        fit_and_save(p, formula[f]);
        for (act what = PREDICT; what < ACTS; what++) {
            int threads = 1 + (int)(f + what) % 3, stage, good = 0;
            for (int64_t budget = 96 << 10; good < 2; budget += budget / 3) {
                assert_true(budget < (int64_t)64 << 20);
                weir_status status = run(p, what, threads, budget, &stage, message);
                good = status == WEIR_OK ? good + 1 : 0;
                if (status == WEIR_OK || (stage == 1 && status == WEIR_E_BUDGET)) { /* a table knows no model */
                    continue;
                }
                if (status != WEIR_E_BUDGET) {
                    fail_msg("%s, %lld bytes: status %d, %s", formula[f], (long long)budget, status, message);
                }
                int64_t enough = named_budget(message);
                int reached, before = stage;
                named[stage]++;
                assert_true(enough > budget);
                status = run(p, what, threads, enough, &reached, message);
                if (status < 0 && reached <= before) {
                    fail_msg("%s, act %d, %d threads: %lld bytes were said to do after %lld, stage %d: %s", formula[f], (int)what,
                             threads, (long long)enough, (long long)budget, reached, message);
                }
            }
        }
    }
    assert_true(named[0] >= 8 && named[2] >= 8);
    test_folder_remove(p->folder);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_a_budget_too_small_names_one_that_does) };
    return cmocka_run_group_tests_name("row budget", tests, NULL, NULL);
}
