/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tables.h"

#include <stdio.h>
#include <string.h>

#include "support/folder.h"
#include "table/table.h"
#include "weir/table.h"

static int pull_nothing(void *user, int64_t *rows, weir_column *columns)
{
    (void)user;
    (void)columns;
    *rows = 0;
    return 0;
}

static void arguments_are_checked(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_table *table = NULL;
    const char *path = "x.csv", *none = NULL, *empty = "";
    const weir_column column = { "x", WEIR_F64, NULL, 0, 0, NULL };
    assert_int_equal(weir_table_open(NULL, 1, &path, NULL, &table), WEIR_E_ARG);
    assert_int_equal(weir_table_open(ctx, 0, &path, NULL, &table), WEIR_E_ARG);
    assert_non_null(strstr(weir_ctx_message(ctx), "weir_table_open: "));
    assert_int_equal(weir_table_open(ctx, 1, NULL, NULL, &table), WEIR_E_ARG);
    assert_int_equal(weir_table_open(ctx, 1, &path, NULL, NULL), WEIR_E_ARG);
    assert_int_equal(weir_table_open(ctx, 1, &none, NULL, &table), WEIR_E_ARG);
    assert_int_equal(weir_table_open(ctx, 1, &empty, NULL, &table), WEIR_E_ARG);
    assert_non_null(strstr(weir_ctx_message(ctx), "path 1 is empty"));
    assert_int_equal(weir_table_from_columns(NULL, 0, 1, &column, &table), WEIR_E_ARG);
    assert_int_equal(weir_table_from_columns(ctx, -1, 1, &column, &table), WEIR_E_ARG);
    assert_int_equal(weir_table_from_columns(ctx, 0, 0, &column, &table), WEIR_E_ARG);
    assert_int_equal(weir_table_from_columns(ctx, 0, 1, NULL, &table), WEIR_E_ARG);
    assert_int_equal(weir_table_from_columns(ctx, 0, 1, &column, NULL), WEIR_E_ARG);
    assert_int_equal(weir_table_from_callback(NULL, 1, &column, pull_nothing, NULL, NULL, &table), WEIR_E_ARG);
    assert_int_equal(weir_table_from_callback(ctx, 1, &column, NULL, NULL, NULL, &table), WEIR_E_ARG);
    assert_int_equal(weir_table_from_callback(ctx, 1, NULL, pull_nothing, NULL, NULL, &table), WEIR_E_ARG);
    assert_null(table);
    assert_int_equal(weir_table_column_count(NULL), 0);
    assert_null(weir_table_column_name(NULL, 0));
    weir_table_close(NULL);
    weir_ctx_destroy(ctx);
}

static void options_are_checked(void **state)
{
    static const struct {
        weir_table_options options;
        weir_status status;
        const char *part;
    } cases[] = {
        { { .version = 0 }, WEIR_E_VERSION, "options of version 0" },
        { { .version = WEIR_TABLE_OPTIONS_VERSION + 1 }, WEIR_E_VERSION, "this library knows" },
        { { .version = 1, .delimiter = '"' }, WEIR_E_ARG, "cannot be the delimiter" },
        { { .version = 1, .delimiter = '\n' }, WEIR_E_ARG, "cannot be the delimiter" },
        { { .version = 1, .decimal = '5' }, WEIR_E_ARG, "'5' cannot be the decimal point" },
        { { .version = 1, .decimal = 'e' }, WEIR_E_ARG, "'e' cannot be the decimal point" },
        { { .version = 1, .delimiter = ',', .decimal = ',' }, WEIR_E_ARG, "are both ','" },
        { { .version = 1, .delimiter = '.' }, WEIR_E_ARG, "are both '.'" },
    };
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    const char *path = test_text_file("options.csv", "a,b\n1,2\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_table *table = NULL;
        assert_int_equal(weir_table_open(ctx, 1, &path, &cases[i].options, &table), cases[i].status);
        assert_null(table);
        assert_non_null(strstr(weir_ctx_message(ctx), cases[i].part));
    }
    weir_ctx_destroy(ctx);
}

static void tables_tell_their_columns(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    const char *path = test_text_file("columns.csv", "a,b\n1,2\n");
    const double x[2] = { 1, 2 };
    const weir_column column = { "x", WEIR_F64, x, 0, 0, NULL };
    weir_table *table[3];
    assert_int_equal(weir_table_open(ctx, 1, &path, NULL, &table[0]), WEIR_OK);
    assert_int_equal(weir_table_from_columns(ctx, 2, 1, &column, &table[1]), WEIR_OK);
    assert_int_equal(weir_table_from_callback(ctx, 1, &column, pull_nothing, NULL, NULL, &table[2]), WEIR_OK);
    assert_int_equal(weir_table_column_count(table[0]), 2);
    assert_string_equal(weir_table_column_name(table[0], 1), "b");
    assert_null(weir_table_column_name(table[0], 2));
    assert_null(weir_table_column_name(table[0], -1));
    assert_string_equal(weir_table_column_name(table[1], 0), "x");
    assert_string_equal(weir_table_column_name(table[2], 0), "x");
    for (int i = 0; i < 3; i++) {
        test_rows *rows = test_rows_read(ctx, table[i], &(w_scan_options){ .keep_bytes = 1000000 });
        assert_int_equal(rows->rows, i == 0 ? 1 : i == 1 ? 2 : 0);
        test_rows_free(rows);
        weir_table_close(table[i]);
    }
    weir_ctx_destroy(ctx);
}

/* Names for a table that names its columns are refused: they would be dropped, or a row taken for names. */
static void names_are_given_once(void **state)
{
    static const char csv[] = "y,x\n1,2\n3,4\n";
    static const char numbers[] = "1,2\n3,4\n";
    static const char head[] = "{'descr': [('y', '<f8'), ('x', '<f8')], 'fortran_order': False, 'shape': (1,), }";
    char folder[TEST_FOLDER_BYTES], path[3][TEST_FOLDER_BYTES + 16], npy[144] = "\x93NUMPY\x01\x00\x76\x00";
    memset(npy + 10, ' ', 118);
    memcpy(npy + 10, head, strlen(head));
    npy[127] = '\n';
    assert_int_equal(test_folder_make(folder), 0);
    test_folder_write(folder, "/h.csv", csv, sizeof csv - 1);
    test_folder_write(folder, "/n.csv", numbers, sizeof numbers - 1);
    test_folder_write(folder, "/s.npy", npy, sizeof npy);
    static const char *const name[] = { "h.csv", "s.npy", "n.csv" };
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_table_options options = WEIR_TABLE_OPTIONS_INIT;
    for (int i = 0; i < 3; i++) {
        snprintf(path[i], sizeof path[i], "%s/%s", folder, name[i]);
        const char *one[1] = { path[i] };
        weir_table *table = NULL;
        options.columns = NULL;
        options.headerless = i == 2;
        assert_int_equal(weir_table_open(ctx, 1, one, &options, &table), WEIR_OK);
        assert_string_equal(weir_table_column_name(table, 1), i == 2 ? "c1" : "x");
        weir_table_close(table);
        table = NULL;
        options.columns = "a,b";
        assert_int_equal(weir_table_open(ctx, 1, one, &options, &table), i == 2 ? WEIR_OK : WEIR_E_ARG);
        if (i == 2) {
            assert_string_equal(weir_table_column_name(table, 1), "b");
        } else {
            assert_non_null(strstr(weir_ctx_message(ctx), "names its columns"));
        }
        weir_table_close(table);
    }
    weir_ctx_destroy(ctx);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(tables_tell_their_columns),
        cmocka_unit_test(names_are_given_once),
    };
    return cmocka_run_group_tests(tests, NULL, test_files_remove);
}
