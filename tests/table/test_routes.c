/* SPDX-License-Identifier: Apache-2.0 */
/* The same rows by every way in (file, gzip, pipe, callback, several files) and every route of later passes. */
#include "support/sample_table.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/rng.h"
#include "table/table.h"

static const w_scan_options keep = { .keep_bytes = 1 << 30 }, forget = { .keep_bytes = 0 },
                            keep_some = { .keep_bytes = 500000, .window_bytes = 1 },
                            spool = { .keep_bytes = 1 << 30, .window_bytes = 1, .spool = W_SPOOL_ALWAYS },
                            cache = { .window_bytes = 1, .spool = W_SPOOL_CACHE },
                            cache_rest = { .keep_bytes = 500000, .window_bytes = 1, .spool = W_SPOOL_CACHE },
                            cache_none = { .keep_bytes = 1 << 30, .window_bytes = 1, .spool = W_SPOOL_CACHE };

static void files_and_gzip_take_every_route(void **state)
{
    sample *s = make_sample();
    const char *paths[] = { test_file("s.csv", s->csv, s->size), test_gzip_file("s.csv.gz", s->csv, s->size),
                            test_gzip_file("named-otherwise", s->csv, s->size) };
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(*state, threads, 0);
        for (int k = 0; k < 3; k++) {
            weir_table *table = open_files(ctx, 1, &paths[k]);
            goes_by(ctx, table, &keep, W_ROUTE_KEPT, s);
            goes_by(ctx, table, &forget, W_ROUTE_REREAD, s);
            goes_by(ctx, table, &keep_some, W_ROUTE_REREAD, s);
            goes_by(ctx, table, &spool, W_ROUTE_SPOOLED, s);
            goes_by(ctx, table, &cache, W_ROUTE_SPOOLED, s);
            goes_by(ctx, table, &cache_rest, W_ROUTE_SPOOLED, s);
            goes_by(ctx, table, &cache_none, W_ROUTE_KEPT, s);
            goes_by(ctx, table, &keep, W_ROUTE_KEPT, s); /* a scan may be repeated */
            w_table_free(table);
        }
        weir_ctx_destroy(ctx);
    }
    free_sample(s);
}

/* ---- pipes */

typedef struct pouring {
    int descriptor;
    const char *path;
    const char *bytes;
    size_t size;
} pouring;

/* In uneven pieces, as a slow program would. */
static void *pour(void *arg)
{
    pouring *p = arg;
    int descriptor = p->path ? open(p->path, O_WRONLY) : p->descriptor;
    size_t done = 0, piece = 1;
    while (done < p->size) {
        size_t part = p->size - done < piece ? p->size - done : piece;
        ssize_t count = write(descriptor, p->bytes + done, part);
        if (count <= 0) {
            break;
        }
        done += (size_t)count;
        piece = piece * 3 % 70001 + 1;
    }
    close(descriptor);
    return NULL;
}

static void a_pipe_is_read_once_and_kept_or_spooled(void **state)
{
    sample *s = make_sample();
    const char *packed_path = test_gzip_file("p.csv.gz", s->csv, s->size);
    char *packed = malloc(s->size);
    FILE *file = fopen(packed_path, "rb");
    size_t packed_size = fread(packed, 1, s->size, file);
    fclose(file);
    const w_scan_options *options[] = { &keep, &forget, &keep_some, &spool };
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    for (int k = 0; k < 8; k++) {
        char name[32];
        sprintf(name, "fifo%d", k);
        const char *path = test_path(name);
        assert_int_equal(mkfifo(path, 0600), 0);
        pouring p = { -1, path, k < 4 ? s->csv : packed, k < 4 ? s->size : packed_size };
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, pour, &p), 0);
        weir_table *table = open_files(ctx, 1, &path);
        assert_int_equal(w_source_row_estimate(table), -1);
        goes_by(ctx, table, options[k % 4], k % 4 == 0 ? W_ROUTE_KEPT : W_ROUTE_SPOOLED, s);
        test_rows *again = NULL;
        w_message_clear(ctx);
        assert_int_equal(test_rows_try(ctx, table, &keep, &again), WEIR_E_DATA);
        assert_non_null(strstr(weir_ctx_message(ctx), "can be read only once"));
        w_table_free(table);
        pthread_join(thread, NULL);
    }
    weir_ctx_destroy(ctx);
    free(packed);
    free_sample(s);
}

static void standard_input_is_a_dash(void **state)
{
    sample *s = make_sample();
    int ends[2], saved = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    pouring p = { ends[1], NULL, s->csv, s->size };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, pour, &p), 0);
    dup2(ends[0], STDIN_FILENO);
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    const char *path = "-";
    weir_table *table = open_files(ctx, 1, &path);
    assert_string_equal(w_source_label(table), "standard input");
    goes_by(ctx, table, &forget, W_ROUTE_SPOOLED, s);
    w_table_free(table);
    pthread_join(thread, NULL);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(ends[0]);
    weir_ctx_destroy(ctx);
    free_sample(s);
}

/* ---- gzip that is wrong */

static void gzip_members_join_and_damage_is_named(void **state)
{
    sample *s = make_sample();
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    size_t half = s->size / 2, sizes[2] = { half, s->size - half };
    char *both = malloc(s->size);
    size_t used = 0;
    for (int k = 0; k < 2; k++) {
        FILE *file = fopen(test_gzip_file("member.gz", s->csv + (k ? half : 0), sizes[k]), "rb");
        used += fread(both + used, 1, s->size - used, file);
        fclose(file);
    }
    memset(both + used, 0, 512); /* padding, as tape writers leave it */
    const char *path = test_file("both.gz", both, used + 512);
    weir_table *table = open_files(ctx, 1, &path);
    goes_by(ctx, table, &forget, W_ROUTE_REREAD, s);
    w_table_free(table);
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    for (int k = 0; k < 3; k++) {
        char keep_byte = both[used / 3];
        both[used / 3] = (char)(k == 1 ? keep_byte ^ 0x55 : keep_byte);
        memcpy(both + used, k == 2 ? "junk" : "\0\0\0\0", 4);
        path = test_file("wrong.gz", both, k == 0 ? used - 9 : used + 4);
        static const char *const parts[] = { "ends too early", "is damaged", "is followed by something else" };
        test_rows *got = NULL;
        w_message_clear(ctx);
        weir_status status = w_table_open_files(ctx, 1, &path, &usual, &table);
        if (status >= 0) {
            status = test_rows_try(ctx, table, &forget, &got);
            w_table_free(table);
        }
        assert_int_equal(status, WEIR_E_DATA);
        /* flipped bits may also give text that is no number */
        assert_true(strstr(weir_ctx_message(ctx), parts[k]) || (k == 1 && strstr(weir_ctx_message(ctx), "row ")));
        both[used / 3] = keep_byte;
    }
    free(both);
    weir_ctx_destroy(ctx);
    free_sample(s);
}

/* ---- several files */

static void seven_files_are_one_table(void **state)
{
    sample *s = make_sample();
    const char *paths[7], *lines = s->csv + s->header, *end = s->csv + s->size;
    for (int k = 0; k < 7; k++) {
        char name[32], *text = malloc(s->size + 16);
        size_t used = (size_t)sprintf(text, "x,g,z\n");
        const char *stop = k == 6 ? end : strchr(lines + (k == 3 ? 1 : s->size / 7 - (size_t)k * 100), '\n') + 1;
        memcpy(text + used, lines, (size_t)(stop - lines));
        used += (size_t)(stop - lines);
        lines = stop;
        sprintf(name, "part%d.csv", k);
        paths[k] = k == 2 ? test_gzip_file(name, text, used) : test_file(name, text, used - (k == 4));
        free(text);
    }
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    weir_table *table = open_files(ctx, 7, paths);
    assert_string_equal(w_source_label(table), "7 files");
    goes_by(ctx, table, &keep, W_ROUTE_KEPT, s);
    goes_by(ctx, table, &forget, W_ROUTE_REREAD, s);
    goes_by(ctx, table, &keep_some, W_ROUTE_REREAD, s);
    goes_by(ctx, table, &spool, W_ROUTE_SPOOLED, s);
    w_table_free(table);
    weir_ctx_destroy(ctx);
    free_sample(s);
}

static void columns_are_matched_by_name(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    const char *paths[] = { test_text_file("one.csv", "a,b,c\n1,2,p\n"),
                            test_text_file("two.csv", "c;z;b;a\nq;9;4;3\n"),
                            test_text_file("three.csv", "b,a\n1,2\n") };
    weir_table *table = open_files(ctx, 2, paths);
    test_rows *got = test_rows_read(ctx, table, &keep);
    assert_int_equal(got->rows, 2);
    assert_true(got->number[0][1] == 3 && got->number[1][1] == 4);
    assert_string_equal(got->text[2][1], "q");
    test_rows_free(got);
    w_table_free(table);
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    assert_int_equal(w_table_open_files(ctx, 3, paths, &usual, &table), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "three.csv has no column 'c', which "));
    assert_non_null(strstr(weir_ctx_message(ctx), "one.csv has"));
    paths[1] = test_text_file("twice.csv", "c,a,b,a\n1,2,3,4\n");
    w_message_clear(ctx);
    assert_int_equal(w_table_open_files(ctx, 2, paths, &usual, &table), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "twice.csv: two columns are named 'a' (2 and 4)"));
    paths[0] = paths[1] = "-";
    w_message_clear(ctx);
    assert_int_equal(w_table_open_files(ctx, 2, paths, &usual, &table), WEIR_E_ARG);
    assert_non_null(strstr(weir_ctx_message(ctx), "can be named only once"));
    weir_ctx_destroy(ctx);
}

/* ---- callback */

typedef struct pulling {
    const sample *s;
    int64_t next;
    int rewinds, fail_after;
    int8_t code[7000];
} pulling;

static int pull(void *user, int64_t *rows, weir_column *columns)
{
    pulling *p = user;
    int64_t left = ROWS - p->next, some = p->next % 6977 + 1;
    if (p->fail_after && p->next > p->fail_after) {
        return -1;
    }
    *rows = left < some ? left : some;
    for (int64_t i = 0; i < *rows; i++) {
        p->code[i] = (int8_t)p->s->g[p->next + i];
    }
    columns[0].data = p->s->x + p->next;
    columns[1].data = p->code;
    columns[1].dtype = WEIR_I8;
    columns[2].data = p->s->z + p->next;
    p->next += *rows;
    return 0;
}

static int again(void *user)
{
    pulling *p = user;
    p->next = 0;
    p->rewinds++;
    return 0;
}

static const weir_column schema[] = { { "x", WEIR_F64, NULL, 0, 0, NULL },
                                      { "g", WEIR_I32, NULL, 0, 4, level_names },
                                      { "z", WEIR_F64, NULL, 0, 0, NULL } };

static void a_callback_is_read_again_or_spooled(void **state)
{
    sample *s = make_sample();
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    const w_scan_options *options[] = { &keep, &forget, &keep_some, &spool };
    for (int k = 0; k < 8; k++) {
        pulling p = { .s = s };
        weir_table *table;
        assert_int_equal(w_table_from_callback(ctx, 3, schema, pull, k < 4 ? again : NULL, &p, &table), WEIR_OK);
        goes_by(ctx, table, options[k % 4],
                k % 4 == 0 ? W_ROUTE_KEPT : k % 4 == 3 || k >= 4 ? W_ROUTE_SPOOLED : W_ROUTE_REREAD, s);
        assert_int_equal(p.rewinds, k == 1 || k == 2 ? 2 : 0);
        w_table_free(table);
    }
    pulling p = { .s = s, .fail_after = 20000 };
    weir_table *table;
    test_rows *got = NULL;
    assert_int_equal(w_table_from_callback(ctx, 3, schema, pull, NULL, &p, &table), WEIR_OK);
    w_message_clear(ctx);
    assert_int_equal(test_rows_try(ctx, table, &keep, &got), WEIR_E_DATA);
    assert_non_null(strstr(weir_ctx_message(ctx), "callback: reading failed after row "));
    w_table_free(table);
    weir_ctx_destroy(ctx);
    free_sample(s);
}

/* ---- memory and disk */

static weir_status read_all(weir_ctx *ctx, const char *path, const w_scan_options *options, const char *factors)
{
    const weir_table_options open = { .version = 1, .factors = factors };
    weir_table *table = NULL;
    weir_status status = w_table_open_files(ctx, 1, &path, &open, &table);
    if (status < 0) {
        return status;
    }
    const char *names[TEST_COLUMNS];
    for (int32_t c = 0; c < table->column_count; c++) {
        names[c] = table->names[c];
    }
    status = w_source_select(table, table->column_count, names, NULL);
    if (status >= 0) {
        status = w_source_scan(table, options, NULL, NULL);
    }
    for (int pass = 0; status >= 0 && pass < 2; pass++) {
        w_window window = { .rows = 1 };
        status = w_source_rewind(table);
        while (status >= 0 && window.rows > 0) {
            status = w_source_next(table, &window);
        }
    }
    w_table_free(table);
    return status;
}

typedef struct job {
    const char *path;
    const w_scan_options *options;
    const char *factors;
} job;

static weir_status run_job(weir_ctx *ctx, void *arg)
{
    const job *j = arg;
    return read_all(ctx, j->path, j->options, j->factors);
}

static const char *npy_file(int64_t rows)
{
    size_t size = 128 + (size_t)rows * 16;
    char *bytes = calloc(size, 1), dict[118];
    memcpy(bytes, "\x93NUMPY\1\0\x76\0", 10);
    int length = snprintf(dict, sizeof dict, "{'descr': '<f8', 'fortran_order': False, 'shape': (%lld, 2), }",
                          (long long)rows);
    memset(bytes + 10, ' ', 118);
    memcpy(bytes + 10, dict, (size_t)length);
    for (int64_t i = 0; i < 2 * rows; i++) {
        double value = (double)(i % 100);
        memcpy(bytes + 128 + i * 8, &value, 8);
    }
    const char *path = test_file("rows.npy", bytes, size);
    free(bytes);
    return path;
}

static void every_allocation_may_fail_on_every_route(void **state)
{
    sample *s = make_sample();
    char *small = malloc(4000);
    size_t used = (size_t)sprintf(small, "x,g,z\n1,\"a \"\"1\"\"\",2\n2,\"two\nlines\",3\n");
    for (int i = 0; i < 100; i++) {
        used += (size_t)sprintf(small + used, "%d,level%d,%d\n", i, i, i);
    }
    w_scan_options options[] = { { .keep_bytes = 1 << 20, .window_bytes = 1 },
                                 { .window_bytes = 1 },
                                 { .window_bytes = 1, .spool = W_SPOOL_ALWAYS } };
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    const struct {
        const char *path, *factors;
    } files[] = { { test_file("small.csv", small, used), NULL }, { test_gzip_file("small.gz", small, used), "x" },
                  { npy_file(5000), "c1" } };
    for (size_t f = 0; f < 3; f++) {
        for (size_t k = 0; k < 3; k++) {
            job j = { files[f].path, &options[k], files[f].factors };
            assert_true(test_each_allocation_fails(ctx, run_job, &j) > 15);
        }
    }
    weir_ctx_destroy(ctx);
    free(small);
    free_sample(s);
}

static void memory_refused_for_keeping_opens_another_route(void **state)
{
    sample *s = make_sample();
    const char *path = test_file("s.csv", s->csv, s->size);
    weir_ctx *ctx = test_ctx(*state, 2, 1300000); /* the rows need 1.0 MB, window and text 0.65 MB */
    weir_table *table = open_files(ctx, 1, &path);
    goes_by(ctx, table, &(w_scan_options){ .keep_bytes = 1 << 30, .window_bytes = 1 }, W_ROUTE_REREAD, s);
    assert_string_equal(weir_ctx_message(ctx), "");
    w_table_free(table);
    weir_ctx_destroy(ctx);
    free_sample(s);
}

static void a_pass_stays_within_what_it_said(void **state)
{
    sample *s = make_sample();
    const char *paths[] = { test_file("s.csv", s->csv, s->size), test_gzip_file("s.gz", s->csv, s->size),
                            npy_file(200000) };
    static const int64_t windows[] = { 1, 1 << 20, 8 << 20, 0 };
    for (int threads = 1; threads <= 3; threads++) {
        for (int k = 0; k < 12; k++) {
            weir_ctx *ctx = test_ctx(*state, threads, 0);
            weir_table *table = open_files(ctx, 1, &paths[k % 3]);
            const char *names[] = { k % 3 == 2 ? "c0" : "x", k % 3 == 2 ? "c1" : "z" };
            assert_int_equal(w_source_select(table, 2, names, NULL), WEIR_OK);
            const w_scan_options options = { .window_bytes = windows[k / 3] };
            int64_t before = atomic_load(&ctx->ledger.in_use), said = w_source_bytes(table, &options);
            w_ledger_reset_peak(ctx);
            assert_int_equal(w_source_scan(table, &options, NULL, NULL), WEIR_OK);
            assert_int_equal(w_source_rewind(table), WEIR_OK);
            w_window window = { .rows = 1 };
            while (window.rows > 0) {
                assert_int_equal(w_source_next(table, &window), WEIR_OK);
            }
            int64_t peak = atomic_load(&ctx->ledger.peak) - before;
            if (peak > said || said > 3 * peak) {
                fail_msg("%s, window %lld: %lld bytes said, %lld taken", paths[k % 3], (long long)windows[k / 3],
                         (long long)said, (long long)peak);
            }
            w_table_free(table);
            weir_ctx_destroy(ctx);
        }
    }
    free_sample(s);
}

static void a_file_that_changes_is_noticed(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    static const char *const after[] = { "x,f\n1,a\n2,b\n3,a\n", "x,f\n1,a\n2,new\n",
                                         "x,f\n1,\"a\"\n2,\"n\"\"w\"\n", "x,f\n" };
    for (int k = 0; k < 4; k++) {
        const char *path = test_text_file("change.csv", "x,f\n1,a\n2,b\n"), *names[] = { "x", "f" };
        weir_table *table = open_files(ctx, 1, &path);
        assert_int_equal(w_source_select(table, 2, names, NULL), WEIR_OK);
        assert_int_equal(w_source_scan(table, &forget, NULL, NULL), WEIR_OK);
        test_text_file("change.csv", after[k]);
        assert_int_equal(w_source_rewind(table), WEIR_OK);
        w_window window;
        w_message_clear(ctx);
        assert_int_equal(w_source_next(table, &window), WEIR_E_DATA);
        assert_non_null(strstr(weir_ctx_message(ctx), "changed while it was read"));
        w_table_free(table);
    }
    weir_ctx_destroy(ctx);
}

static weir_status stop_at_second(void *arg, const w_window *window)
{
    (void)window;
    return ++*(int *)arg == 2 ? WEIR_E_CANCELLED : WEIR_OK;
}

static void a_visitor_may_stop_the_scan(void **state)
{
    sample *s = make_sample();
    const char *path = test_file("s.csv", s->csv, s->size), *name = "x";
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    weir_table *table = open_files(ctx, 1, &path);
    int seen = 0;
    assert_int_equal(w_source_select(table, 1, &name, NULL), WEIR_OK);
    assert_int_equal(w_source_scan(table, &keep_some, stop_at_second, &seen), WEIR_E_CANCELLED);
    assert_int_equal(seen, 2);
    w_window window;
    assert_int_equal(w_source_next(table, &window), WEIR_E_INTERNAL);
    w_table_free(table);
    weir_ctx_destroy(ctx);
    free_sample(s);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_gzip_take_every_route),
        cmocka_unit_test(a_pipe_is_read_once_and_kept_or_spooled),
        cmocka_unit_test(standard_input_is_a_dash),
        cmocka_unit_test(gzip_members_join_and_damage_is_named),
        cmocka_unit_test(seven_files_are_one_table),
        cmocka_unit_test(columns_are_matched_by_name),
        cmocka_unit_test(a_callback_is_read_again_or_spooled),
        cmocka_unit_test(every_allocation_may_fail_on_every_route),
        cmocka_unit_test(memory_refused_for_keeping_opens_another_route),
        cmocka_unit_test(a_pass_stays_within_what_it_said),
        cmocka_unit_test(a_file_that_changes_is_noticed),
        cmocka_unit_test(a_visitor_may_stop_the_scan),
    };
    return cmocka_run_group_tests(tests, NULL, test_files_remove);
}
