/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of model files. */
#include <sys/stat.h>

#include "base/format.h"
#include "base/size.h"
#include "fit/model.h"

#define MODEL_FILE_VERSION 1
#define LOAD_COPIES 3
#define LOAD_BYTES ((int64_t)768 << 10) /* what the smallest model takes: blocks of its arenas */

weir_status weir_model_save(weir_ctx *ctx, const weir_model *model, const char *path)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!model || !path) {
        return w_fail(ctx, WEIR_E_ARG, "weir_model_save needs a model and a path");
    }
    w_archive *archive = NULL;
    weir_status status = w_archive_create(ctx, "model", MODEL_FILE_VERSION, &archive);
    if (status >= 0) {
        status = w_model_save(model, archive);
    }
    if (status >= 0) {
        status = w_archive_write(archive, path);
    }
    w_archive_free(archive);
    return status;
}

/* The file's bytes as they are, and once or twice more as parts of a model. */
static weir_status budget_for_load(weir_ctx *ctx, const char *path, int64_t taken)
{
    struct stat about;
    char have[W_FORMAT_BYTES], need[W_FORMAT_BYTES];
    if (stat(path, &about) != 0) {
        return WEIR_E_BUDGET;
    }
    w_message_clear(ctx);
    int64_t bytes = w_add64(w_mul64((int64_t)about.st_size, LOAD_COPIES), LOAD_BYTES);
    return w_fail(ctx, WEIR_E_BUDGET, "memory budget of %s is too small for the model in %s: %s would do to load it",
                  w_format_bytes(have, ctx->ledger.budget), path, w_format_bytes_up(need, w_add64(taken, bytes)));
}

weir_status weir_model_load(weir_ctx *ctx, const char *path, weir_model **out)
{
    if (!ctx) {
        return WEIR_E_ARG;
    }
    w_message_clear(ctx);
    if (!path || !out) {
        return w_fail(ctx, WEIR_E_ARG, "weir_model_load needs a path and out");
    }
    w_archive *archive = NULL;
    const int64_t taken = ctx->ledger.in_use;
    weir_status status = w_archive_read(ctx, path, "model", MODEL_FILE_VERSION, &archive);
    if (status >= 0) {
        status = w_model_load(ctx, archive, out);
    }
    w_archive_free(archive);
    return status == WEIR_E_BUDGET ? budget_for_load(ctx, path, taken) : status;
}
