/* SPDX-License-Identifier: Apache-2.0 */
/* Roots of G'G + rho I, of which G (m x n) alone is given.
 *
 *   m >= n          A = G'G in float64, then as any symmetric matrix
 *   m < n, rho > 0  with GG' = U diag(mu) U' (m x m) and f(mu) = (mu + rho)^(-1/p):
 *                   (G'G + rho I)^(-1/p) B = rho^(-1/p) B + G' U diag((f(mu) - f(0)) / mu) U' G B,
 *                   the quotient by expm1 and log1p, so that small mu lose nothing
 *   qr              singular values of G (root_gram_qr.c): asked for, or when m >= n and squaring the condition of G has made the matrix
 *                   indefinite or u kappa(G'G) / p larger than the tolerance, and the bound is the smaller one
 *   B = G'C         (G'G + rho I)^(-1/p) G'C = G' (GG' + rho I)^(-1/p) C: the smaller of both */
#include <float.h>
#include <math.h>
#include <string.h>

#include "api/linalg_views.h"
#include "api/root_call.h"
#include "base/size.h"
#include "dense/dense.h"
#include "dense/level3.h"

typedef struct gram {
    const weir_matrix *g, *b, *z;
    const weir_root_options *options;
    double *values; /* G, column-major */
    double *square; /* G'G or GG' */
    double *part;   /* rows x k */
    double *other;
} gram;

static int64_t least_side(const weir_matrix *g) { return w_min64(g->rows, g->cols); }

static double tolerance_of(const gram *m)
{
    return m->options->tolerance > 0 ? m->options->tolerance : m->g->dtype == WEIR_F32 ? 1e-4 : 1e-8;
}

/* The smaller Gram matrix, both triangles. */
static weir_status multiply(weir_ctx *ctx, const gram *m, bool by_rows)
{
    const int64_t rows = m->g->rows, cols = m->g->cols, side = by_rows ? rows : cols, depth = by_rows ? cols : rows;
    const w_operand a = by_rows ? (w_operand){ m->values, 1, rows } : (w_operand){ m->values, rows, 1 };
    memset(m->square, 0, (size_t)(side * side) * sizeof *m->square);
    weir_status status = w_gemm_lower(ctx, w_panel_best(8), side, depth, 1, a, a, m->square, side);
    for (int64_t j = 0; status >= 0 && j < side; j++) {
        for (int64_t i = j + 1; i < side; i++) {
            m->square[j + i * side] = m->square[i + j * side];
        }
    }
    return status;
}

/* to (n x k) = op(G) from, column-major. */
static weir_status product(weir_ctx *ctx, const gram *m, bool trans, int64_t k, const double *from, double *to)
{
    const int64_t rows = m->g->rows, cols = m->g->cols, high = trans ? cols : rows, depth = trans ? rows : cols;
    const w_operand a = trans ? (w_operand){ m->values, rows, 1 } : (w_operand){ m->values, 1, rows };
    memset(to, 0, (size_t)(high * k) * sizeof *to);
    return w_gemm(ctx, w_panel_best(8), high, k, depth, 1, a, (w_operand){ from, depth, 1 }, to, high);
}

/* m < n: as the head of the file. value: eigenvalues of GG', square: eigenvectors. */
static weir_status wide(weir_ctx *ctx, const gram *m, double ridge, double *value, weir_root_stats *stats)
{
    const int64_t rows = m->g->rows, cols = m->g->cols, k = m->b->cols;
    const double p = m->options->p;
    weir_status status = w_eigen_symmetric(ctx, rows, m->square, value, true);
    if (status < 0) {
        return status;
    }
    w_root_copy_in(m->b, m->other);
    status = product(ctx, m, false, k, m->other, m->part);
    double *turned = m->part + rows * k;
    memset(turned, 0, (size_t)(rows * k) * sizeof *turned);
    if (status >= 0) {
        status = w_gemm(ctx, w_panel_best(8), rows, k, rows, 1, (w_operand){ m->square, rows, 1 }, (w_operand){ m->part, rows, 1 },
                        turned, rows);
    }
    const double outside = pow(ridge, -1 / p);
    for (int64_t i = 0; i < rows; i++) {
        const double mu = fmax(value[i], 0), t = mu / ridge;
        const double quotient = outside / ridge * (t > 0 ? expm1(-log1p(t) / p) / t : -1 / p);
        for (int64_t j = 0; j < k; j++) {
            turned[i + j * rows] *= quotient;
        }
    }
    memset(m->part, 0, (size_t)(rows * k) * sizeof *m->part);
    if (status >= 0) {
        status = w_gemm(ctx, w_panel_best(8), rows, k, rows, 1, (w_operand){ m->square, 1, rows }, (w_operand){ turned, rows, 1 },
                        m->part, rows);
    }
    double *inside = m->other + cols * k;
    status = status < 0 ? status : product(ctx, m, true, k, m->part, inside);
    for (int64_t i = 0; i < cols * k; i++) {
        m->other[i] = outside * m->other[i] + inside[i];
    }
    const double most = (rows > 0 ? fmax(value[rows - 1], 0) : 0) + ridge, kappa = most / ridge;
    *stats = (weir_root_stats){ .route = WEIR_ROOT_EIGEN, .lambda_min = ridge, .lambda_max = most, .ridge = ridge, .residual = NAN };
    const double output = m->z->dtype == WEIR_F32 ? FLT_EPSILON / 2 : DBL_EPSILON / 2;
    stats->bound = (1 + sqrt((double)rows) / 4) * DBL_EPSILON / 2 * (kappa / p + 4) * pow(kappa, 1 / p) + 2 * output;
    memcpy(stats->reason, "fewer rows than columns: m x m alone", sizeof "fewer rows than columns: m x m alone");
    const double tolerance = tolerance_of(m);
    stats->precision_limited = DBL_EPSILON / 2 * kappa / p > tolerance;
    if (status >= 0) {
        w_root_copy_out(m->other, m->z);
    }
    return status < 0 ? status : stats->bound <= tolerance ? WEIR_OK : WEIR_NOT_CONVERGED;
}

static weir_status check(weir_ctx *ctx, const char *function, const gram *m, bool dual)
{
    weir_status status = w_root_check_options(ctx, m->options);
    status = status < 0 ? status : w_view_check(ctx, function, "g", m->g);
    status = status < 0 ? status : w_view_check(ctx, function, dual ? "c" : "b", m->b);
    status = status < 0 ? status : w_view_check(ctx, function, "z", m->z);
    if (status < 0) {
        return status;
    }
    if (m->b->rows != (dual ? m->g->rows : m->g->cols) || m->z->rows != m->g->cols || m->z->cols != m->b->cols ||
        m->b->dtype != m->g->dtype || m->z->dtype != m->g->dtype) {
        return w_fail(ctx, WEIR_E_ARG, "%s: shapes or types do not fit: g is %lld x %lld, the right-hand sides %lld x %lld, z "
                      "%lld x %lld", function, (long long)m->g->rows, (long long)m->g->cols, (long long)m->b->rows,
                      (long long)m->b->cols, (long long)m->z->rows, (long long)m->z->cols);
    }
    return WEIR_OK;
}

/* rho for the Gram matrix: ridge_rel counts in mean |g_j|^2. */
static double ridge_of(const gram *m)
{
    const weir_precond_config *pre = m->options->precond;
    if (!pre) {
        return 0;
    }
    double sum = 0;
    for (int64_t i = 0; i < m->g->rows * m->g->cols && pre->ridge_rel > 0; i++) {
        sum += m->values[i] * m->values[i];
    }
    return fmax(pre->eps, pre->ridge + (m->g->cols > 0 ? pre->ridge_rel * sum / (double)m->g->cols : 0));
}

/* The root of `square` (side x side, float64) applied to `right`, side x k, in place. */
static weir_status symmetric(weir_ctx *ctx, const gram *m, int64_t side, double ridge, double *right, weir_root_workspace *w,
                             weir_root_stats *stats)
{
    weir_precond_config pre = WEIR_PRECOND_CONFIG_INIT;
    weir_root_options o = *m->options;
    pre.ridge = ridge;
    o.precond = &pre;
    o.trust_symmetry = 1;
    o.tolerance = tolerance_of(m);
    const weir_matrix a = w_matrix_columns(m->square, WEIR_F64, side, side), b = w_matrix_columns(right, WEIR_F64, side, m->b->cols);
    const w_root_call call = { &a, &b, &b, &o, stats };
    return w_root_run(ctx, &call, w);
}

/* By singular values of G, to `to`. */
static weir_status unsquared(weir_ctx *ctx, const gram *m, bool dual, double ridge, double *to, weir_root_stats *stats)
{
    const w_root_gram call = { .g = w_matrix_columns(m->values, WEIR_F64, m->g->rows, m->g->cols), .b = m->b, .p = m->options->p,
                               .dual = dual, .single = m->g->dtype == WEIR_F32, .ridge = ridge, .tolerance = tolerance_of(m) };
    return w_root_gram_qr(ctx, &call, to, stats);
}

/* m->other holds the answer of `status` and stats from G'G; the one from G is taken where it is better. */
static weir_status recover(weir_ctx *ctx, const gram *m, bool dual, double ridge, weir_status status, weir_root_stats *stats)
{
    const bool lost = status == WEIR_E_NUMERIC || (status >= 0 && stats->precision_limited);
    if (!lost || m->options->route != WEIR_ROOT_AUTO || m->options->schedule) {
        return status;
    }
    const int64_t count = m->g->cols * m->b->cols;
    weir_root_stats found = { 0 };
    const weir_status second = unsquared(ctx, m, dual, ridge, m->other + count, &found);
    if (status >= 0 && (second == WEIR_E_NUMERIC || (second >= 0 && !(found.bound < stats->bound)))) {
        w_message_clear(ctx);
        return status;
    }
    if (second >= 0) {
        w_message_clear(ctx);
        found.retries = 1;
        *stats = found;
        memcpy(m->other, m->other + count, (size_t)count * sizeof *m->other);
    }
    return second;
}

static weir_status solve(weir_ctx *ctx, gram *m, bool dual, weir_root_workspace *w, weir_root_stats *stats)
{
    const int64_t rows = m->g->rows, cols = m->g->cols, k = m->b->cols, side = least_side(m->g);
    w_root_copy_in(m->g, m->values);
    const double ridge = ridge_of(m);
    const bool by_rows = rows < cols;
    if (by_rows && !dual && !(ridge > 0)) {
        return w_fail(ctx, WEIR_E_NUMERIC, "G'G is singular: G has %lld rows for %lld columns; it takes a ridge > 0",
                      (long long)rows, (long long)cols);
    }
    if (m->options->route == WEIR_ROOT_QR) {
        const weir_status direct = unsquared(ctx, m, dual, ridge, m->other, stats);
        if (direct >= 0) {
            w_root_copy_out(m->other, m->z);
        }
        return direct;
    }
    weir_status status = multiply(ctx, m, by_rows);
    if (status >= 0 && by_rows && !dual) {
        return wide(ctx, m, ridge, m->part + 2 * rows * k, stats);
    }
    if (status >= 0 && !by_rows && dual) {
        w_root_copy_in(m->b, m->part);
        status = product(ctx, m, true, k, m->part, m->other);
    } else {
        w_root_copy_in(m->b, by_rows ? m->part : m->other);
    }
    double *right = by_rows ? m->part : m->other;
    status = status < 0 ? status : symmetric(ctx, m, side, ridge, right, w, stats);
    if (status >= 0 && by_rows) {
        const weir_status applied = product(ctx, m, true, k, right, m->other);
        status = applied < 0 ? applied : status;
    }
    status = by_rows ? status : recover(ctx, m, dual, ridge, status, stats);
    if (status >= 0) {
        w_root_copy_out(m->other, m->z);
    }
    return status;
}

static weir_status enter(weir_ctx *ctx, const char *function, gram *m, bool dual, weir_root_workspace *workspace,
                         weir_root_stats *stats)
{
    const weir_root_options defaults = WEIR_ROOT_OPTIONS_INIT;
    m->options = m->options ? m->options : &defaults;
    w_message_clear(ctx);
    weir_status status = check(ctx, function, m, dual);
    if (status < 0) {
        return status;
    }
    const int64_t rows = m->g->rows, cols = m->g->cols, k = m->b->cols, side = least_side(m->g);
    weir_root_workspace own = { .ctx = ctx };
    weir_root_stats found = { 0 };
    w_scratch s = { 0 };
    double *room = NULL;
    for (int turn = 0; turn < 2; turn++) {
        m->values = w_scratch_take(&s, w_mul64(w_mul64(rows, cols), 8));
        m->square = w_scratch_take(&s, w_mul64(w_mul64(side, side), 8));
        m->part = w_scratch_take(&s, w_mul64(w_add64(w_mul64(rows, w_add64(w_mul64(2, k), 1)), 1), 8));
        m->other = w_scratch_take(&s, w_mul64(w_mul64(cols, w_mul64(2, k)), 8));
        if (turn == 0) {
            room = w_scratch_bytes(&s) < INT64_MAX ? w_alloc(ctx, "root", (size_t)w_scratch_bytes(&s)) : NULL;
            if (!room) {
                return w_scratch_bytes(&s) < INT64_MAX ? w_alloc_status(ctx)
                                                       : w_fail(ctx, WEIR_E_MEMORY, "the matrix is larger than any memory");
            }
            s = (w_scratch){ (char *)room, 0 };
        }
    }
    if (cols > 0 && rows > 0) {
        status = solve(ctx, m, dual, workspace ? workspace : &own, &found);
    }
    w_root_drop(&own);
    w_free(ctx, room);
    if (status >= 0 && stats) {
        *stats = found;
    }
    return status;
}

weir_status weir_solve_gram_spd(weir_ctx *ctx, const weir_matrix *g, const weir_matrix *b, const weir_matrix *z,
                                const weir_root_options *options, weir_root_workspace *workspace, weir_root_stats *stats)
{
    gram m = { .g = g, .b = b, .z = z, .options = options };
    return ctx ? enter(ctx, "weir_solve_gram_spd", &m, false, workspace, stats) : WEIR_E_ARG;
}

weir_status weir_solve_gram_dual(weir_ctx *ctx, const weir_matrix *g, const weir_matrix *c, const weir_matrix *z,
                                 const weir_root_options *options, weir_root_workspace *workspace, weir_root_stats *stats)
{
    gram m = { .g = g, .b = c, .z = z, .options = options };
    return ctx ? enter(ctx, "weir_solve_gram_dual", &m, true, workspace, stats) : WEIR_E_ARG;
}
