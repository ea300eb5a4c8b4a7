/* SPDX-License-Identifier: Apache-2.0 */
/* The host as a device: its memory is the ledger's, its operations BLAS and LAPACK, one thread. */
#include "device/device.h"

#include <string.h>

#include "base/blas.h"
#include "base/limits.h"
#include "base/size.h"
#include "device/host.h"

typedef struct host_state {
    weir_device_host lend;
} host_state;

static weir_status host_probe(char *reason, size_t bytes)
{
    if (bytes > 0) {
        reason[0] = '\0';
    }
    return WEIR_OK;
}

static weir_status host_open(const weir_device_host *host, void **state)
{
    host_state *own = host->alloc(host->user, "device", sizeof *own);
    if (!own) {
        return WEIR_E_MEMORY;
    }
    own->lend = *host;
    *state = own;
    return WEIR_OK;
}

static void host_close(void *state)
{
    host_state *own = state;
    if (own) {
        weir_device_host lend = own->lend;
        lend.free(lend.user, own);
    }
}

static weir_status host_describe(void *state, char *text, size_t bytes)
{
    (void)state;
    w_topology machine;
    w_topology_quick(&machine);
    if (bytes > 0) {
        text[0] = '\0';
        strncat(text, machine.cpu_model, bytes - 1);
    }
    return WEIR_OK;
}

static weir_status host_memory(void *state, int64_t *free_bytes, int64_t *total_bytes)
{
    (void)state;
    w_memory_limits limits;
    w_memory_limits_read("", &limits);
    *total_bytes = limits.total;
    *free_bytes = w_min64(limits.available, w_min64(limits.cgroup_free, limits.rlimit_free));
    return WEIR_OK;
}

static weir_status host_alloc(void *state, int64_t bytes, void **block)
{
    host_state *own = state;
    void *taken = bytes < 0 ? NULL : own->lend.alloc(own->lend.user, "device", (size_t)bytes);
    if (!taken) {
        return WEIR_E_MEMORY;
    }
    *block = taken;
    return WEIR_OK;
}

static void host_free(void *state, void *block)
{
    host_state *own = state;
    own->lend.free(own->lend.user, block);
}

static weir_status host_copy(void *state, void *to, const void *from, int64_t bytes, weir_device_direction direction)
{
    (void)state;
    (void)direction;
    if (bytes < 0) {
        return WEIR_E_ARG;
    }
    memmove(to, from, (size_t)bytes);
    return WEIR_OK;
}

static weir_status host_sync(void *state)
{
    (void)state;
    return WEIR_OK;
}

static int host_supports(void *state, weir_device_op op, weir_device_dtype dtype, const weir_device_shape *shape)
{
    (void)state;
    if (dtype != WEIR_DEVICE_F64 && dtype != WEIR_DEVICE_F32) {
        return 0;
    }
    if (w_narrow(shape->m) < 0 || w_narrow(shape->n) < 0 || w_narrow(shape->k) < 0) {
        return 0;
    }
    switch (op) {
    case WEIR_DEVICE_COPY: return 1;
    case WEIR_DEVICE_GRAM: return 0; /* normal/ has its own kernels */
    case WEIR_DEVICE_SYEVD: return shape->batch <= 1;
    case WEIR_DEVICE_GEMM:
    case WEIR_DEVICE_SYRK:
    case WEIR_DEVICE_TRSM:
    case WEIR_DEVICE_POTRF:
    case WEIR_DEVICE_GEQRF: return op == WEIR_DEVICE_SYRK ? shape->batch <= 1 : 1;
    case WEIR_DEVICE_OPS: break;
    }
    return 0;
}

const weir_device_api *w_host_api(void)
{
    static const weir_device_api api = {
        .abi = WEIR_DEVICE_ABI, .struct_size = sizeof(weir_device_api), .name = "cpu", .probe = host_probe,
        .open = host_open, .close = host_close, .describe = host_describe, .memory = host_memory, .alloc = host_alloc,
        .free = host_free, .copy = host_copy, .sync = host_sync, .supports = host_supports, .gemm = w_host_gemm,
        .syrk = w_host_syrk, .trsm = w_host_trsm, .potrf = w_host_potrf, .geqrf = w_host_geqrf, .syevd = w_host_syevd,
        .gemm_batched = w_host_gemm_batched, .trsm_batched = w_host_trsm_batched,
        .potrf_batched = w_host_potrf_batched, .geqrf_batched = w_host_geqrf_batched, .gram = NULL,
    };
    return &api;
}

void *w_host_workspace(void *state, size_t bytes)
{
    host_state *own = state;
    return own->lend.alloc(own->lend.user, "device workspace", bytes);
}

void w_host_workspace_free(void *state, void *block)
{
    host_state *own = state;
    own->lend.free(own->lend.user, block);
}
