/* SPDX-License-Identifier: Apache-2.0 */
#include "support/designs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "table/table.h"

static const char *const f_levels[] = {"a", "b", "c"};
static const char *const g_levels[] = {"g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8", "g9"};

static void *block(int64_t rows, size_t size)
{
    void *memory = calloc((size_t)rows + 1, size);
    assert_non_null(memory);
    return memory;
}

test_data *test_data_make(int64_t rows, uint64_t seed)
{
    test_data *d = block(1, sizeof *d);
    w_rng rng;
    w_rng_seed(&rng, seed);
    d->rows = rows;
    double **column[] = {&d->x, &d->z, &d->w, &d->v, &d->year, &d->weight, &d->y};
    for (size_t i = 0; i < sizeof column / sizeof *column; i++) {
        *column[i] = block(rows, sizeof(double));
    }
    d->f = block(rows, sizeof *d->f);
    d->g = block(rows, sizeof *d->g);
    for (int64_t i = 0; i < rows; i++) {
        d->x[i] = w_rng_uniform(&rng);
        d->z[i] = w_rng_uniform(&rng);
        d->w[i] = w_rng_uniform(&rng);
        d->v[i] = w_rng_normal(&rng);
        d->year[i] = (double)(2001 + w_rng_below(&rng, 4));
        d->weight[i] = 0.5 + 1.5 * w_rng_uniform(&rng);
        d->f[i] = (int32_t)w_rng_below(&rng, 3);
        d->g[i] = (int32_t)w_rng_below(&rng, 10);
        d->y[i] = sin(6 * d->x[i]) + d->z[i] * d->z[i] + d->f[i] + 0.2 * d->g[i] + 0.3 * w_rng_normal(&rng);
    }
    return d;
}

void test_data_free(test_data *d)
{
    double *column[] = {d->x, d->z, d->w, d->v, d->year, d->weight, d->y};
    for (size_t i = 0; i < sizeof column / sizeof *column; i++) {
        free(column[i]);
    }
    free(d->f);
    free(d->g);
    free(d);
}

weir_table *test_data_table(weir_ctx *ctx, const test_data *d)
{
    const weir_column column[] = {
        {"x", WEIR_F64, d->x, 0, 0, NULL},       {"z", WEIR_F64, d->z, 0, 0, NULL},
        {"w", WEIR_F64, d->w, 0, 0, NULL},       {"v", WEIR_F64, d->v, 0, 0, NULL},
        {"year", WEIR_F64, d->year, 0, 0, NULL}, {"weight", WEIR_F64, d->weight, 0, 0, NULL},
        {"y", WEIR_F64, d->y, 0, 0, NULL},       {"f", WEIR_I32, d->f, 0, 3, f_levels},
        {"g", WEIR_I32, d->g, 0, 10, g_levels},
    };
    weir_table *table = NULL;
    assert_int_equal(w_table_from_columns(ctx, d->rows, sizeof column / sizeof *column, column, &table), WEIR_OK);
    return table;
}

void test_data_csv(const test_data *d, const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "x,z,w,v,year,weight,y,f,g\n");
    for (int64_t i = 0; i < d->rows; i++) {
        fprintf(file, "%.17g,%.17g,%.17g,%.17g,%.17g,%.17g,%.17g,%s,%s\n", d->x[i], d->z[i], d->w[i], d->v[i],
                d->year[i], d->weight[i], d->y[i], d->f[i] < 0 ? "" : f_levels[d->f[i]],
                d->g[i] < 0 ? "" : g_levels[d->g[i]]);
    }
    assert_int_equal(fclose(file), 0);
}

weir_status test_design_try(weir_ctx *ctx, const char *text, weir_table *table, const w_design_options *options,
                            w_design **out)
{
    const w_design_options usual = {0};
    w_formula *formula = NULL;
    weir_status status = w_formula_parse(ctx, text, &formula);
    if (status == WEIR_OK) {
        status = w_design_compile(ctx, formula, table, options ? options : &usual, out);
    }
    w_formula_free(formula);
    return status;
}

w_design *test_design(weir_ctx *ctx, const char *text, weir_table *table, const w_design_options *options)
{
    w_design *design = NULL;
    w_message_clear(ctx);
    if (test_design_try(ctx, text, table, options, &design) != WEIR_OK) {
        fail_msg("%s: %s", text, weir_ctx_message(ctx));
    }
    return design;
}
