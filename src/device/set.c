/* SPDX-License-Identifier: Apache-2.0 */
#include "device/device.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/blas.h"
#include "device/sim.h"
#include "weir/version.h"

/* Work below this many predicted host seconds never makes `auto` look for a driver: starting one costs more. */
#define DRIVER_FLOOR_SECONDS 0.02

/* ---- what the context lends to devices --------------------------------------------------------------------------- */

static void *lend_alloc(void *user, const char *tag, size_t bytes)
{
    (void)tag; /* a plug-in's text may not outlive it; the ledger keeps the pointer */
    return w_alloc(user, "device", bytes);
}

static void lend_free(void *user, void *block)
{
    w_free(user, block);
}

static weir_status lend_fail(void *user, weir_status status, const char *line)
{
    return w_fail(user, status, "%s", line);
}

/* ---- the set ----------------------------------------------------------------------------------------------------- */

static void set_free(weir_ctx *ctx)
{
    w_device_set *set = ctx->devices;
    for (int i = set->count - 1; i >= 0; i--) {
        if (set->device[i].state) {
            set->device[i].api.close(set->device[i].state);
        }
    }
    w_free(ctx, set);
    ctx->devices = NULL;
    ctx->devices_free = NULL;
}

static void key_make(const weir_ctx *ctx, w_device_set *set)
{
    snprintf(set->key, sizeof set->key, "weir %s; cpu %s; isa %s; blas %.120s %.40s; threads %d", WEIR_VERSION_STRING,
             set->topology.cpu_model, w_isa_name(set->topology.kernels), w_blas_config(), w_blas_core(), ctx->threads);
}

/* Measured costs from the cache when there are any for this machine; one that cannot be used is as good as none, with a remark. */
static void cache_load(weir_ctx *ctx, w_device_set *set)
{
    char path[sizeof set->cost.source];
    if (!w_cost_cache_path(set->key, path, sizeof path)) {
        return;
    }
    char why[160] = "";
    w_cost found = set->cost;
    if (w_cost_read(path, set->key, &found, why, sizeof why) == WEIR_OK) {
        set->cost = found;
    } else if (access(path, F_OK) == 0) {
        snprintf(set->cost_remark, sizeof set->cost_remark, "built-in costs, for the measured ones cannot be used: %.100s: %s; "
                 "'weir devices --calibrate' measures them anew", path, why);
        w_log_line(ctx, WEIR_LOG_WARNING, "%s", set->cost_remark);
    } else {
        w_log_line(ctx, WEIR_LOG_DEBUG, "no measured costs in %s", path);
    }
}

static weir_status host_add(weir_ctx *ctx, w_device_set *set)
{
    w_device *host = &set->device[0];
    *host = (w_device){ .name = "cpu", .kind = W_DEVICE_HOST, .api = *w_host_api(), .cost = set->cost.host };
    w_policy_of_host(&set->cost, &host->policy);
    if (host->api.open(&set->lend, &host->state) != WEIR_OK) {
        return w_alloc_status(ctx);
    }
    host->available = true;
    host->api.describe(host->state, host->description, sizeof host->description);
    set->count = 1;
    return WEIR_OK;
}

static weir_status plugin_add(weir_ctx *ctx, w_device_set *set, const char *name)
{
    w_device *device = &set->device[set->count];
    weir_status status = w_plugin_open(ctx, &set->lend, name, device);
    if (status == WEIR_OK && !device->available) {
        w_message_clear(ctx); /* what the plug-in complained of is in device->reason */
    }
    set->count++;
    set->probed = true;
    return status;
}

static weir_status complain(w_device_set *set, weir_status status, const char *text)
{
    set->status = status;
    snprintf(set->message, sizeof set->message, "%s", text);
    return status;
}

/* Takes the request apart. A request that cannot be met is kept in the set; only lack of memory is returned. */
static weir_status request_read(weir_ctx *ctx, w_device_set *set)
{
    const char *request = ctx->device_request ? ctx->device_request : "auto";
    if (strcmp(request, "auto") == 0) {
        return WEIR_OK;
    }
    set->required = strncmp(request, "required:", 9) == 0;
    const char *name = set->required ? request + 9 : request;
    weir_status status = WEIR_OK;
    if (strcmp(name, "cpu") == 0) {
        set->probed = true; /* nothing else is wanted */
        return WEIR_OK;
    }
    if (strcmp(name, "cuda") == 0) {
        status = plugin_add(ctx, set, "cuda");
    } else if (strcmp(name, "sim") == 0 || strncmp(name, "sim:", 4) == 0) {
        set->probed = true;
        status = w_sim_open(ctx, &set->lend, name[3] ? name + 4 : "", &set->cost, &set->device[1]);
        if (status == WEIR_E_ARG) {
            complain(set, WEIR_E_ARG, weir_ctx_message(ctx));
            w_message_clear(ctx);
            return WEIR_OK;
        }
        set->count += status == WEIR_OK;
    } else {
        char line[200];
        snprintf(line, sizeof line, "unknown device '%.60s'; known are auto, cpu, cuda, sim:…, required:cuda", request);
        complain(set, WEIR_E_DEVICE, line);
        return WEIR_OK;
    }
    if (status != WEIR_OK) {
        return status;
    }
    if (set->device[1].available) {
        set->preferred = 1;
    } else if (set->required) {
        char line[400];
        snprintf(line, sizeof line, "the required device %s is missing: %s", set->device[1].name, set->device[1].reason);
        complain(set, WEIR_E_DEVICE, line);
    }
    return WEIR_OK;
}

static void explain(w_device_set *set, const char *request)
{
    w_device *host = &set->device[0];
    for (int i = 1; i < set->count; i++) {
        w_device *device = &set->device[i];
        if (device->available) {
            w_policy_derive(&set->cost, &device->cost, &device->policy);
            snprintf(device->reason, sizeof device->reason, "%s",
                     set->preferred == i ? "preferred by request" : "used where its predicted time is shorter");
        }
    }
    snprintf(host->reason, sizeof host->reason, "%s",
             set->status != WEIR_OK                ? "the request cannot be met"
             : set->preferred > 0                  ? "takes what the preferred device does not support"
             : strcmp(request, "auto") == 0        ? "used where no other device is predicted to be faster"
             : set->count > 1                      ? "the requested device is not available"
                                                   : "preferred by request");
}

weir_status w_devices_peek(weir_ctx *ctx, w_device_set **out)
{
    if (ctx->devices) {
        *out = ctx->devices;
        return WEIR_OK;
    }
    w_device_set *set = w_calloc(ctx, "device", 1, sizeof *set);
    if (!set) {
        return w_alloc_status(ctx);
    }
    set->lend = (weir_device_host){ WEIR_DEVICE_ABI, sizeof set->lend, ctx, lend_alloc, lend_free, lend_fail };
    w_topology_quick(&set->topology);
    w_cost_defaults(&set->cost);
    key_make(ctx, set);
    cache_load(ctx, set);
    ctx->devices = set;
    weir_status status = host_add(ctx, set);
    if (status == WEIR_OK) {
        status = request_read(ctx, set);
    }
    if (status != WEIR_OK) {
        set_free(ctx);
        return status;
    }
    explain(set, ctx->device_request);
    ctx->devices_free = set_free;
    *out = set;
    return WEIR_OK;
}

weir_status w_devices_get(weir_ctx *ctx, w_device_set **out)
{
    w_device_set *set = NULL;
    weir_status status = w_devices_peek(ctx, &set);
    if (status == WEIR_OK && set->status != WEIR_OK) {
        status = w_fail(ctx, set->status, "%s", set->message);
    }
    if (status == WEIR_OK) {
        *out = set;
    }
    return status;
}

weir_status w_devices_probe(weir_ctx *ctx, w_device_set *set)
{
    if (set->probed) {
        return WEIR_OK;
    }
    weir_status status = plugin_add(ctx, set, "cuda");
    if (status == WEIR_OK) {
        explain(set, ctx->device_request);
    }
    return status;
}

void w_devices_costs_changed(w_device_set *set)
{
    set->device[0].cost = set->cost.host;
    w_policy_of_host(&set->cost, &set->device[0].policy);
    for (int i = 1; i < set->count; i++) {
        if (set->device[i].available) {
            w_policy_derive(&set->cost, &set->device[i].cost, &set->device[i].policy);
        }
    }
}

/* ---- choice ------------------------------------------------------------------------------------------------------ */

static int milliseconds(double seconds, int *thousandths)
{
    double ms = seconds < 1e6 ? 1e3 * seconds : 1e9;
    *thousandths = (int)(1000 * (ms - floor(ms)));
    return (int)ms;
}

static void reason_write(char *reason, size_t bytes, const w_device *best, double seconds, const w_device *other,
                         double other_seconds)
{
    if (!reason || bytes == 0) {
        return;
    }
    int fraction, ms = milliseconds(seconds, &fraction);
    if (!other) {
        snprintf(reason, bytes, "%s %d.%03d ms", best->name, ms, fraction);
        return;
    }
    int other_fraction, other_ms = milliseconds(other_seconds, &other_fraction);
    snprintf(reason, bytes, "%s %d.%03d ms against %s %d.%03d ms", best->name, ms, fraction, other->name, other_ms,
             other_fraction);
}

static double predicted(const w_device *device, weir_device_op op, weir_device_dtype dtype, const weir_device_shape *shape,
                        int64_t up, int64_t down)
{
    if (!w_device_supports(device, op, dtype, shape)) {
        return INFINITY;
    }
    return w_cost_seconds(&device->cost, op, dtype, shape, up, down);
}

weir_status w_device_choose(weir_ctx *ctx, weir_device_op op, weir_device_dtype dtype, const weir_device_shape *shape,
                            int64_t bytes_up, int64_t bytes_down, w_device **out, char *reason, size_t reason_bytes)
{
    w_device_set *set = NULL;
    weir_status status = w_devices_get(ctx, &set);
    if (status != WEIR_OK) {
        return status;
    }
    w_device *host = &set->device[0], *wanted = &set->device[set->preferred];
    double on_host = w_cost_seconds(&host->cost, op, dtype, shape, 0, 0);
    if (set->preferred > 0) {
        double there = predicted(wanted, op, dtype, shape, bytes_up, bytes_down);
        if (isfinite(there)) {
            reason_write(reason, reason_bytes, wanted, there, host, on_host);
            *out = wanted;
            return WEIR_OK;
        }
        if (set->required) {
            return w_fail(ctx, WEIR_E_DEVICE, "the required device %s does not support this operation", wanted->name);
        }
    } else if (!set->probed && on_host >= DRIVER_FLOOR_SECONDS) {
        status = w_devices_probe(ctx, set);
        if (status != WEIR_OK) {
            return status;
        }
    }
    w_device *best = host, *runner = NULL;
    double shortest = on_host, second = INFINITY;
    for (int i = 1; i < set->count && set->preferred == 0; i++) {
        double there = predicted(&set->device[i], op, dtype, shape, bytes_up, bytes_down);
        if (there < shortest) {
            runner = best;
            second = shortest;
            best = &set->device[i];
            shortest = there;
        } else if (there < second) {
            runner = &set->device[i];
            second = there;
        }
    }
    reason_write(reason, reason_bytes, best, shortest, runner, second);
    *out = best;
    return WEIR_OK;
}

/* ---- thin calls -------------------------------------------------------------------------------------------------- */

static bool has_entry(const weir_device_api *api, weir_device_op op, bool batched)
{
    switch (op) {
    case WEIR_DEVICE_COPY: return api->copy;
    case WEIR_DEVICE_GEMM: return batched ? (bool)api->gemm_batched : (bool)api->gemm;
    case WEIR_DEVICE_SYRK: return !batched && api->syrk;
    case WEIR_DEVICE_TRSM: return batched ? (bool)api->trsm_batched : (bool)api->trsm;
    case WEIR_DEVICE_POTRF: return batched ? (bool)api->potrf_batched : (bool)api->potrf;
    case WEIR_DEVICE_GEQRF: return batched ? (bool)api->geqrf_batched : (bool)api->geqrf;
    case WEIR_DEVICE_SYEVD: return !batched && api->syevd;
    case WEIR_DEVICE_GRAM: return api->gram;
    case WEIR_DEVICE_OPS: break;
    }
    return false;
}

bool w_device_supports(const w_device *device, weir_device_op op, weir_device_dtype dtype, const weir_device_shape *shape)
{
    return device->available && has_entry(&device->api, op, shape->batch > 1) &&
           device->api.supports(device->state, op, dtype, shape);
}

int64_t w_device_free_bytes(const w_device *device)
{
    int64_t free_bytes = 0, total = 0;
    if (!device->available || device->api.memory(device->state, &free_bytes, &total) != WEIR_OK) {
        return 0;
    }
    return free_bytes;
}

weir_status w_device_alloc(w_device *device, int64_t bytes, void **out)
{
    return device->available ? device->api.alloc(device->state, bytes, out) : WEIR_DECLINED;
}

void w_device_free(w_device *device, void *block)
{
    if (device->available && block) {
        device->api.free(device->state, block);
    }
}

weir_status w_device_copy(w_device *device, void *to, const void *from, int64_t bytes, weir_device_direction direction)
{
    return device->available ? device->api.copy(device->state, to, from, bytes, direction) : WEIR_DECLINED;
}
