/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512. A 4 x 4 block is two vectors: [a0 a0 a0 a0 a1 a1 a1 a1] * [b b] and the same for a2, a3. Per row and pair that is
 * 32 flops, 64 bytes of values, 4 of cells and 2 x 128 bytes of table (load and store); the stores bound it: one vector
 * per cycle. */
#include "normal/kernel.h"

#if defined __x86_64__
#include <immintrin.h>

/* Lanes [i i i i j j j j] of v. */
#define SPREAD(i, j, v) _mm512_permutexvar_pd(_mm512_setr_epi64(i, i, i, i, j, j, j, j), v)

/* `in` is passed by value: vector stores may alias anything, so fields behind a pointer would be read again in every row. */
static inline int64_t block_of(w_rows in, int64_t i)
{
    return in.cell_a[i] * in.stride + in.cell_b[i];
}

static inline __m512d twice(const double *b)
{
    return _mm512_broadcast_f64x4(_mm256_loadu_pd(b));
}

static inline void add_8(__m512d a, __m512d b, double *t)
{
    _mm512_storeu_pd(t, _mm512_fmadd_pd(a, b, _mm512_loadu_pd(t)));
}

/* Two rows per turn share the load of their a values. */
static void scatter_44(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    int64_t i = 0;
    for (; i + 2 <= in.rows; i += 2) {
        __m512d a = _mm512_loadu_pd(in.a + 4 * i), b = twice(in.b + 4 * i);
        double *t = table + block_of(in, i) * 16;
        add_8(SPREAD(0, 1, a), b, t);
        add_8(SPREAD(2, 3, a), b, t + 8);
        t = table + block_of(in, i + 1) * 16;
        b = twice(in.b + 4 * i + 4);
        add_8(SPREAD(4, 5, a), b, t);
        add_8(SPREAD(6, 7, a), b, t + 8);
    }
    if (i < in.rows) {
        __m512d a = twice(in.a + 4 * i), b = twice(in.b + 4 * i);
        double *t = table + block_of(in, i) * 16;
        add_8(SPREAD(0, 1, a), b, t);
        add_8(SPREAD(2, 3, a), b, t + 8);
    }
}

/* The block stays in registers while rows hit it. */
static void runs_44(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    double *t = table;
    int64_t open = -1;
    __m512d s0 = _mm512_setzero_pd(), s1 = s0;
    for (int64_t i = 0; i < in.rows; i++) {
        int64_t block = block_of(in, i);
        if (block != open) {
            if (open >= 0) {
                _mm512_storeu_pd(t, s0);
                _mm512_storeu_pd(t + 8, s1);
            }
            t = table + block * 16;
            s0 = _mm512_loadu_pd(t);
            s1 = _mm512_loadu_pd(t + 8);
            open = block;
        }
        __m512d a = twice(in.a + 4 * i), b = twice(in.b + 4 * i);
        s0 = _mm512_fmadd_pd(SPREAD(0, 1, a), b, s0);
        s1 = _mm512_fmadd_pd(SPREAD(2, 3, a), b, s1);
    }
    if (open >= 0) {
        _mm512_storeu_pd(t, s0);
        _mm512_storeu_pd(t + 8, s1);
    }
}

/* Intercept and response against a spline. */
static void scatter_24(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    int64_t i = 0;
    for (; i + 2 <= in.rows; i += 2) {
        __m512d a = _mm512_castpd256_pd512(_mm256_loadu_pd(in.a + 2 * i));
        add_8(SPREAD(0, 1, a), twice(in.b + 4 * i), table + block_of(in, i) * 8);
        add_8(SPREAD(2, 3, a), twice(in.b + 4 * i + 4), table + block_of(in, i + 1) * 8);
    }
    if (i < in.rows) {
        __m512d a = _mm512_castpd128_pd512(_mm_loadu_pd(in.a + 2 * i));
        add_8(SPREAD(0, 1, a), twice(in.b + 4 * i), table + block_of(in, i) * 8);
    }
}

static void runs_24(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    double *t = table;
    int64_t open = -1;
    __m512d sum = _mm512_setzero_pd();
    for (int64_t i = 0; i < in.rows; i++) {
        int64_t block = block_of(in, i);
        if (block != open) {
            if (open >= 0) {
                _mm512_storeu_pd(t, sum);
            }
            t = table + block * 8;
            sum = _mm512_loadu_pd(t);
            open = block;
        }
        __m512d a = _mm512_castpd128_pd512(_mm_loadu_pd(in.a + 2 * i));
        sum = _mm512_fmadd_pd(SPREAD(0, 1, a), twice(in.b + 4 * i), sum);
    }
    if (open >= 0) {
        _mm512_storeu_pd(t, sum);
    }
}

static void four(const w_rows *rows_x, double *table_x, const w_rows *rows_y, double *table_y)
{
    const w_rows x = *rows_x, y = *rows_y;
    int64_t i = 0;
    for (; i + 2 <= x.rows; i += 2) {
        __m512d a = _mm512_loadu_pd(x.a + 4 * i), a0 = SPREAD(0, 1, a), a1 = SPREAD(2, 3, a);
        __m512d bx = twice(x.b + 4 * i), by = twice(y.b + 4 * i);
        double *tx = table_x + block_of(x, i) * 16, *ty = table_y + block_of(y, i) * 16;
        add_8(a0, bx, tx);
        add_8(a1, bx, tx + 8);
        add_8(a0, by, ty);
        add_8(a1, by, ty + 8);
        a0 = SPREAD(4, 5, a);
        a1 = SPREAD(6, 7, a);
        bx = twice(x.b + 4 * i + 4);
        by = twice(y.b + 4 * i + 4);
        tx = table_x + block_of(x, i + 1) * 16;
        ty = table_y + block_of(y, i + 1) * 16;
        add_8(a0, bx, tx);
        add_8(a1, bx, tx + 8);
        add_8(a0, by, ty);
        add_8(a1, by, ty + 8);
    }
    if (i < x.rows) {
        w_rows last_x = { 1, x.cell_a + i, x.cell_b + i, x.stride, x.a + 4 * i, x.b + 4 * i, 4, 4 };
        w_rows last_y = { 1, y.cell_a + i, y.cell_b + i, y.stride, y.a + 4 * i, y.b + 4 * i, 4, 4 };
        scatter_44(&last_x, table_x);
        scatter_44(&last_y, table_y);
    }
}

static void spline(const w_rows *rows_x, double *table_x, const w_rows *rows_y, double *table_y)
{
    const w_rows x = *rows_x, y = *rows_y;
    for (int64_t i = 0; i < x.rows; i++) {
        int64_t cell = y.cell_a[i];
        __m512d b = twice(y.b + 4 * i), a = twice(y.a + 4 * i), two = _mm512_castpd128_pd512(_mm_loadu_pd(x.a + 2 * i));
        double *t = table_y + cell * 16;
        add_8(SPREAD(0, 1, two), b, table_x + cell * 8);
        add_8(SPREAD(0, 1, a), b, t);
        add_8(SPREAD(2, 3, a), b, t + 8);
    }
}

/* Any width_a times 4: two values of a per vector. */
static void scatter_w4(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    int width = in.width_a;
    int64_t area = (int64_t)width * 4;
    const double *a = in.a;
    for (int64_t i = 0; i < in.rows; i++, a += width) {
        double *t = table + block_of(in, i) * area;
        __m512d b = twice(in.b + 4 * i);
        int r = 0;
        for (; r + 2 <= width; r += 2, t += 8) {
            __m512d two = _mm512_castpd128_pd512(_mm_loadu_pd(a + r));
            add_8(SPREAD(0, 1, two), b, t);
        }
        if (r < width) {
            __m256d last = _mm256_fmadd_pd(_mm256_broadcast_sd(a + r), _mm512_castpd512_pd256(b), _mm256_loadu_pd(t));
            _mm256_storeu_pd(t, last);
        }
    }
}

static void scatter_11(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    for (int64_t i = 0; i < in.rows; i++) {
        double *t = table + block_of(in, i);
        *t = __builtin_fma(in.a[i], in.b[i], *t);
    }
}

/* Tensor margins: 4 x 16 and 16 x 16. */
static void scatter_w16(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    int width = in.width_a;
    int64_t area = (int64_t)width * 16;
    const double *a = in.a;
    for (int64_t i = 0; i < in.rows; i++, a += width) {
        double *t = table + block_of(in, i) * area;
        __m512d b0 = _mm512_loadu_pd(in.b + 16 * i), b1 = _mm512_loadu_pd(in.b + 16 * i + 8);
        for (int r = 0; r < width; r++, t += 16) {
            __m512d one = _mm512_set1_pd(a[r]);
            add_8(one, b0, t);
            add_8(one, b1, t + 8);
        }
    }
}

static void scatter_any(const w_rows *rows, double *table)
{
    const w_rows in = *rows;
    int width_a = in.width_a, width_b = in.width_b, whole = width_b & ~7;
    int64_t area = (int64_t)width_a * width_b;
    __mmask8 tail = (__mmask8)((1 << (width_b & 7)) - 1);
    const double *a = in.a, *b = in.b;
    for (int64_t i = 0; i < in.rows; i++, a += width_a, b += width_b) {
        double *t = table + block_of(in, i) * area;
        for (int r = 0; r < width_a; r++, t += width_b) {
            __m512d va = _mm512_set1_pd(a[r]);
            for (int s = 0; s < whole; s += 8) {
                add_8(va, _mm512_loadu_pd(b + s), t + s);
            }
            if (tail) {
                __m512d old = _mm512_maskz_loadu_pd(tail, t + whole);
                __m512d sum = _mm512_fmadd_pd(va, _mm512_maskz_loadu_pd(tail, b + whole), old);
                _mm512_mask_storeu_pd(t + whole, tail, sum);
            }
        }
    }
}

static w_scatter_fn scatter(int width_a, int width_b, bool runs)
{
    if (width_b == 4) {
        return width_a == 4 ? runs ? runs_44 : scatter_44 : width_a == 2 ? runs ? runs_24 : scatter_24 : scatter_w4;
    }
    if (width_b == 16) {
        return scatter_w16;
    }
    return width_a == 1 && width_b == 1 ? scatter_11 : scatter_any;
}

/* One tile of up to 8 x 24 of c in registers: `vectors` of b and a broadcast of a for each row of c per turn. */
__attribute__((always_inline)) static inline void tile(int rows, int vectors, int64_t n, int64_t l, const double *a, int64_t a_row,
                                                       int64_t a_col, const double *b, int64_t b_row, double *c, int64_t c_row)
{
    __m512d sum[8][3];
    const __mmask8 last = (__mmask8)((1 << (n - 8 * (vectors - 1))) - 1);
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < vectors; v++) {
            sum[i][v] = _mm512_maskz_loadu_pd(v + 1 < vectors ? 0xff : last, c + i * c_row + 8 * v);
        }
    }
    for (int64_t q = 0; q < l; q++, a += a_col, b += b_row) {
        __m512d line[3];
        for (int v = 0; v < vectors; v++) {
            line[v] = _mm512_maskz_loadu_pd(v + 1 < vectors ? 0xff : last, b + 8 * v);
        }
        for (int i = 0; i < rows; i++) {
            const __m512d one = _mm512_set1_pd(a[i * a_row]);
            for (int v = 0; v < vectors; v++) {
                sum[i][v] = _mm512_fmadd_pd(one, line[v], sum[i][v]);
            }
        }
    }
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < vectors; v++) {
            _mm512_mask_storeu_pd(c + i * c_row + 8 * v, v + 1 < vectors ? 0xff : last, sum[i][v]);
        }
    }
}

typedef void (*tile_fn)(int64_t n, int64_t l, const double *a, int64_t a_row, int64_t a_col, const double *b, int64_t b_row,
                        double *c, int64_t c_row);

#define TILE(rows, vectors)                                                                                                \
    static void tile_##rows##_##vectors(int64_t n, int64_t l, const double *a, int64_t a_row, int64_t a_col,              \
                                        const double *b, int64_t b_row, double *c, int64_t c_row)                         \
    {                                                                                                                      \
        tile(rows, vectors, n, l, a, a_row, a_col, b, b_row, c, c_row);                                                    \
    }
#define TILES(vectors) \
    TILE(1, vectors) TILE(2, vectors) TILE(3, vectors) TILE(4, vectors) \
    TILE(5, vectors) TILE(6, vectors) TILE(7, vectors) TILE(8, vectors)
TILES(1)
TILES(2)
TILES(3)

#define TABLE(v) { tile_1_##v, tile_2_##v, tile_3_##v, tile_4_##v, tile_5_##v, tile_6_##v, tile_7_##v, tile_8_##v }
static const tile_fn tiles[3][8] = { TABLE(1), TABLE(2), TABLE(3) };

static inline __mmask8 low_mask(int64_t count)
{
    return count >= 8 ? 0xff : count <= 0 ? 0 : (__mmask8)((1 << count) - 1);
}

/* Rows of l per turn: the packed columns of b (24 KiB at most) and a strip of a stay in the first-level cache. */
#define DEPTH 128
#define COLUMNS 24
/* Rows of c that make copying the columns of b worth while: they are then read at full speed whatever their stride. */
#define PACK_ROWS 48

static const double *pack(int64_t depth, int64_t columns, const double *b, int64_t b_row, double *to)
{
    for (int64_t q = 0; q < depth; q++, b += b_row) {
        for (int64_t j = 0; j < columns; j += 8) {
            _mm512_storeu_pd(to + q * COLUMNS + j, _mm512_maskz_loadu_pd(low_mask(columns - j), b + j));
        }
    }
    return to;
}

/* Columns of the next tile: three vectors where they leave nothing or a whole vector behind, else two. */
static int64_t tile_columns(int64_t left)
{
    return left > 16 && (left <= COLUMNS || left > 32) ? (left < COLUMNS ? left : COLUMNS) : left < 16 ? left : 16;
}

/* Rows of c in tiles as equal as can be. */
static void gemm(int64_t m, int64_t n, int64_t l, const double *a, int64_t a_row, int64_t a_col, const double *b,
                 int64_t b_row, double *c, int64_t c_row)
{
    double copy[DEPTH * COLUMNS] __attribute__((aligned(64)));
    const int64_t strips = (m + 7) / 8;
    for (int64_t q = 0; q < l; q += DEPTH, a += DEPTH * a_col, b += DEPTH * b_row) {
        const int64_t depth = l - q < DEPTH ? l - q : DEPTH;
        for (int64_t j = 0, columns; j < n; j += columns) {
            columns = tile_columns(n - j);
            const bool packed = m >= PACK_ROWS;
            const double *bj = packed ? pack(depth, columns, b + j, b_row, copy) : b + j;
            for (int64_t strip = 0; strip < strips; strip++) {
                const int64_t i = strip * m / strips, rows = (strip + 1) * m / strips - i;
                tiles[(columns - 1) / 8][rows - 1](columns, depth, a + i * a_row, a_row, a_col, bj, packed ? COLUMNS : b_row,
                                                   c + i * c_row + j, c_row);
            }
        }
    }
}

static void mix(int64_t rows, const int32_t *cell, const double *v, int width, const double *map, int64_t k, double *out)
{
    for (int64_t i = 0; i < rows; i++, v += width, out += k) {
        const double *m = map + cell[i] * width * k;
        for (int64_t j = 0; j < k; j += 8) {
            __mmask8 mask = low_mask(k - j);
            __m512d sum = _mm512_mul_pd(_mm512_set1_pd(v[0]), _mm512_maskz_loadu_pd(mask, m + j));
            for (int r = 1; r < width; r++) {
                sum = _mm512_fmadd_pd(_mm512_set1_pd(v[r]), _mm512_maskz_loadu_pd(mask, m + r * k + j), sum);
            }
            _mm512_mask_storeu_pd(out + j, mask, sum);
        }
    }
}

static void scale(int64_t rows, const double *weight, const double *v, int width, double *out)
{
    int64_t i = 0;
    if (width == 4) {
        for (; i + 2 <= rows; i += 2) {
            __m512d w = SPREAD(0, 1, _mm512_castpd128_pd512(_mm_loadu_pd(weight + i)));
            _mm512_storeu_pd(out + 4 * i, _mm512_mul_pd(w, _mm512_loadu_pd(v + 4 * i)));
        }
    }
    for (; i < rows; i++) {
        __m512d w = _mm512_set1_pd(weight[i]);
        for (int r = 0; r < width; r += 8) {
            __mmask8 mask = low_mask(width - r);
            _mm512_mask_storeu_pd(out + i * width + r, mask,
                                  _mm512_mul_pd(w, _mm512_maskz_loadu_pd(mask, v + i * width + r)));
        }
    }
}

static void form_44(int64_t rows, const int32_t *cell, const double *a, const double *b, const double *table, double *lane)
{
    for (int64_t i = 0; i < rows; i++, lane += 8) {
        const double *t = table + (int64_t)cell[i] * 16;
        __m512d va = twice(a + 4 * i), vb = twice(b + 4 * i), sum = _mm512_loadu_pd(lane);
        sum = _mm512_fmadd_pd(_mm512_mul_pd(SPREAD(0, 1, va), vb), _mm512_loadu_pd(t), sum);
        sum = _mm512_fmadd_pd(_mm512_mul_pd(SPREAD(2, 3, va), vb), _mm512_loadu_pd(t + 8), sum);
        _mm512_storeu_pd(lane, sum);
    }
}

static void dot_4(int64_t rows, const int32_t *cell, const double *v, const double *g, double *lane)
{
    int64_t i = 0;
    for (; i + 2 <= rows; i += 2) {
        __m512d two = _mm512_castpd256_pd512(_mm256_loadu_pd(g + (int64_t)cell[i] * 4));
        two = _mm512_insertf64x4(two, _mm256_loadu_pd(g + (int64_t)cell[i + 1] * 4), 1);
        __m512d sum = _mm512_fmadd_pd(_mm512_loadu_pd(v + 4 * i), two, _mm512_loadu_pd(lane + 4 * i));
        _mm512_storeu_pd(lane + 4 * i, sum);
    }
    if (i < rows) {
        __m256d one = _mm256_loadu_pd(g + (int64_t)cell[i] * 4);
        _mm256_storeu_pd(lane + 4 * i, _mm256_fmadd_pd(_mm256_loadu_pd(v + 4 * i), one, _mm256_loadu_pd(lane + 4 * i)));
    }
}

const w_kernels w_kernels_avx512 = { "avx512", scatter, four, spline, gemm, mix, scale, form_44, dot_4 };
#else
typedef int w_kernel_avx512_unused;
#endif
