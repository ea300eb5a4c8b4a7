/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a joint margin: PANEL rows at a time are written out as [eta(|x - x_1|) … eta(|x - x_n|), monomials] and
 * multiplied by the weights in one matrix product, about 2 n k flops and n logarithms per row. Panels are always full
 * (zero rows at the end), so that a row's bits do not depend on how many rows are asked for.
 *
 * When all points of the data are knots, their rows stand in a table and are found by hashing: a pass over the data costs what copying k
 * numbers costs. Points that are no knots are gathered into panels. */
#include <float.h>
#include <math.h>
#include <string.h>
#include "base/blas.h"
#include "base/size.h"
#include "basis/joint.h"
#include "dense/elementary.h"

#define PANEL 64
#define MOST_SLOTS 8192

static int64_t terms_of(const w_margin *margin)
{
    return margin->knot_count + w_plate_polynomials(margin->covariates, margin->order);
}

/* c of eta, see margin_plate.c. */
static double kernel_constant(int d, int m)
{
    double c = (m + 1 + d / 2) % 2 ? -1 : 1, spread = pow(2, 2 * m) * tgamma(m) * pow(3.14159265358979323846, 0.5 * d);
    return d % 2 ? tgamma(0.5 * d - m) / spread : 2 * c / (spread * tgamma(m - d / 2 + 1));
}

/* sum over the covariates of (x_c - knot_c)^2 */
static void squared_distances(const w_margin *margin, const double *x, double *restrict out)
{
    int64_t n = margin->knot_count;
    for (int c = 0; c < margin->covariates; c++) {
        const double *restrict knot = margin->knot + c * n;
        double at = x[c];
        for (int64_t i = 0; i < n; i++) {
            double difference = at - knot[i], square = difference * difference;
            out[i] = c ? out[i] + square : square;
        }
    }
}

void w_joint_kernel(const w_margin *margin, const double *x, double *out, double *logs)
{
    int64_t n = margin->knot_count;
    int d = margin->covariates, m = margin->order, power = m - (d + 1) / 2;
    double c = kernel_constant(d, m);
    squared_distances(margin, x, out);
    if (d % 2 == 0) {
        for (int64_t i = 0; i < n; i++)
            logs[i] = out[i] > DBL_MIN ? out[i] : DBL_MIN; /* eta(0) = 0 */
        w_log_array(n, logs, logs);
        c *= 0.5;
    } else {
        for (int64_t i = 0; i < n; i++)
            logs[i] = sqrt(out[i]);
    }
    for (int64_t i = 0; i < n; i++)
        logs[i] *= c;
    for (int q = 1; q < power; q++) {
        for (int64_t i = 0; i < n; i++)
            logs[i] *= out[i];
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = power > 0 ? out[i] * logs[i] : logs[i];
}

uint64_t w_joint_hash(int covariates, const double *x)
{
    uint64_t hash = 0;
    for (int c = 0; c < covariates; c++) {
        double value = x[c] + 0.0; /* -0 becomes 0 */
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        hash = (hash ^ bits) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    return hash;
}

void w_joint_monomials(const w_margin *margin, const double *x, double *out)
{
    int d = margin->covariates, m = margin->order;
    double u[W_MAX_MARGINS] = {0};
    for (int c = 0; c < d; c++)
        u[c] = x[c] - margin->centre[c];
    double last = 1;
    for (int c = 0; c < (d > 2 ? m : 1); c++, last *= u[2]) {
        double middle = last;
        for (int b = 0; b + c < m; b++, middle *= u[1]) {
            double first = middle;
            for (int a = 0; a + b + c < m; a++, first *= u[0])
                *out++ = first;
        }
    }
}

weir_status w_joint_finish(w_arena *arena, w_margin *margin)
{
    int64_t k = margin->k;
    margin->cells = 1;
    margin->width = (int)k;
    margin->map = w_arena_calloc(arena, w_mul_size((size_t)k, (size_t)k), sizeof *margin->map);
    for (int64_t j = 0; margin->map && j < k; j++)
        margin->map[j * k + j] = 1;
    return margin->map ? WEIR_OK : w_alloc_status(arena->ctx);
}

int64_t w_joint_doubles(const w_margin *margin)
{
    return PANEL * (terms_of(margin) + margin->k) + margin->knot_count;
}

/* One row of the panel: zeros when a covariate is NaN. */
static void fill_row(const w_margin *margin, const double *x, double *out, double *logs)
{
    for (int c = 0; c < margin->covariates; c++) {
        if (isnan(x[c])) {
            memset(out, 0, (size_t)terms_of(margin) * sizeof *out);
            return;
        }
    }
    w_joint_kernel(margin, x, out, logs);
    w_joint_monomials(margin, x, out + margin->knot_count);
}

/* The knot at a point, -1 = none. *free: the slot where the search ended. */
static int32_t find_knot(const w_margin *margin, const double *x, uint64_t *free)
{
    uint64_t mask = (uint64_t)margin->knot_slots - 1, at = w_joint_hash(margin->covariates, x) & mask;
    for (; margin->knot_slot[at] >= 0; at = (at + 1) & mask) {
        bool same = true;
        for (int c = 0; c < margin->covariates; c++)
            same = same && margin->knot[c * margin->knot_count + margin->knot_slot[at]] == x[c];
        if (same)
            break;
    }
    *free = at;
    return margin->knot_slot[at];
}

/* The first `count` rows of the panel to where they belong: place[i] of value. */
static void multiply_panel(const w_margin *margin, int64_t count, double *panel, double *product, const int64_t *place,
                           double *value)
{
    const double one = 1, zero = 0;
    int64_t terms = terms_of(margin), k = margin->k;
    w_blas_int columns = w_narrow(k), inner = w_narrow(terms), height = PANEL;
    memset(panel + count * terms, 0, (size_t)((PANEL - count) * terms) * sizeof *panel);
    dgemm_("N", "N", &columns, &height, &inner, &one, margin->weight, &columns, panel, &inner, &zero, product, &columns);
    for (int64_t i = 0; i < count; i++)
        memcpy(value + place[i] * k, product + i * k, (size_t)k * sizeof *product);
}

void w_joint_eval(const w_margin *margin, const double *const *x, int64_t rows, double *value, double *scratch)
{
    int64_t terms = terms_of(margin), k = margin->k, place[PANEL], count = 0;
    double *panel = scratch, *product = panel + PANEL * terms, *logs = product + PANEL * k;
    W_BLAS_SERIAL;
    for (int64_t i = 0; i < rows; i++) {
        double point[W_MAX_MARGINS];
        uint64_t slot;
        for (int c = 0; c < margin->covariates; c++)
            point[c] = x[c][i];
        int32_t knot = margin->knot_value ? find_knot(margin, point, &slot) : -1;
        if (knot >= 0) {
            memcpy(value + i * k, margin->knot_value + knot * k, (size_t)k * sizeof *value);
            continue;
        }
        fill_row(margin, point, panel + count * terms, logs);
        place[count++] = i;
        if (count == PANEL) {
            multiply_panel(margin, count, panel, product, place, value);
            count = 0;
        }
    }
    if (count > 0)
        multiply_panel(margin, count, panel, product, place, value);
}

weir_status w_joint_tabulate(w_arena *arena, w_margin *margin, double *scratch)
{
    int64_t n = margin->knot_count;
    double *table = margin->knot_value;
    const double *x[W_MAX_MARGINS] = {margin->knot, margin->knot + n, margin->covariates > 2 ? margin->knot + 2 * n : NULL};
    margin->knot_value = NULL; /* so that the rows are evaluated */
    if (!table) {
        for (margin->knot_slots = 64; margin->knot_slots < 2 * n && margin->knot_slots < MOST_SLOTS;)
            margin->knot_slots *= 2;
        table = w_arena_alloc(arena, w_mul_size((size_t)n, (size_t)margin->k), sizeof *table);
        margin->knot_slot = w_arena_alloc(arena, (size_t)margin->knot_slots, sizeof *margin->knot_slot);
        if (!table || !margin->knot_slot)
            return w_alloc_status(arena->ctx);
        memset(margin->knot_slot, -1, (size_t)margin->knot_slots * sizeof *margin->knot_slot);
        for (int64_t i = 0; i < n; i++) {
            double point[W_MAX_MARGINS];
            uint64_t slot;
            for (int c = 0; c < margin->covariates; c++)
                point[c] = x[c][i];
            if (find_knot(margin, point, &slot) < 0)
                margin->knot_slot[slot] = (int32_t)i;
        }
    }
    w_joint_eval(margin, x, n, table, scratch);
    margin->knot_value = table;
    return WEIR_OK;
}


static bool all_finite(int64_t n, const double *x)
{
    bool finite = true;
    for (int64_t i = 0; i < n; i++)
        finite = finite && isfinite(x[i]);
    return finite;
}

weir_status w_joint_restore(w_arena *arena, w_basis_kind kind, int covariates, int order, int64_t k, int64_t knot_count,
                            const double *knot, const double *centre, const double *weight, w_margin *out)
{
    w_margin margin = {.kind = kind, .covariates = covariates, .order = order, .k = k, .knot_count = knot_count};
    int64_t terms = terms_of(&margin);
    size_t knots = w_mul_size((size_t)knot_count, (size_t)covariates), weights = w_mul_size((size_t)terms, (size_t)k);
    margin.knot = w_arena_alloc(arena, knots, sizeof *knot);
    margin.weight = w_arena_alloc(arena, weights, sizeof *weight);
    if (!margin.knot || !margin.weight)
        return w_alloc_status(arena->ctx);
    if (!all_finite((int64_t)knots, knot) || !all_finite(covariates, centre) || !all_finite((int64_t)weights, weight))
        return w_fail(arena->ctx, WEIR_E_MODEL, "a smooth of several covariates has a number that is not finite");
    memcpy(margin.knot, knot, knots * sizeof *knot);
    memcpy(margin.weight, weight, weights * sizeof *weight);
    memcpy(margin.centre, centre, (size_t)covariates * sizeof *centre);
    weir_status status = w_joint_finish(arena, &margin);
    if (!status)
        *out = margin;
    return status;
}
