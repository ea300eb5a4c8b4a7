/* SPDX-License-Identifier: Apache-2.0 */
/** The context: memory budget, threads, devices, callbacks and the last message. One call at a time per context;
 *  different contexts are independent. The library keeps no other state. */
#ifndef WEIR_CONTEXT_H
#define WEIR_CONTEXT_H

#include <stdint.h>
#include "weir/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_ctx weir_ctx;

typedef enum weir_log_level { WEIR_LOG_ERROR = 0, WEIR_LOG_WARNING = 1, WEIR_LOG_INFO = 2, WEIR_LOG_DEBUG = 3 } weir_log_level;

/** How far a long call is. Passes are numbered from 1; within one `done` only grows. */
typedef struct weir_progress {
    const char *phase;   /**< "scan", "start", "fit", "accumulate", "smoothing", "diagnostics", "predict" */
    int32_t pass;        /**< of this call over the rows; in "smoothing" the last one */
    int32_t passes;      /**< expected in all, an estimate where a model needs several; 0 unknown */
    int64_t done, total; /**< rows of the pass; total -1 while unknown */
    double criterion;    /**< value of the smoothing criterion at the last step (lower is better); NaN before there is one */
    double seconds;      /**< since the call began */
    double seconds_left; /**< by the pace so far and the passes expected; NaN unknown */
} weir_progress;

/** Called from the calling thread only, at most ten times a second, while weir_fit, weir_sums_accumulate, weir_sums_fit,
 *  weir_predict or weir_check runs; `progress` is valid during the call. Results do not depend on it. Non-zero return asks the
 *  library to stop with WEIR_E_CANCELLED, as weir_cancel_fn does. */
typedef int (*weir_progress_fn)(void *user, const weir_progress *progress);
typedef void (*weir_log_fn)(void *user, weir_log_level level, const char *message);
/** Non-zero return asks the library to stop with WEIR_E_CANCELLED at the next tile boundary. */
typedef int (*weir_cancel_fn)(void *user);

/** Zero in a field means "choose for me". */
typedef struct weir_ctx_options {
    int32_t version;         /**< WEIR_CTX_OPTIONS_VERSION, set by the INIT macro */
    int32_t threads;         /**< worker threads; 0 = the processors this process may use */
    int64_t memory_budget;   /**< bytes; 0 = 80 % of what cgroup, rlimit and free memory allow */
    const char *device;      /**< "auto" (default), "cpu", "cuda", "required:cuda", "sim:capacity=8M,fail=3" */
    const char *scratch;     /**< folder for decoded rows that do not fit in memory; NULL = TMPDIR or /tmp; "none" = no
                                  row is written: text is parsed again in each pass, a stream must fit in memory */
    uint64_t seed;           /**< seed of every random choice; 0 = the library's fixed seed */
    weir_log_fn log;
    weir_progress_fn progress;
    weir_cancel_fn cancel;
    void *user;              /**< handed to the three callbacks */
} weir_ctx_options;

#define WEIR_CTX_OPTIONS_VERSION 1
#define WEIR_CTX_OPTIONS_INIT { WEIR_CTX_OPTIONS_VERSION, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** Creates a context. `options` may be NULL. Starts threads-1 workers. Free with weir_ctx_destroy. */
WEIR_API weir_status weir_ctx_create(const weir_ctx_options *options, weir_ctx **out);
/** Destroys the context; every object made from it must have been freed before. NULL is allowed. */
WEIR_API void weir_ctx_destroy(weir_ctx *ctx);
/** One line about the last failure or remark of this context: what, where, what to do. "" if there was none.
 *  Valid until the next call with this context. */
WEIR_API const char *weir_ctx_message(const weir_ctx *ctx);

typedef struct weir_memory_info {
    int64_t budget;      /**< bytes the ledger will hand out at most */
    int64_t in_use;      /**< bytes handed out now */
    int64_t peak;        /**< largest in_use so far */
    int64_t allocations; /**< number of allocations so far */
} weir_memory_info;
WEIR_API weir_status weir_ctx_memory(const weir_ctx *ctx, weir_memory_info *out);

#ifdef __cplusplus
}
#endif
#endif
