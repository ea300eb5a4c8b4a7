/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: a task a matrix, with the blocks of the worker that runs it. */
#include <string.h>

#include "api/linalg_views.h"
#include "api/root_call.h"
#include "base/size.h"

typedef struct batch {
    weir_ctx *ctx;
    weir_matrix a, b, z;
    bool identity;
    int64_t a_stride, b_stride, z_stride;
    const weir_root_options *options; /* given; NULL: the defaults */
    weir_root_options own;            /* in use */
    weir_status *each;
    weir_root_stats *stats;
    weir_root_workspace *workspace; /* per worker */
} batch;

static weir_matrix member(const weir_matrix *first, int64_t elements)
{
    weir_matrix one = *first;
    one.data = (char *)one.data + elements * w_matrix_size(first);
    return one;
}

static weir_status solve_task(void *arg, int64_t task, int worker)
{
    batch *m = arg;
    const weir_matrix a = member(&m->a, task * m->a_stride), z = member(&m->z, task * m->z_stride);
    const weir_matrix b = m->identity ? a : member(&m->b, task * m->b_stride);
    weir_root_stats stats = { 0 };
    const w_root_call call = { &a, m->identity ? NULL : &b, &z, &m->own, &stats };
    m->each[task] = w_root_run(m->ctx, &call, &m->workspace[worker]);
    if (m->stats) {
        m->stats[task] = stats;
    }
    return WEIR_OK;
}

static weir_status worst(int64_t count, const weir_status *each)
{
    weir_status status = WEIR_OK;
    for (int64_t i = 0; i < count; i++) {
        status = each[i] < 0 ? (each[i] < status || status > 0 ? each[i] : status) : status < 0 || each[i] < status ? status : each[i];
    }
    return status;
}

static weir_status run(weir_ctx *ctx, const char *function, int64_t count, batch *m)
{
    const weir_root_options defaults = WEIR_ROOT_OPTIONS_INIT;
    m->own = m->options ? *m->options : defaults;
    m->own.generation = 0;
    m->ctx = ctx;
    w_message_clear(ctx);
    weir_status status = w_root_check_options(ctx, &m->own);
    status = status < 0 ? status : w_root_check_views(ctx, function, &m->a, m->identity ? NULL : &m->b, &m->z);
    if (status >= 0 && count < 0) {
        status = w_fail(ctx, WEIR_E_ARG, "%s: the number of matrices is negative", function);
    }
    if (status < 0) {
        return status;
    }
    const int workers = w_pool_workers(ctx);
    weir_status *each = m->each;
    m->each = each ? each : w_alloc_array(ctx, "root", (size_t)count, sizeof *each);
    m->workspace = m->each ? w_calloc(ctx, "root", (size_t)workers, sizeof *m->workspace) : NULL;
    if (!m->workspace) {
        status = w_alloc_status(ctx);
    } else {
        status = w_pool_run(ctx, count, solve_task, m);
        for (int w = 0; w < workers; w++) {
            m->workspace[w].ctx = ctx;
            w_root_drop(&m->workspace[w]);
        }
        status = status < 0 ? status : worst(count, m->each);
    }
    w_free(ctx, m->workspace);
    if (!each) {
        w_free(ctx, m->each);
    }
    return status;
}

weir_status weir_solve_spd_batched(weir_ctx *ctx, int64_t count, const weir_matrix *a, int64_t a_stride, const weir_matrix *b,
                                   int64_t b_stride, const weir_matrix *z, int64_t z_stride, const weir_root_options *options,
                                   weir_status *each, weir_root_stats *stats)
{
    if (!ctx || !a || !b || !z) {
        return ctx ? w_fail(ctx, WEIR_E_ARG, "weir_solve_spd_batched: a, b or z is NULL") : WEIR_E_ARG;
    }
    batch m = { .a = *a, .b = *b, .z = *z, .a_stride = a_stride, .b_stride = b_stride, .z_stride = z_stride, .options = options,
                .each = each, .stats = stats };
    return run(ctx, "weir_solve_spd_batched", count, &m);
}

weir_status weir_materialize_batched(weir_ctx *ctx, int64_t count, const weir_matrix *a, int64_t a_stride, const weir_matrix *x,
                                     int64_t x_stride, const weir_root_options *options, weir_status *each,
                                     weir_root_stats *stats)
{
    if (!ctx || !a || !x) {
        return ctx ? w_fail(ctx, WEIR_E_ARG, "weir_materialize_batched: a or x is NULL") : WEIR_E_ARG;
    }
    batch m = { .a = *a, .z = *x, .identity = true, .a_stride = a_stride, .z_stride = x_stride, .options = options, .each = each,
                .stats = stats };
    return run(ctx, "weir_materialize_batched", count, &m);
}
