/* SPDX-License-Identifier: Apache-2.0 */
/* Penalised iteratively re-weighted least squares with smoothing parameters.
 *
 * Working criterion. Each pass over the rows gives the working model at beta; its REML (ML, GCV, UBRE) is minimised in lambda
 * completely, p x p only, and beta follows. Steps that raise the penalised deviance D + beta'S_lambda beta or leave the
 * range of the link are halved. Stops when the penalised deviance changes by less than 1e-8 of itself.
 *
 * Few passes. Where rows are many, what a step d will change is told before a pass is made: d'(X'WX + S)d of penalised deviance.
 * While that is large, passes compute the gradient X'W(z - eta) alone and X'WX is frozen (w_gram_relinearise): the error shrinks by
 * the relative change of W a step. Once it is small, a complete pass is made at the new beta, and the step of its working model
 * is taken without another (docs/numerics/glm.md).
 *
 * Laplace criterion (fit/laplace.h). From there, the exact Laplace-approximate REML
 *     V = (D + beta'S beta)/(2 phi) - l_s(phi) + 1/2 log|H| - 1/2 log|S|_+ - M_p/2 log(2 pi phi)
 * with beta at its maximum for each lambda.
 *
 * References: Wood, Goude & Shaw (2015) for the working criterion, Wood (2011) for the Laplace criterion. */
#ifndef W_FIT_PIRLS_H
#define W_FIT_PIRLS_H

#include "fit/remarks.h"
#include "fit/shape.h"
#include "fit/working.h"

typedef struct w_pirls {
    weir_ctx *ctx;
    const w_design *design;
    weir_table *table;
    const weir_fit_options *options;
    w_glm glm;             /* parameters move while they are estimated */
    int arrow_block;
    double *beta;          /* p */
    double *rho;           /* sp_count */
    double phi;            /* scale */
    double deviance, penalty;
    double criterion, gradient;
    double null_mean;      /* weighted mean of the response */
    double null_eta;       /* intercept of the null model where it has to be iterated, a Fisher step a pass; NaN = it has not */
    int64_t tile_step;     /* > 1 while the start is sought on a sample of tiles */
    bool checked;          /* every response was found in the family's range */
    bool complete;         /* `gram` holds every sum, by expected weights */
    bool frozen;           /* the cross-products of `gram` are those of an earlier beta */
    bool fisher;           /* Newton weights were indefinite: Fisher weights from then on */
    int iterations, passes;
    double fractional;     /* rows whose count is not an integer */
    bool stepped;          /* some step kept every fitted value in its range */
    bool edge;             /* the last one did so at no length */
    bool separated;        /* fitted values run to the end of their range: fit/verdict.h */
    w_remarks remarks;     /* for the notes of the summary */
    weir_status status;
    w_gram *gram;          /* at beta, owned */
    w_shape *shape;        /* shape constraints; NULL without; owned */
    double *hessian;       /* (sp_count + 1)^2 of the Laplace criterion in (rho, log phi), NULL without it; owned */
} w_pirls;

void w_pirls_free(w_pirls *pirls);

/* The working model at beta (NULL: the family's start); with `full` every sum of fit/working.h. */
weir_status w_pirls_pass(w_pirls *pirls, const double *beta, bool newton, bool full, w_gram **out);
/* The gradient there: w_gram of fit/working.h's residual pass. */
weir_status w_pirls_gradient_pass(w_pirls *pirls, const double *beta, bool newton, bool full, w_gram **out);
/* Makes it the current one. */
void w_pirls_take(w_pirls *pirls, w_gram *gram);
/* The gradient at pirls->beta under the cross-products of the current model. Frees `linear`. work: p values. */
void w_pirls_take_gradient(w_pirls *pirls, w_gram *linear, double *work);
/* d'(X'WX + S_lambda)d for d = trial - beta; work: 2p values. */
double w_pirls_decrement(const w_pirls *pirls, const double *trial, const double *rho, double *work);
/* The same beta under parameters that have moved, or with other weights. */
weir_status w_pirls_refresh(w_pirls *pirls, bool newton, bool full);
/* Every sum at the same beta, by expected weights; the cross-products stay. */
weir_status w_pirls_refresh_sums(w_pirls *pirls);
/* Steps from the current working model until the penalised deviance stands still; with `search` lambda is chosen at each and
 * rho (sp_count) rewritten. trial: workspace of p. */
weir_status w_pirls_iterate(w_pirls *pirls, double *rho, bool search, double *trial);
/* beta at given rho to convergence; pirls->beta is the start and the result, pirls->gram follows. */
weir_status w_pirls_settle(w_pirls *pirls, const double *rho);
bool w_pirls_has_parameters(const w_glm *glm); /* some are to be estimated */
/* The family's working parameters: p of tweedie as it is, any other by its logarithm; moved ones stay inside their range. */
double w_pirls_parameter(const w_glm *glm, int a);
void w_pirls_set_parameter(w_glm *glm, int a, double working);
int w_pirls_parameter_bound(const w_glm *glm, int a); /* -1, 1 where it is at that end of its range, else 0 */
/* Working weight of a row of prior weight 1 at the mean of the responses. */
double w_pirls_typical_weight(const w_pirls *pirls);
/* x'S y of one penalty with all its repetitions, S without lambda; x and y: p. */
double w_pirls_penalty_form(const w_design_penalty *penalty, const double *x, const double *y);
/* beta' S_lambda beta. */
double w_pirls_penalty(const w_design *design, const double *beta, const double *rho);

#endif
