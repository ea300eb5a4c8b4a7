/* SPDX-License-Identifier: Apache-2.0 */
/* The builder run on guesses: kinds and levels from the head of the table, smooths of the sizes the formula asks for. */
#include "model/estimate.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "basis/features.h"
#include "model/build.h"
#include "model/scan.h"

/* Coefficients of a margin before ti() centres it. */
static int64_t coefficients(const w_margin_spec *margin, w_smooth_type type)
{
    int64_t k = margin->k > 0 ? margin->k : w_basis_default_k(margin, type != W_SMOOTH_S && type != W_SMOOTH_SZ);
    return w_max64(1, k - (margin->basis == W_BASIS_CC));
}

/* Intervals between break points plus the two outer cells. Thin plate splines break at every distinct value, up to 2000. */
static int64_t cells_of(const w_margin_spec *margin, int64_t k, int64_t rows)
{
    switch (w_basis_shaped(margin->basis) ? W_BASIS_PS : margin->basis) {
    case W_BASIS_TP:
    case W_BASIS_TS: return rows > 0 ? w_min64(rows, 2000) + 1 : 2001;
    case W_BASIS_CC:
    case W_BASIS_CP: return k + 2;
    case W_BASIS_PS: return w_max64(3, k + 1 - (margin->m_count > 0 ? margin->m[0] : 2));
    default: return k + 1;
    }
}

/* Penalties of t2 and sz, by size. */
static void skeleton_penalties(const w_smooth_call *call, int64_t combinations, bool centred, w_smooth *s)
{
    bool sz = call->type == W_SMOOTH_SZ;
    int64_t count = sz ? (call->id ? 1 : w_min64(combinations, W_MAX_PENALTIES - 1)) : 0, null = 1;
    const w_margin *last = &s->margin[s->margin_count - 1];
    for (int64_t j = 0; j < count; j++) {
        s->penalty[j] = (w_penalty){.rank = call->id ? last->rank * (s->columns / last->k) : last->rank, .scale = 1};
    }
    for (int block = 0; !sz && block + 1 < 1 << s->margin_count; block++) {
        int64_t rank = 1;
        for (int m = 0; m < s->margin_count; m++) {
            rank = w_mul64(rank, block >> m & 1 ? s->margin[m].k - s->margin[m].rank : s->margin[m].rank);
        }
        if (rank > 0) {
            s->penalty[count++] = (w_penalty){.rank = w_min64(rank, s->columns), .scale = 1};
        }
    }
    for (int m = 0; m < s->margin_count; m++) {
        null = w_mul64(null, s->margin[m].k - s->margin[m].rank);
    }
    s->penalty_count = (int)count;
    s->null_dimension = sz ? s->columns / last->k * (last->k - last->rank) : w_max64(0, null - centred);
    s->logdet_form = W_LOGDET_SEPARATE;
}

/* A margin of features: its sizes, and a description without numbers. */
static weir_status skeleton_features(w_builder *b, const w_margin_spec *spec, w_smooth_type type, w_margin *margin)
{
    w_features *f = w_arena_calloc(b->arena, 1, sizeof *f);
    if (!f) {
        return w_alloc_status(b->ctx);
    }
    int64_t k = w_basis_default_k(spec, type != W_SMOOTH_S);
    int64_t trees = spec->basis == W_BASIS_TREE ? (int64_t)w_feature_value(spec, W_OPTION_N_TREES) : 1;
    f->covariates = spec->covariates > 1 ? spec->covariates : 1;
    f->parameter_count = w_feature_parameters(spec, k);
    f->leaf_count = spec->basis == W_BASIS_TREE ? k : 0;
    f->count[0] = trees;
    f->count[2] = k / trees;
    bool constant = w_basis_holds_constant(spec->basis);
    *margin = (w_margin){.kind = spec->basis,
                         .k = w_max64(1, k - (type == W_SMOOTH_TI && constant)),
                         .width = (int)w_min64(w_feature_width(spec, k) + !constant, INT32_MAX),
                         .cells = w_feature_cells(spec, k),
                         .covariates = f->covariates,
                         .features = f};
    margin->rank = w_max64(1, w_min64(margin->k, w_feature_rank(spec, k)));
    return WEIR_OK;
}

static weir_status skeleton_smooth(w_builder *b, const w_smooth_call *call, const w_design_options *options,
                                   int64_t rows, w_smooth *s)
{
    int64_t combinations = 1;
    bool constant_by = call->by < 0 || b->program->atom[call->by].category;
    *s =
        (w_smooth){.label = call->label, .type = call->type, .margin_count = call->margin_count, .raw_columns = 1};
    for (int m = 0; m < call->margin_count; m++) {
        w_margin *margin = &s->margin[m];
        margin->kind = call->margin[m].basis;
        if (margin->kind == W_BASIS_SZ) {
            int64_t levels = b->program->atom[call->covariate[m]].level_count;
            *margin = (w_margin){.kind = W_BASIS_SZ, .k = w_max64(1, levels - 1), .width = 1, .cells = levels, .rank = 1};
            combinations = w_mul64(combinations, levels);
            s->raw_columns = w_mul64(s->raw_columns, margin->k);
            continue;
        }
        if (w_basis_featured(margin->kind)) {
            weir_status status = skeleton_features(b, &call->margin[m], call->type, margin);
            if (status != WEIR_OK) {
                return status;
            }
            s->raw_columns = w_mul64(s->raw_columns, margin->k);
            continue;
        }
        int64_t k = coefficients(&call->margin[m], call->type);
        margin->k = w_max64(1, k - (call->type == W_SMOOTH_TI));
        margin->width = 4;
        margin->cells = cells_of(&call->margin[m], k, rows);
        margin->rank = w_max64(margin->k - 2, 1);
        if (call->margin[m].covariates > 1) {
            int order = w_plate_order(&call->margin[m]);
            margin->covariates = call->margin[m].covariates;
            margin->order = order;
            margin->width = (int)w_min64(margin->k, INT32_MAX);
            margin->cells = 1;
            margin->knot_count = rows > 0 ? w_min64(rows, 2000) : 2000;
            margin->rank = w_max64(margin->k - w_plate_polynomials(margin->covariates, order), 1);
        }
        s->raw_columns = w_mul64(s->raw_columns, margin->k);
    }
    if (s->raw_columns > W_COLUMNS_LIMIT) {
        return w_formula_fail(b->terms.formula, call->node, "%s has more than %lld coefficients", call->label,
                              (long long)W_COLUMNS_LIMIT);
    }
    bool levels = call->per_level || call->type == W_SMOOTH_SZ;
    bool centred = constant_by && !levels && call->type != W_SMOOTH_TI && !w_call_uncentred(call);
    for (int m = 0; m < call->margin_count; m++) {
        centred = centred && w_basis_holds_constant(call->margin[m].basis);
    }
    for (int m = 0; m < s->margin_count && call->type == W_SMOOTH_T2; m++) { /* without a null space nothing is centred */
        s->margin[m].rank = w_max64(1, s->margin[m].k - w_basis_null(&call->margin[m]));
        centred = centred && s->margin[m].rank < s->margin[m].k;
    }
    s->columns = w_max64(s->raw_columns - centred, 1);
    s->null_dimension = s->columns;
    s->logdet_form = W_LOGDET_NONE;
    if (call->fixed) {
        return WEIR_OK;
    }
    if (call->per_level) {
        int64_t null = w_min64(w_min64(w_basis_null(&call->margin[0]), 2), s->columns - 1);
        s->penalty_count = 1 + (int)null;
        for (int j = 0; j < s->penalty_count; j++) {
            s->penalty[j] = (w_penalty){.rank = j ? 1 : s->columns - null, .scale = 1};
        }
        s->null_dimension = 0;
        s->logdet_form = W_LOGDET_SEPARATE;
        return WEIR_OK;
    }
    if (call->type == W_SMOOTH_T2 || call->type == W_SMOOTH_SZ) {
        skeleton_penalties(call, combinations, centred, s);
        return WEIR_OK;
    }
    int64_t null = 1;
    for (int m = 0; m < call->margin_count; m++) {
        const w_margin *margin = &s->margin[m];
        s->penalty[m].rank = w_min64(s->columns, margin->rank * (s->raw_columns / margin->k));
        s->penalty[m].scale = 1;
        s->eigen_count[m] = margin->k;
        null = w_mul64(null, margin->k - margin->rank);
    }
    s->penalty_count = call->margin_count;
    s->null_dimension = w_max64(0, w_min64(null - centred, s->columns));
    s->logdet_form = call->type == W_SMOOTH_S ? W_LOGDET_SEPARATE : W_LOGDET_KRONECKER;
    if (options->select && s->null_dimension > 0) {
        s->penalty[s->penalty_count++] = (w_penalty){.rank = s->null_dimension, .scale = 1};
        s->null_dimension = 0;
    }
    return WEIR_OK;
}

/* Kinds and levels as far as the head of the table tells. */
static weir_status guess_columns(w_builder *b, weir_table *table, int64_t *distinct)
{
    w_design *d = b->design;
    for (int c = 0; c < d->column_count; c++) {
        int64_t levels = w_source_level_estimate(table, c);
        bool category = d->column_want[c] == W_WANT_FACTOR || (d->column_want[c] == W_WANT_EITHER && levels > 0);
        levels = w_max64(2, w_min64(levels, W_COLUMNS_LIMIT));
        distinct[c] = levels;
        d->column_kind[c] = category ? W_FACTOR : W_NUMERIC;
        d->level_count[c] = category ? levels : 0;
        const char **level = w_arena_calloc(b->arena, (size_t)d->level_count[c] + 1, sizeof *level);
        if (!level) {
            return w_alloc_status(b->ctx);
        }
        for (int64_t l = 0; l < d->level_count[c]; l++) {
            level[l] = "";
        }
        d->level[c] = level;
    }
    return WEIR_OK;
}

static int64_t depth_bytes(const w_builder *b)
{
    return w_mul64(b->program->depth + 2, W_EXPR_RUN * (int64_t)sizeof(double));
}

/* Set-up rows: chosen tiles and then the columns made of them; values of expressions; a copy for medians; covariates stacked
 * by id=. */
static int64_t row_bytes(const w_builder *b, int64_t rows)
{
    const w_design *d = b->design;
    int64_t tiles = rows / W_TILE_ROWS + 1, computed = 1, stacked = 0;
    for (int a = 0; a < b->program->atom_count; a++) {
        computed += !b->program->atom[a].category && b->program->atom[a].column < 0;
    }
    for (int i = 0; i < b->terms.smooth_count; i++) {
        stacked += b->terms.smooth[i].id ? b->terms.smooth[i].covariate_count : 0;
    }
    int64_t tile = w_alloc_bytes(w_mul64(d->column_count, W_TILE_ROWS * (int64_t)sizeof(double)));
    int64_t columns =
        w_mul64(d->column_count + computed + stacked, w_alloc_bytes(w_mul64(rows + 1, sizeof(double))));
    return w_add64(w_mul64(tiles, tile), columns);
}

/* What compiling takes at most beside the design: the scan's workers, set-up rows, the largest smooth being built, the
 * triangle of the side conditions. */
static int64_t setup_bytes(const w_builder *b, const w_design_options *options)
{
    const w_design *d = b->design;
    int64_t rows = d->rows < 0 ? W_SETUP_ROWS : d->rows, largest = 0, smooth_columns = 0, widest = 0;
    rows = options->exact_knots ? rows : w_min64(rows, W_SETUP_ROWS);
    int64_t worker = w_mul64(d->column_count + 1, W_TILE_ROWS * (int64_t)sizeof(double) + 256) + depth_bytes(b) +
                     2 * W_TILE_ROWS;
    for (int i = 0; i < b->terms.smooth_count; i++) {
        const w_smooth_call *call = &b->terms.smooth[i];
        w_smooth_spec spec = {.label = call->label, .type = call->type, .margin_count = call->margin_count,
                              .natural = call->per_level};
        memcpy(spec.margin, call->margin, sizeof spec.margin);
        spec.shared = call->id != NULL;
        for (int m = 0; m < call->margin_count && call->type == W_SMOOTH_SZ; m++) {
            spec.levels[m] = b->program->atom[call->covariate[m]].level_count;
        }
        if (!call->random) {
            largest =
                w_max64(largest, w_smooth_bytes(&spec, call->id ? w_mul64(rows, b->terms.smooth_count) : rows));
            const bool trees = call->margin[0].basis == W_BASIS_TREE; /* which are not looked at for nesting */
            smooth_columns += trees ? 0 : b->program->smooth[i]->columns;
            widest = w_max64(widest, trees ? 0 : b->program->smooth[i]->columns);
        }
    }
    int64_t run = 2048 * (int64_t)sizeof(double);
    int64_t nesting =
        w_mul64(smooth_columns + 1, w_add64(run, w_mul64(smooth_columns + 40, 8 * (int64_t)sizeof(double))));
    nesting = w_add64(nesting, w_mul64(widest, w_add64(3 * run, w_mul64(widest, 8 * (int64_t)sizeof(double)))));
    int64_t busiest = w_max64(largest, nesting);
    return w_add64(w_add64(w_mul64(worker, w_pool_workers(b->ctx)), row_bytes(b, rows)),
                   w_add64(busiest, (int64_t)1 << 20));
}

static weir_status estimate(w_builder *b, weir_table *table, const w_design_options *options)
{
    w_design *d = b->design;
    int64_t *distinct = w_arena_calloc(b->arena, (size_t)d->column_count + 1, sizeof *distinct);
    size_t calls = (size_t)b->terms.smooth_count + 1;
    w_smooth **smooth = w_arena_calloc(b->arena, calls, sizeof *smooth);
    double *scale = w_arena_calloc(b->arena, calls, sizeof *scale);
    if (!distinct || !smooth || !scale) {
        return w_alloc_status(b->ctx);
    }
    weir_status status = guess_columns(b, table, distinct);
    if (status == WEIR_OK) {
        status = w_builder_expressions(b);
    }
    if (status == WEIR_OK) {
        status = w_builder_atoms(b, NULL, distinct);
    }
    d->rows = w_source_row_estimate(table);
    for (int i = 0; i < b->terms.smooth_count && status == WEIR_OK; i++) {
        scale[i] = 1;
        if (b->terms.smooth[i].random) {
            continue;
        }
        smooth[i] = w_arena_calloc(b->arena, 1, sizeof **smooth);
        status = smooth[i] ? skeleton_smooth(b, &b->terms.smooth[i], options, d->rows, smooth[i])
                           : w_alloc_status(b->ctx);
    }
    if (status == WEIR_OK) {
        status = w_builder_parametric(b);
    }
    if (status == WEIR_OK) {
        status = w_builder_smooths(b, smooth, scale);
    }
    if (status == WEIR_OK) {
        d->setup_bytes = setup_bytes(b, options);
        status = w_builder_finish(b);
    }
    return status;
}

weir_status w_design_estimate(weir_ctx *ctx, const w_formula *formula, weir_table *table,
                              const w_design_options *options, w_design **out)
{
    w_builder b;
    weir_status status = w_builder_init(&b, ctx, w_formula_text(formula));
    b.skeleton = true;
    if (status == WEIR_OK) {
        status = w_builder_select(&b, formula, table, options);
    }
    if (status == WEIR_OK) {
        status = estimate(&b, table, options);
    }
    if (status != WEIR_OK) {
        w_design_free(b.design);
        return status;
    }
    *out = b.design;
    return WEIR_OK;
}
