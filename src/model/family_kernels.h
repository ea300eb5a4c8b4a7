/* SPDX-License-Identifier: Apache-2.0 */
/* Fused row kernels on lanes, included once per instruction set (W_ROW_KERNELS names the table). With c = eta held inside
 * [-690, 690], r = y/mu, e = (y - mu)/mu, and (v, m) = (log r, log r - e) without cancellation near r = 1:
 *
 *   poisson:log     w = mu                         z = eta + e            d/2 = mu (m + e v)
 *   binomial:logit  w = mu (1-mu)                  z = eta + (y-mu)/w     d/2 = log(1+e^c) - y c + y log y + (1-y) log(1-y)
 *   gamma:log       w = r     (Fisher 1)           z = eta + e/w          d/2 = -m
 *   nb:log          q = theta/(mu+theta), w = mu (1+y/theta) q^2 (Fisher mu q), z = eta + (y-mu) q/w
 *                   d/2 = mu (m + e v) - (mu+theta)(m2 + e2 v2),  e2 = (y-mu)/(mu+theta)
 *   tweedie:log     u = mu^(2-p), w = u (2-p + (p-1) r) (Fisher u), z = eta + u e/w
 *                   d/2 = u (r^(2-p) - 1 - (2-p) e) / ((2-p)(1-p))
 * and dw/deta by differentiation; z less the offset, w and d times omega. */
#include "dense/elementary_lanes.h"
#include "model/family_rows.h"

#define C(x) lanes_set(x)

typedef struct row_in {
    vec eta, c, y, prior, base; /* base = eta - offset */
} row_in;

LANES_INLINE row_in read_row(const w_rows_chunk *k, int64_t i)
{
    row_in in;
    in.eta = lanes_load(k->eta + i);
    in.c = lanes_max(C(-690.0), lanes_min(C(690.0), in.eta));
    in.y = lanes_load(k->y + i);
    in.prior = k->prior ? lanes_load(k->prior + i) : C(1.0);
    in.base = in.eta;
    if (k->offset) {
        in.base = in.eta - lanes_load(k->offset + i);
    }
    return in;
}

LANES_INLINE void write_row(const w_rows_chunk *k, int64_t i, row_in in, vec mu, vec w, vec step, vec d, vec dw)
{
    mask counts = lanes_lt(C(0.0), in.prior);
    lanes_store(k->mu + i, mu);
    lanes_store(k->w + i, lanes_select(counts, w * in.prior, C(0.0)));
    lanes_store(k->z + i, lanes_select(counts, in.base + step, in.base));
    lanes_store(k->d + i, lanes_select(counts, d * in.prior, C(0.0)));
    if (k->dw) {
        lanes_store(k->dw + i, lanes_select(counts, dw * in.prior, C(0.0)));
    }
}

/* r = y/mu and e = (y - mu)/mu, kept finite. */
LANES_INLINE vec ratio(vec y, vec mu, vec *e)
{
    vec inverse = C(1.0) / mu;
    *e = lanes_min(C(1e300), (y - mu) * inverse);
    return lanes_min(C(1e300), y * inverse);
}

/* y log(y/mu) - (y - mu) */
LANES_INLINE vec poisson_half(vec y, vec mu, vec r, vec e)
{
    vec m, v = lanes_log_minus(r, e, &m);
    return lanes_select(lanes_lt(C(0.0), y), mu * lanes_fma(e, v, m), mu);
}

static void gaussian_identity(const w_rows_chunk *k)
{
    for (int64_t i = 0; i < k->rows; i += LANES) {
        row_in in = read_row(k, i);
        vec residual = in.y - in.eta;
        write_row(k, i, in, in.eta, C(1.0), residual, residual * residual, C(0.0));
    }
}

static void poisson_log(const w_rows_chunk *k)
{
    for (int64_t i = 0; i < k->rows; i += LANES) {
        row_in in = read_row(k, i);
        vec mu = lanes_exp(in.c), e, r = ratio(in.y, mu, &e);
        write_row(k, i, in, mu, mu, e, C(2.0) * poisson_half(in.y, mu, r, e), mu);
    }
}

/* y log y + (1-y) log(1-y) */
LANES_INLINE vec entropy(vec y)
{
    vec other = C(1.0) - y;
    mask inside = lanes_and(lanes_lt(C(0.0), y), lanes_lt(y, C(1.0)));
    if (!lanes_any(inside)) {
        return C(0.0);
    }
    vec a = lanes_log_positive(lanes_select(inside, y, C(0.5)));
    vec b = lanes_log_positive(lanes_select(inside, other, C(0.5)));
    return lanes_select(inside, lanes_fma(y, a, other * b), C(0.0));
}

static void binomial_logit(const w_rows_chunk *k)
{
    for (int64_t i = 0; i < k->rows; i += LANES) {
        row_in in = read_row(k, i);
        mask negative = lanes_lt(in.c, C(0.0));
        vec t = lanes_exp(lanes_negate(lanes_abs(in.c))), large = C(1.0) / (C(1.0) + t), small = t * large;
        vec mu = lanes_select(negative, small, lanes_min(C(1.0 - 0x1p-53), large));
        vec residual = lanes_select(negative, in.y - small, (in.y - C(1.0)) + small);
        vec w = small * large, difference = C(1.0) - C(2.0) * small;
        vec half = lanes_fma(lanes_negate(in.y), in.c, lanes_max(C(0.0), in.c)) + (lanes_log1p(t) + entropy(in.y));
        write_row(k, i, in, mu, w, residual / w, lanes_max(C(0.0), C(2.0) * half),
                  w * lanes_select(negative, difference, lanes_negate(difference)));
    }
}

static void gamma_log(const w_rows_chunk *k)
{
    for (int64_t i = 0; i < k->rows; i += LANES) {
        row_in in = read_row(k, i);
        vec mu = lanes_exp(in.c), e, r = ratio(in.y, mu, &e), m;
        r = lanes_max(C(1e-300), r);
        (void)lanes_log_minus(r, e, &m);
        if (k->newton) {
            write_row(k, i, in, mu, r, e / r, C(-2.0) * m, lanes_negate(r));
        } else {
            write_row(k, i, in, mu, C(1.0), e, C(-2.0) * m, C(0.0));
        }
    }
}

static void nb_log(const w_rows_chunk *k)
{
    vec theta = C(k->param), inverse_theta = C(1.0 / k->param);
    for (int64_t i = 0; i < k->rows; i += LANES) {
        row_in in = read_row(k, i);
        vec mu = lanes_exp(in.c), e, r = ratio(in.y, mu, &e);
        vec sum = mu + theta, inverse = C(1.0) / sum, q = theta * inverse;
        vec e2 = (in.y - mu) * inverse, m2, v2 = lanes_log_minus((in.y + theta) * inverse, e2, &m2);
        vec half = poisson_half(in.y, mu, r, e) - sum * lanes_fma(e2, v2, m2);
        vec d = lanes_max(C(0.0), C(2.0) * half), score = (in.y - mu) * q;
        if (k->newton) {
            vec w = mu * (C(1.0) + in.y * inverse_theta) * q * q;
            write_row(k, i, in, mu, w, score / w, d, w * (C(1.0) - mu * inverse_theta) * q);
        } else {
            vec w = mu * q;
            write_row(k, i, in, mu, w, e, d, w * q);
        }
    }
}

static void tweedie_log(const w_rows_chunk *k)
{
    double p = k->param;
    vec q = C(2.0 - p), scale = C(2.0 / ((2.0 - p) * (1.0 - p)));
    for (int64_t i = 0; i < k->rows; i += LANES) {
        row_in in = read_row(k, i);
        vec mu = lanes_exp(in.c), u = lanes_exp(q * in.c), e, r = ratio(in.y, mu, &e), m;
        vec v = lanes_log_minus(lanes_max(C(1e-300), r), e, &m);
        vec x = lanes_select(lanes_lt(C(0.0), in.y), lanes_expm1(q * v), C(-1.0));
        vec d = lanes_max(C(0.0), u * (x - q * e) * scale);
        if (k->newton) {
            vec w = u * lanes_fma(C(p - 1.0), r, q);
            write_row(k, i, in, mu, w, u * e / w, d, u * (q * q - C((p - 1.0) * (p - 1.0)) * r));
        } else {
            write_row(k, i, in, mu, u, e, d, q * u);
        }
    }
}

const w_row_kernels W_ROW_KERNELS = { gaussian_identity, poisson_log, binomial_logit, gamma_log, nb_log, tweedie_log };
