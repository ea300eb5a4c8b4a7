/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/laplace_parts.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "fit/criterion.h"

#define REACH 22.0         /* from where data and penalty weigh alike: exp(-22) of the penalty's pull is left */
#define FARTHEST 16.0      /* … at the start */
#define TAG "laplace criterion"

static int theta_place(const w_laplace *l, int a) { return l->sp_count + 1 + a; }

static weir_status allocate(w_laplace *l)
{
    w_pirls *pirls = l->pirls;
    const size_t p = (size_t)pirls->design->p;
    l->sp_count = pirls->design->sp_count;
    l->count = l->sp_count + 1 + W_FAMILY_PARAMS;
    const size_t c = (size_t)l->count;
    double *block = w_calloc(pirls->ctx, TAG, (12 + 2 * W_LAPLACE_PAIRS) * c + 2 * c * c + 3 * p, sizeof *block);
    l->block = block;
    if (!block) {
        return w_alloc_status(pirls->ctx);
    }
    l->point = block;
    l->trial = block + c;
    l->step = block + 2 * c;
    l->gradient = block + 3 * c;
    l->eigen = block + 4 * c;
    l->reduced = block + 5 * c;
    l->free = (bool *)(block + 6 * c);
    l->index = (int *)(block + 7 * c);
    l->bend = block + 8 * c;
    l->limit = block + 9 * c;
    l->hessian = block + 10 * c;
    l->matrix = l->hessian + c * c;
    l->beta = l->matrix + c * c;
    l->u = l->beta + p;
    l->before = l->u + p;
    l->first = l->before + c;
    l->pair = l->first + c;
    l->first_beta = l->pair + 2 * W_LAPLACE_PAIRS * c;
    return WEIR_OK;
}

static void start(w_laplace *l)
{
    const w_pirls *pirls = l->pirls;
    const w_design *design = pirls->design;
    const w_glm *glm = &pirls->glm;
    for (int j = 0; j < l->sp_count; j++) {
        l->free[j] = !design->sp_fixed || isnan(design->sp_fixed[j]);
        const double balance = w_smoothing_balance(design, pirls->gram, j);
        l->limit[j] = balance + REACH;
        l->point[j] = l->free[j] ? fmin(pirls->rho[j], balance + FARTHEST) : pirls->rho[j];
    }
    l->point[l->sp_count] = log(pirls->phi);
    l->free[l->sp_count] = !glm->family->scale_known && !(pirls->options->scale > 0);
    for (int a = 0; a < glm->family->param_count; a++) {
        l->point[theta_place(l, a)] = w_pirls_parameter(glm, a);
        l->free[theta_place(l, a)] = glm->estimate[a];
    }
}

void w_laplace_set(w_laplace *l, const double *point)
{
    w_pirls *pirls = l->pirls;
    pirls->phi = exp(point[l->sp_count]);
    for (int a = 0; a < pirls->glm.family->param_count; a++) {
        if (pirls->glm.estimate[a]) {
            w_pirls_set_parameter(&pirls->glm, a, point[theta_place(l, a)]);
        }
    }
}

static weir_status linear_pass(w_pirls *pirls, const w_quadratic *leverage, int cross_parameter, w_gram **out)
{
    w_product *product = NULL;
    weir_status status = w_product_create(pirls->ctx, pirls->design, pirls->beta, &product);
    if (status >= 0) {
        w_working working = { .glm = &pirls->glm, .product = product, .newton = !pirls->fisher, .phi = pirls->phi,
                              .null_mean = NAN, .null_eta = NAN, .leverage = leverage, .cross_parameter = cross_parameter };
        status = w_working_pass(pirls->ctx, pirls->design, pirls->table, pirls->options->missing, &working, -1, out);
        pirls->passes++;
    }
    w_product_free(product);
    return status;
}

/* u = P s for a core vector s; the design has no arrow block, so the core is all of X. */
static void times_covariance(const w_covariance *covariance, const double *s, double *u)
{
    const int64_t p = covariance->p;
    for (int64_t i = 0; i < p; i++) {
        double sum = 0;
        for (int64_t j = 0; j < p; j++) {
            sum += covariance->core_matrix[i * p + j] * s[j];
        }
        u[i] = sum;
    }
}

/* x' (S_j beta) summed over the penalties of each smoothing parameter, times lambda_j, taken off the gradient by halves. */
static void subtract_pull(w_laplace *l, const double *x)
{
    const w_pirls *pirls = l->pirls;
    for (int q = 0; q < pirls->design->penalty_count; q++) {
        const w_design_penalty *penalty = &pirls->design->penalty[q];
        l->gradient[penalty->sp] -= 0.5 * exp(pirls->rho[penalty->sp]) * w_pirls_penalty_form(penalty, x, pirls->beta);
    }
}

/* The parts of the gradient that come from the dependence of the weights on beta and theta. */
static weir_status add_weight_terms(w_laplace *l, w_system *system)
{
    w_pirls *pirls = l->pirls;
    w_covariance *covariance = NULL;
    w_quadratic *leverage = NULL;
    w_gram *gram = NULL;
    weir_status status = w_system_covariance(system, &covariance);
    if (status >= 0) {
        const w_quadratic_form form = { .v = covariance->core_matrix, .order = covariance->core };
        status = w_quadratic_create(pirls->ctx, pirls->design, &form, &leverage);
    }
    if (status == WEIR_OK) {
        status = linear_pass(pirls, leverage, -1, &gram);
    }
    if (status == WEIR_OK) {
        times_covariance(covariance, gram->rhs, l->u);
        subtract_pull(l, l->u);
        for (int a = 0; a < pirls->glm.family->param_count; a++) {
            l->gradient[theta_place(l, a)] += 0.5 * gram->extra[W_SUM_THETA + a];
        }
    }
    w_gram_free(gram);
    for (int a = 0; status == WEIR_OK && a < pirls->glm.family->param_count; a++) {
        if (!pirls->glm.estimate[a]) {
            continue;
        }
        gram = NULL;
        status = linear_pass(pirls, NULL, a, &gram);
        for (int64_t i = 0; status == WEIR_OK && i < pirls->design->p; i++) {
            l->gradient[theta_place(l, a)] -= 0.5 * l->u[i] * gram->rhs[i];
        }
        w_gram_free(gram);
    }
    w_quadratic_free(leverage);
    w_covariance_free(covariance);
    return status;
}

/* Direct derivatives in log phi and theta, and V itself. */
static void add_likelihood_terms(w_laplace *l, const w_criterion *criterion, w_system *system)
{
    const w_pirls *pirls = l->pirls;
    const double *sum = pirls->gram->extra;
    const int m = l->sp_count, c = l->count;
    const double null = (double)w_system_null_dimension(system), phi = pirls->phi;
    const double halved = (pirls->deviance + pirls->penalty) / (2.0 * phi);
    const double two_pi = 6.283185307179586476925;
    l->value = halved - sum[W_SUM_SATURATED] +
               0.5 * (w_system_log_det(system) - w_criterion_penalty_logdet(pirls->design, NULL, pirls->rho, NULL, NULL)) -
               0.5 * null * log(two_pi * phi);
    for (int i = 0; i < m; i++) {
        const double slope = 0.5 * criterion->pull[i] / phi;
        l->gradient[i] = slope + 0.5 * (criterion->trace[i] - criterion->logdet_gradient[i]);
        for (int j = 0; j < m; j++) {
            l->hessian[i * c + j] = criterion->fixed_scale_hessian[i * m + j];
        }
        l->hessian[i * c + m] = l->hessian[m * c + i] = -slope;
    }
    l->gradient[m] = -halved - sum[W_SUM_SATURATED_1] - 0.5 * null;
    l->hessian[m * c + m] = halved - sum[W_SUM_SATURATED_2];
    for (int a = 0; a < W_FAMILY_PARAMS; a++) {
        int i = theta_place(l, a);
        l->gradient[i] = sum[W_SUM_THETA + a];
        l->hessian[i * c + m] = l->hessian[m * c + i] = sum[W_SUM_THETA_PHI + a];
        for (int b = 0; b < W_FAMILY_PARAMS; b++) {
            l->hessian[i * c + theta_place(l, b)] = sum[W_SUM_THETA + W_FAMILY_PARAMS + a * W_FAMILY_PARAMS + b];
        }
    }
    for (int i = 0; i < c; i++) {
        l->bend[i] = l->hessian[i * (c + 1)];
    }
}

weir_status w_laplace_differentiate(w_laplace *l, const double *point)
{
    w_pirls *pirls = l->pirls;
    w_gram *gram = NULL;
    w_system *system = NULL;
    w_criterion criterion;
    memset(&criterion, 0, sizeof criterion);
    w_laplace_set(l, point);
    memcpy(pirls->rho, point, (size_t)l->sp_count * sizeof *point);
    const bool fisher = pirls->fisher;
    weir_status status = w_pirls_settle(pirls, point);
    const bool another = l->begun && pirls->fisher != fisher; /* log|H| of expected information goes with no other V */
    l->begun = true;
    pirls->fisher = another ? fisher : pirls->fisher;
    if (status == WEIR_NOT_CONVERGED || another) {
        l->value = INFINITY;
        return status < 0 ? status : WEIR_OK;
    }
    if (status >= 0) {
        status = w_pirls_pass(pirls, pirls->beta, true, true, &gram);
    }
    if (status >= 0) {
        w_pirls_take(pirls, gram);
        pirls->penalty = w_pirls_penalty(pirls->design, pirls->beta, point);
        status = w_system_create(pirls->ctx, pirls->gram, pirls->design, &system);
    }
    w_smoothing_options options = { .criterion = WEIR_REML, .gamma = 1.0, .scale = pirls->phi };
    if (status >= 0) {
        status = w_criterion_create(pirls->ctx, system, pirls->design, pirls->gram, &options, &criterion);
    }
    if (status >= 0) {
        status = w_criterion_evaluate(&criterion, point, true);
    }
    if (status >= 0) {
        add_likelihood_terms(l, &criterion, system);
    }
    if (status >= 0) {
        status = add_weight_terms(l, system);
    }
    status = status > 0 && status != WEIR_DECLINED ? WEIR_OK : status;
    w_criterion_free(&criterion);
    w_system_free(system);
    return status;
}

/* The part of the Hessian in log lambda and, when it is estimated, log phi. */
static weir_status hand_over(const w_laplace *l)
{
    w_pirls *pirls = l->pirls;
    const int m = l->sp_count, c = l->count;
    pirls->hessian = w_calloc(pirls->ctx, TAG, (size_t)((m + 1) * (m + 1)), sizeof(double));
    if (!pirls->hessian) {
        return w_alloc_status(pirls->ctx);
    }
    const int used = l->free[m] ? m + 1 : m;
    for (int i = 0; i < used; i++) {
        memcpy(pirls->hessian + i * (m + 1), l->hessian + i * c, (size_t)used * sizeof(double));
    }
    return WEIR_OK;
}

weir_status w_laplace_run(w_pirls *pirls)
{
    if (pirls->arrow_block >= 0) {
        return WEIR_DECLINED;
    }
    w_laplace l = { .pirls = pirls };
    weir_status status = allocate(&l);
    if (status >= 0) {
        start(&l);
        status = w_laplace_search(&l);
    }
    weir_status handed = status >= 0 && status != WEIR_DECLINED ? hand_over(&l) : WEIR_OK;
    w_free(pirls->ctx, l.block);
    return handed < 0 ? handed : status;
}

weir_status w_laplace_evaluate(w_pirls *pirls, const double *point, double *value, double *gradient)
{
    if (pirls->arrow_block >= 0) {
        return WEIR_DECLINED;
    }
    w_laplace l = { .pirls = pirls };
    weir_status status = allocate(&l);
    if (status >= 0) {
        start(&l);
        status = w_laplace_differentiate(&l, point);
    }
    if (status == WEIR_OK) {
        *value = l.value;
        for (int j = 0; j < l.count; j++) {
            gradient[j] = l.free[j] ? l.gradient[j] : 0.0;
        }
    }
    w_free(pirls->ctx, l.block);
    return status;
}
