/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of a design as units of the operator: where their cells, tables and coordinates lie. */
#include <string.h>

#include "base/size.h"
#include "normal/operator_parts.h"

#define SHARDS 16
#define SHARDS_WIDE 8        /* when clearing and adding up the sums of many shards would cost as much as the rows */
#define WIDE_GAMMAS 32768
#define NARROW_CELLS 65536
#define TABLE_DOUBLES (1 << 18) /* largest table of cross-products of a block that is formed … */
#define TABLE_SHARE 4           /* … unless it has at most so many doubles per cell and value */

static int unit_width(const w_block *block)
{
    return block->kind == W_BLOCK_DENSE ? block->width - 1 : block->width;
}

static int64_t unit_cells(const w_block *block) { return w_mul64(block->levels, block->cells); }

static int64_t unit_order(const w_block *block)
{
    return block->kind == W_BLOCK_DENSE ? unit_width(block) : block->level_columns;
}

static bool unit_full(const w_block *block)
{
    if (block->kind == W_BLOCK_FACTOR || unit_order(block) > W_MATRIX_FREE_ORDER ||
        (block->smooth && block->smooth->raw_columns > W_MATRIX_FREE_ORDER + 8)) {
        return false;
    }
    int64_t gammas = w_mul64(unit_cells(block), unit_width(block));
    int64_t table = w_mul64(gammas, unit_width(block));
    return table <= w_max64(TABLE_DOUBLES, unit_width(block) <= TABLE_SHARE ? TABLE_SHARE * gammas : 0);
}

static int64_t table_doubles(const w_block *block)
{
    int64_t gammas = w_mul64(unit_cells(block), unit_width(block));
    return unit_full(block) ? w_mul64(gammas, unit_width(block)) : gammas;
}

/* Expansion and contraction of a vector, and of the cross-products of one level. */
static int64_t scratch_doubles(const w_block *block)
{
    const w_smooth *smooth = block->smooth;
    if (!smooth) {
        return 0;
    }
    int64_t gammas = w_mul64(block->cells, block->width), raw = smooth->raw_columns;
    int64_t together = w_mul64(W_MATRIX_FREE_VECTORS, raw);
    int64_t one = w_max64(w_spread_doubles(smooth), w_contract_doubles(smooth, true, 1, 1));
    int64_t need = w_max64(together, w_add64(one, w_add64(w_mul64(2, gammas), w_mul64(3, raw))));
    if (unit_full(block)) {
        int64_t sides = w_max64(w_contract_doubles(smooth, false, block->width, 1), w_contract_doubles(smooth, true, 1, raw));
        need = w_max64(need, w_add64(sides, w_add64(w_mul64(gammas, raw), w_mul64(3, w_mul64(raw, raw)))));
    }
    return need;
}

int64_t w_units_gammas(const w_design *design, int64_t *tables, int64_t *matrix, int64_t *scratch)
{
    int64_t gammas = 0;
    *tables = *matrix = *scratch = 0;
    for (int b = 0; b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        int64_t order = unit_order(block);
        gammas = w_add64(gammas, w_mul64(unit_cells(block), unit_width(block)));
        *tables = w_add64(*tables, table_doubles(block));
        *matrix = w_add64(*matrix, unit_full(block) ? w_mul64(block->levels, w_mul64(order, order)) : 0);
        *scratch = w_max64(*scratch, scratch_doubles(block));
    }
    return gammas;
}

int w_units_shards(int64_t gammas) { return gammas > WIDE_GAMMAS ? SHARDS_WIDE : SHARDS; }

/* Column of X of entry i of a unit's own columns, -1 = none. */
static int64_t lowest_column(const w_block *block)
{
    int64_t lowest = INT64_MAX;
    for (int64_t l = 0; l < block->levels; l++) {
        if (block->level_first[l] >= 0) {
            lowest = w_min64(lowest, block->level_first[l]);
        }
    }
    return lowest;
}

/* Units by first column, the DENSE one first. Few: insertion. */
static void order_units(w_matrix_free *op, int64_t *key)
{
    for (int i = 1; i < op->unit_count; i++) {
        w_unit unit = op->unit[i];
        int64_t k = key[i];
        int at = i;
        for (; at > 1 && key[at - 1] > k; at--) {
            op->unit[at] = op->unit[at - 1];
            key[at] = key[at - 1];
        }
        op->unit[at] = unit;
        key[at] = k;
    }
}

static int member_count(const w_unit *unit) { return unit->refined ? unit->refined->trees : 1; }

static void own_levels(const w_block *block, int unit, int32_t *owner)
{
    for (int64_t l = 0; l < block->levels; l++) {
        for (int64_t i = 0; block->level_first[l] >= 0 && i < block->level_columns; i++) {
            owner[block->level_first[l] + i] = unit;
        }
    }
}

/* Coordinates: each unit's columns in ascending order; levels keep their columns together. */
static void place_units(w_matrix_free *op, int32_t *owner)
{
    int64_t next = 0;
    for (int64_t c = 0; c < op->design->p; c++) {
        owner[c] = -1;
    }
    for (int u = 0; u < op->unit_count; u++) {
        w_unit *unit = &op->unit[u];
        const w_block *block = unit->block;
        if (block->kind == W_BLOCK_DENSE) {
            for (int i = 0; i < unit->width; i++) {
                owner[block->dense_column[i]] = u;
            }
        }
        for (int t = 0; block->kind != W_BLOCK_DENSE && t < member_count(unit); t++) {
            own_levels(unit->refined ? &op->design->block[unit->refined->tree[t].block] : block, u, owner);
        }
    }
    for (int64_t c = 0; c < op->design->p; c++) {
        op->unit[owner[c]].columns++;
    }
    for (int u = 0; u < op->unit_count; u++) {
        w_unit *unit = &op->unit[u];
        unit->first = next;
        next += unit->columns;
        unit->columns = 0; /* counts again */
        unit->block_count = unit->full && unit->block->kind == W_BLOCK_DENSE && unit->width > 0;
        for (int64_t l = 0; unit->full && unit->block->kind != W_BLOCK_DENSE && l < unit->block->levels; l++) {
            unit->block_count += unit->block->level_first[l] >= 0;
        }
    }
    for (int64_t c = 0; c < op->design->p; c++) {
        w_unit *unit = &op->unit[owner[c]];
        op->position[c] = unit->first + unit->columns++;
        op->column[op->position[c]] = c;
    }
    for (int u = 0; u < op->unit_count; u++) {
        if (op->unit[u].refined) {
            w_refined_place(op->position, op->unit[u].refined);
        }
    }
}

int64_t w_unit_level(const w_matrix_free *op, const w_unit *unit, int64_t level)
{
    int64_t column = unit->block->level_first[level];
    return column < 0 ? -1 : op->position[column];
}

static void count_units(w_matrix_free *op)
{
    for (int u = 0; u < op->unit_count; u++) {
        w_unit *unit = &op->unit[u];
        unit->gamma = op->gammas;
        unit->table = op->tables;
        unit->matrix = op->blocks;
        op->gammas += unit->cells * unit->width;
        op->tables += unit->refined ? unit->cells : table_doubles(unit->block);
        op->blocks += unit->block_count * unit->order * unit->order;
    }
}

/* Penalties cover runs of columns of one unit each; a multiple of the identity may cover several units, in any order. */
static weir_status place_penalties(w_matrix_free *op)
{
    const w_design *design = op->design;
    for (int j = 0; j < design->penalty_count; j++) {
        const w_design_penalty *penalty = &design->penalty[j];
        int64_t count = penalty->k * penalty->repeat, first = op->position[penalty->first];
        int64_t last = op->position[penalty->first + count - 1];
        for (int64_t i = 0; i < count && !penalty->matrix; i++) {
            first = w_min64(first, op->position[penalty->first + i]);
            last = w_max64(last, op->position[penalty->first + i]);
        }
        if (last != first + count - 1) {
            return w_fail(op->ctx, WEIR_E_INTERNAL, "the penalty of %s does not lie in one block",
                          design->term[penalty->term].label);
        }
        op->part_first[j] = first;
    }
    return WEIR_OK;
}

static bool is_taken(const w_matrix_free *op, int block)
{
    for (int u = 0; u < op->unit_count; u++) {
        const w_refined *refined = op->unit[u].refined;
        for (int t = 0; refined && t < refined->trees; t++) {
            if (refined->tree[t].block == block) {
                return true;
            }
        }
    }
    return false;
}

/* One unit per block, and one for all trees of a smooth that cut the same line. */
static weir_status list_units(w_matrix_free *op, int64_t *key)
{
    const w_design *design = op->design;
    weir_status status = WEIR_OK;
    int member[W_REFINED_TREES];
    op->unit_count = 0;
    for (int b = 0; status == WEIR_OK && b < design->block_count; b++) {
        const w_block *block = &design->block[b];
        int64_t cells;
        const int count = w_refined_members(design, b, member, &cells);
        w_refined *refined = NULL;
        if (count > 1) {
            status = w_refined_create(op->ctx, design, count, member, &refined);
        } else if (count == 0 && is_taken(op, b)) {
            continue;
        }
        cells = refined ? refined->cells : unit_cells(block);
        key[op->unit_count] = block->kind == W_BLOCK_DENSE ? -1 : lowest_column(block);
        op->unit[op->unit_count++] = (w_unit){ .block = block, .number = b, .width = unit_width(block), .cells = cells,
                                               .narrow = cells <= NARROW_CELLS, .full = unit_full(block),
                                               .order = unit_order(block), .refined = refined };
    }
    return status;
}

weir_status w_units_make(w_matrix_free *op)
{
    weir_ctx *ctx = op->ctx;
    const w_design *design = op->design;
    const size_t p = (size_t)design->p, blocks = (size_t)design->block_count;
    op->unit = w_calloc(ctx, "operator", blocks, sizeof *op->unit);
    op->column = w_alloc_array(ctx, "operator", 2 * p + (size_t)design->penalty_count, sizeof *op->column);
    int64_t *key = w_alloc_array(ctx, "operator", blocks, sizeof *key);
    int32_t *owner = w_alloc_array(ctx, "operator", p, sizeof *owner);
    weir_status status = op->unit && op->column && key && owner ? WEIR_OK : w_alloc_status(ctx);
    if (status == WEIR_OK) {
        op->position = op->column + p;
        op->part_first = op->position + p;
        status = list_units(op, key);
    }
    if (status == WEIR_OK) {
        order_units(op, key);
        place_units(op, owner);
        count_units(op);
        status = place_penalties(op);
    }
    w_free(ctx, key);
    w_free(ctx, owner);
    return status;
}

/* ---- between coefficients and cells ------------------------------------------------------------------------------- */

void w_unit_expand_level(const w_matrix_free *op, const w_unit *unit, const double *x, int64_t count, double *cells,
                         double *scratch)
{
    const w_smooth *smooth = unit->block->smooth;
    double *raw = scratch, *coefficient = raw + smooth->raw_columns;
    for (int64_t i = 0; i < unit->order; i++) {
        coefficient[i] = x[i * count];
    }
    if (smooth->transform) {
        memset(raw, 0, (size_t)smooth->raw_columns * sizeof *raw);
        op->kernels->gemm(smooth->raw_columns, 1, smooth->columns, smooth->transform, smooth->columns, 1, coefficient, 1, raw, 1);
        coefficient = raw;
    }
    if (smooth->margin_count == 1 && !smooth->margin[0].map) {
        memcpy(cells, coefficient, (size_t)smooth->raw_columns * sizeof *cells);
    } else {
        w_spread(op->kernels, smooth, coefficient, cells, scratch + 3 * smooth->raw_columns);
    }
}

void w_unit_expand(const w_matrix_free *op, const w_unit *unit, const double *x, int64_t count, int64_t k, int m, double *gamma,
                   double *scratch)
{
    const w_block *block = unit->block;
    x += k;
    if (block->kind == W_BLOCK_DENSE) {
        for (int i = 0; i < unit->width; i++) {
            gamma[i * m] = x[op->position[block->dense_column[i]] * count];
        }
        return;
    }
    const int64_t size = block->cells * block->width;
    double *cells = scratch, *more = scratch + size;
    for (int64_t l = 0; l < block->levels; l++) {
        const int64_t first = w_unit_level(op, unit, l);
        double *to = gamma + l * size * m;
        if (first < 0) {
            memset(cells, 0, (size_t)size * sizeof *cells);
        } else if (block->kind == W_BLOCK_FACTOR) {
            to[0] = x[first * count];
            continue;
        } else {
            w_unit_expand_level(op, unit, x + first * count, count, m == 1 ? to : cells, more);
            if (m == 1) {
                continue;
            }
        }
        if (block->kind == W_BLOCK_FACTOR) {
            to[0] = 0.0;
            continue;
        }
        for (int64_t i = 0; i < size; i++) {
            to[i * m] = cells[i];
        }
    }
}

static void contract_level(const w_matrix_free *op, const w_unit *unit, const double *cells, double *y, int64_t count,
                           double *scratch)
{
    const w_smooth *smooth = unit->block->smooth;
    double *raw = scratch, *out = raw + smooth->raw_columns;
    if (smooth->margin_count == 1 && !smooth->margin[0].map) {
        memcpy(raw, cells, (size_t)smooth->raw_columns * sizeof *raw);
    } else {
        const w_cell_range all = w_cells_all(smooth);
        w_contract(op->kernels, smooth, &all, 1, 1, cells, raw, scratch + 3 * smooth->raw_columns);
    }
    if (smooth->transform) {
        memset(out, 0, (size_t)smooth->columns * sizeof *out);
        op->kernels->gemm(1, smooth->columns, smooth->raw_columns, raw, smooth->raw_columns, 1, smooth->transform, smooth->columns,
                          out, smooth->columns);
        raw = out;
    }
    for (int64_t i = 0; i < unit->order; i++) {
        y[i * count] = raw[i];
    }
}

void w_unit_contract(const w_matrix_free *op, const w_unit *unit, const double *g, int m, double *y, int64_t count, int64_t k,
                     double *scratch)
{
    const w_block *block = unit->block;
    y += k;
    if (block->kind == W_BLOCK_DENSE) {
        for (int i = 0; i < unit->width; i++) {
            y[op->position[block->dense_column[i]] * count] = g[i * m];
        }
        return;
    }
    const int64_t size = block->cells * block->width;
    double *cells = scratch, *more = scratch + size;
    for (int64_t l = 0; l < block->levels; l++) {
        const int64_t first = w_unit_level(op, unit, l);
        const double *from = g + l * size * m;
        if (first < 0) {
            continue;
        }
        if (block->kind == W_BLOCK_FACTOR) {
            y[first * count] = from[0];
            continue;
        }
        for (int64_t i = 0; m > 1 && i < size; i++) {
            cells[i] = from[i * m];
        }
        contract_level(op, unit, m == 1 ? from : cells, y + first * count, count, more);
    }
}

/* ---- several vectors at once: smooths whose values are their raw coefficients' ---------------------------------------- */

#define INLINE static inline __attribute__((always_inline))

bool w_unit_is_direct(const w_unit *unit)
{
    const w_smooth *smooth = unit->block->smooth;
    return smooth && smooth->margin_count == 1 && !smooth->margin[0].map;
}

/* out (rows x room) = t (rows x columns) x, x packed: columns x room. Four rows side by side. */
INLINE void map_rows(const double *t, int64_t rows, int64_t columns, const double *x, int room, double *out)
{
    for (int64_t r = 0; r < rows; r += 4) {
        const int64_t run = w_min64(4, rows - r);
        double sum[4][W_MATRIX_FREE_VECTORS] = { { 0 } };
        const double *own[4];
        for (int i = 0; i < 4; i++) {
            own[i] = t + (r + (i < run ? i : 0)) * columns;
        }
        for (int64_t j = 0; j < columns; j++) {
            for (int i = 0; i < 4; i++) {
                for (int k = 0; k < room; k++) {
                    sum[i][k] += own[i][j] * x[j * room + k];
                }
            }
        }
        for (int i = 0; i < run; i++) {
            for (int k = 0; k < room; k++) {
                out[(r + i) * room + k] = sum[i][k];
            }
        }
    }
}

/* out (columns x room) = t' g. */
INLINE void map_back(const double *t, int64_t rows, int64_t columns, const double *g, int room, double *out)
{
    memset(out, 0, (size_t)(columns * room) * sizeof *out);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < columns; j++) {
            for (int k = 0; k < room; k++) {
                out[j * room + k] += t[r * columns + j] * g[r * room + k];
            }
        }
    }
}

#define BY_ROOM(call)          \
    switch (room) {            \
    case 1: call(1); break;    \
    case 2: call(2); break;    \
    case 4: call(4); break;    \
    default: call(8); break;   \
    }

void w_unit_expand_direct(const w_matrix_free *op, const w_unit *unit, const double *x, int64_t count, int64_t k, int m, int room,
                          double *gamma, double *scratch)
{
    const w_smooth *smooth = unit->block->smooth;
    const int64_t raw = smooth->raw_columns, columns = unit->order;
    for (int64_t l = 0; l < unit->block->levels; l++, gamma += raw * room) {
        const int64_t first = w_unit_level(op, unit, l);
        double *packed = smooth->transform ? scratch : gamma;
        if (first < 0) {
            memset(gamma, 0, (size_t)(raw * room) * sizeof *gamma);
            continue;
        }
        for (int64_t j = 0; j < columns; j++) {
            for (int i = 0; i < room; i++) {
                packed[j * room + i] = i < m ? x[(first + j) * count + k + i] : 0.0;
            }
        }
#define EXPAND(room) map_rows(smooth->transform, raw, columns, packed, room, gamma)
        if (smooth->transform) {
            BY_ROOM(EXPAND)
        }
    }
}

void w_unit_contract_direct(const w_matrix_free *op, const w_unit *unit, const double *g, int room, double *y, int64_t count,
                            int64_t k, int m, double *scratch)
{
    const w_smooth *smooth = unit->block->smooth;
    const int64_t raw = smooth->raw_columns, columns = unit->order;
    for (int64_t l = 0; l < unit->block->levels; l++, g += raw * room) {
        const int64_t first = w_unit_level(op, unit, l);
        const double *from = smooth->transform ? scratch : g;
        if (first < 0) {
            continue;
        }
#define CONTRACT(room) map_back(smooth->transform, raw, columns, g, room, scratch)
        if (smooth->transform) {
            BY_ROOM(CONTRACT)
        }
        for (int64_t j = 0; j < columns; j++) {
            for (int i = 0; i < m; i++) {
                y[(first + j) * count + k + i] = from[j * room + i];
            }
        }
    }
}
