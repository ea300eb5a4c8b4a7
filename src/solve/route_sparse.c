/* SPDX-License-Identifier: Apache-2.0 */
/* Route sparse: the sparse Gram of CSR rows, scaled by powers of two, factored by CHOLMOD, refined as the dense one. Groups follow
 * each other. The bytes of a factor are known only after ordering: what is predicted allows W_FILL entries of the factor for one of
 * the Gram, and a factor that needs more than the budget leaves is WEIR_E_BUDGET, or in AUTO the next route's work. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/dense.h"
#include "solve/route.h"
#include "sparse/cholmod.h"

#define W_FILL 4.0
#define W_SPARSE_STEPS 3

typedef struct sparse_work {
    double *diagonal, *scale, *c, *rhs, *r, *norm; /* norm: m residuals, m backward errors */
} sparse_work;

static int64_t work_doubles(const w_route_shape *s)
{
    return w_add64(w_mul64(2, s->p), w_add64(w_mul64(3, w_mul64(s->p, s->m)), w_mul64(2, s->m)));
}

static double factor_entries(const w_route_shape *s)
{
    const double p = (double)s->p;
    return fmin(W_FILL * s->gram_entries, 0.5 * p * (p + 1.0));
}

static int64_t bytes(const w_route_shape *s)
{
    const double gram = fmin(1.2 * s->gram_entries + (double)s->p, 0.5 * (double)s->p * ((double)s->p + 1.0));
    const double factor = 32.0 * factor_entries(s) + 24.0 * gram + 128.0 * (double)s->p;
    if (factor > 4e18) {
        return INT64_MAX;
    }
    const int64_t fixed = w_add64(w_alloc_bytes(w_mul64(work_doubles(s), 8)),
                                  w_add64(80000, w_alloc_bytes(w_mul64(24, s->penalty_blocks))));
    return w_add64(fixed, w_add64(w_csc_bytes(s->p, (int64_t)gram), w_max64(w_csc_gram_bytes(s->p, s->entries), (int64_t)factor)));
}

static void response(const w_linear *q, int64_t first, int64_t last, double *c)
{
    const weir_linear_matrix *x = &q->s->x;
    memset(c, 0, (size_t)(q->p * q->m) * sizeof *c);
    for (int64_t i = first; i < last; i++) {
        const double w = q->s->weights ? q->s->weights[i] : 1.0;
        for (int64_t e = x->row_first[i]; e < x->row_first[i + 1]; e++) {
            const double v = w * (x->float32 ? (double)((const float *)x->values)[e] : ((const double *)x->values)[e]);
            for (int64_t k = 0; k < q->m; k++) {
                c[x->column[e] + k * q->p] += v * q->s->y[k * q->n + i];
            }
        }
    }
}

/* Unit diagonal, about, in place; false when something is not finite. */
static bool scale(const w_linear *q, w_csc *a, sparse_work *w, double *frobenius)
{
    double square = 0.0;
    for (int64_t j = 0; j < a->n; j++) {
        int exponent = 0;
        const double d = a->value[a->first[j]]; /* the diagonal entry is the column's first */
        frexp(d > 0.0 && isfinite(d) ? d : 1.0, &exponent);
        w->scale[j] = ldexp(1.0, -(exponent >> 1));
    }
    for (int64_t j = 0; j < a->n; j++) {
        for (int64_t e = a->first[j]; e < a->first[j + 1]; e++) {
            a->value[e] *= w->scale[j] * w->scale[a->row[e]];
            square += (a->row[e] == j ? 1.0 : 2.0) * a->value[e] * a->value[e];
        }
        for (int64_t k = 0; k < q->m; k++) {
            w->c[j + k * a->n] *= w->scale[j];
        }
    }
    bool finite = isfinite(square);
    for (int64_t i = 0; i < a->n * q->m && finite; i++) {
        finite = isfinite(w->c[i]);
    }
    *frobenius = sqrt(square);
    return finite;
}

static double measure(const w_linear *q, const w_csc *a, sparse_work *w, double frobenius)
{
    const int64_t p = q->p;
    const double k = (double)(p + 1) * (DBL_EPSILON / 2.0);
    double worst = 0.0;
    memcpy(w->r, w->rhs, (size_t)(p * q->m) * sizeof *w->r);
    w_csc_subtract_product(a, q->m, w->c, w->r);
    for (int64_t j = 0; j < q->m; j++) {
        const double rr = sqrt(w_dot(p, w->r + j * p, w->r + j * p)), xx = sqrt(w_dot(p, w->c + j * p, w->c + j * p));
        const double bb = sqrt(w_dot(p, w->rhs + j * p, w->rhs + j * p)), size = frobenius * xx + bb;
        w->norm[j] = rr == 0.0 ? 0.0 : rr / bb;
        w->norm[q->m + j] = rr == 0.0 ? 0.0 : rr / size;
        worst = fmax(worst, rr == 0.0 ? 0.0 : isfinite(rr) ? rr / (k / (1.0 - k) * size) : INFINITY);
    }
    return worst;
}

static weir_status refine(const w_linear *q, const w_csc *a, w_cholmod *f, sparse_work *w, double frobenius, int32_t *steps)
{
    const int64_t values = q->p * q->m;
    memcpy(w->rhs, w->c, (size_t)values * sizeof *w->c);
    weir_status status = w_cholmod_solve(f, q->m, w->c);
    double worst = status < 0 ? 0.0 : measure(q, a, w, frobenius);
    for (*steps = 0; *steps < W_SPARSE_STEPS && worst > 1.0 && status >= 0; (*steps)++) {
        const double before = worst;
        status = w_cholmod_solve(f, q->m, w->r);
        for (int64_t i = 0; i < values; i++) {
            w->c[i] += w->r[i];
        }
        worst = measure(q, a, w, frobenius);
        if (worst > 0.5 * before) {
            break;
        }
    }
    return status;
}

static weir_status solve_scaled(w_linear *q, int64_t group, const w_csc *a, sparse_work *w, double frobenius)
{
    w_cholmod *f = NULL;
    int64_t failed = 0;
    int32_t steps = 0;
    const int64_t most = q->may_reroute ? q->p * q->p / 4 : INT64_MAX; /* beyond, a dense factor is quicker */
    weir_status status = w_cholmod_factor(q->ctx, a, most, &f, &failed);
    if (status == WEIR_DECLINED || (status == WEIR_E_BUDGET && q->may_reroute)) {
        return WEIR_OK;
    }
    const double condition = f ? w_cholmod_condition(f) : INFINITY;
    if (status >= 0 && (failed || condition > q->o->condition_limit) && q->may_reroute) {
        w_cholmod_free(f);
        return WEIR_OK;
    }
    if (status >= 0 && failed) {
        w_linear_refuse(q, group, WEIR_ROUTE_SPARSE, WEIR_E_NUMERIC, "X'WX + S is not positive definite: pivot %lld of CHOLMOD's "
                        "order", (long long)failed);
        return WEIR_OK;
    }
    status = status < 0 ? status : refine(q, a, f, w, frobenius, &steps);
    w_cholmod_free(f);
    for (int64_t j = 0; j < q->m && status >= 0; j++) {
        q->outcome[group * q->m + j] = (weir_linear_outcome){ .route = WEIR_ROUTE_SPARSE, .rank = q->p, .refinements = steps,
            .residual = w->norm[j], .backward_error = w->norm[q->m + j], .condition = condition };
        for (int64_t i = 0; i < q->p; i++) {
            q->b[(group * q->m + j) * q->p + i] = w->c[j * q->p + i] * w->scale[i];
        }
        q->wanted[group] = 0;
    }
    return status;
}

static weir_status solve_group(w_linear *q, double *work, int64_t group)
{
    const weir_linear_matrix *x = &q->s->x;
    const int64_t first = w_linear_first(q, group), last = w_linear_first(q, group + 1), column = q->p * q->m;
    sparse_work w = { .diagonal = work, .scale = work + q->p, .c = work + 2 * q->p };
    w.rhs = w.c + column;
    w.r = w.rhs + column;
    w.norm = w.r + column;
    const w_csr_rows rows = { first, last - first, q->p, x->row_first, x->column, x->values, x->float32, q->s->weights };
    w_csc_block *block = w_alloc_array(q->ctx, "route", (size_t)q->s->penalties, sizeof *block);
    w_csc a = { 0 };
    weir_status status = block ? WEIR_OK : w_alloc_status(q->ctx);
    if (status >= 0) {
        for (int64_t b = 0; b < q->s->penalties; b++) {
            block[b] = (w_csc_block){ q->s->penalty[b].first, q->s->penalty[b].size, q->s->penalty[b].matrix };
        }
        for (int64_t i = 0; i < q->p; i++) {
            w.diagonal[i] = w_penalty_diagonal(q, i);
        }
        status = w_csc_gram(q->ctx, &rows, w.diagonal, q->s->penalties, block, &a);
    }
    w_free(q->ctx, block);
    if (status >= 0) {
        double frobenius = 0.0;
        response(q, first, last, w.c);
        if (scale(q, &a, &w, &frobenius)) {
            status = solve_scaled(q, group, &a, &w, frobenius);
        } else if (!w_rows_refuse_bad(q, group, WEIR_ROUTE_SPARSE)) {
            w_linear_refuse(q, group, WEIR_ROUTE_SPARSE, WEIR_E_NUMERIC, "X'WX + S or X'WY is beyond the range of float64");
        }
    }
    w_csc_free(q->ctx, &a);
    return status;
}

static int64_t width(const w_route_shape *s) { return s->p; }

static weir_status solve(w_linear *q)
{
    q->shape.in_flight = 1;
    return w_route_groups(q, work_doubles(&q->shape), solve_group);
}

/* A factor of e entries in p columns costs about the sum of squared column counts, e^2 / p. */
static double seconds(const w_route_shape *s, const w_cost *cost)
{
    const w_route_cost *price = &cost->route;
    const double p = (double)s->p, m = (double)s->m, fill = factor_entries(s);
    const double factor = price->sparse_start + p * price->sparse_column + 0.5 * fill * fill / p * price->sparse_flop;
    return (double)s->groups * (factor + 2.0 * m * fill * price->csr_product) + price->sparse_gram * s->squares;
}

static const char *unfit(const w_route_shape *s, const w_route_limits *limits)
{
    return s->kind != WEIR_MATRIX_CSR ? "X is not given as sparse rows" : limits->sparse_library ? NULL
         : limits->sparse_reason ? limits->sparse_reason : "libcholmod was not looked for";
}

const w_route w_route_sparse = { WEIR_ROUTE_SPARSE, false, width, unfit, bytes, seconds, solve };
