/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of inverse roots of symmetric matrices: options checked, views copied in and out, workspaces. */
#include "weir/root.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/linalg_views.h"
#include "api/root_call.h"
#include "base/clock.h"
#include "base/size.h"
#include "dense/dense.h"
#include "dense/refine.h"

#define TAG "root"

weir_status weir_root_workspace_create(weir_ctx *ctx, weir_root_workspace **out)
{
    if (!ctx || !out) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    weir_root_workspace *w = w_calloc(ctx, TAG, 1, sizeof *w);
    if (!w) {
        return w_alloc_status(ctx);
    }
    w->ctx = ctx;
    *out = w;
    return WEIR_OK;
}

void w_root_drop(weir_root_workspace *w)
{
    w_free(w->ctx, w->kept.data);
    w_free(w->ctx, w->room.data);
    w_free(w->ctx, w->columns.data);
}

void weir_root_workspace_destroy(weir_root_workspace *workspace)
{
    if (workspace) {
        w_root_drop(workspace);
        w_free(workspace->ctx, workspace);
    }
}

weir_status w_root_ensure(weir_ctx *ctx, w_root_block *b, int64_t bytes)
{
    if (b->bytes >= bytes) {
        return WEIR_OK;
    }
    w_free(ctx, b->data);
    b->bytes = 0;
    b->data = bytes < INT64_MAX ? w_alloc(ctx, TAG, (size_t)bytes) : NULL;
    if (!b->data) {
        return bytes < INT64_MAX ? w_alloc_status(ctx) : w_fail(ctx, WEIR_E_MEMORY, "the matrix is larger than any memory");
    }
    b->bytes = bytes;
    return WEIR_OK;
}

weir_status w_root_check_options(weir_ctx *ctx, const weir_root_options *o)
{
    const weir_precond_config *pre = o->precond;
    if (o->version > WEIR_ROOT_VERSION || (pre && pre->version > WEIR_ROOT_VERSION)) {
        return w_fail(ctx, WEIR_E_VERSION, "options of roots are of version %d; this library knows %d", o->version, WEIR_ROOT_VERSION);
    }
    if (o->p < 1 || o->p > W_ROOT_MOST_P) {
        return w_fail(ctx, WEIR_E_ARG, "p is %d; roots of order 1 to %d are supported", o->p, W_ROOT_MOST_P);
    }
    if (!weir_root_route_name(o->route)) {
        return w_fail(ctx, WEIR_E_ARG, "there is no route number %d", o->route);
    }
    if (!(o->tolerance >= 0 && o->tolerance < 1) || !(o->lambda_min >= 0 && isfinite(o->lambda_min)) ||
        !(o->lambda_max >= 0 && isfinite(o->lambda_max)) || (o->lambda_max > 0 && o->lambda_min > o->lambda_max)) {
        return w_fail(ctx, WEIR_E_ARG, "the tolerance (%g) must lie in [0, 1) and 0 <= lambda_min (%g) <= lambda_max (%g)", o->tolerance,
                      o->lambda_min, o->lambda_max);
    }
    if (o->schedule && (o->schedule->p != o->p || o->schedule->steps < 1 || o->schedule->steps > WEIR_SCHEDULE_STEPS)) {
        return w_fail(ctx, WEIR_E_ARG, "the schedule has %d steps for p = %d; p is %d", o->schedule->steps, o->schedule->p, o->p);
    }
    if (!pre) {
        return WEIR_OK;
    }
    if (!(pre->ridge >= 0 && isfinite(pre->ridge)) || !(pre->ridge_rel >= 0 && isfinite(pre->ridge_rel)) ||
        !(pre->eps >= 0 && isfinite(pre->eps)) || !(pre->l_target >= 0 && pre->l_target <= 1)) {
        return w_fail(ctx, WEIR_E_ARG, "ridge (%g), ridge_rel (%g) and eps (%g) must not be negative, l_target (%g) must lie in [0, 1]",
                      pre->ridge, pre->ridge_rel, pre->eps, pre->l_target);
    }
    if (pre->mode < WEIR_PRECOND_NONE || pre->mode > WEIR_PRECOND_COL_NORM) {
        return w_fail(ctx, WEIR_E_ARG, "there is no mode %d of preconditioning", pre->mode);
    }
    const bool congruence = pre->mode >= WEIR_PRECOND_AOL;
    if (congruence && o->p > 1) {
        return w_fail(ctx, WEIR_E_ARG, "a scaling D A D cannot be undone for p = %d: take mode none or frob", o->p);
    }
    return WEIR_OK;
}

double w_root_ridge(const weir_precond_config *pre, const weir_matrix *a)
{
    if (!pre) {
        return 0;
    }
    double sum = 0;
    for (int64_t i = 0; i < a->rows && pre->ridge_rel > 0; i++) {
        const void *at = w_matrix_at(a, i, i);
        sum += fabs(a->dtype == WEIR_F32 ? (double)*(const float *)at : *(const double *)at);
    }
    const double ridge = pre->ridge + (a->rows > 0 ? pre->ridge_rel * sum / (double)a->rows : 0);
    return fmax(ridge, pre->eps);
}

static void unfold(const weir_schedule *from, w_root_schedule *to)
{
    *to = (w_root_schedule){ .p = from->p, .count = from->steps, .error = from->error };
    double lo = pow(from->low, 1.0 / from->p), hi = 1;
    for (int i = 0; i < from->steps; i++) {
        to->step[i] = (w_root_step){ from->a[i], from->b[i], from->c[i], lo, hi, 0 };
        to->step[i].error = w_root_step_error(from->p, &to->step[i], lo, hi);
        lo = fmax(0, 1 - to->step[i].error);
        hi = 1 + to->step[i].error;
    }
}

static w_root_wish wish_of(const weir_root_options *o, int64_t n, int64_t count, weir_dtype dtype, double ridge,
                           w_root_schedule *schedule)
{
    w_root_wish wish = { .p = o->p, .route = o->route, .n = n, .count = count, .size = dtype == WEIR_F32 ? 4 : 8,
                         .tolerance = o->tolerance > 0 ? o->tolerance : dtype == WEIR_F32 ? 1e-4 : 1e-8, .ridge = ridge,
                         .least = o->lambda_min, .most = o->lambda_max,
                         .reuse = o->generation ? (o->expected_reuse > 2 ? o->expected_reuse : 2) : 1 };
    if (o->schedule) {
        unfold(o->schedule, schedule);
        wish.schedule = schedule;
        wish.route = o->route == WEIR_ROOT_AUTO ? WEIR_ROOT_COUPLED : o->route;
    }
    return wish;
}

/* Scratch of both kinds for a wish. */
static weir_status measure(weir_ctx *ctx, const w_root_wish *wish, int64_t *kept_bytes, int64_t *room_bytes)
{
    w_scratch kept = { 0 }, preparing = { 0 }, applying = { 0 };
    w_root_state state = { 0 };
    weir_root_stats stats;
    weir_status status = w_root_prepare(ctx, wish, NULL, true, &state, &kept, &preparing);
    if (status >= 0) {
        status = w_root_apply(ctx, &state, wish->count, NULL, &stats, &applying);
    }
    *kept_bytes = w_scratch_bytes(&kept);
    *room_bytes = w_max64(w_scratch_bytes(&preparing), w_scratch_bytes(&applying));
    return status;
}

int64_t weir_root_bytes(const weir_ctx *ctx, int64_t n, int64_t k, weir_dtype dtype, const weir_root_options *options)
{
    const weir_root_options defaults = WEIR_ROOT_OPTIONS_INIT;
    const weir_root_options *o = options ? options : &defaults;
    int64_t kept, room;
    w_root_schedule schedule;
    if (n < 0 || k < 0 || o->p < 1 || o->p > W_ROOT_MOST_P || !weir_root_route_name(o->route)) {
        return INT64_MAX;
    }
    const w_root_wish wish = wish_of(o, n, k, dtype, 0, &schedule);
    if (measure((weir_ctx *)(uintptr_t)ctx, &wish, &kept, &room) < 0) {
        return INT64_MAX;
    }
    const int64_t inner = w_max64(w_eigen_bytes(n), w_refine_bytes(n, k));
    return w_add64(w_add64(w_alloc_bytes(kept), w_alloc_bytes(room)), w_add64(inner, w_alloc_bytes(w_mul64(w_mul64(n, k), 8))));
}

static bool holds(const weir_root_workspace *w, const w_root_wish *wish, uint64_t generation, weir_dtype dtype)
{
    return w->filled && generation != 0 && w->generation == generation && w->dtype == dtype && w->state.wish.n == wish->n &&
           w->state.wish.p == wish->p && w->state.wish.ridge == wish->ridge && wish->tolerance >= w->state.wish.tolerance &&
           (wish->route == WEIR_ROOT_AUTO || wish->route == w->state.route) && !wish->schedule;
}

void w_root_copy_in(const weir_matrix *from, double *to)
{
    for (int64_t j = 0; j < from->cols; j++) {
        for (int64_t i = 0; i < from->rows; i++) {
            const void *at = w_matrix_at(from, i, j);
            to[i + j * from->rows] = from->dtype == WEIR_F32 ? (double)*(const float *)at : *(const double *)at;
        }
    }
}

void w_root_copy_out(const double *from, const weir_matrix *to)
{
    for (int64_t j = 0; j < to->cols; j++) {
        for (int64_t i = 0; i < to->rows; i++) {
            void *at = w_matrix_at(to, i, j);
            if (to->dtype == WEIR_F32) {
                *(float *)at = (float)from[i + j * to->rows];
            } else {
                *(double *)at = from[i + j * to->rows];
            }
        }
    }
}

static void identity(int64_t n, double *to)
{
    memset(to, 0, (size_t)(n * n) * sizeof *to);
    for (int64_t i = 0; i < n; i++) {
        to[i * (n + 1)] = 1;
    }
}

/* The mean of both triangles into both. */
static void symmetrize(int64_t n, double *x)
{
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = j + 1; i < n; i++) {
            x[i + j * n] = x[j + i * n] = 0.5 * (x[i + j * n] + x[j + i * n]);
        }
    }
}

weir_status w_root_run(weir_ctx *ctx, const w_root_call *c, weir_root_workspace *w)
{
    const int64_t n = c->a->rows, count = c->b ? c->b->cols : n;
    w_root_schedule schedule;
    const w_root_wish wish = wish_of(c->options, n, count, c->a->dtype, w_root_ridge(c->options->precond, c->a), &schedule);
    const bool reuse = holds(w, &wish, c->options->generation, c->a->dtype);
    int64_t kept_bytes, room_bytes;
    weir_root_stats stats = { 0 };
    weir_status status = WEIR_OK;
    if (reuse) {
        w_scratch room = { 0 };
        status = w_root_apply(ctx, &w->state, count, NULL, &stats, &room);
        room_bytes = w_scratch_bytes(&room);
        kept_bytes = 0;
    } else {
        w->filled = false;
        status = measure(ctx, &wish, &kept_bytes, &room_bytes);
    }
    status = status < 0 ? status : w_root_ensure(ctx, &w->kept, kept_bytes);
    status = status < 0 ? status : w_root_ensure(ctx, &w->room, room_bytes);
    status = status < 0 ? status : w_root_ensure(ctx, &w->columns, w_mul64(w_mul64(n, count), 8));
    const double begun = w_clock_seconds();
    w_scratch kept = { w->kept.data, 0 }, room = { w->room.data, 0 };
    if (status >= 0 && !reuse) {
        status = w_root_prepare(ctx, &wish, c->a, c->options->trust_symmetry, &w->state, &kept, &room);
        w->filled = status >= 0;
        w->generation = c->options->generation;
        w->dtype = c->a->dtype;
    }
    const double ready = w_clock_seconds();
    if (status < 0) {
        return status;
    }
    room.used = 0;
    double *columns = (double *)(void *)w->columns.data;
    if (c->b) {
        w_root_copy_in(c->b, columns);
    } else {
        identity(n, columns);
    }
    status = w_root_apply(ctx, &w->state, count, columns, &stats, &room);
    if (status < 0) {
        return status;
    }
    if (!c->b) {
        symmetrize(n, columns);
    }
    w_root_copy_out(columns, c->z);
    stats.reused = reuse;
    stats.seconds_prepare = ready - begun;
    stats.seconds_apply = w_clock_seconds() - ready;
    if (c->stats) {
        *c->stats = stats;
    }
    return status;
}

weir_status w_root_check_views(weir_ctx *ctx, const char *function, const weir_matrix *a, const weir_matrix *b,
                               const weir_matrix *z)
{
    weir_status status = w_view_check(ctx, function, "a", a);
    status = status < 0 || !b ? status : w_view_check(ctx, function, "b", b);
    status = status < 0 ? status : w_view_check(ctx, function, "z", z);
    if (status < 0) {
        return status;
    }
    const int64_t count = b ? b->cols : a->cols;
    if (a->rows != a->cols || (b && b->rows != a->rows) || z->rows != a->rows || z->cols != count) {
        return w_fail(ctx, WEIR_E_ARG, "%s: shapes do not fit: a is %lld x %lld, b has %lld rows, z is %lld x %lld", function,
                      (long long)a->rows, (long long)a->cols, (long long)(b ? b->rows : a->rows), (long long)z->rows, (long long)z->cols);
    }
    if ((b && b->dtype != a->dtype) || z->dtype != a->dtype) {
        return w_fail(ctx, WEIR_E_ARG, "%s: all matrices must have the same type of elements", function);
    }
    return WEIR_OK;
}

static weir_status enter(weir_ctx *ctx, const char *function, const weir_matrix *a, const weir_matrix *b, const weir_matrix *z,
                         const weir_root_options *options, weir_root_workspace *workspace, weir_root_stats *stats)
{
    const weir_root_options defaults = WEIR_ROOT_OPTIONS_INIT;
    const weir_root_options *o = options ? options : &defaults;
    w_message_clear(ctx);
    weir_status status = w_root_check_options(ctx, o);
    status = status < 0 ? status : w_root_check_views(ctx, function, a, b, z);
    if (status < 0) {
        return status;
    }
    weir_root_workspace own = { .ctx = ctx };
    const w_root_call c = { a, b, z, o, stats };
    status = w_root_run(ctx, &c, workspace ? workspace : &own);
    w_root_drop(&own);
    return status;
}

weir_status weir_solve_spd(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *b, const weir_matrix *z,
                           const weir_root_options *options, weir_root_workspace *workspace, weir_root_stats *stats)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    if (!b) {
        return w_fail(ctx, WEIR_E_ARG, "weir_solve_spd: b is NULL");
    }
    return enter(ctx, "weir_solve_spd", a, b, z, options, workspace, stats);
}

weir_status weir_materialize(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *x, const weir_root_options *options,
                             weir_root_workspace *workspace, weir_root_stats *stats)
{
    return ctx ? enter(ctx, "weir_materialize", a, NULL, x, options, workspace, stats) : WEIR_E_ARG;
}
