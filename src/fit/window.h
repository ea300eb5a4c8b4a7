/* SPDX-License-Identifier: Apache-2.0 */
/* Models of sliding windows of rows with shared bases and penalties (docs/windows.md). */
#ifndef W_FIT_WINDOW_H
#define W_FIT_WINDOW_H

#include "fit/group.h"
#include "normal/window_blocks.h"
#include "weir/windows.h"

struct weir_windows {
    weir_ctx *ctx;
    w_design *design;          /* owned */
    w_window_shape shape;
    int64_t windows, rows, fitted;   /* fitted: with coefficients, over which means are taken */
    int32_t each, estimated, criterion;
    double *sp;                /* sp_count; NULL with `each` */
    int64_t state_count[WEIR_GROUP_STATES];
    int64_t test_rows;
    double test_square, test_absolute;
    double edf_least, edf_sum, edf_most, sigma_least, sigma_sum, sigma_most;
    int64_t blocks, batch;
    weir_status status;
    int64_t actual_bytes, budget;
    double seconds_read, seconds_sums, seconds_solve, seconds_total;
};

void w_windows_summarise(const weir_windows *windows, weir_windows_summary *out);
void w_windows_free(weir_windows *windows);

/* Where results go; functions may be NULL. */
typedef struct w_window_sink {
    weir_window_rows_fn rows;
    weir_window_fn window;
    void *user;
} w_window_sink;

/* One pass over the rows of a scanned table. */
typedef struct w_window_pass {
    weir_table *table;
    const weir_fit_options *options;
    const weir_windows_options *how;
    w_window_sink sink;
    int64_t batch;             /* windows at a time: w_window_batch */
} w_window_pass;

weir_status w_window_run(weir_ctx *ctx, const w_window_pass *pass, weir_windows *result);
/* Windows at a time where `room` bytes are free, a multiple of W_BATCH; 0: not even so many. Shapes of the design only. */
int64_t w_window_batch(const w_design *design, const w_window_shape *shape, int workers, int64_t room);
/* Bytes of the pass with such batches beside the table's windows; and free bytes that let w_window_batch find room. */
int64_t w_window_bytes(const w_design *design, const w_window_shape *shape, int workers, int64_t batch);
int64_t w_window_least_room(const w_design *design, const w_window_shape *shape, int workers);

weir_status w_fit_windows(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                          const weir_windows_options *how, const w_window_sink *sink, weir_windows **out);
weir_status w_plan_windows(weir_ctx *ctx, weir_table *table, const char *formula, const weir_fit_options *options,
                           const weir_windows_options *how, weir_plan *out);

#endif
