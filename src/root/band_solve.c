/* SPDX-License-Identifier: Apache-2.0 */
/* (B + t I)^-1 for a band matrix in blocks, D_i on the diagonal and E_i below: block elimination,
 *
 *     S_0 = D_0 + t I = L_0 L_0',   F_i = E_{i-1} L_{i-1}^-T,   S_i = D_i + t I - F_i F_i' = L_i L_i',   M_i = F_i L_{i-1}^-1,
 *     y_i = c_i - M_i y_{i-1},      z_i = S_i^-1 y_i - M_{i+1}' z_{i+1}.
 *
 * Every S_i is a Schur complement of a positive definite matrix: its condition is at most that of B + t I. The S_i are those of a
 * Cholesky factorization, which is stable; the explicit M and S^-1 cost errors of the order u kappa in the solution. Right-hand sides run
 * in the lanes of packed strips (dense/panel.h), block by block: a strip of them stays in the cache while the blocks pass.
 * Poles are added in ascending order whatever the threads do. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/size.h"
#include "dense/chol.h"
#include "dense/level3.h"
#include "root/band.h"

#define IN_FLIGHT 8  /* poles factored at a time */

/* A pole's blocks as packed right operands: M_i, M_i' and S_i^-1. */
typedef struct pole {
    double *m, *turned, *inverse;
} pole;

typedef struct sum {
    weir_ctx *ctx;
    const w_root_band *band;
    const w_root_poles *poles;
    const w_panel *k;
    double most, scale;
    int64_t packed, strips, count; /* elements of a packed block; strips of right-hand sides */
    int first, in_flight;
    pole pole[IN_FLIGHT];
    double *factor_room, *strip_room; /* per worker */
    int64_t factor_elements, strip_elements;
    double *each;                     /* in_flight results when strips are few */
    double *c;
    int64_t ldc;
    _Atomic int failed;
} sum;


/* S^-1 from L: L^-1 and L^-T on the identity. */
static weir_status invert(const w_panel *k, int64_t w, const double *l, double *inverse)
{
    memset(inverse, 0, (size_t)(w * w) * sizeof *inverse);
    for (int64_t i = 0; i < w; i++) {
        inverse[i * (w + 1)] = 1;
    }
    weir_status status = w_trsm(NULL, k, (w_triangular){ .upper = false }, w, l, w, w, inverse, w);
    return status < 0 ? status : w_trsm(NULL, k, (w_triangular){ .trans = true }, w, l, w, w, inverse, w);
}

/* f := E L^-T, s := s - f f';  then, for a pole that will be solved with, f := f L^-1 = M. */
static weir_status couple(const w_panel *k, int64_t w, const double *l, double *f, double *s)
{
    weir_status status = w_trsm(NULL, k, (w_triangular){ .right = true, .trans = true }, w, l, w, w, f, w);
    return status < 0 ? status : w_gemm(NULL, k, w, w, w, -1, (w_operand){ f, 1, w }, (w_operand){ f, 1, w }, s, w);
}

/* Factors scale B + t I; *positive false where it has no Cholesky factor. p NULL: only that is asked. room: 4 width^2. */
static weir_status factor_pole(weir_ctx *ctx, const w_root_band *b, const w_panel *k, double scale, double t, const pole *p,
                               int64_t packed, double *room, bool *positive)
{
    const int64_t w = b->width, square = w * w;
    double *s = room, *l = s + square, *f = l + square, *inverse = f + square;
    weir_status status = WEIR_OK;
    *positive = true;
    for (int64_t i = 0; status >= 0 && *positive && i < b->blocks; i++) {
        const double *d = b->diagonal + i * square;
        for (int64_t q = 0; q < square; q++) {
            s[q] = d[q] * scale;
        }
        for (int64_t q = 0; q < w; q++) {
            s[q * (w + 1)] = i * w + q < b->n ? s[q * (w + 1)] + t : 1;
        }
        if (i > 0) {
            for (int64_t q = 0; q < square; q++) {
                f[q] = b->below[(i - 1) * square + q] * scale;
            }
            status = couple(k, w, l, f, s);
        }
        if (status >= 0 && i > 0 && p) {
            status = w_trsm(NULL, k, (w_triangular){ .right = true }, w, l, w, w, f, w);
            w_panel_pack(k, w, w, (w_operand){ f, 1, w }, NULL, p->m + i * packed);
            w_panel_pack(k, w, w, (w_operand){ f, w, 1 }, NULL, p->turned + i * packed);
        }
        int64_t failed = 0;
        memcpy(l, s, (size_t)square * sizeof *l);
        status = status < 0 ? status : w_chol_factor_panels(ctx, k, false, w, l, w, &failed);
        *positive = failed == 0;
        if (status >= 0 && *positive && p) {
            status = invert(k, w, l, inverse);
            w_panel_pack(k, w, w, (w_operand){ inverse, 1, w }, NULL, p->inverse + i * packed);
        }
    }
    return status;
}

/* `out` += weight (B / most + t I)^-1 applied to `strip`; y: as large. Elements (right-hand side r, row q) at [q * strip + r]. */
static void solve_strip(const sum *m, const pole *p, double weight, int64_t rows, const double *strip, double *y, double *out)
{
    const w_root_band *b = m->band;
    const w_panel *k = m->k;
    const int64_t w = b->width, block = w * k->strip;
    double z[2][W_PANEL_STRIP_MAX * 64];
    memcpy(y, strip, (size_t)(b->blocks * block) * sizeof *y);
    for (int64_t i = 1; i < b->blocks; i++) {
        w_panel_update(k, rows, w, w, y + (i - 1) * block, p->m + i * m->packed, -1, y + i * block, k->strip, W_PANEL_LOW,
                       W_PANEL_HIGH);
    }
    for (int64_t i = b->blocks - 1; i >= 0; i--) {
        double *now = z[i % 2], *after = z[1 - i % 2];
        memset(now, 0, (size_t)block * sizeof *now);
        w_panel_update(k, rows, w, w, y + i * block, p->inverse + i * m->packed, 1, now, k->strip, W_PANEL_LOW, W_PANEL_HIGH);
        if (i + 1 < b->blocks) {
            w_panel_update(k, rows, w, w, after, p->turned + (i + 1) * m->packed, -1, now, k->strip, W_PANEL_LOW, W_PANEL_HIGH);
        }
        for (int64_t q = 0; q < block; q++) {
            out[i * block + q] += weight * now[q];
        }
    }
}

static int64_t strip_rows(const sum *m, int64_t strip) { return w_min64(m->k->strip, m->count - strip * m->k->strip); }

static void load_strip(const sum *m, int64_t strip, double *to)
{
    const int64_t n = m->band->n, padded = m->band->blocks * m->band->width;
    m->k->pack(n, strip_rows(m, strip), m->c + strip * m->k->strip * m->ldc, 1, m->ldc, NULL, to);
    memset(to + n * m->k->strip, 0, (size_t)((padded - n) * m->k->strip) * sizeof *to);
}

static weir_status factor_task(void *arg, int64_t task, int worker)
{
    sum *m = arg;
    bool positive;
    weir_status status = factor_pole(m->ctx, m->band, m->k, 1 / m->most, m->poles->t[m->first + task], &m->pole[task], m->packed,
                                     m->factor_room + worker * m->factor_elements, &positive);
    if (!positive) {
        atomic_store(&m->failed, 1);
    }
    return status;
}

/* One strip with the poles in flight; the sums so far are in the caller's C, the right-hand sides beside them. */
static weir_status strip_task(void *arg, int64_t task, int worker)
{
    sum *m = arg;
    const int64_t length = m->k->strip * m->band->blocks * m->band->width;
    double *y = m->strip_room + worker * m->strip_elements, *strip = m->each + task * 2 * length, *out = strip + length;
    for (int j = 0; j < m->in_flight; j++) {
        solve_strip(m, &m->pole[j], m->poles->weight[m->first + j], strip_rows(m, task), strip, y, out);
    }
    return WEIR_OK;
}

static weir_status load_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    sum *m = arg;
    const int64_t length = m->k->strip * m->band->blocks * m->band->width;
    load_strip(m, task, m->each + task * 2 * length);
    memset(m->each + (task * 2 + 1) * length, 0, (size_t)length * sizeof *m->each);
    return WEIR_OK;
}

static weir_status store_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    sum *m = arg;
    const int64_t strip = m->k->strip, length = strip * m->band->blocks * m->band->width;
    double *out = m->each + (task * 2 + 1) * length;
    for (int64_t q = 0; q < m->band->n * strip; q++) {
        out[q] *= m->scale;
    }
    m->k->unpack(m->band->n, strip_rows(m, task), out, m->c + task * strip * m->ldc, 1, m->ldc);
    return WEIR_OK;
}

weir_status w_root_band_apply(weir_ctx *ctx, const w_root_band *band, const w_root_poles *poles, double most, double scale,
                              int64_t count, double *c, int64_t ldc, w_scratch *s)
{
    const w_panel *k = w_panel_best(8);
    const int64_t w = band->width, kept = s->used, workers = w_pool_workers(ctx);
    const int64_t flight = s->base ? w_min64(IN_FLIGHT, poles->count) : IN_FLIGHT;
    sum m = { .ctx = ctx, .band = band, .poles = poles, .k = k, .most = most, .scale = scale, .count = count, .c = c, .ldc = ldc,
              .packed = w * w_round_up64(w, k->strip), .strips = (count + k->strip - 1) / k->strip };
    const int64_t length = k->strip * band->blocks * w;
    m.factor_elements = 4 * w * w;
    m.strip_elements = length;
    m.factor_room = w_scratch_take(s, workers * m.factor_elements * 8);
    m.strip_room = w_scratch_take(s, w_mul64(workers * 8, length));
    m.each = w_scratch_take(s, w_mul64(2 * m.strips * 8, length));
    for (int64_t j = 0; j < flight; j++) {
        m.pole[j].m = w_scratch_take(s, w_mul64(band->blocks, m.packed * 8));
        m.pole[j].turned = w_scratch_take(s, w_mul64(band->blocks, m.packed * 8));
        m.pole[j].inverse = w_scratch_take(s, w_mul64(band->blocks, m.packed * 8));
    }
    if (!s->base || count == 0) {
        return WEIR_OK;
    }
    weir_status status = w_pool_run(ctx, m.strips, load_task, &m);
    for (m.first = 0; status >= 0 && m.first < poles->count; m.first += m.in_flight) {
        m.in_flight = (int)w_min64(flight, poles->count - m.first);
        status = w_pool_run(ctx, m.in_flight, factor_task, &m);
        if (status >= 0 && atomic_load(&m.failed)) {
            status = w_fail(ctx, WEIR_E_NUMERIC, "the matrix is not positive definite: shifted by %g of its bound it has no "
                            "Cholesky factor", poles->t[m.first]);
        }
        status = status < 0 ? status : w_pool_run(ctx, m.strips, strip_task, &m);
    }
    status = status < 0 ? status : w_pool_run(ctx, m.strips, store_task, &m);
    w_root_give_back(s, kept);
    return status;
}

typedef struct trial {
    const w_root_band *band;
    double *room;
} trial;

static weir_status is_positive(weir_ctx *ctx, const trial *m, double scale, double t, bool *positive)
{
    return factor_pole(ctx, m->band, w_panel_best(8), scale, t, NULL, 0, m->room, positive);
}

weir_status w_root_band_extent(weir_ctx *ctx, const w_root_band *band, double floor, double *least, double *most, w_scratch *s)
{
    const int64_t w = band->width, kept = s->used;
    trial m = { .band = band, .room = w_scratch_take(s, 4 * w * w * 8) };
    weir_status status = WEIR_OK;
    if (!s->base) {
        return status;
    }
    bool positive = true;
    /* From above: sigma I - B loses its factor where sigma falls below the largest eigenvalue. */
    double top = *most, step = 0.5;
    while (status >= 0 && step < 0.95) {
        status = is_positive(ctx, &m, -1 / top, step, &positive);
        if (positive) {
            top *= step;
        } else {
            step = sqrt(step);
        }
    }
    /* From below, in powers of two: high has no factor (or is 1), low has one (or is below the floor). */
    const int bottom = (int)ceil(log2(floor)) - 1;
    int low = bottom, high = 0;
    while (status >= 0 && high - low > 1) {
        const int middle = low + (high - low) / 2;
        status = is_positive(ctx, &m, 1 / top, -ldexp(1, middle), &positive);
        *(positive ? &low : &high) = middle;
    }
    *least = low == bottom ? 0 : ldexp(top, low);
    *most = top;
    w_root_give_back(s, kept);
    return status;
}
