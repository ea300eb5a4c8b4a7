/* SPDX-License-Identifier: Apache-2.0 */
/* Roots of G'G + rho I from the singular values of G itself (gesdd: tall matrices by QR first): G = U S V', h(s) = (s^2 + rho)^(-1/p),
 *
 *     (G'G + rho I)^(-1/p) B    = V h(S) V'B                                          m >= n
 *                               = h(0) B + V (h(S) - h(0)) V'B                        m < n, the difference by expm1 and log1p
 *     (G'G + rho I)^(-1/p) G'C  = V S h(S) U'C
 *
 * The factors are those of G + E, ||E|| <= c u ||G||. As functions of G the first two move by max |h'| ||E|| at most, h' = -2/p s / (s^2 + rho) h,
 * which is largest, relatively, at s^2 = rho; the third by (1 + 2/p) max h ||E||. For rho = 0 that is 2 u kappa(G) / p, where forming G'G
 * costs u kappa(G)^2 / p. Hawkins & Ben-Israel 1973; Higham, Functions of Matrices, 3. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/root_call.h"
#include "base/size.h"
#include "dense/level3.h"
#include "dense/linear.h"

typedef struct pieces {
    double *s, *u, *v, *right, *turned;
} pieces;

static pieces take(const w_root_gram *m, w_scratch *s)
{
    const int64_t rows = m->g.rows, cols = m->g.cols, r = w_min64(rows, cols), k = m->b->cols;
    pieces t;
    t.s = w_scratch_take(s, w_mul64(r, 8));
    t.u = w_scratch_take(s, m->dual ? w_mul64(w_mul64(rows, r), 8) : 0);
    t.v = w_scratch_take(s, w_mul64(w_mul64(cols, r), 8));
    t.right = w_scratch_take(s, w_mul64(w_mul64(m->dual ? rows : cols, k), 8));
    t.turned = w_scratch_take(s, w_mul64(w_mul64(r, k), 8));
    return t;
}

static double norm(int64_t count, const double *x)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += x[i] * x[i];
    }
    return sqrt(sum);
}

/* Rows of U'C or V'B times what their singular value makes of them. */
static void scale(const w_root_gram *m, const pieces *t, double outside)
{
    const int64_t r = w_min64(m->g.rows, m->g.cols);
    const double p = m->p, shift = sqrt(m->ridge);
    for (int64_t i = 0; i < r; i++) {
        const double s = t->s[i], ratio = s / shift, h = pow(hypot(s, shift), -2 / p);
        const double by = m->dual ? s * h : outside > 0 ? outside * expm1(-log1p(ratio * ratio) / p) : h;
        for (int64_t j = 0; j < m->b->cols; j++) {
            t->turned[i + j * r] *= by;
        }
    }
}

/* Bound of the relative error of z (cols x k), as at the head. */
static void judge(const w_root_gram *m, const pieces *t, const double *z, double least, weir_root_stats *stats)
{
    const int64_t rows = m->g.rows, cols = m->g.cols, r = w_min64(rows, cols), k = m->b->cols;
    const double u = DBL_EPSILON / 2, p = m->p, shift = sqrt(m->ridge), top = t->s[0], size = norm(cols * k, z);
    const double at = fmin(fmax(shift, least), top), kappa = top > 0 ? top / hypot(at, shift) * (at / hypot(at, shift)) : 0;
    const double most = pow(hypot(least, shift), -2 / p), terms = 1 + sqrt((double)r) / 4;
    const double moved = m->dual ? (5 + 2 / p) * top : 2 * kappa / p + 4, given = norm((m->dual ? rows : cols) * k, t->right);
    const double output = m->single ? FLT_EPSILON / 2 : u;
    *stats = (weir_root_stats){ .route = WEIR_ROOT_QR, .lambda_min = least * least + m->ridge, .lambda_max = top * top + m->ridge,
                                .ridge = m->ridge, .residual = NAN };
    stats->bound = (size > 0 ? terms * u * moved * most * given / size : 0) + 2 * output;
    stats->precision_limited = 2 * u * kappa / p > m->tolerance;
    snprintf(stats->reason, sizeof stats->reason, "singular values of G, condition %.2g", top / hypot(least, shift));
}

static weir_status run(weir_ctx *ctx, const w_root_gram *m, const pieces *t, double *z, weir_root_stats *stats, w_scratch *s)
{
    const int64_t rows = m->g.rows, cols = m->g.cols, r = w_min64(rows, cols), k = m->b->cols, high = m->dual ? rows : cols;
    const weir_matrix u = w_matrix_columns(t->u, WEIR_F64, rows, r), v = w_matrix_columns(t->v, WEIR_F64, cols, r);
    int64_t failed = 0;
    weir_status status = w_dense_svd(ctx, &m->g, m->dual ? &u : NULL, t->s, &v, &failed, s);
    if (status < 0 || !s->base) {
        return status;
    }
    if (failed) {
        return w_fail(ctx, WEIR_E_NUMERIC, "the singular values of G did not converge");
    }
    const double least = !m->dual && rows < cols ? 0 : t->s[r - 1], shift = sqrt(m->ridge);
    if (!(hypot(least, shift) > (double)w_max64(rows, cols) * DBL_EPSILON / 2 * t->s[0])) {
        return w_fail(ctx, WEIR_E_NUMERIC, "G'G is singular to working precision: singular values of G from %.3g to %.3g; a ridge would "
                      "make it regular", least, t->s[0]);
    }
    w_root_copy_in(m->b, t->right);
    memset(t->turned, 0, (size_t)(r * k) * sizeof *t->turned);
    status = w_gemm(ctx, w_panel_best(8), r, k, high, 1, (w_operand){ m->dual ? t->u : t->v, high, 1 }, (w_operand){ t->right, high, 1 },
                    t->turned, r);
    const double outside = !m->dual && rows < cols ? pow(m->ridge, -1.0 / m->p) : 0;
    scale(m, t, outside);
    memset(z, 0, (size_t)(cols * k) * sizeof *z);
    for (int64_t i = 0; outside > 0 && i < cols * k; i++) {
        z[i] = outside * t->right[i];
    }
    if (status >= 0) {
        status = w_gemm(ctx, w_panel_best(8), cols, k, r, 1, (w_operand){ t->v, 1, cols }, (w_operand){ t->turned, r, 1 }, z, cols);
    }
    if (status >= 0) {
        judge(m, t, z, least, stats);
        status = stats->bound <= m->tolerance ? WEIR_OK : WEIR_NOT_CONVERGED;
    }
    return status;
}

weir_status w_root_gram_qr(weir_ctx *ctx, const w_root_gram *m, double *z, weir_root_stats *stats)
{
    w_scratch s = { 0 };
    pieces t = take(m, &s);
    weir_status status = run(ctx, m, &t, NULL, NULL, &s);
    const int64_t bytes = w_scratch_bytes(&s);
    if (status < 0 || bytes == INT64_MAX) {
        return status < 0 ? status : w_fail(ctx, WEIR_E_MEMORY, "the matrix is larger than any memory");
    }
    char *room = w_alloc(ctx, "root", (size_t)bytes);
    if (!room) {
        return w_alloc_status(ctx);
    }
    s = (w_scratch){ room, 0 };
    t = take(m, &s);
    status = run(ctx, m, &t, z, stats, &s);
    w_free(ctx, room);
    return status;
}
