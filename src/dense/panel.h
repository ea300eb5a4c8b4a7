/* SPDX-License-Identifier: Apache-2.0 */
/* Packed panels and the register-blocked kernels on them, float64 and float32.
 *
 * A strip holds up to `strip` rows of an operand, one depth after the other: element (r, k) at s[k * strip + r], rows beyond
 * the last one zero. Both operands of a product are packed this way. The left one is read a strip at a time, its rows in
 * vector lanes; of the right one `slice` neighbouring rows of a strip (a slice) are read and broadcast, so that one copy of
 * a symmetric product's operand serves both sides.
 *
 *   kernels    strip x slice, float64   float32     registers of sums
 *   avx512     24 x 8                   48 x 8      24
 *   avx2       12 x 4                   24 x 4      12
 *   portable   4 x 4                    8 x 4       8 (two lanes of 16 bytes, products rounded before they are added)
 *
 * `slice` divides `strip` and `strip` divides W_PANEL_TILE in all of them: how work is cut depends on the shape alone, the
 * order of additions on shape and kernels. Kernels allocate nothing, keep nothing and may run on any thread. */
#ifndef W_DENSE_PANEL_H
#define W_DENSE_PANEL_H

#include <stdbool.h>
#include <stdint.h>

#include "device/topology.h"

#define W_PANEL_TILE 144                                            /* rows, columns and depth of a tile */
#define W_PANEL_STRIP_MAX 48
#define W_PANEL_TILE_BYTES (W_PANEL_TILE * W_PANEL_TILE * 8)         /* a packed tile */
#define W_PANEL_CORNER_BYTES (W_PANEL_TILE * 8 * 8)                  /* the corners of its diagonal */

typedef struct w_panel {
    const char *name; /* "portable", "avx2", "avx512" */
    int size;         /* bytes of an element */
    int strip, slice, lanes; /* lanes: of a vector; they divide the strip */
    /* s[k * strip + r] = weight[k] * source[k * depth_stride + r * row_stride]; r < rows <= strip, k < depth; zero for other r.
     * weight NULL: ones. Strides in elements, of either sign. */
    void (*pack)(int64_t depth, int64_t rows, const void *source, int64_t depth_stride, int64_t row_stride,
                 const void *weight, void *s);
    /* pack with row_stride 1, twice at once: as it is, and weighted. */
    void (*pack_both)(int64_t depth, int64_t rows, const void *source, int64_t depth_stride, const void *weight, void *s,
                      void *weighted);
    /* The reverse of pack. */
    void (*unpack)(int64_t depth, int64_t rows, const void *s, void *out, int64_t depth_stride, int64_t row_stride);
    /* c[r + q * ld] += alpha sum_k a[k * strip + r] b[k * strip + q]  for q < columns <= slice, 0 <= r < rows <= strip and
     * low + q <= r < high + q: what lies beyond a diagonal is left alone. */
    void (*update)(int64_t depth, const void *a, const void *b, double alpha, void *c, int64_t ld, int64_t rows,
                   int64_t columns, int64_t low, int64_t high);
    /* update with a slice that is not packed, element (k, q) at b[k * b_stride + q], and alpha 1: of `slice` columns and rows
     * rounded up to lanes. */
    void (*update_loose)(int64_t depth, const void *a, const void *b, int64_t b_stride, void *c, int64_t ld, int64_t rows);
    /* One slice of forward substitution in a strip: x_q = (x_q - sum_{k < depth} a_k b_kq - sum_{p < q} x_p t_pq) d_q, where
     * x_q = x[q * strip …] are whole columns of a strip, t_pq = corner[p * slice + q] and d_q = corner[q * slice + q]. */
    void (*solve)(int64_t depth, const void *a, const void *b, const void *corner, void *x);
    /* Cholesky of the symmetric matrix x[q * strip + r], q <= r < count <= slice, in place, and its corner (1 / l_qq on the
     * diagonal, ones beyond count). Returns 0 or the 1-based number of the first pivot that is not positive and finite. */
    int64_t (*corner)(int64_t count, void *x, void *corner);
} w_panel;

/* The kernels of an instruction set for elements of `size` bytes (8 or 4); NULL where the processor has it not. */
const w_panel *w_panel_find(w_isa isa, int size);
/* Those of the best one. */
const w_panel *w_panel_best(int size);

/* ---- operands and triangles in tiles ----------------------------------------------------------------------------- */

/* Element (i, k) of an operand at data[i * row + k * depth]; strides in elements. */
typedef struct w_operand {
    const void *data;
    int64_t row, depth;
} w_operand;

/* The rows [0, rows) x depths [0, depth) of an operand, strip after strip of depth * strip elements. weight: as pack. */
void w_panel_pack(const w_panel *k, int64_t rows, int64_t depth, w_operand from, const void *weight, void *tile);
void w_panel_unpack(const w_panel *k, int64_t rows, int64_t depth, const void *tile, void *out, int64_t row_stride,
                    int64_t depth_stride);
/* c += alpha a b' over packed tiles, rows x columns, c column-major, where low + column <= row < high + column. */
#define W_PANEL_LOW (-((int64_t)1 << 40)) /* no limit */
#define W_PANEL_HIGH ((int64_t)1 << 40)
void w_panel_update(const w_panel *k, int64_t rows, int64_t columns, int64_t depth, const void *a, const void *b,
                    double alpha, void *c, int64_t ld, int64_t low, int64_t high);
/* The lower triangle of n x n, n <= W_PANEL_TILE (element (i, k), k <= i; zero beyond), and the corners w_panel_solve needs:
 * blocks of a slice on the diagonal with its reciprocals. unit: ones for the diagonal. corners NULL: without. */
void w_panel_pack_triangle(const w_panel *k, int64_t n, w_operand from, bool unit, void *tile, void *corners);
void w_panel_unpack_triangle(const w_panel *k, int64_t n, const void *tile, void *out, int64_t row_stride,
                             int64_t depth_stride);
/* X (a packed tile of `rows` rows and n depths) := X L'^-1 by the packed triangle. */
void w_panel_solve(const w_panel *k, int64_t rows, int64_t n, const void *triangle, const void *corners, void *x);
/* L of a packed symmetric tile (n x n, element (i, k), k <= i) in place, with corners; returns as `corner` does. */
int64_t w_panel_factor(const w_panel *k, int64_t n, void *tile, void *corners);

/* The upper triangle of c += a b', n x n: a packed, row k of b at b[k * b_stride …] as it lies, but for the columns that fill no
 * slice, packed in `rest`. c has room for n rounded up to strips in both directions, of which what lies outside of the triangle
 * is left with numbers of no meaning. `ahead`: bytes that will be read next, asked for on the way. */
void w_panel_update_upper(const w_panel *k, int64_t n, int64_t depth, const void *a, const void *b, int64_t b_stride,
                          const void *rest, void *c, int64_t ld, const void *ahead, int64_t ahead_bytes);

static inline void *w_panel_at(const w_panel *k, const void *base, int64_t element)
{
    return (char *)base + element * k->size;
}

extern const w_panel w_panel_portable[2]; /* float64, float32 */
#if defined __x86_64__
extern const w_panel w_panel_avx2[2], w_panel_avx512[2];
#endif

#endif
