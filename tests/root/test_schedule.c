/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of the coupled iteration against brute force: equioscillation, dense grids, published coefficients, scalars. */
#include "support/test.h"

#include <float.h>
#include <math.h>

#include "root/schedule.h"

static weir_status build(weir_ctx *ctx, int p, double low, double tolerance, double rounding, w_root_family family,
                         w_root_schedule *out)
{
    return w_root_schedule_build(ctx, &(w_root_goal){ p, low, tolerance, rounding, 1, false, family }, out);
}

static double iterate(const w_root_schedule *s, double y)
{
    long double x = powl(y, 1.0L / s->p);
    for (int i = 0; i < s->count; i++) {
        long double z = powl(x, s->p);
        x *= s->step[i].a + z * (s->step[i].b + z * s->step[i].c);
    }
    return (double)fabsl(1 - x);
}

static double grid_error(int p, const w_root_step *q, double lo, double hi)
{
    long double worst = 0;
    for (int i = 0; i <= 4000; i++) {
        long double x = lo * powl(hi / lo, i / 4000.0L), y = powl(x, p);
        worst = fmaxl(worst, fabsl(1 - x * (q->a + y * (q->b + y * q->c))));
    }
    return (double)worst;
}

/* Every eigenvalue of the interval ends within E, and E is reached: the bound is sharp. */
static void test_every_eigenvalue_ends_within_the_bound(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int p = 1; p <= W_ROOT_MOST_P; p++) {
        for (double condition = 1.5; condition < 2e12; condition *= 30) {
            for (int family = W_ROOT_QUADRATIC; family <= W_ROOT_AFFINE; family++) {
                w_root_schedule s;
                assert_int_equal(build(ctx, p, 1 / condition, 1e-3, 0, (w_root_family)family, &s), WEIR_OK);
                assert_true(s.error <= 1e-3 && s.count >= 1);
                double worst = 0;
                for (int i = 0; i <= 500; i++) {
                    worst = fmax(worst, iterate(&s, pow(condition, -i / 500.0)));
                }
                assert_true(worst <= s.error * (1 + 1e-6) + 1e-14);
                assert_true(worst >= 0.2 * s.error || s.error < 1e-12);
            }
        }
    }
    weir_ctx_destroy(ctx);
}

/* The references of the best polynomial: as many alternations of equal height as unknowns and one. */
static void test_a_step_equioscillates(void **state)
{
    (void)state;
    for (int p = 1; p <= 8; p++) {
        for (double lo = 0.9; lo > 1e-6; lo /= 5) {
            w_root_step two, one;
            const double quadratic = w_root_minimax_quadratic(p, lo, 1, &two), affine = w_root_minimax_affine(p, lo, 1, &one);
            assert_true(quadratic <= affine && affine <= 1);
            assert_true(fabs(grid_error(p, &two, lo, 1) - quadratic) <= 1e-4 * quadratic);
            assert_true(fabs(grid_error(p, &one, lo, 1) - affine) <= 1e-4 * affine);
            /* lo is a minimum of x q, hi a maximum of the error or the other way round, of height E */
            const double at_lo = 1 - lo * (two.a + pow(lo, p) * (two.b + pow(lo, p) * two.c));
            const double at_hi = 1 - (two.a + two.b + two.c);
            assert_true(fabs(at_lo - quadratic) <= 1e-9 + 1e-6 * quadratic && fabs(at_hi + quadratic) <= 1e-9 + 1e-6 * quadratic);
            for (double shift = -1e-3; shift <= 1e-3; shift += 2e-3) {
                w_root_step worse = two;
                worse.b *= 1 + shift;
                assert_true(w_root_step_error(p, &worse, lo, 1) > quadratic);
            }
        }
    }
}

/* Coefficients worked out elsewhere (five digits). */
static void test_published_coefficients(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    static const struct {
        int p, step;
        double low, a, b, c, error;
    } known[] = {
        { 2, 0, 0.05, 4.02168, -7.89940, 5.06393, 0.186 }, { 2, 1, 0.05, 1.91261, -1.29118, 0.37914, 4.1e-3 },
        { 2, 0, 1e-3, 7.30891, -20.5328, 14.9934, 0.770 }, { 4, 0, 0.05, 2.09039, -2.76657, 1.75104, 0.0749 },
        { 4, 1, 0.05, 1.41170, -0.56538, 0.15381, 7.8e-4 }, { 3, 0, 0.05, 2.62288, -4.17188, 2.65712, 0.108 },
        { 1, 0, 0.05, 11.7726, -28.1938, 17.9008, 0.480 },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        w_root_schedule s;
        assert_int_equal(build(ctx, known[i].p, known[i].low, 1e-6, 0, W_ROOT_QUADRATIC, &s), WEIR_OK);
        const w_root_step *q = &s.step[known[i].step];
        assert_true(fabs(q->a - known[i].a) <= 6e-5 * fabs(q->a) && fabs(q->b - known[i].b) <= 6e-5 * fabs(q->b));
        assert_true(fabs(q->c - known[i].c) <= 6e-5 * fabs(q->c) && fabs(q->error - known[i].error) <= 0.02 * q->error);
    }
    weir_ctx_destroy(ctx);
}

static void test_more_room_takes_more_steps(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    for (int p = 1; p <= 8; p++) {
        int steps = 0;
        for (double low = 0.5; low > 1e-13; low /= 10) {
            w_root_schedule s, newton;
            assert_int_equal(build(ctx, p, low, 1e-6, 0, W_ROOT_QUADRATIC, &s), WEIR_OK);
            assert_true(s.count >= steps && s.count <= 20);
            steps = s.count;
            if (low > 1e-5) { /* Newton's method needs at least as many */
                assert_int_equal(build(ctx, p, low, 1e-6, 0, W_ROOT_NEWTON, &newton), WEIR_OK);
                assert_true(newton.count >= s.count && newton.error <= 1e-6);
            }
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_rounding_ends_the_steps(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_root_schedule exact, rounded;
    assert_int_equal(build(ctx, 2, 1e-4, 1e-12, 0, W_ROOT_QUADRATIC, &exact), WEIR_OK);
    assert_int_equal(build(ctx, 2, 1e-4, 1e-12, 1e-6, W_ROOT_QUADRATIC, &rounded), WEIR_OK);
    assert_true(exact.error <= 1e-12 && rounded.count <= exact.count && rounded.error <= 2e-6);
    assert_int_equal(build(ctx, 2, 1, 1e-3, 0, W_ROOT_QUADRATIC, &exact), WEIR_OK);
    assert_int_equal(exact.count, 0); /* the identity is its own root */
    weir_ctx_destroy(ctx);
}

/* Wider intervals cost steps and stand wrong bounds; the last one need not be wide. */
static void test_safety(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_root_schedule plain, safe, sharp;
    w_root_goal goal = { 2, 1e-4, 1e-8, 0, 1, false, W_ROOT_QUADRATIC };
    assert_int_equal(w_root_schedule_build(ctx, &goal, &plain), WEIR_OK);
    goal.safety = 1.05;
    assert_int_equal(w_root_schedule_build(ctx, &goal, &safe), WEIR_E_NUMERIC); /* 0.05^3 is above the tolerance */
    goal.tolerance = 1e-3;
    assert_int_equal(w_root_schedule_build(ctx, &goal, &safe), WEIR_OK);
    for (int i = 1; i < safe.count; i++) {
        assert_true(safe.step[i].hi >= 1.05 * (1 + safe.step[i - 1].error) * (1 - 1e-12));
    }
    goal.tolerance = 1e-8;
    goal.sharp_end = true;
    assert_int_equal(w_root_schedule_build(ctx, &goal, &sharp), WEIR_OK);
    assert_true(sharp.count >= plain.count && sharp.error <= 1e-8);
    goal.safety = 0.5;
    assert_int_equal(w_root_schedule_build(ctx, &goal, &safe), WEIR_E_ARG);
    weir_ctx_destroy(ctx);
}

static void test_bad_arguments(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    w_root_schedule s = { .count = -7 };
    static const struct {
        int p;
        double low, tolerance, rounding;
    } bad[] = { { 0, 0.1, 1e-6, 0 }, { 9, 0.1, 1e-6, 0 }, { 2, 0, 1e-6, 0 }, { 2, NAN, 1e-6, 0 }, { 2, 1.5, 1e-6, 0 },
                { 2, 0.1, 0, 0 }, { 2, 0.1, 2, 0 }, { 2, 0.1, 1e-6, -1 }, { 2, 0.1, 1e-6, 0.5 } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(build(ctx, bad[i].p, bad[i].low, bad[i].tolerance, bad[i].rounding, W_ROOT_QUADRATIC, &s), WEIR_E_ARG);
        assert_int_equal(s.count, -7);
        w_message_clear(ctx);
    }
    assert_int_equal(build(ctx, 1, 1e-300, 1e-6, 0, W_ROOT_NEWTON, &s), WEIR_E_NUMERIC);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_eigenvalue_ends_within_the_bound),
        cmocka_unit_test(test_a_step_equioscillates),
        cmocka_unit_test(test_published_coefficients),
        cmocka_unit_test(test_more_room_takes_more_steps),
        cmocka_unit_test(test_rounding_ends_the_steps),
        cmocka_unit_test(test_safety),
        cmocka_unit_test(test_bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
