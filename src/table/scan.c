/* SPDX-License-Identifier: Apache-2.0 */
/* Passes over the windows.
 *
 * Parts append rows to the buffer; a window is the longest run of whole tiles in it, and the rows after them move to
 * its front before the next one. What the scan decoded is kept as it is while it fits keep_bytes. When it does not
 * fit, a table that can be read twice forgets it and is decoded again in each pass; one that cannot, or one told to
 * spool, writes the windows to a file in the scratch folder. Where that fails half-way and the rows can be read again,
 * what was written is forgotten and the scan goes on: its visitor sees every window once whatever becomes of the file. */
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "table/table.h"

#define BUFFER_TAG "table window"
#define KEPT_TAG "table kept"
#define DEFAULT_WINDOW_BYTES (4 << 20)
#define LEAST_TILES 4
#define ELEMENT_BYTES 8

static void free_kept(weir_table *table)
{
    for (w_kept_window *window = table->kept; window;) {
        w_kept_window *next = window->next;
        for (int32_t s = 0; !table->spool && s < table->selected_count; s++) {
            w_free(table->ctx, window->data[s]);
        }
        w_free(table->ctx, window);
        window = next;
    }
    table->kept = table->kept_tail = table->cursor = NULL;
    table->kept_bytes = 0;
}

static void free_buffer(weir_table *table)
{
    for (int32_t s = 0; table->buffer.data && s < table->selected_count; s++) {
        w_free(table->ctx, table->buffer.data[s]);
    }
    w_free(table->ctx, table->buffer.data);
    table->buffer = (w_buffer){ 0 };
}

static void stop_parts(weir_table *table)
{
    for (int32_t i = 0; i < table->part_count; i++) {
        table->parts[i]->ops->stop(table->parts[i]);
    }
    table->part_started = false;
}

void w_source_forget(weir_table *table)
{
    stop_parts(table);
    w_memory_forget(table);
    free_kept(table);
    free_buffer(table);
    w_spool_free(table->spool);
    table->spool = NULL;
    table->scanned = false;
}

int64_t w_table_window_rows(const weir_table *table, const w_scan_options *options)
{
    int64_t bytes = options->window_bytes > 0 ? options->window_bytes : DEFAULT_WINDOW_BYTES;
    int64_t rows = bytes / (ELEMENT_BYTES * w_max64(table->selected_count, 1));
    int64_t tiles = w_max64(w_max64(rows / W_TILE_ROWS, options->threads_hint), LEAST_TILES);
    int64_t known = w_source_row_count(table);
    if (known >= 0) {
        tiles = w_min64(tiles, known / W_TILE_ROWS + 1);
    }
    return w_mul64(tiles, W_TILE_ROWS);
}

int64_t w_source_bytes(const weir_table *table, const w_scan_options *options)
{
    if (table->memory) {
        return w_mul64(table->selected_count,
                       w_alloc_bytes(w_table_window_rows(table, options) * (int64_t)sizeof(int32_t)));
    }
    int64_t bytes =
        w_mul64(table->selected_count, w_alloc_bytes(w_table_window_rows(table, options) * ELEMENT_BYTES)) +
        w_alloc_bytes(table->selected_count * (int64_t)sizeof(void *));
    int64_t most = 0;
    weir_table sized = *table;
    sized.options = *options;
    for (int32_t i = 0; i < table->part_count; i++) {
        most = w_max64(most, table->parts[i]->ops->pass_bytes(table->parts[i], &sized));
    }
    return w_add64(bytes, most);
}

int64_t w_source_spool_bytes(const weir_table *table, const w_scan_options *options, int64_t rows)
{
    /* the buffer is filled to three quarters of at least LEAST_TILES tiles before a window is cut: half of it at least */
    int64_t window_rows = w_table_window_rows(table, options) / 2;
    int64_t windows = w_add64(w_max64(rows, 0) / w_max64(window_rows, 1), 2);
    int64_t head = (int64_t)sizeof(w_kept_window) + w_mul64(table->selected_count, (int64_t)sizeof(void *));
    return w_add64(w_alloc_bytes(256), w_mul64(windows, w_alloc_bytes(head)));
}

static weir_status make_buffer(weir_table *table)
{
    if (table->buffer.data) {
        return WEIR_OK;
    }
    int64_t capacity = w_table_window_rows(table, &table->options);
    table->buffer.data =
        w_calloc(table->ctx, BUFFER_TAG, (size_t)table->selected_count, sizeof *table->buffer.data);
    if (!table->buffer.data) {
        return w_alloc_status(table->ctx);
    }
    for (int32_t s = 0; s < table->selected_count; s++) {
        table->buffer.data[s] = w_alloc_array(table->ctx, BUFFER_TAG, (size_t)capacity, ELEMENT_BYTES);
        if (!table->buffer.data[s]) {
            return w_alloc_status(table->ctx);
        }
    }
    table->buffer.capacity = capacity;
    return WEIR_OK;
}

static weir_status begin_decoding(weir_table *table)
{
    weir_status status = make_buffer(table);
    if (status < 0) {
        return status;
    }
    stop_parts(table);
    table->part = 0;
    table->buffer.filled = table->buffer.emitted = table->buffer.first_row = 0;
    return WEIR_OK;
}

static int64_t element_bytes(const w_selected *selected)
{
    return selected->info.kind == W_FACTOR ? (int64_t)sizeof(int32_t) : (int64_t)sizeof(double);
}

static void drop_emitted(weir_table *table)
{
    w_buffer *buffer = &table->buffer;
    int64_t rest = buffer->filled - buffer->emitted;
    for (int32_t s = 0; rest > 0 && s < table->selected_count; s++) {
        int64_t bytes = element_bytes(&table->selected[s]);
        char *data = buffer->data[s];
        memmove(data, data + buffer->emitted * bytes, (size_t)(rest * bytes));
    }
    buffer->first_row += buffer->emitted;
    buffer->filled = rest;
    buffer->emitted = 0;
}

/* Appends rows until the buffer is three quarters full: a nearly full one would cut parts into small pieces. */
static weir_status fill_buffer(weir_table *table)
{
    w_buffer *buffer = &table->buffer;
    while (table->part < table->part_count && buffer->filled < buffer->capacity / 4 * 3) {
        w_part *part = table->parts[table->part];
        int64_t rows = 0;
        weir_status status = WEIR_OK;
        if (!table->part_started) {
            status = part->ops->start(part, table);
            table->part_started = true;
        }
        if (status >= 0) {
            status = part->ops->decode(part, table, buffer->filled, buffer->capacity - buffer->filled, &rows);
        }
        if (status < 0) {
            return status;
        }
        buffer->filled += rows;
        if (rows == 0) {
            part->ops->stop(part);
            table->part_started = false;
            table->part++;
        }
    }
    return WEIR_OK;
}

static void show_window(weir_table *table, void *const *data, int64_t first_row, int64_t rows, w_window *window)
{
    for (int32_t s = 0; s < table->selected_count; s++) {
        const w_selected *selected = &table->selected[s];
        bool factor = selected->info.kind == W_FACTOR;
        table->views[s] = (w_column_view){ selected->info.kind, factor ? WEIR_I32 : WEIR_F64,
                                           element_bytes(selected), data[s], NULL };
    }
    *window = (w_window){ first_row, rows, table->selected_count, table->views };
}

static weir_status next_decoded(weir_table *table, w_window *window)
{
    drop_emitted(table);
    weir_status status = fill_buffer(table);
    if (status < 0) {
        return status;
    }
    w_buffer *buffer = &table->buffer;
    bool last = table->part == table->part_count;
    buffer->emitted = last ? buffer->filled : buffer->filled / W_TILE_ROWS * W_TILE_ROWS;
    show_window(table, buffer->data, buffer->first_row, buffer->emitted, window);
    if (last && table->scanned && buffer->first_row + buffer->filled != table->rows) {
        return w_fail(table->ctx, WEIR_E_DATA, "%s changed while it was read: it had %lld rows, now %lld",
                      table->label, (long long)table->rows, (long long)(buffer->first_row + buffer->filled));
    }
    return WEIR_OK;
}

static w_kept_window *new_kept(weir_table *table, const w_window *window)
{
    size_t bytes = sizeof(w_kept_window) + (size_t)table->selected_count * sizeof(void *);
    w_kept_window *kept = w_calloc(table->ctx, KEPT_TAG, 1, bytes);
    if (kept) {
        kept->first_row = window->first_row;
        kept->rows = window->rows;
    }
    return kept;
}

static void append_kept(weir_table *table, w_kept_window *kept)
{
    if (table->kept_tail) {
        table->kept_tail->next = kept;
    } else {
        table->kept = kept;
    }
    table->kept_tail = kept;
}

/* `offset` is where the first column was written; columns follow one another. */
static weir_status spool_columns(weir_table *table, int64_t first_row, int64_t rows, void *const *data,
                                 int64_t *offset)
{
    for (int32_t s = 0; s < table->selected_count; s++) {
        const w_selected *selected = &table->selected[s];
        bool open = first_row < selected->decided_row; /* NaN throughout, written as doubles */
        int64_t bytes = open ? (int64_t)sizeof(double) : element_bytes(selected), at;
        weir_status status = w_spool_append(table->spool, data[s], w_mul64(rows, bytes), &at);
        if (status < 0) {
            return status;
        }
        if (s == 0) {
            *offset = at;
        }
    }
    return WEIR_OK;
}

/* What was kept so far goes to the file, in order. */
static weir_status begin_spool(weir_table *table)
{
    w_spool *spool;
    weir_status status = w_spool_create(table->ctx, &spool);
    if (status < 0) {
        return status;
    }
    w_kept_window *kept = table->kept;
    table->spool = spool;
    for (w_kept_window *window = kept; window; window = window->next) {
        if (status >= 0) {
            status = spool_columns(table, window->first_row, window->rows, window->data, &window->offset);
        }
        for (int32_t s = 0; s < table->selected_count; s++) {
            w_free(table->ctx, window->data[s]);
            window->data[s] = NULL;
        }
    }
    table->kept_bytes = 0;
    table->route = W_ROUTE_SPOOLED;
    return status;
}

static void free_window(weir_table *table, w_kept_window *kept)
{
    for (int32_t s = 0; kept && s < table->selected_count; s++) {
        w_free(table->ctx, kept->data[s]);
    }
    w_free(table->ctx, kept);
}

typedef struct keep_job {
    const weir_table *table;
    const w_window *window;
    w_kept_window *kept;
} keep_job;

static weir_status copy_column(void *arg, int64_t task, int worker)
{
    (void)worker;
    const keep_job *job = arg;
    size_t bytes = (size_t)(job->window->rows * element_bytes(&job->table->selected[task]));
    memcpy(job->kept->data[task], job->window->column[task].data, bytes);
    return WEIR_OK;
}

/* False when it does not fit keep_bytes, or memory is refused: another route is open then. */
static bool keep_window(weir_table *table, const w_window *window)
{
    int64_t bytes =
        w_alloc_bytes((int64_t)sizeof(w_kept_window) + table->selected_count * (int64_t)sizeof(void *));
    for (int32_t s = 0; s < table->selected_count; s++) {
        bytes += w_alloc_bytes(window->rows * element_bytes(&table->selected[s]));
    }
    if (table->kept_bytes + bytes > table->options.keep_bytes) {
        return false;
    }
    w_kept_window *kept = new_kept(table, window);
    bool whole = kept != NULL;
    for (int32_t s = 0; whole && s < table->selected_count; s++) {
        size_t size = (size_t)(window->rows * element_bytes(&table->selected[s]));
        kept->data[s] = w_alloc(table->ctx, KEPT_TAG, size);
        whole = kept->data[s] != NULL;
    }
    keep_job job = { table, window, kept };
    if (!whole || w_pool_run(table->ctx, table->selected_count, copy_column, &job) < 0) {
        free_window(table, kept);
        w_message_clear(table->ctx);
        return false;
    }
    append_kept(table, kept);
    table->kept_bytes += bytes;
    return true;
}

static weir_status spool_window(weir_table *table, const w_window *window)
{
    w_kept_window *kept = new_kept(table, window);
    if (!kept) {
        return w_alloc_status(table->ctx);
    }
    append_kept(table, kept);
    return spool_columns(table, window->first_row, window->rows, table->buffer.data, &kept->offset);
}

static bool can_restart(const weir_table *table)
{
    for (int32_t i = 0; i < table->part_count; i++) {
        if (!table->parts[i]->can_restart) {
            return false;
        }
    }
    return true;
}

static void read_again(weir_table *table)
{
    free_kept(table);
    w_spool_free(table->spool);
    table->spool = NULL;
    table->route = W_ROUTE_REREAD;
}

/* The scratch folder does not take the rows: they can be read again, or the scan fails. */
static weir_status spool_failed(weir_table *table, weir_status status)
{
    weir_ctx *ctx = table->ctx;
    if (table->options.spool != W_SPOOL_CACHE || !can_restart(table) || status == WEIR_E_CANCELLED) {
        return status;
    }
    w_log_line(ctx, WEIR_LOG_WARNING, "%s; the rows of %s are read again in each pass", weir_ctx_message(ctx), table->label);
    w_message_clear(ctx);
    read_again(table);
    return WEIR_OK;
}

static weir_status store_window(weir_table *table, const w_window *window)
{
    weir_status status = WEIR_OK;
    if (table->route == W_ROUTE_KEPT) {
        if (keep_window(table, window)) {
            return WEIR_OK;
        }
        if (can_restart(table) && table->options.spool == W_SPOOL_NEEDED) {
            read_again(table);
            return WEIR_OK;
        }
        status = begin_spool(table);
    }
    if (status >= 0 && table->route == W_ROUTE_SPOOLED) {
        status = spool_window(table, window);
    }
    return status < 0 ? spool_failed(table, status) : WEIR_OK;
}

/* Codes in what was kept become final; columns whose kind was open for a while are missing throughout until then. */
static void settle_kept(weir_table *table)
{
    for (w_kept_window *window = table->route == W_ROUTE_KEPT ? table->kept : NULL; window;
         window = window->next) {
        for (int32_t s = 0; s < table->selected_count; s++) {
            const w_selected *selected = &table->selected[s];
            int32_t *code = window->data[s];
            if (selected->info.kind != W_FACTOR) {
                continue;
            }
            const int32_t *remap = selected->dictionary ? w_dictionary_remap(selected->dictionary) : NULL;
            bool open = window->first_row < selected->decided_row;
            for (int64_t i = 0; i < window->rows; i++) {
                code[i] = open ? -1 : remap && code[i] >= 0 ? remap[code[i]] : code[i];
            }
        }
    }
}

static weir_status finish_scan(weir_table *table)
{
    for (int32_t s = 0; s < table->selected_count; s++) {
        w_selected *selected = &table->selected[s];
        if (!selected->decided) {
            selected->decided = true; /* nothing but missing values: numeric */
        }
        if (!selected->dictionary) {
            continue;
        }
        weir_status status = w_dictionary_finish(selected->dictionary, table->decimal);
        if (status < 0) {
            return status;
        }
        selected->info.level_count = w_dictionary_count(selected->dictionary);
        selected->info.levels = w_dictionary_levels(selected->dictionary);
    }
    settle_kept(table);
    table->scanned = true;
    if (table->route == W_ROUTE_KEPT) {
        free_buffer(table);
    }
    return WEIR_OK;
}

static weir_status visit_window(weir_table *table, const w_window *window, w_window_fn visit, void *arg)
{
    if (!visit) {
        return WEIR_OK;
    }
    double start = w_clock_seconds();
    weir_status status = visit(arg, window);
    table->seconds -= w_clock_seconds() - start;
    return status;
}

static weir_status scan_parts(weir_table *table, w_window_fn visit, void *arg)
{
    weir_ctx *ctx = table->ctx;
    table->route = W_ROUTE_KEPT;
    weir_status status = begin_decoding(table);
    if (status >= 0 && table->options.spool == W_SPOOL_ALWAYS) {
        status = begin_spool(table);
    }
    int64_t total = w_source_row_estimate(table), rows = 0;
    for (;;) {
        w_window window;
        if (status >= 0) {
            status = next_decoded(table, &window);
        }
        if (status < 0 || window.rows == 0) {
            break;
        }
        rows += window.rows;
        status = store_window(table, &window);
        if (status >= 0) {
            status = visit_window(table, &window, visit, arg);
        }
        w_progress_rows(ctx, "scan", rows, total < 0 ? -1 : w_max64(total, rows));
        if (status >= 0) {
            status = w_check_cancel(ctx);
        }
    }
    if (status < 0) {
        return status;
    }
    table->rows = rows;
    return finish_scan(table);
}

static weir_status scan_memory(weir_table *table, w_window_fn visit, void *arg)
{
    table->route = W_ROUTE_IN_PLACE;
    weir_status status = w_memory_scan(table);
    table->scanned = status >= 0;
    w_window window;
    while (status >= 0 && visit && (status = w_memory_next(table, &window)) >= 0 && window.rows > 0) {
        status = visit_window(table, &window, visit, arg);
        w_progress_rows(table->ctx, "scan", window.first_row + window.rows, table->rows);
        if (status >= 0) {
            status = w_check_cancel(table->ctx);
        }
    }
    return status;
}

weir_status w_source_scan(weir_table *table, const w_scan_options *options, w_window_fn visit, void *arg)
{
    double start = w_clock_seconds();
    w_source_forget(table);
    w_progress_pass(table->ctx);
    table->options = *options;
    weir_status status = w_table_begin_columns(table);
    if (status >= 0) {
        status = table->memory ? scan_memory(table, visit, arg) : scan_parts(table, visit, arg);
    }
    if (status < 0) {
        w_source_forget(table);
    }
    table->seconds += w_clock_seconds() - start;
    return status < 0 ? status : WEIR_OK;
}

weir_status w_source_rewind(weir_table *table)
{
    if (!table->scanned) {
        return w_fail(table->ctx, WEIR_E_INTERNAL, "%s: rewound before it was scanned", table->label);
    }
    w_progress_pass(table->ctx);
    table->cursor = table->kept;
    if (table->memory) {
        w_memory_rewind(table);
        return WEIR_OK;
    }
    return table->route == W_ROUTE_REREAD ? begin_decoding(table) : WEIR_OK;
}

static int64_t spooled_bytes(const w_kept_window *kept, const w_selected *selected)
{
    bool open = kept->first_row < selected->decided_row;
    return w_mul64(kept->rows, open ? (int64_t)sizeof(double) : element_bytes(selected));
}

static weir_status read_column(void *arg, int64_t task, int worker)
{
    (void)worker;
    weir_table *table = arg;
    const w_kept_window *kept = table->cursor;
    const w_selected *selected = &table->selected[task];
    int64_t offset = kept->offset;
    for (int64_t s = 0; s < task; s++) {
        offset += spooled_bytes(kept, &table->selected[s]);
    }
    int32_t *code = table->buffer.data[task];
    weir_status status = w_spool_read(table->spool, offset, code, spooled_bytes(kept, selected));
    if (status < 0 || selected->info.kind != W_FACTOR) {
        return status;
    }
    const int32_t *remap = selected->dictionary ? w_dictionary_remap(selected->dictionary) : NULL;
    bool open = kept->first_row < selected->decided_row;
    for (int64_t i = 0; i < kept->rows; i++) {
        code[i] = open ? -1 : remap && code[i] >= 0 ? remap[code[i]] : code[i];
    }
    return WEIR_OK;
}

static weir_status next_spooled(weir_table *table, w_window *window)
{
    weir_status status = w_pool_run(table->ctx, table->selected_count, read_column, table);
    if (status >= 0) {
        show_window(table, table->buffer.data, table->cursor->first_row, table->cursor->rows, window);
    }
    return status;
}

static weir_status next_window(weir_table *table, w_window *window)
{
    if (table->memory) {
        return w_memory_next(table, window);
    }
    if (table->route == W_ROUTE_REREAD) {
        return next_decoded(table, window);
    }
    w_kept_window *kept = table->cursor;
    if (!kept) {
        *window = (w_window){ table->rows, 0, table->selected_count, table->views };
        return WEIR_OK;
    }
    weir_status status = WEIR_OK;
    if (table->route == W_ROUTE_SPOOLED) {
        status = next_spooled(table, window);
    } else {
        show_window(table, kept->data, kept->first_row, kept->rows, window);
    }
    table->cursor = kept->next;
    return status;
}

weir_status w_source_next(weir_table *table, w_window *window)
{
    if (!table->scanned) {
        return w_fail(table->ctx, WEIR_E_INTERNAL, "%s: read before it was scanned", table->label);
    }
    double start = w_clock_seconds();
    weir_status status = next_window(table, window);
    table->seconds += w_clock_seconds() - start;
    return status;
}
