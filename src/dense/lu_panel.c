/* SPDX-License-Identifier: Apache-2.0 */
/* Partial pivoting in a packed panel, left-looking by slices: a slice of columns loses its products with the columns before it
 * at the rate of a matrix product (update of panel.h), then its own columns follow one after the other. Each passes over the
 * panel once: the column before is divided by its pivot, this one loses its products with those of the slice, and its
 * largest entry is found on the way. Rows are exchanged in the whole panel. */
#include "dense/lu.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"

#define SHARED 1000000 /* multiplications of a slice's products from which threads share them */
#define SHARE 8        /* strips of a task */

typedef struct panel {
    weir_ctx *ctx;
    const w_panel *k;
    const w_lu_kernels *kernels;
    int64_t rows, columns, strip, step, strips;
    void *data;
    int64_t zero;
    const void *top; /* of the slice at q0 … */
    int64_t q0, count;
} panel;

const w_lu_kernels *w_lu_kernels_of(const w_panel *k)
{
    const int type = k->size == 4;
#if defined __x86_64__
    if (k == &w_panel_avx512[type]) {
        return &w_lu_avx512[type];
    }
    if (k == &w_panel_avx2[type]) {
        return &w_lu_avx2[type];
    }
#endif
    return &w_lu_portable[type];
}

static weir_status update_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const panel *f = arg;
    const int64_t first = f->q0 / f->strip + task * SHARE, end = w_min64(f->strips, first + SHARE);
    for (int64_t s = first; s < end; s++) {
        void *strip = w_panel_at(f->k, f->data, s * f->step);
        f->k->update(f->q0, strip, f->top, -1.0, w_panel_at(f->k, strip, f->q0 * f->strip), f->strip, f->strip, f->count,
                     W_PANEL_LOW, W_PANEL_HIGH);
    }
    return WEIR_OK;
}

static weir_status run_updates(panel *f)
{
    const int64_t strips = f->strips - f->q0 / f->strip, tasks = (strips + SHARE - 1) / SHARE;
    if (f->ctx && strips * f->strip * f->q0 * f->count >= SHARED) {
        return w_pool_run(f->ctx, tasks, update_task, f);
    }
    for (int64_t task = 0; task < tasks; task++) {
        update_task(f, task, 0);
    }
    return WEIR_OK;
}

#define real double
#define REAL(name) name##_f64
#define REAL_LEAST DBL_MIN
#include "dense/lu_panel_steps.h"
#undef real
#undef REAL
#undef REAL_LEAST
#define real float
#define REAL(name) name##_f32
#define REAL_LEAST FLT_MIN
#include "dense/lu_panel_steps.h"

int64_t w_lu_panel(weir_ctx *ctx, const w_panel *k, int64_t rows, int64_t columns, void *data, int64_t *exchange)
{
    panel f = { .ctx = ctx, .k = k, .kernels = w_lu_kernels_of(k), .rows = rows, .columns = columns, .strip = k->strip,
                .step = k->strip * columns, .strips = (rows + k->strip - 1) / k->strip, .data = data };
    for (int64_t q = 0; q < columns; q += k->slice) {
        const int64_t count = w_min64(k->slice, columns - q);
        if (k->size == 4) {
            take_products_f32(&f, q, count);
            eliminate_slice_f32(&f, q, count, exchange);
        } else {
            take_products_f64(&f, q, count);
            eliminate_slice_f64(&f, q, count, exchange);
        }
    }
    return f.zero;
}
