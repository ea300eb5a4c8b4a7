/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/batch_kernels.h"

#include <string.h>

const w_batched *w_batched_find(const char *name, int size)
{
    const bool single = size == 4;
#if defined __x86_64__
    if (strcmp(name, "avx512") == 0) {
        if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl") ||
            !__builtin_cpu_supports("avx512bw")) {
            return 0;
        }
        return single ? &w_batched_f32_avx512 : &w_batched_f64_avx512;
    }
    if (strcmp(name, "avx2") == 0) {
        if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
            return 0;
        }
        return single ? &w_batched_f32_avx2 : &w_batched_f64_avx2;
    }
#elif defined __aarch64__
    if (strcmp(name, "neon") == 0) {
        return single ? &w_batched_f32_neon : &w_batched_f64_neon;
    }
#endif
    if (strcmp(name, "portable") == 0) {
        return single ? &w_batched_f32_portable : &w_batched_f64_portable;
    }
    return 0;
}

const w_batched *w_batched_choose(int size)
{
    static const char *const order[] = { "avx512", "avx2", "neon", "portable" };
    const w_batched *found = 0;
    for (int i = 0; !found && i < 4; i++) {
        found = w_batched_find(order[i], size);
    }
    return found;
}
