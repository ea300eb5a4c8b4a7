/* SPDX-License-Identifier: Apache-2.0 */
/* Thin plate regression splines of one covariate: tp and ts (shrinkage).
 *
 * With the distinct covariate values x_1 < … < x_n (a fixed-seed sample of 2000 if there are more), centred at
 * the mean of the data, the kernel r^3/12 gives E_ij = |x_i - x_j|^3/12 and T = [1 x]. The k eigenpairs of E of
 * largest |eigenvalue| are U (n x k), D; T'U d = 0 is absorbed by d = Z d', Z = null basis of T'U. Then
 *     f(x) = sum_i (U Z d')_i |x - x_i|^3/12 + a_0 + a_1 x,   f at the x_i: U D Z d' + T a,
 *     S = blockdiag(Z'DZ, 0),
 * and every column is scaled to a mean square of 1 over the data. ts gives the null space 0.1 of the smallest
 * positive eigenvalue.
 *
 * Local form. Because T'UZ = 0, f is a natural cubic spline with knots x_i: cubic between neighbours, linear
 * outside. Its second derivative at x_j is sum_{i<j} u_i (x_j - x_i), a running sum. From values and second
 * derivatives at both ends of an interval follow the Bernstein coefficients (margin_cubic.c), so a row costs
 * the same as for any other spline, whatever n is.
 *
 * All is computed for x scaled to [0, 1]: the columns are the same after their scaling, and S is range^-3 times
 * what it was. The eigenpairs are ordered by descending eigenvalue and Z is made of reflections to the last
 * axis, first for the constant, then for x: the individual columns, and with them the size of S, depend on this.
 *
 * Wood (2003), Journal of the Royal Statistical Society B 65; Wood (2017), 5.5.1. */
#include <math.h>
#include <string.h>
#include "base/blas.h"
#include "base/rng.h"
#include "base/size.h"
#include "basis/parts.h"
#include "basis/top_eigen.h"

#define MOST_POINTS 2000

typedef struct plate {
    int64_t n, k, free; /* points, coefficients, k - 2 */
    double *x;          /* relative to the first point, in units of the range */
    double *u;          /* k x n eigenvectors, one per row */
    double *eigenvalue; /* k */
    double *z;          /* k x free */
    double *weight;     /* free x n: rows of (U Z)' */
    double *value;      /* free x n: rows of (U D Z)' */
} plate;

static weir_status choose_points(const w_margin_input *in, int64_t *count, const double **point)
{
    const w_distinct *d = in->distinct;
    if (in->spec->knot_count > 0) {
        if (in->spec->knot_count < in->k)
            return w_fail(in->work->ctx, WEIR_E_FORMULA, "%s: %lld knots given for k = %lld; give at least k",
                          in->label, (long long)in->spec->knot_count, (long long)in->k);
        *count = in->spec->knot_count;
        *point = in->knot;
        return WEIR_OK;
    }
    *count = d->count;
    *point = d->value;
    if (d->count <= MOST_POINTS)
        return WEIR_OK;
    int64_t *index = w_arena_alloc(in->work, MOST_POINTS, sizeof *index);
    double *chosen = w_arena_alloc(in->work, MOST_POINTS, sizeof *chosen);
    if (!index || !chosen)
        return w_alloc_status(in->work->ctx);
    w_rng rng;
    w_rng_seed(&rng, 1);
    w_rng_sample(&rng, d->count, MOST_POINTS, index);
    for (int64_t i = 0; i < MOST_POINTS; i++)
        chosen[i] = d->value[index[i]];
    *count = MOST_POINTS;
    *point = chosen;
    return WEIR_OK;
}

static weir_status allocate(w_arena *work, plate *p)
{
    size_t n = (size_t)p->n, k = (size_t)p->k, f = (size_t)p->free;
    p->x = w_arena_alloc(work, n, sizeof(double));
    p->u = w_arena_alloc(work, w_mul_size(n, k), sizeof(double));
    p->eigenvalue = w_arena_alloc(work, k, sizeof(double));
    p->z = w_arena_alloc(work, w_mul_size(k, f), sizeof(double));
    p->weight = w_arena_alloc(work, w_mul_size(n, f), sizeof(double));
    p->value = w_arena_alloc(work, w_mul_size(n, f), sizeof(double));
    return p->x && p->u && p->eigenvalue && p->z && p->weight && p->value ? WEIR_OK : w_alloc_status(work->ctx);
}

/* Z: null basis of the two columns of U'T, by one reflection after the other. */
static weir_status absorb_polynomials(w_arena *work, plate *p)
{
    int64_t n = p->n, k = p->k;
    double *one = w_arena_alloc(work, (size_t)k, sizeof *one),
           *linear = w_arena_alloc(work, (size_t)k, sizeof *linear);
    double *first = w_arena_alloc(work, w_mul_size((size_t)k, (size_t)k - 1), sizeof *first);
    double *second = w_arena_alloc(work, w_mul_size((size_t)k - 1, (size_t)k - 2), sizeof *second);
    double *transposed = w_arena_alloc(work, w_mul_size((size_t)k, (size_t)p->free), sizeof *transposed);
    double *scaled = w_arena_alloc(work, w_mul_size((size_t)n, (size_t)k), sizeof *scaled);
    if (!one || !linear || !first || !second || !transposed || !scaled)
        return w_alloc_status(work->ctx);
    for (int64_t j = 0; j < k; j++) {
        one[j] = linear[j] = 0;
        for (int64_t i = 0; i < n; i++) {
            one[j] += p->u[j * n + i];
            linear[j] += p->u[j * n + i] * (p->x[i] - 0.5);
            scaled[j * n + i] = p->u[j * n + i] * p->eigenvalue[j];
        }
    }
    w_small_null_basis(k, one, true, first);
    double *reflected = one;
    for (int64_t j = 0; j + 1 < k; j++) {
        double sum = 0;
        for (int64_t i = 0; i < k; i++)
            sum += first[i * (k - 1) + j] * linear[i];
        reflected[j] = sum;
    }
    w_small_null_basis(k - 1, reflected, true, second);
    weir_status status = w_small_multiply(work->ctx, k, k - 1, p->free, first, second, p->z);
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < p->free; j++)
            transposed[j * k + i] = p->z[i * p->free + j];
    }
    if (!status)
        status = w_small_multiply(work->ctx, p->free, k, n, transposed, p->u, p->weight);
    if (!status)
        status = w_small_multiply(work->ctx, p->free, k, n, transposed, scaled, p->value);
    return status;
}

/* The maps of all intervals for column j: values f and second derivatives from the weights u. */
static void fill_column(const plate *p, int64_t j, w_margin *out)
{
    int64_t k = out->k;
    const double *f = p->value + j * p->n, *u = p->weight + j * p->n, *x = p->x;
    double slope = 0, bend = 0; /* slope of f'' in the interval, f'' at its left end */
    for (int64_t c = 0; c + 1 < p->n; c++) {
        double h = x[c + 1] - x[c], hh = h * h / 18, *map = out->map + c * 4 * k + j;
        slope += u[c];
        double next = bend + slope * h;
        map[0] = f[c];
        map[k] = (2 * f[c] + f[c + 1]) / 3 - hh * (2 * bend + next);
        map[2 * k] = (f[c] + 2 * f[c + 1]) / 3 - hh * (bend + 2 * next);
        map[3 * k] = f[c + 1];
        bend = next;
    }
}

static void fill_polynomials(const plate *p, double origin, double range, w_margin *out)
{
    int64_t k = out->k;
    for (int64_t c = 0; c + 1 < p->n; c++) {
        for (int r = 0; r < 4; r++) {
            double *map = out->map + (c * 4 + r) * k;
            map[k - 2] = 1;
            map[k - 1] = origin + range * (p->x[c] + (p->x[c + 1] - p->x[c]) * r / 3);
        }
    }
}

static weir_status fill_penalty(w_arena *work, const plate *p, double range, w_margin *out)
{
    int64_t k = p->k, f = p->free;
    double *diagonal = w_arena_calloc(work, w_mul_size((size_t)k, (size_t)k), sizeof *diagonal);
    double *block = w_arena_alloc(work, w_mul_size((size_t)f, (size_t)f), sizeof *block);
    if (!diagonal || !block)
        return w_alloc_status(work->ctx);
    for (int64_t j = 0; j < k; j++)
        diagonal[j * k + j] = p->eigenvalue[j];
    weir_status status = w_small_congruence(work, k, f, p->z, diagonal, block);
    for (int64_t i = 0; i < f; i++) {
        for (int64_t j = 0; j < f; j++)
            out->penalty[i * k + j] = block[i * f + j] / (range * range * range);
    }
    out->rank = f;
    return status;
}

/* Columns to mean square 1 over the data. */
static weir_status scale_columns(const w_margin_input *in, w_margin *out)
{
    enum { TILE = 256 };
    int64_t k = out->k;
    double *square = w_arena_calloc(in->work, (size_t)k, sizeof *square),
           *row = w_arena_alloc(in->work, (size_t)k, sizeof *row);
    if (!square || !row)
        return w_alloc_status(in->work->ctx);
    int32_t cell[TILE];
    double value[TILE * 4];
    for (int64_t start = 0; start < in->rows; start += TILE) {
        int64_t count = w_min64(TILE, in->rows - start);
        w_margin_eval(out, in->x + start, count, cell, value);
        for (int64_t i = 0; i < count; i++) {
            const double *map = out->map + cell[i] * 4 * k, *v = value + 4 * i;
            for (int64_t j = 0; j < k; j++) {
                double entry = v[0] * map[j] + v[1] * map[k + j] + v[2] * map[2 * k + j] + v[3] * map[3 * k + j];
                square[j] += entry * entry;
            }
        }
    }
    for (int64_t j = 0; j < k; j++) {
        double scale = sqrt((double)in->rows / square[j]);
        if (!isfinite(scale) || scale == 0)
            return w_fail(in->work->ctx, WEIR_E_DATA,
                          "%s: the range of the covariate is too small or too large; rescale it", in->label);
        for (int64_t i = 0; i < out->cells * 4; i++)
            out->map[i * k + j] *= scale;
        for (int64_t i = 0; i < k; i++)
            out->penalty[i * k + j] *= scale;
        for (int64_t i = 0; i < k; i++)
            out->penalty[j * k + i] *= scale;
    }
    return WEIR_OK;
}

static weir_status shrink(w_arena *work, w_margin *out)
{
    int64_t k = out->k, f = k - 2;
    double *block = w_arena_alloc(work, w_mul_size((size_t)f, (size_t)f), sizeof *block);
    double *value = w_arena_alloc(work, (size_t)k, sizeof *value);
    if (!block || !value)
        return w_alloc_status(work->ctx);
    for (int64_t i = 0; i < f; i++)
        memcpy(block + i * f, out->penalty + i * k, (size_t)f * sizeof *block);
    weir_status status = w_small_eigenvalues(work, f, block, value);
    if (status)
        return status;
    out->penalty[(k - 2) * k + k - 2] = out->penalty[(k - 1) * k + k - 1] = 0.1 * value[0];
    out->rank = k;
    return WEIR_OK;
}

static weir_status build_plate(const w_margin_input *in, const double *point, plate *p)
{
    double range = point[p->n - 1] - point[0];
    weir_status status = allocate(in->work, p);
    if (status)
        return status;
    for (int64_t i = 0; i < p->n; i++)
        p->x[i] = (point[i] - point[0]) / range;
    status = w_top_eigen_cubic_kernel(in->work, p->n, p->x, p->k, p->u, p->eigenvalue);
    if (!status)
        status = absorb_polynomials(in->work, p);
    return status;
}

weir_status w_margin_thinplate(const w_margin_input *in, w_margin *out)
{
    const w_margin_spec *spec = in->spec;
    if ((spec->m_count > 0 && spec->m[0] != 2 && spec->m[0] != 0) || (spec->m_count > 1 && spec->m[1] != 0))
        return w_fail(in->work->ctx, WEIR_E_FORMULA, "%s: %s supports m = 2 (second derivatives) only", in->label,
                      w_basis_name(spec->basis));
    const double *point = NULL;
    plate p = {.k = in->k, .free = in->k - 2};
    weir_status status = choose_points(in, &p.n, &point);
    if (status)
        return status;
    for (int64_t i = 0; i + 1 < p.n; i++) {
        if (!(point[i + 1] > point[i]))
            return w_fail(in->work->ctx, WEIR_E_FORMULA, "%s: two knots coincide at %.17g", in->label, point[i]);
    }
    w_margin margin = {.kind = spec->basis, .k = in->k, .break_count = p.n, .knot_count = p.n};
    status = w_margin_allocate(in->arena, &margin);
    if (status)
        return status;
    margin.penalty = w_arena_calloc(in->arena, w_mul_size((size_t)in->k, (size_t)in->k), sizeof(double));
    if (!margin.penalty)
        return w_alloc_status(in->arena->ctx);
    memcpy(margin.break_point, point, (size_t)p.n * sizeof *point);
    margin.knot = margin.break_point;
    status = build_plate(in, point, &p);
    if (status)
        return status;
    for (int64_t j = 0; j < p.free; j++)
        fill_column(&p, j, &margin);
    fill_polynomials(&p, point[0] - in->distinct->mean, point[p.n - 1] - point[0], &margin);
    status = fill_penalty(in->work, &p, point[p.n - 1] - point[0], &margin);
    if (!status)
        status = w_margin_finish(in->arena, &margin);
    if (!status)
        status = scale_columns(in, &margin);
    if (!status && spec->basis == W_BASIS_TS)
        status = shrink(in->work, &margin);
    if (!status)
        *out = margin;
    return status;
}
