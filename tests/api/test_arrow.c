/* SPDX-License-Identifier: Apache-2.0 */
/* The public face of block-arrow systems: a small system by hand, arguments, versions, bytes. */
#include "support/test.h"

#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "weir/weir.h"

/* [2 0 1; 0 4 1; 1 1 3] (t, x) = (3, 5, 5) has the solution (1, 1, 1); its determinant is 18. */
static const double diagonal[2] = { 2.0, 4.0 }, coupling[2] = { 1.0, 1.0 }, corner[1] = { 3.0 };

static weir_arrow_system hand_made(void)
{
    return (weir_arrow_system){ .version = WEIR_ARROW_VERSION, .blocks = 2, .d = 1, .border = 1, .diagonal = diagonal,
                                .coupling = coupling, .corner = corner };
}

static void test_by_hand(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const weir_arrow_system a = hand_made();
    for (int mode = WEIR_ARROW_AUTO; mode <= WEIR_ARROW_PCG; mode++) {
        weir_arrow_options options = WEIR_ARROW_OPTIONS_INIT;
        weir_arrow_result result;
        double rows[4] = { 3.0, 5.0, 0.0, 0.0 }, border[2] = { 5.0, 0.0 };
        options.mode = mode;
        assert_int_equal(weir_arrow_solve(ctx, &a, mode ? &options : NULL, 2, rows, border, &result), WEIR_OK);
        assert_true(fabs(rows[0] - 1.0) < 1e-9 && fabs(rows[1] - 1.0) < 1e-9 && fabs(border[0] - 1.0) < 1e-9);
        assert_true(rows[2] == 0.0 && rows[3] == 0.0 && border[1] == 0.0);
        if (mode != WEIR_ARROW_PCG) {
            assert_true(fabs(result.log_det - log(18.0)) < 1e-14 && result.mode == WEIR_ARROW_DIRECT);
        }
        assert_int_equal(weir_arrow_solve(ctx, &a, &options, 1, rows, border, NULL), WEIR_OK);
    }
    weir_ctx_destroy(ctx);
}

static void test_empty_parts(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double rows[2] = { 2.0, 4.0 }, border[1] = { 6.0 };
    weir_arrow_result result;
    weir_arrow_system a = hand_made();
    a.border = 0;
    a.coupling = a.corner = NULL;
    assert_int_equal(weir_arrow_solve(ctx, &a, NULL, 1, rows, NULL, &result), WEIR_OK);
    assert_true(fabs(rows[0] - 1.0) < 1e-15 && fabs(rows[1] - 1.0) < 1e-15);
    a = hand_made();
    a.blocks = 0;
    a.diagonal = a.coupling = NULL;
    assert_int_equal(weir_arrow_solve(ctx, &a, NULL, 1, NULL, border, &result), WEIR_OK);
    assert_true(fabs(border[0] - 2.0) < 1e-15);
    a = hand_made();
    assert_int_equal(weir_arrow_solve(ctx, &a, NULL, 0, NULL, NULL, &result), WEIR_OK); /* the log-determinant alone */
    assert_true(fabs(result.log_det - log(18.0)) < 1e-14);
    weir_ctx_destroy(ctx);
}

static void test_arguments(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double rows[2] = { 3.0, 5.0 }, border[1] = { 5.0 };
    const weir_arrow_system good = hand_made();
    weir_arrow_options options = WEIR_ARROW_OPTIONS_INIT;
    assert_int_equal(weir_arrow_solve(NULL, &good, NULL, 1, rows, border, NULL), WEIR_E_ARG);
    assert_int_equal(weir_arrow_solve(ctx, NULL, NULL, 1, rows, border, NULL), WEIR_E_ARG);
    assert_int_equal(weir_arrow_solve(ctx, &good, NULL, 1, NULL, border, NULL), WEIR_E_ARG);
    assert_int_equal(weir_arrow_solve(ctx, &good, NULL, 1, rows, NULL, NULL), WEIR_E_ARG);
    assert_int_equal(weir_arrow_solve(ctx, &good, NULL, -1, rows, border, NULL), WEIR_E_ARG);
    for (int i = 0; i < 7; i++) {
        weir_arrow_system bad = good;
        bad.blocks = i == 0 ? -1 : 2;
        bad.d = i == 1 ? 0 : 1;
        bad.border = i == 2 ? -1 : 1;
        bad.diagonal = i == 3 ? NULL : diagonal;
        bad.coupling = i == 4 ? NULL : coupling;
        bad.corner = i == 5 ? NULL : corner;
        bad.version = i == 6 ? 9 : 1;
        assert_int_equal(weir_arrow_solve(ctx, &bad, NULL, 1, rows, border, NULL), i == 6 ? WEIR_E_VERSION : WEIR_E_ARG);
        assert_string_not_equal(weir_ctx_message(ctx), "");
        assert_true(weir_arrow_bytes(&bad, NULL, 1) == -1 || (i >= 3 && i < 6));
    }
    for (int i = 0; i < 6; i++) {
        weir_arrow_options bad = options;
        bad.mode = i == 0 ? 3 : 0;
        bad.preconditioner = i == 1 ? -1 : 0;
        bad.ridge_blocks = i == 2 ? -1.0 : 0.0;
        bad.ridge_border = i == 3 ? NAN : 0.0;
        bad.tolerance = i == 4 ? 1.0 : 0.0;
        bad.max_iterations = i == 5 ? -1 : 0;
        assert_int_equal(weir_arrow_solve(ctx, &good, &bad, 1, rows, border, NULL), WEIR_E_ARG);
    }
    options.version = 2;
    assert_int_equal(weir_arrow_solve(ctx, &good, &options, 1, rows, border, NULL), WEIR_E_VERSION);
    assert_true(rows[0] == 3.0 && rows[1] == 5.0 && border[0] == 5.0);
    weir_arrow_system huge = good;
    huge.blocks = INT64_MAX / 2;
    huge.d = 1000;
    assert_int_equal(weir_arrow_bytes(&huge, NULL, 1), INT64_MAX);
    assert_int_equal(weir_arrow_solve(ctx, &huge, NULL, 1, rows, border, NULL), WEIR_E_ARG);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand), cmocka_unit_test(test_empty_parts), cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
