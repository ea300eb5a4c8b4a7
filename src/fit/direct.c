/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of weight 0 are left out. The response is z = y - offset - shift, and the intercept takes the shift back. S_lambda
 * has a block per term, or a diagonal where all of a term's penalties are multiples of the identity; the sparse route takes the rows
 * without their zeros. */
#include "fit/direct.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "device/device.h"
#include "fit/rows.h"
#include "solve/route.h"
#include "sparse/cholmod.h"

#define TAG "rows of X"

typedef struct direct {
    weir_ctx *ctx;
    weir_model *model;
    int64_t p, rows, capacity; /* rows with weight */
    double *x, *z, *w;         /* rows x p, row by row */
    int64_t *row_first;        /* CSR; NULL: dense */
    int32_t *column;
    double *diagonal, *block, *beta;
    weir_linear_penalty *penalty;
    int64_t penalties;
    double shift;              /* of the response; a ridge looks at the intercept without it */
} direct;

int32_t w_direct_route(weir_fit_route route)
{
    switch (route) {
    case WEIR_FIT_QR: return WEIR_ROUTE_QR;
    case WEIR_FIT_MIXED: return WEIR_ROUTE_MIXED;
    case WEIR_FIT_SPARSE: return WEIR_ROUTE_SPARSE;
    case WEIR_FIT_DUAL: return WEIR_ROUTE_DUAL;
    default: return WEIR_ROUTE_AUTO;
    }
}

const char *w_direct_unfit(const w_design *design, bool linear)
{
    if (!linear) {
        return "solves linear models with normal errors alone";
    }
    if (design->ar1) {
        return "does not serve AR(1) residuals";
    }
    for (int t = 0; t < design->term_count; t++) {
        if (design->term[t].smooth && w_smooth_signed(design->term[t].smooth) < design->term[t].smooth->columns) {
            return "does not serve shape constraints";
        }
    }
    return NULL;
}

/* ---- penalties ---------------------------------------------------------------------------------------------------- */

static bool is_diagonal(const w_design *design, int term)
{
    for (int j = 0; j < design->penalty_count; j++) {
        if (design->penalty[j].term == term && design->penalty[j].matrix) {
            return false;
        }
    }
    return true;
}

static bool is_penalised(const w_design *design, int term)
{
    for (int j = 0; j < design->penalty_count; j++) {
        if (design->penalty[j].term == term) {
            return true;
        }
    }
    return false;
}

static int64_t block_doubles(const w_design *design)
{
    int64_t doubles = 0;
    for (int t = 0; t < design->term_count; t++) {
        const int64_t k = design->term[t].columns;
        doubles = w_add64(doubles, is_penalised(design, t) && !is_diagonal(design, t) ? w_mul64(k, k) : 0);
    }
    return doubles;
}

static void add_penalty(direct *d, const w_design_penalty *penalty, double lambda, int64_t first, int64_t k, double *block)
{
    for (int64_t i = 0; i < penalty->k * penalty->repeat; i++) {
        if (!block) {
            d->diagonal[penalty->first + i] += lambda;
            continue;
        }
        const int64_t c = penalty->first - first + i, start = c - i % penalty->k;
        for (int64_t r = 0; r <= i % penalty->k; r++) {
            const double entry = penalty->matrix ? penalty->matrix[r + i % penalty->k * penalty->k] : r == i % penalty->k;
            block[start + r + c * k] += lambda * entry;
        }
    }
}

static void make_penalties(direct *d)
{
    const w_design *design = d->model->design;
    double *next = d->block;
    for (int t = 0; t < design->term_count; t++) {
        const w_term *term = &design->term[t];
        double *block = NULL;
        if (is_penalised(design, t) && !is_diagonal(design, t)) {
            block = next;
            next += term->columns * term->columns;
            d->penalty[d->penalties++] = (weir_linear_penalty){ term->first, term->columns, block };
        }
        for (int j = 0; j < design->penalty_count; j++) {
            if (design->penalty[j].term == t) {
                add_penalty(d, &design->penalty[j], exp(d->model->rho[design->penalty[j].sp]), term->first, term->columns, block);
            }
        }
    }
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

/* p values of X, z and w of each row, row by row. */
static weir_status write_tile(void *arg, int worker, const w_tile *tile, double *out)
{
    (void)worker;
    const direct *d = arg;
    const w_design *design = d->model->design;
    for (int64_t i = 0; i < tile->rows; i++, out += d->p + 2) {
        if (tile->weight[i] > 0.0) {
            w_tile_dense_row(design, tile, i, out);
        }
        out[d->p] = tile->response[i] - tile->offset[i] - d->shift;
        out[d->p + 1] = tile->weight[i];
    }
    return WEIR_OK;
}

static weir_status take_rows(void *arg, int64_t first_row, int64_t rows, const double *values)
{
    (void)first_row;
    direct *d = arg;
    for (int64_t i = 0; i < rows; i++, values += d->p + 2) {
        if (!(values[d->p + 1] > 0.0)) {
            continue;
        }
        if (d->rows == d->capacity) {
            return w_fail(d->ctx, WEIR_E_DATA, "the table has more rows than it had before");
        }
        memcpy(d->x + d->rows * d->p, values, (size_t)d->p * sizeof *values);
        d->z[d->rows] = values[d->p];
        d->w[d->rows++] = values[d->p + 1];
    }
    return WEIR_OK;
}

/* Dense rows to compressed ones, in place. */
static weir_status compress(direct *d)
{
    int64_t entries = 0;
    for (int64_t i = 0; i < d->rows * d->p; i++) {
        entries += d->x[i] != 0.0;
    }
    d->row_first = w_alloc_array(d->ctx, TAG, (size_t)d->rows + 1, sizeof *d->row_first);
    d->column = w_alloc_array(d->ctx, TAG, (size_t)entries + 1, sizeof *d->column);
    if (!d->row_first || !d->column) {
        return w_alloc_status(d->ctx);
    }
    entries = 0;
    for (int64_t i = 0; i < d->rows; i++) {
        d->row_first[i] = entries;
        for (int64_t j = 0; j < d->p; j++) {
            const double value = d->x[i * d->p + j];
            if (value != 0.0) {
                d->column[entries] = (int32_t)j;
                d->x[entries++] = value;
            }
        }
    }
    d->row_first[d->rows] = entries;
    return WEIR_OK;
}

static int64_t own_bytes(const w_design *design, int64_t rows, int32_t route)
{
    const int64_t p = design->p, cells = w_mul64(rows, p);
    int64_t bytes = w_add64(w_alloc_bytes(w_mul64(cells, 8)), w_mul64(2, w_alloc_bytes(w_mul64(rows, 8))));
    bytes = w_add64(bytes, w_add64(w_mul64(2, w_alloc_bytes(w_mul64(p, 8))), w_alloc_bytes(w_mul64(block_doubles(design), 8))));
    bytes = w_add64(bytes, w_alloc_bytes(w_mul64(design->term_count + 1, (int64_t)sizeof(weir_linear_penalty))));
    if (route == WEIR_ROUTE_SPARSE) {
        bytes = w_add64(bytes, w_add64(w_alloc_bytes(w_mul64(rows + 1, 8)), w_alloc_bytes(w_mul64(cells + 1, 4))));
    }
    return w_add64(bytes, 4096);
}

static bool is_definite(const w_design *design, double ridge)
{
    int64_t columns = 0;
    for (int t = 0; t < design->term_count; t++) {
        columns += is_penalised(design, t) ? design->term[t].columns : 0;
    }
    return ridge > 0.0 || columns == design->p;
}

static w_route_shape shape_of(const w_design *design, int64_t rows, double ridge, int32_t route, int threads)
{
    return (w_route_shape){ .kind = route == WEIR_ROUTE_SPARSE ? WEIR_MATRIX_CSR : WEIR_MATRIX_DENSE, .weighted = true,
                            .penalty_definite = is_definite(design, ridge), .n = rows, .p = design->p, .m = 1, .groups = 1,
                            .largest = rows, .entries = w_mul64(rows, design->p), .squares = (double)rows * (double)design->p * (double)design->p,
                            .gram_entries = 0.5 * (double)design->p * (double)(design->p + 1), .penalty_rows = w_mul64(2, design->p),
                            .largest_block = design->p, .penalty_blocks = design->term_count, .sorted = true, .threads = threads,
                            .in_flight = 1 };
}

const char *w_direct_weigh(weir_ctx *ctx, const w_design *design, int64_t rows, double ridge, int32_t route, int64_t *bytes, double *seconds)
{
    const int threads = w_pool_workers(ctx);
    const w_route *found = w_route_find(route);
    const w_route_shape shape = shape_of(design, w_max64(rows, 0), ridge, route, threads);
    w_route_limits limits = { .free_bytes = INT64_MAX, .dense_max_p = INT64_MAX, .dense_seconds = INFINITY, .mixed = true };
    w_device_set *set = NULL;
    if (route == WEIR_ROUTE_SPARSE) {
        limits.sparse_library = w_cholmod_available(&limits.sparse_reason);
    }
    const char *unfit = found->unfit(&shape, &limits);
    if (unfit) {
        return unfit;
    }
    const int64_t walking = w_rows_bytes(design, design->p + 2, threads);
    *bytes = w_add64(own_bytes(design, shape.n, route), w_max64(walking, w_add64(found->bytes(&shape), found->bytes(&shape) / 8)));
    *seconds = w_devices_peek(ctx, &set) >= 0 || set ? w_cost_threaded(&set->cost, found->seconds(&shape, &set->cost), threads) : NAN;
    return NULL;
}

/* ---- the solution ------------------------------------------------------------------------------------------------- */

static weir_status run_route(direct *d, double ridge, int32_t route, weir_linear_outcome *outcome)
{
    weir_ctx *ctx = d->ctx;
    w_device_set *set = NULL;
    weir_status status = w_devices_peek(ctx, &set);
    if (status < 0 && !set) {
        return status;
    }
    const weir_linear_options options = { .version = WEIR_LINEAR_VERSION, .route = route, .tolerance = 1e-10, .max_iterations = 1000,
                                          .dense_max_p = INT64_MAX, .dense_seconds = INFINITY, .condition_limit = W_CONDITION_LIMIT };
    const weir_linear_system system = {
        .version = WEIR_LINEAR_VERSION, .weights = d->w, .groups = 1, .ridge = ridge, .diagonal = d->diagonal, .penalties = d->penalties,
        .penalty = d->penalty, .right_hand_sides = 1, .y = d->z,
        .x = { .kind = d->row_first ? WEIR_MATRIX_CSR : WEIR_MATRIX_DENSE, .rows = d->rows, .columns = d->p, .values = d->x,
               .row_stride = d->p, .column_stride = 1, .row_first = d->row_first, .column = d->column } };
    w_route_limits limits = { .free_bytes = w_ledger_free_bytes(ctx), .dense_max_p = INT64_MAX, .dense_seconds = INFINITY, .mixed = true };
    if (route == WEIR_ROUTE_SPARSE) {
        limits.sparse_library = w_cholmod_available(&limits.sparse_reason);
    }
    w_linear q = { .ctx = ctx, .s = &system, .o = &options, .n = d->rows, .p = d->p, .m = 1, .groups = 1, .b = d->beta, .outcome = outcome };
    weir_linear_result result = { 0 };
    const int64_t peak = ctx->ledger.peak;
    status = w_linear_solve(&q, &limits, &set->cost, false, &result);
    ctx->ledger.peak = w_max64(peak, ctx->ledger.peak); /* the route measures its own */
    return status;
}

static weir_status take_memory(direct *d)
{
    const w_design *design = d->model->design;
    const size_t p = (size_t)d->p, rows = (size_t)d->capacity;
    d->x = w_alloc_array(d->ctx, TAG, w_mul_size(rows, p), sizeof *d->x);
    d->z = w_alloc_array(d->ctx, TAG, rows, sizeof *d->z);
    d->w = w_alloc_array(d->ctx, TAG, rows, sizeof *d->w);
    d->diagonal = w_calloc(d->ctx, TAG, p, sizeof *d->diagonal);
    d->beta = w_calloc(d->ctx, TAG, p, sizeof *d->beta);
    d->block = w_calloc(d->ctx, TAG, (size_t)block_doubles(design), sizeof *d->block);
    d->penalty = w_calloc(d->ctx, TAG, (size_t)design->term_count + 1, sizeof *d->penalty);
    return d->x && d->z && d->w && d->diagonal && d->beta && d->block && d->penalty ? WEIR_OK : w_alloc_status(d->ctx);
}

static void give_memory(direct *d)
{
    void *block[] = { d->x, d->z, d->w, d->row_first, d->column, d->diagonal, d->block, d->penalty, d->beta };
    for (size_t i = 0; i < sizeof block / sizeof *block; i++) {
        w_free(d->ctx, block[i]);
    }
}

static weir_status add_note(weir_model *model, const char *line)
{
    weir_summary *summary = &model->summary;
    const char **note = w_arena_alloc(&model->arena, (size_t)summary->note_count + 1, sizeof *note);
    const char *text = w_arena_strdup(&model->arena, line);
    if (!note || !text) {
        return w_alloc_status(model->ctx);
    }
    if (summary->note_count > 0) {
        memcpy(note, summary->note, (size_t)summary->note_count * sizeof *note);
    }
    note[summary->note_count++] = text;
    summary->note = note;
    return WEIR_OK;
}

static weir_status take_solution(direct *d, int32_t route, const weir_linear_outcome *outcome)
{
    weir_model *model = d->model;
    const w_design *design = model->design;
    weir_summary *summary = &model->summary;
    char line[240];
    double moved = 0.0, largest = 0.0;
    if (design->intercept_column >= 0) {
        d->beta[design->intercept_column] += d->shift;
    }
    for (int64_t c = 0; c < d->p; c++) {
        moved = fmax(moved, fabs(d->beta[c] - model->beta[c]));
        largest = fmax(largest, fabs(d->beta[c]));
    }
    snprintf(line, sizeof line, "coefficients by route %s, backward error %.2g, of the largest %.2g apart from those of the normal "
             "equations%s", weir_route_name(route), outcome->backward_error, largest > 0.0 ? moved / largest : 0.0,
             outcome->status == WEIR_RANK_DEFICIENT ? "; dependent columns have coefficient 0" : "");
    weir_status status = add_note(model, line);
    if (status < 0) {
        return status;
    }
    memcpy(model->beta, d->beta, (size_t)d->p * sizeof *d->beta);
    for (int32_t i = 0; i < summary->coefficient_count; i++) {
        weir_coefficient *row = (weir_coefficient *)(uintptr_t)&summary->coefficient[i];
        row->estimate = model->beta[i];
        row->statistic = row->std_error > 0.0 ? row->estimate / row->std_error : NAN;
        row->p_value = summary->scale_estimated ? w_t_two_sided(row->statistic, summary->residual_df)
                                                : erfc(fabs(row->statistic) / sqrt(2.0));
    }
    summary->backward_error = outcome->backward_error;
    model->plan.coefficients = weir_route_name(route);
    return status;
}

weir_status w_direct_solve(weir_ctx *ctx, weir_model *model, weir_table *table, const w_tile_request *request, double ridge, int32_t route)
{
    direct d = { .ctx = ctx, .model = model, .p = model->design->p, .capacity = w_source_row_count(table),
                 .shift = ridge > 0.0 ? 0.0 : model->design->response_shift };
    weir_linear_outcome outcome = { 0 };
    const w_rows_pass pass = { .design = model->design, .table = table, .request = request, .name = "accumulate", .columns = d.p + 2,
                               .tile = write_tile, .deliver = take_rows, .arg = &d };
    weir_status status = take_memory(&d);
    if (status >= 0) {
        make_penalties(&d);
        status = w_rows_each(ctx, &pass);
    }
    if (status >= 0 && route == WEIR_ROUTE_SPARSE) {
        status = compress(&d);
    }
    if (status >= 0) {
        status = run_route(&d, ridge, route, &outcome);
    }
    if (status >= 0) {
        status = take_solution(&d, route, &outcome);
    }
    give_memory(&d);
    return status < 0 ? status : WEIR_OK;
}

weir_status w_direct_if_needed(weir_ctx *ctx, weir_model *model, weir_table *table, const w_tile_request *request, double ridge)
{
    char line[200];
    if (!(model->summary.condition > W_CONDITION_LIMIT) || w_direct_unfit(model->design, true)) {
        return WEIR_OK;
    }
    int64_t bytes = INT64_MAX;
    double seconds;
    if (!w_direct_weigh(ctx, model->design, w_source_row_count(table), ridge, WEIR_ROUTE_QR, &bytes, &seconds) &&
        bytes / 9 * 10 < w_ledger_free_bytes(ctx)) {
        model->plan.bytes = w_max64(model->plan.bytes, w_add64(ctx->ledger.in_use, bytes));
        return w_direct_solve(ctx, model, table, request, ridge, WEIR_ROUTE_QR);
    }
    snprintf(line, sizeof line, "the condition %.2g of the normal equations is high, and memory does not do for QR of the rows",
             model->summary.condition);
    return add_note(model, line);
}
