/* SPDX-License-Identifier: Apache-2.0 */
/* weir factor: a matrix or a batch of them, its factors and how good they are. */
#ifndef CLI_FACTOR_H
#define CLI_FACTOR_H

#include "npy.h"

typedef enum factor_kind { FACTOR_QR, FACTOR_CHOL, FACTOR_LU, FACTOR_EIGH } factor_kind;

typedef struct factoring {
    cli_run *run;
    const char *source;    /* the file */
    factor_kind kind;
    int threads;
    npy_array a;
    int64_t count, m, n, k; /* matrices, their shape, min(m, n) */
    npy_array first, second, permutation; /* Q R; L; L U and rows; vectors and values */
    npy_array work;         /* LU in one piece */
    int64_t *pivot, *info;  /* count x k, count */
    int32_t path;           /* weir_qr_path */
    const char *route;
    double seconds;
    double residual, orthogonality; /* the worst of a matrix; NaN: not asked for, there is none */
} factoring;

/* Matrix b of an array of two or three dimensions. */
weir_matrix factor_view(const npy_array *array, int64_t b);
weir_batch factor_batch(const npy_array *array);
/* Fills the factors and `info`; 0 or an exit code. */
int factor_run(factoring *f);
/* Residuals relative to ||A||_F, and ||I - Q'Q||_F; the worst of the batch. */
void factor_measure(factoring *f);

#endif
