/* SPDX-License-Identifier: Apache-2.0 */
/* Bump allocation in a list of blocks. A block is 4 KiB at first and doubles up to 1 MiB; a request larger than a
 * quarter of the next block gets a block of its own behind the head, so that the head keeps its room. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/ledger.h"
#include "base/size.h"

#define FIRST_BLOCK 4096
#define LARGEST_BLOCK ((size_t)1 << 20)

struct w_arena_block {
    struct w_arena_block *next;
    size_t used, capacity;
    char pad[64 - 2 * sizeof(size_t) - sizeof(void *)];
    char data[];
};

void w_arena_init(w_arena *arena, weir_ctx *ctx, const char *tag)
{
    *arena = (w_arena){ ctx, tag, NULL, FIRST_BLOCK, LARGEST_BLOCK };
}

void w_arena_init_small(w_arena *arena, weir_ctx *ctx, const char *tag)
{
    *arena = (w_arena){ ctx, tag, NULL, FIRST_BLOCK, FIRST_BLOCK };
}

static struct w_arena_block *block_add(w_arena *arena, size_t capacity, int own)
{
    struct w_arena_block *block = w_alloc(arena->ctx, arena->tag, sizeof *block + capacity);
    if (!block) {
        return NULL;
    }
    block->used = 0;
    block->capacity = capacity;
    if (own && arena->head) {
        block->next = arena->head->next;
        arena->head->next = block;
    } else {
        block->next = arena->head;
        arena->head = block;
    }
    return block;
}

void *w_arena_alloc(w_arena *arena, size_t count, size_t size)
{
    size_t bytes = w_mul_size(count, size);
    if (bytes > SIZE_MAX / 2) {
        return w_alloc(arena->ctx, arena->tag, bytes); /* refused with the right message */
    }
    bytes = (bytes + 63) & ~(size_t)63;
    struct w_arena_block *block = arena->head;
    if (!block || block->capacity - block->used < bytes) {
        int own = bytes > arena->next_block / 4;
        block = block_add(arena, own ? bytes : arena->next_block, own);
        if (!block) {
            return NULL;
        }
        if (!own && arena->next_block < arena->block_limit) {
            arena->next_block *= 2;
        }
    }
    void *result = block->data + block->used;
    block->used += bytes;
    return result;
}

void *w_arena_calloc(w_arena *arena, size_t count, size_t size)
{
    void *result = w_arena_alloc(arena, count, size);
    return result ? memset(result, 0, count * size) : NULL;
}

char *w_arena_strdup(w_arena *arena, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = w_arena_alloc(arena, bytes, 1);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

char *w_arena_printf(w_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : w_arena_alloc(arena, (size_t)length + 1, 1);
    if (text) {
        vsnprintf(text, (size_t)length + 1, format, again);
    }
    va_end(again);
    return text;
}

void w_arena_need_add(w_arena_need *need, int64_t count, int64_t bytes)
{
    int class = 6;
    if (bytes > INT64_MAX - 256) {
        need->charged[W_ARENA_CLASSES - 1] = INT64_MAX;
        return;
    }
    bytes = (bytes + 63) & ~(int64_t)63;
    while (class < W_ARENA_CLASSES - 1 && (int64_t)1 << class < bytes) {
        class++;
    }
    int64_t charged = w_alloc_bytes(bytes + (int64_t)sizeof(struct w_arena_block));
    need->bytes[class] = w_add64(need->bytes[class], w_mul64(count, bytes));
    need->charged[class] = w_add64(need->charged[class], w_mul64(count, charged));
}

/* Arrays above a quarter of the next block have blocks of their own. A shared block is left for the next one, of twice its size B/2,
 * when less than B/4 is free in it: so a block of B bytes can exist only if arrays of at most B/4 fill (B - FIRST_BLOCK)/2. With the
 * largest such B and s bytes in arrays of at most B/4, the left blocks have at most 2 s bytes and the last one B. */
int64_t w_arena_need_bytes(const w_arena_need *need)
{
    const int64_t largest = need->small ? FIRST_BLOCK : (int64_t)LARGEST_BLOCK;
    int64_t shared = 0, total = 0, last = 0, left = 0;
    for (int class = 0; class < W_ARENA_CLASSES; class++) {
        shared = w_add64(shared, need->bytes[class]);
        int64_t block = class < 40 ? (int64_t)4 << class : INT64_MAX;
        if (shared > 0 && block >= FIRST_BLOCK && block <= largest && block - FIRST_BLOCK <= 2 * shared) {
            last = block;
            left = shared;
        }
    }
    for (int class = 0; class < W_ARENA_CLASSES; class++) {
        bool alone = class >= 40 || (int64_t)4 << class > last;
        int64_t rest = need->charged[class] - need->bytes[class];
        total = w_add64(total, alone ? need->charged[class] : w_max64(0, rest));
    }
    return w_add64(total, w_add64(w_mul64(2, left), last + (last > 0 ? 128 : 0)));
}

void w_arena_free(w_arena *arena)
{
    struct w_arena_block *block = arena->head;
    while (block) {
        struct w_arena_block *next = block->next;
        w_free(arena->ctx, block);
        block = next;
    }
    arena->head = NULL;
    arena->next_block = FIRST_BLOCK;
}
