/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ctx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blas_space.h"
#include "base/limits.h"

#define THREAD_BYTES ((int64_t)24 << 20) /* of address space: stack and heap of a thread */
#define DEFAULT_SEED 20080513u
#define W_PROGRESS_INTERVAL 0.1

static weir_status text_copy(weir_ctx *ctx, const char *text, const char *fallback, char **out)
{
    *out = w_strdup(ctx, "context", text && text[0] ? text : fallback);
    return *out ? WEIR_OK : w_alloc_status(ctx);
}

static weir_status ctx_fill(weir_ctx *ctx, const weir_ctx_options *o)
{
    w_memory_limits limits;
    const int threads = o->threads > 0 ? o->threads : w_processors_allowed("");
    ctx->threads = w_blas_space_take(threads, THREAD_BYTES);
    if (ctx->threads < 1) {
        return WEIR_E_MEMORY;
    }
    w_memory_limits_read("", &limits); /* with the buffers of BLAS in place */
    ctx->ledger.budget = o->memory_budget > 0 ? o->memory_budget : w_memory_default_budget(&limits);
    ctx->seed = o->seed ? o->seed : DEFAULT_SEED;
    ctx->log = o->log;
    ctx->progress = o->progress;
    ctx->progress_state.interval = W_PROGRESS_INTERVAL;
    w_progress_begin(ctx, 0);
    ctx->cancel = o->cancel;
    ctx->user = o->user;
    if (ctx->threads < threads) {
        w_log_line(ctx, WEIR_LOG_WARNING, "the limit of address space has room for %d of %d threads", ctx->threads, threads);
    }
    const char *folder = getenv("TMPDIR");
    ctx->scratch_named = o->scratch && o->scratch[0];
    weir_status status = text_copy(ctx, o->scratch, folder && folder[0] ? folder : "/tmp", &ctx->scratch);
    if (status == WEIR_OK) {
        status = text_copy(ctx, o->device, "auto", &ctx->device_request);
    }
    if (status == WEIR_OK) {
        status = w_pool_create(ctx, ctx->threads, &ctx->pool);
    }
    if (status == WEIR_OK) {
        ctx->threads = w_pool_workers(ctx);
    }
    return status;
}

weir_status weir_ctx_create(const weir_ctx_options *options, weir_ctx **out)
{
    static const weir_ctx_options defaults = WEIR_CTX_OPTIONS_INIT;
    const weir_ctx_options *o = options ? options : &defaults;
    if (!out || o->threads < 0 || o->threads > 4096 || o->memory_budget < 0) {
        return WEIR_E_ARG;
    }
    if (o->version < 1 || o->version > WEIR_CTX_OPTIONS_VERSION) {
        return WEIR_E_VERSION;
    }
    weir_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) {
        return WEIR_E_MEMORY;
    }
    ctx->message_task = -1;
    pthread_mutex_init(&ctx->message_lock, NULL);
    pthread_mutex_init(&ctx->ledger.tag_lock, NULL);
    weir_status status = ctx_fill(ctx, o);
    if (status != WEIR_OK) {
        weir_ctx_destroy(ctx);
        return status;
    }
    *out = ctx;
    return WEIR_OK;
}

void weir_ctx_destroy(weir_ctx *ctx)
{
    if (!ctx) {
        return;
    }
    if (ctx->devices_free) {
        ctx->devices_free(ctx);
    }
    w_pool_destroy(ctx, ctx->pool);
    w_free(ctx, ctx->device_request);
    w_free(ctx, ctx->scratch);
    pthread_mutex_destroy(&ctx->ledger.tag_lock);
    pthread_mutex_destroy(&ctx->message_lock);
    free(ctx);
}

const char *weir_ctx_message(const weir_ctx *ctx)
{
    return ctx ? ctx->message : "";
}

weir_status weir_ctx_memory(const weir_ctx *ctx, weir_memory_info *out)
{
    if (!ctx || !out) {
        return WEIR_E_ARG;
    }
    out->budget = ctx->ledger.budget;
    out->in_use = atomic_load(&ctx->ledger.in_use);
    out->peak = atomic_load(&ctx->ledger.peak);
    out->allocations = atomic_load(&ctx->ledger.allocations);
    return WEIR_OK;
}

static void message_write(weir_ctx *ctx, weir_status status, int64_t task, const char *format, va_list args)
{
    vsnprintf(ctx->message, sizeof ctx->message, format, args);
    ctx->message_status = status;
    ctx->message_task = task;
}

weir_status w_fail(weir_ctx *ctx, weir_status status, const char *format, ...)
{
    if (!ctx) {
        return status;
    }
    int64_t task = w_pool_current_task(ctx);
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&ctx->message_lock);
    if (ctx->message_status >= 0 || task < ctx->message_task) {
        message_write(ctx, status, task, format, args);
    }
    pthread_mutex_unlock(&ctx->message_lock);
    va_end(args);
    return status;
}

weir_status w_remark(weir_ctx *ctx, weir_status status, const char *format, ...)
{
    if (!ctx) {
        return status;
    }
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&ctx->message_lock);
    message_write(ctx, status, -1, format, args);
    pthread_mutex_unlock(&ctx->message_lock);
    va_end(args);
    return status;
}

void w_message_clear(weir_ctx *ctx)
{
    pthread_mutex_lock(&ctx->message_lock);
    ctx->message[0] = '\0';
    ctx->message_status = WEIR_OK;
    ctx->message_task = -1;
    pthread_mutex_unlock(&ctx->message_lock);
    atomic_store(&ctx->cancelled, 0);
}

void w_log_line(weir_ctx *ctx, weir_log_level level, const char *format, ...)
{
    if (!ctx->log) {
        return;
    }
    char line[W_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ctx->log(ctx->user, level, line);
}

weir_status w_check_cancel(weir_ctx *ctx)
{
    if (ctx->cancel && w_pool_current_worker(ctx) == 0 && ctx->cancel(ctx->user)) {
        atomic_store(&ctx->cancelled, 1);
    }
    if (atomic_load(&ctx->progress_state.stop)) {
        return w_fail(ctx, WEIR_E_CANCELLED, "stopped by the progress callback");
    }
    return atomic_load(&ctx->cancelled) ? w_fail(ctx, WEIR_E_CANCELLED, "stopped by the cancel callback") : WEIR_OK;
}

bool w_recover(weir_ctx *ctx, w_recover_point point, weir_status status)
{
    if ((status != WEIR_E_MEMORY && status != WEIR_E_BUDGET) || !ctx->recover || w_pool_current_task(ctx) >= 0) {
        return false;
    }
    return ctx->recover(ctx, point, status, ctx->recover_arg);
}
