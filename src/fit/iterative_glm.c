/* SPDX-License-Identifier: Apache-2.0 */
/* Generalised models by products with rows: Fisher scoring whose steps
 *     (X'WX + S_lambda) beta = X'Wz,   w and z of the working model at the last beta,
 * are solved by conjugate gradients from that beta. A step that raises D + beta'S_lambda beta, or leaves the range of the link, is
 * halved. lambda takes a Fellner-Schall step of each working model's REML until its gradient drowns in the probes' error; then
 * scoring goes on at that lambda until the decrement d'(X'WX + S)d of a step d, which bounds what is left to gain, is at rounding.
 * Blocks of the preconditioner are made again while steps are long; after small ones those at hand serve as well. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "fit/iterative_parts.h"
#include "fit/pirls.h"

#define STEPS 200
#define HALVINGS 12
#define SEARCH_TOLERANCE 1e-8
#define NEAR 1e-6          /* decrement from which on lambda may stand */
#define SETTLED 1e-17      /* decrement at the end … */
#define ROUNDING 1e-10     /* … or where it no longer falls */
#define SAME_BLOCKS 1e-4   /* below, weights move by about a percent */
#define RISE 1e-7
#define NULL_PASSES 20
#define NULL_GAIN 1e-10

weir_status w_search_working(void *arg, int64_t first_row, int64_t rows, const double *eta, const double *y, const double *prior,
                             const double *offset, double *w, double *z, double *extra)
{
    const w_search *s = arg;
    if (s->working.check && extra) {
        char response[256];
        int64_t fractional = 0;
        snprintf(response, sizeof response, "%.100s: response '%.100s'", s->working.table, s->design->response_label);
        weir_status status = w_family_check(s->ctx, s->glm, response, rows, y, prior, first_row + 1, &fractional);
        if (status < 0) {
            return status;
        }
        extra[W_SUM_FRACTIONAL] += (double)fractional;
    }
    w_working_rows(&s->working, rows, eta, y, prior, offset, w, z, extra);
    return WEIR_OK;
}

static double penalty_of(const w_search *s, const double *beta)
{
    double sum = 0.0;
    for (int j = 0; j < s->design->penalty_count; j++) {
        sum += w_matrix_free_penalty(s->op, j, beta, beta);
    }
    return sum;
}

static weir_status linearise(w_search *s, const double *beta, bool blocks)
{
    weir_status status = w_matrix_free_linearise(s->op, beta, blocks);
    const double *sum = w_matrix_free_extra(s->op);
    if (status >= 0 && !isnan(s->working.null_eta) && sum[W_SUM_NULL_WEIGHT] > 0) {
        s->working.null_eta += sum[W_SUM_NULL_STEP] / sum[W_SUM_NULL_WEIGHT];
    }
    return status;
}

/* d'Hd of d = beta - old, by H of the present working model. */
static weir_status measure_step(w_search *s, double *decrement)
{
    const int64_t p = s->design->p, system = 0;
    const w_slice slice = { .n = p, .count = 1 };
    const w_vectors block = { .slices = 1, .columns = 1, .values = p, .slice = &slice, .system = &system };
    const w_operator *a = w_matrix_free_operator(s->op);
    for (int64_t i = 0; i < p; i++) {
        s->old[i] = s->beta[i] - s->old[i];
    }
    weir_status status = a->apply(a->user, &block, s->old, s->image);
    *decrement = 0.0;
    for (int64_t i = 0; i < p; i++) {
        *decrement += s->old[i] * s->image[i];
        s->old[i] = s->beta[i] - s->old[i];
    }
    return status;
}

/* Working model at beta, moved towards `old` while the penalised deviance is above `before`. *now: what it is there. */
static weir_status accept(w_search *s, double before, bool blocks, double *now)
{
    for (int halving = 0; halving <= HALVINGS; halving++) {
        weir_status status = linearise(s, s->beta, blocks);
        const double *sum = w_matrix_free_extra(s->op);
        if (status < 0) {
            return status;
        }
        *now = sum[W_SUM_DEVIANCE] + penalty_of(s, s->beta);
        if (sum[W_SUM_INVALID] == 0 && isfinite(*now) && *now <= before + RISE * (0.1 + fabs(before))) {
            return WEIR_OK;
        }
        for (int64_t i = 0; i < s->design->p; i++) {
            s->beta[i] = 0.5 * (s->beta[i] + s->old[i]);
        }
        blocks = true;
    }
    memcpy(s->beta, s->old, (size_t)s->design->p * sizeof *s->beta);
    return WEIR_NOT_CONVERGED;
}

/* The constant that the first step is shortened towards. */
static void start_at_null_model(w_search *s)
{
    const double *sum = w_matrix_free_extra(s->op);
    const w_design *design = s->design;
    const w_family_kind kind = s->glm->family->kind;
    s->null_mean = sum[W_SUM_RESPONSE] / sum[W_SUM_PRIOR];
    s->fractional = sum[W_SUM_FRACTIONAL];
    if (design->intercept_column >= 0) {
        s->beta[w_matrix_free_position(s->op)[design->intercept_column]] = s->glm->link->link(s->glm->power, s->null_mean);
    }
    if (design->offset_count > 0 || kind == W_FAMILY_SCAT || kind == W_FAMILY_BETA) {
        s->working.null_eta = s->glm->link->link(s->glm->power, s->null_mean);
    }
}

static bool null_model_stands(const w_search *s)
{
    const double *sum = w_matrix_free_extra(s->op);
    const double gain = sum[W_SUM_NULL_STEP] * sum[W_SUM_NULL_STEP] / sum[W_SUM_NULL_WEIGHT];
    return isnan(s->working.null_eta) || !(gain > NULL_GAIN * (0.1 + fabs(sum[W_SUM_NULL_DEVIANCE])));
}

/* Every sum of the last model, and its traces. */
static weir_status finish(w_search *s)
{
    const w_matrix_free_sums *sums = w_matrix_free_sums_of(s->op);
    weir_status status = w_search_visit(s, W_CG_TOLERANCE, true, true);
    weir_status worst = status;
    s->working.phi = s->scale > 0 ? s->scale : (s->rss + s->penalty) / ((double)sums->n - s->gamma * w_search_unpenalised(s));
    s->working.null_mean = s->null_mean;
    status = status < 0 ? status : linearise(s, s->beta, false);
    for (int pass = 0; status >= 0 && pass < NULL_PASSES && !null_model_stands(s); pass++) {
        status = linearise(s, s->beta, false);
    }
    return status < 0 ? status : worst;
}

weir_status w_search_generalised(w_search *s, bool any_free)
{
    const int most = s->options->max_iterations > 0 ? s->options->max_iterations : STEPS;
    double before = INFINITY, previous = INFINITY;
    bool standing = !any_free, settled = false;
    weir_status status = WEIR_OK, worst = WEIR_OK;
    start_at_null_model(s);
    while (status >= 0 && !settled && s->iterations < most) {
        double decrement = INFINITY, now = 0.0;
        memcpy(s->old, s->beta, (size_t)s->design->p * sizeof *s->beta);
        worst = status = w_search_visit(s, standing ? W_CG_TOLERANCE : SEARCH_TOLERANCE, false, !standing);
        if (status >= 0 && isfinite(before)) {
            status = measure_step(s, &decrement);
        }
        if (status < 0) {
            return status;
        }
        const double bound = isfinite(before) ? w_matrix_free_extra(s->op)[W_SUM_DEVIANCE] + penalty_of(s, s->old) : INFINITY;
        const double size = s->phi + (isfinite(bound) ? fabs(bound) : 0.0);
        status = accept(s, bound, !(decrement < SAME_BLOCKS * size), &now);
        if (status == WEIR_NOT_CONVERGED) { /* no length helps: the end where the step promises nothing */
            settled = decrement < ROUNDING * size;
            linearise(s, s->beta, true);
            break;
        }
        s->iterations++;
        before = now;
        if (!standing) {
            standing = w_search_is_stationary(s) && decrement < NEAR * size;
            if (!standing) {
                w_search_advance(s);
            }
        } else {
            settled = decrement <= SETTLED * size || (decrement < ROUNDING * size && decrement >= 0.5 * previous);
            previous = decrement;
        }
    }
    if (status >= 0) {
        status = finish(s);
        worst = status > 0 ? status : worst;
    }
    s->status = status > 0 || worst > 0 || !settled ? WEIR_NOT_CONVERGED : WEIR_OK;
    return status;
}

void w_search_describe(const w_search *s, weir_model *model)
{
    const double *sum = w_matrix_free_extra(s->op);
    weir_summary *summary = &model->summary;
    const double n = (double)w_matrix_free_sums_of(s->op)->n, bias = fmax(sum[W_SUM_FLETCHER] / n, -0.9);
    const double residual = sum[W_SUM_RESIDUAL_SQUARE] - sum[W_SUM_RESIDUAL] * sum[W_SUM_RESIDUAL] / sum[W_SUM_PRIOR];
    const double response = sum[W_SUM_RESPONSE_SQUARE];
    model->scale = s->scale > 0 ? s->scale : sum[W_SUM_PEARSON] / ((n - s->edf) * (1.0 + bias));
    summary->scale = model->scale;
    summary->scale_estimated = s->scale > 0 ? 0 : 1;
    summary->deviance = sum[W_SUM_DEVIANCE] + sum[W_SUM_SATURATED_BETA];
    summary->null_deviance = sum[W_SUM_NULL_DEVIANCE] + sum[W_SUM_SATURATED_BETA];
    summary->deviance_explained =
        summary->null_deviance > 0 ? (summary->null_deviance - summary->deviance) / summary->null_deviance : NAN;
    summary->r_squared_adjusted =
        response > 0 && summary->residual_df > 0 ? 1.0 - residual * (n - 1.0) / (response * summary->residual_df) : NAN;
    summary->log_likelihood = summary->aic = NAN;
    if (!s->glm->family->quasi) {
        summary->log_likelihood = sum[W_SUM_SATURATED] - sum[W_SUM_DEVIANCE] / (2.0 * s->working.phi);
        summary->aic = -2.0 * summary->log_likelihood + 2.0 * (s->edf + (s->scale > 0 ? 0.0 : 1.0));
    }
}
