/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of singular values. */
#include "weir/linalg.h"

#include "api/linalg_views.h"
#include "dense/linear.h"

typedef struct arguments {
    const weir_matrix *a, *u, *v;
    void *values;
    int64_t failed;
} arguments;

static weir_status svd_body(weir_ctx *ctx, void *arg, w_scratch *s)
{
    arguments *g = arg;
    return w_dense_svd(ctx, g->a, g->u, g->values, g->v, &g->failed, s);
}

/* Vectors as columns, as many as the smaller side of A. */
static weir_status check_vectors(weir_ctx *ctx, const char *name, const weir_matrix *a, const weir_matrix *x, int64_t rows)
{
    const int64_t cols = w_min64(a->rows, a->cols);
    weir_status status = x ? w_view_check(ctx, "weir_svd", name, x) : WEIR_OK;
    status = x && status >= 0 ? w_view_same(ctx, "weir_svd", a, x) : status;
    if (status < 0 || !x || (x->rows == rows && x->cols == cols)) {
        return status;
    }
    return w_fail(ctx, WEIR_E_ARG, "weir_svd: %s must be %lld x %lld, it is %lld x %lld", name, (long long)rows, (long long)cols,
                  (long long)x->rows, (long long)x->cols);
}

int64_t weir_svd_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *u, const weir_matrix *v)
{
    arguments g = { .a = a, .u = u, .v = v };
    return w_view_fault(a) || (u && w_view_fault(u)) || (v && w_view_fault(v)) ? INT64_MAX : w_scratch_measure(ctx, svd_body, &g);
}

weir_status weir_svd(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *u, void *values, const weir_matrix *v, int64_t *info,
                     void *work, int64_t work_bytes)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    arguments g = { .a = a, .u = u, .v = v, .values = values };
    weir_status status = w_view_check(ctx, "weir_svd", "a", a);
    status = status < 0 ? status : check_vectors(ctx, "u", a, u, a->rows);
    status = status < 0 ? status : check_vectors(ctx, "v", a, v, a->cols);
    if (status >= 0 && !values && w_min64(a->rows, a->cols) > 0) {
        status = w_fail(ctx, WEIR_E_ARG, "weir_svd: values is NULL");
    }
    status = status < 0 ? status : w_scratch_run(ctx, "weir_svd", svd_body, &g, work, work_bytes);
    if (status < 0 && status != WEIR_E_NUMERIC) {
        return status;
    }
    if (status >= 0 && g.failed) {
        status = w_fail(ctx, WEIR_E_NUMERIC, "weir_svd: the singular values did not converge");
    }
    if (info) {
        *info = g.failed;
    }
    return status;
}
