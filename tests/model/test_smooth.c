/* SPDX-License-Identifier: Apache-2.0 */
/* Smooths as mgcv sets them up (tests/reference/model/smooth.R): labels, columns after side conditions, S.scale, and two numbers
 * of each penalty that no rotation of signs hides: trace and sum of squares. */
#include "support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/design.h"
#include "table/table.h"

#define FOLDER WEIR_SOURCE_DIR "/tests/reference/model/"

static w_design *compile(weir_ctx *ctx, const char *text, weir_table *table)
{
    w_formula *formula = NULL;
    w_design *design = NULL;
    w_message_clear(ctx);
    if (w_formula_parse(ctx, text, &formula) != WEIR_OK ||
        w_design_compile(ctx, formula, table, &(w_design_options){0}, &design) != WEIR_OK) {
        fail_msg("%s: %s", text, weir_ctx_message(ctx));
    }
    w_formula_free(formula);
    return design;
}

/* Thin plate splines take part of a spectrum by iteration in mgcv, to about eps^0.7 = 1e-11 of it; the rest is rounding. */
static void near(const char *formula, const char *what, double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-8 * fabs(expected))) {
        fail_msg("%s: %s is %.15g, in mgcv %.15g", formula, what, value, expected);
    }
}

static void check_penalty(const w_design *d, int j, char *line)
{
    const w_design_penalty *p = &d->penalty[j];
    const w_term *term = &d->term[p->term];
    double trace = 0, square = 0;
    for (int64_t i = 0; i < p->k * p->k; i++) {
        double value = p->matrix ? p->matrix[i] : i % (p->k + 1) == 0;
        trace += i % (p->k + 1) == 0 ? value : 0;
        square += value * value;
    }
    const char *label = strtok(line, "\t");
    assert_string_equal(term->label, label);
    assert_int_equal(term->columns, strtol(strtok(NULL, "\t"), NULL, 10));
    near(d->formula, label, p->scale, strtod(strtok(NULL, "\t"), NULL));
    near(d->formula, label, trace * (double)p->repeat, strtod(strtok(NULL, "\t"), NULL));
    near(d->formula, label, square * (double)p->repeat, strtod(strtok(NULL, "\t"), NULL));
}

static void as_in_mgcv(void **state)
{
    weir_ctx *ctx = test_ctx(state, 2, 0);
    const char *const path = FOLDER "smooth.csv";
    const weir_table_options options = WEIR_TABLE_OPTIONS_INIT;
    weir_table *table = NULL;
    assert_int_equal(w_table_open_files(ctx, 1, &path, &options, &table), WEIR_OK);
    FILE *file = fopen(FOLDER "smooth.txt", "r");
    assert_non_null(file);
    char line[512];
    w_design *design = NULL;
    int formulas = 0, penalty = 0;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "formula ", 8) == 0) {
            assert_int_equal(penalty, design ? design->penalty_count : 0);
            w_design_free(design);
            design = compile(ctx, line + 8, table);
            formulas++;
            penalty = 0;
        } else {
            assert_true(design && penalty < design->penalty_count);
            check_penalty(design, penalty++, line);
        }
    }
    assert_int_equal(penalty, design->penalty_count);
    assert_int_equal(formulas, 10);
    w_design_free(design);
    fclose(file);
    w_table_free(table);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_in_mgcv)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
