/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the smooths over the set-up rows: knots of the user, shared bases (id=), constraints, scales of random effects. */
#include <math.h>
#include <string.h>

#include "base/format.h"
#include "base/size.h"
#include "model/nest.h"
#include "model/setup.h"

#define TAG "set-up rows"
#define KNOT_LIMIT 4096

/* ---- knots= "x=0.5,12.5;z=0,1" ---- */

static weir_status knots_fault(const w_setup *s, const char *what, const char *text, size_t length)
{
    return w_fail(s->builder->ctx, WEIR_E_ARG, "knots: %s '%.*s'; write  name=number,number;name=…", what,
                  (int)(length < 60 ? length : 60), text);
}

static weir_status read_knot_list(const w_setup *s, const char *text, size_t length, double *out, int64_t *count)
{
    *count = 0;
    for (size_t at = 0; at <= length;) {
        size_t end = at;
        while (end < length && text[end] != ',') {
            end++;
        }
        size_t first = at, last = end;
        while (first < last && text[first] == ' ') {
            first++;
        }
        while (last > first && text[last - 1] == ' ') {
            last--;
        }
        double value;
        if (w_parse_double(text + first, last - first, &value) != 0 || !isfinite(value)) {
            return knots_fault(s, "not a number:", text + first, last - first);
        }
        if (*count == KNOT_LIMIT) {
            return w_fail(s->builder->ctx, WEIR_E_ARG, "knots: more than %d for one covariate", KNOT_LIMIT);
        }
        out[(*count)++] = value;
        at = end + 1;
    }
    return WEIR_OK;
}

/* Knots of covariate `label`, or of all when label is NULL: then only the names are checked. */
static weir_status find_knots(const w_setup *s, const char *label, double *out, int64_t *count)
{
    const char *text = s->options->knots;
    *count = 0;
    while (text && *text) {
        size_t entry = strcspn(text, ";");
        const char *equals = memchr(text, '=', entry);
        if (!equals) {
            return knots_fault(s, "no '=' in", text, entry);
        }
        while (*text == ' ') {
            text++;
            entry--;
        }
        size_t name = (size_t)(equals - text);
        while (name > 0 && text[name - 1] == ' ') {
            name--;
        }
        if (label && strlen(label) == name && memcmp(label, text, name) == 0) {
            return read_knot_list(s, equals + 1, (size_t)(text + entry - equals) - 1, out, count);
        }
        if (!label) {
            bool known = false;
            for (int i = 0; i < s->builder->program->atom_count; i++) {
                const char *atom = s->builder->program->atom[i].label;
                known |= strlen(atom) == name && memcmp(atom, text, name) == 0;
            }
            if (!known) {
                return knots_fault(s, "the formula has no covariate", text, name);
            }
        }
        text += entry + (text[entry] == ';');
    }
    return WEIR_OK;
}

/* ---- one smooth ---- */

static void true_range(const w_setup *s, int atom, double *lower, double *upper)
{
    const w_atom *a = &s->builder->program->atom[atom];
    bool plain = a->column >= 0;
    *lower = plain ? s->scan->lower[a->column] : s->scan->watch_lower[s->watch[atom]];
    *upper = plain ? s->scan->upper[a->column] : s->scan->watch_upper[s->watch[atom]];
}

static weir_status gather_data(w_setup *s, const w_smooth_call *call, w_smooth_data *data)
{
    *data = (w_smooth_data){.rows = s->scan->setup_rows};
    weir_status status = WEIR_OK;
    for (int m = call->type == W_SMOOTH_SZ ? call->covariate_count - 1 : 0; m < call->covariate_count && status == WEIR_OK; m++) {
        true_range(s, call->covariate[m], &data->lower[m], &data->upper[m]);
        status = w_setup_values(s, call->covariate[m], &data->x[m]);
    }
    return status;
}

/* A smooth times a number that varies needs no constraint: it holds no constant. */
static weir_status is_centred(w_setup *s, const w_smooth_call *call, bool *out)
{
    bool levels = call->per_level || call->type == W_SMOOTH_SZ || w_call_uncentred(call);
    *out = call->type != W_SMOOTH_TI && !levels;
    if (levels) {
        return WEIR_OK;
    }
    const w_atom *by = call->by >= 0 ? &s->builder->program->atom[call->by] : NULL;
    if (by && !by->category) {
        const double *value;
        weir_status status = w_setup_values(s, call->by, &value);
        if (status != WEIR_OK) {
            return status;
        }
        for (int64_t i = 1; i < s->scan->setup_rows; i++) {
            if (value[i] != value[0]) {
                *out = false;
                break;
            }
        }
    }
    return WEIR_OK;
}

static weir_status make_spec(w_setup *s, const w_smooth_call *call, const w_smooth_call *shape,
                             w_smooth_spec *spec)
{
    w_arena *arena = s->builder->arena;
    *spec = (w_smooth_spec){.label = call->label,
                            .type = shape->type,
                            .margin_count = shape->margin_count,
                            .select = s->options->select,
                            .fixed = call->fixed,
                            .natural = call->per_level,
                            .shared = call->id != NULL};
    for (int m = 0; m < shape->margin_count; m++) {
        spec->margin[m] = shape->margin[m];
        if (shape->margin[m].basis == W_BASIS_SZ) {
            spec->levels[m] = s->builder->program->atom[call->covariate[m]].level_count;
            continue;
        }
        double *knot = s->options->knots ? w_arena_alloc(arena, KNOT_LIMIT, sizeof *knot) : NULL;
        if (s->options->knots && !knot) {
            return w_alloc_status(arena->ctx);
        }
        int last = shape->margin[m].covariates > 1 ? shape->margin[m].covariates : m + 1;
        for (int c = m; knot && c < last && spec->margin[m].knot_count == 0; c++) {
            weir_status status = find_knots(s, s->builder->program->atom[call->covariate[c]].label, knot,
                                            &spec->margin[m].knot_count);
            if (status != WEIR_OK) {
                return status;
            }
            spec->margin[m].knot = spec->margin[m].knot_count ? knot : NULL;
        }
    }
    return is_centred(s, call, &spec->centre);
}

/* ---- id= : one basis for several terms; knots, constraint and scale come from the covariates of all together ---- */

static bool same_id(const w_smooth_call *a, const w_smooth_call *b)
{
    return a->id && b->id && strcmp(a->id, b->id) == 0 && !a->random && !b->random;
}

static weir_status check_shared(const w_setup *s, const w_smooth_call *call, const w_smooth_call *shape)
{
    if (call->type != shape->type || call->covariate_count != shape->covariate_count) {
        return w_formula_fail(s->builder->terms.formula, call->node,
                              "terms of one id= must be of one kind: %s and %s", shape->label, call->label);
    }
    return WEIR_OK;
}

/* The covariates of all calls of the id one below the other. *rows = 0 when the call is alone. */
static weir_status stack_data(w_setup *s, const w_smooth_call *call, w_smooth_data *out, double **memory)
{
    const w_terms *terms = &s->builder->terms;
    int64_t members = 0, rows = s->scan->setup_rows;
    for (int i = 0; i < terms->smooth_count; i++) {
        members += same_id(&terms->smooth[i], call);
    }
    *out = (w_smooth_data){0};
    *memory = NULL;
    if (members < 2) {
        return WEIR_OK;
    }
    size_t total = w_mul_size((size_t)members, (size_t)rows + 1);
    double *all = w_alloc_array(s->builder->ctx, TAG, w_mul_size(total, (size_t)call->covariate_count), sizeof *all);
    if (!all) {
        return w_alloc_status(s->builder->ctx);
    }
    *memory = all;
    for (int i = 0, k = 0; i < terms->smooth_count; i++) {
        if (!same_id(&terms->smooth[i], call)) {
            continue;
        }
        w_smooth_data one;
        weir_status status = check_shared(s, &terms->smooth[i], call);
        if (status == WEIR_OK) {
            status = gather_data(s, &terms->smooth[i], &one);
        }
        if (status != WEIR_OK) {
            return status;
        }
        for (int m = 0; m < call->covariate_count; m++) {
            if (!one.x[m]) {
                continue;
            }
            memcpy(all + m * members * rows + k * rows, one.x[m], (size_t)rows * sizeof *all);
            out->x[m] = all + m * members * rows;
            out->lower[m] = k ? fmin(out->lower[m], one.lower[m]) : one.lower[m];
            out->upper[m] = k ? fmax(out->upper[m], one.upper[m]) : one.upper[m];
        }
        k++;
    }
    out->rows = members * rows;
    return WEIR_OK;
}

static const w_smooth_call *shape_of(const w_setup *s, const w_smooth_call *call)
{
    const w_terms *terms = &s->builder->terms;
    for (int i = 0; i < terms->smooth_count; i++) {
        if (same_id(&terms->smooth[i], call)) {
            return &terms->smooth[i];
        }
    }
    return call;
}

/* A number in by= turns a shape over where it is negative. */
static weir_status check_by(const w_setup *s, const w_smooth_call *call)
{
    const w_atom *by = call->by >= 0 ? &s->builder->program->atom[call->by] : NULL;
    if (!by || by->category || !w_basis_shaped(call->margin[0].basis)) {
        return WEIR_OK;
    }
    return w_formula_fail(s->builder->terms.formula, call->node,
                          "%.60s is a number, which turns the shape of bs=\"%s\" over where it is negative: by= takes a "
                          "category here, as in by=factor(g)", by->label, w_basis_name(call->margin[0].basis));
}

static weir_status build_one(w_setup *s, const w_smooth_call *call, w_smooth *out)
{
    const w_smooth_call *shape = shape_of(s, call);
    w_smooth_spec spec;
    w_smooth_data data;
    double *memory = NULL;
    weir_status status = check_by(s, call);
    if (status == WEIR_OK) {
        status = make_spec(s, call, shape, &spec);
    }
    if (status == WEIR_OK) {
        status = stack_data(s, shape, &data, &memory);
    }
    if (status == WEIR_OK && data.rows == 0) {
        status = gather_data(s, call, &data);
    }
    if (status == WEIR_OK) {
        status = w_smooth_build(s->builder->arena, &spec, &data, out);
    }
    w_free(s->builder->ctx, memory);
    if (status == WEIR_OK && out->note) {
        status = w_setup_note(s->builder, w_arena_printf(s->builder->arena, "%s: %s", call->label, out->note));
    }
    return status;
}

/* ---- random effects ---- */

/* S.scale = |I|_1 / |X|_inf^2: one over the largest square of the numeric multiplier. */
static weir_status scale_random(w_setup *s, const w_smooth_call *call, double *out)
{
    double largest = 0;
    bool numbers = false;
    for (int64_t i = 0; i < s->scan->setup_rows; i++) {
        double product = 1;
        for (int c = 0; c < call->covariate_count; c++) {
            if (!s->builder->program->atom[call->covariate[c]].category) {
                const double *value;
                weir_status status = w_setup_values(s, call->covariate[c], &value);
                if (status != WEIR_OK) {
                    return status;
                }
                product *= fabs(value[i]);
                numbers = true;
            }
        }
        largest = product > largest ? product : largest;
        if (!numbers) {
            break;
        }
    }
    if (numbers && !(largest > 0 && isfinite(largest))) {
        return w_fail(s->builder->ctx, WEIR_E_DATA, "%s: the product of its numeric variables is 0 in every row",
                      call->label);
    }
    *out = numbers ? 1 / (largest * largest) : 1;
    return WEIR_OK;
}

weir_status w_setup_smooths(w_setup *s)
{
    w_builder *b = s->builder;
    int64_t ignored;
    weir_status status = find_knots(s, NULL, NULL, &ignored);
    for (int i = 0; i < b->terms.smooth_count && status == WEIR_OK; i++) {
        const w_smooth_call *call = &b->terms.smooth[i];
        s->random_scale[i] = 1;
        if (call->random) {
            status = scale_random(s, call, &s->random_scale[i]);
            if (status == WEIR_OK && call->k_unused) {
                status = w_setup_note(
                    b, w_arena_printf(b->arena, "%s: k= and m= mean nothing to a random effect", call->label));
            }
            continue;
        }
        s->smooth[i] = w_arena_calloc(b->arena, 1, sizeof **s->smooth);
        status = s->smooth[i] ? build_one(s, call, s->smooth[i]) : w_alloc_status(b->ctx);
    }
    return status == WEIR_OK ? w_nest_resolve(s) : status;
}
