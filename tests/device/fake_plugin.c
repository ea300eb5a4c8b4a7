/* SPDX-License-Identifier: Apache-2.0 */
/* Plug-ins that answer wrongly, one per value of VARIANT, and one that answers rightly. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/sys/device.h"

#define GOOD 0
#define WRONG_ABI 1
#define SHORT_TABLE 2
#define NO_DEVICE 3
#define MISSING_ENTRY 4
#define OPEN_FAILS 5
#define NO_TABLE 6
#define OLDER_TABLE 7
#define NO_ENTRY_POINT 8

typedef struct fake { weir_device_host host; int64_t in_use; } fake;

static weir_status probe(char *reason, size_t bytes)
{
    snprintf(reason, bytes, "no card answers");
    return VARIANT == NO_DEVICE ? WEIR_E_DEVICE : WEIR_OK;
}

static weir_status open_device(const weir_device_host *host, void **state)
{
    if (VARIANT == OPEN_FAILS) {
        return host->fail(host->user, WEIR_E_DEVICE, "the card is broken");
    }
    fake *own = host->alloc(host->user, "fake", sizeof *own);
    if (!own) {
        return WEIR_E_MEMORY;
    }
    *own = (fake){ *host, 0 };
    *state = own;
    return WEIR_OK;
}

static void close_device(void *state)
{
    fake *own = state;
    weir_device_host host = own->host;
    host.free(host.user, own);
}

static weir_status describe(void *state, char *text, size_t bytes)
{
    (void)state;
    snprintf(text, bytes, "fake card, driver 1");
    return WEIR_OK;
}

static weir_status memory(void *state, int64_t *free_bytes, int64_t *total_bytes)
{
    *total_bytes = 1 << 30;
    *free_bytes = *total_bytes - ((fake *)state)->in_use;
    return WEIR_OK;
}

static weir_status take(void *state, int64_t bytes, void **block)
{
    (void)state;
    *block = malloc((size_t)bytes);
    return *block ? WEIR_OK : WEIR_E_MEMORY;
}

static void give(void *state, void *block)
{
    (void)state;
    free(block);
}

static weir_status copy(void *state, void *to, const void *from, int64_t bytes, weir_device_direction direction)
{
    (void)state;
    (void)direction;
    memcpy(to, from, (size_t)bytes);
    return WEIR_OK;
}

static weir_status sync_device(void *state)
{
    (void)state;
    return WEIR_OK;
}

static int supports(void *state, weir_device_op op, weir_device_dtype dtype, const weir_device_shape *shape)
{
    (void)state;
    (void)dtype;
    (void)shape;
    return op == WEIR_DEVICE_GEMM || op == WEIR_DEVICE_POTRF;
}

static weir_status gemm(void *state, weir_device_dtype dtype, char trans_a, char trans_b, int64_t m, int64_t n, int64_t k,
                        double alpha, const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *c,
                        int64_t ldc)
{
    (void)state; (void)dtype; (void)trans_a; (void)trans_b; (void)m; (void)n; (void)k; (void)alpha; (void)a; (void)lda;
    (void)b; (void)ldb; (void)beta; (void)c; (void)ldc;
    return WEIR_DECLINED;
}

static weir_device_api api = {
    .abi = VARIANT == WRONG_ABI ? WEIR_DEVICE_ABI + 1 : WEIR_DEVICE_ABI,
    .struct_size = VARIANT == SHORT_TABLE   ? 32
                   : VARIANT == OLDER_TABLE ? (int32_t)offsetof(weir_device_api, gemm)
                                            : (int32_t)sizeof(weir_device_api),
    .name = "fake", .probe = probe, .open = open_device, .close = close_device, .describe = describe, .memory = memory,
    .alloc = take, .free = give, .copy = copy, .sync = VARIANT == MISSING_ENTRY ? NULL : sync_device,
    .supports = supports, .gemm = gemm,
};

#if VARIANT == NO_ENTRY_POINT
#define weir_device_plugin some_other_name
#endif

__attribute__((visibility("default"))) const weir_device_api *weir_device_plugin(void);
const weir_device_api *weir_device_plugin(void)
{
    return VARIANT == NO_TABLE ? NULL : &api;
}
