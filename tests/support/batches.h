/* SPDX-License-Identifier: Apache-2.0 */
/* Batches for tests: made in any layout with poison between the elements, read and written as numbers. */
#ifndef WEIR_TESTS_SUPPORT_BATCHES_H
#define WEIR_TESTS_SUPPORT_BATCHES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "weir/batch.h"

typedef enum layout { LAYOUT_ROWS, LAYOUT_COLUMNS, LAYOUT_GAPS, LAYOUT_BACKWARDS, LAYOUT_INTERLEAVED, LAYOUTS } layout;

typedef struct batch {
    weir_batch view;
    unsigned char *memory;
    int64_t bytes;
} batch;

#define BATCH_POISON 0x7d /* bytes of a number near 1e37 or 1e297 that nobody may write */

batch batch_make(layout how, weir_dtype dtype, int64_t count, int64_t rows, int64_t cols);
batch batch_like(const batch *other); /* same layout and contents */
void batch_free(batch *b);
double batch_get(const batch *b, int64_t m, int64_t i, int64_t j);
void batch_set(batch *b, int64_t m, int64_t i, int64_t j, double value);
void batch_random(batch *b, w_rng *rng);
/* The same bits in every element of matrix m of x and matrix o of y. */
bool batch_same(const batch *x, int64_t m, const batch *y, int64_t o);
/* Whether every byte that is no element is still poison. */
bool batch_intact(const batch *b);
double batch_eps(const batch *b);

#endif
