/* SPDX-License-Identifier: Apache-2.0 */
/* A poisson model of a CSV file with a progress line, stopped when it takes too long: progress FILE FORMULA SECONDS */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/weir.h>

/* At most ten times a second, from the calling thread. Non-zero stops the fit. */
static int show(void *user, const weir_progress *p)
{
    double limit = *(double *)user;
    fprintf(stderr, "%s: pass %d of about %d, %lld of %lld rows", p->phase, (int)p->pass, (int)p->passes, (long long)p->done,
            (long long)p->total);
    if (!isnan(p->criterion))
        fprintf(stderr, ", criterion %.8g", p->criterion);
    if (!isnan(p->seconds_left))
        fprintf(stderr, ", %.0f s left", p->seconds_left);
    fputc('\n', stderr);
    return p->seconds > limit;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: progress FILE FORMULA SECONDS\n");
        return 2;
    }
    double limit = atof(argv[3]);
    const char *path = argv[1];
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.progress = show;
    options.user = &limit;
    weir_fit_options fit = WEIR_FIT_OPTIONS_INIT;
    fit.family = "poisson";
    weir_ctx *ctx = NULL;
    weir_table *table = NULL;
    weir_model *model = NULL;
    weir_status status = weir_ctx_create(&options, &ctx);
    if (status >= 0 && (status = weir_table_open(ctx, 1, &path, NULL, &table)) >= 0)
        status = weir_fit(ctx, table, argv[2], &fit, &model);
    if (status == WEIR_E_CANCELLED)
        fprintf(stderr, "stopped after %g s\n", limit);
    else if (status < 0)
        fprintf(stderr, "%s: %s\n", weir_status_name(status), weir_ctx_message(ctx));
    weir_model_free(model);
    weir_table_close(table);
    weir_ctx_destroy(ctx);
    return status < 0;
}
