/* SPDX-License-Identifier: Apache-2.0 */
/* One block of W_BATCH groups at given lambda, H = A + S, f = X'Wz, all lanes at once:
 *     beta = H^-1 f, refined once (but for w_group_task.coefficients_only);  P = H^-1;  edf = p - tr(PS);  r = z'Wz - 2 beta'f + beta'A beta
 * A lane whose scaled Cholesky meets a small pivot goes through solve/ alone, which finds the rank as a single fit does. */
#include "fit/group.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "fit/criterion.h"

#define TAG "group solve"
#define SMALL_PIVOT 1e-7
#define TWO_PI 6.283185307179586476925

static int64_t work_doubles(int64_t p)
{
    return w_mul64(w_add64(w_mul64(3, w_packed(p)), w_mul64(6, p)), W_BATCH);
}

int64_t w_group_task_bytes(int64_t p, int sp_count, int workers)
{
    const int64_t shared = w_mul64(sp_count + 1, w_alloc_bytes(w_mul64(w_packed(p), 8)));
    const int64_t search = w_mul64(4, w_alloc_bytes(w_mul64(w_mul64(p, p), 8))); /* a single system and its search */
    return w_add64(shared, w_mul64(workers, w_add64(w_alloc_bytes(w_mul64(work_doubles(p), 8)), w_mul64(4, search))));
}

/* Penalty j on all its columns, packed. */
static void fill_penalty(const w_design *design, int sp, double *packed)
{
    for (int i = 0; i < design->penalty_count; i++) {
        const w_design_penalty *penalty = &design->penalty[i];
        for (int64_t r = 0; penalty->sp == sp && r < penalty->repeat; r++) {
            const int64_t first = penalty->first + r * penalty->k;
            for (int64_t b = 0; b < penalty->k; b++) {
                for (int64_t a = 0; a <= b; a++) {
                    packed[w_packed(first + b) + first + a] += penalty->matrix ? penalty->matrix[a * penalty->k + b] : a == b;
                }
            }
        }
    }
}

/* M_p is a matter of the penalties alone. */
static weir_status find_null_dimension(weir_ctx *ctx, const w_design *design, int64_t *out)
{
    double *block = w_calloc(ctx, TAG, (size_t)w_group_block_doubles(design->p), sizeof *block);
    double *rho = w_alloc_array(ctx, TAG, (size_t)design->sp_count + 1, sizeof *rho);
    if (!block || !rho) {
        w_free(ctx, block);
        w_free(ctx, rho);
        return w_alloc_status(ctx);
    }
    for (int j = 0; j < design->sp_count; j++) {
        rho[j] = isnan(design->sp_fixed[j]) ? 0.0 : log(design->sp_fixed[j]);
    }
    for (int64_t j = 0; j < design->p; j++) {
        block[(w_packed(j) + j) * W_BATCH] = 1;
    }
    const w_group_stats stats = { .n = design->p };
    w_gram *gram = NULL;
    w_system *system = NULL;
    weir_status status = w_group_gram(ctx, design->p, block, 0, &stats, &gram);
    if (status >= 0) {
        status = w_system_create(ctx, gram, design, &system);
    }
    if (status >= 0) {
        status = w_system_factor(system, rho);
    }
    if (status >= 0) {
        *out = w_system_null_dimension(system);
        status = WEIR_OK;
    }
    w_free(ctx, rho);
    w_system_free(system);
    w_gram_free(gram);
    w_free(ctx, block);
    return status;
}

weir_status w_group_task_create(weir_ctx *ctx, weir_groups *groups, const weir_fit_options *options, w_group_task *out)
{
    const size_t entries = (size_t)w_packed(groups->p);
    *out = (w_group_task){ .groups = groups, .options = options, .kernels = w_batch_choose(), .known_scale = groups->generalised && groups->glm.family->scale_known ? 1.0 : options->scale,
                           .gamma = options->gamma > 0 ? options->gamma : 1.0, .workers = w_pool_workers(ctx) };
    out->penalty = w_calloc(ctx, TAG, (size_t)groups->sp_count + 1, sizeof *out->penalty);
    out->work = w_calloc(ctx, TAG, (size_t)out->workers, sizeof *out->work);
    out->total = w_calloc(ctx, TAG, entries, sizeof *out->total);
    bool ok = out->penalty && out->work && out->total;
    for (int j = 0; ok && j < groups->sp_count; j++) {
        out->penalty[j] = w_calloc(ctx, TAG, entries, sizeof(double));
        ok = out->penalty[j] != NULL;
        if (ok) {
            fill_penalty(groups->design, j, out->penalty[j]);
        }
    }
    for (int i = 0; ok && i < out->workers; i++) {
        out->work[i] = w_alloc_array(ctx, TAG, (size_t)work_doubles(groups->p), sizeof(double));
        ok = out->work[i] != NULL;
    }
    return ok ? find_null_dimension(ctx, groups->design, &out->null_dimension) : w_alloc_status(ctx);
}

void w_group_task_free(w_group_task *task)
{
    if (!task->groups) {
        return;
    }
    weir_ctx *ctx = task->groups->ctx;
    for (int j = 0; task->penalty && j < task->groups->sp_count; j++) {
        w_free(ctx, task->penalty[j]);
    }
    for (int i = 0; task->work && i < task->workers; i++) {
        w_free(ctx, task->work[i]);
    }
    w_free(ctx, task->penalty);
    w_free(ctx, task->work);
    w_free(ctx, task->total);
}

void w_group_task_at(w_group_task *task, const double *rho)
{
    const int64_t entries = w_packed(task->groups->p);
    memset(task->total, 0, (size_t)entries * sizeof *task->total);
    for (int j = 0; j < task->groups->sp_count; j++) {
        const double lambda = exp(rho[j]);
        for (int64_t e = 0; e < entries; e++) {
            task->total[e] += lambda * task->penalty[j][e];
        }
    }
}

bool w_group_counts(const w_group_task *task, const w_group_stats *stats)
{
    const double least = (double)task->null_dimension * (task->known_scale > 0 ? 1.0 : fmax(task->gamma, 1.0));
    return (double)stats->n > least;
}

bool w_group_constant(const w_group_task *task, const w_group_stats *stats)
{
    return !task->groups->generalised && task->groups->design->intercept_column >= 0 && stats->n > 0 && stats->least == stats->most;
}

static bool has_inverse(const w_group_task *task)
{
    return !task->coefficients_only || task->groups->sp_count > 0;
}

static void times_penalty(const w_group_task *task, const double *beta, double *out)
{
    const int64_t p = task->groups->p;
    if (task->groups->sp_count > 0) {
        task->kernels->times_shared(p, task->total, beta, out);
    } else {
        memset(out, 0, (size_t)(p * W_BATCH) * sizeof *out);
    }
}

void w_group_solve(const w_group_task *task, const double *block, int worker, w_group_solution *out)
{
    const w_batch_kernels *k = task->kernels;
    const int64_t p = task->groups->p, entries = w_packed(p) * W_BATCH, values = p * W_BATCH;
    double *room = task->work[worker];
    *out = (w_group_solution){ .factor = room, .inverse = room + entries, .spare = room + 2 * entries };
    out->beta = room + 3 * entries;
    out->scale = out->beta + values;
    out->vector = out->scale + values;
    double pivot[W_BATCH], *image = out->vector, *pull = image + values, *rest = pull + values;
    const double *f = block + entries, *zz = f + values;
    k->factor(p, block, task->total, out->factor, out->scale, pivot);
    k->solve(p, out->factor, out->scale, f, out->beta);
    k->times(p, block, out->beta, image);
    times_penalty(task, out->beta, pull);
    if (!task->coefficients_only) {
        for (int64_t i = 0; i < values; i++) {
            rest[i] = (f[i] - image[i]) - pull[i];
        }
        k->solve(p, out->factor, out->scale, rest, rest);
        for (int64_t i = 0; i < values; i++) {
            out->beta[i] += rest[i];
        }
        k->times(p, block, out->beta, image);
        times_penalty(task, out->beta, pull);
    }
    double explained[W_BATCH], image_square[W_BATCH], shrunk[W_BATCH] = { 0 };
    k->dot(p, out->beta, f, explained);
    k->dot(p, out->beta, image, image_square);
    k->dot(p, out->beta, pull, out->pull);
    if (has_inverse(task)) {
        k->inverse(p, out->factor, out->scale, out->inverse, out->spare);
        k->trace_shared(p, out->inverse, task->total, shrunk);
    }
    for (int l = 0; l < W_BATCH; l++) {
        out->rss[l] = fmax(zz[l] - 2.0 * explained[l] + image_square[l], 0.0);
        out->edf[l] = (double)p - shrunk[l];
        double log_det = pivot[l] > SMALL_PIVOT ? 0.0 : NAN;
        for (int64_t i = 0; !task->coefficients_only && i < p; i++) {
            log_det += log(out->factor[(w_packed(i) + i) * W_BATCH + l] / out->scale[i * W_BATCH + l]);
        }
        out->log_det[l] = 2.0 * log_det;
    }
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

void w_group_not_fitted(weir_groups *out, int64_t g, const w_group_stats *stats, weir_group_state state)
{
    for (int64_t j = 0; j < out->p; j++) {
        out->beta[g * out->p + j] = out->se[g * out->p + j] = NAN;
    }
    for (int j = 0; out->each && j < out->sp_count; j++) {
        out->rho[g * out->sp_count + j] = NAN;
    }
    for (int64_t e = 0; out->covariance && e < w_packed(out->p); e++) {
        out->covariance[g * w_packed(out->p) + e] = NAN;
    }
    out->n[g] = stats->n;
    out->state[g] = state;
    out->edf[g] = out->scale[g] = out->deviance[g] = out->null_deviance[g] = out->value[g] = NAN;
}

static void constant(const w_group_task *task, int64_t g, const w_group_stats *stats)
{
    weir_groups *out = task->groups;
    const w_design *design = out->design;
    w_group_not_fitted(out, g, stats, WEIR_GROUP_CONSTANT);
    for (int64_t j = 0; j < out->p; j++) {
        out->beta[g * out->p + j] = j == design->intercept_column ? stats->least + design->response_shift : 0.0;
        out->se[g * out->p + j] = 0.0;
    }
    for (int64_t e = 0; out->covariance && e < w_packed(out->p); e++) {
        out->covariance[g * w_packed(out->p) + e] = 0.0;
    }
    out->scale[g] = out->deviance[g] = out->null_deviance[g] = 0.0;
    out->edf[g] = (double)task->null_dimension;
}

/* The criterion as a single fit reports it (fit/smoothing_criterion.c); NaN for ML, which needs more than H. */
static double criterion_value(const w_group_task *task, const w_group_stats *stats, double rss, double pull, double edf,
                              double log_det, double penalty_log_det)
{
    const double n = (double)stats->n, gamma = task->gamma, null = (double)task->null_dimension, q = rss + pull;
    if (task->options->criterion == WEIR_GCV) {
        return n * rss / ((n - gamma * edf) * (n - gamma * edf));
    }
    if (task->options->criterion == WEIR_UBRE) {
        return rss / n - task->known_scale + 2.0 * gamma * task->known_scale * edf / n;
    }
    if (task->options->criterion != WEIR_REML) {
        return NAN;
    }
    const double phi = task->known_scale > 0 ? task->known_scale : q / (n - gamma * null);
    return 0.5 * (q / (gamma * phi) + (n / gamma - null) * log(TWO_PI * phi) + null * log(gamma) + log_det - penalty_log_det -
                  stats->log_weight / gamma);
}

static void put_group(const w_group_task *task, int64_t g, const w_group_stats *stats, double zz, double rss, double edf,
                      double value)
{
    weir_groups *out = task->groups;
    const w_design *design = out->design;
    const bool centred = design->intercept_column >= 0;
    out->n[g] = stats->n;
    out->edf[g] = edf;
    out->deviance[g] = rss;
    out->null_deviance[g] = fmax(zz - (centred ? stats->weight_z * stats->weight_z / stats->weight : 0.0), 0.0);
    out->scale[g] = task->known_scale > 0 ? task->known_scale : rss / ((double)stats->n - edf);
    out->value[g] = value;
    if (centred) {
        out->beta[g * out->p + design->intercept_column] += design->response_shift;
    }
    for (int64_t j = 0; j < out->p; j++) {
        double *se = &out->se[g * out->p + j];
        *se = sqrt(fmax(*se, 0.0) * out->scale[g]);
    }
}

/* Beside coefficients: P_jj in the place of standard errors. */
static weir_status take_system(const w_group_task *task, int64_t g, w_system *system, double *edf)
{
    weir_groups *out = task->groups;
    double *se = out->se + g * out->p;
    w_covariance *covariance = NULL;
    double *trace = w_alloc_array(out->ctx, TAG, (size_t)out->sp_count + 1, sizeof *trace);
    weir_status status = trace ? w_system_derivatives(system, trace, NULL, NULL) : w_alloc_status(out->ctx);
    if (status >= 0) {
        status = w_system_covariance(system, &covariance);
    }
    for (int64_t j = 0; status >= 0 && j < out->p; j++) {
        status = w_covariance_block(covariance, j, 1, j, 1, &se[j]);
        if (status >= 0 && out->covariance) { /* column j down to the diagonal */
            status = w_covariance_block(covariance, 0, j + 1, j, 1, out->covariance + g * w_packed(out->p) + w_packed(j));
        }
    }
    if (status >= 0) {
        memcpy(out->beta + g * out->p, w_system_beta(system), (size_t)out->p * sizeof(double));
        *edf = (double)w_system_rank(system);
        for (int j = 0; j < out->sp_count; j++) {
            *edf -= trace[j];
        }
    }
    w_covariance_free(covariance);
    w_free(out->ctx, trace);
    return status;
}

/* One group as a fit of its own: with `rho` at those parameters, without by a search. */
static weir_status fit_alone(const w_group_task *task, const double *block, int lane, int64_t g, const w_group_stats *stats,
                             const double *rho)
{
    weir_groups *out = task->groups;
    weir_ctx *ctx = out->ctx;
    w_gram *gram = NULL;
    w_system *system = NULL;
    double *own = out->each ? out->rho + g * out->sp_count : NULL, edf = NAN, value = NAN;
    weir_status status = w_group_gram(ctx, out->p, block, lane, stats, &gram), found = WEIR_OK;
    if (status >= 0) {
        status = w_system_create(ctx, gram, out->design, &system);
    }
    if (status >= 0 && rho) {
        found = status = w_system_factor(system, rho);
    } else if (status >= 0) {
        const w_smoothing_options search = { .criterion = (weir_criterion)out->criterion, .gamma = task->gamma,
                                             .scale = task->known_scale, .max_iterations = task->options->max_iterations,
                                             .log_likelihood_constant = -0.5 * gram->log_weight_sum };
        w_smoothing_result result = { .rho = own };
        found = status = w_smoothing_select(ctx, system, out->design, gram, &search, &result);
        value = result.criterion;
    }
    if (status >= 0) {
        status = take_system(task, g, system, &edf);
    }
    if (status >= 0) {
        const double rss = w_system_rss(system);
        if (rho) {
            const double log_penalty = w_criterion_penalty_logdet(out->design, NULL, rho, NULL, NULL);
            value = criterion_value(task, stats, rss, w_system_penalty(system, NULL), edf, w_system_log_det(system), log_penalty);
        }
        put_group(task, g, stats, gram->zz, rss, edf, value);
        out->state[g] = w_system_rank(system) < out->p   ? WEIR_GROUP_RANK_DEFICIENT
                        : found == WEIR_NOT_CONVERGED ? WEIR_GROUP_NOT_CONVERGED
                                                      : WEIR_GROUP_FITTED;
    }
    w_system_free(system);
    w_gram_free(gram);
    return status < 0 ? status : WEIR_OK;
}

static void put_lane(const w_group_task *task, const double *block, const w_group_solution *at, int lane, int64_t g,
                     const w_group_stats *stats, double penalty_log_det)
{
    weir_groups *out = task->groups;
    for (int64_t j = 0; j < out->p; j++) {
        out->beta[g * out->p + j] = at->beta[j * W_BATCH + lane];
        out->se[g * out->p + j] = has_inverse(task) ? at->inverse[(w_packed(j) + j) * W_BATCH + lane] : 0.0;
    }
    for (int64_t e = 0; out->covariance && e < w_packed(out->p); e++) {
        out->covariance[g * w_packed(out->p) + e] = at->inverse[e * W_BATCH + lane];
    }
    const double zz = block[(w_packed(out->p) + out->p) * W_BATCH + lane];
    const double value = criterion_value(task, stats, at->rss[lane], at->pull[lane], at->edf[lane], at->log_det[lane],
                                         penalty_log_det);
    put_group(task, g, stats, zz, at->rss[lane], at->edf[lane], value);
    out->state[g] = WEIR_GROUP_FITTED;
}

weir_status w_group_finish(const w_group_task *task, const double *block, int64_t number, int worker, const double *rho)
{
    weir_groups *out = task->groups;
    w_group_solution at;
    double penalty_log_det = 0;
    weir_status status = WEIR_OK;
    if (rho) {
        if (!task->alone) {
            w_group_solve(task, block, worker, &at);
        }
        penalty_log_det = w_criterion_penalty_logdet(out->design, NULL, rho, NULL, NULL);
    }
    for (int l = 0; status >= 0 && l < W_BATCH && number * W_BATCH + l < out->groups; l++) {
        const int64_t g = number * W_BATCH + l;
        const w_group_stats *stats = &task->stats[(number - task->first_block) * W_BATCH + l];
        if (task->skip && task->skip[(number - task->first_block) * W_BATCH + l]) {
            continue;
        }
        if (!w_group_counts(task, stats)) {
            w_group_not_fitted(out, g, stats, WEIR_GROUP_FEW_ROWS);
        } else if (w_group_constant(task, stats)) {
            constant(task, g, stats);
        } else if (rho && !task->alone && isfinite(at.log_det[l])) {
            put_lane(task, block, &at, l, g, stats, penalty_log_det);
        } else {
            status = fit_alone(task, block, l, g, stats, rho);
            if (status == WEIR_E_NUMERIC || status == WEIR_E_DATA) { /* of this group alone */
                w_group_not_fitted(out, g, stats, WEIR_GROUP_FAILED);
                status = WEIR_OK;
            }
        }
    }
    return status;
}
