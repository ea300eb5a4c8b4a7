/* SPDX-License-Identifier: Apache-2.0 */
/* Distinct values of a covariate, ascending, by a radix sort of the doubles' bit patterns.
 *
 * Flipping all bits of negative numbers and the sign bit of the others makes unsigned order equal numeric
 * order. Eleven bits at a time, least significant first; a digit in which all keys agree is skipped. 6 passes
 * of 8 bytes per row at most. */
#include <math.h>
#include <string.h>
#include "base/size.h"
#include "basis/parts.h"

#define DIGIT_BITS 11
#define DIGITS 6
#define DIGIT_SIZE (1 << DIGIT_BITS)

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

weir_status w_distinct_build(w_arena *work, const char *label, int64_t rows, const double *x, double lower,
                             double upper, w_distinct *out)
{
    size_t n = (size_t)rows + 2;
    uint64_t *keys = w_arena_alloc(work, n, sizeof *keys), *other = w_arena_alloc(work, n, sizeof *other);
    int64_t *count = w_arena_calloc(work, DIGITS * DIGIT_SIZE, sizeof *count);
    double *value = w_arena_alloc(work, n, sizeof *value);
    if (!keys || !other || !count || !value)
        return w_alloc_status(work->ctx);
    double sum = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (!isfinite(x[i]))
            return w_fail(work->ctx, WEIR_E_DATA, "%s: the covariate is not finite in set-up row %lld", label,
                          (long long)i + 1);
        keys[i] = key_of(x[i]);
        sum += x[i] - lower;
    }
    keys[rows] = key_of(lower);
    keys[rows + 1] = key_of(upper);
    keys = sort_keys(keys, other, (int64_t)n, count);
    int64_t distinct = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || keys[i] != keys[i - 1])
            value[distinct++] = value_of(keys[i]);
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
