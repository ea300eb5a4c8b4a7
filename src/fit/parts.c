/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of parts of the data: merge, save, load. An archive of kind "sums" holds the design and the sums. */
#include "fit/gam.h"

#define SUMS_VERSION 1

weir_status w_fit_merge(weir_sums *into, const weir_sums *from)
{
    weir_status status = w_sums_merge(into->sums, from->sums);
    if (status >= 0) {
        into->design->rows += from->design->rows;
        into->design->rows_missing += from->design->rows_missing;
        into->design->rows_zero_weight += from->design->rows_zero_weight;
    }
    return status;
}

weir_status w_fit_sums_save(weir_ctx *ctx, const weir_sums *sums, const char *path)
{
    w_archive *archive = NULL;
    weir_status status = w_archive_create(ctx, "sums", SUMS_VERSION, &archive);
    if (status >= 0) {
        status = w_design_save(sums->design, archive);
    }
    if (status >= 0) {
        status = w_sums_save(sums->sums, archive);
    }
    if (status >= 0) {
        status = w_archive_write(archive, path);
    }
    w_archive_free(archive);
    return status;
}

weir_status w_fit_sums_load(weir_ctx *ctx, const char *path, weir_sums **out)
{
    w_archive *archive = NULL;
    weir_sums *sums = w_calloc(ctx, "sums", 1, sizeof *sums);
    if (!sums) {
        return w_alloc_status(ctx);
    }
    sums->ctx = ctx;
    weir_status status = w_archive_read(ctx, path, "sums", SUMS_VERSION, &archive);
    if (status >= 0) {
        status = w_design_load(ctx, archive, &sums->design);
    }
    if (status >= 0) {
        status = w_sums_load(ctx, sums->design, archive, &sums->sums);
    }
    w_archive_free(archive);
    if (status < 0) {
        w_fit_sums_free(sums);
        return status;
    }
    *out = sums;
    return status;
}
