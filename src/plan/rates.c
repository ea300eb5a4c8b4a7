/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/rates.h"

#include "device/device.h"

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
    out->row_seconds = cost->row.row;
    out->basis_seconds = cost->row.basis;
    out->pair_seconds = cost->row.pair;
    out->far_pair_seconds = cost->row.pair_far;
    out->dense_flops_per_second = cost->host.peak[WEIR_DEVICE_POTRF][WEIR_DEVICE_F64];
    out->memory_bytes_per_second = cost->row.memory;
    out->thread_efficiency = cost->row.thread_gain;
}
