/* SPDX-License-Identifier: Apache-2.0 */
/* What the progress callback is told, and that stopping a call from it at any moment leaves nothing behind. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "support/folder.h"
#include "weir/weir.h"

#define ROWS 30001
#define FORMULA "y ~ s(x, bs = 'cr') + s(z, bs = 'cr', k = 6)"

typedef struct data {
    double x[ROWS], z[ROWS], y[ROWS];
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
} data;

static data *make_data(void)
{
    data *d = calloc(1, sizeof *d);
    w_rng rng;
    w_rng_seed(&rng, 11);
    assert_int_equal(test_folder_make(d->folder), 0);
    snprintf(d->path, sizeof d->path, "%s/d.csv", d->folder);
    FILE *file = fopen(d->path, "w");
    assert_non_null(file);
    fputs("y,x,z\n", file);
    for (int i = 0; i < ROWS; i++) {
        d->x[i] = floor(1e6 * w_rng_uniform(&rng)) / 1e6;
        d->z[i] = floor(1e6 * w_rng_uniform(&rng)) / 1e6;
        d->y[i] = (double)w_rng_below(&rng, 2 + (int)(3 * exp(sin(6 * d->x[i]))));
        fprintf(file, "%g,%.6f,%.6f\n", d->y[i], d->x[i], d->z[i]);
    }
    assert_int_equal(fclose(file), 0);
    return d;
}

static void free_data(data *d)
{
    test_folder_remove(d->folder);
    free(d);
}

typedef enum source { MEMORY, CSV, CACHED } source;

static weir_table *open_table(weir_ctx *ctx, const data *d, source from)
{
    weir_table *table = NULL;
    const char *path = d->path;
    const weir_column columns[] = { { "y", WEIR_F64, d->y, 0, 0, NULL }, { "x", WEIR_F64, d->x, 0, 0, NULL },
                                    { "z", WEIR_F64, d->z, 0, 0, NULL } };
    assert_int_equal(from == MEMORY ? weir_table_from_columns(ctx, ROWS, 3, columns, &table)
                                    : weir_table_open(ctx, 1, &path, NULL, &table), WEIR_OK);
    return table;
}

typedef struct watch {
    int calls, stop_at; /* 0 = never */
    weir_progress last;
    char first_phase[16], last_phase[16];
    bool seen_scan, seen_fit, seen_smoothing, seen_criterion, seen_left;
} watch;

static int look(void *user, const weir_progress *p)
{
    watch *w = user;
    if (w->calls == 0) {
        snprintf(w->first_phase, sizeof w->first_phase, "%s", p->phase);
    } else {
        assert_true(p->pass >= w->last.pass && p->seconds >= w->last.seconds);
        assert_true(p->pass > w->last.pass || p->done >= w->last.done);
        assert_false(isnan(p->criterion) && !isnan(w->last.criterion));
    }
    assert_true(p->pass >= 1 && (p->passes == 0 || p->passes >= p->pass));
    assert_true(p->total > 0 && p->done >= 0 && p->done <= p->total); /* text is estimated from its head */
    assert_true(isnan(p->seconds_left) || p->seconds_left >= 0);
    w->seen_scan |= strcmp(p->phase, "scan") == 0;
    w->seen_fit |= strcmp(p->phase, "fit") == 0;
    w->seen_smoothing |= strcmp(p->phase, "smoothing") == 0;
    w->seen_criterion |= isfinite(p->criterion);
    w->seen_left |= isfinite(p->seconds_left);
    w->last = *p;
    snprintf(w->last_phase, sizeof w->last_phase, "%s", p->phase);
    w->last.phase = w->last_phase;
    return ++w->calls == w->stop_at;
}

static weir_ctx *listening(watch *w, source from, double interval)
{
    weir_ctx_options how = WEIR_CTX_OPTIONS_INIT;
    how.threads = 2;
    how.memory_budget = (int64_t)(from == CACHED ? 24 : 64) << 20;
    how.progress = w ? look : NULL;
    how.user = w;
    weir_ctx *ctx = NULL;
    assert_int_equal(weir_ctx_create(&how, &ctx), WEIR_OK);
    ctx->progress_state.interval = interval;
    return ctx;
}

static weir_status fit(weir_ctx *ctx, weir_table *table, weir_model **model)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.family = "poisson";
    options.diagnostics = 1;
    return weir_fit(ctx, table, FORMULA, &options, model);
}

static void test_passes_are_told_in_order(void **state)
{
    (void)state;
    data *d = make_data();
    double quiet[64];
    for (source from = MEMORY; from <= CACHED; from++) {
        for (int listens = 0; listens < 2; listens++) {
            watch w = { 0 };
            weir_ctx *ctx = listening(listens ? &w : NULL, from, 0);
            weir_table *table = open_table(ctx, d, from);
            weir_model *model = NULL;
            const double *beta;
            assert_int_equal(fit(ctx, table, &model), WEIR_OK);
            int64_t p = weir_model_coefficients(model, &beta, NULL);
            assert_in_range(p, 10, 64);
            if (!listens && from == MEMORY) {
                memcpy(quiet, beta, (size_t)p * sizeof *beta);
            }
            assert_memory_equal(quiet, beta, (size_t)p * sizeof *beta); /* to the bit */
            if (listens) {
                assert_string_equal(w.first_phase, "scan");
                assert_string_equal(w.last_phase, "diagnostics");
                assert_true(w.seen_scan && w.seen_fit && w.seen_smoothing && w.seen_criterion && w.seen_left);
                assert_true(w.last.pass >= 5 && w.last.done == w.last.total && w.last.total == ROWS);
            }
            weir_model_free(model);
            weir_table_close(table);
            weir_ctx_destroy(ctx);
        }
    }
    free_data(d);
}

static int drop(void *user, int64_t first, int64_t rows, const double *values)
{
    (void)user, (void)first, (void)rows, (void)values;
    return 0;
}

typedef enum act { FIT, PREDICT, CHECK } act;

static weir_status run(act what, weir_ctx *ctx, weir_table *table, weir_model *model)
{
    weir_model *made = NULL;
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    const weir_smooth_check *checks;
    int64_t count;
    options.se = 1;
    weir_status status = what == FIT       ? fit(ctx, table, &made)
                         : what == PREDICT ? weir_predict(ctx, model, table, &options, drop, NULL)
                                           : weir_check(ctx, model, table, WEIR_MISSING_FAIL, &count, &checks);
    assert_true((made != NULL) == (what == FIT && status >= 0));
    weir_model_free(made);
    return status;
}

static void test_stopping_at_any_call_leaves_nothing(void **state)
{
    (void)state;
    data *d = make_data();
    watch w = { 0 };
    for (source from = MEMORY; from <= CACHED; from++) {
        weir_ctx *ctx = listening(&w, from, 0);
        weir_table *table = open_table(ctx, d, from);
        weir_model *model = NULL;
        w = (watch){ 0 };
        assert_int_equal(fit(ctx, table, &model), WEIR_OK);
        weir_table_close(table);
        for (act what = FIT; what <= CHECK; what++) {
            int calls = 0;
            for (int k = 0;; k++) {
                table = open_table(ctx, d, from);
                int64_t before = atomic_load(&ctx->ledger.in_use);
                w = (watch){ .stop_at = k };
                weir_status status = run(what, ctx, table, model);
                if (k == 0) {
                    calls = w.calls;
                    assert_true(calls >= 1);
                } else if (k < calls) {
                    assert_int_equal(status, WEIR_E_CANCELLED);
                    assert_int_equal(w.calls, k);
                }
                weir_table_close(table);
                assert_true(atomic_load(&ctx->ledger.in_use) <= before || what == CHECK);
                if (k > calls) {
                    assert_int_equal(status, WEIR_OK); /* one stop is not remembered in the next call */
                    break;
                }
            }
        }
        weir_model_free(model);
        weir_ctx_destroy(ctx);
    }
    free_data(d);
}

static void test_calls_keep_their_distance(void **state)
{
    (void)state;
    data *d = make_data();
    watch w = { 0 };
    weir_ctx *ctx = listening(&w, CSV, 3600);
    for (int i = 1; i <= 2; i++) { /* one for each call of the library: the interval begins anew */
        weir_table *table = open_table(ctx, d, CSV);
        weir_model *model = NULL;
        w = (watch){ 0 };
        assert_int_equal(fit(ctx, table, &model), WEIR_OK);
        assert_int_equal(w.calls, 1);
        weir_model_free(model);
        weir_table_close(table);
    }
    weir_ctx_destroy(ctx);
    free_data(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes_are_told_in_order),
        cmocka_unit_test(test_stopping_at_any_call_leaves_nothing),
        cmocka_unit_test(test_calls_keep_their_distance),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
