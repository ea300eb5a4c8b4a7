/* SPDX-License-Identifier: Apache-2.0 */
/* An unknown rho minimises the REML or ML criterion, each value of which is a choice of smoothing parameters on p x p matrices:
 * first over a grid, because trend and correlation can explain each other and V then has two minima, then by Brent's method on
 * atanh(rho) between the neighbours of the best. Deviance and R^2 are those of the residuals as they are, scale, likelihood and
 * tests those of the standardised ones. */
#include "fit/ar1.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "fit/finish.h"
#include "fit/inference.h"
#include "fit/smoothing.h"
#include "plan/plan.h"

#define LARGEST_RHO 0.995
#define PRECISION 1e-7     /* of atanh(rho) */
#define STEPS 60
#define GOLDEN 0.3819660112501051

typedef struct ar1 {
    weir_ctx *ctx;
    w_design *design;
    const weir_fit_options *options;
    w_gram *rows, *ends, *lag, *white;
    double *rho_sp;        /* log smoothing parameters of the last fit */
    bool started;
} ar1;

weir_status w_ar1_check(weir_ctx *ctx, const weir_fit_options *options, const w_glm *glm)
{
    if (!w_ar1_wanted(options)) {
        return options->ar1_start ? w_fail(ctx, WEIR_E_ARG, "column '%s' tells where series begin: that needs AR(1) residuals",
                                           options->ar1_start)
                                  : WEIR_OK;
    }
    if (!(fabs(options->ar1) < 1)) {
        return w_fail(ctx, WEIR_E_ARG, "the correlation of AR(1) residuals must lie between -1 and 1, not at %g", options->ar1);
    }
    if (options->ar1 != 0 && options->ar1_estimate) {
        return w_fail(ctx, WEIR_E_ARG, "the correlation of AR(1) residuals is either given or estimated");
    }
    if (glm->family->kind != W_FAMILY_GAUSSIAN || glm->link->kind != W_LINK_IDENTITY) {
        return w_fail(ctx, WEIR_E_ARG, "AR(1) residuals are for the gaussian family with identity link alone, not %s with link %s",
                      glm->family->name, glm->link->name);
    }
    if (options->ar1_estimate && options->criterion != WEIR_REML && options->criterion != WEIR_ML) {
        return w_fail(ctx, WEIR_E_ARG, "the correlation of AR(1) residuals is estimated by REML or ML: choose one of them, or give it");
    }
    return WEIR_OK;
}

/* ---- the criterion over rho --------------------------------------------------------------------------------------- */

/* V at rho, smoothing parameters chosen; infinite where it does not exist. */
static weir_status value_at(ar1 *a, double theta, double *out)
{
    w_system *system = NULL;
    w_gram_whiten(a->rows, a->ends, a->lag, tanh(theta), a->white);
    weir_status status = w_check_cancel(a->ctx);
    if (status >= 0) {
        status = w_system_create(a->ctx, a->white, a->design, &system);
    }
    if (status >= 0) {
        w_smoothing_options search = { .criterion = a->options->criterion,
                                       .gamma = a->options->gamma > 0 ? a->options->gamma : 1.0,
                                       .scale = a->options->scale,
                                       .max_iterations = a->options->max_iterations,
                                       .log_likelihood_constant = -0.5 * a->white->log_weight_sum,
                                       .start = a->started ? a->rho_sp : NULL };
        w_smoothing_result found = { .rho = a->rho_sp };
        status = w_smoothing_select(a->ctx, system, a->design, a->white, &search, &found);
        a->started = status >= 0;
        *out = status >= 0 && isfinite(found.criterion) ? found.criterion : INFINITY;
    }
    w_system_free(system);
    if (status == WEIR_E_NUMERIC) {
        *out = INFINITY;
        return WEIR_OK;
    }
    return status < 0 ? status : WEIR_OK;
}

/* Brent's method in [low, high] from the point `best` inside. Reference: Brent (1973), Algorithms for Minimization, ch. 5. */
static weir_status refine(ar1 *a, double low, double high, double best, double value, double *out)
{
    double second = best, third = best, value_second = value, value_third = value, step = 0, before = 0;
    weir_status status = WEIR_OK;
    for (int i = 0; i < STEPS && status >= 0; i++) {
        const double middle = 0.5 * (low + high), tolerance = PRECISION * (1 + fabs(best));
        if (fabs(best - middle) <= 2 * tolerance - 0.5 * (high - low)) {
            break;
        }
        const double r = (best - second) * (value - value_third), s = (best - third) * (value - value_second);
        double up = (best - third) * s - (best - second) * r, down = 2 * (s - r);
        up = down > 0 ? -up : up;
        down = fabs(down);
        const bool parabola = fabs(before) > tolerance && fabs(up) < fabs(0.5 * down * before) &&
                              up > down * (low - best) && up < down * (high - best);
        before = parabola ? step : best < middle ? high - best : low - best;
        step = parabola ? up / down : GOLDEN * before;
        if (parabola && (best + step - low < 2 * tolerance || high - best - step < 2 * tolerance)) {
            step = copysign(tolerance, middle - best);
        }
        const double at = best + (fabs(step) >= tolerance ? step : copysign(tolerance, step));
        double found = INFINITY;
        status = value_at(a, at, &found);
        if (found <= value) {
            *(at >= best ? &low : &high) = best;
            third = second, value_third = value_second;
            second = best, value_second = value;
            best = at, value = found;
        } else {
            *(at < best ? &low : &high) = at;
            if (found <= value_second || second == best) {
                third = second, value_third = value_second;
                second = at, value_second = found;
            } else if (found <= value_third || third == best || third == second) {
                third = at, value_third = found;
            }
        }
    }
    *out = best;
    return status;
}

static weir_status estimate(ar1 *a, double *rho)
{
    static const double grid[] = { -LARGEST_RHO, -0.9, -0.6, -0.3, 0.0, 0.2, 0.4, 0.55, 0.7, 0.8, 0.9, 0.96, LARGEST_RHO };
    enum { POINTS = sizeof grid / sizeof *grid };
    double lowest = INFINITY, theta = 0;
    int best = -1;
    weir_status status = WEIR_OK;
    for (int i = 1; i + 1 < POINTS && status >= 0; i++) {
        double value = INFINITY;
        status = value_at(a, atanh(grid[i]), &value);
        if (value < lowest) {
            lowest = value;
            best = i;
        }
    }
    if (status >= 0 && best < 0) {
        status = w_fail(a->ctx, WEIR_E_NUMERIC, "the criterion exists for no correlation of AR(1) residuals: give one");
    }
    if (status >= 0) {
        status = refine(a, atanh(grid[best - 1]), atanh(grid[best + 1]), atanh(grid[best]), lowest, &theta);
    }
    *rho = tanh(theta);
    return status;
}

/* ---- the model ---------------------------------------------------------------------------------------------------- */

/* e'Me for the residuals e = z - X beta behind the parts of M. */
static double residual_form(const w_gram *gram, const double *beta)
{
    const int64_t core = gram->core, k = gram->arrow_k;
    double sum = gram->zz;
    for (int64_t i = 0; i < core; i++) {
        double image = -2 * gram->rhs[i];
        for (int64_t j = 0; j < core; j++) {
            image += gram->matrix[i * core + j] * beta[gram->core_column[j]];
        }
        sum += beta[gram->core_column[i]] * image;
    }
    for (int64_t r = 0; r < gram->arrow_levels * k; r++) {
        const double *level = beta + gram->arrow_first + r / k * k;
        double image = -2 * gram->arrow_rhs[r];
        for (int64_t s = 0; s < k; s++) {
            image += gram->arrow_diag[r * k + s] * level[s];
        }
        for (int64_t j = 0; j < core; j++) {
            image += 2 * gram->arrow_border[r * core + j] * beta[gram->core_column[j]];
        }
        sum += beta[gram->arrow_first + r] * image;
    }
    return sum;
}

static void describe(weir_model *model, const ar1 *a, const double *beta)
{
    weir_summary *s = &model->summary;
    const w_gram *rows = a->rows;
    const double n = (double)rows->n;
    const bool centred = a->design->intercept_column >= 0 && rows->weight_sum > 0;
    const double mean_part = rows->weight_z_sum * rows->weight_z_sum / rows->weight_sum;
    s->deviance = fmax(residual_form(rows, beta), 0);
    s->null_deviance = centred ? fmax(rows->zz - mean_part, 0) : rows->zz;
    s->deviance_explained = s->null_deviance > 0 ? (s->null_deviance - s->deviance) / s->null_deviance : NAN;
    double residual = s->deviance, response = rows->zz - mean_part;
    if (rows->log_weight_sum == 0 && rows->weight_sum == n) {
        double sum = rows->weight_z_sum;
        for (int64_t j = 0; j < rows->p; j++) {
            sum -= rows->column_sum[j] * beta[j];
        }
        residual -= sum * sum / n;
    }
    s->r_squared_adjusted = response > 0 && s->residual_df > 0 ? 1 - residual * (n - 1) / (response * s->residual_df) : NAN;
    if (a->options->ar1_estimate) {
        s->aic += 2;
    }
    model->ar1->correlation = s->deviance > 0 ? 0.5 * residual_form(a->lag, beta) / s->deviance : NAN;
    model->ar1->series = rows->n - a->lag->n;
}

static weir_status finish(ar1 *a, double rho, const weir_plan *plan, weir_model **out)
{
    weir_model *model = NULL;
    w_gram_whiten(a->rows, a->ends, a->lag, rho, a->white);
    weir_status status = w_finish_model(a->ctx, a->design, a->white, plan, a->options, NULL, &model);
    if (status < 0) {
        return status;
    }
    const int64_t p = a->rows->p, intercept = a->design->intercept_column;
    model->ar1 = w_arena_calloc(&model->arena, 1, sizeof *model->ar1);
    double *beta = w_alloc_array(a->ctx, "coefficients", (size_t)p, sizeof *beta);
    if (!model->ar1 || !beta) {
        w_free(a->ctx, beta);
        model->design = NULL;
        w_model_free(model);
        return w_alloc_status(a->ctx);
    }
    memcpy(beta, model->beta, (size_t)p * sizeof *beta);
    if (intercept >= 0) {
        beta[intercept] -= a->design->response_shift;
    }
    model->summary.ar1 = model->ar1;
    model->ar1->rho = rho;
    model->ar1->estimated = a->options->ar1_estimate != 0;
    model->ar1->standardised_correlation = NAN;
    describe(model, a, beta);
    w_free(a->ctx, beta);
    *out = model;
    return status;
}

weir_status w_ar1_model(weir_ctx *ctx, w_design *design, w_sums *sums, const weir_plan *plan, const weir_fit_options *options,
                        weir_model **out)
{
    ar1 a = { .ctx = ctx, .design = design, .options = options };
    double rho = options->ar1;
    const int arrow_block = w_plan_arrow_block(design);
    weir_status status = w_sums_gram(sums, arrow_block, &a.rows);
    if (status >= 0) {
        status = w_sums_lag_grams(sums, arrow_block, &a.ends, &a.lag);
    }
    if (status >= 0) {
        status = w_gram_create(ctx, a.rows, &a.white);
    }
    if (status >= 0) {
        a.rho_sp = w_calloc(ctx, "smoothing search", (size_t)design->sp_count + 1, sizeof *a.rho_sp);
        status = a.rho_sp ? WEIR_OK : w_alloc_status(ctx);
    }
    if (status >= 0 && options->ar1_estimate) {
        status = estimate(&a, &rho);
    }
    if (status >= 0) {
        w_message_clear(ctx); /* remarks of searches on the way */
        status = finish(&a, rho, plan, out);
    }
    w_free(ctx, a.rho_sp);
    w_gram_free(a.rows);
    w_gram_free(a.ends);
    w_gram_free(a.lag);
    w_gram_free(a.white);
    return status;
}
