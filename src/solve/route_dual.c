/* SPDX-License-Identifier: Apache-2.0 */
/* Route dual: with Z = sqrt(W) X, S = R'R and V = Z R^-1,
 *     (V V' + I) a = sqrt(W) Y,   B = R^-1 V' a,
 * an n x n system in place of a p x p one. V is made chunk of columns after chunk, twice: a penalty block, or up to W_DUAL_CHUNK
 * columns of diagonal penalty. S must be positive definite. Only for groups with fewer rows than columns:
 * otherwise it is larger, and its condition worse. */
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"
#include "solve/route.h"

#define W_DUAL_CHUNK 256
#define W_DUAL_ROWS 64

typedef struct dual {
    w_linear *q;
    int64_t group, first, n; /* rows */
    double *kernel, *a;      /* n x n, n x m */
    double *v, *root;        /* n x chunk, block x block */
    double *work;
    int64_t column, columns; /* of the chunk */
    const weir_linear_penalty *block; /* or NULL */
    bool begun;
} dual;

static int64_t chunk_columns(const w_route_shape *s) { return w_max64(w_min64(s->p, W_DUAL_CHUNK), s->largest_block); }

static int64_t group_doubles(const w_route_shape *s)
{
    const int64_t n = s->largest, chunk = chunk_columns(s);
    int64_t total = w_mul64(n, w_add64(n, w_add64(s->m, chunk)));
    total = w_add64(total, w_mul64(s->largest_block, s->largest_block));
    return w_add64(total, w_add64(w_spd_doubles(n, s->m), w_mul64(chunk, s->m)));
}

/* Next chunk; false past the last. */
static bool next_chunk(dual *d)
{
    const weir_linear_system *s = d->q->s;
    const int64_t first = d->column + d->columns;
    if (first >= d->q->p) {
        return false;
    }
    int64_t last = w_min64(d->q->p, first + W_DUAL_CHUNK);
    d->block = NULL;
    for (int64_t b = 0; b < s->penalties; b++) {
        if (s->penalty[b].size > 0 && s->penalty[b].first == first) {
            d->block = &s->penalty[b];
            last = first + d->block->size;
            break;
        }
        if (s->penalty[b].size > 0 && s->penalty[b].first > first) {
            last = w_min64(last, s->penalty[b].first);
            break;
        }
    }
    d->column = first;
    d->columns = last - first;
    return true;
}

static weir_status gather_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const dual *d = arg;
    const int64_t first = task * W_DUAL_ROWS, rows = w_min64(W_DUAL_ROWS, d->n - first);
    double *v = d->v + first;
    w_rows_columns(d->q, d->first + first, rows, d->column, d->columns, v, d->n);
    if (d->block) {
        const w_blas_int r = (w_blas_int)rows, k = (w_blas_int)d->columns, ld = (w_blas_int)d->n;
        const double one = 1.0;
        dtrsm_("R", "U", "N", "N", &r, &k, &one, d->root, &k, v, &ld);
        return WEIR_OK;
    }
    for (int64_t c = 0; c < d->columns; c++) {
        const double factor = 1.0 / sqrt(w_penalty_diagonal(d->q, d->column + c));
        for (int64_t i = 0; i < rows; i++) {
            v[c * d->n + i] *= factor;
        }
    }
    return WEIR_OK;
}

/* V of the chunk and, in root, the factor of its penalty. */
static weir_status make_chunk(dual *d)
{
    if (d->block) {
        const int64_t k = d->columns;
        int64_t failed = 0;
        memcpy(d->root, d->block->matrix, (size_t)(k * k) * sizeof *d->root);
        for (int64_t i = 0; i < k; i++) {
            d->root[i * (k + 1)] += w_penalty_diagonal(d->q, d->column + i);
        }
        const weir_status status = w_chol_factor(d->q->ctx, k, d->root, &failed);
        if (status < 0 || failed) {
            return status < 0 ? status : w_fail(d->q->ctx, WEIR_E_NUMERIC, "route dual: the penalty of columns %lld … %lld is not "
                                                "positive definite", (long long)d->column, (long long)(d->column + k - 1));
        }
    }
    return w_pool_run(d->q->ctx, (d->n + W_DUAL_ROWS - 1) / W_DUAL_ROWS, gather_task, d);
}

static weir_status kernel_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const dual *d = arg;
    int64_t j = 0;
    while ((j + 1) * (j + 2) / 2 <= task) {
        j++;
    }
    const int64_t row = (task - j * (j + 1) / 2) * W_ROUTE_NARROW, column = j * W_ROUTE_NARROW;
    const w_blas_int mi = (w_blas_int)w_min64(W_ROUTE_NARROW, d->n - row), nj = (w_blas_int)w_min64(W_ROUTE_NARROW, d->n - column);
    const w_blas_int k = (w_blas_int)d->columns, n = (w_blas_int)d->n;
    const double one = 1.0, beta = d->begun ? 1.0 : 0.0;
    double *out = d->kernel + row + column * d->n;
    if (row == column) {
        dsyrk_("U", "N", &nj, &k, &one, d->v + row, &n, &beta, out, &n);
    } else {
        dgemm_("N", "T", &mi, &nj, &k, &one, d->v + row, &n, d->v + column, &n, &beta, out, &n);
    }
    return WEIR_OK;
}

static void chunk_coefficients(dual *d)
{
    W_BLAS_SERIAL;
    const w_blas_int k = (w_blas_int)d->columns, m = (w_blas_int)d->q->m, n = (w_blas_int)d->n;
    const double one = 1.0, zero = 0.0;
    double *out = d->work;
    dgemm_("T", "N", &k, &m, &n, &one, d->v, &n, d->a, &n, &zero, out, &k);
    if (d->block) {
        dtrsm_("L", "U", "N", "N", &k, &m, &one, d->root, &k, out, &k);
    }
    for (int64_t j = 0; j < d->q->m; j++) {
        double *b = d->q->b + (d->group * d->q->m + j) * d->q->p + d->column;
        for (int64_t i = 0; i < d->columns; i++) {
            b[i] = out[j * d->columns + i] / (d->block ? 1.0 : sqrt(w_penalty_diagonal(d->q, d->column + i)));
        }
    }
}

static weir_status form(dual *d)
{
    const int64_t blocks = (d->n + W_ROUTE_NARROW - 1) / W_ROUTE_NARROW;
    weir_status status = WEIR_OK;
    d->column = d->columns = 0;
    while (status >= 0 && next_chunk(d)) {
        status = make_chunk(d);
        status = status < 0 ? status : w_pool_run(d->q->ctx, blocks * (blocks + 1) / 2, kernel_task, d);
        status = status < 0 ? status : w_check_cancel(d->q->ctx);
        d->begun = true;
    }
    for (int64_t i = 0; i < d->n; i++) {
        d->kernel[i * (d->n + 1)] += 1.0;
    }
    w_rows_response(d->q, d->first, d->n, true, d->a, d->n);
    return status;
}

static weir_status solve_group(w_linear *q, double *work, int64_t group)
{
    const int64_t first = w_linear_first(q, group), n = w_linear_first(q, group + 1) - first;
    dual d = { .q = q, .group = group, .first = first, .n = n, .kernel = work };
    if (n == 0) {
        for (int64_t j = 0; j < q->m; j++) {
            q->outcome[group * q->m + j] = (weir_linear_outcome){ .route = WEIR_ROUTE_DUAL, .rank = q->p, .condition = 1.0 };
        }
        memset(q->b + group * q->m * q->p, 0, (size_t)(q->m * q->p) * sizeof *q->b);
        q->wanted[group] = 0;
        return WEIR_OK;
    }
    d.a = d.kernel + n * n;
    d.v = d.a + n * q->m;
    d.root = d.v + n * chunk_columns(&q->shape);
    double *spd = d.root + q->shape.largest_block * q->shape.largest_block;
    d.work = spd + w_spd_doubles(n, q->m);
    w_spd_report report;
    weir_status status = form(&d);
    if (status >= 0) {
        status = w_spd_solve(q->ctx, q->place, n, q->m, d.kernel, d.a, spd, !q->o->no_jitter && !q->may_reroute, false, &report);
    }
    if (status < 0 || !w_spd_settle(q, group, WEIR_ROUTE_DUAL, &report) || q->outcome[group * q->m].status < 0) {
        return status;
    }
    d.column = d.columns = 0;
    while (status >= 0 && next_chunk(&d)) {
        status = make_chunk(&d);
        if (status >= 0) {
            chunk_coefficients(&d);
        }
    }
    return status;
}

static int64_t width(const w_route_shape *s) { return s->largest; }
static weir_status solve(w_linear *q) { return w_route_groups(q, group_doubles(&q->shape), solve_group); }
static int64_t bytes(const w_route_shape *s) { return w_route_groups_bytes(s, group_doubles(s)); }

/* The n x n kernel as a Gram of p rows and n columns, its factor, and X gathered, scaled and multiplied back. */
static double seconds(const w_route_shape *s, const w_cost *cost)
{
    const double groups = (double)s->groups, n = (double)s->largest, p = (double)s->p, m = (double)s->m;
    const double chunks = ceil(p / (double)chunk_columns(s));
    const double kernel = 0.5 * n * (n + 1.0) * p * w_curve_at(&cost->route.gram, n, 0.0);
    double gather = (double)s->n * p * (cost->route.dual_value + 2.0 * (m - 1.0) * cost->route.response);
    gather += s->kind == WEIR_MATRIX_CSR ? 2.0 * cost->route.csr_product * (double)s->entries * chunks : 0.0;
    const double roots = (double)s->n * (double)s->penalty_blocks * (double)s->largest_block * (double)s->largest_block *
                         w_curve_at(&cost->route.gram, (double)s->largest_block, 0.0);
    return groups * (cost->route.group + kernel + w_spd_seconds(s->largest, s->m, cost)) + gather + 2.0 * roots;
}

static const char *unfit(const w_route_shape *s, const w_route_limits *limits)
{
    (void)limits;
    return s->kind == WEIR_MATRIX_OPERATOR ? "the rows of X are not at hand"
         : s->largest >= s->p ? "no fewer rows than columns"
         : !s->penalty_definite ? "S is not positive definite"
         : s->largest > INT32_MAX ? "too many rows for LAPACK" : NULL;
}

const w_route w_route_dual = { WEIR_ROUTE_DUAL, true, width, unfit, bytes, seconds, solve };
