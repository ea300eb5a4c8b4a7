/* SPDX-License-Identifier: Apache-2.0 */
/* From the first pass: X'Wz and the cross-products of each block with itself,
 *     R_c = sum of w v v' over the rows in cell c,   A_ee = T' (sum_c M_c' R_c M_c) T,
 * level by level. Of blocks that are too wide only sum of w v_r^2 is kept per cell; the diagonal made of it,
 *     sum over c, r of (M_c T)_rj^2 R_c,rr,
 * leaves out the products of a row's values with each other: positive, and exact for a factor. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "normal/operator_parts.h"

typedef struct adding {
    w_matrix_free *op;
    const w_packed *packed;
    double *table;
} adding;

static inline int64_t cell_of(const w_lane *lane, int64_t i)
{
    return lane->narrow ? lane->narrow[i] : lane->wide ? lane->wide[i] : 0;
}

static void add_diagonal(const w_lane *lane, const w_packed *packed, double *table)
{
    for (int64_t i = 0; i < packed->rows; i++) {
        double *to = table + cell_of(lane, i) * lane->width;
        for (int r = 0; r < lane->width; r++) {
            double v = lane->value ? lane->value[i * lane->width + r] : 1.0;
            to[r] += packed->weight[i] * v * v;
        }
    }
}

static void add_products(const w_lane *lane, const w_packed *packed, double *table)
{
    const int width = lane->width;
    for (int64_t i = 0; i < packed->rows; i++) {
        const double *v = lane->value + i * width;
        double *to = table + cell_of(lane, i) * width * width;
        for (int r = 0; r < width; r++) {
            const double wv = packed->weight[i] * v[r];
            for (int s = 0; s < width; s++) {
                to[r * width + s] += wv * v[s];
            }
        }
    }
}

/* One unit: its tables and its part of X'Wz, in gamma form among the sums of shard 0. */
static weir_status unit_task(void *arg, int64_t task, int worker)
{
    adding *a = arg;
    w_matrix_free *op = a->op;
    const w_unit *unit = &op->unit[task];
    const w_lane *lane = &a->packed->lane[task];
    double *wz = op->worker[worker].eta;
    if (unit->width == 0) {
        return WEIR_OK;
    }
    if (a->table) {
        (unit->full ? add_products : add_diagonal)(lane, a->packed, a->table + unit->table);
    }
    for (int64_t i = 0; i < a->packed->rows; i++) {
        wz[i] = a->packed->weight[i] * a->packed->z[i];
    }
    op->lanes->backward(lane, 0, a->packed->rows, 1, wz, op->sum + unit->gamma);
    return WEIR_OK;
}

weir_status w_blocks_add(w_matrix_free *op, double *table, const w_packed *packed, int64_t count)
{
    weir_status status = WEIR_OK;
    for (int64_t t = 0; status == WEIR_OK && t < count; t++) {
        adding a = { op, &packed[t], table };
        for (int64_t i = 0; i < packed[t].rows; i++) {
            const double w = packed[t].weight[i], z = packed[t].z[i];
            op->sums.weight += w;
            op->sums.weight_z += w * z;
            op->sums.zz += w * z * z;
        }
        if (packed[t].rows < W_TILE_ROWS / 2) {
            for (int u = 0; status == WEIR_OK && u < op->unit_count; u++) {
                status = unit_task(&a, u, 0);
            }
        } else {
            status = w_pool_run(op->ctx, op->unit_count, unit_task, &a);
        }
    }
    return status;
}

/* A_ee of one level, k x k, from its tables. */
static void level_matrix(const w_matrix_free *op, const w_unit *unit, const double *table, double *out, double *scratch)
{
    const w_smooth *smooth = unit->block->smooth;
    const int64_t width = unit->width, cells = unit->block->cells, raw = smooth->raw_columns, k = unit->order;
    double *g = scratch, *half = g + raw * raw, *u = half + raw * raw, *more = u + cells * width * raw;
    if (smooth->margin_count == 1 && !smooth->margin[0].map) {
        memcpy(g, table, (size_t)(raw * raw) * sizeof *g);
    } else {
        const w_cell_range all = w_cells_all(smooth);
        for (int64_t c = 0; c < cells; c++) {
            const w_cell_range one = w_cells_one(smooth, c);
            w_contract(op->kernels, smooth, &one, width, 1, table + c * width * width, u + c * width * raw, more);
        }
        w_contract(op->kernels, smooth, &all, 1, raw, u, g, more);
    }
    if (!smooth->transform) {
        memcpy(out, g, (size_t)(k * k) * sizeof *out);
        return;
    }
    memset(half, 0, (size_t)(raw * k) * sizeof *half);
    op->kernels->gemm(raw, k, raw, g, raw, 1, smooth->transform, k, half, k);
    memset(out, 0, (size_t)(k * k) * sizeof *out);
    op->kernels->gemm(k, k, raw, smooth->transform, 1, k, half, k, out, k);
}

/* Diagonal of a level whose products are kept per value only. */
static void level_diagonal(const w_matrix_free *op, const w_unit *unit, const double *table, double *out, double *scratch)
{
    const int64_t size = unit->block->cells * unit->width;
    double *unit_vector = op->gamma, *cells = scratch;
    memset(unit_vector, 0, (size_t)unit->order * sizeof *unit_vector);
    for (int64_t j = 0; j < unit->order; j++) {
        unit_vector[j] = 1.0;
        w_unit_expand_level(op, unit, unit_vector, 1, cells, scratch + size);
        unit_vector[j] = 0.0;
        double sum = 0.0;
        for (int64_t i = 0; i < size; i++) {
            sum += cells[i] * cells[i] * table[i];
        }
        out[j] = sum;
    }
}

static void finish_unit(w_matrix_free *op, const w_unit *unit, const double *table)
{
    const w_block *block = unit->block;
    const int64_t k = unit->order;
    double *matrix = op->matrix + unit->matrix, *scratch = op->worker[0].scratch;
    if (unit->refined) {
        memcpy(unit->refined->mass, table, (size_t)unit->cells * sizeof *table);
        w_refined_diagonal(unit->refined, op->diagonal);
        return;
    }
    if (block->kind == W_BLOCK_DENSE) {
        if (unit->full) { /* coordinates ascend by column, the values may not */
            for (int64_t i = 0; i < k; i++) {
                for (int64_t j = 0; j < k; j++) {
                    int64_t at_i = op->position[block->dense_column[i]], at_j = op->position[block->dense_column[j]];
                    matrix[at_i * k + at_j] = table[i * k + j];
                }
            }
        }
        for (int64_t i = 0; i < k; i++) {
            op->diagonal[op->position[block->dense_column[i]]] = table[unit->full ? i * (k + 1) : i];
        }
        return;
    }
    const int64_t size = unit->full ? block->cells * unit->width * unit->width : block->cells * unit->width;
    for (int64_t l = 0; l < block->levels; l++) {
        const int64_t first = w_unit_level(op, unit, l);
        const double *from = table + l * size;
        if (first < 0) {
            continue;
        }
        if (block->kind == W_BLOCK_FACTOR) {
            op->diagonal[first] = from[0];
        } else if (!unit->full) {
            level_diagonal(op, unit, from, op->diagonal + first, scratch);
        } else {
            double *to = matrix + (first - unit->first) * k;
            level_matrix(op, unit, from, to, scratch);
            for (int64_t i = 0; i < k; i++) {
                op->diagonal[first + i] = to[i * (k + 1)];
            }
        }
    }
}

weir_status w_blocks_finish(w_matrix_free *op, const double *table)
{
    for (int u = 0; u < op->unit_count; u++) {
        const w_unit *unit = &op->unit[u];
        if (table) {
            finish_unit(op, unit, table + unit->table);
        }
        if (unit->refined) {
            w_refined_contract(unit->refined, op->sum + unit->gamma, 1, op->rhs, 1, 0, 1);
        } else {
            w_unit_contract(op, unit, op->sum + unit->gamma, 1, op->rhs, 1, 0, op->worker[0].scratch);
        }
    }
    for (int64_t c = 0; c < op->design->p; c++) {
        if (!isfinite(op->rhs[c]) || !isfinite(op->diagonal[c])) {
            const char *label = op->design->column_label ? op->design->column_label[op->column[c]] : "X";
            return w_fail(op->ctx, WEIR_E_NUMERIC, "the sums of column %s are not finite: rescale the response or the covariates",
                          label);
        }
    }
    return WEIR_OK;
}
