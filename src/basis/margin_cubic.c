/* SPDX-License-Identifier: Apache-2.0 */
/* Cubic regression splines by function values at knots: cr, cs (shrinkage), cc (cyclic).
 *
 * With knots x_0 < … < x_{k-1}, spacings h_i, coefficients b_i = f(x_i) and second derivatives d_i = f''(x_i):
 *     B d = D b,   D: second divided differences (1/h_{i-1}, -(1/h_{i-1} + 1/h_i), 1/h_i),
 *                  B: tridiagonal ((h_{i-1} + h_i)/3 on, h_i/6 off the diagonal),
 * over the inner knots with d_0 = d_{k-1} = 0 (natural), or over all with wrapped indices (cyclic; k knots, k-1
 * coefficients). F = B^{-1}D gives d = F b and the penalty  integral f''^2 = b'D'F b.
 * On an interval of width h the Bernstein coefficients are
 *     b_0,  (2b_0 + b_1)/3 - h^2(2d_0 + d_1)/18,  (b_0 + 2b_1)/3 - h^2(d_0 + 2d_1)/18,  b_1.
 * cs: the two null eigenvalues of the penalty become e/10 and e/100, e the smallest positive one. The null
 * space holds the straight lines; e/100 goes to the line that vanishes at the first knot, e/10 to the direction
 * orthogonal to it. (An eigenvalue routine gives these two vectors, in an order that rounding decides; here the
 * order is fixed.)
 * Everything is computed for knots scaled to [0, 1]; the penalty is multiplied by range^-3 at the end.
 * Wood (2017), Generalized Additive Models, 5.3.1-5.3.2. */
#include <math.h>
#include <string.h>
#include "base/blas.h"
#include "base/size.h"
#include "basis/parts.h"

typedef struct spline {
    int64_t knots, k;
    bool cyclic;
    double *h;          /* knots - 1 relative spacings */
    double *second;     /* F, k x k: second derivatives at the knots of the coefficients' knots */
    double *difference; /* D with zero rows for the natural ends, k x k */
} spline;

static void fill_differences(const spline *s)
{
    int64_t k = s->k, first = s->cyclic ? 0 : 1, end = s->cyclic ? k : k - 1;
    for (int64_t i = first; i < end; i++) {
        int64_t before = (i + k - 1) % k, after = (i + 1) % k;
        double left = 1 / s->h[s->cyclic ? before : i - 1], right = 1 / s->h[i];
        s->difference[i * k + before] += left;
        s->difference[i * k + i] -= left + right;
        s->difference[i * k + after] += right;
    }
}

/* F by elimination on the tridiagonal, diagonally dominant B: no pivoting is needed. */
static weir_status solve_natural(w_arena *work, const spline *s)
{
    int64_t k = s->k;
    double *pivot = w_arena_alloc(work, (size_t)k, sizeof *pivot);
    if (!pivot)
        return w_alloc_status(work->ctx);
    memcpy(s->second, s->difference, (size_t)(k * k) * sizeof(double));
    for (int64_t i = 1; i < k - 1; i++) {
        pivot[i] = (s->h[i - 1] + s->h[i]) / 3;
        if (i == 1)
            continue;
        double off = s->h[i - 1] / 6, factor = off / pivot[i - 1];
        pivot[i] -= factor * off;
        for (int64_t j = 0; j < k; j++)
            s->second[i * k + j] -= factor * s->second[(i - 1) * k + j];
    }
    for (int64_t i = k - 2; i >= 1; i--) {
        double off = i < k - 2 ? s->h[i] / 6 : 0;
        for (int64_t j = 0; j < k; j++)
            s->second[i * k + j] = (s->second[i * k + j] - off * s->second[(i + 1) * k + j]) / pivot[i];
    }
    return WEIR_OK;
}

static weir_status solve_cyclic(w_arena *work, const spline *s)
{
    int64_t k = s->k;
    w_blas_int order = w_narrow(k), info;
    double *b = w_arena_calloc(work, w_mul_size((size_t)k, (size_t)k), sizeof *b);
    if (!b)
        return w_alloc_status(work->ctx);
    for (int64_t i = 0; i < k; i++) {
        int64_t before = (i + k - 1) % k, after = (i + 1) % k;
        b[i * k + i] += (s->h[before] + s->h[i]) / 3;
        b[i * k + after] += s->h[i] / 6;
        b[i * k + before] += s->h[before] / 6;
    }
    /* D is symmetric for k > 2, but its columns are wanted in row-major order: solve with D' and transpose. */
    double *column = w_arena_alloc(work, w_mul_size((size_t)k, (size_t)k), sizeof *column);
    if (!column)
        return w_alloc_status(work->ctx);
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < k; j++)
            column[j * k + i] = s->difference[i * k + j];
    }
    W_BLAS_SERIAL;
    dpotrf_("L", &order, b, &order, &info);
    if (info)
        return w_fail(work->ctx, WEIR_E_NUMERIC, "the knots of a cyclic spline are too close together");
    dpotrs_("L", &order, &order, b, &order, column, &order, &info);
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < k; j++)
            s->second[i * k + j] = column[j * k + i];
    }
    return WEIR_OK;
}

static void fill_maps(const spline *s, w_margin *out)
{
    int64_t k = s->k;
    for (int64_t c = 0; c < s->knots - 1; c++) {
        double *map = out->map + c * 4 * k, hh = s->h[c] * s->h[c] / 18;
        int64_t next = s->cyclic ? (c + 1) % k : c + 1;
        const double *d0 = s->second + c * k, *d1 = s->second + next * k;
        for (int64_t j = 0; j < k; j++) {
            map[k + j] = -hh * (2 * d0[j] + d1[j]);
            map[2 * k + j] = -hh * (d0[j] + 2 * d1[j]);
        }
        map[c] += 1;
        map[k + c] += 2.0 / 3;
        map[k + next] += 1.0 / 3;
        map[2 * k + c] += 1.0 / 3;
        map[2 * k + next] += 2.0 / 3;
        map[3 * k + next] += 1;
    }
}

static weir_status shrink(const spline *s, w_arena *work, w_margin *out)
{
    int64_t k = out->k;
    double *vectors = w_arena_alloc(work, w_mul_size((size_t)k, (size_t)k), sizeof *vectors);
    double *value = w_arena_alloc(work, (size_t)k, sizeof *value);
    double *linear = w_arena_alloc(work, (size_t)k, sizeof *linear),
           *rest = w_arena_alloc(work, (size_t)k, sizeof *rest);
    if (!vectors || !value || !linear || !rest)
        return w_alloc_status(work->ctx);
    memcpy(vectors, out->penalty, (size_t)(k * k) * sizeof *vectors);
    weir_status status = w_small_eigen(work, k, vectors, value);
    if (status)
        return status;
    double sum = 0, squares = 0, rest_squares = 0;
    linear[0] = 0;
    for (int64_t i = 1; i < k; i++) {
        linear[i] = linear[i - 1] + s->h[i - 1];
        sum += linear[i];
        squares += linear[i] * linear[i];
    }
    for (int64_t i = 0; i < k; i++) {
        rest[i] = 1 - linear[i] * sum / squares;
        rest_squares += rest[i] * rest[i];
    }
    double a = 0.1 * value[2] / rest_squares, b = 0.01 * value[2] / squares;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < k; j++)
            out->penalty[i * k + j] += a * (rest[i] * rest[j]) + b * (linear[i] * linear[j]);
    }
    out->rank = k;
    return WEIR_OK;
}

static weir_status place_knots(const w_margin_input *in, bool cyclic, double *knot)
{
    const w_distinct *d = in->distinct;
    if (in->spec->knot_count == 0) {
        w_distinct_quantiles(d, in->k, knot);
        return WEIR_OK;
    }
    if (in->spec->knot_count == in->k) {
        memcpy(knot, in->knot, (size_t)in->k * sizeof *knot);
        if (cyclic && (d->value[0] < knot[0] || d->value[d->count - 1] > knot[in->k - 1]))
            return w_fail(in->work->ctx, WEIR_E_FORMULA, "%s: the knots must enclose the data (%g to %g)",
                          in->label, d->value[0], d->value[d->count - 1]);
        return WEIR_OK;
    }
    if (!cyclic || in->spec->knot_count != 2)
        return w_fail(in->work->ctx, WEIR_E_FORMULA, "%s: %lld knots given for k = %lld; give %s", in->label,
                      (long long)in->spec->knot_count, (long long)in->k, cyclic ? "2 or k knots" : "k knots");
    if (d->value[0] < in->knot[0] || d->value[d->count - 1] > in->knot[1])
        return w_fail(in->work->ctx, WEIR_E_FORMULA, "%s: the end knots must enclose the data (%g to %g)",
                      in->label, d->value[0], d->value[d->count - 1]);
    w_distinct with_ends = {.value = w_arena_alloc(in->work, (size_t)d->count + 2, sizeof(double))};
    if (!with_ends.value)
        return w_alloc_status(in->work->ctx);
    if (in->knot[0] < d->value[0])
        with_ends.value[with_ends.count++] = in->knot[0];
    memcpy(with_ends.value + with_ends.count, d->value, (size_t)d->count * sizeof(double));
    with_ends.count += d->count;
    if (in->knot[1] > d->value[d->count - 1])
        with_ends.value[with_ends.count++] = in->knot[1];
    w_distinct_quantiles(&with_ends, in->k, knot);
    return WEIR_OK;
}

static weir_status fill_penalty(w_arena *work, const spline *s, double range, w_margin *out)
{
    int64_t k = s->k;
    double *product = w_arena_alloc(work, w_mul_size((size_t)k, (size_t)k), sizeof *product);
    double *transposed = w_arena_alloc(work, w_mul_size((size_t)k, (size_t)k), sizeof *transposed);
    if (!product || !transposed)
        return w_alloc_status(work->ctx);
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < k; j++)
            transposed[j * k + i] = s->difference[i * k + j];
    }
    weir_status status = w_small_multiply(work->ctx, k, k, k, transposed, s->second, product);
    double unit = 1 / (range * range * range);
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j <= i; j++)
            out->penalty[i * k + j] = out->penalty[j * k + i] =
                0.5 * (product[i * k + j] + product[j * k + i]) * unit;
    }
    return status;
}

weir_status w_margin_cubic(const w_margin_input *in, w_margin *out)
{
    bool cyclic = in->spec->basis == W_BASIS_CC;
    spline s = {.knots = in->k, .k = cyclic ? in->k - 1 : in->k, .cyclic = cyclic};
    w_margin margin = {
        .kind = in->spec->basis, .k = s.k, .break_count = in->k, .cyclic = cyclic, .knot_count = in->k};
    size_t square = w_mul_size((size_t)s.k, (size_t)s.k);
    weir_status status = w_margin_allocate(in->arena, &margin);
    if (status)
        return status;
    margin.penalty = w_arena_calloc(in->arena, square, sizeof(double));
    s.h = w_arena_alloc(in->work, (size_t)in->k, sizeof(double));
    s.second = w_arena_calloc(in->work, square, sizeof(double));
    s.difference = w_arena_calloc(in->work, square, sizeof(double));
    if (!margin.penalty || !s.h || !s.second || !s.difference)
        return w_alloc_status(in->work->ctx);
    margin.knot = margin.break_point;
    status = place_knots(in, cyclic, margin.knot);
    if (status)
        return status;
    double range = margin.knot[in->k - 1] - margin.knot[0];
    for (int64_t i = 0; i + 1 < in->k; i++) {
        s.h[i] = (margin.knot[i + 1] - margin.knot[i]) / range;
        if (!(s.h[i] > 0))
            return w_fail(in->work->ctx, in->spec->knot_count ? WEIR_E_FORMULA : WEIR_E_DATA,
                          "%s: two knots coincide at %.17g; lower k", in->label, margin.knot[i]);
    }
    fill_differences(&s);
    status = cyclic ? solve_cyclic(in->work, &s) : solve_natural(in->work, &s);
    if (!status)
        status = fill_penalty(in->work, &s, range, &margin);
    if (status)
        return status;
    fill_maps(&s, &margin);
    margin.rank = cyclic ? s.k - 1 : s.k - 2;
    if (in->spec->basis == W_BASIS_CS)
        status = shrink(&s, in->work, &margin);
    if (!status)
        status = w_margin_finish(in->arena, &margin);
    if (!status)
        *out = margin;
    return status;
}
