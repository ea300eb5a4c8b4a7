/* SPDX-License-Identifier: Apache-2.0 */
/* QR of a tall matrix by row blocks.
 *
 * The rows are cut into tiles of at least n, and the tiles shared out to chains: both by shape alone. A chain factors its first
 * tile and takes the others one after the other, each in a buffer that stays in the second cache:
 *     H [R; tile] = [R'; 0],   V = [I; V_tile]   since R is triangular: 2 n^2 flops per row, none for the stacking.
 * The chains' triangles are then merged in pairs, a binary tree of fixed form. A is read once, nothing is written for R alone.
 * With Q, the V_tile are kept where Q will be, their T in the workspace; the tree is run backwards from the identity,
 *     [C; Q_tile] = H' [C; 0],
 * where C is upper triangular all along: reflector j reaches the columns from j on, 2 n^2 flops per row again.
 *
 * A tile with a column beyond the range of sums of squares ends the attempt; the largest elements of all columns are then found,
 * and columns scaled on their way into the buffers: A D = Q (R D). Where Q overwrites A, they are looked for first.
 * Source: Demmel, Grigori, Hoemmen & Langou (2012), 4; Golub & Van Loan, 5.2. */
#include "dense/qr.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/size.h"

#define B W_REFLECTOR_BLOCK
#define CHAINS_MAX 16
#define WIDE 192 /* columns from which tiles have half the rows */

typedef struct tree {
    const w_reflector *k;
    const weir_matrix *a, *q;
    int64_t n, wide, tile, tiles, chains; /* wide: columns padded */
    int64_t ld, lead;                     /* of tiles and of triangles */
    char *tiles_at, *triangles, *starts;  /* buffers: of workers; of chains, R then V; of chains, C */
    char *t, *merge_t;                    /* T of every tile, of every merge */
    char *scratch;                        /* of workers: tau, T where it is not kept, heads */
    double *largest;                      /* of chains, columns */
    int32_t *power;
    bool scaled, keep;
    int64_t step; /* of a level of the tree */
    _Atomic int beyond;
} tree;

static int64_t aligned(int64_t bytes) { return w_round_up64(bytes, 64); }

static tree shape_of(const weir_matrix *a)
{
    tree s = {.k = w_qr_best(a->dtype).reflector, .a = a, .n = a->cols};
    s.wide = w_round_up64(s.n, B);
    s.tile = s.n > WIDE ? w_max64(W_REFLECTOR_ROWS / 2, w_round_up64(s.n, W_REFLECTOR_PAD)) : W_REFLECTOR_ROWS;
    s.tiles = w_max64(1, (a->rows + s.tile - 1) / s.tile);
    s.chains = w_max64(1, w_min64(CHAINS_MAX, a->rows / w_max64(4 * s.tile, 8 * s.wide)));
    s.ld = w_qr_lead(s.tile);
    s.lead = w_qr_lead(s.wide);
    return s;
}

static int64_t square_bytes(const tree *s) { return aligned(w_mul64(w_mul64(s->lead, s->wide), s->k->size)); }
static int64_t tile_bytes(const tree *s) { return aligned(w_mul64(w_mul64(s->ld, s->wide), s->k->size)); }
static int64_t t_bytes(const tree *s) { return aligned(w_mul64(s->wide, B * s->k->size)); }

/* Sets the places in the workspace and returns its bytes. */
static int64_t place(tree *s, int workers, bool q, char *work)
{
    int64_t at = 0;
    const int64_t sizes[] = {w_mul64(workers, w_mul64(tile_bytes(s), q ? 2 : 1)),
                             w_mul64(s->chains, square_bytes(s)),
                             q ? w_mul64(s->chains, square_bytes(s)) : 0,
                             q ? w_mul64(s->tiles, t_bytes(s)) : 0,
                             q ? w_mul64(s->chains, t_bytes(s)) : 0,
                             w_mul64(workers, 3 * t_bytes(s)),
                             aligned(w_mul64(s->chains, w_mul64(s->n, 8))),
                             aligned(w_mul64(s->n, 4))};
    char **const places[] = {&s->tiles_at, &s->triangles, &s->starts, &s->t, &s->merge_t, &s->scratch, NULL, NULL};
    for (int i = 0; i < 8; i++) {
        char *here = work ? work + at : NULL;
        if (places[i]) {
            *places[i] = here;
        } else if (i == 6) {
            s->largest = (double *)(void *)here;
        } else {
            s->power = (int32_t *)(void *)here;
        }
        at = w_add64(at, sizes[i]);
    }
    return at;
}

int64_t w_tsqr_bytes(const weir_ctx *ctx, const weir_matrix *a, bool q)
{
    tree s = shape_of(a);
    return place(&s, w_pool_workers(ctx), q, NULL);
}

static void *at(const tree *s, char *base, int64_t row, int64_t column, int64_t ld)
{
    return base + (row + column * ld) * s->k->size;
}

static char *triangle_of(const tree *s, int64_t chain) { return s->triangles + chain * square_bytes(s); }
static char *start_of(const tree *s, int64_t chain) { return s->starts + chain * square_bytes(s); }

static weir_matrix rows_of(const tree *s, const weir_matrix *m, int64_t tile)
{
    const int64_t first = tile * s->tile;
    return w_view(m, first, 0, w_min64(s->tile, m->rows - first), s->n);
}

/* ---- down: R ------------------------------------------------------------------------------------------------------- */

/* H [r; v] = [r'; 0], block of columns after block; t: T of all blocks, or of one when they are not kept. `rows` of v, of which
 * only those up to the diagonal count when it is a triangle. ahead: rows that are read after these; NULL: none. */
static void stack(const tree *s, char *r, char *v, int64_t ldv, int64_t rows, bool triangular, char *tau, char *t,
                  const weir_matrix *ahead)
{
    double vh[B * B];
    const bool keep = s->keep;
    for (int64_t j = 0; j < s->wide; j += B) {
        const int64_t height = triangular ? j + B : rows;
        char *own = keep ? t + j * B * s->k->size : t;
        w_reflector_factor(s->k, height, at(s, r, j, j, s->lead), s->lead, at(s, v, 0, j, ldv), ldv, tau, own, vh);
        w_reflector_apply(s->k, true, own, NULL, height, at(s, v, 0, j, ldv), ldv, s->wide - j - B,
                          at(s, r, j, j + B, s->lead), s->lead, at(s, v, 0, j + B, ldv), ldv);
        if (ahead) {
            w_qr_ask(ahead, j, j + B, s->wide);
        }
    }
}

/* The first tile of a chain, by itself. */
static void begin(const tree *s, char *r, char *a, int64_t rows, char *tau, char *t, char *vh)
{
    const weir_matrix whole = {r, s->a->dtype, s->wide, s->wide, 1, s->lead};
    w_qr_panel_factor(s->k, rows, s->n, a, s->ld, tau, t, vh);
    memset(r, 0, (size_t)square_bytes(s));
    w_qr_store_upper(a, s->ld, &whole, false);
}

/* Fetches a tile, scaled; false when it is beyond the range and no scaling has been prepared. */
static bool fetch(tree *s, int64_t tile, char *buffer, int64_t *rows)
{
    const weir_matrix part = rows_of(s, s->a, tile);
    *rows = w_round_up64(part.rows, B);
    w_qr_load(&part, buffer, s->ld);
    if (s->scaled) {
        w_qr_scale(s->k->size, part.rows, s->n, buffer, s->ld, s->power, 1, false);
        return true;
    }
    for (int64_t j = 0; j < s->n && !s->q; j++) {
        if (!w_qr_moderate(s->k->size, s->k->largest(part.rows, at(s, buffer, 0, j, s->ld)))) {
            return false;
        }
    }
    return true;
}

static weir_status down_task(void *arg, int64_t chain, int worker)
{
    tree *s = arg;
    char *buffer = s->tiles_at + worker * tile_bytes(s) * (s->keep ? 2 : 1),
         *scratch = s->scratch + worker * 3 * t_bytes(s);
    const int64_t first = s->tiles * chain / s->chains, end = s->tiles * (chain + 1) / s->chains;
    for (int64_t i = first; i < end; i++) {
        char *t = s->keep ? s->t + i * t_bytes(s) : scratch + t_bytes(s);
        int64_t rows;
        if (atomic_load(&s->beyond) || !fetch(s, i, buffer, &rows)) {
            atomic_store(&s->beyond, 1);
            return WEIR_OK;
        }
        if (i == first) {
            begin(s, triangle_of(s, chain), buffer, rows, scratch, t, scratch + 2 * t_bytes(s));
        } else {
            const weir_matrix next = rows_of(s, s->a, w_min64(i + 1, s->tiles - 1));
            stack(s, triangle_of(s, chain), buffer, s->ld, rows, false, scratch, t, &next);
        }
        if (s->keep) {
            const weir_matrix part = rows_of(s, s->q, i);
            w_qr_store(buffer, s->ld, &part);
        }
    }
    return WEIR_OK;
}

static int64_t pairs(const tree *s) { return (s->chains - s->step + 2 * s->step - 1) / (2 * s->step); }

static weir_status merge_task(void *arg, int64_t pair, int worker)
{
    tree *s = arg;
    const int64_t first = pair * 2 * s->step, second = first + s->step;
    char *scratch = s->scratch + worker * 3 * t_bytes(s);
    stack(s, triangle_of(s, first), triangle_of(s, second), s->lead, s->wide, true, scratch,
          s->keep ? s->merge_t + second * t_bytes(s) : scratch + t_bytes(s), NULL);
    return WEIR_OK;
}

static weir_status down(weir_ctx *ctx, tree *s)
{
    atomic_store(&s->beyond, 0);
    weir_status status = w_pool_run(ctx, s->chains, down_task, s);
    for (s->step = 1; s->step < s->chains && status >= 0 && !atomic_load(&s->beyond); s->step *= 2) {
        status = w_pool_run(ctx, pairs(s), merge_task, s);
    }
    return status;
}

/* ---- up: Q --------------------------------------------------------------------------------------------------------- */

/* [c; x] := H' [c; x], last block of columns first. */
static void unstack(const tree *s, char *c, char *v, int64_t ldv, int64_t rows, bool triangular, const char *t,
                    char *x)
{
    for (int64_t j = s->wide - B; j >= 0; j -= B) {
        w_reflector_apply(s->k, false, t + j * B * s->k->size, NULL, triangular ? j + B : rows, at(s, v, 0, j, ldv),
                          ldv, s->wide - j, at(s, c, j, j, s->lead), s->lead, at(s, x, 0, j, ldv), ldv);
    }
}

/* x := H' [c; 0] for the first tile of a chain. */
static void unbegin(const tree *s, const char *c, char *v, int64_t rows, const char *t, char *x)
{
    const int size = s->k->size;
    double vh[B * B]; /* of either type */
    for (int64_t j = 0; j < s->n; j++) {
        memcpy(at(s, x, 0, j, s->ld), c + j * s->lead * size, (size_t)((j + 1) * size));
    }
    for (int64_t j = (w_min64(rows, s->wide) - 1) / B * B; j >= 0; j -= B) {
        for (int i = 0; i < B * B; i++) {
            const int row = i % B, column = i / B;
            w_qr_put(size, vh, i,
                     row < column    ? 0.0
                     : row == column ? 1.0
                                     : w_qr_get(size, at(s, v, j, j, s->ld), row + column * s->ld));
        }
        w_reflector_apply(s->k, false, t + j * B * size, vh, rows - j - B, at(s, v, j + B, j, s->ld), s->ld,
                          s->wide - j, at(s, x, j, j, s->ld), s->ld, at(s, x, j + B, j, s->ld), s->ld);
    }
}

static weir_status split_task(void *arg, int64_t pair, int worker)
{
    (void)worker;
    tree *s = arg;
    const int64_t first = pair * 2 * s->step, second = first + s->step;
    memset(start_of(s, second), 0, (size_t)square_bytes(s));
    unstack(s, start_of(s, first), triangle_of(s, second), s->lead, s->wide, true,
            s->merge_t + second * t_bytes(s), start_of(s, second));
    return WEIR_OK;
}

static weir_status up_task(void *arg, int64_t chain, int worker)
{
    tree *s = arg;
    char *v = s->tiles_at + worker * tile_bytes(s) * 2, *x = v + tile_bytes(s);
    const int64_t first = s->tiles * chain / s->chains;
    for (int64_t i = s->tiles * (chain + 1) / s->chains - 1; i >= first; i--) {
        const weir_matrix part = rows_of(s, s->q, i);
        const int64_t rows = w_round_up64(part.rows, B);
        w_qr_load(&part, v, s->ld);
        memset(x, 0, (size_t)tile_bytes(s));
        if (i == first) {
            unbegin(s, start_of(s, chain), v, rows, s->t + i * t_bytes(s), x);
        } else {
            unstack(s, start_of(s, chain), v, s->ld, rows, false, s->t + i * t_bytes(s), x);
        }
        w_qr_store(x, s->ld, &part);
    }
    return WEIR_OK;
}

static weir_status up(weir_ctx *ctx, tree *s)
{
    char *root = start_of(s, 0);
    memset(root, 0, (size_t)square_bytes(s));
    for (int64_t j = 0; j < s->wide; j++) {
        w_qr_put(s->k->size, root, j + j * s->lead, 1.0);
    }
    weir_status status = WEIR_OK;
    for (s->step = 1; s->step < s->chains; s->step *= 2) {
    }
    for (s->step /= 2; s->step >= 1 && status >= 0; s->step /= 2) {
        status = w_pool_run(ctx, pairs(s), split_task, s);
    }
    return status < 0 ? status : w_pool_run(ctx, s->chains, up_task, s);
}

/* ---- powers of two ------------------------------------------------------------------------------------------------- */

static weir_status largest_task(void *arg, int64_t chain, int worker)
{
    tree *s = arg;
    char *buffer = s->tiles_at + worker * tile_bytes(s) * (s->keep ? 2 : 1);
    double *largest = s->largest + chain * s->n;
    memset(largest, 0, (size_t)s->n * sizeof *largest);
    for (int64_t i = s->tiles * chain / s->chains; i < s->tiles * (chain + 1) / s->chains; i++) {
        const weir_matrix part = rows_of(s, s->a, i);
        const bool direct = part.row_stride == 1;
        if (!direct) {
            w_qr_load(&part, buffer, s->ld);
        }
        for (int64_t j = 0; j < s->n; j++) {
            const double x = s->k->largest(part.rows, direct ? (char *)part.data + j * part.col_stride * s->k->size
                                                             : at(s, buffer, 0, j, s->ld));
            largest[j] = x > largest[j] || isnan(x) ? x : largest[j];
        }
    }
    return WEIR_OK;
}

static weir_status find_powers(weir_ctx *ctx, tree *s)
{
    const weir_status status = w_pool_run(ctx, s->chains, largest_task, s);
    s->scaled = false;
    for (int64_t j = 0; j < s->n && status >= 0; j++) {
        double most = 0.0;
        for (int64_t c = 0; c < s->chains; c++) {
            const double x = s->largest[c * s->n + j];
            most = x > most || isnan(x) ? x : most;
        }
        int exponent = 0;
        if (!w_qr_moderate(s->k->size, most)) {
            frexp(most, &exponent);
        }
        s->power[j] = -exponent;
        s->scaled = s->scaled || exponent != 0;
    }
    return status;
}

weir_status w_tsqr(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *q, const weir_matrix *r, void *work)
{
    tree s = shape_of(a);
    s.q = q;
    s.keep = q != NULL;
    place(&s, w_pool_workers(ctx), s.keep, work);
    weir_status status = q ? find_powers(ctx, &s) : WEIR_OK;
    status = status < 0 ? status : down(ctx, &s);
    if (status >= 0 && atomic_load(&s.beyond)) {
        status = find_powers(ctx, &s);
        s.scaled = true;
        status = status < 0 ? status : down(ctx, &s);
    }
    if (status < 0) {
        return status;
    }
    if (s.scaled) {
        w_qr_scale(s.k->size, s.n, s.n, triangle_of(&s, 0), s.lead, s.power, -1, true);
    }
    w_qr_store_upper(triangle_of(&s, 0), s.lead, r, true);
    return q ? up(ctx, &s) : WEIR_OK;
}
