/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <math.h>

#include "base/rng.h"

static void published_values(void **state)
{
    (void)state;
    /* splitmix64 from 0 and xoshiro256** from {1, 2, 3, 4}: the authors' reference programs. */
    w_rng rng;
    w_rng_seed(&rng, 0);
    assert_true(rng.state[0] == 0xe220a8397b1dcdafu && rng.state[1] == 0x6e789e6aa1b965f4u);
    assert_true(rng.state[2] == 0x06c45d188009454fu && rng.state[3] == 0xf88bb8a8724c81ecu);
    rng = (w_rng){ { 1, 2, 3, 4 } };
    assert_true(w_rng_next(&rng) == 11520 && w_rng_next(&rng) == 0 && w_rng_next(&rng) == 1509978240);
    assert_true(w_rng_next(&rng) == 1215971899390074240u);
}

static void moments_are_those_of_the_distribution(void **state)
{
    (void)state;
    enum { N = 200000 };
    w_rng rng;
    w_rng_seed(&rng, 7);
    double u1 = 0, u2 = 0, z1 = 0, z2 = 0, z4 = 0;
    for (int i = 0; i < N; i++) {
        double u = w_rng_uniform(&rng), z = w_rng_normal(&rng);
        assert_true(u >= 0 && u < 1);
        u1 += u;
        u2 += u * u;
        z1 += z;
        z2 += z * z;
        z4 += z * z * z * z;
    }
    /* five standard errors of each mean */
    assert_true(fabs(u1 / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(u2 / N - 1.0 / 3) < 5 * sqrt(4.0 / 45 / N));
    assert_true(fabs(z1 / N) < 5 / sqrt(N));
    assert_true(fabs(z2 / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(z4 / N - 3) < 5 * sqrt(96.0 / N));
}

static void below_covers_its_range_evenly(void **state)
{
    (void)state;
    w_rng rng;
    w_rng_seed(&rng, 1);
    int count[7] = { 0 };
    for (int i = 0; i < 70000; i++) {
        int64_t v = w_rng_below(&rng, 7);
        assert_in_range(v, 0, 6);
        count[v]++;
    }
    for (int i = 0; i < 7; i++) {
        assert_true(fabs(count[i] - 10000.0) < 5 * sqrt(10000.0 * 6 / 7));
    }
    assert_int_equal(w_rng_below(&rng, 1), 0);
    assert_true(w_rng_below(&rng, INT64_MAX) >= 0);
}

static void sample_is_ascending_distinct_and_fair(void **state)
{
    (void)state;
    w_rng rng;
    w_rng_seed(&rng, 3);
    int64_t out[10], hits[40] = { 0 };
    for (int round = 0; round < 8000; round++) {
        w_rng_sample(&rng, 40, 10, out);
        for (int i = 0; i < 10; i++) {
            assert_in_range(out[i], 0, 39);
            assert_true(i == 0 || out[i] > out[i - 1]);
            hits[out[i]]++;
        }
    }
    for (int i = 0; i < 40; i++) {
        assert_true(fabs((double)hits[i] - 2000) < 5 * sqrt(8000 * 0.25 * 0.75));
    }
    w_rng_sample(&rng, 10, 10, out);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(out[i], i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values),
        cmocka_unit_test(moments_are_those_of_the_distribution),
        cmocka_unit_test(below_covers_its_range_evenly),
        cmocka_unit_test(sample_is_ascending_distinct_and_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
