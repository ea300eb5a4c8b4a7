/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling: what is refused and how it is said, shapes, shared and fixed smoothing parameters, side conditions, the same
 * bits for any number of threads, window or kind of table, memory that fails. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/estimate.h"
#include "support/designs.h"
#include "support/folder.h"
#include "table/table.h"

typedef struct fault {
    const char *formula;
    const char *csv;
    weir_status status;
    const char *part;
} fault;

#define XY "x,y\n1,2\n2,3\n3,5\n4,4\n5,6\n"

static const fault faults[] = {
    {"y ~ q", XY, WEIR_E_DATA, "formula, column 5: "},
    {"yy ~ x", XY, WEIR_E_DATA, "did you mean 'y'"},
    {"y ~ x", "x,y\n", WEIR_E_DATA, "has no rows"},
    {"y ~ x", "x,y\n1,2\n", WEIR_E_DATA, "a single row"},
    {"y ~ x", "x,y\n1,2\n2,2\n", WEIR_E_DATA, "'y' is 2 in every row"},
    {"y ~ x", "x,y\n1,2\n,3\n3,4\n", WEIR_E_DATA, "'x' has no value in row 2"},
    {"y ~ x", "x,y\n1,2\n2,3\n3,inf\n", WEIR_E_DATA, "'y' is infinite in row 3"},
    {"log(y) ~ x", "x,y\n1,2\n2,-3\n3,4\n", WEIR_E_DATA, "log(y) is not finite in row 2"},
    {"y ~ s(log(x), k=3, bs='cr')", "x,y\n1,2\n0,3\n3,4\n", WEIR_E_DATA, "log(x) is not finite in row 2"},
    {"y ~ f", "f,y\na,2\na,3\na,4\n", WEIR_E_DATA, "'f' has a single level ('a')"},
    {"f ~ x", "f,x\na,2\nb,3\nc,4\n", WEIR_E_DATA, "'f'"},
    {"y ~ s(f)", "f,y\na,2\nb,3\nc,4\n", WEIR_E_DATA, "'f'"},
    {"y ~ s(x, k=4, sp=c(1,2))", XY, WEIR_E_FORMULA, "has 1 smoothing parameter; sp= gives 2"},
    {"y ~ poly(x, 5)", XY, WEIR_E_DATA, "poly(x, 5): degree 5 needs more than 5 distinct"},
    {"y ~ x:. + s(x)", XY, WEIR_E_FORMULA, "'.' stands for no column"},
    {"y ~ s(x, z, bs='fs', k=4)", "x,z,y\n1,1,2\n2,1,3\n3,1,5\n4,2,4\n5,2,6\n", WEIR_E_FORMULA, "needs a category, as in s(x, factor(g)"},
    {"y ~ s(x, f, bs='fs', xt='ps', m=c(2,3), k=6)", "x,f,y\n1,a,2\n2,a,3\n3,a,5\n4,b,4\n5,b,6\n6,b,3\n7,a,1\n",
     WEIR_E_FORMULA, "at most two directions"},
    {"y ~ s(x, z, bs='sz', k=4)", "x,z,y\n1,1,2\n2,1,3\n3,1,5\n4,2,4\n5,2,6\n", WEIR_E_FORMULA, "the others must be categories"},
    {"y ~ s(f, g, bs='sz', k=4)", "f,g,y\na,b,2\na,c,3\nb,b,5\nb,c,4\na,b,6\n", WEIR_E_FORMULA, "goes with one number"},
    {"y ~ s(x, bs='cr', k=3)", "x,y\n1,2\n1,3\n1,5\n", WEIR_E_DATA, "s(x)"},
};

static void refusals(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/data.csv", folder);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const fault *f = &faults[i];
        const char *const paths[] = {path};
        const weir_table_options options = WEIR_TABLE_OPTIONS_INIT;
        weir_table *table = NULL;
        w_design *design = NULL;
        test_folder_write(folder, "/data.csv", f->csv, strlen(f->csv));
        w_message_clear(ctx);
        assert_int_equal(w_table_open_files(ctx, 1, paths, &options, &table), WEIR_OK);
        weir_status status = test_design_try(ctx, f->formula, table, NULL, &design);
        if (status != f->status || design || !strstr(weir_ctx_message(ctx), f->part)) {
            fail_msg("%s: status %d, '%s'; expected %d, '…%s…'", f->formula, (int)status, weir_ctx_message(ctx),
                     (int)f->status, f->part);
        }
        w_table_free(table);
    }
    test_folder_remove(folder);
    weir_ctx_destroy(ctx);
}

static void weights_and_options(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    test_data *data = test_data_make(200, 3);
    weir_table *table = test_data_table(ctx, data);
    w_design *design = NULL;
    w_design_options options = {.weights = "wieght"};
    assert_int_equal(test_design_try(ctx, "y ~ x", table, &options, &design), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "did you mean 'weight'"));
    options.weights = "weight";
    data->weight[9] = -1;
    w_message_clear(ctx);
    assert_int_equal(test_design_try(ctx, "y ~ x", table, &options, &design), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "negative (-1) in row 10"));
    memset(data->weight, 0, 200 * sizeof *data->weight);
    w_message_clear(ctx);
    assert_int_equal(test_design_try(ctx, "y ~ x", table, &options, &design), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "every weight in column 'weight' is 0"));
    const char *const bad_knots[] = {"x", "q=1,2", "x=1,b", "x=1,,2"};
    for (int i = 0; i < 4; i++) {
        const w_design_options knots = {.knots = bad_knots[i]};
        w_message_clear(ctx);
        assert_int_equal(test_design_try(ctx, "y ~ s(x, bs='cc')", table, &knots, &design), WEIR_E_ARG);
    }
    const w_design_options knots = {.knots = "z=0; x=-0.5, 1.5"};
    design = test_design(ctx, "y ~ s(x, bs='cc', k=5) + z", table, &knots);
    const w_margin *margin = &design->block[1].smooth->margin[0];
    assert_true(margin->break_point[0] == -0.5 && margin->break_point[margin->break_count - 1] == 1.5);
    w_design_free(design);
    design = NULL;
    assert_int_equal(test_design_try(ctx, "y ~ s(z, x, k=9)", table, &knots, &design), WEIR_E_FORMULA);
    assert_non_null(strstr(weir_ctx_message(ctx), "knots cannot be given"));
    const double sp[] = {2, NAN};
    const w_design_options fixed = {.sp = sp, .sp_given = 2}, short_sp = {.sp = sp, .sp_given = 1};
    design = test_design(ctx, "y ~ s(x, sp=9) + s(z, sp=7)", table, &fixed);
    assert_true(design->sp_fixed[0] == 2 && design->sp_fixed[1] == 7);
    w_design_free(design);
    w_message_clear(ctx);
    assert_int_equal(test_design_try(ctx, "y ~ s(x) + s(z)", table, &short_sp, &design), WEIR_E_ARG);
    w_table_free(table);
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

static void shapes(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    test_data *data = test_data_make(600, 4);
    weir_table *table = test_data_table(ctx, data);

    w_design *d = test_design(
        ctx, "y ~ f + s(x, by=f, bs='cr', k=6, id='q') + s(z, bs='cr', k=6, id='q') + s(w, fx=TRUE)", table, NULL);
    assert_int_equal(d->p, 3 + 3 * 5 + 5 + 9);
    assert_int_equal(d->block_count, 5);
    assert_int_equal(d->block[2].levels, 3);
    assert_int_equal(d->block[1].code, d->block[2].code); /* f and s(x, by=f) */
    assert_int_equal(d->sp_count, 1);                     /* one id */
    assert_int_equal(d->penalty_count, 4);
    assert_int_equal(d->term_count, 1 + 3 + 1 + 1);
    assert_string_equal(d->term[2].label, "s(x):fb");
    assert_int_equal(d->term[2].level, 1);
    assert_int_equal(d->term[2].first, 8);
    assert_string_equal(d->column_label[8], "s(x):fb.1");
    assert_int_equal(d->term[5].penalty_count, 0);
    assert_int_equal(d->term[5].null_dimension, 9);
    /* one basis for all of the id: knots over both covariates together */
    assert_memory_equal(d->block[2].smooth->margin[0].break_point, d->block[3].smooth->margin[0].break_point,
                        6 * sizeof(double));
    w_design_free(d);

    d = test_design(ctx, "y ~ s(v, g, bs='re') + s(x, by=v, bs='cr') + te(x, z, k=4)", table, NULL);
    assert_int_equal(d->penalty[0].k, 1);
    assert_int_equal(d->penalty[0].repeat, 10);
    double largest = 0;
    for (int i = 0; i < 600; i++) {
        largest = fmax(largest, fabs(data->v[i]));
    }
    assert_true(d->penalty[0].scale == 1 / (largest * largest));
    assert_true(d->penalty[0].matrix[0] == 1 / d->penalty[0].scale);
    assert_string_equal(d->sp_label[2], "te(x,z)1");
    assert_int_equal(d->term[1].columns, 10); /* times a variable: not centred */
    w_design_free(d);

    d = test_design(ctx, "y ~ . - v + s(x)", table, &(w_design_options){.weights = "weight"});
    const char *const names[] = {"(Intercept)", "z", "w", "year", "fb", "fc", "gg1"};
    for (int i = 0; i < 7; i++) {
        assert_string_equal(d->column_label[i], names[i]);
    }
    w_design_free(d);

    /* a level without rows leaves no column */
    for (int i = 0; i < 600; i++) {
        data->f[i] = data->f[i] == 1 ? 2 : data->f[i];
    }
    d = test_design(ctx, "y ~ f", table, NULL);
    assert_int_equal(d->p, 2);
    assert_string_equal(d->column_label[1], "fc");
    assert_int_equal(d->note_count, 1);
    w_design_free(d);
    w_table_free(table);
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

/* Columns that smooths of fewer covariates hold already are dropped, and nothing of the penalties' rank with them. */
static void side_conditions(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    test_data *data = test_data_make(400, 6);
    weir_table *table = test_data_table(ctx, data);
    const struct {
        const char *formula;
        int64_t last, null_dimension;
    } cases[] = {
        {"y ~ s(x) + s(z) + te(x, z)", 22, 1}, /* x and z are there; x*z is left of the null space */
        {"y ~ s(x) + te(x, z)", 23, 2},          {"y ~ s(x, bs='cr') + s(x, bs='ps')", 8, 0},
        {"y ~ ti(x) + ti(z) + ti(x, z)", 16, 1}, {"y ~ s(x) + te(z, w)", 24, 3},
        {"y ~ s(x, by=f) + te(x, z)", 24, 3}, /* another by variable */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        w_design *d = test_design(ctx, cases[i].formula, table, NULL);
        const w_term *last = &d->term[d->term_count - 1];
        if (last->columns != cases[i].last || last->null_dimension != cases[i].null_dimension) {
            fail_msg("%s: %lld columns, null space %lld", cases[i].formula, (long long)last->columns,
                     (long long)last->null_dimension);
        }
        w_design_free(d);
    }
    w_table_free(table);
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

/* So many rows that a sample of them is factorized. With z = w the products te(x,w) and te(x,z) share the unpenalised x,
 * w and x*w; two rows in which z and w differ leave only x, whether the sample holds them or not. */
static void sampled_side_conditions(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    test_data *data = test_data_make(20000, 7);
    const int64_t changed[] = {-1, 100, 201, 302, 19998};
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        memcpy(data->z, data->w, 20000 * sizeof(double));
        if (changed[i] >= 0) {
            data->z[changed[i]] = 1 - data->w[changed[i]];
            data->z[changed[i] + 1] = 1 - data->w[changed[i] + 1];
        }
        weir_table *table = test_data_table(ctx, data);
        w_design *d = test_design(ctx, "y ~ te(x, w, k=4) + te(x, z, k=4)", table, NULL);
        const w_term *last = &d->term[d->term_count - 1];
        assert_int_equal(last->columns, changed[i] < 0 ? 12 : 14);
        assert_int_equal(last->null_dimension, changed[i] < 0 ? 0 : 2);
        w_design_free(d);
        w_table_free(table);
    }
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

/* ---- the same design, byte by byte ---- */

static char *saved(weir_ctx *ctx, const w_design *design, size_t *size)
{
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
    w_archive *archive = NULL;
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/design", folder);
    assert_int_equal(w_archive_create(ctx, "model", 1, &archive), WEIR_OK);
    assert_int_equal(w_design_save(design, archive), WEIR_OK);
    assert_int_equal(w_archive_write(archive, path), WEIR_OK);
    w_archive_free(archive);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    test_folder_remove(folder);
    return bytes;
}

/* Threads, windows and the kind of table change no bit, below and above the size where set-up rows are sampled. */
static void same_bits(void **state)
{
    const int64_t sizes[] = {5000, 120000};
    const char *const formula = "y ~ f + x + s(x, bs='cr') + s(z, bs='ps', by=f) + te(w, v, k=4) + s(g, bs='re')";
    char folder[TEST_FOLDER_BYTES], path[TEST_FOLDER_BYTES + 16];
    assert_int_equal(test_folder_make(folder), 0);
    snprintf(path, sizeof path, "%s/data.csv", folder);
    for (int s = 0; s < 2; s++) {
        test_data *data = test_data_make(sizes[s], 11);
        test_data_csv(data, path);
        char *first = NULL;
        size_t first_size = 0;
        for (int run = 0; run < 5; run++) {
            weir_ctx *ctx = test_ctx(state, run % 3 + 1, 0);
            const char *const paths[] = {path};
            const weir_table_options csv = WEIR_TABLE_OPTIONS_INIT;
            const w_design_options options = {.window_bytes = run == 4 ? 1 << 20 : 0,
                                              .keep_bytes = run == 3 ? 1 << 28 : 0};
            weir_table *table = NULL;
            if (run < 3) {
                table = test_data_table(ctx, data);
            } else {
                assert_int_equal(w_table_open_files(ctx, 1, paths, &csv, &table), WEIR_OK);
            }
            w_design *design = test_design(ctx, formula, table, &options);
            assert_int_equal(design->setup_exact, s == 0);
            assert_int_equal(design->setup_rows, s == 0 ? 5000 : 16 * W_TILE_ROWS);
            size_t size;
            char *bytes = saved(ctx, design, &size);
            if (!first) {
                first = bytes;
                first_size = size;
            } else {
                assert_int_equal(size, first_size);
                assert_memory_equal(bytes, first, size);
                free(bytes);
            }
            w_design_free(design);
            w_table_free(table);
            weir_ctx_destroy(ctx);
        }
        free(first);
        test_data_free(data);
    }
    test_folder_remove(folder);
}

/* ---- a plan's skeleton ---- */

static void skeleton(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    test_data *data = test_data_make(3000, 4);
    weir_table *table = test_data_table(ctx, data);
    const char *const formulas[] = {
        "y ~ x + f * v + s(x, bs='cr') + s(z, bs='cc', k=7) + s(w, bs='ps', by=f)",
        "y ~ te(x, z) + ti(w, bs='cr') + ti(x, w, bs=c('cc','cr')) + s(g, bs='re') + s(v, fx=TRUE, bs='cr')",
        "y ~ s(x, z, k=12) + s(log(w + 1), v, by=f, bs='ts')",
        "y ~ s(x, z, w, m=2, k=15)",
        "y ~ s(x) + s(x, g, bs='fs', k=6) + s(z, f, bs='fs', xt='ps', m=c(2,1)) + s(w, f, bs='fs', xt='ts')",
        "y ~ s(x) + s(g, x, bs='sz', k=6, id=1) + s(f, z, bs='sz', k=5) + s(f, w, factor(year), bs='sz', k=4)",
        "y ~ t2(x, z) + t2(x, v, bs='cs', by=f)",
        "y ~ t2(w, v, z, k=4)",
        "y ~ s(x, by=v, bs='cr') + s(z, bs='cs') + s(w, bs='cp') + poly(v, 3):f + offset(x)",
    };
    for (size_t i = 0; i < sizeof formulas / sizeof *formulas; i++) {
        w_formula *formula = NULL;
        w_design *guess = NULL;
        const w_design_options options = {0};
        assert_int_equal(w_formula_parse(ctx, formulas[i], &formula), WEIR_OK);
        assert_int_equal(w_design_estimate(ctx, formula, table, &options, &guess), WEIR_OK);
        w_ledger_reset_peak(ctx);
        int64_t before = atomic_load(&ctx->ledger.in_use);
        w_design *design = test_design(ctx, formulas[i], table, NULL);
        int64_t kept = atomic_load(&ctx->ledger.in_use) - before, peak = atomic_load(&ctx->ledger.peak) - before;
        assert_true(peak - kept <= guess->setup_bytes);
        assert_int_equal(guess->p, design->p);
        assert_int_equal(guess->rows, design->rows);
        assert_int_equal(guess->sp_count, design->sp_count);
        assert_int_equal(guess->term_count, design->term_count);
        assert_int_equal(guess->penalty_count, design->penalty_count);
        assert_int_equal(guess->block_count, design->block_count);
        for (int b = 0; b < design->block_count; b++) {
            assert_int_equal(guess->block[b].kind, design->block[b].kind);
            assert_int_equal(guess->block[b].width, design->block[b].width);
            assert_int_equal(guess->block[b].levels, design->block[b].levels);
            assert_int_equal(guess->block[b].cells, design->block[b].cells);
            assert_int_equal(guess->block[b].code, design->block[b].code);
            assert_int_equal(guess->block[b].level_columns, design->block[b].level_columns);
        }
        assert_true(w_tile_bytes(guess) >= w_tile_bytes(design));
        w_design_free(guess);
        w_design_free(design);
        w_formula_free(formula);
    }
    w_table_free(table);
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

static weir_status compile_and_free(weir_ctx *ctx, void *arg)
{
    const test_data *data = arg;
    weir_table *table = NULL;
    const weir_column column[] = {
        {"x", WEIR_F64, data->x, 0, 0, NULL}, {"z", WEIR_F64, data->z, 0, 0, NULL},
        {"y", WEIR_F64, data->y, 0, 0, NULL}, {"year", WEIR_F64, data->year, 0, 0, NULL},
        {"f", WEIR_I32, data->f, 0, 3, NULL},
    };
    w_design *design = NULL;
    w_tile *tile = NULL;
    weir_status status = w_table_from_columns(ctx, data->rows, 5, column, &table);
    if (status == WEIR_OK) {
        const w_design_options options = {.knots = "z=0,1"};
        status = test_design_try(
            ctx,
            "log(y + 9) ~ f * x + poly(x, 2) + factor(year) + s(x, bs='cr', by=f, k=4) + s(z, bs='cc', k=4) + "
            "te(x, z, bs=c('cr','cc'), k=c(3,4)) + s(f, bs='re') + s(x, f, bs='fs', k=4) + s(f, x, bs='sz', k=3) + "
            "t2(x, year, k=3) + offset(z)",
            table, &options, &design);
    }
    if (status == WEIR_OK) {
        status = w_tile_create(ctx, design, &tile);
    }
    w_tile_free(ctx, tile);
    w_design_free(design);
    w_table_free(table);
    return status;
}

static void no_memory(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    test_data *data = test_data_make(200, 12);
    assert_true(test_each_allocation_fails(ctx, compile_and_free, data) > 20);
    test_data_free(data);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),        cmocka_unit_test(weights_and_options), cmocka_unit_test(shapes),
        cmocka_unit_test(side_conditions), cmocka_unit_test(sampled_side_conditions),
        cmocka_unit_test(same_bits),       cmocka_unit_test(skeleton),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
