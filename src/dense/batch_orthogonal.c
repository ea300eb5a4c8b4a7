/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/batch.h"

#define FULL W_TRIANGLE_FULL

/* A group of A and its reflectors. */
typedef struct factored {
    int64_t m, n, k;
    w_group_place a;
    void *tau, *gram;
} factored;

static factored take_factored(const w_batch_call *call, w_scratch *s)
{
    const weir_matrix *a = &call->a->matrix;
    factored f = { .m = a->rows, .n = a->cols, .k = w_min64(a->rows, a->cols) };
    f.a = w_batch_room(s, f.m, f.n);
    f.tau = w_batch_take(s, f.k);
    f.gram = w_batch_take(s, (f.k + 1) / 2);
    return f;
}

static void factor(const w_batch_call *call, int64_t g, const factored *f)
{
    w_batch_load(call, call->a, g, false, FULL, f->a);
    call->k->qr(f->m, f->n, f->a.buffer, f->a.gj, f->tau, f->gram);
}

void w_batch_qr_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const factored f = take_factored(call, s);
    const bool needs_q = call->mode != WEIR_QR_R;
    const int64_t cols = call->mode == WEIR_QR_COMPLETE ? f.m : f.k;
    w_group_place q = needs_q ? w_batch_room(s, f.m, cols) : f.a;
    if (!s->base) {
        return;
    }
    factor(call, g, &f);
    if (needs_q) {
        q = w_batch_place(call, call->x, g, q);
        call->k->qr_form(f.m, f.k, f.a.buffer, f.a.gj, f.tau, f.gram, q.buffer, q.gj, cols);
        w_batch_store(call, call->x, g, false, FULL, q);
    }
    w_batch_clear(f.m, f.n, f.a, false);
    w_batch_store(call, call->r, g, false, FULL, f.a);
}

void w_batch_geqrf_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    factored f = take_factored(call, s);
    if (!s->base) {
        return;
    }
    const weir_batch tau = w_batch_vectors(call->a, call->tau, f.k);
    f.a = w_batch_place(call, call->a, g, f.a);
    factor(call, g, &f);
    w_batch_store(call, call->a, g, false, FULL, f.a);
    w_batch_store(call, &tau, g, false, FULL, (w_group_place){ f.tau, 1, f.k });
}

void w_batch_ormqr_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const factored f = take_factored(call, s);
    w_group_place c = w_batch_room(s, f.m, call->x->matrix.cols);
    if (!s->base) {
        return;
    }
    const weir_batch tau = w_batch_vectors(call->a, call->tau, f.k);
    c = w_batch_place(call, call->x, g, c);
    w_batch_load(call, call->a, g, false, FULL, f.a);
    w_batch_load(call, &tau, g, false, FULL, (w_group_place){ f.tau, 1, f.k });
    w_batch_load(call, call->x, g, false, FULL, c);
    call->k->qr_grams(f.m, f.k, f.a.buffer, f.a.gj, f.gram);
    call->k->qr_apply(!call->trans, f.m, f.k, f.a.buffer, f.a.gj, f.tau, f.gram, c.buffer, c.gj, call->x->matrix.cols);
    w_batch_store(call, call->x, g, false, FULL, c);
}

void w_batch_qr_solve_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const factored f = take_factored(call, s);
    const int64_t cols = call->b->matrix.cols, last = f.n - 1;
    const w_group_place b = w_batch_room(s, f.m, cols);
    void *infos = w_batch_take(s, 1);
    if (!s->base || f.n == 0) {
        return;
    }
    const int64_t ld = f.a.gj;
    w_batch_load(call, call->b, g, false, FULL, b);
    factor(call, g, &f);
    call->k->qr_apply(false, f.m, f.k, f.a.buffer, ld, f.tau, f.gram, b.buffer, b.gj, cols);
    call->k->trsm(f.n, cols, w_batch_at(f.a.buffer, last * (ld + 1)), -1, -ld, false, w_batch_at(b.buffer, last), -1, b.gj);
    w_batch_first_zero(call, f.n, f.a.buffer, ld + 1, infos);
    w_batch_note(call, g, infos);
    w_batch_store(call, call->x, g, false, FULL, b);
}

/* The norm of all is that of the norms of the columns. */
void w_batch_norms_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const int64_t m = call->a->matrix.rows, n = call->a->matrix.cols;
    const w_group_place a = w_batch_room(s, m, n), columns = w_batch_room(s, n, 1), all = w_batch_room(s, 1, 1);
    if (!s->base) {
        return;
    }
    const weir_batch each = w_batch_vectors(call->a, call->values, n), one = w_batch_vectors(call->a, call->tau, 1);
    w_batch_load(call, call->a, g, false, FULL, a);
    call->k->norms(m, n, a.buffer, a.gj, columns.buffer);
    call->k->norms(n, 1, columns.buffer, columns.gj, all.buffer);
    w_batch_store(call, call->values ? &each : NULL, g, false, FULL, columns);
    w_batch_store(call, call->tau ? &one : NULL, g, false, FULL, all);
}
