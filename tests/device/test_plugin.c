/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

#include "device/device.h"

#define FOLDER WEIR_BINARY_DIR "/tests/plugins"

static void *lend_alloc(void *user, const char *tag, size_t bytes) { (void)tag; return w_alloc(user, "device", bytes); }
static void lend_free(void *user, void *block) { w_free(user, block); }
static weir_status lend_fail(void *user, weir_status status, const char *line) { return w_fail(user, status, "%s", line); }

static void every_fault_is_no_such_device_with_a_reason(void **state)
{
    static const struct { const char *name, *reason; } faults[] = {
        { "wrongabi", "speaks ABI 2, this library 1" }, { "shorttable", "shorter than the required" },
        { "nodevice", "no card answers" },              { "missingentry", "lacks a required entry" },
        { "openfails", "cannot be opened" },            { "notable", "offers no table" },
        { "noentrypoint", "does not export" },          { "garbage", "libweir_garbage.so" },
        { "nowhere", "libweir_nowhere.so is not beside the library nor in WEIR_DEVICE_PATH" },
    };
    setenv("WEIR_DEVICE_PATH", FOLDER, 1);
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_device_host lend = { WEIR_DEVICE_ABI, sizeof lend, ctx, lend_alloc, lend_free, lend_fail };
    int64_t blocks = atomic_load(&ctx->ledger.live_blocks);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        w_device device;
        assert_int_equal(w_plugin_open(ctx, &lend, faults[i].name, &device), WEIR_OK);
        assert_false(device.available);
        if (!strstr(device.reason, faults[i].reason)) {
            fail_msg("%s: the reason is '%s'", faults[i].name, device.reason);
        }
        assert_null(strchr(device.reason, '\n'));
        assert_string_equal(device.name, faults[i].name);
    }
    assert_int_equal(atomic_load(&ctx->ledger.live_blocks), blocks);
    weir_ctx_destroy(ctx);
}

static void a_relative_folder_is_refused(void **state)
{
    setenv("WEIR_DEVICE_PATH", "plugins", 1);
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_device_host lend = { WEIR_DEVICE_ABI, sizeof lend, ctx, lend_alloc, lend_free, lend_fail };
    w_device device;
    assert_int_equal(w_plugin_open(ctx, &lend, "cuda", &device), WEIR_OK);
    assert_false(device.available);
    assert_non_null(strstr(device.reason, "absolute"));
    weir_ctx_destroy(ctx);
}

static void an_older_table_lacks_its_later_entries(void **state)
{
    setenv("WEIR_DEVICE_PATH", FOLDER, 1);
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_device_host lend = { WEIR_DEVICE_ABI, sizeof lend, ctx, lend_alloc, lend_free, lend_fail };
    w_device device;
    assert_int_equal(w_plugin_open(ctx, &lend, "oldertable", &device), WEIR_OK);
    assert_true(device.available);
    assert_null(device.api.gemm);
    weir_device_shape shape = { 10, 10, 10, 1 };
    assert_false(w_device_supports(&device, WEIR_DEVICE_GEMM, WEIR_DEVICE_F64, &shape));
    device.api.close(device.state);
    weir_ctx_destroy(ctx);
}

static weir_ctx *ctx_for(const char *request)
{
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 1;
    options.device = request;
    weir_ctx *ctx = NULL;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    return ctx;
}

static void a_good_plugin_is_chosen_by_request_and_by_cost(void **state)
{
    (void)state;
    setenv("WEIR_DEVICE_PATH", FOLDER, 1);
    static const weir_device_shape small = { 10, 10, 10, 1 }, large = { 8000, 8000, 8000, 1 }, wide = { 8000, 8000, 0, 1 };
    static const struct {
        const char *request;
        weir_device_op op;
        const weir_device_shape *shape;
        weir_status status;
        const char *chosen;
    } cases[] = {
        { "cuda", WEIR_DEVICE_GEMM, &small, WEIR_OK, "cuda" },      { "auto", WEIR_DEVICE_GEMM, &small, WEIR_OK, "cpu" },
        { "auto", WEIR_DEVICE_GEMM, &large, WEIR_OK, "cuda" },      { "cpu", WEIR_DEVICE_GEMM, &large, WEIR_OK, "cpu" },
        { "cuda", WEIR_DEVICE_SYEVD, &wide, WEIR_OK, "cpu" },       { "required:cuda", WEIR_DEVICE_GEMM, &small, WEIR_OK, "cuda" },
        { "required:cuda", WEIR_DEVICE_SYEVD, &wide, WEIR_E_DEVICE, NULL },
        { "cuda", WEIR_DEVICE_POTRF, &wide, WEIR_OK, "cpu" }, /* it says it supports POTRF, yet has no entry */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_ctx *ctx = ctx_for(cases[i].request);
        w_device *device = NULL;
        char reason[200] = "";
        assert_int_equal(w_device_choose(ctx, cases[i].op, WEIR_DEVICE_F64, cases[i].shape, 0, 0, &device, reason,
                                         sizeof reason), cases[i].status);
        if (cases[i].chosen) {
            assert_string_equal(device->name, cases[i].chosen);
            assert_non_null(strstr(reason, " ms"));
        } else {
            assert_null(device);
        }
        weir_ctx_destroy(ctx);
    }
}

static void small_work_never_looks_for_a_driver(void **state)
{
    (void)state;
    setenv("WEIR_DEVICE_PATH", FOLDER, 1);
    weir_ctx *ctx = ctx_for("auto");
    w_device_set *set;
    w_device *device;
    weir_device_shape shape = { 50, 50, 50, 1 };
    assert_int_equal(w_devices_get(ctx, &set), WEIR_OK);
    assert_int_equal(w_device_choose(ctx, WEIR_DEVICE_GEMM, WEIR_DEVICE_F64, &shape, 0, 0, &device, NULL, 0), WEIR_OK);
    assert_false(set->probed);
    assert_int_equal(set->count, 1);
    shape = (weir_device_shape){ 5000, 5000, 5000, 1 };
    assert_int_equal(w_device_choose(ctx, WEIR_DEVICE_GEMM, WEIR_DEVICE_F64, &shape, 0, 0, &device, NULL, 0), WEIR_OK);
    assert_true(set->probed);
    assert_int_equal(set->count, 2);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_is_no_such_device_with_a_reason),
        cmocka_unit_test(a_relative_folder_is_refused),
        cmocka_unit_test(an_older_table_lacks_its_later_entries),
        cmocka_unit_test(a_good_plugin_is_chosen_by_request_and_by_cost),
        cmocka_unit_test(small_work_never_looks_for_a_driver),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
