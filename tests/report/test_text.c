/* SPDX-License-Identifier: Apache-2.0 */
/* Text and JSON of a summary of literals against committed files. */
#include "support/test.h"

#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/report.h"
#include "support/sample_model.h"
#include "support/sink.h"

typedef weir_status (*report_fn)(weir_ctx *, const weir_model *, weir_write_fn, void *);

static weir_model literal_model(void)
{
    static weir_plan plan;
    weir_model model;
    memset(&model, 0, sizeof model);
    sample_summary(&model.summary, &plan);
    return model;
}

static void check(void *state, report_fn report, const char *golden)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    weir_model model = literal_model();
    sink s = { 0 };
    assert_int_equal(report(ctx, &model, sink_write, &s), WEIR_OK);
    sink_matches(&s, golden);
    sink_free(&s);
    weir_ctx_destroy(ctx);
}

static void the_summary_has_the_shape_of_mgcv(void **state)
{
    check(*state, w_report_text, "summary.txt");
}

static void the_json_holds_every_promised_key(void **state)
{
    check(*state, w_report_json, "fit.json");
}

static weir_status plan_text(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    return w_report_plan_text(ctx, model->summary.plan, write, user);
}

static weir_status plan_json(weir_ctx *ctx, const weir_model *model, weir_write_fn write, void *user)
{
    return w_report_plan_json(ctx, model->summary.plan, write, user);
}

static void the_plan_is_told_with_its_reasons(void **state)
{
    check(*state, plan_text, "plan.txt");
    check(*state, plan_json, "plan.json");
}

static json_t *parsed(weir_ctx *ctx, const weir_model *model)
{
    sink s = { 0 };
    json_error_t error;
    assert_int_equal(w_report_json(ctx, model, sink_write, &s), WEIR_OK);
    json_t *json = json_loads(s.text, JSON_REJECT_DUPLICATES, &error);
    if (!json) {
        fail_msg("line %d: %s", error.line, error.text);
    }
    sink_free(&s);
    return json;
}

static void numbers_in_json_come_back_exactly(void **state)
{
    static const double value[] = { 1.0 / 3.0, 0.1, 1e-300, 1.7976931348623157e308, 4.9406564584124654e-324, -0.0, 1e15,
                                    123456789.123456789, 5e-1 };
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    for (size_t i = 0; i < sizeof value / sizeof value[0]; i++) {
        weir_model model = literal_model();
        model.summary.deviance = value[i];
        json_t *json = parsed(ctx, &model);
        double back = json_number_value(json_object_get(json, "deviance"));
        assert_memory_equal(&back, &value[i], value[i] == 0 ? 0 : sizeof back);
        json_decref(json);
    }
    weir_model model = literal_model();
    model.summary.deviance = NAN;
    model.summary.scale = INFINITY;
    json_t *json = parsed(ctx, &model);
    assert_true(json_is_null(json_object_get(json, "deviance")));
    assert_true(json_is_null(json_object_get(json, "scale")));
    json_decref(json);
    weir_ctx_destroy(ctx);
}

static void odd_text_stays_valid_json(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_model model = literal_model();
    model.summary.formula = "y\t~ \"q\" \\ \x01 \xff\xfe \xe2\x82\xac \xed\xa0\x80";
    json_t *json = parsed(ctx, &model);
    const char *text = json_string_value(json_object_get(json, "formula"));
    assert_string_equal(text, "y\t~ \"q\" \\ \x01 \xef\xbf\xbd\xef\xbf\xbd \xe2\x82\xac \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(json);
    weir_ctx_destroy(ctx);
}

static void the_locale_changes_nothing(void **state)
{
    static const char *const name[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "ps_AF", "fa_IR" };
    size_t i = 0;
    while (i < sizeof name / sizeof name[0] && !setlocale(LC_ALL, name[i])) {
        i++;
    }
    if (i == sizeof name / sizeof name[0]) {
        skip();
    }
    check(*state, w_report_text, "summary.txt");
    check(*state, w_report_json, "fit.json");
    setlocale(LC_ALL, "C");
}

static void a_refusing_writer_is_an_io_error(void **state)
{
    static const report_fn report[] = { w_report_text, w_report_json, plan_text, plan_json };
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_model model = literal_model();
    for (size_t i = 0; i < sizeof report / sizeof report[0]; i++) {
        sink s = { .refuse_after = 100 };
        w_message_clear(ctx);
        assert_int_equal(report[i](ctx, &model, sink_write, &s), WEIR_E_IO);
        assert_non_null(strstr(weir_ctx_message(ctx), "cannot write the report"));
        sink_free(&s);
    }
    weir_ctx_destroy(ctx);
}

static weir_status text_again(weir_ctx *ctx, void *arg)
{
    sink s = { 0 };
    weir_status status = w_report_text(ctx, arg, sink_write, &s);
    sink_free(&s);
    return status;
}

static void failing_memory_is_survived(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_model model = literal_model();
    assert_true(test_each_allocation_fails(ctx, text_again, &model) >= 4);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_summary_has_the_shape_of_mgcv), cmocka_unit_test(the_json_holds_every_promised_key),
        cmocka_unit_test(the_plan_is_told_with_its_reasons), cmocka_unit_test(numbers_in_json_come_back_exactly),
        cmocka_unit_test(odd_text_stays_valid_json),         cmocka_unit_test(the_locale_changes_nothing),
        cmocka_unit_test(a_refusing_writer_is_an_io_error),  cmocka_unit_test(failing_memory_is_survived),
    };
    return cmocka_run_group_tests_name("report text", tests, NULL, NULL);
}
