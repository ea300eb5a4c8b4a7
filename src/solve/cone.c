/* SPDX-License-Identifier: Apache-2.0 */
/* Non-negative least squares by active sets (Lawson & Hanson 1974, chapter 23), on the normal equations.
 *
 * The passive set P holds the coordinates that may be positive; R'R = G_PP is updated as P changes, R in the order
 * in which the coordinates came. Outer step: the coordinate with the largest (g - Gc)_i / sqrt(G_ii) joins P,
 * unless it would be negative in the solution on P, which only rounding can cause. Inner steps: towards s =
 * G_PP^-1 g_P until a coordinate meets 0; it leaves P. Each outer step lowers the objective, so that no P comes
 * back and the method ends. Work: O(m^2) a step, about as many steps as the active set has changes; coordinates
 * are scaled by 1 / sqrt(G_ii), which leaves signs alone.
 *
 * A coordinate counts as optimal at 0 when its gradient is within the rounding error of its own sum: 8 (m + 4) eps
 * (|g_i| + sum_k |G_ik c_k|). A pivot at or below 8 m eps G_ii says that the coordinate depends on P: it stays at
 * 0. */
#include "solve/cone.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/ctx.h"
#include "base/ledger.h"
#include "base/size.h"
#include "dense/dense.h"

#define TAG "active set"

typedef struct active_set {
    int64_t m, count;   /* count = size of P */
    const double *matrix, *rhs;
    double *c, *solution, *root; /* m, m (in the order of P), m x m */
    int64_t *passive;   /* P in order of arrival */
    uint8_t *inside, *blocked;
} active_set;

static double entry(const active_set *s, int64_t i, int64_t j) { return s->matrix[i + j * s->m]; }

/* P gains j; false, with P as it was, when j depends on P. */
static bool join(active_set *s, int64_t j)
{
    const int64_t n = s->count;
    double *column = s->root + n * s->m, square = 0.0;
    for (int64_t a = 0; a < n; a++) {
        const double *before = s->root + a * s->m;
        column[a] = (entry(s, s->passive[a], j) - w_dot(a, before, column)) / before[a];
        square += column[a] * column[a];
    }
    const double pivot = entry(s, j, j) - square;
    if (!(pivot > 8.0 * (double)s->m * DBL_EPSILON * entry(s, j, j))) {
        return false;
    }
    column[n] = sqrt(pivot);
    s->passive[n] = j;
    s->inside[j] = 1;
    s->count++;
    return true;
}

/* P loses its member in place `at`: the columns behind it move up and rotations make them triangular again. */
static void leave(active_set *s, int64_t at)
{
    const int64_t m = s->m;
    s->inside[s->passive[at]] = 0;
    s->c[s->passive[at]] = 0.0;
    for (int64_t j = at + 1; j < s->count; j++) {
        memcpy(s->root + (j - 1) * m, s->root + j * m, (size_t)(j + 1) * sizeof *s->root);
        s->passive[j - 1] = s->passive[j];
    }
    s->count--;
    for (int64_t j = at; j < s->count; j++) { /* column j has an entry below its diagonal */
        double *x = s->root + j * m;
        const double length = hypot(x[j], x[j + 1]), cosine = x[j] / length, sine = x[j + 1] / length;
        x[j] = length;
        for (int64_t k = j + 1; k < s->count; k++) {
            double *y = s->root + k * m;
            const double upper = y[j], lower = y[j + 1];
            y[j] = cosine * upper + sine * lower;
            y[j + 1] = cosine * lower - sine * upper;
        }
    }
}

/* solution = G_PP^-1 g_P, in the order of P. */
static void solve_passive(active_set *s)
{
    const int64_t n = s->count, m = s->m;
    double *x = s->solution;
    for (int64_t a = 0; a < n; a++) {
        x[a] = (s->rhs[s->passive[a]] - w_dot(a, s->root + a * m, x)) / s->root[a * (m + 1)];
    }
    for (int64_t a = n - 1; a >= 0; a--) {
        x[a] /= s->root[a * (m + 1)];
        for (int64_t b = 0; b < a; b++) {
            x[b] -= x[a] * s->root[b + a * m];
        }
    }
}

/* Moves c to the minimum over P, dropping from P what meets 0 on the way. */
static void descend(active_set *s, int *steps)
{
    while (s->count > 0) {
        solve_passive(s);
        double length = 1.0;
        int64_t first = -1;
        for (int64_t a = 0; a < s->count; a++) {
            const double c = s->c[s->passive[a]];
            if (s->solution[a] <= 0.0 && c > 0.0 && c / (c - s->solution[a]) <= length) {
                length = c / (c - s->solution[a]);
                first = a;
            } else if (s->solution[a] <= 0.0 && c <= 0.0) { /* both 0 */
                length = 0.0;
                first = a;
            }
        }
        for (int64_t a = 0; a < s->count; a++) {
            double *c = &s->c[s->passive[a]];
            *c = first < 0 ? s->solution[a] : fmax(*c + length * (s->solution[a] - *c), 0.0);
        }
        if (first < 0) {
            return;
        }
        leave(s, first);
        (*steps)++;
    }
}

/* (g - Gc)_i and the size of the terms it is the sum of. */
static double gradient_at(const active_set *s, int64_t i, double *size)
{
    double sum = s->rhs[i];
    *size = fabs(sum);
    for (int64_t a = 0; a < s->count; a++) {
        const double term = entry(s, s->passive[a], i) * s->c[s->passive[a]];
        sum -= term;
        *size += fabs(term);
    }
    return sum;
}

/* The coordinate that gains most, or -1. */
static int64_t entering(const active_set *s)
{
    const double rounding = 8.0 * (double)(s->m + 4) * DBL_EPSILON;
    double most = 0.0;
    int64_t best = -1;
    for (int64_t i = 0; i < s->m; i++) {
        const double diagonal = entry(s, i, i);
        if (s->inside[i] || s->blocked[i] || !(diagonal > 0.0)) {
            continue;
        }
        double size;
        const double gradient = gradient_at(s, i, &size), gain = gradient / sqrt(diagonal);
        if (gradient > rounding * size && gain > most) {
            most = gain;
            best = i;
        }
    }
    return best;
}

static double violation_of(const active_set *s)
{
    double largest = 0.0;
    for (int64_t i = 0; i < s->m; i++) {
        double size, gradient = gradient_at(s, i, &size);
        gradient = s->inside[i] ? fabs(gradient) : gradient;
        if (gradient > 0.0) {
            largest = fmax(largest, gradient / size);
        }
    }
    return largest;
}

static weir_status iterate(weir_ctx *ctx, active_set *s, w_cone_report *report)
{
    report->steps = 0;
    for (int64_t i = 0; i < s->m; i++) { /* the start's positive coordinates */
        if (!(s->c[i] > 0.0) || !(entry(s, i, i) > 0.0) || !join(s, i)) {
            s->c[i] = 0.0;
        }
    }
    descend(s, &report->steps);
    const int64_t limit = w_add64(w_mul64(30, s->m), 100);
    for (int64_t j = entering(s); j >= 0; j = entering(s)) {
        if (report->steps++ > limit) {
            return w_fail(ctx, WEIR_E_NUMERIC,
                          "the active set of the shape constraints does not come to rest after %lld changes",
                          (long long)limit);
        }
        if (!join(s, j)) {
            s->blocked[j] = 1;
            continue;
        }
        solve_passive(s);
        if (!(s->solution[s->count - 1] > 0.0)) {
            leave(s, s->count - 1);
            s->blocked[j] = 1;
            continue;
        }
        descend(s, &report->steps);
        memset(s->blocked, 0, (size_t)s->m);
    }
    report->violation = violation_of(s);
    return WEIR_OK;
}

weir_status w_cone_solve(weir_ctx *ctx, int64_t m, const double *matrix, const double *rhs, double *c, w_cone_report *report)
{
    *report = (w_cone_report){ 0 };
    if (m == 0) {
        return WEIR_OK;
    }
    const size_t n = (size_t)m;
    double *block = w_calloc(ctx, TAG, w_mul_size(n, n + 3), sizeof *block);
    if (block == NULL) {
        return w_alloc_status(ctx);
    }
    active_set s = { .m = m, .matrix = matrix, .rhs = rhs, .c = c, .root = block, .solution = block + n * n };
    s.passive = (int64_t *)(s.solution + n);
    s.inside = (uint8_t *)(s.passive + n); /* 2 n bytes of the last n doubles */
    s.blocked = s.inside + n;
    weir_status status = iterate(ctx, &s, report);
    w_free(ctx, block);
    return status;
}

int64_t w_cone_bytes(int64_t m) { return w_mul64(w_mul64(m, m + 3), sizeof(double)); }
