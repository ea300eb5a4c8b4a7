/* SPDX-License-Identifier: Apache-2.0 */
#include "support/tables.h"

#include <math.h>
#include <string.h>

#include "table/table.h"

enum trouble { NONE, NEGATIVE_ROWS, BAD_DTYPE, FLOAT_CODES, NO_DATA, BAD_CODE, NO_REWIND, NEW_LEVEL };

typedef struct user {
    enum trouble trouble;
    int calls, rewinds;
    float x[6];
    int16_t g[3];
} user;

static int pull(void *arg, int64_t *rows, weir_column *columns)
{
    user *u = arg;
    *rows = u->calls < 2 ? 3 : 0;
    if (u->calls++ >= 2) {
        return 0;
    }
    for (int i = 0; i < 6; i++) {
        u->x[i] = i % 2 ? NAN : (float)(u->calls * 10 + i / 2);
    }
    for (int i = 0; i < 3; i++) {
        u->g[i] = (int16_t)(i - 1);
    }
    assert_string_equal(columns[0].name, "x");
    assert_null(columns[0].data);
    columns[0].data = u->x;
    columns[0].dtype = WEIR_F32;
    columns[0].stride = 2 * (int64_t)sizeof(float);
    columns[1].data = u->g;
    columns[1].dtype = WEIR_I16;
    if (u->calls == 2) {
        switch (u->trouble) {
        case NEGATIVE_ROWS: *rows = -1; break;
        case BAD_DTYPE: columns[0].dtype = 99; break;
        case FLOAT_CODES: columns[1].dtype = WEIR_F32; break;
        case NO_DATA: columns[0].data = NULL; break;
        case BAD_CODE: u->g[2] = 2; break;
        case NEW_LEVEL: u->x[4] = u->rewinds ? 99 : 21; break;
        default: break;
        }
    }
    return 0;
}

static int again(void *arg)
{
    user *u = arg;
    u->calls = 0;
    u->rewinds++;
    return u->trouble == NO_REWIND;
}

static const char *const level_names[] = { "no", "yes" };
static const weir_column schema[] = { { "x", WEIR_F64, NULL, 0, 0, NULL },
                                      { "g", WEIR_I32, NULL, 0, 2, level_names } };

static void batches_may_come_in_another_shape(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    user u = { .trouble = NONE };
    weir_table *table;
    assert_int_equal(w_table_from_callback(ctx, 2, schema, pull, again, &u, &table), WEIR_OK);
    assert_string_equal(w_source_label(table), "callback");
    assert_int_equal(w_source_row_estimate(table), -1);
    const w_scan_options scan = { 0 };
    int64_t said;
    const char *name = "x";
    assert_int_equal(w_source_select(table, 1, &name, NULL), WEIR_OK);
    said = w_source_bytes(table, &scan);
    assert_true(said > 0);
    test_rows *got = test_rows_read(ctx, table, &scan);
    assert_int_equal(got->rows, 6);
    for (int i = 0; i < 6; i++) {
        assert_true(got->number[0][i] == 10 * (i / 3 + 1) + i % 3);
        assert_true(i % 3 == 0 ? got->text[1][i] == NULL : strcmp(got->text[1][i], level_names[i % 3 - 1]) == 0);
    }
    test_rows_free(got);
    assert_int_equal(w_source_bytes_read(table), 0);
    w_table_free(table);
    weir_ctx_destroy(ctx);
}

static void trouble_is_named(void **state)
{
    static const char *const parts[] = {
        [NEGATIVE_ROWS] = "callback: a batch of -1 rows",
        [BAD_DTYPE] = "column 'x' came with the dtype 99",
        [FLOAT_CODES] = "column 'g' came with the dtype 2",
        [NO_DATA] = "column 'x' came without data",
        [BAD_CODE] = "callback, row 6: column 'g' has code 2, but levels 0 to 1",
        [NO_REWIND] = "going back to the first row failed",
    };
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    for (int trouble = NEGATIVE_ROWS; trouble <= NO_REWIND; trouble++) {
        user u = { .trouble = (enum trouble)trouble };
        weir_table *table;
        test_rows *got = NULL;
        w_message_clear(ctx);
        assert_int_equal(w_table_from_callback(ctx, 2, schema, pull, again, &u, &table), WEIR_OK);
        assert_int_equal(test_rows_try(ctx, table, &(w_scan_options){ 0 }, &got), WEIR_E_DATA);
        assert_non_null(strstr(weir_ctx_message(ctx), parts[trouble]));
        w_table_free(table);
    }
    weir_ctx_destroy(ctx);
}

static void a_number_may_be_a_factor_and_its_levels_are_final(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    const char *name = "x";
    const w_column_want want = W_WANT_FACTOR;
    for (int k = 0; k < 2; k++) {
        user u = { .trouble = k ? NEW_LEVEL : NONE };
        weir_table *table;
        assert_int_equal(w_table_from_callback(ctx, 2, schema, pull, again, &u, &table), WEIR_OK);
        assert_int_equal(w_source_select(table, 1, &name, &want), WEIR_OK);
        assert_int_equal(w_source_scan(table, &(w_scan_options){ 0 }, NULL, NULL), WEIR_OK);
        assert_int_equal(w_source_column(table, 0)->level_count, k ? 5 : 6);
        assert_string_equal(w_source_column(table, 0)->levels[0], "10");
        assert_int_equal(w_source_rewind(table), WEIR_OK);
        w_window window;
        w_message_clear(ctx);
        assert_int_equal(w_source_next(table, &window), k ? WEIR_E_DATA : WEIR_OK);
        if (k) {
            assert_non_null(
                strstr(weir_ctx_message(ctx), "row 6: column 'x' has a level that was not there before"));
        }
        w_table_free(table);
    }
    weir_ctx_destroy(ctx);
}

static weir_status read_twice(weir_ctx *ctx, void *arg)
{
    (void)arg;
    user u = { .trouble = NONE };
    weir_table *table = NULL;
    weir_status status = w_table_from_callback(ctx, 2, schema, pull, NULL, &u, &table);
    const char *names[] = { "x", "g" };
    const w_column_want want[] = { W_WANT_FACTOR, W_WANT_EITHER };
    w_window window = { .rows = 1 };
    if (status >= 0) {
        status = w_source_select(table, 2, names, want);
    }
    if (status >= 0) {
        status = w_source_scan(table, &(w_scan_options){ .window_bytes = 1 }, NULL, NULL);
    }
    if (status >= 0) {
        status = w_source_rewind(table);
    }
    while (status >= 0 && window.rows > 0) {
        status = w_source_next(table, &window);
    }
    w_table_free(table);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    assert_true(test_each_allocation_fails(ctx, read_twice, NULL) > 15);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_may_come_in_another_shape),
        cmocka_unit_test(trouble_is_named),
        cmocka_unit_test(a_number_may_be_a_factor_and_its_levels_are_final),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
