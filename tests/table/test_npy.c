/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "table/npy.h"
#include "table/table.h"

typedef struct image {
    unsigned char *bytes;
    size_t size;
} image;

/* Magic, version and header around `size` bytes of data; header_extra pads the header as writers may. */
static image npy_image(int version, const char *dict, const void *data, size_t size, int header_extra)
{
    size_t preamble = version == 1 ? 10 : 12, length = strlen(dict) + (size_t)header_extra + 1;
    image out = { calloc(preamble + length + size + 1, 1), preamble + length + size };
    memcpy(out.bytes, "\x93NUMPY", 6);
    out.bytes[6] = (unsigned char)version;
    for (int i = 0; i < (version == 1 ? 2 : 4); i++) {
        out.bytes[8 + i] = (unsigned char)(length >> 8 * i);
    }
    memcpy(out.bytes + preamble, dict, strlen(dict));
    memset(out.bytes + preamble + strlen(dict), ' ', (size_t)header_extra);
    out.bytes[preamble + length - 1] = '\n';
    memcpy(out.bytes + preamble + length, data, size);
    return out;
}

static const struct {
    const char *code;
    size_t size;
    weir_dtype dtype;
} types[] = { { "f8", 8, WEIR_F64 }, { "f4", 4, WEIR_F32 }, { "i8", 8, WEIR_I64 }, { "i4", 4, WEIR_I32 },
              { "i2", 2, WEIR_I16 }, { "i1", 1, WEIR_I8 },  { "u4", 4, WEIR_U32 }, { "u2", 2, WEIR_U16 },
              { "u1", 1, WEIR_U8 },  { "b1", 1, WEIR_BOOL } };
#define TYPES (sizeof types / sizeof *types)

/* Element k as the type holds it, and the number that it then is. */
static double put_element(size_t t, int64_t k, bool swapped, unsigned char *to)
{
    double value;
    switch (types[t].dtype) {
    case WEIR_F64: memcpy(to, &(double){ value = (double)k / 3 - 7 }, 8); break;
    case WEIR_F32: value = (float)k / 8; memcpy(to, &(float){ (float)value }, 4); break;
    case WEIR_I64: memcpy(to, &(int64_t){ k * 1000003 - 50 }, 8); value = (double)(k * 1000003 - 50); break;
    case WEIR_I32: memcpy(to, &(int32_t){ (int32_t)(k * 1009 - 50) }, 4); value = (double)(k * 1009 - 50); break;
    case WEIR_I16:
        memcpy(to, &(int16_t){ (int16_t)(k % 3000 - 1000) }, 2);
        value = (double)(k % 3000 - 1000);
        break;
    case WEIR_I8: *to = (unsigned char)(int8_t)(k % 250 - 125); value = (double)(k % 250 - 125); break;
    case WEIR_U32: memcpy(to, &(uint32_t){ 4000000000u + (uint32_t)k }, 4); value = 4e9 + (double)k; break;
    case WEIR_U16:
        memcpy(to, &(uint16_t){ (uint16_t)(60000 + k % 5000) }, 2);
        value = (double)(60000 + k % 5000);
        break;
    case WEIR_U8: *to = (unsigned char)(k % 256); value = (double)(k % 256); break;
    default: *to = (unsigned char)(k % 2); value = (double)(k % 2); break;
    }
    for (size_t i = 0; swapped && i < types[t].size / 2; i++) {
        unsigned char keep = to[i];
        to[i] = to[types[t].size - 1 - i];
        to[types[t].size - 1 - i] = keep;
    }
    return value;
}

static test_rows *read_image(weir_ctx *ctx, image npy, const weir_table_options *options, int64_t keep_bytes)
{
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    const char *path = test_file("a.npy", npy.bytes, npy.size);
    weir_table *table;
    if (w_table_open_files(ctx, 1, &path, options ? options : &usual, &table) < 0) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    test_rows *rows = test_rows_read(ctx, table, &(w_scan_options){ .keep_bytes = keep_bytes, .window_bytes = 1 });
    w_table_free(table);
    free(npy.bytes);
    return rows;
}

static void every_type_order_and_version_reads(void **state)
{
    const int64_t rows = 20011, columns = 3;
    unsigned char *data = malloc((size_t)(rows * columns) * 8);
    double *want = malloc((size_t)(rows * columns) * sizeof *want);
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(*state, threads, 0);
        for (size_t t = 0; t < TYPES; t++) {
            for (int variant = 0; variant < 4; variant++) {
                bool fortran = variant & 1, swapped = variant & 2;
                for (int64_t i = 0; i < rows * columns; i++) {
                    int64_t place = fortran ? i % columns * rows + i / columns : i;
                    want[i] = put_element(t, i, swapped, data + (size_t)place * types[t].size);
                }
                char dict[128];
                snprintf(dict, sizeof dict, "{'descr': '%s%s', 'fortran_order': %s, 'shape': (%d, %d), }",
                         types[t].size == 1 ? "|"
                         : swapped          ? ">"
                                            : "<",
                         types[t].code, fortran ? "True" : "False", (int)rows, (int)columns);
                image npy = npy_image(1 + (int)(t + (size_t)variant) % 3, dict, data,
                                      (size_t)(rows * columns) * types[t].size, (int)t);
                test_rows *got = read_image(ctx, npy, NULL, t % 2 ? (int64_t)1 << 30 : 0);
                assert_int_equal(got->columns, columns);
                assert_int_equal(got->rows, rows);
                assert_string_equal(got->name[2], "c2");
                for (int64_t i = 0; i < rows * columns; i++) {
                    assert_true(got->number[i % columns][i / columns] == want[i]);
                }
                test_rows_free(got);
            }
        }
        weir_ctx_destroy(ctx);
    }
    free(data);
    free(want);
}

static void a_structured_array_names_its_columns(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    const int rows = 9000, row_bytes = 8 + 2 + 12 + 1 + 4;
    unsigned char *data = calloc((size_t)rows, (size_t)row_bytes);
    for (int i = 0; i < rows; i++) {
        unsigned char *p = data + i * row_bytes;
        put_element(0, i, true, p);
        put_element(4, i, false, p + 8);
        put_element(9, i, false, p + 22);
        put_element(1, i, false, p + 23);
    }
    image npy = npy_image(
        3,
        "{'descr': [('speed', '>f8'), ('\xc3\xa4', '<i2'), ('note', '<U3'), (('title', 'it\\'s'), '|b1'), "
        "('w', '<f4')], 'fortran_order': False, 'shape': (9000,)}",
        data, (size_t)rows * (size_t)row_bytes, 3);
    const char *path = test_file("s.npy", npy.bytes, npy.size);
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    weir_table *table;
    assert_int_equal(w_table_open_files(ctx, 1, &path, &usual, &table), WEIR_OK);
    assert_int_equal(table->column_count, 5);
    const char *names[] = { "w", "\xc3\xa4", "speed", "it's" };
    assert_int_equal(w_source_select(table, 4, names, NULL), WEIR_OK);
    assert_int_equal(w_source_scan(table, &(w_scan_options){ .keep_bytes = 1 << 30 }, NULL, NULL), WEIR_OK);
    assert_int_equal(w_source_rewind(table), WEIR_OK);
    w_window window;
    assert_int_equal(w_source_next(table, &window), WEIR_OK);
    assert_int_equal(window.rows, rows);
    unsigned char element[8];
    static const size_t type[] = { 1, 4, 0, 9 };
    for (int c = 0; c < 4; c++) {
        const double *value = w_window_numeric(&window, c, 0, rows, NULL);
        for (int i = 0; i < rows; i++) {
            assert_true(value[i] == put_element(type[c], i, false, element));
        }
    }
    const char *text = "note";
    w_message_clear(ctx);
    assert_int_equal(w_source_select(table, 1, &text, NULL), WEIR_OK);
    assert_int_equal(w_source_scan(table, &(w_scan_options){ 0 }, NULL, NULL), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "column 'note' has a type that is not read"));
    w_table_free(table);
    free(npy.bytes);
    free(data);
    weir_ctx_destroy(ctx);
}

static void names_can_be_given_and_numbers_be_factors(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    const int64_t data[] = { 10, 1, 9, 2, -1, 3, 10, 4 };
    const char *dict = "{'descr': '<i8', 'fortran_order': False, 'shape': (4, 2)}";
    const weir_table_options options = { .version = 1, .columns = "g, x", .factors = "g" };
    for (int keep = 0; keep < 2; keep++) {
        test_rows *got = read_image(ctx, npy_image(1, dict, data, sizeof data, 0), &options, keep << 20);
        static const char *const levels[] = { "-1", "9", "10" }, *const text[] = { "10", "9", "-1", "10" };
        assert_string_equal(got->name[0], "g");
        assert_int_equal(got->level_count[0], 3);
        for (int i = 0; i < 3; i++) {
            assert_string_equal(got->level[0][i], levels[i]);
        }
        for (int i = 0; i < 4; i++) {
            assert_string_equal(got->text[0][i], text[i]);
            assert_true(got->number[1][i] == i + 1);
        }
        test_rows_free(got);
    }
    weir_ctx_destroy(ctx);
}

static void one_dimension_is_one_column_and_none_no_table(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    const double data[] = { 1, NAN, INFINITY };
    test_rows *got = read_image(
        ctx, npy_image(2, "{'descr': '<f8', 'fortran_order': True, 'shape': (3,)}", data, sizeof data, 0), NULL,
        1 << 20);
    assert_int_equal(got->columns, 1);
    assert_int_equal(got->rows, 3);
    assert_true(isnan(got->number[0][1]) && isinf(got->number[0][2]));
    test_rows_free(got);
    got = read_image(ctx, npy_image(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 2)}", data, 0, 0),
                     NULL, 1 << 20);
    assert_int_equal(got->rows, 0);
    test_rows_free(got);
    weir_ctx_destroy(ctx);
}

static void lying_headers_are_refused_before_memory_is_taken(void **state)
{
    static const struct {
        const char *dict, *part;
    } cases[] = {
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 5)}", "cut short" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", "too large" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
          "a number is too large" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 0)}", "columns is out of range" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 99999999999)}", "columns is out of range" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 65537)}", "no rows, and more than 65536 columns" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': ()}", "a single number" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2, 3)}", "more than two dimensions" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}", "a number is missing" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': 3}", "'(' is missing" },
        { "{'descr': '<c16', 'fortran_order': False, 'shape': (3,)}", "elements of this type are not read" },
        { "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}", "an unknown type" },
        { "{'descr': '<f8x', 'fortran_order': False, 'shape': (3,)}", "an unknown type" },
        { "{'descr': '<f99999999999', 'fortran_order': False, 'shape': (3,)}", "an element is too large" },
        { "{'descr': '<f8', 'fortran_order': Maybe, 'shape': (3,)}", "neither True nor False" },
        { "{'descr': '<f8', 'fortran_order': False}", "is missing" },
        { "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (3,)}", "repeated key" },
        { "{'descr': '<f8, 'fortran_order': False, 'shape': (3,)}", "damaged NPY header" },
        { "{'descr': [], 'fortran_order': False, 'shape': (3,)}", "no columns" },
        { "{'descr': [('a', '<f8', (2,))], 'fortran_order': False, 'shape': (3,)}", "arrays inside records" },
        { "{'descr': [('a', [('b', '<f8')])], 'fortran_order': False, 'shape': (3,)}", "records inside records" },
        { "{'descr': [('a', '<f8'), ('a', '<f8')], 'fortran_order': False, 'shape': (1,)}",
          "two columns are named 'a'" },
        { "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1, 1)}",
          "two-dimensional array of records" },
        { "{'descr': [('', '<f8')], 'fortran_order': False, 'shape': (1,)}", "no usable name" },
        { "", "'{' is missing" },
    };
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    static const char data[24];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        image npy = npy_image(1, cases[i].dict, data, sizeof data, 0);
        const char *path = test_file("lie.npy", npy.bytes, npy.size);
        weir_table *table = NULL;
        w_message_clear(ctx);
        w_ledger_reset_peak(ctx);
        int64_t before = atomic_load(&ctx->ledger.in_use);
        assert_int_equal(w_table_open_files(ctx, 1, &path, &usual, &table), WEIR_E_DATA);
        assert_null(table);
        if (!strstr(weir_ctx_message(ctx), cases[i].part)) {
            fail_msg("%s: \"%s\", wanted \"%s\"", cases[i].dict, weir_ctx_message(ctx), cases[i].part);
        }
        assert_true(atomic_load(&ctx->ledger.peak) - before < 64 << 10);
        assert_int_equal(atomic_load(&ctx->ledger.in_use), before);
        free(npy.bytes);
    }
    weir_ctx_destroy(ctx);
}

static void a_cut_at_every_byte_says_what_is_missing(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    const double data[] = { 1, 2, 3, 4, 5, 6 };
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    for (int version = 1; version <= 3; version++) {
        image npy = npy_image(version, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }", data,
                              sizeof data, 7);
        for (size_t cut = 0; cut < npy.size; cut++) {
            const char *path = test_file("cut.npy", npy.bytes, cut);
            weir_table *table = NULL;
            w_message_clear(ctx);
            assert_int_equal(w_table_open_files(ctx, 1, &path, &usual, &table), WEIR_E_DATA);
            char missing[64];
            snprintf(missing, sizeof missing, "cut short: %zu bytes are missing", npy.size - cut);
            bool in_data = npy.size - cut <= sizeof data;
            if (!strstr(weir_ctx_message(ctx), in_data ? missing : "cut short: ")) {
                fail_msg("cut at %zu: %s", cut, weir_ctx_message(ctx));
            }
        }
        free(npy.bytes);
    }
    weir_ctx_destroy(ctx);
}

static void damaged_headers_never_do_harm(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 64 << 20);
    w_rng rng;
    w_rng_seed(&rng, 31);
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    static const char data[64];
    int opened = 0;
    for (int round = 0; round < 3000; round++) {
        image npy = npy_image(1 + round % 3,
                              "{'descr': [('a', '<f8'), ('bc', '>i4')], 'fortran_order': False, 'shape': (5,)}",
                              data, sizeof data, 0);
        for (int64_t k = w_rng_below(&rng, 4); k >= 0; k--) {
            npy.bytes[w_rng_below(&rng, (int64_t)npy.size)] = (unsigned char)w_rng_next(&rng);
        }
        const char *path = test_file("harm.npy", npy.bytes, npy.size);
        weir_table *table = NULL;
        test_rows *rows = NULL;
        weir_status status = w_table_open_files(ctx, 1, &path, &usual, &table);
        if (status >= 0 && table->column_count <= TEST_COLUMNS) {
            status = test_rows_try(ctx, table, &(w_scan_options){ 0 }, &rows);
            opened += status >= 0;
        }
        assert_true(status == WEIR_OK || status == WEIR_E_DATA);
        test_rows_free(rows);
        w_table_free(table);
        free(npy.bytes);
    }
    assert_in_range(opened, 100, 2900);
    weir_ctx_destroy(ctx);
}

static void a_long_header_reads(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    const int32_t data[] = { 5, 6 };
    test_rows *got = read_image(
        ctx, npy_image(2, "{'descr': '<i4', 'fortran_order': False, 'shape': (2,)}", data, sizeof data, 90000),
        NULL, 0);
    assert_true(got->rows == 2 && got->number[0][1] == 6);
    test_rows_free(got);
    weir_ctx_destroy(ctx);
}

static void what_else_may_be_wrong_is_named(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    const double data[] = { 1, 2, 3, 4 };
    image npy = npy_image(1, "{'descr': '>f8', 'fortran_order': False, 'shape': (4, 1)}", data, sizeof data, 0);
    const char *path = test_file("w.npy", npy.bytes, npy.size), *pipe = test_path("pipe.npy"),
               *nowhere = "/nowhere/a.npy";
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT, named = { .version = 1, .columns = "a,b" },
                             factor = { .version = 1, .columns = "a", .factors = "a" };
    weir_table *table = NULL;
    assert_int_equal(w_table_open_files(ctx, 1, &path, &named, &table), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "has 1 columns, but 2 names are given"));
    assert_int_equal(mkfifo(pipe, 0600), 0);
    w_message_clear(ctx);
    assert_int_equal(w_table_open_files(ctx, 1, &pipe, &usual, &table), WEIR_E_IO);
    assert_non_null(strstr(weir_ctx_message(ctx), "is not a regular file"));
    w_message_clear(ctx);
    assert_int_equal(w_table_open_files(ctx, 1, &nowhere, &usual, &table), WEIR_E_IO);
    assert_non_null(strstr(weir_ctx_message(ctx), "/nowhere/a.npy: cannot open: "));
    for (int k = 0; k < 2; k++) { /* between the passes: cut, or with other numbers */
        const char *name = "a";
        w_window window;
        path = test_file("w.npy", npy.bytes, npy.size);
        assert_int_equal(w_table_open_files(ctx, 1, &path, &factor, &table), WEIR_OK);
        assert_int_equal(w_source_select(table, 1, &name, NULL), WEIR_OK);
        assert_int_equal(w_source_level_estimate(table, 0), 4);
        assert_int_equal(w_source_row_estimate(table), 4);
        assert_int_equal(w_source_scan(table, &(w_scan_options){ 0 }, NULL, NULL), WEIR_OK);
        assert_true(w_source_bytes_read(table) >= (int64_t)sizeof data);
        npy.bytes[npy.size - 1] ^= (unsigned char)(k << 3);
        test_file("w.npy", npy.bytes, npy.size - (k == 0));
        assert_int_equal(w_source_rewind(table), WEIR_OK);
        w_message_clear(ctx);
        assert_int_equal(w_source_next(table, &window), WEIR_E_DATA);
        assert_non_null(
            strstr(weir_ctx_message(ctx), k ? "changed while it was read: row 4 of column 'a' has a new level"
                                            : "became shorter while it was read: 1 bytes are missing"));
        w_table_free(table);
    }
    free(npy.bytes);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_order_and_version_reads),
        cmocka_unit_test(a_structured_array_names_its_columns),
        cmocka_unit_test(names_can_be_given_and_numbers_be_factors),
        cmocka_unit_test(one_dimension_is_one_column_and_none_no_table),
        cmocka_unit_test(lying_headers_are_refused_before_memory_is_taken),
        cmocka_unit_test(a_cut_at_every_byte_says_what_is_missing),
        cmocka_unit_test(damaged_headers_never_do_harm),
        cmocka_unit_test(a_long_header_reads),
        cmocka_unit_test(what_else_may_be_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, test_files_remove);
}
