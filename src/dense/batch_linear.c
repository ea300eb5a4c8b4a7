/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/batch.h"

#define FULL W_TRIANGLE_FULL

void w_batch_copy_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    w_group_place a = w_batch_room(s, call->a->matrix.rows, call->a->matrix.cols);
    if (s->base) {
        a = w_batch_place(call, call->x, g, a);
        w_batch_load(call, call->a, g, false, FULL, a);
        w_batch_store(call, call->x, g, false, FULL, a);
    }
}

/* T X = B for a triangle in a group: lower, or upper by counting from the end. */
static void lower(const w_batch_call *call, int64_t n, int64_t cols, w_group_place t, bool unit, w_group_place b)
{
    call->k->trsm(n, cols, t.buffer, t.gi, t.gj, unit, b.buffer, b.gi, b.gj);
}

static void upper(const w_batch_call *call, int64_t n, int64_t cols, w_group_place t, bool unit, w_group_place b)
{
    const int64_t last = n - 1;
    call->k->trsm(n, cols, w_batch_at(t.buffer, last * (t.gi + t.gj)), -t.gi, -t.gj, unit, w_batch_at(b.buffer, last * b.gi), -b.gi, b.gj);
}

static w_group_place turned(w_group_place t) { return (w_group_place){ t.buffer, t.gj, t.gi }; }

/* ---- Cholesky: the upper triangle of A is the lower one of its transpose -------------------------------------------- */

void w_batch_chol_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t n = call->a->matrix.rows;
    w_group_place a = w_batch_room(s, n, n);
    void *infos = w_batch_take(s, 1);
    if (!s->base) {
        return;
    }
    const bool in_place = call->a->matrix.data == call->x->matrix.data;
    a = call->upper ? a : w_batch_place(call, call->x, g, a);
    w_batch_load(call, call->a, g, call->upper, W_TRIANGLE_LOWER, a);
    call->k->chol(n, a.buffer, a.gj, infos);
    w_batch_note(call, g, infos);
    if (!in_place) {
        w_batch_clear(n, n, a, true);
    }
    w_batch_store(call, call->x, g, call->upper, in_place ? W_TRIANGLE_LOWER : FULL, a);
}

void w_batch_chol_solve_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t n = call->a->matrix.rows, cols = call->b->matrix.cols;
    const w_group_place l = w_batch_room(s, n, n);
    w_group_place b = w_batch_room(s, n, cols);
    if (!s->base || n == 0) {
        return;
    }
    b = w_batch_place(call, call->x, g, b);
    w_batch_load(call, call->a, g, call->upper, W_TRIANGLE_LOWER, l);
    w_batch_load(call, call->b, g, false, FULL, b);
    lower(call, n, cols, l, false, b);
    upper(call, n, cols, turned(l), false, b);
    w_batch_store(call, call->x, g, false, FULL, b);
}

/* ---- LU ------------------------------------------------------------------------------------------------------------- */

void w_batch_lu_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t m = call->a->matrix.rows, n = call->a->matrix.cols, k = w_min64(m, n);
    w_group_place a = w_batch_room(s, m, n);
    void *pivots = w_batch_take(s, k), *infos = w_batch_take(s, 1);
    if (!s->base) {
        return;
    }
    a = w_batch_place(call, call->x, g, a);
    w_batch_load(call, call->a, g, false, FULL, a);
    call->k->lu(m, n, 0, a.buffer, a.gj, pivots, infos, true);
    w_batch_note(call, g, infos);
    w_batch_store(call, call->x, g, false, FULL, a);
    for (int l = 0; l < w_batch_lanes_of(call, g); l++) {
        for (int64_t i = 0; i < k; i++) {
            call->pivot[(g * call->k->lanes + l) * k + i] = (int64_t)w_batch_get(call, pivots, i, l);
        }
    }
}

static void load_pivots(const w_batch_call *call, int64_t g, int64_t n, void *pivots)
{
    for (int l = 0; l < call->k->lanes; l++) {
        const int64_t lane = l < w_batch_lanes_of(call, g) ? l : 0;
        for (int64_t i = 0; i < n; i++) {
            w_batch_put(call, pivots, i, l, (double)call->pivot[(g * call->k->lanes + lane) * n + i]);
        }
    }
}

void w_batch_lu_solve_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t n = call->a->matrix.rows, cols = call->b->matrix.cols;
    const w_group_place a = w_batch_room(s, n, n);
    w_group_place b = w_batch_room(s, n, cols);
    void *pivots = w_batch_take(s, n), *infos = w_batch_take(s, 1);
    if (!s->base || n == 0) {
        return;
    }
    b = w_batch_place(call, call->x, g, b);
    w_batch_load(call, call->a, g, false, FULL, a);
    w_batch_load(call, call->b, g, false, FULL, b);
    load_pivots(call, g, n, pivots);
    w_batch_first_zero(call, n, a.buffer, a.gj + 1, infos);
    w_batch_note(call, g, infos);
    if (call->trans) { /* U'L'P x = b */
        lower(call, n, cols, turned(a), false, b);
        upper(call, n, cols, turned(a), true, b);
        call->k->exchange(n, cols, n, pivots, b.buffer, b.gj, true);
    } else {
        call->k->exchange(n, cols, n, pivots, b.buffer, b.gj, false);
        lower(call, n, cols, a, true, b);
        upper(call, n, cols, a, false, b);
    }
    w_batch_store(call, call->x, g, false, FULL, b);
}

/* B stands behind A and is eliminated with it. */
void w_batch_solve_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t n = call->a->matrix.rows, cols = call->b->matrix.cols;
    const w_group_place a = w_batch_room(s, n, w_add64(n, cols));
    void *pivots = w_batch_take(s, n), *infos = w_batch_take(s, 1);
    if (!s->base || n == 0) {
        return;
    }
    const w_group_place b = { w_batch_at(a.buffer, n * a.gj), 1, a.gj };
    w_batch_load(call, call->a, g, false, FULL, a);
    w_batch_load(call, call->b, g, false, FULL, b);
    call->k->lu(n, n, cols, a.buffer, a.gj, pivots, infos, false);
    upper(call, n, cols, a, false, b);
    w_batch_note(call, g, infos);
    w_batch_store(call, call->x, g, false, FULL, b);
}

/* ---- triangular systems: X op(T) = B is op(T)' X' = B' --------------------------------------------------------------- */

void w_batch_trsm_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t n = call->a->matrix.rows, cols = call->right ? call->b->matrix.rows : call->b->matrix.cols;
    const w_group_place t = w_batch_room(s, n, n);
    w_group_place b = w_batch_room(s, n, cols);
    void *infos = w_batch_take(s, 1);
    if (!s->base || n == 0) {
        return;
    }
    const bool across = call->trans != call->right, above = call->upper != across;
    b = call->right ? b : w_batch_place(call, call->x, g, b);
    w_batch_load(call, call->a, g, across, above ? W_TRIANGLE_UPPER : W_TRIANGLE_LOWER, t);
    w_batch_load(call, call->b, g, call->right, FULL, b);
    w_batch_first_zero(call, call->unit ? 0 : n, t.buffer, t.gj + 1, infos);
    w_batch_note(call, g, infos);
    (above ? upper : lower)(call, n, cols, t, call->unit, b);
    w_batch_store(call, call->x, g, call->right, FULL, b);
}

/* ---- eigenvalues, singular values, products ------------------------------------------------------------------------------------------- */

void w_batch_eigh_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t n = call->a->matrix.rows, even = w_batched_even(n);
    const w_group_place a = w_batch_room(s, even, even);
    w_group_place vectors = call->x ? w_batch_room(s, n, n) : (w_group_place){ NULL, 1, n };
    void *work = w_batch_take(s, w_batched_eigh_work(n)), *infos = w_batch_take(s, 1), *values = w_batch_take(s, n);
    if (!s->base) {
        return;
    }
    const weir_batch results = w_batch_vectors(call->a, call->values, n);
    vectors = call->x ? w_batch_place(call, call->x, g, vectors) : vectors;
    w_batch_load(call, call->a, g, call->upper, W_TRIANGLE_LOWER, a);
    call->k->eigh(n, a.buffer, values, vectors.buffer, vectors.gj, work, infos);
    w_batch_note(call, g, infos);
    w_batch_store(call, &results, g, false, FULL, (w_group_place){ values, 1, n });
    w_batch_store(call, call->x, g, false, FULL, vectors);
}

/* A wide matrix is the transpose of a tall one, its left vectors the right ones of that. */
void w_batch_svd_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const bool wide = call->a->matrix.rows < call->a->matrix.cols;
    const int64_t m = w_max64(call->a->matrix.rows, call->a->matrix.cols), n = w_min64(call->a->matrix.rows, call->a->matrix.cols);
    const weir_batch *const left_to = wide ? call->r : call->x, *const right_to = wide ? call->x : call->r;
    const w_group_place a = w_batch_room(s, m, n), none = { NULL, 1, m };
    w_group_place left = left_to ? w_batch_room(s, m, n) : none, right = right_to ? w_batch_room(s, n, n) : none;
    void *work = w_batch_take(s, w_batched_svd_work(n)), *infos = w_batch_take(s, 1), *values = w_batch_take(s, n);
    if (!s->base) {
        return;
    }
    const weir_batch results = w_batch_vectors(call->a, call->values, n);
    left = left_to ? w_batch_place(call, left_to, g, left) : left;
    right = right_to ? w_batch_place(call, right_to, g, right) : right;
    w_batch_load(call, call->a, g, wide, FULL, a);
    call->k->svd(m, n, a.buffer, a.gj, values, left.buffer, left.gj, right.buffer, right.gj, work, infos);
    w_batch_note(call, g, infos);
    w_batch_store(call, &results, g, false, FULL, (w_group_place){ values, 1, n });
    w_batch_store(call, left_to, g, false, FULL, left);
    w_batch_store(call, right_to, g, false, FULL, right);
}

void w_batch_multiply_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t m = call->x->matrix.rows, n = call->x->matrix.cols;
    const int64_t depth = call->trans ? call->a->matrix.rows : call->a->matrix.cols;
    const w_group_place a = { w_batch_take(s, w_mul64(m, depth)), 1, depth }, b = { w_batch_take(s, w_mul64(depth, n)), 1, depth };
    w_group_place c = w_batch_room(s, m, n);
    if (!s->base) {
        return;
    }
    c = w_batch_place(call, call->x, g, c);
    w_batch_load(call, call->a, g, !call->trans, FULL, a);
    w_batch_load(call, call->b, g, call->trans_b, FULL, b);
    call->k->product(m, n, depth, a.buffer, b.buffer, c.buffer, c.gj);
    w_batch_store(call, call->x, g, false, FULL, c);
}
