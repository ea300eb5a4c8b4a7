/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that runs out while groups are fitted: the same bits, or a status with a budget that does; nothing is left behind and no
 * row counts twice. */
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

#define ROWS 9000
#define GROUPS 160
#define COLUMNS 4
#define FREE_BYTES ((int64_t)256 << 20)

typedef struct place {
    char folder[TEST_FOLDER_BYTES], csv[TEST_FOLDER_BYTES + 16];
    double column[COLUMNS][ROWS]; /* y, x, g, n */
} place;

static place *make_place(void)
{
    place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    assert_int_equal(test_folder_make(p->folder), 0);
    snprintf(p->csv, sizeof p->csv, "%s/rows.csv", p->folder);
    FILE *file = fopen(p->csv, "w");
    assert_non_null(file);
    fputs("y,x,g,n\n", file);
    w_rng rng;
    w_rng_seed(&rng, 77);
    for (int i = 0; i < ROWS; i++) {
        p->column[1][i] = floor(1e5 * w_rng_uniform(&rng)) / 1e5;
        p->column[2][i] = (double)w_rng_below(&rng, GROUPS);
        p->column[0][i] = floor(1e5 * (sin(6 * p->column[1][i]) + 0.1 * p->column[2][i] + 0.3 * w_rng_normal(&rng))) / 1e5;
        p->column[3][i] = (double)w_rng_below(&rng, 2 + (int)(3 * exp(sin(6 * p->column[1][i]))));
        fprintf(file, "%.7g,%.7g,%.7g,%.7g\n", p->column[0][i], p->column[1][i], p->column[2][i], p->column[3][i]);
    }
    assert_int_equal(fclose(file), 0);
    return p;
}

static void drop_place(place *p)
{
    test_folder_remove(p->folder);
    free(p);
}

typedef struct job {
    const place *place;
    int csv, each, poisson, threads;
    /* of the last fit */
    int64_t rows, columns, in_flight;
    double beta[GROUPS][16];
    int done, recovered;
} job;

static weir_ctx *make_ctx(int threads, int64_t budget, weir_progress_fn progress, void *user)
{
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = threads;
    options.memory_budget = budget;
    options.device = "cpu";
    options.progress = progress;
    options.user = user;
    weir_ctx *ctx = NULL;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    return ctx;
}

static weir_status whole(weir_ctx *ctx, job *j)
{
    static const char *const names[COLUMNS] = { "y", "x", "g", "n" };
    weir_table_options options = WEIR_TABLE_OPTIONS_INIT;
    weir_groups_options how = WEIR_GROUPS_OPTIONS_INIT;
    weir_table *table = NULL;
    weir_groups *groups = NULL;
    const char *path[1] = { j->place->csv };
    weir_column column[COLUMNS];
    int32_t code[ROWS];
    const char *level[GROUPS];
    char text[GROUPS][8];
    options.factors = "g";
    how.column = "g";
    how.each = j->each;
    weir_status status;
    if (j->csv) {
        status = weir_table_open(ctx, 1, path, &options, &table);
    } else {
        for (int g = 0; g < GROUPS; g++) {
            snprintf(text[g], sizeof text[g], "%d", g);
            level[g] = text[g];
        }
        for (int i = 0; i < ROWS; i++) {
            code[i] = (int32_t)j->place->column[2][i];
        }
        column[0] = (weir_column){ names[0], WEIR_F64, j->place->column[0], 0, 0, NULL };
        column[1] = (weir_column){ names[1], WEIR_F64, j->place->column[1], 0, 0, NULL };
        column[2] = (weir_column){ names[2], WEIR_I32, code, 0, GROUPS, level };
        column[3] = (weir_column){ names[3], WEIR_F64, j->place->column[3], 0, 0, NULL };
        status = weir_table_from_columns(ctx, ROWS, COLUMNS, column, &table);
    }
    weir_fit_options model = WEIR_FIT_OPTIONS_INIT;
    model.family = j->poisson ? "poisson" : NULL;
    const char *formula = j->poisson ? "n ~ s(x, bs = 'cr', k = 6)" : "y ~ s(x, bs = 'cr', k = 10)";
    status = status < 0 ? status : weir_fit_groups(ctx, table, formula, &model, &how, &groups);
    if (status >= 0) {
        weir_groups_summary summary;
        assert_int_equal(weir_groups_summarise(groups, &summary), WEIR_OK);
        j->rows = summary.n;
        j->columns = summary.columns;
        j->in_flight = summary.in_flight;
        j->done++;
        j->recovered += summary.recovery_count > 0;
        for (int64_t g = 0; g < summary.groups; g++) {
            weir_group group;
            assert_int_equal(weir_groups_get(groups, g, &group), WEIR_OK);
            const int64_t number = strtol(group.name, NULL, 10);
            assert_in_range(number, 0, GROUPS - 1);
            memcpy(j->beta[number], group.beta, (size_t)summary.columns * sizeof(double));
        }
    }
    weir_groups_free(groups);
    weir_table_close(table);
    return status;
}

static void assert_same(const job *a, const job *b)
{
    assert_int_equal(a->rows, ROWS);
    assert_int_equal(a->columns, b->columns);
    for (int g = 0; g < GROUPS; g++) {
        assert_memory_equal(a->beta[g], b->beta[g], (size_t)b->columns * sizeof(double));
    }
}

static job truth_of(const job *what)
{
    job truth = *what;
    weir_ctx *ctx = make_ctx(what->threads, FREE_BYTES, NULL, NULL);
    assert_int_equal(whole(ctx, &truth), WEIR_OK);
    assert_int_equal(truth.recovered, 0);
    weir_ctx_destroy(ctx);
    return truth;
}

static void fail_each(const job *what, int64_t stride)
{
    const job truth = truth_of(what);
    weir_ctx *ctx = make_ctx(what->threads, FREE_BYTES, NULL, NULL);
    w_ledger *ledger = &ctx->ledger;
    int runs = 0;
    job j = *what;
    assert_int_equal(whole(ctx, &j), WEIR_OK); /* devices are looked for once */
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (int64_t k = 1, met = 1; met; k += stride * (1 + 4 * for_ever)) {
            const int64_t in_use = atomic_load(&ledger->in_use), blocks = atomic_load(&ledger->live_blocks);
            w_message_clear(ctx);
            w_ledger_fail_at(ctx, k, for_ever);
            const weir_status status = whole(ctx, &j);
            met = atomic_load(&ledger->fail_counter) >= k;
            w_ledger_fail_at(ctx, 0, 0);
            if (status < 0 && status != WEIR_E_MEMORY && status != WEIR_E_BUDGET) {
                fail_msg("allocation %d: %s, %s", (int)k, weir_status_name(status), weir_ctx_message(ctx));
            }
            assert_true(status >= 0 || weir_ctx_message(ctx)[0] != '\0');
            if (status >= 0) {
                assert_same(&j, &truth);
            }
            assert_int_equal(atomic_load(&ledger->in_use), in_use);
            assert_int_equal(atomic_load(&ledger->live_blocks), blocks);
            assert_int_equal(atomic_load(&ledger->faults), 0);
            assert_null(ctx->recover);
            assert_int_equal(w_pool_workers(ctx), ctx->threads);
            runs += !for_ever;
        }
    }
    if (j.recovered * 10 < runs * 7) {
        fail_msg("of %d failures %d were made good", runs, j.recovered);
    }
    weir_ctx_destroy(ctx);
}

static void test_each_allocation_fails_once_and_for_ever(void **state)
{
    (void)state;
    place *p = make_place();
    fail_each(&(job){ .place = p, .threads = 2 }, 7);
    fail_each(&(job){ .place = p, .threads = 2, .csv = 1, .each = 1 }, 43);
    fail_each(&(job){ .place = p, .threads = 2, .poisson = 1 }, 29);
    drop_place(p);
}

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

static void check_refusal(const job *what, const job *truth, weir_status status, const char *message)
{
    if (status != WEIR_E_BUDGET) {
        fail_msg("%s: %s", weir_status_name(status), message);
    }
    const int64_t enough = test_named_budget(message);
    if (enough > 0) {
        job j = *what;
        weir_ctx *ctx = make_ctx(what->threads, enough, NULL, NULL);
        if (whole(ctx, &j) < 0) {
            fail_msg("%lld bytes were said to do: %s (%s)", (long long)enough, weir_ctx_message(ctx), message);
        }
        assert_true(atomic_load(&ctx->ledger.peak) <= enough);
        assert_same(&j, truth);
        weir_ctx_destroy(ctx);
    }
}

static void test_capacity_shrinks_while_running(void **state)
{
    (void)state;
    place *p = make_place();
    int made_good = 0, refused = 0;
    for (int each = 0; each < 2; each++) {
        const job what = { .place = p, .csv = 1, .each = each, .threads = 3 };
        const job truth = truth_of(&what);
        for (int64_t at = 1; at <= 10; at += 3) {
            for (int64_t to = (int64_t)1 << 20; to <= (int64_t)16 << 20; to += to / 3) {
                shrink s = { NULL, 0, at, to };
                s.ctx = make_ctx(3, FREE_BYTES, shrink_now, &s);
                s.ctx->progress_state.interval = 0;
                job j = what;
                const weir_status status = whole(s.ctx, &j);
                if (status < 0) {
                    refused++;
                    check_refusal(&what, &truth, status, weir_ctx_message(s.ctx));
                } else {
                    made_good += j.recovered;
                    assert_same(&j, &truth);
                }
                weir_ctx_destroy(s.ctx);
            }
        }
    }
    assert_true(made_good > 0);
    assert_true(refused > 0);
    drop_place(p);
}

static void test_ladder_of_budgets(void **state)
{
    (void)state;
    place *p = make_place();
    int refused = 0;
    for (int each = 0; each < 2; each++) {
        const job what = { .place = p, .csv = 1, .each = each, .threads = 4 };
        const job truth = truth_of(&what);
        for (int64_t budget = (int64_t)1 << 20; budget <= (int64_t)1 << 30; budget += budget / 3) {
            job j = what;
            weir_ctx *ctx = make_ctx(4, budget, NULL, NULL);
            const weir_status status = whole(ctx, &j);
            assert_true(atomic_load(&ctx->ledger.peak) <= budget);
            if (status < 0) {
                refused++;
                assert_true(test_named_budget(weir_ctx_message(ctx)) > budget);
                check_refusal(&what, &truth, status, weir_ctx_message(ctx));
            } else {
                assert_same(&j, &truth);
            }
            weir_ctx_destroy(ctx);
        }
    }
    assert_true(refused > 0);
    drop_place(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_fails_once_and_for_ever),
        cmocka_unit_test(test_capacity_shrinks_while_running),
        cmocka_unit_test(test_ladder_of_budgets),
    };
    return cmocka_run_group_tests_name("group recovery", tests, NULL, NULL);
}
