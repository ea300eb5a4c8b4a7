/* SPDX-License-Identifier: Apache-2.0 */
/* Adds evaluated rows to an accumulator. An adder is one worker's scratch: the forms of the current chunk of rows with the
 * weights folded in. */
#ifndef W_NORMAL_ADD_H
#define W_NORMAL_ADD_H

#include "normal/kernel.h"
#include "normal/pairs.h"

typedef struct w_adder w_adder;

weir_status w_adder_create(weir_ctx *ctx, const w_pairs *plan, w_adder **out);
void w_adder_free(weir_ctx *ctx, w_adder *adder);
int64_t w_adder_bytes(const w_pairs *plan);
/* Kernel set of later calls (tests); the best one by default. */
void w_adder_use(w_adder *adder, const w_kernels *kernels);

/* Materialises the forms of rows start … start+rows-1 of the tile; rows <= plan->chunk_rows. The tile must stay as it
 * is until the pairs have been added. */
void w_adder_fill(w_adder *adder, const w_tile *tile, int64_t start, int64_t rows);
/* Adds the filled rows to the tables of group `g` of the plan. `index` is scratch of chunk_rows entries; different groups
 * may be added by different threads from one filled adder. */
void w_adder_group(const w_adder *adder, int g, int32_t *index, double *acc);
/* The same with side a of each pair from `left` and side b from `right`, both filled with as many rows. */
void w_adder_cross(const w_adder *left, const w_adder *right, int g, int32_t *index, double *acc);
int32_t *w_adder_index(w_adder *adder);
/* n and sum of log w from the prior weights of `rows` rows (NULL: all one). */
void w_adder_weights(const w_pairs *plan, const double *prior, int64_t rows, double *acc);
/* All pairs of a whole tile, chunk by chunk, serially. */
void w_adder_tile(w_adder *adder, const w_tile *tile, double *acc);

#endif
