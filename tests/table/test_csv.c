/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table/table.h"

/* What a text should give: fields of a row separated by '|', "-" missing; kinds as letters n (number), f (factor). */
typedef struct expectation {
    const char *text, *names, *kinds;
    const char *rows[8];
    weir_table_options options;
} expectation;

static void field_is(const test_rows *got, int32_t c, int64_t row, const char *want)
{
    bool missing = strcmp(want, "-") == 0;
    if (got->kind[c] == W_FACTOR) {
        if (missing) {
            assert_null(got->text[c][row]);
        } else {
            assert_non_null(got->text[c][row]);
            assert_string_equal(got->text[c][row], want);
        }
    } else if (missing) {
        assert_true(isnan(got->number[c][row]));
    } else if (got->number[c][row] != strtod(want, NULL)) {
        fail_msg("column %d, row %lld: %.17g, wanted %s", c, (long long)row, got->number[c][row], want);
    }
}

static void meets(const test_rows *got, const expectation *want)
{
    char copy[256];
    int32_t c = 0;
    strcpy(copy, want->names);
    for (char *name = strtok(copy, "|"); name; name = strtok(NULL, "|")) {
        assert_true(c < got->columns);
        assert_string_equal(got->name[c++], name);
    }
    assert_int_equal(got->columns, c);
    int64_t rows = 0;
    for (; rows < 8 && want->rows[rows]; rows++) {
        assert_true(rows < got->rows);
        strcpy(copy, want->rows[rows]);
        c = 0;
        for (char *field = strtok(copy, "|"); field; field = strtok(NULL, "|"), c++) {
            assert_int_equal(got->kind[c], want->kinds[c] == 'f' ? W_FACTOR : W_NUMERIC);
            field_is(got, c, rows, field);
        }
        assert_int_equal(c, got->columns);
    }
    assert_int_equal(got->rows, rows);
}

#define USUAL { .version = WEIR_TABLE_OPTIONS_VERSION }
#define WITH(...) { .version = WEIR_TABLE_OPTIONS_VERSION, __VA_ARGS__ }

static const expectation corpus[] = {
    { "a,b\n1,2\n3,4\n", "a|b", "nn", { "1|2", "3|4" }, USUAL },
    { "a,b\n1,2\n3,4", "a|b", "nn", { "1|2", "3|4" }, USUAL },               /* no line end at the end */
    { "a,b\r\n1,2\r\n3,4\r\n", "a|b", "nn", { "1|2", "3|4" }, USUAL },       /* CRLF */
    { "a,b\r\n1,2\n3,4\r\n\r\n\n", "a|b", "nn", { "1|2", "3|4" }, USUAL },   /* mixed, blank lines at the end */
    { "\n\na,b\n\n1,2\n \t \n3,4\n\n", "a|b", "nn", { "1|2", "3|4" }, USUAL },
    { "\xef\xbb\xbf" "a,b\n1,2\n", "a|b", "nn", { "1|2" }, USUAL },          /* byte order mark */
    { "a,b\n", "a|b", "nn", { NULL }, USUAL },                              /* header only */
    { "a,b", "a|b", "nn", { NULL }, USUAL },
    { " a , \"b c\" ,d\n1,2,3\n", "a|b c|d", "nnn", { "1|2|3" }, USUAL },    /* names trimmed, unquoted */
    { "\"a\nb\",c\n1,2\n", "a\nb|c", "nn", { "1|2" }, USUAL },               /* a line end in a name */
    { ",b\n1,2\n", "c0|b", "nn", { "1|2" }, USUAL },                        /* the nameless column of row names */
    { "a\n1\n2\n", "a", "n", { "1", "2" }, USUAL },
    { "a;b\n1;2\n", "a|b", "nn", { "1|2" }, USUAL },                        /* delimiters that the header shows */
    { "a\tb\n1\t2\n", "a|b", "nn", { "1|2" }, USUAL },
    { "a|b\n1|2\n", "a|b", "nn", { "1|2" }, USUAL },
    { "\"a,b,c\";d\n1;2\n", "a,b,c|d", "nn", { "1|2" }, USUAL },             /* quoted ones do not count */
    { "a;b\n1,5;2\n", "a|b", "nn", { "1.5|2" }, WITH(.decimal = ',') },
    { "a,x;b\n1,5;2\n", "a,x|b", "nn", { "1.5|2" }, WITH(.decimal = ',') },
    { "a:b\n1:2\n", "a|b", "nn", { "1|2" }, WITH(.delimiter = ':') },
    { "a b\n1 2\n", "a|b", "nn", { "1|2" }, WITH(.delimiter = ' ') },
    { "a,b\n,NA\nNaN,2\n", "a|b", "nn", { "-|-", "-|2" }, USUAL },           /* missing */
    { "a,b\n.,x\n2,?\n", "a|b", "nf", { "-|x", "2|-" }, WITH(.missing_words = ".,?") },
    { "a,b\n1,\n2,\"\"\n3,\"NA\"\n", "a|b", "nn", { "1|-", "2|-", "3|-" }, USUAL },
    { "a,b\ninf,-Inf\n+1e3,.5\n", "a|b", "nn", { "inf|-inf", "1000|0.5" }, USUAL },
    { "a,b\n\"1\",\" 2 \"\n", "a|b", "nn", { "1|2" }, USUAL },               /* quoted numbers */
    { "f,x\nred,1\nblue,2\n\"red\",3\n", "f|x", "fn", { "red|1", "blue|2", "red|3" }, USUAL },
    { "f,x\n\"a,b\",1\n\"say \"\"hi\"\"\",2\n", "f|x", "fn", { "a,b|1", "say \"hi\"|2" }, USUAL },
    { "f,x\n\"two\nlines\",1\n\"\r\n\",2\nz,3\n", "f|x", "fn", { "two\nlines|1", "\r\n|2", "z|3" }, USUAL },
    { "f,x\n5\" pipe,1\n \"q\" ,2\n", "f|x", "fn", { "5\" pipe|1", "q|2" }, USUAL },
    { "f,x\n\" a \",1\n b ,2\n", "f|x", "fn", { " a |1", "b|2" }, USUAL },   /* blanks inside quotes stay */
    { "f,x\n1,1\nNA,2\n2,3\n", "f|x", "fn", { "1|1", "-|2", "2|3" }, WITH(.factors = "f") },
    { "1,x\n2,y\n", "c0|c1", "nf", { "1|x", "2|y" }, WITH(.headerless = 1) },
    { "1,x\n2,y\n", "u|v", "nf", { "1|x", "2|y" }, WITH(.headerless = 1, .columns = "u, v") },
    { "g,x\nNA,1\n,2\nlate,3\nNA,4\n", "g|x", "fn", { "-|1", "-|2", "late|3", "-|4" }, USUAL },
    { "a,b\nNA,1\n,2\n", "a|b", "nn", { "-|1", "-|2" }, USUAL },             /* nothing but missing: numeric */
    { "\xc3\xa4,b\n\xc3\xb6,1\n", "\xc3\xa4|b", "fn", { "\xc3\xb6|1" }, USUAL },
};

static void every_dialect_reads_as_it_should(void **state)
{
    (void)state;
    static const int64_t blocks[] = { 0, 1, 3, 8, 64 };
    for (int threads = 1; threads <= 3; threads += 2) {
        weir_ctx *ctx = test_ctx(*state, threads, 0);
        for (size_t i = 0; i < sizeof corpus / sizeof *corpus; i++) {
            for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) {
                test_rows *got = test_rows_of_text(ctx, corpus[i].text, &corpus[i].options, blocks[b]);
                meets(got, &corpus[i]);
                test_rows_free(got);
            }
        }
        weir_ctx_destroy(ctx);
    }
}

static void levels_are_sorted(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    test_rows *got = test_rows_of_text(ctx, "f,g\nb,10\nA,9\n\xc3\xa9,-1\na,1e1\nb,9\n",
                                       &(weir_table_options)WITH(.factors = "g"), 0);
    static const char *const f[] = { "A", "a", "b", "\xc3\xa9" }, *const g[] = { "-1", "9", "10", "1e1" };
    assert_int_equal(got->level_count[0], 4);
    assert_int_equal(got->level_count[1], 4);
    for (int i = 0; i < 4; i++) {
        assert_string_equal(got->level[0][i], f[i]);
        assert_string_equal(got->level[1][i], g[i]);
    }
    test_rows_free(got);
    weir_ctx_destroy(ctx);
}

static void what_is_wrong_is_named(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    static const struct {
        const char *text, *part;
        weir_table_options options;
    } cases[] = {
        { "", "is empty", USUAL },
        { "\n\n\n", "is empty", USUAL },
        { "a,b,a\n1,2,3\n", "two columns are named 'a' (1 and 3)", USUAL },
        { "a,b\n1,2\n3\n", "row 2 has 1 fields, but there are 2 columns", USUAL },
        { "a,b\n1,2\n3,4,5\n", "row 2 has 3 fields, but there are 2 columns", USUAL },
        { "a,b\n1,2,\n", "row 1 has 3 fields", USUAL },
        { "a,b\n1,2\n3,oops\n", "row 2: column 'b' is numeric but holds 'oops'", USUAL },
        { "a,b\n1,2\n0x3,4\n", "row 2: column 'a' is numeric but holds '0x3'", USUAL },
        { "a,b\n1,2\n1.5.5,4\n", "row 2: column 'a' is numeric but holds '1.5.5'", USUAL },
        { "a,b\n1,2\n1 5,4\n", "row 2: column 'a' is numeric but holds '1 5'", USUAL },
        { "a,b\n1,2\n3,\"4\n5,6\n", "row 2: a quote is opened and never closed", USUAL },
        { "\"a,b\n1,2\n", "a quote in the header is never closed", USUAL },
        { "a,b\r1,2\r3,4\r", "carriage return without line feed", USUAL },
        { "a,b\n1,2\r3,4\n", "row 1: a carriage return without line feed", USUAL },
        { "\xff\xfe" "a\0,\0", "UTF-16", USUAL },
        { "a,b\n1,2\n", "has no column 'z'; it has a, b", WITH(.factors = "z") },
        { "1,2\n", "has 2 columns, but 3 names are given", WITH(.headerless = 1, .columns = "a,b,c") },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_text_fails(ctx, cases[i].text, &cases[i].options, WEIR_E_DATA, cases[i].part);
    }
    weir_ctx_destroy(ctx);
}

static void a_missing_file_and_a_folder_are_io_errors(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_table *table = NULL;
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    const char *path = "/nowhere/rides.csv";
    assert_int_equal(w_table_open_files(ctx, 1, &path, &usual, &table), WEIR_E_IO);
    assert_non_null(strstr(weir_ctx_message(ctx), "/nowhere/rides.csv: cannot open: "));
    w_message_clear(ctx);
    path = "/tmp";
    assert_int_equal(w_table_open_files(ctx, 1, &path, &usual, &table), WEIR_E_IO);
    assert_null(table);
    weir_ctx_destroy(ctx);
}

/* A wanted number on a factor, a missing column, and a column that turns out not to be numbers. */
static void wants_are_honoured(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    const weir_table_options options = WITH(.factors = "g");
    const char *path = test_text_file("wants.csv", "g,x,t\n1,2,u\n2,3,v\n");
    weir_table *table;
    assert_int_equal(w_table_open_files(ctx, 1, &path, &options, &table), WEIR_OK);
    const w_scan_options scan = { 0 };
    w_column_want number = W_WANT_NUMERIC, factor = W_WANT_FACTOR;
    const char *name = "g";
    assert_int_equal(w_source_select(table, 1, &name, &number), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "column 'g' is a factor"));
    name = "nope";
    w_message_clear(ctx);
    assert_int_equal(w_source_select(table, 1, &name, &number), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "has no column 'nope'; it has g, x, t"));
    name = "t";
    w_message_clear(ctx);
    assert_int_equal(w_source_select(table, 1, &name, &number), WEIR_OK);
    assert_int_equal(w_source_scan(table, &scan, NULL, NULL), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "row 1: column 't' is numeric but holds 'u'"));
    name = "x";
    assert_int_equal(w_source_select(table, 1, &name, &factor), WEIR_OK);
    assert_int_equal(w_source_scan(table, &scan, NULL, NULL), WEIR_OK);
    assert_int_equal(w_source_column(table, 0)->level_count, 2);
    assert_string_equal(w_source_column(table, 0)->levels[1], "3");
    w_table_free(table);
    weir_ctx_destroy(ctx);
}

static void the_head_tells_rows_and_levels(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    size_t room = 4 << 20, used = 0;
    char *text = malloc(room);
    used += (size_t)snprintf(text, room, "x,f,id\n");
    for (int i = 0; i < 100000; i++) {
        used += (size_t)snprintf(text + used, room - used, "%06d,level %d,u%06d\n", i, i % 7, i);
    }
    const char *paths[] = { test_file("head.csv", text, used), test_gzip_file("head.csv.gz", text, used) };
    for (int k = 0; k < 2; k++) {
        weir_table *table;
        const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
        assert_int_equal(w_table_open_files(ctx, 1, &paths[k], &usual, &table), WEIR_OK);
        assert_int_equal(w_source_row_count(table), -1);
        int64_t estimate = w_source_row_estimate(table);
        assert_in_range(estimate, k ? 50000 : 99000, k ? 200000 : 101000);
        const char *names[] = { "x", "f", "id" };
        assert_int_equal(w_source_select(table, 3, names, NULL), WEIR_OK);
        assert_int_equal(w_source_level_estimate(table, 0), 0);
        assert_int_equal(w_source_level_estimate(table, 1), 7);
        assert_in_range(w_source_level_estimate(table, 2), k ? 50000 : 99000, k ? 200000 : 101000);
        w_scan_options scan = { 0 };
        assert_int_equal(w_source_scan(table, &scan, NULL, NULL), WEIR_OK);
        assert_int_equal(w_source_row_count(table), 100000);
        assert_int_equal(w_source_chosen_route(table), W_ROUTE_REREAD);
        assert_int_equal(w_source_column(table, 2)->level_count, 100000);
        assert_true(w_source_bytes_read(table) > 0 && w_source_seconds(table) > 0);
        w_table_free(table);
    }
    free(text);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_dialect_reads_as_it_should),
        cmocka_unit_test(levels_are_sorted),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_missing_file_and_a_folder_are_io_errors),
        cmocka_unit_test(wants_are_honoured),
        cmocka_unit_test(the_head_tells_rows_and_levels),
    };
    return cmocka_run_group_tests(tests, NULL, test_files_remove);
}
