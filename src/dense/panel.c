/* SPDX-License-Identifier: Apache-2.0 */
/* Choice of the kernels, and tiles of strips.
 *
 * Forward substitution, a slice of equations after the other: the products with what is solved run at the rate of a
 * matrix product, what is left is a triangle of the size of a slice in registers (solve of panel.h).
 * Cholesky of a tile, left-looking by slices: the slice's columns below the diagonal are solved as above, with the corner
 * that has just been factored. */
#include "dense/panel.h"

#include <string.h>

#include "base/size.h"

const w_panel *w_panel_find(w_isa isa, int size)
{
    const int type = size == 4;
#if defined __x86_64__
    if (isa == W_ISA_AVX512) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") ? &w_panel_avx512[type] : NULL;
    }
    if (isa == W_ISA_AVX2) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &w_panel_avx2[type] : NULL;
    }
#endif
    return isa == W_ISA_GENERIC ? &w_panel_portable[type] : NULL;
}

const w_panel *w_panel_best(int size)
{
    for (int isa = W_ISA_AVX512; isa > W_ISA_GENERIC; isa--) {
        const w_panel *found = w_panel_find((w_isa)isa, size);
        if (found) {
            return found;
        }
    }
    return &w_panel_portable[size == 4];
}

static const void *operand_at(const w_panel *k, w_operand from, int64_t row, int64_t depth)
{
    return w_panel_at(k, from.data, row * from.row + depth * from.depth);
}

void w_panel_pack(const w_panel *k, int64_t rows, int64_t depth, w_operand from, const void *weight, void *tile)
{
    for (int64_t r = 0; r < rows; r += k->strip) {
        k->pack(depth, w_min64(k->strip, rows - r), operand_at(k, from, r, 0), from.depth, from.row, weight,
                w_panel_at(k, tile, r * depth));
    }
}

void w_panel_unpack(const w_panel *k, int64_t rows, int64_t depth, const void *tile, void *out, int64_t row_stride,
                    int64_t depth_stride)
{
    for (int64_t r = 0; r < rows; r += k->strip) {
        k->unpack(depth, w_min64(k->strip, rows - r), w_panel_at(k, tile, r * depth),
                  w_panel_at(k, out, r * row_stride), depth_stride, row_stride);
    }
}

/* Slice `from` (a multiple of the slice) of a tile of this depth. */
static const void *slice_at(const w_panel *k, const void *tile, int64_t depth, int64_t from)
{
    return w_panel_at(k, tile, from / k->strip * k->strip * depth + from % k->strip);
}

/* A strip of the left operand stays in the first cache while the slices of the right one pass by. */
void w_panel_update(const w_panel *k, int64_t rows, int64_t columns, int64_t depth, const void *a, const void *b,
                    double alpha, void *c, int64_t ld, int64_t low, int64_t high)
{
    for (int64_t r = 0; r < rows; r += k->strip) {
        const int64_t height = w_min64(k->strip, rows - r);
        /* Columns in which low + q < r + height and r < high + q. */
        const int64_t begin = w_max64(0, r - high + 1) / k->slice * k->slice, end = w_min64(columns, r + height - low);
        for (int64_t q = begin; q < end; q += k->slice) {
            k->update(depth, w_panel_at(k, a, r * depth), slice_at(k, b, depth, q), alpha, w_panel_at(k, c, r + q * ld), ld,
                      height, w_min64(k->slice, columns - q), low + q - r, high + q - r);
        }
    }
}

void w_panel_update_upper(const w_panel *k, int64_t n, int64_t depth, const void *a, const void *b, int64_t b_stride,
                          const void *rest, void *c, int64_t ld, const void *ahead, int64_t ahead_bytes)
{
    const int64_t strips = (n + k->strip - 1) / k->strip, slices = (n + k->slice - 1) / k->slice;
    const int64_t calls = strips * slices - strips * (strips - 1) / 2 * (k->strip / k->slice);
    const int64_t share = (ahead_bytes / w_max64(calls, 1) + 64) / 64 * 64;
    const char *next = ahead, *end = next + ahead_bytes;
    for (int64_t r = 0; r < n; r += k->strip) {
        for (int64_t q = r / k->slice * k->slice; q < n; q += k->slice) {
            const int64_t rows = w_min64(k->strip, w_round_up64(w_min64(n, q + k->slice) - r, k->lanes));
            const bool whole = q + k->slice <= n;
            k->update_loose(depth, w_panel_at(k, a, r * depth), whole ? w_panel_at(k, b, q) : rest,
                            whole ? b_stride : k->strip, w_panel_at(k, c, r + q * ld), ld, rows);
            for (const char *stop = next + share; next < stop && next < end; next += 64) {
                __builtin_prefetch(next, 0, 2);
            }
        }
    }
}

/* ---- triangles --------------------------------------------------------------------------------------------------- */

/* In a strip whose rows are `first` …: nothing beyond the diagonal. */
static void clear_beyond(const w_panel *k, int64_t depth, int64_t first, void *strip)
{
    for (int64_t c = first + 1; c < depth; c++) {
        memset(w_panel_at(k, strip, c * k->strip), 0, (size_t)(w_min64(k->strip, c - first) * k->size));
    }
}

static double element(const w_panel *k, const void *data, int64_t at)
{
    return k->size == 4 ? (double)((const float *)data)[at] : ((const double *)data)[at];
}

static void set_element(const w_panel *k, void *data, int64_t at, double value)
{
    if (k->size == 4) {
        ((float *)data)[at] = (float)value;
    } else {
        ((double *)data)[at] = value;
    }
}

/* Ones on the diagonal beyond n. */
static void make_corner(const w_panel *k, int64_t n, w_operand from, int64_t at, bool unit, void *corner)
{
    for (int64_t p = 0; p < k->slice; p++) {
        for (int64_t q = 0; q < k->slice; q++) {
            double value = p == q;
            if (at + q < n && (p < q || (p == q && !unit))) {
                value = element(k, from.data, (at + q) * from.row + (at + p) * from.depth);
                value = p == q ? 1.0 / value : value;
            } else if (p > q) {
                value = 0.0;
            }
            set_element(k, corner, p * k->slice + q, value);
        }
    }
}

void w_panel_pack_triangle(const w_panel *k, int64_t n, w_operand from, bool unit, void *tile, void *corners)
{
    for (int64_t r = 0; r < n; r += k->strip) {
        const int64_t rows = w_min64(k->strip, n - r);
        void *strip = w_panel_at(k, tile, r * n);
        k->pack(r + rows, rows, operand_at(k, from, r, 0), from.depth, from.row, NULL, strip);
        clear_beyond(k, r + rows, r, strip);
    }
    for (int64_t q = 0; corners && q < n; q += k->slice) {
        make_corner(k, n, from, q, unit, w_panel_at(k, corners, q * k->slice));
    }
}

/* The columns [q, q + count) of a strip of L, `depth` columns of products to take off first. */
static void solve_columns(const w_panel *k, int64_t depth, int64_t count, const void *strip, const void *slice,
                          const void *corner, void *columns)
{
    double rest[W_PANEL_STRIP_MAX * 8];
    const size_t bytes = (size_t)(count * k->strip * k->size);
    if (count == k->slice) {
        k->solve(depth, strip, slice, corner, columns);
        return;
    }
    memset(rest, 0, sizeof rest);
    memcpy(rest, columns, bytes);
    k->solve(depth, strip, slice, corner, rest);
    memcpy(columns, rest, bytes);
}

void w_panel_unpack_triangle(const w_panel *k, int64_t n, const void *tile, void *out, int64_t row_stride,
                             int64_t depth_stride)
{
    for (int64_t q = 0; q < n; q += k->slice) {
        const int64_t rows = w_min64(k->slice, n - q);
        const void *s = slice_at(k, tile, n, q);
        void *to = w_panel_at(k, out, q * row_stride);
        k->unpack(q, rows, s, to, depth_stride, row_stride);
        for (int64_t r = 0; r < rows; r++) {
            for (int64_t c = q; c <= q + r; c++) {
                memcpy(w_panel_at(k, to, r * row_stride + c * depth_stride), w_panel_at(k, s, c * k->strip + r),
                       (size_t)k->size);
            }
        }
    }
}

void w_panel_solve(const w_panel *k, int64_t rows, int64_t n, const void *triangle, const void *corners, void *x)
{
    for (int64_t r = 0; r < rows; r += k->strip) {
        void *strip = w_panel_at(k, x, r * n);
        for (int64_t q = 0; q < n; q += k->slice) {
            solve_columns(k, q, w_min64(k->slice, n - q), strip, slice_at(k, triangle, n, q),
                          w_panel_at(k, corners, q * k->slice), w_panel_at(k, strip, q * k->strip));
        }
    }
}

/* What the corner kernel has left in the lower triangle of a strip's block, taken out or put back. */
static void move_triangle(const w_panel *k, int64_t count, void *block, void *kept, bool back)
{
    for (int64_t q = 0; q < count; q++) {
        void *in = w_panel_at(k, block, q * k->strip + q), *out = w_panel_at(k, kept, q * k->slice + q);
        memcpy(back ? in : out, back ? out : in, (size_t)((count - q) * k->size));
    }
}

int64_t w_panel_factor(const w_panel *k, int64_t n, void *tile, void *corners)
{
    for (int64_t q = 0; q < n; q += k->slice) {
        const int64_t count = w_min64(k->slice, n - q), r = q / k->strip * k->strip;
        const void *slice = slice_at(k, tile, n, q);
        void *strip = w_panel_at(k, tile, r * n), *columns = w_panel_at(k, strip, q * k->strip);
        void *corner = w_panel_at(k, corners, q * k->slice), *block = w_panel_at(k, columns, q - r);
        double kept[64];
        k->update(q, strip, slice, -1.0, columns, k->strip, k->strip, count, W_PANEL_LOW, W_PANEL_HIGH);
        const int64_t failed = k->corner(count, block, corner);
        if (failed) {
            return q + failed;
        }
        if (q + count < r + k->strip && q + count < n) {
            move_triangle(k, count, block, kept, false);
            solve_columns(k, 0, count, strip, slice, corner, columns);
            move_triangle(k, count, block, kept, true);
        }
        for (int64_t below = r + k->strip; below < n; below += k->strip) {
            void *other = w_panel_at(k, tile, below * n);
            solve_columns(k, q, count, other, slice, corner, w_panel_at(k, other, q * k->strip));
        }
    }
    return 0;
}
