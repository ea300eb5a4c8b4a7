/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a model file: refused with a status and a message, or a model that can be summarised and drawn. */
#include <stdlib.h>

#include "fit/model.h"
#include "report/report.h"

static int discard(void *user, const char *bytes, size_t size)
{
    (void)user;
    (void)bytes;
    (void)size;
    return 0;
}

/* Inputs are the fuzzer's bytes as they are, and once more as a description and arrays with the lengths put right: else nearly
 * every mutation would stop at the first check. */
static void try_model(weir_ctx *ctx, const uint8_t *bytes, size_t size)
{
    w_archive *archive = NULL;
    weir_model *model = NULL;
    w_message_clear(ctx);
    weir_status status = w_archive_parse(ctx, bytes, size, "model", 1, &archive);
    if (status == WEIR_OK) {
        status = w_model_load(ctx, archive, &model);
    }
    if (status < 0 && weir_ctx_message(ctx)[0] == '\0') {
        abort();
    }
    if (status >= 0) {
        w_report_text(ctx, model, discard, NULL);
        w_report_html(ctx, model, discard, NULL);
    }
    w_model_free(model);
    w_archive_free(archive);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
    options.threads = 1;
    options.memory_budget = (int64_t)64 << 20;
    weir_ctx *ctx = NULL;
    if (weir_ctx_create(&options, &ctx) != WEIR_OK) {
        return 0;
    }
    int64_t before = ctx->ledger.in_use;
    try_model(ctx, bytes, size);
    if (size > 8) {
        uint8_t *mended = malloc(size);
        uint64_t header = 0;
        for (size_t i = 0; mended && i < size; i++) {
            mended[i] = bytes[i];
        }
        while (mended && 8 + header < size && bytes[8 + header] != '\0') {
            header++;
        }
        for (int i = 0; mended && i < 8; i++) {
            mended[i] = (uint8_t)(header >> (8 * i));
        }
        if (mended) {
            try_model(ctx, mended, size);
        }
        free(mended);
    }
    if (ctx->ledger.in_use != before) {
        abort();
    }
    weir_ctx_destroy(ctx);
    return 0;
}
