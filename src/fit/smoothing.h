/* SPDX-License-Identifier: Apache-2.0 */
/* Choice of smoothing parameters for a working linear model (docs/numerics/smoothing.md).
 *
 * REML  V = 1/2 [ q/phi + (n - M_p) log(2 pi phi) + log|H| - log|S_lambda|_+ ],  q = ||sqrt(W)(z - X b)||^2 + b'S_lambda b,
 * minimised over rho = log lambda and log phi by Newton's method with exact derivatives; ML, GCV and UBRE likewise.
 * Start: ratio of mean diagonals, then extended Fellner-Schall steps while Newton's model is poor. */
#ifndef W_FIT_SMOOTHING_H
#define W_FIT_SMOOTHING_H

#include "solve/system.h"
#include "weir/gam.h"

typedef struct w_smoothing_options {
    weir_criterion criterion;
    double gamma;          /* 1 = plain */
    double scale;          /* known phi, or 0 = estimate */
    int max_iterations;    /* 0 = 100 */
    double log_likelihood_constant; /* added to V: what REML needs beside the working model: -1/2 sum log w for gaussian weights */
    const double *start;   /* rho to start from (sp_count), or NULL */
} w_smoothing_options;

typedef struct w_smoothing_result {
    double *rho;           /* sp_count; caller's array */
    double criterion;      /* V at the optimum, comparable with mgcv's score */
    double scale;          /* phi: known, or r/(n - edf), which is also the stationary phi of REML in rho */
    double edf;            /* tr F */
    double gradient;       /* largest |dV/drho_j| over free parameters */
    double *hessian;       /* (sp_count + 1)^2 of V in (rho, log phi), or NULL; caller's array */
    int iterations;
    weir_status status;    /* WEIR_OK, WEIR_NOT_CONVERGED, WEIR_RANK_DEFICIENT */
} w_smoothing_result;

/* log lambda at which data and penalty weigh alike: log(tr A / tr S) over the columns of one smoothing parameter. */
double w_smoothing_balance(const w_design *design, const w_gram *gram, int sp);
/* On return the system is factored at result->rho. */
weir_status w_smoothing_select(weir_ctx *ctx, w_system *system, const w_design *design, const w_gram *gram,
                               const w_smoothing_options *options, w_smoothing_result *result);

#endif
