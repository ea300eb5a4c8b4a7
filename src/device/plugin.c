/* SPDX-License-Identifier: Apache-2.0 */
/* Plug-ins are found by absolute path alone: a name that the dynamic linker searches for could be planted. They are
 * never unloaded: a driver leaves threads and handlers behind that outlive the last call. */
#include "device/device.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUIRED_SIZE offsetof(weir_device_api, gemm)

/* Folder of the shared library (or program) that holds this code; false when unknown. */
static bool own_folder(char folder[PATH_MAX])
{
    Dl_info info;
    if (dladdr(__extension__(void *)w_plugin_open, &info) == 0 || !info.dli_fname) {
        return false;
    }
    char path[PATH_MAX];
    if (!realpath(info.dli_fname, path)) {
        return false;
    }
    char *slash = strrchr(path, '/');
    if (!slash) {
        return false;
    }
    *slash = '\0';
    snprintf(folder, PATH_MAX, "%s", path);
    return true;
}

/* The first readable libweir_<name>.so; otherwise false with where it was looked for. */
static bool find(const char *name, char path[PATH_MAX], char *reason, size_t bytes)
{
    char folder[2][PATH_MAX];
    const char *from = getenv("WEIR_DEVICE_PATH");
    int folders = 0;
    if (from && from[0]) {
        if (from[0] != '/') {
            snprintf(reason, bytes, "no such device: WEIR_DEVICE_PATH must be an absolute folder");
            return false;
        }
        snprintf(folder[folders++], PATH_MAX, "%s", from);
    }
    folders += own_folder(folder[folders]);
    for (int i = 0; i < folders; i++) {
        if (snprintf(path, PATH_MAX, "%s/libweir_%s.so", folder[i], name) < PATH_MAX && access(path, R_OK) == 0) {
            return true;
        }
    }
    snprintf(reason, bytes, "no such device: libweir_%s.so is not beside the library%s", name,
             from && from[0] ? " nor in WEIR_DEVICE_PATH" : "");
    return false;
}

static bool complete(const weir_device_api *api)
{
    return api->probe && api->open && api->close && api->describe && api->memory && api->alloc && api->free &&
           api->copy && api->sync && api->supports;
}

static bool table_take(const weir_device_api *table, weir_device_api *out, char *reason, size_t bytes)
{
    if (table->abi != WEIR_DEVICE_ABI) {
        snprintf(reason, bytes, "no such device: the plug-in speaks ABI %d, this library %d; install matching versions",
                 (int)table->abi, WEIR_DEVICE_ABI);
        return false;
    }
    if (table->struct_size < (int32_t)REQUIRED_SIZE) {
        snprintf(reason, bytes, "no such device: the plug-in's table of %d bytes is shorter than the required %d",
                 (int)table->struct_size, (int)REQUIRED_SIZE);
        return false;
    }
    memset(out, 0, sizeof *out);
    size_t size = (size_t)table->struct_size < sizeof *out ? (size_t)table->struct_size : sizeof *out;
    memcpy(out, table, size);
    if (!complete(out)) {
        snprintf(reason, bytes, "no such device: the plug-in's table lacks a required entry");
        return false;
    }
    return true;
}

static const weir_device_api *library_open(const char *path, char *reason, size_t bytes)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        snprintf(reason, bytes, "no such device: %s", why ? why : "the plug-in cannot be loaded");
        return NULL;
    }
    weir_device_plugin_fn entry;
    void *symbol = dlsym(library, "weir_device_plugin");
    if (!symbol) {
        snprintf(reason, bytes, "no such device: the plug-in does not export weir_device_plugin");
        return NULL;
    }
    memcpy(&entry, &symbol, sizeof entry);
    const weir_device_api *table = entry();
    if (!table) {
        snprintf(reason, bytes, "no such device: the plug-in offers no table");
    }
    return table;
}

/* A card of the 2020s over PCIe; replaced by measurement. */
static void cost_guess(w_device_cost *cost)
{
    static const double peak[WEIR_DEVICE_OPS] = { 0, 5e12, 4e12, 2e12, 1e12, 5e11, 1e11, 4e12 };
    *cost = (w_device_cost){ .launch = 3e-5, .up = 1e10, .down = 1e10 };
    for (int op = WEIR_DEVICE_GEMM; op < WEIR_DEVICE_OPS; op++) {
        for (int dtype = 0; dtype < WEIR_DEVICE_DTYPES; dtype++) {
            cost->peak[op][dtype] = dtype == WEIR_DEVICE_F32 ? 2 * peak[op] : peak[op];
            cost->half[op][dtype] = 1e9;
        }
    }
}

weir_status w_plugin_open(weir_ctx *ctx, const weir_device_host *lend, const char *name, w_device *device)
{
    *device = (w_device){ .kind = W_DEVICE_PLUGIN };
    snprintf(device->name, sizeof device->name, "%s", name);
    char path[PATH_MAX];
    if (!find(name, path, device->reason, sizeof device->reason)) {
        return WEIR_OK;
    }
    const weir_device_api *table = library_open(path, device->reason, sizeof device->reason);
    weir_device_api api;
    if (!table || !table_take(table, &api, device->reason, sizeof device->reason)) {
        return WEIR_OK;
    }
    char why[200] = "";
    if (api.probe(why, sizeof why) != WEIR_OK) {
        snprintf(device->reason, sizeof device->reason, "no such device: %s", why[0] ? why : "the probe failed");
        return WEIR_OK;
    }
    void *state = NULL;
    weir_status status = api.open(lend, &state);
    if (status != WEIR_OK) {
        snprintf(device->reason, sizeof device->reason, "the device cannot be opened: %s", weir_status_name(status));
        return status == WEIR_E_BUDGET || status == WEIR_E_MEMORY
                   ? w_fail(ctx, status, "no memory to open the device %s", name)
                   : WEIR_OK;
    }
    device->api = api;
    device->state = state;
    device->available = true;
    if (api.describe(state, device->description, sizeof device->description) != WEIR_OK) {
        device->description[0] = '\0';
    }
    cost_guess(&device->cost);
    return WEIR_OK;
}
