/* SPDX-License-Identifier: Apache-2.0 */
/* One sweep over the set-up rows: column sums of the raw design matrix (for the centring constraint) and its
 * infinity norm (for the scaling of penalties), in tiles of fixed size summed in order; and dense rows of the
 * finished smooth.
 *
 * One margin: the local values are summed per cell and mapped once,
 *     sum_i v_i'M_{c_i} = sum_c (sum_{i in c} v_i)'M_c;
 * a row v'M_c has absolute sum at most sum_r |v_r| |M_c[r]|_1, so that only rows which may exceed the largest
 * so far are formed. About 10 flops per row.
 * A joint margin: rows are formed.
 * Several margins: with A the tile's rows of all margins but the last (joined) and B those of the last, the sums are
 * the matrix A'B; the absolute row sum of a row-Kronecker product is the product of the margins' absolute row sums. */
#include <math.h>
#include <string.h>
#include "base/blas.h"
#include "base/size.h"
#include "basis/features.h"
#include "basis/joint.h"

#define TILE 256

typedef struct tile {
    double *scratch; /* of a joint margin or one of features */
    double *wide;    /* TILE values of a margin of features that has a map */
    int32_t cell[TILE];
    double value[TILE * 4];
    double *row[W_MAX_MARGINS]; /* TILE x k_i */
} tile;

static tile *make_tile(w_arena *work, const w_smooth *smooth)
{
    tile *t = w_arena_calloc(work, 1, sizeof *t);
    int64_t scratch = 0, wide = 0;
    for (int m = 0; m < smooth->margin_count; m++) {
        const w_margin *margin = &smooth->margin[m];
        if (margin->features || margin->covariates > 1)
            scratch = w_max64(scratch, w_margin_doubles(margin));
        if (margin->features && (!margin->identity || margin->features->mean))
            wide = w_max64(wide, margin->width);
    }
    if (t && scratch) {
        t->scratch = w_arena_alloc(work, (size_t)scratch, sizeof(double));
        if (!t->scratch)
            return NULL;
    }
    if (t && wide) {
        t->wide = w_arena_alloc(work, w_mul_size(TILE, (size_t)wide), sizeof(double));
        if (!t->wide)
            return NULL;
    }
    for (int m = 0; t && m < smooth->margin_count; m++) {
        t->row[m] = w_arena_alloc(work, w_mul_size(TILE, (size_t)smooth->margin[m].k), sizeof(double));
        if (!t->row[m])
            return NULL;
    }
    return t;
}

/* Of a margin of features: values through their maps, unless there is none or it is the identity. */
static void feature_rows(const w_margin *margin, const double *const *x, int64_t count, tile *t, double *restrict out)
{
    const int64_t k = margin->k;
    const double *mean = margin->features->mean;
    if ((margin->identity && !mean) || !margin->map) {
        w_margin_rows(margin, x, count, t->cell, out, t->scratch);
        return;
    }
    w_margin_rows(margin, x, count, t->cell, t->wide, t->scratch);
    for (int64_t i = 0; i < count && margin->identity; i++) {
        const double *v = t->wide + i * margin->width;
        for (int64_t j = 0; j < k; j++)
            out[i * k + j] = v[j] - v[k] * mean[j];
    }
    if (margin->identity)
        return;
    for (int64_t i = 0; i < count; i++) {
        const double *map = margin->map + t->cell[i] * margin->width * k, *v = t->wide + i * margin->width;
        memset(out + i * k, 0, (size_t)k * sizeof *out);
        for (int r = 0; r < margin->width; r++) {
            for (int64_t j = 0; j < k; j++)
                out[i * k + j] += v[r] * map[r * k + j];
        }
    }
}

/* Rows v'M_c of margin m. */
static void margin_rows(const w_smooth *smooth, int m, const double *const *all, int64_t start, int64_t count, tile *t)
{
    const w_margin *margin = &smooth->margin[m];
    const double *x = all[m] + start;
    double *restrict out = t->row[m];
    int64_t k = margin->k;
    const double *several[W_MAX_MARGINS] = {x};
    for (int c = 1; c < margin->covariates; c++)
        several[c] = all[c] + start;
    if (margin->features) {
        feature_rows(margin, several, count, t, out);
        return;
    }
    if (margin->covariates > 1) {
        w_joint_eval(margin, several, count, out, t->scratch);
        return;
    }
    if (margin->kind == W_BASIS_SZ) { /* x: the number of the level */
        for (int64_t i = 0; i < count; i++)
            memcpy(out + i * k, margin->map + (int64_t)x[i] * k, (size_t)k * sizeof *out);
        return;
    }
    w_margin_eval(margin, x, count, t->cell, t->value);
    for (int64_t i = 0; i < count; i++) {
        const double *restrict map = margin->map + t->cell[i] * 4 * k, *v = t->value + 4 * i;
        for (int64_t j = 0; j < k; j++)
            out[i * k + j] = v[0] * map[j] + v[1] * map[k + j] + v[2] * map[2 * k + j] + v[3] * map[3 * k + j];
    }
}

/* out = Kronecker product of the rows number i of the first `margins` margins. */
static void join_rows(const w_smooth *smooth, int margins, const tile *t, int64_t i, double *out)
{
    int64_t filled = 1;
    out[0] = 1;
    for (int m = 0; m < margins; m++) {
        int64_t k = smooth->margin[m].k;
        const double *row = t->row[m] + i * k;
        for (int64_t a = filled - 1; a >= 0; a--) {
            double factor = out[a];
            for (int64_t b = k - 1; b >= 0; b--)
                out[a * k + b] = factor * row[b];
        }
        filled *= k;
    }
}

/* In four chains. */
static double absolute_sum(int64_t k, const double *row)
{
    double sum[4] = {0};
    int64_t j = 0;
    for (; j + 4 <= k; j += 4) {
        for (int r = 0; r < 4; r++)
            sum[r] += fabs(row[j + r]);
    }
    for (; j < k; j++)
        sum[j & 3] += fabs(row[j]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* Absolute row sum of v'M_c. */
static double row_size(const w_margin *margin, int32_t cell, const double *v)
{
    int64_t k = margin->k;
    const double *map = margin->map + cell * 4 * k;
    double sum = 0;
    for (int64_t j = 0; j < k; j++)
        sum += fabs(v[0] * map[j] + v[1] * map[k + j] + v[2] * map[2 * k + j] + v[3] * map[3 * k + j]);
    return sum;
}

static weir_status sum_one_margin(w_arena *work, const w_margin *margin, int64_t rows, const double *x,
                                  double *column_sum, double *largest_row)
{
    int64_t k = margin->k, lines = margin->cells * 4;
    tile *t = w_arena_alloc(work, 1, sizeof *t);
    double *total = w_arena_calloc(work, (size_t)lines, sizeof *total),
           *norm = w_arena_alloc(work, (size_t)lines, sizeof *norm);
    if (!t || !total || !norm)
        return w_alloc_status(work->ctx);
    for (int64_t i = 0; i < lines; i++)
        norm[i] = absolute_sum(k, margin->map + i * k);
    double largest = 0;
    for (int64_t start = 0; start < rows; start += TILE) {
        int64_t count = w_min64(TILE, rows - start);
        w_margin_eval(margin, x + start, count, t->cell, t->value);
        for (int64_t i = 0; i < count; i++) {
            const double *v = t->value + 4 * i, *size = norm + 4 * t->cell[i];
            double *sum = total + 4 * t->cell[i];
            for (int r = 0; r < 4; r++)
                sum[r] += v[r];
            double bound = v[0] * size[0] + fabs(v[1]) * size[1] + v[2] * size[2] + v[3] * size[3];
            if (bound > largest * (1 + 1e-13))
                largest = fmax(largest, row_size(margin, t->cell[i], v));
        }
    }
    for (int64_t i = 0; i < lines; i++) {
        for (int64_t j = 0; j < k; j++)
            column_sum[j] += total[i] * margin->map[i * k + j];
    }
    *largest_row = largest;
    return WEIR_OK;
}

/* column_sum += A'B over the tile. */
static void add_products(int64_t count, int64_t before, int64_t last, const double *a, const double *b,
                         double *column_sum)
{
    const double one = 1;
    w_blas_int rows = w_narrow(last), columns = w_narrow(before), inner = w_narrow(count);
    W_BLAS_SERIAL;
    dgemm_("N", "T", &rows, &columns, &inner, &one, b, &rows, a, &columns, &one, column_sum, &rows);
}

static weir_status sum_joint(w_arena *work, const w_smooth *smooth, const w_smooth_data *data, double *column_sum,
                             double *largest_row)
{
    int64_t k = smooth->raw_columns;
    tile *t = make_tile(work, smooth);
    if (!t)
        return w_alloc_status(work->ctx);
    *largest_row = 0;
    for (int64_t start = 0; start < data->rows; start += TILE) {
        int64_t count = w_min64(TILE, data->rows - start);
        margin_rows(smooth, 0, data->x, start, count, t);
        const double *row = t->row[0];
        for (int64_t i = 0; i < count; i++)
            *largest_row = fmax(*largest_row, absolute_sum(k, row + i * k));
        double *restrict sum = column_sum;
        int64_t i = 0;
        for (; i + 4 <= count; i += 4, row += 4 * k) {
            for (int64_t j = 0; j < k; j++)
                sum[j] += (row[j] + row[k + j]) + (row[2 * k + j] + row[3 * k + j]);
        }
        for (; i < count; i++, row += k) {
            for (int64_t j = 0; j < k; j++)
                sum[j] += row[j];
        }
    }
    return WEIR_OK;
}

static weir_status sum_tensor(w_arena *work, const w_smooth *smooth, const w_smooth_data *data, double *column_sum,
                              double *largest_row)
{
    int margins = smooth->margin_count;
    int64_t last = smooth->margin[margins - 1].k, before = smooth->raw_columns / last;
    tile *t = make_tile(work, smooth);
    double *joined =
        t && margins > 2 ? w_arena_alloc(work, w_mul_size(TILE, (size_t)before), sizeof *joined) : NULL;
    if (!t || (margins > 2 && !joined))
        return w_alloc_status(work->ctx);
    double largest = 0;
    for (int64_t start = 0; start < data->rows; start += TILE) {
        int64_t count = w_min64(TILE, data->rows - start);
        for (int m = 0; m < margins; m++)
            margin_rows(smooth, m, data->x, start, count, t);
        for (int64_t i = 0; i < count; i++) {
            double size = 1;
            for (int m = 0; m < margins; m++)
                size *= absolute_sum(smooth->margin[m].k, t->row[m] + i * smooth->margin[m].k);
            largest = fmax(largest, size);
            if (joined)
                join_rows(smooth, margins - 1, t, i, joined + i * before);
        }
        add_products(count, before, last, joined ? joined : t->row[0], t->row[margins - 1], column_sum);
    }
    *largest_row = largest;
    return WEIR_OK;
}

weir_status w_smooth_sums(w_arena *work, const w_smooth *smooth, const w_smooth_data *data, double *column_sum,
                          double *largest_row)
{
    memset(column_sum, 0, (size_t)smooth->raw_columns * sizeof *column_sum);
    if (smooth->margin_count == 1 && (smooth->margin[0].features || smooth->margin[0].covariates > 1))
        return sum_joint(work, smooth, data, column_sum, largest_row);
    return smooth->margin_count == 1
               ? sum_one_margin(work, &smooth->margin[0], data->rows, data->x[0], column_sum, largest_row)
               : sum_tensor(work, smooth, data, column_sum, largest_row);
}

weir_status w_smooth_rows(weir_ctx *ctx, const w_smooth *smooth, int64_t rows, const double *const *x, double *out)
{
    w_arena work;
    w_arena_init(&work, ctx, "smooth rows");
    int64_t raw = smooth->raw_columns, k = smooth->columns;
    tile *t = make_tile(&work, smooth);
    double *joined = w_arena_alloc(&work, w_mul_size(TILE, (size_t)raw), sizeof *joined);
    weir_status status = t && joined ? WEIR_OK : w_alloc_status(ctx);
    for (int64_t start = 0; !status && start < rows; start += TILE) {
        int64_t count = w_min64(TILE, rows - start);
        for (int m = 0; m < smooth->margin_count; m++)
            margin_rows(smooth, m, x, start, count, t);
        double *to = smooth->transform ? joined : out + start * k;
        for (int64_t i = 0; i < count; i++)
            join_rows(smooth, smooth->margin_count, t, i, to + i * raw);
        if (smooth->transform)
            status = w_small_multiply(ctx, count, raw, k, joined, smooth->transform, out + start * k);
    }
    w_arena_free(&work);
    return status;
}
