/* SPDX-License-Identifier: Apache-2.0 */
/* Products with one triangle against sums in double, element by element; what must not be read or written is poisoned. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dense/level3.h"

#define LD 170
#define MOST 163

static double vector[LD];

static double uniform(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (double)(*seed >> 11) / 4503599627370496.0 - 1;
}

static void put(int size, void *a, int64_t i, double value)
{
    if (size == 8) {
        ((double *)a)[i] = value;
    } else {
        ((float *)a)[i] = (float)value;
    }
}

static double get(int size, const void *a, int64_t i) { return size == 8 ? ((const double *)a)[i] : (double)((const float *)a)[i]; }

/* Multiples of the identity plus the same matrix of rank one commute. */
static double entry(int64_t i, int64_t j, double shift) { return vector[i] * vector[j] + (i == j ? shift : 0); }

typedef struct arrays {
    int size;
    void *a, *b, *c;
} arrays;

static void fill(const arrays *m, int64_t n, bool poison)
{
    uint64_t seed = 5;
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < LD; i++) {
            put(m->size, m->a, i + j * LD, i >= n || (poison && i < j) ? NAN : entry(i, j, 0.5));
            put(m->size, m->b, i + j * LD, i >= n || (poison && i < j) ? NAN : entry(i, j, -2));
            put(m->size, m->c, i + j * LD, uniform(&seed));
        }
    }
}

static void check(const arrays *m, int64_t n, int64_t columns, bool lower, double alpha)
{
    uint64_t seed = 5;
    const double u = m->size == 8 ? DBL_EPSILON : FLT_EPSILON;
    for (int64_t j = 0; j < n; j++) {
        for (int64_t i = 0; i < LD; i++) {
            const double before = m->size == 8 ? uniform(&seed) : (double)(float)uniform(&seed), got = get(m->size, m->c, i + j * LD);
            double sum = 0, size = 0;
            for (int64_t k = 0; k < n; k++) {
                const double a = m->size == 8 ? entry(i, k, 0.5) : (double)(float)entry(i, k, 0.5);
                const double b = m->size == 8 ? entry(k, j, -2) : (double)(float)entry(k, j, -2);
                sum += a * b;
                size += fabs(a * b);
            }
            if (i >= n || j >= columns || (lower && i < j)) {
                assert_true(got == before);
            } else {
                assert_true(fabs(got - before - alpha * sum) <= 2 * (double)(n + 2) * u * (fabs(alpha) * size + fabs(before)));
            }
        }
    }
}

static void test_products(void **state)
{
    for (int64_t i = 0; i < LD; i++) {
        vector[i] = cos((double)i);
    }
    static const int64_t sizes[] = { 0, 1, 7, 144, 145, MOST };
    for (int turn = 0; turn < 4; turn++) {
        weir_ctx *ctx = test_ctx(state, 1 + turn % 2 * 2, 0);
        const arrays m = { turn / 2 ? 4 : 8, malloc(8 * LD * LD), malloc(8 * LD * LD), malloc(8 * LD * LD) };
        const w_panel *k = w_panel_best(m.size);
        for (int i = 0; i < 6; i++) {
            const int64_t n = sizes[i];
            fill(&m, n, true);
            assert_int_equal(w_symm_lower(ctx, k, n, -0.5, m.a, LD, m.b, LD, m.c, LD), WEIR_OK);
            check(&m, n, n, true, -0.5);
            fill(&m, n, false);
            assert_int_equal(w_gemm_lower(ctx, k, n, n, 2, (w_operand){ m.a, 1, LD }, (w_operand){ m.b, 1, LD }, m.c, LD), WEIR_OK);
            check(&m, n, n, true, 2);
            for (int64_t j = 1; j < n; j++) {
                for (int64_t r = 0; r < j; r++) {
                    put(m.size, m.a, r + j * LD, NAN);
                }
            }
            uint64_t seed = 5;
            for (int64_t j = 0; j < n * LD; j++) {
                put(m.size, m.c, j, uniform(&seed));
            }
            const int64_t columns = n - n / 3;
            assert_int_equal(w_symm(ctx, k, n, columns, 1, m.a, LD, (w_operand){ m.b, LD, 1 }, m.c, LD), WEIR_OK);
            check(&m, n, columns, false, 1);
        }
        free(m.a);
        free(m.b);
        free(m.c);
        weir_ctx_destroy(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_products) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
