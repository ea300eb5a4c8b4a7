/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "support/folder.h"
#include "weir/device.h"
#include "weir/weir.h"

static char folder[TEST_FOLDER_BYTES];

static int folder_make(void **state)
{
    (void)state;
    int bad = test_folder_make(folder);
    setenv("XDG_CACHE_HOME", folder, 1);
    return bad;
}

static int folder_remove(void **state)
{
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static weir_ctx *ctx_for(const char *request)
{
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 2;
    options.memory_budget = (int64_t)256 << 20;
    options.device = request;
    weir_ctx *ctx = NULL;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    return ctx;
}

static void the_machine_is_described(void **state)
{
    (void)state;
    weir_ctx *ctx = ctx_for("auto");
    weir_devices *d = NULL;
    assert_int_equal(weir_devices_query(ctx, &d), WEIR_OK);
    assert_string_equal(d->request, "auto");
    assert_int_equal(d->device_count, 2);
    assert_string_equal(d->device[0].name, "cpu");
    assert_true(d->device[0].available && d->device[0].selected);
    assert_string_equal(d->device[0].reason, "used where no other device is predicted to be faster");
    assert_true(d->device[0].free_bytes > 0 && d->device[0].free_bytes <= d->budget);
    assert_string_equal(d->device[1].name, "cuda");
    assert_false(d->device[1].available || d->device[1].selected);
    assert_non_null(strstr(d->device[1].reason, "no such device"));
    assert_true(d->processors >= 1 && d->processors_allowed >= 1 && d->threads == 2 && d->memory_total > 0);
    assert_true(d->cpu_model[0] && d->isa[0] && d->isa_used[0] && d->blas[0]);
    assert_int_equal(d->budget, (int64_t)256 << 20);
    assert_int_equal(d->policy_count, 14);
    assert_string_equal(d->policy[0].name, "xtwx_n_min");
    assert_false(d->calibrated);
    assert_string_equal(d->cost_source, "built in");
    for (int i = 0; i < d->cost_count; i++) {
        assert_true(d->cost[i].name[0] && d->cost[i].meaning[0] && d->cost[i].unit && !d->cost[i].measured);
    }
    weir_devices_free(ctx, d);
    weir_devices_free(ctx, NULL);
    weir_devices_free(NULL, NULL);
    assert_int_equal(weir_devices_query(NULL, &d), WEIR_E_ARG);
    assert_int_equal(weir_devices_query(ctx, NULL), WEIR_E_ARG);
    weir_ctx_destroy(ctx);
}

static void requests_show_in_the_list(void **state)
{
    (void)state;
    static const struct { const char *request; int count, selected; const char *first_reason; } cases[] = {
        { "cpu", 1, 0, "preferred by request" },
        { "sim:capacity=8M", 2, 1, "takes what the preferred device does not support" },
        { "required:cuda", 2, -1, "the request cannot be met" },
        { "nonsense", 2, -1, "the request cannot be met" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_ctx *ctx = ctx_for(cases[i].request);
        weir_devices *d;
        assert_int_equal(weir_devices_query(ctx, &d), WEIR_OK);
        assert_int_equal(d->device_count, cases[i].count);
        for (int k = 0; k < d->device_count; k++) {
            assert_int_equal(d->device[k].selected, k == cases[i].selected);
        }
        assert_string_equal(d->device[0].reason, cases[i].first_reason);
        weir_devices_free(ctx, d);
        weir_ctx_destroy(ctx);
    }
}

static double value_of(const weir_devices *d, const char *name, int *measured)
{
    for (int i = 0; i < d->cost_count; i++) {
        if (strcmp(d->cost[i].name, name) == 0) {
            *measured = d->cost[i].measured;
            return d->cost[i].value;
        }
    }
    fail_msg("no cost %s", name);
    return 0;
}

/* In little memory a calibration measures small sizes alone, which is quick. */
static weir_ctx *small_ctx(void)
{
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    weir_ctx *ctx = NULL;
    options.threads = 2;
    options.memory_budget = (int64_t)128 << 20;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    return ctx;
}

static void a_calibration_is_kept_exported_and_imported(void **state)
{
    (void)state;
    weir_ctx *ctx = small_ctx();
    assert_int_equal(weir_devices_calibrate(ctx), WEIR_OK);
    weir_devices *d;
    int measured = 0;
    assert_int_equal(weir_devices_query(ctx, &d), WEIR_OK);
    double rate = value_of(d, "cpu.gemm", &measured);
    assert_true(measured && d->calibrated);
    weir_devices_free(ctx, d);
    char path[400];
    snprintf(path, sizeof path, "%s/mine.json", folder);
    assert_int_equal(weir_devices_export(ctx, path), WEIR_OK);
    weir_ctx_destroy(ctx);

    ctx = ctx_for("auto");
    assert_int_equal(weir_devices_query(ctx, &d), WEIR_OK); /* from the cache */
    assert_true(value_of(d, "cpu.gemm", &measured) == rate && measured);
    assert_int_equal(strncmp(d->cost_source, folder, strlen(folder)), 0);
    weir_devices_free(ctx, d);
    weir_ctx_destroy(ctx);

    setenv("XDG_CACHE_HOME", "/proc/nowhere", 1);
    ctx = small_ctx();
    assert_int_equal(weir_devices_query(ctx, &d), WEIR_OK);
    assert_false(d->calibrated);
    weir_devices_free(ctx, d);
    assert_int_equal(weir_devices_import(ctx, path), WEIR_OK);
    assert_int_equal(weir_devices_query(ctx, &d), WEIR_OK);
    assert_true(value_of(d, "cpu.gemm", &measured) == rate && measured);
    assert_string_equal(d->cost_source, path);
    weir_devices_free(ctx, d);
    assert_int_equal(weir_devices_import(ctx, "/nowhere.json"), WEIR_E_IO);
    assert_int_equal(weir_devices_import(ctx, NULL), WEIR_E_ARG);
    assert_int_equal(weir_devices_export(ctx, "/proc/nowhere/x"), WEIR_E_IO);
    assert_int_equal(weir_devices_calibrate(ctx), WEIR_E_IO); /* cannot be kept, yet is in use */
    assert_int_equal(weir_devices_query(ctx, &d), WEIR_OK);
    assert_true(d->calibrated);
    assert_string_equal(d->cost_source, "measured now");
    weir_devices_free(ctx, d);
    weir_ctx_destroy(ctx);
}

static weir_status query(weir_ctx *ctx, void *arg)
{
    (void)arg;
    weir_devices *d = NULL;
    weir_status status = weir_devices_query(ctx, &d);
    weir_devices_free(ctx, d);
    return status;
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    weir_ctx *ctx = ctx_for("sim");
    assert_int_equal(query(ctx, NULL), WEIR_OK); /* the context keeps its devices from here on */
    assert_true(test_each_allocation_fails(ctx, query, NULL) >= 2);
    weir_ctx_destroy(ctx);
}

/* Status of planning a fit with this device request; *plan written on success. */
static weir_status plan_on(const char *request, weir_plan *plan)
{
    static double y[64], x[64];
    for (int i = 0; i < 64; i++) {
        x[i] = (double)i;
        y[i] = (double)(i * 7 % 13);
    }
    const weir_column column[2] = { { "y", WEIR_F64, y, 0, 0, NULL }, { "x", WEIR_F64, x, 0, 0, NULL } };
    weir_ctx *ctx = ctx_for(request);
    weir_table *table = NULL;
    weir_model *model = NULL;
    assert_int_equal(weir_table_from_columns(ctx, 64, 2, column, &table), WEIR_OK);
    weir_status status = weir_plan_fit(ctx, table, "y ~ s(x, k = 5)", NULL, plan);
    weir_status fitted = weir_fit(ctx, table, "y ~ s(x, k = 5)", NULL, &model);
    assert_int_equal(status < 0, fitted < 0);
    if (fitted >= 0) {
        weir_summary summary;
        weir_model_summary(model, &summary);
        assert_string_equal(summary.plan->device, plan->device);
    }
    weir_model_free(model);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
    return status;
}

static int reasons_with(const weir_plan *plan, const char *words)
{
    int count = 0;
    for (int i = 0; i < plan->reason_count; i++) {
        count += strstr(plan->reason[i], words) != NULL;
    }
    return count;
}

static void a_fit_says_which_device_executes(void **state)
{
    (void)state;
    weir_plan plan;
    assert_int_equal(plan_on("auto", &plan), WEIR_OK);
    assert_string_equal(plan.device, "cpu");
    assert_int_equal(reasons_with(&plan, "was asked for"), 0);
    static const char *const asked[] = { "sim:", "sim:capacity=64K", "sim:fail=1,fail_for_ever=1" };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(plan_on(asked[i], &plan), WEIR_OK);
        assert_string_equal(plan.device, "cpu");
        assert_int_equal(reasons_with(&plan, asked[i]), 1);
        assert_int_equal(reasons_with(&plan, "the cpu executes"), 1);
    }
    assert_int_equal(plan_on("sim:absent=1", &plan), WEIR_OK);
    assert_int_equal(reasons_with(&plan, "absent as its script says"), 1);
    assert_int_equal(plan_on("required:sim:", &plan), WEIR_E_DEVICE);
    assert_int_equal(plan_on("required:sim:absent=1", &plan), WEIR_E_DEVICE);
    assert_int_equal(plan_on("sim:nonsense=1", &plan), WEIR_E_ARG);
}

int main(void)
{
    setenv("WEIR_DEVICE_PATH", "/nonexistent", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_machine_is_described, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(requests_show_in_the_list, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_calibration_is_kept_exported_and_imported, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(every_failing_allocation_is_survived, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_fit_says_which_device_executes, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
