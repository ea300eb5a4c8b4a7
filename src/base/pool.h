/* SPDX-License-Identifier: Apache-2.0 */
/* A pool of POSIX threads that share out numbered tasks. Which worker runs a task is not fixed; what a task computes
 * must not depend on it. The caller is worker 0. Workers call BLAS serially. */
#ifndef W_BASE_POOL_H
#define W_BASE_POOL_H

#include <stdint.h>
#include "weir/context.h"

typedef struct w_pool w_pool;
typedef weir_status (*w_task_fn)(void *arg, int64_t task, int worker);

weir_status w_pool_create(weir_ctx *ctx, int workers, w_pool **out);
void w_pool_destroy(weir_ctx *ctx, w_pool *pool);
int w_pool_workers(const weir_ctx *ctx); /* at least 1 */
/* Jobs are shared by the first `workers` threads only (at least 1; INT_MAX = all) until that is said otherwise: fewer scratch
 * buffers are in flight. Not from inside a task. */
void w_pool_limit(weir_ctx *ctx, int workers);
/* Runs tasks 0 … count-1 (picked up in ascending order), waits for all, and returns the status of the lowest-numbered
 * task that failed, else the largest positive status, else WEIR_OK. After a failure no further tasks are started.
 * A call from inside a task runs serially. */
weir_status w_pool_run(weir_ctx *ctx, int64_t count, w_task_fn task, void *arg);
/* Number of the task the calling thread is running; -1 outside w_pool_run. */
int64_t w_pool_current_task(const weir_ctx *ctx);
/* Worker the calling thread is; 0 for the caller of w_pool_run and outside of it. */
int w_pool_current_worker(const weir_ctx *ctx);

#endif
