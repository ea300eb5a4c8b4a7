/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cost.h"

#include <math.h>

double w_curve_at(const w_curve *curve, double size, double power)
{
    double lower = 4.0;
    if (!(size > lower) || !(curve->at[0] > 0)) {
        return curve->at[0];
    }
    for (int i = 0; i + 1 < W_CURVE_SIZES; i++, lower *= 4.0) {
        if (size <= 4.0 * lower) {
            return curve->at[i] * pow(curve->at[i + 1] / curve->at[i], log(size / lower) / log(4.0));
        }
    }
    return curve->at[W_CURVE_SIZES - 1] * pow(size / lower, power);
}

double w_cost_flops(weir_device_op op, const weir_device_shape *shape)
{
    double m = (double)shape->m, n = (double)shape->n, k = (double)shape->k;
    double batch = shape->batch > 1 ? (double)shape->batch : 1.0, smaller = m < n ? m : n;
    switch (op) {
    case WEIR_DEVICE_GEMM: return batch * 2 * m * n * k;
    case WEIR_DEVICE_SYRK: return batch * n * (n + 1) * k;
    case WEIR_DEVICE_TRSM: return batch * m * m * n;
    case WEIR_DEVICE_POTRF: return batch * n * n * n / 3;
    case WEIR_DEVICE_GEQRF: return batch * 2 * smaller * smaller * ((m > n ? m : n) - smaller / 3);
    case WEIR_DEVICE_SYEVD: return batch * 9 * n * n * n;
    case WEIR_DEVICE_GRAM: return batch * m * n * (n + 3);
    case WEIR_DEVICE_COPY:
    case WEIR_DEVICE_OPS: break;
    }
    return 0.0;
}

double w_cost_seconds(const w_device_cost *cost, weir_device_op op, weir_device_dtype dtype,
                      const weir_device_shape *shape, int64_t bytes_up, int64_t bytes_down)
{
    double seconds = (double)bytes_up / cost->up + (double)bytes_down / cost->down;
    if (op != WEIR_DEVICE_COPY) {
        double peak = cost->peak[op][dtype];
        if (!(peak > 0)) {
            return INFINITY;
        }
        seconds += cost->launch + (w_cost_flops(op, shape) + cost->half[op][dtype]) / peak;
    }
    return seconds;
}

double w_cost_threaded(const w_cost *cost, double serial, int threads)
{
    return serial / (1.0 + cost->row.thread_gain * (threads > 1 ? threads - 1 : 0));
}
