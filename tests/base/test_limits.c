/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <string.h>

#include "base/limits.h"
#include "support/folder.h"

#define MIB ((int64_t)1 << 20)
#define MEMINFO "MemTotal:       8388608 kB\nMemFree:  10 kB\nMemAvailable:   4194304 kB\n"

static char root[TEST_FOLDER_BYTES];

static int folder_make(void **state)
{
    (void)state;
    return test_folder_make(root);
}

static int folder_remove(void **state)
{
    (void)state;
    test_folder_remove(root);
    return 0;
}

static void plant(const char *path, const char *text)
{
    test_folder_write(root, path, text, strlen(text));
}

static void nothing_known(void **state)
{
    (void)state;
    w_memory_limits limits;
    w_memory_limits_read(root, &limits);
    assert_true(limits.available == INT64_MAX && limits.cgroup_free == INT64_MAX && limits.rlimit_free == INT64_MAX);
    assert_int_equal(w_memory_default_budget(&limits), ((int64_t)1 << 30) / 10 * 8);
    assert_true(w_processors_allowed(root) >= 1);
}

static void free_memory_binds(void **state)
{
    (void)state;
    plant("/proc/meminfo", MEMINFO);
    w_memory_limits limits;
    w_memory_limits_read(root, &limits);
    assert_int_equal(limits.total, 8192 * MIB);
    assert_int_equal(limits.available, 4096 * MIB);
    assert_int_equal(limits.cgroup_version, 0);
    assert_string_equal(limits.binding, "free memory");
    assert_int_equal(w_memory_default_budget(&limits), 4096 * MIB / 10 * 8);
}

static void cgroup2_ancestors_bind_and_cache_is_free(void **state)
{
    (void)state;
    plant("/proc/meminfo", MEMINFO);
    plant("/proc/self/cgroup", "0::/user.slice/job\n");
    plant("/sys/fs/cgroup/user.slice/job/memory.max", "max\n");
    plant("/sys/fs/cgroup/user.slice/job/memory.current", "1000\n");
    plant("/sys/fs/cgroup/user.slice/memory.max", "1073741824\n");
    plant("/sys/fs/cgroup/user.slice/memory.current", "536870912\n");
    w_memory_limits limits;
    w_memory_limits_read(root, &limits);
    assert_int_equal(limits.cgroup_version, 2);
    assert_int_equal(limits.cgroup_free, 512 * MIB);
    assert_string_equal(limits.binding, "cgroup");
    plant("/sys/fs/cgroup/user.slice/memory.stat", "anon 5\ninactive_file 268435456\nactive_file 7\n");
    w_memory_limits_read(root, &limits);
    assert_int_equal(limits.cgroup_free, 768 * MIB);
    plant("/sys/fs/cgroup/user.slice/memory.high", "536870912\n");
    w_memory_limits_read(root, &limits);
    assert_int_equal(limits.cgroup_free, 256 * MIB);
    plant("/sys/fs/cgroup/user.slice/memory.current", "99536870912\n");
    w_memory_limits_read(root, &limits);
    assert_int_equal(limits.cgroup_free, 0);
    assert_int_equal(w_memory_default_budget(&limits), 16 * MIB);
}

static void cgroup2_inside_a_container(void **state)
{
    (void)state;
    plant("/proc/meminfo", MEMINFO);
    plant("/proc/self/cgroup", "0::/not/mounted/here\n");
    plant("/sys/fs/cgroup/memory.max", "2147483648\n");
    plant("/sys/fs/cgroup/memory.current", "1073741824\n");
    plant("/sys/fs/cgroup/cpu.max", "150000 100000\n");
    w_memory_limits limits;
    w_memory_limits_read(root, &limits);
    assert_int_equal(limits.cgroup_free, 1024 * MIB);
    assert_in_range(w_processors_allowed(root), 1, 2);
}

static void cgroup1(void **state)
{
    (void)state;
    plant("/proc/meminfo", MEMINFO);
    plant("/proc/self/cgroup", "5:cpu,cpuacct:/jobs\n4:hugetlb,memory:/jobs/one\n1:name=systemd:/x\n0::/\n");
    plant("/sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "9223372036854771712\n");
    plant("/sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes", "77\n");
    plant("/sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "314572800\n");
    plant("/sys/fs/cgroup/memory/jobs/memory.usage_in_bytes", "209715200\n");
    plant("/sys/fs/cgroup/memory/jobs/memory.stat", "cache 9\ntotal_inactive_file 104857600\n");
    plant("/sys/fs/cgroup/cpu/jobs/cpu.cfs_quota_us", "50000\n");
    plant("/sys/fs/cgroup/cpu/jobs/cpu.cfs_period_us", "100000\n");
    w_memory_limits limits;
    w_memory_limits_read(root, &limits);
    assert_int_equal(limits.cgroup_version, 1);
    assert_int_equal(limits.cgroup_free, 200 * MIB);
    assert_int_equal(w_processors_allowed(root), 1);
}

static void rlimits_bind(void **state)
{
    (void)state;
    plant("/proc/meminfo", MEMINFO);
    plant("/proc/self/status", "Name:\tx\nVmSize:\t  102400 kB\nVmData:\t 51200 kB\n");
    plant("/proc/self/limits", "Limit                     Soft Limit           Hard Limit           Units     \n"
                               "Max data size             unlimited            unlimited            bytes     \n"
                               "Max address space         209715200            unlimited            bytes     \n");
    w_memory_limits limits;
    w_memory_limits_read(root, &limits);
    assert_int_equal(limits.rlimit_free, 100 * MIB);
    assert_string_equal(limits.binding, "rlimit");
    plant("/proc/self/limits", "Max data size             104857600            unlimited            bytes     \n"
                               "Max address space         209715200            unlimited            bytes     \n");
    w_memory_limits_read(root, &limits);
    assert_int_equal(limits.rlimit_free, 50 * MIB);
}

static void garbage_is_no_limit(void **state)
{
    (void)state;
    plant("/proc/meminfo", "MemAvailable: lots\nMemTotal:\n");
    plant("/proc/self/cgroup", ":::::\nno colons\n0:x\n");
    plant("/proc/self/limits", "\n\n\n");
    plant("/proc/self/status", "VmSize");
    w_memory_limits limits;
    w_memory_limits_read(root, &limits);
    assert_true(limits.available == INT64_MAX && limits.cgroup_free == INT64_MAX && limits.rlimit_free == INT64_MAX);
}

static void this_machine(void **state)
{
    (void)state;
    w_memory_limits limits;
    w_memory_limits_read("", &limits);
    assert_true(limits.total > 0 && limits.available <= limits.total);
    int64_t peak = 0, now = w_memory_resident(&peak);
    assert_true(now > 0 && peak >= now);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(nothing_known),
        IN_FOLDER(free_memory_binds),
        IN_FOLDER(cgroup2_ancestors_bind_and_cache_is_free),
        IN_FOLDER(cgroup2_inside_a_container),
        IN_FOLDER(cgroup1),
        IN_FOLDER(rlimits_bind),
        IN_FOLDER(garbage_is_no_limit),
        cmocka_unit_test(this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
