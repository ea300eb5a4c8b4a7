/* SPDX-License-Identifier: Apache-2.0 */
/* A smoothing criterion with its derivatives in rho = log lambda, at given rho. */
#ifndef W_FIT_CRITERION_H
#define W_FIT_CRITERION_H

#include "fit/smoothing.h"

/* Everything one evaluation leaves behind; arrays in one block from the ledger. */
typedef struct w_criterion {
    weir_ctx *ctx;
    w_system *system;
    const w_design *design;
    const w_gram *gram;
    const w_smoothing_options *options;
    int count;                 /* sp_count */
    double gamma;
    double value, scale, edf;  /* of the last evaluation */
    double unit;               /* one unit of deviance in the criterion's value: scale of gradients and of rounding */
    double *gradient;          /* count; scale eliminated when it is estimated */
    double *hessian;           /* count x count */
    double *fixed_scale_hessian; /* count x count: of V(rho, log phi) in rho alone (REML, ML) */
    double *pull;              /* count: b_j = lambda_j beta'S_j beta */
    double *trace;             /* count: tr(P V_j), of the restricted P for ML */
    double *logdet_gradient;   /* count: d log|S_lambda|_+ / d rho_j */
    double *logdet_hessian, *cross, *curvature; /* count x count */
    double *block;
    weir_status status;        /* of the last factorization */
} w_criterion;

weir_status w_criterion_create(weir_ctx *ctx, w_system *system, const w_design *design, const w_gram *gram,
                               const w_smoothing_options *options, w_criterion *out);
void w_criterion_free(w_criterion *criterion);
/* Factors the system at rho. value = +infinity where the criterion does not exist. */
weir_status w_criterion_evaluate(w_criterion *criterion, const double *rho, bool derivatives);
/* log|S_lambda|_+ of the whole design, on a face (NULL = none), and its derivatives (each may be NULL). */
double w_criterion_penalty_logdet(const w_design *design, const w_face *face, const double *rho, double *gradient, double *hessian);

#endif
