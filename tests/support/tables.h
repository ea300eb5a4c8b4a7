/* SPDX-License-Identifier: Apache-2.0 */
/* Tables in tests: files made on the spot, and everything a table gives in one comparable heap of values. */
#ifndef WEIR_TESTS_SUPPORT_TABLES_H
#define WEIR_TESTS_SUPPORT_TABLES_H

#include "support/test.h"
#include "table/source.h"

#define TEST_COLUMNS 16

typedef struct test_rows {
    int32_t columns;
    int64_t rows;
    char *name[TEST_COLUMNS];
    w_column_kind kind[TEST_COLUMNS];
    double *number[TEST_COLUMNS]; /* numeric columns; NaN = missing */
    char **text[TEST_COLUMNS];    /* factors: the level of each row, NULL = missing (borrowed from `level`) */
    int64_t level_count[TEST_COLUMNS];
    char **level[TEST_COLUMNS];
    w_source_route route;
} test_rows;

/* Writes bytes to a new file <name> in a folder of this process; the path (valid until the test ends). */
const char *test_file(const char *name, const void *bytes, size_t size);
const char *test_text_file(const char *name, const char *text);
/* The same compressed by gzip. */
const char *test_gzip_file(const char *name, const char *text, size_t size);
/* The path such a file would have. */
const char *test_path(const char *name);
/* Removes the folder. */
int test_files_remove(void **state);

/* Selects all columns (W_WANT_EITHER), scans, reads twice and checks that windows follow the rules and that both passes
 * give the same; the scan's own windows give the same where codes are final. Fails the test when a status is negative. */
test_rows *test_rows_read(weir_ctx *ctx, weir_table *table, const w_scan_options *options);
/* As that, but returns the status; *out is only set on success. */
weir_status test_rows_try(weir_ctx *ctx, weir_table *table, const w_scan_options *options, test_rows **out);
void test_rows_free(test_rows *rows);
/* Same names, kinds, values bit for bit, levels. */
void test_rows_equal(const test_rows *a, const test_rows *b);

/* Opens `path` with `options` (NULL = usual), reads all with the default scan. */
test_rows *test_rows_of_file(weir_ctx *ctx, const char *path, const weir_table_options *options);
/* The same of a text; block_bytes 0 = usual. */
test_rows *test_rows_of_text(weir_ctx *ctx, const char *text, const weir_table_options *options,
                             int64_t block_bytes);
/* Opening or scanning the text must fail with this status and a message that contains `part`. */
void test_text_fails(weir_ctx *ctx, const char *text, const weir_table_options *options, weir_status status,
                     const char *part);

#endif
