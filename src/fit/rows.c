/* SPDX-License-Identifier: Apache-2.0 */
/* A window is cut into batches of W_BATCH_TILES tiles per worker. The tiles of a batch are evaluated in any order into their own
 * slices of one buffer and delivered in row order, so what arrives does not depend on the number of threads.
 *
 * Short of memory the rows are read again with fewer threads in flight, and evaluated from the first tile on that was not handed over:
 * no row arrives twice. A failure of whoever takes the rows is final. */
#include "fit/rows.h"

#include "base/size.h"

#define W_BATCH_TILES 4

typedef struct batch {
    const w_rows_pass *pass;
    const w_window *window;
    w_tile **tile; /* one per worker */
    double *values;
    int64_t start; /* row of the window where the batch begins */
    int64_t next;  /* row of the table behind what was handed over */
    bool refused;  /* by whoever takes the rows */
} batch;

static int64_t slice_doubles(int64_t columns)
{
    return w_mul64(W_TILE_ROWS, columns);
}

static weir_status run_tile(void *arg, int64_t task, int worker)
{
    batch *b = arg;
    int64_t start = b->start + task * W_TILE_ROWS;
    int64_t rows = w_min64(W_TILE_ROWS, b->window->rows - start);
    w_tile *tile = b->tile[worker];
    weir_status status = w_tile_eval(b->pass->design, b->window, start, rows, b->pass->request, tile);
    if (status < 0) {
        return status;
    }
    return b->pass->tile(b->pass->arg, worker, tile, b->values + task * slice_doubles(b->pass->columns));
}

static weir_status run_window(weir_ctx *ctx, batch *b)
{
    const w_rows_pass *pass = b->pass;
    int64_t batch_rows = (int64_t)W_TILE_ROWS * W_BATCH_TILES * w_pool_workers(ctx);
    for (b->start = w_min64(w_max64(0, b->next - b->window->first_row), b->window->rows); b->start < b->window->rows; b->start += batch_rows) {
        weir_status status = w_check_cancel(ctx);
        if (status < 0) {
            return status;
        }
        int64_t rows = w_min64(batch_rows, b->window->rows - b->start);
        int64_t tiles = (rows + W_TILE_ROWS - 1) / W_TILE_ROWS;
        status = w_pool_run(ctx, tiles, run_tile, b);
        for (int64_t t = 0; status >= 0 && t < tiles; t++) {
            int64_t first = b->start + t * W_TILE_ROWS;
            int64_t count = w_min64(W_TILE_ROWS, b->window->rows - first);
            b->next = b->window->first_row + first + count;
            status = pass->deliver(pass->arg, b->window->first_row + first, count,
                                   b->values + t * slice_doubles(pass->columns));
            b->refused = status < 0;
        }
        if (status < 0) {
            return status;
        }
    }
    return WEIR_OK;
}

static weir_status run_passes(weir_ctx *ctx, batch *b)
{
    weir_status status = w_source_rewind(b->pass->table);
    int64_t total = w_source_row_count(b->pass->table);
    while (status >= 0) {
        w_window window;
        status = w_source_next(b->pass->table, &window);
        if (status < 0 || window.rows == 0) {
            break;
        }
        b->window = &window;
        status = run_window(ctx, b);
        w_progress_rows(ctx, b->pass->name, window.first_row + window.rows, total);
        if (status >= 0) {
            status = w_check_cancel(ctx);
        }
    }
    return status;
}

static weir_status attempt(weir_ctx *ctx, batch *b)
{
    const w_rows_pass *pass = b->pass;
    int workers = w_pool_workers(ctx);
    size_t tiles = (size_t)workers * W_BATCH_TILES;
    weir_status status = WEIR_OK;
    b->tile = w_calloc(ctx, "row tiles", (size_t)workers, sizeof *b->tile);
    b->values = w_alloc_array(ctx, "row values", w_mul_size(tiles, (size_t)slice_doubles(pass->columns)), sizeof(double));
    if (!b->tile || !b->values) {
        status = w_alloc_status(ctx);
    }
    for (int i = 0; status >= 0 && i < workers; i++) {
        status = w_tile_create(ctx, pass->design, &b->tile[i]);
    }
    if (status >= 0) {
        status = run_passes(ctx, b);
    }
    for (int i = 0; b->tile && i < workers; i++) {
        w_tile_free(ctx, b->tile[i]);
    }
    w_free(ctx, b->tile);
    w_free(ctx, b->values);
    return status;
}

weir_status w_rows_each(weir_ctx *ctx, const w_rows_pass *pass)
{
    batch b = { .pass = pass };
    weir_status status;
    do {
        status = attempt(ctx, &b);
    } while (status < 0 && !b.refused && w_recover(ctx, W_RECOVER_PASS, status));
    return status;
}

int64_t w_rows_window_bytes(const w_design *design, int workers)
{
    int64_t tile = w_mul64(w_mul64(design->column_count, W_TILE_ROWS), (int64_t)sizeof(double));
    return w_mul64(tile, 8 * (int64_t)workers);
}

int64_t w_rows_bytes(const w_design *design, int64_t columns, int workers)
{
    int64_t values = w_mul64(w_mul64(slice_doubles(columns), W_BATCH_TILES), 8);
    return w_mul64(workers, w_add64(w_tile_bytes(design), w_alloc_bytes(values)));
}
