/* SPDX-License-Identifier: Apache-2.0 */
/* weir-bench dense: the library's own level-3 kernels beside the BLAS it is linked with, one thread and several. */
#ifndef BENCH_DENSE_H
#define BENCH_DENSE_H

typedef struct dense_options {
    int threads;      /* 0: all processors */
    int repetitions;  /* 0: by size */
    const char *json; /* file; NULL: standard output */
} dense_options;

/* names: cases to run, all when none is given. */
int dense_run(const dense_options *options, int count, char **names);
void dense_list(void);

#endif
