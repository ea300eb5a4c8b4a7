/* SPDX-License-Identifier: Apache-2.0 */
/* Scale of a generalised model whose phi is not known: Pearson's estimate over n - tau with Fletcher's (2012) correction,
 *     phi = [ sum omega (y - mu)^2 / V / (n - tau) ] / (1 + s),   s = mean of V'(mu)(y - mu)/V, at least -0.9. */
#include "fit/finish.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fit/inference.h"
#include "fit/verdict.h"
#include "fit/predict.h"
#include "fit/shape.h"
#include "fit/smoothing.h"

/* With shape constraints *system is made here, on the face of the solution. */
static weir_status select_smoothing(weir_ctx *ctx, weir_model *model, w_system **system, w_shape *shape, const w_gram *gram,
                                    const weir_fit_options *options)
{
    const w_design *design = model->design;
    w_smoothing_options search = {
        .criterion = options->criterion,
        .gamma = options->gamma > 0 ? options->gamma : 1.0,
        .scale = options->scale,
        .max_iterations = options->max_iterations,
        .log_likelihood_constant = -0.5 * gram->log_weight_sum,
    };
    size_t parameters = (size_t)design->sp_count;
    double *hessian = w_arena_calloc(&model->arena, (parameters + 1) * (parameters + 1), sizeof(double));
    if (!hessian) {
        return w_alloc_status(ctx);
    }
    w_smoothing_result found = { .rho = model->rho, .hessian = hessian };
    weir_status status = shape ? w_shape_solve(shape, gram, &search, model->rho, &found, system)
                               : w_smoothing_select(ctx, *system, design, gram, &search, &found);
    if (status < 0) {
        return status;
    }
    if ((options->criterion == WEIR_REML || options->criterion == WEIR_ML) && w_system_held(*system) == 0) {
        model->hessian = hessian;
    }
    model->scale = found.scale;
    model->summary.criterion = found.criterion;
    model->summary.scale = found.scale;
    model->summary.iterations = found.iterations;
    model->summary.gradient = found.gradient;
    model->summary.status = found.status;
    model->summary.scale_estimated = options->scale > 0 ? 0 : 1;
    return status;
}

/* Smoothing parameters stand; the system is factored at them. */
static weir_status take_pirls(weir_model *model, w_system *system, const w_gram *gram, const weir_fit_options *options,
                              const w_pirls *pirls)
{
    weir_summary *summary = &model->summary;
    const size_t m = (size_t)model->design->sp_count;
    memcpy(model->rho, pirls->rho, m * sizeof *model->rho);
    if (pirls->hessian) {
        model->hessian = w_arena_alloc(&model->arena, (m + 1) * (m + 1), sizeof(double));
        if (!model->hessian) {
            return w_alloc_status(model->ctx);
        }
        memcpy(model->hessian, pirls->hessian, (m + 1) * (m + 1) * sizeof(double));
    }
    weir_status status = w_system_factor(system, model->rho);
    if (status < 0) {
        return status;
    }
    bool known = pirls->glm.family->scale_known || options->scale > 0;
    double *trace = w_arena_alloc(&model->arena, (size_t)model->design->sp_count + 1, sizeof *trace);
    weir_status measured = trace ? w_system_derivatives(system, trace, NULL, NULL) : w_alloc_status(model->ctx);
    if (measured < 0) {
        return measured;
    }
    double spread = (double)(gram->n - w_system_rank(system)); /* n - tau, tau = rank - tr(P S_lambda) */
    for (int j = 0; j < model->design->sp_count; j++) {
        spread += trace[j];
    }
    double bias = fmax(gram->extra[W_SUM_FLETCHER] / (double)gram->n, -0.9);
    model->scale = pirls->glm.family->scale_known          ? 1.0
                   : w_pirls_has_parameters(&pirls->glm) ? pirls->phi /* estimated jointly with them */
                   : options->scale > 0          ? options->scale
                                                 : gram->extra[W_SUM_PEARSON] / (spread * (1.0 + bias));
    summary->criterion = pirls->criterion;
    summary->scale = model->scale;
    summary->iterations = pirls->iterations;
    summary->gradient = pirls->gradient;
    summary->status = pirls->status > 0 ? pirls->status : status;
    summary->scale_estimated = known ? 0 : 1;
    return status;
}

/* What the linear model's account of deviance and likelihood is replaced by. */
static weir_status describe_response(weir_model *model, const w_gram *gram, const w_pirls *pirls)
{
    weir_summary *summary = &model->summary;
    const double *sum = gram->extra;
    summary->deviance = sum[W_SUM_DEVIANCE] + sum[W_SUM_SATURATED_BETA];
    summary->null_deviance = sum[W_SUM_NULL_DEVIANCE] + sum[W_SUM_SATURATED_BETA];
    summary->deviance_explained =
        summary->null_deviance > 0 ? (summary->null_deviance - summary->deviance) / summary->null_deviance : NAN;
    double residual = sum[W_SUM_RESIDUAL_SQUARE] - sum[W_SUM_RESIDUAL] * sum[W_SUM_RESIDUAL] / sum[W_SUM_PRIOR];
    double response = sum[W_SUM_RESPONSE_SQUARE];
    summary->r_squared_adjusted = response > 0 && summary->residual_df > 0
                                      ? 1.0 - residual * ((double)gram->n - 1.0) / (response * summary->residual_df)
                                      : NAN;
    if (pirls->glm.family->quasi) {
        summary->log_likelihood = summary->aic = NAN;
        return WEIR_OK;
    }
    double degrees = summary->edf_total;
    weir_status status = w_degrees_of_freedom(model, gram, &degrees);
    degrees += summary->scale_estimated ? 1.0 : 0.0;
    for (int a = 0; a < pirls->glm.family->param_count; a++) {
        degrees += pirls->glm.estimate[a] ? 1.0 : 0.0;
    }
    summary->log_likelihood = sum[W_SUM_SATURATED] - sum[W_SUM_DEVIANCE] / (2.0 * pirls->phi);
    summary->aic = -2.0 * summary->log_likelihood + 2.0 * degrees;
    return status;
}

static const char *criterion_name(weir_criterion criterion)
{
    static const char *const name[] = { "REML", "ML", "GCV", "UBRE" };
    return name[criterion];
}

static weir_status name_family(weir_model *model, const w_pirls *pirls)
{
    w_glm glm;
    weir_status status = pirls ? WEIR_OK : w_family_parse(model->ctx, "gaussian", &glm);
    return status < 0 ? status : w_model_name_family(model, pirls ? &pirls->glm : &glm);
}

static void describe(weir_model *model, const w_system *system, const w_gram *gram, const weir_fit_options *options)
{
    weir_summary *summary = &model->summary;
    const w_design *design = model->design;
    summary->formula = design->formula;
    summary->criterion_name = criterion_name(options->criterion);
    summary->n = gram->n;
    summary->rows = design->rows;
    summary->rows_missing = design->rows_missing;
    summary->rows_zero_weight = design->rows_zero_weight;
    summary->columns = design->p;
    summary->rank = w_system_rank(system) + w_system_held(system);
    summary->condition = w_system_condition(system);
    summary->backward_error = w_system_backward_error(system);
    summary->note_count = design->note_count;
    summary->note = design->note;
    summary->plan = &model->plan;
}

/* What the fit has to say about not converging, among the notes of the summary. */
static weir_status add_note(weir_model *model, const char *message)
{
    weir_summary *summary = &model->summary;
    const char **note = w_arena_alloc(&model->arena, (size_t)summary->note_count + 1, sizeof *note);
    if (!note) {
        return w_alloc_status(model->ctx);
    }
    for (int i = 0; i < summary->note_count; i++) {
        note[i] = summary->note[i];
    }
    note[summary->note_count] = w_arena_strdup(&model->arena, message);
    if (!note[summary->note_count]) {
        return w_alloc_status(model->ctx);
    }
    summary->note = note;
    summary->note_count++;
    return WEIR_OK;
}

static weir_status take_coefficients(weir_model *model, w_system *system, const w_pirls *pirls)
{
    const w_design *design = model->design;
    memcpy(model->beta, pirls ? pirls->beta : w_system_beta(system), (size_t)design->p * sizeof(double));
    if (!pirls && design->intercept_column >= 0) {
        model->beta[design->intercept_column] += design->response_shift;
    }
    return w_system_covariance(system, &model->covariance);
}

/* The system at first: of the whole design, or on the face of the coefficients that the iteration found. */
static weir_status make_system(weir_ctx *ctx, const w_design *design, const w_gram *gram, const w_pirls *pirls, w_shape *shape,
                               w_system **system)
{
    if (shape && !pirls) {
        return WEIR_OK; /* select_smoothing does */
    }
    weir_status status = shape ? w_shape_take(shape, gram, pirls->rho, pirls->beta) : WEIR_OK;
    return status < 0 ? status : w_system_create_on(ctx, gram, design, shape ? shape->face : NULL, system);
}

static weir_status solve_model(weir_ctx *ctx, weir_model *model, const w_gram *gram, const weir_fit_options *options,
                               const w_pirls *pirls)
{
    w_shape *own = NULL;
    const w_design *design = model->design;
    w_system *system = NULL;
    weir_status remark = WEIR_OK;
    char said[W_MESSAGE_BYTES]; /* by the iteration: what follows may have a remark of its own */
    snprintf(said, sizeof said, "%s", pirls && pirls->status == WEIR_NOT_CONVERGED ? ctx->message : "");
    model->rho = w_arena_calloc(&model->arena, (size_t)design->sp_count + 1, sizeof(double));
    model->beta = w_arena_alloc(&model->arena, (size_t)design->p, sizeof(double));
    weir_status status = model->rho && model->beta ? name_family(model, pirls) : w_alloc_status(ctx);
    if (status >= 0) {
        status = pirls ? WEIR_OK : w_shape_create(ctx, design, &own);
    }
    w_shape *shape = pirls ? pirls->shape : own;
    if (status >= 0) {
        status = make_system(ctx, design, gram, pirls, shape, &system);
    }
    if (status >= 0) {
        remark = status = pirls ? take_pirls(model, system, gram, options, pirls)
                                : select_smoothing(ctx, model, &system, shape, gram, options);
    }
    if (remark == WEIR_NOT_CONVERGED && !pirls) {
        snprintf(said, sizeof said, "%s", ctx->message);
    }
    const bool exact = status >= 0 && !pirls && w_system_rss(system) <= W_EXACT_FIT * gram->zz;
    if (exact) {
        model->summary.status = remark = w_system_rank(system) < design->p ? WEIR_RANK_DEFICIENT : WEIR_OK;
    }
    if (status >= 0) {
        describe(model, system, gram, options);
        if (model->summary.status == WEIR_NOT_CONVERGED && *said) {
            status = add_note(model, said);
        }
    }
    if (status >= 0 && exact) {
        status = add_note(model, W_EXACT_REMARK);
    }
    for (int i = 0; status >= 0 && pirls && i < pirls->remarks.count; i++) {
        status = add_note(model, pirls->remarks.line[i]);
    }
    if (status >= 0 && shape) {
        const char *line = w_shape_line(shape, &model->arena);
        status = line ? add_note(model, line) : w_alloc_status(ctx);
    }
    if (status >= 0) {
        status = take_coefficients(model, system, pirls);
    }
    if (status >= 0) {
        status = w_inference_fill(ctx, model, system, gram);
    }
    if (status >= 0 && pirls) {
        status = describe_response(model, gram, pirls);
    }
    const weir_summary *found = &model->summary;
    bool finite = isfinite(found->deviance) && isfinite(found->edf_total) && isfinite(found->criterion) &&
                  (isfinite(found->scale) || !(found->residual_df > 1e-6));
    if (status >= 0 && !exact && !finite && found->status != WEIR_NOT_CONVERGED) {
        snprintf(said, sizeof said, "the %s criterion, the deviance or the scale is not finite at the end: too few rows for this model, or values "
                 "too far apart", found->criterion_name);
        model->summary.status = WEIR_NOT_CONVERGED;
        status = add_note(model, said);
    }
    if (status >= 0) {
        status = w_predict_name_terms(model);
    }
    w_system_free(system);
    w_shape_free(own);
    if (status >= 0 && model->summary.status == WEIR_NOT_CONVERGED && *said) {
        w_remark(ctx, WEIR_NOT_CONVERGED, "%s", said);
    }
    return status < 0 ? status : model->summary.status > 0 ? model->summary.status : remark;
}

weir_status w_finish_model(weir_ctx *ctx, w_design *design, const w_gram *gram, const weir_plan *plan,
                           const weir_fit_options *options, const w_pirls *pirls, weir_model **out)
{
    if (gram->n < 2) {
        return w_fail(ctx, WEIR_E_DATA, "only %lld row%s can be used: a fit needs at least 2", (long long)gram->n,
                      gram->n == 1 ? "" : "s");
    }
    weir_model *model = w_calloc(ctx, "model", 1, sizeof *model);
    if (!model) {
        return w_alloc_status(ctx);
    }
    model->ctx = ctx;
    model->design = design;
    model->plan = *plan;
    w_arena_init(&model->arena, ctx, "model");
    weir_status status = solve_model(ctx, model, gram, options, pirls);
    if (status < 0) {
        model->design = NULL;
        w_model_free(model);
        return status;
    }
    *out = model;
    return status;
}
