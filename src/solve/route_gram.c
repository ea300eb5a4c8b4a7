/* SPDX-License-Identifier: Apache-2.0 */
/* A = X'WX + S and C = X'WY of one group.
 *
 * Dense rows, p <= W_ROUTE_NARROW: the rows are cut into shards by their number; a shard adds up tile after tile, shards
 * are added in order. Wider: tile after tile, the blocks of W_ROUTE_NARROW columns of A are shared out. CSR rows: products of
 * the entries of a row, in shards while p is small. */
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "solve/route.h"

#define W_CSR_SHARD_ENTRIES 65536
#define W_CSR_SHARD_P 512
#define W_NEAR_BYTES 1048576.0 /* rows that stay in a second-level cache between calls */

typedef struct gram {
    w_linear *q;
    int64_t first, rows, shards; /* of the group */
    double *a, *c, *work;
    const double *tile;          /* wide */
    int64_t lead, tile_rows;
    bool begun;
} gram;

static int64_t shard_count(const w_route_shape *s, int64_t rows, int64_t entries)
{
    if (s->kind == WEIR_MATRIX_CSR) {
        return s->p > W_CSR_SHARD_P ? 1 : w_max64(1, w_min64(W_ROUTE_SHARDS, entries / W_CSR_SHARD_ENTRIES));
    }
    return s->p > W_ROUTE_NARROW ? 1 : w_max64(1, w_min64(W_ROUTE_SHARDS, rows / W_ROUTE_SHARD_ROWS));
}

static int64_t tile_doubles(const w_route_shape *s)
{
    return s->kind == WEIR_MATRIX_CSR ? 0 : w_mul64(w_add64(s->p, s->m), W_ROUTE_ROWS);
}

static int64_t sum_doubles(const w_route_shape *s) { return w_mul64(s->p, w_add64(s->p, s->m)); }

int64_t w_gram_doubles(const w_route_shape *s)
{
    const int64_t shards = shard_count(s, s->largest, s->entries);
    return w_add64(w_mul64(shards - 1, sum_doubles(s)), w_mul64(shards, tile_doubles(s)));
}

static void shard_place(const gram *g, int64_t shard, double **a, double **c, double **tile)
{
    const w_route_shape *s = &g->q->shape;
    double *sums = g->work + (shard - 1) * sum_doubles(s);
    *a = shard == 0 ? g->a : sums;
    *c = shard == 0 ? g->c : sums + s->p * s->p;
    *tile = g->work + (g->shards - 1) * sum_doubles(s) + shard * tile_doubles(s);
}

/* C += or = X'Y of a packed tile: columns first … first + count - 1 of X. */
static void add_response(const w_linear *q, const double *x, int64_t lead, const double *y, int64_t rows, int64_t first,
                         int64_t count, double beta, double *c)
{
    const w_blas_int p = (w_blas_int)count, m = (w_blas_int)q->m, k = (w_blas_int)rows, ld = (w_blas_int)lead, inc = 1;
    const w_blas_int t = W_ROUTE_ROWS, ldc = (w_blas_int)q->p;
    const double one = 1.0;
    if (q->m == 1) {
        dgemv_("N", &p, &k, &one, x + first, &ld, y, &inc, &beta, c + first, &inc);
    } else {
        dgemm_("N", "N", &p, &m, &k, &one, x + first, &ld, y, &t, &beta, c + first, &ldc);
    }
}

static void dense_shard(const gram *g, int64_t first, int64_t last, double *a, double *c, double *tile)
{
    const w_linear *q = g->q;
    const w_blas_int p = (w_blas_int)q->p;
    const double one = 1.0;
    double *y = tile + q->p * W_ROUTE_ROWS;
    for (int64_t at = first; at < last; at += W_ROUTE_ROWS) {
        const int64_t rows = w_min64(W_ROUTE_ROWS, last - at);
        const double beta = at == first ? 0.0 : 1.0;
        int64_t lead;
        const double *x = w_rows_tile(q, at, rows, true, tile, &lead);
        const w_blas_int k = (w_blas_int)rows, ld = (w_blas_int)lead;
        w_rows_response(q, at, rows, true, y, W_ROUTE_ROWS);
        dsyrk_("U", "N", &p, &k, &one, x, &ld, &beta, a, &p);
        add_response(q, x, lead, y, rows, 0, q->p, beta, c);
    }
}

#define CSR_SHARD(type) \
    static void csr_shard_##type(const w_linear *q, int64_t first, int64_t last, double *a, double *c) \
    { \
        const weir_linear_matrix *x = &q->s->x; \
        const type *value = x->values; \
        const bool sorted = q->shape.sorted; \
        for (int64_t i = first; i < last; i++) { \
            const double w = q->s->weights ? q->s->weights[i] : 1.0; \
            for (int64_t e = x->row_first[i]; e < x->row_first[i + 1]; e++) { \
                const double left = w * (double)value[e]; \
                const int64_t row = x->column[e]; \
                for (int64_t f = sorted ? e : x->row_first[i]; f < x->row_first[i + 1]; f++) { \
                    if (sorted || x->column[f] >= row) { \
                        a[row + x->column[f] * q->p] += left * (double)value[f]; \
                    } \
                } \
                for (int64_t k = 0; k < q->m; k++) { \
                    c[row + k * q->p] += left * q->s->y[k * q->n + i]; \
                } \
            } \
        } \
    }
CSR_SHARD(double)
CSR_SHARD(float)

static weir_status shard_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const gram *g = arg;
    const w_linear *q = g->q;
    const int64_t first = g->first + g->rows * task / g->shards, last = g->first + g->rows * (task + 1) / g->shards;
    double *a, *c, *tile;
    shard_place(g, task, &a, &c, &tile);
    if (q->shape.kind == WEIR_MATRIX_CSR || first == last) {
        memset(a, 0, (size_t)(q->p * q->p) * sizeof *a);
        memset(c, 0, (size_t)(q->p * q->m) * sizeof *c);
    }
    if (q->shape.kind == WEIR_MATRIX_CSR) {
        (q->s->x.float32 ? csr_shard_float : csr_shard_double)(q, first, last, a, c);
    } else {
        dense_shard(g, first, last, a, c, tile);
    }
    return WEIR_OK;
}

/* ---- wide ---------------------------------------------------------------------------------------------------------- */

#define W_PACK_ROWS 32

static weir_status pack_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const gram *g = arg;
    const int64_t from = task * W_PACK_ROWS, rows = w_min64(W_PACK_ROWS, g->tile_rows - from);
    int64_t lead;
    w_rows_tile(g->q, g->first + from, rows, true, g->work + from * g->q->p, &lead);
    return WEIR_OK;
}

/* Block (i, j), i <= j, column by column; the diagonal one takes the columns' part of C along. */
static weir_status block_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const gram *g = arg;
    const w_linear *q = g->q;
    int64_t j = 0;
    while ((j + 1) * (j + 2) / 2 <= task) {
        j++;
    }
    const int64_t i = task - j * (j + 1) / 2, row = i * W_ROUTE_NARROW, column = j * W_ROUTE_NARROW;
    const w_blas_int mi = (w_blas_int)w_min64(W_ROUTE_NARROW, q->p - row), nj = (w_blas_int)w_min64(W_ROUTE_NARROW, q->p - column);
    const w_blas_int k = (w_blas_int)g->tile_rows, ld = (w_blas_int)g->lead, p = (w_blas_int)q->p;
    const double one = 1.0, beta = g->begun ? 1.0 : 0.0;
    double *a = g->a + row + column * q->p;
    if (i == j) {
        dsyrk_("U", "N", &nj, &k, &one, g->tile + column, &ld, &beta, a, &p);
        add_response(q, g->tile, g->lead, g->work + q->p * W_ROUTE_ROWS, g->tile_rows, column, nj, beta, g->c);
    } else {
        dgemm_("N", "T", &mi, &nj, &k, &one, g->tile + row, &ld, g->tile + column, &ld, &beta, a, &p);
    }
    return WEIR_OK;
}

static weir_status wide(gram *g)
{
    w_linear *q = g->q;
    const int64_t blocks = (q->p + W_ROUTE_NARROW - 1) / W_ROUTE_NARROW, last = g->first + g->rows;
    const bool direct = q->shape.rows_contiguous && !q->s->weights;
    weir_status status = WEIR_OK;
    if (g->rows == 0) {
        memset(g->a, 0, (size_t)(q->p * q->p) * sizeof *g->a);
        memset(g->c, 0, (size_t)(q->p * q->m) * sizeof *g->c);
    }
    for (; g->first < last && status >= 0; g->first += W_ROUTE_ROWS) {
        g->tile_rows = w_min64(W_ROUTE_ROWS, last - g->first);
        if (direct) {
            g->tile = w_rows_tile(q, g->first, g->tile_rows, true, NULL, &g->lead);
        } else {
            g->tile = g->work;
            g->lead = q->p;
            status = w_pool_run(q->ctx, (g->tile_rows + W_PACK_ROWS - 1) / W_PACK_ROWS, pack_task, g);
        }
        w_rows_response(q, g->first, g->tile_rows, true, g->work + q->p * W_ROUTE_ROWS, W_ROUTE_ROWS);
        status = status < 0 ? status : w_pool_run(q->ctx, blocks * (blocks + 1) / 2, block_task, g);
        status = status < 0 ? status : w_check_cancel(q->ctx);
        g->begun = true;
    }
    return status;
}

weir_status w_gram_form(w_linear *q, int64_t group, double *work, double *a, double *c)
{
    const int64_t first = w_linear_first(q, group), last = w_linear_first(q, group + 1);
    const weir_linear_matrix *x = &q->s->x;
    gram g = { .q = q, .first = first, .rows = last - first, .a = a, .c = c, .work = work };
    g.shards = shard_count(&q->shape, g.rows, x->kind == WEIR_MATRIX_CSR ? x->row_first[last] - x->row_first[first] : 0);
    weir_status status;
    if (x->kind == WEIR_MATRIX_DENSE && q->p > W_ROUTE_NARROW) {
        status = wide(&g);
    } else {
        status = w_pool_run(q->ctx, g.shards, shard_task, &g);
        for (int64_t k = 1; k < g.shards && status >= 0; k++) {
            double *ak, *ck, *tile;
            shard_place(&g, k, &ak, &ck, &tile);
            for (int64_t i = 0; i < q->p * q->p; i++) {
                a[i] += ak[i];
            }
            for (int64_t i = 0; i < q->p * q->m; i++) {
                c[i] += ck[i];
            }
        }
    }
    if (status >= 0) {
        w_penalty_add(q, a);
    }
    return status;
}

/* n p (p + 1) / 2 products in the pace of p columns, and the rows brought from memory; CSR rows: the products of their entries, in
 * the pace of the Gram's size. */
double w_gram_seconds(const w_route_shape *s, const w_cost *cost)
{
    const w_route_cost *price = &cost->route;
    const double n = (double)s->n, p = (double)s->p, m = (double)s->m, groups = (double)s->groups;
    double seconds = groups * (price->group + 8.0 * p * p / cost->row.memory);
    if (s->kind == WEIR_MATRIX_CSR) {
        const double products = s->sorted ? 0.5 * (s->squares + (double)s->entries) : 4.0 * s->squares; /* a branch foretold or not */
        const double size = sqrt(2.0 * fmin(s->gram_entries, 0.5 * p * p));
        return seconds + w_curve_at(&price->csr_gram, size, 0.0) * (products + (m - 1.0) * (double)s->entries) + price->csr_row * n;
    }
    const double sums = n * (0.5 * p * (p + 1.0) * w_curve_at(&price->gram, p, 0.0) + (m - 1.0) * p * price->response);
    seconds += s->rows_contiguous && !s->weighted ? 0.0 : n * p * price->pack;
    const double beyond = fmax(0.0, 8.0 * n * (p + m) - W_NEAR_BYTES);
    return seconds + sums + beyond / cost->row.memory;
}
