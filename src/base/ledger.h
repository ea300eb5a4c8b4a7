/* SPDX-License-Identifier: Apache-2.0 */
/* The memory ledger: every byte the library holds is entered here by (space, tag, bytes) and stays under the budget.
 *
 * Blocks are 64-byte aligned. A header of 64 bytes in front of each host block remembers size and tag, so that w_free
 * needs no size; header and rounding are charged too (w_alloc_bytes says how much one block costs). Blocks of 4 MiB and
 * more come from the system as pages of their own and go back to it when freed: the resident set follows the ledger.
 * Counters are atomic: any thread may allocate and free. */
#ifndef W_BASE_LEDGER_H
#define W_BASE_LEDGER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include "weir/context.h"

typedef enum w_space { W_SPACE_HOST = 0, W_SPACE_PINNED = 1, W_SPACE_DEVICE = 2, W_SPACE_COUNT = 3 } w_space;

#define W_TAG_LIMIT 64

typedef struct w_tag_account {
    const char *tag; /* string literal; compared by content */
    int64_t in_use, peak;
} w_tag_account;

typedef struct w_ledger {
    int64_t budget; /* bytes for HOST + PINNED; 0 = unlimited (tests only) */
    _Atomic int64_t in_use, peak, allocations;
    _Atomic int64_t live_blocks;
    _Atomic int64_t fail_at; /* the allocation with this number (1-based, counted from arming) fails; 0 = never */
    _Atomic int64_t fail_counter;
    _Atomic int fail_for_ever; /* every later one fails too */
    _Atomic int last_status;   /* what w_alloc_status returns */
    _Atomic int64_t refusals;  /* allocations refused so far */
    _Atomic int64_t faults;    /* blocks given back that were not taken: a bug of the caller, asserted 0 by tests */
    pthread_mutex_t tag_lock;
    int tag_count;
    w_tag_account tag[W_TAG_LIMIT];
} w_ledger;

/* Zeroed memory? No: contents undefined. NULL with the message set (WEIR_E_BUDGET or WEIR_E_MEMORY is then what
 * w_alloc_status(ctx) returns) when over budget, refused by the system, overflowing, or told to fail.
 * bytes 0 yields a valid block. Tag: a literal naming what the block is, e.g. "gram cells". */
void *w_alloc(weir_ctx *ctx, const char *tag, size_t bytes);
void *w_calloc(weir_ctx *ctx, const char *tag, size_t count, size_t size); /* zeroed, product checked */
void *w_alloc_array(weir_ctx *ctx, const char *tag, size_t count, size_t size); /* product checked */
/* NULL is allowed; on failure NULL, and the old block is still there. */
void *w_realloc(weir_ctx *ctx, const char *tag, void *block, size_t bytes);
void w_free(weir_ctx *ctx, void *block);
char *w_strdup(weir_ctx *ctx, const char *tag, const char *text);
/* The status behind the last NULL of w_alloc: WEIR_E_BUDGET or WEIR_E_MEMORY. */
weir_status w_alloc_status(weir_ctx *ctx);

/* Bytes the ledger charges for one block of `bytes`: what x_bytes() functions add up. */
int64_t w_alloc_bytes(int64_t bytes);

/* Accounts memory the library holds but did not take from w_alloc (mapped files, device memory):
 * WEIR_OK or WEIR_E_BUDGET. Negative bytes give back. */
weir_status w_ledger_charge(weir_ctx *ctx, const char *tag, int64_t bytes);
/* Budget not yet handed out. INT64_MAX when unlimited. */
int64_t w_ledger_free_bytes(const weir_ctx *ctx);
/* Starts a new peak measurement at the present in_use (what a plan's actual bytes are measured with). */
void w_ledger_reset_peak(weir_ctx *ctx);
/* Test hook: the k-th allocation from now fails (k = 0 disarms); with for_ever all after it too. */
void w_ledger_fail_at(weir_ctx *ctx, int64_t k, int for_ever);

#endif
