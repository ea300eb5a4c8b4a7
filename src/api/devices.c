/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/device.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/calibrate.h"
#include "base/arena.h"
#include "base/blas.h"
#include "base/clock.h"
#include "base/limits.h"
#include "device/device.h"

#define CALIBRATION_SECONDS 0.5 /* of the device's own operations */
#define PROBE_SECONDS 0.03     /* of each measurement of the others */
#define WIDE_BYTES ((int64_t)256 << 20) /* of the budget, to measure systems of 1024 columns */

/* The public struct with the arena that holds its texts and lists. */
typedef struct devices_object {
    weir_devices shown;
    w_arena arena;
} devices_object;

static const char *text(w_arena *arena, const char *from)
{
    const char *copy = w_arena_strdup(arena, from);
    return copy ? copy : ""; /* the failed allocation is found at the end */
}

static void machine_fill(weir_devices *d, w_arena *arena, const w_topology *machine)
{
    d->cpu_model = text(arena, machine->cpu_model);
    d->packages = machine->packages;
    d->cores = machine->cores;
    d->processors = machine->processors;
    d->processors_allowed = machine->processors_allowed;
    d->numa_nodes = machine->numa_nodes;
    d->l1_bytes = machine->l1_bytes;
    d->l2_bytes = machine->l2_bytes;
    d->l3_bytes = machine->l3_bytes;
    d->memory_total = machine->memory_total;
    d->isa = text(arena, machine->isa);
    d->isa_used = w_isa_name(machine->kernels);
}

static void blas_fill(weir_devices *d, w_arena *arena)
{
    const char *config = w_blas_config();
    int words = 0;
    size_t length = 0; /* of the first two words: name and version */
    for (; config[length] && (config[length] != ' ' || ++words < 2); length++) {
    }
    char name[80];
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1), config);
    d->blas = text(arena, name[0] ? name : "BLAS");
    d->blas_config = text(arena, config);
    d->blas_threading = w_blas_threading();
}

static void limits_fill(weir_devices *d, const weir_ctx *ctx)
{
    w_memory_limits limits;
    w_memory_limits_read("", &limits);
    d->memory_available = limits.available;
    d->cgroup_free = limits.cgroup_free;
    d->rlimit_free = limits.rlimit_free;
    d->cgroup_version = limits.cgroup_version;
    d->memory_binding = limits.binding;
    d->budget = ctx->ledger.budget;
}

static weir_status devices_fill(weir_ctx *ctx, weir_devices *d, w_arena *arena, const w_device_set *set)
{
    static const char *const kind[] = { "host", "simulated", "plug-in" };
    weir_device_info *info = w_arena_calloc(arena, (size_t)set->count, sizeof *info);
    if (!info) {
        return w_alloc_status(ctx);
    }
    for (int i = 0; i < set->count; i++) {
        const w_device *device = &set->device[i];
        info[i] = (weir_device_info){ .name = text(arena, device->name), .kind = kind[device->kind],
                                      .description = text(arena, device->description), .available = device->available,
                                      .selected = set->status == WEIR_OK && i == set->preferred,
                                      .reason = text(arena, device->reason) };
        if (device->available) {
            device->api.memory(device->state, &info[i].free_bytes, &info[i].total_bytes);
        }
    }
    int64_t within_budget = w_ledger_free_bytes(ctx);
    info[0].free_bytes = info[0].free_bytes < within_budget ? info[0].free_bytes : within_budget;
    d->device = info;
    d->device_count = set->count;
    return WEIR_OK;
}

static weir_status costs_fill(weir_ctx *ctx, weir_devices *d, w_arena *arena, const w_device_set *set)
{
    int count = 0;
    while (w_cost_field_at(count)) {
        count++;
    }
    weir_named_value *cost = w_arena_calloc(arena, (size_t)count, sizeof *cost);
    weir_named_value *policy = w_arena_calloc(arena, W_POLICY_FIELDS, sizeof *policy);
    if (!cost || !policy) {
        return w_alloc_status(ctx);
    }
    for (int i = 0; i < count; i++) {
        const w_cost_field *field = w_cost_field_at(i);
        cost[i] = (weir_named_value){ field->name, w_cost_get(&set->cost, field), field->unit, field->meaning,
                                      set->cost.field_measured[i] };
    }
    const weir_policy *thresholds = &set->device[set->preferred].policy;
    for (int i = 0; i < W_POLICY_FIELDS; i++) {
        policy[i].name = w_policy_field(i, &policy[i].unit, &policy[i].meaning);
        policy[i].value = w_policy_get(thresholds, i);
    }
    d->cost = cost;
    d->cost_count = count;
    d->calibrated = set->cost.measured;
    d->cost_source = text(arena, set->cost_remark[0] && !set->cost.measured ? set->cost_remark : set->cost.source);
    d->policy = policy;
    d->policy_count = W_POLICY_FIELDS;
    return WEIR_OK;
}

static weir_status object_fill(weir_ctx *ctx, devices_object *object)
{
    weir_devices *d = &object->shown;
    w_arena *arena = &object->arena;
    w_device_set *set = NULL;
    w_topology machine;
    weir_status status = w_devices_peek(ctx, &set);
    if (status == WEIR_OK) {
        status = w_devices_probe(ctx, set);
    }
    if (status == WEIR_OK) {
        status = w_topology_read(ctx, &machine);
    }
    if (status != WEIR_OK) {
        return status;
    }
    int64_t refused = atomic_load(&ctx->ledger.refusals);
    d->request = text(arena, ctx->device_request);
    d->threads = ctx->threads;
    machine_fill(d, arena, &machine);
    blas_fill(d, arena);
    limits_fill(d, ctx);
    status = devices_fill(ctx, d, arena, set);
    if (status == WEIR_OK) {
        status = costs_fill(ctx, d, arena, set);
    }
    return status == WEIR_OK && atomic_load(&ctx->ledger.refusals) != refused ? w_alloc_status(ctx) : status;
}

weir_status weir_devices_query(weir_ctx *ctx, weir_devices **out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!out) {
        return w_fail(ctx, WEIR_E_ARG, "weir_devices_query: out is required");
    }
    devices_object *object = w_calloc(ctx, "devices", 1, sizeof *object);
    if (!object) {
        return w_alloc_status(ctx);
    }
    w_arena_init(&object->arena, ctx, "devices");
    weir_status status = object_fill(ctx, object);
    if (status != WEIR_OK) {
        weir_devices_free(ctx, &object->shown);
        return status;
    }
    *out = &object->shown;
    return WEIR_OK;
}

void weir_devices_free(weir_ctx *ctx, weir_devices *devices)
{
    if (!ctx || !devices) {
        return;
    }
    devices_object *object = (devices_object *)(void *)devices; /* shown is its first member */
    w_arena_free(&object->arena);
    w_free(ctx, object);
}

weir_status weir_devices_calibrate(weir_ctx *ctx)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    w_device_set *set = NULL;
    weir_status status = w_devices_peek(ctx, &set);
    if (status != WEIR_OK) {
        return status;
    }
    w_cost cost; /* what is not measured now is as built in; thresholds set by hand stay */
    w_cost_defaults(&cost);
    memcpy(cost.threshold, set->cost.threshold, sizeof cost.threshold);
    cost.threshold_set = set->cost.threshold_set;
    status = w_cost_calibrate(ctx, CALIBRATION_SECONDS, &cost);
    if (status != WEIR_OK) {
        return status;
    }
    const bool wide = w_ledger_free_bytes(ctx) >= WIDE_BYTES;
    const w_probe probe = { .clock = w_clock_thread_seconds, .seconds = wide ? PROBE_SECONDS : 0.0, .largest = wide ? 1024 : 64 };
    w_calibrate(ctx, &probe, &cost);
    char path[sizeof cost.source];
    bool have_path = w_cost_cache_path(set->key, path, sizeof path);
    snprintf(cost.source, sizeof cost.source, "measured now");
    set->cost = cost;
    w_devices_costs_changed(set);
    if (!have_path) {
        return w_fail(ctx, WEIR_E_IO, "neither XDG_CACHE_HOME nor HOME names a folder to keep the measured costs in");
    }
    return w_cost_save(ctx, path, set->key, &cost);
}

weir_status weir_devices_export(weir_ctx *ctx, const char *path)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!path) {
        return w_fail(ctx, WEIR_E_ARG, "weir_devices_export: path is required");
    }
    w_device_set *set = NULL;
    weir_status status = w_devices_peek(ctx, &set);
    return status == WEIR_OK ? w_cost_save(ctx, path, set->key, &set->cost) : status;
}

weir_status weir_devices_import(weir_ctx *ctx, const char *path)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!path) {
        return w_fail(ctx, WEIR_E_ARG, "weir_devices_import: path is required");
    }
    w_device_set *set = NULL;
    weir_status status = w_devices_peek(ctx, &set);
    if (status == WEIR_OK) {
        status = w_cost_load(ctx, path, NULL, &set->cost);
    }
    if (status == WEIR_OK) {
        w_devices_costs_changed(set);
    }
    return status;
}
