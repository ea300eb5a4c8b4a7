/* SPDX-License-Identifier: Apache-2.0 */
/* However the text is cut and shared out, it reads as libcsv reads the whole of it. */
#include "support/tables.h"

#include <csv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "table/table.h"

/* ---- the reference: libcsv over the whole text, strtod */

typedef struct reference {
    test_rows *rows;
    int32_t column;
    int64_t row; /* -1 = the header */
    char ***field;
} reference;

static void reference_field(void *text, size_t length, void *arg)
{
    reference *r = arg;
    char *copy = calloc(length + 1, 1);
    memcpy(copy, text, length);
    assert_in_range(r->column, 0, TEST_COLUMNS - 1);
    if (r->row < 0) {
        r->rows->name[r->column] = copy;
    } else {
        r->field[r->column] = realloc(r->field[r->column], (size_t)(r->row + 1) * sizeof(char *));
        r->field[r->column][r->row] = copy;
    }
    r->column++;
}

static void reference_record(int end, void *arg)
{
    (void)end;
    reference *r = arg;
    if (r->row < 0) {
        r->rows->columns = r->column;
    }
    assert_int_equal(r->column, r->rows->columns);
    r->column = 0;
    r->row++;
}

static bool missing(const char *text) { return text[0] == '\0' || strcmp(text, "NA") == 0; }

static bool number(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    while (*end == ' ') {
        end++;
    }
    return end != text && *end == '\0';
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void reference_levels(reference *r, int32_t c)
{
    test_rows *rows = r->rows;
    rows->level[c] = calloc((size_t)rows->rows + 1, sizeof(char *));
    int64_t count = 0;
    for (int64_t i = 0; i < rows->rows; i++) {
        if (!missing(r->field[c][i])) {
            rows->level[c][count++] = r->field[c][i];
        }
    }
    qsort(rows->level[c], (size_t)count, sizeof(char *), by_text);
    int64_t distinct = 0;
    for (int64_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(rows->level[c][i], rows->level[c][distinct - 1]) != 0) {
            rows->level[c][distinct++] = rows->level[c][i];
        }
    }
    for (int64_t i = 0; i < distinct; i++) {
        rows->level[c][i] = strdup(rows->level[c][i]);
    }
    rows->level_count[c] = distinct;
}

static test_rows *reference_rows(const char *text)
{
    struct csv_parser parser;
    test_rows *rows = calloc(1, sizeof *rows);
    char **field[TEST_COLUMNS] = { NULL };
    reference r = { rows, 0, -1, field };
    csv_init(&parser, 0);
    csv_parse(&parser, text, strlen(text), reference_field, reference_record, &r);
    csv_fini(&parser, reference_field, reference_record, &r);
    csv_free(&parser);
    rows->rows = r.row;
    for (int32_t c = 0; c < rows->columns; c++) {
        int64_t first = 0;
        double value;
        while (first < rows->rows && missing(field[c][first])) {
            first++;
        }
        rows->kind[c] = first == rows->rows || number(field[c][first], &value) ? W_NUMERIC : W_FACTOR;
        rows->number[c] = calloc((size_t)rows->rows + 1, sizeof(double));
        rows->text[c] = calloc((size_t)rows->rows + 1, sizeof(char *));
        if (rows->kind[c] == W_FACTOR) {
            reference_levels(&r, c);
        }
        for (int64_t i = 0; i < rows->rows; i++) {
            if (rows->kind[c] == W_NUMERIC) {
                if (missing(field[c][i])) {
                    rows->number[c][i] = NAN;
                } else {
                    assert_true(number(field[c][i], &rows->number[c][i]));
                }
            }
            for (int64_t k = 0; k < rows->level_count[c]; k++) {
                if (strcmp(rows->level[c][k], field[c][i]) == 0) {
                    rows->text[c][i] = rows->level[c][k];
                }
            }
        }
        for (int64_t i = 0; i < rows->rows; i++) {
            free(field[c][i]);
        }
        free(field[c]);
    }
    return rows;
}

/* ---- random texts */

typedef struct writer {
    char *text;
    size_t used, room;
} writer;

static void put(writer *w, const char *text)
{
    size_t length = strlen(text);
    assert_true(w->used + length < w->room);
    memcpy(w->text + w->used, text, length + 1);
    w->used += length;
}

static void put_number(writer *w, w_rng *rng)
{
    char text[64];
    switch (w_rng_below(rng, 12)) {
    case 0: put(w, "NA"); return;
    case 1: return;
    case 2: put(w, "\"\""); return;
    case 3: snprintf(text, sizeof text, "\"%.3f\"", w_rng_normal(rng)); break;
    case 4: snprintf(text, sizeof text, " %.17g\t", w_rng_normal(rng)); break;
    case 5: snprintf(text, sizeof text, "%lld", (long long)w_rng_below(rng, 2000) - 1000); break;
    case 6: snprintf(text, sizeof text, "%.25e", w_rng_normal(rng)); break;
    default: snprintf(text, sizeof text, "%.17g", w_rng_normal(rng)); break;
    }
    put(w, text);
}

/* `quotes`: how many of the texts bring quotes and line ends. */
static void put_text(writer *w, w_rng *rng, int64_t quotes)
{
    static const char *const plain[] = { "red", "blue", "\"green\"", " white ", "\"x,y\"", "NA", "", "b lack" };
    static const char *const odd[] = { "\"say \"\"so\"\"\"", "\"two\nlines\"", "\"a\r\n\r\nb\"", "5\" pipe",
                                       "\"\"\"\"",           "\"\n\"",         "\"x\" \"y\"",    "it\"s" };
    put(w, w_rng_below(rng, 100) < quotes ? odd[w_rng_below(rng, 8)] : plain[w_rng_below(rng, 8)]);
}

static char *random_text(w_rng *rng, int64_t rows, int32_t columns, int64_t quotes, bool crlf)
{
    writer w = { malloc((size_t)rows * (size_t)columns * 48 + 1000), 0,
                 (size_t)rows * (size_t)columns * 48 + 1000 };
    for (int32_t c = 0; c < columns; c++) {
        char name[16];
        snprintf(name, sizeof name, "%sv%d", c ? "," : "", c);
        put(&w, name);
    }
    put(&w, crlf ? "\r\n" : "\n");
    for (int64_t i = 0; i < rows; i++) {
        for (int32_t c = 0; c < columns; c++) {
            if (c > 0) {
                put(&w, ",");
            }
            if (c % 3 == 2) {
                put_text(&w, rng, quotes);
            } else {
                put_number(&w, rng);
            }
        }
        if (i + 1 < rows || w_rng_below(rng, 2)) {
            put(&w, crlf ? "\r\n" : "\n");
        }
        if (w_rng_below(rng, 20) == 0 && i + 1 < rows) {
            put(&w, w_rng_below(rng, 2) ? "\n" : " \r\n");
        }
    }
    return w.text;
}

static void random_texts_read_as_by_libcsv(void **state)
{
    static const int64_t blocks[] = { 0, 1, 2, 3, 5, 13, 64, 300, 5000 };
    w_rng rng;
    w_rng_seed(&rng, 21);
    weir_ctx *ctx[3] = { test_ctx(*state, 1, 0), test_ctx(*state, 2, 0), test_ctx(*state, 3, 0) };
    for (int round = 0; round < 120; round++) {
        int64_t quotes = round % 4 == 0 ? 0 : round % 4 == 1 ? 3 : 40;
        char *text =
            random_text(&rng, w_rng_below(&rng, 200), 2 + (int32_t)w_rng_below(&rng, 4), quotes, round % 2);
        test_rows *want = reference_rows(text);
        for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) {
            test_rows *got = test_rows_of_text(ctx[(round + (int)b) % 3], text, NULL, blocks[b]);
            test_rows_equal(want, got);
            test_rows_free(got);
        }
        test_rows_free(want);
        free(text);
    }
    for (int k = 0; k < 3; k++) {
        weir_ctx_destroy(ctx[k]);
    }
}

/* A field with quotes and line ends at every place relative to the borders of blocks. */
static void a_quoted_line_end_may_lie_on_any_border(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    const int64_t block = 24;
    for (int64_t shift = 0; shift < 3 * block; shift++) {
        char text[1024] = "n,t\n";
        size_t used = strlen(text);
        for (int64_t i = 0; i < 4; i++) {
            used += (size_t)snprintf(text + used, sizeof text - used, "%lld,plain\n", (long long)i);
        }
        memset(text + used, '7', (size_t)(shift % 17 + 1));
        used += (size_t)(shift % 17 + 1);
        used += (size_t)snprintf(text + used, sizeof text - used, ",%.*s\n", (int)(shift / 17 * 5),
                                 "abcdefghijklmnopqrstuvwxyz");
        snprintf(text + used, sizeof text - used,
                 "1,\"first\nsecond \"\"2\"\"\n\nlast, one\"\n2,plain\n3,\"q\"\n4,\"\n\"\n5,z\n");
        test_rows *want = reference_rows(text), *got = test_rows_of_text(ctx, text, NULL, block);
        test_rows_equal(want, got);
        test_rows_free(got);
        test_rows_free(want);
    }
    weir_ctx_destroy(ctx);
}

typedef struct outcome {
    weir_status status;
    char message[W_MESSAGE_BYTES];
    test_rows *rows;
} outcome;

static outcome outcome_of(weir_ctx *ctx, const char *path, int64_t block, int64_t window_bytes, int64_t keep_bytes)
{
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    outcome o = { .rows = NULL };
    weir_table *table;
    w_message_clear(ctx);
    o.status = w_table_open_files(ctx, 1, &path, &usual, &table);
    if (o.status >= 0) {
        w_table_set_block_bytes(table, block);
        w_scan_options scan = { .keep_bytes = keep_bytes, .window_bytes = window_bytes };
        o.status = test_rows_try(ctx, table, &scan, &o.rows);
        w_table_free(table);
    }
    strcpy(o.message, weir_ctx_message(ctx));
    return o;
}

static void same_outcome(const outcome *a, const outcome *b)
{
    assert_int_equal(a->status, b->status);
    if (a->status < 0) {
        assert_string_equal(a->message, b->message);
    } else {
        test_rows_equal(a->rows, b->rows);
    }
}

/* Texts with a few bytes changed: whatever comes of it, values or an error, is the same for every cut. */
static void damaged_texts_end_alike_however_they_are_cut(void **state)
{
    static const int64_t blocks[] = { 1, 4, 9, 50, 400 };
    static const char junk[] = "\"\",\n\r x\t1e.-\0;";
    w_rng rng;
    w_rng_seed(&rng, 22);
    weir_ctx *ctx[3] = { test_ctx(*state, 1, 0), test_ctx(*state, 2, 0), test_ctx(*state, 3, 0) };
    int failures = 0;
    for (int round = 0; round < 300; round++) {
        char *text =
            random_text(&rng, 1 + w_rng_below(&rng, 60), 2 + (int32_t)w_rng_below(&rng, 3), 10, round % 2);
        size_t length = strlen(text);
        for (int64_t k = w_rng_below(&rng, 3); k >= 0; k--) {
            text[w_rng_below(&rng, (int64_t)length)] = junk[w_rng_below(&rng, sizeof junk - 1)];
        }
        const char *path = test_file("damaged.csv", text, length);
        outcome want = outcome_of(ctx[0], path, 0, 0, 1 << 30);
        failures += want.status < 0;
        for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++) {
            outcome got = outcome_of(ctx[(round + (int)b) % 3], path, blocks[b], 0, b % 2 ? 1 << 30 : 0);
            same_outcome(&want, &got);
            test_rows_free(got.rows);
        }
        test_rows_free(want.rows);
        free(text);
    }
    assert_in_range(failures, 50, 295); /* both ends are met */
    for (int k = 0; k < 3; k++) {
        weir_ctx_destroy(ctx[k]);
    }
}

/* Enough rows for many windows; an error far inside; every thread count. */
static void windows_and_threads_do_not_show(void **state)
{
    w_rng rng;
    w_rng_seed(&rng, 23);
    char *text = random_text(&rng, 60000, 3, 1, false);
    test_rows *want = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(*state, threads, 0);
        const char *path = test_text_file("windows.csv", text);
        static const int64_t windows[] = { 1, 500000, 700001, 0, 64 << 20 };
        for (size_t k = 0; k < sizeof windows / sizeof *windows; k++) {
            outcome got = outcome_of(ctx, path, k == 1 ? 3000 : 0, windows[k], k % 2 ? 1 << 30 : 0);
            if (got.status < 0) {
                fail_msg("%s", got.message);
            }
            if (want) {
                test_rows_equal(want, got.rows);
                test_rows_free(got.rows);
            } else {
                want = got.rows;
            }
        }
        weir_ctx_destroy(ctx);
    }
    test_rows_free(want);
    char *bad = strstr(text + strlen(text) / 2, "\n") + 1; /* the two lowest of several errors */
    memcpy(bad, "x", 1);
    bad = strstr(bad + 1000, "\n") + 1;
    memcpy(bad, "y", 1);
    outcome first = { .rows = NULL };
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(*state, threads, 0);
        outcome got = outcome_of(ctx, test_text_file("windows.csv", text), 7777 * threads, 0, 1 << 30);
        assert_int_equal(got.status, WEIR_E_DATA);
        if (threads > 1) {
            assert_string_equal(first.message, got.message);
        }
        first = got;
        weir_ctx_destroy(ctx);
    }
    free(text);
}

/* A text column whose first values are missing for longer than a window, kept, read again and spooled. */
static void a_kind_may_show_late(void **state)
{
    const int rows = 50000;
    char *text = malloc(1 << 20);
    size_t used = (size_t)sprintf(text, "x,f,m\n");
    for (int i = 0; i < rows; i++) {
        used += (size_t)sprintf(text + used, "%d,%s,NA\n", i, i < 45000 ? "" : i % 2 ? "odd" : "even");
    }
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    const char *path = test_file("late.csv", text, used);
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    for (int k = 0; k < 3; k++) {
        weir_table *table;
        assert_int_equal(w_table_open_files(ctx, 1, &path, &usual, &table), WEIR_OK);
        w_table_set_block_bytes(table, 10000);
        w_scan_options scan = { .keep_bytes = k == 0 ? 1 << 30 : 0, .window_bytes = 1, .spool = k == 2 };
        test_rows *got = test_rows_read(ctx, table, &scan);
        assert_int_equal(got->route, k == 0 ? W_ROUTE_KEPT : k == 1 ? W_ROUTE_REREAD : W_ROUTE_SPOOLED);
        assert_int_equal(got->kind[1], W_FACTOR);
        assert_int_equal(got->kind[2], W_NUMERIC);
        assert_int_equal(got->rows, rows);
        for (int i = 0; i < rows; i++) {
            assert_true(got->number[0][i] == i);
            assert_true(isnan(got->number[2][i]));
            if (i < 45000) {
                assert_null(got->text[1][i]);
            } else {
                assert_string_equal(got->text[1][i], i % 2 ? "odd" : "even");
            }
        }
        test_rows_free(got);
        w_table_free(table);
    }
    free(text);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts_read_as_by_libcsv),
        cmocka_unit_test(a_quoted_line_end_may_lie_on_any_border),
        cmocka_unit_test(damaged_texts_end_alike_however_they_are_cut),
        cmocka_unit_test(windows_and_threads_do_not_show),
        cmocka_unit_test(a_kind_may_show_late),
    };
    return cmocka_run_group_tests(tests, NULL, test_files_remove);
}
