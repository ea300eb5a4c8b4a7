/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes that cannot wrap: products and sums that saturate at INT64_MAX / SIZE_MAX, so that the allocation which
 * follows is refused by the ledger instead of being too small. */
#ifndef W_BASE_SIZE_H
#define W_BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>

static inline int64_t w_mul64(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static inline int64_t w_add64(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static inline size_t w_mul_size(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static inline int64_t w_round_up64(int64_t value, int64_t multiple)
{
    return w_mul64((w_add64(value, multiple - 1)) / multiple, multiple);
}

static inline int64_t w_min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t w_max64(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
