/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluated tiles in the form the products read: kept, or made again by each worker. */
#include <string.h>

#include "base/size.h"
#include "normal/operator_parts.h"

#define ALIGN 64
#define SERIAL_WORK 60e3 /* values below which waking the workers costs more than it gains */

/* ---- one tile ------------------------------------------------------------------------------------------------------ */

static int64_t cell_bytes(const w_unit *unit) { return unit->cells == 1 ? 0 : unit->narrow ? 2 : 4; }

/* A factor's values are known to be all 1 only where its tiles have none. */
static bool has_values(const w_tile *tile, const w_unit *unit)
{
    return !unit->refined && tile->block[unit->number].value != NULL;
}

int64_t w_packed_bytes(const w_matrix_free *op, int64_t rows)
{
    const w_tile *tile = op->worker[0].tile;
    int64_t bytes = (op->working ? 5 : 2) * w_round_up64(rows * 8, ALIGN);
    for (int u = 0; u < op->unit_count; u++) {
        const w_unit *unit = &op->unit[u];
        bytes += w_round_up64(rows * cell_bytes(unit), ALIGN);
        bytes += has_values(tile, unit) ? w_round_up64(rows * 8 * unit->width, ALIGN) : 0;
    }
    return bytes + w_round_up64((int64_t)sizeof(w_lane) * op->unit_count, ALIGN);
}

static void *cut(char **at, int64_t bytes)
{
    void *piece = *at;
    *at += w_round_up64(bytes, ALIGN);
    return piece;
}

weir_status w_packed_create(w_matrix_free *op, int64_t rows, w_packed *out)
{
    const w_tile *tile = op->worker[0].tile;
    char *at = w_alloc(op->ctx, "operator tiles", (size_t)w_packed_bytes(op, rows));
    if (!at) {
        return w_alloc_status(op->ctx);
    }
    *out = (w_packed){ .memory = at };
    out->lane = cut(&at, (int64_t)sizeof(w_lane) * op->unit_count);
    out->weight = cut(&at, rows * 8);
    out->z = cut(&at, rows * 8);
    if (op->working) {
        out->response = cut(&at, rows * 8);
        out->prior = cut(&at, rows * 8);
        out->offset = cut(&at, rows * 8);
    }
    for (int u = 0; u < op->unit_count; u++) {
        const w_unit *unit = &op->unit[u];
        w_lane lane = { .width = unit->width };
        if (unit->cells > 1) {
            void *cells = cut(&at, rows * cell_bytes(unit));
            lane.narrow = unit->narrow ? cells : NULL;
            lane.wide = unit->narrow ? NULL : cells;
        }
        lane.value = has_values(tile, unit) ? cut(&at, rows * 8 * unit->width) : NULL;
        out->lane[u] = lane;
    }
    return WEIR_OK;
}

void w_packed_free(w_matrix_free *op, w_packed *packed)
{
    w_free(op->ctx, packed->memory);
    packed->memory = NULL;
}

static void fill_cells(const int32_t *cell, int64_t rows, w_lane *lane)
{
    if (lane->narrow) {
        uint16_t *to = (uint16_t *)lane->narrow;
        for (int64_t i = 0; i < rows; i++) {
            to[i] = (uint16_t)cell[i];
        }
    } else if (lane->wide) {
        memcpy((int32_t *)lane->wide, cell, (size_t)rows * sizeof *cell);
    }
}

static void fill_lane(const w_unit *unit, const w_tile *tile, w_lane *lane)
{
    const w_tile_block *from = &tile->block[unit->number];
    const int64_t rows = tile->rows;
    double *value = (double *)lane->value;
    if (unit->block->kind == W_BLOCK_DENSE) {
        for (int64_t i = 0; i < rows; i++) {
            memcpy(value + i * unit->width, from->value + i * unit->block->width, (size_t)unit->width * sizeof *value);
        }
        return;
    }
    if (unit->refined) {
        int32_t cell[W_TILE_ROWS];
        w_refined_cells(unit->refined, tile, cell);
        fill_cells(cell, rows, lane);
        return;
    }
    fill_cells(from->cell, rows, lane);
    if (value) {
        memcpy(value, from->value, (size_t)(rows * unit->width) * sizeof *value);
    }
}

void w_packed_fill(const w_matrix_free *op, const w_tile *tile, int64_t index, w_packed *packed)
{
    const w_block *dense = op->unit[0].block;
    const double *value = tile->block[op->unit[0].number].value;
    packed->rows = tile->rows;
    packed->index = index;
    for (int64_t i = 0; i < tile->rows; i++) {
        packed->z[i] = value[i * dense->width + dense->width - 1];
        packed->weight[i] = tile->weight[i];
    }
    if (packed->response) {
        const size_t bytes = (size_t)tile->rows * sizeof(double);
        memcpy(packed->response, tile->response, bytes);
        memcpy(packed->prior, tile->weight, bytes);
        memcpy(packed->offset, tile->offset, bytes);
    }
    for (int u = 0; u < op->unit_count; u++) {
        fill_lane(&op->unit[u], tile, &packed->lane[u]);
    }
}

weir_status w_packed_work(w_matrix_free *op, int worker, w_packed *packed, double *extra)
{
    double *eta = op->worker[worker].eta;
    if (!op->working) {
        return WEIR_OK;
    }
    memset(eta, 0, (size_t)packed->rows * sizeof *eta);
    for (int u = 0; op->based && u < op->unit_count; u++) {
        if (op->unit[u].width > 0) {
            op->lanes->forward(&packed->lane[u], 0, packed->rows, 1, op->base + op->unit[u].gamma, eta);
        }
    }
    return op->working(op->working_arg, packed->index * W_TILE_ROWS, packed->rows, op->based ? eta : NULL, packed->response,
                       packed->prior, packed->offset, packed->weight, packed->z, extra);
}

/* ---- all tiles, shards side by side ------------------------------------------------------------------------------- */

typedef struct sweep {
    w_matrix_free *op;
    w_packed_fn visit;
    void *arg;
    const w_window *window;
} sweep;

static weir_status kept_task(void *arg, int64_t shard, int worker)
{
    const sweep *s = arg;
    w_matrix_free *op = s->op;
    weir_status status = WEIR_OK;
    for (int64_t t = shard; status == WEIR_OK && t < op->tile_count; t += op->shards) {
        status = s->visit(s->arg, worker, (int)shard, &op->tile[t]);
    }
    return status;
}

static weir_status window_task(void *arg, int64_t shard, int worker)
{
    const sweep *s = arg;
    w_matrix_free *op = s->op;
    w_operator_worker *w = &op->worker[worker];
    weir_status status = WEIR_OK;
    int64_t base = s->window->first_row / W_TILE_ROWS, tiles = (s->window->rows + W_TILE_ROWS - 1) / W_TILE_ROWS;
    int64_t first = (shard - base % op->shards + op->shards) % op->shards;
    for (int64_t t = first; status == WEIR_OK && t < tiles; t += op->shards) {
        int64_t start = t * W_TILE_ROWS, rows = w_min64(W_TILE_ROWS, s->window->rows - start);
        status = w_tile_eval(op->design, s->window, start, rows, op->request, w->tile);
        if (status == WEIR_OK) {
            w_packed_fill(op, w->tile, base + t, &w->packed);
            status = w_packed_work(op, worker, &w->packed, NULL);
        }
        if (status == WEIR_OK) {
            status = s->visit(s->arg, worker, (int)shard, &w->packed);
        }
    }
    return status;
}

static weir_status share_out(w_matrix_free *op, bool serial, int64_t tasks, w_task_fn task, void *arg)
{
    weir_status status = WEIR_OK;
    if (!serial) {
        return w_pool_run(op->ctx, tasks, task, arg);
    }
    for (int64_t t = 0; status == WEIR_OK && t < tasks; t++) {
        status = task(arg, t, 0);
    }
    return status;
}

weir_status w_tiles_each(w_matrix_free *op, double work, w_packed_fn visit, void *arg)
{
    sweep s = { .op = op, .visit = visit, .arg = arg };
    weir_status status = w_check_cancel(op->ctx);
    if (status != WEIR_OK || op->cached) {
        return status != WEIR_OK ? status : share_out(op, work < SERIAL_WORK, w_min64(op->shards, op->tile_count), kept_task, &s);
    }
    status = w_source_rewind(op->table);
    while (status == WEIR_OK) {
        w_window window;
        status = w_source_next(op->table, &window);
        if (status != WEIR_OK || window.rows == 0) {
            break;
        }
        s.window = &window;
        status = w_pool_run(op->ctx, op->shards, window_task, &s);
        if (status == WEIR_OK) {
            status = w_check_cancel(op->ctx);
        }
    }
    return status;
}

/* ---- the first pass ------------------------------------------------------------------------------------------------ */

typedef struct first_pass {
    w_matrix_free *op;
    const w_window *window;
    int64_t start;      /* row of the window where the batch begins */
    w_packed **into;    /* where the batch's tiles go */
    double *log_weight; /* per tile of the batch */
    int64_t *counted;
    bool again;         /* a later pass: what does not change is not counted again */
} first_pass;

static weir_status work(const first_pass *f, int64_t task, int worker)
{
    w_matrix_free *op = f->op;
    double *extra = op->extra + (task + 1) * op->extra_count;
    memset(extra, 0, (size_t)op->extra_count * sizeof *extra);
    return w_packed_work(op, worker, f->into[task], extra);
}

static weir_status evaluate_task(void *arg, int64_t task, int worker)
{
    first_pass *f = arg;
    w_matrix_free *op = f->op;
    w_tile *tile = op->worker[worker].tile;
    int64_t start = f->start + task * W_TILE_ROWS, rows = w_min64(W_TILE_ROWS, f->window->rows - start);
    weir_status status = w_tile_eval(op->design, f->window, start, rows, op->request, tile);
    if (status == WEIR_OK) {
        w_packed_fill(op, tile, (f->window->first_row + start) / W_TILE_ROWS, f->into[task]);
        f->log_weight[task] = tile->log_weight_sum;
        f->counted[task] = tile->counted;
        status = work(f, task, worker);
    }
    return status;
}

/* Kept tiles: their rows are there. */
static weir_status revisit_task(void *arg, int64_t task, int worker)
{
    return work(arg, task, worker);
}

/* Room for `count` more kept tiles. */
static weir_status reserve(w_matrix_free *op, int64_t count)
{
    if (op->tile_count + count <= op->tile_capacity) {
        return WEIR_OK;
    }
    int64_t capacity = w_max64(2 * op->tile_capacity, op->tile_count + count + 15);
    w_packed *larger = w_realloc(op->ctx, "operator tiles", op->tile, (size_t)capacity * sizeof *larger);
    if (!larger) {
        return w_alloc_status(op->ctx);
    }
    op->tile = larger;
    op->tile_capacity = capacity;
    return WEIR_OK;
}

static void drop_kept(w_matrix_free *op)
{
    for (int64_t t = 0; t < op->tile_count; t++) {
        w_packed_free(op, &op->tile[t]);
    }
    w_free(op->ctx, op->tile);
    op->tile = NULL;
    op->tile_count = op->tile_capacity = 0;
    op->cached = false;
}

/* The batch's tiles: kept ones while they fit, else the workers' own. */
static weir_status place_batch(first_pass *f, int64_t tiles, int64_t *cache_left)
{
    w_matrix_free *op = f->op;
    weir_status status = op->cached ? reserve(op, tiles) : WEIR_OK;
    for (int64_t t = 0; status == WEIR_OK && op->cached && t < tiles; t++) { /* never in a later pass */
        int64_t rows = w_min64(W_TILE_ROWS, f->window->rows - f->start - t * W_TILE_ROWS);
        int64_t bytes = w_alloc_bytes(w_packed_bytes(op, rows)) + 2 * (int64_t)sizeof(w_packed);
        if (bytes > *cache_left) {
            drop_kept(op);
            break;
        }
        *cache_left -= bytes;
        status = w_packed_create(op, rows, &op->tile[op->tile_count]);
        op->tile_count += status == WEIR_OK;
    }
    for (int64_t t = 0; status == WEIR_OK && t < tiles; t++) {
        f->into[t] = op->cached ? &op->tile[op->tile_count - tiles + t] : &op->worker[t].packed;
    }
    return status;
}

static weir_status add_batch(const first_pass *f, double *table, int64_t batch)
{
    w_matrix_free *op = f->op;
    weir_status status = WEIR_OK;
    for (int64_t t = 0; status == WEIR_OK && t < batch; t++) {
        for (int i = 0; i < op->extra_count; i++) {
            op->extra[i] += op->extra[(t + 1) * op->extra_count + i];
        }
        status = w_blocks_add(op, table, f->into[t], 1);
    }
    return status == WEIR_OK ? w_check_cancel(op->ctx) : status;
}

static weir_status first_window(first_pass *f, double *table, int64_t *cache_left)
{
    w_matrix_free *op = f->op;
    weir_status status = WEIR_OK;
    int64_t batch = 0;
    for (f->start = 0; status == WEIR_OK && f->start < f->window->rows; f->start += batch * W_TILE_ROWS) {
        int64_t left = (f->window->rows - f->start + W_TILE_ROWS - 1) / W_TILE_ROWS;
        batch = w_min64(op->workers, left);
        bool serial = (double)(f->window->rows * w_matrix_free_row_values(op->design)) < SERIAL_WORK;
        status = place_batch(f, batch, cache_left);
        if (status == WEIR_OK) {
            status = share_out(op, serial, batch, evaluate_task, f);
        }
        for (int64_t t = 0; status == WEIR_OK && t < batch; t++) {
            op->used = (int)w_max64(op->used, w_min64(op->shards, f->into[t]->index + 1));
            op->sums.n += f->again ? 0 : f->counted[t];
            op->sums.log_weight += f->again ? 0.0 : f->log_weight[t];
        }
        status = status == WEIR_OK ? add_batch(f, table, batch) : status;
    }
    return status;
}

static weir_status first_rows(first_pass *f, double *table, int64_t cache_left)
{
    w_matrix_free *op = f->op;
    weir_status status = w_source_rewind(op->table);
    int64_t total = w_source_row_count(op->table);
    while (status == WEIR_OK) {
        w_window window;
        status = w_source_next(op->table, &window);
        if (status != WEIR_OK || window.rows == 0) {
            break;
        }
        f->window = &window;
        status = first_window(f, table, &cache_left);
        w_progress_rows(op->ctx, NULL, window.first_row + window.rows, total);
    }
    return status;
}

/* Kept tiles in row order. */
static weir_status kept_rows(first_pass *f, double *table)
{
    w_matrix_free *op = f->op;
    weir_status status = WEIR_OK;
    const bool serial = (double)op->sums.n * (double)w_matrix_free_row_values(op->design) < SERIAL_WORK;
    int64_t batch = 0;
    for (int64_t first = 0; status == WEIR_OK && first < op->tile_count; first += batch) {
        batch = w_min64(op->workers, op->tile_count - first);
        for (int64_t t = 0; t < batch; t++) {
            f->into[t] = &op->tile[first + t];
        }
        status = share_out(op, serial, batch, revisit_task, f);
        status = status == WEIR_OK ? add_batch(f, table, batch) : status;
    }
    return status;
}

static weir_status run_pass(w_matrix_free *op, bool again, bool blocks, int64_t cache_bytes)
{
    weir_ctx *ctx = op->ctx;
    first_pass f = { .op = op, .again = again };
    double *table = blocks ? w_calloc(ctx, "operator tables", (size_t)op->tables, sizeof *table) : NULL;
    const size_t workers = (size_t)op->workers;
    f.into = w_calloc(ctx, "operator", workers, sizeof *f.into);
    f.log_weight = w_calloc(ctx, "operator", workers, sizeof *f.log_weight);
    f.counted = w_calloc(ctx, "operator", workers, sizeof *f.counted);
    weir_status status = (table || !blocks) && f.into && f.log_weight && f.counted ? WEIR_OK : w_alloc_status(ctx);
    memset(op->extra, 0, (size_t)op->extra_count * sizeof *op->extra);
    if (status == WEIR_OK) {
        status = again && op->cached ? kept_rows(&f, table) : first_rows(&f, table, cache_bytes);
    }
    if (status == WEIR_OK) {
        status = w_blocks_finish(op, table);
    }
    w_free(ctx, f.counted);
    w_free(ctx, f.log_weight);
    w_free(ctx, f.into);
    w_free(ctx, table);
    return status;
}

weir_status w_tiles_first(w_matrix_free *op, int64_t cache_bytes)
{
    op->cached = cache_bytes > 0;
    weir_status status = run_pass(op, false, true, cache_bytes);
    op->sums.cached = op->cached;
    return status;
}

weir_status w_tiles_again(w_matrix_free *op, bool blocks)
{
    memset(op->sum, 0, (size_t)op->gammas * sizeof *op->sum);
    op->sums.weight = op->sums.weight_z = op->sums.zz = 0.0;
    return run_pass(op, true, blocks, 0);
}
