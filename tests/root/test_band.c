/* SPDX-License-Identifier: Apache-2.0 */
/* The way over a band matrix against roots known in long double; orthogonality, bits, allocation. */
#include "support/spd.h"

#include <float.h>

#include "base/ctx.h"
#include "root/band.h"

typedef struct task {
    int p;
    int64_t n, width, count;
    const spd *m;
    const double *b;
    double tolerance, least, most;
    double *out;
} task;

static weir_status run(weir_ctx *ctx, void *arg)
{
    task *t = arg;
    const int64_t n = t->n;
    w_root_band band = { .n = n, .width = t->width, .blocks = (n + t->width - 1) / t->width };
    w_root_poles poles;
    weir_status status = w_root_poles_build(ctx, t->p, 1 / (1.01 * 1e6), t->tolerance, &poles);
    weir_matrix c = { NULL, WEIR_F64, n, t->count, 1, n };
    w_scratch count = { 0 };
    w_root_band_reduce(ctx, n, t->width, NULL, &band, &count);
    w_root_band_turn(ctx, &band, true, &c, &count);
    w_root_band_apply(ctx, &band, &poles, 1, 1, t->count, NULL, n, &count);
    w_root_band_extent(ctx, &band, 1, &t->least, &t->most, &count);
    char *work = status >= 0 ? w_alloc(ctx, "root", (size_t)w_scratch_bytes(&count)) : NULL;
    double *a = work ? w_alloc_array(ctx, "root", (size_t)(n * n), sizeof *a) : NULL;
    if (a) {
        w_scratch s = { work, 0 };
        memcpy(a, t->m->a, (size_t)(n * n) * sizeof *a);
        for (int64_t j = 1; j < n; j++) { /* the upper triangle must not matter */
            memset(a + j * n, 0xff, (size_t)j * sizeof *a);
        }
        t->most = 37;
        memcpy(t->out, t->b, (size_t)(n * t->count) * sizeof *a);
        c.data = t->out;
        status = w_root_band_reduce(ctx, n, t->width, a, &band, &s);
        status = status < 0 ? status : w_root_band_extent(ctx, &band, 1e-8, &t->least, &t->most, &s);
        status = status < 0 ? status : w_root_band_turn(ctx, &band, true, &c, &s);
        status = status < 0 ? status : w_root_band_apply(ctx, &band, &poles, 1.01, pow(1.01, -1.0 / t->p), t->count, t->out, n, &s);
        status = status < 0 ? status : w_root_band_turn(ctx, &band, false, &c, &s);
        assert_true(s.used <= count.used);
    } else if (status >= 0) {
        status = w_alloc_status(ctx);
    }
    w_free(ctx, a);
    w_free(ctx, work);
    return status;
}

static double *random_matrix(int64_t count, uint64_t seed)
{
    double *b = malloc((size_t)(count + 1) * sizeof *b);
    for (int64_t i = 0; i < count; i++) {
        b[i] = spd_normal(&seed);
    }
    return b;
}

static void test_roots_of_every_size(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    static const int64_t sizes[] = { 1, 2, 3, 23, 24, 25, 47, 48, 49, 50, 72, 100, 145, 257 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const int64_t n = sizes[i];
        for (int turn = 0; turn < 2; turn++) {
            const int64_t count = turn ? 3 : 29;
            spd *m = spd_logarithmic(n, 1e6, 7 + (uint64_t)i);
            double *b = random_matrix(n * count, 3), *out = malloc((size_t)(n * count + 1) * sizeof *out);
            task t = { .p = 2 + (int)i % 4, .n = n, .width = turn ? 48 : 24, .count = count, .m = m, .b = b,
                       .tolerance = 1e-11, .out = out };
            assert_int_equal(run(ctx, &t), WEIR_OK);
            long double *exact = malloc((size_t)n * sizeof *exact), off = 0, size = 0;
            for (int64_t j = 0; j < count; j++) {
                spd_power(m, -1.0L / t.p, b + j * n, exact);
                for (int64_t r = 0; r < n; r++) {
                    off += (out[r + j * n] - exact[r]) * (out[r + j * n] - exact[r]);
                    size += exact[r] * exact[r];
                }
            }
            /* the poles' error and that of a backward-stable method: u kappa / p sqrt(n) */
            assert_true(sqrtl(off / size) <= 1e-11 + 10 * sqrt((double)n) * DBL_EPSILON * 1e6 / t.p);
            assert_true(t.most >= (double)m->value[0] && t.most <= 1.11 * (double)m->value[0]);
            assert_true(t.least <= (double)m->value[n - 1] && t.least >= 0.4 * (double)m->value[n - 1]);
            free(exact);
            free(out);
            free(b);
            spd_free(m);
        }
    }
    weir_ctx_destroy(ctx);
}

static void test_bits_and_allocations(void **state)
{
    const int64_t n = 150, count = 60;
    spd *m = spd_logarithmic(n, 1e5, 11);
    double *b = random_matrix(n * count, 5), *first = malloc((size_t)(n * count) * sizeof *first);
    double *second = malloc((size_t)(n * count) * sizeof *second);
    for (int threads = 1; threads <= 4; threads++) {
        weir_ctx *ctx = test_ctx(state, threads, 0);
        task t = { .p = 3, .n = n, .width = 24, .count = count, .m = m, .b = b, .tolerance = 1e-8, .out = threads > 1 ? second : first };
        assert_int_equal(run(ctx, &t), WEIR_OK);
        assert_true(threads == 1 || memcmp(first, second, (size_t)(n * count) * sizeof *first) == 0);
        if (threads == 2) {
            assert_true(test_each_allocation_fails(ctx, run, &t) >= 2);
        }
        weir_ctx_destroy(ctx);
    }
    free(second);
    free(first);
    free(b);
    spd_free(m);
}

static void test_indefinite_matrices_are_found(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const int64_t n = 60;
    long double value[60];
    for (int64_t i = 0; i < n; i++) {
        value[i] = i == 30 ? -0.5L : 1 - 0.01L * i;
    }
    spd *m = spd_make(n, value, 5);
    double *b = random_matrix(n, 5), out[60];
    task t = { .p = 2, .n = n, .width = 24, .count = 1, .m = m, .b = b, .tolerance = 1e-6, .out = out };
    assert_int_equal(run(ctx, &t), WEIR_E_NUMERIC);
    assert_true(t.least == 0);
    free(b);
    spd_free(m);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roots_of_every_size),
        cmocka_unit_test(test_bits_and_allocations),
        cmocka_unit_test(test_indefinite_matrices_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
