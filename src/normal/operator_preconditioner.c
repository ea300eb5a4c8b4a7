/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks A_ee + S_ee of the units at the present smoothing parameters. */
#include <string.h>

#include "base/size.h"
#include "normal/operator_parts.h"

static const w_unit *unit_of(const w_matrix_free *op, int64_t coordinate)
{
    int u = op->unit_count - 1;
    while (u > 0 && (op->unit[u].columns == 0 || coordinate < op->unit[u].first)) {
        u--;
    }
    return &op->unit[u];
}

/* One repetition of a penalty at coordinate `first`; outside a unit's blocks only its diagonal counts. */
static void add_repetition(const w_unit *unit, const w_design_penalty *penalty, double lambda, int64_t first, double *matrix,
                           double *diagonal)
{
    const int64_t k = penalty->k, order = unit->order, offset = (first - unit->first) % order;
    double *block = matrix + unit->matrix + (first - unit->first - offset) * order;
    for (int64_t i = 0; i < k; i++) {
        diagonal[first + i] += lambda * (penalty->matrix ? penalty->matrix[i * (k + 1)] : 1.0);
        if (!unit->full) {
            continue;
        }
        if (!penalty->matrix || offset + k > order) {
            const int64_t at = (first - unit->first + i) % order, level = (first - unit->first + i) / order;
            matrix[unit->matrix + level * order * order + at * (order + 1)] +=
                lambda * (penalty->matrix ? penalty->matrix[i * (k + 1)] : 1.0);
            continue;
        }
        for (int64_t j = 0; j < k; j++) {
            block[(offset + i) * order + offset + j] += lambda * penalty->matrix[i * k + j];
        }
    }
}

static void add_penalties(const w_matrix_free *op, double *matrix, double *diagonal)
{
    for (int j = 0; j < op->design->penalty_count; j++) {
        const w_design_penalty *penalty = &op->design->penalty[j];
        const w_unit *unit = unit_of(op, op->part_first[j]);
        for (int64_t r = 0; r < penalty->repeat; r++) {
            add_repetition(unit, penalty, op->lambda[penalty->sp], op->part_first[j] + r * penalty->k, matrix, diagonal);
        }
    }
}

static int64_t count_blocks(const w_matrix_free *op)
{
    int64_t count = 0;
    for (int u = 0; u < op->unit_count; u++) {
        count += op->unit[u].full ? op->unit[u].block_count : op->unit[u].columns > 0;
    }
    return count;
}

static void list_blocks(const w_matrix_free *op, const double *matrix, const double *diagonal, w_term_block *block)
{
    for (int u = 0; u < op->unit_count; u++) {
        const w_unit *unit = &op->unit[u];
        for (int64_t l = 0; unit->full && l < unit->block_count; l++) {
            *block++ = (w_term_block){ .size = unit->order, .matrix = matrix + unit->matrix + l * unit->order * unit->order };
        }
        if (!unit->full && unit->columns > 0) {
            *block++ = (w_term_block){ .size = unit->columns, .diagonal = diagonal + unit->first };
        }
    }
}

/* A column without data and penalty has a diagonal of 0, which stands for 1. */
static void replace_zeros(double *diagonal, int64_t p)
{
    for (int64_t c = 0; c < p; c++) {
        diagonal[c] = diagonal[c] > 0.0 ? diagonal[c] : 1.0;
    }
}

weir_status w_matrix_free_preconditioner(w_matrix_free *op, w_block_report *report, w_preconditioner *out)
{
    weir_ctx *ctx = op->ctx;
    const int64_t p = op->design->p, count = count_blocks(op);
    double *matrix = w_alloc_array(ctx, "preconditioner", (size_t)(op->blocks + p), sizeof *matrix);
    w_term_block *block = w_alloc_array(ctx, "preconditioner", (size_t)count, sizeof *block);
    weir_status status = matrix && block ? WEIR_OK : w_alloc_status(ctx);
    if (status >= 0) {
        double *diagonal = matrix + op->blocks;
        memcpy(matrix, op->matrix, (size_t)op->blocks * sizeof *matrix);
        memcpy(diagonal, op->diagonal, (size_t)p * sizeof *diagonal);
        add_penalties(op, matrix, diagonal);
        replace_zeros(diagonal, p);
        list_blocks(op, matrix, diagonal, block);
        w_preconditioner made = { 0 };
        status = w_preconditioner_blocks(ctx, 1, &op->design->p, count, block, report, &made);
        if (status >= 0) {
            status = w_matrix_free_two_level(op, diagonal, &made);
            if (status < 0) {
                w_preconditioner_free(ctx, &made);
            } else {
                *out = made;
            }
        }
    }
    w_free(ctx, block);
    w_free(ctx, matrix);
    return status;
}

int64_t w_matrix_free_preconditioner_bytes(const w_design *design)
{
    int64_t tables, matrix, scratch, q = W_MATRIX_FREE_COARSE;
    w_units_gammas(design, &tables, &matrix, &scratch);
    q = w_min64(q, design->block[0].width + design->block_count);
    /* blocks made, blocks kept, list of them; E, map, work, Z'AZ and its vectors */
    int64_t bytes = w_mul64(w_add64(matrix, design->p), 2 * 8);
    int64_t blocks = 0;
    for (int b = 0; b < design->block_count; b++) {
        blocks = w_add64(blocks, design->block[b].levels);
    }
    bytes = w_add64(bytes, w_mul64(blocks, 128));
    bytes = w_add64(bytes, 8 * 6 * q * q);
    return w_add64(bytes, w_add64(w_mul64(design->p, 8 * (1 + 2 * W_MATRIX_FREE_VECTORS)), 8192));
}
