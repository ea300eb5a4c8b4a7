/* SPDX-License-Identifier: Apache-2.0 */
#include "normal/runs.h"

#include <string.h>

#include "base/size.h"

#define TAG "gram cells"

double *w_bank_take(w_bank *bank)
{
    pthread_mutex_lock(&bank->lock);
    double *buffer = bank->spare;
    if (buffer) {
        memcpy(&bank->spare, buffer, sizeof bank->spare);
    }
    pthread_mutex_unlock(&bank->lock);
    return buffer ? buffer : w_alloc_array(bank->ctx, TAG, (size_t)bank->doubles, sizeof(double));
}

void w_bank_give(w_bank *bank, double *buffer)
{
    if (buffer) {
        pthread_mutex_lock(&bank->lock);
        memcpy(buffer, &bank->spare, sizeof bank->spare);
        bank->spare = buffer;
        pthread_mutex_unlock(&bank->lock);
    }
}

void w_bank_drain(w_bank *bank)
{
    while (bank->spare) {
        void *buffer = bank->spare;
        memcpy(&bank->spare, buffer, sizeof bank->spare);
        w_free(bank->ctx, buffer);
    }
}

/* ---- kept rows ------------------------------------------------------------------------------------------------- */

static bool grow(weir_ctx *ctx, void *block, int64_t rows, int64_t bytes)
{
    void **pointer = block;
    void *larger = w_realloc(ctx, "kept rows", *pointer, w_mul_size((size_t)rows, (size_t)bytes));
    if (!larger) {
        return false;
    }
    *pointer = larger;
    return true;
}

weir_status w_raw_reserve(weir_ctx *ctx, const w_design *design, w_raw *raw, int64_t rows)
{
    if (rows <= raw->capacity) {
        return WEIR_OK;
    }
    size_t blocks = (size_t)design->block_count;
    if (!raw->value) {
        raw->value = w_calloc(ctx, "kept rows", blocks, sizeof *raw->value);
    }
    if (!raw->cell) {
        raw->cell = w_calloc(ctx, "kept rows", blocks, sizeof *raw->cell);
    }
    bool ok = raw->value && raw->cell && grow(ctx, &raw->weight, rows, 8) && grow(ctx, &raw->prior, rows, 8);
    for (int b = 0; ok && b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        ok = grow(ctx, &raw->value[b], rows, 8 * block->width) &&
             (block->kind == W_BLOCK_DENSE || grow(ctx, &raw->cell[b], rows, 4));
    }
    if (!ok) {
        return w_alloc_status(ctx);
    }
    raw->capacity = rows;
    return WEIR_OK;
}

void w_raw_append(const w_design *design, w_raw *raw, const w_tile *tile, const double *prior)
{
    size_t rows = (size_t)tile->rows;
    memcpy(raw->weight + raw->rows, tile->weight, rows * 8);
    memcpy(raw->prior + raw->rows, prior ? prior : tile->weight, rows * 8);
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        double *value = raw->value[b] + raw->rows * block->width;
        if (tile->block[b].value) {
            memcpy(value, tile->block[b].value, rows * (size_t)block->width * 8);
        } else {
            for (size_t i = 0; i < rows * (size_t)block->width; i++) {
                value[i] = 1;
            }
        }
        if (raw->cell[b]) {
            memcpy(raw->cell[b] + raw->rows, tile->block[b].cell, rows * 4);
        }
    }
    raw->rows += tile->rows;
}

void w_raw_append_raw(const w_design *design, w_raw *raw, const w_raw *more)
{
    size_t rows = (size_t)more->rows;
    if (rows == 0) {
        return;
    }
    memcpy(raw->weight + raw->rows, more->weight, rows * 8);
    memcpy(raw->prior + raw->rows, more->prior, rows * 8);
    for (int b = 0; b < design->block_count; b++) {
        size_t width = (size_t)design->block[b].width;
        memcpy(raw->value[b] + (size_t)raw->rows * width, more->value[b], rows * width * 8);
        if (raw->cell[b]) {
            memcpy(raw->cell[b] + raw->rows, more->cell[b], rows * 4);
        }
    }
    raw->rows += more->rows;
}

void w_raw_free(weir_ctx *ctx, const w_design *design, w_raw *raw)
{
    for (int b = 0; b < design->block_count; b++) {
        if (raw->value) {
            w_free(ctx, raw->value[b]);
        }
        if (raw->cell) {
            w_free(ctx, raw->cell[b]);
        }
    }
    w_free(ctx, raw->value);
    w_free(ctx, raw->cell);
    w_free(ctx, raw->weight);
    w_free(ctx, raw->prior);
    *raw = (w_raw){ 0 };
}

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

weir_status w_run_reserve_nodes(weir_ctx *ctx, w_run *run, int count)
{
    if (count <= run->node_capacity) {
        return WEIR_OK;
    }
    w_node *larger = w_realloc(ctx, "gram tree", run->node, (size_t)count * sizeof *larger);
    if (!larger) {
        return w_alloc_status(ctx);
    }
    run->node = larger;
    run->node_capacity = count;
    return WEIR_OK;
}

static int find_sibling(const w_run *run, w_node node)
{
    for (int i = 0; i < run->node_count; i++) {
        if (run->node[i].level == node.level && run->node[i].index == (node.index ^ 1)) {
            return i;
        }
    }
    return -1;
}

void w_run_insert(w_sums *sums, w_run *run, pthread_mutex_t *lock, w_node node)
{
    while (true) {
        if (lock) {
            pthread_mutex_lock(lock);
        }
        int found = find_sibling(run, node);
        w_node sibling = found >= 0 ? run->node[found] : node;
        if (found >= 0) {
            run->node[found] = run->node[--run->node_count];
        } else {
            run->node[run->node_count++] = node;
        }
        if (lock) {
            pthread_mutex_unlock(lock);
        }
        if (found < 0) {
            return;
        }
        double *left = node.index & 1 ? sibling.value : node.value, *right = node.index & 1 ? node.value : sibling.value;
        w_accumulator_add(sums->plan, left, right);
        w_bank_give(&sums->bank, right);
        node = (w_node){ node.level + 1, node.index >> 1, left };
    }
}

void w_run_free(w_sums *sums, w_run *run)
{
    for (int i = 0; i < run->node_count; i++) {
        w_free(sums->ctx, run->node[i].value);
    }
    w_free(sums->ctx, run->node);
    w_free(sums->ctx, run->tail);
    w_raw_free(sums->ctx, sums->design, &run->head);
    *run = (w_run){ 0 };
}

/* ---- joining ---------------------------------------------------------------------------------------------------- */

/* Goes on with a tail: adds kept rows in order. */
static void feed(w_sums *sums, w_adder *adder, const w_raw *raw, double *acc)
{
    w_tile_block block[sums->design->block_count];
    for (int64_t start = 0; start < raw->rows; start += W_TILE_ROWS) {
        w_tile tile = { .rows = w_min64(W_TILE_ROWS, raw->rows - start), .weight = raw->weight + start, .block = block };
        for (int b = 0; b < sums->design->block_count; b++) {
            block[b].value = raw->value[b] + start * sums->design->block[b].width;
            block[b].cell = raw->cell[b] ? raw->cell[b] + start : NULL;
        }
        w_adder_weights(sums->plan, raw->prior + start, tile.rows, acc);
        w_adder_tile(adder, &tile, acc);
    }
}

/* Puts the head of `a` in front of that of `b`, which has room for a whole shard, and exchanges them. */
static void prepend(const w_design *design, w_run *a, w_run *b)
{
    w_raw first = a->head, all = b->head;
    size_t shift = (size_t)first.rows, rows = (size_t)all.rows;
    for (int k = 0; k < design->block_count; k++) {
        size_t width = (size_t)design->block[k].width;
        memmove(all.value[k] + shift * width, all.value[k], rows * width * 8);
        if (all.cell[k]) {
            memmove(all.cell[k] + shift, all.cell[k], rows * 4);
        }
    }
    memmove(all.weight + shift, all.weight, rows * 8);
    memmove(all.prior + shift, all.prior, rows * 8);
    all.rows = 0;
    w_raw_append_raw(design, &all, &first);
    all.rows = (int64_t)(shift + rows);
    a->head = all;
    b->head = first;
}

/* b follows a directly; everything of b goes into a. */
static void join(w_sums *sums, w_adder *adder, w_run *a, w_run *b)
{
    int64_t shard_rows = sums->plan->shard_rows, end = b->first + b->head.rows;
    if (b->continues) {
        w_free(sums->ctx, a->tail);
        a->tail = NULL;
    } else if (b->head.rows > 0 && a->tail) {
        feed(sums, adder, &b->head, a->tail);
        if (end % shard_rows == 0) {
            w_accumulator_close(sums->plan, a->tail);
            w_run_insert(sums, a, NULL, (w_node){ 0, end / shard_rows - 1, a->tail });
            a->tail = NULL;
        }
    } else if (b->head.rows > 0) {
        prepend(sums->design, a, b);
    }
    for (int i = 0; i < b->node_count; i++) {
        w_run_insert(sums, a, NULL, b->node[i]);
    }
    b->node_count = 0;
    if (b->tail) {
        a->tail = b->tail;
        b->tail = NULL;
    }
    a->last = b->last;
    w_run_free(sums, b);
}

weir_status w_sums_check_free(const w_sums *sums, int64_t first, int64_t last)
{
    for (int i = 0; i < sums->run_count; i++) {
        const w_run *run = &sums->run[i];
        if (first < run->last && run->first < last) {
            return w_fail(sums->ctx, WEIR_E_DATA, "rows %lld to %lld are in both parts of the sums: give every part its "
                          "own first row", (long long)w_max64(first, run->first) + 1,
                          (long long)w_min64(last, run->last));
        }
    }
    return WEIR_OK;
}

/* All that can fail is done before anything moves. */
static weir_status take_prepare(w_sums *sums, w_run *moved, int count, w_adder **adder)
{
    int runs = sums->run_count + count, nodes = runs + 1;
    bool rows_kept = false;
    for (int i = 0; i < runs; i++) {
        const w_run *run = i < count ? &moved[i] : &sums->run[i - count];
        nodes += run->node_count;
        rows_kept |= run->head.rows > 0;
    }
    if (runs > sums->run_capacity) {
        w_run *larger = w_realloc(sums->ctx, "gram runs", sums->run, (size_t)(runs + 3) * sizeof *larger);
        if (!larger) {
            return w_alloc_status(sums->ctx);
        }
        sums->run = larger;
        sums->run_capacity = runs + 3;
    }
    weir_status status = WEIR_OK;
    for (int i = 0; status == WEIR_OK && i < runs; i++) {
        w_run *run = i < count ? &moved[i] : &sums->run[i - count];
        status = w_run_reserve_nodes(sums->ctx, run, nodes);
        if (status == WEIR_OK && i < count && run->head.rows > 0) {
            status = w_raw_reserve(sums->ctx, sums->design, &run->head, sums->plan->shard_rows);
        }
    }
    if (status == WEIR_OK && rows_kept && sums->run_count > 0) {
        status = w_adder_create(sums->ctx, sums->plan, adder);
    }
    return status;
}

weir_status w_sums_take(w_sums *sums, w_run *moved, int count)
{
    w_adder *adder = NULL;
    weir_status status = take_prepare(sums, moved, count, &adder);
    if (status != WEIR_OK) {
        return status;
    }
    for (int i = 0; i < count; i++) {
        int at = sums->run_count++;
        for (; at > 0 && sums->run[at - 1].first > moved[i].first; at--) {
            sums->run[at] = sums->run[at - 1];
        }
        sums->run[at] = moved[i];
        moved[i] = (w_run){ 0 };
    }
    for (int i = 0; i + 1 < sums->run_count;) {
        if (sums->run[i].last == sums->run[i + 1].first) {
            join(sums, adder, &sums->run[i], &sums->run[i + 1]);
            sums->run_count--;
            memmove(&sums->run[i + 1], &sums->run[i + 2], (size_t)(sums->run_count - i - 1) * sizeof *sums->run);
        } else {
            i++;
        }
    }
    w_adder_free(sums->ctx, adder);
    w_bank_drain(&sums->bank);
    return WEIR_OK;
}
