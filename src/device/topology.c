/* SPDX-License-Identifier: Apache-2.0 */
#include "device/topology.h"

#include <hwloc.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"

w_isa w_isa_detect(void)
{
#if defined __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw")) {
        return W_ISA_AVX512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return W_ISA_AVX2;
    }
#endif
    return W_ISA_GENERIC;
}

const char *w_isa_name(w_isa isa)
{
    return isa == W_ISA_AVX512 ? "avx512" : isa == W_ISA_AVX2 ? "avx2" : "generic";
}

static void isa_list(char *text, size_t bytes)
{
    size_t used = 0;
    text[0] = '\0';
#if defined __x86_64__
#define ADD(name) \
    if (__builtin_cpu_supports(name)) { \
        used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? " " : "", name); \
    }
    ADD("sse2") ADD("sse4.2") ADD("avx") ADD("avx2") ADD("fma") ADD("avx512f") ADD("avx512dq") ADD("avx512vl")
    ADD("avx512bw") ADD("avx512vnni")
#undef ADD
#else
    (void)used;
    snprintf(text, bytes, "generic");
#endif
}

static int count(hwloc_topology_t machine, hwloc_obj_type_t type)
{
    int number = hwloc_get_nbobjs_by_type(machine, type);
    return number > 0 ? number : 0;
}

static int64_t cache_bytes(hwloc_topology_t machine, hwloc_obj_type_t type)
{
    hwloc_obj_t cache = hwloc_get_obj_by_type(machine, type, 0);
    return cache && cache->attr ? (int64_t)cache->attr->cache.size : 0;
}

weir_status w_topology_read(weir_ctx *ctx, w_topology *out)
{
    *out = (w_topology){ .cpu_model = "unknown", .kernels = w_isa_detect() };
    isa_list(out->isa, sizeof out->isa);
    out->processors_allowed = w_processors_allowed("");
    w_memory_limits limits;
    w_memory_limits_read("", &limits);
    out->memory_total = limits.total == INT64_MAX ? 0 : limits.total;

    hwloc_topology_t machine;
    if (hwloc_topology_init(&machine) != 0) {
        return w_fail(ctx, WEIR_E_MEMORY, "the system refused memory for the description of the machine");
    }
    hwloc_topology_set_flags(machine, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    if (hwloc_topology_load(machine) == 0) {
        out->packages = count(machine, HWLOC_OBJ_PACKAGE);
        out->cores = count(machine, HWLOC_OBJ_CORE);
        out->processors = count(machine, HWLOC_OBJ_PU);
        out->numa_nodes = count(machine, HWLOC_OBJ_NUMANODE);
        out->l1_bytes = cache_bytes(machine, HWLOC_OBJ_L1CACHE);
        out->l2_bytes = cache_bytes(machine, HWLOC_OBJ_L2CACHE);
        out->l3_bytes = cache_bytes(machine, HWLOC_OBJ_L3CACHE);
        hwloc_obj_t package = hwloc_get_obj_by_type(machine, HWLOC_OBJ_PACKAGE, 0);
        const char *model = package ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
        if (model && model[0]) {
            snprintf(out->cpu_model, sizeof out->cpu_model, "%s", model);
        }
    }
    hwloc_topology_destroy(machine);
    return WEIR_OK;
}
