/* SPDX-License-Identifier: Apache-2.0 */
/* Singular values by QR and one-sided Jacobi, every lane on its own account. With A = Q R, columns y_p, y_q of Y, at first R', are
 * rotated until all of them are orthogonal:
 *
 *     a = y_p'y_p,  b = y_q'y_q,  g = y_p'y_q,  h = b - a,  d = 2 g,  w = |h| + sqrt(h^2 + d^2),  (c, s) = (w, sign(h) d) / sqrt(w^2 + d^2),
 *     (y_p, y_q) := (c y_p - s y_q, s y_p + c y_q),
 *
 * or, where a < b, by the other angle, (c, s) := (|s|, -sign(s) c), which leaves the longer column first and saves sweeps (Nash 1975);
 * and so are those of J, at first I: Y = R'J. With its columns by descending length, Y = Q_2 R_2, where R_2 is diagonal to working
 * precision: A = (Q J) |R_2| (Q_2 sign)'. Householder's Q_2 is orthogonal whatever Y is; columns of Y that are zero or too short to be
 * made orthogonal, below u^2 max|A|, need no further care.
 *
 * A lane with |g| <= sqrt(n) u |y_p||y_q| keeps y_p and y_q as they are: a lane that has converged stays while others go on.
 * Matrices are scaled by a power of two to max|A| in [1, 2). Golub & Van Loan, 8.6; Drmac & Veselic (2008). */
#include "dense/batch_kernels.h"
#include "dense/batch_lanes.h"

/* max|A| -> [1, 2), in two steps because one power of two may not suffice. Returns 0 or NaN: what is not finite. */
LANES_INLINE vec svd_rescale(int64_t m, int64_t n, real *a, int64_t ld, vec *once, vec *twice)
{
    vec most = v_set(0), poison = v_set(0);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < m; i++) {
            const vec x = v_load(AT(a, j * ld + i));
            most = v_max(v_abs(x), most);
            poison = v_fma(x, v_set(0), poison);
        }
    }
    *once = v_inverse_power(most);
    *twice = v_inverse_power(most * *once);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < m; i++) {
            real *at = AT(a, j * ld + i);
            v_store(at, v_load(at) * *once * *twice);
        }
    }
    return poison;
}

typedef struct svd_rotation {
    mask here;
    vec c, s;
} svd_rotation;

/* Two chains for each of the three sums. */
LANES_INLINE svd_rotation svd_angle(int64_t n, const real *p, const real *q)
{
    vec pp[2] = { v_set(0), v_set(0) }, pq[2] = { v_set(0), v_set(0) }, qq[2] = { v_set(0), v_set(0) };
    int64_t i = 0;
    for (; i + 2 <= n; i += 2) {
        for (int e = 0; e < 2; e++) {
            const vec x = v_load(AT(p, i + e)), y = v_load(AT(q, i + e));
            pp[e] = v_fma(x, x, pp[e]);
            pq[e] = v_fma(x, y, pq[e]);
            qq[e] = v_fma(y, y, qq[e]);
        }
    }
    if (i < n) {
        const vec x = v_load(AT(p, i)), y = v_load(AT(q, i));
        pp[0] = v_fma(x, x, pp[0]);
        pq[0] = v_fma(x, y, pq[0]);
        qq[0] = v_fma(y, y, qq[0]);
    }
    /* |g| > share sqrt(a) sqrt(b) without roots: in float32 the factor keeps the squares of the shortest columns from underflow. */
    const vec lift = v_set((real)(sizeof(real) == 4 ? 0x1p30 : 1)), floor_ = v_set((real)(REAL_EPS * REAL_EPS) * (real)(REAL_EPS * REAL_EPS));
    const vec a = pp[0] + pp[1], g = pq[0] + pq[1], b = qq[0] + qq[1], over = v_set((real)(2 / REAL_EPS)) / v_sqrt(v_set((real)n));
    const vec excess = g * lift * over;
    svd_rotation r;
    r.here = m_and(m_and(v_lt(floor_, a), v_lt(floor_, b)), v_lt((a * lift) * (b * lift), excess * excess));
    const vec power = v_inverse_power(v_max(v_abs(b - a), v_abs(g + g))), h = (b - a) * power, d = (g + g) * power;
    const vec w = v_abs(h) + v_sqrt(v_fma(h, h, d * d)), inverse = v_set(1) / v_sqrt(v_fma(w, w, d * d));
    const vec c = w * inverse, s = v_of_bits(v_bits(d * inverse) ^ (v_bits(h) & b_set(REAL_SIGN)));
    const mask rising = v_lt(v_set(0), h);
    r.c = v_select(rising, v_abs(s), c);
    r.s = v_select(rising, v_signed(c, v_negate(s)), s);
    return r;
}

LANES_INLINE void svd_turn(int64_t n, svd_rotation r, real *p, real *q)
{
    for (int64_t i = 0; i < n; i++) {
        const vec x = v_load(AT(p, i)), y = v_load(AT(q, i));
        v_store(AT(p, i), v_select(r.here, v_fnma(r.s, y, r.c * x), x));
        v_store(AT(q, i), v_select(r.here, v_fma(r.s, x, r.c * y), y));
    }
}

LANES_INLINE mask svd_pair(int64_t n, real *y, real *basis, int64_t ld, int64_t p, int64_t q)
{
    const svd_rotation r = svd_angle(n, AT(y, p * ld), AT(y, q * ld));
    if (m_any(r.here)) {
        svd_turn(n, r, AT(y, p * ld), AT(y, q * ld));
        if (basis) {
            svd_turn(n, r, AT(basis, p * ld), AT(basis, q * ld));
        }
    }
    return r.here;
}

/* A sweep over all pairs, those of four columns with each of the columns behind them, so that a column comes from the second cache once for
 * four rotations. Returns the lanes that took one. */
#define SVD_BLOCK 4
static mask svd_sweep(int64_t n, real *y, real *basis, int64_t ld)
{
    mask none = m_not(v_lt(v_set(0), v_set(0)));
    for (int64_t first = 0; first < n; first += SVD_BLOCK) {
        for (int64_t q = first + 1; q < n; q++) {
            for (int64_t p = first; p < q && p < first + SVD_BLOCK; p++) {
                none = m_and(none, m_not(svd_pair(n, y, basis, ld, p, q)));
            }
        }
    }
    return m_not(none);
}

/* place[j]: of column j by descending length, equal ones by number. */
static void svd_places(int64_t n, const real *y, int64_t ld, real *length, real *place)
{
    const vec one = v_set(1), none = v_set(0);
    for (int64_t j = 0; j < n; j++) {
        vec sum = none;
        for (int64_t i = 0; i < n; i++) {
            const vec x = v_load(AT(y, j * ld + i));
            sum = v_fma(x, x, sum);
        }
        v_store(AT(length, j), sum);
    }
    for (int64_t j = 0; j < n; j++) {
        const vec x = v_load(AT(length, j));
        vec before = none;
        for (int64_t i = 0; i < n; i++) {
            const vec other = v_load(AT(length, i));
            before = before + v_select(v_lt(x, other), one, none);
            if (i < j) {
                before = before + v_select(v_eq(x, other), one, none);
            }
        }
        v_store(AT(place, j), before);
    }
}

/* Column k of `to` is, in each lane, the one of place k. */
static void svd_sort(int64_t n, const real *place, const real *from, int64_t ld, real *to, int64_t ldt)
{
    mask here[W_EIGH_MOST];
    int64_t source[W_EIGH_MOST];
    for (int64_t k = 0; k < n; k++) {
        int64_t count = 0;
        for (int64_t j = 0; j < n; j++) {
            const mask m = v_eq(v_load(AT(place, j)), v_set((real)k));
            if (m_any(m)) {
                here[count] = m;
                source[count++] = j;
            }
        }
        for (int64_t i = 0; i < n; i++) {
            vec x = v_set(0);
            for (int64_t t = 0; t < count; t++) {
                x = v_select(here[t], v_load(AT(from, source[t] * ld + i)), x);
            }
            v_store(AT(to, k * ldt + i), x);
        }
    }
}

/* From A = Q R in `a` to Y and J, both by descending length of Y's columns: Y in `sorted`, J in the first n rows of `left`. */
static void svd_rotate(int64_t m, int64_t n, const real *a, int64_t ld, real *y, real *basis, real *sorted, int64_t ldy, real *left,
                       int64_t ldl, real *length, real *place, real *info)
{
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < n; i++) {
            v_store(AT(y, j * ldy + i), i < j ? v_set(0) : v_load(AT(a, i * ld + j)));
            v_store(AT(basis, j * ldy + i), v_set(i == j ? 1 : 0));
        }
    }
    mask turned = v_lt(v_set(0), v_set(1));
    for (int sweep = 0; m_any(turned) && sweep < SWEEPS_MOST; sweep++) {
        turned = svd_sweep(n, y, left ? basis : NULL, ldy);
    }
    svd_places(n, y, ldy, length, place);
    svd_sort(n, place, y, ldy, sorted, ldy);
    if (left) {
        svd_sort(n, place, basis, ldy, left, ldl);
        for (int64_t j = 0; j < n; j++) {
            for (int64_t i = n; i < m; i++) {
                v_store(AT(left, j * ldl + i), v_set(0));
            }
        }
    }
    v_store(info, v_select(turned, v_set(2), v_set(0)));
}

/* Values from the diagonal of R_2, whose signs go to the right vectors; what is not finite becomes NaN. */
static void svd_finish(int64_t m, int64_t n, const real *r, int64_t ldr2, const real *scales, real *values, real *left, int64_t ldl,
                       real *right, int64_t ldr, real *info)
{
    const vec once = v_inverse_exact(v_load(scales)), twice = v_inverse_exact(v_load(AT(scales, 1))), poison = v_load(AT(scales, 2));
    vec before = v_set(0);
    for (int64_t k = 0; k < n; k++) {
        const vec x = v_load(AT(r, k * (ldr2 + 1))), size = v_abs(x), held = k > 0 ? v_select(v_lt(before, size), before, size) : size;
        const vec sign = v_signed(v_set(1), x);
        v_store(AT(values, k), held * once * twice + poison);
        before = held;
        for (int64_t i = 0; right && i < n; i++) {
            real *at = AT(right, k * ldr + i);
            v_store(at, v_load(at) * sign + poison);
        }
        for (int64_t i = 0; left && i < m; i++) {
            real *at = AT(left, k * ldl + i);
            v_store(at, v_load(at) + poison);
        }
    }
    v_store(info, v_select(v_eq(poison, v_set(0)), v_load(info), v_set(1)));
}

#define PART(array) ((real *)(array) + l)
#define PART_OR_NULL(array) ((array) ? PART(array) : NULL)
static void svd(int64_t m, int64_t n, void *a, int64_t ld, void *values, void *left, int64_t ldl, void *right, int64_t ldr, void *work,
                void *info)
{
    const int64_t ldy = w_batched_lead(n);
    real *y = work, *basis = AT(y, n * ldy), *sorted = AT(basis, n * ldy), *tau = AT(sorted, n * ldy), *gram = AT(tau, n);
    real *length = AT(gram, n), *place = AT(length, n), *scales = AT(place, n);
    EACH_PART(l) {
        vec once, twice;
        const vec poison = svd_rescale(m, n, PART(a), ld, &once, &twice);
        v_store(PART(scales), once);
        v_store(AT(PART(scales), 1), twice);
        v_store(AT(PART(scales), 2), poison);
    }
    qr(m, n, a, ld, tau, gram);
    EACH_PART(l) {
        svd_rotate(m, n, PART(a), ld, PART(y), PART(basis), PART(sorted), ldy, PART_OR_NULL(left), ldl, PART(length), PART(place),
                   PART(info));
    }
    if (left) {
        qr_apply(true, m, n, a, ld, tau, gram, left, ldl, n);
    }
    qr(n, n, sorted, ldy, tau, gram);
    if (right) {
        qr_form(n, n, sorted, ldy, tau, gram, right, ldr, n);
    }
    EACH_PART(l) {
        svd_finish(m, n, PART(sorted), ldy, PART(scales), PART(values), PART_OR_NULL(left), ldl, PART_OR_NULL(right), ldr,
                   PART(info));
    }
}
#undef PART
#undef PART_OR_NULL
