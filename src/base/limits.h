/* SPDX-License-Identifier: Apache-2.0 */
/* What memory this process may use: the smallest of MemAvailable (/proc/meminfo), the cgroup's limit minus its usage
 * (v2 memory.max and every ancestor's, v1 memory.limit_in_bytes), and RLIMIT_AS / RLIMIT_DATA minus what is mapped.
 * The root folder of /proc and /sys/fs/cgroup is a parameter so that tests can plant files. */
#ifndef W_BASE_LIMITS_H
#define W_BASE_LIMITS_H

#include <stdint.h>

typedef struct w_memory_limits {
    int64_t available;     /* MemAvailable; INT64_MAX when unknown */
    int64_t cgroup_free;   /* limit - usage; INT64_MAX when unlimited */
    int64_t rlimit_free;   /* INT64_MAX when unlimited */
    int64_t total;         /* MemTotal */
    int cgroup_version;    /* 0 none, 1, 2 */
    const char *binding;   /* "free memory", "cgroup" or "rlimit": which is the smallest */
} w_memory_limits;

/* root: "" for the real file system. Unreadable files count as unlimited. */
void w_memory_limits_read(const char *root, w_memory_limits *out);
/* 80 % of the smallest limit, at least 16 MiB. */
int64_t w_memory_default_budget(const w_memory_limits *limits);
/* Resident set of this process in bytes, now and at its highest; -1 when unknown. */
int64_t w_memory_resident(int64_t *peak);
/* Processors this process may use: its affinity mask, cut by the cgroup's CPU quota (rounded up); at least 1. */
int w_processors_allowed(const char *root);

#endif
