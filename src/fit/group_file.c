/* SPDX-License-Identifier: Apache-2.0 */
/* A fit by groups in memory and as an archive of kind "groups" (docs/groups.md): the design as in a model file, the description
 * under "groups", and one array per quantity. Every count is checked against the design before it is used. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/size.h"
#include "fit/group.h"

#define TAG "groups"

int64_t w_groups_bytes(int64_t groups, int64_t p, int sp_count, bool each)
{
    const int64_t values = w_add64(w_mul64(2, p), 7 + (each ? sp_count : 0));
    return w_add64(w_mul64(w_mul64(groups, values), 8), w_mul64(16, 128) + 16 * (int64_t)sp_count);
}

static weir_status make_arrays(weir_groups *groups, bool each)
{
    w_arena *arena = &groups->arena;
    const size_t g = (size_t)groups->groups, m = (size_t)groups->sp_count;
    double **one[] = { &groups->edf, &groups->scale, &groups->deviance, &groups->null_deviance, &groups->value };
    bool ok = true;
    for (size_t i = 0; i < sizeof one / sizeof *one; i++) {
        *one[i] = w_arena_calloc(arena, g, sizeof(double));
        ok = ok && *one[i];
    }
    groups->n = w_arena_calloc(arena, g, sizeof *groups->n);
    groups->state = w_arena_calloc(arena, g, sizeof *groups->state);
    groups->beta = w_arena_calloc(arena, w_mul_size(g, (size_t)groups->p), sizeof(double));
    groups->se = w_arena_calloc(arena, w_mul_size(g, (size_t)groups->p), sizeof(double));
    groups->rho = w_arena_calloc(arena, each ? w_mul_size(g, m) + 1 : m + 1, sizeof(double));
    groups->sp = each ? NULL : w_arena_calloc(arena, m + 1, sizeof(double));
    ok = ok && groups->n && groups->state && groups->beta && groups->se && groups->rho && (each || groups->sp);
    return ok ? WEIR_OK : w_alloc_status(groups->ctx);
}

weir_status w_groups_create(weir_ctx *ctx, w_design *design, bool each, weir_groups **out)
{
    return w_groups_create_count(ctx, design, design->level_count[design->start_column], each, out);
}

weir_status w_groups_create_count(weir_ctx *ctx, w_design *design, int64_t count, bool each, weir_groups **out)
{
    weir_groups *groups = w_calloc(ctx, TAG, 1, sizeof *groups);
    if (!groups) {
        return w_alloc_status(ctx);
    }
    groups->ctx = ctx;
    groups->groups = count;
    groups->p = design->p;
    groups->sp_count = (int32_t)design->sp_count;
    groups->each = each;
    groups->glm = (w_glm){ .family = w_family_of(W_FAMILY_GAUSSIAN), .link = w_link_of(W_LINK_IDENTITY) };
    w_arena_init_small(&groups->arena, ctx, TAG);
    weir_status status = make_arrays(groups, each);
    if (status < 0) {
        w_groups_free(groups);
        return status;
    }
    groups->design = design;
    status = w_groups_name_terms(groups);
    if (status < 0) {
        groups->design = NULL; /* stays the caller's */
        w_groups_free(groups);
        return status;
    }
    *out = groups;
    return WEIR_OK;
}

weir_status w_groups_keep_covariance(weir_groups *groups)
{
    const size_t entries = (size_t)w_packed(groups->p);
    groups->covariance = w_arena_calloc(&groups->arena, w_mul_size((size_t)groups->groups, entries), sizeof(double));
    return groups->covariance ? WEIR_OK : w_alloc_status(groups->ctx);
}

void w_groups_free(weir_groups *groups)
{
    if (groups) {
        w_design_free(groups->design);
        w_arena_free(&groups->arena);
        w_free(groups->ctx, groups);
    }
}

/* ---- what is told ------------------------------------------------------------------------------------------------- */

const char *w_group_state_name(weir_group_state state)
{
    static const char *const name[WEIR_GROUP_STATES] = { "fitted", "rank deficient", "not converged", "too few rows",
                                                         "constant response", "failed" };
    return (int)state >= 0 && (int)state < WEIR_GROUP_STATES ? name[state] : "unknown";
}

void w_groups_summarise(const weir_groups *groups, weir_groups_summary *out)
{
    static const char *const criterion[] = { "REML", "ML", "GCV", "UBRE" };
    const w_design *design = groups->design;
    *out = (weir_groups_summary){
        .family = groups->glm.family->name, .link = groups->glm.link->name,
        .covariances = groups->covariance != NULL,
        .formula = design->formula, .column = design->column[design->start_column],
        .criterion_name = criterion[groups->criterion], .groups = groups->groups, .columns = groups->p, .rows = design->rows,
        .rows_missing = design->rows_missing, .sp_count = groups->sp_count, .each = groups->each, .estimated = groups->estimated,
        .label = design->column_label, .sp = groups->sp, .criterion = groups->criterion_sum, .iterations = groups->iterations,
        .passes = groups->passes, .in_flight = groups->in_flight, .status = groups->status, .actual_bytes = groups->actual_bytes,
        .budget = groups->budget, .seconds_accumulate = groups->seconds_accumulate, .seconds_solve = groups->seconds_solve,
        .seconds_total = groups->seconds_total, .recovery_count = groups->recovery_count, .recovery = groups->recovery,
    };
    for (int64_t g = 0; g < groups->groups; g++) {
        out->n += groups->n[g];
        out->state_count[groups->state[g]]++;
        if (isfinite(groups->deviance[g])) {
            out->edf += groups->edf[g];
            out->deviance += groups->deviance[g];
            out->null_deviance += groups->null_deviance[g];
        }
    }
}

void w_groups_get(const weir_groups *groups, int64_t index, weir_group *out)
{
    const w_design *design = groups->design;
    *out = (weir_group){
        .name = design->level[design->start_column][index], .state = (weir_group_state)groups->state[index], .n = groups->n[index],
        .edf = groups->edf[index], .scale = groups->scale[index], .deviance = groups->deviance[index],
        .null_deviance = groups->null_deviance[index], .criterion = groups->value[index], .beta = groups->beta + index * groups->p,
        .std_error = groups->se + index * groups->p, .log_lambda = groups->rho + (groups->each ? index * groups->sp_count : 0),
    };
}

/* ---- archive ----------------------------------------------------------------------------------------------------- */

typedef struct field {
    const char *key;
    size_t offset;
    enum { WHOLE, COUNT, REAL } kind; /* int32_t, int64_t, double */
} field;

#define FIELD(name, kind) { #name, offsetof(weir_groups, name), kind }
static const field fields[] = {
    FIELD(each, WHOLE), FIELD(estimated, WHOLE), FIELD(criterion, WHOLE), FIELD(iterations, WHOLE), FIELD(passes, WHOLE),
    FIELD(status, WHOLE), FIELD(in_flight, COUNT), FIELD(actual_bytes, COUNT), FIELD(budget, COUNT), FIELD(criterion_sum, REAL),
    FIELD(seconds_accumulate, REAL), FIELD(seconds_solve, REAL), FIELD(seconds_total, REAL),
};
#define FIELD_COUNT (sizeof fields / sizeof *fields)

typedef struct array {
    const char *name;
    size_t offset;
    bool whole, wide; /* int64_t; p values a group */
} array;

#define ARRAY(name, whole, wide) { "groups/" #name, offsetof(weir_groups, name), whole, wide }
static const array arrays[] = {
    ARRAY(n, true, false), ARRAY(state, true, false), ARRAY(beta, false, true), ARRAY(se, false, true), ARRAY(edf, false, false),
    ARRAY(scale, false, false), ARRAY(deviance, false, false), ARRAY(null_deviance, false, false), ARRAY(value, false, false),
};
#define ARRAY_COUNT (sizeof arrays / sizeof *arrays)

/* Archives hold finite numbers only: NaN (a group that was not fitted) and -infinity (lambda 0) become this and back. */
#define NO_NUMBER (-0x1.fffffffffffffp1023)
#define NO_PENALTY (-0x1.ffffffffffffep1023)
#define COVARIANCE "groups/covariance"

static weir_status put_reals(weir_ctx *ctx, w_archive *archive, const char *name, int64_t rows, int64_t cols, const double *data)
{
    const int64_t count = w_mul64(rows, cols > 0 ? cols : 1);
    double *copy = w_alloc_array(ctx, TAG, (size_t)count, sizeof *copy);
    if (!copy) {
        return w_alloc_status(ctx);
    }
    for (int64_t i = 0; i < count; i++) {
        copy[i] = isfinite(data[i]) ? data[i] : data[i] == -INFINITY ? NO_PENALTY : NO_NUMBER;
    }
    weir_status status = w_archive_put_f64(archive, name, rows, cols, copy);
    w_free(ctx, copy);
    return status;
}

static bool put_fields(const weir_groups *groups, json_t *object)
{
    bool ok = true;
    for (size_t i = 0; ok && i < FIELD_COUNT; i++) {
        const char *at = (const char *)groups + fields[i].offset;
        json_t *value = fields[i].kind == REAL ? json_real(*(const double *)(const void *)at)
                        : json_integer(fields[i].kind == COUNT ? *(const int64_t *)(const void *)at
                                                               : *(const int32_t *)(const void *)at);
        ok = json_object_set_new(object, fields[i].key, value) == 0;
    }
    return ok;
}

weir_status w_groups_save(const weir_groups *groups, w_archive *archive)
{
    weir_ctx *ctx = groups->ctx;
    weir_status status = w_design_save(groups->design, archive);
    if (status < 0) {
        return status;
    }
    json_t *object = json_object();
    char family[W_FAMILY_TEXT];
    w_family_text(&groups->glm, family, sizeof family);
    if (!object || json_object_set_new(w_archive_json(archive), "groups", object) != 0 || !put_fields(groups, object) ||
        json_object_set_new(object, "scale_known", json_integer(groups->scale_known)) != 0 ||
        (groups->generalised && json_object_set_new(object, "family", json_string(family)) != 0)) {
        return w_fail(ctx, WEIR_E_MEMORY, "the system refused memory to describe the groups");
    }
    for (size_t i = 0; status >= 0 && i < ARRAY_COUNT; i++) {
        const void *data = *(void *const *)(const void *)((const char *)groups + arrays[i].offset);
        status = arrays[i].whole ? w_archive_put_i64(archive, arrays[i].name, groups->groups, data)
                                 : put_reals(ctx, archive, arrays[i].name, groups->groups, arrays[i].wide ? groups->p : 0, data);
    }
    if (status >= 0 && groups->sp_count > 0) {
        status = put_reals(ctx, archive, "groups/log_lambda", groups->each ? groups->groups : 1, groups->sp_count, groups->rho);
    }
    if (status >= 0 && groups->covariance) {
        status = put_reals(ctx, archive, COVARIANCE, groups->groups, w_packed(groups->p), groups->covariance);
    }
    return status;
}

static weir_status damaged(weir_ctx *ctx, const char *what)
{
    return w_fail(ctx, WEIR_E_MODEL, "the file of groups is damaged: \"%s\" is missing or not what it should be",
                  what);
}

static weir_status get_reals(weir_ctx *ctx, const w_archive *archive, const char *name, int64_t rows, int64_t cols, double *out)
{
    int64_t have_rows, have_cols;
    const double *data = w_archive_f64(archive, name, &have_rows, &have_cols);
    if (!data || have_rows != rows || have_cols != cols) {
        return damaged(ctx, name);
    }
    for (int64_t i = 0; i < rows * (cols > 0 ? cols : 1); i++) {
        out[i] = data[i] == NO_NUMBER ? NAN : data[i] == NO_PENALTY ? -INFINITY : data[i];
    }
    return WEIR_OK;
}

static weir_status get_whole(weir_ctx *ctx, const w_archive *archive, const char *name, int64_t count, int64_t *out)
{
    int64_t have;
    const int64_t *data = w_archive_i64(archive, name, &have);
    if (!data || have != count) {
        return damaged(ctx, name);
    }
    memcpy(out, data, (size_t)count * sizeof *out);
    return WEIR_OK;
}

static weir_status get_fields(weir_groups *groups, const json_t *object)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const json_t *value = json_object_get(object, fields[i].key);
        char *at = (char *)groups + fields[i].offset;
        if (fields[i].kind == REAL ? !json_is_number(value) : !json_is_integer(value)) {
            return damaged(groups->ctx, fields[i].key);
        }
        if (fields[i].kind == REAL) {
            *(double *)(void *)at = json_number_value(value);
        } else if (fields[i].kind == COUNT) {
            *(int64_t *)(void *)at = json_integer_value(value);
        } else {
            *(int32_t *)(void *)at = (int32_t)json_integer_value(value);
        }
    }
    const bool sound = groups->criterion >= WEIR_REML && groups->criterion <= WEIR_UBRE && groups->status >= 0;
    return sound ? WEIR_OK : damaged(groups->ctx, "criterion");
}

/* Files of linear models do not name it. */
static weir_status get_family(weir_groups *groups, const json_t *family)
{
    if (!family) {
        return WEIR_OK;
    }
    if (!json_is_string(family) || w_family_parse(groups->ctx, json_string_value(family), &groups->glm) < 0) {
        return damaged(groups->ctx, "family");
    }
    groups->generalised = true;
    return WEIR_OK;
}

static weir_status get_arrays(weir_groups *groups, const w_archive *archive)
{
    weir_ctx *ctx = groups->ctx;
    weir_status status = WEIR_OK;
    for (size_t i = 0; status >= 0 && i < ARRAY_COUNT; i++) {
        void *to = *(void **)(void *)((char *)groups + arrays[i].offset);
        status = arrays[i].whole ? get_whole(ctx, archive, arrays[i].name, groups->groups, to)
                                 : get_reals(ctx, archive, arrays[i].name, groups->groups, arrays[i].wide ? groups->p : 0, to);
    }
    if (status >= 0 && groups->sp_count > 0) {
        status = get_reals(ctx, archive, "groups/log_lambda", groups->each ? groups->groups : 1, groups->sp_count, groups->rho);
    }
    int64_t rows, cols;
    if (status >= 0 && w_archive_f64(archive, COVARIANCE, &rows, &cols)) {
        status = w_groups_keep_covariance(groups);
        status = status < 0 ? status
                            : get_reals(ctx, archive, COVARIANCE, groups->groups, w_packed(groups->p), groups->covariance);
    }
    for (int64_t g = 0; status >= 0 && g < groups->groups; g++) {
        const bool sound = groups->state[g] >= 0 && groups->state[g] < WEIR_GROUP_STATES && groups->n[g] >= 0;
        status = sound ? WEIR_OK : damaged(ctx, "groups/state");
    }
    for (int j = 0; status >= 0 && !groups->each && j < groups->sp_count; j++) {
        groups->sp[j] = exp(groups->rho[j]);
    }
    return status;
}

weir_status w_groups_load(weir_ctx *ctx, const w_archive *archive, weir_groups **out)
{
    w_design *design = NULL;
    weir_groups *groups = NULL;
    const json_t *object = json_object_get(w_archive_json(archive), "groups");
    if (!json_is_object(object)) {
        return damaged(ctx, "groups");
    }
    weir_status status = w_design_load(ctx, archive, &design);
    const int column = status >= 0 ? design->start_column : -1;
    const bool grouped = column >= 0 && design->grouped && design->column_kind[column] == W_FACTOR && design->level_count[column] > 0;
    if (status >= 0 && !grouped) {
        status = damaged(ctx, "column of groups");
    }
    if (status >= 0) {
        status = w_groups_create(ctx, design, json_is_integer(json_object_get(object, "each")) &&
                                 json_integer_value(json_object_get(object, "each")) != 0, &groups);
    }
    if (status < 0) {
        w_design_free(design);
        return status;
    }
    const int32_t each = groups->each;
    status = get_fields(groups, object);
    groups->each = each;
    if (status >= 0) {
        groups->scale_known = json_integer_value(json_object_get(object, "scale_known")) != 0;
        status = get_family(groups, json_object_get(object, "family"));
    }
    if (status >= 0) {
        status = get_arrays(groups, archive);
    }
    if (status < 0) {
        w_groups_free(groups);
        return status;
    }
    *out = groups;
    return WEIR_OK;
}
