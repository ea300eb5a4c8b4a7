/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/ctx.h"
#include "base/format.h"

static void options_are_checked(void **state)
{
    (void)state;
    weir_ctx *ctx = NULL;
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    assert_int_equal(weir_ctx_create(&options, NULL), WEIR_E_ARG);
    options.version = WEIR_CTX_OPTIONS_VERSION + 1;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_E_VERSION);
    options.version = 0;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_E_VERSION);
    options = (weir_ctx_options)WEIR_CTX_OPTIONS_INIT;
    options.threads = -1;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_E_ARG);
    options.threads = 1;
    options.memory_budget = -5;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_E_ARG);
    options.memory_budget = 100; /* not enough for the context's own texts */
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_E_BUDGET);
    assert_null(ctx);
    assert_int_equal(weir_ctx_create(NULL, &ctx), WEIR_OK);
    assert_string_equal(ctx->device_request, "auto");
    assert_true(ctx->threads >= 1 && ctx->seed != 0 && ctx->scratch[0] != '\0');
    weir_memory_info info;
    assert_int_equal(weir_ctx_memory(ctx, &info), WEIR_OK);
    assert_true(info.budget >= (int64_t)16 << 20);
    assert_int_equal(weir_ctx_memory(NULL, &info), WEIR_E_ARG);
    weir_ctx_destroy(ctx);
    weir_ctx_destroy(NULL);
}

static void the_first_failure_is_kept(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    assert_string_equal(weir_ctx_message(ctx), "");
    assert_int_equal(w_remark(ctx, WEIR_REFINED, "remark %d", 1), WEIR_REFINED);
    assert_int_equal(w_remark(ctx, WEIR_NOT_CONVERGED, "remark %d", 2), WEIR_NOT_CONVERGED);
    assert_string_equal(weir_ctx_message(ctx), "remark 2");
    assert_int_equal(w_fail(ctx, WEIR_E_DATA, "cause"), WEIR_E_DATA);
    assert_int_equal(w_fail(ctx, WEIR_E_IO, "consequence"), WEIR_E_IO);
    assert_string_equal(weir_ctx_message(ctx), "cause");
    w_message_clear(ctx);
    assert_string_equal(weir_ctx_message(ctx), "");
    char text[3000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    w_fail(ctx, WEIR_E_DATA, "%s", text);
    assert_int_equal(strlen(weir_ctx_message(ctx)), W_MESSAGE_BYTES - 1);
    assert_int_equal(w_fail(NULL, WEIR_E_DATA, "nobody listens"), WEIR_E_DATA);
    assert_string_equal(weir_ctx_message(NULL), "");
    weir_ctx_destroy(ctx);
}

typedef struct heard {
    char line[200];
    weir_progress last;
    int level, calls, stop;
} heard;

static void hear_log(void *user, weir_log_level level, const char *message)
{
    heard *h = user;
    h->level = level;
    snprintf(h->line, sizeof h->line, "%s", message);
}

static int hear_progress(void *user, const weir_progress *progress)
{
    heard *h = user;
    h->last = *progress;
    h->calls++;
    return h->stop;
}

static void callbacks_get_their_user(void **state)
{
    (void)state;
    heard h = { .level = -1 };
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 1;
    options.log = hear_log;
    options.progress = hear_progress;
    options.user = &h;
    weir_ctx *ctx;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    w_log_line(ctx, WEIR_LOG_INFO, "x=%d", 3);
    assert_string_equal(h.line, "x=3");
    assert_int_equal(h.level, WEIR_LOG_INFO);
    w_progress_pass(ctx);
    w_progress_rows(ctx, "scan", 5, 10);
    assert_string_equal(h.last.phase, "scan");
    assert_true(h.last.done == 5 && h.last.total == 10 && h.last.pass == 1);
    weir_ctx_destroy(ctx);
    ctx = test_ctx(*state, 1, 0);
    w_log_line(ctx, WEIR_LOG_INFO, "nobody listens");
    w_progress_rows(ctx, "scan", 1, 2);
    w_progress_criterion(ctx, 1.0);
    assert_int_equal(w_check_cancel(ctx), WEIR_OK);
    weir_ctx_destroy(ctx);
}

static void progress_counts_passes_and_keeps_its_pace(void **state)
{
    (void)state;
    heard h = { 0 };
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 1;
    options.progress = hear_progress;
    options.user = &h;
    weir_ctx *ctx;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    w_progress_begin(ctx, 2);
    for (int i = 0; i < 1000; i++) { /* in much less than a second: the first, and hardly another */
        w_progress_rows(ctx, "scan", i, 1000);
    }
    assert_true(h.calls >= 1 && h.calls < 1000);
    ctx->progress_state.interval = 0;
    w_progress_begin(ctx, 2);
    assert_true(h.calls < 1000);
    w_progress_pass(ctx);
    w_progress_rows(ctx, "scan", 50, -1);
    assert_true(h.last.pass == 1 && h.last.passes == 2 && h.last.total == -1);
    assert_true(isnan(h.last.criterion) && isnan(h.last.seconds_left));
    w_progress_rows(ctx, "scan", 50, 100);
    double of_two = h.last.seconds_left; /* half of this pass and one more: three times what it took */
    assert_true(of_two >= 0 && h.last.seconds >= 0);
    w_progress_expect(ctx, 1);
    w_progress_rows(ctx, "scan", 100, 100);
    assert_true(h.last.seconds_left == 0.0);
    w_progress_phase(ctx, "fit");
    w_progress_pass(ctx); /* more than expected: the estimate follows */
    w_progress_rows(ctx, NULL, 1, 100);
    assert_string_equal(h.last.phase, "fit");
    assert_true(h.last.pass == 2 && h.last.passes == 2);
    w_progress_criterion(ctx, 12.5);
    assert_string_equal(h.last.phase, "smoothing");
    assert_true(h.last.criterion == 12.5 && h.last.done == 1);
    w_progress_criterion(ctx, INFINITY); /* a step outside: the last value stands */
    assert_true(h.last.criterion == 12.5);
    w_progress_rows(ctx, NULL, 2, 100);
    assert_string_equal(h.last.phase, "fit");
    weir_ctx_destroy(ctx);
}

static void progress_may_stop_a_call(void **state)
{
    (void)state;
    heard h = { .stop = 1 };
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 1;
    options.progress = hear_progress;
    options.user = &h;
    weir_ctx *ctx;
    assert_int_equal(weir_ctx_create(&options, &ctx), WEIR_OK);
    assert_int_equal(w_check_cancel(ctx), WEIR_OK);
    w_progress_rows(ctx, "scan", 1, 2);
    w_message_clear(ctx); /* something failed and another way was open */
    assert_int_equal(w_check_cancel(ctx), WEIR_E_CANCELLED);
    assert_non_null(strstr(weir_ctx_message(ctx), "progress callback"));
    w_progress_end(ctx);
    w_message_clear(ctx);
    assert_int_equal(w_check_cancel(ctx), WEIR_OK);
    weir_ctx_destroy(ctx);
}

static void every_status_has_its_own_name(void **state)
{
    (void)state;
    for (int a = WEIR_E_INTERNAL; a <= WEIR_DECLINED; a++) {
        assert_string_not_equal(weir_status_name((weir_status)a), "unknown status");
        for (int b = WEIR_E_INTERNAL; b < a; b++) {
            assert_string_not_equal(weir_status_name((weir_status)a), weir_status_name((weir_status)b));
        }
    }
    assert_string_equal(weir_status_name((weir_status)99), "unknown status");
}

static void sizes_as_text_and_back(void **state)
{
    (void)state;
    char text[W_FORMAT_BYTES];
    assert_string_equal(w_format_bytes(text, 0), "0 B");
    assert_string_equal(w_format_bytes(text, 1023), "1023 B");
    assert_string_equal(w_format_bytes(text, 1536), "1.5 KiB");
    assert_string_equal(w_format_bytes(text, -((int64_t)3 << 30)), "-3.0 GiB");
    assert_string_equal(w_format_bytes(text, INT64_MAX), "unlimited");
    assert_string_equal(w_format_bytes(text, INT64_MAX - 1), "7.9 EiB");
    static const struct { const char *text; int64_t bytes; } good[] = {
        { "1", 1 }, { "64M", (int64_t)64 << 20 }, { "1.5G", (int64_t)1536 << 20 }, { "800 KiB", 800 << 10 },
        { "2kb", 2048 }, { "7 B", 7 }, { "1T", (int64_t)1 << 40 }, { ".5K", 512 },
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t bytes = -1;
        assert_int_equal(w_parse_bytes(good[i].text, &bytes), 0);
        assert_int_equal(bytes, good[i].bytes);
    }
    static const char *const bad[] = { "", "M", "-1", "1.2.3M", "64X", "64MM", "1 2", "99999999T", "1e5", "." };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t bytes = -1;
        assert_int_equal(w_parse_bytes(bad[i], &bytes), -1);
        assert_int_equal(bytes, -1);
    }
    double value;
    assert_int_equal(w_parse_double("-1.5e3", 6, &value), 0);
    assert_true(value == -1500.0);
    assert_int_equal(w_parse_double("1e", 2, &value), -1);
    assert_int_equal(w_parse_double("1x", 2, &value), -1);
}

static void the_clock_moves_forward(void **state)
{
    (void)state;
    double start = w_clock_seconds(), now = start;
    for (int i = 0; i < 1000000 && now == start; i++) {
        now = w_clock_seconds();
    }
    assert_true(now > start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(the_first_failure_is_kept),
        cmocka_unit_test(callbacks_get_their_user),
        cmocka_unit_test(progress_counts_passes_and_keeps_its_pace),
        cmocka_unit_test(progress_may_stop_a_call),
        cmocka_unit_test(every_status_has_its_own_name),
        cmocka_unit_test(sizes_as_text_and_back),
        cmocka_unit_test(the_clock_moves_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
