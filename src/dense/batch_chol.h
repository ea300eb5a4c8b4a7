/* SPDX-License-Identifier: Apache-2.0 */
/* Many small symmetric systems side by side. A batch is W_BATCH systems whose entries are interleaved: value e of system l stands
 * at [e*W_BATCH + l], so that one instruction serves all lanes. Symmetric matrices are packed by columns of the upper triangle:
 * entry (i, j), i <= j, is number j(j + 1)/2 + i.
 *
 * Lanes never mix: a lane with NaN, or one whose pivot fails, leaves the bits of the others alone. Every entry is one chain of fused
 * multiply-adds in a fixed order, so that all instruction sets give the same bits. No allocation; thread-safe. */
#ifndef W_DENSE_BATCH_CHOL_H
#define W_DENSE_BATCH_CHOL_H

#include <stdbool.h>
#include <stdint.h>

#define W_BATCH 8

static inline int64_t w_packed(int64_t n) { return n * (n + 1) / 2; }

typedef struct w_batch_kernels {
    const char *name;
    /* acc += sum over steps of x x': x is steps x p values, interleaved; acc packed. */
    void (*gram)(int64_t steps, int64_t p, const double *x, double *acc);
    /* The same into acc, whatever it held. */
    void (*gram_fresh)(int64_t steps, int64_t p, const double *x, double *acc);
    /* The rows of one system: acc (stride x stride, row i from column i on, the rest is of no use; stride a multiple of W_BATCH)
     * += x y', rows in order and, y being x, in the bits of `gram`. x[r] and y[r] have stride values. */
    void (*gram_one)(int64_t rows, const double *const *x, const double *const *y, int64_t p, int64_t stride, double *acc);
    /* Rows of W_BATCH systems side by side: out[c*W_BATCH + l] = x[l][c], c < p. x[l] has p values rounded up to W_BATCH. */
    void (*interleave)(int64_t p, const double *const *x, double *out);
    /* Back again: out[l][e] = x[e*W_BATCH + l], l < count; values a multiple of W_BATCH. */
    void (*deal)(int64_t values, const double *x, int count, double *const *out);
    /* Arrays of n values, which may be the same: out = a + b, out = a + (b + c). */
    void (*add)(int64_t n, const double *a, const double *b, double *out);
    void (*add_three)(int64_t n, const double *a, const double *b, const double *c, double *out);
    /* out[i] = x_i'beta, eight partial sums: x rows x stride; beta has p values rounded up to W_BATCH, 0 (x: any number) from the p-th on. */
    void (*rows_times)(int64_t rows, int64_t p, const double *x, int64_t stride, const double *beta, double *out);
    /* Columns into rows: out[i*stride + c] = x[c][i]; `columns` is a multiple of W_BATCH. */
    void (*lay_columns)(int64_t rows, int64_t columns, const double *const *x, int64_t stride, double *out);
    /* Local values into rows: out[i*stride + j] = sum_r v_i[r] map[cell_i][r][j], j < k; v rows x width, map cells x width x k. */
    void (*lay_spline)(int64_t rows, const int32_t *cell, const double *v, int width, const double *map, int64_t k, int64_t stride,
                       double *out);
    /* Rows of 8 parts values each, of which the first four have a cell and the next `rest` have not:
     * table[cell][r] += v[r] v, r < 4, and dense[q] += v[4 + q] v, q < rest. */
    void (*scatter)(int64_t rows, const int32_t *cell, const double *v, int64_t parts, int64_t rest, double *table, double *dense);
    /* out[c][r] = sum_s table[c][r][s] map[c][s], r and s < 4: rows of the table are `width` apart, those of map and out `stride`. */
    void (*spread)(int64_t cells, const double *table, int64_t width, const double *map, int64_t stride, double *out);
    /* H = a + s (s: packed, one for all lanes) scaled to unit diagonal, factored: D H D = R'R, r packed, D in scale (p). pivot: the
     * smallest R_ii^2 of each lane; NaN or <= 0 where a lane failed, whose r is then of no use. */
    void (*factor)(int64_t p, const double *a, const double *s, double *r, double *scale, double *pivot);
    /* x = H^-1 b; both p values, may be the same. */
    void (*solve)(int64_t p, const double *r, const double *scale, const double *b, double *x);
    /* H^-1, packed; work: packed. */
    void (*inverse)(int64_t p, const double *r, const double *scale, double *out, double *work);
    /* out = M x, M packed and interleaved. */
    void (*times)(int64_t p, const double *m, const double *x, double *out);
    /* out = S x, S packed, one for all lanes. */
    void (*times_shared)(int64_t p, const double *s, const double *x, double *out);
    /* out[l] = x'y. */
    void (*dot)(int64_t p, const double *x, const double *y, double *out);
    /* out[l] = tr(M S). */
    void (*trace_shared)(int64_t p, const double *m, const double *s, double *out);
    /* out (packed) = M S M; work: p. */
    void (*sandwich)(int64_t p, const double *m, const double *s, double *out, double *work);
} w_batch_kernels;

const w_batch_kernels *w_batch_choose(void);
/* For tests: "portable", "avx2", "avx512"; NULL when the processor lacks it. */
const w_batch_kernels *w_batch_find(const char *name);

extern const w_batch_kernels w_batch_portable;
#if defined __x86_64__
extern const w_batch_kernels w_batch_avx2, w_batch_avx512;
#endif

#endif
