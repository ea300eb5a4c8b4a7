/* SPDX-License-Identifier: Apache-2.0 */
/* weir-bench batched: many small matrices at a time beside a C loop of LAPACK over them, on one thread and with the matrices shared
 * out over threads (each calling LAPACK serially), and beside torch's batched routines. What interleaving costs is shown apart. */
#ifndef BENCH_BATCHED_H
#define BENCH_BATCHED_H

typedef struct batched_options {
    int threads;      /* 0: all processors */
    int repetitions;  /* 0: by time */
    const char *json; /* file; NULL: standard output */
    const char *peer; /* script of torch, or NULL */
} batched_options;

/* names: beginnings of the cases to run, all when none is given. */
int batched_run(const batched_options *options, int count, char **names);
void batched_list(void);

#endif
