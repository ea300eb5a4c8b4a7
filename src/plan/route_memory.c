/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/route_memory.h"

#include "base/size.h"

static int64_t doubles(int64_t a, int64_t b) { return w_mul64(w_mul64(a, b), (int64_t)sizeof(double)); }

static int64_t scratch_bytes(const w_memory_state *state)
{
    return w_mul64(state->blas_bytes, state->threads > 1 ? state->threads : 1);
}

/* Bytes of the share, rounded down. */
static int64_t allowed(const w_memory_share *share, const w_memory_state *state)
{
    const double part = state->device ? share->device : share->host;
    return state->free_bytes <= 0 ? 0 : (int64_t)(part * (double)state->free_bytes);
}

int64_t w_dense_system_bytes(int64_t p, int64_t m, int64_t groups, bool in_place, const w_memory_state *state)
{
    const int64_t one = w_add64(w_mul64(in_place ? 1 : 2, doubles(p, p)), doubles(p, m));
    return w_add64(w_mul64(groups, one), scratch_bytes(state));
}

bool w_can_fit_dense_matrix(int64_t p, int64_t m, int64_t groups, int64_t max_p, double seconds, double max_seconds,
                            const w_memory_shares *shares, const w_memory_state *state)
{
    if (p > max_p && !(seconds <= max_seconds)) {
        return false;
    }
    return w_dense_system_bytes(p, m, groups, true, state) < allowed(&shares->dense, state);
}

/* How many of `each` bytes fit beside `fixed`. */
static int64_t fitting(int64_t most, int64_t each, int64_t fixed, const w_memory_share *share, const w_memory_state *state)
{
    const int64_t room = allowed(share, state), taken = w_add64(fixed, scratch_bytes(state));
    if (taken >= room || most <= 0) {
        return 0;
    }
    return each <= 0 ? most : w_min64(most, (room - taken) / each);
}

int64_t w_safe_chunk_size(int64_t rows, int64_t row_bytes, int64_t tiles, int64_t fixed, int64_t multiple,
                          const w_memory_shares *shares, const w_memory_state *state)
{
    const int64_t copies = w_mul64(tiles, state->threads > 1 ? state->threads : 1);
    const int64_t fit = fitting(rows, w_mul64(row_bytes, copies), fixed, &shares->batch, state);
    return fit < rows && fit >= multiple && multiple > 0 ? fit - fit % multiple : fit;
}

int64_t w_safe_group_batch(int64_t groups, int64_t group_bytes, int64_t fixed, const w_memory_shares *shares,
                           const w_memory_state *state)
{
    return fitting(groups, group_bytes, fixed, &shares->batch, state);
}

int64_t w_safe_window_batch(int64_t windows, int64_t rows, int64_t p, int64_t fixed, const w_memory_shares *shares,
                            const w_memory_state *state)
{
    const int64_t each = w_add64(doubles(rows, p), w_mul64(2, doubles(p, p)));
    return fitting(windows, each, fixed, &shares->window, state);
}
