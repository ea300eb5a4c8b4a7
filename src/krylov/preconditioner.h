/* SPDX-License-Identifier: Apache-2.0 */
/* Preconditioners: symmetric positive definite M close to A whose inverse is cheap.
 *
 * Each is a table of callbacks over the blocks of operator.h, so that a caller's own serves as well as the ones made
 * here. NULL in place of a preconditioner means M = I everywhere. Except for the Nyström one, whose scratch is its own,
 * a preconditioner may be used by several contexts' calls at once. Coordinates of group g follow those of group g - 1. */
#ifndef W_KRYLOV_PRECONDITIONER_H
#define W_KRYLOV_PRECONDITIONER_H

#include <stdbool.h>
#include "krylov/operator.h"

typedef struct w_preconditioner {
    w_operator_fn apply; /* z = M^-1 r */
    w_operator_fn root;  /* y = F x with F F' = M; NULL when unknown (no log-determinants then) */
    double (*log_det)(const void *user, int64_t group); /* log det M_g; NULL with `root` NULL */
    void (*destroy)(weir_ctx *ctx, void *user);         /* NULL: nothing to free */
    void *user;
} w_preconditioner;

void w_preconditioner_free(weir_ctx *ctx, w_preconditioner *preconditioner);

/* M = diag(A). `diagonal`: all groups' rows, copied. WEIR_E_NUMERIC names an entry that is not positive and finite;
 * an entry that is 0 (a column without data) stands for 1. */
weir_status w_preconditioner_jacobi(weir_ctx *ctx, int64_t groups, const int64_t *n, const double *diagonal,
                                    w_preconditioner *out);
int64_t w_preconditioner_jacobi_bytes(int64_t groups, int64_t rows);

/* M = blockdiag(A_ee): one block per term of the model, consecutive coordinates of one group. */
typedef struct w_term_block {
    int64_t group, size;
    const double *matrix;   /* size x size, column-major, upper triangle read; or */
    const double *diagonal; /* size entries of a diagonal block (trees, factors, oversized terms); the other NULL */
} w_term_block;

typedef struct w_block_report {
    int64_t raised;        /* blocks that needed jitter */
    int64_t first_raised;  /* number of the first of them, -1 if none */
    double jitter;         /* largest added to a block scaled to unit diagonal */
} w_block_report;

#define W_BLOCK_JITTER 1e-14      /* first try after a failed pivot, times the size of the block … */
#define W_BLOCK_JITTER_LIMIT 1e-4 /* … then tenfold up to this; beyond, the block counts as indefinite */

/* Factors every block, scaled to unit diagonal, with the jitter it needs: C + delta I = R'R. The blocks follow each other
 * and cover all rows of all groups in order, else WEIR_E_ARG; an indefinite or non-finite block is WEIR_E_NUMERIC with its
 * number. `report` may be NULL. The blocks are copied. */
weir_status w_preconditioner_blocks(weir_ctx *ctx, int64_t groups, const int64_t *n, int64_t blocks,
                                    const w_term_block *block, w_block_report *report, w_preconditioner *out);
int64_t w_preconditioner_blocks_bytes(int64_t groups, int64_t blocks, const w_term_block *block);

/* Randomised low rank approximation of A (+ mu I), one per group: nystrom.c. */
typedef struct w_nystrom_options {
    int64_t rank;   /* columns of the sketch, cut to n_g */
    double mu;      /* the system is (A + mu I) x = b while `a` applies A; 0: `a` is the whole system */
    uint64_t seed;
    int64_t columns; /* most columns of one group in a block; scratch is rank x columns */
} w_nystrom_options;

typedef struct w_nystrom_report {
    int64_t rank;    /* smallest kept over the groups */
    double largest;  /* largest eigenvalue of the approximation over the groups */
    double smallest; /* smallest kept; the preconditioned condition number is about (smallest + mu) / lowest(A + mu I) */
    double shift;    /* largest shift that made the sketch positive definite */
} w_nystrom_report;

/* WEIR_E_NUMERIC: A is not positive semi-definite or not finite. One pass of `a` over a block of `rank` columns. */
weir_status w_preconditioner_nystrom(weir_ctx *ctx, const w_operator *a, const w_nystrom_options *options,
                                     w_nystrom_report *report, w_preconditioner *out);
int64_t w_preconditioner_nystrom_bytes(int64_t groups, const int64_t *n, const w_nystrom_options *options);

#endif
