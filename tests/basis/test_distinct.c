/* SPDX-License-Identifier: Apache-2.0 */
/* Distinct values of covariates of many shapes beside the C library's sort. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "basis/parts.h"

#define ROWS 20000

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double value(int shape, int64_t i, w_rng *rng)
{
    double u = w_rng_uniform(rng);
    switch (shape) {
    case 0: return u;
    case 1: return floor(50 * u) - 25;                    /* ties, negative */
    case 2: return exp(40 * (u - 0.5));                   /* all but a few in the first place of the range */
    case 3: return i == 7 ? 1e300 : u - 0.5;
    case 4: return i % 3 ? 0.0 : i % 2 ? -0.0 : u - 0.5;
    case 5: return 3.25;
    case 6: return i % 2 ? -1e308 : 1e308 * u;            /* a range that overflows */
    default: return (i % 2 ? 1 : -1) * pow(u, 8) * 1e-300;
    }
}

static void test_distinct_values(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    static double x[ROWS], sorted[ROWS + 2];
    for (int shape = 0; shape < 8; shape++) {
        for (int wide = 0; wide < 3; wide++) { /* range: of the values; wider; narrower, as no caller has it */
            w_rng rng;
            w_rng_seed(&rng, 3);
            double low = INFINITY, high = -INFINITY, sum = 0;
            for (int64_t i = 0; i < ROWS; i++) {
                x[i] = value(shape, i, &rng);
                low = fmin(low, x[i]);
                high = fmax(high, x[i]);
            }
            low -= wide == 1 ? fabs(low) / 2 : wide == 2 ? -fabs(low) / 2 : 0;
            high += wide == 1 ? fabs(high) / 2 : 0;
            for (int64_t i = 0; i < ROWS; i++) {
                sorted[i] = x[i] + 0.0;
                sum += x[i] - low;
            }
            sorted[ROWS] = low + 0.0;
            sorted[ROWS + 1] = high + 0.0;
            qsort(sorted, ROWS + 2, sizeof *sorted, by_value);
            int64_t count = 0;
            for (int64_t i = 0; i < ROWS + 2; i++) {
                if (i == 0 || sorted[i] != sorted[count - 1])
                    sorted[count++] = sorted[i];
            }
            w_arena arena;
            w_distinct got;
            w_arena_init(&arena, ctx, "test");
            assert_int_equal(w_distinct_build(&arena, "x", ROWS, x, low, high, &got), WEIR_OK);
            assert_int_equal(got.count, count);
            assert_memory_equal(got.value, sorted, (size_t)count * sizeof *sorted);
            assert_true(!isfinite(sum) || got.mean == low + sum / ROWS);
            w_arena_free(&arena);
        }
    }
    x[5] = NAN;
    w_arena arena;
    w_distinct got;
    w_arena_init(&arena, ctx, "test");
    assert_int_equal(w_distinct_build(&arena, "x", ROWS, x, -1, 1, &got), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "row 6"));
    w_arena_free(&arena);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distinct_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
