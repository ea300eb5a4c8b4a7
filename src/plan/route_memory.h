/* SPDX-License-Identifier: Apache-2.0 */
/* The memory waterfall as numbers: which share of free memory which kind of work may take, and how much work then fits.
 *
 *     work                              device   host
 *     one dense system                   90 %    90 %
 *     tiles of rows, groups in flight    90 %    70 %
 *     sliding windows                    80 %    60 %
 *
 * Counted is everything alive at once: the Grams of all groups in flight, their factors, right-hand sides, scratch of every
 * thread, BLAS buffers. Pure functions; sums saturate at INT64_MAX and then never fit. */
#ifndef W_PLAN_ROUTE_MEMORY_H
#define W_PLAN_ROUTE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

typedef struct w_memory_share { double device, host; } w_memory_share;
typedef struct w_memory_shares { w_memory_share dense, batch, window; } w_memory_shares;
#define W_MEMORY_SHARES { { 0.9, 0.9 }, { 0.9, 0.7 }, { 0.8, 0.6 } }

typedef struct w_memory_state {
    int64_t free_bytes;
    bool device;            /* false: host memory */
    int threads;
    int64_t blas_bytes;     /* buffers of BLAS for one thread; outside the ledger */
} w_memory_state;

/* Bytes of `groups` dense p x p systems with m right-hand sides at once. in_place: the factor overwrites the Gram. */
int64_t w_dense_system_bytes(int64_t p, int64_t m, int64_t groups, bool in_place, const w_memory_state *state);
/* p <= max_p, or seconds <= max_seconds lift it; and the bytes stay below the share. */
bool w_can_fit_dense_matrix(int64_t p, int64_t m, int64_t groups, int64_t max_p, double seconds, double max_seconds,
                            const w_memory_shares *shares, const w_memory_state *state);
/* Most rows of a tile of `row_bytes` each when every thread holds `tiles` of them, beside `fixed` bytes; 0: not even one. A
 * multiple of `multiple` when at least that many fit; never above `rows`. */
int64_t w_safe_chunk_size(int64_t rows, int64_t row_bytes, int64_t tiles, int64_t fixed, int64_t multiple,
                          const w_memory_shares *shares, const w_memory_state *state);
/* Most groups of `group_bytes` each (Gram, factor, right-hand sides, rows) in flight; 0: not even one. */
int64_t w_safe_group_batch(int64_t groups, int64_t group_bytes, int64_t fixed, const w_memory_shares *shares,
                           const w_memory_state *state);
/* Most windows of `rows` rows and p columns at once: design rows, Gram and factor of each; 0: not even one. */
int64_t w_safe_window_batch(int64_t windows, int64_t rows, int64_t p, int64_t fixed, const w_memory_shares *shares,
                            const w_memory_state *state);

#endif
