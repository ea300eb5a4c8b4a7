/* SPDX-License-Identifier: Apache-2.0 */
/* The minimum of V over point = (log lambda, log phi, theta) by Newton's method with the working model's Hessian, which the BFGS
 * formula corrects by what the last steps have shown.
 *
 * A smoothing parameter may run to +-infinity. On the way V = V_end + c exp(-+rho): slope and bend are alike in size and so is what is
 * still to be gained, |g_j|. The step there is lengthened to where nothing is left, and a parameter with |g_j| and the bend below
 * 1e-8 (1 + |V|) stays where it is. Elsewhere a step d promises -g'd/2.
 *
 * The search ends where the gradient is small; where steps that promise less than V can be told to, 1e-11 of it, have been taken
 * three times; or where a step that promises little cannot be had at any length. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "dense/dense.h"
#include "fit/laplace_parts.h"
#include "fit/newton.h"
#include "fit/smoothing.h"

#define ITERATIONS 60
#define HALVINGS 10
#define GRADIENT_BOUND 2e-6
#define TAIL_BOUND 1e-8    /* of 1 + |V| */
#define ROUNDING 1e-11     /* of 1 + |V| */
#define SMALL_STEPS 3
#define NOISE 1e-9         /* of 1 + |V|: a rise that beta's own convergence may cause */
#define BLOCKED 1e-7       /* of 1 + |V|: promises that may be lost in noise */
#define AGAIN_BOUND 1e-5
#define AGAIN_ROWS 50000   /* above, the two criteria are alike and passes cost */
#define FLOOR 1.5e-8       /* of the largest eigenvalue */
#define SHORT 1e-5        /* steps too short for the change of the gradient to say anything */
#define LARGEST_STEP 3.0   /* in log lambda and log phi */
#define LARGEST_THETA_STEP 1.0

static double size_of(const w_laplace *l) { return 1.0 + fabs(l->value); }

/* Neither slope nor bend: lambda so large that nothing is left to smooth, or so small that nothing is smoothed. */
static bool is_flat(const w_laplace *l, int j, double bound)
{
    const bool end = j < l->sp_count && l->point[j] >= l->limit[j] && l->gradient[j] < 0;
    return j != l->sp_count && l->free[j] && (end || (fabs(l->gradient[j]) < bound && fabs(l->bend[j]) < bound));
}

/* On the way there. */
static bool is_tail(const w_laplace *l, int j)
{
    const double slope = fabs(l->gradient[j]);
    return j != l->sp_count && slope < 0.05 && l->bend[j] > 0.5 * slope && l->bend[j] < 2.0 * slope;
}

/* A family's parameter at the end of its range that V would push beyond. */
static bool is_bound(const w_laplace *l, int j)
{
    int a = j - l->sp_count - 1;
    return a >= 0 && l->free[j] && w_pirls_parameter_bound(&l->pirls->glm, a) * l->gradient[j] < 0;
}

static bool is_active(const w_laplace *l, int j)
{
    return l->free[j] && !is_flat(l, j, TAIL_BOUND * size_of(l)) && !is_bound(l, j);
}

static double largest_gradient(const w_laplace *l)
{
    double largest = 0;
    for (int j = 0; j < l->count; j++) {
        if (is_active(l, j)) {
            largest = fmax(largest, fabs(l->gradient[j]));
        }
    }
    return largest;
}

static bool is_optimal(const w_laplace *l)
{
    const double bound = GRADIENT_BOUND * (1.0 + 1e-3 * fabs(l->value));
    for (int j = 0; j < l->count; j++) {
        if (is_active(l, j) && (is_tail(l, j) || fabs(l->gradient[j]) > bound)) {
            return false;
        }
    }
    return true;
}

/* The Hessian among the active parameters with the absolute values of its eigenvalues: BFGS keeps what is positive definite so. */
static weir_status make_definite(w_laplace *l, int active)
{
    const int *index = l->index, c = l->count;
    for (int a = 0; a < active; a++) {
        for (int b = 0; b < active; b++) {
            l->matrix[a + b * active] = l->hessian[index[a] * c + index[b]];
        }
    }
    weir_status status = w_eigen_symmetric(l->pirls->ctx, active, l->matrix, l->eigen, true);
    double largest = DBL_MIN;
    for (int e = 0; status >= 0 && e < active; e++) {
        largest = fmax(largest, fabs(l->eigen[e]));
    }
    for (int a = 0; status >= 0 && a < active; a++) {
        for (int b = 0; b < active; b++) {
            double sum = 0;
            for (int e = 0; e < active; e++) {
                sum += l->matrix[a + e * active] * l->matrix[b + e * active] * fmax(fabs(l->eigen[e]), FLOOR * largest);
            }
            l->hessian[index[a] * c + index[b]] = sum;
        }
    }
    return status;
}

/* The model's Hessian lacks what couples lambda, phi and theta through the weights: the last steps show it, and the BFGS
 * formula B += yy'/(y's) - Bs s'B/(s'Bs) puts it in. Steps along a tail show nothing but the tail. work: count. */
static void learn(w_laplace *l, int active, double *work)
{
    const int *index = l->index, c = l->count;
    for (int q = 0; q < l->pairs; q++) {
        const double *s = l->pair + (size_t)(2 * q) * (size_t)c, *y = s + c;
        double ys = 0, sbs = 0, ss = 0, other = 0;
        for (int i = 0; i < c; i++) {
            other += !is_active(l, i) || is_tail(l, i) ? s[i] * s[i] : 0;
            ss += s[i] * s[i];
        }
        for (int a = 0; a < active; a++) {
            const int i = index[a];
            work[a] = 0;
            for (int b = 0; b < active; b++) {
                work[a] += l->hessian[i * c + index[b]] * s[index[b]];
            }
            ys += y[i] * s[i];
            sbs += work[a] * s[i];
        }
        if (other > 0.01 * ss || !(ss > SHORT * SHORT) || !(ys > 1e-3 * sbs)) {
            continue;
        }
        for (int a = 0; a < active; a++) {
            for (int b = 0; b < active; b++) {
                l->hessian[index[a] * c + index[b]] += y[index[a]] * y[index[b]] / ys - work[a] * work[b] / sbs;
            }
        }
    }
}

static void remember(w_laplace *l, const double *from)
{
    const size_t c = (size_t)l->count;
    if (l->pairs == W_LAPLACE_PAIRS) {
        memmove(l->pair, l->pair + 2 * c, 2 * c * (W_LAPLACE_PAIRS - 1) * sizeof *l->pair);
        l->pairs--;
    }
    double *s = l->pair + 2 * c * (size_t)l->pairs++, *y = s + c;
    for (size_t j = 0; j < c; j++) {
        s[j] = l->free[j] ? l->trial[j] - from[j] : 0.0;
        y[j] = l->free[j] ? l->gradient[j] - l->before[j] : 0.0;
    }
}

/* The step, and what it promises. */
static weir_status newton_step(w_laplace *l, double *promise)
{
    int *index = l->index, active = 0;
    for (int j = 0; j < l->count; j++) {
        if (is_active(l, j)) {
            index[active++] = j;
        }
    }
    weir_status status = make_definite(l, active);
    if (status < 0) {
        return status;
    }
    learn(l, active, l->reduced);
    const w_newton newton = { .count = l->count, .active = active, .index = index, .gradient = l->gradient, .hessian = l->hessian };
    status = w_newton_step(l->pirls->ctx, &newton, l->matrix, l->eigen, l->step, NULL);
    double scale = 1;
    *promise = 0;
    for (int a = 0; a < active; a++) {
        const int j = index[a];
        const double slope = l->gradient[j];
        *promise += is_tail(l, j) ? fabs(slope) : -0.5 * slope * l->step[j];
        if (is_tail(l, j)) {
            const double left = log(fabs(slope) / (TAIL_BOUND * size_of(l))) + 0.5;
            l->step[j] = -copysign(fmax(fmin(left, LARGEST_STEP), 1.0), slope);
        }
        const double bound = j > l->sp_count && !is_tail(l, j) ? LARGEST_THETA_STEP : LARGEST_STEP;
        scale = fmin(scale, bound / fmax(fabs(l->step[j]), bound));
    }
    for (int a = 0; a < active; a++) {
        l->step[index[a]] *= scale;
    }
    return status;
}

/* Parameters as they will be set. */
static void keep_in_range(const w_laplace *l, double *point)
{
    for (int j = 0; j < l->sp_count; j++) {
        point[j] = l->free[j] ? fmin(point[j], l->limit[j]) : point[j];
    }
    w_glm glm = l->pirls->glm;
    for (int a = 0; a < glm.family->param_count; a++) {
        if (glm.estimate[a]) {
            w_pirls_set_parameter(&glm, a, point[l->sp_count + 1 + a]);
            point[l->sp_count + 1 + a] = w_pirls_parameter(&glm, a);
        }
    }
}

/* The working model at a beta that was put back, which the deviance of another one would not go with. */
static weir_status come_back(w_laplace *l, const double *point)
{
    w_laplace_set(l, point);
    weir_status status = w_pirls_refresh(l->pirls, true, false);
    return status > 0 ? WEIR_OK : status;
}

/* Moves to point + step, halved until V does not rise, and differentiates there. WEIR_NOT_CONVERGED: it cannot be lowered;
 * everything is as it was at `point`. */
static weir_status advance(w_laplace *l)
{
    w_pirls *pirls = l->pirls;
    const size_t p = (size_t)pirls->design->p, c = (size_t)l->count;
    const double before = l->value, noise = NOISE * size_of(l);
    memcpy(l->beta, pirls->beta, p * sizeof *l->beta);
    memcpy(l->before, l->gradient, c * sizeof *l->before);
    for (int halving = 0; halving <= HALVINGS; halving++) {
        for (size_t j = 0; j < c; j++) {
            l->trial[j] = l->point[j] + ldexp(l->step[j], -halving);
        }
        keep_in_range(l, l->trial);
        weir_status status = w_laplace_differentiate(l, l->trial);
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
    weir_status status = w_laplace_differentiate(l, l->point);
    return status == WEIR_OK ? WEIR_NOT_CONVERGED : status;
}

/* Where the working model's criterion has taken lambda to infinity V has neither slope nor bend to tell by, and may be lower
 * beyond a ridge: the search starts again from lambda that balances data and penalty. */
static weir_status start_again(w_laplace *l, bool *again)
{
    *again = false;
    for (int j = 0; j < l->sp_count && l->pirls->gram->n <= AGAIN_ROWS; j++) {
        if (is_flat(l, j, AGAIN_BOUND)) {
            l->point[j] = w_smoothing_balance(l->pirls->design, l->pirls->gram, j);
            *again = true;
        }
    }
    return *again ? w_laplace_differentiate(l, l->point) : WEIR_OK;
}

static weir_status no_value(const w_laplace *l)
{
    return w_fail(l->pirls->ctx, WEIR_E_NUMERIC, "the Laplace criterion does not exist where the working one ends");
}

static void note(const w_laplace *l)
{
    l->pirls->gradient = largest_gradient(l);
    l->pirls->criterion = l->value;
    w_progress_criterion(l->pirls->ctx, l->value);
}

static weir_status descend(w_laplace *l)
{
    double promise = INFINITY;
    int small = 0;
    for (int step = 0; step < ITERATIONS && small < SMALL_STEPS; step++) {
        if (!isfinite(l->value)) {
            return no_value(l);
        }
        note(l);
        weir_status status = w_check_cancel(l->pirls->ctx);
        if (status < 0 || is_optimal(l)) {
            return status;
        }
        status = newton_step(l, &promise);
        if (status >= 0) {
            status = advance(l);
        }
        if (status == WEIR_NOT_CONVERGED && l->pairs > 0) { /* what the last steps have shown leads nowhere from here */
            l->pairs = 0;
            continue;
        }
        if (status != WEIR_OK) {
            return status == WEIR_NOT_CONVERGED && promise < BLOCKED * size_of(l) ? WEIR_OK : status;
        }
        small = promise < ROUNDING * size_of(l) ? small + 1 : 0;
    }
    note(l);
    return promise < BLOCKED * size_of(l) ? WEIR_OK : WEIR_NOT_CONVERGED;
}

weir_status w_laplace_search(w_laplace *l)
{
    w_pirls *pirls = l->pirls;
    const size_t c = (size_t)l->count, p = (size_t)pirls->design->p;
    weir_status status = w_laplace_differentiate(l, l->point);
    if (status == WEIR_OK && !isfinite(l->value)) {
        return no_value(l);
    }
    const double value = l->value;
    bool again = false;
    memcpy(l->first, l->point, c * sizeof *l->first);
    memcpy(l->first_beta, pirls->beta, p * sizeof *l->first_beta);
    if (status == WEIR_OK) {
        status = start_again(l, &again);
    }
    if (status == WEIR_OK && isfinite(l->value)) {
        status = descend(l);
    }
    const bool worse = !isfinite(l->value) || status == WEIR_NOT_CONVERGED || l->value > value + NOISE * (1.0 + fabs(value));
    if (again && worse && status >= 0) { /* there was nothing nearer */
        memcpy(l->point, l->first, c * sizeof *l->first);
        memcpy(pirls->beta, l->first_beta, p * sizeof *l->first_beta);
        l->pairs = 0;
        status = come_back(l, l->point);
        status = status == WEIR_OK ? w_laplace_differentiate(l, l->point) : status;
        status = status == WEIR_OK ? descend(l) : status;
    }
    return status;
}
