/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over a table. A window of rows is cut at multiples of the shard; the pieces are added in one of two ways
 * that differ in speed and memory, not in bits:
 *   by shard   workers take whole pieces, each with its own accumulator
 *   by pair    one piece at a time: workers evaluate a batch of chunks, meet, then share out the pairs of blocks
 * The second serves windows with few pieces and accumulators too large to have several. A piece that ends inside a shard
 * hands its accumulator on to the next window, the last one to the tail of the run. */
#include <string.h>

#include "base/size.h"
#include "normal/ar1.h"
#include "normal/runs.h"

/* Below this many predicted seconds a window is not worth waking the workers. */
#define SERIAL_SECONDS 150e-6
/* By pair: share of the workers' time lost by meeting twice per batch and by unequal pairs. */
#define MEETING_LOSS 0.8

typedef struct worker {
    w_tile *tile;
    w_adder *adder;
    w_lag *lag;           /* where neighbouring rows are correlated, else NULL */
    double *extra, *prior;
    bool prior_unit;
} worker;

typedef struct piece {
    int64_t first, last; /* absolute rows */
    int64_t next;        /* the first row that is not in `acc`: whole chunks are added or nothing */
    double *acc;
    bool done;           /* closed */
} piece;

typedef struct pass {
    w_sums *sums;
    const w_pass_options *options;
    w_run run;
    pthread_mutex_t lock; /* of run.node */
    double *carry;        /* accumulator of the shard left open by the last window */
    int workers;
    worker *worker;
    w_window window;
    int64_t window_first; /* absolute row of the window */
    piece *piece;
    int piece_count, piece_capacity;
    w_lag_row carried, next_carried; /* the last row that counts of the windows before; room for that of this one */
    piece *current;       /* by pair */
    int64_t batch_first, batch_count;
} pass;

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Evaluates rows [first, last) of one chunk; the prior weights are kept aside where a callback may change them. */
static weir_status evaluate(pass *p, worker *w, int64_t first, int64_t last)
{
    const w_pass_options *o = p->options;
    const w_design *design = p->sums->design;
    weir_status status = w_check_cancel(p->sums->ctx);
    if (status == WEIR_OK) {
        status = w_tile_eval(design, &p->window, first - p->window_first, last - first, o->request, w->tile);
    }
    if (status == WEIR_OK && w->lag) {
        status = w_lag_prepare(w->lag, &p->window, first - p->window_first, o->request, &p->carried, w->tile);
    }
    if (status != WEIR_OK || !o->working) {
        return status;
    }
    memcpy(w->prior, w->tile->weight, (size_t)w->tile->rows * sizeof *w->prior);
    memset(w->extra, 0, (size_t)o->extra_count * sizeof *w->extra);
    bool unit = w->tile->unit_weight;
    status = o->working(o->working_arg, design, w->tile, w->extra);
    w->prior_unit = unit;
    w->tile->unit_weight = false;
    return status;
}

static void add_scalars(const pass *p, const worker *w, double *acc)
{
    bool unit = p->options->working ? w->prior_unit : w->tile->unit_weight;
    const double *weight = unit ? NULL : p->options->working ? w->prior : w->tile->weight;
    w_adder_weights(p->sums->plan, weight, w->tile->rows, acc);
    for (int i = 0; p->options->working && i < p->options->extra_count; i++) {
        acc[p->sums->plan->extra_offset + i] += w->extra[i];
    }
}

static void worker_close(weir_ctx *ctx, worker *w)
{
    w_tile_free(ctx, w->tile);
    w_adder_free(ctx, w->adder);
    w_lag_free(ctx, w->lag);
    w_free(ctx, w->extra);
    w_free(ctx, w->prior);
    *w = (worker){ 0 };
}

static int64_t chunk_end(const pass *p, int64_t row, int64_t last)
{
    int64_t chunk = p->sums->plan->chunk_rows;
    return w_min64(last, (row / chunk + 1) * chunk);
}

/* The first row from `row` on that is in the sample. */
static int64_t sampled(const pass *p, int64_t row)
{
    int64_t step = p->options->tile_step, tile = row / W_TILE_ROWS;
    return step <= 1 || tile % step == 0 ? row : (tile / step + 1) * step * W_TILE_ROWS;
}

/* Workers that share a window: fewer than were opened once memory has run short. */
static int sharing(const pass *p)
{
    return (int)w_min64(p->workers, w_pool_workers(p->sums->ctx));
}

static weir_status piece_open(pass *p, piece *piece)
{
    if (piece->first % p->sums->plan->shard_rows != 0) {
        piece->acc = p->carry;
        p->carry = NULL;
        return WEIR_OK;
    }
    piece->acc = w_bank_take(&p->sums->bank);
    if (!piece->acc) {
        return w_alloc_status(p->sums->ctx);
    }
    w_accumulator_clear(p->sums->plan, piece->acc);
    return WEIR_OK;
}

/* A complete shard goes to the tree, where each worker may be about to put one; only the last piece of a window can be
 * incomplete. */
static weir_status piece_close(pass *p, piece *piece)
{
    const w_pairs *plan = p->sums->plan;
    if (piece->last % plan->shard_rows != 0) {
        piece->done = true;
        return WEIR_OK;
    }
    pthread_mutex_lock(&p->lock);
    weir_status status = p->run.node_count + p->workers < p->run.node_capacity ? WEIR_OK
        : w_run_reserve_nodes(p->sums->ctx, &p->run, 2 * p->run.node_capacity + p->workers + 16);
    pthread_mutex_unlock(&p->lock);
    if (status == WEIR_OK) {
        w_accumulator_close(plan, piece->acc);
        piece->done = true;
        w_run_insert(p->sums, &p->run, &p->lock, (w_node){ 0, piece->first / plan->shard_rows, piece->acc });
        piece->acc = NULL;
    }
    return status;
}

static void add_lagged(const pass *p, worker *w, double *acc)
{
    if (w->lag) {
        w_lag_fill(w->lag, w->tile);
        for (int g = 0; g < p->sums->plan->lag->group_count; g++) {
            w_lag_group(w->lag, g, w_lag_index(w->lag), acc);
        }
        w_lag_ends(w->lag, w->adder, w->tile, acc);
    }
}

/* ---- by shard ---------------------------------------------------------------------------------------------------- */

static weir_status shard_task(void *arg, int64_t task, int number)
{
    pass *p = arg;
    piece *piece = &p->piece[task];
    worker *w = &p->worker[number];
    if (piece->done) {
        return WEIR_OK;
    }
    weir_status status = piece->acc ? WEIR_OK : piece_open(p, piece);
    for (int64_t row = sampled(p, piece->next), end; status == WEIR_OK && row < piece->last; row = sampled(p, end)) {
        end = chunk_end(p, row, piece->last);
        status = evaluate(p, w, row, end);
        if (status == WEIR_OK) {
            add_scalars(p, w, piece->acc);
            w_adder_tile(w->adder, w->tile, piece->acc);
            add_lagged(p, w, piece->acc);
            piece->next = end;
        }
    }
    return status == WEIR_OK ? piece_close(p, piece) : status;
}

/* ---- by pair ------------------------------------------------------------------------------------------------------ */

static weir_status fill_task(void *arg, int64_t task, int number)
{
    (void)number;
    pass *p = arg;
    worker *w = &p->worker[task];
    int64_t first = p->batch_first;
    for (int64_t i = 0; i < task; i++) {
        first = sampled(p, chunk_end(p, first, p->current->last));
    }
    weir_status status = evaluate(p, w, first, chunk_end(p, first, p->current->last));
    if (status == WEIR_OK) {
        w_adder_fill(w->adder, w->tile, 0, w->tile->rows);
        if (w->lag) {
            w_lag_fill(w->lag, w->tile);
        }
    }
    return status;
}

static weir_status pair_task(void *arg, int64_t task, int number)
{
    pass *p = arg;
    int32_t *index = w_adder_index(p->worker[number].adder);
    const int own = p->sums->plan->group_count;
    for (int64_t i = 0; i < p->batch_count; i++) {
        if (task < own) {
            w_adder_group(p->worker[i].adder, (int)task, index, p->current->acc);
        } else {
            w_lag_group(p->worker[i].lag, (int)task - own, index, p->current->acc);
        }
    }
    return WEIR_OK;
}

static weir_status piece_by_pair(pass *p, piece *piece)
{
    weir_ctx *ctx = p->sums->ctx;
    const int workers = sharing(p);
    p->current = piece;
    if (piece->done) {
        return WEIR_OK;
    }
    weir_status status = piece->acc ? WEIR_OK : piece_open(p, piece);
    for (int64_t row = sampled(p, piece->next); status == WEIR_OK && row < piece->last;) {
        int64_t end = row;
        for (p->batch_count = 0; p->batch_count < workers && end < piece->last; p->batch_count++) {
            end = sampled(p, chunk_end(p, end, piece->last));
        }
        p->batch_first = row;
        status = w_pool_run(ctx, p->batch_count, fill_task, p);
        if (status == WEIR_OK) {
            for (int64_t i = 0; i < p->batch_count; i++) {
                add_scalars(p, &p->worker[i], piece->acc);
            }
            const w_pairs *lag = p->sums->plan->lag;
            status = w_pool_run(ctx, p->sums->plan->group_count + (lag ? lag->group_count : 0), pair_task, p);
        }
        for (int64_t i = 0; status == WEIR_OK && p->worker[0].lag && i < p->batch_count; i++) {
            w_lag_ends(p->worker[i].lag, p->worker[i].adder, p->worker[i].tile, piece->acc);
        }
        if (status == WEIR_OK) {
            piece->next = row = end;
        }
    }
    return status == WEIR_OK ? piece_close(p, piece) : status;
}

/* ---- windows ------------------------------------------------------------------------------------------------------ */

/* Rows before the first shard of the run are kept. */
static weir_status keep_head(pass *p, int64_t first, int64_t last)
{
    const w_design *design = p->sums->design;
    worker *w = &p->worker[0];
    w_raw *head = &p->run.head;
    weir_status status = WEIR_OK;
    if (head->rows + last - first > head->capacity) {
        int64_t room = w_min64(w_max64(2 * head->capacity, head->rows + last - first), p->sums->plan->shard_rows);
        status = w_raw_reserve(p->sums->ctx, design, head, room);
    }
    for (int64_t row = first, end; status == WEIR_OK && row < last; row = end) {
        end = chunk_end(p, row, last);
        status = evaluate(p, w, row, end);
        if (status == WEIR_OK) {
            w_raw_append(design, head, w->tile, p->options->working ? w->prior : NULL);
        }
    }
    return status;
}

static weir_status cut(pass *p, int64_t first, int64_t last)
{
    int64_t shard = p->sums->plan->shard_rows, count = last / shard - first / shard + 1;
    if (count > p->piece_capacity) {
        piece *larger = w_realloc(p->sums->ctx, "gram pieces", p->piece, (size_t)count * sizeof *larger);
        if (!larger) {
            return w_alloc_status(p->sums->ctx);
        }
        p->piece = larger;
        p->piece_capacity = (int)count;
    }
    p->piece_count = 0;
    for (int64_t row = first; row < last;) {
        int64_t end = w_min64(last, (row / shard + 1) * shard);
        p->piece[p->piece_count++] = (piece){ row, end, row, NULL, false };
        row = end;
    }
    return WEIR_OK;
}

/* Predicted times of the two ways, in rows of one worker; and whether the accumulators fit. */
static bool by_shard(const pass *p, int64_t rows)
{
    const w_pairs *plan = p->sums->plan;
    int64_t workers = sharing(p), rounds = (p->piece_count + workers - 1) / workers;
    if (workers == 1 || (double)rows * plan->row_seconds < SERIAL_SECONDS) {
        return true;
    }
    if (p->sums->ctx->lean) {
        return false;
    }
    int64_t longest = w_max64(rows / workers, w_min64(rounds * plan->shard_rows, rows));
    int64_t held = w_mul64(w_min64(workers, p->piece_count) + 2, w_alloc_bytes(plan->total_count * 8));
    return (double)longest <= (double)rows / ((double)workers * MEETING_LOSS) &&
           held <= w_ledger_free_bytes(p->sums->ctx) / 2;
}

static weir_status add_pieces_once(pass *p, int64_t rows)
{
    weir_ctx *ctx = p->sums->ctx;
    weir_status status = WEIR_OK;
    if (!by_shard(p, rows)) {
        for (int i = 0; status == WEIR_OK && i < p->piece_count; i++) {
            status = piece_by_pair(p, &p->piece[i]);
        }
        return status;
    }
    if (!p->piece[0].acc && !p->piece[0].done) {
        status = piece_open(p, &p->piece[0]); /* the only one that may go on with an accumulator */
    }
    if (status == WEIR_OK && (double)rows * p->sums->plan->row_seconds >= SERIAL_SECONDS) {
        return w_pool_run(ctx, p->piece_count, shard_task, p);
    }
    for (int i = 0; status == WEIR_OK && i < p->piece_count; i++) {
        status = shard_task(p, i, 0);
    }
    return status;
}

/* Scratch of workers that share no more. */
static void give_up_workers(pass *p)
{
    for (int i = sharing(p); i < p->workers; i++) {
        worker_close(p->sums->ctx, &p->worker[i]);
    }
    p->workers = sharing(p);
    w_bank_drain(&p->sums->bank);
}

/* Short of memory the window goes on at the first chunk of each shard that is not added: no row counts twice. */
static weir_status add_pieces(pass *p, int64_t rows)
{
    weir_status status = add_pieces_once(p, rows);
    while (status < 0 && w_recover(p->sums->ctx, W_RECOVER_RESUME, status)) {
        give_up_workers(p);
        status = add_pieces_once(p, rows);
    }
    return status;
}

/* The accumulator of an unfinished shard goes on to the next window; after a failure the others are given back. */
static void pieces_end(pass *p)
{
    for (int i = 0; i < p->piece_count; i++) {
        if (i + 1 == p->piece_count) {
            p->carry = p->piece[i].acc;
        } else {
            w_bank_give(&p->sums->bank, p->piece[i].acc);
        }
    }
    p->piece_count = 0;
}

static weir_status add_window(pass *p)
{
    int64_t first = p->window_first, last = first + p->window.rows;
    if (first != p->run.last) {
        return w_fail(p->sums->ctx, WEIR_E_INTERNAL, "the table yields row %lld where row %lld is due",
                      (long long)first, (long long)p->run.last);
    }
    int64_t head_end = p->run.continues ? p->run.first : w_round_up64(p->run.first, p->sums->plan->shard_rows);
    weir_status status = WEIR_OK;
    if (first < head_end) {
        int64_t end = w_min64(last, head_end);
        status = keep_head(p, first, end);
        first = end;
    }
    if (status == WEIR_OK && first < last) {
        status = cut(p, first, last);
        if (status == WEIR_OK) {
            status = add_pieces(p, last - first);
            pieces_end(p);
        }
    }
    if (status == WEIR_OK && p->worker[0].lag) {
        status = w_lag_find(p->worker[0].lag, &p->window, p->window.rows, p->options->request, &p->carried, &p->next_carried);
        const w_lag_row found = p->next_carried;
        p->next_carried = p->carried;
        p->carried = found;
    }
    p->run.last = last;
    return status;
}

/* ---- the pass ------------------------------------------------------------------------------------------------------ */

static void pass_close(pass *p)
{
    weir_ctx *ctx = p->sums->ctx;
    for (int i = 0; p->worker && i < p->workers; i++) {
        worker_close(ctx, &p->worker[i]);
    }
    w_lag_row_free(ctx, &p->carried);
    w_lag_row_free(ctx, &p->next_carried);
    w_free(ctx, p->worker);
    w_free(ctx, p->piece);
    w_free(ctx, p->carry);
    w_run_free(p->sums, &p->run);
    w_bank_drain(&p->sums->bank);
    pthread_mutex_destroy(&p->lock);
}

static weir_status worker_open(pass *p, worker *w)
{
    weir_ctx *ctx = p->sums->ctx;
    weir_status status = w_tile_create(ctx, p->sums->design, &w->tile);
    if (status == WEIR_OK) {
        status = w_adder_create(ctx, p->sums->plan, &w->adder);
    }
    if (status == WEIR_OK && p->sums->plan->lag) {
        status = w_lag_create(ctx, p->sums->plan, &w->lag);
    }
    if (status == WEIR_OK && p->options->working) {
        w->extra = w_alloc_array(ctx, "gram scratch", (size_t)p->options->extra_count, sizeof *w->extra);
        w->prior = w_alloc_array(ctx, "gram scratch", W_TILE_ROWS, sizeof *w->prior);
        status = w->extra && w->prior ? WEIR_OK : w_alloc_status(ctx);
    }
    return status;
}

/* Goes on where a run of the sums ends inside a shard. */
static weir_status carry_open(pass *p)
{
    w_sums *sums = p->sums;
    for (int i = 0; i < sums->run_count; i++) {
        if (sums->run[i].last == p->run.first && sums->run[i].tail) {
            p->carry = w_bank_take(&sums->bank);
            if (!p->carry) {
                return w_alloc_status(sums->ctx);
            }
            memcpy(p->carry, sums->run[i].tail, (size_t)sums->plan->total_count * sizeof *p->carry);
            p->run.continues = true;
        }
    }
    return WEIR_OK;
}

/* Every row needs the one before it: the rows come all at once or not at all. */
static weir_status lag_open(pass *p)
{
    w_sums *sums = p->sums;
    const w_pass_options *o = p->options;
    if (p->run.first != 0 || sums->run_count > 0 || o->working || o->tile_step > 1) {
        return w_fail(sums->ctx, WEIR_E_ARG, "AR(1) residuals need all rows in one pass");
    }
    weir_status status = w_lag_row_create(sums->ctx, sums->design, &p->carried);
    if (status == WEIR_OK) {
        status = w_lag_row_create(sums->ctx, sums->design, &p->next_carried);
    }
    if (status == WEIR_OK && !sums->last_row) {
        sums->last_row = w_calloc(sums->ctx, "gram sums", (size_t)w_add64(sums->design->p, 2), sizeof *sums->last_row);
        status = sums->last_row ? WEIR_OK : w_alloc_status(sums->ctx);
    }
    return status;
}

static weir_status pass_open(pass *p)
{
    weir_ctx *ctx = p->sums->ctx;
    weir_status status = w_sums_check_free(p->sums, p->run.first, p->run.first + 1);
    if (status != WEIR_OK) {
        return status;
    }
    p->worker = w_calloc(ctx, "gram scratch", (size_t)p->workers, sizeof *p->worker);
    if (!p->worker) {
        return w_alloc_status(ctx);
    }
    for (int i = 0; status == WEIR_OK && i < p->workers; i++) {
        status = worker_open(p, &p->worker[i]);
    }
    return status == WEIR_OK && p->sums->plan->lag ? lag_open(p) : status == WEIR_OK ? carry_open(p) : status;
}

static weir_status pass_run(pass *p, weir_table *table)
{
    weir_ctx *ctx = p->sums->ctx;
    int64_t total = w_source_row_count(table);
    weir_status status = w_source_rewind(table);
    while (status == WEIR_OK) {
        status = w_source_next(table, &p->window);
        if (status != WEIR_OK || p->window.rows == 0) {
            break;
        }
        p->window_first = p->run.first + p->window.first_row;
        status = add_window(p);
        w_progress_rows(ctx, NULL, p->run.last - p->run.first, total);
        if (status == WEIR_OK) {
            status = w_check_cancel(ctx);
        }
    }
    return status;
}

weir_status w_sums_accumulate(w_sums *sums, weir_table *table, const w_pass_options *options)
{
    static const w_pass_options plain = { 0 };
    const w_pass_options *o = options ? options : &plain;
    weir_ctx *ctx = sums->ctx;
    if (o->first_row < 0 || o->extra_count != sums->plan->extra_count) {
        return w_fail(ctx, WEIR_E_ARG, "a pass needs a first row of at least 0 and as many extra sums as were created");
    }
    pass p = { .sums = sums, .options = o, .workers = w_pool_workers(ctx) };
    p.run.first = p.run.last = o->first_row;
    pthread_mutex_init(&p.lock, NULL);
    weir_status status = pass_open(&p);
    if (status == WEIR_OK) {
        status = pass_run(&p, table);
    }
    if (status == WEIR_OK) {
        status = w_sums_check_free(sums, p.run.first, p.run.last);
    }
    if (status == WEIR_OK && p.run.last > p.run.first) {
        if (p.run.last % sums->plan->shard_rows != 0) {
            p.run.tail = p.carry;
            p.carry = NULL;
        }
        status = w_sums_take(sums, &p.run, 1);
        if (status == WEIR_OK && sums->last_row) {
            w_lag_dense(p.worker[0].lag, &p.carried, sums->last_row);
        }
    }
    pass_close(&p);
    return status;
}
