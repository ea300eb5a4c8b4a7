/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/batch_chol.h"

#include <string.h>

const w_batch_kernels *w_batch_find(const char *name)
{
#if defined __x86_64__
    if (strcmp(name, "avx512") == 0) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512bw") ? &w_batch_avx512 : 0;
    }
    if (strcmp(name, "avx2") == 0) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &w_batch_avx2 : 0;
    }
#endif
    return strcmp(name, "portable") == 0 ? &w_batch_portable : 0;
}

const w_batch_kernels *w_batch_choose(void)
{
    static const char *const order[] = { "avx512", "avx2" };
    for (int i = 0; i < 2; i++) {
        const w_batch_kernels *found = w_batch_find(order[i]);
        if (found) {
            return found;
        }
    }
    return &w_batch_portable;
}
