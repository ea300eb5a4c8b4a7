/* SPDX-License-Identifier: Apache-2.0 */
/* The shape that the routes reckon with. */
#include <math.h>

#include "base/size.h"
#include "solve/route_cg.h"
#include "sparse/csc.h"

#define W_GRAM_SAMPLES 64
#define W_GRAM_ENTRIES 8192 /* of X in the columns sampled, about */
#define W_GRAM_MARGIN 1.3

static weir_status csr_rows(weir_ctx *ctx, const weir_linear_matrix *x, w_route_shape *shape)
{
    if (x->row_first[0] < 0) {
        return w_fail(ctx, WEIR_E_DATA, "CSR: row_first[0] is negative");
    }
    shape->sorted = true;
    double gram = 0.0;
    for (int64_t i = 0; i < x->rows; i++) {
        const int64_t from = x->row_first[i], to = x->row_first[i + 1];
        if (to < from) {
            return w_fail(ctx, WEIR_E_DATA, "CSR: row_first falls at row %lld", (long long)i);
        }
        for (int64_t e = from; e < to; e++) {
            if (x->column[e] < 0 || x->column[e] >= x->columns) {
                return w_fail(ctx, WEIR_E_DATA, "CSR: row %lld has column %ld of %lld", (long long)i, (long)x->column[e],
                              (long long)x->columns);
            }
            shape->sorted = shape->sorted && (e == from || x->column[e] > x->column[e - 1]);
        }
        const double count = (double)(to - from);
        shape->squares += count * count;
        gram += 0.5 * count * (count + 1.0);
    }
    shape->entries = x->row_first[x->rows] - x->row_first[0];
    const double p = (double)x->columns;
    shape->gram_entries = fmin(gram + p, 0.5 * p * (p + 1.0));
    return WEIR_OK;
}

static void penalty(const weir_linear_system *s, w_route_shape *shape)
{
    bool positive = s->ridge > 0.0;
    int64_t next = 0;
    for (int64_t i = 0; i < s->x.columns && s->diagonal; i++) {
        positive = positive && s->diagonal[i] >= 0.0;
    }
    shape->penalty_definite = true;
    shape->penalty_rows = s->ridge > 0.0 || s->diagonal ? s->x.columns : 0;
    for (int64_t b = 0; b <= s->penalties; b++) {
        const int64_t end = b < s->penalties ? s->penalty[b].first : s->x.columns;
        for (; next < end && shape->penalty_definite && !positive; next++) {
            shape->penalty_definite = s->diagonal && s->ridge + s->diagonal[next] > 0.0;
        }
        if (b < s->penalties) {
            next = s->penalty[b].first + s->penalty[b].size;
            shape->penalty_rows = w_add64(shape->penalty_rows, s->penalty[b].size);
            shape->largest_block = w_max64(shape->largest_block, s->penalty[b].size);
        }
    }
    shape->penalty_blocks = s->penalties;
}

weir_status w_linear_shape(weir_ctx *ctx, const weir_linear_system *s, const weir_linear_options *o, w_route_shape *shape)
{
    const weir_linear_matrix *x = &s->x;
    *shape = (w_route_shape){ .kind = x->kind, .float32 = x->float32 != 0, .weighted = s->weights != NULL, .n = x->rows,
                              .p = x->columns, .m = s->right_hand_sides, .groups = w_max64(1, s->groups), .largest = x->rows,
                              .entries = w_mul64(x->rows, x->columns), .threads = ctx->threads, .in_flight = 1,
                              .max_iterations = o->max_iterations };
    shape->squares = (double)x->rows * (double)x->columns * (double)x->columns;
    shape->gram_entries = 0.5 * (double)x->columns * ((double)x->columns + 1.0);
    shape->rows_contiguous = x->kind == WEIR_MATRIX_DENSE && !x->float32 && x->column_stride == 1 && x->row_stride >= x->columns &&
                             x->row_stride <= INT32_MAX;
    if (s->group_first) {
        shape->largest = 0;
        for (int64_t g = 0; g < shape->groups; g++) {
            shape->largest = w_max64(shape->largest, s->group_first[g + 1] - s->group_first[g]);
        }
    }
    penalty(s, shape);
    shape->preconditioner = o->preconditioner != WEIR_PRECONDITIONER_AUTO ? o->preconditioner
                          : x->kind == WEIR_MATRIX_OPERATOR ? WEIR_PRECONDITIONER_NONE : WEIR_PRECONDITIONER_BLOCKS;
    shape->rank = o->rank > 0 ? o->rank : W_NYSTROM_RANK;
    shape->width = shape->preconditioner == WEIR_PRECONDITIONER_JACOBI ? 1 : o->block;
    for (int64_t first = 0, size = 0; w_blocks_next(s, shape->width, &first, &size);) {
        shape->blocks++;
        shape->block = w_max64(shape->block, size);
        shape->block_values = w_add64(shape->block_values, w_mul64(size, size));
    }
    if (x->kind == WEIR_MATRIX_CSR) {
        shape->squares = 0.0;
        return csr_rows(ctx, x, shape);
    }
    return WEIR_OK;
}

void w_linear_estimate_gram(weir_ctx *ctx, const weir_linear_system *s, w_route_shape *shape)
{
    const weir_linear_matrix *x = &s->x;
    if (shape->entries >= INT32_MAX) {
        return;
    }
    int32_t *work = w_alloc_array(ctx, "route", (size_t)(x->columns + shape->entries), sizeof *work);
    if (!work) {
        w_message_clear(ctx);
        return;
    }
    const w_csr_rows rows = { 0, x->rows, x->columns, x->row_first, x->column, x->values, x->float32, s->weights };
    const double per_column = (double)shape->entries / (double)x->columns + 1.0;
    const int64_t samples = w_max64(8, w_min64(W_GRAM_SAMPLES, (int64_t)(W_GRAM_ENTRIES / per_column)));
    double entries = W_GRAM_MARGIN * w_csc_gram_estimate(&rows, samples, work);
    for (int64_t b = 0; b < s->penalties; b++) {
        entries += 0.5 * (double)s->penalty[b].size * (double)s->penalty[b].size;
    }
    shape->gram_entries = fmin(shape->gram_entries, entries);
    w_free(ctx, work);
}
