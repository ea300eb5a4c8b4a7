/* SPDX-License-Identifier: Apache-2.0 */
/* Extreme eigenpairs of a symmetric matrix, of the cubic kernel above all, by Lanczos with full reorthogonalization.
 *
 * Product with the kernel. y_j = (1/12) sum_i v_i |x_i - x_j|^3 from running moments M_p = sum_{i<j} v_i (x_j - x_i)^p for p of
 * 0 to 3, which move from x_j to x_j + h by the binomial theorem (only positive powers: no cancellation beyond
 * that of the v_i), once from the left and once from the right. About 30 n flops; E itself (n^2 numbers) is
 * never formed.
 *
 * Iteration. V_m'EV_m = T_m (tridiagonal) with eigenpairs (theta, s): the residual of (theta, V_m s) is
 * |beta_m s_m|. The iteration ends when the k largest |theta| have residuals below eps |theta_1|, or at m = n.
 * A vanishing beta starts again from a random vector orthogonal to what is there. The eigenvalues fall like
 * i^-4, so m is about 2k + 20. Work 4 n m^2 flops, memory m n doubles.
 *
 * Parlett (1998), The Symmetric Eigenvalue Problem, ch. 13. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "base/blas.h"
#include "base/rng.h"
#include "base/size.h"
#include "basis/parts.h"
#include "basis/top_eigen.h"

#define CHECK_EVERY 8

typedef struct lanczos {
    w_arena *work;
    int64_t n, steps, capacity;
    w_apply_fn apply;
    const void *matrix;
    double *v;            /* capacity x n */
    double *alpha, *beta; /* capacity */
    double *project;      /* capacity */
    w_rng rng;
} lanczos;

static void apply_kernel(const void *matrix, int64_t n, const double *v, double *y)
{
    const double *x = matrix;
    double m0 = 0, m1 = 0, m2 = 0, m3 = 0;
    for (int64_t j = 0; j < n; j++) {
        if (j > 0) {
            double h = x[j] - x[j - 1];
            m0 += v[j - 1];
            m3 += h * (3 * m2 + h * (3 * m1 + h * m0));
            m2 += h * (2 * m1 + h * m0);
            m1 += h * m0;
        }
        y[j] = m3;
    }
    m0 = m1 = m2 = m3 = 0;
    for (int64_t j = n - 2; j >= 0; j--) {
        double h = x[j + 1] - x[j];
        m0 += v[j + 1];
        m3 += h * (3 * m2 + h * (3 * m1 + h * m0));
        m2 += h * (2 * m1 + h * m0);
        m1 += h * m0;
        y[j] += m3;
    }
    for (int64_t j = 0; j < n; j++)
        y[j] /= 12;
}

static double norm_of(int64_t n, const double *v)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += v[i] * v[i];
    return sqrt(sum);
}

/* w <- (I - VV')w, twice. */
static void orthogonalize(lanczos *l, double *w)
{
    const double one = 1, minus = -1, zero = 0;
    w_blas_int n = w_narrow(l->n), m = w_narrow(l->steps), unit = 1;
    if (m == 0)
        return;
    for (int pass = 0; pass < 2; pass++) {
        dgemv_("T", &n, &m, &one, l->v, &n, w, &unit, &zero, l->project, &unit);
        dgemv_("N", &n, &m, &minus, l->v, &n, l->project, &unit, &one, w, &unit);
    }
}

static void random_direction(lanczos *l, double *w)
{
    for (int64_t i = 0; i < l->n; i++)
        w[i] = w_rng_normal(&l->rng);
    orthogonalize(l, w);
    double norm = norm_of(l->n, w);
    for (int64_t i = 0; i < l->n; i++)
        w[i] /= norm;
}

static weir_status grow(lanczos *l, int64_t capacity)
{
    double *v = w_arena_alloc(l->work, w_mul_size((size_t)capacity, (size_t)l->n), sizeof *v);
    double *scalars = w_arena_alloc(l->work, w_mul_size((size_t)capacity, 3), sizeof *scalars);
    if (!v || !scalars)
        return w_alloc_status(l->work->ctx);
    if (l->steps > 0) {
        memcpy(v, l->v, (size_t)(l->steps * l->n) * sizeof *v);
        memcpy(scalars, l->alpha, (size_t)l->steps * sizeof *v);
        memcpy(scalars + capacity, l->beta, (size_t)l->steps * sizeof *v);
    }
    l->v = v;
    l->alpha = scalars;
    l->beta = scalars + capacity;
    l->project = scalars + 2 * capacity;
    l->capacity = capacity;
    return WEIR_OK;
}

/* Adds vector number `steps`, its alpha and the beta to the next vector, which is left in `next` (unit length). */
static void advance(lanczos *l, double *next)
{
    int64_t n = l->n, m = l->steps;
    double *v = l->v + m * n;
    memcpy(v, next, (size_t)n * sizeof *v);
    l->apply(l->matrix, n, v, next);
    double alpha = 0;
    for (int64_t i = 0; i < n; i++)
        alpha += v[i] * next[i];
    l->alpha[m] = alpha;
    l->steps = m + 1;
    orthogonalize(l, next);
    double beta = norm_of(n, next);
    if (l->steps == n || beta < DBL_EPSILON * DBL_EPSILON) {
        l->beta[m] = 0;
        if (l->steps < n)
            random_direction(l, next);
        return;
    }
    l->beta[m] = beta;
    for (int64_t i = 0; i < n; i++)
        next[i] /= beta;
}

/* Eigenpairs of T (rows of t); order[0 … steps-1] sorts by descending |theta|. */
static weir_status solve_tridiagonal(lanczos *l, double *t, double *theta, int64_t *order)
{
    int64_t m = l->steps;
    memset(t, 0, (size_t)(m * m) * sizeof *t);
    for (int64_t i = 0; i < m; i++) {
        t[i * m + i] = l->alpha[i];
        if (i + 1 < m)
            t[i * m + i + 1] = t[(i + 1) * m + i] = l->beta[i];
    }
    w_arena scratch;
    w_arena_init(&scratch, l->work->ctx, "smooth set-up");
    weir_status status = w_small_eigen(&scratch, m, t, theta);
    w_arena_free(&scratch);
    int64_t low = 0, high = m - 1;
    for (int64_t i = 0; i < m; i++)
        order[i] = fabs(theta[high]) >= fabs(theta[low]) ? high-- : low++;
    return status;
}

static bool converged(const lanczos *l, int64_t k, const double *t, const double *theta, const int64_t *order)
{
    int64_t m = l->steps;
    if (m == l->n)
        return true;
    for (int64_t i = 0; i < k; i++) {
        if (fabs(l->beta[m - 1] * t[order[i] * m + m - 1]) > DBL_EPSILON * fabs(theta[order[0]]))
            return false;
    }
    return true;
}

static weir_status collect(lanczos *l, int64_t k, const double *t, const double *theta, const int64_t *order,
                           double *u, double *eigenvalue)
{
    int64_t m = l->steps, found = 0;
    double *chosen = w_arena_alloc(l->work, w_mul_size((size_t)k, (size_t)m), sizeof *chosen);
    bool *wanted = w_arena_calloc(l->work, (size_t)m, sizeof *wanted);
    if (!chosen || !wanted)
        return w_alloc_status(l->work->ctx);
    for (int64_t i = 0; i < k; i++)
        wanted[order[i]] = true;
    for (int64_t i = m - 1; i >= 0; i--) {
        if (!wanted[i])
            continue;
        memcpy(chosen + found * m, t + i * m, (size_t)m * sizeof *chosen);
        eigenvalue[found++] = theta[i];
    }
    return w_small_multiply(l->work->ctx, k, m, l->n, chosen, l->v, u);
}

static weir_status iterate(lanczos *l, int64_t k, double *u, double *eigenvalue)
{
    double *next = w_arena_alloc(l->work, (size_t)l->n, sizeof *next), *t = NULL, *theta = NULL;
    int64_t *order = NULL;
    if (!next)
        return w_alloc_status(l->work->ctx);
    random_direction(l, next);
    for (;;) {
        if (l->steps == l->capacity || !t) {
            weir_status status = t ? grow(l, w_min64(l->n, 2 * l->capacity)) : WEIR_OK;
            t = w_arena_alloc(l->work, w_mul_size((size_t)l->capacity, (size_t)l->capacity), sizeof *t);
            theta = w_arena_alloc(l->work, (size_t)l->capacity, sizeof *theta);
            order = w_arena_alloc(l->work, (size_t)l->capacity, sizeof *order);
            if (status || !t || !theta || !order)
                return w_alloc_status(l->work->ctx);
        }
        advance(l, next);
        bool full = l->steps == l->n;
        if (!full && (l->steps < k + CHECK_EVERY || l->steps % CHECK_EVERY != 0))
            continue;
        weir_status status = solve_tridiagonal(l, t, theta, order);
        if (status)
            return status;
        if (converged(l, k, t, theta, order))
            return collect(l, k, t, theta, order, u, eigenvalue);
    }
}

weir_status w_top_eigen(w_arena *work, int64_t n, int64_t k, w_apply_fn apply, const void *matrix, double *u,
                        double *eigenvalue)
{
    lanczos l = {.work = work, .n = n, .apply = apply, .matrix = matrix};
    w_rng_seed(&l.rng, 2);
    W_BLAS_SERIAL;
    weir_status status = grow(&l, w_min64(n, 3 * k + 48));
    if (!status)
        status = iterate(&l, k, u, eigenvalue);
    return status;
}

weir_status w_top_eigen_cubic_kernel(w_arena *work, int64_t n, const double *x, int64_t k, double *u,
                                     double *eigenvalue)
{
    return w_top_eigen(work, n, k, apply_kernel, x, u, eigenvalue);
}
