/* SPDX-License-Identifier: Apache-2.0 */
/* Cholesky on packed panels for every instruction set, both element types, both triangles: componentwise backward error
 * |A - R'R| <= c n eps |R'| |R|, products in long double; what stands outside of the triangle; pivots; NaN; threads. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "dense/chol.h"

static const int64_t edges[] = { 95, 96, 97, 143, 144, 145, 161, 287, 288, 289, 431, 575, 576, 577, 721 };
#define EDGES ((int)(sizeof edges / sizeof edges[0]))

static double get(const w_panel *k, const void *a, int64_t i)
{
    return k->size == 4 ? (double)((const float *)a)[i] : ((const double *)a)[i];
}

static void put(const w_panel *k, void *a, int64_t i, double value)
{
    if (k->size == 4) {
        ((float *)a)[i] = (float)value;
    } else {
        ((double *)a)[i] = value;
    }
}

static double epsilon(const w_panel *k) { return k->size == 4 ? (double)FLT_EPSILON : DBL_EPSILON; }

/* Element (row, column) of the triangle in use, column >= row in the upper and row >= column in the lower one. */
static int64_t place(bool upper, int64_t row, int64_t column, int64_t ld)
{
    return upper ? row + column * ld : column + row * ld;
}

/* A diagonally dominant triangle with graded rows; NaN in the other one and between n and ld. */
static void *triangle(const w_panel *k, bool upper, int64_t n, int64_t ld, uint64_t seed)
{
    void *a = malloc((size_t)(n * ld + 1) * (size_t)k->size);
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int64_t i = 0; i < n * ld; i++) {
        put(k, a, i, NAN);
    }
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r <= c; r++) {
            const double grade = ldexp(1.0, (int)(r % 5) + (int)(c % 5));
            put(k, a, place(upper, r, c, ld), grade * (r == c ? (double)n : w_rng_normal(&rng)));
        }
    }
    return a;
}

static void check_factor(weir_ctx *ctx, const w_panel *k, bool upper, int64_t n)
{
    const int64_t ld = n + 3;
    const size_t bytes = (size_t)(n * ld + 1) * (size_t)k->size;
    void *a = triangle(k, upper, n, ld, 11), *r = malloc(bytes);
    int64_t failed = -1;
    memcpy(r, a, bytes);
    assert_int_equal(w_chol_factor_panels(ctx, k, upper, n, r, ld, &failed), WEIR_OK);
    assert_int_equal(failed, 0);
    for (int64_t c = 0; c < n; c++) {
        for (int64_t row = 0; row <= c; row++) {
            long double sum = 0.0L, size = 0.0L;
            for (int64_t m = 0; m <= row; m++) {
                const long double product =
                    (long double)get(k, r, place(upper, m, row, ld)) * get(k, r, place(upper, m, c, ld));
                sum += product;
                size += fabsl(product);
            }
            const double error = (double)fabsl(sum - (long double)get(k, a, place(upper, row, c, ld)));
            assert_true(error <= 2.0 * (double)(row + 4) * epsilon(k) * (double)size);
        }
        for (int64_t row = c + 1; row < n; row++) {
            assert_true(isnan(get(k, r, place(upper, row, c, ld))));
        }
    }
    free(r);
    free(a);
}

static const w_panel *next_panel(int *number)
{
    while (*number < 6) {
        const w_panel *k = w_panel_find((w_isa)(*number / 2), *number % 2 ? 4 : 8);
        ++*number;
        if (k) {
            return k;
        }
    }
    return NULL;
}

static void test_factor(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    int number = 0;
    for (const w_panel *k; (k = next_panel(&number));) {
        assert_true(k->strip % k->slice == 0 && W_PANEL_TILE % k->strip == 0 && k->strip <= W_PANEL_STRIP_MAX);
        for (int64_t n = 0; n <= 70; n++) {
            check_factor(ctx, k, true, n);
            check_factor(ctx, k, false, n);
        }
        for (int e = 0; e < 7; e++) {
            check_factor(ctx, k, e % 2 == 0, edges[e]);
        }
        check_factor(ctx, k, number % 2 == 0, 289);
    }
    weir_ctx_destroy(ctx);
}

/* The best kernels at every edge; lower and upper have the same bits, and so have one, two and three threads. */
static void test_bits(void **state)
{
    for (int size = 4; size <= 8; size += 4) {
        const w_panel *k = w_panel_best(size);
        for (int e = 0; e < EDGES; e++) {
            const int64_t n = edges[e];
            const size_t bytes = (size_t)(n * n) * (size_t)k->size;
            char *first = NULL;
            for (int threads = 1; threads <= 3; threads++) {
                weir_ctx *ctx = test_ctx(state, threads, 0);
                const bool upper = threads != 2;
                char *a = triangle(k, upper, n, n, 5);
                int64_t failed;
                assert_int_equal(w_chol_factor_panels(ctx, k, upper, n, a, n, &failed), WEIR_OK);
                assert_int_equal(failed, 0);
                for (int64_t c = 0; threads == 2 && c < n; c++) {
                    for (int64_t r = 0; r <= c; r++) {
                        assert_true(get(k, a, place(false, r, c, n)) == get(k, first, place(true, r, c, n)));
                    }
                }
                if (threads == 3) {
                    assert_memory_equal(a, first, bytes);
                }
                if (first) {
                    free(a);
                } else {
                    first = a;
                }
                weir_ctx_destroy(ctx);
            }
            free(first);
        }
    }
}

/* The first bad pivot is named wherever it stands, whether negative, zero, NaN or infinite; nothing hangs. */
static void test_bad_pivots(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const double bad[] = { -1.0, 0.0, NAN, INFINITY };
    const int64_t size[] = { 1, 9, 70, 300 };
    int number = 0;
    for (const w_panel *k; (k = next_panel(&number));) {
        for (int s = 0; s < 4; s++) {
            for (int b = 0; b < 4; b++) {
                const int64_t n = size[s], step = n > 100 ? 41 : 1;
                for (int64_t at = 0; at < n; at += step) {
                    char *a = triangle(k, true, n, n, 3);
                    int64_t failed = 0;
                    put(k, a, at * (n + 1), bad[b]);
                    assert_int_equal(w_chol_factor_panels(ctx, k, true, n, a, n, &failed), WEIR_OK);
                    assert_int_equal(failed, at + 1);
                    free(a);
                }
            }
        }
        /* NaN off the diagonal spoils the pivot of its column. */
        char *a = triangle(k, true, 200, 200, 3);
        int64_t failed = 0;
        put(k, a, 20 + 150 * 200, NAN);
        assert_int_equal(w_chol_factor_panels(ctx, k, true, 200, a, 200, &failed), WEIR_OK);
        assert_int_equal(failed, 151);
        free(a);
    }
    weir_ctx_destroy(ctx);
}

/* Powers of two go through exactly: R scales with 2^k. */
static void test_scale(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const int64_t n = 150;
    const w_panel *k = w_panel_best(8);
    for (int power = -400; power <= 400; power += 200) {
        double *a = triangle(k, true, n, n, 8), *r = triangle(k, true, n, n, 8);
        int64_t failed;
        for (int64_t i = 0; i < n * n; i++) {
            a[i] = ldexp(a[i], 2 * power);
        }
        assert_int_equal(w_chol_factor_panels(ctx, k, true, n, a, n, &failed), WEIR_OK);
        assert_int_equal(failed, 0);
        assert_int_equal(w_chol_factor_panels(ctx, k, true, n, r, n, &failed), WEIR_OK);
        for (int64_t c = 0; c < n; c++) {
            for (int64_t row = 0; row <= c; row++) {
                assert_true(a[row + c * n] == ldexp(r[row + c * n], power));
            }
        }
        free(r);
        free(a);
    }
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_factor), cmocka_unit_test(test_bits), cmocka_unit_test(test_bad_pivots),
        cmocka_unit_test(test_scale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
