/* SPDX-License-Identifier: Apache-2.0 */
/* One job at a time: workers wait (a little while awake, then asleep) until `generation` moves, join the job if it is
 * still open, and take task numbers from an atomic counter until it runs out or a task has failed. Numbers are handed
 * out in ascending order, so every task below a failed one has been started and is waited for; the lowest failed number
 * is therefore the same for any number of workers. */
#include "base/pool.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/blas.h"
#include "base/ctx.h"

#define STACK_BYTES ((size_t)2 << 20)
#define SPINS 500 /* some 20 us: shorter than going to sleep and being woken */

typedef struct worker {
    struct w_pool *pool;
    pthread_t thread;
    int number;
    int64_t task; /* running now; -1 when idle */
} worker;

struct w_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    _Atomic int64_t generation;
    _Atomic int busy; /* workers that joined the present job and are not done */
    bool open;        /* the job may be joined */
    bool stop;
    _Atomic bool active;
    int workers; /* with the caller, who is number 0 */
    int limit;   /* of them that share jobs */
    w_task_fn run;
    void *arg;
    int64_t count;
    _Atomic int64_t next, failed; /* failed: lowest failed task, INT64_MAX when none */
    weir_status failure, remark;
    worker worker[];
};

static void pause_briefly(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#endif
}

static void record(w_pool *pool, int64_t task, weir_status status)
{
    if (status == WEIR_OK) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    if (status < 0) {
        if (task < atomic_load(&pool->failed)) {
            atomic_store(&pool->failed, task);
            pool->failure = status;
        }
    } else if (status > pool->remark) {
        pool->remark = status;
    }
    pthread_mutex_unlock(&pool->lock);
}

static void work(w_pool *pool, worker *self)
{
    while (atomic_load(&pool->failed) == INT64_MAX) {
        int64_t task = atomic_fetch_add(&pool->next, 1);
        if (task >= pool->count) {
            break;
        }
        self->task = task;
        record(pool, task, pool->run(pool->arg, task, self->number));
    }
    self->task = -1;
}

static void *worker_main(void *arg)
{
    worker *self = arg;
    w_pool *pool = self->pool;
    w_blas_threads before;
    w_blas_serial_enter(&before);
    int64_t seen = 0;
    while (true) {
        for (int i = 0; i < SPINS && atomic_load(&pool->generation) == seen; i++) {
            pause_briefly();
        }
        pthread_mutex_lock(&pool->lock);
        while (!pool->stop && atomic_load(&pool->generation) == seen) {
            pthread_cond_wait(&pool->wake, &pool->lock);
        }
        bool stop = pool->stop, join = pool->open && self->number < pool->limit;
        seen = atomic_load(&pool->generation);
        atomic_fetch_add(&pool->busy, join);
        pthread_mutex_unlock(&pool->lock);
        if (stop) {
            break;
        }
        if (join) {
            work(pool, self);
            pthread_mutex_lock(&pool->lock);
            if (atomic_fetch_sub(&pool->busy, 1) == 1) {
                pthread_cond_signal(&pool->done);
            }
            pthread_mutex_unlock(&pool->lock);
        }
    }
    w_blas_serial_leave(&before);
    return NULL;
}

static void workers_start(weir_ctx *ctx, w_pool *pool, int workers)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (int i = 1; i < workers; i++) {
        worker *self = &pool->worker[i];
        *self = (worker){ pool, pthread_self(), i, -1 };
        if (pthread_create(&self->thread, &attributes, worker_main, self) != 0) {
            w_log_line(ctx, WEIR_LOG_WARNING, "the system allows only %d of %d threads", i, workers);
            break;
        }
        pool->workers = i + 1;
    }
    pthread_attr_destroy(&attributes);
}

weir_status w_pool_create(weir_ctx *ctx, int workers, w_pool **out)
{
    if (workers < 1) {
        return w_fail(ctx, WEIR_E_ARG, "a pool needs at least one worker, not %d", workers);
    }
    w_pool *pool = w_calloc(ctx, "threads", 1, sizeof *pool + (size_t)workers * sizeof(worker));
    if (!pool) {
        return w_alloc_status(ctx);
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->workers = 1;
    pool->limit = INT_MAX;
    pool->worker[0] = (worker){ pool, pthread_self(), 0, -1 };
    workers_start(ctx, pool, workers);
    *out = pool;
    return WEIR_OK;
}

void w_pool_destroy(weir_ctx *ctx, w_pool *pool)
{
    if (!pool) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i < pool->workers; i++) {
        pthread_join(pool->worker[i].thread, NULL);
    }
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    w_free(ctx, pool);
}

int w_pool_workers(const weir_ctx *ctx)
{
    const w_pool *pool = ctx->pool;
    return !pool ? 1 : pool->limit < pool->workers ? pool->limit : pool->workers;
}

void w_pool_limit(weir_ctx *ctx, int workers)
{
    if (ctx->pool) {
        pthread_mutex_lock(&ctx->pool->lock);
        ctx->pool->limit = workers < 1 ? 1 : workers;
        pthread_mutex_unlock(&ctx->pool->lock);
    }
}

int w_pool_current_worker(const weir_ctx *ctx)
{
    const w_pool *pool = ctx->pool;
    if (!pool || !atomic_load(&pool->active)) {
        return 0;
    }
    pthread_t self = pthread_self();
    for (int i = 1; i < pool->workers; i++) {
        if (pthread_equal(self, pool->worker[i].thread)) {
            return i;
        }
    }
    return 0;
}

int64_t w_pool_current_task(const weir_ctx *ctx)
{
    const w_pool *pool = ctx->pool;
    return pool && atomic_load(&pool->active) ? pool->worker[w_pool_current_worker(ctx)].task : -1;
}

/* Also the path of a call from inside a task: the outer job keeps its task number. */
static weir_status run_serially(int64_t count, w_task_fn task, void *arg)
{
    weir_status remark = WEIR_OK;
    for (int64_t i = 0; i < count; i++) {
        weir_status status = task(arg, i, 0);
        if (status < 0) {
            return status;
        }
        remark = status > remark ? status : remark;
    }
    return remark;
}

weir_status w_pool_run(weir_ctx *ctx, int64_t count, w_task_fn task, void *arg)
{
    w_pool *pool = ctx->pool;
    w_blas_threads before;
    w_blas_serial_enter(&before);
    if (!pool || w_pool_workers(ctx) == 1 || count <= 1 || atomic_load(&pool->active)) {
        weir_status status = run_serially(count, task, arg);
        w_blas_serial_leave(&before);
        return status;
    }
    pthread_mutex_lock(&pool->lock);
    pool->run = task;
    pool->arg = arg;
    pool->count = count;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->failed, INT64_MAX);
    pool->failure = pool->remark = WEIR_OK;
    pool->worker[0].thread = pthread_self();
    pool->open = true;
    atomic_store(&pool->active, true);
    atomic_fetch_add(&pool->generation, 1);
    if (pool->limit < pool->workers) { /* a signal might wake one who may not join */
        pthread_cond_broadcast(&pool->wake);
    }
    for (int64_t i = 1; pool->limit >= pool->workers && i < count && i < pool->workers; i++) {
        pthread_cond_signal(&pool->wake);
    }
    pthread_mutex_unlock(&pool->lock);
    work(pool, &pool->worker[0]);
    for (int i = 0; i < SPINS && atomic_load(&pool->busy) > 0; i++) {
        pause_briefly();
    }
    pthread_mutex_lock(&pool->lock);
    pool->open = false; /* who wakes up only now finds nothing to do */
    while (atomic_load(&pool->busy) > 0) {
        pthread_cond_wait(&pool->done, &pool->lock);
    }
    atomic_store(&pool->active, false);
    weir_status status = pool->failure < 0 ? pool->failure : pool->remark;
    pthread_mutex_unlock(&pool->lock);
    w_blas_serial_leave(&before);
    return status;
}
