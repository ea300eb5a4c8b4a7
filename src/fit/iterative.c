/* SPDX-License-Identifier: Apache-2.0 */
/* The search. Each step solves for beta from the last one, then for the probes; with the gradient of REML
 *     g_j = 1/2 (beta'V_j beta / phi + tr(P V_j) - tr(S^- V_j))
 * the step in log lambda_j is d_j = log((tr(S^- V_j) - tr(P V_j)) phi / beta'V_j beta). Near the end the steps shrink by a constant
 * factor c_j; every third one is lengthened by 1 / (1 - c_j) (Aitken). The probes are the same throughout, so the
 * steps converge as those with exact traces do, to a point that is off by about
 *     err(tr P V_j) / ((tr(S^- V_j) - tr(P V_j)) (1 - c_j))
 * in log lambda_j: what the model states. References: Wood & Fasiolo (2017) for the step, krylov/probe.h for the traces. */
#include "fit/iterative.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/size.h"
#include "fit/criterion.h"
#include "fit/inference.h"
#include "fit/iterative_probe.h"
#include "fit/predict.h"
#include "fit/shape.h"
#include "krylov/cg.h"

#define SEARCH_STEPS 100
#define REACH 25.0           /* log lambda stays within this of where it starts */
#define SEARCH_TOLERANCE 1e-8
#define PROBE_TOLERANCE 1e-6
#define ERROR_SHARE 0.05     /* of the gradient's own error */
#define GRADIENT_FLOOR 1e-6  /* where the probes have no error */
#define LONGEST_STEP 5.0
#define CG_STEPS 2000
#define MOST_ERRORS 64       /* parametric columns with standard errors */
#define TWO_PI 6.283185307179586476925

typedef struct search {
    weir_ctx *ctx;
    const w_design *design;
    const weir_fit_options *options;
    w_matrix_free *op;
    w_preconditioner preconditioner;
    w_block_report blocks;
    int vectors;
    double *rho, *origin, *step, *last, *pull, *range, *trace_sp, *error_sp; /* sp_count each */
    double *rate;
    double *beta;             /* coordinates of the operator */
    int part_count;           /* traces: one per penalty, then the total */
    w_estimate *trace, log_det;
    w_trace_probes *probes;
    double rss, residual_sum, phi, edf, penalty, gradient, largest_share;
    int iterations;
    w_cg_result solve;
    int64_t products;
    weir_status status;
    double *memory;
} search;

const char *w_iterative_unfit(const w_design *design, const weir_fit_options *options, bool linear)
{
    if (!linear) {
        return "serves linear models with normal errors alone";
    }
    if (options->ridge > 0) {
        return "does not take a ridge";
    }
    for (int t = 0; t < design->term_count; t++) {
        if (design->term[t].smooth && w_smooth_signed(design->term[t].smooth) < design->term[t].smooth->columns) {
            return "does not serve shape constraints";
        }
    }
    if (design->ar1) {
        return "does not serve AR(1) residuals";
    }
    if (options->gamma > 0 && options->gamma != 1.0) {
        return "takes gamma = 1 alone";
    }
    bool fixed = true;
    for (int j = 0; j < design->sp_count; j++) {
        fixed = fixed && design->sp_fixed && !isnan(design->sp_fixed[j]);
    }
    return options->criterion != WEIR_REML && !fixed ? "chooses smoothing parameters by REML alone" : NULL;
}

/* The relative error of a trace falls with the size of the matrix too. */
static int64_t probe_count(int64_t p) { return p < 2000 ? 32 : p < 20000 ? 16 : 8; }

int64_t w_iterative_bytes(const w_design *design, int vectors, int workers)
{
    const int64_t solves = w_max64(w_cg_bytes(1, &design->p, vectors), w_trace_probes_bytes(design, probe_count(design->p), vectors));
    int64_t bytes = w_add64(w_matrix_free_bytes(design, vectors, workers), w_matrix_free_preconditioner_bytes(design, workers));
    bytes = w_add64(bytes, w_add64(solves, w_mul64(design->p, 8 * (1 + 2 * (int64_t)vectors))));
    return w_add64(bytes, w_add64(w_mul64(design->sp_count + design->penalty_count + 16, 256), 1 << 16));
}

int64_t w_iterative_solves(const w_design *design)
{
    return (1 + probe_count(design->p)) * (design->sp_count > 0 ? 8 : 1);
}

int w_iterative_vectors(const w_design *design, int workers, int64_t bytes)
{
    int vectors = W_MATRIX_FREE_VECTORS;
    while (vectors > 1 && w_iterative_bytes(design, vectors, workers) > bytes) {
        vectors /= 2;
    }
    return vectors;
}

/* ---- one point ------------------------------------------------------------------------------------------------------ */

static weir_status set_point(search *s)
{
    w_preconditioner_free(s->ctx, &s->preconditioner);
    memset(&s->preconditioner, 0, sizeof s->preconditioner);
    w_matrix_free_penalise(s->op, s->rho);
    return w_matrix_free_preconditioner(s->op, &s->blocks, &s->preconditioner);
}

static weir_status solve_beta(search *s, double tolerance)
{
    const w_cg_options options = { .right_hand_sides = 1, .warm = true, .tolerance = tolerance, .energy_tolerance = tolerance,
                                   .max_iterations = CG_STEPS };
    weir_status status = w_cg_solve(s->ctx, w_matrix_free_operator(s->op), &s->preconditioner, &options,
                                    w_matrix_free_rhs(s->op), s->beta, &s->solve);
    s->products += s->solve.iterations;
    return status;
}

/* log_det: wanted, at the end. */
static weir_status take_traces(search *s, bool log_det)
{
    int64_t products = 0;
    weir_status status = w_trace_probes_run(s->probes, s->op, &s->preconditioner, s->trace, log_det ? &s->log_det : NULL, &products);
    s->products += products;
    memset(s->trace_sp, 0, (size_t)s->design->sp_count * sizeof *s->trace_sp);
    memset(s->error_sp, 0, (size_t)s->design->sp_count * sizeof *s->error_sp);
    for (int j = 0; j < s->design->penalty_count; j++) {
        s->trace_sp[s->design->penalty[j].sp] += s->trace[j].value;
        s->error_sp[s->design->penalty[j].sp] += s->trace[j].error; /* of one sign in the worst case */
    }
    s->edf = (double)s->design->p - s->trace[s->part_count - 1].value;
    return status;
}

static weir_status take_fit(search *s)
{
    const w_matrix_free_sums *sums = w_matrix_free_sums_of(s->op);
    weir_status status = w_matrix_free_residual(s->op, s->beta, &s->rss, &s->residual_sum);
    memset(s->pull, 0, (size_t)s->design->sp_count * sizeof *s->pull);
    s->penalty = 0.0;
    for (int j = 0; j < s->design->penalty_count; j++) {
        const double part = w_matrix_free_penalty(s->op, j, s->beta, s->beta);
        s->pull[s->design->penalty[j].sp] += part;
        s->penalty += part;
    }
    s->phi = s->options->scale > 0 ? s->options->scale : s->rss / fmax((double)sums->n - s->edf, 1e-3);
    return status;
}

static bool is_free(const search *s, int j) { return !(s->design->sp_fixed && !isnan(s->design->sp_fixed[j])); }

/* Gradient and steps; true when every gradient drowns in its error. */
static bool is_stationary(search *s)
{
    bool done = true;
    s->gradient = 0.0;
    w_criterion_penalty_logdet(s->design, NULL, s->rho, s->range, NULL);
    for (int j = 0; j < s->design->sp_count; j++) {
        if (!is_free(s, j)) {
            continue;
        }
        const double left = fmax(s->range[j] - s->trace_sp[j], 1e-10 * s->range[j]);
        const double gradient = 0.5 * (s->pull[j] / s->phi - left);
        s->last[j] = s->step[j];
        s->step[j] = log(left * s->phi / fmax(s->pull[j], 1e-300));
        s->step[j] = fmin(fmax(s->step[j], -LONGEST_STEP), LONGEST_STEP);
        const double away = s->rho[j] - s->origin[j];
        if (fabs(away) >= REACH && away * s->step[j] > 0.0) { /* at the end of its reach: flat */
            s->step[j] = 0.0;
            continue;
        }
        s->gradient = fmax(s->gradient, fabs(gradient));
        done = done && fabs(gradient) <= fmax(ERROR_SHARE * 0.5 * s->error_sp[j], GRADIENT_FLOOR * fmax(1.0, s->range[j]));
    }
    return done;
}

static void advance(search *s)
{
    for (int j = 0; j < s->design->sp_count; j++) {
        if (!is_free(s, j)) {
            continue;
        }
        double length = 1.0;
        const double rate = s->last[j] != 0.0 ? s->step[j] / s->last[j] : 0.0;
        if (s->iterations % 3 == 0 && rate > 0.0 && rate < 1.0) {
            length = 1.0 / (1.0 - fmin(rate, 0.9));
        }
        if (rate > 0.0 && rate < 1.0 && (s->iterations % 3) != 1) { /* after a plain step */
            s->rate[j] = fmin(rate, 0.95);
        }
        s->rho[j] += fmin(fmax(length * s->step[j], -LONGEST_STEP), LONGEST_STEP);
        s->rho[j] = fmin(fmax(s->rho[j], s->origin[j] - REACH), s->origin[j] + REACH);
    }
}

static weir_status visit_point(search *s, double tolerance, bool search_on)
{
    weir_status status = set_point(s), worst;
    if (status >= 0) {
        status = solve_beta(s, tolerance);
    }
    worst = status;
    if (status >= 0) {
        status = take_traces(s, !search_on);
    }
    if (status >= 0) {
        status = take_fit(s);
    }
    return status < 0 ? status : worst;
}

static weir_status run_search(search *s)
{
    const int most = s->options->max_iterations > 0 ? s->options->max_iterations : SEARCH_STEPS;
    bool any = false;
    for (int j = 0; j < s->design->sp_count; j++) {
        any = any || is_free(s, j);
    }
    bool done = false;
    weir_status status = visit_point(s, any ? SEARCH_TOLERANCE : W_CG_TOLERANCE, any);
    while (status >= 0 && !(done = is_stationary(s)) && s->iterations < most) {
        s->iterations++;
        advance(s);
        status = visit_point(s, SEARCH_TOLERANCE, true);
    }
    if (status >= 0 && any) {
        status = visit_point(s, W_CG_TOLERANCE, false);
    }
    s->status = status > 0 ? WEIR_NOT_CONVERGED : !done ? WEIR_NOT_CONVERGED : WEIR_OK;
    return status;
}

/* ---- start and end -------------------------------------------------------------------------------------------------- */

/* Where data and penalty weigh alike. */
static void start(search *s)
{
    const int64_t *position = w_matrix_free_position(s->op);
    const double *diagonal = w_matrix_free_diagonal(s->op);
    for (int j = 0; j < s->design->sp_count; j++) {
        double data = 0.0, weight = 0.0;
        for (int i = 0; i < s->design->penalty_count; i++) {
            const w_design_penalty *penalty = &s->design->penalty[i];
            for (int64_t c = 0; penalty->sp == j && c < penalty->k * penalty->repeat; c++) {
                const double entry = penalty->matrix ? penalty->matrix[(c % penalty->k) * (penalty->k + 1)] : 1.0;
                data += entry > 0.0 ? diagonal[position[penalty->first + c]] : 0.0;
                weight += entry > 0.0 ? entry : 0.0;
            }
        }
        s->origin[j] = data > 0.0 && weight > 0.0 ? log(data / weight) : 0.0;
        s->rho[j] = is_free(s, j) ? s->origin[j] : log(s->design->sp_fixed[j]);
        s->rate[j] = 0.5;
    }
}

static weir_status search_open(search *s, weir_table *table, const w_tile_request *request, const weir_plan *plan)
{
    const size_t m = (size_t)s->design->sp_count, p = (size_t)s->design->p;
    s->vectors = w_iterative_vectors(s->design, w_pool_workers(s->ctx), plan->bytes_sums);
    s->part_count = s->design->penalty_count + 1;
    s->memory = w_calloc(s->ctx, "search", 9 * m + p, sizeof *s->memory);
    s->trace = w_calloc(s->ctx, "search", (size_t)s->part_count, sizeof *s->trace);
    if (!s->memory || !s->trace) {
        return w_alloc_status(s->ctx);
    }
    double **vector[] = { &s->rho, &s->origin, &s->step, &s->last, &s->pull, &s->range, &s->trace_sp, &s->error_sp, &s->rate };
    for (size_t i = 0; i < sizeof vector / sizeof *vector; i++) {
        *vector[i] = s->memory + i * m;
    }
    s->beta = s->memory + 9 * m;
    const w_matrix_free_options options = { .request = request, .cache_bytes = plan->tile_bytes, .vectors = s->vectors };
    w_progress_phase(s->ctx, "accumulate");
    weir_status status = w_matrix_free_create(s->ctx, s->design, table, &options, &s->op);
    return status < 0 ? status : w_trace_probes_create(s->ctx, s->design, probe_count(s->design->p), s->vectors, &s->probes);
}

static void search_close(search *s)
{
    w_preconditioner_free(s->ctx, &s->preconditioner);
    w_matrix_free_free(s->op);
    w_free(s->ctx, s->trace);
    w_trace_probes_free(s->probes);
    w_free(s->ctx, s->memory);
}

/* edf of a term and its error. */
static void term_edf(const search *s, const w_term *term, double *edf, double *error)
{
    *edf = (double)term->columns;
    *error = 0.0;
    for (int j = term->penalty_first; j < term->penalty_first + term->penalty_count; j++) {
        *edf -= s->trace[j].value;
        *error += s->trace[j].error;
    }
}

static weir_status fill_terms(search *s, weir_model *model, double *largest_error)
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
static weir_status standard_errors(search *s, int64_t count, double *out)
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
        const w_cg_options options = { .right_hand_sides = width, .tolerance = PROBE_TOLERANCE, .max_iterations = CG_STEPS };
        memset(b, 0, (size_t)(width * p) * sizeof *b);
        for (int64_t k = 0; k < width; k++) {
            b[k * p + position[j + k]] = 1.0;
        }
        status = w_cg_solve(s->ctx, w_matrix_free_operator(s->op), &s->preconditioner, &options, b, x, result);
        for (int64_t k = 0; status >= 0 && k < width; k++) {
            out[j + k] = sqrt(s->phi * fmax(x[k * p + position[j + k]], 0.0));
        }
    }
    w_free(s->ctx, b);
    return status;
}

static weir_status fill_coefficients(search *s, weir_model *model)
{
    const w_design *design = s->design;
    const int64_t count = design->parametric_columns;
    const bool known = model->summary.scale_estimated == 0;
    weir_coefficient *table = w_arena_calloc(&model->arena, (size_t)count + 1, sizeof *table);
    double *error = w_arena_calloc(&model->arena, (size_t)count + 1, sizeof *error);
    if (!table || !error) {
        return w_alloc_status(s->ctx);
    }
    weir_status status = count > 0 && count <= MOST_ERRORS ? standard_errors(s, count, error) : WEIR_OK;
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

static void fill_fit(const search *s, weir_model *model)
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
    const double phi = s->options->scale > 0 ? s->options->scale : q / (n - null_dimension);
    summary->criterion = 0.5 * (q / phi + (n - null_dimension) * log(TWO_PI * phi) + s->log_det.value - constant - sums->log_weight);
    summary->formula = design->formula;
    summary->criterion_name = "REML";
    summary->n = sums->n;
    summary->rows = design->rows;
    summary->rows_missing = design->rows_missing;
    summary->rows_zero_weight = design->rows_zero_weight;
    summary->columns = summary->rank = design->p;
    summary->edf_total = s->edf;
    summary->residual_df = n - s->edf;
    summary->scale = model->scale = s->phi;
    summary->scale_estimated = s->options->scale > 0 ? 0 : 1;
    summary->deviance = s->rss;
    summary->null_deviance = design->intercept_column >= 0 ? fmax(sums->zz - mean, 0.0) : sums->zz;
    summary->deviance_explained =
        summary->null_deviance > 0.0 ? (summary->null_deviance - s->rss) / summary->null_deviance : NAN;
    const bool plain = sums->log_weight == 0.0 && sums->weight == n;
    const double residual = s->rss - (plain ? s->residual_sum * s->residual_sum / n : 0.0), response = sums->zz - mean;
    summary->r_squared_adjusted =
        response > 0.0 && summary->residual_df > 0.0 ? 1.0 - residual * (n - 1.0) / (response * summary->residual_df) : NAN;
    const double log_scale = s->options->scale > 0 ? s->rss / s->phi + n * log(TWO_PI * s->phi)
                                                   : n * (log(TWO_PI * s->rss / n) + 1.0);
    summary->log_likelihood = -0.5 * log_scale + 0.5 * sums->log_weight;
    summary->aic = -2.0 * summary->log_likelihood + 2.0 * (s->edf + (s->options->scale > 0 ? 0.0 : 1.0));
    summary->iterations = s->iterations;
    summary->gradient = s->gradient;
    summary->status = s->status;
    summary->condition = NAN;
    summary->backward_error = s->solve.residual;
    summary->plan = &model->plan;
}

static double log_lambda_error(const search *s)
{
    double most = 0.0;
    for (int j = 0; j < s->design->sp_count; j++) {
        const double left = s->range[j] - s->trace_sp[j];
        if (is_free(s, j) && left > s->error_sp[j]) {
            most = fmax(most, s->error_sp[j] / (left * (1.0 - s->rate[j])));
        }
    }
    return most;
}

static weir_status add_notes(search *s, weir_model *model, double term_error)
{
    const w_design *design = s->design;
    weir_summary *summary = &model->summary;
    const char **note = w_arena_alloc(&model->arena, (size_t)design->note_count + 4, sizeof *note);
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
                                   "criterion %.2g, log smoothing parameters about %.2g", (long long)probe_count(design->p),
                                   s->trace[s->part_count - 1].error, term_error, 0.5 * s->log_det.error, log_lambda_error(s));
    note[count++] = "no covariance is held: no tests of smooths and no standard errors of predictions";
    if (s->status == WEIR_NOT_CONVERGED) {
        note[count++] = w_arena_printf(&model->arena, s->solve.state != W_CG_CONVERGED
                                       ? "conjugate gradients stopped (%s) after %lld steps above their tolerance"
                                       : "the search for smoothing parameters did not converge (%s) in %lld steps",
                                       s->solve.state != W_CG_CONVERGED ? w_cg_state_name(s->solve.state) : "REML",
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

static weir_status fill_model(search *s, weir_model *model)
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
    weir_status status = w_family_parse(s->ctx, "gaussian", &glm);
    status = status < 0 ? status : w_model_name_family(model, &glm);
    status = status < 0 ? status : fill_terms(s, model, &term_error);
    status = status < 0 ? status : fill_coefficients(s, model);
    status = status < 0 ? status : add_notes(s, model, term_error);
    return status < 0 ? status : w_predict_name_terms(model);
}

weir_status w_iterative_model(weir_ctx *ctx, w_design *design, weir_table *table, const w_tile_request *request,
                              const weir_plan *plan, const weir_fit_options *options, weir_model **out)
{
    search s = { .ctx = ctx, .design = design, .options = options };
    weir_model *model = w_calloc(ctx, "model", 1, sizeof *model);
    if (!model) {
        return w_alloc_status(ctx);
    }
    model->ctx = ctx;
    model->design = design;
    model->plan = *plan;
    w_arena_init(&model->arena, ctx, "model");
    weir_status status = search_open(&s, table, request, plan);
    if (status >= 0) {
        start(&s);
        w_progress_phase(ctx, "smooth");
        status = run_search(&s);
    }
    if (status >= 0) {
        status = fill_model(&s, model);
    }
    const weir_status found = s.status;
    search_close(&s);
    if (status < 0) {
        model->design = NULL;
        w_model_free(model);
        return status;
    }
    *out = model;
    if (found == WEIR_NOT_CONVERGED) {
        w_remark(ctx, WEIR_NOT_CONVERGED, "%s", model->summary.note[model->summary.note_count - 1]);
    }
    return found;
}
