/* SPDX-License-Identifier: Apache-2.0 */
/* Cholesky factorization, solve and inverse of a float64 matrix, on the packed panels of chol.h; matrices of up to
 * W_CHOL_SMALL columns go to LAPACK.
 *
 * Inverse, A = L L', L = R': M = L^-1 by columns of tiles (L M_:j = E_j below row j), kept in the lower triangle of the result,
 * then A^-1 = M'M, tile (i, j) of the upper triangle summed over the rows from tile j on: n^3/3 multiplications each. The
 * tiles on the diagonal, whose room M still holds, come last.
 *
 * Jitter (w_chol_factor_jitter): the factor of A + delta diag(T) for the smallest delta of 0, d, 10 d, 100 d, ... that has one.
 * Reference: Golub & Van Loan, Matrix Computations, 4.2; Buttari et al. (2009) for the tiling. */
#include "dense/dense.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/chol.h"
#include "dense/level3.h"

#define W_CHOL_SMALL 32
#define FEW 8 /* right-hand sides that leave most lanes of a strip empty */
#define MIRROR 32

weir_status w_chol_factor(weir_ctx *ctx, int64_t n, double *a, int64_t *failed)
{
    if (w_narrow(n) < 0) {
        return w_fail(ctx, WEIR_E_ARG, "a matrix of %lld columns is too large to factor", (long long)n);
    }
    if (n > W_CHOL_SMALL) {
        return w_chol_factor_panels(ctx, w_panel_best(sizeof *a), true, n, a, n, failed);
    }
    W_BLAS_SERIAL;
    w_blas_int size = (w_blas_int)n, info = 0;
    if (n > 0) {
        dpotrf_("U", &size, a, &size, &info);
    }
    *failed = info;
    for (int64_t i = 0; info == 0 && *failed == 0 && i < n; i++) { /* LAPACK may take NaN for a pivot */
        *failed = a[i * (n + 1)] > 0.0 && a[i * (n + 1)] < INFINITY ? 0 : i + 1;
    }
    return WEIR_OK;
}

/* ---- jitter ------------------------------------------------------------------------------------------------------- */

static void keep_upper(int64_t n, const double *a, double *kept)
{
    for (int64_t c = 0; c < n; c++) {
        memcpy(kept + c * (c + 1) / 2, a + c * n, (size_t)(c + 1) * sizeof *kept);
    }
}

static void put_upper(int64_t n, const double *kept, double delta, const double *scale, double trace, double *a)
{
    for (int64_t c = 0; c < n; c++) {
        memcpy(a + c * n, kept + c * (c + 1) / 2, (size_t)(c + 1) * sizeof *kept);
        a[c * (n + 1)] += delta * (scale ? scale[c] : trace);
    }
}

int64_t w_chol_jitter_bytes(int64_t n) { return w_alloc_bytes(w_mul64(w_mul64(n, n + 1) / 2, sizeof(double))); }

weir_status w_chol_factor_jitter(weir_ctx *ctx, int64_t n, double *a, const double *scale, w_jitter *out)
{
    w_jitter done = { 0 };
    double trace = 0.0;
    if (w_narrow(n) < 0) {
        return w_fail(ctx, WEIR_E_ARG, "a matrix of %lld columns is too large to factor", (long long)n);
    }
    double *kept = w_alloc_array(ctx, "jitter", (size_t)(n * (n + 1) / 2), sizeof *kept);
    if (!kept) {
        return w_alloc_status(ctx);
    }
    keep_upper(n, a, kept);
    for (int64_t c = 0; c < n; c++) {
        trace += fabs(kept[c * (c + 1) / 2 + c]) / (double)n;
    }
    weir_status status = w_chol_factor(ctx, n, a, &done.failed);
    while (status >= 0 && done.failed && isfinite(trace) && done.tries < W_JITTER_TRIES) {
        done.delta = done.tries == 0 ? (double)n * DBL_EPSILON : 10.0 * done.delta;
        done.tries++;
        put_upper(n, kept, done.delta, scale, trace, a);
        status = w_chol_factor(ctx, n, a, &done.failed);
    }
    w_free(ctx, kept);
    if (status >= 0) {
        *out = done;
    }
    return status;
}

/* ---- solve -------------------------------------------------------------------------------------------------------- */

static weir_status solve(weir_ctx *ctx, int64_t n, const double *factor, double *b, int64_t count)
{
    const w_panel *k = w_panel_best(sizeof *b);
    weir_status status = w_trsm(ctx, k, (w_triangular){ .upper = true, .trans = true }, n, factor, n, count, b, n);
    return status < 0 ? status : w_trsm(ctx, k, (w_triangular){ .upper = true }, n, factor, n, count, b, n);
}

void w_chol_solve(int64_t n, const double *factor, double *b, int64_t count)
{
    w_blas_int size = (w_blas_int)n, one = 1;
    if (n == 0 || count == 0) {
        return;
    }
    if (count >= FEW && n > W_CHOL_SMALL) {
        solve(NULL, n, factor, b, count);
        return;
    }
    W_BLAS_SERIAL;
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

weir_status w_chol_solve_many(weir_ctx *ctx, int64_t n, const double *factor, double *b, int64_t count)
{
    if (count >= FEW && n > W_CHOL_SMALL) {
        return solve(ctx, n, factor, b, count);
    }
    w_chol_solve(n, factor, b, count);
    return WEIR_OK;
}

/* ---- inverse ------------------------------------------------------------------------------------------------------ */

typedef struct inversion {
    const w_panel *k;
    int64_t n, tiles;
    const double *factor;
    double *out;
} inversion;

static int64_t tile_first(int64_t tile) { return tile * W_PANEL_TILE; }
static int64_t tile_size(const inversion *v, int64_t tile) { return w_min64(W_PANEL_TILE, v->n - tile_first(tile)); }

/* Column j of tiles of M; the upper triangle of its first tile becomes zero. */
static weir_status root_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const inversion *v = arg;
    const int64_t first = tile_first(task), rest = v->n - first, n = v->n;
    double *m = v->out + first * (n + 1);
    for (int64_t c = 0; c < tile_size(v, task); c++) {
        memset(m + c * n, 0, (size_t)rest * sizeof *m);
        m[c * (n + 1)] = 1.0;
    }
    return w_trsm(NULL, v->k, (w_triangular){ .upper = true, .trans = true }, rest, v->factor + first * (n + 1), n,
                  tile_size(v, task), m, n);
}

/* Tile number `task` of the strict upper triangle of a grid, column by column. */
static void upper_tile(int64_t task, int64_t *row, int64_t *col)
{
    int64_t j = 1;
    for (; task >= j; j++) {
        task -= j;
    }
    *row = task;
    *col = j;
}

/* Rows of M from tile j on, columns of tile i, as an operand: depth along the rows. */
static w_operand columns_of(const inversion *v, int64_t i, int64_t s)
{
    return (w_operand){ v->out + s + tile_first(i) * v->n, v->n, 1 };
}

static weir_status square_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const inversion *v = arg;
    int64_t i, j;
    upper_tile(task, &i, &j);
    const int64_t first = tile_first(j), n = v->n;
    double *c = v->out + tile_first(i) + first * n;
    for (int64_t q = 0; q < tile_size(v, j); q++) {
        memset(c + q * n, 0, (size_t)tile_size(v, i) * sizeof *c);
    }
    return w_gemm(NULL, v->k, tile_size(v, i), tile_size(v, j), n - first, 1.0, columns_of(v, i, first),
                  columns_of(v, j, first), c, n);
}

/* Packed before its room is cleared. */
static weir_status diagonal_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const inversion *v = arg;
    _Alignas(64) char tile[W_PANEL_TILE_BYTES];
    const int64_t first = tile_first(task), size = tile_size(v, task), n = v->n;
    double *c = v->out + first * (n + 1);
    for (int64_t s = first; s < n; s += W_PANEL_TILE) {
        const int64_t depth = w_min64(W_PANEL_TILE, n - s);
        w_panel_pack(v->k, size, depth, columns_of(v, task, s), NULL, tile);
        for (int64_t q = 0; s == first && q < size; q++) {
            memset(c + q * n, 0, (size_t)(q + 1) * sizeof *c);
        }
        w_panel_update(v->k, size, size, depth, tile, tile, 1.0, c, n, W_PANEL_LOW, 1);
    }
    return WEIR_OK;
}

/* Columns [32 task, 32 task + 32) of the upper triangle to the rows of the lower one. */
static weir_status mirror_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const inversion *v = arg;
    const int64_t n = v->n, first = task * MIRROR, end = w_min64(n, first + MIRROR);
    double *a = v->out;
    for (int64_t block = 0; block <= first; block += MIRROR) {
        for (int64_t r = block; r < w_min64(n, block + MIRROR); r++) {
            for (int64_t c = w_max64(first, r + 1); c < end; c++) {
                a[c + r * n] = a[r + c * n];
            }
        }
    }
    return WEIR_OK;
}

static weir_status invert_small(weir_ctx *ctx, int64_t n, const double *factor, double *out)
{
    W_BLAS_SERIAL;
    w_blas_int size = (w_blas_int)n, info = 0;
    if (n > 0) {
        memcpy(out, factor, (size_t)n * (size_t)n * sizeof *out);
        dpotri_("U", &size, out, &size, &info);
    }
    if (info != 0) {
        return w_fail(ctx, WEIR_E_NUMERIC, "the factor has a zero on its diagonal (column %d)", (int)info);
    }
    w_mirror_upper(n, out);
    return WEIR_OK;
}

weir_status w_chol_inverse(weir_ctx *ctx, int64_t n, const double *factor, double *out, double *work)
{
    (void)work;
    if (n <= W_CHOL_SMALL) {
        return invert_small(ctx, n, factor, out);
    }
    for (int64_t c = 0; c < n; c++) {
        if (factor[c * (n + 1)] == 0.0) {
            return w_fail(ctx, WEIR_E_NUMERIC, "the factor has a zero on its diagonal (column %lld)", (long long)c + 1);
        }
    }
    inversion v = { w_panel_best(sizeof *out), n, (n + W_PANEL_TILE - 1) / W_PANEL_TILE, factor, out };
    weir_status status = w_pool_run(ctx, v.tiles, root_task, &v);
    status = status < 0 ? status : w_pool_run(ctx, v.tiles * (v.tiles - 1) / 2, square_task, &v);
    status = status < 0 ? status : w_pool_run(ctx, v.tiles, diagonal_task, &v);
    return status < 0 ? status : w_pool_run(ctx, (n + MIRROR - 1) / MIRROR, mirror_task, &v);
}

void w_mirror_upper(int64_t n, double *a)
{
    inversion v = { .n = n, .out = a };
    for (int64_t task = 0; task * MIRROR < n; task++) {
        mirror_task(&v, task, 0);
    }
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
