/* SPDX-License-Identifier: Apache-2.0 */
/* A = QR in place, and what is done with the reflectors.
 *
 * Panels of WIDTH columns: each is copied into a buffer, factored there eight columns at a time, copied back and packed as a
 * block reflector; the columns behind it are updated in groups. The next panel's columns come first, and the thread that
 * has updated them factors that panel while the others go on (look-ahead by one): two packed blocks take turns. Up to NARROW
 * columns (SMALL in a small matrix), the buffer is all there is. What a column goes through does not depend on who does it.
 * Source: Bischof & Van Loan (1987); Schreiber & Van Loan (1989); Golub & Van Loan, 5.2. */
#include "dense/qr.h"

#include <string.h>

#include "base/size.h"

#define WIDTH 72 /* a multiple of the strips of float64 */
#define NARROW 160
#define SMALL 288 /* columns, where all of A stays in the second cache */
#define SMALL_BYTES (1 << 20)
#define GROUP 48

static int64_t aligned(int64_t bytes) { return w_round_up64(bytes, 64); }
static int64_t order(const weir_matrix *a) { return w_min64(a->rows, a->cols); }

/* ---- panels -------------------------------------------------------------------------------------------------------- */

/* A buffer with what its factorization leaves. */
typedef struct panel {
    void *a, *tau, *t8, *vh8;
    int32_t *power;
    int64_t ld;
} panel;

static int64_t panel_bytes(int size, int64_t rows, int64_t columns)
{
    const int64_t wide = w_round_up64(columns, W_REFLECTOR_BLOCK);
    return w_add64(
        aligned(w_qr_buffer_bytes(size, rows, columns)),
        w_add64(2 * aligned(w_mul64(wide, size)), 2 * aligned(w_mul64(wide, W_REFLECTOR_BLOCK * size))));
}

static panel panel_place(int size, int64_t rows, int64_t columns, void *work)
{
    const int64_t wide = w_round_up64(columns, W_REFLECTOR_BLOCK);
    panel p = {.a = work, .ld = w_qr_lead(rows)};
    p.tau = (char *)work + aligned(w_qr_buffer_bytes(size, rows, columns));
    p.t8 = (char *)p.tau + aligned(wide * size);
    p.vh8 = (char *)p.t8 + aligned(wide * W_REFLECTOR_BLOCK * size);
    p.power = (int32_t *)(void *)((char *)p.vh8 + aligned(wide * W_REFLECTOR_BLOCK * size));
    return p;
}

/* Columns beyond the range of sums of squares are scaled while they are in the buffer: A D = Q (R D). */
static void panel_factor(const w_reflector *k, const panel *p, const weir_matrix *a, void *tau)
{
    w_qr_load(a, p->a, p->ld);
    const bool any = w_qr_powers(k, a->rows, a->cols, p->a, p->ld, p->power);
    if (any) {
        w_qr_scale(k->size, a->rows, a->cols, p->a, p->ld, p->power, 1, false);
    }
    w_qr_panel_factor(k, a->rows, a->cols, p->a, p->ld, p->tau, p->t8, p->vh8);
    if (any) {
        w_qr_scale(k->size, a->rows, a->cols, p->a, p->ld, p->power, -1, true);
    }
    w_qr_store(p->a, p->ld, a);
    memcpy(tau, p->tau, (size_t)(order(a) * k->size));
}

int64_t w_geqr2_bytes(const weir_matrix *a) { return panel_bytes(w_qr_size(a), a->rows, a->cols); }

void w_geqr2(const weir_matrix *a, void *tau, void *work)
{
    const panel p = panel_place(w_qr_size(a), a->rows, a->cols, work);
    if (order(a) > 0) {
        panel_factor(w_qr_best(a->dtype).reflector, &p, a, tau);
    }
}

/* ---- geqrf --------------------------------------------------------------------------------------------------------- */

typedef struct factoring {
    w_qr_kernels k;
    const weir_matrix *a;
    char *tau;
    panel p;
    w_qr_block block[2];
    char *space[2];
    int turn;          /* the block in use */
    int64_t row, next; /* its first column, and the first behind it */
    int64_t width;     /* columns of the panel at `next`; 0 none */
} factoring;

static bool narrow(const weir_matrix *a)
{
    return a->cols <= NARROW ||
           (a->cols <= SMALL && w_mul64(w_mul64(a->rows, a->cols), w_qr_size(a)) <= SMALL_BYTES);
}

int64_t w_geqrf_bytes(const weir_ctx *ctx, const weir_matrix *a)
{
    const int size = w_qr_size(a);
    if (w_tsqr_wins(a)) {
        return w_tsqr_geqrf_bytes(ctx, a);
    }
    if (narrow(a)) {
        return w_geqr2_bytes(a);
    }
    return w_add64(panel_bytes(size, a->rows, WIDTH), 2 * aligned(w_qr_block_bytes(size, a->rows, WIDTH)));
}

/* The panel of `width` columns at `at`, into the block `turn`. */
static void stage(factoring *f, int64_t at, int64_t width, int turn)
{
    const weir_matrix part = w_view(f->a, at, at, f->a->rows - at, width);
    f->p.ld = w_qr_lead(part.rows);
    panel_factor(f->k.reflector, &f->p, &part, f->tau + at * f->k.panel->size);
    const weir_matrix v = {f->p.a, part.dtype, part.rows, w_min64(width, part.rows), 1, f->p.ld};
    w_qr_block_place(&f->block[turn], f->k, v.rows, v.cols, f->space[turn]);
    w_qr_block_pack(&f->block[turn], &v, f->p.tau, NULL);
}

static weir_status update_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    factoring *f = arg;
    const weir_matrix below = w_view(f->a, f->row, 0, f->a->rows - f->row, f->a->cols);
    const w_qr_block *block = &f->block[f->turn];
    if (f->width > 0 && task == 0) {
        w_qr_block_apply_part(block, true, &below, f->next, f->width);
        stage(f, f->next, f->width, 1 - f->turn);
        return WEIR_OK;
    }
    const int64_t first = f->next + f->width + (f->width > 0 ? task - 1 : task) * GROUP;
    w_qr_block_apply_part(block, true, &below, first, w_min64(GROUP, f->a->cols - first));
    return WEIR_OK;
}

static weir_status blocks(weir_ctx *ctx, factoring *f)
{
    const int64_t k = order(f->a);
    stage(f, 0, w_min64(WIDTH, k), 0);
    for (f->row = 0; f->row < k; f->row = f->next) {
        f->next = f->row + f->block[f->turn].columns;
        f->width = w_min64(WIDTH, k - f->next);
        const int64_t rest = f->a->cols - f->next - f->width;
        const weir_status status = w_pool_run(ctx, (f->width > 0) + (rest + GROUP - 1) / GROUP, update_task, f);
        if (status < 0) {
            return status;
        }
        f->turn = 1 - f->turn;
    }
    return WEIR_OK;
}

weir_status w_geqrf(weir_ctx *ctx, const weir_matrix *a, void *tau, void *work)
{
    const int size = w_qr_size(a);
    if (order(a) == 0) {
        return WEIR_OK;
    }
    if (w_tsqr_wins(a)) {
        return w_tsqr_geqrf(ctx, a, tau, work);
    }
    if (narrow(a)) {
        w_geqr2(a, tau, work);
        return WEIR_OK;
    }
    factoring f = {.k = w_qr_best(a->dtype), .a = a, .tau = tau};
    char *at = work;
    f.p = panel_place(size, a->rows, WIDTH, at);
    at += panel_bytes(size, a->rows, WIDTH);
    for (int i = 0; i < 2; i++) {
        f.space[i] = at;
        at += aligned(w_qr_block_bytes(size, a->rows, WIDTH));
    }
    return blocks(ctx, &f);
}

/* ---- Q ------------------------------------------------------------------------------------------------------------- */

int64_t w_ormqr_bytes(const weir_matrix *a)
{
    return w_qr_block_bytes(w_qr_size(a), a->rows, w_min64(WIDTH, a->cols));
}
int64_t w_orgqr_bytes(const weir_matrix *a, int64_t k)
{
    return w_qr_block_bytes(w_qr_size(a), a->rows, w_min64(WIDTH, k));
}
int64_t w_larfb_bytes(const weir_matrix *v) { return w_ormqr_bytes(v); }

/* Applies the block of the columns [at, at + width) of a; T from t where it is given. */
static weir_status apply_block(weir_ctx *ctx, bool trans, const weir_matrix *a, int64_t at, int64_t width,
                               const void *tau, const weir_matrix *t, const weir_matrix *c, void *work)
{
    const weir_matrix v = w_view(a, at, at, a->rows - at, width), below = w_view(c, at, 0, c->rows - at, c->cols);
    w_qr_block block;
    w_qr_block_place(&block, w_qr_best(a->dtype), v.rows, v.cols, work);
    if (t) {
        const weir_matrix corner = w_view(t, at, at, width, width);
        w_qr_block_pack(&block, &v, NULL, &corner);
    } else {
        w_qr_block_pack(&block, &v, (const char *)tau + at * w_qr_size(a), NULL);
    }
    return w_qr_block_apply(ctx, &block, trans, &below);
}

static weir_status apply_all(weir_ctx *ctx, bool trans, const weir_matrix *a, const void *tau,
                             const weir_matrix *t, const weir_matrix *c, void *work)
{
    const int64_t count = (a->cols + WIDTH - 1) / WIDTH;
    weir_status status = WEIR_OK;
    for (int64_t i = 0; i < count && status >= 0 && c->cols > 0; i++) {
        const int64_t at = (trans ? i : count - 1 - i) * WIDTH;
        status = apply_block(ctx, trans, a, at, w_min64(WIDTH, a->cols - at), tau, t, c, work);
    }
    return status;
}

weir_status w_ormqr(weir_ctx *ctx, bool trans, const weir_matrix *a, const void *tau, const weir_matrix *c,
                    void *work)
{
    return apply_all(ctx, trans, a, tau, NULL, c, work);
}

/* The T of a block of columns is the corner of the whole T. */
weir_status w_larfb(weir_ctx *ctx, bool trans, const weir_matrix *v, const weir_matrix *t, const weir_matrix *c,
                    void *work)
{
    return apply_all(ctx, trans, v, NULL, t, c, work);
}

static void set_unit_columns(const weir_matrix *a, int64_t first, int64_t count)
{
    const int size = w_qr_size(a);
    for (int64_t j = first; j < first + count; j++) {
        for (int64_t i = 0; i < a->rows; i++) {
            w_qr_put(size, a->data, i * a->row_stride + j * a->col_stride, i == j ? 1.0 : 0.0);
        }
    }
}

weir_status w_orgqr(weir_ctx *ctx, const weir_matrix *a, int64_t k, const void *tau, void *work)
{
    const w_qr_kernels kernels = w_qr_best(a->dtype);
    set_unit_columns(a, k, a->cols - k);
    for (int64_t at = (w_max64(k, 1) - 1) / WIDTH * WIDTH; at >= 0 && k > 0; at -= WIDTH) {
        const int64_t width = w_min64(WIDTH, k - at);
        const weir_matrix v = w_view(a, at, at, a->rows - at, width),
                          rest = w_view(a, at, at, a->rows - at, a->cols - at);
        w_qr_block block;
        w_qr_block_place(&block, kernels, v.rows, v.cols, work);
        w_qr_block_pack(&block, &v, (const char *)tau + at * w_qr_size(a), NULL);
        set_unit_columns(a, at, width);
        const weir_status status = w_qr_block_apply(ctx, &block, false, &rest);
        if (status < 0) {
            return status;
        }
    }
    return WEIR_OK;
}
