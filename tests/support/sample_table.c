/* SPDX-License-Identifier: Apache-2.0 */
#include "support/sample_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

const char *const level_names[4] = { "ash", "beech", "elm", "oak" };

sample *make_sample(void)
{
    sample *s = calloc(1, sizeof *s);
    s->csv = malloc(ROWS * 64);
    s->header = s->size = (size_t)sprintf(s->csv, "x,g,z\n");
    w_rng rng;
    w_rng_seed(&rng, 41);
    for (int i = 0; i < ROWS; i++) {
        s->x[i] = w_rng_normal(&rng);
        s->z[i] = i % 11 == 10 ? NAN : w_rng_uniform(&rng);
        s->g[i] = i % 13 == 12 ? -1 : (int32_t)w_rng_below(&rng, 4);
        s->size +=
            (size_t)sprintf(s->csv + s->size, "%.17g,%s,", s->x[i], s->g[i] < 0 ? "NA" : level_names[s->g[i]]);
        s->size += (size_t)sprintf(s->csv + s->size, isnan(s->z[i]) ? "\n" : "%.17g\n", s->z[i]);
    }
    return s;
}

void free_sample(sample *s)
{
    free(s->csv);
    free(s);
}

void is_sample(const test_rows *got, const sample *s)
{
    assert_int_equal(got->rows, ROWS);
    assert_int_equal(got->columns, 3);
    assert_int_equal(got->kind[1], W_FACTOR);
    assert_int_equal(got->level_count[1], 4);
    for (int i = 0; i < ROWS; i++) {
        assert_true(got->number[0][i] == s->x[i]);
        assert_true(got->number[2][i] == s->z[i] || (isnan(got->number[2][i]) && isnan(s->z[i])));
        if (s->g[i] < 0) {
            assert_null(got->text[1][i]);
        } else {
            assert_string_equal(got->text[1][i], level_names[s->g[i]]);
        }
    }
}

weir_table *open_files(weir_ctx *ctx, int32_t count, const char *const *paths)
{
    const weir_table_options usual = WEIR_TABLE_OPTIONS_INIT;
    weir_table *table = NULL;
    if (w_table_open_files(ctx, count, paths, &usual, &table) < 0) {
        fail_msg("%s", weir_ctx_message(ctx));
    }
    return table;
}

void goes_by(weir_ctx *ctx, weir_table *table, const w_scan_options *options, w_source_route route,
                    const sample *s)
{
    test_rows *got = test_rows_read(ctx, table, options);
    is_sample(got, s);
    assert_int_equal(got->route, route);
    test_rows_free(got);
}
