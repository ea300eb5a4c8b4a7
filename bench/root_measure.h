/* SPDX-License-Identifier: Apache-2.0 */
/* One cell of the table of inverse roots: weir by its own choice, by every route that serves, and its peers, in turns on the same
 * numbers, a new matrix each trial. */
#ifndef BENCH_ROOT_MEASURE_H
#define BENCH_ROOT_MEASURE_H

#include "harness.h"
#include "root_known.h"
#include "weir/context.h"
#include "weir/root.h"

typedef struct root_cell {
    root_kind kind;
    int p;
    int64_t rows, n, k;
    double condition;
    bool single;
} root_cell;

/* One way to run weir. */
typedef struct root_variant {
    int32_t route;
    double tolerance; /* 0: weir's default */
    int64_t reuse;
    int threads;
} root_variant;

typedef struct root_measure {
    weir_ctx *ctx;
    int threads, trials;     /* 0: by size */
    bool peers;
    const root_variant *ab;  /* NULL, or two to compare instead of routes and peers */
    weir_ctx *ab_ctx[2];
} root_measure;

void root_cell_name(const root_cell *cell, char *name, size_t bytes);
/* {cell, kind, p, n, k, condition, dtype, trials, sides: [{side, total_ms, prepare_ms, apply_ms, error, error_p90, bound,
 * residual, products, quality_per_ms, failure_rate, silent, chosen, reason}], regret, over_eigen}; NULL: no memory. */
json_t *root_measure_cell(const root_measure *how, const root_cell *cell);

#endif
