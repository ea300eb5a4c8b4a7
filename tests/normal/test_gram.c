/* SPDX-License-Identifier: Apache-2.0 */
/* Cross-products of hand-made designs against a dense long double sum. Bound: a sum of n products, each of which passed
 * through K maps, differs by at most (n + 2 K + 20) eps times the sum of the absolute values. */
#include "normal/expand.h"
#include "normal/quadratic.h"
#include "normal/runs.h"
#include "normal/synthetic.h"

#include <float.h>

#define SPLINE(c, kk) { .margins = 1, .cells = c, .k = kk, .transform = true }

typedef struct shape {
    const char *name;
    int64_t rows;
    int dense;
    bool intercept;
    int count;
    synthetic_block block[5];
    int arrow;
} shape;

static const shape shapes[] = {
    { "dense only", 301, 5, true, 0, { { 0 } }, -1 },
    { "response only", 37, 0, false, 0, { { 0 } }, -1 },
    { "four splines", 777, 1, true, 4, { SPLINE(11, 10), SPLINE(7, 6), SPLINE(52, 50), SPLINE(3, 5) }, -1 },
    { "no intercept", 513, 3, false, 2, { SPLINE(11, 10), { .levels = 5, .code = 0 } }, -1 },
    { "tensors", 409, 2, true, 3,
      { { .margins = 2, .cells = 4, .k = 3, .transform = true }, { .margins = 3, .cells = 2, .k = 2 }, SPLINE(6, 5) }, -1 },
    { "wide tensor pair", 203, 1, true, 2,
      { { .margins = 2, .cells = 12, .k = 6, .transform = true }, { .margins = 2, .cells = 13, .k = 5 } }, -1 },
    { "factors", 511, 2, true, 4,
      { { .levels = 7, .code = 0, .reference = true }, { .levels = 7, .code = 0, .numeric = true },
        { .levels = 4, .code = 1, .reference = true }, { .levels = 300, .code = 2 } }, 4 },
    { "by a factor", 605, 1, true, 4,
      { { .levels = 3, .code = 0, .reference = true }, { .margins = 1, .cells = 6, .k = 5, .levels = 3, .code = 0,
        .transform = true }, { .margins = 1, .cells = 4, .k = 4, .levels = 3, .code = 0, .reference = true },
        { .margins = 1, .cells = 5, .k = 4, .levels = 2, .code = 1 } }, 2 },
    { "many levels", 902, 2, true, 3, { { .levels = 2000, .code = 0 }, SPLINE(11, 10), SPLINE(11, 9) }, 1 },
    { "wide dense", 260, 37, true, 2, { SPLINE(11, 10), { .levels = 3, .code = 0, .numeric = true } }, -1 },
    { "tensor by levels", 307, 1, true, 2,
      { { .margins = 2, .cells = 3, .k = 3, .levels = 4, .code = 0, .transform = true }, { .levels = 4, .code = 0 } }, 1 },
};
#define SHAPES (int)(sizeof shapes / sizeof *shapes)

static w_gram *gram_or_linear(synthetic *s, const w_kernels *kernels, int arrow, bool linear)
{
    w_sums *sums = NULL;
    w_adder *adder = NULL;
    assert_int_equal((linear ? w_sums_create_linear : w_sums_create)(s->ctx, &s->design, 0, &sums), WEIR_OK);
    assert_int_equal(w_adder_create(s->ctx, sums->plan, &adder), WEIR_OK);
    w_adder_use(adder, kernels);
    assert_true(s->rows < sums->plan->shard_rows);
    w_run run = { .last = s->rows, .tail = w_bank_take(&sums->bank) };
    w_accumulator_clear(sums->plan, run.tail);
    w_tile_block block[8];
    for (int64_t first = 0; first < s->rows; first += 100) {
        w_tile tile = synthetic_tile(s, first, s->rows - first < 100 ? s->rows - first : 100, block);
        w_adder_weights(sums->plan, s->unit ? NULL : tile.weight, tile.rows, run.tail);
        w_adder_tile(adder, &tile, run.tail);
    }
    w_adder_free(s->ctx, adder);
    assert_int_equal(w_sums_take(sums, &run, 1), WEIR_OK);
    w_gram *gram = NULL;
    assert_int_equal(w_sums_gram(sums, arrow, &gram), WEIR_OK);
    w_sums_free(sums);
    return gram;
}

static w_gram *gram_of(synthetic *s, const w_kernels *kernels, int arrow)
{
    return gram_or_linear(s, kernels, arrow, false);
}

static void check(const char *name, int64_t r, int64_t c, double got, long double want, long double bound, double factor)
{
    if (!(fabsl(got - want) <= factor * bound)) {
        fail_msg("%s: entry (%d, %d) is %.17g, not %.17Lg (error %.3Lg, bound %.3Lg)", name, (int)r, (int)c, got, want,
                 fabsl(got - want), factor * bound);
    }
}

static double entry(const w_gram *g, int64_t r, int64_t c)
{
    int64_t arrow = g->arrow_levels * g->arrow_k, i = r - g->arrow_first, j = c - g->arrow_first;
    bool in_r = arrow > 0 && i >= 0 && i < arrow, in_c = arrow > 0 && j >= 0 && j < arrow;
    int64_t core_r = arrow > 0 && i >= arrow ? r - arrow : r, core_c = arrow > 0 && j >= arrow ? c - arrow : c;
    if (!in_r && !in_c) {
        assert_int_equal(g->core_column[core_r], r);
        return g->matrix[core_r * g->core + core_c];
    }
    if (in_r && in_c) {
        return i / g->arrow_k == j / g->arrow_k ? g->arrow_diag[i * g->arrow_k + j % g->arrow_k] : 0;
    }
    return in_r ? g->arrow_border[i * g->core + core_c] : g->arrow_border[j * g->core + core_r];
}

static double rhs(const w_gram *g, int64_t r)
{
    int64_t arrow = g->arrow_levels * g->arrow_k, i = r - g->arrow_first;
    return arrow > 0 && i >= 0 && i < arrow ? g->arrow_rhs[i] : g->rhs[arrow > 0 && i >= arrow ? r - arrow : r];
}

static void check_gram(const char *name, const synthetic *s, const w_gram *g, const long double *sum,
                       const long double *bound)
{
    int64_t p = s->design.p, q = p + 2;
    double factor = (double)(s->rows + 2 * p + 20) * DBL_EPSILON;
    for (int64_t r = 0; r < p; r++) {
        for (int64_t c = 0; c < p; c++) {
            check(name, r, c, entry(g, r, c), sum[r * q + c], bound[r * q + c], factor);
            assert_true(entry(g, r, c) == entry(g, c, r));
        }
        check(name, r, -2, rhs(g, r), sum[r * q + p], bound[r * q + p], factor);
        check(name, r, -3, g->column_sum[r], sum[r * q + p + 1], bound[r * q + p + 1], factor);
    }
    check(name, -2, -2, g->zz, sum[p * q + p], bound[p * q + p], factor);
    check(name, -2, -3, g->weight_z_sum, sum[p * q + p + 1], bound[p * q + p + 1], factor);
    check(name, -3, -3, g->weight_sum, sum[(p + 1) * q + p + 1], bound[(p + 1) * q + p + 1], factor);
    long double log_sum = 0, log_bound = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < s->rows; i++) {
        if (s->weight[i] > 0) {
            n++;
            log_sum += logl(s->weight[i]);
            log_bound += 1;
        }
    }
    assert_int_equal(g->n, n);
    check(name, -4, -4, g->log_weight_sum, log_sum, log_bound, factor);
}

static void test_kernels_against_dense(void **state)
{
    (void)state;
    static const char *const sets[] = { "portable", "avx2", "avx512" };
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    for (int i = 0; i < SHAPES; i++) {
        for (int weights = 0; weights < 2; weights++) {
            const shape *shape = &shapes[i];
            synthetic s;
            synthetic_make(&s, ctx, 7 + (uint64_t)i, shape->rows, shape->dense, shape->intercept, shape->block, shape->count,
                           (synthetic_weights)weights);
            int64_t q = s.design.p + 2;
            long double *sum = w_alloc(ctx, "test", (size_t)(q * q) * sizeof *sum);
            long double *bound = w_alloc(ctx, "test", (size_t)(q * q) * sizeof *bound);
            synthetic_sums(&s, s.rows, sum, bound);
            w_gram *fused = NULL;
            for (int k = 0; k < 3; k++) {
                const w_kernels *kernels = w_kernels_find(sets[k]);
                if (!kernels) {
                    continue;
                }
                w_gram *gram = gram_of(&s, kernels, shape->arrow);
                check_gram(shape->name, &s, gram, sum, bound);
                if (k > 0 && fused) {
                    assert_memory_equal(gram->matrix, fused->matrix, (size_t)(gram->core * gram->core) * 8);
                    assert_memory_equal(gram->rhs, fused->rhs, (size_t)gram->core * 8);
                }
                w_gram_free(k > 0 ? fused : gram);
                fused = k > 0 ? gram : NULL;
            }
            w_gram_free(fused);
            w_free(ctx, sum);
            w_free(ctx, bound);
            synthetic_free(&s);
        }
    }
    weir_ctx_destroy(ctx);
}

/* Linear sums are the same chains of additions; and the gradient at any beta under the same matrix is the same working model.
 * Bounds: p products of |A||beta| and of |beta||A||beta|. */
static void test_linear_sums(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 2, 0);
    for (int i = 0; i < SHAPES; i++) {
        const shape *shape = &shapes[i];
        synthetic s;
        synthetic_make(&s, ctx, 30 + (uint64_t)i, shape->rows, shape->dense, shape->intercept, shape->block, shape->count,
                       (synthetic_weights)1);
        w_gram *gram = gram_of(&s, w_kernels_choose(), shape->arrow);
        w_gram *linear = gram_or_linear(&s, w_kernels_choose(), shape->arrow, true);
        const int64_t p = gram->p, rows = gram->arrow_levels * gram->arrow_k;
        assert_memory_equal(linear->rhs, gram->rhs, (size_t)gram->core * 8);
        assert_memory_equal(linear->column_sum, gram->column_sum, (size_t)p * 8);
        if (rows > 0) {
            assert_memory_equal(linear->arrow_rhs, gram->arrow_rhs, (size_t)rows * 8);
        }
        assert_true(linear->zz == gram->zz && linear->n == gram->n && linear->weight_sum == gram->weight_sum);
        w_rng rng;
        w_rng_seed(&rng, 11);
        double *beta = synthetic_numbers(&s, &rng, p), *fitted = synthetic_take(&s, p, sizeof *fitted), most = 0, square = gram->zz;
        w_gram_times(gram, beta, fitted);
        for (int64_t c = 0, core = 0; c < p; c++) {
            const int64_t own = c - gram->arrow_first;
            const bool apart = rows > 0 && own >= 0 && own < rows;
            const double z = apart ? gram->arrow_rhs[own] : gram->rhs[core];
            *(apart ? &linear->arrow_rhs[own] : &linear->rhs[core]) = z - fitted[c];
            square += beta[c] * (fitted[c] - 2 * z);
            most = fmax(most, fabs(z) + fabs(fitted[c]));
            core += !apart;
        }
        linear->zz = square;
        double *before = synthetic_take(&s, gram->core + 1, sizeof *before), *work = synthetic_take(&s, p, sizeof *work);
        memcpy(before, gram->rhs, (size_t)gram->core * sizeof *before);
        const double zz = gram->zz, slack = 8 * (double)(p + 4) * DBL_EPSILON;
        w_gram_relinearise(gram, linear, beta, work);
        double length = 0;
        for (int64_t c = 0; c < p; c++) {
            length += fabs(beta[c]);
        }
        for (int64_t c = 0; c < gram->core; c++) {
            check(shape->name, c, -2, gram->rhs[c], before[c], most, slack);
        }
        check(shape->name, -2, -2, gram->zz, zz, zz + most * length, slack);
        w_gram_free(gram);
        w_gram_free(linear);
        synthetic_free(&s);
    }
    weir_ctx_destroy(ctx);
}

static void test_product_against_dense(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    for (int i = 0; i < SHAPES; i++) {
        const shape *shape = &shapes[i];
        synthetic s;
        synthetic_make(&s, ctx, 70 + (uint64_t)i, shape->rows, shape->dense, shape->intercept, shape->block, shape->count,
                       UNIT_WEIGHTS);
        int64_t q = s.design.p + 2;
        w_rng rng;
        w_rng_seed(&rng, 5);
        double *beta = synthetic_numbers(&s, &rng, q), *eta = synthetic_take(&s, s.rows, sizeof *eta);
        long double *x = synthetic_take(&s, q, sizeof *x), *bound = synthetic_take(&s, q, sizeof *bound);
        w_product *product = NULL;
        assert_int_equal(w_product_create(ctx, &s.design, beta, &product), WEIR_OK);
        w_tile_block block[8];
        w_tile tile = synthetic_tile(&s, 0, s.rows, block);
        w_product_tile(product, &tile, eta);
        for (int64_t r = 0; r < s.rows; r++) {
            long double want = 0, size = 0;
            synthetic_row(&s, r, x, bound);
            for (int64_t c = 0; c < s.design.p; c++) {
                want += x[c] * beta[c];
                size += bound[c] * fabs(beta[c]);
            }
            check(shape->name, r, 0, eta[r], want, size, (double)(3 * s.design.p + 80) * DBL_EPSILON);
        }
        w_product_free(product);
        synthetic_free(&s);
    }
    weir_ctx_destroy(ctx);
}

/* x'Vx for a symmetric V with some columns left out. */
static void test_quadratic_against_dense(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    int tables = 0;
    for (int i = 0; i < SHAPES; i++) {
        const shape *shape = &shapes[i];
        synthetic s;
        synthetic_make(&s, ctx, 90 + (uint64_t)i, shape->rows, shape->dense, shape->intercept, shape->block, shape->count,
                       UNIT_WEIGHTS);
        int64_t p = s.design.p, order = 0;
        w_rng rng;
        w_rng_seed(&rng, 6);
        int64_t *position = synthetic_take(&s, p + 1, sizeof *position);
        for (int64_t c = 0; c < p; c++) {
            position[c] = c % 11 == 5 ? -1 : order++;
        }
        double *v = synthetic_numbers(&s, &rng, order * order + 1), *got = synthetic_take(&s, s.rows, sizeof *got);
        for (int64_t r = 0; r < order; r++) {
            for (int64_t c = 0; c < r; c++) {
                v[r * order + c] = v[c * order + r];
            }
        }
        long double *x = synthetic_take(&s, p + 2, sizeof *x), *bound = synthetic_take(&s, p + 2, sizeof *bound);
        /* Tables; panels, which share = 2^30 asks for; a range of the columns by both. */
        const w_quadratic_form forms[] = {
            { .v = v, .order = order, .position = position },
            { .v = v, .order = order, .position = position, .share = 1 << 30 },
            { .v = v, .order = order, .position = position, .first = p / 3, .last = p - p / 4 },
            { .v = v, .order = order, .position = position, .first = p / 3, .last = p - p / 4, .share = 1 << 30 },
        };
        for (int f = 0; f < 4; f++) {
            w_quadratic *form = NULL;
            const int64_t first = forms[f].first, last = forms[f].last > 0 ? forms[f].last : p;
            bool tabulated = w_quadratic_tabulated(&s.design, &forms[f]);
            assert_false(tabulated && f % 2 == 1);
            tables += tabulated;
            int64_t before = atomic_load(&ctx->ledger.in_use), most = w_quadratic_bytes(&s.design, &forms[f], 1);
            assert_int_equal(w_quadratic_create(ctx, &s.design, &forms[f], &form), WEIR_OK);
            assert_true(atomic_load(&ctx->ledger.in_use) - before <= most);
            w_tile_block block[8];
            w_tile tile = synthetic_tile(&s, 0, s.rows, block);
            w_quadratic_tile(form, &tile, got);
            for (int64_t row = 0; row < s.rows; row += 3) {
                long double want = 0, size = 0;
                synthetic_row(&s, row, x, bound);
                for (int64_t r = first; r < last; r++) {
                    for (int64_t c = first; c < last && position[r] >= 0 && bound[r] > 0; c++) {
                        if (position[c] >= 0) {
                            double entry = v[position[r] * order + position[c]];
                            want += x[r] * entry * x[c];
                            size += bound[r] * fabs(entry) * bound[c];
                        }
                    }
                }
                check(shape->name, row, 0, got[row], want, size, (double)(4 * p + 300) * DBL_EPSILON);
            }
            w_quadratic_free(form);
        }
        synthetic_free(&s);
    }
    assert_true(tables > SHAPES);
    weir_ctx_destroy(ctx);
}

typedef struct makers {
    const synthetic *s;
    const double *beta, *v;
} makers;

static weir_status make_both(weir_ctx *ctx, void *arg)
{
    const makers *m = arg;
    w_product *product = NULL;
    weir_status status = w_product_create(ctx, &m->s->design, m->beta, &product);
    for (int share = 1; status == WEIR_OK && share <= 1 << 30; share += (1 << 30) - 1) { /* tables, panels */
        const w_quadratic_form form = { .v = m->v, .order = m->s->design.p, .share = share };
        w_quadratic *quadratic = NULL;
        status = w_quadratic_create(ctx, &m->s->design, &form, &quadratic);
        w_quadratic_free(quadratic);
    }
    w_product_free(product);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    weir_ctx *ctx = test_ctx(NULL, 1, 0);
    const shape *shape = &shapes[4];
    synthetic s;
    synthetic_make(&s, ctx, 1, 10, shape->dense, shape->intercept, shape->block, shape->count, UNIT_WEIGHTS);
    w_rng rng;
    w_rng_seed(&rng, 2);
    makers m = { &s, synthetic_numbers(&s, &rng, s.design.p), synthetic_numbers(&s, &rng, s.design.p * s.design.p) };
    assert_true(test_each_allocation_fails(ctx, make_both, &m) > 20);
    synthetic_free(&s);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels_against_dense),
        cmocka_unit_test(test_linear_sums),
        cmocka_unit_test(test_product_against_dense),
        cmocka_unit_test(test_quadratic_against_dense),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
