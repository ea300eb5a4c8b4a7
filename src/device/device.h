/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: the host, simulated ones and plug-ins, each behind the table of include/weir/sys/device.h.
 *
 * The set belongs to the context and is made on first use. Requests (weir_ctx_options.device):
 *   auto            the host, or a plug-in device where the cost model says that it wins; a fault is reported, not hidden
 *   cpu             the host alone; no plug-in is looked for
 *   cuda            the plug-in wherever it supports the work, else the host; absent: the host, with a remark in reasons
 *   required:cuda   the plug-in; absent: WEIR_E_DEVICE with the reason
 *   sim:SCRIPT      a simulated device, preferred as `cuda` is (sim.h); required:sim:SCRIPT likewise
 * With `auto` a driver is touched only for work above the floor (w_device_choose) or by w_devices_probe. */
#ifndef W_DEVICE_DEVICE_H
#define W_DEVICE_DEVICE_H

#include <stdbool.h>
#include "base/ctx.h"
#include "device/cost.h"
#include "device/policy.h"
#include "device/topology.h"
#include "weir/sys/device.h"

typedef enum w_device_kind { W_DEVICE_HOST = 0, W_DEVICE_SIMULATED = 1, W_DEVICE_PLUGIN = 2 } w_device_kind;

typedef struct w_device {
    char name[32];
    w_device_kind kind;
    weir_device_api api; /* entries the plug-in lacks are NULL */
    void *state;
    bool available;
    char description[200];
    char reason[300];    /* why it is not available; or why it is (not) preferred */
    w_device_cost cost;
    weir_policy policy;  /* against the host */
    int64_t fallbacks;   /* times work was taken back to the host after a failure */
} w_device;

#define W_DEVICE_LIMIT 4

typedef struct w_device_set {
    w_topology topology;
    w_cost cost;                    /* host and rows */
    w_device device[W_DEVICE_LIMIT]; /* [0] is the host */
    int count;
    int preferred;                  /* index the request prefers; 0 = host */
    bool required;                  /* nothing may fall back from `preferred` */
    bool probed;                    /* plug-ins have been looked for */
    weir_device_host lend;          /* what devices get from the context */
    char key[440];                  /* version, machine, BLAS, threads: of measured costs */
    char cost_remark[400];          /* why the measured costs that there are cannot be used; "" otherwise */
    weir_status status;             /* of the request: WEIR_OK, WEIR_E_DEVICE, WEIR_E_ARG */
    char message[400];
} w_device_set;

/* The context's set. WEIR_E_DEVICE when a required device is missing or the name is unknown, WEIR_E_ARG for a script of
 * the simulated device that does not parse. */
weir_status w_devices_get(weir_ctx *ctx, w_device_set **out);
/* The same, but a request that cannot be met is left in set->status (what weir_devices_query shows). */
weir_status w_devices_peek(weir_ctx *ctx, w_device_set **out);
/* Looks for plug-ins now. Never an error: what is missing has a reason. */
weir_status w_devices_probe(weir_ctx *ctx, w_device_set *set);

/* To be called after set->cost was replaced: brings the devices' costs and policies in line. */
void w_devices_costs_changed(w_device_set *set);

/* The device for one piece of work: among those that support it, the preferred one or under `auto` that with the fewest
 * predicted seconds; bytes_up/down are what would have to move. *out is never NULL on WEIR_OK. WEIR_E_DEVICE: a required
 * device does not support it. reason (may be NULL): one line, e.g. "cpu 0.012 s against cuda 0.050 s". */
weir_status w_device_choose(weir_ctx *ctx, weir_device_op op, weir_device_dtype dtype, const weir_device_shape *shape,
                            int64_t bytes_up, int64_t bytes_down, w_device **out, char *reason, size_t reason_bytes);

/* Thin calls that check the entry exists (else WEIR_DECLINED). `to`/`from` of a copy follow `direction`. */
bool w_device_supports(const w_device *device, weir_device_op op, weir_device_dtype dtype, const weir_device_shape *shape);
int64_t w_device_free_bytes(const w_device *device);
weir_status w_device_alloc(w_device *device, int64_t bytes, void **out);
void w_device_free(w_device *device, void *block);
weir_status w_device_copy(w_device *device, void *to, const void *from, int64_t bytes, weir_device_direction direction);

/* The host's table (also what sim wraps). */
const weir_device_api *w_host_api(void);
/* Finds libweir_<name>.so (WEIR_DEVICE_PATH, then the folder of this library), checks the ABI, probes and opens it.
 * Fills device; available is false with a reason when any step fails. Never an error otherwise than for memory. */
weir_status w_plugin_open(weir_ctx *ctx, const weir_device_host *lend, const char *name, w_device *device);

#endif
