/* SPDX-License-Identifier: Apache-2.0 */
/* Cholesky and substitution in every lane, 4 x 4 elements at a time in registers:
 *
 *     A = LL'     l_ij = (a_ij - sum_{k<j} l_ik l_jk) / l_jj,    l_jj = sqrt(a_jj - sum l_jk^2)
 *     T X = B     x_i = (b_i - sum_{k<i} t_ik x_k) / t_ii
 *
 * Sums run over k in order whatever the tile. A column of L is multiplied with 1 / l_jj. |A - LL'| <= c n u |L||L'|,
 * |B - TX| <= c n u |T||X|, componentwise (Higham, 8 and 10). */
#include "dense/batch_kernels.h"
#include "dense/batch_lanes.h"

/* x / d where d is so small or large that 1 / d = inverse is not a good number, x * inverse elsewhere. */
LANES_INLINE vec divided(vec x, vec d, vec inverse)
{
    const vec size = v_abs(d);
    const mask fine = m_and(v_le(v_set(REAL_LEAST), size), v_le(size, v_set(REAL_MOST)));
    const vec quick = x * inverse;
    if (m_any(m_not(fine))) {
        return v_select(fine, quick, x / d);
    }
    return quick;
}

/* e (R x C) -= P Q', P from element (0, 0) of `p` with strides pi, pk, Q likewise, k < depth. */
LANES_INLINE void tile_less(int R, int C, vec e[4][4], int64_t depth, const real *p, int64_t pi, int64_t pk, const real *q, int64_t qi,
                            int64_t qk)
{
    for (int64_t left = depth; left > 0; left--) {
        vec x[4];
        for (int i = 0; i < R; i++) {
            x[i] = v_load(AT(p, i * pi));
        }
        for (int j = 0; j < C; j++) {
            const vec y = v_load(AT(q, j * qi));
            for (int i = 0; i < R; i++) {
                e[i][j] = v_fnma(x[i], y, e[i][j]);
            }
        }
        p = AT(p, pk);
        q = AT(q, qk);
    }
}

/* The factored C x C corner of columns c …: its lower triangle and the inverses of its diagonal. */
typedef struct corner { vec l[4][4], inverse[4]; } corner;

LANES_INLINE void chol_corner(int C, int64_t ld, real *a, int64_t c, corner *d, vec *info)
{
    vec e[4][4];
    real *at = AT(a, c * (ld + 1));
    for (int j = 0; j < C; j++) {
        for (int i = 0; i < C; i++) {
            e[i][j] = v_load(AT(at, i >= j ? j * ld + i : i * ld + j));
        }
    }
    tile_less(C, C, e, c, AT(a, c), 1, ld, AT(a, c), 1, ld);
    for (int j = 0; j < C; j++) {
        const vec none = v_set(0), square = e[j][j];
        const mask sound = m_and(v_lt(none, square), v_lt(square, v_set((real)INFINITY)));
        if (m_any(m_not(sound))) {
            *info = v_select(m_and(m_not(sound), v_eq(*info, none)), v_set((real)(c + j + 1)), *info);
        }
        const vec root = v_sqrt(v_select(sound, square, v_set((real)NAN)));
        d->inverse[j] = v_set(1) / root;
        v_store(AT(at, j * (ld + 1)), root);
        for (int i = j + 1; i < C; i++) {
            e[i][j] = e[i][j] * d->inverse[j];
            d->l[i][j] = e[i][j];
            v_store(AT(at, j * ld + i), e[i][j]);
        }
        for (int t = j + 1; t < C; t++) {
            for (int i = t; i < C; i++) {
                e[i][t] = v_fnma(e[i][j], e[t][j], e[i][t]);
            }
        }
    }
}

LANES_INLINE void chol_below(int R, int C, int64_t ld, real *a, int64_t c, int64_t r, const corner *d)
{
    vec e[4][4];
    real *at = AT(a, c * ld + r);
    for (int j = 0; j < C; j++) {
        for (int i = 0; i < R; i++) {
            e[i][j] = v_load(AT(at, j * ld + i));
        }
    }
    tile_less(R, C, e, c, AT(a, r), 1, ld, AT(a, c), 1, ld);
    for (int j = 0; j < C; j++) {
        for (int i = 0; i < R; i++) {
            e[i][j] = e[i][j] * d->inverse[j];
            v_store(AT(at, j * ld + i), e[i][j]);
        }
        for (int t = j + 1; t < C; t++) {
            for (int i = 0; i < R; i++) {
                e[i][t] = v_fnma(e[i][j], d->l[t][j], e[i][t]);
            }
        }
    }
}

static void chol(int64_t n, void *matrix, int64_t ld, void *infos)
{
    EACH_PART(l) {
        real *a = (real *)matrix + l;
        vec info = v_set(0);
        corner d;
        const int64_t whole_tiles = n & ~(int64_t)3;
        for (int64_t c = 0; c < whole_tiles; c += 4) {
            chol_corner(4, ld, a, c, &d, &info);
            for (int64_t r = c + 4; r < whole_tiles; r += 4) {
                chol_below(4, 4, ld, a, c, r, &d);
            }
            for (int64_t r = whole_tiles; r < n; r++) {
                chol_below(1, 4, ld, a, c, r, &d);
            }
        }
        for (int64_t c = whole_tiles; c < n; c++) {
            chol_corner(1, ld, a, c, &d, &info);
            for (int64_t r = c + 1; r < n; r++) {
                chol_below(1, 1, ld, a, c, r, &d);
            }
        }
        v_store((real *)infos + l, info);
    }
}

typedef struct triangle {
    const real *t;
    int64_t ti, tj;
    bool unit;
} triangle;

/* Rows i …, R of them, of C columns of X. */
LANES_INLINE void substitute(int R, int C, const triangle *s, int64_t row, real *b, int64_t bi, int64_t bj)
{
    vec e[4][4];
    for (int j = 0; j < C; j++) {
        for (int i = 0; i < R; i++) {
            e[i][j] = v_load(AT(b, (row + i) * bi + j * bj));
        }
    }
    tile_less(R, C, e, row, AT(s->t, row * s->ti), s->ti, s->tj, b, bj, bi);
    for (int i = 0; i < R; i++) {
        const real *t = AT(s->t, (row + i) * s->ti + row * s->tj);
        for (int k = 0; k < i; k++) {
            const vec y = v_load(AT(t, k * s->tj));
            for (int j = 0; j < C; j++) {
                e[i][j] = v_fnma(y, e[k][j], e[i][j]);
            }
        }
        if (!s->unit) {
            const vec d = v_load(AT(t, i * s->tj)), inverse = v_set(1) / d;
            for (int j = 0; j < C; j++) {
                e[i][j] = divided(e[i][j], d, inverse);
            }
        }
        for (int j = 0; j < C; j++) {
            v_store(AT(b, (row + i) * bi + j * bj), e[i][j]);
        }
    }
}

LANES_INLINE void substitute_all(int C, int64_t n, const triangle *s, real *b, int64_t bi, int64_t bj)
{
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        substitute(4, C, s, i, b, bi, bj);
    }
    for (; i < n; i++) {
        substitute(1, C, s, i, b, bi, bj);
    }
}

static void trsm(int64_t n, int64_t r, const void *matrix, int64_t ti, int64_t tj, bool unit, void *right, int64_t bi, int64_t bj)
{
    EACH_PART(l) {
        const triangle s = { (const real *)matrix + l, ti, tj, unit };
        real *b = (real *)right + l;
        int64_t j = 0;
        for (; j + 4 <= r; j += 4) {
            substitute_all(4, n, &s, AT(b, j * bj), bi, bj);
        }
        for (; j < r; j++) {
            substitute_all(1, n, &s, AT(b, j * bj), bi, bj);
        }
    }
}

/* e (R x C) of A'B, sums in order. */
LANES_INLINE void product_tile(int R, int C, int64_t ld, int64_t k, const real *a, const real *b, real *c)
{
    vec e[4][4];
    for (int i = 0; i < R; i++) {
        for (int j = 0; j < C; j++) {
            e[i][j] = v_set(0);
        }
    }
    for (int64_t t = 0; t < k; t++) {
        vec x[4];
        for (int i = 0; i < R; i++) {
            x[i] = v_load(AT(a, i * k + t));
        }
        for (int j = 0; j < C; j++) {
            const vec y = v_load(AT(b, j * k + t));
            for (int i = 0; i < R; i++) {
                e[i][j] = v_fma(x[i], y, e[i][j]);
            }
        }
    }
    for (int i = 0; i < R; i++) {
        for (int j = 0; j < C; j++) {
            v_store(AT(c, j * ld + i), e[i][j]);
        }
    }
}

static void product(int64_t m, int64_t n, int64_t k, const void *left, const void *right, void *result, int64_t ld)
{
    EACH_PART(l) {
        const real *a = (const real *)left + l, *b = (const real *)right + l;
        real *c = (real *)result + l;
        int64_t j = 0;
        for (; j + 4 <= n; j += 4) {
            int64_t i = 0;
            for (; i + 4 <= m; i += 4) {
                product_tile(4, 4, ld, k, AT(a, i * k), AT(b, j * k), AT(c, j * ld + i));
            }
            for (; i < m; i++) {
                product_tile(1, 4, ld, k, AT(a, i * k), AT(b, j * k), AT(c, j * ld + i));
            }
        }
        for (; j < n; j++) {
            for (int64_t i = 0; i < m; i++) {
                product_tile(1, 1, ld, k, AT(a, i * k), AT(b, j * k), AT(c, j * ld + i));
            }
        }
    }
}
