/* SPDX-License-Identifier: Apache-2.0 */
/* Public entry points of model files. */
#include "fit/model.h"

#define MODEL_FILE_VERSION 1

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
    weir_status status = w_archive_read(ctx, path, "model", MODEL_FILE_VERSION, &archive);
    if (status >= 0) {
        status = w_model_load(ctx, archive, out);
    }
    w_archive_free(archive);
    return status;
}
