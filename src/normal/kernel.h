/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of normal/, one table of functions per instruction set. All variants with fused multiply-add give the
 * same bits: every entry is  t <- fma(a, b, t)  in the order of rows (of l for gemm). The portable set, for processors
 * without FMA, rounds the product first. Thread-safe; no allocation. */
#ifndef W_NORMAL_KERNEL_H
#define W_NORMAL_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

/* table[cell[i]] (width_a x width_b) += a_i b_i' for i < rows; a is rows x width_a, b rows x width_b, row-major. */
typedef void (*w_scatter_fn)(int64_t rows, const int32_t *cell, const double *a, int width_a, const double *b,
                             int width_b, double *table);

typedef struct w_kernels {
    const char *name;
    /* Chooses the scatter kernel of a shape. `bytes` of the table: prefetching pays beyond the first-level cache;
     * `runs`: most rows hit the cell of the row before them, so that the block is best kept in registers. */
    w_scatter_fn (*scatter)(int width_a, int width_b, int64_t bytes, bool runs);
    /* c (m x n, row stride c_row) += a b;  a[i][q] = a[i*a_row + q*a_col] (m x l), b (l x n, row stride b_row). */
    void (*gemm)(int64_t m, int64_t n, int64_t l, const double *a, int64_t a_row, int64_t a_col, const double *b,
                 int64_t b_row, double *c, int64_t c_row);
    /* out_i (k) = sum_r v_i[r] map[cell_i][r][:];  v rows x width, map cells x width x k, out rows x k. */
    void (*mix)(int64_t rows, const int32_t *cell, const double *v, int width, const double *map, int64_t k, double *out);
} w_kernels;

/* The best set for this processor. */
const w_kernels *w_kernels_choose(void);
/* For tests: "portable", "avx2", "avx512"; NULL when the processor lacks it. */
const w_kernels *w_kernels_find(const char *name);

extern const w_kernels w_kernels_portable;
#if defined __x86_64__
extern const w_kernels w_kernels_avx2, w_kernels_avx512;
#endif

#endif
