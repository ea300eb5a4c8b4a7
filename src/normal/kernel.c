/* SPDX-License-Identifier: Apache-2.0 */
#include "normal/kernel.h"

#include <string.h>

const w_kernels *w_kernels_find(const char *name)
{
#if defined __x86_64__
    if (strcmp(name, "avx512") == 0) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") ? &w_kernels_avx512 : 0;
    }
    if (strcmp(name, "avx2") == 0) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &w_kernels_avx2 : 0;
    }
#endif
    return strcmp(name, "portable") == 0 ? &w_kernels_portable : 0;
}

const w_kernels *w_kernels_choose(void)
{
    static const char *const order[] = { "avx512", "avx2" };
    for (int i = 0; i < 2; i++) {
        const w_kernels *found = w_kernels_find(order[i]);
        if (found) {
            return found;
        }
    }
    return &w_kernels_portable;
}
