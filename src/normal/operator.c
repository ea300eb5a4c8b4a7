/* SPDX-License-Identifier: Apache-2.0 */
/* One sweep over the rows serves up to `vectors` vectors:
 *     expand   gamma of every block                  one task per block
 *     rows     eta, w eta and the sums of a shard    one task per shard
 *     contract shards added up, then to coefficients one task per block */
#include "normal/operator.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "normal/operator_parts.h"

typedef struct product {
    w_matrix_free *op;
    const double *x;
    double *y;
    int64_t count, k;  /* columns of the block; first of this sweep */
    int m, room;       /* columns of the sweep; of the kernels: 1, 2, 4, 8 */
    double *rss, *total; /* of residuals: per shard */
    uint64_t seed;       /* of random signs */
} product;

static bool is_serial(const w_matrix_free *op) { return op->gammas < 20000; }

static weir_status each_unit(w_matrix_free *op, w_task_fn task, void *arg)
{
    weir_status status = WEIR_OK;
    if (!is_serial(op)) {
        return w_pool_run(op->ctx, op->unit_count, task, arg);
    }
    for (int u = 0; status == WEIR_OK && u < op->unit_count; u++) {
        status = task(arg, u, 0);
    }
    return status;
}

static weir_status expand_task(void *arg, int64_t task, int worker)
{
    const product *p = arg;
    w_matrix_free *op = p->op;
    const w_unit *unit = &op->unit[task];
    double *gamma = op->gamma + unit->gamma * p->room;
    if (unit->refined) {
        w_refined_expand(unit->refined, p->x, p->count, p->k, p->m, p->room, gamma);
        return WEIR_OK;
    }
    if (w_unit_is_direct(unit)) {
        w_unit_expand_direct(op, unit, p->x, p->count, p->k, p->m, p->room, gamma, op->worker[worker].scratch);
        return WEIR_OK;
    }
    for (int k = 0; k < p->m; k++) {
        w_unit_expand(op, unit, p->x, p->count, p->k + k, p->room, gamma + k, op->worker[worker].scratch);
    }
    for (int64_t i = 0; p->m < p->room && i < unit->cells * unit->width; i++) {
        memset(gamma + i * p->room + p->m, 0, (size_t)(p->room - p->m) * sizeof *gamma);
    }
    return WEIR_OK;
}

static weir_status contract_task(void *arg, int64_t task, int worker)
{
    const product *p = arg;
    w_matrix_free *op = p->op;
    const w_unit *unit = &op->unit[task];
    const int64_t count = unit->cells * unit->width * p->room, stride = op->gammas * p->room;
    double *sum = op->sum + unit->gamma * p->room;
    for (int s = 1; s < op->used; s++) {
        const double *more = sum + s * stride;
        for (int64_t i = 0; i < count; i++) {
            sum[i] += more[i];
        }
    }
    if (unit->refined) {
        w_refined_contract(unit->refined, sum, p->room, p->y, p->count, p->k, p->m);
        return WEIR_OK;
    }
    if (w_unit_is_direct(unit)) {
        w_unit_contract_direct(op, unit, sum, p->room, p->y, p->count, p->k, p->m, op->worker[worker].scratch);
        return WEIR_OK;
    }
    for (int k = 0; k < p->m; k++) {
        w_unit_contract(op, unit, sum + k, p->room, p->y, p->count, p->k + k, op->worker[worker].scratch);
    }
    return WEIR_OK;
}

/* eta of `rows` rows from `start`. */
static void predict(const product *p, const w_packed *packed, int64_t start, int64_t rows, double *eta)
{
    const w_matrix_free *op = p->op;
    memset(eta, 0, (size_t)(rows * p->room) * sizeof *eta);
    for (int u = 0; u < op->unit_count; u++) {
        if (op->unit[u].width > 0) {
            op->lanes->forward(&packed->lane[u], start, rows, p->room, op->gamma + op->unit[u].gamma * p->room, eta);
        }
    }
}

static weir_status product_tile(void *arg, int worker, int shard, const w_packed *packed)
{
    const product *p = arg;
    w_matrix_free *op = p->op;
    const int64_t stretch = W_LANE_CHUNK / p->room;
    double *eta = op->worker[worker].eta, *sum = op->sum + shard * op->gammas * p->room;
    for (int64_t start = 0; start < packed->rows; start += stretch) {
        const int64_t rows = w_min64(stretch, packed->rows - start);
        predict(p, packed, start, rows, eta);
        for (int64_t i = 0; i < rows; i++) {
            for (int k = 0; k < p->room; k++) {
                eta[i * p->room + k] *= packed->weight[start + i];
            }
        }
        for (int u = 0; u < op->unit_count; u++) {
            if (op->unit[u].width > 0) {
                op->lanes->backward(&packed->lane[u], start, rows, p->room, eta, sum + op->unit[u].gamma * p->room);
            }
        }
    }
    return WEIR_OK;
}

static double work_of(const w_matrix_free *op, int room)
{
    return (double)op->sums.n * (double)w_matrix_free_row_values(op->design) * room;
}

static weir_status product_sweep(product *p)
{
    w_matrix_free *op = p->op;
    memset(op->sum, 0, (size_t)(op->used * op->gammas * p->room) * sizeof *op->sum);
    weir_status status = each_unit(op, expand_task, p);
    if (status == WEIR_OK) {
        status = w_tiles_each(op, work_of(op, p->room), product_tile, p);
    }
    return status == WEIR_OK ? each_unit(op, contract_task, p) : status;
}

static weir_status apply_rows(w_matrix_free *op, int64_t count, const double *x, double *y)
{
    weir_status status = WEIR_OK;
    product p = { .op = op, .x = x, .y = y, .count = count };
    for (p.k = 0; status == WEIR_OK && p.k < count; p.k += p.m) {
        p.m = (int)w_min64(op->vectors, count - p.k);
        for (p.room = 1; p.room < p.m; p.room *= 2) {
        }
        status = product_sweep(&p);
    }
    return status;
}

/* ---- penalties ----------------------------------------------------------------------------------------------------- */

/* y += lambda_j S_j x for `count` columns; x and y at the penalty's first coordinate. */
static void add_penalty(const w_design_penalty *penalty, double lambda, int64_t count, const double *x, double *y)
{
    const int64_t k = penalty->k;
    if (lambda == 0.0) {
        return;
    }
    if (!penalty->matrix) {
        for (int64_t i = 0; i < k * penalty->repeat * count; i++) {
            y[i] += lambda * x[i];
        }
        return;
    }
    for (int64_t r = 0; r < penalty->repeat; r++, x += k * count, y += k * count) {
        for (int64_t i = 0; i < k; i++) {
            for (int64_t l = 0; l < k; l++) {
                const double s = lambda * penalty->matrix[i * k + l];
                for (int64_t c = 0; s != 0.0 && c < count; c++) {
                    y[i * count + c] += s * x[l * count + c];
                }
            }
        }
    }
}

void w_matrix_free_penalise(w_matrix_free *op, const double *rho)
{
    for (int j = 0; j < op->design->sp_count; j++) {
        op->lambda[j] = exp(rho[j]);
    }
}

void w_matrix_free_add_penalties(const w_matrix_free *op, int64_t count, const double *x, double *y)
{
    const w_design *design = op->design;
    for (int j = 0; j < design->penalty_count; j++) {
        const int64_t at = op->part_first[j] * count;
        add_penalty(&design->penalty[j], op->lambda[design->penalty[j].sp], count, x + at, y + at);
    }
}

weir_status w_matrix_free_rows_apply(void *user, const w_vectors *block, const double *x, double *y)
{
    return apply_rows(user, block->columns, x, y);
}

static weir_status apply(void *user, const w_vectors *block, const double *x, double *y)
{
    w_matrix_free *op = user;
    weir_status status = apply_rows(op, block->columns, x, y);
    if (status == WEIR_OK) {
        w_matrix_free_add_penalties(op, block->columns, x, y);
    }
    return status;
}

double w_matrix_free_penalty(const w_matrix_free *op, int number, const double *u, const double *v)
{
    const w_design_penalty *penalty = &op->design->penalty[number];
    const int64_t first = op->part_first[number], k = penalty->k;
    const double lambda = op->lambda[penalty->sp];
    double sum = 0.0;
    for (int64_t r = 0; lambda > 0.0 && r < penalty->repeat; r++) {
        const double *x = v + first + r * k, *y = u + first + r * k;
        for (int64_t i = 0; i < k; i++) {
            double row = penalty->matrix ? 0.0 : x[i];
            for (int64_t l = 0; penalty->matrix && l < k; l++) {
                row += penalty->matrix[i * k + l] * x[l];
            }
            sum += y[i] * row;
        }
    }
    return lambda > 0.0 ? lambda * sum : 0.0;
}

void w_matrix_free_penalty_product(const w_matrix_free *op, const double *x, double *y)
{
    memset(y, 0, (size_t)op->design->p * sizeof *y);
    w_matrix_free_add_penalties(op, 1, x, y);
}

/* ---- random signs of rows -------------------------------------------------------------------------------------------- */

/* Steele, Lea & Flood (2014): the finaliser of SplitMix64. */
static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static weir_status sign_tile(void *arg, int worker, int shard, const w_packed *packed)
{
    const product *p = arg;
    w_matrix_free *op = p->op;
    double *u = op->worker[worker].eta, *sum = op->sum + shard * op->gammas;
    for (int64_t i = 0; i < packed->rows; i++) {
        const uint64_t row = (uint64_t)(packed->index * W_TILE_ROWS + i) + 1;
        const double root = sqrt(packed->weight[i]);
        u[i] = mix(p->seed + row * UINT64_C(0x9e3779b97f4a7c15)) >> 63 ? root : -root;
    }
    for (int t = 0; t < op->unit_count; t++) {
        if (op->unit[t].width > 0) {
            op->lanes->backward(&packed->lane[t], 0, packed->rows, 1, u, sum + op->unit[t].gamma);
        }
    }
    return WEIR_OK;
}

weir_status w_matrix_free_row_probe(w_matrix_free *op, uint64_t seed, double *b)
{
    product p = { .op = op, .y = b, .count = 1, .m = 1, .room = 1, .seed = mix(seed + 1) };
    memset(op->sum, 0, (size_t)(op->used * op->gammas) * sizeof *op->sum);
    weir_status status = w_tiles_each(op, work_of(op, 1), sign_tile, &p);
    return status == WEIR_OK ? each_unit(op, contract_task, &p) : status;
}

/* ---- residuals ------------------------------------------------------------------------------------------------------ */

static weir_status residual_tile(void *arg, int worker, int shard, const w_packed *packed)
{
    const product *p = arg;
    double *eta = p->op->worker[worker].eta;
    predict(p, packed, 0, packed->rows, eta);
    for (int64_t i = 0; i < packed->rows; i++) {
        const double r = packed->z[i] - eta[i], w = packed->weight[i];
        p->rss[shard] += w * r * r;
        p->total[shard] += w * r;
    }
    return WEIR_OK;
}

weir_status w_matrix_free_residual(w_matrix_free *op, const double *v, double *rss, double *sum)
{
    double part[64] = { 0 };
    product p = { .op = op, .x = v, .count = 1, .m = 1, .room = 1, .rss = part, .total = part + 32 };
    weir_status status = each_unit(op, expand_task, &p);
    if (status == WEIR_OK) {
        status = w_tiles_each(op, work_of(op, 1), residual_tile, &p);
    }
    if (status != WEIR_OK) {
        return status;
    }
    *rss = *sum = 0.0;
    for (int s = 0; s < op->shards; s++) {
        *rss += p.rss[s];
        *sum += p.total[s];
    }
    return WEIR_OK;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static weir_status worker_open(w_matrix_free *op, w_operator_worker *w, int64_t scratch)
{
    weir_status status = w_tile_create(op->ctx, op->design, &w->tile);
    if (status == WEIR_OK) {
        w->eta = w_alloc_array(op->ctx, "operator", W_LANE_CHUNK, sizeof *w->eta);
        w->scratch = w_alloc_array(op->ctx, "operator", (size_t)scratch + 1, sizeof *w->scratch);
        status = w->eta && w->scratch ? w_packed_create(op, W_TILE_ROWS, &w->packed) : w_alloc_status(op->ctx);
    }
    return status;
}

static weir_status open(w_matrix_free *op, int vectors)
{
    weir_ctx *ctx = op->ctx;
    int64_t tables, matrix, scratch;
    const int64_t gammas = w_units_gammas(op->design, &tables, &matrix, &scratch);
    const size_t p = (size_t)op->design->p;
    op->vectors = vectors > 0 ? vectors : W_MATRIX_FREE_VECTORS;
    op->shards = w_units_shards(gammas);
    weir_status status = w_units_make(op);
    if (status != WEIR_OK) {
        return status;
    }
    op->rhs = w_calloc(ctx, "operator", 2 * p + (size_t)op->design->sp_count, sizeof *op->rhs);
    op->matrix = w_alloc_array(ctx, "operator blocks", (size_t)op->blocks + 1, sizeof *op->matrix);
    op->gamma = w_calloc(ctx, "operator", (size_t)w_mul64(op->gammas, op->vectors), sizeof *op->gamma);
    op->sum = w_calloc(ctx, "operator sums", (size_t)w_mul64(w_mul64(op->gammas, op->vectors), op->shards), sizeof *op->sum);
    op->worker = w_calloc(ctx, "operator", (size_t)op->workers, sizeof *op->worker);
    op->extra = w_calloc(ctx, "operator", (size_t)((op->workers + 1) * op->extra_count) + 1, sizeof *op->extra);
    op->base = op->working ? w_calloc(ctx, "operator", (size_t)op->gammas + 1, sizeof *op->base) : NULL;
    if (!op->extra || (op->working && !op->base) || !op->rhs || !op->matrix || !op->gamma || !op->sum || !op->worker) {
        return w_alloc_status(ctx);
    }
    op->diagonal = op->rhs + p;
    op->lambda = op->diagonal + p;
    for (int i = 0; status == WEIR_OK && i < op->workers; i++) {
        status = worker_open(op, &op->worker[i], scratch);
    }
    return status;
}

weir_status w_matrix_free_create(weir_ctx *ctx, const w_design *design, weir_table *table, const w_matrix_free_options *options,
                                 w_matrix_free **out)
{
    w_matrix_free *op = w_calloc(ctx, "operator", 1, sizeof *op);
    if (!op) {
        return w_alloc_status(ctx);
    }
    op->ctx = ctx;
    op->design = design;
    op->table = table;
    op->request = options->request;
    op->workers = w_pool_workers(ctx);
    op->kernels = w_kernels_choose();
    op->lanes = w_lane_choose();
    op->working = options->working;
    op->working_arg = options->working_arg;
    op->extra_count = options->extra_count;
    op->operator = (w_operator){ .apply = apply, .user = op, .groups = 1, .n = &design->p };
    weir_status status = open(op, options->vectors);
    if (status == WEIR_OK) {
        status = w_tiles_first(op, options->cache_bytes);
    }
    if (status == WEIR_OK && op->sums.n == 0) {
        status = w_fail(ctx, WEIR_E_DATA, "the table has no row that counts: nothing to fit");
    }
    if (status != WEIR_OK) {
        w_matrix_free_free(op);
        return status;
    }
    *out = op;
    return WEIR_OK;
}

void w_matrix_free_free(w_matrix_free *op)
{
    if (!op) {
        return;
    }
    weir_ctx *ctx = op->ctx;
    for (int i = 0; op->worker && i < op->workers; i++) {
        w_tile_free(ctx, op->worker[i].tile);
        w_packed_free(op, &op->worker[i].packed);
        w_free(ctx, op->worker[i].eta);
        w_free(ctx, op->worker[i].scratch);
    }
    for (int64_t t = 0; t < op->tile_count; t++) {
        w_packed_free(op, &op->tile[t]);
    }
    w_free(ctx, op->tile);
    w_free(ctx, op->worker);
    w_free(ctx, op->coarse);
    w_free(ctx, op->base);
    w_free(ctx, op->extra);
    w_free(ctx, op->sum);
    w_free(ctx, op->gamma);
    w_free(ctx, op->matrix);
    w_free(ctx, op->rhs);
    w_free(ctx, op->column);
    for (int u = 0; u < op->unit_count; u++) {
        w_refined_free(ctx, op->unit[u].refined);
    }
    w_free(ctx, op->unit);
    w_free(ctx, op);
}

weir_status w_matrix_free_linearise(w_matrix_free *op, const double *v, bool blocks)
{
    product p = { .op = op, .x = v, .count = 1, .m = 1, .room = 1 };
    weir_status status = v ? each_unit(op, expand_task, &p) : WEIR_OK;
    if (status == WEIR_OK && v) {
        memcpy(op->base, op->gamma, (size_t)op->gammas * sizeof *op->base);
        op->based = true;
    }
    if (status == WEIR_OK) {
        status = w_tiles_again(op, blocks);
    }
    if (blocks) {
        w_free(op->ctx, op->coarse);
        op->coarse = NULL;
    }
    return status;
}

const double *w_matrix_free_extra(const w_matrix_free *op) { return op->extra; }
const w_matrix_free_sums *w_matrix_free_sums_of(const w_matrix_free *op) { return &op->sums; }
const double *w_matrix_free_rhs(const w_matrix_free *op) { return op->rhs; }
const double *w_matrix_free_diagonal(const w_matrix_free *op) { return op->diagonal; }
const int64_t *w_matrix_free_column(const w_matrix_free *op) { return op->column; }
const int64_t *w_matrix_free_position(const w_matrix_free *op) { return op->position; }
const double *w_matrix_free_lambda(const w_matrix_free *op) { return op->lambda; }
const w_operator *w_matrix_free_operator(w_matrix_free *op) { return &op->operator; }

int64_t w_matrix_free_row_values(const w_design *design)
{
    int64_t values = 0, cells;
    int member[W_REFINED_TREES];
    for (int b = 0; b < design->block_count; b++) {
        const bool counts = w_refined_members(design, b, member, &cells) > 0;
        values += counts ? design->block[b].width - (design->block[b].kind == W_BLOCK_DENSE) : 0;
    }
    return values;
}

int64_t w_matrix_free_row_bytes(const w_design *design)
{
    int64_t bytes = 16, cells;
    int member[W_REFINED_TREES];
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        const int count = w_refined_members(design, b, member, &cells);
        const bool ones = count > 1 || w_design_plain_factor(design, b);
        if (count > 0) {
            bytes += cells == 1 ? 0 : cells <= 65536 ? 2 : 4;
            bytes += ones ? 0 : 8 * (block->width - (block->kind == W_BLOCK_DENSE));
        }
    }
    return bytes;
}

int64_t w_matrix_free_bytes(const w_design *design, int vectors, int workers)
{
    int64_t tables, matrix, scratch;
    const int64_t gammas = w_units_gammas(design, &tables, &matrix, &scratch);
    const int64_t sweep = w_mul64(w_mul64(gammas, vectors), 8);
    const int64_t row = w_matrix_free_row_bytes(design) + W_MATRIX_FREE_WORKING_BYTES;
    int64_t worker = w_add64(w_tile_bytes(design), w_mul64(row, W_TILE_ROWS + 64));
    worker = w_add64(worker, w_add64(W_LANE_CHUNK * 8, w_alloc_bytes(w_mul64(scratch + 1, 8))));
    worker = w_add64(worker, 1024 + (int64_t)sizeof(w_lane) * design->block_count + 128 * design->block_count);
    worker = w_add64(worker, 1024); /* sums of a working model */
    int64_t bytes = w_add64(w_mul64(sweep, w_units_shards(gammas) + 1), w_mul64(worker, workers));
    bytes = w_add64(bytes, w_mul64(gammas, 8));
    bytes = w_add64(bytes, w_mul64(w_add64(tables, matrix), 8));
    for (int b = 0; b < design->block_count; b++) {
        const w_smooth *trees;
        const double *value;
        int64_t tree;
        const bool line = w_design_tree(design, b, &trees, &tree, &value);
        bytes = w_add64(bytes, line ? w_refined_bytes(design, 1, &b, 0) : 0);
    }
    bytes = w_add64(bytes, w_mul64(design->p, 5 * 8));
    return w_add64(bytes, 4096 + (int64_t)(sizeof(w_unit) + 32) * (design->block_count + design->penalty_count));
}
