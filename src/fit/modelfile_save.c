/* SPDX-License-Identifier: Apache-2.0 */
/* A model as an archive (docs/model-file.md): the design saves itself; this file adds under the key "fit" what the fit found,
 * and the arrays "fit/…". Numbers that are not finite are JSON null (NaN; in rho: -infinity, a smoothing parameter of
 * 0). A jansson call given NULL for a value fails, so that one check at the end of a chain sees every refusal. */
#include <math.h>

#include "base/size.h"
#include "fit/modelfile.h"
#include "model/store.h"
#include "weir/version.h"

static json_t *json_of_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_of_text(const char *text)
{
    return text ? w_store_text(text) : json_null();
}

/* An object with the fields of the structure at `base`, or NULL when memory fails. */
static json_t *fields_json(int count, const w_field *table, const void *base)
{
    json_t *object = json_object();
    for (int i = 0; object && i < count; i++) {
        const char *at = (const char *)base + table[i].offset;
        json_t *value = NULL;
        switch (table[i].kind) {
        case W_FIELD_REAL:
            value = json_of_real(*(const double *)(const void *)at);
            break;
        case W_FIELD_INT32:
            value = json_integer(*(const int32_t *)(const void *)at);
            break;
        case W_FIELD_INT64:
            value = json_integer(*(const int64_t *)(const void *)at);
            break;
        case W_FIELD_TEXT:
            value = json_of_text(*(const char *const *)(const void *)at);
            break;
        }
        if (json_object_set_new(object, table[i].key, value) != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

static json_t *reals_json(int64_t count, const double *values)
{
    json_t *array = json_array();
    for (int64_t i = 0; array && i < count; i++) {
        if (json_array_append_new(array, json_of_real(values[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static json_t *coefficients_json(const weir_summary *s)
{
    json_t *array = json_array();
    for (int i = 0; array && i < s->coefficient_count; i++) {
        if (json_array_append_new(array, fields_json(FIELDS(coefficient_field), &s->coefficient[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static json_t *terms_json(const weir_summary *s)
{
    json_t *array = json_array();
    for (int i = 0; array && i < s->term_count; i++) {
        const weir_term_summary *t = &s->term[i];
        json_t *object = fields_json(FIELDS(term_field), t);
        if (!object || json_object_set_new(object, "sp", reals_json(t->sp ? t->sp_count : 0, t->sp)) != 0 ||
            json_object_set_new(object, "sp_scale", reals_json(t->sp_scale ? t->sp_count : 0, t->sp_scale)) != 0) {
            json_decref(object);
            object = NULL;
        }
        if (json_array_append_new(array, object) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static json_t *plan_json(const weir_plan *plan)
{
    json_t *object = fields_json(FIELDS(plan_field), plan), *reasons = json_array();
    for (int i = 0; reasons && i < plan->reason_count && i < WEIR_PLAN_REASONS; i++) {
        if (json_array_append_new(reasons, json_of_text(plan->reason[i])) != 0) {
            json_decref(reasons);
            reasons = NULL;
        }
    }
    if (!object || json_object_set_new(object, "reasons", reasons) != 0) {
        if (!object) {
            json_decref(reasons);
        }
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *diagnostics_json(const w_diagnostics *d)
{
    json_t *object = fields_json(FIELDS(diagnostics_field), d), *checks = json_array();
    for (int64_t i = 0; checks && i < d->check_count; i++) {
        if (json_array_append_new(checks, fields_json(FIELDS(check_field), &d->check[i])) != 0) {
            json_decref(checks);
            checks = NULL;
        }
    }
    if (!object || json_object_set_new(object, "checks", checks) != 0) {
        if (!object) {
            json_decref(checks);
        }
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *notes_json(const weir_summary *s)
{
    json_t *array = json_array();
    for (int i = 0; array && i < s->note_count; i++) {
        if (json_array_append_new(array, json_of_text(s->note[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static weir_status covariance_save(const w_covariance *c, w_archive *archive)
{
    int64_t arrow = w_mul64(c->arrow_levels, c->arrow_k);
    weir_status status = w_archive_put_i64(archive, "fit/covariance/core_column", c->core, c->core_column);
    if (status >= 0) {
        status = w_archive_put_f64(archive, "fit/covariance/core", c->core, c->core, c->core_matrix);
    }
    if (status >= 0 && arrow > 0 && c->core > 0) {
        status = w_archive_put_f64(archive, "fit/covariance/map", arrow, c->core, c->arrow_map);
    }
    if (status >= 0 && arrow > 0) {
        status = w_archive_put_f64(archive, "fit/covariance/inverse", arrow, c->arrow_k, c->arrow_inverse);
    }
    return status;
}

static weir_status diagnostics_save(const weir_model *model, w_archive *archive)
{
    const w_diagnostics *d = model->diagnostics;
    char name[48];
    weir_status status = w_archive_put_f64(archive, "fit/sample/fitted", d->sample, 0, d->fitted);
    if (status >= 0) {
        status = w_archive_put_f64(archive, "fit/sample/residual", d->sample, 0, d->residual);
    }
    if (status >= 0) {
        status = w_archive_put_f64(archive, "fit/sample/response", d->sample, 0, d->response);
    }
    if (status >= 0 && d->predictor) {
        status = w_archive_put_f64(archive, "fit/sample/predictor", d->sample, 0, d->predictor);
    }
    const double *quantile[] = { d->quantile_residual, d->quantile_reference, d->quantile_lower, d->quantile_upper };
    for (int i = 0; status >= 0 && d->quantiles > 0 && i < 4; i++) {
        status = w_archive_put_f64(archive, quantile_name[i], d->quantiles, 0, quantile[i]);
    }
    if (status >= 0) {
        status = w_archive_put_i64(archive, "fit/histogram", d->bins, d->bin_count);
    }
    for (int j = 0; status >= 0 && d->rug && j < model->design->column_count; j++) {
        if (d->rug[j]) {
            status = w_archive_put_f64(archive, rug_name(name, j), d->rug_count, 0, d->rug[j]);
        }
    }
    return status;
}

static weir_status arrays_save(const weir_model *model, w_archive *archive)
{
    int64_t p = model->design->p;
    weir_status status = w_archive_put_f64(archive, "fit/beta", p, 0, model->beta);
    if (status >= 0 && model->edf) {
        status = w_archive_put_f64(archive, "fit/edf", p, 0, model->edf);
    }
    if (status >= 0 && model->edf1) {
        status = w_archive_put_f64(archive, "fit/edf1", p, 0, model->edf1);
    }
    if (status >= 0) {
        status = covariance_save(model->covariance, archive);
    }
    if (status >= 0 && model->diagnostics) {
        status = diagnostics_save(model, archive);
    }
    return status;
}

/* Which parameters of the family the fit has estimated; files of old leave it out. */
static json_t *estimated_json(const weir_summary *s)
{
    json_t *array = json_array();
    for (int i = 0; array && i < s->family_parameter_count; i++) {
        if (json_array_append_new(array, json_boolean(s->family_parameter[i].estimated)) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

weir_status w_model_save(const weir_model *model, w_archive *archive)
{
    weir_status status = w_design_save(model->design, archive);
    if (status < 0) {
        return status;
    }
    weir_summary summary = model->summary;
    const weir_summary *s = &summary;
    const w_diagnostics *d = model->diagnostics;
    summary.family = model->family ? model->family : summary.family;
    json_t *fit = json_object();
    if (!fit || json_object_set_new(w_archive_json(archive), "fit", fit) != 0 ||
        json_object_set_new(fit, "weir", json_string(WEIR_VERSION_STRING)) != 0 ||
        json_object_set_new(fit, "summary", fields_json(FIELDS(summary_field), s)) != 0 ||
        json_object_set_new(fit, "coefficients", coefficients_json(s)) != 0 ||
        json_object_set_new(fit, "terms", terms_json(s)) != 0 || json_object_set_new(fit, "notes", notes_json(s)) != 0 ||
        json_object_set_new(fit, "family_estimated", estimated_json(s)) != 0 ||
        json_object_set_new(fit, "plan", plan_json(&model->plan)) != 0 ||
        json_object_set_new(fit, "rho", reals_json(model->design->sp_count, model->rho)) != 0 ||
        json_object_set_new(fit, "covariance", fields_json(FIELDS(covariance_field), model->covariance)) != 0 ||
        (model->ar1 && json_object_set_new(fit, "ar1", fields_json(FIELDS(ar1_field), model->ar1)) != 0) ||
        (d && json_object_set_new(fit, "diagnostics", diagnostics_json(d)) != 0)) {
        return w_fail(model->ctx, WEIR_E_MEMORY, "the system refused memory to describe the model");
    }
    return arrays_save(model, archive);
}
