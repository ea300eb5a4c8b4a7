/* SPDX-License-Identifier: Apache-2.0 */
/* The steps after memory ran out: a table of (state, point, status) -> step, and every path comes to an end. */
#include "support/test.h"

#include <string.h>

#include "plan/recovery.h"

#define KIB 1024

static const w_recovery_state bare = { .groups = 1, .threads = 1, .packed = true, .devices = 1 };

typedef struct expected {
    w_recovery_state state;
    w_recover_point point;
    weir_status status;
    w_recovery_step step;
} expected;

#define STATE(...) { .packed = true, __VA_ARGS__ }

static const expected table[] = {
    { STATE(.rescan = true, .window_bytes = 64 * KIB, .window_least = KIB), W_RECOVER_PASS, WEIR_E_MEMORY, W_RECOVERY_WINDOWS },
    { STATE(.rescan = true, .window_bytes = 64 * KIB, .window_least = KIB), W_RECOVER_FIT, WEIR_E_BUDGET, W_RECOVERY_WINDOWS },
    /* nothing may be read again, or cannot; windows are parts of what is kept; they are the smallest */
    { STATE(.rescan = true, .window_bytes = 64 * KIB, .window_least = KIB), W_RECOVER_RESUME, WEIR_E_MEMORY, W_RECOVERY_GIVE_UP },
    { STATE(.window_bytes = 64 * KIB, .window_least = KIB), W_RECOVER_PASS, WEIR_E_BUDGET, W_RECOVERY_GIVE_UP },
    { STATE(.rescan = true, .kept = true, .window_bytes = 64 * KIB, .window_least = KIB), W_RECOVER_PASS, WEIR_E_MEMORY,
      W_RECOVERY_SPILL },
    { STATE(.rescan = true, .window_bytes = KIB, .window_least = KIB), W_RECOVER_PASS, WEIR_E_BUDGET, W_RECOVERY_GIVE_UP },
    /* the order */
    { STATE(.rescan = true, .window_bytes = 9 * KIB, .window_least = KIB, .groups = 4), W_RECOVER_PASS, WEIR_E_MEMORY,
      W_RECOVERY_WINDOWS },
    { STATE(.groups = 4, .threads = 4), W_RECOVER_PASS, WEIR_E_MEMORY, W_RECOVERY_GROUPS },
    { STATE(.groups = 4, .threads = 4), W_RECOVER_RESUME, WEIR_E_MEMORY, W_RECOVERY_GROUPS },
    { STATE(.threads = 4, .kept = true, .rescan = true), W_RECOVER_RESUME, WEIR_E_MEMORY, W_RECOVERY_THREADS },
    { { .groups = 1, .threads = 2, .devices = 1, .iterative_ready = true }, W_RECOVER_FIT, WEIR_E_MEMORY, W_RECOVERY_PACKED },
    { STATE(.iterative_ready = true, .kept = true, .rescan = true), W_RECOVER_FIT, WEIR_E_MEMORY, W_RECOVERY_ITERATIVE },
    /* conjugate gradients come before the scratch folder: the pass leaves them to the stage */
    { STATE(.iterative_ready = true, .kept = true, .rescan = true), W_RECOVER_PASS, WEIR_E_MEMORY, W_RECOVERY_GIVE_UP },
    { STATE(.iterative_ready = true, .threads = 2), W_RECOVER_PASS, WEIR_E_MEMORY, W_RECOVERY_THREADS },
    { STATE(.tile_bytes = KIB, .rescan = true, .window_bytes = 64 * KIB, .window_least = KIB), W_RECOVER_FIT, WEIR_E_MEMORY,
      W_RECOVERY_TILES },
    { STATE(.tile_bytes = KIB, .rescan = true, .window_bytes = 64 * KIB, .window_least = KIB), W_RECOVER_PASS, WEIR_E_MEMORY,
      W_RECOVERY_GIVE_UP },
    { STATE(.iterative_ready = true, .iterative = true, .kept = true, .rescan = true), W_RECOVER_FIT, WEIR_E_MEMORY, W_RECOVERY_SPILL },
    { STATE(.kept = true, .again = 1), W_RECOVER_PASS, WEIR_E_MEMORY, W_RECOVERY_AGAIN }, /* a stream has no other copy */
    { { .packed = true, .devices = 2 }, W_RECOVER_FIT, WEIR_E_MEMORY, W_RECOVERY_DEVICE },
    { { .packed = true, .devices = 2, .device = 1 }, W_RECOVER_FIT, WEIR_E_MEMORY, W_RECOVERY_GIVE_UP },
    /* a budget refuses the same again */
    { STATE(.again = 1), W_RECOVER_FIT, WEIR_E_MEMORY, W_RECOVERY_AGAIN },
    { STATE(.again = 1), W_RECOVER_FIT, WEIR_E_BUDGET, W_RECOVERY_GIVE_UP },
    { STATE(.again = 1), W_RECOVER_RESUME, WEIR_E_MEMORY, W_RECOVERY_GIVE_UP },
    /* other failures are final */
    { { .groups = 8, .threads = 8, .devices = 8, .again = 8 }, W_RECOVER_FIT, WEIR_E_IO, W_RECOVERY_GIVE_UP },
    { { .groups = 8, .threads = 8, .devices = 8, .again = 8 }, W_RECOVER_FIT, WEIR_E_CANCELLED, W_RECOVERY_GIVE_UP },
    { { .groups = 8, .threads = 8, .devices = 8, .again = 8 }, W_RECOVER_FIT, WEIR_OK, W_RECOVERY_GIVE_UP },
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        w_recovery_state next;
        w_recovery_step step = w_recovery_next(&table[i].state, table[i].point, table[i].status, &next);
        if (step != table[i].step) {
            fail_msg("row %d: %s instead of %s", (int)i, w_recovery_name(step), w_recovery_name(table[i].step));
        }
        assert_int_equal(memcmp(&next, &table[i].state, sizeof next) == 0, step == W_RECOVERY_GIVE_UP);
    }
}

/* Each step in turn lowers what it is about, in the order of the header. */
static void test_every_path_ends(void **state)
{
    (void)state;
    w_recovery_state s = { .rescan = true, .window_bytes = 16 << 20, .window_least = 100 * KIB, .tile_bytes = KIB, .groups = 5, .threads = 7,
                           .iterative_ready = true, .devices = 3, .again = 2 };
    static const w_recovery_step expected_steps[] = {
        W_RECOVERY_TILES, W_RECOVERY_WINDOWS, W_RECOVERY_WINDOWS, W_RECOVERY_WINDOWS, W_RECOVERY_WINDOWS, W_RECOVERY_GROUPS,
        W_RECOVERY_GROUPS, W_RECOVERY_PACKED, W_RECOVERY_THREADS, W_RECOVERY_THREADS, W_RECOVERY_ITERATIVE, W_RECOVERY_DEVICE, W_RECOVERY_DEVICE,
        W_RECOVERY_AGAIN, W_RECOVERY_AGAIN, W_RECOVERY_GIVE_UP,
    };
    for (size_t i = 0; i < sizeof expected_steps / sizeof expected_steps[0]; i++) {
        assert_int_equal(w_recovery_next(&s, W_RECOVER_FIT, WEIR_E_MEMORY, &s), expected_steps[i]);
    }
    assert_int_equal(s.window_bytes, 100 * KIB);
    assert_int_equal(s.groups, 1);
    assert_int_equal(s.threads, 1);
    assert_int_equal(s.device, 2);
    assert_true(s.packed && s.iterative);
}

static void test_texts(void **state)
{
    (void)state;
    static const struct { w_recovery_step step; const char *text; } texts[] = {
        { W_RECOVERY_THREADS, "1 thread" }, { W_RECOVERY_GROUPS, "1 group in flight" }, { W_RECOVERY_PACKED, "one sum for all threads" },
        { W_RECOVERY_ITERATIVE, "normal equations" }, { W_RECOVERY_DEVICE, "device 1 of 1" },
        { W_RECOVERY_SPILL, "columns outside memory" }, { W_RECOVERY_TILES, "rows evaluated in each product" }, { W_RECOVERY_AGAIN, "as planned" }, { W_RECOVERY_WINDOWS, "windows of 0 B" },
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[40];
        w_recovery_text(texts[i].step, &bare, text, sizeof text);
        assert_string_equal(text, texts[i].text);
        assert_int_equal(w_recovery_rescans(texts[i].step), texts[i].step == W_RECOVERY_WINDOWS || texts[i].step == W_RECOVERY_SPILL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_every_path_ends),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
