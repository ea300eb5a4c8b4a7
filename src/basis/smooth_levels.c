/* SPDX-License-Identifier: Apache-2.0 */
/* Curves per level that sum to zero (sz): what a factor, or two together, add to a curve that all levels share.
 *
 * With the raw basis b(x) of one curve (k columns, penalty S of rank r) and C the L x (L-1) sum-to-zero contrasts of a factor
 * (the identity above a row of -1) the curve of level l is f_l = b(x)' sum_j c_lj beta_j: over the levels the coefficients sum
 * to zero. For two factors c_l is the Kronecker product of their rows, the first factor slowest; the curves then
 * sum to zero over either. The design row is that of a tensor product with the contrasts as margins. Each level l has a penalty
 *     S_l = (c_l c_l') x S / scale,   rank r,      scale as for the curve alone (the largest row of X is one level's)
 * or all share one, sum_l S_l = (C'C) x S / scale of rank q r, q = the columns of C. Nothing is centred: a level's curve holds its
 * constant. With |.|_+ the product of the positive eigenvalues,
 *     log|sum_l lambda_l S_l|_+ = r log|C'diag(lambda)C| + q log|S / scale|_+,
 *     one factor: |C'diag(lambda)C| = prod_l lambda_l sum_l 1/lambda_l.
 *
 * The manual page smooth.construct.sz.smooth.spec of R's mgcv describes the model. */
#include <math.h>
#include <string.h>
#include "base/size.h"
#include "basis/parts.h"

typedef struct levels {
    w_arena *arena, *work;
    const w_smooth_spec *spec;
    w_smooth *smooth;
    int factors;
    int64_t combinations, q, k, rank; /* q: columns of C; k, rank: of the curve */
    double *contrast;                 /* combinations x q */
    double *penalty;                  /* k x k, scaled */
    double scale, log_det;            /* log|S / scale|_+ */
} levels;

weir_status w_margin_contrast(w_arena *arena, int64_t count, w_margin *out)
{
    w_margin margin = {.kind = W_BASIS_SZ, .k = count - 1, .width = 1, .cells = count, .rank = count - 1};
    margin.map = w_arena_calloc(arena, w_mul_size((size_t)count, (size_t)count - 1), sizeof *margin.map);
    if (!margin.map)
        return w_alloc_status(arena->ctx);
    for (int64_t j = 0; j + 1 < count; j++) {
        margin.map[j * (count - 1) + j] = 1;
        margin.map[(count - 1) * (count - 1) + j] = -1;
    }
    *out = margin;
    return WEIR_OK;
}

static weir_status build_margins(levels *l, const w_smooth_data *data)
{
    w_smooth *s = l->smooth;
    int last = l->factors;
    l->combinations = l->q = 1;
    for (int m = 0; m < l->factors; m++) {
        int64_t count = l->spec->levels[m];
        if (count < 2)
            return w_fail(l->arena->ctx, WEIR_E_DATA, "%s: factor %d has %lld level%s; deviations need two", s->label, m + 1,
                          (long long)count, count == 1 ? "" : "s");
        weir_status status = w_margin_contrast(l->arena, count, &s->margin[m]);
        if (status)
            return status;
        l->combinations = w_mul64(l->combinations, count);
        l->q = w_mul64(l->q, count - 1);
    }
    if (!l->spec->shared && l->combinations > W_MAX_PENALTIES - 1)
        return w_fail(l->arena->ctx, WEIR_E_FORMULA,
                      "%s: %lld levels would have a smoothing parameter each, at most %d may; give it an id= for one of all",
                      s->label, (long long)l->combinations, W_MAX_PENALTIES - 1);
    weir_status status = w_margin_build(l->arena, l->work, s->label, &l->spec->margin[last], false, data->rows, data->x[last],
                                        data->lower[last], data->upper[last], &s->margin[last], &s->note);
    if (status)
        return status;
    l->k = s->margin[last].k;
    l->rank = s->margin[last].rank;
    s->raw_columns = s->columns = w_mul64(l->q, l->k);
    if (s->columns > INT32_MAX / 4)
        return w_fail(l->arena->ctx, WEIR_E_FORMULA, "%s: the levels make %lld coefficients; lower k", s->label,
                      (long long)s->columns);
    return WEIR_OK;
}

/* S / scale and its log-determinant. */
static weir_status scale_penalty(levels *l, const w_smooth_data *data)
{
    int64_t k = l->k;
    size_t square = w_mul_size((size_t)k, (size_t)k);
    const w_margin *curve = &l->smooth->margin[l->factors];
    w_smooth single = {.margin_count = 1, .margin = {*curve}, .raw_columns = k};
    w_smooth_data one = {.rows = data->rows, .x = {data->x[l->factors]}};
    double largest, *sum = w_arena_alloc(l->work, (size_t)k, sizeof *sum);
    double *copy = w_arena_alloc(l->work, square, sizeof *copy), *value = w_arena_alloc(l->work, (size_t)k, sizeof *value);
    l->penalty = w_arena_alloc(l->work, square, sizeof *l->penalty);
    if (!sum || !copy || !value || !l->penalty)
        return w_alloc_status(l->work->ctx);
    weir_status status = w_smooth_sums(l->work, &single, &one, sum, &largest);
    if (status)
        return status;
    l->scale = w_small_norm1(k, curve->penalty) / (largest * largest);
    if (!isfinite(l->scale) || !(l->scale > 0))
        return w_fail(l->arena->ctx, WEIR_E_FORMULA, "%s: the penalty vanishes or overflows; change k or m", l->smooth->label);
    for (int64_t i = 0; i < k * k; i++)
        copy[i] = l->penalty[i] = curve->penalty[i] / l->scale;
    status = w_small_eigenvalues(l->work, k, copy, value);
    l->log_det = 0;
    for (int64_t i = k - l->rank; !status && i < k; i++)
        l->log_det += log(value[i]);
    return status;
}

static weir_status fill_contrasts(levels *l)
{
    const w_margin *first = &l->smooth->margin[0], *second = &l->smooth->margin[1];
    int64_t columns = l->factors > 1 ? second->k : 1, cells = l->factors > 1 ? second->cells : 1;
    l->contrast = w_arena_alloc(l->work, w_mul_size((size_t)l->combinations, (size_t)l->q), sizeof *l->contrast);
    if (!l->contrast)
        return w_alloc_status(l->work->ctx);
    for (int64_t c = 0; c < l->combinations; c++) {
        for (int64_t j = 0; j < l->q; j++) {
            double inner = l->factors > 1 ? second->map[c % cells * columns + j % columns] : 1;
            l->contrast[c * l->q + j] = first->map[c / cells * first->k + j / columns] * inner;
        }
    }
    return WEIR_OK;
}

/* (sum of c c' over the combinations first … last-1) x S. */
static weir_status add_penalty(levels *l, int64_t first, int64_t last, int64_t rank, double log_det)
{
    int64_t k = l->k, columns = l->smooth->columns;
    w_penalty *penalty = &l->smooth->penalty[l->smooth->penalty_count++];
    *penalty = (w_penalty){.rank = rank, .scale = l->scale, .log_det = log_det};
    penalty->matrix = w_arena_alloc(l->arena, w_mul_size((size_t)columns, (size_t)columns), sizeof *penalty->matrix);
    if (!penalty->matrix)
        return w_alloc_status(l->arena->ctx);
    for (int64_t a = 0; a < l->q; a++) {
        for (int64_t b = 0; b < l->q; b++) {
            double weight = 0;
            for (int64_t c = first; c < last; c++)
                weight += l->contrast[c * l->q + a] * l->contrast[c * l->q + b];
            for (int64_t i = 0; i < k; i++) {
                for (int64_t j = 0; j < k; j++)
                    penalty->matrix[(a * k + i) * columns + b * k + j] = weight * l->penalty[i * k + j];
            }
        }
    }
    return WEIR_OK;
}

/* log|C'C|: |C_m'C_m| is the number of levels. */
static double log_contrasts(const levels *l)
{
    double sum = 0;
    for (int m = 0; m < l->factors; m++)
        sum += (double)(l->q / l->smooth->margin[m].k) * log((double)l->smooth->margin[m].cells);
    return sum;
}

static weir_status add_penalties(levels *l)
{
    w_smooth *s = l->smooth;
    double rank = (double)l->rank, q = (double)l->q;
    s->null_dimension = l->q * (l->k - l->rank);
    if (l->spec->shared) {
        s->logdet_form = W_LOGDET_SEPARATE;
        return add_penalty(l, 0, l->combinations, l->q * l->rank, rank * log_contrasts(l) + q * l->log_det);
    }
    weir_status status = WEIR_OK;
    for (int64_t c = 0; c < l->combinations && !status; c++) {
        double square = 0;
        for (int64_t j = 0; j < l->q; j++)
            square += l->contrast[c * l->q + j] * l->contrast[c * l->q + j];
        status = add_penalty(l, c, c + 1, l->rank, rank * log(square) + l->log_det);
    }
    s->logdet_form = l->factors > 1 ? W_LOGDET_CONTRASTS : W_LOGDET_HARMONIC;
    s->form_penalties = (int)l->combinations;
    s->form_power = rank;
    s->logdet_constant = q * l->log_det;
    return status;
}

weir_status w_smooth_levels(w_arena *arena, w_arena *work, const w_smooth_spec *spec, const w_smooth_data *data, w_smooth *smooth)
{
    levels l = {.arena = arena, .work = work, .spec = spec, .smooth = smooth, .factors = spec->margin_count - 1};
    if (l.factors < 1)
        return w_fail(arena->ctx, WEIR_E_FORMULA, "%s: bs=\"sz\" needs a factor and a number", spec->label);
    weir_status status = build_margins(&l, data);
    if (!status)
        status = scale_penalty(&l, data);
    if (!status)
        status = fill_contrasts(&l);
    if (!status)
        status = add_penalties(&l);
    if (status)
        return status;
    smooth->column_mean = w_arena_calloc(arena, (size_t)smooth->columns, sizeof(double));
    return smooth->column_mean ? WEIR_OK : w_alloc_status(arena->ctx);
}
