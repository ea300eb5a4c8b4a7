/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "device/cost.h"
#include "device/device.h"
#include "device/policy.h"
#include "device/probe.h"
#include "support/folder.h"

static void seconds_are_launch_bytes_and_flops(void **state)
{
    (void)state;
    w_device_cost cost = { .launch = 1, .up = 10, .down = 20 };
    cost.peak[WEIR_DEVICE_GEMM][WEIR_DEVICE_F64] = 100;
    cost.half[WEIR_DEVICE_GEMM][WEIR_DEVICE_F64] = 50;
    weir_device_shape shape = { 2, 3, 4, 1 };
    assert_true(w_cost_flops(WEIR_DEVICE_GEMM, &shape) == 48);
    assert_true(fabs(w_cost_seconds(&cost, WEIR_DEVICE_GEMM, WEIR_DEVICE_F64, &shape, 30, 40) - (1 + 3 + 2 + 0.98)) < 1e-14);
    assert_true(w_cost_seconds(&cost, WEIR_DEVICE_COPY, WEIR_DEVICE_F64, &shape, 30, 0) == 3);
    assert_true(isinf(w_cost_seconds(&cost, WEIR_DEVICE_SYRK, WEIR_DEVICE_F64, &shape, 0, 0)));
    shape.batch = 5;
    assert_true(w_cost_flops(WEIR_DEVICE_GEMM, &shape) == 240);
    weir_device_shape square = { 10, 10, 10, 1 };
    assert_true(w_cost_flops(WEIR_DEVICE_SYRK, &square) == 1100);
    assert_true(w_cost_flops(WEIR_DEVICE_TRSM, &square) == 1000);
    assert_true(fabs(w_cost_flops(WEIR_DEVICE_POTRF, &square) - 1000.0 / 3) < 1e-9);
    assert_true(fabs(w_cost_flops(WEIR_DEVICE_GEQRF, &square) - 4000.0 / 3) < 1e-9);
}

static void every_field_is_read_by_a_prediction_or_by_rows(void **state)
{
    (void)state;
    w_cost cost, changed;
    w_cost_defaults(&cost);
    assert_false(cost.measured);
    int fields = 0;
    for (const w_cost_field *field; (field = w_cost_field_at(fields)); fields++) {
        double value = w_cost_get(&cost, field);
        assert_true(value >= field->low && value <= field->high);
        changed = cost;
        assert_true(w_cost_set(&changed, field->name, (value + field->low) / 2));
        assert_true(w_cost_get(&changed, field) == (value + field->low) / 2);
        assert_false(w_cost_set(&changed, field->name, NAN));
        assert_false(w_cost_set(&changed, field->name, -1.0));
        if (strncmp(field->name, "cpu.", 4) == 0) { /* some operation's seconds must move with it */
            bool moved = false;
            for (int op = WEIR_DEVICE_GEMM; op < WEIR_DEVICE_OPS; op++) {
                for (int dtype = 0; dtype < WEIR_DEVICE_DTYPES; dtype++) {
                    weir_device_shape shape = { 100, 100, 100, 1 };
                    moved = moved || w_cost_seconds(&cost.host, op, dtype, &shape, 0, 0) !=
                                         w_cost_seconds(&changed.host, op, dtype, &shape, 0, 0);
                }
            }
            assert_true(moved);
        }
    }
    assert_int_equal(fields, 122);
    assert_false(w_cost_set(&cost, "cpu.nothing", 1));
    assert_true(w_cost_threaded(&cost, 1.0, 1) == 1.0);
    assert_true(w_cost_threaded(&cost, 1.0, 2) < 1.0 && w_cost_threaded(&cost, 1.0, 2) >= 0.5);
}

static char folder[TEST_FOLDER_BYTES];

static int folder_make(void **state)
{
    (void)state;
    return test_folder_make(folder);
}

static int folder_remove(void **state)
{
    (void)state;
    test_folder_remove(folder);
    return 0;
}

static void files_come_back_as_written_or_not_at_all(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    w_cost cost, back;
    w_cost_defaults(&cost);
    w_cost_set_measured(&cost, "cpu.potrf", 1.25e10 / 3);
    w_cost_set_measured(&cost, "cpu.gemm", NAN); /* says nothing */
    char path[400];
    snprintf(path, sizeof path, "%s/deep/er/costs.json", folder);
    assert_int_equal(w_cost_load(ctx, path, NULL, &back), WEIR_E_IO);
    w_message_clear(ctx);
    assert_int_equal(w_cost_save(ctx, path, "this machine", &cost), WEIR_OK);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    w_cost_defaults(&back);
    assert_int_equal(w_cost_load(ctx, path, "this machine", &back), WEIR_OK);
    assert_true(back.measured && memcmp(back.field_measured, cost.field_measured, sizeof back.field_measured) == 0);
    assert_string_equal(back.source, path);
    for (int i = 0; w_cost_field_at(i); i++) {
        assert_true(w_cost_get(&back, w_cost_field_at(i)) == w_cost_get(&cost, w_cost_field_at(i)));
    }
    assert_int_equal(w_cost_load(ctx, path, "another machine", &back), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "measured on another machine"));
    assert_int_equal(w_cost_load(ctx, path, NULL, &back), WEIR_OK);

    static const char *const damaged[] = {
        "", "{", "[]", "{\"weir_costs\": 1}", "{\"weir_costs\": 2, \"key\": \"k\", \"costs\": {}}",
        "{\"weir_costs\": 2, \"key\": \"k\", \"costs\": {\"rows.basis\": -1}}",
        "{\"weir_costs\": 1, \"weir_costs\": 1}", "{\"weir_costs\": 2, \"key\": \"k\", \"costs\": 7}",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        test_folder_write(folder, "/bad.json", damaged[i], strlen(damaged[i]));
        snprintf(path, sizeof path, "%s/bad.json", folder);
        w_cost before = back;
        assert_int_equal(w_cost_load(ctx, path, "k", &back), WEIR_E_DATA);
        assert_memory_equal(&before.host, &back.host, sizeof before.host);
    }
    w_message_clear(ctx);
    assert_int_equal(w_cost_save(ctx, "/proc/nowhere/costs.json", "k", &cost), WEIR_E_IO);
    weir_ctx_destroy(ctx);
}

static void the_cache_is_used_only_by_the_same_machine(void **state)
{
    setenv("XDG_CACHE_HOME", folder, 1);
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    w_device_set *set;
    assert_int_equal(w_devices_get(ctx, &set), WEIR_OK);
    assert_string_equal(set->cost.source, "built in");
    w_cost cost = set->cost;
    w_cost_set_measured(&cost, "cpu.potrf", 123456789.0);
    char path[512];
    assert_true(w_cost_cache_path(set->key, path, sizeof path));
    assert_int_equal(strncmp(path, folder, strlen(folder)), 0);
    assert_int_equal(w_cost_save(ctx, path, set->key, &cost), WEIR_OK);
    weir_ctx_destroy(ctx);
    ctx = test_ctx(*state, 1, 0);
    assert_int_equal(w_devices_get(ctx, &set), WEIR_OK);
    assert_true(set->cost.measured && set->cost.host.peak[WEIR_DEVICE_POTRF][WEIR_DEVICE_F64] == 123456789.0);
    assert_string_equal(set->cost.source, path);
    weir_ctx_destroy(ctx);
    ctx = test_ctx(*state, 2, 0); /* another number of threads */
    assert_int_equal(w_devices_get(ctx, &set), WEIR_OK);
    assert_false(set->cost.measured);
    assert_string_equal(set->cost_remark, ""); /* there are none for this number: nothing to say */
    weir_ctx_destroy(ctx);
    /* one that cannot be used is no error and one remark: damaged, of another machine, of absurd values */
    static const char *const bad[][2] = {
        { "{\"weir_costs\"", "not JSON" },
        { "{\"weir_costs\": 1}", "another format" },
        { "{\"weir_costs\": 2, \"key\": \"weir 0; cpu other\", \"costs\": {}}", "another machine" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        test_folder_write(path, "", bad[i][0], strlen(bad[i][0]));
        ctx = test_ctx(*state, 1, 0);
        assert_int_equal(w_devices_get(ctx, &set), WEIR_OK);
        assert_false(set->cost.measured);
        assert_non_null(strstr(set->cost_remark, bad[i][1]));
        assert_non_null(strstr(set->cost_remark, "built-in costs"));
        assert_string_equal(weir_ctx_message(ctx), "");
        weir_ctx_destroy(ctx);
    }
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "relative", 1);
    assert_false(w_cost_cache_path("k", path, sizeof path));
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
}

/* Thresholds set by hand are kept in the file, and absurd ones refuse it. */
static void a_policy_is_set_by_a_file(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    w_cost cost, back;
    char path[400], text[16384];
    w_cost_defaults(&cost);
    cost.threshold[0] = 123.0;
    cost.threshold_set = 1;
    snprintf(path, sizeof path, "%s/policy.json", folder);
    assert_int_equal(w_cost_save(ctx, path, "k", &cost), WEIR_OK);
    w_cost_defaults(&back);
    assert_int_equal(w_cost_load(ctx, path, "k", &back), WEIR_OK);
    assert_true(back.threshold_set == 1 && back.threshold[0] == 123.0);
    FILE *file = fopen(path, "r");
    const size_t length = fread(text, 1, sizeof text - 64, file);
    fclose(file);
    text[length] = '\0';
    char *number = strstr(text, "123.0");
    assert_non_null(number);
    memcpy(number, "-23.0", 5);
    assert_int_equal(w_cost_parse(text, length, "k", &back, path, sizeof path), WEIR_E_DATA);
    assert_non_null(strstr(path, "xtwx_n_min"));
    memcpy(number, "123.0", 5);
    memcpy(strstr(text, "xtwx_n_min"), "xtwx_m_min", 10);
    assert_int_equal(w_cost_parse(text, length, "k", &back, path, sizeof path), WEIR_E_DATA);
    weir_ctx_destroy(ctx);
}

/* Between the sizes a power, below the first its price, beyond the last the power asked for. */
static void curves_are_straight_between_logarithms(void **state)
{
    (void)state;
    const w_curve curve = { { 2.0, 2.0, 32.0, 32.0, 8.0 } }, none = { { 0 } };
    static const double table[][3] = { { 0, 0, 2 }, { 1, 3, 2 }, { 4, 3, 2 }, { 8, 3, 2 }, { 16, 3, 2 }, { 32, 3, 8 }, { 64, 3, 32 },
                                       { 128, 3, 32 }, { 512, 0, 16 }, { 1024, 0, 8 }, { 2048, 0, 8 }, { 2048, 3, 64 }, { 4096, 1, 32 } };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_true(fabs(w_curve_at(&curve, table[i][0], table[i][1]) / table[i][2] - 1.0) < 1e-12);
    }
    assert_true(w_curve_at(&none, 100.0, 3.0) == 0.0);
}

/* Every cost at either end of its range predicts something finite. */
static void absurd_costs_predict_finite_seconds(void **state)
{
    (void)state;
    for (int high = 0; high < 2; high++) {
        w_cost cost;
        w_cost_defaults(&cost);
        for (int i = 0; w_cost_field_at(i); i++) {
            const w_cost_field *field = w_cost_field_at(i);
            assert_true(w_cost_set(&cost, field->name, high ? field->high : field->low));
        }
        const weir_device_shape shape = { 1 << 20, 1 << 14, 1 << 14, 1 };
        for (int op = WEIR_DEVICE_GEMM; op < WEIR_DEVICE_OPS; op++) {
            assert_true(isfinite(w_cost_seconds(&cost.host, op, WEIR_DEVICE_F64, &shape, 0, 0)));
        }
        assert_true(isfinite(w_curve_at(&cost.route.spd, 1e6, 3.0)) && isfinite(w_cost_threaded(&cost, 1.0, 8)));
    }
}

static double fake_now;
static double fake_clock(void) { return fake_now; }

static weir_status fake_work(void *arg)
{
    fake_now += *(double *)arg;
    return WEIR_OK;
}

static weir_status failing_work(void *arg)
{
    (void)arg;
    return WEIR_E_NUMERIC;
}

/* By a clock of our own: short work in batches, and not for longer than was allowed. */
static void a_probe_finds_the_seconds_of_its_work(void **state)
{
    (void)state;
    const w_probe probe = { .clock = fake_clock, .seconds = 0.02, .largest = 64 };
    for (double each = 1e-7; each < 2.0; each *= 7.0) {
        const double begun = fake_now;
        const double found = w_probe_seconds(&probe, fake_work, &each);
        assert_true(fabs(found / each - 1.0) < 1e-6);
        assert_true(fake_now - begun < 0.02 + 8.0 * fmax(each, 2e-4));
    }
    assert_true(isnan(w_probe_seconds(&probe, failing_work, NULL)));
}

static void calibration_gives_sound_constants(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, (int64_t)64 << 20);
    w_device_set *set;
    assert_int_equal(w_devices_get(ctx, &set), WEIR_OK);
    int64_t in_use = atomic_load(&ctx->ledger.in_use);
    w_cost cost = set->cost;
    assert_int_equal(w_cost_calibrate(ctx, 0.02, &cost), WEIR_OK);
    assert_int_equal(atomic_load(&ctx->ledger.in_use), in_use);
    assert_true(cost.measured);
    for (int i = 0; w_cost_field_at(i); i++) {
        const w_cost_field *field = w_cost_field_at(i);
        assert_in_range(w_cost_get(&cost, field) >= field->low && w_cost_get(&cost, field) <= field->high, 1, 1);
    }
    assert_true(w_cost_get(&cost, w_cost_field_at(9)) != w_cost_get(&set->cost, w_cost_field_at(9)));
    weir_ctx_destroy(ctx);
    ctx = test_ctx(*state, 1, 1 << 20);
    w_cost before = cost;
    assert_int_equal(w_cost_calibrate(ctx, 0.01, &cost), WEIR_E_BUDGET);
    assert_memory_equal(&before.host, &cost.host, sizeof cost.host);
    weir_ctx_destroy(ctx);
}

/* ---- policy -------------------------------------------------------------------------------------------------------- */

/* All predicates at one set of arguments, as bits. */
static unsigned decisions(const weir_policy *p, int64_t n, int64_t q)
{
    unsigned bits = 0;
    int at = 0;
#define DECIDE(call) bits |= (unsigned)(call) << at++
    DECIDE(w_policy_refine(p, q));
    DECIDE(w_policy_gemv(p, n, q, false));
    DECIDE(w_policy_gemm(p, n, q, q));
    DECIDE(w_policy_xtwx(p, n, q, true));
    DECIDE(w_policy_xtwy(p, n, q, q, true));
    DECIDE(w_policy_fused_gram(p, n, q));
    DECIDE(w_policy_potrf(p, q, true));
    DECIDE(w_policy_factor_chain(p, q));
    DECIDE(w_policy_potrf_batched(p, q, n));
    DECIDE(w_policy_syevd(p, q));
    DECIDE(w_policy_sparse(p, n));
    DECIDE(w_policy_row_kernel(p, n));
    DECIDE(w_policy_keep_design(p, 8 * n * q, INT64_MAX));
    DECIDE(w_policy_schur_matvec(p, n, q, 3, 10));
#undef DECIDE
    return bits;
}

static void every_policy_field_changes_a_decision_and_is_printed(void **state)
{
    (void)state;
    weir_policy policy;
    w_policy_defaults(&policy);
    const char *unit, *meaning;
    for (int i = 0; i < W_POLICY_FIELDS; i++) {
        const char *name = w_policy_field(i, &unit, &meaning);
        assert_non_null(name);
        assert_true(unit && meaning && meaning[0]);
        bool changes = false;
        for (int64_t n = 4; n < (int64_t)1 << 30; n *= 2) {
            for (int64_t q = 4; q <= 4096; q *= 2) {
                for (int way = 0; way < 2; way++) {
                    weir_policy other = policy;
                    assert_true(w_policy_set(&other, name, way ? 1e15 : 0));
                    changes = changes || decisions(&policy, n, q) != decisions(&other, n, q);
                }
            }
        }
        if (!changes) {
            fail_msg("no decision reads %s", name);
        }
        assert_true(w_policy_set(&policy, name, w_policy_get(&policy, i)));
        assert_false(w_policy_set(&policy, name, -1));
        assert_false(w_policy_set(&policy, name, NAN));
    }
    assert_null(w_policy_field(W_POLICY_FIELDS, &unit, &meaning));
    assert_false(w_policy_set(&policy, "nothing", 1));
}

static void published_thresholds(void **state)
{
    (void)state;
    weir_policy p;
    w_policy_defaults(&p);
    assert_true(w_policy_xtwx(&p, 100000, 100, true));    /* 2e9 flop */
    assert_false(w_policy_xtwx(&p, 100000, 100, false));  /* not materialized */
    assert_false(w_policy_xtwx(&p, 50000, 31, true));     /* 9.6e7 flop */
    assert_false(w_policy_xtwx(&p, 5000, 100, true));     /* the work would do, the rows do not */
    assert_false(w_policy_xtwx(&p, 0, 100, true));
    assert_true(w_policy_potrf(&p, 512, true) && !w_policy_potrf(&p, 511, true) && !w_policy_potrf(&p, 512, false));
    assert_true(w_policy_potrf_batched(&p, 32, 8) && !w_policy_potrf_batched(&p, 33, 8) && !w_policy_potrf_batched(&p, 32, 7));
    assert_true(w_policy_refine(&p, 64) && !w_policy_refine(&p, 63));
    assert_true(w_policy_gemv(&p, 10, 10, true) && !w_policy_gemv(&p, 10, 10, false) && !w_policy_gemv(&p, 0, 10, true));
    assert_true(w_policy_keep_design(&p, 32 << 20, 64 << 20) && !w_policy_keep_design(&p, 32 << 20, (64 << 20) - 1));
    assert_false(w_policy_schur_matvec(&p, 1 << 20, 31, 3, 100));
    assert_true(w_policy_schur_matvec(&p, 1 << 20, 32, 3, 100));
    static const struct { int64_t n, k, d, iterations; bool offload; } schur[] = { /* iters n (4 d k + d^2) >= 1e8 */
        { 1000, 64, 3, 128, false }, { 1000, 64, 3, 129, true }, { 1000, 64, 3, 0, false }, { 129000, 64, 3, 1, true },
        { 1, 64, 3, 1000, false }, { 3125, 1000, 1, 8, true }, { 3124, 1000, 1, 7, false }, { 1000, 31, 100, 1000, false },
        { -1, 64, 3, 1000, false }, { 1000, 64, 0, 1000, false } };
    for (size_t i = 0; i < sizeof schur / sizeof schur[0]; i++) {
        assert_int_equal(w_policy_schur_matvec(&p, schur[i].n, schur[i].k, schur[i].d, schur[i].iterations), schur[i].offload);
    }
    assert_true(w_policy_xtwy(&p, INT64_MAX, INT64_MAX, INT64_MAX, true)); /* no overflow */
}

static void derived_thresholds_are_the_crossovers(void **state)
{
    (void)state;
    w_cost cost;
    w_cost_defaults(&cost);
    w_device_cost fast = cost.host, slow = cost.host;
    fast.launch = 1e-4;
    fast.up = fast.down = 1e10;
    slow.up = slow.down = 1e9;
    for (int op = 0; op < WEIR_DEVICE_OPS; op++) {
        for (int dtype = 0; dtype < WEIR_DEVICE_DTYPES; dtype++) {
            fast.peak[op][dtype] *= 20;
        }
    }
    weir_policy p;
    w_policy_derive(&cost, &fast, &p);
    int64_t from = (int64_t)p.potrf_min_p;
    assert_in_range(from, 8, 5000);
    for (int64_t n = 4; n < 20000; n = n * 3 / 2) {
        weir_device_shape shape = { 0, n, 0, 1 };
        double here = w_cost_seconds(&cost.host, WEIR_DEVICE_POTRF, WEIR_DEVICE_F64, &shape, 0, 0);
        double there = w_cost_seconds(&fast, WEIR_DEVICE_POTRF, WEIR_DEVICE_F64, &shape, 8 * n * n, 8 * n * n);
        if (w_policy_potrf(&p, n, true)) {
            assert_true(there < here);
        } else if (2 * n < from) { /* well below the threshold the host wins */
            assert_true(here <= there);
        }
    }
    assert_true(p.mixed_precision == 1 && p.keep_design_resident_min_bytes == 1e6 && p.xtwx_use_fused_below_p == 256);
    assert_true(p.row_kernel_min_n > 1e4 && p.row_kernel_min_n < 1e6 && p.fused_kernel_min_n < p.row_kernel_min_n);
    assert_true(p.small_dense_batched_potrf_max_p > 100 && p.small_dense_batched_potrf_max_p < 2000);
    cost.threshold[4] = 77.0;
    cost.threshold_set = 1 << 4;
    w_policy_derive(&cost, &fast, &p);
    assert_true(p.potrf_min_p == 77); /* set by hand */
    cost.threshold_set = 0;
    w_policy_derive(&cost, &slow, &p);
    assert_true(isinf(p.row_kernel_min_n) && isinf(p.sparse_min_nnz));
    assert_true(isinf(p.potrf_min_p) && isinf(p.gemm_min_flops) && isinf(p.xtwx_flops_min));
    assert_false(w_policy_gemm(&p, 1 << 20, 1 << 20, 1 << 20)); /* never means never */
}

int main(void)
{
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seconds_are_launch_bytes_and_flops),
        cmocka_unit_test(every_field_is_read_by_a_prediction_or_by_rows),
        cmocka_unit_test_setup_teardown(files_come_back_as_written_or_not_at_all, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(the_cache_is_used_only_by_the_same_machine, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_policy_is_set_by_a_file, folder_make, folder_remove),
        cmocka_unit_test(curves_are_straight_between_logarithms),
        cmocka_unit_test(absurd_costs_predict_finite_seconds),
        cmocka_unit_test(a_probe_finds_the_seconds_of_its_work),
        cmocka_unit_test(calibration_gives_sound_constants),
        cmocka_unit_test(every_policy_field_changes_a_decision_and_is_printed),
        cmocka_unit_test(published_thresholds),
        cmocka_unit_test(derived_thresholds_are_the_crossovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
