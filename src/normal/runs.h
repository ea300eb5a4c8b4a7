/* SPDX-License-Identifier: Apache-2.0 */
/* What sums are made of. A run is a stretch of consecutive rows [first, last):
 *
 *     first ---- head ----|-- shard --|-- shard --| … |---- tail ---- last
 *
 * Shards lie at multiples of shard_rows. Complete ones are merged into nodes of the fixed binary tree. The tail is a shard's
 * accumulator that has seen its first rows and can go on; the head are rows of a shard whose first rows are elsewhere:
 * they cannot be added before those without changing the order, so they are kept in evaluated form (at most one shard). */
#ifndef W_NORMAL_RUNS_H
#define W_NORMAL_RUNS_H

#include "normal/add.h"
#include "normal/normal.h"

typedef struct w_node {
    int level;
    int64_t index;
    double *value; /* total_count doubles, closed */
} w_node;

/* Evaluated rows, kept. */
typedef struct w_raw {
    int64_t rows, capacity;
    double *weight, *prior;
    double **value;  /* per block; NULL where the block has none */
    int32_t **cell;
} w_raw;

typedef struct w_run {
    int64_t first, last;
    w_raw head;
    w_node *node;
    int node_count, node_capacity;
    double *tail;
    bool continues;  /* begins inside a shard with a copy of the tail of the run before it */
} w_run;

/* Spare accumulators, linked through their first words. */
typedef struct w_bank {
    weir_ctx *ctx;
    int64_t doubles;
    pthread_mutex_t lock;
    void *spare;
} w_bank;

struct w_sums {
    weir_ctx *ctx;
    const w_design *design;
    w_pairs *plan;
    w_bank bank;
    w_run *run;
    int run_count, run_capacity;
    uint64_t fingerprint;
    double *last_row; /* with correlated neighbours: the last row that counts, its z and weight (ar1.h); else NULL */
};

double *w_bank_take(w_bank *bank); /* contents undefined; NULL: w_alloc_status */
void w_bank_give(w_bank *bank, double *buffer);
void w_bank_drain(w_bank *bank);

/* Room for `rows` rows in all. */
weir_status w_raw_reserve(weir_ctx *ctx, const w_design *design, w_raw *raw, int64_t rows);
/* Appends the rows of a tile (within the reserved room). prior: NULL = the tile's weights. */
void w_raw_append(const w_design *design, w_raw *raw, const w_tile *tile, const double *prior);
void w_raw_append_raw(const w_design *design, w_raw *raw, const w_raw *more);
void w_raw_free(weir_ctx *ctx, const w_design *design, w_raw *raw);

weir_status w_run_reserve_nodes(weir_ctx *ctx, w_run *run, int count);
/* Adds a node, merging siblings upwards. The run has room. Not thread-safe but for the additions, done unlocked when
 * `lock` is given. */
void w_run_insert(w_sums *sums, w_run *run, pthread_mutex_t *lock, w_node node);
void w_run_free(w_sums *sums, w_run *run);

/* WEIR_E_DATA if [first, last) meets a run of the sums. */
weir_status w_sums_check_free(const w_sums *sums, int64_t first, int64_t last);
/* Moves `count` runs (owned by the caller, disjoint from the sums and each other) into the sums, joining neighbours.
 * `moved` is emptied on success; on failure nothing has changed. */
weir_status w_sums_take(w_sums *sums, w_run *moved, int count);

#endif
