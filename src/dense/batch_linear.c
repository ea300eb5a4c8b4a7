/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/batch.h"

#define FULL W_TRIANGLE_FULL

void w_batch_copy_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t m = call->a->matrix.rows;
    void *a = w_batch_take(s, w_mul64(m, call->a->matrix.cols));
    if (s->base) {
        w_batch_load(call, call->a, g, false, FULL, (w_group_place){ a, 1, m });
        w_batch_store(call, call->x, g, false, FULL, (w_group_place){ a, 1, m });
    }
}

/* ---- Cholesky: the upper triangle of A is the lower one of its transpose -------------------------------------------- */

void w_batch_chol_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t n = call->a->matrix.rows;
    void *a = w_batch_take(s, w_mul64(n, n)), *infos = w_batch_take(s, 1);
    if (!s->base) {
        return;
    }
    const bool in_place = call->a->matrix.data == call->x->matrix.data;
    w_batch_load(call, call->a, g, call->upper, W_TRIANGLE_LOWER, (w_group_place){ a, 1, n });
    call->k->chol(n, a, infos);
    w_batch_note(call, g, infos);
    if (!in_place) {
        w_batch_clear(n, n, a, true);
    }
    w_batch_store(call, call->x, g, call->upper, in_place ? W_TRIANGLE_LOWER : FULL, (w_group_place){ a, 1, n });
}

void w_batch_chol_solve_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t n = call->a->matrix.rows, cols = call->b->matrix.cols;
    void *l = w_batch_take(s, w_mul64(n, n)), *b = w_batch_take(s, w_mul64(n, cols));
    if (!s->base || n == 0) {
        return;
    }
    w_batch_load(call, call->a, g, call->upper, W_TRIANGLE_LOWER, (w_group_place){ l, 1, n });
    w_batch_load(call, call->b, g, false, FULL, (w_group_place){ b, 1, n });
    call->k->trsm(n, cols, l, 1, n, false, b, 1, n);
    call->k->trsm(n, cols, w_batch_at(l, n * n - 1), -n, -1, false, w_batch_at(b, n - 1), -1, n);
    w_batch_store(call, call->x, g, false, FULL, (w_group_place){ b, 1, n });
}

/* ---- LU ------------------------------------------------------------------------------------------------------------- */

void w_batch_lu_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t m = call->a->matrix.rows, n = call->a->matrix.cols, k = w_min64(m, n);
    void *a = w_batch_take(s, w_mul64(m, n)), *pivots = w_batch_take(s, k), *infos = w_batch_take(s, 1);
    if (!s->base) {
        return;
    }
    w_batch_load(call, call->a, g, false, FULL, (w_group_place){ a, 1, m });
    call->k->lu(m, n, 0, a, pivots, infos, true);
    w_batch_note(call, g, infos);
    w_batch_store(call, call->x, g, false, FULL, (w_group_place){ a, 1, m });
    for (int l = 0; l < w_batch_lanes_of(call, g); l++) {
        for (int64_t i = 0; i < k; i++) {
            call->pivot[(g * call->k->lanes + l) * k + i] = (int64_t)w_batch_get(call, pivots, i, l);
        }
    }
}

void w_batch_lu_solve_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const w_batched *k = call->k;
    const int64_t n = call->a->matrix.rows, cols = call->b->matrix.cols, last = n - 1;
    void *a = w_batch_take(s, w_mul64(n, n)), *pivots = w_batch_take(s, n), *infos = w_batch_take(s, 1);
    void *b = w_batch_take(s, w_mul64(n, cols));
    if (!s->base || n == 0) {
        return;
    }
    w_batch_load(call, call->a, g, false, FULL, (w_group_place){ a, 1, n });
    w_batch_load(call, call->b, g, false, FULL, (w_group_place){ b, 1, n });
    for (int l = 0; l < k->lanes; l++) {
        const int64_t lane = l < w_batch_lanes_of(call, g) ? l : 0;
        for (int64_t i = 0; i < n; i++) {
            w_batch_put(call, pivots, i, l, (double)call->pivot[(g * k->lanes + lane) * n + i]);
        }
    }
    w_batch_first_zero(call, n, a, n + 1, infos);
    w_batch_note(call, g, infos);
    if (call->trans) { /* U'L'P x = b */
        k->trsm(n, cols, a, n, 1, false, b, 1, n);
        k->trsm(n, cols, w_batch_at(a, last * (n + 1)), -n, -1, true, w_batch_at(b, last), -1, n);
        k->exchange(n, cols, n, pivots, b, true);
    } else {
        k->exchange(n, cols, n, pivots, b, false);
        k->trsm(n, cols, a, 1, n, true, b, 1, n);
        k->trsm(n, cols, w_batch_at(a, last * (n + 1)), -1, -n, false, w_batch_at(b, last), -1, n);
    }
    w_batch_store(call, call->x, g, false, FULL, (w_group_place){ b, 1, n });
}

/* B stands behind A and is eliminated with it. */
void w_batch_solve_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t n = call->a->matrix.rows, cols = call->b->matrix.cols, last = n - 1;
    void *a = w_batch_take(s, w_mul64(n, w_add64(n, cols))), *pivots = w_batch_take(s, n), *infos = w_batch_take(s, 1);
    if (!s->base || n == 0) {
        return;
    }
    char *b = w_batch_at(a, n * n);
    w_batch_load(call, call->a, g, false, FULL, (w_group_place){ a, 1, n });
    w_batch_load(call, call->b, g, false, FULL, (w_group_place){ b, 1, n });
    call->k->lu(n, n, cols, a, pivots, infos, false);
    call->k->trsm(n, cols, w_batch_at(a, last * (n + 1)), -1, -n, false, w_batch_at(b, last), -1, n);
    w_batch_note(call, g, infos);
    w_batch_store(call, call->x, g, false, FULL, (w_group_place){ b, 1, n });
}

/* ---- triangular systems: transposes and reversed orders make every triangle a lower one from the left --------------- */

void w_batch_trsm_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t n = call->a->matrix.rows, cols = call->right ? call->b->matrix.rows : call->b->matrix.cols, last = n - 1;
    void *t = w_batch_take(s, w_mul64(n, n)), *b = w_batch_take(s, w_mul64(n, cols)), *infos = w_batch_take(s, 1);
    if (!s->base || n == 0) {
        return;
    }
    const bool turned = call->trans != call->right, upper = call->upper != turned;
    w_batch_load(call, call->a, g, turned, upper ? W_TRIANGLE_UPPER : W_TRIANGLE_LOWER, (w_group_place){ t, 1, n });
    w_batch_load(call, call->b, g, call->right, FULL, (w_group_place){ b, 1, n });
    w_batch_first_zero(call, call->unit ? 0 : n, t, n + 1, infos);
    w_batch_note(call, g, infos);
    if (upper) {
        call->k->trsm(n, cols, w_batch_at(t, last * (n + 1)), -1, -n, call->unit, w_batch_at(b, last), -1, n);
    } else {
        call->k->trsm(n, cols, t, 1, n, call->unit, b, 1, n);
    }
    w_batch_store(call, call->x, g, call->right, FULL, (w_group_place){ b, 1, n });
}

/* ---- eigenvalues, products ------------------------------------------------------------------------------------------- */

void w_batch_eigh_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t n = call->a->matrix.rows, even = w_batched_even(n);
    void *a = w_batch_take(s, w_mul64(even, even)), *work = w_batch_take(s, w_batched_eigh_work(n)), *infos = w_batch_take(s, 1);
    void *values = w_batch_take(s, n), *vectors = call->x ? w_batch_take(s, w_mul64(n, n)) : NULL;
    if (!s->base) {
        return;
    }
    const weir_batch results = w_batch_vectors(call->a, call->values, n);
    w_batch_load(call, call->a, g, call->upper, W_TRIANGLE_LOWER, (w_group_place){ a, 1, even });
    call->k->eigh(n, a, values, vectors, work, infos);
    w_batch_note(call, g, infos);
    w_batch_store(call, &results, g, false, FULL, (w_group_place){ values, 1, n });
    w_batch_store(call, call->x, g, false, FULL, (w_group_place){ vectors, 1, n });
}

void w_batch_multiply_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t m = call->x->matrix.rows, n = call->x->matrix.cols;
    const int64_t depth = call->trans ? call->a->matrix.rows : call->a->matrix.cols;
    void *a = w_batch_take(s, w_mul64(m, depth)), *b = w_batch_take(s, w_mul64(depth, n)), *c = w_batch_take(s, w_mul64(m, n));
    if (!s->base) {
        return;
    }
    w_batch_load(call, call->a, g, !call->trans, FULL, (w_group_place){ a, 1, depth });
    w_batch_load(call, call->b, g, call->trans_b, FULL, (w_group_place){ b, 1, depth });
    call->k->product(m, n, depth, a, b, c);
    w_batch_store(call, call->x, g, false, FULL, (w_group_place){ c, 1, m });
}
