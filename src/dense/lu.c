/* SPDX-License-Identifier: Apache-2.0 */
/* PA = LU by panels of W_PANEL_TILE columns: for each
 *     P [A11; A21] = [L11; L21] U11 (lu_panel.c, packed);   the other columns exchange the same rows;
 *     U12 = L11^-1 A12;   A22 -= L21 U12.
 * Reference: Golub & Van Loan, Matrix Computations, 3.4; Higham, Accuracy and Stability of Numerical Algorithms, 9. */
#include "dense/lu.h"

#include <string.h>

#include "base/size.h"
#include "dense/level3.h"

#define BLOCK (4 * W_PANEL_TILE)
#define COLUMNS 64 /* of a task that exchanges rows */

typedef struct exchanging {
    const w_panel *k;
    int64_t steps, count, row, column, share;
    const int64_t *pivot;
    bool back;
    void *a;
} exchanging;

static void exchange_f64(const exchanging *e, int64_t first, int64_t count)
{
    for (int64_t s = 0; s < e->steps; s++) {
        const int64_t i = e->back ? e->steps - 1 - s : s, k = e->pivot[i];
        double *x = (double *)e->a + i * e->row + first * e->column, *y = (double *)e->a + k * e->row + first * e->column;
        for (int64_t c = 0; i != k && c < count; c++) {
            const double keep = x[c * e->column];
            x[c * e->column] = y[c * e->column];
            y[c * e->column] = keep;
        }
    }
}

static void exchange_f32(const exchanging *e, int64_t first, int64_t count)
{
    for (int64_t s = 0; s < e->steps; s++) {
        const int64_t i = e->back ? e->steps - 1 - s : s, k = e->pivot[i];
        float *x = (float *)e->a + i * e->row + first * e->column, *y = (float *)e->a + k * e->row + first * e->column;
        for (int64_t c = 0; i != k && c < count; c++) {
            const float keep = x[c * e->column];
            x[c * e->column] = y[c * e->column];
            y[c * e->column] = keep;
        }
    }
}

/* Column by column where columns are contiguous: a column stays in the first cache. */
static weir_status exchange_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const exchanging *e = arg;
    const int64_t first = task * COLUMNS, end = w_min64(e->count, first + COLUMNS);
    const int64_t run = e->column == 1 ? end - first : 4;
    for (int64_t c = first; c < end; c += run) {
        const int64_t count = w_min64(run, end - c);
        e->k->size == 4 ? exchange_f32(e, c, count) : exchange_f64(e, c, count);
    }
    return WEIR_OK;
}

weir_status w_lu_exchange(weir_ctx *ctx, const w_panel *k, int64_t steps, const int64_t *pivot, bool back, int64_t count, void *a,
                          int64_t row, int64_t column)
{
    exchanging e = { .k = k, .steps = steps, .count = count, .row = row, .column = column, .pivot = pivot, .back = back, .a = a };
    const int64_t tasks = (count + COLUMNS - 1) / COLUMNS;
    if (ctx && tasks > 4) {
        return w_pool_run(ctx, tasks, exchange_task, &e);
    }
    for (int64_t task = 0; task < tasks; task++) {
        exchange_task(&e, task, 0);
    }
    return WEIR_OK;
}

int64_t w_lu_work_bytes(const w_panel *k, int64_t m, int64_t n)
{
    const int64_t width = w_min64(W_PANEL_TILE, w_min64(m, n));
    return w_mul64(w_round_up64(m, k->strip), width * k->size);
}

/* C -= A B for C of either storage order. */
static weir_status take_product(weir_ctx *ctx, const w_panel *k, int64_t rows, int64_t columns, int64_t depth, w_operand a,
                                w_operand b, void *c, int64_t row, int64_t column)
{
    const w_operand turned = { b.data, b.depth, b.row }; /* B' */
    return row == 1 ? w_gemm(ctx, k, rows, columns, depth, -1.0, a, turned, c, column)
                    : w_gemm(ctx, k, columns, rows, depth, -1.0, turned, a, c, row);
}

typedef struct factoring {
    weir_ctx *ctx;
    const w_panel *k;
    int64_t m, n, row, column;
    void *a;
    int64_t *pivot;
    void *work;
    int64_t zero;
} factoring;

static w_operand part(const factoring *f, int64_t row, int64_t column)
{
    return (w_operand){ w_panel_at(f->k, f->a, row * f->row + column * f->column), f->row, f->column };
}

/* Columns [q, next) are factored: what that means for the columns [from, end). Pivots count from q. */
static weir_status follow(const factoring *f, int64_t q, int64_t next, int64_t from, int64_t end)
{
    const w_operand right = part(f, q, from);
    weir_status status = w_lu_exchange(f->ctx, f->k, next - q, f->pivot + q, false, end - from, (void *)right.data, f->row, f->column);
    if (status >= 0 && end > from) {
        status = w_trsm_strided(f->ctx, f->k, (w_triangular){ .unit = true }, next - q, part(f, q, q), end - from,
                                (void *)right.data, f->row, f->column);
    }
    return status < 0 || next == f->m || end == from
               ? status : take_product(f->ctx, f->k, f->m - next, end - from, next - q, part(f, next, q), right,
                                       (void *)part(f, next, from).data, f->row, f->column);
}

/* The panel's own columns, and rows of the block's columns before it. Its pivots count from q. */
static weir_status factor_panel(factoring *f, int64_t block, int64_t q, int64_t width)
{
    const w_operand panel = part(f, q, q);
    w_panel_pack(f->k, f->m - q, width, panel, NULL, f->work);
    const int64_t missing = w_lu_panel(f->ctx, f->k, f->m - q, width, f->work, f->pivot + q);
    w_panel_unpack(f->k, f->m - q, width, f->work, (void *)panel.data, f->row, f->column);
    f->zero = missing && !f->zero ? q + missing : f->zero;
    return w_lu_exchange(f->ctx, f->k, width, f->pivot + q, false, q - block, (void *)part(f, q, block).data, f->row, f->column);
}

static void count_from(int64_t *pivot, int64_t first, int64_t end, int64_t by)
{
    for (int64_t i = first; i < end; i++) {
        pivot[i] += by;
    }
}

static weir_status factor_block(factoring *f, int64_t block, int64_t end)
{
    weir_status status = WEIR_OK;
    for (int64_t q = block; q < end && status >= 0; q += W_PANEL_TILE) {
        const int64_t next = w_min64(end, q + W_PANEL_TILE);
        status = factor_panel(f, block, q, next - q);
        status = status < 0 ? status : follow(f, q, next, next, end);
        count_from(f->pivot, q, next, q - block);
    }
    return status;
}

weir_status w_lu_factor(weir_ctx *ctx, const w_panel *k, int64_t m, int64_t n, void *a, int64_t row, int64_t column,
                        int64_t *pivot, void *work, int64_t *zero)
{
    const int64_t least = w_min64(m, n);
    factoring f = { .ctx = ctx, .k = k, .m = m, .n = n, .row = row, .column = column, .a = a, .pivot = pivot, .work = work };
    weir_status status = WEIR_OK;
    for (int64_t block = 0; block < least && status >= 0; block += BLOCK) {
        const int64_t end = w_min64(least, block + BLOCK);
        status = factor_block(&f, block, end);
        if (status >= 0) {
            status = follow(&f, block, end, end, n);
            w_lu_exchange(ctx, k, end - block, pivot + block, false, block, (void *)part(&f, block, 0).data, row, column);
        }
        count_from(pivot, block, end, block);
    }
    *zero = f.zero;
    return status;
}
