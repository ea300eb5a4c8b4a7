/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch of equal pieces for functions that any worker may call without saying which one it is: as many pieces as the pool has
 * workers, each held by one caller at a time. What lies in a piece from before must not matter. */
#ifndef W_NORMAL_SLOTS_H
#define W_NORMAL_SLOTS_H

#include <sched.h>
#include <stdatomic.h>

#include "base/ctx.h"
#include "base/size.h"

typedef struct w_slots {
    int count;
    int64_t doubles;   /* of one */
    atomic_flag *busy;
    double *memory;
} w_slots;

static inline int64_t w_slots_bytes(int count, int64_t doubles)
{
    return w_add64(w_alloc_bytes(w_mul64(w_mul64(count, doubles), (int64_t)sizeof(double))),
                   w_alloc_bytes(count * (int64_t)sizeof(atomic_flag)));
}

/* What was made is freed by w_slots_free, after a failure too. */
static inline weir_status w_slots_create(weir_ctx *ctx, const char *tag, int count, int64_t doubles, w_slots *slots)
{
    slots->count = count;
    slots->doubles = doubles;
    slots->busy = w_alloc_array(ctx, tag, (size_t)count, sizeof *slots->busy);
    slots->memory = w_alloc_array(ctx, tag, w_mul_size((size_t)count, (size_t)doubles), sizeof *slots->memory);
    if (!slots->busy || !slots->memory) {
        return w_alloc_status(ctx);
    }
    for (int i = 0; i < count; i++) {
        atomic_flag_clear(&slots->busy[i]);
    }
    return WEIR_OK;
}

static inline void w_slots_free(weir_ctx *ctx, w_slots *slots)
{
    w_free(ctx, slots->busy);
    w_free(ctx, slots->memory);
    slots->busy = NULL;
    slots->memory = NULL;
}

static inline int w_slots_take(const w_slots *slots)
{
    for (;;) {
        for (int i = 0; i < slots->count; i++) {
            if (!atomic_flag_test_and_set_explicit(&slots->busy[i], memory_order_acquire)) {
                return i;
            }
        }
        sched_yield(); /* more callers than workers */
    }
}

static inline double *w_slots_piece(const w_slots *slots, int slot) { return slots->memory + slot * slots->doubles; }

static inline void w_slots_give(const w_slots *slots, int slot)
{
    atomic_flag_clear_explicit(&slots->busy[slot], memory_order_release);
}

#endif
