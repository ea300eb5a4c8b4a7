/* SPDX-License-Identifier: Apache-2.0 */
/* Reflector kernels of every instruction set beside their definition in long double, panels and block reflectors built on
 * them, and columns whose sum of squares is beyond trust. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/blas.h"
#include "base/rng.h"
#include "dense/qr.h"

#define B W_REFLECTOR_BLOCK

static const w_reflector *next_kernels(int *number)
{
    while (*number < 6) {
        const w_reflector *k = w_reflector_find((w_isa)(*number / 2), *number % 2 ? 4 : 8);
        ++*number;
        if (k) {
            return k;
        }
    }
    return NULL;
}

static double epsilon(const w_reflector *k) { return k->size == 4 ? (double)FLT_EPSILON : DBL_EPSILON; }

/* A buffer of normal numbers, zero where it must be. */
static void *buffer(const w_reflector *k, int64_t rows, int64_t columns, uint64_t seed)
{
    const int64_t ld = w_qr_lead(rows), bytes = w_qr_buffer_bytes(k->size, rows, columns);
    void *a = aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64);
    w_rng rng;
    w_rng_seed(&rng, seed);
    memset(a, 0, (size_t)bytes);
    for (int64_t j = 0; j < columns; j++) {
        for (int64_t i = 0; i < rows; i++) {
            w_qr_put(k->size, a, i + j * ld, w_rng_normal(&rng));
        }
    }
    return a;
}

static void *again(const w_reflector *k, const void *a, int64_t rows, int64_t columns)
{
    const size_t bytes = (size_t)(w_qr_buffer_bytes(k->size, rows, columns) + 63) / 64 * 64;
    void *b = aligned_alloc(64, bytes);
    return memcpy(b, a, (size_t)w_qr_buffer_bytes(k->size, rows, columns));
}

static void check_step(const w_reflector *k, int64_t rows, int width)
{
    const int64_t ld = w_qr_lead(rows);
    void *a = buffer(k, rows, 8, 1), *before = again(k, a, rows, 8);
    double factors[8], dots[8]; /* of either type */
    for (int q = 0; q <= width; q++) {
        w_qr_put(k->size, factors, q, q == 0 ? 0.5 : 0.25 * q - 0.7);
    }
    void *columns = (char *)a + ld * k->size;
    k->step(rows, width, a, factors, columns, ld, dots);
    for (int64_t i = 0; i < rows; i++) {
        assert_true(w_qr_get(k->size, a, i) == 0.5 * w_qr_get(k->size, before, i));
    }
    for (int q = 0; q < width; q++) {
        long double sum = 0.0L, size = 0.0L;
        for (int64_t i = 0; i < rows; i++) {
            const double was = w_qr_get(k->size, before, i + (q + 1) * ld), v = w_qr_get(k->size, a, i);
            const double now = w_qr_get(k->size, columns, i + q * ld), lead = w_qr_get(k->size, columns, i);
            assert_true(fabs(now - (was - w_qr_get(k->size, factors, q + 1) * v)) <=
                        2.0 * epsilon(k) * (fabs(was) + fabs(v) * 2.0));
            sum += (long double)lead * now;
            size += fabsl((long double)lead * now);
        }
        assert_true(fabsl(sum - w_qr_get(k->size, dots, q)) <= (double)(rows + 2) * epsilon(k) * (double)size);
    }
    if (width > 0) {
        double first[8];
        k->first(rows, width, columns, ld, first);
        for (int q = 0; q < width; q++) {
            assert_true(fabs(w_qr_get(k->size, first, q) - w_qr_get(k->size, dots, q)) <=
                        (double)(rows + 2) * epsilon(k) * 20.0 * (double)(rows + 1));
        }
    }
    free(a);
    free(before);
}

/* [ch; c] := (I - V op(T) V') [ch; c] against sums in long double. */
static void check_apply(const w_reflector *k, int64_t rows, int64_t columns, bool trans)
{
    const int64_t ld = w_qr_lead(rows);
    void *v = buffer(k, rows, 8, 2), *c = buffer(k, rows, columns, 3), *was = again(k, c, rows, columns);
    void *t = buffer(k, 8, 8, 4), *vh = buffer(k, 8, 8, 5), *ch = buffer(k, 8, columns, 6),
         *head = again(k, ch, 8, columns);
    const int64_t small = w_qr_lead(8);
    double td[64], vd[64]; /* dense, of either type */
    for (int i = 0; i < 64; i++) {
        w_qr_put(k->size, td, i, i % 8 <= i / 8 ? w_qr_get(k->size, t, i % 8 + i / 8 * small) : 0.0);
        w_qr_put(k->size, vd, i,
                 i % 8 == i / 8  ? 1.0
                 : i % 8 > i / 8 ? w_qr_get(k->size, vh, i % 8 + i / 8 * small)
                                 : 0.0);
    }
    w_reflector_apply(k, trans, td, vd, rows, v, ld, columns, ch, small, c, ld);
    for (int64_t q = 0; q < columns; q++) {
        long double w[8], x[8], size = 0.0L;
        for (int p = 0; p < 8; p++) {
            w[p] = 0.0L;
            for (int64_t i = 0; i < 8 + rows; i++) {
                const long double a =
                    i < 8 ? w_qr_get(k->size, vd, i + p * 8) : w_qr_get(k->size, v, i - 8 + p * ld);
                const long double b =
                    i < 8 ? w_qr_get(k->size, head, i + q * small) : w_qr_get(k->size, was, i - 8 + q * ld);
                w[p] += a * b;
                size += fabsl(a * b);
            }
        }
        for (int p = 0; p < 8; p++) {
            x[p] = 0.0L;
            for (int i = 0; i < 8; i++) {
                x[p] += w_qr_get(k->size, td, trans ? i + p * 8 : p + i * 8) * w[i];
            }
        }
        for (int64_t i = 0; i < 8 + rows; i++) {
            long double sum =
                i < 8 ? w_qr_get(k->size, head, i + q * small) : w_qr_get(k->size, was, i - 8 + q * ld);
            for (int p = 0; p < 8; p++) {
                sum -= x[p] * (i < 8 ? w_qr_get(k->size, vd, i + p * 8) : w_qr_get(k->size, v, i - 8 + p * ld));
            }
            const double now = i < 8 ? w_qr_get(k->size, ch, i + q * small) : w_qr_get(k->size, c, i - 8 + q * ld);
            assert_true(fabsl(sum - now) <= 64.0 * (double)(rows + 8) * epsilon(k) * ((double)size + 1.0));
        }
    }
    void *all[] = {v, c, was, t, vh, ch, head};
    for (int i = 0; i < 7; i++) {
        free(all[i]);
    }
}

static void test_kernels(void **state)
{
    (void)state;
    static const int64_t rows[] = {0, 8, 16, 24, 512, 520, 1032};
    int number = 0;
    for (const w_reflector *k; (k = next_kernels(&number));) {
        for (int r = 0; r < 7; r++) {
            for (int width = 0; width < 8; width++) {
                check_step(k, rows[r], width);
            }
            check_apply(k, rows[r], r + 1, r % 2);
            check_apply(k, rows[r], 50 + r, r % 2 == 0);
        }
        float single[] = {-3.0F, 2.0F, NAN, -INFINITY};
        double wide[] = {-3.0, 2.0, (double)NAN, -(double)INFINITY};
        const void *x = k->size == 4 ? (void *)single : (void *)wide;
        assert_true(k->largest(0, x) == 0.0 && k->largest(2, x) == 3.0 && isnan(k->largest(3, x)) &&
                    isnan(k->largest(4, x)));
        assert_true(isinf(k->largest(1, (const char *)x + 3 * k->size)));
    }
}

/* ---- panels -------------------------------------------------------------------------------------------------------- */

/* ||a_j - (Q R)_j|| <= c m eps ||a_j||, Q R by applying the reflectors to R one after the other. */
static void check_panel(const w_reflector *k, int64_t m, int64_t n, double last)
{
    const int64_t ld = w_qr_lead(m), wide = (n + B - 1) / B * B;
    void *a = buffer(k, m, n, 7);
    for (int64_t i = 0; i < m && n > 1; i++) { /* the last column depends on the first but for a trifle */
        const double x = w_qr_get(k->size, a, i + (n - 1) * ld);
        w_qr_put(k->size, a, i + (n - 1) * ld, last == 0.0 ? x : w_qr_get(k->size, a, i) + last * x);
    }
    void *f = again(k, a, m, n), *t8 = malloc((size_t)(wide * 64)), *vh8 = malloc((size_t)(wide * 64)),
         *tau = malloc((size_t)wide * 8);
    w_qr_panel_factor(k, m, n, f, ld, tau, t8, vh8);
    const int64_t order = m < n ? m : n;
    double *x = malloc((size_t)(m + 1) * sizeof *x);
    for (int64_t j = 0; j < n; j++) {
        double error = 0.0, size = 0.0;
        for (int64_t i = 0; i < m; i++) {
            x[i] = i <= j ? w_qr_get(k->size, f, i + j * ld) : 0.0;
        }
        for (int64_t p = order - 1; p >= 0; p--) {
            long double sum = x[p];
            for (int64_t i = p + 1; i < m; i++) {
                sum += (long double)w_qr_get(k->size, f, i + p * ld) * x[i];
            }
            const double w = (double)sum * w_qr_get(k->size, tau, p);
            x[p] -= w;
            for (int64_t i = p + 1; i < m; i++) {
                x[i] -= w * w_qr_get(k->size, f, i + p * ld);
            }
        }
        for (int64_t i = 0; i < m; i++) {
            error += fabs(x[i] - w_qr_get(k->size, a, i + j * ld));
            size += fabs(w_qr_get(k->size, a, i + j * ld));
        }
        assert_true(error <= 4.0 * (double)(m > n ? m : n) * epsilon(k) * size);
    }
    free(a);
    free(f);
    free(t8);
    free(vh8);
    free(tau);
    free(x);
}

static void test_panels(void **state)
{
    (void)state;
    static const int64_t shapes[][2] = {{1, 1}, {8, 8}, {9, 7}, {7, 9}, {40, 17}, {17, 40}, {600, 20}, {1100, 9}};
    int number = 0;
    for (const w_reflector *k; (k = next_kernels(&number));) {
        for (int i = 0; i < 8; i++) {
            check_panel(k, shapes[i][0], shapes[i][1], 0.0);
            check_panel(k, shapes[i][0], shapes[i][1], k->size == 4 ? 1e-6 : 1e-14);
        }
    }
}

/* A column whose squares underflow: v and tau are those of the column scaled up. */
static void test_small_remainder(void **state)
{
    (void)state;
    int number = 0;
    for (const w_reflector *k; (k = next_kernels(&number));) {
        const double tiny = k->size == 4 ? 0x1p-140 : 0x1p-1060;
        const int64_t m = 40, ld = w_qr_lead(m);
        void *a = buffer(k, m, 8, 11), *b = again(k, a, m, 8);
        for (int64_t i = 0; i < m; i++) {
            const double x = (double)((i * 7) % 11 - 5);
            w_qr_put(k->size, a, i, x * tiny);
            w_qr_put(k->size, b, i, x);
        }
        double tau[2][8], t[64], vh[64];
        w_qr_panel_factor(k, m, 8, a, ld, tau[0], t, vh);
        w_qr_panel_factor(k, m, 8, b, ld, tau[1], t, vh);
        assert_true(fabs(w_qr_get(k->size, tau[0], 0) - w_qr_get(k->size, tau[1], 0)) <= 8.0 * epsilon(k));
        for (int64_t j = 1; j < 8; j++) {
            for (int64_t i = 0; i <= j; i++) {
                assert_true(fabs(w_qr_get(k->size, a, i + j * ld) - w_qr_get(k->size, b, i + j * ld)) <=
                            1e4 * epsilon(k));
            }
        }
        free(a);
        free(b);
    }
}

/* Packed block reflectors of every instruction set beside the panel's own. */
static void check_block(w_qr_kernels k, int64_t m, int64_t n, int64_t others, bool by_rows)
{
    const int64_t ld = w_qr_lead(m), wide = (n + B - 1) / B * B;
    const int size = k.panel->size;
    void *v = buffer(k.reflector, m, n, 12), *c = buffer(k.reflector, m, others, 13),
         *d = again(k.reflector, c, m, others);
    void *t8 = malloc((size_t)(wide * 64)), *vh8 = malloc((size_t)(wide * 64)), *tau = malloc((size_t)wide * 8);
    w_qr_panel_factor(k.reflector, m, n, v, ld, tau, t8, vh8);
    for (int64_t j = 0; j < wide; j += B) {
        const int64_t below = (m + B - 1) / B * B - j - B;
        char *own = (char *)v + (j + B + j * ld) * size, *to = (char *)d + (j + B) * size;
        w_reflector_apply(k.reflector, true, (char *)t8 + j * B * size, (char *)vh8 + j * B * size, below, own, ld,
                          others, (char *)d + j * size, ld, to, ld);
    }
    const weir_dtype dtype = size == 4 ? WEIR_F32 : WEIR_F64;
    const weir_matrix view = {v, dtype, m, n, 1, ld};
    weir_matrix on = {c, dtype, m, others, 1, ld};
    void *turned = malloc((size_t)(m * others + 1) * 8),
         *work = aligned_alloc(64, (size_t)(w_qr_block_bytes(size, m, n) + 63) / 64 * 64);
    if (by_rows) {
        const weir_matrix rows = {turned, dtype, m, others, others, 1};
        w_qr_store(c, ld, &rows);
        on = rows;
    }
    w_qr_block block;
    w_qr_block_place(&block, k, m, n, work);
    w_qr_block_pack(&block, &view, tau, NULL);
    w_qr_block_apply_part(&block, true, &on, 0, others);
    for (int64_t j = 0; j < others; j++) {
        for (int64_t i = 0; i < m; i++) {
            assert_true(fabs(w_qr_get(size, on.data, i * on.row_stride + j * on.col_stride) -
                             w_qr_get(size, d, i + j * ld)) <= 64.0 * (double)m * epsilon(k.reflector));
        }
    }
    void *all[] = {v, c, d, t8, vh8, tau, turned, work};
    for (int i = 0; i < 8; i++) {
        free(all[i]);
    }
}

static void test_blocks(void **state)
{
    (void)state;
    for (int number = 0; number < 6; number++) {
        const w_isa isa = (w_isa)(number / 2);
        const int size = number % 2 ? 4 : 8;
        const w_qr_kernels k = {w_panel_find(isa, size), w_reflector_find(isa, size)};
        if (k.panel && k.reflector) {
            check_block(k, 20, 8, 5, false);
            check_block(k, 150, 40, 50, true);
            check_block(k, 300, 96, 49, false);
            check_block(k, 160, 139, 7, true);
        }
    }
}

/* The same numbers as LAPACK's, whose signs these are, on matrices whose condition leaves them digits; any threads. */
static void check_lapack(weir_ctx *ctx, int64_t m, int64_t n)
{
    const int64_t k = m < n ? m : n, size = m * n;
    const w_blas_int rows = (w_blas_int)m, columns = (w_blas_int)n, wide = (w_blas_int)(n * 64);
    double *a = malloc((size_t)size * 8), *b = malloc((size_t)size * 8), *tau = malloc((size_t)n * 16);
    double *lapack = malloc((size_t)wide * 8);
    w_blas_int info;
    w_rng rng;
    w_rng_seed(&rng, 21);
    for (int64_t i = 0; i < size; i++) {
        a[i] = b[i] = w_rng_normal(&rng) + (i % (m + 1) == 0 ? 2.0 * sqrt((double)m) : 0.0);
    }
    const weir_matrix view = {a, WEIR_F64, m, n, 1, m};
    void *work = aligned_alloc(64, (size_t)(w_geqrf_bytes(ctx, &view) + 63) / 64 * 64);
    assert_int_equal(w_geqrf(ctx, &view, tau, work), WEIR_OK);
    dgeqrf_(&rows, &columns, b, &rows, tau + n, lapack, &wide, &info);
    for (int64_t i = 0; i < size; i++) {
        assert_true(fabs(a[i] - b[i]) <= 1e4 * DBL_EPSILON * sqrt((double)m));
    }
    for (int64_t i = 0; i < k; i++) {
        assert_true(fabs(tau[i] - tau[n + i]) <= 1e4 * DBL_EPSILON);
    }
    free(a);
    free(b);
    free(tau);
    free(lapack);
    free(work);
}

static void test_lapack(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 3, 0);
    check_lapack(ctx, 30, 30);
    check_lapack(ctx, 50, 20);
    check_lapack(ctx, 300, 200);
    check_lapack(ctx, 200, 300);
    check_lapack(ctx, 40000, 30);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_panels),
        cmocka_unit_test(test_small_remainder),
        cmocka_unit_test(test_blocks),  cmocka_unit_test(test_lapack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
