/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/blas.h"
#include "base/ctx.h"

typedef struct job {
    weir_ctx *ctx;
    _Atomic int runs[1000];
    _Atomic int bad_worker;
    int64_t fail_from;
    weir_status remark;
} job;

static weir_status count_run(void *arg, int64_t task, int worker)
{
    job *j = arg;
    atomic_fetch_add(&j->runs[task], 1);
    if (worker < 0 || worker >= w_pool_workers(j->ctx) || worker != w_pool_current_worker(j->ctx) ||
        w_pool_current_task(j->ctx) != task) {
        atomic_store(&j->bad_worker, 1);
    }
    return WEIR_OK;
}

static void every_task_runs_once(void **state)
{
    for (int threads = 1; threads <= 5; threads++) {
        weir_ctx *ctx = test_ctx(*state, threads, 0);
        assert_int_equal(w_pool_workers(ctx), threads);
        job j = { .ctx = ctx };
        for (int round = 0; round < 50; round++) {
            assert_int_equal(w_pool_run(ctx, 1000, count_run, &j), WEIR_OK);
        }
        for (int i = 0; i < 1000; i++) {
            assert_int_equal(atomic_load(&j.runs[i]), 50);
        }
        if (threads > 1) {
            assert_int_equal(atomic_load(&j.bad_worker), 0);
        }
        assert_int_equal(w_pool_current_task(ctx), -1);
        assert_int_equal(w_pool_run(ctx, 0, count_run, &j), WEIR_OK);
        weir_ctx_destroy(ctx);
    }
}

static weir_status fail_late(void *arg, int64_t task, int worker)
{
    (void)worker;
    job *j = arg;
    if (task < j->fail_from) {
        return j->remark;
    }
    /* the first to fail is the slowest, so that a later one is recorded before it */
    usleep(task == j->fail_from ? 3000 : 0);
    return w_fail(j->ctx, task % 2 ? WEIR_E_DATA : WEIR_E_NUMERIC, "task %d", (int)task);
}

static void the_lowest_failure_wins_whatever_the_threads(void **state)
{
    for (int threads = 1; threads <= 4; threads++) {
        weir_ctx *ctx = test_ctx(*state, threads, 0);
        for (int64_t from = 0; from < 20; from++) {
            job j = { .ctx = ctx, .fail_from = from, .remark = WEIR_REFINED };
            w_message_clear(ctx);
            assert_int_equal(w_pool_run(ctx, 40, fail_late, &j), from % 2 ? WEIR_E_DATA : WEIR_E_NUMERIC);
            char expected[32];
            snprintf(expected, sizeof expected, "task %d", (int)from);
            assert_string_equal(weir_ctx_message(ctx), expected);
        }
        job j = { .ctx = ctx, .fail_from = 1000, .remark = WEIR_REFINED };
        assert_int_equal(w_pool_run(ctx, 40, fail_late, &j), WEIR_REFINED);
        weir_ctx_destroy(ctx);
    }
}

static weir_status nested(void *arg, int64_t task, int worker)
{
    (void)task;
    (void)worker;
    job *inner = arg;
    weir_status status = w_pool_run(inner->ctx, 10, fail_late, inner);
    return status;
}

static void a_call_from_inside_a_task_runs_serially(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 3, 0);
    job j = { .ctx = ctx, .fail_from = 1000, .remark = WEIR_OK };
    assert_int_equal(w_pool_run(ctx, 30, nested, &j), WEIR_OK);
    j.fail_from = 4;
    assert_int_equal(w_pool_run(ctx, 30, nested, &j), WEIR_E_NUMERIC);
    weir_ctx_destroy(ctx);
}

static weir_status allocate(void *arg, int64_t task, int worker)
{
    (void)worker;
    job *j = arg;
    void *block = w_alloc(j->ctx, task % 2 ? "odd" : "even", (size_t)(task + 1) * 10);
    if (!block) {
        return w_alloc_status(j->ctx);
    }
    memset(block, 1, (size_t)(task + 1) * 10);
    w_free(j->ctx, block);
    return WEIR_OK;
}

static void the_ledger_is_exact_under_threads(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 4, 0);
    int64_t in_use = atomic_load(&ctx->ledger.in_use);
    job j = { .ctx = ctx };
    for (int round = 0; round < 20; round++) {
        assert_int_equal(w_pool_run(ctx, 500, allocate, &j), WEIR_OK);
    }
    assert_int_equal(atomic_load(&ctx->ledger.in_use), in_use);
    for (int i = 0; i < ctx->ledger.tag_count; i++) {
        if (strcmp(ctx->ledger.tag[i].tag, "odd") == 0 || strcmp(ctx->ledger.tag[i].tag, "even") == 0) {
            assert_int_equal(ctx->ledger.tag[i].in_use, 0);
        }
    }
    weir_ctx_destroy(ctx);
}

static int64_t cancel_after;

static int cancel_when_due(void *user)
{
    int64_t *asked = user;
    return ++*asked > cancel_after;
}

static weir_status poll(void *arg, int64_t task, int worker)
{
    (void)task;
    (void)worker;
    return w_check_cancel(((job *)arg)->ctx);
}

static void cancelling_stops_all_workers(void **state)
{
    (void)state;
    int64_t asked = 0;
    cancel_after = 0;
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 3;
    options.cancel = cancel_when_due;
    options.user = &asked;
    weir_ctx *ctx;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    job j = { .ctx = ctx };
    assert_int_equal(w_check_cancel(ctx), WEIR_E_CANCELLED);
    assert_int_equal(w_pool_run(ctx, 100, poll, &j), WEIR_E_CANCELLED);
    cancel_after = 1000000;
    w_message_clear(ctx);
    assert_int_equal(w_pool_run(ctx, 100, poll, &j), WEIR_OK);
    weir_ctx_destroy(ctx);
}

static weir_status multiply(void *arg, int64_t task, int worker)
{
    (void)worker;
    double *sums = arg;
    enum { N = 60 };
    double a[N * N], c[N * N], one = 1, zero = 0;
    for (int i = 0; i < N * N; i++) {
        a[i] = (double)((i * 37 + task * 11) % 101) - 50;
    }
    w_blas_int n = N;
    dgemm_("N", "T", &n, &n, &n, &one, a, &n, a, &n, &zero, c, &n);
    for (int i = 0; i < N * N; i++) {
        sums[task] += c[i];
    }
    return WEIR_OK;
}

static void blas_in_tasks_gives_the_same_bits(void **state)
{
    double first[64] = { 0 };
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(*state, threads, 0);
        double sums[64] = { 0 };
        assert_int_equal(w_pool_run(ctx, 64, multiply, sums), WEIR_OK);
        if (threads == 1) {
            memcpy(first, sums, sizeof sums);
        }
        assert_memory_equal(first, sums, sizeof sums);
        weir_ctx_destroy(ctx);
    }
}

static void refused_arguments(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    w_pool *pool = NULL;
    assert_int_equal(w_pool_create(ctx, 0, &pool), WEIR_E_ARG);
    assert_null(pool);
    w_ledger_fail_at(ctx, 1, 0);
    assert_int_equal(w_pool_create(ctx, 2, &pool), WEIR_E_MEMORY);
    assert_null(pool);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once),
        cmocka_unit_test(the_lowest_failure_wins_whatever_the_threads),
        cmocka_unit_test(a_call_from_inside_a_task_runs_serially),
        cmocka_unit_test(the_ledger_is_exact_under_threads),
        cmocka_unit_test(cancelling_stops_all_workers),
        cmocka_unit_test(blas_in_tasks_gives_the_same_bits),
        cmocka_unit_test(refused_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
