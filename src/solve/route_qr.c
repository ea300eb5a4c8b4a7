/* SPDX-License-Identifier: Apache-2.0 */
/* Route qr: min ||sqrt(W)(Y - X B)||^2 + ||E B||^2 by a QR factorization that streams over tiles of rows,
 *     [R; tile] = Q [R'; 0],   [z; sqrt(W) y] := Q'[z; sqrt(W) y],
 * over shards of rows first, then over the shards' R and the rows of E. The error goes with the condition number of X, the square
 * root of the Gram's. R with columns scaled by powers of two; when its condition exceeds 1 / (p u), a pivoted QR of R finds the
 * rank, and dependent columns get coefficient 0. Reference: Demmel, Grigori, Hoemmen & Langou (2012). */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/blas.h"
#include "base/size.h"
#include "dense/dense.h"
#include "solve/route.h"

#define W_QR_BLOCK 64 /* columns of LAPACK's blocks: workspace */
#define W_QR_SHARD_FACTOR 8

typedef struct stack {
    w_linear *q;
    int64_t group, first, rows, shards, tile, lead;
    double *work;
    int64_t each; /* doubles of a shard */
    int64_t *have; /* rows of R in each shard's stack */
} stack;

static int64_t tile_rows(const w_route_shape *s) { return w_max64(w_mul64(2, s->p), W_ROUTE_ROWS); }

static int64_t shard_count(const w_route_shape *s, int64_t rows)
{
    return w_max64(1, w_min64(W_ROUTE_SHARDS, rows / w_max64(w_mul64(W_QR_SHARD_FACTOR, s->p), W_ROUTE_SHARD_ROWS)));
}

static int64_t lapack_doubles(const w_route_shape *s) { return w_mul64(w_add64(s->p, s->m), W_QR_BLOCK); }

/* Stack, packed rows, tau, LAPACK's workspace. */
static int64_t shard_doubles(const w_route_shape *s)
{
    const int64_t lead = w_add64(s->p, tile_rows(s));
    int64_t total = w_mul64(lead, w_add64(s->p, s->m));
    total = w_add64(total, w_mul64(s->p, W_ROUTE_ROWS));
    return w_add64(total, w_add64(s->p, lapack_doubles(s)));
}

static int64_t group_doubles(const w_route_shape *s)
{
    const int64_t shards = shard_count(s, s->largest);
    int64_t total = w_add64(w_mul64(shards, shard_doubles(s)), w_penalty_root_doubles(s));
    total = w_add64(total, w_add64(w_mul64(s->p, w_add64(s->p, s->m)), w_mul64(9, s->p)));
    return w_add64(total, w_add64(lapack_doubles(s), W_ROUTE_SHARDS));
}

static double *stack_of(const stack *t, int64_t shard) { return t->work + shard * t->each; }
static double *packed_of(const stack *t, int64_t shard) { return stack_of(t, shard) + t->lead * (t->q->p + t->q->m); }

/* Reduces the first `rows` rows of the stack to R and z. */
static void reduce(const stack *t, int64_t shard, int64_t rows)
{
    const w_linear *q = t->q;
    double *a = stack_of(t, shard), *tau = packed_of(t, shard) + q->p * W_ROUTE_ROWS, *work = tau + q->p;
    const w_blas_int r = (w_blas_int)rows, p = (w_blas_int)q->p, m = (w_blas_int)q->m, ld = (w_blas_int)t->lead;
    const w_blas_int k = (w_blas_int)w_min64(rows, q->p), size = (w_blas_int)((q->p + q->m) * W_QR_BLOCK);
    w_blas_int info = 0;
    if (rows == 0) {
        return;
    }
    dgeqrf_(&r, &p, a, &ld, tau, work, &size, &info);
    dormqr_("L", "T", &r, &m, &k, a, &ld, tau, a + t->lead * q->p, &ld, work, &size, &info);
    for (int64_t c = 0; c < q->p; c++) {
        for (int64_t i = c + 1; i < rows; i++) {
            a[i + c * t->lead] = 0.0;
        }
    }
    t->have[shard] = k;
}

/* Puts packed rows (p x count) under the stack's first `at` rows. */
static void push(const stack *t, int64_t shard, int64_t at, const double *rows, int64_t lead, int64_t count)
{
    double *a = stack_of(t, shard) + at;
    for (int64_t c = 0; c < t->q->p; c++) {
        for (int64_t i = 0; i < count; i++) {
            a[i + c * t->lead] = rows[c + i * lead];
        }
    }
}

static weir_status shard_task(void *arg, int64_t task, int worker)
{
    W_BLAS_SERIAL;
    (void)worker;
    const stack *t = arg;
    const w_linear *q = t->q;
    const int64_t first = t->first + t->rows * task / t->shards, last = t->first + t->rows * (task + 1) / t->shards;
    t->have[task] = 0;
    for (int64_t at = first; at < last;) {
        const int64_t begin = t->have[task], take = w_min64(t->tile, last - at);
        for (int64_t done = 0; done < take;) {
            const int64_t count = w_min64(W_ROUTE_ROWS, take - done);
            int64_t lead;
            const double *x = w_rows_tile(q, at + done, count, true, packed_of(t, task), &lead);
            push(t, task, begin + done, x, lead, count);
            w_rows_response(q, at + done, count, true, stack_of(t, task) + t->lead * q->p + begin + done, t->lead);
            done += count;
        }
        reduce(t, task, begin + take);
        at += take;
    }
    return WEIR_OK;
}

/* The other shards' R and z, then the rows of E, into the first stack. */
static void combine(const stack *t, const double *roots)
{
    W_BLAS_SERIAL;
    const w_linear *q = t->q;
    double *a = stack_of(t, 0);
    for (int64_t s = 1; s < t->shards; s++) {
        const double *b = stack_of(t, s);
        for (int64_t c = 0; c < q->p + q->m; c++) {
            memcpy(a + t->have[0] + c * t->lead, b + c * t->lead, (size_t)t->have[s] * sizeof *a);
        }
        reduce(t, 0, t->have[0] + t->have[s]);
    }
    for (int64_t at = 0; at < q->shape.penalty_rows;) {
        const int64_t begin = t->have[0], take = w_min64(t->tile, q->shape.penalty_rows - at);
        for (int64_t done = 0; done < take;) {
            const int64_t count = w_min64(W_ROUTE_ROWS, take - done);
            w_penalty_root_rows(q, roots, at + done, count, packed_of(t, 0));
            push(t, 0, begin + done, packed_of(t, 0), q->p, count);
            done += count;
        }
        for (int64_t k = 0; k < q->m; k++) {
            memset(a + t->lead * (q->p + k) + begin, 0, (size_t)take * sizeof *a);
        }
        reduce(t, 0, begin + take);
        at += take;
    }
}

/* ---- R B = z ------------------------------------------------------------------------------------------------------- */

typedef struct triangle {
    double *r, *z;       /* p x p scaled, p x m */
    double *scale, *tau, *work, *lapack;
    w_blas_int *pivot;
    int64_t rank;
    double condition;
} triangle;

/* R with unit columns, about; false when something is not finite. */
static bool fetch(const stack *t, triangle *f)
{
    const w_linear *q = t->q;
    const int64_t p = q->p;
    const double *a = stack_of(t, 0);
    for (int64_t c = 0; c < p; c++) {
        double square = 0.0;
        for (int64_t i = 0; i < p; i++) {
            f->r[i + c * p] = i <= c && i < t->have[0] ? a[i + c * t->lead] : 0.0;
            square += f->r[i + c * p] * f->r[i + c * p];
        }
        int exponent = 0;
        frexp(square > 0.0 && isfinite(square) ? sqrt(square) : 1.0, &exponent);
        f->scale[c] = ldexp(1.0, -exponent);
        for (int64_t i = 0; i <= c; i++) {
            f->r[i + c * p] *= f->scale[c];
        }
        if (!isfinite(square)) {
            return false;
        }
    }
    bool finite = true;
    for (int64_t k = 0; k < q->m; k++) {
        for (int64_t i = 0; i < p; i++) {
            f->z[i + k * p] = i < t->have[0] ? a[i + t->lead * (p + k)] : 0.0;
            finite = finite && isfinite(f->z[i + k * p]);
        }
    }
    return finite;
}

/* Pivoted: coefficients in the places of the columns kept, else 0. */
static void solve_deficient(const w_linear *q, triangle *f)
{
    const w_blas_int p = (w_blas_int)q->p, m = (w_blas_int)q->m, size = (w_blas_int)((q->p + q->m) * W_QR_BLOCK);
    const double one = 1.0;
    w_blas_int info = 0;
    memset(f->pivot, 0, (size_t)q->p * sizeof *f->pivot);
    dgeqp3_(&p, &p, f->r, &p, f->pivot, f->tau, f->lapack, &size, &info);
    dormqr_("L", "T", &p, &m, &p, f->r, &p, f->tau, f->z, &p, f->lapack, &size, &info);
    const double least = (double)q->p * DBL_EPSILON * fabs(f->r[0]);
    f->rank = 0;
    while (f->rank < q->p && fabs(f->r[f->rank * (q->p + 1)]) > least) {
        f->rank++;
    }
    const w_blas_int rank = (w_blas_int)f->rank;
    if (rank > 0) {
        dtrsm_("L", "U", "N", "N", &rank, &m, &one, f->r, &p, f->z, &p);
    }
    for (int64_t k = 0; k < q->m; k++) {
        double *z = f->z + k * q->p;
        memcpy(f->work, z, (size_t)q->p * sizeof *z);
        for (int64_t i = 0; i < q->p; i++) {
            z[f->pivot[i] - 1] = i < f->rank ? f->work[i] : 0.0;
        }
    }
}

/* ||R'(z - R B)|| against its size, for the normal equations of the scaled triangle. */
static void certify(const w_linear *q, const triangle *f, const double *r, const double *z, int64_t k, double *residual,
                    double *backward)
{
    const int64_t p = q->p;
    const w_blas_int n = (w_blas_int)p, inc = 1;
    double *x = f->tau, *b = f->work;
    memcpy(x, f->z + k * p, (size_t)p * sizeof *x);
    const double size = w_dot(p, x, x), frobenius = w_dot(p * p, r, r);
    dtrmv_("U", "N", "N", &n, r, &n, x, &inc);
    for (int64_t i = 0; i < p; i++) {
        x[i] = z[i + k * p] - x[i];
        b[i] = z[i + k * p];
    }
    dtrmv_("U", "T", "N", &n, r, &n, x, &inc);
    dtrmv_("U", "T", "N", &n, r, &n, b, &inc);
    const double rr = sqrt(w_dot(p, x, x)), bb = sqrt(w_dot(p, b, b));
    *residual = rr == 0.0 ? 0.0 : rr / bb;
    *backward = rr == 0.0 ? 0.0 : rr / (frobenius / sqrt((double)p) * sqrt(size) + bb);
}

static void finish(const stack *t, triangle *f)
{
    W_BLAS_SERIAL;
    w_linear *q = t->q;
    const int64_t p = q->p;
    const w_blas_int n = (w_blas_int)p, m = (w_blas_int)q->m;
    double inverse = 0.0, *copy = stack_of(t, 0);
    const double one = 1.0;
    w_blas_int info = 0;
    dtrcon_("1", "U", "N", &n, f->r, &n, &inverse, f->lapack, f->pivot, &info);
    f->rank = p;
    f->condition = inverse > 0.0 ? 1.0 / (inverse * inverse) : INFINITY;
    memcpy(copy, f->r, (size_t)(p * p) * sizeof *copy);
    memcpy(copy + p * p, f->z, (size_t)(p * q->m) * sizeof *copy);
    if (inverse > (double)p * DBL_EPSILON) {
        dtrsm_("L", "U", "N", "N", &n, &m, &one, f->r, &n, f->z, &n);
    } else {
        solve_deficient(q, f);
    }
    for (int64_t k = 0; k < q->m; k++) {
        weir_linear_outcome *o = &q->outcome[t->group * q->m + k];
        *o = (weir_linear_outcome){ .status = f->rank < p ? WEIR_RANK_DEFICIENT : WEIR_OK, .route = WEIR_ROUTE_QR,
                                    .rank = f->rank, .condition = f->condition };
        certify(q, f, copy, copy + p * p, k, &o->residual, &o->backward_error);
        double *b = q->b + (t->group * q->m + k) * p;
        for (int64_t i = 0; i < p; i++) {
            b[i] = f->z[i + k * p] * f->scale[i];
        }
    }
    q->wanted[t->group] = 0;
}

static weir_status solve_group(w_linear *q, double *work, int64_t group)
{
    const w_route_shape *s = &q->shape;
    const int64_t first = w_linear_first(q, group), rows = w_linear_first(q, group + 1) - first, p = q->p;
    int64_t have[W_ROUTE_SHARDS];
    stack t = { .q = q, .group = group, .first = first, .rows = rows, .shards = shard_count(s, rows), .tile = tile_rows(s),
                .lead = p + tile_rows(s), .work = work, .each = shard_doubles(s), .have = have };
    double *roots = work + shard_count(s, s->largest) * t.each;
    triangle f = { .r = roots + w_penalty_root_doubles(s) };
    f.z = f.r + p * p;
    f.scale = f.z + p * q->m;
    f.tau = f.scale + p;
    f.work = f.tau + p;
    f.pivot = (w_blas_int *)(void *)(f.work + p);
    f.lapack = f.work + 2 * p;
    weir_status status = w_penalty_roots(q, roots);
    status = status < 0 ? status : w_pool_run(q->ctx, t.shards, shard_task, &t);
    if (status < 0) {
        return status;
    }
    combine(&t, roots);
    if (fetch(&t, &f)) {
        finish(&t, &f);
    } else if (!w_rows_refuse_bad(q, group, WEIR_ROUTE_QR)) {
        w_linear_refuse(q, group, WEIR_ROUTE_QR, WEIR_E_NUMERIC, "the factorization of X is beyond the range of float64");
    }
    return WEIR_OK;
}

static int64_t width(const w_route_shape *s) { return s->p; }
static weir_status solve(w_linear *q) { return w_route_groups(q, group_doubles(&q->shape), solve_group); }
static int64_t bytes(const w_route_shape *s) { return w_route_groups_bytes(s, group_doubles(s)); }

/* Rows of X and of E, each p^2 multiplications and more, in the pace of p columns; then condition, solution and certificate. */
static double seconds(const w_route_shape *s, const w_cost *cost)
{
    const double p = (double)s->p, m = (double)s->m, groups = (double)s->groups;
    const double rows = (double)s->n + groups * ((double)s->penalty_rows + p);
    return rows * p * (p + (m - 1.0)) * w_curve_at(&cost->route.qr, p, 0.0) +
           groups * (cost->route.group + w_spd_seconds(s->p, s->m, cost));
}

static const char *unfit(const w_route_shape *s, const w_route_limits *limits)
{
    (void)limits;
    return s->kind == WEIR_MATRIX_OPERATOR ? "the rows of X are not at hand" : s->p > INT32_MAX / 4 ? "too wide for LAPACK" : NULL;
}

const w_route w_route_qr = { WEIR_ROUTE_QR, true, width, unfit, bytes, seconds, solve };
