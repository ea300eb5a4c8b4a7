/* SPDX-License-Identifier: Apache-2.0 */
/* Both sorts on seeded numbers with ties, at every small length. */
#include "support/test.h"

#include "base/rng.h"
#include "base/sort.h"

#define MOST 300

static void test_sorted(void **state)
{
    (void)state;
    double value[MOST], sum;
    w_keyed item[MOST];
    w_rng rng;
    w_rng_seed(&rng, 4);
    for (int n = 0; n <= MOST; n++) {
        sum = 0;
        for (int i = 0; i < n; i++) {
            value[i] = (double)w_rng_below(&rng, 50) - 25.0;
            item[i] = (w_keyed){ value[i], i };
            sum += value[i];
        }
        w_sort_doubles(n, value);
        w_sort_keyed(n, item);
        for (int i = 0; i < n; i++) {
            assert_true(value[i] == item[i].key);
            assert_true(i == 0 || value[i - 1] < value[i] ||
                        (value[i - 1] == value[i] && item[i - 1].place < item[i].place));
            sum -= value[i]; /* whole numbers: exact */
        }
        assert_true(sum == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_sorted) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
