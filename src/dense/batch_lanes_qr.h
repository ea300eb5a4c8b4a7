/* SPDX-License-Identifier: Apache-2.0 */
/* Householder QR of every lane. Reflectors go in pairs, H_k H_{k+1} = I - V T V' with k even: what is applied to a column is read
 * and written once per pair,
 *     u_0 = tau_0 v_0'c,  u_1 = tau_1 (v_1'c - g u_0),  c -= v_0 u_0 + v_1 u_1        (H_{k+1} H_k c: towards R)
 *     u_1 = tau_1 v_1'c,  u_0 = tau_0 (v_0'c - g u_1),  c -= v_0 u_0 + v_1 u_1        (H_k H_{k+1} c: towards Q)
 * with g = v_0'v_1. Columns are taken in panels that stay in the first cache while all earlier pairs pass by (left-looking), so a
 * column is written by its panel alone. A column undergoes the same operations in any panel: the bits do not know of panels.
 *
 * A reflector of x = (alpha, y): beta = -sign(alpha) ||x||, tau = (beta - alpha) / beta, v = (1, y / (alpha - beta)). Lanes whose
 * sum of squares may have lost digits to overflow or underflow repeat it times a power of two, the inverse of that of max |x|;
 * y = 0 gives tau = 0. Golub & Van Loan, 5.1; LAPACK's dlarfg. */
#include "dense/batch_kernels.h"
#include "dense/batch_lanes.h"

#define PANEL 8
#if defined W_LANES_AVX512
#define WIDE 8 /* columns whose sums for two reflectors fit the registers */
#else
#define WIDE 4
#endif

/* Four chains; rows 1 … rows - 1 times s. */
LANES_INLINE vec sum_squares(int64_t rows, const real *x, vec s)
{
    vec sum[4] = { v_set(0), v_set(0), v_set(0), v_set(0) };
    int64_t i = 1;
    for (; i + 4 <= rows; i += 4) {
        for (int a = 0; a < 4; a++) {
            vec y = v_load(AT(x, i + a)) * s;
            sum[a] = v_fma(y, y, sum[a]);
        }
    }
    for (int a = 0; i < rows; i++, a++) {
        vec y = v_load(AT(x, i)) * s;
        sum[a] = v_fma(y, y, sum[a]);
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static __attribute__((noinline)) void reflect_rescaled(int64_t rows, real *x, mask sound, real *tau)
{
    const vec one = v_set(1), none = v_set(0), alpha = v_load(x);
    vec most = none;
    for (int64_t i = 1; i < rows; i++) {
        most = v_max(v_abs(v_load(AT(x, i))), most);
    }
    vec power = v_select(sound, one, v_inverse_power(v_max(v_abs(alpha), most)));
    const vec squares = sum_squares(rows, x, power), head = alpha * power;
    const mask zero = m_and(v_eq(squares, none), v_eq(most, none));
    const vec beta = v_signed(v_sqrt(v_fma(head, head, squares)), v_negate(head));
    const vec scale = one / (head - beta);
    for (int64_t i = 1; i < rows; i++) {
        vec y = v_load(AT(x, i));
        v_store(AT(x, i), v_select(zero, y, y * power * scale));
    }
    v_store(tau, v_select(zero, none, (beta - head) / beta));
    v_store(x, v_select(zero, alpha, beta * v_inverse_exact(power)));
}

LANES_INLINE void reflect(int64_t rows, real *x, real *tau)
{
    if (rows == 1) {
        v_store(tau, v_set(0));
        return;
    }
    const vec alpha = v_load(x), squares = sum_squares(rows, x, v_set(1)), all = v_fma(alpha, alpha, squares);
    const mask sound = m_and(v_le(v_set(SQUARE_LEAST), squares), v_le(all, v_set(SQUARE_MOST)));
    if (m_any(m_not(sound))) {
        reflect_rescaled(rows, x, sound, tau);
        return;
    }
    const vec beta = v_signed(v_sqrt(all), v_negate(alpha)), scale = v_set(1) / (alpha - beta);
    v_store(tau, (beta - alpha) / beta);
    v_store(x, beta);
    for (int64_t i = 1; i < rows; i++) {
        v_store(AT(x, i), v_load(AT(x, i)) * scale);
    }
}

/* C columns, ld rows apart, from row k on; v_0 and v_1 from there too. g times nothing with one reflector. */
LANES_INLINE void apply_one(int C, int64_t rows, const real *v, vec tau, real *c, int64_t ld)
{
    vec w[WIDE];
    for (int a = 0; a < C; a++) {
        w[a] = v_load(AT(c, a * ld));
    }
    for (int64_t i = 1; i < rows; i++) {
        const vec x = v_load(AT(v, i));
        for (int a = 0; a < C; a++) {
            w[a] = v_fma(x, v_load(AT(c, a * ld + i)), w[a]);
        }
    }
    for (int a = 0; a < C; a++) {
        w[a] = w[a] * tau;
        v_store(AT(c, a * ld), v_load(AT(c, a * ld)) - w[a]);
    }
    for (int64_t i = 1; i < rows; i++) {
        const vec x = v_load(AT(v, i));
        for (int a = 0; a < C; a++) {
            real *at = AT(c, a * ld + i);
            v_store(at, v_fnma(x, w[a], v_load(at)));
        }
    }
}

typedef struct pair {
    const real *first, *second; /* from row k on; second[0] is nothing */
    vec tau[2], gram;
} pair;

LANES_INLINE void apply_two(int C, bool towards_q, int64_t rows, const pair *p, real *c, int64_t ld)
{
    vec w[WIDE], z[WIDE];
    const real *const u = p->first, *const v = p->second;
    const vec next = v_load(AT(u, 1));
    for (int a = 0; a < C; a++) {
        z[a] = v_load(AT(c, a * ld + 1));
        w[a] = v_fma(next, z[a], v_load(AT(c, a * ld)));
    }
    for (int64_t i = 2; i < rows; i++) {
        const vec x = v_load(AT(u, i)), y = v_load(AT(v, i));
        for (int a = 0; a < C; a++) {
            const vec e = v_load(AT(c, a * ld + i));
            w[a] = v_fma(x, e, w[a]);
            z[a] = v_fma(y, e, z[a]);
        }
    }
    for (int a = 0; a < C; a++) {
        if (towards_q) {
            z[a] = p->tau[1] * z[a];
            w[a] = p->tau[0] * v_fnma(p->gram, z[a], w[a]);
        } else {
            w[a] = p->tau[0] * w[a];
            z[a] = p->tau[1] * v_fnma(p->gram, w[a], z[a]);
        }
        v_store(AT(c, a * ld), v_load(AT(c, a * ld)) - w[a]);
        v_store(AT(c, a * ld + 1), v_fnma(next, w[a], v_load(AT(c, a * ld + 1))) - z[a]);
    }
    for (int64_t i = 2; i < rows; i++) {
        const vec x = v_load(AT(u, i)), y = v_load(AT(v, i));
        for (int a = 0; a < C; a++) {
            real *at = AT(c, a * ld + i);
            v_store(at, v_fnma(y, z[a], v_fnma(x, w[a], v_load(at))));
        }
    }
}

typedef struct reflectors {
    int64_t m, k, ld;
    real *a, *tau, *gram;
} reflectors;

/* Reflectors k and k + 1, or the last one alone, to cols columns, ld rows apart. */
static void apply(bool towards_q, const reflectors *r, int64_t k, real *c, int64_t ld, int64_t cols)
{
    const int64_t m = r->m;
    const real *u = AT(r->a, k * (r->ld + 1));
    const vec t = v_load(AT(r->tau, k));
    real *at = AT(c, k);
    if (k + 1 == r->k) {
        for (; cols >= 4; cols -= 4, at = AT(at, 4 * ld)) {
            apply_one(4, m - k, u, t, at, ld);
        }
        for (; cols >= 1; cols--, at = AT(at, ld)) {
            apply_one(1, m - k, u, t, at, ld);
        }
        return;
    }
    const pair p = { u, AT(r->a, (k + 1) * r->ld + k), { t, v_load(AT(r->tau, k + 1)) }, v_load(AT(r->gram, k / 2)) };
#if WIDE == 8
    for (; cols >= 8; cols -= 8, at = AT(at, 8 * ld)) {
        apply_two(8, towards_q, m - k, &p, at, ld);
    }
#endif
    for (; cols >= 4; cols -= 4, at = AT(at, 4 * ld)) {
        apply_two(4, towards_q, m - k, &p, at, ld);
    }
    if (cols >= 2) {
        apply_two(2, towards_q, m - k, &p, at, ld);
        cols -= 2;
        at = AT(at, 2 * ld);
    }
    if (cols >= 1) {
        apply_two(1, towards_q, m - k, &p, at, ld);
    }
}

/* u'v, v's head at row 1. */
LANES_INLINE vec pair_gram(int64_t rows, const real *u, const real *v)
{
    vec g = v_load(AT(u, 1));
    for (int64_t i = 2; i < rows; i++) {
        g = v_fma(v_load(AT(u, i)), v_load(AT(v, i)), g);
    }
    return g;
}

/* Reflectors k and k + 1 from their columns, and on to the columns of the panel up to `last`. */
static void factor_pair(const reflectors *r, int64_t k, int64_t last)
{
    const int64_t m = r->m, ld = r->ld;
    real *u = AT(r->a, k * (ld + 1)), *v = AT(r->a, (k + 1) * ld + k);
    reflect(m - k, u, AT(r->tau, k));
    if (k + 1 == r->k) {
        apply(false, r, k, AT(r->a, (k + 1) * ld), ld, last - k - 1);
        return;
    }
    apply_one(1, m - k, u, v_load(AT(r->tau, k)), v, ld);
    reflect(m - k - 1, AT(v, 1), AT(r->tau, k + 1));
    v_store(AT(r->gram, k / 2), pair_gram(m - k, u, v));
    apply(false, r, k, AT(r->a, (k + 2) * ld), ld, last - k - 2);
}

static void qr(int64_t m, int64_t n, void *matrix, int64_t ld, void *taus, void *grams)
{
    EACH_PART(l) {
        const reflectors r = { m, m < n ? m : n, ld, (real *)matrix + l, (real *)taus + l, (real *)grams + l };
        for (int64_t c = 0; c < n; c += PANEL) {
            const int64_t last = c + PANEL < n ? c + PANEL : n, known = c < r.k ? c : r.k;
            for (int64_t k = 0; k < known; k += 2) {
                apply(false, &r, k, AT(r.a, c * ld), ld, last - c);
            }
            for (int64_t k = c; k < last && k < r.k; k += 2) {
                factor_pair(&r, k, last);
            }
        }
    }
}

/* Reflectors that are only read. */
static reflectors held(int64_t m, int64_t k, const void *a, int64_t ld, const void *tau, const void *gram, int l)
{
    return (reflectors){ m, k, ld, (real *)(uintptr_t)a + l, (real *)(uintptr_t)tau + l, (real *)(uintptr_t)gram + l };
}

static void qr_form(int64_t m, int64_t k, const void *matrix, int64_t ld, const void *taus, const void *grams, void *result, int64_t ldq,
                    int64_t cols)
{
    EACH_PART(l) {
        const reflectors r = held(m, k, matrix, ld, taus, grams, l);
        real *q = (real *)result + l;
        for (int64_t c = 0; c < cols; c += PANEL) {
            const int64_t last = c + PANEL < cols ? c + PANEL : cols, known = last < k ? last : k;
            for (int64_t j = c; j < last; j++) {
                for (int64_t i = 0; i < m; i++) {
                    v_store(AT(q, j * ldq + i), v_set(i == j ? 1 : 0));
                }
            }
            for (int64_t j = (known - 1) / 2 * 2; known > 0 && j >= 0; j -= 2) {
                apply(true, &r, j, AT(q, c * ldq), ldq, last - c);
            }
        }
    }
}

static void qr_grams(int64_t m, int64_t k, const void *matrix, int64_t ld, void *grams)
{
    EACH_PART(l) {
        const real *a = (const real *)matrix + l;
        for (int64_t j = 0; j + 1 < k; j += 2) {
            v_store(AT((real *)grams + l, j / 2), pair_gram(m - j, AT(a, j * (ld + 1)), AT(a, (j + 1) * ld + j)));
        }
    }
}

static void qr_apply(bool towards_q, int64_t m, int64_t k, const void *matrix, int64_t ld, const void *taus, const void *grams,
                     void *columns, int64_t ldc, int64_t cols)
{
    EACH_PART(l) {
        const reflectors r = held(m, k, matrix, ld, taus, grams, l);
        for (int64_t c = 0; c < cols; c += PANEL) {
            const int64_t count = cols - c < PANEL ? cols - c : PANEL, pairs = (k + 1) / 2;
            for (int64_t p = 0; p < pairs; p++) {
                apply(towards_q, &r, 2 * (towards_q ? pairs - 1 - p : p), AT((real *)columns + l, c * ldc), ldc, count);
            }
        }
    }
}

static void norms(int64_t m, int64_t n, const void *matrix, int64_t ld, void *results)
{
    EACH_PART(l) {
        for (int64_t j = 0; j < n; j++) {
            const real *x = AT((const real *)matrix + l, j * ld);
            vec most = v_set(0), sum[4] = { v_set(0), v_set(0), v_set(0), v_set(0) };
            for (int64_t i = 0; i < m; i++) {
                most = v_max(v_abs(v_load(AT(x, i))), most);
            }
            const vec power = v_inverse_power(most);
            for (int64_t i = 0; i < m; i++) {
                const vec y = v_load(AT(x, i)) * power;
                sum[i & 3] = v_fma(y, y, sum[i & 3]);
            }
            const vec square = (sum[0] + sum[1]) + (sum[2] + sum[3]);
            v_store(AT((real *)results + l, j), v_sqrt(square) * v_inverse_exact(power));
        }
    }
}
