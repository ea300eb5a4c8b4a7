/* SPDX-License-Identifier: Apache-2.0 */
/* predict_file MODEL DATA.csv: loads a model and prints a prediction for each row of a file of any length. */
#include <stdio.h>

#include <weir/weir.h>

static int print_rows(void *user, int64_t first, int64_t rows, const double *values)
{
    (void)user;
    (void)first;
    for (int64_t i = 0; i < rows; i++)
        if (printf("%.17g\n", values[i]) < 0)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: predict_file MODEL DATA.csv\n");
        return 2;
    }
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.memory_budget = 64 << 20;
    weir_ctx *ctx = NULL;
    weir_model *model = NULL;
    weir_table *table = NULL;
    const char *paths[] = {argv[2]};
    weir_status status = weir_ctx_create(&options, &ctx);
    if (status >= 0)
        status = weir_model_load(ctx, argv[1], &model);
    if (status >= 0)
        status = weir_table_open(ctx, 1, paths, NULL, &table);
    if (status >= 0)
        status = weir_predict(ctx, model, table, NULL, print_rows, NULL);
    if (status < 0)
        fprintf(stderr, "%s: %s\n", weir_status_name(status), ctx ? weir_ctx_message(ctx) : "");
    weir_table_close(table);
    weir_model_free(model);
    weir_ctx_destroy(ctx);
    return status < 0;
}
