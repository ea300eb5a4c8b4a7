/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "table/dictionary.h"

static w_dictionary *dictionary_of(weir_ctx *ctx, const char *const *words, int count)
{
    w_dictionary *dictionary;
    assert_int_equal(w_dictionary_create(ctx, &dictionary), WEIR_OK);
    for (int i = 0; i < count; i++) {
        assert_in_range(w_dictionary_add(dictionary, words[i], strlen(words[i])), 0, i);
    }
    return dictionary;
}

static void codes_follow_appearance_then_order(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    static const char *const words[] = { "pear", "apple", "pear", "Fig", "app", "apple" };
    w_dictionary *dictionary = dictionary_of(ctx, words, 6);
    assert_int_equal(w_dictionary_count(dictionary), 4);
    assert_int_equal(w_dictionary_find(dictionary, "Fig", 3), 2);
    assert_int_equal(w_dictionary_find(dictionary, "fig", 3), -1);
    assert_int_equal(w_dictionary_find(dictionary, "pe", 2), -1);
    assert_int_equal(w_dictionary_finish(dictionary, '.'), WEIR_OK);
    static const char *const sorted[] = { "Fig", "app", "apple", "pear" };
    static const int32_t remap[] = { 3, 2, 0, 1 };
    for (int i = 0; i < 4; i++) {
        assert_string_equal(w_dictionary_levels(dictionary)[i], sorted[i]);
        assert_int_equal(w_dictionary_remap(dictionary)[i], remap[i]);
        assert_int_equal(w_dictionary_find(dictionary, sorted[i], strlen(sorted[i])), i);
    }
    w_dictionary_free(dictionary);
    weir_ctx_destroy(ctx);
}

static void numbers_sort_as_numbers_unless_one_is_not(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    static const char *const words[] = { "10", "9", "-2.5", "1e1", "inf", "2x" };
    static const char *const numeric[] = { "-2.5", "9", "10", "1e1", "inf" };
    static const char *const bytes[] = { "-2.5", "10", "1e1", "2x", "9", "inf" };
    for (int k = 0; k < 2; k++) {
        w_dictionary *dictionary = dictionary_of(ctx, words, 5 + k);
        assert_int_equal(w_dictionary_finish(dictionary, '.'), WEIR_OK);
        for (int i = 0; i < 5 + k; i++) {
            assert_string_equal(w_dictionary_levels(dictionary)[i], k ? bytes[i] : numeric[i]);
        }
        w_dictionary_free(dictionary);
    }
    weir_ctx_destroy(ctx);
}

static void many_levels_keep_their_codes(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    w_dictionary *dictionary;
    assert_int_equal(w_dictionary_create(ctx, &dictionary), WEIR_OK);
    char text[32];
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < 100000; i++) {
            int length = snprintf(text, sizeof text, "level-%d", i * 7919 % 100003);
            assert_int_equal(w_dictionary_add(dictionary, text, (size_t)length), i);
        }
    }
    assert_int_equal(w_dictionary_add(dictionary, "", 0), 100000);
    assert_int_equal(w_dictionary_finish(dictionary, '.'), WEIR_OK);
    const char *const *levels = w_dictionary_levels(dictionary);
    assert_string_equal(levels[0], "");
    for (int i = 1; i < 100000; i++) {
        assert_true(strcmp(levels[i], levels[i + 1]) < 0);
    }
    w_dictionary_free(dictionary);
    weir_ctx_destroy(ctx);
}

static weir_status fill_and_finish(weir_ctx *ctx, void *arg)
{
    (void)arg;
    w_dictionary *dictionary = NULL;
    weir_status status = w_dictionary_create(ctx, &dictionary);
    char text[16];
    for (int i = 0; status >= 0 && i < 300; i++) {
        int length = snprintf(text, sizeof text, "%d", i);
        if (w_dictionary_add(dictionary, text, (size_t)length) < 0) {
            status = w_alloc_status(ctx);
        }
    }
    if (status >= 0) {
        status = w_dictionary_finish(dictionary, '.');
    }
    w_dictionary_free(dictionary);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    assert_true(test_each_allocation_fails(ctx, fill_and_finish, NULL) > 10);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_follow_appearance_then_order),
        cmocka_unit_test(numbers_sort_as_numbers_unless_one_is_not),
        cmocka_unit_test(many_levels_keep_their_codes),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
