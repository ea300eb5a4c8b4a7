/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "table/table.h"

#define ROWS 10000

typedef struct record {
    double d;
    float f;
    int64_t l;
    int32_t i;
    int16_t s;
    int8_t c;
    uint8_t uc;
    uint16_t us;
    uint32_t ui;
    uint8_t b;
} record;

static void every_dtype_reads_with_any_stride(void **state)
{
    record *r = calloc(ROWS, sizeof *r);
    for (int i = 0; i < ROWS; i++) {
        r[i] = (record){ i + 0.25,
                         (float)i / 8,
                         i - 5000,
                         -i,
                         (int16_t)(i % 3000 - 1500),
                         (int8_t)(i % 256 - 128),
                         (uint8_t)i,
                         (uint16_t)(i * 5),
                         4000000000u - (uint32_t)i,
                         (uint8_t)(i % 3) };
    }
    const weir_column columns[] = {
        { "d", WEIR_F64, &r->d, sizeof *r, 0, NULL },  { "f", WEIR_F32, &r->f, sizeof *r, 0, NULL },
        { "l", WEIR_I64, &r->l, sizeof *r, 0, NULL },  { "i", WEIR_I32, &r->i, sizeof *r, 0, NULL },
        { "s", WEIR_I16, &r->s, sizeof *r, 0, NULL },  { "c", WEIR_I8, &r->c, sizeof *r, 0, NULL },
        { "uc", WEIR_U8, &r->uc, sizeof *r, 0, NULL }, { "us", WEIR_U16, &r->us, sizeof *r, 0, NULL },
        { "ui", WEIR_U32, &r->ui, sizeof *r, 0, NULL }, { "b", WEIR_BOOL, &r->b, sizeof *r, 0, NULL },
        { "back", WEIR_F64, &r[ROWS - 1].d, -(int64_t)sizeof *r, 0, NULL },
    };
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    weir_table *table;
    assert_int_equal(w_table_from_columns(ctx, ROWS, 11, columns, &table), WEIR_OK);
    assert_int_equal(w_source_row_count(table), ROWS);
    test_rows *got = test_rows_read(ctx, table, &(w_scan_options){ 0 });
    assert_int_equal(got->route, W_ROUTE_IN_PLACE);
    for (int i = 0; i < ROWS; i++) {
        const double want[] = { r[i].d, r[i].f, (double)r[i].l, r[i].i, r[i].s, r[i].c, r[i].uc, r[i].us, r[i].ui,
                                r[i].b != 0, r[ROWS - 1 - i].d };
        for (int c = 0; c < 11; c++) {
            assert_true(got->number[c][i] == want[c]);
        }
    }
    test_rows_free(got);
    w_table_free(table);
    free(r);
    weir_ctx_destroy(ctx);
}

static void doubles_are_shown_where_they_lie(void **state)
{
    double *x = calloc(ROWS, sizeof *x);
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    const weir_column column = { "x", WEIR_F64, x, 0, 0, NULL };
    weir_table *table;
    assert_int_equal(w_table_from_columns(ctx, ROWS, 1, &column, &table), WEIR_OK);
    const char *name = "x";
    assert_int_equal(w_source_select(table, 1, &name, NULL), WEIR_OK);
    assert_int_equal(w_source_scan(table, &(w_scan_options){ 0 }, NULL, NULL), WEIR_OK);
    int64_t before = atomic_load(&ctx->ledger.in_use);
    assert_int_equal(w_source_rewind(table), WEIR_OK);
    w_window window;
    assert_int_equal(w_source_next(table, &window), WEIR_OK);
    assert_int_equal(window.rows, ROWS);
    assert_ptr_equal(w_window_numeric(&window, 0, 4096, 100, NULL), x + 4096);
    assert_int_equal(w_source_next(table, &window), WEIR_OK);
    assert_int_equal(window.rows, 0);
    assert_int_equal(atomic_load(&ctx->ledger.in_use), before);
    assert_true(atomic_load(&ctx->ledger.peak) < 64 << 10);
    w_table_free(table);
    free(x);
    weir_ctx_destroy(ctx);
}

static void factors_come_with_their_levels(void **state)
{
    static const char *const names[] = { "low", "mid", "high" };
    int8_t small[ROWS];
    int32_t plain[ROWS];
    for (int i = 0; i < ROWS; i++) {
        small[i] = (int8_t)(i % 4 - 1);
        plain[i] = i % 2;
    }
    const weir_column columns[] = { { "g", WEIR_I8, small, 0, 3, names }, { "h", WEIR_I32, plain, 0, 2, NULL } };
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    weir_table *table;
    assert_int_equal(w_table_from_columns(ctx, ROWS, 2, columns, &table), WEIR_OK);
    test_rows *got = test_rows_read(ctx, table, &(w_scan_options){ 0 });
    assert_int_equal(got->level_count[0], 3);
    assert_string_equal(got->level[0][2], "high"); /* the caller's order stays */
    assert_string_equal(got->level[1][1], "1");
    for (int i = 0; i < ROWS; i++) {
        if (small[i] < 0) {
            assert_null(got->text[0][i]);
        } else {
            assert_string_equal(got->text[0][i], names[small[i]]);
        }
    }
    test_rows_free(got);
    const char *name = "g";
    const w_column_want number = W_WANT_NUMERIC;
    assert_int_equal(w_source_select(table, 1, &name, &number), WEIR_E_DATA);
    small[7000] = 3;
    w_message_clear(ctx);
    assert_int_equal(w_source_select(table, 1, &name, NULL), WEIR_OK);
    assert_int_equal(w_source_scan(table, &(w_scan_options){ 0 }, NULL, NULL), WEIR_E_DATA);
    assert_string_equal(weir_ctx_message(ctx), "memory, row 7001: column 'g' has code 3, but levels 0 to 2");
    w_table_free(table);
    weir_ctx_destroy(ctx);
}

static void numbers_can_be_wanted_as_a_factor(void **state)
{
    float year[3 * ROWS];
    for (int i = 0; i < 3 * ROWS; i++) {
        year[i] = i % 5 == 4 ? NAN : 2000.5f - (float)(i % 5);
    }
    const weir_column column = { "year", WEIR_F32, year, 0, 0, NULL };
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_table *table;
    assert_int_equal(w_table_from_columns(ctx, 3 * ROWS, 1, &column, &table), WEIR_OK);
    const char *name = "year";
    const w_column_want want = W_WANT_FACTOR;
    assert_int_equal(w_source_select(table, 1, &name, &want), WEIR_OK);
    assert_int_equal(w_source_level_estimate(table, 0), 4);
    assert_int_equal(w_source_scan(table, &(w_scan_options){ .window_bytes = 1 }, NULL, NULL), WEIR_OK);
    const w_column_info *info = w_source_column(table, 0);
    static const char *const levels[] = { "1997.5", "1998.5", "1999.5", "2000.5" };
    assert_int_equal(info->level_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(info->levels[i], levels[i]);
    }
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(w_source_rewind(table), WEIR_OK);
        int64_t rows = 0;
        w_window window;
        while (w_source_next(table, &window) >= 0 && window.rows > 0) {
            for (int64_t i = 0; i < window.rows; i++) {
                int32_t room;
                assert_int_equal(*w_window_codes(&window, 0, i, 1, &room),
                                 (rows + i) % 5 == 4 ? -1 : 3 - (rows + i) % 5);
            }
            rows += window.rows;
        }
        assert_int_equal(rows, 3 * ROWS);
    }
    w_table_free(table);
    weir_ctx_destroy(ctx);
}

static void bad_descriptions_are_refused(void **state)
{
    static const double x[2] = { 1, 2 };
    const struct {
        weir_column column[2];
        weir_status status;
        const char *part;
    } cases[] = {
        { { { NULL, WEIR_F64, x, 0, 0, NULL }, { "b", WEIR_F64, x, 0, 0, NULL } },
          WEIR_E_ARG,
          "column 1 has no name" },
        { { { "a", WEIR_F64, x, 0, 0, NULL }, { "a", WEIR_F64, x, 0, 0, NULL } },
          WEIR_E_DATA,
          "two columns are named 'a'" },
        { { { "a", 77, x, 0, 0, NULL }, { "b", WEIR_F64, x, 0, 0, NULL } }, WEIR_E_ARG, "unknown dtype 77" },
        { { { "a", WEIR_F64, x, 0, 0, NULL }, { "b", WEIR_F64, NULL, 0, 0, NULL } },
          WEIR_E_ARG,
          "'b' has no data" },
        { { { "a", WEIR_F64, x, 0, 2, NULL }, { "b", WEIR_F64, x, 0, 0, NULL } }, WEIR_E_ARG, "must be integers" },
        { { { "a", WEIR_F64, x, 0, -2, NULL }, { "b", WEIR_F64, x, 0, 0, NULL } }, WEIR_E_ARG, "has -2 levels" },
    };
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_table *table = NULL;
        w_message_clear(ctx);
        assert_int_equal(w_table_from_columns(ctx, 2, 2, cases[i].column, &table), cases[i].status);
        assert_null(table);
        assert_non_null(strstr(weir_ctx_message(ctx), cases[i].part));
    }
    weir_ctx_destroy(ctx);
}

static void no_rows_are_fine(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    const weir_column column = { "x", WEIR_F64, NULL, 0, 0, NULL };
    weir_table *table;
    assert_int_equal(w_table_from_columns(ctx, 0, 1, &column, &table), WEIR_OK);
    test_rows *got = test_rows_read(ctx, table, &(w_scan_options){ 0 });
    assert_int_equal(got->rows, 0);
    test_rows_free(got);
    w_table_free(table);
    weir_ctx_destroy(ctx);
}

static weir_status read_factor(weir_ctx *ctx, void *arg)
{
    static const char *const names[] = { "a", "b" };
    const weir_column columns[] = { { "x", WEIR_F64, arg, 0, 0, NULL }, { "g", WEIR_I64, arg, 0, 2, names } };
    weir_table *table = NULL;
    weir_status status = w_table_from_columns(ctx, 100, 2, columns, &table);
    const char *selected[] = { "x", "g" };
    const w_column_want want[] = { W_WANT_FACTOR, W_WANT_EITHER };
    if (status >= 0) {
        status = w_source_select(table, 2, selected, want);
    }
    if (status >= 0) {
        status = w_source_scan(table, &(w_scan_options){ 0 }, NULL, NULL);
    }
    w_table_free(table);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    int64_t zero[100] = { 0 };
    assert_true(test_each_allocation_fails(ctx, read_factor, zero) > 10);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dtype_reads_with_any_stride),
        cmocka_unit_test(doubles_are_shown_where_they_lie),
        cmocka_unit_test(factors_come_with_their_levels),
        cmocka_unit_test(numbers_can_be_wanted_as_a_factor),
        cmocka_unit_test(bad_descriptions_are_refused),
        cmocka_unit_test(no_rows_are_fine),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
