/* SPDX-License-Identifier: Apache-2.0 */
/* Route cg: (X'WX + S) B = X'WY by preconditioned conjugate gradients on all groups at once; X'WX is never formed.
 *
 * A product reads the rows once: u = W (X v) and y += X'u tile by tile, for all vectors still at work. One group's rows are cut into
 * shards by shape alone, whose y are added in order; of several groups each is one task. The preconditioner is made of the
 * diagonal blocks of X'WX + S (route_blocks.c), of its diagonal, of a Nyström sketch, or absent. */
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "krylov/cg.h"
#include "krylov/tridiagonal.h"
#include "solve/route.h"
#include "solve/route_cg.h"

#define W_CG_SHARD_VALUES 65536
#define W_CG_EXPECTED 24      /* steps assumed with blocks */
#define W_CG_ROUNDING 1e-12  /* where rounding stops the iteration, it has converged */
#define W_CG_HISTORY 200      /* coefficients kept of a system for the Ritz values */

typedef struct products {
    w_linear *q;
    const w_vectors *block;
    const double *x;
    double *y;
    int64_t shards;        /* of the one group; 1 with several */
    double *partial;       /* (shards - 1) x p x columns */
    double *tile;          /* per task in flight: tile, u */
    double *in, *out, *mid; /* operator */
} products;

static int64_t shard_count(const w_route_shape *s)
{
    return s->groups > 1 || s->kind == WEIR_MATRIX_OPERATOR
               ? 1 : w_max64(1, w_min64(2 * W_ROUTE_SHARDS, s->entries / w_max64(W_CG_SHARD_VALUES, w_mul64(4, w_mul64(s->p, s->m)))));
}

/* A tile of X where it has to be packed, and its products. */
static int64_t tile_doubles(const w_route_shape *s)
{
    const int64_t values = w_mul64(w_cg_tile_rows(s), w_cg_columns(s));
    const int64_t packed = s->rows_contiguous ? 0 : w_mul64(w_cg_tile_rows(s), s->p);
    return s->kind == WEIR_MATRIX_DENSE ? w_add64(values, packed) : w_cg_columns(s);
}

static int64_t slots(const w_route_shape *s)
{
    return s->groups > 1 ? w_max64(1, s->threads) : shard_count(s);
}

static void dense_rows(const products *t, const w_slice *slice, int64_t first, int64_t last, const double *x, double *y,
                       double *work)
{
    const w_linear *q = t->q;
    const w_blas_int p = (w_blas_int)q->p, count = (w_blas_int)slice->count, inc = 1;
    const int64_t rows = w_cg_tile_rows(&q->shape);
    const double one = 1.0, zero = 0.0;
    double *u = work, *buffer = work + rows * w_cg_columns(&q->shape);
    for (int64_t at = first; at < last; at += rows) {
        const int64_t take = w_min64(rows, last - at);
        int64_t lead;
        const double *tile = w_rows_tile(q, at, take, false, buffer, &lead);
        const w_blas_int k = (w_blas_int)take, ld = (w_blas_int)lead;
        if (count == 1) {
            dgemv_("T", &p, &k, &one, tile, &ld, x, &inc, &zero, u, &inc);
        } else {
            dgemm_("N", "N", &count, &k, &p, &one, x, &count, tile, &ld, &zero, u, &count);
        }
        for (int64_t i = 0; i < take && q->s->weights; i++) {
            for (int64_t c = 0; c < slice->count; c++) {
                u[i * slice->count + c] *= q->s->weights[at + i];
            }
        }
        if (count == 1) {
            dgemv_("N", &p, &k, &one, tile, &ld, u, &inc, &one, y, &inc);
        } else {
            dgemm_("N", "T", &count, &p, &k, &one, u, &count, tile, &ld, &one, y, &count);
        }
    }
}

#define CSR_ROWS(type) \
    static void csr_rows_##type(const w_linear *q, int64_t count, int64_t first, int64_t last, const double *x, double *y, \
                                double *u) \
    { \
        const weir_linear_matrix *a = &q->s->x; \
        const type *value = a->values; \
        for (int64_t i = first; i < last; i++) { \
            const int64_t from = a->row_first[i], to = a->row_first[i + 1]; \
            const double w = q->s->weights ? q->s->weights[i] : 1.0; \
            if (count == 1) { \
                double sum = 0.0; \
                for (int64_t e = from; e < to; e++) { \
                    sum += (double)value[e] * x[a->column[e]]; \
                } \
                sum *= w; \
                for (int64_t e = from; e < to; e++) { \
                    y[a->column[e]] += (double)value[e] * sum; \
                } \
                continue; \
            } \
            memset(u, 0, (size_t)count * sizeof *u); \
            for (int64_t e = from; e < to; e++) { \
                const double *row = x + a->column[e] * count; \
                for (int64_t c = 0; c < count; c++) { \
                    u[c] += (double)value[e] * row[c]; \
                } \
            } \
            for (int64_t e = from; e < to; e++) { \
                double *row = y + a->column[e] * count; \
                const double v = w * (double)value[e]; \
                for (int64_t c = 0; c < count; c++) { \
                    row[c] += v * u[c]; \
                } \
            } \
        } \
    }
CSR_ROWS(double)
CSR_ROWS(float)

static void some_rows(const products *t, const w_slice *slice, int64_t first, int64_t last, const double *x, double *y,
                      double *work)
{
    if (t->q->shape.kind == WEIR_MATRIX_DENSE) {
        dense_rows(t, slice, first, last, x, y, work);
    } else {
        (t->q->s->x.float32 ? csr_rows_float : csr_rows_double)(t->q, slice->count, first, last, x, y, work);
    }
}

/* A shard of the one group. */
static weir_status shard_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const products *t = arg;
    const w_linear *q = t->q;
    const w_slice *slice = &t->block->slice[0];
    double *y = task == 0 ? t->y + slice->first : t->partial + (task - 1) * q->p * w_cg_columns(&q->shape);
    memset(y, 0, (size_t)(q->p * slice->count) * sizeof *y);
    some_rows(t, slice, q->n * task / t->shards, q->n * (task + 1) / t->shards, t->x + slice->first, y,
              t->tile + task * tile_doubles(&q->shape));
    return WEIR_OK;
}

/* A group. */
static weir_status slice_task(void *arg, int64_t task, int worker)
{
    const products *t = arg;
    const w_linear *q = t->q;
    const w_slice *slice = &t->block->slice[task];
    double *y = t->y + slice->first;
    memset(y, 0, (size_t)(q->p * slice->count) * sizeof *y);
    some_rows(t, slice, w_linear_first(q, slice->group), w_linear_first(q, slice->group + 1), t->x + slice->first, y,
              t->tile + worker * tile_doubles(&q->shape));
    return WEIR_OK;
}

/* By the caller's products, which want column after column. */
static weir_status slice_operator(const products *t, const w_slice *slice)
{
    const w_linear *q = t->q;
    const int64_t first = w_linear_first(q, slice->group), rows = w_linear_first(q, slice->group + 1) - first, c = slice->count;
    const weir_linear_matrix *x = &q->s->x;
    for (int64_t i = 0; i < q->p; i++) {
        for (int64_t k = 0; k < c; k++) {
            t->in[k * q->p + i] = t->x[slice->first + i * c + k];
        }
    }
    weir_status status = x->product(x->user, 0, first, rows, c, t->in, t->mid);
    for (int64_t k = 0; k < c && q->s->weights && status >= 0; k++) {
        for (int64_t i = 0; i < rows; i++) {
            t->mid[k * rows + i] *= q->s->weights[first + i];
        }
    }
    status = status < 0 ? status : x->product(x->user, 1, first, rows, c, t->mid, t->out);
    for (int64_t i = 0; i < q->p && status >= 0; i++) {
        for (int64_t k = 0; k < c; k++) {
            t->y[slice->first + i * c + k] = t->out[k * q->p + i];
        }
    }
    return status < 0 ? w_fail(q->ctx, status, "the caller's product failed (%s)", weir_status_name(status)) : WEIR_OK;
}

static weir_status apply(void *user, const w_vectors *block, const double *x, double *y)
{
    products *t = user;
    const w_linear *q = t->q;
    weir_status status = WEIR_OK;
    t->block = block;
    t->x = x;
    t->y = y;
    if (q->shape.kind == WEIR_MATRIX_OPERATOR) {
        for (int64_t s = 0; s < block->slices && status >= 0; s++) {
            status = slice_operator(t, &block->slice[s]);
        }
    } else if (q->groups > 1) {
        status = w_pool_run(q->ctx, block->slices, slice_task, t);
    } else {
        status = w_pool_run(q->ctx, t->shards, shard_task, t);
        for (int64_t k = 1; k < t->shards && status >= 0; k++) {
            const double *part = t->partial + (k - 1) * q->p * w_cg_columns(&q->shape);
            for (int64_t i = 0; i < block->values; i++) {
                y[i] += part[i];
            }
        }
    }
    for (int64_t s = 0; s < block->slices && status >= 0; s++) {
        const w_slice *slice = &block->slice[s];
        w_penalty_times(q, slice->count, x + slice->first, y + slice->first);
    }
    return status;
}

/* X'WY of all systems, and whether a group's is finite. */
static weir_status right_hand_sides(products *t, double *b)
{
    const w_linear *q = t->q;
    weir_status status = WEIR_OK;
    for (int64_t g = 0; g < q->groups && status >= 0; g++) {
        const int64_t first = w_linear_first(q, g), rows = w_linear_first(q, g + 1) - first;
        double *out = b + g * q->m * q->p;
        if (q->shape.kind == WEIR_MATRIX_OPERATOR) {
            w_rows_response(q, first, rows, false, t->mid, rows);
            status = q->s->x.product(q->s->x.user, 1, first, rows, q->m, t->mid, out);
            status = status < 0 ? w_fail(q->ctx, status, "the caller's product failed (%s)", weir_status_name(status)) : WEIR_OK;
        } else {
            w_blocks_response(q, first, rows, t->tile, out);
        }
    }
    return status;
}

/* ---- the route ----------------------------------------------------------------------------------------------------- */

static int64_t work_doubles(const w_route_shape *s)
{
    const int64_t systems = w_mul64(s->groups, s->m), column = w_mul64(s->p, w_cg_columns(s));
    int64_t total = w_mul64(2, w_mul64(systems, s->p));
    total = w_add64(total, w_mul64(shard_count(s) - 1, column));
    total = w_add64(total, w_max64(w_mul64(slots(s), tile_doubles(s)), w_mul64(slots(s), w_blocks_tile_doubles(s))));
    total = w_add64(total, w_mul64(systems, 2 * W_CG_HISTORY));
    if (s->kind == WEIR_MATRIX_OPERATOR) {
        total = w_add64(total, w_add64(w_mul64(2, column), w_mul64(s->largest, w_cg_columns(s))));
    }
    return total;
}

/* Of w_cg_solve: so many times those of W_GROUP_SAMPLE equal groups. */
static int64_t iteration_bytes(const w_route_shape *s)
{
    int64_t n[W_GROUP_SAMPLE];
    for (int i = 0; i < W_GROUP_SAMPLE; i++) {
        n[i] = s->p;
    }
    const int64_t count = w_min64(s->groups, W_GROUP_SAMPLE);
    return w_mul64((s->groups + count - 1) / count, w_cg_bytes(count, n, s->m));
}

static int64_t bytes(const w_route_shape *s)
{
    const int64_t systems = w_mul64(s->groups, s->m);
    int64_t total = w_add64(w_alloc_bytes(w_mul64(work_doubles(s), (int64_t)sizeof(double))),
                            w_alloc_bytes(w_mul64(systems, (int64_t)sizeof(w_cg_result))));
    total = w_add64(total, w_alloc_bytes(w_mul64(s->groups, (int64_t)sizeof(int64_t))));
    int64_t lasting;
    const int64_t preconditioner = w_blocks_bytes(s, &lasting);
    return w_add64(total, w_max64(preconditioner, w_add64(lasting, iteration_bytes(s))));
}

static void settle(w_linear *q, const double *x, const w_cg_result *result, const double *pairs)
{
    for (int64_t s = 0; s < q->groups * q->m; s++) {
        const w_cg_result *r = &result[s];
        const int64_t group = s / q->m;
        weir_linear_outcome *o = &q->outcome[s];
        if (!q->wanted[group]) {
            continue;
        }
        const bool failed = r->state >= W_CG_INDEFINITE;
        const bool done = r->state == W_CG_CONVERGED ||
                          (r->state == W_CG_STAGNATED && r->preconditioned <= fmax(q->o->tolerance, W_CG_ROUNDING));
        double low = 0.0, high = 0.0;
        if (r->coefficients > 0) {
            w_cg_ritz(w_min64(r->coefficients, W_CG_HISTORY), pairs + 2 * s * W_CG_HISTORY, &low, &high);
        }
        *o = (weir_linear_outcome){ .status = failed ? WEIR_E_NUMERIC : done ? WEIR_OK : WEIR_NOT_CONVERGED,
                                    .route = WEIR_ROUTE_CG, .rank = q->p, .iterations = r->iterations,
                                    .residual = r->residual, .backward_error = r->residual,
                                    .condition = low > 0.0 ? high / low : NAN };
        if (failed) {
            w_fail(q->ctx, WEIR_E_NUMERIC, "group %lld, right-hand side %lld: %s", (long long)group, (long long)(s % q->m),
                   w_cg_state_name(r->state));
        } else {
            memcpy(q->b + s * q->p, x + s * q->p, (size_t)q->p * sizeof *x);
        }
    }
    memset(q->wanted, 0, (size_t)q->groups);
}

/* Groups with a value that is not finite, by name; their systems are solved for zero. */
static void refuse_bad(w_linear *q, double *b)
{
    for (int64_t g = 0; g < q->groups; g++) {
        bool finite = true;
        for (int64_t i = 0; i < q->m * q->p; i++) {
            finite = finite && isfinite(b[g * q->m * q->p + i]);
        }
        if (!finite) {
            if (!w_rows_refuse_bad(q, g, WEIR_ROUTE_CG)) {
                w_linear_refuse(q, g, WEIR_ROUTE_CG, WEIR_E_NUMERIC, "X'WY is not finite");
            }
            memset(b + g * q->m * q->p, 0, (size_t)(q->m * q->p) * sizeof *b);
        }
    }
}

static weir_status iterate(w_linear *q, products *t, const int64_t *n, double *b, double *pairs, w_cg_result *result)
{
    const w_operator a = { .apply = apply, .user = t, .groups = q->groups, .n = n };
    const int64_t systems = q->groups * q->m;
    double *x = b + systems * q->p;
    const w_cg_options options = { .right_hand_sides = q->m, .tolerance = q->o->tolerance, .energy_tolerance = q->o->tolerance,
                                   .max_iterations = q->o->max_iterations, .coefficient = pairs, .coefficient_rows = W_CG_HISTORY };
    w_preconditioner m = { 0 };
    bool made = false;
    memset(x, 0, (size_t)(systems * q->p) * sizeof *x);
    weir_status status = right_hand_sides(t, b);
    if (status >= 0) {
        refuse_bad(q, b);
        status = w_blocks_precondition(q, &a, n, t->tile, &m, &made);
    }
    if (status >= 0) {
        status = w_cg_solve(q->ctx, &a, made ? &m : NULL, &options, b, x, result);
    }
    if (made) {
        w_preconditioner_free(q->ctx, &m);
    }
    if (status >= 0 || status == WEIR_E_NUMERIC) {
        settle(q, x, result, pairs);
        return WEIR_OK;
    }
    return status;
}

static weir_status solve(w_linear *q)
{
    const w_route_shape *s = &q->shape;
    weir_ctx *ctx = q->ctx;
    const int64_t systems = q->groups * q->m, columns = w_cg_columns(s), column = q->p * columns;
    double *work = w_alloc_array(ctx, "route", (size_t)work_doubles(s), sizeof *work);
    int64_t *n = w_alloc_array(ctx, "route", (size_t)q->groups, sizeof *n);
    w_cg_result *result = w_calloc(ctx, "route", (size_t)systems, sizeof *result);
    weir_status status = work && n && result ? WEIR_OK : w_alloc_status(ctx);
    if (status >= 0) {
        products t = { .q = q, .shards = shard_count(s), .partial = work + 2 * systems * q->p };
        double *pairs = t.partial + (t.shards - 1) * column;
        t.in = pairs + systems * 2 * W_CG_HISTORY;
        t.out = t.in + (s->kind == WEIR_MATRIX_OPERATOR ? column : 0);
        t.mid = t.out + (s->kind == WEIR_MATRIX_OPERATOR ? column : 0);
        t.tile = t.mid + (s->kind == WEIR_MATRIX_OPERATOR ? s->largest * columns : 0);
        for (int64_t g = 0; g < q->groups; g++) {
            n[g] = q->p;
        }
        status = iterate(q, &t, n, work, pairs, result);
    }
    w_free(ctx, result);
    w_free(ctx, n);
    w_free(ctx, work);
    return status;
}

static int64_t width(const w_route_shape *s) { return s->p; }

/* Steps are a guess: the conditioning is not known beforehand. A step reads the rows once. */
static double seconds(const w_route_shape *s, const w_cost *cost)
{
    const w_route_cost *price = &cost->route;
    const double p = (double)s->p, m = (double)s->m, entries = (double)s->entries, systems = (double)s->groups * m;
    double pass;
    if (s->kind == WEIR_MATRIX_OPERATOR) {
        pass = 4.0 * (double)s->n * p * m / cost->row.memory;
    } else if (s->kind == WEIR_MATRIX_CSR) {
        pass = entries * (m > 1.0 ? price->csr_product + m * price->csr_column : price->csr_product);
    } else {
        const double value = m > 1.0 ? m * price->product_column : w_curve_at(&price->product, p, 0.0);
        pass = entries * fmax(value + (s->rows_contiguous ? 0.0 : price->pack), 8.0 / cost->row.memory);
    }
    const double blocks = (double)s->groups * (double)s->blocks * (double)s->block * (double)s->block;
    const double vectors = systems * p * price->step_value + 2.0 * blocks * m * 8.0 / cost->row.memory + price->step +
                           (double)s->groups * price->group;
    double steps = s->preconditioner == WEIR_PRECONDITIONER_BLOCKS || s->preconditioner == WEIR_PRECONDITIONER_NYSTROM
                       ? W_CG_EXPECTED : 3 * W_CG_EXPECTED;
    steps *= s->kind == WEIR_MATRIX_DENSE ? 2.5 : 1.0; /* blocks say less about dense columns */
    steps = fmin(steps, fmin(p, (double)s->largest + (s->penalty_rows ? p : 0.0)) + 1.0);
    return (steps + 2.0) * (pass + vectors) + w_blocks_seconds(s, cost);
}

static const char *unfit(const w_route_shape *s, const w_route_limits *limits)
{
    (void)limits;
    return s->kind == WEIR_MATRIX_OPERATOR && (s->preconditioner == WEIR_PRECONDITIONER_BLOCKS ||
                                               s->preconditioner == WEIR_PRECONDITIONER_JACOBI)
               ? "blocks of X'WX cannot be had from products" : NULL;
}

const w_route w_route_cg = { WEIR_ROUTE_CG, false, width, unfit, bytes, seconds, solve };
