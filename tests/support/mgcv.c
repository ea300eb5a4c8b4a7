/* SPDX-License-Identifier: Apache-2.0 */
#include "support/mgcv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int failures;

const char *text_of(const json_t *object, const char *key) { return json_string_value(json_object_get(object, key)); }
double number_of(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }
const json_t *list_of(const json_t *object, const char *key)
{
    const json_t *list = json_object_get(object, key);
    assert_true(json_is_array(list));
    return list;
}
double item(const json_t *list, size_t i)
{
    const json_t *value = json_array_get(list, i);
    return json_is_null(value) ? NAN : json_number_value(value);
}

void expect_near(const char *name, const char *what, double got, double want, double tolerance)
{
    if (fabs(got - want) <= tolerance)
        return;
    failures++;
    print_error("%s: %s is %.15g, want %.15g within %.3g (off by %.3g)\n", name, what, got, want, tolerance, got - want);
}

static int keep_row(void *user, int64_t first, int64_t rows, const double *values)
{
    fitted_case *f = user;
    f->fit = realloc(f->fit, (size_t)(first + rows) * sizeof *f->fit);
    f->se = realloc(f->se, (size_t)(first + rows) * sizeof *f->se);
    if (!f->fit || !f->se)
        return 1;
    memcpy(f->fit + first, values, (size_t)rows * sizeof *values);
    memcpy(f->se + first, values + rows, (size_t)rows * sizeof *values);
    f->rows = first + rows;
    return 0;
}

void fit_case_with(weir_ctx *ctx, const char *folder, const json_t *c, weir_fit_options *options, const json_t *sp,
                   fitted_case *f)
{
    char path[1024];
    double fixed[64];
    memset(f, 0, sizeof *f);
    snprintf(path, sizeof path, "%s%s", folder, text_of(c, "data"));
    const char *paths[] = {path};
    weir_table_options table = WEIR_TABLE_OPTIONS_INIT;
    table.factors = text_of(c, "factors");
    if (weir_table_open(ctx, 1, paths, &table, &f->table) < 0)
        fail_msg("%s: %s", text_of(c, "name"), weir_ctx_message(ctx));
    if (sp) {
        options->sp_count = (int32_t)json_array_size(sp);
        assert_in_range(options->sp_count, 1, 64);
        for (int32_t i = 0; i < options->sp_count; i++)
            fixed[i] = item(sp, (size_t)i);
        options->sp = fixed;
    }
    weir_status status = weir_fit(ctx, f->table, text_of(c, "formula"), options, &f->model);
    if (status != WEIR_OK)
        fail_msg("%s: %s: %s", text_of(c, "name"), weir_status_name(status), weir_ctx_message(ctx));
    assert_int_equal(weir_model_summary(f->model, &f->summary), WEIR_OK);
    weir_predict_options predict = WEIR_PREDICT_OPTIONS_INIT;
    predict.se = 1;
    predict.missing = options->missing;
    if (weir_predict(ctx, f->model, f->table, &predict, keep_row, f) < 0)
        fail_msg("%s: %s", text_of(c, "name"), weir_ctx_message(ctx));
}

void drop_case(fitted_case *f)
{
    weir_model_free(f->model);
    weir_table_close(f->table);
    free(f->fit);
    free(f->se);
}

void compare_shape(const char *name, const fitted_case *f, const json_t *want)
{
    const json_t *labels = list_of(want, "labels"), *scales = list_of(want, "sp_scale");
    size_t penalty = 0;
    assert_int_equal(f->summary.n, (int64_t)number_of(want, "n"));
    assert_int_equal(f->summary.term_count, (int)json_array_size(labels));
    assert_int_equal(f->summary.coefficient_count, (int)json_array_size(list_of(want, "parametric")));
    for (int32_t t = 0; t < f->summary.term_count; t++) {
        const weir_term_summary *term = &f->summary.term[t];
        assert_string_equal(term->label, json_string_value(json_array_get(labels, (size_t)t)));
        assert_int_equal(term->columns, (int)item(list_of(want, "columns"), (size_t)t));
        for (int32_t j = 0; j < term->sp_count && penalty < json_array_size(scales); j++, penalty++)
            expect_near(name, "S.scale", term->sp_scale[j] / item(scales, penalty), 1, 1e-8);
    }
}
