/* SPDX-License-Identifier: Apache-2.0 */
/* LU with partial pivoting on every instruction set and both element types: |PA - LU| <= c n eps |L||U| componentwise, pivots
 * largest, the same bits for either storage order and any number of threads. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "dense/lu.h"

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

typedef enum kind { NORMAL, GRADED_ROWS, GRADED_COLUMNS, LOW_RANK, HILBERT, LARGE, SMALL, TRIANGULAR, ZERO_COLUMN, KINDS } kind;

/* Column-major, ld = m. */
static void fill(const w_panel *k, kind what, int64_t m, int64_t n, uint64_t seed, void *a)
{
    w_rng rng;
    w_rng_seed(&rng, seed);
    const int scale = k->size == 4 ? 120 : 1000, range = k->size == 4 ? 60 : 200;
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r < m; r++) {
            double x = w_rng_normal(&rng);
            switch (what) {
            case GRADED_ROWS: x = ldexp(x, -(int)(range * r / m)); break;
            case GRADED_COLUMNS: x = ldexp(x, -(int)(range * c / n)); break;
            case LOW_RANK: x = (double)((r % 3) + 1) * (double)((c % 2) + 1); break;
            case HILBERT: x = 1.0 / (double)(r + c + 1); break;
            case LARGE: x = ldexp(x, scale); break;
            case SMALL: x = ldexp(x, -scale); break;
            case TRIANGULAR: x = r > c ? 0.0 : x; break;
            case ZERO_COLUMN: x = c == n / 2 ? 0.0 : x; break;
            default: break;
            }
            put(k, a, r + c * m, x);
        }
    }
}

/* Largest |PA - LU| over its bound. */
static double backward_error(const w_panel *k, int64_t m, int64_t n, const void *a, const void *lu, int64_t row, int64_t column,
                             const int64_t *pivot)
{
    const int64_t least = m < n ? m : n;
    int64_t *from = malloc((size_t)(m + 1) * sizeof *from);
    double worst = 0.0;
    for (int64_t i = 0; i < m; i++) {
        from[i] = i;
    }
    for (int64_t i = 0; i < least; i++) {
        const int64_t keep = from[i];
        assert_true(pivot[i] >= i && pivot[i] < m);
        from[i] = from[pivot[i]];
        from[pivot[i]] = keep;
    }
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r < m; r++) {
            const int64_t depth = (r < c ? r : c) + 1 < least ? (r < c ? r : c) + 1 : least;
            long double sum = get(k, a, from[r] + c * m), size = 0.0L;
            for (int64_t p = 0; p < depth; p++) {
                const long double product = (p == r ? 1.0L : get(k, lu, r * row + p * column)) * get(k, lu, p * row + c * column);
                sum -= product;
                size += fabsl(product);
            }
            const double bound = (double)(least + 4) * epsilon(k) * (double)size + 4.0 * (k->size == 4 ? 0x1p-149 : 0x1p-1074);
            worst = fmax(worst, (double)fabsl(sum) / bound);
            if (r > c && c < least) {
                assert_true(fabs(get(k, lu, r * row + c * column)) <= 1.0);
            }
        }
    }
    free(from);
    return worst;
}

/* Both storage orders with gaps that must stay as they are. */
static void check(weir_ctx *ctx, const w_panel *k, kind what, int64_t m, int64_t n)
{
    const int64_t least = m < n ? m : n, ld[2] = { m + 3, n + 2 }, size[2] = { ld[0] * n, ld[1] * m };
    const size_t bytes = (size_t)k->size;
    void *a = malloc((size_t)(m * n + 1) * bytes), *lu[2], *work;
    int64_t *pivot[2], zero[2];
    fill(k, what, m, n, (uint64_t)(m * 1000 + n), a);
    assert_int_equal(posix_memalign(&work, 64, (size_t)w_lu_work_bytes(k, m, n) + 64), 0);
    for (int order = 0; order < 2; order++) {
        const int64_t row = order ? ld[1] : 1, column = order ? 1 : ld[0];
        lu[order] = malloc((size_t)(size[order] + 1) * bytes);
        pivot[order] = malloc((size_t)(least + 1) * sizeof **pivot);
        memset(lu[order], 0xff, (size_t)size[order] * bytes);
        for (int64_t c = 0; c < n; c++) {
            for (int64_t r = 0; r < m; r++) {
                put(k, lu[order], r * row + c * column, get(k, a, r + c * m));
            }
        }
        assert_int_equal(w_lu_factor(ctx, k, m, n, lu[order], row, column, pivot[order], work, &zero[order]), WEIR_OK);
        for (int64_t i = 0; i < size[order]; i++) {
            const int64_t inner = i % ld[order];
            assert_true(inner < (order ? n : m) || isnan(get(k, lu[order], i)));
        }
    }
    if (m * n <= 40000 || m + n == 1190) {
        const double error = backward_error(k, m, n, a, lu[0], 1, ld[0], pivot[0]);
        if (!(error <= 1.0)) {
            fail_msg("%s/%d kind %d, %lld x %lld: %g", k->name, k->size, (int)what, (long long)m, (long long)n, error);
        }
    }
    assert_int_equal(zero[0], zero[1]);
    assert_memory_equal(pivot[0], pivot[1], (size_t)least * sizeof **pivot);
    for (int64_t c = 0; c < n; c++) {
        for (int64_t r = 0; r < m; r++) {
            const double x = get(k, lu[0], r + c * ld[0]), y = get(k, lu[1], r * ld[1] + c);
            assert_memory_equal(&x, &y, sizeof x);
        }
    }
    if (what == ZERO_COLUMN && n / 2 < least && m >= n) {
        assert_int_equal(zero[0], n / 2 + 1);
    } else if (what == NORMAL) {
        assert_int_equal(zero[0], 0);
    }
    for (int order = 0; order < 2; order++) {
        free(lu[order]);
        free(pivot[order]);
    }
    free(work);
    free(a);
}

static void test_shapes(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    int number = 0;
    for (const w_panel *k; (k = next_panel(&number));) {
        for (int64_t n = 0; n <= 70; n++) {
            check(n % 2 ? ctx : NULL, k, NORMAL, n, n);
            check(ctx, k, NORMAL, n + 1 + n % 7, n);
            check(ctx, k, NORMAL, n, n + 1 + n % 5);
        }
        for (int64_t n = 143; n <= 145; n++) {
            check(ctx, k, NORMAL, n, n);
            check(ctx, k, NORMAL, n + 40, n);
            check(ctx, k, NORMAL, 20, n);
            check(ctx, k, NORMAL, n, 20);
        }
        check(ctx, k, NORMAL, 300, 290);
    }
    check(ctx, w_panel_best(8), NORMAL, 600, 590);
    check(ctx, w_panel_best(4), NORMAL, 578, 612);
    weir_ctx_destroy(ctx);
}

static void test_kinds(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    int number = 0;
    for (const w_panel *k; (k = next_panel(&number));) {
        for (int what = 0; what < KINDS; what++) {
            check(ctx, k, (kind)what, 1, 1);
            check(ctx, k, (kind)what, 13, 13);
            check(ctx, k, (kind)what, 61, 50);
            check(ctx, k, (kind)what, 150, 170);
        }
    }
    weir_ctx_destroy(ctx);
}

/* Ill-scaled pivots have no reciprocal; a NaN reaches the factors and every step has a row for its pivot. */
static void test_denormal_and_nan(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    int number = 0;
    for (const w_panel *k; (k = next_panel(&number));) {
        const int64_t n = 30;
        double numbers[900];
        float singles[900];
        void *a = k->size == 4 ? (void *)singles : (void *)numbers;
        int64_t pivot[30], zero;
        _Alignas(64) char work[48 * 30 * 8];
        const double tiny = k->size == 4 ? 0x1p-149 : 0x1p-1074;
        assert_true(w_lu_work_bytes(k, n, n) <= (int64_t)sizeof work);
        for (int64_t i = 0; i < n * n; i++) {
            put(k, a, i, i % (n + 1) == 0 ? 4.0 * tiny : i % n > i / n ? 2.0 * tiny : 0.0);
        }
        assert_int_equal(w_lu_factor(ctx, k, n, n, a, 1, n, pivot, work, &zero), WEIR_OK);
        assert_int_equal(zero, 0);
        for (int64_t c = 0; c < n; c++) {
            for (int64_t r = 0; r < n; r++) {
                assert_true(get(k, a, r + c * n) == (r == c ? 4.0 * tiny : r > c ? 0.5 : 0.0));
            }
        }
        for (int64_t at = 0; at < n * n; at += 37) {
            fill(k, NORMAL, n, n, 3, a);
            put(k, a, at, at % 2 ? NAN : INFINITY);
            assert_int_equal(w_lu_factor(ctx, k, n, n, a, 1, n, pivot, work, &zero), WEIR_OK);
            bool found = false;
            for (int64_t i = 0; i < n * n; i++) {
                found = found || !isfinite(get(k, a, i));
            }
            assert_true(found);
            for (int64_t i = 0; i < n; i++) {
                assert_true(pivot[i] >= i && pivot[i] < n);
            }
        }
        for (int64_t i = 0; i < n * n; i++) {
            put(k, a, i, i == 7 ? NAN : 0.0);
        }
        assert_int_equal(w_lu_factor(ctx, k, n, n, a, 1, n, pivot, work, &zero), WEIR_OK);
        assert_int_equal(pivot[0], 7);
        assert_true(isnan(get(k, a, 0)));
    }
    weir_ctx_destroy(ctx);
}

static void test_threads(void **state)
{
    const w_panel *k = w_panel_best(8);
    const int64_t m = 1100, n = 1000;
    double *a = malloc((size_t)(m * n) * sizeof *a), *first = NULL;
    int64_t pivot[1000], zero;
    void *work;
    fill(k, NORMAL, m, n, 5, a);
    assert_int_equal(posix_memalign(&work, 64, (size_t)w_lu_work_bytes(k, m, n)), 0);
    for (int threads = 1; threads <= 4; threads++) {
        weir_ctx *ctx = test_ctx(state, threads, 0);
        double *lu = malloc((size_t)(m * n) * sizeof *lu);
        memcpy(lu, a, (size_t)(m * n) * sizeof *lu);
        assert_int_equal(w_lu_factor(ctx, k, m, n, lu, 1, m, pivot, work, &zero), WEIR_OK);
        if (first) {
            assert_memory_equal(first, lu, (size_t)(m * n) * sizeof *lu);
            free(lu);
        } else {
            first = lu;
        }
        weir_ctx_destroy(ctx);
    }
    free(first);
    free(work);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_kinds), cmocka_unit_test(test_denormal_and_nan),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
