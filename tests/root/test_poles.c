/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of poles against dense grids and Zolotarev's rate. */
#include "support/test.h"

#include <math.h>

#include "root/poles.h"

static double grid_error(const w_root_poles *r, double low)
{
    long double worst = 0;
    for (int i = 0; i <= 3000; i++) {
        long double x = powl(low, i / 3000.0L), sum = 0;
        for (int j = 0; j < r->count; j++) {
            sum += r->weight[j] / (x + r->t[j]);
        }
        worst = fmaxl(worst, fabsl(powl(x, 1.0L / r->p) * sum - 1));
    }
    return (double)worst;
}

static void test_sums_of_poles_keep_their_error(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    static const double lows[] = { 0.2, 1e-2, 1e-4, 1e-6, 1e-9, 1e-12 }, tolerances[] = { 1e-3, 1e-6, 1e-10 };
    for (int p = 2; p <= 8; p++) {
        for (size_t l = 0; l < 6; l++) {
            for (size_t t = 0; t < 3; t++) {
                w_root_poles r;
                assert_int_equal(w_root_poles_build(ctx, p, lows[l], tolerances[t], &r), WEIR_OK);
                assert_true(r.error <= tolerances[t] && grid_error(&r, lows[l]) <= 1.002 * r.error + 1e-15);
                assert_true(r.count <= 3 + log(4 / tolerances[t]) * log(16 / lows[l]) / 19.7);
                for (int j = 0; j < r.count; j++) {
                    assert_true(r.t[j] > (j > 0 ? r.t[j - 1] : 0) && r.weight[j] > 0 && isfinite(r.weight[j]));
                }
            }
        }
    }
    weir_ctx_destroy(ctx);
}

/* p = 2 is Zolotarev's problem: the error alternates between equal heights 2N + 1 times. */
static void test_the_error_alternates(void **state)
{
    (void)state;
    for (int p = 2; p <= 8; p += 3) {
        w_root_poles r;
        assert_true(w_root_poles_of_count(p, 1e-5, 6, &r));
        int alternations = 0;
        double last = 0, height = 0, least = INFINITY;
        for (int i = 0; i <= 20000; i++) {
            double x = pow(1e-5, i / 20000.0), sum = 0;
            for (int j = 0; j < r.count; j++) {
                sum += r.weight[j] / (x + r.t[j]);
            }
            double e = pow(x, 1.0 / p) * sum - 1;
            if (i > 0 && e * last < 0) {
                alternations++;
                least = fmin(least, height);
                height = 0;
            }
            height = fmax(height, fabs(e));
            last = e;
        }
        assert_int_equal(alternations, 2 * r.count);
        assert_true(fmin(least, height) >= 0.97 * r.error);
    }
}

static void test_bad_arguments(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_root_poles r = { .count = -7 };
    static const struct {
        int p;
        double low, tolerance;
    } bad[] = { { 1, 0.1, 1e-6 }, { 9, 0.1, 1e-6 }, { 2, 0, 1e-6 }, { 2, NAN, 1e-6 }, { 2, 0.1, 0 }, { 2, 0.1, 1 } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(w_root_poles_build(ctx, bad[i].p, bad[i].low, bad[i].tolerance, &r), WEIR_E_ARG);
        w_message_clear(ctx);
    }
    assert_int_equal(w_root_poles_build(ctx, 2, 1e-20, 1e-13, &r), WEIR_E_NUMERIC);
    assert_int_equal(r.count, -7);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_of_poles_keep_their_error),
        cmocka_unit_test(test_the_error_alternates),
        cmocka_unit_test(test_bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
