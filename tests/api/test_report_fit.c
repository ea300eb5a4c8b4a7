/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of real fits: every kind of term has its picture, and a model from its file reports what the fitted one did. */
#include "support/test.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ctx.h"
#include "base/rng.h"
#include "support/sink.h"
#include "weir/gam.h"
#include "weir/report.h"
#include "weir/table.h"

#define ROWS 500

static const char *const level[] = { "one", "two <&>", "three" };

typedef struct data {
    double y[ROWS], x[ROWS], z[ROWS], w[ROWS];
    int32_t f[ROWS], g[ROWS], h[ROWS];
} data;

static data *make_data(void)
{
    data *d = calloc(1, sizeof *d);
    w_rng rng;
    assert_non_null(d);
    w_rng_seed(&rng, 17);
    for (int i = 0; i < ROWS; i++) {
        d->x[i] = 0.1 + 5 * w_rng_uniform(&rng);
        d->z[i] = w_rng_uniform(&rng);
        d->w[i] = w_rng_uniform(&rng);
        d->f[i] = (int32_t)w_rng_below(&rng, 3);
        d->g[i] = (int32_t)w_rng_below(&rng, 15);
        d->h[i] = (int32_t)w_rng_below(&rng, 2);
        d->y[i] = log(d->x[i]) + d->z[i] * d->z[i] + d->f[i] + sin(6 * d->w[i]) + 0.1 * d->g[i] + 0.3 * w_rng_normal(&rng);
    }
    return d;
}

static weir_status fit(weir_ctx *ctx, const data *d, const char *formula, weir_model **out)
{
    const weir_column column[] = {
        { "y", WEIR_F64, d->y, 0, 0, NULL },  { "x", WEIR_F64, d->x, 0, 0, NULL },   { "z", WEIR_F64, d->z, 0, 0, NULL },
        { "w", WEIR_F64, d->w, 0, 0, NULL },  { "f", WEIR_I32, d->f, 0, 3, level },  { "g", WEIR_I32, d->g, 0, 15, NULL },
        { "h", WEIR_I32, d->h, 0, 2, NULL },
    };
    weir_fit_options options = WEIR_FIT_OPTIONS_INIT;
    weir_table *table = NULL;
    options.diagnostics = 1;
    weir_status status = weir_table_from_columns(ctx, ROWS, sizeof column / sizeof column[0], column, &table);
    if (status >= 0) {
        status = weir_fit(ctx, table, formula, &options, out);
    }
    weir_table_close(table);
    return status;
}

static int occurrences(const char *text, const char *word)
{
    int count = 0;
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

static void every_kind_of_term_is_drawn(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    data *d = make_data();
    weir_model *model = NULL;
    sink s = { 0 };
    weir_status status = fit(ctx, d, "y ~ f*h + log(x) + poly(z,2) + x:z + s(w,k=8) + s(g,bs=\"re\")", &model);
    if (status < 0) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    assert_int_equal(weir_report_html(ctx, model, sink_write, &s), WEIR_OK);
    assert_int_equal(occurrences(s.text, "class=\"curve\""), 3); /* log(x), poly(z,2), s(w); x:z is of two columns */
    assert_int_equal(occurrences(s.text, "<figcaption>log(x), parametric"), 1);
    assert_int_equal(occurrences(s.text, "<figcaption>f, differences from level one"), 1);
    assert_int_equal(occurrences(s.text, "<figcaption>h, differences from level 0"), 1);
    assert_int_equal(occurrences(s.text, "<figcaption>f:h, coefficients"), 1);
    assert_int_equal(occurrences(s.text, "<figcaption>s(g), random effect of 15 levels"), 1);
    assert_int_equal(occurrences(s.text, "<figure"), 7 + 4);
    assert_null(strstr(s.text, "<&>"));
    sink_free(&s);
    weir_model_free(model);
    free(d);
    weir_ctx_destroy(ctx);
}

static void a_loaded_model_reports_the_same(void **state)
{
    typedef weir_status (*report_fn)(weir_ctx *, const weir_model *, weir_write_fn, void *);
    static const report_fn report[] = { weir_report_text, weir_report_json, weir_report_html };
    weir_ctx *ctx = test_ctx(*state, 2, 0);
    data *d = make_data();
    weir_model *model = NULL, *again = NULL;
    char path[] = "/tmp/weir-report-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    weir_status status = fit(ctx, d, "y ~ x + s(z,by=f,k=6) + te(x,w,k=4) + s(g,bs=\"re\")", &model);
    if (status < 0) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    assert_int_equal(weir_model_save(ctx, model, path), WEIR_OK);
    assert_int_equal(weir_model_load(ctx, path, &again), WEIR_OK);
    for (size_t i = 0; i < sizeof report / sizeof report[0]; i++) {
        sink a = { 0 }, b = { 0 };
        assert_int_equal(report[i](ctx, model, sink_write, &a), WEIR_OK);
        assert_int_equal(report[i](ctx, again, sink_write, &b), WEIR_OK);
        assert_int_equal(a.length, b.length);
        assert_memory_equal(a.text, b.text, a.length);
        sink_free(&a);
        sink_free(&b);
    }
    unlink(path);
    weir_model_free(model);
    weir_model_free(again);
    free(d);
    weir_ctx_destroy(ctx);
}

static weir_status page(weir_ctx *ctx, void *arg)
{
    sink s = { 0 };
    weir_status status = weir_report_html(ctx, arg, sink_write, &s);
    sink_free(&s);
    return status;
}

static void failing_memory_is_survived(void **state)
{
    weir_ctx *ctx = test_ctx(*state, 1, 0);
    data *d = make_data();
    weir_model *model = NULL;
    assert_true(fit(ctx, d, "y ~ log(x) + s(w,k=5)", &model) >= 0);
    assert_true(test_each_allocation_fails(ctx, page, model) > 20);
    weir_model_free(model);
    free(d);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_term_is_drawn),
        cmocka_unit_test(a_loaded_model_reports_the_same),
        cmocka_unit_test(failing_memory_is_survived),
    };
    return cmocka_run_group_tests_name("reports of fits", tests, NULL, NULL);
}
