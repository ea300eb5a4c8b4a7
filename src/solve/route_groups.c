/* SPDX-License-Identifier: Apache-2.0 */
/* Groups shared out over lanes, each with a workspace of its own. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/size.h"
#include "solve/route.h"

typedef struct lanes {
    w_linear *q;
    w_group_fn task;
    double *work;
    int64_t doubles;
    _Atomic int64_t next;
} lanes;

int64_t w_linear_first(const w_linear *q, int64_t group)
{
    return q->s->group_first ? q->s->group_first[group] : group == 0 ? 0 : q->n;
}

void w_linear_refuse(const w_linear *q, int64_t group, int32_t route, weir_status status, const char *format, ...)
{
    char line[300];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    for (int64_t j = 0; j < q->m; j++) {
        q->outcome[group * q->m + j] = (weir_linear_outcome){ .status = status, .route = route, .residual = NAN,
                                                              .backward_error = NAN, .condition = NAN };
    }
    q->wanted[group] = 0;
    if (q->groups > 1) {
        w_fail(q->ctx, status, "group %lld: %s", (long long)group, line);
    } else {
        w_fail(q->ctx, status, "%s", line);
    }
}

static weir_status lane_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    lanes *l = arg;
    weir_status status = WEIR_OK;
    for (int64_t g = l->next++; g < l->q->groups && status >= 0; g = l->next++) {
        if (l->q->wanted[g]) {
            status = l->task(l->q, l->work + task * l->doubles, g);
        }
    }
    return status;
}

weir_status w_route_groups(w_linear *q, int64_t doubles, w_group_fn task)
{
    const int64_t count = w_max64(1, q->shape.in_flight);
    lanes l = { .q = q, .task = task, .doubles = doubles };
    l.work = w_alloc_array(q->ctx, "route", (size_t)w_mul64(count, doubles), sizeof(double));
    if (l.work == NULL) {
        return w_alloc_status(q->ctx);
    }
    weir_status status = WEIR_OK;
    if (count > 1) {
        status = w_pool_run(q->ctx, count, lane_task, &l);
    }
    for (int64_t g = 0; g < q->groups && count == 1 && status >= 0; g++) {
        status = w_check_cancel(q->ctx);
        if (status >= 0 && q->wanted[g]) {
            status = task(q, l.work, g);
        }
    }
    w_free(q->ctx, l.work);
    return status;
}

int64_t w_route_groups_bytes(const w_route_shape *shape, int64_t doubles)
{
    return w_alloc_bytes(w_mul64(w_mul64(w_max64(1, shape->in_flight), doubles), (int64_t)sizeof(double)));
}
