/* SPDX-License-Identifier: Apache-2.0 */
/* With phi_0 = x, phi_1 = x^(p+1), phi_2 = x^(2p+1) the error 1 - a phi_0 - b phi_1 - c phi_2 equioscillates on references
 * lo < x_1 < x_2 < hi. Degree 1, references lo < x* < hi: equal errors at the ends give
 *
 *     a = -b S,   S = (hi^(p+1) - lo^(p+1)) / (hi - lo) = sum_i hi^i lo^(p-i),
 *
 * the extremum is at x*^p = S / (p+1), and opposite errors at lo and x* give  b = 2 / (lo (lo^p - S) - x* S p / (p+1)). */
#include "root/schedule.h"

#include <math.h>

#define EXCHANGES 60

static long double power(long double x, int p)
{
    long double product = 1;
    for (int i = 0; i < p; i++) {
        product *= x;
    }
    return product;
}

static long double error_at(int p, const w_root_step *q, long double x)
{
    long double y = power(x, p);
    return 1 - x * (q->a + y * (q->b + y * q->c));
}

/* Roots in y of the derivative of x q(x^p), real ones only, ascending; returns their number. */
static int critical_points(int p, long double a, long double b, long double c, long double y[2])
{
    const long double u = (2 * p + 1) * c, v = (p + 1) * b, w = a;
    if (u == 0) {
        y[0] = v != 0 ? -w / v : -1;
        return v != 0;
    }
    long double square = v * v - 4 * u * w;
    if (square < 0) {
        return 0;
    }
    long double half = -0.5L * (v + copysignl(sqrtl(square), v));
    long double first = half / u, second = half != 0 ? w / half : 0;
    y[0] = fminl(first, second);
    y[1] = fmaxl(first, second);
    return 2;
}

double w_root_step_error(int p, const w_root_step *step, double lo, double hi)
{
    long double worst = fmaxl(fabsl(error_at(p, step, lo)), fabsl(error_at(p, step, hi))), y[2];
    int count = critical_points(p, step->a, step->b, step->c, y);
    for (int i = 0; i < count; i++) {
        long double x = y[i] > 0 ? powl(y[i], 1.0L / p) : 0;
        if (x > lo && x < hi) {
            worst = fmaxl(worst, fabsl(error_at(p, step, x)));
        }
    }
    return (double)worst;
}

double w_root_minimax_affine(int p, double lo, double hi, w_root_step *out)
{
    long double sum = 0;
    for (int i = 0; i <= p; i++) {
        sum += power(hi, i) * power(lo, p - i);
    }
    long double extremum = powl(sum / (p + 1), 1.0L / p);
    long double b = 2 / (lo * (power(lo, p) - sum) - extremum * sum * p / (p + 1));
    *out = (w_root_step){ .a = (double)(-b * sum), .b = (double)b, .lo = lo, .hi = hi };
    out->error = w_root_step_error(p, out, lo, hi);
    return out->error;
}

/* Solves the 4 x 4 system m (rows of five: matrix and right-hand side) with row exchanges; the solution replaces column 4. */
static bool solve4(long double m[4][5])
{
    for (int k = 0; k < 4; k++) {
        int best = k;
        for (int i = k + 1; i < 4; i++) {
            best = fabsl(m[i][k]) > fabsl(m[best][k]) ? i : best;
        }
        if (m[best][k] == 0) {
            return false;
        }
        for (int j = 0; j < 5; j++) {
            long double swap = m[k][j];
            m[k][j] = m[best][j];
            m[best][j] = swap;
        }
        for (int i = 0; i < 4; i++) {
            long double factor = i != k ? m[i][k] / m[k][k] : 0;
            for (int j = k; j < 5; j++) {
                m[i][j] -= factor * m[k][j];
            }
        }
    }
    for (int k = 0; k < 4; k++) {
        m[k][4] /= m[k][k];
    }
    return true;
}

double w_root_minimax_quadratic(int p, double lo, double hi, w_root_step *out)
{
    const long double middle = 0.5L * ((long double)lo + hi), half = 0.5L * ((long double)hi - lo);
    long double x[4] = { lo, middle - 0.5L * half, middle + 0.5L * half, hi }, level = -1;
    w_root_minimax_affine(p, lo, hi, out);
    for (int exchange = 0; exchange < EXCHANGES; exchange++) {
        long double m[4][5], y[2];
        for (int i = 0; i < 4; i++) {
            long double step = power(x[i], p);
            m[i][0] = x[i];
            m[i][1] = m[i][0] * step;
            m[i][2] = m[i][1] * step;
            m[i][3] = i % 2 ? -1 : 1;
            m[i][4] = 1;
        }
        if (!solve4(m) || critical_points(p, m[0][4], m[1][4], m[2][4], y) < 2 || y[0] <= 0) {
            break;
        }
        w_root_step trial = { .a = (double)m[0][4], .b = (double)m[1][4], .c = (double)m[2][4], .lo = lo, .hi = hi };
        trial.error = w_root_step_error(p, &trial, lo, hi);
        if (trial.error < out->error) {
            *out = trial;
        }
        if (fabsl(m[3][4] - level) <= 1e-15L) {
            break;
        }
        level = m[3][4];
        x[1] = powl(y[0], 1.0L / p);
        x[2] = powl(y[1], 1.0L / p);
        if (!(x[0] < x[1] && x[1] < x[2] && x[2] < x[3])) {
            break;
        }
    }
    return out->error;
}

w_root_step w_root_expansion(int p)
{
    const double s = 1.0 / p, t = 0.5 * s * (s + 1);
    return (w_root_step){ .a = 1 + s + t, .b = -(s + 2 * t), .c = t };
}

static double taylor(int p, double lo, double hi, w_root_step *out)
{
    const double s = 1.0 / p;
    *out = w_root_expansion(p);
    out->lo = lo;
    out->hi = hi;
    /* 1 - x q(x^p) cancels to nothing here: its leading term s (s+1) (s+2) / 6 (1 - y)^3, 1 - y < p d + …, bounds it. */
    const double width = fmax(1 - lo, hi - 1), y = expm1(p * log1p(width));
    out->error = 1.01 * s * (s + 1) * (s + 2) / 6 * y * y * y;
    return out->error;
}

static double newton(int p, double lo, double hi, w_root_step *out)
{
    *out = (w_root_step){ .a = (p + 1.0) / p, .b = -1.0 / p, .lo = lo, .hi = hi };
    out->error = w_root_step_error(p, out, lo, hi);
    return out->error;
}

int w_root_step_products(int p, const w_root_step *step, bool apply)
{
    static const int update[W_ROOT_MOST_P + 1] = { 0, 1, 2, 3, 3, 4, 4, 5, 4 };
    return update[p] + (step->c != 0) + apply;
}

static double step_on(const w_root_goal *goal, double lo, double hi, w_root_step *out)
{
    if (goal->family == W_ROOT_NEWTON) {
        return newton(goal->p, lo, hi, out);
    }
    if (fmax(1 - lo, hi - 1) < W_ROOT_TAYLOR) {
        return taylor(goal->p, lo, hi, out);
    }
    return goal->family == W_ROOT_AFFINE ? w_root_minimax_affine(goal->p, lo, hi, out)
                                         : w_root_minimax_quadratic(goal->p, lo, hi, out);
}

weir_status w_root_schedule_build(weir_ctx *ctx, const w_root_goal *goal, w_root_schedule *out)
{
    const double rounding = goal->rounding, enough = fmax(goal->tolerance, 2 * rounding);
    if (goal->p < 1 || goal->p > W_ROOT_MOST_P) {
        return w_fail(ctx, WEIR_E_ARG, "p is %d; roots of order 1 to %d are supported", goal->p, W_ROOT_MOST_P);
    }
    if (!(goal->low > 0 && goal->low <= 1) || !(goal->tolerance > 0 && goal->tolerance <= 1) ||
        !(rounding >= 0 && rounding < 0.1) || !(goal->safety >= 1 && goal->safety <= 2)) {
        return w_fail(ctx, WEIR_E_ARG, "the least eigenvalue over the largest (%g) and the tolerance (%g) must lie in (0, 1], the "
                      "rounding (%g) in [0, 0.1), the safety factor (%g) in [1, 2]", goal->low, goal->tolerance, rounding,
                      goal->safety);
    }
    w_root_schedule schedule = { .p = goal->p };
    double lo = pow(goal->low, 1.0 / goal->p) * (1 - rounding), hi = 1 + rounding, sharp_lo = lo, sharp_hi = hi;
    schedule.error = fmax(1 - lo, hi - 1);
    while (schedule.error > enough) {
        if (schedule.count == W_ROOT_MOST_STEPS) {
            return w_fail(ctx, WEIR_E_NUMERIC, "%d steps do not bring eigenvalues in [%g, 1] to the root of order %d within "
                          "%g", W_ROOT_MOST_STEPS, goal->low, goal->p, goal->tolerance);
        }
        w_root_step *step = &schedule.step[schedule.count++], sharp;
        step_on(goal, lo, hi, step);
        if (goal->sharp_end && step_on(goal, sharp_lo, sharp_hi, &sharp) <= enough) {
            *step = sharp;
        }
        schedule.error = step->error;
        sharp_lo = 1 - step->error - rounding;
        sharp_hi = 1 + step->error + rounding;
        lo = sharp_lo / goal->safety;
        hi = sharp_hi * goal->safety;
    }
    *out = schedule;
    return WEIR_OK;
}
