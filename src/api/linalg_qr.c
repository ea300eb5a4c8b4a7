/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of the orthogonal factorizations. */
#include "weir/linalg.h"

#include "api/linalg_views.h"
#include "dense/qr.h"

/* Room to align the workspace. */
#define SLACK 64

static int64_t with_slack(int64_t bytes) { return w_add64(bytes, SLACK); }

/* A workspace of the caller's or of the ledger's. */
typedef struct workspace {
    void *own, *at;
} workspace;

static weir_status take(weir_ctx *ctx, const char *function, int64_t bytes, void *work, int64_t work_bytes,
                        workspace *w)
{
    *w = (workspace){NULL, work};
    if (work && work_bytes < bytes) {
        return w_fail(ctx, WEIR_E_ARG, "%s: a workspace of %lld bytes is too small, %lld are used", function,
                      (long long)work_bytes, (long long)bytes);
    }
    if (!work) {
        w->at = w->own = w_alloc(ctx, "linear algebra", (size_t)bytes);
        if (!w->own) {
            return w_alloc_status(ctx);
        }
    }
    w->at = (void *)(((uintptr_t)w->at + SLACK - 1) / SLACK * SLACK);
    return WEIR_OK;
}

static weir_status begin(weir_ctx *ctx, const char *function, const weir_matrix *a, const char *name)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    return w_view_check(ctx, function, name, a);
}

static weir_status second(weir_ctx *ctx, const char *function, const weir_matrix *a, const weir_matrix *b,
                          const char *name)
{
    const weir_status status = w_view_check(ctx, function, name, b);
    return status < 0 ? status : w_view_same(ctx, function, a, b);
}

static weir_status need(weir_ctx *ctx, const char *function, bool holds, const char *what)
{
    return holds ? WEIR_OK : w_fail(ctx, WEIR_E_ARG, "%s: %s", function, what);
}

static bool any(const weir_matrix *a) { return a->rows > 0 && a->cols > 0; }

/* ---- geqr2, geqrf -------------------------------------------------------------------------------------------------- */

int64_t weir_geqr2_bytes(const weir_ctx *ctx, const weir_matrix *a)
{
    return ctx && !w_view_fault(a) ? with_slack(w_geqr2_bytes(a)) : -1;
}

weir_status weir_geqr2(weir_ctx *ctx, const weir_matrix *a, void *tau, void *work, int64_t work_bytes)
{
    static const char name[] = "weir_geqr2";
    workspace w;
    weir_status status = begin(ctx, name, a, "a");
    status = status < 0 ? status : need(ctx, name, tau || !any(a), "tau is NULL");
    status = status < 0 ? status : take(ctx, name, weir_geqr2_bytes(ctx, a), work, work_bytes, &w);
    if (status < 0) {
        return status;
    }
    w_geqr2(a, tau, w.at);
    w_free(ctx, w.own);
    return WEIR_OK;
}

int64_t weir_geqrf_bytes(const weir_ctx *ctx, const weir_matrix *a)
{
    return ctx && !w_view_fault(a) ? with_slack(w_geqrf_bytes(ctx, a)) : -1;
}

weir_status weir_geqrf(weir_ctx *ctx, const weir_matrix *a, void *tau, void *work, int64_t work_bytes)
{
    static const char name[] = "weir_geqrf";
    workspace w;
    weir_status status = begin(ctx, name, a, "a");
    status = status < 0 ? status : need(ctx, name, tau || !any(a), "tau is NULL");
    status = status < 0 ? status : take(ctx, name, weir_geqrf_bytes(ctx, a), work, work_bytes, &w);
    if (status < 0) {
        return status;
    }
    status = w_geqrf(ctx, a, tau, w.at);
    w_free(ctx, w.own);
    return status;
}

/* ---- larft, larfb -------------------------------------------------------------------------------------------------- */

int64_t weir_larft_bytes(const weir_ctx *ctx, const weir_matrix *v, const weir_matrix *t)
{
    return ctx && !w_view_fault(v) && !w_view_fault(t) ? with_slack(w_larft_bytes(v)) : -1;
}

weir_status weir_larft(weir_ctx *ctx, const weir_matrix *v, const void *tau, const weir_matrix *t, void *work,
                       int64_t work_bytes)
{
    static const char name[] = "weir_larft";
    workspace w;
    weir_status status = begin(ctx, name, v, "v");
    status = status < 0 ? status : second(ctx, name, v, t, "t");
    status = status < 0 ? status : need(ctx, name, v->rows >= v->cols, "v must not be wider than tall");
    status = status < 0 ? status
                        : need(ctx, name, t->rows == v->cols && t->cols == v->cols,
                               "t must be k x k, k the columns of v");
    status = status < 0 ? status : need(ctx, name, tau || v->cols == 0, "tau is NULL");
    status = status < 0 ? status : take(ctx, name, weir_larft_bytes(ctx, v, t), work, work_bytes, &w);
    if (status < 0) {
        return status;
    }
    status = w_larft(ctx, v, tau, t, w.at);
    w_free(ctx, w.own);
    return status;
}

/* From the right: H' C' instead of C H. */
static weir_status sides(weir_ctx *ctx, const char *name, weir_side side, weir_trans trans, const weir_matrix *v,
                         const weir_matrix *c)
{
    weir_status status = need(
        ctx, name, (side == WEIR_LEFT || side == WEIR_RIGHT) && (trans == WEIR_NO_TRANS || trans == WEIR_TRANS),
        "there is no such side, or trans");
    status = status < 0 ? status : need(ctx, name, v->rows >= v->cols, "there are more reflectors than rows");
    return status < 0 ? status
                      : need(ctx, name, (side == WEIR_LEFT ? c->rows : c->cols) == v->rows,
                             "c must have as many rows (from the right: columns) as the reflectors");
}

static weir_matrix sided(weir_side side, const weir_matrix *c)
{
    return side == WEIR_RIGHT ? w_view_turned(c) : *c;
}
static bool turned(weir_side side, weir_trans trans) { return (trans == WEIR_TRANS) != (side == WEIR_RIGHT); }

int64_t weir_larfb_bytes(const weir_ctx *ctx, weir_side side, const weir_matrix *v, const weir_matrix *t,
                         const weir_matrix *c)
{
    (void)side;
    return ctx && !w_view_fault(v) && !w_view_fault(t) && !w_view_fault(c) ? with_slack(w_larfb_bytes(v)) : -1;
}

weir_status weir_larfb(weir_ctx *ctx, weir_side side, weir_trans trans, const weir_matrix *v, const weir_matrix *t,
                       const weir_matrix *c, void *work, int64_t work_bytes)
{
    static const char name[] = "weir_larfb";
    workspace w;
    weir_status status = begin(ctx, name, v, "v");
    status = status < 0 ? status : second(ctx, name, v, t, "t");
    status = status < 0 ? status : second(ctx, name, v, c, "c");
    status = status < 0 ? status : sides(ctx, name, side, trans, v, c);
    status = status < 0 ? status
                        : need(ctx, name, t->rows == v->cols && t->cols == v->cols,
                               "t must be k x k, k the columns of v");
    status = status < 0 ? status : take(ctx, name, weir_larfb_bytes(ctx, side, v, t, c), work, work_bytes, &w);
    if (status < 0) {
        return status;
    }
    const weir_matrix on = sided(side, c);
    status = w_larfb(ctx, turned(side, trans), v, t, &on, w.at);
    w_free(ctx, w.own);
    return status;
}

/* ---- orgqr, ormqr -------------------------------------------------------------------------------------------------- */

int64_t weir_orgqr_bytes(const weir_ctx *ctx, const weir_matrix *a, int64_t k)
{
    return ctx && !w_view_fault(a) && k >= 0 ? with_slack(w_orgqr_bytes(a, k)) : -1;
}

weir_status weir_orgqr(weir_ctx *ctx, const weir_matrix *a, int64_t k, const void *tau, void *work,
                       int64_t work_bytes)
{
    static const char name[] = "weir_orgqr";
    workspace w;
    weir_status status = begin(ctx, name, a, "a");
    status = status < 0 ? status
                        : need(ctx, name, a->rows >= a->cols && k >= 0 && k <= a->cols,
                               "rows >= cols >= k >= 0 must hold");
    status = status < 0 ? status : need(ctx, name, tau || k == 0, "tau is NULL");
    status = status < 0 ? status : take(ctx, name, weir_orgqr_bytes(ctx, a, k), work, work_bytes, &w);
    if (status < 0) {
        return status;
    }
    status = w_orgqr(ctx, a, k, tau, w.at);
    w_free(ctx, w.own);
    return status;
}

int64_t weir_ormqr_bytes(const weir_ctx *ctx, weir_side side, const weir_matrix *a, const weir_matrix *c)
{
    (void)side;
    return ctx && !w_view_fault(a) && !w_view_fault(c) ? with_slack(w_ormqr_bytes(a)) : -1;
}

weir_status weir_ormqr(weir_ctx *ctx, weir_side side, weir_trans trans, const weir_matrix *a, const void *tau,
                       const weir_matrix *c, void *work, int64_t work_bytes)
{
    static const char name[] = "weir_ormqr";
    workspace w;
    weir_status status = begin(ctx, name, a, "a");
    status = status < 0 ? status : second(ctx, name, a, c, "c");
    status = status < 0 ? status : sides(ctx, name, side, trans, a, c);
    status = status < 0 ? status : need(ctx, name, tau || a->cols == 0, "tau is NULL");
    status = status < 0 ? status : take(ctx, name, weir_ormqr_bytes(ctx, side, a, c), work, work_bytes, &w);
    if (status < 0) {
        return status;
    }
    const weir_matrix on = sided(side, c);
    status = w_ormqr(ctx, turned(side, trans), a, tau, &on, w.at);
    w_free(ctx, w.own);
    return status;
}

/* ---- qr, qr_solve -------------------------------------------------------------------------------------------------- */

int64_t weir_qr_bytes(const weir_ctx *ctx, weir_qr_mode mode, int32_t path, const weir_matrix *a,
                      const weir_matrix *q)
{
    if (!ctx || w_view_fault(a) || (mode != WEIR_QR_R && w_view_fault(q))) {
        return -1;
    }
    return with_slack(w_qr_bytes(ctx, mode, path, a, mode == WEIR_QR_R ? NULL : q));
}

static weir_status check_qr(weir_ctx *ctx, const char *name, weir_qr_mode mode, int32_t path, const weir_matrix *a,
                            const weir_matrix *q, const weir_matrix *r)
{
    const int64_t k = w_min64(a->rows, a->cols), wide = mode == WEIR_QR_COMPLETE ? a->rows : k;
    weir_status status = need(
        ctx, name, mode >= WEIR_QR_REDUCED && mode <= WEIR_QR_R && path >= WEIR_QR_AUTO && path <= WEIR_QR_TSQR,
        "there is no such mode, or path");
    status = status < 0 ? status : second(ctx, name, a, r, "r");
    status = status < 0 ? status
                        : need(ctx, name, r->rows == wide && r->cols == a->cols,
                               "r must be k x n, k = min(m, n), or m x n when complete");
    if (status < 0 || mode == WEIR_QR_R) {
        return status;
    }
    status = second(ctx, name, a, q, "q");
    status = status < 0 ? status
                        : need(ctx, name, q->rows == a->rows && q->cols == wide,
                               "q must be m x k, or m x m when complete");
    const bool in_place = q->data == a->data && any(a);
    return status < 0 || !in_place ? status
                                   : need(ctx, name,
                                          mode == WEIR_QR_REDUCED && a->rows >= a->cols &&
                                              q->row_stride == a->row_stride && q->col_stride == a->col_stride,
                                          "q can be a itself only when reduced and m >= n");
}

weir_status weir_qr(weir_ctx *ctx, weir_qr_mode mode, const weir_matrix *a, const weir_matrix *q,
                    const weir_matrix *r, int32_t *path, void *work, int64_t work_bytes)
{
    static const char name[] = "weir_qr";
    workspace w;
    int32_t taken = path ? *path : WEIR_QR_AUTO;
    weir_status status = begin(ctx, name, a, "a");
    status = status < 0 ? status : check_qr(ctx, name, mode, taken, a, q, r);
    status = status < 0 ? status : take(ctx, name, weir_qr_bytes(ctx, mode, taken, a, q), work, work_bytes, &w);
    if (status < 0) {
        return status;
    }
    status = w_qr(ctx, mode, a, mode == WEIR_QR_R ? NULL : q, r, &taken, w.at);
    w_free(ctx, w.own);
    if (status >= 0 && path) {
        *path = taken;
    }
    return status;
}

int64_t weir_qr_solve_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *x)
{
    return ctx && !w_view_fault(a) && !w_view_fault(b) && !w_view_fault(x)
               ? with_slack(w_qr_solve_bytes(ctx, a, b))
               : -1;
}

weir_status weir_qr_solve(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *x,
                          int64_t *info, void *work, int64_t work_bytes)
{
    static const char name[] = "weir_qr_solve";
    workspace w;
    int64_t found = 0;
    weir_status status = begin(ctx, name, a, "a");
    status = status < 0 ? status : second(ctx, name, a, b, "b");
    status = status < 0 ? status : second(ctx, name, a, x, "x");
    status =
        status < 0
            ? status
            : need(ctx, name, a->rows >= a->cols && b->rows == a->rows && x->rows == a->cols && x->cols == b->cols,
                   "a must be m x n with m >= n, b m x nrhs and x n x nrhs");
    status = status < 0 ? status : take(ctx, name, weir_qr_solve_bytes(ctx, a, b, x), work, work_bytes, &w);
    if (status < 0) {
        return status;
    }
    status = w_qr_solve(ctx, a, b, x, &found, w.at);
    w_free(ctx, w.own);
    if (status >= 0 && info) {
        *info = found;
    }
    return status == WEIR_RANK_DEFICIENT
               ? w_remark(ctx, status, "weir_qr_solve: element %lld of the diagonal of R is zero",
                          (long long)found)
               : status;
}
