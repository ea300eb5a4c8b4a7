/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of QR with column pivoting and of least squares. */
#include "api/linalg_views.h"
#include "dense/qr_pivot.h"

typedef struct arguments {
    const weir_matrix *a, *b, *x;
    int64_t *pivot;
    void *tau;
    double tolerance;
    weir_lstsq_report report;
} arguments;

static weir_status geqp3_body(weir_ctx *ctx, void *arg, w_scratch *s)
{
    arguments *g = arg;
    return w_qr_pivot(ctx, g->a, g->pivot, g->tau, s);
}

int64_t weir_geqp3_bytes(const weir_ctx *ctx, const weir_matrix *a)
{
    arguments g = { .a = a };
    return w_view_fault(a) ? INT64_MAX : w_scratch_measure(ctx, geqp3_body, &g);
}

weir_status weir_geqp3(weir_ctx *ctx, const weir_matrix *a, int64_t *pivot, void *tau, void *work, int64_t work_bytes)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    arguments g = { .a = a, .pivot = pivot, .tau = tau };
    weir_status status = w_view_check(ctx, "weir_geqp3", "a", a);
    if (status >= 0 && a->rows > 0 && a->cols > 0 && (!pivot || !tau)) {
        status = w_fail(ctx, WEIR_E_ARG, "weir_geqp3: %s is NULL", pivot ? "tau" : "pivot");
    }
    for (int64_t j = 0; status >= 0 && pivot && a->rows == 0 && j < a->cols; j++) {
        pivot[j] = j;
    }
    return status < 0 || a->rows == 0 || a->cols == 0 ? status
                                                      : w_scratch_run(ctx, "weir_geqp3", geqp3_body, &g, work, work_bytes);
}

static weir_status lstsq_body(weir_ctx *ctx, void *arg, w_scratch *s)
{
    arguments *g = arg;
    return w_lstsq(ctx, g->a, g->b, g->x, g->tolerance, &g->report, s);
}

int64_t weir_lstsq_bytes(const weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *x)
{
    arguments g = { .a = a, .b = b, .x = x };
    return w_view_fault(a) || w_view_fault(b) || w_view_fault(x) ? INT64_MAX : w_scratch_measure(ctx, lstsq_body, &g);
}

weir_status weir_lstsq(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *x, double tolerance,
                       weir_lstsq_report *report, void *work, int64_t work_bytes)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    arguments g = { .a = a, .b = b, .x = x, .tolerance = tolerance };
    weir_status status = w_view_check(ctx, "weir_lstsq", "a", a);
    status = status < 0 ? status : w_view_check(ctx, "weir_lstsq", "b", b);
    status = status < 0 ? status : w_view_check(ctx, "weir_lstsq", "x", x);
    status = status < 0 ? status : w_view_same(ctx, "weir_lstsq", a, b);
    status = status < 0 ? status : w_view_same(ctx, "weir_lstsq", a, x);
    if (status >= 0 && (b->rows != a->rows || x->rows != a->cols || x->cols != b->cols)) {
        status = w_fail(ctx, WEIR_E_ARG, "weir_lstsq: a is %lld x %lld, b %lld x %lld and x %lld x %lld: b must have the rows of a, "
                        "x the columns of a and of b", (long long)a->rows, (long long)a->cols, (long long)b->rows,
                        (long long)b->cols, (long long)x->rows, (long long)x->cols);
    }
    if (status >= 0 && !(tolerance >= 0.0 && tolerance < 1.0)) {
        status = w_fail(ctx, WEIR_E_ARG, "weir_lstsq: the tolerance must be 0 (the default) or lie between 0 and 1");
    }
    status = status < 0 ? status : w_scratch_run(ctx, "weir_lstsq", lstsq_body, &g, work, work_bytes);
    if (status < 0) {
        return status;
    }
    if (report) {
        *report = g.report;
    }
    const int64_t least = w_min64(a->rows, a->cols);
    return g.report.rank >= least ? WEIR_OK
                                  : w_remark(ctx, WEIR_RANK_DEFICIENT, "weir_lstsq: the rank is %lld of %lld with tolerance %g",
                                             (long long)g.report.rank, (long long)least, g.report.tolerance);
}
