/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix-free route at fixed smoothing parameters: 5000 rows with four splines, and a million rows (or as many as asked for) with
 * 50 factors of 2048 levels, or 50 random trees of 2048 leaves over three covariates, whose lambda is also sought. Whole fits through the public interface, the probes of the degrees of freedom included. */
#ifndef BENCH_CG_H
#define BENCH_CG_H

#include <stdint.h>

typedef struct cg_options {
    int threads, repetitions;
    int64_t rows;     /* of all cases but the first; 0 = 1000000 */
    const char *only; /* the cases whose name begins like this; NULL = all */
} cg_options;

/* Prints a markdown table. 0 or 1. */
int cg_run(const cg_options *options);

#endif
