/* SPDX-License-Identifier: Apache-2.0 */
/* The context as the rooms see it. Every internal function takes it first; it owns the ledger, the worker pool,
 * the message and the callbacks. `devices` belongs to device/, which registers how to free it. */
#ifndef W_BASE_CTX_H
#define W_BASE_CTX_H

#include <stdbool.h>
#include <stdint.h>
#include "weir/context.h"
#include "base/ledger.h"
#include "base/pool.h"

#define W_MESSAGE_BYTES 1024

typedef struct w_progress_state {
    weir_progress now;
    double interval;                /* seconds between two calls of the callback; 0 = call it each time (tests) */
    double begun, told, pass_begun; /* clock */
    double pass_seconds;            /* of the last finished pass; NaN before */
    _Atomic int stop;               /* the callback has asked to stop since w_progress_begin */
} w_progress_state;

/* What may be begun again after memory ran out. Whoever can begin again asks w_recover and, where that says so, does. */
typedef enum w_recover_point {
    W_RECOVER_RESUME = 1, /* goes on behind what is committed: nothing may be read again */
    W_RECOVER_PASS = 2,   /* a pass over the rows from its beginning */
    W_RECOVER_FIT = 4     /* a stage of the computation */
} w_recover_point;
/* true: something was given up, it is worth another try. */
typedef bool (*w_recover_fn)(weir_ctx *ctx, w_recover_point point, weir_status status, void *arg);

struct weir_ctx {
    w_ledger ledger;
    w_pool *pool;
    int threads;
    uint64_t seed;
    char *scratch; /* folder, owned; "none" = nothing is written */
    bool scratch_named; /* by the caller, not by the environment */
    char *device_request;
    weir_log_fn log;
    weir_progress_fn progress;
    w_progress_state progress_state;
    weir_cancel_fn cancel;
    void *user;
    void *devices;                       /* struct w_device_set of device/, made on first use */
    void (*devices_free)(weir_ctx *ctx); /* set with `devices` */
    w_recover_fn recover;                /* NULL: running out of memory is final */
    void *recover_arg;
    bool lean;                           /* memory has run short: threads share what they could have of their own */
    _Atomic int cancelled; /* the callback has asked to stop since the last w_message_clear */
    pthread_mutex_t message_lock;
    char message[W_MESSAGE_BYTES];
    weir_status message_status; /* status the message belongs to */
    int64_t message_task;       /* pool task that recorded it, -1 outside a parallel region */
};

/* Records one line (printf format, truncated to W_MESSAGE_BYTES) and returns `status`. Thread-safe: the first failure's
 * line is kept, in a parallel region that of the lowest-numbered task (w_message_clear at an entry point arms it again). */
weir_status w_fail(weir_ctx *ctx, weir_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* As w_fail for the remark of a positive status; an existing message is replaced. */
weir_status w_remark(weir_ctx *ctx, weir_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void w_message_clear(weir_ctx *ctx);
/* Asks how to go on after `status`; false for every status but WEIR_E_MEMORY and WEIR_E_BUDGET, and inside a task. The message is
 * cleared when the answer is yes. */
bool w_recover(weir_ctx *ctx, w_recover_point point, weir_status status);
void w_log_line(weir_ctx *ctx, weir_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* progress.c. A public call begins and ends; in between every pass over rows begins (the table sees to that) and tells how
 * far it is between windows. `passes`: expected, 0 unknown. */
void w_progress_begin(weir_ctx *ctx, int passes);
void w_progress_end(weir_ctx *ctx);
void w_progress_expect(weir_ctx *ctx, int passes);
/* What the rows of the next passes are read for (a literal). */
void w_progress_phase(weir_ctx *ctx, const char *phase);
void w_progress_pass(weir_ctx *ctx);
/* phase NULL: as w_progress_phase said. */
void w_progress_rows(weir_ctx *ctx, const char *phase, int64_t done, int64_t total);
/* A step of the search for smoothing parameters. */
void w_progress_criterion(weir_ctx *ctx, double value);
/* WEIR_OK, or WEIR_E_CANCELLED with the message set. Any thread may ask; the callback itself and that of progress
 * are called from the calling thread only. */
weir_status w_check_cancel(weir_ctx *ctx);

#endif
