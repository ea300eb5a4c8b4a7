/* SPDX-License-Identifier: Apache-2.0 */
/* Rows shorter and records longer than the buffers they go through. */
#include "support/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table/table.h"

static weir_table *open_file(weir_ctx *ctx, const char *path)
{
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    weir_table *table = NULL;
    if (w_table_open_files(ctx, 1, &path, &usual, &table) < 0) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    return table;
}

/* A block of text has more rows than a window: it is cut at a row. */
static void short_rows_fill_windows_within_a_block(void **state)
{
    const int rows = 400000;
    char *text = malloc(4 << 20);
    size_t used = (size_t)sprintf(text, "x\n");
    for (int i = 0; i < rows; i++) {
        used += (size_t)sprintf(text + used, i % 1000 == 7 ? "\"%d\"\n\n" : "%d\n", i % 10);
    }
    const char *path = test_file("short.csv", text, used);
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(*state, threads, 0);
        weir_table *table = open_file(ctx, path);
        for (int k = 0; k < 3; k++) {
            w_table_set_block_bytes(table, k == 2 ? 100000 : 0);
            const w_scan_options scan = { .keep_bytes = k == 0 ? 1 << 30 : 0, .window_bytes = 1 };
            test_rows *got = test_rows_read(ctx, table, &scan);
            assert_int_equal(got->rows, rows);
            for (int i = 0; i < rows; i++) {
                assert_true(got->number[0][i] == i % 10);
            }
            test_rows_free(got);
        }
        w_table_free(table);
        weir_ctx_destroy(ctx);
    }
    free(text);
}

/* Fields of 300 kB: plain, with quotes and line ends, and numbers of as many digits. */
static void records_may_be_longer_than_the_buffers(void **state)
{
    const size_t length = 300000;
    char *text = malloc(8 * length), *plain = malloc(length + 1), *odd = malloc(length + 1);
    memset(plain, 'p', length);
    plain[length] = '\0';
    for (size_t i = 0; i < length; i++) {
        odd[i] = i % 97 == 96 ? '\n' : i % 101 == 100 ? '"' : (char)('a' + i % 26);
    }
    odd[length] = '\0';
    size_t used = (size_t)sprintf(text, "t,x\nshort,1\n%s,2\n\"", plain);
    for (size_t i = 0; i < length; i++) {
        text[used++] = odd[i];
        if (odd[i] == '"') {
            text[used++] = '"';
        }
    }
    used += (size_t)sprintf(text + used, "\",3\nshort,1.");
    memset(text + used, '3', length);
    used += length;
    used += (size_t)sprintf(text + used, "\n\"%s\",5\nend,6", plain);
    const char *path = test_file("long.csv", text, used);
    for (int threads = 1; threads <= 2; threads++) {
        for (int k = 0; k < 2; k++) {
            weir_ctx *ctx = test_ctx(*state, threads, 0);
            weir_table *table = open_file(ctx, path);
            w_table_set_block_bytes(table, k ? 1000 : 0);
            test_rows *got =
                test_rows_read(ctx, table, &(w_scan_options){ .keep_bytes = 1 << 20, .window_bytes = 1 });
            const char *want[] = { "short", plain, odd, "short", plain, "end" };
            const double number[] = { 1, 2, 3, 4.0 / 3, 5, 6 };
            assert_int_equal(got->rows, 6);
            for (int i = 0; i < 6; i++) {
                assert_true(got->number[1][i] == number[i]);
                assert_true(strcmp(got->text[0][i], want[i]) == 0);
            }
            assert_int_equal(got->level_count[0], 4);
            test_rows_free(got);
            w_table_free(table);
            weir_ctx_destroy(ctx);
        }
    }
    free(text);
    free(plain);
    free(odd);
}

static void a_header_may_be_longer_than_the_head(void **state)
{
    const size_t length = 200000;
    char *text = malloc(length + 64), *name = malloc(length + 1);
    for (size_t i = 0; i < length; i++) {
        name[i] = i % 50 == 49 ? '\n' : 'n';
    }
    name[length] = '\0';
    size_t used = (size_t)sprintf(text, "\" %s \",b\n1,2\n", name + 10);
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    test_rows *got = test_rows_of_file(ctx, test_file("header.csv", text, used), NULL);
    assert_int_equal(got->columns, 2);
    assert_true(strcmp(got->name[0], name + 10) == 0);
    assert_true(got->rows == 1 && got->number[1][0] == 2);
    test_rows_free(got);
    test_rows *packed = test_rows_of_file(ctx, test_gzip_file("header.gz", text, used), NULL);
    assert_int_equal(packed->rows, 1);
    test_rows_free(packed);
    weir_ctx_destroy(ctx);
    free(text);
    free(name);
}

/* Everything after an open quote is one record, which must not take more than the budget. */
static void an_open_quote_ends_at_the_budget(void **state)
{
    const size_t size = 8 << 20;
    char *text = malloc(size);
    size_t used = (size_t)sprintf(text, "t,x\na,1\n\"b,2\n");
    while (used < size - 8) {
        used += (size_t)sprintf(text + used, "c,3\n");
    }
    const char *path = test_file("open.csv", text, used), *names[] = { "t", "x" };
    weir_ctx *ctx = test_ctx(*state, 2, 3 << 20);
    int64_t before = atomic_load(&ctx->ledger.in_use);
    weir_table *table = open_file(ctx, path);
    assert_int_equal(w_source_select(table, 2, names, NULL), WEIR_OK);
    assert_int_equal(w_source_scan(table, &(w_scan_options){ .window_bytes = 1 }, NULL, NULL), WEIR_E_BUDGET);
    assert_non_null(strstr(weir_ctx_message(ctx), "row 2: a record of more than"));
    assert_non_null(strstr(weir_ctx_message(ctx), "a quote that is never closed?"));
    w_table_free(table);
    assert_int_equal(atomic_load(&ctx->ledger.in_use), before);
    weir_ctx_destroy(ctx);
    ctx = test_ctx(*state, 2, 64 << 20);
    table = open_file(ctx, path);
    assert_int_equal(w_source_select(table, 2, names, NULL), WEIR_OK);
    assert_int_equal(w_source_scan(table, &(w_scan_options){ .window_bytes = 1 }, NULL, NULL), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "row 2: a quote is opened and never closed"));
    w_table_free(table);
    weir_ctx_destroy(ctx);
    free(text);
}

/* Columns that nobody wants are passed over, quotes and all, but must be there. */
static void unwanted_fields_are_skipped_but_counted(void **state)
{
    const int rows = 3000;
    char *text = malloc(1 << 20);
    size_t used = (size_t)sprintf(text, "a,b,c,d,e\n");
    static const char *const odd[] = {
        "plain", "\"quoted, with a comma\"", "\"\"", "\"say \"\"so\"\"\"", "\"two\nlines\"", "12.5.7", ""
    };
    for (int i = 0; i < rows; i++) {
        used +=
            (size_t)sprintf(text + used, "%s,%d,%s,%d,%s\n", odd[i % 7], i, odd[i / 7 % 7], -i, odd[i / 49 % 7]);
    }
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    const char *names[] = { "d", "b" };
    for (int k = 0; k < 2; k++) {
        weir_table *table = open_file(ctx, test_file("skip.csv", text, used));
        w_table_set_block_bytes(table, k ? 700 : 0);
        assert_int_equal(w_source_select(table, 2, names, NULL), WEIR_OK);
        assert_int_equal(w_source_scan(table, &(w_scan_options){ .keep_bytes = 1 << 20 }, NULL, NULL), WEIR_OK);
        assert_int_equal(w_source_row_count(table), rows);
        assert_int_equal(w_source_rewind(table), WEIR_OK);
        w_window window;
        assert_int_equal(w_source_next(table, &window), WEIR_OK);
        assert_int_equal(window.rows, rows);
        const double *d = w_window_numeric(&window, 0, 0, rows, NULL),
                     *b = w_window_numeric(&window, 1, 0, rows, NULL);
        for (int i = 0; i < rows; i++) {
            assert_true(b[i] == i && d[i] == -i);
        }
        w_table_free(table);
    }
    used += (size_t)sprintf(text + used, "x,1,y,2\n");
    weir_table *table = open_file(ctx, test_file("skip.csv", text, used));
    assert_int_equal(w_source_select(table, 2, names, NULL), WEIR_OK);
    assert_int_equal(w_source_scan(table, &(w_scan_options){ 0 }, NULL, NULL), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "row 3001 has 4 fields, but there are 5 columns"));
    w_table_free(table);
    weir_ctx_destroy(ctx);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_rows_fill_windows_within_a_block),
        cmocka_unit_test(records_may_be_longer_than_the_buffers),
        cmocka_unit_test(a_header_may_be_longer_than_the_head),
        cmocka_unit_test(an_open_quote_ends_at_the_budget),
        cmocka_unit_test(unwanted_fields_are_skipped_but_counted),
    };
    return cmocka_run_group_tests(tests, NULL, test_files_remove);
}
