/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that runs out while a fit runs: the answer has the same bits, or a status says what would do; nothing is left behind. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "support/folder.h"
#include "support/named_budget.h"
#include "weir/weir.h"

#define COLUMNS 4
#define ROWS 40000

typedef enum source { MEMORY, CSV } source;

typedef struct place {
    char folder[TEST_FOLDER_BYTES], csv[TEST_FOLDER_BYTES + 16];
    double column[COLUMNS][ROWS]; /* y, x, z, c */
} place;

static const char *const names[COLUMNS] = { "y", "x", "z", "c" };

static place *make_place(void)
{
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_int_equal(test_folder_make(p->folder), 0);
    snprintf(p->csv, sizeof p->csv, "%s/rows.csv", p->folder);
    FILE *file = fopen(p->csv, "w");
    assert_non_null(file);
    fputs("y,x,z,c\n", file);
    w_rng rng;
    w_rng_seed(&rng, 11);
    for (int i = 0; i < ROWS; i++) {
        double x = floor(1e5 * w_rng_uniform(&rng)) / 1e5, z = floor(1e5 * w_rng_uniform(&rng)) / 1e5;
        double y = floor(1e5 * (sin(6 * x) + z * z + 0.3 * w_rng_normal(&rng))) / 1e5;
        p->column[0][i] = y;
        p->column[1][i] = x;
        p->column[2][i] = z;
        p->column[3][i] = (double)w_rng_below(&rng, 2 + (int)(3 * exp(sin(6 * x))));
        fprintf(file, "%.7g,%.7g,%.7g,%.7g\n", y, x, z, p->column[3][i]);
    }
    assert_int_equal(fclose(file), 0);
    return p;
}

static void drop_place(place *p)
{
    test_folder_remove(p->folder);
    free(p);
}

#define MOST_COLUMNS 1200

typedef struct job {
    const char *formula, *family;
    const double *sp; /* fixed smoothing parameters */
    int32_t sp_count;
    source from;
    int64_t fit_rows; /* in memory */
    int diagnostics;
    const place *place;
    /* results of the last fit */
    double beta[MOST_COLUMNS];
    int64_t columns;
    weir_plan plan;
    int fits, recovered;
} job;

static weir_status open_table(weir_ctx *ctx, const job *j, weir_table **out)
{
    if (j->from == CSV) {
        const char *path[1] = { j->place->csv };
        return weir_table_open(ctx, 1, path, NULL, out);
    }
    weir_column column[COLUMNS];
    for (int c = 0; c < COLUMNS; c++) {
        column[c] = (weir_column){ names[c], WEIR_F64, j->place->column[c], 0, 0, NULL };
    }
    return weir_table_from_columns(ctx, j->fit_rows, COLUMNS, column, out);
}

/* The table is opened with the allocations as they are, so that what fails is the fit. */
static weir_status fit(weir_ctx *ctx, weir_table *table, job *j)
{
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    options.family = j->family;
    options.diagnostics = j->diagnostics;
    options.sp = j->sp;
    options.sp_count = j->sp_count;
    weir_model *model = NULL;
    weir_status status = weir_fit(ctx, table, j->formula, &options, &model);
    if (status >= 0) {
        weir_summary summary;
        const double *beta;
        j->columns = weir_model_coefficients(model, &beta, NULL);
        assert_in_range(j->columns, 1, MOST_COLUMNS);
        memcpy(j->beta, beta, (size_t)j->columns * sizeof *beta);
        weir_model_summary(model, &summary);
        j->plan = *summary.plan;
        j->fits++;
        j->recovered += summary.plan->recovery_count > 0;
    }
    weir_model_free(model);
    return status;
}

static weir_status whole(weir_ctx *ctx, void *arg)
{
    job *j = arg;
    weir_table *table = NULL;
    weir_status status = open_table(ctx, j, &table);
    status = status < 0 ? status : fit(ctx, table, j);
    weir_table_close(table);
    return status;
}

static weir_ctx *make_ctx(int threads, int64_t budget)
{
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = threads;
    options.memory_budget = budget;
    options.device = "cpu";
    weir_ctx *ctx = NULL;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    return ctx;
}

/* Runs the job once with allocation k failing; false when it was not met. */
static bool run_failing(weir_ctx *ctx, job *j, const job *truth, int64_t k, int for_ever)
{
    w_ledger *ledger = &ctx->ledger;
    int64_t in_use = atomic_load(&ledger->in_use), blocks = atomic_load(&ledger->live_blocks);
    w_message_clear(ctx);
    w_ledger_fail_at(ctx, k, for_ever);
    weir_status status = whole(ctx, j);
    bool met = atomic_load(&ledger->fail_counter) >= k;
    w_ledger_fail_at(ctx, 0, 0);
    if (status < 0 && status != WEIR_E_MEMORY && status != WEIR_E_BUDGET) {
        fail_msg("allocation %lld: %s, %s", (long long)k, weir_status_name(status), weir_ctx_message(ctx));
    }
    assert_true(status >= 0 || weir_ctx_message(ctx)[0] != '\0');
    assert_true(status < 0 || (j->columns == truth->columns && memcmp(j->beta, truth->beta, sizeof(double) * (size_t)j->columns) == 0));
    assert_int_equal(atomic_load(&ledger->faults), 0);
    assert_int_equal(atomic_load(&ledger->in_use), in_use);
    assert_int_equal(atomic_load(&ledger->live_blocks), blocks);
    assert_null(ctx->recover);
    assert_false(ctx->lean);
    assert_int_equal(w_pool_workers(ctx), ctx->threads);
    return met;
}

/* Once: all but the allocations of opening the table are made good. For ever: a status, or the answer where what failed was not
 * needed; nothing is left. */
static void fail_each(const job *what, int threads, int64_t stride)
{
    weir_ctx *ctx = make_ctx(threads, (int64_t)256 << 20);
    job truth = *what, j = *what;
    if (whole(ctx, &truth) < 0) {
        fail_msg("%s: %s", what->formula, weir_ctx_message(ctx));
    }
    assert_int_equal(truth.plan.recovery_count, 0);
    int64_t runs = 0;
    for (int64_t k = 1; run_failing(ctx, &j, &truth, k, 0); k += stride) {
        runs++;
    }
    int opening = (int)runs - j.recovered;
    if (j.recovered * 10 < runs * 7) {
        fail_msg("%s: of %d failures %d were made good, %d met no plan", what->formula, (int)runs, j.recovered, opening);
    }
    for (int64_t k = 1; run_failing(ctx, &j, &truth, k, 1); k += 3 * stride) {
    }
    weir_ctx_destroy(ctx);
}

static void test_each_allocation_fails_once_and_for_ever(void **state)
{
    (void)state;
    place *p = make_place();
    fail_each(&(job){ .formula = "y ~ s(x, k = 6, bs = 'cr') + z", .from = MEMORY, .fit_rows = 3000, .place = p }, 1, 2);
    fail_each(&(job){ .formula = "y ~ s(x, k = 5) + z", .from = MEMORY, .fit_rows = 9000, .diagnostics = 1, .place = p }, 3, 3);
    fail_each(&(job){ .formula = "y ~ s(x, k = 6, bs = 'cr') + z", .from = CSV, .place = p }, 2, 7);
    fail_each(&(job){ .formula = "c ~ s(x, k = 6, bs = 'cr')", .family = "poisson", .from = MEMORY, .fit_rows = 5000, .place = p }, 2, 23);
    drop_place(p);
}

/* ---- capacity that shrinks while the fit runs ---------------------------------------------------------------------- */

typedef struct shrink {
    weir_ctx *ctx;
    int64_t calls, at, to;
} shrink;

static int shrink_now(void *user, const weir_progress *progress)
{
    (void)progress;
    shrink *s = user;
    if (++s->calls == s->at) {
        s->ctx->ledger.budget = s->to;
    }
    return 0;
}

static void shrinking(const job *what, int threads)
{
    weir_ctx *first = make_ctx(threads, (int64_t)256 << 20);
    job truth = *what;
    assert_int_equal(whole(first, &truth), WEIR_OK);
    weir_ctx_destroy(first);
    int made_good = 0, refused = 0;
    for (int64_t at = 1; at <= 16; at += 3) {
        for (int64_t to = (int64_t)1 << 18; to <= (int64_t)64 << 20; to *= 2) {
            shrink s = { NULL, 0, at, to };
            weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
            options.threads = threads;
            options.memory_budget = (int64_t)256 << 20;
            options.device = "cpu";
            options.progress = shrink_now;
            options.user = &s;
            assert_int_equal(weir_ctx_create(&options, &s.ctx), WEIR_OK);
            s.ctx->progress_state.interval = 0;
            job j = *what;
            weir_status status = whole(s.ctx, &j);
            if (status >= 0) {
                assert_memory_equal(j.beta, truth.beta, sizeof(double) * (size_t)truth.columns);
                made_good += j.recovered;
            } else {
                if (status != WEIR_E_BUDGET) {
                    fail_msg("%s: %s", weir_status_name(status), weir_ctx_message(s.ctx));
                }
                int64_t enough = test_named_budget(weir_ctx_message(s.ctx));
                refused++;
                if (enough > 0) {
                    weir_ctx *again = make_ctx(threads, enough);
                    if (whole(again, &j) < 0) {
                        fail_msg("%lld bytes were said to do: %s (%s; at %d to %lld)", (long long)enough, weir_ctx_message(again),
                                 weir_ctx_message(s.ctx), (int)at, (long long)to);
                    }
                    assert_memory_equal(j.beta, truth.beta, sizeof(double) * (size_t)truth.columns);
                    weir_ctx_destroy(again);
                }
            }
            weir_ctx_destroy(s.ctx);
        }
    }
    if (getenv("WEIR_TEST_TAGS")) {
        print_message("%s: %d made good, %d refused\n", what->formula, made_good, refused);
    }
    assert_true(refused > 0);
    assert_true(made_good > 0);
}

static void test_capacity_shrinks_while_running(void **state)
{
    (void)state;
    place *p = make_place();
    shrinking(&(job){ .formula = "y ~ s(x, bs = 'cr', k = 20) + s(z, bs = 'cr', k = 20)", .from = CSV, .place = p }, 3);
    shrinking(&(job){ .formula = "c ~ s(x, bs = 'cr', k = 8)", .family = "poisson", .from = CSV, .place = p }, 2);
    drop_place(p);
}

/* ---- another route ------------------------------------------------------------------------------------------------- */

static bool took(const weir_plan *plan, const char *step)
{
    for (int i = 0; i < plan->recovery_count; i++) {
        if (strcmp(plan->recovery[i].step, step) == 0) {
            return true;
        }
    }
    return false;
}

/* More than 1000 columns whose p x p system no longer fits: conjugate gradients, the answer to 1e-8 of the largest coefficient (their
 * tolerance is 1e-10, on the residual). The order of the steps is that of plan/recovery.h. */
static void test_a_dense_system_becomes_products(void **state)
{
    (void)state;
    static const double sp[2] = { 1.0, 1.0 };
    place *p = make_place();
    const job what = { .formula = "y ~ s(x, bs = 'cr', k = 520) + s(z, bs = 'cr', k = 520)", .sp = sp, .sp_count = 2, .from = MEMORY, .fit_rows = 9000, .place = p };
    job *truth = malloc(sizeof *truth), *j = malloc(sizeof *j);
    assert_non_null(truth);
    assert_non_null(j);
    *truth = what;
    weir_ctx *ctx = make_ctx(2, (int64_t)1 << 30);
    assert_int_equal(whole(ctx, truth), WEIR_OK);
    assert_string_equal(truth->plan.route, "normal-equations/cholesky");
    weir_ctx_destroy(ctx);
    double largest = 0;
    for (int64_t c = 0; c < truth->columns; c++) {
        largest = fmax(largest, fabs(truth->beta[c]));
    }
    int taken = 0;
    for (int64_t to = (int64_t)24 << 20; to <= (int64_t)48 << 20; to *= 2) {
        shrink s = { NULL, 0, 2, to };
        weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
        options.threads = 2;
        options.memory_budget = (int64_t)1 << 30;
        options.device = "cpu";
        options.progress = shrink_now;
        options.user = &s;
        assert_int_equal(weir_ctx_create(&options, &s.ctx), WEIR_OK);
        s.ctx->progress_state.interval = 0;
        *j = what;
        weir_status status = whole(s.ctx, j);
        if (status < 0) { /* less than the compiled model holds */
            assert_int_equal(status, WEIR_E_BUDGET);
            assert_true(test_named_budget(weir_ctx_message(s.ctx)) > to);
            assert_non_null(strstr(weir_ctx_message(s.ctx), "conjugate gradients"));
            weir_ctx_destroy(s.ctx);
            continue;
        }
        for (int64_t c = 0; c < j->columns; c++) {
            assert_true(fabs(j->beta[c] - truth->beta[c]) <= 1e-8 * largest);
        }
        if (took(&j->plan, "iterative")) {
            taken++;
            assert_string_equal(j->plan.route, "matrix-free/cg");
        }
        weir_ctx_destroy(s.ctx);
    }
    assert_true(taken > 0);
    free(truth);
    free(j);
    drop_place(p);
}

/* A dense system that fits with fewer threads is not left to conjugate gradients. */
static void test_fewer_threads_come_before_products(void **state)
{
    (void)state;
    place *p = make_place();
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_plan plan;
    int fewer = 0, products = 0;
    for (int64_t budget = (int64_t)400 << 20; budget >= (int64_t)16 << 20; budget -= budget / 24) {
        weir_ctx *ctx = make_ctx(8, budget);
        weir_table *table = NULL;
        const job j = { .from = MEMORY, .fit_rows = ROWS, .place = p };
        assert_int_equal(open_table(ctx, &j, &table), WEIR_OK);
        weir_status status = weir_plan_fit(ctx, table, "y ~ s(x, bs = 'cr', k = 520) + s(z, bs = 'cr', k = 520)", &options, &plan);
        if (status >= 0) {
            const bool dense = strcmp(plan.route, "normal-equations/cholesky") == 0;
            assert_false(dense && products > 0); /* once it does not fit, it does not with less either */
            fewer += dense && plan.threads < 8;
            products += !dense;
        }
        weir_table_close(table);
        weir_ctx_destroy(ctx);
    }
    assert_true(fewer > 0);
    assert_true(products > 0);
    drop_place(p);
}

/* ---- predictions and checks ----------------------------------------------------------------------------------------- */

typedef struct reading {
    weir_model *model;
    const place *place;
    double *fitted;
    int64_t next;
    bool in_order;
    int done;
} reading;

static int take_rows(void *user, int64_t first, int64_t rows, const double *values)
{
    reading *r = user;
    r->in_order = r->in_order && first == r->next;
    assert_true(first + rows <= ROWS);
    memcpy(r->fitted + first, values, (size_t)rows * sizeof *values);
    r->next = first + rows;
    return 0;
}

static weir_status predict_csv(weir_ctx *ctx, void *arg)
{
    reading *r = arg;
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    const char *path[1] = { r->place->csv };
    weir_table *table = NULL;
    r->next = 0;
    r->in_order = true;
    weir_status status = weir_table_open(ctx, 1, path, NULL, &table);
    status = status < 0 ? status : weir_predict(ctx, r->model, table, &options, take_rows, r);
    weir_table_close(table);
    r->done += status >= 0;
    assert_true(r->in_order);
    assert_true(status < 0 || r->next == ROWS);
    return status;
}

/* Every row arrives once, in order, with the same bits. */
static void test_predictions_go_on(void **state)
{
    (void)state;
    place *p = make_place();
    weir_ctx *ctx = make_ctx(3, (int64_t)256 << 20);
    weir_table *table = NULL;
    const char *path[1] = { p->csv };
    reading r = { .place = p, .fitted = calloc(ROWS, sizeof(double)) };
    double *expected = calloc(ROWS, sizeof *expected);
    assert_int_equal(weir_table_open(ctx, 1, path, NULL, &table), WEIR_OK);
    assert_int_equal(weir_fit(ctx, table, "y ~ s(x, k = 6) + z", NULL, &r.model), WEIR_OK);
    weir_table_close(table);
    assert_int_equal(predict_csv(ctx, &r), WEIR_OK);
    memcpy(expected, r.fitted, ROWS * sizeof *expected);
    int64_t runs = 0;
    r.done = 0;
    for (int64_t k = 1;; k++) {
        memset(r.fitted, 0, ROWS * sizeof *expected);
        w_message_clear(ctx);
        w_ledger_fail_at(ctx, k, 0);
        weir_status status = predict_csv(ctx, &r);
        bool met = atomic_load(&ctx->ledger.fail_counter) >= k;
        w_ledger_fail_at(ctx, 0, 0);
        assert_true(status >= 0 || status == WEIR_E_MEMORY);
        if (status >= 0) {
            assert_memory_equal(r.fitted, expected, ROWS * sizeof *expected);
        }
        if (!met) {
            break;
        }
        runs++;
    }
    assert_true((r.done - 1) * 10 >= runs * 5);
    weir_model_free(r.model);
    weir_ctx_destroy(ctx);
    free(r.fitted);
    free(expected);
    drop_place(p);
}

/* ---- one route, every budget --------------------------------------------------------------------------------------- */

static void test_ladder_of_budgets(void **state)
{
    (void)state;
    place *p = make_place();
    job truth = { .formula = "y ~ s(x, bs = 'cr', k = 20) + s(z, k = 9)", .from = CSV, .place = p };
    weir_ctx *ctx = make_ctx(4, (int64_t)1 << 30);
    assert_int_equal(whole(ctx, &truth), WEIR_OK);
    weir_ctx_destroy(ctx);
    int done = 0, fewer = 0;
    int64_t least = 0;
    for (int64_t budget = (int64_t)1 << 20; budget <= (int64_t)1 << 30; budget += budget / 4) {
        job j = truth;
        ctx = make_ctx(4, budget);
        weir_status status = whole(ctx, &j);
        int64_t enough = status < 0 ? test_named_budget(weir_ctx_message(ctx)) : 0, peak = atomic_load(&ctx->ledger.peak);
        assert_true(status >= 0 || status == WEIR_E_BUDGET);
        assert_true(peak <= budget);
        weir_ctx_destroy(ctx);
        if (status < 0) {
            assert_true(enough > budget);
            least = enough;
            ctx = make_ctx(4, enough);
            assert_int_equal(whole(ctx, &j), WEIR_OK);
            fewer += j.plan.threads < 4;
            weir_ctx_destroy(ctx);
        }
        done += status >= 0;
        assert_true(status >= 0 || enough == least);
        assert_memory_equal(j.beta, truth.beta, sizeof(double) * (size_t)truth.columns);
    }
    assert_true(done > 0);
    assert_true(fewer > 0);
    drop_place(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_fails_once_and_for_ever),
        cmocka_unit_test(test_capacity_shrinks_while_running),
        cmocka_unit_test(test_a_dense_system_becomes_products),
        cmocka_unit_test(test_fewer_threads_come_before_products),
        cmocka_unit_test(test_predictions_go_on),
        cmocka_unit_test(test_ladder_of_budgets),
    };
    return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
