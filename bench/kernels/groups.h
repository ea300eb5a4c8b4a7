/* SPDX-License-Identifier: Apache-2.0 */
/* Ten thousand groups of 500 rows and 20 coefficients beside a loop of LAPACK calls over the same groups: dsyrk, dgemv and dposv on
 * rows of X that lie in memory as doubles, on one thread and with the groups shared out over threads.
 *   kernels  sums, factors and solutions from the very same rows, by one thread
 *   columns  y ~ x1 + … + x19, X is the table's own columns; coefficients must agree
 *   spline   y ~ s(x, k=20) with a given smoothing parameter; weir evaluates the basis, the peer's rows are there already
 * One thread is measured by what the processor says, several by the clock. */
#ifndef BENCH_GROUPS_H
#define BENCH_GROUPS_H

#include <stdint.h>

typedef struct groups_options {
    const char *json; /* file for the results, or NULL */
    int threads, repetitions;
    int64_t groups;   /* 0 = 10000 */
} groups_options;

/* Prints a markdown table. 0 or 1. */
int groups_run(const groups_options *options);

#endif
