/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/batch.h"

/* A group of A and its reflectors. */
typedef struct factored {
    int64_t m, n, k;
    void *a, *tau, *gram;
} factored;

static factored take_factored(const w_batch_call *call, w_scratch *s)
{
    const weir_matrix *a = &call->a->matrix;
    factored f = { .m = a->rows, .n = a->cols, .k = w_min64(a->rows, a->cols) };
    f.a = w_batch_take(s, w_mul64(f.m, f.n));
    f.tau = w_batch_take(s, f.k);
    f.gram = w_batch_take(s, (f.k + 1) / 2);
    return f;
}

void w_batch_qr_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const factored f = take_factored(call, s);
    const bool complete = call->mode == WEIR_QR_COMPLETE, needs_q = call->mode != WEIR_QR_R;
    const int64_t cols = complete ? f.m : f.k;
    void *q = needs_q ? w_batch_take(s, w_mul64(f.m, cols)) : NULL;
    if (!s->base) {
        return;
    }
    w_batch_load(call, call->a, g, false, W_TRIANGLE_FULL, (w_group_place){ f.a, 1, f.m });
    call->k->qr(f.m, f.n, f.a, f.tau, f.gram);
    if (needs_q) {
        call->k->qr_form(f.m, f.k, f.a, f.tau, f.gram, q, cols);
        w_batch_store(call, call->x, g, false, W_TRIANGLE_FULL, (w_group_place){ q, 1, f.m });
    }
    w_batch_clear(f.m, f.n, f.a, false);
    w_batch_store(call, call->r, g, false, W_TRIANGLE_FULL, (w_group_place){ f.a, 1, f.m });
}

void w_batch_geqrf_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const factored f = take_factored(call, s);
    if (!s->base) {
        return;
    }
    const weir_batch tau = w_batch_vectors(call->a, call->tau, f.k);
    w_batch_load(call, call->a, g, false, W_TRIANGLE_FULL, (w_group_place){ f.a, 1, f.m });
    call->k->qr(f.m, f.n, f.a, f.tau, f.gram);
    w_batch_store(call, call->a, g, false, W_TRIANGLE_FULL, (w_group_place){ f.a, 1, f.m });
    w_batch_store(call, &tau, g, false, W_TRIANGLE_FULL, (w_group_place){ f.tau, 1, f.k });
}

void w_batch_ormqr_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const factored f = take_factored(call, s);
    const int64_t cols = call->x->matrix.cols;
    void *c = w_batch_take(s, w_mul64(f.m, cols));
    if (!s->base) {
        return;
    }
    const weir_batch tau = w_batch_vectors(call->a, call->tau, f.k);
    w_batch_load(call, call->a, g, false, W_TRIANGLE_FULL, (w_group_place){ f.a, 1, f.m });
    w_batch_load(call, &tau, g, false, W_TRIANGLE_FULL, (w_group_place){ f.tau, 1, f.k });
    w_batch_load(call, call->x, g, false, W_TRIANGLE_FULL, (w_group_place){ c, 1, f.m });
    call->k->qr_grams(f.m, f.k, f.a, f.gram);
    call->k->qr_apply(!call->trans, f.m, f.k, f.a, f.tau, f.gram, c, cols);
    w_batch_store(call, call->x, g, false, W_TRIANGLE_FULL, (w_group_place){ c, 1, f.m });
}

void w_batch_qr_solve_group(w_batch_call *call, int64_t g, w_scratch *s)
{
    const factored f = take_factored(call, s);
    const int64_t cols = call->b->matrix.cols, last = f.n - 1;
    void *b = w_batch_take(s, w_mul64(f.m, cols)), *infos = w_batch_take(s, 1);
    if (!s->base || f.n == 0) {
        return;
    }
    w_batch_load(call, call->a, g, false, W_TRIANGLE_FULL, (w_group_place){ f.a, 1, f.m });
    w_batch_load(call, call->b, g, false, W_TRIANGLE_FULL, (w_group_place){ b, 1, f.m });
    call->k->qr(f.m, f.n, f.a, f.tau, f.gram);
    call->k->qr_apply(false, f.m, f.k, f.a, f.tau, f.gram, b, cols);
    call->k->trsm(f.n, cols, w_batch_at(f.a, last * (f.m + 1)), -1, -f.m, false, w_batch_at(b, last), -1, f.m);
    w_batch_first_zero(call, f.n, f.a, f.m + 1, infos);
    w_batch_note(call, g, infos);
    w_batch_store(call, call->x, g, false, W_TRIANGLE_FULL, (w_group_place){ b, 1, f.m });
}
