/* SPDX-License-Identifier: Apache-2.0 */
/* Natural parameterisation: a basis in which every direction is penalised by a multiple of its square, for curves that
 * differ from level to level of a factor as random effects do.
 *
 * With X the raw design matrix of the n set-up rows, S the penalty of rank r: X'X = LL', L^-1 S L^-T = U D U', V = L^-T U, so
 * that V'X'XV = I and V'SV = D. The columns of the range are V_j D_j^(-1/2) times a common factor that makes their mean
 * square over the data 1 on average; then S is s^2 I there. The null space (two dimensions at most) is turned so that its first
 * direction is the constant function's and the second orthogonal to it over the data; both have a mean square of 1. Penalties:
 * the sum of squares of the range's coefficients, and the square of each coefficient of the null space.
 *
 * Wood (2017), Generalized Additive Models, 5.4.2, 5.6.2. */
#include <math.h>
#include <string.h>
#include "base/blas.h"
#include "base/size.h"
#include "basis/parts.h"

#define RUN 1024

typedef struct natural {
    w_arena *arena, *work;
    w_smooth *smooth;
    const w_smooth_data *data;
    int64_t k, null;
    double *gram, *sum, *v, *value; /* v: k eigenvectors, one per row */
} natural;

typedef void (*use_rows)(natural *n, int64_t rows, const double *x, double *result);

/* Passes over the rows of X in the smooth's present columns. */
static weir_status sweep(natural *n, use_rows use, double *result)
{
    double *rows = w_arena_alloc(n->work, w_mul_size(RUN, (size_t)n->k), sizeof *rows);
    if (!rows)
        return w_alloc_status(n->work->ctx);
    weir_status status = WEIR_OK;
    for (int64_t start = 0; start < n->data->rows && !status; start += RUN) {
        const double *x[W_MAX_MARGINS] = {n->data->x[0] + start};
        int64_t count = w_min64(RUN, n->data->rows - start);
        status = w_smooth_rows(n->work->ctx, n->smooth, count, x, rows);
        if (!status)
            use(n, count, rows, result);
    }
    return status;
}

static void add_gram(natural *n, int64_t rows, const double *x, double *gram)
{
    const double one = 1;
    w_blas_int k = w_narrow(n->k), count = w_narrow(rows);
    dsyrk_("L", "N", &k, &count, &one, x, &k, &one, gram, &k);
    for (int64_t i = 0; i < rows * n->k; i++)
        n->sum[i % n->k] += x[i];
}

static void find_largest(natural *n, int64_t rows, const double *x, double *largest)
{
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int64_t j = 0; j < n->k; j++)
            sum += fabs(x[i * n->k + j]);
        *largest = fmax(*largest, sum);
    }
}

static weir_status allocate(natural *n)
{
    size_t k = (size_t)n->k, square = w_mul_size(k, k);
    n->gram = w_arena_calloc(n->work, square, sizeof(double));
    n->sum = w_arena_calloc(n->work, k, sizeof(double));
    n->v = w_arena_alloc(n->work, square, sizeof(double));
    n->value = w_arena_alloc(n->work, k, sizeof(double));
    n->smooth->transform = NULL;
    return n->gram && n->sum && n->v && n->value ? WEIR_OK : w_alloc_status(n->work->ctx);
}

/* V and D; the null space first. */
static weir_status diagonalise(natural *n)
{
    const double one = 1;
    w_blas_int k = w_narrow(n->k), info;
    dpotrf_("L", &k, n->gram, &k, &info);
    if (info != 0)
        return w_fail(n->work->ctx, WEIR_E_DATA, "%s: its columns are dependent over the data; lower k", n->smooth->label);
    memcpy(n->v, n->smooth->margin[0].penalty, (size_t)(n->k * n->k) * sizeof *n->v);
    dtrsm_("L", "L", "N", "N", &k, &k, &one, n->gram, &k, n->v, &k);
    dtrsm_("R", "L", "T", "N", &k, &k, &one, n->gram, &k, n->v, &k);
    for (int64_t i = 0; i < n->k; i++) {
        for (int64_t j = 0; j < i; j++)
            n->v[i * n->k + j] = n->v[j * n->k + i] = 0.5 * (n->v[i * n->k + j] + n->v[j * n->k + i]);
    }
    weir_status status = w_small_eigen(n->work, n->k, n->v, n->value);
    if (!status)
        dtrsm_("L", "L", "T", "N", &k, &k, &one, n->gram, &k, n->v, &k);
    return status;
}

/* Turns the two null vectors so that the first is the projection of the constant function. */
static void turn_null_space(natural *n)
{
    double c[2] = {0, 0}, *a = n->v, *b = n->v + n->k;
    for (int64_t i = 0; i < n->k; i++) {
        c[0] += a[i] * n->sum[i];
        c[1] += b[i] * n->sum[i];
    }
    double length = hypot(c[0], c[1]);
    for (int64_t i = 0; i < n->k && length > 0; i++) {
        double first = (c[0] * a[i] + c[1] * b[i]) / length;
        b[i] = (c[0] * b[i] - c[1] * a[i]) / length;
        a[i] = first;
    }
}

/* The transform: the range by descending eigenvalue, then the null space. *square: S on the range. */
static weir_status fill_transform(natural *n, double *square)
{
    int64_t k = n->k, rank = k - n->null;
    double mean = 0, rows = (double)n->data->rows;
    for (int64_t j = n->null; j < k; j++)
        mean += 1 / (rows * n->value[j]) / (double)rank;
    *square = 1 / mean;
    if (!(n->value[n->null] > 0) || !isfinite(*square) || !(*square > 0))
        return w_fail(n->work->ctx, WEIR_E_FORMULA, "%s: the penalty vanishes or overflows; change k or m",
                      n->smooth->label);
    double *transform = w_arena_alloc(n->arena, w_mul_size((size_t)k, (size_t)k), sizeof *transform);
    if (!transform)
        return w_alloc_status(n->arena->ctx);
    for (int64_t j = 0; j < k; j++) {
        int64_t from = j < rank ? k - 1 - j : j - rank;
        double scale = j < rank ? sqrt(*square / n->value[from]) : sqrt(rows);
        n->smooth->column_mean[j] = 0;
        for (int64_t i = 0; i < k; i++) {
            transform[i * k + j] = scale * n->v[from * k + i];
            n->smooth->column_mean[j] += transform[i * k + j] * n->sum[i] / rows;
        }
    }
    n->smooth->transform = transform;
    return WEIR_OK;
}

/* A penalty on the coefficients first … first+rank-1. */
static weir_status add_penalty(natural *n, int64_t first, int64_t rank, double square, double largest_row)
{
    w_penalty *penalty = &n->smooth->penalty[n->smooth->penalty_count++];
    double size = largest_row * largest_row;
    *penalty = (w_penalty){.rank = rank, .scale = square / size, .log_det = (double)rank * log(size)};
    penalty->matrix = w_arena_calloc(n->arena, w_mul_size((size_t)n->k, (size_t)n->k), sizeof(double));
    for (int64_t i = first; penalty->matrix && i < first + rank; i++)
        penalty->matrix[i * n->k + i] = size;
    return penalty->matrix ? WEIR_OK : w_alloc_status(n->arena->ctx);
}

weir_status w_smooth_natural(w_arena *arena, w_arena *work, w_smooth *smooth, const w_smooth_data *data)
{
    natural n = {.arena = arena, .work = work, .smooth = smooth, .data = data, .k = smooth->raw_columns};
    n.null = n.k - smooth->margin[0].rank;
    double square = 0, largest = 0;
    if (n.null > 2)
        return w_fail(work->ctx, WEIR_E_FORMULA,
                      "%s: a curve per level leaves at most two directions unpenalised, not %lld; change m",
                      smooth->label, (long long)n.null);
    W_BLAS_SERIAL;
    weir_status status = allocate(&n);
    if (!status)
        status = sweep(&n, add_gram, n.gram);
    if (!status)
        status = diagonalise(&n);
    if (!status && n.null == 2)
        turn_null_space(&n);
    if (!status)
        status = fill_transform(&n, &square);
    if (!status)
        status = sweep(&n, find_largest, &largest);
    if (!status)
        status = add_penalty(&n, 0, n.k - n.null, square, largest);
    for (int64_t j = 0; j < n.null && !status; j++)
        status = add_penalty(&n, n.k - n.null + j, 1, 1, largest);
    smooth->null_dimension = 0;
    smooth->logdet_form = W_LOGDET_SEPARATE;
    return status;
}
