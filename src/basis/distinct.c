/* SPDX-License-Identifier: Apache-2.0 */
/* Distinct values of a covariate, ascending.
 *
 * Values are first put in order of their place in the range, floor((x - lower) 2^22 / (upper - lower)), by two passes of a
 * counting sort with eleven bits each; insertion finishes what share a place. Where too many share one (a range
 * stretched by a few values) a radix sort of the doubles' bit patterns takes over: flipping all bits of negative numbers and the
 * sign bit of the others makes unsigned order equal numeric order. Eleven bits at a time, least significant first; a digit in
 * which all keys agree is skipped. 6 passes of 8 bytes per row at most. */
#include <math.h>
#include <string.h>
#include "base/size.h"
#include "basis/parts.h"

#define DIGIT_BITS 11
#define DIGITS 6
#define DIGIT_SIZE (1 << DIGIT_BITS)
#define MOVES 8 /* of insertion per value before the radix sort is the faster one */

static uint64_t key_of(double x)
{
    uint64_t bits;
    x += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static double value_of(uint64_t key)
{
    uint64_t bits = key >> 63 ? key & ~(UINT64_C(1) << 63) : ~key;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Sorts keys; returns whichever of the two buffers holds the result. `count` is DIGITS x DIGIT_SIZE zeroed
 * counters. */
static uint64_t *sort_keys(uint64_t *keys, uint64_t *other, int64_t n, int64_t *count)
{
    for (int64_t i = 0; i < n; i++) {
        for (int d = 0; d < DIGITS; d++)
            count[d * DIGIT_SIZE + (keys[i] >> d * DIGIT_BITS) % DIGIT_SIZE]++;
    }
    for (int d = 0; d < DIGITS; d++) {
        int64_t *bucket = count + d * DIGIT_SIZE, start = 0;
        if (bucket[(keys[0] >> d * DIGIT_BITS) % DIGIT_SIZE] == n)
            continue;
        for (int64_t b = 0; b < DIGIT_SIZE; b++) {
            int64_t size = bucket[b];
            bucket[b] = start;
            start += size;
        }
        for (int64_t i = 0; i < n; i++)
            other[bucket[(keys[i] >> d * DIGIT_BITS) % DIGIT_SIZE]++] = keys[i];
        uint64_t *swap = keys;
        keys = other;
        other = swap;
    }
    return keys;
}

static inline uint32_t place_of(double x, double lower, double scale)
{
    double place = (x - lower) * scale;
    place = place > 0.0 ? place : 0.0; /* of no number too */
    place = place < DIGIT_SIZE * DIGIT_SIZE - 1 ? place : DIGIT_SIZE * DIGIT_SIZE - 1;
    return (uint32_t)(int32_t)place; /* the signed conversion has an instruction of its own */
}

/* Place by place, so that starts replace sizes. */
static void add_up(int64_t *count)
{
    int64_t start = 0;
    for (int b = 0; b < DIGIT_SIZE; b++) {
        int64_t size = count[b];
        count[b] = start;
        start += size;
    }
}

/* false after too many moves; v then holds the values in some order. */
static bool finish_order(int64_t n, double *v)
{
    int64_t left = MOVES * n;
    for (int64_t i = 1; i < n; i++) {
        double x = v[i];
        if (!(v[i - 1] > x))
            continue;
        int64_t j = i;
        for (; j > 0 && v[j - 1] > x; j--)
            v[j] = v[j - 1];
        v[j] = x;
        left -= i - j;
        if (left < 0)
            return false;
    }
    return true;
}

/* v = x and both ends in order. `count`: 2 x DIGIT_SIZE, zero. *sum: of x - lower. false when that is not possible this way. */
static bool sort_places(int64_t n, const double *x, double lower, double upper, double *v, double *other, int64_t *count,
                        double *sum)
{
    const double width = upper - lower, scale = (double)(DIGIT_SIZE * DIGIT_SIZE - 1) / width;
    int64_t *low = count, *high = count + DIGIT_SIZE;
    bool outside = !(isfinite(width) && isfinite(scale) && scale > 0);
    *sum = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t place = place_of(x[i], lower, scale);
        outside |= (x[i] < lower) | (x[i] > upper);
        low[place % DIGIT_SIZE]++;
        high[place / DIGIT_SIZE % DIGIT_SIZE]++;
        *sum += x[i] - lower;
    }
    if (outside || !isfinite(*sum))
        return false;
    low[0]++; /* the ends themselves */
    high[0]++;
    uint32_t last = place_of(upper, lower, scale);
    low[last % DIGIT_SIZE]++;
    high[last / DIGIT_SIZE % DIGIT_SIZE]++;
    add_up(low);
    add_up(high);
    other[low[0]++] = lower;
    other[low[last % DIGIT_SIZE]++] = upper;
    for (int64_t i = 0; i < n; i++)
        other[low[place_of(x[i], lower, scale) % DIGIT_SIZE]++] = x[i];
    for (int64_t i = 0; i < n + 2; i++)
        v[high[place_of(other[i], lower, scale) / DIGIT_SIZE % DIGIT_SIZE]++] = other[i];
    return finish_order(n + 2, v);
}

/* The same for any values. `count`: DIGITS x DIGIT_SIZE. */
static void sort_bits(int64_t n, const double *x, double lower, double upper, double *v, double *other, int64_t *count)
{
    uint64_t *keys = (uint64_t *)(void *)v;
    for (int64_t i = 0; i < n; i++)
        keys[i] = key_of(x[i]);
    keys[n] = key_of(lower);
    keys[n + 1] = key_of(upper);
    memset(count, 0, DIGITS * DIGIT_SIZE * sizeof *count);
    const uint64_t *sorted = sort_keys(keys, (uint64_t *)(void *)other, n + 2, count);
    for (int64_t i = 0; i < n + 2; i++)
        v[i] = value_of(sorted[i]);
}

weir_status w_distinct_build(w_arena *work, const char *label, int64_t rows, const double *x, double lower,
                             double upper, w_distinct *out)
{
    size_t n = (size_t)rows + 2;
    double *value = w_arena_alloc(work, n, sizeof *value), *other = w_arena_alloc(work, n, sizeof *other);
    int64_t *count = w_arena_calloc(work, DIGITS * DIGIT_SIZE, sizeof *count);
    if (!value || !other || !count)
        return w_alloc_status(work->ctx);
    double sum;
    if (!sort_places(rows, x, lower, upper, value, other, count, &sum)) {
        for (int64_t i = 0; i < rows; i++) {
            if (!isfinite(x[i]))
                return w_fail(work->ctx, WEIR_E_DATA, "%s: the covariate is not finite in set-up row %lld", label,
                              (long long)i + 1);
        }
        sort_bits(rows, x, lower, upper, value, other, count);
    }
    int64_t distinct = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || value[i] != value[distinct - 1])
            value[distinct++] = value[i] + 0.0; /* -0 becomes 0 */
    }
    *out = (w_distinct){.count = distinct, .value = value, .mean = lower + (rows > 0 ? sum / (double)rows : 0)};
    return WEIR_OK;
}

void w_distinct_quantiles(const w_distinct *distinct, int64_t count, double *out)
{
    const double *v = distinct->value;
    int64_t last = distinct->count - 1;
    double step = 1.0 / (double)(count - 1);
    for (int64_t j = 0; j < count; j++) {
        double position = (double)last * (j == count - 1 ? 1.0 : (double)j * step);
        int64_t below = (int64_t)floor(position), above = below < last ? below + 1 : below;
        double h = position - (double)below;
        out[j] = h > 0 && v[above] != v[below] ? (1 - h) * v[below] + h * v[above] : v[below];
    }
    out[0] = v[0];
    out[count - 1] = v[last];
}
