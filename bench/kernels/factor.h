/* SPDX-License-Identifier: Apache-2.0 */
/* weir-bench factor: factorizations of one matrix beside LAPACK, one thread and several. */
#ifndef BENCH_FACTOR_H
#define BENCH_FACTOR_H

typedef struct factor_options {
    int threads;      /* 0: all processors */
    int repetitions;  /* 0: by size */
    const char *json; /* file; NULL: standard output */
} factor_options;

/* names: beginnings of cases to run, all when none is given. */
int factor_run(const factor_options *options, int count, char **names);
void factor_list(void);

#endif
