/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double bench_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double bench_processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return count % 2 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

/* VmHWM rather than getrusage: the latter is handed down from the parent through fork. */
int64_t bench_peak_rss(void)
{
    char line[256];
    long long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (!status)
        return 0;
    while (fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %lld kB", &kib) == 1)
            break;
    fclose(status);
    return (int64_t)kib << 10;
}

json_t *bench_isolated(json_t *(*body)(void *arg), void *arg)
{
    int ends[2];
    if (pipe(ends))
        return NULL;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        json_t *result = body(arg);
        FILE *out = fdopen(ends[1], "w");
        int failed = !result || !out || json_dumpf(result, out, JSON_COMPACT) || fclose(out);
        _exit(failed);
    }
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    json_t *result = in ? json_loadf(in, 0, NULL) : NULL;
    if (in)
        fclose(in);
    int status = -1;
    if (child > 0)
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    if (status != 0) {
        json_decref(result);
        return NULL;
    }
    return result;
}

static void keep_line(json_t *object, char *line)
{
    char *value = strchr(line, ' '), *end;
    if (!value)
        return;
    *value++ = 0;
    value[strcspn(value, "\n")] = 0;
    if (strchr(value, ',')) {
        json_t *list = json_array();
        for (char *word = strtok(value, ","); word; word = strtok(NULL, ","))
            json_array_append_new(list, json_real(strtod(word, NULL)));
        json_object_set_new(object, line, list);
        return;
    }
    double number = strtod(value, &end);
    json_object_set_new(object, line, *value && !*end ? json_real(number) : json_string(value));
}

json_t *bench_peer(const char *const *arguments)
{
    int ends[2], status = -1;
    char line[4096];
    if (pipe(ends))
        return NULL;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(arguments[0], (char *const *)arguments);
        _exit(127);
    }
    close(ends[1]);
    json_t *object = json_object();
    FILE *in = fdopen(ends[0], "r");
    while (in && fgets(line, sizeof line, in))
        keep_line(object, line);
    if (in)
        fclose(in);
    if (child > 0)
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    if (status != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

int bench_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
}
