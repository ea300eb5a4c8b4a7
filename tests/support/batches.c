/* SPDX-License-Identifier: Apache-2.0 */
#include "support/batches.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t size_of(const batch *b) { return b->view.matrix.dtype == WEIR_F32 ? 4 : 8; }

static int64_t offset(const batch *b, int64_t m, int64_t i, int64_t j)
{
    const weir_matrix *v = &b->view.matrix;
    const int64_t lanes = weir_batch_lanes(v->dtype), within = i * v->row_stride + j * v->col_stride;
    return b->view.interleaved ? m / lanes * b->view.stride + within * lanes + m % lanes : m * b->view.stride + within;
}

static unsigned char *at(const batch *b, int64_t m, int64_t i, int64_t j)
{
    return (unsigned char *)b->view.matrix.data + offset(b, m, i, j) * size_of(b);
}

batch batch_make(layout how, weir_dtype dtype, int64_t count, int64_t rows, int64_t cols)
{
    batch b = { .view = weir_batch_rows(NULL, dtype, count, rows, cols) };
    weir_matrix *v = &b.view.matrix;
    int64_t elements = count * rows * cols, first = 0;
    if (how == LAYOUT_COLUMNS) {
        v->row_stride = 1;
        v->col_stride = rows + 3;
        b.view.stride = (rows + 3) * cols + 5;
        elements = b.view.stride * count;
    } else if (how == LAYOUT_GAPS) {
        v->row_stride = 3 * cols + 2;
        v->col_stride = 3;
        b.view.stride = rows * v->row_stride + 1;
        elements = b.view.stride * count;
    } else if (how == LAYOUT_BACKWARDS) {
        v->row_stride = -(cols + 1);
        v->col_stride = 1;
        b.view.stride = -(cols + 1) * rows;
        elements = (cols + 1) * rows * count;
        first = elements > 0 ? elements - (cols + 1) : 0;
    } else if (how == LAYOUT_INTERLEAVED) {
        b.view = weir_batch_interleaved(NULL, dtype, count, rows, cols);
        elements = weir_batch_interleaved_bytes(dtype, count, rows, cols) / size_of(&b);
    }
    b.bytes = (elements + 1) * size_of(&b);
    b.memory = malloc((size_t)b.bytes);
    memset(b.memory, BATCH_POISON, (size_t)b.bytes);
    b.view.matrix.data = b.memory + (first + 1) * size_of(&b); /* not aligned to more than an element */
    return b;
}

batch batch_like(const batch *other)
{
    batch b = *other;
    b.memory = malloc((size_t)b.bytes);
    memcpy(b.memory, other->memory, (size_t)b.bytes);
    b.view.matrix.data = b.memory + ((unsigned char *)other->view.matrix.data - other->memory);
    return b;
}

void batch_free(batch *b)
{
    free(b->memory);
    b->memory = NULL;
}

double batch_get(const batch *b, int64_t m, int64_t i, int64_t j)
{
    if (size_of(b) == 4) {
        float value;
        memcpy(&value, at(b, m, i, j), sizeof value);
        return (double)value;
    }
    double value;
    memcpy(&value, at(b, m, i, j), sizeof value);
    return value;
}

void batch_set(batch *b, int64_t m, int64_t i, int64_t j, double value)
{
    const float single = (float)value;
    memcpy(at(b, m, i, j), size_of(b) == 4 ? (const void *)&single : (const void *)&value, (size_t)size_of(b));
}

void batch_random(batch *b, w_rng *rng)
{
    for (int64_t m = 0; m < b->view.count; m++) {
        for (int64_t i = 0; i < b->view.matrix.rows; i++) {
            for (int64_t j = 0; j < b->view.matrix.cols; j++) {
                batch_set(b, m, i, j, w_rng_normal(rng));
            }
        }
    }
}

bool batch_same(const batch *x, int64_t m, const batch *y, int64_t o)
{
    for (int64_t i = 0; i < x->view.matrix.rows; i++) {
        for (int64_t j = 0; j < x->view.matrix.cols; j++) {
            if (memcmp(at(x, m, i, j), at(y, o, i, j), (size_t)size_of(x)) != 0) {
                return false;
            }
        }
    }
    return true;
}

bool batch_intact(const batch *b)
{
    unsigned char *used = calloc((size_t)b->bytes, 1);
    const int64_t lanes = weir_batch_lanes(b->view.matrix.dtype);
    const int64_t count = b->view.interleaved ? (b->view.count + lanes - 1) / lanes * lanes : b->view.count;
    for (int64_t m = 0; m < count; m++) {
        for (int64_t i = 0; i < b->view.matrix.rows; i++) {
            for (int64_t j = 0; j < b->view.matrix.cols; j++) {
                memset(used + (at(b, m, i, j) - b->memory), 1, (size_t)size_of(b));
            }
        }
    }
    bool intact = true;
    for (int64_t k = 0; k < b->bytes; k++) {
        intact = intact && (used[k] || b->memory[k] == BATCH_POISON);
    }
    free(used);
    return intact;
}

double batch_eps(const batch *b) { return size_of(b) == 4 ? (double)FLT_EPSILON : DBL_EPSILON; }
