/* SPDX-License-Identifier: Apache-2.0 */
/* Newton's method on rho = log lambda.
 *
 * Step  d = -U |Lambda|^-1 U'g  from the eigenvalues of the Hessian over the free parameters, |Lambda| floored at eps^1/2 of
 * its largest, the largest entry at most 4; halved while V rises. Along an eigenvector of negative curvature the step is
 * lengthened to 2 at least: coming back from a plateau at infinity V is concave and Newton's length 1 says nothing. When
 * eight halvings do not help where the Hessian of REML or ML is indefinite, a step of the extended Fellner-Schall method is tried,
 *     rho_j += log[ (d_j log|S|_+ - tr(PV_j)) gamma phi / b_j ],
 * which needs only the gradient's parts and points downhill. A parameter runs to +-infinity when V
 * flattens out and still falls outwards: |g_j| and |V_jj| below 1e-6 units of deviance; it then stays where it is. On the way there
 * g_j = -c exp(-rho_j), V_jj = -g_j and Newton's steps have length 1: the step is lengthened to where the gradient falls below
 * that bound. Stops when every other |g_j| <= 1e-7 units, when no step lowers V beyond its rounding error, or when SLOW steps at
 * gradients below 1e-4 units have gained less than SLOW_GAIN units together: then V falls along a bent valley to infinity.
 * Start: lambda_j = sum diag A / sum diag S_j over the columns of S_j. GCV and UBRE have several minima more often than not, and so
 * have REML and ML where many penalties share their columns: when all but one of the curves that sum to zero are straight, so is
 * the last one, and nothing pulls at any lambda. There the starts far below and above are tried too, the lowest minimum is
 * taken, and lambdas of such terms are moved one by one from it to the other side of balance, as long as that leads lower.
 * References: Wood (2011) JRSSB 73:3; Wood & Fasiolo (2017) Biometrics 73:1071. */
#include "fit/smoothing.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "fit/criterion.h"
#include "fit/newton.h"

#define GRADIENT_BOUND 1e-7
#define FLAT_BOUND 1e-6
#define LARGEST_STEP 4.0
#define REACH 25.0      /* rho stays within this of its start */
#define HALVINGS 25
#define SLOW 5
#define SLOW_GAIN 1e-6
#define STARTS_COST 4e9   /* p^3 sp_count up to which several starts are worth their time */
#define MOVES_COST 4e8    /* p^3 sp_count^2 up to which moves one by one are */
#define MOVE 4.0          /* so far beyond balance */

typedef struct search {
    w_criterion criterion;
    int free_count;
    int *free;              /* indices of the estimated parameters */
    double *rho, *origin, *trial, *step;  /* sp_count each */
    double *matrix, *eigen, *reduced;     /* free x free, free, free */
    void *block;
} search;

static weir_status allocate(weir_ctx *ctx, search *run, int count)
{
    const size_t m = (size_t)count;
    double *block = w_calloc(ctx, "smoothing search", w_mul_size(m, 7 + m) + 1, sizeof *block);
    if (block == NULL) {
        return w_alloc_status(ctx);
    }
    run->block = block;
    run->rho = block;
    run->origin = block + m;
    run->trial = block + 2 * m;
    run->step = block + 3 * m;
    run->eigen = block + 4 * m;
    run->reduced = block + 5 * m;
    run->free = (int *)(block + 6 * m);
    run->matrix = block + 7 * m;
    return WEIR_OK;
}

/* Mean diagonal of A over the mean diagonal of S_j, over the columns that S_j penalises. */
double w_smoothing_balance(const w_design *design, const w_gram *gram, int sp)
{
    double data = 0.0, penalty_sum = 0.0;
    const int64_t rows = gram->arrow_levels * gram->arrow_k;
    for (int i = 0; i < design->penalty_count; i++) {
        const w_design_penalty *penalty = &design->penalty[i];
        if (penalty->sp != sp) {
            continue;
        }
        for (int64_t c = 0; c < penalty->k * penalty->repeat; c++) {
            const double s = penalty->matrix ? penalty->matrix[(c % penalty->k) * (penalty->k + 1)] : 1.0;
            const int64_t column = penalty->first + c, offset = column - gram->arrow_first;
            const int64_t core = rows == 0 || offset < 0 ? column : column - rows;
            const bool arrow = rows > 0 && offset >= 0 && offset < rows;
            if (s > 0.0) {
                data += arrow ? gram->arrow_diag[offset / gram->arrow_k * gram->arrow_k * gram->arrow_k +
                                                 offset % gram->arrow_k * (gram->arrow_k + 1)]
                              : gram->matrix[core * (gram->core + 1)];
                penalty_sum += s;
            }
        }
    }
    return data > 0.0 && penalty_sum > 0.0 ? log(data / penalty_sum) : 0.0;
}

static void start(search *run)
{
    const w_criterion *criterion = &run->criterion;
    const w_design *design = criterion->design;
    for (int j = 0; j < criterion->count; j++) {
        const double fixed = design->sp_fixed ? design->sp_fixed[j] : NAN;
        if (!isnan(fixed)) {
            run->rho[j] = run->origin[j] = log(fixed);
            continue;
        }
        run->free[run->free_count++] = j;
        run->origin[j] = w_smoothing_balance(design, criterion->gram, j);
        run->rho[j] = criterion->options->start ? criterion->options->start[j] : run->origin[j];
    }
}

/* V is flat in this parameter: it has run to infinity, or stands at the end of its reach with V still falling outwards. */
static bool is_flat(const search *run, int j)
{
    const w_criterion *criterion = &run->criterion;
    const double bound = FLAT_BOUND * criterion->unit, gradient = criterion->gradient[j];
    const double away = run->rho[j] - run->origin[j];
    const bool outwards = gradient * away <= 0.0 || fabs(gradient) < 1e-3 * GRADIENT_BOUND * criterion->unit;
    const bool flat = fabs(gradient) < bound && fabs(criterion->hessian[j * (criterion->count + 1)]) < bound;
    return outwards && (flat || fabs(away) >= REACH - 1e-9);
}

static double largest_gradient(const search *run, bool every)
{
    double largest = 0.0;
    for (int i = 0; i < run->free_count; i++) {
        if (every || !is_flat(run, run->free[i])) {
            largest = fmax(largest, fabs(run->criterion.gradient[run->free[i]]));
        }
    }
    return largest;
}

/* Newton's step over the parameters that are not flat. *definite: the Hessian was positive definite there. */
static weir_status newton_step(search *run, bool *definite)
{
    const w_criterion *criterion = &run->criterion;
    const int m = criterion->count;
    int active = 0;
    int *index = run->free + m; /* second half of the index block */
    for (int i = 0; i < run->free_count; i++) {
        if (!is_flat(run, run->free[i])) {
            index[active++] = run->free[i];
        }
    }
    const w_newton newton = { .count = m, .active = active, .index = index, .gradient = criterion->gradient,
                              .hessian = criterion->hessian, .curved = 2.0 };
    return w_newton_step(criterion->ctx, &newton, run->matrix, run->eigen, run->step, definite);
}

/* Exponential tails are followed to where the gradient falls below the flat bound; then the length is limited. */
static void limit_step(search *run)
{
    const w_criterion *criterion = &run->criterion;
    double largest = 0.0;
    for (int i = 0; i < run->free_count; i++) {
        const int j = run->free[i];
        const double gradient = fabs(criterion->gradient[j]) / criterion->unit;
        const double bend = criterion->hessian[j * (criterion->count + 1)] / criterion->unit;
        const double step = fabs(run->step[j]);
        if (gradient < 0.05 && gradient > FLAT_BOUND && bend > 0.5 * gradient && bend < 2.0 * gradient && step > 0.5 &&
            step < 2.0) {
            run->step[j] *= fmax(1.0, log(gradient / FLAT_BOUND) + 0.5) / step;
        }
        largest = fmax(largest, fabs(run->step[j]));
    }
    for (int j = 0; j < criterion->count && largest > LARGEST_STEP; j++) {
        run->step[j] *= LARGEST_STEP / largest;
    }
}

/* Extended Fellner-Schall. */
static void likelihood_step(search *run)
{
    const w_criterion *criterion = &run->criterion;
    memset(run->step, 0, (size_t)criterion->count * sizeof *run->step);
    for (int i = 0; i < run->free_count; i++) {
        const int j = run->free[i];
        const double up = criterion->logdet_gradient[j] - criterion->trace[j];
        const double down = criterion->pull[j] / (criterion->gamma * criterion->scale);
        if (!is_flat(run, j)) {
            run->step[j] = up > 0.0 && down > 0.0 ? log(up / down) : (down > 0.0 ? -LARGEST_STEP : LARGEST_STEP);
        }
    }
}

/* Halves the step until V does not rise; *taken = false when no length lowers it. Leaves V and its derivatives at the new
 * rho, or at the old one. */
static weir_status line_search(search *run, int halvings, bool *taken)
{
    w_criterion *criterion = &run->criterion;
    const int m = criterion->count;
    const double before = criterion->value;
    const double noise = 8.0 * DBL_EPSILON * (fabs(before) + (double)criterion->gram->n * criterion->unit);
    double length = 1.0;
    for (int attempt = 0; attempt <= halvings; attempt++, length *= 0.5) {
        double moved = 0.0;
        for (int j = 0; j < m; j++) {
            const double wanted = run->rho[j] + length * run->step[j];
            run->trial[j] = run->step[j] == 0.0 ? run->rho[j]
                                                : fmin(fmax(wanted, run->origin[j] - REACH), run->origin[j] + REACH);
            moved = fmax(moved, fabs(run->trial[j] - run->rho[j]));
        }
        if (moved == 0.0) {
            break;
        }
        weir_status status = w_criterion_evaluate(criterion, run->trial, true);
        if (status < 0 && status != WEIR_E_NUMERIC) {
            return status;
        }
        if (status >= 0 && criterion->value <= before + noise) {
            memcpy(run->rho, run->trial, (size_t)m * sizeof *run->rho);
            *taken = true;
            return WEIR_OK;
        }
    }
    *taken = false;
    return w_criterion_evaluate(criterion, run->rho, true);
}

static weir_status iterate(search *run, int limit, int *iterations, bool *converged)
{
    w_criterion *criterion = &run->criterion;
    const bool likelihood = criterion->options->criterion == WEIR_REML || criterion->options->criterion == WEIR_ML;
    double before = INFINITY, slow_from = INFINITY;
    *converged = false;
    for (*iterations = 0; *iterations < limit; (*iterations)++) {
        const double gradient = largest_gradient(run, false);
        const double noise = 8.0 * DBL_EPSILON * (fabs(criterion->value) + (double)criterion->gram->n * criterion->unit);
        if (gradient <= GRADIENT_BOUND * criterion->unit ||
            (before - criterion->value <= noise && gradient <= 1e3 * GRADIENT_BOUND * criterion->unit)) {
            *converged = true;
            return WEIR_OK;
        }
        if (*iterations % SLOW == 0) {
            if (slow_from - criterion->value < SLOW_GAIN * criterion->unit && gradient <= 1e3 * GRADIENT_BOUND * criterion->unit) {
                *converged = true;
                return WEIR_OK;
            }
            slow_from = criterion->value;
        }
        before = criterion->value;
        w_progress_criterion(criterion->ctx, criterion->value);
        weir_status status = w_check_cancel(criterion->ctx);
        bool definite = true, taken = false;
        status = status < 0 ? status : newton_step(run, &definite);
        const bool fallback = likelihood && !definite;
        if (status >= 0) {
            limit_step(run);
            status = line_search(run, fallback ? 8 : HALVINGS, &taken);
        }
        if (status >= 0 && !taken && fallback) {
            likelihood_step(run);
            limit_step(run);
            status = line_search(run, HALVINGS, &taken);
        }
        if (status < 0) {
            return status;
        }
        if (!taken) {
            *converged = largest_gradient(run, false) <= 1e4 * GRADIENT_BOUND * criterion->unit;
            return WEIR_OK;
        }
    }
    return WEIR_OK;
}

/* A minimum found: the lowest one so far is kept in `best`. One that did not converge must be lower by more than rounding. */
typedef struct lowest {
    double value, *best;
    int iterations;
    bool converged;
} lowest;

static bool take_lower(const search *run, int steps, bool done, lowest *low)
{
    const w_criterion *criterion = &run->criterion;
    const double margin = (done ? 1e-7 : 1e-4) * criterion->unit;
    if (!(criterion->value < low->value - margin)) {
        return false;
    }
    low->value = criterion->value;
    low->iterations = steps;
    low->converged = done;
    memcpy(low->best, run->rho, (size_t)criterion->count * sizeof *low->best);
    return true;
}

static weir_status iterate_here(search *run, int limit, lowest *low, bool *lower)
{
    int steps = 0;
    bool done = false;
    weir_status status = w_criterion_evaluate(&run->criterion, run->rho, true);
    if (status >= 0) {
        status = iterate(run, limit, &steps, &done);
    }
    *lower = status >= 0 && take_lower(run, steps, done, low);
    return status;
}

/* Smooths with many penalties that share their columns. */
static bool is_shared(const w_smooth *smooth)
{
    return smooth && smooth->penalty_count > 2 && (smooth->type == W_SMOOTH_SZ || smooth->type == W_SMOOTH_T2);
}

/* Each free lambda of such a term to the other side of balance, until none leads lower. */
static weir_status move_singly(search *run, int limit, lowest *low)
{
    const w_design *design = run->criterion.design;
    const size_t bytes = (size_t)run->criterion.count * sizeof(double);
    weir_status status = WEIR_OK;
    int since = 0; /* moves tried since one that led lower */
    for (int q = 0; status >= 0 && since < design->penalty_count; q = (q + 1) % design->penalty_count) {
        const w_design_penalty *penalty = &design->penalty[q];
        const int j = penalty->sp;
        bool lower = false;
        since++;
        if (!is_shared(design->term[penalty->term].smooth) || (design->sp_fixed && !isnan(design->sp_fixed[j]))) {
            continue;
        }
        memcpy(run->rho, low->best, bytes);
        run->rho[j] = run->origin[j] + (run->rho[j] > run->origin[j] ? -MOVE : MOVE);
        status = iterate_here(run, limit, low, &lower);
        since = lower ? 0 : since;
    }
    return status;
}

/* The same from the starts origin + shift for each shift, ending at the lowest minimum. */
static weir_status iterate_from(search *run, int limit, bool singly, int *iterations, bool *converged)
{
    static const double shift[] = { 0.0, -5.0, 5.0 };
    w_criterion *criterion = &run->criterion;
    const size_t bytes = (size_t)criterion->count * sizeof(double);
    lowest low = { .value = INFINITY, .best = w_alloc(criterion->ctx, "smoothing search", bytes + 1) };
    weir_status status = low.best ? WEIR_OK : w_alloc_status(criterion->ctx);
    if (status >= 0) {
        memcpy(low.best, run->rho, bytes);
    }
    for (int s = 0; s < 3 && status >= 0; s++) {
        bool lower;
        for (int i = 0; i < run->free_count; i++) {
            run->rho[run->free[i]] = run->origin[run->free[i]] + shift[s];
        }
        status = iterate_here(run, limit, &low, &lower);
    }
    if (status >= 0 && singly) {
        status = move_singly(run, limit, &low);
    }
    if (status >= 0) {
        *iterations = low.iterations;
        *converged = low.converged;
        memcpy(run->rho, low.best, bytes);
        status = w_criterion_evaluate(criterion, run->rho, true);
    }
    w_free(criterion->ctx, low.best);
    return status;
}

/* Several minima are likely, and looking for them costs little. */
static bool wants_starts(const search *run, bool *singly)
{
    const w_criterion *criterion = &run->criterion;
    const w_design *design = criterion->design;
    const weir_criterion kind = criterion->options->criterion;
    const double cost = pow((double)design->p, 3.0) * criterion->count;
    bool shared = false;
    *singly = false;
    if (criterion->options->start || kind == WEIR_GCV || kind == WEIR_UBRE) {
        return !criterion->options->start;
    }
    for (int t = 0; t < design->term_count; t++) {
        shared = shared || is_shared(design->term[t].smooth);
    }
    *singly = shared && cost * criterion->count < MOVES_COST;
    return shared && run->free_count > 2 && cost < STARTS_COST;
}

/* Joint Hessian of V in (rho, log phi); for GCV and UBRE phi takes no part. */
static void joint_hessian(const w_criterion *criterion, double *out)
{
    const int m = criterion->count;
    const bool likelihood = criterion->options->criterion == WEIR_REML || criterion->options->criterion == WEIR_ML;
    const double precision = 1.0 / (criterion->gamma * criterion->scale);
    memset(out, 0, (size_t)(m + 1) * (size_t)(m + 1) * sizeof *out);
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < m; j++) {
            out[i * (m + 1) + j] = (likelihood ? criterion->fixed_scale_hessian : criterion->hessian)[i * m + j];
        }
        if (likelihood && !(criterion->options->scale > 0.0)) {
            out[i * (m + 1) + m] = out[m * (m + 1) + i] = -0.5 * criterion->pull[i] * precision;
        }
    }
    if (likelihood && !(criterion->options->scale > 0.0)) {
        const double q = w_system_rss(criterion->system) + w_system_penalty(criterion->system, NULL);
        out[m * (m + 1) + m] = 0.5 * q * precision;
    }
}

static weir_status finish(search *run, bool converged, w_smoothing_result *result)
{
    w_criterion *criterion = &run->criterion;
    double edf = (double)w_system_rank(criterion->system);
    weir_status status = WEIR_OK;
    if (criterion->options->criterion == WEIR_ML) {
        status = w_system_derivatives(criterion->system, criterion->trace, NULL, NULL);
    }
    for (int j = 0; j < criterion->count; j++) {
        edf -= criterion->trace[j];
    }
    if (status < 0) {
        return status;
    }
    memcpy(result->rho, run->rho, (size_t)criterion->count * sizeof *result->rho);
    result->criterion = criterion->value;
    result->edf = edf;
    const double rest = (double)criterion->gram->n - edf;
    result->scale = criterion->options->scale > 0.0 || !(rest > 0.0) ? criterion->scale
                                                                     : w_system_rss(criterion->system) / rest;
    result->gradient = largest_gradient(run, true);
    if (result->hessian != NULL) {
        joint_hessian(criterion, result->hessian);
    }
    result->status = criterion->status;
    if (!converged) {
        result->status = w_remark(criterion->ctx, WEIR_NOT_CONVERGED,
                                  "the search for smoothing parameters stopped after %d steps with a gradient of %.2g: "
                                  "the result is its last step", result->iterations, result->gradient);
    }
    return result->status;
}

weir_status w_smoothing_select(weir_ctx *ctx, w_system *system, const w_design *design, const w_gram *gram,
                               const w_smoothing_options *options, w_smoothing_result *result)
{
    search run = { 0 };
    weir_status status = allocate(ctx, &run, design->sp_count);
    if (status < 0) {
        return status;
    }
    status = w_criterion_create(ctx, system, design, gram, options, &run.criterion);
    bool converged = true;
    if (status >= 0) {
        start(&run);
        status = w_criterion_evaluate(&run.criterion, run.rho, true);
    }
    if (status >= 0 && !isfinite(run.criterion.value) && run.free_count == 0) {
        status = w_fail(ctx, WEIR_E_NUMERIC, "the smoothing criterion is not finite at the given smoothing parameters");
    }
    result->iterations = 0;
    if (status >= 0 && run.free_count > 0) {
        const int limit = options->max_iterations > 0 ? options->max_iterations : 100;
        bool singly;
        status = wants_starts(&run, &singly) ? iterate_from(&run, limit, singly, &result->iterations, &converged)
                                             : iterate(&run, limit, &result->iterations, &converged);
    }
    if (status >= 0) {
        status = finish(&run, converged, result);
    }
    w_criterion_free(&run.criterion);
    w_free(ctx, run.block);
    return status;
}
