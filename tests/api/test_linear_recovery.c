/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that runs out under weir_least_squares, on the host and on a simulated device: the same answer, or a status that names the
 * budget that would do. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "device/device.h"
#include "device/sim.h"
#include "support/least_squares.h"
#include "weir/weir.h"

#define AGREEMENT 1e-10

static const ls_shape shapes[] = {
    { 700, 40, 2, 1, LS_ROWS, 1.0, 1, 1, 0.5, 0, 51 },  { 900, 30, 1, 24, LS_ROWS, 1.0, 0, 0, 0.3, 0, 52 },
    { 60, 150, 1, 1, LS_ROWS, 1.0, 1, 0, 2.0, 1, 53 },  { 500, 20, 1, 6, LS_CSR, 0.4, 0, 0, 0.5, 1, 54 },
    { 300, 12, 2, 4, LS_OPERATOR, 1.0, 1, 1, 0.6, 0, 55 },
};

static double *room(const ls_problem *q) { return calloc((size_t)(q->groups * q->m * q->p + 1), sizeof(double)); }

static weir_ctx *make_ctx(int threads, int64_t budget, const char *device)
{
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = threads;
    options.memory_budget = budget;
    options.device = device;
    weir_ctx *ctx = NULL;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    return ctx;
}

/* Once: made good. For ever: a status, with the budget that does; the coefficients are untouched. */
static void fail_each(weir_ctx *ctx, ls_problem *q, int32_t route, int *good)
{
    w_ledger *ledger = &ctx->ledger;
    weir_linear_options options = WEIR_LINEAR_OPTIONS_INIT;
    weir_linear_result result;
    double *b = room(q), *truth = room(q);
    const size_t bytes = (size_t)(q->groups * q->m * q->p) * sizeof(double);
    options.route = route;
    options.tolerance = 1e-13;
    if (weir_least_squares(ctx, &q->s, &options, truth, NULL, &result) < 0) {
        free(b);
        free(truth);
        return;
    }
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (int64_t k = 1, met = 1; met; k++) {
            const int64_t in_use = atomic_load(&ledger->in_use);
            memset(b, 0, bytes);
            w_ledger_fail_at(ctx, k, for_ever);
            q->calls = 0;
            const weir_status status = weir_least_squares(ctx, &q->s, &options, b, NULL, &result);
            met = atomic_load(&ledger->fail_counter) >= k;
            w_ledger_fail_at(ctx, 0, 0);
            assert_int_equal(atomic_load(&ledger->in_use), in_use);
            assert_int_equal(atomic_load(&ledger->faults), 0);
            if (status < 0) {
                assert_int_equal(status, WEIR_E_MEMORY);
                assert_true(weir_ctx_message(ctx)[0] != '\0');
                continue;
            }
            *good += met && !for_ever;
            if (result.recoveries == 0 || route != WEIR_ROUTE_AUTO) {
                assert_memory_equal(b, truth, bytes);
            }
            assert_true(ls_error(q, b) <= AGREEMENT);
        }
    }
    free(b);
    free(truth);
}

static void each_allocation_fails_once_and_for_ever(void **state)
{
    (void)state;
    int good = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        ls_problem *q = ls_make(&shapes[i]);
        ls_solve(q);
        for (int threads = 1; threads <= 3; threads += 2) {
            weir_ctx *ctx = make_ctx(threads, (int64_t)1 << 30, "cpu");
            for (int32_t route = WEIR_ROUTE_AUTO; route < WEIR_ROUTES; route++) {
                fail_each(ctx, q, route, &good);
            }
            weir_ctx_destroy(ctx);
        }
        ls_free(q);
    }
    assert_true(good > 40);
}

/* A named budget does. */
static void a_refusal_names_a_budget(void **state)
{
    (void)state;
    ls_problem *q = ls_make(&shapes[1]);
    double *b = room(q);
    weir_ctx *ctx = make_ctx(2, (int64_t)1 << 30, "cpu");
    assert_int_equal(weir_least_squares(ctx, &q->s, NULL, b, NULL, NULL), WEIR_OK);
    w_ledger_fail_at(ctx, 3, 1);
    assert_int_equal(weir_least_squares(ctx, &q->s, NULL, b, NULL, NULL), WEIR_E_MEMORY);
    w_ledger_fail_at(ctx, 0, 0);
    const char *named = strstr(weir_ctx_message(ctx), "a budget of ");
    assert_non_null(named);
    assert_non_null(strstr(weir_ctx_message(ctx), "tried: "));
    ctx->ledger.budget = strtoll(named + 12, NULL, 10);
    assert_int_equal(weir_least_squares(ctx, &q->s, NULL, b, NULL, NULL), WEIR_OK);
    weir_ctx_destroy(ctx);
    free(b);
    ls_free(q);
}

/* ---- a simulated device --------------------------------------------------------------------------------------------- */

static weir_status on_device(const char *device, const ls_problem *q, int32_t route, double *b, weir_linear_result *result, char *message,
                             size_t size)
{
    weir_ctx *ctx = make_ctx(2, (int64_t)1 << 30, device);
    weir_linear_options options = WEIR_LINEAR_OPTIONS_INIT;
    int64_t bytes = 0;
    options.route = route;
    const weir_status status = weir_least_squares(ctx, &q->s, &options, b, NULL, result);
    snprintf(message, size, "%s", weir_ctx_message(ctx));
    w_device_set *set = NULL;
    assert_true(w_devices_peek(ctx, &set) >= 0);
    assert_int_equal(w_sim_live(&set->device[1], &bytes), 0);
    assert_int_equal(bytes, 0);
    weir_ctx_destroy(ctx);
    return status;
}

static void a_device_without_room_is_left_for_the_next(void **state)
{
    (void)state;
    const ls_shape wide = { 1500, 600, 1, 1, LS_ROWS, 1.0, 0, 0, 2.0, 0, 56 };
    ls_problem *q = ls_make(&wide);
    double *b = room(q), *truth = room(q);
    weir_linear_result result;
    char script[64], message[300];
    weir_ctx *ctx = make_ctx(2, (int64_t)1 << 30, "cpu");
    weir_linear_options options = WEIR_LINEAR_OPTIONS_INIT;
    options.route = WEIR_ROUTE_CHOLESKY;
    assert_int_equal(weir_least_squares(ctx, &q->s, &options, truth, NULL, &result), WEIR_OK);
    assert_null(strstr(result.explanation, "sim"));
    weir_ctx_destroy(ctx);
    double largest = 0.0;
    for (int64_t i = 0; i < q->p; i++) {
        largest = fmax(largest, fabs(truth[i]));
    }
    int there = 0, left = 0;
    for (int64_t mib = 1; mib <= 1024; mib *= 2) { /* the matrix takes 2.75 MiB */
        snprintf(script, sizeof script, "sim:capacity=%lldM,speed=100", (long long)mib);
        assert_int_equal(on_device(script, q, WEIR_ROUTE_CHOLESKY, b, &result, message, sizeof message), WEIR_OK);
        for (int64_t i = 0; i < q->p; i++) {
            assert_true(fabs(b[i] - truth[i]) <= AGREEMENT * largest);
        }
        there += strstr(result.explanation, "factored on sim") != NULL;
        left += strstr(result.explanation, "sim has no room") != NULL;
    }
    assert_int_equal(left, 2);
    assert_int_equal(there, 9);
    for (int k = 1; k <= 2; k++) { /* the only allocation, and none */
        snprintf(script, sizeof script, "sim:fail=%d,speed=100", k);
        assert_int_equal(on_device(script, q, WEIR_ROUTE_CHOLESKY, b, &result, message, sizeof message), WEIR_OK);
        assert_true(k > 1 || strstr(result.explanation, "sim has no room") != NULL);
        assert_true(k == 1 || strstr(result.explanation, "factored on sim") != NULL);
    }
    assert_int_equal(on_device("required:sim:capacity=1M,speed=100", q, WEIR_ROUTE_CHOLESKY, b, &result, message, sizeof message),
                     WEIR_E_MEMORY);
    assert_non_null(strstr(message, "sim"));
    assert_int_equal(on_device("sim:fail_op=1,speed=100", q, WEIR_ROUTE_CHOLESKY, b, &result, message, sizeof message), WEIR_E_DEVICE);
    assert_non_null(strstr(message, "sim"));
    free(b);
    free(truth);
    ls_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails_once_and_for_ever),
        cmocka_unit_test(a_refusal_names_a_budget),
        cmocka_unit_test(a_device_without_room_is_left_for_the_next),
    };
    return cmocka_run_group_tests_name("linear recovery", tests, NULL, NULL);
}
