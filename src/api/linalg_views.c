/* SPDX-License-Identifier: Apache-2.0 */
#include "api/linalg_views.h"

#include <stdlib.h>

/* The larger stride must reach beyond what the smaller one spans. */
static bool overlaps(const weir_matrix *a)
{
    const int64_t row = llabs(a->row_stride), col = llabs(a->col_stride);
    if (a->rows > 1 && a->cols > 1) {
        return row == 0 || col == 0 || (row < col ? w_mul64(row, a->rows - 1) >= col : w_mul64(col, a->cols - 1) >= row);
    }
    return (a->rows > 1 && row == 0) || (a->cols > 1 && col == 0);
}

const char *w_view_fault(const weir_matrix *a)
{
    if (!a) {
        return "the view is NULL";
    }
    if (a->dtype != WEIR_F64 && a->dtype != WEIR_F32) {
        return "the dtype must be WEIR_F64 or WEIR_F32";
    }
    if (a->rows < 0 || a->cols < 0) {
        return "rows and cols must not be negative";
    }
    if (a->row_stride == INT64_MIN || a->col_stride == INT64_MIN) {
        return "a stride is out of range";
    }
    if (a->rows == 0 || a->cols == 0) {
        return NULL;
    }
    const int64_t span = w_add64(w_mul64(llabs(a->row_stride), a->rows - 1), w_mul64(llabs(a->col_stride), a->cols - 1));
    if (w_mul64(span, 8) == INT64_MAX) {
        return "the view spans more than can be addressed";
    }
    return overlaps(a) ? "strides let elements overlap" : NULL;
}

weir_status w_view_check(weir_ctx *ctx, const char *function, const char *name, const weir_matrix *a)
{
    const char *fault = w_view_fault(a);
    if (!fault && a->rows > 0 && a->cols > 0) {
        fault = !a->data ? "data is NULL" : (uintptr_t)a->data % (uintptr_t)w_matrix_size(a) ? "data is not aligned to its type" : NULL;
    }
    return fault ? w_fail(ctx, WEIR_E_ARG, "%s: %s: %s", function, name, fault) : WEIR_OK;
}

weir_status w_view_same(weir_ctx *ctx, const char *function, const weir_matrix *a, const weir_matrix *b)
{
    return a->dtype == b->dtype ? WEIR_OK : w_fail(ctx, WEIR_E_ARG, "%s: the dtypes of the arguments differ", function);
}

int64_t w_scratch_measure(const weir_ctx *ctx, w_scratch_fn body, void *arguments)
{
    w_scratch s = { NULL, 0 };
    body((weir_ctx *)ctx, arguments, &s); /* changes nothing without a base */
    return s.used == 0 ? 0 : w_scratch_bytes(&s);
}

weir_status w_scratch_run(weir_ctx *ctx, const char *function, w_scratch_fn body, void *arguments, void *work, int64_t work_bytes)
{
    const int64_t bytes = w_scratch_measure(ctx, body, arguments);
    void *own = NULL;
    if (work && work_bytes < bytes) {
        return w_fail(ctx, WEIR_E_ARG, "%s: a workspace of %lld bytes is too small, %lld are used", function, (long long)work_bytes,
                      (long long)bytes);
    }
    if (!work) {
        own = w_alloc(ctx, "linear algebra", (size_t)bytes);
        if (!own) {
            return w_alloc_status(ctx);
        }
        work = own;
    }
    w_scratch s = { (char *)(((uintptr_t)work + 63) / 64 * 64), 0 };
    weir_status status = body(ctx, arguments, &s);
    w_free(ctx, own);
    return status;
}
