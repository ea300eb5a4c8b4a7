/* SPDX-License-Identifier: Apache-2.0 */
/* What the summary shows (gaussian, identity link).
 *
 * With tau = sum edf, D = weighted residual sum of squares, D0 = that about the weighted mean (about 0 without an intercept):
 *     residual df n - tau;   deviance explained (D0 - D)/D0;   R2 adj = 1 - (var r)(n-1) / ((var y)(n - tau)),
 * variances about the mean residual, known when all weights are 1; otherwise the residuals count as centred.
 *     log likelihood  -n/2 (log(2 pi D/n) + 1) + 1/2 sum log w,    AIC = -2 log likelihood + 2 (df + 1),
 * df from inference_aic.c (tau where no correction applies), one more for the scale.
 * With a known scale phi:  -1/2 (D/phi + n log(2 pi phi)) + 1/2 sum log w,  df only. */
#include "fit/inference.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

#define TWO_PI 6.283185307179586476925

static bool scale_known(const weir_model *model) { return model->summary.scale_estimated == 0; }

static weir_status fill_edf(weir_ctx *ctx, weir_model *model, w_system *system)
{
    const size_t p = (size_t)model->design->p;
    model->edf = w_arena_alloc(&model->arena, p, sizeof(double));
    model->edf1 = w_arena_alloc(&model->arena, p, sizeof(double));
    if (model->edf == NULL || model->edf1 == NULL) {
        return w_alloc_status(ctx);
    }
    weir_status status = w_system_leverage(system, model->edf, model->edf1);
    double total = 0.0;
    for (size_t i = 0; i < p && status >= 0; i++) {
        model->edf1[i] = 2.0 * model->edf[i] - model->edf1[i];
        total += model->edf[i];
    }
    model->summary.edf_total = total;
    return status;
}

static double sum_over(const double *values, const w_term *term)
{
    double sum = 0.0;
    for (int64_t c = 0; c < term->columns; c++) {
        sum += values[term->first + c];
    }
    return sum;
}

static double total_sum_of_squares(const w_design *design, const w_gram *gram)
{
    if (design->intercept_column < 0 || !(gram->weight_sum > 0.0)) {
        return gram->zz;
    }
    return fmax(gram->zz - gram->weight_z_sum * gram->weight_z_sum / gram->weight_sum, 0.0);
}

static double adjusted_r_squared(const weir_model *model, const w_system *system, const w_gram *gram)
{
    const weir_summary *summary = &model->summary;
    const double n = (double)gram->n;
    const bool plain = gram->log_weight_sum == 0.0 && gram->weight_sum == n;
    double residual = summary->deviance, response = gram->zz - gram->weight_z_sum * gram->weight_z_sum / gram->weight_sum;
    if (plain) {
        double sum = gram->weight_z_sum;
        for (int64_t j = 0; j < gram->p; j++) {
            sum -= gram->column_sum[j] * w_system_beta(system)[j];
        }
        residual -= sum * sum / n;
    }
    return response > 0.0 && summary->residual_df > 0.0
               ? 1.0 - residual * (n - 1.0) / (response * summary->residual_df)
               : NAN;
}

static weir_status fill_likelihood(weir_model *model, const w_gram *gram)
{
    weir_summary *summary = &model->summary;
    const double n = (double)gram->n, deviance = summary->deviance;
    const double log_scale = scale_known(model) ? deviance / model->scale + n * log(TWO_PI * model->scale)
                                                : n * (log(TWO_PI * deviance / n) + 1.0);
    summary->log_likelihood = -0.5 * log_scale + 0.5 * gram->log_weight_sum;
    double df = summary->edf_total;
    weir_status status = w_degrees_of_freedom(model, gram, &df);
    summary->aic = -2.0 * summary->log_likelihood + 2.0 * (df + (scale_known(model) ? 0.0 : 1.0));
    return status;
}

static weir_status fill_fit(weir_model *model, const w_system *system, const w_gram *gram)
{
    weir_summary *summary = &model->summary;
    summary->scale = model->scale;
    summary->rank = w_system_rank(system) + w_system_held(system);
    summary->residual_df = (double)gram->n - summary->edf_total;
    summary->deviance = w_system_rss(system);
    summary->null_deviance = total_sum_of_squares(model->design, gram);
    summary->deviance_explained =
        summary->null_deviance > 0.0 ? (summary->null_deviance - summary->deviance) / summary->null_deviance : NAN;
    summary->r_squared_adjusted = adjusted_r_squared(model, system, gram);
    return fill_likelihood(model, gram);
}

static weir_status fill_coefficients(weir_ctx *ctx, weir_model *model)
{
    const w_design *design = model->design;
    const int64_t count = design->parametric_columns;
    weir_coefficient *table = w_arena_calloc(&model->arena, (size_t)count, sizeof *table);
    if (table == NULL) {
        return w_alloc_status(ctx);
    }
    for (int64_t j = 0; j < count; j++) {
        double variance = 0.0;
        weir_status status = w_covariance_block(model->covariance, j, 1, j, 1, &variance);
        if (status < 0) {
            return status;
        }
        weir_coefficient *row = &table[j];
        row->label = design->column_label[j];
        row->estimate = model->beta[j];
        row->std_error = sqrt(fmax(model->scale * variance, 0.0));
        row->statistic = row->std_error > 0.0 ? row->estimate / row->std_error : NAN;
        row->p_value = scale_known(model) ? erfc(fabs(row->statistic) / sqrt(2.0))
                                          : w_t_two_sided(row->statistic, model->summary.residual_df);
    }
    model->summary.coefficient = table;
    model->summary.coefficient_count = (int32_t)count;
    return WEIR_OK;
}

/* sp and S.scale of the term's penalties; standard deviation of a random effect. */
weir_status w_inference_smoothing(weir_ctx *ctx, weir_model *model, const w_term *term, weir_term_summary *row)
{
    const w_design *design = model->design;
    const size_t count = (size_t)term->penalty_count;
    double *sp = w_arena_alloc(&model->arena, 2 * count + 1, sizeof *sp);
    if (sp == NULL) {
        return w_alloc_status(ctx);
    }
    double lambda = 0.0;
    for (int j = 0; j < term->penalty_count; j++) {
        const w_design_penalty *penalty = &design->penalty[term->penalty_first + j];
        sp[j] = exp(model->rho[penalty->sp]);
        sp[count + (size_t)j] = penalty->scale;
        lambda += sp[j] / penalty->scale; /* of the penalty as it was before its scaling: the identity */
    }
    row->sp_count = term->penalty_count;
    row->sp = sp;
    row->sp_scale = sp + count;
    row->std_dev = term->kind == W_TERM_RANDOM && lambda > 0.0 ? sqrt(model->scale / lambda) : NAN;
    return WEIR_OK;
}

static weir_status fill_terms(weir_ctx *ctx, weir_model *model, w_system *system, const w_gram *gram)
{
    const w_design *design = model->design;
    weir_term_summary *table = w_arena_calloc(&model->arena, (size_t)design->term_count, sizeof *table);
    const double residual_df = scale_known(model) ? 0.0 : fmax(model->summary.residual_df, 1.0);
    int32_t count = 0;
    if (table == NULL) {
        return w_alloc_status(ctx);
    }
    for (int t = 0; t < design->term_count; t++) {
        const w_term *term = &design->term[t];
        if (term->kind == W_TERM_PARAMETRIC) {
            continue;
        }
        weir_term_summary *row = &table[count++];
        w_term_test test = { 0 };
        row->label = term->label;
        row->basis = term->basis;
        row->columns = term->columns;
        row->edf = sum_over(model->edf, term);
        weir_status status = w_inference_smoothing(ctx, model, term, row);
        if (status >= 0 && term->penalty_count > 0 && term->null_dimension == 0) {
            status = w_test_random(model, system, gram, term, residual_df, &test);
        } else if (status >= 0) {
            status = w_test_smooth(model, gram, term, sum_over(model->edf1, term), residual_df, &test);
        }
        if (status < 0) {
            return status;
        }
        row->ref_df = test.ref_df;
        row->statistic = test.statistic;
        row->p_value = test.p_value;
    }
    model->summary.term = table;
    model->summary.term_count = count;
    return WEIR_OK;
}

weir_status w_inference_fill(weir_ctx *ctx, weir_model *model, w_system *system, const w_gram *gram)
{
    weir_status status = fill_edf(ctx, model, system);
    if (status >= 0) {
        status = fill_fit(model, system, gram);
    }
    if (status >= 0) {
        status = fill_coefficients(ctx, model);
    }
    if (status >= 0) {
        status = fill_terms(ctx, model, system, gram);
    }
    return status < 0 ? status : WEIR_OK;
}

int64_t w_inference_bytes(const w_design *design, int arrow_block)
{
    const int64_t p = design->p;
    int64_t levels = 0, core = p, largest = 0;
    if (arrow_block >= 0) {
        levels = design->block[arrow_block].levels * design->block[arrow_block].level_columns;
        core = w_max64(p - levels, 0);
    }
    for (int t = 0; t < design->term_count; t++) {
        const w_term *term = &design->term[t];
        const int64_t k = term->columns, q = core + w_min64(k, 500);
        if (term->kind == W_TERM_PARAMETRIC) {
            continue;
        }
        int64_t doubles = w_mul64(5 * k + 8, k + 2);
        if (term->penalty_count > 0 && term->null_dimension == 0) {
            doubles = k > 500 && levels > 0 ? w_add64(w_mul64(60, w_mul64(core, core)), w_mul64(core, levels))
                                            : w_add64(w_mul64(8, w_mul64(k, k)), w_add64(w_mul64(2, w_mul64(q, q)), w_mul64(q, levels)));
        }
        largest = w_max64(largest, doubles);
    }
    if (arrow_block < 0) { /* inference_aic.c */
        const int64_t m = design->sp_count;
        largest = w_max64(largest, w_add64(w_mul64(w_mul64(p, p), m + 4), w_mul64(4 * m + 8, w_add64(p, m))));
    }
    return w_add64(w_mul64(largest + 8 * p, sizeof(double)), w_mul64(512, design->term_count + 4));
}
