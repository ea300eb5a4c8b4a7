/* SPDX-License-Identifier: Apache-2.0 */
/* QR with column pivoting by blocks: in step k the column of the largest remaining norm comes next. Within a block only the row
 * that is finished and the column that enters are brought up to date, what the block does to the rest is kept as
 * A -= V F' and carried out at its end as a matrix product: half of the work. Norms are lowered by the row that is finished, and
 * taken anew when cancellation has left them fewer than half of their digits.
 * Reference: Quintana-Orti, Sun & Bischof (1998); Drmac & Bujanovic (2008). */
#include "dense/qr_pivot.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "dense/level3.h"

#define BLOCK 32

typedef struct pivoting {
    int64_t m, n;
    void *a; /* column-major, m x n */
    int64_t *pivot;
    void *norm, *kept; /* n: of the remaining rows; when it was last taken from the column, -1: has to be */
    void *f;           /* n x BLOCK */
    void *products;    /* BLOCK */
} pivoting;

#define hypot_f64 hypot
#define sqrt_f64 sqrt
#define fabs_f64 fabs
#define hypot_f32 hypotf
#define sqrt_f32 sqrtf
#define fabs_f32 fabsf

#define real double
#define REAL(name) name##_f64
#define BLAS(name) d##name##_
#define REAL_EPS DBL_EPSILON
#define REAL_LEAST DBL_MIN
#include "dense/qr_pivot_steps.h"
#undef real
#undef REAL
#undef BLAS
#undef REAL_EPS
#undef REAL_LEAST
#define real float
#define REAL(name) name##_f32
#define BLAS(name) s##name##_
#define REAL_EPS FLT_EPSILON
#define REAL_LEAST FLT_MIN
#include "dense/qr_pivot_steps.h"

weir_status w_qr_pivot(weir_ctx *ctx, const weir_matrix *a, int64_t *pivot, void *tau, w_scratch *s)
{
    const int64_t m = a->rows, n = a->cols, size = w_matrix_size(a);
    const bool in_place = a->row_stride == 1 && a->col_stride == m;
    void *columns = in_place ? a->data : w_scratch_take(s, w_mul64(w_mul64(m, n), size));
    pivoting q = { .m = m, .n = n, .a = columns, .pivot = pivot, .norm = w_scratch_take(s, w_mul64(n, size)),
                   .kept = w_scratch_take(s, w_mul64(n, size)), .f = w_scratch_take(s, w_mul64(n, BLOCK * size)),
                   .products = w_scratch_take(s, BLOCK * size) };
    const weir_matrix copy = w_matrix_columns(columns, a->dtype, m, n);
    if (!s->base) {
        return WEIR_OK;
    }
    if (w_narrow(m) < 0 || w_narrow(n) < 0) {
        return w_fail(ctx, WEIR_E_ARG, "a matrix of %lld x %lld is too large for column pivoting", (long long)m, (long long)n);
    }
    if (!in_place) {
        w_matrix_copy(a, &copy);
    }
    W_BLAS_SERIAL;
    weir_status status = a->dtype == WEIR_F32 ? factor_f32(ctx, w_matrix_kernels(a), &q, tau)
                                              : factor_f64(ctx, w_matrix_kernels(a), &q, tau);
    if (!in_place) {
        w_matrix_copy(&copy, a);
    }
    return status;
}
