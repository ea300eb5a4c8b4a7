/* SPDX-License-Identifier: Apache-2.0 */
/* PA = LU by panels of W_PANEL_TILE columns: for each
 *     P [A11; A21] = [L11; L21] U11 (lu_panel.c, packed);   the other columns exchange the same rows;
 *     U12 = L11^-1 A12;   A22 -= L21 U12.
 * Reference: Golub & Van Loan, Matrix Computations, 3.4; Higham, Accuracy and Stability of Numerical Algorithms, 9. */
#include "dense/lu.h"

#include <string.h>

#include "base/size.h"
#include "dense/level3.h"

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

weir_status w_lu_factor(weir_ctx *ctx, const w_panel *k, int64_t m, int64_t n, void *a, int64_t row, int64_t column,
                        int64_t *pivot, void *work, int64_t *zero)
{
    const int64_t least = w_min64(m, n);
    weir_status status = WEIR_OK;
    *zero = 0;
    for (int64_t q = 0; q < least && status >= 0; q += W_PANEL_TILE) {
        const int64_t width = w_min64(W_PANEL_TILE, least - q), next = q + width;
        void *panel = w_panel_at(k, a, q * row + q * column), *right = w_panel_at(k, panel, width * column);
        w_panel_pack(k, m - q, width, (w_operand){ panel, row, column }, NULL, work);
        const int64_t missing = w_lu_panel(ctx, k, m - q, width, work, pivot + q);
        *zero = missing && !*zero ? q + missing : *zero;
        w_panel_unpack(k, m - q, width, work, panel, row, column);
        w_lu_exchange(ctx, k, width, pivot + q, false, q, w_panel_at(k, a, q * row), row, column);
        w_lu_exchange(ctx, k, width, pivot + q, false, n - next, right, row, column);
        for (int64_t i = q; i < next; i++) {
            pivot[i] += q;
        }
        status = w_trsm_strided(ctx, k, (w_triangular){ .unit = true }, width, (w_operand){ panel, row, column }, n - next, right,
                                row, column);
        if (status >= 0 && next < m && next < n) {
            status = take_product(ctx, k, m - next, n - next, width, (w_operand){ w_panel_at(k, panel, width * row), row, column },
                                  (w_operand){ right, row, column }, w_panel_at(k, right, width * row), row, column);
        }
    }
    return status;
}
