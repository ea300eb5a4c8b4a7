/* SPDX-License-Identifier: Apache-2.0 */
#define LANE_KERNELS w_lane_portable
#include "normal/operator_lanes.h"

const w_lane_kernels *w_lane_choose(void)
{
#if defined __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
        return &w_lane_avx512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return &w_lane_avx2;
    }
#endif
    return &w_lane_portable;
}
