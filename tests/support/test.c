/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/ctx.h"

weir_ctx *test_ctx(void *state, int threads, int64_t budget)
{
    (void)state;
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = threads;
    options.memory_budget = budget ? budget : (int64_t)1 << 30;
    weir_ctx *ctx = NULL;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    return ctx;
}

/* One run; non-zero when the failure was met. */
static int run_with_failure(weir_ctx *ctx, test_fallible_fn fn, void *arg, int64_t k)
{
    w_ledger *ledger = &ctx->ledger;
    int64_t in_use = atomic_load(&ledger->in_use), blocks = atomic_load(&ledger->live_blocks);
    w_message_clear(ctx);
    w_ledger_fail_at(ctx, k, 0);
    weir_status status = fn(ctx, arg);
    int met = atomic_load(&ledger->fail_counter) >= k;
    w_ledger_fail_at(ctx, 0, 0);
    if (!met && status < 0) {
        fail_msg("no allocation failed, yet the status is %s: %s", weir_status_name(status), weir_ctx_message(ctx));
    }
    if (status < 0 && status != WEIR_E_MEMORY && status != WEIR_E_BUDGET) {
        fail_msg("allocation %lld failed and the status is %s: %s", (long long)k, weir_status_name(status),
                 weir_ctx_message(ctx));
    }
    if (status < 0 && weir_ctx_message(ctx)[0] == '\0') {
        fail_msg("allocation %lld failed without a message", (long long)k);
    }
    assert_int_equal(atomic_load(&ledger->faults), 0);
    if (atomic_load(&ledger->in_use) != in_use || atomic_load(&ledger->live_blocks) != blocks) {
        fail_msg("after the failure of allocation %lld (%s) %lld bytes in %lld blocks were left", (long long)k,
                 weir_status_name(status), (long long)(atomic_load(&ledger->in_use) - in_use),
                 (long long)(atomic_load(&ledger->live_blocks) - blocks));
    }
    return met;
}

int64_t test_some_allocations_fail(weir_ctx *ctx, test_fallible_fn fn, void *arg, int64_t first, int64_t stride)
{
    int64_t k = first;
    while (run_with_failure(ctx, fn, arg, k)) {
        k += stride;
    }
    return k - 1;
}

int64_t test_each_allocation_fails(weir_ctx *ctx, test_fallible_fn fn, void *arg)
{
    return test_some_allocations_fail(ctx, fn, arg, 1, 1);
}
