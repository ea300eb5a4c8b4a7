/* SPDX-License-Identifier: Apache-2.0 */
/* Penalised least-squares problems of many shapes, every admissible route timed: how good the choice was, and how good the
 * predicted seconds. */
#ifndef BENCH_DISPATCH_H
#define BENCH_DISPATCH_H

typedef struct dispatch_options {
    const char *json; /* file for the results, or NULL */
    int threads, repetitions;
    int processor;    /* non-zero: processor seconds, which a busy machine changes little; for one thread */
    double limit;     /* seconds: a route predicted beyond it is counted as not timed; 0 = 2 */
} dispatch_options;

/* Prints a markdown table and the summary. 0 or 1. */
int dispatch_run(const dispatch_options *options);

#endif
