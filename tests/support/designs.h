/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded columns in memory and designs over them. */
#ifndef WEIR_TESTS_SUPPORT_DESIGNS_H
#define WEIR_TESTS_SUPPORT_DESIGNS_H

#include "model/design.h"
#include "support/test.h"

/* Columns: x, z, w in (0, 1); v normal; year 2001 … 2004; weight 0.5 … 2; f of "a" "b" "c", g of ten levels; y a smooth
 * function of them with noise. */
typedef struct test_data {
    int64_t rows;
    double *x, *z, *w, *v, *year, *weight, *y;
    int32_t *f, *g;
} test_data;

test_data *test_data_make(int64_t rows, uint64_t seed);
void test_data_free(test_data *data);
/* The columns as a table; they stay the caller's. */
weir_table *test_data_table(weir_ctx *ctx, const test_data *data);
/* Writes them as CSV. */
void test_data_csv(const test_data *data, const char *path);
/* Parses and compiles; fails the test with the message when that fails. */
w_design *test_design(weir_ctx *ctx, const char *formula, weir_table *table, const w_design_options *options);
/* As that, returning the status. */
weir_status test_design_try(weir_ctx *ctx, const char *formula, weir_table *table, const w_design_options *options,
                            w_design **out);

#endif
