/* SPDX-License-Identifier: Apache-2.0 */
/* Symmetric sparse matrices: the upper triangle by columns, rows of a column in no order. */
#ifndef W_SPARSE_CSC_H
#define W_SPARSE_CSC_H

#include <stdint.h>
#include "base/ctx.h"

typedef struct w_csc {
    int64_t n, entries;
    int64_t *first; /* n + 1 */
    int64_t *row;   /* entries; row <= column */
    double *value;
} w_csc;

/* Rows of a CSR matrix of n columns, float or double. */
typedef struct w_csr_rows {
    int64_t first, rows, columns;
    const int64_t *row_first;
    const int32_t *column;
    const void *values;
    int float32;
    const double *weights; /* by row number, or NULL */
} w_csr_rows;

/* A dense symmetric block to be added at (first, first): column-major, upper triangle read. */
typedef struct w_csc_block { int64_t first, size; const double *matrix; } w_csc_block;

/* A = X'WX + diag(diagonal) + blocks (ascending, disjoint): every diagonal entry is there. Work: the products of the entries
 * of each row, twice. Free with w_csc_free. Within the call it takes w_csc_gram_bytes beside the result. */
weir_status w_csc_gram(weir_ctx *ctx, const w_csr_rows *x, const double *diagonal, int64_t blocks, const w_csc_block *block,
                       w_csc *out);
void w_csc_free(weir_ctx *ctx, w_csc *matrix);
int64_t w_csc_bytes(int64_t n, int64_t entries);
int64_t w_csc_gram_bytes(int64_t n, int64_t csr_entries);
/* y -= A x for `count` vectors, n apart. */
void w_csc_subtract_product(const w_csc *a, int64_t count, const double *x, double *y);
/* Expected entries of the upper triangle of X'X, from at most `samples` columns spread evenly; reads structure only. `work`: n + the
 * CSR's entries int32. Zero entries of X count. */
double w_csc_gram_estimate(const w_csr_rows *x, int64_t samples, int32_t *work);

#endif
