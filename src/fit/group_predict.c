/* SPDX-License-Identifier: Apache-2.0 */
/* eta_i = x_i'beta_g(i) + offset_i, tile by tile: rows are written out, for neighbours may be of different groups. Standard errors
 * sqrt(phi_g x_i'P_g x_i), limits and terms are those of fit/predict.c, each with the scale and the degrees of freedom of its group. */
#include <math.h>

#include "base/size.h"
#include "fit/group.h"
#include "fit/planning.h"
#include "fit/response.h"
#include "fit/rows.h"

#define TAG "group predictions"

typedef struct prediction {
    const weir_groups *groups;
    const weir_predict_options *options;
    w_dense_rows *rows;
    double **room;       /* per worker: a tile's rows and scratch */
    double *quantile;    /* of each group, for limits */
    bool observations;
    int32_t columns, parts; /* parts: the whole, or terms */
    weir_rows_fn deliver;
    void *user;
} prediction;

static int64_t room_doubles(const w_design *design)
{
    return w_add64(w_mul64(W_TILE_ROWS, w_dense_rows_stride(design)), w_dense_rows_scratch(design));
}

weir_status w_groups_name_terms(weir_groups *groups)
{
    static const char *const head[] = { "se", "lower", "upper" };
    const w_design *design = groups->design;
    const size_t terms = (size_t)design->term_count;
    const char **name = w_arena_alloc(&groups->arena, 7 * terms + 1, sizeof *name);
    if (!name) {
        return w_alloc_status(groups->ctx);
    }
    for (size_t t = 0; t < terms; t++) {
        name[t] = name[4 * terms + t] = design->term[t].label;
        for (size_t h = 0; h < 3; h++) {
            const char *text = w_arena_printf(&groups->arena, "%s.%s", head[h], design->term[t].label);
            if (!text) {
                return w_alloc_status(groups->ctx);
            }
            name[(h + 1) * terms + t] = text;
            if (h > 0) {
                name[(h + 4) * terms + t] = text;
            }
        }
    }
    groups->predict_names = name;
    return WEIR_OK;
}

void w_groups_predict_columns(const weir_groups *groups, const weir_predict_options *options, int32_t *count, const char *const **names)
{
    static const char *const with_se[] = { "fit", "se", "confidence_lower", "confidence_upper", "prediction_lower", "prediction_upper" };
    static const char *const without_se[] = { "fit", "confidence_lower", "confidence_upper", "prediction_lower", "prediction_upper" };
    const bool limits = options->interval > 0;
    if (options->type == WEIR_PREDICT_TERMS) {
        const int32_t terms = (int32_t)groups->design->term_count;
        *count = terms * (1 + (options->se ? 1 : 0) + (limits ? 2 : 0));
        *names = groups->predict_names + (options->se || !limits ? 0 : 4 * terms);
        return;
    }
    const bool observations = limits && (options->type == WEIR_PREDICT_RESPONSE || !groups->generalised);
    *count = 1 + (options->se ? 1 : 0) + (limits ? 2 : 0) + (observations ? 2 : 0);
    *names = options->se ? with_se : without_se;
}

/* x'P x over columns first … first + count - 1. */
static double quadratic_form(const double *packed, const double *x, int64_t first, int64_t count)
{
    double sum = 0;
    for (int64_t j = first; j < first + count; j++) {
        const double *column = packed + w_packed(j);
        double part = 0.5 * column[j] * x[j];
        for (int64_t i = first; i < j; i++) {
            part += column[i] * x[i];
        }
        sum += 2.0 * x[j] * part;
    }
    return fmax(sum, 0.0);
}

static double product(const double *x, const double *beta, int64_t first, int64_t count)
{
    double sum[4] = { 0, 0, 0, 0 };
    for (int64_t j = 0; j < count; j++) {
        sum[j % 4] += x[first + j] * beta[first + j];
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Limits of one row: lower and upper at out[0] and out[rows], those of observations behind them. */
static void put_limits(const prediction *p, int64_t g, int64_t rows, double eta, double variance, double *out)
{
    const double reach = p->quantile[g] * sqrt(variance);
    out[0] = eta - reach;
    out[rows] = eta + reach;
    if (p->observations) {
        const double spread = p->quantile[g] * sqrt(variance + p->groups->scale[g]);
        out[2 * rows] = eta - spread;
        out[3 * rows] = eta + spread;
    }
}

/* Rewrites the columns of one row as those of the response. */
static void to_response(const prediction *p, int64_t g, int64_t rows, double *fit, double *se, double *limits)
{
    const w_glm *glm = &p->groups->glm;
    const double tail = 0.5 - 0.5 * p->options->interval;
    double slope;
    if (limits) {
        w_response_limits(glm, 1, limits, limits + rows);
    }
    w_response_mean(glm, 1, fit, fit, &slope);
    if (se) {
        *se *= slope;
    }
    if (p->observations) {
        w_response_quantiles(glm, 1, fit, p->groups->scale[g], tail, limits + 2 * rows);
        w_response_quantiles(glm, 1, fit, p->groups->scale[g], 1.0 - tail, limits + 3 * rows);
    }
}

static void predict_row(const prediction *p, int64_t g, const double *x, double offset, int64_t rows, double *out)
{
    const weir_groups *groups = p->groups;
    const w_design *design = groups->design;
    const double *beta = groups->beta + g * groups->p;
    const double *packed = groups->covariance ? groups->covariance + g * w_packed(groups->p) : NULL;
    const bool terms = p->options->type == WEIR_PREDICT_TERMS, limits = p->options->interval > 0;
    const int64_t block = p->parts * rows;
    for (int32_t t = 0; t < p->parts; t++) {
        const int64_t first = terms ? design->term[t].first : 0, count = terms ? design->term[t].columns : groups->p;
        double *fit = out + t * rows, *next = fit + block, *se = NULL, *bounds = NULL;
        *fit = product(x, beta, first, count) + (terms ? 0.0 : offset);
        if (!p->options->se && !limits) {
            continue;
        }
        const double variance = groups->scale[g] * quadratic_form(packed, x, first, count);
        if (p->options->se) {
            se = next;
            *se = sqrt(variance);
            next += block;
        }
        if (limits && terms) {
            const double reach = p->quantile[g] * sqrt(variance);
            next[0] = *fit - reach;
            next[block] = *fit + reach;
        } else if (limits) {
            bounds = next;
            put_limits(p, g, rows, *fit, variance, bounds);
        }
        if (p->options->type == WEIR_PREDICT_RESPONSE && groups->generalised) {
            to_response(p, g, rows, fit, se, bounds);
        }
    }
    if (p->options->type == WEIR_PREDICT_RESPONSE && groups->generalised && !p->options->se && !limits) {
        to_response(p, g, rows, out, NULL, NULL);
    }
}

static weir_status predict_tile(void *arg, int worker, const w_tile *tile, double *out)
{
    const prediction *p = arg;
    const w_design *design = p->groups->design;
    const int64_t stride = w_dense_rows_stride(design);
    double *x = p->room[worker];
    weir_status status = w_dense_rows_tile(p->rows, tile, NULL, x + W_TILE_ROWS * stride, x);
    for (int64_t i = 0; status >= 0 && i < tile->rows; i++) {
        const int64_t g = tile->missing[i] ? -1 : tile->series[i];
        if (g >= 0) {
            predict_row(p, g, x + i * stride, tile->offset[i], tile->rows, out + i);
        }
        for (int32_t j = 0; g < 0 && j < p->columns; j++) {
            out[j * tile->rows + i] = NAN;
        }
    }
    return status;
}

static weir_status hand_over(void *arg, int64_t first_row, int64_t rows, const double *values)
{
    const prediction *p = arg;
    return p->deliver(p->user, first_row, rows, values) == 0
               ? WEIR_OK
               : w_fail(p->groups->ctx, WEIR_E_IO, "the predictions from row %lld on could not be written", (long long)first_row + 1);
}

static weir_status check(weir_ctx *ctx, const weir_groups *groups, const weir_predict_options *options)
{
    if ((options->se || options->interval > 0) && !groups->covariance) {
        return w_fail(ctx, WEIR_E_ARG, "these groups were fitted without keeping covariances: predictions have no standard errors or limits; "
                      "fit with --group-covariance yes");
    }
    if (options->version >= 2 && options->simultaneous) {
        return w_fail(ctx, WEIR_E_ARG, "simultaneous limits are not those of groups: fit the group alone");
    }
    return WEIR_OK;
}

/* Student's quantiles where the scale was estimated, each group with its own degrees of freedom. */
static weir_status find_quantiles(weir_ctx *ctx, prediction *p)
{
    const weir_groups *groups = p->groups;
    const double probability = 0.5 + 0.5 * p->options->interval, normal = w_normal_quantile(probability);
    p->quantile = w_alloc_array(ctx, TAG, (size_t)groups->groups, sizeof *p->quantile);
    for (int64_t g = 0; p->quantile && g < groups->groups; g++) {
        const double df = (double)groups->n[g] - groups->edf[g];
        p->quantile[g] = groups->scale_known ? normal : df > 0 ? w_t_quantile(probability, df) : NAN;
    }
    return p->quantile ? WEIR_OK : w_alloc_status(ctx);
}

static weir_status prepare(weir_ctx *ctx, prediction *p, int workers)
{
    const w_design *design = p->groups->design;
    weir_status status = p->options->interval > 0 ? find_quantiles(ctx, p) : WEIR_OK;
    if (status >= 0) {
        status = w_dense_rows_create(ctx, design, &p->rows);
    }
    if (status >= 0) {
        p->room = w_calloc(ctx, TAG, (size_t)workers, sizeof *p->room);
        status = p->room ? WEIR_OK : w_alloc_status(ctx);
    }
    for (int i = 0; status >= 0 && i < workers; i++) {
        p->room[i] = w_alloc_array(ctx, TAG, (size_t)room_doubles(design), sizeof **p->room);
        status = p->room[i] ? WEIR_OK : w_alloc_status(ctx);
    }
    return status;
}

weir_status w_groups_predict(weir_ctx *ctx, const weir_groups *groups, weir_table *table, const weir_predict_options *options,
                             weir_rows_fn deliver, void *user)
{
    const w_design *design = groups->design;
    const int workers = w_pool_workers(ctx);
    const char *const *names;
    prediction p = { .groups = groups, .options = options, .deliver = deliver, .user = user };
    w_binding *binding = NULL;
    w_groups_predict_columns(groups, options, &p.columns, &names);
    p.parts = options->type == WEIR_PREDICT_TERMS ? design->term_count : 1;
    p.observations = options->interval > 0 && options->type != WEIR_PREDICT_TERMS &&
                     (options->type == WEIR_PREDICT_RESPONSE || !groups->generalised);
    weir_status status = check(ctx, groups, options);
    if (status >= 0) {
        status = w_design_bind(design, table, true, options->unseen_missing != 0, &binding);
    }
    if (status >= 0) {
        w_scan_options scan;
        int64_t beside = w_add64(w_rows_bytes(design, p.columns, workers), w_dense_rows_bytes(design));
        beside = w_add64(beside, w_mul64(workers, w_alloc_bytes(w_mul64(room_doubles(design), 8))));
        beside = w_add64(beside, options->interval > 0 ? w_alloc_bytes(w_mul64(groups->groups, 8)) : 0);
        status = w_planning_rows(ctx, table, design, "predict", 1, beside, &scan);
        status = status < 0 ? status : w_source_scan(table, &scan, NULL, NULL);
    }
    if (status >= 0) {
        status = w_binding_ready(binding);
    }
    if (status >= 0) {
        status = prepare(ctx, &p, workers);
    }
    if (status >= 0) {
        w_tile_request request = *w_binding_request(binding);
        request.missing = options->missing;
        request.by_columns = true;
        w_rows_pass pass = { .design = design, .table = table, .request = &request, .name = "predict", .columns = p.columns,
                             .tile = predict_tile, .deliver = hand_over, .arg = &p };
        status = w_rows_each(ctx, &pass);
    }
    for (int i = 0; p.room && i < workers; i++) {
        w_free(ctx, p.room[i]);
    }
    w_free(ctx, p.room);
    w_free(ctx, p.quantile);
    w_dense_rows_free(p.rows);
    w_binding_free(binding);
    return status;
}
