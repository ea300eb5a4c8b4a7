/* SPDX-License-Identifier: Apache-2.0 */
#include "dense/batch.h"

#include <string.h>

#define SERIAL_NANOSECONDS 30000 /* less work than this is not worth waking threads for */
#define TASKS_PER_WORKER 8

static int64_t groups_of(const w_batch_call *call)
{
    return (call->a->count + call->k->lanes - 1) / call->k->lanes;
}

/* ---- groups in and out --------------------------------------------------------------------------------------------- */

static void copy_elements(const weir_matrix *m, char *group, w_triangle part, w_group_place place, bool in)
{
    if (group == place.buffer) {
        return;
    }
    const bool alike = m->row_stride == place.gi && m->col_stride == place.gj && place.gi == 1;
    for (int64_t j = 0; j < m->cols; j++) {
        const int64_t first = part == W_TRIANGLE_LOWER ? w_min64(j, m->rows) : 0;
        const int64_t last = part == W_TRIANGLE_UPPER ? w_min64(j + 1, m->rows) : m->rows, run = alike ? last - first : 1;
        for (int64_t i = first; i < last; i += run) {
            char *inner = w_batch_at(place.buffer, i * place.gi + j * place.gj);
            char *outer = w_batch_at(group, i * m->row_stride + j * m->col_stride);
            memcpy(in ? inner : outer, in ? outer : inner, (size_t)run * W_GROUP_BYTES);
        }
    }
}

static char *group_at(const w_batch_call *call, const weir_batch *v, int64_t g)
{
    return (char *)v->matrix.data + g * v->stride * call->k->size;
}

w_group_place w_batch_room(w_scratch *s, int64_t rows, int64_t cols)
{
    const int64_t lead = w_batched_lead(rows);
    return (w_group_place){ w_batch_take(s, w_mul64(lead, cols)), 1, lead };
}

w_group_place w_batch_place(const w_batch_call *call, const weir_batch *v, int64_t g, w_group_place room)
{
    if (v->interleaved && v->matrix.row_stride == 1 && v->matrix.col_stride >= v->matrix.rows) {
        return (w_group_place){ group_at(call, v, g), 1, v->matrix.col_stride };
    }
    return room;
}

static void move(const w_batch_call *call, const weir_batch *v, int64_t g, bool turned, w_triangle part, w_group_place place, bool in)
{
    if (!v) {
        return;
    }
    const weir_matrix m = turned ? w_matrix_turned(&v->matrix) : v->matrix;
    const int lanes = call->k->lanes, size = call->k->size;
    char *data = m.data;
    if (v->interleaved) {
        copy_elements(&m, group_at(call, v, g), part, place, in);
        return;
    }
    w_lane_views views = { .rows = m.rows, .cols = m.cols, .row_stride = m.row_stride, .col_stride = m.col_stride, .part = part };
    for (int l = 0; l < lanes && g * lanes + l < v->count; l++, views.count++) {
        views.lane[l] = data + (g * lanes + l) * v->stride * size;
    }
    if (in) {
        call->k->gather(&views, place.buffer, place.gi, place.gj);
    } else {
        call->k->scatter(&views, place.buffer, place.gi, place.gj);
    }
}

void w_batch_load(const w_batch_call *call, const weir_batch *v, int64_t g, bool turned, w_triangle part, w_group_place to)
{
    move(call, v, g, turned, part, to, true);
}

void w_batch_store(const w_batch_call *call, const weir_batch *v, int64_t g, bool turned, w_triangle part, w_group_place from)
{
    move(call, v, g, turned, part, from, false);
}

weir_batch w_batch_vectors(const weir_batch *like, const void *array, int64_t rows)
{
    const weir_matrix column = { (void *)(uintptr_t)array, like->matrix.dtype, rows, 1, 1, rows };
    return (weir_batch){ column, like->count, rows, 0 };
}

double w_batch_get(const w_batch_call *call, const void *buffer, int64_t e, int lane)
{
    const char *at = w_batch_at(buffer, e);
    return call->k->size == 4 ? (double)((const float *)(const void *)at)[lane] : ((const double *)(const void *)at)[lane];
}

void w_batch_put(const w_batch_call *call, void *buffer, int64_t e, int lane, double value)
{
    char *at = w_batch_at(buffer, e);
    if (call->k->size == 4) {
        ((float *)(void *)at)[lane] = (float)value;
    } else {
        ((double *)(void *)at)[lane] = value;
    }
}

void w_batch_clear(int64_t m, int64_t n, w_group_place place, bool above)
{
    for (int64_t j = 0; j < n; j++) {
        const int64_t first = above ? 0 : j + 1, last = above ? w_min64(j, m) : m;
        if (last > first) {
            memset(w_batch_at(place.buffer, j * place.gj + first), 0, (size_t)(last - first) * W_GROUP_BYTES);
        }
    }
}

/* ---- info ---------------------------------------------------------------------------------------------------------- */

static void lower(_Atomic int64_t *to, int64_t value)
{
    int64_t held = atomic_load(to);
    while (value < held && !atomic_compare_exchange_weak(to, &held, value)) {
    }
}

static void note(w_batch_call *call, int64_t b, int64_t value)
{
    if (call->info) {
        call->info[b] = value;
    }
    if (value != 0) {
        atomic_fetch_add(&call->bad, 1);
        lower(&call->least, value);
        lower(&call->first, b);
    }
}

void w_batch_note(w_batch_call *call, int64_t g, const void *infos)
{
    for (int l = 0; l < w_batch_lanes_of(call, g); l++) {
        note(call, g * call->k->lanes + l, (int64_t)w_batch_get(call, infos, 0, l));
    }
}

void w_batch_first_zero(const w_batch_call *call, int64_t n, const void *buffer, int64_t step, void *infos)
{
    for (int l = 0; l < call->k->lanes; l++) {
        int64_t i = 0;
        while (i < n && w_batch_get(call, buffer, i * step, l) != 0) {
            i++;
        }
        w_batch_put(call, infos, 0, l, i < n ? (double)(i + 1) : 0.0);
    }
}

/* ---- the pool ------------------------------------------------------------------------------------------------------ */

/* Of a worker. */
static int64_t scratch_of(const weir_ctx *ctx, w_batch_call *call)
{
    if (!call->k) {
        call->k = w_batched_choose((int)w_matrix_size(&call->a->matrix));
    }
    w_scratch s = { NULL, 0 };
    int64_t info = 0;
    call->one = w_batch_single(call);
    if (call->one) {
        call->one((weir_ctx *)(uintptr_t)ctx, call, 0, &s, &info); /* which only counts */
    } else {
        call->group(call, 0, &s);
    }
    return w_round_up64(s.used, 64);
}

/* Matrices one after the other over all threads, or each on a thread of its own. */
static bool apart(const weir_ctx *ctx, const w_batch_call *call) { return call->a->count >= 2 * w_pool_workers(ctx); }

int64_t w_batch_bytes(const weir_ctx *ctx, w_batch_call *call)
{
    const int64_t each = scratch_of(ctx, call), workers = call->one && !apart(ctx, call) ? 1 : w_pool_workers(ctx);
    return w_add64(w_mul64(each, workers), 63);
}

static weir_status run_chunk(void *arg, int64_t task, int worker)
{
    w_batch_call *call = arg;
    const int64_t last = w_min64((task + 1) * call->chunk, groups_of(call));
    for (int64_t g = task * call->chunk; g < last; g++) {
        w_scratch s = { call->base + worker * call->each, 0 };
        call->group(call, g, &s);
    }
    return WEIR_OK;
}

static weir_status run_one(void *arg, int64_t task, int worker)
{
    w_batch_call *call = arg;
    w_scratch s = { call->base + worker * call->each, 0 };
    int64_t info = 0;
    const weir_status status = call->one(call->ctx, call, task, &s, &info);
    note(call, task, info);
    return status < 0 ? status : WEIR_OK;
}

static weir_status run_single(weir_ctx *ctx, w_batch_call *call)
{
    weir_status status = WEIR_OK;
    call->ctx = ctx;
    if (apart(ctx, call)) {
        return w_pool_run(ctx, call->a->count, run_one, call);
    }
    for (int64_t b = 0; b < call->a->count && status >= 0; b++) {
        status = run_one(call, b, 0);
    }
    return status;
}

/* Roughly: two operations per element and row, at a third of what a processor can. */
static double nanoseconds_of_group(const w_batch_call *call)
{
    const weir_matrix *a = &call->a->matrix;
    const double elements = (double)a->rows * (double)a->cols, depth = (double)w_min64(a->rows, a->cols);
    return elements * (4.0 + 0.3 * depth);
}

weir_status w_batch_run(weir_ctx *ctx, w_batch_call *call, void *base)
{
    call->each = scratch_of(ctx, call);
    call->base = base;
    atomic_store(&call->bad, 0);
    atomic_store(&call->least, INT64_MAX);
    atomic_store(&call->first, INT64_MAX);
    if (call->one) {
        return run_single(ctx, call);
    }
    const int64_t groups = groups_of(call), workers = w_pool_workers(ctx);
    int64_t tasks = w_min64(groups, workers * TASKS_PER_WORKER);
    if (nanoseconds_of_group(call) * (double)groups < SERIAL_NANOSECONDS) {
        tasks = w_min64(groups, 1);
    }
    call->chunk = tasks > 0 ? (groups + tasks - 1) / tasks : 1;
    return w_pool_run(ctx, (groups + call->chunk - 1) / call->chunk, run_chunk, call);
}
