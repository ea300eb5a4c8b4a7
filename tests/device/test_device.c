/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "device/device.h"
#include "device/sim.h"

static weir_ctx *ctx_for(const char *request)
{
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 1;
    options.memory_budget = (int64_t)1 << 30;
    options.device = request;
    weir_ctx *ctx = NULL;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    return ctx;
}

static w_device *device_of(weir_ctx *ctx)
{
    w_device_set *set = NULL;
    assert_int_equal(w_devices_get(ctx, &set), WEIR_OK);
    return &set->device[set->preferred];
}

/* ---- parity of every entry with plain loops, on the host and on the simulated device -------------------------------- */

enum { N = 23 };

typedef struct on_device { w_device *device; double *a, *b, *c; } on_device;

static void up(w_device *device, double **to, const double *from, int64_t count)
{
    assert_int_equal(w_device_alloc(device, count * 8, (void **)to), WEIR_OK);
    assert_int_equal(w_device_copy(device, *to, from, count * 8, WEIR_DEVICE_UP), WEIR_OK);
}

static void down(w_device *device, double *to, double *from, int64_t count)
{
    assert_int_equal(device->api.sync(device->state), WEIR_OK);
    assert_int_equal(w_device_copy(device, to, from, count * 8, WEIR_DEVICE_DOWN), WEIR_OK);
    w_device_free(device, from);
}

static void random_fill(double *a, int count, uint64_t seed)
{
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int i = 0; i < count; i++) {
        a[i] = w_rng_uniform(&rng) - 0.5;
    }
}

static void spd_fill(double a[N * N])
{
    double x[N * N];
    random_fill(x, N * N, 5);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i + j * N] = i == j ? 1.0 : 0.0;
            for (int k = 0; k < N; k++) {
                a[i + j * N] += x[i + k * N] * x[j + k * N];
            }
        }
    }
}

static void products_match_plain_loops(w_device *device)
{
    double a[N * N], b[N * N], c[N * N], *da, *db, *dc;
    random_fill(a, N * N, 1);
    random_fill(b, N * N, 2);
    random_fill(c, N * N, 3);
    up(device, &da, a, N * N);
    up(device, &db, b, N * N);
    up(device, &dc, c, N * N);
    double got[N * N];
    assert_int_equal(device->api.gemm(device->state, WEIR_DEVICE_F64, 'T', 'N', N, N, N, 2.0, da, N, db, N, -1.0, dc, N), WEIR_OK);
    down(device, got, dc, N * N);
    double bound = 2 * (N + 2) * DBL_EPSILON * (2 * N * 0.25 + 0.5); /* gamma_{n+2} (2 |A||B| + |C|) */
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int k = 0; k < N; k++) {
                sum += a[k + i * N] * b[k + j * N];
            }
            assert_true(fabs(got[i + j * N] - (2 * sum - c[i + j * N])) <= bound);
        }
    }
    up(device, &dc, c, N * N);
    assert_int_equal(device->api.syrk(device->state, WEIR_DEVICE_F64, 'U', 'T', N, N, 1.0, da, N, 0.0, dc, N), WEIR_OK);
    down(device, got, dc, N * N);
    for (int j = 0; j < N; j++) {
        for (int i = 0; i <= j; i++) {
            double sum = 0;
            for (int k = 0; k < N; k++) {
                sum += a[k + i * N] * a[k + j * N];
            }
            assert_true(fabs(got[i + j * N] - sum) <= bound);
        }
    }
    w_device_free(device, da);
    w_device_free(device, db);
}

static void factors_solve_the_system(w_device *device)
{
    double a[N * N], b[N], x[N], *da, *db;
    spd_fill(a);
    random_fill(b, N, 9);
    up(device, &da, a, N * N);
    up(device, &db, b, N);
    int64_t info = -1;
    assert_int_equal(device->api.potrf(device->state, WEIR_DEVICE_F64, 'L', N, da, N, &info), WEIR_OK);
    assert_int_equal(info, 0);
    assert_int_equal(device->api.trsm(device->state, WEIR_DEVICE_F64, 'L', 'L', 'N', 'N', N, 1, 1.0, da, N, db, N), WEIR_OK);
    assert_int_equal(device->api.trsm(device->state, WEIR_DEVICE_F64, 'L', 'L', 'T', 'N', N, 1, 1.0, da, N, db, N), WEIR_OK);
    down(device, x, db, N);
    w_device_free(device, da);
    double norm = 0, size = 0;
    for (int i = 0; i < N; i++) {
        double row = 0;
        for (int j = 0; j < N; j++) {
            row += fabs(a[i + j * N]);
        }
        norm = fmax(norm, row);
        size = fmax(size, fabs(x[i]));
    }
    for (int i = 0; i < N; i++) { /* backward error of Cholesky: c n eps |A||x| */
        double r = b[i];
        for (int j = 0; j < N; j++) {
            r -= a[i + j * N] * x[j];
        }
        assert_true(fabs(r) <= 4 * N * DBL_EPSILON * norm * size);
    }
    a[3 + 3 * N] = -1;
    up(device, &da, a, N * N);
    assert_int_equal(device->api.potrf(device->state, WEIR_DEVICE_F64, 'L', N, da, N, &info), WEIR_OK);
    assert_int_equal(info, 4);
    w_device_free(device, da);
}

static void orthogonal_factors_keep_norms(w_device *device)
{
    double a[N * N], r[N * N], w[N], *da, *dw;
    spd_fill(a);
    double trace = 0, frobenius = 0;
    for (int i = 0; i < N * N; i++) {
        frobenius += a[i] * a[i];
        trace += i % (N + 1) == 0 ? a[i] : 0;
    }
    up(device, &da, a, N * N);
    up(device, &dw, w, N);
    assert_int_equal(device->api.geqrf(device->state, WEIR_DEVICE_F64, N, N, da, N, dw), WEIR_OK);
    down(device, r, da, N * N);
    double sum = 0;
    for (int j = 0; j < N; j++) {
        for (int i = 0; i <= j; i++) {
            sum += r[i + j * N] * r[i + j * N];
        }
    }
    assert_true(fabs(sum - frobenius) <= 20 * N * DBL_EPSILON * frobenius);
    up(device, &da, a, N * N);
    assert_int_equal(device->api.syevd(device->state, WEIR_DEVICE_F64, 0, 'L', N, da, N, dw), WEIR_OK);
    down(device, w, dw, N);
    w_device_free(device, da);
    sum = 0;
    double squares = 0;
    for (int i = 0; i < N; i++) {
        assert_true(i == 0 || w[i] >= w[i - 1]);
        sum += w[i];
        squares += w[i] * w[i];
    }
    assert_true(fabs(sum - trace) <= 20 * N * DBL_EPSILON * trace);
    assert_true(fabs(squares - frobenius) <= 40 * N * DBL_EPSILON * frobenius);
}

static void batches_equal_single_calls(w_device *device)
{
    enum { BATCH = 3 };
    double a[BATCH * N * N], one[N * N], got[BATCH * N * N], *da, *d1;
    for (int i = 0; i < BATCH; i++) {
        spd_fill(a + i * N * N);
        a[i * N * N] += i;
    }
    up(device, &da, a, BATCH * N * N);
    int64_t info[BATCH] = { -1, -1, -1 }, single;
    assert_int_equal(device->api.potrf_batched(device->state, WEIR_DEVICE_F64, 'L', N, da, N, N * N, BATCH, info), WEIR_OK);
    down(device, got, da, BATCH * N * N);
    for (int i = 0; i < BATCH; i++) {
        up(device, &d1, a + i * N * N, N * N);
        device->api.potrf(device->state, WEIR_DEVICE_F64, 'L', N, d1, N, &single);
        down(device, one, d1, N * N);
        assert_int_equal(info[i], single);
        assert_memory_equal(one, got + i * N * N, sizeof one);
    }
}

static void entries_agree_with_plain_loops(void **state)
{
    (void)state;
    static const char *const request[] = { "cpu", "sim", "sim:capacity=1M,speed=8" };
    for (int i = 0; i < 3; i++) {
        weir_ctx *ctx = ctx_for(request[i]);
        w_device *device = device_of(ctx);
        int64_t blocks = atomic_load(&ctx->ledger.live_blocks), bytes = 0;
        products_match_plain_loops(device);
        factors_solve_the_system(device);
        orthogonal_factors_keep_norms(device);
        batches_equal_single_calls(device);
        if (device->kind == W_DEVICE_SIMULATED) {
            assert_int_equal(w_sim_live(device, &bytes), 0);
            assert_int_equal(bytes, 0);
        } else {
            assert_int_equal(atomic_load(&ctx->ledger.live_blocks), blocks);
        }
        weir_ctx_destroy(ctx);
    }
}

static void the_host_declines_what_blas_cannot_count(void **state)
{
    (void)state;
    weir_ctx *ctx = ctx_for("cpu");
    w_device *host = device_of(ctx);
    int64_t big = (int64_t)1 << 33;
    double x = 0;
    int64_t info;
    assert_int_equal(host->api.gemm(host->state, WEIR_DEVICE_F64, 'N', 'N', big, 1, 1, 1, &x, big, &x, 1, 0, &x, big), WEIR_DECLINED);
    assert_int_equal(host->api.potrf(host->state, WEIR_DEVICE_F64, 'L', big, &x, big, &info), WEIR_DECLINED);
    weir_device_shape shape = { big, 1, 1, 1 };
    assert_false(w_device_supports(host, WEIR_DEVICE_GEMM, WEIR_DEVICE_F64, &shape));
    weir_ctx_destroy(ctx);
}

/* ---- the simulated device ------------------------------------------------------------------------------------------ */

static void capacity_is_exhausted_and_recovered(void **state)
{
    (void)state;
    weir_ctx *ctx = ctx_for("sim:capacity=8M");
    w_device *sim = device_of(ctx);
    void *block[4] = { NULL };
    assert_int_equal(w_device_alloc(sim, 5 << 20, &block[0]), WEIR_OK);
    assert_int_equal(w_device_free_bytes(sim), 3 << 20);
    assert_int_equal(w_device_alloc(sim, 4 << 20, &block[1]), WEIR_E_MEMORY);
    assert_null(block[1]);
    assert_non_null(strstr(weir_ctx_message(ctx), "no room for 4.0 MiB beside 5.0 MiB"));
    assert_int_equal(w_device_alloc(sim, 3 << 20, &block[1]), WEIR_OK);
    w_device_free(sim, block[0]);
    assert_int_equal(w_device_alloc(sim, 4 << 20, &block[2]), WEIR_OK);
    int64_t bytes;
    assert_int_equal(w_sim_live(sim, &bytes), 2);
    assert_int_equal(bytes, 7 << 20);
    weir_ctx_destroy(ctx); /* what is still there goes with the device */
}

static void scripted_failures_come_when_told(void **state)
{
    (void)state;
    weir_ctx *ctx = ctx_for("sim:fail=3");
    w_device *sim = device_of(ctx);
    void *block;
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(w_device_alloc(sim, 100, &block), i == 3 ? WEIR_E_MEMORY : WEIR_OK);
    }
    weir_ctx_destroy(ctx);
    ctx = ctx_for("sim:fail=3,fail_for_ever=1");
    sim = device_of(ctx);
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(w_device_alloc(sim, 100, &block), i >= 3 ? WEIR_E_MEMORY : WEIR_OK);
    }
    weir_ctx_destroy(ctx);
    ctx = ctx_for("sim:fail_op=2");
    sim = device_of(ctx);
    int64_t info;
    double one = 1, *a;
    up(sim, &a, &one, 1);
    for (int i = 1; i <= 4; i++) {
        assert_int_equal(sim->api.potrf(sim->state, WEIR_DEVICE_F64, 'L', 1, a, 1, &info), i == 2 ? WEIR_E_DEVICE : WEIR_OK);
    }
    weir_ctx_destroy(ctx);
}

static void host_and_device_addresses_are_not_mixed_up(void **state)
{
    (void)state;
    weir_ctx *ctx = ctx_for("sim");
    w_device *sim = device_of(ctx);
    double x = 1, y, *a;
    int64_t info;
    up(sim, &a, &x, 1);
    assert_int_equal(w_device_copy(sim, &y, &x, 8, WEIR_DEVICE_DOWN), WEIR_E_ARG);
    assert_int_equal(w_device_copy(sim, &y, &x, 8, WEIR_DEVICE_UP), WEIR_E_ARG);
    assert_int_equal(w_device_copy(sim, &y, a, 8, WEIR_DEVICE_UP), WEIR_E_ARG);
    assert_int_equal(w_device_copy(sim, a, &x, 4096, WEIR_DEVICE_UP), WEIR_E_ARG);
    assert_int_equal(sim->api.potrf(sim->state, WEIR_DEVICE_F64, 'L', 1, &x, 1, &info), WEIR_E_ARG);
    assert_int_equal(w_device_copy(sim, a, a, 8, WEIR_DEVICE_WITHIN), WEIR_OK);
    double *fresh;
    assert_int_equal(w_device_alloc(sim, 8, (void **)&fresh), WEIR_OK);
    assert_int_equal(w_device_copy(sim, &y, fresh, 8, WEIR_DEVICE_DOWN), WEIR_OK);
    assert_true(isnan(y)); /* never written */
    weir_ctx_destroy(ctx);
}

static void scripts_are_read_or_refused_in_one_line(void **state)
{
    (void)state;
    static const struct { const char *request, *message; } bad[] = {
        { "sim:capacty=8M", "unknown field 'capacty'" }, { "sim:capacity", "needs a value" },
        { "sim:capacity=x", "'x' is no value for capacity" }, { "sim:speed=0", "'0' is no value for speed" },
        { "sim:speed=fast", "'fast' is no value" }, { "sim:,", "unknown field ''" }, { "tpu", "unknown device 'tpu'" },
        { "simulator", "unknown device" }, { "required:tpu", "unknown device" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        weir_ctx *ctx = ctx_for(bad[i].request);
        w_device_set *set = NULL;
        bool script = strncmp(bad[i].request, "sim:", 4) == 0;
        assert_int_equal(w_devices_get(ctx, &set), script ? WEIR_E_ARG : WEIR_E_DEVICE);
        assert_null(set);
        if (!strstr(weir_ctx_message(ctx), bad[i].message)) {
            fail_msg("%s: %s", bad[i].request, weir_ctx_message(ctx));
        }
        assert_int_equal(w_devices_peek(ctx, &set), WEIR_OK); /* the rest of the machine is still shown */
        assert_int_equal(set->count, 1);
        weir_ctx_destroy(ctx);
    }
}

/* ---- requests ------------------------------------------------------------------------------------------------------ */

static void absence_is_a_reason_and_for_required_an_error(void **state)
{
    (void)state;
    setenv("WEIR_DEVICE_PATH", "/nonexistent", 1);
    static const char *const soft[] = { "sim:absent=1", "cuda" }, *const hard[] = { "required:sim:absent=1", "required:cuda" };
    for (int i = 0; i < 2; i++) {
        weir_ctx *ctx = ctx_for(soft[i]);
        w_device_set *set = NULL;
        assert_int_equal(w_devices_get(ctx, &set), WEIR_OK);
        assert_int_equal(set->preferred, 0);
        assert_false(set->device[1].available);
        assert_non_null(strstr(set->device[1].reason, "no such device"));
        weir_ctx_destroy(ctx);
        ctx = ctx_for(hard[i]);
        assert_int_equal(w_devices_get(ctx, &set), WEIR_E_DEVICE);
        assert_non_null(strstr(weir_ctx_message(ctx), "is missing: no such device"));
        w_message_clear(ctx);
        w_device *device = NULL;
        weir_device_shape shape = { 5, 5, 5, 1 };
        assert_int_equal(w_device_choose(ctx, WEIR_DEVICE_GEMM, WEIR_DEVICE_F64, &shape, 0, 0, &device, NULL, 0), WEIR_E_DEVICE);
        assert_null(device);
        weir_ctx_destroy(ctx);
    }
    unsetenv("WEIR_DEVICE_PATH");
}

static weir_status make_set(weir_ctx *ctx, void *arg)
{
    (void)arg;
    w_device_set *set;
    weir_status status = w_devices_get(ctx, &set);
    if (status == WEIR_OK) {
        ctx->devices_free(ctx);
    }
    return status;
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    static const char *const request[] = { "auto", "sim", "required:sim:capacity=1M" };
    for (int i = 0; i < 3; i++) {
        weir_ctx *ctx = ctx_for(request[i]);
        assert_true(test_each_allocation_fails(ctx, make_set, NULL) >= 2);
        weir_ctx_destroy(ctx);
    }
}

int main(void)
{
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_agree_with_plain_loops),
        cmocka_unit_test(the_host_declines_what_blas_cannot_count),
        cmocka_unit_test(capacity_is_exhausted_and_recovered),
        cmocka_unit_test(scripted_failures_come_when_told),
        cmocka_unit_test(host_and_device_addresses_are_not_mixed_up),
        cmocka_unit_test(scripts_are_read_or_refused_in_one_line),
        cmocka_unit_test(absence_is_a_reason_and_for_required_an_error),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
