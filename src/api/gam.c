/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of fits, sums and predictions: check arguments, call one internal function. */
#include "weir/gam.h"

#include <stddef.h>
#include <string.h>

#include "base/ctx.h"
#include "device/device.h"
#include "fit/band.h"
#include "fit/diagnose.h"
#include "fit/gam.h"
#include "fit/predict.h"
#include "normal/normal.h"

static weir_status read_fit_options(weir_ctx *ctx, const weir_fit_options *given, weir_fit_options *out)
{
    static const weir_fit_options defaults = WEIR_FIT_OPTIONS_INIT;
    *out = defaults;
    if (given && given->version == 1) {
        memcpy(out, given, offsetof(weir_fit_options, laplace));
        out->version = WEIR_FIT_OPTIONS_VERSION;
    } else if (given && given->version == 2) {
        memcpy(out, given, offsetof(weir_fit_options, ar1));
        out->version = WEIR_FIT_OPTIONS_VERSION;
    } else if (given && given->version == 3) {
        memcpy(out, given, offsetof(weir_fit_options, ridge));
        out->version = WEIR_FIT_OPTIONS_VERSION;
    } else if (given && given->version == 4) {
        memcpy(out, given, offsetof(weir_fit_options, preconditioner));
        out->version = WEIR_FIT_OPTIONS_VERSION;
    } else if (given) {
        *out = *given;
    }
    if (out->version != WEIR_FIT_OPTIONS_VERSION) {
        return w_fail(ctx, WEIR_E_VERSION, "fit options have version %d, this library knows %d: use WEIR_FIT_OPTIONS_INIT",
                      (int)out->version, WEIR_FIT_OPTIONS_VERSION);
    }
    if ((int)out->criterion < 0 || out->criterion > WEIR_UBRE) {
        return w_fail(ctx, WEIR_E_ARG, "criterion %d is none of REML, ML, GCV, UBRE", (int)out->criterion);
    }
    if ((int)out->preconditioner < 0 || out->preconditioner > WEIR_PRECONDITIONER_NYSTROM) {
        return w_fail(ctx, WEIR_E_ARG, "preconditioner %d is none of AUTO, NONE, JACOBI, BLOCKS, NYSTROM", (int)out->preconditioner);
    }
    if (out->laplace < -1 || out->laplace > 1) {
        return w_fail(ctx, WEIR_E_ARG, "laplace is %d: 1 asks for the Laplace criterion, -1 for that of the working model, 0 "
                      "leaves the choice", (int)out->laplace);
    }
    if ((int)out->route < 0 || out->route >= WEIR_FIT_ROUTES) {
        return w_fail(ctx, WEIR_E_ARG, "route %d is none of WEIR_FIT_AUTO … WEIR_FIT_DUAL", (int)out->route);
    }
    if (out->sp_count < 0 || (out->sp_count > 0 && !out->sp)) {
        return w_fail(ctx, WEIR_E_ARG, "sp_count is %d but sp is NULL", (int)out->sp_count);
    }
    w_device_set *set;
    return w_devices_get(ctx, &set); /* a device that is required and missing ends the call here */
}

weir_status weir_plan_fit(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                          weir_plan *out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!table || !formula || !out) {
        return w_fail(ctx, WEIR_E_ARG, "weir_plan_fit needs a table, a formula and out");
    }
    weir_fit_options checked;
    weir_status status = read_fit_options(ctx, options, &checked);
    return status < 0 ? status : w_fit_plan(ctx, table, formula, &checked, out);
}

weir_status weir_fit(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options, weir_model **out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!table || !formula || !out) {
        return w_fail(ctx, WEIR_E_ARG, "weir_fit needs a table, a formula and out");
    }
    weir_fit_options checked;
    weir_status status = read_fit_options(ctx, options, &checked);
    if (status >= 0) {
        w_progress_begin(ctx, 0);
        status = w_fit_table(ctx, table, formula, &checked, out);
        w_progress_end(ctx);
    }
    return status;
}

void weir_model_free(weir_model *model)
{
    w_model_free(model);
}

weir_status weir_sums_accumulate(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                                 const weir_sums *like, int64_t first_row, weir_sums **out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!table || (!formula && !like) || !out || first_row < 0) {
        return w_fail(ctx, WEIR_E_ARG, "weir_sums_accumulate needs a table, a formula or sums to follow, and a row number >= 0");
    }
    weir_fit_options checked;
    weir_status status = read_fit_options(ctx, options, &checked);
    if (status >= 0) {
        w_progress_begin(ctx, 2);
        status = w_fit_accumulate(ctx, table, formula, &checked, like, first_row, out);
        w_progress_end(ctx);
    }
    return status;
}

weir_status weir_sums_merge(weir_ctx *ctx, weir_sums *into, const weir_sums *from)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!into || !from || into == from) {
        return w_fail(ctx, WEIR_E_ARG, "weir_sums_merge needs two different sums");
    }
    return w_fit_merge(into, from);
}

weir_status weir_sums_save(weir_ctx *ctx, const weir_sums *sums, const char *path)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!sums || !path) {
        return w_fail(ctx, WEIR_E_ARG, "weir_sums_save needs sums and a path");
    }
    return w_fit_sums_save(ctx, sums, path);
}

weir_status weir_sums_load(weir_ctx *ctx, const char *path, weir_sums **out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!path || !out) {
        return w_fail(ctx, WEIR_E_ARG, "weir_sums_load needs a path and out");
    }
    return w_fit_sums_load(ctx, path, out);
}

weir_status weir_sums_fit(weir_ctx *ctx, weir_sums *sums, const weir_fit_options *options, weir_model **out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!sums || !out) {
        return w_fail(ctx, WEIR_E_ARG, "weir_sums_fit needs sums and out");
    }
    weir_fit_options checked;
    weir_status status = read_fit_options(ctx, options, &checked);
    if (status >= 0) {
        w_progress_begin(ctx, 0);
        status = w_fit_sums(ctx, sums, &checked, out);
        w_progress_end(ctx);
    }
    return status;
}

int64_t weir_sums_next_row(const weir_sums *sums)
{
    return sums ? w_sums_next_row(sums->sums) : -1;
}

void weir_sums_free(weir_sums *sums)
{
    w_fit_sums_free(sums);
}

weir_status weir_model_summary(const weir_model *model, weir_summary *out)
{
    if (!model || !out) {
        return WEIR_E_ARG;
    }
    *out = model->summary;
    return WEIR_OK;
}

int64_t weir_model_coefficients(const weir_model *model, const double **beta, const char *const **labels)
{
    if (!model) {
        return 0;
    }
    if (beta) {
        *beta = model->beta;
    }
    if (labels) {
        *labels = (const char *const *)model->design->column_label;
    }
    return model->design->p;
}

weir_status weir_model_covariance(weir_ctx *ctx, const weir_model *model, int64_t first, int64_t count, double *out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!model || !out || first < 0 || count < 0 || first > model->design->p - count) {
        return w_fail(ctx, WEIR_E_ARG, "weir_model_covariance needs a model, out and a range within its coefficients");
    }
    weir_status status = w_covariance_block(model->covariance, first, count, first, count, out);
    for (int64_t i = 0; status >= 0 && i < count * count; i++) {
        out[i] *= model->scale;
    }
    return status;
}

weir_status weir_check(weir_ctx *ctx, weir_model *model, weir_table *table, weir_missing missing, int64_t *count,
                       const weir_smooth_check **checks)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!model || !table || !count || !checks) {
        return w_fail(ctx, WEIR_E_ARG, "weir_check needs a model, a table, count and checks");
    }
    w_progress_begin(ctx, 3);
    weir_status status = w_diagnose_table(ctx, model, table, missing);
    w_progress_end(ctx);
    if (status >= 0) {
        *count = model->diagnostics->check_count;
        *checks = model->diagnostics->check;
    }
    return status;
}

weir_status weir_term_critical(weir_ctx *ctx, const weir_model *model, const char *label, double level, double *out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!model || !label || !out || !(level > 0 && level < 1)) {
        return w_fail(ctx, WEIR_E_ARG, "weir_term_critical needs a model, a term's label, a level between 0 and 1 and out");
    }
    for (int t = 0; t < model->design->term_count; t++) {
        if (strcmp(model->design->term[t].label, label) == 0) {
            return w_band_critical(ctx, model, &model->design->term[t], level, out);
        }
    }
    return w_fail(ctx, WEIR_E_ARG, "the model has no term '%s'; its summary lists them", label);
}

static weir_status read_predict_options(weir_ctx *ctx, const weir_predict_options *given, weir_predict_options *out)
{
    static const weir_predict_options defaults = WEIR_PREDICT_OPTIONS_INIT;
    *out = defaults;
    if (given && given->version == 1) {
        memcpy(out, given, offsetof(weir_predict_options, simultaneous));
        out->version = WEIR_PREDICT_OPTIONS_VERSION;
    } else if (given) {
        *out = *given;
    }
    if (out->version != WEIR_PREDICT_OPTIONS_VERSION) {
        return w_fail(ctx, WEIR_E_VERSION, "predict options have version %d, this library knows %d", (int)out->version,
                      WEIR_PREDICT_OPTIONS_VERSION);
    }
    if (!(out->interval >= 0 && out->interval < 1)) {
        return w_fail(ctx, WEIR_E_ARG, "the interval's level must lie between 0 and 1, e.g. 0.95");
    }
    if (out->simultaneous && (out->type != WEIR_PREDICT_TERMS || !(out->interval > 0))) {
        return w_fail(ctx, WEIR_E_ARG, "simultaneous limits are those of single terms: ask for type terms and a level");
    }
    return WEIR_OK;
}

weir_status weir_predict_columns(const weir_model *model, const weir_predict_options *options, int32_t *count,
                                 const char *const **names)
{
    weir_predict_options checked;
    if (!model || !count || !names) {
        return WEIR_E_ARG;
    }
    weir_status status = read_predict_options(model->ctx, options, &checked);
    if (status >= 0) {
        w_predict_columns(model, &checked, count, names);
    }
    return status;
}

weir_status weir_predict(weir_ctx *ctx, const weir_model *model, weir_table *table, const weir_predict_options *options,
                         weir_rows_fn deliver, void *user)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!model || !table || !deliver) {
        return w_fail(ctx, WEIR_E_ARG, "weir_predict needs a model, a table and a callback for the rows");
    }
    weir_predict_options checked;
    weir_status status = read_predict_options(ctx, options, &checked);
    if (status >= 0) {
        w_progress_begin(ctx, 2);
        status = w_predict(ctx, model, table, &checked, deliver, user);
        w_progress_end(ctx);
    }
    return status;
}
