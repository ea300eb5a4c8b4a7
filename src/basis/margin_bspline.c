/* SPDX-License-Identifier: Apache-2.0 */
/* P-splines: ps (B-splines of degree d = m_0 + 1 with a difference penalty of order m_1) and cp (cyclic).
 *
 * ps: the range is widened by 0.1 % at both ends to [l, u]; k - d + 1 equispaced breaks l … u are continued d
 * steps to both sides, which makes k + d + 1 knots. cp: k + 1 equispaced knots from end to end, continued with
 * the period; k functions. Penalty |D_q b|^2 with the q-th differences D_q (wrapped for cp): integers, exact.
 * Beyond [l, u] ps continues linearly.
 *
 * Local form. On [t_j, t_{j+1}] the spline of control points c_{j-d} … c_j has Bernstein coefficients
 *     f(t_j, …, t_j, t_{j+1}, …, t_{j+1})   (r times t_{j+1}, d - r times t_j),  r = 0 … d,
 * where f is its blossom, computed by de Boor's recursion with one argument per step; degree elevation makes
 * them cubic. Eilers & Marx (1996), Statistical Science 11; Ramshaw (1989), Computer Aided Geometric Design 6;
 * Wood (2017), 5.3.3. */
#include <math.h>
#include <string.h>
#include "base/size.h"
#include "basis/parts.h"

#define MOST_DEGREE 3

/* Bernstein coefficients on [t[d], t[d+1]] of the control point `which` (0 … d); t holds 2d + 2 knots. */
static void bernstein_of_control(int degree, const double *t, int which, double out[MOST_DEGREE + 1])
{
    for (int r = 0; r <= degree; r++) {
        double c[MOST_DEGREE + 1] = {0};
        c[which] = 1;
        for (int step = 1; step <= degree; step++) {
            double u = step <= r ? t[degree + 1] : t[degree];
            for (int l = degree; l >= step; l--) {
                double left = t[l], right = t[l + degree - step + 1];
                c[l] = ((right - u) * c[l - 1] + (u - left) * c[l]) / (right - left);
            }
        }
        out[r] = c[degree];
    }
    for (int d = degree; d < MOST_DEGREE; d++) {
        double before[MOST_DEGREE + 1];
        memcpy(before, out, sizeof before);
        for (int r = 0; r <= d + 1; r++) {
            double a = (double)r / (d + 1);
            out[r] = (r > 0 ? a * before[r - 1] : 0) + (r <= d ? (1 - a) * before[r] : 0);
        }
    }
}

static void fill_maps(int degree, const double *knot, w_margin *out)
{
    int64_t k = out->k;
    for (int64_t c = 0; c < out->break_count - 1; c++) {
        for (int which = 0; which <= degree; which++) {
            double b[MOST_DEGREE + 1];
            bernstein_of_control(degree, knot + c, which, b);
            for (int r = 0; r < 4; r++)
                out->map[(c * 4 + r) * k + (c + which) % k] += b[r];
        }
    }
}

static void fill_penalty(int order, bool cyclic, w_margin *out)
{
    int64_t k = out->k, rows = cyclic ? k : k - order;
    double weight[64] = {1};
    for (int d = 1; d <= order; d++) {
        for (int i = d; i >= 0; i--)
            weight[i] = (i > 0 ? weight[i - 1] : 0) - (i < d ? weight[i] : 0);
    }
    for (int64_t row = 0; row < rows; row++) {
        for (int a = 0; a <= order; a++) {
            for (int b = 0; b <= order; b++)
                out->penalty[(row + a) % k * k + (row + b) % k] += weight[a] * weight[b];
        }
    }
    out->rank = cyclic ? (order > 0 ? k - 1 : k) : k - order;
}

static weir_status place_ends(const w_margin_input *in, double *lower, double *upper)
{
    const w_distinct *d = in->distinct;
    *lower = d->value[0];
    *upper = d->value[d->count - 1];
    if (in->spec->knot_count == 2) {
        if (in->knot[0] > *lower || in->knot[1] < *upper)
            return w_fail(in->work->ctx, WEIR_E_FORMULA, "%s: the end knots must enclose the data (%g to %g)",
                          in->label, *lower, *upper);
        *lower = in->knot[0];
        *upper = in->knot[1];
    }
    return WEIR_OK;
}

/* All knots, degree of them beyond each end of the breaks. */
static weir_status place_knots(const w_margin_input *in, int degree, bool cyclic, int64_t breaks, double *knot)
{
    int64_t given = in->spec->knot_count, count = breaks + 2 * degree, expected = cyclic ? breaks : count;
    if (given > 0 && given != 2 && given != expected)
        return w_fail(in->work->ctx, WEIR_E_FORMULA, "%s: %lld knots given; give the 2 ends or all %lld",
                      in->label, (long long)given, (long long)expected);
    double lower, upper;
    weir_status status = place_ends(in, &lower, &upper);
    if (status)
        return status;
    if (given == expected) {
        memcpy(knot + (cyclic ? degree : 0), in->knot, (size_t)given * sizeof *knot);
    } else {
        double margin = cyclic ? 0 : (upper - lower) * 0.001;
        lower -= margin;
        upper += margin;
        double step = (upper - lower) / (double)(breaks - 1), first = lower - step * degree;
        double last = upper + step * degree, even = (last - first) / (double)(count - 1);
        for (int64_t i = 0; i < count; i++)
            knot[i] = cyclic ? lower + (double)(i - degree) * step : first + (double)i * even;
        if (cyclic)
            knot[degree + breaks - 1] = upper;
    }
    if (cyclic) {
        double period = knot[degree + breaks - 1] - knot[degree];
        for (int i = 0; i < degree; i++) {
            knot[i] = knot[breaks - 1 + i] - period;
            knot[degree + breaks + i] = knot[degree + 1 + i] + period;
        }
    }
    const w_distinct *d = in->distinct;
    if (given == expected && cyclic && (d->value[0] < in->knot[0] || d->value[d->count - 1] > in->knot[given - 1]))
        return w_fail(in->work->ctx, WEIR_E_FORMULA, "%s: the knots must enclose the data (%g to %g)", in->label,
                      d->value[0], d->value[d->count - 1]);
    return WEIR_OK;
}

static weir_status check_orders(const w_margin_input *in, int degree, int order)
{
    if (degree < 1 || degree > MOST_DEGREE)
        return w_fail(in->work->ctx, WEIR_E_FORMULA,
                      "%s: m = %d asks for a spline of degree %d; %s takes m of 0, 1 or 2 "
                      "(degree 1 to 3)",
                      in->label, degree - 1, degree, w_basis_name(in->spec->basis));
    if (order < 0 || order >= in->k || order > 60)
        return w_fail(in->work->ctx, WEIR_E_FORMULA, "%s: a penalty of order %d does not fit k = %lld", in->label,
                      order, (long long)in->k);
    return WEIR_OK;
}

weir_status w_margin_bspline(const w_margin_input *in, w_margin *out)
{
    const w_margin_spec *spec = in->spec;
    bool cyclic = spec->basis == W_BASIS_CP;
    int degree = (spec->m_count > 0 ? spec->m[0] : 2) + 1;
    int order = spec->m_count > 1 ? spec->m[1] : degree - 1;
    weir_status status = check_orders(in, degree, order);
    if (status)
        return status;
    int64_t breaks = cyclic ? in->k + 1 : in->k - degree + 1, count = breaks + 2 * degree;
    w_margin margin = {.kind = spec->basis,
                       .k = in->k,
                       .break_count = breaks,
                       .cyclic = cyclic,
                       .knot_count = cyclic ? breaks : count};
    status = w_margin_allocate(in->arena, &margin);
    if (status)
        return status;
    double *knot = w_arena_alloc(in->arena, (size_t)count, sizeof *knot);
    margin.penalty = w_arena_calloc(in->arena, w_mul_size((size_t)in->k, (size_t)in->k), sizeof(double));
    if (!knot || !margin.penalty)
        return w_alloc_status(in->arena->ctx);
    status = place_knots(in, degree, cyclic, breaks, knot);
    if (status)
        return status;
    margin.knot = knot + (cyclic ? degree : 0);
    memcpy(margin.break_point, knot + degree, (size_t)breaks * sizeof *knot);
    for (int64_t i = 0; i + 1 < breaks; i++) {
        if (!(margin.break_point[i + 1] > margin.break_point[i]))
            return w_fail(in->work->ctx, spec->knot_count ? WEIR_E_FORMULA : WEIR_E_DATA,
                          "%s: two knots coincide at %.17g; lower k", in->label, margin.break_point[i]);
    }
    fill_maps(degree, knot, &margin);
    fill_penalty(order, cyclic, &margin);
    status = w_margin_finish(in->arena, &margin);
    if (!status)
        *out = margin;
    return status;
}
