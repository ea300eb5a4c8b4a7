/* SPDX-License-Identifier: Apache-2.0 */
/* A noisy sine fitted to columns in memory, its summary read and its curve predicted with standard errors. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/weir.h>

enum { ROWS = 500, POINTS = 11 };

/* Prints one batch of predictions: column 0 is the fit, column 1 its standard error. */
static int print_rows(void *user, int64_t first, int64_t rows, const double *values)
{
    const double *x = user;
    for (int64_t i = 0; i < rows; i++)
        printf("x = %.1f   fit = %7.4f   se = %.4f   truth = %7.4f\n", x[first + i], values[i], values[rows + i],
               sin(6 * x[first + i]));
    return 0;
}

static int fail(weir_ctx *ctx, weir_status status)
{
    fprintf(stderr, "%s: %s\n", weir_status_name(status), weir_ctx_message(ctx));
    return 1;
}

int main(void)
{
    static double x[ROWS], y[ROWS], at[POINTS];
    uint64_t state = 42;
    for (int i = 0; i < ROWS; i++) {
        double sum = 0;
        for (int j = 0; j < 12; j++) { /* nearly normal noise */
            state = state * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(state >> 11) * 0x1p-53;
        }
        x[i] = (double)i / (ROWS - 1);
        y[i] = sin(6 * x[i]) + 0.2 * (sum - 6);
    }
    for (int i = 0; i < POINTS; i++)
        at[i] = (double)i / (POINTS - 1);

    weir_ctx *ctx = NULL;
    weir_status status = weir_ctx_create(NULL, &ctx);
    if (status < 0) {
        fprintf(stderr, "%s\n", weir_status_name(status));
        return 1;
    }
    weir_table *data = NULL, *grid = NULL;
    weir_model *model = NULL;
    weir_summary summary;
    weir_predict_options predict = WEIR_PREDICT_OPTIONS_INIT;
    predict.se = 1;
    weir_column columns[] = {{"x", WEIR_F64, x, 0, 0, NULL}, {"y", WEIR_F64, y, 0, 0, NULL}};
    weir_column points[] = {{"x", WEIR_F64, at, 0, 0, NULL}};

    if ((status = weir_table_from_columns(ctx, ROWS, 2, columns, &data)) < 0
        || (status = weir_fit(ctx, data, "y ~ s(x, k=20)", NULL, &model)) < 0
        || (status = weir_model_summary(model, &summary)) < 0
        || (status = weir_table_from_columns(ctx, POINTS, 1, points, &grid)) < 0
        || (status = weir_predict(ctx, model, grid, &predict, print_rows, at)) < 0) {
        int code = fail(ctx, status);
        weir_model_free(model);
        weir_table_close(grid);
        weir_table_close(data);
        weir_ctx_destroy(ctx);
        return code;
    }
    printf("%s of %lld rows: edf %.3f, scale %.4f (true 0.04), %s %.4f\n", summary.formula, (long long)summary.n,
           summary.edf_total, summary.scale, summary.criterion_name, summary.criterion);
    weir_model_free(model);
    weir_table_close(grid);
    weir_table_close(data);
    weir_ctx_destroy(ctx);
    return fabs(summary.scale - 0.04) < 0.01 ? 0 : 1;
}
