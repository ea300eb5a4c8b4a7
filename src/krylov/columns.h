/* SPDX-License-Identifier: Apache-2.0 */
/* The vectors of an iteration in the layout of operator.h: packing, dropping columns, and sums and updates whose bits
 * depend neither on the number of threads nor on which other columns are in the block.
 *
 * Slices are cut into strips of W_STRIP_ROWS rows; a strip's dot products are four chains by row modulo 4, and the strips'
 * sums are added in order. Consecutive strips are shared out over the pool in tasks of about W_STRIP_VALUES values. */
#ifndef W_KRYLOV_COLUMNS_H
#define W_KRYLOV_COLUMNS_H

#include "krylov/operator.h"

#define W_STRIP_ROWS 2048
#define W_STRIP_VALUES 32768

typedef struct w_strip {
    int64_t slice, row, rows;
    int64_t sum; /* place of its sums among `partial` */
} w_strip;

typedef struct w_columns {
    weir_ctx *ctx;
    int64_t groups, per_group, systems, rows; /* rows: sum of n_g */
    const int64_t *n;
    w_vectors block;
    int64_t *group_first; /* groups: sum of the n_g before */
    w_slice *slice;
    int64_t *system;
    w_strip *strip;
    int64_t *task;        /* tasks + 1: first strip of each */
    int64_t strips, tasks;
    double *partial;
} w_columns;

/* Room for all systems: `per_group` of each group. Nothing is in the block yet. n must outlive it. */
weir_status w_columns_create(weir_ctx *ctx, int64_t groups, const int64_t *n, int64_t per_group, w_columns *out);
void w_columns_free(w_columns *columns);
int64_t w_columns_bytes(int64_t groups, const int64_t *n, int64_t per_group);

/* The block consists of the systems with a mark (mark NULL: all). */
void w_columns_choose(w_columns *columns, const uint8_t *mark);
/* Drops the columns without a mark (by column) and moves the values of the blocks together. */
void w_columns_keep(w_columns *columns, const uint8_t *keep, double *const *block, int blocks);

/* To and from the caller's vectors: system s = g m + j at offset m * group_first[g] + j * n_g. */
void w_columns_pack(const w_columns *columns, const double *from, double *block);
void w_columns_unpack(const w_columns *columns, const double *block, double *to);
void w_columns_unpack_one(const w_columns *columns, const double *block, int64_t column, double *to);
/* Offset of a system in the caller's vectors, and its number of rows. */
int64_t w_columns_offset(const w_columns *columns, int64_t system);
int64_t w_columns_rows(const w_columns *columns, int64_t system);

/* out[column] = x'y. */
void w_columns_dot(w_columns *columns, const double *x, const double *y, double *out);
/* y += sign a[column] x (a NULL: ones). */
void w_columns_add(w_columns *columns, double sign, const double *a, const double *x, double *y);
/* y = x + a[column] y. */
void w_columns_turn(w_columns *columns, const double *a, const double *x, double *y);

#endif
