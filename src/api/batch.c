/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of weir/batch.h: each fills a call (dense/batch.h), which then tells its bytes or runs. */
#include "weir/batch.h"

#include <string.h>

#include "api/linalg_views.h"
#include "dense/batch.h"

int64_t weir_batch_lanes(weir_dtype dtype)
{
    return dtype == WEIR_F32 ? W_GROUP_BYTES / 4 : dtype == WEIR_F64 ? W_GROUP_BYTES / 8 : 0;
}

weir_batch weir_batch_rows(void *data, weir_dtype dtype, int64_t count, int64_t rows, int64_t cols)
{
    const weir_matrix first = { data, dtype, rows, cols, cols > 0 ? cols : 1, 1 };
    return (weir_batch){ first, count, w_mul64(rows, cols), 0 };
}

weir_batch weir_batch_interleaved(void *data, weir_dtype dtype, int64_t count, int64_t rows, int64_t cols)
{
    const weir_matrix first = { data, dtype, rows, cols, 1, w_batched_lead(rows) };
    return (weir_batch){ first, count, w_mul64(w_mul64(first.col_stride, cols), weir_batch_lanes(dtype)), 1 };
}

int64_t weir_batch_interleaved_bytes(weir_dtype dtype, int64_t count, int64_t rows, int64_t cols)
{
    const int64_t lanes = weir_batch_lanes(dtype);
    return lanes == 0 ? 0 : w_mul64(w_mul64(w_mul64(w_batched_lead(rows), cols), W_GROUP_BYTES), w_add64(count, lanes - 1) / lanes);
}

/* ---- checks --------------------------------------------------------------------------------------------------------- */

static bool empty(const weir_batch *v) { return v->count == 0 || v->matrix.rows == 0 || v->matrix.cols == 0; }

static const char *batch_fault(const weir_batch *v, const weir_batch *like, bool output)
{
    if (v->count < 0 || v->count > INT64_MAX / 64) {
        return "the count must not be negative, nor more than there can be";
    }
    if (v->count != like->count) {
        return "the counts of the batches differ";
    }
    if (v->matrix.dtype != like->matrix.dtype) {
        return "the dtypes of the batches differ";
    }
    if (output && !empty(v) && v->stride == 0 && v->count > (v->interleaved ? weir_batch_lanes(v->matrix.dtype) : 1)) {
        return "results of different matrices would overlap: the stride is 0";
    }
    return NULL;
}

/* A view of rows x cols. NULL ctx: nothing is recorded, data may be NULL (a count of bytes). */
static weir_status check(weir_ctx *ctx, const char *function, const char *name, const weir_batch *v, const weir_batch *like,
                         bool output, int64_t rows, int64_t cols)
{
    const char *fault = v ? w_view_fault(&v->matrix) : "the batch is NULL";
    fault = fault ? fault : batch_fault(v, like, output);
    if (!fault && (v->matrix.rows != rows || v->matrix.cols != cols)) {
        return !ctx ? WEIR_E_ARG : w_fail(ctx, WEIR_E_ARG, "%s: %s must be %lld x %lld, it is %lld x %lld", function, name, (long long)rows,
                      (long long)cols, (long long)v->matrix.rows, (long long)v->matrix.cols);
    }
    if (!fault && ctx && !empty(v)) {
        const uintptr_t at = (uintptr_t)v->matrix.data;
        fault = at == 0 ? "data is NULL" : at % (uintptr_t)w_matrix_size(&v->matrix) ? "data is not aligned to its type" : NULL;
    }
    return !fault ? WEIR_OK : !ctx ? WEIR_E_ARG : w_fail(ctx, WEIR_E_ARG, "%s: %s: %s", function, name, fault);
}

static weir_status check_any(weir_ctx *ctx, const char *function, const char *name, const weir_batch *v, bool output)
{
    return check(ctx, function, name, v, v, output, v ? v->matrix.rows : 0, v ? v->matrix.cols : 0);
}

static weir_status check_square(weir_ctx *ctx, const char *function, const char *name, const weir_batch *v)
{
    return check(ctx, function, name, v, v, false, v ? v->matrix.rows : 0, v ? v->matrix.rows : 0);
}

static weir_status check_array(weir_ctx *ctx, const char *function, const char *name, const void *array, int64_t count)
{
    return array || count == 0 || !ctx ? WEIR_OK : w_fail(ctx, WEIR_E_ARG, "%s: %s is NULL", function, name);
}

#define TRY(expression)                        \
    do {                                       \
        const weir_status tried = expression;  \
        if (tried < 0) {                       \
            return tried;                      \
        }                                      \
    } while (0)

/* ---- running -------------------------------------------------------------------------------------------------------- */

static int64_t bytes_of(const weir_ctx *ctx, weir_status status, w_batch_call *call)
{
    return status < 0 || !ctx ? INT64_MAX : w_batch_bytes(ctx, call);
}

/* `remark`: the status when a matrix has info, `what` the words for it. */
static weir_status run(weir_ctx *ctx, const char *function, w_batch_call *call, void *work, int64_t work_bytes, weir_status remark,
                       const char *what)
{
    if (call->a->count == 0) {
        return WEIR_OK;
    }
    const int64_t bytes = w_batch_bytes(ctx, call);
    void *own = NULL;
    if (work && work_bytes < bytes) {
        return w_fail(ctx, WEIR_E_ARG, "%s: a workspace of %lld bytes is too small, %lld are used", function, (long long)work_bytes,
                      (long long)bytes);
    }
    if (!work) {
        own = w_alloc(ctx, "batched linear algebra", (size_t)bytes);
        if (!own) {
            return w_alloc_status(ctx);
        }
        work = own;
    }
    char *const base = work;
    weir_status status = w_batch_run(ctx, call, base + (64 - (uintptr_t)base % 64) % 64);
    w_free(ctx, own);
    const int64_t bad = atomic_load(&call->bad);
    if (status < 0 || bad == 0) {
        return status;
    }
    w_message_clear(ctx); /* of single matrices */
    return (remark < 0 ? w_fail : w_remark)(ctx, remark, "%s: %lld of %lld matrices %s; the first is number %lld", function, (long long)bad,
                                            (long long)call->a->count, what, (long long)atomic_load(&call->first));
}

static weir_status begin(weir_ctx *ctx)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    return WEIR_OK;
}

/* ---- copies and products -------------------------------------------------------------------------------------------- */

weir_status weir_copy_batched(weir_ctx *ctx, const weir_batch *from, const weir_batch *to)
{
    TRY(begin(ctx));
    TRY(check_any(ctx, __func__, "from", from, false));
    TRY(check(ctx, __func__, "to", to, from, true, from->matrix.rows, from->matrix.cols));
    w_batch_call call = { .group = w_batch_copy_group, .a = from, .x = to };
    return run(ctx, __func__, &call, NULL, 0, WEIR_OK, "");
}

static weir_status make_multiply(weir_ctx *ctx, const char *function, w_batch_call *call)
{
    TRY(check_any(ctx, function, "a", call->a, false));
    TRY(call->b ? WEIR_OK : check_any(ctx, function, "b", call->b, false));
    const weir_matrix *a = &call->a->matrix, *b = &call->b->matrix;
    const int64_t m = call->trans ? a->cols : a->rows, depth = call->trans ? a->rows : a->cols, n = call->trans_b ? b->rows : b->cols;
    TRY(check(ctx, function, "b", call->b, call->a, false, call->trans_b ? n : depth, call->trans_b ? depth : n));
    return check(ctx, function, "c", call->x, call->a, true, m, n);
}

weir_status weir_multiply_batched(weir_ctx *ctx, weir_trans trans_a, weir_trans trans_b, const weir_batch *a, const weir_batch *b,
                                  const weir_batch *c, void *work, int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_multiply_group, .a = a, .b = b, .x = c, .trans = trans_a == WEIR_TRANS,
                          .trans_b = trans_b == WEIR_TRANS };
    TRY(begin(ctx));
    TRY(make_multiply(ctx, __func__, &call));
    return run(ctx, __func__, &call, work, work_bytes, WEIR_OK, "");
}

int64_t weir_multiply_batched_bytes(const weir_ctx *ctx, weir_trans trans_a, weir_trans trans_b, const weir_batch *a,
                                    const weir_batch *b, const weir_batch *c)
{
    w_batch_call call = { .group = w_batch_multiply_group, .a = a, .b = b, .x = c, .trans = trans_a == WEIR_TRANS,
                          .trans_b = trans_b == WEIR_TRANS };
    return bytes_of(ctx, make_multiply(NULL, __func__, &call), &call);
}

static weir_status make_norms(weir_ctx *ctx, const char *function, w_batch_call *call)
{
    return check_any(ctx, function, "a", call->a, false);
}

weir_status weir_norms_batched(weir_ctx *ctx, const weir_batch *a, void *columns, void *frobenius, void *work, int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_norms_group, .a = a, .values = columns, .tau = frobenius };
    TRY(begin(ctx));
    TRY(make_norms(ctx, __func__, &call));
    return run(ctx, __func__, &call, work, work_bytes, WEIR_OK, "");
}

int64_t weir_norms_batched_bytes(const weir_ctx *ctx, const weir_batch *a)
{
    w_batch_call call = { .group = w_batch_norms_group, .a = a };
    return bytes_of(ctx, make_norms(NULL, __func__, &call), &call);
}

/* ---- QR ------------------------------------------------------------------------------------------------------------- */

static weir_status make_qr(weir_ctx *ctx, const char *function, w_batch_call *call)
{
    TRY(check_any(ctx, function, "a", call->a, false));
    const int64_t m = call->a->matrix.rows, n = call->a->matrix.cols;
    const int64_t k = call->mode == WEIR_QR_COMPLETE ? m : w_min64(m, n);
    if (call->mode != WEIR_QR_R) {
        TRY(check(ctx, function, "q", call->x, call->a, true, m, k));
    }
    return check(ctx, function, "r", call->r, call->a, true, k, n);
}

weir_status weir_qr_batched(weir_ctx *ctx, weir_qr_mode mode, const weir_batch *a, const weir_batch *q, const weir_batch *r,
                            void *work, int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_qr_group, .mode = mode, .a = a, .x = q, .r = r };
    TRY(begin(ctx));
    TRY(make_qr(ctx, __func__, &call));
    return run(ctx, __func__, &call, work, work_bytes, WEIR_OK, "");
}

int64_t weir_qr_batched_bytes(const weir_ctx *ctx, weir_qr_mode mode, const weir_batch *a, const weir_batch *q, const weir_batch *r)
{
    w_batch_call call = { .group = w_batch_qr_group, .mode = mode, .a = a, .x = q, .r = r };
    return bytes_of(ctx, make_qr(NULL, __func__, &call), &call);
}

static weir_status make_geqrf(weir_ctx *ctx, const char *function, w_batch_call *call)
{
    TRY(check_any(ctx, function, "a", call->a, true));
    return check_array(ctx, function, "tau", call->tau, empty(call->a) ? 0 : 1);
}

weir_status weir_geqrf_batched(weir_ctx *ctx, const weir_batch *a, void *tau, void *work, int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_geqrf_group, .a = a, .tau = tau };
    TRY(begin(ctx));
    TRY(make_geqrf(ctx, __func__, &call));
    return run(ctx, __func__, &call, work, work_bytes, WEIR_OK, "");
}

int64_t weir_geqrf_batched_bytes(const weir_ctx *ctx, const weir_batch *a)
{
    w_batch_call call = { .group = w_batch_geqrf_group, .a = a };
    return bytes_of(ctx, make_geqrf(NULL, __func__, &call), &call);
}

static weir_status make_ormqr(weir_ctx *ctx, const char *function, w_batch_call *call)
{
    TRY(check_any(ctx, function, "a", call->a, false));
    TRY(check_array(ctx, function, "tau", call->tau, empty(call->a) ? 0 : 1));
    return check(ctx, function, "c", call->x, call->a, true, call->a->matrix.rows, call->x ? call->x->matrix.cols : 0);
}

/* tau is only read. */
static w_batch_call ormqr_call(weir_trans trans, const weir_batch *a, const void *tau, const weir_batch *c)
{
    return (w_batch_call){ .group = w_batch_ormqr_group, .a = a, .tau = (void *)(uintptr_t)tau, .x = c, .trans = trans == WEIR_TRANS };
}

weir_status weir_ormqr_batched(weir_ctx *ctx, weir_trans trans, const weir_batch *a, const void *tau, const weir_batch *c, void *work,
                               int64_t work_bytes)
{
    w_batch_call call = ormqr_call(trans, a, tau, c);
    TRY(begin(ctx));
    TRY(make_ormqr(ctx, __func__, &call));
    return run(ctx, __func__, &call, work, work_bytes, WEIR_OK, "");
}

int64_t weir_ormqr_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *c)
{
    w_batch_call call = ormqr_call(WEIR_TRANS, a, NULL, c);
    return bytes_of(ctx, make_ormqr(NULL, __func__, &call), &call);
}

static weir_status make_qr_solve(weir_ctx *ctx, const char *function, w_batch_call *call)
{
    TRY(check_any(ctx, function, "a", call->a, false));
    const int64_t m = call->a->matrix.rows, n = call->a->matrix.cols, cols = call->b ? call->b->matrix.cols : 0;
    if (m < n) {
        return !ctx ? WEIR_E_ARG : w_fail(ctx, WEIR_E_ARG, "%s: a has %lld rows and %lld columns; least squares by QR needs as many rows",
                                          function, (long long)m, (long long)n);
    }
    TRY(check(ctx, function, "b", call->b, call->a, false, m, cols));
    return check(ctx, function, "x", call->x, call->a, true, n, cols);
}

weir_status weir_qr_solve_batched(weir_ctx *ctx, const weir_batch *a, const weir_batch *b, const weir_batch *x, int64_t *info,
                                  void *work, int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_qr_solve_group, .a = a, .b = b, .x = x, .info = info };
    TRY(begin(ctx));
    TRY(make_qr_solve(ctx, __func__, &call));
    return run(ctx, __func__, &call, work, work_bytes, WEIR_RANK_DEFICIENT, "are rank deficient");
}

int64_t weir_qr_solve_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *b, const weir_batch *x)
{
    w_batch_call call = { .group = w_batch_qr_solve_group, .a = a, .b = b, .x = x };
    return bytes_of(ctx, make_qr_solve(NULL, __func__, &call), &call);
}

/* ---- Cholesky ------------------------------------------------------------------------------------------------------- */

static weir_status make_chol(weir_ctx *ctx, const char *function, w_batch_call *call)
{
    TRY(check_square(ctx, function, "a", call->a));
    return check(ctx, function, "l", call->x, call->a, true, call->a->matrix.rows, call->a->matrix.rows);
}

weir_status weir_chol_batched(weir_ctx *ctx, weir_uplo uplo, const weir_batch *a, const weir_batch *l, int64_t *info, void *work,
                              int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_chol_group, .a = a, .x = l, .info = info, .upper = uplo == WEIR_UPPER };
    TRY(begin(ctx));
    TRY(make_chol(ctx, __func__, &call));
    return run(ctx, __func__, &call, work, work_bytes, WEIR_E_NUMERIC, "are not positive definite");
}

int64_t weir_chol_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *l)
{
    w_batch_call call = { .group = w_batch_chol_group, .a = a, .x = l };
    return bytes_of(ctx, make_chol(NULL, __func__, &call), &call);
}

/* A square system with right-hand sides from the left; pivots where the factors are LU's. */
static weir_status make_system(weir_ctx *ctx, const char *function, w_batch_call *call, const char *name)
{
    TRY(check_square(ctx, function, name, call->a));
    const int64_t n = call->a->matrix.rows, cols = call->b ? call->b->matrix.cols : 0;
    TRY(check(ctx, function, "b", call->b, call->a, false, n, cols));
    TRY(check(ctx, function, "x", call->x, call->a, true, n, cols));
    return call->group == w_batch_lu_solve_group ? check_array(ctx, function, "pivot", call->pivot, empty(call->a) ? 0 : 1) : WEIR_OK;
}

weir_status weir_chol_solve_batched(weir_ctx *ctx, weir_uplo uplo, const weir_batch *l, const weir_batch *b, const weir_batch *x,
                                    void *work, int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_chol_solve_group, .a = l, .b = b, .x = x, .upper = uplo == WEIR_UPPER };
    TRY(begin(ctx));
    TRY(make_system(ctx, __func__, &call, "l"));
    return run(ctx, __func__, &call, work, work_bytes, WEIR_OK, "");
}

int64_t weir_chol_solve_batched_bytes(const weir_ctx *ctx, const weir_batch *l, const weir_batch *b, const weir_batch *x)
{
    w_batch_call call = { .group = w_batch_chol_solve_group, .a = l, .b = b, .x = x };
    return bytes_of(ctx, make_system(NULL, __func__, &call, "l"), &call);
}

/* ---- LU ------------------------------------------------------------------------------------------------------------- */

static weir_status make_lu(weir_ctx *ctx, const char *function, w_batch_call *call)
{
    TRY(check_any(ctx, function, "a", call->a, false));
    TRY(check(ctx, function, "lu", call->x, call->a, true, call->a->matrix.rows, call->a->matrix.cols));
    return check_array(ctx, function, "pivot", call->pivot, empty(call->a) ? 0 : 1);
}

weir_status weir_lu_batched(weir_ctx *ctx, const weir_batch *a, const weir_batch *lu, int64_t *pivot, int64_t *info, void *work,
                            int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_lu_group, .a = a, .x = lu, .pivot = pivot, .info = info };
    TRY(begin(ctx));
    TRY(make_lu(ctx, __func__, &call));
    return run(ctx, __func__, &call, work, work_bytes, WEIR_RANK_DEFICIENT, "are singular or not finite");
}

int64_t weir_lu_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *lu)
{
    w_batch_call call = { .group = w_batch_lu_group, .a = a, .x = lu };
    return bytes_of(ctx, make_lu(NULL, __func__, &call), &call);
}

weir_status weir_lu_solve_batched(weir_ctx *ctx, weir_trans trans, const weir_batch *lu, const int64_t *pivot, const weir_batch *b,
                                  const weir_batch *x, int64_t *info, void *work, int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_lu_solve_group, .a = lu, .b = b, .x = x, .info = info, .trans = trans == WEIR_TRANS,
                          .pivot = (int64_t *)(uintptr_t)pivot }; /* only read */
    TRY(begin(ctx));
    TRY(make_system(ctx, __func__, &call, "lu"));
    return run(ctx, __func__, &call, work, work_bytes, WEIR_E_NUMERIC, "are singular");
}

int64_t weir_lu_solve_batched_bytes(const weir_ctx *ctx, const weir_batch *lu, const weir_batch *b, const weir_batch *x)
{
    w_batch_call call = { .group = w_batch_lu_solve_group, .a = lu, .b = b, .x = x };
    return bytes_of(ctx, make_system(NULL, __func__, &call, "lu"), &call);
}

weir_status weir_solve_batched(weir_ctx *ctx, const weir_batch *a, const weir_batch *b, const weir_batch *x, int64_t *info,
                               void *work, int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_solve_group, .a = a, .b = b, .x = x, .info = info };
    TRY(begin(ctx));
    TRY(make_system(ctx, __func__, &call, "a"));
    return run(ctx, __func__, &call, work, work_bytes, WEIR_E_NUMERIC, "are singular or not finite");
}

int64_t weir_solve_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *b, const weir_batch *x)
{
    w_batch_call call = { .group = w_batch_solve_group, .a = a, .b = b, .x = x };
    return bytes_of(ctx, make_system(NULL, __func__, &call, "a"), &call);
}

/* ---- triangular systems, eigenvalues, singular values ----------------------------------------------------------------------------- */

static weir_status make_trsm(weir_ctx *ctx, const char *function, w_batch_call *call)
{
    TRY(check_square(ctx, function, "t", call->a));
    const int64_t n = call->a->matrix.rows;
    const int64_t rows = call->right && call->b ? call->b->matrix.rows : n, cols = !call->right && call->b ? call->b->matrix.cols : n;
    TRY(check(ctx, function, "b", call->b, call->a, false, rows, cols));
    return check(ctx, function, "x", call->x, call->a, true, rows, cols);
}

weir_status weir_trsm_batched(weir_ctx *ctx, weir_side side, weir_uplo uplo, weir_trans trans, weir_diag diag, const weir_batch *t,
                              const weir_batch *b, const weir_batch *x, int64_t *info, void *work, int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_trsm_group, .a = t, .b = b, .x = x, .info = info, .right = side == WEIR_RIGHT,
                          .upper = uplo == WEIR_UPPER, .trans = trans == WEIR_TRANS, .unit = diag == WEIR_UNIT };
    TRY(begin(ctx));
    TRY(make_trsm(ctx, __func__, &call));
    return run(ctx, __func__, &call, work, work_bytes, WEIR_E_NUMERIC, "have a zero on the diagonal");
}

int64_t weir_trsm_batched_bytes(const weir_ctx *ctx, weir_side side, const weir_batch *t, const weir_batch *b, const weir_batch *x)
{
    w_batch_call call = { .group = w_batch_trsm_group, .a = t, .b = b, .x = x, .right = side == WEIR_RIGHT };
    return bytes_of(ctx, make_trsm(NULL, __func__, &call), &call);
}

static weir_status make_eigh(weir_ctx *ctx, const char *function, w_batch_call *call)
{
    TRY(check_square(ctx, function, "a", call->a));
    const int64_t n = call->a->matrix.rows;
    TRY(check_array(ctx, function, "values", call->values, empty(call->a) ? 0 : 1));
    return call->x ? check(ctx, function, "vectors", call->x, call->a, true, n, n) : WEIR_OK;
}

/* WEIR_E_NUMERIC rather than WEIR_NOT_CONVERGED where a matrix is not finite. */
static weir_status run_spectral(weir_ctx *ctx, const char *function, w_batch_call *call, void *work, int64_t work_bytes)
{
    const weir_status status = run(ctx, function, call, work, work_bytes, WEIR_NOT_CONVERGED, "have not converged or are not finite");
    if (status != WEIR_NOT_CONVERGED || atomic_load(&call->least) != 1) {
        return status;
    }
    return w_fail(ctx, WEIR_E_NUMERIC, "%s: matrices are not finite; the first of %lld with a remark is number %lld", function,
                  (long long)atomic_load(&call->bad), (long long)atomic_load(&call->first));
}

weir_status weir_eigh_batched(weir_ctx *ctx, weir_uplo uplo, const weir_batch *a, void *values, const weir_batch *vectors, int64_t *info,
                              void *work, int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_eigh_group, .a = a, .values = values, .x = vectors, .info = info, .upper = uplo == WEIR_UPPER };
    TRY(begin(ctx));
    TRY(make_eigh(ctx, __func__, &call));
    return run_spectral(ctx, __func__, &call, work, work_bytes);
}

int64_t weir_eigh_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *vectors)
{
    w_batch_call call = { .group = w_batch_eigh_group, .a = a, .x = vectors };
    return bytes_of(ctx, make_eigh(NULL, __func__, &call), &call);
}

static weir_status make_svd(weir_ctx *ctx, const char *function, w_batch_call *call)
{
    TRY(check_any(ctx, function, "a", call->a, false));
    const int64_t m = call->a->matrix.rows, n = call->a->matrix.cols, k = w_min64(m, n);
    TRY(check_array(ctx, function, "values", call->values, empty(call->a) ? 0 : 1));
    TRY(call->x ? check(ctx, function, "u", call->x, call->a, true, m, k) : WEIR_OK);
    return call->r ? check(ctx, function, "v", call->r, call->a, true, n, k) : WEIR_OK;
}

weir_status weir_svd_batched(weir_ctx *ctx, const weir_batch *a, const weir_batch *u, void *values, const weir_batch *v, int64_t *info,
                             void *work, int64_t work_bytes)
{
    w_batch_call call = { .group = w_batch_svd_group, .a = a, .x = u, .values = values, .r = v, .info = info };
    TRY(begin(ctx));
    TRY(make_svd(ctx, __func__, &call));
    return run_spectral(ctx, __func__, &call, work, work_bytes);
}

int64_t weir_svd_batched_bytes(const weir_ctx *ctx, const weir_batch *a, const weir_batch *u, const weir_batch *v)
{
    w_batch_call call = { .group = w_batch_svd_group, .a = a, .x = u, .r = v };
    return bytes_of(ctx, make_svd(NULL, __func__, &call), &call);
}
