/* SPDX-License-Identifier: Apache-2.0 */
/* M_c = M1_{c1} (x) M2_{c2} (x) M3_{c3}, cells and values with the first margin slowest. One step absorbs the last margin left:
 *     in [c'][c][q v'][r][t]  ->  out [c'][q v'][j][t] = sum_{c, r} M_c[r][j] in[c'][c][q v'][r][t]
 * where v' are the values of the margins before it and t holds the columns made so far. Each step shrinks the array by
 * k / (cells * width), so the first one, a small matrix product per cell, is nearly all the work. */
#include "normal/expand.h"

#include <string.h>

#include "base/size.h"

w_cell_range w_cells_all(const w_smooth *smooth)
{
    w_cell_range range = { { 0 }, { 0 } };
    for (int m = 0; m < smooth->margin_count; m++) {
        range.count[m] = smooth->margin[m].cells;
    }
    return range;
}

w_cell_range w_cells_one(const w_smooth *smooth, int64_t cell)
{
    w_cell_range range = { { 0 }, { 0 } };
    for (int m = smooth->margin_count - 1; m >= 0; m--) {
        range.first[m] = cell % smooth->margin[m].cells;
        range.count[m] = 1;
        cell /= smooth->margin[m].cells;
    }
    return range;
}

static bool all_zero(const double *value, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (value[i] != 0) {
            return false;
        }
    }
    return true;
}

static void step(const w_kernels *kernels, const w_margin *margin, int64_t first, int64_t cells, int64_t outer, int64_t q,
                 int64_t t, const double *in, double *out)
{
    int64_t w = margin->width, k = margin->k, in_cell = q * w * t, out_cell = q * k * t;
    memset(out, 0, (size_t)(outer * out_cell) * sizeof *out);
    for (int64_t o = 0; o < outer; o++, out += out_cell) {
        for (int64_t c = 0; c < cells; c++, in += in_cell) {
            const double *map = margin->map + (first + c) * w * k;
            if (all_zero(in, in_cell)) {
                continue;
            }
            if (t == 1) {
                kernels->gemm(q, k, w, in, w, 1, map, k, out, k);
                continue;
            }
            for (int64_t i = 0; i < q; i++) {
                kernels->gemm(k, t, w, map, 1, k, in + i * w * t, t, out + i * k * t, t);
            }
        }
    }
}

/* Doubles behind margin m: the result of absorbing margins m, m+1, …; -1 margins left = final. */
static int64_t stage_doubles(const w_smooth *smooth, const w_cell_range *range, int m, int64_t q, int64_t t)
{
    int64_t count = q * t;
    for (int i = 0; i < smooth->margin_count; i++) {
        count *= i < m ? range->count[i] * smooth->margin[i].width : smooth->margin[i].k;
    }
    return count;
}

int64_t w_contract_doubles(const w_smooth *smooth, bool all_cells, int64_t q, int64_t t)
{
    w_cell_range range = all_cells ? w_cells_all(smooth) : w_cells_one(smooth, 0);
    int64_t total = 0;
    for (int m = 1; m < smooth->margin_count; m++) {
        total += stage_doubles(smooth, &range, m, q, t);
    }
    return total;
}

void w_contract(const w_kernels *kernels, const w_smooth *smooth, const w_cell_range *range, int64_t q, int64_t t,
                const double *in, double *out, double *scratch)
{
    int64_t outer = 1, values = q;
    for (int m = 0; m < smooth->margin_count; m++) {
        outer *= range->count[m];
        values *= smooth->margin[m].width;
    }
    for (int m = smooth->margin_count - 1; m >= 0; m--) {
        const w_margin *margin = &smooth->margin[m];
        double *to = m == 0 ? out : scratch;
        outer /= range->count[m];
        values /= margin->width;
        step(kernels, margin, range->first[m], range->count[m], outer, values, t, in, to);
        scratch += m == 0 ? 0 : stage_doubles(smooth, range, m, q, t);
        t *= margin->k;
        in = to;
    }
}

int64_t w_spread_doubles(const w_smooth *smooth)
{
    int64_t most = 0, left = 1;
    for (int m = 0; m + 1 < smooth->margin_count; m++) {
        left *= smooth->margin[m].cells * smooth->margin[m].width;
        int64_t right = 1;
        for (int i = m + 1; i < smooth->margin_count; i++) {
            right *= smooth->margin[i].k;
        }
        most = w_max64(most, left * right);
    }
    return 2 * most;
}

/* First margin first:  in [c' v'][j][t]  ->  [c'][c][v'][r][t] with t the columns of the margins after it. */
void w_spread(const w_kernels *kernels, const w_smooth *smooth, const double *raw, double *gamma, double *scratch)
{
    int64_t right = smooth->raw_columns, outer_cells = 1, outer_values = 1;
    double *half[2] = { scratch, scratch + w_spread_doubles(smooth) / 2 };
    const double *in = raw;
    for (int m = 0; m < smooth->margin_count; m++) {
        const w_margin *margin = &smooth->margin[m];
        int64_t w = margin->width, k = margin->k;
        double *out = m + 1 == smooth->margin_count ? gamma : half[m & 1];
        right /= k;
        memset(out, 0, (size_t)(outer_cells * margin->cells * outer_values * w * right) * sizeof *out);
        for (int64_t o = 0; o < outer_cells; o++) {
            for (int64_t c = 0; c < margin->cells; c++) {
                for (int64_t v = 0; v < outer_values; v++) {
                    kernels->gemm(w, right, k, margin->map + c * w * k, k, 1, in + (o * outer_values + v) * k * right,
                                  right, out + (((o * margin->cells + c) * outer_values + v) * w) * right, right);
                }
            }
        }
        outer_cells *= margin->cells;
        outer_values *= w;
        in = out;
    }
}

static int64_t value_count(const w_smooth *smooth)
{
    int64_t values = 1;
    for (int m = 0; m < smooth->margin_count; m++) {
        values = w_mul64(values, smooth->margin[m].width);
    }
    return values;
}

int64_t w_expand_doubles(const w_smooth *smooth)
{
    int64_t most = 0, left = value_count(smooth), right = 1;
    for (int m = smooth->margin_count - 1; m >= 0; m--) {
        left /= smooth->margin[m].width;
        right = w_mul64(right, smooth->margin[m].k);
        most = w_max64(most, w_mul64(left, right));
    }
    return w_mul64(2, most);
}

/* Last margin first: [.., v1, v2] -> [.., v1, j2] -> [.., j1, j2]. */
void w_expand_row(const w_kernels *kernels, const w_smooth *smooth, int64_t cell, const double *value, double *out,
                  double *scratch)
{
    double *half[2] = { scratch, scratch + w_expand_doubles(smooth) / 2 };
    const double *in = value;
    int64_t left = value_count(smooth), right = 1;
    for (int m = smooth->margin_count - 1; m >= 0; m--) {
        const w_margin *margin = &smooth->margin[m];
        const double *map = margin->map + cell % margin->cells * margin->width * margin->k;
        double *to = m == 0 ? out : half[m & 1];
        cell /= margin->cells;
        left /= margin->width;
        memset(to, 0, (size_t)(left * margin->k * right) * sizeof *to);
        for (int64_t q = 0; q < left; q++) {
            const double *from = in + q * margin->width * right;
            double *result = to + q * margin->k * right;
            if (right == 1) {
                kernels->gemm(1, margin->k, margin->width, from, 0, 1, map, margin->k, result, 0);
            } else {
                kernels->gemm(margin->k, right, margin->width, map, 1, margin->k, from, right, result, right);
            }
        }
        right *= margin->k;
        in = to;
    }
}
