/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles against the slow definitions: columns of smooths from w_smooth_rows, by variables and levels put in by hand. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/designs.h"
#include "table/table.h"

#define ROWS 9000

static const char *const formulas[] = {
    "y ~ x + f + s(x, bs='cr') + te(z, w, k = 4)",
    "y ~ s(x, k = 8) + s(z, bs = 'ps') + s(w, bs = 'cc') + f:g",
    "y ~ f + s(x, by = f, bs = 'cr', k = 6) + s(z, by = v, bs = 'cr')",
    "y ~ ti(x, bs = 'cr') + ti(z, bs = 'cr') + ti(x, z, k = c(4, 5)) + te(x, z, w, k = 3)",
    "y ~ 0 + s(log(x + 1), bs = 'cs') + s(g, bs = 're') + s(v, g, bs = 're') + s(f, g, bs = 're') + s(v, bs = "
    "'re')",
    "y ~ te(x, z, by = f, k = 3) + s(year, k = 4, bs = 'cr') + factor(year) + offset(w) + offset(2 * v)",
    "y ~ f + s(x, z, by = f, k = 9) + s(z, w, x, m = 2, k = 12) + s(x, w, by = v, bs = 'ts') + s(x, k = 6)",
    "y ~ s(x, f, bs = 'fs', k = 5) + s(z, factor(year), bs = 'fs', xt = 'cc', k = 6) + s(g, bs = 're')",
    "y ~ s(f, x, bs = 'sz', k = 5) + s(z, factor(year), f, bs = 'sz', xt = list(bs = 'cc'), k = 5, id = 1) + x",
    "y ~ t2(x, z) + t2(z, w, v, k = 3) + t2(x, w, by = v, bs = 'ts') + t2(x, v, by = f, k = 4)",
    "y ~ s(x, k = 5, bs = 'cr', by = factor(year)) + s(g, by = f, bs = 're')",
};

static double column_of(const test_data *d, const char *name, int64_t i)
{
    const char *const names[] = {"x", "z", "w", "v", "year"};
    const double *const column[] = {d->x, d->z, d->w, d->v, d->year};
    if (strcmp(name, "log(x + 1)") == 0) {
        return log(d->x[i] + 1);
    }
    for (size_t k = 0; k < 5; k++) {
        if (strcmp(name, names[k]) == 0) {
            return column[k][i];
        }
    }
    fail_msg("no column %s", name);
    return 0;
}

static int64_t level_of(const test_data *d, const char *name, int64_t i)
{
    return strcmp(name, "f") == 0 ? d->f[i] : strcmp(name, "g") == 0 ? d->g[i] : (int64_t)d->year[i] - 2001;
}

/* The columns of a smooth term in row i. */
static void expect_smooth(weir_ctx *ctx, const test_data *d, const w_term *term, int64_t i, double *out)
{
    double x[W_MAX_MARGINS];
    const double *covariate[W_MAX_MARGINS];
    if (strcmp(term->basis, "fs") == 0) {
        x[0] = column_of(d, term->variable[0], i);
        covariate[0] = x;
        memset(out, 0, (size_t)term->columns * sizeof *out);
        out += level_of(d, term->variable[1], i) * term->smooth->columns;
        assert_int_equal(w_smooth_rows(ctx, term->smooth, 1, covariate, out), WEIR_OK);
        return;
    }
    for (int m = 0; m < term->variable_count; m++) {
        bool level = term->smooth->margin[m < term->smooth->margin_count ? m : 0].kind == W_BASIS_SZ;
        x[m] = level ? (double)level_of(d, term->variable[m], i) : column_of(d, term->variable[m], i);
        covariate[m] = &x[m];
    }
    assert_int_equal(w_smooth_rows(ctx, term->smooth, 1, covariate, out), WEIR_OK);
    double by = !term->by         ? 1
                : term->level < 0 ? column_of(d, term->by, i)
                                  : level_of(d, term->by, i) == term->level;
    for (int64_t j = 0; j < term->columns; j++) {
        out[j] *= by;
    }
}

/* A random effect: the indicator of the joint level (first category fastest) times the numbers. */
static void expect_random(const test_data *d, const w_term *term, int64_t i, double *out)
{
    double value = 1;
    int64_t level = 0, stride = 1;
    for (int m = 0; m < term->variable_count; m++) {
        const char *name = term->variable[m];
        if (strcmp(name, "f") == 0 || strcmp(name, "g") == 0) {
            level += stride * level_of(d, name, i);
            stride *= name[0] == 'f' ? 3 : 10;
        } else {
            value *= column_of(d, name, i);
        }
    }
    memset(out, 0, (size_t)term->columns * sizeof *out);
    out[level] = !term->by || level_of(d, term->by, i) == term->level ? value : 0;
}

/* Sums of at most raw_columns products of numbers below `largest` in another order. */
static void check_term(const w_term *term, const double *row, const double *expected, int64_t i)
{
    double largest = 1;
    for (int64_t j = 0; j < term->columns; j++) {
        largest = fmax(largest, fabs(expected[j]));
    }
    double raw = term->smooth ? 16 + (double)term->smooth->raw_columns : 1;
    for (int64_t j = 0; j < term->columns; j++) {
        if (!(fabs(row[term->first + j] - expected[j]) <= 8 * raw * DBL_EPSILON * largest)) {
            fail_msg("%s column %lld row %lld: %.17g, expected %.17g", term->label, (long long)j, (long long)i,
                     row[term->first + j], expected[j]);
        }
    }
}

static void check_rows(weir_ctx *ctx, const test_data *d, const w_design *design, const w_tile *tile)
{
    double *row = calloc((size_t)design->p, sizeof *row), *expected = calloc((size_t)design->p, sizeof *expected);
    assert_true(row && expected);
    for (int64_t i = 0; i < tile->rows; i += 37) {
        int64_t absolute = tile->first_row + i;
        w_tile_dense_row(design, tile, i, row);
        for (int t = 0; t < design->term_count; t++) {
            const w_term *term = &design->term[t];
            if (term->kind == W_TERM_SMOOTH) {
                expect_smooth(ctx, d, term, absolute, expected);
                check_term(term, row, expected, absolute);
            } else if (term->kind == W_TERM_RANDOM) {
                expect_random(d, term, absolute, expected);
                check_term(term, row, expected, absolute);
            }
        }
        const int width = design->block[0].width;
        double z = tile->response[i] - tile->offset[i] - design->response_shift;
        assert_true(tile->block[0].value[i * width + width - 1] == z);
        assert_true(tile->response[i] == d->y[absolute]);
        assert_true(tile->offset[i] == (design->offset_count ? d->w[absolute] + 2 * d->v[absolute] : 0));
    }
    free(row);
    free(expected);
}

static void dense_rows(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    test_data *data = test_data_make(ROWS, 5);
    weir_table *table = test_data_table(ctx, data);
    for (size_t k = 0; k < sizeof formulas / sizeof *formulas; k++) {
        w_design *design = test_design(ctx, formulas[k], table, NULL);
        w_tile *tile = NULL;
        w_window window;
        assert_int_equal(w_tile_create(ctx, design, &tile), WEIR_OK);
        assert_int_equal(w_source_rewind(table), WEIR_OK);
        for (;;) {
            assert_int_equal(w_source_next(table, &window), WEIR_OK);
            if (window.rows == 0) {
                break;
            }
            for (int64_t start = 0; start < window.rows; start += W_TILE_ROWS) {
                int64_t rows = window.rows - start < W_TILE_ROWS ? window.rows - start : W_TILE_ROWS;
                assert_int_equal(w_tile_eval(design, &window, start, rows, NULL, tile), WEIR_OK);
                assert_true(tile->unit_weight && tile->counted == rows && tile->log_weight_sum == 0);
                check_rows(ctx, data, design, tile);
            }
        }
        w_tile_free(ctx, tile);
        w_design_free(design);
    }
    w_table_free(table);
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

/* Missing values, weights of zero: such rows do not count and hold nothing that is not finite. */
static void rows_that_do_not_count(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    test_data *data = test_data_make(3000, 8);
    data->x[17] = NAN;
    data->y[100] = NAN;
    data->f[200] = -1;
    data->v[300] = NAN;
    data->weight[400] = 0;
    data->x[400] = 0.25;
    data->weight[500] = NAN;
    weir_table *table = test_data_table(ctx, data);
    const w_design_options options = {.missing = WEIR_MISSING_DROP, .weights = "weight"};
    w_design *design =
        test_design(ctx, "y ~ v:f + log(x) + s(x, bs='cr', by=f) + te(x, z) + s(v, g, bs='re')", table, &options);
    assert_int_equal(design->rows, 3000);
    assert_int_equal(design->rows_missing, 5);
    assert_int_equal(design->rows_zero_weight, 1);
    assert_int_equal(design->setup_rows, 2994);
    w_tile *tile = NULL;
    w_window window;
    assert_int_equal(w_tile_create(ctx, design, &tile), WEIR_OK);
    assert_int_equal(w_source_rewind(table), WEIR_OK);
    assert_int_equal(w_source_next(table, &window), WEIR_OK);
    assert_int_equal(w_tile_eval(design, &window, 0, 3000, NULL, tile), WEIR_OK);
    assert_int_equal(tile->counted, 2994);
    assert_false(tile->unit_weight);
    double log_sum = 0;
    for (int64_t i = 0; i < 3000; i++) {
        bool out = i == 17 || i == 100 || i == 200 || i == 300 || i == 500;
        assert_int_equal(tile->missing[i], out);
        assert_true(tile->weight[i] == (out ? 0 : data->weight[i]));
        log_sum += tile->weight[i] > 0 ? log(tile->weight[i]) : 0;
        for (int b = 0; b < design->block_count; b++) {
            const w_block *block = &design->block[b];
            const w_tile_block *t = &tile->block[b];
            assert_true(!t->cell || (t->cell[i] >= 0 && t->cell[i] < block->cells * block->levels));
            for (int j = 0; t->value && j < block->width; j++) {
                assert_true(isfinite(t->value[i * block->width + j]));
            }
        }
    }
    assert_true(fabs(log_sum - tile->log_weight_sum) <= 3000 * DBL_EPSILON * 3000);
    w_tile_free(ctx, tile);
    w_design_free(design);
    w_table_free(table);
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

static void bytes_bound(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    test_data *data = test_data_make(3000, 8);
    weir_table *table = test_data_table(ctx, data);
    for (size_t k = 0; k < sizeof formulas / sizeof *formulas; k++) {
        w_design *design = test_design(ctx, formulas[k], table, NULL);
        w_tile *tile = NULL;
        int64_t before = atomic_load(&ctx->ledger.in_use);
        assert_int_equal(w_tile_create(ctx, design, &tile), WEIR_OK);
        assert_true(atomic_load(&ctx->ledger.in_use) - before <= w_tile_bytes(design));
        w_tile_free(ctx, tile);
        assert_int_equal(atomic_load(&ctx->ledger.in_use), before);
        w_design_free(design);
    }
    w_table_free(table);
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dense_rows), cmocka_unit_test(rows_that_do_not_count),
                                       cmocka_unit_test(bytes_bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
