/* SPDX-License-Identifier: Apache-2.0 */
/* A window is taken in batches of tiles. Workers write the rows of a batch out and note *runs*, rows of one group that follow each
 * other; the runs are sorted by block (stably), then workers take whole blocks. A lane with many rows goes alone, row by row, with its
 * sums in registers; rows of different groups go side by side where each has few. Both ways give the same bits. A long run of a
 * model of one spline is summed in its local form first (group_local.h): as a run lies within a tile, this is a matter of the table alone. */
#include "normal/group.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "normal/group_local.h"

#define TAG "group sums"
#define BATCH_TILES 4      /* per worker where memory is free */
#define STEP_VALUES 4096   /* of a run of interleaved rows: 32 KiB, to stay in the near cache */

typedef struct run {
    int32_t code;          /* group less the first of the pass */
    int32_t first, rows;   /* in the batch */
} run;

typedef struct worker {
    w_tile *tile;
    double *scratch;       /* w_dense_rows_scratch, w_local_form_scratch */
    double *steps;         /* interleaved rows */
    double *alone;         /* stride x stride */
    const double **row;    /* of one block: lane after lane */
} worker;

typedef struct batch {
    weir_ctx *ctx;
    const w_group_pass *pass;
    w_tile_request request;
    const w_batch_kernels *kernels;
    const w_window *window;
    int64_t start, rows, capacity; /* rows of the window */
    int64_t most;          /* rows of the next batch: see adapt */
    int64_t width, stride, step_rows;
    int workers;
    worker *worker;
    double *x, *weight, *z, *zero;
    double *value;         /* with pass->working, else NULL */
    w_local_form *local;   /* or NULL; rows of long runs stand in x in this form */
    int64_t local_rows;    /* of such a run, at least */
    int32_t *cell;         /* of such rows */
    run *runs;             /* of tile t from t*W_TILE_ROWS on */
    int32_t *run_count;    /* per tile */
    int32_t *order;        /* runs sorted by block */
    int32_t *count;        /* per block: runs, zero outside of a batch; then where its runs end */
    int32_t *touched;      /* blocks with rows */
    int64_t touched_count;
} batch;

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Rows of one group that follow each other and have weight. */
static int32_t find_runs(const batch *b, const w_tile *tile, int64_t at, run *runs)
{
    const int32_t first = (int32_t)(b->pass->first_block * W_BATCH), count = (int32_t)(b->pass->block_count * W_BATCH);
    run open = { -1, 0, 0 };
    int32_t found = 0;
    for (int64_t i = 0; i < tile->rows; i++) {
        const int32_t group = tile->series[i] - first;
        const bool counts = tile->weight[i] > 0 && group >= 0 && group < count && !(b->pass->skip && b->pass->skip[group]);
        const int32_t code = counts ? group : -1;
        if (code != open.code) {
            if (open.code >= 0) {
                open.rows = (int32_t)(at + i) - open.first;
                runs[found++] = open;
            }
            open = (run){ code, (int32_t)(at + i), 0 };
        }
    }
    if (open.code >= 0) {
        open.rows = (int32_t)(at + tile->rows) - open.first;
        runs[found++] = open;
    }
    return found;
}

static bool is_local(const batch *b, const run *r) { return b->local && r->rows >= b->local_rows; }

static weir_status write_runs(batch *b, worker *w, int64_t at, const w_row_values *values, const run *runs, int32_t count)
{
    const double *z = w->tile->column[b->pass->design->block[0].width - 1];
    const bool whole = count > w->tile->rows / 16; /* many short ones */
    weir_status status = WEIR_OK;
    if (whole) {
        status = w_dense_rows_tile(b->pass->rows, w->tile, values, w->scratch, b->x + at * b->stride);
    }
    for (int32_t i = 0; status >= 0 && i < count; i++) {
        const int64_t first = runs[i].first - at;
        double *x = b->x + runs[i].first * b->stride;
        if (is_local(b, &runs[i])) {
            w_local_form_rows_of(b->local, w->tile, first, runs[i].rows, b->cell + runs[i].first, x);
            memcpy(values->weight + first, w->tile->weight + first, (size_t)runs[i].rows * sizeof(double));
            memcpy(values->z + first, z + first, (size_t)runs[i].rows * sizeof(double));
        } else if (!whole) {
            status = w_dense_rows_part(b->pass->rows, w->tile, first, runs[i].rows, values, w->scratch, x);
        }
    }
    return status;
}

static weir_status tile_task(void *arg, int64_t task, int number)
{
    batch *b = arg;
    worker *w = &b->worker[number];
    const int64_t at = task * W_TILE_ROWS, rows = w_min64(W_TILE_ROWS, b->rows - at);
    const w_row_values values = { b->weight + at, b->z + at, b->value ? b->value + at * W_ROW_VALUES : NULL, b->pass->working, b->pass->working_arg };
    weir_status status = w_tile_eval(b->pass->design, b->window, b->start + at, rows, &b->request, w->tile);
    if (status < 0) {
        return status;
    }
    run *runs = b->runs + at;
    const int32_t count = b->run_count[task] = find_runs(b, w->tile, at, runs);
    return write_runs(b, w, at, &values, runs, count);
}

static void sort_runs(batch *b)
{
    const int64_t tiles = (b->rows + W_TILE_ROWS - 1) / W_TILE_ROWS;
    b->touched_count = 0;
    for (int64_t t = 0; t < tiles; t++) {
        const run *runs = b->runs + t * W_TILE_ROWS;
        for (int32_t i = 0; i < b->run_count[t]; i++) {
            int32_t *count = &b->count[runs[i].code / W_BATCH];
            if ((*count)++ == 0) {
                b->touched[b->touched_count++] = runs[i].code / W_BATCH;
            }
        }
    }
    int32_t place = 0;
    for (int64_t t = 0; t < b->touched_count; t++) {
        int32_t *count = &b->count[b->touched[t]], runs = *count;
        *count = place;
        place += runs;
    }
    for (int64_t t = 0; t < tiles; t++) {
        const run *runs = b->runs + t * W_TILE_ROWS;
        for (int32_t i = 0; i < b->run_count[t]; i++) {
            b->order[b->count[runs[i].code / W_BATCH]++] = (int32_t)(t * W_TILE_ROWS) + i;
        }
    }
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

/* Eight partial sums by the position in the run: a run lies within a tile, so they do not depend on batches. */
static void add_stats(const batch *b, const run *r, w_group_stats *stats)
{
    const double *weight = b->weight + r->first, *z = b->z + r->first;
    double sum[W_BATCH] = { 0 }, product[W_BATCH] = { 0 }, least[W_BATCH], most[W_BATCH];
    bool logs = false;
    for (int l = 0; l < W_BATCH; l++) {
        least[l] = most[l] = z[0];
    }
    int64_t i = 0;
    for (; i + W_BATCH <= r->rows; i += W_BATCH) {
        for (int l = 0; l < W_BATCH; l++) {
            const double v = z[i + l], w = weight[i + l];
            sum[l] += w;
            product[l] += w * v;
            least[l] = v < least[l] ? v : least[l];
            most[l] = v > most[l] ? v : most[l];
            logs |= w != 1;
        }
    }
    for (int l = 0; i < r->rows; i++, l++) {
        sum[l] += weight[i];
        product[l] += weight[i] * z[i];
        least[l] = fmin(least[l], z[i]);
        most[l] = fmax(most[l], z[i]);
        logs |= weight[i] != 1;
    }
    for (int l = 0; l < W_BATCH; l++) {
        stats->weight += sum[l];
        stats->weight_z += product[l];
        stats->least = (stats->n == 0 && l == 0) || least[l] < stats->least ? least[l] : stats->least;
        stats->most = (stats->n == 0 && l == 0) || most[l] > stats->most ? most[l] : stats->most;
    }
    for (i = 0; logs && i < r->rows; i++) {
        stats->log_weight += weight[i] != 1 ? log(weight[i]) : 0.0;
    }
    for (i = 0; b->value && i < r->rows; i++) {
        stats->value[0] += b->value[(r->first + i) * W_ROW_VALUES];
        stats->value[1] += b->value[(r->first + i) * W_ROW_VALUES + 1];
    }
    stats->n += r->rows;
}

static void add_alone(const batch *b, worker *w, int64_t rows, const double *const *row, int lane, double *sums)
{
    memset(w->alone, 0, (size_t)(b->stride * b->stride) * sizeof *w->alone);
    for (int64_t j = 0; j < b->width; j++) {
        for (int64_t i = 0; i <= j; i++) {
            w->alone[i * b->stride + j] = sums[(w_packed(j) + i) * W_BATCH + lane];
        }
    }
    b->kernels->gram_one(rows, row, row, b->width, b->stride, w->alone);
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

/* How many rows of each lane go side by side: what takes least, counted in vector operations. A step side by side takes as many for
 * eight rows as for one; a row alone half a stride squared and more; a lane that goes alone has its sums fetched and put back. */
static int64_t choose_steps(const batch *b, const int64_t *count)
{
    const int64_t step = w_packed(b->width) + 3 * b->width, vectors = b->stride / W_BATCH, row = 4 * vectors * (vectors + 1) + 4;
    const int64_t fetch = 5 * w_packed(b->width);
    int64_t best = 0, least = INT64_MAX;
    for (int c = -1; c < W_BATCH; c++) {
        const int64_t steps = c < 0 ? 0 : count[c];
        int64_t cost = steps * step;
        for (int l = 0; l < W_BATCH; l++) {
            cost += count[l] > steps ? fetch + (count[l] - steps) * row : 0;
        }
        if (cost < least) {
            least = cost;
            best = steps;
        }
    }
    return best;
}

/* A lane with local runs: rows in their order, so that its sums do not depend on where batches end. */
static void add_lane(const batch *b, worker *w, int64_t begin, int64_t end, int lane, const double *const *row, double *sums)
{
    int64_t rows = 0;
    for (int64_t i = begin; i < end; i++) {
        const run *r = &b->runs[b->order[i]];
        if (r->code % W_BATCH != lane) {
            continue;
        }
        if (!is_local(b, r)) {
            rows += r->rows;
            continue;
        }
        if (rows > 0) {
            add_alone(b, w, rows, row, lane, sums);
            row += rows;
            rows = 0;
        }
        w_local_form_add(b->local, r->rows, b->cell + r->first, b->x + r->first * b->stride, w->scratch, lane, sums);
    }
    if (rows > 0) {
        add_alone(b, w, rows, row, lane, sums);
    }
}

static weir_status block_task(void *arg, int64_t task, int number)
{
    batch *b = arg;
    worker *w = &b->worker[number];
    const int64_t block = b->touched[task], end = b->count[block], begin = task > 0 ? b->count[b->touched[task - 1]] : 0;
    int64_t count[W_BATCH] = { 0 };
    bool local[W_BATCH] = { false };
    for (int64_t i = begin; i < end; i++) {
        const run *r = &b->runs[b->order[i]];
        count[r->code % W_BATCH] += is_local(b, r) ? 0 : r->rows;
        local[r->code % W_BATCH] |= is_local(b, r);
    }
    const double **row[W_BATCH], **place = w->row;
    const double *const *lane[W_BATCH];
    for (int l = 0; l < W_BATCH; l++) {
        row[l] = place;
        lane[l] = place;
        place += count[l];
    }
    for (int64_t i = begin; i < end; i++) {
        const run *r = &b->runs[b->order[i]];
        const double **to = row[r->code % W_BATCH], *x = b->x + r->first * b->stride;
        add_stats(b, r, &b->pass->stats[r->code]);
        if (!is_local(b, r)) {
            for (int32_t k = 0; k < r->rows; k++) {
                to[k] = x + k * b->stride;
            }
            row[r->code % W_BATCH] = to + r->rows;
        }
    }
    double *sums = b->pass->sums + block * w_group_block_doubles(b->width - 1);
    for (int l = 0; l < W_BATCH; l++) {
        if (local[l]) {
            add_lane(b, w, begin, end, l, lane[l], sums);
            count[l] = 0;
        }
    }
    const int64_t steps = choose_steps(b, count);
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
    return 8 * stride + 8 * (2 + W_ROW_VALUES) + 4 * 2 + (int64_t)sizeof(run);
}

static int64_t scratch_doubles(const w_design *design)
{
    return w_max64(w_dense_rows_scratch(design), w_local_form_scratch(design));
}

static int64_t worker_bytes(const w_design *design)
{
    const int64_t width = design->p + 1, stride = w_dense_rows_stride(design);
    int64_t doubles = w_add64(scratch_doubles(design), w_mul64(step_rows(width), width * W_BATCH));
    doubles = w_add64(doubles, w_mul64(stride, stride));
    return w_add64(w_tile_bytes(design), w_add64(w_mul64(doubles, 8), 512));
}

int64_t w_group_pass_bytes(const w_design *design, int workers)
{
    const int64_t rows = w_mul64(W_TILE_ROWS, w_add64(row_bytes(w_dense_rows_stride(design)), 8 * (int64_t)workers));
    return w_add64(w_mul64(workers, worker_bytes(design)), w_add64(rows, w_add64(w_local_form_bytes(design), 4096)));
}

static weir_status worker_open(batch *b, worker *w)
{
    const w_design *design = b->pass->design;
    w->scratch = w_alloc_array(b->ctx, TAG, (size_t)scratch_doubles(design), sizeof *w->scratch);
    w->steps = w_alloc_array(b->ctx, TAG, (size_t)(b->step_rows * b->width * W_BATCH), sizeof *w->steps);
    w->alone = w_alloc_array(b->ctx, TAG, (size_t)(b->stride * b->stride), sizeof *w->alone);
    w->row = w_alloc_array(b->ctx, TAG, (size_t)b->capacity, sizeof *w->row);
    return w->scratch && w->steps && w->alone && w->row ? w_tile_create(b->ctx, design, &w->tile) : w_alloc_status(b->ctx);
}

static weir_status batch_open(batch *b)
{
    const int64_t room = w_ledger_free_bytes(b->ctx) / 4, tile = W_TILE_ROWS * (row_bytes(b->stride) + 8 * b->workers);
    b->capacity = W_TILE_ROWS * w_max64(1, w_min64((int64_t)BATCH_TILES * b->workers, room / tile));
    b->most = w_min64(b->capacity, (int64_t)W_TILE_ROWS * b->workers);
    if (!b->pass->working) {
        weir_status status = w_local_form_create(b->ctx, b->pass->design, &b->local);
        if (status < 0) {
            return status;
        }
        b->local_rows = b->local ? w_local_form_rows(b->local) : 0;
    }
    const size_t rows = (size_t)b->capacity, blocks = (size_t)b->pass->block_count;
    b->worker = w_calloc(b->ctx, TAG, (size_t)b->workers, sizeof *b->worker);
    b->x = w_alloc_array(b->ctx, TAG, w_mul_size(rows, (size_t)b->stride), sizeof *b->x);
    b->weight = w_alloc_array(b->ctx, TAG, rows, sizeof *b->weight);
    b->z = w_alloc_array(b->ctx, TAG, rows, sizeof *b->z);
    b->zero = w_calloc(b->ctx, TAG, (size_t)b->stride, sizeof *b->zero);
    b->value = b->pass->working ? w_alloc_array(b->ctx, TAG, rows, W_ROW_VALUES * sizeof *b->value) : NULL;
    b->cell = b->local ? w_alloc_array(b->ctx, TAG, rows, sizeof *b->cell) : NULL;
    b->runs = w_alloc_array(b->ctx, TAG, rows, sizeof *b->runs);
    b->run_count = w_alloc_array(b->ctx, TAG, rows / W_TILE_ROWS, sizeof *b->run_count);
    b->order = w_alloc_array(b->ctx, TAG, rows, sizeof *b->order);
    b->count = w_calloc(b->ctx, TAG, blocks, sizeof *b->count);
    b->touched = w_alloc_array(b->ctx, TAG, blocks, sizeof *b->touched);
    bool ok = b->worker && b->x && b->weight && b->z && b->zero && (b->value || !b->pass->working) && (b->cell || !b->local) && b->runs && b->run_count && b->order && b->count && b->touched;
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
    w_local_form_free(b->local);
    void *block[] = { b->worker, b->x, b->weight, b->z, b->zero, b->value, b->cell, b->runs, b->run_count, b->order, b->count, b->touched };
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
            sort_runs(b);
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
    b.request = *pass->request;
    b.request.by_columns = true;
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

void w_group_clear_one(const w_group_pass *pass, int64_t group)
{
    const int64_t doubles = w_group_block_doubles(pass->design->p);
    double *sums = pass->sums + group / W_BATCH * doubles + group % W_BATCH;
    for (int64_t e = 0; e < doubles; e += W_BATCH) {
        sums[e] = 0;
    }
    pass->stats[group] = (w_group_stats){ .n = 0 };
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
