/* SPDX-License-Identifier: Apache-2.0 */
/* A smooth in an archive: sizes in JSON, knots, maps, transform, penalties and spectra as arrays "smooth/<number>/…". */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "basis/features.h"
#include "model/store.h"

#define NAME_BYTES 64

static const char *array_name(char *name, int number, const char *part, int index)
{
    snprintf(name, NAME_BYTES, index < 0 ? "smooth/%d/%s" : "smooth/%d/%s/%d", number, part, index);
    return name;
}

/* ---- writing ---- */

static weir_status put_joint(w_archive *archive, weir_ctx *ctx, int number, int m, const w_margin *margin, json_t *list)
{
    char name[NAME_BYTES];
    int64_t terms = margin->knot_count + w_plate_polynomials(margin->covariates, margin->order);
    weir_status status = w_archive_put_f64(archive, array_name(name, number, "knot", m), margin->covariates,
                                           margin->knot_count, margin->knot);
    if (status == WEIR_OK) {
        status = w_archive_put_f64(archive, array_name(name, number, "weight", m), terms, margin->k, margin->weight);
    }
    if (status == WEIR_OK) {
        status =
            w_archive_put_f64(archive, array_name(name, number, "centre", m), margin->covariates, 0, margin->centre);
    }
    if (status == WEIR_OK && margin->penalty) {
        status = w_archive_put_f64(archive, array_name(name, number, "margin_penalty", m), margin->k, margin->k,
                                   margin->penalty);
    }
    if (status != WEIR_OK) {
        return status;
    }
    json_t *json = json_pack("{s:s, s:i, s:i, s:I, s:I, s:I, s:b}", "basis", w_basis_name(margin->kind), "covariates",
                             margin->covariates, "order", margin->order, "k", (json_int_t)margin->k, "rank",
                             (json_int_t)margin->rank, "knots", (json_int_t)margin->knot_count, "penalty",
                             margin->penalty != NULL);
    return json && json_array_append_new(list, json) == 0
               ? WEIR_OK
               : w_fail(ctx, WEIR_E_MEMORY, "no memory for the description of the model");
}

static weir_status put_features(w_archive *archive, weir_ctx *ctx, int number, int m, const w_margin *margin, json_t *list)
{
    char name[NAME_BYTES];
    const w_features *f = margin->features;
    double range[2 * W_MAX_MARGINS];
    for (int c = 0; c < f->covariates; c++) {
        range[2 * c] = f->lower[c];
        range[2 * c + 1] = f->upper[c];
    }
    bool mapped = margin->map && !margin->identity;
    weir_status status = w_archive_put_f64(archive, array_name(name, number, "range", m), f->covariates, 2, range);
    if (status == WEIR_OK) {
        status = w_archive_put_f64(archive, array_name(name, number, "parameter", m), f->parameter_count, 0, f->parameter);
    }
    if (status == WEIR_OK && mapped) {
        status = w_archive_put_f64(archive, array_name(name, number, "map", m), margin->cells * margin->width, margin->k,
                                   margin->map);
    }
    if (status == WEIR_OK && margin->penalty) {
        status = w_archive_put_f64(archive, array_name(name, number, "margin_penalty", m), margin->k, margin->k,
                                   margin->penalty);
    }
    if (status == WEIR_OK && f->mean) {
        status = w_archive_put_f64(archive, array_name(name, number, "margin_mean", m), margin->k, 0, f->mean);
    }
    if (status == WEIR_OK && f->leaf_count) {
        status = w_archive_put_f64(archive, array_name(name, number, "leaf", m), f->leaf_count, 0, f->leaf_weight);
    }
    if (status != WEIR_OK) {
        return status;
    }
    json_t *json = json_pack("{s:s, s:i, s:i, s:s, s:[III], s:I, s:I, s:i, s:I, s:I, s:b, s:b, s:b, s:b}", "basis",
                             w_basis_name(margin->kind), "covariates", f->covariates, "form", f->form, "extrapolate",
                             w_extension_name(f->extension), "count", (json_int_t)f->count[0], (json_int_t)f->count[1],
                             (json_int_t)f->count[2], "parameters", (json_int_t)f->parameter_count, "k",
                             (json_int_t)margin->k, "width", (int)f->width, "cells", (json_int_t)margin->cells, "rank",
                             (json_int_t)margin->rank, "map", mapped, "penalty", margin->penalty != NULL, "leaf",
                             f->leaf_count > 0, "mean", f->mean != NULL);
    return json && json_array_append_new(list, json) == 0
               ? WEIR_OK
               : w_fail(ctx, WEIR_E_MEMORY, "no memory for the description of the model");
}

/* Contrasts follow from the number of levels. */
static weir_status put_factor(w_archive *archive, weir_ctx *ctx, int number, int m, const w_margin *margin, json_t *list)
{
    (void)archive, (void)number, (void)m;
    json_t *json = json_pack("{s:s, s:I}", "basis", w_basis_name(margin->kind), "levels", (json_int_t)margin->cells);
    return json && json_array_append_new(list, json) == 0
               ? WEIR_OK
               : w_fail(ctx, WEIR_E_MEMORY, "no memory for the description of the model");
}

static weir_status put_margin(w_archive *archive, weir_ctx *ctx, int number, int m, const w_margin *margin,
                              json_t *list)
{
    char name[NAME_BYTES];
    weir_status status = w_archive_put_f64(archive, array_name(name, number, "break", m), margin->break_count, 0,
                                           margin->break_point);
    if (status == WEIR_OK) {
        status = w_archive_put_f64(archive, array_name(name, number, "map", m), margin->cells * margin->width,
                                   margin->k, margin->map);
    }
    if (status == WEIR_OK && margin->penalty) {
        status = w_archive_put_f64(archive, array_name(name, number, "margin_penalty", m), margin->k, margin->k,
                                   margin->penalty);
    }
    if (status == WEIR_OK && margin->knot_count) {
        status =
            w_archive_put_f64(archive, array_name(name, number, "knot", m), margin->knot_count, 0, margin->knot);
    }
    if (status != WEIR_OK) {
        return status;
    }
    json_t *json = json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:b}", "basis", w_basis_name(margin->kind), "k",
                             (json_int_t)margin->k, "breaks", (json_int_t)margin->break_count, "rank",
                             (json_int_t)margin->rank, "knots", (json_int_t)margin->knot_count, "cyclic",
                             margin->cyclic, "penalty", margin->penalty != NULL);
    return json && json_array_append_new(list, json) == 0
               ? WEIR_OK
               : w_fail(ctx, WEIR_E_MEMORY, "no memory for the description of the model");
}

static weir_status put_penalties(weir_ctx *ctx, w_archive *archive, int number, const w_smooth *s, json_t *list)
{
    char name[NAME_BYTES];
    double value[2 * W_MAX_PENALTIES];
    weir_status status = WEIR_OK;
    for (int j = 0; j < s->penalty_count && status == WEIR_OK; j++) {
        value[2 * j] = s->penalty[j].scale;
        value[2 * j + 1] = s->penalty[j].log_det;
        if (json_array_append_new(list, json_integer(s->penalty[j].rank)) != 0) {
            return w_fail(ctx, WEIR_E_MEMORY, "no memory for the description of the model");
        }
        if (s->penalty[j].matrix) {
            status = w_archive_put_f64(archive, array_name(name, number, "penalty", j), s->columns, s->columns,
                                       s->penalty[j].matrix);
        }
    }
    if (status == WEIR_OK && s->penalty_count) {
        status = w_archive_put_f64(archive, array_name(name, number, "scale", -1), s->penalty_count, 2, value);
    }
    return status;
}

static weir_status put_arrays(w_archive *archive, int number, const w_smooth *s)
{
    char name[NAME_BYTES];
    weir_status status =
        w_archive_put_f64(archive, array_name(name, number, "logdet", -1), 1, 0, &s->logdet_constant);
    if (status == WEIR_OK && s->transform) {
        status = w_archive_put_f64(archive, array_name(name, number, "transform", -1), s->raw_columns, s->columns,
                                   s->transform);
    }
    if (status == WEIR_OK && s->constraint_weight) {
        status = w_archive_put_f64(archive, array_name(name, number, "constraint", -1), s->raw_columns, 0,
                                   s->constraint_weight);
    }
    if (status == WEIR_OK && s->column_mean) {
        status = w_archive_put_f64(archive, array_name(name, number, "mean", -1), s->columns, 0, s->column_mean);
    }
    if (status == WEIR_OK && s->form_penalties) {
        status = w_archive_put_f64(archive, array_name(name, number, "form_power", -1), 1, 0, &s->form_power);
    }
    for (int m = 0; m < s->margin_count && status == WEIR_OK && s->logdet_form == W_LOGDET_KRONECKER; m++) {
        status =
            w_archive_put_f64(archive, array_name(name, number, "eigen", m), s->eigen_count[m], 0, s->eigen[m]);
    }
    return status;
}

weir_status w_store_put_smooth(weir_ctx *ctx, w_archive *archive, int number, const w_smooth *s, json_t *list)
{
    json_t *json = json_pack("{s:I, s:i, s:I, s:b, s:b, s:b, s:[], s:[]}", "columns", (json_int_t)s->columns,
                             "form", (int)s->logdet_form, "null_dimension", (json_int_t)s->null_dimension,
                             "transform", s->transform != NULL, "constraint", s->constraint_weight != NULL, "mean",
                             s->column_mean != NULL, "margins", "penalties");
    weir_status status = json && json_array_append_new(list, json) == 0
                             ? WEIR_OK
                             : w_fail(ctx, WEIR_E_MEMORY, "no memory for the description of the model");
    for (int m = 0; m < s->margin_count && status == WEIR_OK; m++) {
        const w_margin *margin = &s->margin[m];
        status = (margin->kind == W_BASIS_SZ ? put_factor
                  : margin->features         ? put_features
                  : margin->covariates > 1   ? put_joint
                                             : put_margin)(archive, ctx, number, m, margin, json_object_get(json, "margins"));
    }
    if (status == WEIR_OK) {
        status = put_penalties(ctx, archive, number, s, json_object_get(json, "penalties"));
    }
    if (status == WEIR_OK && s->form_penalties) {
        status = w_store_set(ctx, json, "form_penalties", json_integer(s->form_penalties));
    }
    if (status == WEIR_OK && s->note) {
        status = w_store_set(ctx, json, "note", w_store_text(s->note));
    }
    return status == WEIR_OK ? put_arrays(archive, number, s) : status;
}

/* ---- reading ---- */

#define LIMIT ((int64_t)1 << 24)

static weir_status get_margin(w_arena *arena, const w_archive *archive, int number, int m, const json_t *json,
                              w_margin *out)
{
    weir_ctx *ctx = arena->ctx;
    char name[NAME_BYTES];
    int64_t k, breaks, rank, knots;
    double *break_point, *map;
    w_basis_kind kind;
    const char *basis = json_string_value(json_object_get(json, "basis"));
    if (!basis || !w_basis_parse(basis, &kind) || kind == W_BASIS_RE || kind == W_BASIS_SZ || w_basis_featured(kind)) {
        return w_store_damaged(ctx, "a smooth has an unknown basis");
    }
    weir_status status = w_store_integer(ctx, json, "k", 1, LIMIT, &k);
    status = status == WEIR_OK ? w_store_integer(ctx, json, "breaks", 2, LIMIT, &breaks) : status;
    status = status == WEIR_OK ? w_store_integer(ctx, json, "rank", 0, k, &rank) : status;
    status = status == WEIR_OK ? w_store_integer(ctx, json, "knots", 0, LIMIT, &knots) : status;
    status = status == WEIR_OK
                 ? w_store_array(arena, archive, array_name(name, number, "break", m), breaks, 0, &break_point)
                 : status;
    status = status == WEIR_OK ? w_store_array(arena, archive, array_name(name, number, "map", m),
                                               w_mul64(breaks + 1, 4), k, &map)
                               : status;
    if (status == WEIR_OK) {
        status = w_margin_restore(arena, kind, json_is_true(json_object_get(json, "cyclic")), k, breaks,
                                  break_point, map, out);
    }
    if (status != WEIR_OK) {
        return status;
    }
    out->rank = rank;
    if (json_is_true(json_object_get(json, "penalty"))) {
        status = w_store_array(arena, archive, array_name(name, number, "margin_penalty", m), k, k, &out->penalty);
    }
    if (status == WEIR_OK && knots) {
        status = w_store_array(arena, archive, array_name(name, number, "knot", m), knots, 0, &out->knot);
        out->knot_count = knots;
    }
    return status;
}

static weir_status get_joint(w_arena *arena, const w_archive *archive, int number, int m, const json_t *json,
                             int covariates, w_margin *out)
{
    weir_ctx *ctx = arena->ctx;
    char name[NAME_BYTES];
    int64_t k, order, rank, knots;
    double *knot, *weight, *centre;
    w_basis_kind kind;
    const char *basis = json_string_value(json_object_get(json, "basis"));
    if (!basis || !w_basis_parse(basis, &kind) || (kind != W_BASIS_TP && kind != W_BASIS_TS)) {
        return w_store_damaged(ctx, "a smooth of several covariates has an unknown basis");
    }
    weir_status status = w_store_integer(ctx, json, "k", 1, 65536, &k);
    status = status == WEIR_OK ? w_store_integer(ctx, json, "order", covariates / 2 + 1, 16, &order) : status;
    status = status == WEIR_OK ? w_store_integer(ctx, json, "rank", 0, k, &rank) : status;
    status = status == WEIR_OK ? w_store_integer(ctx, json, "knots", 1, 65536, &knots) : status;
    if (status != WEIR_OK) {
        return status;
    }
    int64_t terms = knots + w_plate_polynomials(covariates, (int)order);
    status = w_store_array(arena, archive, array_name(name, number, "knot", m), covariates, knots, &knot);
    if (status == WEIR_OK) {
        status = w_store_array(arena, archive, array_name(name, number, "weight", m), terms, k, &weight);
    }
    if (status == WEIR_OK) {
        status = w_store_array(arena, archive, array_name(name, number, "centre", m), covariates, 0, &centre);
    }
    if (status == WEIR_OK) {
        status = w_joint_restore(arena, kind, covariates, (int)order, k, knots, knot, centre, weight, out);
    }
    if (status != WEIR_OK) {
        return status;
    }
    out->rank = rank;
    return json_is_true(json_object_get(json, "penalty"))
               ? w_store_array(arena, archive, array_name(name, number, "margin_penalty", m), k, k, &out->penalty)
               : WEIR_OK;
}

static weir_status get_feature_arrays(w_arena *arena, const w_archive *archive, int number, int m, const json_t *json,
                                      w_features *f, w_margin *out, double **map)
{
    char name[NAME_BYTES];
    double *range;
    weir_status status = w_store_array(arena, archive, array_name(name, number, "range", m), f->covariates, 2, &range);
    for (int c = 0; c < f->covariates && status == WEIR_OK; c++) {
        f->lower[c] = range[2 * c];
        f->upper[c] = range[2 * c + 1];
    }
    if (status == WEIR_OK) {
        status = w_store_array(arena, archive, array_name(name, number, "parameter", m), f->parameter_count, 0, &f->parameter);
    }
    if (status == WEIR_OK && json_is_true(json_object_get(json, "map"))) {
        status = w_store_array(arena, archive, array_name(name, number, "map", m), w_mul64(out->cells, out->width), out->k, map);
    }
    if (status == WEIR_OK && json_is_true(json_object_get(json, "penalty"))) {
        status = w_store_array(arena, archive, array_name(name, number, "margin_penalty", m), out->k, out->k, &out->penalty);
    }
    if (status == WEIR_OK && json_is_true(json_object_get(json, "mean"))) {
        status = w_store_array(arena, archive, array_name(name, number, "margin_mean", m), out->k, 0, &f->mean);
    }
    if (status == WEIR_OK && json_is_true(json_object_get(json, "leaf"))) {
        f->leaf_count = w_mul64(f->count[0], f->count[2]);
        status = w_store_array(arena, archive, array_name(name, number, "leaf", m), f->leaf_count, 0, &f->leaf_weight);
    }
    return status;
}

static weir_status get_features(w_arena *arena, const w_archive *archive, int number, int m, const json_t *json,
                                const w_margin_spec *spec, w_margin *out)
{
    weir_ctx *ctx = arena->ctx;
    w_features f = {.covariates = spec->covariates > 1 ? spec->covariates : 1};
    w_margin margin = {0};
    int64_t form, width, k;
    double *map = NULL;
    const char *basis = json_string_value(json_object_get(json, "basis"));
    const char *extension = json_string_value(json_object_get(json, "extrapolate"));
    if (!basis || strcmp(basis, w_basis_name(spec->basis)) != 0 || !extension || !w_extension_parse(extension, &f.extension)) {
        return w_store_damaged(ctx, "a smooth has an unknown basis");
    }
    weir_status status = w_store_integer(ctx, json, "k", 1, LIMIT, &k);
    status = status == WEIR_OK ? w_store_integer(ctx, json, "form", 0, 64, &form) : status;
    status = status == WEIR_OK ? w_store_integer(ctx, json, "width", 1, LIMIT, &width) : status;
    status = status == WEIR_OK ? w_store_integer(ctx, json, "cells", 1, LIMIT, &margin.cells) : status;
    status = status == WEIR_OK ? w_store_integer(ctx, json, "rank", 0, k, &margin.rank) : status;
    status = status == WEIR_OK ? w_store_integer(ctx, json, "parameters", 1, INT64_MAX / 16, &f.parameter_count) : status;
    const json_t *count = json_object_get(json, "count");
    for (size_t i = 0; i < 3 && status == WEIR_OK; i++) {
        const json_t *one = json_array_get(count, i);
        f.count[i] = json_integer_value(one);
        if (!json_is_integer(one) || f.count[i] < 0) {
            status = w_store_damaged(ctx, "a smooth has impossible counts");
        }
    }
    if (status != WEIR_OK) {
        return status;
    }
    margin.k = k;
    margin.width = (int)width;
    f.width = width;
    f.form = (int)form;
    status = get_feature_arrays(arena, archive, number, m, json, &f, &margin, &map);
    if (status == WEIR_OK) {
        status = w_features_restore(arena, spec->basis, &f, k, map, &margin);
    }
    if (status == WEIR_OK) {
        *out = margin;
    }
    return status;
}

static weir_status get_penalties(w_arena *arena, const w_archive *archive, int number, const json_t *list,
                                 w_smooth *s)
{
    char name[NAME_BYTES];
    double *value = NULL;
    size_t count = json_array_size(list);
    if (count > W_MAX_PENALTIES || !json_is_array(list)) {
        return w_store_damaged(arena->ctx, "a smooth has too many penalties");
    }
    s->penalty_count = (int)count;
    weir_status status =
        count ? w_store_array(arena, archive, array_name(name, number, "scale", -1), (int64_t)count, 2, &value)
              : WEIR_OK;
    for (int j = 0; j < s->penalty_count && status == WEIR_OK; j++) {
        w_penalty *penalty = &s->penalty[j];
        *penalty = (w_penalty){.scale = value[2 * j], .log_det = value[2 * j + 1]};
        const json_t *rank = json_array_get(list, (size_t)j);
        if (!json_is_integer(rank) || json_integer_value(rank) < 0 || json_integer_value(rank) > s->columns ||
            !(penalty->scale > 0)) {
            return w_store_damaged(arena->ctx, "a penalty has an impossible rank or scale");
        }
        penalty->rank = json_integer_value(rank);
        if (!w_smooth_is_trees(s)) {
            status = w_store_array(arena, archive, array_name(name, number, "penalty", j), s->columns, s->columns,
                                   &penalty->matrix);
        }
    }
    return status;
}

/* Parts of the harmonic and contrasts forms. */
static weir_status get_form(w_arena *arena, const w_archive *archive, int number, const json_t *json, w_smooth *s)
{
    char name[NAME_BYTES];
    int64_t count = 0;
    double *power = NULL;
    if (s->logdet_form != W_LOGDET_HARMONIC && s->logdet_form != W_LOGDET_CONTRASTS) {
        return WEIR_OK;
    }
    weir_status status = w_store_integer(arena->ctx, json, "form_penalties", 1, s->penalty_count, &count);
    if (status == WEIR_OK) {
        status = w_store_array(arena, archive, array_name(name, number, "form_power", -1), 1, 0, &power);
    }
    if (status != WEIR_OK) {
        return status;
    }
    s->form_penalties = (int)count;
    s->form_power = *power;
    bool factors = s->margin_count == 3 && s->margin[0].kind == W_BASIS_SZ && s->margin[1].kind == W_BASIS_SZ;
    if (s->logdet_form == W_LOGDET_CONTRASTS && !(factors && s->margin[0].cells * s->margin[1].cells == count)) {
        return w_store_damaged(arena->ctx, "a smooth's contrasts are not those of its factors");
    }
    return WEIR_OK;
}

static weir_status get_spectra(w_arena *arena, const w_archive *archive, int number, bool constraint, w_smooth *s)
{
    char name[NAME_BYTES];
    if (s->logdet_form != W_LOGDET_KRONECKER) {
        return WEIR_OK;
    }
    if (s->penalty_count < s->margin_count) {
        return w_store_damaged(arena->ctx, "a tensor product lacks a penalty");
    }
    weir_status status = WEIR_OK;
    for (int m = 0; m < s->margin_count && status == WEIR_OK; m++) {
        s->eigen_count[m] = s->margin[m].k;
        status =
            w_store_array(arena, archive, array_name(name, number, "eigen", m), s->margin[m].k, 0, &s->eigen[m]);
    }
    if (status == WEIR_OK && constraint) {
        status = w_store_array(arena, archive, array_name(name, number, "constraint", -1), s->raw_columns, 0,
                               &s->constraint_weight);
    }
    return status;
}

static weir_status get_margins(w_arena *arena, const w_archive *archive, int number, const json_t *list,
                               const w_smooth_call *call, w_smooth *s)
{
    if (json_array_size(list) != (size_t)s->margin_count) {
        return w_store_damaged(arena->ctx, "a smooth has the wrong number of margins");
    }
    weir_status status = WEIR_OK;
    s->raw_columns = 1;
    for (int m = 0; m < s->margin_count && status == WEIR_OK; m++) {
        int covariates = call->margin[m].covariates;
        const json_t *json = json_array_get(list, (size_t)m);
        if (call->margin[m].basis == W_BASIS_SZ) {
            int64_t levels = 0;
            status = w_store_integer(arena->ctx, json, "levels", 2, LIMIT, &levels);
            status = status == WEIR_OK ? w_margin_contrast(arena, levels, &s->margin[m]) : status;
            s->raw_columns = status == WEIR_OK ? w_mul64(s->raw_columns, s->margin[m].k) : 1;
            continue;
        }
        if (w_basis_featured(call->margin[m].basis)) {
            status = get_features(arena, archive, number, m, json, &call->margin[m], &s->margin[m]);
            s->raw_columns = status == WEIR_OK ? w_mul64(s->raw_columns, s->margin[m].k) : 1;
            continue;
        }
        status = covariates > 1 ? get_joint(arena, archive, number, m, json, covariates, &s->margin[m])
                                : get_margin(arena, archive, number, m, json, &s->margin[m]);
        s->raw_columns = status == WEIR_OK ? w_mul64(s->raw_columns, s->margin[m].k) : 1;
    }
    return status;
}

weir_status w_store_get_smooth(w_arena *arena, const w_archive *archive, int number, const json_t *json,
                               const w_smooth_call *call, w_smooth *out)
{
    weir_ctx *ctx = arena->ctx;
    char name[NAME_BYTES];
    int64_t form = W_LOGDET_NONE;
    double *constant = NULL;
    *out = (w_smooth){.label = call->label, .type = call->type, .margin_count = call->margin_count};
    weir_status status = get_margins(arena, archive, number, json_object_get(json, "margins"), call, out);
    status =
        status == WEIR_OK ? w_store_integer(ctx, json, "columns", 1, out->raw_columns, &out->columns) : status;
    status =
        status == WEIR_OK ? w_store_integer(ctx, json, "form", W_LOGDET_SEPARATE, W_LOGDET_CONTRASTS, &form) : status;
    status = status == WEIR_OK
                 ? w_store_integer(ctx, json, "null_dimension", 0, out->columns, &out->null_dimension)
                 : status;
    out->logdet_form = (w_logdet_form)form;
    bool transform = json_is_true(json_object_get(json, "transform"));
    if (status == WEIR_OK && !transform && out->columns != out->raw_columns) {
        return w_store_damaged(ctx, "a smooth lacks its transform");
    }
    if (status == WEIR_OK && transform) {
        status = w_store_array(arena, archive, array_name(name, number, "transform", -1), out->raw_columns,
                               out->columns, &out->transform);
    }
    status = status == WEIR_OK
                 ? w_store_array(arena, archive, array_name(name, number, "logdet", -1), 1, 0, &constant)
                 : status;
    status = status == WEIR_OK ? get_penalties(arena, archive, number, json_object_get(json, "penalties"), out)
                               : status;
    status = status == WEIR_OK
                 ? get_spectra(arena, archive, number, json_is_true(json_object_get(json, "constraint")), out)
                 : status;
    if (status == WEIR_OK) {
        status = get_form(arena, archive, number, json, out);
    }
    if (status == WEIR_OK && json_is_true(json_object_get(json, "mean"))) {
        status = w_store_array(arena, archive, array_name(name, number, "mean", -1), out->columns, 0,
                               &out->column_mean);
    }
    if (status == WEIR_OK && json_object_get(json, "note")) {
        status = w_store_read_text(arena, json_object_get(json, "note"), &out->note);
    }
    if (status == WEIR_OK && w_smooth_signed(out) < out->columns &&
        (!transform || out->columns != out->raw_columns - 1 || out->penalty_count > 1 || !out->margin[0].penalty)) {
        return w_store_damaged(ctx, "a smooth under a shape constraint lacks its coordinates");
    }
    if (status == WEIR_OK) {
        out->logdet_constant = *constant;
    }
    return status;
}
