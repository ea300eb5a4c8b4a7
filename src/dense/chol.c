/* SPDX-License-Identifier: Apache-2.0 */
/* Cholesky factorization, solve and inverse.
 *
 * Tiled (n > W_CHOL_TILED), right-looking, T tiles a side: for step s
 *     R_ss'R_ss = A_ss;   R_sj = R_ss'^-1 A_sj  (j > s, in parallel);   A_ij -= R_si'R_sj  (s < i <= j, in parallel).
 * Every tile is updated by one task per step and the steps follow each other, so the order of additions is fixed.
 *
 * Inverse: W = R^-1 by column tiles (W_:j solves R W_:j = E_j, rows 0 … end of tile j), then A^-1 = W W', tile (i,j)
 * summing over the columns from tile j on: n^3/3 multiplications each, all tiles of a phase independent.
 * Reference: Golub & Van Loan, Matrix Computations, 4.2; Buttari et al. (2009) for the tiling. */
#include "dense/dense.h"

#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"

typedef struct tiled {
    weir_ctx *ctx;
    int64_t n, tiles, step;
    double *a;
    const double *factor;
    double *work;
    int64_t failed;
} tiled;

static int64_t tile_first(int64_t tile) { return tile * W_CHOL_TILE; }

static int64_t tile_size(const tiled *t, int64_t tile)
{
    return w_min64(W_CHOL_TILE, t->n - tile_first(tile));
}

static double *tile_at(const tiled *t, double *a, int64_t i, int64_t j)
{
    return a + tile_first(i) + tile_first(j) * t->n;
}

static weir_status panel_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const tiled *t = arg;
    const int64_t s = t->step, j = s + 1 + task;
    const double one = 1.0;
    w_blas_int m = (w_blas_int)tile_size(t, s), n = (w_blas_int)tile_size(t, j), ld = (w_blas_int)t->n;
    dtrsm_("L", "U", "T", "N", &m, &n, &one, tile_at(t, t->a, s, s), &ld, tile_at(t, t->a, s, j), &ld);
    return WEIR_OK;
}

/* Tile number `task` of the upper triangle of an m x m grid, column by column. */
static void triangle_tile(int64_t task, int64_t *row, int64_t *col)
{
    int64_t j = (int64_t)((sqrt(8.0 * (double)task + 1.0) - 1.0) / 2.0);
    while (j * (j + 1) / 2 > task) {
        j--;
    }
    while ((j + 1) * (j + 2) / 2 <= task) {
        j++;
    }
    *col = j;
    *row = task - j * (j + 1) / 2;
}

static weir_status update_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const tiled *t = arg;
    const int64_t s = t->step;
    int64_t i, j;
    triangle_tile(task, &i, &j);
    i += s + 1;
    j += s + 1;
    const double one = 1.0, minus = -1.0;
    w_blas_int m = (w_blas_int)tile_size(t, i), n = (w_blas_int)tile_size(t, j), k = (w_blas_int)tile_size(t, s);
    w_blas_int ld = (w_blas_int)t->n;
    if (i == j) {
        dsyrk_("U", "T", &n, &k, &minus, tile_at(t, t->a, s, j), &ld, &one, tile_at(t, t->a, j, j), &ld);
    } else {
        dgemm_("T", "N", &m, &n, &k, &minus, tile_at(t, t->a, s, i), &ld, tile_at(t, t->a, s, j), &ld, &one,
               tile_at(t, t->a, i, j), &ld);
    }
    return WEIR_OK;
}

static weir_status factor_tiled(weir_ctx *ctx, int64_t n, double *a, int64_t *failed)
{
    tiled t = { .ctx = ctx, .n = n, .tiles = (n + W_CHOL_TILE - 1) / W_CHOL_TILE, .a = a };
    w_blas_int ld = (w_blas_int)n;
    for (int64_t s = 0; s < t.tiles; s++) {
        t.step = s;
        w_blas_int size = (w_blas_int)tile_size(&t, s), info = 0;
        dpotrf_("U", &size, tile_at(&t, a, s, s), &ld, &info);
        if (info != 0) {
            *failed = tile_first(s) + (info > 0 ? info : 1);
            return WEIR_OK;
        }
        const int64_t rest = t.tiles - s - 1;
        weir_status status = w_pool_run(ctx, rest, panel_task, &t);
        if (status >= 0) {
            status = w_pool_run(ctx, rest * (rest + 1) / 2, update_task, &t);
        }
        if (status < 0) {
            return status;
        }
    }
    *failed = 0;
    return WEIR_OK;
}

weir_status w_chol_factor(weir_ctx *ctx, int64_t n, double *a, int64_t *failed)
{
    W_BLAS_SERIAL;
    if (w_narrow(n) < 0) {
        return w_fail(ctx, WEIR_E_ARG, "a matrix of %lld columns is too large to factor", (long long)n);
    }
    if (n > W_CHOL_TILED) {
        return factor_tiled(ctx, n, a, failed);
    }
    w_blas_int size = (w_blas_int)n, info = 0;
    if (n > 0) {
        dpotrf_("U", &size, a, &size, &info);
    }
    *failed = info;
    return WEIR_OK;
}

void w_chol_solve(int64_t n, const double *factor, double *b, int64_t count)
{
    W_BLAS_SERIAL;
    w_blas_int size = (w_blas_int)n, one = 1;
    if (n == 0 || count == 0) {
        return;
    }
    if (count == 1) {
        dtrsv_("U", "T", "N", &size, factor, &size, b, &one);
        dtrsv_("U", "N", "N", &size, factor, &size, b, &one);
        return;
    }
    w_blas_int columns = (w_blas_int)count;
    const double unit = 1.0;
    dtrsm_("L", "U", "T", "N", &size, &columns, &unit, factor, &size, b, &size);
    dtrsm_("L", "U", "N", "N", &size, &columns, &unit, factor, &size, b, &size);
}

static weir_status root_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const tiled *t = arg;
    const int64_t j = task, rows = tile_first(j) + tile_size(t, j);
    double *w = t->work + tile_first(j) * t->n;
    for (int64_t c = 0; c < tile_size(t, j); c++) {
        memset(w + c * t->n, 0, (size_t)rows * sizeof *w);
        w[c * t->n + tile_first(j) + c] = 1.0;
    }
    const double one = 1.0;
    w_blas_int m = (w_blas_int)rows, n = (w_blas_int)tile_size(t, j), ld = (w_blas_int)t->n;
    dtrsm_("L", "U", "N", "N", &m, &n, &one, t->factor, &ld, w, &ld);
    return WEIR_OK;
}

static weir_status square_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const tiled *t = arg;
    int64_t i, j;
    triangle_tile(task, &i, &j);
    const double one = 1.0, zero = 0.0;
    const int64_t inner = t->n - tile_first(j);
    w_blas_int m = (w_blas_int)tile_size(t, i), n = (w_blas_int)tile_size(t, j), k = (w_blas_int)inner;
    w_blas_int ld = (w_blas_int)t->n;
    double *c = tile_at(t, t->a, i, j);
    dgemm_("N", "T", &m, &n, &k, &one, tile_at(t, t->work, i, j), &ld, tile_at(t, t->work, j, j), &ld, &zero, c, &ld);
    for (int64_t b = 0; b < n; b++) {
        for (int64_t a = 0; a < m; a++) {
            const int64_t row = tile_first(i) + a, col = tile_first(j) + b;
            if (row < col) {
                t->a[col + row * t->n] = t->a[row + col * t->n];
            }
        }
    }
    return WEIR_OK;
}

weir_status w_chol_inverse(weir_ctx *ctx, int64_t n, const double *factor, double *out, double *work)
{
    W_BLAS_SERIAL;
    if (n > W_CHOL_TILED) {
        tiled t = { .ctx = ctx, .n = n, .tiles = (n + W_CHOL_TILE - 1) / W_CHOL_TILE, .a = out, .factor = factor,
                    .work = work };
        weir_status status = w_pool_run(ctx, t.tiles, root_task, &t);
        if (status >= 0) {
            status = w_pool_run(ctx, t.tiles * (t.tiles + 1) / 2, square_task, &t);
        }
        return status;
    }
    if (n > 0) {
        w_blas_int size = (w_blas_int)n, info = 0;
        memcpy(out, factor, (size_t)n * (size_t)n * sizeof *out);
        dpotri_("U", &size, out, &size, &info);
        if (info != 0) {
            return w_fail(ctx, WEIR_E_NUMERIC, "the factor has a zero on its diagonal (column %d)", (int)info);
        }
        w_mirror_upper(n, out);
    }
    return WEIR_OK;
}

double w_chol_log_det(int64_t n, const double *factor)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += log(factor[i + i * n]);
    }
    return 2.0 * sum;
}

double w_chol_condition(int64_t n, const double *factor, double norm, double *work, int32_t *iwork)
{
    W_BLAS_SERIAL;
    if (n == 0) {
        return 1.0;
    }
    w_blas_int size = (w_blas_int)n, info = 0;
    double reciprocal = 0.0;
    dpocon_("U", &size, factor, &size, &norm, &reciprocal, work, iwork, &info);
    return info == 0 && reciprocal > 0.0 ? 1.0 / reciprocal : INFINITY;
}

void w_mirror_upper(int64_t n, double *a)
{
    for (int64_t c = 1; c < n; c++) {
        for (int64_t r = 0; r < c; r++) {
            a[c + r * n] = a[r + c * n];
        }
    }
}

double w_dot(int64_t n, const double *x, const double *y)
{
    double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        s0 += x[i] * y[i];
        s1 += x[i + 1] * y[i + 1];
        s2 += x[i + 2] * y[i + 2];
        s3 += x[i + 3] * y[i + 3];
    }
    for (; i < n; i++) {
        s0 += x[i] * y[i];
    }
    return (s0 + s1) + (s2 + s3);
}
