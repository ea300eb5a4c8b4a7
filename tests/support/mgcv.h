/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests beside R's mgcv share: a case of a cases.json, its fit, and comparisons that count what is off. */
#ifndef WEIR_TESTS_SUPPORT_MGCV_H
#define WEIR_TESTS_SUPPORT_MGCV_H

#include "support/test.h"

#include <jansson.h>

#include "weir/weir.h"

typedef struct fitted_case {
    weir_table *table;
    weir_model *model;
    weir_summary summary;
    double *fit, *se; /* every row */
    int64_t rows;
} fitted_case;

extern int failures; /* of expect_near since it was set to 0 */

const char *text_of(const json_t *object, const char *key);
double number_of(const json_t *object, const char *key);
const json_t *list_of(const json_t *object, const char *key);
double item(const json_t *list, size_t i); /* NaN for null */
void expect_near(const char *name, const char *what, double got, double want, double tolerance);

/* Fits the case's formula to its data in `folder` and predicts every row with standard errors; sp (NULL: chosen) is put
 * into the options, the rest of which the caller has filled. */
void fit_case_with(weir_ctx *ctx, const char *folder, const json_t *c, weir_fit_options *options, const json_t *sp,
                   fitted_case *f);
void drop_case(fitted_case *f);
/* Order and names of the terms, sizes, and the scaling of each penalty. */
void compare_shape(const char *name, const fitted_case *f, const json_t *want);

#endif
