/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of X for sliding windows: tiles written out one behind another into a buffer. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "fit/window_parts.h"

static weir_status tile_task(void *arg, int64_t task, int number)
{
    w_window_job *j = arg;
    w_window_worker *w = &j->worker[number];
    w_tile *tile = w->tile;
    const int64_t start = j->reading_at + task * W_TILE_ROWS, rows = w_min64(W_TILE_ROWS, j->reading->rows - start);
    const int64_t at = j->rows + task * W_TILE_ROWS;
    double *x = j->at.x + at * j->stride;
    weir_status status = w_tile_eval(j->design, j->reading, start, rows, &j->request, tile);
    if (status < 0) {
        return status;
    }
    const size_t bytes = (size_t)rows * sizeof(double);
    memcpy(j->at.weight + at, tile->weight, bytes);
    for (int64_t i = 0; i < rows; i++) {
        j->at.response[at + i] = tile->missing[i] ? NAN : tile->response[i];
        w->room[i] = tile->column[j->design->block[0].width - 1][i];
    }
    if (tile->counted < rows) { /* a row without response is predicted all the same */
        status = w_tile_eval(j->design, j->reading, start, rows, &j->request_all, tile);
    }
    if (status >= 0) {
        memcpy(j->at.offset + at, tile->offset, bytes);
        memcpy(j->at.missing + at, tile->missing, (size_t)rows);
        status = w_dense_rows_tile(j->dense, tile, NULL, w->scratch, x);
    }
    for (int64_t i = 0; status >= 0 && i < rows; i++) {
        x[i * j->stride + j->p] = w->room[i];
    }
    return status;
}

static w_window_lines lines_behind(const w_window_lines *l, int64_t rows, int64_t stride)
{
    return (w_window_lines){ l->x + rows * stride, l->weight + rows, l->offset + rows, l->response + rows, l->missing + rows };
}

void w_window_step_over(w_window_job *j, int64_t count)
{
    j->first_row += count;
    j->rows -= count;
    j->at = lines_behind(&j->at, count, j->stride);
}

static void move_to_front(w_window_job *j)
{
    const size_t rows = (size_t)j->rows, bytes = rows * sizeof(double);
    memmove(j->base.x, j->at.x, bytes * (size_t)j->stride);
    memmove(j->base.weight, j->at.weight, bytes);
    memmove(j->base.offset, j->at.offset, bytes);
    memmove(j->base.response, j->at.response, bytes);
    memmove(j->base.missing, j->at.missing, rows);
    j->at = j->base;
}

weir_status w_window_read(w_window_job *j)
{
    const double begin = w_clock_seconds();
    const int64_t rows = w_min64((int64_t)W_TILE_ROWS * j->workers, j->reading->rows - j->reading_at);
    move_to_front(j);
    weir_status status = w_pool_run(j->ctx, (rows + W_TILE_ROWS - 1) / W_TILE_ROWS, tile_task, j);
    j->rows += rows;
    j->reading_at += rows;
    j->result->seconds_read += w_clock_seconds() - begin;
    return status;
}
