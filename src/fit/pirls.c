/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/pirls.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

#define PASSES 60
#define HALVINGS 12
#define SAMPLE_TOLERANCE 1e-5 /* a start need not be closer: the other rows move it by more */
#define NEARLY 1e-4 /* after such a change the next pass is likely to be the last and takes every sum */
#define TOLERANCE 1e-8     /* while lambda moves too */
#define SETTLED 1e-13      /* at given lambda, where Newton's steps converge quadratically */
#define RISE 1e-7       /* of the penalised deviance: rounding and the change of lambda */
#define TAG "working model"

double w_pirls_penalty_form(const w_design_penalty *penalty, const double *x, const double *y)
{
    double sum = 0;
    for (int64_t r = 0; r < penalty->repeat; r++) {
        const int64_t first = penalty->first + r * penalty->k;
        for (int64_t i = 0; i < penalty->k; i++) {
            double row = penalty->matrix ? 0.0 : y[first + i];
            for (int64_t c = 0; penalty->matrix && c < penalty->k; c++) {
                row += penalty->matrix[i * penalty->k + c] * y[first + c];
            }
            sum += x[first + i] * row;
        }
    }
    return sum;
}

double w_pirls_penalty(const w_design *design, const double *beta, const double *rho)
{
    double total = 0;
    for (int j = 0; j < design->penalty_count; j++) {
        const w_design_penalty *penalty = &design->penalty[j];
        total += exp(rho[penalty->sp]) * w_pirls_penalty_form(penalty, beta, beta);
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
                              .null_mean = full ? pirls->null_mean : NAN, .null_eta = pirls->null_eta,
                              .check = !pirls->checked && pirls->tile_step <= 1, .cross_parameter = -1,
                              .tile_step = pirls->tile_step };
        status = w_working_pass(pirls->ctx, pirls->design, pirls->table, pirls->options->missing, &working,
                                pirls->arrow_block, out);
        pirls->passes++;
        pirls->checked |= status >= 0 && pirls->tile_step <= 1;
    }
    w_product_free(product);
    return status;
}

void w_pirls_take(w_pirls *pirls, w_gram *gram)
{
    const double *sum = gram->extra;
    if (!isnan(pirls->null_eta) && sum[W_SUM_NULL_WEIGHT] > 0) {
        pirls->null_eta += sum[W_SUM_NULL_STEP] / sum[W_SUM_NULL_WEIGHT];
    }
    w_gram_free(pirls->gram);
    pirls->gram = gram;
    pirls->complete = false;
    pirls->deviance = gram->extra[W_SUM_DEVIANCE];
}

/* Passes at trial (p values; moved towards pirls->beta while it is worse) until the penalised deviance at rho does not rise.
 * WEIR_NOT_CONVERGED when no halving helped: the pass of the last trial is kept out. */
static weir_status accept(w_pirls *pirls, double *trial, const double *rho, bool newton, bool full)
{
    const size_t p = (size_t)pirls->design->p;
    const bool first = pirls->iterations == 0;
    double before = first ? INFINITY : pirls->deviance + w_pirls_penalty(pirls->design, pirls->beta, rho);
    for (int halving = 0; halving <= HALVINGS; halving++) {
        w_gram *gram = NULL;
        weir_status status = w_pirls_pass(pirls, trial, newton, full, &gram);
        if (status < 0) {
            return status;
        }
        double penalty = w_pirls_penalty(pirls->design, trial, rho);
        double now = gram->extra[W_SUM_DEVIANCE] + penalty;
        bool valid = gram->extra[W_SUM_INVALID] == 0 && isfinite(now);
        if (valid && (first || now <= before + RISE * (0.1 + fabs(before)))) {
            w_pirls_take(pirls, gram);
            pirls->complete = full && !newton;
            memcpy(pirls->beta, trial, p * sizeof *trial);
            pirls->penalty = penalty;
            return WEIR_OK;
        }
        w_gram_free(gram);
        for (size_t i = 0; i < p; i++) { /* before the first accepted step pirls->beta is that of the null model */
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
            pirls->gradient = found.gradient;
        }
    } else if (status >= 0) {
        status = w_system_factor(system, rho);
    }
    if (status >= 0) {
        memcpy(trial, w_system_beta(system), (size_t)pirls->design->p * sizeof *trial);
    }
    w_system_free(system);
    if (status == WEIR_RANK_DEFICIENT && !search && !pirls->fisher && pirls->gram->extra[W_SUM_NEGATIVE] > 0) {
        pirls->fisher = true; /* H may be indefinite, not deficient: expected information cannot be */
        w_message_clear(pirls->ctx);
        status = w_pirls_refresh(pirls, false, false);
        return status < 0 ? status : solve(pirls, rho, search, trial);
    }
    return status;
}

weir_status w_pirls_iterate(w_pirls *pirls, double *rho, bool search, double *trial)
{
    const double tolerance = pirls->tile_step > 1 ? SAMPLE_TOLERANCE : search ? TOLERANCE : SETTLED;
    weir_status last = WEIR_OK;
    double change = INFINITY;
    for (int step = 0; step < PASSES; step++) {
        double before = pirls->deviance + pirls->penalty;
        weir_status status = solve(pirls, rho, search, trial);
        if (status < 0) {
            return status;
        }
        last = status;
        bool nearly = search && pirls->tile_step <= 1 && change < NEARLY * (pirls->phi + fabs(before));
        status = accept(pirls, trial, rho, !search, nearly);
        if (status < 0) {
            return status;
        }
        pirls->iterations++;
        memcpy(pirls->rho, rho, (size_t)pirls->design->sp_count * sizeof *rho);
        if (status == WEIR_NOT_CONVERGED) {
            return step > 0 ? last : status; /* nothing better than what is there */
        }
        const double now = pirls->deviance + pirls->penalty, size = pirls->phi + fabs(now), previous = change;
        change = fabs(now - before);
        bool small = change < tolerance * size;
        bool rounding = !search && change < TOLERANCE * size && change >= previous;
        if ((small && (step > 0 || !search)) || rounding) {
            return last;
        }
    }
    return WEIR_NOT_CONVERGED;
}

bool w_pirls_has_parameters(const w_glm *glm)
{
    bool any = false;
    for (int a = 0; a < glm->family->param_count; a++) {
        any |= glm->estimate[a];
    }
    return any;
}

/* The working model at the same beta under parameters that have moved. */
weir_status w_pirls_refresh(w_pirls *pirls, bool newton, bool full)
{
    w_gram *gram = NULL;
    weir_status status = w_pirls_pass(pirls, pirls->beta, newton, full, &gram);
    if (status >= 0) {
        w_pirls_take(pirls, gram);
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
    weir_status status = w_pirls_has_parameters(&pirls->glm) ? w_pirls_refresh(pirls, true, false) : WEIR_OK;
    if (status >= 0) {
        status = w_pirls_iterate(pirls, block, false, block + m);
    }
    w_free(pirls->ctx, block);
    return status;
}

void w_pirls_free(w_pirls *pirls)
{
    w_free(pirls->ctx, pirls->beta);
    w_free(pirls->ctx, pirls->rho);
    w_free(pirls->ctx, pirls->hessian);
    w_gram_free(pirls->gram);
}
