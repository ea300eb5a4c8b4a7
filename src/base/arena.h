/* SPDX-License-Identifier: Apache-2.0 */
/* An arena: allocations with one lifetime, freed together. Backed by ledger blocks that grow geometrically.
 * Results are 64-byte aligned. Not thread-safe. Use it for the many small arrays of one object (a smooth, a design);
 * take large arrays straight from the ledger. */
#ifndef W_BASE_ARENA_H
#define W_BASE_ARENA_H

#include <stddef.h>
#include "base/ctx.h"

typedef struct w_arena {
    weir_ctx *ctx;
    const char *tag;
    struct w_arena_block *head;
    size_t next_block;
} w_arena;

void w_arena_init(w_arena *arena, weir_ctx *ctx, const char *tag);
/* NULL on failure (status: w_alloc_status). Product checked. Contents undefined / zeroed. */
void *w_arena_alloc(w_arena *arena, size_t count, size_t size);
void *w_arena_calloc(w_arena *arena, size_t count, size_t size);
char *w_arena_strdup(w_arena *arena, const char *text);
char *w_arena_printf(w_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void w_arena_free(w_arena *arena); /* frees all; the arena may be used again */

#endif
