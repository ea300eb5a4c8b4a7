/* SPDX-License-Identifier: Apache-2.0 */
#include "device/topology.h"

#include <hwloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static void cpu_model(char *text, size_t bytes)
{
    snprintf(text, bytes, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];
    while (file && fgets(line, sizeof line, file)) {
        char *value = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
        if (value) {
            value += 1 + strspn(value + 1, " \t");
            value[strcspn(value, "\n")] = '\0';
            snprintf(text, bytes, "%s", value);
            break;
        }
    }
    if (file) {
        fclose(file);
    }
}

static int64_t from_system(int name)
{
    long value = sysconf(name);
    return value > 0 ? value : 0;
}

void w_topology_quick(w_topology *out)
{
    *out = (w_topology){ .kernels = w_isa_detect() };
    cpu_model(out->cpu_model, sizeof out->cpu_model);
    isa_list(out->isa, sizeof out->isa);
    out->processors = (int)from_system(_SC_NPROCESSORS_CONF);
    out->processors_allowed = w_processors_allowed("");
    out->l1_bytes = from_system(_SC_LEVEL1_DCACHE_SIZE);
    out->l2_bytes = from_system(_SC_LEVEL2_CACHE_SIZE);
    out->l3_bytes = from_system(_SC_LEVEL3_CACHE_SIZE);
    out->memory_total = from_system(_SC_PHYS_PAGES) * from_system(_SC_PAGESIZE);
}

static void number_take(int found, int *out)
{
    *out = found > 0 ? found : *out;
}

static void cache_take(hwloc_topology_t machine, hwloc_obj_type_t type, int64_t *out)
{
    hwloc_obj_t cache = hwloc_get_obj_by_type(machine, type, 0);
    if (cache && cache->attr && cache->attr->cache.size > 0) {
        *out = (int64_t)cache->attr->cache.size;
    }
}

/* Without these folders (a bare chroot) hwloc would find nothing and say so on stderr. */
static bool system_describes_processors(void)
{
    return access("/sys/devices/system/cpu/cpu0/topology", R_OK | X_OK) == 0 ||
           access("/sys/bus/cpu/devices/cpu0/topology", R_OK | X_OK) == 0;
}

weir_status w_topology_read(weir_ctx *ctx, w_topology *out)
{
    w_topology_quick(out);
    if (!system_describes_processors()) {
        return WEIR_OK;
    }
    hwloc_topology_t machine;
    if (hwloc_topology_init(&machine) != 0) {
        return w_fail(ctx, WEIR_E_MEMORY, "the system refused memory for the description of the machine");
    }
    hwloc_topology_set_flags(machine, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    if (hwloc_topology_load(machine) == 0) {
        number_take(hwloc_get_nbobjs_by_type(machine, HWLOC_OBJ_PACKAGE), &out->packages);
        number_take(hwloc_get_nbobjs_by_type(machine, HWLOC_OBJ_CORE), &out->cores);
        number_take(hwloc_get_nbobjs_by_type(machine, HWLOC_OBJ_PU), &out->processors);
        number_take(hwloc_get_nbobjs_by_type(machine, HWLOC_OBJ_NUMANODE), &out->numa_nodes);
        cache_take(machine, HWLOC_OBJ_L1CACHE, &out->l1_bytes);
        cache_take(machine, HWLOC_OBJ_L2CACHE, &out->l2_bytes);
        cache_take(machine, HWLOC_OBJ_L3CACHE, &out->l3_bytes);
    }
    hwloc_topology_destroy(machine);
    return WEIR_OK;
}
