/* SPDX-License-Identifier: Apache-2.0 */
/* C += X' diag(w) X. The depth of the product is the rows of X, whose columns are contiguous; half of the products are formed.
 *
 * p <= NARROW: the rows are packed times w, and broadcast as they lie. A tile of W_SYRK_ROWS rows is a task's; it adds up in one
 * of sums_of(n, p) triangles, every one of which takes its tiles in ascending order, and these are added in order at the end.
 * Wider: rows pass by, PANELS tiles at a time, packed with and without w by tasks, and every tile of C is one task's: nothing is
 * added but to C itself. */
#include "dense/level3.h"

#include <string.h>

#include "base/size.h"

#define NARROW 320
#define SUM_BYTES ((int64_t)4 << 20) /* of all triangles together */
#define SUMS_MOST 32
#define OPERAND_BYTES (128 << 10) /* one packed operand on the stack */
#define PANELS 2                  /* of the wide ones that pass by together */

typedef struct cross {
    const w_panel *k;
    int64_t n, p, ldx, sums, ldc;
    const void *x, *w, *z;
    char *work; /* narrow: sums of p x p and of p; wide: packed operands, as they are and weighted */
    void *c, *v;
    int64_t first, rows, tiles; /* wide: what is packed */
} cross;

static int64_t padded(const w_panel *k, int64_t p) { return w_round_up64(p, k->strip); }

/* Elements of one sum: the triangle in whole strips, then v. */
static int64_t sum_size(const w_panel *k, int64_t p) { return w_mul64(padded(k, p), w_add64(padded(k, p), 1)); }

static int64_t sums_of(const w_panel *k, int64_t n, int64_t p)
{
    const int64_t one = w_max64(1, w_mul64(sum_size(k, p), k->size));
    const int64_t most = w_min64(SUMS_MOST, w_max64(4, SUM_BYTES / one));
    return w_max64(1, w_min64(most, (n + W_SYRK_ROWS - 1) / W_SYRK_ROWS));
}

/* Elements of one packed operand of the wide route. */
static int64_t operand_size(const w_panel *k, int64_t p) { return w_mul64(padded(k, p), PANELS * W_PANEL_TILE); }

static int64_t work_bytes(const w_panel *k, int64_t n, int64_t p)
{
    const int64_t elements = p > NARROW ? w_mul64(2, operand_size(k, p)) : w_mul64(sums_of(k, n, p), sum_size(k, p));
    return w_mul64(elements, k->size);
}

int64_t w_syrk_bytes(const w_panel *k, int64_t n, int64_t p) { return w_alloc_bytes(work_bytes(k, n, p)); }

/* The rows [first, first + depth) of X as an operand: its columns are the operand's rows. */
static w_operand rows_of(const cross *m, int64_t first, int64_t column)
{
    return (w_operand){ w_panel_at(m->k, m->x, first * m->ldx + column), 1, m->ldx };
}

static const void *weights_of(const cross *m, int64_t first) { return m->w ? w_panel_at(m->k, m->w, first) : NULL; }

/* Columns of some rows, as they are and, with weights, weighted. */
static void pack_rows(const cross *m, int64_t first, int64_t depth, int64_t column, int64_t columns, char *plain,
                      char *weighted)
{
    const w_panel *k = m->k;
    for (int64_t c = 0; c < columns; c += k->strip) {
        k->pack_both(depth, w_min64(k->strip, columns - c), rows_of(m, first, column + c).data, m->ldx,
                     weights_of(m, first), w_panel_at(k, plain, c * depth), m->w ? w_panel_at(k, weighted, c * depth) : NULL);
    }
}

/* v += X' diag(w) z over some columns of X, already packed and weighted. */
static void add_cross(const cross *m, int64_t first, int64_t depth, int64_t columns, const void *weighted, void *v)
{
    _Alignas(64) char z[W_PANEL_STRIP_MAX * W_PANEL_TILE * 8];
    if (m->z) {
        w_panel_pack(m->k, 1, depth, (w_operand){ w_panel_at(m->k, m->z, first), 0, 1 }, NULL, z);
        w_panel_update(m->k, columns, 1, depth, weighted, z, 1.0, v, columns, W_PANEL_LOW, W_PANEL_HIGH);
    }
}

/* ---- few columns: sums over tiles of rows ------------------------------------------------------------------------- */

static weir_status sum_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const cross *m = arg;
    const int64_t p = m->p, ld = padded(m->k, p), size = sum_size(m->k, p), room = OPERAND_BYTES / (ld * m->k->size);
    const int64_t step = w_min64(W_PANEL_TILE, room / 8 * 8);
    const int64_t whole = p / m->k->slice * m->k->slice;
    _Alignas(64) char left[OPERAND_BYTES], rest[W_PANEL_STRIP_MAX * W_PANEL_TILE * 8];
    char *sum = w_panel_at(m->k, m->work, task * size), *v = w_panel_at(m->k, sum, ld * ld);
    memset(sum, 0, (size_t)(size * m->k->size));
    for (int64_t tile = task * W_SYRK_ROWS; tile < m->n; tile += m->sums * W_SYRK_ROWS) {
        const int64_t end = w_min64(m->n, tile + W_SYRK_ROWS);
        for (int64_t first = tile; first < end; first += step) {
            const int64_t depth = w_min64(step, end - first), after = w_min64(step, end - first - depth);
            w_panel_pack(m->k, p, depth, rows_of(m, first, 0), weights_of(m, first), left);
            w_panel_pack(m->k, p - whole, depth, rows_of(m, first, whole), NULL, rest);
            w_panel_update_upper(m->k, p, depth, left, rows_of(m, first, 0).data, m->ldx, rest, sum, ld,
                                 rows_of(m, first + depth, 0).data, m->ldx <= p + p / 2 ? after * m->ldx * m->k->size : 0);
            add_cross(m, first, depth, p, left, v);
        }
    }
    return WEIR_OK;
}

static void add_vector(const w_panel *k, int64_t count, const void *from, void *to)
{
    if (k->size == 4) {
        for (int64_t i = 0; i < count; i++) {
            ((float *)to)[i] += ((const float *)from)[i];
        }
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        ((double *)to)[i] += ((const double *)from)[i];
    }
}

static weir_status sum_rows(weir_ctx *ctx, cross *m)
{
    const int64_t p = m->p, ld = padded(m->k, p), size = sum_size(m->k, p);
    weir_status status = w_pool_run(ctx, m->sums, sum_task, m);
    for (int64_t s = 0; s < m->sums && status >= 0; s++) {
        const char *sum = w_panel_at(m->k, m->work, s * size);
        for (int64_t q = 0; q < p; q++) {
            add_vector(m->k, q + 1, w_panel_at(m->k, sum, q * ld), w_panel_at(m->k, m->c, q * m->ldc));
        }
        if (m->z) {
            add_vector(m->k, p, w_panel_at(m->k, sum, ld * ld), m->v);
        }
    }
    return status;
}

/* ---- many columns: tiles of the result ---------------------------------------------------------------------------- */

/* Panel `i` of the packed rows, from tile `t` of the columns on; weighted or not. */
static void *packed_at(const cross *m, bool weighted, int64_t i, int64_t t)
{
    const int64_t width = padded(m->k, m->p), panel = (weighted ? PANELS : 0) + i;
    return w_panel_at(m->k, m->work, panel * width * W_PANEL_TILE + t * W_PANEL_TILE * W_PANEL_TILE);
}

static weir_status pack_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const cross *m = arg;
    const int64_t column = task * W_PANEL_TILE, columns = w_min64(W_PANEL_TILE, m->p - column);
    for (int64_t i = 0; i * W_PANEL_TILE < m->rows; i++) {
        const int64_t first = m->first + i * W_PANEL_TILE, depth = w_min64(W_PANEL_TILE, m->first + m->rows - first);
        pack_rows(m, first, depth, column, columns, packed_at(m, false, i, task), packed_at(m, true, i, task));
        add_cross(m, first, depth, columns, packed_at(m, m->w != NULL, i, task), m->v ? w_panel_at(m->k, m->v, column) : NULL);
    }
    return WEIR_OK;
}

static weir_status tile_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const cross *m = arg;
    int64_t column = m->tiles - 1;
    while (task > column) { /* the long columns of tiles first */
        task -= column + 1;
        column--;
    }
    const int64_t r = task * W_PANEL_TILE, q = column * W_PANEL_TILE;
    for (int64_t i = 0; i * W_PANEL_TILE < m->rows; i++) {
        w_panel_update(m->k, w_min64(W_PANEL_TILE, m->p - r), w_min64(W_PANEL_TILE, m->p - q),
                       w_min64(W_PANEL_TILE, m->rows - i * W_PANEL_TILE), packed_at(m, m->w != NULL, i, task),
                       packed_at(m, false, i, column), 1.0, w_panel_at(m->k, m->c, r + q * m->ldc), m->ldc, W_PANEL_LOW,
                       q - r + 1);
    }
    return WEIR_OK;
}

static weir_status sum_tiles(weir_ctx *ctx, cross *m)
{
    m->tiles = (m->p + W_PANEL_TILE - 1) / W_PANEL_TILE;
    weir_status status = WEIR_OK;
    for (m->first = 0; m->first < m->n && status >= 0; m->first += m->rows) {
        m->rows = w_min64(PANELS * W_PANEL_TILE, m->n - m->first);
        status = w_pool_run(ctx, m->tiles, pack_task, m);
        status = status < 0 ? status : w_pool_run(ctx, m->tiles * (m->tiles + 1) / 2, tile_task, m);
    }
    return status;
}

weir_status w_syrk_weighted(weir_ctx *ctx, const w_panel *k, int64_t n, int64_t p, const void *x, int64_t ldx, const void *w,
                            const void *z, void *c, int64_t ldc, void *v)
{
    if (n == 0 || p == 0) {
        return WEIR_OK;
    }
    cross m = { .k = k, .n = n, .p = p, .ldx = ldx, .ldc = ldc, .sums = sums_of(k, n, p), .x = x, .w = w, .z = z, .c = c,
                .v = v };
    const int64_t bytes = work_bytes(k, n, p);
    m.work = w_alloc(ctx, "cross-products", (size_t)bytes);
    if (!m.work) {
        return w_alloc_status(ctx);
    }
    weir_status status = p > NARROW ? sum_tiles(ctx, &m) : sum_rows(ctx, &m);
    w_free(ctx, m.work);
    return status;
}
