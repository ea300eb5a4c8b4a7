/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/laplace.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "fit/criterion.h"
#include "fit/newton.h"

#define ITERATIONS 40
#define HALVINGS 10
#define GRADIENT_BOUND 2e-6
#define FLAT_BOUND 1e-5
#define SMALL_STEPS 3      /* that promise nothing end the search */
#define AGAIN_ROWS 50000   /* above, the two criteria are alike and passes cost */
#define FARTHEST 16.0      /* from balance: beyond, lambda beta'S beta is made of rounding and no step can be told to help */
#define LARGEST_STEP 3.0   /* in log lambda and log phi */
#define LARGEST_THETA_STEP 1.0
#define TABLE_BYTES ((int64_t)256 << 20)
#define W_PAIRS 10
#define TAG "laplace criterion"

/* The parameters searched, in one vector: log lambda (all sp_count), log phi, theta. Fixed ones have free[j] = false. */
typedef struct laplace {
    w_pirls *pirls;
    int sp_count, count;
    bool phi_free;
    bool *free;
    int *index;                   /* of the parameters that move */
    double *point, *trial, *step; /* count */
    double *gradient;             /* count */
    double *hessian;              /* count x count */
    double *matrix, *eigen, *reduced;
    double *beta;                 /* p: of the best point */
    double *u;                    /* p */
    double *pair;                 /* steps and changes of the gradient along them: 2 count each, W_PAIRS kept */
    int pairs;
    double *before;               /* count: gradient at `point` while a trial is looked at */
    double *first, *first_beta;   /* count, p: where the working criterion ended */
    void *block;
    double value;
} laplace;

static int theta_place(const laplace *l, int a) { return l->sp_count + 1 + a; }

static weir_status allocate(laplace *l)
{
    w_pirls *pirls = l->pirls;
    const size_t p = (size_t)pirls->design->p;
    l->sp_count = pirls->design->sp_count;
    l->count = l->sp_count + 1 + W_FAMILY_PARAMS;
    const size_t c = (size_t)l->count;
    double *block = w_calloc(pirls->ctx, TAG, (10 + 2 * W_PAIRS) * c + 2 * c * c + 3 * p, sizeof *block);
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
    l->hessian = block + 8 * c;
    l->matrix = l->hessian + c * c;
    l->beta = l->matrix + c * c;
    l->u = l->beta + p;
    l->before = l->u + p;
    l->first = l->before + c;
    l->pair = l->first + c;
    l->first_beta = l->pair + 2 * W_PAIRS * c;
    return WEIR_OK;
}

static void start(laplace *l)
{
    const w_pirls *pirls = l->pirls;
    const w_design *design = pirls->design;
    const w_glm *glm = &pirls->glm;
    for (int j = 0; j < l->sp_count; j++) {
        l->free[j] = !design->sp_fixed || isnan(design->sp_fixed[j]);
        l->point[j] = l->free[j] ? fmin(pirls->rho[j], w_smoothing_balance(design, pirls->gram, j) + FARTHEST) : pirls->rho[j];
    }
    l->phi_free = !glm->family->scale_known && !(pirls->options->scale > 0);
    l->point[l->sp_count] = log(pirls->phi);
    l->free[l->sp_count] = l->phi_free;
    for (int a = 0; a < glm->family->param_count; a++) {
        l->point[theta_place(l, a)] = w_pirls_parameter(glm, a);
        l->free[theta_place(l, a)] = glm->estimate[a];
    }
}

static void set_parameters(laplace *l, const double *point)
{
    w_pirls *pirls = l->pirls;
    pirls->phi = exp(point[l->sp_count]);
    for (int a = 0; a < pirls->glm.family->param_count; a++) {
        if (pirls->glm.estimate[a]) {
            w_pirls_set_parameter(&pirls->glm, a, point[theta_place(l, a)]);
        }
    }
}

/* Parameters of the family as they will be set. */
static void keep_in_range(const laplace *l, double *point)
{
    w_glm glm = l->pirls->glm;
    for (int a = 0; a < glm.family->param_count; a++) {
        if (glm.estimate[a]) {
            w_pirls_set_parameter(&glm, a, point[theta_place(l, a)]);
            point[theta_place(l, a)] = w_pirls_parameter(&glm, a);
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
static void subtract_pull(laplace *l, const double *x)
{
    const w_pirls *pirls = l->pirls;
    for (int q = 0; q < pirls->design->penalty_count; q++) {
        const w_design_penalty *penalty = &pirls->design->penalty[q];
        l->gradient[penalty->sp] -= 0.5 * exp(pirls->rho[penalty->sp]) * w_pirls_penalty_form(penalty, x, pirls->beta);
    }
}

/* The parts of the gradient that come from the dependence of the weights on beta and theta. */
static weir_status add_weight_terms(laplace *l, w_system *system)
{
    w_pirls *pirls = l->pirls;
    w_covariance *covariance = NULL;
    w_quadratic *leverage = NULL;
    w_gram *gram = NULL;
    weir_status status = w_system_covariance(system, &covariance);
    if (status >= 0) {
        int64_t room = w_min64(TABLE_BYTES, w_ledger_free_bytes(pirls->ctx) / 2);
        status = w_quadratic_create(pirls->ctx, pirls->design, covariance->core_matrix, covariance->core, NULL, room, &leverage);
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
static void add_likelihood_terms(laplace *l, const w_criterion *criterion, w_system *system)
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
        l->gradient[i] = 0.5 * (criterion->pull[i] / phi + criterion->trace[i] - criterion->logdet_gradient[i]);
        for (int j = 0; j < m; j++) {
            l->hessian[i * c + j] = criterion->fixed_scale_hessian[i * m + j];
        }
        l->hessian[i * c + m] = l->hessian[m * c + i] = -0.5 * criterion->pull[i] / phi;
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
}

/* beta at this point to convergence, then V and, if asked for, its derivatives. V = +infinity where beta does not exist. */
static weir_status evaluate(laplace *l, const double *point, bool derivatives)
{
    w_pirls *pirls = l->pirls;
    w_gram *gram = NULL;
    w_system *system = NULL;
    w_criterion criterion;
    memset(&criterion, 0, sizeof criterion);
    set_parameters(l, point);
    memcpy(pirls->rho, point, (size_t)l->sp_count * sizeof *point);
    weir_status status = w_pirls_settle(pirls, point);
    if (status == WEIR_NOT_CONVERGED) {
        l->value = INFINITY;
        return WEIR_OK;
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
        status = w_criterion_evaluate(&criterion, point, derivatives);
    }
    if (status >= 0) {
        add_likelihood_terms(l, &criterion, system);
    }
    if (status >= 0 && derivatives) {
        status = add_weight_terms(l, system);
    }
    status = status > 0 && status != WEIR_DECLINED ? WEIR_OK : status;
    w_criterion_free(&criterion);
    w_system_free(system);
    return status;
}

/* lambda so large that nothing is left to smooth. */
static bool is_flat(const laplace *l, int j)
{
    return j < l->sp_count && l->free[j] && fabs(l->gradient[j]) < FLAT_BOUND &&
           fabs(l->hessian[j * (l->count + 1)]) < FLAT_BOUND;
}

/* A family's parameter at the end of its range that V would push beyond. */
static bool is_bound(const laplace *l, int j)
{
    int a = j - l->sp_count - 1;
    return a >= 0 && l->free[j] && w_pirls_parameter_bound(&l->pirls->glm, a) * l->gradient[j] < 0;
}

static bool is_active(const laplace *l, int j)
{
    return l->free[j] && !is_flat(l, j) && !is_bound(l, j);
}

static double largest_gradient(const laplace *l)
{
    double largest = 0;
    for (int j = 0; j < l->count; j++) {
        if (is_active(l, j)) {
            largest = fmax(largest, fabs(l->gradient[j]));
        }
    }
    return largest;
}

/* The model's Hessian lacks what couples lambda, phi and theta through the weights: the last steps show it, and the BFGS
 * formula B += yy'/(y's) - Bs s'B/(s'Bs) puts it in. work: count. */
static void learn(laplace *l, double *work)
{
    const int c = l->count;
    for (int q = 0; q < l->pairs; q++) {
        const double *s = l->pair + (size_t)(2 * q) * (size_t)c, *y = s + c;
        double ys = 0, sbs = 0, ss = 0;
        for (int i = 0; i < c; i++) {
            work[i] = 0;
            for (int j = 0; j < c; j++) {
                work[i] += l->hessian[i * c + j] * s[j];
            }
            ys += y[i] * s[i];
            sbs += work[i] * s[i];
            ss += s[i] * s[i];
        }
        if (!(sbs > 1e-12 * ss) || !(ys > 1e-3 * sbs)) {
            continue;
        }
        for (int i = 0; i < c; i++) {
            for (int j = 0; j < c; j++) {
                l->hessian[i * c + j] += y[i] * y[j] / ys - work[i] * work[j] / sbs;
            }
        }
    }
}

static void remember(laplace *l, const double *from)
{
    const size_t c = (size_t)l->count;
    if (l->pairs == W_PAIRS) {
        memmove(l->pair, l->pair + 2 * c, 2 * c * (W_PAIRS - 1) * sizeof *l->pair);
        l->pairs--;
    }
    double *s = l->pair + 2 * c * (size_t)l->pairs++, *y = s + c;
    for (size_t j = 0; j < c; j++) {
        s[j] = l->free[j] ? l->trial[j] - from[j] : 0.0;
        y[j] = l->free[j] ? l->gradient[j] - l->before[j] : 0.0;
    }
}

static weir_status newton_step(laplace *l)
{
    int *index = l->index, active = 0;
    learn(l, l->reduced);
    for (int j = 0; j < l->count; j++) {
        if (is_active(l, j)) {
            index[active++] = j;
        }
    }
    const w_newton newton = { .count = l->count, .active = active, .index = index, .gradient = l->gradient, .hessian = l->hessian };
    weir_status status = w_newton_step(l->pirls->ctx, &newton, l->matrix, l->eigen, l->step, NULL);
    double scale = 1;
    for (int a = 0; a < active; a++) {
        double bound = index[a] > l->sp_count ? LARGEST_THETA_STEP : LARGEST_STEP;
        scale = fmin(scale, bound / fmax(fabs(l->step[index[a]]), bound));
    }
    for (int a = 0; a < active; a++) {
        l->step[index[a]] *= scale;
    }
    return status;
}

/* The working model at a beta that was put back, which the deviance of another one would not go with. */
static weir_status come_back(laplace *l, const double *point)
{
    set_parameters(l, point);
    weir_status status = w_pirls_refresh(l->pirls, true, false);
    return status > 0 ? WEIR_OK : status;
}

/* Moves to point + step, halved until V does not rise, and differentiates there. WEIR_NOT_CONVERGED: it cannot be lowered;
 * everything is as it was at `point`. */
static weir_status advance(laplace *l)
{
    w_pirls *pirls = l->pirls;
    const size_t p = (size_t)pirls->design->p, c = (size_t)l->count;
    const double before = l->value, noise = 1e-9 * (1.0 + fabs(before));
    memcpy(l->beta, pirls->beta, p * sizeof *l->beta);
    memcpy(l->before, l->gradient, c * sizeof *l->before);
    for (int halving = 0; halving <= HALVINGS; halving++) {
        for (size_t j = 0; j < c; j++) {
            l->trial[j] = l->point[j] + ldexp(l->step[j], -halving);
        }
        keep_in_range(l, l->trial);
        weir_status status = evaluate(l, l->trial, true);
        if (status != WEIR_OK) {
            return status;
        }
        if (l->value <= before + noise) {
            remember(l, l->point);
            memcpy(l->point, l->trial, c * sizeof *l->point);
            return WEIR_OK;
        }
        memcpy(pirls->beta, l->beta, p * sizeof *l->beta);
        status = come_back(l, l->point);
        if (status != WEIR_OK) {
            return status;
        }
    }
    weir_status status = evaluate(l, l->point, true);
    return status == WEIR_OK ? WEIR_NOT_CONVERGED : status;
}

static bool is_optimal(const laplace *l)
{
    return largest_gradient(l) <= GRADIENT_BOUND * (1.0 + 1e-3 * fabs(l->value));
}

/* Where the working model's criterion has taken lambda to infinity V has neither slope nor bend to tell by, and may be lower
 * beyond a ridge: the search starts again from lambda that balances data and penalty. */
static weir_status start_again(laplace *l, bool *again)
{
    *again = false;
    for (int j = 0; j < l->sp_count && l->pirls->gram->n <= AGAIN_ROWS; j++) {
        if (is_flat(l, j)) {
            l->point[j] = w_smoothing_balance(l->pirls->design, l->pirls->gram, j);
            *again = true;
        }
    }
    return *again ? evaluate(l, l->point, true) : WEIR_OK;
}

static weir_status no_value(const laplace *l)
{
    return w_fail(l->pirls->ctx, WEIR_E_NUMERIC, "the Laplace criterion does not exist where the working one ends");
}

static weir_status descend(laplace *l)
{
    weir_status status = WEIR_OK;
    int small = 0;
    double last = INFINITY;
    for (int step = 0; status == WEIR_OK && step < ITERATIONS; step++) {
        if (!isfinite(l->value)) {
            return no_value(l);
        }
        l->pirls->gradient = largest_gradient(l);
        l->pirls->criterion = l->value;
        w_progress_criterion(l->pirls->ctx, l->value);
        status = w_check_cancel(l->pirls->ctx);
        if (status < 0) {
            return status;
        }
        if (is_optimal(l)) {
            return WEIR_OK;
        }
        status = newton_step(l);
        if (status < 0) {
            return status;
        }
        double gain = 0; /* what the step promises; when it cannot be had, and lies within rounding, this is the optimum */
        for (int j = 0; j < l->count; j++) {
            gain -= 0.5 * l->step[j] * l->gradient[j];
        }
        status = advance(l);
        if (status == WEIR_NOT_CONVERGED && gain < 1e-7 * (1.0 + fabs(l->value))) {
            return WEIR_OK;
        }
        small = gain < 1e-8 * (1.0 + fabs(l->value)) ? small + 1 : 0;
        if (status == WEIR_OK && small == SMALL_STEPS) {
            return WEIR_OK;
        }
        last = gain;
    }
    bool close = last < 1e-6 * (1.0 + fabs(l->value));
    return status == WEIR_OK && !close ? WEIR_NOT_CONVERGED : status;
}

static weir_status search(laplace *l)
{
    bool again = false;
    w_pirls *pirls = l->pirls;
    const size_t c = (size_t)l->count, p = (size_t)pirls->design->p;
    weir_status status = evaluate(l, l->point, true);
    if (status == WEIR_OK && !isfinite(l->value)) {
        return no_value(l);
    }
    const double value = l->value;
    memcpy(l->first, l->point, c * sizeof *l->first);
    memcpy(l->first_beta, pirls->beta, p * sizeof *l->first_beta);
    if (status == WEIR_OK) {
        status = start_again(l, &again);
    }
    if (status == WEIR_OK && isfinite(l->value)) {
        status = descend(l);
    }
    bool worse = !isfinite(l->value) || status == WEIR_NOT_CONVERGED || l->value > value + 1e-7 * (1.0 + fabs(value));
    if (again && worse && status >= 0) { /* there was nothing nearer */
        memcpy(l->point, l->first, c * sizeof *l->first);
        memcpy(pirls->beta, l->first_beta, p * sizeof *l->first_beta);
        l->pairs = 0;
        status = come_back(l, l->point);
        status = status == WEIR_OK ? evaluate(l, l->point, true) : status;
        status = status == WEIR_OK ? descend(l) : status;
    }
    return status;
}

/* The part of the Hessian in log lambda and, when it is estimated, log phi. */
static weir_status hand_over(const laplace *l)
{
    w_pirls *pirls = l->pirls;
    const int m = l->sp_count, c = l->count;
    pirls->hessian = w_calloc(pirls->ctx, TAG, (size_t)((m + 1) * (m + 1)), sizeof(double));
    if (!pirls->hessian) {
        return w_alloc_status(pirls->ctx);
    }
    const int used = l->phi_free ? m + 1 : m;
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
    laplace l = { .pirls = pirls };
    weir_status status = allocate(&l);
    if (status >= 0) {
        start(&l);
        status = search(&l);
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
    laplace l = { .pirls = pirls };
    weir_status status = allocate(&l);
    if (status >= 0) {
        start(&l);
        status = evaluate(&l, point, true);
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
