/* SPDX-License-Identifier: Apache-2.0 */
/* Linear operators as callbacks: y = A x for a block of vectors. Where A comes from is the caller's business.
 *
 * A is block-diagonal: A = diag(A_1 … A_G), group g having n_g rows (G = 1: one matrix). Each group has m right-hand
 * sides; system s = g m + j is right-hand side j of group g. A block holds the vectors of the systems still at work:
 *     group after group (a slice each), and inside a slice row by row, the slice's columns adjacent:
 *     element (row i, column k of the slice) = x[slice->first + i * slice->count + k].
 * So the columns of one group share the cache line of a row, which is what gathers and scatters of sparse design rows and
 * sums over columns want; a slice with one column is a plain vector; and a slice is the column-major matrix (count x n_g)
 * of BLAS with leading dimension `count`: Y = X A is dsymm from the right. Groups do not share lines, as they do not
 * share data. Systems that are finished leave the block, groups without systems leave the list of slices. */
#ifndef W_KRYLOV_OPERATOR_H
#define W_KRYLOV_OPERATOR_H

#include <stdint.h>
#include "base/ctx.h"

typedef struct w_slice {
    int64_t group;
    int64_t n, count; /* rows; columns, at least 1 */
    int64_t first;    /* place of its n * count values in the block */
    int64_t column;   /* number of its first column in the block */
} w_slice;

typedef struct w_vectors {
    int64_t slices, columns, values;
    const w_slice *slice;  /* ascending groups */
    const int64_t *system; /* columns: the system each belongs to, ascending */
} w_vectors;

/* y = A x, called from the calling thread (it may use the pool). x and y do not overlap; every value of y is written.
 * A negative status ends the solve with that status; the callback sets the message. The result of a column must not
 * depend on the number of threads. */
typedef weir_status (*w_operator_fn)(void *user, const w_vectors *block, const double *x, double *y);

typedef struct w_operator {
    w_operator_fn apply;
    void *user;
    int64_t groups;
    const int64_t *n; /* groups: rows of each */
} w_operator;

/* Sum of n_g; INT64_MAX when it does not fit. */
int64_t w_operator_rows(int64_t groups, const int64_t *n);

#endif
