/* SPDX-License-Identifier: Apache-2.0 */
/* A limit of address space (ulimit -v), met before the libraries start.
 *
 * OpenBLAS maps a buffer of 128 MiB for each of its threads as it is loaded, before main, and tries for ever where the limit has no
 * room. What runs first in a program is its .preinit_array: here the program begins again with one thread for OpenBLAS, which
 * is how weir calls it, or ends in one line where even that does not fit. Nothing of the C library that needs a start of
 * its own is called: the environment comes in as an argument. */
#include "cli.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { VARIABLES_MAX = 4096 };
#define BUFFER_BYTES ((int64_t)128 << 20)
#define REST_BYTES ((int64_t)64 << 20) /* stacks, heap, tables of the libraries */

/* Both: which of the two counts its buffers depends on how OpenBLAS was built. */
static const char blas_threads[] = "OPENBLAS_NUM_THREADS=1", openmp_threads[] = "OMP_NUM_THREADS=1";

/* Pages of the process, the first number of statm. */
static int64_t mapped_bytes(void)
{
    char text[64];
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    int64_t pages = 0;
    for (ssize_t i = 0; i < size && text[i] >= '0' && text[i] <= '9'; i++)
        pages = 10 * pages + (text[i] - '0');
    return pages * (int64_t)getpagesize();
}

static bool names_same(const char *variable, const char *setting)
{
    return !strncmp(variable, setting, strcspn(setting, "=") + 1);
}

/* Begins again with the variables set; returns where that cannot be. */
static void begin_again(char **argv, char **environment)
{
    static const char *variable[VARIABLES_MAX + 3];
    int count = 0;
    for (char **e = environment; *e; e++) {
        if (count == VARIABLES_MAX)
            return;
        if (!names_same(*e, blas_threads) && !names_same(*e, openmp_threads))
            variable[count++] = *e;
    }
    variable[count++] = blas_threads;
    variable[count] = openmp_threads;
    execve("/proc/self/exe", argv, (char *const *)variable);
}

static bool has_one_thread(char **environment)
{
    int found = 0;
    for (; *environment; environment++)
        found += !strcmp(*environment, blas_threads) || !strcmp(*environment, openmp_threads);
    return found == 2;
}

static void before_libraries(int argc, char **argv, char **environment)
{
    struct rlimit limit;
    if (argc < 1 || getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return;
    if (!has_one_thread(environment))
        begin_again(argv, environment);
    /* one buffer as OpenBLAS is loaded, one for a thread that calls it */
    const int64_t need = mapped_bytes() + 2 * BUFFER_BYTES + REST_BYTES;
    if (need <= (int64_t)limit.rlim_cur)
        return;
    char line[160];
    int size = snprintf(line, sizeof line, "weir: the limit of address space (ulimit -v) of %lld KiB is too small to start: %lld KiB "
                        "would do\n", (long long)(limit.rlim_cur >> 10), (long long)(need >> 10));
    if (size > 0 && write(STDERR_FILENO, line, (size_t)size) != size)
        _exit(EXIT_FAILED);
    _exit(EXIT_BUDGET);
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **, char **) = before_libraries;
