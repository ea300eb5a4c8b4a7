/* SPDX-License-Identifier: Apache-2.0 */
#include "support/views.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/test.h"

static int64_t size_of(weir_dtype dtype) { return dtype == WEIR_F32 ? 4 : 8; }

view view_make(weir_dtype dtype, int64_t rows, int64_t cols, int layout)
{
    const int64_t size = size_of(dtype);
    int64_t row = 1, col = rows + 3, count;
    if (layout == VIEW_ROWS || layout == VIEW_UPSIDE_DOWN) {
        row = cols + 2;
        col = 1;
    } else if (layout == VIEW_STRIDED) {
        row = 2;
        col = 2 * rows + 5;
    }
    count = row * rows + col * cols + 8;
    view v = { .bytes = count * size, .block = malloc((size_t)(count * size)) };
    assert_non_null(v.block);
    memset(v.block, 0xff, (size_t)v.bytes);
    char *first = v.block + 4 * size;
    if (layout == VIEW_BACKWARDS && cols > 0) {
        first += (cols - 1) * col * size;
        col = -col;
    } else if (layout == VIEW_UPSIDE_DOWN && rows > 0) {
        first += (rows - 1) * row * size;
        row = -row;
    }
    v.m = (weir_matrix){ first, dtype, rows, cols, row, col };
    return v;
}

void view_free(view *v)
{
    free(v->block);
    free(v->before);
    memset(v, 0, sizeof *v);
}

static int64_t offset(const view *v, int64_t i, int64_t j)
{
    return (char *)v->m.data - v->block + (i * v->m.row_stride + j * v->m.col_stride) * size_of(v->m.dtype);
}

static double number(const view *v, const char *block, int64_t i, int64_t j)
{
    float single;
    double wide;
    if (v->m.dtype == WEIR_F32) {
        memcpy(&single, block + offset(v, i, j), sizeof single);
        return (double)single;
    }
    memcpy(&wide, block + offset(v, i, j), sizeof wide);
    return wide;
}

double view_get(const view *v, int64_t i, int64_t j) { return number(v, v->block, i, j); }
double view_was(const view *v, int64_t i, int64_t j) { return number(v, v->before, i, j); }

void view_set(const view *v, int64_t i, int64_t j, double value)
{
    const float single = (float)value;
    memcpy(v->block + offset(v, i, j), v->m.dtype == WEIR_F32 ? (const void *)&single : (const void *)&value,
           (size_t)size_of(v->m.dtype));
}

void view_keep(view *v)
{
    free(v->before);
    v->before = malloc((size_t)v->bytes);
    assert_non_null(v->before);
    memcpy(v->before, v->block, (size_t)v->bytes);
}

void view_gaps_kept(const view *v)
{
    char *expected = malloc((size_t)v->bytes);
    assert_non_null(expected);
    memcpy(expected, v->before, (size_t)v->bytes);
    for (int64_t j = 0; j < v->m.cols; j++) {
        for (int64_t i = 0; i < v->m.rows; i++) {
            memcpy(expected + offset(v, i, j), v->block + offset(v, i, j), (size_t)size_of(v->m.dtype));
        }
    }
    assert_memory_equal(expected, v->block, (size_t)v->bytes);
    free(expected);
}

bool view_all_kept(const view *v) { return memcmp(v->before, v->block, (size_t)v->bytes) == 0; }

static double kahan(int64_t i, int64_t j)
{
    const double s = 0.9, c = sqrt(1.0 - s * s);
    return i > j ? 0.0 : pow(s, (double)i) * (i == j ? 1.0 : -c);
}

void view_fill(const view *v, view_kind what, uint64_t seed)
{
    const int scale = v->m.dtype == WEIR_F32 ? 110 : 1000, range = v->m.dtype == WEIR_F32 ? 40 : 100;
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int64_t j = 0; j < v->m.cols; j++) {
        for (int64_t i = 0; i < v->m.rows; i++) {
            double x = w_rng_normal(&rng);
            switch (what) {
            case KIND_GRADED_ROWS: x = ldexp(x, -(int)(range * i / v->m.rows)); break;
            case KIND_GRADED_COLUMNS: x = ldexp(x, -(int)(range * j / v->m.cols)); break;
            case KIND_LOW_RANK: x = (double)(i % 3 + 1) * (double)(j % 2 + 1); break;
            case KIND_HILBERT: x = 1.0 / (double)(i + j + 1); break;
            case KIND_LARGE: x = ldexp(x, scale); break;
            case KIND_SMALL: x = ldexp(x, -scale); break;
            case KIND_KAHAN: x = kahan(i, j); break;
            case KIND_ZERO: x = 0.0; break;
            case KIND_IDENTITY: x = i == j; break;
            default: break;
            }
            view_set(v, i, j, x);
        }
    }
}
