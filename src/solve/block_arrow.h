/* SPDX-License-Identifier: Apache-2.0 */
/* Block-arrow systems (weir/arrow.h): what the direct and the iterative solve share.
 *
 * Blocks are cut into at most W_BLOCK_ARROW_TASKS tasks by their number alone; a task adds up its own partial sum over its
 * blocks in order, and partial sums are added in the order of the tasks. The coupling, row-major (n d) x p, is read as the
 * column-major p x (n d) matrix B'. */
#ifndef W_SOLVE_BLOCK_ARROW_H
#define W_SOLVE_BLOCK_ARROW_H

#include <stdbool.h>
#include "base/ctx.h"
#include "weir/arrow.h"

#define W_BLOCK_ARROW_TASKS 16
#define W_BLOCK_ARROW_TASK_ROWS 256 /* fewest rows of a task */
#define W_BLOCK_ARROW_SLAB 4096     /* values of a task's scratch, or one block's */

typedef struct w_block_arrow {
    weir_ctx *ctx;
    const weir_arrow_system *a;
    weir_arrow_options options;
    int64_t n, d, p, count, rows; /* rows: n d */
    int64_t tasks, scratch_size;
    double *factor;        /* n x d x d: D_i + ridge + damping = R_i'R_i, R_i upper */
    double *damping;       /* n, or NULL when nothing may be damped */
    double border_damping;
    double log_det[W_BLOCK_ARROW_TASKS];
    int64_t damped[W_BLOCK_ARROW_TASKS];
    double damping_most[W_BLOCK_ARROW_TASKS];
    double *x, *r;         /* (rows + p) x count: solution and residual; the border's part follows the rows' */
    double *partial;       /* tasks x p x max(count, 1) */
    double *scratch;       /* tasks x scratch_size */
    double *schur;         /* direct: p x p, upper factor of S */
    int64_t iterations;
    bool iterative, unfinished;
} w_block_arrow;

int64_t w_block_arrow_first(const w_block_arrow *run, int64_t task); /* first block of a task */
/* Solves R'R x = b in place for `count` vectors of d entries, `step` apart, the vectors `lead` apart. */
void w_block_arrow_block_solve(int64_t d, const double *r, double *x, int64_t step, int64_t lead, int64_t count);
/* Blocks a task takes at once so that `width` values per row fit its scratch. */
int64_t w_block_arrow_batch(const w_block_arrow *run, int64_t width);
/* Lowest Gershgorin bound of a symmetric matrix (upper triangle read) and its largest row sum. */
double w_gershgorin(int64_t n, const double *a, double *norm);
/* What to add so that the bound becomes 2^-26 of the norm; 1 for a zero matrix. */
double w_gershgorin_damping(int64_t n, const double *a);

/* block_arrow_schur.c: S or its diagonal blocks */
/* S = C + ridge - sum Y_i'Y_i (upper triangle), factored; damped when allowed. WEIR_E_NUMERIC when indefinite. */
weir_status w_block_arrow_schur(w_block_arrow *run, double *log_det);
int64_t w_block_arrow_schur_bytes(int64_t rows, int64_t d, int64_t p);
/* Diagonal blocks of S, `width` columns each (the last may have fewer), one after the other with leading dimension
 * `width`, in out: ceil(p / width) x width x width. */
weir_status w_block_arrow_diagonal(w_block_arrow *run, int64_t width, double *out);
int64_t w_block_arrow_diagonal_bytes(int64_t rows, int64_t d, int64_t p); /* of its slab */

/* block_arrow_reduced.c: S x = h by preconditioned conjugate gradients, in place (p x count). */
weir_status w_block_arrow_reduced(w_block_arrow *run, double *border);
int64_t w_block_arrow_reduced_bytes(int64_t rows, int64_t d, int64_t p, int64_t width, int64_t count);
int64_t w_block_arrow_width(const weir_arrow_options *options, int64_t p);

/* block_arrow.c */
weir_status w_block_arrow_solve(weir_ctx *ctx, const weir_arrow_system *a, const weir_arrow_options *options, int64_t count,
                                double *rows, double *border, weir_arrow_result *result);
int64_t w_block_arrow_bytes(const weir_arrow_system *a, const weir_arrow_options *options, int64_t count);

#endif
