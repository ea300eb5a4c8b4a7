/* SPDX-License-Identifier: Apache-2.0 */
/* Ten thousand groups of 500 rows and 20 coefficients beside loops of LAPACK calls over the same groups, on one thread and with the
 * groups shared out over threads: dgels, and the normal equations by dsyrk, dgemv and dposv. Both make each group's rows of X from the
 * table, as weir does, in the near cache; the second goes over rows of X that lie in memory, too.
 *   kernels  sums, factors and solutions from rows of X in memory, by one thread
 *   columns  y ~ x1 + … + x19, columns of the table; coefficients and residual sums of squares must agree
 *   spline   y ~ s(x1, k=20) with equal knots and no penalty, a natural cubic spline in both; sums of squares must agree
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
