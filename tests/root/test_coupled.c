/* SPDX-License-Identifier: Apache-2.0 */
/* The coupled iteration against roots known in long double; guards; products; bits. */
#include "support/spd.h"

#include <float.h>

#include "base/ctx.h"
#include "root/coupled.h"

typedef struct task {
    const spd *m;
    int p, size;
    bool apply, trusted;
    double low, scale, tolerance;
    int64_t count;
    const double *b;
    double *out; /* n x n lower, or n x count */
    w_root_outcome outcome;
} task;

static void store(int size, const double *from, int64_t count, double scale, void *to)
{
    for (int64_t i = 0; i < count; i++) {
        if (size == 8) {
            ((double *)to)[i] = from[i] * scale;
        } else {
            ((float *)to)[i] = (float)(from[i] * scale);
        }
    }
}

static weir_status run(weir_ctx *ctx, void *arg)
{
    task *t = arg;
    const int64_t n = t->m->n, results = t->apply ? n * t->count : n * n;
    w_root_schedule schedule;
    weir_status status = w_root_schedule_build(ctx, &(w_root_goal){ t->p, t->low, t->tolerance, 0, 1, false, W_ROOT_QUADRATIC },
                                               &schedule);
    assert_int_equal(status, WEIR_OK);
    const w_root_coupled how = { &schedule, t->tolerance, t->trusted };
    w_scratch count = { 0 };
    w_root_coupled_run(ctx, &how, t->size, n, NULL, t->apply ? NULL : t, t->count, NULL, n, NULL, &count);
    char *work = w_alloc(ctx, "root", (size_t)w_scratch_bytes(&count));
    char *y = work ? w_alloc(ctx, "root", (size_t)(n * n * t->size)) : NULL;
    char *x = y ? w_alloc(ctx, "root", (size_t)(results * t->size)) : NULL;
    if (x) {
        w_scratch s = { work, 0 };
        store(t->size, t->m->a, n * n, t->scale, y);
        for (int64_t j = 1; j < n; j++) {
            memset(y + j * n * t->size, 0xff, (size_t)(j * t->size)); /* the upper triangle must not matter */
        }
        if (t->apply) {
            store(t->size, t->b, results, 1, x);
        }
        status = w_root_coupled_run(ctx, &how, t->size, n, y, t->apply ? NULL : x, t->count, t->apply ? x : NULL, n, &t->outcome, &s);
        assert_true(s.used == 0);
        for (int64_t i = 0; status >= 0 && i < results; i++) {
            t->out[i] = t->size == 8 ? ((double *)(void *)x)[i] : (double)((float *)(void *)x)[i];
        }
    } else {
        status = w_alloc_status(ctx);
    }
    w_free(ctx, x);
    w_free(ctx, y);
    w_free(ctx, work);
    return status;
}

/* || out - exact ||_F / || exact ||_F, of the columns of b or of the identity. */
static double error_of(const task *t)
{
    const int64_t n = t->m->n, columns = t->apply ? t->count : n;
    long double off = 0, size = 0, *exact = malloc((size_t)(n + 1) * sizeof *exact);
    double *unit = calloc((size_t)n + 1, sizeof *unit);
    for (int64_t j = 0; j < columns; j++) {
        unit[j < n ? j : 0] = 1;
        spd_power(t->m, -1.0L / t->p, t->apply ? t->b + j * n : unit, exact);
        unit[j < n ? j : 0] = 0;
        for (int64_t i = 0; i < n; i++) {
            const double got = t->apply ? t->out[i + j * n] : t->out[i >= j ? i + j * n : j + i * n];
            const long double root = exact[i] * powl(t->scale, -1.0L / t->p);
            off += (got - root) * (got - root);
            size += root * root;
        }
    }
    free(unit);
    free(exact);
    return size > 0 ? (double)sqrtl(off / size) : 0;
}

static void test_roots(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    static const int64_t sizes[] = { 1, 2, 3, 33, 64, 145 };
    static const double conditions[] = { 1, 10, 1e3, 1e6 };
    for (int i = 0; i < 6; i++) {
        for (int c = 0; c < 4; c++) {
            for (int turn = 0; turn < 4; turn++) {
                const int64_t n = sizes[i];
                spd *m = spd_logarithmic(n, conditions[c], 5 + (uint64_t)i);
                uint64_t seed = 9;
                double *b = malloc((size_t)(n * 5) * sizeof *b), *out = malloc((size_t)(n * (n + 5)) * sizeof *out);
                for (int64_t j = 0; j < n * 5; j++) {
                    b[j] = spd_normal(&seed);
                }
                task t = { .m = m, .p = 1 + (i * 4 + c + turn) % 8, .size = turn % 2 ? 4 : 8, .apply = turn / 2, .trusted = true,
                           .low = 0.98 / conditions[c], .scale = 1 / 1.01, .tolerance = turn % 2 ? 1e-4 : 1e-9, .count = 5, .b = b,
                           .out = out };
                const double u = turn % 2 ? FLT_EPSILON : DBL_EPSILON;
                if (u * conditions[c] < 0.01) {
                    assert_int_equal(run(ctx, &t), WEIR_OK);
                    assert_int_equal(t.outcome.guard, 0);
                    assert_true(error_of(&t) <= t.outcome.error + 10 * sqrt((double)n) * u * conditions[c] / t.p + 20 * u);
                }
                free(out);
                free(b);
                spd_free(m);
            }
        }
    }
    weir_ctx_destroy(ctx);
}

/* An upper bound one percent short makes the iteration diverge: found out before its result is taken for one. */
static void test_wrong_bounds_are_noticed(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    spd *m = spd_logarithmic(48, 1e4, 3);
    double *out = malloc(48 * 48 * sizeof *out);
    for (int p = 1; p <= 8; p++) {
        for (int turn = 0; turn < 4; turn++) {
            const double beyond[] = { 1.01, 1.3, 3, 0.99 };
            task t = { .m = m, .p = p, .size = 8, .trusted = false, .low = 1e-4, .scale = beyond[turn], .tolerance = 1e-8, .out = out };
            assert_int_equal(run(ctx, &t), WEIR_OK);
            assert_true(t.outcome.guard != 0 || error_of(&t) <= 1e-8 + 1e-9);
            assert_true(turn < 3 || t.outcome.guard == 0);
            assert_true(turn != 2 || p > 3 || t.outcome.guard != 0);
        }
        /* a lower bound too large is made good by further steps */
        task t = { .m = m, .p = p, .size = 8, .trusted = false, .low = 1e-2, .scale = 0.99, .tolerance = 1e-8, .out = out };
        assert_int_equal(run(ctx, &t), WEIR_OK);
        assert_true(t.outcome.guard != 0 || error_of(&t) <= 1e-8 + 1e-9);
        /* an indefinite matrix has no root */
        spd *odd = spd_logarithmic(48, 1e4, 3);
        odd->a[7 * 49] = -1;
        t.m = odd;
        assert_int_equal(run(ctx, &t), WEIR_OK);
        assert_true(t.outcome.guard != 0);
        odd->a[7 * 49] = NAN;
        assert_int_equal(run(ctx, &t), WEIR_OK);
        assert_true(t.outcome.guard != 0);
        spd_free(odd);
    }
    free(out);
    spd_free(m);
    weir_ctx_destroy(ctx);
}

static void test_bits_products_and_allocations(void **state)
{
    spd *m = spd_logarithmic(200, 1e6, 3);
    double *first = malloc(200 * 200 * sizeof *first), *second = malloc(200 * 200 * sizeof *second);
    for (int threads = 1; threads <= 4; threads++) {
        weir_ctx *ctx = test_ctx(state, threads, 0);
        task t = { .m = m, .p = 4, .size = 8, .trusted = true, .low = 0.99e-6, .scale = 0.99, .tolerance = 1e-6,
                   .out = threads > 1 ? second : first };
        assert_int_equal(run(ctx, &t), WEIR_OK);
        for (int64_t j = 0; j < 200 && threads > 1; j++) {
            assert_memory_equal(first + j * 201, second + j * 201, (size_t)(200 - j) * sizeof *first);
        }
        /* seven steps: a square each, five updates of three products, six products of X; halves all of them */
        assert_true(t.outcome.products <= 0.45 * 80);
        if (threads == 2) {
            assert_int_equal(test_each_allocation_fails(ctx, run, &t), 3);
        }
        weir_ctx_destroy(ctx);
    }
    free(second);
    free(first);
    spd_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roots),
        cmocka_unit_test(test_wrong_bounds_are_noticed),
        cmocka_unit_test(test_bits_products_and_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
