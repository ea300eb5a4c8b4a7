/* SPDX-License-Identifier: Apache-2.0 */
/* The criteria and their derivatives. r = residual sum of squares, q = r + beta'S_lambda beta, b_j = lambda_j beta'S_j beta.
 *
 * REML  2V = q/(gamma phi) + (n/gamma - M_p) log(2 pi phi) + M_p log gamma + log|H| - log|S|_+,   phi = q / (n - gamma M_p),
 * ML    2V = q/(gamma phi) + (n/gamma) log(2 pi phi) + log|H_r| - log|S|_+,                       phi = q / n,
 *   H_r: H restricted to the penalised directions. Derivatives at fixed phi (P_r for P in the traces of ML):
 *     2 V_j  = b_j/(gamma phi) + tr(PV_j) - d_j log|S|_+,
 *     2 V_ij = (delta_ij b_i - 2 v_i'Pv_j)/(gamma phi) + delta_ij tr(PV_i) - tr(PV_iPV_j) - d_ij log|S|_+,
 *   an estimated phi is eliminated: V_ij - V_i,log phi V_j,log phi / V_log phi,log phi,  V_j,log phi = -b_j/(2 gamma phi).
 * GCV   V = n r / (n - gamma tau)^2,    UBRE  V = r/n - phi + 2 gamma phi tau / n,   tau = tr F = rank - sum_j tr(PV_j),
 *     tau_j  = -tr(PV_jF) = -tr(PV_j) + sum_i tr(PV_jPV_i),
 *     tau_ij = delta_ij tau_j + tr(V_iPV_jPAP) + tr(V_jPV_iPAP).
 * With an arrow block tau_ij is not formed; the Hessian of GCV and UBRE then comes from central differences of the exact
 * gradient. References: Wood (2011) JRSSB 73; Wood (2017) ch. 6. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "fit/criterion.h"

#define TWO_PI 6.283185307179586476925

weir_status w_criterion_create(weir_ctx *ctx, w_system *system, const w_design *design, const w_gram *gram,
                               const w_smoothing_options *options, w_criterion *out)
{
    const size_t m = (size_t)design->sp_count;
    *out = (w_criterion){ .ctx = ctx, .system = system, .design = design, .gram = gram, .options = options,
                          .count = design->sp_count, .gamma = options->gamma > 0.0 ? options->gamma : 1.0 };
    double *block = w_calloc(ctx, "criterion", w_mul_size(m, 4 + 5 * m) + 1, sizeof *block);
    if (block == NULL) {
        return w_alloc_status(ctx);
    }
    out->block = block;
    out->gradient = block;
    out->pull = block + m;
    out->trace = block + 2 * m;
    out->logdet_gradient = block + 3 * m;
    out->hessian = block + 4 * m;
    out->fixed_scale_hessian = out->hessian + m * m;
    out->logdet_hessian = out->hessian + 2 * m * m;
    out->cross = out->hessian + 3 * m * m;
    out->curvature = out->hessian + 4 * m * m;
    return WEIR_OK;
}

void w_criterion_free(w_criterion *criterion)
{
    w_free(criterion->ctx, criterion->block);
    criterion->block = NULL;
}

/* One part of log|S|_+: the penalties part->penalty_first … of one smooth, possibly repeated for several levels. */
static double part_logdet(const w_design *design, const w_face *face, const w_design_logdet *part, const double *rho,
                          double *gradient, double *hessian)
{
    if (face != NULL && face->rank[part->penalty_first] >= 0) { /* one penalty of a shaped smooth */
        const int j = part->penalty_first, sp = design->penalty[j].sp;
        const double rank = (double)face->rank[j];
        if (rho[sp] == -INFINITY) {
            return 0.0;
        }
        if (gradient != NULL) {
            gradient[sp] += rank;
        }
        return rank * rho[sp] + face->log_det[j];
    }
    const w_design_penalty *penalty = design->penalty + part->penalty_first;
    double value = 0.0;
    if (part->smooth == NULL) {
        for (int i = 0; i < part->penalty_count; i++) {
            const double rank = (double)(penalty[i].rank * penalty[i].repeat);
            if (rho[penalty[i].sp] == -INFINITY) { /* lambda = 0: no penalty */
                continue;
            }
            value += rank * rho[penalty[i].sp] + penalty[i].log_det * (double)penalty[i].repeat;
            if (gradient != NULL) {
                gradient[penalty[i].sp] += rank;
            }
        }
        return value;
    }
    double local[W_MAX_PENALTIES] = { 0 }, first[W_MAX_PENALTIES] = { 0 }, second[W_MAX_PENALTIES * W_MAX_PENALTIES] = { 0 };
    const int count = part->penalty_count;
    for (int i = 0; i < count; i++) {
        local[i] = rho[penalty[i].sp];
    }
    w_smooth_logdet(part->smooth, local, &value, gradient ? first : NULL, hessian ? second : NULL);
    const double repeat = (double)penalty[0].repeat;
    for (int i = 0; i < count && gradient != NULL; i++) {
        gradient[penalty[i].sp] += repeat * first[i];
        for (int j = 0; j < count && hessian != NULL; j++) {
            hessian[penalty[i].sp * design->sp_count + penalty[j].sp] += repeat * second[i * count + j];
        }
    }
    return repeat * value;
}

double w_criterion_penalty_logdet(const w_design *design, const w_face *face, const double *rho, double *gradient,
                                  double *hessian)
{
    const size_t m = (size_t)design->sp_count;
    double value = 0.0;
    if (gradient != NULL) {
        memset(gradient, 0, m * sizeof *gradient);
    }
    if (hessian != NULL) {
        memset(hessian, 0, m * m * sizeof *hessian);
    }
    for (int i = 0; i < design->logdet_count; i++) {
        value += part_logdet(design, face, &design->logdet[i], rho, gradient, hessian);
    }
    return value;
}

/* Relative to the data, not to be told from an exact fit. */
static double positive(const w_criterion *criterion, double sum)
{
    return fmax(sum, fmax(criterion->gram->zz * DBL_EPSILON * DBL_EPSILON, 1e-280));
}

/* trace and cross of ML are those of the restricted system, in place already. */
static weir_status likelihood_derivatives(w_criterion *criterion, bool restricted, double q, double precision)
{
    const int m = criterion->count;
    weir_status status = w_system_derivatives(criterion->system, restricted ? NULL : criterion->trace,
                                              restricted ? NULL : criterion->cross, criterion->curvature);
    if (status < 0) {
        return status;
    }
    const bool estimated = !(criterion->options->scale > 0.0);
    for (int i = 0; i < m; i++) {
        const double pull = criterion->pull[i] * precision;
        criterion->gradient[i] = 0.5 * (pull + criterion->trace[i] - criterion->logdet_gradient[i]);
        for (int j = 0; j < m; j++) {
            double entry = -2.0 * criterion->curvature[i * m + j] * precision - criterion->cross[i * m + j] -
                           criterion->logdet_hessian[i * m + j];
            if (i == j) {
                entry += pull + criterion->trace[i];
            }
            criterion->fixed_scale_hessian[i * m + j] = 0.5 * entry;
            const double eliminated = criterion->pull[i] * criterion->pull[j] * precision / q;
            criterion->hessian[i * m + j] = 0.5 * (entry - (estimated ? eliminated : 0.0));
        }
    }
    return WEIR_OK;
}

static weir_status evaluate_likelihood(w_criterion *criterion, const double *rho, bool derivatives)
{
    const w_smoothing_options *options = criterion->options;
    const bool restricted = options->criterion == WEIR_ML;
    const double gamma = criterion->gamma, n = (double)criterion->gram->n;
    const double null = restricted ? 0.0 : (double)w_system_null_dimension(criterion->system);
    const double q = positive(criterion, w_system_rss(criterion->system) +
                                             w_system_penalty(criterion->system, criterion->pull));
    if (!(options->scale > 0.0) && n - gamma * null <= 0.0) {
        return w_fail(criterion->ctx, WEIR_E_DATA,
                      "%lld rows are too few to estimate the scale beside %lld unpenalised coefficients: drop terms or give a scale",
                      (long long)criterion->gram->n, (long long)null);
    }
    criterion->scale = options->scale > 0.0 ? options->scale : q / (n - gamma * null);
    criterion->unit = 1.0;
    const double precision = 1.0 / (gamma * criterion->scale);
    double log_det = w_system_log_det(criterion->system);
    if (restricted) {
        weir_status status = w_system_range_derivatives(criterion->system, &log_det, derivatives ? criterion->trace : NULL,
                                                        derivatives ? criterion->cross : NULL);
        if (status < 0) {
            return status;
        }
    }
    const double penalty = w_criterion_penalty_logdet(criterion->design, w_system_face(criterion->system), rho,
                                                      derivatives ? criterion->logdet_gradient : NULL,
                                                      derivatives ? criterion->logdet_hessian : NULL);
    criterion->value = 0.5 * (q * precision + (n / gamma - null) * log(TWO_PI * criterion->scale) + null * log(gamma) +
                              log_det - penalty) +
                       options->log_likelihood_constant / gamma;
    if (!isfinite(criterion->value)) {
        criterion->value = INFINITY;
        return WEIR_OK;
    }
    return derivatives ? likelihood_derivatives(criterion, restricted, q, precision) : WEIR_OK;
}

/* V, its derivatives in (r, tau), and the chain rule. rss_hessian and effect may be NULL: gradient only. */
static void prediction_error(w_criterion *criterion, const double *rss_gradient, const double *rss_hessian,
                             const double *effect)
{
    const w_smoothing_options *options = criterion->options;
    const int m = criterion->count;
    const double n = (double)criterion->gram->n, gamma = criterion->gamma, rss = w_system_rss(criterion->system);
    double tau = (double)w_system_rank(criterion->system);
    for (int i = 0; i < m; i++) {
        tau -= criterion->trace[i];
    }
    criterion->edf = tau;
    double by_rss, by_tau, by_rss_tau, by_tau_tau;
    if (options->criterion == WEIR_GCV) {
        const double rest = n - gamma * tau;
        criterion->value = rest > 0.0 ? n * rss / (rest * rest) : INFINITY;
        by_rss = n / (rest * rest);
        by_tau = 2.0 * gamma * n * rss / (rest * rest * rest);
        by_rss_tau = 2.0 * gamma * n / (rest * rest * rest);
        by_tau_tau = 6.0 * gamma * gamma * n * rss / (rest * rest * rest * rest);
        criterion->unit = fmax(criterion->value / n, DBL_MIN);
    } else {
        criterion->value = rss / n - options->scale + 2.0 * gamma * options->scale * tau / n;
        by_rss = 1.0 / n;
        by_tau = 2.0 * gamma * options->scale / n;
        by_rss_tau = by_tau_tau = 0.0;
        criterion->unit = options->scale / n;
    }
    criterion->scale = options->scale > 0.0 ? options->scale : rss / (n - tau);
    double *slope = criterion->logdet_gradient; /* tau_j */
    for (int i = 0; i < m; i++) {
        slope[i] = -criterion->trace[i];
        for (int j = 0; j < m; j++) {
            slope[i] += criterion->cross[i * m + j];
        }
        criterion->gradient[i] = by_rss * rss_gradient[i] + by_tau * slope[i];
    }
    for (int i = 0; i < m && effect != NULL; i++) {
        for (int j = 0; j < m; j++) {
            const double bend = (i == j ? slope[i] : 0.0) + effect[i * m + j] + effect[j * m + i];
            criterion->hessian[i * m + j] = by_rss * rss_hessian[i * m + j] + by_tau * bend +
                                            by_rss_tau * (rss_gradient[i] * slope[j] + rss_gradient[j] * slope[i]) +
                                            by_tau_tau * slope[i] * slope[j];
        }
    }
}

/* Gradient at the factored rho; the Hessian too when it has a closed form: *exact. */
static weir_status prediction_error_at(w_criterion *criterion, bool derivatives, bool *exact)
{
    const size_t m = (size_t)criterion->count;
    double *work = w_calloc(criterion->ctx, "criterion", m + 2 * m * m + 1, sizeof *work);
    if (work == NULL) {
        return w_alloc_status(criterion->ctx);
    }
    double *rss_hessian = work + m, *effect = work + m + m * m;
    weir_status status = w_system_derivatives(criterion->system, criterion->trace, derivatives ? criterion->cross : NULL, NULL);
    *exact = false;
    if (status >= 0 && derivatives) {
        status = w_system_effect_cross(criterion->system, effect);
        *exact = status == WEIR_OK;
    }
    if (status >= 0 && derivatives) {
        status = w_system_rss_derivatives(criterion->system, work, *exact ? rss_hessian : NULL);
    }
    if (status >= 0) {
        prediction_error(criterion, work, *exact ? rss_hessian : NULL, *exact ? effect : NULL);
    }
    w_free(criterion->ctx, work);
    return status < 0 ? status : WEIR_OK;
}

/* Hessian from central differences of the gradient, step eps^(1/3); leaves the system factored at rho. */
static weir_status difference_hessian(w_criterion *criterion, const double *rho)
{
    const int m = criterion->count;
    const double step = 6e-6;
    double *work = w_alloc_array(criterion->ctx, "criterion", (size_t)m * (size_t)(m + 2) + 1, sizeof *work);
    if (work == NULL) {
        return w_alloc_status(criterion->ctx);
    }
    double *at = work, *ahead = work + m, *hessian = work + 2 * m;
    weir_status status = WEIR_OK;
    bool exact;
    for (int j = 0; j < m && status >= 0; j++) {
        memcpy(at, rho, (size_t)m * sizeof *at);
        at[j] = rho[j] + step;
        status = w_system_factor(criterion->system, at);
        status = status < 0 ? status : prediction_error_at(criterion, true, &exact);
        memcpy(ahead, criterion->gradient, (size_t)m * sizeof *ahead);
        at[j] = rho[j] - step;
        status = status < 0 ? status : w_system_factor(criterion->system, at);
        status = status < 0 ? status : prediction_error_at(criterion, true, &exact);
        for (int i = 0; i < m; i++) {
            hessian[i * m + j] = (ahead[i] - criterion->gradient[i]) / (2.0 * step);
        }
    }
    status = status < 0 ? status : w_system_factor(criterion->system, rho);
    status = status < 0 ? status : prediction_error_at(criterion, true, &exact);
    for (int i = 0; i < m && status >= 0; i++) {
        for (int j = 0; j < m; j++) {
            criterion->hessian[i * m + j] = 0.5 * (hessian[i * m + j] + hessian[j * m + i]);
        }
    }
    w_free(criterion->ctx, work);
    return status < 0 ? status : WEIR_OK;
}

weir_status w_criterion_evaluate(w_criterion *criterion, const double *rho, bool derivatives)
{
    weir_status status = w_system_factor(criterion->system, rho);
    if (status < 0) {
        return status;
    }
    criterion->status = status;
    if (criterion->options->criterion == WEIR_REML || criterion->options->criterion == WEIR_ML) {
        return evaluate_likelihood(criterion, rho, derivatives);
    }
    bool exact = false;
    status = prediction_error_at(criterion, derivatives, &exact);
    return status >= 0 && derivatives && !exact ? difference_hessian(criterion, rho) : status;
}
