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

/** Progress of a long call: `pass` names the stage ("scan", "accumulate", "predict"), `done` of `total` rows
 *  (total -1 while unknown). Called from the calling thread only. */
typedef void (*weir_progress_fn)(void *user, const char *pass, int64_t done, int64_t total);
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
