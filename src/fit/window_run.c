/* SPDX-License-Identifier: Apache-2.0 */
/* The pass over the rows. Tiles are written out into a buffer of rows; whole blocks of it are taken in batches, each in four steps
 * whose tasks threads share:
 *
 *   sums       cross-products of the batch's blocks, eight side by side            (normal/window_blocks.h)
 *   windows    sums of windows between blocks, a run of entries to a task          (normal/window_sums.h)
 *   fits       beta, scale and so on of eight windows side by side                 (fit/group_solve.c)
 *   rows       x_i'beta + offset_i of the batch's rows, each with the last window before it
 *
 * Rows of a block that is not whole are carried over. Nothing grows with the number of rows. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "fit/window_parts.h"
#include "plan/route_memory.h"
#include "table/table.h"

#define TAG "windows"
#define BATCH_BYTES (1 << 20) /* of sums in flight where memory is free: what a cache of the second level holds beside the run's */
#define BATCH_LEAST W_BATCH
#define LANES_MOST 256        /* columns up to which eight systems side by side are faster than tiles of one */

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static int64_t blocks_a_step(const w_window_shape *shape)
{
    const int64_t part = shape->length % shape->step, whole = W_WINDOW_BLOCK_ROWS;
    return (part + whole - 1) / whole + (shape->step - part + whole - 1) / whole;
}

/* At most two blocks to a window: of a step with more of them several batches are made. */
static int64_t most_blocks(const w_window_shape *shape, int64_t batch)
{
    return batch * w_min64(2, blocks_a_step(shape));
}

static int64_t worker_bytes(const w_design *design)
{
    const int64_t room = w_max64(w_window_block_room(design->p), W_TILE_ROWS);
    const int64_t arrays = w_add64(w_alloc_bytes(w_mul64(w_dense_rows_scratch(design), 8)), w_alloc_bytes(w_mul64(room, 8)));
    return w_add64(w_tile_bytes(design), w_add64(arrays, (int64_t)sizeof(w_window_worker)));
}

static int64_t capacity_of(int workers)
{
    return (int64_t)W_TILE_ROWS * workers + W_WINDOW_BLOCK_ROWS;
}

/* Whatever the batch. */
static int64_t fixed_bytes(const w_design *design, const w_window_shape *shape, int workers)
{
    const int64_t stride = w_round_up64(w_add64(design->p, 1), W_BATCH), rows = capacity_of(workers);
    int64_t total = w_rolling_bytes(shape, w_window_entries(design->p));
    total = w_add64(total, w_mul64(rows, w_add64(w_mul64(stride, 8), 5 * 8 + 1)) + 16 * 128);
    total = w_add64(total, w_mul64(workers, worker_bytes(design)));
    total = w_add64(total, w_dense_rows_bytes(design));
    total = w_add64(total, w_group_task_bytes(design->p, design->sp_count, workers));
    return w_add64(total, w_mul64(w_add64(w_mul64(2, design->p), 2 * (int64_t)design->sp_count), 8) + 65536);
}

int64_t w_window_bytes(const w_design *design, const w_window_shape *shape, int workers, int64_t batch)
{
    const int64_t entries = w_mul64(w_window_entries(design->p), 8), blocks = most_blocks(shape, batch);
    const int64_t block = (int64_t)(sizeof(w_window_block) + sizeof(int32_t) + sizeof(w_group_stats));
    int64_t total = w_mul64(blocks, w_add64(entries, block));
    total = w_add64(total, w_mul64(batch, w_add64(entries, (int64_t)(sizeof(w_group_stats) + sizeof(w_window_test)))));
    total = w_add64(total, w_groups_bytes(batch, design->p, design->sp_count, true));
    return w_add64(total, fixed_bytes(design, shape, workers));
}

/* Rows of the waterfall's formula for one window: those of its step, and in their coin its results and statistics. */
static int64_t rows_each(const w_window_shape *shape) { return w_add64(shape->step, 32); }

int64_t w_window_batch(const w_design *design, const w_window_shape *shape, int workers, int64_t room)
{
    static const w_memory_shares shares = W_MEMORY_SHARES;
    const w_memory_state state = { .free_bytes = room, .threads = workers };
    const int64_t sums = w_mul64(3, w_mul64(w_window_entries(design->p), 8));
    const int64_t wanted = w_max64(w_min64(BATCH_BYTES / sums, 1024), (int64_t)W_BATCH * workers) / W_BATCH * W_BATCH;
    const int64_t fixed = fixed_bytes(design, shape, workers);
    const int64_t batch = w_safe_window_batch(wanted, rows_each(shape), design->p + 1, fixed, &shares, &state);
    return batch / W_BATCH * W_BATCH;
}

int64_t w_window_least_room(const w_design *design, const w_window_shape *shape, int workers)
{
    static const w_memory_shares shares = W_MEMORY_SHARES;
    const int64_t width = design->p + 1;
    const int64_t each = w_mul64(8, w_add64(w_mul64(rows_each(shape), width), w_mul64(2, w_mul64(width, width))));
    const int64_t bytes = w_add64(fixed_bytes(design, shape, workers), w_mul64(BATCH_LEAST, each));
    return bytes == INT64_MAX ? bytes : (int64_t)((double)bytes / shares.window.host) + 4096;
}

/* ---- making and freeing ------------------------------------------------------------------------------------------ */

static weir_status open_workers(w_window_job *j)
{
    const size_t room = (size_t)w_max64(w_window_block_room(j->p), W_TILE_ROWS);
    j->worker = w_calloc(j->ctx, TAG, (size_t)j->workers, sizeof *j->worker);
    weir_status status = j->worker ? WEIR_OK : w_alloc_status(j->ctx);
    for (int i = 0; status >= 0 && i < j->workers; i++) {
        w_window_worker *w = &j->worker[i];
        w->scratch = w_alloc_array(j->ctx, TAG, (size_t)w_dense_rows_scratch(j->design), sizeof *w->scratch);
        w->room = w_alloc_array(j->ctx, TAG, room, sizeof *w->room);
        status = w->scratch && w->room ? w_tile_create(j->ctx, j->design, &w->tile) : w_alloc_status(j->ctx);
    }
    return status;
}

static weir_status open_rows(w_window_job *j)
{
    const size_t rows = (size_t)capacity_of(j->workers), p = (size_t)j->p, m = (size_t)j->design->sp_count + 1;
    w_window_lines *l = &j->base;
    l->x = w_alloc_array(j->ctx, TAG, w_mul_size(rows, (size_t)j->stride), sizeof(double));
    l->weight = w_alloc_array(j->ctx, TAG, rows, sizeof(double));
    l->offset = w_alloc_array(j->ctx, TAG, rows, sizeof(double));
    l->response = w_alloc_array(j->ctx, TAG, rows, sizeof(double));
    l->missing = w_alloc_array(j->ctx, TAG, rows, 1);
    j->fit = w_alloc_array(j->ctx, TAG, rows, sizeof *j->fit);
    j->by = w_alloc_array(j->ctx, TAG, rows, sizeof *j->by);
    j->last.beta = w_alloc_array(j->ctx, TAG, p, sizeof(double));
    j->last.std_error = w_alloc_array(j->ctx, TAG, p, sizeof(double));
    j->last.sp = w_alloc_array(j->ctx, TAG, m, sizeof(double));
    j->rho = w_alloc_array(j->ctx, TAG, m, sizeof(double));
    j->last.window.index = -1;
    j->at = j->base;
    return l->x && l->weight && l->offset && l->response && l->missing && j->fit && j->by && j->last.beta && j->last.std_error &&
                   j->last.sp && j->rho
               ? WEIR_OK
               : w_alloc_status(j->ctx);
}

static weir_status open_batch(w_window_job *j)
{
    const size_t batch = (size_t)j->pass->batch, entries = (size_t)j->entries;
    j->most_blocks = most_blocks(&j->shape, j->pass->batch);
    const size_t blocks = (size_t)j->most_blocks;
    j->block = w_alloc_array(j->ctx, TAG, blocks, sizeof *j->block);
    j->order = w_alloc_array(j->ctx, TAG, blocks, sizeof *j->order);
    j->block_stats = w_calloc(j->ctx, TAG, blocks, sizeof *j->block_stats);
    j->window_stats = w_calloc(j->ctx, TAG, batch, sizeof *j->window_stats);
    j->test = w_calloc(j->ctx, TAG, batch, sizeof *j->test);
    j->sums = w_alloc_array(j->ctx, TAG, w_mul_size(blocks, entries), sizeof *j->sums);
    j->window = w_alloc_array(j->ctx, TAG, w_mul_size(batch, entries), sizeof *j->window);
    return j->block && j->order && j->block_stats && j->window_stats && j->test && j->sums && j->window
               ? WEIR_OK
               : w_alloc_status(j->ctx);
}

/* Beside smoothing parameters that are given. */
static weir_status open_fits(w_window_job *j)
{
    weir_windows *result = j->result;
    w_design *design = result->design;
    weir_status status = w_groups_create_count(j->ctx, design, j->pass->batch, true, &j->fits);
    if (status < 0) {
        return status;
    }
    j->fits->criterion = result->criterion;
    j->fits->estimated = result->estimated;
    j->fits->each = result->each && result->estimated;
    status = w_group_task_create(j->ctx, j->fits, j->pass->options, &j->task);
    j->task.alone = j->p > LANES_MOST;
    j->task.coefficients_only = !j->pass->how->std_errors;
    if (status >= 0 && !result->estimated) {
        j->known = true;
        for (int m = 0; m < design->sp_count; m++) {
            j->rho[m] = log(design->sp_fixed[m]);
            result->sp[m] = design->sp_fixed[m];
        }
        w_group_task_at(&j->task, j->rho);
    }
    return status;
}

static void close_job(w_window_job *j)
{
    w_group_task_free(&j->task);
    if (j->fits) {
        j->fits->design = NULL;
        w_groups_free(j->fits);
    }
    w_rolling_free(j->rolling);
    w_dense_rows_free(j->dense);
    for (int i = 0; j->worker && i < j->workers; i++) {
        w_tile_free(j->ctx, j->worker[i].tile);
        w_free(j->ctx, j->worker[i].scratch);
        w_free(j->ctx, j->worker[i].room);
    }
    void *const block[] = { j->worker, j->base.x, j->base.weight, j->base.offset, j->base.response, j->base.missing, j->fit, j->by,
                            j->last.beta, j->last.std_error, j->last.sp, j->rho, j->block, j->order, j->block_stats,
                            j->window_stats, j->test, j->sums, j->window };
    for (size_t i = 0; i < sizeof block / sizeof *block; i++) {
        w_free(j->ctx, block[i]);
    }
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

static weir_status read_window(w_window_job *j, const w_window *window)
{
    weir_status status = WEIR_OK;
    j->reading = window;
    for (j->reading_at = 0; status >= 0 && j->reading_at < window->rows;) {
        status = w_window_read(j);
        if (status >= 0) {
            status = w_window_batches(j, false);
        }
        if (status >= 0) {
            status = w_check_cancel(j->ctx);
        }
    }
    return status;
}

static weir_status read_table(w_window_job *j)
{
    weir_table *table = j->pass->table;
    const int64_t total = w_source_row_count(table);
    weir_status status = w_source_rewind(table);
    while (status >= 0) {
        w_window window;
        status = w_source_next(table, &window);
        if (status < 0 || window.rows == 0) {
            break;
        }
        status = read_window(j, &window);
        w_progress_rows(j->ctx, NULL, window.first_row + window.rows, total);
    }
    if (status >= 0) {
        status = w_window_batches(j, true);
    }
    return status < 0 ? status : w_window_deliver_last(j);
}

weir_status w_window_run(weir_ctx *ctx, const w_window_pass *pass, weir_windows *result)
{
    const w_design *design = result->design;
    w_window_job j = { .ctx = ctx, .pass = pass, .result = result, .design = design, .shape = result->shape, .p = design->p,
                       .stride = w_dense_rows_stride(design), .entries = w_window_entries(design->p), .workers = w_pool_workers(ctx) };
    j.request = (w_tile_request){ .missing = pass->options->missing, .training = true, .by_columns = true };
    j.request_all = (w_tile_request){ .missing = WEIR_MISSING_DROP, .training = true, .by_columns = true, .predict = true,
                                      .unseen_missing = true };
    result->batch = pass->batch;
    weir_status status = w_dense_rows_create(ctx, design, &j.dense);
    if (status >= 0) {
        status = open_workers(&j);
    }
    if (status >= 0) {
        status = open_rows(&j);
    }
    if (status >= 0) {
        status = w_rolling_create(ctx, &j.shape, j.entries, &j.rolling);
    }
    if (status >= 0) {
        status = open_batch(&j);
    }
    if (status >= 0) {
        status = open_fits(&j);
    }
    if (status >= 0) {
        w_progress_phase(ctx, "windows");
        status = read_table(&j);
    }
    close_job(&j);
    return status;
}
