/* SPDX-License-Identifier: Apache-2.0 */
/* Page cache counted in a cgroup's usage is given up under pressure, so free = limit - (usage - inactive_file).
 * Every ancestor binds: the smallest free over the path is taken. A path that is not mounted here (the host's view
 * seen from inside a container) falls back to the mount's root, which is then the container's own group. */
#include "base/limits.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

#define UNLIMITED ((int64_t)1 << 60) /* v1 writes "no limit" as the largest multiple of the page size */
#define PATH_BYTES 1024

static int file_read(const char *root, const char *path, char *text, size_t bytes)
{
    char name[2 * PATH_BYTES];
    if (snprintf(name, sizeof name, "%s%s", root, path) >= (int)sizeof name) {
        return -1;
    }
    FILE *file = fopen(name, "re");
    if (!file) {
        return -1;
    }
    size_t length = fread(text, 1, bytes - 1, file);
    fclose(file);
    text[length] = '\0';
    return length > 0 ? 0 : -1;
}

/* The number after `key` at the start of a line, in units of `scale`; fallback when absent or "max". */
static int64_t field(const char *text, const char *key, int64_t scale, int64_t fallback)
{
    size_t length = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0) {
            char *end;
            long long value = strtoll(line + length, &end, 10);
            return end == line + length || value < 0 ? fallback : w_mul64(value, scale);
        }
    }
    return fallback;
}

static int64_t number_file(const char *root, const char *folder, const char *name, int64_t fallback)
{
    char path[2 * PATH_BYTES], text[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return file_read(root, path, text, sizeof text) == 0 ? field(text, "", 1, fallback) : fallback;
}

typedef struct cgroup_names {
    const char *limit, *high, *usage, *cache;
} cgroup_names;

static int64_t folder_free(const char *root, const char *folder, const cgroup_names *names)
{
    char path[2 * PATH_BYTES], text[8192];
    int64_t limit = number_file(root, folder, names->limit, INT64_MAX);
    if (names->high) {
        limit = w_min64(limit, number_file(root, folder, names->high, INT64_MAX));
    }
    if (limit >= UNLIMITED) {
        return INT64_MAX;
    }
    int64_t usage = number_file(root, folder, names->usage, 0), cache = 0;
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    if (file_read(root, path, text, sizeof text) == 0) {
        cache = field(text, names->cache, 1, 0);
    }
    return w_max64(0, limit - w_max64(0, usage - cache));
}

static int64_t ancestors_free(const char *root, const char *mount, char *path, const cgroup_names *names)
{
    int64_t smallest = INT64_MAX;
    while (1) {
        char folder[PATH_BYTES + 64];
        snprintf(folder, sizeof folder, "%s%s", mount, path);
        smallest = w_min64(smallest, folder_free(root, folder, names));
        char *slash = strrchr(path, '/');
        if (!slash) {
            return smallest;
        }
        *slash = '\0';
    }
}

/* The path in /proc/self/cgroup of the line whose controller field matches ("" for v2, "memory" for v1). */
static int cgroup_path(const char *text, const char *controller, char path[PATH_BYTES])
{
    size_t length = strlen(controller);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *first = strchr(line, ':');
        const char *second = first ? strchr(first + 1, ':') : NULL;
        if (!second) {
            continue;
        }
        for (const char *name = first + 1; name <= second; name += strcspn(name, ",:") + 1) {
            if (strcspn(name, ",:") == length && strncmp(name, controller, length) == 0) {
                size_t bytes = w_min64((int64_t)strcspn(second + 1, "\n"), PATH_BYTES - 1);
                memcpy(path, second + 1, bytes);
                path[bytes] = '\0';
                return 0;
            }
            if (name + strcspn(name, ",:") >= second) {
                break;
            }
        }
    }
    return -1;
}

static void cgroup_read(const char *root, w_memory_limits *out)
{
    static const cgroup_names v2 = { "memory.max", "memory.high", "memory.current", "inactive_file " };
    static const cgroup_names v1 = { "memory.limit_in_bytes", NULL, "memory.usage_in_bytes", "total_inactive_file " };
    char text[8192], path[PATH_BYTES];
    if (file_read(root, "/proc/self/cgroup", text, sizeof text) != 0) {
        return;
    }
    if (cgroup_path(text, "memory", path) == 0) {
        out->cgroup_version = 1;
        out->cgroup_free = ancestors_free(root, "/sys/fs/cgroup/memory", path, &v1);
    } else if (cgroup_path(text, "", path) == 0) {
        out->cgroup_version = 2;
        out->cgroup_free = ancestors_free(root, "/sys/fs/cgroup", path, &v2);
    }
}

/* Soft limit of one row of /proc/self/limits. */
static int64_t rlimit_soft(const char *limits, const char *name)
{
    return field(limits, name, 1, INT64_MAX);
}

static void rlimit_read(const char *root, w_memory_limits *out)
{
    char limits[4096], self[8192];
    if (file_read(root, "/proc/self/limits", limits, sizeof limits) != 0 ||
        file_read(root, "/proc/self/status", self, sizeof self) != 0) {
        return;
    }
    int64_t space = rlimit_soft(limits, "Max address space"), data = rlimit_soft(limits, "Max data size");
    if (space != INT64_MAX) {
        out->rlimit_free = w_max64(0, space - field(self, "VmSize:", 1024, 0));
    }
    if (data != INT64_MAX) {
        out->rlimit_free = w_min64(out->rlimit_free, w_max64(0, data - field(self, "VmData:", 1024, 0)));
    }
}

void w_memory_limits_read(const char *root, w_memory_limits *out)
{
    char text[8192];
    *out = (w_memory_limits){ INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, 0, "free memory" };
    if (file_read(root, "/proc/meminfo", text, sizeof text) == 0) {
        out->total = field(text, "MemTotal:", 1024, INT64_MAX);
        out->available = field(text, "MemAvailable:", 1024, INT64_MAX);
    }
    cgroup_read(root, out);
    rlimit_read(root, out);
    if (out->cgroup_free < out->available) {
        out->binding = "cgroup";
    }
    if (out->rlimit_free < w_min64(out->available, out->cgroup_free)) {
        out->binding = "rlimit";
    }
}

int64_t w_memory_default_budget(const w_memory_limits *limits)
{
    int64_t smallest = w_min64(limits->available, w_min64(limits->cgroup_free, limits->rlimit_free));
    if (smallest == INT64_MAX) {
        smallest = (int64_t)1 << 30; /* nothing is known about this machine */
    }
    return w_max64(smallest / 10 * 8, (int64_t)16 << 20);
}

int64_t w_memory_resident(int64_t *peak)
{
    char text[8192];
    if (file_read("", "/proc/self/status", text, sizeof text) != 0) {
        text[0] = '\0';
    }
    if (peak) {
        *peak = field(text, "VmHWM:", 1024, -1);
    }
    return field(text, "VmRSS:", 1024, -1);
}

/* Processors the quota of one folder pays for, rounded up; INT64_MAX without a quota. */
static int64_t quota_of(const char *root, const char *folder, int version)
{
    char path[2 * PATH_BYTES], text[128];
    long long quota = -1, period = 0;
    if (version == 2) {
        snprintf(path, sizeof path, "%s/cpu.max", folder);
        if (file_read(root, path, text, sizeof text) != 0 || sscanf(text, "%lld %lld", &quota, &period) != 2) {
            return INT64_MAX;
        }
    } else {
        quota = number_file(root, folder, "cpu.cfs_quota_us", -1);
        period = number_file(root, folder, "cpu.cfs_period_us", 0);
    }
    return quota > 0 && period > 0 ? (quota + period - 1) / period : INT64_MAX;
}

int w_processors_allowed(const char *root)
{
    cpu_set_t mask;
    int64_t allowed = sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 1;
    char text[8192], path[PATH_BYTES], folder[PATH_BYTES + 64];
    if (file_read(root, "/proc/self/cgroup", text, sizeof text) == 0) {
        int version = cgroup_path(text, "cpu", path) == 0 ? 1 : cgroup_path(text, "", path) == 0 ? 2 : 0;
        char *slash = version ? path : NULL;
        while (slash) {
            snprintf(folder, sizeof folder, "/sys/fs/cgroup%s%s", version == 1 ? "/cpu" : "", path);
            allowed = w_min64(allowed, quota_of(root, folder, version));
            slash = strrchr(path, '/');
            if (slash) {
                *slash = '\0';
            }
        }
    }
    return (int)w_max64(1, allowed);
}
