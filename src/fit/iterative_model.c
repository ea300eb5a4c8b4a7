/* SPDX-License-Identifier: Apache-2.0 */
/* What a finished search leaves in the model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/size.h"
#include "fit/criterion.h"
#include "fit/inference.h"
#include "fit/iterative_parts.h"
#include "fit/predict.h"

#define MOST_ERRORS 64 /* parametric columns with standard errors */
#define TWO_PI 6.283185307179586476925

/* edf of a term and its error. */
static void term_edf(const w_search *s, const w_term *term, double *edf, double *error)
{
    *edf = (double)term->columns;
    *error = 0.0;
    for (int j = term->penalty_first; j < term->penalty_first + term->penalty_count; j++) {
        *edf -= s->trace[j].value;
        *error += s->trace[j].error;
    }
}

static weir_status fill_terms(w_search *s, weir_model *model, double *largest_error)
{
    const w_design *design = s->design;
    weir_term_summary *table = w_arena_calloc(&model->arena, (size_t)design->term_count + 1, sizeof *table);
    if (!table) {
        return w_alloc_status(s->ctx);
    }
    int32_t count = 0;
    for (int64_t c = 0; c < design->p; c++) {
        model->edf[c] = model->edf1[c] = 1.0;
    }
    *largest_error = 0.0;
    for (int t = 0; t < design->term_count; t++) {
        const w_term *term = &design->term[t];
        double error;
        if (term->kind == W_TERM_PARAMETRIC) {
            continue;
        }
        weir_term_summary *row = &table[count++];
        row->label = term->label;
        row->basis = term->basis;
        row->columns = term->columns;
        term_edf(s, term, &row->edf, &error);
        *largest_error = fmax(*largest_error, error);
        for (int64_t c = 0; c < term->columns; c++) { /* only their sum is known */
            model->edf[term->first + c] = model->edf1[term->first + c] = row->edf / (double)term->columns;
        }
        row->ref_df = row->statistic = row->p_value = NAN;
        weir_status status = w_inference_smoothing(s->ctx, model, term, row);
        if (status < 0) {
            return status;
        }
    }
    model->summary.term = table;
    model->summary.term_count = count;
    return WEIR_OK;
}

/* sqrt(phi P_jj) by a solve with unit vectors. */
static weir_status standard_errors(w_search *s, double scale, int64_t count, double *out)
{
    const int64_t p = s->design->p, *position = w_matrix_free_position(s->op);
    const int64_t room = w_min64(count, s->vectors);
    double *b = w_alloc_array(s->ctx, "search", (size_t)w_mul64(2 * room, p), sizeof *b);
    if (!b) {
        return w_alloc_status(s->ctx);
    }
    double *x = b + room * p;
    weir_status status = WEIR_OK;
    for (int64_t j = 0; status >= 0 && j < count; j += room) {
        w_cg_result result[W_MATRIX_FREE_VECTORS];
        const int64_t width = w_min64(room, count - j);
        const w_cg_options options = { .right_hand_sides = width, .tolerance = W_ITERATIVE_PROBE_TOLERANCE, .max_iterations = W_ITERATIVE_CG_STEPS };
        memset(b, 0, (size_t)(width * p) * sizeof *b);
        for (int64_t k = 0; k < width; k++) {
            b[k * p + position[j + k]] = 1.0;
        }
        status = w_cg_solve(s->ctx, w_matrix_free_operator(s->op), &s->preconditioner, &options, b, x, result);
        for (int64_t k = 0; status >= 0 && k < width; k++) {
            out[j + k] = sqrt(scale * fmax(x[k * p + position[j + k]], 0.0));
        }
    }
    w_free(s->ctx, b);
    return status;
}

static weir_status fill_coefficients(w_search *s, weir_model *model)
{
    const w_design *design = s->design;
    const int64_t count = design->parametric_columns;
    const bool known = model->summary.scale_estimated == 0;
    weir_coefficient *table = w_arena_calloc(&model->arena, (size_t)count + 1, sizeof *table);
    double *error = w_arena_calloc(&model->arena, (size_t)count + 1, sizeof *error);
    if (!table || !error) {
        return w_alloc_status(s->ctx);
    }
    weir_status status = count > 0 && count <= MOST_ERRORS ? standard_errors(s, model->scale, count, error) : WEIR_OK;
    for (int64_t j = 0; status >= 0 && j < count; j++) {
        weir_coefficient *row = &table[j];
        row->label = design->column_label[j];
        row->estimate = model->beta[j];
        row->std_error = count <= MOST_ERRORS ? error[j] : NAN;
        row->statistic = row->std_error > 0.0 ? row->estimate / row->std_error : NAN;
        row->p_value = known ? erfc(fabs(row->statistic) / sqrt(2.0)) : w_t_two_sided(row->statistic, model->summary.residual_df);
    }
    model->summary.coefficient = table;
    model->summary.coefficient_count = (int32_t)count;
    return status;
}

static void fill_fit(const w_search *s, weir_model *model)
{
    const w_matrix_free_sums *sums = w_matrix_free_sums_of(s->op);
    const w_design *design = s->design;
    weir_summary *summary = &model->summary;
    const double n = (double)sums->n, mean = sums->weight_z * sums->weight_z / sums->weight;
    double rank = 0.0, constant = w_criterion_penalty_logdet(design, NULL, s->rho, s->range, NULL);
    for (int j = 0; j < design->sp_count; j++) {
        rank += s->range[j];
    }
    const double null_dimension = (double)design->p - rank, q = s->rss + s->penalty;
    const double phi = s->scale > 0 ? s->scale : q / (n - s->gamma * null_dimension), spread = n - s->gamma * s->edf;
    summary->criterion = s->options->criterion == WEIR_GCV    ? n * s->rss / (spread * spread)
                         : s->options->criterion == WEIR_UBRE ? s->rss / n - s->scale + 2.0 * s->gamma * s->scale * s->edf / n
                         : 0.5 * (q / (s->gamma * phi) + (n / s->gamma - null_dimension) * log(TWO_PI * phi) +
                                  null_dimension * log(s->gamma) + s->log_det.value - constant -
                                 (s->glm ? 0.0 : sums->log_weight));
    summary->formula = design->formula;
    summary->criterion_name = s->options->criterion == WEIR_GCV ? "GCV" : s->options->criterion == WEIR_UBRE ? "UBRE" : "REML";
    summary->n = sums->n;
    summary->rows = design->rows;
    summary->rows_missing = design->rows_missing;
    summary->rows_zero_weight = design->rows_zero_weight;
    summary->columns = summary->rank = design->p;
    summary->edf_total = s->edf;
    summary->residual_df = n - s->edf;
    summary->scale = model->scale = s->scale > 0 ? s->scale : s->rss / fmax(n - s->edf, 1e-3);
    summary->scale_estimated = s->scale > 0 ? 0 : 1;
    summary->deviance = s->rss;
    summary->null_deviance = design->intercept_column >= 0 ? fmax(sums->zz - mean, 0.0) : sums->zz;
    summary->deviance_explained =
        summary->null_deviance > 0.0 ? (summary->null_deviance - s->rss) / summary->null_deviance : NAN;
    const bool plain = sums->log_weight == 0.0 && sums->weight == n;
    const double residual = s->rss - (plain ? s->residual_sum * s->residual_sum / n : 0.0), response = sums->zz - mean;
    summary->r_squared_adjusted =
        response > 0.0 && summary->residual_df > 0.0 ? 1.0 - residual * (n - 1.0) / (response * summary->residual_df) : NAN;
    const double log_scale = s->scale > 0 ? s->rss / s->phi + n * log(TWO_PI * s->phi)
                                                   : n * (log(TWO_PI * s->rss / n) + 1.0);
    summary->log_likelihood = -0.5 * log_scale + 0.5 * sums->log_weight;
    summary->aic = -2.0 * summary->log_likelihood + 2.0 * (s->edf + (s->scale > 0 ? 0.0 : 1.0));
    summary->iterations = s->iterations;
    summary->gradient = s->gradient;
    summary->status = s->status;
    summary->condition = NAN;
    summary->backward_error = s->solve.residual;
    summary->plan = &model->plan;
}

static double log_lambda_error(const w_search *s)
{
    double most = 0.0;
    for (int j = 0; j < s->design->sp_count; j++) {
        const double left = s->left[j], error = 2.0 * s->left_error[j];
        if (w_search_is_free(s, j) && left > error) {
            most = fmax(most, error / (left * (1.0 - s->rate[j])));
        }
    }
    return most;
}

static const char *preconditioner_name(const w_search *s)
{
    switch (s->options->preconditioner) {
    case WEIR_PRECONDITIONER_NONE: return "none";
    case WEIR_PRECONDITIONER_JACOBI: return "diagonal";
    case WEIR_PRECONDITIONER_NYSTROM: return "Nystrom";
    case WEIR_PRECONDITIONER_BLOCKS: return "blocks";
    default: return w_matrix_free_coarse(s->op) > 0 ? "blocks and coarse space" : "blocks";
    }
}

static weir_status fill_iterative(const w_search *s, weir_model *model)
{
    weir_iterative_summary *out = w_arena_calloc(&model->arena, 1, sizeof *out);
    const int64_t count = w_min64(s->solve.iterations + 1, W_ITERATIVE_HISTORY);
    double *history = w_arena_alloc(&model->arena, (size_t)count, sizeof *history);
    if (!out || !history) {
        return w_alloc_status(s->ctx);
    }
    memcpy(history, s->history, (size_t)count * sizeof *history);
    *out = (weir_iterative_summary){
        .preconditioner = preconditioner_name(s), .state = w_cg_state_name(s->solve.state), .iterations = s->solve.iterations,
        .products = s->products, .residual = s->solve.residual, .preconditioned = s->solve.preconditioned,
        .change = s->solve.energy_change, .history_count = count, .history = history, .probes = w_iterative_probes(s->design),
        .edf_error = s->trace[s->part_count - 1].error, .criterion_error = 0.5 * s->log_det.error, .log_sp_error = log_lambda_error(s),
        .seconds = s->solve_seconds, .jitter = s->blocks.jitter };
    model->summary.iterative = out;
    return WEIR_OK;
}

static weir_status add_notes(w_search *s, weir_model *model, double term_error)
{
    const w_design *design = s->design;
    weir_summary *summary = &model->summary;
    const char **note = w_arena_alloc(&model->arena, (size_t)design->note_count + 5, sizeof *note);
    if (!note) {
        return w_alloc_status(s->ctx);
    }
    int count = 0;
    for (; count < design->note_count; count++) {
        note[count] = design->note[count];
    }
    note[count++] = w_arena_printf(&model->arena, "matrix-free conjugate gradients: %lld steps in the last solve, %lld products in all, "
                                   "relative residual %.2g", (long long)s->solve.iterations, (long long)s->products, s->solve.residual);
    note[count++] = w_arena_printf(&model->arena, "estimates from %lld probes, standard errors: edf %.2g (of a term at most %.2g), "
                                   "criterion %.2g, log smoothing parameters about %.2g", (long long)w_iterative_probes(design),
                                   s->trace[s->part_count - 1].error, term_error, 0.5 * s->log_det.error, log_lambda_error(s));
    note[count++] = "no covariance is held: no tests of smooths and no standard errors of predictions";
    if (s->glm) {
        note[count++] = "the smoothing parameters are those of the working model's criterion";
    }
    if (s->status == WEIR_NOT_CONVERGED) {
        note[count++] = w_arena_printf(&model->arena, s->solve.state != W_CG_CONVERGED
                                       ? "conjugate gradients stopped (%s) after %lld steps above their tolerance"
                                       : s->glm ? "the working models and smoothing parameters did not converge (%s) in %lld steps"
                                       : "the search for smoothing parameters did not converge (%s) in %lld steps",
                                       s->solve.state != W_CG_CONVERGED ? w_cg_state_name(s->solve.state) : model->summary.criterion_name,
                                       (long long)(s->solve.state != W_CG_CONVERGED ? s->solve.iterations : s->iterations));
    }
    for (int i = 0; i < count; i++) {
        if (!note[i]) {
            return w_alloc_status(s->ctx);
        }
    }
    summary->note = note;
    summary->note_count = count;
    return WEIR_OK;
}

weir_status w_search_fill(w_search *s, weir_model *model)
{
    const w_design *design = s->design;
    const size_t p = (size_t)design->p;
    const int64_t *column = w_matrix_free_column(s->op);
    w_glm glm;
    double term_error = 0.0;
    model->rho = w_arena_calloc(&model->arena, (size_t)design->sp_count + 1, sizeof(double));
    model->beta = w_arena_alloc(&model->arena, p, sizeof(double));
    model->edf = w_arena_alloc(&model->arena, p, sizeof(double));
    model->edf1 = w_arena_alloc(&model->arena, p, sizeof(double));
    if (!model->rho || !model->beta || !model->edf || !model->edf1) {
        return w_alloc_status(s->ctx);
    }
    model->covariance = w_calloc(s->ctx, "covariance", 1, sizeof *model->covariance);
    if (!model->covariance) {
        return w_alloc_status(s->ctx);
    }
    model->covariance->ctx = s->ctx;
    model->covariance->p = design->p;
    memcpy(model->rho, s->rho, (size_t)design->sp_count * sizeof(double));
    for (size_t c = 0; c < p; c++) {
        model->beta[column[c]] = s->beta[c];
    }
    fill_fit(s, model);
    if (design->intercept_column >= 0) {
        model->beta[design->intercept_column] += design->response_shift;
    }
    if (s->glm) {
        w_search_describe(s, model);
    }
    weir_status status = s->glm ? WEIR_OK : w_family_parse(s->ctx, "gaussian", &glm);
    status = status < 0 ? status : w_model_name_family(model, s->glm ? s->glm : &glm);
    status = status < 0 ? status : fill_terms(s, model, &term_error);
    status = status < 0 ? status : fill_coefficients(s, model);
    status = status < 0 ? status : add_notes(s, model, term_error);
    status = status < 0 ? status : fill_iterative(s, model);
    return status < 0 ? status : w_predict_name_terms(model);
}
