/* SPDX-License-Identifier: Apache-2.0 */
/* Block reflectors I - V T V' (forward, columnwise) on packed panels.
 *
 * V is packed twice, once per block: by rows (`lanes`: strips of its rows, as deep as it has columns) and by columns (`depth`:
 * strips of its columns, tile after tile of W_PANEL_TILE rows). Then, for W_COLUMNS columns of C at a time,
 *     W = V'C,   W := op(T) W,   C -= V W,
 * C packed once for the first product, and updated where it lies in the second: along its columns or along its rows, whichever
 * is contiguous, or through a tile on the stack.
 * T is made of V'V a block of eight columns after the other,  T_1:j,J = -T_1:j,1:j (V'V)_1:j,J T_JJ  for T_JJ by columns; that is
 * the inverse of  strict_upper(V'V) + diag(1 / tau)  where no tau is 0 (the UT transform).
 * Source: Schreiber & Van Loan (1989); Joffrain, Low, Quintana-Orti, van de Geijn & Van Zee (2006). */
#include "dense/qr.h"

#include <string.h>

#include "base/size.h"

#define COLUMNS 48
#define T_BLOCK 8

static int64_t round_strip(const w_panel *k, int64_t n) { return w_round_up64(n, k->strip); }

/* Elements of the two packed forms, with the strip of any kernels. */
static int64_t lanes_elements(int64_t rows, int64_t columns)
{
    return w_mul64(w_round_up64(rows, W_PANEL_TILE), columns);
}
static int64_t depth_elements(int64_t rows, int64_t columns)
{
    return w_mul64(rows, w_round_up64(columns, W_PANEL_STRIP_MAX));
}
static int64_t square_elements(int64_t columns) { return w_round_up64(columns, W_PANEL_STRIP_MAX) * columns; }

static int64_t aligned(int64_t bytes) { return w_round_up64(bytes, 64); }

int64_t w_qr_block_bytes(int size, int64_t rows, int64_t columns)
{
    int64_t total = aligned(w_mul64(lanes_elements(rows, columns), size));
    total = w_add64(total, aligned(w_mul64(depth_elements(rows, columns), size)));
    total = w_add64(total, 2 * aligned(square_elements(columns) * size));
    total = w_add64(total, aligned(W_PANEL_TILE * columns * size));
    const int64_t ld = w_round_up64(columns, T_BLOCK);
    return w_add64(total, 2 * aligned(ld * ld * 8));
}

void w_qr_block_place(w_qr_block *b, w_qr_kernels k, int64_t rows, int64_t columns, void *work)
{
    const int size = k.panel->size;
    char *at = work;
    *b = (w_qr_block){.k = k, .rows = rows, .columns = columns};
    b->lanes = at;
    b->depth = at += aligned(lanes_elements(rows, columns) * size);
    b->t = at += aligned(depth_elements(rows, columns) * size);
    b->turned = at += aligned(square_elements(columns) * size);
    b->corner = at += aligned(square_elements(columns) * size);
    b->gram = at + aligned(W_PANEL_TILE * columns * size);
}

/* ---- T ------------------------------------------------------------------------------------------------------------- */

/* The upper triangle of V'V into gram (float64, columns x columns): packed both ways it is a product of `depth` with itself. */
static void gram(const w_qr_block *b)
{
    const w_panel *k = b->k.panel;
    const int64_t n = b->columns, ld = w_round_up64(n, T_BLOCK);
    _Alignas(64) char tile[W_PANEL_TILE_BYTES / 2];
    double *g = b->gram;
    memset(g, 0, (size_t)(ld * ld) * sizeof *g);
    memset(tile, 0, k->size == 4 ? (size_t)(ld * ld * 4) : 0);
    for (int64_t r = 0; r < b->rows; r += W_PANEL_TILE) {
        const void *v = w_panel_at(k, b->depth, r * round_strip(k, n));
        void *out = k->size == 4 ? (void *)tile : (void *)g;
        w_panel_update(k, n, n, w_min64(W_PANEL_TILE, b->rows - r), v, v, 1.0, out, ld, W_PANEL_LOW, 1);
        for (int64_t i = 0; k->size == 4 && i < ld * ld; i++) {
            g[i] += (double)((float *)(void *)tile)[i];
            ((float *)(void *)tile)[i] = 0.0F;
        }
    }
}

/* Columns [first, first + T_BLOCK) of T above row `first`:  -T_11 G T_22,  G in the same place of g. Both have columns padded to
 * whole blocks, rows too. */
static void couple(const w_reflector *k, int64_t ld, int64_t first, const double *g, double *t)
{
    double product[W_PANEL_TILE * T_BLOCK], w[T_BLOCK * T_BLOCK];
    double *to = t + first * ld;
    memset(product, 0, sizeof product);
    for (int64_t p = 0; p < first; p += T_BLOCK) {
        for (int64_t c = 0; c < T_BLOCK; c++) {
            memcpy(w + c * T_BLOCK, g + p + (first + c) * ld, T_BLOCK * sizeof *w);
        }
        k->subtract(p + T_BLOCK, t + p * ld, ld, T_BLOCK, product, W_PANEL_TILE, w);
    }
    for (int64_t c = 0; c < T_BLOCK; c++) {
        for (int64_t r = 0; r < T_BLOCK; r++) {
            w[r + c * T_BLOCK] = -to[first + r + c * ld];
        }
        memset(to + c * ld, 0, (size_t)first * sizeof *to);
    }
    k->subtract(first, product, W_PANEL_TILE, T_BLOCK, to, ld, w);
}

static void triangle(const w_qr_block *b, const void *tau, double *t)
{
    const w_reflector *k = w_reflector_best(8);
    const int64_t n = b->columns, ld = w_round_up64(n, T_BLOCK);
    const double *g = b->gram;
    memset(t, 0, (size_t)(ld * ld) * sizeof *t);
    for (int64_t first = 0; first < n; first += T_BLOCK) {
        for (int64_t j = first; j < w_min64(n, first + T_BLOCK); j++) {
            const double own = w_qr_get(b->k.panel->size, tau, j);
            for (int64_t i = first; i < j && own != 0.0; i++) {
                double sum = 0.0;
                for (int64_t p = i; p < j; p++) {
                    sum += t[i + p * ld] * g[p + j * ld];
                }
                t[i + j * ld] = -own * sum;
            }
            t[j + j * ld] = own;
        }
        couple(k, ld, first, g, t);
    }
}

/* T and T' as left operands. */
static void pack_triangle(w_qr_block *b, const double *t)
{
    const w_panel *k = b->k.panel;
    const int64_t n = b->columns, ld = w_round_up64(n, T_BLOCK);
    const void *from = t;
    _Alignas(64) char narrow[W_PANEL_TILE_BYTES / 2];
    if (k->size == 4) {
        for (int64_t i = 0; i < ld * ld; i++) {
            ((float *)(void *)narrow)[i] = (float)t[i];
        }
        from = narrow;
    }
    w_panel_pack(k, n, n, (w_operand){from, 1, ld}, NULL, b->t);
    w_panel_pack(k, n, n, (w_operand){from, ld, 1}, NULL, b->turned);
}

/* ---- packing ------------------------------------------------------------------------------------------------------- */

/* Rows [first, first + rows) of V: the corner where the triangle is, else as they lie. */
static w_operand rows_of(const w_qr_block *b, const weir_matrix *v, int64_t first, int64_t height)
{
    if (first == 0) {
        return (w_operand){b->corner, 1, height};
    }
    return (w_operand){w_panel_at(b->k.panel, v->data, first * v->row_stride), v->row_stride, v->col_stride};
}

void w_qr_block_pack(w_qr_block *b, const weir_matrix *v, const void *tau, const weir_matrix *t)
{
    const w_panel *k = b->k.panel;
    const int64_t n = b->columns, top = w_min64(b->rows, W_PANEL_TILE);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < top; i++) {
            w_qr_put(k->size, b->corner, i + j * top,
                     i < j    ? 0.0
                     : i == j ? 1.0
                              : w_qr_get(k->size, v->data, i * v->row_stride + j * v->col_stride));
        }
    }
    for (int64_t r = 0; r < b->rows; r += W_PANEL_TILE) {
        const int64_t height = w_min64(W_PANEL_TILE, b->rows - r);
        const w_operand rows = rows_of(b, v, r, height), columns = {rows.data, rows.depth, rows.row};
        w_panel_pack(k, height, n, rows, NULL, w_panel_at(k, b->lanes, r * n));
        w_panel_pack(k, n, height, columns, NULL, w_panel_at(k, b->depth, r * round_strip(k, n)));
    }
    const int64_t ld = w_round_up64(n, T_BLOCK);
    double *full = (double *)b->gram + ld * ld;
    if (t) {
        memset(full, 0, (size_t)(ld * ld) * sizeof *full);
        for (int64_t j = 0; j < n; j++) {
            for (int64_t i = 0; i <= j; i++) {
                full[i + j * ld] = w_qr_get(k->size, t->data, i * t->row_stride + j * t->col_stride);
            }
        }
    } else {
        gram(b);
        triangle(b, tau, full);
    }
    pack_triangle(b, full);
}

void w_qr_block_triangle(const w_qr_block *b, const weir_matrix *t)
{
    const int64_t n = b->columns, ld = w_round_up64(n, T_BLOCK);
    const double *full = (const double *)b->gram + ld * ld;
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i <= j; i++) {
            w_qr_put(b->k.panel->size, t->data, i * t->row_stride + j * t->col_stride, full[i + j * ld]);
        }
    }
}

/* ---- application --------------------------------------------------------------------------------------------------- */

/* C -= V W for rows [r, r + height) and `wide` columns of C from `at`. */
static void subtract(const w_qr_block *b, int64_t r, int64_t height, int64_t wide, const void *w, void *at,
                     int64_t row_stride, int64_t col_stride)
{
    const w_panel *k = b->k.panel;
    const void *v = w_panel_at(k, b->lanes, r * b->columns);
    if (row_stride == 1) {
        w_panel_update(k, height, wide, b->columns, v, w, -1.0, at, col_stride, W_PANEL_LOW, W_PANEL_HIGH);
        return;
    }
    if (col_stride == 1) {
        w_panel_update(k, wide, height, b->columns, w, v, -1.0, at, row_stride, W_PANEL_LOW, W_PANEL_HIGH);
        return;
    }
    double tile[COLUMNS * W_PANEL_TILE];
    memset(tile, 0, (size_t)(height * wide * k->size));
    w_panel_update(k, height, wide, b->columns, v, w, -1.0, tile, height, W_PANEL_LOW, W_PANEL_HIGH);
    for (int64_t j = 0; j < wide; j++) {
        for (int64_t i = 0; i < height; i++) {
            const int64_t to = i * row_stride + j * col_stride;
            w_qr_put(k->size, at, to, w_qr_get(k->size, at, to) + w_qr_get(k->size, tile, i + j * height));
        }
    }
}

static void apply_columns(const w_qr_block *b, bool trans, void *c, int64_t row_stride, int64_t col_stride,
                          int64_t wide)
{
    const w_panel *k = b->k.panel;
    const int64_t n = b->columns;
    _Alignas(64) char tile[COLUMNS * W_PANEL_TILE * 8], product[COLUMNS * W_PANEL_TILE * 8],
        packed[COLUMNS * W_PANEL_TILE * 8];
    memset(product, 0, (size_t)(n * wide * k->size));
    for (int64_t r = 0; r < b->rows; r += W_PANEL_TILE) {
        const int64_t height = w_min64(W_PANEL_TILE, b->rows - r);
        w_panel_pack(k, wide, height, (w_operand){w_panel_at(k, c, r * row_stride), col_stride, row_stride}, NULL,
                     tile);
        w_panel_update(k, n, wide, height, w_panel_at(k, b->depth, r * round_strip(k, n)), tile, 1.0, product, n,
                       W_PANEL_LOW, W_PANEL_HIGH);
    }
    w_panel_pack(k, wide, n, (w_operand){product, n, 1}, NULL, packed);
    memset(product, 0, (size_t)(n * wide * k->size));
    w_panel_update(k, n, wide, n, trans ? b->turned : b->t, packed, 1.0, product, n, W_PANEL_LOW, W_PANEL_HIGH);
    w_panel_pack(k, wide, n, (w_operand){product, n, 1}, NULL, packed);
    for (int64_t r = 0; r < b->rows; r += W_PANEL_TILE) {
        subtract(b, r, w_min64(W_PANEL_TILE, b->rows - r), wide, packed, w_panel_at(k, c, r * row_stride),
                 row_stride, col_stride);
    }
}

void w_qr_block_apply_part(const w_qr_block *b, bool trans, const weir_matrix *c, int64_t first, int64_t count)
{
    for (int64_t q = first; q < first + count; q += COLUMNS) {
        apply_columns(b, trans, w_panel_at(b->k.panel, c->data, q * c->col_stride), c->row_stride, c->col_stride,
                      w_min64(COLUMNS, first + count - q));
    }
}

typedef struct applying {
    const w_qr_block *b;
    bool trans;
    const weir_matrix *c;
} applying;

static weir_status apply_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const applying *a = arg;
    const int64_t first = task * COLUMNS;
    w_qr_block_apply_part(a->b, a->trans, a->c, first, w_min64(COLUMNS, a->c->cols - first));
    return WEIR_OK;
}

weir_status w_qr_block_apply(weir_ctx *ctx, const w_qr_block *b, bool trans, const weir_matrix *c)
{
    applying a = {b, trans, c};
    return w_pool_run(ctx, (c->cols + COLUMNS - 1) / COLUMNS, apply_task, &a);
}
