/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/archive.h"

static const double values[6] = { 1.5, -0.0, 4.9406564584124654e-324, 1.7976931348623157e308, 0.1, 3.0 };
static const int64_t codes[3] = { INT64_MIN, 0, INT64_MAX };

static char folder[] = "/tmp/weir-archive-XXXXXX";
static char path[sizeof folder + 32];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/a.weir", folder);
    return 0;
}

static int files_in_folder(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    }
    closedir(dir);
    return count;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static weir_status sample(weir_ctx *ctx, w_archive **out)
{
    w_archive *archive = NULL;
    weir_status status = w_archive_create(ctx, "model", 1, &archive);
    if (status != WEIR_OK) {
        return status;
    }
    json_object_set_new(w_archive_json(archive), "formula", json_string("y ~ s(\"x\\\n\xc3\xa9\")"));
    json_object_set_new(w_archive_json(archive), "third", json_real(1.0 / 3.0));
    status = w_archive_put_f64(archive, "matrix", 2, 3, values);
    status = status ? status : w_archive_put_f64(archive, "vector \"q\"", 6, 0, values);
    status = status ? status : w_archive_put_i64(archive, "codes", 3, codes);
    status = status ? status : w_archive_put_f64(archive, "empty", 0, 0, NULL);
    if (status != WEIR_OK) {
        w_archive_free(archive);
        return status;
    }
    *out = archive;
    return WEIR_OK;
}

static void check_sample(const w_archive *archive)
{
    int64_t rows, cols, count;
    assert_int_equal(w_archive_version(archive), 1);
    assert_string_equal(json_string_value(json_object_get(w_archive_json(archive), "formula")), "y ~ s(\"x\\\n\xc3\xa9\")");
    assert_true(json_real_value(json_object_get(w_archive_json(archive), "third")) == 1.0 / 3.0);
    const double *m = w_archive_f64(archive, "matrix", &rows, &cols);
    assert_int_equal(rows, 2);
    assert_int_equal(cols, 3);
    assert_memory_equal(m, values, sizeof values);
    const double *v = w_archive_f64(archive, "vector \"q\"", &rows, &cols);
    assert_int_equal(rows, 6);
    assert_int_equal(cols, 0);
    assert_memory_equal(v, values, sizeof values);
    const int64_t *c = w_archive_i64(archive, "codes", &count);
    assert_int_equal(count, 3);
    assert_memory_equal(c, codes, sizeof codes);
    assert_non_null(w_archive_f64(archive, "empty", &rows, &cols));
    assert_int_equal(rows, 0);
    assert_null(w_archive_f64(archive, "absent", &rows, &cols));
    assert_null(w_archive_f64(archive, "codes", &rows, &cols));
    assert_null(w_archive_i64(archive, "matrix", &count));
    assert_int_equal(count, 0);
}

static char *slurp(const char *name, size_t *size)
{
    FILE *f = fopen(name, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*size + 1);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

static void what_is_written_is_read_back(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    int64_t in_use = atomic_load(&ctx->ledger.in_use);
    w_archive *archive, *again;
    assert_int_equal(sample(ctx, &archive), WEIR_OK);
    check_sample(archive);
    assert_int_equal(w_archive_write(archive, path), WEIR_OK);
    assert_int_equal(w_archive_write(archive, path), WEIR_OK); /* over the first */
    assert_int_equal(files_in_folder(), 1);
    w_archive_free(archive);
    assert_int_equal(w_archive_read(ctx, path, "model", 1, &again), WEIR_OK);
    check_sample(again);
    w_archive_free(again);
    assert_int_equal(atomic_load(&ctx->ledger.in_use), in_use);
    weir_ctx_destroy(ctx);
}

static void the_layout_is_that_of_safetensors(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    w_archive *archive;
    assert_int_equal(sample(ctx, &archive), WEIR_OK);
    assert_int_equal(w_archive_write(archive, path), WEIR_OK);
    w_archive_free(archive);
    size_t size;
    char *bytes = slurp(path, &size);
    uint64_t n;
    memcpy(&n, bytes, 8);
    assert_int_equal(n % 8, 0);
    assert_int_equal(size, 8 + n + 48 + 48 + 24);
    json_t *header = json_loadb(bytes + 8, n, 0, NULL);
    assert_non_null(header);
    json_t *matrix = json_object_get(header, "matrix");
    assert_string_equal(json_string_value(json_object_get(matrix, "dtype")), "F64");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(matrix, "shape"), 1)), 3);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(matrix, "data_offsets"), 1)), 48);
    assert_memory_equal(bytes + 8 + n, values, 48);
    assert_true(json_is_string(json_object_get(json_object_get(header, "__metadata__"), "weir")));
    json_decref(header);
    free(bytes);
    weir_ctx_destroy(ctx);
}

static void every_cut_is_refused(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    w_archive *archive;
    assert_int_equal(sample(ctx, &archive), WEIR_OK);
    assert_int_equal(w_archive_write(archive, path), WEIR_OK);
    w_archive_free(archive);
    int64_t in_use = atomic_load(&ctx->ledger.in_use);
    size_t size;
    char *bytes = slurp(path, &size);
    for (size_t cut = 0; cut < size; cut++) {
        char *part = malloc(cut ? cut : 1); /* exact size, so that the address sanitizer sees a step too far */
        memcpy(part, bytes, cut);
        w_message_clear(ctx);
        assert_int_equal(w_archive_parse(ctx, part, cut, "model", 1, &archive), WEIR_E_MODEL);
        assert_true(weir_ctx_message(ctx)[0] != '\0');
        free(part);
    }
    char *longer = calloc(size + 8, 1);
    memcpy(longer, bytes, size);
    assert_int_equal(w_archive_parse(ctx, longer, size + 8, "model", 1, &archive), WEIR_E_MODEL);
    assert_int_equal(atomic_load(&ctx->ledger.in_use), in_use);
    free(longer);
    free(bytes);
    weir_ctx_destroy(ctx);
}

/* Parses "length header data" and returns the status; the message stays in ctx. */
static weir_status parse_text(weir_ctx *ctx, const char *header, size_t data_bytes, const char *data)
{
    size_t n = strlen(header);
    char *bytes = malloc(8 + n + data_bytes);
    uint64_t length = n;
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, n);
    if (data_bytes) {
        memcpy(bytes + 8 + n, data, data_bytes);
    }
    w_archive *archive = NULL;
    w_message_clear(ctx);
    weir_status status = w_archive_parse(ctx, bytes, 8 + n + data_bytes, "model", 1, &archive);
    free(bytes);
    w_archive_free(archive);
    return status;
}

#define META "\"__metadata__\":{\"weir\":\"{\\\"kind\\\":\\\"model\\\",\\\"version\\\":1}\"}"
#define ARRAY(name, dtype, shape, first, last) \
    ",\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #first "," #last "]}"

static void lies_are_named(void **state)
{
    static const char zeros[64];
    static const struct { const char *header, *word; size_t bytes; } lie[] = {
        { "{" META ARRAY("a", "F64", "[2]", 0, 16) ARRAY("b", "F64", "[2]", 24, 40) "}", "gap", 40 },
        { "{" META ARRAY("a", "F64", "[2]", 0, 16) ARRAY("b", "F64", "[2]", 8, 24) "}", "overlaps", 24 },
        { "{" META ARRAY("a", "F64", "[2]", 0, 16) ARRAY("a", "F64", "[2]", 16, 32) "}", "duplicate", 32 },
        { "{" META ARRAY("a", "F64", "[2]", 0, 16) "}", "left over", 24 },
        { "{" META ARRAY("a", "F64", "[2]", 0, 16) "}", "past the end", 8 },
        { "{" META ARRAY("a", "F64", "[3]", 0, 16) "}", "shape", 16 },
        { "{" META ARRAY("a", "F64", "[4611686018427387904,4]", 0, 0) "}", "shape", 0 },
        { "{" META ARRAY("a", "F64", "[-1]", 0, 8) "}", "whole number", 8 },
        { "{" META ARRAY("a", "F64", "[1.0]", 0, 8) "}", "whole number", 8 },
        { "{" META ARRAY("a", "F64", "[]", 0, 8) "}", "lacks", 8 },
        { "{" META ARRAY("a", "F64", "[1,1,1]", 0, 8) "}", "lacks", 8 },
        { "{" META ARRAY("a", "BF16", "[4]", 0, 8) "}", "dtype", 8 },
        { "{" META ARRAY("a", "U8", "[4]", 0, 4) ARRAY("b", "F64", "[1]", 4, 12) "}", "multiple", 12 },
        { "{" META ",\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8],\"x\":1}}", "more than that", 8 },
        { "{" META ",\"a\":5}", "lacks", 0 },
        { "{\"__metadata__\":{\"weir\":\"{}\"}}", "kind or version", 0 },
        { "{\"__metadata__\":{\"weir\":\"{\\\"kind\\\":\\\"model\\\",\\\"version\\\":0}\"}}", "kind or version", 0 },
        { "{\"__metadata__\":{\"weir\":\"[]\"}}", "description is not", 0 },
        { "{\"__metadata__\":{\"weir\":5}}", "no weir description", 0 },
        { "{}", "no weir description", 0 },
        { "[]", "not a JSON object", 0 },
        { "{" META "} x", "header is not", 0 },
        { "{\"__metadata__\":{\"weir\":\"{\\\"kind\\\":\\\"sums\\\",\\\"version\\\":1}\"}}", "a sums file was given", 0 },
        { "{\"__metadata__\":{\"weir\":\"{\\\"kind\\\":\\\"model\\\",\\\"version\\\":9}\"}}", "format 9 is newer", 0 },
    };
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    int64_t in_use = atomic_load(&ctx->ledger.in_use);
    for (size_t i = 0; i < sizeof lie / sizeof lie[0]; i++) {
        if (parse_text(ctx, lie[i].header, lie[i].bytes, zeros) != WEIR_E_MODEL ||
            !strstr(weir_ctx_message(ctx), lie[i].word)) {
            fail_msg("%s\n  should be refused with \"%s\" but: %s", lie[i].header, lie[i].word, weir_ctx_message(ctx));
        }
    }
    assert_int_equal(parse_text(ctx, "{" META ARRAY("a", "I32", "[2,2]", 0, 16) "}   ", 16, zeros), WEIR_OK);
    double bad[2] = { 1.0, NAN };
    assert_int_equal(parse_text(ctx, "{" META ARRAY("a", "F64", "[2]", 0, 16) "}", 16, (char *)bad), WEIR_E_MODEL);
    assert_non_null(strstr(weir_ctx_message(ctx), "not finite"));
    assert_int_equal(atomic_load(&ctx->ledger.in_use), in_use);
    weir_ctx_destroy(ctx);
}

static void depth_and_size_are_capped(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 1 << 20);
    char deep[400] = "{\"a\":";
    memset(deep + 5, '[', 64);
    assert_int_equal(parse_text(ctx, deep, 0, NULL), WEIR_E_MODEL);
    assert_non_null(strstr(weir_ctx_message(ctx), "nests deeper than 64"));
    /* 60 kB of "[],[]," would become a tree of many times that: refused by the budget before it is built */
    char *wide = malloc(60008);
    strcpy(wide, "{\"a\":[");
    for (int i = 0; i < 20000; i++) {
        memcpy(wide + 6 + 3 * i, "[],", 3);
    }
    wide[60005] = ']';
    wide[60006] = '}';
    wide[60007] = '\0';
    assert_int_equal(parse_text(ctx, wide, 0, NULL), WEIR_E_BUDGET);
    free(wide);
    unsigned char head[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f };
    w_archive *archive;
    assert_int_equal(w_archive_parse(ctx, head, sizeof head, "model", 1, &archive), WEIR_E_MODEL);
    weir_ctx_destroy(ctx);
}

static void what_cannot_be_saved_is_said(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    w_archive *archive;
    double bad[2] = { 1.0, INFINITY };
    assert_int_equal(sample(ctx, &archive), WEIR_OK);
    assert_int_equal(w_archive_put_f64(archive, "bad", 2, 0, bad), WEIR_E_NUMERIC);
    assert_non_null(strstr(weir_ctx_message(ctx), "value 2 of \"bad\""));
    w_message_clear(ctx);
    assert_int_equal(w_archive_put_f64(archive, "matrix", 2, 0, values), WEIR_E_INTERNAL);
    assert_int_equal(w_archive_write(archive, "-"), WEIR_E_ARG);
    w_message_clear(ctx);
    assert_int_equal(w_archive_write(archive, folder), WEIR_E_IO);
    w_message_clear(ctx);
    assert_int_equal(w_archive_write(archive, "/nowhere/at/all"), WEIR_E_IO);
    assert_non_null(strstr(weir_ctx_message(ctx), "/nowhere/at/all: No such file"));
    w_message_clear(ctx);
    assert_int_equal(w_archive_read(ctx, "/nowhere/at/all", "model", 1, &archive), WEIR_E_IO);
    assert_int_equal(w_archive_read(ctx, folder, "model", 1, &archive), WEIR_E_IO);
    w_archive_free(archive);
    weir_ctx_destroy(ctx);
}

static void a_full_disk_leaves_nothing_behind(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    w_archive *archive;
    assert_int_equal(sample(ctx, &archive), WEIR_OK);
    assert_int_equal(w_archive_write(archive, path), WEIR_OK);
    int before = files_in_folder();
    struct stat old, now;
    stat(path, &old);
    assert_int_equal(w_archive_write(archive, "/dev/full"), WEIR_E_IO);
    assert_non_null(strstr(weir_ctx_message(ctx), "/dev/full: No space left on device"));
    assert_int_equal(w_archive_write(archive, "/dev/null"), WEIR_OK);
    struct rlimit saved, small;
    getrlimit(RLIMIT_FSIZE, &saved);
    small = saved;
    small.rlim_cur = 100;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    w_message_clear(ctx);
    weir_status status = w_archive_write(archive, path);
    setrlimit(RLIMIT_FSIZE, &saved);
    assert_int_equal(status, WEIR_E_IO);
    assert_non_null(strstr(weir_ctx_message(ctx), "File too large"));
    assert_int_equal(files_in_folder(), before);
    stat(path, &now);
    assert_int_equal(now.st_ino, old.st_ino); /* the old file is still there, whole */
    assert_int_equal(now.st_size, old.st_size);
    w_archive_free(archive);
    weir_ctx_destroy(ctx);
}

static void a_link_stays_a_link(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    char link[sizeof path + 8];
    snprintf(link, sizeof link, "%s.link", path);
    w_archive *archive;
    assert_int_equal(sample(ctx, &archive), WEIR_OK);
    assert_int_equal(w_archive_write(archive, path), WEIR_OK);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(w_archive_write(archive, link), WEIR_OK);
    struct stat info;
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    unlink(link);
    w_archive_free(archive);
    weir_ctx_destroy(ctx);
}

static weir_status write_and_read(weir_ctx *ctx, void *arg)
{
    (void)arg;
    w_archive *archive, *again;
    weir_status status = sample(ctx, &archive);
    if (status != WEIR_OK) {
        return status;
    }
    status = w_archive_write(archive, path);
    w_archive_free(archive);
    if (status == WEIR_OK) {
        status = w_archive_read(ctx, path, "model", 1, &again);
    }
    if (status == WEIR_OK) {
        w_archive_free(again);
    }
    return status;
}

static void every_failing_allocation_is_survived(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    assert_true(test_each_allocation_fails(ctx, write_and_read, NULL) > 20);
    assert_int_equal(files_in_folder(), 1);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_layout_is_that_of_safetensors),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(lies_are_named),
        cmocka_unit_test(depth_and_size_are_capped),
        cmocka_unit_test(what_cannot_be_saved_is_said),
        cmocka_unit_test(a_full_disk_leaves_nothing_behind),
        cmocka_unit_test(a_link_stays_a_link),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("archive", tests, make_folder, remove_folder);
}
