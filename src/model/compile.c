/* SPDX-License-Identifier: Apache-2.0 */
/* formula + table -> design:
 *   columns named by the formula -> one scan (kinds, levels, ranges, set-up rows) -> atoms -> polynomials and smooths
 *   over the set-up rows -> columns of X, blocks, terms, penalties. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "model/setup.h"

#define LARGEST_RESPONSE 1e90

typedef struct compiling {
    weir_ctx *ctx;
    const w_formula *formula;
    weir_table *table;
    const w_design_options *options;
    w_builder builder;
    w_scan_request request;
    w_scan_result scan;
    w_setup setup;
    int *watch; /* per atom */
    const w_expr **watched;
    const char **watch_label;
} compiling;

static weir_status no_memory(const compiling *c) { return w_alloc_status(c->ctx); }

/* ---- the scan ---- */

static int find_column(const void *arg, const char *name) { return w_builder_find_column(arg, name); }

static weir_status watch(compiling *c, const w_expr *expr, const char *label, int *number)
{
    *number = c->request.watch_count++;
    c->watched[*number] = expr;
    c->watch_label[*number] = label;
    return WEIR_OK;
}

/* The response first, then offsets, then covariates of smooths that are no plain columns. */
static weir_status watch_expressions(compiling *c)
{
    w_builder *b = &c->builder;
    const w_terms *t = &b->terms;
    size_t most = (size_t)t->atom_count + (size_t)t->offset_count + 2;
    c->watch = w_arena_alloc(b->arena, most, sizeof *c->watch);
    c->watched = w_arena_alloc(b->arena, most, sizeof *c->watched);
    c->watch_label = w_arena_alloc(b->arena, most, sizeof *c->watch_label);
    if (!c->watch || !c->watched || !c->watch_label) {
        return no_memory(c);
    }
    int number;
    weir_status status = watch(c, b->program->response, t->response_label, &number);
    for (int i = 0; i < t->offset_count && status == WEIR_OK; i++) {
        status = w_expr_column(b->program->offset[i]) >= 0
                     ? WEIR_OK
                     : watch(c, b->program->offset[i], t->offset[i].label, &number);
    }
    for (int i = 0; i < t->atom_count; i++) {
        c->watch[i] = -1;
    }
    for (int i = 0; i < t->smooth_count; i++) {
        for (int m = 0; m < (t->smooth[i].random ? 0 : t->smooth[i].covariate_count) && status == WEIR_OK; m++) {
            int atom = t->smooth[i].covariate[m];
            const w_expr *expr;
            if (t->atom[atom].form == W_ATOM_NAME || t->atom[atom].form == W_ATOM_FACTOR_CALL || c->watch[atom] >= 0) {
                continue;
            }
            status = w_expr_compile(b->arena, t->atom[atom].node, find_column, b, &expr);
            if (status == WEIR_OK) {
                status = watch(c, expr, t->atom[atom].label, &c->watch[atom]);
            }
        }
    }
    return status;
}

static weir_status scan(compiling *c)
{
    w_builder *b = &c->builder;
    const w_design *d = b->design;
    bool *distinct = w_arena_calloc(b->arena, (size_t)d->column_count + 1, sizeof *distinct);
    weir_status status = distinct ? w_builder_expressions(b) : no_memory(c);
    if (status == WEIR_OK) {
        status = watch_expressions(c);
    }
    if (status != WEIR_OK) {
        return status;
    }
    for (int i = 0; i < b->terms.column_count; i++) {
        distinct[i] = b->terms.column[i].category && d->column_want[i] != W_WANT_FACTOR;
    }
    c->request.column_count = d->column_count;
    c->request.column = d->column;
    c->request.weight_column = d->weight_column;
    c->request.missing = c->options->missing;
    c->request.exact_knots = c->options->exact_knots;
    c->request.watch = c->watched;
    c->request.watch_label = c->watch_label;
    c->request.distinct = distinct;
    c->request.keep_bytes = c->options->keep_bytes;
    c->request.window_bytes = c->options->window_bytes;
    c->request.spool = c->options->spool;
    return w_scan_table(c->ctx, c->table, &c->request, &c->scan);
}

static weir_status check_rows(const compiling *c)
{
    const w_scan_result *r = &c->scan;
    const char *label = w_source_label(c->table), *y = c->builder.design->response_label;
    int64_t counted = r->rows - r->rows_missing - r->rows_zero_weight;
    if (r->rows == 0) {
        return w_fail(c->ctx, WEIR_E_DATA, "%s has no rows", label);
    }
    if (counted == 0 && r->rows_zero_weight) {
        return w_fail(c->ctx, WEIR_E_DATA, "%s: every weight in column '%s' is 0", label, c->options->weights);
    }
    if (counted == 0) {
        return w_fail(c->ctx, WEIR_E_DATA, "%s: every row has a missing value in a column of the formula", label);
    }
    if (counted == 1) {
        return w_fail(c->ctx, WEIR_E_DATA, "%s has a single row that counts: a model needs more", label);
    }
    if (r->watch_lower[0] == r->watch_upper[0]) {
        return w_fail(c->ctx, WEIR_E_DATA, "the response '%s' is %g in every row: there is nothing to model", y,
                      r->watch_lower[0]);
    }
    const double reach = fmax(fabs(r->watch_lower[0]), fabs(r->watch_upper[0]));
    if (!(reach <= LARGEST_RESPONSE) || r->watch_upper[0] - r->watch_lower[0] < 1 / LARGEST_RESPONSE) {
        return w_fail(c->ctx, WEIR_E_DATA, "the response '%s' lies between %g and %g, where squares overflow or vanish: rescale it",
                      y, r->watch_lower[0], r->watch_upper[0]);
    }
    return WEIR_OK;
}

/* ---- facts of the columns ---- */

static weir_status copy_levels(compiling *c, int column)
{
    w_builder *b = &c->builder;
    w_design *d = b->design;
    const w_column_info *info = w_source_column(c->table, column);
    const uint8_t *used = c->scan.used[column];
    const char **level = w_arena_calloc(b->arena, (size_t)info->level_count + 1, sizeof *level);
    int32_t *recode = w_arena_alloc(b->arena, (size_t)info->level_count + 1, sizeof *recode);
    if (!level || !recode) {
        return no_memory(c);
    }
    int64_t count = 0;
    for (int64_t l = 0; l < info->level_count; l++) {
        recode[l] = -1;
        if (used[l]) {
            recode[l] = (int32_t)count;
            level[count] = w_arena_strdup(b->arena, info->levels[l]);
            if (!level[count++]) {
                return no_memory(c);
            }
        }
    }
    d->level[column] = level;
    d->level_count[column] = count;
    b->program->training_levels[column] = info->level_count;
    if (count < info->level_count) {
        b->program->training[column] = recode;
        return w_setup_note(b, w_arena_printf(b->arena,
                                              "%s: %lld of %lld levels have no row that counts and are left out",
                                              d->column[column], (long long)(info->level_count - count),
                                              (long long)info->level_count));
    }
    return WEIR_OK;
}

static weir_status copy_facts(compiling *c)
{
    w_design *d = c->builder.design;
    weir_status status = WEIR_OK;
    for (int i = 0; i < d->column_count && status == WEIR_OK; i++) {
        d->column_kind[i] = c->scan.kind[i];
        if (d->column_kind[i] == W_FACTOR) {
            status = copy_levels(c, i);
            d->column_lower[i] = 0;
            d->column_upper[i] = (double)(d->level_count[i] - 1);
        } else {
            d->column_lower[i] = c->scan.lower[i];
            d->column_upper[i] = c->scan.upper[i];
        }
    }
    d->rows = c->scan.rows;
    d->rows_missing = c->scan.rows_missing;
    d->rows_zero_weight = c->scan.rows_zero_weight;
    d->setup_rows = c->scan.setup_rows;
    c->builder.program->all_present = c->scan.rows_missing == 0;
    d->setup_exact = c->scan.exact;
    return status;
}

/* Mean of the response over the first set-up tile, so that z is small beside its spread and sums lose few digits. */
static weir_status shift_response(compiling *c)
{
    w_design *d = c->builder.design;
    int64_t rows = c->scan.first_tile_rows;
    if (d->intercept_column < 0 || rows == 0) {
        return WEIR_OK;
    }
    double *y = w_alloc_array(c->ctx, "set-up rows", (size_t)rows, sizeof *y);
    if (!y) {
        return no_memory(c);
    }
    w_expr_eval(c->builder.program->response, (const double *const *)c->scan.setup, rows, c->setup.stack, y);
    double sum = 0;
    for (int64_t i = 0; i < rows; i++) {
        sum += y[i];
    }
    d->response_shift = sum / (double)rows;
    w_free(c->ctx, y);
    return WEIR_OK;
}

static weir_status given_parameters(compiling *c)
{
    w_design *d = c->builder.design;
    if (!c->options->sp) {
        return WEIR_OK;
    }
    if (c->options->sp_given != d->sp_count) {
        return w_fail(c->ctx, WEIR_E_ARG,
                      "sp: %d value%s given; the model has %d smoothing parameter%s (the first is %s)",
                      c->options->sp_given, c->options->sp_given == 1 ? "" : "s", d->sp_count,
                      d->sp_count == 1 ? "" : "s", d->sp_count ? d->sp_label[0] : "none");
    }
    for (int i = 0; i < d->sp_count; i++) {
        double sp = c->options->sp[i];
        if (!isnan(sp) && sp >= 0) {
            d->sp_fixed[i] = sp;
        }
    }
    return WEIR_OK;
}

static weir_status settle(compiling *c)
{
    w_builder *b = &c->builder;
    weir_status status = w_setup_init(&c->setup, b, &c->scan, c->options, c->watch);
    weir_status (*const over_rows[])(w_setup *) = {w_setup_polynomials, w_setup_smooths, w_setup_typical};
    for (size_t i = 0; i < sizeof over_rows / sizeof *over_rows && status == WEIR_OK; i++) {
        status = over_rows[i](&c->setup);
    }
    if (status == WEIR_OK) {
        status = w_builder_parametric(b);
    }
    if (status == WEIR_OK) {
        status = w_builder_smooths(b, c->setup.smooth, c->setup.random_scale);
    }
    if (status == WEIR_OK) {
        status = w_builder_finish(b);
    }
    if (status == WEIR_OK) {
        status = given_parameters(c);
    }
    if (status == WEIR_OK) {
        status = shift_response(c);
    }
    w_setup_free(&c->setup);
    return status;
}

static weir_status compile(compiling *c)
{
    weir_status status = w_builder_select(&c->builder, c->formula, c->table, c->options);
    if (status == WEIR_OK) {
        status = scan(c);
    }
    if (status == WEIR_OK) {
        status = check_rows(c);
    }
    if (status == WEIR_OK) {
        status = copy_facts(c);
    }
    if (status == WEIR_OK) {
        status = w_builder_atoms(&c->builder, (const double *const *)c->scan.distinct, c->scan.distinct_count);
    }
    return status == WEIR_OK ? settle(c) : status;
}

weir_status w_design_compile(weir_ctx *ctx, const w_formula *formula, weir_table *table,
                             const w_design_options *options, w_design **out)
{
    compiling c = {.ctx = ctx, .formula = formula, .table = table, .options = options};
    weir_status status = w_builder_init(&c.builder, ctx, w_formula_text(formula));
    if (status == WEIR_OK) {
        status = compile(&c);
    }
    if (c.scan.ctx) {
        w_scan_free(&c.scan);
    }
    if (status != WEIR_OK) {
        w_design_free(c.builder.design);
        return status;
    }
    *out = c.builder.design;
    return WEIR_OK;
}

void w_design_free(w_design *design)
{
    if (design) {
        weir_ctx *ctx = design->ctx;
        w_arena arena = design->arena;
        w_arena_free(&arena);
        w_free(ctx, design);
    }
}
