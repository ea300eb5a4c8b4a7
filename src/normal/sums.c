/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "basis/features.h"
#include "normal/ar1.h"
#include "normal/runs.h"

/* ---- fingerprint ------------------------------------------------------------------------------------------------ */

static uint64_t mixed(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static uint64_t mixed_doubles(uint64_t hash, const double *value, int64_t count)
{
    for (int64_t i = 0; value && i < count; i++) {
        uint64_t word;
        memcpy(&word, &value[i], sizeof word);
        hash = mixed(hash, word);
    }
    return mixed(hash, (uint64_t)count);
}

static uint64_t mixed_text(uint64_t hash, const char *text)
{
    for (; text && *text; text++) {
        hash = mixed(hash, (unsigned char)*text);
    }
    return mixed(hash, 256);
}

static uint64_t mixed_features(uint64_t hash, const w_features *f)
{
    hash = mixed(mixed(mixed(hash, (uint64_t)f->extension), (uint64_t)f->form), (uint64_t)f->covariates);
    hash = mixed_doubles(mixed_doubles(hash, f->lower, f->covariates), f->upper, f->covariates);
    hash = mixed_doubles(hash, f->parameter, f->parameter_count);
    hash = mixed_doubles(hash, f->mean, f->mean ? f->width : 0);
    return mixed_doubles(hash, f->leaf_weight, f->leaf_count);
}

static uint64_t mixed_block(uint64_t hash, const w_block *block)
{
    hash = mixed(mixed(mixed(hash, (uint64_t)block->kind), (uint64_t)block->width), (uint64_t)(int64_t)block->code);
    hash = mixed(mixed(hash, (uint64_t)block->levels), (uint64_t)block->cells);
    for (int64_t i = 0; block->level_first && i < block->levels; i++) {
        hash = mixed(hash, (uint64_t)block->level_first[i]);
    }
    for (int i = 0; block->dense_column && i < block->width; i++) {
        hash = mixed(hash, (uint64_t)block->dense_column[i]);
    }
    const w_smooth *smooth = block->smooth;
    if (smooth) {
        hash = mixed(mixed(hash, (uint64_t)smooth->raw_columns), (uint64_t)smooth->columns);
        hash = mixed_doubles(hash, smooth->transform, smooth->raw_columns * smooth->columns);
        for (int m = 0; m < smooth->margin_count; m++) {
            const w_margin *margin = &smooth->margin[m];
            hash = mixed_doubles(hash, margin->break_point, margin->break_count);
            if (margin->features) {
                hash = mixed_features(hash, margin->features);
            } else if (margin->covariates > 1) {
                hash = mixed(mixed(hash, (uint64_t)margin->covariates), (uint64_t)margin->order);
                hash = mixed_doubles(hash, margin->knot, margin->knot_count * margin->covariates);
                hash = mixed_doubles(hash, margin->centre, margin->covariates);
                int64_t terms = margin->knot_count + w_plate_polynomials(margin->covariates, margin->order);
                hash = mixed_doubles(hash, margin->weight, terms * margin->k);
            }
            if (margin->map) {
                hash = mixed_doubles(hash, margin->map, margin->cells * margin->width * margin->k);
            }
        }
    }
    return hash;
}

/* Everything that decides what a row contributes. */
static uint64_t fingerprint(const w_design *design, int extra_count)
{
    uint64_t hash = mixed_text(mixed(design->ar1 ? 0x61723100u : 0x77656972u, (uint64_t)extra_count), design->formula);
    hash = mixed_doubles(mixed(hash, (uint64_t)design->p), &design->response_shift, 1);
    for (int b = 0; b < design->block_count; b++) {
        hash = mixed_block(hash, &design->block[b]);
    }
    for (int t = 0; t < design->term_count; t++) {
        if (w_smooth_is_trees(design->term[t].smooth)) { /* blocks of trees are factors by their leaves */
            hash = mixed_features(hash, design->term[t].smooth->margin[0].features);
        }
    }
    for (int c = 0; c < design->column_count; c++) {
        hash = mixed_text(hash, design->column[c]);
        int64_t levels = design->level_count ? design->level_count[c] : 0;
        for (int64_t i = 0; i < levels; i++) {
            hash = mixed_text(hash, design->level[c][i]);
        }
    }
    return hash;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static weir_status sums_make(weir_ctx *ctx, const w_design *design, int extra_count, bool linear, w_sums **out)
{
    w_sums *sums = w_calloc(ctx, "gram sums", 1, sizeof *sums);
    if (!sums) {
        return w_alloc_status(ctx);
    }
    weir_status status = w_pairs_create(ctx, design, extra_count, linear, &sums->plan);
    if (status != WEIR_OK) {
        w_free(ctx, sums);
        return status;
    }
    sums->ctx = ctx;
    sums->design = design;
    sums->bank = (w_bank){ .ctx = ctx, .doubles = sums->plan->total_count };
    pthread_mutex_init(&sums->bank.lock, NULL);
    sums->fingerprint = fingerprint(design, extra_count);
    *out = sums;
    return WEIR_OK;
}

weir_status w_sums_create(weir_ctx *ctx, const w_design *design, int extra_count, w_sums **out)
{
    return sums_make(ctx, design, extra_count, false, out);
}

weir_status w_sums_create_linear(weir_ctx *ctx, const w_design *design, int extra_count, w_sums **out)
{
    return sums_make(ctx, design, extra_count, true, out);
}

void w_sums_free(w_sums *sums)
{
    if (!sums) {
        return;
    }
    for (int i = 0; i < sums->run_count; i++) {
        w_run_free(sums, &sums->run[i]);
    }
    w_bank_drain(&sums->bank);
    pthread_mutex_destroy(&sums->bank.lock);
    w_free(sums->ctx, sums->run);
    w_free(sums->ctx, sums->last_row);
    w_pairs_free(sums->plan);
    w_free(sums->ctx, sums);
}

int64_t w_sums_next_row(const w_sums *sums)
{
    return sums->run_count == 0 ? 0 : sums->run[sums->run_count - 1].last;
}

/* ---- merging ----------------------------------------------------------------------------------------------------- */

static double *accumulator_copy(w_sums *sums, const double *from)
{
    double *copy = w_bank_take(&sums->bank);
    if (copy) {
        memcpy(copy, from, (size_t)sums->plan->total_count * sizeof *copy);
    }
    return copy;
}

static weir_status run_copy(w_sums *sums, const w_run *from, w_run *to)
{
    weir_ctx *ctx = sums->ctx;
    *to = (w_run){ .first = from->first, .last = from->last };
    weir_status status = w_run_reserve_nodes(ctx, to, from->node_count);
    for (int i = 0; status == WEIR_OK && i < from->node_count; i++) {
        w_node node = from->node[i];
        node.value = accumulator_copy(sums, node.value);
        if (!node.value) {
            return w_alloc_status(ctx);
        }
        to->node[to->node_count++] = node;
    }
    if (status == WEIR_OK && from->tail && !(to->tail = accumulator_copy(sums, from->tail))) {
        status = w_alloc_status(ctx);
    }
    if (status == WEIR_OK && from->head.rows > 0) {
        status = w_raw_reserve(ctx, sums->design, &to->head, from->head.rows);
        if (status == WEIR_OK) {
            w_raw_append_raw(sums->design, &to->head, &from->head);
        }
    }
    return status;
}

weir_status w_sums_merge(w_sums *into, const w_sums *from)
{
    if (into->plan->lag) {
        return w_fail(into->ctx, WEIR_E_ARG, "AR(1) residuals need all rows in one pass: their sums cannot be merged");
    }
    if (into->fingerprint != from->fingerprint) {
        return w_fail(into->ctx, WEIR_E_DATA, "these sums belong to another model: formula, levels and knots must be the "
                      "same to merge them");
    }
    for (int i = 0; i < from->run_count; i++) {
        weir_status status = w_sums_check_free(into, from->run[i].first, from->run[i].last);
        if (status != WEIR_OK) {
            return status;
        }
    }
    w_run *copy = w_calloc(into->ctx, "gram runs", (size_t)from->run_count, sizeof *copy);
    weir_status status = copy ? WEIR_OK : w_alloc_status(into->ctx);
    for (int i = 0; status == WEIR_OK && i < from->run_count; i++) {
        status = run_copy(into, &from->run[i], &copy[i]);
    }
    if (status == WEIR_OK) {
        status = w_sums_take(into, copy, from->run_count);
    }
    for (int i = 0; copy && i < from->run_count; i++) {
        w_run_free(into, &copy[i]);
    }
    w_free(into->ctx, copy);
    return status;
}

/* ---- predictions -------------------------------------------------------------------------------------------------- */

/* Accumulators alive once all rows are in: a node per binary digit of the number of shards, and the tail. */
static int64_t rest_nodes(const w_design *design, const w_pairs *plan)
{
    int64_t rows = design->rows > 0 ? design->rows : (int64_t)1 << 32, levels = 0;
    int64_t shards = rows / plan->shard_rows;
    for (int64_t left = shards; left > 0; left /= 2) {
        levels++;
    }
    return w_min64(levels, shards) + 1;
}

/* During the pass each worker may hold one, and merge with one; never more than there are shards (one is begun, or copied from
 * the rows before). */
static int64_t live_nodes(const w_design *design, const w_pairs *plan, int workers)
{
    int64_t rows = design->rows > 0 ? design->rows : (int64_t)1 << 32;
    int64_t all = rows / plan->shard_rows + 2;
    return w_min64(rest_nodes(design, plan) + (workers > 1 ? 2 * workers : 1), all);
}

int64_t w_sums_bytes(const w_design *design, int workers)
{
    w_pairs *plan = NULL;
    if (w_pairs_create(design->ctx, design, 0, false, &plan) != WEIR_OK) {
        return INT64_MAX;
    }
    int64_t accumulators = w_mul64(live_nodes(design, plan, workers), w_alloc_bytes(plan->total_count * 8));
    int64_t lag = plan->lag ? w_add64(w_lag_bytes(plan), 24 * design->p) : 0;
    int64_t scratch = w_mul64(workers, w_add64(lag, w_adder_bytes(plan) + w_tile_bytes(design)));
    int64_t fixed = 16384 + w_alloc_bytes((int64_t)sizeof(w_sums)) +
                    2 * plan->pair_count * (int64_t)sizeof(w_pair) + 4 * plan->block_count * (int64_t)sizeof(w_form) +
                    workers * 64 * 16;
    w_pairs_free(plan);
    return w_add64(w_add64(accumulators, scratch), fixed);
}

int64_t w_sums_rest_bytes(const w_design *design)
{
    w_pairs *plan = NULL;
    if (w_pairs_create(design->ctx, design, 0, false, &plan) != WEIR_OK) {
        return INT64_MAX;
    }
    int64_t total = w_mul64(rest_nodes(design, plan), w_alloc_bytes(plan->total_count * 8));
    total = w_add64(total, 16384 + 2 * plan->pair_count * (int64_t)sizeof(w_pair));
    w_pairs_free(plan);
    return total;
}

void w_sums_cost(const w_design *design, double *near_pairs, double *far_pairs, int64_t *shard_tiles)
{
    w_pairs *plan = NULL;
    *near_pairs = *far_pairs = 0;
    *shard_tiles = 1;
    if (w_pairs_create(design->ctx, design, 0, false, &plan) == WEIR_OK) {
        *near_pairs = plan->near_pairs;
        *far_pairs = plan->far_pairs;
        *shard_tiles = plan->shard_tiles;
        w_pairs_free(plan);
    }
}
