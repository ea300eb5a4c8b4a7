/* SPDX-License-Identifier: Apache-2.0 */
/* The page of a model with every kind of picture. Kept in $WEIR_REPORT_SAMPLE when that is set:
 * check_html.py reads it. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/effect.h"
#include "report/figure.h"
#include "report/report.h"
#include "support/sample_model.h"
#include "support/sink.h"

static int occurrences(const char *text, const char *word)
{
    int count = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

static void every_term_has_its_picture(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_model *model = NULL;
    sink s = { 0 };
    assert_int_equal(sample_model(ctx, &model), WEIR_OK);
    assert_int_equal(w_report_html(ctx, model, sink_write, &s), WEIR_OK);
    assert_int_equal(occurrences(s.text, "<figure"), 7 + 4);   /* terms but the intercept, residuals */
    assert_int_equal(occurrences(s.text, "viewBox"), 8 + 4);   /* the tensor product has two panels */
    assert_int_equal(occurrences(s.text, "class=\"interval\""), 14 + 3);
    assert_int_equal(occurrences(s.text, "class=\"curve\""), 3);
    assert_true(occurrences(s.text, "class=\"contour\"") >= 8);
    assert_int_equal(occurrences(s.text, "<script"), 0);
    assert_int_equal(occurrences(s.text, "nan"), 0);
    assert_non_null(strstr(s.text, "s(x0, "));
    assert_non_null(strstr(s.text, "f\xc3\xa9minin &lt;b&gt;"));
    assert_non_null(strstr(s.text, "400 rows fit in 25.0 KiB: read once &amp; kept"));
    assert_null(strstr(s.text, "<b>"));
    const char *kept = getenv("WEIR_REPORT_SAMPLE");
    FILE *f = kept ? fopen(kept, "wb") : NULL;
    if (kept) {
        assert_non_null(f);
        assert_int_equal(fwrite(s.text, 1, s.length, f), s.length);
        fclose(f);
    }
    sink again = { 0 };
    assert_int_equal(w_report_html(ctx, model, sink_write, &again), WEIR_OK);
    assert_int_equal(again.length, s.length);
    assert_memory_equal(again.text, s.text, s.length);
    sink_free(&again);
    sink_free(&s);
    sample_model_free(model);
    weir_ctx_destroy(ctx);
}

/* f and se of a curve are X beta and sqrt(phi diag(X P X')), by the plain triple product. */
static void effects_are_what_the_model_says(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_model *model = NULL;
    w_effect effect;
    assert_int_equal(sample_model(ctx, &model), WEIR_OK);
    const w_term *term = &model->design->term[3];
    assert_int_equal(w_effect_curve(model, term, &effect), WEIR_OK);
    assert_true(effect.x[0][0] == model->design->column_lower[3]);
    assert_true(effect.x[0][effect.count - 1] == model->design->column_upper[3]);
    int64_t k = term->columns, p = model->design->p;
    double *x = calloc((size_t)(effect.count * k), sizeof *x);
    const double *in[W_MAX_MARGINS] = { effect.x[0], NULL, NULL };
    assert_int_equal(w_smooth_rows(ctx, term->smooth, effect.count, in, x), WEIR_OK);
    for (int64_t i = 0; i < effect.count; i++) {
        double fit = 0, variance = 0, size = 0;
        for (int64_t a = 0; a < k; a++) {
            fit += x[i * k + a] * model->beta[term->first + a];
            for (int64_t b = 0; b < k; b++) {
                double part = x[i * k + a] * x[i * k + b] *
                              model->covariance->core_matrix[(term->first + a) * p + term->first + b];
                variance += part;
                size += fabs(part);
            }
        }
        double se = sqrt(model->scale * variance);
        assert_true(fabs(effect.fit[i] - fit) <= 4 * k * 2.3e-16 * (1 + fabs(fit)));
        assert_true(fabs(effect.se[i] * effect.se[i] - se * se) <= 4 * k * k * 2.3e-16 * model->scale * size);
    }
    free(x);
    w_effect_free(&effect);
    sample_model_free(model);
    weir_ctx_destroy(ctx);
}

static void a_page_without_diagnostics_is_a_page(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_model *model = NULL;
    sink s = { 0 };
    assert_int_equal(sample_model(ctx, &model), WEIR_OK);
    model->diagnostics = NULL;
    assert_int_equal(w_report_html(ctx, model, sink_write, &s), WEIR_OK);
    assert_null(strstr(s.text, "<h2>Residuals"));
    assert_null(strstr(s.text, "class=\"rug\""));
    assert_int_equal(occurrences(s.text, "<figure"), 7);
    sink_free(&s);
    sample_model_free(model);
    weir_ctx_destroy(ctx);
}

static void labels_take_their_degrees_of_freedom(void **state)
{
    (void)state;
    char out[W_LABEL_BYTES];
    assert_string_equal(w_figure_label(out, "s(x0)", 2.5), "s(x0, 2.50)");
    assert_string_equal(w_figure_label(out, "te(a,b):fB", 12.345), "te(a,b, 12.35):fB");
    assert_string_equal(w_figure_label(out, "s(log(x))", 1), "s(log(x), 1.00)");
    assert_string_equal(w_figure_label(out, "x", 1), "x");
}

static void sorting_sorts(void **state)
{
    (void)state;
    double v[64];
    for (int n = 0; n <= 64; n++) {
        double sum = 0, after = 0;
        for (int i = 0; i < n; i++) {
            v[i] = (i * 37 % 64) / 2;
            sum += v[i];
        }
        w_sort_doubles(n, v);
        for (int i = 0; i < n; i++) {
            assert_true(i == 0 || v[i - 1] <= v[i]);
            after += v[i];
        }
        assert_true(sum == after);
    }
}

static weir_status page(weir_ctx *ctx, void *arg)
{
    sink s = { 0 };
    weir_status status = w_report_html(ctx, arg, sink_write, &s);
    sink_free(&s);
    return status;
}

static void failing_memory_is_survived(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_model *model = NULL;
    assert_int_equal(sample_model(ctx, &model), WEIR_OK);
    assert_true(test_each_allocation_fails(ctx, page, model) > 30);
    sample_model_free(model);
    weir_ctx_destroy(ctx);
}

static void a_refusing_writer_is_an_io_error(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    weir_model *model = NULL;
    sink s = { .refuse_after = 50000 };
    assert_int_equal(sample_model(ctx, &model), WEIR_OK);
    assert_int_equal(w_report_html(ctx, model, sink_write, &s), WEIR_E_IO);
    sink_free(&s);
    sample_model_free(model);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_term_has_its_picture),
        cmocka_unit_test(effects_are_what_the_model_says),
        cmocka_unit_test(a_page_without_diagnostics_is_a_page),
        cmocka_unit_test(labels_take_their_degrees_of_freedom),
        cmocka_unit_test(sorting_sorts),
        cmocka_unit_test(failing_memory_is_survived),
        cmocka_unit_test(a_refusing_writer_is_an_io_error),
    };
    return cmocka_run_group_tests_name("report page", tests, NULL, NULL);
}
