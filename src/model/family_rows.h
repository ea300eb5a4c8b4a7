/* SPDX-License-Identifier: Apache-2.0 */
/* What family_rows.c and its kernels share. A kernel takes a multiple of 8 rows and sets mu, w (times omega), z, d (omega d) and
 * dw where it is not NULL; rows with omega = 0 yield w = d = dw = 0 and z = eta - offset. */
#ifndef W_MODEL_FAMILY_ROWS_H
#define W_MODEL_FAMILY_ROWS_H

#include "model/family.h"

typedef struct w_rows_chunk {
    int64_t rows;
    const double *eta, *y, *prior, *offset; /* prior and offset may be NULL */
    double *mu, *w, *z, *d, *dw;
    double param;
    bool newton;
} w_rows_chunk;

typedef void (*w_rows_fn)(const w_rows_chunk *chunk);

typedef struct w_row_kernels {
    w_rows_fn gaussian_identity, poisson_log, binomial_logit, gamma_log, nb_log, tweedie_log;
} w_row_kernels;

extern const w_row_kernels w_row_kernels_portable;
#if defined __x86_64__
extern const w_row_kernels w_row_kernels_avx2, w_row_kernels_avx512;
#endif

#endif
