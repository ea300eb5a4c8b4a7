/* SPDX-License-Identifier: Apache-2.0 */
/* A design in an archive. The formula is stored as text, with what it met in the training table: columns, kinds, levels,
 * polynomials, smooths. Reading parses the formula again and runs the same builder as compiling does. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "model/store.h"

#define NAME_BYTES 64

/* ---- writing ---- */

static weir_status put_texts(weir_ctx *ctx, json_t *object, const char *key, int64_t count,
                             const char *const *text)
{
    json_t *list = json_array();
    for (int64_t i = 0; list && i < count; i++) {
        json_t *one = w_store_text(text[i]);
        if (!one || json_array_append_new(list, one) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return w_store_set(ctx, object, key, list);
}

static weir_status put_columns(const w_design *d, json_t *root)
{
    json_t *list = json_array();
    weir_status status = w_store_set(d->ctx, root, "columns", list);
    for (int c = 0; c < d->column_count && status == WEIR_OK; c++) {
        json_t *column = json_object();
        status = column && json_array_append_new(list, column) == 0
                     ? WEIR_OK
                     : w_fail(d->ctx, WEIR_E_MEMORY, "no memory for the description of the model");
        if (status == WEIR_OK) {
            status = w_store_set(d->ctx, column, "name", w_store_text(d->column[c]));
        }
        if (status == WEIR_OK && d->column_kind[c] == W_FACTOR) {
            status = put_texts(d->ctx, column, "levels", d->level_count[c], d->level[c]);
        }
    }
    return status;
}

static weir_status put_counts(const w_design *d, json_t *root)
{
    const struct {
        const char *key;
        int64_t value;
    } count[] = {
        {"setup_rows", d->setup_rows},
        {"setup_exact", d->setup_exact},
        {"rows", d->rows},
        {"rows_missing", d->rows_missing},
        {"rows_zero_weight", d->rows_zero_weight},
        {"atoms", d->program->atom_count},
        {"sp", d->sp_count},
        {"p", d->p},
    };
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < sizeof count / sizeof *count && status == WEIR_OK; i++) {
        status = w_store_set(d->ctx, root, count[i].key, json_integer(count[i].value));
    }
    return status;
}

static weir_status put_numbers(const w_design *d, w_archive *archive)
{
    int64_t n = d->column_count;
    double *work = w_alloc_array(d->ctx, "model file", (size_t)w_max64(3 * n, d->sp_count) + 1, sizeof *work);
    if (!work) {
        return w_alloc_status(d->ctx);
    }
    for (int64_t c = 0; c < n; c++) {
        work[3 * c] = d->column_lower[c];
        work[3 * c + 1] = d->column_upper[c];
        work[3 * c + 2] = d->column_typical[c];
    }
    weir_status status = w_archive_put_f64(archive, "design/range", n, 3, work);
    for (int i = 0; i < d->sp_count; i++) {
        work[i] = isnan(d->sp_fixed[i]) ? -1 : d->sp_fixed[i];
    }
    if (status == WEIR_OK && d->sp_count) {
        status = w_archive_put_f64(archive, "design/sp", d->sp_count, 0, work);
    }
    w_free(d->ctx, work);
    return status == WEIR_OK ? w_archive_put_f64(archive, "design/shift", 1, 0, &d->response_shift) : status;
}

static weir_status put_atoms(const w_design *d, w_archive *archive)
{
    char name[NAME_BYTES];
    weir_status status = WEIR_OK;
    for (int a = 0; a < d->program->atom_count && status == WEIR_OK; a++) {
        const w_atom *atom = &d->program->atom[a];
        if (atom->degree) {
            snprintf(name, sizeof name, "atom/%d/alpha", a);
            status = w_archive_put_f64(archive, name, atom->degree, 0, atom->alpha);
            snprintf(name, sizeof name, "atom/%d/norm", a);
            status =
                status == WEIR_OK ? w_archive_put_f64(archive, name, atom->degree + 1, 0, atom->norm) : status;
        } else if (atom->number) {
            snprintf(name, sizeof name, "atom/%d/number", a);
            status = w_archive_put_f64(archive, name, atom->level_count, 0, atom->number);
        }
    }
    return status;
}

static weir_status put_smooths(const w_design *d, w_archive *archive, json_t *root)
{
    const struct w_design_program *g = d->program;
    json_t *list = json_array();
    weir_status status = w_store_set(d->ctx, root, "smooths", list);
    for (int i = 0; i < g->smooth_count && status == WEIR_OK; i++) {
        if (g->smooth[i]) {
            status = w_store_put_smooth(d->ctx, archive, i, g->smooth[i], list);
        } else if (json_array_append_new(list, json_null()) != 0) {
            status = w_fail(d->ctx, WEIR_E_MEMORY, "no memory for the description of the model");
        }
    }
    if (status == WEIR_OK && g->smooth_count) {
        status = w_archive_put_f64(archive, "design/random_scale", g->smooth_count, 0, g->random_scale);
    }
    return status;
}

weir_status w_design_save(const w_design *d, w_archive *archive)
{
    const struct w_design_program *g = d->program;
    json_t *root = json_object();
    weir_status status = w_store_set(d->ctx, w_archive_json(archive), "design", root);
    status = status == WEIR_OK ? w_store_set(d->ctx, root, "formula", w_store_text(d->formula)) : status;
    status = status == WEIR_OK ? put_texts(d->ctx, root, "dot", g->dot_count, g->dot) : status;
    if (status == WEIR_OK && g->weights) {
        status = w_store_set(d->ctx, root, "weights", w_store_text(g->weights));
    }
    if (status == WEIR_OK && d->ar1) {
        status = w_store_set(d->ctx, root, "ar1", json_true());
    }
    if (status == WEIR_OK && d->grouped) {
        status = w_store_set(d->ctx, root, "grouped", json_true());
    }
    if (status == WEIR_OK && g->start) {
        status = w_store_set(d->ctx, root, "series", w_store_text(g->start));
    }
    status = status == WEIR_OK ? put_texts(d->ctx, root, "notes", d->note_count, d->note) : status;
    status = status == WEIR_OK ? put_columns(d, root) : status;
    status = status == WEIR_OK ? put_counts(d, root) : status;
    status = status == WEIR_OK ? put_numbers(d, archive) : status;
    status = status == WEIR_OK ? put_atoms(d, archive) : status;
    return status == WEIR_OK ? put_smooths(d, archive, root) : status;
}

/* ---- reading ---- */

typedef struct loading {
    weir_ctx *ctx;
    const w_archive *archive;
    const json_t *root;
    w_formula *formula;
    w_builder builder;
} loading;

static weir_status get_texts(loading *l, w_arena *arena, const json_t *list, const char ***out, int64_t *count)
{
    if (!json_is_array(list)) {
        return w_store_damaged(l->ctx, "a list of names is missing");
    }
    *count = (int64_t)json_array_size(list);
    *out = w_arena_calloc(arena, (size_t)*count + 1, sizeof **out);
    if (!*out) {
        return w_alloc_status(l->ctx);
    }
    weir_status status = WEIR_OK;
    for (int64_t i = 0; i < *count && status == WEIR_OK; i++) {
        status = w_store_read_text(arena, json_array_get(list, (size_t)i), &(*out)[i]);
    }
    return status;
}

static weir_status get_formula(loading *l, w_arena *work)
{
    const json_t *weights = json_object_get(l->root, "weights"), *series = json_object_get(l->root, "series");
    const char *text, *weight = NULL, *start = NULL, **dot;
    int64_t dot_count = 0;
    weir_status status = w_store_read_text(work, json_object_get(l->root, "formula"), &text);
    if (status == WEIR_OK && weights) {
        status = w_store_read_text(work, weights, &weight);
    }
    if (status == WEIR_OK && series) {
        status = w_store_read_text(work, series, &start);
    }
    status = status == WEIR_OK ? get_texts(l, work, json_object_get(l->root, "dot"), &dot, &dot_count) : status;
    if (status == WEIR_OK && dot_count > W_TERMS_LIMIT) {
        status = w_store_damaged(l->ctx, "too many columns");
    }
    if (status == WEIR_OK) {
        status = w_formula_parse(l->ctx, text, &l->formula);
    }
    if (status == WEIR_OK) {
        status = w_builder_init(&l->builder, l->ctx, text);
    }
    if (status == WEIR_OK) {
        l->builder.design->ar1 = json_is_true(json_object_get(l->root, "ar1"));
        l->builder.design->grouped = start && json_is_true(json_object_get(l->root, "grouped"));
        status = w_builder_columns(&l->builder, l->formula, dot, (int)dot_count, weight, start);
    }
    return status;
}

static weir_status get_columns(loading *l)
{
    w_builder *b = &l->builder;
    w_design *d = b->design;
    const json_t *list = json_object_get(l->root, "columns");
    double *range;
    if (json_array_size(list) != (size_t)d->column_count) {
        return w_store_damaged(l->ctx, "its columns are not those of its formula");
    }
    weir_status status = w_store_array(b->arena, l->archive, "design/range", d->column_count, 3, &range);
    for (int c = 0; c < d->column_count && status == WEIR_OK; c++) {
        const json_t *column = json_array_get(list, (size_t)c), *levels = json_object_get(column, "levels");
        const char *name;
        status = w_store_read_text(b->arena, json_object_get(column, "name"), &name);
        if (status == WEIR_OK && strcmp(name, d->column[c]) != 0) {
            status = w_store_damaged(l->ctx, "its columns are not those of its formula");
        }
        if (status != WEIR_OK) {
            break;
        }
        d->column_lower[c] = range[3 * c];
        d->column_upper[c] = range[3 * c + 1];
        d->column_typical[c] = range[3 * c + 2];
        if (!levels) {
            continue;
        }
        const char **level = NULL;
        d->column_kind[c] = W_FACTOR;
        status = get_texts(l, b->arena, levels, &level, &d->level_count[c]);
        d->level[c] = level;
        if (status == WEIR_OK && (d->level_count[c] == 0 || d->column_want[c] == W_WANT_NUMERIC)) {
            status = w_store_damaged(l->ctx, "a column has the wrong kind");
        }
    }
    return status;
}

/* Levels of numbers used as categories stand by atom; the builder wants them by column. */
static weir_status get_atoms(loading *l)
{
    w_builder *b = &l->builder;
    const w_design *d = b->design;
    char name[NAME_BYTES];
    const double **number = w_arena_calloc(b->arena, (size_t)d->column_count + 1, sizeof *number);
    int64_t *count = w_arena_calloc(b->arena, (size_t)d->column_count + 1, sizeof *count);
    if (!number || !count) {
        return w_alloc_status(l->ctx);
    }
    for (int a = 0; a < b->terms.atom_count; a++) {
        const w_formula_atom *atom = &b->terms.atom[a];
        int c = atom->form == W_ATOM_FACTOR_CALL ? w_builder_find_column(b, atom->column) : -1;
        if (c < 0 || d->column_kind[c] == W_FACTOR) {
            continue;
        }
        int64_t cols;
        snprintf(name, sizeof name, "atom/%d/number", a);
        number[c] = w_archive_f64(l->archive, name, &count[c], &cols);
        for (int64_t i = 0; number[c] && i < count[c]; i++) {
            if (!isfinite(number[c][i]) || (i && !(number[c][i] > number[c][i - 1]))) {
                number[c] = NULL;
            }
        }
        if (!number[c] || cols || count[c] == 0) {
            return w_store_damaged(l->ctx, "the levels of a number are missing or out of order");
        }
    }
    return w_builder_atoms(b, number, count);
}

static weir_status get_polynomials(loading *l)
{
    w_builder *b = &l->builder;
    char name[NAME_BYTES];
    weir_status status = WEIR_OK;
    for (int a = 0; a < b->program->atom_count && status == WEIR_OK; a++) {
        w_atom *atom = &b->program->atom[a];
        double *alpha = NULL, *norm = NULL;
        if (!atom->degree) {
            continue;
        }
        snprintf(name, sizeof name, "atom/%d/alpha", a);
        status = w_store_array(b->arena, l->archive, name, atom->degree, 0, &alpha);
        snprintf(name, sizeof name, "atom/%d/norm", a);
        status =
            status == WEIR_OK ? w_store_array(b->arena, l->archive, name, atom->degree + 1, 0, &norm) : status;
        for (int j = 0; status == WEIR_OK && j <= atom->degree; j++) {
            status = norm[j] > 0 ? WEIR_OK : w_store_damaged(l->ctx, "a polynomial has a norm of 0");
        }
        atom->alpha = alpha;
        atom->norm = norm;
    }
    return status;
}

static weir_status get_smooths(loading *l)
{
    w_builder *b = &l->builder;
    int count = b->terms.smooth_count;
    const json_t *list = json_object_get(l->root, "smooths");
    w_smooth **smooth = w_arena_calloc(b->arena, (size_t)count + 1, sizeof *smooth);
    double *scale = NULL;
    if (!smooth) {
        return w_alloc_status(l->ctx);
    }
    if (json_array_size(list) != (size_t)count) {
        return w_store_damaged(l->ctx, "its smooths are not those of its formula");
    }
    weir_status status =
        count ? w_store_array(b->arena, l->archive, "design/random_scale", count, 0, &scale) : WEIR_OK;
    for (int i = 0; i < count && status == WEIR_OK; i++) {
        if (!(scale[i] > 0)) {
            return w_store_damaged(l->ctx, "the scale of a random effect is not positive");
        }
        if (b->terms.smooth[i].random) {
            continue;
        }
        smooth[i] = w_arena_calloc(b->arena, 1, sizeof **smooth);
        status = smooth[i] ? w_store_get_smooth(b->arena, l->archive, i, json_array_get(list, (size_t)i),
                                                &b->terms.smooth[i], smooth[i])
                           : w_alloc_status(l->ctx);
    }
    if (status == WEIR_OK) {
        status = w_builder_parametric(b);
    }
    return status == WEIR_OK ? w_builder_smooths(b, smooth, scale) : status;
}

static weir_status get_facts(loading *l)
{
    w_design *d = l->builder.design;
    int64_t exact = 0, atoms = 0, sp = 0, p = 0, notes = 0;
    double *shift = NULL, *fixed = NULL;
    const char **note = NULL;
    const struct {
        const char *key;
        int64_t *value;
    } count[] = {
        {"setup_rows", &d->setup_rows},
        {"setup_exact", &exact},
        {"rows", &d->rows},
        {"rows_missing", &d->rows_missing},
        {"rows_zero_weight", &d->rows_zero_weight},
        {"atoms", &atoms},
        {"sp", &sp},
        {"p", &p},
    };
    weir_status status = WEIR_OK;
    for (size_t i = 0; i < sizeof count / sizeof *count && status == WEIR_OK; i++) {
        status = w_store_integer(l->ctx, l->root, count[i].key, 0, INT64_MAX, count[i].value);
    }
    if (status == WEIR_OK && (sp != d->sp_count || p != d->p || atoms != l->builder.program->atom_count)) {
        status = w_store_damaged(l->ctx, "its sizes are not those of its formula");
    }
    status = status == WEIR_OK ? w_store_array(&d->arena, l->archive, "design/shift", 1, 0, &shift) : status;
    if (status == WEIR_OK && sp) {
        status = w_store_array(&d->arena, l->archive, "design/sp", sp, 0, &fixed);
    }
    status =
        status == WEIR_OK ? get_texts(l, &d->arena, json_object_get(l->root, "notes"), &note, &notes) : status;
    if (status != WEIR_OK) {
        return status;
    }
    for (int i = 0; i < d->sp_count; i++) {
        d->sp_fixed[i] = fixed[i] < 0 ? NAN : fixed[i];
    }
    d->setup_exact = exact != 0;
    d->response_shift = *shift;
    d->note = note;
    d->note_count = (int)notes;
    return WEIR_OK;
}

static weir_status load(loading *l)
{
    w_arena work;
    w_arena_init(&work, l->ctx, "model file");
    weir_status status = get_formula(l, &work);
    w_arena_free(&work);
    status = status == WEIR_OK ? get_columns(l) : status;
    status = status == WEIR_OK ? w_builder_expressions(&l->builder) : status;
    status = status == WEIR_OK ? get_atoms(l) : status;
    status = status == WEIR_OK ? get_polynomials(l) : status;
    status = status == WEIR_OK ? get_smooths(l) : status;
    status = status == WEIR_OK ? w_builder_finish(&l->builder) : status;
    return status == WEIR_OK ? get_facts(l) : status;
}

/* A formula that does not parse or a design too large is the file's fault. */
static weir_status blame_file(weir_ctx *ctx, weir_status status)
{
    if (status != WEIR_E_FORMULA && status != WEIR_E_DATA) {
        return status;
    }
    char line[W_MESSAGE_BYTES];
    snprintf(line, sizeof line, "%s", weir_ctx_message(ctx));
    return w_remark(ctx, WEIR_E_MODEL, "the model file is damaged: %s", line);
}

weir_status w_design_load(weir_ctx *ctx, const w_archive *archive, w_design **out)
{
    loading l = {.ctx = ctx, .archive = archive, .root = json_object_get(w_archive_json(archive), "design")};
    weir_status status = json_is_object(l.root) ? load(&l) : w_store_damaged(ctx, "it holds no design");
    w_formula_free(l.formula);
    if (status != WEIR_OK) {
        w_design_free(l.builder.design);
        return blame_file(ctx, status);
    }
    *out = l.builder.design;
    return WEIR_OK;
}
