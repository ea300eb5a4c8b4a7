/* SPDX-License-Identifier: Apache-2.0 */
/* The course of a generalised fit: start (on a sample where there are many rows), working criterion to convergence with the
 * family's parameters in turns, then the exact criterion where it is wanted, and what must be said about the end. */
#include "fit/generalised.h"

#include <math.h>
#include <string.h>

#include "fit/laplace.h"
#include "fit/verdict.h"

#define LAPLACE_ROWS 1000000 /* the exact criterion is the default below so many rows */
#define LAPLACE_TURNS 2      /* of the parameters; enough where the exact criterion goes on */
#define THETA_STEPS 25
#define SAMPLE_ROWS 16384    /* a start is sought on about so many rows where there are at least SAMPLE_SHARE times more */
#define SAMPLE_SHARE 4
#define SAMPLE_ROWS_PER_COLUMN 128 /* from which the sample's cross-products stand for those of all rows in a first step */
#define NULL_PASSES 20       /* more, at most, until the null model stands still */
#define NULL_GAIN 1e-10      /* of its deviance */
#define SIGMA_SHARE 0.8
#define TAG "working model"

/* One Newton step in the family's parameters at the present fit: they minimise D/(2 phi) - l_s there. *moved: the largest
 * change of a working parameter. */
static void step_theta(w_pirls *pirls, double *moved)
{
    w_glm *glm = &pirls->glm;
    const double *sum = pirls->gram->extra + W_SUM_THETA;
    const double a = sum[2], b = sum[3], d = sum[5], det = a * d - b * b;
    double step[W_FAMILY_PARAMS];
    bool both = glm->family->param_count == 2 && glm->estimate[0] && glm->estimate[1] && a > 0 && det > 0;
    step[0] = both ? -(d * sum[0] - b * sum[1]) / det : -sum[0] / fmax(fabs(a), 1e-10);
    step[1] = both ? -(a * sum[1] - b * sum[0]) / det : -sum[1] / fmax(fabs(d), 1e-10);
    *moved = 0;
    for (int i = 0; i < glm->family->param_count; i++) {
        if (glm->estimate[i]) {
            double length = fmax(-1.0, fmin(1.0, step[i])), before = glm->param[i];
            w_pirls_set_parameter(glm, i, w_pirls_parameter(glm, i) + length);
            *moved = fmax(*moved, fabs(glm->param[i] - before) / fmax(fabs(before), 1e-3));
        }
    }
}

/* Working criterion, with the family's parameters estimated in turns. */
static weir_status run_working(w_pirls *pirls, double *rho, double *trial, int turns)
{
    weir_status status = w_pirls_iterate(pirls, rho, true, trial);
    double moved = w_pirls_has_parameters(&pirls->glm) ? 1.0 : 0.0;
    for (int turn = 0; status >= 0 && moved > 1e-7 && turn < turns; turn++) {
        status = pirls->complete ? WEIR_OK : w_pirls_refresh_sums(pirls);
        if (status >= 0) {
            step_theta(pirls, &moved);
            status = w_pirls_refresh(pirls, false, false);
        }
        if (status >= 0) {
            pirls->penalty = w_pirls_penalty(pirls->design, pirls->beta, rho);
            status = w_pirls_iterate(pirls, rho, true, trial);
        }
    }
    return status;
}

/* beta of the null model, which is valid wherever the response is: what a first step is shortened towards. */
static void take_null_model(w_pirls *pirls)
{
    const w_design *design = pirls->design;
    memset(pirls->beta, 0, (size_t)design->p * sizeof(double));
    pirls->iterations = 0;
    if (design->intercept_column >= 0) {
        pirls->beta[design->intercept_column] = pirls->glm.link->link(pirls->glm.power, pirls->null_mean);
    }
}

/* sigma of scat is in the response's unit: it starts from the spread about the mean, where pirls->beta is. */
static weir_status start_spread(w_pirls *pirls)
{
    if (pirls->glm.family->kind != W_FAMILY_SCAT || !pirls->glm.estimate[1]) {
        return WEIR_OK;
    }
    w_gram *gram = NULL;
    weir_status status = w_pirls_pass(pirls, pirls->beta, false, true, &gram);
    if (status < 0) {
        return status;
    }
    double spread = sqrt(gram->extra[W_SUM_RESPONSE_SQUARE] / gram->extra[W_SUM_PRIOR]);
    w_gram_free(gram);
    gram = NULL;
    w_pirls_set_parameter(&pirls->glm, 1, log(SIGMA_SHARE * spread));
    status = w_pirls_pass(pirls, NULL, false, false, &gram);
    if (status >= 0) {
        w_pirls_take(pirls, gram);
    }
    return status;
}

/* First passes: at the family's start on all rows, or to convergence on a sample of tiles and then at its beta on all rows. A
 * sample that does not converge is forgotten. */
static weir_status begin(w_pirls *pirls, double *rho, double *trial)
{
    w_gram *gram = NULL;
    weir_status status = WEIR_NOT_CONVERGED;
    pirls->tile_step = pirls->design->rows / SAMPLE_ROWS;
    if (pirls->tile_step >= SAMPLE_SHARE) {
        status = w_pirls_pass(pirls, NULL, false, false, &gram);
        if (status >= 0) {
            w_pirls_take(pirls, gram);
            pirls->null_mean = gram->extra[W_SUM_RESPONSE] / gram->extra[W_SUM_PRIOR];
            take_null_model(pirls);
            status = start_spread(pirls);
            status = status < 0 ? status : w_pirls_iterate(pirls, rho, true, trial);
        }
    }
    bool usable = status == WEIR_OK;
    pirls->tile_step = 0;
    if (status == WEIR_E_CANCELLED || status == WEIR_E_MEMORY || status == WEIR_E_BUDGET || status == WEIR_E_IO) {
        return status;
    }
    if (!usable) {
        w_message_clear(pirls->ctx);
    }
    gram = NULL;
    bool dense = usable && !pirls->shape && pirls->gram->n >= SAMPLE_ROWS_PER_COLUMN * pirls->design->p;
    status = dense ? w_pirls_gradient_pass(pirls, pirls->beta, false, false, &gram)
                   : w_pirls_pass(pirls, usable ? pirls->beta : NULL, false, false, &gram);
    if (status >= 0 && usable && gram->extra[W_SUM_INVALID] > 0) { /* the sample's beta does not serve all rows */
        w_gram_free(gram);
        gram = NULL;
        usable = dense = false;
        status = w_pirls_pass(pirls, NULL, false, false, &gram);
    }
    if (status >= 0) {
        if (dense) {
            w_gram_scale(pirls->gram, gram->extra[W_SUM_PRIOR] / pirls->gram->extra[W_SUM_PRIOR]);
            w_pirls_take_gradient(pirls, gram, trial);
            gram = pirls->gram;
        } else {
            w_pirls_take(pirls, gram);
        }
        pirls->null_mean = gram->extra[W_SUM_RESPONSE] / gram->extra[W_SUM_PRIOR];
        if (!usable) {
            take_null_model(pirls);
            status = start_spread(pirls);
        }
        pirls->penalty = pirls->iterations > 0 ? w_pirls_penalty(pirls->design, pirls->beta, rho) : 0.0;
        w_family_kind kind = pirls->glm.family->kind;
        if (pirls->design->offset_count > 0 || kind == W_FAMILY_SCAT || kind == W_FAMILY_BETA) {
            pirls->null_eta = pirls->glm.link->link(pirls->glm.power, pirls->null_mean);
        }
    }
    return status;
}

bool w_generalised_exact(const weir_fit_options *options, int64_t rows)
{
    return options->criterion == WEIR_REML && options->laplace >= 0 && (options->laplace > 0 || rows < LAPLACE_ROWS);
}

static bool wants_laplace(const w_pirls *pirls)
{
    return !pirls->shape && w_generalised_exact(pirls->options, pirls->gram->n);
}

static bool all_given(const w_pirls *pirls)
{
    const w_design *design = pirls->design;
    bool given = !w_pirls_has_parameters(&pirls->glm);
    for (int j = 0; j < design->sp_count; j++) {
        given = given && design->sp_fixed && !isnan(design->sp_fixed[j]);
    }
    return given;
}

/* Fisher's weights are Newton's there, so that the working model's fit converges like Newton's method. */
bool w_generalised_canonical(const w_glm *glm)
{
    const w_family_kind kind = glm->family->kind;
    bool exponential = kind == W_FAMILY_GAUSSIAN || kind == W_FAMILY_BINOMIAL || kind == W_FAMILY_POISSON ||
                       kind == W_FAMILY_GAMMA || kind == W_FAMILY_INVERSE_GAUSSIAN || kind == W_FAMILY_QUASIPOISSON ||
                       kind == W_FAMILY_QUASIBINOMIAL;
    return exponential && glm->link->kind == glm->family->default_link;
}

/* Newton's method to the end at the smoothing parameters found. */
static weir_status settle(w_pirls *pirls, const double *rho)
{
    weir_status status = w_pirls_refresh(pirls, true, false);
    status = status < 0 ? status : w_pirls_settle(pirls, rho);
    return status == WEIR_NOT_CONVERGED ? WEIR_OK : status; /* the working model's fit was converged already */
}

/* The null model takes one step per pass; what its next one would gain is in the sums. */
static bool null_model_stands(const w_pirls *pirls)
{
    const double *sum = pirls->gram->extra;
    double gain = sum[W_SUM_NULL_STEP] * sum[W_SUM_NULL_STEP] / sum[W_SUM_NULL_WEIGHT];
    return isnan(pirls->null_eta) || !(gain > NULL_GAIN * (0.1 + fabs(sum[W_SUM_NULL_DEVIANCE])));
}

/* The exact criterion from the working one's optimum (rho; beta: p values of workspace). Where it does not exist, what was
 * there stands and WEIR_DECLINED is returned. */
static weir_status run_laplace(w_pirls *pirls, const double *rho, double *beta)
{
    const size_t m = (size_t)pirls->design->sp_count, p = (size_t)pirls->design->p;
    const w_glm glm = pirls->glm;
    const double phi = pirls->phi, criterion = pirls->criterion, gradient = pirls->gradient;
    memcpy(beta, pirls->beta, p * sizeof *beta);
    weir_status status = w_laplace_run(pirls);
    if (status != WEIR_E_NUMERIC) {
        return status;
    }
    w_message_clear(pirls->ctx);
    memcpy(pirls->beta, beta, p * sizeof *beta);
    memcpy(pirls->rho, rho, m * sizeof *rho);
    pirls->glm = glm;
    pirls->phi = phi;
    pirls->criterion = criterion;
    pirls->gradient = gradient;
    status = w_pirls_refresh(pirls, false, true);
    return status < 0 ? status : WEIR_DECLINED;
}

/* Fitted values outside their range are no start for anything. Where they run to its end the exact criterion has nothing to say,
 * and the working one goes on to the end with the family's parameters. */
static weir_status examine(w_pirls *pirls, double *rho, double *trial, weir_status status)
{
    char told[W_MESSAGE_BYTES];
    int64_t rows = 0;
    if (!pirls->stepped) {
        return w_fail(pirls->ctx, WEIR_E_NUMERIC,
                      "no coefficients were found whose fitted values lie in the range of family %s with link %s: try another link "
                      "(log, logit), or a model with an intercept", pirls->glm.family->name, pirls->glm.link->name);
    }
    weir_status looked = w_verdict_separation(pirls, &rows, told);
    pirls->separated = rows > 0;
    if (looked >= 0 && pirls->separated && wants_laplace(pirls) && w_pirls_has_parameters(&pirls->glm)) {
        return run_working(pirls, rho, trial, THETA_STEPS);
    }
    return looked < 0 ? looked : status;
}

/* Who asked for the exact criterion is told why there is another one. */
static void remark_on_criterion(w_pirls *pirls, weir_status laplace)
{
    if (laplace == WEIR_DECLINED && pirls->options->laplace > 0) {
        w_remarks_add(&pirls->remarks, "the smoothing parameters are those of the working model's criterion, not of the "
                      "Laplace one, which %s",
                      pirls->arrow_block >= 0 ? "does not go with a factor of so many levels"
                                              : "does not exist where the working one ends");
    }
}

weir_status w_generalised_run(w_pirls *pirls)
{
    weir_ctx *ctx = pirls->ctx;
    const size_t m = (size_t)pirls->design->sp_count, p = (size_t)pirls->design->p;
    pirls->beta = w_calloc(ctx, TAG, p, sizeof(double));
    pirls->rho = w_calloc(ctx, TAG, m + 1, sizeof(double));
    double *block = w_calloc(ctx, TAG, m + p + 1, sizeof *block);
    weir_status status = pirls->beta && pirls->rho && block ? WEIR_OK : w_alloc_status(ctx), laplace = WEIR_DECLINED;
    pirls->null_eta = NAN;
    pirls->phi = pirls->options->scale > 0 ? pirls->options->scale : 1.0;
    if (status >= 0) {
        status = w_shape_create(ctx, pirls->design, &pirls->shape);
    }
    pirls->fisher = pirls->shape != NULL; /* the quadratic program is convex by expected information */
    if (status >= 0 && pirls->shape && pirls->options->laplace > 0) {
        status = w_fail(ctx, WEIR_E_ARG, "the Laplace criterion does not go with shape constraints: leave --criterion laml out, "
                        "or choose working");
    }
    if (status >= 0) {
        status = begin(pirls, block, block + m);
    }
    if (status >= 0) {
        status = run_working(pirls, block, block + m, wants_laplace(pirls) ? LAPLACE_TURNS : THETA_STEPS);
    }
    if (status >= 0) {
        status = examine(pirls, block, block + m, status);
    }
    if (status >= 0 && wants_laplace(pirls) && !pirls->separated) {
        laplace = run_laplace(pirls, block, block + m);
        status = laplace == WEIR_DECLINED ? status : laplace;
        remark_on_criterion(pirls, laplace);
    }
    bool rough = status >= 0 && status != WEIR_NOT_CONVERGED && laplace == WEIR_DECLINED;
    if (rough && (all_given(pirls) || (!w_generalised_canonical(&pirls->glm) && pirls->gram->n < LAPLACE_ROWS)) && !pirls->separated) {
        weir_status settled = settle(pirls, block);
        status = settled < 0 ? settled : status;
    }
    if (status >= 0) { /* degrees of freedom and covariance are those of expected information */
        weir_status refreshed = pirls->complete ? WEIR_OK : w_pirls_refresh(pirls, false, true);
        for (int pass = 0; refreshed >= 0 && pass < NULL_PASSES && !null_model_stands(pirls); pass++) {
            refreshed = w_pirls_refresh_sums(pirls);
        }
        status = refreshed < 0 ? refreshed : status;
    }
    if (status >= 0) {
        status = w_verdict(pirls, status);
    }
    pirls->status = status;
    w_free(ctx, block);
    return status;
}
