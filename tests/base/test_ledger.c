/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <string.h>

#include "base/arena.h"
#include "base/ctx.h"
#include "base/limits.h"
#include "base/size.h"

static void counters_follow_every_block(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, (int64_t)1 << 20);
    weir_memory_info before, now;
    assert_int_equal(weir_ctx_memory(ctx, &before), WEIR_OK);
    char *a = w_alloc(ctx, "a", 1000);
    char *b = w_calloc(ctx, "b", 10, 7);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal((uintptr_t)a % 64, 0);
    assert_int_equal((uintptr_t)b % 64, 0);
    for (int i = 0; i < 70; i++) {
        assert_int_equal(b[i], 0);
    }
    weir_ctx_memory(ctx, &now);
    assert_int_equal(now.in_use - before.in_use, w_alloc_bytes(1000) + w_alloc_bytes(70));
    assert_int_equal(now.allocations - before.allocations, 2);
    assert_int_equal(w_ledger_free_bytes(ctx), now.budget - now.in_use);
    w_free(ctx, a);
    w_free(ctx, b);
    w_free(ctx, NULL);
    weir_ctx_memory(ctx, &now);
    assert_int_equal(now.in_use, before.in_use);
    assert_true(now.peak >= before.in_use + w_alloc_bytes(1000) + w_alloc_bytes(70));
    w_ledger_reset_peak(ctx);
    weir_ctx_memory(ctx, &now);
    assert_int_equal(now.peak, now.in_use);
    weir_ctx_destroy(ctx);
}

static void over_budget_is_a_status_with_figures(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 1 << 20);
    int64_t in_use = atomic_load(&ctx->ledger.in_use);
    assert_null(w_alloc(ctx, "gram cells", 2 << 20));
    assert_int_equal(w_alloc_status(ctx), WEIR_E_BUDGET);
    assert_non_null(strstr(weir_ctx_message(ctx), "gram cells needs 2.0 MiB"));
    assert_non_null(strstr(weir_ctx_message(ctx), "budget of 1.0 MiB"));
    assert_int_equal(atomic_load(&ctx->ledger.in_use), in_use);
    int64_t room = w_ledger_free_bytes(ctx) - 64;
    void *last = w_alloc(ctx, "last", (size_t)(room / 64 * 64));
    assert_non_null(last);
    assert_true(w_ledger_free_bytes(ctx) < 64);
    assert_null(w_alloc(ctx, "one more", 1));
    w_free(ctx, last);
    weir_ctx_destroy(ctx);
}

static void sizes_that_overflow_are_refused(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    assert_null(w_calloc(ctx, "wrap", SIZE_MAX / 4, 8));
    assert_true(w_alloc_status(ctx) < 0);
    assert_null(w_alloc_array(ctx, "wrap", SIZE_MAX, 2));
    assert_null(w_alloc(ctx, "huge", (size_t)INT64_MAX - 100));
    w_arena arena;
    w_arena_init(&arena, ctx, "wrap");
    assert_null(w_arena_alloc(&arena, SIZE_MAX / 8, 16));
    w_arena_free(&arena);
    assert_int_equal(w_mul64(INT64_MAX / 2, 3), INT64_MAX);
    assert_int_equal(w_add64(INT64_MAX, 1), INT64_MAX);
    weir_ctx_destroy(ctx);
}

static void realloc_keeps_content_and_survives_refusal(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 1 << 20);
    char *text = w_realloc(ctx, "text", NULL, 10);
    assert_non_null(text);
    strcpy(text, "weir");
    text = w_realloc(ctx, "text", text, 20);
    assert_string_equal(text, "weir");
    text = w_realloc(ctx, "text", text, 5000);
    assert_string_equal(text, "weir");
    assert_null(w_realloc(ctx, "text", text, 4 << 20));
    assert_string_equal(text, "weir");
    w_free(ctx, text);
    weir_ctx_destroy(ctx);
}

static void the_kth_allocation_fails_on_demand(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    w_ledger_fail_at(ctx, 3, 0);
    void *block[4];
    for (int i = 0; i < 4; i++) {
        block[i] = w_alloc(ctx, "x", 8);
        assert_int_equal(block[i] == NULL, i == 2);
    }
    assert_int_equal(w_alloc_status(ctx), WEIR_E_MEMORY);
    w_ledger_fail_at(ctx, 2, 1);
    assert_non_null(block[2] = w_alloc(ctx, "x", 8));
    assert_null(w_alloc(ctx, "x", 8));
    assert_null(w_alloc(ctx, "x", 8));
    assert_int_equal(w_ledger_charge(ctx, "x", 8), WEIR_E_MEMORY);
    w_ledger_fail_at(ctx, 0, 0);
    for (int i = 0; i < 4; i++) {
        w_free(ctx, block[i]);
    }
    weir_ctx_destroy(ctx);
}

static void large_blocks_are_pages_that_go_back(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, (int64_t)1 << 28);
    int64_t in_use = atomic_load(&ctx->ledger.in_use);
    size_t bytes = (size_t)64 << 20;
    unsigned char *block = w_calloc(ctx, "large", bytes, 1);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % 64, 0);
    assert_int_equal(atomic_load(&ctx->ledger.in_use) - in_use, w_alloc_bytes((int64_t)bytes));
    for (size_t i = 0; i < bytes; i += 4096) {
        assert_int_equal(block[i], 0);
        block[i] = 1;
    }
    int64_t resident = w_memory_resident(NULL);
    block = w_realloc(ctx, "large", block, bytes + 1);
    assert_non_null(block);
    assert_true(block[0] == 1 && block[bytes - 4096] == 1);
    w_free(ctx, block);
    assert_int_equal(atomic_load(&ctx->ledger.in_use), in_use);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
    assert_true(w_memory_resident(NULL) < resident - (int64_t)(bytes / 2));
#else
    (void)resident;
#endif
    weir_ctx_destroy(ctx);
}

static void a_block_given_back_wrongly_is_reported(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    _Alignas(64) char foreign[256] = { 0 };
    w_free(ctx, foreign + 128);
    assert_int_equal(atomic_load(&ctx->ledger.faults), 1);
    assert_non_null(strstr(weir_ctx_message(ctx), "not in use"));
    assert_null(w_realloc(ctx, "x", foreign + 128, 10));
    assert_int_equal(w_alloc_status(ctx), WEIR_E_INTERNAL);
    weir_ctx_destroy(ctx);
}

static void tags_are_accounted_apart(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    static const char *const name[] = { "t0", "t1" };
    char other[] = "t1"; /* same content, another address */
    void *a = w_alloc(ctx, name[0], 64), *b = w_alloc(ctx, name[1], 64), *c = w_alloc(ctx, other, 64);
    const w_ledger *ledger = &ctx->ledger;
    int64_t t1 = 0;
    for (int i = 0; i < ledger->tag_count; i++) {
        if (strcmp(ledger->tag[i].tag, "t1") == 0) {
            t1 += ledger->tag[i].in_use;
        }
    }
    assert_int_equal(t1, 2 * w_alloc_bytes(64));
    assert_int_equal(w_ledger_charge(ctx, "mapped", 1 << 16), WEIR_OK);
    assert_int_equal(w_ledger_charge(ctx, "mapped", -(1 << 16)), WEIR_OK);
    w_free(ctx, a);
    w_free(ctx, b);
    w_free(ctx, c);
    weir_ctx_destroy(ctx);
}

static void arena_is_aligned_and_freed_at_once(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    int64_t in_use = atomic_load(&ctx->ledger.in_use), blocks = atomic_load(&ctx->ledger.live_blocks);
    w_arena arena;
    w_arena_init(&arena, ctx, "arena");
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 2000; i++) {
            unsigned char *p = w_arena_alloc(&arena, i, 3);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 64, 0);
            memset(p, 0xab, 3 * i);
        }
        assert_string_equal(w_arena_strdup(&arena, "copy"), "copy");
        assert_string_equal(w_arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
        int *zero = w_arena_calloc(&arena, 100, sizeof *zero);
        for (int i = 0; i < 100; i++) {
            assert_int_equal(zero[i], 0);
        }
        w_arena_free(&arena);
        assert_int_equal(atomic_load(&ctx->ledger.in_use), in_use);
        assert_int_equal(atomic_load(&ctx->ledger.live_blocks), blocks);
    }
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_follow_every_block),
        cmocka_unit_test(over_budget_is_a_status_with_figures),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(realloc_keeps_content_and_survives_refusal),
        cmocka_unit_test(the_kth_allocation_fails_on_demand),
        cmocka_unit_test(large_blocks_are_pages_that_go_back),
        cmocka_unit_test(a_block_given_back_wrongly_is_reported),
        cmocka_unit_test(tags_are_accounted_apart),
        cmocka_unit_test(arena_is_aligned_and_freed_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
