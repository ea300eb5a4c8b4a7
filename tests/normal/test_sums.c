/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over tables: the same bits for any number of threads, windows, parts, and after a file; memory within the prediction;
 * failures leave the sums as they were. */
#include <string.h>

#include "base/archive.h"
#include "base/rng.h"
#include "base/ctx.h"
#include "normal/normal.h"
#include "normal/runs.h"
#include "support/test.h"
#include "table/table.h"

#define FORMULA "y ~ x1 + f + s(x0, k = 8) + s(x1, by = f, k = 5) + te(x0, x1, k = 3) + s(g, bs = \"re\")"

typedef struct data {
    int64_t rows;
    double *y, *x0, *x1, *w;
    int32_t *f, *g;
} data;

static void *take(weir_ctx *ctx, int64_t count, size_t size)
{
    void *block = w_alloc_array(ctx, "test", (size_t)count, size);
    assert_non_null(block);
    return block;
}

/* x1 rises slowly, as time does; every seventh weight is zero. */
static data data_make(weir_ctx *ctx, int64_t rows)
{
    data d = { rows, take(ctx, rows, 8), take(ctx, rows, 8), take(ctx, rows, 8), take(ctx, rows, 8), take(ctx, rows, 4),
               take(ctx, rows, 4) };
    w_rng rng;
    w_rng_seed(&rng, 11);
    for (int64_t i = 0; i < rows; i++) {
        d.x0[i] = w_rng_uniform(&rng);
        d.x1[i] = (double)i / (double)rows;
        d.f[i] = (int32_t)w_rng_below(&rng, 3);
        d.g[i] = (int32_t)w_rng_below(&rng, 40);
        d.w[i] = i % 7 == 3 ? 0 : 0.5 + w_rng_uniform(&rng);
        d.y[i] = d.x0[i] * d.x1[i] + d.f[i] + w_rng_normal(&rng);
    }
    return d;
}

static void data_free(weir_ctx *ctx, data *d)
{
    w_free(ctx, d->y);
    w_free(ctx, d->x0);
    w_free(ctx, d->x1);
    w_free(ctx, d->w);
    w_free(ctx, d->f);
    w_free(ctx, d->g);
}

static weir_table *table_of(weir_ctx *ctx, const data *d, int64_t first, int64_t rows)
{
    weir_column column[] = {
        { "y", WEIR_F64, d->y + first, 0, 0, NULL }, { "x0", WEIR_F64, d->x0 + first, 0, 0, NULL },
        { "x1", WEIR_F64, d->x1 + first, 0, 0, NULL }, { "w", WEIR_F64, d->w + first, 0, 0, NULL },
        { "f", WEIR_I32, d->f + first, 0, 3, NULL }, { "g", WEIR_I32, d->g + first, 0, 40, NULL },
    };
    weir_table *table = NULL;
    assert_int_equal(w_table_from_columns(ctx, rows, 6, column, &table), WEIR_OK);
    return table;
}

static w_design *design_of(weir_ctx *ctx, weir_table *table, const char *weights, int64_t window_bytes)
{
    w_design_options options = { .weights = weights, .keep_bytes = 1 << 28, .window_bytes = window_bytes, .gamma = 1 };
    w_formula *formula = NULL;
    w_design *design = NULL;
    assert_int_equal(w_formula_parse(ctx, FORMULA, &formula), WEIR_OK);
    weir_status status = w_design_compile(ctx, formula, table, &options, &design);
    if (status != WEIR_OK) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    w_formula_free(formula);
    return design;
}

/* Adds rows first … first+rows-1 of the data through a table of their own. */
static weir_status add_part(w_sums *sums, const data *d, int64_t first, int64_t rows)
{
    weir_ctx *ctx = sums->ctx;
    weir_table *table = table_of(ctx, d, first, rows);
    w_binding *binding = NULL;
    w_scan_options scan = { .keep_bytes = 1 << 28, .window_bytes = 1 << 20 };
    weir_status status = w_design_bind(sums->design, table, false, false, &binding);
    if (status == WEIR_OK) {
        status = w_source_scan(table, &scan, NULL, NULL);
    }
    if (status == WEIR_OK) {
        status = w_binding_ready(binding);
    }
    if (status == WEIR_OK) {
        w_pass_options options = { .first_row = first, .request = w_binding_request(binding) };
        status = w_sums_accumulate(sums, table, &options);
    }
    w_binding_free(binding);
    w_table_free(table);
    return status;
}

static void assert_doubles(const char *what, const double *a, const double *b, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (memcmp(&a[i], &b[i], sizeof *a) != 0) {
            fail_msg("%s[%d] is %.17g here and %.17g there", what, (int)i, a[i], b[i]);
        }
    }
}

static void assert_same(const w_gram *a, const w_gram *b)
{
    assert_int_equal(a->core, b->core);
    assert_int_equal(a->n, b->n);
    int64_t arrow = a->arrow_levels * a->arrow_k;
    assert_doubles("matrix", a->matrix, b->matrix, a->core * a->core);
    assert_doubles("rhs", a->rhs, b->rhs, a->core);
    assert_doubles("column_sum", a->column_sum, b->column_sum, a->p);
    assert_doubles("arrow_diag", a->arrow_diag, b->arrow_diag, arrow * a->arrow_k);
    assert_doubles("arrow_border", a->arrow_border, b->arrow_border, arrow * a->core);
    assert_doubles("arrow_rhs", a->arrow_rhs, b->arrow_rhs, arrow);
    assert_doubles("zz", &a->zz, &b->zz, 1);
    assert_doubles("weight_sum", &a->weight_sum, &b->weight_sum, 1);
    assert_doubles("weight_z_sum", &a->weight_z_sum, &b->weight_z_sum, 1);
    assert_doubles("log_weight_sum", &a->log_weight_sum, &b->log_weight_sum, 1);
    assert_doubles("extra", a->extra, b->extra, a->extra_count);
}

static int arrow_of(const w_design *design)
{
    for (int b = 0; b < design->block_count; b++) {
        if (design->block[b].levels == 40) {
            return b;
        }
    }
    fail_msg("no block with 40 levels");
    return -1;
}

static w_gram *gram_of(w_sums *sums)
{
    w_gram *gram = NULL;
    weir_status status = w_sums_gram(sums, arrow_of(sums->design), &gram);
    if (status != WEIR_OK) {
        fail_msg("%s", weir_ctx_message(sums->ctx));
    }
    return gram;
}

/* Rows for three complete shards and part of a fourth that ends inside a tile. */
static int64_t enough_rows(weir_ctx *ctx)
{
    data d = data_make(ctx, 5000);
    weir_table *table = table_of(ctx, &d, 0, d.rows);
    w_design *design = design_of(ctx, table, NULL, 1 << 20);
    double near, far;
    int64_t tiles;
    w_sums_cost(design, &near, &far, &tiles);
    assert_true(near > 0 && far >= 0);
    w_design_free(design);
    w_table_free(table);
    data_free(ctx, &d);
    return 3 * tiles * W_TILE_ROWS + tiles * W_TILE_ROWS / 3 + 1234;
}

static w_gram *one_pass(const data *d, weir_ctx *ctx, int64_t window_bytes, const char *weights)
{
    weir_table *table = table_of(ctx, d, 0, d->rows);
    w_design *design = design_of(ctx, table, weights, window_bytes);
    w_sums *sums = NULL;
    assert_int_equal(w_sums_create(ctx, design, 0, &sums), WEIR_OK);
    assert_int_equal(w_sums_accumulate(sums, table, NULL), WEIR_OK);
    assert_int_equal(w_sums_next_row(sums), d->rows);
    w_gram *gram = gram_of(sums);
    w_sums_free(sums);
    w_design_free(design);
    w_table_free(table);
    return gram;
}

static void test_threads_and_windows(void **state)
{
    (void)state;
    weir_ctx *first = test_ctx(NULL, 1, 0);
    data d = data_make(first, enough_rows(first));
    for (int weighted = 0; weighted < 2; weighted++) {
        w_gram *want = one_pass(&d, first, 1 << 22, weighted ? "w" : NULL);
        assert_int_equal(want->n, weighted ? d.rows - (d.rows + 3) / 7 : d.rows);
        static const int64_t window[] = { 1 << 14, 1 << 24 };
        for (int threads = 1; threads <= 3; threads++) {
            weir_ctx *ctx = test_ctx(NULL, threads, 0);
            for (int i = 0; i < 2; i++) {
                w_gram *got = one_pass(&d, ctx, window[i], weighted ? "w" : NULL);
                assert_same(want, got);
                w_gram_free(got);
            }
            weir_ctx_destroy(ctx);
        }
        w_gram_free(want);
    }
    data_free(first, &d);
    weir_ctx_destroy(first);
}

typedef struct problem {
    weir_ctx *ctx;
    data d;
    weir_table *table;
    w_design *design;
    w_gram *want;
} problem;

static problem problem_make(int threads)
{
    problem p = { .ctx = test_ctx(NULL, threads, 0) };
    p.d = data_make(p.ctx, enough_rows(p.ctx));
    p.table = table_of(p.ctx, &p.d, 0, p.d.rows);
    p.design = design_of(p.ctx, p.table, "w", 1 << 20);
    w_sums *sums = NULL;
    assert_int_equal(w_sums_create(p.ctx, p.design, 0, &sums), WEIR_OK);
    assert_int_equal(w_sums_accumulate(sums, p.table, NULL), WEIR_OK);
    p.want = gram_of(sums);
    w_sums_free(sums);
    return p;
}

static void problem_free(problem *p)
{
    w_gram_free(p->want);
    w_design_free(p->design);
    w_table_free(p->table);
    data_free(p->ctx, &p->d);
    weir_ctx_destroy(p->ctx);
}

static w_sums *saved_and_loaded(w_sums *sums)
{
    w_archive *archive = NULL;
    w_sums *loaded = NULL;
    assert_int_equal(w_archive_create(sums->ctx, "sums", 1, &archive), WEIR_OK);
    assert_int_equal(w_sums_save(sums, archive), WEIR_OK);
    weir_status status = w_sums_load(sums->ctx, sums->design, archive, &loaded);
    if (status != WEIR_OK) {
        fail_msg("%s", weir_ctx_message(sums->ctx));
    }
    w_archive_free(archive);
    w_sums_free(sums);
    return loaded;
}

/* Seven parts cut anywhere, added in a scrambled order, each through a file. */
static void test_seven_parts(void **state)
{
    (void)state;
    problem p = problem_make(2);
    w_rng rng;
    w_rng_seed(&rng, 3);
    for (int trial = 0; trial < 3; trial++) {
        int64_t cut[8] = { 0 };
        w_rng_sample(&rng, p.d.rows - 1, 6, cut + 1);
        cut[7] = p.d.rows;
        static const int order[3][7] = { { 0, 1, 2, 3, 4, 5, 6 }, { 6, 5, 4, 3, 2, 1, 0 }, { 3, 1, 6, 0, 5, 2, 4 } };
        w_sums *all = NULL;
        assert_int_equal(w_sums_create(p.ctx, p.design, 0, &all), WEIR_OK);
        for (int i = 0; i < 7; i++) {
            int part = order[trial][i];
            int64_t rows = cut[part + 1] - cut[part];
            w_sums *sums = NULL;
            assert_int_equal(w_sums_create(p.ctx, p.design, 0, &sums), WEIR_OK);
            weir_status status = rows > 0 ? add_part(sums, &p.d, cut[part], rows) : WEIR_OK;
            if (status != WEIR_OK) {
                fail_msg("%s", weir_ctx_message(p.ctx));
            }
            sums = saved_and_loaded(sums);
            status = w_sums_merge(all, sums);
            if (status != WEIR_OK) {
                fail_msg("%s", weir_ctx_message(p.ctx));
            }
            w_sums_free(sums);
        }
        w_gram *got = gram_of(all);
        assert_same(p.want, got);
        w_gram_free(got);
        w_sums_free(all);
    }
    problem_free(&p);
}

/* Parts inside one shard, added in every order of three. */
static void test_small_parts(void **state)
{
    (void)state;
    problem p = problem_make(1);
    static const int order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    static const int64_t cut[4] = { 0, 777, 5001, 9000 };
    w_gram *want = NULL;
    for (int k = 0; k < 6; k++) {
        w_sums *all = NULL;
        assert_int_equal(w_sums_create(p.ctx, p.design, 0, &all), WEIR_OK);
        for (int i = 0; i < 3; i++) {
            int part = order[k][i];
            w_sums *sums = NULL;
            assert_int_equal(w_sums_create(p.ctx, p.design, 0, &sums), WEIR_OK);
            assert_int_equal(add_part(sums, &p.d, cut[part], cut[part + 1] - cut[part]), WEIR_OK);
            assert_int_equal(w_sums_merge(all, sums), WEIR_OK);
            w_sums_free(sums);
        }
        w_gram *got = gram_of(all);
        if (want) {
            assert_same(want, got);
            w_gram_free(got);
        } else {
            want = got;
        }
        w_sums_free(all);
    }
    w_gram_free(want);
    problem_free(&p);
}

/* Appending to sums that end inside a shard goes on where they stopped. */
static void test_append(void **state)
{
    (void)state;
    problem p = problem_make(2);
    w_sums *sums = NULL;
    assert_int_equal(w_sums_create(p.ctx, p.design, 0, &sums), WEIR_OK);
    static const int64_t step[] = { 1, 4095, 10000, 123456 };
    for (int i = 0; w_sums_next_row(sums) < p.d.rows; i++) {
        int64_t first = w_sums_next_row(sums), left = p.d.rows - first;
        assert_int_equal(add_part(sums, &p.d, first, left < step[i % 4] ? left : step[i % 4]), WEIR_OK);
    }
    w_gram *got = gram_of(sums);
    assert_same(p.want, got);
    w_gram_free(got);
    w_sums_free(sums);
    problem_free(&p);
}

static void test_overlap_and_gap(void **state)
{
    (void)state;
    problem p = problem_make(1);
    w_sums *a = NULL, *b = NULL;
    w_gram *gram = NULL;
    assert_int_equal(w_sums_create(p.ctx, p.design, 0, &a), WEIR_OK);
    assert_int_equal(w_sums_create(p.ctx, p.design, 0, &b), WEIR_OK);
    assert_int_equal(w_sums_gram(a, -1, &gram), WEIR_E_DATA);
    assert_int_equal(add_part(a, &p.d, 100, 5000), WEIR_OK);
    w_message_clear(p.ctx);
    assert_int_equal(w_sums_gram(a, -1, &gram), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(p.ctx), "rows 1 to 100 are missing"));
    assert_int_equal(add_part(b, &p.d, 5099, 200), WEIR_OK);
    w_message_clear(p.ctx);
    assert_int_equal(w_sums_merge(a, b), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(p.ctx), "rows 5100 to 5100"));
    w_message_clear(p.ctx);
    assert_int_equal(add_part(a, &p.d, 50, 51), WEIR_E_DATA);
    assert_int_equal(add_part(a, &p.d, 50, 50), WEIR_OK);
    assert_int_equal(add_part(a, &p.d, 0, 50), WEIR_OK);
    assert_int_equal(w_sums_gram(a, 1, &gram), WEIR_E_ARG); /* f has a reference level without a column */
    assert_int_equal(w_sums_gram(a, -1, &gram), WEIR_OK);
    assert_int_equal(gram->p, p.design->p);
    w_gram_free(gram);
    w_sums_free(a);
    w_sums_free(b);
    problem_free(&p);
}

static weir_status fallible(weir_ctx *ctx, void *arg)
{
    problem *p = arg;
    w_sums *sums = NULL, *more = NULL;
    w_gram *before = NULL, *after = NULL;
    (void)ctx;
    weir_status status = w_sums_create(p->ctx, p->design, 0, &sums);
    if (status == WEIR_OK) {
        status = w_sums_accumulate(sums, p->table, NULL);
    }
    if (status == WEIR_OK) {
        status = w_sums_gram(sums, -1, &before);
    }
    if (status == WEIR_OK) {
        status = w_sums_create(p->ctx, p->design, 0, &more);
    }
    w_pass_options later = { .first_row = p->d.rows };
    if (status == WEIR_OK) {
        status = w_sums_accumulate(more, p->table, &later);
    }
    if (status == WEIR_OK) {
        status = w_sums_merge(sums, more);
    }
    if (status == WEIR_OK) {
        later.first_row = 2 * p->d.rows;
        status = w_sums_accumulate(sums, p->table, &later);
    }
    if (status == WEIR_OK) {
        status = w_sums_gram(sums, arrow_of(p->design), &after);
        assert_true(status != WEIR_OK || after->n == 3 * before->n);
    }
    w_gram_free(before);
    w_gram_free(after);
    w_sums_free(sums);
    w_sums_free(more);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    problem p = problem_make(2);
    int64_t count = test_some_allocations_fail(p.ctx, fallible, &p, 1, 61);
    assert_true(count > 50);
    problem_free(&p);
}

/* A pass that fails leaves what was there. */
static void test_failed_pass_changes_nothing(void **state)
{
    (void)state;
    problem p = problem_make(2);
    w_sums *sums = NULL;
    assert_int_equal(w_sums_create(p.ctx, p.design, 0, &sums), WEIR_OK);
    assert_int_equal(add_part(sums, &p.d, 0, 6000), WEIR_OK);
    w_gram *want = gram_of(sums);
    w_pass_options later = { .first_row = 6000 };
    for (int64_t k = 1; k < 200; k += 3) {
        w_ledger_fail_at(p.ctx, k, 1);
        weir_status status = w_sums_accumulate(sums, p.table, &later);
        w_ledger_fail_at(p.ctx, 0, 0);
        if (status == WEIR_OK) {
            assert_int_equal(w_sums_next_row(sums), 6000 + p.d.rows);
            w_gram_free(want);
            w_sums_free(sums);
            problem_free(&p);
            return;
        }
        assert_int_equal(w_sums_next_row(sums), 6000);
        w_gram *got = gram_of(sums);
        assert_same(want, got);
        w_gram_free(got);
    }
    fail_msg("200 allocations in one pass");
}

static void test_memory_as_predicted(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        problem p = problem_make(threads);
        w_ledger *ledger = &p.ctx->ledger;
        int64_t before = atomic_load(&ledger->in_use);
        int64_t predicted = w_sums_bytes(p.design, threads) + w_gram_bytes(p.design, arrow_of(p.design));
        w_ledger_reset_peak(p.ctx);
        w_sums *sums = NULL;
        assert_int_equal(w_sums_create(p.ctx, p.design, 0, &sums), WEIR_OK);
        assert_int_equal(w_sums_accumulate(sums, p.table, NULL), WEIR_OK);
        w_gram *gram = gram_of(sums);
        int64_t peak = atomic_load(&ledger->peak) - before;
        if (peak > predicted) {
            fail_msg("%d threads: %lld bytes at the peak, %lld predicted", threads, (long long)peak, (long long)predicted);
        }
        w_gram_free(gram);
        w_sums_free(sums);
        problem_free(&p);
    }
}

static weir_status halve(void *arg, const w_design *design, w_tile *tile, double *extra)
{
    (void)arg;
    (void)design;
    for (int64_t i = 0; i < tile->rows; i++) {
        tile->weight[i] *= 0.5;
        extra[0] += tile->weight[i];
        extra[1] += 1;
    }
    return WEIR_OK;
}

static void test_working_callback(void **state)
{
    (void)state;
    problem p = problem_make(2);
    w_sums *sums = NULL;
    assert_int_equal(w_sums_create(p.ctx, p.design, 2, &sums), WEIR_OK);
    w_pass_options options = { .working = halve, .extra_count = 2 };
    assert_int_equal(w_sums_accumulate(sums, p.table, &options), WEIR_OK);
    w_gram *got = gram_of(sums);
    for (int64_t i = 0; i < got->core * got->core; i++) {
        assert_true(got->matrix[i] == 0.5 * p.want->matrix[i]);
    }
    assert_true(got->zz == 0.5 * p.want->zz && got->log_weight_sum == p.want->log_weight_sum && got->n == p.want->n);
    assert_true(got->extra[1] == (double)p.d.rows);
    assert_true(got->extra[0] > 0.499999 * p.want->weight_sum && got->extra[0] < 0.500001 * p.want->weight_sum);
    w_gram_free(got);
    w_sums_free(sums);
    problem_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_and_windows), cmocka_unit_test(test_seven_parts),
        cmocka_unit_test(test_small_parts), cmocka_unit_test(test_append), cmocka_unit_test(test_overlap_and_gap),
        cmocka_unit_test(test_failing_allocations), cmocka_unit_test(test_failed_pass_changes_nothing),
        cmocka_unit_test(test_memory_as_predicted), cmocka_unit_test(test_working_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
