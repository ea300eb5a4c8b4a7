/* SPDX-License-Identifier: Apache-2.0 */
#include "normal/operator_refine.h"

#include <string.h>

#include "base/size.h"
#include "base/sort.h"

#define TAG "operator"
#define CHUNK_DOUBLES 4096 /* of gamma that all trees visit in turn */

/* ---- which blocks belong together --------------------------------------------------------------------------------- */

typedef struct line {
    const w_smooth *trees;
    int64_t tree, intervals;
    int covariate;
} line;

static bool read_line(const w_design *design, int block, line *out)
{
    const double *value;
    if (!w_design_tree(design, block, &out->trees, &out->tree, &value)) {
        return false;
    }
    out->intervals = w_trees_intervals(out->trees, out->tree, &out->covariate, NULL, NULL);
    return out->intervals > 0;
}

int w_refined_members(const w_design *design, int first, int *member, int64_t *cells)
{
    line own, other;
    int before = 0, count = 1;
    member[0] = first;
    *cells = w_mul64(design->block[first].levels, design->block[first].cells);
    if (!read_line(design, first, &own)) {
        return 1;
    }
    for (int b = first - 1; b >= 0; b--) {
        before += read_line(design, b, &other) && other.trees == own.trees && other.covariate == own.covariate;
    }
    if (before % W_REFINED_TREES != 0) {
        return 0;
    }
    int64_t thresholds = own.intervals - 1;
    for (int b = first + 1; b < design->block_count && count < W_REFINED_TREES; b++) {
        if (read_line(design, b, &other) && other.trees == own.trees && other.covariate == own.covariate) {
            member[count++] = b;
            thresholds += other.intervals - 1;
        }
    }
    if (count > 1) {
        *cells = thresholds + 1;
    }
    return count;
}

/* ---- making one ---------------------------------------------------------------------------------------------------- */

typedef struct sizes {
    int64_t thresholds, leaves; /* of all trees, repeated ones included */
} sizes;

static sizes sizes_of(const w_design *design, int count, const int *member)
{
    sizes s = { 0 };
    for (int t = 0; t < count; t++) {
        s.leaves += design->block[member[t]].levels;
    }
    s.thresholds = s.leaves;
    return s;
}

/* Intervals are at most as many as leaves, cells at most as many as all intervals. */
static int64_t memory_bytes(int count, const sizes *s, int64_t cells)
{
    return (int64_t)(sizeof(w_refined) + (size_t)count * sizeof(w_refined_tree)) + cells * 8 + s->leaves * (8 + 8 + 4 + 4 + 4) +
           (int64_t)count * 16 + 256;
}

int64_t w_refined_bytes(const w_design *design, int count, const int *member, int64_t cells)
{
    const sizes s = sizes_of(design, count, member);
    return w_add64(w_alloc_bytes(memory_bytes(count, &s, w_max64(cells, s.leaves))), w_alloc_bytes(16 * s.leaves));
}

static void *cut(char **at, int64_t bytes)
{
    void *piece = *at;
    *at += w_round_up64(bytes, 8);
    return piece;
}

static int64_t rank_of(int64_t count, const double *sorted, double value)
{
    int64_t low = 0, high = count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (sorted[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Thresholds of one tree in `own`, leaves of its intervals in `leaf`. */
static int64_t read_tree(const w_design *design, int block, double *own, int32_t *leaf, const double **leaf_value)
{
    const w_smooth *trees;
    int64_t tree;
    int covariate;
    w_design_tree(design, block, &trees, &tree, leaf_value);
    return w_trees_intervals(trees, tree, &covariate, own, leaf);
}

static int64_t merge_thresholds(const w_design *design, int count, const int *member, double *all, double *own, int32_t *leaf)
{
    int64_t total = 0, kept = 0;
    const double *value;
    for (int t = 0; t < count; t++) {
        const int64_t intervals = read_tree(design, member[t], own, leaf, &value);
        memcpy(all + total, own, (size_t)(intervals - 1) * sizeof *all);
        total += intervals - 1;
    }
    w_sort_doubles(total, all);
    for (int64_t i = 0; i < total; i++) {
        if (i == 0 || all[i] != all[kept - 1]) {
            all[kept++] = all[i];
        }
    }
    return kept;
}

/* false: a leaf with a column has no interval. */
static bool fill_tree(const w_design *design, int64_t thresholds, const double *all, double *own, int32_t *leaf, w_refined_tree *t)
{
    const w_block *block = &design->block[t->block];
    int32_t *start = (int32_t *)t->start, *leaf_start = (int32_t *)t->leaf_start;
    double *value = (double *)t->value;
    const double *leaf_value;
    int64_t with = 0, columns = 0;
    t->intervals = read_tree(design, t->block, own, leaf, &leaf_value);
    memset(leaf_start, 0, (size_t)block->levels * sizeof *leaf_start);
    for (int64_t l = 0; l < block->levels; l++) {
        columns += block->level_first[l] >= 0;
    }
    for (int64_t j = 0; j < t->intervals; j++) {
        const bool column = block->level_first[leaf[j]] >= 0;
        start[j] = j == 0 ? 0 : (int32_t)rank_of(thresholds, all, own[j - 1]) + 1;
        leaf_start[leaf[j]] = start[j];
        value[j] = !column ? 0.0 : leaf_value ? leaf_value[leaf[j]] : 1.0;
        ((int64_t *)t->coordinate)[j] = column ? block->level_first[leaf[j]] : -1;
        with += column;
    }
    start[t->intervals] = (int32_t)thresholds + 1;
    return with == columns;
}

/* Trees by the right ends of their intervals, equal ends by number. */
static void order_steps(w_refined *r)
{
    int64_t at[W_REFINED_TREES] = { 0 }, next = 0;
    for (int64_t u = 1; u <= r->cells; u++) {
        for (int t = 0; t < r->trees; t++) {
            if (at[t] < r->tree[t].intervals && r->tree[t].start[at[t] + 1] == u) {
                r->order[next++] = t;
                at[t]++;
            }
        }
    }
    r->steps = next;
}

weir_status w_refined_create(weir_ctx *ctx, const w_design *design, int count, const int *member, w_refined **out)
{
    const sizes s = sizes_of(design, count, member);
    double *all = w_alloc(ctx, TAG, (size_t)(16 * s.leaves));
    char *at = all ? w_alloc(ctx, TAG, (size_t)memory_bytes(count, &s, s.leaves)) : NULL;
    if (!at) {
        w_free(ctx, all);
        return w_alloc_status(ctx);
    }
    w_refined *r = cut(&at, sizeof *r);
    *r = (w_refined){ .trees = count, .tree = cut(&at, count * (int64_t)sizeof(w_refined_tree)) };
    r->order = cut(&at, 4 * s.leaves);
    /* the last quarter of the workspace holds one tree's thresholds and leaves while the steps' place takes them */
    double *own = all + s.leaves;
    int32_t *leaf = r->order;
    const int64_t thresholds = merge_thresholds(design, count, member, all, own, leaf);
    r->cells = thresholds + 1;
    r->mass = cut(&at, 8 * r->cells);
    bool match = r->cells <= INT32_MAX;
    for (int t = 0; t < count && match; t++) {
        const int64_t leaves = design->block[member[t]].levels;
        w_refined_tree *tree = &r->tree[t];
        *tree = (w_refined_tree){ .block = member[t], .start = cut(&at, 4 * (leaves + 1)), .coordinate = cut(&at, 8 * leaves),
                                  .value = cut(&at, 8 * leaves), .leaf_start = cut(&at, 4 * leaves) };
        match = fill_tree(design, thresholds, all, own, leaf, tree);
    }
    w_free(ctx, all);
    *out = NULL;
    if (!match) {
        w_free(ctx, r);
        return WEIR_OK;
    }
    order_steps(r);
    *out = r;
    return WEIR_OK;
}

void w_refined_free(weir_ctx *ctx, w_refined *refined) { w_free(ctx, refined); }

void w_refined_place(const int64_t *position, w_refined *refined)
{
    for (int t = 0; t < refined->trees; t++) {
        int64_t *coordinate = (int64_t *)refined->tree[t].coordinate;
        for (int64_t j = 0; j < refined->tree[t].intervals; j++) {
            coordinate[j] = coordinate[j] < 0 ? -1 : position[coordinate[j]];
        }
    }
}

/* ---- rows and vectors ----------------------------------------------------------------------------------------------- */

void w_refined_cells(const w_refined *refined, const w_tile *tile, int32_t *out)
{
    const w_refined_tree *tree = refined->tree;
    const int32_t *leaf = tile->block[tree[0].block].cell;
    for (int64_t i = 0; i < tile->rows; i++) {
        out[i] = tree[0].leaf_start[leaf[i]];
    }
    for (int t = 1; t < refined->trees; t++) {
        const int32_t *start = tree[t].leaf_start;
        leaf = tile->block[tree[t].block].cell;
        for (int64_t i = 0; i < tile->rows; i++) {
            const int32_t from = start[leaf[i]];
            out[i] = from > out[i] ? from : out[i];
        }
    }
}

/* The cells are taken in chunks that stay in the cache while all trees pass. */
static inline __attribute__((always_inline)) void expand_room(const w_refined *r, const double *x, int64_t count, int m, int room,
                                                              double *gamma)
{
    int64_t at[W_REFINED_TREES] = { 0 };
    for (int64_t first = 0; first < r->cells; first += CHUNK_DOUBLES / room) {
        const int64_t last = w_min64(r->cells, first + CHUNK_DOUBLES / room);
        memset(gamma + first * room, 0, (size_t)((last - first) * room) * sizeof *gamma);
        for (int t = 0; t < r->trees; t++) {
            const w_refined_tree *tree = &r->tree[t];
            for (; at[t] < tree->intervals && tree->start[at[t]] < last; at[t]++) {
                const int64_t j = at[t], from = w_max64(first, tree->start[j]), to = w_min64(last, tree->start[j + 1]);
                double value[8] = { 0 };
                for (int k = 0; k < m && tree->coordinate[j] >= 0; k++) {
                    value[k] = tree->value[j] * x[tree->coordinate[j] * count + k];
                }
                for (int64_t u = from; u < to; u++) {
                    for (int k = 0; k < room; k++) {
                        gamma[u * room + k] += value[k];
                    }
                }
                if (tree->start[j + 1] > last) {
                    break;
                }
            }
        }
    }
}

static inline __attribute__((always_inline)) void contract_room(const w_refined *r, const double *g, int room, double *y,
                                                                int64_t count, int m)
{
    int64_t at[W_REFINED_TREES] = { 0 };
    for (int64_t first = 0; first < r->cells; first += CHUNK_DOUBLES / room) {
        const int64_t last = w_min64(r->cells, first + CHUNK_DOUBLES / room);
        for (int t = 0; t < r->trees; t++) {
            const w_refined_tree *tree = &r->tree[t];
            for (; at[t] < tree->intervals && tree->start[at[t]] < last; at[t]++) {
                const int64_t j = at[t], from = w_max64(first, tree->start[j]), to = w_min64(last, tree->start[j + 1]);
                double sum[8] = { 0 };
                for (int64_t u = from; u < to; u++) {
                    for (int k = 0; k < room; k++) {
                        sum[k] += g[u * room + k];
                    }
                }
                double *out = tree->coordinate[j] < 0 ? NULL : y + tree->coordinate[j] * count;
                for (int k = 0; out && k < m; k++) {
                    out[k] = tree->value[j] * sum[k] + (tree->start[j] < first ? out[k] : 0.0);
                }
                if (tree->start[j + 1] > last) {
                    break;
                }
            }
        }
    }
}

void w_refined_expand(const w_refined *refined, const double *x, int64_t count, int64_t k, int m, int room, double *gamma)
{
    x += k;
    switch (room) {
    case 1: expand_room(refined, x, count, m, 1, gamma); break;
    case 2: expand_room(refined, x, count, m, 2, gamma); break;
    case 4: expand_room(refined, x, count, m, 4, gamma); break;
    default: expand_room(refined, x, count, m, 8, gamma); break;
    }
}

void w_refined_contract(const w_refined *refined, const double *g, int room, double *y, int64_t count, int64_t k, int m)
{
    y += k;
    switch (room) {
    case 1: contract_room(refined, g, 1, y, count, m); break;
    case 2: contract_room(refined, g, 2, y, count, m); break;
    case 4: contract_room(refined, g, 4, y, count, m); break;
    default: contract_room(refined, g, 8, y, count, m); break;
    }
}

void w_refined_diagonal(const w_refined *refined, double *diagonal)
{
    for (int t = 0; t < refined->trees; t++) {
        const w_refined_tree *tree = &refined->tree[t];
        for (int64_t j = 0; j < tree->intervals; j++) {
            double sum = 0.0;
            for (int64_t u = tree->start[j]; u < tree->start[j + 1]; u++) {
                sum += refined->mass[u];
            }
            if (tree->coordinate[j] >= 0) {
                diagonal[tree->coordinate[j]] = tree->value[j] * tree->value[j] * sum;
            }
        }
    }
}
