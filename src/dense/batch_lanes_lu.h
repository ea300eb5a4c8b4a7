/* SPDX-License-Identifier: Apache-2.0 */
/* PA = LU with partial pivoting in every lane. Lanes exchange different rows: row k and row pivot[k] change places by selection
 * while the rows pass by for elimination,
 *
 *     u = the row i with i = pivot,  a_i = (i = pivot ? a_k : a_i) - l_i u,  a_k = u,
 *
 * so that an exchange costs two selections per element and no gathering. Columns are taken in blocks that stay in the first cache
 * while all earlier steps pass by; rows of earlier columns of L stay where their step left them, which is what later columns need,
 * and are settled at the end if LAPACK's form is wanted. Pivot: the first row of largest |a|; l_i = a_i / pivot, by its reciprocal
 * where that is a good number. Higham, 9. */
#include "dense/batch_kernels.h"
#include "dense/batch_lanes.h"

#if defined W_LANES_AVX512
#define LU_WIDE 8
#else
#define LU_WIDE 4
#endif

/* Step k, done on its own column (rows below hold l), to C columns. */
LANES_INLINE void eliminate(int C, int64_t m, int64_t k, const real *l, vec pivot, real *c, int64_t ld)
{
    vec old[LU_WIDE], u[LU_WIDE];
    for (int a = 0; a < C; a++) {
        old[a] = u[a] = v_load(AT(c, a * ld + k));
    }
    for (int64_t i = k + 1; i < m; i++) {
        const mask here = v_eq(pivot, v_set((real)i));
        for (int a = 0; a < C; a++) {
            u[a] = v_select(here, v_load(AT(c, a * ld + i)), u[a]);
        }
    }
    for (int a = 0; a < C; a++) {
        v_store(AT(c, a * ld + k), u[a]);
    }
    for (int64_t i = k + 1; i < m; i++) {
        const mask here = v_eq(pivot, v_set((real)i));
        const vec x = v_load(AT(l, i));
        for (int a = 0; a < C; a++) {
            real *at = AT(c, a * ld + i);
            v_store(at, v_fnma(x, u[a], v_select(here, old[a], v_load(at))));
        }
    }
}

static void eliminate_block(int64_t m, int64_t k, const real *l, vec pivot, real *c, int64_t ld, int64_t cols)
{
#if LU_WIDE == 8
    for (; cols >= 8; cols -= 8, c = AT(c, 8 * ld)) {
        eliminate(8, m, k, l, pivot, c, ld);
    }
#endif
    for (; cols >= 4; cols -= 4, c = AT(c, 4 * ld)) {
        eliminate(4, m, k, l, pivot, c, ld);
    }
    if (cols >= 2) {
        eliminate(2, m, k, l, pivot, c, ld);
        cols -= 2;
        c = AT(c, 2 * ld);
    }
    if (cols >= 1) {
        eliminate(1, m, k, l, pivot, c, ld);
    }
}

/* The pivot of column c (rows from k on), exchanged; the rows below become l. */
LANES_INLINE vec pivot_column(int64_t m, int64_t k, real *c, vec *info)
{
    const vec old = v_load(AT(c, k)), none = v_set(0);
    vec most = v_abs(old), pivot = v_set((real)k), value = old;
    for (int64_t i = k + 1; i < m; i++) {
        const vec x = v_load(AT(c, i)), size = v_abs(x);
        const mask larger = v_lt(most, size);
        most = v_select(larger, size, most);
        value = v_select(larger, x, value);
        pivot = v_select(larger, v_set((real)i), pivot);
    }
    const mask good = m_and(v_lt(none, most), v_lt(most, v_set((real)INFINITY)));
    if (m_any(m_not(good))) {
        *info = v_select(m_and(m_not(good), v_eq(*info, none)), v_set((real)(k + 1)), *info);
    }
    const mask zero = v_eq(value, none), fine = m_and(v_le(v_set(REAL_LEAST), most), v_le(most, v_set(REAL_MOST)));
    const int slow = m_any(m_not(fine));
    const vec inverse = v_select(zero, none, v_set(1) / value), divisor = v_select(zero, v_set(1), value);
    v_store(AT(c, k), value);
    for (int64_t i = k + 1; i < m; i++) {
        const vec x = v_select(v_eq(pivot, v_set((real)i)), old, v_load(AT(c, i)));
        vec share = x * inverse;
        if (slow) {
            share = v_select(fine, share, x / divisor);
        }
        v_store(AT(c, i), share);
    }
    return pivot;
}

/* Rows k and pivot change places in C columns. */
LANES_INLINE void exchange_rows(int C, int64_t m, int64_t k, vec pivot, real *c, int64_t ld)
{
    vec old[4], u[4];
    for (int a = 0; a < C; a++) {
        old[a] = u[a] = v_load(AT(c, a * ld + k));
    }
    for (int64_t i = k + 1; i < m; i++) {
        const mask here = v_eq(pivot, v_set((real)i));
        for (int a = 0; a < C; a++) {
            real *at = AT(c, a * ld + i);
            const vec x = v_load(at);
            u[a] = v_select(here, x, u[a]);
            v_store(at, v_select(here, old[a], x));
        }
    }
    for (int a = 0; a < C; a++) {
        v_store(AT(c, a * ld + k), u[a]);
    }
}

static void exchange_columns(int64_t m, int64_t k, vec pivot, real *c, int64_t ld, int64_t cols)
{
    for (; cols >= 4; cols -= 4, c = AT(c, 4 * ld)) {
        exchange_rows(4, m, k, pivot, c, ld);
    }
    for (; cols >= 1; cols--, c = AT(c, ld)) {
        exchange_rows(1, m, k, pivot, c, ld);
    }
}

static void lu(int64_t m, int64_t n, int64_t extra, void *matrix, int64_t ld, void *pivots, void *infos,
               bool settle)
{
    const int64_t steps = m < n ? m : n, all = n + extra;
    EACH_PART(l) {
        real *a = (real *)matrix + l, *pivot = (real *)pivots + l;
        vec info = v_set(0);
        for (int64_t c = 0; c < all; c += 8) {
            const int64_t last = c + 8 < all ? c + 8 : all;
            for (int64_t k = 0; k < steps && k < c; k++) {
                eliminate_block(m, k, AT(a, k * ld), v_load(AT(pivot, k)), AT(a, c * ld), ld, last - c);
            }
            for (int64_t k = c; k < last && k < steps; k++) {
                const vec p = pivot_column(m, k, AT(a, k * ld), &info);
                v_store(AT(pivot, k), p);
                eliminate_block(m, k, AT(a, k * ld), p, AT(a, (k + 1) * ld), ld, last - k - 1);
            }
        }
        for (int64_t k = 1; settle && k < steps; k++) {
            exchange_columns(m, k, v_load(AT(pivot, k)), a, ld, k);
        }
        v_store((real *)infos + l, info);
    }
}

static void exchange(int64_t n, int64_t r, int64_t k, const void *pivots, void *right, int64_t ld, bool back)
{
    EACH_PART(l) {
        const real *pivot = (const real *)pivots + l;
        for (int64_t s = 0; s < k; s++) {
            const int64_t step = back ? k - 1 - s : s;
            exchange_columns(n, step, v_load(AT(pivot, step)), (real *)right + l, ld, r);
        }
    }
}
