/* SPDX-License-Identifier: Apache-2.0 */
/* Generalised linear models of eight categories and a number under fixed ridge penalties, beside glum:
 *     minimise  D(beta)/(2 n) + alpha/2 |beta|^2,   the intercept free, n = 6e5, alpha = 1e-4.
 * In weir every category and the number is a random effect with lambda = n alpha given. */
#ifndef BENCH_RIDGE_H
#define BENCH_RIDGE_H

#include <stdint.h>

typedef struct ridge_options {
    const char *peer;   /* script, or NULL = weir alone */
    const char *json;   /* file for the results, or NULL */
    const char *folder; /* for the columns; NULL = a temporary one */
    int threads, repetitions;
} ridge_options;

/* Prints a markdown table. 0 or 1. */
int ridge_run(const ridge_options *options);

#endif
