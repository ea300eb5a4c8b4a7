/* SPDX-License-Identifier: Apache-2.0 */
/* Start, s = 1/2, m = low:  with k^2 = 1 - m and K = K(k),
 *
 *     r(x) = C prod_{l=1}^{N-1} (x + c_2l) / prod_{l=1}^{N} (x + c_(2l-1)),    c_l = m sn^2(l K / 2N) / cn^2(l K / 2N),
 *
 * C such that the error alternates about zero; weights are the residues. sn/cn by descending Landen (Gauss) steps.
 *
 * Continuation: s moves towards 1/p; for each s a few exchanges. With e(x) = x^s r(x) - 1 and references x_0 = m < … < x_2N = 1
 * (the local extrema of e),  e(x_i) = (-1)^i sigma E, Newton's method in (log t, log w, E):
 *
 *     d e / d log w_j =  x^s w_j / (x + t_j),      d e / d log t_j = -x^s w_j t_j / (x + t_j)^2. */
#include "root/poles.h"

#include <math.h>

#define MOST W_ROOT_MOST_POLES
#define UNKNOWNS (2 * MOST + 1)
#define GRID 14 /* points for each reference, to bracket the extrema */
#define EXCHANGES 12

typedef struct sum_of_poles {
    int count;
    long double s, low, t[MOST], weight[MOST], level; /* level: sigma E */
    long double reference[UNKNOWNS];
} sum_of_poles;

static long double error_at(const sum_of_poles *r, long double x)
{
    long double sum = 0;
    for (int j = 0; j < r->count; j++) {
        sum += r->weight[j] / (x + r->t[j]);
    }
    return powl(x, r->s) * sum - 1;
}

/* sn / cn at u for the complementary parameter m1 = 1 - k^2, by arithmetic-geometric means. */
static long double elliptic_tangent(long double u_over_k, long double m1)
{
    long double a[32], c[32], b = sqrtl(m1);
    int steps = 0;
    a[0] = 1;
    while (steps < 31 && fabsl(a[steps] - b) > 1e-19L * a[steps]) {
        c[steps + 1] = (a[steps] - b) / 2;
        a[steps + 1] = (a[steps] + b) / 2;
        b = sqrtl(a[steps] * b);
        steps++;
    }
    /* K = pi / (2 a_n): phi_n = 2^n a_n u = 2^n (pi / 2) u / K, then sin(2 phi_(n-1) - phi_n) = (c_n / a_n) sin phi_n. */
    long double phi = ldexpl(0.5L * acosl(-1.0L) * u_over_k, steps);
    for (int n = steps; n > 0; n--) {
        phi = (phi + asinl(c[n] / a[n] * sinl(phi))) / 2;
    }
    return tanl(phi);
}

static void zolotarev(sum_of_poles *r)
{
    long double c[2 * MOST];
    const int count = r->count;
    for (int l = 1; l < 2 * count; l++) {
        long double ratio = elliptic_tangent((long double)l / (2 * count), r->low);
        c[l] = r->low * ratio * ratio;
    }
    for (int j = 0; j < count; j++) {
        r->t[j] = c[2 * j + 1];
        long double weight = 1;
        for (int l = 0; l < count; l++) {
            weight *= l < count - 1 ? c[2 * l + 2] - r->t[j] : 1;
            weight /= l != j ? c[2 * l + 1] - r->t[j] : 1;
        }
        r->weight[j] = weight;
    }
    /* The unscaled x^s r(x) runs between two values of one sign; ends of the interval are extrema of either kind. */
    r->s = 0.5L;
    long double least = INFINITY, most = 0;
    for (int i = 0; i <= 64 * count; i++) {
        long double value = error_at(r, powl(r->low, 1 - i / (64.0L * count))) + 1;
        least = fminl(least, value);
        most = fmaxl(most, value);
    }
    for (int j = 0; j < count; j++) {
        r->weight[j] *= 2 / (least + most);
    }
}

/* log x of grid point i of `points`, from log(low) to 0, close at the ends, as the extrema are. */
static long double grid_point(long double range, int i, int points)
{
    const long double angle = acosl(-1.0L) * i / points;
    return i == points ? 0 : range * 0.5L * (1 + cosl(angle));
}

/* The extremum of e beside u = log x, where e(u) is larger than at u - h and u + h: the parabola through three points, twice. */
static long double extremum(const sum_of_poles *r, long double u, long double h, long double *value)
{
    long double e = error_at(r, expl(u));
    for (int i = 0; i < 2; i++, h /= 8) {
        long double left = error_at(r, expl(u - h)), right = error_at(r, expl(u + h)), bend = left - 2 * e + right;
        long double shift = bend != 0 ? 0.5L * h * (left - right) / bend : 0;
        if (!(fabsl(shift) <= h)) {
            break;
        }
        long double there = error_at(r, expl(u + shift));
        if (fabsl(there) >= fabsl(e)) {
            u += shift;
            e = there;
        }
    }
    *value = e;
    return expl(u);
}

/* Finds the local extrema of e on a grid, the ends included; alternate in sign or not at all: then false. *worst: max |e|. */
static bool find_references(sum_of_poles *r, long double *worst, long double *least)
{
    const int points = 2 * r->count * GRID;
    const long double range = logl(r->low);
    long double before = 0, here = error_at(r, r->low);
    int found = 0;
    *worst = 0;
    *least = INFINITY;
    for (int i = 0; i <= points; i++) {
        long double after = i < points ? error_at(r, expl(grid_point(range, i + 1, points))) : 0;
        bool end = i == 0 || i == points;
        if (end || (here - before) * (here - after) > 0) {
            if (found == 2 * r->count + 1) {
                return false;
            }
            long double e = here, x = i == 0 ? r->low : 1;
            if (!end) {
                const long double u = grid_point(range, i, points);
                x = extremum(r, u, fminl(u - grid_point(range, i - 1, points), grid_point(range, i + 1, points) - u), &e);
            }
            if (found > 0 && (e > 0) != ((r->level > 0) == (found % 2 == 0))) {
                return false;
            }
            r->level = found == 0 ? e : r->level;
            *worst = fmaxl(*worst, fabsl(e));
            *least = fminl(*least, fabsl(e));
            r->reference[found++] = x;
        }
        before = here;
        here = after;
    }
    return found == 2 * r->count + 1;
}

/* Gaussian elimination with row exchanges, in place; the solution replaces b. */
static bool solve(int n, long double (*m)[UNKNOWNS], long double *b)
{
    for (int k = 0; k < n; k++) {
        int best = k;
        for (int i = k + 1; i < n; i++) {
            best = fabsl(m[i][k]) > fabsl(m[best][k]) ? i : best;
        }
        if (!(fabsl(m[best][k]) > 0)) {
            return false;
        }
        for (int j = 0; j < n; j++) {
            long double swap = m[k][j];
            m[k][j] = m[best][j];
            m[best][j] = swap;
        }
        long double swap = b[k];
        b[k] = b[best];
        b[best] = swap;
        for (int i = k + 1; i < n; i++) {
            long double factor = m[i][k] / m[k][k];
            for (int j = k + 1; j < n; j++) {
                m[i][j] -= factor * m[k][j];
            }
            b[i] -= factor * b[k];
        }
    }
    for (int k = n - 1; k >= 0; k--) {
        for (int j = k + 1; j < n; j++) {
            b[k] -= m[k][j] * b[j];
        }
        b[k] /= m[k][k];
    }
    return true;
}

/* One Newton step on the references, *length long in log t and log w; false when it leads nowhere. */
static bool newton_step(sum_of_poles *r, long double *length)
{
    long double m[UNKNOWNS][UNKNOWNS], b[UNKNOWNS];
    const int count = r->count, n = 2 * count + 1;
    for (int i = 0; i < n; i++) {
        long double x = r->reference[i], scale = powl(x, r->s), sign = i % 2 ? -1 : 1, sum = 0;
        for (int j = 0; j < count; j++) {
            long double part = scale * r->weight[j] / (x + r->t[j]);
            m[i][j] = part;
            m[i][count + j] = -part * r->t[j] / (x + r->t[j]);
            sum += part;
        }
        m[i][2 * count] = -sign;
        b[i] = sign * r->level - (sum - 1);
    }
    if (!solve(n, m, b)) {
        return false;
    }
    long double longest = 0;
    for (int i = 0; i < 2 * count; i++) {
        longest = fmaxl(longest, fabsl(b[i]));
    }
    *length = longest;
    if (!(longest < 100)) {
        return false;
    }
    long double damping = longest > 0.5L ? 0.5L / longest : 1;
    for (int j = 0; j < count; j++) {
        r->weight[j] *= expl(damping * b[j]);
        r->t[j] *= expl(damping * b[count + j]);
    }
    r->level += damping * b[2 * count];
    return true;
}

/* Levels e out on the references as they are: after a step in s its extrema are elsewhere until that is done. */
static bool settle(sum_of_poles *r)
{
    long double length = 1;
    for (int i = 0; i < 30 && length > 1e-3L * fminl(1, fabsl(r->level)); i++) {
        if (!newton_step(r, &length)) {
            return false;
        }
    }
    return length < 0.1L;
}

/* Exchanges until the extrema are level to a hundredth. */
static bool level_out(sum_of_poles *r)
{
    for (int i = 0; i < EXCHANGES; i++) {
        long double worst, least;
        if (!find_references(r, &worst, &least)) {
            return false;
        }
        if (worst - least <= 1e-2L * worst) {
            return true;
        }
        if (!settle(r)) {
            return false;
        }
    }
    return false;
}

double w_root_poles_error(const w_root_poles *poles, double low)
{
    sum_of_poles r = { .count = poles->count, .s = 1.0L / poles->p, .low = low };
    for (int j = 0; j < r.count; j++) {
        r.t[j] = poles->t[j];
        r.weight[j] = poles->weight[j];
    }
    const int points = 2 * r.count * GRID;
    const long double range = logl(low);
    long double before = 0, here = error_at(&r, low), worst = 0;
    for (int i = 0; i <= points; i++) {
        long double after = i < points ? error_at(&r, expl(grid_point(range, i + 1, points))) : 0, e = here;
        if (i > 0 && i < points && (here - before) * (here - after) > 0) {
            const long double u = grid_point(range, i, points);
            extremum(&r, u, fminl(u - grid_point(range, i - 1, points), grid_point(range, i + 1, points) - u), &e);
        }
        worst = fmaxl(worst, fabsl(e));
        before = here;
        here = after;
    }
    return (double)worst;
}

bool w_root_poles_of_count(int p, double low, int count, w_root_poles *out)
{
    sum_of_poles r = { .count = count, .low = low, .level = 0 };
    zolotarev(&r);
    const long double target = 1.0L / p;
    long double width = 0.5L;
    if (p != 2 && !level_out(&r)) {
        return false;
    }
    while (p != 2 && r.s != target) {
        sum_of_poles next = r;
        next.s = fabsl(target - r.s) <= width ? target : r.s + copysignl(width, target - r.s);
        if (settle(&next) && level_out(&next)) {
            r = next;
        } else if ((width /= 2) < 0.01L) {
            return false;
        }
    }
    *out = (w_root_poles){ .p = p, .count = count, .low = low };
    for (int j = 0; j < count; j++) {
        out->t[j] = (double)r.t[j];
        out->weight[j] = (double)r.weight[j];
    }
    out->error = w_root_poles_error(out, low);
    return true;
}

weir_status w_root_poles_build(weir_ctx *ctx, int p, double low, double tolerance, w_root_poles *out)
{
    if (p < 2 || p > 8 || !(low > 0 && low <= 1) || !(tolerance > 0 && tolerance < 1)) {
        return w_fail(ctx, WEIR_E_ARG, "poles for roots of order 2 to 8 need an interval [low, 1] and a tolerance in (0, 1); "
                      "order %d, low %g, tolerance %g are given", p, low, tolerance);
    }
    low = fmin(low, 0.5);
    const double pi = acos(-1.0); /* E ~ 4 sin(pi / p) exp(-2 pi^2 N / log(16 / low)): seen for p > 2 */
    int count = (int)fmax(1, ceil(log(4 * sin(pi / p) / tolerance) * log(16 / low) / (2 * pi * pi) - 0.05));
    w_root_poles poles = { 0 };
    for (; count <= W_ROOT_MOST_POLES; count++) {
        if (w_root_poles_of_count(p, low, count, &poles) && poles.error <= tolerance) {
            *out = poles;
            return WEIR_OK;
        }
    }
    return w_fail(ctx, WEIR_E_NUMERIC, "%d poles do not reach a relative error of %g for a root of order %d on [%g, 1]",
                  W_ROOT_MOST_POLES, tolerance, p, low);
}
