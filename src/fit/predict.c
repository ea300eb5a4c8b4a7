/* SPDX-License-Identifier: Apache-2.0 */
/* Prediction of any number of rows in one streamed pass. On the scale of the linear predictor,
 *   fit        eta_i = x_i'beta + offset_i
 *   se         s_i = sqrt(phi x_i'P x_i)
 *   confidence eta_i +- q s_i                      where the mean lies
 * and on that of the response
 *   fit        mu_i = g^-1(eta_i)
 *   se         |dmu/deta| s_i                      the delta method
 *   confidence g^-1(eta_i +- q s_i)
 *   prediction quantiles of the family at mu_i, phi     where a new observation of weight 1 lies
 * q: normal quantile, or Student's with the residual degrees of freedom when the scale was estimated. The quantiles take mu_i
 * and phi as known. A Gaussian model with identity link, for which the two scales are one, has eta_i +- q sqrt(s_i^2 + phi).
 * Terms: f_ti, its s_ti and f_ti +- q s_ti, with simultaneous limits the c_t of fit/band.h in place of q. */
#include "fit/predict.h"

#include <math.h>

#include "base/size.h"
#include "fit/band.h"
#include "fit/planning.h"
#include "fit/response.h"
#include "fit/recovery.h"
#include "fit/rows.h"
#include "fit/variance.h"
#include "normal/normal.h"

typedef struct prediction {
    const weir_model *model;
    const weir_predict_options *options;
    w_product *product;
    w_variance *variance; /* NULL: no standard errors wanted */
    double quantile;
    double *critical;     /* of each term; NULL: `quantile` */
    bool observations; /* limits of observations among the columns */
    int32_t columns;
    weir_rows_fn deliver;
    void *user;
    bool delivered; /* rows have arrived: only the pass itself may go on */
} prediction;

/* Names of terms, then with these heads; the second list leaves out the standard errors. */
weir_status w_predict_name_terms(weir_model *model)
{
    static const char *const head[] = { "se", "lower", "upper" };
    const w_design *design = model->design;
    size_t terms = (size_t)design->term_count;
    const char **name = w_arena_alloc(&model->arena, 7 * terms + 1, sizeof *name);
    if (!name) {
        return w_alloc_status(model->ctx);
    }
    for (size_t t = 0; t < terms; t++) {
        name[t] = name[4 * terms + t] = design->term[t].label;
        for (size_t h = 0; h < 3; h++) {
            const char *text = w_arena_printf(&model->arena, "%s.%s", head[h], design->term[t].label);
            if (!text) {
                return w_alloc_status(model->ctx);
            }
            name[(h + 1) * terms + t] = text;
            if (h > 0) {
                name[(h + 4) * terms + t] = text;
            }
        }
    }
    model->predict_names = name;
    return WEIR_OK;
}

/* Observations lie on the scale of the response. */
static bool has_observations(const weir_model *model, const weir_predict_options *options)
{
    return options->interval > 0 && (options->type == WEIR_PREDICT_RESPONSE || w_response_linear(&model->glm));
}

void w_predict_columns(const weir_model *model, const weir_predict_options *options, int32_t *count,
                       const char *const **names)
{
    static const char *const with_se[] = { "fit", "se", "confidence_lower", "confidence_upper", "prediction_lower",
                                           "prediction_upper" };
    static const char *const without_se[] = { "fit", "confidence_lower", "confidence_upper", "prediction_lower",
                                              "prediction_upper" };
    if (options->type == WEIR_PREDICT_TERMS) {
        int32_t terms = (int32_t)model->design->term_count;
        *count = terms * (1 + (options->se ? 1 : 0) + (options->interval > 0 ? 2 : 0));
        *names = (const char *const *)model->predict_names + (options->se || !(options->interval > 0) ? 0 : 4 * terms);
    } else {
        int limits = options->interval > 0 ? 2 + (has_observations(model, options) ? 2 : 0) : 0;
        *count = 1 + (options->se ? 1 : 0) + limits;
        *names = options->se ? with_se : without_se;
    }
}

static void blank_rows(const w_tile *tile, int32_t columns, double *out)
{
    for (int64_t i = 0; i < tile->rows; i++) {
        for (int32_t j = 0; tile->missing[i] && j < columns; j++) {
            out[j * tile->rows + i] = NAN;
        }
    }
}

/* Limits around eta; out: confidence_lower, confidence_upper and, if they are wanted, those of observations. */
static void put_intervals(const prediction *p, int64_t rows, const double *eta, const double *variance, double *out)
{
    double scale = p->model->scale;
    for (int64_t i = 0; i < rows; i++) {
        double confidence = p->quantile * sqrt(variance[i]);
        out[i] = eta[i] - confidence;
        out[rows + i] = eta[i] + confidence;
    }
    for (int64_t i = 0; p->observations && i < rows; i++) {
        double spread = p->quantile * sqrt(variance[i] + scale);
        out[2 * rows + i] = eta[i] - spread;
        out[3 * rows + i] = eta[i] + spread;
    }
}

/* Rewrites the columns of the linear predictor as those of the response. */
static void to_response(const prediction *p, int64_t rows, double *fit, double *se, double *limits)
{
    const w_glm *glm = &p->model->glm;
    double slope[W_TILE_ROWS], tail = 0.5 - 0.5 * p->options->interval;
    if (limits) {
        w_response_limits(glm, rows, limits, limits + rows);
    }
    w_response_mean(glm, rows, fit, fit, slope);
    for (int64_t i = 0; se && i < rows; i++) {
        se[i] *= slope[i];
    }
    if (p->observations) {
        w_response_quantiles(glm, rows, fit, p->model->scale, tail, limits + 2 * rows);
        w_response_quantiles(glm, rows, fit, p->model->scale, 1.0 - tail, limits + 3 * rows);
    }
}

static weir_status predict_whole(const prediction *p, int worker, const w_tile *tile, double *out)
{
    int64_t rows = tile->rows;
    double variance[W_TILE_ROWS];
    double *se = p->options->se ? out + rows : NULL;
    double *limits = p->options->interval > 0 ? out + rows + (se ? rows : 0) : NULL;
    w_product_tile(p->product, tile, out);
    for (int64_t i = 0; i < rows; i++) {
        out[i] += tile->offset[i];
    }
    if (p->variance) {
        weir_status status = w_variance_tile(p->variance, worker, tile, variance);
        if (status < 0) {
            return status;
        }
    }
    for (int64_t i = 0; se && i < rows; i++) {
        se[i] = sqrt(variance[i]);
    }
    if (limits) {
        put_intervals(p, rows, out, variance, limits);
    }
    if (p->options->type == WEIR_PREDICT_RESPONSE && !w_response_linear(&p->model->glm)) {
        to_response(p, rows, out, se, limits);
    }
    return WEIR_OK;
}

/* Limits of each term; upper holds the standard errors on entry when se is NULL. */
static void put_term_limits(const prediction *p, int64_t rows, const double *fit, const double *se, double *lower, double *upper)
{
    for (int64_t t = 0; t < p->model->design->term_count; t++) {
        double q = p->critical ? p->critical[t] : p->quantile;
        for (int64_t i = t * rows; i < (t + 1) * rows; i++) {
            double reach = q * (se ? se[i] : upper[i]);
            lower[i] = fit[i] - reach;
            upper[i] = fit[i] + reach;
        }
    }
}

static weir_status predict_terms(const prediction *p, int worker, const w_tile *tile, double *out)
{
    const bool limits = p->options->interval > 0;
    int64_t rows = tile->rows, terms = p->model->design->term_count, values = rows * terms;
    double *row_major = out + rows * p->columns; /* scratch behind the columns */
    w_product_terms(p->product, tile, row_major);
    for (int64_t t = 0; t < terms; t++) {
        for (int64_t i = 0; i < rows; i++) {
            out[t * rows + i] = row_major[i * terms + t];
        }
    }
    if (!p->options->se && !limits) {
        return WEIR_OK;
    }
    double *own = p->options->se ? out + values : NULL, *lower = own ? own + values : out + values, *upper = lower + values;
    double *se = own ? own : upper;
    weir_status status = w_variance_tile(p->variance, worker, tile, se);
    for (int64_t i = 0; status >= 0 && i < values; i++) {
        se[i] = sqrt(se[i]);
    }
    if (status >= 0 && limits) {
        put_term_limits(p, rows, out, own, lower, upper);
    }
    return status;
}

static weir_status predict_tile(void *arg, int worker, const w_tile *tile, double *out)
{
    const prediction *p = arg;
    weir_status status = p->options->type == WEIR_PREDICT_TERMS ? predict_terms(p, worker, tile, out)
                                                                 : predict_whole(p, worker, tile, out);
    blank_rows(tile, p->columns, out);
    return status;
}

static weir_status hand_over(void *arg, int64_t first_row, int64_t rows, const double *values)
{
    prediction *p = arg;
    p->delivered = true;
    if (p->deliver(p->user, first_row, rows, values) != 0) {
        return w_fail(p->model->ctx, WEIR_E_IO, "the predictions from row %lld on could not be written",
                      (long long)first_row + 1);
    }
    return WEIR_OK;
}

static weir_status find_bands(weir_ctx *ctx, prediction *p)
{
    const w_design *design = p->model->design;
    p->critical = w_alloc_array(ctx, "bands", (size_t)design->term_count + 1, sizeof *p->critical);
    weir_status status = p->critical ? WEIR_OK : w_alloc_status(ctx);
    for (int t = 0; status >= 0 && t < design->term_count; t++) {
        status = w_band_critical(ctx, p->model, &design->term[t], p->options->interval, &p->critical[t]);
    }
    return status;
}

static weir_status prepare(weir_ctx *ctx, prediction *p)
{
    const weir_predict_options *options = p->options;
    bool terms = options->type == WEIR_PREDICT_TERMS;
    p->observations = has_observations(p->model, options);
    weir_status status = w_product_create(ctx, p->model->design, p->model->beta, &p->product);
    if (status >= 0 && (options->se || options->interval > 0)) {
        status = w_variance_create(ctx, p->model, terms, &p->variance);
    }
    if (options->interval > 0) {
        double probability = 0.5 + 0.5 * options->interval;
        p->quantile = p->model->summary.scale_estimated ? w_t_quantile(probability, p->model->summary.residual_df)
                                                        : w_normal_quantile(probability);
    }
    if (status >= 0 && terms && options->interval > 0 && options->simultaneous) {
        status = find_bands(ctx, p);
    }
    return status;
}

/* Columns that a tile fills: those of the result, and terms while limits are made of them. */
static int64_t tile_columns(const prediction *p)
{
    return p->columns + (p->options->type == WEIR_PREDICT_TERMS ? p->model->design->term_count : 0);
}

static weir_status scan_table(weir_ctx *ctx, const prediction *p, weir_table *table)
{
    const w_design *design = p->model->design;
    int workers = w_pool_workers(ctx);
    int64_t beside = w_add64(w_rows_bytes(design, tile_columns(p), workers), w_product_bytes(design, workers));
    if (p->options->se || p->options->interval > 0) {
        beside = w_add64(beside, w_variance_bytes(p->model, p->options->type == WEIR_PREDICT_TERMS, workers));
        int64_t widest = 0;
        for (int t = 0; p->options->simultaneous && t < design->term_count; t++) {
            widest = w_max64(widest, design->term[t].columns);
        }
        beside = w_add64(beside, w_alloc_bytes(w_mul64(w_band_doubles(widest), (int64_t)sizeof(double))));
    }
    w_scan_options scan;
    weir_status status = w_planning_rows(ctx, table, design, "predict", 1, beside, &scan);
    return status < 0 ? status : w_source_scan(table, &scan, NULL, NULL);
}

static weir_status predict(weir_ctx *ctx, const weir_model *model, weir_table *table, const weir_predict_options *options,
                           weir_rows_fn deliver, void *user, bool *delivered)
{
    const w_design *design = model->design;
    const char *const *names;
    prediction p = { .model = model, .options = options, .deliver = deliver, .user = user };
    w_binding *binding = NULL;
    w_predict_columns(model, options, &p.columns, &names);
    weir_status status = w_design_bind(design, table, true, options->unseen_missing != 0, &binding);
    if (status >= 0) {
        status = scan_table(ctx, &p, table);
    }
    if (status >= 0) {
        status = w_binding_ready(binding);
    }
    if (status >= 0) {
        status = prepare(ctx, &p);
    }
    if (status >= 0) {
        w_tile_request request = *w_binding_request(binding);
        request.missing = options->missing;
        w_rows_pass pass = { .design = design, .table = table, .request = &request, .name = "predict",
                             .columns = tile_columns(&p), .tile = predict_tile, .deliver = hand_over, .arg = &p };
        status = w_rows_each(ctx, &pass);
    }
    w_free(ctx, p.critical);
    w_variance_free(p.variance);
    w_product_free(p.product);
    w_binding_free(binding);
    *delivered = p.delivered;
    return status;
}

weir_status w_predict(weir_ctx *ctx, const weir_model *model, weir_table *table, const weir_predict_options *options,
                      weir_rows_fn deliver, void *user)
{
    w_fit_recovery recovery;
    bool delivered = false;
    weir_status status;
    w_recovery_rows_begin(&recovery, ctx, table);
    do {
        status = predict(ctx, model, table, options, deliver, user, &delivered);
    } while (status < 0 && !delivered && w_recover(ctx, W_RECOVER_FIT, status));
    w_recovery_end(&recovery, NULL);
    return status;
}
