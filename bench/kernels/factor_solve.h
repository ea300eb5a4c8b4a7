/* SPDX-License-Identifier: Apache-2.0 */
/* Part of weir-bench factor: LU, Cholesky, solves, pivoted QR, least squares and eigenvalues of one matrix beside LAPACK. */
#ifndef BENCH_FACTOR_SOLVE_H
#define BENCH_FACTOR_SOLVE_H

#include <jansson.h>

/* Adds a row of each case to `results`: case, repetitions, GFLOP/s weir_1, weir_n, lapack_1, lapack_n by medians of seconds, and the
 * ratios ratio_1 (one thread) and ratio (best against best). names: beginnings of cases to run, all when none is given. 0 or 1. */
int factor_solve_run(json_t *results, int threads, int repetitions, int count, char **names);
void factor_solve_list(void);
/* Those rows as a table on standard error. */
void factor_solve_print(const json_t *results, int threads);

#endif
