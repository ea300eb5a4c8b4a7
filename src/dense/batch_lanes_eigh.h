/* SPDX-License-Identifier: Apache-2.0 */
/* Eigenvalues of symmetric matrices by Jacobi's method, every lane on its own account. Rows are paired with their neighbours,
 * (0,1)(2,3)… and (1,2)(3,4)… in turn; each pair is rotated so that its off-diagonal element vanishes and then changes places, so
 * that after n such steps every row has met every other once (the odd-even order, equivalent to the cyclic one). The rotations of
 * a step are independent: all angles first, then the 2 x 2 blocks of pairs,
 *
 *     h = a_qq - a_pp,  d = 2 a_pq,  w = |h| + sqrt(h^2 + d^2),  (c, s) = (w, sign(h) d) / sqrt(w^2 + d^2),  t = s / c,
 *     a_pp -= t a_pq,  a_qq += t a_pq.
 *
 * A lane whose a_pq is small, |a_pq| <= u sqrt|a_pp a_qq| or u^2 max|A|, takes c = 1, s = 0, which changes no bit: a lane that has
 * converged stays what it is while others go on. Matrices are scaled by a power of two to max|A| in [1, 2).
 * Golub & Van Loan, 8.5; Luk & Park (1989). */
#include "dense/batch_kernels.h"
#include "dense/batch_lanes.h"

#define SWEEPS_MOST 40

/* Lanes in which a_pq still counts. */
LANES_INLINE mask matters(vec pp, vec qq, vec pq)
{
    const vec floor_ = v_set((real)(REAL_EPS * REAL_EPS)), share = v_set((real)(REAL_EPS * REAL_EPS / 4));
    return m_and(v_lt(floor_, v_abs(pq)), v_lt(v_abs(pp * qq) * share, pq * pq));
}

static int unfinished(int64_t n, const real *a, int64_t ld, mask *lanes)
{
    mask any = v_lt(v_set(0), v_set(0));
    for (int64_t q = 1; q < n; q++) {
        const vec qq = v_load(AT(a, q * (ld + 1)));
        for (int64_t p = 0; p < q; p++) {
            const mask m = matters(v_load(AT(a, p * (ld + 1))), qq, v_load(AT(a, p * ld + q)));
            any = m_not(m_and(m_not(any), m_not(m)));
        }
    }
    *lanes = any;
    return m_any(any);
}

/* Angles of the pairs (first, first + 1), (first + 2, …); their diagonal blocks. */
static void angles(int64_t n, int64_t first, real *a, int64_t ld, real *cosine, real *sine)
{
    const vec one = v_set(1), none = v_set(0);
    for (int64_t p = first; p + 1 < n; p += 2) {
        real *at = AT(a, p * (ld + 1));
        const vec pp = v_load(at), pq = v_load(AT(at, 1)), qq = v_load(AT(at, ld + 1));
        const mask turns = matters(pp, qq, pq);
        const vec h = qq - pp, d = pq + pq, w = v_abs(h) + v_sqrt(v_fma(h, h, d * d));
        const vec inverse = one / v_sqrt(v_fma(w, w, d * d)), e = v_of_bits(v_bits(d) ^ (v_bits(h) & b_set(REAL_SIGN)));
        const vec c = v_select(turns, w * inverse, one), s = v_select(turns, e * inverse, none);
        const vec change = v_select(turns, pq * (e / w), none);
        v_store(AT(cosine, p), c);
        v_store(AT(sine, p), s);
        v_store(at, qq + change);
        v_store(AT(at, ld + 1), pp - change);
        v_store(AT(at, 1), v_select(turns, none, pq));
    }
}

/* (x, y) := (c x - s y, s x + c y), places exchanged. */
#define ROTATE(x, y, c, s)                                        \
    do {                                                          \
        const vec rotated = v_fnma(s, y, (c) * (x));              \
        x = v_fma(s, x, (c) * (y));                               \
        y = rotated;                                              \
    } while (0)

/* The 2 x 2 block of rows r, r + 1 and columns p, p + 1, r > p + 1, in the lower triangle. */
LANES_INLINE void rotate_block(int64_t ld, real *at, vec c, vec s, vec rc, vec rs)
{
    vec a = v_load(at), b = v_load(AT(at, 1)), d = v_load(AT(at, ld)), e = v_load(AT(at, ld + 1));
    ROTATE(a, d, c, s);
    ROTATE(b, e, c, s);
    ROTATE(a, b, rc, rs);
    ROTATE(d, e, rc, rs);
    v_store(at, a);
    v_store(AT(at, 1), b);
    v_store(AT(at, ld), d);
    v_store(AT(at, ld + 1), e);
}

static void rotate(int64_t n, int64_t first, real *a, int64_t ld, const real *cosine, const real *sine)
{
    for (int64_t p = first; p + 1 < n; p += 2) {
        const vec c = v_load(AT(cosine, p)), s = v_load(AT(sine, p));
        for (int64_t r = p + 2; r + 1 < n; r += 2) {
            rotate_block(ld, AT(a, p * ld + r), c, s, v_load(AT(cosine, r)), v_load(AT(sine, r)));
        }
        if (first == 1) { /* the rows without a partner, 0 and n - 1 */
            real *const left = AT(a, p * ld + n - 1), *const right = AT(left, ld);
            vec x = v_load(AT(a, p)), y = v_load(AT(a, p + 1));
            ROTATE(x, y, c, s);
            v_store(AT(a, p), x);
            v_store(AT(a, p + 1), y);
            x = v_load(left), y = v_load(right);
            ROTATE(x, y, c, s);
            v_store(left, x);
            v_store(right, y);
        }
    }
}

/* All rotations of a sweep to V, rows by rows: a row and its neighbours stay in the first cache while the sweep passes by. V is
 * kept by rows; angles of a step stand at step * n. */
#define ROWS 4
LANES_INLINE void rotate_rows(int R, int64_t n, real *v, int64_t ld, const real *cosine, const real *sine)
{
    for (int64_t step = 0; step < n; step++) {
        for (int64_t p = step & 1; p + 1 < n; p += 2) {
            const vec c = v_load(AT(cosine, step * n + p)), s = v_load(AT(sine, step * n + p));
            for (int i = 0; i < R; i++) {
                real *at = AT(v, i * ld + p);
                vec x = v_load(at), y = v_load(AT(at, 1));
                ROTATE(x, y, c, s);
                v_store(at, x);
                v_store(AT(at, 1), y);
            }
        }
    }
}

static void rotate_vectors(int64_t rows, int64_t n, real *v, int64_t ld, const real *cosine, const real *sine)
{
    int64_t i = 0;
    for (; i + ROWS <= rows; i += ROWS) {
        rotate_rows(ROWS, n, AT(v, i * ld), ld, cosine, sine);
    }
    for (; i < rows; i++) {
        rotate_rows(1, n, AT(v, i * ld), ld, cosine, sine);
    }
}

/* max|A| -> [1, 2), in two steps because one power of two may not suffice. Returns 0 or NaN: what is not finite. */
LANES_INLINE vec rescale(int64_t n, int64_t even, real *a, int64_t ld, vec *once, vec *twice)
{
    vec most = v_set(0), poison = v_set(0);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = j; i < n; i++) {
            const vec x = v_load(AT(a, j * ld + i));
            most = v_max(v_abs(x), most);
            poison = v_fma(x, v_set(0), poison);
        }
    }
    *once = v_inverse_power(most);
    *twice = v_inverse_power(most * *once);
    for (int64_t j = 0; j < even; j++) {
        for (int64_t i = j; i < even; i++) {
            real *at = AT(a, j * ld + i);
            vec x = v_set(0);
            if (i < n) {
                x = v_load(at) * *once * *twice;
            }
            v_store(at, x);
        }
    }
    return poison;
}

/* rank[j]: place of eigenvalue j among all; ties by what stood first in the beginning, which no lane's sweeps change. */
static void rank_values(int64_t n, const real *value, const int64_t *origin, int64_t pad, real *rank)
{
    const vec one = v_set(1), none = v_set(0);
    for (int64_t j = 0; j < n; j++) {
        const vec x = v_load(AT(value, j));
        vec place = none;
        for (int64_t i = 0; i < n; i++) {
            if (origin[i] == pad || i == j) {
                continue;
            }
            const vec y = v_load(AT(value, i));
            place = place + v_select(v_lt(y, x), one, none);
            if (origin[i] < origin[j]) {
                place = place + v_select(v_eq(y, x), one, none);
            }
        }
        v_store(AT(rank, j), place);
    }
}

/* Column k of the result is, in each lane, the one of rank k. */
static void order(int64_t n, int64_t even, const real *value, const real *rank, const int64_t *origin, const real *v, int64_t ld, vec back_once,
                  vec back_twice, vec poison, real *values, real *vectors, int64_t ldv)
{
    mask here[W_EIGH_MOST];
    int64_t from[W_EIGH_MOST];
    for (int64_t k = 0; k < n; k++) {
        int64_t count = 0;
        vec x = v_set(0);
        for (int64_t j = 0; j < even; j++) {
            const mask m = v_eq(v_load(AT(rank, j)), v_set((real)k));
            if (origin[j] < n && m_any(m)) {
                here[count] = m;
                from[count++] = j;
                x = v_select(m, v_load(AT(value, j)), x);
            }
        }
        v_store(AT(values, k), x * back_once * back_twice + poison);
        for (int64_t i = 0; vectors && i < n; i++) {
            vec y = v_set(0);
            for (int64_t t = 0; t < count; t++) {
                y = v_select(here[t], v_load(AT(v, i * ld + from[t])), y);
            }
            v_store(AT(vectors, k * ldv + i), y + poison);
        }
    }
}

static void eigh_part(int64_t n, real *a, real *values, real *vectors, int64_t ldv, real *work, real *info)
{
    const int64_t even = w_batched_even(n), ld = w_batched_lead(even);
    real *v = work, *cosine = AT(v, even * ld), *sine = AT(cosine, even * even), *value = AT(sine, even * even);
    real *rank = AT(value, even);
    int64_t origin[W_EIGH_MOST];
    mask left;
    vec once, twice;
    const vec poison = rescale(n, even, a, ld, &once, &twice);
    for (int64_t j = 0; j < even; j++) {
        origin[j] = j;
        for (int64_t i = 0; i < n; i++) {
            v_store(AT(v, i * ld + j), v_set(i == j ? 1 : 0));
        }
    }
    int more = unfinished(even, a, ld, &left);
    for (int sweep = 0; more && sweep < SWEEPS_MOST; sweep++) {
        for (int64_t step = 0; step < even; step++) {
            const int64_t first = step & 1;
            real *c = AT(cosine, step * even), *s = AT(sine, step * even);
            angles(even, first, a, ld, c, s);
            rotate(even, first, a, ld, c, s);
            for (int64_t p = first; p + 1 < even; p += 2) {
                const int64_t was = origin[p];
                origin[p] = origin[p + 1];
                origin[p + 1] = was;
            }
        }
        if (vectors) {
            rotate_vectors(n, even, v, ld, cosine, sine);
        }
        more = unfinished(even, a, ld, &left);
    }
    for (int64_t j = 0; j < even; j++) {
        v_store(AT(value, j), v_load(AT(a, j * (ld + 1))));
    }
    rank_values(even, value, origin, n, rank);
    order(n, even, value, rank, origin, v, ld, v_inverse_exact(once), v_inverse_exact(twice), poison, values, vectors, ldv);
    v_store(info, v_select(v_eq(poison, v_set(0)), v_select(left, v_set(2), v_set(0)), v_set(1)));
}

static void eigh(int64_t n, void *a, void *values, void *vectors, int64_t ldv, void *work, void *info)
{
    EACH_PART(l) {
        eigh_part(n, (real *)a + l, (real *)values + l, vectors ? (real *)vectors + l : NULL, ldv, (real *)work + l,
                  (real *)info + l);
    }
}
