/* SPDX-License-Identifier: Apache-2.0 */
/* Parametric columns against R's model.matrix (tests/reference/model/matrix.R): names and values. */
#include "support/test.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/design.h"
#include "table/table.h"

#define FOLDER WEIR_SOURCE_DIR "/tests/reference/model/"
#define ROWS 24
#define COLUMNS 64

typedef struct reference {
    char formula[256];
    int columns;
    char name[COLUMNS][64];
    double value[ROWS][COLUMNS];
} reference;

static char *read_line(FILE *file, char *line, size_t room)
{
    if (!fgets(line, (int)room, file)) {
        return NULL;
    }
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static int read_reference(FILE *file, reference *out)
{
    static char line[1 << 16];
    if (!read_line(file, line, sizeof line)) {
        return 0;
    }
    assert_int_equal(strncmp(line, "formula ", 8), 0);
    assert_true(strlen(line + 8) < sizeof out->formula);
    strcpy(out->formula, line + 8);
    assert_non_null(read_line(file, line, sizeof line));
    out->columns = 0;
    for (char *name = strtok(line, "\t"); name; name = strtok(NULL, "\t")) {
        assert_true(out->columns < COLUMNS);
        assert_true(strlen(name) < sizeof out->name[0]);
        strcpy(out->name[out->columns++], name);
    }
    for (int i = 0; i < ROWS; i++) {
        assert_non_null(read_line(file, line, sizeof line));
        char *at = line;
        for (int j = 0; j < out->columns; j++) {
            out->value[i][j] = strtod(at, &at);
        }
    }
    assert_non_null(read_line(file, line, sizeof line));
    return 1;
}

/* Elementary functions of two libraries agree to a few units in the last place; orthogonal polynomials go through sums of
 * ROWS products twice per degree. */
static double tolerance(const reference *r, double value)
{
    double factor = strstr(r->formula, "poly") ? 64.0 * ROWS : 8;
    return factor * DBL_EPSILON * fmax(1, fabs(value));
}

static void compare(weir_ctx *ctx, const reference *r, const w_design *design, weir_table *table)
{
    double row[COLUMNS];
    w_tile *tile = NULL;
    w_window window;
    if (design->p != r->columns) {
        fail_msg("%s: %lld columns, R has %d", r->formula, (long long)design->p, r->columns);
    }
    assert_int_equal(w_tile_create(ctx, design, &tile), WEIR_OK);
    assert_int_equal(w_source_rewind(table), WEIR_OK);
    assert_int_equal(w_source_next(table, &window), WEIR_OK);
    assert_int_equal(w_tile_eval(design, &window, 0, ROWS, NULL, tile), WEIR_OK);
    for (int j = 0; j < r->columns; j++) {
        if (strcmp(design->column_label[j], r->name[j]) != 0) {
            fail_msg("%s: column %d is '%s', in R '%s'", r->formula, j + 1, design->column_label[j], r->name[j]);
        }
    }
    for (int i = 0; i < ROWS; i++) {
        w_tile_dense_row(design, tile, i, row);
        for (int j = 0; j < r->columns; j++) {
            if (!(fabs(row[j] - r->value[i][j]) <= tolerance(r, r->value[i][j]))) {
                fail_msg("%s: row %d of '%s' is %.17g, in R %.17g", r->formula, i + 1, r->name[j], row[j],
                         r->value[i][j]);
            }
        }
    }
    w_tile_free(ctx, tile);
}

static void as_in_r(void **state)
{
    weir_ctx *ctx = test_ctx(state, 1, 0);
    const char *const path = FOLDER "data.csv";
    const weir_table_options options = WEIR_TABLE_OPTIONS_INIT;
    weir_table *table = NULL;
    assert_int_equal(w_table_open_files(ctx, 1, &path, &options, &table), WEIR_OK);
    FILE *file = fopen(FOLDER "matrix.txt", "r");
    assert_non_null(file);
    static reference r;
    int count = 0;
    for (; read_reference(file, &r); count++) {
        w_formula *formula = NULL;
        w_design *design = NULL;
        w_message_clear(ctx);
        if (w_formula_parse(ctx, r.formula, &formula) != WEIR_OK ||
            w_design_compile(ctx, formula, table, &(w_design_options){0}, &design) != WEIR_OK) {
            fail_msg("%s: %s", r.formula, weir_ctx_message(ctx));
        }
        compare(ctx, &r, design, table);
        w_design_free(design);
        w_formula_free(formula);
    }
    assert_int_equal(count, 34);
    fclose(file);
    w_table_free(table);
    weir_ctx_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_in_r)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
