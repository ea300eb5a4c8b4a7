/* SPDX-License-Identifier: Apache-2.0 */
/* Thin plate regression splines of two and three covariates: tp and ts.
 *
 * With the distinct points x_1 … x_n of the data (a fixed-seed sample of 2000 if there are more), d covariates and m-th
 * derivatives penalised, 2m > d,
 *     eta(r) = c r^(2m-d) log r,  c = (-1)^(m+1+d/2) / (2^(2m-1) pi^(d/2) (m-1)! (m-d/2)!)     d even
 *     eta(r) = c r^(2m-d),        c = Gamma(d/2-m) / (2^(2m) pi^(d/2) (m-1)!)                  d odd
 * E_ij = eta(|x_i - x_j|), T the M monomials of degree below m about the mean of the data, the degree of the first
 * covariate running fastest. The k eigenpairs of E of largest |eigenvalue| are U (n x k), D; T'U delta = 0 is absorbed by
 * delta = Z delta'. Then
 *     f(x) = sum_i (U Z delta')_i eta(|x - x_i|) + sum_j alpha_j t_j(x),     S = blockdiag(Z'DZ, 0),
 * with every column scaled to a mean square of 1 over the data. ts gives the null space 0.1 of the smallest positive
 * eigenvalue.
 *
 * Z is made of reflections to the last axis, one for each monomial in turn, and the eigenpairs are ordered by
 * descending eigenvalue: the individual columns, and with them the size of S, depend on this. The covariates keep their
 * units: r^2 log r scaled is not a multiple of itself.
 *
 * E is formed (8 n^2 bytes) and used for about 3k products of a Lanczos iteration.
 *
 * Wood (2003), Journal of the Royal Statistical Society B 65; Wood (2017), 5.5.1. */
#include <math.h>
#include <string.h>
#include "base/blas.h"
#include "base/rng.h"
#include "base/size.h"
#include "basis/joint.h"
#include "basis/top_eigen.h"

#define MOST_POINTS 2000
#define MOST_ORDER 6
#define LEAST_RANGE 1e-20 /* distances are raised to powers up to 2 MOST_ORDER */
#define MOST_RANGE 1e20

typedef struct plate {
    w_arena *arena, *work;
    const char *label;
    const w_margin_spec *spec;
    const w_smooth_data *data;
    int64_t points; /* distinct ones in the data */
    int64_t *row;   /* points: where each stands first */
    int64_t polynomials, free;
    double *u; /* k x n eigenvectors, one per row */
    double *eigenvalue;
    double *z; /* k x free */
    w_margin out;
} plate;

static weir_status no_memory(const plate *p) { return w_alloc_status(p->arena->ctx); }

static weir_status check(const plate *p)
{
    const w_margin_spec *spec = p->spec;
    int d = spec->covariates, order = w_plate_order(spec);
    if ((spec->m_count > 1 && spec->m[1] != 0) || order > MOST_ORDER || 2 * order <= d)
        return w_fail(p->arena->ctx, WEIR_E_FORMULA,
                      "%s: m = %d is not possible for %d covariates; it must be from %d to %d", p->label, order, d,
                      d / 2 + 1, MOST_ORDER);
    if (spec->knot_count > 0)
        return w_fail(p->arena->ctx, WEIR_E_FORMULA,
                      "%s: knots cannot be given for a smooth of several covariates; te() takes them", p->label);
    for (int c = 0; c < d; c++) {
        double range = p->data->upper[c] - p->data->lower[c];
        if (range == 0)
            return w_fail(p->arena->ctx, WEIR_E_DATA, "%s: covariate %d is constant (%g); drop it", p->label, c + 1,
                          p->data->lower[c]);
        if (!(range >= LEAST_RANGE && range <= MOST_RANGE))
            return w_fail(p->arena->ctx, WEIR_E_DATA, "%s: covariate %d spans a range of %g; rescale it", p->label,
                          c + 1, range);
    }
    return WEIR_OK;
}

/* ---- points ---- */

static uint64_t point_hash(const plate *p, int64_t row)
{
    double x[W_MAX_MARGINS];
    for (int c = 0; c < p->spec->covariates; c++)
        x[c] = p->data->x[c][row];
    return w_joint_hash(p->spec->covariates, x);
}

static bool same_point(const plate *p, int64_t a, int64_t b)
{
    for (int c = 0; c < p->spec->covariates; c++) {
        if (p->data->x[c][a] != p->data->x[c][b])
            return false;
    }
    return true;
}

/* Distinct points in order of appearance, by a table of open addresses. */
static weir_status find_points(plate *p)
{
    int64_t rows = p->data->rows, slots = 64;
    while (slots < 2 * rows)
        slots *= 2;
    int64_t *slot = w_arena_calloc(p->work, (size_t)slots, sizeof *slot); /* number of the point + 1 */
    p->row = w_arena_alloc(p->work, (size_t)rows, sizeof *p->row);
    if (!slot || !p->row)
        return no_memory(p);
    for (int64_t i = 0; i < rows; i++) {
        uint64_t at = point_hash(p, i) & (uint64_t)(slots - 1);
        while (slot[at] && !same_point(p, p->row[slot[at] - 1], i))
            at = (at + 1) & (uint64_t)(slots - 1);
        if (!slot[at]) {
            p->row[p->points++] = i;
            slot[at] = p->points;
        }
    }
    return WEIR_OK;
}

static weir_status choose_k(plate *p, const char **note)
{
    int64_t wanted = p->spec->k > 0 ? p->spec->k : w_basis_default_k(p->spec, false);
    *note = NULL;
    p->out.k = wanted;
    if (wanted <= p->polynomials)
        return w_fail(p->arena->ctx, WEIR_E_FORMULA,
                      "%s: k = %lld is too small; its unpenalised polynomials alone are %lld", p->label,
                      (long long)wanted, (long long)p->polynomials);
    if (wanted > MOST_POINTS)
        return w_fail(p->arena->ctx, WEIR_E_FORMULA, "%s: k = %lld is too large; at most %d", p->label,
                      (long long)wanted, MOST_POINTS);
    if (p->points <= p->polynomials)
        return w_fail(p->arena->ctx, WEIR_E_DATA,
                      "%s: the covariates have only %lld distinct combinations; at least %lld are needed", p->label,
                      (long long)p->points, (long long)p->polynomials + 1);
    if (wanted > p->points) {
        p->out.k = p->points;
        *note = w_arena_printf(p->arena, "k reduced from %lld to %lld: only %lld distinct combinations",
                               (long long)wanted, (long long)p->points, (long long)p->points);
        return *note ? WEIR_OK : no_memory(p);
    }
    return WEIR_OK;
}

static weir_status place_knots(plate *p)
{
    int64_t n = w_min64(p->points, MOST_POINTS), *index = w_arena_alloc(p->work, (size_t)n, sizeof *index);
    int d = p->spec->covariates;
    p->out.knot_count = n;
    p->out.knot = w_arena_alloc(p->arena, w_mul_size((size_t)n, (size_t)d), sizeof(double));
    if (!index || !p->out.knot)
        return no_memory(p);
    w_rng rng;
    w_rng_seed(&rng, 1);
    w_rng_sample(&rng, p->points, n, index);
    for (int c = 0; c < d; c++) {
        double mean = 0;
        for (int64_t i = 0; i < p->data->rows; i++)
            mean += p->data->x[c][i] / (double)p->data->rows;
        p->out.centre[c] = mean;
        for (int64_t i = 0; i < n; i++)
            p->out.knot[c * n + i] = p->data->x[c][p->row[index[i]]];
    }
    return WEIR_OK;
}

/* ---- U, D, Z ---- */

static void apply_matrix(const void *matrix, int64_t n, const double *v, double *y)
{
    const double one = 1, zero = 0;
    w_blas_int size = w_narrow(n), unit = 1;
    dsymv_("U", &size, &one, matrix, &size, v, &unit, &zero, y, &unit);
}

static weir_status find_eigenpairs(plate *p)
{
    int64_t n = p->out.knot_count, k = p->out.k;
    double *e = w_arena_alloc(p->work, w_mul_size((size_t)n, (size_t)n), sizeof *e);
    double *logs = w_arena_alloc(p->work, (size_t)n, sizeof *logs);
    p->u = w_arena_alloc(p->work, w_mul_size((size_t)n, (size_t)k), sizeof(double));
    p->eigenvalue = w_arena_alloc(p->work, (size_t)k, sizeof(double));
    if (!e || !logs || !p->u || !p->eigenvalue)
        return no_memory(p);
    for (int64_t i = 0; i < n; i++) {
        double x[W_MAX_MARGINS];
        for (int c = 0; c < p->out.covariates; c++)
            x[c] = p->out.knot[c * n + i];
        w_joint_kernel(&p->out, x, e + i * n, logs);
    }
    return w_top_eigen(p->work, n, k, apply_matrix, e, p->u, p->eigenvalue);
}

/* Z: null basis of the columns of U'T, by one reflection after the other. */
static weir_status absorb_polynomials(plate *p)
{
    int64_t n = p->out.knot_count, k = p->out.k, left = k;
    double *z = w_arena_calloc(p->work, w_mul_size((size_t)k, (size_t)k), sizeof *z);
    double *t = w_arena_alloc(p->work, w_mul_size((size_t)n, (size_t)p->polynomials), sizeof *t);
    double *project = w_arena_alloc(p->work, w_mul_size((size_t)k, 2), sizeof *project);
    double *basis = w_arena_alloc(p->work, w_mul_size((size_t)k, (size_t)k), sizeof *basis);
    if (!z || !t || !project || !basis)
        return no_memory(p);
    for (int64_t i = 0; i < n; i++) {
        double x[W_MAX_MARGINS];
        for (int c = 0; c < p->out.covariates; c++)
            x[c] = p->out.knot[c * n + i];
        w_joint_monomials(&p->out, x, t + i * p->polynomials);
    }
    for (int64_t j = 0; j < k; j++)
        z[j * k + j] = 1;
    for (int64_t q = 0; q < p->polynomials; q++, left--) {
        double *reflected = project + k;
        for (int64_t j = 0; j < k; j++) {
            project[j] = 0;
            for (int64_t i = 0; i < n; i++)
                project[j] += p->u[j * n + i] * t[i * p->polynomials + q];
        }
        for (int64_t j = 0; j < left; j++) {
            reflected[j] = 0;
            for (int64_t i = 0; i < k; i++)
                reflected[j] += z[i * left + j] * project[i];
        }
        w_small_null_basis(left, reflected, true, basis);
        double *next = w_arena_alloc(p->work, w_mul_size((size_t)k, (size_t)left), sizeof *next);
        weir_status status = next ? w_small_multiply(p->work->ctx, k, left, left - 1, z, basis, next) : no_memory(p);
        if (status)
            return status;
        z = next;
    }
    p->z = z;
    return WEIR_OK;
}

/* ---- the margin ---- */

static weir_status fill_margin(plate *p)
{
    w_margin *out = &p->out;
    int64_t n = out->knot_count, k = out->k, f = p->free;
    size_t square = w_mul_size((size_t)k, (size_t)k);
    double *ut = w_arena_alloc(p->work, w_mul_size((size_t)n, (size_t)k), sizeof *ut);
    double *uz = w_arena_alloc(p->work, w_mul_size((size_t)n, (size_t)f), sizeof *uz);
    double *diagonal = w_arena_calloc(p->work, square, sizeof *diagonal);
    double *block = w_arena_alloc(p->work, square, sizeof *block);
    out->penalty = w_arena_calloc(p->arena, square, sizeof(double));
    out->weight = w_arena_calloc(p->arena, w_mul_size((size_t)(n + p->polynomials), (size_t)k), sizeof(double));
    if (!ut || !uz || !diagonal || !block || !out->penalty || !out->weight)
        return no_memory(p);
    for (int64_t j = 0; j < k; j++) {
        diagonal[j * k + j] = p->eigenvalue[j];
        for (int64_t i = 0; i < n; i++)
            ut[i * k + j] = p->u[j * n + i];
    }
    weir_status status = w_small_multiply(p->work->ctx, n, k, f, ut, p->z, uz);
    if (!status)
        status = w_small_congruence(p->work, k, f, p->z, diagonal, block);
    for (int64_t i = 0; !status && i < n; i++)
        memcpy(out->weight + i * k, uz + i * f, (size_t)f * sizeof *uz);
    for (int64_t q = 0; !status && q < p->polynomials; q++)
        out->weight[(n + q) * k + f + q] = 1;
    for (int64_t i = 0; !status && i < f; i++)
        memcpy(out->penalty + i * k, block + i * f, (size_t)f * sizeof *block);
    out->rank = f;
    return status;
}

/* Columns to mean square 1 over the data. */
static weir_status scale_columns(plate *p)
{
    enum { TILE = 256 };
    w_margin *out = &p->out;
    int64_t k = out->k, rows = p->data->rows;
    double *square = w_arena_calloc(p->work, (size_t)k, sizeof *square);
    double *value = w_arena_alloc(p->work, w_mul_size(TILE, (size_t)k), sizeof *value);
    double *scratch = w_arena_alloc(p->work, (size_t)w_joint_doubles(out), sizeof *scratch);
    if (!square || !value || !scratch)
        return no_memory(p);
    bool whole = p->points == out->knot_count;
    weir_status status = whole ? w_joint_tabulate(p->arena, out, scratch) : WEIR_OK;
    if (status)
        return status;
    for (int64_t start = 0; start < rows; start += TILE) {
        int64_t count = w_min64(TILE, rows - start);
        const double *x[W_MAX_MARGINS];
        for (int c = 0; c < out->covariates; c++)
            x[c] = p->data->x[c] + start;
        w_joint_eval(out, x, count, value, scratch);
        for (int64_t i = 0; i < count * k; i++)
            square[i % k] += value[i] * value[i];
    }
    for (int64_t j = 0; j < k; j++) {
        double scale = sqrt((double)rows / square[j]);
        if (!isfinite(scale) || scale == 0)
            return w_fail(p->arena->ctx, WEIR_E_DATA,
                          "%s: the ranges of the covariates are too different; rescale them", p->label);
        for (int64_t i = 0; i < out->knot_count + p->polynomials; i++)
            out->weight[i * k + j] *= scale;
        for (int64_t i = 0; i < k; i++)
            out->penalty[i * k + j] *= scale;
        for (int64_t i = 0; i < k; i++)
            out->penalty[j * k + i] *= scale;
    }
    return whole ? w_joint_tabulate(p->arena, out, scratch) : WEIR_OK;
}

static weir_status shrink(plate *p)
{
    int64_t k = p->out.k, f = p->free;
    double *block = w_arena_alloc(p->work, w_mul_size((size_t)f, (size_t)f), sizeof *block);
    double *value = w_arena_alloc(p->work, (size_t)k, sizeof *value);
    if (!block || !value)
        return no_memory(p);
    for (int64_t i = 0; i < f; i++)
        memcpy(block + i * f, p->out.penalty + i * k, (size_t)f * sizeof *block);
    weir_status status = w_small_eigenvalues(p->work, f, block, value);
    for (int64_t i = f; !status && i < k; i++)
        p->out.penalty[i * k + i] = 0.1 * value[0];
    p->out.rank = k;
    return status;
}

weir_status w_margin_plate(w_arena *arena, w_arena *work, const char *label, const w_margin_spec *spec,
                           const w_smooth_data *data, w_margin *out, const char **note)
{
    plate p = {.arena = arena, .work = work, .label = label, .spec = spec, .data = data};
    p.out = (w_margin){.kind = spec->basis, .covariates = spec->covariates, .order = w_plate_order(spec)};
    weir_status status = check(&p);
    p.polynomials = status ? 0 : w_plate_polynomials(spec->covariates, p.out.order);
    if (!status)
        status = find_points(&p);
    if (!status)
        status = choose_k(&p, note);
    p.free = p.out.k - p.polynomials;
    weir_status (*const step[])(plate *) = {place_knots, find_eigenpairs, absorb_polynomials, fill_margin};
    for (size_t i = 0; i < sizeof step / sizeof *step && !status; i++)
        status = step[i](&p);
    if (!status)
        status = w_joint_finish(arena, &p.out);
    if (!status)
        status = scale_columns(&p);
    if (!status && spec->basis == W_BASIS_TS)
        status = shrink(&p);
    if (!status)
        *out = p.out;
    return status;
}

/* Table and numbers of the points, rows at the knots, E, Lanczos vectors with the copies made as they grow, weights, small matrices. */
int64_t w_plate_bytes(const w_margin_spec *spec, int64_t k, int64_t rows)
{
    int64_t n = w_min64(w_max64(rows, 1), MOST_POINTS), null = w_plate_polynomials(spec->covariates, w_plate_order(spec));
    int64_t table = w_add64(w_mul64(rows, 48), w_mul64(n, 8 * k + 32)), kernel = w_mul64(n, 8 * n);
    int64_t vectors = w_mul64(w_mul64(n, 8), w_add64(w_mul64(k, 20), 640));
    int64_t small = w_mul64(w_mul64(k, k), 8 * (48 + null)), panel = w_mul64(512, w_add64(w_add64(n, null), 6 * k));
    return w_add64(w_add64(table, kernel), w_add64(vectors, w_add64(small, w_add64(panel, 8192))));
}
