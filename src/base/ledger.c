/* SPDX-License-Identifier: Apache-2.0 */
/* Admission is one compare-and-swap on in_use: a block is charged before the system is asked for it, so that
 * in_use <= budget holds at every instant and the peak is never above what was admitted. */
#include "base/ledger.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/ctx.h"
#include "base/format.h"
#include "base/size.h"

#define HEADER_BYTES 64
#define BLOCK_MARK 0x77656972u /* "weir" */
#define PAGE_BYTES 4096
#if defined __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined __SANITIZE_ADDRESS__
#define MAPPED_BYTES INT64_MAX /* the sanitizer watches the heap, not pages */
#else
#define MAPPED_BYTES ((int64_t)4 << 20)
#endif

typedef struct block_header {
    int64_t charged;
    size_t bytes;
    int32_t tag;
    uint32_t mark;
} block_header;

_Static_assert(sizeof(block_header) <= HEADER_BYTES, "the header must fit in front of an aligned block");

int64_t w_alloc_bytes(int64_t bytes)
{
    int64_t whole = w_add64(w_round_up64(w_max64(bytes, 0), 64), HEADER_BYTES);
    return whole >= MAPPED_BYTES ? w_round_up64(whole, PAGE_BYTES) : whole;
}

static void raise_peak(_Atomic int64_t *peak, int64_t value)
{
    int64_t seen = atomic_load(peak);
    while (seen < value && !atomic_compare_exchange_weak(peak, &seen, value)) {
    }
}

static int tag_index(w_ledger *ledger, const char *tag)
{
    for (int i = 0; i < ledger->tag_count; i++) {
        if (ledger->tag[i].tag == tag || strcmp(ledger->tag[i].tag, tag) == 0) {
            return i;
        }
    }
    if (ledger->tag_count == W_TAG_LIMIT - 1) {
        tag = "other";
    }
    if (ledger->tag_count == W_TAG_LIMIT) {
        return W_TAG_LIMIT - 1;
    }
    ledger->tag[ledger->tag_count] = (w_tag_account){ tag, 0, 0 };
    return ledger->tag_count++;
}

static int tag_charge(w_ledger *ledger, const char *tag, int64_t bytes)
{
    pthread_mutex_lock(&ledger->tag_lock);
    int index = tag_index(ledger, tag);
    w_tag_account *account = &ledger->tag[index];
    account->in_use += bytes;
    account->peak = w_max64(account->peak, account->in_use);
    pthread_mutex_unlock(&ledger->tag_lock);
    return index;
}

static void tag_give_back(w_ledger *ledger, int index, int64_t bytes)
{
    pthread_mutex_lock(&ledger->tag_lock);
    ledger->tag[index].in_use -= bytes;
    pthread_mutex_unlock(&ledger->tag_lock);
}

static int told_to_fail(w_ledger *ledger)
{
    int64_t target = atomic_load(&ledger->fail_at);
    if (target == 0) {
        return 0;
    }
    int64_t number = atomic_fetch_add(&ledger->fail_counter, 1) + 1;
    return number == target || (number > target && atomic_load(&ledger->fail_for_ever));
}

static weir_status refuse(weir_ctx *ctx, weir_status status, const char *tag, int64_t bytes)
{
    char want[W_FORMAT_BYTES], used[W_FORMAT_BYTES], limit[W_FORMAT_BYTES];
    w_ledger *ledger = &ctx->ledger;
    atomic_store(&ledger->last_status, status);
    atomic_fetch_add(&ledger->refusals, 1);
    w_format_bytes(want, bytes);
    if (status == WEIR_E_BUDGET) {
        w_fail(ctx, status, "memory budget of %s is too small: %s needs %s more beside %s in use",
               w_format_bytes(limit, ledger->budget), tag, want, w_format_bytes(used, atomic_load(&ledger->in_use)));
    } else {
        w_fail(ctx, status, "the system refused %s for %s; lower the memory budget or free memory", want, tag);
    }
    return status;
}

/* Adds `bytes` to in_use unless that passes the budget. */
static weir_status admit(weir_ctx *ctx, const char *tag, int64_t bytes)
{
    w_ledger *ledger = &ctx->ledger;
    if (told_to_fail(ledger)) {
        return refuse(ctx, WEIR_E_MEMORY, tag, bytes);
    }
    int64_t before = atomic_load(&ledger->in_use), after;
    do {
        after = w_add64(before, bytes);
        if (after == INT64_MAX || (ledger->budget > 0 && after > ledger->budget)) {
            return refuse(ctx, WEIR_E_BUDGET, tag, bytes);
        }
    } while (!atomic_compare_exchange_weak(&ledger->in_use, &before, after));
    raise_peak(&ledger->peak, after);
    return WEIR_OK;
}

static block_header *block_take(int64_t charge)
{
    if ((uint64_t)charge > PTRDIFF_MAX) {
        return NULL;
    }
    if (charge < MAPPED_BYTES) {
        return aligned_alloc(64, (size_t)charge);
    }
    void *pages = mmap(NULL, (size_t)charge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        return NULL;
    }
    madvise(pages, (size_t)charge, MADV_HUGEPAGE); /* fewer faults; a kernel without them says no */
    return pages;
}

static void block_give_back(block_header *header)
{
    if (header->charged < MAPPED_BYTES) {
        free(header);
    } else {
        munmap(header, (size_t)header->charged);
    }
}

void *w_alloc(weir_ctx *ctx, const char *tag, size_t bytes)
{
    w_ledger *ledger = &ctx->ledger;
    int64_t charge = w_alloc_bytes(bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes);
    if (admit(ctx, tag, charge) != WEIR_OK) {
        return NULL;
    }
    block_header *header = block_take(charge);
    if (!header) {
        atomic_fetch_sub(&ledger->in_use, charge);
        refuse(ctx, WEIR_E_MEMORY, tag, charge);
        return NULL;
    }
    *header = (block_header){ charge, bytes, tag_charge(ledger, tag, charge), BLOCK_MARK };
    atomic_fetch_add(&ledger->allocations, 1);
    atomic_fetch_add(&ledger->live_blocks, 1);
    return (char *)header + HEADER_BYTES;
}

void *w_alloc_array(weir_ctx *ctx, const char *tag, size_t count, size_t size)
{
    return w_alloc(ctx, tag, w_mul_size(count, size));
}

void *w_calloc(weir_ctx *ctx, const char *tag, size_t count, size_t size)
{
    size_t bytes = w_mul_size(count, size);
    void *block = w_alloc(ctx, tag, bytes);
    if (block && w_alloc_bytes((int64_t)bytes) < MAPPED_BYTES) { /* pages are born zero */
        memset(block, 0, bytes);
    }
    return block;
}

/* NULL for a block that was freed before or never taken from here. */
static block_header *header_of(weir_ctx *ctx, void *block)
{
    block_header *header = (block_header *)(void *)((char *)block - HEADER_BYTES);
    if (header->mark != BLOCK_MARK) {
        atomic_fetch_add(&ctx->ledger.faults, 1);
        w_fail(ctx, WEIR_E_INTERNAL, "a block of memory was given back that is not in use: please report");
        return NULL;
    }
    return header;
}

void *w_realloc(weir_ctx *ctx, const char *tag, void *block, size_t bytes)
{
    if (!block) {
        return w_alloc(ctx, tag, bytes);
    }
    block_header *header = header_of(ctx, block);
    if (!header) {
        atomic_store(&ctx->ledger.last_status, WEIR_E_INTERNAL);
        return NULL;
    }
    if (bytes <= header->bytes && w_alloc_bytes((int64_t)bytes) == header->charged) {
        header->bytes = bytes;
        return block;
    }
    void *bigger = w_alloc(ctx, tag, bytes);
    if (!bigger) {
        return NULL;
    }
    memcpy(bigger, block, header->bytes < bytes ? header->bytes : bytes);
    w_free(ctx, block);
    return bigger;
}

void w_free(weir_ctx *ctx, void *block)
{
    if (!block) {
        return;
    }
    block_header *header = header_of(ctx, block);
    if (!header) {
        return;
    }
    tag_give_back(&ctx->ledger, header->tag, header->charged);
    atomic_fetch_sub(&ctx->ledger.in_use, header->charged);
    atomic_fetch_sub(&ctx->ledger.live_blocks, 1);
    header->mark = 0;
    block_give_back(header);
}

char *w_strdup(weir_ctx *ctx, const char *tag, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = w_alloc(ctx, tag, bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

weir_status w_alloc_status(weir_ctx *ctx)
{
    return (weir_status)atomic_load(&ctx->ledger.last_status);
}

weir_status w_ledger_charge(weir_ctx *ctx, const char *tag, int64_t bytes)
{
    w_ledger *ledger = &ctx->ledger;
    if (bytes > 0) {
        weir_status status = admit(ctx, tag, bytes);
        if (status != WEIR_OK) {
            return status;
        }
    } else {
        atomic_fetch_add(&ledger->in_use, bytes);
    }
    tag_charge(ledger, tag, bytes);
    return WEIR_OK;
}

int64_t w_ledger_free_bytes(const weir_ctx *ctx)
{
    const w_ledger *ledger = &ctx->ledger;
    return ledger->budget > 0 ? w_max64(0, ledger->budget - atomic_load(&ledger->in_use)) : INT64_MAX;
}

void w_ledger_reset_peak(weir_ctx *ctx)
{
    w_ledger *ledger = &ctx->ledger;
    atomic_store(&ledger->peak, atomic_load(&ledger->in_use));
    pthread_mutex_lock(&ledger->tag_lock);
    for (int i = 0; i < ledger->tag_count; i++) {
        ledger->tag[i].peak = ledger->tag[i].in_use;
    }
    pthread_mutex_unlock(&ledger->tag_lock);
}

void w_ledger_fail_at(weir_ctx *ctx, int64_t k, int for_ever)
{
    w_ledger *ledger = &ctx->ledger;
    atomic_store(&ledger->fail_at, 0);
    atomic_store(&ledger->fail_counter, 0);
    atomic_store(&ledger->fail_for_ever, for_ever);
    atomic_store(&ledger->fail_at, k);
}
