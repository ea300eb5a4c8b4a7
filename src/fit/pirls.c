/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/pirls.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

#define PASSES 60
#define HALVINGS 12
#define SAMPLE_TOLERANCE 1e-4 /* a start need not be closer: the other rows move it by more */
#define NEARLY 1e-4 /* after such a change the next pass is likely to be the last and takes every sum */
#define TOLERANCE 1e-8     /* while lambda moves too */
#define SETTLED 1e-13      /* at given lambda, where Newton's steps converge quadratically */
#define RISE 1e-7       /* of the penalised deviance: rounding and the change of lambda */
#define RISE_SETTLED 1e-12 /* … at given lambda */
#define MANY_ROWS (4 * W_TILE_ROWS) /* below, a pass costs less than the p x p work beside it */
#define FAR 0.02        /* decrement above which X'WX says too little about the next beta to be kept */
#define PREDICTED 1e-7  /* decrement of a step that needs no pass after it */
#define POOR 0.1        /* of the decrement before: X'WX has aged */
#define SAMPLED 0.01    /* share of the decrement left by a step with the cross-products of a sample */
#define STUCK 1e-5       /* a step that promises more than this and can be had at no length is no convergence */
#define TAG "working model"

/* sum + a b in twice the precision (Dekker): *low holds what *high cannot. */
static void add_product(double a, double b, double *high, double *low)
{
    const double product = a * b, total = *high + product, part = total - *high;
    *low += fma(a, b, -product) + ((*high - (total - part)) + (product - part));
    *high = total;
}

/* Products cancel where y lies in the null space, and a large lambda makes something of what rounding leaves of them. */
double w_pirls_penalty_form(const w_design_penalty *penalty, const double *x, const double *y)
{
    double sum = 0, sum_low = 0;
    for (int64_t r = 0; r < penalty->repeat; r++) {
        const int64_t first = penalty->first + r * penalty->k;
        for (int64_t i = 0; i < penalty->k; i++) {
            double row = penalty->matrix ? 0.0 : y[first + i], row_low = 0;
            for (int64_t c = 0; penalty->matrix && c < penalty->k; c++) {
                add_product(penalty->matrix[i * penalty->k + c], y[first + c], &row, &row_low);
            }
            add_product(x[first + i], row, &sum, &sum_low);
            sum_low += x[first + i] * row_low;
        }
    }
    return sum + sum_low;
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

/* Ends of the range that an estimate keeps to; sigma of scat goes with the response's unit. */
static void parameter_range(const w_glm *glm, int a, double *low, double *high)
{
    const w_family *family = glm->family;
    const bool plain = family->kind == W_FAMILY_TWEEDIE, unit = family->kind == W_FAMILY_SCAT && a == 1;
    const double margin = plain ? 1e-2 : unit ? 1e-140 : 1e-6;
    *low = family->param_low[a] + margin;
    *high = fmin(family->param_high[a] - margin, unit ? 1e140 : 1e12);
}

void w_pirls_set_parameter(w_glm *glm, int a, double working)
{
    double low, high;
    parameter_range(glm, a, &low, &high);
    glm->param[a] = fmin(fmax(glm->family->kind == W_FAMILY_TWEEDIE ? working : exp(working), low), high);
}

int w_pirls_parameter_bound(const w_glm *glm, int a)
{
    double low, high;
    parameter_range(glm, a, &low, &high);
    return glm->param[a] <= low ? -1 : glm->param[a] >= high ? 1 : 0;
}

double w_pirls_typical_weight(const w_pirls *pirls)
{
    const w_glm *glm = &pirls->glm;
    double eta = glm->link->link(glm->power, pirls->null_mean), mu, m1, m2, m3, v, v1, v2;
    glm->link->inverse(w_elementary_find(w_isa_best()), glm->power, 1, &eta, &mu, &m1, &m2, &m3);
    glm->family->variance(glm, 1, &mu, &v, &v1, &v2);
    return m1 * m1 / v;
}

static weir_status pass(w_pirls *pirls, const double *beta, bool newton, bool full, bool residual, w_gram **out)
{
    w_product *product = NULL;
    weir_status status = beta ? w_product_create(pirls->ctx, pirls->design, beta, &product) : WEIR_OK;
    if (status >= 0) {
        w_working working = { .glm = &pirls->glm, .product = product, .newton = newton && !pirls->fisher, .phi = pirls->phi,
                              .null_mean = full ? pirls->null_mean : NAN, .null_eta = pirls->null_eta,
                              .check = !pirls->checked && pirls->tile_step <= 1, .cross_parameter = -1,
                              .residual = residual, .tile_step = pirls->tile_step };
        status = w_working_pass(pirls->ctx, pirls->design, pirls->table, pirls->options->missing, &working,
                                pirls->arrow_block, out);
        pirls->passes++;
        if (status >= 0 && working.check) {
            pirls->fractional = (*out)->extra[W_SUM_FRACTIONAL];
            pirls->checked = true;
        }
    }
    w_product_free(product);
    return status;
}

weir_status w_pirls_pass(w_pirls *pirls, const double *beta, bool newton, bool full, w_gram **out)
{
    return pass(pirls, beta, newton, full, false, out);
}

weir_status w_pirls_gradient_pass(w_pirls *pirls, const double *beta, bool newton, bool full, w_gram **out)
{
    return pass(pirls, beta, newton, full, true, out);
}

double w_pirls_decrement(const w_pirls *pirls, const double *trial, const double *rho, double *work)
{
    const int64_t p = pirls->design->p;
    double *step = work + p, sum = 0;
    for (int64_t i = 0; i < p; i++) {
        step[i] = trial[i] - pirls->beta[i];
    }
    w_gram_times(pirls->gram, step, work);
    for (int64_t i = 0; i < p; i++) {
        sum += step[i] * work[i];
    }
    return sum + w_pirls_penalty(pirls->design, step, rho);
}

static void advance_null_model(w_pirls *pirls, const w_gram *gram)
{
    const double *sum = gram->extra;
    if (!isnan(pirls->null_eta) && sum[W_SUM_NULL_WEIGHT] > 0) {
        pirls->null_eta += sum[W_SUM_NULL_STEP] / sum[W_SUM_NULL_WEIGHT];
    }
}

void w_pirls_take(w_pirls *pirls, w_gram *gram)
{
    advance_null_model(pirls, gram);
    w_gram_free(pirls->gram);
    pirls->gram = gram;
    pirls->complete = pirls->frozen = false;
    pirls->deviance = gram->extra[W_SUM_DEVIANCE];
}

/* What follows a solution of the working model at trial. */
typedef enum pass_kind {
    PASS_NONE,     /* the step is too small to need one */
    PASS_GRADIENT, /* X'WX is kept */
    PASS_HESSIAN
} pass_kind;

void w_pirls_take_gradient(w_pirls *pirls, w_gram *linear, double *work)
{
    w_gram_relinearise(pirls->gram, linear, pirls->beta, work);
    advance_null_model(pirls, linear);
    w_gram_free(linear);
    pirls->complete = false;
    pirls->frozen = true;
    pirls->deviance = pirls->gram->extra[W_SUM_DEVIANCE];
}

/* Passes at trial (p values; moved towards pirls->beta while it is worse) until the penalised deviance at rho does not rise.
 * WEIR_NOT_CONVERGED when no halving helped: the pass of the last trial is kept out. work: p values. */
static weir_status accept(w_pirls *pirls, double *trial, const double *rho, bool newton, bool full, pass_kind kind, double *work)
{
    const double rise = newton ? RISE_SETTLED : RISE;
    const size_t p = (size_t)pirls->design->p;
    const bool first = pirls->iterations == 0;
    double before = first ? INFINITY : pirls->deviance + w_pirls_penalty(pirls->design, pirls->beta, rho);
    for (int halving = 0; halving <= HALVINGS; halving++) {
        w_gram *gram = NULL;
        weir_status status = pass(pirls, trial, newton, full, kind == PASS_GRADIENT, &gram);
        if (status < 0) {
            return status;
        }
        double penalty = w_pirls_penalty(pirls->design, trial, rho);
        double now = gram->extra[W_SUM_DEVIANCE] + penalty;
        bool valid = gram->extra[W_SUM_INVALID] == 0 && isfinite(now);
        if (valid && (first || now <= before + rise * (0.1 + fabs(before)))) {
            memcpy(pirls->beta, trial, p * sizeof *trial);
            pirls->penalty = penalty;
            if (kind == PASS_GRADIENT) {
                w_pirls_take_gradient(pirls, gram, work);
            } else {
                w_pirls_take(pirls, gram);
                pirls->complete = full && !newton;
            }
            pirls->stepped = true;
            pirls->edge = false;
            return WEIR_OK;
        }
        pirls->edge = gram->extra[W_SUM_INVALID] > 0;
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
    weir_status status = pirls->shape ? WEIR_OK : w_system_create(pirls->ctx, pirls->gram, pirls->design, &system);
    if (status >= 0 && search) {
        const weir_fit_options *options = pirls->options;
        w_smoothing_options how = { .criterion = options->criterion, .gamma = options->gamma > 0 ? options->gamma : 1.0,
                                    .max_iterations = options->max_iterations,
                                    .start = pirls->iterations > 0 ? pirls->rho : NULL };
        how.scale = pirls->glm.family->scale_known ? 1.0 : options->scale;
        w_smoothing_result found = { .rho = rho };
        status = pirls->shape ? w_shape_solve(pirls->shape, pirls->gram, &how, rho, &found, &system)
                              : w_smoothing_select(pirls->ctx, system, pirls->design, pirls->gram, &how, &found);
        if (status >= 0) {
            pirls->phi = pirls->glm.family->scale_known ? 1.0 : found.scale;
            pirls->criterion = found.criterion;
            pirls->gradient = found.gradient;
        }
    } else if (status >= 0) {
        status = pirls->shape ? w_shape_solve(pirls->shape, pirls->gram, NULL, rho, NULL, &system) : w_system_factor(system, rho);
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

/* Steps cannot leave what the link takes. */
static bool takes_any_eta(const w_link *link)
{
    return w_link_valid_eta(link, -1.0) && w_link_valid_eta(link, 0.0);
}

/* decrement: of the step to come; previous: of the step before, infinite for the first. *aged: X'WX once aged fast and is not
 * kept any more. *last: no step after that pass will need another one. */
static pass_kind choose_pass(const w_pirls *pirls, bool search, double decrement, double previous, bool *aged, bool *last)
{
    const double size = pirls->phi + fabs(pirls->deviance + pirls->penalty);
    /* under shape constraints the step says less than it gains: multipliers times what came to 0 */
    const bool safe = takes_any_eta(pirls->glm.link) && !w_pirls_has_parameters(&pirls->glm) && !pirls->shape;
    const bool sample = pirls->tile_step > 1;
    if (safe && (sample ? decrement < SAMPLE_TOLERANCE * size
                        : search ? pirls->complete && decrement < PREDICTED * size : decrement < SETTLED * size)) {
        return PASS_NONE;
    }
    /* what the step will leave of it: W changes by as much as eta, whose mean square change is that share of n */
    double left = !pirls->frozen ? decrement / size : isinf(previous) ? SAMPLED : decrement / previous;
    *last = search && !sample && decrement * left < 0.5 * PREDICTED * size;
    *aged |= pirls->frozen && decrement > POOR * previous;
    return sample || *last || *aged || !(decrement < FAR * size) ? PASS_HESSIAN : PASS_GRADIENT;
}

/* To trial without a pass: the sums stay those of the beta before, but for the deviance, whose change is known. */
static void step_without_pass(w_pirls *pirls, const double *trial, const double *rho, double decrement)
{
    const double before = pirls->deviance + w_pirls_penalty(pirls->design, pirls->beta, rho);
    memcpy(pirls->beta, trial, (size_t)pirls->design->p * sizeof *trial);
    pirls->penalty = w_pirls_penalty(pirls->design, trial, rho);
    pirls->deviance = before - decrement - pirls->penalty;
    pirls->gram->extra[W_SUM_DEVIANCE] = pirls->deviance;
}

/* work: 2p values. */
static weir_status iterate(w_pirls *pirls, double *rho, bool search, double *trial, double *work)
{
    const double tolerance = pirls->tile_step > 1 ? SAMPLE_TOLERANCE : search ? TOLERANCE : SETTLED;
    const bool many = pirls->design->rows >= MANY_ROWS;
    weir_status last = WEIR_OK;
    double change = INFINITY, decrement = INFINITY;
    bool aged = false;
    for (int step = 0; step < PASSES; step++) {
        const double before = pirls->deviance + pirls->penalty, size_before = pirls->phi + fabs(before), previous = change;
        pass_kind kind = PASS_HESSIAN;
        weir_status status = solve(pirls, rho, search, trial);
        if (status < 0) {
            return status;
        }
        last = status;
        bool nearly = search && pirls->tile_step <= 1 && change < NEARLY * size_before;
        if (many && pirls->iterations > 0) {
            const double older = decrement;
            decrement = w_pirls_decrement(pirls, trial, rho, work);
            kind = choose_pass(pirls, search, decrement, older, &aged, &nearly);
        }
        status = WEIR_OK;
        if (kind == PASS_NONE) {
            step_without_pass(pirls, trial, rho, decrement);
        } else {
            status = accept(pirls, trial, rho, !search, nearly && kind == PASS_HESSIAN, kind, work);
        }
        if (status < 0) {
            return status;
        }
        pirls->iterations++;
        memcpy(pirls->rho, rho, (size_t)pirls->design->sp_count * sizeof *rho);
        if (kind == PASS_NONE) {
            return last;
        }
        if (status == WEIR_NOT_CONVERGED && pirls->frozen) {
            aged = true;
            status = w_pirls_refresh(pirls, !search, false);
            if (status < 0) {
                return status;
            }
            continue;
        }
        if (status == WEIR_NOT_CONVERGED) {
            double lost = ldexp(w_pirls_decrement(pirls, trial, rho, work), 2 * (HALVINGS + 1)); /* by the step, before halving */
            bool nothing_better = search ? step > 0 && lost < STUCK * size_before : lost < TOLERANCE * size_before;
            return nothing_better ? last : status;
        }
        const double now = pirls->deviance + pirls->penalty, size = pirls->phi + fabs(now);
        change = fabs(now - before);
        bool small = change < tolerance * size;
        bool rounding = !search && change < TOLERANCE * size && change >= previous;
        if (kind == PASS_HESSIAN && ((small && (step > 0 || !search)) || rounding)) {
            return last;
        }
    }
    return WEIR_NOT_CONVERGED;
}

weir_status w_pirls_iterate(w_pirls *pirls, double *rho, bool search, double *trial)
{
    double *work = w_alloc_array(pirls->ctx, TAG, 2 * (size_t)pirls->design->p, sizeof *work);
    weir_status status = work ? iterate(pirls, rho, search, trial, work) : w_alloc_status(pirls->ctx);
    w_free(pirls->ctx, work);
    return status;
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
        pirls->complete = full && !newton;
    }
    return status;
}

weir_status w_pirls_refresh_sums(w_pirls *pirls)
{
    w_gram *gram = NULL;
    weir_status status = w_pirls_gradient_pass(pirls, pirls->beta, false, true, &gram);
    if (status >= 0) {
        advance_null_model(pirls, gram);
        memcpy(pirls->gram->extra, gram->extra, (size_t)gram->extra_count * sizeof *gram->extra);
        w_gram_free(gram);
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
    w_shape_free(pirls->shape);
}
