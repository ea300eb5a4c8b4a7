/* SPDX-License-Identifier: Apache-2.0 */
/* Log-determinants and traces of a matrix known by its products only, from random probes, with their standard errors.
 *
 * With M = F F' and Rademacher probes xi (entries +-1), conjugate gradients from b = F xi give at once
 *     log det A  = log det M + E xi' log(F^-1 A F'^-1) xi,     by Gauss quadrature on the Lanczos matrix of the solve
 *     tr(A^-1 S) = E (A^-1 b)' S (M^-1 b),                     since A^-1 F xi and F'^-1 xi are both at hand
 * (M = I: stochastic Lanczos quadrature and Hutchinson's estimator). The better M, the smaller the variance: F^-1 A F'^-1 = I
 * has no error at all. Probes depend on seed, group and number alone: the same for every A, so that differences and
 * derivatives between nearby A are smooth. Quadrature is as exact as the solve's tolerance, far below the sampling error.
 * References: Ubaru, Chen & Saad (2017); Gardner et al. (2018) for preconditioned quadrature. */
#ifndef W_KRYLOV_PROBE_H
#define W_KRYLOV_PROBE_H

#include "krylov/preconditioner.h"

#define W_PROBES 32
#define W_PROBE_TOLERANCE 1e-8

typedef struct w_probe_options {
    int64_t probes;         /* per group, at least 2; 0: W_PROBES */
    int64_t at_once;        /* probes in one block (memory); 0: all */
    uint64_t seed;
    double tolerance;       /* of the solves; 0: W_PROBE_TOLERANCE */
    int64_t max_iterations; /* 0: as w_cg_solve */
} w_probe_options;

typedef struct w_estimate {
    double value, error; /* mean and its standard error, both over the probes */
} w_estimate;

typedef struct w_probe_result {
    int64_t iterations; /* largest of a solve */
    int64_t unfinished; /* solves that reached the limit; they count with what they have */
} w_probe_result;

/* log_det: one per group (may be NULL). trace: traces x groups, trace[j * groups + g] = tr(A_g^-1 S_jg), S_j given by
 * s[j] (only apply and user are used). M needs a root (NULL: I). WEIR_NOT_CONVERGED when a solve did not finish;
 * WEIR_E_ARG without a root; WEIR_E_NUMERIC as w_cg_solve. */
weir_status w_probe_estimate(weir_ctx *ctx, const w_operator *a, const w_preconditioner *m, const w_probe_options *options,
                             w_estimate *log_det, int64_t traces, const w_operator *s, w_estimate *trace,
                             w_probe_result *result);
int64_t w_probe_bytes(int64_t groups, const int64_t *n, int64_t traces, const w_probe_options *options);

#endif
