/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a pass over sliding windows share (fit/window_run.c tells how they follow one another). */
#ifndef W_FIT_WINDOW_PARTS_H
#define W_FIT_WINDOW_PARTS_H

#include "fit/window.h"

typedef struct w_window_worker {
    w_tile *tile;
    double *scratch, *room;    /* room: of sums, and of eight windows side by side */
} w_window_worker;

typedef struct w_window_test {
    int64_t rows;
    double square, absolute;
} w_window_test;

/* A window that has ended, whose rows behind it are not all predicted. */
typedef struct w_window_ended {
    weir_window window;        /* index -1: none */
    double *beta, *std_error, *sp;
} w_window_ended;

/* Arrays with a value (x: stride values) for each row at hand. */
typedef struct w_window_lines {
    double *x, *weight, *offset, *response; /* x: p columns, then z; without weights. response: NaN where missing */
    uint8_t *missing;          /* cannot be predicted */
} w_window_lines;

typedef struct w_window_job {
    weir_ctx *ctx;
    const w_window_pass *pass;
    weir_windows *result;
    const w_design *design;
    w_window_shape shape;
    w_tile_request request, request_all; /* request_all: as if every row were to be predicted */
    int64_t p, stride, entries;
    int workers;
    w_window_worker *worker;
    w_dense_rows *dense;
    w_rolling *rolling;
    weir_groups *fits;         /* of the windows of a batch */
    w_group_task task;
    double *rho;               /* sp_count: of all windows; unless each searches */
    bool known;                /* rho is */
    /* rows at hand */
    const w_window *reading;
    int64_t reading_at;        /* row of `reading` that comes next */
    int64_t first_row, rows, capacity;
    w_window_lines base, at;   /* the buffer; row first_row in it */
    double *fit;               /* of the rows of a batch */
    int64_t *by;               /* their windows */
    /* blocks of a batch */
    int64_t block_count, most_blocks, row_count, first_window, window_count;
    w_window_block *block;
    int32_t *order;            /* blocks, those of one length side by side */
    double *sums, *window;     /* entries a block, a window */
    w_group_stats *block_stats, *window_stats;
    w_window_test *test;
    w_window_ended last;
} w_window_job;

/* window_rows.c: the next tiles of `reading` behind the rows at hand, as many as there are threads. */
weir_status w_window_read(w_window_job *job);
/* The rows at hand but for the first `count`. */
void w_window_step_over(w_window_job *job, int64_t count);
/* window_batch.c: all whole blocks of the rows at hand; `end`: of the table, where the last block is what is left. */
weir_status w_window_batches(w_window_job *job, bool end);
/* window_results.c: a batch's rows, then the windows that are done with; and the last window. */
weir_status w_window_deliver(w_window_job *job);
weir_status w_window_deliver_last(w_window_job *job);

#endif
