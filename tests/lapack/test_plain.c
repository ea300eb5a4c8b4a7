/* SPDX-License-Identifier: Apache-2.0 */
/* What serves LAPACK's names when the heap has no room: A = QR, Q'Q = I, the block form against its reflectors, scales to the ends of
 * the range; both types, columns and rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plain.h"

#define MAX 300 /* rows and columns */

static double numbers[4][MAX * MAX];
static float singles[4][MAX * MAX];

static weir_matrix room(int number, weir_dtype dtype, int64_t rows, int64_t cols, bool by_rows)
{
    return (weir_matrix){ dtype == WEIR_F32 ? (void *)singles[number] : (void *)numbers[number], dtype, rows, cols, by_rows ? cols : 1,
                          by_rows ? 1 : rows };
}

static double get(const weir_matrix *a, int64_t i, int64_t j)
{
    const void *at = w_matrix_at(a, i, j);
    return a->dtype == WEIR_F32 ? (double)*(const float *)at : *(const double *)at;
}

static void set(const weir_matrix *a, int64_t i, int64_t j, double value)
{
    void *at = w_matrix_at(a, i, j);
    if (a->dtype == WEIR_F32) {
        *(float *)at = (float)value;
    } else {
        *(double *)at = value;
    }
}

static void fill(const weir_matrix *a, int scale, uint64_t state)
{
    for (int64_t j = 0; j < a->cols; j++) {
        for (int64_t i = 0; i < a->rows; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            set(a, i, j, ldexp((double)(state >> 11) * 0x1p-52 - 1.0, scale));
        }
    }
}

static void copy(const weir_matrix *from, const weir_matrix *to)
{
    for (int64_t j = 0; j < to->cols; j++) {
        for (int64_t i = 0; i < to->rows; i++) {
            set(to, i, j, get(from, i, j));
        }
    }
}

static double far_apart(const weir_matrix *a, const weir_matrix *b, int64_t rows, int64_t cols)
{
    double most = 0.0;
    for (int64_t j = 0; j < cols; j++) {
        for (int64_t i = 0; i < rows; i++) {
            const double d = fabs(get(a, i, j) - get(b, i, j));
            most = d > most || isnan(d) ? d : most;
        }
    }
    return most;
}

static void check(weir_dtype dtype, int64_t m, int64_t n, bool by_rows, int scale)
{
    const int64_t k = m < n ? m : n;
    const double gate = 30.0 * (double)(m + n) * (dtype == WEIR_F32 ? 0x1p-23 : 0x1p-52);
    double tau_wide[MAX];
    float tau_single[MAX];
    void *tau = dtype == WEIR_F32 ? (void *)tau_single : (void *)tau_wide;
    const weir_matrix a = room(0, dtype, m, n, by_rows), qr = room(1, dtype, m, n, by_rows), c = room(2, dtype, m, n, !by_rows);
    fill(&a, scale, 5);
    copy(&a, &qr);
    plain_geqrf(&qr, tau);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < m; i++) {
            set(&c, i, j, i <= j ? get(&qr, i, j) : 0.0);
        }
    }
    const weir_matrix v = w_matrix_part(&qr, 0, 0, m, k);
    plain_ormqr(false, &v, tau, &c);
    assert_true(far_apart(&c, &a, m, n) <= ldexp(gate, scale));
    plain_ormqr(true, &v, tau, &c);
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < m; i++) {
            assert_true(fabs(get(&c, i, j) - (i <= j ? get(&qr, i, j) : 0.0)) <= ldexp(gate, scale) * sqrt((double)m));
        }
    }
    /* The same by T. */
    const weir_matrix t = room(3, dtype, k, k, by_rows);
    plain_larft(&v, tau, &t);
    fill(&c, 0, 7);
    const weir_matrix other = room(0, dtype, m, n, by_rows);
    for (int trans = 0; trans < 2; trans++) {
        copy(&c, &other);
        plain_larfb(trans, &v, &t, &other);
        plain_ormqr(trans, &v, tau, &c);
        assert_true(far_apart(&c, &other, m, n) <= gate * 4.0);
    }
    for (int64_t j = 0; j < k; j++) { /* taus on the diagonal of T */
        set(&t, j, j, dtype == WEIR_F32 ? (double)tau_single[j] : tau_wide[j]);
    }
    copy(&c, &other);
    plain_larft(&v, NULL, &t);
    plain_larfb(false, &v, &t, &other);
    plain_ormqr(false, &v, tau, &c);
    assert_true(far_apart(&c, &other, m, n) <= gate * 4.0);
    plain_orgqr(&v, k, tau);
    for (int64_t j = 0; j < k; j++) {
        for (int64_t h = 0; h <= j; h++) {
            long double sum = j == h ? -1.0L : 0.0L;
            for (int64_t i = 0; i < m; i++) {
                sum += (long double)get(&v, i, j) * (long double)get(&v, i, h);
            }
            assert_true(fabsl(sum) <= (long double)gate);
        }
    }
}

static void test_plain(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        const weir_dtype dtype = d ? WEIR_F32 : WEIR_F64;
        for (int64_t n = 1; n <= 12; n++) {
            for (int by_rows = 0; by_rows < 2; by_rows++) {
                check(dtype, n, n, by_rows, 0);
                check(dtype, n + 5, n, by_rows, d ? 120 : 1000);
                check(dtype, n, n + 5, by_rows, d ? -100 : -900);
            }
        }
    }
    check(WEIR_F64, 262, 258, false, 0); /* two blocks */
}

static void test_columns_of_zero(void **state)
{
    (void)state;
    double a[12] = { 0 }, tau[3] = { 7, 7, 7 };
    const weir_matrix view = { a, WEIR_F64, 4, 3, 1, 4 };
    a[4] = 2.0;
    plain_geqrf(&view, tau);
    for (int i = 0; i < 3; i++) {
        assert_true(tau[i] == 0.0);
    }
    plain_orgqr(&view, 3, tau);
    for (int i = 0; i < 12; i++) {
        assert_true(a[i] == (i % 5 == 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_plain), cmocka_unit_test(test_columns_of_zero) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
