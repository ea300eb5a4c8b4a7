/* SPDX-License-Identifier: Apache-2.0 */
/* 1440 windows of 1000 rows in steps of 24, 60 coefficients, beside refitting each window by LAPACK (dsyrk, dgemv, dpotrf, dpotrs, and
 * dgemv for the 24 rows behind it) from rows of X that lie in memory as doubles, on one thread and with the windows shared out over
 * threads. weir starts from the columns of a table and counts everything: scan, design, rows of X, sums, fits, predictions.
 *   columns  y ~ x1 + … + x59; coefficients, predictions and residual sums of squares must agree
 *   spline   y ~ s(x1, k=20) + s(x2, k=20) + s(x3, k=20) + x4 + x5 with given smoothing parameters and effective degrees of freedom of
 *            every window; the peer has the same numbers as above, 60 columns
 * A third loop calls weir_fit for each window, once, on one thread.
 * One thread is measured by what the processor says, several by the clock. */
#ifndef BENCH_WINDOWS_H
#define BENCH_WINDOWS_H

#include <stdint.h>

typedef struct windows_options {
    const char *json; /* file for the results, or NULL */
    int threads, repetitions;
} windows_options;

/* Prints a markdown table. 0 or 1. */
int windows_run(const windows_options *options);

#endif
