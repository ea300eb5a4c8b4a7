/* SPDX-License-Identifier: Apache-2.0 */
/* The promise that every version reads the files of every earlier one: tests/golden/model holds a file of each format with
 * the JSON and the predictions that the library of its day got from it. */
#include "support/test.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/sink.h"
#include "weir/gam.h"
#include "weir/report.h"
#include "weir/table.h"

#define ROWS 80

/* Is everything that `old` holds in `now` too, with the same value? Keys may have been added. */
static bool holds(const json_t *now, const json_t *old, const char *at)
{
    const char *key;
    json_t *value;
    bool same = true;
    if (!json_is_object(old)) {
        same = json_is_array(old) ? json_is_array(now) && json_array_size(now) == json_array_size(old) : json_equal(now, old);
        for (size_t i = 0; same && i < json_array_size(old); i++) {
            same = holds(json_array_get(now, i), json_array_get(old, i), at);
        }
        if (!same) {
            print_error("\"%s\" is another than it was\n", at);
        }
        return same;
    }
    json_object_foreach((json_t *)old, key, value) {
        same &= strcmp(key, "version") == 0 || holds(json_object_get(now, key), value, key);
    }
    return same;
}

static void check_summary(weir_ctx *ctx, const weir_model *model, const char *name)
{
    sink s = { 0 };
    assert_int_equal(weir_report_json(ctx, model, sink_write, &s), WEIR_OK);
    json_t *now = json_loads(s.text, 0, NULL), *old = json_load_file(name, 0, NULL);
    assert_non_null(now);
    assert_non_null(old);
    assert_true(holds(now, old, name));
    json_decref(now);
    json_decref(old);
    sink_free(&s);
    assert_int_equal(weir_report_text(ctx, model, sink_write, &s), WEIR_OK);
    assert_int_equal(weir_report_html(ctx, model, sink_write, &s), WEIR_OK);
    assert_non_null(strstr(s.text, "s(x)"));
    sink_free(&s);
}

typedef struct collected {
    int64_t rows;
    double fit[ROWS], se[ROWS];
} collected;

static int collect(void *user, int64_t first_row, int64_t rows, const double *values)
{
    collected *c = user;
    if (first_row + rows > ROWS) {
        return 1;
    }
    memcpy(c->fit + first_row, values, (size_t)rows * sizeof(double));
    memcpy(c->se + first_row, values + rows, (size_t)rows * sizeof(double));
    c->rows += rows;
    return 0;
}

/* The numbers were written in full; what may differ is the rounding of sums of p = 21 terms on another processor. */
static void check_predictions(weir_ctx *ctx, const weir_model *model, const char *name)
{
    const char *data = "tests/golden/model/data.csv";
    weir_predict_options options = WEIR_PREDICT_OPTIONS_INIT;
    weir_table *table = NULL;
    collected c = { 0 };
    double fit, se;
    options.se = 1;
    assert_int_equal(weir_table_open(ctx, 1, &data, NULL, &table), WEIR_OK);
    assert_int_equal(weir_predict(ctx, model, table, &options, collect, &c), WEIR_OK);
    weir_table_close(table);
    assert_int_equal(c.rows, ROWS);
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "fit,se\n"), 0);
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(fscanf(f, "%lf,%lf\n", &fit, &se), 2);
        assert_true(fabs(c.fit[i] - fit) <= 1e-12 * (1 + fabs(fit)));
        assert_true(fabs(c.se[i] - se) <= 1e-10 * se); /* se^2 = x'Vx of terms up to 1e3 times as large */
    }
    fclose(f);
}

static void every_format_ever_written_is_read(void **state)
{
    char name[64];
    int version = 1;
    for (;; version++) {
        snprintf(name, sizeof name, "tests/golden/model/v%d.weir", version);
        if (access(name, R_OK) != 0) {
            break;
        }
        weir_ctx *ctx = test_ctx(*state, 1, (int64_t)64 << 20);
        weir_model *model = NULL;
        if (weir_model_load(ctx, name, &model) < 0) {
            fail_msg("%s: %s", name, weir_ctx_message(ctx));
        }
        snprintf(name, sizeof name, "tests/golden/model/v%d.json", version);
        check_summary(ctx, model, name);
        snprintf(name, sizeof name, "tests/golden/model/v%d.csv", version);
        check_predictions(ctx, model, name);
        weir_model_free(model);
        weir_ctx_destroy(ctx);
    }
    assert_true(version > 1);
}

/* Reading and writing again changes no byte. */
static void a_file_read_and_written_is_the_same(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, (int64_t)64 << 20);
    weir_model *model = NULL;
    char first[] = "/tmp/weir-golden-XXXXXX", second[sizeof first + 2];
    int fd = mkstemp(first);
    assert_true(fd >= 0);
    close(fd);
    snprintf(second, sizeof second, "%s.2", first);
    assert_int_equal(weir_model_load(ctx, "tests/golden/model/v1.weir", &model), WEIR_OK);
    assert_int_equal(weir_model_save(ctx, model, first), WEIR_OK);
    weir_model_free(model);
    assert_int_equal(weir_model_load(ctx, first, &model), WEIR_OK);
    assert_int_equal(weir_model_save(ctx, model, second), WEIR_OK);
    weir_model_free(model);
    FILE *a = fopen(first, "rb"), *b = fopen(second, "rb");
    int x, y;
    do {
        x = getc(a);
        y = getc(b);
        assert_int_equal(x, y);
    } while (x != EOF);
    fclose(a);
    fclose(b);
    unlink(first);
    unlink(second);
    weir_ctx_destroy(ctx);
}

/* Cut at every byte, and once too long. */
static void every_cut_of_a_file_is_refused(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, (int64_t)64 << 20);
    char path[] = "/tmp/weir-cut-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fopen("tests/golden/model/v1.weir", "rb");
    static char bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof bytes - 1, f);
    fclose(f);
    assert_int_equal(pwrite(fd, bytes, size + 1, 0), size + 1);
    for (size_t cut = size + 1; cut > 0; cut -= cut > 12000 ? 97 : 1) {
        weir_model *model = NULL;
        assert_int_equal(ftruncate(fd, (off_t)(cut == size ? size - 1 : cut)), 0);
        weir_status status = weir_model_load(ctx, path, &model);
        if (status != WEIR_E_MODEL || weir_ctx_message(ctx)[0] == '\0') {
            fail_msg("cut to %zu bytes: %s %s", cut, weir_status_name(status), weir_ctx_message(ctx));
        }
    }
    close(fd);
    unlink(path);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_ever_written_is_read),
        cmocka_unit_test(a_file_read_and_written_is_the_same),
        cmocka_unit_test(every_cut_of_a_file_is_refused),
    };
    return cmocka_run_group_tests_name("golden model files", tests, NULL, NULL);
}
