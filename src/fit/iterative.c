/* SPDX-License-Identifier: Apache-2.0 */
/* The search. Each step solves for beta from the last one, then for the probes; with the gradient of REML
 *     g_j = 1/2 (beta'V_j beta / phi + tr(P V_j) - tr(S^- V_j))
 * the step in log lambda_j is d_j = log((tr(S^- V_j) - tr(P V_j)) phi / beta'V_j beta). Near the end the steps shrink by a constant
 * factor c_j; every third one is lengthened by 1 / (1 - c_j) (Aitken). The probes are the same throughout, so the
 * steps converge as those with exact traces do, to a point that is off by about
 *     err(tr P V_j) / ((tr(S^- V_j) - tr(P V_j)) (1 - c_j))
 * in log lambda_j: what the model states.
 *
 * GCV and UBRE: n r/(n - gamma tau)^2 and r/n + 2 gamma phi tau/n, r = ||z - X beta||_W^2, tau = tr(PA), A = X'WX, are stationary where
 *     beta'S P V_j beta = gamma phi tr(P V_j P A),   phi = r/(n - gamma tau) of GCV,
 * and steps in log lambda_j are the logarithm of the right side over the left one, which one more solve gives. REML with
 * gamma: beta'V_j beta = gamma phi (tr(S^-V_j) - tr(PV_j)), phi = (r + beta'S beta)/(n - gamma M), M unpenalised directions. References: Wood & Fasiolo (2017) for the step, krylov/probe.h for the traces. */
#include "fit/iterative_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "fit/criterion.h"
#include "fit/pirls.h"

#define SEARCH_STEPS 100
#define REACH 25.0           /* log lambda stays within this of where it starts */
#define SEARCH_TOLERANCE 1e-8
#define ERROR_SHARE 0.05     /* of the gradient's own error */
#define GRADIENT_FLOOR 1e-6  /* where the probes have no error */
#define LONGEST_STEP 5.0

const char *w_iterative_unfit(const w_design *design, const weir_fit_options *options, bool linear)
{
    w_glm glm;
    if (!linear && w_family_parse(design->ctx, options->family, &glm) >= 0 && w_pirls_has_parameters(&glm)) {
        return "does not estimate the parameters of a family: give them";
    }
    if (!linear && options->laplace > 0) {
        return "has the working model's criterion alone, not the Laplace one";
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
    bool fixed = true;
    for (int j = 0; j < design->sp_count; j++) {
        fixed = fixed && design->sp_fixed && !isnan(design->sp_fixed[j]);
    }
    return options->criterion == WEIR_ML && !fixed ? "does not choose smoothing parameters by ML" : NULL;
}

/* The relative error of a trace falls with the size of the matrix too. */
int64_t w_iterative_probes(const w_design *design) { return design->p < 2000 ? 32 : design->p < 20000 ? 16 : 8; }

int64_t w_iterative_bytes(const w_design *design, const weir_fit_options *options, int vectors, int workers)
{
    const int64_t solves = w_max64(w_cg_bytes(1, &design->p, vectors), w_trace_probes_bytes(design, w_iterative_probes(design), vectors));
    int64_t bytes = w_add64(w_matrix_free_bytes(design, vectors, workers), w_matrix_free_preconditioner_bytes(design, workers));
    bytes = w_add64(bytes, w_add64(solves, w_mul64(design->p, 8 * (4 + 2 * (int64_t)vectors))));
    if (options->preconditioner == WEIR_PRECONDITIONER_NYSTROM) {
        bytes = w_add64(bytes, w_matrix_free_nystrom_bytes(design, vectors));
    }
    return w_add64(bytes, w_add64(w_mul64(design->sp_count + design->penalty_count + 16, 256), 1 << 16));
}

int64_t w_iterative_solves(const w_design *design)
{
    return (1 + w_iterative_probes(design)) * (design->sp_count > 0 ? 8 : 1);
}

int w_iterative_vectors(const w_design *design, const weir_fit_options *options, int workers, int64_t bytes)
{
    int vectors = W_MATRIX_FREE_VECTORS;
    while (vectors > 1 && w_iterative_bytes(design, options, vectors, workers) > bytes) {
        vectors /= 2;
    }
    return vectors;
}

/* ---- one point ------------------------------------------------------------------------------------------------------ */

static weir_status set_point(w_search *s)
{
    w_preconditioner_free(s->ctx, &s->preconditioner);
    memset(&s->preconditioner, 0, sizeof s->preconditioner);
    w_matrix_free_penalise(s->op, s->rho);
    return w_matrix_free_preconditioner(s->op, &s->blocks, &s->preconditioner);
}

static weir_status solve_beta(w_search *s, double tolerance)
{
    const w_cg_options options = { .right_hand_sides = 1, .warm = true, .tolerance = tolerance, .energy_tolerance = tolerance,
                                   .max_iterations = W_ITERATIVE_CG_STEPS, .history = s->history,
                                   .history_rows = W_ITERATIVE_HISTORY };
    const double begin = w_clock_seconds();
    weir_status status = w_cg_solve(s->ctx, w_matrix_free_operator(s->op), &s->preconditioner, &options,
                                    w_matrix_free_rhs(s->op), s->beta, &s->solve);
    s->solve_seconds = w_clock_seconds() - begin;
    s->products += s->solve.iterations;
    return status;
}

/* Sums over the penalties of one smoothing parameter. */
static void add_up(w_search *s)
{
    memset(s->trace_sp, 0, (size_t)s->design->sp_count * sizeof *s->trace_sp);
    memset(s->error_sp, 0, (size_t)s->design->sp_count * sizeof *s->error_sp);
    for (int j = 0; j < s->design->penalty_count; j++) {
        s->trace_sp[s->design->penalty[j].sp] += s->trace[j].value;
        s->error_sp[s->design->penalty[j].sp] += s->trace[j].error; /* of one sign in the worst case */
    }
}

/* log_det: wanted, at the end. */
static weir_status take_traces(w_search *s, bool log_det)
{
    int64_t products = 0;
    const bool rows = s->prediction_error && !log_det;
    weir_status status = rows ? w_trace_probes_rows(s->probes, s->op, &s->preconditioner, s->trace, &products)
                              : w_trace_probes_run(s->probes, s->op, &s->preconditioner, s->trace, log_det ? &s->log_det : NULL,
                                                   &products);
    s->products += products;
    const double last = s->trace[s->part_count - 1].value;
    s->edf = rows ? last : (double)s->design->p - last;
    add_up(s);
    for (int j = 0; rows && j < s->design->sp_count; j++) {
        s->left[j] = s->gamma * s->trace_sp[j];
        s->left_error[j] = 0.5 * s->gamma * s->error_sp[j];
    }
    return status;
}

/* P S beta: beta'S P V_j beta = (P S beta)'V_j beta. */
static weir_status smooth_again(w_search *s)
{
    const w_cg_options options = { .right_hand_sides = 1, .tolerance = SEARCH_TOLERANCE, .max_iterations = W_ITERATIVE_CG_STEPS };
    w_cg_result result;
    w_matrix_free_penalty_product(s->op, s->beta, s->image);
    weir_status status = w_cg_solve(s->ctx, w_matrix_free_operator(s->op), &s->preconditioner, &options, s->image, s->image2, &result);
    s->products += result.iterations;
    return status;
}

double w_search_unpenalised(const w_search *s)
{
    double rank = 0.0;
    w_criterion_penalty_logdet(s->design, NULL, s->rho, s->range, NULL);
    for (int j = 0; j < s->design->sp_count; j++) {
        rank += s->range[j];
    }
    return (double)s->design->p - rank;
}

/* traces: those of the search were taken at this point. */
static weir_status take_fit(w_search *s, bool traces)
{
    const double n = (double)w_matrix_free_sums_of(s->op)->n;
    const bool error = s->prediction_error && traces;
    weir_status status = w_matrix_free_residual(s->op, s->beta, &s->rss, &s->residual_sum);
    if (status >= 0 && error) {
        status = smooth_again(s);
    }
    memset(s->pull, 0, (size_t)s->design->sp_count * sizeof *s->pull);
    s->penalty = 0.0;
    for (int j = 0; j < s->design->penalty_count; j++) {
        const double part = w_matrix_free_penalty(s->op, j, s->beta, s->beta);
        s->pull[s->design->penalty[j].sp] += error ? w_matrix_free_penalty(s->op, j, s->image2, s->beta) : part;
        s->penalty += part;
    }
    const bool plain = s->gamma == 1.0 || s->prediction_error;
    s->phi = s->scale > 0 ? s->scale
             : plain      ? s->rss / fmax(n - (error ? s->gamma : 1.0) * s->edf, 1e-3)
                          : (s->rss + s->penalty) / (n - s->gamma * w_search_unpenalised(s));
    return status;
}

bool w_search_is_free(const w_search *s, int j) { return !(s->design->sp_fixed && !isnan(s->design->sp_fixed[j])); }

/* Gradient and steps; true when every gradient drowns in its error. */
bool w_search_is_stationary(w_search *s)
{
    bool done = true;
    s->gradient = 0.0;
    w_criterion_penalty_logdet(s->design, NULL, s->rho, s->range, NULL);
    for (int j = 0; j < s->design->sp_count; j++) {
        if (!w_search_is_free(s, j)) {
            continue;
        }
        if (!s->prediction_error) {
            s->left[j] = s->gamma * fmax(s->range[j] - s->trace_sp[j], 1e-10 * s->range[j]);
            s->left_error[j] = 0.5 * s->gamma * s->error_sp[j];
        }
        const double left = s->left[j], gradient = 0.5 * (s->pull[j] / s->phi - left);
        s->last[j] = s->step[j];
        s->step[j] = log(left * s->phi / fmax(s->pull[j], 1e-300));
        s->step[j] = fmin(fmax(s->step[j], -LONGEST_STEP), LONGEST_STEP);
        const double away = s->rho[j] - s->origin[j];
        if (fabs(away) >= REACH && away * s->step[j] > 0.0) { /* at the end of its reach: flat */
            s->step[j] = 0.0;
            continue;
        }
        s->gradient = fmax(s->gradient, fabs(gradient));
        done = done && fabs(gradient) <= fmax(ERROR_SHARE * s->left_error[j], GRADIENT_FLOOR * fmax(1.0, s->range[j]));
    }
    return done;
}

void w_search_advance(w_search *s)
{
    for (int j = 0; j < s->design->sp_count; j++) {
        if (!w_search_is_free(s, j)) {
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

weir_status w_search_visit(w_search *s, double tolerance, bool log_det, bool traces)
{
    weir_status status = set_point(s), worst;
    if (status >= 0) {
        status = solve_beta(s, tolerance);
    }
    worst = status;
    if (status >= 0 && traces) {
        status = take_traces(s, log_det);
    }
    if (status >= 0) {
        status = take_fit(s, traces && !log_det);
    }
    return status < 0 ? status : worst;
}

static bool any_free(const w_search *s)
{
    bool any = false;
    for (int j = 0; j < s->design->sp_count; j++) {
        any = any || w_search_is_free(s, j);
    }
    return any;
}

static weir_status run_linear(w_search *s)
{
    const int most = s->options->max_iterations > 0 ? s->options->max_iterations : SEARCH_STEPS;
    const bool any = any_free(s);
    bool done = false;
    weir_status status = w_search_visit(s, any ? SEARCH_TOLERANCE : W_CG_TOLERANCE, !any, true);
    while (status >= 0 && !(done = w_search_is_stationary(s)) && s->iterations < most) {
        s->iterations++;
        w_search_advance(s);
        status = w_search_visit(s, SEARCH_TOLERANCE, false, true);
    }
    if (status >= 0 && any) {
        status = w_search_visit(s, W_CG_TOLERANCE, true, true);
    }
    s->status = status > 0 ? WEIR_NOT_CONVERGED : !done ? WEIR_NOT_CONVERGED : WEIR_OK;
    return status;
}

/* ---- start and end -------------------------------------------------------------------------------------------------- */

/* Where data and penalty weigh alike. */
static void start(w_search *s)
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
        s->rho[j] = w_search_is_free(s, j) ? s->origin[j] : log(s->design->sp_fixed[j]);
        s->rate[j] = 0.5;
    }
}

static weir_status search_open(w_search *s, weir_table *table, const w_tile_request *request, const weir_plan *plan)
{
    const size_t m = (size_t)s->design->sp_count, p = (size_t)s->design->p;
    s->vectors = w_iterative_vectors(s->design, s->options, w_pool_workers(s->ctx), plan->bytes_sums);
    s->part_count = s->design->penalty_count + 1;
    s->memory = w_calloc(s->ctx, "search", 11 * m + 4 * p, sizeof *s->memory);
    s->trace = w_calloc(s->ctx, "search", (size_t)s->part_count, sizeof *s->trace);
    if (!s->memory || !s->trace) {
        return w_alloc_status(s->ctx);
    }
    double **vector[] = { &s->rho, &s->origin, &s->step, &s->last, &s->pull, &s->range, &s->trace_sp, &s->error_sp, &s->rate,
                          &s->left, &s->left_error };
    for (size_t i = 0; i < sizeof vector / sizeof *vector; i++) {
        *vector[i] = s->memory + i * m;
    }
    s->beta = s->memory + 11 * m;
    s->old = s->beta + p;
    s->image = s->old + p;
    s->image2 = s->image + p;
    w_matrix_free_options options = { .request = request, .cache_bytes = plan->tile_bytes, .vectors = s->vectors };
    if (s->glm) {
        s->working = (w_working){ .glm = s->glm, .phi = 1.0, .null_mean = NAN, .null_eta = NAN, .cross_parameter = -1, .check = true,
                                  .table = w_source_label(table) };
        options.working = w_search_working;
        options.working_arg = s;
        options.extra_count = W_SUM_COUNT;
    }
    w_progress_phase(s->ctx, "accumulate");
    weir_status status = w_matrix_free_create(s->ctx, s->design, table, &options, &s->op);
    s->working.check = false;
    if (status >= 0) {
        w_matrix_free_choose(s->op, (w_matrix_free_kind)s->options->preconditioner);
    }
    return status < 0 ? status : w_trace_probes_create(s->ctx, s->design, w_iterative_probes(s->design), s->vectors, &s->probes);
}

static void search_close(w_search *s)
{
    w_preconditioner_free(s->ctx, &s->preconditioner);
    w_matrix_free_free(s->op);
    w_free(s->ctx, s->trace);
    w_trace_probes_free(s->probes);
    w_free(s->ctx, s->memory);
}

weir_status w_iterative_model(weir_ctx *ctx, w_design *design, weir_table *table, const w_tile_request *request,
                              const weir_plan *plan, const weir_fit_options *options, const w_glm *glm, weir_model **out)
{
    w_search s = { .ctx = ctx, .design = design, .options = options, .glm = glm };
    s.gamma = options->gamma > 0 ? options->gamma : 1.0;
    s.prediction_error = options->criterion == WEIR_GCV || options->criterion == WEIR_UBRE;
    s.scale = glm && glm->family->scale_known ? 1.0 : options->scale;
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
        status = glm ? w_search_generalised(&s, any_free(&s)) : run_linear(&s);
    }
    if (status >= 0) {
        status = w_search_fill(&s, model);
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
