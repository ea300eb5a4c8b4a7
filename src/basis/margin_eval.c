/* SPDX-License-Identifier: Apache-2.0 */
/* Cells and local values of a covariate.
 *
 * Interval. The breaks b_0 < … < b_n are covered by buckets of equal width; bucket(x) = trunc((x - b_0) s) is
 * monotone in x even in rounded arithmetic, hence with lookup[B] = the last break whose own bucket is below B,
 * every x of bucket B lies at or above that break. At most `lookup_steps` comparisons with the following breaks
 * finish the search (1 for ordinary knots); a margin with more than STEP_LIMIT breaks in a bucket is bisected
 * between two neighbouring table entries.
 *
 * Values. With t = (x - b_i)/(b_{i+1} - b_i) and s = 1 - t, the Bernstein cubics s^3, 3s^2t, 3st^2, t^3. Below
 * b_0 and above b_n the values are 1, u, 0, 0 with u = x - b_0 or x - b_n: linear extrapolation. Cyclic margins
 * wrap x <- x - period floor((x - b_0)/period) first.
 *
 * All instruction sets do the same unfused operations in the same order: the bits agree.
 * Per row: 11 flops of values, 2 of the bucket, 1 + lookup_steps comparisons; 8 bytes read, 36 written. */
#include <math.h>
#include "basis/margin_eval.h"

static int64_t bisect(const w_margin *margin, int64_t bucket, double x)
{
    int64_t low = margin->lookup[bucket], high = margin->lookup[bucket + 1] + 1;
    if (high > margin->break_count - 1)
        high = margin->break_count - 1;
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (x >= margin->break_point[middle])
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void eval_one(const w_margin *margin, double x, int32_t *cell, double *value)
{
    const double *b = margin->break_point;
    int64_t n = margin->break_count - 1;
    double low = b[0], high = b[n];
    if (margin->cyclic && !(x >= low && x <= high)) {
        double period = high - low, position = (x - low) / period;
        x = x - period * floor(position);
        x = x < low ? low : x;
        x = x > high ? high : x;
    }
    if (x >= low && x <= high) {
        int64_t bucket = (int64_t)((x - low) * margin->lookup_scale);
        bucket = bucket < margin->lookup_count - 1 ? bucket : margin->lookup_count - 1;
        int64_t i = margin->lookup[bucket];
        if (margin->lookup_steps > W_EVAL_STEP_LIMIT) {
            i = bisect(margin, bucket, x);
        } else {
            for (int64_t step = 0; step < margin->lookup_steps; step++)
                i += i < n - 1 && x >= b[i + 1];
        }
        double t = (x - b[i]) * margin->inverse_width[i], s = 1 - t;
        double tt = t * t, ss = s * s;
        *cell = (int32_t)i;
        value[0] = ss * s;
        value[1] = 3 * t * ss;
        value[2] = 3 * s * tt;
        value[3] = tt * t;
        return;
    }
    bool below = x < low;
    bool above = x > high;
    *cell = (int32_t)(below ? n : above ? n + 1 : 0);
    value[0] = below || above ? 1 : 0;
    value[1] = below ? x - low : above ? x - high : 0;
    value[2] = value[3] = 0;
}

void w_margin_eval_plain(const w_margin *margin, const double *x, int64_t rows, int32_t *cell, double *value)
{
    for (int64_t i = 0; i < rows; i++)
        eval_one(margin, x[i], cell + i, value + 4 * i);
}

int w_margin_eval_level(void)
{
#if defined __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl"))
        return 2;
    if (__builtin_cpu_supports("avx2"))
        return 1;
#endif
    return 0;
}

void w_margin_eval(const w_margin *margin, const double *x, int64_t rows, int32_t *cell, double *value)
{
    int level = margin->lookup_steps <= W_EVAL_STEP_LIMIT ? w_margin_eval_level() : 0;
    if (level == 2)
        w_margin_eval_avx512(margin, x, rows, cell, value);
    else if (level == 1)
        w_margin_eval_avx2(margin, x, rows, cell, value);
    else
        w_margin_eval_plain(margin, x, rows, cell, value);
}
