/* SPDX-License-Identifier: Apache-2.0 */
/* Where the factor of a dense system is made. The matrix goes to the device, its factor comes back: n^3 / 3 operations for 2 n^2
 * numbers. A device without room is left for the next one by the rules of plan/recovery.h; the host is the last and holds the matrix
 * already, so that nothing is lost and no row is read again. A fault of a device is not hidden, and a required one has no next.
 * One system at a time: devices are called from one thread. */
#include "solve/route.h"

#include <stdio.h>

#include "base/size.h"
#include "dense/dense.h"
#include "device/device.h"
#include "plan/recovery.h"

static int64_t matrix_bytes(int64_t n) { return w_mul64(w_mul64(n, n), (int64_t)sizeof(double)); }

weir_status w_factor_place_choose(weir_ctx *ctx, int64_t n, w_factor_place *out)
{
    const weir_device_shape shape = { n, n, n, 1 };
    w_device_set *set = NULL;
    w_device *device = NULL;
    *out = (w_factor_place){ 0 };
    weir_status status = w_devices_get(ctx, &set);
    if (status >= 0) {
        status = w_device_choose(ctx, WEIR_DEVICE_POTRF, WEIR_DEVICE_F64, &shape, matrix_bytes(n), matrix_bytes(n), &device, NULL, 0);
    }
    if (status >= 0 && device->kind != W_DEVICE_HOST) {
        out->device = device;
        out->required = set->required;
    }
    return status;
}

/* *failed as of w_chol_factor. The matrix is as it was where the status is negative. */
static weir_status factor_there(w_device *device, int64_t n, double *a, int64_t *failed)
{
    void *there = NULL;
    weir_status status = w_device_alloc(device, matrix_bytes(n), &there);
    if (status >= 0) {
        status = w_device_copy(device, there, a, matrix_bytes(n), WEIR_DEVICE_UP);
    }
    if (status >= 0) {
        status = device->api.potrf(device->state, WEIR_DEVICE_F64, 'U', n, there, n, failed);
    }
    if (status >= 0 && *failed == 0) {
        status = w_device_copy(device, a, there, matrix_bytes(n), WEIR_DEVICE_DOWN);
    }
    w_device_free(device, there);
    return status;
}

weir_status w_factor_place_run(weir_ctx *ctx, w_factor_place *place, int64_t n, double *a, int64_t *failed)
{
    w_recovery_state state = { .groups = 1, .threads = 1, .packed = true, .devices = place && !place->required ? 2 : 1 };
    while (place && place->device) {
        const weir_status status = factor_there(place->device, n, a, failed);
        if (status >= 0) {
            place->used = true;
            return status;
        }
        if (w_recovery_next(&state, W_RECOVER_FIT, status, &state) != W_RECOVERY_DEVICE) {
            return w_fail(ctx, status, "device %s failed to factor %lld columns (%s)", place->device->name, (long long)n,
                          weir_status_name(status));
        }
        place->device->fallbacks++;
        snprintf(place->refused, sizeof place->refused, "%s has no room for %lld columns", place->device->name, (long long)n);
        w_log_line(ctx, WEIR_LOG_WARNING, "%s: the cpu factors", place->refused);
        w_message_clear(ctx);
        place->device = NULL;
    }
    return w_chol_factor(ctx, n, a, failed);
}
