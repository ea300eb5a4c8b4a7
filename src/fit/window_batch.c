/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of blocks; see fit/window_run.c. A row's window has ended before the row, hence in the row's batch or in an earlier one, of
 * which only the last window is still needed. What a task computes does not depend on where batches begin. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "fit/window_parts.h"

#define ENTRY_RUN 512 /* entries of a task */
#define ROW_RUN 1024  /* rows of a task */

/* ---- steps of a batch -------------------------------------------------------------------------------------------- */

static weir_status sums_task(void *arg, int64_t task, int number)
{
    w_window_job *j = arg;
    const int64_t first = task * W_BATCH;
    const w_window_rows rows = { .first_row = j->first_row, .stride = j->stride, .p = j->p, .x = j->at.x, .weight = j->at.weight };
    w_window_sum_blocks(j->task.kernels, &rows, j->block, j->order + first, (int)w_min64(W_BATCH, j->block_count - first),
                        j->worker[number].room, j->sums, j->block_stats);
    return WEIR_OK;
}

static weir_status windows_task(void *arg, int64_t task, int number)
{
    w_window_job *j = arg;
    (void)number;
    w_rolling_advance(j->rolling, j->block, j->block_count, j->sums, task * ENTRY_RUN, w_min64(j->entries, (task + 1) * ENTRY_RUN),
                      j->window);
    return WEIR_OK;
}

/* Windows of the batch from number 8 `task` on as a block of dense/batch_chol.h, in the worker's room. */
static const double *beside(const w_window_job *j, int64_t task, int number)
{
    const double *sums[W_BATCH];
    for (int64_t l = 0; l < W_BATCH; l++) {
        const int64_t i = task * W_BATCH + l;
        sums[l] = j->window + (i < j->window_count ? i : 0) * j->entries;
    }
    j->task.kernels->interleave(j->entries, sums, j->worker[number].room);
    return j->worker[number].room;
}

static weir_status fits_task(void *arg, int64_t task, int number)
{
    const w_window_job *j = arg;
    return w_group_finish(&j->task, beside(j, task, number), task, number, j->known ? j->rho : NULL);
}

/* Rows that one window predicts, by runs. */
static weir_status rows_task(void *arg, int64_t task, int number)
{
    w_window_job *j = arg;
    double *beta = j->worker[number].room;
    const int64_t end = w_min64(j->row_count, (task + 1) * ROW_RUN), padded = w_round_up64(j->p, W_BATCH);
    memset(beta + j->p, 0, (size_t)(padded - j->p) * sizeof *beta);
    for (int64_t first = task * ROW_RUN, last; first < end; first = last) {
        const int64_t window = w_window_before(&j->shape, j->first_row + first);
        const int64_t behind = j->shape.length + (window + 1) * j->shape.step - j->first_row;
        last = w_min64(end, behind);
        if (window >= 0) {
            const double *own = window < j->first_window ? j->last.beta : j->fits->beta + (window - j->first_window) * j->p;
            memcpy(beta, own, (size_t)j->p * sizeof *beta);
            j->task.kernels->rows_times(last - first, j->p, j->at.x + first * j->stride, j->stride, beta, j->fit + first);
        }
        for (int64_t i = first; i < last; i++) {
            j->by[i] = window;
            j->fit[i] = window < 0 || j->at.missing[i] ? NAN : j->fit[i] + j->at.offset[i];
        }
    }
    return WEIR_OK;
}

/* Smoothing parameters of the first window, for all. */
static weir_status choose_first(w_window_job *j)
{
    weir_groups *fits = j->fits;
    const int64_t count = fits->groups;
    fits->groups = 1;
    fits->each = 1;
    weir_status status = w_group_finish(&j->task, beside(j, 0, 0), 0, 0, NULL);
    fits->groups = count;
    fits->each = 0;
    const int64_t state = fits->state[0];
    if (status >= 0 && (state == WEIR_GROUP_FEW_ROWS || state == WEIR_GROUP_CONSTANT || state == WEIR_GROUP_FAILED)) {
        return w_fail(j->ctx, WEIR_E_DATA, "the first window (rows 1 to %lld) cannot choose smoothing parameters for all: %s; give "
                      "--sp, or let each window choose its own", (long long)j->shape.length, w_group_state_name((weir_group_state)state));
    }
    if (status >= 0 && state == WEIR_GROUP_NOT_CONVERGED) {
        j->result->status = WEIR_NOT_CONVERGED;
    }
    for (int m = 0; status >= 0 && m < fits->sp_count; m++) {
        j->rho[m] = fits->rho[m];
    }
    return status;
}

static void know_lambda(w_window_job *j)
{
    j->known = true;
    w_group_task_at(&j->task, j->rho);
    for (int m = 0; m < j->fits->sp_count; m++) {
        j->result->sp[m] = exp(j->rho[m]);
    }
}

static weir_status fit_batch(w_window_job *j)
{
    weir_status status = WEIR_OK;
    j->fits->groups = j->window_count;
    j->task.stats = j->window_stats;
    if (!j->known && !j->result->each) {
        status = choose_first(j);
        if (status >= 0) {
            know_lambda(j);
        }
    }
    return status < 0 ? status : w_pool_run(j->ctx, (j->window_count + W_BATCH - 1) / W_BATCH, fits_task, j);
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

/* The next blocks of the rows at hand, heads of steps before tails so that those of one length stand side by side; `end`: the table
 * ends here, where the last block is cut. */
static void take_blocks(w_window_job *j, bool end)
{
    const int64_t behind = j->first_row + j->rows;
    int64_t row = j->first_row, heads = 0;
    j->block_count = j->window_count = 0;
    while (j->block_count < j->most_blocks && row < behind) {
        w_window_block block = w_window_block_at(&j->shape, row);
        if (block.row + block.rows > behind) {
            if (!end) {
                break;
            }
            block.rows = behind - row;
            block.ends_step = false;
            block.window = -1;
        }
        if (block.window >= 0) {
            j->first_window = j->window_count == 0 ? block.window : j->first_window;
            j->window_count++;
        }
        heads += !block.tail;
        row += block.rows;
        j->block[j->block_count++] = block;
    }
    if (j->window_count == 0) { /* so that every window lies before it */
        j->first_window = INT64_MAX;
    }
    for (int64_t b = 0, head = 0, tail = heads; b < j->block_count; b++) {
        j->order[j->block[b].tail ? tail++ : head++] = (int32_t)b;
    }
    j->row_count = row - j->first_row;
    j->result->blocks += j->block_count;
}

static weir_status run_batch(w_window_job *j)
{
    const double begin = w_clock_seconds();
    weir_status status = w_pool_run(j->ctx, (j->block_count + W_BATCH - 1) / W_BATCH, sums_task, j);
    if (status >= 0) {
        status = w_pool_run(j->ctx, (j->entries + ENTRY_RUN - 1) / ENTRY_RUN, windows_task, j);
        w_rolling_advance_stats(j->rolling, j->block, j->block_count, j->block_stats, j->window_stats);
    }
    const double summed = w_clock_seconds();
    j->result->seconds_sums += summed - begin;
    if (status >= 0 && j->window_count > 0) {
        status = fit_batch(j);
    }
    if (status >= 0) {
        status = w_pool_run(j->ctx, (j->row_count + ROW_RUN - 1) / ROW_RUN, rows_task, j);
    }
    j->result->seconds_solve += w_clock_seconds() - summed;
    return status < 0 ? status : w_window_deliver(j);
}

weir_status w_window_batches(w_window_job *j, bool end)
{
    weir_status status = WEIR_OK;
    for (take_blocks(j, end); status >= 0 && j->block_count > 0; take_blocks(j, end)) {
        status = run_batch(j);
        w_window_step_over(j, j->row_count);
    }
    return status;
}
