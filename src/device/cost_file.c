/* SPDX-License-Identifier: Apache-2.0 */
#include "device/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT 2
#define LARGEST_FILE 65536

bool w_cost_cache_path(const char *key, char *path, size_t bytes)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    uint64_t hash = 14695981039346656037u; /* FNV-1a: one file per machine description */
    for (const char *c = key; *c; c++) {
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    }
    int length;
    if (cache && cache[0] == '/') {
        length = snprintf(path, bytes, "%s/weir/costs-%016" PRIx64 ".json", cache, hash);
    } else if (home && home[0] == '/') {
        length = snprintf(path, bytes, "%s/.cache/weir/costs-%016" PRIx64 ".json", home, hash);
    } else {
        return false;
    }
    return length > 0 && (size_t)length < bytes;
}

static weir_status refuse(char *why, size_t bytes, weir_status status, const char *line)
{
    if (bytes > 0) {
        snprintf(why, bytes, "%s", line);
    }
    return status;
}

static int threshold_index(const char *name)
{
    const char *unit, *meaning;
    for (int i = 0; i < W_POLICY_FIELDS; i++) {
        if (strcmp(w_policy_field(i, &unit, &meaning), name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Those set by hand; `list` NULL: none. */
static weir_status thresholds_take(json_t *list, w_cost *cost, char *why, size_t bytes)
{
    const char *name;
    json_t *value;
    cost->threshold_set = 0;
    if (list && !json_is_object(list)) {
        return refuse(why, bytes, WEIR_E_DATA, "'policy' is not an object of thresholds");
    }
    json_object_foreach(list, name, value) {
        const int index = threshold_index(name);
        if (index < 0 || !json_is_number(value) || !(json_number_value(value) >= 0)) {
            char line[160];
            snprintf(line, sizeof line, "threshold '%.40s' of the policy is unknown or negative", name);
            return refuse(why, bytes, WEIR_E_DATA, line);
        }
        cost->threshold[index] = json_number_value(value);
        cost->threshold_set |= (uint64_t)1 << index;
    }
    return WEIR_OK;
}

static weir_status values_take(const json_t *root, const char *key, w_cost *cost, char *why, size_t bytes)
{
    if (json_integer_value(json_object_get(root, "weir_costs")) != FORMAT) {
        return refuse(why, bytes, WEIR_E_DATA, "not a file of costs, or of another format");
    }
    const char *written = json_string_value(json_object_get(root, "key"));
    if (key && (!written || strcmp(written, key) != 0)) {
        return refuse(why, bytes, WEIR_E_DATA, "measured on another machine, BLAS, version or thread count");
    }
    const json_t *costs = json_object_get(root, "costs");
    for (int i = 0; w_cost_field_at(i); i++) {
        const char *name = w_cost_field_at(i)->name;
        const json_t *value = json_object_get(costs, name);
        if (!json_is_number(value) || !w_cost_set(cost, name, json_number_value(value))) {
            char line[160];
            snprintf(line, sizeof line, "cost '%s' is missing or out of range", name);
            return refuse(why, bytes, WEIR_E_DATA, line);
        }
    }
    size_t index;
    json_t *name;
    json_array_foreach(json_object_get(root, "measured"), index, name) {
        for (int i = 0; json_is_string(name) && w_cost_field_at(i); i++) {
            if (strcmp(w_cost_field_at(i)->name, json_string_value(name)) == 0) {
                cost->field_measured[i] = cost->measured = true;
            }
        }
    }
    return thresholds_take(json_object_get(root, "policy"), cost, why, bytes);
}

weir_status w_cost_parse(const char *text, size_t length, const char *key, w_cost *cost, char *why, size_t bytes)
{
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    if (!root) {
        return refuse(why, bytes, WEIR_E_DATA, "not JSON");
    }
    w_cost read = *cost;
    memset(read.field_measured, 0, sizeof read.field_measured);
    read.measured = false;
    weir_status status = values_take(root, key, &read, why, bytes);
    json_decref(root);
    if (status == WEIR_OK) {
        *cost = read;
    }
    return status;
}

weir_status w_cost_read(const char *path, const char *key, w_cost *cost, char *why, size_t bytes)
{
    char text[LARGEST_FILE];
    FILE *file = fopen(path, "re");
    if (!file) {
        return refuse(why, bytes, WEIR_E_IO, "cannot be opened");
    }
    struct stat info;
    const bool sound = fstat(fileno(file), &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= LARGEST_FILE;
    const size_t length = sound ? fread(text, 1, sizeof text, file) : 0;
    fclose(file);
    weir_status status = sound ? w_cost_parse(text, length, key, cost, why, bytes)
                               : refuse(why, bytes, WEIR_E_DATA, "not a file of costs");
    if (status == WEIR_OK) {
        size_t size = strnlen(path, sizeof cost->source - 1);
        memcpy(cost->source, path, size);
        cost->source[size] = '\0';
    }
    return status;
}

weir_status w_cost_load(weir_ctx *ctx, const char *path, const char *key, w_cost *cost)
{
    char why[200] = "";
    weir_status status = w_cost_read(path, key, cost, why, sizeof why);
    return status == WEIR_OK ? WEIR_OK : w_fail(ctx, status, "%s: %s", path, why);
}

static void folders_make(const char *path)
{
    char name[PATH_MAX];
    if (snprintf(name, sizeof name, "%s", path) >= (int)sizeof name) {
        return;
    }
    for (char *slash = strchr(name + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(name, 0700); /* one that exists or cannot be made shows when the file is opened */
        *slash = '/';
    }
}

static json_t *costs_json(const char *key, const w_cost *cost)
{
    json_t *root = json_object(), *costs = json_object(), *measured = json_array();
    int bad = !root || !costs || !measured;
    for (int i = 0; !bad && w_cost_field_at(i); i++) {
        const w_cost_field *field = w_cost_field_at(i);
        bad = json_object_set_new(costs, field->name, json_real(w_cost_get(cost, field))) != 0;
        if (!bad && cost->field_measured[i]) {
            bad = json_array_append_new(measured, json_string(field->name)) != 0;
        }
    }
    bad = bad || json_object_set_new(root, "weir_costs", json_integer(FORMAT)) != 0 ||
          json_object_set_new(root, "key", json_string(key ? key : "")) != 0 || json_object_set(root, "costs", costs) != 0 ||
          json_object_set(root, "measured", measured) != 0;
    json_t *policy = cost->threshold_set && !bad ? json_object() : NULL;
    for (int i = 0; policy && i < W_POLICY_FIELDS; i++) {
        const char *unit, *meaning, *name = w_policy_field(i, &unit, &meaning);
        if (cost->threshold_set >> i & 1) {
            bad = json_object_set_new(policy, name, json_real(cost->threshold[i])) != 0 || bad;
        }
    }
    bad = bad || (cost->threshold_set && (!policy || json_object_set(root, "policy", policy) != 0));
    json_decref(policy);
    json_decref(measured);
    json_decref(costs);
    if (bad) {
        json_decref(root);
        return NULL;
    }
    return root;
}

weir_status w_cost_save(weir_ctx *ctx, const char *path, const char *key, const w_cost *cost)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= (int)sizeof temporary) {
        return w_fail(ctx, WEIR_E_IO, "%.60s…: the path is too long", path);
    }
    json_t *root = costs_json(key, cost);
    if (!root) {
        return w_fail(ctx, WEIR_E_MEMORY, "the system refused memory for the cost file");
    }
    folders_make(path);
    int file = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    int bad = file < 0;
    if (!bad) {
        bad = json_dumpfd(root, file, JSON_INDENT(2) | JSON_PRESERVE_ORDER) != 0 || fsync(file) != 0;
        bad = close(file) != 0 || bad;
        bad = bad || rename(temporary, path) != 0;
    }
    int cause = errno;
    json_decref(root);
    if (bad) {
        const char *why = strerrordesc_np(cause);
        if (file >= 0) {
            unlink(temporary);
        }
        return w_fail(ctx, WEIR_E_IO, "%s: the costs cannot be written: %s", path, why ? why : "unknown cause");
    }
    return WEIR_OK;
}
