/* SPDX-License-Identifier: Apache-2.0 */
/* An archive as a model. The archive's layout has been checked; here every count, size and index is checked against the
 * design before it is used, so that a file made by hand can be wrong but not harmful. */
#include <inttypes.h>
#include <math.h>

#include "base/size.h"
#include "fit/modelfile.h"
#include "fit/predict.h"
#include "model/store.h"

typedef struct loader {
    weir_ctx *ctx;
    const w_archive *archive;
    weir_model *model;
} loader;

static weir_status damaged(const loader *l, const char *what)
{
    return w_fail(l->ctx, WEIR_E_MODEL, "the model file is damaged: \"%s\" is missing or not what it should be", what);
}

static weir_status field_read(const loader *l, const w_field *f, const json_t *value, char *at)
{
    int64_t whole = json_is_integer(value) ? json_integer_value(value) : 0;
    switch (f->kind) {
    case W_FIELD_REAL:
        *(double *)(void *)at = json_is_number(value) ? json_number_value(value) : NAN;
        return json_is_number(value) || json_is_null(value) ? WEIR_OK : damaged(l, f->key);
    case W_FIELD_INT32:
        *(int32_t *)(void *)at = (int32_t)whole;
        return json_is_integer(value) && whole >= INT32_MIN && whole <= INT32_MAX ? WEIR_OK : damaged(l, f->key);
    case W_FIELD_INT64:
        *(int64_t *)(void *)at = whole;
        return json_is_integer(value) ? WEIR_OK : damaged(l, f->key);
    case W_FIELD_TEXT:
        break;
    }
    if (json_is_null(value)) {
        *(const char **)(void *)at = "";
        return WEIR_OK;
    }
    return w_store_read_text(&l->model->arena, value, (const char **)(void *)at);
}

static weir_status fields_read(const loader *l, int count, const w_field *table, const json_t *object, const char *what,
                               void *base)
{
    if (!json_is_object(object)) {
        return damaged(l, what);
    }
    weir_status status = WEIR_OK;
    for (int i = 0; status >= 0 && i < count; i++) {
        status = field_read(l, &table[i], json_object_get(object, table[i].key), (char *)base + table[i].offset);
    }
    return status;
}

/* An array of numbers; null becomes `missing`. */
static weir_status reals_read(const loader *l, const json_t *array, const char *what, double missing, int64_t *count,
                              double **out)
{
    if (!json_is_array(array)) {
        return damaged(l, what);
    }
    size_t n = json_array_size(array);
    double *values = w_arena_alloc(&l->model->arena, n, sizeof *values);
    if (!values) {
        return w_alloc_status(l->ctx);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_number(value) && !json_is_null(value)) {
            return damaged(l, what);
        }
        values[i] = json_is_number(value) ? json_number_value(value) : missing;
    }
    *count = (int64_t)n;
    *out = values;
    return WEIR_OK;
}

static weir_status coefficients_read(const loader *l, const json_t *array)
{
    weir_summary *s = &l->model->summary;
    if (!json_is_array(array) || json_array_size(array) > (size_t)l->model->design->p) {
        return damaged(l, "coefficients");
    }
    size_t n = json_array_size(array);
    weir_coefficient *list = w_arena_calloc(&l->model->arena, n, sizeof *list);
    if (!list) {
        return w_alloc_status(l->ctx);
    }
    for (size_t i = 0; i < n; i++) {
        weir_status status = fields_read(l, FIELDS(coefficient_field), json_array_get(array, i), "coefficients", &list[i]);
        if (status < 0) {
            return status;
        }
    }
    s->coefficient = list;
    s->coefficient_count = (int32_t)n;
    return WEIR_OK;
}

static weir_status term_read(const loader *l, const json_t *object, weir_term_summary *term)
{
    int64_t count = 0, scales = 0;
    double *sp = NULL, *scale = NULL;
    weir_status status = fields_read(l, FIELDS(term_field), object, "terms", term);
    if (status >= 0) {
        status = reals_read(l, json_object_get(object, "sp"), "sp", NAN, &count, &sp);
    }
    if (status >= 0) {
        status = reals_read(l, json_object_get(object, "sp_scale"), "sp_scale", NAN, &scales, &scale);
    }
    if (status >= 0 && ((scales != count && scales != 0) || count > INT32_MAX)) {
        status = damaged(l, "sp_scale");
    }
    term->sp_count = (int32_t)count;
    term->sp = sp;
    term->sp_scale = scales > 0 ? scale : NULL;
    return status;
}

static weir_status terms_read(const loader *l, const json_t *array)
{
    weir_summary *s = &l->model->summary;
    if (!json_is_array(array) || json_array_size(array) > (size_t)l->model->design->p) {
        return damaged(l, "terms");
    }
    size_t n = json_array_size(array);
    weir_term_summary *list = w_arena_calloc(&l->model->arena, n, sizeof *list);
    if (!list) {
        return w_alloc_status(l->ctx);
    }
    for (size_t i = 0; i < n; i++) {
        weir_status status = term_read(l, json_array_get(array, i), &list[i]);
        if (status < 0) {
            return status;
        }
    }
    s->term = list;
    s->term_count = (int32_t)n;
    return WEIR_OK;
}

static weir_status notes_read(const loader *l, const json_t *array)
{
    if (!json_is_array(array) || json_array_size(array) > INT32_MAX) {
        return damaged(l, "notes");
    }
    size_t n = json_array_size(array);
    const char **list = w_arena_calloc(&l->model->arena, n, sizeof *list);
    if (!list) {
        return w_alloc_status(l->ctx);
    }
    for (size_t i = 0; i < n; i++) {
        weir_status status = w_store_read_text(&l->model->arena, json_array_get(array, i), &list[i]);
        if (status < 0) {
            return status;
        }
    }
    l->model->summary.note = list;
    l->model->summary.note_count = (int32_t)n;
    return WEIR_OK;
}

static weir_status plan_read(const loader *l, const json_t *object)
{
    weir_plan *plan = &l->model->plan;
    weir_status status = fields_read(l, FIELDS(plan_field), object, "plan", plan);
    const json_t *reasons = json_object_get(object, "reasons");
    if (status < 0) {
        return status;
    }
    if (!json_is_array(reasons) || json_array_size(reasons) > WEIR_PLAN_REASONS) {
        return damaged(l, "reasons");
    }
    plan->reason_count = (int32_t)json_array_size(reasons);
    for (int i = 0; i < plan->reason_count; i++) {
        const char *text;
        status = w_store_read_text(&l->model->arena, json_array_get(reasons, (size_t)i), &text);
        if (status < 0) {
            return status;
        }
        if (strlen(text) >= sizeof plan->reason[i]) {
            return damaged(l, "reasons");
        }
        strcpy(plan->reason[i], text);
    }
    return WEIR_OK;
}

/* A copy of array `name`, which must be rows x cols (cols 0: one-dimensional), in the arena. */
static weir_status array_read(const loader *l, const char *name, int64_t rows, int64_t cols, double **out)
{
    int64_t have_rows, have_cols;
    const double *data = w_archive_f64(l->archive, name, &have_rows, &have_cols);
    if (!data || have_rows != rows || have_cols != cols) {
        return damaged(l, name);
    }
    size_t count = (size_t)rows * (size_t)(cols > 0 ? cols : 1); /* as large as the file's array, so it cannot wrap */
    double *copy = w_arena_alloc(&l->model->arena, count, sizeof *copy);
    if (!copy) {
        return w_alloc_status(l->ctx);
    }
    memcpy(copy, data, count * sizeof *copy);
    *out = copy;
    return WEIR_OK;
}

/* The same in a block of its own. */
static weir_status block_read(const loader *l, const char *name, int64_t rows, int64_t cols, double **out)
{
    int64_t have_rows, have_cols;
    const double *data = w_archive_f64(l->archive, name, &have_rows, &have_cols);
    if (!data || have_rows != rows || have_cols != cols) {
        return damaged(l, name);
    }
    size_t count = (size_t)rows * (size_t)cols;
    double *copy = w_alloc_array(l->ctx, "covariance", count, sizeof *copy);
    if (!copy) {
        return w_alloc_status(l->ctx);
    }
    memcpy(copy, data, count * sizeof *copy);
    *out = copy;
    return WEIR_OK;
}

static weir_status core_columns_read(const loader *l, w_covariance *c)
{
    int64_t count, arrow = c->arrow_levels * c->arrow_k;
    const int64_t *column = w_archive_i64(l->archive, "fit/covariance/core_column", &count);
    if (!column || count != c->core) {
        return damaged(l, "fit/covariance/core_column");
    }
    for (int64_t i = 0; i < count; i++) {
        bool inside = column[i] >= c->arrow_first && column[i] < c->arrow_first + arrow;
        if (column[i] < 0 || column[i] >= c->p || inside || (i > 0 && column[i] <= column[i - 1])) {
            return damaged(l, "fit/covariance/core_column");
        }
    }
    c->core_column = w_alloc_array(l->ctx, "covariance", (size_t)count, sizeof *column);
    if (!c->core_column) {
        return w_alloc_status(l->ctx);
    }
    memcpy(c->core_column, column, (size_t)count * sizeof *column);
    return WEIR_OK;
}

static weir_status covariance_read(const loader *l, const json_t *object)
{
    w_covariance *c = w_calloc(l->ctx, "covariance", 1, sizeof *c);
    if (!c) {
        return w_alloc_status(l->ctx);
    }
    c->ctx = l->ctx;
    l->model->covariance = c;
    weir_status status = fields_read(l, FIELDS(covariance_field), object, "covariance", c);
    if (status < 0) {
        return status;
    }
    int64_t p = l->model->design->p;
    bool sound = c->p == p && c->core >= 0 && c->core <= p && c->arrow_levels >= 0 && c->arrow_levels <= p &&
                 c->arrow_k >= 0 && c->arrow_k <= p;
    int64_t arrow = sound ? w_mul64(c->arrow_levels, c->arrow_k) : 0;
    const bool none = c->core == 0 && arrow == 0; /* matrix-free */
    if (!sound || (c->core + arrow != p && !none) || (arrow > 0 && (c->arrow_first < 0 || c->arrow_first > p - arrow))) {
        return damaged(l, "covariance");
    }
    status = core_columns_read(l, c);
    if (status >= 0 && c->core > 0) {
        status = block_read(l, "fit/covariance/core", c->core, c->core, &c->core_matrix);
    }
    if (status >= 0 && arrow > 0 && c->core > 0) {
        status = block_read(l, "fit/covariance/map", arrow, c->core, &c->arrow_map);
    }
    if (status >= 0 && arrow > 0) {
        status = block_read(l, "fit/covariance/inverse", arrow, c->arrow_k, &c->arrow_inverse);
    }
    return status;
}

static weir_status histogram_read(const loader *l, w_diagnostics *d)
{
    int64_t count;
    const int64_t *bin = w_archive_i64(l->archive, "fit/histogram", &count);
    bool sound = bin && count == d->bins;
    for (int64_t i = 0; sound && i < count; i++) {
        sound = bin[i] >= 0;
    }
    if (!sound) {
        return damaged(l, "fit/histogram");
    }
    d->bin_count = w_arena_alloc(&l->model->arena, (size_t)count, sizeof *bin);
    if (!d->bin_count) {
        return w_alloc_status(l->ctx);
    }
    memcpy(d->bin_count, bin, (size_t)count * sizeof *bin);
    return WEIR_OK;
}

/* The arrays of the quantile plot; files of old have none. */
static weir_status quantiles_read(const loader *l, w_diagnostics *d)
{
    double **quantile[] = { &d->quantile_residual, &d->quantile_reference, &d->quantile_lower, &d->quantile_upper };
    int64_t rows, cols;
    weir_status status = WEIR_OK;
    if (!w_archive_f64(l->archive, quantile_name[0], &rows, &cols)) {
        return WEIR_OK;
    }
    for (int i = 0; status >= 0 && i < 4; i++) {
        status = array_read(l, quantile_name[i], rows, 0, quantile[i]);
    }
    d->quantiles = rows;
    return status;
}

static weir_status checks_read(const loader *l, const json_t *array, w_diagnostics *d)
{
    if (!array) {
        return WEIR_OK;
    }
    if (!json_is_array(array) || json_array_size(array) > (size_t)l->model->design->p) {
        return damaged(l, "checks");
    }
    size_t n = json_array_size(array);
    weir_status status = WEIR_OK;
    d->check = w_arena_calloc(&l->model->arena, n + 1, sizeof *d->check);
    if (!d->check) {
        return w_alloc_status(l->ctx);
    }
    for (size_t i = 0; status >= 0 && i < n; i++) {
        status = fields_read(l, FIELDS(check_field), json_array_get(array, i), "checks", &d->check[i]);
    }
    d->check_count = (int64_t)n;
    return status;
}

static weir_status rugs_read(const loader *l, w_diagnostics *d)
{
    int columns = l->model->design->column_count;
    char name[48];
    d->rug = w_arena_calloc(&l->model->arena, (size_t)columns, sizeof *d->rug);
    if (!d->rug) {
        return w_alloc_status(l->ctx);
    }
    for (int j = 0; j < columns; j++) {
        int64_t rows, cols;
        if (w_archive_f64(l->archive, rug_name(name, j), &rows, &cols)) {
            weir_status status = array_read(l, name, d->rug_count, 0, &d->rug[j]);
            if (status < 0) {
                return status;
            }
        }
    }
    return WEIR_OK;
}

static weir_status diagnostics_read(const loader *l, const json_t *object)
{
    if (!object || json_is_null(object)) {
        return WEIR_OK;
    }
    w_diagnostics *d = w_arena_calloc(&l->model->arena, 1, sizeof *d);
    if (!d) {
        return w_alloc_status(l->ctx);
    }
    weir_status status = fields_read(l, FIELDS(diagnostics_field), object, "diagnostics", d);
    if (status >= 0 && (d->sample < 0 || d->bins < 0 || d->rug_count < 0)) {
        status = damaged(l, "diagnostics");
    }
    if (status >= 0) {
        status = array_read(l, "fit/sample/fitted", d->sample, 0, &d->fitted);
    }
    if (status >= 0) {
        status = array_read(l, "fit/sample/residual", d->sample, 0, &d->residual);
    }
    if (status >= 0) {
        status = array_read(l, "fit/sample/response", d->sample, 0, &d->response);
    }
    int64_t rows, cols;
    if (status >= 0 && w_archive_f64(l->archive, "fit/sample/predictor", &rows, &cols)) {
        status = array_read(l, "fit/sample/predictor", d->sample, 0, &d->predictor);
    }
    if (status >= 0) {
        status = quantiles_read(l, d);
    }
    if (status >= 0) {
        status = checks_read(l, json_object_get(object, "checks"), d);
    }
    if (status >= 0) {
        status = histogram_read(l, d);
    }
    if (status >= 0) {
        status = rugs_read(l, d);
    }
    l->model->diagnostics = d;
    return status;
}

static weir_status arrays_read(const loader *l, const json_t *fit)
{
    weir_model *model = l->model;
    int64_t p = model->design->p, count = 0;
    weir_status status = array_read(l, "fit/beta", p, 0, &model->beta);
    if (status >= 0) {
        status = array_read(l, "fit/edf", p, 0, &model->edf);
    }
    if (status >= 0) {
        status = array_read(l, "fit/edf1", p, 0, &model->edf1);
    }
    if (status >= 0) {
        status = reals_read(l, json_object_get(fit, "rho"), "rho", -INFINITY, &count, &model->rho);
    }
    if (status >= 0 && count != model->design->sp_count) {
        status = damaged(l, "rho");
    }
    return status;
}

/* The text of the family that w_family_parse takes; its link is part of it unless it is the default one. */
static weir_status load_family(weir_model *model, const json_t *estimated)
{
    w_glm glm;
    if (w_family_parse(model->ctx, model->summary.family, &glm) < 0) {
        return w_fail(model->ctx, WEIR_E_MODEL, "the model's family '%s' is not known to this version", model->summary.family);
    }
    for (int i = 0; i < W_FAMILY_PARAMS; i++) {
        glm.estimate[i] = json_is_true(json_array_get(estimated, (size_t)i));
    }
    return w_model_name_family(model, &glm);
}

static weir_status ar1_read(const loader *l, const json_t *object)
{
    weir_ar1_summary *ar1 = w_arena_calloc(&l->model->arena, 1, sizeof *ar1);
    if (!ar1) {
        return w_alloc_status(l->ctx);
    }
    weir_status status = fields_read(l, FIELDS(ar1_field), object, "ar1", ar1);
    if (status >= 0 && !(fabs(ar1->rho) < 1)) {
        status = damaged(l, "ar1");
    }
    l->model->ar1 = ar1;
    l->model->summary.ar1 = ar1;
    return status;
}

static weir_status model_read(const loader *l)
{
    weir_model *model = l->model;
    weir_summary *s = &model->summary;
    const json_t *fit = json_object_get(w_archive_json(l->archive), "fit");
    weir_status status = w_design_load(l->ctx, l->archive, &model->design);
    if (status >= 0) {
        status = fields_read(l, FIELDS(summary_field), json_object_get(fit, "summary"), "summary", s);
    }
    if (status >= 0 && (s->columns != model->design->p || s->status < WEIR_OK || s->status > WEIR_NOT_CONVERGED)) {
        status = damaged(l, "summary");
    }
    if (status >= 0 && json_object_get(fit, "ar1")) {
        status = ar1_read(l, json_object_get(fit, "ar1"));
    }
    if (status >= 0) {
        status = coefficients_read(l, json_object_get(fit, "coefficients"));
    }
    if (status >= 0) {
        status = terms_read(l, json_object_get(fit, "terms"));
    }
    if (status >= 0) {
        status = notes_read(l, json_object_get(fit, "notes"));
    }
    if (status >= 0) {
        status = plan_read(l, json_object_get(fit, "plan"));
    }
    if (status >= 0) {
        status = arrays_read(l, fit);
    }
    if (status >= 0) {
        status = covariance_read(l, json_object_get(fit, "covariance"));
    }
    if (status >= 0) {
        status = diagnostics_read(l, json_object_get(fit, "diagnostics"));
    }
    s->plan = &model->plan;
    model->scale = s->scale;
    if (status >= 0) {
        status = load_family(model, json_object_get(fit, "family_estimated"));
    }
    return status;
}

weir_status w_model_load(weir_ctx *ctx, const w_archive *archive, weir_model **out)
{
    weir_model *model = w_calloc(ctx, "model", 1, sizeof *model);
    if (!model) {
        return w_alloc_status(ctx);
    }
    model->ctx = ctx;
    w_arena_init(&model->arena, ctx, "model");
    loader l = { ctx, archive, model };
    weir_status status = model_read(&l);
    if (status >= 0) {
        status = w_predict_name_terms(model);
    }
    if (status < 0) {
        w_model_free(model);
        return status;
    }
    *out = model;
    return WEIR_OK;
}

void w_model_free(weir_model *model)
{
    if (!model) {
        return;
    }
    w_covariance_free(model->covariance);
    w_design_free(model->design);
    w_arena_free(&model->arena);
    w_free(model->ctx, model);
}
