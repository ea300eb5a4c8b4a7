/* SPDX-License-Identifier: Apache-2.0 */
/* Products, triangular solves and weighted cross-products beside their definition in long double, componentwise:
 * |error| <= c n eps times the same expression in absolute values. Every instruction set, both element types. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "dense/dense.h"
#include "dense/level3.h"

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

static void *numbers(const w_panel *k, int64_t count, uint64_t seed)
{
    void *a = malloc((size_t)(count + 1) * (size_t)k->size);
    w_rng rng;
    w_rng_seed(&rng, seed);
    for (int64_t i = 0; i < count; i++) {
        put(k, a, i, w_rng_normal(&rng));
    }
    return a;
}

static void *copy_of(const w_panel *k, const void *a, int64_t count)
{
    void *b = malloc((size_t)(count + 1) * (size_t)k->size);
    return memcpy(b, a, (size_t)count * (size_t)k->size);
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

/* A: rows x depth and B: columns x depth, each stored by rows or by columns. */
static void check_gemm(weir_ctx *ctx, const w_panel *k, int64_t rows, int64_t columns, int64_t depth, bool a_rows, bool b_rows)
{
    const int64_t ld = rows + 2;
    void *a = numbers(k, rows * depth, 1), *b = numbers(k, columns * depth, 2), *c = numbers(k, ld * columns, 3);
    void *before = copy_of(k, c, ld * columns);
    const w_operand left = { a, a_rows ? depth : 1, a_rows ? 1 : rows }, right = { b, b_rows ? depth : 1, b_rows ? 1 : columns };
    assert_int_equal(w_gemm(ctx, k, rows, columns, depth, -0.5, left, right, c, ld), WEIR_OK);
    for (int64_t q = 0; q < columns; q++) {
        for (int64_t r = 0; r < rows; r++) {
            long double sum = get(k, before, r + q * ld), size = fabsl(sum);
            for (int64_t s = 0; s < depth; s++) {
                const long double product = -0.5L * get(k, a, r * left.row + s * left.depth) *
                                            get(k, b, q * right.row + s * right.depth);
                sum += product;
                size += fabsl(product);
            }
            assert_true(fabsl(sum - get(k, c, r + q * ld)) <= (double)(depth + 4) * epsilon(k) * (double)size);
        }
        for (int64_t r = rows; r < ld; r++) {
            assert_true(get(k, c, r + q * ld) == get(k, before, r + q * ld));
        }
    }
    free(before);
    free(c);
    free(b);
    free(a);
}

static void test_gemm(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    int number = 0;
    for (const w_panel *k; (k = next_panel(&number));) {
        for (int64_t n = 0; n <= 60; n += n < 10 ? 1 : 7) {
            check_gemm(ctx, k, n, 13, 9, n % 2 == 0, n % 3 == 0);
            check_gemm(ctx, k, 11, n, 30, n % 3 == 0, n % 2 == 0);
            check_gemm(ctx, k, 17, 5, n, true, false);
        }
        check_gemm(ctx, k, 145, 150, 147, true, true);
        check_gemm(NULL, k, 30, 600, 20, false, false);
    }
    weir_ctx_destroy(ctx);
}

/* Element (i, j) of op(A), zero outside of its triangle. */
static double triangle_at(const w_panel *k, w_triangular how, const void *a, int64_t lda, int64_t i, int64_t j)
{
    const int64_t r = how.trans ? j : i, c = how.trans ? i : j;
    if (r == c) {
        return how.unit ? 1.0 : get(k, a, r + c * lda);
    }
    return (r < c) == how.upper ? get(k, a, r + c * lda) : 0.0;
}

static void check_trsm(weir_ctx *ctx, const w_panel *k, w_triangular how, int64_t n, int64_t count)
{
    const int64_t lda = n + 1, rows = how.right ? count : n, columns = how.right ? n : count, ldb = rows + 3;
    void *a = numbers(k, lda * n, 4), *b = numbers(k, ldb * columns, 5), *x;
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r < lda; r++) {
            const bool used = r < n && (r == c ? !how.unit : (r < c) == how.upper);
            put(k, a, r + c * lda, !used ? NAN : get(k, a, r + c * lda) / (double)n + (r == c ? 2.0 : 0.0));
        }
    }
    x = copy_of(k, b, ldb * columns);
    assert_int_equal(w_trsm(ctx, k, how, n, a, lda, count, x, ldb), WEIR_OK);
    for (int64_t c = 0; c < columns; c++) {
        for (int64_t r = 0; r < rows; r++) {
            long double sum = 0.0L, size = 0.0L;
            for (int64_t m = 0; m < n; m++) {
                const long double product =
                    how.right ? (long double)get(k, x, r + m * ldb) * triangle_at(k, how, a, lda, m, c)
                              : (long double)triangle_at(k, how, a, lda, r, m) * get(k, x, m + c * ldb);
                sum += product;
                size += fabsl(product);
            }
            assert_true(fabsl(sum - get(k, b, r + c * ldb)) <= (double)(n + 4) * epsilon(k) * (double)size);
        }
        for (int64_t r = rows; r < ldb; r++) {
            assert_true(get(k, x, r + c * ldb) == get(k, b, r + c * ldb));
        }
    }
    free(x);
    free(b);
    free(a);
}

static void test_trsm(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    int number = 0;
    for (const w_panel *k; (k = next_panel(&number));) {
        for (int form = 0; form < 16; form++) {
            const w_triangular how = { form & 1, form & 2, form & 4, form & 8 };
            for (int64_t n = 0; n <= 26; n++) {
                check_trsm(ctx, k, how, n, n % 5);
            }
            check_trsm(ctx, k, how, 70, 49);
            check_trsm(form % 3 ? ctx : NULL, k, how, 145, 25);
        }
        check_trsm(ctx, k, (w_triangular){ .upper = true }, 290, 20);
        check_trsm(ctx, k, (w_triangular){ .right = true }, 290, 20);
        check_trsm(ctx, k, (w_triangular){ .trans = true }, 20, 600);
    }
    weir_ctx_destroy(ctx);
}

/* A right-hand side's bits do not depend on what stands beside it, nor on threads; NaN stays in its own. */
static void test_trsm_alone(void **state)
{
    const w_panel *k = w_panel_best(8);
    const int64_t n = 200, count = 700;
    double *a = numbers(k, n * n, 6), *b = numbers(k, n * count, 7), *all = malloc((size_t)(n * count) * sizeof *all);
    weir_ctx *ctx = test_ctx(state, 3, 0);
    for (int64_t i = 0; i < n * n; i++) {
        a[i] = i % (n + 1) == 0 ? 3.0 : a[i] / (double)n;
    }
    b[5 * n] = NAN;
    memcpy(all, b, (size_t)(n * count) * sizeof *all);
    assert_int_equal(w_trsm(ctx, k, (w_triangular){ .upper = true, .trans = true }, n, a, n, count, all, n), WEIR_OK);
    for (int64_t j = 0; j < count; j += 31) {
        double *x = b + j * n;
        assert_int_equal(w_trsm(NULL, k, (w_triangular){ .upper = true, .trans = true }, n, a, n, 1, x, n), WEIR_OK);
        assert_memory_equal(x, all + j * n, (size_t)n * sizeof *x);
    }
    for (int64_t j = 0; j < count; j++) {
        for (int64_t i = 0; i < n; i++) {
            assert_true(isnan(all[i + j * n]) == (j == 5));
        }
    }
    weir_ctx_destroy(ctx);
    free(all);
    free(b);
    free(a);
}

/* ---- weighted cross-products -------------------------------------------------------------------------------------- */

static void check_syrk(weir_ctx *ctx, const w_panel *k, int64_t n, int64_t p, bool weighted, bool crossed)
{
    const int64_t ldx = p + 3, ldc = p + 1;
    void *x = numbers(k, n * ldx, 8), *w = numbers(k, n, 9), *z = numbers(k, n, 10);
    void *c = numbers(k, p * ldc, 11), *v = numbers(k, p, 12), *c0 = copy_of(k, c, p * ldc), *v0 = copy_of(k, v, p);
    assert_int_equal(w_syrk_weighted(ctx, k, n, p, x, ldx, weighted ? w : NULL, crossed ? z : NULL, c, ldc, crossed ? v : NULL),
                     WEIR_OK);
    for (int64_t q = 0; q <= p; q++) {
        for (int64_t r = 0; r < p; r++) {
            const bool last = q == p, used = last ? crossed : r <= q;
            long double sum = last ? get(k, v0, r) : get(k, c0, r + q * ldc), size = fabsl(sum);
            for (int64_t i = 0; used && i < n; i++) {
                const long double product = (long double)get(k, x, i * ldx + r) * (weighted ? get(k, w, i) : 1.0) *
                                            (last ? get(k, z, i) : get(k, x, i * ldx + q));
                sum += product;
                size += fabsl(product);
            }
            const double got = last ? get(k, v, r) : get(k, c, r + q * ldc);
            assert_true(fabsl(sum - got) <= (used ? 2.0 * (double)(n + 4) * epsilon(k) * (double)size : 0.0));
        }
    }
    free(v0);
    free(c0);
    free(v);
    free(c);
    free(z);
    free(w);
    free(x);
}

static void test_syrk(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    int number = 0;
    for (const w_panel *k; (k = next_panel(&number));) {
        for (int64_t p = 0; p <= 70; p++) {
            check_syrk(ctx, k, 7 + 5 * p, p, p % 3 != 0, p % 2 == 0);
        }
        for (int64_t n = 0; n <= 20; n++) {
            check_syrk(ctx, k, n, 9, true, true);
        }
        check_syrk(ctx, k, 300, 144, true, true);
        check_syrk(ctx, k, 60, 320, true, false);
        check_syrk(ctx, k, 150, 321, true, true);
        check_syrk(ctx, k, 300, 330, false, true);
        check_syrk(ctx, k, 2 * W_SYRK_ROWS + 5, 5, true, true);
    }
    weir_ctx_destroy(ctx);
}

/* Threads do not change bits; the bytes taken are those told. */
static void test_syrk_bits(void **state)
{
    const w_panel *k = w_panel_best(8);
    const int64_t n = 9 * W_SYRK_ROWS + 77, shape[] = { 3, 40, 330 };
    for (int s = 0; s < 3; s++) {
        const int64_t p = shape[s], rows = p > 300 ? 1000 : n;
        double *x = numbers(k, rows * p, 1), *w = numbers(k, rows, 2), *first = NULL;
        for (int threads = 1; threads <= 3; threads++) {
            weir_ctx *ctx = test_ctx(state, threads, 0);
            double *c = calloc((size_t)(p * p + p), sizeof *c);
            w_ledger_reset_peak(ctx);
            const int64_t before = ctx->ledger.in_use;
            assert_int_equal(w_syrk_weighted(ctx, k, rows, p, x, p, w, w, c, p, c + p * p), WEIR_OK);
            assert_true(ctx->ledger.peak - before == w_syrk_bytes(k, rows, p));
            if (first) {
                assert_memory_equal(c, first, (size_t)(p * p + p) * sizeof *c);
                free(c);
            } else {
                first = c;
            }
            weir_ctx_destroy(ctx);
        }
        free(first);
        free(w);
        free(x);
    }
}

static weir_status syrk_fallible(weir_ctx *ctx, void *arg)
{
    const double *x = arg;
    double c[9] = { 0 };
    return w_syrk_weighted(ctx, w_panel_best(8), 10, 3, x, 3, NULL, NULL, c, 3, NULL);
}

static void test_allocations(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    double *x = numbers(w_panel_best(8), 30, 1);
    assert_int_equal(test_each_allocation_fails(ctx, syrk_fallible, x), 1);
    free(x);
    weir_ctx_destroy(ctx);
}

/* Many right-hand sides with a Cholesky factor: the same solution as one by one, and the inverse of odd sizes. */
static void test_solve_and_inverse(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const w_panel *k = w_panel_best(8);
    const int64_t size[] = { 31, 33, 143, 144, 145, 289 };
    for (int s = 0; s < 6; s++) {
        const int64_t n = size[s], count = 11;
        double *x = numbers(k, 2 * n * n, 3), *a = calloc((size_t)(n * n), sizeof *a), *r = calloc((size_t)(n * n), sizeof *r);
        double *b = numbers(k, n * count, 4), *y = copy_of(k, b, n * count), *inverse = malloc((size_t)(n * n) * sizeof *a);
        int64_t failed;
        assert_int_equal(w_syrk_weighted(ctx, k, 2 * n, n, x, n, NULL, NULL, a, n, NULL), WEIR_OK);
        memcpy(r, a, (size_t)(n * n) * sizeof *a);
        w_mirror_upper(n, a);
        assert_int_equal(w_chol_factor(ctx, n, r, &failed), WEIR_OK);
        assert_int_equal(failed, 0);
        assert_int_equal(w_chol_solve_many(ctx, n, r, y, count), WEIR_OK);
        double a_norm = 0.0; /* largest row sum */
        for (int64_t i = 0; i < n; i++) {
            double sum = 0.0;
            for (int64_t m = 0; m < n; m++) {
                sum += fabs(a[m + i * n]);
            }
            a_norm = fmax(a_norm, sum);
        }
        for (int64_t j = 0; j < count; j++) {
            double largest = 0.0;
            for (int64_t i = 0; i < n; i++) {
                largest = fmax(largest, fabs(y[i + j * n]));
            }
            for (int64_t i = 0; i < n; i++) {
                const double error = fabs(w_dot(n, a + i * n, y + j * n) - b[i + j * n]);
                assert_true(error <= 8.0 * (double)n * DBL_EPSILON * (a_norm * largest + fabs(b[i + j * n])));
            }
        }
        assert_int_equal(w_chol_inverse(ctx, n, r, inverse, NULL), WEIR_OK);
        for (int64_t j = 0; j < n; j++) {
            double *e = calloc((size_t)n, sizeof *e), largest = 0.0;
            e[j] = 1.0;
            w_chol_solve(n, r, e, 1);
            for (int64_t i = 0; i < n; i++) {
                largest = fmax(largest, fabs(e[i]));
            }
            for (int64_t i = 0; i < n; i++) {
                assert_true(inverse[i + j * n] == inverse[j + i * n]);
                /* X'X of twice as many rows as columns: condition about 34. */
                assert_true(fabs(inverse[i + j * n] - e[i]) <= 8.0 * (double)n * DBL_EPSILON * 64.0 * largest);
            }
            free(e);
        }
        r[3 * (n + 1)] = 0.0;
        assert_int_equal(w_chol_inverse(ctx, n, r, inverse, NULL), WEIR_E_NUMERIC);
        free(inverse);
        free(y);
        free(b);
        free(r);
        free(a);
        free(x);
    }
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm), cmocka_unit_test(test_trsm), cmocka_unit_test(test_trsm_alone),
        cmocka_unit_test(test_syrk), cmocka_unit_test(test_syrk_bits), cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_solve_and_inverse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
