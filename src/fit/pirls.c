/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/pirls.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "fit/laplace.h"

#define PASSES 60
#define HALVINGS 12
#define TOLERANCE 1e-8
#define RISE 1e-7       /* of the penalised deviance: rounding and the change of lambda */
#define LAPLACE_ROWS 1000000 /* the exact criterion is the default below so many rows */
#define THETA_STEPS 25
#define SAMPLE_ROWS 65536    /* a start is sought on about so many rows where there are at least SAMPLE_SHARE times more */
#define SAMPLE_SHARE 4
#define LAPLACE_TURNS 2      /* enough where the Laplace criterion goes on */
#define TAG "working model"

double w_pirls_penalty(const w_design *design, const double *beta, const double *rho)
{
    double total = 0;
    for (int j = 0; j < design->penalty_count; j++) {
        const w_design_penalty *penalty = &design->penalty[j];
        double lambda = exp(rho[penalty->sp]), sum = 0;
        for (int64_t r = 0; r < penalty->repeat; r++) {
            const double *b = beta + penalty->first + r * penalty->k;
            for (int64_t i = 0; i < penalty->k; i++) {
                double row = penalty->matrix ? 0.0 : b[i];
                for (int64_t l = 0; penalty->matrix && l < penalty->k; l++) {
                    row += penalty->matrix[i * penalty->k + l] * b[l];
                }
                sum += b[i] * row;
            }
        }
        total += lambda * sum;
    }
    return total;
}

double w_pirls_parameter(const w_glm *glm, int a)
{
    return glm->family->kind == W_FAMILY_TWEEDIE ? glm->param[a] : log(glm->param[a]);
}

void w_pirls_set_parameter(w_glm *glm, int a, double working)
{
    const w_family *family = glm->family;
    const bool plain = family->kind == W_FAMILY_TWEEDIE;
    const double margin = plain ? 1e-2 : 1e-6;
    glm->param[a] = fmin(fmax(plain ? working : exp(working), family->param_low[a] + margin),
                         fmin(family->param_high[a] - margin, 1e12));
}

weir_status w_pirls_pass(w_pirls *pirls, const double *beta, bool newton, bool full, w_gram **out)
{
    w_product *product = NULL;
    weir_status status = beta ? w_product_create(pirls->ctx, pirls->design, beta, &product) : WEIR_OK;
    if (status >= 0) {
        w_working working = { .glm = &pirls->glm, .product = product, .newton = newton && !pirls->fisher, .phi = pirls->phi,
                              .null_mean = full ? pirls->null_mean : NAN, .check = !pirls->checked && pirls->tile_step <= 1, .cross_parameter = -1,
                              .tile_step = pirls->tile_step };
        status = w_working_pass(pirls->ctx, pirls->design, pirls->table, pirls->options->missing, &working,
                                pirls->arrow_block, out);
        pirls->passes++;
        pirls->checked |= status >= 0 && pirls->tile_step <= 1;
    }
    w_product_free(product);
    return status;
}

static void take_gram(w_pirls *pirls, w_gram *gram)
{
    w_gram_free(pirls->gram);
    pirls->gram = gram;
    pirls->deviance = gram->extra[W_SUM_DEVIANCE];
}

/* Passes at trial (p values; moved towards pirls->beta while it is worse) until the penalised deviance at rho does not rise.
 * WEIR_NOT_CONVERGED when no halving helped: the pass of the last trial is kept out. */
static weir_status accept(w_pirls *pirls, double *trial, const double *rho, bool newton)
{
    const size_t p = (size_t)pirls->design->p;
    const bool first = pirls->iterations == 0;
    double before = first ? INFINITY : pirls->deviance + w_pirls_penalty(pirls->design, pirls->beta, rho);
    for (int halving = 0; halving <= HALVINGS; halving++) {
        w_gram *gram = NULL;
        weir_status status = w_pirls_pass(pirls, trial, newton, false, &gram);
        if (status < 0) {
            return status;
        }
        double penalty = w_pirls_penalty(pirls->design, trial, rho);
        double now = gram->extra[W_SUM_DEVIANCE] + penalty;
        bool valid = gram->extra[W_SUM_INVALID] == 0 && isfinite(now);
        if (valid && (first || now <= before + RISE * (0.1 + fabs(before)))) {
            take_gram(pirls, gram);
            memcpy(pirls->beta, trial, p * sizeof *trial);
            pirls->penalty = penalty;
            return WEIR_OK;
        }
        w_gram_free(gram);
        for (size_t i = 0; i < p; i++) { /* before the first accepted step pirls->beta is zero */
            trial[i] = 0.5 * (trial[i] + pirls->beta[i]);
        }
    }
    return WEIR_NOT_CONVERGED;
}

/* beta of the working model in pirls->gram at rho; with `search` lambda is chosen too and rho rewritten. */
static weir_status solve(w_pirls *pirls, double *rho, bool search, double *trial)
{
    w_system *system = NULL;
    weir_status status = w_system_create(pirls->ctx, pirls->gram, pirls->design, &system);
    if (status >= 0 && search) {
        const weir_fit_options *options = pirls->options;
        w_smoothing_options how = { .criterion = options->criterion, .gamma = options->gamma > 0 ? options->gamma : 1.0,
                                    .max_iterations = options->max_iterations,
                                    .start = pirls->iterations > 0 ? pirls->rho : NULL };
        how.scale = pirls->glm.family->scale_known ? 1.0 : options->scale;
        w_smoothing_result found = { .rho = rho };
        status = w_smoothing_select(pirls->ctx, system, pirls->design, pirls->gram, &how, &found);
        if (status >= 0) {
            pirls->phi = pirls->glm.family->scale_known ? 1.0 : found.scale;
            pirls->criterion = found.criterion;
            pirls->edf = found.edf;
            pirls->gradient = found.gradient;
        }
    } else if (status >= 0) {
        status = w_system_factor(system, rho);
    }
    if (status >= 0) {
        memcpy(trial, w_system_beta(system), (size_t)pirls->design->p * sizeof *trial);
    }
    w_system_free(system);
    return status;
}

static weir_status iterate(w_pirls *pirls, double *rho, bool search, double *trial)
{
    weir_status last = WEIR_OK;
    for (int step = 0; step < PASSES; step++) {
        double before = pirls->deviance + pirls->penalty;
        weir_status status = solve(pirls, rho, search, trial);
        if (status < 0) {
            return status;
        }
        last = status;
        status = accept(pirls, trial, rho, !search);
        if (status < 0) {
            return status;
        }
        pirls->iterations++;
        memcpy(pirls->rho, rho, (size_t)pirls->design->sp_count * sizeof *rho);
        if (status == WEIR_NOT_CONVERGED) {
            return step > 0 ? last : status; /* nothing better than what is there */
        }
        double now = pirls->deviance + pirls->penalty;
        if ((step > 0 || !search) && fabs(now - before) < TOLERANCE * (0.1 + fabs(now))) {
            return last;
        }
    }
    return WEIR_NOT_CONVERGED;
}

static bool has_free_parameters(const w_glm *glm)
{
    bool any = false;
    for (int a = 0; a < glm->family->param_count; a++) {
        any |= glm->estimate[a];
    }
    return any;
}

/* The working model at the same beta under parameters that have moved. */
static weir_status refresh(w_pirls *pirls, bool newton, bool full)
{
    w_gram *gram = NULL;
    weir_status status = w_pirls_pass(pirls, pirls->beta, newton, full, &gram);
    if (status >= 0) {
        take_gram(pirls, gram);
    }
    return status;
}

weir_status w_pirls_settle(w_pirls *pirls, const double *rho)
{
    const size_t m = (size_t)pirls->design->sp_count, p = (size_t)pirls->design->p;
    double *block = w_alloc_array(pirls->ctx, TAG, m + p + 1, sizeof *block);
    if (!block) {
        return w_alloc_status(pirls->ctx);
    }
    memcpy(block, rho, m * sizeof *block);
    pirls->penalty = w_pirls_penalty(pirls->design, pirls->beta, rho);
    weir_status status = has_free_parameters(&pirls->glm) ? refresh(pirls, true, false) : WEIR_OK;
    if (status >= 0) {
        status = iterate(pirls, block, false, block + m);
    }
    w_free(pirls->ctx, block);
    return status;
}

/* Fitted values at the edge of their range, as under separation: the likelihood has no maximum there. */
static weir_status judge(w_pirls *pirls, weir_status status)
{
    double extreme = pirls->gram->extra[W_SUM_EXTREME];
    if (status == WEIR_NOT_CONVERGED) {
        return w_remark(pirls->ctx, status, "not converged after %d passes: the result is the last iterate", pirls->passes);
    }
    if (extreme > 0 && pirls->glm.family->kind != W_FAMILY_GAUSSIAN) {
        return w_remark(pirls->ctx, WEIR_NOT_CONVERGED,
                        "fitted values of %.0f rows ran to the edge of their range (separation): coefficients are not "
                        "determined there; drop or penalise the terms that separate them", extreme);
    }
    return status;
}

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
    weir_status status = iterate(pirls, rho, true, trial);
    double moved = has_free_parameters(&pirls->glm) ? 1.0 : 0.0;
    for (int turn = 0; status >= 0 && moved > 1e-7 && turn < turns; turn++) {
        status = refresh(pirls, false, true);
        if (status >= 0) {
            step_theta(pirls, &moved);
            status = refresh(pirls, false, false);
        }
        if (status >= 0) {
            pirls->penalty = w_pirls_penalty(pirls->design, pirls->beta, rho);
            status = iterate(pirls, rho, true, trial);
        }
    }
    return status;
}

/* First passes: at the family's start on all rows, or to convergence on a sample of tiles and then at its beta on all rows. A
 * sample that does not converge is forgotten. */
static weir_status begin(w_pirls *pirls, double *rho, double *trial)
{
    w_gram *gram = NULL;
    weir_status status = WEIR_NOT_CONVERGED;
    const size_t p = (size_t)pirls->design->p;
    pirls->tile_step = pirls->design->rows / SAMPLE_ROWS;
    if (pirls->tile_step >= SAMPLE_SHARE) {
        status = w_pirls_pass(pirls, NULL, false, false, &gram);
        if (status >= 0) {
            take_gram(pirls, gram);
            status = iterate(pirls, rho, true, trial);
        }
    }
    bool usable = status == WEIR_OK;
    pirls->tile_step = 0;
    if (status == WEIR_E_CANCELLED || status == WEIR_E_MEMORY || status == WEIR_E_BUDGET || status == WEIR_E_IO) {
        return status;
    }
    if (!usable) {
        w_message_clear(pirls->ctx);
        memset(pirls->beta, 0, p * sizeof(double));
        pirls->iterations = 0;
    }
    gram = NULL;
    status = w_pirls_pass(pirls, usable ? pirls->beta : NULL, false, false, &gram);
    if (status >= 0 && usable && gram->extra[W_SUM_INVALID] > 0) { /* the sample's beta does not serve all rows */
        w_gram_free(gram);
        gram = NULL;
        memset(pirls->beta, 0, p * sizeof(double));
        pirls->iterations = 0;
        status = w_pirls_pass(pirls, NULL, false, false, &gram);
    }
    if (status >= 0) {
        take_gram(pirls, gram);
        pirls->penalty = pirls->iterations > 0 ? w_pirls_penalty(pirls->design, pirls->beta, rho) : 0.0;
        pirls->null_mean = gram->extra[W_SUM_RESPONSE] / gram->extra[W_SUM_PRIOR];
    }
    return status;
}

static bool wants_laplace(const w_pirls *pirls)
{
    const weir_fit_options *options = pirls->options;
    if (options->criterion != WEIR_REML || options->laplace < 0) {
        return false;
    }
    return options->laplace > 0 || pirls->gram->n < LAPLACE_ROWS;
}

weir_status w_pirls_run(w_pirls *pirls)
{
    weir_ctx *ctx = pirls->ctx;
    const size_t m = (size_t)pirls->design->sp_count, p = (size_t)pirls->design->p;
    pirls->beta = w_calloc(ctx, TAG, p, sizeof(double));
    pirls->rho = w_calloc(ctx, TAG, m + 1, sizeof(double));
    double *block = w_calloc(ctx, TAG, m + p + 1, sizeof *block);
    weir_status status = pirls->beta && pirls->rho && block ? WEIR_OK : w_alloc_status(ctx), laplace = WEIR_DECLINED;
    pirls->phi = pirls->options->scale > 0 ? pirls->options->scale : 1.0;
    if (status >= 0) {
        status = begin(pirls, block, block + m);
    }
    if (status >= 0) {
        status = run_working(pirls, block, block + m, wants_laplace(pirls) ? LAPLACE_TURNS : THETA_STEPS);
    }
    if (status >= 0 && status != WEIR_NOT_CONVERGED && wants_laplace(pirls)) {
        laplace = w_laplace_run(pirls);
        status = laplace == WEIR_DECLINED ? status : laplace;
    }
    if (status >= 0 && laplace == WEIR_DECLINED) {
        weir_status refreshed = refresh(pirls, false, true);
        status = refreshed < 0 ? refreshed : status;
    }
    if (status >= 0) {
        status = judge(pirls, status);
    }
    pirls->status = status;
    w_free(ctx, block);
    return status;
}

void w_pirls_free(w_pirls *pirls)
{
    w_free(pirls->ctx, pirls->beta);
    w_free(pirls->ctx, pirls->rho);
    w_gram_free(pirls->gram);
}
