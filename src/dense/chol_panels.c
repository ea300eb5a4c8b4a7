/* SPDX-License-Identifier: Apache-2.0 */
/* Panels of T = W_PANEL_TILE columns of L (rows of R), BLOCK of them at a time: for panel s
 *     L_ss L_ss' = A_ss;   L_is = A_is L_ss'^-1  (i > s, in parallel);
 *     A_ij -= L_is L_js'  (s < j <= i, in parallel)  for the columns j of the block,
 * and after the block's last panel  A_ij -= sum_{s in block} L_is L_js'  for all that follows, so that the trailing matrix
 * passes by once per block. Element (i, k) of L lies at a[i * row + k * depth]: row 1 and depth ld for the lower triangle,
 * exchanged for the upper. Every element is updated by one task at a time, in the order of the panels.
 * Reference: Golub & Van Loan, Matrix Computations, 4.2; Goto & van de Geijn (2008) for the packing. */
#include "dense/chol.h"

#include "base/size.h"

#define SOLVE_ROWS 48 /* a multiple of every strip, as the tiles are */
#define BLOCK (4 * W_PANEL_TILE)
#define RUN (4 * W_PANEL_TILE) /* columns of an update that one task takes */

typedef struct factoring {
    const w_panel *k;
    bool upper;
    int64_t n, ld, row, depth; /* strides of L's rows and columns */
    char *a;
    int64_t first, width, next;  /* columns of the panel, and what follows it */
    int64_t origin, limit, from; /* an update: rows and columns from `origin`, columns below `limit`, by the columns `from` … */
    int64_t run;
    void *triangle, *corners;
} factoring;

static w_operand part(const factoring *f, int64_t row, int64_t column)
{
    return (w_operand){ w_panel_at(f->k, f->a, row * f->row + column * f->depth), f->row, f->depth };
}

static weir_status solve_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const factoring *f = arg;
    _Alignas(64) char tile[SOLVE_ROWS * W_PANEL_TILE * 8];
    const int64_t r = f->next + task * SOLVE_ROWS, rows = w_min64(SOLVE_ROWS, f->n - r);
    const w_operand at = part(f, r, f->first);
    w_panel_pack(f->k, rows, f->width, at, NULL, tile);
    w_panel_solve(f->k, rows, f->width, f->triangle, f->corners, tile);
    w_panel_unpack(f->k, rows, f->width, tile, (void *)at.data, f->row, f->depth);
    return WEIR_OK;
}

/* Rows [p, p + high) of L against rows [q, q + wide), q <= p: A_pq -= L_p L_q'. */
static void update_tile(const factoring *f, int64_t depth, int64_t p, int64_t high, const void *p_tile, int64_t q, int64_t wide,
                        const void *q_tile)
{
    void *c = (void *)part(f, p, q).data;
    if (f->upper) {
        w_panel_update(f->k, wide, high, depth, q_tile, p_tile, -1.0, c, f->ld, W_PANEL_LOW, p - q + 1);
    } else {
        w_panel_update(f->k, high, wide, depth, p_tile, q_tile, -1.0, c, f->ld, q - p, W_PANEL_HIGH);
    }
}

static int64_t parts_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

/* Runs of columns in the row of tiles that starts at p. */
static int64_t runs_in_row(const factoring *f, int64_t p)
{
    return parts_of(w_min64(w_min64(f->n, p + W_PANEL_TILE), f->limit) - f->origin, f->run);
}

static weir_status update_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    const factoring *f = arg;
    _Alignas(64) char p_tile[W_PANEL_TILE_BYTES], q_tile[W_PANEL_TILE_BYTES];
    /* The long rows first. */
    int64_t p = f->origin + (parts_of(f->n - f->origin, W_PANEL_TILE) - 1) * W_PANEL_TILE;
    while (task >= runs_in_row(f, p)) {
        task -= runs_in_row(f, p);
        p -= W_PANEL_TILE;
    }
    const int64_t high = w_min64(W_PANEL_TILE, f->n - p), first = f->origin + task * f->run;
    const int64_t end = w_min64(first + f->run, w_min64(p + high, f->limit));
    for (int64_t s = f->from; s < f->next; s += W_PANEL_TILE) {
        const int64_t depth = w_min64(W_PANEL_TILE, f->next - s);
        w_panel_pack(f->k, high, depth, part(f, p, s), NULL, p_tile);
        for (int64_t q = first; q < end; q += W_PANEL_TILE) {
            const int64_t wide = w_min64(W_PANEL_TILE, end - q);
            w_panel_pack(f->k, wide, depth, part(f, q, s), NULL, q_tile);
            update_tile(f, depth, p, high, p_tile, q, wide, q_tile);
        }
    }
    return WEIR_OK;
}

static weir_status update(weir_ctx *ctx, factoring *f, int64_t origin, int64_t limit, int64_t from)
{
    f->origin = origin;
    f->limit = limit;
    f->from = from;
    f->run = f->n - origin > 8 * W_PANEL_TILE ? RUN : W_PANEL_TILE;
    int64_t count = 0;
    for (int64_t p = origin; p < f->n && origin < limit; p += W_PANEL_TILE) {
        count += runs_in_row(f, p);
    }
    return w_pool_run(ctx, count, update_task, f);
}

/* The panel, and the columns before `limit` that follow it. */
static weir_status factor_panel(weir_ctx *ctx, factoring *f, int64_t limit, int64_t *failed)
{
    const w_operand diagonal = part(f, f->first, f->first);
    w_panel_pack_triangle(f->k, f->width, diagonal, false, f->triangle, NULL);
    *failed = w_panel_factor(f->k, f->width, f->triangle, f->corners);
    if (*failed) {
        *failed += f->first;
        return WEIR_OK;
    }
    w_panel_unpack_triangle(f->k, f->width, f->triangle, (void *)diagonal.data, f->row, f->depth);
    weir_status status = w_pool_run(ctx, parts_of(f->n - f->next, SOLVE_ROWS), solve_task, f);
    return status < 0 ? status : update(ctx, f, f->next, limit, f->first);
}

weir_status w_chol_factor_panels(weir_ctx *ctx, const w_panel *k, bool upper, int64_t n, void *a, int64_t ld,
                                 int64_t *failed)
{
    _Alignas(64) char triangle[W_PANEL_TILE_BYTES], corners[W_PANEL_CORNER_BYTES];
    factoring f = { .k = k, .upper = upper, .n = n, .ld = ld, .row = upper ? ld : 1, .depth = upper ? 1 : ld, .a = a,
                    .triangle = triangle, .corners = corners };
    *failed = 0;
    for (int64_t block = 0; block < n; block += BLOCK) {
        const int64_t end = w_min64(n, block + BLOCK);
        for (f.first = block; f.first < end; f.first = f.next) {
            f.width = w_min64(W_PANEL_TILE, n - f.first);
            f.next = f.first + f.width;
            weir_status status = factor_panel(ctx, &f, end, failed);
            if (status < 0 || *failed) {
                return status;
            }
        }
        weir_status status = update(ctx, &f, end, n, block);
        if (status < 0) {
            return status;
        }
    }
    return WEIR_OK;
}
