/* SPDX-License-Identifier: Apache-2.0 */
/* Decoded rows in the scratch folder: where they do not go, nothing is lost or seen twice. */
#include "support/sample_table.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const w_scan_options spool = { .keep_bytes = 1 << 30, .window_bytes = 1, .spool = W_SPOOL_ALWAYS },
                            cache = { .window_bytes = 1, .spool = W_SPOOL_CACHE };

static weir_status read_whole(weir_ctx *ctx, const char *path, const w_scan_options *options)
{
    test_rows *rows = NULL;
    weir_table *table = open_files(ctx, 1, &path);
    w_message_clear(ctx);
    weir_status status = test_rows_try(ctx, table, options, &rows);
    if (rows) {
        test_rows_free(rows);
    }
    w_table_free(table);
    return status;
}

static void a_full_disk_says_where_and_how_much(void **state)
{
    sample *s = make_sample();
    const char *path = test_file("s.csv", s->csv, s->size);
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    struct rlimit old, small = { 300000, 300000 };
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    weir_status status = read_whole(ctx, path, &spool);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, WEIR_E_IO);
    assert_non_null(strstr(weir_ctx_message(ctx), "cannot spool rows to the scratch folder "));
    assert_non_null(strstr(weir_ctx_message(ctx), " KiB are needed there"));
    w_message_clear(ctx);
    char *scratch = ctx->scratch;
    ctx->scratch = "/nowhere";
    assert_int_equal(read_whole(ctx, path, &spool), WEIR_E_IO);
    assert_non_null(strstr(weir_ctx_message(ctx), "scratch folder /nowhere: No such file"));
    ctx->scratch = scratch;
    weir_ctx_destroy(ctx);
    free_sample(s);
}

typedef struct visited {
    int64_t rows, warnings;
    char line[W_MESSAGE_BYTES];
} visited;

static weir_status count_rows(void *arg, const w_window *window)
{
    visited *seen = arg;
    assert_int_equal(window->first_row, seen->rows);
    seen->rows += window->rows;
    return WEIR_OK;
}

static void hear(void *user, weir_log_level level, const char *line)
{
    visited *seen = user;
    seen->warnings += level == WEIR_LOG_WARNING;
    snprintf(seen->line, sizeof seen->line, "%s", line);
}

/* One scan and a pass under a limit of file size; the visitor of the scan sees every row once whatever the file does. */
static void cached_under(weir_ctx *ctx, const char *path, rlim_t limit, w_source_route route, visited *seen, const sample *s)
{
    const char *names[] = { "x", "g", "z" };
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){ limit, old.rlim_max };
    weir_table *table = open_files(ctx, 1, &path);
    assert_int_equal(w_source_select(table, 3, names, NULL), WEIR_OK);
    *seen = (visited){ 0 };
    ctx->log = hear;
    ctx->user = seen;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    weir_status status = w_source_scan(table, &cache, count_rows, seen);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(status, WEIR_OK);
    assert_int_equal(seen->rows, ROWS);
    assert_int_equal(w_source_chosen_route(table), route);
    assert_string_equal(weir_ctx_message(ctx), "");
    int64_t rows = 0;
    double buffer[W_TILE_ROWS];
    w_window window;
    assert_int_equal(w_source_rewind(table), WEIR_OK);
    while (assert_int_equal(w_source_next(table, &window), WEIR_OK), window.rows > 0) {
        assert_int_equal(window.first_row, rows);
        for (int64_t start = 0; start < window.rows; start += W_TILE_ROWS) {
            int64_t count = window.rows - start < W_TILE_ROWS ? window.rows - start : W_TILE_ROWS;
            assert_memory_equal(w_window_numeric(&window, 0, start, count, buffer), s->x + rows + start,
                                (size_t)count * sizeof *buffer);
        }
        rows += window.rows;
    }
    assert_int_equal(rows, ROWS);
    w_table_free(table);
    ctx->log = NULL;
}

/* Without a handler for SIGXFSZ: the library never writes beyond the limit. */
static void a_scratch_folder_that_fails_leaves_the_text(void **state)
{
    sample *s = make_sample();
    const char *path = test_file("s.csv", s->csv, s->size);
    visited seen;
    for (int threads = 1; threads <= 2; threads++) {
        weir_ctx *ctx = test_ctx(*state, threads, 0);
        cached_under(ctx, path, RLIM_INFINITY, W_ROUTE_SPOOLED, &seen, s);
        assert_int_equal(seen.warnings, 0);
        for (rlim_t limit = 0; limit < 900000; limit += 299000) { /* the first window, one in between, the last */
            cached_under(ctx, path, limit, W_ROUTE_REREAD, &seen, s);
            assert_int_equal(seen.warnings, 1);
            assert_non_null(strstr(seen.line, "are read again in each pass"));
        }
        char *scratch = ctx->scratch;
        ctx->scratch = "/nowhere";
        cached_under(ctx, path, RLIM_INFINITY, W_ROUTE_REREAD, &seen, s);
        assert_int_equal(seen.warnings, 1);
        assert_non_null(strstr(seen.line, "/nowhere: No such file"));
        ctx->scratch = "none";
        cached_under(ctx, path, RLIM_INFINITY, W_ROUTE_REREAD, &seen, s);
        assert_int_equal(read_whole(ctx, path, &spool), WEIR_E_BUDGET);
        assert_non_null(strstr(weir_ctx_message(ctx), "--scratch DIR"));
        ctx->scratch = scratch;
        weir_ctx_destroy(ctx);
    }
    free_sample(s);
}

static void the_scratch_folder_says_what_it_can_take(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    char text[160], *scratch = ctx->scratch;
    const char *why;
    struct rlimit old, small;
    ctx->scratch = (char *)test_path(".");
    ctx->scratch_named = true;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){ 12345, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int64_t room = w_source_scratch_room(ctx, text, sizeof text, &why);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(room == 12345 || room == 0); /* 0: the disk is full to the margin */
    assert_true((room == 0) == (why != NULL));
    ctx->scratch = "/nowhere";
    assert_int_equal(w_source_scratch_room(ctx, text, sizeof text, &why), 0);
    assert_non_null(strstr(why, "/nowhere cannot be used (No such file"));
    ctx->scratch = "none";
    assert_int_equal(w_source_scratch_room(ctx, text, sizeof text, &why), 0);
    assert_string_equal(why, "no scratch folder is allowed");
    if (access("/dev/shm", W_OK) == 0) { /* memory: only where it was named */
        ctx->scratch = "/dev/shm";
        ctx->scratch_named = false;
        assert_int_equal(w_source_scratch_room(ctx, text, sizeof text, &why), 0);
        assert_non_null(strstr(why, "lies in memory"));
    }
    ctx->scratch = scratch;
    weir_ctx_destroy(ctx);
}

typedef struct cache_job {
    const char *path;
    int64_t rows; /* of the pass after the scan */
} cache_job;

/* A failed allocation may end the scan, or it opens another route: the rows are there all the same. */
static weir_status run_cache(weir_ctx *ctx, void *arg)
{
    cache_job *job = arg;
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    const char *names[] = { "x", "g", "z" };
    weir_table *table = NULL;
    w_window window = { .rows = 1 };
    weir_status status = w_table_open_files(ctx, 1, &job->path, &usual, &table);
    status = status < 0 ? status : w_source_select(table, 3, names, NULL);
    status = status < 0 ? status : w_source_scan(table, &cache, NULL, NULL);
    status = status < 0 ? status : w_source_rewind(table);
    for (job->rows = 0; status >= 0 && window.rows > 0; job->rows += window.rows) {
        status = w_source_next(table, &window);
        if (status < 0) {
            break;
        }
    }
    w_table_free(table);
    return status;
}

static void allocations_refused_for_the_cache_leave_the_text(void **state)
{
    sample *s = make_sample();
    cache_job job = { test_file("s.csv", s->csv, s->size), 0 };
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    int other_route = 0;
    for (int64_t k = 1;; k++) {
        int64_t before = atomic_load(&ctx->ledger.in_use), refused = atomic_load(&ctx->ledger.refusals);
        w_message_clear(ctx);
        w_ledger_fail_at(ctx, k, 0);
        weir_status status = run_cache(ctx, &job);
        w_ledger_fail_at(ctx, 0, 0);
        assert_int_equal(atomic_load(&ctx->ledger.in_use), before);
        bool failed = atomic_load(&ctx->ledger.refusals) != refused;
        assert_true(status == WEIR_OK || (status == WEIR_E_MEMORY && failed));
        assert_true(status < 0 || job.rows == ROWS);
        other_route += failed && status == WEIR_OK;
        if (!failed) {
            assert_true(k > 20);
            break;
        }
    }
    assert_true(other_route >= 2); /* the file's record and a window's */
    weir_ctx_destroy(ctx);
    free_sample(s);
}

static void a_spooled_table_stays_within_what_it_said(void **state)
{
    sample *s = make_sample();
    const char *path = test_file("s.csv", s->csv, s->size), *names[] = { "x", "g", "z" };
    for (int threads = 1; threads <= 3; threads++) {
        weir_ctx *ctx = test_ctx(*state, threads, 0);
        weir_table *table = open_files(ctx, 1, &path);
        assert_int_equal(w_source_select(table, 3, names, NULL), WEIR_OK);
        int64_t before = atomic_load(&ctx->ledger.in_use);
        int64_t said = w_source_bytes(table, &cache) + w_source_spool_bytes(table, &cache, ROWS) + 16384; /* levels */
        w_ledger_reset_peak(ctx);
        assert_int_equal(w_source_scan(table, &cache, NULL, NULL), WEIR_OK);
        assert_int_equal(w_source_chosen_route(table), W_ROUTE_SPOOLED);
        assert_true(atomic_load(&ctx->ledger.peak) - before <= said);
        w_table_free(table);
        weir_ctx_destroy(ctx);
    }
    free_sample(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_says_where_and_how_much),
        cmocka_unit_test(a_scratch_folder_that_fails_leaves_the_text),
        cmocka_unit_test(the_scratch_folder_says_what_it_can_take),
        cmocka_unit_test(allocations_refused_for_the_cache_leave_the_text),
        cmocka_unit_test(a_spooled_table_stays_within_what_it_said),
    };
    return cmocka_run_group_tests(tests, NULL, test_files_remove);
}
