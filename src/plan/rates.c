/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/rates.h"

#include <stdio.h>
#include <string.h>

#include "device/device.h"

/* Bytes per second of a modest disk: the page cache in front of it takes them faster. */
#define SCRATCH_RATE 250e6

void w_plan_rates(weir_ctx *ctx, w_rates *out)
{
    w_cost built_in;
    const w_cost *cost = &built_in;
    w_device_set *set = NULL;
    if (w_devices_peek(ctx, &set) >= 0 && set) {
        cost = &set->cost;
    } else {
        w_cost_defaults(&built_in);
    }
    out->read_bytes_per_second = cost->row.copy_in;
    out->parse_bytes_per_second = cost->row.csv * (1.0 + cost->row.thread_gain * (ctx->threads - 1));
    out->scratch_bytes_per_second = SCRATCH_RATE;
    out->row_seconds = cost->row.row;
    out->basis_seconds = cost->row.basis;
    out->pair_seconds = cost->row.pair;
    out->far_pair_seconds = cost->row.pair_far;
    out->dense_flops_per_second = cost->host.peak[WEIR_DEVICE_POTRF][WEIR_DEVICE_F64];
    out->thread_efficiency = cost->row.thread_gain;
    out->fit = cost->fit;
    out->measured = cost->measured;
    out->remark = set && !cost->measured ? set->cost_remark : NULL;
}

weir_status w_plan_device(weir_ctx *ctx, const char **device, char *text, size_t bytes, const char **reason)
{
    const char *request = ctx->device_request;
    w_device_set *set = NULL;
    weir_status status = w_devices_get(ctx, &set);
    if (status < 0) {
        return status;
    }
    *device = "cpu";
    *reason = NULL;
    if (!request || strcmp(request, "auto") == 0 || strcmp(request, "cpu") == 0) {
        return WEIR_OK;
    }
    if (set->required) {
        return w_fail(ctx, WEIR_E_DEVICE, "device '%s' is required, but every step of a fit runs on the cpu: give cpu or auto", request);
    }
    const w_device *asked = set->count > 1 ? &set->device[1] : NULL;
    if (asked && !asked->available) {
        snprintf(text, bytes, "device %.40s was asked for, but is not available (%.60s): the cpu executes", request, asked->reason);
    } else {
        snprintf(text, bytes, "device %.40s was asked for, but no step of a fit has a form for it: the cpu executes", request);
    }
    *reason = text;
    return WEIR_OK;
}
