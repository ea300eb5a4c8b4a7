/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as the planner and `weir devices` see it. */
#ifndef W_DEVICE_TOPOLOGY_H
#define W_DEVICE_TOPOLOGY_H

#include <stdint.h>
#include "base/ctx.h"

typedef enum w_isa { W_ISA_GENERIC = 0, W_ISA_AVX2 = 1, W_ISA_AVX512 = 2 } w_isa;

typedef struct w_topology {
    char cpu_model[128];
    int packages, cores, processors, processors_allowed, numa_nodes;
    int64_t l1_bytes, l2_bytes, l3_bytes; /* one instance; 0 = none or unknown */
    int64_t memory_total;
    char isa[160];
    w_isa kernels; /* best set this processor runs: f, dq, vl, bw for AVX-512; avx2 and fma for AVX2 */
} w_topology;

/* What the processor and the C library say: model, caches, processors, instruction sets. Microseconds. */
void w_topology_quick(w_topology *out);
/* The whole picture through hwloc (milliseconds). Unknown fields are 0 or "unknown"; fails only for lack of memory. */
weir_status w_topology_read(weir_ctx *ctx, w_topology *out);
const char *w_isa_name(w_isa isa); /* "generic", "avx2", "avx512" */
w_isa w_isa_detect(void);

#endif
