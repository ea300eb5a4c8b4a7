/* SPDX-License-Identifier: Apache-2.0 */
/* Tensor products of separated margins (t2): every penalty is a multiple of the identity on columns of its own.
 *
 * Separating a margin: with its raw design matrix X over the n set-up rows and S = U diag(d) U' of rank r,
 *     range: X U_r diag(d)^(-1/2) s,  s so that the mean square over data and columns is 1; there S = s^2 I;
 *     null:  X U_0 A with A'(U_0'X'XU_0)A = n I: columns of mean square 1, orthogonal over the data, the first the projection
 *            of the constant function.
 * The columns of the product belong to 2^d blocks, range or null space of each margin; each block but null x null x … has the
 * penalty |beta_block|^2, in the order rr, nr, rn (rrr, nrr, rnr, nnr, rrn, …). scale_j = 1/|X|_inf^2.
 *
 * Centring. If every margin has a null space, the first null x null column u is the constant function and unpenalised: penalised
 * columns have their mean taken off through it, beta_u -= c_j beta_j / c_u, and the null x null columns are reduced by a
 * reflection of their own sums; the penalties stay as they are. Else (a margin cs or ts) every column is penalised and the term
 * is not centred.
 *
 * Wood, Scheipl & Faraway (2013), Statistics and Computing 23, 341-360. */
#include <math.h>
#include <string.h>
#include "base/blas.h"
#include "base/size.h"
#include "basis/parts.h"

#define RUN 1024

typedef struct product {
    w_arena *arena, *work;
    const w_smooth_spec *spec;
    const w_smooth_data *data;
    w_smooth *smooth;
    double *column_sum;
    double largest_row;
} product;

static weir_status no_memory(const product *p) { return w_alloc_status(p->arena->ctx); }

/* ---- one margin ---- */

/* gram = X'X (lower triangle in column-major terms), sum = X'1. */
static weir_status sum_rows(const product *p, int m, double *gram, double *sum)
{
    w_smooth single = {.margin_count = 1, .margin = {p->smooth->margin[m]}};
    int64_t k = single.raw_columns = single.columns = single.margin[0].k;
    double *rows = w_arena_alloc(p->work, w_mul_size(RUN, (size_t)k), sizeof *rows);
    const double one = 1;
    weir_status status = rows ? WEIR_OK : no_memory(p);
    for (int64_t start = 0; start < p->data->rows && !status; start += RUN) {
        const double *x[W_MAX_MARGINS] = {p->data->x[m] + start};
        int64_t count = w_min64(RUN, p->data->rows - start);
        w_blas_int order = w_narrow(k), length = w_narrow(count);
        status = w_smooth_rows(p->work->ctx, &single, count, x, rows);
        if (status)
            break;
        dsyrk_("L", "N", &order, &length, &one, rows, &order, &one, gram, &order);
        for (int64_t i = 0; i < count * k; i++)
            sum[i % k] += rows[i];
    }
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < i; j++)
            gram[i * k + j] = gram[j * k + i];
    }
    return status;
}

/* a'Gb */
static double form(int64_t k, const double *gram, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < k; j++)
            sum += a[i] * gram[i * k + j] * b[j];
    }
    return sum;
}

/* The `null` rows of u to mean square 1 over n rows, orthogonal in G, the first along the projection of the constant: with
 * U_0'X'XU_0/n = LL', rows <- Q'L^-1 U_0', Q orthogonal with L^-1 U_0'X'1 as its first column. */
static weir_status turn_null_space(const product *p, int64_t k, int64_t null, const double *gram, const double *sum, double *u)
{
    double rows = (double)p->data->rows;
    size_t square = w_mul_size((size_t)null, (size_t)null);
    double *l = w_arena_alloc(p->work, square, sizeof *l), *c = w_arena_calloc(p->work, (size_t)null, sizeof *c);
    double *turn = w_arena_alloc(p->work, square, sizeof *turn);
    double *out = w_arena_calloc(p->work, w_mul_size((size_t)null, (size_t)k), sizeof *out);
    if (!l || !c || !turn || !out)
        return no_memory(p);
    for (int64_t i = 0; i < null; i++) {
        for (int64_t j = 0; j < null; j++)
            l[j * null + i] = form(k, gram, u + i * k, u + j * k) / rows;
    }
    w_blas_int order = w_narrow(null), columns = w_narrow(k), unit = 1, info;
    const double one = 1;
    dpotrf_("L", &order, l, &order, &info);
    if (info != 0)
        return w_fail(p->arena->ctx, WEIR_E_DATA, "%s: a margin's columns are dependent over the data; lower k", p->smooth->label);
    dtrsm_("R", "L", "T", "N", &columns, &order, &one, l, &order, u, &columns);
    for (int64_t i = 0; i < null; i++) {
        for (int64_t j = 0; j < k; j++)
            c[i] += u[i * k + j] * sum[j];
    }
    double norm = dnrm2_(&order, c, &unit);
    if (null > 1)
        w_small_null_basis(null, c, false, turn);
    for (int64_t r = 0; r < null; r++) {
        for (int64_t i = 0; i < null; i++) {
            double factor = r == 0 ? (norm > 0 ? c[i] / norm : i == 0) : turn[i * (null - 1) + r - 1];
            for (int64_t j = 0; j < k; j++)
                out[r * k + j] += factor * u[i * k + j];
        }
    }
    memcpy(u, out, (size_t)(null * k) * sizeof *u);
    return WEIR_OK;
}

/* Range first, by descending eigenvalue, then the null space. */
static weir_status separate(const product *p, int m)
{
    w_margin *margin = &p->smooth->margin[m];
    int64_t k = margin->k, rank = margin->rank, null = k - rank;
    size_t square = w_mul_size((size_t)k, (size_t)k);
    double *gram = w_arena_calloc(p->work, square, sizeof *gram), *sum = w_arena_calloc(p->work, (size_t)k, sizeof *sum);
    double *u = w_arena_alloc(p->work, square, sizeof *u), *value = w_arena_alloc(p->work, (size_t)k, sizeof *value);
    double *r = w_arena_alloc(p->work, square, sizeof *r);
    if (!gram || !sum || !u || !value || !r)
        return no_memory(p);
    memcpy(u, margin->penalty, square * sizeof *u);
    weir_status status = w_small_eigen(p->work, k, u, value);
    if (!status)
        status = sum_rows(p, m, gram, sum);
    if (status)
        return status;
    double mean = 0;
    for (int64_t j = null; j < k; j++)
        mean += form(k, gram, u + j * k, u + j * k) / ((double)p->data->rows * value[j]) / (double)rank;
    double scale = sqrt(1 / mean);
    if (rank < 1 || !(value[null] > 0) || !isfinite(scale) || !(scale > 0))
        return w_fail(p->arena->ctx, WEIR_E_FORMULA, "%s: a margin with k = %lld leaves nothing to penalise; raise k",
                      p->smooth->label, (long long)k);
    if (null > 0)
        status = turn_null_space(p, k, null, gram, sum, u);
    for (int64_t j = 0; j < k; j++) {
        int64_t from = j < rank ? k - 1 - j : j - rank;
        for (int64_t i = 0; i < k; i++)
            r[i * k + j] = u[from * k + i] * (j < rank ? scale / sqrt(value[from]) : 1);
    }
    return status ? status : w_margin_transform(p->arena, p->work, margin, k, r);
}

static weir_status build_margins(product *p)
{
    w_smooth *s = p->smooth;
    const w_smooth_data *data = p->data;
    s->raw_columns = 1;
    for (int m = 0; m < s->margin_count; m++) {
        const char *note = NULL, *label = w_arena_printf(p->work, "%s, covariate %d", s->label, m + 1);
        if (!label)
            return no_memory(p);
        weir_status status = w_margin_build(p->arena, p->work, label, &p->spec->margin[m], true, data->rows, data->x[m],
                                            data->lower[m], data->upper[m], &s->margin[m], &note);
        if (!status)
            status = separate(p, m);
        if (status)
            return status;
        if (note) {
            s->note = w_arena_printf(p->arena, "%s%scovariate %d: %s", s->note ? s->note : "", s->note ? "; " : "", m + 1, note);
            if (!s->note)
                return no_memory(p);
        }
        s->raw_columns = w_mul64(s->raw_columns, s->margin[m].k);
    }
    if (s->raw_columns > INT32_MAX / 4)
        return w_fail(p->arena->ctx, WEIR_E_FORMULA, "%s: the margins make %lld coefficients; lower k", s->label,
                      (long long)s->raw_columns);
    return WEIR_OK;
}

/* ---- the product ---- */

/* Which block a raw column belongs to: bit m is set where it is of margin m's null space. */
static int block_of(const w_smooth *s, int64_t column)
{
    int block = 0;
    for (int m = s->margin_count - 1; m >= 0; m--) {
        const w_margin *margin = &s->margin[m];
        block |= (column % margin->k >= margin->rank) << m;
        column /= margin->k;
    }
    return block;
}

/* The column that is first in every null space, the first of those unpenalised. */
static int64_t constant_column(const w_smooth *s)
{
    int64_t column = 0;
    for (int m = 0; m < s->margin_count; m++)
        column = column * s->margin[m].k + s->margin[m].rank;
    return column;
}

/* Columns of the transform are the raw ones but u; those of the null block are the reflection's. */
static weir_status centre_through_constant(product *p)
{
    w_smooth *s = p->smooth;
    int64_t raw = s->raw_columns, columns = s->columns, u = constant_column(s), null = 0;
    int whole = (1 << s->margin_count) - 1;
    int64_t *place = w_arena_alloc(p->work, (size_t)raw, sizeof *place);
    double *sum = w_arena_alloc(p->work, (size_t)raw, sizeof *sum);
    for (int64_t i = 0; place && sum && i < raw; i++) {
        if (block_of(s, i) == whole) {
            sum[null] = p->column_sum[i];
            place[null++] = i;
        }
    }
    double *z = sum ? w_arena_alloc(p->work, w_mul_size((size_t)null, (size_t)null), sizeof *z) : NULL;
    if (!place || !z)
        return no_memory(p);
    if (null > 1)
        w_small_null_basis(null, sum, false, z);
    for (int64_t i = 0, j = 0, free = 0; i < raw; i++) {
        if (i == u)
            continue;
        if (block_of(s, i) == whole) {
            for (int64_t r = 0; r < null; r++)
                s->transform[place[r] * columns + j] = z[r * (null - 1) + free];
            free++;
        } else {
            s->transform[u * columns + j] = -p->column_sum[i] / p->column_sum[u];
            s->transform[i * columns + j] = 1;
        }
        j++;
    }
    return WEIR_OK;
}

static weir_status constrain(product *p, bool centred)
{
    w_smooth *s = p->smooth;
    int64_t raw = s->raw_columns, columns = raw - centred;
    s->columns = columns;
    s->column_mean = w_arena_calloc(p->arena, (size_t)columns, sizeof(double));
    s->transform = centred ? w_arena_calloc(p->arena, w_mul_size((size_t)raw, (size_t)columns), sizeof(double)) : NULL;
    if (!s->column_mean || (centred && !s->transform))
        return no_memory(p);
    for (int64_t j = 0; j < raw && !centred; j++)
        s->column_mean[j] = p->column_sum[j] / (double)p->data->rows;
    return centred ? centre_through_constant(p) : WEIR_OK;
}

/* The penalty of a block: size on its columns. */
static weir_status add_penalty(product *p, int block, bool centred)
{
    w_smooth *s = p->smooth;
    int64_t raw = s->raw_columns, columns = s->columns, u = centred ? constant_column(s) : raw;
    double size = p->largest_row * p->largest_row;
    w_penalty penalty = {.scale = 1 / size};
    penalty.matrix = w_arena_calloc(p->arena, w_mul_size((size_t)columns, (size_t)columns), sizeof *penalty.matrix);
    if (!penalty.matrix)
        return no_memory(p);
    for (int64_t i = 0; i < raw; i++) {
        if (block_of(s, i) == block) {
            int64_t j = i - (i > u);
            penalty.matrix[j * columns + j] = size;
            penalty.rank++;
        }
    }
    penalty.log_det = (double)penalty.rank * log(size);
    if (penalty.rank > 0)
        s->penalty[s->penalty_count++] = penalty;
    return WEIR_OK;
}

static weir_status add_penalties(product *p)
{
    w_smooth *s = p->smooth;
    int64_t null = 1;
    for (int m = 0; m < s->margin_count; m++)
        null *= s->margin[m].k - s->margin[m].rank;
    bool centred = p->spec->centre && null > 0;
    weir_status status = constrain(p, centred);
    for (int block = 0; block + 1 < 1 << s->margin_count && !status; block++)
        status = add_penalty(p, block, centred);
    s->null_dimension = null - centred;
    s->logdet_form = W_LOGDET_SEPARATE;
    return status;
}

weir_status w_smooth_separated(w_arena *arena, w_arena *work, const w_smooth_spec *spec, const w_smooth_data *data,
                               w_smooth *smooth)
{
    product p = {.arena = arena, .work = work, .spec = spec, .data = data, .smooth = smooth};
    W_BLAS_SERIAL;
    weir_status status = build_margins(&p);
    if (status)
        return status;
    p.column_sum = w_arena_alloc(work, (size_t)smooth->raw_columns, sizeof(double));
    if (!p.column_sum)
        return no_memory(&p);
    status = w_smooth_sums(work, smooth, data, p.column_sum, &p.largest_row);
    return status ? status : add_penalties(&p);
}
