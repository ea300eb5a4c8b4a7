/* SPDX-License-Identifier: Apache-2.0 */
#include "normal/window_blocks.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

#define STEP_VALUES 4096 /* of a run of interleaved rows: 32 KiB, to stay in the near cache */

static int64_t stride_of(int64_t p) { return w_round_up64(w_add64(p, 1), W_BATCH); }
static int64_t step_rows(int64_t p) { return w_max64(4, STEP_VALUES / ((p + 1) * W_BATCH)); }

int64_t w_window_entries(int64_t p)
{
    return w_round_up64(w_packed(w_add64(p, 1)), W_BATCH);
}

int64_t w_window_block_room(int64_t p)
{
    const int64_t steps = w_mul64(w_mul64(step_rows(p), p + 1), W_BATCH);
    return w_add64(w_add64(steps, w_mul64(w_window_entries(p), W_BATCH)), w_mul64(W_BATCH + 1, stride_of(p)));
}

typedef struct work {
    const w_window_rows *rows;
    double *steps, *sums, *scaled, *zero;
} work;

/* Row r times the root of its weight. */
static const double *weighted(const work *w, int64_t r, int lane)
{
    const double weight = w->rows->weight[r], *x = w->rows->x + r * w->rows->stride;
    if (weight == 1) {
        return x;
    }
    if (weight == 0) {
        return w->zero;
    }
    double *out = w->scaled + lane * w->rows->stride;
    const double root = sqrt(weight);
    for (int64_t j = 0; j <= w->rows->p; j++) {
        out[j] = x[j] * root;
    }
    return out;
}

static w_group_stats stats_of(const w_window_rows *rows, const w_window_block *block)
{
    w_group_stats s = { 0 };
    for (int64_t r = block->row - rows->first_row, end = r + block->rows; r < end; r++) {
        const double weight = rows->weight[r], z = rows->x[r * rows->stride + rows->p];
        if (!(weight > 0)) {
            continue;
        }
        s.least = s.n == 0 || z < s.least ? z : s.least;
        s.most = s.n == 0 || z > s.most ? z : s.most;
        s.n++;
        s.weight += weight;
        s.weight_z += weight * z;
        s.log_weight += weight != 1 ? log(weight) : 0.0;
    }
    return s;
}

void w_window_sum_blocks(const w_batch_kernels *kernels, const w_window_rows *rows, const w_window_block *block, const int32_t *lane,
                         int count, double *room, double *sums, w_group_stats *stats)
{
    const int64_t width = rows->p + 1, entries = w_window_entries(rows->p), chunk = step_rows(rows->p);
    work w = { .rows = rows, .steps = room };
    w.sums = w.steps + chunk * width * W_BATCH;
    w.scaled = w.sums + entries * W_BATCH;
    w.zero = w.scaled + W_BATCH * rows->stride;
    memset(w.sums + w_packed(width) * W_BATCH, 0, (size_t)((entries - w_packed(width)) * W_BATCH) * sizeof *w.sums);
    memset(w.zero, 0, (size_t)rows->stride * sizeof *w.zero);
    int64_t most = 0;
    for (int l = 0; l < count; l++) {
        most = w_max64(most, block[lane[l]].rows);
        stats[lane[l]] = stats_of(rows, &block[lane[l]]);
    }
    for (int64_t first = 0; first < most; first += chunk) {
        const int64_t last = w_min64(most, first + chunk);
        for (int64_t t = first; t < last; t++) {
            const double *at[W_BATCH];
            for (int l = 0; l < W_BATCH; l++) {
                const w_window_block *b = l < count ? &block[lane[l]] : NULL;
                at[l] = b && t < b->rows ? weighted(&w, b->row - rows->first_row + t, l) : w.zero;
            }
            kernels->interleave(width, at, w.steps + (t - first) * width * W_BATCH);
        }
        (first == 0 ? kernels->gram_fresh : kernels->gram)(last - first, width, w.steps, w.sums);
    }
    double *out[W_BATCH];
    for (int l = 0; l < count; l++) {
        out[l] = sums + lane[l] * entries;
    }
    kernels->deal(entries, w.sums, count, out);
}
