/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers that are given back stay mapped, and the next calls find them: taking as many at once as there will be callers is enough.
 * Whether there is room is asked of the system first, with pages that are never touched. */
#include "base/blas_space.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>

extern void *blas_memory_alloc(int) __attribute__((weak));
extern void blas_memory_free(void *) __attribute__((weak));

#define MOST_CALLERS 64

static bool is_limited(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

static bool has_room(int64_t bytes)
{
    void *pages = mmap(NULL, (size_t)bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) {
        return false;
    }
    munmap(pages, (size_t)bytes);
    return true;
}

int w_blas_space_take(int callers, int64_t beside)
{
    void *buffer[MOST_CALLERS];
    int taken = 0;
    if (!is_limited() || !blas_memory_alloc || !blas_memory_free) {
        return callers;
    }
    callers = callers < MOST_CALLERS ? callers : MOST_CALLERS;
    while (taken < callers && has_room(W_BLAS_BUFFER_BYTES + (taken + 1) * beside)) {
        buffer[taken++] = blas_memory_alloc(0);
    }
    for (int i = 0; i < taken; i++) {
        blas_memory_free(buffer[i]);
    }
    return taken;
}
