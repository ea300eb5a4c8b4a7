/* SPDX-License-Identifier: Apache-2.0 */
/* Cholesky's way to QR: G = A'A = R'R, Q = A R^-1, everything at the rate of matrix products. One pass loses orthogonality with
 * cond(A)^2 u, hence
 *     G_1 = A'A,       R_1 = chol(G_1),  Q_1 = A R_1^-1,
 *     G_2 = Q_1'Q_1,   R_2 = chol(G_2),  Q = Q_1 R_2^-1,  R = R_2 R_1
 * where || G_2 - I || <= 1/10, found as a sum over rows of what has been computed, says that the second pass ends at rounding
 * level: ||Q'Q - I|| <= c (m n)^1/2 u in practice, 6 (m n + n (n + 1)) u at worst. Where it is larger, there is a third pass with
 * the same test; where a factor does not exist, one of G + s diag(G), s = 11 n^2 eps. Everything else (a column of zeros, sums
 * beyond the range, values that are not finite, a test that fails) is declined.
 * Rows are shared out in chains by shape, a chain's products summed in order, the chains' in a fixed tree; float32 products are
 * summed in float64 after every FLUSH tiles. R alone needs no room for Q: its tiles are made again in every pass.
 * Source: Yamamoto, Nakatsukasa, Yanagisawa & Fukaya (2015); Fukaya, Kannan, Nakatsukasa, Yamamoto & Yanagisawa (2020). */
#include "dense/qr.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "dense/dense.h"

#define T W_PANEL_TILE
#define CHAINS_MAX 16
#define FLUSH 4
#define PASSES 3

typedef struct passes {
    w_qr_kernels k;
    const weir_matrix *a, *q;
    int64_t n, tiles, chains, step;
    int count;              /* triangles so far */
    char *gram, *worker_at; /* of chains, float64; scratch of workers */
    double *r;              /* the product of the triangles */
    char *narrow;           /* a triangle as elements */
    char *space[PASSES];
    w_qr_rows rows[PASSES];
} passes;

static int64_t aligned(int64_t bytes) { return w_round_up64(bytes, 64); }

bool w_cholqr_fits(const weir_matrix *a)
{
    return a->cols > 0 && a->cols <= W_QR_ROWS_MAX && a->rows / 2 >= a->cols;
}

static passes shape_of(const weir_matrix *a)
{
    passes s = {.k = w_qr_best(a->dtype), .a = a, .n = a->cols, .tiles = (a->rows + T - 1) / T};
    s.chains = w_max64(1, w_min64(CHAINS_MAX, a->rows / w_max64(8 * T, 8 * a->cols)));
    return s;
}

static int64_t gram_bytes(const passes *s) { return aligned(s->n * s->n * 8); }
static int64_t packed_bytes(const passes *s)
{
    return aligned(w_round_up64(s->n, W_PANEL_STRIP_MAX) * T * s->k.panel->size);
}
static int64_t rows_bytes(const passes *s) { return aligned(s->n * T * s->k.panel->size); }
static int64_t sums_bytes(const passes *s) { return aligned(s->n * s->n * 4); }
static int64_t worker_bytes(const passes *s) { return packed_bytes(s) + rows_bytes(s) + sums_bytes(s); }

static int64_t place(passes *s, int workers, char *work)
{
    const int64_t each = aligned(w_qr_rows_bytes(s->k.panel->size, s->n));
    int64_t at = 0;
    s->gram = work;
    at += s->chains * gram_bytes(s);
    s->worker_at = work ? work + at : NULL;
    at += workers * worker_bytes(s);
    s->r = work ? (double *)(void *)(work + at) : NULL;
    at += 2 * gram_bytes(s);
    s->narrow = work ? work + at : NULL;
    at += gram_bytes(s);
    for (int i = 0; i < PASSES; i++) {
        s->space[i] = work ? work + at : NULL;
        at += each;
    }
    return at;
}

int64_t w_cholqr_bytes(const weir_ctx *ctx, const weir_matrix *a, bool q)
{
    (void)q;
    passes s = shape_of(a);
    return place(&s, w_pool_workers(ctx), NULL);
}

/* ---- products ------------------------------------------------------------------------------------------------------ */

/* g += x'x, upper triangle, for a tile of rows. */
static void add_products(const passes *s, const weir_matrix *x, char *packed, void *g)
{
    const w_panel *k = s->k.panel;
    const int64_t n = s->n, each = w_round_up64(T, k->strip) * x->rows;
    for (int64_t b = 0; b * T < n; b++) {
        const int64_t wide = w_min64(T, n - b * T);
        void *own = w_panel_at(k, packed, b * each);
        w_panel_pack(k, wide, x->rows,
                     (w_operand){w_panel_at(k, x->data, b * T * x->col_stride), x->col_stride, x->row_stride},
                     NULL, own);
        for (int64_t c = 0; c <= b; c++) {
            w_panel_update(k, w_min64(T, n - c * T), wide, x->rows, w_panel_at(k, packed, c * each), own, 1.0,
                           w_panel_at(k, g, c * T + b * T * n), n, W_PANEL_LOW, c == b ? 1 : W_PANEL_HIGH);
        }
    }
}

static void flush(int64_t n, float *sums, double *g)
{
    for (int64_t i = 0; i < n * n; i++) {
        g[i] += (double)sums[i];
        sums[i] = 0.0F;
    }
}

/* The rows of a tile, and what is read and written next asked for. */
static weir_matrix tile_of(const passes *s, const weir_matrix *m, int64_t tile)
{
    const int64_t first = tile * T, next = w_min64(first + T, m->rows);
    const weir_matrix ahead = w_view(m, next, 0, w_min64(T, m->rows - next), s->n);
    w_qr_ask(&ahead, 0, 1, 1);
    return w_view(m, first, 0, w_min64(T, m->rows - first), s->n);
}

/* What the triangles so far make of a tile: in Q where it is kept, and then by the last of them alone. */
static weir_matrix solved(const passes *s, int64_t tile, char *scratch)
{
    const bool again = s->q && s->count > 1;
    const weir_matrix from = tile_of(s, again ? s->q : s->a, tile);
    weir_matrix to = {scratch, from.dtype, from.rows, s->n, 1, from.rows};
    if (s->count == 0) {
        return from;
    }
    if (s->q) {
        to = again ? from : tile_of(s, s->q, tile);
        w_qr_rows_solve(&s->rows[s->count - 1], s->count == 1 ? &from : &to, &to);
        return to;
    }
    for (int i = 0; i < s->count; i++) {
        w_qr_rows_solve(&s->rows[i], i == 0 ? &from : &to, &to);
    }
    return to;
}

static weir_status gram_task(void *arg, int64_t chain, int worker)
{
    const passes *s = arg;
    char *packed = s->worker_at + worker * worker_bytes(s), *scratch = packed + packed_bytes(s);
    float *sums = (float *)(void *)(scratch + rows_bytes(s));
    double *g = (double *)(void *)(s->gram + chain * gram_bytes(s));
    const bool narrow = s->k.panel->size == 4;
    memset(g, 0, (size_t)(s->n * s->n) * sizeof *g);
    memset(sums, 0, narrow ? (size_t)(s->n * s->n) * sizeof *sums : 0);
    const int64_t first = s->tiles * chain / s->chains, end = s->tiles * (chain + 1) / s->chains;
    for (int64_t i = first; i < end; i++) {
        const weir_matrix x = solved(s, i, scratch);
        add_products(s, &x, packed, narrow ? (void *)sums : (void *)g);
        if (narrow && ((i - first) % FLUSH == FLUSH - 1 || i == end - 1)) {
            flush(s->n, sums, g);
        }
    }
    return WEIR_OK;
}

static weir_status last_task(void *arg, int64_t chain, int worker)
{
    (void)worker;
    const passes *s = arg;
    for (int64_t i = s->tiles * chain / s->chains; i < s->tiles * (chain + 1) / s->chains; i++) {
        solved(s, i, NULL);
    }
    return WEIR_OK;
}

static weir_status merge_task(void *arg, int64_t pair, int worker)
{
    (void)worker;
    const passes *s = arg;
    double *to = (double *)(void *)(s->gram + pair * 2 * s->step * gram_bytes(s));
    const double *from = (const double *)(const void *)(s->gram + (pair * 2 + 1) * s->step * gram_bytes(s));
    for (int64_t i = 0; i < s->n * s->n; i++) {
        to[i] += from[i];
    }
    return WEIR_OK;
}

static weir_status products(weir_ctx *ctx, passes *s)
{
    weir_status status = w_pool_run(ctx, s->chains, gram_task, s);
    for (s->step = 1; s->step < s->chains && status >= 0; s->step *= 2) {
        status = w_pool_run(ctx, (s->chains - s->step + 2 * s->step - 1) / (2 * s->step), merge_task, s);
    }
    return status;
}

/* ---- triangles ----------------------------------------------------------------------------------------------------- */

/* Sums of squares without loss: of columns of moderate size. */
static bool within_range(const passes *s, const double *g)
{
    const double low = s->k.panel->size == 4 ? 0x1p-80 : 0x1p-900, high = 1.0 / low;
    bool within = true;
    for (int64_t j = 0; j < s->n; j++) {
        within = within && g[j + j * s->n] >= low && g[j + j * s->n] <= high;
    }
    return within;
}

/* || G - I ||, the largest sum of a row. */
static double distance(const passes *s, const double *g)
{
    double most = 0.0;
    for (int64_t i = 0; i < s->n; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j < s->n; j++) {
            sum += fabs(g[i <= j ? i + j * s->n : j + i * s->n] - (i == j ? 1.0 : 0.0));
        }
        most = sum > most || isnan(sum) ? sum : most;
    }
    return most;
}

/* R := X R for upper triangles; X's rows lie in order, so that a column is replaced from its top. */
static void multiply(int64_t n, const double *x, double *r)
{
    for (int64_t j = 0; j < n; j++) {
        for (int64_t p = 0; p <= j; p++) {
            const double value = r[p + j * n];
            r[p + j * n] = 0.0;
            for (int64_t i = 0; i <= p; i++) {
                r[i + j * n] += x[i + p * n] * value;
            }
        }
    }
}

/* The triangle of G, shifted where it must be, as the next to divide by. */
static weir_status next_triangle(weir_ctx *ctx, passes *s)
{
    const int64_t n = s->n;
    const double eps = s->k.panel->size == 4 ? (double)FLT_EPSILON : DBL_EPSILON;
    double *g = (double *)(void *)s->gram, *copy = s->r + gram_bytes(s) / 8;
    const char *u = s->gram;
    int64_t failed = 0;
    memcpy(copy, g, (size_t)(n * n) * sizeof *g);
    weir_status status = w_chol_factor(ctx, n, g, &failed);
    if (status >= 0 && failed) {
        memcpy(g, copy, (size_t)(n * n) * sizeof *g);
        for (int64_t j = 0; j < n; j++) {
            g[j + j * n] *= 1.0 + 11.0 * (double)(n * n) * eps;
        }
        status = w_chol_factor(ctx, n, g, &failed);
    }
    if (status < 0 || failed) {
        return status < 0 ? status : WEIR_DECLINED;
    }
    if (s->k.panel->size == 4) {
        for (int64_t i = 0; i < n * n; i++) {
            ((float *)(void *)s->narrow)[i] = (float)g[i];
            g[i] = (double)((float *)(void *)s->narrow)[i];
        }
        u = s->narrow;
    }
    w_qr_rows_pack(&s->rows[s->count], s->k.panel, n, u, n, s->space[s->count]);
    if (s->count == 0) {
        memcpy(s->r, g, (size_t)(n * n) * sizeof *g);
    } else {
        multiply(n, g, s->r);
    }
    s->count++;
    return WEIR_OK;
}

weir_status w_cholqr(weir_ctx *ctx, const weir_matrix *a, const weir_matrix *q, const weir_matrix *r,
                     int32_t *path, void *work)
{
    passes s = shape_of(a);
    s.q = q;
    place(&s, w_pool_workers(ctx), work);
    bool near = false;
    while (s.count < PASSES && !near) {
        const double *g = (const double *)(const void *)s.gram;
        weir_status status = products(ctx, &s);
        if (status >= 0 && !within_range(&s, g)) {
            return WEIR_DECLINED;
        }
        near = status >= 0 && s.count > 0 && distance(&s, g) <= 0.1;
        status = status < 0 ? status : next_triangle(ctx, &s);
        if (status != WEIR_OK) {
            return status;
        }
    }
    if (!near) {
        return WEIR_DECLINED;
    }
    *path = s.count == 2 ? WEIR_QR_CHOLESKY2 : WEIR_QR_CHOLESKY3;
    const int size = s.k.panel->size;
    for (int64_t j = 0; j < s.n; j++) {
        for (int64_t i = 0; i < s.n; i++) {
            w_qr_put(size, r->data, i * r->row_stride + j * r->col_stride, i <= j ? s.r[i + j * s.n] : 0.0);
        }
    }
    return q ? w_pool_run(ctx, s.chains, last_task, &s) : WEIR_OK;
}
