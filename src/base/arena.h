/* SPDX-License-Identifier: Apache-2.0 */
/* An arena: allocations with one lifetime, freed together. Backed by ledger blocks that grow geometrically.
 * Results are 64-byte aligned. Not thread-safe. Use it for the many small arrays of one object (a smooth, a design);
 * take large arrays straight from the ledger. */
#ifndef W_BASE_ARENA_H
#define W_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/ctx.h"

typedef struct w_arena {
    weir_ctx *ctx;
    const char *tag;
    struct w_arena_block *head;
    size_t next_block, block_limit;
} w_arena;

void w_arena_init(w_arena *arena, weir_ctx *ctx, const char *tag);
/* Blocks stay small: for few arrays, nearly all of them large and with a block each, so that nothing lies unused. */
void w_arena_init_small(w_arena *arena, weir_ctx *ctx, const char *tag);
/* NULL on failure (status: w_alloc_status). Product checked. Contents undefined / zeroed. */
void *w_arena_alloc(w_arena *arena, size_t count, size_t size);
void *w_arena_calloc(w_arena *arena, size_t count, size_t size);
char *w_arena_strdup(w_arena *arena, const char *text);
char *w_arena_printf(w_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Upper bound of what an arena takes for arrays known beforehand, in any order: start from zero, add each, then ask. */
#define W_ARENA_CLASSES 63
typedef struct w_arena_need {
    bool small; /* of w_arena_init_small */
    int64_t bytes[W_ARENA_CLASSES], charged[W_ARENA_CLASSES]; /* of arrays of up to 2^c bytes: asked for; with a block each */
} w_arena_need;
void w_arena_need_add(w_arena_need *need, int64_t count, int64_t bytes);
int64_t w_arena_need_bytes(const w_arena_need *need);
void w_arena_free(w_arena *arena); /* frees all; the arena may be used again */

#endif
