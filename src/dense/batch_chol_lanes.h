/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of dense/batch_chol.h over the lanes of one instruction set. Included by batch_chol_*.c, which define W_LANES_TABLE
 * and W_LANES_NAME. */
#include "dense/batch_chol.h"
#include "dense/lanes.h"
#include "dense/batch_rows_lanes.h"

/* I x J entries of R from row k and column j, j >= k + I - 1 or I = 1, less what the rows above k explain. */
#define ABOVE(NAME, I, J)                                                                                                       \
    LANES_INLINE void NAME(const double *r, int64_t k, int64_t j, int l, vec sum[I][J])                                         \
    {                                                                                                                           \
        for (int a = 0; a < I; a++)                                                                                             \
            for (int b = 0; b < J; b++)                                                                                         \
                sum[a][b] = lanes_load(AT(r, w_packed(j + b) + k + a, l));                                                      \
        for (int64_t m = 0; m < k; m++) {                                                                                       \
            vec left[I], right[J];                                                                                              \
            for (int a = 0; a < I; a++)                                                                                         \
                left[a] = lanes_load(AT(r, w_packed(k + a) + m, l));                                                            \
            for (int b = 0; b < J; b++)                                                                                         \
                right[b] = lanes_negate(lanes_load(AT(r, w_packed(j + b) + m, l)));                                             \
            for (int a = 0; a < I; a++)                                                                                         \
                for (int b = 0; b < J; b++)                                                                                     \
                    sum[a][b] = lanes_fma(left[a], right[b], sum[a][b]);                                                        \
        }                                                                                                                       \
    }                                                                                                                           \
    /* … then of the rows of the block itself, whose corner is done. */                                                         \
    LANES_INLINE void NAME##_row(double *r, int64_t k, int64_t j, int l, const vec *inverse)                                    \
    {                                                                                                                           \
        vec sum[I][J];                                                                                                          \
        NAME(r, k, j, l, sum);                                                                                                  \
        for (int a = 0; a < I; a++)                                                                                             \
            for (int b = 0; b < J; b++) {                                                                                       \
                sum[a][b] = sum[a][b] * inverse[a];                                                                             \
                lanes_store(AT(r, w_packed(j + b) + k + a, l), sum[a][b]);                                                      \
                for (int i = a + 1; i < I; i++)                                                                                 \
                    sum[i][b] = lanes_fma(lanes_load(AT(r, w_packed(k + i) + k + a, l)), lanes_negate(sum[a][b]), sum[i][b]);   \
            }                                                                                                                   \
    }
ABOVE(above_4_4, 4, 4)
ABOVE(above_4_1, 4, 1)
#undef ABOVE

/* One entry less what all rows above it explain. */
LANES_INLINE vec above_one(const double *r, int64_t i, int64_t j, int l)
{
    vec sum = lanes_load(AT(r, w_packed(j) + i, l));
    for (int64_t m = 0; m < i; m++) {
        sum = lanes_fma(lanes_load(AT(r, w_packed(i) + m, l)), lanes_negate(lanes_load(AT(r, w_packed(j) + m, l))), sum);
    }
    return sum;
}

/* R_kk from what is left of its square. */
LANES_INLINE vec put_pivot(double *r, int64_t k, int l, vec square, vec *least)
{
    mask sound = lanes_lt(lanes_set(0.0), square);
    *least = lanes_select(lanes_lt(*least, square), *least, square); /* NaN stays in its lane: see factor */
    vec root = lanes_sqrt(lanes_select(sound, square, lanes_set(NAN)));
    lanes_store(AT(r, w_packed(k) + k, l), root);
    return lanes_set(1.0) / root;
}

/* The corner of rows and columns k … k + 3; what the tile holds below the diagonal is of no use. */
LANES_INLINE void factor_corner(double *r, int64_t k, int l, vec *inverse, vec *least)
{
    vec sum[4][4];
    above_4_4(r, k, k, l, sum);
    for (int a = 0; a < 4; a++) {
        inverse[a] = put_pivot(r, k + a, l, sum[a][a], least);
        for (int b = a + 1; b < 4; b++) {
            sum[a][b] = sum[a][b] * inverse[a];
            lanes_store(AT(r, w_packed(k + b) + k + a, l), sum[a][b]);
        }
        for (int b = a + 1; b < 4; b++)
            for (int i = a + 1; i <= b; i++)
                sum[i][b] = lanes_fma(sum[a][i], lanes_negate(sum[a][b]), sum[i][b]);
    }
}

/* The last corner, of less than four rows. */
LANES_INLINE void factor_rest(int64_t p, double *r, int64_t k, int l, vec *least)
{
    vec inverse[3];
    for (int b = 0; k + b < p; b++) {
        for (int a = 0; a < b; a++) {
            lanes_store(AT(r, w_packed(k + b) + k + a, l), above_one(r, k + a, k + b, l) * inverse[a]);
        }
        inverse[b] = put_pivot(r, k + b, l, above_one(r, k + b, k + b, l), least);
    }
}

/* Four rows at a time from the rows above them, so that an entry is read and written once: R_kk, the rest of row k. Each entry loses
 * what rows 0, 1, 2, … explain in this order. */
static void factor(int64_t p, const double *a, const double *s, double *r, double *scale, double *pivot)
{
    EACH_PART(l) {
        vec least = lanes_set(1.0);
        for (int64_t j = 0; j < p; j++) {
            const int64_t d = w_packed(j) + j;
            lanes_store(AT(scale, j, l), lanes_set(1.0) / lanes_sqrt(lanes_load(AT(a, d, l)) + lanes_set(s[d])));
        }
        for (int64_t j = 0, e = 0; j < p; j++) {
            for (int64_t i = 0; i <= j; i++, e++) {
                vec h = lanes_load(AT(a, e, l)) + lanes_set(s[e]);
                lanes_store(AT(r, e, l), h * (lanes_load(AT(scale, i, l)) * lanes_load(AT(scale, j, l))));
            }
        }
        int64_t k = 0;
        for (; k + 4 <= p; k += 4) {
            vec inverse[4];
            factor_corner(r, k, l, inverse, &least);
            int64_t j = k + 4;
            for (; j + 4 <= p; j += 4) {
                above_4_4_row(r, k, j, l, inverse);
            }
            for (; j < p; j++) {
                above_4_1_row(r, k, j, l, inverse);
            }
        }
        factor_rest(p, r, k, l, &least);
        /* A failed pivot has made NaN of every later one, so the last tells. */
        vec last = lanes_load(AT(r, w_packed(p) - 1, l));
        lanes_store(pivot + l, lanes_select(lanes_eq(last, last), least, lanes_set(NAN)));
    }
}

static void solve(int64_t p, const double *r, const double *scale, const double *b, double *x)
{
    EACH_PART(l) {
        for (int64_t i = 0; i < p; i++) { /* R'y = D b */
            vec sum = lanes_load(AT(b, i, l)) * lanes_load(AT(scale, i, l));
            for (int64_t k = 0; k < i; k++) {
                sum = lanes_fma(lanes_negate(lanes_load(AT(r, w_packed(i) + k, l))), lanes_load(AT(x, k, l)), sum);
            }
            lanes_store(AT(x, i, l), sum / lanes_load(AT(r, w_packed(i) + i, l)));
        }
        for (int64_t i = p - 1; i >= 0; i--) { /* R u = y */
            vec value = lanes_load(AT(x, i, l)) / lanes_load(AT(r, w_packed(i) + i, l));
            lanes_store(AT(x, i, l), value);
            value = lanes_negate(value);
            for (int64_t k = 0; k < i; k++) {
                lanes_store(AT(x, k, l), lanes_fma(lanes_load(AT(r, w_packed(i) + k, l)), value, lanes_load(AT(x, k, l))));
            }
        }
        for (int64_t i = 0; i < p; i++) {
            lanes_store(AT(x, i, l), lanes_load(AT(x, i, l)) * lanes_load(AT(scale, i, l)));
        }
    }
}

/* Rows first … j - 1 of column j of W = R^-1, one by one: -W_ii.. (R_.j) / R_jj. */
LANES_INLINE void invert_column(const double *r, double *w, int64_t first, int64_t j, int l, vec head)
{
    for (int64_t i = first; i < j; i++) {
        vec sum = lanes_set(0.0);
        for (int64_t k = i; k < j; k++) {
            sum = lanes_fma(lanes_load(AT(w, w_packed(k) + i, l)), lanes_load(AT(r, w_packed(j) + k, l)), sum);
        }
        lanes_store(AT(w, w_packed(j) + i, l), sum * head);
    }
}

/* sum[a][b] += W_i+a,k R_k,j+b for a < rows, the order of k being that of invert_column. */
LANES_INLINE void invert_step(const double *r, const double *w, int64_t i, int64_t j, int64_t k, int rows, int l, vec sum[4][4])
{
    vec left[4], right[4];
    for (int b = 0; b < 4; b++)
        right[b] = lanes_load(AT(r, w_packed(j + b) + k, l));
    for (int a = 0; a < rows; a++)
        left[a] = lanes_load(AT(w, w_packed(k) + i + a, l));
    for (int a = 0; a < rows; a++)
        for (int b = 0; b < 4; b++)
            sum[a][b] = lanes_fma(left[a], right[b], sum[a][b]);
}

/* Rows i … i + 3 of columns j … j + 3 of W, i + 3 < j. */
LANES_INLINE void invert_tile(const double *r, double *w, int64_t i, int64_t j, int l, const vec *head)
{
    vec sum[4][4];
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++)
            sum[a][b] = lanes_set(0.0);
    invert_step(r, w, i, j, i, 1, l, sum);
    invert_step(r, w, i, j, i + 1, 2, l, sum);
    invert_step(r, w, i, j, i + 2, 3, l, sum);
    for (int64_t k = i + 3; k < j; k++)
        invert_step(r, w, i, j, k, 4, l, sum);
    for (int b = 0; b < 4; b++)
        for (int a = 0; a < 4; a++) {
            vec value = sum[a][b] * head[b];
            lanes_store(AT(w, w_packed(j + b) + i + a, l), value);
            for (int c = b + 1; c < 4; c++)
                sum[a][c] = lanes_fma(value, lanes_load(AT(r, w_packed(j + c) + j + b, l)), sum[a][c]);
        }
}

/* sum[a][b] += W_i+a,k W_j+b,k for b < columns. */
LANES_INLINE void square_step(const double *w, int64_t i, int64_t j, int64_t k, int columns, int l, vec sum[4][4])
{
    vec left[4], right[4];
    for (int a = 0; a < 4; a++)
        left[a] = lanes_load(AT(w, w_packed(k) + i + a, l));
    for (int b = 0; b < columns; b++)
        right[b] = lanes_load(AT(w, w_packed(k) + j + b, l));
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < columns; b++)
            sum[a][b] = lanes_fma(left[a], right[b], sum[a][b]);
}

LANES_INLINE void put_square(const double *scale, int64_t i, int64_t j, int l, vec sum, double *out)
{
    lanes_store(AT(out, w_packed(j) + i, l), sum * (lanes_load(AT(scale, i, l)) * lanes_load(AT(scale, j, l))));
}

/* Entries of D W W' D in rows i … i + 3 and columns j … j + 3, i <= j; of i = j those above the diagonal. */
LANES_INLINE void square_tile(int64_t p, const double *w, const double *scale, int64_t i, int64_t j, int l, double *out)
{
    vec sum[4][4];
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++)
            sum[a][b] = lanes_set(0.0);
    square_step(w, i, j, j, 1, l, sum);
    square_step(w, i, j, j + 1, 2, l, sum);
    square_step(w, i, j, j + 2, 3, l, sum);
    for (int64_t k = j + 3; k < p; k++)
        square_step(w, i, j, k, 4, l, sum);
    for (int a = 0; a < 4; a++)
        for (int b = i < j ? 0 : a; b < 4; b++)
            put_square(scale, i + a, j + b, l, sum[a][b], out);
}

/* W = R^-1 (upper), then W W', four rows by four columns at a time. */
static void inverse(int64_t p, const double *r, const double *scale, double *out, double *w)
{
    const int64_t whole = p / 4 * 4;
    EACH_PART(l) {
        for (int64_t j = 0; j < p; j += 4) {
            vec head[4];
            for (int b = 0; b < 4 && j + b < p; b++) {
                head[b] = lanes_set(1.0) / lanes_load(AT(r, w_packed(j + b) + j + b, l));
                lanes_store(AT(w, w_packed(j + b) + j + b, l), head[b]);
                head[b] = lanes_negate(head[b]);
                invert_column(r, w, j < whole ? j : 0, j + b, l, head[b]);
            }
            for (int64_t i = 0; j < whole && i < j; i += 4) {
                invert_tile(r, w, i, j, l, head);
            }
        }
        for (int64_t j = 0; j < whole; j += 4) {
            for (int64_t i = 0; i <= j; i += 4) {
                square_tile(p, w, scale, i, j, l, out);
            }
        }
        for (int64_t j = whole; j < p; j++) {
            for (int64_t i = 0; i <= j; i++) {
                vec sum = lanes_set(0.0);
                for (int64_t k = j; k < p; k++) {
                    sum = lanes_fma(lanes_load(AT(w, w_packed(k) + i, l)), lanes_load(AT(w, w_packed(k) + j, l)), sum);
                }
                put_square(scale, i, j, l, sum, out);
            }
        }
    }
}

LANES_INLINE int64_t entry(int64_t i, int64_t j) { return i <= j ? w_packed(j) + i : w_packed(i) + j; }

static void times(int64_t p, const double *m, const double *x, double *out)
{
    EACH_PART(l) {
        for (int64_t i = 0; i < p; i++) {
            vec sum = lanes_set(0.0);
            for (int64_t j = 0; j < p; j++) {
                sum = lanes_fma(lanes_load(AT(m, entry(i, j), l)), lanes_load(AT(x, j, l)), sum);
            }
            lanes_store(AT(out, i, l), sum);
        }
    }
}

static void times_shared(int64_t p, const double *s, const double *x, double *out)
{
    EACH_PART(l) {
        for (int64_t i = 0; i < p; i++) {
            vec sum = lanes_set(0.0);
            for (int64_t j = 0; j < p; j++) {
                const double weight = s[entry(i, j)];
                if (weight != 0) {
                    sum = lanes_fma(lanes_set(weight), lanes_load(AT(x, j, l)), sum);
                }
            }
            lanes_store(AT(out, i, l), sum);
        }
    }
}

static void dot(int64_t p, const double *x, const double *y, double *out)
{
    EACH_PART(l) {
        vec sum = lanes_set(0.0);
        for (int64_t i = 0; i < p; i++) {
            sum = lanes_fma(lanes_load(AT(x, i, l)), lanes_load(AT(y, i, l)), sum);
        }
        lanes_store(out + l, sum);
    }
}

static void trace_shared(int64_t p, const double *m, const double *s, double *out)
{
    EACH_PART(l) {
        vec sum = lanes_set(0.0);
        for (int64_t j = 0, e = 0; j < p; j++) {
            for (int64_t i = 0; i <= j; i++, e++) {
                const double weight = i < j ? 2 * s[e] : s[e];
                if (weight != 0) {
                    sum = lanes_fma(lanes_set(weight), lanes_load(AT(m, e, l)), sum);
                }
            }
        }
        lanes_store(out + l, sum);
    }
}

/* Column j of S M first, then M times it. */
static void sandwich(int64_t p, const double *m, const double *s, double *out, double *work)
{
    EACH_PART(l) {
        for (int64_t j = 0; j < p; j++) {
            for (int64_t i = 0; i < p; i++) {
                vec sum = lanes_set(0.0);
                for (int64_t k = 0; k < p; k++) {
                    const double weight = s[entry(i, k)];
                    if (weight != 0) {
                        sum = lanes_fma(lanes_set(weight), lanes_load(AT(m, entry(k, j), l)), sum);
                    }
                }
                lanes_store(AT(work, i, l), sum);
            }
            for (int64_t i = 0; i <= j; i++) {
                vec sum = lanes_set(0.0);
                for (int64_t k = 0; k < p; k++) {
                    sum = lanes_fma(lanes_load(AT(m, entry(i, k), l)), lanes_load(AT(work, k, l)), sum);
                }
                lanes_store(AT(out, w_packed(j) + i, l), sum);
            }
        }
    }
}

const w_batch_kernels W_LANES_TABLE = {
    .name = W_LANES_NAME, .gram = gram, .gram_fresh = gram_fresh, .gram_one = gram_one, .interleave = interleave, .deal = deal, .add = add, .add_three = add_three, .rows_times = rows_times,
    .lay_columns = lay_columns,
    .lay_spline = lay_spline, .scatter = scatter, .spread = spread, .factor = factor, .solve = solve,
    .inverse = inverse, .times = times, .times_shared = times_shared, .dot = dot, .trace_shared = trace_shared,
    .sandwich = sandwich,
};
