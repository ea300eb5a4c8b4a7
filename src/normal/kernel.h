/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of normal/, one table of functions per instruction set. All variants with fused multiply-add give the
 * same bits: every entry is  t <- fma(a, b, t)  in the order of rows (of l for gemm). The portable set, for processors
 * without FMA, rounds the product first. Thread-safe; no allocation. */
#ifndef W_NORMAL_KERNEL_H
#define W_NORMAL_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

/* Two panels of rows, row-major, and the cells of each side: row i adds a_i b_i' to the block  cell_a[i]*stride + cell_b[i]. */
typedef struct w_rows {
    int64_t rows;
    const int32_t *cell_a, *cell_b;
    int64_t stride;
    const double *a, *b;
    int width_a, width_b;
} w_rows;

/* table: blocks of width_a x width_b. */
typedef void (*w_scatter_fn)(const w_rows *rows, double *table);

typedef struct w_kernels {
    const char *name;
    /* Chooses the scatter kernel of a shape. `runs`: most rows hit the block of the row before them, which is then best kept
     * in registers (a store read back at once costs some ten cycles). */
    w_scatter_fn (*scatter)(int width_a, int width_b, bool runs);
    /* Two scatters at once, in the bits of one after the other; rows and the shared operands are the same.
     *   four:  x and y are 4 x 4 with equal side a and cell_a
     *   spline: x is 2 x 4, y is 4 x 4, side b and the cells (in cell_a, cell_b all zero) are equal */
    void (*four)(const w_rows *x, double *table_x, const w_rows *y, double *table_y);
    void (*spline)(const w_rows *x, double *table_x, const w_rows *y, double *table_y);
    /* c (m x n, row stride c_row) += a b;  a[i][q] = a[i*a_row + q*a_col] (m x l), b (l x n, row stride b_row). */
    void (*gemm)(int64_t m, int64_t n, int64_t l, const double *a, int64_t a_row, int64_t a_col, const double *b,
                 int64_t b_row, double *c, int64_t c_row);
    /* out_i (k) = sum_r v_i[r] map[cell_i][r][:];  v rows x width, map cells x width x k, out rows x k. */
    void (*mix)(int64_t rows, const int32_t *cell, const double *v, int width, const double *map, int64_t k, double *out);
    /* out = weight_i v_i  (rows x width) */
    void (*scale)(int64_t rows, const double *weight, const double *v, int width, double *out);
    /* lane_i[l] += a_i[r] table[cell_i][r][s] b_i[s] over r, s in 0 … 3, l = (4 r + s) mod 8: eight partial sums per row. */
    void (*form_44)(int64_t rows, const int32_t *cell, const double *a, const double *b, const double *table, double *lane);
    /* lane_i[r] += v_i[r] g[cell_i][r], r in 0 … 3: four partial sums per row. */
    void (*dot_4)(int64_t rows, const int32_t *cell, const double *v, const double *g, double *lane);
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
