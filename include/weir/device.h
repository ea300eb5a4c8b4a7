/* SPDX-License-Identifier: Apache-2.0 */
/** What there is to compute with: devices, processors, instruction sets, BLAS, memory limits and the figures that the
 *  planner reckons with. */
#ifndef WEIR_DEVICE_H
#define WEIR_DEVICE_H

#include <stdint.h>
#include "weir/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_device_info {
    const char *name;        /**< "cpu", "sim", "cuda" */
    const char *kind;        /**< "host", "simulated", "plug-in" */
    const char *description; /**< model of the processor or card; "" when unknown */
    int64_t total_bytes;     /**< memory of the device; 0 when not available */
    int64_t free_bytes;      /**< of it, free now (for the host: within the budget) */
    int32_t available;       /**< non-zero: it answers */
    int32_t selected;        /**< non-zero: the context's device request chose it for dense work */
    const char *reason;      /**< one line: why it is not available, or why it was (not) selected */
} weir_device_info;

/** One number by name: a constant of the cost model or a field of the dispatch policy. */
typedef struct weir_named_value {
    const char *name;    /**< e.g. "cpu.potrf" */
    double value;
    const char *unit;    /**< "flop/s", "s", "bytes/s", "rows", … */
    const char *meaning; /**< one line */
    int32_t measured;    /**< non-zero: measured on this machine; 0: built in or derived */
} weir_named_value;

/** Everything `weir devices` prints. Transparent, read-only; every text belongs to it. */
typedef struct weir_devices {
    const char *request;     /**< the context's device request */
    int32_t device_count;
    const weir_device_info *device;

    const char *cpu_model;
    int32_t packages, cores, processors; /**< of the machine; processors = hardware threads */
    int32_t processors_allowed;          /**< this process may use (affinity, cgroup quota) */
    int32_t threads;                     /**< the context uses */
    int32_t numa_nodes;
    int64_t l1_bytes, l2_bytes, l3_bytes; /**< one instance of each data cache; 0 = none or unknown */
    int64_t memory_total;
    const char *isa;         /**< instruction sets found that matter here: "sse2 avx avx2 fma avx512f …" */
    const char *isa_used;    /**< kernels chosen: "avx512", "avx2" or "generic" */

    const char *blas;           /**< "OpenBLAS 0.3.21"; "BLAS" when it does not say */
    const char *blas_config;    /**< its own words */
    const char *blas_threading; /**< "OpenMP", "pthreads", "sequential", "unknown"; the library calls it serially */

    int64_t memory_available, cgroup_free, rlimit_free; /**< bytes; INT64_MAX = no limit or unknown */
    int32_t cgroup_version;                             /**< 0 none, 1, 2 */
    const char *memory_binding;                         /**< "free memory", "cgroup" or "rlimit": the smallest */
    int64_t budget;                                     /**< of this context */

    int32_t cost_count;
    const weir_named_value *cost;
    int32_t calibrated;      /**< non-zero: the costs come from a measurement on this machine */
    const char *cost_source; /**< "built in", or the file they were read from */
    int32_t policy_count;
    const weir_named_value *policy;
} weir_devices;

/** Looks at the machine. Starts no driver unless the context's device request asks for one or a plug-in is present.
 *  Free with weir_devices_free. Statuses: WEIR_OK, WEIR_E_ARG, WEIR_E_MEMORY, WEIR_E_BUDGET; a missing device is an
 *  entry with a reason, not an error (a *required* missing device too: calls that compute report it). */
WEIR_API weir_status weir_devices_query(weir_ctx *ctx, weir_devices **out);
WEIR_API void weir_devices_free(weir_ctx *ctx, weir_devices *devices);

/** Measures the cost constants (about ten seconds), uses them in this context and keeps them in the user's
 *  cache folder ($XDG_CACHE_HOME/weir or ~/.cache/weir) for later contexts on the same machine, library and thread
 *  count. With less than 256 MiB of memory free in the context, sizes up to 64 only are measured and larger ones follow in
 *  proportion. WEIR_E_IO when they cannot be kept: they are used in this context all the same. */
WEIR_API weir_status weir_devices_calibrate(weir_ctx *ctx);

/** Writes the constants in use to `path` as JSON, or reads them from there, to inspect, share or override them. */
WEIR_API weir_status weir_devices_export(weir_ctx *ctx, const char *path);
WEIR_API weir_status weir_devices_import(weir_ctx *ctx, const char *path);

#ifdef __cplusplus
}
#endif
#endif
