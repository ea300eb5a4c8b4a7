/* SPDX-License-Identifier: Apache-2.0 */
/* Whitened cross-products against whitened dense rows, over every kind of block, with series, weights, rows of weight 0 and missing
 * values: to rounding, and with the same bits for any threads and windows. An entry of C is a sum of at most 3 n terms; with
 * s_i = sum_j over a row and the one before of |u_i u_j| its bound is (3 n + 2 p + 60) eps (1 + |rho|)/(1 - |rho|) sum s_i. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "normal/normal.h"
#include "normal/runs.h"
#include "support/tables.h"
#include "support/test.h"
#include "table/table.h"

#define ROWS 13000
#define FORMULA "y ~ x1 + f + s(x0, k = 8) + s(x1, by = f, k = 5) + te(x0, x1, k = 3) + s(g, bs = \"re\")"

typedef struct problem {
    weir_ctx *ctx;
    weir_table *table;
    w_design *design;
} problem;

/* Columns y x0 x1 w f g h s t: h changes rarely, s is 1 where h changes and once more, t the same in words. Rows 4000 … 9000 are
 * mostly without weight or values, so that the row before may lie a window or a tile back, and a beginning may be lost in them. */
static char *make_text(void)
{
    char *text = malloc((size_t)ROWS * 100 + 100), *at = text + sprintf(text, "y,x0,x1,w,f,g,h,s,t\n");
    w_rng rng;
    w_rng_seed(&rng, 5);
    int h = 0;
    for (int i = 0; i < ROWS; i++) {
        double x0 = w_rng_uniform(&rng), x1 = (double)i / ROWS, y = x0 + x1 + w_rng_normal(&rng), w = 0.5 + w_rng_uniform(&rng);
        int f = (int)w_rng_below(&rng, 3), g = (int)w_rng_below(&rng, 40);
        bool begins = w_rng_below(&rng, 900) == 0 || (i > 6000 && i < 6003), gap = i > 4000 && i < 9000 && i % 1500 != 0;
        bool missing = gap ? i % 2 : w_rng_below(&rng, 50) == 0;
        h += begins;
        w = (gap && !missing) || w_rng_below(&rng, 40) == 0 ? 0 : w;
        char value[32] = "";
        snprintf(value, sizeof value, "%.5f", y);
        bool marked = begins || i == 777;
        at += sprintf(at, "%s,%.6f,%.6f,%.3f,%c,g%d,h%d,%d,%s\n", missing ? "" : value, x0, x1, w, 'a' + f, g, h, marked,
                      marked ? "TRUE" : "FALSE");
    }
    return text;
}

static problem problem_of(const char *path, const char *text, int threads, const char *weights, const char *start,
                          int64_t window_bytes)
{
    problem p = { .ctx = test_ctx(NULL, threads, 0) };
    const char *paths[1] = { path };
    w_formula *formula = NULL;
    w_design_options options = { .weights = weights, .start = start, .ar1 = true, .missing = WEIR_MISSING_DROP, .gamma = 1,
                                 .window_bytes = window_bytes, .keep_bytes = window_bytes ? 0 : 1 << 28 };
    weir_table_options how = WEIR_TABLE_OPTIONS_INIT;
    assert_int_equal(w_table_open_files(p.ctx, 1, paths, &how, &p.table), WEIR_OK);
    assert_int_equal(w_formula_parse(p.ctx, text, &formula), WEIR_OK);
    if (w_design_compile(p.ctx, formula, p.table, &options, &p.design) != WEIR_OK) {
        fail_msg("%s", weir_ctx_message(p.ctx));
    }
    w_formula_free(formula);
    return p;
}

static problem problem_make(const char *path, int threads, const char *weights, const char *start, int64_t window_bytes)
{
    return problem_of(path, FORMULA, threads, weights, start, window_bytes);
}

static void problem_free(problem *p)
{
    w_design_free(p->design);
    w_table_free(p->table);
    weir_ctx_destroy(p->ctx);
}

typedef struct sums {
    w_sums *sums;
    w_gram *rows, *ends, *lag, *white;
} sums;

static void sums_free(sums *s)
{
    w_gram_free(s->rows);
    w_gram_free(s->ends);
    w_gram_free(s->lag);
    w_gram_free(s->white);
    w_sums_free(s->sums);
}

static weir_status sums_make(problem *p, sums *out)
{
    w_tile_request request = { .missing = WEIR_MISSING_DROP };
    w_pass_options pass = { .request = &request };
    *out = (sums){ 0 };
    weir_status status = w_sums_create(p->ctx, p->design, 0, &out->sums);
    status = status < 0 ? status : w_sums_accumulate(out->sums, p->table, &pass);
    status = status < 0 ? status : w_sums_gram(out->sums, -1, &out->rows);
    status = status < 0 ? status : w_sums_lag_grams(out->sums, -1, &out->ends, &out->lag);
    return status < 0 ? status : w_gram_create(p->ctx, out->rows, &out->white);
}

/* The rows that count: p columns and z, times the root of the weight; and whether a series begins there. `logical`: marks. */
typedef struct dense {
    int64_t n, width, links;
    double *u, *log_weights;
    bool *begins;
} dense;

static dense dense_make(problem *p, bool logical)
{
    w_window window;
    w_tile *tile = NULL;
    w_tile_request request = { .missing = WEIR_MISSING_DROP };
    dense d = { .width = p->design->p + 1 };
    const int column = p->design->start_column;
    d.u = malloc((size_t)ROWS * (size_t)d.width * sizeof *d.u);
    d.begins = calloc(ROWS, sizeof *d.begins);
    d.log_weights = calloc(1, sizeof *d.log_weights);
    assert_int_equal(w_tile_create(p->ctx, p->design, &tile), WEIR_OK);
    assert_int_equal(w_source_rewind(p->table), WEIR_OK);
    bool marked = false;
    int32_t series = -1;
    while (w_source_next(p->table, &window) == WEIR_OK && window.rows > 0) {
        for (int64_t start = 0; start < window.rows; start += W_TILE_ROWS) {
            int64_t rows = window.rows - start < W_TILE_ROWS ? window.rows - start : W_TILE_ROWS;
            assert_int_equal(w_tile_eval(p->design, &window, start, rows, &request, tile), WEIR_OK);
            for (int64_t i = 0; i < rows; i++) {
                int32_t own = column < 0 ? 0 : tile->series[i];
                marked |= logical && own == 1;
                if (tile->weight[i] == 0) {
                    continue;
                }
                double *u = d.u + d.n * d.width, root = sqrt(tile->weight[i]);
                w_tile_dense_row(p->design, tile, i, u);
                const int width = p->design->block[0].width;
                u[d.width - 1] = tile->block[0].value[i * width + width - 1];
                for (int64_t c = 0; c < d.width; c++) {
                    u[c] *= root;
                }
                d.begins[d.n] = d.n == 0 || (logical ? marked : own != series);
                d.links += !d.begins[d.n++];
                *d.log_weights += log(tile->weight[i]);
                series = own;
                marked = false;
            }
        }
    }
    w_tile_free(p->ctx, tile);
    return d;
}

static void dense_free(dense *d)
{
    free(d->u);
    free(d->begins);
    free(d->log_weights);
}

/* value and bound: width x width. */
static void dense_gram(const dense *d, double rho, double *value, double *bound)
{
    const int64_t w = d->width;
    double *v = malloc((size_t)w * sizeof *v), *s = malloc((size_t)w * sizeof *s);
    memset(value, 0, (size_t)(w * w) * sizeof *value);
    memset(bound, 0, (size_t)(w * w) * sizeof *bound);
    for (int64_t i = 0; i < d->n; i++) {
        const double *u = d->u + i * w;
        for (int64_t c = 0; c < w; c++) {
            v[c] = d->begins[i] ? u[c] : (u[c] - rho * u[c - w]) / sqrt(1 - rho * rho);
            s[c] = fabs(u[c]) + (d->begins[i] ? 0 : fabs(u[c - w]));
        }
        for (int64_t a = 0; a < w; a++) {
            for (int64_t b = 0; b < w && s[a] != 0; b++) {
                value[a * w + b] += v[a] * v[b];
                bound[a * w + b] += s[a] * s[b];
            }
        }
    }
    free(v);
    free(s);
}

static void compare(const dense *d, const sums *s, double rho)
{
    const int64_t w = d->width, p = w - 1;
    double *value = malloc((size_t)(w * w) * sizeof *value), *bound = malloc((size_t)(w * w) * sizeof *bound);
    const double unit = (3.0 * (double)d->n + 2.0 * (double)p + 60) * DBL_EPSILON * (1 + fabs(rho)) / (1 - fabs(rho));
    dense_gram(d, rho, value, bound);
    w_gram_whiten(s->rows, s->ends, s->lag, rho, s->white);
    for (int64_t a = 0; a < w; a++) {
        for (int64_t b = 0; b < w; b++) {
            double got = a < p && b < p ? s->white->matrix[a * p + b] : a < p ? s->white->rhs[a] : b < p ? s->white->rhs[b] : s->white->zz;
            if (!(fabs(got - value[a * w + b]) <= unit * bound[a * w + b])) {
                fail_msg("rho %g: entry %d, %d is %.17g, dense rows give %.17g", rho, (int)a, (int)b, got, value[a * w + b]);
            }
        }
    }
    assert_int_equal(s->lag->n, d->links);
    assert_int_equal(s->white->n, d->n);
    double logs = *d->log_weights - (double)d->links * log(1 - rho * rho);
    assert_true(fabs(s->white->log_weight_sum - logs) <= 1e-12 * (double)d->n);
    free(value);
    free(bound);
}

static void check_dense(const char *weights, const char *start, bool logical)
{
    char *text = make_text();
    const char *path = test_text_file("series.csv", text);
    problem p = problem_make(path, 2, weights, start, 1 << 16);
    sums s;
    if (sums_make(&p, &s) != WEIR_OK) {
        fail_msg("%s", weir_ctx_message(p.ctx));
    }
    dense d = dense_make(&p, logical);
    assert_true(d.n < ROWS - 2000 && d.links < d.n);
    compare(&d, &s, 0.7);
    compare(&d, &s, -0.45);
    w_gram_whiten(s.rows, s.ends, s.lag, 0, s.white);
    assert_memory_equal(s.white->matrix, s.rows->matrix, (size_t)(s.rows->p * s.rows->p) * sizeof(double));
    dense_free(&d);
    sums_free(&s);
    problem_free(&p);
    free(text);
}

/* A factor's own series: its blocks meet level by level, and its random effect can be kept apart. */
static void test_arrow_of_the_series(void **state)
{
    (void)state;
    char *text = make_text();
    const char *path = test_text_file("series.csv", text);
    problem p = problem_of(path, "y ~ f + s(x0, k = 8) + s(x1, h, bs = \"fs\", k = 4)", 2, "w", "h", 1 << 16);
    int arrow = -1;
    for (int b = 0; b < p.design->block_count; b++) {
        arrow = p.design->block[b].levels > 5 ? b : arrow;
    }
    assert_true(arrow >= 0 && p.design->block[arrow].code == p.design->start_code);
    sums s;
    assert_int_equal(sums_make(&p, &s), WEIR_OK);
    dense d = dense_make(&p, false);
    compare(&d, &s, 0.7);
    w_gram *rows, *ends, *lag, *white;
    assert_int_equal(w_sums_gram(s.sums, arrow, &rows), WEIR_OK);
    assert_int_equal(w_sums_lag_grams(s.sums, arrow, &ends, &lag), WEIR_OK);
    assert_int_equal(w_gram_create(p.ctx, rows, &white), WEIR_OK);
    w_gram_whiten(rows, ends, lag, 0.7, white);
    const int64_t k = white->arrow_k, first = white->arrow_first;
    double zz = fabs(white->zz);
    for (int64_t i = 0; i < white->p; i++) {
        for (int64_t j = 0; j < white->p; j++) {
            bool a = i >= first && i < first + white->arrow_levels * k, b = j >= first && j < first + white->arrow_levels * k;
            int64_t r = i - first, t = j - first, x = i < first ? i : i - white->arrow_levels * k, y = j < first ? j : j - white->arrow_levels * k;
            double got = a && b ? (r / k == t / k ? white->arrow_diag[r * k + t % k] : 0)
                                : a ? white->arrow_border[r * white->core + y]
                                    : b ? white->arrow_border[t * white->core + x] : white->matrix[x * white->core + y];
            assert_true(fabs(got - s.white->matrix[i * white->p + j]) <= 1e-12 * zz);
        }
        bool a = i >= first && i < first + white->arrow_levels * k;
        double rhs = a ? white->arrow_rhs[i - first] : white->rhs[i < first ? i : i - white->arrow_levels * k];
        assert_true(fabs(rhs - s.white->rhs[i]) <= 1e-12 * zz);
    }
    w_gram_free(rows);
    w_gram_free(ends);
    w_gram_free(lag);
    w_gram_free(white);
    dense_free(&d);
    sums_free(&s);
    problem_free(&p);
    free(text);
}

static void test_one_series(void **state)
{
    (void)state;
    check_dense(NULL, NULL, false);
}

static void test_series_of_a_factor(void **state)
{
    (void)state;
    check_dense("w", "h", false);
}

static void test_marks_of_numbers(void **state)
{
    (void)state;
    check_dense("w", "s", true);
}

static void test_marks_of_words(void **state)
{
    (void)state;
    check_dense(NULL, "t", true);
}

static void assert_bits(const w_gram *a, const w_gram *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->matrix, b->matrix, (size_t)(a->p * a->p) * sizeof(double));
    assert_memory_equal(a->rhs, b->rhs, (size_t)a->p * sizeof(double));
    assert_memory_equal(&a->zz, &b->zz, sizeof a->zz);
}

static void test_bits(void **state)
{
    (void)state;
    static const int64_t window[] = { 0, 1 << 15, 100000, 1 << 19 };
    char *text = make_text();
    const char *path = test_text_file("series.csv", text);
    problem p = problem_make(path, 1, "w", "s", 0);
    sums s;
    assert_int_equal(sums_make(&p, &s), WEIR_OK);
    for (int threads = 1; threads <= 3; threads++) {
        for (int i = 0; i < 4; i++) {
            problem q = problem_make(path, threads, "w", "s", window[i]);
            sums t;
            assert_int_equal(sums_make(&q, &t), WEIR_OK);
            assert_bits(s.rows, t.rows);
            assert_bits(s.ends, t.ends);
            assert_bits(s.lag, t.lag);
            sums_free(&t);
            problem_free(&q);
        }
    }
    sums_free(&s);
    problem_free(&p);
    free(text);
}

static weir_status fallible(weir_ctx *ctx, void *arg)
{
    (void)ctx;
    sums s;
    weir_status status = sums_make(arg, &s);
    sums_free(&s);
    return status;
}

static void test_allocations_and_memory(void **state)
{
    (void)state;
    char *text = make_text();
    const char *path = test_text_file("series.csv", text);
    problem p = problem_make(path, 2, "w", "h", 0);
    assert_true(test_some_allocations_fail(p.ctx, fallible, &p, 1, 13) > 50);
    int64_t before = atomic_load(&p.ctx->ledger.in_use);
    int64_t predicted = w_sums_bytes(p.design, 2) + w_gram_bytes(p.design, -1);
    w_ledger_reset_peak(p.ctx);
    sums s;
    assert_int_equal(sums_make(&p, &s), WEIR_OK);
    int64_t peak = atomic_load(&p.ctx->ledger.peak) - before;
    if (peak > predicted) {
        fail_msg("%lld bytes at the peak, %lld predicted", (long long)peak, (long long)predicted);
    }
    sums_free(&s);
    problem_free(&p);
    free(text);
}

/* Parts of the rows cannot be added by themselves. */
static void test_parts_are_refused(void **state)
{
    (void)state;
    char *text = make_text();
    const char *path = test_text_file("series.csv", text);
    problem p = problem_make(path, 1, NULL, NULL, 0);
    sums s, more;
    assert_int_equal(sums_make(&p, &s), WEIR_OK);
    assert_int_equal(sums_make(&p, &more), WEIR_OK);
    w_pass_options later = { .first_row = ROWS };
    assert_int_equal(w_sums_accumulate(s.sums, p.table, &later), WEIR_E_ARG);
    assert_int_equal(w_sums_accumulate(s.sums, p.table, NULL), WEIR_E_DATA);
    assert_int_equal(w_sums_merge(s.sums, more.sums), WEIR_E_ARG);
    sums_free(&s);
    sums_free(&more);
    problem_free(&p);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_series),         cmocka_unit_test(test_series_of_a_factor),
        cmocka_unit_test(test_marks_of_numbers),   cmocka_unit_test(test_marks_of_words),
        cmocka_unit_test(test_bits),               cmocka_unit_test(test_allocations_and_memory),
        cmocka_unit_test(test_parts_are_refused),  cmocka_unit_test(test_arrow_of_the_series),
    };
    return cmocka_run_group_tests(tests, NULL, test_files_remove);
}
