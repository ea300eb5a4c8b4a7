/* SPDX-License-Identifier: Apache-2.0 */
/* Matrices that are too large for lanes: one at a time, by the routines for one matrix. An interleaved matrix is a view, too, with
 * strides times the lanes. What a routine leaves untouched because a matrix has no answer becomes NaN here, as in lanes. */
#include "dense/batch.h"

#include <math.h>

#include "dense/linear.h"
#include "dense/qr.h"

static weir_matrix matrix_of(const w_batch_call *call, const weir_batch *v, int64_t b)
{
    weir_matrix m = v->matrix;
    const int64_t lanes = call->k->lanes, at = v->interleaved ? b / lanes * v->stride + b % lanes : b * v->stride;
    m.data = m.data ? (char *)m.data + at * call->k->size : NULL;
    m.row_stride *= v->interleaved ? lanes : 1;
    m.col_stride *= v->interleaved ? lanes : 1;
    return m;
}

static weir_matrix copy_room(const weir_matrix *a, w_scratch *s)
{
    return w_matrix_columns(w_scratch_take(s, w_mul64(w_mul64(a->rows, a->cols), w_matrix_size(a))), a->dtype, a->rows, a->cols);
}

static double value_at(const weir_matrix *a, int64_t i, int64_t j)
{
    const void *at = w_matrix_at(a, i, j);
    return a->dtype == WEIR_F32 ? (double)*(const float *)at : *(const double *)at;
}

/* Elements of a triangle (or all), from column `first` on, become `value`. */
static void spread(const weir_matrix *a, w_triangle part, int64_t first, double value)
{
    for (int64_t j = first; j < a->cols; j++) {
        for (int64_t i = part == W_TRIANGLE_LOWER ? j : 0; i < (part == W_TRIANGLE_UPPER ? w_min64(j + 1, a->rows) : a->rows); i++) {
            void *at = w_matrix_at(a, i, j);
            if (a->dtype == WEIR_F32) {
                *(float *)at = (float)value;
            } else {
                *(double *)at = value;
            }
        }
    }
}

static void copy_triangle(const weir_matrix *from, const weir_matrix *to)
{
    for (int64_t j = 0; j < from->cols; j++) {
        const weir_matrix left = w_matrix_part(from, j, j, from->rows - j, 1), right = w_matrix_part(to, j, j, from->rows - j, 1);
        w_matrix_copy(&left, &right);
    }
}

static void copy_unless_same(const weir_matrix *from, const weir_matrix *to)
{
    if (from->data != to->data) {
        w_matrix_copy(from, to);
    }
}

/* 1 + the first element of the diagonal that is zero or not finite, or 0. */
static int64_t bad_pivot(const weir_matrix *a)
{
    for (int64_t i = 0; i < w_min64(a->rows, a->cols); i++) {
        const double u = value_at(a, i, i);
        if (u == 0 || !isfinite(u)) {
            return i + 1;
        }
    }
    return 0;
}

/* ---- QR ------------------------------------------------------------------------------------------------------------- */

static weir_status qr_one(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info)
{
    (void)info;
    const weir_matrix a = matrix_of(call, call->a, b), r = matrix_of(call, call->r, b);
    const weir_matrix q = call->x ? matrix_of(call, call->x, b) : a, *const wanted = call->mode == WEIR_QR_R ? NULL : &q;
    int32_t path = WEIR_QR_HOUSEHOLDER;
    void *work = w_scratch_take(s, w_qr_bytes(ctx, call->mode, path, &a, wanted));
    return s->base ? w_qr(ctx, call->mode, &a, wanted, &r, &path, work) : WEIR_OK;
}

static weir_status geqrf_one(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info)
{
    (void)info;
    const weir_matrix a = matrix_of(call, call->a, b);
    void *work = w_scratch_take(s, w_geqrf_bytes(ctx, &a));
    return s->base ? w_geqrf(ctx, &a, (char *)call->tau + b * w_min64(a.rows, a.cols) * call->k->size, work) : WEIR_OK;
}

static weir_status ormqr_one(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info)
{
    (void)info;
    const weir_matrix whole = matrix_of(call, call->a, b), c = matrix_of(call, call->x, b);
    const int64_t k = w_min64(whole.rows, whole.cols);
    weir_matrix a = whole;
    a.cols = k;
    void *work = w_scratch_take(s, w_ormqr_bytes(&a));
    return s->base ? w_ormqr(ctx, call->trans, &a, (const char *)call->tau + b * k * call->k->size, &c, work) : WEIR_OK;
}

static weir_status qr_solve_one(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info)
{
    const weir_matrix a = matrix_of(call, call->a, b), right = matrix_of(call, call->b, b), x = matrix_of(call, call->x, b);
    const weir_matrix copy = copy_room(&a, s), right_copy = copy_room(&right, s);
    void *work = w_scratch_take(s, w_qr_solve_bytes(ctx, &copy, &right_copy));
    if (!s->base) {
        return WEIR_OK;
    }
    w_matrix_copy(&a, &copy);
    w_matrix_copy(&right, &right_copy);
    const weir_status status = w_qr_solve(ctx, &copy, &right_copy, &x, info, work);
    if (*info) {
        spread(&x, W_TRIANGLE_FULL, 0, (double)NAN);
    }
    return status;
}

/* ---- Cholesky: the lower triangle of A or of its transpose ----------------------------------------------------------- */

static weir_status chol_one(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info)
{
    const weir_matrix from = matrix_of(call, call->a, b), to = matrix_of(call, call->x, b);
    const weir_matrix a = call->upper ? w_matrix_turned(&from) : from, l = call->upper ? w_matrix_turned(&to) : to;
    if (s->base && a.data != l.data) {
        spread(&l, W_TRIANGLE_UPPER, 0, 0.0);
        copy_triangle(&a, &l);
    }
    const weir_status status = w_dense_potrf(ctx, false, &l, info, s);
    if (s->base && *info) {
        spread(&l, W_TRIANGLE_LOWER, *info - 1, (double)NAN);
    }
    return status;
}

static weir_status chol_solve_one(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info)
{
    (void)info;
    const weir_matrix l = matrix_of(call, call->a, b), right = matrix_of(call, call->b, b), x = matrix_of(call, call->x, b);
    if (s->base) {
        copy_unless_same(&right, &x);
    }
    return w_dense_potrs(ctx, call->upper, &l, &x, s);
}

/* ---- LU ------------------------------------------------------------------------------------------------------------- */

static weir_status lu_one(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info)
{
    const weir_matrix a = matrix_of(call, call->a, b), lu = matrix_of(call, call->x, b);
    int64_t *pivot = s->base ? call->pivot + b * w_min64(a.rows, a.cols) : NULL;
    if (s->base) {
        copy_unless_same(&a, &lu);
    }
    const weir_status status = w_dense_getrf(ctx, &lu, pivot, info, s);
    *info = s->base ? bad_pivot(&lu) : 0;
    return status;
}

static weir_status lu_solve_one(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info)
{
    const weir_matrix lu = matrix_of(call, call->a, b), right = matrix_of(call, call->b, b), x = matrix_of(call, call->x, b);
    if (s->base) {
        copy_unless_same(&right, &x);
        *info = w_dense_zero(&lu);
    }
    if (*info) {
        spread(&x, W_TRIANGLE_FULL, 0, (double)NAN);
        return WEIR_OK;
    }
    return w_dense_getrs(ctx, call->trans, &lu, s->base ? call->pivot + b * lu.rows : NULL, &x, s);
}

static weir_status solve_one(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info)
{
    const weir_matrix a = matrix_of(call, call->a, b), right = matrix_of(call, call->b, b), x = matrix_of(call, call->x, b);
    const weir_matrix lu = copy_room(&a, s);
    int64_t *pivot = w_scratch_take(s, w_mul64(a.rows, (int64_t)sizeof *pivot));
    if (s->base) {
        w_matrix_copy(&a, &lu);
        copy_unless_same(&right, &x);
    }
    weir_status status = w_dense_getrf(ctx, &lu, pivot, info, s);
    *info = s->base && status >= 0 ? bad_pivot(&lu) : 0;
    if (*info) {
        spread(&x, W_TRIANGLE_FULL, 0, (double)NAN);
        return WEIR_OK;
    }
    return status < 0 ? status : w_dense_getrs(ctx, false, &lu, pivot, &x, s);
}

/* ---- triangular systems, eigenvalues, singular values --------------------------------------------------------------------------------- */

static weir_status trsm_one(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info)
{
    const weir_matrix t = matrix_of(call, call->a, b), right = matrix_of(call, call->b, b), x = matrix_of(call, call->x, b);
    const w_triangular how = { .right = call->right, .upper = call->upper, .trans = call->trans, .unit = call->unit };
    if (s->base) {
        copy_unless_same(&right, &x);
        *info = call->unit ? 0 : w_dense_zero(&t);
    }
    if (*info) {
        spread(&x, W_TRIANGLE_FULL, 0, (double)NAN);
        return WEIR_OK;
    }
    return w_dense_trsm(ctx, how, &t, &x, s);
}

static weir_status eigh_one(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info)
{
    const weir_matrix from = matrix_of(call, call->a, b), a = call->upper ? w_matrix_turned(&from) : from, copy = copy_room(&a, s);
    char *values = s->base ? (char *)call->values + b * a.rows * call->k->size : NULL;
    if (s->base) {
        copy_triangle(&a, &copy);
    }
    int64_t failed = 0;
    const weir_status status = w_dense_syevd(ctx, call->x != NULL, false, &copy, values, &failed, s);
    const weir_matrix column = { values, a.dtype, a.rows, 1, 1, a.rows };
    const bool none = s->base && status == WEIR_E_NUMERIC;
    if (none) {
        spread(&column, W_TRIANGLE_FULL, 0, (double)NAN);
        spread(&copy, W_TRIANGLE_FULL, 0, (double)NAN);
        *info = failed ? 2 : 1;
    }
    if (s->base && call->x) {
        const weir_matrix x = matrix_of(call, call->x, b);
        w_matrix_copy(&copy, &x);
    }
    return none ? WEIR_OK : status;
}

static weir_status svd_one(weir_ctx *ctx, w_batch_call *call, int64_t b, w_scratch *s, int64_t *info)
{
    const weir_matrix a = matrix_of(call, call->a, b), none = { NULL, a.dtype, 0, 0, 1, 1 };
    const weir_matrix u = call->x ? matrix_of(call, call->x, b) : none, v = call->r ? matrix_of(call, call->r, b) : none;
    const int64_t k = w_min64(a.rows, a.cols);
    char *values = s->base ? (char *)call->values + b * k * call->k->size : NULL;
    int64_t failed = 0;
    weir_status status = w_dense_svd(ctx, &a, call->x ? &u : NULL, values, call->r ? &v : NULL, &failed, s);
    if (s->base && (status == WEIR_E_NUMERIC || failed)) {
        const weir_matrix column = { values, a.dtype, k, 1, 1, k };
        spread(&column, W_TRIANGLE_FULL, 0, (double)NAN);
        spread(&u, W_TRIANGLE_FULL, 0, (double)NAN);
        spread(&v, W_TRIANGLE_FULL, 0, (double)NAN);
        *info = failed ? 2 : 1;
        status = WEIR_OK;
    }
    return status;
}

typedef struct served {
    w_batch_group_fn group;
    w_batch_single_fn one;
} served;

static const served table[] = {
    { w_batch_qr_group, qr_one }, { w_batch_geqrf_group, geqrf_one }, { w_batch_ormqr_group, ormqr_one },
    { w_batch_qr_solve_group, qr_solve_one }, { w_batch_chol_group, chol_one }, { w_batch_chol_solve_group, chol_solve_one },
    { w_batch_lu_group, lu_one }, { w_batch_lu_solve_group, lu_solve_one }, { w_batch_solve_group, solve_one },
    { w_batch_trsm_group, trsm_one }, { w_batch_eigh_group, eigh_one },
    { w_batch_svd_group, svd_one },
};

w_batch_single_fn w_batch_single(const w_batch_call *call)
{
    const weir_matrix *a = &call->a->matrix;
    const int64_t cols = call->b ? call->b->matrix.cols : 0;
    const int64_t largest = call->group == w_batch_svd_group ? WEIR_BATCH_SMALL : W_BATCH_LARGEST; /* from there gesdd is faster */
    if (w_min64(a->rows, a->cols) <= largest && w_max64(w_max64(a->rows, a->cols), cols) <= 4 * W_BATCH_LARGEST) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].group == call->group) {
            return table[i].one;
        }
    }
    return NULL;
}
