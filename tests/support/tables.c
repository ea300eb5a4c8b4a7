/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "support/folder.h"
#include "table/table.h"

static char folder[TEST_FOLDER_BYTES];

const char *test_path(const char *name)
{
    static char path[16][TEST_FOLDER_BYTES + 64];
    static int next;
    if (folder[0] == '\0') {
        assert_int_equal(test_folder_make(folder), 0);
    }
    char *p = path[next++ % 16];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

const char *test_file(const char *name, const void *bytes, size_t size)
{
    const char *path = test_path(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

const char *test_text_file(const char *name, const char *text) { return test_file(name, text, strlen(text)); }

const char *test_gzip_file(const char *name, const char *text, size_t size)
{
    const char *path = test_path(name);
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(size == 0 ? 0 : gzwrite(file, text, (unsigned)size), size);
    assert_int_equal(gzclose(file), Z_OK);
    return path;
}

int test_files_remove(void **state)
{
    (void)state;
    if (folder[0] != '\0') {
        test_folder_remove(folder);
    }
    folder[0] = '\0';
    return 0;
}

void test_rows_free(test_rows *rows)
{
    for (int32_t c = 0; rows && c < rows->columns; c++) {
        free(rows->name[c]);
        free(rows->number[c]);
        free(rows->text[c]);
        for (int64_t i = 0; i < rows->level_count[c]; i++) {
            free(rows->level[c][i]);
        }
        free(rows->level[c]);
    }
    free(rows);
}

static void begin_rows(test_rows *rows, weir_table *table)
{
    for (int32_t c = 0; c < rows->columns; c++) {
        const w_column_info *info = w_source_column(table, c);
        rows->name[c] = strdup(info->name);
        rows->kind[c] = info->kind;
        rows->level_count[c] = info->level_count;
        rows->number[c] = calloc((size_t)rows->rows + 1, sizeof(double));
        rows->text[c] = calloc((size_t)rows->rows + 1, sizeof(char *));
        rows->level[c] = calloc((size_t)info->level_count + 1, sizeof(char *));
        for (int64_t i = 0; i < info->level_count; i++) {
            rows->level[c][i] = strdup(info->levels[i]);
        }
    }
}

static void copy_window(test_rows *rows, const w_window *window)
{
    for (int32_t c = 0; c < rows->columns; c++) {
        assert_int_equal(window->column[c].kind, rows->kind[c]);
        for (int64_t start = 0; start < window->rows; start += W_TILE_ROWS) {
            double number[W_TILE_ROWS];
            int32_t code[W_TILE_ROWS];
            int64_t n = window->rows - start < W_TILE_ROWS ? window->rows - start : W_TILE_ROWS;
            int64_t at = window->first_row + start;
            if (rows->kind[c] == W_NUMERIC) {
                memcpy(rows->number[c] + at, w_window_numeric(window, c, start, n, number),
                       (size_t)n * sizeof(double));
                continue;
            }
            const int32_t *codes = w_window_codes(window, c, start, n, code);
            for (int64_t i = 0; i < n; i++) {
                assert_in_range(codes[i] + 1, 0, rows->level_count[c]);
                rows->text[c][at + i] = codes[i] < 0 ? NULL : rows->level[c][codes[i]];
            }
        }
    }
}

static weir_status read_pass(weir_table *table, test_rows *rows)
{
    weir_status status = w_source_rewind(table);
    int64_t next = 0;
    while (status >= 0) {
        w_window window;
        status = w_source_next(table, &window);
        if (status < 0 || window.rows == 0) {
            break;
        }
        assert_int_equal(window.first_row, next);
        assert_int_equal(window.first_row % W_TILE_ROWS, 0);
        assert_int_equal(window.column_count, rows->columns);
        next += window.rows;
        assert_true(next == rows->rows || window.rows % W_TILE_ROWS == 0);
        copy_window(rows, &window);
    }
    if (status >= 0) {
        assert_int_equal(next, rows->rows);
    }
    return status;
}

static weir_status count_rows(void *arg, const w_window *window)
{
    int64_t *seen = arg;
    assert_int_equal(window->first_row, *seen);
    *seen += window->rows;
    return WEIR_OK;
}

weir_status test_rows_try(weir_ctx *ctx, weir_table *table, const w_scan_options *options, test_rows **out)
{
    (void)ctx;
    int32_t count = table->column_count;
    assert_in_range(count, 1, TEST_COLUMNS);
    const char *names[TEST_COLUMNS];
    w_column_want want[TEST_COLUMNS];
    for (int32_t c = 0; c < count; c++) {
        names[c] = table->names[c];
        want[c] = W_WANT_EITHER;
    }
    weir_status status = w_source_select(table, count, names, want);
    int64_t seen = 0;
    if (status >= 0) {
        status = w_source_scan(table, options, count_rows, &seen);
    }
    if (status < 0) {
        return status;
    }
    assert_int_equal(seen, w_source_row_count(table));
    test_rows *pass[2];
    for (int k = 0; k < 2; k++) {
        pass[k] = calloc(1, sizeof **pass);
        pass[k]->columns = count;
        pass[k]->rows = seen;
        pass[k]->route = w_source_chosen_route(table);
        begin_rows(pass[k], table);
        if (status >= 0) {
            status = read_pass(table, pass[k]);
        }
    }
    if (status >= 0) {
        test_rows_equal(pass[0], pass[1]);
        *out = pass[0];
    } else {
        test_rows_free(pass[0]);
    }
    test_rows_free(pass[1]);
    return status;
}

test_rows *test_rows_read(weir_ctx *ctx, weir_table *table, const w_scan_options *options)
{
    test_rows *rows = NULL;
    if (test_rows_try(ctx, table, options, &rows) < 0) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    return rows;
}

void test_rows_equal(const test_rows *a, const test_rows *b)
{
    assert_int_equal(a->columns, b->columns);
    assert_int_equal(a->rows, b->rows);
    for (int32_t c = 0; c < a->columns; c++) {
        assert_string_equal(a->name[c], b->name[c]);
        assert_int_equal(a->kind[c], b->kind[c]);
        assert_int_equal(a->level_count[c], b->level_count[c]);
        for (int64_t i = 0; i < a->level_count[c]; i++) {
            assert_string_equal(a->level[c][i], b->level[c][i]);
        }
        for (int64_t i = 0; i < a->rows; i++) {
            if (a->kind[c] == W_NUMERIC) {
                double x = a->number[c][i], y = b->number[c][i];
                if (memcmp(&x, &y, sizeof x) != 0 && !(isnan(x) && isnan(y))) {
                    fail_msg("column %s, row %lld: %.17g and %.17g", a->name[c], (long long)i, x, y);
                }
            } else if (a->text[c][i] && b->text[c][i]) {
                assert_string_equal(a->text[c][i], b->text[c][i]);
            } else {
                assert_true(a->text[c][i] == b->text[c][i]);
            }
        }
    }
}

static test_rows *read_opened(weir_ctx *ctx, const char *path, const weir_table_options *options,
                              int64_t block_bytes)
{
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    weir_table *table;
    if (w_table_open_files(ctx, 1, &path, options ? options : &usual, &table) < 0) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    w_table_set_block_bytes(table, block_bytes);
    w_scan_options scan = { .keep_bytes = (int64_t)1 << 30 };
    test_rows *rows = test_rows_read(ctx, table, &scan);
    w_table_free(table);
    return rows;
}

test_rows *test_rows_of_file(weir_ctx *ctx, const char *path, const weir_table_options *options)
{
    return read_opened(ctx, path, options, 0);
}

test_rows *test_rows_of_text(weir_ctx *ctx, const char *text, const weir_table_options *options,
                             int64_t block_bytes)
{
    return read_opened(ctx, test_text_file("text.csv", text), options, block_bytes);
}

void test_text_fails(weir_ctx *ctx, const char *text, const weir_table_options *options, weir_status status,
                     const char *part)
{
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    const char *path = test_text_file("bad.csv", text);
    weir_table *table = NULL;
    test_rows *rows = NULL;
    w_message_clear(ctx);
    weir_status got = w_table_open_files(ctx, 1, &path, options ? options : &usual, &table);
    if (got >= 0) {
        w_scan_options scan = { .keep_bytes = (int64_t)1 << 30 };
        got = test_rows_try(ctx, table, &scan, &rows);
        w_table_free(table);
    }
    if (got != status || !strstr(weir_ctx_message(ctx), part)) {
        fail_msg("status %d (%d wanted), message \"%s\" (\"%s\" wanted)", got, status, weir_ctx_message(ctx),
                 part);
    }
}
