/* SPDX-License-Identifier: Apache-2.0 */
/* The shared context is made by the first call and kept. A child of fork has lost its threads and makes its own. */
#include "call.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static weir_ctx *shared; /* under `lock` */
static bool tried;

static void after_fork(void)
{
    pthread_mutex_init(&lock, NULL);
    shared = NULL; /* its threads are the parent's; its memory is left alone */
    tried = false;
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, after_fork); }

/* As many threads as the process allows its BLAS. */
static int threads_wanted(void)
{
    static const char *const names[] = { "WEIR_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS" };
    for (int i = 0; i < 3; i++) {
        const char *text = getenv(names[i]);
        const int count = text ? atoi(text) : 0;
        if (count > 0) {
            return count < 4096 ? count : 4096;
        }
    }
    return 0;
}

static weir_ctx *shared_context(void)
{
    if (!tried) {
        weir_ctx_options options = WEIR_CTX_OPTIONS_INIT;
        options.threads = threads_wanted();
        options.memory_budget = INT64_MAX / 2; /* LAPACK has none: the system decides */
        tried = true;
        shared = weir_ctx_create(&options, &shared) < 0 ? NULL : shared;
    }
    return shared;
}

void call_begin(call *c)
{
    pthread_once(&once, watch_forks);
    c->shared = pthread_mutex_trylock(&lock) == 0;
    c->ctx = c->shared ? shared_context() : NULL;
    if (c->ctx) {
        w_message_clear(c->ctx);
        return;
    }
    memset(&c->own, 0, sizeof c->own);
    pthread_mutex_init(&c->own.message_lock, NULL);
    pthread_mutex_init(&c->own.ledger.tag_lock, NULL);
    c->own.threads = 1;
    c->own.message_task = -1;
    c->ctx = &c->own;
}

void call_end(call *c)
{
    if (c->ctx == &c->own) {
        pthread_mutex_destroy(&c->own.ledger.tag_lock);
        pthread_mutex_destroy(&c->own.message_lock);
    }
    if (c->shared) {
        pthread_mutex_unlock(&lock);
    }
}

void *call_room(call *c, int64_t bytes) { return w_alloc(c->ctx, "lapack", (size_t)bytes); }
void call_room_free(call *c, void *room) { w_free(c->ctx, room); }

void call_refuse(const char *name, const integer *info)
{
    const integer argument = -*info;
    xerbla_(name, &argument, 6);
}

integer call_block(const char *name, const char *options, integer n1, integer n2, integer n3, integer n4)
{
    const integer spec = 1;
    return ilaenv_(&spec, name, options, &n1, &n2, &n3, &n4, strlen(name), strlen(options));
}
