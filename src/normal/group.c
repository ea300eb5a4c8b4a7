/* SPDX-License-Identifier: Apache-2.0 */
/* A window is taken in batches of tiles. Workers write the rows of a batch out, the rows are sorted by block (stably), then workers
 * take whole blocks. Within a block rows of different groups go side by side as long as three groups have rows left; the rest of a
 * group that has many more rows than its neighbours goes alone, in the same bits. */
#include "normal/group.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

#define TAG "group sums"
#define BATCH_TILES 4      /* per worker where memory is free */
#define STEP_VALUES 4096   /* of a run of interleaved rows: 32 KiB, to stay in the near cache */

typedef struct worker {
    w_tile *tile;
    double *scratch;       /* w_dense_rows_scratch */
    double *steps;         /* interleaved rows */
    double *alone;         /* (p + 1) x stride */
    const double **row;    /* of one block: lane after lane */
} worker;

typedef struct batch {
    weir_ctx *ctx;
    const w_group_pass *pass;
    const w_batch_kernels *kernels;
    const w_window *window;
    int64_t start, rows, capacity; /* rows of the window */
    int64_t most;          /* rows of the next batch: see adapt */
    int64_t width, stride, step_rows;
    int workers;
    worker *worker;
    double *x, *weight, *z, *zero;
    int32_t *code;         /* group less the first of the pass; -1 = does not count */
    int32_t *order;        /* rows sorted by block */
    int32_t *count;        /* per block: rows, zero outside of a batch; then where its rows end */
    int32_t *touched;      /* blocks with rows */
    int64_t touched_count;
} batch;

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static weir_status tile_task(void *arg, int64_t task, int number)
{
    batch *b = arg;
    worker *w = &b->worker[number];
    const w_design *design = b->pass->design;
    const int64_t at = task * W_TILE_ROWS, rows = w_min64(W_TILE_ROWS, b->rows - at);
    weir_status status = w_tile_eval(design, b->window, b->start + at, rows, b->pass->request, w->tile);
    if (status < 0) {
        return status;
    }
    w_dense_rows_tile(b->pass->rows, w->tile, true, w->scratch, b->x + at * b->stride);
    const int64_t first = b->pass->first_block * W_BATCH, count = b->pass->block_count * W_BATCH, width = design->block[0].width;
    for (int64_t i = 0; i < rows; i++) {
        const int64_t group = w->tile->series[i] - first;
        const bool counts = w->tile->weight[i] > 0 && group >= 0 && group < count;
        b->code[at + i] = counts ? (int32_t)group : -1;
        b->weight[at + i] = w->tile->weight[i];
        b->z[at + i] = w->tile->block[0].value[(i + 1) * width - 1];
    }
    return WEIR_OK;
}

static void sort_rows(batch *b)
{
    b->touched_count = 0;
    for (int64_t i = 0; i < b->rows; i++) {
        if (b->code[i] >= 0) {
            int32_t *count = &b->count[b->code[i] / W_BATCH];
            if ((*count)++ == 0) {
                b->touched[b->touched_count++] = b->code[i] / W_BATCH;
            }
        }
    }
    int32_t place = 0;
    for (int64_t t = 0; t < b->touched_count; t++) {
        int32_t *count = &b->count[b->touched[t]], rows = *count;
        *count = place;
        place += rows;
    }
    for (int64_t i = 0; i < b->rows; i++) {
        if (b->code[i] >= 0) {
            b->order[b->count[b->code[i] / W_BATCH]++] = (int32_t)i;
        }
    }
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static void add_stats(const batch *b, int64_t i, w_group_stats *stats)
{
    const double weight = b->weight[i], z = b->z[i];
    stats->least = stats->n == 0 || z < stats->least ? z : stats->least;
    stats->most = stats->n == 0 || z > stats->most ? z : stats->most;
    stats->n++;
    stats->weight += weight;
    stats->weight_z += weight * z;
    stats->log_weight += weight != 1 ? log(weight) : 0.0;
}

static void add_alone(const batch *b, worker *w, int64_t rows, const double *const *row, int lane, double *sums)
{
    for (int64_t j = 0; j < b->width; j++) {
        for (int64_t i = 0; i <= j; i++) {
            w->alone[i * b->stride + j] = sums[(w_packed(j) + i) * W_BATCH + lane];
        }
    }
    b->kernels->gram_one(rows, row, b->width, b->stride, w->alone);
    for (int64_t j = 0; j < b->width; j++) {
        for (int64_t i = 0; i <= j; i++) {
            sums[(w_packed(j) + i) * W_BATCH + lane] = w->alone[i * b->stride + j];
        }
    }
}

static void add_together(const batch *b, worker *w, int64_t steps, const int64_t *count, const double *const *const *row, double *sums)
{
    for (int64_t first = 0; first < steps; first += b->step_rows) {
        const int64_t last = w_min64(steps, first + b->step_rows);
        for (int64_t t = first; t < last; t++) {
            const double *at[W_BATCH];
            for (int l = 0; l < W_BATCH; l++) {
                at[l] = t < count[l] ? row[l][t] : b->zero;
            }
            b->kernels->interleave(b->width, at, w->steps + (t - first) * b->width * W_BATCH);
        }
        b->kernels->gram(last - first, b->width, w->steps, sums);
    }
}

/* The third largest of eight. */
static int64_t third(const int64_t *count)
{
    int64_t most[3] = { 0, 0, 0 };
    for (int l = 0; l < W_BATCH; l++) {
        int64_t value = count[l];
        for (int k = 0; k < 3; k++) {
            if (value > most[k]) {
                const int64_t smaller = most[k];
                most[k] = value;
                value = smaller;
            }
        }
    }
    return most[2];
}

static weir_status block_task(void *arg, int64_t task, int number)
{
    batch *b = arg;
    worker *w = &b->worker[number];
    const int64_t block = b->touched[task], end = b->count[block], begin = task > 0 ? b->count[b->touched[task - 1]] : 0;
    int64_t count[W_BATCH] = { 0 };
    for (int64_t i = begin; i < end; i++) {
        count[b->code[b->order[i]] % W_BATCH]++;
    }
    const double **row[W_BATCH], **place = w->row;
    const double *const *lane[W_BATCH];
    for (int l = 0; l < W_BATCH; l++) {
        row[l] = place;
        lane[l] = place;
        place += count[l];
    }
    for (int64_t i = begin; i < end; i++) {
        const int64_t r = b->order[i];
        add_stats(b, r, &b->pass->stats[b->code[r]]);
        *row[b->code[r] % W_BATCH]++ = b->x + r * b->stride;
    }
    double *sums = b->pass->sums + block * w_group_block_doubles(b->width - 1);
    const int64_t steps = third(count);
    add_together(b, w, steps, count, lane, sums);
    for (int l = 0; l < W_BATCH; l++) {
        if (count[l] > steps) {
            add_alone(b, w, count[l] - steps, lane[l] + steps, l, sums);
        }
    }
    return WEIR_OK;
}

/* ---- the pass ---------------------------------------------------------------------------------------------------- */

static int64_t step_rows(int64_t width)
{
    return w_max64(4, STEP_VALUES / (width * W_BATCH));
}

static int64_t row_bytes(int64_t stride)
{
    return 8 * stride + 8 * 2 + 4 * 2;
}

static int64_t worker_bytes(const w_design *design)
{
    const int64_t width = design->p + 1, stride = w_dense_rows_stride(design);
    int64_t doubles = w_add64(w_dense_rows_scratch(design), w_mul64(step_rows(width), width * W_BATCH));
    doubles = w_add64(doubles, w_mul64(width, stride));
    return w_add64(w_tile_bytes(design), w_add64(w_mul64(doubles, 8), 512));
}

int64_t w_group_pass_bytes(const w_design *design, int workers)
{
    const int64_t rows = w_mul64(W_TILE_ROWS, w_add64(row_bytes(w_dense_rows_stride(design)), 8 * (int64_t)workers));
    return w_add64(w_mul64(workers, worker_bytes(design)), w_add64(rows, 4096));
}

static weir_status worker_open(batch *b, worker *w)
{
    const w_design *design = b->pass->design;
    w->scratch = w_alloc_array(b->ctx, TAG, (size_t)w_dense_rows_scratch(design), sizeof *w->scratch);
    w->steps = w_alloc_array(b->ctx, TAG, (size_t)(b->step_rows * b->width * W_BATCH), sizeof *w->steps);
    w->alone = w_calloc(b->ctx, TAG, (size_t)(b->width * b->stride), sizeof *w->alone);
    w->row = w_alloc_array(b->ctx, TAG, (size_t)b->capacity, sizeof *w->row);
    return w->scratch && w->steps && w->alone && w->row ? w_tile_create(b->ctx, design, &w->tile) : w_alloc_status(b->ctx);
}

static weir_status batch_open(batch *b)
{
    const int64_t room = w_ledger_free_bytes(b->ctx) / 4, tile = W_TILE_ROWS * (row_bytes(b->stride) + 8 * b->workers);
    b->capacity = W_TILE_ROWS * w_max64(1, w_min64((int64_t)BATCH_TILES * b->workers, room / tile));
    b->most = w_min64(b->capacity, (int64_t)W_TILE_ROWS * b->workers);
    const size_t rows = (size_t)b->capacity, blocks = (size_t)b->pass->block_count;
    b->worker = w_calloc(b->ctx, TAG, (size_t)b->workers, sizeof *b->worker);
    b->x = w_alloc_array(b->ctx, TAG, w_mul_size(rows, (size_t)b->stride), sizeof *b->x);
    b->weight = w_alloc_array(b->ctx, TAG, rows, sizeof *b->weight);
    b->z = w_alloc_array(b->ctx, TAG, rows, sizeof *b->z);
    b->zero = w_calloc(b->ctx, TAG, (size_t)b->stride, sizeof *b->zero);
    b->code = w_alloc_array(b->ctx, TAG, rows, sizeof *b->code);
    b->order = w_alloc_array(b->ctx, TAG, rows, sizeof *b->order);
    b->count = w_calloc(b->ctx, TAG, blocks, sizeof *b->count);
    b->touched = w_alloc_array(b->ctx, TAG, blocks, sizeof *b->touched);
    bool ok = b->worker && b->x && b->weight && b->z && b->zero && b->code && b->order && b->count && b->touched;
    weir_status status = ok ? WEIR_OK : w_alloc_status(b->ctx);
    for (int i = 0; status >= 0 && i < b->workers; i++) {
        status = worker_open(b, &b->worker[i]);
    }
    return status;
}

static void batch_close(batch *b)
{
    for (int i = 0; b->worker && i < b->workers; i++) {
        w_tile_free(b->ctx, b->worker[i].tile);
        w_free(b->ctx, b->worker[i].scratch);
        w_free(b->ctx, b->worker[i].steps);
        w_free(b->ctx, b->worker[i].alone);
        w_free(b->ctx, b->worker[i].row);
    }
    void *block[] = { b->worker, b->x, b->weight, b->z, b->zero, b->code, b->order, b->count, b->touched };
    for (size_t i = 0; i < sizeof block / sizeof *block; i++) {
        w_free(b->ctx, block[i]);
    }
}

/* Batches that stay in the near cache are best where the rows of a group lie together; where they do not, larger ones touch each
 * block's sums less often. */
static void adapt(batch *b)
{
    const int64_t sums = 2 * b->touched_count * w_group_block_doubles(b->width - 1);
    if (sums > b->rows * b->stride / 4) {
        b->most = w_min64(2 * b->most, b->capacity);
    }
}

static weir_status add_window(batch *b)
{
    weir_status status = WEIR_OK;
    for (b->start = 0; status >= 0 && b->start < b->window->rows; b->start += b->rows) {
        b->rows = w_min64(b->most, b->window->rows - b->start);
        status = w_pool_run(b->ctx, (b->rows + W_TILE_ROWS - 1) / W_TILE_ROWS, tile_task, b);
        if (status >= 0) {
            sort_rows(b);
            status = w_pool_run(b->ctx, b->touched_count, block_task, b);
            for (int64_t t = 0; t < b->touched_count; t++) {
                b->count[b->touched[t]] = 0;
            }
        }
        adapt(b);
        if (status >= 0) {
            status = w_check_cancel(b->ctx);
        }
    }
    return status;
}

weir_status w_group_accumulate(weir_ctx *ctx, const w_group_pass *pass)
{
    batch b = { .ctx = ctx, .pass = pass, .kernels = w_batch_choose(), .width = pass->design->p + 1,
                .stride = w_dense_rows_stride(pass->design), .workers = w_pool_workers(ctx) };
    b.step_rows = step_rows(b.width);
    weir_status status = batch_open(&b);
    if (status >= 0) {
        status = w_source_rewind(pass->table);
    }
    const int64_t total = w_source_row_count(pass->table);
    while (status >= 0) {
        w_window window;
        status = w_source_next(pass->table, &window);
        if (status < 0 || window.rows == 0) {
            break;
        }
        b.window = &window;
        status = add_window(&b);
        w_progress_rows(ctx, NULL, window.first_row + window.rows, total);
    }
    batch_close(&b);
    return status;
}

void w_group_clear(const w_group_pass *pass)
{
    memset(pass->sums, 0, (size_t)(pass->block_count * w_group_block_doubles(pass->design->p)) * sizeof *pass->sums);
    memset(pass->stats, 0, (size_t)(pass->block_count * W_BATCH) * sizeof *pass->stats);
}

weir_status w_group_gram(weir_ctx *ctx, int64_t p, const double *block, int lane, const w_group_stats *stats, w_gram **out)
{
    w_gram *gram = w_calloc(ctx, "gram", 1, sizeof *gram);
    if (!gram) {
        return w_alloc_status(ctx);
    }
    gram->ctx = ctx;
    gram->p = gram->core = p;
    gram->core_column = w_alloc_array(ctx, "gram", (size_t)p, sizeof *gram->core_column);
    gram->matrix = w_alloc_array(ctx, "gram", w_mul_size((size_t)p, (size_t)p), sizeof(double));
    gram->rhs = w_alloc_array(ctx, "gram", (size_t)p, sizeof(double));
    gram->column_sum = w_calloc(ctx, "gram", (size_t)p, sizeof(double));
    gram->extra = w_calloc(ctx, "gram", 1, sizeof(double));
    if (!gram->core_column || !gram->matrix || !gram->rhs || !gram->column_sum || !gram->extra) {
        w_gram_free(gram);
        return w_alloc_status(ctx);
    }
    for (int64_t j = 0, e = lane; j < p; j++) {
        gram->core_column[j] = j;
        for (int64_t i = 0; i <= j; i++, e += W_BATCH) {
            gram->matrix[i * p + j] = gram->matrix[j * p + i] = block[e];
        }
        gram->rhs[j] = block[(w_packed(p) + j) * W_BATCH + lane];
    }
    gram->zz = block[(w_packed(p) + p) * W_BATCH + lane];
    gram->n = stats->n;
    gram->weight_sum = stats->weight;
    gram->weight_z_sum = stats->weight_z;
    gram->log_weight_sum = stats->log_weight;
    *out = gram;
    return WEIR_OK;
}
