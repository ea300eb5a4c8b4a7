/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel gives the same bits on every instruction set, and each lane the bits it has alone. */
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "dense/batch_kernels.h"

enum { GROUPS = 12, PIECES = 19 };
static const char *const sets[] = { "avx2", "neon", "avx512" };

/* All that the kernels make of one group of m x n matrices and what follows from them, piece after piece. */
typedef struct results {
    void *piece[PIECES];
    int64_t bytes[PIECES];
} results;

static void *piece(results *r, int i, int64_t elements)
{
    r->bytes[i] = (elements > 0 ? elements : 1) * W_GROUP_BYTES;
    r->piece[i] = aligned_alloc(W_GROUP_BYTES, (size_t)r->bytes[i]);
    memset(r->piece[i], 0, (size_t)r->bytes[i]);
    return r->piece[i];
}

static void drop(results *r)
{
    for (int i = 0; i < PIECES; i++) {
        free(r->piece[i]);
    }
}

static results run(const w_batched *k, int64_t m, int64_t n, const w_lane_views *from, const void *definite)
{
    results r = { { 0 }, { 0 } };
    const int64_t least = m < n ? m : n, even = w_batched_even(n), ld = w_batched_lead(even);
    void *a = piece(&r, 0, m * n), *tau = piece(&r, 1, least), *gram = piece(&r, 2, (least + 1) / 2), *q = piece(&r, 3, m * m);
    k->gather(from, a, 1, m);
    k->qr(m, n, a, m, tau, gram);
    k->qr_form(m, least, a, m, tau, gram, q, m, m);
    void *c = piece(&r, 4, m * 5);
    memcpy(c, q, (size_t)(m * (m < 5 ? m : 5)) * W_GROUP_BYTES);
    k->qr_apply(false, m, least, a, m, tau, gram, c, m, 5);
    void *l = piece(&r, 5, n * n), *info = piece(&r, 6, 2);
    memcpy(l, definite, (size_t)(n * n) * W_GROUP_BYTES);
    k->chol(n, l, n, info);
    void *x = piece(&r, 7, n * 3);
    memcpy(x, definite, (size_t)(n * (n < 3 ? n : 3)) * W_GROUP_BYTES);
    k->trsm(n, 3, l, 1, n, false, x, 1, n);
    void *lu = piece(&r, 8, m * (n + 2)), *pivot = piece(&r, 9, least);
    k->gather(from, lu, 1, m);
    k->lu(m, n, 2, lu, m, pivot, (char *)info + W_GROUP_BYTES, true);
    k->exchange(m, 5, least, pivot, c, m, false);
    void *e = aligned_alloc(W_GROUP_BYTES, (size_t)(even * ld + 1) * W_GROUP_BYTES);
    void *work = aligned_alloc(W_GROUP_BYTES, (size_t)(w_batched_eigh_work(n) + 1) * W_GROUP_BYTES);
    for (int64_t j = 0; j < n; j++) {
        memcpy((char *)e + j * ld * W_GROUP_BYTES, (const char *)definite + j * n * W_GROUP_BYTES, (size_t)n * W_GROUP_BYTES);
    }
    k->eigh(n, e, piece(&r, 10, n), piece(&r, 11, n * n), n, work, piece(&r, 12, 1));
    k->product(n, n, m, a, a, piece(&r, 13, n * n), n);
    k->norms(m, n, lu, m, piece(&r, 14, n));
    free(e), free(work);
    const bool wide = m < n;
    const int64_t high = wide ? n : m, low = wide ? m : n;
    void *tall = aligned_alloc(W_GROUP_BYTES, (size_t)(m * n) * W_GROUP_BYTES);
    work = aligned_alloc(W_GROUP_BYTES, (size_t)w_batched_svd_work(low) * W_GROUP_BYTES);
    k->gather(from, tall, wide ? high : 1, wide ? 1 : high);
    k->svd(high, low, tall, high, piece(&r, 15, low), piece(&r, 16, high * low), high, piece(&r, 17, low * low), low, work,
           piece(&r, 18, 1));
    free(tall), free(work);
    return r;
}

static void put(int size, void *at, int64_t i, double value)
{
    if (size == 4) {
        ((float *)at)[i] = (float)value;
    } else {
        ((double *)at)[i] = value;
    }
}

/* Matrices of many scales; one lane not finite where `spoilt`. */
static void make(int size, int64_t m, int64_t n, uint64_t seed, int spoilt, void *values, void *definite)
{
    const int lanes = W_GROUP_BYTES / size;
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int l = 0; l < lanes; l++) {
        const int power = l % 4 == 1 ? (size == 4 ? -110 : -900) : l % 4 == 2 ? (size == 4 ? 100 : 900) : l % 8 == 3 ? (size == 4 ? -140 : -1060) : 0;
        for (int64_t e = 0; e < m * n; e++) {
            const double x = w_rng_normal(&rng);
            put(size, values, l * m * n + e, l == spoilt && e == m * n / 2 ? (double)NAN : ldexp(x, power));
        }
        for (int64_t j = 0; j < n; j++) {
            for (int64_t i = j; i < n; i++) {
                const double x = w_rng_normal(&rng) + (i == j ? (double)(3 * n) : 0);
                put(size, definite, (j * n + i) * lanes + l, l == spoilt && i == n - 1 ? (double)INFINITY : ldexp(x, power / 2));
                put(size, definite, (i * n + j) * lanes + l, l == spoilt && i == n - 1 ? (double)INFINITY : ldexp(x, power / 2));
            }
        }
    }
}

static const int64_t shapes[GROUPS][2] = { { 1, 1 }, { 2, 3 }, { 5, 5 }, { 8, 8 }, { 9, 4 }, { 4, 11 }, { 13, 13 }, { 16, 16 }, { 17, 9 },
                                           { 24, 24 }, { 33, 33 }, { 21, 35 } };

static void lanes_of(w_lane_views *v, int size, void *values, int64_t m, int64_t n, int count)
{
    *v = (w_lane_views){ .count = count, .rows = m, .cols = n, .row_stride = n, .col_stride = 1, .part = W_TRIANGLE_FULL };
    for (int l = 0; l < count; l++) {
        v->lane[l] = (char *)values + l * m * n * size;
    }
}

/* NaN bits differ with the order of operands: all NaN are the same here. */
static void expect_same(int size, const results *x, const results *y, int except)
{
    const int lanes = W_GROUP_BYTES / size;
    for (int i = 0; i < PIECES; i++) {
        for (int64_t e = 0; e < x->bytes[i] / size; e++) {
            if (e % lanes == except) {
                continue;
            }
            const char *left = (const char *)x->piece[i] + e * size, *right = (const char *)y->piece[i] + e * size;
            if (memcmp(left, right, (size_t)size) != 0) {
                const double a = size == 4 ? (double)*(const float *)(const void *)left : *(const double *)(const void *)left;
                const double b = size == 4 ? (double)*(const float *)(const void *)right : *(const double *)(const void *)right;
                if (!(isnan(a) && isnan(b))) {
                    fail_msg("piece %d, element %lld: %.17g and %.17g", i, (long long)e, a, b);
                }
            }
        }
    }
}

static void test_instruction_sets(void **state)
{
    (void)state;
    for (int size = 4; size <= 8; size += 4) {
        const w_batched *plain = w_batched_find("portable", size);
        for (int s = 0; s < GROUPS; s++) {
            const int64_t m = shapes[s][0], n = shapes[s][1];
            void *values = aligned_alloc(W_GROUP_BYTES, (size_t)(m * n) * W_GROUP_BYTES);
            void *definite = aligned_alloc(W_GROUP_BYTES, (size_t)(n * n) * W_GROUP_BYTES);
            w_lane_views v;
            make(size, m, n, 1, 2, values, definite);
            lanes_of(&v, size, values, m, n, W_GROUP_BYTES / size);
            results due = run(plain, m, n, &v, definite);
            for (int i = 0; i < 3; i++) {
                const w_batched *k = w_batched_find(sets[i], size);
                if (k) {
                    results got = run(k, m, n, &v, definite);
                    expect_same(size, &due, &got, -1);
                    drop(&got);
                }
            }
            drop(&due);
            free(values), free(definite);
        }
    }
}

/* A lane of NaN and infinity leaves the bits of all others; so does what the others are for one. */
static void test_isolation(void **state)
{
    (void)state;
    for (int size = 4; size <= 8; size += 4) {
        const w_batched *k = w_batched_choose(size);
        for (int s = 0; s < GROUPS; s++) {
            const int64_t m = shapes[s][0], n = shapes[s][1];
            const int lanes = W_GROUP_BYTES / size;
            void *values[2], *definite[2];
            w_lane_views v[2];
            results r[2];
            for (int t = 0; t < 2; t++) {
                values[t] = aligned_alloc(W_GROUP_BYTES, (size_t)(m * n) * W_GROUP_BYTES);
                definite[t] = aligned_alloc(W_GROUP_BYTES, (size_t)(n * n) * W_GROUP_BYTES);
                make(size, m, n, 7, t ? s % lanes : -1, values[t], definite[t]);
                lanes_of(&v[t], size, values[t], m, n, lanes);
                r[t] = run(k, m, n, &v[t], definite[t]);
            }
            expect_same(size, &r[0], &r[1], s % lanes);
            for (int t = 0; t < 2; t++) {
                drop(&r[t]);
                free(values[t]), free(definite[t]);
            }
        }
    }
}

/* Gathering and scattering: every stride, triangle and number of lanes, nothing else touched. */
static void test_gather(void **state)
{
    (void)state;
    static const char *const all[] = { "portable", "avx2", "neon", "avx512" };
    for (int i = 0; i < 8; i++) {
        const int size = i % 2 ? 4 : 8, lanes = W_GROUP_BYTES / size;
        const w_batched *k = w_batched_find(all[i / 2], size);
        for (int64_t c = 0; k && c < 3 * 20 * 3 * 3; c++) {
            const int64_t rows = 1 + c % 20, cols = c / 20 % 3 == 0 ? rows : 3 + c / 20 % 3 * 15, way = c / 60 % 3;
            const int64_t span = (2 * cols + 1) * rows + 9, each = c % 7 ? span : (span + 1023) / 1024 * 1024; /* lanes share cache sets */
            const w_triangle part = (w_triangle)(c / 180 % 3);
            const int count = 1 + (int)(c % lanes);
            unsigned char *from = malloc((size_t)(each * lanes * size)), *to = malloc((size_t)(each * lanes * size));
            void *group = aligned_alloc(W_GROUP_BYTES, (size_t)(rows * cols) * W_GROUP_BYTES);
            for (int64_t e = 0; e < each * lanes; e++) {
                put(size, from, e, (double)(e + 1));
                put(size, to, e, -1);
            }
            w_lane_views v = { .count = count, .rows = rows, .cols = cols, .part = part };
            v.row_stride = way == 0 ? cols : way == 1 ? 1 : 2 * cols + 1;
            v.col_stride = way == 0 ? 1 : way == 1 ? rows : 2;
            for (int l = 0; l < count; l++) {
                v.lane[l] = from + l * each * size;
            }
            memset(group, 0xff, (size_t)(rows * cols) * W_GROUP_BYTES);
            k->gather(&v, group, cols, 1);
            for (int l = 0; l < count; l++) {
                v.lane[l] = to + l * each * size;
            }
            k->scatter(&v, group, cols, 1);
            int64_t moved = 0;
            for (int64_t e = 0; e < rows * cols * count; e++) {
                const int64_t row = e / cols % rows, col = e % cols, l = e / (rows * cols);
                const int64_t at = l * each + row * v.row_stride + col * v.col_stride;
                const bool held = part == W_TRIANGLE_FULL || (part == W_TRIANGLE_LOWER ? row >= col : row <= col);
                const double got = size == 4 ? (double)((float *)(void *)to)[at] : ((double *)(void *)to)[at];
                assert_true(got == (held ? (double)(at + 1) : -1.0));
                moved += held;
            }
            for (int64_t e = 0; e < each * lanes; e++) {
                moved -= (size == 4 ? (double)((float *)(void *)to)[e] : ((double *)(void *)to)[e]) != -1;
            }
            assert_int_equal(moved, 0);
            free(from), free(to), free(group);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instruction_sets), cmocka_unit_test(test_isolation), cmocka_unit_test(test_gather),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
